//! Tiles and strips: their bytes from the file, their labels into rows.
//!
//! Gets a chunk's place in the file and the rows that it fills; gives labels there, or an error that names the chunk.
//! Chunks are decompressed whole or as streams of rows.

use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use super::page::{Extent, Page};
use crate::error::{Error, Place, Result};
use crate::memory::{LabelBytes, reserve, zeroed};
use crate::source::chunked::{self, Chunks, Fetched, Grid, Labels, Rows};
use crate::source::decompress::{self, Compression, Decompressor, Fault, STREAM_BUFFER, Stored};
use crate::source::random_access::RandomAccess;
use crate::source::samples::Unfit;

/// The tiles or strips of one page.
#[derive(Debug)]
pub(super) struct PageChunks {
    file: Arc<RandomAccess>,
    pub(super) page: Page,
}

/// A chunk of a page.
type At = chunked::At<Extent>;

/// What one thread needs to decompress a chunk; kept for the next.
#[derive(Default)]
pub(super) struct Scratch {
    decompressor: Option<Decompressor>,
    pixels: LabelBytes,
    /// Labels of samples of less than a byte.
    labels: LabelBytes,
}

/// The stored rows of a chunk, from the next on.
pub(super) struct Stream {
    pixels: Box<dyn Read + Send>,
    stored_row: Vec<u8>,
}

/// The compressed bytes of a chunk, read from the file when they are asked for.
struct Compressed<F> {
    file: F,
    /// What is left.
    extent: Extent,
}

impl<F: Deref<Target = RandomAccess>> Read for Compressed<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.extent.count).unwrap_or(usize::MAX).min(into.len());
        let count = self.file.read_at(&mut into[..most], self.extent.offset)?;
        self.extent.offset += count as u64;
        self.extent.count -= count as u64;
        Ok(count)
    }
}

impl PageChunks {
    pub(super) fn new(file: RandomAccess, page: Page) -> Self {
        Self { file: Arc::new(file), page }
    }

    /// Whether a chunk stores its rows as the rows of labels lie in memory, so that it is decompressed right there.
    fn in_place(&self, band: u32) -> bool {
        let (page, grid) = (&self.page, &self.page.grid);
        grid.chunk.width == grid.shape.width && page.samples.in_place() && grid.stored_rows(band) == grid.rows(band)
    }

    /// Bytes of the pixels that a chunk of `band` stores.
    fn pixel_bytes(&self, band: u32) -> u64 {
        u64::from(self.page.grid.stored_rows(band)).saturating_mul(self.page.stored_row_bytes())
    }

    /// The most bytes of pixels that a chunk of `band` may have: some writers fill the last strip up to the height of
    /// the others.
    fn most_pixel_bytes(&self, band: u32) -> u64 {
        let grid = &self.page.grid;
        let rows = if grid.last_is_cut { grid.chunk.height } else { grid.stored_rows(band) };
        u64::from(rows).saturating_mul(self.page.stored_row_bytes())
    }

    /// Fills `target` with the pixels that a chunk stores.
    fn fill_stored(
        &self,
        at: At,
        decompressor: &mut Option<Decompressor>,
        compressed: &[u8],
        target: &mut [u8],
    ) -> Result<(), Fault> {
        let most = self.most_pixel_bytes(at.band);
        let compression = self.page.compression;
        if compression == Compression::None {
            return match at.place.count {
                count if count < target.len() as u64 => Err(Fault::TooFew(count)),
                count if count > most => Err(Fault::TooMany),
                _ => decompress::read_exact(&mut Compressed { file: &*self.file, extent: at.place }, target),
            };
        }
        match decompressor.get_or_insert_default().decompress(compression, compressed, target) {
            Err(Fault::TooMany) if most > target.len() as u64 => {
                let mut stream = decompress::stream(compression, Stored::Held(compressed), most)?;
                decompress::read_exact(&mut stream, target)?;
                decompress::skip_to_end(&mut stream, 0, most - target.len() as u64)
            }
            result => result,
        }
    }

    fn unfit(&self, at: At, row: u64, unfit: Unfit) -> Error {
        let grid = &self.page.grid;
        let row = u64::from(at.band) * u64::from(grid.chunk.height) + row;
        unfit.error(row, u64::from(grid.columns(at.across).start)).in_file(self.file.name())
    }

    /// Makes labels of a row of samples, where they lie.
    fn finish_row(&self, at: At, row: &mut [u8], number: u64) -> Result<()> {
        let page = &self.page;
        page.samples.decode_in_place(page.differences, row).map_err(|unfit| self.unfit(at, number, unfit))
    }

    fn fault(&self, at: At, fault: Fault) -> Error {
        let found = match fault {
            Fault::TooFew(count) => format!("only {count}"),
            Fault::TooMany => "more".into(),
            Fault::Damaged(error) if error.raw_os_error().is_some() => {
                return Error::io("reading", self.file.name(), error);
            }
            Fault::Damaged(error) => error.to_string(),
        };
        let chunk = u64::from(at.band) * u64::from(self.page.grid.across()) + u64::from(at.across);
        let expected = format!("{} bytes of pixels", self.pixel_bytes(at.band));
        let place = Place::Part(self.page.chunk_name(chunk));
        Error::format(place, expected, found).in_file(self.file.name())
    }
}

impl Chunks for PageChunks {
    type Place = Extent;
    type Scratch = Scratch;
    type Stream = Stream;

    fn grid(&self) -> &Grid {
        &self.page.grid
    }

    fn name(&self) -> &Path {
        self.file.name()
    }

    fn stored_bytes(&self) -> u64 {
        self.file.length()
    }

    fn places(&self, bands: Range<u32>) -> Result<Vec<Extent>> {
        self.page.extents(&self.file, bands)
    }

    fn length(&self, place: Extent) -> Option<u64> {
        Some(place.count)
    }

    fn fetch(&self, at: At, bytes: &mut Vec<u8>) -> Result<Fetched> {
        if at.place.absent() {
            return Ok(Fetched::Absent);
        }
        if self.page.compression == Compression::None {
            return Ok(Fetched::Unread);
        }
        let count = usize::try_from(at.place.count).unwrap_or(usize::MAX);
        reserve(bytes, count.saturating_sub(bytes.len()), "compressed pixels")?;
        bytes.resize(count, 0);
        self.file.read_exact_at(bytes, at.place.offset, "compressed pixels")?;
        Ok(Fetched::Read)
    }

    fn decode<'a>(&self, at: At, compressed: &[u8], scratch: &'a mut Scratch) -> Result<Labels<'a>> {
        let (page, grid) = (&self.page, &self.page.grid);
        let Scratch { decompressor, pixels, labels } = scratch;
        let pixels = pixels.first(self.pixel_bytes(at.band), "pixels of a tile")?;
        self.fill_stored(at, decompressor, compressed, pixels).map_err(|fault| self.fault(at, fault))?;
        // Rows of a chunk that is in memory.
        let stored_row = page.stored_row_bytes() as usize;
        let (rows, row_bytes) = (grid.rows(at.band), grid.columns(at.across).len() * grid.label_bytes());
        if page.samples.in_place() {
            for (row, number) in pixels.chunks_exact_mut(stored_row).take(rows as usize).zip(0..) {
                self.finish_row(at, &mut row[..row_bytes], number)?;
            }
            return Ok(Labels { bytes: pixels, row_bytes: stored_row });
        }
        let labels = labels.first(u64::from(rows) * row_bytes as u64, "labels of a tile")?;
        for ((row, stored), number) in labels.chunks_exact_mut(row_bytes).zip(pixels.chunks_exact(stored_row)).zip(0..)
        {
            let done = page.samples.decode(stored, page.differences, row);
            done.map_err(|unfit| self.unfit(at, number, unfit))?;
        }
        Ok(Labels { bytes: labels, row_bytes })
    }

    fn decode_into(&self, at: At, compressed: &[u8], scratch: &mut Scratch, rows: &mut Rows<'_>) -> Result<()> {
        if let Rows::Together { rows: labels, .. } = rows
            && self.in_place(at.band)
        {
            let filled = self.fill_stored(at, &mut scratch.decompressor, compressed, labels);
            filled.map_err(|fault| self.fault(at, fault))?;
            return rows.each().zip(0..).try_for_each(|(row, number)| self.finish_row(at, row, number));
        }
        rows.copy(self.decode(at, compressed, scratch)?);
        Ok(())
    }

    fn work_bytes(&self, at: At) -> u64 {
        let (page, grid, pixels) = (&self.page, &self.page.grid, self.pixel_bytes(at.band));
        let compressed = if page.compression == Compression::None { 0 } else { at.place.count };
        let labels = match page.samples.in_place() {
            true => 0,
            false => u64::from(grid.rows(at.band)) * (grid.columns(at.across).len() * grid.label_bytes()) as u64,
        };
        let parts = [compressed, pixels, labels, page.compression.decoder_bytes(pixels)];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    fn work_bytes_into(&self, at: At) -> u64 {
        self.work_bytes(at).saturating_sub(if self.in_place(at.band) { self.pixel_bytes(at.band) } else { 0 })
    }

    fn stream_bytes(&self, at: At) -> Option<u64> {
        let buffer = at.place.count.min(STREAM_BUFFER) + self.page.stored_row_bytes();
        Some(buffer + self.page.compression.stream_bytes(self.pixel_bytes(at.band)))
    }

    fn stream(&self, at: At) -> Result<Stream> {
        let compressed = Compressed { file: self.file.clone(), extent: at.place };
        let compressed = Stored::read(compressed, at.place.count);
        let pixels = decompress::stream(self.page.compression, compressed, self.pixel_bytes(at.band))
            .map_err(|fault| self.fault(at, fault))?;
        Ok(Stream { pixels, stored_row: zeroed(self.page.stored_row_bytes(), "a row of a tile")? })
    }

    fn read_stream(&self, at: At, stream: &mut Stream, first: u32, rows: &mut [&mut [u8]]) -> Result<()> {
        let page = &self.page;
        let row_bytes = page.stored_row_bytes();
        let fault = |row: u64, fault| {
            let fault = if let Fault::TooFew(count) = fault { Fault::TooFew(row * row_bytes + count) } else { fault };
            self.fault(at, fault)
        };
        let Stream { pixels, stored_row } = stream;
        let mut number = u64::from(first);
        for row in rows {
            decompress::read_exact(pixels, stored_row).map_err(|error| fault(number, error))?;
            let done = page.samples.decode(stored_row, page.differences, row);
            done.map_err(|unfit| self.unfit(at, number, unfit))?;
            number += 1;
        }
        if number == u64::from(page.grid.rows(at.band)) {
            let least = self.pixel_bytes(at.band) - number * row_bytes;
            let most = self.most_pixel_bytes(at.band) - number * row_bytes;
            decompress::skip_to_end(pixels, least, most).map_err(|error| fault(number, error))?;
        }
        Ok(())
    }
}
