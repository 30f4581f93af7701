//! What the fuzz targets check.

use std::io::BufReader;

use runmask::format::{self, Format, ReadOptions, WriteOptions};
use runmask::{Error, LabelRuns, ScanOrder};

/// Any bytes are read, or refused with the same words however they are cut; what is read is written and read again.
pub fn reader(format: Format, data: &[u8]) {
    let options =
        ReadOptions { renumber: true, skip_other_shapes: true, ignore_columns: true, ..ReadOptions::default() };
    let read = |cut: usize| format::read(format, &mut BufReader::with_capacity(cut, data), &options);
    let whole = read(1 << 16);
    for cut in [1, 7] {
        assert_eq!(text(&whole), text(&read(cut)), "the result depends on the cut");
    }
    if let Ok(runs) = whole {
        round_trip(format, &runs);
    }
}

fn text(answer: &runmask::Result<LabelRuns>) -> Result<&LabelRuns, String> {
    answer.as_ref().map_err(Error::to_string)
}

fn round_trip(format: Format, runs: &LabelRuns) {
    let options = WriteOptions {
        drop_empty_labels: true,
        renumber: true,
        drop_attributes: true,
        large_counts: format::LargeCounts::Keep,
        ..WriteOptions::default()
    };
    let mut bytes = Vec::new();
    match format::write(format, &mut bytes, runs, &options) {
        // What can be read but not be written again: numbers at the end of u64, sparse labels, huge masks, images without a size.
        Err(Error::LimitExceeded { .. }) => return,
        Err(Error::Argument(message))
            if ["cannot be", "label 0", "must be known"].iter().any(|known| message.contains(known)) =>
        {
            return;
        }
        answer => answer.expect("runs of this format"),
    }
    let read = ReadOptions { shape: runs.shape(), ..ReadOptions::default() };
    let again = match format::read(format, &mut bytes.as_slice(), &read) {
        Ok(again) => again,
        // A file of no objects may name no image.
        Err(_) if runs.run_count() == 0 => return,
        Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(&bytes)),
    };
    assert_eq!(again.area(), runs.area());
    if runs.shape().is_some() {
        let columns = |runs: &LabelRuns| match runs.to_order(ScanOrder::ColumnMajor) {
            Ok(runs) => {
                Some(runs.iter().filter(|(_, runs)| !runs.is_empty()).map(|(_, runs)| joined(runs)).collect::<Vec<_>>())
            }
            Err(_) => None,
        };
        if let (Some(first), Some(second)) = (columns(runs), columns(&again)) {
            assert_eq!(first, second);
        }
    }
}

/// Touching runs as one: some formats keep them apart and some do not.
fn joined(runs: &[runmask::Run]) -> Vec<(u64, u64)> {
    let mut result: Vec<(u64, u64)> = Vec::new();
    for run in runs {
        match result.last_mut() {
            Some((_, end)) if *end == run.start => *end = run.end(),
            _ => result.push((run.start, run.end())),
        }
    }
    result
}
