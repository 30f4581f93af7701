//! Parts of one mask, put together.
//!
//! Gets runs of blocks or strips of a mask, in positions of the whole mask; gives the runs of all of them, joined where a run
//! goes on in the next part. The order of the parts does not matter, nor how they are grouped, and an empty part changes
//! nothing. The parts of a mask that was cut in any way give the runs of the whole mask.
//!
//! Labels are cut into stretches, which threads merge side by side: each walks along its labels in all parts at once. Parts may
//! be packed, and are then unpacked label by label.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::ControlFlow;

use super::build::{Tail, same_shape};
use super::{LabelRuns, Run, builder};
use crate::error::{Error, Result};
use crate::memory::{List, reserve};
use crate::progress::{Progress, unwatched};
use crate::shape::{ScanOrder, Shape};
use crate::threads;

/// Runs, about, of the labels that a thread merges at a time.
const STRETCH: usize = 1 << 17;

/// The same, for each part: a thread has to find the labels in all of them.
const STRETCH_A_PART: usize = 1 << 9;

/// Stretches that a thread merges before the results of all are put together.
const STRETCHES_A_THREAD: usize = 4;

/// A part of a mask, whose labels ascend.
pub(super) trait Part: Sync {
    type Walk<'a>: Walk
    where
        Self: 'a;

    fn shape(&self) -> Option<Shape>;

    fn order(&self) -> ScanOrder;

    /// Its labels in stretches of at least so many runs, or few more: the first label of each, and the number of runs.
    fn stretches(&self, runs: usize) -> Vec<(u64, usize)>;

    /// Begins with the first label that is `from` or greater.
    fn walk(&self, from: u64) -> Result<Self::Walk<'_>>;
}

/// Goes from label to label.
pub(super) trait Walk {
    /// The next label.
    fn label(&self) -> Option<u64>;

    /// Appends its runs, of which those are joined that touch, and goes on.
    fn take(&mut self, runs: &mut Vec<Run>) -> Result<()>;
}

impl LabelRuns {
    /// The runs of all parts together.
    ///
    /// Without parts the result is empty, column-major and of no known shape.
    ///
    /// # Errors
    /// [`Error::Argument`] when parts have different shapes or orders, or a run ends outside the shape of another part;
    /// [`Error::Overlap`] when two parts cover a pixel of the same label, as the same block given twice does.
    ///
    /// ```
    /// use runmask::{Encoder, LabelMask, LabelRuns, Shape};
    /// let whole = Shape { height: 2, width: 4 };
    /// let pixels = [7u8, 7, 7, 7, 0, 7, 0, 7];
    /// let encoder = Encoder::builder().build()?;
    /// let left = LabelMask::with_strides(&pixels, 0, Shape { height: 2, width: 2 }, 4, 1)?;
    /// let right = LabelMask::with_strides(&pixels, 2, Shape { height: 2, width: 2 }, 4, 1)?;
    /// let parts = [encoder.encode_block(&left, (0, 0), whole)?, encoder.encode_block(&right, (0, 2), whole)?];
    /// assert_eq!(LabelRuns::merge(&parts)?, runmask::encode(&LabelMask::new(&pixels, whole)?)?);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn merge<P: AsRef<Self> + Sync>(parts: &[P]) -> Result<Self> {
        let parts: Vec<&Self> = parts.iter().map(AsRef::as_ref).collect();
        merge(&parts, stretch(parts.len()), &mut unwatched)
    }
}

/// Runs of the labels that a thread merges at a time, where there are so many parts: few, so that its memory stays warm.
pub(super) fn stretch(parts: usize) -> usize {
    STRETCH.max(parts * STRETCH_A_PART)
}

/// The runs of all parts together, some `runs` of them at a time. `progress` is told how many bytes of runs are done.
pub(super) fn merge<P: Part>(
    parts: &[P],
    runs: usize,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<LabelRuns> {
    let order = parts.first().map_or(ScanOrder::default(), Part::order);
    let mut shape = None;
    for part in parts {
        shape = same_shape(shape, part.shape())?;
        if part.order() != order {
            return Err(Error::Argument(format!("parts in different orders: {order}, and {}", part.order())));
        }
    }
    let stretches = threads::map(parts.len(), |part| parts[part].stretches(runs / 8)).concat();
    let room: usize = stretches.iter().map(|(_, runs)| runs).sum();
    let stretches = cuts(stretches, runs);
    let mut all = Gathered::new(List::sized(List::default(), room, MERGED)?);
    // Some stretches at a time, in memory that stays warm: what a process touches for the first time costs more than a copy.
    let mut slots: Vec<(Stretch, Made)> = Vec::new();
    slots.resize_with(stretches.len().min(rayon::current_num_threads() * STRETCHES_A_THREAD), Default::default);
    for stretches in stretches.chunks(slots.len().max(1)) {
        let slots = &mut slots[..stretches.len()];
        slots.iter_mut().zip(stretches).for_each(|(slot, stretch)| slot.0 = *stretch);
        threads::try_map_mut(slots, |(stretch, made)| {
            made.labels.clear();
            made.runs.clear();
            merge_stretch(parts, *stretch, (shape, order), made)
        })?;
        all.append(slots)?;
        let bytes = |runs: usize| (runs * size_of::<Run>()) as u64;
        Progress { done: bytes(all.count), total: bytes(room) }.tell(progress)?;
    }
    Ok(all.finish(shape, order))
}

/// What an error calls the memory of merged runs.
const MERGED: &str = "merged runs";

/// Some labels, from one on up to another that is not among them, or to the last.
type Stretch = (u64, Option<u64>);

/// Puts stretches of parts together until they have so many runs.
fn cuts(mut stretches: Vec<(u64, usize)>, runs: usize) -> Vec<Stretch> {
    stretches.sort_unstable();
    let (mut firsts, mut count) = (Vec::new(), runs);
    for (label, more) in stretches {
        if count >= runs && firsts.last() != Some(&label) {
            firsts.push(label);
            count = 0;
        }
        count += more;
    }
    let ends = firsts.iter().skip(1).copied().map(Some).chain([None]);
    firsts.iter().copied().zip(ends).collect()
}

/// Merged labels of a stretch, each with its number of runs, and all their runs.
#[derive(Default)]
struct Made {
    labels: Vec<(u64, usize)>,
    runs: Vec<Run>,
}

fn merge_stretch<P: Part>(
    parts: &[P],
    (from, to): Stretch,
    (shape, order): (Option<Shape>, ScanOrder),
    made: &mut Made,
) -> Result<()> {
    let mut walks: Vec<P::Walk<'_>> = parts.iter().map(|part| part.walk(from)).collect::<Result<_>>()?;
    let next = |walk: &P::Walk<'_>| walk.label().filter(|&label| to.is_none_or(|to| label < to));
    let mut heap: BinaryHeap<Reverse<(u64, usize)>> =
        walks.iter().enumerate().filter_map(|(index, walk)| Some(Reverse((next(walk)?, index)))).collect();
    while let Some(&Reverse((label, _))) = heap.peek() {
        let (before, mut several) = (made.runs.len(), false);
        // Those of its parts one after the other.
        while let Some(mut top) = heap.peek_mut()
            && top.0.0 == label
        {
            let walk = &mut walks[top.0.1];
            several |= made.runs.len() > before;
            walk.take(&mut made.runs)?;
            match next(walk) {
                Some(next) => top.0.0 = next,
                None => drop(PeekMut::pop(top)),
            }
        }
        if several {
            join(&mut made.runs, before).map_err(|run| twice(label, run, shape, order))?;
        }
        if let Some(&last) = made.runs[before..].last() {
            builder::inside(last, shape).map_err(|what| builder::fault(label, what))?;
        }
        reserve(&mut made.labels, 1, MERGED)?;
        made.labels.push((label, made.runs.len() - before));
    }
    Ok(())
}

/// Sorts the runs from `first` on, and joins those that touch; one that begins inside another is the error.
fn join(runs: &mut Vec<Run>, first: usize) -> std::result::Result<(), Run> {
    // Stable, and quick where one part goes on after the other.
    runs[first..].sort();
    let mut last = first;
    for next in first + 1..runs.len() {
        let run = runs[next];
        if runs[last].end() > run.start {
            return Err(run);
        }
        if runs[last].end() == run.start {
            runs[last].length += run.length;
        } else {
            last += 1;
            runs[last] = run;
        }
    }
    runs.truncate(last + 1);
    Ok(())
}

/// The runs of the stretches so far.
struct Gathered {
    labels: Vec<u64>,
    offsets: Vec<usize>,
    /// As long as all of them may become.
    runs: List<Run>,
    count: usize,
}

impl Gathered {
    fn new(runs: List<Run>) -> Self {
        Self { labels: Vec::new(), offsets: vec![0], runs, count: 0 }
    }

    /// Appends stretches. Their runs are copied by all threads, which touch new memory for the first time.
    fn append(&mut self, stretches: &[(Stretch, Made)]) -> Result<()> {
        let count = self.count + stretches.iter().map(|(_, made)| made.runs.len()).sum::<usize>();
        let more = || Error::Argument("parts that hold more runs than they say".into());
        let mut places = self.runs.get_mut(self.count..count).ok_or_else(more)?;
        let mut copies = Vec::with_capacity(stretches.len());
        let mut end = self.count;
        for (_, made) in stretches {
            reserve(&mut self.labels, made.labels.len(), MERGED)?;
            reserve(&mut self.offsets, made.labels.len(), MERGED)?;
            for &(label, runs) in &made.labels {
                end += runs;
                self.labels.push(label);
                self.offsets.push(end);
            }
            let (these, rest) = places.split_at_mut(made.runs.len());
            copies.push((&made.runs, these));
            places = rest;
        }
        threads::each_mut(&mut copies, |(runs, places)| places.copy_from_slice(runs));
        self.count = count;
        Ok(())
    }

    fn finish(self, shape: Option<Shape>, order: ScanOrder) -> LabelRuns {
        let Self { mut labels, mut offsets, mut runs, count } = self;
        labels.shrink_to_fit();
        offsets.shrink_to_fit();
        runs.shrink_to(count);
        LabelRuns { shape, order, labels, offsets, runs }
    }
}

impl Part for &LabelRuns {
    type Walk<'a>
        = Labels<'a>
    where
        Self: 'a;

    fn shape(&self) -> Option<Shape> {
        self.shape
    }

    fn order(&self) -> ScanOrder {
        self.order
    }

    fn stretches(&self, runs: usize) -> Vec<(u64, usize)> {
        let (mut all, mut first) = (Vec::new(), 0);
        while first < self.labels.len() {
            let more = self.offsets[first + 1..].partition_point(|&end| end < self.offsets[first] + runs);
            let end = (first + 1 + more).min(self.labels.len());
            all.push((self.labels[first], self.offsets[end] - self.offsets[first]));
            first = end;
        }
        all
    }

    fn walk(&self, from: u64) -> Result<Labels<'_>> {
        Ok(Labels { runs: self, next: self.labels.partition_point(|&label| label < from) })
    }
}

/// Goes over the labels of runs.
pub(super) struct Labels<'a> {
    runs: &'a LabelRuns,
    next: usize,
}

impl Walk for Labels<'_> {
    fn label(&self) -> Option<u64> {
        self.runs.labels.get(self.next).copied()
    }

    fn take(&mut self, runs: &mut Vec<Run>) -> Result<()> {
        let these = self.runs.runs_at(self.next);
        let mut tail = Tail::new(runs, these.len())?;
        these.iter().for_each(|&run| tail.push(run));
        self.next += 1;
        Ok(())
    }
}

#[cold]
fn twice(label: u64, run: Run, shape: Option<Shape>, order: ScanOrder) -> Error {
    let what = format!("two parts cover the same pixel of label {label}");
    match shape {
        Some(shape) => {
            let (row, column) = order.row_column(run.start, shape);
            Error::Overlap { what, labels: [label; 2], row, column }
        }
        None => Error::Argument(format!("{what}, at position {}", run.start)),
    }
}

impl AsRef<LabelRuns> for LabelRuns {
    fn as_ref(&self) -> &LabelRuns {
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoder::Encoder;
    use crate::mask::LabelMask;
    use crate::runs::packed::Packed;
    use crate::runs::testing::{ORDERS, Pixels, any_runs, for_threads, masks};

    /// The runs of each block of a mask that is cut at the given rows and columns.
    fn blocks(pixels: &Pixels, rows: &[u32], columns: &[u32], order: ScanOrder) -> Vec<LabelRuns> {
        let encoder = Encoder::builder().order(order).threads(1).build().unwrap();
        let cuts = |cuts: &[u32], end: u32| {
            let mut cuts: Vec<u32> = cuts.iter().map(|cut| cut % (end + 1)).chain([0, end]).collect();
            cuts.sort_unstable();
            cuts
        };
        let (rows, columns) = (cuts(rows, pixels.shape.height), cuts(columns, pixels.shape.width));
        let mut blocks = Vec::new();
        for row in rows.windows(2) {
            for column in columns.windows(2) {
                let shape = Shape { height: row[1] - row[0], width: column[1] - column[0] };
                let mut labels = Vec::new();
                for r in row[0]..row[1] {
                    labels.extend((column[0]..column[1]).map(|c| pixels.get(i64::from(r), i64::from(c))));
                }
                let block = LabelMask::new(&labels, shape).unwrap();
                blocks.push(encoder.encode_block(&block, (row[0], column[0]), pixels.shape).unwrap());
            }
        }
        blocks
    }

    proptest! {
        #[test]
        fn blocks_make_the_whole_in_any_order_and_grouping(
            pixels in masks(),
            rows in prop::collection::vec(any::<u32>(), 0..4),
            columns in prop::collection::vec(any::<u32>(), 0..4),
            seed in any::<u64>(),
        ) {
            for order in ORDERS {
                let mut parts = blocks(&pixels, &rows, &columns, order);
                let whole = pixels.encode(order);
                let [found, many] = for_threads(|| LabelRuns::merge(&parts).unwrap());
                prop_assert_eq!(&found, &many);
                prop_assert_eq!(&found, &whole);
                // Another order, and one group after the other.
                parts.sort_by_key(|part| (part.run_count() as u64 + 1).wrapping_mul(seed | 1));
                parts.push(LabelRuns::empty(None, order));
                let (one, other) = parts.split_at(seed as usize % (parts.len() + 1));
                let (one, other) = (LabelRuns::merge(one), LabelRuns::merge(other));
                let grouped: Vec<LabelRuns> = [one, other].into_iter().map(Result::unwrap).filter(|part| part.shape.is_some()).collect();
                prop_assert_eq!(LabelRuns::merge(&grouped).unwrap(), whole);
            }
        }

        #[test]
        fn neither_stretches_nor_packing_change_the_whole(
            pixels in masks(),
            rows in prop::collection::vec(any::<u32>(), 0..4),
            columns in prop::collection::vec(any::<u32>(), 0..4),
            stretch in 0_usize..20,
            block in 1_usize..20,
        ) {
            for order in ORDERS {
                let parts = blocks(&pixels, &rows, &columns, order);
                let whole = pixels.encode(order);
                let packed: Vec<_> = parts.iter().map(|part| part.pack_in(block)).collect();
                let packed: Vec<_> = packed.iter().map(|part| Packed::new(part).unwrap()).collect();
                let plain: Vec<&LabelRuns> = parts.iter().collect();
                for found in for_threads(|| merge(&plain, stretch, &mut unwatched).unwrap()) {
                    prop_assert_eq!(&found, &whole);
                }
                for found in for_threads(|| merge(&packed, stretch, &mut unwatched).unwrap()) {
                    prop_assert_eq!(&found, &whole);
                }
                let twice: Vec<_> = parts.iter().chain(&parts).map(LabelRuns::pack).collect();
                let twice: Vec<&[u8]> = twice.iter().map(Vec::as_slice).collect();
                let found = LabelRuns::merge_packed(&twice, &mut unwatched);
                let refused = matches!(found, Err(Error::Overlap { .. }));
                prop_assert!(refused || whole.run_count() == 0);
            }
        }

        #[test]
        fn the_same_part_twice_is_refused_unless_it_is_empty(runs in any_runs()) {
            let found = LabelRuns::merge(&[&runs, &runs]);
            if runs.run_count() == 0 {
                prop_assert_eq!(found.unwrap().labels, runs.labels);
            } else {
                let refused = matches!(found, Err(Error::Overlap { .. }));
                prop_assert!(refused);
            }
        }
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let runs = |shape, order, start| {
            LabelRuns::from_parts(shape, order, vec![5], vec![0, 1], vec![Run { start, length: 3 }]).unwrap()
        };
        let shape = Some(Shape { height: 4, width: 3 });
        let column = ScanOrder::ColumnMajor;
        for (parts, message) in [
            (
                [runs(shape, column, 0), runs(shape, ScanOrder::RowMajor, 0)],
                "parts in different orders: column-major, and row-major",
            ),
            (
                [runs(shape, column, 0), runs(Some(Shape { height: 4, width: 4 }), column, 0)],
                "masks of different shapes: height 4 x width 3, and height 4 x width 4",
            ),
            (
                [runs(shape, column, 5), runs(shape, column, 7)],
                "two parts cover the same pixel of label 5 at row 3, column 1: a mask holds one label a pixel",
            ),
            (
                [runs(None, column, 5), runs(None, column, 7)],
                "two parts cover the same pixel of label 5, at position 7",
            ),
            (
                [runs(shape, column, 0), runs(None, column, 10)],
                "label 5: the run of 3 pixels from 10 ends outside the mask (height 4 x width 3, 12 pixels)",
            ),
        ] {
            assert_eq!(LabelRuns::merge(&parts).unwrap_err().to_string(), message);
            let [one, other] = [parts[0].pack(), parts[1].pack()];
            let packed = LabelRuns::merge_packed(&[&one, &other], &mut unwatched);
            assert_eq!(packed.unwrap_err().to_string(), message);
        }
        assert_eq!(LabelRuns::merge::<LabelRuns>(&[]).unwrap(), LabelRuns::empty(None, column));
        assert_eq!(LabelRuns::merge_packed(&[], &mut unwatched).unwrap(), LabelRuns::empty(None, column));
        let part = runs(shape, column, 5).pack();
        let stopped = LabelRuns::merge_packed(&[&part], &mut |_| ControlFlow::Break(()));
        assert!(matches!(stopped, Err(Error::Stopped)));
    }
}
