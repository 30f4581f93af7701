//! Sinks: masks that are written row by row.
//!
//! Gets a shape, a label type and rows from top to bottom in native byte order, as [`Source`](crate::source::Source)
//! gives them; gives a mask file. [`create`] writes a path, where the file appears under its name when it is finished and
//! not before; [`to_writer`] writes anything that can be written and sought, [`to_stream`] anything that can be written.
//! Memory is bounded by a row of tiles.
//!
//! | format | labels | to a pipe |
//! |---|---|---|
//! | TIFF (`.tif`, `.tiff`) | all; BigTIFF in tiles, with a pyramid when asked for | no |
//! | PNG (`.png`) | 8 and 16 bits | yes |
//! | NPY (`.npy`) | all; C order, little endian | yes |
//! | OME-Zarr labels (a folder: `.zarr`, `.zarr/labels/NAME`) | all; a pyramid, Zstandard, background left out | no |
//! | raw (`.raw`, `.bin`) | all; rows without gaps, little endian | yes |
//!
//! A row takes at most 1 GiB, and as many rows as the format needs at once take at most [`CreateOptions::memory`].

use std::fmt;
use std::io::{self, Seek, Write};
use std::path::Path;

use self::target::Target;
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::memory::check_row;
use crate::names::names;
use crate::output::AtomicFile;
use crate::runs::PixelSize;
use crate::shape::Shape;

#[cfg(feature = "npy")]
mod npy;
#[cfg(feature = "image")]
mod png;
mod raw;
mod target;
#[cfg(feature = "tiff")]
mod tiff;
#[cfg(feature = "tiff")]
mod tiles;
#[cfg(feature = "zarr")]
mod zarr;

/// A mask that is written from top to bottom.
///
/// ```
/// use runmask::sink::{self, CreateOptions};
/// use runmask::{Dtype, Shape};
/// let folder = tempfile::tempdir()?;
/// let shape = Shape { height: 2, width: 3 };
/// let mut sink = sink::create(&folder.path().join("mask.raw"), shape, Dtype::U8, &CreateOptions::new())?;
/// sink.write_rows(&[0, 7, 7])?;
/// sink.write_rows(&[7, 0, 0])?;
/// sink.finish()?;
/// assert_eq!(std::fs::read(folder.path().join("mask.raw"))?, [0, 7, 7, 7, 0, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Sink: Send {
    /// Writes the next rows: a whole number of rows of `width` labels in native byte order, never more than are left.
    ///
    /// # Errors
    /// [`Error::Argument`] when the bytes are no whole rows or too many; [`Error::Io`] when writing fails.
    fn write_rows(&mut self, rows: &[u8]) -> Result<()>;

    /// Finishes the file after the last row. A sink that is dropped instead leaves no file.
    ///
    /// # Errors
    /// [`Error::Argument`] when rows are missing; [`Error::Io`] when writing fails.
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
    /// The labels of an OME-Zarr store: a folder.
    Zarr,
}

names! { "a format of mask files", MaskFormat { Tiff => "tiff", Png => "png", Npy => "npy", Raw => "raw", Zarr => "zarr" } }

impl MaskFormat {
    /// The format that the extension of `path` names.
    ///
    /// # Errors
    /// [`Error::Argument`] when it names none.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("tif" | "tiff") => Ok(Self::Tiff),
            Some("png") => Ok(Self::Png),
            Some("npy") => Ok(Self::Npy),
            Some("raw" | "bin") => Ok(Self::Raw),
            Some("zarr") => Ok(Self::Zarr),
            // A label inside a store.
            _ if path
                .ancestors()
                .skip(1)
                .any(|folder| folder.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zarr"))) =>
            {
                Ok(Self::Zarr)
            }
            _ => {
                let message =
                    "a mask file ends in .tif, .tiff, .png, .npy, .zarr, .raw or .bin, or its format is named";
                Err(Error::Argument(message.into()).in_file(path))
            }
        }
    }
}

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

/// A version of OME-Zarr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OmeVersion {
    /// On Zarr 2, for older readers.
    V04,
    /// On Zarr 3.
    #[default]
    V05,
}

names! { "a version of OME-Zarr", OmeVersion { V04 => "0.4", V05 => "0.5" } }

/// Labels whose colours an OME-Zarr store lists: viewers choose colours for more themselves, and the list would be longer than
/// the mask.
const MOST_COLORS: usize = 1 << 16;

/// How to write a mask file.
///
/// ```
/// use runmask::sink::{Compression, CreateOptions};
/// let options = CreateOptions::new().compression(Compression::Zstd).pyramid(true);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CreateOptions {
    pub(crate) format: Option<MaskFormat>,
    pub(crate) compression: Compression,
    pub(crate) pyramid: bool,
    pub(crate) ome: Option<bool>,
    pub(crate) memory: u64,
    pub(crate) ome_version: Option<OmeVersion>,
    pub(crate) shards: bool,
    pub(crate) overwrite: bool,
    pub(crate) pixel_size: Option<PixelSize>,
    pub(crate) colors: Vec<(u64, [u8; 4])>,
}

impl Default for CreateOptions {
    fn default() -> Self {
        Self {
            format: None,
            compression: Compression::Deflate,
            pyramid: false,
            ome: None,
            memory: 256 << 20,
            ome_version: None,
            shards: false,
            overwrite: false,
            pixel_size: None,
            colors: Vec::new(),
        }
    }
}

impl CreateOptions {
    /// The format that the extension says, deflate, no pyramid, 256 MiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// The format of a file that [`create`] makes; by its extension when not given.
    #[must_use]
    pub fn format(mut self, format: impl Into<Option<MaskFormat>>) -> Self {
        self.format = format.into();
        self
    }

    /// The compression of a TIFF's tiles.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Whether a TIFF also holds the mask at half the size, a quarter, and so on, until it fits into one tile. A pixel there
    /// is one of the pixels it stands for, so that no label appears that the mask does not have.
    ///
    /// The smaller sizes are pages after the mask that are marked as smaller copies of it, which OpenSlide, GDAL, QuPath,
    /// libvips and tifffile read; see also [`CreateOptions::ome`].
    #[must_use]
    pub fn pyramid(mut self, pyramid: bool) -> Self {
        self.pyramid = pyramid;
        self
    }

    /// Whether a TIFF is an OME-TIFF: its description is OME-XML, and the smaller sizes of a pyramid are linked from the
    /// mask's own page, as OME asks for, instead of being pages after it. When not given, a file is one whose name ends in
    /// `.ome.tif` or `.ome.tiff`. Bio-Formats, QuPath, GDAL and tifffile read such pyramids; OpenSlide sees only the full
    /// size.
    #[must_use]
    pub fn ome(mut self, ome: impl Into<Option<bool>>) -> Self {
        self.ome = ome.into();
        self
    }

    /// The version of OME-Zarr of a new store, 0.5 unless given. A label goes into a store in the store's own version.
    #[must_use]
    pub fn ome_version(mut self, version: impl Into<Option<OmeVersion>>) -> Self {
        self.ome_version = version.into();
        self
    }

    /// Whether 8 x 8 chunks of an OME-Zarr store share a file; only version 0.5 has that.
    #[must_use]
    pub fn shards(mut self, shards: bool) -> Self {
        self.shards = shards;
        self
    }

    /// Whether an OME-Zarr label or array that exists is replaced; it is an error otherwise. Mask files are always replaced.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// The size of a pixel in an OME-Zarr store; a label of an image has that of the image.
    #[must_use]
    pub fn pixel_size(mut self, size: impl Into<Option<PixelSize>>) -> Self {
        self.pixel_size = size.into();
        self
    }

    /// The colours of labels in an OME-Zarr store: red, green, blue and opacity of each. A store says none of more than
    /// 65,536.
    #[must_use]
    pub fn colors(mut self, colors: impl IntoIterator<Item = (u64, [u8; 4])>) -> Self {
        // One more says that there are too many.
        self.colors = colors.into_iter().take(MOST_COLORS + 1).collect();
        self
    }

    /// Bytes that rows may take before they are written, 256 MiB unless said otherwise. A wide TIFF gets lower tiles; a
    /// mask that is still too wide for its format is an error: [`Error::Memory`].
    #[must_use]
    pub fn memory(mut self, memory: u64) -> Self {
        self.memory = memory;
        self
    }
}

/// Creates a mask file; `-` is standard output.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written; [`Error::Unsupported`] when the format cannot hold such labels or cannot
/// be written to such a file; [`Error::Argument`] when no format is named; [`Error::LimitExceeded`] when rows are too long; [`Error::Memory`] when
/// they take more than allowed.
///
/// ```
/// use runmask::sink::{self, CreateOptions, Sink};
/// use runmask::{Dtype, Shape};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("mask.tif");
/// let mut sink = sink::create(&path, Shape { height: 2, width: 3 }, Dtype::U16, &CreateOptions::default())?;
/// for row in [[0u16, 1, 1], [0, 0, 1]] {
///     sink.write_rows(bytemuck::cast_slice(&row))?;
/// }
/// assert!(!path.exists());
/// sink.finish()?;
/// assert!(path.exists());
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn create(path: &Path, shape: Shape, dtype: Dtype, options: &CreateOptions) -> Result<Box<dyn Sink>> {
    if path == Path::new("-") {
        let Some(format) = options.format else {
            return Err(Error::Argument("a mask on standard output has no extension: name its format".into()));
        };
        let name = Path::new("standard output");
        check(format, shape, dtype, options).map_err(|error| error.in_file(name))?;
        return start(Target::stream(io::stdout(), Some(name)), format, shape, dtype, options);
    }
    let format = options.format.map_or_else(|| MaskFormat::of(path), Ok)?;
    let in_file = |error: Error| error.in_file(path);
    check(format, shape, dtype, options).map_err(in_file)?;
    #[cfg(feature = "zarr")]
    if format == MaskFormat::Zarr {
        return Ok(Box::new(zarr::ZarrSink::create(path, shape, dtype, options)?));
    }
    let file = AtomicFile::create(path)?;
    if format == MaskFormat::Tiff && !file.is_seekable() {
        return Err(in_file(no_pipe()));
    }
    let name = path.to_string_lossy().to_ascii_lowercase();
    let ome = name.ends_with(".ome.tif") || name.ends_with(".ome.tiff");
    let options = options.clone().ome(options.ome.unwrap_or(ome));
    start(Target::File(file), format, shape, dtype, &options)
}

/// The height and width that a mask must have which [`create`] writes to this path: those of the image, when it becomes a
/// label of one (`slide.zarr/labels/NAME`); `None` when any will do.
///
/// # Errors
/// [`Error::Io`] and [`Error::Format`] when the image's metadata cannot be read.
///
/// ```
/// let shape = runmask::sink::required_shape("slide.png".as_ref())?;
/// assert_eq!(shape, None);
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn required_shape(path: &Path) -> Result<Option<Shape>> {
    match MaskFormat::of(path) {
        #[cfg(feature = "zarr")]
        Ok(MaskFormat::Zarr) => zarr::image_shape(path),
        _ => Ok(None),
    }
}

/// A mask in `format` that is written to anything that can be written and sought: a [`Cursor`](io::Cursor), a file.
///
/// The mask begins where the writer is. After an error, or without [`Sink::finish`], what is there is no whole mask.
///
/// # Errors
/// As [`create`].
///
/// ```
/// use runmask::sink::{self, CreateOptions, MaskFormat};
/// use runmask::{Dtype, Shape};
/// let mut file = std::io::Cursor::new(Vec::new());
/// let shape = Shape { height: 1, width: 3 };
/// let mut sink = sink::to_writer(&mut file, MaskFormat::Tiff, shape, Dtype::U8, &CreateOptions::new())?;
/// sink.write_rows(&[0, 7, 7])?;
/// sink.finish()?;
/// assert_eq!(file.get_ref()[..2], *b"II");
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn to_writer<'w>(
    writer: impl Write + Seek + Send + 'w,
    format: MaskFormat,
    shape: Shape,
    dtype: Dtype,
    options: &CreateOptions,
) -> Result<Box<dyn Sink + 'w>> {
    check(format, shape, dtype, options)?;
    start(Target::writer(writer)?, format, shape, dtype, options)
}

/// A mask in `format` that is written to anything that can be written, from its beginning to its end. A TIFF cannot.
///
/// # Errors
/// As [`create`].
pub fn to_stream<'w>(
    writer: impl Write + Send + 'w,
    format: MaskFormat,
    shape: Shape,
    dtype: Dtype,
    options: &CreateOptions,
) -> Result<Box<dyn Sink + 'w>> {
    check(format, shape, dtype, options)?;
    start(Target::stream(writer, None), format, shape, dtype, options)
}

/// Whether `format` holds such a mask; asked before anything is created.
fn check(format: MaskFormat, shape: Shape, dtype: Dtype, options: &CreateOptions) -> Result<()> {
    check_row(shape, dtype)?;
    check_memory(format, shape, dtype, options)?;
    #[cfg(not(feature = "zarr"))]
    if format == MaskFormat::Zarr {
        return Err(Error::not_built("zarr"));
    }
    if matches!(format, MaskFormat::Tiff | MaskFormat::Png | MaskFormat::Zarr) && shape.pixels() == 0 {
        return Err(Error::Unsupported(format!("a {format} file cannot hold an empty mask ({shape}); NPY can")));
    }
    if format == MaskFormat::Png && dtype > Dtype::U16 {
        let message = format!("a PNG holds labels of 8 or 16 bits, not {dtype}; TIFF and NPY hold them");
        return Err(Error::Unsupported(message));
    }
    #[cfg(feature = "tiff")]
    if format == MaskFormat::Tiff {
        tiff::check(shape, dtype, options)?;
    }
    let _ = options;
    Ok(())
}

/// An error when the rows that are in memory at once, those of the caller included, take more than allowed.
fn check_memory(format: MaskFormat, shape: Shape, dtype: Dtype, options: &CreateOptions) -> Result<()> {
    let rows = match format {
        MaskFormat::Raw | MaskFormat::Npy => 2,
        // The encoder keeps four.
        MaskFormat::Png => 5,
        // The lowest chunks and what they are compressed to, at all sizes.
        MaskFormat::Zarr => 64,
        // The lowest tiles and what they are compressed to, at all sizes.
        MaskFormat::Tiff => TIFF_ROWS * if options.pyramid { 2 } else { 1 },
    };
    match rows * u64::from(shape.width) * dtype.bytes() as u64 {
        needed if needed > options.memory => {
            let what = format!("rows of a {format} file ({shape}, {dtype})");
            Err(Error::Memory { what: what.into(), needed, limit: Some(options.memory) })
        }
        _ => Ok(()),
    }
}

/// Rows of the lowest tiles of a TIFF, 16, and of what they are compressed to.
const TIFF_ROWS: u64 = 32;

/// Begins a mask that the format holds.
fn start<'w>(
    target: Target<'w>,
    format: MaskFormat,
    shape: Shape,
    dtype: Dtype,
    options: &CreateOptions,
) -> Result<Box<dyn Sink + 'w>> {
    let _ = options;
    match format {
        MaskFormat::Tiff if !target.is_seekable() => Err(target.name_in(no_pipe())),
        #[cfg(feature = "tiff")]
        MaskFormat::Tiff => Ok(Box::new(tiff::TiffSink::new(target, shape, dtype, options)?)),
        #[cfg(feature = "image")]
        MaskFormat::Png => Ok(Box::new(png::PngSink::new(target, shape, dtype)?)),
        #[cfg(feature = "npy")]
        MaskFormat::Npy => Ok(Box::new(npy::create(target, shape, dtype)?)),
        MaskFormat::Zarr => {
            let message = "an OME-Zarr store is a folder; give its path".to_owned();
            Err(target.name_in(Error::Unsupported(message)))
        }
        MaskFormat::Raw => Ok(Box::new(raw::RawSink::new(target, shape, dtype))),
        #[cfg(not(all(feature = "tiff", feature = "image", feature = "npy")))]
        other => {
            let message = format!("the library was built without {other} files");
            Err(target.name_in(Error::Unsupported(message)))
        }
    }
}

fn no_pipe() -> Error {
    Error::Unsupported("a TIFF is not written from its beginning to its end; give a path instead of a pipe".into())
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
