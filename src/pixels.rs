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

use crate::encoder::Encoder;
use crate::error::{Error, Place, Result};
use crate::mask::LabelMask;
use crate::shape::{ScanOrder, Shape};

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
    fn swap(self, pixel: [u8; 4]) -> [u8; 4] {
        match (self, pixel) {
            (Self::Rgba, pixel) => pixel,
            (Self::Bgra, [first, second, third, fourth]) => [third, second, first, fourth],
        }
    }
}

/// Writes the records of `pixels`, which are R G B A, row-major.
///
/// # Errors
/// [`Error::Argument`] when the bytes are no whole number of pixels; [`Error::Io`] when writing fails.
pub fn encode(pixels: &[u8], order: ChannelOrder, writer: &mut dyn Write) -> Result<()> {
    // Records do not know where rows end, so rows of any length do.
    let count = pixels.len() / 4;
    let width = count.clamp(1, MOST_AT_ONCE as usize) as u32;
    let mut records = RecordWriter::new(width, order, writer)?;
    let whole = count / width as usize * width as usize * 4;
    records.rows(&pixels[..whole])?;
    records.width = ((pixels.len() - whole) / 4).max(1) as u32;
    records.rows(&pixels[whole..])?;
    records.finish()
}

/// Pixels that are marked at once, at most: their boundaries stay in cache.
const MOST_AT_ONCE: u64 = 1 << 18;

/// Writes the records of a picture that comes a few rows at a time.
///
/// Its pixels are marked like those of a label mask: labels of 32 bits, row-major, none of them background.
#[derive(Debug)]
pub struct RecordWriter<'w, W: Write + ?Sized> {
    encoder: Encoder,
    width: u32,
    order: ChannelOrder,
    /// The run that the next pixels may go on with: a pixel and how often it came.
    open: Option<([u8; 4], u64)>,
    records: Vec<u8>,
    writer: &'w mut W,
}

impl<'w, W: Write + ?Sized> RecordWriter<'w, W> {
    /// A writer for a picture `width` pixels wide, at least 1.
    ///
    /// # Errors
    /// [`Error::Argument`] for a width of 0.
    pub fn new(width: u32, order: ChannelOrder, writer: &'w mut W) -> Result<Self> {
        if width == 0 {
            return Err(Error::Argument("a picture of no width has no rows".into()));
        }
        let encoder = Encoder::builder().order(ScanOrder::RowMajor).background(None).build()?;
        Ok(Self { encoder, width, order, open: None, records: Vec::with_capacity(BUFFER + RECORD), writer })
    }

    /// Goes on with whole rows, R G B A.
    ///
    /// # Errors
    /// [`Error::Argument`] when the bytes are no whole number of rows; [`Error::Io`] when writing fails.
    pub fn rows(&mut self, rows: &[u8]) -> Result<()> {
        let row_bytes = self.width as usize * 4;
        if !rows.len().is_multiple_of(row_bytes) {
            return Err(Error::Argument(format!(
                "{} bytes are no whole number of rows of {} pixels of 4",
                rows.len(),
                self.width
            )));
        }
        let at_once = (MOST_AT_ONCE / u64::from(self.width)).max(1) as usize;
        rows.chunks(at_once * row_bytes).try_for_each(|rows| self.few_rows(rows))
    }

    fn few_rows(&mut self, rows: &[u8]) -> Result<()> {
        let height = (rows.len() / 4 / self.width as usize) as u32;
        let copied;
        let labels: &[u32] = match bytemuck::try_cast_slice(rows) {
            Ok(labels) => labels,
            // Bytes that lie between words.
            Err(_) => {
                copied = bytemuck::pod_collect_to_vec(rows);
                &copied
            }
        };
        let mask = LabelMask::new(labels, Shape { height, width: self.width })?;
        let boundaries = self.encoder.boundaries(&mask)?;
        let mut done = Ok(());
        boundaries.each(|label: u32, length| {
            let pixel = label.to_ne_bytes();
            match &mut self.open {
                Some((before, count)) if *before == pixel => *count += length,
                open => {
                    if let Some(run) = open.replace((pixel, length))
                        && done.is_ok()
                    {
                        done = put(&mut self.records, self.order, run, self.writer);
                    }
                }
            }
        });
        self.encoder.recycle_boundaries(boundaries);
        done
    }

    /// Writes the last records.
    ///
    /// # Errors
    /// [`Error::Io`] when writing fails.
    pub fn finish(mut self) -> Result<()> {
        if let Some(run) = self.open.take() {
            put(&mut self.records, self.order, run, self.writer)?;
        }
        self.writer.write_all(&self.records).map_err(writing)
    }
}

/// Adds the records of a run; full buffers are written.
fn put<W: Write + ?Sized>(
    records: &mut Vec<u8>,
    order: ChannelOrder,
    (pixel, mut left): ([u8; 4], u64),
    writer: &mut W,
) -> Result<()> {
    let [first, second, third, fourth] = order.swap(pixel);
    let mut record = [KEY[0], KEY[1], KEY[2], KEY[3], first, second, third, fourth, 255];
    while left > 0 {
        let count = left.min(MAX_COUNT);
        record[8] = count as u8;
        records.extend_from_slice(&record);
        left -= count;
        if records.len() >= BUFFER {
            writer.write_all(records).map_err(writing)?;
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
        Some(
            record?
                .map(|[.., first, second, third, fourth, count]| (order.swap([first, second, third, fourth]), count)),
        )
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
    /// The next record; `None` at the end of the file.
    #[inline]
    fn next(&mut self) -> Result<Option<[u8; RECORD]>> {
        if self.end - self.at < RECORD && !self.refill()? {
            return Ok(None);
        }
        let mut record = [0; RECORD];
        record.copy_from_slice(&self.bytes[self.at..self.at + RECORD]);
        if record[..4] != KEY || record[8] == 0 {
            return Err(self.defect(record));
        }
        self.at += RECORD;
        Ok(Some(record))
    }

    #[cold]
    fn defect(&self, record: [u8; RECORD]) -> Error {
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

/// Writes the pixels of a file, R G B A, row-major: exactly `pixels` of them.
///
/// Memory does not depend on the image; what was written before an error is for the caller to throw away.
///
/// # Errors
/// [`Error::Format`] names the byte of the first defect: those of [`decode_runs`], counts past the last pixel, or too few.
pub fn decode(reader: &mut dyn BufRead, pixels: u64, order: ChannelOrder, writer: &mut dyn Write) -> Result<()> {
    let mut left = pixels;
    let mut buffer = vec![0; BUFFER + 4 * MAX_COUNT as usize];
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
        let end = used + 4 * usize::from(count);
        buffer[used..end].as_chunks_mut::<4>().0.fill(pixel);
        used = end;
        if used >= BUFFER {
            writer.write_all(&buffer[..used]).map_err(writing)?;
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
    writer.write_all(&buffer[..used]).map_err(writing)
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
