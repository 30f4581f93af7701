//! What the CSV formats of many images share: columns by name, one object or image a row.

use std::borrow::Cow;
use std::collections::HashMap;

use super::csv::{Record, Records};
use super::text::{Cursor, show, wrong_header};
use super::{Format, ReadOptions};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// Names by which the columns go, in lower case.
const IMAGE: &[&str] = &["id", "imageid", "image_id", "img", "image", "imageid_classid", "image_label"];
const HEIGHT: &[&str] = &["height", "imageheight", "image_height", "img_height"];
const WIDTH: &[&str] = &["width", "imagewidth", "image_width", "img_width"];
const CATEGORY: &[&str] = &["class", "classid", "class_id", "category", "cell_type", "organ"];
/// The name of an object; its place tells it as well.
const OBJECT: &[&str] = &["mask"];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Image,
    Height,
    Width,
    Category,
    Object,
    Runs,
}

impl Column {
    /// What the column of this name holds, in a format that calls its runs by one of the names `runs`. A space may stand
    /// before the name: some files have one after every comma.
    pub(super) fn of(name: &str, runs: &[&str]) -> Option<Self> {
        let name = name.strip_prefix(' ').unwrap_or(name).to_ascii_lowercase();
        let names = [
            (IMAGE, Self::Image),
            (HEIGHT, Self::Height),
            (WIDTH, Self::Width),
            (CATEGORY, Self::Category),
            (OBJECT, Self::Object),
            (runs, Self::Runs),
        ];
        names.into_iter().find(|(known, _)| known.contains(&name.as_str())).map(|(_, column)| column)
    }
}

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
    pub(super) image: Cow<'a, str>,
    pub(super) shape: Option<Shape>,
    pub(super) category: Option<Cow<'a, str>>,
    pub(super) runs: Cursor<'a>,
}

impl Columns {
    /// Reads the header: a column of images, one of `runs` names, and those that are known beside them.
    pub(super) fn read(records: &mut Records<'_>, runs: &[&str], example: &str, options: &ReadOptions) -> Result<Self> {
        let Some(header) = records.header()? else { return Err(wrong_header(None, example)) };
        let fields = || (0..header.len()).map(|index| header.field(index));
        let names = fields().map(|field| field.text()).collect::<Result<Vec<_>>>()?;
        let columns: Vec<_> = names.iter().map(|name| Column::of(name, runs)).collect();
        let find = |column| columns.iter().position(|&other| other == Some(column));
        let (Some(image), Some(runs_column)) = (find(Column::Image), find(Column::Runs)) else {
            return Err(wrong_header(Some(header.start()), example));
        };
        for (index, field) in fields().enumerate() {
            let found = || show(names[index].as_bytes());
            if columns[..index].contains(&columns[index]) && columns[index].is_some()
                || names[..index].contains(&names[index])
            {
                return Err(field.cursor().fault("a column once", format!("{} again", found())));
            }
            if columns[index].is_none() && !options.ignore_columns {
                return Err(field.cursor().fault(
                    format!("columns like {example} (option ignore-columns passes over others)"),
                    format!("the column {}", found()),
                ));
            }
        }
        let (height, width) = (find(Column::Height), find(Column::Width));
        Ok(Self { count: names.len(), image, runs: runs_column, height, width, category: find(Column::Category) })
    }

    /// Takes a record apart.
    pub(super) fn row<'a>(&self, record: Record<'a>, options: &ReadOptions) -> Result<Row<'a>> {
        if record.len() != self.count {
            return Err(record.fault(format!("{} fields", self.count), format!("{}", record.len())));
        }
        let image = record.field(self.image).text()?;
        if image.is_empty() {
            return Err(record.field(self.image).cursor().expected("the name of an image"));
        }
        let side = |column: Option<usize>, name: &str| -> Result<Option<u64>> {
            let Some(column) = column else { return Ok(None) };
            let mut field = record.field(column).words()?;
            let side = field.number(name)?;
            field.end()?;
            Ok(Some(side))
        };
        let shape = match (side(self.height, "a height")?, side(self.width, "a width")?) {
            (Some(height), Some(width)) => {
                let shape = Shape::new(height, width)?;
                if let Some(expected) = options.shape_of(&image)
                    && shape != expected
                {
                    return Err(record.fault(format!("an image of {expected}"), format!("{shape}")));
                }
                Some(shape)
            }
            _ => options.shape_of(&image),
        };
        let category = match self.category {
            Some(column) => Some(record.field(column).text()?).filter(|category| !category.is_empty()),
            None => None,
        };
        Ok(Row { image, shape, category, runs: record.field(self.runs).words()? })
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
                "image {image}: label {label} would be read back as {}, for a {} file numbers objects by their place \
                 (option renumber gives them these numbers)",
                self.current.1,
                self.format.name()
            ))),
            _ => Ok(()),
        }
    }
}

/// A text as a CSV field: between double quotes where it must be.
pub(super) fn push_field(text: &mut Vec<u8>, field: &str) {
    if !field.contains([',', '"', '\n', '\r']) {
        text.extend_from_slice(field.as_bytes());
        return;
    }
    text.push(b'"');
    text.extend_from_slice(field.replace('"', "\"\"").as_bytes());
    text.push(b'"');
}

/// An image's name as a CSV field: an empty one would be no name to the reader.
pub(super) fn push_name(text: &mut Vec<u8>, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::Argument("an image without a name cannot stand in a CSV row".into()));
    }
    push_field(text, name);
    Ok(())
}
