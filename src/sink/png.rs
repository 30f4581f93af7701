//! Grey PNG of 8 or 16 bits, deflated row by row.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use png::{BitDepth, ColorType, EncodingError, Filter};

use super::target::Target;
use super::{Progress, Sink};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::memory::zeroed;
use crate::shape::Shape;

/// Bytes of the file that are collected before they are written.
const BUFFER: usize = 1 << 16;

/// Writes a picture from top to bottom.
pub(super) struct PngSink<'w> {
    encoder: png::StreamWriter<'static, Encoded>,
    encoded: Encoded,
    target: Target<'w>,
    progress: Progress,
}

impl fmt::Debug for PngSink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PngSink").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// What the encoder has written and the target has not got yet: the encoder owns what it writes to, and does not give it
/// back when it is done.
#[derive(Clone, Default)]
struct Encoded(Arc<Mutex<Vec<u8>>>);

impl Encoded {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Encoded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(error: EncodingError) -> Error {
    let source = match error {
        EncodingError::IoError(error) => error,
        other => io::Error::other(other),
    };
    Error::Io { context: "encoding a PNG".into(), source }
}

impl<'w> PngSink<'w> {
    /// A picture of labels of 8 or 16 bits, at least one pixel.
    pub(super) fn new(target: Target<'w>, shape: Shape, dtype: Dtype) -> Result<Self> {
        // The encoder holds this row and the one before, filtered and not, and asks nobody whether there is room.
        zeroed::<u8>(4 * u64::from(shape.width) * dtype.bytes() as u64, "rows of a PNG")?;
        let encoded = Encoded::default();
        let mut encoder = png::Encoder::new(encoded.clone(), shape.width, shape.height);
        encoder.set_color(ColorType::Grayscale);
        encoder.set_depth(if dtype == Dtype::U8 { BitDepth::Eight } else { BitDepth::Sixteen });
        // A label is mostly the one above.
        encoder.set_filter(Filter::Up);
        let encoder = encoder.write_header().and_then(png::Writer::into_stream_writer).map_err(failed)?;
        Ok(Self { encoder, encoded, target, progress: Progress::new(shape, dtype) })
    }
}

impl Sink for PngSink<'_> {
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
            self.encoder.write_all(row).map_err(|error| failed(error.into()))?;
            let mut encoded = self.encoded.bytes();
            if encoded.len() >= BUFFER {
                self.target.write_all(&encoded).map_err(|error| self.target.error(error))?;
                encoded.clear();
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let Self { encoder, encoded, mut target, progress } = *self;
        progress.finish()?;
        encoder.finish().map_err(failed)?;
        target.write_all(&encoded.bytes()).map_err(|error| target.error(error))?;
        target.finish()
    }
}
