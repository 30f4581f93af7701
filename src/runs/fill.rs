//! Filling: polygons to the runs of every label, without a mask.
//!
//! Gets [`Polygons`] and the shape of the mask; gives [`LabelRuns`] in column-major order; guarantees the pixels of the rule
//! that was chosen, whatever parts of polygons lie outside the mask, and that filling what was traced gives the same runs.
//!
//! | rule | a pixel is inside when |
//! |---|---|
//! | [`FillRule::Centre`] | its centre is inside; a centre on the outline is inside where the inside is below or, where the outline is vertical, to the right |
//! | [`FillRule::Coco`] | pycocotools' `frPyObjects` says so |
//!
//! Both rules find places in which the outline crosses columns of pixels, as a column and a row: from there down, inside and
//! outside are exchanged. Sorted, two of them are a run. What is covered by an even number of the rings of a feature is
//! outside of it, whichever way the rings go; with `coco`, of the rings of a polygon, and polygons are united. So rings that
//! cross themselves or each other need no rule of their own.

mod coco;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::build::{Empty, build_with, groups};
use super::polygons::{Point, Polygons, Rings};
use super::{LabelRuns, Run, push, unite};
use crate::error::{Error, Result};
use crate::names::names;
use crate::shape::{ScanOrder, Shape};

/// Which pixels are inside a polygon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum FillRule {
    /// Those whose centre is inside. A centre on the outline is inside when the inside is below it, or, on a vertical
    /// outline, to its right; so of two polygons with an edge in common exactly one has the pixel.
    #[default]
    Centre,
    /// Those of `frPyObjects` in pycocotools, bit by bit, though without its limit of 32 bits for positions.
    Coco,
}

names! {
    "a fill rule", FillRule {
        Centre => "centre" | "center",
        Coco => "coco",
    }
}

/// The largest coordinate, either way: to there every whole number has a value of its own.
pub(crate) const LARGEST: f64 = 9_007_199_254_740_992.0;

/// Crossings of outlines with columns that may come of the polygons of one label, however few their points: 32 MiB of them.
const ALWAYS: u64 = 1 << 22;

/// Crossings that may come of one point, beside those: 512 bytes. Between two points of a large outline lie a few columns.
const FOR_EACH: u64 = 64;

impl Polygons {
    /// The same polygons for a mask of another shape, or of none that is known.
    #[must_use]
    pub fn with_shape(mut self, shape: impl Into<Option<Shape>>) -> Self {
        self.shape = shape.into();
        self
    }

    /// The runs of the pixels inside, column-major. Features of one label are united. Labels may overlap:
    /// [`LabelRuns::disjoint`] decides who keeps such pixels.
    ///
    /// What is outside the mask is left out, so a label may have no runs.
    ///
    /// # Errors
    /// [`Error::UnknownShape`]; [`Error::Argument`] names feature and place of a coordinate that is not finite or past 2^53,
    /// and of a ring of fewer than three points that differ; [`Error::LimitExceeded`] for polygons that cover more columns
    /// than 64 for each of their points, and more than 2^22.
    ///
    /// ```
    /// use runmask::{FillRule, LabelMask, Shape};
    /// let mask = LabelMask::new(&[7u8, 7, 0, 7], Shape { height: 2, width: 2 })?;
    /// let runs = runmask::encode(&mask)?;
    /// assert_eq!(runs.polygons()?.fill(FillRule::Centre)?, runs);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn fill(&self, rule: FillRule) -> Result<LabelRuns> {
        let shape = self.shape.ok_or_else(|| Error::UnknownShape { what: "filling polygons".into() })?;
        let mut features: Vec<usize> = (0..self.labels.len()).collect();
        features.sort_unstable_by_key(|&feature| (self.labels[feature], feature));
        let labels = groups(&features, |&feature| self.labels[feature]);
        let fill = |filler: &mut Filler, index: usize, runs: &mut Vec<Run>| {
            let features = &features[labels[index].clone()];
            let label = self.labels[features[0]];
            filler.runs.clear();
            for &feature in features {
                let polygons = self.feature_offsets[feature]..self.feature_offsets[feature + 1];
                check(&self.rings, polygons.clone())
                    .and_then(|()| filler.fill(&self.rings, polygons).map_err(Fault::Crossings))
                    .map_err(|fault| fault.into_error(&format!("feature {feature} (label {label})")))?;
            }
            if features.len() > 1 {
                unite(&mut filler.runs);
            }
            runs.extend_from_slice(&filler.runs);
            Ok(label)
        };
        let memory = || Filler::new(shape, rule);
        build_with(self.shape, ScanOrder::ColumnMajor, labels.len(), Empty::Keep, memory, fill)
    }
}

/// Why polygons cannot be filled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// A ring of a polygon, and what is wrong with it.
    Ring {
        polygon: usize,
        ring: usize,
        expected: &'static str,
        found: String,
    },
    Crossings(Crossings),
}

/// More crossings than are allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Crossings {
    limit: u64,
    found: u64,
}

impl Fault {
    /// The error for polygons of `feature`.
    fn into_error(self, feature: &str) -> Error {
        match self {
            Self::Ring { polygon, ring, expected, found } => Error::Argument(format!(
                "{feature}, polygon {polygon}, ring {ring}: expected {expected}, found {found}"
            )),
            Self::Crossings(found) => found.into_error(feature),
        }
    }
}

impl Crossings {
    pub(crate) fn into_error(self, feature: &str) -> Error {
        let what = format!("{feature}: columns that its edges cover, together");
        Error::LimitExceeded { what, limit: self.limit, found: self.found }
    }
}

/// An error unless all rings of some polygons can be filled.
fn check(rings: &Rings, polygons: Range<usize>) -> Result<(), Fault> {
    for (place, polygon) in polygons.enumerate() {
        for (ring, points) in rings.of_polygon(polygon).enumerate() {
            check_ring(rings.ring(points)).map_err(|(expected, found)| Fault::Ring {
                polygon: place,
                ring,
                expected,
                found,
            })?;
        }
    }
    Ok(())
}

/// What a ring must have, and what it has, unless it can be filled.
pub(crate) fn check_ring(points: &[Point]) -> Result<(), (&'static str, String)> {
    for (place, &[x, y]) in points.iter().enumerate() {
        // Not so for NaN.
        if !(x.abs() <= LARGEST && y.abs() <= LARGEST) {
            return Err(("coordinates between -2^53 and 2^53", format!("point {place}: {x}, {y}")));
        }
    }
    let Some(&first) = points.first() else { return Err(("three points that differ", "no point".into())) };
    let mut others = points.iter().filter(|&&point| point != first);
    match others.next().map(|&second| others.any(|&point| point != second)) {
        Some(true) => Ok(()),
        Some(false) => Err(("three points that differ", "two".into())),
        None => Err(("three points that differ", "one".into())),
    }
}

/// Fills one feature after another, and keeps its memory in between.
#[derive(Debug)]
pub(crate) struct Filler {
    shape: Shape,
    rule: FillRule,
    crossings: Vec<Crossing>,
    /// What was filled: maximal runs, ascending, where that was one feature.
    pub(crate) runs: Vec<Run>,
}

/// Where inside and outside are exchanged: the column, and the first row that is on the other side, which is the height when
/// none is.
type Crossing = (u32, u32);

impl Filler {
    pub(crate) fn new(shape: Shape, rule: FillRule) -> Self {
        Self { shape, rule, crossings: Vec::new(), runs: Vec::new() }
    }

    /// Begins another object, of a mask of this shape.
    #[cfg(feature = "json")]
    pub(crate) fn begin(&mut self, shape: Shape) {
        self.shape = shape;
        self.runs.clear();
    }

    /// Adds the runs of the polygons of one feature, whose rings were checked.
    pub(crate) fn fill(&mut self, rings: &Rings, polygons: Range<usize>) -> Result<(), Crossings> {
        if self.shape.pixels() == 0 {
            return Ok(());
        }
        match self.rule {
            FillRule::Centre => {
                let rings_of = rings.polygon_offsets[polygons.start]..rings.polygon_offsets[polygons.end];
                self.cross(rings, rings_of, columns, cross)?;
                self.pair();
            }
            FillRule::Coco => {
                let several = polygons.len() > 1;
                for polygon in polygons {
                    self.cross(rings, rings.of_polygon(polygon), coco::columns, coco::cross)?;
                    self.pair();
                }
                if several {
                    unite(&mut self.runs);
                }
            }
        }
        Ok(())
    }

    /// Collects the crossings of rings. `columns` gives the columns that an edge crosses, `cross` its crossings with them.
    #[inline]
    fn cross(
        &mut self,
        rings: &Rings,
        range: Range<usize>,
        columns: impl Fn(Point, Point, Shape) -> Range<u32>,
        cross: impl Fn(Point, Point, Range<u32>, Shape, &mut Vec<Crossing>),
    ) -> Result<(), Crossings> {
        self.crossings.clear();
        let points = rings.ring_offsets[range.end] - rings.ring_offsets[range.start];
        let limit = ALWAYS.max((points as u64).saturating_mul(FOR_EACH));
        let mut found = 0_u64;
        for ring in range {
            for edge in rings.ring(ring).windows(2) {
                let columns = columns(edge[0], edge[1], self.shape);
                if columns.is_empty() {
                    continue;
                }
                found += u64::from(columns.end - columns.start);
                if found > limit {
                    return Err(Crossings { limit, found });
                }
                cross(edge[0], edge[1], columns, self.shape, &mut self.crossings);
            }
        }
        Ok(())
    }

    /// Adds the runs between crossings.
    fn pair(&mut self) {
        // A ring goes back and forth over the columns: few ascending and descending stretches, which this sort merges.
        self.crossings.sort();
        let height = u64::from(self.shape.height);
        for pair in self.crossings.chunks_exact(2) {
            // Every ring crosses a column an even number of times.
            let ((column, first), (_, end)) = (pair[0], pair[1]);
            let start = u64::from(column) * height + u64::from(first);
            push(&mut self.runs, Run { start, length: u64::from(end - first) });
        }
    }
}

/// The columns whose line of centres an edge crosses: from that on which it begins, but not that on which it ends.
#[inline]
fn columns([x0, _]: Point, [x1, _]: Point, shape: Shape) -> Range<u32> {
    // The conversion saturates, so columns outside the mask fall to its sides.
    let column = |x: f64| ((x - 0.5).ceil() as u32).min(shape.width);
    column(x0.min(x1))..column(x0.max(x1))
}

/// Where an edge crosses the lines of centres of some columns.
#[inline]
fn cross(a: Point, b: Point, columns: Range<u32>, shape: Shape, crossings: &mut Vec<Crossing>) {
    // From the left to the right: an edge that two polygons share is the same to both, to the last bit.
    let ([x0, y0], [x1, y1]) = if a[0] < b[0] { (a, b) } else { (b, a) };
    let row = |y: f64| ((y - 0.5).ceil() as u32).min(shape.height);
    if y0 == y1 {
        let row = row(y0);
        crossings.extend(columns.map(|column| (column, row)));
        return;
    }
    let (width, height) = (x1 - x0, y1 - y0);
    crossings.extend(columns.map(|column| {
        let x = f64::from(column) + 0.5;
        (column, row(y0 + (x - x0) * height / width))
    }));
}
