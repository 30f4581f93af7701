//! Which convention a run file is in, and how one can tell.
//!
//! Gets the bytes of a run file, and the mask's shape when it is known; gives a [`Report`]: what is known, what is only
//! likely or usual, the evidence for each, and how the file is converted. It never guesses from a file's name. The strict
//! readers are the instruments: a hypothesis under which one of them fails is ruled out, and its message is the evidence.
//! What is left is weighed by three counts:
//! * A run that crosses the end of a scan line is rare in masks of objects. Counted from the wrong number, every object
//!   that ends at the edge of the mask makes one.
//! * Runs of one object lie beside each other in neighbouring lines. Under the wrong order they do so by chance only. A
//!   square mask looks the same both ways: its order cannot be known.
//! * So the step from run to run is most often the length of a scan line, which the file may not say.

mod counted;
mod report;

use std::fmt;
use std::io::BufRead;

pub use self::report::{Conversion, Report};

use self::counted::Counted;
use crate::error::{Error, Remedy, Result};
use crate::format::detect::{Beginning, Fit, begin};
use crate::format::kaggle::ASCENDING;
use crate::format::neighbours::is_telling;
use crate::format::text::read_all;
use crate::format::{self, Format, ObjectSink, ReadOptions};
use crate::shape::{ScanOrder, Shape};

/// How sure an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding<T> {
    /// The format says so, or everything else is ruled out.
    Known(T),
    /// The counts speak for it.
    Likely(T),
    /// The file does not tell; most files of the format have it so.
    Usual(T),
    /// The file does not tell.
    Unknown,
}

impl<T: Copy> Finding<T> {
    /// The answer, when there is one.
    pub fn answer(self) -> Option<T> {
        match self {
            Self::Known(answer) | Self::Likely(answer) | Self::Usual(answer) => Some(answer),
            Self::Unknown => None,
        }
    }

    /// The answer, when the file tells it.
    pub fn told(self) -> Option<T> {
        match self {
            Self::Known(answer) | Self::Likely(answer) => Some(answer),
            Self::Usual(_) | Self::Unknown => None,
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
            Self::Usual(answer) => write!(f, "{answer}, as is usual: the file does not tell"),
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

/// Examines a run file, which is read whole unless its first bytes are those of no format.
///
/// ```
/// use runmask::Shape;
/// use runmask::doctor::{self, Finding};
/// use runmask::format::Format;
///
/// let file = b"id,rle\nslide,0 3 9 2\n";
/// let report = doctor::examine(&mut &file[..], None)?;
/// assert_eq!(report.format, Some(Format::Kaggle));
/// assert_eq!(report.base, Finding::Known(0));
/// // What the evidence is, line by line.
/// println!("{report}");
/// # Ok::<(), runmask::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] when reading fails, [`Error::Memory`] when the file or what it holds does not fit into memory. A file that no reader
/// accepts is no error but a report without a format.
pub fn examine(reader: &mut dyn BufRead, shape: Option<Shape>) -> Result<Report> {
    let (mut bytes, whole, reader) = begin(reader)?;
    let beginning = Beginning::new(&bytes, whole);
    let mut report = Report::new(shape);
    if beginning.has_byte_order_mark() {
        report.evidence.push("it begins with a byte order mark".into());
    }
    report.evidence.push(format!("it looks like {}", beginning.looks_like()));
    let candidates = beginning.candidates();
    if !candidates.is_empty() {
        read_all(reader, &mut bytes)?;
    }
    for (format, fit) in candidates {
        let mut trial = Trial::new(&bytes, format, fit, shape)?;
        if trial.accepted.is_empty()
            && let Some(given) = shape
        {
            // Images of several sizes: the file's own sizes, or none, say more than one that is not theirs.
            let without = Trial::new(&bytes, format, fit, None)?;
            if !without.accepted.is_empty() {
                let reason = trial.refused.first().map_or("", |(_, message)| message);
                report.evidence.push(format!("the given size ({given}) is not that of every image: {reason}"));
                trial = without;
            }
        }
        for (base, message) in &trial.refused {
            let counted = if bases(format).len() > 1 { format!(" from {base}") } else { String::new() };
            report.evidence.push(format!("not {format}{counted}: {message}"));
        }
        if trial.accepted.is_empty() {
            continue;
        }
        report.shape = trial.shape;
        if let Some((options, strict)) = trial.needed {
            report.options = options.shape(None).base(None);
            if let Some(error) = strict {
                report.evidence.push(if error.remedies().contains(&Remedy::SkipOtherShapes) {
                    format!("not all of it is runs, but polygons or other shapes: {error}")
                } else {
                    format!("not all of it can be read as it is: {error}")
                });
            }
        }
        if shape.is_none() && stand_in(format).is_some() {
            report.evidence.push("height and width must be known to convert it: the file does not say them".into());
        }
        weigh(format, trial.accepted, &mut report);
        if format == Format::Kaggle {
            check_relative(&bytes, &mut report);
        }
        break;
    }
    Ok(report)
}

/// Says so when the rows of a kaggle file may be those of a siim file: gaps that happen to ascend.
fn check_relative(bytes: &[u8], report: &mut Report) {
    let steps = report.runs.saturating_sub(report.objects);
    if steps >= ASCENDING {
        return;
    }
    let told = report.options.clone().shape(report.shape);
    if try_reading(bytes, Format::Siim, &told).is_ok() {
        report.ambiguous = true;
        report.evidence.push(format!(
            "it may be a siim file as well: {steps} starts after another one of their row are too few to tell that they \
             are no gaps"
        ));
    }
}

/// The numbers that the first pixel may have.
fn bases(format: Format) -> &'static [u64] {
    format.description().bases
}

/// A size for files that cannot be read without one though they do not say it: larger than what they hold, as a rule.
fn stand_in(format: Format) -> Option<Shape> {
    let held = format.capabilities();
    (held.needs_shape && !held.holds_shape).then_some(Shape { height: 1 << 24, width: 1 << 25 })
}

/// Whether positions may be numbered in either order, and the file does not say in which.
fn leaves_order_open(format: Format) -> bool {
    let held = format.capabilities();
    held.any_order && !held.holds_shape
}

/// What came of reading a file in one format, under every hypothesis.
struct Trial {
    /// The numbers of the first pixel under which it can be read, with what was counted.
    accepted: Vec<(u64, Counted)>,
    /// The others, with the error.
    refused: Vec<(u64, String)>,
    /// The options that it needed, and the error without them.
    needed: Option<(ReadOptions, Option<Error>)>,
    /// The shape that was asked of every image.
    shape: Option<Shape>,
}

impl Trial {
    fn new(bytes: &[u8], format: Format, fit: Fit, shape: Option<Shape>) -> Result<Self> {
        let (mut accepted, mut refused, mut needed) = (Vec::new(), Vec::new(), None);
        for &base in bases(format) {
            let told = ReadOptions::new().shape(shape.or(stand_in(format))).base(base);
            match try_reading(bytes, format, &told) {
                // Any JSON of a list is a file of no objects in some format.
                Ok(reading) if reading.counted.objects > 0 || reading.counted.images > 0 && fit == Fit::Sure => {
                    accepted.push((base, reading.counted));
                    needed = Some((reading.options, reading.strict));
                }
                Ok(reading) => refused.push((
                    base,
                    match reading.strict {
                        Some(error) if error.remedies().contains(&Remedy::SkipOtherShapes) => {
                            format!("it holds polygons or other shapes, not runs ({error})")
                        }
                        _ => "it finds no image and no object".to_owned(),
                    },
                )),
                // That says nothing about the file.
                Err(error @ Error::Memory { .. }) => return Err(error),
                Err(error) => refused.push((base, error.to_string())),
            }
        }
        Ok(Self { accepted, refused, needed, shape })
    }
}

/// A file that was read.
struct Reading {
    counted: Counted,
    /// The options that it needed.
    options: ReadOptions,
    /// The error without them, when it needed any.
    strict: Option<Error>,
}

/// Reads a file with as few liberties as it needs; the error is that of a reader with all of them.
fn try_reading(bytes: &[u8], format: Format, told: &ReadOptions) -> Result<Reading> {
    let read = |skip: bool, ignore: bool, renumber: bool| {
        let options = told.clone().skip_other_shapes(skip).ignore_columns(ignore).renumber(renumber);
        let mut counted = Counted::default();
        format::read_objects(format, &mut &bytes[..], &options, &mut counted)?;
        counted.finish()?;
        Ok(Reading { counted, options, strict: None })
    };
    let strict = match read(false, false, false) {
        Ok(reading) => return Ok(reading),
        Err(error @ Error::Memory { .. }) => return Err(error),
        Err(error) => Some(error),
    };
    let all = read(true, true, true)?;
    let fewer = [(true, false, false), (false, true, false), (false, false, true)];
    let found = fewer.into_iter().find_map(|(skip, ignore, renumber)| read(skip, ignore, renumber).ok());
    Ok(Reading { strict, ..found.unwrap_or(all) })
}

fn weigh(format: Format, mut accepted: Vec<(u64, Counted)>, report: &mut Report) {
    let order = weigh_order(format, &accepted[0].1, &mut report.evidence);
    let base = match accepted.as_slice() {
        [(base, _)] => Finding::Known(*base),
        [(first, one), (second, zero), ..] => {
            let line = usize::from(order.answer() == Some(ScanOrder::RowMajor));
            let (crossing_one, crossing_zero) = (one.lines[line].crossing, zero.lines[line].crossing);
            if one.shaped && order.told().is_some() {
                report.evidence.push(format!(
                    "runs that cross the end of a scan line: {crossing_one} counted from {first}, {crossing_zero} from \
                     {second}"
                ));
            } else {
                report.evidence.push("no start of 0 and no run past the last pixel, which would tell the base".into());
            }
            if is_telling(crossing_one, crossing_zero) {
                Finding::Likely(*first)
            } else if is_telling(crossing_zero, crossing_one) {
                Finding::Likely(*second)
            } else {
                Finding::Usual(bases(format)[0])
            }
        }
        [] => Finding::Unknown,
    };
    let chosen = accepted.iter().position(|(candidate, _)| Some(*candidate) == base.answer()).unwrap_or(0);
    let (_, counted) = accepted.swap_remove(chosen);
    if counted.empty > 0 {
        report.evidence.push(format!("{} objects without runs", counted.empty));
    }
    if counted.overlaps > 0 {
        let overlaps = counted.overlaps;
        report.evidence.push(format!("{overlaps} runs overlap another object's: a label mask cannot hold them"));
    }
    if format == Format::Hubmap {
        report.evidence.push(match (counted.touching, counted.gaps_of_one) {
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
    report.grouping = if !one_by_one || counted.largest_group > 1 {
        Finding::Known(Grouping::Instances)
    } else {
        report.evidence.push("no image has two rows: a row may be one object or all of an image".into());
        Finding::Unknown
    };
    if !counted.shaped
        && let Some(length) = counted.steps.line_length()
    {
        let side = match order.told() {
            Some(ScanOrder::ColumnMajor) => "the height",
            Some(ScanOrder::RowMajor) => "the width",
            None => "the height if positions go down the columns, the width if they go along the rows",
        };
        report.evidence.push(format!("the step from run to run is most often {length}: likely {side}"));
        report.line_length = Finding::Likely(length);
    }
    report.format = Some(format);
    (report.order, report.base) = (order, base);
    (report.images, report.objects, report.runs) = (counted.images, counted.objects, counted.runs);
    report.held = counted.held;
}

fn weigh_order(format: Format, counted: &Counted, evidence: &mut Vec<String>) -> Finding<ScanOrder> {
    let [columns, rows] = counted.lines.map(|line| line.beside);
    let weighed = if is_telling(columns, rows) {
        Finding::Likely(ScanOrder::RowMajor)
    } else if is_telling(rows, columns) {
        Finding::Likely(ScanOrder::ColumnMajor)
    } else {
        Finding::Usual(format.description().order)
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
    if leaves_order_open(format) {
        return weighed;
    }
    if weighed.told().is_some_and(|found| found != counted.order) {
        evidence.push(format!("the format is {}, but the runs look {weighed}", counted.order));
    }
    Finding::Known(counted.order)
}
