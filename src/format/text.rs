//! What the text formats share: lines with places, numbers, pairs, and text made on several threads.
//!
//! A line is read whole, so no number is ever cut by the reader's buffer.

use std::io::{BufRead, Read, Write};

use rayon::prelude::*;

use super::writing;
use crate::error::{Error, Place, Result};
use crate::runs::Run;
use crate::shape::Shape;

/// A header is never longer; a file that is no text fails here, not after its last byte.
const MAX_HEADER: u64 = 4096;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The lines of a text, without their ends: `\n` or `\r\n`, which the last line may lack.
pub(super) struct Lines<'a> {
    reader: &'a mut dyn BufRead,
    bytes: Vec<u8>,
    number: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(reader: &'a mut dyn BufRead) -> Self {
        Self { reader, bytes: Vec::new(), number: 0 }
    }

    /// The first line, without a byte order mark: spreadsheets write one.
    pub(super) fn header(&mut self) -> Result<Option<Cursor<'_>>> {
        self.number = 1;
        let count = self.reader.take(MAX_HEADER).read_until(b'\n', &mut self.bytes).map_err(reading)?;
        if count as u64 == MAX_HEADER && self.bytes.last() != Some(&b'\n') {
            return Err(Error::format(
                Place::Line { line: 1, column: MAX_HEADER },
                format!("a header of fewer than {MAX_HEADER} bytes"),
                show(&self.bytes),
            ));
        }
        let at = if self.bytes.starts_with(BOM) { BOM.len() } else { 0 };
        Ok((count > 0).then(|| Cursor { bytes: without_end(&self.bytes), at, line: 1, part: "line" }))
    }

    /// The next line; `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Cursor<'_>>> {
        self.bytes.clear();
        self.number += 1;
        let count = self.reader.read_until(b'\n', &mut self.bytes).map_err(reading)?;
        Ok((count > 0).then(|| Cursor { bytes: without_end(&self.bytes), at: 0, line: self.number, part: "line" }))
    }
}

/// Passes over a byte order mark, however the input is cut.
#[cfg(any(feature = "json", feature = "cvat"))]
pub(super) fn skip_byte_order_mark(reader: &mut dyn BufRead) -> Result<()> {
    if reader.fill_buf().map_err(reading)?.first() != Some(&BOM[0]) {
        return Ok(());
    }
    for (place, &byte) in BOM.iter().enumerate() {
        if reader.fill_buf().map_err(reading)?.first() != Some(&byte) {
            return Err(Error::format(Place::Byte(place as u64), "a text in UTF-8", "half a byte order mark"));
        }
        reader.consume(1);
    }
    if reader.fill_buf().map_err(reading)?.first() == Some(&BOM[0]) {
        return Err(Error::format(Place::Byte(BOM.len() as u64), "a text", "a second byte order mark"));
    }
    Ok(())
}

pub(super) fn reading(source: std::io::Error) -> Error {
    Error::Io { context: "read the runs".into(), source }
}

fn without_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// A place in a line.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
    /// What ends where `bytes` end.
    part: &'static str,
}

impl<'a> Cursor<'a> {
    /// What follows in the line.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The fields of a CSV row: up to a comma or the end, or between double quotes, in which commas are text. Doubled
    /// quotes and line ends inside quotes are not served.
    pub(super) fn fields(mut self) -> Result<Vec<Self>> {
        let mut fields = Vec::new();
        loop {
            let quoted = self.bytes.get(self.at) == Some(&b'"');
            let start = self.at + usize::from(quoted);
            let end = match memchr::memchr(if quoted { b'"' } else { b',' }, &self.bytes[start..]) {
                Some(length) => start + length,
                None if quoted => return Err(self.expected("a field that ends with a double quote")),
                None => self.bytes.len(),
            };
            fields.push(Self { bytes: &self.bytes[..end], at: start, line: self.line, part: "field" });
            self.at = end + usize::from(quoted);
            if self.is_at_end() {
                return Ok(fields);
            }
            self.byte(b',', "a comma")?;
        }
    }

    /// What follows, cut at single spaces.
    #[cfg(feature = "oid")]
    pub(super) fn words(self) -> impl Iterator<Item = Self> {
        let mut at = self.at;
        self.rest().split(|&byte| byte == b' ').map(move |word| {
            let start = at;
            at += word.len() + 1;
            Self { bytes: &self.bytes[..start + word.len()], at: start, ..self }
        })
    }

    /// The field as text.
    pub(super) fn text(&self) -> Result<&'a str> {
        std::str::from_utf8(self.rest()).map_err(|_| self.expected("a text in UTF-8"))
    }

    /// The defect that something else stands here than `expected`.
    pub(super) fn expected(&self, expected: impl Into<String>) -> Error {
        let found = if self.is_at_end() { format!("the end of the {}", self.part) } else { show(self.rest()) };
        self.fault(expected, found)
    }

    /// A defect here.
    pub(super) fn fault(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::format(Place::Line { line: self.line, column: self.at as u64 + 1 }, expected, found)
    }

    /// Steps over one byte that must be `byte`.
    #[inline]
    pub(super) fn byte(&mut self, byte: u8, name: &str) -> Result<()> {
        if self.bytes.get(self.at) != Some(&byte) {
            return Err(self.expected(name));
        }
        self.at += 1;
        Ok(())
    }

    /// A decimal number: digits only.
    #[inline]
    pub(super) fn number(&mut self, name: &str) -> Result<u64> {
        match digits(self.rest()) {
            Some((value, length)) => {
                self.at += length;
                Ok(value)
            }
            None => Err(self.no_number(name)),
        }
    }

    #[cold]
    fn no_number(&self, name: &str) -> Error {
        match self.rest().first() {
            Some(byte) if byte.is_ascii_digit() => self.expected(format!("{name} up to {}", u64::MAX)),
            _ => self.expected(format!("{name} (digits)")),
        }
    }

    /// The end of the line.
    pub(super) fn end(&self) -> Result<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.expected(format!("the end of the {}", self.part))) }
    }

    /// Pairs `start length start length ...`, separated by single spaces up to the end of the line, the starts counted
    /// from `base`. The runs must ascend without overlap.
    pub(super) fn pairs(
        &mut self,
        base: u64,
        shape: Option<Shape>,
        mut each: impl FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        let mut bound = Bound::new(shape);
        loop {
            let start_at = self.at;
            let number = self.number("a start")?;
            if self.is_at_end() {
                let found = format!("a start without a length at the end of the {}", self.part);
                return Err(self.moved(start_at).fault("pairs of start and length", found));
            }
            let Some(start) = number.checked_sub(base) else {
                let found = format!("{number}");
                return Err(self.moved(start_at).fault(format!("a start of at least {base}"), found));
            };
            self.byte(b' ', "one space and a length")?;
            let length_at = self.at;
            let run = Run { start, length: self.number("a length")? };
            bound.check(run, base).map_err(|defect| defect.at(self.moved(start_at), self.moved(length_at)))?;
            each(run)?;
            if self.is_at_end() {
                return Ok(());
            }
            self.byte(b' ', "one space and a start")?;
        }
    }

    /// Another place in the same line.
    fn moved(&self, at: usize) -> Self {
        Self { at, ..*self }
    }
}

/// The number that the first bytes write, and how many they are; `None` without digits or past `u64`.
#[inline]
fn digits(bytes: &[u8]) -> Option<(u64, usize)> {
    let digit = |byte: u8| byte.wrapping_sub(b'0');
    // 19 digits always fit.
    let mut value = 0_u64;
    let mut length = 0;
    while length < bytes.len().min(19) && digit(bytes[length]) <= 9 {
        value = value * 10 + u64::from(digit(bytes[length]));
        length += 1;
    }
    while length >= 19 && length < bytes.len() && digit(bytes[length]) <= 9 {
        value = value.checked_mul(10)?.checked_add(u64::from(digit(bytes[length])))?;
        length += 1;
    }
    (length > 0).then_some((value, length))
}

/// What the runs of one label must keep to: ascending, positive, without overlap, inside the mask.
pub(super) struct Bound {
    shape: Option<Shape>,
    end: u64,
}

/// What is wrong with a run, and with which of its two numbers.
pub(super) struct Defect {
    in_length: bool,
    expected: String,
    found: String,
}

impl Defect {
    /// The error for a run whose start and length stand at these places.
    pub(super) fn at(self, start: Cursor<'_>, length: Cursor<'_>) -> Error {
        if self.in_length { length } else { start }.fault(self.expected, self.found)
    }
}

#[cfg(feature = "parquet")]
impl Defect {
    /// The error for a run in a place without columns.
    pub(super) fn in_place(self, place: Place) -> Error {
        Error::format(place, self.expected, self.found)
    }
}

impl Bound {
    pub(super) fn new(shape: Option<Shape>) -> Self {
        Self { shape, end: 0 }
    }

    /// Checks the next run of the label; `base` is only for the message.
    #[inline]
    pub(super) fn check(&mut self, run: Run, base: u64) -> Result<(), Defect> {
        let end = run.start.checked_add(run.length);
        match end {
            Some(end)
                if run.length > 0 && run.start >= self.end && self.shape.is_none_or(|shape| end <= shape.pixels()) =>
            {
                self.end = end;
                Ok(())
            }
            _ => Err(self.defect(run, base)),
        }
    }

    #[cold]
    fn defect(&self, run: Run, base: u64) -> Defect {
        let Run { start, length } = run;
        let shown = u128::from(start) + u128::from(base);
        if length == 0 {
            return Defect { in_length: true, expected: "a length of at least 1".into(), found: "0".into() };
        }
        if start < self.end {
            return Defect {
                in_length: false,
                expected: format!(
                    "a start of at least {}, where the run before ends (runs ascend without overlap)",
                    u128::from(self.end) + u128::from(base)
                ),
                found: format!("{shown}"),
            };
        }
        let expected = match self.shape {
            Some(shape) => format!("a run inside the mask ({shape}, {} pixels)", shape.pixels()),
            None => "a run that ends before position 2^64".into(),
        };
        Defect { in_length: true, expected, found: format!("{length} pixels from {shown}") }
    }
}

/// Bytes of the input as a message shows them: the first few, in quotes, unprintable ones escaped.
pub(super) fn show(bytes: &[u8]) -> String {
    const SHOWN: usize = 40;
    let (bytes, more) = if bytes.len() > SHOWN { (&bytes[..SHOWN], " ...") } else { (bytes, "") };
    format!("\"{}\"{more}", bytes.escape_ascii())
}

/// The error for a first line that is not `expected`, saying what the file looks like.
pub(super) fn wrong_header(header: Option<Cursor<'_>>, expected: &str) -> Error {
    let expected = format!("the header {expected}");
    let Some(header) = header else {
        return Error::format(Place::File, expected, "an empty file");
    };
    match looks_like(header.rest()) {
        Some(name) => header.fault(expected, format!("{}, which looks like {name}", show(header.rest()))),
        None => header.expected(expected),
    }
}

/// What a file with this first line seems to be.
pub(super) fn looks_like(line: &[u8]) -> Option<&'static str> {
    let text = line.trim_ascii();
    let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name.as_bytes()));
    if is(&["glom,pixels"]) {
        Some("hubmap")
    } else if is(&["label,start,length"]) {
        Some("table")
    } else if text.starts_with(b"{") || text.starts_with(b"[") {
        Some("JSON (coco, sam or labelstudio)")
    } else if text.starts_with(b"<") {
        Some("XML (cvat)")
    } else if text.starts_with(b"PAR1") {
        Some("parquet (runs)")
    } else if is(&["id,rle", "id,encoding", "id,predicted", "id,predicted_masks", "id,segmentation", "id,annotation"])
        || text.to_ascii_lowercase().ends_with(b",encodedpixels")
    {
        Some("kaggle or siim")
    } else if text.to_ascii_lowercase().ends_with(b"predictionstring")
        || text.to_ascii_lowercase().ends_with(b"prediction_string")
    {
        Some("oid")
    } else {
        None
    }
}

/// Decimal text of `value`.
#[inline]
pub(super) fn push_number(text: &mut Vec<u8>, value: u64) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes text in batches, made side by side and written in order: the bytes do not depend on the threads.
pub(super) fn write_batches<T: Sync>(
    writer: &mut dyn Write,
    batches: &[T],
    make: impl Fn(&mut Vec<u8>, &T) + Sync,
) -> Result<()> {
    let threads = rayon::current_num_threads();
    if threads == 1 {
        let mut text = Vec::new();
        for batch in batches {
            text.clear();
            make(&mut text, batch);
            writer.write_all(&text).map_err(writing)?;
        }
        return Ok(());
    }
    // A few batches a thread keep all of them busy; more would only hold more text at once.
    let mut texts: Vec<Vec<u8>> = vec![Vec::new(); threads * 4];
    for group in batches.chunks(texts.len()) {
        texts.par_iter_mut().zip(group).for_each(|(text, batch)| {
            text.clear();
            make(text, batch);
        });
        for text in &texts[..group.len()] {
            writer.write_all(text).map_err(writing)?;
        }
    }
    Ok(())
}
