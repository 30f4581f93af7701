//! `doctor`: which convention a run file is in.

use runmask::doctor::{self, Finding};
use runmask::format::Format;
use runmask::{Result, ScanOrder};
use serde::Serialize;

use crate::args::Doctor;
use crate::console::Console;
use crate::exit::Status;
use crate::input;
use crate::kind;
use crate::paths::{named, one_stdin};

pub(crate) fn run(args: &Doctor, console: &Console) -> Result<Status> {
    one_stdin(args.shape.like.iter().chain([&args.file]).map(AsRef::as_ref))?;
    kind::expect_runs(&args.file)?;
    let mut reader = input::open(&args.file, console)?;
    let report = doctor::examine(&mut reader, args.shape.shape()?).map_err(|error| named(error, &args.file))?;
    drop(reader);
    let command = report.command(&args.file);
    if args.json {
        super::print_json(&Answer {
            format: report.format.map(Format::name),
            order: Found::of(report.order, ScanOrder::name),
            base: Found::of(report.base, |base| base),
            objects_are: Found::of(report.grouping, |grouping| match grouping {
                doctor::Grouping::Instances => "instances",
                doctor::Grouping::Union => "union",
            }),
            images: report.images,
            objects: report.objects,
            runs: report.runs,
            evidence: &report.evidence,
            command,
        })?;
    } else {
        let command = command.map_or_else(String::new, |command| format!("\n{command}\n"));
        super::print(&format!("{report}{command}"))?;
    }
    if report.format.is_none() {
        console.say(&format!("{}: not a run file of any known format", args.file.display()));
        return Ok(Status::Failed);
    }
    Ok(Status::Done)
}

/// The report for scripts.
#[derive(Serialize)]
struct Answer<'a> {
    format: Option<&'static str>,
    order: Found<&'static str>,
    base: Found<u64>,
    objects_are: Found<&'static str>,
    images: u64,
    objects: u64,
    runs: u64,
    evidence: &'a [String],
    command: Option<String>,
}

/// An answer and how sure it is.
#[derive(Serialize)]
struct Found<T> {
    answer: Option<T>,
    certainty: &'static str,
}

impl<T> Found<T> {
    fn of<F>(finding: Finding<F>, name: impl Fn(F) -> T) -> Self {
        let (answer, certainty) = match finding {
            Finding::Known(answer) => (Some(name(answer)), "known"),
            Finding::Likely(answer) => (Some(name(answer)), "likely"),
            Finding::Unknown => (None, "unknown"),
        };
        Self { answer, certainty }
    }
}
