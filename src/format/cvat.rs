//! `cvat`: the XML of the annotation tool CVAT ("CVAT for images 1.1").
//!
//! ```text
//! <annotations>
//!   <meta><task><labels><label><name>nucleus</name></label></labels></task></meta>        passed over when it is read
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
//! * Images: CVAT's ids are numbers. One that is a text gets the next number from 0 that is free and stands in the
//!   attribute `text_id`.
//! * Empty: a label without runs has no box and cannot be written. An image without masks is kept.
//! * Overlap: allowed. Polygons, boxes and tracks are not runs: an error, or passed over on request.
//! * Limits: a count that covers many rows of a box makes a run of each. A file stands for at most 2^22 runs and one for
//!   each of its bytes. Counts above 2^32 - 1 as in `coco`.
//! * Source: CVAT's documentation of the XML format and `cvat_sdk/masks.py`.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};

use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::budget::{Budget, Turn};
use super::checked::{Losses, Output};
use super::counts::runs_of;
use super::description::{Description, Holds, Reader as FormatReader, Special, Unsaid, Writer};
use super::detect::Fit;
use super::numbers::{push_number, whole_number};
use super::objects::{Image, Object, ObjectSink};
use super::per_image::PerImage;
use super::rows::Sequence;
use super::text::{reading, show, skip_byte_order_mark};
use super::{Capabilities, ReadOptions, WriteOptions, writing};
use crate::error::{Error, Loss, Place, Remedy, Result};
use crate::runs::Run;
use crate::shape::{ScanOrder, Shape};

pub(super) static FORMAT: Description = Description {
    name: "cvat",
    about: "XML of CVAT (\"CVAT for images 1.1\"): masks as row-major counts inside a box",
    extension: "xml",
    owns_extension: true,
    headers: &[],
    capabilities: Capabilities {
        many_images: true,
        holds_shape: true,
        needs_shape: true,
        any_labels: false,
        empty_labels: false,
        any_order: false,
    },
    holds: |_| Holds { shape: true, names: true, categories: true, ..Holds::default() },
    unsaid: Unsaid { category: Some("object"), score: None },
    order: ScanOrder::RowMajor,
    bases: &[0],
    options: &[Special::LargeCounts, Special::Category],
    fits: |beginning| {
        let text = beginning.text().trim_ascii_start();
        match text.first() {
            Some(b'<') if memchr::memmem::find(text, b"<annotations").is_some() => Fit::Sure,
            Some(b'<') => Fit::Perhaps,
            _ => Fit::No,
        }
    },
    read: FormatReader::Objects(read),
    write: Writer::Objects(|writer, options| Ok(Box::new(Masks::new(writer, options)))),
};

/// Shapes that are not runs.
const OTHER_SHAPES: &[&str] =
    &["polygon", "polyline", "box", "points", "ellipse", "cuboid", "skeleton", "track", "tag"];

/// Bytes that the parser sees at once.
const PIECE: usize = 1 << 16;

/// Bytes of one element, comment or text, which the parser holds whole: a mask of a hundred million counts has fewer.
const MAX_EVENT: u64 = 1 << 28;

/// Fills what it is asked to read up to the end of the input, however that comes: what the parser says of a damaged
/// document type depends on where its pieces end. It ends with an error when one event of the parser is too long.
struct Pieces<'a> {
    reader: &'a mut dyn BufRead,
    /// Bytes since the last event.
    event: u64,
}

impl Read for Pieces<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.event > MAX_EVENT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut done = 0;
        while done < bytes.len() {
            match self.reader.read(&mut bytes[done..]) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.event += done as u64;
        Ok(done)
    }
}

struct CurrentImage {
    id: String,
    shape: Shape,
    masks: u64,
}

fn read(reader: &mut dyn BufRead, options: &ReadOptions, sink: &mut dyn ObjectSink) -> Result<()> {
    // The parser would do it only for a mark that lies whole in the first piece of the input.
    skip_byte_order_mark(reader)?;
    // What is no XML at all may have no end.
    if let Some(&first) = reader.fill_buf().map_err(reading)?.first()
        && !matches!(first, b'<' | b' ' | b'\n' | b'\r' | b'\t')
    {
        return Err(Error::format(Place::Byte(0), "the XML of a cvat file", show(&[first])));
    }
    let mut xml = Reader::from_reader(BufReader::with_capacity(PIECE, Pieces { reader, event: 0 }));
    let mut buffer = Vec::new();
    let mut depth = 0_u64;
    let mut rooted = false;
    let mut image: Option<CurrentImage> = None;
    let mut masks = Masked::default();
    loop {
        buffer.clear();
        xml.get_mut().get_mut().event = 0;
        let event = xml.read_event_into(&mut buffer);
        let place = Place::Byte(xml.error_position());
        let event = event.map_err(|error| xml_error(error, place))?;
        let end = xml.buffer_position();
        let place = || Place::Byte(end);
        match event {
            Event::Decl(declaration) => check_encoding(&declaration, &place)?,
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
                for attribute in element.attributes() {
                    attribute.map_err(|error| bad_attribute(&error, &place))?;
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
                        let error = Error::format(place(), "masks", format!("a {other}"));
                        return Err(error.with_remedy(Remedy::SkipOtherShapes));
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
            Event::Text(ref text) if depth == 0 && text.trim_ascii().is_empty() => {}
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if depth == 0 => {
                return Err(Error::format(place(), "nothing outside of the element annotations", "text"));
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

/// An error for a file that says it is in another encoding than UTF-8: its names would be read wrong.
fn check_encoding(declaration: &BytesDecl<'_>, place: &dyn Fn() -> Place) -> Result<()> {
    let Some(Ok(encoding)) = declaration.encoding() else { return Ok(()) };
    let name: &str = encoding.as_ref();
    if ["utf-8", "utf8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(Error::format(place(), "a text in UTF-8", format!("the encoding {name:?}")))
}

fn xml_error(error: quick_xml::Error, place: Place) -> Error {
    match error {
        quick_xml::Error::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => {
            Error::LimitExceeded { what: "bytes of one element of XML".into(), limit: MAX_EVENT, found: MAX_EVENT + 1 }
        }
        quick_xml::Error::Io(source) => reading(source.kind().into()),
        other => Error::format(place, "the XML of a cvat file", format!("a defect: {other}")),
    }
}

fn bad_attribute(error: &dyn std::fmt::Display, place: &dyn Fn() -> Place) -> Error {
    Error::format(place(), "attributes of XML", format!("a defect: {error}"))
}

fn attribute(element: &BytesStart<'_>, name: &str, place: &dyn Fn() -> Place) -> Result<Option<String>> {
    let found = element.try_get_attribute(name).map_err(|error| bad_attribute(&error, place))?;
    let Some(found) = found else { return Ok(None) };
    let value = found.normalized_value(XmlVersion::Implicit1_0).map_err(|error| bad_attribute(&error, place))?;
    Ok(Some(value.into_owned()))
}

fn required(element: &BytesStart<'_>, name: &str, place: &dyn Fn() -> Place) -> Result<String> {
    attribute(element, name, place)?.ok_or_else(|| Error::format(place(), format!("the attribute {name}"), "none"))
}

fn number(element: &BytesStart<'_>, name: &str, place: &dyn Fn() -> Place) -> Result<u64> {
    let text = required(element, name, place)?;
    whole_number(&text)
        .ok_or_else(|| Error::format(place(), format!("a number from 0 as {name}"), show(text.as_bytes())))
}

fn read_image(
    element: &BytesStart<'_>,
    options: &ReadOptions,
    place: &dyn Fn() -> Place,
) -> Result<(CurrentImage, Option<String>)> {
    let id = match attribute(element, "text_id", place)? {
        Some(text) => text,
        None => required(element, "id", place)?,
    };
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
struct Masked {
    counts: Vec<u64>,
    boxed: Vec<Run>,
    runs: Vec<Run>,
    budget: Budget,
}

impl Masked {
    /// Reads a mask of `image`; with it `bytes` of the file have been read.
    fn push(
        &mut self,
        element: &BytesStart<'_>,
        image: &CurrentImage,
        bytes: u64,
        sink: &mut dyn ObjectSink,
    ) -> Result<()> {
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
            let count = whole_number(text.trim_matches(' '))
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
struct Masks<'a> {
    writer: Output<'a>,
    options: &'a WriteOptions,
    sequence: Sequence,
    turn: Turn,
    counts: Vec<u64>,
    boxed: Vec<Run>,
    images: PerImage,
    /// The categories of masks: CVAT lists them.
    labels: BTreeSet<String>,
}

impl<'a> Masks<'a> {
    fn new(writer: Output<'a>, options: &'a WriteOptions) -> Self {
        Self {
            writer,
            options,
            sequence: Sequence::new(options.renumber),
            turn: Turn::default(),
            counts: Vec::new(),
            boxed: Vec::new(),
            images: PerImage::counting_from(0),
            labels: BTreeSet::new(),
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
            return Err(Error::UnknownShape { what: "a cvat file holds them for every image".into() });
        };
        let runs = self.turn.runs(object, ScanOrder::RowMajor)?;
        let mut losses = Losses::default();
        let Some([left, top, width, height]) = boxed(&runs, shape, &mut self.boxed) else {
            // Without runs there is no box.
            if !self.options.drop_empty_labels {
                let image = Some(object.image.to_owned());
                losses.add(Loss::EmptyLabel { image, label: object.label });
            }
            return losses.refuse(FORMAT.name);
        };
        self.sequence.next(object.image, object.label, &mut losses);
        if let Some(count) = self.options.large_counts.fill(&self.boxed, width * height, &mut self.counts)? {
            losses.add(Loss::LargeCount { count });
        }
        losses.refuse(FORMAT.name)?;
        let text = &mut self.images.entry(object.image, object.shape).text;
        let label = object.category.or(self.options.category.as_deref()).unwrap_or("object");
        if !self.labels.contains(label) {
            self.labels.insert(label.to_owned());
        }
        text.extend_from_slice(b"    <mask label=\"");
        push_attribute(text, label)?;
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
        let images = self.images.iter().count();
        text.extend_from_slice(
            format!(
                "  <meta>\n    <task>\n      <size>{images}</size>\n      <mode>annotation</mode>\n      \
                 <start_frame>0</start_frame>\n      <stop_frame>{}</stop_frame>\n      <labels>\n",
                images.saturating_sub(1)
            )
            .as_bytes(),
        );
        for label in &self.labels {
            text.extend_from_slice(b"        <label>\n          <name>");
            push_attribute(&mut text, label)?;
            text.extend_from_slice(
                b"</name>\n          <type>mask</type>\n          <attributes></attributes>\n        </label>\n",
            );
        }
        text.extend_from_slice(b"      </labels>\n    </task>\n  </meta>\n");
        for image in self.images.iter() {
            let Some(shape) = image.shape else {
                let what = format!("image {}: a cvat file holds them for every image", image.id);
                return Err(Error::UnknownShape { what });
            };
            text.extend_from_slice(format!("  <image id=\"{}\" name=\"", image.number).as_bytes());
            push_attribute(&mut text, image.file_name())?;
            text.extend_from_slice(format!("\" width=\"{}\" height=\"{}\"", shape.width, shape.height).as_bytes());
            if let Some(id) = image.text_id() {
                text.extend_from_slice(b" text_id=\"");
                push_attribute(&mut text, id)?;
                text.push(b'"');
            }
            text.extend_from_slice(b">\n");
            text.extend_from_slice(&image.text);
            text.extend_from_slice(b"  </image>\n");
            self.writer.write_all(&text).map_err(writing)?;
            text.clear();
        }
        text.extend_from_slice(b"</annotations>\n");
        self.writer.write_all(&text).map_err(writing)
    }
}

/// A text of an attribute or an element; what XML cannot hold at all is an error.
fn push_attribute(text: &mut Vec<u8>, value: &str) -> Result<()> {
    if let Some(control) = value.chars().find(|character| character.is_control()) {
        return Err(Error::Argument(format!("{value:?}: XML cannot hold {control:?} as it is")));
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
    use super::*;

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

    /// Text without an end.
    struct Endless;

    impl Read for Endless {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            bytes.fill(b' ');
            Ok(bytes.len())
        }
    }

    #[test]
    fn a_text_without_an_end_is_not_held() {
        let mut endless = BufReader::new("<annotations>".as_bytes().chain(Endless));
        let error = read(Format::Cvat, &mut endless, &ReadOptions::default()).unwrap_err();
        assert!(matches!(error, Error::LimitExceeded { limit: MAX_EVENT, .. }), "{error}");
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
        let image = "<image id='1' width='2' height='2'/>";
        for (text, message) in [
            (format!("<annotations>{image}</annotations> x"), "nothing outside of the element annotations, found text"),
            (format!("x <annotations>{image}</annotations>"), "the XML of a cvat file, found \"x\""),
            (format!("<annotations>{image}</annotations><![CDATA[x]]>"), "nothing outside of the element"),
            (format!("<annotations>{image}</annotations>&amp;"), "nothing outside of the element"),
            (format!("<annotations>{image}</annotations><annotations/>"), "one element annotations"),
            ("<annotations><image id='1' id='2' width='2' height='2'/></annotations>".into(), "attributes of XML"),
            ("<annotations><image id='1' width='2' height='2' z='1' z='2'/></annotations>".into(), "attributes of XML"),
            (
                format!("<?xml version='1.0' encoding='ISO-8859-1'?><annotations>{image}</annotations>"),
                "a text in UTF-8, found the encoding \"ISO-8859-1\"",
            ),
        ] {
            let error = outcome(text.as_bytes(), 4096).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
        let plain =
            format!("<?xml version='1.0' encoding='utf-8'?>\n<annotations>{image}</annotations>\n <!-- end -->\n");
        assert_eq!(outcome(plain.as_bytes(), 4096), Ok(0));
        assert!(outcome(b"<annotations><image id='0' width='5' height='4'>", 4096).is_err());
        assert!(outcome(b"<html/>", 4096).unwrap_err().contains("expected the element annotations"));
        assert!(outcome(b"", 4096).is_err());
    }
}
