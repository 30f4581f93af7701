//! Labels without a header: rows without gaps, little endian.

use std::io::Write;

use super::target::Target;
use super::{Progress, Sink, little_endian};
use crate::error::Result;
use crate::mask::Dtype;
use crate::shape::Shape;

/// Writes rows as they are.
#[derive(Debug)]
pub(super) struct RawSink<'w> {
    target: Target<'w>,
    progress: Progress,
}

impl<'w> RawSink<'w> {
    /// Goes on with a target, which may hold a header.
    pub(super) fn new(target: Target<'w>, shape: Shape, dtype: Dtype) -> Self {
        Self { target, progress: Progress::new(shape, dtype) }
    }
}

impl Sink for RawSink<'_> {
    fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        self.progress.count(rows.len())?;
        let rows = little_endian(rows, self.progress.dtype);
        self.target.write_all(&rows).map_err(|error| self.target.error(error))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.progress.finish()?;
        self.target.finish()
    }
}
