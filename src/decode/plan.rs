//! What begins in which row.

use std::ops::Range;

use super::columns::Scratch;
use super::{Decoder, Fault, fill, paint};
use crate::error::Result;
use crate::mask::Label;
use crate::memory::{reserve, zeroed};
use crate::runs::LabelRuns;
use crate::runs::lines::{Lines, Piece};
use crate::shape::{ScanOrder, Shape};

/// A stretch of one column (or of one row, for row-major runs) with one label.
#[derive(Clone, Copy, Debug, Default)]
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
    first: u32,
    background: T,
    /// Whether it is used that all pixels hold the background before anything is written.
    prefilled: bool,
    /// Whether so little is foreground that mending a row of background is faster than copying the whole row.
    sparse: bool,
    way: Way<T>,
}

enum Way<T> {
    /// Segments by the row they begin in, and the scan lines that runs fill, in ascending order.
    Segments(ByRow<T>, Vec<Whole<T>>),
    /// Nothing is planned: a mask of very long or very short rows.
    Paint,
}

impl<'a, T: Label> Plan<'a, T> {
    /// The plan of `rows`. What begins above them and reaches into them begins in the first of them.
    pub(super) fn new(decoder: &Decoder<'a>, background: T, prefilled: bool, rows: Range<u32>) -> Result<Self, Fault> {
        let (runs, shape, order) = (decoder.runs, decoder.shape, decoder.order);
        let way = if decoder.is_painted() { Way::Paint } else { segments(runs, shape, order, &rows)? };
        // Filling costs more than mending saves, unless little is foreground or the background is there already.
        let sparse = runs.area() < shape.pixels() / if prefilled { 2 } else { 8 };
        Ok(Self { runs, shape, order, first: rows.start, background, prefilled: prefilled && sparse, sparse, way })
    }

    /// The segments that reach past the last of `rows`, of `carried`, which reach into them, and of those that begin there.
    pub(super) fn carry(&self, rows: &Range<u32>, carried: &[Segment<T>]) -> Result<Vec<Segment<T>>> {
        let mut below = Vec::new();
        if self.order == ScanOrder::ColumnMajor
            && let Way::Segments(begins, _) = &self.way
        {
            let reaching = |segment: &Segment<T>| segment.end > rows.end;
            let all = || {
                let begun = begins.rows(rows.start - self.first..rows.end - self.first);
                carried.iter().copied().chain(begun).filter(reaching)
            };
            reserve(&mut below, all().count(), "segments of columns")?;
            below.extend(all());
        }
        Ok(below)
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
                for (row, pixels) in rows.zip(pixels.chunks_exact_mut(width)) {
                    columns.end(row);
                    for segment in begins.rows(row - self.first..row - self.first + 1) {
                        apart &= columns.put(row, segment);
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
        begins: &ByRow<T>,
        whole: &[Whole<T>],
        pixels: &mut [T],
    ) -> Result<(), Fault> {
        let mut whole = whole[whole.partition_point(|whole| whole.lines.end <= rows.start)..].iter().peekable();
        for (row, pixels) in rows.zip(pixels.chunks_exact_mut(self.shape.width as usize)) {
            whole.next_if(|whole| whole.lines.end <= row);
            let filled = whole.peek().filter(|whole| whole.lines.start <= row);
            match filled {
                Some(whole) => fill(pixels, whole.label),
                None if !self.prefilled => fill(pixels, self.background),
                None => {
                    for Segment { column, end, .. } in begins.rows(row - self.first..row - self.first + 1) {
                        touch(&mut pixels[column as usize..end as usize], self.background);
                    }
                }
            }
            for Segment { column, end, label } in begins.rows(row - self.first..row - self.first + 1) {
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

/// The segments of `rows`, and the scan lines that runs fill: all columns, but only those rows.
fn segments<T: Label>(runs: &LabelRuns, shape: Shape, order: ScanOrder, rows: &Range<u32>) -> Result<Way<T>, Fault> {
    // The row in which a piece of one scan line begins, its column and its end.
    let place = |piece: Piece| match order {
        ScanOrder::ColumnMajor => {
            let row = piece.start.max(rows.start);
            (row < piece.end.min(rows.end)).then(|| (row - rows.start, piece.line, piece.end))
        }
        ScanOrder::RowMajor => rows.contains(&piece.line).then(|| (piece.line - rows.start, piece.start, piece.end)),
    };
    let mut begins = ByRow::count(rows.len() as u64)?;
    let mut whole_count = 0;
    let mut lines = Lines::new(shape.line_length(order));
    for &run in runs.runs() {
        lines.cut(run, |piece| {
            if piece.lines > 1 {
                whole_count += 1;
            } else if let Some((row, ..)) = place(piece) {
                begins.add(row);
            }
        });
    }
    begins.fill()?;
    let mut whole: Vec<Whole<T>> = Vec::new();
    reserve(&mut whole, whole_count, "scan lines that runs fill")?;
    for (label, runs) in runs.iter() {
        let label = T::from_u64(label).unwrap_or_default();
        for &run in runs {
            lines.cut(run, |piece| {
                if piece.lines > 1 {
                    whole.push(Whole { lines: piece.line..piece.line + piece.lines, label });
                } else if let Some((row, column, end)) = place(piece) {
                    begins.put(row, Segment { column, end, label });
                }
            });
        }
    }
    whole.sort_unstable_by_key(|whole| whole.lines.start);
    if whole.windows(2).any(|pair| pair[1].lines.start < pair[0].lines.end) {
        return Err(Fault::Overlap);
    }
    Ok(Way::Segments(begins.finish(), whole))
}

/// Segments sorted by row, by counting: counted, then put, then read.
struct ByRow<T> {
    starts: Vec<usize>,
    /// Column and end. Zeroed memory is cheaper than segments.
    spans: Vec<[u32; 2]>,
    labels: Vec<T>,
}

impl<T: Label> ByRow<T> {
    fn count(rows: u64) -> Result<Self> {
        Ok(Self { starts: zeroed(rows + 1, "places of rows")?, spans: Vec::new(), labels: Vec::new() })
    }

    fn add(&mut self, row: u32) {
        self.starts[row as usize] += 1;
    }

    /// Turns counts into places.
    fn fill(&mut self) -> Result<()> {
        let mut next = 0;
        for start in &mut self.starts {
            next += std::mem::replace(start, next);
        }
        self.spans = zeroed(next as u64, "segments of runs")?;
        self.labels = zeroed(next as u64, "labels of segments")?;
        Ok(())
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

    /// The segments that begin in `rows`.
    fn rows(&self, rows: Range<u32>) -> impl Iterator<Item = Segment<T>> {
        let places = self.starts[rows.start as usize]..self.starts[rows.end as usize];
        let spans = self.spans[places.clone()].iter();
        spans.zip(&self.labels[places]).map(|(&[column, end], &label)| Segment { column, end, label })
    }
}
