//! `pixels`: pictures as escape-key records, and back.
//!
//! A picture is read whole, whatever its format; what records describe is written row by row.

use std::io::BufRead;
use std::path::Path;

use image::{ColorType, ImageError, ImageReader, Limits, RgbaImage};
use png::EncodingError;
use runmask::pixels::{self, ChannelOrder, RecordWriter};
use runmask::{Error, Place, Result, Shape};

use crate::args::{Pixels, PixelsDecode, PixelsEncode};
use crate::console::Console;
use crate::exit::Status;
use crate::input;
use crate::kind;
use crate::output::Output;
use crate::paths::{one_stdin, refuse_inputs};
use crate::progress::Task;

/// Bytes that reading a picture may take: at most, and whatever the file's length.
const MAX_HELD: u64 = 2 << 30;
const MIN_HELD: u64 = 64 << 20;

/// Bytes of R G B A that a byte of a file can stand for: deflate makes 1032 bytes of one, and each of 8 grey pixels. None of
/// the other formats reaches that.
const LARGEST_FACTOR: u64 = 1032 * 8 * 4;

/// Bytes of a picture between two reports of progress: whole pixels.
const STEP: usize = 16 << 20;

pub(crate) fn run(args: &Pixels, console: &Console) -> Result<Status> {
    match args {
        Pixels::Encode(args) => encode(args, console),
        Pixels::Decode(args) => decode(args, console),
    }?;
    Ok(Status::Done)
}

fn order(bgra: bool) -> ChannelOrder {
    if bgra { ChannelOrder::Bgra } else { ChannelOrder::Rgba }
}

fn encode(args: &PixelsEncode, console: &Console) -> Result<()> {
    refuse_inputs(&args.output, [args.image.as_path()])?;
    kind::records_go_to(&args.output)?;
    let picture = read(&args.image)?;
    let mut output = Output::create(&args.output)?;
    let task = console.start(&args.image.display().to_string(), picture.len() as u64);
    write_records(&picture, order(args.bgra), &task, &mut output).map_err(|error| output.blame(error, &args.image))?;
    output.commit()
}

fn write_records(picture: &RgbaImage, order: ChannelOrder, task: &Task, output: &mut Output) -> Result<()> {
    let mut records = RecordWriter::new(order, output);
    for pixels in picture.as_raw().chunks(STEP) {
        records.pixels(pixels)?;
        task.advance(pixels.len() as u64);
    }
    records.finish()
}

/// A picture of any kind that has 8 bits for each channel, as R G B A.
fn read(path: &Path) -> Result<RgbaImage> {
    let reading = |error| Error::io("reading", path, error);
    let mut reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(reading)?;
    // A header's word alone allocates nothing that the file could not fill.
    let length = std::fs::metadata(path).map_err(reading)?.len();
    let held = length.saturating_mul(LARGEST_FACTOR).clamp(MIN_HELD, MAX_HELD);
    let mut limits = Limits::default();
    limits.max_alloc = Some(held);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| match error {
        ImageError::IoError(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => reading(error),
        ImageError::Unsupported(error) => Error::Unsupported(error.to_string()).in_file(path),
        ImageError::Limits(error) => {
            Error::Unsupported(format!("{error}: {held} bytes for a file of {length}")).in_file(path)
        }
        error => Error::format(Place::File, "a whole picture", error.to_string()).in_file(path),
    })?;
    match picture.color() {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Ok(picture.into_rgba8()),
        other => {
            let bits = u32::from(other.bits_per_pixel()) / u32::from(other.channel_count());
            let message = format!("a picture of {bits} bits a channel; a record holds 8 bits of each");
            Err(Error::Unsupported(message).in_file(path))
        }
    }
}

fn decode(args: &PixelsDecode, console: &Console) -> Result<()> {
    let inputs = || args.shape.like.iter().chain([&args.records]).map(AsRef::as_ref);
    one_stdin(inputs())?;
    refuse_inputs(&args.output, inputs())?;
    kind::png_goes_to(&args.output)?;
    let Some(shape) = args.shape.shape()? else {
        return Err(Error::UnknownShape { what: "records do not say how large their picture is".into() });
    };
    let mut reader = input::open(&args.records, console)?;
    let mut output = Output::create(&args.output)?;
    write_png(&mut reader, &mut output, shape, order(args.bgra)).map_err(|error| output.blame(error, &args.records))?;
    output.commit()
}

/// Writes the picture of this shape that the records describe.
fn write_png(reader: &mut dyn BufRead, output: &mut Output, shape: Shape, order: ChannelOrder) -> Result<()> {
    let failed = |error| match error {
        EncodingError::IoError(source) => Error::Io { context: "writing".into(), source },
        other => Error::Unsupported(other.to_string()),
    };
    let mut encoder = png::Encoder::new(output, shape.width, shape.height);
    encoder.set_color(png::ColorType::Rgba);
    let mut header = encoder.write_header().map_err(failed)?;
    let mut stream = header.stream_writer().map_err(failed)?;
    pixels::decode(reader, shape.pixels(), order, &mut stream)?;
    stream.finish().map_err(failed)?;
    header.finish().map_err(failed)
}
