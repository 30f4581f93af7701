//! `sam`: the masks of Segment Anything's automatic generator, as JSON.
//!
//! ```text
//! file := [record, ...] | record
//! record := {"segmentation": rle, "predicted_iou", ...} | rle
//! rle  := {"size": [height, width], "counts": [number, ...]}     the compressed text is read too
//! ```
//! * One image a file; the file does not name it. Keys that are not named here are passed over.
//! * Order: column-major. Counts alternate, background first (0 when the first pixel is the object's); they sum to
//!   height x width.
//! * Base: none, counts begin at the first pixel. Background: counted.
//! * Labels: 1, 2, 3 ... in the order of the file. Labels with gaps cannot be written unless they are renumbered.
//! * Empty: `[height * width]`; a label without runs is kept. An image without objects is `[]`, without a size.
//! * Overlap: allowed. Scores are kept as `predicted_iou`; categories and marks of crowds cannot be written. Limits: as
//!   `coco`.
//! * Source: `mask_to_rle_pytorch` and `SamAutomaticMaskGenerator` of segment-anything (`output_mode`
//!   `uncompressed_rle`).

use std::io::{BufRead, Write};

use super::document::{Image, Object, Sink};
use super::rle_json::{self, JsonCounts, Rules};
use super::rows::Sequence;
use super::{Format, ReadOptions, WriteOptions, writing};
use crate::error::{Error, Result};
use crate::runs::order::in_order;
use crate::shape::ScanOrder;

pub(super) fn read(reader: &mut dyn BufRead, options: &ReadOptions, sink: &mut dyn Sink) -> Result<()> {
    rle_json::read(reader, options, Rules { format: Format::Sam, image_id: false }, sink)
}

pub(super) struct Writer<'a> {
    writer: &'a mut dyn Write,
    options: &'a WriteOptions,
    text: Vec<u8>,
    counts: Vec<u64>,
    sequence: Sequence,
    image: Option<String>,
    records: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(writer: &'a mut dyn Write, options: &'a WriteOptions) -> Self {
        let sequence = Sequence::new(Format::Sam, options.renumber);
        Self { writer, options, text: Vec::new(), counts: Vec::new(), sequence, image: None, records: 0 }
    }

    fn check_image(&mut self, id: &str) -> Result<()> {
        match &self.image {
            Some(image) if image != id => {
                Err(Error::Argument(format!("a sam file holds one image, these are several ({image}, {id}, ...)")))
            }
            Some(_) => Ok(()),
            None => {
                self.image = Some(id.to_owned());
                Ok(())
            }
        }
    }
}

impl Sink for Writer<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.check_image(image.id)
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        self.check_image(object.image)?;
        let Some(shape) = object.shape else {
            return Err(Error::Argument(
                "counts end at the last pixel: height and width must be known (options height and width)".into(),
            ));
        };
        self.options.check_attributes(Format::Sam, &Object { score: None, ..*object })?;
        self.sequence.next(object.image, object.label)?;
        let runs = in_order(object.runs, object.shape, object.order, ScanOrder::ColumnMajor)?;
        self.options.large_counts.counts(&runs, shape.pixels(), &mut self.counts)?;
        self.text.clear();
        self.text.extend_from_slice(if self.records == 0 { b"[\n{" } else { b",\n{" });
        self.records += 1;
        self.text.extend_from_slice(b"\"segmentation\":");
        rle_json::push_rle(&mut self.text, shape, &self.counts, JsonCounts::Numbers);
        rle_json::push_measures(&mut self.text, &runs, shape);
        if let Some(score) = object.score {
            self.text.extend_from_slice(format!(",\"predicted_iou\":{score}").as_bytes());
        }
        self.text.push(b'}');
        self.writer.write_all(&self.text).map_err(writing)
    }

    fn finish(&mut self) -> Result<()> {
        let end = if self.records == 0 { b"[]\n".as_slice() } else { b"\n]\n" };
        self.writer.write_all(end).map_err(writing)
    }
}
