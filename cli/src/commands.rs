//! What the program does, one file for each command.

mod bench;
mod convert;
mod decode;
mod doctor;
mod encode;
mod engines;
mod info;
mod pixels;
mod preview;
mod synth;
mod verify;

use std::io::{self, Write};

use runmask::{Error, Result};
use serde::Serialize;

use crate::args::Command;
use crate::exit::Status;
use crate::progress::Progress;

/// Does what was asked for.
pub(crate) fn run(command: Command, progress: Progress) -> Result<Status> {
    match command {
        Command::Encode(args) => encode::run(&args, progress),
        Command::Decode(args) => decode::run(&args, progress),
        Command::Convert(args) => convert::run(&args, progress),
        Command::Info(args) => info::run(&args, progress),
        Command::Verify(args) => verify::run(&args, progress),
        Command::Preview(args) => preview::run(&args, progress),
        Command::Doctor(args) => doctor::run(&args, progress),
        Command::Pixels(args) => pixels::run(&args, progress),
        Command::Synth(args) => synth::run(&args, progress),
        Command::Bench(args) => bench::run(&args, progress),
        Command::Engines(args) => engines::run(&args),
    }
}

/// Writes a report to stdout.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|source| Error::Io { context: "writing standard output".into(), source })
}

/// Writes a report for scripts to stdout.
fn print_json(report: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| Error::Io { context: "writing the report".into(), source: error.into() })?;
    print(&(text + "\n"))
}
