//! Rows read side by side: whether anything changes in them; and rows that are read before they are needed.
//!
//! Gets a block's rows as bytes, the row above them first; guarantees nothing about rows that do not have as many bytes.

use std::hint::black_box;

use fearless_simd::{Simd as Vectors, SimdBase, SimdMask};
use prefetch_index::prefetch_index;

use crate::boundary::BOUNDARIES;
use crate::error::Result;
use crate::memory::{CACHE_LINE, refill};

/// Rows that are read side by side: more streams than the prefetcher follows are slower, fewer do not hide its latency.
const SLAB: usize = 8;
/// Bytes of a row for which the sweep tells whether anything changed.
const UNIT: usize = 64;

/// Rows that are read side by side, the row above them first.
trait Slab {
    /// Notes in `changed` which units from byte `at` on differ between neighbouring rows: as many as `N` vectors hold.
    fn sweep<S: Vectors, const N: usize>(&self, simd: S, at: usize, changed: &mut [bool]);
}

/// Writes a statement for each row. A loop over the rows is the same to read, but it depends on the compiler whether one
/// instruction loads from all of them then; docs/DESIGN.md says what that costs.
macro_rules! slab {
    ($rows:literal: $first:ident $($row:ident)+) => {
        impl Slab for [&[u8]; $rows] {
            #[inline(always)]
            fn sweep<S: Vectors, const N: usize>(&self, simd: S, at: usize, changed: &mut [bool]) {
                let lanes = S::u8s::LEN;
                let load = |row: &[u8]| -> [S::u8s; N] {
                    let bytes = &row[at..at + N * lanes];
                    std::array::from_fn(|i| S::u8s::from_slice(simd, &bytes[i * lanes..(i + 1) * lanes]))
                };
                let zero = S::u8s::splat(simd, 0);
                let mut bits = [zero; N];
                let [$first, $($row),+] = *self;
                let mut above = load($first);
                $(
                    let here = load($row);
                    for i in 0..N {
                        bits[i] |= here[i] ^ above[i];
                    }
                    above = here;
                )+
                let _ = above;
                for (bits, changed) in bits.chunks(UNIT / lanes).zip(changed) {
                    *changed |= bits.iter().fold(zero, |all, &bits| all | bits).simd_ne(zero).any_true();
                }
            }
        }
    };
}
slab!(2: above row);
slab!(9: above row1 row2 row3 row4 row5 row6 row7 row8);

/// [`Slab::sweep`] over the bytes up to `end`, which are whole units.
#[inline(always)]
fn sweep_rows<S: Vectors>(simd: S, rows: &impl Slab, end: usize, changed: &mut [bool]) {
    /// Vectors that are swept at once: with the rows above and the differences, what the registers hold.
    const WIDE: usize = 4;
    let lanes = S::u8s::LEN;
    let mut at = 0;
    let mut done = 0;
    while at + WIDE * lanes <= end {
        rows.sweep::<S, WIDE>(simd, at, &mut changed[done..]);
        at += WIDE * lanes;
        done += WIDE * lanes / UNIT;
    }
    while at < end {
        match lanes {
            64 => rows.sweep::<S, 1>(simd, at, &mut changed[done..]),
            32 => rows.sweep::<S, 2>(simd, at, &mut changed[done..]),
            _ => rows.sweep::<S, 4>(simd, at, &mut changed[done..]),
        }
        at += UNIT;
        done += 1;
    }
}

/// Notes in `changed` which units of the bytes up to `end` differ between neighbouring rows.
#[inline(always)]
pub(super) fn sweep<S: Vectors>(simd: S, rows: &[&[u8]], end: usize, changed: &mut Vec<bool>) -> Result<()> {
    refill(changed, end / UNIT, false, BOUNDARIES)?;
    let mut rows = rows;
    while let Some(slab) = rows.first_chunk::<{ SLAB + 1 }>() {
        sweep_rows(simd, slab, end, changed);
        rows = &rows[SLAB..];
    }
    // The last rows of the mask.
    while let Some(pair) = rows.first_chunk::<2>() {
        sweep_rows(simd, pair, end, changed);
        rows = &rows[1..];
    }
    Ok(())
}

/// Reads a byte of each cache line of some rows, which are read again soon. Loads that need nothing of each other and little
/// else between them have more lines on their way at once than comparing and copying has.
#[inline(always)]
pub(super) fn touch(rows: &[&[u8]]) {
    let read = |bits, row: &&[u8]| row.iter().step_by(CACHE_LINE).fold(bits, |bits, byte| bits | byte);
    black_box(rows.iter().fold(0, read));
}

/// Rows that are wanted next, which the processor fetches while it does something else.
#[derive(Debug, Default)]
pub(super) struct Ahead<'a> {
    rows: &'a [&'a [u8]],
    /// Where in the first of them the next cache line begins.
    at: usize,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(rows: &'a [&'a [u8]]) -> Self {
        Self { rows, at: 0 }
    }

    /// Has the processor fetch the next cache lines, and those of one row only. More at once than it can fetch would hold it up.
    #[inline(always)]
    pub(super) fn fetch(&mut self, lines: usize) {
        if let [row, rest @ ..] = self.rows {
            for _ in 0..lines {
                prefetch_index(row, self.at);
                self.at += CACHE_LINE;
            }
            if self.at >= row.len() {
                (self.rows, self.at) = (rest, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ahead_are_fetched_once_and_no_two_at_a_time() {
        let row = [0; 5 * CACHE_LINE - 10];
        let rows: [&[u8]; 2] = [&row, &row];
        let mut ahead = Ahead::new(&rows);
        let left = [(); 5].map(|()| {
            ahead.fetch(4);
            ahead.rows.len()
        });
        assert_eq!(left, [2, 1, 1, 0, 0]);
    }
}
