//! Records of CSV files in which fields may stand between double quotes.
//!
//! ```text
//! record := field ( "," field )* EOL                         EOL is LF or CRLF; the last one may be missing
//! field  := plain | '"' ( text | '""' )* '"'                 plain holds no comma, no double quote and no line end
//! ```
//! Where the first line has no comma but a tab or a semicolon, that parts the fields of the file instead of a comma.
//! Inside quotes commas and line ends are text, and two double quotes are one. Gets a reader; gives the fields of one
//! record after the other, each with its line and column in the file. A record is read whole, so that no number is ever
//! cut by the reader's buffer: memory is that of the longest record.

use std::borrow::Cow;
use std::io::BufRead;

use memchr::{memchr, memchr2};

use super::detect::separator;
use super::text::{BOM, Cursor, MAX_HEADER, read_line, show, without_end};
use crate::error::{Error, Result};

/// Fields beyond those of the header that a message still counts.
const EXTRA_FIELDS: usize = 64;

/// The records of a file, one at a time.
pub(super) struct Records<'a> {
    reader: &'a mut dyn BufRead,
    /// The lines of the record.
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// What parts the fields.
    separator: u8,
    /// Fields of a record, at most.
    fields: usize,
    /// Lines before the record, and in it.
    before: u64,
    lines: u64,
}

/// Where a field's text lies in a record: without its quotes, two double quotes still two.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    quoted: bool,
}

/// The fields of a record.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
    line: u64,
}

/// A field of a record.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    cursor: Cursor<'a>,
    quoted: bool,
}

impl<'a> Records<'a> {
    pub(super) fn new(reader: &'a mut dyn BufRead) -> Self {
        Self { reader, bytes: Vec::new(), spans: Vec::new(), separator: b',', fields: MAX_HEADER, before: 0, lines: 0 }
    }

    /// The first record, without a byte order mark: spreadsheets write one.
    pub(super) fn header(&mut self) -> Result<Option<Record<'_>>> {
        self.record(MAX_HEADER)
    }

    /// Says how many fields a record has. One with many more ends with an error before its fields take much memory.
    pub(super) fn expect_fields(&mut self, count: usize) {
        self.fields = count.saturating_add(EXTRA_FIELDS);
    }

    /// The next record; `None` at the end of the file.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>> {
        self.record(usize::MAX)
    }

    fn record(&mut self, limit: usize) -> Result<Option<Record<'_>>> {
        self.before += self.lines;
        self.lines = 0;
        self.bytes.clear();
        self.spans.clear();
        if !self.line(limit)? {
            return Ok(None);
        }
        let mut at = 0;
        if self.before == 0 {
            self.separator = separator(without_end(&self.bytes));
            at = if self.bytes.starts_with(BOM) { BOM.len() } else { 0 };
        }
        loop {
            if self.spans.len() == self.fields {
                let (expected, found) = (format!("at most {} fields", self.fields), "more");
                return Err(self.cursor(at).fault(expected, found));
            }
            let quoted = self.bytes.get(at) == Some(&b'"');
            let start = at + usize::from(quoted);
            let end = if quoted { self.closing(start, limit)? } else { self.plain_end(start)? };
            self.spans.push(Span { start, end, quoted });
            at = end + usize::from(quoted);
            match &self.bytes[at..] {
                [byte, ..] if *byte == self.separator => at += 1,
                b"" | b"\n" | b"\r\n" => break,
                _ => return Err(self.cursor(at).expected("a comma or the end of the line after a double quote")),
            }
        }
        Ok(Some(Record { bytes: &self.bytes, spans: &self.spans, line: self.before + 1 }))
    }

    /// Reads one more line of the record; false at the end of the file.
    fn line(&mut self, limit: usize) -> Result<bool> {
        let left = limit - self.bytes.len();
        let count = read_line(self.reader, &mut self.bytes, left)?;
        if self.bytes.len() == limit && !self.bytes.ends_with(b"\n") {
            let expected = format!("a header of fewer than {limit} bytes");
            return Err(self.cursor(limit - 1).fault(expected, show(&self.bytes)));
        }
        self.lines += u64::from(count > 0);
        Ok(count > 0)
    }

    /// The end of a field without quotes.
    fn plain_end(&self, start: usize) -> Result<usize> {
        let rest = &self.bytes[start..];
        match memchr2(self.separator, b'"', rest) {
            Some(length) if rest[length] == self.separator => Ok(start + length),
            Some(length) => Err(self.cursor(start + length).expected("a field without double quotes, or all in them")),
            None => Ok(start + without_end(rest).len()),
        }
    }

    /// The double quote that ends the field which begins at `start`; reads on where its text goes on in the next line.
    fn closing(&mut self, start: usize, limit: usize) -> Result<usize> {
        let mut at = start;
        loop {
            match memchr(b'"', &self.bytes[at..]) {
                Some(length) if self.bytes.get(at + length + 1) == Some(&b'"') => at += length + 2,
                Some(length) => return Ok(at + length),
                None => {
                    at = self.bytes.len();
                    if !self.line(limit)? {
                        let found = "the end of the file";
                        return Err(self.cursor(start - 1).fault("a double quote that ends this field", found));
                    }
                }
            }
        }
    }

    fn cursor(&self, at: usize) -> Cursor<'_> {
        Cursor::new(without_end(&self.bytes), at, self.before + 1, "line")
    }
}

impl<'a> Record<'a> {
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Bytes of the record with its line ends.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn field(&self, index: usize) -> Field<'a> {
        let Span { start, end, quoted } = self.spans[index];
        Field { cursor: Cursor::new(&self.bytes[..end], start, self.line, "field"), quoted }
    }

    /// The place where the record begins, and its text.
    pub(super) fn start(&self) -> Cursor<'a> {
        let bytes = without_end(self.bytes);
        Cursor::new(bytes, if self.line == 1 && bytes.starts_with(BOM) { BOM.len() } else { 0 }, self.line, "line")
    }

    /// A defect of the record as a whole.
    pub(super) fn fault(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        self.start().fault(expected, found)
    }
}

impl<'a> Field<'a> {
    /// The field as text, two double quotes as one.
    pub(super) fn text(&self) -> Result<Cow<'a, str>> {
        let text = self.cursor.text()?;
        Ok(if self.quoted && text.contains('"') { text.replace("\"\"", "\"").into() } else { text.into() })
    }

    /// The field as numbers and words. In quotes, spaces and line ends around them are passed over; without, a single
    /// space before them is: some files have one after every comma.
    pub(super) fn words(&self) -> Result<Cursor<'a>> {
        if !self.quoted {
            return Ok(self.cursor.without_space());
        }
        if let Some(at) = memchr(b'"', self.cursor.rest()) {
            return Err(self.cursor.ahead(at).expected("numbers and words without double quotes"));
        }
        Ok(self.cursor.trimmed())
    }

    /// Where the field begins.
    pub(super) fn cursor(&self) -> Cursor<'a> {
        self.cursor
    }
}

#[cfg(test)]
mod tests;
