//! PNG masks: grey, 1 to 16 bits, stored values as they are.
//!
//! Gets a stream; gives rows as they are inflated, one at a time. An interlaced picture has its rows all over the file:
//! it is read whole when memory allows it. Colour, alpha and palettes are refused.
//!
//! Compressed data that goes on after the last row is passed over, as all readers of the format do: the decoder gives no
//! way to see it, and every row that the header promises is there and under a checksum.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use png::{ColorType, DecodingError, Limits, Transformations};

use super::formats::FileFormat;
use super::random_access::Cursor;
use super::samples::Samples;
use super::{Repeat, STREAM_BUFFER, Source, TakeBlock, row_count, skip_by_reading};
use crate::error::{Error, Place, Result};
use crate::mask::Dtype;
use crate::memory::{check_row, zeroed};
use crate::shape::Shape;

/// Deflate makes at most this many bytes of one.
const LARGEST_FACTOR: u64 = 1032;

/// How PNG files are told and opened.
pub(super) const FORMAT: FileFormat = FileFormat {
    name: "PNG",
    matches: |start| matches!(start, [0x89, b'P', b'N', b'G', ..]),
    open: |file, options| {
        let (name, length) = (file.name().to_path_buf(), file.length());
        let stream = BufReader::with_capacity(STREAM_BUFFER, Cursor::new(file, 0));
        Ok(Box::new(PngSource::open(Box::new(stream), &name, Some(length), options.memory)?))
    },
    open_stream: Some(|stream, name, options| Ok(Box::new(PngSource::open(stream, name, None, options.memory)?))),
    pages: None,
    has_labels: false,
    pixel_size: None,
};

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
    /// Bytes of the file, when that is known; otherwise those read so far.
    length: Option<u64>,
    read: Arc<AtomicU64>,
}

impl fmt::Debug for PngSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PngSource").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// A stream that the decoder takes for a seekable one; it never seeks in pictures without animation.
struct Forward {
    stream: Box<dyn BufRead + Send>,
    /// Bytes read.
    read: Arc<AtomicU64>,
}

impl Read for Forward {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(into)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl BufRead for Forward {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.stream.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        self.stream.consume(count);
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
        let read = Arc::new(AtomicU64::new(0));
        let forward = Forward { stream, read: read.clone() };
        let mut decoder = png::Decoder::new_with_limits(forward, Limits { bytes: limit });
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
        let (name, stored) = (name.to_path_buf(), Vec::new());
        Ok(Self { reader, name, samples, shape, next_row: 0, stored, interlaced, length, read })
    }

    fn read_row(&mut self, labels: &mut [u8]) -> Result<()> {
        let stored_row = self.samples.row_bytes(self.shape.width) as usize;
        let place = Place::Part(format!("row {}", self.next_row));
        if self.interlaced {
            if self.next_row == 0 {
                self.stored = zeroed(stored_row as u64 * u64::from(self.shape.height), "an interlaced PNG")?;
                self.reader.next_frame(&mut self.stored).map_err(|error| failed(error, &self.name, place))?;
            }
            let row = &self.stored[self.next_row as usize * stored_row..][..stored_row];
            // Unsigned samples have no fault.
            let _ = self.samples.decode(row, false, labels);
            return Ok(());
        }
        if self.stored.len() != stored_row && !self.samples.in_place() {
            self.stored = zeroed(stored_row as u64, "a row of a PNG")?;
        }
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

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> Result<u32> {
        Ok(0)
    }

    fn read(&mut self, rows: &mut [u8], _: Option<&mut Vec<Repeat>>) -> Result<()> {
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

    fn skip(&mut self, rows: u32) -> Result<()> {
        skip_by_reading(self, rows)
    }

    fn band_rows(&self) -> u32 {
        1
    }

    fn stored_bytes(&self) -> Option<u64> {
        Some(self.length.unwrap_or_else(|| self.read.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use png::BitDepth;

    use super::*;
    use crate::source::{OpenOptions, from_bytes};

    fn encode(width: u32, color: ColorType, depth: BitDepth, rows: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let row_bytes = color.samples() * depth as usize * width as usize;
        let mut encoder = png::Encoder::new(&mut bytes, width, (rows.len() / row_bytes.div_ceil(8)) as u32);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette(vec![0; 768]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(rows).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn checksum(bytes: &[u8]) -> [u8; 4] {
        let mut checksum = flate2::Crc::new();
        checksum.update(bytes);
        checksum.sum().to_be_bytes()
    }

    /// All labels as bytes, read `rows` rows at a time.
    fn read(bytes: Vec<u8>, rows: u32) -> Result<(Shape, Dtype, Vec<u8>)> {
        let mut source = from_bytes(bytes, "a.png", &OpenOptions::default())?;
        let (shape, dtype) = (source.shape(), source.dtype());
        let mut labels = Vec::new();
        let mut row = 0;
        while row < shape.height {
            let count = rows.min(shape.height - row);
            let mut buffer = vec![0xa5; count as usize * shape.width as usize * dtype.bytes()];
            source.read_rows(&mut buffer)?;
            labels.extend(buffer);
            row += count;
        }
        Ok((shape, dtype, labels))
    }

    #[test]
    fn grey_of_every_depth_keeps_its_values() {
        for (depth, bits) in [(BitDepth::One, 1), (BitDepth::Two, 2), (BitDepth::Four, 4), (BitDepth::Eight, 8)] {
            let samples = Samples::new(bits, false, true).unwrap();
            let stored: Vec<u8> = (0..9 * samples.row_bytes(13)).map(|index| (index * 77 + index / 5) as u8).collect();
            let mut expected = Vec::new();
            for row in stored.chunks_exact(samples.row_bytes(13) as usize) {
                let mut labels = [0; 13];
                samples.decode(row, false, &mut labels).unwrap();
                expected.extend(labels);
            }
            for rows in [1, 4, 9] {
                let (shape, dtype, labels) = read(encode(13, ColorType::Grayscale, depth, &stored), rows).unwrap();
                assert_eq!((shape, dtype), (Shape { height: 9, width: 13 }, Dtype::U8));
                assert_eq!(labels, expected, "{bits} bits");
            }
        }
        let labels: Vec<u16> = (0..9 * 13).map(|index| index * 523).collect();
        let stored: Vec<u8> = labels.iter().flat_map(|label| label.to_be_bytes()).collect();
        let (_, dtype, found) = read(encode(13, ColorType::Grayscale, BitDepth::Sixteen, &stored), 2).unwrap();
        assert_eq!(dtype, Dtype::U16);
        assert_eq!(found, labels.iter().flat_map(|label| label.to_ne_bytes()).collect::<Vec<_>>());
    }

    #[test]
    fn interlaced_pictures_are_read_whole_when_memory_allows() {
        // 5 x 5 pixels of 0 to 24 in the seven passes of Adam7, each row with its filter byte 0.
        let passes: [&[&[u8]]; 7] = [
            &[&[0]],
            &[&[4]],
            &[&[20, 24]],
            &[&[2], &[22]],
            &[&[10, 12, 14]],
            &[&[1, 3], &[11, 13], &[21, 23]],
            &[&[5, 6, 7, 8, 9], &[15, 16, 17, 18, 19]],
        ];
        let rows = passes.concat();
        let mut data = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        rows.iter().for_each(|row| data.write_all(&[&[0], *row].concat()).unwrap());
        let data = data.finish().unwrap();
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, body) in [(b"IHDR", &[0, 0, 0, 5, 0, 0, 0, 5, 8, 0, 0, 0, 1][..]), (b"IDAT", &data), (b"IEND", &[])]
        {
            bytes.extend((body.len() as u32).to_be_bytes());
            bytes.extend(kind);
            bytes.extend(body);
            bytes.extend(checksum(&[kind, body].concat()));
        }
        for rows in [1, 2, 5] {
            assert_eq!(read(bytes.clone(), rows).unwrap().2, (0..25).collect::<Vec<u8>>());
        }
        let error = from_bytes(bytes, "a.png", &OpenOptions::new().memory(24)).err().unwrap();
        let message = "a.png: bytes of an interlaced PNG, which is held whole: at most 24, found 25";
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn colour_is_refused() {
        for (color, message) in [
            (ColorType::Rgb, "a PNG of colour"),
            (ColorType::Rgba, "a PNG of colour and alpha"),
            (ColorType::GrayscaleAlpha, "a PNG of grey and alpha"),
            (ColorType::Indexed, "a PNG of palette colour"),
        ] {
            let error = read(encode(1, color, BitDepth::Eight, &vec![1; color.samples()]), 1).unwrap_err();
            assert!(matches!(error, Error::Unsupported(_)));
            assert_eq!(error.to_string(), format!("a.png: {message}; a label mask is grey"));
        }
    }

    #[test]
    fn pictures_cut_off_or_changed_at_any_byte_never_panic() {
        let whole = encode(
            40,
            ColorType::Grayscale,
            BitDepth::Eight,
            &(0..1600u32).map(|i| (i * i / 7) as u8).collect::<Vec<_>>(),
        );
        for length in 0..whole.len() {
            let error = read(whole[..length].to_vec(), 7).unwrap_err();
            assert!(matches!(error, Error::Format(_)), "{length} bytes: {error:?}");
        }
        let expected = read(whole.clone(), 40).unwrap();
        for index in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[index] ^= 0x11;
            // Every byte is under a checksum or is one.
            if let Ok(found) = read(bytes, 40) {
                assert_eq!(found, expected, "byte {index}");
            }
        }
    }

    #[test]
    fn headers_that_claim_too_much_allocate_nothing() {
        let claim = |width: u32, height: u32| {
            let mut bytes = encode(1, ColorType::Grayscale, BitDepth::Eight, &[1]);
            bytes[16..20].copy_from_slice(&width.to_be_bytes());
            bytes[20..24].copy_from_slice(&height.to_be_bytes());
            let checksum = checksum(&bytes[12..29]);
            bytes[29..33].copy_from_slice(&checksum);
            read(bytes, 1).unwrap_err().to_string()
        };
        let giga = 2_000_000_000;
        let message =
            "a.png: bytes in a row of a mask of u8 (height 2000000000 x width 2000000000): at most 1073741824";
        assert_eq!(claim(giga, giga), format!("{message}, found 2000000000"));
        assert!(
            claim(1 << 28, giga).starts_with("a.png: expected 536870912000000000 bytes of pixels, found a file of ")
        );
        assert!(claim(0, 1).starts_with("a.png: expected a sound PNG"));
    }
}
