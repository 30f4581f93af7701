//! What a format says of itself. Each format has one static description, at the head of its own file.

use std::io::{BufRead, Write};

use super::checked::Output;
use super::detect::{Beginning, Fit};
use super::objects::{ObjectSink, WriteOne};
use super::{Capabilities, ReadOptions, WriteOptions};
use crate::error::{Error, Result};
use crate::runs::LabelRuns;
use crate::shape::ScanOrder;

/// Reads a file of one mask.
pub(super) type ReadMask = fn(&mut dyn BufRead, &ReadOptions) -> Result<LabelRuns>;

/// Reads a file of objects.
pub(super) type ReadObjects = fn(&mut dyn BufRead, &ReadOptions, &mut dyn ObjectSink) -> Result<()>;

/// Writes a file of one mask.
pub(super) type WriteMask = fn(&mut dyn Write, &LabelRuns, &WriteOptions) -> Result<()>;

/// Makes a writer of objects.
pub(super) type WriteObjects = for<'a> fn(Output<'a>, &'a WriteOptions) -> Result<Box<dyn ObjectSink + 'a>>;

/// A reader of either kind.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    Mask(ReadMask),
    Objects(ReadObjects),
}

/// A writer of either kind.
#[derive(Clone, Copy)]
pub(super) enum Writer {
    Mask(WriteMask),
    Objects(WriteObjects),
}

/// A format.
pub(crate) struct Description {
    /// The name by which a user asks for the format.
    pub(super) name: &'static str,
    /// What it is, in one line of help: the beginning of a sentence without its end.
    pub(super) about: &'static str,
    /// The extension of its files.
    pub(super) extension: &'static str,
    /// Whether that extension stands for this format rather than for another one.
    pub(super) owns_extension: bool,
    /// The first lines that its files may have, the one that is written by default first; empty for formats without.
    pub(super) headers: &'static [&'static str],
    pub(super) capabilities: Capabilities,
    /// What a file holds beside runs when it is written with these options.
    pub(super) holds: fn(&WriteOptions) -> Holds,
    /// What is written for an object that has no such attribute, because the format must have one.
    pub(super) unsaid: Unsaid,
    /// The order of the positions; where it is open, the usual one.
    pub(crate) order: ScanOrder,
    /// The numbers that the first pixel may have, the usual one first.
    pub(crate) bases: &'static [u64],
    /// The options of a writer that this format knows and not every other one.
    pub(super) options: &'static [Special],
    /// Whether a file that begins so can be of this format.
    pub(super) fits: fn(&Beginning<'_>) -> Fit,
    pub(super) read: Reader,
    pub(super) write: Writer,
}

/// What a file holds beside runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holds {
    pub(super) shape: bool,
    /// The name of an image's file beside the id of the image.
    pub(super) names: bool,
    pub(super) categories: bool,
    pub(super) scores: bool,
    pub(super) crowds: bool,
}

/// Attributes that a writer makes up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsaid {
    pub(super) category: Option<&'static str>,
    pub(super) score: Option<f64>,
}

impl Unsaid {
    pub(super) const NOTHING: Self = Self { category: None, score: None };
}

/// Options of a writer that mean nothing to most formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Compat,
    Labels,
    Base,
    Header,
    Union,
    LargeCounts,
    Counts,
    CocoForm,
    CategoryOf,
    Categories,
    Category,
    ImageUrl,
    ObjectType,
    ClassColor,
    Simplify,
    Measure,
}

impl Special {
    /// Every such option, with what it is called in messages.
    const ALL: &[(Self, &str)] = &[
        (Self::Compat, "defects of another program"),
        (Self::Labels, "a number of rows"),
        (Self::Base, "a number for the first pixel"),
        (Self::Header, "a choice of headers"),
        (Self::Union, "unions of objects"),
        (Self::LargeCounts, "a way to write large counts"),
        (Self::Counts, "a way to write counts"),
        (Self::CocoForm, "a choice between the two files of COCO"),
        (Self::CategoryOf, "categories for labels"),
        (Self::Categories, "numbers for categories"),
        (Self::Category, "a category for every object"),
        (Self::ImageUrl, "a place of images"),
        (Self::ObjectType, "types of objects"),
        (Self::ClassColor, "colours of classes"),
        (Self::Simplify, "outlines to simplify"),
        (Self::Measure, "measurements"),
    ];
}

impl Description {
    /// An error for an option that means nothing to the format: it would be passed over without a word.
    pub(super) fn check(&self, options: &WriteOptions) -> Result<()> {
        for &(option, what) in Special::ALL {
            if options.gives(option) && !self.options.contains(&option) {
                let others = super::Format::ALL.iter().map(|format| format.description());
                let names: Vec<_> =
                    others.filter(|other| other.options.contains(&option)).map(|other| other.name).collect();
                return Err(Error::Argument(format!(
                    "{what}: no option of the format {}, but only of {}",
                    self.name,
                    names.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// Reads the objects of a file into `sink`.
    pub(super) fn read_into(
        &self,
        reader: &mut dyn BufRead,
        options: &ReadOptions,
        sink: &mut dyn ObjectSink,
    ) -> Result<()> {
        match self.read {
            Reader::Mask(read) => super::objects::push_objects(&read(reader, options)?, "", None, sink),
            Reader::Objects(read) => read(reader, options, sink),
        }
    }

    /// A sink that writes a file, without a check of what the format cannot hold beside runs.
    pub(super) fn writer<'a>(
        &'static self,
        writer: Output<'a>,
        options: &'a WriteOptions,
    ) -> Result<Box<dyn ObjectSink + 'a>> {
        match self.write {
            Writer::Mask(write) => Ok(Box::new(WriteOne::new(self, write, writer, options))),
            Writer::Objects(write) => write(writer, options),
        }
    }
}
