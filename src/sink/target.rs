//! Where the bytes of a mask go.

use std::fmt;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output::AtomicFile;

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 18;

/// A file of its own, or a writer of the caller's.
pub(super) enum Target<'w> {
    File(AtomicFile),
    /// A writer that can be sought, and where the mask begins in it.
    Writer(
        BufWriter<Box<dyn WriteSeek + 'w>>,
        #[cfg_attr(not(feature = "tiff"), expect(dead_code, reason = "only a TIFF is written out of order"))] u64,
    ),
    /// A writer that cannot, and its name.
    Stream(BufWriter<Box<dyn Write + Send + 'w>>, Option<PathBuf>),
}

/// What a mask of any format can be written to.
pub(super) trait WriteSeek: Write + Seek + Send {}

impl<W: Write + Seek + Send> WriteSeek for W {}

impl<'w> Target<'w> {
    pub(super) fn writer(writer: impl Write + Seek + Send + 'w) -> Result<Self> {
        let mut writer: Box<dyn WriteSeek + 'w> = Box::new(writer);
        let start = writer.stream_position().map_err(|error| written(None, error))?;
        Ok(Self::Writer(BufWriter::with_capacity(BUFFER, writer), start))
    }

    pub(super) fn stream(writer: impl Write + Send + 'w, name: Option<&Path>) -> Self {
        Self::Stream(BufWriter::with_capacity(BUFFER, Box::new(writer)), name.map(Path::to_path_buf))
    }

    pub(super) fn is_seekable(&self) -> bool {
        match self {
            Self::File(file) => file.is_seekable(),
            Self::Writer(..) => true,
            Self::Stream(..) => false,
        }
    }

    fn name(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file.path()),
            Self::Writer(..) => None,
            Self::Stream(_, name) => name.as_deref(),
        }
    }

    /// An error with the name of the file.
    pub(super) fn name_in(&self, error: Error) -> Error {
        match self.name() {
            Some(name) => error.in_file(name),
            None => error,
        }
    }

    /// A failed write.
    pub(super) fn error(&self, error: io::Error) -> Error {
        written(self.name(), error)
    }

    /// Writes over the bytes from `place` of the mask on, after everything else was written.
    #[cfg(feature = "tiff")]
    pub(super) fn write_at(&mut self, place: u64, bytes: &[u8]) -> io::Result<()> {
        let end = self.stream_position()?;
        let start = if let Self::Writer(_, start) = self { *start } else { 0 };
        self.seek(SeekFrom::Start(start + place))?;
        self.write_all(bytes)?;
        self.seek(SeekFrom::Start(end)).map(drop)
    }

    pub(super) fn finish(self) -> Result<()> {
        let flush = |writer: &mut dyn Write, name: Option<&Path>| writer.flush().map_err(|error| written(name, error));
        match self {
            Self::File(file) => file.finish(),
            Self::Writer(mut writer, _) => flush(&mut writer, None),
            Self::Stream(mut stream, name) => flush(&mut stream, name.as_deref()),
        }
    }
}

fn written(name: Option<&Path>, source: io::Error) -> Error {
    match name {
        Some(name) => Error::io("writing", name, source),
        None => Error::Io { context: "writing the mask".into(), source },
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({:?})", self.name())
    }
}

impl Write for Target<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Writer(writer, _) => writer.write(bytes),
            Self::Stream(stream, _) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Writer(writer, _) => writer.flush(),
            Self::Stream(stream, _) => stream.flush(),
        }
    }
}

impl Seek for Target<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(position),
            Self::Writer(writer, _) => writer.seek(position),
            Self::Stream(..) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }
}
