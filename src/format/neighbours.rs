//! Whether height and width look exchanged, told from the runs alone.
//!
//! Runs of one object lie beside each other in neighbouring scan lines. When the length of a line is wrong they do so by
//! chance only. So the runs that have a neighbour of their own object one line further are counted, once with the length
//! as given and once with that of the other side.

use super::objects::Object;
use crate::runs::{LabelRuns, Run};
use crate::shape::{ScanOrder, Shape};

/// Runs that have a neighbour of the same object in the next scan line.
///
/// ```
/// use runmask::format::Neighbours;
/// use runmask::{LabelRunsBuilder, Run, ScanOrder, Shape};
///
/// // A square of 20 x 20 pixels in a mask of 100 x 230, column-major: its runs are 100 positions apart.
/// let mut runs = LabelRunsBuilder::new(Some(Shape { height: 100, width: 230 }), ScanOrder::ColumnMajor);
/// runs.label(1)?;
/// for column in 50..70 {
///     runs.run(Run { start: column * 100 + 40, length: 20 })?;
/// }
/// let runs = runs.finish();
/// assert!(!Neighbours::of(&runs).look_exchanged());
/// let exchanged = runs.with_shape(Shape { height: 230, width: 100 })?;
/// let neighbours = Neighbours::of(&exchanged);
/// assert_eq!((neighbours.as_given, neighbours.exchanged), (0, 19));
/// assert!(neighbours.look_exchanged());
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Neighbours {
    /// With height and width as they are given.
    pub as_given: u64,
    /// With height and width exchanged.
    pub exchanged: u64,
}

impl Neighbours {
    /// The neighbours among the runs of every label; none when the shape is not known, or is a square.
    pub fn of(runs: &LabelRuns) -> Self {
        let mut neighbours = Self::default();
        if let Some(shape) = runs.shape() {
            runs.iter().for_each(|(_, object)| neighbours.add(object, shape, runs.order()));
        }
        neighbours
    }

    /// Whether the other way round is so much likelier that it is no chance. The same is seen when runs are read in the
    /// wrong scan order.
    pub fn look_exchanged(self) -> bool {
        is_telling(self.as_given, self.exchanged)
    }

    /// Counts those of one object more.
    pub(crate) fn add(&mut self, runs: &[Run], shape: Shape, order: ScanOrder) {
        if shape.height != shape.width && shape.pixels() > 0 {
            let other = Shape { height: shape.width, width: shape.height };
            self.as_given += beside(runs, u64::from(shape.line_length(order)));
            self.exchanged += beside(runs, u64::from(other.line_length(order)));
        }
    }

    pub(super) fn add_object(&mut self, object: &Object<'_>) {
        if let Some(shape) = object.shape {
            self.add(object.runs, shape, object.order);
        }
    }
}

/// Whether `few` is so much less than `many` that it is no chance.
pub(crate) fn is_telling(few: u64, many: u64) -> bool {
    many > 2 * few + 4
}

/// Runs of one object that have a neighbour `length` positions further.
pub(crate) fn beside(runs: &[Run], length: u64) -> u64 {
    let mut count = 0;
    let mut next = 0;
    for run in runs {
        let Some(beside) = run.start.checked_add(length) else { continue };
        while runs.get(next).is_some_and(|other| other.end() <= beside) {
            next += 1;
        }
        count += u64::from(runs.get(next).is_some_and(|other| other.start < beside.saturating_add(run.length)));
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn neighbours_are_those_of_the_definition(steps in prop::collection::vec((0_u64..9, 1_u64..9), 0..12), length in 1_u64..30) {
            let mut end = 0;
            let runs: Vec<_> = steps
                .iter()
                .map(|&(gap, length)| {
                    let run = Run { start: end + gap, length };
                    end = run.end();
                    run
                })
                .collect();
            let has = |position: u64| runs.iter().any(|run| (run.start..run.end()).contains(&position));
            let expected = runs.iter().filter(|run| (run.start..run.end()).any(|position| has(position + length))).count();
            prop_assert_eq!(beside(&runs, length), expected as u64);
        }
    }
}
