//! Where results go: a file that appears whole or not at all, or stdout.

use std::fs;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

use runmask::output::{AtomicFile, abandon_all};
use runmask::{Error, Result};

use crate::exit::INTERRUPTED;

/// From now on an interrupt removes temporary files and ends the program.
pub(crate) fn clean_up_when_interrupted() -> Result<()> {
    ctrlc::set_handler(|| abandon_all(|| std::process::exit(INTERRUPTED)))
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

/// A file that gets its name when it is committed, or stdout.
pub(crate) enum Output {
    Stdout(BufWriter<StdoutLock<'static>>),
    File(AtomicFile),
}

/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;

impl Output {
    /// Begins an output.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        if is_stream(path) {
            return Ok(Self::Stdout(BufWriter::with_capacity(BUFFER, io::stdout().lock())));
        }
        AtomicFile::create(path).map(Self::File)
    }

    /// Finishes the output. What is not committed leaves no file.
    pub(crate) fn commit(self) -> Result<()> {
        match self {
            Self::Stdout(mut stdout) => {
                stdout.flush().map_err(|source| Error::Io { context: "writing standard output".into(), source })
            }
            Self::File(file) => file.finish(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
        }
    }
}
