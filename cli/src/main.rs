//! The program runmask; all of it is in the library beside it, so that the Python package can install it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(runmask_cli::main_with(std::env::args_os()))
}
