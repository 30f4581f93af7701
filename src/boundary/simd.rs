//! The SIMD engine: boundaries at the speed of a memory read.
//!
//! Gets a strip whose lines run across or along the rows of memory; gives the boundaries that [`super::scalar`] defines;
//! guarantees the same for every SIMD level.
//!
//! Lines along memory are one comparison of each vector with the vector one pixel before it. Lines across memory are
//! the harder case; plainly:
//!
//! ```text
//! for each block of 64 rows, for each panel of 16 KiB of columns:
//!     sweep: OR together row XOR row above, for all rows of the block      (most of a slide ends here)
//!     for each group of 64 columns in which a bit survived:
//!         compare again, 64 columns x 64 rows -> 64 words of bits; transpose the bits; for each column,
//!         for each bit: append (row, label) to the block's events
//! sort the events of the strip by column, stably
//! ```
//!
//! Differences to a comparison of every row with the one above, pixel by pixel, and why:
//! 1. The sweep keeps the row above in registers and goes down eight rows before it moves right, so each byte is loaded
//!    once, in eight streams that the processor's prefetcher follows; it looks at bytes only and is the same for every
//!    label type.
//! 2. Only groups with a difference are compared lane by lane, while their 64 rows are still in cache. A panel is what
//!    fits there.
//! 3. Within a block events already come column by column, so that sorting moves whole columns of a block, not single
//!    events.

use fearless_simd::{Level, Simd, SimdBase, SimdMask, dispatch};

use super::Boundaries;
use crate::engine::SimdLevel;
use crate::mask::Label;
use crate::strip::Strip;

/// Rows of a block and columns of a group: the bits of one word.
const BLOCK: usize = 64;
/// Pixels of a group of columns in a block.
const GROUP: usize = BLOCK * BLOCK;
/// Bytes of a row that are swept before the differing groups are looked at: 64 rows of it fit an L2 cache of 1 MiB.
const PANEL: usize = 16 << 10;
/// Rows that are swept side by side: more streams than the prefetcher follows are slower.
const SLAB: usize = 8;
/// Bytes of a row for which the sweep tells whether anything changed.
const UNIT: usize = 64;

/// The boundaries of `strip`, whose rows or columns must be contiguous in memory (else they are copied first).
pub fn mark<T: Label>(level: SimdLevel, strip: Strip<'_, T>) -> Boundaries<T> {
    let level: Level = level.0;
    let mask = strip.mask();
    if (0..mask.shape().height).all(|row| mask.row(row).is_some()) {
        dispatch!(level, simd => across(simd, strip))
    } else if (0..mask.shape().width).all(|column| mask.column(column).is_some()) {
        dispatch!(level, simd => along(simd, strip))
    } else {
        super::scalar::mark(strip)
    }
}

/// Lane-wise comparison of 64 labels.
pub trait Lanes: Copy {
    /// Bit `i` is set where `a[i]` differs from `b[i]`; both hold 64 labels.
    fn differences<S: Simd>(simd: S, a: &[Self], b: &[Self]) -> u64;
}

macro_rules! lanes {
    ($($type:ty, $vector:ident);*) => {$(
        impl Lanes for $type {
            #[inline(always)]
            fn differences<S: Simd>(simd: S, a: &[Self], b: &[Self]) -> u64 {
                let (a, b) = (&a[..BLOCK], &b[..BLOCK]);
                let lanes = S::$vector::LEN;
                let mut bits = 0;
                let mut lane = 0;
                while lane < BLOCK {
                    let x = S::$vector::from_slice(simd, &a[lane..lane + lanes]);
                    let y = S::$vector::from_slice(simd, &b[lane..lane + lanes]);
                    bits |= x.simd_ne(y).to_bitmask() << lane;
                    lane += lanes;
                }
                bits
            }
        }
    )*};
}
lanes!(u8, u8s; u16, u16s; u32, u32s; u64, u64s);

/// Notes in `changed` which units of 64 bytes differ between neighbouring rows, from byte `at` on: `N` vectors of each row.
#[inline(always)]
fn sweep<S: Simd, const N: usize>(simd: S, rows: &[&[u8]], at: usize, changed: &mut [bool]) {
    let lanes = S::u8s::LEN;
    let bytes = at..at + N * lanes;
    let load = |row: &[u8], i: usize| S::u8s::from_slice(simd, &row[i * lanes..(i + 1) * lanes]);
    let first = &rows[0][bytes.clone()];
    let mut above: [S::u8s; N] = std::array::from_fn(|i| load(first, i));
    let mut bits: [S::u8s; N] = std::array::from_fn(|_| S::u8s::splat(simd, 0));
    for row in &rows[1..] {
        let row = &row[bytes.clone()];
        for i in 0..N {
            let here = load(row, i);
            bits[i] |= here ^ above[i];
            above[i] = here;
        }
    }
    let zero = S::u8s::splat(simd, 0);
    let vectors = UNIT / lanes;
    for (unit, changed) in changed.iter_mut().enumerate() {
        let unit = bits[unit * vectors..(unit + 1) * vectors].iter().fold(zero, |all, &bits| all | bits);
        *changed |= unit.simd_ne(zero).any_true();
    }
}

/// [`sweep`] over the bytes `from .. to`, which are whole units.
#[inline(always)]
fn sweep_panel<S: Simd>(simd: S, rows: &[&[u8]], from: usize, to: usize, changed: &mut [bool]) {
    let mut at = from;
    while at < to {
        let changed = &mut changed[(at - from) / UNIT..];
        // Two units at once where there are two; a vector is 64, 32 or 16 bytes.
        let pair = at + 2 * UNIT <= to;
        match (S::u8s::LEN, pair) {
            (64, true) => sweep::<S, 2>(simd, rows, at, &mut changed[..2]),
            (64, false) => sweep::<S, 1>(simd, rows, at, &mut changed[..1]),
            (32, true) => sweep::<S, 4>(simd, rows, at, &mut changed[..2]),
            (32, false) => sweep::<S, 2>(simd, rows, at, &mut changed[..1]),
            (_, true) => sweep::<S, 8>(simd, rows, at, &mut changed[..2]),
            (_, false) => sweep::<S, 4>(simd, rows, at, &mut changed[..1]),
        }
        at += if pair { 2 * UNIT } else { UNIT };
    }
}

/// Events of a strip: what its blocks found, before they are sorted by line.
struct Events<T> {
    /// For each column of each block with events, in that order: the column and how many it has.
    columns: Vec<(u32, u32)>,
    offsets: Vec<u32>,
    labels: Vec<T>,
    /// Number of events of each line.
    counts: Vec<u32>,
    /// The events of one group, which always fit: nothing has to grow inside its loop.
    group_offsets: Box<[u32; GROUP]>,
    group_labels: Box<[T; GROUP]>,
}

#[inline(always)]
fn across<S: Simd, T: Label>(simd: S, strip: Strip<'_, T>) -> Boundaries<T> {
    let lines = strip.lines() as usize;
    let mask = strip.mask();
    let row = |row: u32| mask.row(row).unwrap_or_default();
    // Without a row above, every line begins here, with a boundary.
    let forced: &[T] = if !strip.above() && strip.length() > 0 { row(0) } else { &[] };
    let mut events = Events {
        columns: Vec::new(),
        offsets: Vec::new(),
        labels: Vec::new(),
        counts: vec![u32::from(!forced.is_empty()); lines],
        group_offsets: Box::new([0; GROUP]),
        group_labels: Box::new([T::default(); GROUP]),
    };
    let mut first = 0;
    while first < strip.length() {
        let length = (strip.length() - first).min(BLOCK as u32);
        // The row above the mask's first row is taken to be that row itself.
        let above = first + u32::from(strip.above());
        let rows: [&[T]; BLOCK + 1] = std::array::from_fn(|i| match i as u32 {
            0 => row(above.saturating_sub(1)),
            i if i <= length => row(above + i - 1),
            _ => &[],
        });
        simd.vectorize(
            #[inline(always)]
            || block(simd, &rows[..length as usize + 1], first, &mut events),
        );
        first += length;
    }
    sort_by_line(forced, events)
}

/// The events of the block `rows[1..]`, whose row above is `rows[0]`.
#[inline(always)]
fn block<S: Simd, T: Label>(simd: S, rows: &[&[T]], first: u32, events: &mut Events<T>) {
    let bytes: [&[u8]; BLOCK + 1] =
        std::array::from_fn(|i| rows.get(i).map_or(&[][..], |row| bytemuck::cast_slice(row)));
    let bytes = &bytes[..rows.len()];
    let group_bytes = BLOCK * size_of::<T>();
    let end = rows[0].len() / BLOCK * group_bytes;
    let mut panel = 0;
    while panel < end {
        let panel_end = end.min(panel + PANEL);
        let mut changed = [false; PANEL / UNIT];
        let mut slab = 0;
        while slab + 1 < bytes.len() {
            let slab_end = bytes.len().min(slab + SLAB + 1);
            sweep_panel(simd, &bytes[slab..slab_end], panel, panel_end, &mut changed);
            slab += SLAB;
        }
        let units = (panel_end - panel) / UNIT;
        for (group, changed) in changed[..units].chunks(size_of::<T>()).enumerate() {
            if changed.contains(&true) {
                let column = panel / size_of::<T>() + group * BLOCK;
                gather(simd, rows, column, column, first, events);
            }
        }
        panel = panel_end;
    }
    let column = end / size_of::<T>();
    let rest = rows[0].len() - column;
    if rest > 0 {
        // The columns that do not fill a group, in rows of their own: equal padding has no differences.
        let mut padded = [[T::default(); BLOCK]; BLOCK + 1];
        for (padded, row) in padded.iter_mut().zip(rows) {
            padded[..rest].copy_from_slice(&row[column..]);
        }
        let padded: [&[T]; BLOCK + 1] = std::array::from_fn(|i| &padded[i][..]);
        gather(simd, &padded[..rows.len()], 0, column, first, events);
    }
}

/// The events of 64 columns from `at` of `rows`, which are columns `column ..` of the strip.
#[inline(always)]
fn gather<S: Simd, T: Label>(simd: S, rows: &[&[T]], at: usize, column: usize, first: u32, events: &mut Events<T>) {
    let mut words = [0u64; BLOCK];
    let mut any = 0;
    for (word, pair) in words.iter_mut().zip(rows.windows(2)) {
        *word = T::differences(simd, &pair[1][at..at + BLOCK], &pair[0][at..at + BLOCK]);
        any |= *word;
    }
    if any == 0 {
        return;
    }
    transpose(&mut words);
    let offsets: &mut [u32; GROUP] = &mut events.group_offsets;
    let labels: &mut [T; GROUP] = &mut events.group_labels;
    let mut found = 0;
    while any != 0 {
        let lane = any.trailing_zeros() as usize;
        any &= any - 1;
        let mut bits = words[lane];
        let count = bits.count_ones();
        events.columns.push(((column + lane) as u32, count));
        events.counts[column + lane] += count;
        while bits != 0 {
            let row = bits.trailing_zeros();
            bits &= bits - 1;
            offsets[found % GROUP] = first + row;
            labels[found % GROUP] = rows[row as usize + 1][at + lane];
            found += 1;
        }
    }
    events.offsets.extend_from_slice(&offsets[..found]);
    events.labels.extend_from_slice(&labels[..found]);
}

/// Transposes 64 x 64 bits: afterwards bit `i` of word `j` is what bit `j` of word `i` was.
#[inline(always)]
fn transpose(words: &mut [u64; BLOCK]) {
    let mut width = 32;
    let mut low = 0x0000_0000_ffff_ffffu64;
    while width > 0 {
        let mut base = 0;
        while base < BLOCK {
            for i in base..base + width {
                let (a, b) = (words[i], words[i + width]);
                let swap = ((a >> width) ^ b) & low;
                words[i] = a ^ (swap << width);
                words[i + width] = b ^ swap;
            }
            base += 2 * width;
        }
        width /= 2;
        low ^= low << width;
    }
}

/// Sorts the events of a strip by line; `forced` are the labels at offset 0, if lines begin here.
fn sort_by_line<T: Label>(forced: &[T], events: Events<T>) -> Boundaries<T> {
    let Events { columns, offsets, labels, counts, .. } = events;
    let mut line_starts = Vec::with_capacity(counts.len() + 1);
    let mut next = 0u32;
    line_starts.push(0);
    // `cursors` holds where the next event of each line belongs.
    let mut cursors = counts;
    for cursor in &mut cursors {
        next += std::mem::replace(cursor, next);
        line_starts.push(next);
    }
    let mut sorted =
        Boundaries { line_starts, offsets: vec![0; next as usize], labels: vec![T::default(); next as usize] };
    for (cursor, &label) in cursors.iter_mut().zip(forced) {
        sorted.labels[*cursor as usize] = label;
        *cursor += 1;
    }
    let mut from = 0;
    for (column, count) in columns {
        let cursor = &mut cursors[column as usize];
        let (to, count) = (*cursor as usize, count as usize);
        for (place, offset) in sorted.offsets[to..to + count].iter_mut().zip(&offsets[from..from + count]) {
            *place = *offset;
        }
        for (place, label) in sorted.labels[to..to + count].iter_mut().zip(&labels[from..from + count]) {
            *place = *label;
        }
        *cursor += count as u32;
        from += count;
    }
    sorted
}

#[inline(always)]
fn along<S: Simd, T: Label>(simd: S, strip: Strip<'_, T>) -> Boundaries<T> {
    let mut found = Boundaries {
        line_starts: Vec::with_capacity(strip.lines() as usize + 1),
        offsets: Vec::new(),
        labels: Vec::new(),
    };
    found.line_starts.push(0);
    for line in 0..strip.lines() {
        let pixels = strip.mask().column(line).unwrap_or_default();
        simd.vectorize(
            #[inline(always)]
            || one_line(simd, pixels, strip.above(), &mut found),
        );
        found.line_starts.push(found.offsets.len() as u32);
    }
    found
}

/// The boundaries of one contiguous line; with `above`, its first pixel belongs to the strip before.
#[inline(always)]
fn one_line<S: Simd, T: Label>(simd: S, pixels: &[T], above: bool, found: &mut Boundaries<T>) {
    let skipped = u32::from(above);
    if let (false, Some(&label)) = (above, pixels.first()) {
        found.offsets.push(0);
        found.labels.push(label);
    }
    let mut append = |at: usize, bits: u64| {
        let mut bits = bits;
        while bits != 0 {
            let place = at + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            found.offsets.push(place as u32 - skipped);
            found.labels.push(pixels[place]);
        }
    };
    let mut at = 1;
    while at + BLOCK <= pixels.len() {
        append(at, T::differences(simd, &pixels[at..at + BLOCK], &pixels[at - 1..at - 1 + BLOCK]));
        at += BLOCK;
    }
    if at < pixels.len() && pixels.len() > BLOCK {
        // The last 64 pixels once more, less those seen already.
        let last = pixels.len() - BLOCK;
        let bits = T::differences(simd, &pixels[last..], &pixels[last - 1..pixels.len() - 1]);
        append(at, bits >> (at - last));
    } else {
        for place in at..pixels.len() {
            append(place, u64::from(pixels[place] != pixels[place - 1]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transpose_moves_every_bit() {
        for (i, j) in [(0, 0), (0, 63), (63, 0), (5, 17), (32, 31), (63, 63)] {
            let mut words = [0u64; BLOCK];
            words[i] = 1 << j;
            transpose(&mut words);
            let mut expected = [0u64; BLOCK];
            expected[j] = 1 << i;
            assert_eq!(words, expected, "bit {j} of word {i}");
        }
    }
}
