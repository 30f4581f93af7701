//! Makes the runs of many labels side by side.

use std::ops::Range;

use super::{LabelRuns, RUNS, Run};
use crate::error::{Error, Result};
use crate::memory::{extend, reserve};
use crate::shape::{ScanOrder, Shape};
use crate::threads::{self, Kept};

/// Labels that a thread makes at a time.
const BLOCK: usize = 256;

/// Whether labels without runs stay in the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    Keep,
    Drop,
}

/// Blocks that a thread makes before the results of all are put together.
const BLOCKS_A_THREAD: usize = 16;

/// What some labels became: each with its number of runs, and all their runs.
#[derive(Default)]
struct Made {
    labels: Vec<(u64, usize)>,
    runs: Vec<Run>,
}

/// The runs of `count` labels, which ascend. `make(index, runs)` appends those of one label, which must keep the promises of
/// [`LabelRuns`], and gives the label; `runs` ends with the runs of other labels.
pub(super) fn build(
    shape: Option<Shape>,
    order: ScanOrder,
    count: usize,
    empty: Empty,
    make: impl Fn(usize, &mut Vec<Run>) -> Result<u64> + Sync,
) -> Result<LabelRuns> {
    build_with(shape, order, count, empty, || (), |(), index, runs| make(index, runs))
}

/// As [`build`], with memory that a thread keeps from label to label.
pub(super) fn build_with<S: Send>(
    shape: Option<Shape>,
    order: ScanOrder,
    count: usize,
    empty: Empty,
    memory: impl Fn() -> S + Sync,
    make: impl Fn(&mut S, usize, &mut Vec<Run>) -> Result<u64> + Sync,
) -> Result<LabelRuns> {
    let kept = Kept::new(memory);
    build_blocks(shape, order, count, &|indices, made| {
        kept.with(|memory| {
            for index in indices {
                let before = made.runs.len();
                let label = make(memory, index, &mut made.runs)?;
                let runs = made.runs.len() - before;
                if runs > 0 || empty == Empty::Keep {
                    made.labels.push((label, runs));
                }
            }
            Ok(())
        })
    })
}

/// The runs of `count` labels, of which `make` makes some at a time.
fn build_blocks(
    shape: Option<Shape>,
    order: ScanOrder,
    count: usize,
    make: &(dyn Fn(Range<usize>, &mut Made) -> Result<()> + Sync),
) -> Result<LabelRuns> {
    let blocks = count.div_ceil(BLOCK);
    // Some blocks at a time, in memory that stays warm: what a process touches for the first time costs more than a copy.
    let mut slots: Vec<(usize, Made)> = Vec::new();
    slots.resize_with(blocks.min(rayon::current_num_threads() * BLOCKS_A_THREAD), Default::default);
    let (mut labels, mut offsets, mut runs) = (Vec::new(), vec![0], Vec::new());
    for first in (0..blocks).step_by(slots.len().max(1)) {
        let used = slots.len().min(blocks - first);
        let slots = &mut slots[..used];
        slots.iter_mut().zip(first..).for_each(|(slot, block)| slot.0 = block);
        threads::try_map_mut(slots, |(block, made)| {
            made.labels.clear();
            made.runs.clear();
            make(*block * BLOCK..((*block + 1) * BLOCK).min(count), made)
        })?;
        for (_, made) in slots {
            reserve(&mut labels, made.labels.len(), RUNS)?;
            reserve(&mut offsets, made.labels.len(), RUNS)?;
            let mut end = runs.len();
            for &(label, count) in &made.labels {
                end += count;
                labels.push(label);
                offsets.push(end);
            }
            extend(&mut runs, &made.runs, RUNS)?;
        }
    }
    labels.shrink_to_fit();
    offsets.shrink_to_fit();
    runs.shrink_to_fit();
    Ok(LabelRuns { shape, order, labels, offsets, runs: runs.into() })
}

/// The runs that a label adds to runs of others: only these are joined.
pub(super) struct Tail<'a> {
    runs: &'a mut Vec<Run>,
    first: usize,
}

impl<'a> Tail<'a> {
    /// None so far, and room for some.
    pub(super) fn new(runs: &'a mut Vec<Run>, room: usize) -> Result<Self> {
        let first = runs.len();
        let mut tail = Self { runs, first };
        tail.make_room(room)?;
        Ok(tail)
    }

    /// Makes room for so many more: without it, [`Tail::push`] asks for memory that may not be there.
    #[inline]
    pub(super) fn make_room(&mut self, more: usize) -> Result<()> {
        reserve(self.runs, more, RUNS)
    }

    /// The runs added so far.
    pub(super) fn added(&self) -> &[Run] {
        &self.runs[self.first..]
    }

    /// Adds a run that begins where the last one ends or later; joins it where they touch.
    #[inline]
    pub(super) fn push(&mut self, run: Run) {
        match self.runs[self.first..].last_mut() {
            Some(last) if last.end() == run.start => last.length += run.length,
            _ if run.length == 0 => {}
            _ => self.runs.push(run),
        }
    }

    /// Adds a run that begins where the last one begins or later, but for what is covered already.
    pub(super) fn cover(&mut self, run: Run) {
        match self.runs[self.first..].last_mut() {
            Some(last) if last.end() >= run.start => last.length = last.length.max(run.end() - last.start),
            _ => self.push(run),
        }
    }
}

/// The shape of results of two masks, which must agree where both are known.
pub(crate) fn same_shape(one: Option<Shape>, other: Option<Shape>) -> Result<Option<Shape>> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => {
            Err(Error::Argument(format!("masks of different shapes: {one}, and {other}")))
        }
        _ => Ok(one.or(other)),
    }
}

/// Ranges of equal keys in a list in which equal keys are neighbours.
pub(super) fn groups<T, K: PartialEq>(list: &[T], key: impl Fn(&T) -> K) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (index, item) in list.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if key(&list[group.start]) == key(item) => group.end = index + 1,
            _ => groups.push(index..index + 1),
        }
    }
    groups
}
