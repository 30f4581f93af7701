//! `pixels`: pictures as escape-key records, and back.
//!
//! Pictures are read and written row by row; an interlaced one is held whole.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use png::{BitDepth, ColorType, DecodingError, EncodingError, Limits, Transformations};
use runmask::pixels::{self, ChannelOrder};
use runmask::{Error, Result, Shape};

use crate::args::{Pixels, PixelsDecode, PixelsEncode};
use crate::exit::Status;
use crate::input;
use crate::output::{Output, refuse_inputs};
use crate::progress::{Progress, Task};

/// Bytes of a row, or of an interlaced picture, that are held at most.
const MAX_HELD: u64 = 1 << 30;

/// Deflate makes at most this many bytes of one.
const LARGEST_FACTOR: u64 = 1032;

pub(crate) fn run(args: &Pixels, progress: Progress) -> Result<Status> {
    match args {
        Pixels::Encode(args) => encode(args, progress),
        Pixels::Decode(args) => decode(args, progress),
    }?;
    Ok(Status::Done)
}

fn order(bgra: bool) -> ChannelOrder {
    if bgra { ChannelOrder::Bgra } else { ChannelOrder::Rgba }
}

fn encode(args: &PixelsEncode, progress: Progress) -> Result<()> {
    refuse_inputs(&args.output, [args.image.as_path()])?;
    let rows = Rows::open(&args.image, progress)?;
    let mut output = Output::create(&args.output)?;
    let mut failure = None;
    let runs = Runs { rows, row: Vec::new(), next: 0, open: None, failure: &mut failure };
    pixels::encode_runs(runs, order(args.bgra), &mut output).map_err(|error| output.blame(error, &args.image))?;
    match failure {
        Some(error) => Err(error),
        None => output.commit(),
    }
}

fn decode(args: &PixelsDecode, progress: Progress) -> Result<()> {
    refuse_inputs(&args.output, args.shape.like.iter().chain([&args.records]).map(AsRef::as_ref))?;
    let Some(shape) = args.shape.shape()? else {
        let message = "records do not say how large their picture is: give --height and --width, or --like";
        return Err(Error::Argument(message.into()));
    };
    let mut reader = input::open(&args.records, progress)?;
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
    encoder.set_color(ColorType::Rgba);
    let mut header = encoder.write_header().map_err(failed)?;
    let mut stream = header.stream_writer().map_err(failed)?;
    pixels::decode(reader, shape.pixels(), order, &mut stream)?;
    stream.finish().map_err(failed)?;
    header.finish().map_err(failed)
}

/// The rows of a PNG as R G B A.
struct Rows<'a> {
    path: &'a Path,
    reader: png::Reader<BufReader<File>>,
    shape: Shape,
    grey: bool,
    next: u32,
    /// The whole picture when it is interlaced.
    whole: Option<Vec<u8>>,
    task: Task,
}

impl<'a> Rows<'a> {
    fn open(path: &'a Path, progress: Progress) -> Result<Self> {
        let reading = |error| Error::io("reading", path, error);
        let file = File::open(path).map_err(reading)?;
        let length = file.metadata().map_err(reading)?.len();
        let limits = Limits { bytes: MAX_HELD as usize };
        let mut decoder = png::Decoder::new_with_limits(BufReader::new(file), limits);
        decoder.set_transformations(Transformations::EXPAND | Transformations::ALPHA);
        let info = decoder.read_header_info().map_err(|error| decoding(error, path))?;
        let shape = Shape { height: info.height, width: info.width };
        let (interlaced, bits) = (info.interlaced, info.bit_depth);
        if bits == BitDepth::Sixteen {
            let message = "a PNG of 16 bits; a record holds 8 bits of each channel".into();
            return Err(Error::Unsupported(message).in_file(path));
        }
        // At least one bit for each pixel is in the file, before it was deflated.
        if shape.pixels() / 8 / LARGEST_FACTOR > length {
            let found = format!("a file of {length} bytes, too few for them");
            return Err(Error::format(runmask::Place::File, format!("pixels of {shape}"), found).in_file(path));
        }
        let held = if interlaced { shape.pixels() } else { u64::from(shape.width) }.saturating_mul(4);
        if held > MAX_HELD {
            let what = if interlaced { "bytes of an interlaced PNG" } else { "bytes of one row" };
            return Err(Error::LimitExceeded { what: what.into(), limit: MAX_HELD, found: held }.in_file(path));
        }
        let mut reader = decoder.read_info().map_err(|error| decoding(error, path))?;
        let grey = reader.output_color_type().0 == ColorType::GrayscaleAlpha;
        let whole = match interlaced {
            true => {
                let mut pixels = vec![0; reader.output_buffer_size().unwrap_or(0)];
                reader.next_frame(&mut pixels).map_err(|error| decoding(error, path))?;
                Some(pixels)
            }
            false => None,
        };
        let task = progress.start(path.display().to_string(), shape.pixels() * 4);
        Ok(Self { path, reader, shape, grey, next: 0, whole, task })
    }

    /// The next row, or nothing after the last.
    fn read(&mut self, pixels: &mut Vec<[u8; 4]>) -> Result<bool> {
        pixels.clear();
        if self.next == self.shape.height {
            return Ok(false);
        }
        let samples = if self.grey { 2 } else { 4 };
        let bytes = self.shape.width as usize * samples;
        let row = match &self.whole {
            Some(whole) => &whole[self.next as usize * bytes..][..bytes],
            None => match self.reader.next_row().map_err(|error| decoding(error, self.path))? {
                Some(row) if row.data().len() == bytes => row.data(),
                _ => {
                    let place = runmask::Place::Part(format!("row {}", self.next));
                    return Err(Error::format(place, format!("{bytes} bytes"), "another number").in_file(self.path));
                }
            },
        };
        if self.grey {
            pixels.extend(row.as_chunks::<2>().0.iter().map(|&[grey, alpha]| [grey, grey, grey, alpha]));
        } else {
            pixels.extend_from_slice(row.as_chunks::<4>().0);
        }
        self.next += 1;
        self.task.advance(u64::from(self.shape.width) * 4);
        Ok(true)
    }
}

fn decoding(error: DecodingError, path: &Path) -> Error {
    match error {
        DecodingError::IoError(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::io("reading", path, source)
        }
        other => Error::format(runmask::Place::File, "a whole PNG", other.to_string()).in_file(path),
    }
}

/// The runs of equal pixels of a picture, past the ends of rows. They end early at a failure.
struct Runs<'a, 'f> {
    rows: Rows<'a>,
    row: Vec<[u8; 4]>,
    /// The first pixel of the row that is in no run yet.
    next: usize,
    /// The run that may go on.
    open: Option<([u8; 4], u64)>,
    failure: &'f mut Option<Error>,
}

impl Iterator for Runs<'_, '_> {
    type Item = ([u8; 4], u64);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((pixel, length)) = pixels::runs(&self.row[self.next..]).next() else {
                self.next = 0;
                match self.rows.read(&mut self.row) {
                    Ok(true) => continue,
                    Ok(false) => return self.open.take(),
                    Err(error) => {
                        *self.failure = Some(error);
                        return None;
                    }
                }
            };
            self.next += length as usize;
            match &mut self.open {
                Some((before, count)) if *before == pixel => *count += length,
                open => {
                    if let Some(run) = open.replace((pixel, length)) {
                        return Some(run);
                    }
                }
            }
        }
    }
}
