//! Where results go: a file that appears whole or not at all, or stdout.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use runmask::output::AtomicFile;
use runmask::{Error, Result};

use crate::paths::{is_stream, named};

/// A file that gets its name when it is committed, or stdout.
pub(crate) struct Output {
    to: To,
    name: PathBuf,
    failed: bool,
}

enum To {
    Stdout(BufWriter<StdoutLock<'static>>),
    File(AtomicFile),
}

/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;

impl Output {
    /// Begins an output.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let (to, name) = if is_stream(path) {
            (To::Stdout(BufWriter::with_capacity(BUFFER, io::stdout().lock())), Path::new("standard output"))
        } else {
            (To::File(AtomicFile::create(path)?), path)
        };
        Ok(Self { to, name: name.to_path_buf(), failed: false })
    }

    /// An error of work that reads `input` and writes this output, with the name of the one that it arose in.
    pub(crate) fn blame(&self, error: Error, input: &Path) -> Error {
        match error {
            Error::Io { source, .. } if self.failed => Error::io("writing", &self.name, source),
            other => named(other, input),
        }
    }

    /// Finishes the output. What is not committed leaves no file.
    pub(crate) fn commit(self) -> Result<()> {
        match self.to {
            To::Stdout(mut stdout) => stdout.flush().map_err(|error| Error::io("writing", &self.name, error)),
            To::File(file) => file.finish(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.to {
            To::Stdout(stdout) => stdout.write(bytes),
            To::File(file) => file.write(bytes),
        };
        self.failed |= written.is_err();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = match &mut self.to {
            To::Stdout(stdout) => stdout.flush(),
            To::File(file) => file.flush(),
        };
        self.failed |= flushed.is_err();
        flushed
    }
}
