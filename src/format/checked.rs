//! What a format cannot hold: found while objects are written, and reported all at once.

use std::cell::Cell;
use std::io::{self, Write};
use std::mem::discriminant;
use std::rc::Rc;

use super::description::{Description, Holds, Unsaid};
use super::objects::{Image, Object, ObjectSink};
use super::{Neighbours, ReadOptions, Warning, WriteOptions};
use crate::error::{Error, Loss, Result};
use crate::runs::LabelRuns;
use crate::shape::Shape;

/// Kinds of loss, each with the first of its kind.
#[derive(Debug, Default)]
pub(super) struct Losses(Vec<Loss>);

impl Losses {
    pub(super) fn add(&mut self, loss: Loss) {
        if !self.0.iter().any(|known| discriminant(known) == discriminant(&loss)) {
            self.0.push(loss);
        }
    }

    /// An error that names all of them, when there are any.
    pub(super) fn refuse(self, format: &'static str) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::cannot_hold(format, self.0)) }
    }
}

/// An error for labels without runs, in a format that has no way to write them.
pub(super) fn refuse_empty_labels(format: &Description, runs: &LabelRuns, options: &WriteOptions) -> Result<()> {
    let mut losses = Losses::default();
    if !options.drop_empty_labels
        && let Some((label, _)) = runs.iter().find(|(_, runs)| runs.is_empty())
    {
        losses.add(Loss::EmptyLabel { image: None, label: Some(label) });
    }
    losses.refuse(format.name)
}

/// Where objects come from, when they come from a file.
pub(super) struct Origin<'a> {
    pub(super) format: &'static Description,
    pub(super) options: &'a ReadOptions,
}

/// Passes objects to a writer without what its format cannot hold. The end is an error when anything was lost that way
/// and the options do not allow it.
pub(super) struct Checked<'a> {
    sink: Box<dyn ObjectSink + 'a>,
    format: &'static Description,
    holds: Holds,
    options: &'a WriteOptions,
    origin: Option<Origin<'a>>,
    losses: Losses,
    /// Whether losses are kept for the end rather than an error where they are found.
    until_end: bool,
    gate: Gate,
    /// Whether height and width were left out.
    shape_lost: bool,
    /// Counted where the caller gives height and width.
    neighbours: Neighbours,
    passed_over: Vec<Warning>,
}

impl<'a> Checked<'a> {
    pub(super) fn new(
        sink: Box<dyn ObjectSink + 'a>,
        format: &'static Description,
        options: &'a WriteOptions,
        origin: Option<Origin<'a>>,
        until_end: bool,
        gate: Gate,
    ) -> Self {
        let holds = (format.holds)(options);
        Self {
            sink,
            format,
            holds,
            options,
            origin,
            losses: Losses::default(),
            until_end,
            gate,
            shape_lost: false,
            neighbours: Neighbours::default(),
            passed_over: Vec::new(),
        }
    }

    /// What should be heard of though nothing failed.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.passed_over.clone();
        warnings.extend(self.sink.warnings());
        if self.shape_lost && !self.options.drop_shape {
            warnings.push(Warning::LeftOut { format: self.format.name, loss: Loss::Shape });
        }
        if self.neighbours.look_exchanged() {
            warnings.push(Warning::SidesLookExchanged(self.neighbours));
        }
        warnings
    }

    /// The id under which an image goes on; `None` when another image was asked for.
    fn id<'i>(&self, id: &'i str) -> Option<&'i str>
    where
        'a: 'i,
    {
        if self.origin.as_ref().is_some_and(|origin| !origin.options.is_wanted(id)) {
            return None;
        }
        Some(if id.is_empty() { self.options.image.as_deref().unwrap_or("1") } else { id })
    }

    fn unsaid(&self) -> Unsaid {
        self.origin.as_ref().map_or(Unsaid::NOTHING, |origin| origin.format.unsaid)
    }

    fn lose(&mut self, loss: Loss) {
        self.losses.add(loss);
        self.gate.0.set(false);
    }

    /// A shape that the source does not hold was given by the caller, who still has it.
    fn lose_shape(&mut self, shape: Option<Shape>) {
        let Some(origin) = &self.origin else { return };
        let in_file = origin.format.capabilities.holds_shape || origin.options.shape.is_none();
        self.shape_lost |= shape.is_some() && in_file && !self.holds.shape;
    }

    /// Adds what the writer could not hold to the losses, and ends with them unless they are kept for the end.
    fn keep(&mut self, answer: Result<()>) -> Result<()> {
        match answer {
            Err(Error::CannotHold(error)) => error.losses.into_iter().for_each(|loss| self.lose(loss)),
            other => other?,
        }
        if self.until_end { Ok(()) } else { std::mem::take(&mut self.losses).refuse(self.format.name) }
    }
}

impl ObjectSink for Checked<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        let Some(id) = self.id(image.id) else { return Ok(()) };
        let unnamed = image.id.is_empty() && image.name.is_none();
        let given = self.options.file_name.clone().filter(|_| unnamed);
        let name = image.name.or(given.as_deref()).filter(|_| self.holds.names);
        if let Some(lost) = image.name
            && name.is_none()
            && !self.options.drop_attributes
            && !tells_name(id, lost)
        {
            let (image, name) = (id.to_owned(), lost.to_owned());
            self.lose(Loss::ImageName { image, name });
        }
        self.lose_shape(image.shape);
        let answer = self.sink.image(&Image { id, name, ..*image });
        self.keep(answer)
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let Some(id) = self.id(object.image) else { return Ok(()) };
        self.lose_shape(object.shape);
        if self.origin.as_ref().is_some_and(|origin| origin.options.shape.is_some()) {
            self.neighbours.add_object(object);
        }
        let Holds { categories, scores, crowds, .. } = self.holds;
        let kept = Object {
            image: id,
            category: object.category.filter(|_| categories),
            score: object.score.filter(|_| scores),
            crowd: object.crowd && crowds,
            ..*object
        };
        if !self.options.drop_attributes {
            let unsaid = self.unsaid();
            let image = || id.to_owned();
            if kept.category.is_none() && object.category.is_some_and(|category| Some(category) != unsaid.category) {
                self.lose(Loss::Category { image: image() });
            }
            if kept.score.is_none() && object.score.is_some_and(|score| Some(score) != unsaid.score) {
                self.lose(Loss::Score { image: image() });
            }
            if object.crowd && !crowds {
                self.lose(Loss::Crowd { image: image() });
            }
        }
        let answer = self.sink.object(&kept);
        self.keep(answer)
    }

    fn category(&mut self, id: &str, name: &str) -> Result<()> {
        if self.holds.categories {
            return self.sink.category(id, name);
        }
        // A number that a writer makes up has a name that it makes up.
        if self.unsaid().category == Some(id) && name != id && !self.options.drop_attributes {
            self.lose(Loss::CategoryName { name: name.to_owned() });
        }
        self.keep(Ok(()))
    }

    fn passed_over(&mut self, what: &'static str, count: u64) {
        self.passed_over.push(Warning::PassedOver { what, count });
    }

    fn finish(&mut self) -> Result<()> {
        let answer = self.sink.finish();
        self.keep(answer)?;
        std::mem::take(&mut self.losses).refuse(self.format.name)
    }
}

/// Whether the id of an image tells the name of its file: the same text, with an extension or without.
fn tells_name(id: &str, name: &str) -> bool {
    name.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && !rest.contains(['/', '\\']))
}

/// Where a writer writes, until something is lost: what follows then is not worth its place.
#[derive(Clone)]
pub(super) struct Gate(Rc<Cell<bool>>);

impl Gate {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(true)))
    }

    pub(super) fn guard<'a>(&self, writer: &'a mut dyn Write) -> Output<'a> {
        Output { writer, gate: self.clone() }
    }
}

/// A writer behind a gate.
pub(super) struct Output<'a> {
    writer: &'a mut dyn Write,
    gate: Gate,
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gate.0.get() { self.writer.write(bytes) } else { Ok(bytes.len()) }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.gate.0.get() { self.writer.write_all(bytes) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
