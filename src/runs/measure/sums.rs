//! Area, box and moments of a label, from its runs, in whole numbers.
//!
//! Sums are taken relative to the label's first pixel, so they depend on its size and not on where it lies. In 64 bits they
//! are exact for a label that spans 46,000 lines of 46,000 pixels; larger ones are summed in 128 bits, which hold every
//! label of a mask.

use std::ops::{Add, AddAssign, Mul, Sub};

use crate::runs::Run;
use crate::runs::lines::{Lines, Piece, cut};
use crate::shape::{ScanOrder, Shape};

/// What the runs of a label add up to. Lines and places along them, whichever of them the columns are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) area: u64,
    /// First line, and one past the last.
    pub(crate) lines: (u64, u64),
    /// First place along the lines, and one past the last.
    pub(crate) along: (u64, u64),
    /// The line and place of the first pixel, from which the sums below count.
    pub(crate) origin: (u64, u64),
    /// Sums of lines and of places.
    pub(crate) first: [i128; 2],
    /// Sums of squares of lines, of products, of squares of places.
    pub(crate) second: [i128; 3],
}

/// The whole numbers in which sums are taken.
trait Whole:
    Copy
    + Default
    + From<u32>
    + From<i64>
    + Into<i128>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + AddAssign
{
    /// A number that is even, halved.
    fn half(self) -> Self;
    /// A number that 6 divides, divided by it.
    fn sixth(self) -> Self;
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl Whole for $type {
            #[inline(always)]
            fn half(self) -> Self {
                self >> 1
            }
            #[inline(always)]
            fn sixth(self) -> Self {
                self / 6
            }
        }
    )*};
}
whole!(i64, i128);

impl Sums {
    /// The sums of runs in lines of `length` pixels; those of second degree only when `second` asks for them. `narrow` says
    /// that no label of the mask needs more than 64 bits.
    #[inline]
    pub(super) fn of(runs: &[Run], length: u32, second: bool, narrow: bool) -> Self {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Self::default() };
        let lines = || (last.end() - 1) / u64::from(length) - first.start / u64::from(length) + 1;
        match (narrow || fits(lines(), length, second), second) {
            (true, false) => Self::line_by_line(runs, length).unwrap_or_else(|| Self::sum::<i64, false>(runs, length)),
            (true, true) => Self::sum::<i64, true>(runs, length),
            (false, false) => Self::sum::<i128, false>(runs, length),
            (false, true) => Self::sum::<i128, true>(runs, length),
        }
    }

    /// The sums of a label that has one run in each of its lines; `None` for another.
    #[inline]
    fn line_by_line(runs: &[Run], length: u32) -> Option<Self> {
        let (mut area, mut lines, mut along, mut low, mut high) = (0, 0, 0, u64::MAX, 0);
        let line = line_by_line(runs, length, |x, start, end, pixels| {
            low = low.min(start);
            high = high.max(end);
            area = u64::wrapping_add(area, pixels);
            lines = u64::wrapping_add(lines, pixels.wrapping_mul(x));
            // Twice the sum of the places.
            along = u64::wrapping_add(along, pixels.wrapping_mul(start.wrapping_add(end).wrapping_sub(1)));
        })?;
        let origin = (line, runs[0].start - line * u64::from(length));
        Some(Self {
            area,
            lines: (line, line + runs.len() as u64),
            along: (low, high),
            origin,
            first: [i128::from(lines), i128::from(along / 2) - i128::from(area * origin.1)],
            second: [0; 3],
        })
    }

    #[inline(never)]
    fn sum<N: Whole, const SECOND: bool>(runs: &[Run], length: u32) -> Self {
        let mut scan_lines = Lines::new(length);
        let origin = scan_lines.find(runs[0].start);
        let mut area = 0;
        let (mut low, mut high) = (u32::MAX, 0);
        let (mut last_line, mut lines_sum, mut along_sum) = (0, N::default(), N::default());
        let mut second = [N::default(); 3];
        let mut add = |piece: Piece| {
            let Piece { line, lines, start, end } = piece;
            area += u64::from(end - start) * u64::from(lines);
            low = low.min(start);
            high = high.max(end);
            last_line = piece.last_line();
            let one = N::from(1_u32);
            let n = N::from(end - start);
            let x = N::from(line - origin.0 as u32);
            let y = N::from(i64::from(start) - origin.1 as i64);
            // Sums over the places of the piece in one line: of 1, of the place, of its square.
            let twice = n * (n - one);
            let ys = n * y + twice.half();
            if lines == 1 {
                lines_sum += n * x;
                along_sum += ys;
                if SECOND {
                    second[0] += n * x * x;
                    second[1] += x * ys;
                    second[2] += n * y * y + y * twice + (twice * (n + n - one)).sixth();
                }
                return;
            }
            let k = N::from(lines);
            let pairs = k * (k - one);
            let xs = k * x + pairs.half();
            lines_sum += n * xs;
            along_sum += k * ys;
            if SECOND {
                second[0] += n * (k * x * x + x * pairs + (pairs * (k + k - one)).sixth());
                second[1] += xs * ys;
                second[2] += k * (n * y * y + y * twice + (twice * (n + n - one)).sixth());
            }
        };
        runs.iter().for_each(|&run| scan_lines.cut(run, &mut add));
        Self {
            area,
            lines: (origin.0, u64::from(last_line) + 1),
            along: (u64::from(low), u64::from(high)),
            origin,
            first: [lines_sum.into(), along_sum.into()],
            second: second.map(Into::into),
        }
    }

    /// The mean line and the mean place of the pixels; not a number for no pixels.
    #[inline]
    pub(super) fn mean(&self) -> (f64, f64) {
        // From the first line and place of the box, so that both scan orders give the same digits.
        let along = self.first[1] + i128::from(self.area) * i128::from(self.origin.1 - self.along.0);
        let mean = |from: u64, sum: i128| {
            let sum = i64::try_from(sum).map_or_else(|_| sum as f64, |sum| sum as f64);
            from as f64 + sum / self.area as f64
        };
        (mean(self.lines.0, self.first[0]), mean(self.along.0, along))
    }

    /// The variance of lines, the covariance, and the variance of places, over the pixels.
    pub(super) fn variances(&self) -> [f64; 3] {
        let area = i128::from(self.area);
        let [x, y] = self.first;
        let central = |square: i128, a: i128, b: i128| {
            let exact = area.checked_mul(square).zip(a.checked_mul(b)).and_then(|(all, mean)| all.checked_sub(mean));
            let area = self.area as f64;
            match exact {
                Some(exact) => exact as f64 / area / area,
                // The first pixel lies on the label's box, so that little is lost here.
                None => square as f64 / area - (a as f64 / area) * (b as f64 / area),
            }
        };
        let [xx, xy, yy] = self.second;
        [central(xx, x, x), central(xy, x, y), central(yy, y, y)]
    }
}

/// Calls `each` for every run of a label that has one in each of its lines, as most cells do: with the number of the line from
/// the first, where the run begins and ends in it, and its pixels. Gives the first line; `None` for another label, of which
/// `each` may be told anything. Nothing in here waits for the run before.
#[inline(always)]
fn line_by_line(runs: &[Run], length: u32, mut each: impl FnMut(u64, u64, u64, u64)) -> Option<u64> {
    let length = u64::from(length);
    let line = runs.first()?.start / length;
    // Others mostly end in another line than they would.
    let last = (line + runs.len() as u64 - 1).checked_mul(length)?;
    if runs.last()?.start.wrapping_sub(last) >= length {
        return None;
    }
    let (mut line_start, mut inside) = (line * length, true);
    for (x, run) in (0..).zip(runs) {
        // Before its line begins it is far outside of it.
        let start = run.start.wrapping_sub(line_start);
        let end = start.wrapping_add(run.length);
        inside &= start < length && end <= length;
        each(x, start, end, run.length);
        line_start = line_start.wrapping_add(length);
    }
    inside.then_some(line)
}

/// Whether sums over a label that spans so many lines of `length` pixels fit into 64 bits.
fn fits(lines: u64, length: u32, second: bool) -> bool {
    let (lines, length) = (u128::from(lines), u128::from(length));
    let side = lines.max(length);
    // No sum is larger than the number of pixels times the largest distance, or its square.
    let largest = if second { side * side } else { side };
    (lines * length).saturating_mul(largest) < 1 << 62
}

/// Whether 64 bits hold the sums of every label of a mask.
pub(super) fn narrow(shape: Shape, order: ScanOrder, second: bool) -> bool {
    fits(u64::from(shape.lines(order)), shape.line_length(order), second)
}

/// Lines and places along them that a label lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extents {
    /// First line, and one past the last.
    pub(crate) lines: (u32, u32),
    /// First place along the lines, and one past the last.
    pub(crate) along: (u32, u32),
}

impl Extents {
    /// The extents of a label that has one run in each of its lines; `None` for another.
    #[inline]
    pub(crate) fn line_by_line(runs: &[Run], length: u32) -> Option<Self> {
        let (mut low, mut high) = (u64::MAX, 0);
        let line = line_by_line(runs, length, |_, start, end, _| {
            low = low.min(start);
            high = high.max(end);
        })?;
        let lines = (line as u32, (line + runs.len() as u64) as u32);
        Some(Self { lines, along: (low as u32, high as u32) })
    }

    /// The extents of runs in lines of `length` pixels.
    pub(crate) fn of(runs: &[Run], length: u32) -> Self {
        let Some(first) = runs.first() else { return Self::default() };
        let (mut low, mut high, mut last) = (u32::MAX, 0, 0);
        cut(runs, length, |piece| {
            low = low.min(piece.start);
            high = high.max(piece.end);
            last = piece.last_line();
        });
        Self { lines: ((first.start / u64::from(length)) as u32, last + 1), along: (low, high) }
    }

    /// Whether two boxes have a pixel in common.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let meet = |one: (u32, u32), other: (u32, u32)| one.0 < other.1 && other.0 < one.1;
        meet(self.lines, other.lines) && meet(self.along, other.along)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A run in each line, of which some may lack or reach into the next line.
        #[test]
        fn labels_line_by_line_are_summed_as_any(
            length in 1_u32..9,
            first in 0_u64..40,
            steps in prop::collection::vec((0_u64..9, 1_u64..10, 0_u64..20), 1..9),
        ) {
            let side = u64::from(length);
            let mut runs: Vec<Run> = Vec::new();
            for (line, (start, pixels, gap)) in (first..).zip(steps) {
                let start = (line + u64::from(gap == 0)) * side + start % side;
                let start = start.max(runs.last().map_or(0, |run| run.end()));
                // Mostly inside the line.
                let left = side - start % side;
                runs.push(Run { start, length: if gap == 1 { pixels } else { pixels.min(left) } });
            }
            let (first, mut inside) = (runs[0].start / side, true);
            for (line, run) in (first..).zip(&runs) {
                inside &= run.start / side == line && (run.end() - 1) / side == line;
            }
            let found = Sums::line_by_line(&runs, length);
            prop_assert_eq!(found.is_some(), inside);
            if let Some(found) = found {
                prop_assert_eq!(found, Sums::sum::<i128, false>(&runs, length));
            }
        }
    }

    #[test]
    fn the_largest_label_line_by_line_is_summed_as_any() {
        // The largest for which 64 bits are taken: a square of nearly 2^20.7 lines, of two pixels less than the lines have.
        let length = 1_600_000_u32;
        assert!(fits(u64::from(length), length, false) && !fits(u64::from(length) + 70_000, length + 70_000, false));
        let runs: Vec<Run> = (0..u64::from(length))
            .map(|line| Run { start: line * u64::from(length) + 1, length: u64::from(length) - 2 })
            .collect();
        assert_eq!(Sums::line_by_line(&runs, length), Some(Sums::sum::<i128, false>(&runs, length)));
    }
}
