//! Sinks: masks that are written row by row, to files.
//!
//! Gets a shape, a label type and rows from top to bottom in native byte order, as [`Source`](crate::source::Source)
//! gives them; gives a mask file, which appears under its name when it is finished and not before. Memory is bounded by a
//! row of tiles.
//!
//! | format | labels | to a pipe |
//! |---|---|---|
//! | TIFF (`.tif`, `.tiff`) | all; BigTIFF in tiles, with a pyramid when asked for | no |
//! | PNG (`.png`) | 8 and 16 bits | yes |
//! | NPY (`.npy`) | all; C order, little endian | yes |
//! | raw (`.raw`, `.bin`) | all; rows without gaps, little endian | yes |

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::names::names;
use crate::output::AtomicFile;
use crate::shape::Shape;

#[cfg(feature = "npy")]
mod npy;
#[cfg(feature = "image")]
mod png;
mod raw;
#[cfg(feature = "tiff")]
mod tiff;

/// A mask that is written from top to bottom.
pub trait Sink: Send {
    /// Writes the next rows: a whole number of rows of `width` labels in native byte order, never more than are left.
    fn write_rows(&mut self, rows: &[u8]) -> Result<()>;

    /// Finishes the file after the last row. A sink that is dropped instead leaves no file.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A mask file format that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaskFormat {
    /// Tiled BigTIFF.
    Tiff,
    /// Grey PNG.
    Png,
    /// NumPy array.
    Npy,
    /// Labels without a header.
    Raw,
}

impl MaskFormat {
    /// The format that the extension of `path` names.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("tif" | "tiff") => Ok(Self::Tiff),
            Some("png") => Ok(Self::Png),
            Some("npy") => Ok(Self::Npy),
            Some("raw" | "bin") => Ok(Self::Raw),
            _ => {
                let message = "a mask file ends in .tif, .tiff, .png, .npy, .raw or .bin, or its format is named";
                Err(Error::Argument(message.into()).in_file(path))
            }
        }
    }
}

names! { "a format of mask files", MaskFormat { Tiff => "tiff", Png => "png", Npy => "npy", Raw => "raw" } }

/// How the tiles of a TIFF are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Read by every program.
    #[default]
    Deflate,
    /// Faster and smaller; read by programs with a recent libtiff, tifffile or Bio-Formats.
    Zstd,
}

names! { "a compression of TIFF tiles", Compression { Deflate => "deflate", Zstd => "zstd" } }

/// How to write a mask file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateOptions {
    /// The format; `None`: what the extension says.
    pub format: Option<MaskFormat>,
    /// The compression of a TIFF's tiles.
    pub compression: Compression,
    /// Whether a TIFF also holds the mask at half the size, a quarter, and so on, as an OME-TIFF does. A pixel there is
    /// one of the pixels it stands for, so that no label appears that the mask does not have.
    pub pyramid: bool,
    /// Bytes that a TIFF's tiles may take before they are written.
    pub memory: u64,
}

impl Default for CreateOptions {
    /// By extension, deflate, no pyramid, 256 MiB.
    fn default() -> Self {
        Self { format: None, compression: Compression::Deflate, pyramid: false, memory: 256 << 20 }
    }
}

/// Creates a mask file; `-` is standard output.
///
/// Errors: [`Error::Io`] when the file cannot be written, [`Error::Unsupported`] when the format cannot hold such labels,
/// [`Error::Argument`] when no format is named.
pub fn create(path: &Path, shape: Shape, dtype: Dtype, options: &CreateOptions) -> Result<Box<dyn Sink>> {
    let standard_output = path == Path::new("-");
    let format = match options.format {
        Some(format) => format,
        None if standard_output => {
            return Err(Error::Argument("a mask on standard output has no extension: name its format".into()));
        }
        None => MaskFormat::of(path)?,
    };
    let in_file = |error: Error| error.in_file(if standard_output { Path::new("standard output") } else { path });
    if matches!(format, MaskFormat::Tiff | MaskFormat::Png) && shape.pixels() == 0 {
        let message = format!("a {format} file cannot hold an empty mask ({shape}); NPY can");
        return Err(in_file(Error::Unsupported(message)));
    }
    if format == MaskFormat::Tiff && standard_output {
        let message = "a TIFF is not written from its beginning to its end; give a path instead of a pipe".into();
        return Err(in_file(Error::Unsupported(message)));
    }
    if format == MaskFormat::Png && dtype > Dtype::U16 {
        let message = format!("a PNG holds labels of 8 or 16 bits, not {dtype}; TIFF and NPY hold them");
        return Err(in_file(Error::Unsupported(message)));
    }
    let output = || {
        Ok(match standard_output {
            true => Output::Stream(BufWriter::new(io::stdout())),
            false => Output::File(AtomicFile::create(path)?),
        })
    };
    match format {
        #[cfg(feature = "tiff")]
        MaskFormat::Tiff => Ok(Box::new(tiff::TiffSink::new(AtomicFile::create(path)?, shape, dtype, options)?)),
        #[cfg(feature = "image")]
        MaskFormat::Png => Ok(Box::new(png::PngSink::new(output()?, shape, dtype)?)),
        #[cfg(feature = "npy")]
        MaskFormat::Npy => Ok(Box::new(npy::create(output()?, shape, dtype)?)),
        MaskFormat::Raw => Ok(Box::new(raw::RawSink::new(output()?, shape, dtype))),
        #[cfg(not(all(feature = "tiff", feature = "image", feature = "npy")))]
        other => {
            let message = format!("the library was built without {other} files");
            Err(in_file(Error::Unsupported(message)))
        }
    }
}

/// Where a format that is written from its beginning to its end goes.
#[derive(Debug)]
enum Output {
    File(AtomicFile),
    Stream(BufWriter<io::Stdout>),
}

impl Output {
    fn error(&self, error: io::Error) -> Error {
        match self {
            Self::File(file) => file.error(error),
            Self::Stream(_) => stream_error(error),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::File(file) => file.finish(),
            Self::Stream(mut stream) => stream.flush().map_err(stream_error),
        }
    }
}

fn stream_error(error: io::Error) -> Error {
    Error::io("writing", Path::new("standard output"), error)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

/// The rows that a sink has got and the rows it waits for.
#[derive(Clone, Copy)]
struct Progress {
    shape: Shape,
    dtype: Dtype,
    next_row: u32,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} of {} {}", self.next_row, self.shape, self.dtype)
    }
}

impl Progress {
    fn new(shape: Shape, dtype: Dtype) -> Self {
        Self { shape, dtype, next_row: 0 }
    }

    /// Counts `bytes` bytes of rows; an error when they are not whole rows or too many.
    fn count(&mut self, bytes: usize) -> Result<()> {
        self.next_row += crate::source::row_count(self.shape, self.dtype, self.next_row, bytes)?;
        Ok(())
    }

    /// An error unless all rows came.
    fn finish(&self) -> Result<()> {
        if self.next_row == self.shape.height || self.shape.width == 0 {
            return Ok(());
        }
        Err(Error::Argument(format!("a mask of {} was finished after {} rows", self.shape, self.next_row)))
    }
}

/// Labels in the byte order of all files written here.
fn little_endian(rows: &[u8], dtype: Dtype) -> std::borrow::Cow<'_, [u8]> {
    if cfg!(target_endian = "little") || dtype == Dtype::U8 {
        return rows.into();
    }
    let mut rows = rows.to_vec();
    rows.chunks_exact_mut(dtype.bytes()).for_each(<[u8]>::reverse);
    rows.into()
}
