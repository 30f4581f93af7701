//! Counts: the alternating lengths of background and object from the first pixel to the last.
//!
//! The first count is background and may be 0; a count of 0 elsewhere joins its neighbours. COCO and SAM number the
//! pixels column-major, CVAT row-major.

use crate::error::{Error, Result};
use crate::runs::Run;

/// The largest count that other programs read: pycocotools and most others keep counts in 32 bits.
pub const LARGEST_PORTABLE: u64 = u32::MAX as u64;

/// What a writer does with a count above [`LARGEST_PORTABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LargeCounts {
    /// Refuses it: [`Error::LimitExceeded`].
    #[default]
    Refuse,
    /// Writes it as parts with counts of 0 between them.
    Split,
    /// Writes it whole; readers of 64-bit counts, this one among them, read it.
    Keep,
}

impl LargeCounts {
    /// The counts of `runs`, which ascend without overlap, in a mask of `pixels`; the former content is lost.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a large count that [`Self::Refuse`] finds; [`Error::Argument`] when a run ends outside
    /// the mask.
    pub fn counts(self, runs: &[Run], pixels: u64, counts: &mut Vec<u64>) -> Result<()> {
        if let Some(run) = runs.last().filter(|run| run.end() > pixels) {
            return Err(Error::Argument(format!(
                "the run of {} pixels from {} ends outside the mask of {pixels} pixels",
                run.length, run.start
            )));
        }
        counts.clear();
        let mut end = 0;
        for &run in runs {
            // A run that begins where the one before ends belongs to it.
            if run.start == end
                && let Some(last) = counts.last_mut()
                && end > 0
            {
                *last += run.length;
            } else {
                counts.push(run.start - end);
                counts.push(run.length);
            }
            end = run.end();
        }
        if end < pixels || counts.is_empty() {
            counts.push(pixels - end);
        }
        match self {
            Self::Keep => Ok(()),
            Self::Refuse => match counts.iter().find(|&&count| count > LARGEST_PORTABLE) {
                Some(&found) => Err(Error::LimitExceeded {
                    what: "pixels in one count that other programs read".into(),
                    limit: LARGEST_PORTABLE,
                    found,
                }),
                None => Ok(()),
            },
            Self::Split => {
                if counts.iter().any(|&count| count > LARGEST_PORTABLE) {
                    *counts = split(counts);
                }
                Ok(())
            }
        }
    }
}

fn split(counts: &[u64]) -> Vec<u64> {
    let mut result = Vec::with_capacity(counts.len() + 8);
    for &count in counts {
        let mut left = count;
        while left > LARGEST_PORTABLE {
            result.extend([LARGEST_PORTABLE, 0]);
            left -= LARGEST_PORTABLE;
        }
        result.push(left);
    }
    result
}

/// The maximal runs of `counts`, which must sum to `pixels`; the former content is lost.
///
/// # Errors
/// The sum, when it is another one.
pub fn runs_of(counts: &[u64], pixels: u64, runs: &mut Vec<Run>) -> Result<(), u128> {
    runs.clear();
    let mut position = 0_u64;
    for (place, &count) in counts.iter().enumerate() {
        if count > pixels - position {
            return Err(counts.iter().map(|&count| u128::from(count)).sum());
        }
        if place % 2 == 1 && count > 0 {
            match runs.last_mut() {
                Some(last) if last.end() == position => last.length += count,
                _ => runs.push(Run { start: position, length: count }),
            }
        }
        position += count;
    }
    if position == pixels { Ok(()) } else { Err(u128::from(position)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn runs(counts: &[u64], pixels: u64) -> Result<Vec<(u64, u64)>, u128> {
        let mut runs = Vec::new();
        runs_of(counts, pixels, &mut runs)?;
        Ok(runs.iter().map(|run| (run.start, run.length)).collect())
    }

    #[test]
    fn zeros_are_nothing_and_sums_must_fit() {
        assert_eq!(runs(&[2, 3, 1, 1], 7), Ok(vec![(2, 3), (6, 1)]));
        assert_eq!(runs(&[0, 6, 1], 7), Ok(vec![(0, 6)]));
        assert_eq!(runs(&[0, 0, 0, 5, 2], 7), Ok(vec![(0, 5)]));
        assert_eq!(runs(&[1, 2, 0, 3, 1, 0], 7), Ok(vec![(1, 5)]));
        assert_eq!(runs(&[7], 7), Ok(vec![]));
        assert_eq!(runs(&[], 0), Ok(vec![]));
        assert_eq!(runs(&[], 1), Err(0));
        assert_eq!(runs(&[2, 3], 7), Err(5));
        assert_eq!(runs(&[u64::MAX, u64::MAX], 7), Err(2 * u128::from(u64::MAX)));
    }

    #[test]
    fn large_counts_are_refused_split_or_kept() {
        let run = [Run { start: 1 << 33, length: 5 }];
        let pixels = (1 << 33) + 5;
        let mut counts = Vec::new();
        assert!(matches!(
            LargeCounts::Refuse.counts(&run, pixels, &mut counts),
            Err(Error::LimitExceeded { limit: LARGEST_PORTABLE, found: 0x2_0000_0000, .. })
        ));
        LargeCounts::Keep.counts(&run, pixels, &mut counts).unwrap();
        assert_eq!(counts, [1 << 33, 5]);
        LargeCounts::Split.counts(&run, pixels, &mut counts).unwrap();
        assert_eq!(counts, [LARGEST_PORTABLE, 0, LARGEST_PORTABLE, 0, 2, 5]);
        assert_eq!(runs(&counts, pixels), Ok(vec![(1 << 33, 5)]));
    }

    #[test]
    fn the_largest_portable_count_is_neither_refused_nor_split() {
        let mut counts = Vec::new();
        for (gap, length) in [(LARGEST_PORTABLE, 5), (5, LARGEST_PORTABLE)] {
            for large in [LargeCounts::Refuse, LargeCounts::Split] {
                large.counts(&[Run { start: gap, length }], gap + length, &mut counts).unwrap();
                assert_eq!(counts, [gap, length]);
            }
        }
        let run = [Run { start: 5, length: LARGEST_PORTABLE + 1 }];
        let pixels = LARGEST_PORTABLE + 6;
        assert!(matches!(
            LargeCounts::Refuse.counts(&run, pixels, &mut counts),
            Err(Error::LimitExceeded { found: 0x1_0000_0000, .. })
        ));
        LargeCounts::Split.counts(&run, pixels, &mut counts).unwrap();
        assert_eq!(counts, [5, LARGEST_PORTABLE, 0, 1]);
        assert_eq!(runs(&counts, pixels), Ok(vec![(5, LARGEST_PORTABLE + 1)]));
    }

    proptest! {
        #[test]
        fn round_trip(counts in prop::collection::vec(0_u64..9, 1..40)) {
            let pixels = counts.iter().sum();
            let mut first = Vec::new();
            runs_of(&counts, pixels, &mut first).unwrap();
            let mut canonical = Vec::new();
            LargeCounts::Refuse.counts(&first, pixels, &mut canonical).unwrap();
            prop_assert!(canonical.iter().skip(1).all(|&count| count > 0));
            let mut second = Vec::new();
            runs_of(&canonical, pixels, &mut second).unwrap();
            prop_assert_eq!(first, second);
        }
    }
}
