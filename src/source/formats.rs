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
use crate::memory::append;
use crate::runs::PixelSize;

/// All formats of this build.
const FORMATS: &[&FileFormat] = &[
    #[cfg(feature = "tiff")]
    &super::tiff::FORMAT,
    #[cfg(feature = "image")]
    &super::png::FORMAT,
    #[cfg(feature = "npy")]
    &super::npy::FORMAT,
    #[cfg(feature = "zarr")]
    &super::zarr::FORMAT,
];

/// A stream of bytes.
pub(super) type Stream = Box<dyn BufRead + Send>;

/// A mask that was opened.
pub(super) type Opened = Result<Box<dyn Source>>;

/// Opens a stream whose name in messages is given.
type OpenStream = fn(Stream, &Path, &OpenOptions) -> Opened;

/// Lists the pages of a file.
type ListPages = fn(&RandomAccess) -> Result<Vec<PageInfo>>;

/// Finds the size of a pixel of the mask that the options ask for.
type FindPixelSize = fn(&RandomAccess, &OpenOptions) -> Result<Option<PixelSize>>;

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
    /// Whether a file may hold several masks by name.
    pub(super) has_labels: bool,
    /// The size of a pixel, where files say it.
    pub(super) pixel_size: Option<FindPixelSize>,
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

/// Opens a folder, which is a Zarr store.
pub(super) fn open_folder(path: &Path, options: &OpenOptions) -> Opened {
    check_folder(path)?;
    #[cfg(feature = "zarr")]
    if options.raw.is_none() {
        let whole = super::zarr::open_folder(path, options)?;
        return Band::of(whole, options.rows.clone()).map_err(|error| error.in_file(path));
    }
    let _ = options;
    Err(Error::io("reading", path, io::ErrorKind::IsADirectory.into()))
}

/// The labels of a folder, which is a Zarr store.
pub(super) fn folder_pages(path: &Path) -> Result<Vec<PageInfo>> {
    check_folder(path)?;
    #[cfg(feature = "zarr")]
    return super::zarr::folder_pages(path);
    #[cfg(not(feature = "zarr"))]
    Err(Error::io("reading", path, io::ErrorKind::IsADirectory.into()))
}

/// The size of a pixel of a mask in a folder, which is a Zarr store.
pub(super) fn folder_pixel_size(path: &Path, options: &OpenOptions) -> Result<Option<PixelSize>> {
    check_folder(path)?;
    #[cfg(feature = "zarr")]
    return super::zarr::folder_pixel_size(path, options);
    #[cfg(not(feature = "zarr"))]
    {
        let _ = options;
        Err(Error::io("reading", path, io::ErrorKind::IsADirectory.into()))
    }
}

/// An error unless a folder is a Zarr store that this build reads.
fn check_folder(path: &Path) -> Result<()> {
    if !is_store(path) {
        return Err(Error::io("reading", path, io::ErrorKind::IsADirectory.into()));
    }
    #[cfg(not(feature = "zarr"))]
    return Err(Error::not_built("zarr").in_file(path));
    #[cfg(feature = "zarr")]
    Ok(())
}

/// Whether a folder is a Zarr store or a part of one.
pub(super) fn is_store(path: &Path) -> bool {
    ["zarr.json", ".zgroup", ".zarray", ".zattrs"].iter().any(|name| path.join(name).is_file())
        || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zarr"))
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
    let read = append(&mut stream, START as u64, &mut start);
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
        #[cfg(not(feature = "zarr"))]
        [b'P', b'K', 3, 4, ..] => return Err(Error::not_built("zarr").in_file(name)),
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

/// An error when something is asked for by a page, level, label or axis in a format that has none.
fn check_pages(format: &FileFormat, options: &OpenOptions) -> Result<()> {
    let message = if format.pages.is_none() && (options.page, options.level) != (0, 0) {
        "only TIFF files have pages, and only TIFF files and Zarr stores levels"
    } else if !format.has_labels && (options.label.is_some() || !options.index.is_empty()) {
        "only Zarr stores have labels and axes with names"
    } else {
        return Ok(());
    };
    Err(Error::Argument(message.into()))
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
