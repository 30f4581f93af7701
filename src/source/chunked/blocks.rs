//! Chunks that are given as blocks, where they were decoded.
//!
//! Gets rows that are asked for; gives every chunk of them to whoever asks, on the thread that decoded it, while it is in that
//! processor's cache. Chunks of one label are given as that label. Chunks of few rows are put together to blocks of some
//! more. What is too large to be decoded whole is not given: then the rows are to be read.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{At, ChunkedSource, Chunks, ConstantChunks, Known, Labels, Reader, Rows, Scratch};
use crate::error::Result;
use crate::memory::LabelBytes;
use crate::source::{Block, Pixels, Source, TakeBlock};
use crate::threads;

/// Rows of a block at least, where chunks are lower: whoever marks a block begins anew with its first row.
const BLOCK_ROWS: u32 = 64;

/// So many threads at least decode chunks side by side, or these are too large to be blocks.
const FEWEST_THREADS: u64 = 8;

/// Where a block is.
struct BlockPlace {
    /// Its rows, counted from the first that is read.
    rows: Range<u32>,
    stored_bytes: Option<u64>,
}

impl<C: Chunks> ChunkedSource<C> {
    /// Gives the next `rows` rows to `take` as blocks; `false` where a chunk is too large for that.
    pub(super) fn take_rows(&mut self, rows: u32, take: TakeBlock<'_>) -> Result<bool> {
        let grid = self.grid();
        let (tall, across) = (grid.chunk.height, grid.across() as usize);
        let (first, end) = (self.next_row, self.next_row + rows);
        let bands = first / tall..end.div_ceil(tall);
        let all = self.at(bands.clone())?;
        // Low chunks one below the other are one block.
        let together = BLOCK_ROWS.div_ceil(tall);
        let stacked = match together {
            1 => 0,
            _ => u64::from(together) * u64::from(tall) * grid.chunk_row_bytes(0) as u64,
        };
        // Fewer threads than there are may decode where each needs much.
        let memory = self.reader.memory;
        let work = all.iter().map(|&at| self.reader.block_work(at)).max().unwrap_or(0).saturating_add(stacked);
        if work > memory.chunk.max(memory.streams / FEWEST_THREADS) {
            return Ok(false);
        }
        let most = usize::try_from(memory.streams / work.max(1)).unwrap_or(usize::MAX);
        let stored_bytes = self.stored_bytes();
        let groups = groups(bands.clone(), together);
        let take_group = |number: usize| {
            let (group, column) = (groups[number / across].clone(), number % across);
            let top = group.start * tall;
            let chunks: Vec<At<C::Place>> =
                group.clone().map(|band| all[(band - bands.start) as usize * across + column]).collect();
            let shown = top.max(first)..end.min(top.saturating_add(tall.saturating_mul(group.end - group.start)));
            let place = BlockPlace { rows: shown.start - first..shown.end - first, stored_bytes };
            self.reader.take(&chunks, shown.start - top..shown.end - top, place, take)
        };
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let take_some = |_| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= groups.len() * across {
                    return true;
                }
                if let Err(error) = take_group(number) {
                    // All before it are begun.
                    next.fetch_max(groups.len() * across, Ordering::Relaxed);
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    // The error is that of the first block that has one, whatever the threads did first.
                    if failed.as_ref().is_none_or(|(first, _)| number < *first) {
                        *failed = Some((number, error));
                    }
                }
            }
        };
        self.run(|| {
            let threads = rayon::current_num_threads();
            threads::each(if work > memory.chunk { most.clamp(1, threads) } else { threads }, &take_some);
        });
        if let Some((_, error)) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        Ok(true)
    }
}

/// Bands cut into groups of `together`, of which the last may have fewer.
fn groups(bands: Range<u32>, together: u32) -> Vec<Range<u32>> {
    let end = bands.end;
    bands.step_by(together as usize).map(|band| band..band.saturating_add(together).min(end)).collect()
}

impl<C: Chunks> Reader<C> {
    /// Bytes of memory that giving a chunk as a block takes.
    fn block_work(&self, at: At<C::Place>) -> u64 {
        if self.absent(at) { 0 } else { self.chunks.work_bytes(at) }
    }

    /// Whether a chunk is known to be absent.
    fn absent(&self, at: At<C::Place>) -> bool {
        self.chunks.length(at.place) == Some(0)
    }

    /// Gives some rows of chunks one below the other, which are decoded whole, to `take` as one block; `rows` count from the
    /// first row of the first chunk.
    fn take(&self, chunks: &[At<C::Place>], rows: Range<u32>, place: BlockPlace, take: TakeBlock<'_>) -> Result<()> {
        let grid = self.chunks.grid();
        let [chunk, ..] = chunks else { return Ok(()) };
        let width = grid.chunk_row_bytes(chunk.across);
        let block = |pixels: Pixels<'_>| {
            let columns = grid.columns(chunk.across);
            take(Block { rows: place.rows.clone(), columns, pixels, stored_bytes: place.stored_bytes })
        };
        if chunks.iter().all(|&at| self.absent(at)) {
            return block(Pixels::Label(grid.fill));
        }
        self.with_scratch(|scratch| {
            if chunks.len() > 1 {
                let mut labels = std::mem::take(&mut scratch.labels);
                let result = self.stack(scratch, chunks, &mut labels).and_then(|(labels, label)| {
                    block(label.map_or(
                        Pixels::Rows { labels: labels.starting_at(rows.start), row_bytes: labels.row_bytes },
                        Pixels::Label,
                    ))
                });
                scratch.labels = labels;
                return result;
            }
            let recognisable = match self.known(*chunk, &mut scratch.bytes)? {
                Known::Label(label) => return block(Pixels::Label(label)),
                Known::Nothing { recognisable } => recognisable,
            };
            let labels = self.chunks.decode(*chunk, &scratch.bytes, &mut scratch.own)?;
            if recognisable
                && ConstantChunks::accepts(&scratch.bytes)
                && let Some(label) = labels.constant(0..grid.rows(chunk.band), width, grid.label_bytes())
            {
                self.learn(*chunk, &scratch.bytes, label);
                return block(Pixels::Label(label));
            }
            block(Pixels::Rows { labels: labels.starting_at(rows.start), row_bytes: labels.row_bytes })
        })
    }

    /// The labels of chunks one below the other, and the one that all have.
    fn stack<'a>(
        &self,
        scratch: &mut Scratch<C>,
        chunks: &[At<C::Place>],
        labels: &'a mut LabelBytes,
    ) -> Result<(Labels<'a>, Option<u64>)> {
        let grid = self.chunks.grid();
        let bytes = chunks.iter().map(|at| grid.shown_bytes(at.band, at.across)).sum();
        let bytes = labels.first(bytes, "pixels of tiles")?;
        let row_bytes = chunks.first().map_or(0, |at| grid.chunk_row_bytes(at.across));
        let (mut rest, mut label, mut same) = (&mut bytes[..], None, true);
        for &at in chunks {
            let (these, below) = rest.split_at_mut(grid.shown_bytes(at.band, at.across) as usize);
            rest = below;
            let here = self.read_with(scratch, at, &mut Rows::Together { rows: these, row_bytes }, false)?;
            same &= here.is_some() && here == *label.get_or_insert(here);
        }
        Ok((Labels { bytes, row_bytes }, label.flatten().filter(|_| same)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_at_the_end_of_the_tallest_mask_are_grouped() {
        let end = u32::MAX;
        assert_eq!(groups(end - 65..end, 64), [end - 65..end - 1, end - 1..end]);
        assert_eq!(groups(3..3, 64), []);
        assert_eq!(groups(3..5, 1), [3..4, 4..5]);
    }
}
