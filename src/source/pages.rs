//! The pages of a mask file and their pyramid levels.

use std::fs::File;
use std::path::Path;

use super::random_access::RandomAccess;
use super::{OpenOptions, formats};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::runs::PixelSize;
use crate::shape::Shape;

/// A page of a mask file or a label of a Zarr store, and its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageInfo {
    /// Its number, for [`OpenOptions::page`]. Numbers of the older kind of pyramid have gaps, because its smaller levels
    /// are numbered as pages, too.
    pub number: u32,
    /// The name of a label of an OME-Zarr store, for [`OpenOptions::label`]; `None` in other files and of an array.
    pub name: Option<String>,
    /// The full size, and after it the smaller ones of a pyramid, in the order of [`OpenOptions::level`].
    pub levels: Vec<LevelInfo>,
}

/// One size of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelInfo {
    /// Height and width; `None` when the file does not say them, or says larger ones than any mask has.
    pub shape: Option<Shape>,
    /// The type of its labels; `None` when it cannot be read as a mask: colour, floating point, an unknown compression.
    pub dtype: Option<Dtype>,
}

/// The pages of a mask file and their pyramid levels; no pixel is read.
///
/// A PNG or NPY file has one page with one level. A Zarr store has a page for each label. The list is empty for a pipe and for `-`, standard input, from which
/// nothing is read here. Time and memory are in proportion to the file, whatever it claims.
///
/// Errors: [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is no mask file or its directories are
/// damaged. What a page holds is no reason for an error.
///
/// ```no_run
/// use std::path::Path;
/// let pages = runmask::source::pages(Path::new("slide.tif"))?;
/// println!("{} pages", pages.len());
/// for page in &pages {
///     for (level, info) in page.levels.iter().enumerate() {
///         println!("page {}, level {level}: {:?}, labels {:?}", page.number, info.shape, info.dtype);
///     }
/// }
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn pages(path: &Path) -> Result<Vec<PageInfo>> {
    let io = |error| Error::io("reading", path, error);
    if path == Path::new("-") {
        return Ok(Vec::new());
    }
    // Before it is opened: whoever writes to a pipe would lose its reader.
    let metadata = std::fs::metadata(path).map_err(io)?;
    if metadata.is_dir() {
        return formats::folder_pages(path);
    }
    if !metadata.is_file() {
        return Ok(Vec::new());
    }
    let file = open_file(path)?;
    if let Some(list) = formats::of_file(&file)?.pages {
        return list(&file);
    }
    let source = formats::open(file, &OpenOptions::default())?;
    let level = LevelInfo { shape: Some(source.shape()), dtype: Some(source.dtype()) };
    Ok(vec![PageInfo { number: 0, name: None, levels: vec![level] }])
}

/// The size of a pixel of the mask that `options` name, as far as its file says it: OME-Zarr, OME-TIFF, ImageJ's TIFF, and
/// TIFF with a resolution. No pixel is read; `None` for a pipe and for `-`.
///
/// A length is in the unit that stands beside it; where there is none, it is taken for micrometres, unless it is 1. A
/// resolution in pixels for each inch or centimetre counts where a pixel is smaller than 84 micrometres: 72, 96 or 300
/// pixels for each inch are what programs write for screens and printers.
///
/// Errors: as [`open`](super::open).
pub fn pixel_size(path: &Path, options: &OpenOptions) -> Result<Option<PixelSize>> {
    if path == Path::new("-") || options.raw.is_some() {
        return Ok(None);
    }
    let metadata = std::fs::metadata(path).map_err(|error| Error::io("reading", path, error))?;
    if metadata.is_dir() {
        return formats::folder_pixel_size(path, options);
    }
    if !metadata.is_file() {
        return Ok(None);
    }
    let file = open_file(path)?;
    formats::of_file(&file)?.pixel_size.map_or(Ok(None), |find| find(&file, options))
}

/// How many micrometres a unit of length is.
#[cfg(feature = "tiff")]
pub(super) fn in_micrometres(unit: &str) -> Option<f64> {
    Some(match unit {
        "angstrom" | "\u{c5}" => 1e-4,
        "nanometer" | "nm" => 1e-3,
        "micrometer" | "micron" | "microns" | "um" | "\u{b5}m" | "\u{3bc}m" => 1.0,
        "millimeter" | "mm" => 1e3,
        "centimeter" | "cm" => 1e4,
        "meter" | "m" => 1e6,
        "inch" | "in" => 25_400.0,
        _ => return None,
    })
}

fn open_file(path: &Path) -> Result<RandomAccess> {
    RandomAccess::from_file(File::open(path).map_err(|error| Error::io("reading", path, error))?, path)
}
