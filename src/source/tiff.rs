//! TIFF masks: tiles and strips, classic and BigTIFF, any page and pyramid level.
//!
//! Gets a file; gives rows. Chunks (tiles or strips) whose rows are asked for whole are decompressed in parallel, each
//! straight into its part of the rows. A row of chunks may be asked for in parts, see [`part`]; memory stays bounded
//! whatever the chunks' size. How rows are asked for changes neither the labels nor whether there is an error.
//!
//! ```text
//!   read_rows ->  +------+------+------+---+
//!                 | tile | tile |absent| ti|    absent (offset 0, 0 bytes): background, nothing is read
//!                 |      |      |      |   |    the same bytes as a tile of one label: filled, not decompressed
//!                 +------+------+------+---+    others: read, decompressed, checked, put in place
//! ```

use std::fmt;
use std::ops::Range;

use rayon::prelude::*;

use self::chunk::{Chunk, ChunkPlace, Chunks, Rows};
use self::page::Page;
use self::part::Part;
use super::random_access::RandomAccess;
use super::{OpenOptions, Repeat, Source, row_count};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::shape::Shape;

mod chunk;
mod constant;
mod decompress;
mod directory;
mod page;
pub(super) mod pages;
mod part;
#[cfg(test)]
mod tests;

/// Bytes of labels in a row group of small strips, so that every thread has some to decompress.
const GROUP_BYTES: u64 = 1 << 22;

/// One page of a TIFF file, read from top to bottom.
pub(crate) struct TiffSource {
    chunks: Chunks,
    pool: Option<rayon::ThreadPool>,
    /// Bytes that this source may allocate.
    memory: u64,
    next_row: u32,
    /// The row of chunks that holds the next row, when some of its rows have been given.
    part: Option<Part>,
}

impl fmt::Debug for TiffSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TiffSource").field("page", &self.chunks.page).finish_non_exhaustive()
    }
}

impl TiffSource {
    /// Opens a page; no pixel is read yet.
    pub(crate) fn open(file: RandomAccess, options: &OpenOptions) -> Result<Self> {
        let page = Page::open(&file, options.page, options.level)?;
        let pool = options.pool()?;
        let threads = pool.as_ref().map_or_else(rayon::current_num_threads, rayon::ThreadPool::current_num_threads);
        let memory = options.memory;
        let chunk_memory = memory / 4 / threads.max(1) as u64;
        Ok(Self { chunks: Chunks::new(file, page, chunk_memory), pool, memory, next_row: 0, part: None })
    }

    /// Bytes of a row of labels.
    fn row_bytes(&self) -> usize {
        self.chunks.page.shape.width as usize * self.chunks.label_bytes()
    }

    /// The chunks of `groups` rows of chunks from row `group` on.
    fn places(&self, group: u32, groups: u32) -> Result<Vec<ChunkPlace>> {
        let page = &self.chunks.page;
        let extents = page.extents(&self.chunks.file, group, groups)?;
        let positions = (group..).flat_map(|group| (0..page.across).map(move |across| (group, across)));
        Ok(positions.zip(extents).map(|((group, across), extent)| ChunkPlace { group, across, extent }).collect())
    }

    fn fit(&self, places: &[ChunkPlace]) -> bool {
        places.iter().all(|&place| self.chunks.fits(place))
    }

    /// Fills `rows`, all rows of the rows of chunks that `places` are; with `repeats`, without what they then list, of
    /// which the rows count from the first here.
    fn read_groups(
        &self,
        places: &[ChunkPlace],
        mut rows: &mut [u8],
        mut repeats: Option<&mut Vec<Repeat>>,
    ) -> Result<()> {
        let page = &self.chunks.page;
        let mut chunks = Vec::with_capacity(places.len());
        for places in places.chunks(page.across as usize) {
            let group = places[0].group;
            let (these, rest) = rows.split_at_mut(page.group_rows(group) as usize * self.row_bytes());
            rows = rest;
            if self.chunks.together(group) {
                chunks.push(Chunk { place: places[0], rows: Rows::Together(these) });
            } else {
                let parts = self.split(these);
                chunks.extend(places.iter().zip(parts).map(|(&place, rows)| Chunk { place, rows: Rows::Apart(rows) }));
            }
        }
        let (all, sparse) = (&self.chunks, repeats.is_some());
        let mut results: Vec<_> = self.run(|| chunks.into_par_iter().map(|chunk| all.read(chunk, sparse)).collect());
        let mut row = 0;
        for (places, results) in places.chunks(page.across as usize).zip(results.chunks_mut(page.across as usize)) {
            let height = page.group_rows(places[0].group);
            // In order, so that the error is that of the first chunk that has one, whatever the threads did first.
            for (result, across) in results.iter_mut().zip(0..) {
                let constant = std::mem::replace(result, Ok(false))?;
                if let Some(repeats) = &mut repeats
                    && constant
                {
                    repeats.push(self.repeat(row..row + height, across));
                }
            }
            row += height;
        }
        Ok(())
    }

    /// The part of `rows` that lies in a chunk of one label.
    fn repeat(&self, rows: Range<u32>, across: u32) -> Repeat {
        let page = &self.chunks.page;
        let column = across * page.chunk_width;
        let columns = column..page.shape.width.min(column.saturating_add(page.chunk_width));
        Repeat { rows: rows.start + 1..rows.end, columns }
    }

    /// The parts of `rows` that lie in each of the chunks side by side.
    fn split<'a>(&self, rows: &'a mut [u8]) -> Vec<Vec<&'a mut [u8]>> {
        let page = &self.chunks.page;
        let height = rows.len() / self.row_bytes();
        let mut parts: Vec<Vec<_>> = (0..page.across).map(|_| Vec::with_capacity(height)).collect();
        for row in rows.chunks_exact_mut(self.row_bytes()) {
            let pieces = row.chunks_mut((page.chunk_width as usize).saturating_mul(self.chunks.label_bytes()));
            parts.iter_mut().zip(pieces).for_each(|(part, piece)| part.push(piece));
        }
        parts
    }

    fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Fills the beginning of `rows` from the row of chunks that holds the next row; gives the number of rows filled.
    fn read_next(&mut self, rows: &mut [u8], repeats: Option<&mut Vec<Repeat>>) -> Result<u32> {
        let page = &self.chunks.page;
        let (group, skipped) = (self.next_row / page.chunk_height, self.next_row % page.chunk_height);
        // At most the page's height.
        let asked = (rows.len() / self.row_bytes()) as u32;
        if skipped == 0 {
            let whole =
                if self.next_row + asked == page.shape.height { page.down - group } else { asked / page.chunk_height };
            if whole > 0 {
                let places = self.places(group, whole)?;
                if self.fit(&places) {
                    let height = (group..group + whole).map(|group| page.group_rows(group)).sum::<u32>();
                    self.read_groups(&places, &mut rows[..height as usize * self.row_bytes()], repeats)?;
                    return Ok(height);
                }
            }
            let places = self.places(group, 1)?;
            self.part = Some(self.run(|| Part::begin(&self.chunks, &places, self.memory))?);
        }
        let count = asked.min(page.group_rows(group) - skipped);
        let Some(mut part) = self.part.take() else {
            let message = "the rows before could not be read, so the next ones cannot be".into();
            return Err(Error::Argument(message).in_file(self.chunks.file.name()));
        };
        let parts = self.split(&mut rows[..count as usize * self.row_bytes()]);
        let constant = self.run(|| part.read(&self.chunks, parts, repeats.is_some()))?;
        if let Some(repeats) = repeats {
            let constant = (0..).zip(constant).filter(|(_, constant)| *constant);
            repeats.extend(constant.map(|(across, _)| self.repeat(0..count, across)));
        }
        if skipped + count < self.chunks.page.group_rows(group) {
            self.part = Some(part);
        }
        Ok(count)
    }
}

impl Source for TiffSource {
    fn shape(&self) -> Shape {
        self.chunks.page.shape
    }

    fn dtype(&self) -> Dtype {
        self.chunks.page.samples.dtype()
    }

    fn read(&mut self, mut rows: &mut [u8], mut repeats: Option<&mut Vec<Repeat>>) -> Result<()> {
        row_count(self.shape(), self.dtype(), self.next_row, rows.len())?;
        let first = self.next_row;
        while !rows.is_empty() {
            let (known, skipped) = (repeats.as_ref().map_or(0, |repeats| repeats.len()), self.next_row - first);
            let count = self.read_next(rows, repeats.as_deref_mut())?;
            for repeat in repeats.iter_mut().flat_map(|repeats| &mut repeats[known..]) {
                repeat.rows = repeat.rows.start + skipped..repeat.rows.end + skipped;
            }
            self.next_row += count;
            rows = &mut rows[count as usize * self.row_bytes()..];
        }
        if let Some(repeats) = repeats {
            // A chunk of one row has nothing below its first.
            repeats.retain(|repeat| !repeat.rows.is_empty());
        }
        Ok(())
    }

    fn row_group(&self) -> u32 {
        let page = &self.chunks.page;
        let bytes = u64::from(page.chunk_height) * self.row_bytes() as u64;
        let groups = if page.across == 1 { GROUP_BYTES.min(self.memory / 8) / bytes } else { 1 };
        u64::from(page.chunk_height).saturating_mul(groups.max(1)).min(u64::from(page.shape.height)) as u32
    }
}
