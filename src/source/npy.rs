//! NumPy arrays: `.npy` files of two dimensions.
//!
//! ```text
//! file    93 "NUMPY" major minor length header data
//! length  2 bytes (version 1) or 4 (versions 2 and 3), little endian
//! header  {'descr': '<u2', 'fortran_order': False, 'shape': (height, width), } spaces newline
//! ```
//!
//! Types `u1 u2 u4 u8`, `i1 i2 i4 i8` without negatives, and `b1` of bytes 0 and 1, in either byte order. An array in Fortran order holds
//! its columns one after another, so it is read from files only, in pieces that are transposed. Source: the format's
//! description in NumPy (`numpy.lib.format`).

use std::io::Read;
use std::path::Path;

use super::Source;
use super::formats::{FileFormat, Stream};
use super::random_access::{Cursor, RandomAccess};
use super::raw::{RowStream, check_length};
use super::samples::Samples;
use crate::error::{Error, Place, Result};
use crate::memory::append;
use crate::shape::Shape;

mod fortran;

/// How NPY files are told and opened.
pub(super) const FORMAT: FileFormat = FileFormat {
    name: "NPY",
    matches: |start| start.starts_with(b"\x93NUMPY"),
    open: |file, options| from_file(file, options.memory),
    open_stream: Some(|stream, name, _| from_stream(stream, name)),
    pages: None,
    has_labels: false,
    pixel_size: None,
};

/// A longer header is none: NumPy writes 118 bytes.
const MAX_HEADER: u32 = 1 << 16;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    samples: Samples,
    fortran: bool,
    shape: Shape,
}

/// Opens an array in a file.
fn from_file(file: RandomAccess, memory: u64) -> Result<Box<dyn Source>> {
    let mut start = Vec::new();
    let limit = file.length().min(u64::from(MAX_HEADER) + 12) as usize;
    start.resize(limit, 0);
    file.read_exact_at(&mut start, 0, "NPY header")?;
    let name = file.name().to_path_buf();
    let mut rest = start.as_slice();
    let header = Header::read(&mut rest, &name)?;
    let data = (start.len() - rest.len()) as u64;
    check_length(&file, data, header.samples, header.shape)?;
    if header.columns_first() {
        return Ok(Box::new(fortran::FortranSource::new(file, data, header.samples, header.shape, memory)?));
    }
    Ok(Box::new(RowStream::new(Box::new(Cursor::new(file, data)), &name, header.samples, header.shape)?))
}

/// Opens an array in a stream.
fn from_stream(mut stream: Stream, name: &Path) -> Result<Box<dyn Source>> {
    let header = Header::read(&mut stream, name)?;
    if header.columns_first() {
        let message = "an array in Fortran order is read from many places; give its path instead of a pipe".into();
        return Err(Error::Unsupported(message).in_file(name));
    }
    Ok(Box::new(RowStream::new(Box::new(stream), name, header.samples, header.shape)?))
}

impl Header {
    /// Whether the samples lie in another order than that of rows.
    fn columns_first(&self) -> bool {
        self.fortran && self.shape.height > 1 && self.shape.width > 1
    }

    /// Reads a header and leaves `stream` at the first sample.
    fn read(stream: &mut dyn Read, name: &Path) -> Result<Self> {
        let mut take = |count: usize| {
            let mut bytes = Vec::new();
            let read = append(stream, count as u64, &mut bytes);
            read.map_err(|error| Error::io("reading", name, error))?;
            if bytes.len() < count {
                let found = "the end of the file";
                return Err(Error::format(Place::File, "a whole NPY header", found).in_file(name));
            }
            Ok(bytes)
        };
        let start = take(8)?;
        let length = match start[6] {
            1 => u32::from(u16::from_le_bytes(take(2)?.try_into().unwrap_or_default())),
            2 | 3 => u32::from_le_bytes(take(4)?.try_into().unwrap_or_default()),
            other => {
                let found = format!("version {other}");
                return Err(Error::format(Place::Byte(6), "NPY version 1, 2 or 3", found).in_file(name));
            }
        };
        if length > MAX_HEADER {
            let expected = format!("a header of at most {MAX_HEADER} bytes");
            return Err(Error::format(Place::Byte(8), expected, length.to_string()).in_file(name));
        }
        Self::parse(&take(length as usize)?).map_err(|error| error.in_file(name))
    }

    fn parse(header: &[u8]) -> Result<Self> {
        let mut text = Literal { bytes: header, position: 0 };
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        text.expect(b'{')?;
        while !text.accept(b'}') {
            let key = text.string()?;
            text.expect(b':')?;
            match key {
                b"descr" if descr.is_none() => descr = Some(text.descr()?),
                b"fortran_order" if fortran.is_none() => fortran = Some(text.boolean()?),
                b"shape" if shape.is_none() => shape = Some(text.tuple()?),
                _ => return Err(text.wrong("the keys descr, fortran_order and shape, once each")),
            }
            if !text.accept(b',') {
                text.expect(b'}')?;
                break;
            }
        }
        if !text.rest().is_empty() {
            return Err(text.wrong("nothing but blanks after '}'"));
        }
        let (Some(samples), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
            return Err(text.wrong("the keys descr, fortran_order and shape"));
        };
        let &[height, width] = shape.as_slice() else {
            let message = format!("an array of {} dimensions; a label mask has 2", shape.len());
            return Err(Error::Unsupported(message));
        };
        Ok(Self { samples, fortran, shape: Shape::new(height, width)? })
    }
}

/// A Python literal that is read from left to right.
struct Literal<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Literal<'a> {
    fn rest(&mut self) -> &'a [u8] {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        self.position += self.bytes[self.position..].iter().take_while(blank).count();
        &self.bytes[self.position..]
    }

    fn wrong(&mut self, expected: &str) -> Error {
        let found = self.rest();
        let found = String::from_utf8_lossy(&found[..found.len().min(20)]).into_owned();
        let place = Place::Part(format!("byte {} of the NPY header", self.position));
        Error::format(place, expected, format!("{found:?}"))
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.rest().first() == Some(&byte);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.accept(byte) { Ok(()) } else { Err(self.wrong(&format!("{:?}", char::from(byte)))) }
    }

    fn string(&mut self) -> Result<&'a [u8]> {
        let rest = self.rest();
        if let [quote @ (b'\'' | b'"'), text @ ..] = rest
            && let Some(end) = text.iter().position(|byte| byte == quote)
        {
            self.position += end + 2;
            return Ok(&text[..end]);
        }
        Err(self.wrong("a string"))
    }

    fn boolean(&mut self) -> Result<bool> {
        let rest = self.rest();
        for (word, value) in [("True", true), ("False", false)] {
            if rest.starts_with(word.as_bytes()) {
                self.position += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<u64>> {
        self.expect(b'(')?;
        let mut values = Vec::new();
        while !self.accept(b')') {
            values.push(self.integer()?);
            if !self.accept(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(values)
    }

    fn integer(&mut self) -> Result<u64> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.rest()[..digits]).unwrap_or_default();
        let Ok(value) = text.parse() else { return Err(self.wrong("a number below 2^64")) };
        self.position += digits;
        Ok(value)
    }

    fn descr(&mut self) -> Result<Samples> {
        if self.rest().starts_with(b"[") {
            return Err(Error::Unsupported("an array of records; a label mask has one integer a pixel".into()));
        }
        let descr = self.string()?;
        let samples = match descr {
            [b'|' | b'<' | b'>' | b'=', b'b', b'1'] => Some(Samples::booleans()),
            [b'|' | b'<' | b'>' | b'=', b'u', b'1'] => Samples::new(8, false, false),
            [b'|' | b'<' | b'>' | b'=', b'i', b'1'] => Samples::new(8, true, false),
            [order @ (b'<' | b'>'), kind @ (b'u' | b'i'), bytes @ (b'2' | b'4' | b'8')] => {
                Samples::new(8 * u64::from(bytes - b'0'), *kind == b'i', *order == b'>')
            }
            _ => None,
        };
        samples.ok_or_else(|| {
            let descr = String::from_utf8_lossy(descr);
            Error::Unsupported(format!("an array of type {descr:?}; bool and integers of 8 to 64 bits are read"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::Dtype;
    use crate::source::{OpenOptions, from_bytes};

    fn file(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        let length = header.len() as u32;
        if version == 1 {
            bytes.extend((length as u16).to_le_bytes());
        } else {
            bytes.extend(length.to_le_bytes());
        }
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn header(descr: &str, fortran: bool, shape: &str) -> String {
        let fortran = if fortran { "True" } else { "False" };
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}          \n")
    }

    /// Labels as u64, read `rows` rows at a time.
    fn read(bytes: Vec<u8>, rows: u32, memory: u64) -> Result<(Dtype, Vec<u64>)> {
        let mut source = from_bytes(bytes, "a.npy", &OpenOptions::new().memory(memory))?;
        let (shape, dtype) = (source.shape(), source.dtype());
        let mut labels = Vec::new();
        let mut row = 0;
        while row < shape.height {
            let count = rows.min(shape.height - row);
            let mut buffer = vec![0xa5; count as usize * shape.width as usize * dtype.bytes()];
            source.read_rows(&mut buffer)?;
            labels.extend(buffer.chunks_exact(dtype.bytes()).map(|label| {
                let mut wide = [0; 8];
                wide[..label.len()].copy_from_slice(label);
                u64::from_le_bytes(wide)
            }));
            row += count;
        }
        Ok((dtype, labels))
    }

    fn message(bytes: Vec<u8>) -> String {
        read(bytes, 1, 1 << 20).unwrap_err().to_string()
    }

    #[test]
    fn every_type_order_and_version_is_read() {
        let (height, width) = (70u64, 45);
        for (descr, bytes, big_endian) in [
            ("|b1", 1, false),
            ("|u1", 1, false),
            ("|i1", 1, false),
            ("<u2", 2, false),
            (">u2", 2, true),
            ("<i2", 2, false),
            ("<u4", 4, false),
            (">i4", 4, true),
            ("<u8", 8, false),
            (">u8", 8, true),
            ("<i8", 8, false),
        ] {
            let max = if descr.contains('b') { 1 } else { (u64::MAX >> (64 - 8 * bytes)) >> 1 };
            let expected: Vec<u64> =
                (0..height * width).map(|index| index.wrapping_mul(0x1234_5678_9abc_def1) & max).collect();
            for fortran in [false, true] {
                let mut data = Vec::new();
                for index in 0..height * width {
                    let label = match fortran {
                        true => expected[(index % height * width + index / height) as usize],
                        false => expected[index as usize],
                    };
                    if big_endian {
                        data.extend(&label.to_be_bytes()[8 - bytes..]);
                    } else {
                        data.extend(&label.to_le_bytes()[..bytes]);
                    }
                }
                for version in [1, 2, 3] {
                    let file = file(version, &header(descr, fortran, "(70, 45)"), &data);
                    for (rows, memory) in [(1, 1 << 20), (u32::MAX, 1 << 20), (3, 1000), (69, 8000), (1, 0)] {
                        let (dtype, labels) = read(file.clone(), rows, memory).unwrap();
                        assert_eq!(dtype.bytes(), bytes);
                        assert_eq!(labels, expected, "{descr}, Fortran order {fortran}, {rows} rows, {memory} bytes");
                    }
                }
            }
        }
    }

    #[test]
    fn a_negative_label_is_placed() {
        // The first in reading order, in either layout: row 1, column 2.
        for (fortran, data) in [(false, [1, 2, 3, 4, 5, -6, -7, 8, 9i32]), (true, [1, 4, -7, 2, 5, 8, 3, -6, 9])] {
            let data: Vec<u8> = data.iter().flat_map(|label| label.to_le_bytes()).collect();
            let error = message(file(1, &header("<i4", fortran, "(3, 3)"), &data));
            assert_eq!(error, "a.npy: row 1, column 2: expected a label of 0 or more, found -6");
        }
    }

    #[test]
    fn a_boolean_is_0_or_1() {
        for (fortran, data) in [(false, [0, 1, 1, 0, 1, 2, 0, 3, 1]), (true, [0, 0, 0, 1, 1, 3, 1, 2, 1])] {
            let error = message(file(1, &header("|b1", fortran, "(3, 3)"), &data));
            assert_eq!(error, "a.npy: row 1, column 2: expected False or True, 0 or 1, found 2");
        }
    }

    /// In an array of one row or column both orders are one; short columns are read many at once.
    #[test]
    fn fortran_order_of_short_columns_is_read() {
        for (height, width) in [(1, 70_000), (70_000, 1), (2, 70_000), (3, 33_333)] {
            let labels: Vec<u16> = (0..height * width).map(|index| (index % 65_521) as u16).collect();
            let columns = (0..width).flat_map(|column| (0..height).map(move |row| row * width + column));
            let data: Vec<u8> = columns.flat_map(|index: usize| labels[index].to_le_bytes()).collect();
            let bytes = file(1, &header("<u2", true, &format!("({height}, {width})")), &data);
            for rows in [1, u32::MAX] {
                let (_, found) = read(bytes.clone(), rows, 1 << 20).unwrap();
                assert!(found.iter().eq(labels.iter().map(|&label| u64::from(label)).collect::<Vec<_>>().iter()));
            }
        }
    }

    #[test]
    fn empty_arrays_are_read() {
        for shape in ["(0, 0)", "(0, 5)", "(5, 0)", "(4294967295, 0)"] {
            for fortran in [false, true] {
                let source = from_bytes(file(1, &header("<u2", fortran, shape), &[]), "a.npy", &OpenOptions::default());
                assert_eq!(source.unwrap().shape().pixels(), 0);
            }
        }
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        let shape = |shape: &str| message(file(1, &header("<u2", false, shape), &[0; 8]));
        assert_eq!(shape("(4,)"), "a.npy: an array of 1 dimensions; a label mask has 2");
        assert_eq!(shape("(1, 2, 2)"), "a.npy: an array of 3 dimensions; a label mask has 2");
        assert_eq!(shape("()"), "a.npy: an array of 0 dimensions; a label mask has 2");
        assert!(shape("(2, 3)").contains("expected 12 bytes of labels (height 2 x width 3, 2 bytes each), found 8"));
        assert!(shape("(1, 2)").contains("expected 4 bytes of labels"));
        assert!(shape("(1000000000, 1000000000)").contains("expected 2000000000000000000 bytes of labels"));
        assert!(shape("(4294967295, 4294967295)").contains("found 8"));
        assert_eq!(shape("(4294967296, 1)"), "a.npy: height of the mask, pixels: at most 4294967295, found 4294967296");
        assert!(shape("(18446744073709551616, 1)").contains("a number below 2^64"));
        assert!(shape("(2, -2)").contains("expected a number below 2^64, found \"-2), }"));
        for descr in ["<f4", "<f8", "<c8", "|S1", "<U1", "|O", "<M8[ns]", "|u2", "<u3", "u2", ""] {
            let error = message(file(1, &header(descr, false, "(2, 2)"), &[0; 8]));
            assert!(error.starts_with(&format!("a.npy: an array of type {descr:?}")), "{error}");
        }
        let error = message(file(1, "{'descr': [('a', '<u2')], 'fortran_order': False, 'shape': (2, 2)}", &[0; 8]));
        assert!(error.contains("records"), "{error}");
    }

    #[test]
    fn headers_that_are_wrong_are_placed() {
        for (header, expected) in [
            ("", "byte 0 of the NPY header: expected '{', found \"\""),
            ("{}", "expected the keys descr, fortran_order and shape"),
            ("{'descr': '<u2', 'descr': '<u2'}", "once each, found \"'<u2'}\""),
            ("{'descr': '<u2', 'fortran_order': 0, 'shape': (2, 2)}", "expected True or False, found \"0, 'shape'"),
            ("{'descr': '<u2', 'fortran_order': False, 'shape': (2 2)}", "expected ')', found \"2)}\""),
            ("{'descr': '<u2", "expected a string, found \"'<u2\""),
            ("{'descr' '<u2'}", "expected ':', found"),
            (
                "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 2)} <u4 (1, 2)",
                "byte 58 of the NPY header: expected nothing but blanks after '}', found \"<u4 (1, 2)\"",
            ),
        ] {
            let error = message(file(1, header, &[0; 8]));
            assert!(error.starts_with("a.npy: byte ") && error.contains(expected), "{header}: {error}");
        }
        assert!(message(file(4, &header("<u2", false, "(2, 2)"), &[0; 8])).contains("found version 4"));
        let mut long = file(2, &header("<u2", false, "(2, 2)"), &[0; 8]);
        long[8..12].copy_from_slice(&[0xff; 4]);
        assert!(message(long).contains("byte 8: expected a header of at most 65536 bytes, found 4294967295"));
        // Double quotes and no blanks are Python, too.
        let unusual = "{\"shape\":(2,2),\"fortran_order\":False,\"descr\":\"<u2\"}";
        assert_eq!(read(file(1, unusual, &[1, 0, 2, 0, 3, 0, 4, 0]), 2, 0).unwrap().1, [1, 2, 3, 4]);
    }

    #[test]
    fn files_cut_off_at_any_byte_are_refused_alike_from_files_and_streams() {
        let whole = file(1, &header("<u2", false, "(3, 2)"), &[1; 12]);
        for length in 0..=whole.len() + 1 {
            let mut bytes = whole.clone();
            bytes.resize(length, 0);
            let sound = length == whole.len();
            assert_eq!(read(bytes.clone(), 2, 0).is_ok(), sound, "{length} bytes");
            let stream = crate::source::formats::open_stream(
                Box::new(std::io::Cursor::new(bytes)),
                Path::new("a pipe"),
                &OpenOptions::default(),
            );
            let read = stream.and_then(|mut source| source.read_rows(&mut [0; 12]));
            assert_eq!(read.is_ok(), sound, "{length} bytes");
        }
    }

    #[test]
    fn fortran_order_is_not_read_from_a_stream() {
        let bytes = file(1, &header("<u2", true, "(3, 2)"), &[1; 12]);
        let error = from_stream(Box::new(std::io::Cursor::new(bytes)), Path::new("a pipe")).err().unwrap();
        assert!(error.to_string().starts_with("a pipe: an array in Fortran order"), "{error}");
    }
}
