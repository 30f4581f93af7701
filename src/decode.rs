//! Decoding: runs to a row-major mask, row after row, without a transpose.
//!
//! Gets [`LabelRuns`] with a shape; gives pixels in C order, all at once or some rows at a time; guarantees that every
//! pixel is written once, and that overlapping runs, runs outside the mask and labels that do not fit are errors.
//!
//! Plainly, for column-major runs:
//!
//! ```text
//! cut runs at column ends into segments (column, first row, end row, label); sort them by first row
//! for each row:
//!     segments that end here: their columns turn to background in the current row
//!     segments that begin here: their columns turn to the label
//!     write the current row
//! ```
//!
//! Differences to that:
//! 1. Rows are dealt out in bands, one thread each. A segment that crosses into a band begins anew at its first row, so
//!    that bands do not depend on each other.
//! 2. Where most of the mask is background, a band is filled with it at once, and only the pieces of the current row that
//!    hold something else are copied.
//! 3. Row-major runs fill stretches of their rows instead.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::mask::Label;
use crate::memory::zeroed;
use crate::runs::{LabelRuns, Run};
use crate::shape::{ScanOrder, Shape};

/// Rows of a band when a mask is decoded piece by piece.
const BAND_ROWS: u32 = 256;

/// The mask that `runs` describe, in C order, with 0 as background.
///
/// Errors: the runs carry no shape, a label does not fit `T`, runs of two labels overlap, or a label is 0.
///
/// ```
/// use runmask::{LabelMask, Shape};
/// let pixels = [0u8, 7, 7, 0, 7, 0];
/// let mask = LabelMask::new(&pixels, Shape { height: 2, width: 3 })?;
/// assert_eq!(runmask::decode::<u8>(&runmask::encode(&mask)?)?, pixels);
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn decode<T: Label>(runs: &LabelRuns) -> Result<Vec<T>> {
    let decoder = Decoder::new(runs, 0)?;
    let mut pixels = zeroed(decoder.shape.pixels(), "the pixels of the mask")?;
    decoder.decode_into(&mut pixels)?;
    Ok(pixels)
}

/// Decodes runs into memory or piece by piece.
#[derive(Debug)]
pub struct Decoder<'a> {
    runs: &'a LabelRuns,
    shape: Shape,
    background: u64,
}

impl<'a> Decoder<'a> {
    /// A decoder of `runs` over a background; an error when the runs carry no shape.
    pub fn new(runs: &'a LabelRuns, background: u64) -> Result<Self> {
        let Some(shape) = runs.shape() else {
            return Err(Error::Argument(
                "the runs do not say how large their mask is: give a height and a width".into(),
            ));
        };
        Ok(Self { runs, shape, background })
    }

    /// Height and width of the mask.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Writes the whole mask to `pixels`, in C order.
    pub fn decode_into<T: Label>(&self, pixels: &mut [T]) -> Result<()> {
        if pixels.len() as u64 != self.shape.pixels() {
            return Err(Error::Argument(format!(
                "a mask of {} has {} pixels, but there is room for {}",
                self.shape,
                self.shape.pixels(),
                pixels.len()
            )));
        }
        if pixels.is_empty() {
            return Ok(());
        }
        let threads = rayon::current_num_threads() as u32;
        let band = self.shape.height.div_ceil(threads).max(1);
        let width = self.shape.width as usize;
        pixels.par_chunks_mut(width * band as usize).enumerate().try_for_each(|(index, pixels)| {
            let first = index as u32 * band;
            let rows = first..first + (pixels.len() / width) as u32;
            Plan::new(self, rows.clone(), band)?.render(rows, pixels)
        })
    }

    /// Calls `write` with some whole rows at a time, from the top, in C order.
    pub fn decode_rows<T: Label>(&self, mut write: impl FnMut(&[T]) -> Result<()>) -> Result<()> {
        if self.shape.pixels() == 0 {
            return Ok(());
        }
        let plan = Plan::new(self, 0..self.shape.height, BAND_ROWS)?;
        let width = self.shape.width as usize;
        let bands = rayon::current_num_threads() as u32;
        let step = bands.saturating_mul(BAND_ROWS).min(self.shape.height);
        let mut pixels: Vec<T> = zeroed(u64::from(step) * u64::from(self.shape.width), "rows of the mask")?;
        let mut first = 0;
        while first < self.shape.height {
            let rows = step.min(self.shape.height - first);
            let pixels = &mut pixels[..rows as usize * width];
            pixels.par_chunks_mut(width * BAND_ROWS as usize).enumerate().try_for_each(|(index, pixels)| {
                let first = first + index as u32 * BAND_ROWS;
                plan.render(first..first + (pixels.len() / width) as u32, pixels)
            })?;
            write(pixels)?;
            first += rows;
        }
        Ok(())
    }
}

/// A stretch of one column (or of one row, for row-major runs) with one label.
#[derive(Clone, Copy, Debug, Default)]
struct Segment<T> {
    /// Its column (its first column, for row-major runs).
    column: u32,
    /// One past its last row (its last column, for row-major runs).
    end: u32,
    label: T,
}

/// The segments of some rows by the row they begin in.
struct Plan<'a, T> {
    runs: &'a LabelRuns,
    shape: Shape,
    first: u32,
    background: T,
    begins: ByRow<T>,
    /// Whether so little is foreground that a row is cheaper to fill and then correct than to copy.
    sparse: bool,
}

impl<'a, T: Label> Plan<'a, T> {
    /// The plan of `rows`, in bands of `band` rows from the first of them.
    fn new(decoder: &Decoder<'a>, rows: Range<u32>, band: u32) -> Result<Self> {
        let (runs, shape) = (decoder.runs, decoder.shape);
        let narrow = |label: u64| {
            T::from_u64(label).ok_or_else(|| {
                Error::Argument(format!(
                    "label {label} does not fit a mask of {}: its largest is {}",
                    T::DTYPE,
                    T::DTYPE.max()
                ))
            })
        };
        let background = narrow(decoder.background)?;
        for (label, runs) in runs.iter() {
            narrow(label)?;
            if label == decoder.background && !runs.is_empty() {
                return Err(Error::Argument(format!("label {label} has runs, but {label} is the background")));
            }
        }
        let cut = Bands { rows: rows.clone(), band };
        let first = rows.start;
        let mut begins = ByRow::count(rows.len());
        let mut lines = Lines::new(runs.order(), shape);
        for run in &runs.runs {
            segments(*run, &mut lines, &cut, |row, _, _| begins.add(row - first));
        }
        begins.fill();
        for (label, of_label) in runs.iter() {
            let label = narrow(label)?;
            for run in of_label {
                segments(*run, &mut lines, &cut, |row, column, end| {
                    begins.put(row - first, Segment { column, end, label });
                });
            }
        }
        let sparse = runs.area() < shape.pixels() / 8;
        Ok(Self { runs, shape, first, background, begins: begins.finish(), sparse })
    }

    /// Writes `rows`, which are one band or some of its first rows.
    fn render(&self, rows: Range<u32>, pixels: &mut [T]) -> Result<()> {
        match self.runs.order() {
            ScanOrder::ColumnMajor => self.render_columns(rows, pixels),
            ScanOrder::RowMajor => self.render_rows(rows, pixels),
        }
    }

    fn render_columns(&self, rows: Range<u32>, pixels: &mut [T]) -> Result<()> {
        let width = self.shape.width as usize;
        let mut current = vec![self.background; width];
        // Up to which row each column's label holds.
        let mut until = vec![rows.start; width];
        let mut ends = Ends::new(&rows, width);
        let mut pieces = self.sparse.then(|| Pieces::new(width));
        if pieces.is_some() {
            fill(pixels, self.background);
        }
        for (row, pixels) in rows.zip(pixels.chunks_exact_mut(width)) {
            ends.take(row, |column| {
                current[column] = self.background;
                if let Some(pieces) = &mut pieces {
                    pieces.leave(column);
                }
            });
            for segment in self.begins.row(row - self.first) {
                let column = segment.column as usize;
                if until[column] > row {
                    return Err(self.overlap(segment.label, current[column], row, segment.column));
                }
                current[column] = segment.label;
                until[column] = segment.end;
                ends.put(segment.end, column);
                if let Some(pieces) = &mut pieces {
                    pieces.enter(column);
                }
            }
            match &pieces {
                None => pixels.copy_from_slice(&current),
                Some(pieces) => pieces.copy(&current, pixels),
            }
        }
        Ok(())
    }

    fn render_rows(&self, rows: Range<u32>, pixels: &mut [T]) -> Result<()> {
        let width = self.shape.width as usize;
        for (row, pixels) in rows.zip(pixels.chunks_exact_mut(width)) {
            let mut segments: Vec<Segment<T>> = self.begins.row(row - self.first).collect();
            segments.sort_unstable_by_key(|segment| segment.column);
            fill(pixels, self.background);
            let mut before: Option<Segment<T>> = None;
            for segment in segments {
                if let Some(before) = before.filter(|before| before.end > segment.column) {
                    return Err(self.overlap(segment.label, before.label, row, segment.column));
                }
                pixels[segment.column as usize..segment.end as usize].fill(segment.label);
                before = Some(segment);
            }
        }
        Ok(())
    }

    fn overlap(&self, label: T, other: T, row: u32, column: u32) -> Error {
        let (label, other): (u64, u64) = (label.into(), other.into());
        let position = match self.runs.order() {
            ScanOrder::ColumnMajor => u64::from(column) * u64::from(self.shape.height) + u64::from(row),
            ScanOrder::RowMajor => u64::from(row) * u64::from(self.shape.width) + u64::from(column),
        };
        let name = |label: u64| {
            let runs = self.runs.get(label).unwrap_or_default();
            let index = runs.partition_point(|run| run.start <= position);
            match index.checked_sub(1).map(|index| runs[index]) {
                Some(run) => format!("label {label}'s run of {} pixels from {}", run.length, run.start),
                None => format!("label {label}"),
            }
        };
        Error::Argument(format!(
            "{} overlaps {} at row {row}, column {column}: a mask holds one label a pixel",
            name(label),
            name(other)
        ))
    }
}

/// Fills pixels with one label; zeros go out as bytes, for which the machine has a faster way.
fn fill<T: Label>(pixels: &mut [T], label: T) {
    if label == T::default() {
        bytemuck::cast_slice_mut::<T, u8>(pixels).fill(0);
    } else {
        pixels.fill(label);
    }
}

/// Which pieces of the current row hold anything but background.
struct Pieces {
    /// For each piece, how many of its columns do.
    counts: Vec<u8>,
    /// One bit for each piece with a count.
    used: Vec<u64>,
}

impl Pieces {
    /// Columns of a piece.
    const COLUMNS: usize = 32;

    fn new(width: usize) -> Self {
        let pieces = width.div_ceil(Self::COLUMNS);
        Self { counts: vec![0; pieces], used: vec![0; pieces.div_ceil(64)] }
    }

    fn enter(&mut self, column: usize) {
        let piece = column / Self::COLUMNS;
        self.counts[piece] += 1;
        self.used[piece / 64] |= 1 << (piece % 64);
    }

    fn leave(&mut self, column: usize) {
        let piece = column / Self::COLUMNS;
        self.counts[piece] -= 1;
        if self.counts[piece] == 0 {
            self.used[piece / 64] &= !(1 << (piece % 64));
        }
    }

    /// Copies the pieces in use.
    fn copy<T: Copy>(&self, from: &[T], to: &mut [T]) {
        for (word, &used) in self.used.iter().enumerate() {
            let mut bits = used;
            while bits != 0 {
                let first = (word * 64 + bits.trailing_zeros() as usize) * Self::COLUMNS;
                bits &= bits - 1;
                match (from.get(first..first + Self::COLUMNS), to.get_mut(first..first + Self::COLUMNS)) {
                    (Some(from), Some(to)) => to.copy_from_slice(from),
                    _ => to[first..].copy_from_slice(&from[first..]),
                }
            }
        }
    }
}

/// The rows of a plan, and the bands they are cut into.
struct Bands {
    rows: Range<u32>,
    band: u32,
}

/// Cuts a run into segments that stay in one column and one band: `begin(row, column, end row)`.
///
/// Row-major runs are cut at row ends: `begin(row, first column, end column)`.
fn segments(run: Run, lines: &mut Lines, cut: &Bands, mut begin: impl FnMut(u32, u32, u32)) {
    let (mut line, mut from) = lines.of(run.start);
    let Lines { order, length, .. } = *lines;
    let Bands { rows, band } = cut;
    let mut left = run.length;
    while left > 0 {
        let to = u64::from(length).min(u64::from(from) + left) as u32;
        left -= u64::from(to - from);
        match order {
            ScanOrder::RowMajor if rows.contains(&line) => begin(line, from, to),
            ScanOrder::RowMajor => {}
            ScanOrder::ColumnMajor => {
                let (low, high) = (from.max(rows.start), to.min(rows.end));
                if low < high {
                    begin(low, line, to);
                    let mut next = rows.start.saturating_add(((low - rows.start) / band + 1).saturating_mul(*band));
                    while next < high {
                        begin(next, line, to);
                        next = next.saturating_add(*band);
                    }
                }
            }
        }
        line += 1;
        from = 0;
    }
}

/// Finds scan lines of positions that mostly step from one line to the next, without dividing each time.
struct Lines {
    order: ScanOrder,
    length: u32,
    line: u32,
    line_start: u64,
}

impl Lines {
    fn new(order: ScanOrder, shape: Shape) -> Self {
        Self { order, length: shape.line_length(order), line: 0, line_start: 0 }
    }

    /// The line of `position` and the place in it.
    #[inline]
    fn of(&mut self, position: u64) -> (u32, u32) {
        let length = u64::from(self.length);
        let ahead = position.wrapping_sub(self.line_start);
        if ahead >= length {
            if ahead < 2 * length {
                self.line += 1;
                self.line_start += length;
            } else {
                self.line = (position / length) as u32;
                self.line_start = u64::from(self.line) * length;
            }
        }
        (self.line, (position - self.line_start) as u32)
    }
}

/// The columns whose segments end at a row: a column has one segment at a time, so it is in one list at a time, and the
/// lists need no memory of their own.
struct Ends {
    first: u32,
    /// For each row the first column of its list, plus 1; 0 when it is empty.
    heads: Vec<u32>,
    /// For each column the next one of its list, likewise.
    next: Vec<u32>,
}

impl Ends {
    fn new(rows: &Range<u32>, width: usize) -> Self {
        Self { first: rows.start, heads: vec![0; rows.len()], next: vec![0; width] }
    }

    /// Notes that a segment of `column` ends at `row`; past the last row it does not matter.
    fn put(&mut self, row: u32, column: usize) {
        if let Some(head) = self.heads.get_mut((row - self.first) as usize) {
            self.next[column] = std::mem::replace(head, column as u32 + 1);
        }
    }

    /// Calls `call` with the columns whose segments end at `row`.
    fn take(&mut self, row: u32, mut call: impl FnMut(usize)) {
        let mut head = std::mem::take(&mut self.heads[(row - self.first) as usize]);
        while let Some(column) = head.checked_sub(1) {
            call(column as usize);
            head = self.next[column as usize];
        }
    }
}

/// Segments sorted by row, by counting: counted, then put, then read.
struct ByRow<T> {
    starts: Vec<usize>,
    /// Column and end. Zeroed memory is cheaper than segments.
    spans: Vec<[u32; 2]>,
    labels: Vec<T>,
}

impl<T: Label> ByRow<T> {
    fn count(rows: usize) -> Self {
        Self { starts: vec![0; rows + 1], spans: Vec::new(), labels: Vec::new() }
    }

    fn add(&mut self, row: u32) {
        self.starts[row as usize] += 1;
    }

    /// Turns counts into places.
    fn fill(&mut self) {
        let mut next = 0;
        for start in &mut self.starts {
            next += std::mem::replace(start, next);
        }
        self.spans = vec![[0; 2]; next];
        self.labels = vec![T::default(); next];
    }

    fn put(&mut self, row: u32, segment: Segment<T>) {
        let place = &mut self.starts[row as usize];
        self.spans[*place] = [segment.column, segment.end];
        self.labels[*place] = segment.label;
        *place += 1;
    }

    /// Every place has moved to where its row ends, which is where the next row starts.
    fn finish(mut self) -> Self {
        self.starts.rotate_right(1);
        self.starts[0] = 0;
        self
    }

    fn row(&self, row: u32) -> impl Iterator<Item = Segment<T>> {
        let places = self.starts[row as usize]..self.starts[row as usize + 1];
        let spans = self.spans[places.clone()].iter();
        spans.zip(&self.labels[places]).map(|(&[column, end], &label)| Segment { column, end, label })
    }
}
