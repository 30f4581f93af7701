//! `cvat`: the XML of the annotation tool CVAT ("CVAT for images 1.1").
//!
//! ```text
//! <annotations>
//!   <image id="0" name="slide.png" width="640" height="480">
//!     <mask label="nucleus" rle="3, 5, 2" left="10" top="20" width="5" height="2" z_order="0"/>
//! ```
//! * The counts of `rle` number the pixels of the box row-major, from its left top pixel. They alternate, background
//!   first (0 when the first pixel is the object's), are separated by commas with or without a space, and sum to width
//!   x height of the box. The box lies inside the image.
//! * Order: row-major, inside the box. In the list form of CVAT's API (not read here) the box follows the counts as
//!   left, top, right, bottom, the last two inclusive.
//! * Base: none, counts begin at the first pixel of the box, which is counted from 0. Background: counted.
//! * Labels: the place among the masks of the image, from 1; the attribute `label` is the category.
//! * Empty: a label without runs has no box and cannot be written. An image without masks is kept.
//! * Overlap: allowed. Polygons, boxes and tracks are not runs: an error, or passed over on request.
//! * Limits: a count that covers many rows of a box makes a run of each. A file stands for at most 2^22 runs and one for
//!   each of its bytes. Counts above 2^32 - 1 as in `coco`.
//! * Source: CVAT's documentation of the XML format and `cvat_sdk/masks.py`.

use std::io::{self, BufRead, BufReader, Read, Write};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::budget::Budget;
use super::counts::runs_of;
use super::document::{Image, Object, PerImage, Sink};
use super::rows::Sequence;
use super::text::{push_number, show, skip_byte_order_mark};
use super::{Format, ReadOptions, WriteOptions, writing};
use crate::error::{Error, Place, Result};
use crate::runs::Run;
use crate::runs::order::in_order;
use crate::shape::{ScanOrder, Shape};

/// Shapes that are not runs.
const OTHER_SHAPES: &[&str] =
    &["polygon", "polyline", "box", "points", "ellipse", "cuboid", "skeleton", "track", "tag"];

/// Bytes that the parser sees at once.
const PIECE: usize = 1 << 16;

/// Fills what it is asked to read up to the end of the input, however that comes: what the parser says of a damaged
/// document type depends on where its pieces end.
struct Pieces<'a>(&'a mut dyn BufRead);

impl Read for Pieces<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < bytes.len() {
            match self.0.read(&mut bytes[done..]) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

struct CurrentImage {
    id: String,
    shape: Shape,
    masks: u64,
}

pub(super) fn read(reader: &mut dyn BufRead, options: &ReadOptions, sink: &mut dyn Sink) -> Result<()> {
    // The parser would do it only for a mark that lies whole in the first piece of the input.
    skip_byte_order_mark(reader)?;
    let mut xml = Reader::from_reader(BufReader::with_capacity(PIECE, Pieces(reader)));
    let mut buffer = Vec::new();
    let mut depth = 0_u64;
    let mut rooted = false;
    let mut image: Option<CurrentImage> = None;
    let mut masks = Masks::default();
    loop {
        buffer.clear();
        let event = xml.read_event_into(&mut buffer);
        let place = Place::Byte(xml.error_position());
        let event = event.map_err(|error| xml_error(error, place))?;
        let end = xml.buffer_position();
        let place = || Place::Byte(end);
        match event {
            Event::Start(ref element) | Event::Empty(ref element) => {
                let name = element.name();
                let name = name.as_ref();
                if !rooted {
                    if name != "annotations" {
                        return Err(Error::format(place(), "the element annotations", format!("{name:?}")));
                    }
                    rooted = true;
                } else if depth == 0 {
                    return Err(Error::format(place(), "one element annotations", format!("{name:?} after it")));
                }
                match name {
                    "image" => {
                        let found = read_image(element, options, &place)?;
                        sink.image(&Image { id: &found.0.id, name: found.1.as_deref(), shape: Some(found.0.shape) })?;
                        image = matches!(event, Event::Start(_)).then_some(found.0);
                    }
                    "mask" => {
                        let Some(image) = &mut image else {
                            return Err(Error::format(place(), "a mask inside an image", "a mask outside"));
                        };
                        masks.push(element, image, end, sink)?;
                        image.masks += 1;
                    }
                    other if OTHER_SHAPES.contains(&other) && !options.skip_other_shapes => {
                        return Err(Error::format(
                            place(),
                            "masks (skip other shapes to read the rest)",
                            format!("a {other}"),
                        ));
                    }
                    _ => {}
                }
                depth += u64::from(matches!(event, Event::Start(_)));
            }
            Event::End(element) => {
                depth = depth.saturating_sub(1);
                if element.name().as_ref() == "image" {
                    image = None;
                }
            }
            Event::Eof => {
                return if rooted && depth == 0 {
                    Ok(())
                } else {
                    Err(Error::format(place(), "the end of the element annotations", "the end of the file"))
                };
            }
            _ => {}
        }
    }
}

fn xml_error(error: quick_xml::Error, place: Place) -> Error {
    match error {
        quick_xml::Error::Io(source) => Error::Io { context: "read the runs".into(), source: source.kind().into() },
        other => Error::format(place, "the XML of a cvat file", format!("a defect: {other}")),
    }
}

fn attribute(element: &BytesStart<'_>, name: &str, place: &dyn Fn() -> Place) -> Result<Option<String>> {
    let fault =
        |error: &dyn std::fmt::Display| Error::format(place(), "attributes of XML", format!("a defect: {error}"));
    let Some(found) = element.try_get_attribute(name).map_err(|error| fault(&error))? else { return Ok(None) };
    let value = found.normalized_value(XmlVersion::Implicit1_0).map_err(|error| fault(&error))?;
    Ok(Some(value.into_owned()))
}

fn required(element: &BytesStart<'_>, name: &str, place: &dyn Fn() -> Place) -> Result<String> {
    attribute(element, name, place)?.ok_or_else(|| Error::format(place(), format!("the attribute {name}"), "none"))
}

fn number(element: &BytesStart<'_>, name: &str, place: &dyn Fn() -> Place) -> Result<u64> {
    let text = required(element, name, place)?;
    parse_number(&text)
        .ok_or_else(|| Error::format(place(), format!("a number from 0 as {name}"), show(text.as_bytes())))
}

/// Digits only: `parse` alone would take a sign.
fn parse_number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn read_image(
    element: &BytesStart<'_>,
    options: &ReadOptions,
    place: &dyn Fn() -> Place,
) -> Result<(CurrentImage, Option<String>)> {
    let id = required(element, "id", place)?;
    let name = attribute(element, "name", place)?;
    let shape = Shape::new(number(element, "height", place)?, number(element, "width", place)?)?;
    if let Some(expected) = options.shape_of(&id)
        && shape != expected
    {
        return Err(Error::format(place(), format!("an image of {expected}"), format!("{shape}")));
    }
    Ok((CurrentImage { id, shape, masks: 0 }, name))
}

#[derive(Default)]
struct Masks {
    counts: Vec<u64>,
    boxed: Vec<Run>,
    runs: Vec<Run>,
    budget: Budget,
}

impl Masks {
    /// Reads a mask of `image`; with it `bytes` of the file have been read.
    fn push(&mut self, element: &BytesStart<'_>, image: &CurrentImage, bytes: u64, sink: &mut dyn Sink) -> Result<()> {
        let place = || Place::Part(format!("image {}, mask {}", image.id, image.masks));
        let side = |name| number(element, name, &place);
        let (left, top, width, height) = (side("left")?, side("top")?, side("width")?, side("height")?);
        let inside = |start: u64, length: u64, side: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= u64::from(side))
        };
        if !inside(left, width, image.shape.width) || !inside(top, height, image.shape.height) {
            return Err(Error::format(
                place(),
                format!("a box inside the image ({})", image.shape),
                format!("left {left}, top {top}, width {width}, height {height}"),
            ));
        }
        let rle = required(element, "rle", &place)?;
        self.counts.clear();
        for text in rle.split(',') {
            let count = parse_number(text.trim_matches(' '))
                .filter(|_| !text.trim_matches(' ').is_empty())
                .ok_or_else(|| Error::format(place(), "counts separated by commas", show(text.as_bytes())))?;
            self.counts.push(count);
        }
        // The sides are inside the image, so the product fits.
        runs_of(&self.counts, width * height, &mut self.boxed).map_err(|sum| {
            Error::format(place(), format!("counts that sum to {width} x {height}"), format!("a sum of {sum}"))
        })?;
        self.runs.clear();
        let image_width = u64::from(image.shape.width);
        if width < image_width {
            let rows = |run: &Run| (run.end() - 1) / width - run.start / width + 1;
            self.budget.take(self.boxed.iter().map(rows).sum(), bytes)?;
        }
        for &run in &self.boxed {
            if width == image_width {
                self.runs.push(Run { start: top * width + run.start, length: run.length });
                continue;
            }
            let (mut start, end) = (run.start, run.end());
            while start < end {
                let (row, column) = (start / width, start % width);
                let length = (width - column).min(end - start);
                self.runs.push(Run { start: (top + row) * image_width + left + column, length });
                start += length;
            }
        }
        let category = attribute(element, "label", &place)?;
        sink.object(&Object {
            image: &image.id,
            shape: Some(image.shape),
            order: ScanOrder::RowMajor,
            label: None,
            category: category.as_deref(),
            score: None,
            crowd: false,
            runs: &self.runs,
        })
    }
}

/// Keeps the text of every image until the end: objects of one image may come apart.
pub(super) struct Writer<'a> {
    writer: &'a mut dyn Write,
    options: &'a WriteOptions,
    sequence: Sequence,
    counts: Vec<u64>,
    boxed: Vec<Run>,
    images: PerImage,
}

impl<'a> Writer<'a> {
    pub(super) fn new(writer: &'a mut dyn Write, options: &'a WriteOptions) -> Self {
        Self {
            writer,
            options,
            sequence: Sequence::new(Format::Cvat, options.renumber),
            counts: Vec::new(),
            boxed: Vec::new(),
            images: PerImage::default(),
        }
    }
}

impl Sink for Writer<'_> {
    fn image(&mut self, image: &Image<'_>) -> Result<()> {
        self.images.image(image);
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> Result<()> {
        let Some(shape) = object.shape else {
            return Err(Error::Argument(
                "a cvat file names height and width: they must be known (options height and width)".into(),
            ));
        };
        self.options.check_attributes(Format::Cvat, &Object { category: None, ..*object })?;
        let runs = in_order(object.runs, object.shape, object.order, ScanOrder::RowMajor)?;
        let Some([left, top, width, height]) = boxed(&runs, shape, &mut self.boxed) else {
            if self.options.drop_empty_labels {
                return Ok(());
            }
            return Err(Error::Argument(format!(
                "image {}: a label without runs has no box for a cvat file (option drop-empty-labels leaves it out)",
                object.image
            )));
        };
        self.sequence.next(object.image, object.label)?;
        self.options.large_counts.counts(&self.boxed, width * height, &mut self.counts)?;
        let text = self.images.text(object.image, object.shape);
        text.extend_from_slice(b"    <mask label=\"");
        push_attribute(text, object.category.unwrap_or("object"))?;
        text.extend_from_slice(b"\" source=\"file\" occluded=\"0\" rle=\"");
        for (place, &count) in self.counts.iter().enumerate() {
            if place > 0 {
                text.extend_from_slice(b", ");
            }
            push_number(text, count);
        }
        text.extend_from_slice(
            format!(
                "\" left=\"{left}\" top=\"{top}\" width=\"{width}\" height=\"{height}\" z_order=\"0\">\n    </mask>\n"
            )
            .as_bytes(),
        );
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let mut text =
            b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n  <version>1.1</version>\n".to_vec();
        for image in self.images.iter() {
            let Some(shape) = image.shape else {
                return Err(Error::Argument(format!(
                    "image {}: a cvat file names height and width: they must be known (options height and width)",
                    image.id
                )));
            };
            text.extend_from_slice(b"  <image id=\"");
            push_attribute(&mut text, &image.id)?;
            text.extend_from_slice(b"\" name=\"");
            push_attribute(&mut text, image.name.as_deref().unwrap_or(&image.id))?;
            text.extend_from_slice(format!("\" width=\"{}\" height=\"{}\">\n", shape.width, shape.height).as_bytes());
            text.extend_from_slice(&image.text);
            text.extend_from_slice(b"  </image>\n");
            self.writer.write_all(&text).map_err(writing)?;
            text.clear();
        }
        text.extend_from_slice(b"</annotations>\n");
        self.writer.write_all(&text).map_err(writing)
    }
}

/// A text between double quotes; what XML cannot hold at all is an error.
fn push_attribute(text: &mut Vec<u8>, value: &str) -> Result<()> {
    if let Some(control) = value.chars().find(|character| character.is_control()) {
        return Err(Error::Argument(format!("{value:?}: an attribute of XML cannot hold {control:?} as it is")));
    }
    text.extend_from_slice(quick_xml::escape::escape(value).as_bytes());
    Ok(())
}

/// The box of row-major runs (left, top, width, height) and the runs inside it; `None` without runs.
fn boxed(runs: &[Run], shape: Shape, boxed: &mut Vec<Run>) -> Option<[u64; 4]> {
    let image_width = u64::from(shape.width);
    let (first, last) = (runs.first()?, runs.last()?);
    let (top, bottom) = (first.start / image_width, (last.end() - 1) / image_width);
    let (mut left, mut right) = (image_width, 0);
    for run in runs {
        let column = run.start % image_width;
        let end = column + run.length;
        if end > image_width {
            // It crosses the end of a row, so it touches both edges.
            (left, right) = (0, image_width);
            break;
        }
        left = left.min(column);
        right = right.max(end);
    }
    let width = right - left;
    boxed.clear();
    boxed.extend(runs.iter().map(|run| {
        let start = if width == image_width {
            run.start - top * image_width
        } else {
            (run.start / image_width - top) * width + run.start % image_width - left
        };
        Run { start, length: run.length }
    }));
    Some([left, top, width, bottom - top + 1])
}

#[cfg(test)]
mod tests {
    use super::super::samples::cut_into;
    use super::super::{Format, ReadOptions, read};

    fn outcome(bytes: &[u8], cut: usize) -> Result<usize, String> {
        read(Format::Cvat, &mut cut_into(bytes, cut), &ReadOptions::default())
            .map(|runs| runs.run_count())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_cut_does_not_matter() {
        let file = "\u{feff}<annotations><image id='0' width='5' height='4'>\
                    <mask label='a' rle='1, 3,0,2' left='1' top='2' width='3' height='2'/></image></annotations>";
        assert_eq!(outcome(file.as_bytes(), 1), Ok(2));
        let mut damaged = file.as_bytes().to_vec();
        damaged[30] = 0xD3;
        // A comment in a document type that ends where a piece of seven bytes does.
        let comment = [b"<!Da[", &[b'a'; 36][..], b"<!--", &[b'a'; 52], b"-aaaaa\xD2->]>"].concat();
        for bytes in [&damaged[..], b"\xEF\xBB\xBF\xEF\xBB\xBF<annotations/>", b"\xEF\xBB<annotations/>", &comment] {
            let whole = outcome(bytes, 4096);
            assert!(whole.is_err());
            for cut in [1, 7] {
                assert_eq!(outcome(bytes, cut), whole);
            }
        }
    }

    #[test]
    fn rows_of_a_whole_file_are_bounded() {
        let mask =
            |height: u32| format!("<mask label='a' rle='0, {height}' left='0' top='0' width='1' height='{height}'/>");
        let file = |masks: &str| {
            format!("<annotations><image id='1' width='2' height='4194304'>{masks}</image></annotations>")
        };
        assert_eq!(outcome(file(&mask(100_000).repeat(40)).as_bytes(), 4096), Ok(4_000_000));
        let error = outcome(file(&mask(100_000).repeat(50)).as_bytes(), 4096).unwrap_err();
        assert!(error.starts_with("runs of a file, of which 32"), "{error}");
    }

    #[test]
    fn defects_are_named() {
        let file = |mask: &str| format!("<annotations><image id='7' width='5' height='4'>{mask}</image></annotations>");
        for (mask, message) in [
            ("<mask rle='1,5' left='1' top='2' width='5' height='2'/>", "a box inside the image (height 4 x width 5)"),
            ("<mask rle='1,4' left='1' top='2' width='3' height='2'/>", "counts that sum to 3 x 2, found a sum of 5"),
            ("<mask rle='1,-4' left='1' top='2' width='3' height='2'/>", "counts separated by commas, found \"-4\""),
            ("<mask rle='1,,5' left='1' top='2' width='3' height='2'/>", "counts separated by commas, found \"\""),
            (
                "<mask left='1' top='2' width='3' height='2'/>",
                "image 7, mask 0: expected the attribute rle, found none",
            ),
            ("<polygon points='1,2;3,4'/>", "found a polygon"),
            ("<mask", "defect"),
        ] {
            let error = outcome(file(mask).as_bytes(), 4096).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
        assert!(outcome(b"<annotations><image id='0' width='5' height='4'>", 4096).is_err());
        assert!(outcome(b"<html/>", 4096).unwrap_err().contains("expected the element annotations"));
        assert!(outcome(b"", 4096).is_err());
    }
}
