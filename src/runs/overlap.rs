//! Overlaps of two masks: how many pixels each label of one shares with each label of the other.
//!
//! Gets two masks whose labels do not overlap within a mask; gives the pairs of labels that share pixels, in ascending order,
//! and the area of every label. Both run lists are walked together in scan order, so that each overlap of two runs is one
//! step, and time and memory follow the runs, not the labels or the pixels.

use std::ops::Range;

use rayon::prelude::*;

use super::LabelRuns;
use super::build::same_shape;
use super::scan::{Cuts, Entry, Scan, first_overlap};
use crate::error::{Error, Result};
use crate::shape::{ScanOrder, Shape};

/// Two labels and the pixels that they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Overlap {
    /// The label in the first mask.
    pub first: u64,
    /// The label in the second mask.
    pub second: u64,
    /// Number of pixels that have both.
    pub pixels: u64,
}

/// The labels that two masks share pixels of; what [`LabelRuns::overlaps`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlaps {
    pub(super) pairs: Vec<Overlap>,
    /// Labels and areas, labels ascending.
    pub(super) first: Vec<(u64, u64)>,
    pub(super) second: Vec<(u64, u64)>,
}

impl Overlaps {
    /// Pairs of labels that share pixels, ascending by the first, then by the second.
    pub fn pairs(&self) -> &[Overlap] {
        &self.pairs
    }

    /// Every label of the first mask with its area, ascending.
    pub fn first(&self) -> &[(u64, u64)] {
        &self.first
    }

    /// Every label of the second mask with its area, ascending.
    pub fn second(&self) -> &[(u64, u64)] {
        &self.second
    }

    /// Share of the pixels of a pair in those of either label; 0 for labels that do not occur.
    pub fn iou(&self, pair: &Overlap) -> f64 {
        let area = |areas: &[(u64, u64)], label: u64| {
            areas.binary_search_by_key(&label, |entry| entry.0).map_or(0, |index| areas[index].1)
        };
        iou(pair.pixels, area(&self.first, pair.first), area(&self.second, pair.second))
    }

    /// The same with the masks exchanged.
    #[must_use]
    pub fn swapped(mut self) -> Self {
        for pair in &mut self.pairs {
            std::mem::swap(&mut pair.first, &mut pair.second);
        }
        self.pairs.sort_unstable();
        std::mem::swap(&mut self.first, &mut self.second);
        self
    }
}

/// Intersection by union.
pub(super) fn iou(pixels: u64, first: u64, second: u64) -> f64 {
    if pixels == 0 { 0.0 } else { pixels as f64 / (first + (second - pixels)) as f64 }
}

impl LabelRuns {
    /// The pairs of labels of this mask and another that share pixels.
    ///
    /// The other mask may be in the other scan order.
    ///
    /// # Errors
    /// [`Error::Argument`] when the masks have different shapes; [`Error::Overlap`] when labels of one of them overlap each
    /// other: for objects that may overlap, see [`LabelRuns::coco_iou`]; [`Error::UnknownShape`] when the orders differ and
    /// the other mask's shape is not known.
    ///
    /// ```
    /// use runmask::{LabelMask, Overlap, Shape};
    /// let shape = Shape { height: 1, width: 5 };
    /// let runs = |pixels: [u8; 5]| runmask::encode(&LabelMask::new(&pixels, shape)?);
    /// let overlaps = runs([7, 7, 7, 0, 2])?.overlaps(&runs([0, 4, 4, 4, 4])?)?;
    /// assert_eq!(overlaps.pairs()[1], Overlap { first: 7, second: 4, pixels: 2 });
    /// assert_eq!(overlaps.iou(&overlaps.pairs()[1]), 2.0 / 5.0);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn overlaps(&self, other: &Self) -> Result<Overlaps> {
        let shape = same_shape(self.shape, other.shape)?;
        let turned;
        let other = if other.order == self.order {
            other
        } else {
            turned = other.to_order(self.order)?;
            &turned
        };
        let cuts = Cuts::of(&[self, other]);
        let each = cuts.count().div_ceil(rayon::current_num_threads());
        let walk_some = |first: usize| {
            let begin = cuts.stretch(first).start;
            let (mut one, mut two) = (Scan::new(self, begin)?, Scan::new(other, begin)?);
            let mut table = Table::new(self.labels.len());
            for index in first..(first + each).min(cuts.count()) {
                let positions = cuts.stretch(index);
                let first = in_scan_order(&mut one, positions.clone(), self, shape)?;
                let second = in_scan_order(&mut two, positions, other, shape)?;
                walk(first, second, |one, other, pixels| table.add(one, other, pixels));
            }
            Ok(table.finish())
        };
        let parts: Vec<Result<_>> = (0..cuts.count()).into_par_iter().step_by(each).map(walk_some).collect();
        let mut counts: Vec<(u32, u32, u64)> = Vec::new();
        for part in parts {
            counts.extend(part?);
        }
        counts.sort_unstable();
        let mut pairs: Vec<Overlap> = Vec::new();
        for (one, two, pixels) in counts {
            let (first, second) = (self.labels[one as usize], other.labels[two as usize]);
            match pairs.last_mut() {
                Some(last) if (last.first, last.second) == (first, second) => last.pixels += pixels,
                _ => pairs.push(Overlap { first, second, pixels }),
            }
        }
        Ok(Overlaps { pairs, first: areas(self), second: areas(other) })
    }
}

fn areas(runs: &LabelRuns) -> Vec<(u64, u64)> {
    runs.iter().map(|(label, runs)| (label, runs.iter().map(|run| run.length).sum())).collect()
}

/// The runs of a stretch in scan order; an error when some overlap.
fn in_scan_order<'s>(
    scan: &'s mut Scan<'_>,
    positions: Range<u64>,
    runs: &LabelRuns,
    shape: Option<Shape>,
) -> Result<&'s [Entry]> {
    let entries = scan.stretch(positions);
    match first_overlap(entries) {
        Some([one, other]) => Err(overlap(runs, one, other, shape, runs.order)),
        None => Ok(entries),
    }
}

#[cold]
fn overlap(runs: &LabelRuns, one: Entry, other: Entry, shape: Option<Shape>, order: ScanOrder) -> Error {
    let labels = [one, other].map(|entry| runs.labels[entry.label as usize]);
    let what = format!("label {} overlaps label {}", labels[1], labels[0]);
    match shape {
        Some(shape) => {
            let (row, column) = order.row_column(other.start, shape);
            Error::Overlap { what, labels, row, column }
        }
        None => Error::Argument(format!("{what} at position {}: a mask holds one label a pixel", other.start)),
    }
}

/// Calls `each` with the numbers of two labels and the pixels that two of their runs share, in scan order.
#[inline(always)]
fn walk(first: &[Entry], second: &[Entry], mut each: impl FnMut(u32, u32, u64)) {
    let (mut i, mut j) = (0, 0);
    while let (Some(one), Some(other)) = (first.get(i), second.get(j)) {
        let (one_end, other_end) = (one.end(), other.end());
        let (start, end) = (one.start.max(other.start), one_end.min(other_end));
        if start < end {
            each(one.label, other.label, end - start);
        }
        i += usize::from(one_end <= other_end);
        j += usize::from(other_end <= one_end);
    }
}

/// Adds up pixels by pairs of labels. A label meets few others, mostly the one that it met last: two are kept at hand for
/// each label, and whoever else comes goes to a list.
struct Table {
    recent: Vec<[(u32, u64); 2]>,
    rest: Vec<(u32, u32, u64)>,
}

const NOBODY: u32 = u32::MAX;

impl Table {
    fn new(labels: usize) -> Self {
        Self { recent: vec![[(NOBODY, 0); 2]; labels], rest: Vec::new() }
    }

    #[inline(always)]
    fn add(&mut self, one: u32, other: u32, pixels: u64) {
        let [first, second] = &mut self.recent[one as usize];
        if first.0 == other {
            first.1 += pixels;
        } else if second.0 == other {
            second.1 += pixels;
        } else {
            if second.0 != NOBODY {
                self.rest.push((one, second.0, second.1));
            }
            *second = *first;
            *first = (other, pixels);
        }
    }

    fn finish(mut self) -> Vec<(u32, u32, u64)> {
        for (one, recent) in (0..).zip(self.recent) {
            let known = recent.into_iter().filter(|entry| entry.0 != NOBODY);
            self.rest.extend(known.map(|(other, pixels)| (one, other, pixels)));
        }
        self.rest
    }
}

#[cfg(test)]
pub(in crate::runs) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::runs::Run;
    use crate::runs::testing::{ORDERS, Pixels, any_runs, for_threads, masks};

    /// Two masks of one shape.
    pub(in crate::runs) fn pairs() -> impl Strategy<Value = (Pixels, Pixels)> {
        (masks(), masks()).prop_map(|(one, other)| {
            let mut second = Pixels::new(one.shape.height, one.shape.width);
            for row in 0..one.shape.height {
                (0..one.shape.width)
                    .for_each(|column| second.set(row, column, other.get(i64::from(row), i64::from(column))));
            }
            (one, second)
        })
    }

    proptest! {
        #[test]
        fn overlaps_are_counted_pixel_by_pixel((one, other) in pairs()) {
            let mut expected: BTreeMap<(u64, u64), u64> = BTreeMap::new();
            for (&first, &second) in one.labels.iter().zip(&other.labels) {
                if first > 0 && second > 0 {
                    *expected.entry((first, second)).or_default() += 1;
                }
            }
            let expected: Vec<Overlap> =
                expected.into_iter().map(|((first, second), pixels)| Overlap { first, second, pixels }).collect();
            for order in ORDERS {
                for other_order in ORDERS {
                    let (a, b) = (one.encode(order), other.encode(other_order));
                    let [found, many] = for_threads(|| a.overlaps(&b).unwrap());
                    prop_assert_eq!(&found, &many);
                    prop_assert_eq!(&found.pairs, &expected);
                    prop_assert_eq!(found.clone().swapped(), b.overlaps(&a).unwrap());
                    for (mask, areas) in [(&one, &found.first), (&other, &found.second)] {
                        let expected: Vec<(u64, u64)> =
                            mask.present().into_iter().map(|label| (label, mask.of(label).len() as u64)).collect();
                        prop_assert_eq!(areas, &expected);
                    }
                    for pair in found.pairs() {
                        let union = one.labels.iter().zip(&other.labels).filter(|(a, b)| **a == pair.first || **b == pair.second).count();
                        prop_assert_eq!(found.iou(pair), pair.pixels as f64 / union as f64);
                    }
                }
            }
        }

        #[test]
        fn labels_that_overlap_within_a_mask_are_refused(runs in any_runs()) {
            let shape = runs.shape().unwrap();
            let mut counts = vec![0; shape.pixels() as usize];
            runs.runs.iter().flat_map(|run| run.start..run.end()).for_each(|position| counts[position as usize] += 1);
            let empty = LabelRuns::empty(Some(shape), runs.order());
            for found in [runs.overlaps(&empty), empty.overlaps(&runs)] {
                match found {
                    Ok(_) => prop_assert!(counts.iter().all(|&count| count < 2)),
                    Err(Error::Overlap { row, column, labels, .. }) => {
                        let position = match runs.order() {
                            ScanOrder::ColumnMajor => column * u64::from(shape.height) + row,
                            ScanOrder::RowMajor => row * u64::from(shape.width) + column,
                        };
                        for label in labels {
                            prop_assert!(runs.get(label).unwrap().iter().any(|run| (run.start..run.end()).contains(&position)));
                        }
                    }
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
        }
    }

    #[test]
    fn many_parts_add_up_to_one() {
        // More runs than one part has, of labels that come again all through.
        let shape = Shape { height: 8, width: 1 << 18 };
        let list = |shift: u64| {
            let runs =
                |label: u64| (0..1 << 18).map(move |column| Run { start: column * 8 + label * 3 + shift, length: 2 });
            let all: Vec<Run> = runs(0).chain(runs(1)).collect();
            LabelRuns::from_parts(Some(shape), ScanOrder::ColumnMajor, vec![4, 9], vec![0, 1 << 18, 1 << 19], all)
                .unwrap()
        };
        let (one, other) = (list(0), list(1));
        let [found, many] = for_threads(|| one.overlaps(&other).unwrap());
        assert_eq!(found, many);
        let pixels = 1 << 18;
        assert_eq!(found.pairs, [Overlap { first: 4, second: 4, pixels }, Overlap { first: 9, second: 9, pixels }]);
    }
}
