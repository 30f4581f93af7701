//! `coco`: the annotation files and result files of the COCO API.
//!
//! ```text
//! dataset := {"images": [image, ...], "annotations": [annotation, ...], "categories": [{"id", "name"}, ...], ...}
//! results := [annotation, ...]
//! image        := {"id", "file_name", "height", "width", "text_id", ...}
//! annotation   := {"id", "image_id", "category_id", "segmentation": mask, "iscrowd", "score", "text_id", ...}
//! mask         := rle | [[x, y, x, y, ...], ...]            polygons, as corners in turn
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
//! * Images: their ids are written as numbers, which other programs ask for. An id that is a text gets the next number from
//!   1 that is free, and is kept as `text_id` in the image and in its first annotation: reading gives the text back.
//! * Categories: numbers. An object without one gets 1, or the number of the category asked for.
//! * Polygons: coordinates in pixels from the corner of the first one; the mask is the union of the polygons of an annotation,
//!   each filled as pycocotools' `frPyObjects` does it ([`FillRule::Coco`]), though with positions of 64 bits, or by centres
//!   on request. The image's size must be known, from the file or the caller. They are written on request, in datasets, for
//!   objects without holes, at pixel corners: both rules give back the same pixels.
//! * Annotations without a mask are an error, or passed over on request.
//! * Limits: counts are `u64` here. Others keep 32 bits, so the writer refuses larger ones unless told to split or keep
//!   them. See the module of the compressed text for what pycocotools 2.0.11 reads wrong.
//! * Source: the COCO data format pages and `pycocotools` (`_mask.pyx`, `common/maskApi.c`).

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use super::budget::Turn;
use super::checked::{Losses, Output};
use super::description::{Description, Holds, Reader, Special, Unsaid, Writer};
use super::detect::Fit;
use super::numbers::{push_number, whole_number};
use super::objects::{Image, Object, ObjectSink};
use super::per_image::PerImage;
use super::rle_json::{self, JsonCounts, Rules};
use super::rows::Sequence;
use super::{Capabilities, WriteOptions, writing};
use crate::error::{Error, Loss, Result};
use crate::memory::reserve_members;
use crate::names::names;
#[cfg(doc)]
use crate::runs::FillRule;
use crate::runs::{Rings, Run, Tracer};
use crate::shape::{ScanOrder, Shape};

/// Which of COCO's two files a writer makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CocoForm {
    /// Images, annotations and categories: the ground truth.
    #[default]
    Dataset,
    /// A list of annotations with scores: what a detector found.
    Results,
}

names! { "a form of COCO", CocoForm { Dataset => "dataset", Results => "results" } }

pub(super) static FORMAT: Description = Description {
    name: "coco",
    about: "JSON of the COCO API: a dataset of images and annotations, or a list of results; column-major counts",
    extension: "json",
    owns_extension: true,
    headers: &[],
    capabilities: Capabilities {
        many_images: true,
        holds_shape: true,
        needs_shape: true,
        any_labels: true,
        empty_labels: true,
        any_order: false,
    },
    holds: |options| {
        let dataset = options.coco_form == CocoForm::Dataset;
        Holds { shape: true, names: dataset, categories: true, scores: true, crowds: dataset }
    },
    unsaid: Unsaid { category: Some("1"), score: Some(1.0) },
    order: ScanOrder::ColumnMajor,
    bases: &[0],
    options: &[
        Special::LargeCounts,
        Special::Counts,
        Special::CocoForm,
        Special::CategoryOf,
        Special::Categories,
        Special::Category,
    ],
    fits: |beginning| match beginning.outline() {
        None => Fit::No,
        Some(keys) if keys.list && keys.has("image_id") || !keys.list && keys.has_any(DATASET) => Fit::Sure,
        Some(keys) if keys.has_any(&["data", "annotations/result", "predictions/result"]) => Fit::No,
        Some(keys) if keys.list && keys.closed && !keys.is_empty() => Fit::No,
        Some(keys) if !keys.list && keys.has_any(&["size", "counts", "segmentation"]) => Fit::No,
        _ => Fit::Perhaps,
    },
    read: Reader::Objects(|reader, options, sink| {
        rle_json::read(reader, options, Rules { format: FORMAT.name, image_id: true }, sink)
    }),
    write: Writer::Objects(|writer, options| Ok(Box::new(Annotations::new(writer, options)))),
};

/// Keys of a dataset that no other format has.
const DATASET: &[&str] = &["images", "categories", "annotations/image_id", "annotations/segmentation"];

/// Writes annotations as they come; images and categories are kept and written at the end.
struct Annotations<'a> {
    writer: Output<'a>,
    options: &'a WriteOptions,
    text: Vec<u8>,
    counts: Vec<u64>,
    tracer: Tracer,
    rings: Rings,
    images: PerImage,
    /// The categories of objects, with the names that are known.
    categories: BTreeMap<u64, Option<String>>,
    /// The category of an object that has none.
    unsaid: u64,
    labels: HashSet<u64>,
    annotations: u64,
    /// Results: numbers by place.
    sequence: Sequence,
    turn: Turn,
}

impl<'a> Annotations<'a> {
    fn new(writer: Output<'a>, options: &'a WriteOptions) -> Self {
        let numbered = &options.categories;
        let mut categories: BTreeMap<_, _> =
            numbered.iter().map(|(&number, name)| (number, Some(name.clone()))).collect();
        let mut unsaid = 1;
        if let Some(name) = &options.category {
            let known = numbered.iter().find(|(_, known)| *known == name).map(|(&number, _)| number);
            unsaid = known.unwrap_or_else(|| (1..).find(|number| !numbered.contains_key(number)).unwrap_or(1));
            categories.insert(unsaid, Some(name.clone()));
        }
        Self {
            writer,
            options,
            text: Vec::new(),
            counts: Vec::new(),
            tracer: Tracer::default(),
            rings: Rings::default(),
            images: PerImage::counting_from(1),
            categories,
            unsaid,
            labels: HashSet::new(),
            annotations: 0,
            sequence: Sequence::new(options.renumber),
            turn: Turn::default(),
        }
    }

    /// Traces an object that is to be written as polygons; false for one that is not, or that has holes.
    fn outline(&mut self, runs: &[Run], shape: Shape) -> Result<bool> {
        // In results pycocotools takes counts only.
        if self.options.counts != JsonCounts::Polygons || self.options.coco_form == CocoForm::Results {
            return Ok(false);
        }
        self.rings.clear();
        self.tracer.trace(runs, shape.height, &mut self.rings)?;
        Ok(self.rings.len() > 0 && self.rings.len() + 1 == self.rings.ring_offsets.len())
    }

    fn annotation_id(&mut self, object: &Object<'_>, losses: &mut Losses) -> Result<u64> {
        let id = match object.label {
            Some(label) if !self.options.renumber => label,
            _ => self.annotations + 1,
        };
        reserve_members(&mut self.labels, 1, "the numbers of annotations")?;
        if !self.labels.insert(id) {
            losses.add(Loss::LabelTwice { label: id });
        }
        Ok(id)
    }

    fn category(&mut self, object: &Object<'_>, losses: &mut Losses) -> u64 {
        let by_label = object.label.and_then(|label| self.options.category_of.get(&label));
        let category = match (by_label, object.category) {
            (Some(&category), _) => category,
            (None, None) => self.unsaid,
            (None, Some(name)) => {
                let named =
                    || self.options.categories.iter().find(|(_, known)| *known == name).map(|(&number, _)| number);
                whole_number(name).or_else(named).unwrap_or_else(|| {
                    losses.add(Loss::CategoryNumber { name: name.to_owned() });
                    0
                })
            }
        };
        self.categories.entry(category).or_default();
        category
    }
}

impl ObjectSink for Annotations<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.images.image(image);
        Ok(())
    }

    fn category(&mut self, id: &str, name: &str) -> Result<()> {
        if let Some(number) = whole_number(id) {
            self.categories.entry(number).or_default().get_or_insert_with(|| name.to_owned());
        }
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let Some(shape) = object.shape else {
            return Err(Error::UnknownShape { what: "COCO counts end at the last pixel".into() });
        };
        let runs = self.turn.runs(object, ScanOrder::ColumnMajor)?;
        let mut losses = Losses::default();
        let results = self.options.coco_form == CocoForm::Results;
        let outlined = self.outline(&runs, shape)?;
        if !outlined && let Some(count) = self.options.large_counts.fill(&runs, shape.pixels(), &mut self.counts)? {
            losses.add(Loss::LargeCount { count });
        }
        let id = if results {
            self.sequence.next(object.image, object.label, &mut losses);
            None
        } else {
            Some(self.annotation_id(object, &mut losses)?)
        };
        let category = self.category(object, &mut losses);
        // The name may come later: lists of images may follow the annotations.
        let image = self.images.entry(object.image, object.shape);
        image.objects += 1;
        let before = self.annotations;
        self.annotations += 1;
        losses.refuse(FORMAT.name)?;
        self.text.clear();
        self.text.extend_from_slice(match (before, results) {
            (0, false) => b"{\"annotations\":[\n{".as_slice(),
            (0, true) => b"[\n{",
            _ => b",\n{",
        });
        if let Some(id) = id {
            self.text.extend_from_slice(b"\"id\":");
            push_number(&mut self.text, id);
            self.text.push(b',');
        }
        self.text.extend_from_slice(b"\"image_id\":");
        push_number(&mut self.text, image.number);
        if let Some(id) = image.text_id().filter(|_| image.objects == 1) {
            self.text.extend_from_slice(b",\"text_id\":");
            rle_json::push_text(&mut self.text, id)?;
        }
        self.text.extend_from_slice(b",\"category_id\":");
        push_number(&mut self.text, category);
        self.text.extend_from_slice(b",\"segmentation\":");
        if outlined {
            rle_json::push_polygons(&mut self.text, &self.rings);
        } else {
            rle_json::push_rle(&mut self.text, shape, &self.counts, self.options.counts);
        }
        if results {
            // Without area and box: pycocotools takes a result that has a box for the box alone.
            self.text.extend_from_slice(b",\"score\":");
            self.text.extend_from_slice(object.score.unwrap_or(1.0).to_string().as_bytes());
        } else {
            rle_json::push_measures(&mut self.text, &runs, shape);
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
            let mut losses = Losses::default();
            if let Some(image) = self.images.iter().find(|image| image.objects == 0)
                && !self.options.drop_empty_labels
            {
                losses.add(Loss::EmptyImage { image: image.id.clone() });
            }
            losses.refuse(FORMAT.name)?;
            text.extend_from_slice(if self.annotations == 0 { b"[]\n" } else { b"\n]\n" });
            return self.writer.write_all(text).map_err(writing);
        }
        text.extend_from_slice(if self.annotations == 0 { b"{\"annotations\":[" } else { b"\n" });
        text.extend_from_slice(b"],\n\"images\":[");
        for (place, image) in self.images.iter().enumerate() {
            text.extend_from_slice(if place == 0 { b"\n{\"id\":" } else { b",\n{\"id\":" });
            push_number(text, image.number);
            text.extend_from_slice(b",\"file_name\":");
            rle_json::push_text(text, image.file_name())?;
            if let Some(shape) = image.shape {
                text.extend_from_slice(format!(",\"height\":{},\"width\":{}", shape.height, shape.width).as_bytes());
            }
            if let Some(id) = image.text_id() {
                text.extend_from_slice(b",\"text_id\":");
                rle_json::push_text(text, id)?;
            }
            text.push(b'}');
        }
        text.extend_from_slice(b"],\n\"categories\":[");
        for (place, (&category, name)) in self.categories.iter().enumerate() {
            text.extend_from_slice(if place == 0 { b"\n{\"id\":" } else { b",\n{\"id\":" });
            push_number(text, category);
            text.extend_from_slice(b",\"name\":");
            match name {
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
