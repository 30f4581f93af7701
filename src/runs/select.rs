//! Labels chosen and numbered anew.
//!
//! Gets runs and a rule for labels; gives runs of the labels that stay, under their new numbers; nothing else about the mask
//! changes.

use super::build::{Empty, Tail, build, groups};
use super::{LabelRuns, RUNS, Run};
use crate::error::Result;
use crate::memory::extend;

impl LabelRuns {
    /// The labels for which `keep` says so; it gets each label with its runs, in ascending order.
    ///
    /// ```
    /// use runmask::{LabelMask, Shape};
    /// let mask = LabelMask::new(&[1u8, 1, 1, 0, 2], Shape { height: 1, width: 5 })?;
    /// let large = runmask::encode(&mask)?.retain(|_, runs| runs.iter().map(|run| run.length).sum::<u64>() >= 2);
    /// assert_eq!(runmask::decode::<u8>(&large)?, [1, 1, 1, 0, 0]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    #[must_use]
    pub fn retain(mut self, mut keep: impl FnMut(u64, &[Run]) -> bool) -> Self {
        // Everything moves down in place, from the first label on.
        let (mut labels, mut end) = (0, 0);
        for index in 0..self.labels.len() {
            let range = self.offsets[index]..self.offsets[index + 1];
            if keep(self.labels[index], &self.runs[range.clone()]) {
                self.labels[labels] = self.labels[index];
                self.offsets[labels] = end;
                end += range.len();
                self.runs.copy_within(range, self.offsets[labels]);
                labels += 1;
            }
        }
        self.labels.truncate(labels);
        self.offsets.truncate(labels);
        self.offsets.push(end);
        self.runs.truncate(end);
        self
    }

    /// The labels that are in the list, which may be in any order and hold labels that do not occur.
    #[must_use]
    pub fn select(self, labels: &[u64]) -> Self {
        let mut wanted = labels.to_vec();
        wanted.sort_unstable();
        self.retain(|label, _| wanted.binary_search(&label).is_ok())
    }

    /// The labels numbered 1, 2, 3 ... in their order, and the table of what they were: `table[i]` is now `i + 1`.
    #[must_use]
    pub fn relabel_sequential(mut self) -> (Self, Vec<u64>) {
        let new = (1..=self.labels.len() as u64).collect();
        let old = std::mem::replace(&mut self.labels, new);
        (self, old)
    }

    /// The labels under the numbers that `table` gives them; those for which it gives `None` are left out. Labels that get
    /// the same number become one, with all their pixels.
    ///
    /// # Errors
    /// None but those of memory.
    ///
    /// ```
    /// use runmask::{LabelMask, Shape};
    /// let mask = LabelMask::new(&[1u8, 2, 3], Shape { height: 1, width: 3 })?;
    /// let runs = runmask::encode(&mask)?.relabel(|label| if label < 3 { Some(9) } else { None })?;
    /// assert_eq!(runmask::decode::<u8>(&runs)?, [9, 9, 0]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn relabel(&self, mut table: impl FnMut(u64) -> Option<u64>) -> Result<Self> {
        let number = |(index, &label): (usize, &u64)| Some((table(label)?, index));
        let mut pairs: Vec<(u64, usize)> = self.labels.iter().enumerate().filter_map(number).collect();
        // The labels of a number stay in order.
        pairs.sort_unstable();
        let groups = groups(&pairs, |pair| pair.0);
        build(self.shape, self.order, groups.len(), Empty::Keep, |index, runs| {
            let group = &pairs[groups[index].clone()];
            if let [(label, only)] = group {
                extend(runs, self.runs_at(*only), RUNS)?;
                return Ok(*label);
            }
            let mut all = Vec::new();
            group.iter().try_for_each(|&(_, old)| extend(&mut all, self.runs_at(old), RUNS))?;
            all.sort_unstable();
            let mut tail = Tail::new(runs, all.len())?;
            all.into_iter().for_each(|run| tail.cover(run));
            Ok(group[0].0)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runs::testing::{ORDERS, any_runs, for_threads, masks};

    proptest! {
        #[test]
        fn relabelled_pixels_are_those_of_the_table(pixels in masks(), table in prop::collection::vec(prop::option::of(1_u64..6), 5)) {
            for order in ORDERS {
                let runs = pixels.encode(order);
                let [found, many] = for_threads(|| runs.relabel(|label| table[label as usize]).unwrap());
                prop_assert_eq!(&found, &many);
                let mut expected = pixels.clone();
                for label in &mut expected.labels {
                    *label = if *label == 0 { 0 } else { table[*label as usize].unwrap_or(0) };
                }
                // Maximal runs as well: the same as encoding makes.
                prop_assert_eq!(found, expected.encode(order));
            }
        }

        #[test]
        fn what_is_kept_is_unchanged(runs in any_runs(), wanted in prop::collection::vec(0_u64..12, 0..6)) {
            let found = runs.clone().select(&wanted);
            let checked = LabelRuns::from_parts(found.shape, found.order, found.labels.clone(), found.offsets.clone(), found.runs.to_vec());
            prop_assert_eq!(&checked.unwrap(), &found);
            for label in 0..12 {
                let expected = if wanted.contains(&label) { runs.get(label) } else { None };
                prop_assert_eq!(found.get(label), expected);
            }
        }

        #[test]
        fn numbers_in_sequence_keep_the_order(runs in any_runs()) {
            let (found, table) = runs.clone().relabel_sequential();
            prop_assert_eq!(&table, &runs.labels);
            prop_assert_eq!(found.labels.clone(), (1..=runs.labels.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!((found.offsets, found.runs), (runs.offsets, runs.runs));
        }
    }
}
