//! `decode`: a run file to a mask.

use runmask::{Decoder, Dtype, Error, Label, LabelRuns, OverlapPolicy, Result, Shape, Window, Windows, sink};

use crate::args::Decode;
use crate::console::Console;
use crate::exit::Status;
use crate::input;
use crate::kind;
use crate::output;
use crate::paths::{one_stdin, refuse_inputs};

pub(crate) fn run(args: &Decode, console: &Console) -> Result<Status> {
    let inputs = || args.shape.like.iter().chain([&args.runs]).map(AsRef::as_ref);
    one_stdin(inputs())?;
    refuse_inputs(&args.output, inputs())?;
    kind::expect_runs(&args.runs)?;
    kind::mask_goes_to(&args.output)?;
    let shape = args.shape.shape()?;
    let runs = read(args, shape, console)?;
    input::warn_of_sides(shape, &runs, &args.runs, console);
    // An error is found while the mask is written.
    let runs = match args.overlap {
        OverlapPolicy::Error => runs,
        policy => runs.disjoint(policy).map_err(|error| error.in_file(&args.runs))?,
    };
    if args.window.is_some() || args.scale > 1 {
        windowed(&runs, args, console).map_err(|error| match error {
            Error::Io { .. } => error,
            other => other.in_file(&args.runs),
        })?;
        return Ok(Status::Done);
    }
    let decoder = Decoder::new(&runs, args.background).map_err(|error| error.in_file(&args.runs))?;
    let dtype = args.dtype.unwrap_or_else(|| input::dtype_of(&runs, args.background));
    write(&decoder, runs.labels(), dtype, args, console)?;
    Ok(Status::Done)
}

/// The runs. Where neither the user nor the file says the shape, it is that of the image that gets the label.
fn read(args: &Decode, shape: Option<Shape>, console: &Console) -> Result<LabelRuns> {
    let required = || match args.window.is_none() && args.scale == 1 {
        true => sink::required_shape(&args.output),
        false => Ok(None),
    };
    let options = |shape| args.read.options(shape);
    let (format, mut reader) = input::open_runs(&args.runs, args.read.format, &options(shape), console)?;
    input::read_shaped((format, &mut reader), &options, shape, &required, &args.runs, console)
}

/// Writes a window of the mask, or all of it at a smaller scale.
fn windowed(runs: &LabelRuns, args: &Decode, console: &Console) -> Result<()> {
    let dtype = args.dtype.unwrap_or_else(|| input::dtype_of(runs, args.background));
    match dtype {
        Dtype::U8 => write_window::<u8>(runs, args, console),
        Dtype::U16 => write_window::<u16>(runs, args, console),
        Dtype::U32 => write_window::<u32>(runs, args, console),
        Dtype::U64 => write_window::<u64>(runs, args, console),
    }
}

/// Pixels that are decoded at once.
const AT_ONCE: u64 = 1 << 24;

fn write_window<T: Label>(runs: &LabelRuns, args: &Decode, console: &Console) -> Result<()> {
    let windows = Windows::new(runs, args.background)?;
    let (window, scale) = (args.window.map_or(Window::whole(windows.shape()), |window| window.0), args.scale);
    window.check(windows.shape())?;
    // Rows of the mask that are decoded at once, so that those of the picture begin where they would in the whole.
    let across = u64::from(Windows::shape_of(window, scale).width).max(1);
    let rows = (AT_ONCE / across).max(1).saturating_mul(u64::from(scale)).min(u64::from(u32::MAX / 2)) as u32;
    let shape = Windows::shape_of(window, scale);
    let bytes = shape.pixels().saturating_mul(T::DTYPE.bytes() as u64);
    let task = console.start(&args.output.display().to_string(), bytes);
    let mut output: Option<Box<dyn sink::Sink>> = None;
    let mut done = 0;
    while done < window.shape().height || output.is_none() {
        let height = rows.min(window.shape().height - done);
        let pixels = windows
            .decode::<T>(Window::new(window.row() + done, window.column(), height, window.shape().width), scale)?;
        // Not before it is known that there is something to write.
        let output = match &mut output {
            Some(output) => output,
            None => output.insert(output::mask(&args.output, &args.mask, args.memory, shape, T::DTYPE, runs.labels())?),
        };
        let pixels = bytemuck::cast_slice(&pixels);
        output.write_rows(pixels)?;
        task.advance(pixels.len() as u64);
        done += height;
    }
    output.map_or(Ok(()), sink::Sink::finish)
}

fn write(decoder: &Decoder<'_>, labels: &[u64], dtype: Dtype, args: &Decode, console: &Console) -> Result<()> {
    let shape = decoder.shape();
    let bytes = shape.pixels().saturating_mul(dtype.bytes() as u64);
    let task = console.start(&args.output.display().to_string(), bytes);
    let mut output = output::mask(&args.output, &args.mask, args.memory, shape, dtype, labels)?;
    let mut written = Ok(());
    let decoded = decoder.decode_row_bytes(dtype, &mut |rows| {
        written = output.write_rows(rows);
        task.advance(rows.len() as u64);
        if written.is_ok() { Ok(()) } else { Err(Error::Stopped) }
    });
    written?;
    decoded.map_err(|error| error.in_file(&args.runs))?;
    output.finish()
}
