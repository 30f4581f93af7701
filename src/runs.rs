//! Runs, and the runs of every label.
//!
//! [`LabelRuns`] is what encoding gives, what formats read and write, and what decoding gets: labels ascending, each with
//! its runs ascending by start. It is not generic: labels and positions are `u64` here.

use crate::error::{Error, Result};
use crate::shape::{ScanOrder, Shape};

/// Pixels `start .. start + length` in scan order, all of one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Run {
    /// Position of the first pixel, from 0.
    pub start: u64,
    /// Number of pixels.
    pub length: u64,
}

impl Run {
    /// One past the last pixel.
    pub fn end(self) -> u64 {
        self.start + self.length
    }

    /// Runs from (start, length) pairs, without a copy: zeroed pairs are cheaper to allocate.
    pub(crate) fn from_pairs(pairs: Vec<[u64; 2]>) -> Vec<Self> {
        bytemuck::allocation::cast_vec(pairs)
    }

    /// The memory of runs, as pairs.
    pub(crate) fn into_pairs(runs: Vec<Self>) -> Vec<[u64; 2]> {
        bytemuck::allocation::cast_vec(runs)
    }
}

/// The runs of every label of one mask (compressed sparse rows).
///
/// Labels ascend and appear once; a label may have no runs (a row of a file that is there but empty). The runs of one
/// label ascend, do not overlap and have a length of at least 1. Runs of different labels may overlap when they came from
/// a file: a mask cannot hold that, and [`crate::decode`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRuns {
    pub(crate) shape: Option<Shape>,
    pub(crate) order: ScanOrder,
    pub(crate) labels: Vec<u64>,
    pub(crate) offsets: Vec<usize>,
    pub(crate) runs: Vec<Run>,
}

impl LabelRuns {
    /// No labels at all.
    pub fn empty(shape: Option<Shape>, order: ScanOrder) -> Self {
        Self { shape, order, labels: Vec::new(), offsets: vec![0], runs: Vec::new() }
    }

    /// Height and width of the mask, when known: a run file may not say.
    pub fn shape(&self) -> Option<Shape> {
        self.shape
    }

    /// The order in which positions are numbered.
    pub fn order(&self) -> ScanOrder {
        self.order
    }

    /// The labels, ascending.
    pub fn labels(&self) -> &[u64] {
        &self.labels
    }

    /// Number of runs of all labels together.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// The runs of `label`, ascending; `None` when the label does not occur.
    pub fn get(&self, label: u64) -> Option<&[Run]> {
        let index = self.labels.binary_search(&label).ok()?;
        Some(self.runs_at(index))
    }

    /// Every label with its runs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &[Run])> {
        self.labels.iter().enumerate().map(|(index, &label)| (label, self.runs_at(index)))
    }

    /// The runs of the label at `index` of [`LabelRuns::labels`].
    pub(crate) fn runs_at(&self, index: usize) -> &[Run] {
        &self.runs[self.offsets[index]..self.offsets[index + 1]]
    }

    /// The same runs for a mask of `shape`; an error when a run ends outside it.
    pub fn with_shape(mut self, shape: Shape) -> Result<Self> {
        for (label, runs) in self.iter() {
            // Ascending and disjoint, so the last run reaches furthest.
            if let Some(run) = runs.last()
                && run.end() > shape.pixels()
            {
                return Err(Error::Argument(format!(
                    "label {label}: the run of {} pixels from {} ends outside the mask ({shape}, {} pixels)",
                    run.length,
                    run.start,
                    shape.pixels()
                )));
            }
        }
        self.shape = Some(shape);
        Ok(self)
    }

    /// Pixels of all runs together.
    pub fn area(&self) -> u64 {
        self.runs.iter().map(|run| run.length).sum()
    }
}

/// Builds [`LabelRuns`] label by label; labels must ascend, and the runs of each must ascend without overlap.
#[derive(Debug)]
pub struct LabelRunsBuilder {
    runs: LabelRuns,
}

impl LabelRunsBuilder {
    /// A builder for a mask of `shape`, when it is known, whose positions follow `order`.
    pub fn new(shape: Option<Shape>, order: ScanOrder) -> Self {
        Self { runs: LabelRuns::empty(shape, order) }
    }

    /// Starts the next label, which must be greater than the one before.
    pub fn label(&mut self, label: u64) -> Result<()> {
        if let Some(&last) = self.runs.labels.last()
            && label <= last
        {
            return Err(Error::Argument(format!("label {label} follows label {last}: labels must ascend")));
        }
        self.runs.labels.push(label);
        self.runs.offsets.push(self.runs.runs.len());
        Ok(())
    }

    /// Adds a run to the label started last.
    pub fn run(&mut self, run: Run) -> Result<()> {
        let Some(&label) = self.runs.labels.last() else {
            return Err(Error::Argument("a run before the first label".into()));
        };
        let fault = |what: String| Err(Error::Argument(format!("label {label}: {what}")));
        let Some(end) = run.start.checked_add(run.length) else {
            return fault(format!("the run of {} pixels from {} ends past 2^64", run.length, run.start));
        };
        if run.length == 0 {
            return fault(format!("the run from {} has no pixels", run.start));
        }
        if let Some(shape) = self.runs.shape
            && end > shape.pixels()
        {
            return fault(format!(
                "the run of {} pixels from {} ends outside the mask ({shape}, {} pixels)",
                run.length,
                run.start,
                shape.pixels()
            ));
        }
        let first = self.runs.offsets[self.runs.offsets.len() - 2];
        if let Some(last) = self.runs.runs[first..].last()
            && run.start < last.end()
        {
            return fault(format!(
                "the run from {} begins before the run before it ends, at {}: runs must ascend without overlap",
                run.start,
                last.end()
            ));
        }
        self.runs.runs.push(run);
        if let Some(end) = self.runs.offsets.last_mut() {
            *end = self.runs.runs.len();
        }
        Ok(())
    }

    /// The finished runs.
    pub fn finish(self) -> LabelRuns {
        self.runs
    }
}
