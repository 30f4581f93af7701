//! Zarr stores: a folder, or a zip file.
//!
//! Gets a path or a file; gives the bytes that lie under a key such as `labels/cells/0/c/1/2`. A key never leaves the store:
//! see [`join`]. Nothing is walked through, so that links which lead in a circle are an error of one key.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rawzip::{CompressionMethod, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder, ZipLocator};

use crate::error::{Error, Place, Result};
use crate::memory::{reserve, zeroed};
use crate::source::decompress::STREAM_BUFFER;
use crate::source::random_access::RandomAccess;

/// Children of a group that messages list.
const MOST_CHILDREN: usize = 1 << 12;

/// Bytes of deflated metadata that are read however few bytes they are of.
const MOST_INFLATED: u64 = 1 << 24;

/// Bytes of deflated metadata that a byte of them may become beyond that. What is written of labels becomes 20 at most.
const INFLATED_FACTOR: u64 = 64;

/// The most that a byte of deflated data can become.
const DEFLATE_FACTOR: u64 = 1032;

/// Where keys lie.
#[derive(Debug)]
pub(super) enum Store {
    /// Files of a folder.
    Folder(PathBuf),
    /// Entries of a zip file.
    Zip(Box<Zip>),
}

/// A zip file.
#[derive(Debug)]
pub(super) struct Zip {
    archive: ZipArchive<Bytes>,
    entries: HashMap<Box<str>, Entry>,
}

/// An entry of a zip file, as the directory at its end has it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    crc: u32,
    /// Bytes of its data, as the directory has them.
    compressed: u64,
}

/// A file as the reader of zip files wants it.
#[derive(Clone, Debug)]
struct Bytes(Arc<RandomAccess>);

impl ReaderAt for Bytes {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }
}

/// The bytes under a key.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) file: Arc<RandomAccess>,
    /// Where they begin.
    pub(super) offset: u64,
    pub(super) length: u64,
    /// The checksum that a zip file has of them.
    crc: Option<u32>,
    /// Whether they were inflated, and are held in memory.
    pub(super) inflated: bool,
}

/// `key` followed by the parts of `name`.
///
/// # Errors
/// [`Error::Format`] when a part would lead out of the store: `..`, an absolute path, a backslash.
pub(super) fn join(key: &str, name: &str) -> Result<String> {
    let leads_out = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(['\\', ':', '\0']);
    if name.split('/').any(leads_out) {
        let expected = "the name of something inside the store, without `..` and not absolute";
        return Err(Error::format(Place::Part(place(key)), expected, format!("{name:?}")));
    }
    Ok(if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") })
}

/// What messages call the node at `key`.
pub(super) fn place(key: &str) -> String {
    if key.is_empty() { "the root".into() } else { key.to_owned() }
}

impl Store {
    /// A zip file, with its whole directory.
    pub(super) fn zip(file: RandomAccess) -> Result<Self> {
        let name = file.name().to_path_buf();
        let failed = |error: rawzip::Error| match error.into_kind() {
            rawzip::ErrorKind::IO(error) => Error::io("reading", &name, error),
            kind => Error::format(Place::File, "a whole zip file", kind.to_string()).in_file(&name),
        };
        let length = file.length();
        let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
        let archive = ZipLocator::new()
            .locate_in_reader(Bytes(Arc::new(file)), &mut buffer, length)
            .map_err(|(_, error)| failed(error))?;
        let mut entries = HashMap::new();
        let mut listed = archive.entries(&mut buffer);
        while let Some(entry) = listed.next_entry().map_err(failed)? {
            if entry.is_dir() {
                continue;
            }
            // A key is asked for letter by letter, so names that lead elsewhere are never found.
            let path = entry.file_path();
            let Ok(key) = std::str::from_utf8(path.as_bytes()) else { continue };
            let known = Entry {
                place: entry.wayfinder(),
                method: entry.compression_method(),
                crc: entry.crc32(),
                compressed: entry.compressed_size_hint(),
            };
            entries.insert(Box::from(key), known);
        }
        strip_folder(&mut entries);
        Ok(Self::Zip(Box::new(Zip { archive, entries })))
    }

    /// What messages call the store.
    pub(super) fn name(&self) -> &Path {
        match self {
            Self::Folder(path) => path,
            Self::Zip(zip) => zip.archive.get_ref().0.name(),
        }
    }

    /// What messages call the bytes under a key.
    pub(super) fn path(&self, key: &str) -> PathBuf {
        if key.is_empty() { self.name().to_path_buf() } else { self.name().join(key) }
    }

    /// The number of bytes under a key; `None` when there is nothing.
    pub(super) fn length(&self, key: &str) -> Result<Option<u64>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(key);
                match fs::metadata(&path) {
                    Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
                    Ok(_) => Err(Error::format(Place::File, "a file", "something else").in_file(&path)),
                    Err(error) => absent(error, &path),
                }
            }
            Self::Zip(zip) => Ok(zip.entries.get(key).map(|entry| entry.place.uncompressed_size_hint())),
        }
    }

    /// Whether there may be something under keys that begin with `key` and a slash.
    pub(super) fn has_folder(&self, key: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(key).is_dir(),
            Self::Zip(_) => true,
        }
    }

    /// The bytes under a key, of which `limit` may be held in memory; `None` when there is nothing.
    pub(super) fn open(&self, key: &str, limit: u64) -> Result<Option<Blob>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(key);
                // Before it is opened: a pipe would wait for somebody to write to it.
                if self.length(key)?.is_none() {
                    return Ok(None);
                }
                let file = match File::open(&path) {
                    Ok(file) => RandomAccess::from_file(file, &path)?,
                    Err(error) => return absent(error, &path),
                };
                let length = file.length();
                Ok(Some(Blob { file: Arc::new(file), offset: 0, length, crc: None, inflated: false }))
            }
            Self::Zip(zip) => {
                let Some(entry) = zip.entries.get(key) else { return Ok(None) };
                zip.open(*entry, limit).map_err(|error| error.in_file(&self.path(key))).map(Some)
            }
        }
    }

    /// Bytes of memory that opening a key takes, for as long as its bytes are read.
    pub(super) fn opening_bytes(&self, key: &str) -> u64 {
        match self {
            Self::Zip(zip) => match zip.entries.get(key) {
                Some(entry) if entry.method == CompressionMethod::DEFLATE => {
                    entry.place.uncompressed_size_hint().saturating_add(entry.compressed)
                }
                _ => 0,
            },
            Self::Folder(_) => 0,
        }
    }

    /// All bytes of metadata under a key, of which there may be `limit`; `None` when there is nothing.
    pub(super) fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let limit = match self {
            Self::Zip(zip) => match zip.entries.get(key) {
                Some(entry) if entry.method == CompressionMethod::DEFLATE => {
                    limit.min(entry.compressed.saturating_mul(INFLATED_FACTOR).saturating_add(MOST_INFLATED))
                }
                _ => limit,
            },
            Self::Folder(_) => limit,
        };
        let Some(blob) = self.open(key, limit)? else { return Ok(None) };
        check_length(blob.length, limit).map_err(|error| error.in_file(&self.path(key)))?;
        let mut bytes = Vec::new();
        blob.read(&mut bytes).map_err(|error| error.in_file(&self.path(key)))?;
        Ok(Some(bytes))
    }

    /// The names of what lies directly in the group at `key`, sorted; of a huge group only some.
    pub(super) fn children(&self, key: &str) -> Vec<String> {
        let mut names = BTreeSet::new();
        match self {
            Self::Folder(folder) => {
                let entries = fs::read_dir(folder.join(key)).into_iter().flatten().flatten();
                let folders = entries.filter(|entry| entry.path().is_dir());
                names.extend(folders.take(MOST_CHILDREN).filter_map(|entry| entry.file_name().into_string().ok()));
            }
            Self::Zip(zip) => {
                let prefix = if key.is_empty() { String::new() } else { format!("{key}/") };
                let below = zip.entries.keys().filter_map(|name| name.strip_prefix(&prefix)?.split_once('/'));
                for (name, _) in below {
                    if names.len() < MOST_CHILDREN {
                        names.insert(name.to_owned());
                    }
                }
            }
        }
        names.into_iter().collect()
    }
}

/// An archive of a folder is the store that the folder is: the name of the folder goes.
fn strip_folder(entries: &mut HashMap<Box<str>, Entry>) {
    let is_root = |key: &str| matches!(key, "zarr.json" | ".zgroup" | ".zarray" | ".zattrs");
    if entries.keys().any(|key| is_root(key)) {
        return;
    }
    let mut tops = entries.keys().filter_map(|key| key.split_once('/')).filter(|(_, rest)| is_root(rest));
    let Some(top) = tops.next().map(|(top, _)| format!("{top}/")) else { return };
    if tops.all(|(other, _)| top[..top.len() - 1] == *other) {
        *entries = entries.drain().filter_map(|(key, entry)| Some((key.strip_prefix(&*top)?.into(), entry))).collect();
    }
}

fn absent<T>(error: io::Error, path: &Path) -> Result<Option<T>> {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
        _ => Err(Error::io("reading", path, error)),
    }
}

fn check_length(length: u64, limit: u64) -> Result<()> {
    if length > limit {
        return Err(Error::format(Place::File, format!("{limit} bytes at most"), format!("{length} bytes")));
    }
    Ok(())
}

impl Zip {
    fn open(&self, entry: Entry, limit: u64) -> Result<Blob> {
        let damaged = |found: String| Error::format(Place::File, "a whole entry of a zip file", found);
        let local = self.archive.get_entry(entry.place).map_err(|error| damaged(error.to_string()))?;
        let (start, end) = local.compressed_data_range();
        let length = entry.place.uncompressed_size_hint();
        let file = &self.archive.get_ref().0;
        let compressed = end.saturating_sub(start);
        match entry.method {
            CompressionMethod::STORE if compressed == length => {
                Ok(Blob { file: file.clone(), offset: start, length, crc: Some(entry.crc), inflated: false })
            }
            CompressionMethod::STORE => Err(damaged(format!("{compressed} bytes stored of {length}"))),
            CompressionMethod::DEFLATE => {
                check_length(length, limit)?;
                if length > compressed.saturating_mul(DEFLATE_FACTOR) {
                    return Err(damaged(format!("{compressed} bytes, too few for {length} with deflate")));
                }
                let mut bytes = Vec::new();
                Blob { file: file.clone(), offset: start, length: compressed, crc: None, inflated: false }
                    .read(&mut bytes)?;
                let mut inflated: Vec<u8> = zeroed(length, "an entry of a zip file")?;
                let done = libdeflater::Decompressor::new().deflate_decompress(&bytes, &mut inflated);
                if done != Ok(inflated.len()) {
                    return Err(damaged("damaged data".into()));
                }
                let file = Arc::new(RandomAccess::from_bytes(inflated, "an entry of a zip file"));
                Ok(Blob { file, offset: 0, length, crc: Some(entry.crc), inflated: true })
            }
            _ => Err(Error::Unsupported("an entry of a zip file that is neither stored nor deflated".into())),
        }
    }
}

impl Blob {
    /// `length` bytes from `offset` on; there are as many.
    pub(super) fn part(&self, offset: u64, length: u64) -> Self {
        Self { file: self.file.clone(), offset: self.offset + offset, length, crc: None, inflated: false }
    }

    /// Reads all of it in place of what `bytes` holds.
    pub(super) fn read(&self, bytes: &mut Vec<u8>) -> Result<()> {
        // A directory may promise more than the file has: that takes no memory.
        if self.offset.saturating_add(self.length) > self.file.length() {
            return Err(self.file.too_short(self.offset, self.length, "what is stored"));
        }
        let count = usize::try_from(self.length).unwrap_or(usize::MAX);
        reserve(bytes, count.saturating_sub(bytes.len()), "stored bytes")?;
        bytes.resize(count, 0);
        self.file.read_exact_at(bytes, self.offset, "what is stored")?;
        self.check_with(|crc| {
            crc.update(bytes);
            Ok(())
        })
    }

    /// Reads all of it, some bytes at a time, where a zip file has a checksum of them.
    pub(super) fn check(&self) -> Result<()> {
        self.check_with(|crc| {
            let mut bytes = vec![0; self.length.min(STREAM_BUFFER) as usize];
            let mut done = 0;
            while done < self.length {
                let count = (self.length - done).min(STREAM_BUFFER);
                self.file.read_exact_at(&mut bytes[..count as usize], self.offset + done, "what is stored")?;
                crc.update(&bytes[..count as usize]);
                done += count;
            }
            Ok(())
        })
    }

    /// Compares the checksum of the bytes that `read` adds with the one that a zip file has, if it has one.
    fn check_with(&self, read: impl FnOnce(&mut libdeflater::Crc) -> Result<()>) -> Result<()> {
        let Some(stored) = self.crc else { return Ok(()) };
        let mut crc = libdeflater::Crc::new();
        read(&mut crc)?;
        match crc.sum() {
            found if found == stored => Ok(()),
            found => {
                Err(Error::format(Place::File, format!("bytes with the checksum {stored:08x}"), format!("{found:08x}")))
            }
        }
    }
}

impl io::Read for Blob {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.length).unwrap_or(usize::MAX).min(into.len());
        let count = self.file.read_at(&mut into[..most], self.offset)?;
        self.offset += count as u64;
        self.length -= count as u64;
        Ok(count)
    }
}

/// The names in one phrase, for messages.
pub(super) fn listed(names: &[String]) -> Cow<'static, str> {
    /// Names that are listed.
    const MOST: usize = 10;
    match names {
        [] => "nothing".into(),
        names if names.len() <= MOST => names.join(", ").into(),
        names => format!("{}, and {} more", names[..MOST].join(", "), names.len() - MOST).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zip file's directory may say that an entry has any number of bytes.
    #[test]
    fn bytes_that_are_not_there_take_no_memory() {
        let file = Arc::new(RandomAccess::from_bytes(vec![7; 100], "store.zip"));
        for (offset, length) in [(0, 1 << 30), (60, 41), (101, 0), (u64::MAX, u64::MAX)] {
            let blob = Blob { file: file.clone(), offset, length, crc: None, inflated: false };
            let mut bytes = Vec::new();
            let error = blob.read(&mut bytes).unwrap_err().to_string();
            assert!(error.contains("the end of the file, which has 100 bytes"), "{error}");
            assert_eq!(bytes.capacity(), 0, "{length} bytes from {offset}");
        }
        let mut bytes = Vec::new();
        Blob { file, offset: 60, length: 40, crc: None, inflated: false }.read(&mut bytes).unwrap();
        assert_eq!(bytes, [7; 40]);
    }
}
