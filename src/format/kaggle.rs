//! `kaggle`: the CSV of most segmentation competitions, and `siim`, its form with relative starts.
//!
//! ```text
//! file  := header EOL row*
//! row   := image "," runs EOL                      one object of the image; several rows may name the same image
//! runs  := [ start SP length ( SP start SP length )* ]
//! EOL   := LF or CRLF; the last one may be missing
//! ```
//! * Header: `id,rle`, `ImageId,EncodedPixels`, `id,encoding`, `id,predicted`, `img,rle_mask`, `id,segmentation`,
//!   `id,annotation` and the like; columns of height, width, class and `Mask` (an object's name) may stand among them.
//! * Order: column-major for most; row-major for Sartorius, UW-Madison and a few others, which reader and writer must be
//!   told: the file does not say.
//! * Base (`kaggle`): starts count from 1, the first pixel is 1; some write from 0, which the reader must be told.
//!   They ascend without overlap.
//! * Base (`siim`): the first start counts from 0, every later one from the end of the run before: a gap.
//! * Empty: a row without runs is an image without objects. `kaggle` leaves it blank, and `-1`, `-` and `1 0` are read as
//!   well; `siim` writes `-1`.
//! * Labels: the place of a row among those of its image, from 1. Labels with gaps or without runs cannot be written
//!   unless they are renumbered or dropped; as a union all objects of an image make one row.
//! * Overlap: allowed between rows. Shape: not in the file, except in columns of height and width.
//! * Limits: none but `u64`.
//! * Source: evaluation pages of the 2018 Data Science Bowl, Airbus Ship Detection, HuBMAP 2020 (Kaggle) and SIIM-ACR
//!   Pneumothorax.

use std::collections::HashMap;
use std::io::{BufRead, Write};

use super::document::{Image, Object, Sink};
use super::rows::{Columns, Sequence, push_field};
use super::text::{Bound, Cursor, Lines, push_number};
use super::{Format, ReadOptions, WriteOptions, writing};
use crate::error::{Error, Result};
use crate::reorder::in_order;
use crate::runs::Run;
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
    "predicted_masks",
];

/// How starts are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starts {
    /// `kaggle`
    Absolute,
    /// `siim`
    Relative,
}

impl Starts {
    fn format(self) -> Format {
        match self {
            Self::Absolute => Format::Kaggle,
            Self::Relative => Format::Siim,
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Absolute => "id,rle",
            Self::Relative => "ImageId,EncodedPixels",
        }
    }

    fn is_empty(self, field: &[u8]) -> bool {
        match self {
            Self::Absolute => matches!(field, b"" | b"-1" | b"-" | b"1 0"),
            Self::Relative => field == b"-1",
        }
    }
}

pub(super) fn read(reader: &mut dyn BufRead, options: &ReadOptions, starts: Starts, sink: &mut dyn Sink) -> Result<()> {
    let mut lines = Lines::new(reader);
    let columns = Columns::read(&mut lines, RUNS, starts.header(), options)?;
    let mut runs = Vec::new();
    while let Some(line) = lines.next()? {
        let row = columns.row(line, options)?;
        if starts.is_empty(row.runs.rest()) {
            sink.image(&Image { id: row.image, name: None, shape: row.shape })?;
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
            image: row.image,
            shape: row.shape,
            order: options.order.unwrap_or_default(),
            label: None,
            category: row.category,
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
        field.byte(b' ', "one space and a length")?;
        let length_place = field;
        let run = Run { start, length: field.number("a length")? };
        bound.check(run, 0).map_err(|defect| defect.at(place, length_place))?;
        end = run.end();
        runs.push(run);
        if field.is_at_end() {
            return Ok(());
        }
        field.byte(b' ', "one space and a gap")?;
    }
}

/// Writes rows as they come; unions are kept and written at the end.
pub(super) struct Writer<'a> {
    writer: &'a mut dyn Write,
    options: &'a WriteOptions,
    starts: Starts,
    text: Vec<u8>,
    sequence: Sequence,
    /// The images named so far, and whether a row has been written for each.
    images: HashMap<String, usize>,
    kept: Vec<Kept>,
    begun: bool,
}

struct Kept {
    image: String,
    written: bool,
    union: Vec<Run>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(writer: &'a mut dyn Write, options: &'a WriteOptions, starts: Starts) -> Result<Self> {
        if let Some(header) = &options.header {
            let names = header.to_ascii_lowercase();
            if names.split_once(',').is_none_or(|(_, runs)| !RUNS.contains(&runs)) {
                return Err(Error::Argument(format!(
                    "the header {header:?}: a {} file has an image and a column of runs, like {}",
                    starts.format().name(),
                    starts.header()
                )));
            }
        }
        Ok(Self {
            writer,
            options,
            starts,
            text: Vec::new(),
            sequence: Sequence::new(starts.format(), options.renumber),
            images: HashMap::new(),
            kept: Vec::new(),
            begun: false,
        })
    }

    fn keep(&mut self, image: &str) -> &mut Kept {
        let index = match self.images.get(image) {
            Some(&index) => index,
            None => {
                let index = self.kept.len();
                self.images.insert(image.to_owned(), index);
                self.kept.push(Kept { image: image.to_owned(), written: false, union: Vec::new() });
                index
            }
        };
        &mut self.kept[index]
    }

    fn begin(&mut self) -> Result<()> {
        if !self.begun {
            self.begun = true;
            let header = self.options.header.as_deref().unwrap_or(self.starts.header());
            self.writer.write_all(header.as_bytes()).map_err(writing)?;
            self.writer.write_all(self.options.line_ending.bytes()).map_err(writing)?;
        }
        Ok(())
    }

    fn write_row(&mut self, image: &str, runs: &[Run]) -> Result<()> {
        self.begin()?;
        let text = &mut self.text;
        text.clear();
        push_field(text, image)?;
        text.push(b',');
        if runs.is_empty() && self.starts == Starts::Relative {
            text.extend_from_slice(b"-1");
        }
        let base = self.options.base.unwrap_or(1);
        let mut end = 0;
        for (place, run) in runs.iter().enumerate() {
            if place > 0 {
                text.push(b' ');
            }
            match self.starts {
                Starts::Absolute => match run.start.checked_add(base) {
                    Some(start) => push_number(text, start),
                    None => {
                        return Err(Error::LimitExceeded {
                            what: "start of a run, counted from 1".into(),
                            limit: u64::MAX - base,
                            found: run.start,
                        });
                    }
                },
                Starts::Relative => push_number(text, run.start - end),
            }
            text.push(b' ');
            push_number(text, run.length);
            end = run.end();
        }
        text.extend_from_slice(self.options.line_ending.bytes());
        self.writer.write_all(text).map_err(writing)
    }
}

impl Sink for Writer<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.keep(image.id);
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        self.options.check_attributes(self.starts.format(), object)?;
        let order = self.options.order.unwrap_or_default();
        if self.starts == Starts::Relative && order != ScanOrder::ColumnMajor {
            return Err(Error::Argument("a siim file is column-major".into()));
        }
        let runs = in_order(object.runs, object.shape, object.order, order)?;
        if self.options.union {
            self.keep(object.image).union.extend_from_slice(&runs);
            return Ok(());
        }
        if runs.is_empty() {
            if self.options.drop_empty_labels {
                self.keep(object.image);
                return Ok(());
            }
            return Err(Error::Argument(format!(
                "image {}: label {} has no runs, and a {} row without runs says that the image has no objects: drop \
                 empty labels",
                object.image,
                object.label.map_or_else(|| "of the next object".into(), |label| label.to_string()),
                self.starts.format().name()
            )));
        }
        self.sequence.next(object.image, object.label)?;
        self.keep(object.image).written = true;
        self.write_row(object.image, &runs)
    }

    fn finish(&mut self) -> Result<()> {
        self.begin()?;
        for mut kept in std::mem::take(&mut self.kept) {
            if !kept.written {
                unite(&mut kept.union);
                self.write_row(&kept.image, &kept.union)?;
            }
        }
        Ok(())
    }
}

/// Sorts runs and joins those that touch or overlap.
fn unite(runs: &mut Vec<Run>) {
    runs.sort_unstable();
    runs.dedup_by(|next, kept| {
        let joined = next.start <= kept.end();
        if joined {
            kept.length = kept.length.max(next.end() - kept.start);
        }
        joined
    });
}

#[cfg(test)]
mod tests;
