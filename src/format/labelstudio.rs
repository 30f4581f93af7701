//! `labelstudio`: brush masks of Label Studio, as JSON tasks with a packed bit stream.
//!
//! ```text
//! file   := [task, ...] | task
//! task   := {"id", "data": {"image", "text_id"}, "annotations": [{"result": [result, ...]}, ...]}      or "predictions"
//! result := {"type": "brushlabels", "original_width", "original_height",
//!            "value": {"format": "rle", "rle": [byte, ...], "brushlabels": [label, ...]}}
//! stream := values:32 (word-1):5 (size-1):4 x 4 block* padding                              bits, highest first
//! block  := 1 index:2 (length-1):sizes[index] value:word                                   a run
//!         | 0 index:2 (length-1):sizes[index] value:word x length                          single values
//! ```
//! * The values are the bytes R G B A of every pixel, row-major; a pixel belongs to the object when A is not 0. The
//!   writer gives all four 255 or 0, a word of 8 bits and the sizes 3, 4, 8, 16, as Label Studio's own converter does.
//! * Padding: fewer than 9 bits of 0 (that converter adds a whole byte when none is needed).
//! * Images: `data.image` is a URL: that of a local file of Label Studio's machine unless another place is asked for. Ids
//!   are written as numbers; one that is a text gets the next number that is free and stands in `data.text_id`.
//! * Base: none, the stream begins at the first pixel. Background: written, as zeros.
//! * Order: row-major. Labels: the place among the masks of the task, from 1; the first of `brushlabels` is the category.
//! * Empty: a stream of zeros; a label without runs is kept.
//! * Overlap: allowed. Other results (rectangles, choices) are not runs: an error, or passed over on request.
//! * Limits: the 32 bits of the count end at 2^30 pixels: the writer refuses more.
//! * Source: `label_studio_converter/brush.py`, after `rle-pack` of thi.ng/umbrella.

use std::borrow::Cow;
use std::io::{BufRead, Write};

use serde::Deserialize;

use super::budget::Turn;
use super::checked::{Losses, Output};
use super::description::{Description, Holds, Reader, Special, Unsaid, Writer};
use super::detect::Fit;
use super::json::Json;
use super::numbers::push_number;
use super::objects::{Image, Object, ObjectSink};
use super::per_image::PerImage;
use super::rle_json::{self, Id};
use super::rows::Sequence;
use super::{Capabilities, ReadOptions, WriteOptions, writing};
use crate::error::{Error, Place, Remedy, Result};
use crate::runs::{self, Run};
use crate::shape::{ScanOrder, Shape};

pub(super) static FORMAT: Description = Description {
    name: "labelstudio",
    about: "JSON tasks of Label Studio with brush masks: a packed row-major bit stream",
    extension: "json",
    owns_extension: false,
    headers: &[],
    capabilities: Capabilities {
        many_images: true,
        holds_shape: true,
        needs_shape: true,
        any_labels: false,
        empty_labels: true,
        any_order: false,
    },
    holds: |_| Holds { shape: true, names: true, categories: true, ..Holds::default() },
    unsaid: Unsaid { category: Some("object"), score: None },
    order: ScanOrder::RowMajor,
    bases: &[0],
    options: &[Special::Category, Special::ImageUrl],
    fits: |beginning| match beginning.outline() {
        None => Fit::No,
        Some(keys) if keys.has_any(&["data", "annotations/result", "predictions/result"]) => Fit::Sure,
        Some(keys) if keys.has_any(&["annotations", "predictions"]) || keys.is_empty() => Fit::Perhaps,
        _ => Fit::No,
    },
    read: Reader::Objects(read),
    write: Writer::Objects(|writer, options| Ok(Box::new(Masks::new(writer, options)))),
};

/// Where Label Studio serves the files of its own machine.
const LOCAL_FILES: &str = "/data/local-files/?d=";

/// Pixels whose bytes the count of a stream can hold.
const MAX_PIXELS: u64 = u32::MAX as u64 / 4;

#[derive(Deserialize)]
struct Task {
    id: Option<Id>,
    data: Option<Data>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    #[serde(default)]
    predictions: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Data {
    image: Option<String>,
    text_id: Option<String>,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    result: Vec<Entry>,
    score: Option<f64>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: Option<String>,
    original_width: Option<u64>,
    original_height: Option<u64>,
    value: Option<Value>,
}

#[derive(Deserialize)]
struct Value {
    rle: Option<Vec<u8>>,
    #[serde(default)]
    brushlabels: Vec<String>,
}

fn read(reader: &mut dyn BufRead, options: &ReadOptions, sink: &mut dyn ObjectSink) -> Result<()> {
    let mut json = Json::new(reader, FORMAT.name)?;
    let mut tasks = Tasks { sink, options, count: 0, runs: Vec::new() };
    match json.peek()? {
        Some(b'[') => json.list(|json| tasks.task(&json.read()?))?,
        Some(b'{') => tasks.task(&json.read()?)?,
        _ => return Err(json.expected("a list of tasks or a task")),
    }
    json.end()
}

struct Tasks<'a> {
    sink: &'a mut dyn ObjectSink,
    options: &'a ReadOptions,
    count: u64,
    runs: Vec<Run>,
}

impl Tasks<'_> {
    fn task(&mut self, task: &Task) -> Result<()> {
        self.count += 1;
        let data = task.data.as_ref();
        let id = match (data.and_then(|data| data.text_id.as_ref()), &task.id) {
            (Some(text), _) => text.clone(),
            (None, Some(id)) => id.0.clone(),
            (None, None) => self.count.to_string(),
        };
        let name = data.and_then(|data| data.image.as_deref()).map(file_name);
        let name = name.as_deref();
        let given = self.options.shape_of(&id);
        self.sink.image(&Image { id: &id, name, shape: given })?;
        let results = task.annotations.iter().chain(&task.predictions);
        let entries = results.flat_map(|part| part.result.iter().map(|entry| (entry, part.score)));
        for (index, (entry, score)) in entries.enumerate() {
            let place = || Place::Part(format!("task {id}, result {index}"));
            let rle = match (entry.kind.as_deref(), entry.value.as_ref()) {
                (Some("brushlabels" | "brush" | "labels"), Some(Value { rle: Some(rle), brushlabels })) => {
                    (rle, brushlabels)
                }
                _ if self.options.skip_other_shapes => continue,
                (kind, _) => {
                    let found = format!("the type {}", kind.unwrap_or("none"));
                    let error = Error::format(place(), "a brush mask with rle", found);
                    return Err(error.with_remedy(Remedy::SkipOtherShapes));
                }
            };
            let (Some(height), Some(width)) = (entry.original_height, entry.original_width) else {
                return Err(Error::format(place(), "original_height and original_width", "none"));
            };
            let shape = Shape::new(height, width)?;
            if let Some(expected) = given
                && shape != expected
            {
                return Err(Error::format(place(), format!("a mask of {expected}"), format!("{shape}")));
            }
            unpack(rle.0, shape.pixels(), &mut self.runs)
                .map_err(|defect| Error::format(place(), defect.expected, defect.found))?;
            self.sink.object(&Object {
                image: &id,
                shape: Some(shape),
                order: ScanOrder::RowMajor,
                label: None,
                category: rle.1.first().map(String::as_str),
                score,
                crowd: false,
                runs: &self.runs,
            })?;
        }
        Ok(())
    }
}

struct Defect {
    expected: String,
    found: String,
}

/// Bits of bytes, the highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: u64,
}

impl Bits<'_> {
    fn left(&self) -> u64 {
        self.bytes.len() as u64 * 8 - self.at
    }

    /// The next `count` bits, at most 32.
    fn take(&mut self, count: u32) -> Result<u32, Defect> {
        let mut value = 0_u32;
        let mut needed = count;
        while needed > 0 {
            let byte = usize::try_from(self.at / 8).ok().and_then(|place| self.bytes.get(place));
            let Some(&byte) = byte.filter(|_| u64::from(needed) <= self.left()) else {
                return Err(Defect {
                    expected: format!("{count} bits at bit {}", self.at),
                    found: "the end of rle".into(),
                });
            };
            // What was taken of the byte is pushed out at its upper end.
            let taken_before = self.at.to_le_bytes()[0] & 7;
            let taken = needed.min(8 - u32::from(taken_before));
            let bits = u32::from(byte << taken_before) >> (8 - taken);
            value = value << taken | bits;
            self.at += u64::from(taken);
            needed -= taken;
        }
        Ok(value)
    }
}

/// The row-major runs of the pixels whose alpha is not 0.
fn unpack(bytes: &[u8], pixels: u64, runs: &mut Vec<Run>) -> Result<(), Defect> {
    runs.clear();
    let mut bits = Bits { bytes, at: 0 };
    let values = u64::from(bits.take(32)?);
    if pixels.checked_mul(4) != Some(values) {
        return Err(Defect { expected: format!("a count of 4 x {pixels} values"), found: format!("{values}") });
    }
    let word = bits.take(5)? + 1;
    let mut sizes = [0; 4];
    for size in &mut sizes {
        *size = bits.take(4)? + 1;
    }
    let mut push = |start: u64, end: u64| runs::push(runs, Run { start, length: end - start });
    let mut at = 0;
    while at < values {
        let block = bits.at;
        let is_run = bits.take(1)? == 1;
        let size = sizes[bits.take(2)? as usize];
        let end = at + u64::from(bits.take(size)?) + 1;
        if end > values {
            return Err(Defect {
                expected: format!("at bit {block} a block of at most {} values", values - at),
                found: format!("{}", end - at),
            });
        }
        // Value 4p + 3 is the alpha of pixel p, so values at .. end hold those of the pixels at / 4 .. end / 4.
        if is_run {
            if bits.take(word)? != 0 {
                push(at / 4, end / 4);
            }
        } else {
            for value in at..end {
                if bits.take(word)? != 0 && value % 4 == 3 {
                    push(value / 4, value / 4 + 1);
                }
            }
        }
        at = end;
    }
    let left = bits.left();
    if left > 8 || bits.take(u32::try_from(left).unwrap_or(8))? != 0 {
        return Err(Defect {
            expected: "at most 8 bits of 0 after the last value".into(),
            found: format!("{left} bits"),
        });
    }
    Ok(())
}

/// Packs bits, the highest first.
#[derive(Default)]
struct Packer {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl Packer {
    fn put(&mut self, value: u64, count: u32) {
        // At most 7 bits are pending and at most 32 come.
        self.pending = self.pending << count | value;
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.pending >> self.count).to_le_bytes()[0]);
        }
    }

    fn run(&mut self, length: u64, value: u64) {
        let (index, size) = match length {
            ..=8 => (0, 3),
            9..=16 => (1, 4),
            17..=256 => (2, 8),
            _ => (3, 16),
        };
        self.put(1, 1);
        self.put(index, 2);
        self.put(length - 1, size);
        self.put(value, 8);
    }
}

/// The stream of row-major runs in a mask of `pixels`.
fn pack(runs: &[Run], pixels: u64) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.put(pixels * 4, 32);
    packer.put(7, 5);
    for size in [3, 4, 8, 16] {
        packer.put(size - 1, 4);
    }
    let mut values = |pixels: u64, value: u64| {
        let mut left = pixels * 4;
        while left > 0 {
            let length = left.min(1 << 16);
            packer.run(length, value);
            left -= length;
        }
    };
    let mut end = 0;
    let mut joined = runs.iter().copied().peekable();
    while let Some(mut run) = joined.next() {
        // Runs that touch are one: the stream of a mask is unique.
        while let Some(next) = joined.next_if(|next| next.start == run.end()) {
            run.length += next.length;
        }
        values(run.start - end, 0);
        values(run.length, 255);
        end = run.end();
    }
    values(pixels - end, 0);
    packer.put(0, 8 - packer.count);
    packer.bytes
}

/// The name of the file that Label Studio serves from its own machine, or the URL of another one.
fn file_name(url: &str) -> Cow<'_, str> {
    let Some(path) = url.strip_prefix(LOCAL_FILES) else { return url.into() };
    let mut name = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.first_chunk::<2>().and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok().filter(|_| byte == b'%' && !digits.starts_with('+'))
        });
        name.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(name).map_or_else(|_| path.into(), Cow::from)
}

/// The URL of a file: the one asked for, behind which the name stands when it ends like a place of files; or where Label
/// Studio serves files of its own machine. A name that is a URL stays as it is.
fn url_of(name: &str, asked: Option<&str>) -> String {
    match asked {
        Some(url) if !url.ends_with(['/', '=']) => return url.to_owned(),
        None if name.contains("://") || name.starts_with("/data/") => return name.to_owned(),
        _ => {}
    }
    let mut url = asked.unwrap_or(LOCAL_FILES).to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

/// Keeps the text of every task until the end: objects of one image may come apart.
struct Masks<'a> {
    writer: Output<'a>,
    options: &'a WriteOptions,
    sequence: Sequence,
    turn: Turn,
    images: PerImage,
}

impl<'a> Masks<'a> {
    fn new(writer: Output<'a>, options: &'a WriteOptions) -> Self {
        Self {
            writer,
            options,
            sequence: Sequence::new(options.renumber),
            turn: Turn::default(),
            images: PerImage::counting_from(1),
        }
    }
}

impl ObjectSink for Masks<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.images.image(image);
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let Some(shape) = object.shape else {
            return Err(Error::UnknownShape { what: "a labelstudio file holds every pixel".into() });
        };
        if shape.pixels() > MAX_PIXELS {
            return Err(Error::LimitExceeded {
                what: "pixels of a Label Studio brush mask".into(),
                limit: MAX_PIXELS,
                found: shape.pixels(),
            });
        }
        let mut losses = Losses::default();
        self.sequence.next(object.image, object.label, &mut losses);
        losses.refuse(FORMAT.name)?;
        let runs = self.turn.runs(object, ScanOrder::RowMajor)?;
        let text = &mut self.images.entry(object.image, object.shape).text;
        if !text.is_empty() {
            text.push(b',');
        }
        text.extend_from_slice(
            format!(
                "\n{{\"type\":\"brushlabels\",\"from_name\":\"brush\",\"to_name\":\"image\",\"image_rotation\":0,\
                 \"original_width\":{},\"original_height\":{},\"value\":{{\"format\":\"rle\",\"brushlabels\":[",
                shape.width, shape.height
            )
            .as_bytes(),
        );
        let category = object.category.or(self.options.category.as_deref());
        rle_json::push_text(text, category.unwrap_or("object"))?;
        text.extend_from_slice(b"],\"rle\":[");
        for (place, &byte) in pack(&runs, shape.pixels()).iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            push_number(text, u64::from(byte));
        }
        text.extend_from_slice(b"]}}");
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let mut text = b"[".to_vec();
        for (place, image) in self.images.iter().enumerate() {
            text.extend_from_slice(if place == 0 { b"\n{\"id\":".as_slice() } else { b",\n{\"id\":" });
            push_number(&mut text, image.number);
            text.extend_from_slice(b",\"data\":{\"image\":");
            rle_json::push_text(&mut text, &url_of(image.file_name(), self.options.image_url.as_deref()))?;
            if let Some(id) = image.text_id() {
                text.extend_from_slice(b",\"text_id\":");
                rle_json::push_text(&mut text, id)?;
            }
            text.extend_from_slice(b"},\"annotations\":[{\"result\":[");
            text.extend_from_slice(&image.text);
            text.extend_from_slice(b"]}]}");
            self.writer.write_all(&text).map_err(writing)?;
            text.clear();
        }
        text.extend_from_slice(b"]\n");
        self.writer.write_all(&text).map_err(writing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_files_become_urls_and_come_back() {
        for name in ["slide.tif", "a b/\u{e9}#1?.tif", "100%.tif", "%2B"] {
            let url = url_of(name, None);
            assert!(url.starts_with(LOCAL_FILES) && !url.contains([' ', '#']), "{url}");
            assert_eq!(file_name(&url), name);
        }
        assert_eq!(url_of("s3://bucket/a.tif", None), "s3://bucket/a.tif");
        assert_eq!(url_of("a b.tif", Some("https://host/")), "https://host/a%20b.tif");
        assert_eq!(url_of("a b.tif", Some("https://host/one.tif")), "https://host/one.tif");
        assert_eq!(file_name("/data/local-files/?d=%FF%+1%4"), "%FF%+1%4");
    }

    #[test]
    fn the_same_bytes_as_the_converter_of_label_studio() {
        // encode_rle of label_studio_converter on np.repeat of 0 0 255 255 255 0, 4 values a pixel.
        let runs = [Run { start: 2, length: 3 }];
        let bytes = pack(&runs, 6);
        let mut again = Vec::new();
        assert!(unpack(&bytes, 6, &mut again).is_ok());
        assert_eq!(again, runs);
        assert_eq!(bytes, [0, 0, 0, 24, 57, 27, 252, 224, 22, 255, 227, 0, 0]);
    }

    proptest! {
        #[test]
        fn round_trip(steps in prop::collection::vec((1_u64..40_000, 1_u64..40_000), 0..12), rest in 0_u64..5) {
            let mut runs = Vec::new();
            let mut end = 0;
            for (gap, length) in steps {
                runs.push(Run { start: end + gap, length });
                end += gap + length;
            }
            let mut again = Vec::new();
            prop_assert!(unpack(&pack(&runs, end + rest), end + rest, &mut again).is_ok());
            prop_assert_eq!(again, runs);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..60), pixels in 0_u64..40) {
            let mut runs = Vec::new();
            let _ = unpack(&bytes, pixels, &mut runs);
            let mut framed = ((pixels * 4) as u32).to_be_bytes().to_vec();
            framed.extend_from_slice(&[57, 27, 252]);
            framed.extend_from_slice(&bytes);
            let _ = unpack(&framed, pixels, &mut runs);
            prop_assert!(runs.len() as u64 <= pixels);
        }
    }
}
