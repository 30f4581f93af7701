//! The SIMD engine: boundaries at the speed of a memory read.
//!
//! Gets a strip whose lines run across or along the rows of memory; gives the boundaries that [`super::scalar`] defines;
//! guarantees the same for every SIMD level.
//!
//! Lines along memory are read once: where all labels of a span are the one before it, nothing begins there; elsewhere
//! each group of 64 is compared with the 64 one pixel before. Lines across memory are the harder case; plainly:
//!
//! ```text
//! for each block of 64 rows:
//!     sweep: OR together row XOR row above, for all rows of the block      (most of a slide ends here)
//!     for each group of 64 columns in which a bit survived:
//!         compare again, 64 columns x 64 rows -> 64 words of bits; transpose the bits; for each column,
//!         for each bit: append (row, label) to the block's events
//! for each column, for each block: append the block's events of the column to the strip's boundaries
//! ```
//!
//! Differences to a comparison of every row with the one above, pixel by pixel, and why:
//! 1. The sweep keeps the row above in registers and goes down eight rows before it moves right, so each byte is loaded
//!    once, in eight streams that the processor's prefetcher follows. The eight loads are written out, not a loop: the
//!    prefetcher tells streams apart by the instruction that loads. It looks at bytes only and is the same for every label
//!    type.
//! 2. Only groups with a difference are compared lane by lane. Where most are, the block is swept in panels of a few KiB,
//!    so that their rows are still in cache. Their labels are copied to a tile first, where they lie at known distances.
//! 3. A block's events come column by column already, so ordering those of a strip is reading as many streams as it has
//!    blocks and writing one. Nothing is sorted, and a row number inside a block fits a byte. A bit for each block says
//!    in which columns it has events at all.
//! 4. Events are written and copied a few at a time, however many there are; what is too much is overwritten by the next.
//!    Short loops whose ends nobody can predict would cost more.

use fearless_simd::{Simd as Vectors, SimdBase, SimdMask, dispatch};

use super::{Boundaries, Marker, Marks};
use crate::error::Result;
use crate::lanes::{AT_ONCE, SPAN, SimdLevel};
use crate::mask::{Label, any_label, each_label};
use crate::memory::{Pool, sized};
use crate::strip::Strip;

/// Rows of a block and columns of a group: the bits of one word.
const BLOCK: usize = AT_ONCE;
/// Pixels of a group of columns in a block.
const GROUP: usize = BLOCK * BLOCK;
/// Bytes of a row that are swept before the differing groups are looked at, where most differ. Elsewhere the whole row is
/// swept: longer streams are faster.
const PANEL: usize = 4 << 10;
/// Rows that are swept side by side: more streams than the prefetcher follows are slower, fewer do not hide its latency.
const SLAB: usize = 8;
/// Bytes of a row for which the sweep tells whether anything changed.
const UNIT: usize = 64;

/// The boundaries of `strip`. Where neither its rows nor its columns are contiguous in memory, the scalar engine finds them.
///
/// ```
/// use runmask::boundary::{scalar, simd};
/// use runmask::{LabelMask, Shape, SimdLevel, Strip};
/// let pixels: Vec<u16> = (0..6000).map(|pixel| pixel / 700).collect();
/// let strip = Strip::new(LabelMask::new(&pixels, Shape { height: 60, width: 100 })?, false)?;
/// assert_eq!(simd::mark(SimdLevel::best(), strip), scalar::mark(strip));
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn mark<T: Label>(level: SimdLevel, strip: Strip<'_, T>) -> Boundaries<T> {
    // The engine gives no error.
    let marked = engine(level).mark_any(any_label!(T, strip.mask()), strip.above());
    marked.map_or_else(|_| Boundaries::default(), |marked| each_label!(marked, marked => marked.same()))
}

fn engine(level: SimdLevel) -> Box<dyn Marker> {
    Box::new(SimdEngine::new(level))
}

/// [`mark`] with the memory of earlier strips: of `workspace`, and of boundaries that nobody needs any more.
fn mark_with<T: Label>(
    level: SimdLevel,
    strip: Strip<'_, T>,
    workspace: &mut Workspace<T>,
    spare: Boundaries<T>,
) -> Boundaries<T> {
    let level = level.0;
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

/// The engine, with the memory in which it marks.
#[derive(Debug)]
pub(crate) struct SimdEngine {
    level: SimdLevel,
    u8: Pool<Workspace<u8>>,
    u16: Pool<Workspace<u16>>,
    u32: Pool<Workspace<u32>>,
    u64: Pool<Workspace<u64>>,
}

impl SimdEngine {
    pub(crate) fn new(level: SimdLevel) -> Self {
        Self { level, u8: Pool::default(), u16: Pool::default(), u32: Pool::default(), u64: Pool::default() }
    }
}

impl Marker for SimdEngine {
    fn forget(&self) {
        self.u8.clear();
        self.u16.clear();
        self.u32.clear();
        self.u64.clear();
    }

    fn detail(&self) -> String {
        self.level.to_string()
    }
}

macro_rules! marks {
    ($($label:ident)*) => {$(
        impl Marks<$label> for SimdEngine {
            fn mark(&self, strip: Strip<'_, $label>, spare: Boundaries<$label>) -> Result<Boundaries<$label>> {
                let mut workspace = self.$label.take();
                let marked = mark_with(self.level, strip, &mut workspace, spare);
                self.$label.give(workspace);
                Ok(marked)
            }
        }
    )*};
}
marks!(u8 u16 u32 u64);

/// Rows that are swept side by side, the row above them first.
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

/// [`Slab::sweep`] over the bytes `from .. to`, which are whole units.
#[inline(always)]
fn sweep_panel<S: Vectors>(simd: S, rows: &impl Slab, from: usize, to: usize, changed: &mut [bool]) {
    /// Vectors that are swept at once: with the rows above and the differences, what the registers hold.
    const WIDE: usize = 4;
    let lanes = S::u8s::LEN;
    let mut at = from;
    let mut done = 0;
    while at + WIDE * lanes <= to {
        rows.sweep::<S, WIDE>(simd, at, &mut changed[done..]);
        at += WIDE * lanes;
        done += WIDE * lanes / UNIT;
    }
    while at < to {
        match lanes {
            64 => rows.sweep::<S, 1>(simd, at, &mut changed[done..]),
            32 => rows.sweep::<S, 2>(simd, at, &mut changed[done..]),
            _ => rows.sweep::<S, 4>(simd, at, &mut changed[done..]),
        }
        at += UNIT;
        done += 1;
    }
}

/// Events that are written or copied at once.
const FEW: usize = 8;

/// Labels of the pixels of a group and of the row above it.
type Tile<T> = [[T; BLOCK]; BLOCK + 1];

/// What marking a strip needs besides its boundaries.
#[derive(Debug)]
struct Workspace<T> {
    /// Blocks with events, at first; then some with memory of earlier ones.
    blocks: Vec<Block<T>>,
    lines: Lines,
    /// Whether anything changes in each unit of the rows of a panel.
    changed: Vec<bool>,
    tile: Box<Tile<T>>,
}

impl<T: Label> Default for Workspace<T> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            lines: Lines::default(),
            changed: Vec::new(),
            tile: Box::new([[T::default(); BLOCK]; BLOCK + 1]),
        }
    }
}

/// What is known of each line of a strip.
#[derive(Debug, Default)]
struct Lines {
    /// The number of its boundaries.
    counts: Vec<u32>,
    /// The blocks that have events there: a bit for each stretch of them.
    stretches: Vec<u64>,
    /// Blocks in a stretch: as few as there are bits for.
    stretch: usize,
}

impl Lines {
    /// Begins a strip of `lines` lines, each of `length` pixels and with `forced` boundaries so far.
    fn start(&mut self, lines: usize, length: usize, forced: u32) {
        self.counts.clear();
        self.counts.resize(lines, forced);
        self.stretches.clear();
        self.stretches.resize(lines, 0);
        self.stretch = length.div_ceil(BLOCK).div_ceil(u64::BITS as usize).max(1);
    }
}

/// The events of a block, column by column.
#[derive(Debug, Default)]
struct Block<T> {
    /// The block's first row.
    first: u32,
    /// The bit that says in which lines it has events.
    bit: u64,
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
    /// Begins a block, without events.
    fn start(&mut self, first: u32, bit: u64) {
        (self.first, self.bit) = (first, bit);
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
fn across<S: Vectors, T: Label>(
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
    let Workspace { blocks, lines: known, changed, tile } = workspace;
    known.start(lines, strip.length() as usize, u32::from(!forced.is_empty()));
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
        block.start(first, 1 << (used / known.stretch));
        simd.vectorize(
            #[inline(always)]
            || {
                let panel = if dense { PANEL } else { usize::MAX };
                let groups = mark_block(simd, &rows[..length as usize + 1], panel, changed, tile, block, known);
                dense = 2 * groups > lines / BLOCK;
            },
        );
        used += usize::from(block.events > 0);
        first += length;
    }
    simd.vectorize(
        #[inline(always)]
        || order_by_line(forced, &mut blocks[..used], known, spare),
    )
}

/// The events of the block `rows[1..]`, whose row above is `rows[0]`; gives the number of groups that differ.
#[inline(always)]
fn mark_block<S: Vectors, T: Label>(
    simd: S,
    rows: &[&[T]],
    panel: usize,
    changed: &mut Vec<bool>,
    tile: &mut Tile<T>,
    found: &mut Block<T>,
    lines: &mut Lines,
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
        sweep_block(simd, bytes, from, to, changed);
        for (group, changed) in changed.chunks(size_of::<T>()).enumerate() {
            if changed.contains(&true) {
                let column = from / size_of::<T>() + group * BLOCK;
                for (tile, row) in tile.iter_mut().zip(rows) {
                    tile.copy_from_slice(&row[column..column + BLOCK]);
                }
                mark_group(simd, &tile[..rows.len()], column, u64::MAX, found, lines);
                groups += 1;
            }
        }
        from = to;
    }
    // The columns that do not fill a group.
    let width = rows[0].len();
    let rest = width % BLOCK;
    if rest > 0 && width > BLOCK {
        // The last 64 once more, less those seen already.
        let column = width - BLOCK;
        sweep_block(simd, bytes, column * size_of::<T>(), bytes[0].len(), changed);
        if changed.contains(&true) {
            for (tile, row) in tile.iter_mut().zip(rows) {
                tile.copy_from_slice(&row[column..]);
            }
            mark_group(simd, &tile[..rows.len()], column, u64::MAX << (BLOCK - rest), found, lines);
        }
    } else if rest > 0 {
        // Equal padding has no differences.
        for (tile, row) in tile.iter_mut().zip(rows) {
            tile[..rest].copy_from_slice(row);
            tile[rest..].fill(T::default());
        }
        mark_group(simd, &tile[..rows.len()], 0, u64::MAX, found, lines);
    }
    groups
}

/// Notes in `changed` which units of the bytes `from .. to` differ between neighbouring rows.
#[inline(always)]
fn sweep_block<S: Vectors>(simd: S, rows: &[&[u8]], from: usize, to: usize, changed: &mut Vec<bool>) {
    changed.clear();
    changed.resize((to - from) / UNIT, false);
    let mut rows = rows;
    while let Some(slab) = rows.first_chunk::<{ SLAB + 1 }>() {
        sweep_panel(simd, slab, from, to, changed);
        rows = &rows[SLAB..];
    }
    // The last rows of the mask.
    while let Some(pair) = rows.first_chunk::<2>() {
        sweep_panel(simd, pair, from, to, changed);
        rows = &rows[1..];
    }
}

/// The events of a group, whose first column is `column`, in those of its columns that are bits of `lanes`.
#[inline(always)]
fn mark_group<S: Vectors, T: Label>(
    simd: S,
    tile: &[[T; BLOCK]],
    column: usize,
    lanes: u64,
    found: &mut Block<T>,
    lines: &mut Lines,
) {
    let mut words = [0u64; BLOCK];
    let mut any = 0;
    for (word, pair) in words.iter_mut().zip(tile.windows(2)) {
        *word = T::differences(simd, &pair[1], &pair[0]);
        any |= *word;
    }
    any &= lanes;
    if any == 0 {
        return;
    }
    transpose(&mut words);
    found.reserve(lines.counts.len());
    let (counts, stretches) = (&mut lines.counts[column..], &mut lines.stretches[column..]);
    let Block { bit, counts: in_block, rows, labels, events, .. } = found;
    while any != 0 {
        let lane = any.trailing_zeros() as usize;
        any &= any - 1;
        let mut bits = words[lane % BLOCK];
        let count = bits.count_ones();
        in_block[column + lane] = count as u8;
        counts[lane] += count;
        stretches[lane] |= *bit;
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
    lines: &Lines,
    spare: Boundaries<T>,
) -> Boundaries<T> {
    let total = lines.counts.iter().sum::<u32>() as usize;
    let Boundaries { mut line_starts, mut offsets, mut labels } = spare;
    line_starts.clear();
    line_starts.reserve(lines.counts.len() + 1);
    // Every entry but those beyond the total is written below.
    offsets = sized(offsets, total + FEW);
    labels = sized(labels, total + FEW);
    blocks.iter_mut().for_each(|block| block.events = 0);
    let mut at = 0;
    for (column, &stretches) in lines.stretches.iter().enumerate() {
        line_starts.push(at as u32);
        if let Some(&label) = forced.get(column) {
            (offsets[at], labels[at]) = (0, label);
            at += 1;
        }
        let mut bits = stretches;
        while bits != 0 {
            let first = bits.trailing_zeros() as usize * lines.stretch;
            bits &= bits - 1;
            let last = blocks.len().min(first + lines.stretch);
            for block in &mut blocks[first..last] {
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
    }
    line_starts.push(at as u32);
    offsets.truncate(total);
    labels.truncate(total);
    Boundaries { line_starts, offsets, labels }
}

#[inline(always)]
fn along<S: Vectors, T: Label>(simd: S, strip: Strip<'_, T>, spare: Boundaries<T>) -> Boundaries<T> {
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
fn one_line<S: Vectors, T: Label>(simd: S, pixels: &[T], above: bool, found: &mut Boundaries<T>) {
    let Some((&label, here)) = pixels.split_first() else { return };
    let before = &pixels[..here.len()];
    if !above {
        found.offsets.push(0);
        found.labels.push(label);
    }
    let first = u32::from(!above);
    let mut append = |at: usize, mut bits: u64| {
        while bits != 0 {
            let place = at + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            found.offsets.push(place as u32 + first);
            found.labels.push(here[place]);
        }
    };
    let mut at = 0;
    let span = SPAN / size_of::<T>();
    while at + span <= here.len() {
        // Nothing changes where all is as it was before: one load instead of two at neighbouring places.
        if T::any_other(simd, &here[at..at + span], before[at]) {
            for group in (at..at + span).step_by(BLOCK) {
                append(group, T::differences(simd, &here[group..group + BLOCK], &before[group..group + BLOCK]));
            }
        }
        at += span;
    }
    while at + BLOCK <= here.len() {
        append(at, T::differences(simd, &here[at..at + BLOCK], &before[at..at + BLOCK]));
        at += BLOCK;
    }
    if at < here.len() && here.len() > BLOCK {
        // The last 64 once more, less those seen already.
        let last = here.len() - BLOCK;
        append(at, T::differences(simd, &here[last..], &before[last..]) >> (at - last));
    } else {
        (at..here.len()).for_each(|place| append(place, u64::from(here[place] != before[place])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::LabelMask;
    use crate::shape::Shape;

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

    /// Each of more blocks than there are bits for them: blocks share bits.
    #[test]
    fn strips_may_be_taller_than_a_word_of_blocks() {
        let shape = Shape { height: 9001, width: 70 };
        let label = |row: u32, column: u32| (row / 7 + column / 9) % 5 * u32::from(row % 100 < 90);
        let pixels: Vec<u16> =
            (0..shape.height).flat_map(|row| (0..shape.width).map(move |column| label(row, column) as u16)).collect();
        let strip = Strip::new(LabelMask::new(&pixels, shape).unwrap(), false).unwrap();
        let expected = crate::boundary::scalar::mark(strip);
        assert!(expected.offsets.len() > 9001);
        for level in SimdLevel::all() {
            assert_eq!(mark(level, strip), expected, "{}", level.name());
        }
    }
}
