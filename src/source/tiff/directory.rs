//! TIFF headers, image file directories and tag values.
//!
//! ```text
//! header     "II" or "MM", 42, offset of the first directory (4 bytes)
//!            "II" or "MM", 43, 8, 0, offset of the first directory (8 bytes)      BigTIFF
//! directory  number of entries, entries, offset of the next directory or 0
//! entry      tag (2), type (2), count (4 or 8), the values or their offset (4 or 8)
//! ```
//!
//! Gets any bytes; gives directories whose values lie inside the file. Values are read when they are asked for and only
//! as many as are asked for, so that a count of billions allocates nothing. Sources: TIFF Revision 6.0, and the BigTIFF
//! design of libtiff.

use crate::error::{Error, Place, Result};
use crate::source::random_access::RandomAccess;

/// No real page has more entries; a BigTIFF header could claim 2^64.
const MAX_ENTRIES: u64 = 65_536;

/// How numbers are stored in one file, and where its first directory lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) big_endian: bool,
    big: bool,
    pub(crate) first: u64,
}

/// One image file directory.
#[derive(Debug)]
pub(crate) struct Directory {
    entries: Vec<Entry>,
    /// Where the next directory lies; 0 after the last.
    pub(crate) next: u64,
    /// Bytes of its entries and its link.
    pub(crate) length: u64,
}

/// Where the entries of a directory and its link to the next lie.
struct DirectoryBytes {
    start: u64,
    length: u64,
}

/// One tag with its values, which may not have been read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    tag: u16,
    /// The type of its values, as the file numbers it.
    kind: u64,
    count: u64,
    /// Where the values are: inside the entry when they fit there.
    offset: u64,
    big_endian: bool,
}

impl Header {
    /// Whether `start`, the first bytes of a file, are those of a TIFF.
    pub(crate) fn matches(start: &[u8]) -> bool {
        matches!(start, [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..])
    }

    pub(crate) fn read(file: &RandomAccess) -> Result<Self> {
        let mut start = [0; 16];
        file.read_exact_at(&mut start[..8], 0, "TIFF header")?;
        if !Self::matches(&start) {
            let found = format!("{:02x?}", &start[..4]);
            return Err(Error::format(Place::Byte(0), "a TIFF header", found).in_file(file.name()));
        }
        let big_endian = start[0] == b'M';
        let big = start[2..4].contains(&43);
        if big {
            file.read_exact_at(&mut start, 0, "BigTIFF header")?;
            let (size, zero) = (integer(&start[4..6], big_endian), integer(&start[6..8], big_endian));
            if (size, zero) != (8, 0) {
                let found = format!("offsets of {size} bytes and {zero}");
                return Err(Error::format(Place::Byte(4), "offsets of 8 bytes and 0", found).in_file(file.name()));
            }
        }
        let first = integer(if big { &start[8..16] } else { &start[4..8] }, big_endian);
        Ok(Self { big_endian, big, first })
    }

    /// Reads the directory at `offset`.
    pub(crate) fn directory(&self, file: &RandomAccess, offset: u64) -> Result<Directory> {
        let DirectoryBytes { start, length } = self.directory_bytes(file, offset)?;
        let (_, entry_bytes, link_bytes) = self.sizes();
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, start, "directory entries")?;
        let (raw, next) = bytes.split_at(bytes.len() - link_bytes);
        let entries = raw
            .chunks_exact(entry_bytes)
            .enumerate()
            .map(|(index, raw)| self.entry(raw, start + (index * entry_bytes) as u64))
            .collect();
        Ok(Directory { entries, next: integer(next, self.big_endian), length })
    }

    /// Reads only where the directory after the one at `offset` lies, and the number of bytes of this one.
    pub(crate) fn skip(&self, file: &RandomAccess, offset: u64) -> Result<(u64, u64)> {
        let DirectoryBytes { start, length } = self.directory_bytes(file, offset)?;
        let mut next = [0; 8];
        let next = &mut next[..self.sizes().2];
        file.read_exact_at(next, start + length - next.len() as u64, "directory entries")?;
        Ok((integer(next, self.big_endian), length))
    }

    /// Bytes of a directory's number of entries, of an entry, and of the link to the next directory.
    fn sizes(&self) -> (usize, usize, usize) {
        if self.big { (8, 20, 8) } else { (2, 12, 4) }
    }

    /// Where the entries and the link of the directory at `offset` lie: inside the file.
    fn directory_bytes(&self, file: &RandomAccess, offset: u64) -> Result<DirectoryBytes> {
        let (count_bytes, entry_bytes, link_bytes) = self.sizes();
        let mut count = [0; 8];
        let count = &mut count[..count_bytes];
        file.read_exact_at(count, offset, "a directory's number of entries")?;
        let count = integer(count, self.big_endian);
        if count == 0 || count > MAX_ENTRIES {
            let expected = format!("a directory of 1 to {MAX_ENTRIES} entries");
            return Err(Error::format(Place::Byte(offset), expected, count.to_string()).in_file(file.name()));
        }
        // The count was read, so the sum is at most the file's length.
        let start = offset + count_bytes as u64;
        let length = count * entry_bytes as u64 + link_bytes as u64;
        if length > file.length().saturating_sub(start) {
            return Err(file.too_short(start, length, "directory entries"));
        }
        Ok(DirectoryBytes { start, length })
    }

    fn entry(&self, raw: &[u8], position: u64) -> Entry {
        let field = if self.big { 8 } else { 4 };
        let (count, value) = raw[4..].split_at(field);
        let count = integer(count, self.big_endian);
        let kind = integer(&raw[2..4], self.big_endian);
        let inside = count.checked_mul(size_of_kind(kind)).is_some_and(|bytes| bytes <= field as u64);
        let offset = if inside { position + 4 + field as u64 } else { integer(value, self.big_endian) };
        let tag = integer(&raw[..2], self.big_endian) as u16;
        Entry { tag, kind, count, offset, big_endian: self.big_endian }
    }
}

impl Directory {
    /// The entry of `tag`; the first one when a file has several.
    pub(crate) fn find(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// The first value of `tag`, when the tag is there.
    pub(crate) fn integer(&self, file: &RandomAccess, tag: u16) -> Result<Option<u64>> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        Ok(entry.values(file, 0, 1)?.first().copied())
    }

    /// The numerator and denominator of `tag`, when the tag is there and holds a fraction.
    pub(crate) fn fraction(&self, file: &RandomAccess, tag: u16) -> Result<Option<(u32, u32)>> {
        let Some(entry) = self.find(tag).filter(|entry| entry.kind == FRACTION && entry.count > 0) else {
            return Ok(None);
        };
        let mut raw = [0; 8];
        file.read_exact_at(&mut raw, entry.offset, &format!("the fraction of tag {tag}"))?;
        let number = |bytes: &[u8]| integer(bytes, entry.big_endian) as u32;
        Ok(Some((number(&raw[..4]), number(&raw[4..]))))
    }

    /// The text of `tag`, when the tag is there, holds text and lies inside the file, at most so many bytes. What is no
    /// UTF-8 is taken for Latin-1.
    pub(crate) fn text(&self, file: &RandomAccess, tag: u16, most: u64) -> Result<Option<String>> {
        let fits = |entry: &&Entry| {
            entry.kind == TEXT && entry.count <= most.min(file.length()) && entry.offset <= file.length() - entry.count
        };
        let Some(entry) = self.find(tag).filter(fits) else { return Ok(None) };
        let mut raw = vec![0; entry.count as usize];
        file.read_exact_at(&mut raw, entry.offset, &format!("the text of tag {tag}"))?;
        // Several texts may follow each other, each with a zero at its end.
        raw.truncate(raw.iter().position(|&byte| byte == 0).unwrap_or(raw.len()));
        let latin = |error: std::string::FromUtf8Error| error.as_bytes().iter().map(|&byte| char::from(byte)).collect();
        Ok(Some(String::from_utf8(raw).unwrap_or_else(latin)))
    }
}

impl Entry {
    /// Number of values that the entry claims.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The unsigned integers `first .. first + count`; an error when the entry claims fewer, when they lie outside the
    /// file, or when the values are no unsigned integers.
    pub(crate) fn values(&self, file: &RandomAccess, first: u64, count: usize) -> Result<Vec<u64>> {
        let size = size_of_integer(self.kind);
        let place = || Place::Part(format!("tag {}", self.tag));
        if size == 0 {
            return Err(Error::format(place(), "unsigned integers", "another type").in_file(file.name()));
        }
        let end = first.saturating_add(count as u64);
        if end > self.count {
            let expected = format!("at least {end} values");
            return Err(Error::format(place(), expected, self.count.to_string()).in_file(file.name()));
        }
        let what = || format!("values of tag {}", self.tag);
        let start = first.checked_mul(size as u64).and_then(|skipped| self.offset.checked_add(skipped));
        let bytes = (count as u64).saturating_mul(size as u64);
        let Some(start) = start.filter(|&start| bytes <= file.length().saturating_sub(start)) else {
            return Err(file.too_short(self.offset, bytes, &what()));
        };
        let mut raw = vec![0; count * size];
        file.read_exact_at(&mut raw, start, &what())?;
        Ok(raw.chunks_exact(size).map(|value| integer(value, self.big_endian)).collect())
    }
}

/// Types of values that are no integers.
const TEXT: u64 = 2;
const FRACTION: u64 = 5;

/// Bytes of an unsigned integer; 0 for other types.
fn size_of_integer(kind: u64) -> usize {
    match kind {
        1 => 1,
        3 => 2,
        4 | 13 => 4,
        16 | 18 => 8,
        _ => 0,
    }
}

/// Bytes of a value; 0 for types that no tag has which is read here: other fractions, signed numbers.
fn size_of_kind(kind: u64) -> u64 {
    match kind {
        TEXT => 1,
        FRACTION => 8,
        _ => size_of_integer(kind) as u64,
    }
}

/// The unsigned integer of at most 8 bytes.
fn integer(bytes: &[u8], big_endian: bool) -> u64 {
    let shift = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    if big_endian { bytes.iter().fold(0, shift) } else { bytes.iter().rev().fold(0, shift) }
}
