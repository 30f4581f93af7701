//! Runs and readers for the tests of every format.

use std::io::{BufReader, Read};
use std::ops::Range;

use proptest::prelude::*;

use crate::runs::{LabelRuns, LabelRunsBuilder, Run};
use crate::shape::ScanOrder;

/// Column-major runs from a literal: labels with (start, length).
pub(crate) fn runs_of(labels: &[(u64, &[(u64, u64)])]) -> LabelRuns {
    let mut builder = LabelRunsBuilder::new(None, ScanOrder::ColumnMajor);
    for (label, runs) in labels {
        builder.label(*label).expect("labels ascend");
        for &(start, length) in *runs {
            builder.run(Run { start, length }).expect("runs ascend");
        }
    }
    builder.finish()
}

/// Any runs with labels in `labels`: empty labels, adjacent runs, small numbers and numbers around 2^32 and 2^63.
pub(crate) fn label_runs(labels: Range<u64>) -> impl Strategy<Value = LabelRuns> {
    let step = prop_oneof![8 => 0..20_u64, 1 => 0..1_u64 << 33, 1 => 0..1_u64 << 59];
    let runs = prop::collection::vec((step.clone(), step), 0..12);
    prop::collection::btree_map(labels, runs, 0..12).prop_map(|labels| {
        let mut builder = LabelRunsBuilder::new(None, ScanOrder::ColumnMajor);
        for (label, steps) in labels {
            builder.label(label).expect("labels ascend");
            let mut end = 0_u64;
            for (gap, length) in steps {
                let run = Run { start: end + gap, length: length + 1 };
                // 24 steps below 2^59 stay below 2^64.
                builder.run(run).expect("runs ascend");
                end = run.end();
            }
        }
        builder.finish()
    })
}

/// A reader that gives `bytes` in pieces of `size`.
pub(crate) fn cut_into(bytes: &[u8], size: usize) -> BufReader<impl Read> {
    BufReader::with_capacity(size, bytes)
}
