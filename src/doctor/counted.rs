//! What is counted while a file is read: objects, runs, overlaps, and how runs lie in lines of either length.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::Result;
use crate::format::{Format, Image, Object, Sink};
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

    /// Whether a file that was read without error holds anything: any JSON is a sam or a labelstudio file of nothing.
    pub(super) fn is_something(&self, format: Format) -> bool {
        self.objects > 0 || self.images > 0 && !matches!(format, Format::Sam | Format::LabelStudio)
    }
}

#[derive(Clone, Copy, Default)]
pub(super) struct LineCounts {
    pub(super) crossing: u64,
    pub(super) beside: u64,
}

impl Sink for Counted {
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
            runs.extend_from_slice(object.runs);
        }
        self.hold(object);
        self.objects += 1;
        self.runs += object.runs.len() as u64;
        self.empty += u64::from(object.runs.is_empty());
        self.order = object.order;
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
        for (objects, runs) in self.by_image.values_mut() {
            self.largest_group = self.largest_group.max(*objects);
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
    let mut next = 0;
    for run in runs {
        counts.crossing += u64::from(run.start % length + run.length > length);
        let Some(beside) = run.start.checked_add(length) else { continue };
        while runs.get(next).is_some_and(|other| other.end() <= beside) {
            next += 1;
        }
        counts.beside += u64::from(runs.get(next).is_some_and(|other| other.start < beside.saturating_add(run.length)));
    }
}
