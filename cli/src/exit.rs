//! How the program ends: the exit status, and the one line that says why.

use std::error::Error;
use std::io::{self, Write};

use crate::console::{printable_lines, say};
use crate::output::is_unread;
use crate::remedy;

/// The exit status of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 0
    Done,
    /// 1: `verify` found a difference.
    Different,
    /// 2: something failed, and has been said on stderr.
    Failed,
}

impl From<Status> for u8 {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => 0,
            Status::Different => 1,
            Status::Failed => 2,
        }
    }
}

/// Says what went wrong, if anything did, and gives the exit status.
pub(crate) fn code(result: runmask::Result<Status>) -> u8 {
    match result {
        Ok(status) => status.into(),
        // Whoever read our output has seen enough, as `head` does.
        Err(error) if is_unread(&error) => Status::Done.into(),
        Err(error) => {
            complain(&error);
            Status::Failed.into()
        }
    }
}

/// Help, version, or a line about wrong arguments.
pub(crate) fn usage(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    let written = if error.use_stderr() {
        write!(io::stderr(), "runmask: {}", printable_lines(text.strip_prefix("error: ").unwrap_or(&text)))
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Status::Failed.into(),
        _ if error.use_stderr() => Status::Failed.into(),
        _ => Status::Done.into(),
    }
}

/// One line on stderr.
pub(crate) fn complain(error: &(dyn Error + 'static)) {
    say(&chain(error));
}

/// An error, everything that caused it and what the user can do about it, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let remedies = error.downcast_ref().map(remedy::phrases).unwrap_or_default();
    if !remedies.is_empty() {
        text = format!("{text} ({remedies})");
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_in_one_line() {
        let error = runmask::Error::Io { context: "writing a".into(), source: io::Error::other("full\ndisk") };
        assert_eq!(chain(&error), "writing a: full disk");
        let error = runmask::Error::UnknownShape { what: "counts end at the last pixel".into() };
        assert!(chain(&error).ends_with(
            "height and width must be known (give --height and --width, or --like with an image of the same size)"
        ));
    }
}
