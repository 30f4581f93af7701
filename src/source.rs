//! Sources: masks that are read row by row, from files or elsewhere.
//!
//! Gets a file or a stream; gives its shape, its label type and its rows from top to bottom, any number at a time, in
//! native byte order; guarantees that memory stays bounded by the rows asked for and a few tiles of the file, and that a
//! header's word alone never allocates.
//!
//! [`open`] tells the formats apart by their first bytes:
//!
//! | format | labels | from a pipe |
//! |---|---|---|
//! | TIFF, BigTIFF | 1 to 64 bits, signed ones without negatives; tiles, strips, pages, pyramid levels | yes, by way of a temporary file |
//! | PNG | grey, 1 to 16 bits, not scaled | yes |
//! | NPY | 8 to 64 bits, signed ones without negatives, bool; C and Fortran order | C order |
//! | Zarr 2 and 3, OME-Zarr: a folder or a zip file | 8 to 64 bits, signed ones without negatives, bool; levels, labels by name | zip, by way of a temporary file |
//! | raw | 8 to 64 bits, little endian, of a shape that the caller gives | yes |

use std::fs::File;
use std::io::{self, BufReader};
use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::memory::zeroed;
use crate::shape::Shape;

mod band;
#[cfg(feature = "tiff")]
mod chunked;
#[cfg(feature = "tiff")]
mod decompress;
mod formats;
#[cfg(feature = "npy")]
mod npy;
mod options;
mod pages;
#[cfg(feature = "image")]
mod png;
mod random_access;
mod raw;
mod samples;
pub mod synth;
#[cfg(feature = "tiff")]
mod tiff;
#[cfg(feature = "zarr")]
pub(crate) mod zarr;

pub use self::options::{OpenOptions, RawLayout};
pub use self::pages::{LevelInfo, PageInfo, pages, pixel_size};
use self::random_access::RandomAccess;

/// Bytes of a file that are read at once where it is read from its beginning to its end.
const STREAM_BUFFER: usize = 1 << 17;

/// Bytes of rows that are read at once to pass over them.
const SKIP_BYTES: u64 = 1 << 20;

/// A mask that is read from top to bottom.
///
/// ```
/// use runmask::source::{Repeat, Source, TakeBlock};
/// use runmask::{Dtype, Encoder, Result, Run, Shape};
///
/// /// A mask in which every pixel of row r has the label r.
/// struct Stairs {
///     next_row: u8,
/// }
///
/// impl Source for Stairs {
///     fn shape(&self) -> Shape {
///         Shape { height: 3, width: 4 }
///     }
///
///     fn dtype(&self) -> Dtype {
///         Dtype::U8
///     }
///
///     fn band_rows(&self) -> u32 {
///         1
///     }
///
///     fn stored_bytes(&self) -> Option<u64> {
///         None
///     }
///
///     fn skip(&mut self, rows: u32) -> Result<()> {
///         self.next_row += rows as u8;
///         Ok(())
///     }
///
///     fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> Result<u32> {
///         Ok(0)
///     }
///
///     fn read(&mut self, rows: &mut [u8], _: Option<&mut Vec<Repeat>>) -> Result<()> {
///         for row in rows.chunks_exact_mut(4) {
///             row.fill(self.next_row);
///             self.next_row += 1;
///         }
///         Ok(())
///     }
/// }
///
/// let runs = Encoder::builder().build()?.encode_source(&mut Stairs { next_row: 0 })?;
/// assert_eq!(runs.labels(), [1, 2]);
/// assert_eq!(runs.get(2).unwrap().first(), Some(&Run { start: 2, length: 1 }));
/// # Ok::<(), runmask::Error>(())
/// ```
///
/// No method but [`Source::read_rows`] has a default, so that whoever wraps a source has to pass on all that makes it
/// fast; `&mut S` and `Box<S>` do so.
pub trait Source: Send {
    /// Height and width.
    fn shape(&self) -> Shape;

    /// The type of its labels.
    fn dtype(&self) -> Dtype;

    /// The number of rows that are cheapest to read at once: the height of a tile, or 1.
    fn band_rows(&self) -> u32;

    /// Bytes that the mask takes where it is stored: the length of a file, or what was read of a compressed stream so far;
    /// `None` for masks that are made up or lie in memory.
    ///
    /// A file of few bytes that claims to be huge is told from a huge mask by it, see
    /// [`EncoderBuilder::memory`](crate::EncoderBuilder::memory).
    fn stored_bytes(&self) -> Option<u64>;

    /// Reads the next rows into `rows`: a whole number of rows of `width` labels in native byte order, never more than
    /// are left.
    ///
    /// With `repeats`, an empty list, the source may leave out pixels whose labels are those of the pixels above them,
    /// and adds a [`Repeat`] for each such part of the rows. A caller who looks for runs of columns needs neither to
    /// have these pixels written to memory nor to read them: a tile of one label has nothing to say below its first
    /// row, and most tiles of a slide are of that kind. A source that knows no such parts ignores the list.
    fn read(&mut self, rows: &mut [u8], repeats: Option<&mut Vec<Repeat>>) -> Result<()>;

    /// Reads some of the next rows block by block and gives each block to `take`, on any thread and in any order, where it was
    /// decoded: every pixel of these rows is in one block. Gives how many rows these are: at most `rows`, which are not more than
    /// are left. 0 says that no block was given, and that [`Source::read`] is the way to the next rows.
    ///
    /// A mask that is stored in tiles is read so without putting them together to rows first. Cheapest are `rows` that reach
    /// the end of a band, see [`Source::band_rows`]. An error of `take` becomes that of the reading.
    fn read_blocks(&mut self, rows: u32, take: TakeBlock<'_>) -> Result<u32>;

    /// Passes over the next rows, never more than are left: without reading them, where they can be found without. A source
    /// that has to read them to find the next calls [`skip_by_reading`].
    fn skip(&mut self, rows: u32) -> Result<()>;

    /// Reads the next rows, every pixel of them.
    fn read_rows(&mut self, rows: &mut [u8]) -> Result<()> {
        self.read(rows, None)
    }
}

macro_rules! forward {
    ($type:ty) => {
        impl<S: Source + ?Sized> Source for $type {
            fn shape(&self) -> Shape {
                (**self).shape()
            }

            fn dtype(&self) -> Dtype {
                (**self).dtype()
            }

            fn band_rows(&self) -> u32 {
                (**self).band_rows()
            }

            fn stored_bytes(&self) -> Option<u64> {
                (**self).stored_bytes()
            }

            fn read(&mut self, rows: &mut [u8], repeats: Option<&mut Vec<Repeat>>) -> Result<()> {
                (**self).read(rows, repeats)
            }

            fn read_blocks(&mut self, rows: u32, take: TakeBlock<'_>) -> Result<u32> {
                (**self).read_blocks(rows, take)
            }

            fn skip(&mut self, rows: u32) -> Result<()> {
                (**self).skip(rows)
            }
        }
    };
}
forward!(&mut S);
forward!(Box<S>);

/// Passes over the next rows of a source by reading them.
pub fn skip_by_reading(source: &mut dyn Source, rows: u32) -> Result<()> {
    let row_bytes = u64::from(source.shape().width) * source.dtype().bytes() as u64;
    let together = (SKIP_BYTES / row_bytes.max(1)).clamp(1, u64::from(rows.max(1)));
    let mut buffer = zeroed(together * row_bytes, "rows that are passed over")?;
    let mut left = u64::from(rows);
    while left > 0 {
        let count = together.min(left);
        source.read_rows(&mut buffer[..(count * row_bytes) as usize])?;
        left -= count;
    }
    Ok(())
}

/// Some columns of some rows of a mask, as [`Source::read_blocks`] gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its rows, counted from the first that is read.
    pub rows: Range<u32>,
    /// Its columns.
    pub columns: Range<u32>,
    /// Its labels.
    pub pixels: Pixels<'a>,
    /// What [`Source::stored_bytes`] says while these rows are read.
    pub stored_bytes: Option<u64>,
}

/// The labels of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels<'a> {
    /// All have this label.
    Label(u64),
    /// Rows of labels in native byte order.
    Rows {
        /// The first row and all that follow.
        labels: &'a [u8],
        /// Bytes from the beginning of one row to that of the next.
        row_bytes: usize,
    },
}

/// What is done with a block, on any thread.
pub type TakeBlock<'a> = &'a (dyn Fn(Block<'_>) -> Result<()> + Sync);

/// A part of the rows read together in which every label is that of the pixel above.
///
/// Only the last of its rows was written to the buffer, where the row after it needs it; what the others hold there is
/// not said. Rows and columns count from the first that was read, and the first row is never one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Rows of the buffer.
    pub rows: Range<u32>,
    /// Columns of the mask.
    pub columns: Range<u32>,
}

/// Opens a mask file, or a folder that is a Zarr store; `-` is standard input. No pixel is read yet.
///
/// Errors: [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is no mask file or a damaged one,
/// [`Error::Unsupported`] when it holds something else than one integer label a pixel, [`Error::Argument`] when the page
/// or level asked for is not there, [`Error::LimitExceeded`] when its rows are too long.
///
/// ```no_run
/// use runmask::source::{self, OpenOptions};
/// let mut source = source::open("slide.tif".as_ref(), &OpenOptions::new())?;
/// let (shape, dtype) = (source.shape(), source.dtype());
/// let mut first_row = vec![0; shape.width as usize * dtype.bytes()];
/// source.read_rows(&mut first_row)?;
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn open(path: &Path, options: &OpenOptions) -> Result<Box<dyn Source>> {
    if path == Path::new("-") {
        return formats::open_stream(
            Box::new(BufReader::with_capacity(STREAM_BUFFER, io::stdin())),
            Path::new("standard input"),
            options,
        );
    }
    let io = |error| Error::io("reading", path, error);
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return formats::open_folder(path, options);
    }
    if !metadata.is_file() {
        return formats::open_stream(Box::new(BufReader::with_capacity(STREAM_BUFFER, file)), path, options);
    }
    formats::open(RandomAccess::from_file(file, path)?, options)
}

/// Whether `path` is a folder that is a Zarr store, or a group or array of one: it has the metadata of a node, or its name
/// ends in `.zarr`.
pub fn is_zarr(path: &Path) -> bool {
    path.is_dir() && formats::is_store(path)
}

/// Opens a mask file that lies in memory; `name` stands for it in messages.
pub fn from_bytes(bytes: Vec<u8>, name: &str, options: &OpenOptions) -> Result<Box<dyn Source>> {
    formats::open(RandomAccess::from_bytes(bytes, name), options)
}

/// The number of rows that `bytes` bytes of labels are; an error when it is not whole or more than are left.
pub(crate) fn row_count(shape: Shape, dtype: Dtype, next_row: u32, bytes: usize) -> Result<u32> {
    let row_bytes = u64::from(shape.width) * dtype.bytes() as u64;
    let left = u64::from(shape.height - next_row);
    let rows = (bytes as u64).checked_div(row_bytes).unwrap_or(0);
    if bytes as u64 != rows * row_bytes || rows > left {
        let message =
            format!("{bytes} bytes are not a whole number of rows of {row_bytes} bytes, {left} of them at most");
        return Err(Error::Argument(message));
    }
    Ok(rows as u32)
}

/// An error when `rows` are more than are left.
pub(crate) fn check_left(shape: Shape, next_row: u32, rows: u32) -> Result<()> {
    match shape.height - next_row {
        left if rows > left => Err(Error::Argument(format!("{rows} rows, where {left} are left"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &Path) -> String {
        open(path, &OpenOptions::default()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_no_mask_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.tif");
        assert_eq!(message(&missing), format!("reading {}", missing.display()));
        assert!(
            matches!(open(&missing, &OpenOptions::default()), Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound)
        );
        assert_eq!(message(folder.path()), format!("reading {}", folder.path().display()));
        for (name, bytes, found) in [
            ("empty.tif", &b""[..], "an empty file"),
            ("short.png", b"\x89PN", "other bytes: [89, 50, 4e]"),
            ("photo.tif", b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG, which cannot hold labels exactly"),
            ("labels.raw", b"\x01\x02", "raw labels, perhaps; they need a type, a height and a width"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let message = message(&path);
            assert!(message.ends_with(&format!(", found {found}")), "{message}");
            if cfg!(all(feature = "tiff", feature = "image", feature = "npy", feature = "zarr")) {
                let expected = "expected a TIFF, PNG, NPY or zipped Zarr file";
                assert_eq!(message, format!("{}: {expected}, found {found}", path.display()));
            }
        }
    }

    #[test]
    fn raw_labels_are_read_from_files_and_streams() {
        let layout = RawLayout { dtype: Dtype::U16, shape: Shape { height: 2, width: 3 } };
        let options = OpenOptions::new().raw(Some(layout));
        // Whatever the bytes look like.
        let bytes = b"II*\x00\x89PNG\x93NUM".to_vec();
        let expected: Vec<u8> =
            bytes.as_chunks().0.iter().flat_map(|&label| u16::from_le_bytes(label).to_ne_bytes()).collect();
        let stream =
            |bytes: Vec<u8>| formats::open_stream(Box::new(io::Cursor::new(bytes)), Path::new("a pipe"), &options);
        for mut source in [from_bytes(bytes.clone(), "a.raw", &options).unwrap(), stream(bytes.clone()).unwrap()] {
            assert_eq!((source.shape(), source.dtype()), (layout.shape, layout.dtype));
            let mut rows = [0; 12];
            source.read_rows(&mut rows[..6]).unwrap();
            assert!(matches!(source.read_rows(&mut [0; 5]), Err(Error::Argument(_))));
            assert!(matches!(source.read_rows(&mut [0; 12]), Err(Error::Argument(_))));
            source.read_rows(&mut rows[6..]).unwrap();
            assert_eq!(rows, *expected);
            source.read_rows(&mut []).unwrap();
        }
        for length in [0, 1, 11, 13] {
            let mut bytes = bytes.clone();
            bytes.resize(length, 0);
            let error = from_bytes(bytes.clone(), "a.raw", &options).err().unwrap().to_string();
            let expected = "12 bytes of labels (height 2 x width 3, 2 bytes each)";
            assert_eq!(error, format!("a.raw: byte 0: expected {expected}, found {length}"));
            let error = stream(bytes).unwrap().read_rows(&mut [0; 12]).unwrap_err().to_string();
            assert!(error.starts_with("a pipe: expected labels of height 2 x width 3, found "), "{error}");
        }
    }

    #[cfg(all(feature = "tiff", feature = "npy", feature = "zarr"))]
    #[test]
    fn only_tiff_files_have_pages_and_levels() {
        for (page, level) in [(1, 0), (0, 1)] {
            let options = OpenOptions::new().page(page).level(level);
            let error = from_bytes(b"\x93NUMPY\x01\x00".to_vec(), "a.npy", &options).err().unwrap();
            let message = "a.npy: only TIFF files have pages, and only TIFF files and Zarr stores levels";
            assert_eq!(error.to_string(), message, "{page} {level}");
        }
        let named = OpenOptions::new().label("cells".to_owned());
        for options in [named, OpenOptions::new().index([("c".to_owned(), 0)])] {
            let error = from_bytes(b"\x93NUMPY\x01\x00".to_vec(), "a.npy", &options).err().unwrap();
            assert_eq!(error.to_string(), "a.npy: only Zarr stores have labels and axes with names");
        }
    }

    #[cfg(feature = "tiff")]
    #[test]
    fn a_tiff_in_a_pipe_is_copied_and_its_errors_name_the_pipe() {
        let stream = Box::new(io::Cursor::new(b"II*\x00\xff\x00\x00\x00"));
        let error = formats::open_stream(stream, Path::new("a pipe"), &OpenOptions::default()).err().unwrap();
        assert!(error.to_string().starts_with("a pipe: "), "{error}");
    }
}
