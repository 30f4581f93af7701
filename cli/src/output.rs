//! Where results go: a file that appears whole or not at all, or stdout.

use std::fs::{self, File};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use runmask::{Error, Result};

use crate::exit::INTERRUPTED;

/// Temporary files of outputs that are not finished.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on an interrupt removes temporary files and ends the program.
pub(crate) fn clean_up_when_interrupted() -> Result<()> {
    let handler = || {
        // Kept locked to the end, so that no other thread begins or finishes a file behind our back.
        let files = unfinished();
        for file in files.iter() {
            let _ = fs::remove_file(file);
        }
        std::process::exit(INTERRUPTED);
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Error::Io { context: "listening to interrupts".into(), source: io::Error::other(error) })
}

/// An error when an output is one of the inputs.
pub(crate) fn refuse_inputs<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    if is_stream(output) {
        return Ok(());
    }
    // A file that does not exist yet is nobody's input.
    let Ok(found) = fs::canonicalize(output) else { return Ok(()) };
    for input in inputs {
        if !is_stream(input) && fs::canonicalize(input).is_ok_and(|input| input == found) {
            return Err(Error::Argument(format!("{}: the output would replace the input", output.display())));
        }
    }
    Ok(())
}

/// Whether a path stands for stdin or stdout.
pub(crate) fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file under a temporary name beside its target, or stdout. What is not committed leaves no trace.
pub(crate) struct Output {
    to: To,
    name: PathBuf,
}

enum To {
    Stdout(BufWriter<StdoutLock<'static>>),
    /// Something that cannot be renamed over: a device or a pipe.
    Device(BufWriter<File>),
    File {
        writer: BufWriter<File>,
        temporary: Temporary,
        target: PathBuf,
    },
}

/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;

impl Output {
    /// Begins an output.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if is_stream(path) {
            let to = To::Stdout(BufWriter::with_capacity(BUFFER, io::stdout().lock()));
            return Ok(Self { to, name: "standard output".into() });
        }
        let failed = |error| Error::io("writing", path, error);
        let to = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(metadata) if !metadata.is_file() => {
                let file = File::options().write(true).open(path).map_err(failed)?;
                To::Device(BufWriter::with_capacity(BUFFER, file))
            }
            // A link stays a link: what it points to is replaced.
            Ok(_) => Self::beside(fs::canonicalize(path).map_err(failed)?).map_err(failed)?,
            Err(_) => Self::beside(path.to_path_buf()).map_err(failed)?,
        };
        Ok(Self { to, name: path.to_path_buf() })
    }

    fn beside(target: PathBuf) -> io::Result<To> {
        let (file, temporary) = Temporary::create(&target)?;
        Ok(To::File { writer: BufWriter::with_capacity(BUFFER, file), temporary, target })
    }

    /// Finishes the output: the file takes its name.
    pub(crate) fn commit(self) -> Result<()> {
        let failed = |error| Error::io("writing", &self.name, error);
        match self.to {
            To::Stdout(mut writer) => writer.flush().map_err(failed),
            To::Device(mut writer) => writer.flush().map_err(failed),
            To::File { writer, temporary, target } => {
                let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
                file.sync_all().map_err(failed)?;
                drop(file);
                temporary.rename(&target).map_err(failed)
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Stdout(writer) => writer.write(bytes),
            To::Device(writer) | To::File { writer, .. } => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Stdout(writer) => writer.flush(),
            To::Device(writer) | To::File { writer, .. } => writer.flush(),
        }
    }
}

/// A file that is removed unless it is renamed.
struct Temporary(PathBuf);

impl Temporary {
    fn create(target: &Path) -> io::Result<(File, Self)> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        // Locked over creation, so that an interrupt cannot come between the file and its entry.
        let mut unfinished = unfinished();
        let mut number = 0_u32;
        loop {
            let temporary = target.with_file_name(format!(".{name}.{}-{number}.part", std::process::id()));
            match File::options().write(true).create_new(true).open(&temporary) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
                Err(error) => return Err(error),
                Ok(file) => {
                    unfinished.push(temporary.clone());
                    return Ok((file, Self(temporary)));
                }
            }
        }
    }

    fn rename(self, target: &Path) -> io::Result<()> {
        let mut unfinished = unfinished();
        fs::rename(&self.0, target)?;
        unfinished.retain(|file| file != &self.0);
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        let before = unfinished.len();
        unfinished.retain(|file| file != &self.0);
        if unfinished.len() < before {
            let _ = fs::remove_file(&self.0);
        }
    }
}
