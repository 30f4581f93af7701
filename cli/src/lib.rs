//! The program runmask: label masks of whole-slide images to the runs of every label, and back.
//!
//! Gets arguments; gives data on stdout or in files, messages and progress on stderr; guarantees one line for each error,
//! no partial output, and exit status 0 for success, 1 when `verify` finds a difference, 2 for errors and 130 after an
//! interrupt.

mod args;
mod commands;
mod exit;
mod input;
mod output;
mod progress;
mod remedy;

use std::ffi::OsString;

use clap::Parser;

use crate::args::Arguments;
use crate::exit::Status;
use crate::progress::Progress;

/// Does what `arguments` ask for, of which the first is the name of the program, and gives the exit status.
///
/// It is for programs whose only work this is: it sets up threads and signals for the whole process.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    #[cfg(feature = "parquet")]
    keep_parquet_quiet();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    if let Err(error) = output::clean_up_when_interrupted() {
        exit::complain(&error);
        return Status::Failed.into();
    }
    let progress = Progress::new(arguments.global.progress);
    let result = use_threads(&arguments).and_then(|()| commands::run(arguments.command, progress));
    exit::code(result)
}

/// The crate parquet meets some damage with a panic, which the library turns into an error: that is the one line to print.
#[cfg(feature = "parquet")]
fn keep_parquet_quiet() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains("/parquet-")) {
            print(panic);
        }
    }));
}

/// Everything works in rayon's global pool, so that one number governs reading, marking, decoding and writing.
fn use_threads(arguments: &Arguments) -> runmask::Result<()> {
    let Some(threads) = arguments.global.threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global().map_err(|error| runmask::Error::Io {
        context: format!("starting {threads} threads"),
        source: std::io::Error::other(error),
    })
}
