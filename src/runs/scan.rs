//! The runs of all labels together, in scan order.
//!
//! Gets [`LabelRuns`], which are sorted by label; gives the same runs sorted by where they begin, each with the number of its
//! label; guarantees the order of labels among runs that begin together.
//!
//! One stretch of positions at a time, in memory that stays in the cache: memory for all runs together would cost more to
//! touch than they cost to sort. Runs that do not overlap begin at different positions, so nothing has to be compared: each
//! run sets a bit, and its place is the number of bits before its own.
//!
//! ```text
//!   positions of a stretch   . A A B . . C C   . . A . . B B B
//!   bits                     0 1 0 1 0 0 1 0 | 0 0 1 0 0 1 0 0
//!   bits before each word    0               | 3                  the run of B at the end is number 3 + 1
//! ```
//!
//! Where that would be many bits for few runs, and where labels overlap and two runs begin together, each run goes into one of
//! many buckets of equally many positions, of which each holds a few runs, and those are sorted.

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::{LabelRuns, Run};
use crate::error::{Error, Result};
use crate::lanes;
use crate::memory::{refill, reserve, zeroed};
use crate::threads;

/// A run and the number of its label. Runs of 2^32 pixels and more are several entries, one behind the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) start: u64,
    pub(super) length: u32,
    /// Place in [`LabelRuns::labels`].
    pub(super) label: u32,
}

impl Entry {
    /// Follows the last run. It is no pixel of any run.
    pub(super) const END: Self = Self { start: u64::MAX, length: 0, label: 0 };

    #[inline]
    pub(super) fn run(self) -> Run {
        Run { start: self.start, length: u64::from(self.length) }
    }

    /// One past the last pixel.
    #[inline]
    pub(super) fn end(self) -> u64 {
        self.start + u64::from(self.length)
    }
}

/// What an error calls their memory.
const WALKED: &str = "runs of a stretch";

/// Runs of each mask in a stretch of positions, on average: what is written for them stays in a processor's nearest caches.
const IN_STRETCH: usize = 1 << 14;

/// Bits for each run, at most.
const BITS: u64 = 128;

/// Bits of a word, as a power of two; its upper half is the number of bits before it.
const WORD: u32 = 5;

/// Runs that a bucket holds on average.
const IN_BUCKET: usize = 2;

/// Masks that are walked together, a stretch of positions at a time. Stretches depend on the runs alone.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    masks: Vec<Mask<'a>>,
    positions: Range<u64>,
    /// Positions of a stretch, as a power of two.
    bits: u32,
}

#[derive(Debug)]
struct Mask<'a> {
    runs: &'a LabelRuns,
    extents: Vec<Extent>,
}

/// What a label covers.
#[derive(Clone, Copy, Debug, Default, bytemuck::Zeroable)]
struct Extent {
    /// Where the first run begins, and where the last one ends.
    first: u64,
    end: u64,
    pixels: u64,
}

impl<'a> Walk<'a> {
    /// # Errors
    /// [`Error::LimitExceeded`] for more than 2^32 - 1 labels.
    pub(super) fn of(masks: &[&'a LabelRuns]) -> Result<Self> {
        let mask = |&runs: &&'a LabelRuns| {
            if u32::try_from(runs.labels.len()).is_err() {
                let found = runs.labels.len() as u64;
                return Err(Error::LimitExceeded { what: "labels".into(), limit: u64::from(u32::MAX), found });
            }
            // All runs are read, one behind the other: that takes less time than to read only the first of each label.
            let extent = |label: usize| {
                let of_label = runs.runs_at(label);
                let (Some(first), Some(last)) = (of_label.first(), of_label.last()) else { return Extent::default() };
                let pixels = of_label.iter().map(|run| run.length).sum();
                Extent { first: first.start, end: last.end(), pixels }
            };
            let mut extents = zeroed(runs.labels.len() as u64, "the labels of a mask")?;
            threads::fill(&mut extents, 1 << 12, extent);
            Ok(Mask { runs, extents })
        };
        let masks = masks.iter().map(mask).collect::<Result<Vec<_>>>()?;
        let covered = || masks.iter().flat_map(|mask| &mask.extents).filter(|extent| extent.pixels > 0);
        let first = covered().map(|extent| extent.first).min().unwrap_or(0);
        let end = covered().map(|extent| extent.end).max().unwrap_or(0);
        let runs = masks.iter().map(|mask| mask.runs.runs.len()).sum::<usize>();
        // A label may be looked at in every stretch.
        let labels = masks.iter().map(|mask| mask.runs.labels.len()).sum::<usize>();
        let most = (runs / (IN_STRETCH * masks.len()).max(labels / 16) + 1) as u64;
        let positions = first..end;
        // The least power of two that makes no more stretches than that.
        let bits = (u64::BITS - ((positions.end - positions.start) / most).leading_zeros()).min(63);
        Ok(Self { masks, positions, bits })
    }

    /// The pixels of each label of a mask.
    pub(super) fn areas(&self, mask: usize) -> Vec<(u64, u64)> {
        let Mask { runs, extents } = &self.masks[mask];
        runs.labels.iter().zip(extents).map(|(&label, extent)| (label, extent.pixels)).collect()
    }

    /// How many stretches there are.
    pub(super) fn count(&self) -> usize {
        self.index(self.positions.end) + 1
    }

    /// The positions of a stretch.
    pub(super) fn stretch(&self, index: usize) -> Range<u64> {
        let Range { start, end } = self.positions;
        let at = |index: usize| (u128::from(start) + ((index as u128) << self.bits)).min(u128::from(end)) as u64;
        at(index)..at(index + 1)
    }

    /// The stretch that holds a position.
    fn index(&self, position: u64) -> usize {
        ((position - self.positions.start) >> self.bits) as usize
    }

    /// Begins to walk a mask, from a stretch on.
    pub(super) fn scan(&self, mask: usize, first: usize) -> Result<Scan<'_>> {
        let Mask { runs, ref extents } = self.masks[mask];
        let from = if first == 0 { 0 } else { self.stretch(first).start };
        let index = |label: usize| {
            let extent = extents[label];
            if extent.pixels == 0 || extent.end <= from {
                return None;
            }
            let start = match extent.first < from {
                true => runs.runs[place(runs, label, from)].start.max(from),
                false => extent.first,
            };
            Some(self.index(start))
        };
        // Sorted by counting.
        let mut ends: Vec<usize> = zeroed(self.count() as u64 + 1, WALKED)?;
        let coming = || (0..runs.labels.len()).filter_map(|label| Some((label, index(label)?)));
        coming().for_each(|(_, index)| ends[index + 1] += 1);
        (1..ends.len()).for_each(|index| ends[index] += ends[index - 1]);
        let mut waiting = Vec::new();
        refill(&mut waiting, ends[ends.len() - 1], Rest::default(), WALKED)?;
        for (label, index) in coming() {
            let (place, places_end) = (place(runs, label, from), runs.offsets[label + 1]);
            waiting[ends[index]] = Rest { label: label as u32, place, places_end, next: 0, end: extents[label].end };
            ends[index] += 1;
        }
        Ok(Scan {
            walk: self,
            runs,
            index: first,
            positions: from..from,
            waiting,
            ends,
            open: Vec::new(),
            visits: Vec::new(),
            bits: true,
            shift: 0,
            words: Vec::new(),
            by_label: Vec::new(),
            marks: Vec::new(),
            entries: Vec::new(),
            count: 0,
        })
    }
}

/// The place of a label's first run that reaches past a position.
fn place(runs: &LabelRuns, label: usize, position: u64) -> usize {
    runs.offsets[label]
        + if position == 0 { 0 } else { runs.runs_at(label).partition_point(|run| run.end() <= position) }
}

/// What is left of a label.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    label: u32,
    /// Place of the next run, and one past that of the last.
    place: usize,
    places_end: usize,
    /// Where the next run begins, or what is left of it, unless that is in the stretch that comes.
    next: u64,
    /// Where the last one ends.
    end: u64,
}

/// Runs of a label with pixels in a stretch.
#[derive(Clone, Copy, Debug)]
struct Visit {
    label: u32,
    /// Place of the first.
    place: usize,
    count: usize,
}

/// Is told of the runs of a stretch, label by label.
pub(super) trait Visitor {
    /// A run of the label at hand, cut to the stretch: from start to end.
    fn run(&mut self, start: u64, end: u64);

    /// The label that the runs before were of.
    fn label(&mut self, label: u32);
}

/// A mask's runs, stretch by stretch, in memory that is used again.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    walk: &'a Walk<'a>,
    runs: &'a LabelRuns,
    /// The next stretch.
    index: usize,
    /// The positions of this one.
    positions: Range<u64>,
    /// Labels, by the stretch in which their first run begins, and where those of each stretch end.
    waiting: Vec<Rest>,
    ends: Vec<usize>,
    /// Labels that began and go on.
    open: Vec<Rest>,
    visits: Vec<Visit>,
    /// Whether the runs are placed by bits, not by buckets.
    bits: bool,
    /// Positions of a word or bucket, as a power of two.
    shift: u32,
    /// Bits, and in the upper halves the number of bits before them; or the number of runs before each bucket.
    words: Vec<u64>,
    by_label: Vec<Entry>,
    /// A bit for each position where a run begins, and one where a run ends.
    marks: Vec<[u64; 2]>,
    /// All runs, and twice [`Entry::END`].
    entries: Vec<Entry>,
    count: usize,
}

impl Scan<'_> {
    /// The runs in the next stretch in scan order, those that reach out of it cut to it.
    pub(super) fn stretch(&mut self) -> Result<&[Entry]> {
        self.visit()?;
        lanes::vectorize(
            #[inline(always)]
            || self.sort(),
        );
        Ok(self.entries())
    }

    /// Tells a visitor of the runs in the next stretch, label by label, and says whether they are known to be disjoint. Where
    /// that is not known, they are in scan order after it.
    pub(super) fn visit_stretch(&mut self, visitor: &mut impl Visitor) -> Result<bool> {
        self.visit()?;
        Ok(lanes::vectorize(
            #[inline(always)]
            || {
                let disjoint = self.marked(visitor);
                if !disjoint {
                    self.sort();
                }
                disjoint
            },
        ))
    }

    /// The runs of this stretch in scan order.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries[..self.count]
    }

    /// The same, and twice [`Entry::END`].
    pub(super) fn entries_and_end(&self) -> &[Entry] {
        &self.entries[..self.count + 2]
    }

    /// Where the runs of this stretch begin, to be looked up.
    #[inline]
    pub(super) fn lookup(&self) -> Lookup<'_> {
        Lookup { first: self.positions.start, bits: self.bits, shift: self.shift, words: &self.words }
    }

    /// Finds the runs of the next stretch, and makes room for them.
    fn visit(&mut self) -> Result<()> {
        let Self { runs, visits, open, .. } = self;
        self.positions = self.walk.stretch(self.index);
        let end = self.positions.end;
        let first = self.index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let coming = &self.waiting[first..self.ends[self.index]];
        visits.clear();
        reserve(visits, open.len() + coming.len(), WALKED)?;
        reserve(open, coming.len(), WALKED)?;
        let mut visit = |rest: Rest| {
            let Rest { label, place, places_end, .. } = rest;
            // Mostly all that is left: then runs are not looked at before they are sorted.
            if rest.end <= end {
                visits.push(Visit { label, place, count: places_end - place });
                return None;
            }
            // Nor are they where there are none in the stretch.
            if rest.next >= end {
                return Some(rest);
            }
            let count = runs.runs[place..places_end].partition_point(|run| run.start < end);
            visits.push(Visit { label, place, count });
            // The last one may go on.
            let place = place + count - usize::from(runs.runs[place + count - 1].end() > end);
            let next = runs.runs[..places_end].get(place)?.start.max(end);
            Some(Rest { place, next, ..rest })
        };
        let mut kept = 0;
        for index in 0..open.len() {
            if let Some(rest) = visit(open[index]) {
                open[kept] = rest;
                kept += 1;
            }
        }
        open.truncate(kept);
        open.extend(coming.iter().filter_map(|&rest| visit(rest)));
        self.index += 1;
        let count = visits.iter().map(|visit| visit.count).sum::<usize>() + 2;
        let more = count.saturating_sub(self.entries.len());
        reserve(&mut self.entries, more, WALKED)
    }

    /// Whether so many bits for the runs of the stretch, `count` of them, are not too many.
    #[inline(always)]
    fn dense(&self, count: usize) -> bool {
        self.positions.end - self.positions.start <= BITS.saturating_mul(count as u64).min(1 << 32)
    }

    /// Tells a visitor of all runs, and marks where they begin and end: says whether that shows that they are disjoint.
    #[inline(always)]
    fn marked(&mut self, visitor: &mut impl Visitor) -> bool {
        let count = self.visits.iter().map(|visit| visit.count).sum();
        let dense = self.dense(count);
        let Self { runs, positions, visits, marks, .. } = self;
        marks.clear();
        if !dense {
            each_label::<false>(visits, &runs.runs, positions, marks, visitor);
            return false;
        }
        marks.resize((positions.end - positions.start) as usize / 64 + 1, [0; 2]);
        let clash = each_label::<true>(visits, &runs.runs, positions, marks, visitor);
        clash == 0 && alternate(marks)
    }

    #[inline(always)]
    fn sort(&mut self) {
        match self.positions.end - self.positions.start > u64::from(u32::MAX) {
            false => self.sort_as::<false>(),
            true => self.sort_as::<true>(),
        }
    }

    /// Sorts the runs of the stretch; `LONG` says whether they may have 2^32 pixels and more.
    #[inline(always)]
    fn sort_as<const LONG: bool>(&mut self) {
        let Self { runs, positions, visits, entries, .. } = self;
        let mut count = visits.iter().map(|visit| visit.count).sum();
        if LONG {
            count = 0;
            each::<LONG>(visits, &runs.runs, positions, |_| count += 1);
        }
        self.count = count;
        if entries.len() < count + 2 {
            entries.resize(count + 2, Entry::END);
        }
        entries[count..count + 2].fill(Entry::END);
        self.bits = self.place_by_bits::<LONG>();
        if !self.bits {
            self.place_by_buckets::<LONG>();
        }
    }

    /// Puts each run to its place by the bits before its own; says whether that was done.
    #[inline(always)]
    fn place_by_bits<const LONG: bool>(&mut self) -> bool {
        if !self.dense(self.count) {
            return false;
        }
        let Self { runs, positions, visits, words, entries, count, .. } = self;
        let length = positions.end - positions.start;
        words.clear();
        words.resize((length >> WORD) as usize + 1, 0);
        let (words, entries, first) = (&mut words[..], &mut entries[..*count], positions.start);
        let mut clash = 0;
        each::<LONG>(visits, &runs.runs, positions, |entry| {
            let offset = entry.start - first;
            let word = &mut words[(offset >> WORD) as usize];
            let bit = 1 << (offset % (1 << WORD));
            clash |= *word & bit;
            *word |= bit;
        });
        if clash != 0 {
            return false;
        }
        let mut before = 0;
        for word in words.iter_mut() {
            let bits = u64::from(word.count_ones());
            *word |= before << 32;
            before += bits;
        }
        each::<LONG>(visits, &runs.runs, positions, |entry| {
            let offset = entry.start - first;
            entries[rank(words[(offset >> WORD) as usize], offset)] = entry;
        });
        self.shift = WORD;
        true
    }

    /// Sorts runs into buckets of equally many positions, and then each bucket, stably.
    #[inline(always)]
    fn place_by_buckets<const LONG: bool>(&mut self) {
        let Self { runs, positions, visits, words, by_label, entries, count, .. } = self;
        let wanted = (*count / IN_BUCKET + 1) as u64;
        let length = positions.end - positions.start;
        // The least shift that leaves no more buckets than wanted.
        let mut shift = 0;
        while length >> shift > wanted {
            shift += 1;
        }
        let bucket = |entry: &Entry| ((entry.start - positions.start) >> shift) as usize;
        by_label.clear();
        each::<LONG>(visits, &runs.runs, positions, |entry| by_label.push(entry));
        words.clear();
        words.resize((length >> shift) as usize + 3, 0);
        by_label.iter().for_each(|entry| words[bucket(entry) + 2] += 1);
        for index in 1..words.len() {
            words[index] += words[index - 1];
        }
        for entry in by_label.iter() {
            let place = &mut words[bucket(entry) + 1];
            entries[*place as usize] = *entry;
            *place += 1;
        }
        let mut start = 0;
        for &end in &words[1..] {
            sort(&mut entries[start..end as usize]);
            start = end as usize;
        }
        self.shift = shift;
    }
}

/// Calls `call` with the runs of a stretch, label by label, those that reach out of it cut to it.
#[inline(always)]
fn each<const LONG: bool>(visits: &[Visit], runs: &[Run], positions: &Range<u64>, mut call: impl FnMut(Entry)) {
    let &Range { start: first, end } = positions;
    for &Visit { label, place, count, .. } in visits {
        for run in &runs[place..place + count] {
            let mut start = run.start.max(first);
            let mut length = (run.start + run.length).min(end) - start;
            while LONG && length > u64::from(u32::MAX) {
                call(Entry { start, length: u32::MAX, label });
                start += u64::from(u32::MAX);
                length -= u64::from(u32::MAX);
            }
            call(Entry { start, length: length as u32, label });
        }
    }
}

/// Tells a visitor of the runs of a stretch, and with `MARK` marks where they begin and end; gives marks that were there.
#[inline(always)]
fn each_label<const MARK: bool>(
    visits: &[Visit],
    runs: &[Run],
    positions: &Range<u64>,
    marks: &mut [[u64; 2]],
    visitor: &mut impl Visitor,
) -> u64 {
    let &Range { start: first, end: last } = positions;
    let mut clash = 0;
    for &Visit { label, place, count, .. } in visits {
        for run in &runs[place..place + count] {
            let (start, end) = (run.start.max(first), (run.start + run.length).min(last));
            if MARK {
                let mut mark = |position: u64, side: usize| {
                    let offset = position - first;
                    let word = &mut marks[(offset / 64) as usize][side];
                    let bit = 1 << (offset % 64);
                    clash |= *word & bit;
                    *word |= bit;
                };
                mark(start, 0);
                mark(end, 1);
            }
            visitor.run(start, end);
        }
        visitor.label(label);
    }
    clash
}

/// Whether beginnings and ends of runs alternate: then no two of the runs overlap, whichever end belongs to which beginning.
#[inline(always)]
fn alternate(marks: &[[u64; 2]]) -> bool {
    let (mut wrong, mut borrow, mut before) = (0, false, 0);
    for &[begins, ends] in marks {
        // Of disjoint runs, the bits between each beginning and its end are the difference of both as numbers.
        let (difference, one) = ends.overflowing_sub(begins);
        let (covered, other) = difference.overflowing_sub(u64::from(borrow));
        borrow = one | other;
        let previous = covered << 1 | before;
        before = covered >> 63;
        // It changes at either, but not at both together; it is covered after a beginning and before an end.
        wrong |= covered ^ previous ^ begins ^ ends | begins & !covered | ends & !previous;
    }
    wrong == 0
}

/// Where the runs of a stretch begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup<'a> {
    first: u64,
    pub(super) bits: bool,
    shift: u32,
    words: &'a [u64],
}

impl Lookup<'_> {
    /// How many runs surely begin before a position of the stretch: with `BITS` all of them, else all but those in its bucket.
    #[inline(always)]
    pub(super) fn before<const BITS: bool>(&self, position: u64) -> usize {
        let offset = position - self.first;
        match BITS {
            true => rank(self.words[(offset >> WORD) as usize], offset),
            false => self.words[(offset >> self.shift) as usize] as usize,
        }
    }
}

/// The number of bits before that of a position.
#[inline(always)]
fn rank(word: u64, offset: u64) -> usize {
    (word >> 32) as usize + (word as u32 & ((1 << (offset % (1 << WORD))) - 1)).count_ones() as usize
}

/// Runs that are sorted by moving each to its place.
const FEW: usize = 32;

/// Sorts a bucket.
#[inline]
fn sort(bucket: &mut [Entry]) {
    let key = |entry: &Entry| (entry.start, entry.label);
    if bucket.len() > FEW {
        bucket.sort_unstable_by_key(key);
        return;
    }
    for index in 1..bucket.len() {
        let entry = bucket[index];
        let mut place = index;
        while place > 0 && key(&bucket[place - 1]) > key(&entry) {
            bucket[place] = bucket[place - 1];
            place -= 1;
        }
        bucket[place] = entry;
    }
}

/// The first two entries of which one begins before the other ends.
pub(super) fn first_overlap(entries: &[Entry]) -> Option<[Entry; 2]> {
    let pair = entries.windows(2).find(|pair| pair[0].end() > pair[1].start)?;
    Some([pair[0], pair[1]])
}
