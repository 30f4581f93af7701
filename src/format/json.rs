//! JSON of any length, read a value at a time.
//!
//! Gets a reader; gives the members of the lists and objects that its user opens, each read whole by serde_json, from
//! memory: that is several times as fast as from a stream, of which serde_json takes single bytes. Guarantees: defects
//! have their line and column in the file; the result does not depend on how the input is cut; memory is a few times the
//! longest value that is read whole, however long the file.
//!
//! Nothing looks for the end of a value beforehand. It is read from the bytes at hand, and once more from twice as many
//! if they end too early.

use std::io::BufRead;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::text::{reading, show, skip_byte_order_mark};
use crate::error::{Error, Place, Result};
use crate::memory::append;

/// Bytes that are read at once.
const PIECE: usize = 1 << 17;

/// A JSON file and a place in it.
pub(super) struct Json<'a> {
    reader: &'a mut dyn BufRead,
    format: &'static str,
    bytes: Vec<u8>,
    /// The place in `bytes`: all before is done with.
    at: usize,
    /// Whether the reader has no more.
    ended: bool,
    /// Lines before the one in which `bytes` begin, and bytes of that line before them.
    lines: u64,
    columns: u64,
}

impl<'a> Json<'a> {
    pub(super) fn new(reader: &'a mut dyn BufRead, format: &'static str) -> Result<Self> {
        skip_byte_order_mark(reader)?;
        Ok(Self { reader, format, bytes: Vec::new(), at: 0, ended: false, lines: 0, columns: 0 })
    }

    /// The first byte that is no white space; `None` at the end of the file.
    pub(super) fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            let space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
            match self.bytes[self.at..].iter().position(|byte| !space(byte)) {
                Some(spaces) => {
                    self.at += spaces;
                    return Ok(Some(self.bytes[self.at]));
                }
                None => self.at = self.bytes.len(),
            }
            if self.ended {
                return Ok(None);
            }
            self.fill(PIECE)?;
        }
    }

    /// Calls `each` at the beginning of every member of a list; it reads the member.
    pub(super) fn list(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.step(b'[', "a list")?;
        if self.peek()? == Some(b']') {
            return self.step(b']', "the end of the list");
        }
        loop {
            each(self)?;
            if self.peek()? != Some(b',') {
                return self.step(b']', "a comma or the end of the list");
            }
            self.at += 1;
        }
    }

    /// Calls `each` with every key of an object, at the beginning of its value; it reads the value.
    pub(super) fn object(&mut self, mut each: impl FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        self.step(b'{', "an object")?;
        if self.peek()? == Some(b'}') {
            return self.step(b'}', "the end of the object");
        }
        loop {
            let key: String = self.read()?;
            self.step(b':', "a colon")?;
            each(self, &key)?;
            if self.peek()? != Some(b',') {
                return self.step(b'}', "a comma or the end of the object");
            }
            self.at += 1;
        }
    }

    /// Reads a value.
    pub(super) fn read<T: DeserializeOwned>(&mut self) -> Result<T> {
        if self.peek()?.is_none() {
            return Err(self.expected("a value"));
        }
        loop {
            let rest = &self.bytes[self.at..];
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
            let value = values.next();
            let length = values.byte_offset();
            match value {
                // A number that ends with the bytes at hand may go on.
                Some(Ok(value)) if self.ended || length < rest.len() => {
                    self.at += length;
                    return Ok(value);
                }
                // A defect before the end of the bytes at hand is one whatever follows.
                Some(Err(error)) if self.ended || !ends_early(&error, rest) => return Err(self.defect(&error)),
                _ => {}
            }
            let more = PIECE.max(2 * rest.len());
            self.fill(more)?;
        }
    }

    /// Passes over a value; the members of a list one at a time.
    pub(super) fn pass(&mut self) -> Result<()> {
        let member = |json: &mut Self| json.read::<IgnoredAny>().map(|_| ());
        if self.peek()? == Some(b'[') { self.list(member) } else { member(self) }
    }

    /// The end of the file.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.peek()?.is_some() { Err(self.expected("the end of the file")) } else { Ok(()) }
    }

    /// A defect at the place at hand.
    pub(super) fn fault(&self, expected: &str, found: String) -> Error {
        let (lines, columns) = self.before();
        let place = Place::Line { line: lines + 1, column: columns + 1 };
        Error::format(place, format!("{expected} in the JSON of a {} file", self.format), found)
    }

    /// The defect that something else stands here than `expected`.
    pub(super) fn expected(&self, expected: &str) -> Error {
        let rest = &self.bytes[self.at..];
        let found = if rest.is_empty() { "the end of the file".into() } else { show(&rest[..1]) };
        self.fault(expected, found)
    }

    fn step(&mut self, byte: u8, name: &str) -> Result<()> {
        if self.peek()? != Some(byte) {
            return Err(self.expected(name));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads until `count` bytes are at hand, or all that are left.
    fn fill(&mut self, count: usize) -> Result<()> {
        (self.lines, self.columns) = self.before();
        self.bytes.drain(..self.at);
        self.at = 0;
        let wanted = count.saturating_sub(self.bytes.len());
        self.bytes.try_reserve(wanted).map_err(|_| Error::Memory {
            what: "a value of a JSON file, which is read whole".into(),
            needed: (self.bytes.len() + wanted) as u64,
            limit: None,
        })?;
        let found = append(&mut self.reader, wanted as u64, &mut self.bytes).map_err(reading)?;
        self.ended = found < wanted;
        Ok(())
    }

    /// Lines before the one at hand, and bytes of that line before the place at hand.
    fn before(&self) -> (u64, u64) {
        let done = &self.bytes[..self.at];
        match memchr::memrchr(b'\n', done) {
            Some(end) => (self.lines + memchr::memchr_iter(b'\n', done).count() as u64, (done.len() - end - 1) as u64),
            None => (self.lines, self.columns + done.len() as u64),
        }
    }

    /// The defect that serde_json found in what follows the place at hand.
    fn defect(&self, error: &serde_json::Error) -> Error {
        let (lines, columns) = self.before();
        let (line, column) = (error.line().max(1) as u64, error.column() as u64);
        let place = Place::Line { line: lines + line, column: if line == 1 { columns + column } else { column } };
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        Error::format(place, format!("the JSON of a {} file", self.format), format!("a defect: {message}"))
    }
}

/// Whether more bytes may mend what serde_json found in `bytes`: they end too early, or the error stands at their end,
/// where a number or a word may be cut.
fn ends_early(error: &serde_json::Error, bytes: &[u8]) -> bool {
    let line = match error.line().checked_sub(2) {
        Some(before) => memchr::memchr_iter(b'\n', bytes).nth(before).map_or(bytes.len(), |end| end + 1),
        None => 0,
    };
    error.is_eof() || line + error.column() >= bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// The members of a list, or the defect without its line.
    fn members(mut bytes: &[u8]) -> Result<Vec<Value>, String> {
        let mut members = Vec::new();
        let mut json = Json::new(&mut bytes, "coco").unwrap();
        json.list(|json| json.read().map(|member| members.push(member))).and_then(|()| json.end()).map_err(
            |error| {
                let (line, rest) =
                    error.to_string().split_once(", ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
                assert!(line.starts_with("line "), "{error}");
                rest
            },
        )?;
        Ok(members)
    }

    #[test]
    fn a_piece_may_end_anywhere() {
        for text in [
            r#"[-1.5e-7,true,{"a":["\\\"\ud83d\ude00é",-0.0]},null,12 ,[], 7]"#,
            "[12,-]",
            "[1.]",
            "[1e+]",
            r#"[{"a":tru3}]"#,
            r#"["\ud83dx"]"#,
            "[1,]",
            "[1 2]",
            "[1] 2",
            "[1",
            "[\"a",
            "[01]",
        ] {
            let whole = members(text.as_bytes());
            assert_eq!(whole.clone().ok(), serde_json::from_str(text).ok(), "{text}");
            for before in 0..=text.len() {
                let padded = ["\n".repeat(PIECE - before), text.into()].concat();
                assert_eq!(members(padded.as_bytes()), whole, "{text}, {before} bytes of it in the first piece");
            }
        }
    }

    #[test]
    fn defects_have_their_line_and_column() {
        let filler = format!("\"{}\",\n", "x".repeat(999));
        for (count, text, message) in [
            (0, "[1, x]", "line 1, column 5: expected the JSON of a coco file, found a defect: expected value"),
            (0, "[1; 2]", "line 1, column 3: expected the JSON of a coco file, found a defect: trailing characters"),
            (
                0,
                "[[] ; 2]",
                "line 1, column 5: expected a comma or the end of the list in the JSON of a coco file, found \";\"",
            ),
            (1000, "\n 7, {\"a\"\n: x}]", "line 1003, column 3: "),
            (1000, " 7, {\"a\": x}]", "line 1001, column 11: "),
            (1000, " 7 7]", "line 1001, column 4: "),
        ] {
            let list = if count > 0 { ["[", &filler.repeat(count), text].concat() } else { text.into() };
            let mut bytes = list.as_bytes();
            let mut json = Json::new(&mut bytes, "coco").unwrap();
            let error = json.list(|json| json.read::<Value>().map(|_| ())).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }

    #[test]
    fn memory_is_that_of_the_longest_value() {
        let member = format!("\"{}\"", "x".repeat(PIECE * 3));
        let list = format!("[{}]", vec![member; 50].join(","));
        for pass in [true, false] {
            let mut bytes = list.as_bytes();
            let mut json = Json::new(&mut bytes, "coco").unwrap();
            if pass { json.pass() } else { json.list(|json| json.read::<String>().map(|_| ())) }.unwrap();
            assert!(json.bytes.capacity() < 16 * PIECE, "{} bytes", json.bytes.capacity());
        }
    }

    proptest! {
        #[test]
        fn a_piece_may_end_anywhere_in_any_text(
            tokens in prop::collection::vec(prop::sample::select(vec![
                "[", "]", "{", "}", ",", ":", "\"a\"", "\"", "\\", "\\ud83d", "\\udc00", "1", "-", ".5", "e", "tr", "ue", "null", " ", "\n", "\u{e9}",
            ]), 0..12),
            before in any::<prop::sample::Index>(),
        ) {
            let text = ["[", &tokens.concat()].concat();
            let whole = members(text.as_bytes());
            prop_assert_eq!(whole.clone().ok(), serde_json::from_str(&text).ok());
            let padded = ["\n".repeat(PIECE - before.index(text.len() + 1)), text].concat();
            prop_assert_eq!(members(padded.as_bytes()), whole);
        }
    }
}
