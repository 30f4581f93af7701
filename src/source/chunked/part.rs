//! A band of chunks whose rows are asked for in parts.
//!
//! Gets any number of rows at a time, from the first to the last; gives their labels. Chunks of one label are known by it.
//! Of the others, as many as memory allows are decoded once and held. The rest are decoded as streams, a few rows at a
//! time; and where there is no stream, or no memory for it, whole and anew for each part.
//!
//! Which chunk is dealt with in which way depends on the chunks and on memory alone, so that a damaged file gives the same
//! error whatever the threads do first.

use std::sync::PoisonError;

use super::{Alone, At, Chunks, Reader, Rows, fill_rows};
use crate::error::{Error, Result};
use crate::threads;

/// A band of which some rows have been given.
pub(super) struct Part<C: Chunks> {
    chunks: Vec<PartChunk<C>>,
}

/// One of its chunks.
struct PartChunk<C: Chunks> {
    at: At<C::Place>,
    pixels: Pixels<C>,
    /// Rows given.
    row: u32,
}

/// Where the labels of a chunk come from.
enum Pixels<C: Chunks> {
    /// All are this one.
    Constant(u64),
    /// They are here, row after row.
    Held(Vec<u8>),
    /// From a stream, the next rows first.
    Stream(C::Stream),
    /// From the chunk, decoded whole each time.
    Anew,
}

impl<C: Chunks> Part<C> {
    /// Begins to read the band of these chunks.
    pub(super) fn begin(reader: &Reader<C>, all: &[At<C::Place>]) -> Result<Self> {
        let mut pixels: Vec<Option<Pixels<C>>> = hold(reader, all)?;
        // Streams need no memory to decode whole chunks.
        reader.scratch.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let held = pixels
            .iter()
            .flatten()
            .map(|pixels| if let Pixels::Held(labels) = pixels { labels.len() as u64 } else { 0 });
        let left = reader.memory.held.saturating_sub(held.sum());
        let limit = reader.memory.streams.saturating_add(left);
        let mut streams = limit;
        for (&at, pixels) in all.iter().zip(&mut pixels).filter(|(_, pixels)| pixels.is_none()) {
            *pixels = Some(begin(reader, at, &mut streams, limit)?);
        }
        let chunks = all.iter().zip(pixels);
        let chunks = chunks.flat_map(|(&at, pixels)| Some(PartChunk { at, pixels: pixels?, row: 0 }));
        Ok(Self { chunks: chunks.collect() })
    }

    /// Fills the parts of the next rows that lie in each chunk; gives for each whether it holds one label, of which then
    /// only the first and last row were filled if `sparse`.
    pub(super) fn read(&mut self, reader: &Reader<C>, rows: Vec<Rows<'_>>, sparse: bool) -> Result<Vec<bool>> {
        let mut work: Vec<(&mut PartChunk<C>, Rows<'_>)> = self.chunks.iter_mut().zip(rows).collect();
        threads::map_mut(&mut work, |(part, rows)| part.read(reader, rows, sparse)).into_iter().collect()
    }
}

/// Decodes as many chunks as may be held, first come, first held; chunks of one label take no memory and are all known
/// afterwards, but for those that are larger than what was left when it was their turn.
fn hold<C: Chunks>(reader: &Reader<C>, all: &[At<C::Place>]) -> Result<Vec<Option<Pixels<C>>>> {
    let chunks = &reader.chunks;
    let shown = |at: &At<C::Place>| match chunks.length(at.place) {
        Some(0) => 0,
        _ => chunks.grid().shown_bytes(at.band, at.across),
    };
    // What all streams together would take is held in any case.
    let streams: Option<u64> = all.iter().map(|&at| chunks.stream_bytes(at)).sum();
    let everything: u64 = all.iter().map(shown).sum();
    let mut left = match streams {
        Some(streams) if everything <= streams.min(reader.memory.streams) => everything,
        _ => reader.memory.held,
    };
    let mut pixels: Vec<Option<Pixels<C>>> = all.iter().map(|_| None).collect();
    let mut next = 0;
    while next < all.len() {
        // As many as fit even if none of them turns out to have one label.
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(&at) = all.get(next)
            && bytes + shown(&at) <= left
        {
            if reader.fits(at) {
                bytes += shown(&at);
                batch.push((next, at));
            }
            next += 1;
        }
        if batch.is_empty() {
            next += 1;
        }
        let read: Vec<Result<Alone>> = threads::map(batch.len(), |index| reader.read_alone(batch[index].1));
        for ((index, _), alone) in batch.into_iter().zip(read) {
            pixels[index] = Some(match alone? {
                Alone::Constant(label) => Pixels::Constant(label),
                Alone::Labels(labels) => {
                    left -= labels.len() as u64;
                    Pixels::Held(labels)
                }
            });
        }
    }
    Ok(pixels)
}

/// Begins to read a chunk that is not held; what its stream takes is taken from `memory`, of
/// which there was `limit`.
fn begin<C: Chunks>(reader: &Reader<C>, at: At<C::Place>, memory: &mut u64, limit: u64) -> Result<Pixels<C>> {
    let chunks = &reader.chunks;
    let stream = chunks.stream_bytes(at);
    let streamed = stream.is_some_and(|bytes| bytes <= *memory);
    let whole = chunks.work_bytes_into(at).saturating_add(chunks.grid().shown_bytes(at.band, at.across));
    if streamed {
        *memory -= stream.unwrap_or(0);
    } else if whole > reader.memory.chunk / 2 {
        let needed = stream.map_or(whole, |stream| whole.min(stream)).saturating_add(limit - *memory);
        let error = Error::Memory { what: "tiles side by side".into(), needed, limit: Some(limit) };
        return Err(error.in_file(chunks.name()));
    }
    // Only now: which chunks are known depends on what the threads did first, and the error above must not.
    if let Some(label) = reader.known_early(at) {
        return Ok(Pixels::Constant(label));
    }
    Ok(if streamed { Pixels::Stream(chunks.stream(at)?) } else { Pixels::Anew })
}

impl<C: Chunks> PartChunk<C> {
    fn read(&mut self, reader: &Reader<C>, rows: &mut Rows<'_>, sparse: bool) -> Result<bool> {
        let grid = reader.chunks.grid();
        let first = self.row as usize;
        match &mut self.pixels {
            Pixels::Constant(label) => {
                self.row += fill_counted(rows, *label, grid.label_bytes(), sparse);
                Ok(true)
            }
            Pixels::Held(labels) => {
                self.row += copy_rows(rows, labels, first);
                Ok(false)
            }
            Pixels::Stream(stream) => {
                let mut rows: Vec<&mut [u8]> = rows.each().collect();
                reader.chunks.read_stream(self.at, stream, self.row, &mut rows)?;
                // At most the height of the chunk.
                self.row += rows.len() as u32;
                Ok(false)
            }
            Pixels::Anew => match reader.read_alone(self.at)? {
                Alone::Constant(label) => {
                    self.pixels = Pixels::Constant(label);
                    self.row += fill_counted(rows, label, grid.label_bytes(), sparse);
                    Ok(true)
                }
                Alone::Labels(labels) => {
                    self.row += copy_rows(rows, &labels, first);
                    Ok(false)
                }
            },
        }
    }
}

/// Fills rows as [`fill_rows`] does; gives their number.
fn fill_counted(rows: &mut Rows<'_>, label: u64, label_bytes: usize, sparse: bool) -> u32 {
    let mut count = 0;
    fill_rows(rows.each().inspect(|_| count += 1), label, label_bytes, sparse);
    count
}

/// Copies rows from a chunk, of which the first is row `first`; gives their number.
fn copy_rows(rows: &mut Rows<'_>, labels: &[u8], first: usize) -> u32 {
    let mut count = 0;
    for (row, number) in rows.each().zip(first..) {
        row.copy_from_slice(&labels[number * row.len()..][..row.len()]);
        count += 1;
    }
    count
}
