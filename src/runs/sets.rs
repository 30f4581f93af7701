//! Sets of pixels: union, intersection and differences of masks, and the foreground as one label.
//!
//! Gets the runs of two masks of the same shape; gives, for each label, the pixels that are in the first, in the second, or
//! in both, as the operation says. Either may be in either scan order, and its labels may overlap; the result is in the
//! first one's order, and its runs are maximal. Labels that are left without pixels are left out.

use super::build::{Empty, Tail, build, same_shape};
use super::scan::Walk;
use super::{LabelRuns, RUNS, Run};
use crate::error::Result;
use crate::memory::{copied, extend};
use crate::names::names;

/// What becomes of two sets of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetOperation {
    /// Pixels of either.
    Union,
    /// Pixels of both.
    Intersection,
    /// Pixels of the first that are not in the second.
    Difference,
    /// Pixels of one of them only.
    SymmetricDifference,
}

names! {
    "a set operation", SetOperation {
        Union => "union",
        Intersection => "intersection",
        Difference => "difference",
        SymmetricDifference => "symmetric-difference",
    }
}

impl SetOperation {
    /// Whether a pixel is in the result.
    #[inline]
    fn keeps(self, first: bool, second: bool) -> bool {
        match self {
            Self::Union => first || second,
            Self::Intersection => first && second,
            Self::Difference => first && !second,
            Self::SymmetricDifference => first != second,
        }
    }
}

/// Calls `keep` with stretches of positions, in ascending order, that are in the result for two lists of runs.
pub(super) fn combine(first: &[Run], second: &[Run], operation: SetOperation, mut keep: impl FnMut(Run)) {
    let (mut i, mut j, mut at) = (0, 0, 0);
    // Whether a position is covered, and up to where that stays so.
    let look = |run: Option<&Run>, at: u64| match run {
        Some(run) if run.start > at => (false, run.start),
        Some(run) => (true, run.end()),
        None => (false, u64::MAX),
    };
    while i < first.len() || j < second.len() {
        let ((one, one_until), (other, other_until)) = (look(first.get(i), at), look(second.get(j), at));
        let until = one_until.min(other_until);
        if operation.keeps(one, other) {
            keep(Run { start: at, length: until - at });
        }
        at = until;
        i += usize::from(one && one_until == at);
        j += usize::from(other && other_until == at);
    }
}

impl LabelRuns {
    /// The pixels of each label that are in this mask, in the other, or in both, as the operation says.
    ///
    /// For the foregrounds of two masks, whatever their labels, take [`LabelRuns::foreground`] of both first.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) when the masks have different shapes;
    /// [`Error::UnknownShape`](crate::Error::UnknownShape) when they are in different orders and the other one's shape is
    /// not known.
    ///
    /// ```
    /// use runmask::{LabelMask, SetOperation, Shape};
    /// let shape = Shape { height: 1, width: 5 };
    /// let runs = |pixels: [u8; 5]| runmask::encode(&LabelMask::new(&pixels, shape)?);
    /// let (one, other) = (runs([7, 7, 7, 0, 2])?, runs([0, 7, 7, 7, 3])?);
    /// let both = one.combine(&other, SetOperation::Intersection)?;
    /// assert_eq!(runmask::decode::<u8>(&both)?, [0, 7, 7, 0, 0]);
    /// let foregrounds = one.foreground(1)?.combine(&other.foreground(1)?, SetOperation::Intersection)?;
    /// assert_eq!(runmask::decode::<u8>(&foregrounds)?, [0, 1, 1, 0, 1]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn combine(&self, other: &Self, operation: SetOperation) -> Result<Self> {
        let shape = same_shape(self.shape, other.shape)?;
        let turned;
        let other = if other.order == self.order {
            other
        } else {
            turned = other.to_order(self.order)?;
            &turned
        };
        let mut labels = copied(&self.labels, RUNS)?;
        extend(&mut labels, &other.labels, RUNS)?;
        labels.sort_unstable();
        labels.dedup();
        build(shape, self.order, labels.len(), Empty::Drop, |index, runs| {
            let of = |side: &Self| side.labels.binary_search(&labels[index]).ok();
            let (one, two) = (of(self), of(other));
            let (one, two) = (one.map_or(&[][..], |at| self.runs_at(at)), two.map_or(&[][..], |at| other.runs_at(at)));
            let mut tail = Tail::new(runs, one.len() + two.len())?;
            combine(one, two, operation, |run| tail.push(run));
            Ok(labels[index])
        })
    }

    /// All pixels of all labels as one label; they may overlap.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`](crate::Error::LimitExceeded) for more than 2^32 - 1 labels.
    pub fn foreground(&self, label: u64) -> Result<Self> {
        let mut all = Vec::new();
        let mut runs = Tail::new(&mut all, 0)?;
        match self.labels.len() {
            1 => {
                runs.make_room(self.runs.len())?;
                self.runs.iter().for_each(|&run| runs.push(run));
            }
            _ => {
                let walk = Walk::of(&[self])?;
                let mut scan = walk.scan(0, 0)?;
                for _ in 0..walk.count() {
                    let stretch = scan.stretch()?;
                    runs.make_room(stretch.len())?;
                    stretch.iter().for_each(|entry| runs.cover(entry.run()));
                }
            }
        }
        let offsets = vec![0, all.len()];
        Ok(Self { shape: self.shape, order: self.order, labels: vec![label], offsets, runs: all.into() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Error;
    use crate::runs::testing::{any_runs, for_threads};
    use crate::shape::{ScanOrder, Shape};

    /// The pixels of a label, as one truth for each.
    fn set(runs: &LabelRuns, label: u64) -> Vec<bool> {
        let mut set = vec![false; runs.shape().unwrap().pixels() as usize];
        for run in runs.get(label).unwrap_or_default() {
            set[run.start as usize..run.end() as usize].fill(true);
        }
        set
    }

    fn maximal(runs: &LabelRuns) -> bool {
        runs.iter().all(|(_, runs)| runs.windows(2).all(|pair| pair[0].end() < pair[1].start))
    }

    proptest! {
        #[test]
        fn sets_are_by_definition(one in any_runs(), other in any_runs()) {
            // The other one's runs, in a mask of the first one's shape.
            let shape = one.shape().unwrap();
            let mut parts = (Vec::new(), vec![0], Vec::new());
            for (label, runs) in other.iter() {
                parts.0.push(label);
                parts.2.extend(runs.iter().filter(|run| run.end() <= shape.pixels()));
                parts.1.push(parts.2.len());
            }
            let other = LabelRuns::from_parts(Some(shape), one.order(), parts.0, parts.1, parts.2).unwrap();
            let turned = match one.order() {
                ScanOrder::ColumnMajor => other.to_order(ScanOrder::RowMajor).unwrap(),
                ScanOrder::RowMajor => other.to_order(ScanOrder::ColumnMajor).unwrap(),
            };
            for &operation in SetOperation::ALL {
                let [found, many] = for_threads(|| one.combine(&other, operation).unwrap());
                prop_assert_eq!(&found, &many);
                prop_assert_eq!(&found, &one.combine(&turned, operation).unwrap());
                prop_assert!(maximal(&found));
                prop_assert!(found.iter().all(|(_, runs)| !runs.is_empty()));
                for label in 0..10 {
                    let (first, second) = (set(&one, label), set(&other, label));
                    let expected: Vec<bool> = first.iter().zip(&second).map(|(&a, &b)| match operation {
                        SetOperation::Union => a | b,
                        SetOperation::Intersection => a & b,
                        SetOperation::Difference => a & !b,
                        SetOperation::SymmetricDifference => a ^ b,
                    }).collect();
                    prop_assert_eq!(set(&found, label), expected);
                }
            }
        }

        #[test]
        fn the_foreground_is_all_that_any_label_covers(runs in any_runs()) {
            let foreground = runs.foreground(3).unwrap();
            prop_assert_eq!(foreground.labels(), [3]);
            prop_assert!(maximal(&foreground));
            let mut expected = vec![false; runs.shape().unwrap().pixels() as usize];
            for &label in runs.labels() {
                expected.iter_mut().zip(set(&runs, label)).for_each(|(all, one)| *all |= one);
            }
            prop_assert_eq!(set(&foreground, 3), expected);
        }
    }

    #[test]
    fn masks_of_different_shapes_are_refused() {
        let empty = |height| LabelRuns::empty(Some(Shape { height, width: 2 }), ScanOrder::RowMajor);
        let error = empty(1).combine(&empty(2), SetOperation::Union).unwrap_err();
        assert!(matches!(error, Error::Argument(_)));
        assert_eq!(error.to_string(), "masks of different shapes: height 1 x width 2, and height 2 x width 2");
    }
}
