//! Labels that overlap: which of them keeps a pixel that several cover.
//!
//! Gets runs whose labels may overlap; gives runs of which no two share a pixel. One sweep over all runs in scan order, with
//! the runs that reach the place at hand in a heap, the one that keeps the pixel on top.

use std::collections::BinaryHeap;

use super::build::{Empty, Tail, build};
use super::scan::{Entry, Walk, first_overlap};
use super::{LabelRuns, RUNS, Run};
use crate::error::{Error, Result};
use crate::memory::reserve;
use crate::names::names;

/// What becomes of a pixel that several labels cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum OverlapPolicy {
    /// It is an error.
    #[default]
    Error,
    /// The smallest label keeps it: the first object, where labels are numbers in the order of a file.
    First,
    /// The largest label keeps it: the last object.
    Last,
}

names! {
    "an overlap policy", OverlapPolicy {
        Error => "error",
        First => "first",
        Last => "last",
    }
}

impl LabelRuns {
    /// The same runs, but each pixel with one label only. A label that keeps no pixel stays, without runs.
    ///
    /// # Errors
    /// [`Error::Overlap`] names two labels and a pixel of both, for [`OverlapPolicy::Error`]; [`Error::LimitExceeded`] for more
    /// than 2^32 - 1 labels.
    ///
    /// ```
    /// use runmask::{LabelRuns, OverlapPolicy, Run, ScanOrder};
    /// let runs = vec![Run { start: 0, length: 3 }, Run { start: 2, length: 3 }];
    /// let runs = LabelRuns::from_parts(None, ScanOrder::ColumnMajor, vec![4, 7], vec![0, 1, 2], runs)?;
    /// let last = runs.clone().disjoint(OverlapPolicy::Last)?;
    /// assert_eq!(last.get(4), Some(&[Run { start: 0, length: 2 }][..]));
    /// assert!(runs.disjoint(OverlapPolicy::Error).is_err());
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn disjoint(self, overlap: OverlapPolicy) -> Result<Self> {
        let walk = Walk::of(&[&self])?;
        let mut scan = walk.scan(0, 0)?;
        let mut found = None;
        for _ in 0..walk.count() {
            found = first_overlap(scan.stretch()?);
            if found.is_some() {
                break;
            }
        }
        let Some([before, entry]) = found else {
            drop(walk);
            return Ok(self);
        };
        if overlap == OverlapPolicy::Error {
            return Err(self.overlap([entry.label, before.label], entry.start));
        }
        let mut entries: Vec<Entry> = Vec::new();
        reserve(&mut entries, self.runs.len(), RUNS)?;
        let mut scan = walk.scan(0, 0)?;
        for _ in 0..walk.count() {
            entries.extend_from_slice(scan.stretch()?);
        }
        let mut parts: Vec<(u32, Run)> = Vec::new();
        // The label that keeps a pixel is the greatest by its rank; with it, where its run ends.
        let rank = |label: u32| if overlap == OverlapPolicy::First { u32::MAX - label } else { label };
        let mut reaching: BinaryHeap<(u32, u32, u64)> = BinaryHeap::new();
        let mut at = 0;
        let starts = entries.iter().map(|entry| entry.start).chain([u64::MAX]);
        for (place, start) in starts.enumerate() {
            while let Some(&(_, label, end)) = reaching.peek() {
                let until = end.min(start);
                if until > at {
                    reserve(&mut parts, 1, RUNS)?;
                    parts.push((label, Run { start: at, length: until - at }));
                    at = until;
                }
                if end > start {
                    break;
                }
                reaching.pop();
            }
            at = start;
            if let Some(entry) = entries.get(place) {
                reaching.push((rank(entry.label), entry.label, entry.run().end()));
            }
        }
        parts.sort_unstable();
        let ends: Vec<usize> =
            (0..self.labels.len() as u32).map(|index| parts.partition_point(|&(label, _)| label <= index)).collect();
        build(self.shape, self.order, self.labels.len(), Empty::Keep, |index, runs| {
            let first = index.checked_sub(1).map_or(0, |before| ends[before]);
            let parts = &parts[first..ends[index]];
            let mut tail = Tail::new(runs, parts.len())?;
            parts.iter().for_each(|&(_, run)| tail.push(run));
            Ok(self.labels[index])
        })
    }

    fn overlap(&self, [label, other]: [u32; 2], position: u64) -> Error {
        let labels = [self.labels[label as usize], self.labels[other as usize]];
        let what = format!("label {} overlaps label {}", labels[0], labels[1]);
        match self.shape {
            Some(shape) => {
                let (row, column) = self.order.row_column(position, shape);
                Error::Overlap { what, labels, row, column }
            }
            None => Error::Argument(format!("{what} at position {position}: a mask holds one label a pixel")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::runs::testing::any_runs;

    proptest! {
        /// By pixels: the definition.
        #[test]
        fn a_pixel_goes_to_the_first_or_the_last(runs in any_runs()) {
            for overlap in [OverlapPolicy::First, OverlapPolicy::Last] {
                let mut pixels = BTreeMap::new();
                for (label, list) in runs.iter() {
                    for position in list.iter().flat_map(|run| run.start..run.end()) {
                        if overlap == OverlapPolicy::Last { pixels.insert(position, label); }
                        else { pixels.entry(position).or_insert(label); }
                    }
                }
                let found = runs.clone().disjoint(overlap).unwrap();
                prop_assert_eq!(found.labels(), runs.labels());
                let mut of_found = BTreeMap::new();
                for (label, list) in found.iter() {
                    prop_assert!(list.windows(2).all(|pair| pair[0].end() <= pair[1].start));
                    for position in list.iter().flat_map(|run| run.start..run.end()) {
                        prop_assert_eq!(of_found.insert(position, label), None);
                    }
                }
                prop_assert_eq!(of_found, pixels);
            }
        }

        #[test]
        fn overlap_is_an_error_and_nothing_else_is(runs in any_runs()) {
            let covered = runs.iter().flat_map(|(_, list)| list.iter().flat_map(|run| run.start..run.end()));
            let mut pixels = BTreeMap::new();
            covered.for_each(|position| *pixels.entry(position).or_insert(0) += 1);
            match runs.clone().disjoint(OverlapPolicy::Error) {
                Ok(found) => {
                    prop_assert!(pixels.values().all(|&count| count == 1));
                    prop_assert_eq!(found, runs);
                }
                Err(Error::Overlap { labels, row, column, .. }) => {
                    let shape = runs.shape().unwrap();
                    for label in labels {
                        let there = |position| runs.order().row_column(position, shape) == (row, column);
                        let list = runs.get(label).unwrap();
                        prop_assert!(list.iter().flat_map(|run| run.start..run.end()).any(there));
                    }
                    prop_assert_ne!(labels[0], labels[1]);
                }
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
        }
    }
}
