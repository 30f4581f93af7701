//! `oid`: the CSV of Open Images segmentation and its followers (HPA 2021, HuBMAP 2023).
//!
//! ```text
//! file  := header EOL row*
//! row   := image "," width "," height "," [ prediction ( SP prediction )* ] EOL        one row an image
//! prediction := class SP confidence SP base64( zlib( COCO's compressed counts ) )
//! EOL   := LF or CRLF; the last one may be missing
//! ```
//! * Any field may stand in double quotes, in which two of them are one; the words of a quoted list may go on in the next
//!   line, see `csv`.
//! * Header: `ImageID,ImageWidth,ImageHeight,PredictionString` (Open Images), `ID,ImageWidth,ImageHeight,PredictionString`
//!   (HPA) or `id,height,width,prediction_string` (HuBMAP 2023): the columns come in any order.
//! * Order: column-major. Counts as in `coco`, background first (0 when the first pixel is the object's); they sum to
//!   height x width, which stand in the columns only.
//! * Base: none, counts begin at the first pixel. Background: counted.
//! * Labels: the place in the row, from 1. Labels with gaps cannot be written unless they are renumbered.
//! * Empty: an empty string is an image without objects; a label without runs is one count, and is kept.
//! * Overlap: allowed. Compression: zlib of any level is read; level 9 is written.
//! * Limits: a file stands for at most 2^22 runs and one for each of its bytes, whatever its masks inflate to. Counts above
//!   2^32 - 1 as in `coco`.
//! * Source: the Open Images 2019 segmentation rules and the HuBMAP 2023 (Kaggle) evaluation page.

use std::io::{BufRead, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::budget::{Budget, Turn};
use super::checked::{Losses, Output};
use super::csv::Records;
use super::description::{Description, Holds, Reader, Special, Unsaid, Writer};
use super::detect::Fit;
use super::objects::{Image, Object, ObjectSink};
use super::per_image::PerImage;
use super::rows::{Column, Columns, Row, Sequence, push_name};
use super::text::{Cursor, show};
use super::{Capabilities, ReadOptions, WriteOptions, coco_string, counts, writing};
use crate::error::{Error, Loss, Result};
use crate::memory::append;
use crate::runs::Run;
use crate::shape::{ScanOrder, Shape};

pub(super) static FORMAT: Description = Description {
    name: "oid",
    about: "CSV of Open Images, HPA 2021 and HuBMAP 2023: one image a row, compressed column-major counts in base64",
    extension: "csv",
    owns_extension: false,
    headers: &[
        "ImageID,ImageWidth,ImageHeight,PredictionString",
        "ID,ImageWidth,ImageHeight,PredictionString",
        "id,height,width,prediction_string",
    ],
    capabilities: Capabilities {
        many_images: true,
        holds_shape: true,
        needs_shape: true,
        any_labels: false,
        empty_labels: true,
        any_order: false,
    },
    holds: |_| Holds { shape: true, categories: true, scores: true, ..Holds::default() },
    unsaid: Unsaid { category: Some("0"), score: Some(1.0) },
    order: ScanOrder::ColumnMajor,
    bases: &[0],
    options: &[Special::LargeCounts, Special::Header, Special::Category],
    fits: |beginning| {
        let names = beginning.columns();
        let has = |column| names.iter().any(|name| Column::of(name, PREDICTIONS) == Some(column));
        if has(Column::Image) && has(Column::Runs) { Fit::Sure } else { Fit::No }
    },
    read: Reader::Objects(read),
    write: Writer::Objects(|writer, options| Ok(Box::new(Rows::new(writer, options)?))),
};

const PREDICTIONS: &[&str] = &["predictionstring", "prediction_string"];

/// Bytes of a mask's text that are inflated at once.
const PIECE: usize = 1 << 16;

fn read(reader: &mut dyn BufRead, options: &ReadOptions, sink: &mut dyn ObjectSink) -> Result<()> {
    let mut records = Records::new(reader);
    let columns = Columns::read(&mut records, PREDICTIONS, FORMAT.headers[0], options)?;
    let mut object = Buffers::default();
    while let Some(record) = records.next()? {
        object.bytes += record.bytes() as u64;
        let row = columns.row(record, options)?;
        sink.image(&Image { id: &row.image, name: None, shape: row.shape })?;
        if row.runs.is_at_end() {
            continue;
        }
        let shape = match row.shape {
            Some(shape) => shape,
            // The shape that was given is that of another image, and without one nothing can be said of this one.
            None if !options.is_wanted(&row.image) => continue,
            None => {
                return Err(Error::UnknownShape {
                    what: "the file has no columns of height and width, and its counts end at the last pixel".into(),
                });
            }
        };
        let mut words = row.runs.words();
        while let Some(class) = words.next() {
            object.prediction(&row, shape, class, &mut words, sink)?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Buffers {
    packed: Vec<u8>,
    text: Vec<u8>,
    counts: Vec<u64>,
    runs: Vec<Run>,
    /// Bytes of the file so far, and the runs that they stand for.
    bytes: u64,
    budget: Budget,
}

impl Buffers {
    /// Inflates and reads the counts of the mask at `mask`, a piece at a time: neither the text nor its counts are ever
    /// in memory whole, and the runs are bounded by the bytes of the file.
    fn inflate(&mut self, mask: Cursor<'_>, shape: Shape) -> Result<()> {
        let defect = |error: std::io::Error| mask.fault("a zlib stream in base64", format!("a defect: {error}"));
        let mut zlib = ZlibDecoder::new(self.packed.as_slice());
        let mut reader = coco_string::Reader::default();
        let mut masks = counts::Runs::new(shape.pixels());
        self.text.clear();
        self.runs.clear();
        loop {
            let wanted = PIECE - self.text.len();
            let found = append(&mut zlib, wanted as u64, &mut self.text).map_err(defect)?;
            let ended = found < wanted;
            self.counts.clear();
            let read = reader.read(&self.text, ended, &mut self.counts).map_err(|defect| {
                mask.fault(format!("in the counts, at byte {}, {}", defect.at, defect.expected), defect.found)
            })?;
            self.text.drain(..read);
            let before = self.runs.len();
            masks.push(&self.counts, &mut self.runs);
            self.budget.take((self.runs.len() - before) as u64, self.bytes)?;
            if ended {
                break;
            }
        }
        masks.end().map_err(|sum| {
            mask.fault(format!("counts that sum to {} ({shape})", shape.pixels()), format!("a sum of {sum}"))
        })
    }

    fn prediction<'a>(
        &mut self,
        row: &Row<'a>,
        shape: Shape,
        class: Cursor<'a>,
        words: &mut impl Iterator<Item = Cursor<'a>>,
        sink: &mut dyn ObjectSink,
    ) -> Result<()> {
        let (Some(confidence), Some(mask)) = (words.next(), words.next()) else {
            return Err(class.fault("class, confidence and mask", "fewer words at the end of the field"));
        };
        let category = class.text()?;
        if category.is_empty() {
            return Err(class.expected("a class"));
        }
        let score: f64 = match confidence.text()?.parse() {
            Ok(score) if f64::is_finite(score) => score,
            _ => return Err(confidence.fault("a confidence", show(confidence.rest()))),
        };
        self.packed.clear();
        STANDARD
            .decode_vec(mask.rest(), &mut self.packed)
            .map_err(|error| mask.fault("a mask in base64", format!("{} ({error})", show(mask.rest()))))?;
        self.inflate(mask, shape)?;
        sink.object(&Object {
            image: &row.image,
            shape: Some(shape),
            order: ScanOrder::ColumnMajor,
            label: None,
            category: Some(category),
            score: Some(score),
            crowd: false,
            runs: &self.runs,
        })
    }
}

/// Keeps the text of every image until the end: objects of one image may come apart.
struct Rows<'a> {
    writer: Output<'a>,
    options: &'a WriteOptions,
    header: &'a str,
    sequence: Sequence,
    turn: Turn,
    counts: Vec<u64>,
    text: Vec<u8>,
    images: PerImage,
}

impl<'a> Rows<'a> {
    fn new(writer: Output<'a>, options: &'a WriteOptions) -> Result<Self> {
        let header = options.header.as_deref().unwrap_or(FORMAT.headers[0]);
        if !FORMAT.headers.contains(&header) {
            return Err(Error::Argument(format!(
                "the header {header:?}: an oid file has one of {}",
                FORMAT.headers.join("; ")
            )));
        }
        Ok(Self {
            writer,
            options,
            header,
            sequence: Sequence::new(options.renumber),
            turn: Turn::default(),
            counts: Vec::new(),
            text: Vec::new(),
            images: PerImage::default(),
        })
    }
}

impl ObjectSink for Rows<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.images.image(image);
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let Some(shape) = object.shape else {
            return Err(Error::UnknownShape { what: "counts end at the last pixel".into() });
        };
        let mut losses = Losses::default();
        self.sequence.next(object.image, object.label, &mut losses);
        let runs = self.turn.runs(object, ScanOrder::ColumnMajor)?;
        if let Some(count) = self.options.large_counts.fill(&runs, shape.pixels(), &mut self.counts)? {
            losses.add(Loss::LargeCount { count });
        }
        losses.refuse(FORMAT.name)?;
        self.text.clear();
        coco_string::push(&mut self.text, &self.counts);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        let packed = zlib.write_all(&self.text).and_then(|()| zlib.finish()).map_err(writing)?;
        let class = object.category.or(self.options.category.as_deref()).unwrap_or("0");
        if class.is_empty() || class.contains([' ', ',', '"', '\n', '\r']) {
            return Err(Error::Argument(format!("the class {class:?} cannot be a word of a prediction string")));
        }
        let prediction = format!("{class} {:?} {}", object.score.unwrap_or(1.0), STANDARD.encode(&packed));
        let row = &mut self.images.entry(object.image, object.shape).text;
        if !row.is_empty() {
            row.push(b' ');
        }
        row.extend_from_slice(prediction.as_bytes());
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let end = self.options.line_ending.bytes();
        let mut text = self.header.as_bytes().to_vec();
        text.extend_from_slice(end);
        let height_first = self.header.starts_with("id,height");
        for row in self.images.iter() {
            let Some(shape) = row.shape else {
                return Err(Error::UnknownShape { what: format!("image {}: an oid file has their columns", row.id) });
            };
            push_name(&mut text, &row.id)?;
            let sides = if height_first { (shape.height, shape.width) } else { (shape.width, shape.height) };
            text.extend_from_slice(format!(",{},{},", sides.0, sides.1).as_bytes());
            text.extend_from_slice(&row.text);
            text.extend_from_slice(end);
            self.writer.write_all(&text).map_err(writing)?;
            text.clear();
        }
        self.writer.write_all(&text).map_err(writing)
    }
}

#[cfg(test)]
mod tests;
