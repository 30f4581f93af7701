//! Runs in few bytes, as they are kept or sent from process to process; they are merged as they are.
//!
//! Gets runs; gives bytes, and back. Labels are cut into blocks of some runs, which threads pack and unpack side by side, and in
//! which a label is found without reading the blocks before it. All numbers are little-endian base-128 integers, 7 bits a byte,
//! the highest bit of a byte set where more follow:
//!
//! ```text
//! 0, or 1 in row-major order; the same plus 2, height and width where the shape is known
//! number of blocks; for each block its labels, runs and bytes; the blocks
//! block: for each label the difference to the label before it in the block, its number of runs, and for each of these how
//!        far from its place it begins, and its length
//! ```
//!
//! The place of a run is one line after the beginning of the run before it, which most runs of an object are near to. The place
//! of a label's first run is the beginning of the first run of the label before it in the block. Differences of 0, -1, 1, -2
//! ... are the numbers 0, 1, 2, 3 ...
//!
//! Bytes that are no packed runs are an error. Memory is taken for as many runs as the bytes can hold.

use std::ops::{ControlFlow, Range};

use super::build::Tail;
use super::merge::{Part, Walk, merge, stretch};
use super::{LabelRuns, Run};
use crate::error::{Error, Result};
use crate::memory::{List, zeroed};
use crate::progress::Progress;
use crate::shape::{ScanOrder, Shape};
use crate::threads;

/// Labels and runs, at least, of a block that is not the last.
const BLOCK: usize = 1 << 11;

/// Blocks that a thread packs or unpacks at a time.
const BLOCKS_AT_ONCE: usize = 1 << 5;

impl LabelRuns {
    /// The same in few bytes, mostly two for a run: [`LabelRuns::unpack`] gives the runs back, and
    /// [`LabelRuns::merge_packed`] puts parts of a mask together.
    ///
    /// ```
    /// use runmask::{LabelMask, LabelRuns, Shape};
    /// let mask = LabelMask::new(&[7u8, 7, 7, 7, 0, 7], Shape { height: 3, width: 2 })?;
    /// let runs = runmask::encode(&mask)?;
    /// let packed = runs.pack();
    /// assert!(packed.len() < 16);
    /// assert_eq!(LabelRuns::unpack(&packed)?, runs);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn pack(&self) -> Vec<u8> {
        self.pack_in(BLOCK)
    }

    /// The same in blocks of at least so many labels and runs.
    pub(super) fn pack_in(&self, block: usize) -> Vec<u8> {
        let (labels, offsets) = (&self.labels, &self.offsets);
        let mut blocks = Vec::new();
        let mut first = 0;
        for end in 1..=labels.len() {
            if end == labels.len() || offsets[end] - offsets[first] + end - first >= block {
                blocks.push(first..end);
                first = end;
            }
        }
        let line = line_of(self.shape, self.order);
        let groups: Vec<&[Range<usize>]> = blocks.chunks(BLOCKS_AT_ONCE).collect();
        let packed: Vec<(Vec<usize>, Vec<u8>)> = threads::map(groups.len(), |group| {
            let (mut ends, mut bytes) = (Vec::new(), Vec::new());
            for block in groups[group] {
                let (mut label, mut place) = (0, 0);
                for index in block.clone() {
                    let runs = self.runs_at(index);
                    put(&mut bytes, labels[index] - label);
                    put(&mut bytes, runs.len() as u64);
                    label = labels[index];
                    place = put_runs(&mut bytes, runs, place, line);
                }
                ends.push(bytes.len());
            }
            (ends, bytes)
        });
        let mut bytes =
            Vec::with_capacity(packed.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + 16 * blocks.len());
        put(&mut bytes, u64::from(self.order == ScanOrder::RowMajor) + if self.shape.is_some() { 2 } else { 0 });
        if let Some(Shape { height, width }) = self.shape {
            put(&mut bytes, height.into());
            put(&mut bytes, width.into());
        }
        put(&mut bytes, blocks.len() as u64);
        let sizes = packed.iter().flat_map(|(ends, _)| {
            ends.iter().scan(0, |before, &end| {
                let size = end - *before;
                *before = end;
                Some(size)
            })
        });
        for (block, size) in blocks.iter().zip(sizes) {
            put(&mut bytes, block.len() as u64);
            put(&mut bytes, (offsets[block.end] - offsets[block.start]) as u64);
            put(&mut bytes, size as u64);
        }
        packed.iter().for_each(|(_, packed)| bytes.extend_from_slice(packed));
        bytes
    }

    /// The runs that [`LabelRuns::pack`] has packed.
    ///
    /// # Errors
    /// [`Error::Argument`] when the bytes are no packed runs.
    pub fn unpack(packed: &[u8]) -> Result<Self> {
        let packed = Packed::new(packed)?;
        let Packed { shape, order, .. } = packed;
        let (count, runs) = (packed.labels(), packed.runs());
        let mut labels: Vec<u64> = zeroed(count as u64, "unpacked runs")?;
        let mut offsets: Vec<usize> = zeroed(count as u64 + 1, "unpacked runs")?;
        let mut all = List::sized(List::default(), runs, "unpacked runs")?;
        let mut work = Vec::with_capacity(packed.blocks.len());
        let (mut to_labels, mut to_ends, mut to_runs) = (&mut labels[..], &mut offsets[1..], &mut all[..]);
        for block in &packed.blocks {
            let labels = to_labels.split_off_mut(..block.labels).ok_or_else(damaged)?;
            let ends = to_ends.split_off_mut(..block.labels).ok_or_else(damaged)?;
            work.push((block, labels, ends, to_runs.split_off_mut(..block.runs).ok_or_else(damaged)?));
        }
        let mut groups: Vec<_> = work.chunks_mut(BLOCKS_AT_ONCE).collect();
        threads::try_map_mut(&mut groups, |group| {
            group.iter_mut().try_for_each(|(block, labels, ends, runs)| {
                let mut reader = Reader::new(block, &packed);
                let mut made = 0;
                for (to_label, to_end) in labels.iter_mut().zip(ends.iter_mut()) {
                    let (label, count) = reader.label()?.ok_or_else(damaged)?;
                    *to_label = label;
                    let mut places = runs.get_mut(made..made + count).ok_or_else(damaged)?.iter_mut();
                    reader.runs(count, |run| {
                        if let Some(place) = places.next() {
                            *place = run;
                        }
                    })?;
                    made += count;
                    *to_end = made;
                }
                reader.label()?.map_or(Ok(()), |_| Err(damaged()))
            })
        })?;
        let (mut first, mut place) = (0, 1);
        for block in &packed.blocks {
            offsets[place..place + block.labels].iter_mut().for_each(|end| *end += first);
            (first, place) = (first + block.runs, place + block.labels);
        }
        if !labels.is_sorted_by(|one, next| one < next) {
            return Err(damaged());
        }
        Ok(Self { shape, order, labels, offsets, runs: all })
    }

    /// [`LabelRuns::merge`] of packed parts, which are never unpacked as a whole: memory is taken for the result only.
    /// `progress` is told from time to time how many bytes of runs are done.
    ///
    /// # Errors
    /// Those of [`LabelRuns::merge`]; [`Error::Argument`] when a part is no packed runs; [`Error::Stopped`] when `progress`
    /// says so.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use runmask::{Encoder, LabelMask, LabelRuns, Shape};
    /// let (encoder, whole) = (Encoder::builder().build()?, Shape { height: 4, width: 1 });
    /// let half = Shape { height: 2, width: 1 };
    /// let above = encoder.encode_block(&LabelMask::new(&[0u8, 7], half)?, (0, 0), whole)?.pack();
    /// let below = encoder.encode_block(&LabelMask::new(&[7u8, 7], half)?, (2, 0), whole)?.pack();
    /// let merged = LabelRuns::merge_packed(&[&above, &below], &mut |_| ControlFlow::Continue(()))?;
    /// assert_eq!(merged, runmask::encode(&LabelMask::new(&[0u8, 7, 7, 7], whole)?)?);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn merge_packed(parts: &[&[u8]], progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Self> {
        let parts: Vec<Packed<'_>> = parts.iter().map(|part| Packed::new(part)).collect::<Result<_>>()?;
        merge(&parts, stretch(parts.len()), progress)
    }
}

/// Pixels from a run to the place of the next.
fn line_of(shape: Option<Shape>, order: ScanOrder) -> u64 {
    shape.map_or(0, |shape| u64::from(shape.line_length(order)))
}

#[cold]
fn damaged() -> Error {
    Error::Argument("packed runs that are damaged".into())
}

/// Packed runs, and where their blocks are.
pub(super) struct Packed<'a> {
    shape: Option<Shape>,
    order: ScanOrder,
    blocks: Vec<Block<'a>>,
}

struct Block<'a> {
    first: u64,
    labels: usize,
    runs: usize,
    bytes: &'a [u8],
}

impl<'a> Packed<'a> {
    pub(super) fn new(packed: &'a [u8]) -> Result<Self> {
        Self::parse(packed).ok_or_else(damaged)
    }

    fn parse(packed: &'a [u8]) -> Option<Self> {
        let mut rest = packed;
        let kind = take(&mut rest)?;
        let order = if kind & 1 == 1 { ScanOrder::RowMajor } else { ScanOrder::ColumnMajor };
        let shape = match kind {
            0 | 1 => None,
            2 | 3 => Some(Shape::new(take(&mut rest)?, take(&mut rest)?).ok()?),
            _ => return None,
        };
        let count = take_size(&mut rest)?;
        // Sizes of a block take three bytes and more.
        if count > rest.len() / 3 {
            return None;
        }
        let mut blocks = Vec::with_capacity(count);
        for _ in 0..count {
            let (labels, runs, bytes) = (take_size(&mut rest)?, take_size(&mut rest)?, take_size(&mut rest)?);
            // A label takes two bytes and more, as a run does.
            let least = labels.checked_add(runs)?.checked_mul(2)?;
            if least > bytes || bytes > packed.len() || labels == 0 {
                return None;
            }
            blocks.push((labels, runs, bytes));
        }
        let blocks = blocks.into_iter().map(|(labels, runs, bytes)| {
            let bytes = rest.split_off(..bytes)?;
            Some(Block { first: take(&mut &*bytes)?, labels, runs, bytes })
        });
        let blocks: Vec<_> = blocks.collect::<Option<_>>()?;
        let ascend = blocks.is_sorted_by(|one, next| one.first < next.first);
        (ascend && rest.is_empty()).then_some(Self { shape, order, blocks })
    }

    fn labels(&self) -> usize {
        self.blocks.iter().map(|block| block.labels).sum()
    }

    fn runs(&self) -> usize {
        self.blocks.iter().map(|block| block.runs).sum()
    }
}

impl Part for Packed<'_> {
    type Walk<'a>
        = Packing<'a>
    where
        Self: 'a;

    fn shape(&self) -> Option<Shape> {
        self.shape
    }

    fn order(&self) -> ScanOrder {
        self.order
    }

    fn stretches(&self, _: usize) -> Vec<(u64, usize)> {
        self.blocks.iter().map(|block| (block.first, block.runs)).collect()
    }

    fn walk(&self, from: u64) -> Result<Packing<'_>> {
        let after = self.blocks.partition_point(|block| block.first <= from);
        let mut walk = Packing { packed: self, block: after.saturating_sub(1), reader: None, at: None };
        walk.go_on()?;
        while let Some((label, count)) = walk.at
            && label < from
        {
            walk.reader.as_mut().ok_or_else(damaged)?.skip(count)?;
            walk.go_on()?;
        }
        Ok(walk)
    }
}

/// Where the labels of packed runs are being read.
pub(super) struct Packing<'a> {
    packed: &'a Packed<'a>,
    /// The next block.
    block: usize,
    reader: Option<Reader<'a>>,
    /// The next label, and its number of runs.
    at: Option<(u64, usize)>,
}

impl Packing<'_> {
    /// Reads the next label.
    fn go_on(&mut self) -> Result<()> {
        let before = self.at.take();
        if let Some(reader) = &mut self.reader {
            self.at = reader.label()?;
        }
        if self.at.is_none()
            && let Some(block) = self.packed.blocks.get(self.block)
        {
            self.block += 1;
            self.at = self.reader.insert(Reader::new(block, self.packed)).label()?;
        }
        // Those of a block ascend, and are less than the first of the next.
        let ends = self.packed.blocks.get(self.block).map(|block| block.first);
        match (before, self.at) {
            (Some((before, _)), Some((next, _))) if next <= before => Err(damaged()),
            (_, Some((next, _))) if ends.is_some_and(|first| first <= next) => Err(damaged()),
            _ => Ok(()),
        }
    }
}

impl Walk for Packing<'_> {
    fn label(&self) -> Option<u64> {
        self.at.map(|(label, _)| label)
    }

    fn take(&mut self, runs: &mut Vec<Run>) -> Result<()> {
        if let (Some(reader), Some((_, count))) = (&mut self.reader, self.at) {
            // Each has a byte and more for its start, and for its length.
            let mut tail = Tail::new(runs, count.min(reader.bytes.len() / 2))?;
            reader.runs(count, |run| tail.push(run))?;
        }
        self.go_on()
    }
}

/// Reads a block from the front: a label, its runs, and so on.
struct Reader<'a> {
    bytes: &'a [u8],
    /// What is left of the block.
    labels: usize,
    runs: usize,
    label: u64,
    /// Where the first run of the label before begins.
    place: u64,
    line: u64,
    /// The end of the mask.
    end: u64,
}

impl<'a> Reader<'a> {
    fn new(block: &Block<'a>, packed: &Packed<'_>) -> Self {
        let Block { labels, runs, bytes, .. } = *block;
        let end = packed.shape.map_or(u64::MAX, Shape::pixels);
        Self { bytes, labels, runs, label: 0, place: 0, line: line_of(packed.shape, packed.order), end }
    }

    /// The next label and its number of runs, or `None` at the end of the block.
    fn label(&mut self) -> Result<Option<(u64, usize)>> {
        if self.labels == 0 {
            return if self.bytes.is_empty() && self.runs == 0 { Ok(None) } else { Err(damaged()) };
        }
        self.next_label().map(Some).ok_or_else(damaged)
    }

    fn next_label(&mut self) -> Option<(u64, usize)> {
        self.labels -= 1;
        self.label = self.label.checked_add(take(&mut self.bytes)?)?;
        let count = take_size(&mut self.bytes)?;
        self.runs = self.runs.checked_sub(count)?;
        Some((self.label, count))
    }

    /// The runs of the label just read.
    #[inline]
    fn runs(&mut self, count: usize, found: impl FnMut(Run)) -> Result<()> {
        self.next_runs(count, found).ok_or_else(damaged)
    }

    #[inline]
    fn next_runs(&mut self, count: usize, mut found: impl FnMut(Run)) -> Option<()> {
        let (mut bytes, mut place, mut least) = (self.bytes, self.place, 0);
        for number in 0..count {
            let start = place.wrapping_add(signed(take(&mut bytes)?));
            let length = take(&mut bytes)?;
            let end = start.checked_add(length)?;
            if start < least || end <= start || end > self.end {
                return None;
            }
            if number == 0 {
                self.place = start;
            }
            found(Run { start, length });
            (place, least) = (start.wrapping_add(self.line), end);
        }
        self.bytes = bytes;
        Some(())
    }

    /// Passes over the runs of the label just read.
    fn skip(&mut self, count: usize) -> Result<()> {
        self.next_skip(count).ok_or_else(damaged)
    }

    fn next_skip(&mut self, count: usize) -> Option<()> {
        let Some(more) = count.checked_sub(1) else { return Some(()) };
        self.place = self.place.wrapping_add(signed(take(&mut self.bytes)?));
        let mut numbers = more.checked_mul(2)? + 1;
        let last = self.bytes.iter().position(|&byte| {
            numbers -= usize::from(byte < 0x80);
            numbers == 0
        })?;
        self.bytes = &self.bytes[last + 1..];
        Some(())
    }
}

/// Appends the runs of a label; gives the beginning of the first, or else `place`.
#[inline]
fn put_runs(bytes: &mut Vec<u8>, runs: &[Run], place: u64, line: u64) -> u64 {
    let mut next = place;
    for run in runs {
        let far = run.start.wrapping_sub(next) as i64;
        put(bytes, ((far << 1) ^ (far >> 63)) as u64);
        put(bytes, run.length);
        next = run.start.wrapping_add(line);
    }
    runs.first().map_or(place, |run| run.start)
}

/// A difference that is a number: 0, -1, 1, -2 ... of 0, 1, 2, 3 ...; negative ones wrap around.
#[inline]
fn signed(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

/// Appends a number.
#[inline]
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number from the front.
#[inline]
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take_size(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(take(bytes)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::progress::unwatched;
    use crate::runs::testing::{any_runs, for_threads};

    proptest! {
        #[test]
        fn what_is_packed_is_what_comes_back(runs in any_runs(), block in 1_usize..20) {
            for found in for_threads(|| LabelRuns::unpack(&runs.pack_in(block)).unwrap()) {
                prop_assert_eq!(&found, &runs);
            }
            let unknown = LabelRuns { shape: None, ..runs };
            prop_assert_eq!(LabelRuns::unpack(&unknown.pack_in(block)).unwrap(), unknown);
        }

        /// What is damaged is an error, or other runs: to unpack them and to merge them come to the same.
        #[test]
        fn damage_is_found(runs in any_runs(), block in 1_usize..20, stretch in 0_usize..20, place in any::<prop::sample::Index>(), value: u8) {
            let mut packed = runs.pack_in(block);
            let place = place.index(packed.len());
            packed[place] = value;
            let merged = Packed::new(&packed).and_then(|part| merge(&[part], stretch, &mut unwatched));
            match LabelRuns::unpack(&packed) {
                Ok(found) => {
                    let LabelRuns { shape, order, labels, offsets, runs } = found.clone();
                    prop_assert!(LabelRuns::from_parts(shape, order, labels, offsets, runs.into_vec()).is_ok());
                    prop_assert_eq!(merged.unwrap(), LabelRuns::merge(&[found]).unwrap());
                }
                Err(_) => prop_assert!(merged.is_err()),
            }
            prop_assert!(LabelRuns::unpack(&packed[..place]).is_err());
        }
    }

    #[test]
    fn the_largest_numbers_and_many_blocks() {
        let far = |start, length| Run { start, length };
        let runs = vec![far(u64::MAX - 1, 1), far(0, 1), far(1, u64::MAX - 1), far(7, 1), far(u64::MAX - 9, 9)];
        let labels = vec![0, 1, u64::MAX];
        let all = LabelRuns::from_parts(None, ScanOrder::RowMajor, labels, vec![0, 1, 3, 5], runs).unwrap();
        for block in 1..9 {
            assert_eq!(LabelRuns::unpack(&all.pack_in(block)).unwrap(), all);
        }
        let shape = Some(Shape { height: 10, width: 100_000 });
        let runs: Vec<Run> = (0..100_000).map(|column| far(10 * column + column % 7, 1 + column % 3)).collect();
        for count in [1, 3, 1000, 100_000] {
            let offsets = (0..=count).map(|label| label * runs.len() / count).collect();
            let labels = (0..count as u64).map(|label| 3 * label).collect();
            let all = LabelRuns::from_parts(shape, ScanOrder::ColumnMajor, labels, offsets, runs.clone()).unwrap();
            let packed = all.pack();
            assert!(packed.len() < 2 * runs.len() + 5 * count + 1000, "{count} labels in {} bytes", packed.len());
            assert_eq!(LabelRuns::unpack(&packed).unwrap(), all);
            assert_eq!(LabelRuns::merge_packed(&[&packed], &mut unwatched).unwrap(), all);
        }
    }

    /// Labels of a block that are greater than the first of the next, which a merge by stretches would never meet.
    #[test]
    fn labels_of_blocks_ascend() {
        let runs = |labels: &[u64]| {
            let runs: Vec<Run> = labels.iter().map(|label| Run { start: 2 * label, length: 1 }).collect();
            let offsets = (0..=labels.len()).collect();
            LabelRuns {
                shape: None,
                order: ScanOrder::ColumnMajor,
                labels: labels.to_vec(),
                offsets,
                runs: runs.into(),
            }
        };
        for (labels, fine) in
            [([1, 4, 5, 9], true), ([1, 5, 5, 9], false), ([1, 7, 5, 9], false), ([5, 6, 5, 9], false)]
        {
            let packed = runs(&labels).pack_in(4);
            assert_eq!(LabelRuns::unpack(&packed).is_ok(), fine, "{labels:?}");
            for stretch in 0..5 {
                let merged = Packed::new(&packed).and_then(|part| merge(&[part], stretch, &mut unwatched));
                assert_eq!(merged.is_ok(), fine, "{labels:?}");
            }
        }
    }

    #[test]
    fn memory_is_taken_for_what_the_bytes_can_hold() {
        // Headers that promise more blocks, labels or runs than there are bytes.
        for bytes in [
            &[0, 255, 255, 255, 127][..],
            &[0, 1, 255, 255, 255, 127, 1, 3, 0, 1, 1],
            &[0, 1, 1, 255, 255, 255, 127, 4, 0, 1, 0, 1],
            &[4, 0],
            &[2, 255, 255, 255, 255, 255, 1, 1, 0],
            &[],
        ] {
            assert!(LabelRuns::unpack(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(LabelRuns::unpack(&[0, 0]).unwrap(), LabelRuns::empty(None, ScanOrder::ColumnMajor));
        assert_eq!(LabelRuns::unpack(&[0, 1, 1, 1, 4, 0, 1, 0, 1]).unwrap().run_count(), 1);
    }
}
