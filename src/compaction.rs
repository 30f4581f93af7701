//! Compaction: from the boundaries of strips to the runs of every label.
//!
//! Gets the [`Boundaries`] of all strips of a mask, from whichever engine; gives [`LabelRuns`]: maximal runs (joined
//! across line ends and strip seams), labels ascending, the runs of each ascending; guarantees the same result for every
//! cut and every number of threads, in memory proportional to boundaries and runs, whatever the labels are.
//!
//! Plainly:
//!
//! ```text
//! for each scan line, for each strip of the line, for each boundary (position, label):
//!     if label differs from the current one:
//!         close the current run at position; open a run of label there
//! close the last run at the end of the mask
//! drop the runs of the background; sort the rest by label, stably
//! ```
//!
//! Differences to that:
//! 1. Lines are dealt out in chunks, one per thread. A chunk's first run may have begun in an earlier chunk: then it is
//!    that chunk's run, and that chunk follows it past its own end. So runs are whole without a joining pass.
//! 2. Sorting is by counting: a first walk counts the runs of each label, a second one puts them in place. Walking twice
//!    is cheaper than keeping every run in between.
//! 3. Each chunk sorts its own runs; the chunks' lists are then concatenated label by label.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use crate::boundary::Boundaries;
use crate::mask::Label;
use crate::runs::{LabelRuns, Run};
use crate::shape::{ScanOrder, Shape};
use crate::strip::Cut;

/// The boundaries of one strip and its place in the mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<T> {
    /// The strip's first pixel along the lines (cut across) or its first line (cut between).
    pub first: u32,
    /// Its boundaries.
    pub boundaries: Boundaries<T>,
}

/// The boundaries of a whole mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskBoundaries<T> {
    /// Height and width of the mask.
    pub shape: Shape,
    /// The order its scan lines follow.
    pub order: ScanOrder,
    /// Which way it was cut.
    pub cut: Cut,
    /// The strips in ascending order, covering the mask exactly.
    pub parts: Vec<Part<T>>,
}

impl<T: Label> MaskBoundaries<T> {
    /// Number of boundaries.
    pub fn count(&self) -> u64 {
        self.parts.iter().map(|part| part.boundaries.offsets.len() as u64).sum()
    }

    fn largest_label(&self) -> T {
        let largest = |part: &Part<T>| part.boundaries.labels.iter().copied().fold(T::default(), T::max);
        self.parts.par_iter().map(largest).max().unwrap_or_default()
    }

    fn lines(&self) -> u32 {
        self.shape.lines(self.order)
    }

    fn length(&self) -> u64 {
        u64::from(self.shape.line_length(self.order))
    }

    /// The parts that hold pixels of `line`, and the line's number inside them.
    fn parts_of(&self, line: u32) -> (&[Part<T>], usize) {
        match self.cut {
            Cut::AcrossLines => (&self.parts, line as usize),
            Cut::BetweenLines => {
                let index = self.parts.partition_point(|part| part.first <= line) - 1;
                (&self.parts[index..=index], (line - self.parts[index].first) as usize)
            }
        }
    }

    /// The label of the last pixel of `line`.
    fn last_label(&self, line: u32) -> Option<T> {
        let (parts, line) = self.parts_of(line);
        parts.iter().rev().find_map(|part| part.boundaries.line(line).1.last().copied())
    }

    /// Calls `emit(label, start, end)` for every maximal run that begins in `lines`, background left out.
    fn walk(&self, lines: Range<u32>, background: Option<T>, mut emit: impl FnMut(T, u64, u64)) {
        let mut current = if lines.start > 0 { self.last_label(lines.start - 1) } else { None };
        // The run at hand, when it began in these lines and is not background.
        let mut open: Option<u64> = None;
        for line in lines.clone() {
            let (parts, local) = self.parts_of(line);
            let line_start = u64::from(line) * self.length();
            for part in parts {
                let base = match self.cut {
                    Cut::AcrossLines => line_start + u64::from(part.first),
                    Cut::BetweenLines => line_start,
                };
                let (offsets, labels) = part.boundaries.line(local);
                for (&offset, &label) in offsets.iter().zip(labels) {
                    if current == Some(label) {
                        continue;
                    }
                    let position = base + u64::from(offset);
                    if let (Some(start), Some(label)) = (open, current) {
                        emit(label, start, position);
                    }
                    current = Some(label);
                    open = (background != Some(label)).then_some(position);
                }
            }
        }
        if let (Some(start), Some(label)) = (open, current) {
            emit(label, start, self.end_of(label, lines.end));
        }
    }

    /// Where the run of `label` that reaches the start of `line` ends.
    fn end_of(&self, label: T, line: u32) -> u64 {
        for line in line..self.lines() {
            let (parts, local) = self.parts_of(line);
            for part in parts {
                let (offsets, labels) = part.boundaries.line(local);
                if let Some(index) = labels.iter().position(|&other| other != label) {
                    let first = if self.cut == Cut::AcrossLines { part.first } else { 0 };
                    return u64::from(line) * self.length() + u64::from(first) + u64::from(offsets[index]);
                }
            }
        }
        self.shape.pixels()
    }

    /// The runs of every label but `background`, worked out by `threads` threads of the current pool.
    pub fn into_runs(self, background: Option<T>, threads: usize) -> LabelRuns {
        let (shape, order) = (self.shape, self.order);
        if shape.pixels() == 0 {
            return LabelRuns::empty(Some(shape), order);
        }
        let largest = self.largest_label();
        let chunks = self.chunks(threads);
        let mut grouped: Vec<Grouped<T>> =
            chunks.into_par_iter().map(|lines| Grouped::from_lines(&self, lines, background, largest)).collect();
        drop(self);
        let Grouped { labels, offsets, runs } = match grouped.len() {
            1 => grouped.remove(0),
            _ => concatenate(&grouped, threads),
        };
        LabelRuns { shape: Some(shape), order, labels: labels.into_iter().map(Into::into).collect(), offsets, runs }
    }

    /// Lines cut into at most `threads` chunks of similar numbers of boundaries.
    fn chunks(&self, threads: usize) -> Vec<Range<u32>> {
        let lines = self.lines();
        // A chunk costs a table of labels and a copy of its runs: not worth it for little.
        let wanted = threads.min((self.count() / 20_000) as usize + 1).min(lines as usize).max(1);
        let weight = |line: u32| -> u64 {
            match self.cut {
                Cut::AcrossLines => {
                    self.parts.iter().map(|part| u64::from(part.boundaries.line_starts[line as usize])).sum()
                }
                Cut::BetweenLines => {
                    let index = self.parts.partition_point(|part| part.first <= line).saturating_sub(1);
                    let before: u64 = self.parts[..index].iter().map(|p| p.boundaries.offsets.len() as u64).sum();
                    let part = &self.parts[index];
                    before + u64::from(part.boundaries.line_starts[(line - part.first) as usize])
                }
            }
        };
        let total = self.count();
        let mut cuts = vec![0];
        for chunk in 1..wanted as u64 {
            let goal = total / wanted as u64 * chunk;
            // The first line before which `goal` boundaries lie.
            let (mut low, mut high) = (cuts[cuts.len() - 1], lines);
            while low < high {
                let middle = low + (high - low) / 2;
                if middle < lines && weight(middle) < goal { low = middle + 1 } else { high = middle }
            }
            cuts.push(low);
        }
        cuts.push(lines);
        cuts.dedup();
        cuts.windows(2).map(|pair| pair[0]..pair[1]).collect()
    }
}

/// Runs sorted by label (compressed sparse rows), of some of the lines.
struct Grouped<T> {
    labels: Vec<T>,
    offsets: Vec<usize>,
    runs: Vec<Run>,
}

impl<T: Label> Grouped<T> {
    fn from_lines(mask: &MaskBoundaries<T>, lines: Range<u32>, background: Option<T>, largest: T) -> Self {
        let (mut slots, known) = Slots::new(largest.into(), mask.count());
        let mut counts: Vec<usize> = vec![0; known];
        mask.walk(lines.clone(), background, |label, _, _| {
            let slot = slots.of(label);
            if slot == counts.len() {
                counts.push(0);
            }
            counts[slot] += 1;
        });
        let order = slots.ordered(&counts);
        let mut offsets = Vec::with_capacity(order.len() + 1);
        let mut next = 0;
        // From here on `counts` holds where the next run of each slot belongs.
        for &(_, slot) in &order {
            offsets.push(next);
            next += std::mem::replace(&mut counts[slot], next);
        }
        offsets.push(next);
        let mut runs = vec![[0u64; 2]; next];
        mask.walk(lines, background, |label, start, end| {
            let place = &mut counts[slots.of(label)];
            runs[*place] = [start, end - start];
            *place += 1;
        });
        Self { labels: order.into_iter().map(|(label, _)| label).collect(), offsets, runs: Run::from_pairs(runs) }
    }

    fn runs_at(&self, index: usize) -> &[Run] {
        &self.runs[self.offsets[index]..self.offsets[index + 1]]
    }
}

/// Concatenates the runs of each label over `chunks`, which follow each other in scan order.
fn concatenate<T: Label>(chunks: &[Grouped<T>], threads: usize) -> Grouped<T> {
    let mut labels: Vec<T> = chunks.iter().flat_map(|chunk| chunk.labels.iter().copied()).collect();
    labels.par_sort_unstable();
    labels.dedup();
    let mut counts = vec![0usize; labels.len()];
    for chunk in chunks {
        let mut index = 0;
        for (place, label) in chunk.labels.iter().enumerate() {
            index += gallop(&labels[index..], *label);
            counts[index] += chunk.runs_at(place).len();
        }
    }
    let mut offsets = Vec::with_capacity(labels.len() + 1);
    let mut next = 0;
    for count in counts {
        offsets.push(next);
        next += count;
    }
    offsets.push(next);

    let mut runs = vec![[0u64; 2]; next];
    // The output is cut between labels into one piece for each thread.
    let mut pieces = Vec::new();
    let mut rest = runs.as_mut_slice();
    let mut first = 0;
    for piece in 1..=threads {
        let goal = (next as u128 * piece as u128 / threads as u128) as usize;
        let last =
            if piece == threads { labels.len() } else { offsets.partition_point(|&o| o < goal).min(labels.len()) };
        let last = last.max(first);
        let (head, tail) = rest.split_at_mut(offsets[last] - offsets[first]);
        pieces.push((first..last, head));
        rest = tail;
        first = last;
    }
    pieces.into_par_iter().for_each(|(range, piece)| {
        if range.is_empty() {
            return;
        }
        let mut cursors: Vec<usize> = offsets[range.clone()].iter().map(|o| o - offsets[range.start]).collect();
        for chunk in chunks {
            let mut index = 0;
            let begin = chunk.labels.partition_point(|&label| label < labels[range.start]);
            for place in begin..chunk.labels.len() {
                let label = chunk.labels[place];
                if label > labels[range.end - 1] {
                    break;
                }
                index += gallop(&labels[range.start + index..range.end], label);
                let source = chunk.runs_at(place);
                let target = &mut piece[cursors[index]..cursors[index] + source.len()];
                target.copy_from_slice(Run::as_pairs(source));
                cursors[index] += source.len();
            }
        }
    });
    Grouped { labels, offsets, runs: Run::from_pairs(runs) }
}

/// The index of `label` in `labels`, which ascend and hold it, most likely near the front.
fn gallop<T: Ord>(labels: &[T], label: T) -> usize {
    let mut reach = 1;
    while reach < labels.len() && labels[reach] <= label {
        reach *= 2;
    }
    let from = reach / 2;
    from + labels[from..labels.len().min(reach)].partition_point(|other| *other < label)
}

/// Gives each label a place in a list of counts.
enum Slots<T> {
    /// The label itself is its place: as long as the largest label is no greater than the number of boundaries, so that
    /// the list stays in proportion to them.
    Direct,
    /// Labels far apart are numbered in the order in which they first appear. A label's runs lie close together in scan
    /// order, so a small table in front of the map, indexed by a mix of the label, answers nearly always.
    Numbered { table: Vec<(T, usize)>, all: HashMap<T, usize>, labels: Vec<T> },
}

const NO_SLOT: usize = usize::MAX;
const TABLE_BITS: u32 = 13;

impl<T: Label> Slots<T> {
    /// Slots for the labels of `mask` up to `largest`, and how many are known beforehand.
    fn new(largest: u64, boundaries: u64) -> (Self, usize) {
        if largest <= boundaries.max(1 << 8) {
            return (Self::Direct, largest as usize + 1);
        }
        let table = vec![(T::default(), NO_SLOT); 1 << TABLE_BITS];
        (Self::Numbered { table, all: HashMap::new(), labels: Vec::new() }, 0)
    }

    #[inline(always)]
    fn of(&mut self, label: T) -> usize {
        match self {
            Self::Direct => Into::<u64>::into(label) as usize,
            Self::Numbered { .. } => self.number_of(label),
        }
    }

    fn number_of(&mut self, label: T) -> usize {
        let Self::Numbered { table, all, labels } = self else { return NO_SLOT };
        let mixed = Into::<u64>::into(label).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let entry = &mut table[(mixed >> (64 - TABLE_BITS)) as usize];
        if entry.0 != label || entry.1 == NO_SLOT {
            let slot = *all.entry(label).or_insert_with(|| {
                labels.push(label);
                labels.len() - 1
            });
            *entry = (label, slot);
        }
        entry.1
    }

    /// The labels that have a count, ascending, each with its slot.
    fn ordered(&self, counts: &[usize]) -> Vec<(T, usize)> {
        match self {
            Self::Direct => {
                let used = counts.iter().enumerate().filter(|&(_, &count)| count > 0);
                used.filter_map(|(slot, _)| Some((T::from_u64(slot as u64)?, slot))).collect()
            }
            Self::Numbered { labels, .. } => {
                let mut ordered: Vec<(T, usize)> = labels.iter().copied().zip(0..).collect();
                ordered.sort_unstable();
                ordered
            }
        }
    }
}
