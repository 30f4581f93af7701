//! Paths on the command line: standard input and output, and names for messages.

use std::fs;
use std::path::Path;

use runmask::{Error, Result};

/// Whether a path stands for stdin or stdout.
pub(crate) fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// Whether a file can be read from its start again: a pipe cannot.
pub(crate) fn is_read_once(path: &Path) -> bool {
    is_stream(path) || path.metadata().is_ok_and(|file| !file.is_file() && !file.is_dir())
}

/// An error when two of these are standard input.
pub(crate) fn one_stdin<'a>(inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    match inputs.into_iter().filter(|input| is_stream(input)).count() {
        0 | 1 => Ok(()),
        _ => Err(Error::Argument("standard input is one file, not two".into())),
    }
}

/// An error when an output is one of the inputs.
pub(crate) fn refuse_inputs<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    if is_stream(output) {
        return Ok(());
    }
    // A file that does not exist yet is nobody's input.
    let Ok(found) = fs::canonicalize(output) else { return Ok(()) };
    for input in inputs {
        if !is_stream(input) && fs::canonicalize(input).is_ok_and(|input| input == found) {
            return Err(Error::Argument(format!("{}: the output would replace the input", output.display())));
        }
    }
    Ok(())
}

/// Names the file that was read in an error.
pub(crate) fn named(error: Error, path: &Path) -> Error {
    match error {
        Error::Io { context, source } => Error::Io { context: format!("{}: {context}", path.display()), source },
        other => other.in_file(if is_stream(path) { Path::new("standard input") } else { path }),
    }
}
