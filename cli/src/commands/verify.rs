//! `verify`: whether two files hold the same pixels of every label.
//!
//! Compares what each label covers, not how it is written: where a file cuts a run in two, or keeps a row for a label
//! without runs, nothing differs.

use std::fmt::Write;
use std::path::Path;

use runmask::format::Format;
use runmask::sink::MaskFormat;
use runmask::{LabelRuns, Result, Run, Shape};

use crate::args::{EitherArgs, Verify};
use crate::console::{Console, shown};
use crate::exit::Status;
use crate::input::{in_order, runs_of};
use crate::paths::is_stream;
use crate::paths::one_stdin;

pub(crate) fn run(args: &Verify, console: &Console) -> Result<Status> {
    let files = [args.first.as_path(), args.second.as_path()];
    one_stdin(files.into_iter().chain(args.either.shape.like.as_deref()))?;
    let [first, second] = sides(&args.either, files, args.second_format, console)?;
    let names = files.map(|file| if is_stream(file) { "standard input".into() } else { shown(file) });
    if let (Some(one), Some(other)) = (first.shape(), second.shape())
        && one != other
    {
        super::print(&format!("shapes differ: {one} in {}, {other} in {}\n", names[0], names[1]))?;
        return Ok(Status::Different);
    }
    let second = in_order(second, first.order())?;
    let differences = Differences::find(&first, &second, args.limit);
    if differences.pixels == [0, 0] {
        let labels = first.iter().filter(|(_, runs)| !runs.is_empty()).count();
        super::print(&format!("equal: {labels} labels, {} pixels\n", first.area()))?;
        return Ok(Status::Done);
    }
    super::print(&differences.text(&first, &second, &names))?;
    Ok(Status::Different)
}

/// The runs of both files. A run file that does not say how large its mask is takes the other's size.
pub(super) fn sides(
    either: &EitherArgs,
    files: [&Path; 2],
    second_format: Option<Format>,
    console: &Console,
) -> Result<[LabelRuns; 2]> {
    let mut formats = [either.read.format, second_format.or(either.read.format)];
    for (file, format) in files.iter().zip(&mut formats) {
        // A format is meant for the run file of the two.
        if MaskFormat::of(file).is_ok() {
            *format = None;
        }
    }
    let shape = either.shape.shape()?;
    let second_is_mask = !either.is_runs(files[1], formats[1]);
    let read = |side: usize, shape: Option<Shape>| runs_of(files[side], formats[side], either, shape, console);
    // The one that is sure to know its size goes first.
    if second_is_mask {
        let (second, _) = read(1, shape)?;
        let (first, _) = read(0, shape.or(second.shape()))?;
        Ok([first, second])
    } else {
        let (first, _) = read(0, shape)?;
        let (second, _) = read(1, shape.or(first.shape()))?;
        Ok([first, second])
    }
}

/// Pixels in a row that one side has and the other has not.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    label: u64,
    /// Which side has them: 0 or 1.
    side: usize,
    /// The place of the run that holds them among the label's runs on that side, from 0.
    run: usize,
    pixels: Run,
}

/// All differences, of which the first are kept.
#[derive(Debug, Default)]
struct Differences {
    first: Vec<Difference>,
    count: u64,
    labels: u64,
    /// Pixels that only the one and only the other side has.
    pixels: [u64; 2],
}

impl Differences {
    fn find(first: &LabelRuns, second: &LabelRuns, limit: usize) -> Self {
        let mut found = Self::default();
        let (mut left, mut right) = (first.iter().peekable(), second.iter().peekable());
        loop {
            let label = match (left.peek(), right.peek()) {
                (Some(&(one, _)), Some(&(other, _))) => one.min(other),
                (Some(&(label, _)), None) | (None, Some(&(label, _))) => label,
                (None, None) => return found,
            };
            let one = left.next_if(|&(other, _)| other == label).map_or(&[][..], |(_, runs)| runs);
            let other = right.next_if(|&(other, _)| other == label).map_or(&[][..], |(_, runs)| runs);
            let before = found.count;
            compare(one, other, |side, run, pixels| {
                found.count += 1;
                found.pixels[side] += pixels.length;
                if found.first.len() < limit.max(1) {
                    found.first.push(Difference { label, side, run, pixels });
                }
            });
            found.labels += u64::from(found.count > before);
        }
    }

    fn text(&self, first: &LabelRuns, second: &LabelRuns, names: &[String; 2]) -> String {
        let mut text = format!(
            "{} differences in {} labels: {} pixels only in {}, {} only in {}\n",
            self.count, self.labels, self.pixels[0], names[0], self.pixels[1], names[1]
        );
        let shape = first.shape().or(second.shape());
        for Difference { label, side, run, pixels } in &self.first {
            let runs = [first, second][*side].get(*label).unwrap_or_default().len();
            let place = shape.map_or_else(String::new, |shape| {
                let (row, column) = first.order().row_column(pixels.start, shape);
                format!(" (row {row}, column {column})")
            });
            let pixels = match pixels.length {
                1 => format!("pixel {}{place}", pixels.start),
                length => format!("{length} pixels from {}{place}", pixels.start),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "label {label}, run {} of {runs}: {pixels} only in {}", run + 1, names[*side]);
        }
        if self.count > self.first.len() as u64 {
            let _ = writeln!(text, "and {} more", self.count - self.first.len() as u64);
        }
        text
    }
}

/// Calls `differ(side, run, pixels)` for all pixels that only one of two lists of ascending runs covers.
fn compare(one: &[Run], other: &[Run], mut differ: impl FnMut(usize, usize, Run)) {
    let sides = [one, other];
    let mut next = [0, 0];
    let mut position = 0;
    loop {
        // Where each side's next run begins and ends, from `position` on.
        let at =
            |side: usize, next: [usize; 2]| sides[side].get(next[side]).map(|run| (run.start.max(position), run.end()));
        let (side, until) = match (at(0, next), at(1, next)) {
            (None, None) => return,
            (Some((start, end)), None) => (Some((0, start)), end),
            (None, Some((start, end))) => (Some((1, start)), end),
            (Some((start, end)), Some((other_start, other_end))) => match start.cmp(&other_start) {
                std::cmp::Ordering::Less => (Some((0, start)), end.min(other_start)),
                std::cmp::Ordering::Greater => (Some((1, other_start)), other_end.min(start)),
                std::cmp::Ordering::Equal => (None, end.min(other_end)),
            },
        };
        if let Some((side, start)) = side {
            differ(side, next[side], Run { start, length: until - start });
        }
        position = until;
        for side in [0, 1] {
            if sides[side].get(next[side]).is_some_and(|run| run.end() <= position) {
                next[side] += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(pairs: &[(u64, u64)]) -> Vec<Run> {
        pairs.iter().map(|&(start, length)| Run { start, length }).collect()
    }

    fn differences(one: &[(u64, u64)], other: &[(u64, u64)]) -> Vec<(usize, usize, u64, u64)> {
        let mut found = Vec::new();
        compare(&runs(one), &runs(other), |side, run, pixels| found.push((side, run, pixels.start, pixels.length)));
        found
    }

    #[test]
    fn the_same_pixels_are_equal_however_they_are_cut() {
        assert_eq!(differences(&[(3, 4), (9, 2)], &[(3, 1), (4, 3), (9, 2)]), []);
        assert_eq!(differences(&[], &[]), []);
    }

    #[test]
    fn every_pixel_of_one_side_is_named_with_its_run() {
        assert_eq!(differences(&[(3, 4)], &[(4, 3)]), [(0, 0, 3, 1)]);
        assert_eq!(differences(&[(3, 4)], &[(3, 5)]), [(1, 0, 7, 1)]);
        assert_eq!(differences(&[(0, 10)], &[(2, 2), (6, 1)]), [(0, 0, 0, 2), (0, 0, 4, 2), (0, 0, 7, 3)]);
        assert_eq!(differences(&[(0, 2)], &[(5, 2)]), [(0, 0, 0, 2), (1, 0, 5, 2)]);
        assert_eq!(differences(&[(1, 3), (8, 2)], &[(2, 7)]), [(0, 0, 1, 1), (1, 0, 4, 4), (0, 1, 9, 1)]);
    }

    #[test]
    fn against_pixels() {
        for bits in 0..1_u32 << 12 {
            let pixels = |bits: u32| (0..6).filter(move |bit| bits >> bit & 1 == 1);
            let list = |bits: u32| pixels(bits).map(|start| (start, 1)).collect::<Vec<_>>();
            let (one, other) = (bits & 63, bits >> 6);
            let mut found = [0_u32; 2];
            for (side, _, start, length) in differences(&list(one), &list(other)) {
                found[side] |= ((1 << length) - 1) << start;
            }
            assert_eq!(found, [one & !other, other & !one]);
        }
    }
}
