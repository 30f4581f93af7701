//! `hubmap`: the CSV of the kidney hackathon, one row a label.
//!
//! ```text
//! file  := "glom,pixels" EOL row*
//! row   := id "," [ start SP length ( SP start SP length )* ] EOL
//! id    := label - 1, from 0, ascending by 1: a row for every id, an empty one as "id,"
//! start := position of the first pixel, from 0; length is at least 1
//! EOL   := LF or CRLF; the last one may be missing
//! ```
//! * Order: column-major. A run may cross the end of a column.
//! * Background: 0, not written. A label 0 cannot be written.
//! * Shape: not in the file.
//! * Limits: none but `u64`. The writer refuses more than 2^24 empty rows, so that one large label does not become
//!   gigabytes of them.
//! * [`Compat::Notebook`] writes what the original notebook's Method 1 would, its defects included.
//! * Source: the rules of the HuBMAP "Hacking the Kidney" hackathon and its encoding notebook (2020).

mod notebook;

use std::borrow::Cow;
use std::io::{BufRead, Write};
use std::ops::Range;

use super::description::{Description, Holds, Reader, Special, Unsaid, Writer};
use super::detect::Fit;
use super::numbers::{digits_of, push_number, push_pair};
use super::text::{self, Lines, TEXT, write_batches};
use super::{Capabilities, Compat, ReadOptions, WriteOptions, in_order, writing};
use crate::error::{Error, Result};
use crate::memory::reserve;
use crate::runs::{LabelRuns, LabelRunsBuilder};
use crate::shape::ScanOrder;

const HEADER: &str = "glom,pixels";

pub(super) static FORMAT: Description = Description {
    name: "hubmap",
    about: "CSV glom,pixels of the HuBMAP hackathon: one row a label, from 0, column-major; glom is the label minus 1",
    extension: "csv",
    owns_extension: true,
    headers: &[HEADER],
    capabilities: Capabilities {
        many_images: false,
        holds_shape: false,
        needs_shape: false,
        any_labels: true,
        empty_labels: true,
        any_order: false,
    },
    holds: |_| Holds::default(),
    unsaid: Unsaid::NOTHING,
    order: ScanOrder::ColumnMajor,
    bases: &[0],
    options: &[Special::Compat, Special::Labels],
    fits: |beginning| match beginning.line() {
        Some(HEADER) => Fit::Sure,
        _ => Fit::No,
    },
    read: Reader::Mask(read),
    write: Writer::Mask(write),
};

/// Rows of labels without runs that a writer accepts.
const MAX_EMPTY_ROWS: u64 = 1 << 24;

/// Bytes of a row without runs: an id, a comma and the end of the line.
const SHORTEST_ROW: usize = 24;

/// Runs and rows that make one batch of text: about half a megabyte.
const BATCH: u64 = 1 << 15;

fn read(reader: &mut dyn BufRead, options: &ReadOptions) -> Result<LabelRuns> {
    let mut lines = Lines::new(reader);
    match lines.header()? {
        Some(header) if header.rest() == HEADER.as_bytes() => {}
        other => return Err(text::wrong_header(other, HEADER)),
    }
    let mut runs = LabelRunsBuilder::new(options.shape, ScanOrder::ColumnMajor);
    let mut label = 0_u64;
    while let Some(mut line) = lines.next()? {
        let place = line;
        let id = line.number("an id")?;
        if id != label {
            return Err(place.fault(format!("the id {label} (ids count from 0, a row for each)"), format!("{id}")));
        }
        label += 1;
        line.byte(b',', "a comma")?;
        runs.label(label)?;
        if !line.is_at_end() {
            line.pairs(0, options.shape, |run| runs.run(run))?;
        }
    }
    Ok(runs.finish())
}

fn write(writer: &mut dyn Write, runs: &LabelRuns, options: &WriteOptions) -> Result<()> {
    let mut runs = in_order(runs, ScanOrder::ColumnMajor)?;
    if runs.labels().first() == Some(&0) {
        return Err(Error::Argument("label 0 has runs: in a hubmap file 0 is the background".into()));
    }
    match options.compat {
        Some(Compat::Notebook) => runs = Cow::Owned(notebook::method_1(&runs)?),
        None => {}
    }
    let labels = runs.labels();
    let largest = labels.last().copied().unwrap_or(0);
    let rows = options.labels.unwrap_or(largest);
    if rows < largest {
        return Err(Error::Argument(format!("rows for {rows} labels were asked for, the largest label is {largest}")));
    }
    let empty = rows - labels.len() as u64;
    if empty > MAX_EMPTY_ROWS {
        return Err(Error::LimitExceeded {
            what: format!("empty rows of a hubmap file, which has a row for every label up to {rows}"),
            limit: MAX_EMPTY_ROWS,
            found: empty,
        });
    }
    let end = options.line_ending.bytes();
    writer.write_all(HEADER.as_bytes()).and_then(|()| writer.write_all(end)).map_err(writing)?;
    write_batches(writer, &batches(&runs, rows), |text, batch: &Range<u64>| {
        let mut index = labels.partition_point(|&label| label < batch.start);
        for label in batch.clone() {
            reserve(text, SHORTEST_ROW, TEXT)?;
            push_number(text, label - 1);
            text.push(b',');
            if labels.get(index) == Some(&label) {
                let runs = runs.runs_at(index);
                // No number is longer than the last end, and a space follows each.
                let digits = runs.last().map_or(0, |run| digits_of(run.end()));
                reserve(text, 2 * (digits + 1) * runs.len() + SHORTEST_ROW, TEXT)?;
                for run in runs {
                    push_pair(text, run.start, run.length);
                }
                // The space after the last run.
                text.truncate(text.len() - usize::from(!runs.is_empty()));
                index += 1;
            }
            text.extend_from_slice(end);
        }
        Ok(())
    })
}

/// The labels 1 to `rows`, cut into ranges of about [`BATCH`] runs and rows; the runs of one label stay together.
fn batches(runs: &LabelRuns, rows: u64) -> Vec<Range<u64>> {
    let mut batches = Vec::new();
    let (mut start, mut weight) = (1, 0);
    let mut next = 1;
    let mut cut = |end: u64, start: &mut u64, weight: &mut u64| {
        batches.push(*start..end);
        *start = end;
        *weight = 0;
    };
    let ends = runs.iter().map(|(label, runs)| (label, runs.len() as u64)).chain([(rows + 1, 0)]);
    for (label, count) in ends {
        while weight + (label - next) >= BATCH {
            next += BATCH - weight;
            cut(next, &mut start, &mut weight);
        }
        weight += (label - next) + 1 + count;
        next = label + 1;
        if weight >= BATCH && label <= rows {
            cut(next, &mut start, &mut weight);
        }
    }
    if start <= rows {
        cut(rows + 1, &mut start, &mut weight);
    }
    batches
}

#[cfg(test)]
mod tests;
