//! Writes features: objects are collected, and traced and written some at a time, on all threads.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::Range;

use super::super::budget::Turn;
use super::super::checked::{Losses, Output};
use super::super::numbers::{push_number, whole_number};
use super::super::objects::{Image, OBJECTS, Object, ObjectSink};
use super::super::rle_json::push_text;
use super::super::text::{TEXT, write_batches};
use super::super::{Warning, WriteOptions, writing};
use super::ids::{self, Ids};
use super::{FORMAT, ObjectType, SCORE};
use crate::error::{Error, Loss, Result};
use crate::memory::{copied, extend, reserve, reserve_members};
use crate::runs::{LabelRuns, Measures, Point, Rings, Run, Simplifier, Tracer, Values, check_tolerance};
use crate::shape::{ScanOrder, Shape};

/// Objects from which on a file has detections rather than annotations.
const MANY: u64 = 10_000;

/// Runs that are collected before they are written, and runs that a thread traces at a time.
const COLLECTED: usize = 1 << 18;
const BATCH: usize = 1 << 12;

/// Bytes of a point, whose coordinates are seldom longer, and of what else a feature has.
const POINT: usize = 40;
const FEATURE: usize = 1 << 10;

pub(super) struct Features<'a> {
    writer: Output<'a>,
    options: &'a WriteOptions,
    image: Option<String>,
    shape: Option<Shape>,
    /// Names of categories, by their numbers.
    names: HashMap<String, String>,
    labels: HashSet<u64>,
    /// Objects that came, those of them that have runs, and those that were written.
    seen: u64,
    count: u64,
    written: u64,
    /// Objects that were not written yet, with their runs in columns.
    kept: Vec<Kept>,
    runs: Vec<Run>,
    /// Whether one of them is of a category whose name may still come.
    waits: bool,
    areas: [f64; 2],
    turn: Turn,
}

struct Kept {
    label: u64,
    category: Option<String>,
    score: Option<f64>,
    /// Its runs among those of all that are kept.
    runs: Range<usize>,
}

impl<'a> Features<'a> {
    pub(super) fn new(writer: Output<'a>, options: &'a WriteOptions) -> Self {
        Self {
            writer,
            options,
            image: None,
            shape: None,
            names: HashMap::new(),
            labels: HashSet::new(),
            seen: 0,
            count: 0,
            written: 0,
            kept: Vec::new(),
            runs: Vec::new(),
            waits: false,
            areas: [0.0; 2],
            turn: Turn::default(),
        }
    }

    fn check_image(&mut self, id: &str, losses: &mut Losses) {
        match &self.image {
            Some(image) if image == id => {}
            Some(image) => losses.add(Loss::SeveralImages { images: [image.clone(), id.to_owned()] }),
            None => self.image = Some(id.to_owned()),
        }
    }

    /// The name of a category: what the caller says, what the file says, or itself.
    fn name<'n>(&'n self, category: &'n str) -> Option<&'n str> {
        let number = whole_number(category);
        let given = number.and_then(|number| self.options.categories.get(&number)).or_else(|| self.names.get(category));
        given.map(String::as_str).or(number.is_none().then_some(category))
    }

    /// What all objects are, once that can be told.
    fn object_type(&self, ended: bool) -> Option<ObjectType> {
        let by_count = || match self.count {
            MANY.. => Some(ObjectType::Detection),
            _ => ended.then_some(ObjectType::Annotation),
        };
        self.options.object_type.or_else(by_count)
    }

    /// Writes all objects that are kept.
    fn flush(&mut self, object_type: ObjectType) -> Result<()> {
        let mut text = Vec::new();
        if self.written == 0 && !self.kept.is_empty() {
            text.extend_from_slice(b"{\"type\":\"FeatureCollection\",\"features\":[\n");
        }
        self.writer.write_all(&text).map_err(writing)?;
        let Some(shape) = self.shape else { return Ok(()) };
        let classes = self.classes()?;
        let measures = self.measures(shape)?;
        let form = Form {
            height: shape.height,
            ids: Ids::of_image(self.image.as_deref().unwrap_or("")),
            object_type,
            classes,
            measures: measures.iter().flat_map(Measures::columns).filter(|column| column.name() != "label").collect(),
            tolerance: self.options.simplify,
            first: self.written == 0,
        };
        let (kept, runs) = (&self.kept, &self.runs);
        let mut batches: Vec<Range<usize>> = Vec::new();
        for index in 0..kept.len() {
            match batches.last_mut() {
                Some(batch) if kept[index].runs.end - kept[batch.start].runs.start <= BATCH => batch.end = index + 1,
                _ => batches.push(index..index + 1),
            }
        }
        let areas = std::sync::Mutex::new([0.0; 2]);
        write_batches(&mut self.writer, &batches, |text, batch: &Range<usize>| {
            let changed = form.features(&kept[batch.clone()], batch.start, runs, text)?;
            // Areas are halves of whole numbers: the order in which they are added does not matter.
            let mut areas = areas.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *areas = [areas[0] + changed[0], areas[1] + changed[1]];
            Ok(())
        })?;
        let areas = areas.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.areas = [self.areas[0] + areas[0], self.areas[1] + areas[1]];
        self.written += self.kept.len() as u64;
        self.kept.clear();
        self.runs.clear();
        Ok(())
    }

    /// The text of every class of the objects that are kept.
    fn classes(&self) -> Result<HashMap<Option<String>, Vec<u8>>> {
        let mut classes = HashMap::new();
        for Kept { category, .. } in &self.kept {
            if classes.contains_key(category) {
                continue;
            }
            let name = match category {
                Some(category) => Some(self.name(category).unwrap_or(category)),
                None => self.options.category.as_deref(),
            };
            let mut text = Vec::new();
            if let Some(name) = name {
                let given = self.options.class_colors.get(name);
                let [red, green, blue] = given.copied().unwrap_or_else(|| ids::color(name));
                text.extend_from_slice(b",\"classification\":{\"name\":");
                push_text(&mut text, name)?;
                text.extend_from_slice(format!(",\"color\":[{red},{green},{blue}]}}").as_bytes());
            }
            classes.insert(category.clone(), text);
        }
        Ok(classes)
    }

    /// The measures of the objects that are kept, when they are asked for.
    fn measures(&self, shape: Shape) -> Result<Option<Measures>> {
        let Some(options) = &self.options.measure else { return Ok(None) };
        let (mut offsets, mut labels) = (Vec::new(), Vec::new());
        reserve(&mut offsets, self.kept.len() + 1, OBJECTS)?;
        reserve(&mut labels, self.kept.len(), OBJECTS)?;
        offsets.extend(std::iter::once(0).chain(self.kept.iter().map(|kept| kept.runs.end)));
        labels.extend(0..self.kept.len() as u64);
        // The measures need the runs as a list of labels, which cannot be borrowed.
        let runs =
            LabelRuns::from_parts(Some(shape), ScanOrder::ColumnMajor, labels, offsets, copied(&self.runs, OBJECTS)?)?;
        runs.measure(options).map(Some)
    }
}

impl ObjectSink for Features<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        let mut losses = Losses::default();
        self.check_image(image.id, &mut losses);
        losses.refuse(FORMAT.name)
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        if let Some(tolerance) = self.options.simplify {
            check_tolerance(tolerance)?;
        }
        let shape = object.shape.ok_or_else(|| Error::UnknownShape { what: "runs are made outlines".into() })?;
        let mut losses = Losses::default();
        self.check_image(object.image, &mut losses);
        self.seen += 1;
        if object.runs.is_empty() {
            if !self.options.drop_empty_labels {
                losses.add(Loss::EmptyLabel { image: Some(object.image.to_owned()), label: object.label });
            }
            return losses.refuse(FORMAT.name);
        }
        let label = if self.options.renumber { self.count + 1 } else { object.label.unwrap_or(self.seen) };
        reserve_members(&mut self.labels, 1, OBJECTS)?;
        if !self.labels.insert(label) {
            losses.add(Loss::LabelTwice { label });
        }
        losses.refuse(FORMAT.name)?;
        self.shape = Some(shape);
        self.count += 1;
        let first = self.runs.len();
        let runs = self.turn.runs(object, ScanOrder::ColumnMajor)?;
        extend(&mut self.runs, &runs, OBJECTS)?;
        reserve(&mut self.kept, 1, OBJECTS)?;
        self.waits |= object.category.is_some_and(|category| self.name(category).is_none());
        let category = object.category.map(str::to_owned);
        self.kept.push(Kept { label, category, score: object.score, runs: first..self.runs.len() });
        match self.object_type(false) {
            Some(object_type) if self.runs.len() >= COLLECTED && !self.waits => self.flush(object_type),
            _ => Ok(()),
        }
    }

    fn category(&mut self, id: &str, name: &str) -> Result<()> {
        self.names.insert(id.to_owned(), name.to_owned());
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let object_type = self.object_type(true).unwrap_or(ObjectType::Annotation);
        self.flush(object_type)?;
        let end = if self.written == 0 {
            b"{\"type\":\"FeatureCollection\",\"features\":[]}\n".as_slice()
        } else {
            b"\n]}\n"
        };
        self.writer.write_all(end).map_err(writing)
    }

    fn warnings(&self) -> Vec<Warning> {
        let [before, after] = self.areas;
        let simplified = Warning::Simplified { before, after };
        self.options.simplify.map(|_| simplified).into_iter().collect()
    }
}

/// What the features of a file have in common.
struct Form<'a> {
    height: u32,
    ids: Ids,
    object_type: ObjectType,
    classes: HashMap<Option<String>, Vec<u8>>,
    measures: Vec<&'a crate::Column>,
    tolerance: Option<f64>,
    /// Whether the first object is the first of the file.
    first: bool,
}

impl Form<'_> {
    /// Appends some objects, of which the first one has this number among those that are kept; gives their areas before
    /// and after they were simplified, if they were.
    fn features(&self, objects: &[Kept], first: usize, runs: &[Run], text: &mut Vec<u8>) -> Result<[f64; 2]> {
        let (mut tracer, mut rings, mut simple) = (Tracer::default(), Rings::default(), Rings::default());
        let mut simplifier = self.tolerance.map(Simplifier::new);
        let mut areas = [0.0; 2];
        for (number, object) in (first..).zip(objects) {
            rings.clear();
            tracer.trace(&runs[object.runs.clone()], self.height, &mut rings)?;
            let mut shown = &rings;
            if let Some(simplifier) = &mut simplifier {
                simple.clear();
                simplifier.simplify(&rings, 0..rings.len(), &mut simple);
                areas = [areas[0] + rings.area(), areas[1] + simple.area()];
                shown = &simple;
            }
            reserve(text, POINT * shown.points.len() + FEATURE, TEXT)?;
            if !(self.first && number == 0) {
                text.extend_from_slice(b",\n");
            }
            text.extend_from_slice(b"{\"type\":\"Feature\",\"id\":\"");
            self.ids.push(text, object.label);
            text.extend_from_slice(b"\",\"geometry\":");
            push_geometry(text, shown);
            text.extend_from_slice(b",\"properties\":{\"objectType\":\"");
            text.extend_from_slice(self.object_type.name().as_bytes());
            text.push(b'"');
            text.extend_from_slice(&self.classes[&object.category]);
            self.push_measurements(text, number, object.score)?;
            text.extend_from_slice(b",\"metadata\":{\"label\":\"");
            push_number(text, object.label);
            text.extend_from_slice(b"\"}}}");
        }
        Ok(areas)
    }

    fn push_measurements(&self, text: &mut Vec<u8>, number: usize, score: Option<f64>) -> Result<()> {
        if score.is_none() && self.measures.is_empty() {
            return Ok(());
        }
        text.extend_from_slice(b",\"measurements\":{");
        let mut separator = "";
        for column in &self.measures {
            text.extend_from_slice(separator.as_bytes());
            push_text(text, column.name())?;
            text.push(b':');
            match column.values() {
                Values::U64(values) => push_number(text, values[number]),
                Values::I64(values) => text.extend_from_slice(values[number].to_string().as_bytes()),
                Values::F64(values) => push_float(text, values[number]),
            }
            separator = ",";
        }
        if let Some(score) = score {
            text.extend_from_slice(format!("{separator}\"{SCORE}\":").as_bytes());
            push_float(text, score);
        }
        text.push(b'}');
        Ok(())
    }
}

/// A number; what JSON has no number for as the text that QuPath reads.
fn push_float(text: &mut Vec<u8>, value: f64) {
    let name = match value {
        value if value.is_nan() => "\"NaN\"",
        f64::INFINITY => "\"Infinity\"",
        f64::NEG_INFINITY => "\"-Infinity\"",
        value => return text.extend_from_slice(value.to_string().as_bytes()),
    };
    text.extend_from_slice(name.as_bytes());
}

/// A Polygon, or a MultiPolygon of several.
fn push_geometry(text: &mut Vec<u8>, rings: &Rings) {
    let several = rings.len() != 1;
    text.extend_from_slice(b"{\"type\":\"");
    text.extend_from_slice(if several { b"MultiPolygon\",\"coordinates\":[" } else { b"Polygon\",\"coordinates\":" });
    for polygon in 0..rings.len() {
        text.extend_from_slice(if polygon == 0 { b"[" } else { b",[" });
        for (place, ring) in rings.of_polygon(polygon).enumerate() {
            text.extend_from_slice(if place == 0 { b"[" } else { b",[" });
            push_points(text, rings.ring(ring));
            text.push(b']');
        }
        text.push(b']');
    }
    text.extend_from_slice(if several { b"]}" } else { b"}" });
}

/// `[x,y],[x,y]` of whole coordinates from 0.
fn push_points(text: &mut Vec<u8>, points: &[Point]) {
    for (place, &[x, y]) in points.iter().enumerate() {
        text.extend_from_slice(if place == 0 { b"[" } else { b",[" });
        push_number(text, x as u64);
        text.push(b',');
        push_number(text, y as u64);
        text.push(b']');
    }
}
