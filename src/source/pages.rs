//! The pages of a mask file and their pyramid levels.

use std::fs::File;
use std::io;
use std::path::Path;

use super::random_access::RandomAccess;
use super::{OpenOptions, formats};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::shape::Shape;

/// A page of a mask file, and its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageInfo {
    /// Its number, for [`OpenOptions::page`]. Numbers of the older kind of pyramid have gaps, because its smaller levels
    /// are numbered as pages, too.
    pub number: u32,
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
/// A PNG or NPY file has one page with one level. The list is empty for a pipe and for `-`, standard input, from which
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
        return Err(io(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Ok(Vec::new());
    }
    let file = RandomAccess::from_file(File::open(path).map_err(io)?, path)?;
    if let Some(list) = formats::of_file(&file)?.pages {
        return list(&file);
    }
    let source = formats::open(file, &OpenOptions::default())?;
    let level = LevelInfo { shape: Some(source.shape()), dtype: Some(source.dtype()) };
    Ok(vec![PageInfo { number: 0, levels: vec![level] }])
}
