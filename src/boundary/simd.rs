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
//!         compare again, 64 columns x 64 rows -> a word of bits for each column; for each column, for each bit:
//!         append (row, label) to the block's events
//! for each column, for each block: append the block's events of the column to the strip's boundaries
//! ```
//!
//! Differences to a comparison of every row with the one above, pixel by pixel, and why:
//! 1. The sweep keeps the row above in registers and goes down eight rows before it moves right, so each byte is loaded
//!    once, in eight streams that the processor's prefetcher follows. The eight loads are written out, not a loop: the
//!    prefetcher tells streams apart by the instruction that loads. It looks at bytes only and is the same for every label
//!    type.
//! 2. Only groups with a difference are compared lane by lane, upwards: each lane doubles what it has seen and adds a bit.
//!    Their labels are copied to a tile, where they lie at known distances. Where most groups differ nothing is swept: every
//!    group is copied and compared, in panels of a few KiB, and the events of a panel are put in order while they are still in
//!    cache. The next block is fetched while this one's events are written, and a byte of each cache line of a block is read
//!    first, for what was not fetched; both wait for memory less than a comparison does.
//! 3. A block's events come column by column already, so ordering those of a panel is reading as many streams as it has
//!    blocks and writing one. Nothing is sorted, and a row number inside a block fits a byte. A bit for each block says
//!    in which columns it has events at all.
//! 4. Events are written and copied a few at a time, however many there are; what is too much is overwritten by the next.
//!    Short loops whose ends nobody can predict would cost more.

mod slab;
#[cfg(test)]
mod tests;

use std::ops::Range;

use fearless_simd::{Simd as Vectors, dispatch};

use self::slab::{Ahead, sweep, touch};
use super::{BOUNDARIES, Boundaries, Marker, Marks};
use crate::error::Result;
use crate::lanes::{AT_ONCE, SPAN, SimdLevel};
use crate::mask::{Label, any_label, each_label};
use crate::memory::{Pool, lengthen, refill, reserve};
use crate::strip::Strip;

/// Rows of a block and columns of a group: the bits of one word.
const BLOCK: usize = AT_ONCE;
/// Pixels of a group of columns in a block.
const GROUP: usize = BLOCK * BLOCK;
/// Bytes of a row of a panel, where most groups differ: the rows of a block and their copies fit a processor's second cache.
/// Elsewhere a panel is as wide as the strip: longer streams are faster.
const PANEL: usize = 2 << 10;

/// The boundaries of `strip`. Where neither its rows nor its columns are contiguous in memory, the scalar engine finds them.
///
/// ```
/// use runmask::boundary::{scalar, simd};
/// use runmask::{LabelMask, Shape, SimdLevel, Strip};
/// let pixels: Vec<u16> = (0..6000).map(|pixel| pixel / 700).collect();
/// let strip = Strip::new(LabelMask::new(&pixels, Shape { height: 60, width: 100 })?, false)?;
/// assert_eq!(simd::mark(SimdLevel::best(), strip)?, scalar::mark(strip)?);
/// # Ok::<(), runmask::Error>(())
/// ```
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) when there is no room for them.
pub fn mark<T: Label>(level: SimdLevel, strip: Strip<'_, T>) -> Result<Boundaries<T>> {
    let marked = engine(level).mark_any(any_label!(T, strip.mask()), strip.above())?;
    Ok(each_label!(marked, marked => marked.same()))
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
) -> Result<Boundaries<T>> {
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
                marked
            }
        }
    )*};
}
marks!(u8 u16 u32 u64);

/// Events that are written or copied at once.
const FEW: usize = 8;

/// Labels of the pixels of a group.
type Tile<T> = [[T; BLOCK]; BLOCK];

/// Which pixels of a group differ from the pixel above: a word for each column.
type Words = [u64; BLOCK];

/// What marking a strip needs besides its boundaries.
#[derive(Debug)]
struct Workspace<T> {
    /// Blocks with events, at first; then some with memory of earlier ones.
    blocks: Vec<Block<T>>,
    lines: Lines,
    /// Whether anything changes in each unit of the rows of a panel.
    changed: Vec<bool>,
    /// The group that is looked at, and one that is padded.
    tiles: Vec<Tile<T>>,
}

impl<T> Default for Workspace<T> {
    fn default() -> Self {
        let (blocks, lines, changed) = (Vec::new(), Lines::default(), Vec::new());
        Self { blocks, lines, changed, tiles: Vec::new() }
    }
}

/// What is known of each line of a panel.
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
    /// Begins a panel of `lines` lines, each of `length` pixels and with `forced` boundaries so far.
    fn start(&mut self, lines: usize, length: usize, forced: u32) -> Result<()> {
        refill(&mut self.counts, lines, forced, BOUNDARIES)?;
        refill(&mut self.stretches, lines, 0, BOUNDARIES)?;
        self.stretch = length.div_ceil(BLOCK).div_ceil(u64::BITS as usize).max(1);
        Ok(())
    }
}

/// The events of a block of a panel, column by column.
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
    fn reserve(&mut self, lines: usize) -> Result<()> {
        if self.counts.is_empty() {
            lengthen(&mut self.counts, lines, lines, BOUNDARIES)?;
        }
        let needed = self.events + GROUP + FEW;
        if self.rows.len() < needed {
            lengthen(&mut self.rows, needed + self.events, 0, BOUNDARIES)?;
            lengthen(&mut self.labels, needed + self.events, 0, BOUNDARIES)?;
        }
        Ok(())
    }
}

#[inline(always)]
fn across<S: Vectors, T: Label>(
    simd: S,
    strip: Strip<'_, T>,
    workspace: &mut Workspace<T>,
    spare: Boundaries<T>,
) -> Result<Boundaries<T>> {
    let lines = strip.lines() as usize;
    let mask = strip.mask();
    let row = |row: u32| mask.row(row).unwrap_or_default();
    // Without a row above, every line begins here, with a boundary.
    let forced: &[T] = if !strip.above() && strip.length() > 0 { row(0) } else { &[] };
    let dense = strip.length() > 0 && is_dense(row, mask.shape().height, lines);
    let panel = if dense { PANEL / size_of::<T>() } else { lines };
    let mut found = spare;
    found.line_starts.clear();
    reserve(&mut found.line_starts, lines + 1, BOUNDARIES)?;
    found.line_starts.push(0);
    let mut from = 0;
    while from < lines {
        let columns = from..lines.min(from + panel);
        let blocks = mark_panel(simd, strip, columns.clone(), dense, workspace)?;
        let Workspace { blocks: all, lines: known, .. } = &mut *workspace;
        let forced = forced.get(columns.clone()).unwrap_or_default();
        simd.vectorize(
            #[inline(always)]
            || order_by_line(forced, &mut all[..blocks], known, lines - columns.end, &mut found),
        )?;
        from = columns.end;
    }
    let total = found.line_starts[found.line_starts.len() - 1] as usize;
    found.offsets.truncate(total);
    found.labels.truncate(total);
    Ok(found)
}

/// Whether most groups of a strip seem to differ: at some places, labels are compared with those a block further down.
fn is_dense<'a, T: Label>(row: impl Fn(u32) -> &'a [T], rows: u32, lines: usize) -> bool {
    const PLACES: usize = 8;
    let down = rows.saturating_sub(1).min(BLOCK as u32 - 1);
    let width = lines.min(BLOCK);
    let mut differing = 0;
    for i in 0..PLACES {
        let first = (u64::from(rows - down) * i as u64 / PLACES as u64) as u32;
        let (above, below) = (row(first), row(first + down));
        for j in 0..PLACES {
            let column = (lines - width) * j / (PLACES - 1);
            differing += usize::from(above[column..column + width] != below[column..column + width]);
        }
    }
    2 * differing > PLACES * PLACES
}

/// The events of some columns of a strip, in the first blocks of the workspace; gives their number.
#[inline(always)]
fn mark_panel<S: Vectors, T: Label>(
    simd: S,
    strip: Strip<'_, T>,
    columns: Range<usize>,
    dense: bool,
    workspace: &mut Workspace<T>,
) -> Result<usize> {
    let forced = u32::from(!strip.above() && strip.length() > 0);
    workspace.lines.start(columns.len(), strip.length() as usize, forced)?;
    // The rows from `first` on of a block, and the one above them.
    let rows = |first: u32, length: u32| -> [&[u8]; BLOCK + 1] {
        // The row above the mask's first row is taken to be that row itself.
        let above = first + u32::from(strip.above());
        let row = |row: u32| &strip.mask().row(row).unwrap_or_default()[columns.clone()];
        std::array::from_fn(|i| match i as u32 {
            0 => bytemuck::cast_slice(row(above.saturating_sub(1))),
            i if i <= length => bytemuck::cast_slice(row(above + i - 1)),
            _ => &[],
        })
    };
    let length = |first: u32| (strip.length() - first).min(BLOCK as u32);
    let mut used = 0;
    let mut first = 0;
    while first < strip.length() {
        let here = rows(first, length(first));
        let here = &here[..=length(first) as usize];
        let after = first + length(first);
        let fetched = if dense { length(after) } else { 0 };
        let next = rows(after, fetched);
        let ahead = Ahead::new(&next[1..=fetched as usize]);
        if used == workspace.blocks.len() {
            workspace.blocks.push(Block::default());
        }
        workspace.blocks[used].start(first, 1 << (used / workspace.lines.stretch));
        simd.vectorize(
            #[inline(always)]
            || mark_block(simd, here, dense.then_some(ahead), used, workspace),
        )?;
        used += usize::from(workspace.blocks[used].events > 0);
        first = after;
    }
    Ok(used)
}

/// The events of the block `rows[1..]`, whose row above is `rows[0]`, in block number `block` of the workspace. Where most groups
/// differ, `dense` is what is fetched meanwhile.
#[inline(always)]
fn mark_block<S: Vectors, T: Label>(
    simd: S,
    rows: &[&[u8]],
    dense: Option<Ahead<'_>>,
    block: usize,
    workspace: &mut Workspace<T>,
) -> Result<()> {
    let Workspace { blocks, lines, changed, tiles } = workspace;
    let found = &mut blocks[block];
    tiles.resize(2, [[T::default(); BLOCK]; BLOCK]);
    let [tile, padded] = &mut tiles[..] else { return Ok(()) };
    let mut words = [0; BLOCK];
    let width = rows[0].len() / size_of::<T>();
    let groups = width / BLOCK;
    if let Some(mut ahead) = dense {
        touch(rows);
        for column in (0..groups * BLOCK).step_by(BLOCK) {
            let any = T::copy_columns(simd, rows, column, tile, &mut words);
            mark_group(tile, &words, column, any, &mut ahead, found, lines)?;
        }
    } else {
        sweep(simd, rows, groups * BLOCK * size_of::<T>(), changed)?;
        for (group, changed) in changed.chunks(size_of::<T>()).enumerate() {
            if changed.contains(&true) {
                let column = group * BLOCK;
                let any = T::copy_columns(simd, rows, column, tile, &mut words);
                mark_group(tile, &words, column, any, &mut Ahead::default(), found, lines)?;
            }
        }
    }
    // The columns that do not fill a group.
    let rest = width % BLOCK;
    if rest > 0 && width > BLOCK {
        // The last 64 once more, less those seen already.
        let column = width - BLOCK;
        let any = T::copy_columns(simd, rows, column, tile, &mut words) & (u64::MAX << (BLOCK - rest));
        mark_group(tile, &words, column, any, &mut Ahead::default(), found, lines)?;
    } else if rest > 0 {
        // Equal padding has no differences.
        let mut above = [T::default(); BLOCK];
        for (padded, row) in std::iter::once(&mut above).chain(padded.iter_mut()).zip(rows) {
            padded[..rest].copy_from_slice(bytemuck::cast_slice(row));
            padded[rest..].fill(T::default());
        }
        let padded: [&[u8]; BLOCK + 1] = std::array::from_fn(|i| match i {
            0 => bytemuck::cast_slice(&above),
            i => bytemuck::cast_slice(&padded[i - 1]),
        });
        let any = T::copy_columns(simd, &padded[..rows.len()], 0, tile, &mut words);
        mark_group(tile, &words, 0, any, &mut Ahead::default(), found, lines)?;
    }
    Ok(())
}

/// The events of a group, whose first column is `column`, in those of its columns that are bits of `any`; `words` are of
/// its columns.
#[inline(always)]
fn mark_group<T: Label>(
    tile: &Tile<T>,
    words: &Words,
    column: usize,
    mut any: u64,
    ahead: &mut Ahead<'_>,
    found: &mut Block<T>,
    lines: &mut Lines,
) -> Result<()> {
    if any == 0 {
        return Ok(());
    }
    found.reserve(lines.counts.len())?;
    let (counts, stretches) = (&mut lines.counts[column..], &mut lines.stretches[column..]);
    let Block { bit, counts: in_block, rows, labels, events, .. } = found;
    while any != 0 {
        let lane = any.trailing_zeros() as usize;
        any &= any - 1;
        // A block has as many cache lines for each of its columns as a label has bytes.
        ahead.fetch(size_of::<T>());
        let mut bits = words[lane % BLOCK];
        let count = bits.count_ones();
        in_block[column + lane] = count as u8;
        counts[lane] += count;
        stretches[lane] |= *bit;
        let mut at = *events;
        while bits != 0 {
            let (rows, labels) = (&mut rows[at..at + FEW], &mut labels[at..at + FEW]);
            for (to_row, to_label) in rows.iter_mut().zip(labels) {
                // Without bits left, row 0.
                let row = bits.trailing_zeros() as usize % BLOCK;
                *to_row = row as u8;
                *to_label = tile[row][lane % BLOCK];
                bits &= bits.wrapping_sub(1);
            }
            at += FEW;
        }
        *events += count as usize;
    }
    Ok(())
}

/// Appends the boundaries of a panel from the events of its blocks; `forced` are the labels at offset 0, if lines begin here.
/// `further` lines follow.
#[inline(always)]
fn order_by_line<T: Label>(
    forced: &[T],
    blocks: &mut [Block<T>],
    lines: &Lines,
    further: usize,
    found: &mut Boundaries<T>,
) -> Result<()> {
    let Boundaries { line_starts, offsets, labels } = found;
    let mut at = line_starts[line_starts.len() - 1] as usize;
    let end = at + lines.counts.iter().sum::<u32>() as usize;
    // As many as there will be if the lines that follow are like those before, and some more.
    let done = line_starts.len() - 1 + lines.counts.len();
    let expected = if further > 0 { end / done * (done + further + further / 8) } else { end };
    // Every entry but those beyond the end is written below.
    lengthen(offsets, end + FEW, expected, BOUNDARIES)?;
    lengthen(labels, end + FEW, expected, BOUNDARIES)?;
    blocks.iter_mut().for_each(|block| block.events = 0);
    for (column, &stretches) in lines.stretches.iter().enumerate() {
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
                let (count, first) = (usize::from(block.counts[column]), block.first);
                let mut copied = 0;
                // At least once: that a column has no events is rare, and costs more to foresee than to copy.
                loop {
                    let from = block.events + copied;
                    let to = at + copied;
                    let rows = &block.rows[from..from + FEW];
                    let few: [u32; FEW] = std::array::from_fn(|i| first + u32::from(rows[i]));
                    offsets[to..to + FEW].copy_from_slice(&few);
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
    }
    Ok(())
}

#[inline(always)]
fn along<S: Vectors, T: Label>(simd: S, strip: Strip<'_, T>, spare: Boundaries<T>) -> Result<Boundaries<T>> {
    let mut found = spare;
    found.clear();
    reserve(&mut found.line_starts, strip.lines() as usize + 1, BOUNDARIES)?;
    found.line_starts.push(0);
    for line in 0..strip.lines() {
        let pixels = strip.mask().column(line).unwrap_or_default();
        simd.vectorize(
            #[inline(always)]
            || one_line(simd, pixels, strip.above(), &mut found),
        )?;
        found.line_starts.push(found.offsets.len() as u32);
    }
    Ok(found)
}

/// The boundaries of one contiguous line; with `above`, its first pixel belongs to the strip before.
#[inline(always)]
fn one_line<S: Vectors, T: Label>(simd: S, pixels: &[T], above: bool, found: &mut Boundaries<T>) -> Result<()> {
    let Some((&label, here)) = pixels.split_first() else { return Ok(()) };
    let before = &pixels[..here.len()];
    found.make_room(1 + BLOCK)?;
    if !above {
        found.offsets.push(0);
        found.labels.push(label);
    }
    let first = u32::from(!above);
    let append = |found: &mut Boundaries<T>, at: usize, mut bits: u64| {
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
            found.make_room(span + BLOCK)?;
            for group in (at..at + span).step_by(BLOCK) {
                append(found, group, T::differences(simd, &here[group..group + BLOCK], &before[group..group + BLOCK]));
            }
        }
        at += span;
    }
    while at + BLOCK <= here.len() {
        found.make_room(2 * BLOCK)?;
        append(found, at, T::differences(simd, &here[at..at + BLOCK], &before[at..at + BLOCK]));
        at += BLOCK;
    }
    if at < here.len() && here.len() > BLOCK {
        // The last 64 once more, less those seen already.
        let last = here.len() - BLOCK;
        append(found, at, T::differences(simd, &here[last..], &before[last..]) >> (at - last));
    } else {
        (at..here.len()).for_each(|place| append(found, place, u64::from(here[place] != before[place])));
    }
    Ok(())
}
