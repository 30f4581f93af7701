//! What the program tells a person: lines on stderr, warnings, progress, and text reports on stdout.
//!
//! Gets messages; gives one line for each. Guarantees that no name or id that a file gives reaches a terminal as control
//! characters, that lines and progress bars do not overwrite each other, and that every warning is kept for the report
//! in JSON.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

use crate::progress::{Batch, Progress, Task};

/// The way to the person. Work that has a report of its own takes a [`Console::fork`].
pub(crate) struct Console {
    progress: Progress,
    bars: MultiProgress,
    warnings: Mutex<Vec<String>>,
}

impl Console {
    /// Progress is shown on a terminal, and elsewhere when the user insists.
    pub(crate) fn new(insist: bool) -> Self {
        Self { progress: Progress::new(insist), bars: MultiProgress::new(), warnings: Mutex::default() }
    }

    /// The same console with a list of warnings of its own.
    pub(crate) fn fork(&self) -> Self {
        Self { progress: self.progress, bars: self.bars.clone(), warnings: Mutex::default() }
    }

    /// One line on stderr.
    pub(crate) fn say(&self, message: &str) {
        self.bars.suspend(|| say(message));
    }

    /// One line on stderr, which is kept for the report.
    pub(crate) fn warn(&self, message: &str) {
        self.say(&format!("warning: {message}"));
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message.to_owned());
    }

    /// The warnings so far.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Work of so many bytes begins; it ends when the result is dropped.
    pub(crate) fn start(&self, name: &str, total: u64) -> Task {
        Task::new(self.progress, &self.bars, printable(name).into_owned(), total)
    }

    /// Work on so many files, of so many bytes together, begins.
    pub(crate) fn batch(&self, files: usize, total: u64) -> Batch {
        Batch::new(self.progress, &self.bars, files, total)
    }
}

/// One line on stderr. A stderr that nobody reads is no reason to fail.
pub(crate) fn say(message: &str) {
    let _ = writeln!(io::stderr(), "runmask: {}", printable(message));
}

/// A file's name as a person reads it.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// A text in one line, without characters that act on a terminal: these are written as `\u{1b}` is.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if acts(character) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "{}", character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe.into()
}

/// The same for a text of many lines.
pub(crate) fn printable_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|character| character != '\n' && acts(character)) {
        return text.into();
    }
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n").into()
}

/// Whether a terminal does something else than to show this character: control characters, and those that turn the
/// direction of the text after them.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        assert_eq!(printable("ganz normal: größe 7"), "ganz normal: größe 7");
        assert_eq!(printable("a\x1b[31mb\nc\u{9b}d\u{202e}e"), r"a\u{1b}[31mb\nc\u{9b}d\u{202e}e");
    }
}
