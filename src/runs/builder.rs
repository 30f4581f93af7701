//! Makes [`LabelRuns`], label by label or from flat lists, and joins runs that touch.
//!
//! Whatever is made here keeps the promises of [`LabelRuns`]: labels ascend, and the runs of each label ascend without
//! overlap, have pixels, and end inside the mask and below 2^64.

use super::{LabelRuns, RUNS, Run};
use crate::error::{Error, Result};
use crate::memory::reserve;
use crate::shape::{ScanOrder, Shape};

/// Adds a run to ascending runs and joins it to the last of them where they touch. A run without pixels adds nothing.
///
/// The run must begin where the last one ends, or later.
#[inline]
pub(crate) fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.end() == run.start => last.length += run.length,
        _ if run.length == 0 => {}
        _ => runs.push(run),
    }
}

/// Sorts runs and joins those that touch or overlap.
pub(crate) fn unite(runs: &mut Vec<Run>) {
    runs.sort_unstable();
    runs.dedup_by(|next, kept| {
        let joined = next.start <= kept.end();
        if joined {
            kept.length = kept.length.max(next.end() - kept.start);
        }
        joined
    });
}

/// Builds [`LabelRuns`] label by label; labels must ascend, and the runs of each must ascend without overlap.
///
/// ```
/// use runmask::{LabelRunsBuilder, Run, ScanOrder, Shape};
/// let shape = Shape { height: 4, width: 2 };
/// let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
/// builder.label(3)?;
/// builder.run(Run { start: 0, length: 2 })?;
/// builder.label(8)?;
/// builder.push(Run { start: 2, length: 1 })?;
/// builder.push(Run { start: 3, length: 4 })?;
/// let runs = builder.finish();
/// assert_eq!(runs.get(8), Some(&[Run { start: 2, length: 5 }][..]));
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Debug)]
pub struct LabelRunsBuilder {
    shape: Option<Shape>,
    order: ScanOrder,
    labels: Vec<u64>,
    offsets: Vec<usize>,
    runs: Vec<Run>,
}

impl LabelRunsBuilder {
    /// A builder for a mask of `shape`, when it is known, whose positions follow `order`.
    pub fn new(shape: Option<Shape>, order: ScanOrder) -> Self {
        Self { shape, order, labels: Vec::new(), offsets: vec![0], runs: Vec::new() }
    }

    /// Starts the next label.
    ///
    /// # Errors
    /// [`Error::Argument`] when the label is not greater than the one before; [`Error::Memory`] when there is no room for it.
    pub fn label(&mut self, label: u64) -> Result<()> {
        after(self.labels.last().copied(), label)?;
        reserve(&mut self.labels, 1, RUNS)?;
        reserve(&mut self.offsets, 1, RUNS)?;
        self.labels.push(label);
        self.offsets.push(self.runs.len());
        Ok(())
    }

    /// Adds a run to the label started last, and keeps it apart from a run that it touches.
    ///
    /// # Errors
    /// [`Error::Argument`] when no label was started, and when the run has no pixels, begins before the run before it
    /// ends, or ends outside the mask; [`Error::Memory`] when there is no room for it.
    pub fn run(&mut self, run: Run) -> Result<()> {
        self.check(run)?;
        reserve(&mut self.runs, 1, RUNS)?;
        self.runs.push(run);
        self.end();
        Ok(())
    }

    /// Adds a run to the label started last, and joins it to the run before where they touch. A run without pixels adds
    /// nothing.
    ///
    /// # Errors
    /// As [`LabelRunsBuilder::run`], but a run may be without pixels.
    pub fn push(&mut self, run: Run) -> Result<()> {
        if run.length == 0 && !self.labels.is_empty() {
            return Ok(());
        }
        let joins = self.check(run)?;
        reserve(&mut self.runs, 1, RUNS)?;
        match self.runs.last_mut() {
            Some(last) if joins => last.length += run.length,
            _ => self.runs.push(run),
        }
        self.end();
        Ok(())
    }

    /// The finished runs.
    pub fn finish(self) -> LabelRuns {
        let Self { shape, order, labels, offsets, runs } = self;
        LabelRuns { shape, order, labels, offsets, runs: runs.into() }
    }

    /// Whether a run touches the run before it of the same label; an error when it cannot be added.
    #[inline]
    fn check(&self, run: Run) -> Result<bool> {
        let Self { shape, labels, offsets, runs, .. } = self;
        let Some(&label) = labels.last() else {
            return Err(Error::Argument("a run before the first label".into()));
        };
        let before = runs[offsets[offsets.len() - 2]..].last().copied();
        follows(before, run, *shape).map_err(|what| fault(label, what))?;
        Ok(before.is_some_and(|before| before.end() == run.start))
    }

    fn end(&mut self) {
        if let Some(end) = self.offsets.last_mut() {
            *end = self.runs.len();
        }
    }
}

impl LabelRuns {
    /// The labels, the offsets and the runs: what [`LabelRuns::labels`], [`LabelRuns::offsets`] and [`LabelRuns::runs`] show.
    ///
    /// Without a copy, unless 4 MiB of runs and more came from a mask, from parts that were merged or from packed runs: on Linux these
    /// lie in memory of huge pages, which no `Vec` can take over.
    pub fn into_parts(self) -> (Vec<u64>, Vec<usize>, Vec<Run>) {
        (self.labels, self.offsets, self.runs.into_vec())
    }

    /// The runs of every label from flat lists, without a copy: the runs of `labels[i]` are
    /// `runs[offsets[i]..offsets[i + 1]]`.
    ///
    /// # Errors
    /// [`Error::Argument`] names the first promise that the lists break: one more offset than labels, from 0 to the number
    /// of runs, none less than the one before; labels that ascend; for each label, runs that ascend without overlap, have
    /// pixels, and end inside the mask, or before 2^64 where its shape is not known.
    ///
    /// ```
    /// use runmask::{LabelRuns, Run, ScanOrder, Shape};
    /// let (shape, order) = (Shape { height: 4, width: 2 }, ScanOrder::ColumnMajor);
    /// let lists = (vec![3, 8], vec![0, 1, 2], vec![Run { start: 0, length: 2 }, Run { start: 2, length: 5 }]);
    /// let runs = LabelRuns::from_parts(Some(shape), order, lists.0.clone(), lists.1.clone(), lists.2.clone())?;
    /// assert_eq!(runs.get(8), Some(&[Run { start: 2, length: 5 }][..]));
    /// assert_eq!(runs.into_parts(), lists);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn from_parts(
        shape: Option<Shape>,
        order: ScanOrder,
        labels: Vec<u64>,
        offsets: Vec<usize>,
        runs: Vec<Run>,
    ) -> Result<Self> {
        let wrong = |what: String| Err(Error::Argument(what));
        if offsets.len() != labels.len() + 1 {
            return wrong(format!("{} offsets for {} labels: there must be one more", offsets.len(), labels.len()));
        }
        if offsets[0] != 0 || offsets[labels.len()] != runs.len() {
            let (first, last) = (offsets[0], offsets[labels.len()]);
            return wrong(format!("offsets from {first} to {last}: they must go from 0 to the {} runs", runs.len()));
        }
        if let Some(index) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
            let (before, offset) = (offsets[index], offsets[index + 1]);
            return wrong(format!("offset {} is {offset} and follows {before}: offsets must ascend", index + 1));
        }
        let mut last = None;
        for (&label, range) in labels.iter().zip(offsets.windows(2)) {
            after(last.replace(label), label)?;
            let mut before = None;
            for &run in &runs[range[0]..range[1]] {
                follows(before.replace(run), run, shape).map_err(|what| fault(label, what))?;
            }
        }
        Ok(Self { shape, order, labels, offsets, runs: runs.into() })
    }
}

/// An error unless `label` is greater than the label before.
fn after(before: Option<u64>, label: u64) -> Result<()> {
    match before {
        Some(before) if label <= before => {
            Err(Error::Argument(format!("label {label} follows label {before}: labels must ascend")))
        }
        _ => Ok(()),
    }
}

/// What is wrong with a run that comes after `before`.
#[inline]
fn follows(before: Option<Run>, run: Run, shape: Option<Shape>) -> Result<(), String> {
    if run.length == 0 {
        return Err(format!("the run from {} has no pixels", run.start));
    }
    inside(run, shape)?;
    match before {
        Some(before) if run.start < before.end() => Err(format!(
            "the run from {} begins before the run before it ends, at {}: runs must ascend without overlap",
            run.start,
            before.end()
        )),
        _ => Ok(()),
    }
}

/// What is wrong with the end of a run in a mask of `shape`.
#[inline]
pub(super) fn inside(run: Run, shape: Option<Shape>) -> Result<(), String> {
    let Run { start, length } = run;
    match (start.checked_add(length), shape) {
        (None, _) => Err(format!("the run of {length} pixels from {start} ends past 2^64")),
        (Some(end), Some(shape)) if end > shape.pixels() => Err(format!(
            "the run of {length} pixels from {start} ends outside the mask ({shape}, {} pixels)",
            shape.pixels()
        )),
        _ => Ok(()),
    }
}

/// The error for a label with something wrong.
#[cold]
pub(super) fn fault(label: u64, what: String) -> Error {
    Error::Argument(format!("label {label}: {what}"))
}
