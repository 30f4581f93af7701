//! A mask that is read strip by strip: the rows at hand, and the boundaries found so far.
//!
//! Gets rows of a source and their boundaries; gives views with the row above, and parts for compaction; guarantees that
//! one buffer of rows is all that is held of the mask itself.

use std::ops::Range;

use super::budget::Found;
use crate::boundary::{Boundaries, Part};
use crate::cut::Size;
use crate::error::Result;
use crate::mask::{Label, LabelMask};
use crate::memory::{Pool, zeroed};
use crate::shape::Shape;
use crate::source::{Repeat, Source};
use crate::strip::Layout;

/// The parts of a mask that is read piece by piece.
///
/// A strip takes four bytes for each of its lines, whatever it holds. So strips of few rows, and strips that hold less
/// than their lines take, are stacked to taller ones; those without a boundary are dropped. Memory stays in proportion to
/// the boundaries and the width of the mask, whatever its height.
pub(super) struct Stack<T> {
    layout: Layout,
    background: Option<T>,
    done: Vec<Part<T>>,
    /// Strips that become one, and their size together.
    waiting: Vec<Part<T>>,
    size: Size,
    /// What all strips so far hold, but for their bytes.
    found: Found,
}

fn size<T: Label>(part: &Part<T>, rows: u64) -> Size {
    let boundaries = &part.boundaries;
    Size::new(rows, boundaries.lines() as u64, boundaries.offsets.len() as u64, size_of::<T>() as u64)
}

impl<T: Label> Stack<T> {
    /// No strips yet. Boundaries of `background` begin no run.
    pub(super) fn new(layout: Layout, background: Option<T>) -> Self {
        let (done, waiting, found) = (Vec::new(), Vec::new(), Found::default());
        Self { layout, background, done, waiting, size: Size::default(), found }
    }

    /// Adds the parts of the rows up to row `end`.
    pub(super) fn push(&mut self, parts: Vec<Part<T>>, end: u32, spare: &Pool<Boundaries<T>>) -> Result<()> {
        parts.iter().for_each(|part| self.count(&part.boundaries.labels));
        if self.layout == Layout::Along {
            self.done.extend(parts);
            return Ok(());
        }
        let ends: Vec<u32> = parts.iter().skip(1).map(|part| part.first).chain([end]).collect();
        for (part, end) in parts.into_iter().zip(ends) {
            let size = size(&part, u64::from(end - part.first));
            if size.boundaries == 0 {
                spare.give(part.boundaries);
                self.size.rows += size.rows;
                continue;
            }
            if !self.size.with(size).is_one(size.fixed) {
                self.flush(spare)?;
            }
            self.waiting.push(part);
            self.size = self.size.with(size);
            if self.size.is_due() {
                self.stack(spare)?;
            }
        }
        Ok(())
    }

    /// Makes one of the strips that wait.
    fn stack(&mut self, spare: &Pool<Boundaries<T>>) -> Result<()> {
        if self.waiting.len() > 1 {
            let first = self.waiting[0].first;
            let strips = self.waiting.drain(..).map(|part| (part.first - first, part.boundaries)).collect();
            let part = Part { first, boundaries: one_below_the_other(strips, spare)? };
            self.size = size(&part, self.size.rows);
            self.waiting.push(part);
        }
        Ok(())
    }

    fn flush(&mut self, spare: &Pool<Boundaries<T>>) -> Result<()> {
        self.stack(spare)?;
        self.done.append(&mut self.waiting);
        self.size = Size::default();
        Ok(())
    }

    fn count(&mut self, labels: &[T]) {
        self.found.boundaries += labels.len() as u64;
        if let Some(background) = self.background {
            self.found.background += labels.iter().filter(|&&label| label == background).count() as u64;
        }
        let largest = labels.iter().copied().fold(T::default(), T::max);
        self.found.largest = self.found.largest.max(largest.into());
    }

    /// What was found so far.
    pub(super) fn found(&self) -> Found {
        let bytes = |part: &Part<T>| {
            let Boundaries { line_starts, offsets, labels } = &part.boundaries;
            let numbers = (line_starts.capacity() + offsets.capacity()) * size_of::<u32>();
            (size_of::<Part<T>>() + numbers + labels.capacity() * size_of::<T>()) as u64
        };
        Found { bytes: self.done.iter().chain(&self.waiting).map(bytes).sum(), ..self.found }
    }

    /// All strips, and what was found.
    pub(super) fn finish(mut self, spare: &Pool<Boundaries<T>>) -> Result<(Vec<Part<T>>, Found)> {
        self.flush(spare)?;
        let found = self.found();
        Ok((self.done, found))
    }
}

/// The boundaries of strips that hold a stretch of the same lines each; their memory is spare then.
pub(super) fn one_below_the_other<T: Label>(
    strips: Vec<(u32, Boundaries<T>)>,
    spare: &Pool<Boundaries<T>>,
) -> Result<Boundaries<T>> {
    let joined = Boundaries::one_below_the_other(&strips, spare.take())?;
    strips.into_iter().for_each(|(_, strip)| spare.give(strip));
    Ok(joined)
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
    pub(super) fn new(width: u32, sparse: bool) -> Result<Self> {
        let above = zeroed(u64::from(width), "rows of the mask")?;
        Ok(Self { pixels: above, width, rows: 0, repeats: Vec::new(), sparse })
    }

    /// The row above the rows that are read next.
    pub(super) fn above(&mut self) -> &mut [T] {
        &mut self.pixels[..self.width as usize]
    }

    pub(super) fn read(&mut self, source: &mut dyn Source, rows: u32) -> Result<()> {
        self.rows = rows;
        let width = self.width as usize;
        if self.pixels.len() < width * (rows as usize + 1) {
            let mut larger = zeroed((u64::from(rows) + 1) * width as u64, "rows of the mask")?;
            larger[..width].copy_from_slice(self.above());
            self.pixels = larger;
        }
        let pixels = &mut self.pixels[width..width * (rows as usize + 1)];
        let pixels = bytemuck::cast_slice_mut(pixels);
        self.repeats.clear();
        source.read(pixels, self.sparse.then_some(&mut self.repeats))
    }

    /// Keeps its last row as the row above the next ones.
    pub(super) fn keep_last_row(&mut self) {
        let width = self.width as usize;
        let last = width * self.rows as usize;
        self.pixels.copy_within(last..last + width, 0);
    }

    /// Some of the rows read, with the row above them.
    pub(super) fn view(&self, rows: Range<u32>, above: bool) -> Result<LabelMask<'_, T>> {
        let width = self.width as usize;
        let first = rows.start as usize + usize::from(!above);
        let shape = Shape { height: rows.end - rows.start + u32::from(above), width: self.width };
        LabelMask::new(&self.pixels[first * width..(rows.end as usize + 1) * width], shape)
    }
}
