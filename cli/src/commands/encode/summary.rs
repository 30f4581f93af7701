//! What became of each mask: the summary in JSON on stdout.

use std::time::Instant;

use runmask::Result;
use serde::Serialize;

use super::Encoded;
use super::jobs::Job;
use crate::commands::print_json;
use crate::console::Console;
use crate::exit;

/// One mask in the summary. Names that are no text have U+FFFD for each byte that is none.
#[derive(Serialize)]
pub(super) struct Slide {
    input: String,
    output: String,
    pub(super) status: &'static str,
    height: Option<u32>,
    width: Option<u32>,
    labels: Option<usize>,
    runs: Option<usize>,
    seconds: f64,
    warnings: Vec<String>,
    pub(super) error: Option<String>,
}

impl Slide {
    /// `console` is the one that this mask's warnings went to.
    pub(super) fn new(job: &Job, result: Result<Option<Encoded>>, started: Instant, console: &Console) -> Self {
        let (status, encoded, error) = match result {
            Ok(Some(encoded)) => ("encoded", Some(encoded), None),
            Ok(None) => ("skipped", None, None),
            Err(error) => {
                let (text, name) = (exit::chain(&error), job.mask.display().to_string());
                ("failed", None, Some(if text.contains(&name) { text } else { format!("{name}: {text}") }))
            }
        };
        Self {
            input: job.mask.to_string_lossy().into(),
            output: job.output.to_string_lossy().into(),
            status,
            height: encoded.as_ref().map(|encoded| encoded.height),
            width: encoded.as_ref().map(|encoded| encoded.width),
            labels: encoded.as_ref().map(|encoded| encoded.labels),
            runs: encoded.as_ref().map(|encoded| encoded.runs),
            seconds: started.elapsed().as_secs_f64(),
            warnings: console.warnings(),
            error,
        }
    }
}

impl Slide {
    /// Says what went wrong, if anything did.
    pub(super) fn say_error(&self, console: &Console) {
        if let Some(error) = &self.error {
            console.say(error);
        }
    }

    /// The mask was encoded, but the file that it shares with others is not written.
    pub(super) fn is_not_written(&mut self) {
        if self.status == "encoded" {
            self.status = "not written";
        }
    }
}

/// What became of how many masks.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Counts {
    pub(super) encoded: usize,
    pub(super) skipped: usize,
    pub(super) failed: usize,
    /// Masks that are fine, but share a file with one that is not.
    pub(super) not_written: usize,
}

impl Counts {
    pub(super) fn of(slides: &[Slide]) -> Self {
        let count = |status| slides.iter().filter(|slide| slide.status == status).count();
        Self {
            encoded: count("encoded"),
            skipped: count("skipped"),
            failed: count("failed"),
            not_written: count("not written"),
        }
    }
}

/// The summary in JSON, on stdout.
pub(super) fn summarize(slides: &[Slide], console: &Console) -> Result<()> {
    #[derive(Serialize)]
    struct Summary<'a> {
        #[serde(flatten)]
        counts: Counts,
        warnings: Vec<String>,
        slides: &'a [Slide],
    }
    print_json(&Summary { counts: Counts::of(slides), warnings: console.warnings(), slides })
}
