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

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::io::BufRead;
use std::path::Path;

use crate::error::{Error, Result};
use crate::format::{self, Format, Image, Object, ReadOptions, Sink};
use crate::pixels;
use crate::runs::Run;
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

/// What a run file turned out to be.
#[derive(Clone, Debug)]
pub struct Report {
    /// The format; `None` when no reader accepts the file.
    pub format: Option<Format>,
    /// The order of the positions.
    pub order: Finding<ScanOrder>,
    /// The number of the first pixel, for formats that count positions.
    pub base: Finding<u64>,
    /// Whether objects stand one by one.
    pub grouping: Finding<Grouping>,
    /// Images in the file.
    pub images: u64,
    /// Objects of all images.
    pub objects: u64,
    /// Runs of all objects.
    pub runs: u64,
    /// Why, line by line.
    pub evidence: Vec<String>,
    shape: Option<Shape>,
    /// What the file needs beside that to be read.
    options: ReadOptions,
    /// What a target must hold, drop or be told.
    held: Held,
    /// Whether another format fits as well.
    ambiguous: bool,
}

impl Report {
    /// How to read the file; `None` when the format is not known.
    pub fn read_options(&self) -> Option<(Format, ReadOptions)> {
        let format = self.format?;
        let order =
            self.order.answer().filter(|_| format.capabilities().any_order && !format.capabilities().holds_shape);
        let base = self.base.answer().filter(|&base| format == Format::Kaggle && base != 1);
        Some((format, ReadOptions { order, base, shape: self.shape, ..self.options.clone() }))
    }

    /// The command that converts the file to a table; or, when it holds many images, to COCO, or to a plain competition
    /// file where COCO would need sizes or numbers of classes that the file does not give. `None` when the format, the base
    /// or the order is not known.
    pub fn command(&self, file: &Path) -> Option<String> {
        let (from, options) = self.read_options()?;
        self.base.answer()?;
        let order = self.order.answer()?;
        if self.ambiguous {
            return None;
        }
        let to = match self.images {
            ..=1 => Format::Table,
            _ if self.held.every_shape && self.held.categories.len() <= MAX_NAMES => Format::Coco,
            _ => Format::Kaggle,
        };
        let extension = if to == Format::Coco { "json" } else { "csv" };
        let (input, output) = match file.to_str() {
            Some("-") => ("-".into(), format!("runs.{}.{extension}", to.name())),
            _ => {
                // A name that begins with a hyphen would be an option.
                let place = if file.to_string_lossy().starts_with('-') { "./" } else { "" };
                let input = format!("{place}{}", file.display());
                (input.clone(), format!("{input}.{}.{extension}", to.name()))
            }
        };
        let mut words = vec!["runmask".into(), "convert".into(), input, "-o".into(), output];
        let mut push = |text: &str| words.extend(text.split(' ').map(str::to_owned));
        push(&format!("--from {}", from.name()));
        if options.order.is_some() && order == ScanOrder::RowMajor {
            push("--from-order row");
        }
        if let Some(base) = options.base {
            push(&format!("--from-base {base}"));
        }
        if let Some(shape) = self.shape.filter(|_| !from.capabilities().holds_shape) {
            push(&format!("--height {} --width {}", shape.height, shape.width));
        }
        let held = &self.held;
        let shape_in_file = from.capabilities().holds_shape || self.shape.is_none() && held.some_shape;
        for (option, needed) in [
            ("--skip-other-shapes", options.skip_other_shapes),
            ("--ignore-columns", options.ignore_columns),
            ("--renumber", options.renumber || held.twice || to == Format::Kaggle && held.numbered),
            ("-f", true),
            (to.name(), true),
            ("--order row", to == Format::Kaggle && order == ScanOrder::RowMajor && !held.every_shape),
            ("--drop-shape", to != Format::Coco && shape_in_file),
            ("--drop-attributes", to != Format::Coco && (held.attributes || from.capabilities().holds_shape)),
            ("--drop-empty-labels", to != Format::Coco && from.capabilities().empty_labels),
        ] {
            if needed {
                push(option);
            }
        }
        if to == Format::Coco {
            let mut number = 0_u64;
            for name in &held.categories {
                number = (number + 1..).find(|number| !held.numbers.contains(number))?;
                words.extend(["--category".into(), format!("{number}={name}")]);
            }
        }
        Some(words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "))
    }
}

/// Names of classes that a command gives numbers to.
const MAX_NAMES: usize = 40;

/// A word as a POSIX shell reads it back.
fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=,:+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''")).into()
    }
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "format:  {}", self.format.map_or("unknown", Format::name))?;
        if self.format.is_some() {
            writeln!(f, "order:   {}", self.order)?;
            writeln!(f, "base:    {}", self.base)?;
            writeln!(f, "objects: {}", self.grouping)?;
            writeln!(f, "holds:   {} images, {} objects, {} runs", self.images, self.objects, self.runs)?;
        }
        for line in &self.evidence {
            writeln!(f, "- {line}")?;
        }
        Ok(())
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
        let mut accepted = Vec::new();
        let mut refused = Vec::new();
        let mut needed = None;
        for (order, base) in hypotheses(format) {
            let told = ReadOptions { shape, base: Some(base), ..ReadOptions::default() };
            match try_reading(&bytes, format, &told) {
                Ok(reading) if reading.counted.is_something(format) => {
                    accepted.push((order, base, reading.counted));
                    needed = Some((reading.options, reading.strict));
                }
                Ok(_) => refused.push((base, "it finds no image and no object".to_owned())),
                Err(error) => refused.push((base, error.to_string())),
            }
        }
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

/// What a target must hold, drop or be told.
#[derive(Clone, Debug, Default)]
struct Held {
    /// Some shape, and that of every object.
    some_shape: bool,
    every_shape: bool,
    /// Objects with a number of their own, and whether two have the same.
    numbered: bool,
    twice: bool,
    /// Classes, scores, crowd marks, names of image files.
    attributes: bool,
    /// Classes by name, and those that are numbers.
    categories: BTreeSet<String>,
    numbers: BTreeSet<u64>,
}

/// What is counted while a file is read.
#[derive(Default)]
struct Counted {
    /// Objects and runs of every image; the runs of all objects together, to find overlaps.
    by_image: HashMap<String, (u64, Vec<Run>)>,
    images: u64,
    objects: u64,
    runs: u64,
    empty: u64,
    overlaps: u64,
    gaps_of_one: u64,
    largest_group: u64,
    /// Runs that begin where one of another object ends.
    touching: u64,
    square: bool,
    shaped: bool,
    held: Held,
    /// For the height, then for the width, as the length of a scan line.
    lines: [LineCounts; 2],
    order: ScanOrder,
    /// The numbers of objects.
    labels: HashSet<u64>,
}

impl Counted {
    fn hold(&mut self, object: &Object<'_>) {
        let held = &mut self.held;
        held.some_shape |= object.shape.is_some();
        held.every_shape = object.shape.is_some() && (self.objects == 0 || held.every_shape);
        if let Some(label) = object.label {
            held.numbered = true;
            held.twice |= !self.labels.insert(label);
        }
        held.attributes |= object.category.is_some() || object.score.is_some() || object.crowd;
        match object.category.map(|name| name.parse().map_err(|_| name)) {
            Some(Ok(number)) if !held.numbers.contains(&number) => _ = held.numbers.insert(number),
            Some(Err(name)) if !held.categories.contains(name) => _ = held.categories.insert(name.to_owned()),
            _ => {}
        }
    }

    /// Whether a file that was read without error holds anything: any JSON is a sam or a labelstudio file of nothing.
    fn is_something(&self, format: Format) -> bool {
        self.objects > 0 || self.images > 0 && !matches!(format, Format::Sam | Format::LabelStudio)
    }
}

#[derive(Clone, Copy, Default)]
struct LineCounts {
    crossing: u64,
    beside: u64,
}

impl Sink for Counted {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.held.some_shape |= image.shape.is_some();
        self.held.attributes |= image.name.is_some_and(|name| name != image.id);
        self.by_image.entry(image.id.to_owned()).or_default();
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        if !self.by_image.contains_key(object.image) {
            self.by_image.insert(object.image.to_owned(), (0, Vec::new()));
        }
        if let Some((objects, runs)) = self.by_image.get_mut(object.image) {
            *objects += 1;
            runs.extend_from_slice(object.runs);
        }
        self.hold(object);
        self.objects += 1;
        self.runs += object.runs.len() as u64;
        self.empty += u64::from(object.runs.is_empty());
        self.order = object.order;
        if let Some(shape) = object.shape.filter(|shape| shape.pixels() > 0) {
            self.shaped = true;
            if shape.height == shape.width {
                self.square = true;
            } else {
                for (counts, length) in self.lines.iter_mut().zip([shape.height, shape.width]) {
                    count_lines(counts, object.runs, u64::from(length));
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.images = self.by_image.len() as u64;
        for (objects, runs) in self.by_image.values_mut() {
            self.largest_group = self.largest_group.max(*objects);
            runs.sort_unstable();
            let mut end = 0;
            for run in runs.iter() {
                self.overlaps += u64::from(run.start < end);
                self.gaps_of_one += u64::from(end > 0 && run.start == end + 1);
                self.touching += u64::from(end > 0 && run.start == end);
                end = end.max(run.end());
            }
        }
        Ok(())
    }
}

fn count_lines(counts: &mut LineCounts, runs: &[Run], length: u64) {
    let mut next = 0;
    for run in runs {
        counts.crossing += u64::from(run.start % length + run.length > length);
        let Some(beside) = run.start.checked_add(length) else { continue };
        while runs.get(next).is_some_and(|other| other.end() <= beside) {
            next += 1;
        }
        counts.beside += u64::from(runs.get(next).is_some_and(|other| other.start < beside.saturating_add(run.length)));
    }
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
