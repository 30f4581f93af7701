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
//! 2. Sorting is by counting, in two passes over the boundaries. The first counts the runs of each label, and needs no
//!    runs for it: neighbouring boundaries of a line differ, so each begins a run, but for the first of a line, which may
//!    continue the run of the line before. Then every run of every chunk has its place, and the second pass puts it there.
//!
//! A mask may be a block of a larger one, whose positions its runs then take: see [`Frame`].

use std::collections::HashMap;
use std::hint::select_unpredictable;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use prefetch_index::prefetch_index;

use crate::boundary::{Boundaries, MaskBoundaries};
use crate::error::Result;
use crate::lanes;
use crate::mask::{AnyLabel, Label, any_label, each_label};
use crate::memory::{CACHE_LINE, List, reserve, reserve_entries, zeroed};
use crate::runs::{LabelRuns, RUNS, Run, places};
use crate::shape::{ScanOrder, Shape};
use crate::strip::Layout;
use crate::threads;

/// The mask that another one is a block of, and where the block's first pixel is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) shape: Shape,
    pub(crate) row: u32,
    pub(crate) column: u32,
}

impl Frame {
    /// That of a mask which is no block.
    pub(crate) fn whole(shape: Shape) -> Self {
        Self { shape, row: 0, column: 0 }
    }
}

/// The runs of every label but `background`, in positions of the frame that the mask lies in, worked out by at most
/// `threads` threads of the current pool, each of which has lists of labels of its own; in the memory of earlier runs.
pub(crate) fn compact<T: Label>(
    mask: &MaskBoundaries<T>,
    frame: Frame,
    background: Option<u64>,
    threads: usize,
    spare: List<Run>,
) -> Result<LabelRuns> {
    compact_any(any_label!(T, Mask::of(mask, frame)), background, threads, spare)
}

/// Boundaries of labels of any type.
type AnyBoundaries<'a> = AnyLabel<Mask<'a, u8>, Mask<'a, u16>, Mask<'a, u32>, Mask<'a, u64>>;

fn compact_any(
    mask: AnyBoundaries<'_>,
    background: Option<u64>,
    threads: usize,
    spare: List<Run>,
) -> Result<LabelRuns> {
    each_label!(mask, mask => mask.runs(background, threads, spare))
}

/// The boundaries of one strip and its place in the mask.
struct Part<'a, T> {
    first: u32,
    line_starts: &'a [u32],
    offsets: &'a [u32],
    labels: &'a [T],
}

impl<T: Label> Part<'_, T> {
    fn lines(&self) -> u32 {
        self.line_starts.len() as u32 - 1
    }

    /// Offsets and labels of one line.
    fn line(&self, line: usize) -> (&[u32], &[T]) {
        let range = self.line_starts[line] as usize..self.line_starts[line + 1] as usize;
        (&self.offsets[range.clone()], &self.labels[range])
    }

    /// Has the processor fetch what follows `line`, which has `count` boundaries: the beginning of the next line. It foresees
    /// few lists by itself, and there are two for each part.
    fn fetch_after(&self, line: usize, count: usize) {
        /// Offsets in a line of cache.
        const LINE: usize = CACHE_LINE / size_of::<u32>();
        let next = self.line_starts[line + 1] as usize;
        for ahead in (0..count.min(4 * LINE)).step_by(LINE) {
            prefetch_index(self.offsets, next + ahead);
            prefetch_index(self.labels, next + ahead);
        }
    }
}

/// The boundaries of a mask.
struct Mask<'a, T> {
    shape: Shape,
    order: ScanOrder,
    layout: Layout,
    parts: Vec<Part<'a, T>>,
    frame: Frame,
}

impl<'a, T: Label> Mask<'a, T> {
    fn of(mask: &'a MaskBoundaries<T>, frame: Frame) -> Self {
        let part = |(first, boundaries): (u32, &'a Boundaries<T>)| Part {
            first,
            line_starts: boundaries.line_starts(),
            offsets: boundaries.offsets(),
            labels: boundaries.labels(),
        };
        Self {
            shape: mask.shape(),
            order: mask.order(),
            layout: mask.layout(),
            parts: mask.strips().map(part).collect(),
            frame,
        }
    }

    /// The same boundaries of the same type of labels, for which the caller has another name.
    fn same<U: Label>(self) -> Mask<'a, U> {
        let Self { shape, order, layout, parts: these, frame } = self;
        let mut parts = Vec::with_capacity(these.len());
        for Part { first, line_starts, offsets, labels } in these {
            parts.push(Part { first, line_starts, offsets, labels: bytemuck::cast_slice(labels) });
        }
        Mask { shape, order, layout, parts, frame }
    }

    fn count(&self) -> u64 {
        self.parts.iter().map(|part| part.offsets.len() as u64).sum()
    }

    fn largest_label(&self) -> T {
        let largest = |part: usize| lanes::largest(self.parts[part].labels);
        threads::map(self.parts.len(), largest).into_iter().fold(T::default(), T::max)
    }

    fn lines(&self) -> u32 {
        self.shape.lines(self.order)
    }

    fn length(&self) -> u64 {
        u64::from(self.shape.line_length(self.order))
    }

    /// Whether its lines are parts of longer ones, so that no run goes on from one to the next.
    fn is_cut(&self) -> bool {
        self.shape.line_length(self.order) != self.frame.shape.line_length(self.order)
    }

    /// The position of the first pixel of `line`.
    fn start_of(&self, line: u32) -> u64 {
        let Frame { shape, row, column } = self.frame;
        let (first, before) = match self.order {
            ScanOrder::ColumnMajor => (column, row),
            ScanOrder::RowMajor => (row, column),
        };
        (u64::from(first) + u64::from(line)) * u64::from(shape.line_length(self.order)) + u64::from(before)
    }

    /// The parts that hold pixels of `line`, and the line's number inside them.
    fn parts_of(&self, line: u32) -> (&[Part<'a, T>], usize) {
        match self.layout {
            Layout::Across => (&self.parts, line as usize),
            Layout::Along => {
                let index = self.parts.partition_point(|part| part.first <= line) - 1;
                (&self.parts[index..=index], (line - self.parts[index].first) as usize)
            }
        }
    }

    /// The label of the last pixel of `line`.
    fn last_label(&self, line: u32) -> Option<T> {
        let (parts, line) = self.parts_of(line);
        parts.iter().rev().find_map(|part| part.line(line).1.last().copied())
    }

    /// Where the run of `label` ends that reaches the last pixel before `line`.
    fn end_of(&self, label: T, line: u32) -> u64 {
        let goes_on = if self.is_cut() { line..line } else { line..self.lines() };
        for line in goes_on {
            let (parts, local) = self.parts_of(line);
            for part in parts {
                let (offsets, labels) = part.line(local);
                if let Some(index) = labels.iter().position(|&other| other != label) {
                    return self.start_of(line) + self.before(part) + u64::from(offsets[index]);
                }
            }
        }
        let last = if self.is_cut() { line } else { self.lines() };
        self.start_of(last - 1) + self.length()
    }

    /// Pixels of each line before those of `part`.
    fn before(&self, part: &Part<'_, T>) -> u64 {
        if self.layout == Layout::Across { u64::from(part.first) } else { 0 }
    }

    fn runs(&self, background: Option<u64>, threads: usize, spare: List<Run>) -> Result<LabelRuns> {
        // A background that is no label of this type is that of no pixel.
        let background = background.and_then(T::from_u64);
        if self.shape.pixels() == 0 {
            return Ok(LabelRuns::empty(Some(self.frame.shape), self.order));
        }
        let chunks = self.chunks(threads);
        let largest: u64 = self.largest_label().max(background.unwrap_or_default()).into();
        // So that the counts of all chunks stay in proportion to the boundaries.
        if largest <= (self.count() / chunks.len() as u64).max(1 << 8) {
            let (label, background) =
                (background, background.map_or(NO_SLOT, |label| Into::<u64>::into(label) as usize));
            self.group(chunks, label, || Direct { slots: largest as usize + 1, background }, spare)
        } else {
            self.group(chunks, background, Numbered::default, spare)
        }
    }

    fn group<S: Slots<T>>(
        &self,
        chunks: Vec<Range<u32>>,
        background: Option<T>,
        slots: impl Fn() -> S + Sync,
        spare: List<Run>,
    ) -> Result<LabelRuns> {
        let count = |chunk: usize| Chunk::count(self, chunks[chunk].clone(), background, slots());
        let mut chunks: Vec<Chunk<T, S>> = threads::try_map(threads::each, chunks.len(), count)?;
        let (slots, mut counts): (Vec<&S>, Vec<&mut [usize]>) =
            chunks.iter_mut().map(|chunk| (&chunk.slots, &mut chunk.counts[..])).unzip();
        let (labels, offsets) = S::give_places(&slots, &mut counts)?.finish()?;
        let count = offsets[offsets.len() - 1];
        // Every place is written below.
        let mut runs = List::sized(spare, count, RUNS)?;
        let places = places(&mut runs);
        threads::each_mut(&mut chunks, |chunk| chunk.put(self, places));
        Ok(LabelRuns { shape: Some(self.frame.shape), order: self.order, labels, offsets, runs })
    }

    /// Lines cut into at most `threads` chunks of similar numbers of boundaries.
    fn chunks(&self, threads: usize) -> Vec<Range<u32>> {
        let lines = self.lines();
        // A chunk costs a table of labels and a copy of its runs: not worth it for little.
        let wanted = threads.min((self.count() / 20_000) as usize + 1).min(lines as usize).max(1);
        let weight = |line: u32| -> u64 {
            match self.layout {
                Layout::Across => self.parts.iter().map(|part| u64::from(part.line_starts[line as usize])).sum(),
                Layout::Along => {
                    let index = self.parts.partition_point(|part| part.first <= line).saturating_sub(1);
                    let before: u64 = self.parts[..index].iter().map(|p| p.offsets.len() as u64).sum();
                    let part = &self.parts[index];
                    before + u64::from(part.line_starts[(line - part.first) as usize])
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

/// The runs that begin in some of the lines.
struct Chunk<T, S> {
    lines: Range<u32>,
    /// The label whose run reaches the first line from an earlier chunk, if the first boundary does not end it.
    before: Option<T>,
    slots: S,
    /// For each slot the number of its runs; later, where its next run belongs.
    counts: Vec<usize>,
    /// The slot whose runs nobody wants: the background's, or none.
    nowhere: usize,
}

impl<T: Label, S: Slots<T>> Chunk<T, S> {
    fn count(mask: &Mask<'_, T>, lines: Range<u32>, background: Option<T>, mut slots: S) -> Result<Self> {
        let mut counts = zeroed(slots.known() as u64, RUNS)?;
        slots.count(background.as_slice(), &mut counts)?;
        for part in &mask.parts {
            let local = match mask.layout {
                Layout::Across => lines.clone(),
                Layout::Along => {
                    let inside = |line: u32| line.saturating_sub(part.first).min(part.lines());
                    inside(lines.start)..inside(lines.end)
                }
            };
            let start = |line: u32| part.line_starts[line as usize] as usize;
            slots.count(&part.labels[start(local.start)..start(local.end)], &mut counts)?;
        }
        let mut before = None;
        let may_go_on = if mask.is_cut() { lines.end } else { lines.start.max(1) };
        for line in may_go_on..lines.end {
            let (parts, local) = mask.parts_of(line);
            let first = parts.iter().find_map(|part| part.line(local).1.first().copied());
            // The background's count does not matter, so most lines are done here.
            if let Some(first) = first.filter(|&first| background != Some(first) || line == lines.start)
                && mask.last_label(line - 1) == Some(first)
            {
                if background != Some(first) {
                    counts[slots.of(first)] -= 1;
                }
                if line == lines.start {
                    before = Some(first);
                }
            }
        }
        let nowhere = background.map_or(NO_SLOT, |background| slots.of(background));
        if let Some(unwanted) = counts.get_mut(nowhere) {
            *unwanted = 0;
        }
        Ok(Self { lines, before, slots, counts, nowhere })
    }

    /// Writes every run to its place.
    fn put(&mut self, mask: &Mask<'_, T>, places: &[[AtomicU64; 2]]) {
        let Self { lines, before, slots, counts, nowhere } = self;
        let nowhere = *nowhere;
        let mut put = |slot: usize, start: u64, length: u64| {
            // A branch: to write what nobody wants to some other place is slower by half.
            if slot == nowhere {
                return;
            }
            let place = &mut counts[slot];
            let [to_start, to_length] = &places[*place];
            to_start.store(start, Ordering::Relaxed);
            to_length.store(length, Ordering::Relaxed);
            *place += 1;
            // The label's next run is needed a scan line later, which is enough time to fetch the cache line that follows.
            prefetch_index(places, *place + CACHE_LINE / size_of::<Run>());
        };
        // The run that reaches the next boundaries; what came before these lines belongs to an earlier chunk.
        let (mut open, mut current, mut start) = (nowhere, *before, 0);
        let is_cut = mask.is_cut();
        for line in lines.clone() {
            if is_cut && let Some(label) = current.take() {
                put(open, start, mask.end_of(label, line) - start);
                open = nowhere;
            }
            let (parts, local) = mask.parts_of(line);
            let start_of_line = mask.start_of(line);
            for part in parts {
                let base = start_of_line + mask.before(part);
                let (mut offsets, mut labels) = part.line(local);
                if current.is_some() && labels.first() == current.as_ref() {
                    (offsets, labels) = (&offsets[1..], &labels[1..]);
                }
                let ([first, ..], [.., last]) = (offsets, labels) else { continue };
                part.fetch_after(local, labels.len());
                put(open, start, base + u64::from(*first) - start);
                // All but the last end at the next.
                for (ends, &label) in offsets.windows(2).zip(labels) {
                    put(slots.of(label), base + u64::from(ends[0]), u64::from(ends[1] - ends[0]));
                }
                (open, current) = (slots.of(*last), Some(*last));
                start = base + u64::from(offsets[offsets.len() - 1]);
            }
        }
        if let Some(label) = current {
            put(open, start, mask.end_of(label, lines.end) - start);
        }
    }
}

/// The labels with runs so far, and where the runs of each begin.
#[derive(Default)]
struct Places {
    labels: Vec<u64>,
    offsets: Vec<usize>,
    /// The next free place.
    next: usize,
}

impl Places {
    /// Turns the count of a label's runs in one chunk into the place of the first. Labels ascend; the chunks of each, too.
    fn give(&mut self, label: u64, count: &mut usize) -> Result<()> {
        if *count > 0 {
            if self.labels.last() != Some(&label) {
                reserve(&mut self.labels, 1, RUNS)?;
                reserve(&mut self.offsets, 1, RUNS)?;
                self.labels.push(label);
                self.offsets.push(self.next);
            }
            self.next += std::mem::replace(count, self.next);
        }
        Ok(())
    }

    /// The labels, and where the runs of each begin, with the end.
    fn finish(mut self) -> Result<(Vec<u64>, Vec<usize>)> {
        reserve(&mut self.offsets, 1, RUNS)?;
        self.offsets.push(self.next);
        Ok((self.labels, self.offsets))
    }
}

/// Gives each label a place in a list of counts.
trait Slots<T>: Send + Sync {
    /// How many slots there are before any label is seen.
    fn known(&self) -> usize;

    /// The slot of a label that was counted.
    fn of(&mut self, label: T) -> usize;

    /// Counts labels, each in its slot; those of the background need not be counted.
    fn count(&mut self, labels: &[T], counts: &mut Vec<usize>) -> Result<()>;

    /// Turns the counts of each chunk, which has such slots, into places: labels ascending, each label's runs in the order of
    /// the chunks.
    fn give_places(chunks: &[&Self], counts: &mut [&mut [usize]]) -> Result<Places>;
}

/// The label itself is its slot: as long as the largest label is no greater than the number of boundaries, so that the
/// list stays in proportion to them.
struct Direct {
    slots: usize,
    /// The background's slot, or none.
    background: usize,
}

impl Direct {
    /// Slots for the background beside its own.
    const APART: usize = 8;
    /// Boundaries that tell whether the background is rare.
    const SAMPLE: usize = 64;
}

impl<T: Label> Slots<T> for Direct {
    fn known(&self) -> usize {
        self.slots + Self::APART
    }

    #[inline(always)]
    fn of(&mut self, label: T) -> usize {
        Into::<u64>::into(label) as usize
    }

    fn count(&mut self, labels: &[T], counts: &mut Vec<usize>) -> Result<()> {
        let counts = counts.as_mut_slice();
        // Where the background is rare, so is waiting for it.
        let sample = labels.iter().step_by(labels.len() / Self::SAMPLE + 1);
        if 8 * sample.clone().filter(|&&label| self.of(label) == self.background).count() < sample.len() {
            labels.iter().for_each(|&label| counts[self.of(label)] += 1);
            return Ok(());
        }
        for labels in labels.chunks(Self::APART) {
            for (i, &label) in labels.iter().enumerate() {
                // Every other boundary may be background, and each would have to wait until the one before is counted.
                let slot = self.of(label);
                counts[select_unpredictable(slot == self.background, self.slots + i, slot)] += 1;
            }
        }
        Ok(())
    }

    fn give_places(chunks: &[&Self], counts: &mut [&mut [usize]]) -> Result<Places> {
        let mut places = Places::default();
        for slot in 0..chunks.first().map_or(0, |chunk| chunk.slots) {
            counts.iter_mut().try_for_each(|counts| places.give(slot as u64, &mut counts[slot]))?;
        }
        Ok(places)
    }
}

/// Labels far apart are numbered in the order in which they first appear. A label's runs lie close together in scan
/// order, so a small table in front of the map, indexed by a mix of the label, answers nearly always.
struct Numbered<T> {
    table: Vec<(T, usize)>,
    all: HashMap<T, usize>,
    labels: Vec<T>,
}

const NO_SLOT: usize = usize::MAX;
const TABLE_BITS: u32 = 13;

impl<T: Label> Default for Numbered<T> {
    fn default() -> Self {
        Self { table: vec![(T::default(), NO_SLOT); 1 << TABLE_BITS], all: HashMap::new(), labels: Vec::new() }
    }
}

impl<T: Label> Numbered<T> {
    /// Gives a label that has none the next slot.
    fn number(&mut self, label: T, slot: usize) -> Result<()> {
        reserve_entries(&mut self.all, 1, RUNS)?;
        reserve(&mut self.labels, 1, RUNS)?;
        self.labels.push(label);
        self.all.insert(label, slot);
        Ok(())
    }
}

impl<T: Label> Slots<T> for Numbered<T> {
    fn known(&self) -> usize {
        0
    }

    fn of(&mut self, label: T) -> usize {
        let mixed = Into::<u64>::into(label).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let entry = &mut self.table[(mixed >> (64 - TABLE_BITS)) as usize];
        if entry.0 != label || entry.1 == NO_SLOT {
            let slot = self.all.get(&label).copied().unwrap_or(NO_SLOT);
            *entry = (label, slot);
        }
        entry.1
    }

    fn count(&mut self, labels: &[T], counts: &mut Vec<usize>) -> Result<()> {
        for &label in labels {
            let mut slot = self.of(label);
            if slot == NO_SLOT {
                slot = counts.len();
                self.number(label, slot)?;
                reserve(counts, 1, RUNS)?;
                counts.push(0);
            }
            counts[slot] += 1;
        }
        Ok(())
    }

    fn give_places(chunks: &[&Self], counts: &mut [&mut [usize]]) -> Result<Places> {
        let mut used = Vec::new();
        reserve(&mut used, chunks.iter().map(|chunk| chunk.labels.len()).sum(), RUNS)?;
        for (chunk, numbered) in chunks.iter().enumerate() {
            used.extend(numbered.labels.iter().enumerate().map(|(slot, &label)| (label, chunk, slot)));
        }
        used.sort_unstable();
        let mut places = Places::default();
        for (label, chunk, slot) in used {
            places.give(label.into(), &mut counts[chunk][slot])?;
        }
        Ok(places)
    }
}
