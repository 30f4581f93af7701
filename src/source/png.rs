//! PNG masks: grey, 1 to 16 bits, stored values as they are.
//!
//! Gets a stream; gives rows as they are inflated, one at a time. An interlaced picture has its rows all over the file:
//! it is read whole when memory allows it. Colour, alpha and palettes are refused.

use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use png::{ColorType, DecodingError, Limits, Transformations};

use super::samples::Samples;
use super::{Source, check_row, row_count};
use crate::error::{Error, Place, Result};
use crate::mask::Dtype;
use crate::shape::Shape;

/// Deflate makes at most this many bytes of one.
const LARGEST_FACTOR: u64 = 1032;

/// A picture that is read from top to bottom.
pub(crate) struct PngSource {
    reader: png::Reader<Forward>,
    name: PathBuf,
    samples: Samples,
    shape: Shape,
    next_row: u32,
    /// One stored row, or all of them when the picture is interlaced.
    stored: Vec<u8>,
    interlaced: bool,
}

impl fmt::Debug for PngSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PngSource").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// A stream that the decoder takes for a seekable one; it never seeks in pictures without animation.
struct Forward(Box<dyn BufRead + Send>);

impl Read for Forward {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl BufRead for Forward {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

impl Seek for Forward {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::NotSeekable.into())
    }
}

impl PngSource {
    /// Opens the picture in `stream`, which has `length` bytes when that is known.
    pub(crate) fn open(stream: Box<dyn BufRead + Send>, name: &Path, length: Option<u64>, memory: u64) -> Result<Self> {
        let limit = usize::try_from(memory).unwrap_or(usize::MAX);
        let mut decoder = png::Decoder::new_with_limits(Forward(stream), Limits { bytes: limit });
        decoder.set_transformations(Transformations::IDENTITY);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        decoder.ignore_checksums(false);
        let failed = |error| failed(error, name, Place::File);
        let info = decoder.read_header_info().map_err(failed)?;
        let shape = Shape { height: info.height, width: info.width };
        let (color, bits, interlaced) = (info.color_type, info.bit_depth as u8, info.interlaced);
        let samples = match color {
            ColorType::Grayscale => Samples::new(u64::from(bits), false, true),
            _ => None,
        };
        let Some(samples) = samples else {
            let kind = match color {
                ColorType::Rgb => "colour",
                ColorType::Rgba => "colour and alpha",
                ColorType::GrayscaleAlpha => "grey and alpha",
                ColorType::Indexed => "palette colour",
                ColorType::Grayscale => "grey of an odd depth",
            };
            return Err(Error::Unsupported(format!("a PNG of {kind}; a label mask is grey")).in_file(name));
        };
        check_row(shape, samples.dtype()).map_err(|error| error.in_file(name))?;
        // A row and its filter byte; at most 2^31 rows of 2^28 bytes.
        let all = u64::from(shape.height) * samples.row_bytes(shape.width);
        if let Some(length) = length
            && all / LARGEST_FACTOR > length
        {
            let found = format!("a file of {length}, too few for them");
            return Err(Error::format(Place::File, format!("{all} bytes of pixels"), found).in_file(name));
        }
        if interlaced && all > memory {
            let what = "bytes of an interlaced PNG, which is held whole".into();
            return Err(Error::LimitExceeded { what, limit: memory, found: all }.in_file(name));
        }
        let reader = decoder.read_info().map_err(failed)?;
        Ok(Self { reader, name: name.to_path_buf(), samples, shape, next_row: 0, stored: Vec::new(), interlaced })
    }

    fn read_row(&mut self, labels: &mut [u8]) -> Result<()> {
        let stored_row = self.samples.row_bytes(self.shape.width) as usize;
        let place = Place::Part(format!("row {}", self.next_row));
        if self.interlaced {
            if self.next_row == 0 {
                self.stored.resize(stored_row * self.shape.height as usize, 0);
                self.reader.next_frame(&mut self.stored).map_err(|error| failed(error, &self.name, place))?;
            }
            let row = &self.stored[self.next_row as usize * stored_row..][..stored_row];
            // Unsigned samples have no fault.
            let _ = self.samples.decode(row, false, labels);
            return Ok(());
        }
        self.stored.resize(stored_row, 0);
        let row = if self.samples.in_place() { &mut *labels } else { &mut self.stored };
        match self.reader.read_row(row) {
            Ok(Some(_)) => {}
            Ok(None) => return Err(Error::format(place, "pixels", "the end of the picture").in_file(&self.name)),
            Err(error) => return Err(failed(error, &self.name, place)),
        }
        let _ = if self.samples.in_place() {
            self.samples.decode_in_place(false, labels)
        } else {
            self.samples.decode(&self.stored, false, labels)
        };
        Ok(())
    }
}

fn failed(error: DecodingError, name: &Path, place: Place) -> Error {
    match error {
        DecodingError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::format(place, "a whole PNG", "the end of the file").in_file(name)
        }
        DecodingError::IoError(error) => Error::io("reading", name, error),
        error => Error::format(place, "a sound PNG", error.to_string()).in_file(name),
    }
}

impl Source for PngSource {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        self.samples.dtype()
    }

    fn read_rows(&mut self, rows: &mut [u8]) -> Result<()> {
        let count = row_count(self.shape, self.dtype(), self.next_row, rows.len())?;
        let row_bytes = self.shape.width as usize * self.samples.dtype().bytes();
        for labels in rows.chunks_exact_mut(row_bytes) {
            self.read_row(labels)?;
            self.next_row += 1;
        }
        if count > 0 && self.next_row == self.shape.height {
            // What follows the pixels tells a whole file from one that was cut off.
            self.reader.finish().map_err(|error| failed(error, &self.name, Place::File))?;
        }
        Ok(())
    }
}
