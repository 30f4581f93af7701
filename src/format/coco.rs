//! `coco`: the annotation files and result files of the COCO API.
//!
//! ```text
//! dataset := {"images": [{"id", "file_name", "height", "width"}, ...], "annotations": [annotation, ...], ...}
//! results := [annotation, ...]
//! annotation   := {"id", "image_id", "category_id", "segmentation": rle, "iscrowd", "score", ...}
//! rle          := {"size": [height, width], "counts": counts}
//! counts       := [number, ...] | text                      numbers, or their compressed text
//! ```
//! Keys come in any order, images before or after annotations; keys that are not named here are passed over.
//! * Order: column-major. Counts alternate, background first; the first may be 0, and others too. They sum to
//!   height x width.
//! * Base: none, counts begin at the first pixel. Background: counted.
//! * Labels: the annotation's `id`, or the place among the annotations of its image when it has none, as in results.
//! * Empty: one count, `[height * width]`; a label without runs is kept. An image without objects stands among the
//!   images of a dataset; results have no way to name one.
//! * Overlap: allowed.
//! * Polygons and boxes are not runs: an error, or passed over on request.
//! * Limits: counts are `u64` here. Others keep 32 bits, so the writer refuses larger ones unless told to split or keep
//!   them. See the module of the compressed text for what pycocotools 2.0.11 reads wrong.
//! * Source: the COCO data format pages and `pycocotools` (`_mask.pyx`, `common/maskApi.c`).

use std::collections::{BTreeSet, HashSet};
use std::io::{BufRead, Write};

use super::document::{Image, Object, PerImage, Sink};
use super::rle_json::{self, Rules};
use super::rows::Sequence;
use super::text::push_number;
use super::{Format, ReadOptions, WriteOptions, writing};
use crate::error::{Error, Result};
use crate::names::names;
use crate::runs::order::in_order;
use crate::shape::ScanOrder;

/// Which of COCO's two files a writer makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CocoForm {
    /// Images, annotations and categories: the ground truth.
    #[default]
    Dataset,
    /// A list of annotations with scores: what a detector found.
    Results,
}

names! { "a form of COCO", CocoForm { Dataset => "dataset", Results => "results" } }

pub(super) fn read(reader: &mut dyn BufRead, options: &ReadOptions, sink: &mut dyn Sink) -> Result<()> {
    rle_json::read(reader, options, Rules { format: Format::Coco, image_id: true }, sink)
}

/// Writes annotations as they come; images and categories are kept and written at the end.
pub(super) struct Writer<'a> {
    writer: &'a mut dyn Write,
    options: &'a WriteOptions,
    text: Vec<u8>,
    counts: Vec<u64>,
    images: PerImage,
    categories: BTreeSet<u64>,
    labels: HashSet<u64>,
    annotations: u64,
    /// Results: numbers by place, and the images that have any.
    sequence: Sequence,
    named: HashSet<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(writer: &'a mut dyn Write, options: &'a WriteOptions) -> Self {
        Self {
            writer,
            options,
            text: Vec::new(),
            counts: Vec::new(),
            images: PerImage::default(),
            categories: BTreeSet::new(),
            labels: HashSet::new(),
            annotations: 0,
            sequence: Sequence::new(Format::Coco, options.renumber),
            named: HashSet::new(),
        }
    }

    fn annotation_id(&mut self, object: &Object<'_>) -> Result<u64> {
        let id = match object.label {
            Some(label) if !self.options.renumber => label,
            _ => self.annotations + 1,
        };
        if !self.labels.insert(id) {
            return Err(Error::Argument(format!(
                "two objects have the number {id}, and COCO's annotation ids are unique over all images (option \
                 renumber gives them others)"
            )));
        }
        Ok(id)
    }

    fn category(&mut self, object: &Object<'_>) -> Result<u64> {
        let category = match (object.label.and_then(|label| self.options.category_of.get(&label)), object.category) {
            (Some(&category), _) => category,
            (None, None) => 1,
            (None, Some(name)) => match name.parse() {
                Ok(category) => category,
                Err(_) => self
                    .options
                    .categories
                    .iter()
                    .find(|(_, known)| *known == name)
                    .map(|(&category, _)| category)
                    .ok_or_else(|| {
                        Error::Argument(format!(
                            "category \"{name}\": COCO's are numbers (option category gives this name one)"
                        ))
                    })?,
            },
        };
        self.categories.insert(category);
        Ok(category)
    }
}

impl Sink for Writer<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.images.image(image);
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let Some(shape) = object.shape else {
            return Err(Error::Argument(
                "COCO counts end at the last pixel: height and width must be known (options height and width)".into(),
            ));
        };
        let runs = in_order(object.runs, object.shape, object.order, ScanOrder::ColumnMajor)?;
        self.options.large_counts.counts(&runs, shape.pixels(), &mut self.counts)?;
        let results = self.options.coco_form == CocoForm::Results;
        let id = if results {
            self.options.check_attributes(Format::Coco, &Object { category: None, score: None, ..*object })?;
            self.sequence.next(object.image, object.label)?;
            if !self.named.contains(object.image) {
                self.named.insert(object.image.to_owned());
            }
            None
        } else {
            Some(self.annotation_id(object)?)
        };
        let category = self.category(object)?;
        // The name may come later: lists of images may follow the annotations.
        self.images.image(&Image { id: object.image, name: None, shape: object.shape });
        self.text.clear();
        self.text.extend_from_slice(match (self.annotations, results) {
            (0, false) => b"{\"annotations\":[\n{".as_slice(),
            (0, true) => b"[\n{",
            _ => b",\n{",
        });
        self.annotations += 1;
        if let Some(id) = id {
            self.text.extend_from_slice(b"\"id\":");
            push_number(&mut self.text, id);
            self.text.push(b',');
        }
        self.text.extend_from_slice(b"\"image_id\":");
        rle_json::push_id(&mut self.text, object.image)?;
        self.text.extend_from_slice(b",\"category_id\":");
        push_number(&mut self.text, category);
        self.text.extend_from_slice(b",\"segmentation\":");
        rle_json::push_rle(&mut self.text, shape, &self.counts, self.options.counts);
        rle_json::push_measures(&mut self.text, &runs, shape);
        if results {
            self.text.extend_from_slice(b",\"score\":");
            self.text.extend_from_slice(object.score.unwrap_or(1.0).to_string().as_bytes());
        } else {
            self.text.extend_from_slice(if object.crowd { b",\"iscrowd\":1" } else { b",\"iscrowd\":0" });
            if let Some(score) = object.score {
                self.text.extend_from_slice(format!(",\"score\":{score}").as_bytes());
            }
        }
        self.text.push(b'}');
        self.writer.write_all(&self.text).map_err(writing)
    }

    fn finish(&mut self) -> Result<()> {
        let text = &mut self.text;
        text.clear();
        if self.options.coco_form == CocoForm::Results {
            if let Some(image) = self.images.iter().find(|image| !self.named.contains(&image.id))
                && !self.options.drop_empty_labels
            {
                return Err(Error::Argument(format!(
                    "image {}: without objects it is not in a list of results (option drop-empty-labels leaves it out)",
                    image.id
                )));
            }
            text.extend_from_slice(if self.annotations == 0 { b"[]\n" } else { b"\n]\n" });
            return self.writer.write_all(text).map_err(writing);
        }
        text.extend_from_slice(if self.annotations == 0 { b"{\"annotations\":[" } else { b"\n" });
        text.extend_from_slice(b"],\n\"images\":[");
        for (place, image) in self.images.iter().enumerate() {
            text.extend_from_slice(if place == 0 { b"\n{\"id\":" } else { b",\n{\"id\":" });
            rle_json::push_id(text, &image.id)?;
            if let Some(name) = &image.name {
                text.extend_from_slice(b",\"file_name\":");
                rle_json::push_text(text, name)?;
            }
            if let Some(shape) = image.shape {
                text.extend_from_slice(format!(",\"height\":{},\"width\":{}", shape.height, shape.width).as_bytes());
            }
            text.push(b'}');
        }
        text.extend_from_slice(b"],\n\"categories\":[");
        self.categories.extend(self.options.categories.keys());
        for (place, &category) in self.categories.iter().enumerate() {
            text.extend_from_slice(if place == 0 { b"\n{\"id\":" } else { b",\n{\"id\":" });
            push_number(text, category);
            text.extend_from_slice(b",\"name\":");
            match self.options.categories.get(&category) {
                Some(name) => rle_json::push_text(text, name)?,
                None => rle_json::push_text(text, &category.to_string())?,
            }
            text.push(b'}');
        }
        text.extend_from_slice(b"]}\n");
        self.writer.write_all(text).map_err(writing)
    }
}

#[cfg(test)]
mod tests;
