//! Errors, one variant for each thing that a caller can act on.
//!
//! The texts name facts and never the options of a program. What would let a call through is data: see
//! [`Error::remedies`]. A program words each [`Remedy`] in its own terms.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Shorthand for results of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by who can mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The environment: a file that cannot be opened, a full disk, a closed pipe.
    #[error("{context}")]
    Io {
        /// What was being done, with the path when there is one.
        context: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The file: its bytes are not what its format asks for.
    #[error("{0}")]
    Format(Box<FormatError>),
    /// The caller: an argument that cannot be served.
    #[error("{0}")]
    Argument(String),
    /// A valid request or file that this version does not serve.
    #[error("{0}")]
    Unsupported(String),
    /// The engine: no adapter, a device lost, out of device memory.
    #[error("{engine} engine: {message}")]
    Engine {
        /// `gpu`, `simd` or `scalar`.
        engine: &'static str,
        /// What the engine or its driver answered.
        message: String,
    },
    /// A fixed limit of a format, of this library or of the machine.
    #[error("{what}: at most {limit}, found {found}")]
    LimitExceeded {
        /// The limited quantity with its unit.
        what: String,
        /// The largest value allowed.
        limit: u64,
        /// The value that was asked for.
        found: u64,
    },
    /// Memory: more is needed than the caller allows, or than the machine has.
    #[error("{what}: {needed} bytes of memory are needed, {}", room(*.limit))]
    Memory {
        /// What the memory is for.
        what: Cow<'static, str>,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that the caller allows; `None` when the machine has no room for them.
        limit: Option<u64>,
    },
    /// A run file's format cannot hold everything that it is given.
    #[error("{0}")]
    CannotHold(Box<CannotHold>),
    /// Height and width of the mask are needed, and nobody says them.
    #[error("{what}: height and width must be known")]
    UnknownShape {
        /// What needs them.
        what: String,
    },
    /// One image of a file is needed, and the file holds several.
    #[error("{what} holds {count} images ({}): one of them must be named", first_of(.ids, *.count))]
    SeveralImages {
        /// The file.
        what: String,
        /// How many images it holds.
        count: usize,
        /// The first of their ids.
        ids: Vec<String>,
    },
    /// The format of a run file is needed, and its content does not tell: none fits it, or several do.
    #[error("{what}: {}", which(.fits, .found))]
    UnknownFormat {
        /// The file.
        what: String,
        /// The names of the formats that fit.
        fits: Vec<&'static str>,
        /// What the file looks like.
        found: String,
        /// Whether it looks like a table of columns that nobody knows.
        columns: bool,
    },
    /// One of several masks is needed, and the caller does not say which.
    #[error("{what}: one of them must be named")]
    Ambiguous {
        /// What there are several of.
        what: String,
        /// How one is named.
        remedy: Remedy,
    },
    /// Something is where the output would go, and the caller does not say that it may be replaced.
    #[error("{what}: it is not replaced")]
    Exists {
        /// What is there.
        what: String,
        /// How it is allowed.
        remedy: Remedy,
    },
    /// A format that this build of the library leaves out.
    #[error("{what}: this build reads and writes no {feature} files")]
    NotBuilt {
        /// The file.
        what: String,
        /// The Cargo feature that it needs.
        feature: &'static str,
    },
    /// Runs of two labels share a pixel, which a mask cannot hold.
    #[error("{what} at row {row}, column {column}: a mask holds one label a pixel")]
    Overlap {
        /// Which run overlaps which.
        what: String,
        /// The two labels.
        labels: [u64; 2],
        /// A row that both cover, from 0.
        row: u64,
        /// A column in that row that both cover, from 0.
        column: u64,
    },
    /// A label that does not fit the type that it is to be written in.
    #[error("{what}: label {label} does not fit, the largest is {largest}")]
    LabelTooLarge {
        /// What it does not fit.
        what: String,
        /// The label.
        label: u64,
        /// The largest label that fits.
        largest: u64,
    },
    /// The caller's callback ended the work.
    #[error("stopped by the caller")]
    Stopped,
}

fn room(limit: Option<u64>) -> String {
    limit.map_or_else(|| "which the machine does not have".into(), |limit| format!("{limit} are allowed"))
}

fn which(fits: &[&str], found: &str) -> String {
    match fits {
        [] => format!("not a run file of a known format, but {found}"),
        fits => format!("its format is not known: {} fit {found}", fits.join(" and ")),
    }
}

fn first_of(ids: &[String], count: usize) -> String {
    let more = if ids.len() < count { ", ..." } else { "" };
    ids.join(", ") + more
}

/// What a caller can do so that a call that failed succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Leave out height and width.
    DropShape,
    /// Leave out categories, scores, crowd marks and names of image files.
    DropAttributes,
    /// Leave out labels without runs, and images without objects.
    DropEmptyLabels,
    /// Number the objects 1, 2, 3 ... in their order.
    Renumber,
    /// Say how high and wide the mask is.
    GiveShape,
    /// Exchange height and width, or say that the positions are in the other scan order.
    ExchangeSides,
    /// Say which image of the file is meant.
    NameImage,
    /// Say in which format the file is.
    NameFormat,
    /// Pass over columns that are not known.
    IgnoreColumns,
    /// Say what the columns of images and runs are called.
    NameColumns,
    /// Unpack the file first.
    Unpack,
    /// Pass over annotations that are no runs, such as polygons.
    SkipOtherShapes,
    /// Give a category that has a name only a number.
    NumberCategory,
    /// Write a large count as several.
    SplitCounts,
    /// Write a large count as it is.
    KeepCounts,
    /// Allow more memory.
    AllowMemory,
    /// Take a wider type of labels.
    WiderType,
    /// Say which label of an OME-Zarr store is meant.
    NameLabel,
    /// Say which plane of an array of several is meant.
    NameIndex,
    /// Allow that what is there is replaced.
    Overwrite,
    /// Build with this Cargo feature.
    Build(&'static str),
}

/// What a format of run files cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CannotHold {
    /// The file that holds it, when it has a name.
    pub file: Option<PathBuf>,
    /// The name of the format.
    pub format: &'static str,
    /// All that would be lost, one of each kind.
    pub losses: Vec<Loss>,
}

/// Something that is lost when runs go into a format that cannot hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// Height and width.
    Shape,
    /// The category of an object.
    Category {
        /// The id of its image.
        image: String,
    },
    /// The name of a category, in a format without categories.
    CategoryName {
        /// The name.
        name: String,
    },
    /// A category that is no number, in a format whose categories are numbers.
    CategoryNumber {
        /// The name of the category.
        name: String,
    },
    /// The score of an object.
    Score {
        /// The id of its image.
        image: String,
    },
    /// The mark of a region of many objects.
    Crowd {
        /// The id of its image.
        image: String,
    },
    /// The name of an image file.
    ImageName {
        /// The id of the image.
        image: String,
        /// The name.
        name: String,
    },
    /// The label of an object, in a format that numbers objects by their place.
    Label {
        /// The id of its image.
        image: String,
        /// The label.
        label: u64,
        /// The label that a reader would give it.
        becomes: u64,
    },
    /// A label that two objects have, in a format whose labels are unique.
    LabelTwice {
        /// The label.
        label: u64,
    },
    /// A label without runs.
    EmptyLabel {
        /// The id of its image, where the format names images.
        image: Option<String>,
        /// The label, when it has one.
        label: Option<u64>,
    },
    /// An image without objects.
    EmptyImage {
        /// The id of the image.
        image: String,
    },
    /// Several images, in a format for one.
    SeveralImages {
        /// The ids of the first two.
        images: [String; 2],
    },
    /// A count above 2^32 - 1, which most other programs cannot read.
    LargeCount {
        /// The count.
        count: u64,
    },
}

/// The place and kind of a defect in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FormatError {
    /// The file, when it has a name.
    pub file: Option<PathBuf>,
    /// Where in the file.
    pub place: Place,
    /// What the format asks for there.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// What would let the reader pass over it.
    pub remedy: Option<Remedy>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The file as a whole.
    File,
    /// A text file's line and column, both counted from 1.
    Line {
        /// Line, from 1.
        line: u64,
        /// Byte in the line, from 1.
        column: u64,
    },
    /// A byte of a binary file, from 0.
    Byte(u64),
    /// A named part, for instance `tile 17 of page 0` or `annotation 3`.
    Part(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Line { line, column } => write!(f, "line {line}, column {column}: "),
            Self::Byte(byte) => write!(f, "byte {byte}: "),
            Self::Part(part) => write!(f, "{part}: "),
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        write!(f, "{}expected {}, found {}", self.place, self.expected, self.found)
    }
}

impl fmt::Display for CannotHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        let article = if self.format.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        write!(f, "{article} {} file cannot hold ", self.format)?;
        for (place, loss) in self.losses.iter().enumerate() {
            f.write_str(match place {
                0 => "",
                _ if place + 1 == self.losses.len() => ", nor ",
                _ => ", ",
            })?;
            loss.fmt(f)?;
        }
        Ok(())
    }
}

impl Loss {
    /// What would let the rest through; any one of them is enough.
    pub fn remedies(&self) -> &'static [Remedy] {
        match self {
            Self::Shape => &[Remedy::DropShape],
            Self::Category { .. }
            | Self::CategoryName { .. }
            | Self::Score { .. }
            | Self::Crowd { .. }
            | Self::ImageName { .. } => &[Remedy::DropAttributes],
            Self::CategoryNumber { .. } => &[Remedy::NumberCategory],
            Self::Label { .. } | Self::LabelTwice { .. } => &[Remedy::Renumber],
            Self::EmptyLabel { .. } | Self::EmptyImage { .. } => &[Remedy::DropEmptyLabels],
            Self::SeveralImages { .. } => &[Remedy::NameImage],
            Self::LargeCount { .. } => &[Remedy::SplitCounts, Remedy::KeepCounts],
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape => f.write_str("height and width"),
            Self::Category { image } => write!(f, "the category of an object (image {image})"),
            Self::CategoryName { name } => write!(f, "the name of a category ({name:?})"),
            Self::CategoryNumber { name } => write!(f, "the category {name:?}, which is no number"),
            Self::Score { image } => write!(f, "the score of an object (image {image})"),
            Self::Crowd { image } => write!(f, "the crowd mark of an object (image {image})"),
            Self::ImageName { image, name } => write!(f, "the name of an image file ({name:?}, image {image})"),
            Self::Label { image, label, becomes } => {
                write!(f, "label {label} of image {image}, which would be read back as {becomes}, its place")
            }
            Self::LabelTwice { label } => write!(f, "label {label} twice"),
            Self::EmptyLabel { image, label } => {
                match label {
                    Some(label) => write!(f, "label {label}")?,
                    None => f.write_str("an object")?,
                }
                match image {
                    Some(image) => write!(f, " of image {image}, which has no runs"),
                    None => f.write_str(", which has no runs"),
                }
            }
            Self::EmptyImage { image } => write!(f, "image {image}, which has no objects"),
            Self::SeveralImages { images: [first, second] } => {
                write!(f, "several images ({first}, {second}, ...)")
            }
            Self::LargeCount { count } => {
                write!(f, "a count of {count} pixels: other programs read counts up to {}", u32::MAX)
            }
        }
    }
}

impl Error {
    /// A defect in a file that has not been given a name yet; see [`Error::in_file`].
    pub fn format(place: Place, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self::Format(Box::new(FormatError { file: None, place, expected, found, remedy: None }))
    }

    /// The same defect, with what would let the reader pass over it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: Remedy) -> Self {
        if let Self::Format(error) = &mut self {
            error.remedy = Some(remedy);
        }
        self
    }

    /// What `format` cannot hold.
    pub fn cannot_hold(format: &'static str, losses: Vec<Loss>) -> Self {
        Self::CannotHold(Box::new(CannotHold { file: None, format, losses }))
    }

    /// A file of a format that this build leaves out; named by [`Error::in_file`].
    #[cfg(not(feature = "zarr"))]
    pub(crate) fn not_built(feature: &'static str) -> Self {
        Self::NotBuilt { what: String::new(), feature }
    }

    /// A failed operation on a path.
    pub fn io(doing: &str, path: &Path, source: io::Error) -> Self {
        Self::Io { context: format!("{doing} {}", path.display()), source }
    }

    /// What the caller can do so that the call succeeds; empty when nothing is known to help. Each is named once, in the
    /// order in which the text of the error names its cause.
    ///
    /// ```
    /// use runmask::{Error, Loss, Remedy};
    ///
    /// let error = Error::cannot_hold("table", vec![Loss::Shape]);
    /// assert_eq!(error.to_string(), "a table file cannot hold height and width");
    /// assert_eq!(error.remedies(), [Remedy::DropShape]);
    /// ```
    pub fn remedies(&self) -> Vec<Remedy> {
        let mut remedies = match self {
            Self::Format(error) => error.remedy.into_iter().collect(),
            Self::CannotHold(error) => error.losses.iter().flat_map(Loss::remedies).copied().collect(),
            Self::UnknownShape { .. } => vec![Remedy::GiveShape],
            Self::SeveralImages { .. } => vec![Remedy::NameImage],
            Self::UnknownFormat { columns: true, .. } => vec![Remedy::NameFormat, Remedy::NameColumns],
            Self::UnknownFormat { .. } => vec![Remedy::NameFormat],
            Self::Memory { limit: Some(_), .. } => vec![Remedy::AllowMemory],
            Self::LabelTooLarge { .. } => vec![Remedy::WiderType],
            Self::Ambiguous { remedy, .. } | Self::Exists { remedy, .. } => vec![*remedy],
            Self::NotBuilt { feature, .. } => vec![Remedy::Build(feature)],
            _ => Vec::new(),
        };
        let mut seen = Vec::new();
        remedies.retain(|remedy| {
            !seen.contains(remedy) && {
                seen.push(*remedy);
                true
            }
        });
        remedies
    }

    /// The same error with the name of the file it arose in, unless it has one.
    #[must_use]
    pub fn in_file(mut self, path: &Path) -> Self {
        match &mut self {
            Self::Format(error) => {
                error.file.get_or_insert_with(|| path.to_path_buf());
            }
            Self::CannotHold(error) => {
                error.file.get_or_insert_with(|| path.to_path_buf());
            }
            Self::SeveralImages { what, .. } | Self::UnknownFormat { what, .. } | Self::NotBuilt { what, .. } => {
                *what = path.display().to_string()
            }
            Self::Argument(what)
            | Self::Unsupported(what)
            | Self::LimitExceeded { what, .. }
            | Self::UnknownShape { what }
            | Self::Overlap { what, .. }
            | Self::Ambiguous { what, .. }
            | Self::Exists { what, .. }
            | Self::LabelTooLarge { what, .. } => what.insert_str(0, &format!("{}: ", path.display())),
            Self::Memory { what, .. } => *what = format!("{}: {what}", path.display()).into(),
            Self::Io { .. } | Self::Engine { .. } | Self::Stopped => {}
        }
        self
    }
}
