//! Run files: every convention in which people write the runs of a mask, read strictly and written exactly.
//!
//! Gets bytes and a [`Format`]; gives [`LabelRuns`], and the other way round. Guarantees: a reader accepts exactly the
//! grammar at the head of its module and names place, expected and found for everything else; its memory follows the
//! bytes it read, never a number inside them; its result does not depend on how the input is cut. A writer gives the
//! same bytes for every number of threads, and refuses what the format cannot hold, all of it at once.
//!
//! Every format is described in its own file and has one line in the registry below. `description.rs` says what a
//! description holds; `detect.rs` is the one place that tells formats apart.

#![cfg_attr(
    not(all(feature = "json", feature = "oid", feature = "cvat", feature = "parquet")),
    allow(
        dead_code,
        reason = "what only some formats use is dead without them; the build of all features shows the rest"
    )
)]

mod budget;
mod checked;
#[cfg(feature = "json")]
mod coco;
pub mod coco_string;
pub mod counts;
mod csv;
#[cfg(feature = "cvat")]
mod cvat;
mod description;
pub(crate) mod detect;
#[cfg(feature = "json")]
mod geojson;
mod hubmap;
#[cfg(feature = "json")]
mod json;
pub(crate) mod kaggle;
#[cfg(feature = "json")]
mod labelstudio;
pub(crate) mod neighbours;
mod numbers;
mod objects;
#[cfg(feature = "oid")]
mod oid;
mod options;
mod outline;
mod per_image;
#[cfg(feature = "json")]
mod polygons;
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
mod siim;
mod table;
pub(crate) mod text;
#[cfg(feature = "parquet")]
mod thrift;

use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead, Write};
use std::path::Path;
use std::str::FromStr;

use self::checked::{Checked, Gate, Origin};
#[cfg(feature = "json")]
pub use self::coco::CocoForm;
pub use self::counts::LargeCounts;
use self::description::{Description, Reader, Writer};
pub use self::detect::{Detected, detect, detect_with, fits};
#[cfg(feature = "json")]
pub use self::geojson::ObjectType;
pub use self::neighbours::Neighbours;
pub use self::objects::{Attributes, Collect, Image, ImageRuns, Object, ObjectSink};
pub use self::options::{Compat, LineEnding, ReadOptions, WriteOptions};
#[cfg(feature = "json")]
pub use self::rle_json::JsonCounts;
use crate::error::{Error, Loss, Remedy, Result};
use crate::names;
use crate::runs::LabelRuns;
use crate::shape::ScanOrder;

/// Makes [`Format`] of a line for each format: its variant, its module, and its feature when it has one.
macro_rules! registry {
    ($($(#[$doc:meta])* $variant:ident $module:ident $($feature:literal)?;)+) => {
        /// A convention for run files. Each is set out at the head of its module in `src/format`. A format whose feature is
        /// not built in is not there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Format {
            $($(#[$doc])* $(#[cfg(feature = $feature)])? $variant,)+
        }

        impl Format {
            /// Every format.
            pub const ALL: &'static [Self] = &[$($(#[cfg(feature = $feature)])? Self::$variant,)+];

            pub(crate) fn description(self) -> &'static Description {
                match self {
                    $($(#[cfg(feature = $feature)])? Self::$variant => &$module::FORMAT,)+
                }
            }
        }

        /// The formats that are not built in, each with the feature that it needs.
        const NOT_BUILT: &[(&str, &str)] =
            &[$($(#[cfg(not(feature = $feature))] (stringify!($module), $feature),)?)+];
    };
}

registry! {
    /// `glom,pixels` CSV of the kidney hackathon: one row a label, 0-based, column-major.
    Hubmap hubmap;
    /// `label,start,length` CSV: one run a row, 0-based.
    Table table;
    /// `id,rle` CSV of competitions: one row an object, 1-based, column-major unless told otherwise.
    Kaggle kaggle;
    /// `ImageId,EncodedPixels` CSV with relative starts, `-1` for nothing.
    Siim siim;
    /// COCO annotation and result JSON. Feature `json`.
    Coco coco "json";
    /// Segment Anything's uncompressed JSON. Feature `json`.
    Sam sam "json";
    /// Open Images CSV: base64 of zlib of COCO's compressed counts. Feature `oid`.
    Oid oid "oid";
    /// CVAT's XML: row-major inside a box. Feature `cvat`.
    Cvat cvat "cvat";
    /// Label Studio's brush masks: a bit stream in JSON. Feature `json`.
    LabelStudio labelstudio "json";
    /// GeoJSON polygons, as QuPath has them. Feature `json`.
    GeoJson geojson "json";
    /// Parquet with the columns label, start and length. Feature `parquet`.
    Runs runs "parquet";
}

/// What a format can hold and must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// The name by which a user asks for the format.
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// What the format is, in one line for a help text: the beginning of a sentence, without its end.
    pub fn about(self) -> &'static str {
        self.description().about
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// The format that a file name's extension stands for, in any case of letters, where a file is written and nothing
    /// else says its format: `.csv` is [`Format::Hubmap`], `.json` is `Coco`, `.geojson` is `GeoJson`, `.xml` is `Cvat` and
    /// `.parquet` is `Runs`. A last extension `.gz` is passed over.
    /// A file that is read tells its format itself: see [`detect()`].
    pub fn from_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        if extension == "gz" {
            return Self::from_path(&path.with_extension(""));
        }
        let owns = |format: &Self| format.description().owns_extension && format.extension() == extension;
        Self::ALL.iter().copied().find(owns)
    }

    /// The extension of the format's files, without a dot.
    pub fn extension(self) -> &'static str {
        self.description().extension
    }

    /// The first lines that a CSV file of this format may have, the one that is written by default first; others are
    /// read too where the names of their columns are known. Empty for formats that have no such line.
    pub fn headers(self) -> &'static [&'static str] {
        self.description().headers
    }

    /// What the format can hold.
    pub fn capabilities(self) -> Capabilities {
        self.description().capabilities
    }
}

impl fmt::Display for Format {
    /// Writes the name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    /// The format of this name; any other text is an [`Error::Argument`] that lists the names, and a format that is not
    /// built in is [`Error::Unsupported`].
    fn from_str(name: &str) -> Result<Self> {
        if let Some((format, feature)) = NOT_BUILT.iter().find(|(format, _)| *format == name) {
            return Err(Error::Unsupported(format!(
                "{format} files need the feature `{feature}`, which is not built in"
            )));
        }
        names::find("a format of run files", name, Self::ALL, Self::name)
    }
}

/// Reads the runs of one mask: the only image of the file, or the one that the options name.
///
/// ```
/// use runmask::format::{self, Format, ReadOptions};
///
/// let file = b"glom,pixels\n0,3 4 10 2\n1,\n";
/// let runs = format::read(Format::Hubmap, &mut &file[..], &ReadOptions::new())?;
/// assert_eq!(runs.labels(), [1, 2]);
/// assert_eq!(runs.area(), 6);
/// # Ok::<(), runmask::Error>(())
/// ```
///
/// # Errors
/// [`Error::Format`] names the place of the first defect; [`Error::Io`] when reading fails; [`Error::SeveralImages`] when
/// the file holds several images and none is named; [`Error::UnknownShape`] when the format needs height and width, which
/// neither the file nor the options say; [`Error::LimitExceeded`] when a few bytes stand for absurdly many runs.
pub fn read(format: Format, reader: &mut dyn BufRead, options: &ReadOptions) -> Result<LabelRuns> {
    read_with_warnings(format, reader, options).map(|(runs, _)| runs)
}

/// Reads the runs of one mask, as [`read`] does, with what is not an error but should be heard of.
///
/// # Errors
/// As [`read`].
pub fn read_with_warnings(
    format: Format,
    reader: &mut dyn BufRead,
    options: &ReadOptions,
) -> Result<(LabelRuns, Vec<Warning>)> {
    match format.description().read {
        Reader::Mask(read) => Ok((read(reader, options)?, Vec::new())),
        Reader::Objects(read) => {
            let mut images = Collect::new();
            read(reader, options, &mut images)?;
            let warnings = images.warnings();
            Ok((objects::only(images.into_images()?, options.image.as_deref())?.runs, warnings))
        }
    }
}

/// Reads all images of a file, in the order in which it first names them.
///
/// # Errors
/// As [`read`].
pub fn read_images(format: Format, reader: &mut dyn BufRead, options: &ReadOptions) -> Result<Vec<ImageRuns>> {
    let mut images = Collect::new();
    read_objects(format, reader, options, &mut images)?;
    images.into_images()
}

/// Reads the objects of a file, one at a time, into `sink`, in the order of the file. It does not call
/// [`ObjectSink::finish`].
///
/// # Errors
/// As [`read`], and those of the sink.
pub fn read_objects(
    format: Format,
    reader: &mut dyn BufRead,
    options: &ReadOptions,
    sink: &mut dyn ObjectSink,
) -> Result<()> {
    format.description().read_into(reader, options, sink)
}

/// Writes the runs of one mask.
///
/// ```
/// use runmask::format::{self, Format, WriteOptions};
/// use runmask::{LabelMask, Shape};
///
/// let mask = LabelMask::new(&[0u8, 1, 0, 1, 2, 2], Shape { height: 2, width: 3 })?;
/// let mut file = Vec::new();
/// format::write(Format::Hubmap, &mut file, &runmask::encode(&mask)?, &WriteOptions::new())?;
/// assert_eq!(file, b"glom,pixels\n0,1 2\n1,3 1 5 1\n");
/// # Ok::<(), runmask::Error>(())
/// ```
///
/// # Errors
/// [`Error::CannotHold`] names all that the format cannot hold, with what would let the rest through;
/// [`Error::UnknownShape`] and [`Error::LimitExceeded`] when the runs cannot be written at all; [`Error::Argument`] for
/// options that do not fit the format; [`Error::Io`] when writing fails.
pub fn write(format: Format, writer: &mut dyn Write, runs: &LabelRuns, options: &WriteOptions) -> Result<()> {
    write_with_warnings(format, writer, runs, options).map(drop)
}

/// Writes the runs of one mask, as [`write()`] does; what is not an error but should be heard of is the answer.
///
/// # Errors
/// As [`write()`].
pub fn write_with_warnings(
    format: Format,
    writer: &mut dyn Write,
    runs: &LabelRuns,
    options: &WriteOptions,
) -> Result<Vec<Warning>> {
    let description = format.description();
    description.check(options)?;
    match description.write {
        Writer::Mask(write) => write(writer, runs, options).map(|()| Vec::new()),
        Writer::Objects(_) => {
            let mut sink = checked_writer(format, writer, options, None, true)?;
            let name = options.file_name.as_deref().filter(|_| (description.holds)(options).names);
            objects::push_objects(runs, options.image.as_deref().unwrap_or("1"), name, &mut sink)?;
            sink.finish()?;
            Ok(sink.warnings())
        }
    }
}

/// A sink that writes a file of many images. An image or object that the format cannot hold is an error where it comes.
/// Whoever uses the sink calls [`ObjectSink::finish`] at the end.
///
/// # Errors
/// [`Error::Argument`] for options that do not fit the format.
pub fn object_writer<'a>(
    format: Format,
    writer: &'a mut dyn Write,
    options: &'a WriteOptions,
) -> Result<Box<dyn ObjectSink + 'a>> {
    Ok(Box::new(checked_writer(format, writer, options, None, false)?))
}

fn checked_writer<'a>(
    format: Format,
    writer: &'a mut dyn Write,
    options: &'a WriteOptions,
    origin: Option<Origin<'a>>,
    until_end: bool,
) -> Result<Checked<'a>> {
    let description = format.description();
    description.check(options)?;
    let gate = Gate::new();
    let sink = description.writer(gate.guard(writer), options)?;
    Ok(Checked::new(sink, description, options, origin, until_end, gate))
}

/// Something that a caller should hear of though the call succeeded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The file that was read holds something that the file that was written cannot hold: height and width.
    LeftOut {
        /// The name of the format that cannot hold it.
        format: &'static str,
        /// What it is.
        loss: Loss,
    },
    /// Part of the file was passed over, as its format says.
    PassedOver {
        /// What was: a noun in the plural.
        what: &'static str,
        /// How many there were.
        count: u64,
    },
    /// Outlines were simplified, which changed the area of all objects together.
    Simplified {
        /// The area before, in pixels.
        before: f64,
        /// The area as it was written.
        after: f64,
    },
    /// Height and width, which the caller gave, look exchanged: the runs fit together the other way round.
    SidesLookExchanged(Neighbours),
}

impl Warning {
    /// What would silence it, or mend its cause.
    pub fn remedies(&self) -> &'static [Remedy] {
        match self {
            Self::LeftOut { loss, .. } => loss.remedies(),
            Self::SidesLookExchanged(_) => &[Remedy::ExchangeSides],
            Self::PassedOver { .. } | Self::Simplified { .. } => &[],
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { format, loss } => write!(f, "a {format} file cannot hold {loss}"),
            Self::PassedOver { what, count } => write!(f, "{count} {what} were passed over"),
            Self::Simplified { before, after } => write!(
                f,
                "simplified outlines have an area of {after} pixels instead of {before} ({:+.3} %)",
                (after / before - 1.0) * 100.0
            ),
            Self::SidesLookExchanged(Neighbours { as_given, exchanged }) => write!(
                f,
                "height and width look exchanged: {as_given} runs have a neighbour in the next line, and {exchanged} would \
                 have one the other way round"
            ),
        }
    }
}

/// Converts a file without touching pixels: object by object, in the order of the file. What is not an error but should be
/// heard of is the answer.
///
/// ```
/// use runmask::format::{self, Format, ReadOptions, WriteOptions};
///
/// let file = b"id,rle\nslide,1 3 9 2\n";
/// let mut table = Vec::new();
/// let warnings = format::convert(
///     (Format::Kaggle, &mut &file[..], &ReadOptions::new()),
///     (Format::Table, &mut table, &WriteOptions::new()),
/// )?;
/// assert_eq!(table, b"label,start,length\n1,0,3\n1,8,2\n");
/// assert!(warnings.is_empty());
/// # Ok::<(), runmask::Error>(())
/// ```
///
/// # Errors
/// Those of [`read`] and [`write()`]. What the target cannot hold is [`Error::CannotHold`], all of it at once, unless the
/// options drop it; height and width alone are a [`Warning`].
pub fn convert(
    (from, reader, read_options): (Format, &mut dyn BufRead, &ReadOptions),
    (to, writer, write_options): (Format, &mut dyn Write, &WriteOptions),
) -> Result<Vec<Warning>> {
    let origin = Origin { format: from.description(), options: read_options };
    let mut sink = checked_writer(to, writer, write_options, Some(origin), true)?;
    from.description().read_into(reader, read_options, &mut sink)?;
    sink.finish()?;
    Ok(sink.warnings())
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
