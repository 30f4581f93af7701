//! Strips: the pieces of a mask that engines mark independently of each other.
//!
//! Gets a mask view whose columns are the scan lines (row-major masks arrive transposed, see
//! [`crate::boundary`]); gives pieces that cover it exactly once, in the order in which compaction joins them.
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

use crate::mask::{Label, LabelMask};

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
    pub fn new(mask: LabelMask<'a, T>, above: bool) -> Self {
        Self { mask, above: above && mask.shape().height > 0 }
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
