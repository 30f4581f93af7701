//! Marking: where along each scan line the label changes.
//!
//! Gets a [`Strip`](crate::Strip); gives its [`Boundaries`]; guarantees that every engine, level and thread count gives the same ones.
//!
//! A boundary is a pixel whose label differs from the pixel before it in its scan line. The first pixel of every line is
//! a boundary too, so lines do not depend on each other; compaction drops it when the label did not change. Where a strip
//! carries the row above it, its lines begin in an earlier strip, and nothing is forced.
//!
//! ```text
//!   mask, 4 x 3     boundaries of its columns, as compressed sparse rows
//!   0 5 5
//!   0 5 5           line_starts  0    2    3         6
//!   7 5 0           offsets      0 2  0    0 2 3
//!   7 5 7           labels       0 7  5    5 0 7
//! ```
//!
//! Engines see columns only. Row-major order is the same work on the transposed view, in which a row of memory is a
//! column; so each engine knows two layouts, lines *across* the rows of memory and lines *along* them, and no orders.

#[cfg(feature = "gpu")]
pub mod gpu;
pub mod scalar;
pub mod simd;

use crate::mask::Label;

/// The boundaries of one strip, line by line (compressed sparse rows).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Boundaries<T> {
    /// `line_starts[i] .. line_starts[i + 1]` are the entries of scan line `i`; one more entry than lines.
    pub line_starts: Vec<u32>,
    /// Place of each boundary in its line, counted from the strip's first pixel of that line; ascending in a line.
    pub offsets: Vec<u32>,
    /// The label that begins there.
    pub labels: Vec<T>,
}

impl<T: Label> Boundaries<T> {
    /// Number of scan lines.
    pub fn lines(&self) -> usize {
        self.line_starts.len().saturating_sub(1)
    }

    /// Offsets and labels of one line.
    pub fn line(&self, line: usize) -> (&[u32], &[T]) {
        let range = self.line_starts[line] as usize..self.line_starts[line + 1] as usize;
        (&self.offsets[range.clone()], &self.labels[range])
    }
}

impl<T: Label> Boundaries<T> {
    /// No boundaries in as many lines.
    pub(crate) fn none(lines: u32) -> Self {
        Self { line_starts: vec![0; lines as usize + 1], offsets: Vec::new(), labels: Vec::new() }
    }

    /// Keeps nothing but the memory.
    pub(crate) fn clear(&mut self) {
        self.line_starts.clear();
        self.offsets.clear();
        self.labels.clear();
    }

    /// The boundaries of strips that hold one part of the lines each, in their order.
    pub(crate) fn side_by_side(pieces: &[Self], spare: Self) -> Self {
        let mut all = spare;
        all.clear();
        let count = pieces.iter().map(|piece| piece.offsets.len()).sum();
        all.offsets.reserve(count);
        all.labels.reserve(count);
        all.line_starts.push(0);
        for piece in pieces {
            let before = all.offsets.len() as u32;
            all.line_starts.extend(piece.line_starts.iter().skip(1).map(|start| before + start));
            all.offsets.extend_from_slice(&piece.offsets);
            all.labels.extend_from_slice(&piece.labels);
        }
        all
    }

    /// The boundaries of strips that hold a stretch of the same lines each, given with the number of pixels of a line
    /// before it. All strips together have fewer than 2^32.
    pub(crate) fn one_below_the_other(strips: &[(u32, Self)], spare: Self) -> Self {
        let count = strips.iter().map(|(_, strip)| strip.offsets.len()).sum();
        let mut all = spare;
        all.clear();
        all.line_starts.resize(strips.first().map_or(0, |(_, strip)| strip.line_starts.len()), 0);
        all.offsets.resize(count, 0);
        all.labels.resize(count, T::default());
        for (_, strip) in strips {
            all.line_starts.iter_mut().zip(&strip.line_starts).for_each(|(sum, start)| *sum += start);
        }
        // Strip by strip, since most lines of most strips have none; a line's start moves on to the start of the next.
        for (before, strip) in strips {
            for (line, ends) in strip.line_starts.windows(2).enumerate() {
                let (from, to) = (ends[0] as usize, ends[1] as usize);
                if from == to {
                    continue;
                }
                let place = all.line_starts[line] as usize;
                let place = place..place + to - from;
                let offsets = all.offsets[place.clone()].iter_mut().zip(&strip.offsets[from..to]);
                offsets.for_each(|(place, offset)| *place = before + offset);
                all.labels[place].copy_from_slice(&strip.labels[from..to]);
                all.line_starts[line] += ends[1] - ends[0];
            }
        }
        all.line_starts.pop();
        all.line_starts.insert(0, 0);
        all
    }
}

/// Most pixels a strip may have, so that its boundaries are counted in 32 bits.
pub const MAX_STRIP_PIXELS: u64 = u32::MAX as u64;
