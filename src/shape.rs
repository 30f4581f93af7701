//! The size of a mask and the order in which its pixels are numbered.
//!
//! A shape's sides are `u32`, so that a pixel count and every position always fit into a `u64` without a check.

use std::fmt;

use crate::error::{Error, Result};
use crate::names::names;

/// Height and width of a mask in pixels; either may be 0.
///
/// Each side is at most 2^32 - 1, so that every position fits into a `u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Number of rows.
    pub height: u32,
    /// Number of columns.
    pub width: u32,
}

impl Shape {
    /// The shape of `height` rows and `width` columns; an error when a side does not fit into 32 bits.
    pub fn new(height: u64, width: u64) -> Result<Self> {
        let side = |name: &'static str, value: u64| {
            u32::try_from(value).map_err(|_| Error::LimitExceeded {
                what: format!("{name} of the mask, pixels"),
                limit: u64::from(u32::MAX),
                found: value,
            })
        };
        Ok(Self { height: side("height", height)?, width: side("width", width)? })
    }

    /// Number of pixels.
    pub fn pixels(self) -> u64 {
        u64::from(self.height) * u64::from(self.width)
    }

    /// The same mask with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { height: self.width, width: self.height }
    }

    /// Length of one scan line in pixels: the height in column-major order, the width in row-major order.
    pub fn line_length(self, order: ScanOrder) -> u32 {
        match order {
            ScanOrder::ColumnMajor => self.height,
            ScanOrder::RowMajor => self.width,
        }
    }

    /// Number of scan lines.
    pub fn lines(self, order: ScanOrder) -> u32 {
        self.transposed().line_length(order)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "height {} x width {}", self.height, self.width)
    }
}

/// The order in which pixels are numbered, whatever their layout in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ScanOrder {
    /// Down each column, then left to right: position = column * height + row (Fortran order).
    #[default]
    ColumnMajor,
    /// Along each row, then top to bottom: position = row * width + column (C order).
    RowMajor,
}

impl ScanOrder {
    /// The row and column of `position` in a mask of this shape, which must hold it.
    pub fn row_column(self, position: u64, shape: Shape) -> (u64, u64) {
        let length = u64::from(shape.line_length(self)).max(1);
        let (line, offset) = (position / length, position % length);
        match self {
            Self::ColumnMajor => (offset, line),
            Self::RowMajor => (line, offset),
        }
    }
}

names! {
    "a scan order", ScanOrder { ColumnMajor => "column-major" | "column", RowMajor => "row-major" | "row" }
}
