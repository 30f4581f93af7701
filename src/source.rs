//! Sources: masks that are read row by row, from files or elsewhere.
//!
//! Gets a file or a stream; gives its shape, its label type and its rows from top to bottom, any number at a time, in
//! native byte order; guarantees that memory stays bounded by the rows asked for and a few tiles of the file, and that a
//! header's word alone never allocates.

pub mod synth;

use crate::error::Result;
use crate::mask::Dtype;
use crate::shape::Shape;

/// A mask that is read from top to bottom.
pub trait Source: Send {
    /// Height and width.
    fn shape(&self) -> Shape;

    /// The type of its labels.
    fn dtype(&self) -> Dtype;

    /// Reads the next rows into `rows`: a whole number of rows of `width` labels in native byte order, never more than
    /// are left.
    fn read_rows(&mut self, rows: &mut [u8]) -> Result<()>;

    /// The number of rows that are cheapest to read at once: the height of a tile, or 1.
    fn row_group(&self) -> u32 {
        1
    }
}
