//! COCO's run-length encodings, as Python has them: read to runs, and made of them.
//!
//! Gets the size and the counts of encodings; gives their runs, or a text; guarantees an error that names the encoding and the
//! place in it when its counts are none.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use rayon::prelude::*;
use runmask::format::coco_string;
use runmask::format::counts::{LargeCounts, runs_of};
use runmask::{Run, Shape};

use crate::errors::{format_error, raise};
use crate::work::Stop;

/// The size and the counts of an encoding: text, or numbers.
pub(super) type Given<'py> = (u64, u64, Bound<'py, PyAny>);

/// An encoding that is read: the size of its mask and its runs, column-major, ascending, with gaps between them.
pub(super) struct Rle {
    pub(super) shape: Shape,
    pub(super) runs: Vec<Run>,
}

/// Counts before they are read.
enum Counts<'a> {
    Text(&'a [u8]),
    Numbers(Vec<u64>),
}

/// The text of ascending runs with gaps between them.
pub(super) fn text_of(runs: &[Run], shape: Shape) -> Result<Vec<u8>, Wrong> {
    let mut counts = Vec::new();
    LargeCounts::Keep.counts(runs, shape.pixels(), &mut counts).map_err(Wrong::Library)?;
    let mut text = Vec::new();
    coco_string::push(&mut text, &counts);
    Ok(text)
}

/// An encoding before it is read.
pub(super) struct Encoding<'a> {
    pub(super) shape: Shape,
    counts: Counts<'a>,
}

/// Encodings from Python.
pub(super) fn counts_of<'a>(py: Python<'_>, rles: &'a [Given<'_>]) -> PyResult<Vec<Encoding<'a>>> {
    let one = |(height, width, counts): &'a Given<'_>| {
        let shape = Shape::new(*height, *width).map_err(|error| raise(py, error))?;
        let counts = if let Ok(bytes) = counts.cast::<PyBytes>() {
            Counts::Text(bytes.as_bytes())
        } else if let Ok(text) = counts.cast::<PyString>() {
            Counts::Text(text.to_str()?.as_bytes())
        } else {
            let wrong = |_| PyTypeError::new_err("counts: expected bytes, str or a list of numbers from 0");
            Counts::Numbers(counts.extract().map_err(wrong)?)
        };
        Ok(Encoding { shape, counts })
    };
    rles.iter().map(one).collect()
}

/// Why an encoding cannot be read or written.
pub(super) enum Wrong {
    Library(runmask::Error),
    Format { place: String, expected: String, found: String },
}

impl Wrong {
    /// The exception.
    pub(super) fn raise(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Library(error) => raise(py, error),
            Self::Format { place, expected, found } => {
                let text = format!("{place}: expected {expected}, found {found}");
                format_error(py, text, None, &place, &expected, &found)
            }
        }
    }
}

/// Reads encodings on all threads.
pub(super) fn read_all(rles: &[Encoding<'_>], stop: &Stop) -> Result<Vec<Rle>, Wrong> {
    let one = |(index, rle)| stop.check().map_err(Wrong::Library).and_then(|()| read(index, rle));
    rles.par_iter().enumerate().map(one).collect()
}

/// Reads encoding number `index`.
pub(super) fn read(index: usize, rle: &Encoding<'_>) -> Result<Rle, Wrong> {
    let mut runs = Vec::new();
    rle.runs(index, &mut Vec::new(), &mut runs)?;
    Ok(Rle { shape: rle.shape, runs })
}

impl Encoding<'_> {
    /// Bytes of its text, or the number of its counts.
    pub(super) fn size(&self) -> usize {
        match &self.counts {
            Counts::Text(text) => text.len(),
            Counts::Numbers(counts) => counts.len(),
        }
    }

    /// The counts of encoding number `index`, for which `scratch` is memory.
    pub(super) fn counts<'a>(&'a self, index: usize, scratch: &'a mut Vec<u64>) -> Result<&'a [u64], Wrong> {
        match &self.counts {
            Counts::Numbers(counts) => Ok(counts),
            Counts::Text(text) => match coco_string::parse(text, scratch) {
                Ok(()) => Ok(scratch),
                Err(defect) => Err(Wrong::Format {
                    place: format!("encoding {index}, byte {} of its counts", defect.at),
                    expected: defect.expected,
                    found: defect.found,
                }),
            },
        }
    }

    /// Calls `found` with every run from the first to the last; those that touch are not joined. After an error some were
    /// found that may be wrong.
    pub(super) fn each_run(
        &self,
        index: usize,
        scratch: &mut Vec<u64>,
        mut found: impl FnMut(Run),
    ) -> Result<(), Wrong> {
        let counts = self.counts(index, scratch)?;
        let pixels = self.shape.pixels();
        let mut start = 0;
        for pair in counts.chunks(2) {
            let length = pair.get(1).copied().unwrap_or(0);
            match pair[0].checked_add(length) {
                Some(both) if both <= pixels - start => {}
                _ => break,
            }
            start += pair[0];
            if length > 0 {
                found(Run { start, length });
            }
            start += length;
        }
        if start == pixels && counts.iter().map(|&count| u128::from(count)).sum::<u128>() == u128::from(pixels) {
            return Ok(());
        }
        Err(wrong_sum(index, self.shape, counts.iter().map(|&count| u128::from(count)).sum()))
    }

    /// Its runs; the former content is lost.
    pub(super) fn runs(&self, index: usize, scratch: &mut Vec<u64>, runs: &mut Vec<Run>) -> Result<(), Wrong> {
        let counts = self.counts(index, scratch)?;
        runs.reserve(counts.len() / 2);
        runs_of(counts, self.shape.pixels(), runs).map_err(|sum| wrong_sum(index, self.shape, sum))
    }
}

/// Counts of encoding number `index` have another sum than its pixels.
pub(super) fn wrong_sum(index: usize, shape: Shape, sum: u128) -> Wrong {
    Wrong::Format {
        place: format!("encoding {index}"),
        expected: format!("counts that sum to {} pixels ({shape})", shape.pixels()),
        found: format!("a sum of {sum}"),
    }
}
