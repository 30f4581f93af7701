//! Overlaps of two masks: how many pixels each label of one shares with each label of the other.
//!
//! Gets two masks whose labels do not overlap within a mask; gives the pairs of labels that share pixels, in ascending order,
//! and the area of every label. A stretch of positions at a time, the runs of the second mask are put into scan order, and those
//! of the first are looked up among them, label by label, so that the pixels of a pair are added up in one place. Labels of many
//! runs are compared with those near them instead ([`by_label`]). Time and memory follow the runs, not the labels or the pixels.

mod by_label;

use super::LabelRuns;
use super::build::same_shape;
use super::scan::{Entry, Lookup, Scan, Visitor, Walk, first_overlap};
use crate::error::{Error, Result};
use crate::memory::{reserve, zeroed};
use crate::shape::{ScanOrder, Shape};
use crate::threads;

/// Two labels and the pixels that they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, bytemuck::Zeroable)]
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
    pub(crate) pairs: Vec<Overlap>,
    /// Labels and areas, labels ascending.
    pub(crate) first: Vec<(u64, u64)>,
    pub(crate) second: Vec<(u64, u64)>,
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
        if let Some(shape) = shape
            && [self, other].into_iter().all(by_label::pays)
            && let Some(overlaps) = by_label::overlaps(self, other, shape)?
        {
            return Ok(overlaps);
        }
        self.overlaps_by_walk(other, shape)
    }

    /// The same in scan order, of masks of one order.
    fn overlaps_by_walk(&self, other: &Self, shape: Option<Shape>) -> Result<Overlaps> {
        let walk = Walk::of(&[self, other])?;
        let each = walk.count().div_ceil(rayon::current_num_threads());
        let count_some = |some: usize| -> Result<Part> {
            let first = some * each;
            let (mut one, mut two) = (walk.scan(0, first)?, walk.scan(1, first)?);
            let mut part = Part::new(other.labels.len())?;
            for _ in first..(first + each).min(walk.count()) {
                disjoint(two.stretch()?, other, shape)?;
                let counted = match two.lookup().bits {
                    true => one.visit_stretch(&mut Counter::<true>::new(&mut part, &two)),
                    false => one.visit_stretch(&mut Counter::<false>::new(&mut part, &two)),
                };
                if !counted? {
                    disjoint(one.entries(), self, shape)?;
                }
                part.failed.take().map_or(Ok(()), Err)?;
            }
            Ok(part)
        };
        let parts: Vec<Part> = threads::try_map(threads::each, walk.count().div_ceil(each), count_some)?;
        let found: Vec<&[Found]> = parts.iter().map(|part| &part.found[..]).collect();
        let first = |label: u32| self.labels[label as usize];
        let pairs = pairs(&found, self.labels.len(), first, |label| other.labels[label as usize])?;
        Ok(Overlaps { pairs, first: walk.areas(0), second: walk.areas(1) })
    }
}

/// An error when some runs of a stretch overlap.
fn disjoint(entries: &[Entry], runs: &LabelRuns, shape: Option<Shape>) -> Result<()> {
    match first_overlap(entries) {
        Some([one, other]) => Err(overlap(runs, one, other, shape, runs.order)),
        None => Ok(()),
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

/// The numbers of two labels and the pixels that they share, which may be there more than once.
pub(crate) type Found = (u32, u32, u64);

/// What was found in some stretches.
struct Part {
    found: Vec<Found>,
    /// For each label of the second mask the pixels that it shares with the label at hand.
    shared: Vec<u64>,
    /// The labels that share some, each once.
    met: Vec<u32>,
    /// There was no room for what was found.
    failed: Option<Error>,
}

impl Part {
    fn new(labels: usize) -> Result<Self> {
        // One at least, for what follows the last run.
        let shared = zeroed(labels.max(1) as u64, "labels that overlap")?;
        Ok(Self { found: Vec::new(), shared, met: Vec::new(), failed: None })
    }
}

/// Adds up pixels by pairs of labels in a stretch: label by label of the first mask, whose runs are looked up among those of
/// the second.
struct Counter<'a, const BITS: bool> {
    lookup: Lookup<'a>,
    entries: &'a [Entry],
    found: &'a mut Vec<Found>,
    shared: &'a mut [u64],
    met: &'a mut Vec<u32>,
    failed: &'a mut Option<Error>,
}

impl<'a, const BITS: bool> Counter<'a, BITS> {
    fn new(part: &'a mut Part, two: &'a Scan<'_>) -> Self {
        let Part { found, shared, met, failed } = part;
        Self { lookup: two.lookup(), entries: two.entries_and_end(), found, shared, met, failed }
    }
}

impl<const BITS: bool> Visitor for Counter<'_, BITS> {
    #[inline(always)]
    fn run(&mut self, start: u64, end: u64) {
        let Self { lookup, entries, shared, met, .. } = self;
        let mut add = |entry: &Entry| {
            let pixels = end.min(entry.end()).saturating_sub(start.max(entry.start));
            let sum = &mut shared[entry.label as usize];
            let new = (*sum == 0) & (pixels > 0);
            *sum += pixels;
            if new {
                met.push(entry.label);
            }
        };
        // The last run that begins before this one, unless it has ended, and those that begin before this one ends.
        let mut next = lookup.before::<BITS>(start).saturating_sub(1);
        if BITS {
            next += usize::from(entries[next].end() <= start);
        } else {
            while entries[next].end() <= start {
                next += 1;
            }
        }
        let Some([entry, others @ ..]) = entries.get(next..) else { return };
        add(entry);
        for entry in others {
            if entry.start >= end {
                break;
            }
            add(entry);
        }
    }

    #[inline(always)]
    fn label(&mut self, label: u32) {
        if let Err(error) = reserve(self.found, self.met.len(), "overlaps") {
            *self.failed = Some(error);
            return;
        }
        let shared = &mut *self.shared;
        let pair = |other| (label, other, std::mem::take(&mut shared[other as usize]));
        self.found.extend(self.met.drain(..).map(pair));
    }
}

/// The pairs of labels in ascending order, each once. Labels of the first mask have numbers below `count`; `first` and
/// `second` are the labels of numbers, which ascend with them.
pub(crate) fn pairs(
    parts: &[&[Found]],
    count: usize,
    first: impl Fn(u32) -> u64,
    second: impl Fn(u32) -> u64,
) -> Result<Vec<Overlap>> {
    let all = || parts.iter().copied().flatten();
    // Sorted by counting, and those of a label, which are few, by comparing.
    let mut ends = zeroed::<usize>(count as u64 + 1, "overlaps")?;
    all().for_each(|&(one, _, _)| ends[one as usize + 1] += 1);
    (1..ends.len()).for_each(|index| ends[index] += ends[index - 1]);
    let mut pairs: Vec<Overlap> = zeroed(ends[count] as u64, "overlaps")?;
    for &(one, two, pixels) in all() {
        let place = &mut ends[one as usize];
        pairs[*place] = Overlap { first: first(one), second: second(two), pixels };
        *place += 1;
    }
    pairs.chunk_by_mut(|a, b| a.first == b.first).for_each(<[Overlap]>::sort_unstable);
    pairs.dedup_by(|next, kept| {
        let same = (next.first, next.second) == (kept.first, kept.second);
        kept.pixels += if same { next.pixels } else { 0 };
        same
    });
    Ok(pairs)
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
