//! Run files: every convention in which people write the runs of a mask, read strictly and written exactly.
//!
//! Gets bytes and a [`Format`]; gives [`LabelRuns`], and the other way round. Guarantees: a reader accepts exactly the
//! grammar at the head of its module and names place, expected and found for everything else; its memory is
//! proportional to the bytes it read, never to a number inside them; its result does not depend on how the input is
//! cut. A writer gives the same bytes for every number of threads, and refuses what the format cannot hold.

mod hubmap;
#[cfg(test)]
mod samples;
mod table;
mod text;

use std::borrow::Cow;
use std::io::{BufRead, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::runs::LabelRuns;
use crate::shape::{ScanOrder, Shape};

/// A convention for run files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `glom,pixels` CSV of the kidney hackathon: one row a label, 0-based, column-major.
    Hubmap,
    /// `label,start,length` CSV: one run a row, 0-based.
    Table,
}

impl Format {
    /// Every format.
    pub const ALL: &[Self] = &[Self::Hubmap, Self::Table];

    /// The name by which a user asks for the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hubmap => "hubmap",
            Self::Table => "table",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// The format that a file name's extension stands for, in any case of letters: `.csv` is [`Format::Hubmap`].
    pub fn from_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Hubmap),
            _ => None,
        }
    }
}

/// What a reader is told beside the bytes.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Height and width of the mask, for formats that do not say: runs outside it are then an error.
    pub shape: Option<Shape>,
    /// The order of the positions, for formats that leave it open; column-major when not given.
    pub order: Option<ScanOrder>,
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

impl LineEnding {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::Crlf => b"\r\n",
        }
    }
}

/// What a writer is told beside the runs.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// How lines of text formats end.
    pub line_ending: LineEnding,
    /// [`Format::Hubmap`]: rows for the labels 1 to this one; up to the largest label when not given.
    pub labels: Option<u64>,
    /// The order of the positions in the file, for formats that leave it open; column-major when not given. Runs in
    /// the other order are converted when their shape is known.
    pub order: Option<ScanOrder>,
    /// Leaves out labels without runs where the format has no way to write them; otherwise they are an error.
    pub drop_empty_labels: bool,
}

/// Reads the runs of one mask.
///
/// # Errors
/// [`Error::Format`] names the place of the first defect; [`Error::Io`] when reading fails.
pub fn read(format: Format, reader: &mut dyn BufRead, options: &ReadOptions) -> Result<LabelRuns> {
    match format {
        Format::Hubmap => hubmap::read(reader, options),
        Format::Table => table::read(reader, options),
    }
}

/// Writes the runs of one mask.
///
/// # Errors
/// [`Error::Argument`] or [`Error::LimitExceeded`] when the format cannot hold the runs, before anything is written;
/// [`Error::Io`] when writing fails.
pub fn write(format: Format, writer: &mut dyn Write, runs: &LabelRuns, options: &WriteOptions) -> Result<()> {
    match format {
        Format::Hubmap => hubmap::write(writer, runs, options),
        Format::Table => table::write(writer, runs, options),
    }
}

/// The runs in the order that the file is to have.
fn in_order<'a>(runs: &'a LabelRuns, order: ScanOrder, format: Format) -> Result<Cow<'a, LabelRuns>> {
    if runs.order() == order {
        return Ok(Cow::Borrowed(runs));
    }
    Err(Error::Argument(format!("the runs are {}, a {} file is {order}", runs.order(), format.name())))
}

fn writing(source: std::io::Error) -> Error {
    Error::Io { context: "write the runs".into(), source }
}
