//! The oracle: what the runs of a mask are, by definition. Nobody makes it faster.

use std::collections::BTreeMap;

use runmask::{LabelMask, LabelRuns, Run, ScanOrder};

/// The runs of every label but `background`: one pixel after the other in scan order.
pub(crate) fn runs<T: runmask::Label>(
    mask: &LabelMask<'_, T>,
    order: ScanOrder,
    background: Option<u64>,
) -> BTreeMap<u64, Vec<Run>> {
    let shape = mask.shape();
    let mut runs: BTreeMap<u64, Vec<Run>> = BTreeMap::new();
    for position in 0..shape.pixels() {
        let (row, column) = order.row_column(position, shape);
        let label: u64 = mask.get(row as u32, column as u32).unwrap().into();
        if Some(label) == background {
            continue;
        }
        let of_label = runs.entry(label).or_default();
        match of_label.last_mut() {
            Some(run) if run.end() == position => run.length += 1,
            _ => of_label.push(Run { start: position, length: 1 }),
        }
    }
    runs
}

/// The same form of what the library found.
pub(crate) fn of(runs: &LabelRuns) -> BTreeMap<u64, Vec<Run>> {
    runs.iter().map(|(label, runs)| (label, runs.to_vec())).collect()
}
