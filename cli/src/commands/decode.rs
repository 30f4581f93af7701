//! `decode`: a run file to a mask.

use runmask::{Decoder, Dtype, Error, Label, Result, sink};

use crate::args::Decode;
use crate::console::Console;
use crate::exit::Status;
use crate::input;
use crate::kind;
use crate::paths::{one_stdin, refuse_inputs};

pub(crate) fn run(args: &Decode, console: &Console) -> Result<Status> {
    let inputs = || args.shape.like.iter().chain([&args.runs]).map(AsRef::as_ref);
    one_stdin(inputs())?;
    refuse_inputs(&args.output, inputs())?;
    kind::expect_runs(&args.runs)?;
    kind::mask_goes_to(&args.output)?;
    let options = args.read.options(args.shape.shape()?);
    let runs = input::read_runs(&args.runs, args.read.format, &options, console)?;
    let decoder = Decoder::new(&runs, args.background).map_err(|error| error.in_file(&args.runs))?;
    let dtype = args.dtype.unwrap_or_else(|| input::dtype_of(&runs, args.background));
    match dtype {
        Dtype::U8 => write::<u8>(&decoder, args, console),
        Dtype::U16 => write::<u16>(&decoder, args, console),
        Dtype::U32 => write::<u32>(&decoder, args, console),
        Dtype::U64 => write::<u64>(&decoder, args, console),
    }?;
    Ok(Status::Done)
}

fn write<T: Label>(decoder: &Decoder<'_>, args: &Decode, console: &Console) -> Result<()> {
    let shape = decoder.shape();
    let bytes = shape.pixels().saturating_mul(T::DTYPE.bytes() as u64);
    let task = console.start(&args.output.display().to_string(), bytes);
    let mut output = sink::create(&args.output, shape, T::DTYPE, &args.mask.options())?;
    let decoded = decoder.decode_rows::<T>(|rows| {
        let rows = bytemuck::cast_slice(rows);
        output.write_rows(rows)?;
        task.advance(rows.len() as u64);
        Ok(())
    });
    decoded.map_err(|error| match error {
        // The output's, which says so.
        Error::Io { .. } => error,
        other => other.in_file(&args.runs),
    })?;
    output.finish()
}
