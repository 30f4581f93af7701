//! The escape-key codec: runs of equal RGBA pixels as 9-byte records.
//!
//! ```text
//! file   := record*
//! record := 255 255 0 0   R G B A   count          the key, the pixel, how often it repeats: 1 to 255
//! ```
//! * Order: row-major. There is no background: every pixel is in a record.
//! * Longer runs are split into records of 255 and one of the rest. A reader takes any split.
//! * Shape: not in the file; the counts must sum to the image's pixels. An image without pixels is an empty file.
//! * The pixel's bytes stand in the order R G B A; programs that hand over the memory of a `QImage` in `Format_ARGB32` on a
//!   little-endian machine write B G R A ([`ChannelOrder::Bgra`]).
//! * The key carries no information: a record has a fixed length, so a pixel that looks like the key is no trouble.
//! * Size: 9 bytes for at most 255 pixels, 1020 bytes. Where runs are shorter than 2.25 pixels on average, as in
//!   photographs, the file is larger than the pixels, up to 2.25 times. It pays for drawings, screens and masks.
//! * Source: the article "Run Length Encoding (RLE) for Redundant Data" (ClassyBits, 2016). Its program loses a last single
//!   pixel that differs, writes past its buffer when the output is larger than the input, and reads past the end of its
//!   input; none of that is so here, and for images that it encodes completely the bytes are the same.

use std::io::{BufRead, Write};

#[cfg(feature = "image")]
mod png;

#[cfg(feature = "image")]
pub use self::png::decode_png;
use crate::boundary::simd::SimdEngine;
use crate::boundary::{Boundaries, Marks};
use crate::error::{Error, Place, Result};
use crate::lanes::SimdLevel;
use crate::mask::LabelMask;
use crate::shape::Shape;
use crate::strip::Strip;

/// The first four bytes of every record.
pub const KEY: [u8; 4] = [255, 255, 0, 0];

/// Bytes of a record.
pub const RECORD: usize = 9;

/// Pixels of one record at most.
const MAX_COUNT: u64 = 255;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 16;

/// The order of a pixel's bytes in the file. In memory it is always R G B A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChannelOrder {
    /// Red first.
    #[default]
    Rgba,
    /// Blue first.
    Bgra,
}

impl ChannelOrder {
    /// From the order in memory to that in the file, or back: the bytes of a pixel, as a word.
    fn swap(self, pixel: u32) -> u32 {
        let [first, second, third, fourth] = pixel.to_ne_bytes();
        match self {
            Self::Rgba => pixel,
            Self::Bgra => u32::from_ne_bytes([third, second, first, fourth]),
        }
    }
}

/// Writes the records of `pixels`, which are R G B A, row-major.
///
/// # Errors
/// [`Error::Argument`] when the bytes are no whole number of pixels; [`Error::Io`] when writing fails.
///
/// ```
/// use runmask::pixels::{self, ChannelOrder};
/// let pixels = [9, 9, 9, 255].repeat(6);
/// let mut records = Vec::new();
/// pixels::encode(&pixels, ChannelOrder::Rgba, &mut records)?;
/// assert_eq!(records, [255, 255, 0, 0, 9, 9, 9, 255, 6]);
/// let mut decoded = Vec::new();
/// pixels::decode(&mut &records[..], 6, ChannelOrder::Rgba, &mut decoded)?;
/// assert_eq!(decoded, pixels);
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn encode(pixels: &[u8], order: ChannelOrder, writer: &mut dyn Write) -> Result<()> {
    let mut records = RecordWriter::new(order, writer);
    records.pixels(pixels)?;
    records.finish()
}

/// Bytes of the pixels that are marked at once, at most: they and their boundaries stay in cache.
const AT_ONCE: usize = 1 << 18;

/// Writes the records of a picture that comes a few pixels at a time.
///
/// Its pixels are marked like those of a label mask: one scan line of labels of 32 bits, none of them background.
#[derive(Debug)]
pub struct RecordWriter<'w, W: Write + ?Sized> {
    engine: SimdEngine,
    /// The memory of the boundaries of pixels that are done.
    spare: Boundaries<u32>,
    order: ChannelOrder,
    /// The run that the next pixels may go on with: a pixel and how often it came; at first a pixel that never came.
    open: (u32, u64),
    records: Vec<[u8; RECORD]>,
    writer: &'w mut W,
}

impl<'w, W: Write + ?Sized> RecordWriter<'w, W> {
    /// A writer for a picture of any size.
    pub fn new(order: ChannelOrder, writer: &'w mut W) -> Self {
        let records = Vec::with_capacity(BUFFER / RECORD);
        let engine = SimdEngine::new(SimdLevel::best());
        Self { engine, spare: Boundaries::default(), order, open: (0, 0), records, writer }
    }

    /// Goes on with whole pixels, R G B A, row-major: records do not know where rows end.
    ///
    /// # Errors
    /// [`Error::Argument`] when the bytes are no whole number of pixels; [`Error::Io`] when writing fails.
    pub fn pixels(&mut self, pixels: &[u8]) -> Result<()> {
        if !pixels.len().is_multiple_of(4) {
            return Err(Error::Argument(format!("{} bytes are no whole number of pixels of 4", pixels.len())));
        }
        pixels.chunks(AT_ONCE).try_for_each(|pixels| self.few_pixels(pixels))
    }

    fn few_pixels(&mut self, pixels: &[u8]) -> Result<()> {
        let copied;
        let labels: &[u32] = match bytemuck::try_cast_slice(pixels) {
            Ok(labels) => labels,
            // Bytes that lie between words.
            Err(_) => {
                copied = bytemuck::pod_collect_to_vec(pixels);
                &copied
            }
        };
        let line = LabelMask::new(labels, Shape { height: labels.len() as u32, width: 1 })?;
        let boundaries = self.engine.mark(Strip::new(line, false)?, std::mem::take(&mut self.spare))?;
        let (mut pixel, mut count) = self.open;
        let mut start = 0;
        let (offsets, labels) = boundaries.entries(0);
        for (&offset, &label) in offsets.iter().zip(labels) {
            // Only the first pixel may go on with the run before it.
            if label != pixel {
                count += u64::from(offset - start);
                put(&mut self.records, self.order.swap(pixel), count, self.writer)?;
                (pixel, count, start) = (label, 0, offset);
            }
        }
        self.open = (pixel, count + u64::from(line.shape().height - start));
        self.spare = boundaries;
        Ok(())
    }

    /// Writes the last records.
    ///
    /// # Errors
    /// [`Error::Io`] when writing fails.
    pub fn finish(mut self) -> Result<()> {
        let (pixel, count) = self.open;
        put(&mut self.records, self.order.swap(pixel), count, self.writer)?;
        self.writer.write_all(self.records.as_flattened()).map_err(writing)
    }
}

/// Adds the records of a run, none for a run of no pixels; full buffers are written.
#[inline(always)]
fn put<W: Write + ?Sized>(records: &mut Vec<[u8; RECORD]>, pixel: u32, mut left: u64, writer: &mut W) -> Result<()> {
    let mut record = [255; RECORD];
    record[..4].copy_from_slice(&KEY);
    record[4..8].copy_from_slice(&pixel.to_ne_bytes());
    while left > 0 {
        let count = left.min(MAX_COUNT);
        record[8] = count as u8;
        records.push(record);
        left -= count;
        if records.len() == BUFFER / RECORD {
            writer.write_all(records.as_flattened()).map_err(writing)?;
            records.clear();
        }
    }
    Ok(())
}

/// The runs of a file, record by record: a pixel's R G B A and its count. After an error there is nothing more.
///
/// Each item fails when the record is cut off, does not begin with the key, or has a count of 0 ([`Error::Format`] with
/// the byte), or when reading fails ([`Error::Io`]).
pub fn decode_runs<'a>(
    reader: &'a mut dyn BufRead,
    order: ChannelOrder,
) -> impl Iterator<Item = Result<([u8; 4], u8)>> + 'a {
    let mut records = Records { reader, bytes: vec![0; PIECE], at: 0, end: 0, passed: 0 };
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let record = records.next().transpose();
        ended = !matches!(record, Some(Ok(_)));
        Some(record?.map(|(pixel, count)| (order.swap(pixel).to_ne_bytes(), count)))
    })
}

/// Bytes that are read at once: whole records.
const PIECE: usize = RECORD << 12;

/// Records, read a piece at a time.
struct Records<'a> {
    reader: &'a mut dyn BufRead,
    bytes: Vec<u8>,
    at: usize,
    end: usize,
    /// Bytes of the file before `bytes`.
    passed: u64,
}

impl Records<'_> {
    /// The pixel and count of the next record; `None` at the end of the file.
    #[inline]
    fn next(&mut self) -> Result<Option<(u32, u8)>> {
        if self.end - self.at < RECORD && !self.refill()? {
            return Ok(None);
        }
        let record = &self.bytes[self.at..self.at + RECORD];
        let (words, count) = (record.as_chunks::<4>().0, record[8]);
        if words[0] != KEY || count == 0 {
            return Err(self.defect());
        }
        self.at += RECORD;
        Ok(Some((u32::from_ne_bytes(words[1]), count)))
    }

    #[cold]
    fn defect(&self) -> Error {
        let record = &self.bytes[self.at..self.at + RECORD];
        let place = self.passed + self.at as u64;
        if record[..4] == KEY {
            Error::format(Place::Byte(place + 8), "a count from 1 to 255", "0")
        } else {
            Error::format(Place::Byte(place), "the key 255 255 0 0", spaced(&record[..4]))
        }
    }

    /// Reads until there is a whole record; `false` at the end of the file.
    fn refill(&mut self) -> Result<bool> {
        self.bytes.copy_within(self.at..self.end, 0);
        self.passed += self.at as u64;
        self.end -= self.at;
        self.at = 0;
        while self.end < RECORD {
            match self.reader.read(&mut self.bytes[self.end..]) {
                Ok(0) if self.end == 0 => return Ok(false),
                Ok(0) => {
                    return Err(Error::format(
                        Place::Byte(self.passed),
                        format!("a record of {RECORD} bytes"),
                        format!("{} bytes at the end of the file", self.end),
                    ));
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Io { context: "read the records".into(), source }),
            }
        }
        Ok(true)
    }
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(" ")
}

/// Pixels that are written at once.
const FEW: usize = 16;

/// Writes the pixels of a file, R G B A, row-major: exactly `pixels` of them.
///
/// Memory does not depend on the image; what was written before an error is for the caller to throw away.
///
/// # Errors
/// [`Error::Format`] names the byte of the first defect: those of [`decode_runs`], counts past the last pixel, or too few.
pub fn decode(reader: &mut dyn BufRead, pixels: u64, order: ChannelOrder, writer: &mut dyn Write) -> Result<()> {
    let mut left = pixels;
    let mut buffer = vec![0_u32; BUFFER / 4 + MAX_COUNT as usize + FEW];
    let mut used = 0;
    let mut at = 0_u64;
    for run in decode_runs(reader, order) {
        let (pixel, count) = run?;
        left = left.checked_sub(u64::from(count)).ok_or_else(|| {
            Error::format(
                Place::Byte(at),
                format!("counts that sum to {pixels} pixels, of which {left} are left"),
                format!("a record of {count}"),
            )
        })?;
        at += RECORD as u64;
        // A few pixels at a time, whatever the count: what is too much is overwritten by the next.
        let count = usize::from(count);
        for few in buffer[used..].chunks_exact_mut(FEW).take(count.div_ceil(FEW)) {
            few.fill(u32::from_ne_bytes(pixel));
        }
        used += count;
        if used >= BUFFER / 4 {
            writer.write_all(bytemuck::cast_slice(&buffer[..used])).map_err(writing)?;
            used = 0;
        }
    }
    if left > 0 {
        return Err(Error::format(
            Place::Byte(at),
            format!("counts that sum to {pixels} pixels"),
            format!("the end of the file after {}", pixels - left),
        ));
    }
    writer.write_all(bytemuck::cast_slice(&buffer[..used])).map_err(writing)
}

fn writing(source: std::io::Error) -> Error {
    Error::Io { context: "write the pixels".into(), source }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// The original's encoder, with the defect at the end mended, byte for byte as it goes over the pixels.
    fn by_pixels(image: &[u8]) -> Vec<u8> {
        let mut records = Vec::new();
        for run in image.chunks(4).collect::<Vec<_>>().chunk_by(|a, b| a == b) {
            let mut remainder = run.len();
            while remainder > 255 {
                records.extend_from_slice(&[255, 255, 0, 0, run[0][0], run[0][1], run[0][2], run[0][3], 255]);
                remainder -= 255;
            }
            records.extend_from_slice(&[255, 255, 0, 0, run[0][0], run[0][1], run[0][2], run[0][3], remainder as u8]);
        }
        records
    }

    fn encoded(image: &[u8], order: ChannelOrder) -> Vec<u8> {
        let mut records = Vec::new();
        encode(image, order, &mut records).unwrap();
        records
    }

    fn decoded(records: &[u8], pixels: u64, order: ChannelOrder, cut: usize) -> Result<Vec<u8>> {
        let mut image = Vec::new();
        decode(&mut BufReader::with_capacity(cut, records), pixels, order, &mut image)?;
        Ok(image)
    }

    #[test]
    fn the_example_of_the_article() {
        assert_eq!(encoded(&[0; 400], ChannelOrder::Rgba), [255, 255, 0, 0, 0, 0, 0, 0, 100]);
    }

    #[test]
    fn a_last_single_pixel_is_kept_and_the_key_is_a_pixel_like_any_other() {
        let image = [1, 2, 3, 4, 1, 2, 3, 4, 255, 255, 0, 0];
        let records = encoded(&image, ChannelOrder::Rgba);
        assert_eq!(records, [255, 255, 0, 0, 1, 2, 3, 4, 2, 255, 255, 0, 0, 255, 255, 0, 0, 1]);
        assert_eq!(decoded(&records, 3, ChannelOrder::Rgba, 1).unwrap(), image);
    }

    #[test]
    fn blue_first_on_request() {
        let records = encoded(&[1, 2, 3, 4], ChannelOrder::Bgra);
        assert_eq!(records, [255, 255, 0, 0, 3, 2, 1, 4, 1]);
        assert_eq!(decoded(&records, 1, ChannelOrder::Bgra, 9).unwrap(), [1, 2, 3, 4]);
    }

    #[test]
    fn runs_of_every_length_around_a_record_and_a_block() {
        for length in (1..300).chain([509, 510, 511, 765, 766, 70_000]) {
            let mut image = vec![7; length * 4];
            image.extend_from_slice(&[7, 7, 7, 8]);
            let records = encoded(&image, ChannelOrder::Rgba);
            assert_eq!(records, by_pixels(&image), "{length}");
            assert_eq!(decoded(&records, length as u64 + 1, ChannelOrder::Rgba, 4096).unwrap(), image, "{length}");
        }
    }

    #[test]
    fn defects_are_named_with_their_byte() {
        let good = [255, 255, 0, 0, 1, 2, 3, 4, 2];
        let two = [good, good].concat();
        for (records, pixels, message) in [
            (&good[..8], 2, "byte 0: expected a record of 9 bytes, found 8 bytes at the end of the file"),
            (&two[..10], 4, "byte 9: expected a record of 9 bytes, found 1 bytes at the end of the file"),
            (&[255, 255, 0, 1, 1, 2, 3, 4, 2], 2, "byte 0: expected the key 255 255 0 0, found 255 255 0 1"),
            (&[255, 255, 0, 0, 1, 2, 3, 4, 0], 2, "byte 8: expected a count from 1 to 255, found 0"),
            (&good, 3, "byte 9: expected counts that sum to 3 pixels, found the end of the file after 2"),
            (&good, 1, "byte 0: expected counts that sum to 1 pixels, of which 1 are left, found a record of 2"),
            (&two, 2, "byte 9: expected counts that sum to 2 pixels, of which 0 are left, found a record of 2"),
        ] {
            let error = decoded(records, pixels, ChannelOrder::Rgba, 5).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        assert!(matches!(encode(&[1, 2, 3], ChannelOrder::Rgba, &mut Vec::new()), Err(Error::Argument(_))));
    }

    proptest! {
        #[test]
        fn round_trip(runs in prop::collection::vec((0_u8..3, 1_usize..600), 0..20), cut in 1_usize..40) {
            let image: Vec<u8> = runs.iter().flat_map(|&(value, length)| vec![[255, 255, 0, value]; length]).flatten().collect();
            let records = encoded(&image, ChannelOrder::Rgba);
            prop_assert_eq!(&records, &by_pixels(&image));
            let mut pieces = Vec::new();
            let mut writer = RecordWriter::new(ChannelOrder::Rgba, &mut pieces);
            image.chunks(4 * cut).for_each(|piece| writer.pixels(piece).unwrap());
            writer.finish().unwrap();
            prop_assert_eq!(&pieces, &records);
            prop_assert_eq!(decoded(&records, image.len() as u64 / 4, ChannelOrder::Rgba, cut).unwrap(), image);
        }

        #[test]
        fn any_bytes_are_survived(records in prop::collection::vec(prop_oneof![Just(255_u8), Just(0), any::<u8>()], 0..60)) {
            let whole = decoded(&records, 300, ChannelOrder::Rgba, 4096).map_err(|error| error.to_string());
            let cut = decoded(&records, 300, ChannelOrder::Rgba, 1).map_err(|error| error.to_string());
            prop_assert_eq!(whole, cut);
        }
    }
}
