//! TIFF masks: tiles and strips, classic and BigTIFF, any page and pyramid level.
//!
//! Gets a file; gives a [chunked](super::chunked) source of one page. Chunks are tiles or strips; those that the file
//! leaves out (offset 0, 0 bytes) are background.

use self::chunk::PageChunks;
use self::page::Page;
use super::chunked::ChunkedSource;
use super::formats::FileFormat;
use super::random_access::RandomAccess;
use super::{OpenOptions, Source};
use crate::error::Result;

mod chunk;
mod directory;
mod page;
mod pages;
mod size;
#[cfg(test)]
mod tests;

/// How TIFF files are told and opened. A stream is copied to a file: tiles lie anywhere.
pub(super) const FORMAT: FileFormat = FileFormat {
    name: "TIFF",
    matches: directory::Header::matches,
    open,
    open_stream: None,
    pages: Some(pages::list),
    has_labels: false,
    pixel_size: Some(size::pixel_size),
};

/// Opens a page; no pixel is read yet.
fn open(file: RandomAccess, options: &OpenOptions) -> Result<Box<dyn Source>> {
    let page = Page::open(&file, options.page, options.level)?;
    let (pool, memory) = options.decoding()?;
    Ok(Box::new(ChunkedSource::new(PageChunks::new(file, page), pool, memory)))
}
