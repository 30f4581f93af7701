//! Progress of long work, on stderr: how much is done, how fast, and how long the rest takes.
//!
//! A bar on a terminal, lines where `--progress` asks for them elsewhere, otherwise nothing; and nothing within the first
//! second.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use runmask::source::Source;

use crate::console::say;

/// Work that is done earlier needs no progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Bars,
    Lines,
    Nowhere,
}

impl Progress {
    /// Bars on a terminal; lines elsewhere when the user insists.
    pub(crate) fn new(insist: bool) -> Self {
        match (std::io::stderr().is_terminal(), insist) {
            (true, _) => Self::Bars,
            (false, true) => Self::Lines,
            (false, false) => Self::Nowhere,
        }
    }
}

/// Bytes of all pixels of a source.
pub(crate) fn pixel_bytes(source: &dyn Source) -> u64 {
    source.shape().pixels().saturating_mul(source.dtype().bytes() as u64)
}

/// A bar that waits, or the lines in its place.
#[derive(Debug)]
struct Display {
    shown: Progress,
    bars: MultiProgress,
    bar: ProgressBar,
    visible: AtomicBool,
    started: Instant,
    last_line: Mutex<Instant>,
}

impl Display {
    fn new(shown: Progress, bars: &MultiProgress, template: &str, message: String, total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()).with_message(message);
        // The template is a constant, so falling back to the default style is for the type checker alone.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let started = Instant::now();
        Self { shown, bars: bars.clone(), bar, visible: false.into(), started, last_line: Mutex::new(started) }
    }

    /// Shows what the bar stands at: the bar itself, or now and then a line.
    fn show(&self, line: impl FnOnce() -> String) {
        match self.shown {
            Progress::Nowhere => {}
            Progress::Bars => {
                if self.started.elapsed() >= PATIENCE && !self.visible.swap(true, Ordering::Relaxed) {
                    self.bars.add(self.bar.clone());
                }
            }
            Progress::Lines => {
                if let Ok(mut last) = self.last_line.try_lock()
                    && last.elapsed() >= PATIENCE
                {
                    *last = Instant::now();
                    say(&line());
                }
            }
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Work of so many bytes under way.
#[derive(Debug)]
pub(crate) struct Task(Display);

impl Task {
    pub(crate) fn new(shown: Progress, bars: &MultiProgress, name: String, total: u64) -> Self {
        let template = "{msg} {wide_bar} {percent} % of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
        Self(Display::new(shown, bars, template, name, total))
    }

    /// So many more bytes are done.
    pub(crate) fn advance(&self, bytes: u64) {
        self.0.bar.inc(bytes);
        self.0.show(|| self.line());
    }

    /// What a long call of the library is to tell its progress to.
    pub(crate) fn watch(&self) -> impl FnMut(runmask::Progress) -> ControlFlow<()> {
        |progress| {
            self.0.bar.set_position(progress.done);
            self.0.show(|| self.line());
            ControlFlow::Continue(())
        }
    }

    fn line(&self) -> String {
        let bar = &self.0.bar;
        let (done, total) = (bar.position(), bar.length().unwrap_or(0));
        format!(
            "{}: {} % of {}, {}/s, {} left",
            bar.message(),
            percent(done, total),
            BinaryBytes(total),
            BinaryBytes(bar.per_sec() as u64),
            HumanDuration(bar.eta())
        )
    }
}

fn percent(done: u64, total: u64) -> u64 {
    (u128::from(done) * 100 / u128::from(total.max(1))).try_into().unwrap_or(u64::MAX)
}

/// Work on many files under way.
#[derive(Debug)]
pub(crate) struct Batch {
    display: Display,
    count: Mutex<Count>,
}

/// What is done of a batch. Files count by their bytes, so that the time left does not depend on which came first.
#[derive(Clone, Copy, Debug)]
struct Count {
    files: usize,
    all_files: usize,
    bytes: u64,
    all_bytes: u64,
}

impl Batch {
    pub(crate) fn new(shown: Progress, bars: &MultiProgress, files: usize, bytes: u64) -> Self {
        let count = Count { files: 0, all_files: files, bytes: 0, all_bytes: bytes };
        let display = Display::new(shown, bars, "{wide_bar} {msg}", count.text(Duration::ZERO), files as u64);
        Self { display, count: Mutex::new(count) }
    }

    /// A file of so many bytes is done. `worked` is false when nothing had to be done for it.
    pub(crate) fn done(&self, bytes: u64, worked: bool) {
        let text = {
            let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
            count.files += 1;
            match worked {
                true => count.bytes += bytes,
                false => count.all_bytes = count.all_bytes.saturating_sub(bytes),
            }
            count.text(self.display.started.elapsed())
        };
        self.display.bar.inc(1);
        self.display.bar.set_message(text.clone());
        self.display.show(|| text);
    }
}

impl Count {
    /// For instance `7 of 19 masks, 3 minutes left`; no time before anything is done.
    fn text(self, elapsed: Duration) -> String {
        let done = format!("{} of {} masks", self.files, self.all_files);
        if self.bytes == 0 || self.files == self.all_files {
            return done;
        }
        let left = self.all_bytes.saturating_sub(self.bytes) as f64 / self.bytes as f64;
        let left = Duration::try_from_secs_f64(elapsed.as_secs_f64() * left).unwrap_or(Duration::MAX);
        format!("{done}, {} left", HumanDuration(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_of_a_batch_goes_by_bytes() {
        let count = Count { files: 2, all_files: 19, bytes: 100, all_bytes: 700 };
        assert_eq!(count.text(Duration::from_secs(10)), "2 of 19 masks, 60 seconds left");
        assert_eq!(Count { bytes: 0, ..count }.text(Duration::from_secs(10)), "2 of 19 masks");
        assert_eq!(Count { files: 19, ..count }.text(Duration::from_secs(10)), "19 of 19 masks");
    }
}
