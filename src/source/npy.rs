//! NumPy arrays: `.npy` files of two dimensions.
//!
//! ```text
//! file    93 "NUMPY" major minor length header data
//! length  2 bytes (version 1) or 4 (versions 2 and 3), little endian
//! header  {'descr': '<u2', 'fortran_order': False, 'shape': (height, width), } spaces newline
//! ```
//!
//! Types `u1 u2 u4 u8`, `i1 i2 i4 i8` without negatives, and `b1`, in either byte order. An array in Fortran order holds
//! its columns one after another, so it is read from files only, in pieces that are transposed. Source: the format's
//! description in NumPy (`numpy.lib.format`).

use std::io::Read;
use std::path::Path;

use super::Source;
use super::random_access::{Cursor, RandomAccess};
use super::raw::{RowStream, check_length};
use super::samples::Samples;
use crate::error::{Error, Place, Result};
use crate::shape::Shape;

mod fortran;

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
pub(crate) fn from_file(file: RandomAccess, memory: u64) -> Result<Box<dyn Source>> {
    let mut start = Vec::new();
    let limit = file.length().min(u64::from(MAX_HEADER) + 12) as usize;
    start.resize(limit, 0);
    file.read_exact_at(&mut start, 0, "NPY header")?;
    let name = file.name().to_path_buf();
    let mut rest = start.as_slice();
    let header = Header::read(&mut rest, &name)?;
    let data = (start.len() - rest.len()) as u64;
    check_length(&file, data, header.samples, header.shape)?;
    if header.fortran {
        return Ok(Box::new(fortran::FortranSource::new(file, data, header.samples, header.shape, memory)?));
    }
    Ok(Box::new(RowStream::new(Box::new(Cursor::new(file, data)), &name, header.samples, header.shape)?))
}

/// Opens an array in a stream.
pub(crate) fn from_stream(mut stream: impl Read + Send + 'static, name: &Path) -> Result<Box<dyn Source>> {
    let header = Header::read(&mut stream, name)?;
    if header.fortran && header.shape.height > 1 && header.shape.width > 1 {
        let message = "an array in Fortran order is read from many places; give its path instead of a pipe".into();
        return Err(Error::Unsupported(message).in_file(name));
    }
    Ok(Box::new(RowStream::new(Box::new(stream), name, header.samples, header.shape)?))
}

impl Header {
    /// Reads a header and leaves `stream` at the first sample.
    fn read(stream: &mut impl Read, name: &Path) -> Result<Self> {
        let mut take = |count: usize| {
            let mut bytes = Vec::new();
            let read = stream.by_ref().take(count as u64).read_to_end(&mut bytes);
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
            [b'|' | b'<' | b'>' | b'=', b'b' | b'u', b'1'] => Samples::new(8, false, false),
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
