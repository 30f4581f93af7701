//! Decoding: runs to a row-major mask, row after row, without a transpose.
//!
//! Gets [`LabelRuns`] with a shape; gives pixels in C order, all at once or some rows at a time; guarantees that every
//! pixel is written once, and that overlapping runs, runs outside the mask and labels that do not fit are errors. What it
//! gives does not depend on the number of threads.
//!
//! The definition, for column-major runs:
//!
//! ```text
//! cut runs at column ends into segments (column, first row, end row, label); sort them by first row
//! for each row:
//!     segments that end here: their columns turn to background in the current row
//!     segments that begin here: their columns turn to the label
//!     write the current row
//! ```
//!
//! What is done differently:
//! 1. Rows are cut into bands, one for each thread. A band begins with the segments that reach into it from above.
//! 2. Where most of the mask is background, a band is filled with it at once, and only the pieces of the current row that
//!    hold something else are copied.
//! 3. Columns that a run fills from top to bottom stay one range of columns: they are not cut into segments.
//! 4. A very tall mask is planned some rows at a time, and one whose rows are very long or very short is painted run by
//!    run without a plan: so memory is in proportion to the runs and to a row, whatever the shape.
//! 5. Row-major runs fill stretches of their rows.

use std::ops::{ControlFlow, Range};

use self::columns::Scratch;
use self::plan::{Plan, Segment};
use crate::error::{Error, Result};
use crate::mask::{Dtype, Label};
use crate::memory::{check_row, reserve, zeroed};
use crate::progress::Progress;
use crate::runs::lines::{Lines, Piece};
use crate::runs::{LabelRuns, Run};
use crate::shape::{ScanOrder, Shape};
use crate::threads;

mod columns;
mod plan;

/// Bytes of the pixels that are decoded at once when a mask is decoded some rows at a time.
const STEP_BYTES: u64 = 64 << 20;

/// Rows of a band, at most, unless they are short.
const BAND_ROWS: u64 = 256;

/// Pixels of a band of short rows, at most.
const BAND_PIXELS: u64 = 1 << 16;

/// Rows of a band, at most, where columns have a state: the row until which a column's label holds takes 16 bits.
const MOST_BAND_ROWS: u64 = u16::MAX as u64;

/// Rows that a band should have: each costs as much as some rows to begin.
const WORTHWHILE_ROWS: u64 = 32;

/// Rows that are planned at once, at least. A row costs 8 bytes of the plan, and each plan goes over all runs.
const PLAN_ROWS: u64 = 1 << 22;

/// Columns of a mask whose every column has a state of its own while column-major runs are decoded, at most.
const MOST_COLUMNS: u32 = 1 << 20;

/// Columns of a mask that is worth going over row by row, at least.
const FEWEST_COLUMNS: u32 = 16;

/// Pixels that are painted at once where the mask is wider or narrower, at least.
const PAINTED_PIXELS: u64 = 1 << 23;

/// The mask that `runs` describe, in C order, with 0 as background.
///
/// # Errors
/// The runs carry no shape, a label does not fit `T`, runs of two labels overlap, label 0 has runs, or the machine has no
/// memory for the mask.
///
/// ```
/// use runmask::{LabelMask, Shape};
/// let pixels = [0u8, 7, 7, 0, 7, 0];
/// let mask = LabelMask::new(&pixels, Shape { height: 2, width: 3 })?;
/// assert_eq!(runmask::decode::<u8>(&runmask::encode(&mask)?)?, pixels);
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn decode<T: Label>(runs: &LabelRuns) -> Result<Vec<T>> {
    let decoder = Decoder::new(runs, 0)?.prefilled(true);
    let mut pixels = zeroed(decoder.shape.pixels(), "the pixels of the mask")?;
    decoder.decode_into(&mut pixels)?;
    Ok(pixels)
}

/// Decodes runs into memory or some rows at a time.
///
/// ```
/// use runmask::{Decoder, LabelRunsBuilder, Run, ScanOrder, Shape};
/// let mut runs = LabelRunsBuilder::new(Some(Shape { height: 2, width: 3 }), ScanOrder::ColumnMajor);
/// runs.label(7)?;
/// runs.run(Run { start: 1, length: 2 })?;
/// let runs = runs.finish();
/// let decoder = Decoder::new(&runs, 9)?;
/// let mut mask = [0u16; 6];
/// decoder.decode_into(&mut mask)?;
/// assert_eq!(mask, [9, 7, 9, 7, 9, 9]);
/// let mut rows = Vec::new();
/// decoder.decode_rows::<u16>(|some_rows| Ok(rows.extend_from_slice(some_rows)))?;
/// assert_eq!(rows, mask);
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder<'a> {
    runs: &'a LabelRuns,
    /// Rows and columns as they lie in memory, and the order of the runs in them.
    shape: Shape,
    order: ScanOrder,
    background: u64,
    prefilled: bool,
}

/// A label of a mask of `T`.
fn narrow<T: Label>(label: u64) -> Result<T> {
    T::from_u64(label).ok_or_else(|| Error::LabelTooLarge {
        what: format!("a mask of {}", T::DTYPE),
        label,
        largest: T::DTYPE.max(),
    })
}

impl<'a> Decoder<'a> {
    /// A decoder of `runs`: pixels without a run get the label `background`.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when the runs carry no shape.
    pub fn new(runs: &'a LabelRuns, background: u64) -> Result<Self> {
        let Some(shape) = runs.shape() else {
            return Err(Error::UnknownShape { what: "a mask of these runs".into() });
        };
        Ok(Self { runs, shape, order: runs.order(), background, prefilled: false })
    }

    /// Whether [`Decoder::decode_into`] and [`Decoder::decode_into_with`] may take it that the memory which they are given
    /// holds the background everywhere, as new memory holds zeros. Then only pixels of runs and some beside them are written,
    /// and the system never has to provide pages that hold no label. Where the memory holds anything else, so will the
    /// mask, or there is an error. `false` unless set.
    ///
    /// ```
    /// use runmask::{Decoder, LabelRuns, ScanOrder, Shape};
    /// let runs = LabelRuns::empty(Some(Shape { height: 20_000, width: 50_000 }), ScanOrder::ColumnMajor);
    /// let decoder = Decoder::new(&runs, 0)?.prefilled(true);
    /// let mut mask = vec![0_u8; 1_000_000_000];
    /// decoder.decode_into(&mut mask)?; // Takes no time and no memory: there is nothing to write.
    /// # Ok::<(), runmask::Error>(())
    /// ```
    #[must_use]
    pub fn prefilled(mut self, prefilled: bool) -> Self {
        self.prefilled = prefilled;
        self
    }

    /// Whether pixels are written row after row, as C has them, or column after column, as Fortran has them: the columns are
    /// then what all methods call rows. Row after row unless set.
    ///
    /// ```
    /// use runmask::{Decoder, LabelMask, ScanOrder, Shape};
    /// let runs = runmask::encode(&LabelMask::new(&[0u8, 7, 7, 0, 7, 0], Shape { height: 2, width: 3 })?)?;
    /// let mut columns = [0u8; 6];
    /// Decoder::new(&runs, 0)?.layout(ScanOrder::ColumnMajor).decode_into(&mut columns)?;
    /// assert_eq!(columns, [0, 0, 7, 7, 7, 0]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    #[must_use]
    pub fn layout(mut self, layout: ScanOrder) -> Self {
        // A mask in Fortran order is its transpose in C order, of which the same runs go the other way.
        let Shape { height, width } = self.shape();
        (self.shape, self.order) = match (layout, self.runs.order()) {
            (ScanOrder::RowMajor, order) => (Shape { height, width }, order),
            (ScanOrder::ColumnMajor, ScanOrder::RowMajor) => (self.shape().transposed(), ScanOrder::ColumnMajor),
            (ScanOrder::ColumnMajor, ScanOrder::ColumnMajor) => (self.shape().transposed(), ScanOrder::RowMajor),
        };
        self
    }

    /// Height and width of the mask.
    pub fn shape(&self) -> Shape {
        // There is one: `new` saw it.
        self.runs.shape().unwrap_or(self.shape)
    }

    /// Writes the whole mask to `pixels`, in C order unless [`Decoder::layout`] says otherwise.
    ///
    /// # Errors
    /// [`Error::Argument`] when `pixels` has another length than the mask, or when the background has runs;
    /// [`Error::LabelTooLarge`] when a label does not fit; [`Error::Overlap`] when runs of two labels share a pixel;
    /// [`Error::Memory`] when the machine has no memory for a plan. What `pixels` holds after an error is undecided.
    pub fn decode_into<T: Label>(&self, pixels: &mut [T]) -> Result<()> {
        self.decode_bytes_into(T::DTYPE, bytemuck::cast_slice_mut(pixels), None)
    }

    /// As [`Decoder::decode_into`], and tells `progress` from time to time how many bytes of the mask are done.
    ///
    /// # Errors
    /// As [`Decoder::decode_into`], and [`Error::Stopped`] when `progress` ends the work.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use runmask::{Decoder, LabelRuns, ScanOrder, Shape};
    /// let runs = LabelRuns::empty(Some(Shape { height: 2, width: 3 }), ScanOrder::ColumnMajor);
    /// let mut mask = [7u16; 6];
    /// Decoder::new(&runs, 0)?.decode_into_with(&mut mask, &mut |progress| {
    ///     println!("{} of {} bytes", progress.done, progress.total);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(mask, [0; 6]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn decode_into_with<T: Label>(
        &self,
        pixels: &mut [T],
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        self.decode_bytes_into(T::DTYPE, bytemuck::cast_slice_mut(pixels), Some(progress))
    }

    /// Not generic, so that what it calls is compiled here and not by every crate that calls it.
    fn decode_bytes_into(&self, dtype: Dtype, pixels: &mut [u8], progress: Option<Callback<'_>>) -> Result<()> {
        match dtype {
            Dtype::U8 => self.decode_labels_into::<u8>(pixels, progress),
            Dtype::U16 => self.decode_labels_into::<u16>(bytemuck::cast_slice_mut(pixels), progress),
            Dtype::U32 => self.decode_labels_into::<u32>(bytemuck::cast_slice_mut(pixels), progress),
            Dtype::U64 => self.decode_labels_into::<u64>(bytemuck::cast_slice_mut(pixels), progress),
        }
    }

    fn decode_labels_into<T: Label>(&self, pixels: &mut [T], progress: Option<Callback<'_>>) -> Result<()> {
        self.check_room(pixels.len())?;
        let background = self.check_labels()?;
        if pixels.is_empty() {
            return Ok(());
        }
        let Some(progress) = progress else {
            return self.decode_steps(background, Some(pixels), true, &mut |_, _| Ok(()));
        };
        let row_bytes = u64::from(self.shape.width) * size_of::<T>() as u64;
        let total = row_bytes * u64::from(self.shape.height);
        self.decode_steps(background, Some(pixels), false, &mut |rows, _| {
            Progress { done: u64::from(rows.end) * row_bytes, total }.tell(progress)
        })
    }

    /// Writes the background over the pixels of all runs in `pixels`, a mask in C order, and leaves all others as they are:
    /// takes these labels out of a mask in place. Runs may overlap.
    ///
    /// # Errors
    /// [`Error::Argument`] when `pixels` has another length than the mask; [`Error::LabelTooLarge`] when the background does
    /// not fit.
    ///
    /// ```
    /// use runmask::{Decoder, LabelMask, Shape};
    /// let mut pixels = [7u8, 0, 3, 7, 3, 3];
    /// let runs = runmask::encode(&LabelMask::new(&pixels, Shape { height: 2, width: 3 })?)?;
    /// let small = runs.retain(|_, runs| runs.iter().map(|run| run.length).sum::<u64>() < 3);
    /// Decoder::new(&small, 0)?.erase(&mut pixels)?;
    /// assert_eq!(pixels, [0, 0, 3, 0, 3, 3]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn erase<T: Label>(&self, pixels: &mut [T]) -> Result<()> {
        self.check_room(pixels.len())?;
        let background = narrow::<T>(self.background)?;
        let Shape { height, width } = self.shape;
        let (height, width) = (u64::from(height), width as usize);
        let mut lines = Lines::new(self.shape.line_length(self.order));
        for &run in self.runs.runs() {
            match self.order {
                ScanOrder::RowMajor => pixels[run.start as usize..run.end() as usize].fill(background),
                ScanOrder::ColumnMajor => lines.cut(run, |Piece { line, lines, start, end }| {
                    if u64::from(lines) == 1 && u64::from(end - start) < height {
                        let column = pixels[line as usize..].iter_mut().step_by(width);
                        let rows = column.skip(start as usize).take((end - start) as usize);
                        rows.for_each(|pixel| *pixel = background);
                    } else {
                        let rows = pixels.chunks_exact_mut(width);
                        rows.for_each(|row| row[line as usize..][..lines as usize].fill(background));
                    }
                }),
            }
        }
        Ok(())
    }

    /// Calls `write` with some whole rows at a time, from the top, in C order. An error of `write` ends the work.
    ///
    /// # Errors
    /// As [`Decoder::decode_into`], and [`Error::LimitExceeded`] when a row takes more than 1 GiB.
    pub fn decode_rows<T: Label>(&self, mut write: impl FnMut(&[T]) -> Result<()>) -> Result<()> {
        self.decode_row_bytes(T::DTYPE, &mut |rows| write(bytemuck::cast_slice(rows)))
    }

    /// As [`Decoder::decode_rows`], for labels of a type that is known at run time: rows are bytes in native byte order,
    /// as a [`Sink`](crate::sink::Sink) takes them.
    ///
    /// # Errors
    /// As [`Decoder::decode_rows`].
    ///
    /// ```
    /// use runmask::sink::{self, CreateOptions, MaskFormat};
    /// use runmask::{Decoder, Dtype, LabelRuns, ScanOrder, Shape};
    /// let shape = Shape { height: 2, width: 3 };
    /// let runs = LabelRuns::empty(Some(shape), ScanOrder::ColumnMajor);
    /// let mut file = std::io::Cursor::new(Vec::new());
    /// let mut sink = sink::to_writer(&mut file, MaskFormat::Tiff, shape, Dtype::U16, &CreateOptions::new())?;
    /// Decoder::new(&runs, 0)?.decode_row_bytes(Dtype::U16, &mut |rows| sink.write_rows(rows))?;
    /// sink.finish()?;
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn decode_row_bytes(&self, dtype: Dtype, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match dtype {
            Dtype::U8 => self.decode_rows_of::<u8>(write),
            Dtype::U16 => self.decode_rows_of::<u16>(write),
            Dtype::U32 => self.decode_rows_of::<u32>(write),
            Dtype::U64 => self.decode_rows_of::<u64>(write),
        }
    }

    fn decode_rows_of<T: Label>(&self, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let background = self.check_labels::<T>()?;
        if self.shape.pixels() == 0 {
            return Ok(());
        }
        check_row(self.shape, T::DTYPE)?;
        self.decode_steps(background, None, false, &mut |_, rows| write(bytemuck::cast_slice(rows)))
    }

    /// Decodes some rows at a time, into `whole` if it is there, else into memory that is used again; with `at_once`, as many
    /// as are planned. Tells `done` about each step.
    fn decode_steps<T: Label>(
        &self,
        background: T,
        mut whole: Option<&mut [T]>,
        at_once: bool,
        done: Done<'_, T>,
    ) -> Result<()> {
        let height = u64::from(self.shape.height);
        let (bands, band_rows) = match rayon::current_num_threads() as u64 {
            threads if at_once => {
                let most = if self.is_painted() { u64::MAX } else { MOST_BAND_ROWS };
                (threads, self.rows_planned().min(height).div_ceil(threads).min(most))
            }
            _ => self.bands(T::DTYPE.bytes() as u64),
        };
        let step = (bands * band_rows).min(height);
        let width = self.shape.width as usize;
        let room = if whole.is_some() { 0 } else { step * u64::from(self.shape.width) };
        let mut again: Vec<T> = zeroed(room, "rows of the mask")?;
        let mut scratches: Vec<Scratch<T>> = (0..bands).map(|_| Scratch::default()).collect();
        for rows in pieces(0..height, self.rows_planned().max(step)) {
            let prefilled = self.prefilled && whole.is_some();
            let plan = Plan::new(self, background, prefilled, rows.clone()).map_err(|fault| self.error(fault))?;
            let mut carried: Vec<Segment<T>> = Vec::new();
            for rows in pieces(u64::from(rows.start)..u64::from(rows.end), step) {
                let pixels = match &mut whole {
                    Some(whole) => &mut whole[rows.start as usize * width..][..rows.len() * width],
                    None => &mut again[..rows.len() * width],
                };
                let all: Vec<Range<u32>> = pieces(u64::from(rows.start)..u64::from(rows.end), band_rows).collect();
                let reaching = threads::try_map(threads::each, all.len(), |band| plan.reaching(&all[band]))?;
                let mut left = &mut pixels[..];
                let mut bands: Vec<Band<'_, T>> = Vec::new();
                for (rows, mut below) in all.into_iter().zip(reaching) {
                    let (pixels, rest) = left.split_at_mut(rows.len() * width);
                    left = rest;
                    reserve(&mut below, carried.len(), "segments of columns")?;
                    below.extend(carried.iter().filter(|segment| segment.end > rows.end));
                    bands.push(Band { rows, carried: std::mem::replace(&mut carried, below), pixels });
                }
                let mut work: Vec<(Band<'_, T>, &mut Scratch<T>)> = bands.into_iter().zip(&mut scratches).collect();
                let render = |(band, scratch): &mut (Band<'_, T>, &mut Scratch<T>)| {
                    plan.render(band.rows.clone(), &band.carried, band.pixels, scratch)
                };
                self.conclude(threads::map_mut(&mut work, render))?;
                done(rows, pixels)?;
            }
        }
        Ok(())
    }

    fn check_room(&self, pixels: usize) -> Result<()> {
        match self.shape.pixels() {
            found if found == pixels as u64 => Ok(()),
            found => Err(Error::Argument(format!(
                "a mask of {} has {found} pixels, but there is room for {pixels}",
                self.shape()
            ))),
        }
    }

    /// The background as a label of the mask, when it and all labels fit and no label with runs is the background.
    fn check_labels<T: Label>(&self) -> Result<T> {
        // Labels ascend.
        self.runs.labels().last().copied().map(narrow::<T>).transpose()?;
        if self.runs.get(self.background).is_some_and(|runs| !runs.is_empty()) {
            let label = self.background;
            return Err(Error::Argument(format!("label {label} has runs, but {label} is the background")));
        }
        narrow(self.background)
    }

    /// Whether the mask is painted run by run.
    fn is_painted(&self) -> bool {
        let Shape { width, .. } = self.shape;
        width < FEWEST_COLUMNS || self.order == ScanOrder::ColumnMajor && width > MOST_COLUMNS
    }

    /// Rows that are planned at once. All plans together go over the runs at most four times for each row.
    fn rows_planned(&self) -> u64 {
        PLAN_ROWS.max(self.runs.run_count() as u64 / 4)
    }

    /// How many bands of how many rows are decoded at once.
    fn bands(&self, label_bytes: u64) -> (u64, u64) {
        let threads = rayon::current_num_threads() as u64;
        let width = u64::from(self.shape.width);
        if self.is_painted() {
            // Painting goes over all runs each time: there are at least as many pixels as runs.
            let rows = (PAINTED_PIXELS.max(self.runs.run_count() as u64) / width).clamp(1, self.shape.height.into());
            let bands = threads.min(rows);
            return (bands, rows.div_ceil(bands));
        }
        let rows = (STEP_BYTES / (width * label_bytes)).max(1);
        let bands = (rows / WORTHWHILE_ROWS).clamp(1, threads);
        (bands, (rows / bands).clamp(1, BAND_ROWS.max(BAND_PIXELS / width)))
    }

    /// The first error of several bands. Overlaps are looked for anew, so that the answer does not depend on the bands.
    fn conclude(&self, bands: Vec<Result<(), Fault>>) -> Result<()> {
        match bands.into_iter().find_map(Result::err) {
            None => Ok(()),
            Some(fault) => Err(self.error(fault)),
        }
    }

    fn error(&self, fault: Fault) -> Error {
        match fault {
            Fault::Other(error) => error,
            Fault::Overlap => self.first_overlap().unwrap_or_else(|error| error),
        }
    }

    /// The first overlap in scan order.
    #[cold]
    fn first_overlap(&self) -> Result<Error> {
        let mut all: Vec<(Run, u64)> = Vec::new();
        reserve(&mut all, self.runs.run_count(), "a list of all runs")?;
        all.extend(self.runs.iter().flat_map(|(label, runs)| runs.iter().map(move |&run| (run, label))));
        all.sort_unstable();
        let name =
            |(run, label): (Run, u64)| format!("label {label}'s run of {} pixels from {}", run.length, run.start);
        for pair in all.windows(2) {
            if let &[before, run] = pair
                && run.0.start < before.0.end()
            {
                let (row, column) = self.runs.order().row_column(run.0.start, self.shape());
                let what = format!("{} overlaps {}", name(run), name(before));
                return Ok(Error::Overlap { what, labels: [run.1, before.1], row, column });
            }
        }
        Ok(Error::Argument("runs of two labels share a pixel".into()))
    }
}

/// What is told about each step: its rows, and their labels.
type Done<'d, T> = &'d mut dyn FnMut(Range<u32>, &[T]) -> Result<()>;
/// Who is told how much is done.
type Callback<'c> = &'c mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Rows that one thread decodes, and the segments that reach into them from above.
struct Band<'a, T> {
    rows: Range<u32>,
    carried: Vec<Segment<T>>,
    pixels: &'a mut [T],
}

/// Why a band could not be decoded.
#[derive(Debug)]
enum Fault {
    /// Two runs share a pixel.
    Overlap,
    Other(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// `rows` cut into pieces of `length` rows, the last of them shorter.
fn pieces(rows: Range<u64>, length: u64) -> impl Iterator<Item = Range<u32>> {
    let end = rows.end;
    let cut = move |first: u64| side(first)..side(first.saturating_add(length).min(end));
    let step = usize::try_from(length).unwrap_or(usize::MAX).max(1);
    rows.step_by(step).map(cut)
}

/// A number of rows or columns, none of which is above 2^32 - 1.
#[inline]
fn side(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Fills pixels with one label; zeros go out as bytes, for which the machine has a faster way.
fn fill<T: Label>(pixels: &mut [T], label: T) {
    if label == T::default() {
        bytemuck::cast_slice_mut::<T, u8>(pixels).fill(0);
    } else {
        pixels.fill(label);
    }
}

/// Fills pixels with a label, all of which must be background until then.
fn paint<T: Label>(pixels: &mut [T], label: T, background: T) -> Result<(), Fault> {
    // Without an early end inside a block, so that its pixels are compared side by side.
    let differs = |block: &[T]| block.iter().fold(false, |differs, &pixel| differs | (pixel != background));
    if pixels.chunks(64).any(differs) {
        return Err(Fault::Overlap);
    }
    pixels.fill(label);
    Ok(())
}

#[cfg(test)]
mod tests;
