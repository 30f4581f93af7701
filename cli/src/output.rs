//! Where results go: a file that appears whole or not at all, or stdout.

use std::fs::File;
use std::io::{self, BufWriter, Seek, StdoutLock, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use runmask::output::AtomicFile;
use runmask::{Error, Result};

use crate::paths::{is_stream, named};

/// A file that gets its name when it is committed, or stdout. What is given up leaves no file; stdout then has what was
/// written until then, unless the output is whole.
pub(crate) struct Output {
    to: To,
    /// What is written is compressed, and waits here until it goes on.
    gzip: Option<GzEncoder<Vec<u8>>>,
    name: PathBuf,
    failed: bool,
}

enum To {
    Stdout(BufWriter<StdoutLock<'static>>),
    /// A temporary file without a name, which is copied to stdout at the end.
    Whole(BufWriter<File>),
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
        let packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let gzip = packed.then(|| GzEncoder::new(Vec::new(), Compression::default()));
        Ok(Self { to, gzip, name: name.to_path_buf(), failed: false })
    }

    /// Begins an output of which nothing appears before it is committed, not on stdout either.
    pub(crate) fn create_whole(path: &Path) -> Result<Self> {
        if !is_stream(path) {
            return Self::create(path);
        }
        let file = tempfile::tempfile()
            .map_err(|source| Error::Io { context: "making a temporary file for standard output".into(), source })?;
        let to = To::Whole(BufWriter::with_capacity(BUFFER, file));
        Ok(Self { to, gzip: None, name: "standard output".into(), failed: false })
    }

    /// An error of work that reads `input` and writes this output, with the name of the one that it arose in.
    pub(crate) fn blame(&self, error: Error, input: &Path) -> Error {
        match error {
            Error::Io { source, .. } if self.failed => Error::io("writing", &self.name, source),
            other => named(other, input),
        }
    }

    /// An error of an output that cannot be what is asked for, with its name.
    pub(crate) fn refuse(&self, error: Error) -> Error {
        self.blame(error, &self.name)
    }

    /// Finishes the output. What is not committed leaves no file.
    pub(crate) fn commit(mut self) -> Result<()> {
        if let Some(gzip) = self.gzip.take() {
            let finished = gzip.finish().and_then(|rest| self.to.write_all(&rest));
            finished.map_err(|error| Error::io("writing", &self.name, error))?;
        }
        match self.to {
            To::Stdout(mut stdout) => stdout.flush().map_err(|error| Error::io("writing", &self.name, error)),
            To::Whole(file) => to_stdout(file).map_err(|error| Error::io("writing", &self.name, error)),
            To::File(file) => file.finish(),
        }
    }
}

fn to_stdout(file: BufWriter<File>) -> io::Result<()> {
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    let mut stdout = io::stdout().lock();
    io::copy(&mut file, &mut stdout)?;
    stdout.flush()
}

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Whole(file) => file.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Whole(file) => file.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.gzip {
            None => self.to.write(bytes),
            Some(gzip) => gzip.write_all(bytes).and_then(|()| {
                let packed = std::mem::take(gzip.get_mut());
                self.to.write_all(&packed).map(|()| bytes.len())
            }),
        };
        self.failed |= written.is_err();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        self.failed |= flushed.is_err();
        flushed
    }
}
