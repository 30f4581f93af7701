//! What the CSV formats of many images share: columns by name, one object or image a row.

use std::borrow::Cow;
use std::collections::HashMap;

use super::ReadOptions;
use super::checked::Losses;
use super::csv::{Record, Records};
use super::text::{Cursor, show, wrong_header};
use crate::error::{Error, Loss, Remedy, Result};
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
    /// The number of the row, which dataframes write.
    Index,
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

/// Whether the first column is an index, as dataframes call it.
fn is_index(name: &str) -> bool {
    matches!(name, "" | "Unnamed: 0" | "index")
}

/// The names of the columns of images and runs, as a caller says them.
pub(super) fn two_names(header: &str) -> Result<[&str; 2]> {
    match header.split(',').map(str::trim).collect::<Vec<_>>().as_slice() {
        &[image, runs] if !image.is_empty() && !runs.is_empty() && image != runs => Ok([image, runs]),
        _ => Err(Error::Argument(format!(
            "the header {header:?}: the names of the column of images and of the column of runs were expected, with a \
             comma between them"
        ))),
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
        let told = options.header.as_deref().map(two_names).transpose()?;
        let Some(header) = records.header()? else { return Err(wrong_header(None, example)) };
        let fields = || (0..header.len()).map(|index| header.field(index));
        let names = fields().map(|field| field.text()).collect::<Result<Vec<_>>>()?;
        let mut columns: Vec<_> = names.iter().map(|name| Column::of(name, runs)).collect();
        if let Some(told) = told {
            let is_object = |column: &Option<Column>| matches!(column, Some(Column::Image | Column::Runs));
            columns.iter_mut().filter(|column| is_object(column)).for_each(|column| *column = None);
            for (name, held) in told.into_iter().zip([Column::Image, Column::Runs]) {
                if let Some(index) = names.iter().position(|known| known.trim() == name) {
                    columns[index] = Some(held);
                }
            }
        }
        if is_index(&names[0]) && columns[0].is_none() {
            columns[0] = Some(Column::Index);
        }
        let find = |column| columns.iter().position(|&other| other == Some(column));
        let (Some(image), Some(runs_column)) = (find(Column::Image), find(Column::Runs)) else {
            return Err(match told {
                Some([image, runs]) => header
                    .fault(format!("the columns {image:?} and {runs:?}, as was said"), show(header.start().rest())),
                None => wrong_header(Some(header.start()), example).with_remedy(Remedy::NameColumns),
            });
        };
        for (index, field) in fields().enumerate() {
            let found = || show(names[index].as_bytes());
            if columns[..index].contains(&columns[index]) && columns[index].is_some()
                || names[..index].contains(&names[index])
            {
                return Err(field.cursor().fault("a column once", format!("{} again", found())));
            }
            if columns[index].is_none() && !options.ignore_columns {
                let error = field.cursor().fault(format!("columns like {example}"), format!("the column {}", found()));
                return Err(error.with_remedy(Remedy::IgnoreColumns));
            }
        }
        let (height, width) = (find(Column::Height), find(Column::Width));
        let (count, category) = (names.len(), find(Column::Category));
        records.expect_fields(count);
        Ok(Self { count, image, runs: runs_column, height, width, category })
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
#[derive(Debug, Default)]
pub(super) struct Sequence {
    renumber: bool,
    /// Objects usually come image by image: only the others are looked up.
    current: (String, u64),
    others: HashMap<String, u64>,
}

impl Sequence {
    pub(super) fn new(renumber: bool) -> Self {
        Self { renumber, ..Self::default() }
    }

    /// Counts an object of `image`; a loss when it has another number and the options do not allow a new one.
    pub(super) fn next(&mut self, image: &str, label: Option<u64>, losses: &mut Losses) {
        if self.current.0 != image {
            let place = self.others.remove(image).unwrap_or(0);
            let (name, count) = std::mem::replace(&mut self.current, (image.to_owned(), place));
            self.others.insert(name, count);
        }
        self.current.1 += 1;
        let becomes = self.current.1;
        if let Some(label) = label.filter(|&label| label != becomes && !self.renumber) {
            losses.add(Loss::Label { image: image.to_owned(), label, becomes });
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
