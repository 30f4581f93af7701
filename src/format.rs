//! Run files: every convention in which people write the runs of a mask, read strictly and written exactly.
//!
//! Gets bytes and a [`Format`]; gives [`LabelRuns`], and the other way round. Guarantees: a reader accepts exactly the
//! grammar at the head of its module and names place, expected and found for everything else; its memory is
//! proportional to the bytes it read, never to a number inside them; its result does not depend on how the input is
//! cut. A writer gives the same bytes for every number of threads, and refuses what the format cannot hold.

#[cfg(any(feature = "cvat", feature = "oid", feature = "parquet"))]
mod budget;
#[cfg(feature = "json")]
mod coco;
pub mod coco_string;
pub mod counts;
mod csv;
#[cfg(feature = "cvat")]
mod cvat;
mod document;
mod hubmap;
#[cfg(feature = "json")]
mod json;
mod kaggle;
#[cfg(feature = "json")]
mod labelstudio;
#[cfg(feature = "oid")]
mod oid;
mod options;
#[cfg(feature = "json")]
mod rle_json;
#[cfg(test)]
mod round_trips;
mod rows;
#[cfg(feature = "parquet")]
mod runs;
#[cfg(feature = "json")]
mod sam;
#[cfg(test)]
mod samples;
mod table;
mod text;

use std::borrow::Cow;
use std::io::{BufRead, Write};
use std::path::Path;

#[cfg(feature = "json")]
pub use coco::CocoForm;
pub use counts::LargeCounts;
pub use document::{Attributes, Collect, Image, ImageRuns, Object, Sink};
pub use options::{Compat, LineEnding, ReadOptions, WriteOptions};
#[cfg(feature = "json")]
pub use rle_json::JsonCounts;

use document::WriteOne;
use kaggle::Starts;

use crate::error::{Error, Result};
use crate::runs::LabelRuns;
use crate::shape::ScanOrder;

/// A convention for run files. Each is set out at the head of its module in `src/format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `glom,pixels` CSV of the kidney hackathon: one row a label, 0-based, column-major.
    Hubmap,
    /// `label,start,length` CSV: one run a row, 0-based.
    Table,
    /// `id,rle` CSV of competitions: one row an object, 1-based, column-major unless told otherwise.
    Kaggle,
    /// `ImageId,EncodedPixels` CSV with relative starts, `-1` for nothing.
    Siim,
    /// COCO annotation and result JSON. Feature `json`.
    Coco,
    /// Segment Anything's uncompressed JSON. Feature `json`.
    Sam,
    /// Open Images CSV: base64 of zlib of COCO's compressed counts. Feature `oid`.
    Oid,
    /// CVAT's XML: row-major inside a box. Feature `cvat`.
    Cvat,
    /// Label Studio's brush masks: a bit stream in JSON. Feature `json`.
    LabelStudio,
    /// Parquet with the columns label, start and length. Feature `parquet`.
    Runs,
}

/// What a format can hold and must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Many images in one file.
    pub many_images: bool,
    /// Height and width are in the file.
    pub holds_shape: bool,
    /// Height and width must be known to write or to read.
    pub needs_shape: bool,
    /// Any labels; otherwise an object's place tells its label: 1, 2, 3 ...
    pub any_labels: bool,
    /// A label without runs is kept.
    pub empty_labels: bool,
    /// Positions may be numbered in either order.
    pub any_order: bool,
}

impl Format {
    /// Every format.
    pub const ALL: &[Self] = &[
        Self::Hubmap,
        Self::Table,
        Self::Kaggle,
        Self::Siim,
        Self::Coco,
        Self::Sam,
        Self::Oid,
        Self::Cvat,
        Self::LabelStudio,
        Self::Runs,
    ];

    /// The name by which a user asks for the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hubmap => "hubmap",
            Self::Table => "table",
            Self::Kaggle => "kaggle",
            Self::Siim => "siim",
            Self::Coco => "coco",
            Self::Sam => "sam",
            Self::Oid => "oid",
            Self::Cvat => "cvat",
            Self::LabelStudio => "labelstudio",
            Self::Runs => "runs",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// The format that a file name's extension stands for, in any case of letters: `.csv` is [`Format::Hubmap`],
    /// `.json` is [`Format::Coco`], `.xml` is [`Format::Cvat`] and `.parquet` is [`Format::Runs`].
    pub fn from_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Hubmap),
            "json" => Some(Self::Coco),
            "xml" => Some(Self::Cvat),
            "parquet" => Some(Self::Runs),
            _ => None,
        }
    }

    /// What the format can hold.
    pub fn capabilities(self) -> Capabilities {
        let one_csv = Capabilities {
            many_images: false,
            holds_shape: false,
            needs_shape: false,
            any_labels: true,
            empty_labels: true,
            any_order: false,
        };
        let many = Capabilities { many_images: true, any_labels: false, ..one_csv };
        let counts = Capabilities { holds_shape: true, needs_shape: true, ..many };
        match self {
            Self::Hubmap => one_csv,
            Self::Table => Capabilities { empty_labels: false, any_order: true, ..one_csv },
            Self::Kaggle => Capabilities { empty_labels: false, any_order: true, ..many },
            Self::Siim => Capabilities { empty_labels: false, ..many },
            Self::Coco => Capabilities { any_labels: true, ..counts },
            Self::Sam => Capabilities { many_images: false, ..counts },
            Self::Oid | Self::LabelStudio => counts,
            Self::Cvat => Capabilities { empty_labels: false, ..counts },
            Self::Runs => Capabilities { holds_shape: true, empty_labels: false, any_order: true, ..one_csv },
        }
    }
}

impl WriteOptions {
    /// An error for an option that means nothing to the format: it would be passed over without a word.
    fn check(&self, format: Format) -> Result<()> {
        let csv = [Format::Kaggle, Format::Siim, Format::Oid];
        let options: [(&str, bool, &[Format]); 7] = [
            ("compat", self.compat.is_some(), &[Format::Hubmap]),
            ("labels", self.labels.is_some(), &[Format::Hubmap]),
            ("base", self.base.is_some(), &[Format::Kaggle]),
            ("header", self.header.is_some(), &csv),
            ("union", self.union, &csv[..2]),
            ("category-of", !self.category_of.is_empty(), &[Format::Coco]),
            ("category", !self.categories.is_empty(), &[Format::Coco]),
        ];
        match options.iter().find(|(_, given, formats)| *given && !formats.contains(&format)) {
            None => Ok(()),
            Some((name, _, formats)) => {
                let formats: Vec<_> = formats.iter().map(|format| format.name()).collect();
                Err(Error::Argument(format!(
                    "the option {name} is for {}: a {} file has no use for it",
                    formats.join(", "),
                    format.name()
                )))
            }
        }
    }

    /// Whether a file of this format names height and width, under these options.
    fn holds_shape(&self, format: Format) -> bool {
        format.capabilities().holds_shape
            || matches!(format, Format::Kaggle | Format::Siim) && kaggle::holds_shape(self.header.as_deref())
    }

    /// Whether a file of this format has a name for an image beside its id, under these options.
    fn holds_names(&self, format: Format) -> bool {
        match format {
            #[cfg(feature = "json")]
            Format::Coco => self.coco_form == CocoForm::Dataset,
            Format::Cvat | Format::LabelStudio => true,
            _ => false,
        }
    }

    /// An error when `object` has an attribute that a format without any cannot hold.
    fn check_attributes(&self, format: Format, object: &Object<'_>) -> Result<()> {
        let lost = match object {
            Object { category: Some(_), .. } => "category",
            Object { score: Some(_), .. } => "score",
            Object { crowd: true, .. } => "crowd mark",
            _ => return Ok(()),
        };
        if self.drop_attributes {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "image {}: an object has a {lost}, which a {} file cannot hold (option drop-attributes leaves it out)",
            object.image,
            format.name()
        )))
    }
}

/// Reads the runs of one mask: the only image of the file, or the one that the options name.
///
/// # Errors
/// [`Error::Format`] names the place of the first defect; [`Error::Io`] when reading fails; [`Error::Argument`] when the
/// file holds several images and none is named; [`Error::Unsupported`] when the format's feature is not built in.
pub fn read(format: Format, reader: &mut dyn BufRead, options: &ReadOptions) -> Result<LabelRuns> {
    match format {
        Format::Hubmap => hubmap::read(reader, options),
        Format::Table => table::read(reader, options),
        #[cfg(feature = "parquet")]
        Format::Runs => runs::read(reader, options),
        _ => {
            let mut images = Collect::new();
            read_objects(format, reader, options, &mut images)?;
            Ok(document::only(images.into_images()?, options.image.as_deref())?.runs)
        }
    }
}

/// Reads all images of a file.
///
/// # Errors
/// As [`read`].
pub fn read_images(format: Format, reader: &mut dyn BufRead, options: &ReadOptions) -> Result<Vec<ImageRuns>> {
    let mut images = Collect::new();
    read_objects(format, reader, options, &mut images)?;
    images.into_images()
}

/// Reads the objects of a file, one at a time, into `sink`, in the order of the file. It does not call
/// [`Sink::finish`].
///
/// # Errors
/// As [`read`], and those of the sink.
pub fn read_objects(
    format: Format,
    reader: &mut dyn BufRead,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Result<()> {
    match format {
        Format::Hubmap => document::push_objects(&hubmap::read(reader, options)?, "", sink),
        Format::Table => document::push_objects(&table::read(reader, options)?, "", sink),
        Format::Kaggle => kaggle::read(reader, options, Starts::Absolute, sink),
        Format::Siim => kaggle::read(reader, options, Starts::Relative, sink),
        #[cfg(feature = "json")]
        Format::Coco => coco::read(reader, options, sink),
        #[cfg(feature = "json")]
        Format::Sam => sam::read(reader, options, sink),
        #[cfg(feature = "oid")]
        Format::Oid => oid::read(reader, options, sink),
        #[cfg(feature = "cvat")]
        Format::Cvat => cvat::read(reader, options, sink),
        #[cfg(feature = "json")]
        Format::LabelStudio => labelstudio::read(reader, options, sink),
        #[cfg(feature = "parquet")]
        Format::Runs => document::push_objects(&runs::read(reader, options)?, "", sink),
        #[cfg(not(all(feature = "json", feature = "oid", feature = "cvat", feature = "parquet")))]
        _ => Err(not_built(format)),
    }
}

/// Writes the runs of one mask.
///
/// # Errors
/// [`Error::Argument`] or [`Error::LimitExceeded`] when the format cannot hold the runs; [`Error::Io`] when writing
/// fails; [`Error::Unsupported`] when the format's feature is not built in.
pub fn write(format: Format, writer: &mut dyn Write, runs: &LabelRuns, options: &WriteOptions) -> Result<()> {
    options.check(format)?;
    match format {
        Format::Hubmap => hubmap::write(writer, runs, options),
        Format::Table => table::write(writer, runs, options),
        #[cfg(feature = "parquet")]
        Format::Runs => runs::write(writer, runs, options),
        _ => {
            let mut sink = object_writer(format, writer, options)?;
            document::push_objects(runs, options.image.as_deref().unwrap_or("1"), &mut *sink)?;
            sink.finish()
        }
    }
}

/// A sink that writes a file of many images. Whoever uses it calls [`Sink::finish`].
///
/// # Errors
/// [`Error::Argument`] for options that do not fit the format; [`Error::Unsupported`] when its feature is not built in.
pub fn object_writer<'a>(
    format: Format,
    writer: &'a mut dyn Write,
    options: &'a WriteOptions,
) -> Result<Box<dyn Sink + 'a>> {
    options.check(format)?;
    Ok(match format {
        Format::Hubmap | Format::Table => Box::new(WriteOne::new(format, writer, options)),
        Format::Kaggle => Box::new(kaggle::Writer::new(writer, options, Starts::Absolute)?),
        Format::Siim => Box::new(kaggle::Writer::new(writer, options, Starts::Relative)?),
        #[cfg(feature = "json")]
        Format::Coco => Box::new(coco::Writer::new(writer, options)),
        #[cfg(feature = "json")]
        Format::Sam => Box::new(sam::Writer::new(writer, options)),
        #[cfg(feature = "oid")]
        Format::Oid => Box::new(oid::Writer::new(writer, options)?),
        #[cfg(feature = "cvat")]
        Format::Cvat => Box::new(cvat::Writer::new(writer, options)),
        #[cfg(feature = "json")]
        Format::LabelStudio => Box::new(labelstudio::Writer::new(writer, options)),
        #[cfg(feature = "parquet")]
        Format::Runs => Box::new(WriteOne::new(format, writer, options)),
        #[cfg(not(all(feature = "json", feature = "oid", feature = "cvat", feature = "parquet")))]
        _ => return Err(not_built(format)),
    })
}

/// Converts a file without touching pixels: object by object, in the order of the file.
///
/// # Errors
/// Those of [`read`] and [`write()`]; what the target cannot hold is [`Error::Argument`] unless the options drop it.
pub fn convert(
    (from, reader, read_options): (Format, &mut dyn BufRead, &ReadOptions),
    (to, writer, write_options): (Format, &mut dyn Write, &WriteOptions),
) -> Result<()> {
    let mut sink = object_writer(to, writer, write_options)?;
    let mut guard = document::Guard::new(&mut *sink, from, to, write_options, read_options);
    read_objects(from, reader, read_options, &mut guard)?;
    sink.finish()
}

#[cfg(not(all(feature = "json", feature = "oid", feature = "cvat", feature = "parquet")))]
fn not_built(format: Format) -> Error {
    Error::Unsupported(format!("this program was built without the feature that {} files need", format.name()))
}

/// The runs in the order that the file is to have.
fn in_order(runs: &LabelRuns, order: ScanOrder) -> Result<Cow<'_, LabelRuns>> {
    if runs.order() == order {
        return Ok(Cow::Borrowed(runs));
    }
    runs.to_order(order).map(Cow::Owned)
}

fn writing(source: std::io::Error) -> Error {
    Error::Io { context: "write the runs".into(), source }
}
