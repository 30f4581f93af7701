//! The runs of all labels together, in scan order.
//!
//! Gets [`LabelRuns`], which are sorted by label; gives the same runs sorted by where they begin, each with the number of its
//! label; guarantees the order of labels among runs that begin together.
//!
//! One stretch of positions at a time, in memory that stays in the cache: memory for all runs together would cost more to
//! touch than they cost to sort. In a stretch each run goes into one of many buckets of equally many positions, of which each
//! holds a few runs, and those are sorted.

use std::ops::Range;

use super::{LabelRuns, Run};
use crate::error::{Error, Result};

/// A run and the number of its label. Runs of 2^32 pixels and more are several entries, one behind the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) start: u64,
    pub(super) length: u32,
    /// Place in [`LabelRuns::labels`].
    pub(super) label: u32,
}

impl Entry {
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

/// Runs of a stretch of positions, at least on average: what is written for it stays in a processor's cache.
const IN_STRETCH: usize = 1 << 17;

/// Runs that a bucket holds on average.
const IN_BUCKET: usize = 4;

/// Stretches of positions that cover the runs of some masks. They depend on the runs alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts {
    first: u64,
    end: u64,
    length: u64,
}

impl Cuts {
    /// Stretches for masks that are walked together.
    pub(super) fn of(masks: &[&LabelRuns]) -> Self {
        let lists = || masks.iter().flat_map(|runs| runs.iter()).map(|(_, runs)| runs);
        let first = lists().filter_map(|runs| runs.first()).map(|run| run.start).min().unwrap_or(0);
        let end = lists().filter_map(|runs| runs.last()).map(|run| run.end()).max().unwrap_or(0);
        let runs = masks.iter().map(|runs| runs.runs.len()).sum::<usize>();
        // Each stretch costs a look at each label.
        let labels = masks.iter().map(|runs| runs.labels.len()).sum::<usize>();
        let count = runs / IN_STRETCH.max(labels) + 1;
        Self { first, end, length: (end - first) / count as u64 + 1 }
    }

    /// How many stretches there are.
    pub(super) fn count(self) -> usize {
        ((self.end - self.first) / self.length) as usize + 1
    }

    /// The positions of a stretch.
    pub(super) fn stretch(self, index: usize) -> Range<u64> {
        let start = self.first.saturating_add(self.length.saturating_mul(index as u64)).min(self.end);
        start..start.saturating_add(self.length).min(self.end)
    }
}

/// The runs of a mask in scan order, stretch by stretch, in memory that is used again.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    runs: &'a LabelRuns,
    /// For each label the place of the first run that reaches past the last stretch, and where what is left of it begins;
    /// `u64::MAX` where there is none.
    places: Vec<usize>,
    next: Vec<u64>,
    by_label: Vec<Entry>,
    entries: Vec<Entry>,
    ends: Vec<usize>,
}

impl<'a> Scan<'a> {
    /// Begins at a position.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than 2^32 - 1 labels.
    pub(super) fn new(runs: &'a LabelRuns, from: u64) -> Result<Self> {
        if u32::try_from(runs.labels.len()).is_err() {
            return Err(Error::LimitExceeded {
                what: "labels".into(),
                limit: u64::from(u32::MAX),
                found: runs.labels.len() as u64,
            });
        }
        let place = |label: usize| {
            let (first, of_label) = (runs.offsets[label], runs.runs_at(label));
            first + if from == 0 { 0 } else { of_label.partition_point(|run| run.end() <= from) }
        };
        let places: Vec<usize> = (0..runs.labels.len()).map(place).collect();
        let next = |(label, &place): (usize, &usize)| match runs.runs[..runs.offsets[label + 1]].get(place) {
            Some(run) => run.start.max(from),
            None => u64::MAX,
        };
        let next = places.iter().enumerate().map(next).collect();
        Ok(Self { runs, places, next, by_label: Vec::new(), entries: Vec::new(), ends: Vec::new() })
    }

    /// All runs at once.
    ///
    /// # Errors
    /// As [`Scan::new`].
    pub(super) fn whole(runs: &'a LabelRuns) -> Result<Vec<Entry>> {
        let mut scan = Self::new(runs, 0)?;
        let Cuts { first, end, .. } = Cuts::of(&[runs]);
        scan.stretch(first..end);
        Ok(scan.entries)
    }

    /// The runs in a stretch that follows the one before, those that reach out of it cut to it.
    pub(super) fn stretch(&mut self, positions: Range<u64>) -> &[Entry] {
        self.by_label.clear();
        for (label, next) in self.next.iter_mut().enumerate() {
            if *next >= positions.end {
                continue;
            }
            let place = &mut self.places[label];
            let runs = &self.runs.runs[..self.runs.offsets[label + 1]];
            while *next < positions.end {
                let run_end = runs[*place].end();
                let mut rest = Run { start: *next, length: run_end.min(positions.end) - *next };
                while rest.length > u64::from(u32::MAX) {
                    self.by_label.push(Entry { start: rest.start, length: u32::MAX, label: label as u32 });
                    rest = Run { start: rest.start + u64::from(u32::MAX), length: rest.length - u64::from(u32::MAX) };
                }
                self.by_label.push(Entry { start: rest.start, length: rest.length as u32, label: label as u32 });
                if run_end > positions.end {
                    *next = positions.end;
                    break;
                }
                *place += 1;
                *next = runs.get(*place).map_or(u64::MAX, |run| run.start);
            }
        }
        self.sort(&positions);
        &self.entries
    }

    /// Sorts the entries of a stretch, stably: into buckets of equally many positions, and then each bucket.
    fn sort(&mut self, positions: &Range<u64>) {
        let Self { by_label, entries, ends, .. } = self;
        let wanted = (by_label.len() / IN_BUCKET + 1) as u64;
        // The least shift that leaves no more buckets than wanted.
        let mut shift = 0;
        while (positions.end - positions.start) >> shift > wanted {
            shift += 1;
        }
        let bucket = |entry: &Entry| ((entry.start - positions.start) >> shift) as usize;
        ends.clear();
        ends.resize(((positions.end - positions.start) >> shift) as usize + 1, 0);
        by_label.iter().for_each(|entry| ends[bucket(entry)] += 1);
        let mut place = 0;
        for end in ends.iter_mut() {
            place += std::mem::replace(end, place);
        }
        entries.resize(by_label.len(), Entry::default());
        for entry in by_label.iter() {
            let place = &mut ends[bucket(entry)];
            entries[*place] = *entry;
            *place += 1;
        }
        let mut start = 0;
        for &end in ends.iter() {
            sort(&mut entries[start..end]);
            start = end;
        }
    }
}

/// The first two entries of which one begins before the other ends.
pub(super) fn first_overlap(entries: &[Entry]) -> Option<[Entry; 2]> {
    let pair = entries.windows(2).find(|pair| pair[0].end() > pair[1].start)?;
    Some([pair[0], pair[1]])
}

/// Runs that are sorted by moving each to its place.
const FEW: usize = 32;

/// Sorts a bucket, stably: labels came in order.
#[inline]
fn sort(bucket: &mut [Entry]) {
    if bucket.len() > FEW {
        bucket.sort_by_key(|entry| entry.start);
        return;
    }
    for index in 1..bucket.len() {
        let entry = bucket[index];
        let mut place = index;
        while place > 0 && bucket[place - 1].start > entry.start {
            bucket[place] = bucket[place - 1];
            place -= 1;
        }
        bucket[place] = entry;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runs::testing::any_runs;
    use crate::shape::{ScanOrder, Shape};

    proptest! {
        #[test]
        fn every_run_is_there_in_scan_order(runs in any_runs()) {
            let found = Scan::whole(&runs).unwrap();
            let mut expected: Vec<(u64, u32, u64)> = (0..)
                .zip(runs.iter())
                .flat_map(|(label, (_, runs))| runs.iter().map(move |run| (run.start, label, run.length)))
                .collect();
            expected.sort_unstable();
            let found: Vec<_> = found.iter().map(|entry| (entry.start, entry.label, entry.run().length)).collect();
            prop_assert_eq!(found, expected);
        }

        /// Stretches of any length, from any of them on.
        #[test]
        fn stretches_hold_their_part_of_each_run(runs in any_runs(), length in 1_u64..50, from in 0_usize..20) {
            let cuts = Cuts { length, ..Cuts::of(&[&runs]) };
            let from = from % cuts.count();
            let mut scan = Scan::new(&runs, cuts.stretch(from).start).unwrap();
            for index in from..cuts.count() {
                let positions = cuts.stretch(index);
                let mut expected: Vec<(u64, u32, u64)> = Vec::new();
                for (label, (_, of_label)) in (0..).zip(runs.iter()) {
                    let cut = |run: &Run| (run.start.max(positions.start), run.end().min(positions.end));
                    let parts = of_label.iter().map(cut).filter(|(start, end)| start < end);
                    expected.extend(parts.map(|(start, end)| (start, label, end - start)));
                }
                expected.sort_unstable();
                let found = scan.stretch(positions).iter();
                let found: Vec<_> = found.map(|entry| (entry.start, entry.label, entry.run().length)).collect();
                prop_assert_eq!(found, expected);
            }
            prop_assert_eq!(cuts.stretch(cuts.count() - 1).end, cuts.end);
        }
    }

    #[test]
    fn long_runs_are_several_entries_and_many_runs_in_one_place_are_sorted() {
        let shape = Shape { height: u32::MAX, width: u32::MAX };
        let long = u64::from(u32::MAX) * 3 + 5;
        let mut lists = (vec![0, 1], vec![0, 1], vec![Run { start: 9, length: long }]);
        // One bucket gets nearly all.
        lists.2.extend((0..1000).map(|index| Run { start: index * 2, length: 1 }));
        lists.2.push(Run { start: shape.pixels() - 1, length: 1 });
        lists.1.push(lists.2.len());
        let runs = LabelRuns::from_parts(Some(shape), ScanOrder::RowMajor, lists.0, lists.1, lists.2).unwrap();
        let found = Scan::whole(&runs).unwrap();
        assert!(found.is_sorted_by_key(|entry| entry.start));
        let of = |label: u32| found.iter().filter(move |entry| entry.label == label).map(|entry| entry.run().length);
        assert_eq!((of(0).sum::<u64>(), of(0).count()), (long, 4));
        assert_eq!((of(1).sum::<u64>(), of(1).count()), (1001, 1001));
    }
}
