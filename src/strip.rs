//! Strips: the pieces of a mask that engines mark independently of each other.
//!
//! Gets a mask view whose columns are the scan lines (row-major masks arrive transposed, see
//! `boundary.rs`); gives pieces that cover it exactly once, in the order in which compaction joins them.
//!
//! ```text
//!        scan lines ->                         scan lines ->
//!      +----------------+                    +------+------+---+
//!    | | strip 0        |                  | |strip |strip | 2 |
//!    v +- row above 1 --+   cut across     v |  0   |  1   |   |   cut between
//!      | strip 1        |   the lines        |      |      |   |   the lines
//!      +----------------+                    +------+------+---+
//! ```
//!
//! Lines that run across the rows of memory are cut across, so that a strip is contiguous memory; every strip but the
//! first then carries the row above it, for the comparison at the seam. Lines that are contiguous in memory are cut
//! between.

use crate::error::{Error, Result};
use crate::mask::{Label, LabelMask};

/// Most pixels a strip may have, so that its boundaries are counted in 32 bits.
pub const MAX_STRIP_PIXELS: u64 = u32::MAX as u64;

/// A piece of a mask, as an engine sees it.
///
/// `mask` has the scan lines as its columns. With `above`, its first row belongs to the strip before: it is compared
/// with, but has no boundaries of its own here.
#[derive(Clone, Copy, Debug)]
pub struct Strip<'a, T> {
    mask: LabelMask<'a, T>,
    above: bool,
}

impl<'a, T: Label> Strip<'a, T> {
    /// A strip of `mask`, whose columns are the scan lines; with `above`, row 0 is the row above the strip.
    ///
    /// A mask without rows has no row above either, whatever `above` says.
    ///
    /// # Errors
    /// [`Error::Argument`] when there are more than [`MAX_STRIP_PIXELS`] pixels, the row above not counted.
    pub fn new(mask: LabelMask<'a, T>, above: bool) -> Result<Self> {
        let strip = Self { mask, above: above && mask.shape().height > 0 };
        let (lines, length) = (strip.lines(), strip.length());
        if u64::from(lines) * u64::from(length) > MAX_STRIP_PIXELS {
            return Err(Error::Argument(format!(
                "a strip of {length} pixels in {lines} lines has 2^32 pixels or more"
            )));
        }
        Ok(strip)
    }

    /// The pixels, with the row above as row 0 when [`Strip::above`] says so.
    pub fn mask(&self) -> LabelMask<'a, T> {
        self.mask
    }

    /// Whether row 0 of the pixels is the row above the strip.
    pub fn above(&self) -> bool {
        self.above
    }

    /// Number of scan lines.
    pub fn lines(&self) -> u32 {
        self.mask.shape().width
    }

    /// Pixels of each scan line in this strip, the row above not counted.
    pub fn length(&self) -> u32 {
        self.mask.shape().height - u32::from(self.above)
    }
}

/// How the scan lines of a mask lie in memory, which decides how the mask is cut into strips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// A row of memory holds one pixel of every line, so each strip holds a stretch of every line.
    Across,
    /// A row of memory is a line, so each strip holds some lines whole.
    Along,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    #[test]
    fn strips_whose_boundaries_could_not_be_counted_are_refused() {
        // One pixel, again and again.
        let mask = |height| LabelMask::with_strides(&[7u8], 0, Shape { height, width: 1 << 16 }, 0, 0).unwrap();
        assert!(matches!(Strip::new(mask(1 << 16), false), Err(Error::Argument(_))));
        assert!(Strip::new(mask((1 << 16) - 1), false).is_ok());
        assert!(Strip::new(mask(1 << 16), true).is_ok(), "the row above has no boundaries here");
    }

    #[test]
    fn there_is_no_row_above_without_rows() {
        let mask = LabelMask::new(&[0u8; 0], Shape { height: 0, width: 3 }).unwrap();
        assert_eq!(Strip::new(mask, true).unwrap().length(), 0);
    }
}
