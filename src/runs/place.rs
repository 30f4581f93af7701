//! A mask moved into the frame of another: cut out, shifted, padded, or a block in the positions of the whole.
//!
//! Gets runs and where their first pixel goes in a mask of another shape; gives the maximal runs of what lies inside it. Time
//! is proportional to runs that go in and come out, never to pixels.

use super::build::{Empty, Tail, build};
use super::{LabelRuns, Run, lines};
use crate::error::{Error, Result};
use crate::shape::{ScanOrder, Shape};

/// Some rows and columns of a mask.
///
/// ```
/// use runmask::{Shape, Window};
/// let window = Window::new(10, 20, 5, 8);
/// assert!(window.check(Shape { height: 15, width: 28 }).is_ok());
/// assert!(window.check(Shape { height: 14, width: 28 }).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    row: u32,
    column: u32,
    shape: Shape,
}

impl Window {
    /// The window of `height` rows from `row` on and `width` columns from `column` on.
    pub fn new(row: u32, column: u32, height: u32, width: u32) -> Self {
        Self { row, column, shape: Shape { height, width } }
    }

    /// All of a mask.
    pub fn whole(shape: Shape) -> Self {
        Self { row: 0, column: 0, shape }
    }

    /// First row.
    pub fn row(self) -> u32 {
        self.row
    }

    /// First column.
    pub fn column(self) -> u32 {
        self.column
    }

    /// Rows and columns.
    pub fn shape(self) -> Shape {
        self.shape
    }

    /// An error unless the window lies inside a mask of `shape`.
    ///
    /// # Errors
    /// [`Error::Argument`] says by how much it reaches outside.
    pub fn check(self, shape: Shape) -> Result<()> {
        let end = |from: u32, count: u32| u64::from(from) + u64::from(count);
        let (rows, columns) = (end(self.row, self.shape.height), end(self.column, self.shape.width));
        if rows <= u64::from(shape.height) && columns <= u64::from(shape.width) {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "the window of rows {} to {rows} and columns {} to {columns} reaches outside the mask ({shape})",
            self.row, self.column
        )))
    }
}

/// Runs that may come out whatever goes in.
const ALWAYS: usize = 1 << 22;
/// Runs that may come out for one that goes in, beside those: a run that fills many lines becomes one in each of them, but
/// the runs of one label fill each line once.
const FOR_EACH: usize = 64;

impl LabelRuns {
    /// The part of the mask that lies in a window, as a mask of the window's shape. Labels that are left without pixels are
    /// left out.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when the mask's shape is not known; [`Error::Argument`] when the window reaches outside it.
    pub fn crop(&self, window: Window) -> Result<Self> {
        window.check(self.shape_for("cutting out a window")?)?;
        self.place((-i64::from(window.row), -i64::from(window.column)), window.shape)
    }

    /// The mask moved down by `rows` and to the right by `columns`, or the other way where they are negative, in a mask of
    /// the same shape. What leaves the mask is left out.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when the mask's shape is not known.
    pub fn shift(&self, rows: i64, columns: i64) -> Result<Self> {
        let shape = self.shape_for("shifting a mask")?;
        self.place((rows, columns), shape)
    }

    /// The mask with so many rows and columns of background above, on the left, below and on the right.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when the mask's shape is not known; [`Error::LimitExceeded`] when a side becomes 2^32 pixels
    /// or more.
    pub fn pad(&self, above: u32, left: u32, below: u32, right: u32) -> Result<Self> {
        let shape = self.shape_for("padding a mask")?;
        let side = |side: u32, before: u32, after: u32| u64::from(side) + u64::from(before) + u64::from(after);
        let larger = Shape::new(side(shape.height, above, below), side(shape.width, left, right))?;
        self.place((i64::from(above), i64::from(left)), larger)
    }

    /// The mask with its first pixel at a row and column, which may be negative, of a mask of `shape`. What lies outside is
    /// left out, and so are labels that are left without pixels.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when this mask's shape is not known; [`Error::LimitExceeded`] when absurdly many runs would
    /// come out, which is so for large areas of huge masks only.
    ///
    /// ```
    /// use runmask::{LabelMask, Shape};
    /// let runs = runmask::encode(&LabelMask::new(&[1u8, 2, 3, 4], Shape { height: 2, width: 2 })?)?;
    /// let placed = runs.place((-1, 1), Shape { height: 2, width: 3 })?;
    /// assert_eq!(runmask::decode::<u8>(&placed)?, [0, 3, 4, 0, 0, 0]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn place(&self, (row, column): (i64, i64), shape: Shape) -> Result<Self> {
        let own = self.shape_for("placing a mask")?;
        let (line, along) = match self.order {
            ScanOrder::ColumnMajor => (column, row),
            ScanOrder::RowMajor => (row, column),
        };
        let frame = Frame { line, along, lines: shape.lines(self.order), length: shape.line_length(self.order) };
        let from = own.line_length(self.order);
        let limit = ALWAYS.max(self.runs.len().saturating_mul(FOR_EACH));
        build(Some(shape), self.order, self.labels.len(), Empty::Drop, |index, runs| {
            let before = runs.len();
            let mut tail = Tail::new(runs, self.runs_at(index).len())?;
            let mut fits = Ok(true);
            lines::cut(self.runs_at(index), from, |piece| {
                if matches!(fits, Ok(true)) {
                    fits = frame.put(piece, &mut tail, limit);
                }
            });
            if !fits? {
                return Err(Error::LimitExceeded {
                    what: format!("label {}: runs in a mask of {shape}", self.labels[index]),
                    limit: limit as u64,
                    found: (runs.len() - before) as u64,
                });
            }
            Ok(self.labels[index])
        })
    }

    fn shape_for(&self, what: &str) -> Result<Shape> {
        self.shape.ok_or_else(|| Error::UnknownShape { what: what.into() })
    }
}

/// Where the first pixel goes, and the shape of the mask that it goes into, by lines and places along them.
struct Frame {
    line: i64,
    along: i64,
    lines: u32,
    length: u32,
}

impl Frame {
    /// Adds what of a piece lies inside; whether no more runs than the limit came of it.
    #[inline]
    fn put(&self, piece: lines::Piece, tail: &mut Tail<'_>, limit: usize) -> Result<bool> {
        // Sides fit into 32 bits, so these sums do not wrap unless the place is absurdly far away.
        let inside = |at: u32, by: i64, end: u32| i64::from(at).saturating_add(by).clamp(0, i64::from(end)) as u64;
        let (start, end) = (inside(piece.start, self.along, self.length), inside(piece.end, self.along, self.length));
        let first = inside(piece.line, self.line, self.lines);
        let last = i64::from(piece.line) + i64::from(piece.lines);
        let last = last.saturating_add(self.line).clamp(0, i64::from(self.lines)) as u64;
        let whole = u64::from(self.length);
        if start >= end || first >= last {
            return Ok(true);
        }
        if end - start == whole {
            tail.make_room(1)?;
            tail.push(Run { start: first * whole, length: (last - first) * whole });
            return Ok(tail.added().len() <= limit);
        }
        for line in first..last {
            tail.make_room(1)?;
            tail.push(Run { start: line * whole + start, length: end - start });
            if tail.added().len() > limit {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runs::testing::{ORDERS, Pixels, for_threads, masks};

    fn placed(pixels: &Pixels, (row, column): (i64, i64), shape: Shape) -> Pixels {
        let mut result = Pixels::new(shape.height, shape.width);
        for r in 0..shape.height {
            for c in 0..shape.width {
                result.set(r, c, pixels.get(i64::from(r) - row, i64::from(c) - column));
            }
        }
        result
    }

    proptest! {
        #[test]
        fn placed_pixels_are_those_of_the_mask(
            pixels in masks(),
            row in -160_i64..160,
            column in -160_i64..160,
            height in 1_u32..40,
            width in 1_u32..40,
        ) {
            let shape = Shape { height, width };
            for order in ORDERS {
                let runs = pixels.encode(order);
                // Mostly near enough that something stays.
                for at in [(row, column), (row % 4, column % 4)] {
                    let [found, many] = for_threads(|| runs.place(at, shape).unwrap());
                    prop_assert_eq!(&found, &many);
                    prop_assert_eq!(found, placed(&pixels, at, shape).encode(order));
                }
                prop_assert_eq!(runs.shift(row % 5, column % 5).unwrap(), placed(&pixels, (row % 5, column % 5), pixels.shape).encode(order));
                let (above, left) = (row.unsigned_abs() as u32, column.unsigned_abs() as u32);
                let padded = runs.pad(above, left, height, width).unwrap();
                let larger = Shape { height: pixels.shape.height + above + height, width: pixels.shape.width + left + width };
                prop_assert_eq!(padded, placed(&pixels, (i64::from(above), i64::from(left)), larger).encode(order));
            }
        }

        #[test]
        fn a_window_is_cut_out_or_refused(pixels in masks(), row in 0_u32..30, column in 0_u32..30, height in 0_u32..30, width in 0_u32..30) {
            let window = Window::new(row, column, height, width);
            let inside = row + height <= pixels.shape.height && column + width <= pixels.shape.width;
            for order in ORDERS {
                match pixels.encode(order).crop(window) {
                    Ok(found) => {
                        prop_assert!(inside);
                        prop_assert_eq!(found, placed(&pixels, (-i64::from(row), -i64::from(column)), window.shape()).encode(order));
                    }
                    Err(error) => {
                        prop_assert!(!inside);
                        prop_assert!(error.to_string().contains("reaches outside the mask"));
                    }
                }
            }
        }
    }

    #[test]
    fn the_ends_of_the_largest_mask() {
        let side = u32::MAX;
        let shape = Shape { height: side, width: side };
        let full = vec![Run { start: 0, length: shape.pixels() }];
        for order in ORDERS {
            let all = LabelRuns::from_parts(Some(shape), order, vec![1], vec![0, 1], full.clone()).unwrap();
            let corner = all.crop(Window::new(side - 3, side - 2, 3, 2)).unwrap();
            assert_eq!(corner.runs(), [Run { start: 0, length: 6 }]);
            assert_eq!(all.place((i64::MAX, i64::MIN), shape).unwrap().run_count(), 0);
            assert_eq!(all.shift(0, 0).unwrap(), all);
            // All lines less one pixel each.
            assert!(matches!(all.shift(1, 1), Err(Error::LimitExceeded { .. })));
            assert!(matches!(all.pad(1, 0, 0, 0), Err(Error::LimitExceeded { .. })));
            assert!(all.crop(Window::new(side, side, 1, 0)).is_err());
        }
    }

    #[test]
    fn without_a_shape_nothing_is_placed() {
        let runs = LabelRuns::empty(None, ScanOrder::RowMajor);
        let error = runs.shift(1, 0).unwrap_err();
        assert_eq!(error.to_string(), "shifting a mask: height and width must be known");
        assert!(matches!(runs.crop(Window::new(0, 0, 0, 0)), Err(Error::UnknownShape { .. })));
    }
}
