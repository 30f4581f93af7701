//! What the CSV formats of many images share: columns by name, one object or image a row.

use std::collections::HashMap;

use super::text::{Cursor, Lines, show, wrong_header};
use super::{Format, ReadOptions};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// Names by which the columns go, in lower case.
const IMAGE: &[&str] = &["id", "imageid", "image_id", "img", "image", "imageid_classid", "image_label"];
const HEIGHT: &[&str] = &["height", "imageheight", "image_height"];
const WIDTH: &[&str] = &["width", "imagewidth", "image_width"];
const CATEGORY: &[&str] = &["class", "classid", "class_id", "category", "cell_type", "organ"];
/// The name of an object; its place tells it as well.
const OBJECT: &[&str] = &["mask"];

/// Which column of a file holds what.
pub(super) struct Columns {
    count: usize,
    image: usize,
    runs: usize,
    height: Option<usize>,
    width: Option<usize>,
    category: Option<usize>,
}

/// One row.
pub(super) struct Row<'a> {
    pub(super) image: &'a str,
    pub(super) shape: Option<Shape>,
    pub(super) category: Option<&'a str>,
    pub(super) runs: Cursor<'a>,
}

impl Columns {
    /// Reads the header: a column of images, one of `runs` names, and those that are known beside them.
    pub(super) fn read(lines: &mut Lines<'_>, runs: &[&str], example: &str, options: &ReadOptions) -> Result<Self> {
        let header = match lines.header()? {
            Some(header) => header,
            None => return Err(wrong_header(None, example)),
        };
        let fields = header.fields()?;
        let names: Vec<String> =
            fields.iter().map(|field| String::from_utf8_lossy(field.rest()).to_ascii_lowercase()).collect();
        let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let (Some(image), Some(runs_column)) = (find(IMAGE), find(runs)) else {
            return Err(wrong_header(Some(header), example));
        };
        for (place, (name, field)) in names.iter().zip(&fields).enumerate() {
            let known =
                [IMAGE, runs, HEIGHT, WIDTH, CATEGORY, OBJECT].iter().any(|known| known.contains(&name.as_str()));
            if names[..place].contains(name) {
                return Err(field.fault("a column once", format!("{} again", show(field.rest()))));
            }
            if !known && !options.ignore_columns {
                return Err(field.fault(
                    format!("columns like {example} (or ask to ignore others)"),
                    format!("the column {}", show(field.rest())),
                ));
            }
        }
        let (height, width) = (find(HEIGHT), find(WIDTH));
        Ok(Self { count: names.len(), image, runs: runs_column, height, width, category: find(CATEGORY) })
    }

    /// Takes a line apart.
    pub(super) fn row<'a>(&self, line: Cursor<'a>, options: &ReadOptions) -> Result<Row<'a>> {
        let fields = line.fields()?;
        if fields.len() != self.count {
            return Err(line.fault(format!("{} fields", self.count), format!("{}", fields.len())));
        }
        let image_field = fields[self.image];
        let image = image_field.text()?;
        if image.is_empty() {
            return Err(image_field.expected("the name of an image"));
        }
        let side = |column: Option<usize>, name: &str| -> Result<Option<u64>> {
            let Some(mut field) = column.map(|column| fields[column]) else { return Ok(None) };
            let side = field.number(name)?;
            field.end()?;
            Ok(Some(side))
        };
        let shape = match (side(self.height, "a height")?, side(self.width, "a width")?) {
            (Some(height), Some(width)) => {
                let shape = Shape::new(height, width)?;
                if let Some(expected) = options.shape
                    && shape != expected
                {
                    return Err(line.fault(format!("an image of {expected}"), format!("{shape}")));
                }
                Some(shape)
            }
            _ => options.shape,
        };
        let category = match self.category {
            Some(column) => Some(fields[column].text()?),
            None => None,
        };
        Ok(Row { image, shape, category, runs: fields[self.runs] })
    }
}

/// Numbers the objects of each image by place: 1, 2, 3 ...
#[derive(Debug)]
pub(super) struct Sequence {
    format: Format,
    renumber: bool,
    /// Objects usually come image by image: only the others are looked up.
    current: (String, u64),
    others: HashMap<String, u64>,
}

impl Sequence {
    pub(super) fn new(format: Format, renumber: bool) -> Self {
        Self { format, renumber, current: (String::new(), 0), others: HashMap::new() }
    }

    /// Counts an object of `image`; an error when it has another number and that would be lost.
    pub(super) fn next(&mut self, image: &str, label: Option<u64>) -> Result<()> {
        if self.current.0 != image {
            let place = self.others.remove(image).unwrap_or(0);
            let (name, count) = std::mem::replace(&mut self.current, (image.to_owned(), place));
            self.others.insert(name, count);
        }
        self.current.1 += 1;
        match label {
            Some(label) if label != self.current.1 && !self.renumber => Err(Error::Argument(format!(
                "image {image}: label {label} would be read back as {}, for a {} file numbers objects by their place: \
                 renumber them",
                self.current.1,
                self.format.name()
            ))),
            _ => Ok(()),
        }
    }
}

/// An image's name as a CSV field.
pub(super) fn push_field(text: &mut Vec<u8>, field: &str) -> Result<()> {
    if field.is_empty() || field.contains(['"', '\n', '\r']) {
        return Err(Error::Argument(format!("the image name {field:?} cannot be a field of a CSV row")));
    }
    let quoted = field.contains(',');
    if quoted {
        text.push(b'"');
    }
    text.extend_from_slice(field.as_bytes());
    if quoted {
        text.push(b'"');
    }
    Ok(())
}
