//! Pictures of any kind: those of the escape-key codec, and those that outlines are drawn over.
//!
//! Gets a path; gives a PNG as rows, and any other picture whole. Memory is what the format can make of the file's bytes,
//! and never more than the caller allows: a header's word alone allocates nothing.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use image::{DynamicImage, ImageError, ImageFormat, ImageReader};
use png::{BitDepth, ColorType, DecodingError, Transformations};
use runmask::{Error, Place, Result, Shape};

/// Bytes that any file may take: buffers, and what stands beside the pixels.
const MIN_HELD: u64 = 64 << 20;

/// Bytes that one pixel may take: its own, and those of a copy in another form.
const LARGEST_PIXEL: u64 = 16;

/// Bytes that a row of a PNG may take.
const MAX_ROW: u64 = 256 << 20;

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Bytes of R G B A that a byte of a file can stand for.
fn largest_factor(format: Option<ImageFormat>) -> u64 {
    4 * match format {
        // Deflate makes 1032 bytes of one, and each of them may be 8 grey pixels.
        Some(ImageFormat::Png) => 1032 * 8,
        // A code of 12 bits stands for up to 4096 pixels.
        Some(ImageFormat::Gif) => 4096,
        // A block of 64 grey pixels takes at least a bit.
        Some(ImageFormat::Jpeg) => 512,
        // Two bytes stand for a run of up to 255 pixels. (A file may also leave pixels out; none that is sound leaves
        // out more than it holds by far.)
        Some(ImageFormat::Bmp) => 128,
        // Eight pixels without grey to a byte.
        _ => 8,
    }
}

/// A picture of any kind, whole; it takes at most `most` bytes.
pub(crate) fn whole(path: &Path, most: u64) -> Result<DynamicImage> {
    let reading = |error| Error::io("reading", path, error);
    let mut reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(reading)?;
    let length = std::fs::metadata(path).map_err(reading)?.len();
    let mut held = length.saturating_mul(largest_factor(reader.format())).clamp(MIN_HELD, most);
    // What is beside the pixels, a profile of colours for instance, is no reason for more.
    if let Ok(size) = imagesize::size(path) {
        let pixels = (size.width as u64).saturating_mul(size.height as u64);
        held = held.min(pixels.saturating_mul(LARGEST_PIXEL).saturating_add(MIN_HELD));
    }
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(held);
    reader.limits(limits);
    reader.decode().map_err(|error| match error {
        ImageError::IoError(error) if error.kind() != ErrorKind::UnexpectedEof => reading(error),
        ImageError::Unsupported(error) => {
            Error::Unsupported(format!("not a picture that can be read: {error}")).in_file(path)
        }
        ImageError::Limits(error) => {
            Error::Unsupported(format!("{error}: {held} bytes for a file of {length}")).in_file(path)
        }
        error => Error::format(Place::File, "a whole picture", error.to_string()).in_file(path),
    })
}

/// The rows of a PNG, with 8 bits for each channel and no palette.
pub(crate) struct PngRows(png::Reader<BufReader<File>>);

impl PngRows {
    /// The rows of a file; `None` when they do not follow each other in it: it is no PNG, or an interlaced one.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let reading = |error| Error::io("reading", path, error);
        let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(reading)?);
        if !file.fill_buf().map_err(reading)?.starts_with(PNG_SIGNATURE) {
            return Ok(None);
        }
        let failed = |error| failed(error, Place::File).in_file(path);
        // The limit is for what stands beside the pixels.
        let mut decoder = png::Decoder::new_with_limits(file, png::Limits { bytes: MIN_HELD as usize });
        decoder.set_transformations(Transformations::EXPAND);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        let header = decoder.read_header_info().map_err(failed)?;
        if header.interlaced {
            return Ok(None);
        }
        if header.bit_depth == BitDepth::Sixteen {
            return Err(deep(16).in_file(path));
        }
        let found = u64::from(header.width) * 4;
        if found > MAX_ROW {
            let what = "bytes in a row of a picture".into();
            return Err(Error::LimitExceeded { what, limit: MAX_ROW, found }.in_file(path));
        }
        Ok(Some(Self(decoder.read_info().map_err(failed)?)))
    }

    /// What a pixel consists of.
    pub(crate) fn color(&self) -> image::ColorType {
        match self.0.output_color_type().0 {
            ColorType::Grayscale => image::ColorType::L8,
            ColorType::GrayscaleAlpha => image::ColorType::La8,
            ColorType::Rgb | ColorType::Indexed => image::ColorType::Rgb8,
            ColorType::Rgba => image::ColorType::Rgba8,
        }
    }

    /// Rows and columns of the picture.
    pub(crate) fn shape(&self) -> Shape {
        Shape { height: self.0.info().height, width: self.0.info().width }
    }

    /// The next row; an error when there is none.
    pub(crate) fn next(&mut self, row: u32) -> Result<&[u8]> {
        let place = || Place::Part(format!("row {row}"));
        match self.0.next_row() {
            Ok(Some(row)) => Ok(row.data()),
            Ok(None) => Err(Error::format(place(), "pixels", "the end of the picture")),
            Err(error) => Err(failed(error, place())),
        }
    }

    /// After the last row: reads what follows, which tells a whole file from one that was cut off.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.0.finish().map_err(|error| failed(error, Place::File))
    }
}

/// Channels of so many bits.
pub(crate) fn deep(bits: u32) -> Error {
    Error::Unsupported(format!("a picture of {bits} bits a channel; a record holds 8 bits of each"))
}

fn failed(error: DecodingError, place: Place) -> Error {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Error::format(place, "a whole PNG", "the end of the file")
        }
        DecodingError::IoError(source) => Error::Io { context: "reading the picture".into(), source },
        error => Error::format(place, "a sound PNG", error.to_string()),
    }
}
