//! Temporary files: without a name where the system can do that, else with a name and a lock.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile};

/// How temporary files are called.
const PREFIX: &str = ".runmask-";
const SUFFIX: &str = ".tmp";

/// Names that are tried before it is given up to have one to oneself.
const ATTEMPTS: usize = 16;

/// Removes the temporary files of all outputs under way, for a program that a signal is about to end: what is neither
/// finished nor dropped then would stay.
///
/// `end` is called last, while no output can begin or get its name. It is the place to end the process.
pub fn abandon_all(end: impl FnOnce()) {
    let unfinished = unfinished();
    unfinished.iter().for_each(|file| abandon(file));
    end();
}

/// Removes a temporary file, or a folder to which other threads are adding.
pub(super) fn abandon(file: &Path) {
    if fs::remove_file(file).is_err() {
        // Under another name they do not find the folder, and what they were just making is gone with the next attempt. Without
        // that, a thread that adds files as fast as they are removed would keep it.
        let mut other = file.as_os_str().to_owned();
        other.push(SUFFIX);
        let folder = fs::rename(file, &other).map_or(file, |()| Path::new(&other));
        let _ = (0..ATTEMPTS).try_for_each(|_| fs::remove_dir_all(folder).map_or(Ok(()), Err));
    }
}

/// The names of temporary files of outputs under way.
pub(super) fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that is gone when it is dropped.
#[derive(Debug)]
pub(super) enum Temporary {
    #[cfg(target_os = "linux")]
    Unnamed(File),
    /// The file, and its entry, which is dropped after it.
    Named(NamedTempFile, Entry),
}

/// A folder that is gone when it is dropped.
#[cfg(feature = "zarr")]
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    folder: tempfile::TempDir,
    /// The folder itself, locked as long as it is written, where the system can lock folders.
    _lock: Option<File>,
    /// Dropped after the folder.
    _entry: Entry,
}

#[cfg(feature = "zarr")]
impl TemporaryFolder {
    /// A new folder in `parent`.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        clean_once(parent);
        let mut builder = Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        for _ in 0..ATTEMPTS {
            let mut unfinished = unfinished();
            let folder = builder.tempdir_in(parent)?;
            let entry = Entry(folder.path().to_path_buf());
            unfinished.push(entry.0.clone());
            drop(unfinished);
            // As for files: see `Temporary::named`.
            let lock = File::open(folder.path()).ok();
            let lost = lock.as_ref().is_some_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
            if !lost && folder.path().exists() {
                return Ok(Self { folder, _lock: lock, _entry: entry });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the folder its name, in the same folder. What is there is replaced when `replace` says so, and is an error
    /// otherwise.
    pub(crate) fn persist(self, name: &Path, replace: bool) -> io::Result<()> {
        // Nobody can abandon all outputs in between.
        let _unfinished = unfinished();
        if fs::symlink_metadata(name).is_err() {
            fs::rename(self.folder.path(), name)?;
        } else if replace && exchange(self.folder.path(), name).is_ok() {
            // What was there has the temporary name now, and is removed with it.
            drop(_unfinished);
            drop(self);
            return Ok(());
        } else if replace {
            // Without the ending, so that nobody cleans up what a process that was killed right here put aside.
            let old = Builder::new().prefix(PREFIX).tempdir_in(super::folder_of(self.folder.path()))?;
            let aside = old.path().join("old");
            fs::rename(name, &aside)?;
            if let Err(error) = fs::rename(self.folder.path(), name) {
                fs::rename(&aside, name)?;
                return Err(error);
            }
        } else {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // Its old name is nobody's.
        let _ = self.folder.keep();
        drop(_unfinished);
        Ok(())
    }
}

/// A name that is known to [`abandon_all`].
#[derive(Debug)]
pub(super) struct Entry(PathBuf);

impl Drop for Entry {
    fn drop(&mut self) {
        unfinished().retain(|file| file != &self.0);
    }
}

impl Temporary {
    /// A temporary file with the permissions of the file that it will replace, or of any new file.
    pub(super) fn create(folder: &Path, permissions: Option<fs::Permissions>) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        let temporary = unnamed(folder).map(Self::Unnamed).or_else(|_| Self::named(folder))?;
        #[cfg(not(target_os = "linux"))]
        let temporary = Self::named(folder)?;
        if let Some(permissions) = permissions.filter(|_| cfg!(unix)) {
            temporary.file().set_permissions(permissions)?;
        }
        Ok(temporary)
    }

    /// A file with a name, locked as long as it is written.
    pub(super) fn named(folder: &Path) -> io::Result<Self> {
        clean_once(folder);
        for _ in 0..ATTEMPTS {
            // Nobody can abandon all outputs between the file and its entry.
            let mut unfinished = unfinished();
            let new = |path: &Path| File::options().read(true).write(true).create_new(true).open(path);
            let file = with_name(folder, new)?;
            let entry = Entry(file.path().to_path_buf());
            unfinished.push(entry.0.clone());
            drop(unfinished);
            // Another process that cleans up may have locked the file first and be about to remove it, or have removed it.
            // Where the file system has no locks, nobody can.
            let locked = !matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock));
            if locked && fs::symlink_metadata(file.path()).is_ok() {
                return Ok(Self::Named(file, entry));
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    pub(super) fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => file,
            Self::Named(file, _) => file.as_file(),
        }
    }

    /// Gives the file its name, in the same folder; a file of that name is replaced.
    pub(super) fn persist(self, name: &Path) -> io::Result<()> {
        self.file().sync_data()?;
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => match link(&file, name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // A link replaces nothing, a rename does. The name in between is there for a moment, in which nobody
                    // can abandon all outputs.
                    let _unfinished = unfinished();
                    let named = with_name(super::folder_of(name), |path| link(&file, path))?;
                    named.persist(name).map(drop).map_err(|error| error.error)
                }
                linked => linked,
            },
            Self::Named(file, _entry) => file.persist(name).map(drop).map_err(|error| error.error),
        }
    }
}

/// What `make` makes under a temporary name. An error is the system's own, without that name, which nobody knows.
fn with_name<R>(folder: &Path, mut make: impl FnMut(&Path) -> io::Result<R>) -> io::Result<NamedTempFile<R>> {
    let mut cause = None;
    let made = Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .make_in(folder, |path| make(path).inspect_err(|error| cause = error.raw_os_error()));
    made.map_err(|error| cause.map_or(error, io::Error::from_raw_os_error))
}

/// A file in `folder` that has no name, and can be given one.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666))?);
    // A system without its table of open files could not name it.
    fs::metadata(open_name(&file))?;
    Ok(file)
}

#[cfg(target_os = "linux")]
fn link(file: &File, name: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    Ok(rustix::fs::linkat(CWD, open_name(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

/// The name of an open file in the system's table of them.
#[cfg(target_os = "linux")]
fn open_name(file: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Lets two folders change names, so that there is no moment without either of them.
#[cfg(all(feature = "zarr", target_os = "linux"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(io::Error::from)
}

/// Other systems, and file systems without it, put the old folder aside first.
#[cfg(all(feature = "zarr", not(target_os = "linux")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Removes what killed processes left in a folder, once in the life of this process.
fn clean_once(folder: &Path) {
    static CLEANED: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let mut cleaned = CLEANED.lock().unwrap_or_else(PoisonError::into_inner);
    if cleaned.get_or_insert_default().insert(folder.to_path_buf()) {
        clean(folder);
    }
}

/// Removes the temporary files and folders in a folder that nobody has locked. What cannot be looked at stays.
pub(super) fn clean(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        let Ok(kind) = entry.file_type() else { continue };
        if ours && (kind.is_file() || kind.is_dir()) {
            // The lock is held until the name is gone, so that an owner who has no lock yet finds one or the other out.
            let Ok(file) = File::open(entry.path()) else { continue };
            if file.try_lock().is_ok() {
                let _ = if kind.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
            }
        }
    }
}
