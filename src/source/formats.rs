//! The formats of mask files: which there are, and which one a file is in.
//!
//! Gets a file or a stream; gives a source. Each format describes itself in its own file; a new one is a file and a line
//! in [`FORMATS`].

use std::io::{self, BufRead, Read};
use std::path::Path;

use super::band::Band;
use super::random_access::RandomAccess;
use super::{OpenOptions, PageInfo, Source, raw};
use crate::error::{Error, Place, Result};

/// All formats of this build.
const FORMATS: &[&FileFormat] = &[
    #[cfg(feature = "tiff")]
    &super::tiff::FORMAT,
    #[cfg(feature = "image")]
    &super::png::FORMAT,
    #[cfg(feature = "npy")]
    &super::npy::FORMAT,
];

/// A stream of bytes.
pub(super) type Stream = Box<dyn BufRead + Send>;

/// A mask that was opened.
pub(super) type Opened = Result<Box<dyn Source>>;

/// Opens a stream whose name in messages is given.
type OpenStream = fn(Stream, &Path, &OpenOptions) -> Opened;

/// Lists the pages of a file.
type ListPages = fn(&RandomAccess) -> Result<Vec<PageInfo>>;

/// What is known of a format.
pub(super) struct FileFormat {
    /// What messages call it.
    pub(super) name: &'static str,
    /// Whether a file that begins with these bytes, [`START`] of them at most, is one.
    pub(super) matches: fn(&[u8]) -> bool,
    /// Opens a file.
    pub(super) open: fn(RandomAccess, &OpenOptions) -> Opened,
    /// Opens a stream; where this is missing, a stream is copied to a temporary file first.
    pub(super) open_stream: Option<OpenStream>,
    /// Lists the pages of a file; where this is missing, a file has one page of one level.
    pub(super) pages: Option<ListPages>,
}

/// Enough bytes to know a format.
const START: usize = 8;

/// Opens a file in whichever format it is.
pub(super) fn open(file: RandomAccess, options: &OpenOptions) -> Opened {
    let name = file.name().to_path_buf();
    Band::of(open_whole(file, options)?, options.rows.clone()).map_err(|error| error.in_file(&name))
}

fn open_whole(file: RandomAccess, options: &OpenOptions) -> Opened {
    if let Some(layout) = options.raw {
        return Ok(Box::new(raw::from_file(file, layout)?));
    }
    let format = of_file(&file)?;
    check_pages(format, options).map_err(|error| error.in_file(file.name()))?;
    (format.open)(file, options)
}

/// Opens a stream in whichever format it is.
pub(super) fn open_stream(stream: Stream, name: &Path, options: &OpenOptions) -> Opened {
    Band::of(open_whole_stream(stream, name, options)?, options.rows.clone()).map_err(|error| error.in_file(name))
}

fn open_whole_stream(mut stream: Stream, name: &Path, options: &OpenOptions) -> Opened {
    if let Some(layout) = options.raw {
        return Ok(Box::new(raw::from_stream(stream, layout, name)?));
    }
    let mut start = Vec::new();
    let read = stream.by_ref().take(START as u64).read_to_end(&mut start);
    read.map_err(|error| Error::io("reading", name, error))?;
    let format = of(&start, name)?;
    check_pages(format, options).map_err(|error| error.in_file(name))?;
    let stream: Stream = Box::new(io::Cursor::new(start).chain(stream));
    match format.open_stream {
        Some(open) => open(stream, name, options),
        None => (format.open)(spool(stream, name)?, options),
    }
}

/// The format of a file, from its first bytes.
pub(super) fn of_file(file: &RandomAccess) -> Result<&'static FileFormat> {
    let mut start = [0; START];
    let start = &mut start[..usize::try_from(file.length()).unwrap_or(START).min(START)];
    file.read_exact_at(start, 0, "any format")?;
    of(start, file.name())
}

fn of(start: &[u8], name: &Path) -> Result<&'static FileFormat> {
    if let Some(format) = FORMATS.iter().find(|format| (format.matches)(start)) {
        return Ok(format);
    }
    let found = match start {
        [] => "an empty file".into(),
        _ if name.extension().is_some_and(|extension| extension == "raw" || extension == "bin") => {
            "raw labels, perhaps; they need a type, a height and a width".into()
        }
        [0xff, 0xd8, ..] => "a JPEG, which cannot hold labels exactly".into(),
        _ => format!("other bytes: {start:02x?}"),
    };
    let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    let expected = match names.as_slice() {
        [] => "raw labels of a layout that is given".into(),
        [only] => format!("a {only} file"),
        [names @ .., last] => format!("a {} or {last} file", names.join(", ")),
    };
    Err(Error::format(Place::File, expected, found).in_file(name))
}

/// An error when a page or level is asked for in a format that has none.
fn check_pages(format: &FileFormat, options: &OpenOptions) -> Result<()> {
    let (page, level) = (options.page, options.level);
    if format.pages.is_some() || (page, level) == (0, 0) {
        return Ok(());
    }
    let with_pages: Vec<_> = FORMATS.iter().filter(|format| format.pages.is_some()).map(|format| format.name).collect();
    let message = format!("no page {page}, level {level}: only {} files have pages and levels", with_pages.join(", "));
    Err(Error::Argument(message))
}

/// Copies a stream to a temporary file that has no name, for a format that is read from many places at once. The file is
/// gone when it is closed, however the process ends.
fn spool(mut stream: impl BufRead, name: &Path) -> Result<RandomAccess> {
    let copying = |source| Error::Io { context: format!("copying {} to a temporary file", name.display()), source };
    let mut file = tempfile::tempfile().map_err(copying)?;
    loop {
        let bytes = match stream.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes.map_err(|error| Error::io("reading", name, error))?,
        };
        if bytes.is_empty() {
            return RandomAccess::from_file(file, name);
        }
        io::Write::write_all(&mut file, bytes).map_err(copying)?;
        let count = bytes.len();
        stream.consume(count);
    }
}
