//! Arrays in Fortran order: columns one after another, read as rows.
//!
//! ```text
//!   file   | column 0 | column 1 | column 2 | ...
//!               ^^^         ^^^        ^^^            one read a column: its samples of the rows asked for
//! ```
//!
//! Reads of a few bytes each would take too long, so rows are read many at once: directly when the caller asks for many,
//! otherwise into a buffer. Short columns are read many at once, when all of their rows are asked for.

use super::super::random_access::RandomAccess;
use super::super::samples::Samples;
use super::super::{Repeat, Source, TakeBlock, check_left, row_count};
use crate::error::Result;
use crate::mask::Dtype;
use crate::memory::{check_row, zeroed};
use crate::shape::Shape;

/// Bytes of a column that are worth a read of their own.
const COLUMN_BYTES: u64 = 1 << 12;

/// Bytes of whole columns that are read at once.
const READ_BYTES: usize = 1 << 18;

/// Columns that are transposed together, so that rows are written in pieces longer than a label.
const COLUMNS: usize = 32;

/// An array in Fortran order.
#[derive(Debug)]
pub(crate) struct FortranSource {
    file: RandomAccess,
    data: u64,
    samples: Samples,
    shape: Shape,
    /// Rows that are read at once.
    group: u32,
    next_row: u32,
    /// Labels of the rows from `next_row` on that were read ahead.
    ahead: Vec<u8>,
    taken: usize,
}

impl FortranSource {
    /// The array whose first sample is at byte `data`.
    pub(crate) fn new(file: RandomAccess, data: u64, samples: Samples, shape: Shape, memory: u64) -> Result<Self> {
        check_row(shape, samples.dtype()).map_err(|error| error.in_file(file.name()))?;
        let bytes = samples.dtype().bytes() as u64;
        let fit = memory / 2 / (u64::from(shape.width) * bytes).max(1);
        // At most the height.
        let group = (COLUMN_BYTES / bytes).min(fit).clamp(1, u64::from(shape.height).max(1)) as u32;
        Ok(Self { file, data, samples, shape, group, next_row: 0, ahead: Vec::new(), taken: 0 })
    }

    /// Reads the rows from `first` on that `rows` holds.
    fn transpose(&self, first: u32, rows: &mut [u8]) -> Result<()> {
        let bytes = self.samples.dtype().bytes();
        let row_bytes = self.shape.width as usize * bytes;
        let height = rows.len() / row_bytes;
        let column_bytes = height * bytes;
        // Whole columns follow one another.
        let whole = height == self.shape.height as usize;
        let together = if whole { COLUMNS.max(READ_BYTES / column_bytes) } else { COLUMNS };
        let together = together.min(self.shape.width as usize);
        let mut columns = zeroed((together * column_bytes) as u64, "columns of the mask")?;
        let mut unfit = None;
        for left in (0..self.shape.width as usize).step_by(together) {
            let count = together.min(self.shape.width as usize - left);
            let columns = &mut columns[..count * column_bytes];
            let sample = |index: usize| index as u64 * u64::from(self.shape.height) + u64::from(first);
            if whole {
                self.file.read_exact_at(columns, self.data + sample(left) * bytes as u64, "labels")?;
            }
            for (column, index) in columns.chunks_exact_mut(column_bytes).zip(left..) {
                if !whole {
                    self.file.read_exact_at(column, self.data + sample(index) * bytes as u64, "labels")?;
                }
                if let Err(found) = self.samples.decode_in_place(false, column) {
                    // A column's samples are rows here. The first in reading order is told, as in any other file.
                    let row = found.column as u64;
                    if unfit.is_none_or(|(before, _, _)| row < before) {
                        unfit = Some((row, index as u64, found));
                    }
                }
            }
            for (row, labels) in rows.chunks_exact_mut(row_bytes).enumerate() {
                let labels = labels[left * bytes..][..count * bytes].chunks_exact_mut(bytes);
                for (label, column) in labels.zip(columns.chunks_exact(column_bytes)) {
                    label.copy_from_slice(&column[row * bytes..][..bytes]);
                }
            }
        }
        match unfit {
            Some((row, column, mut found)) => {
                found.column = 0;
                Err(found.error(u64::from(first) + row, column).in_file(self.file.name()))
            }
            None => Ok(()),
        }
    }
}

impl Source for FortranSource {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        self.samples.dtype()
    }

    fn skip(&mut self, rows: u32) -> Result<()> {
        check_left(self.shape, self.next_row, rows)?;
        let bytes = rows as usize * self.shape.width as usize * self.samples.dtype().bytes();
        self.taken = self.ahead.len().min(self.taken.saturating_add(bytes));
        self.next_row += rows;
        Ok(())
    }

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> Result<u32> {
        Ok(0)
    }

    fn read(&mut self, mut rows: &mut [u8], _: Option<&mut Vec<Repeat>>) -> Result<()> {
        row_count(self.shape, self.dtype(), self.next_row, rows.len())?;
        let row_bytes = self.shape.width as usize * self.samples.dtype().bytes();
        while !rows.is_empty() {
            if self.taken == self.ahead.len() {
                let asked = rows.len() / row_bytes;
                if asked >= self.group as usize {
                    self.transpose(self.next_row, rows)?;
                    self.next_row += asked as u32;
                    return Ok(());
                }
                let height = self.group.min(self.shape.height - self.next_row) as usize;
                let mut ahead = std::mem::take(&mut self.ahead);
                self.taken = 0;
                ahead.resize(height * row_bytes, 0);
                self.transpose(self.next_row, &mut ahead)?;
                self.ahead = ahead;
            }
            let count = rows.len().min(self.ahead.len() - self.taken);
            rows[..count].copy_from_slice(&self.ahead[self.taken..][..count]);
            self.taken += count;
            self.next_row += (count / row_bytes) as u32;
            rows = &mut rows[count..];
        }
        Ok(())
    }

    fn band_rows(&self) -> u32 {
        self.group
    }

    fn stored_bytes(&self) -> Option<u64> {
        Some(self.file.length())
    }
}
