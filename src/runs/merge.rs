//! Parts of one mask, put together.
//!
//! Gets runs of blocks or strips of a mask, in positions of the whole mask; gives the runs of all of them, joined where a run
//! goes on in the next part. The order of the parts does not matter, nor how they are grouped, and an empty part changes
//! nothing. The parts of a mask that was cut in any way give the runs of the whole mask.

use super::build::{Empty, Tail, build_with, groups, same_shape};
use super::{LabelRuns, Run};
use crate::error::{Error, Result};
use crate::shape::{ScanOrder, Shape};

impl LabelRuns {
    /// The runs of all parts together.
    ///
    /// Without parts the result is empty, column-major and of no known shape.
    ///
    /// # Errors
    /// [`Error::Argument`] when parts have different shapes or orders, or a run ends outside the shape of another part;
    /// [`Error::Overlap`] when two parts cover a pixel of the same label, as the same block given twice does.
    ///
    /// ```
    /// use runmask::{Encoder, LabelMask, LabelRuns, Shape};
    /// let whole = Shape { height: 2, width: 4 };
    /// let pixels = [7u8, 7, 7, 7, 0, 7, 0, 7];
    /// let encoder = Encoder::builder().build()?;
    /// let left = LabelMask::with_strides(&pixels, 0, Shape { height: 2, width: 2 }, 4, 1)?;
    /// let right = LabelMask::with_strides(&pixels, 2, Shape { height: 2, width: 2 }, 4, 1)?;
    /// let parts = [encoder.encode_block(&left, (0, 0), whole)?, encoder.encode_block(&right, (0, 2), whole)?];
    /// assert_eq!(LabelRuns::merge(&parts)?, runmask::encode(&LabelMask::new(&pixels, whole)?)?);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn merge<P: AsRef<Self> + Sync>(parts: &[P]) -> Result<Self> {
        let part = |index: usize| -> &Self { parts[index].as_ref() };
        let order = parts.first().map_or(ScanOrder::default(), |part| part.as_ref().order);
        let mut shape = None;
        for index in 0..parts.len() {
            shape = same_shape(shape, part(index).shape)?;
            if part(index).order != order {
                return Err(Error::Argument(format!("parts in different orders: {order}, and {}", part(index).order)));
            }
        }
        if let Some(shape) = shape {
            (0..parts.len())
                .filter(|&index| part(index).shape.is_none())
                .try_for_each(|index| part(index).fits(shape))?;
        }
        let mut lists: Vec<(u64, usize, usize)> = (0..parts.len())
            .flat_map(|index| part(index).labels.iter().enumerate().map(move |(place, &label)| (label, index, place)))
            .collect();
        lists.sort_unstable();
        let groups = groups(&lists, |list| list.0);
        build_with(shape, order, groups.len(), Empty::Keep, Vec::new, |all: &mut Vec<Run>, index, runs| {
            let lists = &lists[groups[index].clone()];
            let label = lists[0].0;
            let mut tail = Tail::new(runs);
            if let [(_, index, place)] = lists {
                part(*index).runs_at(*place).iter().for_each(|&run| tail.push(run));
                return Ok(label);
            }
            all.clear();
            lists.iter().for_each(|&(_, index, place)| all.extend_from_slice(part(index).runs_at(place)));
            // Stable, and quick where one part goes on after the other.
            all.sort();
            for &run in all.iter() {
                if let Some(last) = tail.added().last()
                    && last.end() > run.start
                {
                    return Err(twice(label, run, shape, order));
                }
                tail.push(run);
            }
            Ok(label)
        })
    }
}

#[cold]
fn twice(label: u64, run: Run, shape: Option<Shape>, order: ScanOrder) -> Error {
    let what = format!("two parts cover the same pixel of label {label}");
    match shape {
        Some(shape) => {
            let (row, column) = order.row_column(run.start, shape);
            Error::Overlap { what, labels: [label; 2], row, column }
        }
        None => Error::Argument(format!("{what}, at position {}", run.start)),
    }
}

impl AsRef<LabelRuns> for LabelRuns {
    fn as_ref(&self) -> &LabelRuns {
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoder::Encoder;
    use crate::mask::LabelMask;
    use crate::runs::testing::{ORDERS, Pixels, any_runs, for_threads, masks};

    /// The runs of each block of a mask that is cut at the given rows and columns.
    fn blocks(pixels: &Pixels, rows: &[u32], columns: &[u32], order: ScanOrder) -> Vec<LabelRuns> {
        let encoder = Encoder::builder().order(order).threads(1).build().unwrap();
        let cuts = |cuts: &[u32], end: u32| {
            let mut cuts: Vec<u32> = cuts.iter().map(|cut| cut % (end + 1)).chain([0, end]).collect();
            cuts.sort_unstable();
            cuts
        };
        let (rows, columns) = (cuts(rows, pixels.shape.height), cuts(columns, pixels.shape.width));
        let mut blocks = Vec::new();
        for row in rows.windows(2) {
            for column in columns.windows(2) {
                let shape = Shape { height: row[1] - row[0], width: column[1] - column[0] };
                let mut labels = Vec::new();
                for r in row[0]..row[1] {
                    labels.extend((column[0]..column[1]).map(|c| pixels.get(i64::from(r), i64::from(c))));
                }
                let block = LabelMask::new(&labels, shape).unwrap();
                blocks.push(encoder.encode_block(&block, (row[0], column[0]), pixels.shape).unwrap());
            }
        }
        blocks
    }

    proptest! {
        #[test]
        fn blocks_make_the_whole_in_any_order_and_grouping(
            pixels in masks(),
            rows in prop::collection::vec(any::<u32>(), 0..4),
            columns in prop::collection::vec(any::<u32>(), 0..4),
            seed in any::<u64>(),
        ) {
            for order in ORDERS {
                let mut parts = blocks(&pixels, &rows, &columns, order);
                let whole = pixels.encode(order);
                let [found, many] = for_threads(|| LabelRuns::merge(&parts).unwrap());
                prop_assert_eq!(&found, &many);
                prop_assert_eq!(&found, &whole);
                // Another order, and one group after the other.
                parts.sort_by_key(|part| (part.run_count() as u64 + 1).wrapping_mul(seed | 1));
                parts.push(LabelRuns::empty(None, order));
                let (one, other) = parts.split_at(seed as usize % (parts.len() + 1));
                let (one, other) = (LabelRuns::merge(one), LabelRuns::merge(other));
                let grouped: Vec<LabelRuns> = [one, other].into_iter().map(Result::unwrap).filter(|part| part.shape.is_some()).collect();
                prop_assert_eq!(LabelRuns::merge(&grouped).unwrap(), whole);
            }
        }

        #[test]
        fn the_same_part_twice_is_refused_unless_it_is_empty(runs in any_runs()) {
            let found = LabelRuns::merge(&[&runs, &runs]);
            if runs.run_count() == 0 {
                prop_assert_eq!(found.unwrap().labels, runs.labels);
            } else {
                let refused = matches!(found, Err(Error::Overlap { .. }));
                prop_assert!(refused);
            }
        }
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let runs = |shape, order, start| {
            LabelRuns::from_parts(shape, order, vec![5], vec![0, 1], vec![Run { start, length: 3 }]).unwrap()
        };
        let shape = Some(Shape { height: 4, width: 3 });
        let column = ScanOrder::ColumnMajor;
        for (parts, message) in [
            (
                [runs(shape, column, 0), runs(shape, ScanOrder::RowMajor, 0)],
                "parts in different orders: column-major, and row-major",
            ),
            (
                [runs(shape, column, 0), runs(Some(Shape { height: 4, width: 4 }), column, 0)],
                "masks of different shapes: height 4 x width 3, and height 4 x width 4",
            ),
            (
                [runs(shape, column, 5), runs(shape, column, 7)],
                "two parts cover the same pixel of label 5 at row 3, column 1: a mask holds one label a pixel",
            ),
            (
                [runs(None, column, 5), runs(None, column, 7)],
                "two parts cover the same pixel of label 5, at position 7",
            ),
            (
                [runs(shape, column, 0), runs(None, column, 10)],
                "label 5: the run of 3 pixels from 10 ends outside the mask (height 4 x width 3, 12 pixels)",
            ),
        ] {
            assert_eq!(LabelRuns::merge(&parts).unwrap_err().to_string(), message);
        }
        assert_eq!(LabelRuns::merge::<LabelRuns>(&[]).unwrap(), LabelRuns::empty(None, column));
    }
}
