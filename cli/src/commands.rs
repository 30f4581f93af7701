//! What the program does, one file for each command.

mod bench;
mod compare;
mod components;
mod convert;
mod decode;
mod doctor;
mod encode;
mod engines;
mod info;
mod manual;
mod measure;
mod merge;
mod pixels;
mod preview;
mod synth;
mod verify;

pub(crate) use self::preview::color;

use std::io::Write;
use std::path::Path;

use runmask::{Error, Result};
use serde::Serialize;

use crate::args::Command;
use crate::console::{Console, printable_lines};
use crate::exit::Status;
use crate::output::Stdout;

/// Does what was asked for.
pub(crate) fn run(command: Command, console: &Console) -> Result<Status> {
    match command {
        Command::Encode(args) => encode::run(&args, console),
        Command::Decode(args) => decode::run(&args, console),
        Command::Convert(args) => convert::run(&args, console),
        Command::Info(args) => info::run(&args, console),
        Command::Verify(args) => verify::run(&args, console),
        Command::Measure(args) => measure::run(&args, console),
        Command::Compare(args) => compare::run(&args, console),
        Command::Components(args) => components::run(&args, console),
        Command::Merge(args) => merge::run(&args, console),
        Command::Preview(args) => preview::run(&args, console),
        Command::Doctor(args) => doctor::run(&args, console),
        Command::Pixels(args) => pixels::run(&args, console),
        Command::Synth(args) => synth::run(&args, console),
        Command::Bench(args) => bench::run(&args, console),
        Command::Engines(args) => engines::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}

/// Writes a report for people to stdout.
fn print(text: &str) -> Result<()> {
    write(printable_lines(text).as_bytes())
}

fn write(text: &[u8]) -> Result<()> {
    let written = Stdout.write_all(text).and_then(|()| Stdout.flush());
    written.map_err(|source| Error::Io { context: "writing standard output".into(), source })
}

/// Writes a report for scripts to stdout.
fn print_json(report: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| Error::Io { context: "writing the report".into(), source: error.into() })?;
    write((text + "\n").as_bytes())
}

/// A name in a report: text, with U+FFFD for each byte that is none. One name that is no text must not cost the report.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}
