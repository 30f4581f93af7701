//! Bytes that are read at any position, from several threads at once.
//!
//! Gets a file or bytes in memory; gives exact reads at an offset; guarantees that a read past the end is a
//! [`Format`](crate::Error::Format) error that names the place, and never allocates.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result};

/// A file or bytes in memory, with a length and a name for messages.
#[derive(Debug)]
pub(crate) struct RandomAccess {
    backing: Backing,
    length: u64,
    name: PathBuf,
}

#[derive(Debug)]
enum Backing {
    File(File),
    Memory(Vec<u8>),
}

impl RandomAccess {
    /// An open regular file; `path` is its name in messages.
    pub(crate) fn from_file(file: File, path: &Path) -> Result<Self> {
        let length = file.metadata().map_err(|error| Error::io("reading", path, error))?.len();
        Ok(Self { backing: Backing::File(file), length, name: path.to_path_buf() })
    }

    /// Bytes in memory; `name` stands for them in messages.
    pub(crate) fn from_bytes(bytes: Vec<u8>, name: &str) -> Self {
        Self { length: bytes.len() as u64, backing: Backing::Memory(bytes), name: name.into() }
    }

    /// The same bytes, apart from this.
    #[cfg(feature = "zarr")]
    pub(crate) fn again(&self) -> Result<Self> {
        let backing = match &self.backing {
            Backing::File(file) => {
                Backing::File(file.try_clone().map_err(|error| Error::io("reading", &self.name, error))?)
            }
            Backing::Memory(bytes) => Backing::Memory(bytes.clone()),
        };
        Ok(Self { backing, length: self.length, name: self.name.clone() })
    }

    /// Number of bytes, as it was when the file was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The name in messages.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// Reads at most `into.len()` bytes from `offset`; 0 at the end.
    pub(crate) fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.backing {
            // The system takes no larger positions, and no file reaches them.
            Backing::File(_) if i64::try_from(offset).is_err() => Ok(0),
            Backing::File(file) => read_file_at(file, into, offset),
            Backing::Memory(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or(&[]);
                let count = rest.len().min(into.len());
                into[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
        }
    }

    /// Fills `into` from `offset`; `what` names the bytes in the error when the file ends before.
    pub(crate) fn read_exact_at(&self, into: &mut [u8], offset: u64, what: &str) -> Result<()> {
        let mut done = 0;
        while done < into.len() {
            let Some(position) = offset.checked_add(done as u64) else {
                return Err(self.too_short(offset, into.len() as u64, what));
            };
            match self.read_at(&mut into[done..], position) {
                Ok(0) => return Err(self.too_short(offset, into.len() as u64, what)),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", &self.name, error)),
            }
        }
        Ok(())
    }

    /// The error for `count` bytes of `what` at `offset` that the file does not have.
    pub(crate) fn too_short(&self, offset: u64, count: u64, what: &str) -> Error {
        let found = format!("the end of the file, which has {} bytes", self.length);
        Error::format(Place::Byte(offset), format!("{count} bytes of {what}"), found).in_file(&self.name)
    }
}

/// The bytes from a position to the end, read one after another.
#[derive(Debug)]
pub(crate) struct Cursor {
    bytes: RandomAccess,
    position: u64,
}

impl Cursor {
    pub(crate) fn new(bytes: RandomAccess, position: u64) -> Self {
        Self { bytes, position }
    }

    /// Passes over some bytes; past the end there is nothing to read.
    pub(crate) fn advance(&mut self, bytes: u64) {
        self.position = self.position.saturating_add(bytes);
    }
}

impl io::Read for Cursor {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read_at(into, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(unix)]
fn read_file_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, offset)
}

#[cfg(windows)]
fn read_file_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_past_the_end_names_the_place() {
        let bytes = RandomAccess::from_bytes(vec![1, 2, 3, 4], "four");
        let mut two = [0; 2];
        bytes.read_exact_at(&mut two, 2, "tail").unwrap();
        assert_eq!(two, [3, 4]);
        for offset in [3, 4, 5, u64::MAX, u64::MAX - 1] {
            let message = bytes.read_exact_at(&mut two, offset, "tail").unwrap_err().to_string();
            assert_eq!(
                message,
                format!("four: byte {offset}: expected 2 bytes of tail, found the end of the file, which has 4 bytes")
            );
        }
    }

    #[test]
    fn a_file_reads_like_memory() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), [5, 6, 7]).unwrap();
        let file = RandomAccess::from_file(File::open(path.path()).unwrap(), path.path()).unwrap();
        for offset in [3, 1 << 40, 1 << 63, u64::MAX - 1, u64::MAX] {
            let error = file.read_exact_at(&mut [0; 2], offset, "tail").unwrap_err();
            assert!(matches!(error, Error::Format(_)), "byte {offset}: {error:?}");
        }
        assert_eq!(file.length(), 3);
        let mut two = [0; 2];
        file.read_exact_at(&mut two, 1, "tail").unwrap();
        assert_eq!(two, [6, 7]);
        for offset in [2, 1 << 63, u64::MAX] {
            let message = file.read_exact_at(&mut two, offset, "tail").unwrap_err().to_string();
            assert!(message.contains(&format!(": byte {offset}: expected 2 bytes of tail")), "{message}");
        }
    }
}
