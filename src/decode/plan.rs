//! What begins in which row.

use std::ops::Range;

use bytemuck::Zeroable;

use super::columns::Scratch;
use super::{Decoder, Fault, fill, paint};
use crate::error::Result;
use crate::mask::Label;
use crate::memory::{reserve, zeroed};
use crate::runs::lines::{Lines, Piece};
use crate::runs::{LabelRuns, Run};
use crate::shape::{ScanOrder, Shape};
use crate::threads;

/// A stretch of one column (or of one row, for row-major runs) with one label.
#[derive(Clone, Copy, Debug, Default, Zeroable)]
pub(super) struct Segment<T> {
    /// Its column (its first column, for row-major runs).
    pub(super) column: u32,
    /// One past its last row (its last column, for row-major runs).
    pub(super) end: u32,
    pub(super) label: T,
}

/// Neighbouring scan lines that one run fills, and its label.
#[derive(Clone, Debug)]
pub(super) struct Whole<T> {
    pub(super) lines: Range<u32>,
    pub(super) label: T,
}

/// What begins in which of some rows.
pub(super) struct Plan<'a, T> {
    runs: &'a LabelRuns,
    shape: Shape,
    order: ScanOrder,
    rows: Range<u32>,
    background: T,
    /// Whether it is used that all pixels hold the background before anything is written.
    prefilled: bool,
    /// Whether so little is foreground that mending a row of background is faster than writing the whole row.
    sparse: bool,
    way: Way<T>,
}

enum Way<T> {
    /// Segments by the row they begin in, of some of the runs each, and the scan lines that runs fill, in ascending order.
    Segments(Vec<ByRow<T>>, Vec<Whole<T>>),
    /// Nothing is planned: a mask of very long or very short rows.
    Paint,
}

impl<'a, T: Label> Plan<'a, T> {
    /// The plan of `rows`. What begins above them and reaches into them begins in the first of them.
    pub(super) fn new(decoder: &Decoder<'a>, background: T, prefilled: bool, rows: Range<u32>) -> Result<Self, Fault> {
        let (runs, shape, order) = (decoder.runs, decoder.shape, decoder.order);
        let (way, area) = match decoder.is_painted() {
            true => (Way::Paint, runs.area()),
            false => segments(runs, shape, order, &rows)?,
        };
        // Filling costs more than mending saves, unless little is foreground or the background is there already.
        let sparse = area < shape.pixels() / if prefilled { 2 } else { 8 };
        Ok(Self { runs, shape, order, rows, background, prefilled: prefilled && sparse, sparse, way })
    }

    /// The segments that reach past the last of `rows`, of those that begin there.
    pub(super) fn reaching(&self, rows: &Range<u32>) -> Result<Vec<Segment<T>>> {
        let mut below = Vec::new();
        if self.order == ScanOrder::ColumnMajor
            && rows.end < self.shape.height
            && let Way::Segments(begins, _) = &self.way
        {
            let begun = begins.iter().flat_map(|begins| begins.at(self.places(rows)));
            for segment in begun.filter(|segment| segment.end > rows.end) {
                reserve(&mut below, 1, "segments of columns")?;
                below.push(segment);
            }
        }
        Ok(below)
    }

    /// The same rows, counted from the first that is planned.
    fn places(&self, rows: &Range<u32>) -> Range<usize> {
        (rows.start - self.rows.start) as usize..(rows.end - self.rows.start) as usize
    }

    /// Writes `rows`; `carried` begins above them.
    pub(super) fn render(
        &self,
        rows: Range<u32>,
        carried: &[Segment<T>],
        pixels: &mut [T],
        scratch: &mut Scratch<T>,
    ) -> Result<(), Fault> {
        match (&self.way, self.order) {
            (Way::Paint, _) => self.paint_runs(rows, pixels),
            (Way::Segments(begins, whole), ScanOrder::RowMajor) => self.render_rows(rows, begins, whole, pixels),
            (Way::Segments(begins, whole), ScanOrder::ColumnMajor) => {
                if self.sparse && !self.prefilled {
                    fill(pixels, self.background);
                }
                let width = self.shape.width as usize;
                let mut columns = scratch.begin(&rows, width, self.background, self.sparse)?;
                let whole = whole.iter().flat_map(|whole| {
                    let segment = |column| Segment { column, end: self.shape.height, label: whole.label };
                    whole.lines.clone().map(segment)
                });
                let mut apart = whole.chain(carried.iter().copied()).all(|segment| columns.put(rows.start, segment));
                let places = self.places(&rows);
                for ((row, place), pixels) in rows.zip(places).zip(pixels.chunks_exact_mut(width)) {
                    columns.end(row);
                    for begins in begins {
                        for segment in begins.at(place..place + 1) {
                            apart &= columns.put(row, segment);
                        }
                    }
                    if !apart {
                        return Err(Fault::Overlap);
                    }
                    columns.copy(pixels);
                }
                Ok(())
            }
        }
    }

    fn render_rows(
        &self,
        rows: Range<u32>,
        begins: &[ByRow<T>],
        whole: &[Whole<T>],
        pixels: &mut [T],
    ) -> Result<(), Fault> {
        let mut whole = whole[whole.partition_point(|whole| whole.lines.end <= rows.start)..].iter().peekable();
        let begun = |row: u32| {
            let place = (row - self.rows.start) as usize;
            begins.iter().flat_map(move |begins| begins.at(place..place + 1))
        };
        for (row, pixels) in rows.zip(pixels.chunks_exact_mut(self.shape.width as usize)) {
            whole.next_if(|whole| whole.lines.end <= row);
            let filled = whole.peek().filter(|whole| whole.lines.start <= row);
            match filled {
                Some(whole) => fill(pixels, whole.label),
                None if !self.prefilled => fill(pixels, self.background),
                None => {
                    for Segment { column, end, .. } in begun(row) {
                        touch(&mut pixels[column as usize..end as usize], self.background);
                    }
                }
            }
            for Segment { column, end, label } in begun(row) {
                paint(&mut pixels[column as usize..end as usize], label, self.background)?;
            }
        }
        Ok(())
    }

    /// Writes the pixels of every run that lie in `rows`, run by run.
    fn paint_runs(&self, rows: Range<u32>, pixels: &mut [T]) -> Result<(), Fault> {
        let (width, background) = (self.shape.width as usize, self.background);
        let before = u64::from(rows.start) * u64::from(self.shape.width);
        let end = before + pixels.len() as u64;
        if !self.prefilled {
            fill(pixels, background);
        }
        let mut lines = Lines::new(self.shape.height);
        for (label, runs) in self.runs.iter() {
            let label = T::from_u64(label).unwrap_or_default();
            for &run in runs {
                let mut painted = Ok(());
                match self.order {
                    ScanOrder::RowMajor => {
                        let (start, end) = (run.start.max(before), run.end().min(end));
                        if start < end {
                            painted = paint(
                                &mut pixels[(start - before) as usize..(end - before) as usize],
                                label,
                                background,
                            );
                        }
                    }
                    ScanOrder::ColumnMajor => lines.cut(run, |piece| {
                        let (top, bottom) = (piece.start.max(rows.start), piece.end.min(rows.end));
                        if piece.lines as usize == width && top < bottom {
                            // Rows without a gap.
                            let rows = (top - rows.start) as usize * width..(bottom - rows.start) as usize * width;
                            painted = paint(&mut pixels[rows], label, background);
                            return;
                        }
                        for row in top..bottom {
                            let first = (row - rows.start) as usize * width + piece.line as usize;
                            if let Err(fault) = paint(&mut pixels[first..][..piece.lines as usize], label, background) {
                                painted = Err(fault);
                            }
                        }
                    }),
                }
                painted?;
            }
        }
        Ok(())
    }
}

/// Writes something to every page of `pixels`, all of which hold the background. A page of new memory that is read first is
/// paid for twice: the system maps a page of zeros, and another one when it is written.
fn touch<T: Label>(pixels: &mut [T], background: T) {
    const PAGE: usize = 4096;
    pixels.iter_mut().step_by(PAGE / size_of::<T>()).for_each(|pixel| *pixel = background);
    if let Some(last) = pixels.last_mut() {
        *last = background;
    }
}

/// The segments of `rows`, and the scan lines that runs fill: all columns, but only those rows. And the pixels of all runs.
fn segments<T: Label>(
    runs: &LabelRuns,
    shape: Shape,
    order: ScanOrder,
    rows: &Range<u32>,
) -> Result<(Way<T>, u64), Fault> {
    let threads = rayon::current_num_threads() as u64;
    let count = runs.run_count() as u64;
    // A part takes 4 bytes for each row. Its runs, each of which may be cut into three, are counted in 32 bits.
    let parts = (count / (rows.len() as u64).max(1)).clamp(1, threads).max(count.div_ceil(1 << 30));
    let stretch = |part: usize| (count * part as u64 / parts) as usize..(count * (part as u64 + 1) / parts) as usize;
    let planned = threads::map(parts as usize, |part| segments_of(runs, stretch(part), shape, order, rows));
    let (mut begins, mut all, mut area) = (Vec::new(), Vec::new(), 0);
    for planned in planned {
        let (begun, mut whole, pixels) = planned?;
        begins.push(begun);
        reserve(&mut all, whole.len(), "scan lines that runs fill")?;
        all.append(&mut whole);
        area += pixels;
    }
    all.sort_unstable_by_key(|whole: &Whole<T>| whole.lines.start);
    if all.windows(2).any(|pair| pair[1].lines.start < pair[0].lines.end) {
        return Err(Fault::Overlap);
    }
    Ok((Way::Segments(begins, all), area))
}

/// The same of some of the runs.
fn segments_of<T: Label>(
    runs: &LabelRuns,
    stretch: Range<usize>,
    shape: Shape,
    order: ScanOrder,
    rows: &Range<u32>,
) -> Result<(ByRow<T>, Vec<Whole<T>>, u64)> {
    // Nearly every run lies in one line, and mostly all rows are planned: then nothing has to be cut.
    let length = u64::from(shape.line_length(order));
    let all = *rows == (0..shape.height);
    let inside = |lines: &mut Lines, run: Run| {
        let (line, start) = lines.find(run.start);
        let end = start + run.length;
        let (row, column) = if order == ScanOrder::ColumnMajor { (start, line) } else { (line, start) };
        (all && end <= length).then_some((row as usize, column as u32, end as u32))
    };
    let mut lines = Lines::new(shape.line_length(order));
    let mut rest = Cut { order, rows: rows.clone(), lines: lines.clone() };
    let mut begins = ByRow::count(rows.len() as u64)?;
    let (mut whole_count, mut area) = (0, 0);
    for &run in &runs.runs()[stretch.clone()] {
        area += run.length;
        match inside(&mut lines, run) {
            Some((row, ..)) => begins.starts[row] += 1,
            None => whole_count += rest.count(run, &mut begins.starts),
        }
    }
    begins.fill()?;
    let mut whole: Vec<Whole<T>> = Vec::new();
    reserve(&mut whole, whole_count, "scan lines that runs fill")?;
    let (starts, segments) = (&mut begins.starts[..], &mut begins.segments[..]);
    let first = runs.offsets().partition_point(|&offset| offset <= stretch.start).saturating_sub(1);
    for (&label, of_label) in runs.labels().iter().zip(runs.offsets().windows(2)).skip(first) {
        let label = T::from_u64(label).unwrap_or_default();
        let of_label = of_label[0].max(stretch.start)..of_label[1].min(stretch.end);
        if of_label.start >= stretch.end {
            break;
        }
        for &run in &runs.runs()[of_label] {
            match inside(&mut lines, run) {
                Some((row, column, end)) => put(starts, segments, row, Segment { column, end, label }),
                None => rest.put(run, label, starts, segments, &mut whole),
            }
        }
    }
    Ok((begins.finish(), whole, area))
}

/// What is done with a run that does not lie in one line, or where only some rows are planned.
struct Cut {
    order: ScanOrder,
    rows: Range<u32>,
    lines: Lines,
}

impl Cut {
    /// The row in which a piece of one scan line begins, its column and its end.
    fn place(order: ScanOrder, rows: &Range<u32>, piece: Piece) -> Option<(usize, u32, u32)> {
        let (row, column, end) = match order {
            ScanOrder::ColumnMajor => (piece.start.max(rows.start), piece.line, piece.end),
            ScanOrder::RowMajor => (piece.line, piece.start, piece.end),
        };
        let inside = rows.contains(&row) && (order == ScanOrder::RowMajor || row < end);
        inside.then(|| ((row - rows.start) as usize, column, end))
    }

    /// Counts the pieces of a run by row; gives how many fill scan lines.
    #[cold]
    #[inline(never)]
    fn count(&mut self, run: Run, starts: &mut [u32]) -> usize {
        let Self { order, rows, lines } = self;
        let mut whole = 0;
        lines.cut(run, |piece| {
            if piece.lines > 1 {
                whole += 1;
            } else if let Some((row, ..)) = Self::place(*order, rows, piece) {
                starts[row] += 1;
            }
        });
        whole
    }

    /// Puts the pieces of a run where they belong.
    #[cold]
    #[inline(never)]
    fn put<T: Label>(
        &mut self,
        run: Run,
        label: T,
        starts: &mut [u32],
        segments: &mut [Segment<T>],
        whole: &mut Vec<Whole<T>>,
    ) {
        let Self { order, rows, lines } = self;
        lines.cut(run, |piece| {
            if piece.lines > 1 {
                whole.push(Whole { lines: piece.line..piece.line + piece.lines, label });
            } else if let Some((row, column, end)) = Self::place(*order, rows, piece) {
                put(starts, segments, row, Segment { column, end, label });
            }
        });
    }
}

/// Puts a segment to the next place of its row.
#[inline(always)]
fn put<T>(starts: &mut [u32], segments: &mut [Segment<T>], row: usize, segment: Segment<T>) {
    let place = &mut starts[row];
    segments[*place as usize] = segment;
    *place += 1;
}

/// Segments sorted by row, by counting: counted, then put, then read.
struct ByRow<T> {
    starts: Vec<u32>,
    segments: Vec<Segment<T>>,
}

impl<T: Label> ByRow<T> {
    fn count(rows: u64) -> Result<Self> {
        Ok(Self { starts: zeroed(rows + 1, "places of rows")?, segments: Vec::new() })
    }

    /// Turns counts into the first place of each row.
    fn fill(&mut self) -> Result<()> {
        let mut next = 0_u32;
        for start in &mut self.starts {
            next += std::mem::replace(start, next);
        }
        self.segments = zeroed(next.into(), "segments of runs")?;
        Ok(())
    }

    /// Every place has moved to where its row ends, which is where the next one starts.
    fn finish(mut self) -> Self {
        self.starts.rotate_right(1);
        self.starts[0] = 0;
        self
    }

    /// The segments that begin in some rows.
    #[inline(always)]
    fn at(&self, rows: Range<usize>) -> impl Iterator<Item = Segment<T>> {
        self.segments[self.starts[rows.start] as usize..self.starts[rows.end] as usize].iter().copied()
    }
}
