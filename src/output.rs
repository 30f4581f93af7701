//! Output files that appear whole or not at all.
//!
//! Gets bytes; gives a file under its name once [`AtomicFile::finish`] is called. Until then the bytes are in a temporary
//! file in the same folder, so that a file of that name is always a finished one: the old one, or the new one. Its bytes
//! are on the disk before it gets its name.
//!
//! Nothing of a file that is not finished stays, whatever ends the program. On Linux the temporary file has no name where
//! the file system can do that. Elsewhere it has one, which goes when writing fails or is given up; what a process leaves
//! that was killed, the next one removes that writes into the folder. It knows such a file by its lock, which the system
//! opened when the process ended.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use self::temporary::Temporary;
use crate::error::{Error, Result};

mod temporary;
#[cfg(feature = "zarr")]
pub(crate) use self::temporary::TemporaryFolder;

pub use self::temporary::abandon_all;

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 18;

/// Links that may follow each other, as in the system itself.
const MAX_LINKS: usize = 40;

/// A file being written, under its name only when it is finished.
///
/// A name that is a link writes the file that the link points to, which need not exist yet. A name that is no regular
/// file, a device or a pipe, is written directly: there is nothing that could be replaced. So is an open file of a process,
/// such as `/dev/stdout` or `/dev/fd/3`, whatever it is: bytes go to its end.
///
/// ```
/// use std::io::Write;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("runs.csv");
/// let mut file = runmask::output::AtomicFile::create(&path)?;
/// file.write_all(b"glom,pixels\n")?;
/// assert!(!path.exists());
/// file.finish()?;
/// assert!(path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<Target>,
    path: PathBuf,
}

#[derive(Debug)]
enum Target {
    /// The temporary file, and the name that it will have.
    Beside(Temporary, PathBuf),
    /// A device or a pipe.
    Direct(File),
    /// An open file of a process.
    Append(File),
}

impl AtomicFile {
    /// Begins a file that will be `path`; an existing one stays as it is until the end.
    ///
    /// # Errors
    /// [`Error::Io`] when the path is a folder, when its folder does not exist, or when nothing can be written there.
    pub fn create(path: &Path) -> Result<Self> {
        let target = Target::open(path).map_err(|error| Error::io("writing", path, error))?;
        Ok(Self { file: BufWriter::with_capacity(BUFFER, target), path: path.to_path_buf() })
    }

    /// The name that the file will have, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what was written can be written over: not in a pipe, nor in an open file of a process.
    pub fn is_seekable(&self) -> bool {
        match self.file.get_ref() {
            Target::Beside(..) => true,
            Target::Direct(file) => (&*file).stream_position().is_ok(),
            Target::Append(_) => false,
        }
    }

    /// A failed write as an error that names the file.
    pub fn error(&self, error: io::Error) -> Error {
        Error::io("writing", &self.path, error)
    }

    /// Gives the file its name. An error leaves what was there before.
    ///
    /// # Errors
    /// [`Error::Io`] when the last bytes cannot be written, or the file cannot have its name.
    pub fn finish(self) -> Result<()> {
        let Self { file, path } = self;
        let finished = match file.into_inner() {
            Ok(Target::Beside(temporary, name)) => temporary.persist(&name),
            Ok(Target::Direct(_) | Target::Append(_)) => Ok(()),
            Err(error) => Err(error.into_error()),
        };
        finished.map_err(|error| Error::io("writing", &path, error))
    }
}

impl Target {
    fn open(path: &Path) -> io::Result<Self> {
        let name = match destination(path)? {
            Destination::File(name) => name,
            Destination::Open(name) => return open_file(&name).map(Self::Append),
        };
        let old = match fs::metadata(&name) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match old {
            Some(old) if old.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Some(old) if !old.is_file() => File::options().write(true).open(&name).map(Self::Direct),
            old => {
                let temporary = Temporary::create(folder_of(&name), old.map(|old| old.permissions()))?;
                Ok(Self::Beside(temporary, name))
            }
        }
    }

    fn file(&self) -> &File {
        match self {
            Self::Beside(temporary, _) => temporary.file(),
            Self::Direct(file) | Self::Append(file) => file,
        }
    }
}

/// The folder of a file.
fn folder_of(name: &Path) -> &Path {
    match name.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Where the links of a name lead.
enum Destination {
    /// To a file, which may not exist.
    File(PathBuf),
    /// To an open file of a process.
    Open(PathBuf),
}

fn destination(path: &Path) -> io::Result<Destination> {
    let mut name = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        if is_open_file(&name) {
            return Ok(Destination::Open(name));
        }
        match fs::read_link(&name) {
            Ok(target) => name = folder_of(&name).join(target),
            Err(_) => return Ok(Destination::File(name)),
        }
    }
    Err(io::Error::other("too many links"))
}

/// Whether a name stands for an open file: `/proc/PROCESS/fd/NUMBER` or `/dev/fd/NUMBER`.
fn is_open_file(name: &Path) -> bool {
    cfg!(unix)
        && fs::canonicalize(folder_of(name))
            .is_ok_and(|folder| folder == Path::new("/dev/fd") || folder.starts_with("/proc") && folder.ends_with("fd"))
}

/// An open file by its name. Standard output and standard error stay the open files that they are, at the same place.
#[cfg(unix)]
fn open_file(name: &Path) -> io::Result<File> {
    use std::os::fd::AsFd;
    let own = fs::canonicalize(folder_of(name)).is_ok_and(|folder| {
        folder == Path::new("/dev/fd") || folder == Path::new("/proc").join(std::process::id().to_string()).join("fd")
    });
    match name.file_name().and_then(|number| number.to_str()) {
        Some("1") if own => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        Some("2") if own => io::stderr().as_fd().try_clone_to_owned().map(File::from),
        _ => File::options().append(true).open(name),
    }
}

#[cfg(not(unix))]
fn open_file(name: &Path) -> io::Result<File> {
    File::options().append(true).open(name)
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Target {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file().seek(position)
    }
}

#[cfg(test)]
mod tests;
