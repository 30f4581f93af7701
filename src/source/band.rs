//! Some rows of a mask, as a mask of their own.

use std::ops::Range;

use super::{Repeat, Source, TakeBlock, check_left, row_count};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::shape::Shape;

/// A band of rows of a source.
pub(super) struct Band {
    source: Box<dyn Source>,
    shape: Shape,
    /// Rows above that are not passed over yet.
    above: u32,
    next_row: u32,
}

impl Band {
    /// The rows of a source, all of them where none are named.
    pub(super) fn of(source: Box<dyn Source>, rows: Option<Range<u32>>) -> Result<Box<dyn Source>> {
        let Some(rows) = rows else { return Ok(source) };
        let whole = source.shape();
        if rows.start > rows.end || rows.end > whole.height {
            let message = format!("rows {} to {} of a mask of {} rows", rows.start, rows.end, whole.height);
            return Err(Error::Argument(message));
        }
        let shape = Shape { height: rows.end - rows.start, width: whole.width };
        Ok(Box::new(Self { source, shape, above: rows.start, next_row: 0 }))
    }

    /// Passes over the rows above.
    fn begin(&mut self) -> Result<()> {
        match std::mem::take(&mut self.above) {
            0 => Ok(()),
            above => self.source.skip(above),
        }
    }
}

impl Source for Band {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        self.source.dtype()
    }

    fn band_rows(&self) -> u32 {
        self.source.band_rows()
    }

    fn stored_bytes(&self) -> Option<u64> {
        self.source.stored_bytes()
    }

    fn read(&mut self, rows: &mut [u8], repeats: Option<&mut Vec<Repeat>>) -> Result<()> {
        let count = row_count(self.shape, self.dtype(), self.next_row, rows.len())?;
        self.begin()?;
        self.source.read(rows, repeats)?;
        self.next_row += count;
        Ok(())
    }

    fn read_blocks(&mut self, rows: u32, take: TakeBlock<'_>) -> Result<u32> {
        self.begin()?;
        let count = self.source.read_blocks(rows.min(self.shape.height - self.next_row), take)?;
        self.next_row += count;
        Ok(count)
    }

    fn skip(&mut self, rows: u32) -> Result<()> {
        check_left(self.shape, self.next_row, rows)?;
        self.above += rows;
        self.next_row += rows;
        Ok(())
    }
}
