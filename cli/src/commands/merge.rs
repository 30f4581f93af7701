//! `merge`: run files of parts of one mask to a run file of the whole.

use runmask::format::{self, Format};
use runmask::{LabelRuns, Result};

use crate::args::Merge;
use crate::console::Console;
use crate::exit::Status;
use crate::input;
use crate::kind;
use crate::output::Output;
use crate::paths::{one_stdin, refuse_inputs};
use crate::remedy;

pub(crate) fn run(args: &Merge, console: &Console) -> Result<Status> {
    let inputs = || args.shape.like.iter().chain(&args.parts).map(AsRef::as_ref);
    one_stdin(inputs())?;
    refuse_inputs(&args.output, inputs())?;
    args.parts.iter().try_for_each(|part| kind::expect_runs(part))?;
    kind::runs_go_to(&args.output)?;
    let to = args.write.format.or_else(|| Format::from_path(&args.output)).unwrap_or(Format::Hubmap);
    let read = args.many.options().shape(args.shape.shape()?).order(args.from_order).base(args.from_base);
    let parts = args
        .parts
        .iter()
        .map(|part| input::read_runs(part, args.from, &read, console))
        .collect::<Result<Vec<LabelRuns>>>()?;
    let whole = LabelRuns::merge(&parts)?;
    let write = args.write.options(whole.order(), &args.output).order(None).drop_shape(args.drop_shape);
    let mut output = Output::create(&args.output)?;
    let warnings = format::write_with_warnings(to, &mut output, &whole, &write)
        .map_err(|error| output.blame(error, &args.output))?;
    output.commit()?;
    warnings.iter().for_each(|warning| console.warn(&remedy::warning(warning, &args.output)));
    Ok(Status::Done)
}
