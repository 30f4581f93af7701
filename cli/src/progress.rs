//! Progress of long work, on stderr: how much is done, how fast, and how long the rest takes.
//!
//! A bar on a terminal, lines where `--progress` asks for them elsewhere, otherwise nothing; and nothing within the first
//! second.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use runmask::source::Source;
use runmask::{Dtype, Shape};

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

    /// Work of so many bytes begins; it ends when the result is dropped.
    pub(crate) fn start(self, name: impl Into<Cow<'static, str>>, total: u64) -> Task {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()).with_message(name);
        // The template is a constant, so falling back to the default style is for the type checker alone.
        if let Ok(style) = ProgressStyle::with_template(
            "{msg} {wide_bar} {percent} % of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
        ) {
            bar.set_style(style);
        }
        Task { shown: self, bar, visible: AtomicBool::new(false), last_line: Mutex::new(Instant::now()) }
    }
}

/// Work under way.
#[derive(Debug)]
pub(crate) struct Task {
    shown: Progress,
    bar: ProgressBar,
    visible: AtomicBool,
    last_line: Mutex<Instant>,
}

impl Task {
    /// So many more bytes are done.
    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        match self.shown {
            Progress::Nowhere => {}
            Progress::Bars => {
                if self.bar.elapsed() >= PATIENCE && !self.visible.swap(true, Ordering::Relaxed) {
                    self.bar.set_draw_target(ProgressDrawTarget::stderr());
                }
            }
            Progress::Lines => {
                if let Ok(mut last) = self.last_line.try_lock()
                    && last.elapsed() >= PATIENCE
                {
                    *last = Instant::now();
                    crate::exit::say(&self.line());
                }
            }
        }
    }

    fn line(&self) -> String {
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
        format!(
            "{}: {} % of {}, {}/s, {} left",
            self.bar.message(),
            (done as f64 / total.max(1) as f64 * 100.0) as u64,
            BinaryBytes(total),
            BinaryBytes(self.bar.per_sec() as u64),
            HumanDuration(self.bar.eta())
        )
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A source whose rows count as progress.
pub(crate) struct Watched<'a> {
    source: Box<dyn Source + 'a>,
    task: Task,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(source: Box<dyn Source + 'a>, name: &str, progress: Progress) -> Self {
        let bytes = source.shape().pixels().saturating_mul(source.dtype().bytes() as u64);
        Self { source, task: progress.start(name.to_owned(), bytes) }
    }
}

impl Source for Watched<'_> {
    fn shape(&self) -> Shape {
        self.source.shape()
    }

    fn dtype(&self) -> Dtype {
        self.source.dtype()
    }

    fn read_rows(&mut self, rows: &mut [u8]) -> runmask::Result<()> {
        self.source.read_rows(rows)?;
        self.task.advance(rows.len() as u64);
        Ok(())
    }

    fn row_group(&self) -> u32 {
        self.source.row_group()
    }
}
