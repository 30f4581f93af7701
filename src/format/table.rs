//! `table`: a CSV for dataframes, one run a row.
//!
//! ```text
//! file := "label,start,length" EOL row*
//! row  := label "," start "," length EOL
//! EOL  := LF or CRLF; the last one may be missing
//! ```
//! * Tabs or semicolons in the place of all commas are read as well.
//! * Rows ascend by label, then by start; the runs of one label do not overlap. Lengths are at least 1.
//! * Order: column-major, or row-major when reader and writer are told so; the file does not say.
//! * Base: positions count from 0. Labels are the mask's own.
//! * Background: not written; a label 0 is a label like any other.
//! * Empty: no rows. A label without runs cannot be written.
//! * Shape: not in the file. Limits: none but `u64`.
//! * Source: this project.

use std::io::{BufRead, Write};
use std::ops::Range;

use super::checked::refuse_empty_labels;
use super::description::{Description, Holds, Reader, Unsaid, Writer};
use super::detect::{Fit, separator};
use super::numbers::{digits_of, push_number};
use super::text::{self, Bound, Lines, TEXT, write_batches};
use super::{Capabilities, ReadOptions, WriteOptions, in_order, writing};
use crate::error::Result;
use crate::memory::reserve;
use crate::runs::{LabelRuns, LabelRunsBuilder, Run};
use crate::shape::ScanOrder;

const HEADER: &str = "label,start,length";

pub(super) static FORMAT: Description = Description {
    name: "table",
    about: "CSV label,start,length for dataframes: one run a row, from 0, column-major or as told",
    extension: "csv",
    owns_extension: false,
    headers: &[HEADER],
    capabilities: Capabilities {
        many_images: false,
        holds_shape: false,
        needs_shape: false,
        any_labels: true,
        empty_labels: false,
        any_order: true,
    },
    holds: |_| Holds::default(),
    unsaid: Unsaid::NOTHING,
    order: ScanOrder::ColumnMajor,
    bases: &[0],
    options: &[],
    fits: |beginning| if beginning.columns() == COLUMNS { Fit::Sure } else { Fit::No },
    read: Reader::Mask(read),
    write: Writer::Mask(write),
};

const COLUMNS: [&str; 3] = ["label", "start", "length"];

/// Runs that make one batch of text.
const BATCH: usize = 1 << 15;

fn read(reader: &mut dyn BufRead, options: &ReadOptions) -> Result<LabelRuns> {
    let mut lines = Lines::new(reader);
    let separator = match lines.header()? {
        Some(header)
            if header.rest().split(|&byte| byte == separator(header.rest())).eq(COLUMNS.map(str::as_bytes)) =>
        {
            separator(header.rest())
        }
        other => return Err(text::wrong_header(other, HEADER)),
    };
    let mut runs = LabelRunsBuilder::new(options.shape, options.order.unwrap_or_default());
    let mut bound = Bound::new(options.shape);
    let mut last = None;
    while let Some(mut line) = lines.next()? {
        let place = line;
        let label = line.number("a label")?;
        line.byte(separator, "a comma")?;
        if last != Some(label) {
            if let Some(last) = last
                && label < last
            {
                return Err(place.fault(format!("a label of at least {last} (labels ascend)"), format!("{label}")));
            }
            runs.label(label)?;
            bound = Bound::new(options.shape);
            last = Some(label);
        }
        let start_place = line;
        let start = line.number("a start")?;
        line.byte(separator, "a comma")?;
        let length_place = line;
        let run = Run { start, length: line.number("a length")? };
        line.end()?;
        bound.check(run, 0).map_err(|defect| defect.at(start_place, length_place))?;
        runs.run(run)?;
    }
    Ok(runs.finish())
}

fn write(writer: &mut dyn Write, runs: &LabelRuns, options: &WriteOptions) -> Result<()> {
    let runs = in_order(runs, options.order.unwrap_or_default())?;
    refuse_empty_labels(&FORMAT, &runs, options)?;
    let end = options.line_ending.bytes();
    writer.write_all(HEADER.as_bytes()).and_then(|()| writer.write_all(end)).map_err(writing)?;
    write_batches(writer, &batches(&runs), |text, batch: &Range<usize>| {
        for index in batch.clone() {
            let mut buffer = itoa::Buffer::new();
            let label = buffer.format(runs.labels()[index]).as_bytes();
            let runs = runs.runs_at(index);
            // No number is longer than the last end.
            let digits = runs.last().map_or(0, |run| digits_of(run.end()));
            reserve(text, (label.len() + 2 * (digits + 1) + end.len()) * runs.len(), TEXT)?;
            for run in runs {
                text.extend_from_slice(label);
                text.push(b',');
                push_number(text, run.start);
                text.push(b',');
                push_number(text, run.length);
                text.extend_from_slice(end);
            }
        }
        Ok(())
    })
}

/// The places of the labels, cut into ranges of about [`BATCH`] runs.
fn batches(runs: &LabelRuns) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut weight) = (0, 0);
    for (index, (_, runs)) in runs.iter().enumerate() {
        weight += runs.len();
        if weight >= BATCH {
            batches.push(start..index + 1);
            (start, weight) = (index + 1, 0);
        }
    }
    if start < runs.labels().len() {
        batches.push(start..runs.labels().len());
    }
    batches
}

#[cfg(test)]
mod tests;
