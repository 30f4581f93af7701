//! Output files that appear whole or not at all.
//!
//! Gets bytes; gives a file under its name once [`AtomicFile::finish`] is called. Until then the bytes are in a temporary
//! file in the same folder, which is removed when writing fails or is given up, so that a file of that name is always a
//! finished one: the old one, or the new one.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 18;

/// A file being written, under its name only when it is finished.
///
/// A name that is a link writes the file that the link points to. A name that is no regular file, a device or a pipe, is
/// written directly: there is nothing that could be replaced.
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<Target>,
    path: PathBuf,
}

#[derive(Debug)]
enum Target {
    /// The temporary file, and the name that it will have.
    Beside(Temporary, PathBuf),
    Direct(File),
}

impl AtomicFile {
    /// Begins a file that will be `path`; an existing one stays as it is until the end.
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |error| Error::io("writing", path, error);
        let old = match fs::metadata(path) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let target = match old {
            Some(old) if old.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
            Some(old) if !old.is_file() => Target::Direct(File::options().write(true).open(path).map_err(failed)?),
            old => {
                // The place that links lead to; a name that is not there yet is its own.
                let name = match old {
                    Some(_) => fs::canonicalize(path).map_err(failed)?,
                    None => path.to_path_buf(),
                };
                let folder = match name.parent() {
                    Some(folder) if folder != Path::new("") => folder,
                    _ => Path::new("."),
                };
                let temporary = Temporary::create(folder, old.map(|old| old.permissions())).map_err(failed)?;
                Target::Beside(temporary, name)
            }
        };
        Ok(Self { file: BufWriter::with_capacity(BUFFER, target), path: path.to_path_buf() })
    }

    /// The name that the file will have, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A failed write as an error that names the file.
    pub fn error(&self, error: io::Error) -> Error {
        Error::io("writing", &self.path, error)
    }

    /// Gives the file its name. An error leaves what was there before.
    pub fn finish(self) -> Result<()> {
        let Self { file, path } = self;
        let failed = |error| Error::io("writing", &path, error);
        match file.into_inner().map_err(|error| failed(error.into_error()))? {
            Target::Beside(temporary, name) => {
                temporary.file.persist(name).map(drop).map_err(|error| failed(error.error))
            }
            Target::Direct(_) => Ok(()),
        }
    }
}

/// Removes the temporary files of all outputs under way, for a program that a signal is about to end: what is neither
/// finished nor dropped then would stay.
///
/// `end` is called last, while no output can begin. It is the place to end the process.
pub fn abandon_all(end: impl FnOnce()) {
    let unfinished = unfinished();
    for file in unfinished.iter() {
        let _ = fs::remove_file(file);
    }
    end();
}

/// The temporary files of outputs under way.
fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary file that is known to [`abandon_all`].
#[derive(Debug)]
struct Temporary {
    file: NamedTempFile,
    /// Dropped after the file is.
    _entry: Entry,
}

#[derive(Debug)]
struct Entry(PathBuf);

impl Drop for Entry {
    fn drop(&mut self) {
        unfinished().retain(|file| file != &self.0);
    }
}

impl Temporary {
    /// A temporary file with the permissions of the file that it will replace, or of any new file.
    fn create(folder: &Path, permissions: Option<fs::Permissions>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".runmask-").suffix(".tmp");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // Nobody can abandon all outputs between the file and its entry.
        let mut unfinished = unfinished();
        let file = builder.tempfile_in(folder)?;
        unfinished.push(file.path().to_path_buf());
        drop(unfinished);
        let temporary = Self { _entry: Entry(file.path().to_path_buf()), file };
        #[cfg(unix)]
        if let Some(permissions) = permissions {
            temporary.file.as_file().set_permissions(permissions)?;
        }
        Ok(temporary)
    }
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
        match self {
            Self::Beside(temporary, _) => temporary.file.write(bytes),
            Self::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Target {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Beside(temporary, _) => temporary.file.seek(position),
            Self::Direct(file) => file.seek(position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["runs.csv"]);
    }

    #[test]
    fn a_file_given_up_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(&vec![1; 2 * BUFFER]).unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["runs.csv"]);
    }

    #[test]
    fn only_outputs_under_way_are_known_to_be_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let known = || unfinished().iter().filter(|file| file.starts_with(folder.path())).count();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let finished = AtomicFile::create(&first).unwrap();
        let given_up = AtomicFile::create(&second).unwrap();
        assert_eq!(known(), 2);
        finished.finish().unwrap();
        drop(given_up);
        assert_eq!(known(), 0);
        assert_eq!(names(folder.path()), ["first"]);
    }

    #[test]
    fn folders_that_are_not_there_or_are_the_target_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let error = AtomicFile::create(folder.path()).unwrap_err();
        assert_eq!(error.to_string(), format!("writing {}", folder.path().display()));
        let path = folder.path().join("missing/runs.csv");
        assert!(matches!(AtomicFile::create(&path), Err(Error::Io { .. })));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_was_written_can_be_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"abcdef").unwrap();
        file.seek(SeekFrom::Start(2)).unwrap();
        file.write_all(b"XY").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abXYef");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_permissions_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("runs.csv"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut file = AtomicFile::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        // A new file is as open as one that any program makes here.
        let (new, usual) = (folder.path().join("new"), folder.path().join("usual"));
        AtomicFile::create(&new).unwrap().finish().unwrap();
        fs::write(&usual, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&new), mode(&usual));
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_directly() {
        let mut file = AtomicFile::create(Path::new("/dev/null")).unwrap();
        file.write_all(b"away").unwrap();
        file.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
