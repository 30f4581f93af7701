//! Objects that may overlap: their IoU as pycocotools computes it, and non-maximum suppression.
//!
//! Gets lists of objects, which are the labels of runs, in their order; each object is compared by itself, whether it
//! overlaps others of its list or not.

use super::build::same_shape;
use super::lines::Lines;
use super::measure::Extents;
use super::overlap::iou;
use super::{LabelRuns, Run};
use crate::error::{Error, Result};
use crate::lanes;
use crate::threads;

impl LabelRuns {
    /// The IoU of each of these objects with each of the others, row by row: `result[i * others + j]`.
    ///
    /// Objects are the labels, in ascending order. Where `crowd[j]` is set the other object is a crowd: then it is the share
    /// of the object that lies in it. `crowd` is empty when none is.
    ///
    /// # Errors
    /// [`Error::Argument`] when the shapes differ, or when `crowd` is neither empty nor as long as the others;
    /// [`Error::UnknownShape`] when the orders differ and the other shape is not known; [`Error::Memory`] when there is no
    /// room for the result.
    ///
    /// ```
    /// use runmask::{LabelMask, Shape};
    /// let shape = Shape { height: 1, width: 4 };
    /// let runs = |pixels: [u8; 4]| runmask::encode(&LabelMask::new(&pixels, shape)?);
    /// let (found, truth) = (runs([1, 1, 0, 2])?, runs([0, 3, 3, 3])?);
    /// assert_eq!(found.coco_iou(&truth, &[])?, [0.25, 1.0 / 3.0]);
    /// assert_eq!(found.coco_iou(&truth, &[true])?, [0.5, 1.0]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn coco_iou(&self, other: &Self, crowd: &[bool]) -> Result<Vec<f64>> {
        same_shape(self.shape, other.shape)?;
        let columns = other.labels.len();
        if !crowd.is_empty() && crowd.len() != columns {
            return Err(Error::Argument(format!("{} marks of crowds for {columns} objects", crowd.len())));
        }
        let turned;
        let other = if other.order == self.order {
            other
        } else {
            turned = other.to_order(self.order)?;
            &turned
        };
        let mut result: Vec<f64> = Vec::new();
        let cells = self.labels.len().saturating_mul(columns);
        if result.try_reserve_exact(cells).is_err() {
            let needed = (cells as u64).saturating_mul(8);
            return Err(Error::Memory { what: "IoU of all pairs".into(), needed, limit: None });
        }
        result.resize(cells, 0.0);
        if columns == 0 {
            return Ok(result);
        }
        let (own, others) = (Objects::of(self), Objects::of(other));
        let mut rows: Vec<(usize, &mut [f64])> = result.chunks_mut(columns).enumerate().collect();
        threads::each_mut(&mut rows, |(index, row)| {
            let index = *index;
            lanes::vectorize(
                #[inline(always)]
                || {
                    for (column, cell) in row.iter_mut().enumerate() {
                        let pixels = own.shared(index, &others, column);
                        *cell = match crowd.get(column) {
                            Some(true) if pixels > 0 => pixels as f64 / own.areas[index] as f64,
                            _ => iou(pixels, own.areas[index], others.areas[column]),
                        };
                    }
                },
            );
        });
        Ok(result)
    }

    /// Non-maximum suppression: goes through the objects in the given order, the best first, and keeps those whose IoU with
    /// each one kept before is at most the threshold. Gives the places in [`LabelRuns::labels`] of those that are kept, in
    /// the same order.
    ///
    /// # Errors
    /// [`Error::Argument`] when `order` names a place twice or one that is not there, or when the threshold is not a number.
    ///
    /// ```
    /// use runmask::{LabelRuns, Run, ScanOrder};
    /// let run = |start, length| Run { start, length };
    /// let list = vec![run(0, 10), run(1, 10), run(50, 3)];
    /// let objects = LabelRuns::from_parts(None, ScanOrder::ColumnMajor, vec![1, 2, 3], vec![0, 1, 2, 3], list)?;
    /// assert_eq!(objects.non_maximum_suppression(&[1, 0, 2], 0.5)?, [1, 2]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn non_maximum_suppression(&self, order: &[usize], threshold: f64) -> Result<Vec<usize>> {
        if threshold.is_nan() {
            return Err(Error::Argument("a threshold that is not a number".into()));
        }
        let mut seen = vec![false; self.labels.len()];
        for &index in order {
            match seen.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                Some(_) => return Err(Error::Argument(format!("object {index} is in the order twice"))),
                None => {
                    let count = self.labels.len();
                    return Err(Error::Argument(format!("object {index} is in the order, but there are {count}")));
                }
            }
        }
        let objects = Objects::of(self);
        let mut kept: Vec<usize> = Vec::new();
        for &index in order {
            let covered = |other: usize| {
                let pixels = objects.shared(index, &objects, other);
                iou(pixels, objects.areas[index], objects.areas[other]) > threshold
            };
            if !threads::any(kept.len(), 256, |place| covered(kept[place])) {
                kept.push(index);
            }
        }
        Ok(kept)
    }
}

/// Objects with their areas, and where their pixels are.
struct Objects<'a> {
    runs: &'a LabelRuns,
    areas: Vec<u64>,
    /// Empty when no shape is known.
    places: Vec<(Extents, Option<Spans>)>,
    /// Pixels of a line.
    length: u64,
}

impl<'a> Objects<'a> {
    fn of(runs: &'a LabelRuns) -> Self {
        let areas = runs.iter().map(|(_, runs)| runs.iter().map(|run| run.length).sum()).collect();
        let Some(length) = runs.shape.map(|shape| shape.line_length(runs.order)) else {
            return Self { runs, areas, places: Vec::new(), length: 0 };
        };
        let place = |index: usize| {
            let of_object = runs.runs_at(index);
            (Extents::of(of_object, length), Spans::of(of_object, length.into()))
        };
        let mut places = Vec::new();
        places.resize_with(runs.labels.len(), || (Extents::default(), None));
        threads::fill(&mut places, 16, place);
        Self { runs, areas, places, length: length.into() }
    }

    /// Pixels that an object shares with another.
    #[inline(always)]
    fn shared(&self, index: usize, others: &Self, other: usize) -> u64 {
        if let (Some((extents, spans)), Some((others_extents, others_spans))) =
            (self.places.get(index), others.places.get(other))
        {
            if !extents.meets(others_extents) {
                return 0;
            }
            if let (Some(spans), Some(others_spans)) = (spans, others_spans) {
                return spans.shared(others_spans, self.length);
            }
        }
        shared(self.runs.runs_at(index), others.runs.runs_at(other))
    }
}

/// The pixels of an object line by line: the first span of each line in one layer, the second ones in the next, and so on.
/// Lines without a span in a layer have an empty one, so that two layers are compared without a branch.
struct Spans(Vec<Layer>);

/// Layers of an object. Each layer of one is compared with each of another, so more of them would take longer than runs do.
const MOST_LAYERS: usize = 4;

/// A span for each of some lines that follow each other.
struct Layer {
    first: u64,
    starts: Vec<i32>,
    ends: Vec<i32>,
}

impl Spans {
    /// `None` where spans or layers would be too many, or do not fit their numbers.
    fn of(runs: &[Run], length: u64) -> Option<Self> {
        let mut lines = Lines::new(i32::try_from(length).ok()?.cast_unsigned());
        let mut room = 64 + 4 * runs.len() as u64;
        let mut layers: Vec<Layer> = Vec::new();
        let (mut line, mut depth) = (u64::MAX, 0);
        for run in runs {
            let (first, last) = (lines.find(run.start).0, lines.find(run.end() - 1).0);
            room = room.checked_sub(last - first)?;
            for here in first..=last {
                depth = if here == line { depth + 1 } else { 0 };
                line = here;
                if depth == layers.len() {
                    if depth == MOST_LAYERS {
                        return None;
                    }
                    layers.push(Layer { first: here, starts: Vec::new(), ends: Vec::new() });
                }
                let layer = &mut layers[depth];
                let place = here - layer.first;
                room = room.checked_sub(place - layer.starts.len() as u64)?;
                layer.starts.resize(place as usize, 0);
                layer.ends.resize(place as usize, 0);
                // Both are within a line, whose length fits.
                layer.starts.push((run.start.max(here * length) - here * length) as i32);
                layer.ends.push((run.end().min((here + 1) * length) - here * length) as i32);
            }
        }
        Some(Self(layers))
    }

    #[inline(always)]
    fn shared(&self, other: &Self, length: u64) -> u64 {
        let mut pixels = 0;
        for one in &self.0 {
            for other in &other.0 {
                pixels += one.shared(other, length);
            }
        }
        pixels
    }
}

impl Layer {
    /// Pixels that the spans of two layers share.
    #[inline(always)]
    fn shared(&self, other: &Self, length: u64) -> u64 {
        let first = self.first.max(other.first);
        let (skip, skip_other) = ((first - self.first) as usize, (first - other.first) as usize);
        let count = self.starts.len().saturating_sub(skip).min(other.starts.len().saturating_sub(skip_other));
        if count == 0 {
            return 0;
        }
        // So many lines together have pixels that fit the number.
        let lines = (i32::MAX as u64 / length.max(1)).max(1) as usize;
        let (starts, ends) = (&self.starts[skip..][..count], &self.ends[skip..][..count]);
        let (other_starts, other_ends) = (&other.starts[skip_other..][..count], &other.ends[skip_other..][..count]);
        let mut pixels = 0;
        // Loops, for what closures of iterators do is not compiled for the level of the caller.
        for from in (0..count).step_by(lines) {
            let to = count.min(from + lines);
            let mut some = 0i32;
            let spans = starts[from..to].iter().zip(&ends[from..to]);
            for ((start, end), (other_start, other_end)) in
                spans.zip(other_starts[from..to].iter().zip(&other_ends[from..to]))
            {
                some += (end.min(other_end) - start.max(other_start)).max(0);
            }
            pixels += some as u64;
        }
        pixels
    }
}

/// Pixels that two lists of runs share.
fn shared(first: &[Run], second: &[Run]) -> u64 {
    let (Some(one), Some(other)) = (first.first(), second.first()) else { return 0 };
    // What ends before the other begins is passed over.
    let i = first.partition_point(|run| run.end() <= other.start);
    let j = second.partition_point(|run| run.end() <= one.start);
    walked(&first[i..], &second[j..])
}

/// Pixels that two lists of runs share, walked together from their beginnings.
pub(super) fn walked(first: &[Run], second: &[Run]) -> u64 {
    let (mut i, mut j, mut pixels) = (0, 0, 0);
    while let (Some(one), Some(other)) = (first.get(i), second.get(j)) {
        let (one_end, other_end) = (one.end(), other.end());
        pixels += one_end.min(other_end).saturating_sub(one.start.max(other.start));
        i += usize::from(one_end <= other_end);
        j += usize::from(other_end <= one_end);
    }
    pixels
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runs::testing::{any_runs, for_threads};
    use crate::shape::{ScanOrder, Shape};

    fn set(runs: &LabelRuns, index: usize) -> Vec<bool> {
        let mut set = vec![false; runs.shape().unwrap().pixels() as usize];
        for run in runs.runs_at(index) {
            set[run.start as usize..run.end() as usize].fill(true);
        }
        set
    }

    fn by_pixels(one: &[bool], other: &[bool], crowd: bool) -> f64 {
        let count = |keep: &dyn Fn(bool, bool) -> bool| one.iter().zip(other).filter(|(a, b)| keep(**a, **b)).count();
        match (count(&|a, b| a && b), crowd) {
            (0, _) => 0.0,
            (both, true) => both as f64 / count(&|a, _| a) as f64,
            (both, false) => both as f64 / count(&|a, b| a || b) as f64,
        }
    }

    /// Objects as they usually are, with holes too, have spans; runs over many lines, or far apart, would make too many.
    #[test]
    fn spans_are_made_where_they_are_few() {
        let run = |start, length| Run { start, length };
        let layers = |runs: &[Run], length| Spans::of(runs, length).map(|spans| spans.0.len());
        assert_eq!(layers(&[run(3, 4), run(13, 2), run(17, 1), run(23, 5)], 10), Some(2));
        assert_eq!(layers(&[run(3, 25)], 10), Some(1));
        assert_eq!(layers(&[run(0, 1000)], 10), None);
        let comb: Vec<Run> = (0..5).map(|tooth| run(2 * tooth, 1)).collect();
        assert_eq!(layers(&comb[..4], 10), Some(4));
        assert_eq!(layers(&comb, 10), None);
        assert_eq!(layers(&[run(0, 1), run(100_000, 1)], 10), None);
        assert_eq!(layers(&[run(0, 1)], 1 << 31), None);
        assert_eq!(layers(&[run(0, 1)], (1 << 31) - 1), Some(1));
        // Spans of lines that are as long as they may be: their sum does not fit an i32.
        let length = (1 << 31) - 1;
        let whole = Spans::of(&[run(0, 3 * length)], length).unwrap();
        assert_eq!(whole.shared(&whole, length), 3 * length);
    }

    proptest! {
        #[test]
        fn every_pair_is_by_definition(runs in any_runs(), crowd in prop::collection::vec(any::<bool>(), 6), cut in 0_u64..9) {
            // The second list is a part of the first: the shapes agree.
            let other = runs.clone().retain(|label, _| label >= cut);
            let crowd = &crowd[..other.labels.len()];
            let [found, many] = for_threads(|| runs.coco_iou(&other, crowd).unwrap());
            prop_assert_eq!(&found, &many);
            let turned = other.to_order(if runs.order() == ScanOrder::RowMajor { ScanOrder::ColumnMajor } else { ScanOrder::RowMajor }).unwrap();
            prop_assert_eq!(&found, &runs.coco_iou(&turned, crowd).unwrap());
            let columns = other.labels.len();
            prop_assert_eq!(found.len(), runs.labels.len() * columns);
            for i in 0..runs.labels.len() {
                for j in 0..columns {
                    prop_assert_eq!(found[i * columns + j], by_pixels(&set(&runs, i), &set(&other, j), crowd[j]));
                }
            }
        }

        #[test]
        fn suppression_is_greedy(runs in any_runs(), threshold in 0.0..1.0) {
            let order: Vec<usize> = (0..runs.labels.len()).rev().collect();
            let [found, many] = for_threads(|| runs.non_maximum_suppression(&order, threshold).unwrap());
            prop_assert_eq!(&found, &many);
            let mut expected: Vec<usize> = Vec::new();
            for index in order {
                if expected.iter().all(|&kept| by_pixels(&set(&runs, index), &set(&runs, kept), false) <= threshold) {
                    expected.push(index);
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        let run = Run { start: 0, length: 1 };
        let one = LabelRuns::from_parts(None, ScanOrder::RowMajor, vec![1], vec![0, 1], vec![run]).unwrap();
        assert_eq!(one.coco_iou(&one, &[true, false]).unwrap_err().to_string(), "2 marks of crowds for 1 objects");
        for (order, threshold, message) in [
            (&[1][..], 0.5, "object 1 is in the order, but there are 1"),
            (&[0, 0], 0.5, "object 0 is in the order twice"),
            (&[0], f64::NAN, "a threshold that is not a number"),
        ] {
            assert_eq!(one.non_maximum_suppression(order, threshold).unwrap_err().to_string(), message);
        }
        assert!(one.coco_iou(&LabelRuns::empty(None, ScanOrder::RowMajor), &[]).unwrap().is_empty());
    }

    /// Objects as pycocotools compares them; `tests/fixtures/make_iou.py` says how.
    #[test]
    fn values_are_those_of_pycocotools() {
        let entries: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/fixtures/iou.json")).unwrap();
        let numbers = |value: &serde_json::Value| -> Vec<u64> {
            value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
        };
        assert!(!entries.is_empty());
        for entry in entries {
            let side = |name: &str| entry[name].as_u64().unwrap() as u32;
            let shape = Shape { height: side("height"), width: side("width") };
            let list = |name: &str| {
                let mut parts = (Vec::new(), vec![0], Vec::new());
                for object in entry[name].as_array().unwrap() {
                    parts.0.push(parts.0.len() as u64);
                    parts.2.extend(object.as_array().unwrap().iter().map(|run| {
                        let run = numbers(run);
                        Run { start: run[0], length: run[1] }
                    }));
                    parts.1.push(parts.2.len());
                }
                LabelRuns::from_parts(Some(shape), ScanOrder::ColumnMajor, parts.0, parts.1, parts.2).unwrap()
            };
            let (found, truth) = (list("found"), list("truth"));
            let crowd: Vec<bool> = numbers(&entry["crowd"]).into_iter().map(|mark| mark == 1).collect();
            let iou = found.coco_iou(&truth, &crowd).unwrap();
            let rows = entry["iou"].as_array().unwrap();
            let expected = rows.iter().flat_map(|row| row.as_array().unwrap()).map(|value| value.as_f64().unwrap());
            for (found, expected) in iou.iter().zip(expected.collect::<Vec<_>>()) {
                assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
            }
            assert_eq!(iou.len(), rows.len() * crowd.len());
        }
    }
}
