//! `components`: connected pieces, each with a label of its own, as a mask or as runs.

use std::io::Write;
use std::path::Path;

use runmask::format::{self, Format, WriteOptions};
use runmask::sink::{self, MaskFormat};
use runmask::{ComponentOptions, Decoder, Dtype, Error, Label, LabelRuns, Result};

use crate::args::Components;
use crate::console::Console;
use crate::exit::Status;
use crate::input::{self, Labels};
use crate::output::{self, Output};
use crate::paths::{named, one_stdin, refuse_inputs};

pub(crate) fn run(args: &Components, console: &Console) -> Result<Status> {
    let inputs = || args.either.shape.like.iter().chain([&args.file]).map(AsRef::as_ref);
    one_stdin(inputs())?;
    refuse_inputs(&args.output, inputs())?;
    if let Some(sources) = &args.sources {
        refuse_inputs(sources, inputs().chain([args.output.as_path()]))?;
    }
    let is_mask = args.to.is_none() && (args.mask.mask_format.is_some() || MaskFormat::of(&args.output).is_ok());
    if !is_mask {
        crate::kind::runs_go_to(&args.output)?;
    }
    let shape = args.either.shape.shape()?;
    let required = || if is_mask { sink::required_shape(&args.output) } else { Ok(None) };
    let labels = Labels::read(&args.file, args.either.read.format, &args.either, shape, &required, console)?;
    let options = ComponentOptions::new()
        .connectivity(args.connectivity)
        .foreground(args.binary)
        .min_area(args.min_area)
        .fill_holes(args.fill_holes)
        .largest(args.largest);
    let found = labels.components(&options).map_err(|error| named(error, &args.file))?;
    drop(labels);
    let sources = args.sources.as_ref().map(|path| sources(found.sources(), path)).transpose()?;
    if is_mask {
        match input::dtype_of(found.runs(), 0) {
            Dtype::U8 => write_mask::<u8>(found.runs(), args, console),
            Dtype::U16 => write_mask::<u16>(found.runs(), args, console),
            Dtype::U32 => write_mask::<u32>(found.runs(), args, console),
            Dtype::U64 => write_mask::<u64>(found.runs(), args, console),
        }?;
    } else {
        write_runs(found.runs(), args)?;
    }
    sources.map_or(Ok(()), Output::commit)?;
    Ok(Status::Done)
}

/// The table of the pieces' labels, ready to get its name.
fn sources(sources: &[u64], path: &Path) -> Result<Output> {
    let mut output = Output::create(path)?;
    let mut rows = || -> std::io::Result<()> {
        writeln!(output, "label,source")?;
        (1..).zip(sources).try_for_each(|(label, source): (u64, _)| writeln!(output, "{label},{source}"))
    };
    rows().map_err(|error| Error::io("writing", path, error))?;
    Ok(output)
}

fn write_mask<T: Label>(runs: &LabelRuns, args: &Components, console: &Console) -> Result<()> {
    let decoder = Decoder::new(runs, 0)?;
    let shape = decoder.shape();
    let bytes = shape.pixels().saturating_mul(T::DTYPE.bytes() as u64);
    let task = console.start(&args.output.display().to_string(), bytes);
    let mut output = output::mask(&args.output, &args.mask, args.either.memory, shape, T::DTYPE, runs.labels())?;
    let decoded = decoder.decode_rows::<T>(|rows| {
        let rows = bytemuck::cast_slice(rows);
        output.write_rows(rows)?;
        task.advance(rows.len() as u64);
        Ok(())
    });
    decoded.map_err(|error| match error {
        // The output's, which says so.
        Error::Io { .. } => error,
        // Labels that overlap in a run file have pieces that overlap.
        other => other.in_file(&args.file),
    })?;
    output.finish()
}

fn write_runs(runs: &LabelRuns, args: &Components) -> Result<()> {
    let format = args.to.or_else(|| Format::from_path(&args.output)).unwrap_or(Format::Hubmap);
    let name = args.output.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
    // What the format cannot hold beside the runs was not asked for.
    let options = WriteOptions::new().image(name).drop_shape(true);
    let mut output = Output::create(&args.output)?;
    format::write(format, &mut output, runs, &options).map_err(|error| output.blame(error, &args.output))?;
    output.commit()
}
