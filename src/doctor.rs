//! Which convention a run file is in, and how one can tell.
//!
//! Gets the bytes of a run file, and the mask's shape when it is known; gives a [`Report`]: what is known, what is only
//! likely, what cannot be known, the evidence for each, and the command that converts the file. It never guesses from a
//! file's name. The strict readers are the instruments: a hypothesis under which one of them fails is ruled out, and its
//! message is the evidence. What is left is weighed by two counts:
//! * A run that crosses the end of a scan line is rare in masks of objects. Counted from the wrong number, every object
//!   that ends at the edge of the mask makes one.
//! * Runs of one object lie beside each other in neighbouring lines. Under the wrong order they do so by chance only. A
//!   square mask looks the same both ways: its order cannot be known.

mod counted;
mod report;

use std::fmt;
use std::io::BufRead;

pub use self::report::Report;

use self::counted::{Counted, Held};
use crate::error::{Error, Result};
use crate::format::{self, Format, ReadOptions, Sink};
use crate::pixels;
use crate::shape::{ScanOrder, Shape};

/// How sure an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding<T> {
    /// The format says so, or everything else is ruled out.
    Known(T),
    /// The counts speak for it.
    Likely(T),
    /// The file does not tell.
    Unknown,
}

impl<T: Copy> Finding<T> {
    /// The answer, when there is one.
    pub fn answer(self) -> Option<T> {
        match self {
            Self::Known(answer) | Self::Likely(answer) => Some(answer),
            Self::Unknown => None,
        }
    }
}

/// How the objects of an image stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// One by one.
    Instances,
    /// All objects of an image as one mask.
    Union,
}

impl<T: fmt::Display> fmt::Display for Finding<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(answer) => answer.fmt(f),
            Self::Likely(answer) => write!(f, "{answer}, likely"),
            Self::Unknown => f.write_str("cannot be known from this file"),
        }
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instances => "one by one",
            Self::Union => "all of an image as one",
        })
    }
}

/// Examines a run file, which is read whole.
///
/// # Errors
/// [`Error::Io`] when reading fails. A file that no reader accepts is no error but a report without a format.
pub fn examine(reader: &mut dyn BufRead, shape: Option<Shape>) -> Result<Report> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|source| Error::Io { context: "read the run file".into(), source })?;
    let mut evidence = Vec::new();
    for format in candidates(&bytes, &mut evidence) {
        let mut trial = Trial::new(&bytes, format, shape);
        if trial.accepted.is_empty()
            && let Some(given) = shape
        {
            // Images of several sizes: the file's own sizes, or none, say more than one that is not theirs.
            let without = Trial::new(&bytes, format, None);
            if !without.accepted.is_empty() {
                let reason = trial.refused.first().map_or("", |(_, message)| message);
                evidence.push(format!("the given size ({given}) is not that of every image: {reason}"));
                trial = without;
            }
        }
        let Trial { accepted, refused, needed, shape } = trial;
        for (base, message) in refused {
            let what = if format == Format::Kaggle { format!("kaggle from {base}") } else { format.name().to_owned() };
            evidence.push(format!("not {what}: {message}"));
        }
        if !accepted.is_empty() {
            let mut report = weigh(format, accepted, evidence, shape);
            if let Some((options, strict)) = needed {
                report.options = ReadOptions { shape: None, base: None, ..options };
                report.evidence.extend(strict.map(|error| format!("it needs options to be read: {error}")));
            }
            if format == Format::Kaggle {
                check_relative(&bytes, &mut report);
            }
            return Ok(report);
        }
    }
    Ok(Report {
        format: None,
        order: Finding::Unknown,
        base: Finding::Unknown,
        grouping: Finding::Unknown,
        images: 0,
        objects: 0,
        runs: 0,
        evidence,
        shape,
        options: ReadOptions::default(),
        held: Held::default(),
        ambiguous: false,
    })
}

/// Starts after the first one of their row that must ascend, all of them, to be no gaps.
const ASCENDING: u64 = 8;

/// Says so when the rows of a kaggle file may be those of a siim file: gaps that happen to ascend.
fn check_relative(bytes: &[u8], report: &mut Report) {
    let steps = report.runs.saturating_sub(report.objects);
    if steps >= ASCENDING {
        return;
    }
    let told = ReadOptions { shape: report.shape, ..report.options.clone() };
    if try_reading(bytes, Format::Siim, &told).is_ok() {
        report.ambiguous = true;
        report.evidence.push(format!(
            "it may be a siim file as well: {steps} starts after another one of their row are too few to tell that they \
             are no gaps"
        ));
    }
}

/// The formats that the first bytes allow, the most telling first.
fn candidates(bytes: &[u8], evidence: &mut Vec<String>) -> Vec<Format> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if text.len() < bytes.len() {
        evidence.push("it begins with a byte order mark".into());
    }
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or(b"").trim_ascii();
    match text.trim_ascii_start().first() {
        None => {
            evidence.push("the file is empty".into());
            Vec::new()
        }
        Some(b'{' | b'[') => {
            evidence.push("it begins like JSON".into());
            vec![Format::Coco, Format::Sam, Format::LabelStudio]
        }
        Some(b'<') => {
            evidence.push("it begins like XML".into());
            vec![Format::Cvat]
        }
        _ if text.starts_with(b"PAR1") => {
            evidence.push("it begins with the mark of Parquet".into());
            vec![Format::Runs]
        }
        _ if bytes.starts_with(&pixels::KEY) && bytes.len().is_multiple_of(pixels::RECORD) => {
            evidence.push("it begins with the key of escape-key records: see runmask pixels decode".into());
            Vec::new()
        }
        _ => {
            let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).escape_debug().to_string();
            evidence.push(format!("its first line is \"{shown}\""));
            vec![Format::Hubmap, Format::Table, Format::Oid, Format::Kaggle, Format::Siim]
        }
    }
}

/// The orders and bases that a format leaves open; the order `None` when both are possible.
fn hypotheses(format: Format) -> impl Iterator<Item = (Option<ScanOrder>, u64)> {
    let order = match format {
        Format::Kaggle | Format::Table => None,
        Format::Cvat | Format::LabelStudio => Some(ScanOrder::RowMajor),
        _ => Some(ScanOrder::ColumnMajor),
    };
    let bases: &[u64] = if format == Format::Kaggle { &[1, 0] } else { &[0] };
    bases.iter().map(move |&base| (order, base))
}

/// What came of reading a file in one format, under every hypothesis.
struct Trial {
    /// The hypotheses under which it can be read, with what was counted.
    accepted: Vec<(Option<ScanOrder>, u64, Counted)>,
    /// The others, with the error.
    refused: Vec<(u64, String)>,
    /// The options that it needed, and the error without them.
    needed: Option<(ReadOptions, Option<String>)>,
    /// The shape that was asked of every image.
    shape: Option<Shape>,
}

impl Trial {
    fn new(bytes: &[u8], format: Format, shape: Option<Shape>) -> Self {
        let (mut accepted, mut refused, mut needed) = (Vec::new(), Vec::new(), None);
        for (order, base) in hypotheses(format) {
            let told = ReadOptions { shape, base: Some(base), ..ReadOptions::default() };
            match try_reading(bytes, format, &told) {
                Ok(reading) if reading.counted.is_something(format) => {
                    accepted.push((order, base, reading.counted));
                    needed = Some((reading.options, reading.strict));
                }
                Ok(_) => refused.push((base, "it finds no image and no object".to_owned())),
                Err(error) => refused.push((base, error.to_string())),
            }
        }
        Self { accepted, refused, needed, shape }
    }
}

/// A file that was read.
struct Reading {
    counted: Counted,
    /// The options that it needed.
    options: ReadOptions,
    /// The error without them, when it needed any.
    strict: Option<String>,
}

/// Reads a file with as few liberties as it needs; the error is that of a reader with all of them.
fn try_reading(bytes: &[u8], format: Format, told: &ReadOptions) -> Result<Reading> {
    let read = |skip_other_shapes: bool, ignore_columns: bool, renumber: bool| {
        let options = ReadOptions { skip_other_shapes, ignore_columns, renumber, ..told.clone() };
        let mut counted = Counted::default();
        format::read_objects(format, &mut &bytes[..], &options, &mut counted)?;
        counted.finish()?;
        Ok(Reading { counted, options, strict: None })
    };
    let strict = match read(false, false, false) {
        Ok(reading) => return Ok(reading),
        Err(error) => Some(Error::to_string(&error)),
    };
    let all = read(true, true, true)?;
    let fewer = [(true, false, false), (false, true, false), (false, false, true)];
    let found = fewer.into_iter().find_map(|(skip, ignore, renumber)| read(skip, ignore, renumber).ok());
    Ok(Reading { strict, ..found.unwrap_or(all) })
}

/// Whether `few` is so much less than `many` that it is no chance.
fn is_telling(few: u64, many: u64) -> bool {
    many > 2 * few + 4
}

fn weigh(
    format: Format,
    mut accepted: Vec<(Option<ScanOrder>, u64, Counted)>,
    mut evidence: Vec<String>,
    shape: Option<Shape>,
) -> Report {
    let order = weigh_order(&accepted[0].2, accepted[0].0, &mut evidence);
    let base = match accepted.as_slice() {
        [(_, base, _)] => Finding::Known(*base),
        [(_, first, one), (_, second, zero), ..] => {
            let line = usize::from(order.answer() == Some(ScanOrder::RowMajor));
            let (one, zero) = (one.lines[line].crossing, zero.lines[line].crossing);
            if accepted[0].2.shaped && order.answer().is_some() {
                evidence.push(format!(
                    "runs that cross the end of a scan line: {one} counted from {first}, {zero} from {second}"
                ));
            } else {
                evidence.push("no start of 0 and no run past the last pixel, which would tell the base".into());
            }
            if is_telling(one, zero) {
                Finding::Likely(*first)
            } else if is_telling(zero, one) {
                Finding::Likely(*second)
            } else {
                Finding::Unknown
            }
        }
        [] => Finding::Unknown,
    };
    let chosen = accepted.iter().position(|(_, candidate, _)| Some(*candidate) == base.answer()).unwrap_or(0);
    let (_, _, counted) = accepted.swap_remove(chosen);
    if counted.empty > 0 {
        evidence.push(format!("{} objects without runs", counted.empty));
    }
    if counted.overlaps > 0 {
        evidence.push(format!("{} runs overlap another object's: a label mask cannot hold them", counted.overlaps));
    }
    if format == Format::Hubmap {
        evidence.push(match (counted.touching, counted.gaps_of_one) {
            (0, 0) => "no runs touch, and none is one pixel apart: nothing tells whether the notebook's Method 1 made it".into(),
            (0, gaps) => format!(
                "no runs touch, and {gaps} begin one pixel after another ends: as the notebook's Method 1 makes it, which \
                 loses a pixel where labels touch"
            ),
            (touching, _) => {
                format!("{touching} runs begin where another one ends: not made by the notebook's Method 1")
            }
        });
    }
    let one_by_one = matches!(format, Format::Kaggle | Format::Siim);
    let grouping = if !one_by_one || counted.largest_group > 1 {
        Finding::Known(Grouping::Instances)
    } else {
        evidence.push("no image has two rows: a row may be one object or all of an image".into());
        Finding::Unknown
    };
    Report {
        format: Some(format),
        order,
        base,
        grouping,
        images: counted.images,
        objects: counted.objects,
        runs: counted.runs,
        evidence,
        shape,
        options: ReadOptions::default(),
        held: counted.held,
        ambiguous: false,
    }
}

fn weigh_order(counted: &Counted, fixed: Option<ScanOrder>, evidence: &mut Vec<String>) -> Finding<ScanOrder> {
    let [columns, rows] = counted.lines.map(|line| line.beside);
    let weighed = if is_telling(columns, rows) {
        Finding::Likely(ScanOrder::RowMajor)
    } else if is_telling(rows, columns) {
        Finding::Likely(ScanOrder::ColumnMajor)
    } else {
        Finding::Unknown
    };
    if columns + rows > 0 {
        evidence.push(format!(
            "runs with a neighbour of the same object in the next line: {columns} in column-major order, {rows} in \
             row-major order"
        ));
    } else if !counted.shaped {
        evidence.push("height and width are not known: they would tell more".into());
    } else if counted.square {
        evidence.push("the masks are square: both orders look alike".into());
    }
    match fixed {
        Some(order) => {
            if weighed.answer().is_some_and(|found| found != order) {
                evidence.push(format!("a {order} format, but the runs look {}", weighed));
            }
            Finding::Known(order)
        }
        None => weighed,
    }
}
