//! Overlaps label by label, of masks whose labels have many runs each.
//!
//! Gets two masks of one shape; gives what walking all runs in scan order gives, or nothing where that is for the walk to do:
//! labels of few runs, labels that overlap within a mask, labels whose boxes meet too many others.
//!
//! ```text
//!   boxes of both masks        which labels may share pixels, of two masks or within one
//!   runs of two labels         one in each line, as most have: those of the lines that both have, pair by pair
//!                              others: both lists walked together
//! ```
//!
//! No run is put into another order. What all labels look at is bounded, so that time follows the runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Found, Overlaps, pairs};
use crate::error::Result;
use crate::runs::boxes::Boxes;
use crate::runs::measure::Extents;
use crate::runs::objects::walked;
use crate::runs::{LabelRuns, Run};
use crate::shape::Shape;
use crate::threads;

/// Runs that labels have on average, of either mask: with fewer, each label costs more than its runs (docs/DESIGN.md).
const MANY: usize = 64;

/// Smallest side of a cell of the boxes, as a power of two.
const CELL_BITS: u32 = 6;

/// Labels that a thread takes at a time.
const AT_ONCE: usize = 1 << 10;

/// Labels look at more runs than they should have to, or overlap another of their mask.
struct GiveUp;

/// A mask, and what its labels cover.
struct Side<'a> {
    runs: &'a LabelRuns,
    boxes: Boxes,
    covers: Vec<Cover>,
}

/// What a label covers.
#[derive(Clone, Copy, Debug, Default)]
struct Cover {
    pixels: u64,
    /// Whether it has one run in each of its lines, which all lie in one line.
    line_by_line: bool,
}

/// Whether labels of these runs have many.
pub(super) fn pays(runs: &LabelRuns) -> bool {
    runs.runs.len() >= MANY * runs.labels.len().max(1)
}

/// The overlaps of two masks of one shape and order; `None` where they are to be found in another way.
pub(super) fn overlaps(one: &LabelRuns, two: &LabelRuns, shape: Shape) -> Result<Option<Overlaps>> {
    let (one, two) = (Side::new(one, shape)?, Side::new(two, shape)?);
    let (ones, twos) = (one.parts(), two.parts());
    // Whether that is enough does not depend on who takes from it first.
    let labels = one.covers.len() + two.covers.len();
    let left = &AtomicUsize::new(64 * labels + 8 * (one.runs.runs.len() + two.runs.runs.len()));
    let find = |part: usize| {
        let mut found = Vec::new();
        let done = match part.checked_sub(ones) {
            None => one.each(part, left, |label, left| {
                one.disjoint(label, left)?;
                one.pairs(label, &two, left, &mut found)
            }),
            Some(part) => two.each(part, left, |label, left| two.disjoint(label, left)),
        };
        Ok(done.is_ok().then_some(found))
    };
    let parts: Vec<Option<Vec<Found>>> = threads::try_map(threads::each, ones + twos, find)?;
    let Some(parts) = parts.iter().map(Option::as_deref).collect::<Option<Vec<&[Found]>>>() else { return Ok(None) };
    let label = |runs: &LabelRuns, label: u32| runs.labels[label as usize];
    let pairs = pairs(&parts, one.runs.labels.len(), |found| label(one.runs, found), |found| label(two.runs, found))?;
    Ok(Some(Overlaps { pairs, first: one.areas(), second: two.areas() }))
}

impl<'a> Side<'a> {
    fn new(runs: &'a LabelRuns, shape: Shape) -> Result<Self> {
        let length = shape.line_length(runs.order);
        let mut known: Vec<(Extents, Cover)> = vec![Default::default(); runs.labels.len()];
        threads::fill(&mut known, AT_ONCE, |label| {
            let runs = runs.runs_at(label);
            let line_by_line = Extents::line_by_line(runs, length);
            let pixels = runs.iter().map(|run| run.length).sum();
            let cover = Cover { pixels, line_by_line: line_by_line.is_some() };
            (line_by_line.unwrap_or_else(|| Extents::of(runs, length)), cover)
        });
        let (extents, covers) = known.into_iter().unzip();
        Ok(Self { runs, boxes: Boxes::new(extents, shape, runs.order, CELL_BITS)?, covers })
    }

    fn areas(&self) -> Vec<(u64, u64)> {
        self.runs.labels.iter().zip(&self.covers).map(|(&label, cover)| (label, cover.pixels)).collect()
    }

    /// The labels are taken in so many parts.
    fn parts(&self) -> usize {
        self.covers.len().div_ceil(AT_ONCE)
    }

    /// Calls `call` with every label of a part that has pixels, and the number of runs that may still be looked at.
    fn each(
        &self,
        part: usize,
        left: &AtomicUsize,
        mut call: impl FnMut(usize, &mut usize) -> std::result::Result<(), GiveUp>,
    ) -> std::result::Result<(), GiveUp> {
        let labels = part * AT_ONCE..self.covers.len().min((part + 1) * AT_ONCE);
        for label in labels.filter(|&label| self.covers[label].pixels > 0) {
            let before = left.load(Ordering::Relaxed);
            let mut after = before;
            call(label, &mut after)?;
            let take = |left: usize| left.checked_sub(before - after);
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| GiveUp)?;
        }
        Ok(())
    }

    /// Gives up where a label shares pixels with a later one of its mask.
    fn disjoint(&self, label: usize, left: &mut usize) -> std::result::Result<(), GiveUp> {
        self.near(label, self, left, |other, left| match other > label {
            true if self.shared(label, self, other, left)? > 0 => Err(GiveUp),
            _ => Ok(()),
        })
    }

    /// The labels of another mask that share pixels with a label.
    fn pairs(
        &self,
        label: usize,
        others: &Self,
        left: &mut usize,
        found: &mut Vec<Found>,
    ) -> std::result::Result<(), GiveUp> {
        self.near(label, others, left, |other, left| {
            match self.shared(label, others, other, left)? {
                0 => {}
                pixels => found.push((label as u32, other as u32, pixels)),
            }
            Ok(())
        })
    }

    /// Calls `call` with every label of a mask whose box meets that of a label.
    fn near(
        &self,
        label: usize,
        others: &Self,
        left: &mut usize,
        mut call: impl FnMut(usize, &mut usize) -> std::result::Result<(), GiveUp>,
    ) -> std::result::Result<(), GiveUp> {
        let view = self.boxes.extents(label);
        take(left, others.boxes.looked_at(view))?;
        others.boxes.near(view, |other| call(other, left))
    }

    /// The pixels that two labels share whose boxes meet.
    fn shared(&self, label: usize, others: &Self, other: usize, left: &mut usize) -> std::result::Result<u64, GiveUp> {
        let (own, its) = (self.runs.runs_at(label), others.runs.runs_at(other));
        if self.covers[label].line_by_line && others.covers[other].line_by_line {
            let (lines, its_lines) = (self.boxes.extents(label).lines, others.boxes.extents(other).lines);
            let both = lines.0.max(its_lines.0)..lines.1.min(its_lines.1);
            take(left, both.len())?;
            let of_both = |first: u32| (both.start - first) as usize..(both.end - first) as usize;
            return Ok(line_by_line(&own[of_both(lines.0)], &its[of_both(its_lines.0)]));
        }
        let (own, its) = (within(own, its), within(its, own));
        take(left, own.len() + its.len())?;
        Ok(walked(own, its))
    }
}

/// Takes from what is left; gives up where that is not enough.
fn take(left: &mut usize, count: usize) -> std::result::Result<(), GiveUp> {
    *left = left.checked_sub(count).ok_or(GiveUp)?;
    Ok(())
}

/// Those of some runs, which have pixels, between the first and the last pixel of others.
fn within<'a>(runs: &'a [Run], others: &[Run]) -> &'a [Run] {
    let (Some(first), Some(last)) = (others.first(), others.last()) else { return &[] };
    let from = runs.partition_point(|run| run.end() <= first.start);
    let count = runs[from..].partition_point(|run| run.start < last.end());
    &runs[from..from + count]
}

/// The pixels that runs share pair by pair.
#[inline]
fn line_by_line(one: &[Run], two: &[Run]) -> u64 {
    let shared = |(one, two): (&Run, &Run)| one.end().min(two.end()).saturating_sub(one.start.max(two.start));
    one.iter().zip(two).map(shared).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runs::overlap::tests::pairs;
    use crate::runs::testing::{ORDERS, any_runs, for_threads};
    use crate::{Encoder, LabelMask};

    proptest! {
        #[test]
        fn label_by_label_is_as_in_scan_order((one, other) in pairs()) {
            for order in ORDERS {
                let (a, b) = (one.encode(order), other.encode(order));
                // None where labels of noise would look at too many others.
                for found in for_threads(|| overlaps(&a, &b, one.shape).unwrap()).into_iter().flatten() {
                    prop_assert_eq!(found, a.overlaps_by_walk(&b, Some(one.shape)).unwrap());
                }
            }
        }

        #[test]
        fn labels_that_overlap_within_a_mask_are_for_the_walk(runs in any_runs()) {
            let shape = runs.shape().unwrap();
            let empty = LabelRuns::empty(Some(shape), runs.order());
            for (one, two) in [(&runs, &empty), (&empty, &runs)] {
                match overlaps(one, two, shape).unwrap() {
                    Some(found) => prop_assert_eq!(found, one.overlaps_by_walk(two, Some(shape)).unwrap()),
                    None => prop_assert!(one.overlaps_by_walk(two, Some(shape)).is_err()),
                }
            }
        }
    }

    /// Squares side by side, and the same moved, in a frame that is a label too: one of many runs in each line.
    #[test]
    fn labels_of_many_runs_are_taken_label_by_label() {
        let shape = Shape { height: 800, width: 600 };
        let square = |row: u32, column: u32| match (row % 400, column % 100) {
            (0..2, _) => 1,
            (_, 0..10) => 0,
            _ => 2 + u64::from(row / 80 * 6 + column / 100),
        };
        let mask = |moved: u32| -> Vec<u64> {
            (0..800_u32).flat_map(|row| (0..600).map(move |column| square(row + moved, column))).collect()
        };
        for order in ORDERS {
            let encoder = Encoder::builder().order(order).build().unwrap();
            let [one, two] = [0, 7].map(|moved| encoder.encode(&LabelMask::new(&mask(moved), shape).unwrap()).unwrap());
            assert!(pays(&one) && pays(&two));
            let found = overlaps(&one, &two, shape).unwrap().expect("few labels are near each other");
            assert_eq!(found, one.overlaps_by_walk(&two, Some(shape)).unwrap());
            assert_eq!(one.overlaps(&two).unwrap(), found);
        }
    }

    /// Each label is a few pixels in each line, everywhere: all are near all.
    #[test]
    fn labels_that_are_near_too_many_are_left_to_the_walk() {
        let shape = Shape { height: 1000, width: 40 };
        let pixels: Vec<u16> =
            (0..40_000_u32).map(|place| (place / 40 % 1000) as u16 + 1).map(|row| row * 7 % 500 + 1).collect();
        let runs = crate::encode(&LabelMask::new(&pixels, shape).unwrap()).unwrap();
        assert!(pays(&runs));
        assert!(overlaps(&runs, &runs, shape).unwrap().is_none());
        let found = runs.overlaps(&runs).unwrap();
        assert!(found.pairs().iter().all(|pair| pair.first == pair.second && pair.pixels == 80));
    }
}
