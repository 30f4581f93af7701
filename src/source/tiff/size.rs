//! The size of a pixel, as TIFF files say it.
//!
//! Gets a file and a page; gives micrometres, or nothing where nobody measured them. In this order:
//! 1. OME-XML in the first directory: `PhysicalSizeX` and `PhysicalSizeY` of the image that the page belongs to. Without a unit they are
//!    micrometres, unless they are 1.
//! 2. `unit=` in what ImageJ wrote of the page: its resolution is in pixels for each such unit.
//! 3. The resolution in pixels for each inch or centimetre. Pixels of 84 um and more are left out: 72, 96 or 300 dots for each inch
//!    are what programs write for screens and printers. A resolution without a unit says nothing.
//!
//! A level of a pyramid has as much larger pixels as it is smaller than its page. A description that cannot be read says
//! nothing, for it takes no part in the mask.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::directory::Directory;
use super::pages::{find, is_level};
use crate::error::Result;
use crate::runs::PixelSize;
use crate::source::OpenOptions;
use crate::source::pages::in_micrometres;
use crate::source::random_access::RandomAccess;
use crate::tiff::tag;

/// Micrometres of a pixel from which on a resolution was not measured: 300 pixels an inch are 84.7.
const DOTS: f64 = 84.0;

/// Bytes of a description that are read, at most.
const MOST_BYTES: u64 = 64 << 20;

/// The size of a pixel of the page and level that the options ask for.
pub(super) fn pixel_size(file: &RandomAccess, options: &OpenOptions) -> Result<Option<PixelSize>> {
    let (_, page) = find(file, options.page, 0)?;
    let (mut height, mut width) = match of_page(file, options.page, &page)? {
        Some(found) => found,
        None => return Ok(None),
    };
    if options.level > 0 {
        let (_, level) = find(file, options.page, options.level)?;
        let times = |tag| Ok::<_, crate::Error>(page.integer(file, tag)?.zip(level.integer(file, tag)?).map(scale));
        let (Some(taller), Some(wider)) = (times(tag::HEIGHT)?, times(tag::WIDTH)?) else { return Ok(None) };
        (height, width) = (height * taller, width * wider);
    }
    Ok(PixelSize::new(height, width).ok())
}

/// How many times as long a side is as that of a level; sides of levels are rounded.
fn scale((side, of_level): (u64, u64)) -> f64 {
    let times = side.checked_add(of_level / 2).and_then(|sum| sum.checked_div(of_level)).unwrap_or(0);
    match times {
        1.. if side / times == of_level || side.div_ceil(times) == of_level => times as f64,
        _ => side as f64 / of_level as f64,
    }
}

/// Height and width of a pixel of a whole page.
fn of_page(file: &RandomAccess, number: u32, page: &Directory) -> Result<Option<(f64, f64)>> {
    // Sizes in OME-XML are of pages that are no levels of others.
    if !is_level(file, page)? {
        let (_, first) = find(file, 0, 0)?;
        if let Some(text) = first.text(file, tag::DESCRIPTION, MOST_BYTES)?.filter(|text| text.contains("OME"))
            && let Some(size) = ome(&text, number.into())
        {
            return Ok(Some(size));
        }
    }
    let (Some(across), Some(down)) = (page.fraction(file, tag::X_RESOLUTION)?, page.fraction(file, tag::Y_RESOLUTION)?)
    else {
        return Ok(None);
    };
    let sizes = |unit: f64| {
        let side = |(pixels, units): (u32, u32)| unit * f64::from(units) / f64::from(pixels);
        Some((side(down), side(across)))
    };
    let text = page.text(file, tag::DESCRIPTION, MOST_BYTES)?;
    if let Some(unit) = text.as_deref().and_then(imagej)
        && unit < 1e4
    {
        return Ok(sizes(unit));
    }
    let unit = match page.integer(file, tag::RESOLUTION_UNIT)? {
        Some(2) => 25_400.0,
        Some(3) => 10_000.0,
        _ => return Ok(None),
    };
    Ok(sizes(unit).filter(|&(height, width)| height < DOTS && width < DOTS))
}

/// The unit that ImageJ names, in micrometres.
fn imagej(text: &str) -> Option<f64> {
    let lines = text.strip_prefix("ImageJ=")?.lines();
    let unit = lines.filter_map(|line| line.strip_prefix("unit=")).next()?.trim();
    // Written so for programs that know no other letters than those of English.
    in_micrometres(&unit.replace("\\u00B5", "\u{b5}"))
}

/// An `Image` of OME-XML, as far as it is read.
#[derive(Default)]
struct Image {
    height: Option<f64>,
    width: Option<f64>,
    /// Whether it names pages of this file or others.
    names_pages: bool,
    /// Whether the page is among them.
    has_page: bool,
}

/// Pages that a `TiffData` element names, and whether they lie in this file.
struct Planes {
    first: u64,
    end: u64,
    here: bool,
}

/// Height and width of a pixel of the page, as OME-XML says them.
fn ome(text: &str, page: u64) -> Option<(f64, f64)> {
    let mut reader = Reader::from_str(text);
    let mut images: Vec<Image> = Vec::new();
    let (mut planes, mut file_id, mut in_id): (Option<Planes>, Option<String>, bool) = (None, None, false);
    loop {
        let event = reader.read_event().ok()?;
        match &event {
            Event::Start(element) | Event::Empty(element) => match element.local_name().as_ref() {
                "OME" => file_id = attribute(element, "UUID"),
                "Image" => images.push(Image::default()),
                "Pixels" => {
                    let image = images.last_mut()?;
                    image.height = side(element, "PhysicalSizeY", "PhysicalSizeYUnit");
                    image.width = side(element, "PhysicalSizeX", "PhysicalSizeXUnit");
                }
                "TiffData" => {
                    let number = |name| attribute(element, name).and_then(|value| value.trim().parse::<u64>().ok());
                    let (first, count) = (number("IFD"), number("PlaneCount"));
                    let count = count.unwrap_or(if first.is_some() { 1 } else { u64::MAX });
                    let first = first.unwrap_or(0);
                    planes = Some(Planes { first, end: first.saturating_add(count), here: true });
                }
                "UUID" => in_id = true,
                _ => {}
            },
            Event::Text(value) if in_id => {
                let id: &str = value.as_ref();
                if let (Some(planes), Some(file_id)) = (&mut planes, &file_id) {
                    planes.here = id.trim() == file_id;
                }
            }
            Event::Eof => break,
            _ => {}
        }
        let ends = match &event {
            Event::End(element) => Some(element.local_name()),
            Event::Empty(element) => Some(element.local_name()),
            _ => None,
        };
        match ends.as_ref().map(AsRef::as_ref) {
            Some("UUID") => in_id = false,
            Some("TiffData") => {
                if let (Some(planes), Some(image)) = (planes.take(), images.last_mut()) {
                    image.names_pages = true;
                    image.has_page |= planes.here && (planes.first..planes.end).contains(&page);
                }
            }
            _ => {}
        }
    }
    let image = match &images[..] {
        [only] if !only.names_pages => only,
        _ => images.iter().find(|image| image.has_page)?,
    };
    image.height.zip(image.width)
}

/// A length in micrometres, where it is one.
fn side(element: &BytesStart<'_>, name: &str, unit_name: &str) -> Option<f64> {
    let value: f64 = attribute(element, name)?.trim().parse().ok()?;
    let size = match attribute(element, unit_name) {
        Some(unit) => value * in_micrometres(unit.trim())?,
        None if value == 1.0 => return None,
        None => value,
    };
    (size.is_finite() && size > 0.0).then_some(size)
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = element.try_get_attribute(name).ok()??;
    Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
}

#[cfg(test)]
mod tests;
