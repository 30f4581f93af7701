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
//! for each column, for each block: append the block's events of the column to the strip's boundaries
//! ```
//!
//! Differences to a comparison of every row with the one above, pixel by pixel, and why:
//! 1. The sweep keeps the row above in registers and goes down eight rows before it moves right, so each byte is loaded
//!    once, in eight streams that the processor's prefetcher follows; it looks at bytes only and is the same for every
//!    label type.
//! 2. Only groups with a difference are compared lane by lane, while their 64 rows are still in cache. A panel is what
//!    fits there. Their labels are copied to a tile first, where they lie at known distances.
//! 3. A block's events come column by column already, so ordering those of a strip is reading as many streams as it has
//!    blocks and writing one. Nothing is sorted, and a row number inside a block fits a byte.
//! 4. Events are written and copied a few at a time, however many there are; what is too much is overwritten by the next.
//!    Short loops whose ends nobody can predict would cost more.

use fearless_simd::{Level, Simd, SimdBase, SimdMask, dispatch};

use super::Boundaries;
use crate::engine::SimdLevel;
use crate::mask::Label;
use crate::strip::Strip;

/// Rows of a block and columns of a group: the bits of one word.
const BLOCK: usize = 64;
/// Pixels of a group of columns in a block.
const GROUP: usize = BLOCK * BLOCK;
/// Bytes of a row that are swept before the differing groups are looked at, where most differ: 64 rows of it fit an L2
/// cache of 1 MiB. Elsewhere the whole row is swept: longer streams are faster.
const PANEL: usize = 16 << 10;
/// Rows that are swept side by side: more streams than the prefetcher follows are slower.
const SLAB: usize = 12;
/// Bytes of a row for which the sweep tells whether anything changed.
const UNIT: usize = 64;

/// The boundaries of `strip`, whose rows or columns must be contiguous in memory (else it is left to the scalar engine).
pub fn mark<T: Label>(level: SimdLevel, strip: Strip<'_, T>) -> Boundaries<T> {
    mark_with(level, strip, &mut Workspace::default(), Boundaries::default())
}

/// [`mark`] with the memory of earlier strips: of `workspace`, and of boundaries that nobody needs any more.
pub(crate) fn mark_with<T: Label>(
    level: SimdLevel,
    strip: Strip<'_, T>,
    workspace: &mut Workspace<T>,
    spare: Boundaries<T>,
) -> Boundaries<T> {
    let level: Level = level.0;
    let mask = strip.mask();
    // A single line lies along memory as well, and has no neighbours to be compared with at once.
    if strip.lines() != 1 && (0..mask.shape().height).all(|row| mask.row(row).is_some()) {
        dispatch!(level, simd => across(simd, strip, workspace, spare))
    } else if (0..mask.shape().width).all(|column| mask.column(column).is_some()) {
        dispatch!(level, simd => along(simd, strip, spare))
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

/// Whether the unit of 64 bytes at byte `at`, which is `N` vectors, differs between neighbouring rows.
#[inline(always)]
fn sweep<S: Simd, const N: usize>(simd: S, rows: &[&[u8]], at: usize) -> bool {
    let lanes = S::u8s::LEN;
    let load = |row: &[u8], i: usize| S::u8s::from_slice(simd, &row[at + i * lanes..at + (i + 1) * lanes]);
    let mut above: [S::u8s; N] = std::array::from_fn(|i| load(rows[0], i));
    let mut bits: [S::u8s; N] = std::array::from_fn(|_| S::u8s::splat(simd, 0));
    for row in &rows[1..] {
        for i in 0..N {
            let here = load(row, i);
            bits[i] |= here ^ above[i];
            above[i] = here;
        }
    }
    let zero = S::u8s::splat(simd, 0);
    bits.iter().fold(zero, |all, &bits| all | bits).simd_ne(zero).any_true()
}

/// [`sweep`] over the bytes `from .. to`, which are whole units.
#[inline(always)]
fn sweep_panel<S: Simd>(simd: S, rows: &[&[u8]], from: usize, to: usize, changed: &mut [bool]) {
    for (at, changed) in (from..to).step_by(UNIT).zip(changed) {
        *changed |= match S::u8s::LEN {
            64 => sweep::<S, 1>(simd, rows, at),
            32 => sweep::<S, 2>(simd, rows, at),
            _ => sweep::<S, 4>(simd, rows, at),
        };
    }
}

/// Events that are written or copied at once.
const FEW: usize = 8;

/// Labels of the pixels of a group and of the row above it.
type Tile<T> = [[T; BLOCK]; BLOCK + 1];

/// What marking a strip needs besides its boundaries.
pub(crate) struct Workspace<T> {
    /// Blocks with events, at first; then some with memory of earlier ones.
    blocks: Vec<Block<T>>,
    /// The number of boundaries of each line.
    counts: Vec<u32>,
    /// Whether anything changes in each unit of the rows of a panel.
    changed: Vec<bool>,
    tile: Box<Tile<T>>,
}

impl<T: Label> Default for Workspace<T> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            counts: Vec::new(),
            changed: Vec::new(),
            tile: Box::new([[T::default(); BLOCK]; BLOCK + 1]),
        }
    }
}

/// The events of a block, column by column.
#[derive(Default)]
struct Block<T> {
    /// The block's first row.
    first: u32,
    /// How many events each column has; empty without events.
    counts: Vec<u8>,
    /// The row of each event inside the block; more entries than there are events.
    rows: Vec<u8>,
    /// The label of each.
    labels: Vec<T>,
    /// How many there are; later, how many have been taken.
    events: usize,
}

impl<T: Label> Block<T> {
    /// Empties it.
    fn start(&mut self, first: u32) {
        self.first = first;
        self.counts.clear();
        self.events = 0;
    }

    /// Makes room for the events of a group.
    fn reserve(&mut self, lines: usize) {
        if self.counts.is_empty() {
            self.counts.resize(lines, 0);
        }
        let needed = self.events + GROUP + FEW;
        if self.rows.len() < needed {
            self.rows.resize(needed + self.events, 0);
            self.labels.resize(needed + self.events, T::default());
        }
    }
}

#[inline(always)]
fn across<S: Simd, T: Label>(
    simd: S,
    strip: Strip<'_, T>,
    workspace: &mut Workspace<T>,
    spare: Boundaries<T>,
) -> Boundaries<T> {
    let lines = strip.lines() as usize;
    let mask = strip.mask();
    let row = |row: u32| mask.row(row).unwrap_or_default();
    // Without a row above, every line begins here, with a boundary.
    let forced: &[T] = if !strip.above() && strip.length() > 0 { row(0) } else { &[] };
    let Workspace { blocks, counts, changed, tile } = workspace;
    counts.clear();
    counts.resize(lines, u32::from(!forced.is_empty()));
    let mut used = 0;
    // Whether most groups of the block before differ.
    let mut dense = false;
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
        if used == blocks.len() {
            blocks.push(Block::default());
        }
        let block = &mut blocks[used];
        block.start(first);
        simd.vectorize(
            #[inline(always)]
            || {
                let panel = if dense { PANEL } else { usize::MAX };
                let groups = mark_block(simd, &rows[..length as usize + 1], panel, changed, tile, block, counts);
                dense = 2 * groups > lines / BLOCK;
            },
        );
        used += usize::from(block.events > 0);
        first += length;
    }
    simd.vectorize(
        #[inline(always)]
        || order_by_line(forced, &mut blocks[..used], counts, spare),
    )
}

/// The events of the block `rows[1..]`, whose row above is `rows[0]`; gives the number of groups that differ.
#[inline(always)]
fn mark_block<S: Simd, T: Label>(
    simd: S,
    rows: &[&[T]],
    panel: usize,
    changed: &mut Vec<bool>,
    tile: &mut Tile<T>,
    found: &mut Block<T>,
    counts: &mut [u32],
) -> usize {
    let bytes: [&[u8]; BLOCK + 1] =
        std::array::from_fn(|i| rows.get(i).map_or(&[][..], |row| bytemuck::cast_slice(row)));
    let bytes = &bytes[..rows.len()];
    let group_bytes = BLOCK * size_of::<T>();
    let end = rows[0].len() / BLOCK * group_bytes;
    let mut groups = 0;
    let mut from = 0;
    while from < end {
        let to = end.min(from.saturating_add(panel));
        changed.clear();
        changed.resize((to - from) / UNIT, false);
        let mut slab = 0;
        while slab + 1 < bytes.len() {
            let slab_end = bytes.len().min(slab + SLAB + 1);
            sweep_panel(simd, &bytes[slab..slab_end], from, to, changed);
            slab += SLAB;
        }
        for (group, changed) in changed.chunks(size_of::<T>()).enumerate() {
            if changed.contains(&true) {
                let column = from / size_of::<T>() + group * BLOCK;
                for (tile, row) in tile.iter_mut().zip(rows) {
                    tile.copy_from_slice(&row[column..column + BLOCK]);
                }
                mark_group(simd, &tile[..rows.len()], column, found, counts);
                groups += 1;
            }
        }
        from = to;
    }
    let column = end / size_of::<T>();
    let rest = rows[0].len() - column;
    if rest > 0 {
        // The columns that do not fill a group: equal padding has no differences.
        for (tile, row) in tile.iter_mut().zip(rows) {
            tile[..rest].copy_from_slice(&row[column..]);
            tile[rest..].fill(T::default());
        }
        mark_group(simd, &tile[..rows.len()], column, found, counts);
    }
    groups
}

/// The events of a group, whose first column is `column`.
#[inline(always)]
fn mark_group<S: Simd, T: Label>(
    simd: S,
    tile: &[[T; BLOCK]],
    column: usize,
    found: &mut Block<T>,
    counts: &mut [u32],
) {
    let mut words = [0u64; BLOCK];
    let mut any = 0;
    for (word, pair) in words.iter_mut().zip(tile.windows(2)) {
        *word = T::differences(simd, &pair[1], &pair[0]);
        any |= *word;
    }
    if any == 0 {
        return;
    }
    transpose(&mut words);
    found.reserve(counts.len());
    let Block { counts: in_block, rows, labels, events, .. } = found;
    while any != 0 {
        let lane = any.trailing_zeros() as usize;
        any &= any - 1;
        let mut bits = words[lane % BLOCK];
        let count = bits.count_ones();
        in_block[column + lane] = count as u8;
        counts[column + lane] += count;
        let mut at = *events;
        while bits != 0 {
            let (rows, labels) = (&mut rows[at..at + FEW], &mut labels[at..at + FEW]);
            for (to_row, to_label) in rows.iter_mut().zip(labels) {
                // Of no bits, row 0.
                let row = bits.trailing_zeros() as usize % BLOCK;
                *to_row = row as u8;
                *to_label = tile.get(row + 1).map_or(T::default(), |pixels| pixels[lane % BLOCK]);
                bits &= bits.wrapping_sub(1);
            }
            at += FEW;
        }
        *events += count as usize;
    }
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

/// The boundaries of a strip from the events of its blocks; `forced` are the labels at offset 0, if lines begin here.
#[inline(always)]
fn order_by_line<T: Label>(
    forced: &[T],
    blocks: &mut [Block<T>],
    counts: &[u32],
    spare: Boundaries<T>,
) -> Boundaries<T> {
    let total = counts.iter().sum::<u32>() as usize;
    let Boundaries { mut line_starts, mut offsets, mut labels } = spare;
    line_starts.clear();
    line_starts.reserve(counts.len() + 1);
    // Every entry but those beyond the total is written below.
    offsets.resize(total + FEW, 0);
    labels.resize(total + FEW, T::default());
    blocks.iter_mut().for_each(|block| block.events = 0);
    let mut at = 0;
    for (column, &count) in counts.iter().enumerate() {
        line_starts.push(at as u32);
        let end = at + count as usize;
        if let Some(&label) = forced.get(column) {
            (offsets[at], labels[at]) = (0, label);
            at += 1;
        }
        if at == end {
            continue;
        }
        for block in blocks.iter_mut() {
            let count = usize::from(block.counts[column]);
            let mut copied = 0;
            // At least once: that a column has no events is rare, and costs more to foresee than to copy.
            loop {
                let from = block.events + copied;
                let to = at + copied;
                let rows = &block.rows[from..from + FEW];
                for (offset, &row) in offsets[to..to + FEW].iter_mut().zip(rows) {
                    *offset = block.first + u32::from(row);
                }
                labels[to..to + FEW].copy_from_slice(&block.labels[from..from + FEW]);
                copied += FEW;
                if copied >= count {
                    break;
                }
            }
            block.events += count;
            at += count;
        }
    }
    line_starts.push(at as u32);
    offsets.truncate(total);
    labels.truncate(total);
    Boundaries { line_starts, offsets, labels }
}

#[inline(always)]
fn along<S: Simd, T: Label>(simd: S, strip: Strip<'_, T>, spare: Boundaries<T>) -> Boundaries<T> {
    let mut found = spare;
    found.clear();
    found.line_starts.reserve(strip.lines() as usize + 1);
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
