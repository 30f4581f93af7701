//! Tracing: the runs of every label to polygons, without a mask.
//!
//! Gets [`LabelRuns`] in either scan order; gives [`Polygons`] through pixel corners; guarantees that the polygons of a label
//! cover its pixels and nothing else. In particular:
//! * pixels are connected by their four neighbours: each piece is a polygon, and holes are rings of it;
//! * every ring is simple: none passes through a point twice. Rings of a polygon may touch in points;
//! * outer rings go clockwise as one sees them (y is down), holes the other way;
//! * a ring begins and ends with its smallest point, by x and then y, and has no point on a straight line between its
//!   neighbours. Polygons and the holes of each are in the order of their first points;
//! * the result depends on nothing but the pixels: neither on the scan order nor on the number of threads.
//!
//! One sweep over the columns of a label. Between two columns, at `x`, the places where runs begin or end in the column to
//! the left or in that to the right are visited from the top down:
//!
//! ```text
//!   left | right   one of them changes      a corner; an edge along x begins or ends in it
//!    A   |  .      both, the same way       the outline goes straight on
//!    A   |  A      both, opposite ways      two pixels meet in a corner: a corner for each of them, so they stay apart
//! ```
//!
//! A corner ends one edge along `x` and one edge across, and each edge has its direction from the side on which the pixels
//! are. So every corner knows the next one as soon as both are found, and rings are read off by following them.

#[cfg(test)]
pub(super) mod tests;

use std::ops::Range;

use super::lines::{self, Piece};
use super::polygons::{Polygons, Rings};
use super::{LabelRuns, Run};
use crate::error::{Error, Result};
use crate::memory::{refill, reserve};
use crate::shape::ScanOrder;

impl LabelRuns {
    /// The polygons of every label, a feature for each of [`LabelRuns::labels`], in their order; a label without runs has a
    /// feature without polygons.
    ///
    /// Each label is traced by itself, whether labels overlap or not. Time and memory are proportional to the runs.
    ///
    /// # Errors
    /// [`Error::UnknownShape`]; [`Error::LimitExceeded`] for a label of more than about 10^9 runs, and for row-major runs
    /// that have absurdly many counterparts in columns ([`LabelRuns::to_order`]).
    pub fn polygons(&self) -> Result<Polygons> {
        if self.order == ScanOrder::RowMajor {
            self.known_shape()?;
            return self.to_order(ScanOrder::ColumnMajor)?.polygons();
        }
        let height = self.known_shape()?.height;
        let trace = |tracer: &mut Tracer, index: usize, rings: &mut Rings| {
            tracer.trace(self.runs_at(index), height, rings).map_err(|error| of_label(error, self.labels[index]))
        };
        Polygons::build(self.shape, self.labels.clone(), &self.offsets, Tracer::default, trace)
    }

    fn known_shape(&self) -> Result<crate::shape::Shape> {
        self.shape.ok_or_else(|| Error::UnknownShape { what: "polygons of runs".into() })
    }
}

fn of_label(error: Error, label: u64) -> Error {
    match error {
        Error::LimitExceeded { what, limit, found } => {
            Error::LimitExceeded { what: format!("label {label}: {what}"), limit, found }
        }
        other => other,
    }
}

/// What an error calls the memory of outlines.
const OUTLINES: &str = "outlines of labels";

/// Traces one label after another, and keeps its memory in between.
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    pieces: Vec<Piece>,
    outline: Outline,
    found: Found,
    components: Components,
}

impl Tracer {
    /// Adds the polygons of column-major runs, which ascend inside columns of `height` pixels, to `rings`.
    pub(crate) fn trace(&mut self, runs: &[Run], height: u32, rings: &mut Rings) -> Result<()> {
        lines::pieces(runs, height, &mut self.pieces)?;
        let most = u64::from(NONE) / 4;
        if self.pieces.len() as u64 > most {
            let what = "runs whose outline is traced".into();
            return Err(Error::LimitExceeded { what, limit: most, found: self.pieces.len() as u64 });
        }
        self.outline.sweep(&self.pieces)?;
        self.found.follow(&mut self.outline)?;
        // Each ring ends with its first corner.
        let many = self.found.rings.len();
        rings.make_room(self.found.corners.len() + many, many, many)?;
        let outer = self.found.rings.iter().filter(|ring| !ring.hole).count();
        if outer == self.found.rings.len() || outer == 1 {
            // The outer ring of the only polygon begins before its holes.
            for ring in &self.found.rings {
                self.write(ring, rings);
                if outer > 1 {
                    rings.end_polygon();
                }
            }
            if outer == 1 {
                rings.end_polygon();
            }
            return Ok(());
        }
        self.components.find(&self.pieces)?;
        let Self { found, components, pieces, outline, .. } = self;
        // A ring belongs to the piece on its inside.
        for ring in &mut found.rings {
            let [x, y] = outline.corners[found.corners[ring.corners.start] as usize];
            let column = if ring.hole { x - 1 } else { x };
            let piece = pieces.partition_point(|piece| (piece.line, piece.start) <= (column, y)) - 1;
            ring.component = components.root(piece as u32);
        }
        let mut order: Vec<(u32, u32)> = Vec::new();
        reserve(&mut order, found.rings.len(), OUTLINES)?;
        // Outer rings come before their holes: each component gets the place of its outer ring.
        for (place, ring) in found.rings.iter().enumerate() {
            let root = &mut components.place[ring.component as usize];
            if !ring.hole {
                *root = place as u32;
            }
            order.push((*root, place as u32));
        }
        order.sort_unstable();
        for (index, &(polygon, place)) in order.iter().enumerate() {
            if index > 0 && polygon == place {
                rings.end_polygon();
            }
            self.write(&self.found.rings[place as usize], rings);
        }
        rings.end_polygon();
        Ok(())
    }

    /// Adds a ring.
    fn write(&self, ring: &Ring, rings: &mut Rings) {
        let corners = &self.found.corners[ring.corners.clone()];
        let point = |&corner: &u32| self.outline.corners[corner as usize].map(f64::from);
        rings.points.extend(corners.iter().chain(corners.first()).map(point));
        rings.end_ring();
    }
}

const NONE: u32 = u32::MAX;

/// The outline of a label: its corners, and for each the next one.
#[derive(Debug, Default)]
struct Outline {
    /// x and y, ascending by x and then y.
    corners: Vec<[u32; 2]>,
    /// For each corner the next one with the pixels to the right of the edge; [`NONE`] once its ring was followed.
    next: Vec<u32>,
    /// Whether two corners are at one point. They then follow one another.
    meets: bool,
    /// The corners at which the edges across begin that go on to the right: two for each piece of a column, its top and its
    /// bottom. Of the column to the left and of that to the right.
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Outline {
    fn sweep(&mut self, pieces: &[Piece]) -> Result<()> {
        self.corners.clear();
        self.next.clear();
        // A piece has two places in the line before it and two in the line after it, and at each of them is at most one corner
        // of its own.
        reserve(&mut self.corners, 4 * pieces.len(), OUTLINES)?;
        reserve(&mut self.next, 4 * pieces.len(), OUTLINES)?;
        self.meets = false;
        let mut left: &[Piece] = &[];
        for column in lines::by_line(pieces) {
            let right = &pieces[column];
            let x = right[0].line;
            if let Some(last) = left.first().map(|piece| piece.last_line() + 1)
                && last < x
            {
                self.line(last, left, &[]);
                left = &[];
            }
            self.line(x, left, right);
            left = right;
        }
        if let Some(piece) = left.first() {
            self.line(piece.last_line() + 1, left, &[]);
        }
        Ok(())
    }

    /// Goes down the line at `x` between two columns.
    fn line(&mut self, x: u32, left: &[Piece], right: &[Piece]) {
        std::mem::swap(&mut self.left, &mut self.right);
        self.right.clear();
        // The tops and bottoms of the pieces in turn; past the last one, further down than any.
        let place = |pieces: &[Piece], index: usize| {
            pieces
                .get(index / 2)
                .map_or(u64::MAX, |piece| u64::from(if index.is_multiple_of(2) { piece.start } else { piece.end }))
        };
        // The corner at which the edge along x begins that reaches the place at hand, if one does.
        let mut above = NONE;
        let (mut i, mut j) = (0, 0);
        loop {
            let (a, b) = (place(left, i), place(right, j));
            let y = a.min(b);
            if y == u64::MAX {
                return;
            }
            let (in_left, in_right) = (!i.is_multiple_of(2), !j.is_multiple_of(2));
            if a == b {
                if in_left == in_right {
                    self.right.push(self.left[i]);
                } else {
                    // The first corner is that of the pixel above, the second that of the pixel below.
                    let (first, second) = (self.corner(x, y), self.corner(x, y));
                    self.meets = true;
                    self.edge_along(above, first, in_left);
                    let (of_left, of_right) = if in_left { (first, second) } else { (second, first) };
                    self.edge_across(i, of_left);
                    self.right.push(of_right);
                    above = second;
                }
                (i, j) = (i + 1, j + 1);
                continue;
            }
            let corner = self.corner(x, y);
            if in_left == in_right {
                above = corner;
            } else {
                self.edge_along(above, corner, in_left);
            }
            if a < b {
                self.edge_across(i, corner);
                i += 1;
            } else {
                self.right.push(corner);
                j += 1;
            }
        }
    }

    #[inline]
    fn corner(&mut self, x: u32, y: u64) -> u32 {
        let corner = self.corners.len() as u32;
        // A mask's sides fit into 32 bits.
        self.corners.push([x, y as u32]);
        self.next.push(NONE);
        corner
    }

    /// The edge from `above` down to `below` has pixels on one side: to the left, or else to the right.
    #[inline]
    fn edge_along(&mut self, above: u32, below: u32, to_the_left: bool) {
        let (from, to) = if to_the_left { (above, below) } else { (below, above) };
        self.next[from as usize] = to;
    }

    /// Ends the edge across that is the top or the bottom of a piece to the left.
    #[inline]
    fn edge_across(&mut self, index: usize, end: u32) {
        let begin = self.left[index];
        let (from, to) = if index.is_multiple_of(2) { (begin, end) } else { (end, begin) };
        self.next[from as usize] = to;
    }

    /// The other corner at the point of this one.
    fn mate(&self, corner: u32) -> Option<u32> {
        let at = self.corners[corner as usize];
        let same = |other: u32| self.corners.get(other as usize).is_some_and(|&point| point == at);
        [corner.wrapping_sub(1), corner + 1].into_iter().find(|&other| same(other))
    }
}

/// A ring: a stretch of [`Found::corners`].
#[derive(Clone, Debug)]
struct Ring {
    corners: Range<usize>,
    hole: bool,
    /// Which piece it belongs to, where that matters.
    component: u32,
}

/// The rings of a label, in the order of their first corners.
#[derive(Debug, Default)]
struct Found {
    corners: Vec<u32>,
    rings: Vec<Ring>,
    /// The corners since the ring at hand began.
    path: Vec<u32>,
    /// The place of a corner in `path`; only where a label meets itself.
    places: Vec<u32>,
}

impl Found {
    fn follow(&mut self, outline: &mut Outline) -> Result<()> {
        let corners = outline.corners.len();
        self.corners.clear();
        self.rings.clear();
        // A corner is part of one ring.
        reserve(&mut self.corners, corners, OUTLINES)?;
        reserve(&mut self.path, corners, OUTLINES)?;
        if outline.meets {
            refill(&mut self.places, corners, NONE, OUTLINES)?;
        }
        for start in 0..outline.corners.len() as u32 {
            if outline.next[start as usize] == NONE {
                continue;
            }
            let mut at = start;
            loop {
                if outline.meets {
                    if let Some(since) =
                        outline.mate(at).map(|mate| self.places[mate as usize]).filter(|&at| at != NONE)
                    {
                        // The path has come back to a point: what lies in between is a ring of its own.
                        self.end(outline, since as usize)?;
                    }
                    self.places[at as usize] = self.path.len() as u32;
                }
                self.path.push(at);
                at = std::mem::replace(&mut outline.next[at as usize], NONE);
                if at == start {
                    break;
                }
            }
            self.end(outline, 0)?;
        }
        if outline.meets {
            self.rings.sort_unstable_by_key(|ring| self.corners[ring.corners.start]);
        }
        Ok(())
    }

    /// Makes a ring of the path from a place on.
    fn end(&mut self, outline: &Outline, since: usize) -> Result<()> {
        let ring = &mut self.path[since..];
        if outline.meets {
            ring.iter().for_each(|&corner| self.places[corner as usize] = NONE);
            let least = (0..ring.len()).min_by_key(|&index| ring[index]).unwrap_or(0);
            ring.rotate_left(least);
        }
        // From the top left corner an outer ring goes to the right, and a hole down.
        let x = |index: usize| outline.corners[ring[index] as usize][0];
        let hole = x(0) == x(1);
        let first = self.corners.len();
        self.corners.extend_from_slice(ring);
        reserve(&mut self.rings, 1, OUTLINES)?;
        self.rings.push(Ring { corners: first..self.corners.len(), hole, component: 0 });
        self.path.truncate(since);
        Ok(())
    }
}

/// Which pieces are connected by the four neighbours of their pixels.
#[derive(Debug, Default)]
struct Components {
    parent: Vec<u32>,
    /// For each root the place of its outer ring.
    place: Vec<u32>,
}

impl Components {
    fn find(&mut self, pieces: &[Piece]) -> Result<()> {
        self.parent.clear();
        reserve(&mut self.parent, pieces.len(), OUTLINES)?;
        self.parent.extend(0..pieces.len() as u32);
        refill(&mut self.place, pieces.len(), NONE, OUTLINES)?;
        let mut left = 0..0;
        for right in lines::by_line(pieces) {
            if left.end > left.start && pieces[left.start].last_line() + 1 == pieces[right.start].line {
                let (first, second) = (left.start as u32, right.start as u32);
                lines::touching(&pieces[left.clone()], &pieces[right.clone()], |i, j| {
                    let (a, b) = (pieces[left.start + i], pieces[right.start + j]);
                    if a.start < b.end && b.start < a.end {
                        let (one, other) = (self.root(first + i as u32), self.root(second + j as u32));
                        self.parent[one.max(other) as usize] = one.min(other);
                    }
                });
            }
            left = right;
        }
        Ok(())
    }

    fn root(&mut self, mut piece: u32) -> u32 {
        while self.parent[piece as usize] != piece {
            let above = self.parent[self.parent[piece as usize] as usize];
            self.parent[piece as usize] = above;
            piece = above;
        }
        piece
    }
}
