//! Chunks of one plane of an array: their bytes from the store, their labels into rows.
//!
//! Gets an array and the plane of it that is the mask; gives [`Chunks`]. What the source calls a chunk is the smallest piece
//! that is decoded by itself: of an array in shards that is a chunk inside a shard. Errors name the array and the chunk.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::codec::{Codecs, Decoder, checked};
use super::metadata::Array;
use super::store::{Blob, Store};
use crate::error::{Error, Place, Result};
use crate::memory::{LabelBytes, MOST_ROW_BYTES, check_row, reserve, zeroed};
use crate::shape::Shape;
use crate::source::chunked::{self, Chunks, Fetched, Grid, Labels, Rows};
use crate::source::decompress::{self, Fault};
use crate::source::samples::Unfit;

/// Chunks that may lie side by side.
const MOST_ACROSS: u64 = 1 << 20;

/// Bytes of the place of a chunk in the index of a shard.
const ENTRY: u64 = 16;

/// Bytes of the checksum of an index.
const CHECKSUM: u64 = 4;

/// Columns of a chunk that are put in place together where its rows are not stored one after the other.
const COLUMNS: usize = 64;

/// A plane of an array.
#[derive(Debug)]
pub(super) struct ArrayChunks {
    store: Store,
    /// Where the array lies.
    key: String,
    array: Array,
    /// What messages call the array.
    name: PathBuf,
    grid: Grid,
    /// For each axis but the last two, which of its planes is the mask.
    plane: Vec<u64>,
    /// Chunks in a shard along each axis; 1 without shards.
    per_key: Vec<u64>,
    layout: PlaneLayout,
    /// Bytes of all pixels of a chunk.
    pixels: u64,
    /// Bytes of entries of indices that may be held.
    memory: u64,
    /// Stored bytes of the chunks that were looked for so far.
    stored: AtomicU64,
    /// Bands of which that was counted.
    counted: AtomicU32,
    shards: Mutex<Option<Band>>,
}

/// Where the pixels of the plane are among those of a chunk, in pixels.
#[derive(Clone, Copy, Debug)]
struct PlaneLayout {
    first: u64,
    down: u64,
    across: u64,
}

/// The indices of shards side by side.
#[derive(Debug)]
struct Band {
    /// Which shards, from the top.
    number: u64,
    /// `None` for those that are absent.
    shards: Vec<Option<Index>>,
}

/// The index of a shard.
#[derive(Debug)]
struct Index {
    /// Where the plane's chunks are in the shard, row by row.
    places: Vec<Stored>,
    /// All of the shard, where it had to be inflated: once for all of its chunks.
    shard: Option<Blob>,
}

/// Where a chunk is stored: under its own key or in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Absent,
    At { offset: u64, length: u64 },
}

type At = chunked::At<Stored>;

/// What one thread needs to decode a chunk.
#[derive(Default)]
pub(super) struct Scratch {
    decoder: Decoder,
    pixels: LabelBytes,
    /// Labels of pixels that are not stored row by row.
    labels: LabelBytes,
}

/// The rows of a chunk's plane, from the next on.
pub(super) struct Stream {
    pixels: Box<dyn Read + Send>,
    stored_row: Vec<u8>,
    /// Bytes that come after the rows read so far.
    left: u64,
}

impl ArrayChunks {
    /// The plane of the array at `key` whose numbers along all axes but the last two are `plane`.
    pub(super) fn new(store: Store, key: String, array: Array, plane: Vec<u64>, memory: u64) -> Result<Self> {
        let name = store.path(&key);
        let in_file = |error: Error| error.in_file(&name);
        let shape = shape_of(&array).map_err(in_file)?;
        check_row(shape, array.samples.dtype()).map_err(in_file)?;
        let sides = array.codecs.shard.as_ref().map_or(&array.chunk, |shard| &shard.chunk);
        let codecs = array.codecs.shard.as_ref().map_or(&array.codecs, |shard| &shard.codecs);
        // A chunk may reach beyond the mask, and a mask's sides fit.
        let side = |side: u64| u32::try_from(side).unwrap_or(u32::MAX);
        let dimensions = sides.len();
        let (tall, wide) = (sides[dimensions - 2], sides[dimensions - 1]);
        let grid = Grid {
            shape,
            dtype: array.samples.dtype(),
            chunk: Shape { height: side(tall), width: side(wide) },
            last_is_cut: false,
            fill: array.fill,
        };
        match u64::from(grid.across()) {
            ..=MOST_ACROSS => {}
            found => {
                let what = "chunks side by side".to_owned();
                return Err(in_file(Error::LimitExceeded { what, limit: MOST_ACROSS, found }));
            }
        }
        let mut strides = vec![1_u64; dimensions];
        let mut stride = 1_u64;
        for &axis in codecs.order.iter().rev() {
            strides[axis] = stride;
            stride = stride.saturating_mul(sides[axis]);
        }
        let within = plane.iter().zip(sides).map(|(number, side)| number % side);
        let first = within
            .zip(&strides)
            .fold(0_u64, |sum, (number, stride)| sum.saturating_add(number.saturating_mul(*stride)));
        let layout = PlaneLayout { first, down: strides[dimensions - 2], across: strides[dimensions - 1] };
        let pixels = stride.saturating_mul(array.samples.dtype().bytes() as u64);
        let per_key = array.chunk.iter().zip(sides).map(|(all, part)| all / part).collect();
        let (stored, counted, shards) = (AtomicU64::new(0), AtomicU32::new(0), Mutex::new(None));
        Ok(Self { store, key, name, grid, plane, per_key, layout, pixels, memory, stored, counted, shards, array })
    }

    /// How a chunk is stored.
    fn codecs(&self) -> &Codecs {
        self.array.codecs.shard.as_ref().map_or(&self.array.codecs, |shard| &shard.codecs)
    }

    /// Keys along the axes of the plane for which a chunk has these numbers.
    fn per_key(&self) -> (u64, u64) {
        let [.., down, across] = self.per_key[..] else { return (1, 1) };
        (down, across)
    }

    /// The numbers of the key at this place of the plane.
    fn numbers(&self, down: u64, across: u64) -> Vec<u64> {
        let plane = self.plane.iter().zip(&self.array.chunk).map(|(number, side)| number / side);
        plane.chain([down, across]).collect()
    }

    /// The key under which a chunk is stored.
    fn key_of(&self, band: u32, across: u32) -> String {
        let (tall, wide) = self.per_key();
        self.array.keys.key(&self.key, &self.numbers(u64::from(band) / tall, u64::from(across) / wide))
    }

    /// What messages call a chunk.
    fn chunk_name(&self, band: u32, across: u32) -> String {
        let ((tall, wide), (band, across)) = (self.per_key(), (u64::from(band), u64::from(across)));
        let key = self.array.keys.key("", &self.numbers(band / tall, across / wide));
        match self.array.codecs.shard {
            None => format!("chunk {key}"),
            Some(_) => format!("chunk {}, {} of shard {key}", band % tall, across % wide),
        }
    }

    /// A chunk that is not what it should be.
    fn wrong(&self, band: u32, across: u32, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::format(Place::Part(self.chunk_name(band, across)), expected, found).in_file(&self.name)
    }

    /// The stored bytes of a chunk that cannot be read, or are not those that a zip file has a checksum of.
    fn unread(&self, at: At, error: Error) -> Error {
        match error {
            Error::Format(error) => self.wrong(at.band, at.across, error.expected.clone(), error.found.clone()),
            error => error.in_file(&self.name),
        }
    }

    fn fault(&self, at: At, fault: Fault) -> Error {
        let found = match fault {
            Fault::TooFew(count) => format!("only {count}"),
            Fault::TooMany => "more".into(),
            Fault::Damaged(error) if error.raw_os_error().is_some() => return Error::io("reading", &self.name, error),
            Fault::Damaged(error) => error.to_string(),
        };
        self.wrong(at.band, at.across, format!("{} bytes of pixels", self.pixels), found)
    }

    fn unfit(&self, at: At, row: u64, unfit: Unfit) -> Error {
        let row = u64::from(at.band) * u64::from(self.grid.chunk.height) + row;
        unfit.error(row, u64::from(self.grid.columns(at.across).start)).in_file(&self.name)
    }

    /// Where a chunk under a key of its own is stored.
    fn look_for(&self, band: u32, across: u32) -> Result<Stored> {
        let length = self.store.length(&self.key_of(band, across))?;
        Ok(length.map_or(Stored::Absent, |length| Stored::At { offset: 0, length }))
    }

    /// Whether nothing at all is stored for a row of keys, as far as that is known without asking for each.
    fn is_empty(&self, band: u32) -> bool {
        let key = self.key_of(band, 0);
        self.array.keys.separator == '/'
            && key.rsplit_once('/').is_some_and(|(folder, _)| !self.store.has_folder(folder))
    }

    /// What is stored for a chunk; an error when that cannot be its pixels.
    fn check(&self, band: u32, across: u32, stored: Stored) -> Result<Stored> {
        if let Stored::At { length, .. } = stored
            && let Some(found) = self.codecs().implausible(length, self.pixels)
        {
            return Err(self.wrong(band, across, format!("{} bytes of pixels", self.pixels), found));
        }
        Ok(stored)
    }

    /// The indices of the shards that hold the chunks of `band`.
    fn read_indices(&self, band: u32) -> Result<Band> {
        let (tall, wide) = self.per_key();
        let number = u64::from(band) / tall;
        let count = u64::from(self.grid.across()).div_ceil(wide);
        // Entries of the plane in all shards side by side, of which each holds 16 bytes.
        let needed = count.saturating_mul(tall).saturating_mul(wide).saturating_mul(size_of::<Stored>() as u64);
        let empty = self.is_empty(band);
        let mut shards = Vec::new();
        let mut held = 0_u64;
        for across in 0..count {
            // Both fit: they are numbers of chunks.
            let at = ((number * tall) as u32, (across * wide) as u32);
            let shard = if empty { None } else { self.read_index(at)? };
            if shard.is_some() && needed > self.memory {
                let what = "indices of shards side by side".to_owned();
                return Err(Error::Memory { what: what.into(), needed, limit: Some(self.memory) }.in_file(&self.name));
            }
            let inflated = shard.iter().flat_map(|index| &index.shard).map(|shard| shard.length);
            held = held.saturating_add(inflated.sum());
            if held > self.memory / 2 {
                let what = "inflated shards side by side".to_owned();
                return Err(
                    Error::Memory { what: what.into(), needed: held, limit: Some(self.memory / 2) }.in_file(&self.name)
                );
            }
            shards.push(shard);
        }
        Ok(Band { number, shards })
    }

    /// Where the plane's chunks of a shard are; `at` is the first of them.
    fn read_index(&self, at: (u32, u32)) -> Result<Option<Index>> {
        let key = self.key_of(at.0, at.1);
        let Some(shard) = &self.array.codecs.shard else { return Ok(None) };
        let Some(blob) = self.store.open(&key, self.memory / 2)? else { return Ok(None) };
        let wrong = |expected: String, found: String| {
            let name = self
                .array
                .keys
                .key("", &self.numbers(u64::from(at.0) / self.per_key().0, u64::from(at.1) / self.per_key().1));
            Err(Error::format(Place::Part(format!("shard {name}")), expected, found).in_file(&self.name))
        };
        let chunks = self.per_key.iter().try_fold(1_u64, |all, count| all.checked_mul(*count));
        let checksum = if shard.index_checksum { CHECKSUM } else { 0 };
        let bytes = chunks.and_then(|chunks| chunks.checked_mul(ENTRY)?.checked_add(checksum));
        let Some(bytes) = bytes.filter(|&bytes| bytes <= blob.length) else {
            let expected =
                format!("the index of {} chunks", chunks.map_or("too many".into(), |chunks| chunks.to_string()));
            return wrong(expected, format!("{} bytes", blob.length));
        };
        if bytes > self.memory {
            let what = "the index of a shard".to_owned();
            return Err(
                Error::Memory { what: what.into(), needed: bytes, limit: Some(self.memory) }.in_file(&self.name)
            );
        }
        let mut index = Vec::new();
        blob.part(if shard.at_start { 0 } else { blob.length - bytes }, bytes).read(&mut index)?;
        let index = match shard.index_checksum.then(|| checked(&index)).transpose() {
            Ok(checked) => checked.unwrap_or(&index),
            Err(Fault::Damaged(error)) => return wrong("an index whose checksum is right".into(), error.to_string()),
            Err(_) => return wrong("an index".into(), "none".into()),
        };
        let (tall, wide) = self.per_key();
        // The place of the plane among the chunks of the shard.
        let sides = &shard.chunk;
        let planes = self.plane.iter().zip(&self.array.chunk).zip(sides.iter().zip(&self.per_key));
        let first =
            planes.fold(0, |sum, ((number, all), (side, count))| sum * count + number % all / side) * tall * wide;
        let mut places = Vec::new();
        // Both fit, as all chunks of the shard do.
        let (first, count) = (first as usize, (tall * wide) as usize);
        reserve(&mut places, count, "the index of a shard")?;
        for entry in index.chunks_exact(ENTRY as usize).skip(first).take(count) {
            let number = |bytes: &[u8]| {
                let bytes = bytes.try_into().unwrap_or_default();
                if shard.index_big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
            };
            places.push(match (number(&entry[..8]), number(&entry[8..])) {
                (u64::MAX, u64::MAX) => Stored::Absent,
                (offset, length) if offset.checked_add(length).is_some_and(|end| end <= blob.length) => {
                    Stored::At { offset, length }
                }
                (offset, length) => {
                    let found = format!("{length} bytes from byte {offset} of {}", blob.length);
                    return wrong("chunks inside the shard".into(), found);
                }
            });
        }
        Ok(Some(Index { places, shard: blob.inflated.then_some(blob) }))
    }

    /// Where the chunks of a band are, in shards.
    fn places_in_shards(&self, band: u32) -> Result<Vec<Stored>> {
        let (tall, wide) = self.per_key();
        let mut held = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let indices = match held.take() {
            Some(indices) if indices.number == u64::from(band) / tall => indices,
            _ => self.read_indices(band)?,
        };
        let place = |across: u32| {
            let (shard, column) = (u64::from(across) / wide, u64::from(across) % wide);
            let index = u64::from(band) % tall * wide + column;
            let shard = indices.shards.get(shard as usize).and_then(Option::as_ref);
            shard.and_then(|shard| shard.places.get(index as usize)).copied().unwrap_or(Stored::Absent)
        };
        let places = (0..self.grid.across()).map(|across| self.check(band, across, place(across))).collect();
        *held = Some(indices);
        places
    }

    /// The shard of a chunk, when it is held; its index was checked against it.
    fn held_shard(&self, at: At) -> Option<Blob> {
        self.array.codecs.shard.as_ref()?;
        let (tall, wide) = self.per_key();
        let held = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let band = held.as_ref().filter(|band| band.number == u64::from(at.band) / tall)?;
        band.shards.get((u64::from(at.across) / wide) as usize)?.as_ref()?.shard.clone()
    }

    /// Bytes that opening what holds a chunk takes.
    fn opening_bytes(&self, at: At) -> u64 {
        match self.array.codecs.shard {
            // They are held for all chunks.
            Some(_) => 0,
            None => self.store.opening_bytes(&self.key_of(at.band, at.across)),
        }
    }

    /// The stored bytes of a chunk.
    fn blob(&self, at: At) -> Result<Option<Blob>> {
        let Stored::At { offset, length } = at.place else { return Ok(None) };
        if let Some(shard) = self.held_shard(at) {
            return Ok(Some(shard.part(offset, length)));
        }
        let Some(blob) = self.store.open(&self.key_of(at.band, at.across), self.memory)? else { return Ok(None) };
        if self.array.codecs.shard.is_none() && blob.length == length {
            return Ok(Some(blob));
        }
        if offset.checked_add(length).is_none_or(|end| end > blob.length) {
            let found = format!("a file of {} bytes now", blob.length);
            return Err(self.wrong(at.band, at.across, format!("{length} bytes from byte {offset}"), found));
        }
        Ok(Some(blob.part(offset, length)))
    }

    /// Whether a chunk stores its rows as the rows of labels lie in memory, so that it is decoded right there.
    fn in_place(&self, band: u32) -> bool {
        let (grid, layout) = (&self.grid, self.layout);
        let shown = u64::from(grid.rows(band)) * grid.row_bytes() as u64;
        layout.across == 1 && layout.down == u64::from(grid.shape.width) && layout.first == 0 && self.pixels == shown
    }

    /// Bytes of a row of a chunk that is stored row by row.
    fn stored_row_bytes(&self) -> u64 {
        self.layout.down.saturating_mul(self.grid.label_bytes() as u64)
    }

    /// Puts the plane of a chunk's pixels, which is not stored row by row, into rows.
    fn place_rows(&self, at: At, pixels: &[u8], rows: &mut Rows<'_>) -> Result<()> {
        let bytes = self.grid.label_bytes();
        // All fit, because the pixels are in memory.
        let (first, down, across) = (
            self.layout.first as usize * bytes,
            self.layout.down as usize * bytes,
            self.layout.across as usize * bytes,
        );
        let mut rows: Vec<&mut [u8]> = rows.each().collect();
        let width = rows.first().map_or(0, |row| row.len() / bytes);
        // Some columns at once, so that what is read of them stays in the cache from row to row.
        for columns in (0..width).step_by(COLUMNS) {
            let end = width.min(columns + COLUMNS);
            for (number, row) in rows.iter_mut().enumerate() {
                let start = first + number * down;
                for (column, label) in (columns..end).zip(row[columns * bytes..end * bytes].chunks_exact_mut(bytes)) {
                    label.copy_from_slice(&pixels[start + column * across..][..bytes]);
                }
            }
        }
        rows.into_iter().zip(0..).try_for_each(|(row, number)| self.finish_row(at, row, number))
    }

    /// Makes labels of a row of samples, where they lie.
    fn finish_row(&self, at: At, row: &mut [u8], number: u64) -> Result<()> {
        self.array.samples.decode_in_place(false, row).map_err(|unfit| self.unfit(at, number, unfit))
    }
}

/// Height and width of the planes of an array.
pub(super) fn shape_of(array: &Array) -> Result<Shape> {
    let [.., height, width] = array.shape[..] else { return Shape::new(0, 0) };
    Shape::new(height, width)
}

impl Chunks for ArrayChunks {
    type Place = Stored;
    type Scratch = Scratch;
    type Stream = Stream;

    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn name(&self) -> &Path {
        &self.name
    }

    fn stored_bytes(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    fn places(&self, bands: Range<u32>) -> Result<Vec<Stored>> {
        let mut places = Vec::with_capacity(bands.len() * self.grid.across() as usize);
        for band in bands {
            let before = places.len();
            if self.array.codecs.shard.is_some() {
                places.extend(self.places_in_shards(band)?);
            } else if self.is_empty(band) {
                places.extend((0..self.grid.across()).map(|_| Stored::Absent));
            } else {
                for across in 0..self.grid.across() {
                    places.push(self.check(band, across, self.look_for(band, across)?)?);
                }
            }
            // Once, however often it is asked for.
            if self.counted.fetch_max(band + 1, Ordering::Relaxed) <= band {
                let length = |place: &Stored| if let Stored::At { length, .. } = place { *length } else { 0 };
                self.stored.fetch_add(places[before..].iter().map(length).sum(), Ordering::Relaxed);
            }
        }
        Ok(places)
    }

    fn length(&self, place: Stored) -> Option<u64> {
        match place {
            Stored::Absent => Some(0),
            // What is stored in no bytes is damaged, not absent.
            Stored::At { length: 0, .. } => None,
            Stored::At { length, .. } => Some(length),
        }
    }

    fn fetch(&self, at: At, bytes: &mut Vec<u8>) -> Result<Fetched> {
        match self.blob(at)? {
            None => Ok(Fetched::Absent),
            Some(blob) => {
                blob.read(bytes).map_err(|error| self.unread(at, error))?;
                Ok(Fetched::Read)
            }
        }
    }

    fn decode<'a>(&self, at: At, stored: &[u8], scratch: &'a mut Scratch) -> Result<Labels<'a>> {
        let Scratch { decoder, pixels, labels } = scratch;
        let pixels = pixels.first(self.pixels, "pixels of a chunk")?;
        self.codecs().decode(decoder, stored, pixels).map_err(|fault| self.fault(at, fault))?;
        let bytes = self.grid.label_bytes();
        let (rows, row_bytes) = (self.grid.rows(at.band), self.grid.columns(at.across).len() * bytes);
        if self.layout.across != 1 {
            let labels = labels.first(u64::from(rows) * row_bytes as u64, "labels of a chunk")?;
            self.place_rows(at, pixels, &mut Rows::Together { rows: labels, row_bytes })?;
            return Ok(Labels { bytes: labels, row_bytes });
        }
        // Both fit, because the pixels are in memory.
        let (first, down) = (self.layout.first as usize * bytes, self.layout.down as usize * bytes);
        for number in 0..rows {
            let start = first + number as usize * down;
            self.finish_row(at, &mut pixels[start..start + row_bytes], u64::from(number))?;
        }
        Ok(Labels { bytes: &pixels[first..], row_bytes: down })
    }

    fn decode_into(&self, at: At, stored: &[u8], scratch: &mut Scratch, rows: &mut Rows<'_>) -> Result<()> {
        if let Rows::Together { rows: labels, .. } = rows
            && self.in_place(at.band)
        {
            self.codecs().decode(&mut scratch.decoder, stored, labels).map_err(|fault| self.fault(at, fault))?;
            return rows.each().zip(0..).try_for_each(|(row, number)| self.finish_row(at, row, number));
        }
        rows.copy(self.decode(at, stored, scratch)?);
        Ok(())
    }

    fn work_bytes(&self, at: At) -> u64 {
        let Stored::At { length, .. } = at.place else { return 0 };
        let labels = match self.layout.across {
            1 => 0,
            _ => {
                u64::from(self.grid.rows(at.band))
                    * (self.grid.columns(at.across).len() * self.grid.label_bytes()) as u64
            }
        };
        let parts = [length, self.pixels, labels, self.opening_bytes(at), self.codecs().decoder_bytes(self.pixels)];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    fn work_bytes_into(&self, at: At) -> u64 {
        self.work_bytes(at).saturating_sub(if self.in_place(at.band) { self.pixels } else { 0 })
    }

    fn stream_bytes(&self, at: At) -> Option<u64> {
        let row = self.stored_row_bytes();
        (self.codecs().streams() && row <= MOST_ROW_BYTES)
            .then(|| self.codecs().stream_bytes(self.pixels).saturating_add(row).saturating_add(self.opening_bytes(at)))
    }

    fn stream(&self, at: At) -> Result<Stream> {
        let fault = |fault| self.fault(at, fault);
        let Some(blob) = self.blob(at)? else {
            return Err(self.wrong(at.band, at.across, "a chunk that was there before", "none"));
        };
        blob.check().map_err(|error| self.unread(at, error))?;
        let mut pixels = self.codecs().stream(blob, self.pixels).map_err(fault)?;
        let before = self.layout.first.saturating_mul(self.grid.label_bytes() as u64);
        let mut skipped = 0;
        let mut buffer = [0; 4096];
        while skipped < before {
            let count = (before - skipped).min(buffer.len() as u64) as usize;
            decompress::read_exact(&mut *pixels, &mut buffer[..count]).map_err(fault)?;
            skipped += count as u64;
        }
        let stored_row = zeroed(self.stored_row_bytes(), "a row of a chunk")?;
        Ok(Stream { pixels, stored_row, left: self.pixels - before })
    }

    fn read_stream(&self, at: At, stream: &mut Stream, first: u32, rows: &mut [&mut [u8]]) -> Result<()> {
        let Stream { pixels, stored_row, left } = stream;
        let mut number = u64::from(first);
        for row in rows {
            let fault = |fault| match fault {
                Fault::TooFew(count) => self.fault(at, Fault::TooFew(self.pixels - *left + count)),
                fault => self.fault(at, fault),
            };
            decompress::read_exact(&mut **pixels, stored_row).map_err(fault)?;
            *left = left.saturating_sub(stored_row.len() as u64);
            let done = self.array.samples.decode(stored_row, false, row);
            done.map_err(|unfit| self.unfit(at, number, unfit))?;
            number += 1;
        }
        if number == u64::from(self.grid.rows(at.band)) {
            decompress::skip_to_end(&mut **pixels, *left, *left).map_err(|fault| match fault {
                Fault::TooFew(count) => self.fault(at, Fault::TooFew(self.pixels - *left + count)),
                fault => self.fault(at, fault),
            })?;
        }
        Ok(())
    }
}
