//! Vector lanes: the SIMD levels of this machine, and labels that are compared many at a time.
//!
//! Gets slices of labels, or rows of them as bytes; gives one bit for each label that differs; guarantees the same bits at
//! every level. No other module of the library but the simd engine knows the crate `fearless_simd`, and no public signature
//! names it.

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "zarr")]
use fearless_simd::u8x16;
use fearless_simd::{Level, Select, Simd, SimdBase, SimdMask};

use crate::error::{Error, Result};
use crate::names;

/// A SIMD level that this machine has.
///
/// ```
/// use runmask::{Encoder, Engine, SimdLevel};
/// for level in SimdLevel::all() {
///     let encoder = Encoder::builder().engine(Engine::Simd).simd_level(level).build()?;
///     assert_eq!(encoder.engine_info().to_string(), format!("simd ({level})"));
/// }
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SimdLevel(pub(crate) Level);

impl SimdLevel {
    /// The best level of this machine.
    pub fn best() -> Self {
        Self(Level::new())
    }

    /// Every level of this machine, the portable fallback first, the best last.
    pub fn all() -> Vec<Self> {
        let mut levels = vec![Self(Level::fallback())];
        let best = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            levels.extend(best.as_sse2().map(|level| Self(Level::Sse2(level))));
            levels.extend(best.as_sse4_2().map(|level| Self(Level::Sse4_2(level))));
            levels.extend(best.as_avx2().map(|level| Self(Level::Avx2(level))));
            levels.extend(best.as_avx512().map(|level| Self(Level::Avx512(level))));
        }
        #[cfg(target_arch = "aarch64")]
        levels.extend(best.as_neon().map(|level| Self(Level::Neon(level))));
        levels
    }

    /// `fallback`, `sse2`, `sse4.2`, `avx2`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Sse2(_) => "sse2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Sse4_2(_) => "sse4.2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx2(_) => "avx2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => "neon",
            _ => "fallback",
        }
    }
}

impl PartialEq for SimdLevel {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for SimdLevel {}

impl fmt::Display for SimdLevel {
    /// Writes the name, as [`SimdLevel::name`] gives it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SimdLevel {
    type Err = Error;

    /// The level of this name; an [`Error::Argument`] that lists the levels of this machine when it is none of them.
    fn from_str(text: &str) -> Result<Self> {
        names::find("a SIMD level of this machine", text, &Self::all(), Self::name)
    }
}

/// Does work that is compiled for the best level of this machine, with all that becomes part of it: bits are counted by one
/// instruction.
#[inline(always)]
pub(crate) fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    fearless_simd::dispatch!(Level::new(), _ => work())
}

/// The largest of some labels, 0 of none.
pub(crate) fn largest<T: Copy + Default + Ord>(labels: &[T]) -> T {
    vectorize(
        #[inline(always)]
        || labels.iter().copied().fold(T::default(), T::max),
    )
}

/// Labels that are compared at once: the bits of one word.
pub(crate) const AT_ONCE: usize = 64;

/// Bytes of labels for which one branch says whether anything changes: at least [`AT_ONCE`] labels of any type.
pub(crate) const SPAN: usize = 512;

/// Comparison of labels, many at a time.
pub trait Lanes: Copy {
    /// Bit `i` is set where `a[i]` differs from `b[i]`; both hold [`AT_ONCE`] labels.
    fn differences<S: Simd>(simd: S, a: &[Self], b: &[Self]) -> u64;

    /// Copies [`AT_ONCE`] columns from `column` on of rows of bytes, of at most [`AT_ONCE`] rows and one above them, to `tile`,
    /// which gets no copy of the one above. Bit `i` of a column's word is set where label `i` of its copy is another than the one
    /// above; gives a bit for each word that is not 0.
    fn copy_columns<S: Simd>(
        simd: S,
        rows: &[&[u8]],
        column: usize,
        tile: &mut [[Self; AT_ONCE]; AT_ONCE],
        words: &mut [u64; AT_ONCE],
    ) -> u64;

    /// Whether one of the labels of a span of [`SPAN`] bytes is another than `label`.
    fn any_other<S: Simd>(simd: S, span: &[Self], label: Self) -> bool;

    /// `a` if `first`, else `b`, without a branch.
    fn either(first: bool, a: Self, b: Self) -> Self;
}

macro_rules! lanes {
    ($($type:ty, $vector:ident);*) => {$(
        impl Lanes for $type {
            #[inline(always)]
            fn differences<S: Simd>(simd: S, a: &[Self], b: &[Self]) -> u64 {
                let (a, b) = (&a[..AT_ONCE], &b[..AT_ONCE]);
                let lanes = S::$vector::LEN;
                let mut bits = 0;
                let mut lane = 0;
                while lane < AT_ONCE {
                    let x = S::$vector::from_slice(simd, &a[lane..lane + lanes]);
                    let y = S::$vector::from_slice(simd, &b[lane..lane + lanes]);
                    bits |= x.simd_ne(y).to_bitmask() << lane;
                    lane += lanes;
                }
                bits
            }

            #[inline(always)]
            fn copy_columns<S: Simd>(
                simd: S,
                rows: &[&[u8]],
                column: usize,
                tile: &mut [[Self; AT_ONCE]; AT_ONCE],
                words: &mut [u64; AT_ONCE],
            ) -> u64 {
                /// Rows of which a lane has a bit each.
                const ROWS: usize = <$type>::BITS as usize;
                /// The columns of `N` vectors, from `from` on of the tile, going up.
                #[inline(always)]
                fn vectors<S: Simd, const N: usize>(
                    simd: S,
                    rows: &[&[u8]],
                    column: usize,
                    from: usize,
                    tile: &mut [[$type; AT_ONCE]; AT_ONCE],
                    bits: &mut [[$type; AT_ONCE]; AT_ONCE / ROWS],
                ) {
                    let lanes = S::$vector::LEN;
                    let load = |row: &[u8]| -> [S::$vector; N] {
                        let labels = &bytemuck::cast_slice::<u8, $type>(row)[column + from..column + from + N * lanes];
                        std::array::from_fn(|i| S::$vector::from_slice(simd, &labels[i * lanes..(i + 1) * lanes]))
                    };
                    let (zero, one) = (S::$vector::splat(simd, 0), S::$vector::splat(simd, 1));
                    let mut here = load(rows[rows.len() - 1]);
                    for (part, bits) in bits.iter_mut().enumerate().rev() {
                        let mut seen = [zero; N];
                        for row in (part * ROWS..(rows.len() - 1).min((part + 1) * ROWS)).rev() {
                            let above = load(rows[row]);
                            let copy = &mut tile[row][from..from + N * lanes];
                            for i in 0..N {
                                seen[i] = (seen[i] + seen[i]) | here[i].simd_ne(above[i]).select(one, zero);
                                here[i].store_slice(&mut copy[i * lanes..(i + 1) * lanes]);
                            }
                            here = above;
                        }
                        for (i, seen) in seen.iter().enumerate() {
                            seen.store_slice(&mut bits[from + i * lanes..from + (i + 1) * lanes]);
                        }
                    }
                }
                let mut bits = [[0; AT_ONCE]; AT_ONCE / ROWS];
                let lanes = S::$vector::LEN;
                // As many vectors as registers hold with those above them and what is seen.
                let together = (AT_ONCE / lanes).min(4);
                for from in (0..AT_ONCE).step_by(together * lanes) {
                    match together {
                        1 => vectors::<S, 1>(simd, rows, column, from, tile, &mut bits),
                        2 => vectors::<S, 2>(simd, rows, column, from, tile, &mut bits),
                        _ => vectors::<S, 4>(simd, rows, column, from, tile, &mut bits),
                    }
                }
                let mut any = [0; AT_ONCE];
                for (column, (word, any)) in words.iter_mut().zip(&mut any).enumerate() {
                    *word = 0;
                    for (part, bits) in bits.iter().enumerate() {
                        *word |= u64::from(bits[column]) << (part * ROWS);
                        *any |= bits[column];
                    }
                }
                Self::differences(simd, &any, &[0; AT_ONCE])
            }

            #[inline(always)]
            fn any_other<S: Simd>(simd: S, span: &[Self], label: Self) -> bool {
                let label = S::$vector::splat(simd, label);
                let zero = S::$vector::splat(simd, 0);
                let mut bits = zero;
                for labels in span[..SPAN / size_of::<Self>()].chunks_exact(S::$vector::LEN) {
                    bits |= S::$vector::from_slice(simd, labels) ^ label;
                }
                bits.simd_ne(zero).any_true()
            }

            #[inline(always)]
            fn either(first: bool, a: Self, b: Self) -> Self {
                b ^ ((a ^ b) & Self::from(first).wrapping_neg())
            }
        }
    )*};
}
lanes!(u8, u8s; u16, u16s; u32, u32s; u64, u64s);

/// Replaces labels by `background` where their end is not past `row`.
#[inline]
pub(crate) fn end_at<T: Lanes>(level: SimdLevel, labels: &mut [T], ends: &[u16], row: u16, background: T) {
    fearless_simd::dispatch!(level.0, simd => simd.vectorize(
        #[inline(always)]
        || {
            for (label, &end) in labels.iter_mut().zip(ends) {
                *label = T::either(end > row, *label, background);
            }
        }
    ));
}

/// Elements of 2, 4 or 8 bytes that are put together at once.
#[cfg(feature = "zarr")]
const TOGETHER: usize = 16;

/// Elements of `N` bytes, 2, 4 or 8, whose bytes lie apart, byte by byte of all elements, put together.
#[cfg(feature = "zarr")]
pub(crate) fn join_bytes<const N: usize>(apart: &[u8], elements: &mut [u8]) {
    let count = elements.len() / N;
    fearless_simd::dispatch!(Level::new(), simd => join_blocks::<_, N>(simd, apart, elements));
    let joined = count / TOGETHER * TOGETHER;
    for (element, index) in elements.as_chunks_mut::<N>().0[joined..].iter_mut().zip(joined..) {
        *element = std::array::from_fn(|byte| apart[byte * count + index]);
    }
}

#[cfg(feature = "zarr")]
#[inline(always)]
fn join_blocks<S: Simd, const N: usize>(simd: S, apart: &[u8], elements: &mut [u8]) {
    let count = elements.len() / N;
    for (block, elements) in elements[..count * N].chunks_exact_mut(TOGETHER * N).enumerate() {
        let bytes = |byte: usize| &apart[byte * count + block * TOGETHER..][..TOGETHER];
        // Bytes 0, 2, 1, 3 of elements of four: what is put together first are bytes that do not follow each other.
        let place = |place: usize| place.reverse_bits() >> (usize::BITS - N.trailing_zeros());
        let mut vectors: [u8x16<S>; N] = std::array::from_fn(|index| u8x16::from_slice(simd, bytes(place(index))));
        let mut width = 1;
        while width < N {
            let apart = vectors;
            for first in (0..N).step_by(2 * width) {
                for index in 0..width {
                    let (low, high) = apart[first + index].interleave(apart[first + width + index]);
                    vectors[first + 2 * index] = low;
                    vectors[first + 2 * index + 1] = high;
                }
            }
            width *= 2;
        }
        for (vector, elements) in vectors.iter().zip(elements.chunks_exact_mut(TOGETHER)) {
            vector.store_slice(elements);
        }
    }
}

#[cfg(test)]
mod tests {
    use fearless_simd::dispatch;

    use super::*;
    use crate::mask::Label;

    fn every_place_is_compared<T: Label>(level: SimdLevel) {
        let labels: Vec<T> = (0..AT_ONCE as u64).map(|label| T::from_u64(label).unwrap_or_default()).collect();
        let span = vec![labels[5]; SPAN / size_of::<T>()];
        // The largest label differs from all of these in its highest bit.
        let other = T::from_u64(T::DTYPE.max()).unwrap_or_default();
        assert_eq!(dispatch!(level.0, simd => T::differences(simd, &labels, &labels)), 0);
        for place in 0..AT_ONCE {
            let mut changed = labels.clone();
            changed[place] = other;
            assert_eq!(dispatch!(level.0, simd => T::differences(simd, &labels, &changed)), 1 << place, "{level}");
        }
        assert!(!dispatch!(level.0, simd => T::any_other(simd, &span, labels[5])));
        for place in 0..span.len() {
            let mut changed = span.clone();
            changed[place] = other;
            assert!(dispatch!(level.0, simd => T::any_other(simd, &changed, labels[5])), "{level}, {place}");
        }
    }

    fn labels_end_where_their_rows_do<T: Label>(level: SimdLevel) {
        let (background, largest) =
            (T::from_u64(3).unwrap_or_default(), T::from_u64(T::DTYPE.max()).unwrap_or_default());
        for length in [0, 1, 15, 64, 131] {
            let ends: Vec<u16> = (0..length).map(|place| [0, 4, 5, 6, u16::MAX][place % 5]).collect();
            let mut labels = vec![largest; length];
            end_at(level, &mut labels, &ends, 5, background);
            let expected: Vec<T> = ends.iter().map(|&end| if end > 5 { largest } else { background }).collect();
            assert_eq!(labels, expected, "{level}");
        }
    }

    #[test]
    fn labels_end_at_every_level() {
        for level in SimdLevel::all() {
            labels_end_where_their_rows_do::<u8>(level);
            labels_end_where_their_rows_do::<u16>(level);
            labels_end_where_their_rows_do::<u32>(level);
            labels_end_where_their_rows_do::<u64>(level);
        }
    }

    #[test]
    fn every_place_is_compared_at_every_level() {
        for level in SimdLevel::all() {
            every_place_is_compared::<u8>(level);
            every_place_is_compared::<u16>(level);
            every_place_is_compared::<u32>(level);
            every_place_is_compared::<u64>(level);
        }
    }
}
