//! Marking: where along each scan line the label changes.
//!
//! Gets a [`Strip`]; gives its [`Boundaries`]; guarantees that every engine, level and thread count gives the same ones.
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

mod mask;
pub mod scalar;
pub mod simd;

use std::fmt;

pub use self::mask::MaskBoundaries;
pub(crate) use self::mask::{AnyMaskBoundaries, Part};
use crate::error::{Error, Result};
use crate::mask::{AnyLabel, AnyMask, Dtype, Label};
use crate::memory::{reserve, zeroed};
pub use crate::strip::MAX_STRIP_PIXELS;
use crate::strip::Strip;
use crate::threads::{self, Work};

/// What an error calls the memory of boundaries.
pub(crate) const BOUNDARIES: &str = "boundaries of the mask";

/// An engine that is open: it marks strips.
///
/// Whatever the encoder has to know of an engine stands here, so that a further engine is one file which implements this,
/// and one line in `engine.rs` which opens it.
pub(crate) trait Marker: Marks<u8> + Marks<u16> + Marks<u32> + Marks<u64> + fmt::Debug + Send + Sync {
    /// What it works on: a SIMD level or the name of an adapter; empty when there is nothing to say.
    fn detail(&self) -> String {
        String::new()
    }

    /// Whether a strip may be handed over in parts of any size at no cost, so that the encoder may leave out rows which
    /// repeat the row above them, and give parts of one strip to several threads.
    fn takes_parts(&self) -> bool {
        true
    }

    /// Whether it marks strips whose pixels lie anywhere; otherwise those of a row or of a column lie side by side.
    fn takes_gaps(&self) -> bool {
        false
    }

    /// Most rows of memory, of `row_pixels` labels each, of a strip that it marks in one piece; `None` where any number
    /// of them is as good.
    fn strip_rows(&self, row_pixels: u32, dtype: Dtype) -> Result<Option<u32>> {
        let _ = (row_pixels, dtype);
        Ok(None)
    }

    /// Gives back the memory that it keeps for the strips that follow.
    fn forget(&self) {}

    /// Does `count` pieces of work, each of which marks a strip, on as many threads as keep the engine busy.
    fn each(&self, count: usize, work: Work<'_>) {
        threads::each(count, work);
    }
}

impl dyn Marker + '_ {
    /// The boundaries of a strip of labels of any type; with `above`, the mask's row 0 is the row above the strip.
    pub(crate) fn mark_any(&self, mask: AnyMask<'_>, above: bool) -> Result<AnyBoundaries> {
        Ok(match mask {
            AnyLabel::U8(mask) => AnyLabel::U8(self.mark(Strip::new(mask, above)?, Boundaries::default())?),
            AnyLabel::U16(mask) => AnyLabel::U16(self.mark(Strip::new(mask, above)?, Boundaries::default())?),
            AnyLabel::U32(mask) => AnyLabel::U32(self.mark(Strip::new(mask, above)?, Boundaries::default())?),
            AnyLabel::U64(mask) => AnyLabel::U64(self.mark(Strip::new(mask, above)?, Boundaries::default())?),
        })
    }
}

/// Marks strips of one type of labels.
pub(crate) trait Marks<T> {
    /// The boundaries of `strip`, in the memory of `spare`.
    fn mark(&self, strip: Strip<'_, T>, spare: Boundaries<T>) -> Result<Boundaries<T>>;
}

/// The boundaries of one strip, line by line (compressed sparse rows).
///
/// ```
/// use runmask::boundary::{Boundaries, scalar};
/// use runmask::{LabelMask, Shape, Strip};
/// let pixels = [0u8, 5, 5, 0, 5, 5, 7, 5, 0, 7, 5, 7];
/// let mask = LabelMask::new(&pixels, Shape { height: 4, width: 3 })?;
/// let found = scalar::mark(Strip::new(mask, false)?)?;
/// assert_eq!(found, Boundaries::new(vec![0, 2, 3, 6], vec![0, 2, 0, 0, 2, 3], vec![0, 7, 5, 5, 0, 7])?);
/// assert_eq!(found.line(2), Some((&[0, 2, 3][..], &[5, 0, 7][..])));
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Boundaries<T> {
    /// `line_starts[i] .. line_starts[i + 1]` are the entries of scan line `i`; one more entry than lines.
    pub(crate) line_starts: Vec<u32>,
    /// Place of each boundary in its line, counted from the strip's first pixel of that line; ascending in a line.
    pub(crate) offsets: Vec<u32>,
    /// The label that begins there.
    pub(crate) labels: Vec<T>,
}

/// The boundaries of a strip of labels of any type.
pub(crate) type AnyBoundaries = AnyLabel<Boundaries<u8>, Boundaries<u16>, Boundaries<u32>, Boundaries<u64>>;

impl<T: Label> Boundaries<T> {
    /// Boundaries that were found elsewhere.
    ///
    /// `line_starts[i] .. line_starts[i + 1]` are the entries of scan line `i` in the other two lists: the place of each
    /// boundary in its line, counted from the strip's first pixel of that line, and the label that begins there.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `line_starts` begins with 0, never descends and ends with the length of both other
    /// lists, offsets ascend in each line, and neighbouring labels of a line differ.
    pub fn new(line_starts: Vec<u32>, offsets: Vec<u32>, labels: Vec<T>) -> Result<Self> {
        let entries = offsets.len() as u64;
        let ends = (line_starts.first().copied(), line_starts.last().map(|&last| u64::from(last)));
        if ends != (Some(0), Some(entries)) || !line_starts.is_sorted() || labels.len() as u64 != entries {
            return Err(Error::Argument(format!(
                "the starts of lines go from 0 to the number of boundaries, ascending: here from {:?} to {:?} for {entries} \
                 offsets and {} labels",
                ends.0,
                ends.1,
                labels.len()
            )));
        }
        let boundaries = Self { line_starts, offsets, labels };
        for line in 0..boundaries.lines() {
            let (offsets, labels) = boundaries.entries(line);
            if !offsets.is_sorted_by(|a, b| a < b) || !labels.is_sorted_by(|a, b| a != b) {
                let message = format!("scan line {line}: offsets ascend and neighbouring labels differ, but not here");
                return Err(Error::Argument(message));
            }
        }
        Ok(boundaries)
    }

    /// Number of scan lines.
    pub fn lines(&self) -> usize {
        self.line_starts.len().saturating_sub(1)
    }

    /// Where the entries of each line begin in [`Boundaries::offsets`] and [`Boundaries::labels`], and where the last end.
    pub fn line_starts(&self) -> &[u32] {
        &self.line_starts
    }

    /// Place of each boundary in its line, counted from the strip's first pixel of that line.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// The label that begins at each boundary.
    pub fn labels(&self) -> &[T] {
        &self.labels
    }

    /// Offsets and labels of one line; `None` when there is no such line.
    pub fn line(&self, line: usize) -> Option<(&[u32], &[T])> {
        (line < self.lines()).then(|| self.entries(line))
    }

    /// Offsets and labels of a line that is there.
    pub(crate) fn entries(&self, line: usize) -> (&[u32], &[T]) {
        let range = self.line_starts[line] as usize..self.line_starts[line + 1] as usize;
        (&self.offsets[range.clone()], &self.labels[range])
    }
}

impl<T: Label> Boundaries<T> {
    /// No boundaries in each of `lines` lines.
    pub(crate) fn none(lines: u32) -> Result<Self> {
        Ok(Self { line_starts: zeroed(u64::from(lines) + 1, BOUNDARIES)?, ..Self::default() })
    }

    /// Makes room for so many more boundaries.
    pub(crate) fn make_room(&mut self, more: usize) -> Result<()> {
        reserve(&mut self.offsets, more, BOUNDARIES)?;
        reserve(&mut self.labels, more, BOUNDARIES)
    }

    /// Removes all lines and boundaries, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.line_starts.clear();
        self.offsets.clear();
        self.labels.clear();
    }

    /// The same boundaries of the same type of labels, for which the caller has another name.
    pub(crate) fn same<U: Label>(self) -> Boundaries<U> {
        let Self { line_starts, offsets, labels } = self;
        Boundaries { line_starts, offsets, labels: bytemuck::allocation::cast_vec(labels) }
    }

    /// The boundaries of strips that hold one part of the lines each, in their order.
    pub(crate) fn side_by_side(pieces: &[Self], spare: Self) -> Result<Self> {
        let mut all = spare;
        all.clear();
        let count = pieces.iter().map(|piece| piece.offsets.len()).sum();
        all.make_room(count)?;
        reserve(&mut all.line_starts, pieces.iter().map(|piece| piece.lines()).sum::<usize>() + 1, BOUNDARIES)?;
        all.line_starts.push(0);
        for piece in pieces {
            let before = all.offsets.len() as u32;
            all.line_starts.extend(piece.line_starts.iter().skip(1).map(|start| before + start));
            all.offsets.extend_from_slice(&piece.offsets);
            all.labels.extend_from_slice(&piece.labels);
        }
        Ok(all)
    }

    /// The boundaries of strips that hold a stretch of the same lines each, given with the number of pixels of a line
    /// before it. All strips together have fewer than 2^32.
    pub(crate) fn one_below_the_other(strips: &[(u32, Self)], spare: Self) -> Result<Self> {
        let count = strips.iter().map(|(_, strip)| strip.offsets.len()).sum();
        let mut all = spare;
        all.clear();
        let line_starts = strips.first().map_or(0, |(_, strip)| strip.line_starts.len());
        reserve(&mut all.line_starts, line_starts, BOUNDARIES)?;
        all.make_room(count)?;
        all.line_starts.resize(line_starts, 0);
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
        Ok(all)
    }
}
