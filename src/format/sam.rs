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

use std::io::Write;

use super::budget::Turn;
use super::checked::{Losses, Output};
use super::description::{Description, Holds, Reader, Special, Unsaid, Writer};
use super::detect::Fit;
use super::objects::{Image, Object, ObjectSink};
use super::rle_json::{self, JsonCounts, Rules};
use super::rows::Sequence;
use super::{Capabilities, WriteOptions, writing};
use crate::error::{Error, Loss, Result};
use crate::shape::ScanOrder;

pub(super) static FORMAT: Description = Description {
    name: "sam",
    about: "JSON of Segment Anything's automatic masks: a list of column-major counts of one image",
    extension: "json",
    owns_extension: false,
    headers: &[],
    capabilities: Capabilities {
        many_images: false,
        holds_shape: true,
        needs_shape: true,
        any_labels: false,
        empty_labels: true,
        any_order: false,
    },
    holds: |_| Holds { shape: true, scores: true, ..Holds::default() },
    unsaid: Unsaid::NOTHING,
    order: ScanOrder::ColumnMajor,
    bases: &[0],
    options: &[Special::LargeCounts],
    fits: |beginning| match beginning.outline() {
        None => Fit::No,
        Some(keys) if keys.has("image_id") => Fit::No,
        Some(keys) if keys.has("counts") && keys.has("size") => Fit::Sure,
        // A record whose end is not at hand may still name its image, as those of COCO do.
        Some(keys) if keys.has("segmentation") => {
            if keys.closed || !keys.list {
                Fit::Sure
            } else {
                Fit::Perhaps
            }
        }
        Some(keys) if keys.list && keys.is_empty() => Fit::Perhaps,
        _ => Fit::No,
    },
    read: Reader::Objects(|reader, options, sink| {
        rle_json::read(reader, options, Rules { format: FORMAT.name, image_id: false }, sink)
    }),
    write: Writer::Objects(|writer, options| Ok(Box::new(Records::new(writer, options)))),
};

struct Records<'a> {
    writer: Output<'a>,
    options: &'a WriteOptions,
    text: Vec<u8>,
    counts: Vec<u64>,
    sequence: Sequence,
    turn: Turn,
    image: Option<String>,
    records: u64,
}

impl<'a> Records<'a> {
    fn new(writer: Output<'a>, options: &'a WriteOptions) -> Self {
        let sequence = Sequence::new(options.renumber);
        Self {
            writer,
            options,
            text: Vec::new(),
            counts: Vec::new(),
            sequence,
            turn: Turn::default(),
            image: None,
            records: 0,
        }
    }

    fn check_image(&mut self, id: &str, losses: &mut Losses) {
        match &self.image {
            Some(image) if image == id => {}
            Some(image) => losses.add(Loss::SeveralImages { images: [image.clone(), id.to_owned()] }),
            None => self.image = Some(id.to_owned()),
        }
    }
}

impl ObjectSink for Records<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        let mut losses = Losses::default();
        self.check_image(image.id, &mut losses);
        losses.refuse(FORMAT.name)
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let Some(shape) = object.shape else {
            return Err(Error::UnknownShape { what: "counts end at the last pixel".into() });
        };
        let mut losses = Losses::default();
        self.check_image(object.image, &mut losses);
        self.sequence.next(object.image, object.label, &mut losses);
        let runs = self.turn.runs(object, ScanOrder::ColumnMajor)?;
        if let Some(count) = self.options.large_counts.fill(&runs, shape.pixels(), &mut self.counts)? {
            losses.add(Loss::LargeCount { count });
        }
        losses.refuse(FORMAT.name)?;
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
