//! `doctor`: which convention a run file is in.

use std::borrow::Cow;
use std::path::Path;

use runmask::doctor::{self, Conversion, Finding};
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
    let command = report.conversion().map(|conversion| command(&conversion, &args.file));
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
            line_length: Found::of(report.line_length, |length| length),
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

/// The command that converts the file.
fn command(conversion: &Conversion, file: &Path) -> String {
    let extension = conversion.to.extension();
    let (input, output) = match file.to_str() {
        Some("-") => ("-".into(), format!("runs.{}.{extension}", conversion.to)),
        _ => {
            // A name that begins with a hyphen would be an option.
            let place = if file.to_string_lossy().starts_with('-') { "./" } else { "" };
            let input = format!("{place}{}", file.display());
            (input.clone(), format!("{input}.{}.{extension}", conversion.to))
        }
    };
    let mut words = vec!["runmask".into(), "convert".into(), input, "-o".into(), output];
    let mut push = |text: &str| words.extend(text.split(' ').map(str::to_owned));
    push(&format!("--from {}", conversion.from));
    if conversion.from_order == Some(ScanOrder::RowMajor) {
        push("--from-order row");
    }
    if let Some(base) = conversion.from_base {
        push(&format!("--from-base {base}"));
    }
    if let Some(shape) = conversion.shape {
        push(&format!("--height {} --width {}", shape.height, shape.width));
    }
    for (option, needed) in [
        ("--skip-other-shapes", conversion.skip_other_shapes),
        ("--ignore-columns", conversion.ignore_columns),
        ("--renumber", conversion.renumber),
        ("-f", true),
        (conversion.to.name(), true),
        ("--order row", conversion.order == Some(ScanOrder::RowMajor)),
        ("--drop-shape", conversion.drop_shape),
        ("--drop-attributes", conversion.drop_attributes),
        ("--drop-empty-labels", conversion.drop_empty_labels),
    ] {
        if needed {
            push(option);
        }
    }
    for (number, name) in &conversion.categories {
        words.extend(["--category".into(), format!("{number}={name}")]);
    }
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell reads it back.
fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=,:+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''")).into()
    }
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
    line_length: Found<u64>,
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
            Finding::Usual(answer) => (Some(name(answer)), "usual"),
            _ => (None, "unknown"),
        };
        Self { answer, certainty }
    }
}
