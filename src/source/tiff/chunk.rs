//! Tiles and strips: their bytes from the file, their labels into rows.
//!
//! Gets a chunk's place in the file and the parts of rows that it fills; gives labels there, or an error that names the
//! chunk. Chunks are decompressed whole here; those that memory does not hold are streams, see [`super::part`].

use std::io::{self, Read};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::constant::ConstantChunks;
use super::decompress::{self, Compression, Decompressor, Fault};
use super::page::{Extent, Page};
use crate::error::{Error, Place, Result};
use crate::rows::{constant, fill, label};
use crate::source::random_access::RandomAccess;
use crate::source::samples::Negative;

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

/// The labels of a chunk whose rows are asked for in parts.
pub(super) enum Pixels {
    /// All are this one.
    Constant(u64),
    /// All of them, row after row.
    Held(Vec<u8>),
    /// Stored rows, from the next on.
    Stream(Box<dyn Read + Send>),
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
pub(super) struct Range<F> {
    pub(super) file: F,
    /// What is left.
    pub(super) extent: Extent,
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

/// Fills rows with one label; with `sparse`, only the first and the last.
pub(super) fn fill_rows<'a>(rows: impl Iterator<Item = &'a mut [u8]>, label: u64, label_bytes: usize, sparse: bool) {
    let mut last = None;
    for (index, row) in rows.enumerate() {
        if !sparse || index == 0 {
            fill(row, label, label_bytes);
        } else {
            last = Some(row);
        }
    }
    if let Some(row) = last {
        fill(row, label, label_bytes);
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
    pub(super) fn stored_bytes(&self, group: u32) -> u64 {
        u64::from(self.page.stored_rows(group)).saturating_mul(self.page.stored_row_bytes())
    }

    /// The most bytes of pixels that a chunk in row `group` may have: some writers fill the last strip up to the height
    /// of the others.
    pub(super) fn most_stored_bytes(&self, group: u32) -> u64 {
        let rows = if self.page.tiled { self.page.stored_rows(group) } else { self.page.chunk_height };
        u64::from(rows).saturating_mul(self.page.stored_row_bytes())
    }

    /// Fills the rows of a chunk that fits; gives whether it is known to hold one label. When it was known before, and
    /// `sparse`, only its first and last row are filled.
    pub(crate) fn read(&self, mut chunk: Chunk<'_>, sparse: bool) -> Result<bool> {
        self.with_scratch(|scratch| match self.known(chunk.place, &mut scratch.compressed)? {
            Some(label) => {
                let rows = chunk.rows.each(self.page.stored_row_bytes() as usize);
                fill_rows(rows, label, self.label_bytes(), sparse);
                Ok(true)
            }
            None => self.decode(&mut chunk, scratch),
        })
    }

    /// Reads a chunk that fits to keep it: all its labels, row after row, or the one that they all are.
    pub(super) fn hold(&self, place: ChunkPlace) -> Result<Pixels> {
        self.with_scratch(|scratch| {
            if let Some(label) = self.known(place, &mut scratch.compressed)? {
                return Ok(Pixels::Constant(label));
            }
            let mut labels = vec![0; self.label_rows_bytes(place) as usize];
            let row_bytes = self.label_row_bytes(place) as usize;
            let rows = match self.together(place.group) {
                true => Rows::Together(&mut labels),
                false => Rows::Apart(labels.chunks_exact_mut(row_bytes).collect()),
            };
            let constant = self.decode(&mut Chunk { place, rows }, scratch)?;
            Ok(if constant { Pixels::Constant(label(&labels[..self.label_bytes()])) } else { Pixels::Held(labels) })
        })
    }

    /// Bytes of a row of the labels that a chunk shows.
    fn label_row_bytes(&self, place: ChunkPlace) -> u64 {
        let left = u64::from(place.across) * u64::from(self.page.chunk_width);
        let width = (u64::from(self.page.shape.width) - left).min(u64::from(self.page.chunk_width));
        width * self.label_bytes() as u64
    }

    /// Bytes of all the labels that a chunk shows.
    pub(super) fn label_rows_bytes(&self, place: ChunkPlace) -> u64 {
        // A row is at most 2^28 bytes.
        self.label_row_bytes(place) * u64::from(self.page.group_rows(place.group))
    }

    fn with_scratch<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let scratch = self.scratch.lock().ok().and_then(|mut all| all.pop());
        let mut scratch = scratch.unwrap_or_else(|| Scratch {
            decompressor: Decompressor::new(),
            compressed: Vec::new(),
            pixels: Vec::new(),
        });
        let result = work(&mut scratch);
        if let Ok(mut all) = self.scratch.lock() {
            all.push(scratch);
        }
        result
    }

    /// Fills the rows of a chunk whose compressed bytes were read; gives whether they hold one label.
    fn decode(&self, chunk: &mut Chunk<'_>, scratch: &mut Scratch) -> Result<bool> {
        let (page, place) = (&self.page, chunk.place);
        let stored_row = page.stored_row_bytes() as usize;
        let stored = self.stored_bytes(place.group) as usize;
        let Scratch { decompressor, compressed, pixels } = scratch;
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
        for (index, row) in chunk.rows.each(stored_row).enumerate() {
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
    pub(super) fn known(&self, place: ChunkPlace, compressed: &mut Vec<u8>) -> Result<Option<u64>> {
        if place.extent.absent() {
            self.counts.absent.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(0));
        }
        if self.page.compression == Compression::None {
            return Ok(None);
        }
        compressed.resize(place.extent.count as usize, 0);
        self.file.read_exact_at(compressed, place.extent.offset, "compressed pixels")?;
        let label = self.constants.get(self.page.stored_rows(place.group), compressed);
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
        let rows = page.stored_rows(chunk.place.group);
        if let Some(label) = label
            && labels == u64::from(rows) * u64::from(page.chunk_width)
        {
            self.constants.insert(rows, compressed, label);
        }
        true
    }

    pub(super) fn negative(&self, place: ChunkPlace, row: u64, negative: Negative) -> Error {
        let row = u64::from(place.group) * u64::from(self.page.chunk_height) + row;
        let column = u64::from(place.across) * u64::from(self.page.chunk_width);
        negative.error(row, column).in_file(self.file.name())
    }

    pub(super) fn fault(&self, place: ChunkPlace, fault: Fault) -> Error {
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
