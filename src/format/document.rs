//! Files of many images: a stream of objects.
//!
//! A reader pushes what it finds, in the order of the file, into a [`Sink`]; every writer is a sink, so converting is
//! connecting one to the other, and only one object is in memory at a time. [`Collect`] is the sink that keeps all.

use std::collections::BTreeMap;
use std::io::Write;

use super::{Format, ReadOptions, WriteOptions};
use crate::error::{Error, Result};
use crate::runs::{LabelRuns, LabelRunsBuilder, Run};
use crate::shape::{ScanOrder, Shape};

/// An image that a file names.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// What the file calls it: a number or a name.
    pub id: &'a str,
    /// The name of the image file, where the format has one beside the id.
    pub name: Option<&'a str>,
    /// Height and width, when the file says.
    pub shape: Option<Shape>,
}

/// One object of an image: a binary mask, as runs that ascend without overlap inside the shape.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// The id of its image.
    pub image: &'a str,
    /// Height and width of the image, when known.
    pub shape: Option<Shape>,
    /// The order of the positions.
    pub order: ScanOrder,
    /// The number that the file gives this object; `None` when only its place among the image's objects tells.
    pub label: Option<u64>,
    /// The class, as the format writes it: a number or a name.
    pub category: Option<&'a str>,
    /// How sure a detector was.
    pub score: Option<f64>,
    /// COCO's mark of a region of many objects.
    pub crowd: bool,
    /// The pixels.
    pub runs: &'a [Run],
}

/// Takes what a reader finds.
pub trait Sink {
    /// An image; formats that do not list images apart from objects call this for images without objects only.
    fn image(&mut self, image: &Image<'_>) -> Result<()>;

    /// An object. Objects of one image come in the order of the file, not always one after the other.
    fn object(&mut self, object: &Object<'_>) -> Result<()>;

    /// The end of the file: a writer writes what it kept back.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a file says of an object beside its runs.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Attributes {
    /// See [`Object::category`].
    pub category: Option<String>,
    /// See [`Object::score`].
    pub score: Option<f64>,
    /// See [`Object::crowd`].
    pub crowd: bool,
}

/// One image of a file with the runs of all its objects.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRuns {
    /// See [`Image::id`].
    pub id: String,
    /// See [`Image::name`].
    pub name: Option<String>,
    /// The objects by label: the file's numbers, or 1, 2, 3 ... in the order of the file when it gives none.
    pub runs: LabelRuns,
    /// One for each label of `runs`.
    pub attributes: Vec<Attributes>,
}

/// Keeps all images of a file.
#[derive(Debug, Default)]
pub struct Collect {
    images: Vec<Collected>,
    index: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Collected {
    id: String,
    name: Option<String>,
    shape: Option<Shape>,
    order: Option<ScanOrder>,
    objects: Vec<(Option<u64>, Vec<Run>, Attributes)>,
}

impl Collect {
    /// A sink that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn entry(&mut self, id: &str, shape: Option<Shape>) -> Result<&mut Collected> {
        let index = match self.index.get(id) {
            Some(&index) => index,
            None => {
                self.index.insert(id.to_owned(), self.images.len());
                self.images.push(Collected { id: id.to_owned(), name: None, shape, order: None, objects: Vec::new() });
                self.images.len() - 1
            }
        };
        let image = &mut self.images[index];
        match (image.shape, shape) {
            (Some(first), Some(second)) if first != second => {
                return Err(Error::format(
                    part(id, None),
                    format!("one shape, {first} as before"),
                    format!("{second}"),
                ));
            }
            (None, Some(_)) => image.shape = shape,
            _ => {}
        }
        Ok(image)
    }

    /// The images, in the order in which the file first names them.
    ///
    /// # Errors
    /// When two objects of one image have the same number, or only some have one.
    pub fn into_images(self) -> Result<Vec<ImageRuns>> {
        self.images.into_iter().map(Collected::into_image).collect()
    }
}

fn part(image: &str, label: Option<u64>) -> crate::error::Place {
    crate::error::Place::Part(match label {
        Some(label) => format!("image {image}, object {label}"),
        None => format!("image {image}"),
    })
}

impl Collected {
    fn into_image(self) -> Result<ImageRuns> {
        let Self { id, name, shape, order, objects } = self;
        let numbered = objects.iter().filter(|(label, ..)| label.is_some()).count();
        if numbered > 0 && numbered < objects.len() {
            return Err(Error::format(
                part(&id, None),
                "a number for every object, or for none",
                format!("{numbered} of {} with a number", objects.len()),
            ));
        }
        let mut objects: Vec<_> = objects
            .into_iter()
            .zip(1..)
            .map(|((label, runs, more), place)| (label.unwrap_or(place), runs, more))
            .collect();
        objects.sort_by_key(|(label, ..)| *label);
        let mut runs = LabelRunsBuilder::new(shape, order.unwrap_or_default());
        let mut attributes = Vec::with_capacity(objects.len());
        let mut last = None;
        for (label, object, more) in objects {
            if last == Some(label) {
                return Err(Error::format(part(&id, Some(label)), "a number of its own", "a second object with it"));
            }
            last = Some(label);
            runs.label(label)?;
            for run in object {
                runs.run(run)?;
            }
            attributes.push(more);
        }
        Ok(ImageRuns { id, name, runs: runs.finish(), attributes })
    }
}

impl Sink for Collect {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        let kept = self.entry(image.id, image.shape)?;
        kept.name = image.name.map(str::to_owned);
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let image = self.entry(object.image, object.shape)?;
        if image.order.is_some_and(|order| order != object.order) {
            return Err(Error::format(part(object.image, object.label), "one scan order", "objects of both orders"));
        }
        image.order = Some(object.order);
        let more =
            Attributes { category: object.category.map(str::to_owned), score: object.score, crowd: object.crowd };
        image.objects.push((object.label, object.runs.to_vec(), more));
        Ok(())
    }
}

impl ImageRuns {
    /// Pushes this image and its objects into `sink`.
    pub fn push_into(&self, sink: &mut dyn Sink) -> Result<()> {
        let shape = self.runs.shape();
        sink.image(&Image { id: &self.id, name: self.name.as_deref(), shape })?;
        for ((label, runs), more) in self.runs.iter().zip(&self.attributes) {
            sink.object(&Object {
                image: &self.id,
                shape,
                order: self.runs.order(),
                label: Some(label),
                category: more.category.as_deref(),
                score: more.score,
                crowd: more.crowd,
                runs,
            })?;
        }
        Ok(())
    }
}

/// Pushes the runs of one mask into `sink`, as an image of this id.
pub(super) fn push_objects(runs: &LabelRuns, id: &str, sink: &mut dyn Sink) -> Result<()> {
    let shape = runs.shape();
    sink.image(&Image { id, name: None, shape })?;
    for (label, object) in runs.iter() {
        sink.object(&Object {
            image: id,
            shape,
            order: runs.order(),
            label: Some(label),
            category: None,
            score: None,
            crowd: false,
            runs: object,
        })?;
    }
    Ok(())
}

/// Lets through to a writer what its format can hold; names an image that the source leaves without a name.
pub(super) struct Guard<'a> {
    sink: &'a mut dyn Sink,
    from: Format,
    to: Format,
    write: &'a WriteOptions,
    read: &'a ReadOptions,
}

impl<'a> Guard<'a> {
    pub(super) fn new(
        sink: &'a mut dyn Sink,
        from: Format,
        to: Format,
        write: &'a WriteOptions,
        read: &'a ReadOptions,
    ) -> Self {
        Self { sink, from, to, write, read }
    }

    /// The name under which an image goes on; `None` when another one was asked for.
    fn name<'i>(&self, id: &'i str) -> Option<&'i str>
    where
        'a: 'i,
    {
        if self.read.image.as_deref().is_some_and(|image| image != id) {
            return None;
        }
        Some(if id.is_empty() { self.write.image.as_deref().unwrap_or("1") } else { id })
    }

    fn check_shape(&self, shape: Option<Shape>) -> Result<()> {
        // A shape that the source does not hold was given by the caller, who still has it.
        let in_file = self.from.capabilities().holds_shape || self.read.shape.is_none();
        let lost = shape.is_some() && in_file && !self.write.holds_shape(self.to) && !self.write.drop_shape;
        if lost {
            return Err(Error::Argument(format!(
                "this {} file does not hold height and width, which the {} file has (option drop-shape leaves them out)",
                self.to.name(),
                self.from.name()
            )));
        }
        Ok(())
    }
}

impl Sink for Guard<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        let Some(id) = self.name(image.id) else { return Ok(()) };
        self.check_shape(image.shape)?;
        if let Some(name) = image.name.filter(|&name| name != id)
            && !self.write.holds_names(self.to)
            && !self.write.drop_attributes
        {
            return Err(Error::Argument(format!(
                "image {id}: this {} file cannot hold the name of the image file, {name:?} (option drop-attributes \
                 leaves it out)",
                self.to.name()
            )));
        }
        self.sink.image(&Image { id, ..*image })
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let Some(image) = self.name(object.image) else { return Ok(()) };
        self.check_shape(object.shape)?;
        self.sink.object(&Object { image, ..*object })
    }
}

/// The one image of a file, or the one of this id.
pub(super) fn only(images: Vec<ImageRuns>, id: Option<&str>) -> Result<ImageRuns> {
    let count = images.len();
    let mut images = images.into_iter().filter(|image| id.is_none_or(|id| id == image.id));
    match (images.next(), images.next(), id) {
        (Some(image), None, _) => Ok(image),
        (None, _, Some(id)) => Err(Error::Argument(format!("no image {id} among the {count} of the file"))),
        (None, ..) => Err(Error::format(crate::error::Place::File, "an image", "none")),
        (Some(first), Some(second), _) => Err(Error::Argument(format!(
            "the file holds {count} images ({}, {}, ...): name one of them (option image), or convert to a format that \
             holds many",
            first.id, second.id
        ))),
    }
}

/// The text of every image, kept until the end of the file by writers that write objects together by image.
#[cfg(any(feature = "json", feature = "oid", feature = "cvat"))]
#[derive(Debug, Default)]
pub(super) struct PerImage {
    images: Vec<ImageText>,
    index: BTreeMap<String, usize>,
}

#[cfg(any(feature = "json", feature = "oid", feature = "cvat"))]
#[derive(Debug)]
pub(super) struct ImageText {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) shape: Option<Shape>,
    pub(super) text: Vec<u8>,
}

#[cfg(any(feature = "json", feature = "oid", feature = "cvat"))]
impl PerImage {
    pub(super) fn image(&mut self, image: &Image<'_>) {
        let kept = self.entry(image.id, image.shape);
        if let Some(name) = image.name {
            kept.name = Some(name.to_owned());
        }
    }

    /// The text of an image, to append to.
    pub(super) fn text(&mut self, id: &str, shape: Option<Shape>) -> &mut Vec<u8> {
        &mut self.entry(id, shape).text
    }

    fn entry(&mut self, id: &str, shape: Option<Shape>) -> &mut ImageText {
        let index = match self.index.get(id) {
            Some(&index) => index,
            None => {
                self.index.insert(id.to_owned(), self.images.len());
                self.images.push(ImageText { id: id.to_owned(), name: None, shape: None, text: Vec::new() });
                self.images.len() - 1
            }
        };
        let image = &mut self.images[index];
        image.shape = image.shape.or(shape);
        image
    }

    /// The images in the order in which they were first named.
    pub(super) fn iter(&self) -> impl Iterator<Item = &ImageText> {
        self.images.iter()
    }
}

/// A sink for a format that holds one mask: keeps the image and writes it at the end.
pub(super) struct WriteOne<'a> {
    format: Format,
    writer: &'a mut dyn Write,
    options: &'a WriteOptions,
    images: Collect,
}

impl<'a> WriteOne<'a> {
    pub(super) fn new(format: Format, writer: &'a mut dyn Write, options: &'a WriteOptions) -> Self {
        Self { format, writer, options, images: Collect::new() }
    }
}

impl Sink for WriteOne<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.images.image(image)
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        self.options.check_attributes(self.format, object)?;
        self.images.object(object)
    }

    fn finish(&mut self) -> Result<()> {
        let images = std::mem::take(&mut self.images).into_images()?;
        let image = only(images, None)?;
        super::write(self.format, self.writer, &image.runs, self.options)
    }
}
