//! `verify`: whether two files hold the same pixels of every label.
//!
//! Compares what each label covers, not how it is written: where a file cuts a run in two, or keeps a row for a label
//! without runs, nothing differs.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use runmask::format::Format;
use runmask::sink::MaskFormat;
use runmask::{LabelRuns, Result, Run, SetOperation, Shape, source};

use crate::args::{EitherArgs, Verify};
use crate::console::{Console, shown};
use crate::exit::Status;
use crate::input::{Labels, in_order};
use crate::paths::is_stream;
use crate::paths::one_stdin;

pub(crate) fn run(args: &Verify, console: &Console) -> Result<Status> {
    let files = [args.first.as_path(), args.second.as_path()];
    one_stdin(files.into_iter().chain(args.either.shape.like.as_deref()))?;
    let [first, second] = sides(&args.either, files, args.second_format, console)?.map(Labels::into_runs);
    let (first, second) = (first?, second?);
    let names = files.map(|file| if is_stream(file) { "standard input".into() } else { shown(file) });
    if let (Some(one), Some(other)) = (first.shape(), second.shape())
        && one != other
    {
        super::print(&format!("shapes differ: {one} in {}, {other} in {}\n", names[0], names[1]))?;
        return Ok(Status::Different);
    }
    let second = in_order(second, first.order())?;
    let differences = Differences::find(&first, &second, args.limit)?;
    if differences.pixels == [0, 0] {
        let labels = first.iter().filter(|(_, runs)| !runs.is_empty()).count();
        super::print(&format!("equal: {labels} labels, {} pixels\n", first.area()))?;
        return Ok(Status::Done);
    }
    super::print(&differences.text(&first, &second, &names))?;
    Ok(Status::Different)
}

/// The labels of both files. A run file that does not say how large its mask is takes the other's size.
pub(super) fn sides(
    either: &EitherArgs,
    files: [&Path; 2],
    second_format: Option<Format>,
    console: &Console,
) -> Result<[Labels; 2]> {
    let mut formats = [either.read.format, second_format.or(either.read.format)];
    for (file, format) in files.iter().zip(&mut formats) {
        // A format is meant for the run file of the two.
        if MaskFormat::of(file).is_ok() || source::is_zarr(file) {
            *format = None;
        }
    }
    // A label and a place on other axes are meant for the store of the two.
    let is_store = |file: &Path| source::is_zarr(file) || file.extension().is_some_and(|extension| extension == "zip");
    let is_plain = |file: &Path| MaskFormat::of(file).is_ok() && !is_store(file);
    let own = |side: usize| {
        let mut own = either.clone();
        if is_plain(files[side]) && is_store(files[1 - side]) {
            (own.mask.label, own.mask.index) = (None, Vec::new());
        }
        own
    };
    let shape = either.shape.shape()?;
    let second_is_mask = !either.is_runs(files[1], formats[1]);
    let read = |side: usize, shape: Option<Shape>| {
        Labels::read(files[side], formats[side], &own(side), shape, &|| Ok(None), console)
    };
    // The one that is sure to know its size goes first.
    if second_is_mask {
        let second = read(1, shape)?;
        let first = read(0, shape.or(second.shape()))?;
        Ok([first, second])
    } else {
        let first = read(0, shape)?;
        let second = read(1, shape.or(first.shape()))?;
        Ok([first, second])
    }
}

/// Pixels in a row that one side has and the other has not.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    label: u64,
    /// Which side has them: 0 or 1.
    side: usize,
    pixels: Run,
}

/// All differences, of which the first are kept.
#[derive(Debug)]
struct Differences {
    first: Vec<Difference>,
    count: usize,
    labels: usize,
    /// Pixels that only the one and only the other side has.
    pixels: [u64; 2],
}

impl Differences {
    fn find(first: &LabelRuns, second: &LabelRuns, limit: usize) -> Result<Self> {
        let only = [first.combine(second, SetOperation::Difference)?, second.combine(first, SetOperation::Difference)?];
        let of = |(side, runs): (usize, &'_ LabelRuns)| -> Vec<Difference> {
            let all = runs.iter().flat_map(|(label, runs)| runs.iter().map(move |&pixels| (label, pixels)));
            all.take(limit.max(1)).map(|(label, pixels)| Difference { label, side, pixels }).collect()
        };
        let mut differences: Vec<_> = only.iter().enumerate().flat_map(of).collect();
        differences.sort_by_key(|difference| (difference.label, difference.pixels.start));
        differences.truncate(limit.max(1));
        let labels: BTreeSet<u64> = only.iter().flat_map(|runs| runs.labels()).copied().collect();
        Ok(Self {
            first: differences,
            count: only.iter().map(LabelRuns::run_count).sum(),
            labels: labels.len(),
            pixels: [only[0].area(), only[1].area()],
        })
    }

    fn text(&self, first: &LabelRuns, second: &LabelRuns, names: &[String; 2]) -> String {
        let mut text = format!(
            "{} differences in {} labels: {} pixels only in {}, {} only in {}\n",
            self.count, self.labels, self.pixels[0], names[0], self.pixels[1], names[1]
        );
        let shape = first.shape().or(second.shape());
        for Difference { label, side, pixels } in &self.first {
            let runs = [first, second][*side].get(*label).unwrap_or_default();
            let run = runs.partition_point(|run| run.end() <= pixels.start) + 1;
            let place = shape.map_or_else(String::new, |shape| {
                let (row, column) = first.order().row_column(pixels.start, shape);
                format!(" (row {row}, column {column})")
            });
            let pixels = match pixels.length {
                1 => format!("pixel {}{place}", pixels.start),
                length => format!("{length} pixels from {}{place}", pixels.start),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "label {label}, run {run} of {}: {pixels} only in {}", runs.len(), names[*side]);
        }
        if self.count > self.first.len() {
            let _ = writeln!(text, "and {} more", self.count - self.first.len());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use runmask::{LabelRunsBuilder, ScanOrder};

    use super::*;

    fn runs(labels: &[(u64, &[(u64, u64)])]) -> LabelRuns {
        let mut runs = LabelRunsBuilder::new(None, ScanOrder::ColumnMajor);
        for (label, pairs) in labels {
            runs.label(*label).unwrap();
            pairs.iter().for_each(|&(start, length)| runs.run(Run { start, length }).unwrap());
        }
        runs.finish()
    }

    #[test]
    fn differences_are_listed_by_label_and_place_with_their_run() {
        let one = runs(&[(1, &[(0, 4), (8, 2)]), (3, &[(20, 1)])]);
        let other = runs(&[(1, &[(2, 7)]), (2, &[(15, 2)]), (3, &[(20, 1)])]);
        let found = Differences::find(&one, &other, 20).unwrap();
        assert_eq!((found.count, found.labels, found.pixels), (4, 2, [3, 6]));
        let names = ["a".to_owned(), "b".to_owned()];
        let text = found.text(&one, &other, &names);
        assert_eq!(
            text,
            "4 differences in 2 labels: 3 pixels only in a, 6 only in b\n\
             label 1, run 1 of 2: 2 pixels from 0 only in a\n\
             label 1, run 1 of 1: 4 pixels from 4 only in b\n\
             label 1, run 2 of 2: pixel 9 only in a\n\
             label 2, run 1 of 1: 2 pixels from 15 only in b\n"
        );
        let short = Differences::find(&one, &other, 1).unwrap();
        assert!(short.text(&one, &other, &names).ends_with("from 0 only in a\nand 3 more\n"));
    }

    #[test]
    fn the_same_pixels_are_equal_however_they_are_cut() {
        let one = runs(&[(1, &[(3, 4), (9, 2)]), (5, &[])]);
        let other = runs(&[(1, &[(3, 1), (4, 3), (9, 2)])]);
        assert_eq!(Differences::find(&one, &other, 9).unwrap().count, 0);
    }
}
