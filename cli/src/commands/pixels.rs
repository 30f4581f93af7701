//! `pixels`: pictures as escape-key records, and back.
//!
//! A PNG is read and written row by row; a picture of another format, or an interlaced one, is held whole.

use std::path::Path;

use image::{ColorType, DynamicImage};
use runmask::pixels::{ChannelOrder, RecordWriter, decode_png};
use runmask::{Error, Result};

use crate::args::{Pixels, PixelsDecode, PixelsEncode};
use crate::console::Console;
use crate::exit::Status;
use crate::input;
use crate::kind;
use crate::output::Output;
use crate::paths::{one_stdin, refuse_inputs};
use crate::picture::{self, PngRows};
use crate::progress::Task;

/// Bytes that a picture which is held whole may take, whatever the file's length.
const MAX_HELD: u64 = 2 << 30;

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
    let (path, order) = (args.image.as_path(), order(args.bgra));
    let name = path.display().to_string();
    if let Some(rows) = PngRows::open(path)? {
        let mut output = Output::create(&args.output)?;
        let task = console.start(&name, rows.shape().pixels() * 4);
        write_rows(rows, order, &task, &mut output).map_err(|error| output.blame(error, path))?;
        return output.commit();
    }
    let picture = read(path)?;
    let mut output = Output::create(&args.output)?;
    let task = console.start(&name, picture.as_bytes().len() as u64);
    write_records(&picture, order, &task, &mut output).map_err(|error| output.blame(error, path))?;
    output.commit()
}

fn write_rows(mut rows: PngRows, order: ChannelOrder, task: &Task, output: &mut Output) -> Result<()> {
    let (color, mut records, mut rgba) = (rows.color(), RecordWriter::new(order, output), Vec::new());
    for row in 0..rows.shape().height {
        to_rgba(rows.next(row)?, color, &mut rgba);
        records.pixels(&rgba)?;
        task.advance(rgba.len() as u64);
    }
    rows.finish()?;
    records.finish()
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
    let picture = picture::whole(path, MAX_HELD)?;
    match picture.color() {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Ok(picture),
        other => Err(picture::deep(u32::from(other.bits_per_pixel()) / u32::from(other.channel_count())).in_file(path)),
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

    #[test]
    fn rows_of_a_png_are_those_of_the_whole_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let bytes: Vec<u8> = (0..240_u32).map(|byte| (byte * byte / 3) as u8).collect();
        for (color, depth, transparent) in [
            (png::ColorType::Indexed, png::BitDepth::Two, true),
            (png::ColorType::Indexed, png::BitDepth::Eight, false),
            (png::ColorType::Grayscale, png::BitDepth::Four, false),
            (png::ColorType::Grayscale, png::BitDepth::Eight, true),
            (png::ColorType::Rgb, png::BitDepth::Eight, true),
            (png::ColorType::Rgba, png::BitDepth::Eight, false),
        ] {
            let row = (color.samples() * depth as usize * 10).div_ceil(8);
            let mut encoder = png::Encoder::new(std::fs::File::create(&path).unwrap(), 10, (240 / row) as u32);
            encoder.set_color(color);
            encoder.set_depth(depth);
            if color == png::ColorType::Indexed {
                encoder.set_palette((0..768_u32).map(|byte| (byte * 5) as u8).collect::<Vec<_>>());
            }
            if transparent {
                let key: &[u8] = if color == png::ColorType::Rgb { &[0, 0, 0, 0, 0, 3] } else { &[0, 9] };
                encoder.set_trns(key);
            }
            encoder.write_header().unwrap().write_image_data(&bytes[..240 / row * row]).unwrap();
            let mut rows = PngRows::open(&path).unwrap().unwrap();
            let (mut found, mut rgba) = (Vec::<u8>::new(), Vec::new());
            for y in 0..rows.shape().height {
                let color = rows.color();
                to_rgba(rows.next(y).unwrap(), color, &mut rgba);
                found.extend(&rgba);
            }
            rows.finish().unwrap();
            assert_eq!(found, picture::whole(&path, 1 << 30).unwrap().into_rgba8().into_raw(), "{color:?} {depth:?}");
        }
    }
}
