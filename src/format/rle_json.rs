//! What the JSON formats with counts share: records that are read one at a time, and their text.

use std::collections::HashMap;
use std::fmt;
use std::io::BufRead;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::json::Json;
use super::numbers::{push_number, whole_number};
use super::objects::{Image, Object, ObjectSink};
use super::polygons::Polygons;
use super::{ReadOptions, coco_string, counts};
use crate::error::{Error, Place, Remedy, Result};
use crate::memory::reserve;
use crate::names::names;
use crate::runs::{FillRule, Rings, Run};
use crate::shape::{ScanOrder, Shape};

/// How counts are written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum JsonCounts {
    /// COCO's compressed text.
    #[default]
    Compressed,
    /// A list of numbers.
    Numbers,
    /// COCO: objects without holes as polygons at pixel corners, which give back the same pixels; others as compressed text.
    Polygons,
}

names! {
    "a way to write counts", JsonCounts { Compressed => "compressed", Numbers => "numbers", Polygons => "polygons" }
}

/// What tells the formats apart.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// The name of the format.
    pub(super) format: &'static str,
    /// Whether a record must name its image.
    pub(super) image_id: bool,
}

/// A number or a text that names something.
#[derive(Clone, Debug)]
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: a whole number or a text")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Id, E> {
                Ok(Id(value.to_string()))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Id, E> {
                Ok(Id(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Name)
    }
}

enum Counts {
    Numbers(Vec<u64>),
    Text(String),
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Counts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("counts: a list of numbers from 0, or their compressed text")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Counts, E> {
                Ok(Counts::Text(value.to_owned()))
            }
            fn visit_string<E: de::Error>(self, value: String) -> Result<Counts, E> {
                Ok(Counts::Text(value))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Counts, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = list.next_element()? {
                    numbers.push(number);
                }
                Ok(Counts::Numbers(numbers))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// An annotation's mask.
enum Segmentation {
    Rle(Rle),
    /// Outer rings, one to each polygon.
    Polygons(Rings),
}

#[derive(Deserialize)]
struct Rle {
    size: (u64, u64),
    counts: Counts,
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Segmentation;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mask: size and counts, or polygons")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Segmentation, A::Error> {
                let mut rings = Rings::default();
                while list.next_element_seed(Ring(&mut rings))?.is_some() {}
                Ok(Segmentation::Polygons(rings))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Segmentation, A::Error> {
                Rle::deserialize(de::value::MapAccessDeserializer::new(map)).map(Segmentation::Rle)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Reads a polygon, a list of x and y in turn, as a ring that is closed.
struct Ring<'a>(&'a mut Rings);

impl<'de> DeserializeSeed<'de> for Ring<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Ring<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a polygon: a list of numbers, x and y in turn")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let points = &mut self.0.points;
        let first = points.len();
        while let Some(x) = list.next_element::<f64>()? {
            let y = list.next_element::<f64>()?;
            points.push([x, y.ok_or_else(|| de::Error::custom("an odd number of coordinates"))?]);
        }
        if points.len() > first && points.last() != points.get(first) {
            points.push(points[first]);
        }
        self.0.end_ring();
        self.0.end_polygon();
        Ok(())
    }
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct Flag;
    impl Visitor<'_> for Flag {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("0 or 1")
        }
        fn visit_bool<E: de::Error>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }
        fn visit_u64<E: de::Error>(self, value: u64) -> Result<bool, E> {
            match value {
                0 => Ok(false),
                1 => Ok(true),
                other => Err(E::invalid_value(de::Unexpected::Unsigned(other), &self)),
            }
        }
    }
    deserializer.deserialize_any(Flag)
}

#[derive(Deserialize)]
struct Record {
    id: Option<Id>,
    image_id: Option<Id>,
    text_id: Option<String>,
    category_id: Option<Id>,
    segmentation: Option<Segmentation>,
    size: Option<(u64, u64)>,
    counts: Option<Counts>,
    #[serde(alias = "predicted_iou")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "flag")]
    iscrowd: bool,
}

#[derive(Deserialize)]
struct ListedImage {
    id: Id,
    text_id: Option<String>,
    file_name: Option<String>,
    height: Option<u64>,
    width: Option<u64>,
}

/// Reads the records of a file into `sink`: a list of records, a dataset, or one record.
pub(super) fn read(
    reader: &mut dyn BufRead,
    options: &ReadOptions,
    rules: Rules,
    sink: &mut dyn ObjectSink,
) -> Result<()> {
    let mut json = Json::new(reader, rules.format)?;
    let mut records = Records {
        sink,
        options,
        rules,
        count: 0,
        ids: HashMap::new(),
        shapes: HashMap::new(),
        waiting: Vec::new(),
        polygons: Polygons::new(options.shape, options.fill_rule.unwrap_or(FillRule::Coco)).united(),
        counts: Vec::new(),
        runs: Vec::new(),
    };
    match (json.peek()?, rules.image_id) {
        (Some(b'{'), true) => {
            let mut lists = Vec::new();
            json.object(|json, key| {
                if LISTS.contains(&key) {
                    if lists.iter().any(|list| list == key) {
                        return Err(json.fault("every list once", format!("{key} again")));
                    }
                    lists.push(key.to_owned());
                }
                match key {
                    "annotations" => json.list(|json| records.record(json.read()?)),
                    "images" => json.list(|json| records.listed(&json.read()?)),
                    "categories" if json.peek()? == Some(b'[') => json.list(|json| records.category(&json.read()?)),
                    _ => json.pass(),
                }
            })?;
            if !lists.iter().any(|list| list == "annotations") {
                return Err(json.expected("annotations"));
            }
        }
        (Some(b'{'), false) => records.record(json.read()?)?,
        (Some(b'['), _) => {
            if !rules.image_id {
                records.sink.image(&Image { id: "", name: None, shape: options.shape })?;
            }
            json.list(|json| records.record(json.read()?))?;
        }
        _ => return Err(json.expected("a list of records or an object")),
    }
    json.end()?;
    for (index, record) in std::mem::take(&mut records.waiting) {
        records.object(index, record)?;
    }
    Ok(())
}

/// What the pixels of a record stand as.
enum Mask {
    Rle(Rle),
    Polygons(Rings),
}

/// The lists of a dataset that are read.
const LISTS: &[&str] = &["annotations", "images", "categories"];

struct Records<'a> {
    sink: &'a mut dyn ObjectSink,
    options: &'a ReadOptions,
    rules: Rules,
    count: u64,
    /// The ids of images in the file, with the texts that stand for those that are numbers only there.
    ids: HashMap<String, Option<String>>,
    /// The sizes of images that are listed.
    shapes: HashMap<String, Shape>,
    /// Records with their numbers, the first of which has polygons of an image whose size is not known yet.
    waiting: Vec<(u64, Record)>,
    polygons: Polygons,
    counts: Vec<u64>,
    runs: Vec<Run>,
}

impl Records<'_> {
    fn record(&mut self, record: Record) -> Result<()> {
        let index = self.count;
        self.count += 1;
        // Polygons are filled when the size of their image is known. What follows waits with them: the order is kept.
        let early = match (&record.segmentation, &record.image_id) {
            (Some(Segmentation::Polygons(_)), Some(Id(id))) if self.rules.image_id => {
                let id = known_id(&mut self.ids, id, record.text_id.clone());
                self.options.shape_of(id).is_none() && !self.shapes.contains_key(id)
            }
            _ => false,
        };
        if early || !self.waiting.is_empty() {
            reserve(&mut self.waiting, 1, "polygons whose image is not known yet")?;
            self.waiting.push((index, record));
            return Ok(());
        }
        self.object(index, record)
    }

    fn object(&mut self, index: u64, record: Record) -> Result<()> {
        let Record { id, image_id, text_id, category_id, segmentation, size, counts, score, iscrowd } = record;
        let name = || match &id {
            Some(id) => format!("record {index} (id {})", id.0),
            None => format!("record {index}"),
        };
        let place = || Place::Part(name());
        let mask = match (segmentation, size, counts) {
            (Some(Segmentation::Rle(rle)), None, None) => Mask::Rle(rle),
            (Some(Segmentation::Polygons(rings)), None, None) if self.rules.image_id => Mask::Polygons(rings),
            (None, Some(size), Some(counts)) if !self.rules.image_id => Mask::Rle(Rle { size, counts }),
            (Some(Segmentation::Polygons(_)) | None, None, None) if self.options.skip_other_shapes => return Ok(()),
            (other @ (Some(Segmentation::Polygons(_)) | None), None, None) => {
                let found = if other.is_some() { "polygons" } else { "no mask" };
                return Err(
                    Error::format(place(), "a mask of size and counts", found).with_remedy(Remedy::SkipOtherShapes)
                );
            }
            _ => return Err(Error::format(place(), "one mask of size and counts", "none or two")),
        };
        let image = match (&image_id, self.rules.image_id) {
            (Some(Id(id)), true) => known_id(&mut self.ids, id, text_id),
            (None, true) => return Err(Error::format(place(), "an image_id", "none")),
            (_, false) => "",
        };
        let label = match &id {
            Some(id) if self.rules.image_id && !self.options.renumber => {
                Some(whole_number(&id.0).ok_or_else(|| {
                    let error = Error::format(place(), "a whole number as id", format!("\"{}\"", id.0));
                    error.with_remedy(Remedy::Renumber)
                })?)
            }
            _ => None,
        };
        let given = if self.rules.image_id { self.options.shape_of(image) } else { self.options.shape };
        let shape = match &mask {
            Mask::Rle(rle) => Shape::new(rle.size.0, rle.size.1)?,
            Mask::Polygons(_) => self.shapes.get(image).copied().or(given).ok_or_else(|| Error::UnknownShape {
                what: format!("{}: the polygons of image {image} are filled", name()),
            })?,
        };
        if let Some(expected) = given
            && shape != expected
        {
            return Err(Error::format(place(), format!("size {expected}"), format!("{shape}")));
        }
        let object = Object {
            image,
            shape: Some(shape),
            order: ScanOrder::ColumnMajor,
            label,
            category: category_id.as_ref().map(|id| id.0.as_str()),
            score,
            crowd: iscrowd,
            runs: &[],
        };
        let rle = match mask {
            Mask::Rle(rle) => rle,
            Mask::Polygons(rings) => {
                let runs = self.polygons.fill(&rings, shape, name)?;
                return self.sink.object(&Object { runs, ..object });
            }
        };
        let sum = match &rle.counts {
            Counts::Numbers(numbers) => counts::runs_of(numbers, shape.pixels(), &mut self.runs),
            Counts::Text(text) => text_runs(text.as_bytes(), shape.pixels(), &mut self.counts, &mut self.runs)
                .map_err(|defect| {
                    let expected = format!("at byte {} of the counts {}", defect.at, defect.expected);
                    Error::format(place(), expected, defect.found)
                })?,
        };
        sum.map_err(|sum| {
            let doubled = match &rle.counts {
                Counts::Text(text) if text.contains("\\\\") => {
                    " (the text holds a doubled backslash: it may have been escaped twice)"
                }
                _ => "",
            };
            Error::format(
                place(),
                format!("counts that sum to {} ({shape})", shape.pixels()),
                format!("a sum of {sum}{doubled}"),
            )
        })?;
        self.sink.object(&Object { runs: &self.runs, ..object })
    }

    fn listed(&mut self, image: &ListedImage) -> Result<()> {
        let shape = match (image.height, image.width) {
            (Some(height), Some(width)) => Some(Shape::new(height, width)?),
            _ => None,
        };
        let id = known_id(&mut self.ids, &image.id.0, image.text_id.clone());
        if let Some(shape) = shape {
            self.shapes.insert(id.to_owned(), shape);
        }
        let name = image.file_name.as_deref().filter(|&name| name != id);
        self.sink.image(&Image { id, name, shape })
    }

    /// Tells the name of a category; whatever else stands in the list is passed over.
    fn category(&mut self, category: &serde_json::Value) -> Result<()> {
        match (&category["id"], &category["name"]) {
            (serde_json::Value::Number(id), serde_json::Value::String(name)) => {
                self.sink.category(&id.to_string(), name)
            }
            (serde_json::Value::String(id), serde_json::Value::String(name)) => self.sink.category(id, name),
            _ => Ok(()),
        }
    }
}

/// The id of an image for the sink: the text that the file keeps beside a number, when it says so where it first names
/// the image.
fn known_id<'a>(ids: &'a mut HashMap<String, Option<String>>, id: &'a str, text: Option<String>) -> &'a str {
    if !ids.contains_key(id) {
        ids.insert(id.to_owned(), text.filter(|text| text != id));
    }
    ids.get(id).and_then(Option::as_deref).unwrap_or(id)
}

/// Bytes of a compressed text that are read at once: all its counts would take eight times its memory.
const PIECE: usize = 1 << 16;

/// The runs of a compressed text; the inner error is the sum of the counts, when it is not that of the pixels.
fn text_runs(
    mut text: &[u8],
    pixels: u64,
    counts: &mut Vec<u64>,
    runs: &mut Vec<Run>,
) -> Result<Result<(), u128>, coco_string::Defect> {
    let mut reader = coco_string::Reader::default();
    let mut masks = counts::Runs::new(pixels);
    runs.clear();
    loop {
        let piece = &text[..text.len().min(PIECE)];
        let ended = piece.len() == text.len();
        counts.clear();
        let read = reader.read(piece, ended, counts)?;
        masks.push(counts, runs);
        if ended {
            return Ok(masks.end());
        }
        text = &text[read..];
    }
}

/// A JSON text.
pub(super) fn push_text(text: &mut Vec<u8>, value: &str) -> Result<()> {
    serde_json::to_writer(text, value).map_err(writing_json)
}

fn writing_json(error: serde_json::Error) -> Error {
    super::writing(error.into())
}

/// `{"size":[height,width],"counts":...}`
pub(super) fn push_rle(text: &mut Vec<u8>, shape: Shape, counts: &[u64], form: JsonCounts) {
    text.extend_from_slice(b"{\"size\":[");
    push_number(text, u64::from(shape.height));
    text.push(b',');
    push_number(text, u64::from(shape.width));
    text.extend_from_slice(b"],\"counts\":");
    match form {
        JsonCounts::Numbers => {
            text.push(b'[');
            for (place, &count) in counts.iter().enumerate() {
                if place > 0 {
                    text.push(b',');
                }
                push_number(text, count);
            }
            text.push(b']');
        }
        JsonCounts::Compressed | JsonCounts::Polygons => {
            text.push(b'"');
            let start = text.len();
            coco_string::push(text, counts);
            // Of the alphabet only the backslash must be escaped in JSON.
            let backslashes = text[start..].iter().filter(|&&byte| byte == b'\\').count();
            if backslashes > 0 {
                let (mut from, mut to) = (text.len(), text.len() + backslashes);
                text.resize(to, 0);
                while from < to {
                    from -= 1;
                    to -= 1;
                    text[to] = text[from];
                    if text[to] == b'\\' {
                        to -= 1;
                        text[to] = b'\\';
                    }
                }
            }
            text.push(b'"');
        }
    }
    text.push(b'}');
}

/// `[[x,y,x,y,...],...]`, a list for each outer ring, without the point that closes it.
pub(super) fn push_polygons(text: &mut Vec<u8>, rings: &Rings) {
    text.push(b'[');
    for polygon in 0..rings.len() {
        let ring = rings.ring(polygon);
        for (place, &[x, y]) in ring[..ring.len() - 1].iter().enumerate() {
            text.extend_from_slice(match (polygon, place) {
                (0, 0) => b"[".as_slice(),
                (_, 0) => b"],[",
                _ => b",",
            });
            push_number(text, x as u64);
            text.push(b',');
            push_number(text, y as u64);
        }
    }
    text.extend_from_slice(b"]]");
}

/// `,"area":pixels,"bbox":[x,y,width,height]` of column-major runs; an empty mask has the box 0, 0, 0, 0.
pub(super) fn push_measures(text: &mut Vec<u8>, runs: &[Run], shape: Shape) {
    let area: u64 = runs.iter().map(|run| run.length).sum();
    let [x, y, width, height] = bounding_box(runs, shape);
    text.extend_from_slice(format!(",\"area\":{area},\"bbox\":[{x},{y},{width},{height}]").as_bytes());
}

/// Left, top, width and height of column-major runs.
fn bounding_box(runs: &[Run], shape: Shape) -> [u64; 4] {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return [0; 4] };
    let height = u64::from(shape.height);
    let (left, right) = (first.start / height, (last.end() - 1) / height);
    let (mut top, mut bottom) = (height, 0);
    // Runs ascend, so the column is carried along; a division for each run would cost more than its text.
    let mut column_start = left * height;
    for run in runs {
        if run.start - column_start >= height {
            column_start =
                if run.start - column_start < 2 * height { column_start + height } else { run.start / height * height };
        }
        let begin = run.start - column_start;
        let end = begin + run.length;
        if end > height {
            // It crosses the end of the column: it touches the last row and the first.
            (top, bottom) = (0, height);
            break;
        }
        top = top.min(begin);
        bottom = bottom.max(end);
    }
    [left, top, right - left + 1, bottom - top]
}
