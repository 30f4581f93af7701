//! Labels without a header: rows without gaps, little endian.

use std::io::Write;

use super::{Output, Progress, Sink, little_endian};
use crate::error::Result;
use crate::mask::Dtype;
use crate::shape::Shape;

/// Writes rows as they are.
#[derive(Debug)]
pub(super) struct RawSink {
    output: Output,
    progress: Progress,
}

impl RawSink {
    /// Goes on with `output`, which may hold a header.
    pub(super) fn new(output: Output, shape: Shape, dtype: Dtype) -> Self {
        Self { output, progress: Progress::new(shape, dtype) }
    }
}

impl Sink for RawSink {
    fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        self.progress.count(rows.len())?;
        let rows = little_endian(rows, self.progress.dtype);
        self.output.write_all(&rows).map_err(|error| self.output.error(error))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.progress.finish()?;
        self.output.finish()
    }
}
