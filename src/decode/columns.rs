//! The state of columns while column-major runs are decoded row by row.

use std::ops::Range;

use super::plan::Segment;
use crate::error::Result;
use crate::lanes::{SimdLevel, end_at};
use crate::mask::Label;
use crate::memory::refill;

/// What an error calls it.
const STATE: &str = "the state of columns";

/// Memory for the state of columns, used again for every band.
#[derive(Default)]
pub(super) struct Scratch<T> {
    labels: Vec<T>,
    until: Vec<u16>,
    heads: Vec<u32>,
    next: Vec<u32>,
    counts: Vec<u8>,
    used: Vec<u64>,
}

/// The label of each column, and until which row it holds.
pub(super) struct Columns<'a, T> {
    labels: &'a mut [T],
    /// Counted from the band's first row, in as few bytes as can be: all of it is read for every row.
    until: &'a mut [u16],
    first: u32,
    background: T,
    level: SimdLevel,
    /// Where most is background, only what is not is written.
    few: Option<Few<'a>>,
}

/// Which columns turn to background, and which pieces of a row hold anything else.
struct Few<'a> {
    ends: Ends<'a>,
    pieces: Pieces<'a>,
}

impl<T: Label> Scratch<T> {
    /// Begins a band of at most `MOST_BAND_ROWS` rows that are `width` pixels wide and hold nothing but background.
    pub(super) fn begin(
        &mut self,
        rows: &Range<u32>,
        width: usize,
        background: T,
        sparse: bool,
    ) -> Result<Columns<'_, T>> {
        refill(&mut self.labels, width, background, STATE)?;
        refill(&mut self.until, width, 0, STATE)?;
        let few = if sparse {
            refill(&mut self.heads, rows.len(), 0, STATE)?;
            // A column's next one is written before it is read.
            if self.next.len() != width {
                refill(&mut self.next, width, 0, STATE)?;
            }
            let pieces = width.div_ceil(Pieces::COLUMNS);
            refill(&mut self.counts, pieces, 0, STATE)?;
            refill(&mut self.used, pieces.div_ceil(64), 0, STATE)?;
            let ends = Ends { first: rows.start, heads: &mut self.heads, next: &mut self.next };
            Some(Few { ends, pieces: Pieces { counts: &mut self.counts, used: &mut self.used } })
        } else {
            None
        };
        let (labels, until) = (&mut self.labels[..], &mut self.until[..]);
        Ok(Columns { labels, until, first: rows.start, background, level: SimdLevel::best(), few })
    }
}

impl<T: Label> Columns<'_, T> {
    /// Turns the columns whose segments end at `row` to background.
    #[inline(always)]
    pub(super) fn end(&mut self, row: u32) {
        let Self { labels, until, first, few, background, level } = self;
        match few {
            Some(Few { ends, pieces }) => ends.take(row, |column| {
                labels[column] = *background;
                pieces.leave(column);
            }),
            // All columns are copied in any case: going over them costs less than lists of those that end.
            None => end_at(*level, labels, until, (row - *first) as u16, *background),
        }
    }

    /// Begins a segment at `row`; `false` when its column already has one.
    #[inline(always)]
    pub(super) fn put(&mut self, row: u32, segment: Segment<T>) -> bool {
        let column = segment.column as usize;
        let until = &mut self.until[column];
        if u32::from(*until) > row - self.first {
            return false;
        }
        // What ends further down ends below the band.
        *until = (segment.end - self.first).min(u16::MAX.into()) as u16;
        self.labels[column] = segment.label;
        if let Some(few) = &mut self.few {
            few.ends.put(segment.end, segment.column);
            few.pieces.enter(column);
        }
        true
    }

    /// Writes the current row, or its pieces that are not background to a row of background.
    #[inline(always)]
    pub(super) fn copy(&self, pixels: &mut [T]) {
        match &self.few {
            Some(few) => few.pieces.copy(self.labels, pixels),
            None => pixels.copy_from_slice(self.labels),
        }
    }
}

/// Which pieces of the current row hold anything but background.
struct Pieces<'a> {
    /// For each piece, how many of its columns do.
    counts: &'a mut [u8],
    /// One bit for each piece with a count.
    used: &'a mut [u64],
}

impl Pieces<'_> {
    /// Columns of a piece.
    const COLUMNS: usize = 32;

    #[inline(always)]
    fn enter(&mut self, column: usize) {
        let piece = column / Self::COLUMNS;
        self.counts[piece] += 1;
        self.used[piece / 64] |= 1 << (piece % 64);
    }

    #[inline(always)]
    fn leave(&mut self, column: usize) {
        let piece = column / Self::COLUMNS;
        self.counts[piece] -= 1;
        if self.counts[piece] == 0 {
            self.used[piece / 64] &= !(1 << (piece % 64));
        }
    }

    /// Copies the pieces in use.
    fn copy<T: Copy>(&self, from: &[T], to: &mut [T]) {
        for (word, &used) in self.used.iter().enumerate() {
            let mut bits = used;
            while bits != 0 {
                let first = (word * 64 + bits.trailing_zeros() as usize) * Self::COLUMNS;
                bits &= bits - 1;
                match (from.get(first..first + Self::COLUMNS), to.get_mut(first..first + Self::COLUMNS)) {
                    (Some(from), Some(to)) => to.copy_from_slice(from),
                    _ => to[first..].copy_from_slice(&from[first..]),
                }
            }
        }
    }
}

/// The columns whose segments end at a row: a column has one segment at a time, so it is in one list at a time, and the
/// lists need no memory of their own.
struct Ends<'a> {
    first: u32,
    /// For each row the first column of its list, plus 1; 0 when it is empty.
    heads: &'a mut [u32],
    /// For each column the next one of its list, likewise.
    next: &'a mut [u32],
}

impl Ends<'_> {
    /// Notes that a segment of `column` ends at `row`; past the last row it does not matter.
    #[inline(always)]
    fn put(&mut self, row: u32, column: u32) {
        if let Some(head) = self.heads.get_mut((row - self.first) as usize) {
            self.next[column as usize] = std::mem::replace(head, column + 1);
        }
    }

    /// Calls `call` with the columns whose segments end at `row`.
    #[inline(always)]
    fn take(&mut self, row: u32, mut call: impl FnMut(usize)) {
        let mut head = std::mem::take(&mut self.heads[(row - self.first) as usize]);
        while let Some(column) = head.checked_sub(1) {
            call(column as usize);
            head = self.next[column as usize];
        }
    }
}
