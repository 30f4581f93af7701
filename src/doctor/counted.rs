//! What is counted while a file is read: objects, runs, overlaps, and how runs lie in lines of either length.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::Result;
use crate::format::neighbours::beside;
use crate::format::{Image, Object, ObjectSink};
use crate::memory::extend;
use crate::runs::Run;
use crate::shape::ScanOrder;

/// What a target must hold, drop or be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Some shape, and that of every object.
    pub(super) some_shape: bool,
    pub(super) every_shape: bool,
    /// Objects with a number of their own, and whether two have the same.
    pub(super) numbered: bool,
    pub(super) twice: bool,
    /// Classes, scores, crowd marks, names of image files.
    pub(super) attributes: bool,
    /// Classes by name, and those that are numbers.
    pub(super) categories: BTreeSet<String>,
    pub(super) numbers: BTreeSet<u64>,
}

/// What is counted while a file is read.
#[derive(Default)]
pub(super) struct Counted {
    /// Objects and runs of every image; the runs of all objects together, to find overlaps.
    by_image: HashMap<String, (u64, Vec<Run>)>,
    pub(super) images: u64,
    pub(super) objects: u64,
    pub(super) runs: u64,
    pub(super) empty: u64,
    pub(super) overlaps: u64,
    pub(super) gaps_of_one: u64,
    pub(super) largest_group: u64,
    /// Runs that begin where one of another object ends.
    pub(super) touching: u64,
    pub(super) square: bool,
    pub(super) shaped: bool,
    pub(super) held: Held,
    /// For the height, then for the width, as the length of a scan line.
    pub(super) lines: [LineCounts; 2],
    pub(super) order: ScanOrder,
    pub(super) steps: Steps,
    /// The numbers of objects.
    labels: HashSet<u64>,
}

impl Counted {
    fn hold(&mut self, object: &Object<'_>) {
        let held = &mut self.held;
        held.some_shape |= object.shape.is_some();
        held.every_shape = object.shape.is_some() && (self.objects == 0 || held.every_shape);
        if let Some(label) = object.label {
            held.numbered = true;
            held.twice |= !self.labels.insert(label);
        }
        held.attributes |= object.category.is_some() || object.score.is_some() || object.crowd;
        match object.category.map(|name| name.parse().map_err(|_| name)) {
            Some(Ok(number)) if !held.numbers.contains(&number) => _ = held.numbers.insert(number),
            Some(Err(name)) if !held.categories.contains(name) => _ = held.categories.insert(name.to_owned()),
            _ => {}
        }
    }
}

#[derive(Clone, Copy, Default)]
pub(super) struct LineCounts {
    pub(super) crossing: u64,
    pub(super) beside: u64,
}

impl ObjectSink for Counted {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.held.some_shape |= image.shape.is_some();
        self.held.attributes |= image.name.is_some_and(|name| name != image.id);
        self.by_image.entry(image.id.to_owned()).or_default();
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        if !self.by_image.contains_key(object.image) {
            self.by_image.insert(object.image.to_owned(), (0, Vec::new()));
        }
        if let Some((objects, runs)) = self.by_image.get_mut(object.image) {
            *objects += 1;
            extend(runs, object.runs, "the objects of a file")?;
        }
        self.hold(object);
        self.objects += 1;
        self.runs += object.runs.len() as u64;
        self.empty += u64::from(object.runs.is_empty());
        self.order = object.order;
        self.steps.add(object.runs);
        if let Some(shape) = object.shape.filter(|shape| shape.pixels() > 0) {
            self.shaped = true;
            if shape.height == shape.width {
                self.square = true;
            } else {
                for (counts, length) in self.lines.iter_mut().zip([shape.height, shape.width]) {
                    count_lines(counts, object.runs, u64::from(length));
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.images = self.by_image.len() as u64;
        for (_, (objects, mut runs)) in std::mem::take(&mut self.by_image) {
            self.largest_group = self.largest_group.max(objects);
            runs.sort_unstable();
            let mut end = 0;
            for run in runs.iter() {
                self.overlaps += u64::from(run.start < end);
                self.gaps_of_one += u64::from(end > 0 && run.start == end + 1);
                self.touching += u64::from(end > 0 && run.start == end);
                end = end.max(run.end());
            }
        }
        Ok(())
    }
}

fn count_lines(counts: &mut LineCounts, runs: &[Run], length: u64) {
    counts.crossing += runs.iter().filter(|run| run.start % length + run.length > length).count() as u64;
    counts.beside += beside(runs, length);
}

/// Steps that are remembered: enough to see which is the commonest.
const MAX_STEPS: usize = 1 << 20;

/// Steps from the start of a run to the start of the next one of the same object.
#[derive(Default)]
pub(super) struct Steps(HashMap<u64, u64>);

impl Steps {
    fn add(&mut self, runs: &[Run]) {
        for pair in runs.windows(2) {
            // A step within a line is shorter than the run after it, or nearly so; those between lines are many times as long.
            let step = pair[1].start - pair[0].start;
            if self.0.len() < MAX_STEPS || self.0.contains_key(&step) {
                *self.0.entry(step).or_default() += 1;
            }
        }
    }

    /// The commonest step, when most others are near it: an edge that goes straight on makes it, and one that does not
    /// makes steps a little longer or shorter.
    pub(super) fn line_length(&self) -> Option<u64> {
        let all: u64 = self.0.values().sum();
        let (&step, &count) = self.0.iter().max_by_key(|&(&step, &count)| (count, step))?;
        let near = |other: &u64| other.abs_diff(step) <= step / 16;
        let around: u64 = self.0.iter().filter(|(other, _)| near(other)).map(|(_, count)| count).sum();
        (all >= 8 && step >= 16 && count * 20 >= all && around * 2 >= all).then_some(step)
    }
}
