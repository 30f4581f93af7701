//! `convert`: a run file in one format to one in another, object by object.

use runmask::format::{self, Format, ReadOptions, WriteOptions};
use runmask::{Result, ScanOrder};

use crate::args::Convert;
use crate::console::Console;
use crate::exit::Status;
use crate::input;
use crate::kind;
use crate::output::{Output, refuse_inputs};

pub(crate) fn run(args: &Convert, console: &Console) -> Result<Status> {
    let inputs = || args.shape.like.iter().chain([&args.runs]).map(AsRef::as_ref);
    input::one_stdin(inputs())?;
    refuse_inputs(&args.output, inputs())?;
    kind::expect_runs(&args.runs)?;
    kind::runs_go_to(&args.output)?;
    let from = input::format_of(&args.runs, args.from)?;
    let to = args.write.format.or_else(|| Format::from_path(&args.output)).unwrap_or(Format::Hubmap);
    let read = ReadOptions {
        shape: args.shape.shape()?,
        order: args.from_order.map(Into::into),
        base: args.from_base,
        ..args.many.options()
    };
    let write = WriteOptions {
        order: args.order.map(Into::into),
        drop_shape: args.drop_shape,
        drop_attributes: args.drop_attributes,
        renumber: args.many.renumber,
        ..args.write.options(ScanOrder::default(), &args.runs)
    };
    let mut reader = input::open(&args.runs, console)?;
    let mut output = Output::create(&args.output)?;
    format::convert((from, &mut reader, &read), (to, &mut output, &write))
        .map_err(|error| output.blame(error, &args.runs))?;
    output.commit()?;
    Ok(Status::Done)
}
