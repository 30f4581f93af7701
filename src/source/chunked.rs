//! Chunked masks: a grid of chunks (tiles, strips, blocks of an array) read as rows.
//!
//! Gets [`Chunks`], which knows where each chunk is stored and how it is decoded; gives a [`Source`]. Chunks are decoded in
//! parallel and given where they were decoded, see [`blocks`], or put into the rows that are asked for. A row of chunks may
//! be asked for in parts, see [`part`]; memory stays bounded whatever the chunks' size. How rows are asked for changes
//! neither the labels nor whether there is an error, and neither depends on the number of threads or on what they do first.
//!
//! ```text
//!   read ->  +-------+-------+-------+---+
//!            | chunk | chunk |absent |   |    absent: the fill label; nothing is read
//!            |       |       |       |   |    the same bytes as a chunk of one label: filled, not decoded
//!            +-------+-------+-------+---+    others: read, decoded, checked, put in place
//! ```
//!
//! A "band" is a row of chunks: all that lie side by side.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;

use self::constant::ConstantChunks;
pub(crate) use self::grid::Grid;
use self::part::Part;
use self::rows::fill_rows;
pub(crate) use self::rows::{Labels, Rows};
use super::{Repeat, Source, TakeBlock, check_left, row_count, skip_by_reading};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::memory::{LabelBytes, zeroed};
use crate::shape::Shape;
use crate::threads;

mod blocks;
mod constant;
mod grid;
mod part;
mod rows;
#[cfg(test)]
mod tests;

/// Bytes of labels in bands of small chunks that are read together, so that every thread has some to decode.
const TOGETHER_BYTES: u64 = 1 << 22;

/// Chunks that are read together, unless more lie side by side.
const CHUNKS_TOGETHER: u32 = 1 << 16;

/// A chunk: which one it is, and where its bytes are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<P> {
    /// Its band.
    pub(crate) band: u32,
    /// Its number in the band.
    pub(crate) across: u32,
    /// Where its bytes are.
    pub(crate) place: P,
}

/// What came of looking for a chunk's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// There are none: all its pixels have the fill label.
    Absent,
    /// They were read. Two chunks with as many stored rows and the same bytes hold the same labels.
    Read,
    /// They were not read; [`Chunks::decode`] does that. Such chunks are not recognised.
    Unread,
}

/// A store of chunks: where they are, and how they are decoded.
///
/// Implementations give the same answer for the same chunk whoever asks first, and name the chunk in errors.
pub(crate) trait Chunks: Send + Sync {
    /// Where the bytes of a chunk are, as far as that is known before they are read.
    type Place: Copy + fmt::Debug + Send + Sync;

    /// What one thread needs to decode a chunk; kept for the next.
    type Scratch: Default + Send;

    /// A chunk that is decoded a few rows at a time.
    type Stream: Send;

    /// How the mask is cut.
    fn grid(&self) -> &Grid;

    /// What messages call the file.
    fn name(&self) -> &Path;

    /// Bytes of the file.
    fn stored_bytes(&self) -> u64;

    /// Where the chunks of some bands are: band by band, from left to right.
    fn places(&self, bands: Range<u32>) -> Result<Vec<Self::Place>>;

    /// Stored bytes of a chunk: 0 when it is known to be absent, `None` when nothing is known.
    fn length(&self, place: Self::Place) -> Option<u64>;

    /// Reads the bytes of a chunk into `bytes`.
    fn fetch(&self, at: At<Self::Place>, bytes: &mut Vec<u8>) -> Result<Fetched>;

    /// Decodes a chunk whole from the bytes that were fetched, in memory of `scratch`; gives the labels that the mask shows
    /// of it, which begin where labels of their type may.
    fn decode<'a>(&self, at: At<Self::Place>, bytes: &[u8], scratch: &'a mut Self::Scratch) -> Result<Labels<'a>>;

    /// As [`Chunks::decode`], into `rows`.
    fn decode_into(
        &self,
        at: At<Self::Place>,
        bytes: &[u8],
        scratch: &mut Self::Scratch,
        rows: &mut Rows<'_>,
    ) -> Result<()> {
        rows.copy(self.decode(at, bytes, scratch)?);
        Ok(())
    }

    /// Bytes of memory that [`Chunks::fetch`] and [`Chunks::decode`] need for this chunk.
    fn work_bytes(&self, at: At<Self::Place>) -> u64;

    /// The same for [`Chunks::decode_into`], the rows not counted.
    fn work_bytes_into(&self, at: At<Self::Place>) -> u64 {
        self.work_bytes(at)
    }

    /// Bytes of memory that a stream of this chunk takes; `None` when chunks can only be decoded whole.
    fn stream_bytes(&self, at: At<Self::Place>) -> Option<u64>;

    /// Begins to decode a chunk a few rows at a time.
    fn stream(&self, at: At<Self::Place>) -> Result<Self::Stream>;

    /// Fills the next rows of a stream, of which the first is row `first` of the chunk. With its last row it sees that
    /// the chunk ends as it should.
    fn read_stream(
        &self,
        at: At<Self::Place>,
        stream: &mut Self::Stream,
        first: u32,
        rows: &mut [&mut [u8]],
    ) -> Result<()>;
}

/// Chunks, and what is known of them.
struct Reader<C: Chunks> {
    chunks: C,
    constants: ConstantChunks,
    scratch: Mutex<Vec<Scratch<C>>>,
    memory: Memory,
}

/// Bytes that may be allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// To decode one chunk whole, besides the rows that it fills; half of it beside what is held and streams.
    pub(crate) chunk: u64,
    /// For the labels of chunks of which only some rows are asked for.
    pub(crate) held: u64,
    /// For streams, besides what is left of what may be held.
    pub(crate) streams: u64,
}

impl Memory {
    /// `bytes` in all, where so many threads decode.
    pub(crate) fn of(bytes: u64, threads: usize) -> Self {
        Self { chunk: bytes / 2 / threads.max(1) as u64, held: bytes / 4, streams: bytes / 2 }
    }
}

/// What one thread needs to read a chunk; kept for the next.
struct Scratch<C: Chunks> {
    bytes: Vec<u8>,
    own: C::Scratch,
    /// The labels of chunks that become one block.
    labels: LabelBytes,
}

impl<C: Chunks> Reader<C> {
    /// Whether a chunk is small enough to be decoded whole.
    fn fits(&self, at: At<C::Place>) -> bool {
        self.chunks.length(at.place) == Some(0) || self.chunks.work_bytes_into(at) <= self.memory.chunk
    }

    /// The label of a chunk that need not be decoded, when that is known.
    fn known(&self, at: At<C::Place>, bytes: &mut Vec<u8>) -> Result<Known> {
        let length = self.chunks.length(at.place);
        if length == Some(0) {
            return Ok(Known::Label(self.chunks.grid().fill));
        }
        match self.chunks.fetch(at, bytes)? {
            Fetched::Absent => Ok(Known::Label(self.chunks.grid().fill)),
            Fetched::Unread => Ok(Known::Nothing { recognisable: false }),
            Fetched::Read => Ok(match self.constants.get(self.chunks.grid().stored_rows(at.band), bytes) {
                Some(label) => Known::Label(label),
                None => Known::Nothing { recognisable: true },
            }),
        }
    }

    /// The label of a chunk that needs not even be read, or is as long as one that was found constant and turns out to be
    /// the same. What cannot be read is not known.
    fn known_early(&self, at: At<C::Place>) -> Option<u64> {
        let length = self.chunks.length(at.place)?;
        if length > 0 && !self.constants.may_hold(self.chunks.grid().stored_rows(at.band), length) {
            return None;
        }
        self.with_scratch(|scratch| match self.known(at, &mut scratch.bytes) {
            Ok(Known::Label(label)) => Some(label),
            _ => None,
        })
    }

    /// Fills the rows of a chunk that fits; gives the label of all, when they have one. When that was known before, and
    /// `sparse`, only the first and last row are filled.
    fn read(&self, at: At<C::Place>, rows: &mut Rows<'_>, sparse: bool) -> Result<Option<u64>> {
        self.with_scratch(|scratch| self.read_with(scratch, at, rows, sparse))
    }

    fn read_with(
        &self,
        scratch: &mut Scratch<C>,
        at: At<C::Place>,
        rows: &mut Rows<'_>,
        sparse: bool,
    ) -> Result<Option<u64>> {
        let label_bytes = self.chunks.grid().label_bytes();
        match self.known(at, &mut scratch.bytes)? {
            Known::Label(label) => {
                fill_rows(rows.each(), label, label_bytes, sparse);
                Ok(Some(label))
            }
            Known::Nothing { recognisable } => {
                self.chunks.decode_into(at, &scratch.bytes, &mut scratch.own, rows)?;
                let looked_at = recognisable && ConstantChunks::accepts(&scratch.bytes);
                let label = looked_at.then(|| rows.constant(label_bytes)).flatten();
                label.inspect(|label| self.learn(at, &scratch.bytes, *label));
                Ok(label)
            }
        }
    }

    /// Remembers that all labels that the mask shows of a chunk are this one.
    fn learn(&self, at: At<C::Place>, bytes: &[u8], label: u64) {
        let grid = self.chunks.grid();
        // Of which only a part is shown says nothing about others.
        if grid.shows_all(at.band, at.across) {
            self.constants.insert(grid.stored_rows(at.band), bytes, label);
        }
    }

    /// Reads a chunk that fits: all its labels, row after row; or the one that they all are.
    fn read_alone(&self, at: At<C::Place>) -> Result<Alone> {
        let grid = self.chunks.grid();
        if self.chunks.length(at.place) == Some(0) {
            return Ok(Alone::Constant(grid.fill));
        }
        let bytes = grid.shown_bytes(at.band, at.across);
        let mut labels = zeroed(bytes, "pixels of a tile")?;
        let row_bytes = grid.chunk_row_bytes(at.across);
        let label = self.read(at, &mut Rows::Together { rows: &mut labels, row_bytes }, true)?;
        Ok(label.map_or(Alone::Labels(labels), Alone::Constant))
    }

    fn with_scratch<R>(&self, work: impl FnOnce(&mut Scratch<C>) -> R) -> R {
        let scratch = self.scratch.lock().ok().and_then(|mut all| all.pop());
        let mut scratch = scratch.unwrap_or_else(|| Scratch {
            bytes: Vec::new(),
            own: C::Scratch::default(),
            labels: LabelBytes::default(),
        });
        let result = work(&mut scratch);
        if let Ok(mut all) = self.scratch.lock() {
            all.push(scratch);
        }
        result
    }
}

/// What is known of a chunk before it is decoded.
enum Known {
    /// All its pixels have this label.
    Label(u64),
    /// Nothing; whether it can be recognised the next time.
    Nothing { recognisable: bool },
}

/// A chunk that was decoded by itself.
enum Alone {
    Constant(u64),
    Labels(Vec<u8>),
}

/// A mask of chunks, read from top to bottom.
pub(crate) struct ChunkedSource<C: Chunks> {
    reader: Reader<C>,
    pool: Option<rayon::ThreadPool>,
    next_row: u32,
    /// The band that holds the next row, when some of its rows have been given.
    part: Option<Part<C>>,
}

impl<C: Chunks> fmt::Debug for ChunkedSource<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkedSource")
            .field("name", &self.reader.chunks.name())
            .field("grid", &self.reader.chunks.grid())
            .finish_non_exhaustive()
    }
}

impl<C: Chunks> ChunkedSource<C> {
    /// A mask of these chunks, decoded by the threads of `pool`, or else by those that the reading thread is one of.
    pub(crate) fn new(chunks: C, pool: Option<rayon::ThreadPool>, memory: Memory) -> Self {
        let reader = Reader { chunks, constants: ConstantChunks::default(), scratch: Mutex::default(), memory };
        Self { reader, pool, next_row: 0, part: None }
    }

    fn grid(&self) -> &Grid {
        self.reader.chunks.grid()
    }

    /// The chunks of some bands.
    fn at(&self, bands: Range<u32>) -> Result<Vec<At<C::Place>>> {
        let places = self.reader.chunks.places(bands.clone())?;
        let positions = bands.flat_map(|band| (0..self.grid().across()).map(move |across| (band, across)));
        Ok(positions.zip(places).map(|((band, across), place)| At { band, across, place }).collect())
    }

    /// Fills `rows`, all rows of the bands of `all`; with `repeats`, without what they then list, of which the rows
    /// count from the first here.
    fn read_bands(
        &self,
        all: &[At<C::Place>],
        mut rows: &mut [u8],
        mut repeats: Option<&mut Vec<Repeat>>,
    ) -> Result<()> {
        let (grid, reader, sparse) = (self.grid(), &self.reader, repeats.is_some());
        let across = grid.across() as usize;
        // First what needs no decoding, because its rows need not even be told apart.
        let known: Vec<Option<u64>> = match sparse {
            true => self.run(|| threads::map(all.len(), |index| reader.known_early(all[index]))),
            false => vec![None; all.len()],
        };
        let mut work = Vec::with_capacity(all.len());
        for (band, known) in all.chunks(across).zip(known.chunks(across)) {
            let (these, rest) = rows.split_at_mut(grid.rows(band[0].band) as usize * grid.row_bytes());
            rows = rest;
            let parts = self.split(these, |index| known[index].is_some());
            work.extend(band.iter().zip(known).zip(parts));
        }
        let read = |((at, known), rows): &mut ((&At<C::Place>, &Option<u64>), Rows<'_>)| match known {
            Some(label) => {
                fill_rows(rows.each(), *label, grid.label_bytes(), true);
                Ok(true)
            }
            None => reader.read(**at, rows, sparse).map(|label| label.is_some()),
        };
        let mut results: Vec<Result<bool>> = self.run(|| threads::map_mut(&mut work, read));
        let mut row = 0;
        for (band, results) in all.chunks(across).zip(results.chunks_mut(across)) {
            let height = grid.rows(band[0].band);
            // In order, so that the error is that of the first chunk that has one, whatever the threads did first.
            for (result, across) in results.iter_mut().zip(0..) {
                let constant = std::mem::replace(result, Ok(true))?;
                if let Some(repeats) = &mut repeats
                    && constant
                {
                    repeats.push(Repeat { rows: row + 1..row + height, columns: grid.columns(across) });
                }
            }
            row += height;
        }
        Ok(())
    }

    /// The parts of `rows` that lie in each of the chunks side by side; of those that `only_ends` names, by their number,
    /// only the first and last row.
    fn split<'a>(&self, rows: &'a mut [u8], only_ends: impl Fn(usize) -> bool) -> Vec<Rows<'a>> {
        let grid = self.grid();
        let row_bytes = grid.row_bytes();
        if grid.across() == 1 {
            return vec![Rows::Together { rows, row_bytes }];
        }
        let across = grid.across() as usize;
        let height = rows.len() / row_bytes;
        let chunk_bytes = (grid.chunk.width as usize).saturating_mul(grid.label_bytes());
        let whole: Vec<usize> = (0..across).filter(|&index| !only_ends(index)).collect();
        let mut parts: Vec<Vec<&mut [u8]>> = (0..across).map(|_| Vec::new()).collect();
        whole.iter().for_each(|&index| parts[index].reserve_exact(height));
        for (number, row) in rows.chunks_exact_mut(row_bytes).enumerate() {
            if number == 0 || number + 1 == height {
                parts.iter_mut().zip(row.chunks_mut(chunk_bytes)).for_each(|(part, piece)| part.push(piece));
                continue;
            }
            let (mut rest, mut start) = (row, 0);
            for &index in &whole {
                let from = index * chunk_bytes;
                let to = row_bytes.min(from + chunk_bytes);
                let (_, after) = rest.split_at_mut(from - start);
                let (piece, after) = after.split_at_mut(to - from);
                parts[index].push(piece);
                (rest, start) = (after, to);
            }
        }
        parts.into_iter().map(Rows::Apart).collect()
    }

    fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        threads::install(self.pool.as_ref(), work)
    }

    /// Fills the beginning of `rows` from the band that holds the next row; gives the number of rows filled.
    fn read_next(&mut self, rows: &mut [u8], repeats: Option<&mut Vec<Repeat>>) -> Result<u32> {
        let grid = self.grid();
        let row_bytes = grid.row_bytes();
        let (band, skipped) = (self.next_row / grid.chunk.height, self.next_row % grid.chunk.height);
        // At most the mask's height.
        let asked = (rows.len() / row_bytes) as u32;
        if skipped == 0 {
            let whole = match self.next_row + asked == grid.shape.height {
                true => grid.down() - band,
                false => asked / grid.chunk.height,
            };
            if whole > 0 {
                let all = self.at(band..band + whole)?;
                if all.iter().all(|&at| self.reader.fits(at)) {
                    let height = (band..band + whole).map(|band| grid.rows(band)).sum::<u32>();
                    self.read_bands(&all, &mut rows[..height as usize * row_bytes], repeats)?;
                    return Ok(height);
                }
            }
            let all = self.at(band..band + 1)?;
            self.part = Some(self.run(|| Part::begin(&self.reader, &all))?);
        }
        let height = self.grid().rows(band);
        let count = asked.min(height - skipped);
        let Some(mut part) = self.part.take() else {
            let message = "the rows before could not be read, so the next ones cannot be".into();
            return Err(Error::Argument(message).in_file(self.reader.chunks.name()));
        };
        let parts = self.split(&mut rows[..count as usize * row_bytes], |_| false);
        let constant = self.run(|| part.read(&self.reader, parts, repeats.is_some()))?;
        if let Some(repeats) = repeats {
            let constant = (0..).zip(constant).filter(|(_, constant)| *constant);
            repeats.extend(constant.map(|(across, _)| Repeat { rows: 1..count, columns: self.grid().columns(across) }));
        }
        if skipped + count < height {
            self.part = Some(part);
        }
        Ok(count)
    }
}

impl<C: Chunks> Source for ChunkedSource<C> {
    fn shape(&self) -> Shape {
        self.grid().shape
    }

    fn dtype(&self) -> Dtype {
        self.grid().dtype
    }

    fn stored_bytes(&self) -> Option<u64> {
        Some(self.reader.chunks.stored_bytes())
    }

    fn band_rows(&self) -> u32 {
        let grid = self.grid();
        let bytes = u64::from(grid.chunk.height) * grid.row_bytes() as u64;
        let bands = match grid.across() {
            1 => TOGETHER_BYTES.min(self.reader.memory.held / 2) / bytes.max(1),
            _ => 1,
        };
        let rows = u64::from(grid.chunk.height).saturating_mul(bands.max(1));
        // At most the height, which fits.
        rows.min(u64::from(grid.shape.height)) as u32
    }

    fn read_blocks(&mut self, rows: u32, take: TakeBlock<'_>) -> Result<u32> {
        check_left(self.shape(), self.next_row, rows)?;
        let (tall, across) = (self.grid().chunk.height, self.grid().across());
        let most = (CHUNKS_TOGETHER / across.max(1)).max(1).saturating_mul(tall);
        let end = (self.next_row + rows).min(self.next_row.saturating_add(most));
        // To the end of a band, where that is not too far.
        let whole = match end == self.shape().height {
            true => end - self.next_row,
            false => (end / tall * tall).saturating_sub(self.next_row),
        };
        let rows = if whole > 0 { whole } else { end - self.next_row };
        if rows == 0 || !self.take_rows(rows, take)? {
            return Ok(0);
        }
        self.part = None;
        self.next_row += rows;
        Ok(rows)
    }

    fn skip(&mut self, rows: u32) -> Result<()> {
        check_left(self.shape(), self.next_row, rows)?;
        let height = self.grid().chunk.height;
        // A chunk is read from its first row on: there is no other way to a row inside it.
        let inside = match self.next_row / height == (self.next_row + rows) / height {
            true if self.part.is_some() => rows,
            _ => (self.next_row + rows) % height,
        };
        if rows > inside {
            self.part = None;
            self.next_row += rows - inside;
        }
        skip_by_reading(self, inside)
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
            rows = &mut rows[count as usize * self.grid().row_bytes()..];
        }
        if let Some(repeats) = repeats {
            // A chunk of one row has nothing below its first.
            repeats.retain(|repeat| !repeat.rows.is_empty());
        }
        Ok(())
    }
}
