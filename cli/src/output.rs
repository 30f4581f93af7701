//! Where results go: a file that appears whole or not at all, or stdout.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use runmask::output::AtomicFile;
use runmask::sink::{self, MaskFormat, Sink};
use runmask::{Dtype, Error, Result, Shape};

use crate::args::MaskOutputArgs;
use crate::commands::color;
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
    Stdout(BufWriter<Stdout>),
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
            (To::Stdout(BufWriter::with_capacity(BUFFER, Stdout)), Path::new(STDOUT))
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
        Ok(Self { to, gzip: None, name: STDOUT.into(), failed: false })
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
    io::copy(&mut file, &mut Stdout)?;
    Stdout.flush()
}

/// Begins a mask file of these labels, or a mask on stdout.
pub(crate) fn mask(
    path: &Path,
    args: &MaskOutputArgs,
    memory: Option<u64>,
    shape: Shape,
    dtype: Dtype,
    labels: &[u64],
) -> Result<Box<dyn Sink>> {
    let options = args.options(memory);
    match args.mask_format {
        Some(format) if is_stream(path) => {
            let sink = sink::to_stream(Stdout, format, shape, dtype, &options);
            Ok(Box::new(MaskOnStdout(sink.map_err(on_stdout)?)))
        }
        _ if matches!(args.mask_format.map_or_else(|| MaskFormat::of(path), Ok), Ok(MaskFormat::Zarr)) => {
            let color = |(&label, place): (&u64, u64)| {
                let [_, red, green, blue] = color(place).to_be_bytes();
                (label, [red, green, blue, u8::MAX])
            };
            sink::create(path, shape, dtype, &options.colors(labels.iter().zip(0..).map(color)))
        }
        _ => sink::create(path, shape, dtype, &options),
    }
}

/// A mask whose errors name stdout.
struct MaskOnStdout(Box<dyn Sink>);

impl Sink for MaskOnStdout {
    fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        self.0.write_rows(rows).map_err(on_stdout)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish().map_err(on_stdout)
    }
}

fn on_stdout(error: Error) -> Error {
    match error {
        Error::Io { source, .. } => Error::io("writing", Path::new(STDOUT), source),
        other => other.in_file(Path::new(STDOUT)),
    }
}

/// Whether the output is there: a file with something in it. Nothing that is written here is empty, so an empty file is
/// not done, and neither is a folder.
pub(crate) fn is_done(path: &Path) -> bool {
    !is_stream(path) && fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0)
}

/// What messages call stdout.
const STDOUT: &str = "standard output";

/// Standard output. That nobody reads it any more is an error that [`is_unread`] knows from a broken pipe elsewhere.
pub(crate) struct Stdout;

/// Nobody reads standard output any more.
#[derive(Debug)]
struct Unread;

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads standard output any more")
    }
}

impl std::error::Error for Unread {}

fn unread(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe { io::Error::new(error.kind(), Unread) } else { error }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).map_err(unread)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(unread)
    }
}

/// Whether an error is, or was caused by, that nobody reads stdout any more.
pub(crate) fn is_unread(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<Unread>() || is_unread(inner)) || error.source().is_some_and(is_unread)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unread_stdout_is_found_at_any_depth_and_other_pipes_are_not_it() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let write = |source| Error::Io { context: "write the runs".into(), source };
        assert!(is_unread(&write(unread(pipe()))));
        assert!(is_unread(&write(io::Error::other(write(unread(pipe()))))));
        assert!(!is_unread(&write(pipe())));
        assert!(!is_unread(&write(unread(io::Error::from(io::ErrorKind::StorageFull)))));
    }
}
