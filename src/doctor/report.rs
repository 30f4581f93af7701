//! What the doctor says: the findings, and the command that converts the file.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use super::counted::Held;
use super::{Finding, Grouping};
use crate::format::{Format, ReadOptions};
use crate::shape::{ScanOrder, Shape};

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
    pub(super) shape: Option<Shape>,
    /// What the file needs beside that to be read.
    pub(super) options: ReadOptions,
    /// What a target must hold, drop or be told.
    pub(super) held: Held,
    /// Whether another format fits as well.
    pub(super) ambiguous: bool,
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
