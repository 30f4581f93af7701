//! A row of chunks whose rows are asked for in parts.
//!
//! Gets any number of rows at a time, from the first to the last; gives their labels. Chunks of one label are known by it.
//! Of the others as many as memory allows are decompressed once and held; the rest are decompressed as streams, a few rows
//! at a time.

use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::chunk::{ChunkPlace, Chunks, Pixels, Range, fill_rows};
use super::constant::ConstantChunks;
use super::decompress::{self, Fault};
use crate::error::{Error, Result};

/// Compressed bytes that a stream reads at once.
const STREAM_BUFFER: u64 = 1 << 16;

/// What a stream takes in memory: its buffer and its decoder.
const STREAM_BYTES: u64 = 2 * STREAM_BUFFER;

/// A row of chunks of which some rows have been given.
pub(super) struct Part {
    chunks: Vec<PartChunk>,
}

/// One of them.
struct PartChunk {
    place: ChunkPlace,
    pixels: Pixels,
    /// Rows given.
    row: u32,
}

impl Part {
    /// Begins to read the row of chunks that `places` are, in about `memory` bytes.
    pub(super) fn begin(chunks: &Chunks, places: &[ChunkPlace], memory: u64) -> Result<Self> {
        let limit = memory / 4;
        let all: u64 = places.iter().map(|&place| chunks.label_rows_bytes(place)).sum();
        let streams = places.len() as u64 * STREAM_BYTES;
        // Small ones are held in any case: a stream would take more.
        let limit = if all <= streams { all } else { limit };
        if all > limit && streams > memory {
            let what = format!("{}: bytes of memory to read {} tiles side by side", chunks.page.name, places.len());
            let error = Error::LimitExceeded { what, limit: memory, found: streams };
            return Err(error.in_file(chunks.file.name()));
        }
        let held = AtomicU64::new(0);
        let begin = |&place: &ChunkPlace| PartChunk::begin(chunks, place, &held, limit);
        let parts: Vec<_> = places.par_iter().map(begin).collect();
        Ok(Self { chunks: parts.into_iter().collect::<Result<_>>()? })
    }

    /// Fills the parts of the next rows that lie in each chunk; gives for each whether it holds one label, of which then
    /// only the first and last row were filled if `sparse`.
    pub(super) fn read(&mut self, chunks: &Chunks, rows: Vec<Vec<&mut [u8]>>, sparse: bool) -> Result<Vec<bool>> {
        let read = |(part, rows): (&mut PartChunk, Vec<&mut [u8]>)| part.read(chunks, rows, sparse);
        let results: Vec<_> = self.chunks.par_iter_mut().zip(rows).map(read).collect();
        results.into_iter().collect()
    }
}

impl PartChunk {
    fn begin(chunks: &Chunks, place: ChunkPlace, held: &AtomicU64, limit: u64) -> Result<Self> {
        let bytes = chunks.label_rows_bytes(place);
        let mut pixels = None;
        if chunks.fits(place) && held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= limit {
            pixels = Some(chunks.hold(place)?);
        }
        let pixels = match pixels {
            Some(pixels) => pixels,
            None => Self::stream(chunks, place)?,
        };
        if !matches!(pixels, Pixels::Held(_)) && chunks.fits(place) {
            held.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(Self { place, pixels, row: 0 })
    }

    fn stream(chunks: &Chunks, place: ChunkPlace) -> Result<Pixels> {
        if (place.extent.absent() || ConstantChunks::may_hold(place.extent.count))
            && let Some(label) = chunks.known(place, &mut Vec::new())?
        {
            return Ok(Pixels::Constant(label));
        }
        let capacity = place.extent.count.min(STREAM_BUFFER) as usize;
        let compressed = Range { file: chunks.file.clone(), extent: place.extent };
        let compressed = BufReader::with_capacity(capacity, compressed);
        let stream = decompress::stream(chunks.page.compression, compressed, chunks.stored_bytes(place.group))
            .map_err(|fault| chunks.fault(place, fault))?;
        chunks.counts.decoded.fetch_add(1, Ordering::Relaxed);
        Ok(Pixels::Stream(stream))
    }

    fn read(&mut self, chunks: &Chunks, rows: Vec<&mut [u8]>, sparse: bool) -> Result<bool> {
        let first = self.row;
        // At most the height of the chunk.
        self.row += rows.len() as u32;
        match &mut self.pixels {
            Pixels::Constant(label) => {
                fill_rows(rows.into_iter(), *label, chunks.label_bytes(), sparse);
                Ok(true)
            }
            Pixels::Held(labels) => {
                for (row, number) in rows.into_iter().zip(first as usize..) {
                    row.copy_from_slice(&labels[number * row.len()..][..row.len()]);
                }
                Ok(false)
            }
            Pixels::Stream(stream) => {
                read_stream(chunks, self.place, stream, first, rows)?;
                Ok(false)
            }
        }
    }
}

/// Fills rows of which the first is row `first` of the chunk; after the last, sees that the chunk ends as it should.
fn read_stream(
    chunks: &Chunks,
    place: ChunkPlace,
    stream: &mut dyn Read,
    first: u32,
    rows: Vec<&mut [u8]>,
) -> Result<()> {
    let page = &chunks.page;
    let row_bytes = page.stored_row_bytes();
    let fault = |row: u64, fault| {
        let fault = if let Fault::TooFew(count) = fault { Fault::TooFew(row * row_bytes + count) } else { fault };
        chunks.fault(place, fault)
    };
    let mut stored = vec![0; row_bytes as usize];
    let mut number = u64::from(first);
    for row in rows {
        decompress::read_exact(stream, &mut stored).map_err(|error| fault(number, error))?;
        let done = page.samples.decode(&stored, page.differences, row);
        done.map_err(|negative| chunks.negative(place, number, negative))?;
        number += 1;
    }
    if number == u64::from(page.group_rows(place.group)) {
        let least = chunks.stored_bytes(place.group) - number * row_bytes;
        let most = chunks.most_stored_bytes(place.group) - number * row_bytes;
        decompress::skip_to_end(stream, least, most).map_err(|error| fault(number, error))?;
    }
    Ok(())
}
