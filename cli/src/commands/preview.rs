//! `preview`: a picture of a mask or a run file that a person can read.
//!
//! Drawn from the runs, so that masks of any size need memory for their runs and for the picture only, and run files
//! whose objects overlap can be drawn too.
//!
//! One pixel of the picture, a cell, stands for a square of the mask. It has the colour of the label that covers most of
//! it, the brighter the more of it is covered; even a single covered pixel is bright enough to be seen. Outlines of objects
//! are drawn by `outlines.rs`.

mod outlines;

use std::ops::Range;

use runmask::{Error, LabelRuns, Result, Run, ScanOrder, Shape};

use crate::args::Preview;
use crate::console::Console;
use crate::exit::Status;
use crate::input::Labels;
use crate::kind;
use crate::output::Output;
use crate::paths::{one_stdin, refuse_inputs};

const BACKGROUND: [u8; 3] = [14, 15, 20];

/// Share of its full brightness that a cell has as soon as anything is in it.
const FAINTEST: f64 = 0.55;

/// Pictures are enlarged by a whole factor as long as their longer side stays below this.
const COMFORTABLE: u32 = 800;

pub(crate) fn run(args: &Preview, console: &Console) -> Result<Status> {
    let inputs = || args.either.shape.like.iter().chain(&args.over).chain([&args.file]).map(AsRef::as_ref);
    one_stdin(inputs())?;
    refuse_inputs(&args.output, inputs())?;
    kind::png_goes_to(&args.output)?;
    let shape = args.either.shape.shape()?;
    let labels = Labels::read(&args.file, args.either.read.format, &args.either, shape, &|| Ok(None), console)?;
    let runs = labels.into_runs()?;
    let Some(shape) = runs.shape() else {
        let what = "a run file of this format does not say how large its mask is".into();
        return Err(Error::UnknownShape { what }.in_file(&args.file));
    };
    if shape.pixels() == 0 {
        return Err(Error::Argument(format!("an empty mask ({shape}) cannot be drawn")).in_file(&args.file));
    }
    let frame = Frame::of(shape, args.max_side);
    if args.outlines {
        let picture = outlines::draw(&runs, frame, args.over.as_deref(), console)?;
        let mut output = Output::create(&args.output)?;
        let bytes = frame.width() as usize * 3;
        write(frame, &mut output, args, |y, row| row.extend_from_slice(&picture[y as usize * bytes..][..bytes]))?;
        output.commit()?;
        return Ok(Status::Done);
    }
    let picture = Picture::draw(&runs, frame)?;
    let mut output = Output::create(&args.output)?;
    write(frame, &mut output, args, |y, row| picture.push_row(y, row))?;
    output.commit()?;
    Ok(Status::Done)
}

/// What is known of a cell. Labels are drawn one after the other, so that only one has to be counted at a time.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// The colour of the label that covers most so far; 0: none.
    best: u32,
    best_pixels: u32,
    /// The colour of the label that is drawn.
    current: u32,
    current_pixels: u32,
    /// Pixels that any label covers.
    covered: u32,
}

impl Cell {
    fn cover(&mut self, color: u32, pixels: u32) {
        if self.current != color {
            self.settle();
            (self.current, self.current_pixels) = (color, 0);
        }
        // A cell of more than 2^32 pixels is bright enough before it is full.
        self.current_pixels = self.current_pixels.saturating_add(pixels);
        self.covered = self.covered.saturating_add(pixels);
    }

    fn settle(&mut self) {
        if self.current_pixels > self.best_pixels {
            (self.best, self.best_pixels) = (self.current, self.current_pixels);
        }
    }

    fn color(mut self, pixels: f64) -> [u8; 3] {
        self.settle();
        if self.best == 0 {
            return BACKGROUND;
        }
        let covered = (f64::from(self.covered) / pixels).min(1.0);
        let share = FAINTEST + (1.0 - FAINTEST) * covered;
        let [_, color @ ..] = self.best.to_be_bytes();
        std::array::from_fn(|channel| {
            let (dark, full) = (f64::from(BACKGROUND[channel]), f64::from(color[channel]));
            (dark + (full - dark) * share).round() as u8
        })
    }
}

/// How a mask is scaled to its picture.
#[derive(Clone, Copy)]
struct Frame {
    mask: Shape,
    /// Rows and columns of cells.
    cells: Shape,
    /// Side of the square that a cell stands for.
    scale: u32,
    /// Pixels of the picture to one cell, in both directions.
    enlarged: u32,
}

impl Frame {
    fn of(mask: Shape, max_side: u32) -> Self {
        let side = mask.height.max(mask.width);
        let scale = side.div_ceil(max_side);
        let enlarged = if scale == 1 { (COMFORTABLE.min(max_side) / side).max(1) } else { 1 };
        let cells = Shape { height: mask.height.div_ceil(scale), width: mask.width.div_ceil(scale) };
        Self { mask, cells, scale, enlarged }
    }

    /// Columns of the picture.
    fn width(self) -> u32 {
        self.cells.width * self.enlarged
    }

    /// Rows of the picture.
    fn height(self) -> u32 {
        self.cells.height * self.enlarged
    }
}

/// `count` values; an error where the machine has no room for them.
fn filled<T: Clone>(value: T, count: u64) -> Result<Vec<T>> {
    let made = usize::try_from(count).ok().and_then(|count| {
        let mut list = Vec::new();
        list.try_reserve_exact(count).ok()?;
        list.resize(count, value);
        Some(list)
    });
    let needed = count.saturating_mul(size_of::<T>() as u64);
    made.ok_or_else(|| Error::Memory { what: "a picture".into(), needed, limit: None })
}

/// Writes a PNG; `row` appends the pixels of a row of it.
fn write(frame: Frame, output: &mut Output, args: &Preview, row: impl Fn(u32, &mut Vec<u8>)) -> Result<()> {
    let failed = |error| match error {
        png::EncodingError::IoError(source) => Error::io("writing", &args.output, source),
        other => Error::Unsupported(other.to_string()).in_file(&args.output),
    };
    let mut encoder = png::Encoder::new(output, frame.width(), frame.height());
    encoder.set_color(png::ColorType::Rgb);
    let mut header = encoder.write_header().map_err(failed)?;
    let mut stream = header.stream_writer().map_err(failed)?;
    let mut pixels = Vec::new();
    for y in 0..frame.height() {
        pixels.clear();
        row(y, &mut pixels);
        std::io::Write::write_all(&mut stream, &pixels).map_err(|error| Error::io("writing", &args.output, error))?;
    }
    stream.finish().map_err(failed)?;
    header.finish().map_err(failed)
}

/// A picture in the making.
struct Picture {
    cells: Vec<Cell>,
    frame: Frame,
}

impl Picture {
    fn draw(runs: &LabelRuns, frame: Frame) -> Result<Self> {
        let mut picture = Self { cells: filled(Cell::default(), frame.cells.pixels())?, frame };
        for (place, (_, label)) in runs.iter().enumerate() {
            let color = color(place as u64);
            for &run in label {
                picture.cover(run, runs.order(), color);
            }
        }
        Ok(picture)
    }

    /// Draws a run: the part of a scan line that it begins with, all whole lines at once, and the part that it ends with.
    fn cover(&mut self, run: Run, order: ScanOrder, color: u32) {
        let length = u64::from(self.frame.mask.line_length(order));
        let (mut start, end) = (run.start, run.end());
        while start < end {
            let (line, from) = (start / length, start % length);
            let (lines, to) = match (end - start) / length {
                whole @ 1.. if from == 0 => (whole, length),
                _ => (1, length.min(from + (end - start))),
            };
            self.cover_lines(line..line + lines, from..to, order, color);
            start = (line + lines - 1) * length + to;
        }
    }

    /// Draws the same pixels of some scan lines.
    fn cover_lines(&mut self, lines: Range<u64>, pixels: Range<u64>, order: ScanOrder, color: u32) {
        let (scale, width) = (u64::from(self.frame.scale), u64::from(self.frame.cells.width));
        let cells = |range: &Range<u64>| range.start / scale..range.end.div_ceil(scale);
        let inside = |range: &Range<u64>, cell: u64| range.end.min((cell + 1) * scale) - range.start.max(cell * scale);
        for line in cells(&lines) {
            for pixel in cells(&pixels) {
                let covered = inside(&lines, line).saturating_mul(inside(&pixels, pixel));
                let cell = match order {
                    ScanOrder::ColumnMajor => pixel * width + line,
                    ScanOrder::RowMajor => line * width + pixel,
                };
                // A run inside the mask is inside the picture.
                if let Some(cell) = usize::try_from(cell).ok().and_then(|cell| self.cells.get_mut(cell)) {
                    // Four thousand million pixels are as bright as more of them.
                    cell.cover(color, u32::try_from(covered).unwrap_or(u32::MAX));
                }
            }
        }
    }

    /// Appends the pixels of a row.
    fn push_row(&self, y: u32, row: &mut Vec<u8>) {
        let Frame { mask, cells, scale, enlarged } = self.frame;
        let (y, width) = (y / enlarged, cells.width as usize);
        let rows = scale.min(mask.height - y * scale);
        for (x, cell) in (0..).zip(&self.cells[y as usize * width..][..width]) {
            let columns = scale.min(mask.width - x * scale);
            let pixel = cell.color(f64::from(rows) * f64::from(columns));
            row.extend((0..enlarged).flat_map(|_| pixel));
        }
    }
}

/// The colour of the label at this place, as 0x00RRGGBB, never 0: neighbours in the list are far apart on the circle of
/// hues, and lightness changes as well, so that touching objects can be told apart.
pub(crate) fn color(place: u64) -> u32 {
    /// The golden section of the circle: multiples of it never come close to each other.
    const STEP: f64 = 0.618_033_988_749_895;
    let hue = (place % (1 << 20)) as f64 * STEP % 1.0;
    let lightness = [0.62, 0.72, 0.54, 0.8][(place % 4) as usize];
    let saturation = [0.85, 0.65, 0.95, 0.75][(place / 4 % 4) as usize];
    let chroma = saturation * (1.0 - (2.0 * lightness - 1.0_f64).abs());
    let channel = |shift: f64| {
        let angle = (hue + shift) % 1.0 * 6.0;
        let high = (angle - 3.0).abs().clamp(1.0, 2.0) - 1.0;
        ((lightness + chroma * (high - 0.5)) * 255.0).round() as u8
    };
    u32::from_be_bytes([0, channel(0.0), channel(2.0 / 3.0), channel(1.0 / 3.0)])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use runmask::LabelMask;

    use super::*;

    fn runs_of(pixels: &[u16], shape: Shape) -> LabelRuns {
        runmask::encode(&LabelMask::new(pixels, shape).unwrap()).unwrap()
    }

    #[test]
    fn colors_are_bright_and_distinct() {
        let colors: HashSet<u32> = (0..1000).map(color).collect();
        assert!(colors.len() > 990, "{} colors", colors.len());
        for color in colors {
            assert!(color.to_be_bytes().into_iter().max() > Some(120), "{color:06x}");
        }
    }

    #[test]
    fn every_cell_counts_its_pixels_whatever_the_order() {
        let shape = Shape { height: 13, width: 17 };
        let pixels: Vec<u16> = (0..13 * 17).map(|place| [0, 0, 3, 3, 3, 8, 1][place * place % 7]).collect();
        let runs = runs_of(&pixels, shape);
        for runs in [runs.clone(), runs.to_order(ScanOrder::RowMajor).unwrap()] {
            let picture = Picture::draw(&runs, Frame::of(shape, 5)).unwrap();
            assert_eq!((picture.frame.cells, picture.frame.scale), (Shape { height: 4, width: 5 }, 4));
            for (place, cell) in picture.cells.iter().enumerate() {
                let (y, x) = (place / 5 * 4, place % 5 * 4);
                let inside = |place: &usize| place / 17 / 4 == y / 4 && place % 17 / 4 == x / 4;
                let covered = (0..pixels.len()).filter(inside).filter(|&place| pixels[place] > 0).count();
                assert_eq!(cell.covered as usize, covered, "cell {place}");
            }
        }
    }

    #[test]
    fn a_run_over_a_thousand_million_lines_is_drawn_at_once() {
        let shape = Shape { height: 1, width: u32::MAX };
        for (order, start) in [(ScanOrder::ColumnMajor, 5), (ScanOrder::RowMajor, 5)] {
            let mut runs = runmask::LabelRunsBuilder::new(Some(shape), order);
            runs.label(1).unwrap();
            runs.run(Run { start, length: u64::from(u32::MAX) - start }).unwrap();
            let picture = Picture::draw(&runs.finish(), Frame::of(shape, 100)).unwrap();
            assert!(picture.cells.iter().all(|cell| cell.covered > 0));
            assert_eq!(picture.cells[0].covered, picture.frame.scale - 5);
        }
    }

    #[test]
    fn one_pixel_of_millions_can_be_seen() {
        let shape = Shape { height: 1000, width: 1000 };
        let mut pixels = vec![0; 1_000_000];
        pixels[345_678] = 9;
        let picture = Picture::draw(&runs_of(&pixels, shape), Frame::of(shape, 10)).unwrap();
        let seen: Vec<_> =
            picture.cells.iter().map(|cell| cell.color(10_000.0)).filter(|&color| color != BACKGROUND).collect();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].into_iter().max() > Some(100), "{seen:?}");
    }
}
