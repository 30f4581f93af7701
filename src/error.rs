//! Errors, one variant for each party that can mend them.

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
    /// A limit of a format, of memory or of the machine.
    #[error("{what}: at most {limit}, found {found}")]
    LimitExceeded {
        /// The limited quantity with its unit.
        what: String,
        /// The largest value allowed.
        limit: u64,
        /// The value that was asked for.
        found: u64,
    },
}

/// The place and kind of a defect in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// The file, when it has a name.
    pub file: Option<PathBuf>,
    /// Where in the file.
    pub place: Place,
    /// What the format asks for there.
    pub expected: String,
    /// What stands there.
    pub found: String,
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

impl Error {
    /// A defect in a file that has not been given a name yet; see [`Error::in_file`].
    pub fn format(place: Place, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Format(Box::new(FormatError { file: None, place, expected: expected.into(), found: found.into() }))
    }

    /// A failed operation on a path.
    pub fn io(doing: &str, path: &Path, source: io::Error) -> Self {
        Self::Io { context: format!("{doing} {}", path.display()), source }
    }

    /// The same error with the name of the file it arose in, unless it has one.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Format(mut error) => {
                error.file.get_or_insert_with(|| path.to_path_buf());
                Self::Format(error)
            }
            Self::Unsupported(message) => Self::Unsupported(format!("{}: {message}", path.display())),
            Self::Argument(message) => Self::Argument(format!("{}: {message}", path.display())),
            Self::LimitExceeded { what, limit, found } => {
                Self::LimitExceeded { what: format!("{}: {what}", path.display()), limit, found }
            }
            other => other,
        }
    }
}
