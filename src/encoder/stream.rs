//! A mask that is read strip by strip: the rows at hand, and the boundaries found so far.
//!
//! Gets rows of a source and their boundaries; gives views with the row above, and parts for compaction; guarantees that
//! one buffer of rows is all that is held of the mask itself.

use crate::boundary::{Boundaries, Part};
use crate::error::Result;
use crate::mask::{Label, LabelMask};
use crate::memory::{Pool, zeroed};
use crate::shape::Shape;
use crate::source::{Repeat, Source};
use crate::strip::Cut;

/// Rows of a strip that is tall enough to stay as it is, unless it holds next to nothing.
const TALL: u64 = 1024;
/// Bytes of boundaries that are copied together at once.
const STACK_BYTES: u64 = 32 << 20;
/// Bytes that a strip takes in memory besides its lines and boundaries.
const STRIP_BYTES: u64 = 128;

/// The parts of a mask that is read piece by piece.
///
/// A strip takes four bytes for each of its lines, whatever it holds. So strips of few rows, and strips that hold less
/// than their lines take, are stacked to taller ones; those without a boundary are dropped. Memory stays in proportion to
/// the boundaries and the width of the mask, whatever its height.
pub(super) struct Stack<T> {
    cut: Cut,
    done: Vec<Part<T>>,
    /// Strips that become one, and their size together.
    waiting: Vec<Part<T>>,
    size: Size,
}

/// How large strips are, one or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    rows: u64,
    /// Bytes that they take even if they hold nothing.
    fixed: u64,
    /// Their boundaries, and the bytes of these.
    boundaries: u64,
    bytes: u64,
}

impl Size {
    fn of<T: Label>(part: &Part<T>, rows: u64) -> Self {
        let boundaries = part.boundaries.offsets.len() as u64;
        Self {
            rows,
            fixed: STRIP_BYTES + part.boundaries.line_starts.len() as u64 * 4,
            boundaries,
            bytes: boundaries * (4 + size_of::<T>() as u64),
        }
    }

    fn with(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            fixed: self.fixed + other.fixed,
            boundaries: self.boundaries + other.boundaries,
            bytes: self.bytes + other.bytes,
        }
    }

    /// Whether strips of this size together are better one, of which each takes `fixed` bytes.
    fn is_one(self, fixed: u64) -> bool {
        let low = self.rows <= TALL && self.bytes <= STACK_BYTES;
        let empty = self.bytes <= 4 * fixed;
        self.boundaries < u64::from(u32::MAX) && (low || empty)
    }
}

impl<T: Label> Stack<T> {
    pub(super) fn new(cut: Cut) -> Self {
        Self { cut, done: Vec::new(), waiting: Vec::new(), size: Size::default() }
    }

    /// Adds the parts of the rows up to row `end`.
    pub(super) fn push(&mut self, parts: Vec<Part<T>>, end: u32, spare: &Pool<Boundaries<T>>) {
        if self.cut == Cut::BetweenLines {
            self.done.extend(parts);
            return;
        }
        let ends: Vec<u32> = parts.iter().skip(1).map(|part| part.first).chain([end]).collect();
        for (part, end) in parts.into_iter().zip(ends) {
            let size = Size::of(&part, u64::from(end - part.first));
            if size.boundaries == 0 {
                spare.give(part.boundaries);
                self.size.rows += size.rows;
                continue;
            }
            if !self.size.with(size).is_one(size.fixed) {
                self.flush(spare);
            }
            self.waiting.push(part);
            self.size = self.size.with(size);
            if self.size.fixed > STACK_BYTES {
                self.stack(spare);
            }
        }
    }

    /// Makes one of the strips that wait.
    fn stack(&mut self, spare: &Pool<Boundaries<T>>) {
        if self.waiting.len() > 1 {
            let first = self.waiting[0].first;
            let strips = self.waiting.drain(..).map(|part| (part.first - first, part.boundaries)).collect();
            let part = Part { first, boundaries: one_below_the_other(strips, spare) };
            self.size = Size::of(&part, self.size.rows);
            self.waiting.push(part);
        }
    }

    fn flush(&mut self, spare: &Pool<Boundaries<T>>) {
        self.stack(spare);
        self.done.append(&mut self.waiting);
        self.size = Size::default();
    }

    /// All parts so far.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part<T>> {
        self.done.iter().chain(&self.waiting)
    }

    pub(super) fn finish(mut self, spare: &Pool<Boundaries<T>>) -> Vec<Part<T>> {
        self.flush(spare);
        self.done
    }
}

/// The boundaries of strips that hold a stretch of the same lines each; their memory is spare then.
pub(super) fn one_below_the_other<T: Label>(
    strips: Vec<(u32, Boundaries<T>)>,
    spare: &Pool<Boundaries<T>>,
) -> Boundaries<T> {
    let joined = Boundaries::one_below_the_other(&strips, spare.take());
    strips.into_iter().for_each(|(_, strip)| spare.give(strip));
    joined
}

/// Rows read from a source, after one row kept from before.
pub(super) struct RowBuffer<T> {
    pixels: Vec<T>,
    width: u32,
    pub(super) rows: u32,
    /// Where the rows only repeat what is above them, and need not have been written.
    pub(super) repeats: Vec<Repeat>,
    /// Whether the source may leave such rows out.
    sparse: bool,
}

impl<T: Label> RowBuffer<T> {
    pub(super) fn new(width: u32, rows: u32, sparse: bool) -> Result<Self> {
        let pixels = (u64::from(rows) + 1) * u64::from(width);
        Ok(Self { pixels: zeroed(pixels, "rows of the mask")?, width, rows: 0, repeats: Vec::new(), sparse })
    }

    pub(super) fn read(&mut self, source: &mut dyn Source, rows: u32) -> Result<()> {
        self.rows = rows;
        let width = self.width as usize;
        let pixels = &mut self.pixels[width..width * (rows as usize + 1)];
        let pixels = bytemuck::cast_slice_mut(pixels);
        self.repeats.clear();
        source.read(pixels, self.sparse.then_some(&mut self.repeats))
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.pixels.len() * size_of::<T>()) as u64
    }

    /// Keeps its last row as the row above the next ones.
    pub(super) fn keep_last_row(&mut self) {
        let width = self.width as usize;
        let last = width * self.rows as usize;
        self.pixels.copy_within(last..last + width, 0);
    }

    pub(super) fn view(&self, above: bool) -> Result<LabelMask<'_, T>> {
        let width = self.width as usize;
        let first = if above { 0 } else { width };
        let shape = Shape { height: self.rows + u32::from(above), width: self.width };
        LabelMask::new(&self.pixels[first..width * (self.rows as usize + 1)], shape)
    }
}
