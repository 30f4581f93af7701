//! `pixels`: pictures as escape-key records, and back.
//!
//! A picture is read whole, whatever its format; what records describe is written row by row.

use std::path::Path;

use image::{ColorType, DynamicImage, ImageError, ImageFormat, ImageReader, Limits};
use runmask::pixels::{ChannelOrder, RecordWriter, decode_png};
use runmask::{Error, Place, Result};

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

/// Bytes that one pixel may take: its own, and those of a copy in another form.
const LARGEST_PIXEL: u64 = 16;

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

/// Pixels of a picture between two reports of progress.
const STEP: usize = 4 << 20;

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
    let task = console.start(&args.image.display().to_string(), picture.as_bytes().len() as u64);
    write_records(&picture, order(args.bgra), &task, &mut output).map_err(|error| output.blame(error, &args.image))?;
    output.commit()
}

fn write_records(picture: &DynamicImage, order: ChannelOrder, task: &Task, output: &mut Output) -> Result<()> {
    let mut records = RecordWriter::new(order, output);
    let mut rgba = Vec::new();
    for pixels in picture.as_bytes().chunks(STEP * usize::from(picture.color().bytes_per_pixel())) {
        to_rgba(pixels, picture.color(), &mut rgba);
        records.pixels(&rgba)?;
        task.advance(pixels.len() as u64);
    }
    records.finish()
}

/// Pixels as R G B A.
fn to_rgba(pixels: &[u8], color: ColorType, rgba: &mut Vec<u8>) {
    rgba.clear();
    match color {
        ColorType::L8 => rgba.extend(pixels.iter().flat_map(|&grey| [grey, grey, grey, 255])),
        ColorType::La8 => {
            rgba.extend(pixels.as_chunks().0.iter().flat_map(|&[grey, alpha]| [grey, grey, grey, alpha]));
        }
        ColorType::Rgb8 => rgba.extend(pixels.as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255])),
        _ => rgba.extend_from_slice(pixels),
    }
}

/// A picture of any kind that has 8 bits for each channel.
fn read(path: &Path) -> Result<DynamicImage> {
    let reading = |error| Error::io("reading", path, error);
    let mut reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(reading)?;
    // A header's word alone allocates nothing that the file could not fill.
    let length = std::fs::metadata(path).map_err(reading)?.len();
    let mut held = length.saturating_mul(largest_factor(reader.format())).clamp(MIN_HELD, MAX_HELD);
    // What is beside the pixels, a profile of colours for instance, is no reason for more.
    if let Ok(size) = imagesize::size(path) {
        let pixels = (size.width as u64).saturating_mul(size.height as u64);
        held = held.min(pixels.saturating_mul(LARGEST_PIXEL).saturating_add(MIN_HELD));
    }
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
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Ok(picture),
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
    decode_png(&mut reader, shape, order(args.bgra), &mut output)
        .map_err(|error| output.blame(error, &args.records))?;
    output.commit()
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};

    use super::*;

    #[test]
    fn channels_are_those_of_the_picture() {
        for (picture, expected) in [
            (DynamicImage::from(GrayImage::from_raw(2, 1, vec![1, 2]).unwrap()), [1, 1, 1, 255, 2, 2, 2, 255]),
            (GrayAlphaImage::from_raw(2, 1, vec![1, 9, 2, 8]).unwrap().into(), [1, 1, 1, 9, 2, 2, 2, 8]),
            (RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap().into(), [1, 2, 3, 255, 4, 5, 6, 255]),
            (RgbaImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6, 7, 8]).unwrap().into(), [1, 2, 3, 4, 5, 6, 7, 8]),
        ] {
            let mut rgba = Vec::new();
            to_rgba(picture.as_bytes(), picture.color(), &mut rgba);
            assert_eq!(rgba, expected);
            // The definition.
            assert_eq!(picture.into_rgba8().into_raw(), expected);
        }
    }
}
