//! Polygons of a file, filled one object after another.
//!
//! Gets rings as they stand in a file; gives the runs of the pixels inside; guarantees that memory follows the points of the
//! file, and the mask where its size is the caller's: a few points may stand for very many runs.

use crate::error::{Error, Place, Result};
use crate::runs::{FillRule, Filler, Rings, Run, check_ring, unite};
use crate::shape::Shape;

/// Runs that a file may hold however few points it has, for each point of its polygons, and for how many pixels of the mask
/// that is asked for.
const ALWAYS: u64 = 1 << 22;
const FOR_EACH_POINT: u64 = 16;
const FOR_PIXELS: u64 = 256;

/// Fills the polygons of a file.
#[derive(Debug)]
pub(super) struct Polygons {
    filler: Filler,
    /// Whether an object is the union of its polygons; otherwise the centre rule leaves out what two of them cover.
    united: bool,
    /// Runs that are allowed beside those for points.
    allowed: u64,
    points: u64,
    runs: u64,
}

impl Polygons {
    /// For a mask whose size the caller gives, or for images whose sizes the file says.
    pub(super) fn new(given: Option<Shape>, rule: FillRule) -> Self {
        let allowed = ALWAYS + given.map_or(0, |shape| shape.pixels() / FOR_PIXELS);
        let shape = given.unwrap_or(Shape { height: 0, width: 0 });
        Self { filler: Filler::new(shape, rule), united: false, allowed, points: 0, runs: 0 }
    }

    /// The polygons of an object are filled one by one and united.
    pub(super) fn united(self) -> Self {
        Self { united: true, ..self }
    }

    /// The runs of an object's polygons, column-major, ascending and maximal. `name` says which object it is.
    ///
    /// # Errors
    /// [`Error::Format`] names the ring that cannot be filled; [`Error::LimitExceeded`].
    pub(super) fn fill(&mut self, rings: &Rings, shape: Shape, name: impl Fn() -> String) -> Result<&[Run]> {
        for polygon in 0..rings.len() {
            for (ring, number) in rings.of_polygon(polygon).enumerate() {
                check_ring(rings.ring(number)).map_err(|(expected, found)| {
                    let place = format!("{}, polygon {polygon}, ring {ring}", name());
                    Error::format(Place::Part(place), expected, found)
                })?;
            }
        }
        self.filler.begin(shape);
        let at_once = if self.united { 1 } else { rings.len() };
        for first in (0..rings.len()).step_by(at_once.max(1)) {
            let filled = self.filler.fill(rings, first..first + at_once);
            filled.map_err(|crossings| crossings.into_error(&name()))?;
        }
        if self.united && rings.len() > 1 {
            unite(&mut self.filler.runs);
        }
        self.points += rings.points.len() as u64;
        self.runs += self.filler.runs.len() as u64;
        let limit = self.allowed.saturating_add(FOR_EACH_POINT * self.points);
        if self.runs > limit {
            let what = format!("runs of the polygons up to {}, which have {} points", name(), self.points);
            return Err(Error::LimitExceeded { what, limit, found: self.runs });
        }
        Ok(&self.filler.runs)
    }
}
