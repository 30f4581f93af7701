//! Tiles and strips: their bytes from the file, their labels into rows.
//!
//! Gets a chunk's place in the file and the parts of rows that it fills; gives labels there, or an error that names the
//! chunk. A chunk is decompressed whole ([`Chunks::read`]) or as a stream, a few rows at a time ([`ChunkStream`]).

use std::io::{self, BufReader, Read};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::constant::ConstantChunks;
use super::decompress::{self, Compression, Decompressor, Fault};
use super::page::{Extent, Page};
use crate::error::{Error, Place, Result};
use crate::rows::{constant, fill};
use crate::source::random_access::RandomAccess;
use crate::source::samples::Negative;

/// Compressed bytes that a stream reads at once.
const STREAM_BUFFER: u64 = 1 << 16;

/// What a stream takes in memory at most: its buffer and its decoder.
pub(crate) const STREAM_BYTES: u64 = 2 * STREAM_BUFFER;

/// The chunks of one page.
pub(crate) struct Chunks {
    pub(crate) file: Arc<RandomAccess>,
    pub(crate) page: Page,
    /// Bytes that may be allocated for one chunk.
    pub(super) chunk_memory: u64,
    constants: ConstantChunks,
    scratch: Mutex<Vec<Scratch>>,
    pub(crate) counts: Counts,
}

/// How many chunks were dealt with in which way.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Left out by the file.
    pub(crate) absent: AtomicU64,
    /// Recognised as constant without being decompressed.
    pub(crate) recognised: AtomicU64,
    /// Read in full.
    pub(crate) decoded: AtomicU64,
}

/// One chunk, and the part of the rows that it fills.
pub(crate) struct Chunk<'a> {
    pub(crate) place: ChunkPlace,
    pub(crate) rows: Rows<'a>,
}

/// A chunk in its page and its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkPlace {
    pub(crate) group: u32,
    pub(crate) across: u32,
    pub(crate) extent: Extent,
}

/// Rows of labels that a chunk fills.
pub(crate) enum Rows<'a> {
    /// Side by side in memory, as the chunk stores them, so that it is decompressed right there.
    Together(&'a mut [u8]),
    /// One slice a row.
    Apart(Vec<&'a mut [u8]>),
}

/// What one thread needs to decompress a chunk; kept for the next.
struct Scratch {
    decompressor: Decompressor,
    compressed: Vec<u8>,
    pixels: Vec<u8>,
}

impl Rows<'_> {
    fn each(&mut self, row_bytes: usize) -> impl Iterator<Item = &mut [u8]> {
        let (together, apart) = match self {
            Self::Together(rows) => (&mut **rows, &mut [][..]),
            Self::Apart(rows) => (&mut [][..], rows.as_mut_slice()),
        };
        together.chunks_exact_mut(row_bytes).chain(apart.iter_mut().map(|row| &mut **row))
    }
}

/// The compressed bytes of a chunk, read from the file when they are asked for.
struct Range<F> {
    file: F,
    /// What is left.
    extent: Extent,
}

impl<F: Deref<Target = RandomAccess>> Read for Range<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.extent.count).unwrap_or(usize::MAX).min(into.len());
        let count = self.file.read_at(&mut into[..most], self.extent.offset)?;
        self.extent.offset += count as u64;
        self.extent.count -= count as u64;
        Ok(count)
    }
}

impl Chunks {
    pub(crate) fn new(file: RandomAccess, page: Page, chunk_memory: u64) -> Self {
        Self {
            file: Arc::new(file),
            page,
            chunk_memory,
            constants: ConstantChunks::default(),
            scratch: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Bytes of one label.
    pub(crate) fn label_bytes(&self) -> usize {
        self.page.samples.dtype().bytes()
    }

    /// Whether the chunks in row `group` store their rows as the rows of labels lie in memory.
    pub(crate) fn together(&self, group: u32) -> bool {
        let page = &self.page;
        page.chunk_width == page.shape.width
            && page.samples.in_place()
            && page.stored_rows(group) == page.group_rows(group)
    }

    /// Whether a chunk is small enough to be decompressed whole.
    pub(crate) fn fits(&self, place: ChunkPlace) -> bool {
        let pixels = if self.together(place.group) { 0 } else { self.stored_bytes(place.group) };
        place.extent.count.saturating_add(pixels) <= self.chunk_memory
    }

    /// Bytes of the pixels that a chunk in row `group` stores.
    fn stored_bytes(&self, group: u32) -> u64 {
        u64::from(self.page.stored_rows(group)).saturating_mul(self.page.stored_row_bytes())
    }

    /// The most bytes of pixels that a chunk in row `group` may have: some writers fill the last strip up to the height
    /// of the others.
    fn most_stored_bytes(&self, group: u32) -> u64 {
        let rows = if self.page.tiled { self.page.stored_rows(group) } else { self.page.chunk_height };
        u64::from(rows).saturating_mul(self.page.stored_row_bytes())
    }

    /// Fills the rows of a chunk that fits; gives whether it is known to hold one label. When it was known before, and
    /// `sparse`, only its first and last row are filled.
    pub(crate) fn read(&self, mut chunk: Chunk<'_>, sparse: bool) -> Result<bool> {
        let scratch = self.scratch.lock().ok().and_then(|mut all| all.pop());
        let mut scratch = scratch.unwrap_or_else(|| Scratch {
            decompressor: Decompressor::new(),
            compressed: Vec::new(),
            pixels: Vec::new(),
        });
        let result = self.decode(&mut chunk, &mut scratch, sparse);
        if let Ok(mut all) = self.scratch.lock() {
            all.push(scratch);
        }
        result
    }

    fn decode(&self, chunk: &mut Chunk<'_>, scratch: &mut Scratch, sparse: bool) -> Result<bool> {
        let (page, place) = (&self.page, chunk.place);
        let stored_row = page.stored_row_bytes() as usize;
        let stored = self.stored_bytes(place.group) as usize;
        let (label_bytes, row_bytes) = (self.label_bytes(), stored_row);
        let Scratch { decompressor, compressed, pixels } = scratch;
        if let Some(label) = self.known(place, compressed)? {
            let last = page.group_rows(place.group) as usize - 1;
            for (index, row) in chunk.rows.each(row_bytes).enumerate() {
                if !sparse || index == 0 || index == last {
                    fill(row, label, label_bytes);
                }
            }
            return Ok(true);
        }
        let target = match &mut chunk.rows {
            Rows::Together(rows) => &mut **rows,
            Rows::Apart(_) => {
                pixels.resize(stored, 0);
                &mut *pixels
            }
        };
        self.fill_stored(place, decompressor, compressed, target).map_err(|fault| self.fault(place, fault))?;
        let (samples, differences) = (page.samples, page.differences);
        let apart = matches!(chunk.rows, Rows::Apart(_));
        let mut stored_rows = pixels.chunks_exact(stored_row);
        for (index, row) in chunk.rows.each(row_bytes).enumerate() {
            let done = match stored_rows.next() {
                Some(stored) if apart => samples.decode(stored, differences, row),
                _ => samples.decode_in_place(differences, row),
            };
            done.map_err(|negative| self.negative(place, index as u64, negative))?;
        }
        self.counts.decoded.fetch_add(1, Ordering::Relaxed);
        let may_be_constant = page.compression != Compression::None && ConstantChunks::may_hold(place.extent.count);
        Ok(may_be_constant && self.learn(chunk, compressed))
    }

    /// The label of a chunk that need not be decompressed; otherwise its compressed bytes are read into `compressed`,
    /// when it is compressed.
    fn known(&self, place: ChunkPlace, compressed: &mut Vec<u8>) -> Result<Option<u64>> {
        if place.extent.absent() {
            self.counts.absent.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(0));
        }
        if self.page.compression == Compression::None {
            return Ok(None);
        }
        compressed.resize(place.extent.count as usize, 0);
        self.file.read_exact_at(compressed, place.extent.offset, "compressed pixels")?;
        let label = self.constants.get(compressed);
        self.counts.recognised.fetch_add(u64::from(label.is_some()), Ordering::Relaxed);
        Ok(label)
    }

    /// Fills `target` with the pixels that a chunk stores.
    fn fill_stored(
        &self,
        place: ChunkPlace,
        decompressor: &mut Decompressor,
        compressed: &[u8],
        target: &mut [u8],
    ) -> Result<(), Fault> {
        let most = self.most_stored_bytes(place.group);
        if self.page.compression == Compression::None {
            return match place.extent.count {
                count if count < target.len() as u64 => Err(Fault::TooFew(count)),
                count if count > most => Err(Fault::TooMany),
                _ => decompress::read_exact(&mut Range { file: &*self.file, extent: place.extent }, target),
            };
        }
        match decompressor.decompress(self.page.compression, compressed, target) {
            Err(Fault::TooMany) if most > target.len() as u64 => {
                let mut stream = decompress::stream(self.page.compression, compressed, most)?;
                decompress::read_exact(&mut stream, target)?;
                decompress::skip_to_end(&mut stream, 0, most - target.len() as u64)
            }
            result => result,
        }
    }

    /// Remembers a chunk that holds one label all through, and gives whether its rows do. A chunk of which rows show a
    /// part only says nothing about others.
    fn learn(&self, chunk: &mut Chunk<'_>, compressed: &[u8]) -> bool {
        let (page, label_bytes) = (&self.page, self.label_bytes());
        let mut labels = 0;
        let mut label = None;
        for row in chunk.rows.each(page.stored_row_bytes() as usize) {
            labels += (row.len() / label_bytes) as u64;
            match (constant(row, label_bytes), label) {
                (None, _) => return false,
                (found, None) => label = found,
                (found, before) if found == before => {}
                _ => return false,
            }
        }
        if let Some(label) = label
            && labels == u64::from(page.stored_rows(chunk.place.group)) * u64::from(page.chunk_width)
        {
            self.constants.insert(compressed, label);
        }
        true
    }

    /// Begins to read a chunk row by row.
    pub(crate) fn stream(&self, place: ChunkPlace) -> Result<ChunkStream> {
        if place.extent.absent() || ConstantChunks::may_hold(place.extent.count) {
            let mut compressed = Vec::new();
            if let Some(label) = self.known(place, &mut compressed)? {
                return Ok(ChunkStream { place, source: Pixels::Constant(label), given: 0, row: 0 });
            }
        }
        let capacity = place.extent.count.min(STREAM_BUFFER) as usize;
        let compressed = BufReader::with_capacity(capacity, Range { file: self.file.clone(), extent: place.extent });
        let stream = decompress::stream(self.page.compression, compressed, self.stored_bytes(place.group))
            .map_err(|fault| self.fault(place, fault))?;
        self.counts.decoded.fetch_add(1, Ordering::Relaxed);
        Ok(ChunkStream { place, source: Pixels::Stream(stream), given: 0, row: 0 })
    }

    fn negative(&self, place: ChunkPlace, row: u64, negative: Negative) -> Error {
        let row = u64::from(place.group) * u64::from(self.page.chunk_height) + row;
        let column = u64::from(place.across) * u64::from(self.page.chunk_width);
        negative.error(row, column).in_file(self.file.name())
    }

    fn fault(&self, place: ChunkPlace, fault: Fault) -> Error {
        let found = match fault {
            Fault::TooFew(count) => format!("only {count}"),
            Fault::TooMany => "more".into(),
            Fault::Damaged(error) if error.raw_os_error().is_some() => {
                return Error::io("reading", self.file.name(), error);
            }
            Fault::Damaged(error) => error.to_string(),
        };
        let chunk = u64::from(place.group) * u64::from(self.page.across) + u64::from(place.across);
        let expected = format!("{} bytes of pixels", self.stored_bytes(place.group));
        let place = Place::Part(self.page.chunk_name(chunk));
        Error::format(place, expected, found).in_file(self.file.name())
    }
}

/// A chunk that is read from its first row to its last.
pub(super) struct ChunkStream {
    place: ChunkPlace,
    source: Pixels,
    /// Bytes of pixels given so far.
    given: u64,
    /// Rows given so far.
    row: u32,
}

enum Pixels {
    Constant(u64),
    Stream(Box<dyn Read + Send>),
}

impl ChunkStream {
    /// Fills the chunk's part of the next rows; after the last, sees that the chunk ends as it should.
    pub(crate) fn read(&mut self, chunks: &Chunks, rows: Vec<&mut [u8]>) -> Result<()> {
        let page = &chunks.page;
        let stream = match &mut self.source {
            Pixels::Constant(label) => {
                rows.into_iter().for_each(|row| fill(row, *label, chunks.label_bytes()));
                return Ok(());
            }
            Pixels::Stream(stream) => stream,
        };
        let given = &mut self.given;
        let fault = |given: u64, fault| {
            let fault = if let Fault::TooFew(count) = fault { Fault::TooFew(given + count) } else { fault };
            chunks.fault(self.place, fault)
        };
        let mut stored = vec![0; page.stored_row_bytes() as usize];
        for row in rows {
            decompress::read_exact(stream, &mut stored).map_err(|error| fault(*given, error))?;
            let done = page.samples.decode(&stored, page.differences, row);
            done.map_err(|negative| chunks.negative(self.place, u64::from(self.row), negative))?;
            *given += stored.len() as u64;
            self.row += 1;
        }
        let group = self.place.group;
        if self.row == page.group_rows(group) {
            let least = chunks.stored_bytes(group) - *given;
            let most = chunks.most_stored_bytes(group) - *given;
            decompress::skip_to_end(stream, least, most).map_err(|error| fault(*given, error))?;
        }
        Ok(())
    }
}
