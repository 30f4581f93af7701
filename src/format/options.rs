//! What a reader or a writer of run files is told beside the bytes or the runs.
//!
//! Both kinds of options start from [`Default`] and are set by name, one after the other. Options that only some formats
//! know are policed by the descriptions of the formats: one that means nothing to a format is an error.

use std::collections::BTreeMap;

#[cfg(feature = "json")]
use super::coco::CocoForm;
use super::counts::LargeCounts;
use super::description::Special;
#[cfg(feature = "json")]
use super::geojson::ObjectType;
#[cfg(feature = "json")]
use super::rle_json::JsonCounts;
use crate::names::names;
use crate::runs::{FillRule, MeasureOptions};
use crate::shape::{ScanOrder, Shape};

/// What a reader is told beside the bytes.
///
/// ```
/// use runmask::format::{self, Format, ReadOptions};
/// use runmask::Shape;
///
/// let file = b"id,rle\nslide,0 3\n";
/// let options = ReadOptions::new().shape(Shape { height: 2, width: 5 }).base(0);
/// let runs = format::read(Format::Kaggle, &mut &file[..], &options)?;
/// assert_eq!(runs.area(), 3);
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    pub(crate) shape: Option<Shape>,
    pub(crate) order: Option<ScanOrder>,
    pub(crate) base: Option<u64>,
    pub(crate) header: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) renumber: bool,
    pub(crate) skip_other_shapes: bool,
    pub(crate) ignore_columns: bool,
    pub(crate) fill_rule: Option<FillRule>,
    pub(crate) label_property: Option<String>,
}

impl ReadOptions {
    /// Options that tell a reader nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Height and width of the mask, for formats that do not say: runs outside it are then an error. Where the file
    /// says, both must agree. When [`ReadOptions::image`] names one image of many, this is the shape of that image alone.
    #[must_use]
    pub fn shape(mut self, shape: impl Into<Option<Shape>>) -> Self {
        self.shape = shape.into();
        self
    }

    /// The order of the positions, for formats that leave it open; column-major when not given.
    #[must_use]
    pub fn order(mut self, order: impl Into<Option<ScanOrder>>) -> Self {
        self.order = order.into();
        self
    }

    /// [`Format::Kaggle`](super::Format::Kaggle): the number of the first pixel; 1 when not given.
    #[must_use]
    pub fn base(mut self, base: impl Into<Option<u64>>) -> Self {
        self.base = base.into();
        self
    }

    /// CSV: what the columns of images and of runs are called, with a comma between the two names, where they have names
    /// that are not known: `id,predicted_mask`.
    #[must_use]
    pub fn header(mut self, header: impl Into<Option<String>>) -> Self {
        self.header = header.into();
        self
    }

    /// The id of the image to read from a file of many; [`read_images`](super::read_images) and
    /// [`read_objects`](super::read_objects) give the others too.
    #[must_use]
    pub fn image(mut self, image: impl Into<Option<String>>) -> Self {
        self.image = image.into();
        self
    }

    /// Numbers the objects of an image 1, 2, 3 ... in the order of the file, whatever numbers the file gives them.
    #[must_use]
    pub fn renumber(mut self, renumber: bool) -> Self {
        self.renumber = renumber;
        self
    }

    /// JSON and XML: passes over annotations that are no runs, such as polygons; otherwise they are an error.
    #[must_use]
    pub fn skip_other_shapes(mut self, skip: bool) -> Self {
        self.skip_other_shapes = skip;
        self
    }

    /// CSV: passes over columns that are not known; otherwise they are an error.
    #[must_use]
    pub fn ignore_columns(mut self, ignore: bool) -> Self {
        self.ignore_columns = ignore;
        self
    }

    /// `GeoJson`, `Coco`: which pixels are inside a polygon; for COCO those that pycocotools finds, otherwise those whose
    /// centres are, when not given.
    #[must_use]
    pub fn fill_rule(mut self, rule: impl Into<Option<FillRule>>) -> Self {
        self.fill_rule = rule.into();
        self
    }

    /// `GeoJson`: the property of features that holds their labels; the label among QuPath's metadata, or the place in the
    /// file, when not given.
    #[must_use]
    pub fn label_property(mut self, name: impl Into<Option<String>>) -> Self {
        self.label_property = name.into();
        self
    }

    /// The shape given for the image of this id. Where one image of many is asked for, the shape is that one's.
    pub(super) fn shape_of(&self, image: &str) -> Option<Shape> {
        self.shape.filter(|_| self.is_wanted(image))
    }

    /// Whether the image of this id is asked for: all are when none is named.
    pub(super) fn is_wanted(&self, image: &str) -> bool {
        self.image.as_deref().is_none_or(|wanted| wanted == image)
    }
}

/// How lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LineEnding {
    /// `\n`
    #[default]
    Lf,
    /// `\r\n`, what Python's csv module writes.
    Crlf,
}

names! { "a line ending", LineEnding { Lf => "lf", Crlf => "crlf" } }

impl LineEnding {
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::Crlf => b"\r\n",
        }
    }
}

/// Another program whose defects a writer reproduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compat {
    /// [`Format::Hubmap`](super::Format::Hubmap): Method 1 of the original notebook. Where labels touch, the second run
    /// loses its first pixel; a run that ends at the mask's last pixel is not written.
    Notebook,
}

names! { "a program whose defects are known", Compat { Notebook => "notebook" } }

/// What a writer is told beside the runs.
///
/// ```
/// use runmask::format::{self, Format, WriteOptions};
/// use runmask::{LabelRunsBuilder, Run, ScanOrder};
///
/// let mut runs = LabelRunsBuilder::new(None, ScanOrder::ColumnMajor);
/// runs.label(1)?;
/// runs.run(Run { start: 4, length: 2 })?;
/// let mut file = Vec::new();
/// let options = WriteOptions::new().header("ImageId,EncodedPixels".to_owned()).image("slide".to_owned());
/// format::write(Format::Kaggle, &mut file, &runs.finish(), &options)?;
/// assert_eq!(file, b"ImageId,EncodedPixels\nslide,5 2\n");
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    pub(crate) line_ending: LineEnding,
    pub(crate) compat: Option<Compat>,
    pub(crate) labels: Option<u64>,
    pub(crate) order: Option<ScanOrder>,
    pub(crate) base: Option<u64>,
    pub(crate) header: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) drop_empty_labels: bool,
    pub(crate) renumber: bool,
    pub(crate) drop_attributes: bool,
    pub(crate) drop_shape: bool,
    pub(crate) union: bool,
    pub(crate) large_counts: LargeCounts,
    #[cfg(feature = "json")]
    pub(crate) coco_form: CocoForm,
    #[cfg(feature = "json")]
    pub(crate) counts: JsonCounts,
    pub(crate) category_of: BTreeMap<u64, u64>,
    pub(crate) categories: BTreeMap<u64, String>,
    pub(crate) category: Option<String>,
    pub(crate) file_name: Option<String>,
    pub(crate) image_url: Option<String>,
    #[cfg(feature = "json")]
    pub(crate) object_type: Option<ObjectType>,
    pub(crate) class_colors: BTreeMap<String, [u8; 3]>,
    pub(crate) simplify: Option<f64>,
    pub(crate) measure: Option<MeasureOptions>,
}

impl WriteOptions {
    /// Options that tell a writer nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How lines of text formats end.
    #[must_use]
    pub fn line_ending(mut self, line_ending: LineEnding) -> Self {
        self.line_ending = line_ending;
        self
    }

    /// Reproduces another program's defects; the right answer when not given.
    #[must_use]
    pub fn compat(mut self, compat: impl Into<Option<Compat>>) -> Self {
        self.compat = compat.into();
        self
    }

    /// [`Format::Hubmap`](super::Format::Hubmap): rows for the labels 1 to this one; up to the largest label when not
    /// given.
    #[must_use]
    pub fn labels(mut self, labels: impl Into<Option<u64>>) -> Self {
        self.labels = labels.into();
        self
    }

    /// The order of the positions in the file, for formats that leave it open; column-major when not given. Runs in the
    /// other order are converted when their shape is known.
    #[must_use]
    pub fn order(mut self, order: impl Into<Option<ScanOrder>>) -> Self {
        self.order = order.into();
        self
    }

    /// [`Format::Kaggle`](super::Format::Kaggle): the number of the first pixel; 1 when not given.
    #[must_use]
    pub fn base(mut self, base: impl Into<Option<u64>>) -> Self {
        self.base = base.into();
        self
    }

    /// CSV formats with several headers: which one. In [`Format::Kaggle`](super::Format::Kaggle) and
    /// [`Format::Siim`](super::Format::Siim) it may name columns of height and width and one of classes beside those of
    /// images and runs, in any order.
    #[must_use]
    pub fn header(mut self, header: impl Into<Option<String>>) -> Self {
        self.header = header.into();
        self
    }

    /// The image's id, for formats that name images, where the source does not name it; 1 when not given.
    #[must_use]
    pub fn image(mut self, image: impl Into<Option<String>>) -> Self {
        self.image = image.into();
        self
    }

    /// Leaves out labels without runs, and images without objects, where the format has no way to write them; otherwise
    /// they are an error.
    #[must_use]
    pub fn drop_empty_labels(mut self, drop: bool) -> Self {
        self.drop_empty_labels = drop;
        self
    }

    /// Gives objects new numbers where the format cannot hold theirs; otherwise that is an error.
    #[must_use]
    pub fn renumber(mut self, renumber: bool) -> Self {
        self.renumber = renumber;
        self
    }

    /// Leaves out categories, scores, crowd marks and names of image files that the format cannot hold; otherwise they
    /// are an error.
    #[must_use]
    pub fn drop_attributes(mut self, drop: bool) -> Self {
        self.drop_attributes = drop;
        self
    }

    /// [`convert`](super::convert): leaves out height and width, where the format cannot hold them, without a
    /// [`Warning`](super::Warning).
    #[must_use]
    pub fn drop_shape(mut self, drop: bool) -> Self {
        self.drop_shape = drop;
        self
    }

    /// [`Format::Kaggle`](super::Format::Kaggle), [`Format::Siim`](super::Format::Siim): all objects of an image as one
    /// row.
    #[must_use]
    pub fn union(mut self, union: bool) -> Self {
        self.union = union;
        self
    }

    /// What to do with counts above 2^32 - 1.
    #[must_use]
    pub fn large_counts(mut self, large_counts: LargeCounts) -> Self {
        self.large_counts = large_counts;
        self
    }

    /// [`Format::Coco`](super::Format::Coco): which of its two files.
    #[cfg(feature = "json")]
    #[must_use]
    pub fn coco_form(mut self, form: CocoForm) -> Self {
        self.coco_form = form;
        self
    }

    /// [`Format::Coco`](super::Format::Coco): how counts are written.
    #[cfg(feature = "json")]
    #[must_use]
    pub fn counts(mut self, counts: JsonCounts) -> Self {
        self.counts = counts;
        self
    }

    /// [`Format::Coco`](super::Format::Coco): pairs of a label and the number of its category.
    #[must_use]
    pub fn category_of(mut self, pairs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        self.category_of = pairs.into_iter().collect();
        self
    }

    /// [`Format::Coco`](super::Format::Coco): pairs of the number of a category and its name.
    #[must_use]
    pub fn categories(mut self, pairs: impl IntoIterator<Item = (u64, String)>) -> Self {
        self.categories = pairs.into_iter().collect();
        self
    }

    /// The name of the category of every object that has none. In [`Format::Coco`](super::Format::Coco) it gets the number
    /// that [`WriteOptions::categories`] gives it, or the first one that is free.
    #[must_use]
    pub fn category(mut self, name: impl Into<Option<String>>) -> Self {
        self.category = name.into();
        self
    }

    /// The name of the image's file, for formats that have one beside the id, where the source names neither; the id when
    /// not given.
    #[must_use]
    pub fn file_name(mut self, name: impl Into<Option<String>>) -> Self {
        self.file_name = name.into();
        self
    }

    /// [`Format::LabelStudio`](super::Format::LabelStudio): the URL of the image; one that ends with `/` or `=` is completed
    /// with the name of the image's file. Label Studio's address of local files when not given.
    #[must_use]
    pub fn image_url(mut self, url: impl Into<Option<String>>) -> Self {
        self.image_url = url.into();
        self
    }

    /// [`Format::GeoJson`](super::Format::GeoJson): what objects are to QuPath; detections from 10,000 objects on, otherwise
    /// annotations, when not given.
    #[cfg(feature = "json")]
    #[must_use]
    pub fn object_type(mut self, object_type: impl Into<Option<ObjectType>>) -> Self {
        self.object_type = object_type.into();
        self
    }

    /// `GeoJson`: pairs of the name of a class and its colour, red, green and blue; a colour made from the name when not
    /// given.
    #[must_use]
    pub fn class_colors(mut self, pairs: impl IntoIterator<Item = (String, [u8; 3])>) -> Self {
        self.class_colors = pairs.into_iter().collect();
        self
    }

    /// `GeoJson`: leaves out points of outlines as long as none is further from them than so many pixels; see
    /// [`Polygons::simplify`](crate::Polygons::simplify). Every corner is written when not given.
    #[must_use]
    pub fn simplify(mut self, tolerance: impl Into<Option<f64>>) -> Self {
        self.simplify = tolerance.into();
        self
    }

    /// `GeoJson`: what is measured of each object and written as its measurements.
    #[must_use]
    pub fn measure(mut self, options: impl Into<Option<MeasureOptions>>) -> Self {
        self.measure = options.into();
        self
    }

    /// Whether an option is given that only some formats know.
    pub(super) fn gives(&self, option: Special) -> bool {
        match option {
            Special::Compat => self.compat.is_some(),
            Special::Labels => self.labels.is_some(),
            Special::Base => self.base.is_some(),
            Special::Header => self.header.is_some(),
            Special::Union => self.union,
            Special::LargeCounts => self.large_counts != LargeCounts::default(),
            #[cfg(feature = "json")]
            Special::Counts => self.counts != JsonCounts::default(),
            #[cfg(feature = "json")]
            Special::CocoForm => self.coco_form != CocoForm::default(),
            #[cfg(not(feature = "json"))]
            Special::Counts | Special::CocoForm | Special::ObjectType => false,
            Special::CategoryOf => !self.category_of.is_empty(),
            Special::Categories => !self.categories.is_empty(),
            Special::Category => self.category.is_some(),
            Special::ImageUrl => self.image_url.is_some(),
            #[cfg(feature = "json")]
            Special::ObjectType => self.object_type.is_some(),
            Special::ClassColor => !self.class_colors.is_empty(),
            Special::Simplify => self.simplify.is_some(),
            Special::Measure => self.measure.is_some(),
        }
    }
}
