//! Any window of a mask as pixels, from its runs, without the rest of the mask.
//!
//! Gets runs, and works out once where each label lies; gives windows, at full size or every second, fourth ... row and column
//! of them; guarantees the pixels that decoding the whole mask would give there, and that labels that share a pixel of the
//! window are an error. A window takes time for the labels near it, their runs in its scan lines, and its pixels.

use super::boxes::Boxes;
use super::measure::Extents;
use super::{LabelRuns, Window, lines};
use crate::error::{Error, Result};
use crate::mask::Label;
use crate::memory::zeroed;
use crate::shape::{ScanOrder, Shape};
use crate::threads;

/// Smallest side of a cell, as a power of two.
const CELL_BITS: u32 = 8;

/// Decodes windows of a mask.
///
/// ```
/// use runmask::{LabelMask, Shape, Window, Windows};
/// let pixels = [0u8, 7, 7, 0, 7, 0];
/// let runs = runmask::encode(&LabelMask::new(&pixels, Shape { height: 2, width: 3 })?)?;
/// let windows = Windows::new(&runs, 0)?;
/// assert_eq!(windows.decode::<u8>(Window::new(0, 1, 2, 2), 1)?, [7, 7, 7, 0]);
/// assert_eq!(windows.decode::<u8>(Window::new(0, 0, 2, 3), 2)?, [0, 7]);
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Debug)]
pub struct Windows<'a> {
    runs: &'a LabelRuns,
    shape: Shape,
    background: u64,
    boxes: Boxes,
}

impl<'a> Windows<'a> {
    /// Prepares to decode windows of the mask of `runs` over a background.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when the runs carry no shape; [`Error::Argument`] when the background has runs;
    /// [`Error::LimitExceeded`] for more than 2^32 - 1 labels.
    pub fn new(runs: &'a LabelRuns, background: u64) -> Result<Self> {
        let shape = runs.shape.ok_or_else(|| Error::UnknownShape { what: "windows of a mask".into() })?;
        if runs.get(background).is_some_and(|runs| !runs.is_empty()) {
            return Err(Error::Argument(format!("label {background} has runs, but {background} is the background")));
        }
        let length = shape.line_length(runs.order);
        let mut extents = vec![Extents::default(); runs.labels.len()];
        threads::fill(&mut extents, 1024, |label| Extents::of(runs.runs_at(label), length));
        let boxes = Boxes::new(extents, shape, runs.order, CELL_BITS)?;
        Ok(Self { runs, shape, background, boxes })
    }

    /// Height and width of the whole mask.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Height and width of a window that is decoded at a scale: of each so many rows and columns the first is there.
    pub fn shape_of(window: Window, scale: u32) -> Shape {
        let Shape { height, width } = window.shape();
        Shape { height: height.div_ceil(scale.max(1)), width: width.div_ceil(scale.max(1)) }
    }

    /// The pixels of a window, in C order; of each `scale` rows and columns only the first, which is the nearest pixel that
    /// a pyramid would take. The window is in pixels of the mask, whatever the scale.
    ///
    /// # Errors
    /// [`Error::Argument`] when the window reaches outside the mask or the scale is no power of two;
    /// [`Error::LabelTooLarge`] when a label of the mask does not fit `T`; [`Error::Overlap`] when two labels share a pixel
    /// that is decoded; [`Error::Memory`] when there is no room for the pixels.
    pub fn decode<T: Label>(&self, window: Window, scale: u32) -> Result<Vec<T>> {
        self.check(window, scale)?;
        let mut pixels = zeroed(Self::shape_of(window, scale).pixels(), "the pixels of a window")?;
        self.decode_into(window, scale, &mut pixels)?;
        Ok(pixels)
    }

    /// Writes the pixels of a window, see [`Windows::decode`], to memory that has room for exactly these.
    ///
    /// # Errors
    /// Those of [`Windows::decode`], and [`Error::Argument`] when the room is too small or too large.
    pub fn decode_into<T: Label>(&self, window: Window, scale: u32, pixels: &mut [T]) -> Result<()> {
        self.check(window, scale)?;
        let shape = Self::shape_of(window, scale);
        if pixels.len() as u64 != shape.pixels() {
            let (found, expected) = (pixels.len(), shape.pixels());
            return Err(Error::Argument(format!("a window of {expected} pixels, but there is room for {found}")));
        }
        let narrow = |label: u64| {
            T::from_u64(label).ok_or_else(|| Error::LabelTooLarge {
                what: format!("a window of {}", T::DTYPE),
                label,
                largest: T::DTYPE.max(),
            })
        };
        let background = narrow(self.background)?;
        self.runs.labels.last().map_or(Ok(background), |&label| narrow(label))?;
        pixels.fill(background);
        if pixels.is_empty() {
            return Ok(());
        }
        let place = |line: u32, along: u32| match self.runs.order {
            ScanOrder::ColumnMajor => (line, along),
            ScanOrder::RowMajor => (along, line),
        };
        // From here on by lines and places along them: a window of columns, in a row-major array, or of rows.
        let (first_line, first_along) = place(window.column(), window.row());
        let (lines, length) = place(window.shape().width, window.shape().height);
        let (line_stride, along_stride) = match self.runs.order {
            ScanOrder::ColumnMajor => (1, shape.width as usize),
            ScanOrder::RowMajor => (shape.width as usize, 1),
        };
        let view = Extents { lines: (first_line, first_line + lines), along: (first_along, first_along + length) };
        let bits = scale.trailing_zeros();
        // The first of the sampled lines that is not before this one.
        let up = |line: u32| (line >> bits) + u32::from(line & (scale - 1) != 0);
        self.boxes.near(&view, |label| {
            let value = narrow(self.runs.labels[label])?;
            let mut overlap = None;
            self.pieces(label, &view, |line, along| {
                let from = up(line.start)..up(line.end);
                let (start, end) = (up(along.start), up(along.end));
                for line in from {
                    let first = line as usize * line_stride + start as usize * along_stride;
                    let count = (end - start) as usize;
                    if count == 0 || overlap.is_some() {
                        continue;
                    }
                    let last = first + (count - 1) * along_stride;
                    let stretch = &mut pixels[first..=last];
                    let mut taken = false;
                    for pixel in stretch.iter_mut().step_by(along_stride) {
                        taken |= *pixel != background;
                        *pixel = value;
                    }
                    if taken {
                        overlap = Some((line << bits, start << bits, end << bits));
                    }
                }
            });
            match overlap {
                Some((line, start, end)) => {
                    Err(self.overlap(label, first_line + line, first_along + start..first_along + end))
                }
                None => Ok(()),
            }
        })
    }

    /// The runs of a window, like [`LabelRuns::crop`], in time for what is near it.
    ///
    /// # Errors
    /// [`Error::Argument`] when the window reaches outside the mask.
    pub fn crop(&self, window: Window) -> Result<LabelRuns> {
        self.check(window, 1)?;
        if window.shape().pixels() == 0 {
            return Ok(LabelRuns::empty(Some(window.shape()), self.runs.order));
        }
        let (first_line, first_along, lines, length) = match self.runs.order {
            ScanOrder::ColumnMajor => (window.column(), window.row(), window.shape().width, window.shape().height),
            ScanOrder::RowMajor => (window.row(), window.column(), window.shape().height, window.shape().width),
        };
        let view = Extents { lines: (first_line, first_line + lines), along: (first_along, first_along + length) };
        let mut near = Vec::new();
        self.boxes.near(&view, |label| {
            near.push(label);
            Ok::<(), Error>(())
        })?;
        near.sort_unstable();
        let (mut labels, mut offsets, mut runs) = (Vec::new(), vec![0], Vec::new());
        for label in near {
            let before = runs.len();
            let mut tail = super::build::Tail::new(&mut runs, 0)?;
            self.pieces(label, &view, |lines, along| {
                let count = u64::from(along.end - along.start);
                for line in lines {
                    tail.push(super::Run {
                        start: u64::from(line) * u64::from(length) + u64::from(along.start),
                        length: count,
                    });
                }
            });
            if runs.len() > before {
                labels.push(self.runs.labels[label]);
                offsets.push(runs.len());
            }
        }
        Ok(LabelRuns { shape: Some(window.shape()), order: self.runs.order, labels, offsets, runs: runs.into() })
    }

    fn check(&self, window: Window, scale: u32) -> Result<()> {
        if !scale.is_power_of_two() {
            return Err(Error::Argument(format!(
                "a scale of {scale}: it must be a power of two, such as 1, 2, 4 or 8"
            )));
        }
        window.check(self.shape)
    }

    /// Calls `each` with what a label covers of the view: lines and places along them, from the view's first.
    #[inline]
    fn pieces(&self, label: usize, view: &Extents, mut each: impl FnMut(std::ops::Range<u32>, std::ops::Range<u32>)) {
        let length = self.shape.line_length(self.runs.order);
        let position = |line: u32, along: u32| u64::from(line) * u64::from(length) + u64::from(along);
        let (first, last) = (position(view.lines.0, view.along.0), position(view.lines.1 - 1, view.along.1));
        let runs = self.runs.runs_at(label);
        let from = runs.partition_point(|run| run.end() <= first);
        let to = from + runs[from..].partition_point(|run| run.start < last);
        lines::cut(&runs[from..to], length, |piece| {
            let clip = |start: u32, end: u32, view: (u32, u32)| start.max(view.0)..end.min(view.1);
            let (lines, along) =
                (clip(piece.line, piece.line + piece.lines, view.lines), clip(piece.start, piece.end, view.along));
            if lines.start < lines.end && along.start < along.end {
                each(
                    lines.start - view.lines.0..lines.end - view.lines.0,
                    along.start - view.along.0..along.end - view.along.0,
                );
            }
        });
    }

    /// The error for a label that shares one of these places of a line with another.
    #[cold]
    fn overlap(&self, label: usize, line: u32, along: std::ops::Range<u32>) -> Error {
        let length = u64::from(self.shape.line_length(self.runs.order));
        let range = u64::from(line) * length + u64::from(along.start)..u64::from(line) * length + u64::from(along.end);
        let inside = |index: usize, range: std::ops::Range<u64>| {
            let runs = self.runs.runs_at(index);
            let run = runs.get(runs.partition_point(|run| run.end() <= range.start))?;
            (run.start < range.end).then(|| run.start.max(range.start)..run.end().min(range.end))
        };
        let mut found = ([self.runs.labels[label]; 2], range.start);
        for other in (0..self.runs.labels.len()).filter(|&other| other != label) {
            if let Some(own) = inside(label, range.clone())
                && let Some(shared) = inside(other, own)
            {
                found = ([self.runs.labels[label], self.runs.labels[other]], shared.start);
                break;
            }
        }
        let (labels, position) = found;
        let (row, column) = self.runs.order.row_column(position, self.shape);
        Error::Overlap { what: format!("label {} overlaps label {}", labels[0], labels[1]), labels, row, column }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runs::Run;
    use crate::runs::testing::{ORDERS, Pixels, any_runs, masks};

    fn window_of(pixels: &Pixels, window: Window, scale: u32) -> Vec<u64> {
        let Shape { height, width } = window.shape();
        let rows = (0..height).step_by(scale as usize);
        rows.flat_map(|r| {
            let columns = (0..width).step_by(scale as usize);
            columns.map(move |c| pixels.get(i64::from(window.row() + r), i64::from(window.column() + c)))
        })
        .collect()
    }

    proptest! {
        #[test]
        fn a_window_is_that_part_of_the_mask(
            pixels in masks(),
            row in 0_u32..200,
            column in 0_u32..200,
            height in 0_u32..60,
            width in 0_u32..60,
            scale in 0_u32..4,
        ) {
            // Mostly inside.
            let (row, column) = (row % (pixels.shape.height + 1), column % (pixels.shape.width + 1));
            for (height, width) in [(height, width), (height.min(pixels.shape.height - row), width.min(pixels.shape.width - column))] {
                let window = Window::new(row, column, height, width);
                for order in ORDERS {
                    let runs = pixels.encode(order);
                    let windows = Windows::new(&runs, 0).unwrap();
                    let found = windows.decode::<u64>(window, 1 << scale);
                    if window.check(pixels.shape).is_err() {
                        prop_assert!(matches!(found, Err(Error::Argument(_))));
                        prop_assert!(windows.crop(window).is_err());
                        continue;
                    }
                    prop_assert_eq!(found.unwrap(), window_of(&pixels, window, 1 << scale));
                    prop_assert_eq!(windows.crop(window).unwrap(), runs.crop(window).unwrap());
                }
            }
        }

        #[test]
        fn labels_that_share_a_pixel_of_the_window_are_an_error(runs in any_runs(), row in 0_u32..12, column in 0_u32..12, scale in 0_u32..3) {
            let shape = runs.shape().unwrap();
            let (row, column) = (row % shape.height, column % shape.width);
            let window = Window::new(row, column, shape.height - row, shape.width - column);
            let windows = Windows::new(&runs, 99).unwrap();
            let covering = |row: u64, column: u64| -> Vec<u64> {
                let position = match runs.order() {
                    ScanOrder::ColumnMajor => column * u64::from(shape.height) + row,
                    ScanOrder::RowMajor => row * u64::from(shape.width) + column,
                };
                runs.iter().filter(|(_, runs)| runs.iter().any(|run| (run.start..run.end()).contains(&position))).map(|(label, _)| label).collect()
            };
            let rows = || (row..shape.height).step_by(1 << scale);
            let columns = || (column..shape.width).step_by(1 << scale);
            let overlaps = rows().any(|r| columns().any(|c| covering(u64::from(r), u64::from(c)).len() > 1));
            match windows.decode::<u8>(window, 1 << scale) {
                Ok(_) => prop_assert!(!overlaps),
                Err(Error::Overlap { labels, row, column, .. }) => {
                    prop_assert!(overlaps);
                    let covering = covering(row, column);
                    prop_assert!(labels[0] != labels[1] && labels.iter().all(|label| covering.contains(label)));
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }

    #[test]
    fn labels_of_many_cells_and_of_few_are_found_once() {
        // Single pixels in a grid, and long lines over many cells.
        let shape = Shape { height: 8000, width: 10_000 };
        let mut parts = (Vec::new(), vec![0], Vec::new());
        for label in 1..2000_u64 {
            parts.0.push(label);
            if label < 1000 {
                let (row, column) = (label * 7919 % 8000, (label * 104_729 % 10_000) | 1);
                parts.2.push(Run { start: column * 8000 + row, length: 1 });
            } else {
                parts.2.push(Run { start: (label * 4 + 2) * 8000 + label / 2, length: 6000 });
            }
            parts.1.push(parts.2.len());
        }
        for order in ORDERS {
            let shape = if order == ScanOrder::RowMajor { shape.transposed() } else { shape };
            let runs =
                LabelRuns::from_parts(Some(shape), order, parts.0.clone(), parts.1.clone(), parts.2.clone()).unwrap();
            let windows = Windows::new(&runs, 0).unwrap();
            assert!(windows.boxes.are_of_both_kinds());
            for index in 0..50 {
                let at = |factor: u32, side: u32| index * factor % (side - 1000);
                let window = Window::new(at(7907, shape.height), at(6151, shape.width), 1000, 999);
                assert_eq!(windows.crop(window).unwrap(), runs.crop(window).unwrap());
            }
            let whole = windows.decode::<u16>(Window::whole(shape), 16).unwrap();
            let expected = crate::decode::<u16>(&runs).unwrap();
            let rows = (0..shape.height as usize).step_by(16);
            let sampled =
                rows.flat_map(|r| expected[r * shape.width as usize..][..shape.width as usize].iter().step_by(16));
            assert!(whole.iter().eq(sampled));
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_named() {
        let runs = Pixels::parse("1 1 .\n. 5 .").encode(ScanOrder::ColumnMajor);
        let runs = LabelRuns { labels: vec![1, 500], ..runs };
        let windows = Windows::new(&runs, 0).unwrap();
        let message = |result: Result<Vec<u8>>| result.unwrap_err().to_string();
        assert_eq!(
            message(windows.decode(Window::new(1, 0, 2, 1), 1)),
            "the window of rows 1 to 3 and columns 0 to 1 reaches outside the mask (height 2 x width 3)"
        );
        assert_eq!(
            message(windows.decode(Window::new(0, 0, 1, 1), 3)),
            "a scale of 3: it must be a power of two, such as 1, 2, 4 or 8"
        );
        assert!(matches!(windows.decode::<u8>(Window::new(0, 0, 1, 1), 0), Err(Error::Argument(_))));
        assert!(matches!(
            windows.decode::<u8>(Window::new(0, 0, 1, 1), 1),
            Err(Error::LabelTooLarge { label: 500, .. })
        ));
        assert_eq!(windows.decode::<u16>(Window::new(1, 1, 1, 2), 1 << 31).unwrap(), [500]);
        assert!(windows.decode_into::<u16>(Window::new(0, 0, 1, 1), 1, &mut [0; 2]).is_err());
        assert!(matches!(Windows::new(&runs, 500), Err(Error::Argument(_))));
        assert!(matches!(
            Windows::new(&LabelRuns::empty(None, ScanOrder::RowMajor), 0),
            Err(Error::UnknownShape { .. })
        ));
    }

    #[test]
    fn the_ends_of_the_largest_mask() {
        let side = u32::MAX;
        let shape = Shape { height: side, width: side };
        for order in ORDERS {
            let list = vec![Run { start: 1, length: shape.pixels() - 1 }];
            let runs = LabelRuns::from_parts(Some(shape), order, vec![3], vec![0, 1], list).unwrap();
            let windows = Windows::new(&runs, 0).unwrap();
            assert_eq!(windows.decode::<u8>(Window::new(0, 0, 1, 2), 1).unwrap(), [0, 3]);
            assert_eq!(windows.decode::<u8>(Window::new(side - 2, side - 2, 2, 2), 1).unwrap(), [3; 4]);
            assert_eq!(windows.decode::<u8>(Window::whole(shape), 1 << 31).unwrap(), [0, 3, 3, 3]);
            assert!(matches!(windows.decode::<u8>(Window::whole(shape), 1), Err(Error::Memory { .. })));
        }
    }
}
