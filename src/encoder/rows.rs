//! Encoding a source: some of its rows after the others, in bounded memory.
//!
//! Gets a source; has its blocks marked where they were decoded, or else its rows read into one buffer and marked there;
//! gives runs. No more rows are held than are read at once, and boundaries no more than the [`Budget`] allows.

use std::ops::{ControlFlow, Range};

use super::Encoder;
use super::blocks::Blocks;
use super::budget::{Budget, Found};
use super::spare::Typed;
use super::stream::{RowBuffer, Stack, one_below_the_other};
use crate::boundary::{Boundaries, MaskBoundaries, Part};
use crate::compaction::{Frame, compact};
use crate::cut::{self, crop};
use crate::error::{Error, Result};
use crate::marked::Marked;
use crate::mask::{LabelMask, any_label};
use crate::progress::Progress;
use crate::runs::LabelRuns;
use crate::shape::{ScanOrder, Shape};
use crate::source::Source;
use crate::strip::{Layout, Strip};

impl Encoder {
    /// The runs of every label of a source whose labels are of this type, in positions of `frame` where it is a block.
    pub(super) fn encode_rows<T: Typed>(
        &self,
        source: &mut dyn Source,
        frame: Option<Frame>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<LabelRuns> {
        let shape = source.shape();
        let (boundaries, budget, found) = self.mark_all_rows::<T>(source, frame.is_some(), progress)?;
        self.compact_within(boundaries, frame.unwrap_or(Frame::whole(shape)), budget, found)
    }

    /// A source whose labels are of this type, marked.
    pub(super) fn marked_rows<T: Typed>(
        &self,
        source: &mut dyn Source,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Marked> {
        let (boundaries, budget, found) = self.mark_all_rows::<T>(source, false, progress)?;
        let threads = budget.compaction_threads(found, self.threads())?;
        Ok(Marked { boundaries: any_label!(T, boundaries), background: self.background, order: self.order, threads })
    }

    /// The boundaries of a source, the budget of memory that they were found within, and what they hold.
    fn mark_all_rows<T: Typed>(
        &self,
        source: &mut dyn Source,
        is_block: bool,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(MaskBoundaries<T>, Budget, Found)> {
        let shape = source.shape();
        // Positions of one row or column are the same in both orders, unless it is a block.
        let order = if is_block { self.order } else { cut::simplest_order(self.order, shape) };
        let layout = match order {
            ScanOrder::ColumnMajor => Layout::Across,
            ScanOrder::RowMajor => Layout::Along,
        };
        let mut budget = Budget::new(self.memory, source.stored_bytes());
        if shape.pixels() == 0 {
            return Ok((MaskBoundaries { shape, order, layout, parts: Vec::new() }, budget, Found::default()));
        }
        let (label_bytes, width) = (size_of::<T>() as u64, u64::from(shape.width));
        let rows = budget.rows_at_once(width * label_bytes, source.band_rows(), shape.height);
        let marked_at_once = budget.rows_marked_at_once(shape.width, label_bytes);
        // Where the engine takes parts of a strip by themselves, blocks are marked where they were decoded, and of rows
        // those are left out that repeat the row above them.
        let sparse = layout == Layout::Across && self.opened.marker.takes_parts();
        let block_rows = if sparse { cut::block_rows(shape.width, source.band_rows(), shape.height, rows) } else { 0 };
        let mut fixed = cut::fixed_bytes(shape, order, label_bytes, if block_rows > 0 { 0 } else { rows });
        budget.check(fixed, "rows and lines of the mask")?;
        let mut buffer = RowBuffer::<T>::new(shape.width, sparse)?;
        let mut stack = Stack::new(layout, self.background.and_then(T::from_u64));
        let mut done = 0;
        while done < shape.height {
            let left = shape.height - done;
            let blocks = match block_rows {
                0 => None,
                most => {
                    let held = fixed + stack.found().bytes;
                    self.mark_blocks(source, most.min(left), buffer.above(), done, held)?
                }
            };
            if let Some((boundaries, rows)) = blocks {
                budget = Budget::new(self.memory, source.stored_bytes());
                stack.push(vec![Part { first: done, boundaries }], done + rows, T::spare(&self.spare))?;
                check(budget, fixed, stack.found())?;
                done += rows;
            } else {
                fixed = cut::fixed_bytes(shape, order, label_bytes, rows);
                budget.check(fixed, "rows and lines of the mask")?;
                self.install(|| buffer.read(source, rows.min(left)))?;
                // Of a stream, and of chunks, the source knows only those bytes that it has read.
                budget = Budget::new(self.memory, source.stored_bytes());
                for start in (0..buffer.rows).step_by(marked_at_once as usize) {
                    let rows = start..buffer.rows.min(start.saturating_add(marked_at_once));
                    let end = done + rows.end;
                    let parts = self.install(|| self.mark_rows(&buffer, rows, done, order, layout))?;
                    stack.push(parts, end, T::spare(&self.spare))?;
                    check(budget, fixed, stack.found())?;
                }
                done += buffer.rows;
                buffer.keep_last_row();
            }
            let bytes = |rows: u32| u64::from(rows).saturating_mul(width * label_bytes);
            Progress { done: bytes(done), total: bytes(shape.height) }.tell(progress)?;
        }
        drop(buffer);
        if budget.is_tight() {
            self.forget();
        }
        let (parts, found) = stack.finish(T::spare(&self.spare))?;
        Ok((MaskBoundaries { shape, order, layout, parts }, budget, found))
    }

    /// Marks some of the next rows of a source, `rows` at most, block by block: gives the boundaries of all of them, as one
    /// strip, and their number, or `None` where the source has no blocks. `above` has the labels of the row above row `first`
    /// of the mask, and then those of the last row; `held` bytes are taken already.
    fn mark_blocks<T: Typed>(
        &self,
        source: &mut dyn Source,
        rows: u32,
        above: &mut [T],
        first: u32,
        held: u64,
    ) -> Result<Option<(Boundaries<T>, u32)>> {
        let width = source.shape().width;
        // Those of the blocks, and of all of them together.
        let needed = |blocks: u64| held + 2 * blocks;
        let blocks = Blocks::new();
        self.install(|| {
            let count = source.read_blocks(rows, &|block| {
                let budget = Budget::new(self.memory, block.stored_bytes);
                blocks.add(&block, |bytes| budget.allows(needed(bytes)), |mask| self.mark_block(mask, budget))
            })?;
            match count {
                0 => return Ok(None),
                count if count > rows => {
                    return Err(Error::Argument(format!(
                        "{count} rows in blocks of a source, where {rows} were asked for"
                    )));
                }
                _ => {}
            }
            let budget = Budget::new(self.memory, source.stored_bytes());
            budget.check(needed(blocks.bytes()), "boundaries and runs of the mask")?;
            let shape = Shape { height: count, width };
            Ok(Some((blocks.join(shape, above, first > 0, T::spare(&self.spare))?, count)))
        })
    }

    /// Marks a block as a mask of its own, in strips.
    fn mark_block<T: Typed>(&self, mask: LabelMask<'_, T>, budget: Budget) -> Result<Boundaries<T>> {
        let Shape { height, width } = mask.shape();
        let threads = rayon::current_num_threads() as u32;
        let most = budget.rows_marked_at_once(width.saturating_mul(threads), size_of::<T>() as u64);
        let step = self.strip_rows_for(T::DTYPE, Layout::Across, height, width)?.min(most);
        let mut strips = Vec::new();
        for start in (0..height).step_by(step as usize) {
            let above = u32::from(start > 0);
            let rows = step.min(height - start);
            let strip = Strip::new(mask.rows(start - above, rows + above), above > 0)?;
            strips.push((start, self.mark_strip(strip, Layout::Across)?));
        }
        match strips.pop() {
            Some((0, strip)) => Ok(strip),
            last => {
                strips.extend(last);
                one_below_the_other(strips, T::spare(&self.spare))
            }
        }
    }

    /// The runs of boundaries, in the order of this encoder and within a budget.
    fn compact_within<T: Typed>(
        &self,
        boundaries: MaskBoundaries<T>,
        frame: Frame,
        budget: Budget,
        found: Found,
    ) -> Result<LabelRuns> {
        let threads = budget.compaction_threads(found, self.threads())?;
        let mut runs =
            self.install(|| compact(&boundaries, frame, self.background, threads, self.spare.runs.take()))?;
        // That of a mask of one row or column may be the other one.
        runs.order = self.order;
        self.recycle_parts(boundaries);
        if budget.is_tight() {
            self.forget();
        }
        Ok(runs)
    }

    /// Marks some of the rows in the buffer, of which the first is row `first` of the mask.
    fn mark_rows<T: Typed>(
        &self,
        buffer: &RowBuffer<T>,
        rows: Range<u32>,
        first: u32,
        order: ScanOrder,
        layout: Layout,
    ) -> Result<Vec<Part<T>>> {
        let first = first + rows.start;
        // Lines along the rows need no row above: each is whole.
        let above = layout == Layout::Across && first > 0;
        let repeats = crop(&buffer.repeats, rows.clone());
        let view = buffer.view(rows, above)?.in_order(order);
        self.mark_view(view, above, first, layout, &repeats)
    }
}

/// An error when what was found, and the runs that can come of it, take more than is allowed beside `fixed` bytes.
fn check(budget: Budget, fixed: u64, found: Found) -> Result<()> {
    budget.check(fixed + found.bytes + 16 * found.runs(), "boundaries and runs of the mask")
}
