//! `convert`: a run file in one format to one in another, object by object.

use runmask::format::{self, Format};
use runmask::{Result, ScanOrder};

use crate::args::Convert;
use crate::console::Console;
use crate::exit::Status;
use crate::input;
use crate::kind;
use crate::output::Output;
use crate::paths::{one_stdin, refuse_inputs};
use crate::remedy;

pub(crate) fn run(args: &Convert, console: &Console) -> Result<Status> {
    let inputs = || args.shape.like.iter().chain([&args.runs]).map(AsRef::as_ref);
    one_stdin(inputs())?;
    refuse_inputs(&args.output, inputs())?;
    kind::expect_runs(&args.runs)?;
    kind::runs_go_to(&args.output)?;
    let to = args.write.format.or_else(|| Format::from_path(&args.output)).unwrap_or(Format::Hubmap);
    let read = args.many.options().shape(args.shape.shape()?).order(args.from_order).base(args.from_base);
    let write = args
        .write
        .options(ScanOrder::default(), &args.runs)
        .order(args.order)
        .drop_shape(args.drop_shape)
        .drop_attributes(args.drop_attributes)
        .renumber(args.many.renumber)
        .file_name(args.write.file_name(args.shape.like.as_deref()));
    let (from, mut reader) = input::open_runs(&args.runs, args.from, &read, console)?;
    let mut output = Output::create(&args.output)?;
    let warnings = format::convert((from, &mut reader, &read), (to, &mut output, &write))
        .map_err(|error| output.blame(error, &args.runs))?;
    output.commit()?;
    warnings.iter().for_each(|warning| console.warn(&remedy::warning(warning, &args.runs)));
    Ok(Status::Done)
}
