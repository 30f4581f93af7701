//! The runs of all labels together, in scan order.
//!
//! Gets [`LabelRuns`], which are sorted by label; gives the same runs sorted by where they begin, each with the number of its
//! label; guarantees the order of labels among runs that begin together.
//!
//! Each run goes into one of many buckets of equally many positions, of which each holds a few runs, and those are sorted.
//! Two passes over the runs and a short sort take less time than sorting them all.

use rayon::prelude::*;

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

/// Runs in scan order.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) entries: Vec<Entry>,
}

/// Runs that a bucket holds on average.
const IN_BUCKET: usize = 16;

impl Scan {
    /// The runs of all labels.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than 2^32 - 1 labels.
    pub(super) fn of(runs: &LabelRuns) -> Result<Self> {
        if u32::try_from(runs.labels.len()).is_err() {
            return Err(Error::LimitExceeded {
                what: "labels".into(),
                limit: u64::from(u32::MAX),
                found: runs.labels.len() as u64,
            });
        }
        let first = runs.iter().filter_map(|(_, runs)| runs.first()).map(|run| run.start).min().unwrap_or(0);
        let end = runs.iter().filter_map(|(_, runs)| runs.last()).map(|run| run.end()).max().unwrap_or(0);
        let wanted = (runs.runs.len() / IN_BUCKET + 1) as u64;
        // The least shift that leaves no more buckets than wanted.
        let mut shift = 0;
        while (end - first) >> shift > wanted {
            shift += 1;
        }
        let buckets = ((end - first) >> shift) as usize + 1;
        let mut places = vec![0_usize; buckets + 1];
        each_entry(runs, |entry| places[((entry.start - first) >> shift) as usize + 1] += 1);
        for bucket in 0..buckets {
            places[bucket + 1] += places[bucket];
        }
        let mut entries = vec![Entry::default(); places[buckets]];
        let ends = &mut places[..buckets];
        each_entry(runs, |entry| {
            let place = &mut ends[((entry.start - first) >> shift) as usize];
            entries[*place] = entry;
            *place += 1;
        });
        // Now each place is the end of its bucket.
        let mut rest = &mut entries[..];
        let mut parts = Vec::new();
        let mut before = 0;
        for ends in places[..buckets].chunks(1 << 12) {
            let (part, others) = rest.split_at_mut(ends[ends.len() - 1] - before);
            parts.push((before, ends, part));
            rest = others;
            before = ends[ends.len() - 1];
        }
        parts.into_par_iter().for_each(|(first, ends, mut part)| {
            let mut before = first;
            for &end in ends {
                let (bucket, others) = part.split_at_mut(end - before);
                sort(bucket);
                part = others;
                before = end;
            }
        });
        Ok(Self { entries })
    }
}

#[inline]
fn each_entry(runs: &LabelRuns, mut call: impl FnMut(Entry)) {
    for label in 0..runs.labels.len() {
        for run in runs.runs_at(label) {
            let mut rest = *run;
            while rest.length > u64::from(u32::MAX) {
                call(Entry { start: rest.start, length: u32::MAX, label: label as u32 });
                rest = Run { start: rest.start + u64::from(u32::MAX), length: rest.length - u64::from(u32::MAX) };
            }
            call(Entry { start: rest.start, length: rest.length as u32, label: label as u32 });
        }
    }
}

/// Sorts a bucket, stably: labels came in order.
#[inline]
fn sort(bucket: &mut [Entry]) {
    if bucket.len() > 2 * IN_BUCKET {
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
    use crate::runs::testing::{any_runs, for_threads};
    use crate::shape::{ScanOrder, Shape};

    proptest! {
        #[test]
        fn every_run_is_there_in_scan_order(runs in any_runs()) {
            let [found, many] = for_threads(|| Scan::of(&runs).unwrap().entries);
            prop_assert_eq!(&found, &many);
            let mut expected: Vec<(u64, u32, u64)> = (0..)
                .zip(runs.iter())
                .flat_map(|(label, (_, runs))| runs.iter().map(move |run| (run.start, label, run.length)))
                .collect();
            expected.sort_unstable();
            let found: Vec<_> = found.iter().map(|entry| (entry.start, entry.label, entry.run().length)).collect();
            prop_assert_eq!(found, expected);
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
        let found = Scan::of(&runs).unwrap().entries;
        assert!(found.is_sorted_by_key(|entry| entry.start));
        let of = |label: u32| found.iter().filter(move |entry| entry.label == label).map(|entry| entry.run().length);
        assert_eq!((of(0).sum::<u64>(), of(0).count()), (long, 4));
        assert_eq!((of(1).sum::<u64>(), of(1).count()), (1001, 1001));
    }
}
