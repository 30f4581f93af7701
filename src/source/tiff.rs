//! TIFF masks: tiles and strips, classic and BigTIFF, any page and pyramid level.
//!
//! Gets a file; gives a [chunked](super::chunked) source of one page. Chunks are tiles or strips; those that the file
//! leaves out (offset 0, 0 bytes) are background.

use self::chunk::PageChunks;
use self::page::Page;
use super::chunked::ChunkedSource;
use super::random_access::RandomAccess;
use super::{OpenOptions, Source};
use crate::error::Result;

mod chunk;
mod decompress;
mod directory;
mod page;
pub(super) mod pages;
#[cfg(test)]
mod tests;

/// Opens a page; no pixel is read yet.
pub(super) fn open(file: RandomAccess, options: &OpenOptions) -> Result<Box<dyn Source>> {
    let page = Page::open(&file, options.page, options.level)?;
    let (pool, memory) = options.decoding()?;
    Ok(Box::new(ChunkedSource::new(PageChunks::new(file, page), pool, memory)))
}
