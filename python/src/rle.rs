//! The text that competitions take: starts and lengths, one object a text.

use std::fmt::Write;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use runmask::{LabelRuns, Run, Shape};

use crate::arrays::order_of;
use crate::errors::{format_error, raise};
use crate::runs::Runs;
use crate::work;

/// The text of one label's runs, or of the pixels of all labels together, numbered from `base`.
#[pyfunction]
pub(crate) fn to_text(py: Python<'_>, runs: &Bound<'_, Runs>, label: Option<u64>, base: u64) -> PyResult<String> {
    let runs = Arc::clone(&runs.get().runs);
    work::alone(py, None, move |_| {
        let one = match label {
            Some(label) => runs.get(label).unwrap_or_default().to_vec(),
            None => union(runs.runs().to_vec()),
        };
        let mut text = String::new();
        for Run { start, length } in one {
            let start = start.checked_add(base).ok_or("base: the positions end past 2^64")?;
            let space = if text.is_empty() { "" } else { " " };
            write!(text, "{space}{start} {length}").map_err(|_| "no text")?;
        }
        Ok(text)
    })?
    .map_err(|error: &str| PyValueError::new_err(error))
}

/// Runs in any order, which may overlap, as ascending runs with gaps between them.
pub(crate) fn union(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_unstable();
    runs.dedup_by(|run, before| {
        let joins = run.start <= before.end();
        if joins {
            before.length = before.end().max(run.end()) - before.start;
        }
        joins
    });
    runs
}

/// The runs of label 1 that a text describes.
#[pyfunction]
pub(crate) fn from_text(py: Python<'_>, text: &str, shape: (u64, u64), base: u64, order: &str) -> PyResult<Runs> {
    let shape = Shape::new(shape.0, shape.1).map_err(|error| raise(py, error))?;
    let order = order_of(order)?;
    let text = text.to_owned();
    let read = work::alone(py, None, move |_| -> Result<LabelRuns, Wrong> {
        let mut runs = parse(&text, base)?;
        runs.sort_unstable();
        let offsets = vec![0, runs.len()];
        LabelRuns::from_parts(Some(shape), order, vec![1], offsets, runs).map_err(Wrong::Runs)
    })?;
    read.map(Runs::from).map_err(|wrong| match wrong {
        Wrong::Runs(error) => raise(py, error),
        Wrong::Number { place, expected, found } => {
            let place = format!("number {place}");
            let message = format!("{place}: expected {expected}, found {found}");
            format_error(py, message, None, &place, &expected, &found)
        }
    })
}

/// What is wrong with a text.
enum Wrong {
    /// The number at this place, counted from 1.
    Number { place: usize, expected: String, found: String },
    /// The numbers are no runs of the mask.
    Runs(runmask::Error),
}

fn parse(text: &str, base: u64) -> Result<Vec<Run>, Wrong> {
    let mut runs = Vec::new();
    let mut start = None;
    let mut place = 0;
    for word in text.split_ascii_whitespace() {
        place += 1;
        let wrong = |expected: String| Wrong::Number { place, expected, found: format!("{word:?}") };
        let number: u64 = word.parse().map_err(|_| wrong("a number from 0 to 2^64 - 1".into()))?;
        start = match start {
            None => Some(number.checked_sub(base).ok_or_else(|| wrong(format!("a start from {base}")))?),
            Some(start) => {
                runs.push(Run { start, length: number });
                None
            }
        };
    }
    match start {
        None => Ok(runs),
        Some(_) => Err(Wrong::Number { place: place + 1, expected: "a length".into(), found: "the end".into() }),
    }
}
