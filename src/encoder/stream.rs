//! A mask that is read strip by strip: the rows at hand, and the boundaries found so far.
//!
//! Gets rows of a source and their boundaries; gives views with the row above, and parts for compaction; guarantees that
//! one buffer of rows is all that is held of the mask itself.

use super::zeroed;
use crate::boundary::Boundaries;
use crate::compaction::Part;
use crate::error::Result;
use crate::mask::{Label, LabelMask};
use crate::shape::Shape;
use crate::source::{Repeat, Source};
use crate::spare::Spare;
use crate::strip::Cut;

/// The parts of a mask that is read piece by piece. Strips of few rows are stacked to taller ones, because every strip
/// costs a start for each of its lines.
pub(super) struct Stack<T> {
    pub(super) cut: Cut,
    /// Rows that make a strip tall enough, and few enough that its boundaries are counted in 32 bits.
    pub(super) tallest: u32,
    pub(super) done: Vec<Part<T>>,
    pub(super) waiting: Vec<Part<T>>,
    /// Rows of the waiting parts.
    pub(super) rows: u32,
}

impl<T: Label> Stack<T> {
    pub(super) fn push(&mut self, parts: Vec<Part<T>>, rows: u32, spare: &Spare) {
        if self.rows.saturating_add(rows) > self.tallest {
            self.stack(spare);
        }
        self.waiting.extend(parts);
        self.rows += rows;
        if self.rows >= self.tallest || self.cut == Cut::BetweenLines {
            self.stack(spare);
        }
    }

    fn stack(&mut self, spare: &Spare) {
        let waiting = std::mem::take(&mut self.waiting);
        let rows = std::mem::take(&mut self.rows);
        if self.cut == Cut::BetweenLines || waiting.len() < 2 || rows > self.tallest {
            self.done.extend(waiting);
        } else {
            let first = waiting[0].first;
            let strips = waiting.into_iter().map(|part| (part.first - first, part.boundaries)).collect();
            self.done.push(Part { first, boundaries: one_below_the_other(strips, spare) });
        }
    }

    pub(super) fn finish(mut self, spare: &Spare) -> Vec<Part<T>> {
        self.stack(spare);
        self.done
    }
}

/// The boundaries of strips that hold a stretch of the same lines each; their memory is spare then.
pub(super) fn one_below_the_other<T: Label>(strips: Vec<(u32, Boundaries<T>)>, spare: &Spare) -> Boundaries<T> {
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
        Ok(Self { pixels: zeroed(pixels)?, width, rows: 0, repeats: Vec::new(), sparse })
    }

    pub(super) fn read(&mut self, source: &mut dyn Source, rows: u32) -> Result<()> {
        self.rows = rows;
        let width = self.width as usize;
        let pixels = &mut self.pixels[width..width * (rows as usize + 1)];
        let pixels = bytemuck::cast_slice_mut(pixels);
        match self.sparse {
            true => source.read_rows_sparse(pixels, &mut self.repeats),
            false => source.read_rows(pixels),
        }
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
