//! What the text formats share: lines with places, numbers, pairs, and text made on several threads.
//!
//! A line is read whole, so no number is ever cut by the reader's buffer.

use std::io::{BufRead, Read, Write};

use super::numbers::digits;
use super::writing;
use crate::error::{Error, Place, Result};
use crate::memory::append;
use crate::runs::Run;
use crate::shape::Shape;
use crate::threads;

/// A header is never longer; a file that is no text fails here, not after its last byte.
pub(super) const MAX_HEADER: usize = 4096;

pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";

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
        let count = read_line(self.reader, &mut self.bytes, MAX_HEADER)?;
        if count == MAX_HEADER && self.bytes.last() != Some(&b'\n') {
            return Err(Error::format(
                Place::Line { line: 1, column: MAX_HEADER as u64 },
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
        let count = read_line(self.reader, &mut self.bytes, usize::MAX)?;
        Ok((count > 0).then(|| Cursor { bytes: without_end(&self.bytes), at: 0, line: self.number, part: "line" }))
    }
}

/// Passes over a byte order mark, however the input is cut.
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

/// Appends the rest of a line with its end, or as much as `limit` bytes; how many they are. What the standard library
/// searches one word at a time is searched by vectors here.
pub(super) fn read_line(reader: &mut dyn BufRead, bytes: &mut Vec<u8>, limit: usize) -> Result<usize> {
    let mut count = 0;
    loop {
        let piece = match reader.fill_buf() {
            Ok(piece) => &piece[..piece.len().min(limit - count)],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(reading(error)),
        };
        let end = memchr::memchr(b'\n', piece);
        let length = end.map_or(piece.len(), |end| end + 1);
        if bytes.try_reserve(length).is_err() {
            let needed = (bytes.len() + length) as u64;
            return Err(Error::Memory { what: "a line, which is read whole".into(), needed, limit: None });
        }
        bytes.extend_from_slice(&piece[..length]);
        reader.consume(length);
        count += length;
        if end.is_some() || length == 0 {
            return Ok(count);
        }
    }
}

pub(super) fn reading(source: std::io::Error) -> Error {
    Error::Io { context: "read the runs".into(), source }
}

/// Bytes of a file that must be in memory whole. An endless stream ends here.
const MOST_HELD: u64 = 2 << 30;

/// Appends all that is left of a file that must be in memory whole.
///
/// # Errors
/// [`Error::LimitExceeded`] for more than [`MOST_HELD`] bytes; [`Error::Memory`] when there is no room for them.
pub(crate) fn read_all(mut reader: impl Read, bytes: &mut Vec<u8>) -> Result<()> {
    read_at_most(&mut reader, bytes, MOST_HELD)
}

fn read_at_most(reader: &mut dyn Read, bytes: &mut Vec<u8>, limit: u64) -> Result<()> {
    /// Bytes that are read at once, at least.
    const PIECE: usize = 1 << 20;
    loop {
        let wanted = PIECE.max(bytes.len() / 2);
        bytes.try_reserve(wanted).map_err(|_| Error::Memory {
            what: "a run file that is held whole".into(),
            needed: (bytes.len() + wanted) as u64,
            limit: None,
        })?;
        if append(reader, wanted as u64, bytes).map_err(reading)? < wanted {
            return Ok(());
        }
        let found = bytes.len() as u64;
        if found > limit {
            return Err(Error::LimitExceeded { what: "bytes of a run file that is held whole".into(), limit, found });
        }
    }
}

pub(super) fn without_end(bytes: &[u8]) -> &[u8] {
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
    /// The place at `at` of `bytes`, which begin at the head of this line of the file.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], at: usize, line: u64, part: &'static str) -> Self {
        Self { bytes, at, line, part }
    }

    /// Whether nothing but a byte order mark stands before this place.
    fn is_at_start(&self) -> bool {
        self.at == 0 || self.bytes[..self.at] == *BOM
    }

    /// What follows in the line.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// What follows, cut at separators.
    pub(super) fn words(mut self) -> impl Iterator<Item = Self> {
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let length = memchr::memchr3(b' ', b'\n', b'\r', self.rest()).unwrap_or(self.rest().len());
            let word = Self { bytes: &self.bytes[..self.at + length], part: "word", ..self };
            self.at += length;
            // What separates nothing is part of the next word, which names it.
            ended = self.is_at_end();
            if !ended && self.separator("one space").is_err() {
                self.at += 1;
            }
            Some(word)
        })
    }

    /// The same, one single space later when there is one.
    pub(super) fn without_space(self) -> Self {
        self.ahead(usize::from(self.rest().first() == Some(&b' ')))
    }

    /// The same without spaces and line ends at both ends.
    pub(super) fn trimmed(self) -> Self {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r');
        let rest = self.rest();
        let from = rest.iter().position(|byte| !is_blank(byte)).unwrap_or(rest.len());
        let to = rest.iter().rposition(|byte| !is_blank(byte)).map_or(from, |last| last + 1);
        Self { bytes: &self.bytes[..self.at + to], at: self.at + from, ..self }
    }

    /// A place further on in the same line.
    pub(super) fn ahead(self, bytes: usize) -> Self {
        Self { at: self.at + bytes, ..self }
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
        // Line ends before this place stand in quotes.
        let before = &self.bytes[..self.at];
        let line = self.line + memchr::memchr_iter(b'\n', before).count() as u64;
        let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        Error::format(Place::Line { line, column: column as u64 + 1 }, expected, found)
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

    /// Steps over one space; or, inside quotes, over spaces and line ends: a list may go on in the next line.
    #[inline]
    pub(super) fn separator(&mut self, name: &str) -> Result<()> {
        match self.rest() {
            [b' ', b'0'..=b'9', ..] => {
                self.at += 1;
                Ok(())
            }
            _ => self.line_end(name),
        }
    }

    #[cold]
    fn line_end(&mut self, name: &str) -> Result<()> {
        let rest = self.rest();
        let blanks = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r')).unwrap_or(rest.len());
        if rest[..blanks].contains(&b'\n') {
            self.at += blanks;
            return Ok(());
        }
        self.byte(b' ', name)
    }

    /// A decimal number: digits only.
    #[inline(always)]
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
            self.separator("one space and a length")?;
            let length_at = self.at;
            let run = Run { start, length: self.number("a length")? };
            bound.check(run, base).map_err(|defect| defect.at(self.moved(start_at), self.moved(length_at)))?;
            each(run)?;
            if self.is_at_end() {
                return Ok(());
            }
            self.separator("one space and a start")?;
        }
    }

    /// Another place in the same line.
    fn moved(&self, at: usize) -> Self {
        Self { at, ..*self }
    }
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
    let names = super::detect::sure(header.rest());
    if names.is_empty() || !header.is_at_start() {
        return header.expected(expected);
    }
    header.fault(expected, format!("{}, which looks like {}", show(header.rest()), names.join(" or ")))
}

/// What an error calls the memory of text.
pub(super) const TEXT: &str = "text of a file";

/// Writes text in batches, made side by side and written in order: the bytes do not depend on the threads.
pub(super) fn write_batches<T: Sync>(
    writer: &mut dyn Write,
    batches: &[T],
    make: impl Fn(&mut Vec<u8>, &T) -> Result<()> + Sync,
) -> Result<()> {
    let threads = rayon::current_num_threads();
    if threads == 1 {
        let mut text = Vec::new();
        for batch in batches {
            text.clear();
            make(&mut text, batch)?;
            writer.write_all(&text).map_err(writing)?;
        }
        return Ok(());
    }
    // A few batches a thread keep all of them busy; more would only hold more text at once.
    let mut texts: Vec<Vec<u8>> = vec![Vec::new(); threads * 4];
    for group in batches.chunks(texts.len()) {
        let mut work: Vec<(&mut Vec<u8>, &T)> = texts.iter_mut().zip(group).collect();
        threads::try_map_mut(&mut work, |(text, batch)| {
            text.clear();
            make(text, batch)
        })?;
        for text in &texts[..group.len()] {
            writer.write_all(text).map_err(writing)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_file_is_not_held_for_ever() {
        let mut bytes = Vec::new();
        let error = read_at_most(&mut std::io::repeat(b' '), &mut bytes, 5 << 20).unwrap_err();
        assert!(matches!(error, Error::LimitExceeded { limit: 5_242_880, .. }), "{error}");
        assert!(bytes.len() < 9 << 20);
        bytes.clear();
        read_at_most(&mut &[7; 3 << 20][..], &mut bytes, 5 << 20).unwrap();
        assert_eq!(bytes, [7; 3 << 20]);
    }
}
