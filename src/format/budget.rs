//! What bounds the runs that a few bytes of a file may stand for.
//!
//! In most formats a run takes bytes of its own. Where it does not (a box that is filled row by row, a compressed text),
//! the runs of a whole file are bounded by the bytes read so far: memory follows the input, not the numbers in it. So are
//! the runs that all objects of a file become in the other scan order.

use std::borrow::Cow;

use super::objects::Object;
use crate::error::{Error, Result};
use crate::runs::{Run, order};
use crate::shape::ScanOrder;

/// Runs that a file may hold whatever its size: 64 MiB of them.
const ALWAYS: u64 = 1 << 22;

/// Counts the runs of a file.
#[derive(Debug, Default)]
pub(super) struct Budget {
    runs: u64,
}

impl Budget {
    /// Takes `runs` more after `bytes` of the file were read.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than 2^22 runs and one for each byte, over the whole file.
    pub(super) fn take(&mut self, runs: u64, bytes: u64) -> Result<()> {
        self.runs = self.runs.saturating_add(runs);
        let limit = ALWAYS.saturating_add(bytes);
        if self.runs <= limit {
            return Ok(());
        }
        Err(Error::LimitExceeded {
            what: format!("runs of a file, of which {bytes} bytes were read"),
            limit,
            found: self.runs,
        })
    }
}

/// Runs of the other scan order that one run may become, beside those that every file may have: a run over a few columns
/// of a tall mask becomes one for each row, but not every run of a file is one.
const FOR_EACH: u64 = 64;

/// Turns the runs of objects into the scan order of a file, and counts them.
#[derive(Debug, Default)]
pub(super) struct Turn {
    given: u64,
    made: u64,
}

impl Turn {
    /// The runs of an object in `order`.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when the order is another one and the shape is not known; [`Error::LimitExceeded`] when the
    /// objects so far become more than 2^22 runs and 64 for each of theirs.
    pub(super) fn runs<'a>(&mut self, object: &Object<'a>, order: ScanOrder) -> Result<Cow<'a, [Run]>> {
        let runs = order::in_order(object.runs, object.shape, object.order, order)?;
        self.given = self.given.saturating_add(object.runs.len() as u64);
        self.made = self.made.saturating_add(runs.len() as u64);
        let limit = ALWAYS.saturating_add(self.given.saturating_mul(FOR_EACH));
        if self.made > limit {
            return Err(Error::LimitExceeded {
                what: format!("{order} runs of {} that are {}", self.given, object.order),
                limit,
                found: self.made,
            });
        }
        Ok(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    #[test]
    fn runs_are_bounded_by_bytes() {
        let mut budget = Budget::default();
        budget.take(ALWAYS, 0).unwrap();
        budget.take(1000, 1000).unwrap();
        assert!(matches!(budget.take(1, 1000), Err(Error::LimitExceeded { .. })));
    }

    #[test]
    fn the_runs_of_all_objects_in_the_other_order_are_bounded_together() {
        // A run over two columns and a half becomes one for each of a million rows.
        let runs = [Run { start: 500_000, length: 2_000_000 }];
        let shape = Some(Shape { height: 1_000_000, width: 5 });
        let object = Object {
            image: "1",
            shape,
            order: ScanOrder::ColumnMajor,
            label: None,
            category: None,
            score: None,
            crowd: false,
            runs: &runs,
        };
        let mut turn = Turn::default();
        let made = (0..10).map_while(|_| turn.runs(&object, ScanOrder::RowMajor).ok()).count();
        assert_eq!(made, 4);
        assert!(matches!(turn.runs(&object, ScanOrder::RowMajor), Err(Error::LimitExceeded { .. })));
    }
}
