//! The encoder: a mask or a source to the runs of every label.
//!
//! Gets a [`LabelMask`] in any layout or a [`Source`]; cuts it into strips, has an engine mark them on all threads and
//! compaction join them; gives [`LabelRuns`]; guarantees the same bytes for every engine, level, number of threads and
//! strip height.

mod blocks;
mod budget;
mod builder;
mod rows;
mod spare;
mod stream;

use std::fmt;
use std::ops::ControlFlow;

pub use self::builder::EncoderBuilder;
use self::spare::{Spare, Typed};
use self::stream::one_below_the_other;
use crate::boundary::{AnyMaskBoundaries, Boundaries, MaskBoundaries, Part};
use crate::compaction::{Frame, compact};
use crate::cut::{self, Panel, crop, layout_of, panels};
use crate::engine::{EngineInfo, Opened};
use crate::error::Result;
use crate::marked::Marked;
use crate::mask::{AnyLabel, AnyMask, Dtype, Label, LabelMask, any_label, each_label};
use crate::memory::reserve;
use crate::progress::{Progress, unwatched};
use crate::runs::{ComponentOptions, Components, LabelRuns, Window};
use crate::shape::{ScanOrder, Shape};
use crate::source::{Repeat, Source};
use crate::strip::{Layout, Strip};
use crate::threads;

/// Pixels of a mask in memory, at least, between two looks at whether to stop.
const STOP_PIXELS: u64 = 1 << 27;

/// The runs of every label but 0, column-major, by the fastest engine.
///
/// ```
/// use runmask::{LabelMask, Run, Shape};
/// let pixels = [0u16, 7, 7, 0, 7, 0];
/// let mask = LabelMask::new(&pixels, Shape { height: 2, width: 3 })?;
/// let runs = runmask::encode(&mask)?;
/// assert_eq!(runs.labels(), [7]);
/// assert_eq!(runs.get(7), Some(&[Run { start: 2, length: 3 }][..]));
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn encode<T: Label>(mask: &LabelMask<'_, T>) -> Result<LabelRuns> {
    Encoder::builder().build()?.encode(mask)
}

/// Turns masks into runs; opened once, for many masks.
///
/// ```
/// use runmask::{Encoder, LabelMask, Shape};
/// let encoder = Encoder::builder().build()?;
/// for pixels in [[0u32, 5, 5, 0], [7, 7, 7, 7]] {
///     let runs = encoder.encode(&LabelMask::new(&pixels, Shape { height: 2, width: 2 })?)?;
///     println!("{} runs of {} labels", runs.run_count(), runs.labels().len());
///     // The memory of these runs is that of the next ones.
///     encoder.recycle(runs);
/// }
/// # Ok::<(), runmask::Error>(())
/// ```
pub struct Encoder {
    opened: Opened,
    pool: Option<rayon::ThreadPool>,
    order: ScanOrder,
    background: Option<u64>,
    strip_rows: Option<u32>,
    memory: Option<u64>,
    spare: Spare,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("engine", &self.engine_info())
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// Starts choosing.
    pub fn builder() -> EncoderBuilder {
        EncoderBuilder::default()
    }

    /// Which engine works, and on what.
    pub fn engine_info(&self) -> EngineInfo {
        self.opened.info()
    }

    /// Number of threads at work.
    pub fn threads(&self) -> usize {
        self.install(rayon::current_num_threads)
    }

    /// The runs of every label of a mask in memory.
    pub fn encode<T: Label>(&self, mask: &LabelMask<'_, T>) -> Result<LabelRuns> {
        self.encode_with(mask, &mut unwatched)
    }

    /// [`Encoder::encode`], which tells `progress` from time to time how many bytes of pixels are marked, and ends with
    /// [`Error::Stopped`](crate::Error::Stopped) when that answers [`ControlFlow::Break`].
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use runmask::{Encoder, Error, LabelMask, Shape};
    /// let pixels = vec![1u8; 64 * 64];
    /// let mask = LabelMask::new(&pixels, Shape { height: 64, width: 64 })?;
    /// let stopped = Encoder::builder().build()?.encode_with(&mask, &mut |_| ControlFlow::Break(()));
    /// assert!(matches!(stopped, Err(Error::Stopped)));
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn encode_with<T: Label>(
        &self,
        mask: &LabelMask<'_, T>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<LabelRuns> {
        self.encode_any(Frame::whole(mask.shape()), any_label!(T, mask), progress)
    }

    /// The runs of a mask in memory, in positions of its frame.
    fn encode_any(
        &self,
        frame: Frame,
        mask: AnyMask<'_>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<LabelRuns> {
        each_label!(mask, mask => {
            let boundaries = self.mark_typed(mask, progress)?;
            let runs = self.compact_in(frame, &boundaries)?;
            self.recycle_parts(boundaries);
            Ok(runs)
        })
    }

    /// The runs of a block of a mask, in positions of the whole mask: the block's first pixel is at row `origin.0` and
    /// column `origin.1` of a mask of `shape`. [`LabelRuns::merge`] puts blocks together.
    ///
    /// # Errors
    /// Those of [`Encoder::encode`], and [`Error::Argument`](crate::Error::Argument) when the block reaches
    /// outside the mask.
    ///
    /// ```
    /// use runmask::{Encoder, LabelMask, LabelRuns, Run, Shape};
    /// let encoder = Encoder::builder().build()?;
    /// let (block, whole) = (Shape { height: 2, width: 2 }, Shape { height: 2, width: 4 });
    /// let left = encoder.encode_block(&LabelMask::new(&[0u16, 3, 0, 3], block)?, (0, 0), whole)?;
    /// let right = encoder.encode_block(&LabelMask::new(&[3u16, 0, 0, 0], block)?, (0, 2), whole)?;
    /// let merged = LabelRuns::merge(&[left, right])?;
    /// // The last column of one block and the first of the other touch in scan order.
    /// assert_eq!(merged.get(3), Some(&[Run { start: 2, length: 3 }][..]));
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn encode_block<T: Label>(
        &self,
        block: &LabelMask<'_, T>,
        origin: (u32, u32),
        shape: Shape,
    ) -> Result<LabelRuns> {
        let frame = frame(block.shape(), origin, shape)?;
        self.encode_any(frame, any_label!(T, block), &mut unwatched)
    }

    /// The boundaries of a mask in memory: the first of the two stages of [`Encoder::encode`].
    pub fn boundaries<T: Label>(&self, mask: &LabelMask<'_, T>) -> Result<MaskBoundaries<T>> {
        let boundaries = self.mark_any(any_label!(T, mask), &mut unwatched)?;
        Ok(each_label!(boundaries, boundaries => boundaries.same()))
    }

    /// A mask in memory with its runs in scan order, not grouped by label: for operations that need no more. Where the order
    /// of the runs does not matter, [`LabelMask::memory_order`] is the fastest.
    ///
    /// ```
    /// use runmask::{ComponentOptions, Encoder, LabelMask, Shape};
    /// let mask = LabelMask::new(&[1u8, 0, 1, 1], Shape { height: 1, width: 4 })?;
    /// let encoder = Encoder::builder().build()?;
    /// let marked = encoder.mark(&mask)?;
    /// assert_eq!(marked.components(&ComponentOptions::new().foreground(true))?.sources().len(), 2);
    /// // The memory of these boundaries is that of the next ones.
    /// encoder.recycle_marked(marked);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn mark<T: Label>(&self, mask: &LabelMask<'_, T>) -> Result<Marked> {
        self.mark_with(mask, &mut unwatched)
    }

    /// [`Encoder::mark`] with the progress of [`Encoder::encode_with`].
    pub fn mark_with<T: Label>(
        &self,
        mask: &LabelMask<'_, T>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Marked> {
        let boundaries = self.mark_any(any_label!(T, mask), progress)?;
        Ok(Marked { boundaries, background: self.background, order: self.order, threads: usize::MAX })
    }

    /// [`Marked::components`] on the threads of this encoder, and of a foreground in memory that it keeps, with that of runs
    /// that were given back ([`Encoder::recycle`]).
    ///
    /// # Errors
    /// Those of [`Marked::components`].
    pub fn components(&self, marked: &Marked, options: &ComponentOptions) -> Result<Components> {
        self.install(|| {
            let mut room = self.spare.components.take();
            let found = marked.components_in(options, self.spare.runs.take(), &mut room);
            self.spare.components.give(room);
            found
        })
    }

    /// Gives the memory of a marked mask to the masks that follow.
    pub fn recycle_marked(&self, marked: Marked) {
        self.recycle_any(marked.boundaries);
    }

    fn mark_any(
        &self,
        mask: AnyMask<'_>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<AnyMaskBoundaries> {
        Ok(match mask {
            AnyLabel::U8(mask) => AnyLabel::U8(self.mark_typed(mask, progress)?),
            AnyLabel::U16(mask) => AnyLabel::U16(self.mark_typed(mask, progress)?),
            AnyLabel::U32(mask) => AnyLabel::U32(self.mark_typed(mask, progress)?),
            AnyLabel::U64(mask) => AnyLabel::U64(self.mark_typed(mask, progress)?),
        })
    }

    fn mark_typed<T: Typed>(
        &self,
        mask: LabelMask<'_, T>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<MaskBoundaries<T>> {
        let view = mask.in_order(self.order);
        let layout = layout_of(view.shape(), view.row_stride(), view.column_stride());
        let (count, row_pixels) = match layout {
            Layout::Across => (view.shape().height, view.shape().width),
            Layout::Along => (view.shape().width, view.shape().height),
        };
        // Between two looks at whether to stop there is enough work for all threads to share it evenly.
        let strip = self.strip_rows_for(T::DTYPE, layout, count, row_pixels)?;
        let strips = (8 * self.threads() as u64).max(STOP_PIXELS / u64::from(row_pixels.max(1)) / u64::from(strip));
        let step = strips.saturating_mul(u64::from(strip)).clamp(1, u64::from(u32::MAX)) as u32;
        let (mut parts, mut done) = (Vec::new(), 0);
        while done < count {
            let rows = step.min(count - done);
            let above = layout == Layout::Across && done > 0;
            let part = match layout {
                Layout::Across => view.rows(done - u32::from(above), rows + u32::from(above)),
                Layout::Along => view.columns(done, rows),
            };
            parts.extend(self.install(|| self.mark_view(part, above, done, layout, &[]))?);
            done += rows;
            let bytes = |rows: u32| u64::from(rows) * u64::from(row_pixels) * T::DTYPE.bytes() as u64;
            Progress { done: bytes(done), total: bytes(count) }.tell(progress)?;
        }
        Ok(MaskBoundaries { shape: mask.shape(), order: self.order, layout, parts })
    }

    /// The runs of marked boundaries: the second of the two stages of [`Encoder::encode`].
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) when there is no room for the runs.
    pub fn compact<T: Label>(&self, boundaries: &MaskBoundaries<T>) -> Result<LabelRuns> {
        self.compact_in(Frame::whole(boundaries.shape()), boundaries)
    }

    fn compact_in<T: Label>(&self, frame: Frame, boundaries: &MaskBoundaries<T>) -> Result<LabelRuns> {
        self.install(|| {
            compact(boundaries, frame, self.background, rayon::current_num_threads(), self.spare.runs.take())
        })
    }

    /// Gives the memory of runs that are needed no more to the masks that follow.
    ///
    /// An encoder keeps the memory in which it marks from mask to mask; with this, also that of the runs. It pays for
    /// many masks with many runs, where touching fresh memory takes as long as finding the runs.
    pub fn recycle(&self, runs: LabelRuns) {
        self.spare.runs.give(runs.runs);
    }

    /// The same with the memory of boundaries.
    pub fn recycle_boundaries<T: Label>(&self, boundaries: MaskBoundaries<T>) {
        self.recycle_any(any_label!(T, boundaries));
    }

    fn recycle_any(&self, boundaries: AnyMaskBoundaries) {
        each_label!(boundaries, boundaries => self.recycle_parts(boundaries));
    }

    fn recycle_parts<T: Typed>(&self, boundaries: MaskBoundaries<T>) {
        boundaries.parts.into_iter().for_each(|part| T::spare(&self.spare).give(part.boundaries));
    }

    /// The runs of every label of a source, which is read strip by strip in bounded memory.
    ///
    /// ```no_run
    /// use runmask::source::{self, OpenOptions};
    /// let mut slide = source::open("slide.tif".as_ref(), &OpenOptions::default())?;
    /// let runs = runmask::Encoder::builder().build()?.encode_source(&mut *slide)?;
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn encode_source(&self, source: &mut dyn Source) -> Result<LabelRuns> {
        self.encode_source_with(source, &mut unwatched)
    }

    /// [`Encoder::encode_source`], which tells `progress` from time to time how many bytes of pixels are done, and ends
    /// with [`Error::Stopped`](crate::Error::Stopped) when that answers [`ControlFlow::Break`].
    ///
    /// ```
    /// use std::ops::{ControlFlow, Range};
    /// use runmask::source::synth::{Kind, Synth};
    /// use runmask::{Dtype, Encoder, Shape};
    /// let mut slide = Synth::new(Kind::Cells, Shape { height: 300, width: 500 }, Dtype::U16, None, 1)?;
    /// let runs = Encoder::builder().build()?.encode_source_with(&mut slide, &mut |progress| {
    ///     eprintln!("{} of {} bytes", progress.done, progress.total);
    ///     ControlFlow::Continue(())
    /// })?;
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn encode_source_with(
        &self,
        source: &mut dyn Source,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<LabelRuns> {
        self.encode_any_rows(source, None, progress)
    }

    /// [`Encoder::encode_block`] for a source, which is read strip by strip: `source` is the block, its first pixel is at row
    /// `origin.0` and column `origin.1` of a mask of `shape`. `progress` is that of [`Encoder::encode_source_with`].
    ///
    /// # Errors
    /// Those of [`Encoder::encode_source`], and [`Error::Argument`](crate::Error::Argument) when the block reaches
    /// outside the mask.
    ///
    /// ```no_run
    /// use std::ops::ControlFlow;
    /// use runmask::source::{self, OpenOptions};
    /// let (path, encoder) = ("slide.tif".as_ref(), runmask::Encoder::builder().build()?);
    /// let shape = source::open(path, &OpenOptions::default())?.shape();
    /// let mut rows = source::open(path, &OpenOptions::new().rows(Some(4096..8192)))?;
    /// let runs = encoder.encode_source_block(&mut *rows, (4096, 0), shape, &mut |_| ControlFlow::Continue(()))?;
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn encode_source_block(
        &self,
        source: &mut dyn Source,
        origin: (u32, u32),
        shape: Shape,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<LabelRuns> {
        let frame = frame(source.shape(), origin, shape)?;
        self.encode_any_rows(source, Some(frame), progress)
    }

    /// [`Encoder::mark`] of a source, which is read strip by strip in bounded memory, with the progress of
    /// [`Encoder::encode_source_with`].
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use runmask::source::synth::{Kind, Synth};
    /// use runmask::{Dtype, Encoder, MeasureOptions, Shape};
    /// let mut slide = Synth::new(Kind::Cells, Shape { height: 300, width: 500 }, Dtype::U16, Some(20), 1)?;
    /// let marked = Encoder::builder().build()?.mark_source_with(&mut slide, &mut |_| ControlFlow::Continue(()))?;
    /// assert_eq!(marked.measure(&MeasureOptions::new())?, marked.runs()?.measure(&MeasureOptions::new())?);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn mark_source_with(
        &self,
        source: &mut dyn Source,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Marked> {
        match source.dtype() {
            Dtype::U8 => self.marked_rows::<u8>(source, progress),
            Dtype::U16 => self.marked_rows::<u16>(source, progress),
            Dtype::U32 => self.marked_rows::<u32>(source, progress),
            Dtype::U64 => self.marked_rows::<u64>(source, progress),
        }
    }

    fn encode_any_rows(
        &self,
        source: &mut dyn Source,
        frame: Option<Frame>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<LabelRuns> {
        match source.dtype() {
            Dtype::U8 => self.encode_rows::<u8>(source, frame, progress),
            Dtype::U16 => self.encode_rows::<u16>(source, frame, progress),
            Dtype::U32 => self.encode_rows::<u32>(source, frame, progress),
            Dtype::U64 => self.encode_rows::<u64>(source, frame, progress),
        }
    }

    /// Gives back all memory that is kept for the masks that follow.
    fn forget(&self) {
        self.spare.clear();
        self.opened.marker.forget();
    }

    /// Marks a view whose columns are scan lines; its first pixel or line is number `first` of the mask. `repeats` count
    /// from the row below the halo.
    fn mark_view<T: Typed>(
        &self,
        view: LabelMask<'_, T>,
        above: bool,
        first: u32,
        layout: Layout,
        repeats: &[Repeat],
    ) -> Result<Vec<Part<T>>> {
        let halo = u32::from(above);
        let (count, row_pixels) = match layout {
            Layout::Across => (view.shape().height - halo, view.shape().width),
            Layout::Along => (view.shape().width, view.shape().height),
        };
        if view.shape().pixels() == 0 {
            return Ok(Vec::new());
        }
        let step = self.strip_rows_for(T::DTYPE, layout, count, row_pixels)?;
        let starts: Vec<u32> = (0..count).step_by(step as usize).collect();
        let mark = |number: usize| -> Result<Part<T>> {
            let start = starts[number];
            let rows = step.min(count - start);
            let boundaries = match layout {
                Layout::Across => {
                    let above = above || start > 0;
                    let view = view.rows(start + halo - u32::from(above), rows + u32::from(above));
                    self.mark_across(view, above, starts.len(), &crop(repeats, start..start + rows))?
                }
                Layout::Along => self.mark_strip(Strip::new(view.columns(start, rows), false)?, layout)?,
            };
            Ok(Part { first: first + start, boundaries })
        };
        threads::try_map(|count, work| self.opened.marker.each(count, work), starts.len(), mark)
    }

    /// Marks a strip whose lines run across the rows of memory: in panels side by side, where something repeats, or
    /// where there are fewer `strips` than threads.
    fn mark_across<T: Typed>(
        &self,
        view: LabelMask<'_, T>,
        above: bool,
        strips: usize,
        repeats: &[Repeat],
    ) -> Result<Boundaries<T>> {
        let width = view.shape().width;
        let threads = rayon::current_num_threads();
        let most = match self.opened.marker.takes_parts() {
            true => cut::panel_columns(width, strips, threads),
            false => width,
        };
        let panels = panels(width, most, repeats);
        if let [panel] = &panels[..] {
            return self.mark_panel(view, above, panel);
        }
        let marked =
            threads::try_map(threads::each, panels.len(), |panel| self.mark_panel(view, above, &panels[panel]))?;
        let spare = T::spare(&self.spare);
        let joined = Boundaries::side_by_side(&marked, spare.take())?;
        marked.into_iter().for_each(|panel| spare.give(panel));
        Ok(joined)
    }

    /// Marks some columns of a strip, less the rows that repeat what is above them.
    fn mark_panel<T: Typed>(&self, view: LabelMask<'_, T>, above: bool, panel: &Panel) -> Result<Boundaries<T>> {
        let halo = u32::from(above);
        let rows = view.shape().height - halo;
        let view = view.columns(panel.columns.start, panel.columns.end - panel.columns.start);
        let mut strips = Vec::new();
        let mut next = 0;
        for repeat in panel.repeats.iter().chain(std::iter::once(&(rows..rows))) {
            if next < repeat.start {
                let above = above || next > 0;
                let view = view.rows(next + halo - u32::from(above), repeat.start - next + u32::from(above));
                strips.push((next, self.mark_strip(Strip::new(view, above)?, Layout::Across)?));
            }
            next = repeat.end;
        }
        match strips.pop() {
            Some((0, strip)) if strips.is_empty() => Ok(strip),
            Some(last) => {
                strips.push(last);
                one_below_the_other(strips, T::spare(&self.spare))
            }
            None => Boundaries::none(view.shape().width),
        }
    }

    fn mark_strip<T: Typed>(&self, strip: Strip<'_, T>, layout: Layout) -> Result<Boundaries<T>> {
        let mask = strip.mask();
        let contiguous = match layout {
            Layout::Across => mask.shape().height == 0 || mask.row(0).is_some(),
            Layout::Along => mask.shape().width == 0 || mask.column(0).is_some(),
        };
        let marker = &*self.opened.marker;
        let mark = |strip: Strip<'_, T>| T::marks(marker).mark(strip, T::spare(&self.spare).take());
        if contiguous || marker.takes_gaps() {
            return mark(strip);
        }
        // A view with gaps between neighbouring pixels: its strip is copied together.
        let shape = mask.shape();
        let mut pixels = Vec::new();
        let count = usize::try_from(shape.pixels()).unwrap_or(usize::MAX);
        reserve(&mut pixels, count, "a strip without gaps between its pixels")?;
        for row in 0..shape.height {
            pixels.extend((0..shape.width).map(|column| mask.at(row, column)));
        }
        mark(Strip::new(LabelMask::new(&pixels, shape)?, strip.above())?)
    }

    /// Rows of memory in a strip of a mask that has `count` of them, `row_pixels` long.
    fn strip_rows_for(&self, dtype: Dtype, layout: Layout, count: u32, row_pixels: u32) -> Result<u32> {
        Ok(match self.opened.marker.strip_rows(row_pixels, dtype)? {
            Some(rows) => cut::engine_strip_rows(rows, row_pixels, self.strip_rows),
            None => cut::strip_rows(layout, count, row_pixels, rayon::current_num_threads(), self.strip_rows),
        })
    }

    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        threads::install(self.pool.as_ref(), work)
    }
}

/// The frame of a block of this shape, which must lie inside it.
fn frame(block: Shape, (row, column): (u32, u32), shape: Shape) -> Result<Frame> {
    Window::new(row, column, block.height, block.width).check(shape)?;
    Ok(Frame { shape, row, column })
}
