//! The program runmask: label masks of whole-slide images to the runs of every label, and back.
//!
//! Gets arguments; gives data on stdout or in files, messages and progress on stderr; guarantees one line for each error,
//! no partial output, and exit status 0 for success, 1 when `verify` finds a difference, 2 for errors and 130 after an
//! interrupt.

mod args;
mod commands;
mod console;
mod exit;
mod input;
mod kind;
mod memory;
mod output;
mod paths;
mod picture;
mod progress;
mod remedy;
mod signals;
mod threads;

use std::ffi::OsString;

use clap::Parser;

use crate::args::Arguments;
use crate::console::Console;
use crate::exit::Status;

/// Does what `arguments` ask for, of which the first is the name of the program, and gives the exit status.
///
/// It is for programs whose only work this is: it sets up threads and signals for the whole process.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    keep_caught_panics_quiet();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    exit::code(run(arguments))
}

/// A panic that the library turns into an error is said once, as that error.
fn keep_caught_panics_quiet() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !runmask::panic_is_caught() {
            print(panic);
        }
    }));
}

fn run(arguments: Arguments) -> runmask::Result<Status> {
    signals::clean_up_when_interrupted()?;
    let console = Console::new(arguments.global.progress);
    threads::start(arguments.global.threads, &console)?;
    memory::check()?;
    commands::run(arguments.command, &console)
}
