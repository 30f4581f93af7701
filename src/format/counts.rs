//! Counts: the alternating lengths of background and object from the first pixel to the last.
//!
//! The first count is background and may be 0; a count of 0 elsewhere joins its neighbours. COCO and SAM number the
//! pixels column-major, CVAT row-major.

use crate::error::{Error, Result};
use crate::names::names;
use crate::runs::{Run, push};

/// The largest count that other programs read: pycocotools and most others keep counts in 32 bits.
pub const LARGEST_PORTABLE: u64 = u32::MAX as u64;

/// What a writer does with a count above [`LARGEST_PORTABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LargeCounts {
    /// Refuses it: [`Error::LimitExceeded`].
    #[default]
    Refuse,
    /// Writes it as parts with counts of 0 between them.
    Split,
    /// Writes it whole; readers of 64-bit counts, this one among them, read it.
    Keep,
}

names! { "a way to write large counts", LargeCounts { Refuse => "refuse", Split => "split", Keep => "keep" } }

impl LargeCounts {
    /// The counts of `runs`, which ascend without overlap, in a mask of `pixels`; the former content is lost.
    ///
    /// ```
    /// use runmask::Run;
    /// use runmask::format::LargeCounts;
    ///
    /// let mut counts = Vec::new();
    /// LargeCounts::Refuse.counts(&[Run { start: 0, length: 2 }, Run { start: 5, length: 1 }], 10, &mut counts)?;
    /// assert_eq!(counts, [0, 2, 3, 1, 4]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a large count that [`Self::Refuse`] finds, and for more than a million parts in
    /// [`Self::Split`]; [`Error::Argument`] when a run ends outside the mask.
    pub fn counts(self, runs: &[Run], pixels: u64, counts: &mut Vec<u64>) -> Result<()> {
        match self.fill(runs, pixels, counts)? {
            None => Ok(()),
            Some(found) => Err(Error::LimitExceeded {
                what: "pixels in one count that other programs read".into(),
                limit: LARGEST_PORTABLE,
                found,
            }),
        }
    }

    /// As [`LargeCounts::counts`]; a large count that [`Self::Refuse`] finds is the answer.
    pub(super) fn fill(self, runs: &[Run], pixels: u64, counts: &mut Vec<u64>) -> Result<Option<u64>> {
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
            Self::Keep => Ok(None),
            Self::Refuse => Ok(counts.iter().copied().find(|&count| count > LARGEST_PORTABLE)),
            Self::Split => {
                if counts.iter().any(|&count| count > LARGEST_PORTABLE) {
                    *counts = split(counts)?;
                }
                Ok(None)
            }
        }
    }
}

/// Parts that the counts of one mask are split into: no image of this world needs as many.
const MAX_PARTS: u64 = 1_000_000;

fn split(counts: &[u64]) -> Result<Vec<u64>> {
    let parts = counts.iter().fold(0_u64, |parts, count| parts.saturating_add(count / LARGEST_PORTABLE));
    if parts > MAX_PARTS {
        return Err(Error::LimitExceeded {
            what: "parts that large counts are split into".into(),
            limit: MAX_PARTS,
            found: parts,
        });
    }
    let mut result = Vec::with_capacity(counts.len() + 8);
    for &count in counts {
        let mut left = count;
        while left > LARGEST_PORTABLE {
            result.extend([LARGEST_PORTABLE, 0]);
            left -= LARGEST_PORTABLE;
        }
        result.push(left);
    }
    Ok(result)
}

/// The maximal runs of `counts`, which must sum to `pixels`; the former content is lost.
///
/// # Errors
/// The sum, when it is another one.
pub fn runs_of(counts: &[u64], pixels: u64, runs: &mut Vec<Run>) -> Result<(), u128> {
    runs.clear();
    let mut masks = Runs::new(pixels);
    masks.push(counts, runs);
    masks.end()
}

/// Makes runs of counts that come in pieces.
pub(super) struct Runs {
    pixels: u64,
    position: u64,
    /// Whether the next count is the object's.
    object: bool,
    /// The sum, once it is larger than `pixels`; counts after that make no runs.
    too_long: Option<u128>,
}

impl Runs {
    pub(super) fn new(pixels: u64) -> Self {
        Self { pixels, position: 0, object: false, too_long: None }
    }

    /// Appends the maximal runs of the next counts.
    pub(super) fn push(&mut self, counts: &[u64], runs: &mut Vec<Run>) {
        let (mut position, mut object) = (self.position, self.object);
        for (place, &count) in counts.iter().enumerate() {
            if count > self.pixels - position || self.too_long.is_some() {
                let sum = self.too_long.unwrap_or(u128::from(position));
                self.too_long = Some(counts[place..].iter().fold(sum, |sum, &count| sum + u128::from(count)));
                return;
            }
            if object && count > 0 {
                push(runs, Run { start: position, length: count });
            }
            position += count;
            object = !object;
        }
        (self.position, self.object) = (position, object);
    }

    /// The sum of the counts, when it is not that of the pixels.
    pub(super) fn end(&self) -> Result<(), u128> {
        match self.too_long {
            Some(sum) => Err(sum),
            None if self.position == self.pixels => Ok(()),
            None => Err(u128::from(self.position)),
        }
    }
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
    fn counts_are_split_into_a_million_parts_at_most() {
        let mut counts = Vec::new();
        let largest = MAX_PARTS * LARGEST_PORTABLE;
        LargeCounts::Split.counts(&[Run { start: 1, length: largest }], largest + 2, &mut counts).unwrap();
        assert_eq!(counts.len() as u64, 2 * MAX_PARTS + 1);
        // Of one count or of several.
        for (start, length) in [(1, u64::MAX - 2), (largest, LARGEST_PORTABLE + 1)] {
            let split = LargeCounts::Split.counts(&[Run { start, length }], start + length, &mut counts);
            assert!(matches!(split, Err(Error::LimitExceeded { limit: MAX_PARTS, .. })), "{split:?}");
        }
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
        fn pieces_make_the_runs_of_the_whole(counts in prop::collection::vec(0_u64..9, 1..40), cut in any::<prop::sample::Index>(), more in 0_u64..3) {
            let pixels = counts.iter().sum::<u64>() + more - 1.min(more);
            let mut whole = Vec::new();
            let answer = runs_of(&counts, pixels, &mut whole);
            let (first, second) = counts.split_at(cut.index(counts.len()));
            let (mut masks, mut runs) = (Runs::new(pixels), Vec::new());
            masks.push(first, &mut runs);
            masks.push(second, &mut runs);
            prop_assert_eq!(masks.end(), answer);
            prop_assert_eq!(runs, whole);
        }

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
