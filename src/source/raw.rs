//! Masks without a header: rows of samples without gaps.
//!
//! Gets bytes and a layout from elsewhere: the caller, or a header that was read before. The bytes must be as many as the
//! layout says, not fewer and not more.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::formats::Stream;
use super::random_access::{Cursor, RandomAccess};
use super::samples::Samples;
use super::{RawLayout, Repeat, Source, TakeBlock, check_left, row_count};
use crate::error::{Error, Place, Result};
use crate::mask::Dtype;
use crate::memory::{append, check_row};
use crate::shape::Shape;

/// Bytes one after another.
pub(crate) trait Bytes: Read + Send {
    /// Passes over some bytes; whether they are there, the next read says.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}

impl Bytes for Cursor {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.advance(bytes);
        Ok(())
    }
}

impl Bytes for Stream {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        io::copy(&mut self.by_ref().take(bytes), &mut io::sink()).map(drop)
    }
}

/// Rows of samples, one after another in a stream.
pub(crate) struct RowStream {
    stream: Box<dyn Bytes>,
    name: PathBuf,
    samples: Samples,
    shape: Shape,
    next_row: u32,
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

fn samples(layout: RawLayout) -> Samples {
    Samples::of(layout.dtype, false)
}

/// A file of nothing but labels.
pub(crate) fn from_file(file: RandomAccess, layout: RawLayout) -> Result<RowStream> {
    check_length(&file, 0, samples(layout), layout.shape)?;
    let name = file.name().to_path_buf();
    RowStream::new(Box::new(Cursor::new(file, 0)), &name, samples(layout), layout.shape)
}

/// A stream of nothing but labels.
pub(super) fn from_stream(stream: Stream, layout: RawLayout, name: &Path) -> Result<RowStream> {
    RowStream::new(Box::new(stream), name, samples(layout), layout.shape)
}

/// Checks that the samples from byte `start` on are as many as `shape` says.
pub(crate) fn check_length(file: &RandomAccess, start: u64, samples: Samples, shape: Shape) -> Result<()> {
    // A width of 2^32 - 1 and 8 bytes a sample: the product needs more than 64 bits.
    let expected = u128::from(samples.row_bytes(shape.width)) * u128::from(shape.height);
    let found = file.length().saturating_sub(start);
    if expected == u128::from(found) {
        return Ok(());
    }
    let expected = format!("{expected} bytes of labels ({shape}, {} bytes each)", samples.dtype().bytes());
    Err(Error::format(Place::Byte(start), expected, found.to_string()).in_file(file.name()))
}

impl RowStream {
    /// The rows that `stream` holds from where it is; it must end after the last.
    pub(crate) fn new(stream: Box<dyn Bytes>, name: &Path, samples: Samples, shape: Shape) -> Result<Self> {
        check_row(shape, samples.dtype()).map_err(|error| error.in_file(name))?;
        Ok(Self { stream, name: name.to_path_buf(), samples, shape, next_row: 0 })
    }

    fn wrong_length(&self, found: &str) -> Error {
        let expected = format!("labels of {}", self.shape);
        Error::format(Place::File, expected, found).in_file(&self.name)
    }
}

impl Source for RowStream {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        self.samples.dtype()
    }

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> Result<u32> {
        Ok(0)
    }

    fn read(&mut self, rows: &mut [u8], _: Option<&mut Vec<Repeat>>) -> Result<()> {
        let count = row_count(self.shape, self.dtype(), self.next_row, rows.len())?;
        let failed = |error: io::Error| Error::io("reading", &self.name, error);
        match self.stream.read_exact(rows) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.wrong_length(&format!("the end in row {} or later", self.next_row)));
            }
            Err(error) => return Err(failed(error)),
        }
        let row_bytes = self.samples.row_bytes(self.shape.width) as usize;
        for (row, number) in rows.chunks_exact_mut(row_bytes.max(1)).zip(u64::from(self.next_row)..) {
            let unfit = |found: super::samples::Unfit| found.error(number, 0).in_file(&self.name);
            self.samples.decode_in_place(false, row).map_err(unfit)?;
        }
        self.next_row += count;
        if count > 0 && self.next_row == self.shape.height {
            let mut more = Vec::new();
            append(&mut self.stream, 1, &mut more).map_err(failed)?;
            if !more.is_empty() {
                return Err(self.wrong_length("more bytes after them"));
            }
        }
        Ok(())
    }

    fn skip(&mut self, rows: u32) -> Result<()> {
        check_left(self.shape, self.next_row, rows)?;
        let bytes = u64::from(rows) * self.samples.row_bytes(self.shape.width);
        self.stream.skip(bytes).map_err(|error| Error::io("reading", &self.name, error))?;
        self.next_row += rows;
        Ok(())
    }

    fn band_rows(&self) -> u32 {
        1
    }

    fn stored_bytes(&self) -> Option<u64> {
        // Not compressed: whoever waits for the rows has waited for as many bytes.
        Some(u64::from(self.shape.height).saturating_mul(self.samples.row_bytes(self.shape.width)))
    }
}
