//! What Method 1 of the original notebook writes for a mask, its two defects included.
//!
//! Method 1 goes over the pixels in column-major order with a current label. At a pixel of another label that is not
//! background it closes the current run and forgets the pixel: where labels touch, the second run loses its first pixel,
//! and a run of one pixel is lost. The pixel after it begins a run as usual. And it closes a run only at the pixel after
//! it: a run that ends at the mask's last pixel is never written.
//!
//! The same is done here on runs: each run asks only whether the one before it, of whatever label, is still open where it
//! begins.

use crate::error::{Error, Result};
use crate::runs::{LabelRuns, LabelRunsBuilder, Run};

/// The notebook keeps labels in 16 bits.
const MAX_LABEL: u64 = u16::MAX as u64;

/// The run that Method 1 has open.
#[derive(Clone, Copy)]
struct Open {
    index: usize,
    run: Run,
}

/// The runs that Method 1 gives for the mask of these column-major runs.
pub(super) fn method_1(runs: &LabelRuns) -> Result<LabelRuns> {
    let Some(shape) = runs.shape() else {
        return Err(Error::UnknownShape { what: "the notebook loses a run at the mask's last pixel".into() });
    };
    if let Some(&label) = runs.labels().last().filter(|&&label| label > MAX_LABEL) {
        return Err(Error::LabelTooLarge { what: "the notebook's 16 bits".into(), label, largest: MAX_LABEL });
    }
    let mut scan: Vec<(usize, Run)> =
        runs.iter().enumerate().flat_map(|(index, (_, runs))| runs.iter().map(move |&run| (index, run))).collect();
    scan.sort_unstable_by_key(|(_, run)| run.start);
    let mut written = vec![Vec::new(); runs.labels().len()];
    let mut open: Option<Open> = None;
    let (mut end, mut last) = (0, 0);
    for (index, run) in scan {
        if run.start < end {
            let labels = [last, index].map(|index| runs.labels()[index]);
            let (row, column) = runs.order().row_column(run.start, shape);
            return Err(Error::Overlap {
                what: format!("label {} overlaps label {}", labels[1], labels[0]),
                labels,
                row,
                column,
            });
        }
        let touches = run.start == end;
        (end, last) = (run.end(), index);
        if let Some(before) = open {
            if touches && before.index == index {
                open = Some(Open { index, run: Run { length: before.run.length + run.length, ..before.run } });
                continue;
            }
            written[before.index].push(before.run);
            if touches {
                let rest = Run { start: run.start + 1, length: run.length - 1 };
                open = (rest.length > 0).then_some(Open { index, run: rest });
                continue;
            }
        }
        open = Some(Open { index, run });
    }
    if let Some(last) = open
        && end < shape.pixels()
    {
        written[last.index].push(last.run);
    }
    let mut result = LabelRunsBuilder::new(runs.shape(), runs.order());
    for (&label, kept) in runs.labels().iter().zip(&written) {
        result.label(label)?;
        for &run in kept {
            result.run(run)?;
        }
    }
    Ok(result.finish())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::shape::{ScanOrder, Shape};

    /// Method 1 over pixels, as the notebook has it; label by label, runs in the order in which they are closed.
    fn by_pixels(pixels: &[u64], labels: usize) -> Vec<Vec<(u64, u64)>> {
        let mut lists = vec![Vec::new(); labels];
        let (mut current, mut count, mut start) = (0, 0, 0);
        for (position, &pixel) in pixels.iter().enumerate() {
            if pixel == 0 {
                if current != 0 {
                    lists[current as usize - 1].push((start, count));
                    (current, count, start) = (0, 0, 0);
                }
            } else if pixel == current {
                count += 1;
            } else if count != 0 {
                lists[current as usize - 1].push((start, count));
                (current, count, start) = (0, 0, 0);
            } else {
                (current, count, start) = (pixel, 1, position as u64);
            }
        }
        lists
    }

    fn correct(pixels: &[u64], labels: u64) -> LabelRuns {
        let shape = Shape { height: pixels.len() as u32, width: 1 };
        let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
        for label in 1..=labels {
            builder.label(label).unwrap();
            let mut position = 0;
            for part in pixels.chunk_by(|a, b| a == b) {
                if part[0] == label {
                    builder.run(Run { start: position, length: part.len() as u64 }).unwrap();
                }
                position += part.len() as u64;
            }
        }
        builder.finish()
    }

    fn check(pixels: &[u64]) -> std::result::Result<(), TestCaseError> {
        let labels = 3;
        let runs = method_1(&correct(pixels, labels)).unwrap();
        let lists: Vec<Vec<(u64, u64)>> =
            runs.iter().map(|(_, runs)| runs.iter().map(|run| (run.start, run.length)).collect()).collect();
        prop_assert_eq!(lists, by_pixels(pixels, labels as usize));
        Ok(())
    }

    #[test]
    fn touching_labels_and_the_last_run() {
        for pixels in [&[1, 2, 2, 0][..], &[1, 2, 0], &[1, 2, 3, 3, 0], &[1, 2, 1, 2, 1, 0], &[0, 1, 1], &[1, 2], &[]] {
            check(pixels).unwrap();
        }
    }

    proptest! {
        #[test]
        fn the_same_as_by_pixels(pixels in prop::collection::vec(0_u64..4, 0..40)) {
            check(&pixels)?;
        }
    }

    #[test]
    fn what_the_notebook_cannot_do_is_refused() {
        let unknown = LabelRuns::empty(None, ScanOrder::ColumnMajor);
        assert!(matches!(method_1(&unknown), Err(Error::UnknownShape { .. })));
        let mut builder = LabelRunsBuilder::new(Some(Shape { height: 4, width: 1 }), ScanOrder::ColumnMajor);
        builder.label(65_536).unwrap();
        assert!(matches!(
            method_1(&builder.finish()),
            Err(Error::LabelTooLarge { label: 65_536, largest: 65_535, .. })
        ));
        let mut builder = LabelRunsBuilder::new(Some(Shape { height: 4, width: 1 }), ScanOrder::ColumnMajor);
        for label in [1, 2] {
            builder.label(label).unwrap();
            builder.run(Run { start: 1, length: 2 }).unwrap();
        }
        let error = method_1(&builder.finish()).unwrap_err();
        assert!(matches!(error, Error::Overlap { labels: [1, 2], row: 1, column: 0, .. }), "{error}");
    }
}
