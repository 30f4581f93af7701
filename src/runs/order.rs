//! Runs of one scan order from runs of the other, without pixels.
//!
//! Gets runs and the mask's shape; gives the maximal runs of the same pixels in the other order. Time and memory are
//! proportional to the runs that go in and come out (times a logarithm), never to the pixels.
//!
//! A run that fills whole scan lines is one rectangle of lines and offsets; with the parts before and after it makes at
//! most three. The sweep goes over the offsets at which some rectangle begins or ends. Between two of them nothing
//! changes, so the set of covered lines, kept as merged intervals, is written out once for every offset in between.
//!
//! ```text
//!   column-major          rectangles           the sweep over rows
//!   . A A                 column 0: rows 1..3  row 0: columns 1..3   -> run 1, length 2
//!   A A A                 columns 1..3:        row 1: columns 0..3   \  full width: one run
//!   A A A                 rows 0..3            row 2: columns 0..3   /  joined to the one before
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::lines::cut;
use crate::error::{Error, Result};
use crate::memory::{copied, reserve};
use crate::runs::build::Tail;
use crate::runs::{LabelRuns, Run, push};
use crate::shape::{ScanOrder, Shape};
use crate::threads;

/// What an error calls their memory.
const OTHER: &str = "runs in the other order";

/// Runs that may come out of one mask whatever went in: 64 MiB of them.
const ALWAYS: u64 = 1 << 22;

/// Runs that may come out for one that went in: a run that fills a few columns becomes as many as the mask has rows, but not
/// every run does.
const FOR_EACH: u64 = 64;

impl LabelRuns {
    /// The runs of the same pixels in `order`, joined where they touch.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when the order differs and the shape is not known; [`Error::LimitExceeded`] when absurdly
    /// many runs would come out, which is so for a large area of a huge mask only.
    pub fn to_order(&self, order: ScanOrder) -> Result<Self> {
        if order == self.order {
            return Ok(self.clone());
        }
        let shape = self.shape.ok_or_else(|| unknown_shape(self.order, order))?;
        let labels = self.labels.len();
        // A label may have many runs, and most have few.
        let at_once = (labels / (16 * rayon::current_num_threads())).clamp(1, 64);
        let of_part = |part: usize| part * at_once..labels.min((part + 1) * at_once);
        let parts = labels.div_ceil(at_once);
        let counts = threads::try_map(threads::each, parts, |part| {
            of_part(part).map(|index| count(self.runs_at(index), shape, self.order)).collect::<Result<Vec<u64>>>()
        })?;
        check(counts.iter().flatten().fold(0, |sum, &count| sum.saturating_add(count)), self.runs.len(), shape, order)?;
        let made = threads::try_map(threads::each, parts, |part| {
            let (mut ends, mut runs) = (Vec::new(), Vec::new());
            for (index, &count) in of_part(part).zip(&counts[part]) {
                let mut tail = Tail::new(&mut runs, usize::try_from(count).unwrap_or(usize::MAX))?;
                each_in_other_order(self.runs_at(index), shape, self.order, |run| tail.push(run))?;
                ends.push(runs.len());
            }
            Ok((ends, runs))
        })?;
        let (mut offsets, mut runs) = (Vec::new(), Vec::new());
        reserve(&mut offsets, labels + 1, OTHER)?;
        reserve(&mut runs, made.iter().map(|(_, runs)| runs.len()).sum(), OTHER)?;
        offsets.push(0);
        for (ends, part) in made {
            offsets.extend(ends.iter().map(|end| runs.len() + end));
            runs.extend_from_slice(&part);
        }
        Ok(Self { shape: self.shape, order, labels: copied(&self.labels, OTHER)?, offsets, runs: runs.into() })
    }
}

fn check(total: u64, runs: usize, shape: Shape, order: ScanOrder) -> Result<()> {
    let limit = ALWAYS.max((runs as u64).saturating_mul(FOR_EACH));
    if total > limit {
        return Err(Error::LimitExceeded { what: format!("{order} runs of the mask ({shape})"), limit, found: total });
    }
    Ok(())
}

/// The runs of one object, given in order `from`, in order `to`. They ascend without overlap inside `shape`.
pub(crate) fn in_order(runs: &[Run], shape: Option<Shape>, from: ScanOrder, to: ScanOrder) -> Result<Cow<'_, [Run]>> {
    if from == to {
        return Ok(Cow::Borrowed(runs));
    }
    let shape = shape.ok_or_else(|| unknown_shape(from, to))?;
    let most = count(runs, shape, from)?;
    check(most, runs.len(), shape, to)?;
    // Lists that grow take twice the memory of one that is as long as it has to be.
    let mut result = Vec::new();
    reserve(&mut result, usize::try_from(most).unwrap_or(usize::MAX), OTHER)?;
    each_in_other_order(runs, shape, from, |run| push(&mut result, run))?;
    Ok(Cow::Owned(result))
}

fn unknown_shape(from: ScanOrder, to: ScanOrder) -> Error {
    Error::UnknownShape { what: format!("the runs are {from} and are to be made {to}") }
}

/// Calls `push` with the runs of the same pixels in the other order than `order`; some touch. `runs` ascend without overlap inside
/// `shape`.
fn each_in_other_order(runs: &[Run], shape: Shape, order: ScanOrder, mut push: impl FnMut(Run)) -> Result<()> {
    sweep(runs, shape, order, |offsets, run| {
        let lines = u64::from(shape.lines(order));
        match run {
            Covered::All => push(Run { start: offsets.start * lines, length: (offsets.end - offsets.start) * lines }),
            Covered::Intervals(intervals) => {
                for offset in offsets {
                    for (&start, &end) in intervals {
                        push(Run { start: offset * lines + start, length: end - start });
                    }
                }
            }
        }
    })
}

/// How often [`each_in_other_order`] calls: those that touch at the ends of scan lines count twice.
fn count(runs: &[Run], shape: Shape, order: ScanOrder) -> Result<u64> {
    let mut total = 0_u64;
    sweep(runs, shape, order, |offsets, run| {
        total = total.saturating_add(match run {
            Covered::All => 1,
            Covered::Intervals(intervals) => (offsets.end - offsets.start).saturating_mul(intervals.len() as u64),
        });
    })?;
    Ok(total)
}

/// The scan lines that are covered at some offset.
enum Covered<'a> {
    All,
    /// Some, as merged intervals: start to end.
    Intervals(&'a BTreeMap<u64, u64>),
}

/// Calls `each` with every range of offsets in which the same lines are covered, in ascending order.
fn sweep(runs: &[Run], shape: Shape, order: ScanOrder, mut each: impl FnMut(Range<u64>, Covered<'_>)) -> Result<()> {
    let lines = u64::from(shape.lines(order));
    // Twice the offset, and 1 for a beginning; the first line, and the number of lines. Ends sort before beginnings, so a
    // line freed and covered again is never in twice. 16 bytes each: there are two for every run.
    let mut events: Vec<(u64, u32, u32)> = Vec::new();
    reserve(&mut events, runs.len() * 2, OTHER)?;
    cut(runs, shape.line_length(order), |piece| {
        events.push((2 * u64::from(piece.start) + 1, piece.line, piece.lines));
        events.push((2 * u64::from(piece.end), piece.line, piece.lines));
    });
    events.sort_unstable();
    let mut covered: BTreeMap<u64, u64> = BTreeMap::new();
    let mut at = 0;
    for (offset, line, count) in events {
        let (offset, begins) = (offset / 2, offset % 2 == 1);
        let range = u64::from(line)..u64::from(line) + u64::from(count);
        if offset > at && !covered.is_empty() {
            let all = covered.len() == 1 && covered.get(&0) == Some(&lines);
            each(at..offset, if all { Covered::All } else { Covered::Intervals(&covered) });
        }
        at = offset;
        if begins { cover(&mut covered, range) } else { uncover(&mut covered, range) }
    }
    Ok(())
}

/// Adds `range`, of which nothing is covered, and joins it to its neighbours.
fn cover(covered: &mut BTreeMap<u64, u64>, range: Range<u64>) {
    let end = covered.remove(&range.end).unwrap_or(range.end);
    match covered.range_mut(..range.start).next_back() {
        Some((_, before)) if *before == range.start => *before = end,
        _ => {
            covered.insert(range.start, end);
        }
    }
}

/// Takes `range`, all of which is covered, out of its interval.
fn uncover(covered: &mut BTreeMap<u64, u64>, range: Range<u64>) {
    let Some((&start, end)) = covered.range_mut(..=range.start).next_back() else { return };
    let after = *end;
    *end = range.start;
    if start == range.start {
        covered.remove(&start);
    }
    if range.end < after {
        covered.insert(range.end, after);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runs::LabelRunsBuilder;
    use crate::runs::testing::for_threads;

    /// By pixels: the definition.
    fn by_pixels(runs: &[Run], shape: Shape, order: ScanOrder) -> Vec<Run> {
        let other = match order {
            ScanOrder::ColumnMajor => ScanOrder::RowMajor,
            ScanOrder::RowMajor => ScanOrder::ColumnMajor,
        };
        let mut positions: Vec<u64> = runs
            .iter()
            .flat_map(|run| run.start..run.end())
            .map(|position| {
                let (row, column) = order.row_column(position, shape);
                match other {
                    ScanOrder::ColumnMajor => column * u64::from(shape.height) + row,
                    ScanOrder::RowMajor => row * u64::from(shape.width) + column,
                }
            })
            .collect();
        positions.sort_unstable();
        let mut result: Vec<Run> = Vec::new();
        for position in positions {
            match result.last_mut() {
                Some(last) if last.end() == position => last.length += 1,
                _ => result.push(Run { start: position, length: 1 }),
            }
        }
        result
    }

    proptest! {
        #[test]
        fn the_same_as_by_pixels(height in 1_u32..12, width in 1_u32..12, steps in prop::collection::vec((0_u64..6, 1_u64..30), 0..20)) {
            let shape = Shape { height, width };
            let mut runs = Vec::new();
            let mut end = 0;
            for (gap, length) in steps {
                let run = Run { start: end + gap, length };
                end = run.end();
                if end <= shape.pixels() {
                    runs.push(run);
                }
            }
            for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
                let expected = by_pixels(&runs, shape, order);
                let other = if order == ScanOrder::RowMajor { ScanOrder::ColumnMajor } else { ScanOrder::RowMajor };
                prop_assert_eq!(in_order(&runs, Some(shape), order, other).unwrap(), &expected[..]);
                prop_assert!(count(&runs, shape, order).unwrap() >= expected.len() as u64);
                // Some labels of these runs between others without any.
                let labels = 3 * 64_u64;
                let offsets: Vec<usize> = (0..=labels as usize).map(|label| label.div_ceil(2) * runs.len()).collect();
                let list = runs.repeat(labels as usize / 2);
                let all = LabelRuns::from_parts(Some(shape), order, (0..labels).collect(), offsets, list).unwrap();
                for found in for_threads(|| all.to_order(other).unwrap()) {
                    for (label, runs) in found.iter() {
                        prop_assert_eq!(runs, if label % 2 == 0 { &expected[..] } else { &[] });
                    }
                }
            }
        }
    }

    fn one_run(shape: Shape, run: Run) -> LabelRuns {
        let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
        builder.label(1).unwrap();
        builder.run(run).unwrap();
        builder.finish()
    }

    #[test]
    fn a_huge_full_mask_is_one_run_and_a_huge_half_is_refused() {
        let shape = Shape { height: u32::MAX, width: u32::MAX };
        let all = one_run(shape, Run { start: 0, length: shape.pixels() });
        let turned = all.to_order(ScanOrder::RowMajor).unwrap();
        assert_eq!(turned.get(1), Some(&[Run { start: 0, length: shape.pixels() }][..]));
        let half = one_run(shape, Run { start: 0, length: shape.pixels() / 2 });
        assert!(matches!(half.to_order(ScanOrder::RowMajor), Err(Error::LimitExceeded { limit: ALWAYS, .. })));
    }

    #[test]
    fn an_unknown_shape_is_refused_and_the_same_order_is_not() {
        let runs = LabelRuns::empty(None, ScanOrder::ColumnMajor);
        assert!(matches!(runs.to_order(ScanOrder::RowMajor), Err(Error::UnknownShape { .. })));
        assert_eq!(runs.to_order(ScanOrder::ColumnMajor).unwrap(), runs);
    }
}
