//! The pages of a TIFF file and their pyramid levels.
//!
//! Gets a file; gives the directory of one page and level, or a list of all. A page's levels lie in directories of their
//! own, which it names ("SubIFDs"), or, the older way, in pages after it that are marked as smaller copies.
//!
//! A file of a few bytes may claim any number of pages. Directories of sound files do not overlap, so the bytes of all
//! that are visited are counted, and more than the file holds are refused: time and memory stay in proportion to the
//! file. Of pages that are skipped only the number of entries and the link to the next are read.

use std::collections::HashSet;

use super::directory::{Directory, Header};
use super::page::{pixels, tag};
use crate::error::{Error, Place, Result};
use crate::shape::Shape;
use crate::source::random_access::RandomAccess;
use crate::source::{LevelInfo, PageInfo};

/// Directories that may be visited beyond the length of a file, in bytes: small files whose pages share a level.
const SPARE_BYTES: u64 = 1 << 16;

/// The directory of page `number` at pyramid `level`, 0 being the page itself.
pub(super) fn find(file: &RandomAccess, number: u32, level: u32) -> Result<(Header, Directory)> {
    let mut pages = Pages::open(file)?;
    let mut found = 0;
    while found < number {
        if !pages.skip()? {
            break;
        }
        found += 1;
    }
    let Some(page) = pages.next()? else {
        let message = format!("no page {number}: the file has {found} (counted from 0)");
        return Err(Error::Argument(message).in_file(file.name()));
    };
    let header = pages.header;
    if level == 0 {
        return Ok((header, page));
    }
    let missing = |levels: u64| {
        let message = format!("no level {level} in page {number}: the page has {levels} (counted from 0)");
        Err(Error::Argument(message).in_file(file.name()))
    };
    if let Some(levels) = page.find(tag::SUB_DIRECTORIES) {
        if u64::from(level) > levels.count() {
            return missing(levels.count().saturating_add(1));
        }
        let offset = levels.values(file, u64::from(level) - 1, 1)?[0];
        return Ok((header, header.directory(file, offset)?));
    }
    for levels in 1..=level {
        match pages.next()? {
            Some(next) if is_level(file, &next)? => {
                if levels == level {
                    return Ok((header, next));
                }
            }
            _ => return missing(u64::from(levels)),
        }
    }
    missing(u64::from(level))
}

/// All pages with their levels.
pub(super) fn list(file: &RandomAccess) -> Result<Vec<PageInfo>> {
    let mut pages = Pages::open(file)?;
    let header = pages.header;
    let mut listed: Vec<PageInfo> = Vec::new();
    let mut number = 0;
    // Whether the last page listed names its levels itself.
    let mut named = true;
    while let Some(directory) = pages.next()? {
        let info = describe(file, header, &directory);
        match listed.last_mut() {
            Some(page) if !named && is_level(file, &directory)? => page.levels.push(info),
            _ => {
                let mut levels = vec![info];
                named = false;
                if let Some(offsets) = directory.find(tag::SUB_DIRECTORIES) {
                    named = true;
                    for index in 0..offsets.count() {
                        let directory = header.directory(file, offsets.values(file, index, 1)?[0])?;
                        pages.count(directory.length)?;
                        levels.push(describe(file, header, &directory));
                    }
                }
                listed.push(PageInfo { number, name: None, levels });
            }
        }
        number += 1;
    }
    Ok(listed)
}

/// What a directory says of its pixels, as far as it can be read.
fn describe(file: &RandomAccess, header: Header, directory: &Directory) -> LevelInfo {
    let side = |tag| directory.integer(file, tag).ok().flatten();
    let shape = side(tag::HEIGHT).zip(side(tag::WIDTH)).and_then(|(height, width)| Shape::new(height, width).ok());
    let samples = pixels(file, header, directory, "").ok();
    LevelInfo { shape, dtype: samples.map(|(samples, ..)| samples.dtype()) }
}

/// Whether a page is a smaller copy of the page before.
pub(super) fn is_level(file: &RandomAccess, page: &Directory) -> Result<bool> {
    Ok(page.integer(file, tag::SUBFILE_TYPE)?.unwrap_or(0) & 1 == 1)
}

/// The pages of a file in order, each visited once.
struct Pages<'a> {
    file: &'a RandomAccess,
    header: Header,
    next: u64,
    visited: HashSet<u64>,
    /// Bytes of the directories visited.
    bytes: u64,
}

impl<'a> Pages<'a> {
    fn open(file: &'a RandomAccess) -> Result<Self> {
        let header = Header::read(file)?;
        Ok(Self { file, header, next: header.first, visited: HashSet::new(), bytes: 0 })
    }

    /// The next directory; `None` after the last.
    fn next(&mut self) -> Result<Option<Directory>> {
        if !self.visit()? {
            return Ok(None);
        }
        let directory = self.header.directory(self.file, self.next)?;
        self.next = directory.next;
        self.count(directory.length)?;
        Ok(Some(directory))
    }

    /// Goes past the next directory; gives whether there is one.
    fn skip(&mut self) -> Result<bool> {
        if !self.visit()? {
            return Ok(false);
        }
        let (next, length) = self.header.skip(self.file, self.next)?;
        self.next = next;
        self.count(length)?;
        Ok(true)
    }

    /// Whether there is a next directory; an error when it was visited before.
    fn visit(&mut self) -> Result<bool> {
        if self.next == 0 {
            return Ok(false);
        }
        if !self.visited.insert(self.next) {
            let found = format!("the directory at byte {} again, {} pages later", self.next, self.visited.len());
            return Err(Error::format(Place::File, "pages that end", found).in_file(self.file.name()));
        }
        Ok(true)
    }

    /// Counts the bytes of a directory that was visited.
    fn count(&mut self, bytes: u64) -> Result<()> {
        self.bytes += bytes;
        let length = self.file.length();
        if self.bytes <= length + SPARE_BYTES {
            return Ok(());
        }
        let found = format!("directories of {} bytes in a file of {length}", self.bytes);
        Err(Error::format(Place::File, "directories that do not overlap", found).in_file(self.file.name()))
    }
}
