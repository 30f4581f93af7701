//! Grey PNG of 8 or 16 bits, deflated row by row.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use png::{BitDepth, ColorType, EncodingError, Filter};

use super::{Output, Progress, Sink};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::shape::Shape;

/// Writes a picture from top to bottom.
pub(super) struct PngSink {
    writer: png::StreamWriter<'static, Shared>,
    output: Shared,
    progress: Progress,
}

impl fmt::Debug for PngSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PngSink").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// The output, which the encoder does not give back when it is done.
#[derive(Clone)]
struct Shared(Arc<Mutex<Output>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl Shared {
    fn error(&self, error: EncodingError) -> Error {
        let error = match error {
            EncodingError::IoError(error) => error,
            other => io::Error::other(other),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).error(error)
    }
}

impl PngSink {
    /// A picture of labels of 8 or 16 bits, at least one pixel.
    pub(super) fn new(output: Output, shape: Shape, dtype: Dtype) -> Result<Self> {
        let output = Shared(Arc::new(Mutex::new(output)));
        let mut encoder = png::Encoder::new(output.clone(), shape.width, shape.height);
        encoder.set_color(ColorType::Grayscale);
        encoder.set_depth(if dtype == Dtype::U8 { BitDepth::Eight } else { BitDepth::Sixteen });
        // A label is mostly the one above.
        encoder.set_filter(Filter::Up);
        let writer = encoder.write_header().and_then(png::Writer::into_stream_writer);
        let writer = writer.map_err(|error| output.error(error))?;
        Ok(Self { writer, output, progress: Progress::new(shape, dtype) })
    }
}

impl Sink for PngSink {
    fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        self.progress.count(rows.len())?;
        let mut big_endian = Vec::new();
        let Progress { shape, dtype, .. } = self.progress;
        for row in rows.chunks_exact(shape.width as usize * dtype.bytes()) {
            let row = match dtype {
                Dtype::U16 => {
                    big_endian.clear();
                    let labels = row.as_chunks().0.iter();
                    big_endian.extend(labels.flat_map(|&label| u16::from_ne_bytes(label).to_be_bytes()));
                    &big_endian
                }
                _ => row,
            };
            self.writer.write_all(row).map_err(|error| self.output.error(error.into()))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let Self { writer, output, progress } = *self;
        progress.finish()?;
        writer.finish().map_err(|error| output.error(error))?;
        match Arc::into_inner(output.0) {
            Some(output) => output.into_inner().unwrap_or_else(PoisonError::into_inner).finish(),
            None => Err(Error::Io {
                context: "finishing a PNG".into(),
                source: io::Error::other("the encoder still holds the file"),
            }),
        }
    }
}
