//! Runs cut at scan lines, and what touches in neighbouring lines.
//!
//! Gets the runs of one label; gives its pieces, which never go on from one line into the next, so that two pieces touch
//! only where their pixels do; guarantees at most three pieces for each run, however many lines it fills.
//!
//! ```text
//!   one run of 9 pixels in lines of 4       its pieces
//!   . . A A | A A A A | A A A .             line 0: 2..4   line 1: 0..4   line 2: 0..3
//! ```

use std::ops::Range;

use super::Run;
use crate::error::Result;
use crate::memory::reserve;

/// What a label covers of a scan line, from `start` to `end`; of many lines side by side where it fills them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) line: u32,
    /// Number of lines; more than 1 only when they are covered from end to end.
    pub(crate) lines: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Piece {
    /// Pixels in each of its lines.
    #[inline]
    pub(crate) fn length(self) -> u32 {
        self.end - self.start
    }

    /// Pixels in all of them.
    #[inline]
    pub(crate) fn area(self) -> u64 {
        u64::from(self.length()) * u64::from(self.lines)
    }

    /// The run that it is, in lines of `length` pixels.
    #[inline]
    pub(crate) fn run(self, length: u32) -> Run {
        Run { start: u64::from(self.line) * u64::from(length) + u64::from(self.start), length: self.area() }
    }

    /// The last of its lines.
    #[inline]
    pub(crate) fn last_line(self) -> u32 {
        self.line + (self.lines - 1)
    }
}

/// Pieces of a run: what it covers of its first line and of its last, and all in between.
const MOST_PIECES: usize = 3;

/// Calls `each` with the pieces of runs inside a mask whose scan lines have `length` pixels.
#[inline(always)]
#[expect(clippy::redundant_closure, reason = "the closure becomes part of the loop, which a reference does not")]
pub(crate) fn cut(runs: &[Run], length: u32, mut each: impl FnMut(Piece)) {
    let mut lines = Lines::new(length);
    for &run in runs {
        lines.cut(
            run,
            #[inline(always)]
            |piece| each(piece),
        );
    }
}

/// Cuts runs at scan lines. It remembers the line of the run before: runs mostly step from one line to the next, so that
/// most of them need no division.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    length: u64,
    line: u64,
    line_start: u64,
}

impl Lines {
    /// For the runs of a mask whose scan lines have `length` pixels.
    pub(crate) fn new(length: u32) -> Self {
        Self { length: u64::from(length), line: 0, line_start: 0 }
    }

    /// Calls `each` with the pieces of a run inside the mask, in ascending order.
    #[inline(always)]
    pub(crate) fn cut(&mut self, run: Run, mut each: impl FnMut(Piece)) {
        let length = self.length;
        let (mut line, mut offset) = self.find(run.start);
        let mut left = run.length;
        // There is one call of `each`, so that it becomes part of this loop.
        while left > 0 {
            let end = length.min(offset + left);
            let lines = if end - offset == length && left >= 2 * length { left / length } else { 1 };
            // A mask's sides fit into 32 bits.
            each(Piece { line: line as u32, lines: lines as u32, start: offset as u32, end: end as u32 });
            left -= lines * (end - offset);
            line += lines;
            offset = 0;
        }
    }

    /// Goes to the scan line of `position`; gives the line and the offset in it.
    #[inline(always)]
    pub(crate) fn find(&mut self, position: u64) -> (u64, u64) {
        // A position before the line is further ahead than any other.
        let ahead = position.wrapping_sub(self.line_start);
        if ahead < self.length {
            return (self.line, ahead);
        }
        if ahead < 2 * self.length {
            self.line += 1;
            self.line_start += self.length;
        } else {
            self.line = position / self.length;
            self.line_start = self.line * self.length;
        }
        (self.line, position - self.line_start)
    }
}

/// Calls `each` with the pieces of runs, with pieces that touch in a line joined: some files keep such runs apart.
#[inline(always)]
pub(crate) fn joined(runs: &[Run], length: u32, mut each: impl FnMut(Piece)) {
    let mut before: Option<Piece> = None;
    cut(
        runs,
        length,
        #[inline(always)]
        |piece| match &mut before {
            Some(last) if last.end == piece.start && last.line == piece.line => last.end = piece.end,
            _ => {
                if let Some(before) = before.replace(piece) {
                    each(before);
                }
            }
        },
    );
    before.into_iter().for_each(each);
}

/// The pieces that [`joined`] gives.
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) when there is no room for them.
pub(crate) fn pieces(runs: &[Run], length: u32, into: &mut Vec<Piece>) -> Result<()> {
    into.clear();
    let mut lines = Lines::new(length);
    for &run in runs {
        reserve(into, MOST_PIECES, "pieces of runs")?;
        lines.cut(run, |piece| match into.last_mut() {
            Some(last) if last.end == piece.start && last.line == piece.line => last.end = piece.end,
            _ => into.push(piece),
        });
    }
    Ok(())
}

/// The pieces of each line in turn.
pub(crate) fn by_line(pieces: &[Piece]) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let first = next;
        let line = pieces.get(first)?.line;
        while pieces.get(next).is_some_and(|piece| piece.line == line) {
            next += 1;
        }
        Some(first..next)
    })
}

/// Calls `each` with the numbers of two pieces, in ascending order, that touch in lines side by side, at a corner or more.
///
/// In each list pieces ascend and do not touch each other.
#[inline(always)]
pub(crate) fn touching(line: &[Piece], next: &[Piece], mut each: impl FnMut(usize, usize)) {
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (line.get(i), next.get(j)) {
        if a.start <= b.end && b.start <= a.end {
            each(i, j);
        }
        // Whichever ends first touches nothing further.
        let (a_done, b_done) = (a.end <= b.end, b.end <= a.end);
        i += usize::from(a_done);
        j += usize::from(b_done);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_the_pixels_of_the_runs(
            length in 1_u32..9,
            steps in prop::collection::vec((0_u64..40, 1_u64..40), 0..12),
            turned in 0_usize..12,
        ) {
            let mut runs = Vec::new();
            let mut end = 0;
            for (gap, pixels) in steps {
                runs.push(Run { start: end + gap, length: pixels });
                end += gap + pixels;
            }
            // In any order of runs, each by itself.
            let turned = turned.min(runs.len());
            runs.rotate_left(turned);
            let mut found = Vec::new();
            let mut count = 0;
            cut(&runs, length, |piece| {
                count += 1;
                assert!(piece.start < piece.end && piece.end <= length && piece.lines > 0);
                assert!(piece.lines == 1 || piece.length() == length);
                for line in piece.line..=piece.last_line() {
                    found.extend((piece.start..piece.end).map(|at| u64::from(line) * u64::from(length) + u64::from(at)));
                }
            });
            prop_assert!(count <= 3 * runs.len());
            prop_assert_eq!(found, runs.iter().flat_map(|run| run.start..run.end()).collect::<Vec<_>>());
        }

        #[test]
        fn touching_is_by_definition(
            a in prop::collection::vec((1_u32..4, 1_u32..4), 0..8),
            b in prop::collection::vec((1_u32..4, 1_u32..4), 0..8),
        ) {
            let line = |steps: &[(u32, u32)]| {
                let mut end = 0;
                let piece = |&(gap, length): &(u32, u32)| {
                    let start = end + gap;
                    end = start + length;
                    Piece { line: 0, lines: 1, start, end }
                };
                steps.iter().map(piece).collect::<Vec<_>>()
            };
            let (a, b) = (line(&a), line(&b));
            let mut found = Vec::new();
            touching(&a, &b, |i, j| found.push((i, j)));
            let mut expected = Vec::new();
            for (i, a) in a.iter().enumerate() {
                for (j, b) in b.iter().enumerate() {
                    if (a.start..a.end).any(|y| (b.start..b.end).any(|other| y.abs_diff(other) <= 1)) {
                        expected.push((i, j));
                    }
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
