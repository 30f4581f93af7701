//! Files of many images: a stream of objects.
//!
//! A reader pushes what it finds, in the order of the file, into an [`ObjectSink`]; every writer is one, so converting is
//! connecting one to the other, and only one object is in memory at a time. [`Collect`] is the sink that keeps all.

use std::collections::BTreeMap;

use super::checked::Output;
use super::description::{Description, WriteMask};
use super::{Warning, WriteOptions};
use crate::error::{Error, Loss, Place, Remedy, Result};
use crate::memory::{copied, reserve, reserve_exact};
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

/// Takes what a reader finds: every writer of run files is one, and so is whatever a caller does with objects.
///
/// ```
/// use runmask::format::{self, Format, Image, Object, ObjectSink, ReadOptions};
///
/// /// Counts the pixels of all objects of a file.
/// #[derive(Default)]
/// struct Area(u64);
///
/// impl ObjectSink for Area {
///     fn image(&mut self, _: &Image<'_>) -> runmask::Result<()> {
///         Ok(())
///     }
///     fn object(&mut self, object: &Object<'_>) -> runmask::Result<()> {
///         self.0 += object.runs.iter().map(|run| run.length).sum::<u64>();
///         Ok(())
///     }
/// }
///
/// let file = b"id,rle\nfirst,1 3 9 2\nsecond,5 4\n";
/// let mut area = Area::default();
/// format::read_objects(Format::Kaggle, &mut &file[..], &ReadOptions::new(), &mut area)?;
/// assert_eq!(area.0, 9);
/// # Ok::<(), runmask::Error>(())
/// ```
pub trait ObjectSink {
    /// An image; formats that do not list images apart from objects call this for images without objects only.
    fn image(&mut self, image: &Image<'_>) -> Result<()>;

    /// An object. Objects of one image come in the order of the file, not always one after the other.
    fn object(&mut self, object: &Object<'_>) -> Result<()>;

    /// A category that the file lists apart from objects: its id, as objects name it, and its name.
    fn category(&mut self, id: &str, name: &str) -> Result<()> {
        let _ = (id, name);
        Ok(())
    }

    /// What a reader passed over, and how many there were.
    fn passed_over(&mut self, what: &'static str, count: u64) {
        let _ = (what, count);
    }

    /// What should be heard of though nothing failed.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }

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

/// What an error calls the memory of objects that are kept.
pub(super) const OBJECTS: &str = "the objects of a file";

/// Keeps all images of a file.
#[derive(Debug, Default)]
pub struct Collect {
    images: Vec<Collected>,
    /// The ids of the images, each with its place.
    index: BTreeMap<String, usize>,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
struct Collected {
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
                self.images.push(Collected { name: None, shape, order: None, objects: Vec::new() });
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
        let mut ids = vec![String::new(); self.images.len()];
        self.index.into_iter().for_each(|(id, place)| ids[place] = id);
        let mut images = Vec::new();
        reserve(&mut images, ids.len(), "the images of a file")?;
        for (image, id) in self.images.into_iter().zip(ids) {
            images.push(image.with_id(id)?);
        }
        Ok(images)
    }
}

fn part(image: &str, label: Option<u64>) -> Place {
    Place::Part(match label {
        Some(label) => format!("image {image}, object {label}"),
        None => format!("image {image}"),
    })
}

impl Collected {
    fn with_id(self, id: String) -> Result<ImageRuns> {
        let Self { name, shape, order, objects } = self;
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
        // Two of the same label are an error below, whichever comes first.
        objects.sort_unstable_by_key(|(label, ..)| *label);
        let mut runs = LabelRunsBuilder::new(shape, order.unwrap_or_default());
        let mut attributes = Vec::new();
        reserve_exact(&mut attributes, objects.len(), OBJECTS)?;
        let mut last = None;
        for (label, object, more) in objects {
            if last == Some(label) {
                let error = Error::format(part(&id, Some(label)), "a number of its own", "a second object with it");
                return Err(error.with_remedy(Remedy::Renumber));
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

impl ObjectSink for Collect {
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
        if image.objects.is_empty() {
            // Files may have millions of images with one object each.
            image.objects.reserve_exact(1);
        }
        reserve(&mut image.objects, 1, OBJECTS)?;
        image.objects.push((object.label, copied(object.runs, OBJECTS)?, more));
        Ok(())
    }

    fn passed_over(&mut self, what: &'static str, count: u64) {
        self.warnings.push(Warning::PassedOver { what, count });
    }

    fn warnings(&self) -> Vec<Warning> {
        self.warnings.clone()
    }
}

impl ImageRuns {
    /// Pushes this image and its objects into `sink`.
    pub fn push_into(&self, sink: &mut dyn ObjectSink) -> Result<()> {
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

/// Pushes the runs of one mask into `sink`, as an image of this id and file name.
pub(super) fn push_objects(runs: &LabelRuns, id: &str, name: Option<&str>, sink: &mut dyn ObjectSink) -> Result<()> {
    let shape = runs.shape();
    sink.image(&Image { id, name, shape })?;
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

/// The one image of a file, or the one of this id.
pub(super) fn only(images: Vec<ImageRuns>, id: Option<&str>) -> Result<ImageRuns> {
    let count = images.len();
    let mut images = images.into_iter().filter(|image| id.is_none_or(|id| id == image.id));
    match (images.next(), images.next(), id) {
        (Some(image), None, _) => Ok(image),
        (None, _, Some(id)) => Err(Error::Argument(format!("no image {id} among the {count} of the file"))),
        (None, ..) => Err(Error::format(Place::File, "an image", "none")),
        (Some(first), Some(second), _) => {
            Err(Error::SeveralImages { what: "the file".into(), count, ids: vec![first.id, second.id] })
        }
    }
}

/// A sink for a format that holds one mask: keeps the image and writes it at the end.
pub(super) struct WriteOne<'a> {
    format: &'static Description,
    write: WriteMask,
    writer: Output<'a>,
    options: &'a WriteOptions,
    images: Collect,
}

impl<'a> WriteOne<'a> {
    pub(super) fn new(
        format: &'static Description,
        write: WriteMask,
        writer: Output<'a>,
        options: &'a WriteOptions,
    ) -> Self {
        Self { format, write, writer, options, images: Collect::new() }
    }
}

impl ObjectSink for WriteOne<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.images.image(image)
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        self.images.object(object)
    }

    fn finish(&mut self) -> Result<()> {
        let images = std::mem::take(&mut self.images).into_images()?;
        if let [first, second, ..] = images.as_slice() {
            let images = [first.id.clone(), second.id.clone()];
            return Err(Error::cannot_hold(self.format.name, vec![Loss::SeveralImages { images }]));
        }
        (self.write)(&mut self.writer, &only(images, None)?.runs, self.options)
    }
}
