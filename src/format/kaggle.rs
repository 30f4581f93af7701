//! `kaggle`: the CSV of most segmentation competitions, and `siim`, its form with relative starts.
//!
//! ```text
//! file  := header EOL row*
//! row   := image "," runs EOL                      one object of the image; several rows may name the same image
//! runs  := [ start SP length ( SP start SP length )* ]
//! EOL   := LF or CRLF; the last one may be missing
//! ```
//! * Any field may stand in double quotes, in which two of them are one; runs in quotes may go on in the next line, whose
//!   end then stands for a space. One space may stand after a comma of header and rows, as in the files of SIIM-ACR.
//! * Header: `id,rle`, `ImageId,EncodedPixels`, `id,encoding`, `id,predicted`, `img,rle_mask`, `id,segmentation`,
//!   `id,annotation` and the like, the columns in any order; columns of height, width, class and `Mask` (an object's name,
//!   which is passed over) may stand among them. Written are the columns of the header asked for, `id,rle` and
//!   `ImageId,EncodedPixels` (`siim`) unless told; of two columns the names may be any.
//! * Order: column-major for most; row-major for Sartorius, UW-Madison and a few others, which reader and writer must be
//!   told: the file does not say.
//! * Base (`kaggle`): starts count from 1, the first pixel is 1; some write from 0, which the reader must be told.
//!   They ascend without overlap.
//! * Base (`siim`): the first start counts from 0, every later one from the end of the run before: a gap.
//! * Empty: a row without runs is an image without objects. `kaggle` leaves it blank, and `-1`, `-`, `1 0` and `nan` are
//!   read as well; `siim` writes `-1`.
//! * Labels: the place of a row among those of its image, from 1. Labels with gaps or without runs cannot be written
//!   unless they are renumbered or dropped; as a union all objects of an image make one row.
//! * Background: 0, not written. Overlap: allowed between rows, lost in a union. Shape: not in the file, except in columns
//!   of height and width.
//! * Limits: none but `u64`.
//! * Source: evaluation pages of the 2018 Data Science Bowl, Airbus Ship Detection, HuBMAP 2020 (Kaggle) and SIIM-ACR
//!   Pneumothorax.

use std::collections::HashMap;
use std::io::{BufRead, Write};

use super::budget::Turn;
use super::checked::{Losses, Output};
use super::csv::Records;
use super::description::{Description, Holds, Reader, Special, Unsaid, Writer};
use super::detect::{Beginning, Fit};
use super::numbers::{push_number, push_pair};
use super::objects::{Image, OBJECTS, Object, ObjectSink};
use super::rows::{Column, Columns, Sequence, push_field, push_name};
use super::text::{Bound, Cursor};
use super::{Capabilities, ReadOptions, WriteOptions, writing};
use crate::error::{Error, Loss, Result};
use crate::memory::extend;
use crate::runs::{Run, unite};
use crate::shape::{ScanOrder, Shape};

/// Names by which the column of runs goes, in lower case.
const RUNS: &[&str] = &[
    "rle",
    "encodedpixels",
    "encoding",
    "predicted",
    "rle_mask",
    "segmentation",
    "annotation",
    "rle_encoded",
    "predicted_mask",
    "predicted_masks",
];

pub(super) static FORMAT: Description = Description {
    name: "kaggle",
    about: "CSV id,rle of competitions: one object a row, from 1, column-major or as told",
    extension: "csv",
    owns_extension: false,
    headers: &["id,rle", "ImageId,EncodedPixels", "id,encoding", "id,predicted", "id,annotation", "img,rle_mask"],
    capabilities: Capabilities {
        many_images: true,
        holds_shape: false,
        needs_shape: false,
        any_labels: false,
        empty_labels: false,
        any_order: true,
    },
    holds,
    unsaid: Unsaid::NOTHING,
    order: ScanOrder::ColumnMajor,
    bases: &[1, 0],
    options: &[Special::Base, Special::Header, Special::Union],
    fits: |beginning| match (is_table(beginning), starts_of(beginning)) {
        (None, _) => Fit::No,
        (Some(false), _) => Fit::IfTold,
        (_, Some(Starts::Relative)) => Fit::Perhaps,
        _ => Fit::Sure,
    },
    read: Reader::Objects(|reader, options, sink| read(reader, options, Starts::Absolute, sink)),
    write: Writer::Objects(|writer, options| Ok(Box::new(RowWriter::new(writer, options, Starts::Absolute)?))),
};

/// What a file with this header holds beside runs.
pub(super) fn holds(options: &WriteOptions) -> Holds {
    let header = options.header.as_deref().unwrap_or("");
    let has = |column| header.split(',').any(|name| Column::of(name, RUNS) == Some(column));
    Holds { shape: has(Column::Height), categories: has(Column::Category), ..Holds::default() }
}

/// Whether the first line has columns of images and runs; `None` when it is not that of a table.
pub(super) fn is_table(beginning: &Beginning<'_>) -> Option<bool> {
    let names = beginning.columns();
    let has = |column| names.iter().any(|name| Column::of(name, RUNS) == Some(column));
    (names.len() > 1 && beginning.outline().is_none())
        .then(|| beginning.named().is_some() || has(Column::Image) && has(Column::Runs))
}

/// How starts are counted in the first rows of a file, when they tell: gaps do not ascend.
pub(super) fn starts_of(beginning: &Beginning<'_>) -> Option<Starts> {
    let named = beginning.named();
    let is_runs = |name: &str| match named {
        Some([_, runs]) => name == runs,
        None => Column::of(name, RUNS) == Some(Column::Runs),
    };
    let place = beginning.columns().iter().position(|name| is_runs(name))?;
    let mut ascending = 0;
    for row in beginning.rows() {
        let field = row.split(|&byte| byte == beginning.separator()).nth(place).unwrap_or(b"").trim_ascii();
        let field = field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field);
        let mut end: Option<u64> = None;
        let mut numbers =
            field.split(|&byte| byte == b' ').map_while(|word| std::str::from_utf8(word).ok()?.parse().ok());
        while let (Some(start), Some(length)) = (numbers.next(), numbers.next()) {
            let start: u64 = start;
            match end {
                Some(end) if start < end => return Some(Starts::Relative),
                Some(_) => ascending += 1,
                None => {}
            }
            end = Some(start.saturating_add(length));
        }
    }
    (ascending >= ASCENDING).then_some(Starts::Absolute)
}

/// Starts after another one of their row that must ascend, all of them, to be no gaps.
pub(crate) const ASCENDING: u64 = 8;

/// How starts are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starts {
    /// `kaggle`
    Absolute,
    /// `siim`
    Relative,
}

impl Starts {
    fn format(self) -> &'static Description {
        match self {
            Self::Absolute => &FORMAT,
            Self::Relative => &super::siim::FORMAT,
        }
    }

    fn header(self) -> &'static str {
        self.format().headers[0]
    }

    fn is_empty(self, field: &[u8]) -> bool {
        match self {
            Self::Absolute => matches!(field, b"" | b"-1" | b"-" | b"1 0") || field.eq_ignore_ascii_case(b"nan"),
            Self::Relative => field == b"-1",
        }
    }
}

pub(super) fn read(
    reader: &mut dyn BufRead,
    options: &ReadOptions,
    starts: Starts,
    sink: &mut dyn ObjectSink,
) -> Result<()> {
    let mut records = Records::new(reader);
    let columns = Columns::read(&mut records, RUNS, starts.header(), options)?;
    let mut runs = Vec::new();
    while let Some(record) = records.next()? {
        let row = columns.row(record, options)?;
        if starts.is_empty(row.runs.rest()) {
            sink.image(&Image { id: &row.image, name: None, shape: row.shape })?;
            continue;
        }
        runs.clear();
        let mut field = row.runs;
        match starts {
            Starts::Absolute => field.pairs(options.base.unwrap_or(1), row.shape, |run| {
                runs.push(run);
                Ok(())
            })?,
            Starts::Relative => relative_pairs(field, row.shape, &mut runs)?,
        }
        sink.object(&Object {
            image: &row.image,
            shape: row.shape,
            order: options.order.unwrap_or_default(),
            label: None,
            category: row.category.as_deref(),
            score: None,
            crowd: false,
            runs: &runs,
        })?;
    }
    Ok(())
}

/// Pairs `gap length gap length ...`.
fn relative_pairs(mut field: Cursor<'_>, shape: Option<Shape>, runs: &mut Vec<Run>) -> Result<()> {
    let mut bound = Bound::new(shape);
    let mut end = 0_u64;
    loop {
        let place = field;
        let gap = field.number("a gap")?;
        let Some(start) = end.checked_add(gap) else {
            return Err(place.fault("a gap that ends before position 2^64", format!("{gap}")));
        };
        field.separator("one space and a length")?;
        let length_place = field;
        let run = Run { start, length: field.number("a length")? };
        bound.check(run, 0).map_err(|defect| defect.at(place, length_place))?;
        end = run.end();
        runs.push(run);
        if field.is_at_end() {
            return Ok(());
        }
        field.separator("one space and a gap")?;
    }
}

/// Bytes of rows that are written at once.
const BATCH: usize = 1 << 16;

/// Two columns, one of which has a name of its own: images come first, unless the other's name says otherwise.
fn two_columns(names: &[&str]) -> Option<Vec<Column>> {
    let [first, second] = names else { return None };
    if names.iter().any(|name| name.trim().is_empty() || name.contains(['"', '\r', '\n'])) {
        return None;
    }
    match (Column::of(first, RUNS), Column::of(second, RUNS)) {
        (None | Some(Column::Image), None | Some(Column::Runs)) => Some(vec![Column::Image, Column::Runs]),
        (None | Some(Column::Runs), None | Some(Column::Image)) => Some(vec![Column::Runs, Column::Image]),
        _ => None,
    }
}

/// What the columns of a header hold.
fn columns_of(header: &str, starts: Starts) -> Result<Vec<Column>> {
    let names: Vec<&str> = header.split(',').collect();
    let columns: Option<Vec<_>> = names.iter().map(|name| Column::of(name, RUNS)).collect();
    let columns = columns.or_else(|| two_columns(&names)).unwrap_or_default();
    let has = |column| columns.contains(&column);
    let once = columns.iter().enumerate().all(|(index, column)| !columns[..index].contains(column));
    if !once
        || !has(Column::Image)
        || !has(Column::Runs)
        || has(Column::Object)
        || has(Column::Index)
        || has(Column::Height) != has(Column::Width)
    {
        return Err(Error::Argument(format!(
            "the header {header:?}: a {} file has a column of images and one of runs, like {}, whose names may be any \
             where there are no others, and may have columns of height and width and one of classes",
            starts.format().name,
            starts.header()
        )));
    }
    Ok(columns)
}

/// Writes rows as they come; unions are kept and written at the end.
pub(super) struct RowWriter<'a> {
    writer: Output<'a>,
    options: &'a WriteOptions,
    starts: Starts,
    columns: Vec<Column>,
    text: Vec<u8>,
    sequence: Sequence,
    turn: Turn,
    /// The images named so far, and the place of each in `kept`.
    images: HashMap<String, usize>,
    kept: Vec<Kept>,
    /// The place of the image named last: rows of one image usually follow each other.
    last: usize,
}

/// What is known of an image.
struct Kept {
    image: String,
    shape: Option<Shape>,
    /// Whether a row has been written for it.
    written: bool,
    union: Vec<Run>,
}

impl<'a> RowWriter<'a> {
    pub(super) fn new(writer: Output<'a>, options: &'a WriteOptions, starts: Starts) -> Result<Self> {
        let header = options.header.as_deref().unwrap_or(starts.header());
        let columns = columns_of(header, starts)?;
        if options.union && columns.contains(&Column::Category) {
            return Err(Error::Argument(format!("the header {header:?}: a union of objects has no class")));
        }
        let text = [header.as_bytes(), options.line_ending.bytes()].concat();
        let sequence = Sequence::new(options.renumber);
        Ok(Self {
            writer,
            options,
            starts,
            columns,
            text,
            sequence,
            turn: Turn::default(),
            images: HashMap::new(),
            kept: Vec::new(),
            last: 0,
        })
    }

    fn keep(&mut self, image: &str, shape: Option<Shape>) -> &mut Kept {
        if self.kept.get(self.last).is_none_or(|kept| kept.image != image) {
            self.last = self.images.get(image).copied().unwrap_or_else(|| {
                self.images.insert(image.to_owned(), self.kept.len());
                self.kept.push(Kept { image: image.to_owned(), shape, written: false, union: Vec::new() });
                self.kept.len() - 1
            });
        }
        let kept = &mut self.kept[self.last];
        kept.shape = kept.shape.or(shape);
        kept
    }

    fn write_row(&mut self, image: &str, shape: Option<Shape>, category: Option<&str>, runs: &[Run]) -> Result<()> {
        let text = &mut self.text;
        for (place, column) in self.columns.iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            match (column, shape) {
                (Column::Image, _) => push_name(text, image)?,
                (Column::Height, Some(shape)) => push_number(text, u64::from(shape.height)),
                (Column::Width, Some(shape)) => push_number(text, u64::from(shape.width)),
                (Column::Height | Column::Width, None) => {
                    return Err(Error::UnknownShape { what: format!("image {image}: the header has their columns") });
                }
                (Column::Category, _) => push_field(text, category.unwrap_or("")),
                (Column::Runs, _) => push_runs(text, runs, self.starts, self.options.base.unwrap_or(1))?,
                (Column::Object | Column::Index, _) => {}
            }
        }
        text.extend_from_slice(self.options.line_ending.bytes());
        if text.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.writer.write_all(&self.text).map_err(writing)?;
        self.text.clear();
        Ok(())
    }
}

fn push_runs(text: &mut Vec<u8>, runs: &[Run], starts: Starts, base: u64) -> Result<()> {
    let Some(last) = runs.last() else {
        text.extend_from_slice(if starts == Starts::Relative { b"-1" } else { b"" });
        return Ok(());
    };
    match starts {
        // Starts ascend.
        Starts::Absolute if last.start.checked_add(base).is_none() => {
            return Err(Error::LimitExceeded {
                what: format!("start of a run, counted from {base}"),
                limit: u64::MAX - base,
                found: last.start,
            });
        }
        Starts::Absolute => {
            for run in runs {
                push_pair(text, run.start + base, run.length);
            }
        }
        Starts::Relative => {
            let mut end = 0;
            for run in runs {
                push_pair(text, run.start - end, run.length);
                end = run.end();
            }
        }
    }
    // The space after the last run.
    text.pop();
    Ok(())
}

impl ObjectSink for RowWriter<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.keep(image.id, image.shape);
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let order = self.options.order.unwrap_or_default();
        if self.starts == Starts::Relative && order != ScanOrder::ColumnMajor {
            return Err(Error::Argument("a siim file is column-major".into()));
        }
        let runs = self.turn.runs(object, order)?;
        let options = self.options;
        let kept = self.keep(object.image, object.shape);
        if options.union {
            extend(&mut kept.union, &runs, OBJECTS)?;
            return Ok(());
        }
        kept.written |= !runs.is_empty();
        let mut losses = Losses::default();
        if runs.is_empty() {
            // A row without runs says that the image has no objects.
            if !options.drop_empty_labels {
                let image = Some(object.image.to_owned());
                losses.add(Loss::EmptyLabel { image, label: object.label });
            }
            return losses.refuse(self.starts.format().name);
        }
        self.sequence.next(object.image, object.label, &mut losses);
        losses.refuse(self.starts.format().name)?;
        self.write_row(object.image, object.shape, object.category, &runs)
    }

    fn finish(&mut self) -> Result<()> {
        for mut kept in std::mem::take(&mut self.kept) {
            if !kept.written {
                unite(&mut kept.union);
                self.write_row(&kept.image, kept.shape, None, &kept.union)?;
            }
        }
        self.flush()
    }
}

#[cfg(test)]
mod tests;
