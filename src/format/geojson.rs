//! `geojson`: polygons, as QuPath and most other programs exchange them.
//!
//! ```text
//! file     := collection | feature | geometry | [feature, ...] | value EOL value EOL ...   of any of these
//! collection := {"type": "FeatureCollection", "features": [feature, ...], ...}
//! feature  := {"type": "Feature", "id", "geometry": geometry, "properties": properties, ...}
//! geometry := {"type": "Polygon", "coordinates": polygon} | {"type": "MultiPolygon", "coordinates": [polygon, ...]}
//! polygon  := [ring, ...]          the outer ring, then holes
//! ring     := [[x, y], ...]        the last point is the first one
//! properties := {"objectType", "classification": {"name", "color": [r, g, b]}, "measurements", "metadata": {"label"}, ...}
//! ```
//! Keys come in any order; keys that are not named here are passed over, and so are numbers after x and y.
//! * Coordinates: pixels, x to the right, y down, from the corner of the first pixel, which is the square from 0 to 1. They may
//!   be fractions, and outside the mask. Written ones are whole: corners of pixels.
//! * Pixels: those whose centres are inside ([`FillRule`]), by even and odd over all rings of a feature, so that neither the
//!   direction of rings nor crossings need a rule. A ring that is not closed is closed.
//! * Shape: not in the file; needed to read and to write.
//! * Labels: `metadata.label`, as QuPath keeps it, or the property that is asked for; 1, 2, 3 ... in the order of the file
//!   where no feature has one. Features of one label are united. The label is written as `metadata.label`.
//! * Category: the name of the class. Score: a measurement of the name `score`.
//! * Empty: a label without runs has no outline and is not written. Overlap: allowed.
//! * Read is what QuPath writes, from 0.2 on: a class as text or as an object, with or without a colour. Points, lines and
//!   features without a geometry are passed over and counted; other geometries are an error, or passed over on request.
//! * Written: one feature a line, an outer ring clockwise as one sees it, holes the other way. Ids are UUIDs made from the
//!   image's id and the label: the same input gives the same bytes. QuPath does not read a class without a colour, so a class
//!   always has one, made from its name unless it is given. From 10,000 objects on they are detections, of which QuPath can
//!   hold many, otherwise annotations, unless told.
//! * Limits: coordinates up to 2^53; a ring has three points that differ.
//! * Source: RFC 7946; `qupath.lib.io` (GsonTools, QuPathTypeAdapters).

mod ids;
mod read;
mod shapes;
#[cfg(test)]
mod tests;
mod write;

use super::Capabilities;
use super::description::{Description, Holds, Reader, Special, Unsaid, Writer};
use super::detect::Fit;
use crate::names::names;
#[cfg(doc)]
use crate::runs::FillRule;
use crate::shape::ScanOrder;

pub(super) static FORMAT: Description = Description {
    name: "geojson",
    about: "GeoJSON polygons at pixel corners, as QuPath reads and writes them; labels in metadata.label",
    extension: "geojson",
    owns_extension: true,
    headers: &[],
    capabilities: Capabilities {
        many_images: false,
        holds_shape: false,
        needs_shape: true,
        any_labels: true,
        empty_labels: false,
        any_order: false,
    },
    holds: |_| Holds { categories: true, scores: true, ..Holds::default() },
    unsaid: Unsaid::NOTHING,
    order: ScanOrder::ColumnMajor,
    bases: &[0],
    options: &[
        Special::Categories,
        Special::Category,
        Special::ObjectType,
        Special::ClassColor,
        Special::Simplify,
        Special::Measure,
    ],
    fits: |beginning| match beginning.outline() {
        None => Fit::No,
        Some(keys) if keys.has_any(&["features", "geometry"]) => Fit::Sure,
        Some(keys) if keys.has("coordinates") && keys.has("type") => Fit::Sure,
        _ => Fit::No,
    },
    read: Reader::Objects(read::read),
    write: Writer::Objects(|writer, options| Ok(Box::new(write::Features::new(writer, options)))),
};

/// What an object is to QuPath.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectType {
    /// An outline that people draw and edit.
    Annotation,
    /// One of many objects that a program found. They are much lighter than annotations and cannot be edited.
    Detection,
    /// A detection that is a cell.
    Cell,
    /// A detection that is a tile.
    Tile,
}

names! {
    "an object type of QuPath", ObjectType {
        Annotation => "annotation",
        Detection => "detection",
        Cell => "cell",
        Tile => "tile",
    }
}

/// The name of the measurement that holds a score.
const SCORE: &str = "score";
