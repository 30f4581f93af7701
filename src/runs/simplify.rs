//! Simplification: fewer points, no further from the outline than a tolerance, and still valid.
//!
//! Gets [`Polygons`]; gives polygons of some of the same points; guarantees that every point left out is within the tolerance
//! of the edge that takes its place, that rings which did not cross themselves or each other do not do so afterwards, and
//! that holes stay in the polygons in which they were. The areas change, and the answer says by how much.
//!
//! Points are left out as Douglas and Peucker do it. Where two edges then cross or touch, or another ring has come to be on the
//! other side of an edge, the point left out that is furthest from the edge is taken in again, until no such edge is left. This
//! ends, at the latest when all points are there. Points in which rings touch are kept, with their neighbours, so that rings
//! go on to touch and do not cross there.
//!
//! Each feature is simplified by itself: two that have an edge in common may overlap afterwards, or leave a gap.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;

use super::polygons::{Point, Polygons, Rings, shoelace};
use crate::error::{Error, Result};

/// Polygons with fewer points, and what that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Simplified {
    polygons: Polygons,
    area_before: f64,
    area_after: f64,
}

impl Simplified {
    /// The polygons.
    pub fn polygons(&self) -> &Polygons {
        &self.polygons
    }

    /// The polygons, without a copy.
    pub fn into_polygons(self) -> Polygons {
        self.polygons
    }

    /// The area of all polygons before, in pixels.
    pub fn area_before(&self) -> f64 {
        self.area_before
    }

    /// Their area now.
    pub fn area_after(&self) -> f64 {
        self.area_after
    }
}

impl Polygons {
    /// The same polygons with fewer points, none of those left out further than `tolerance` pixels from the outline.
    ///
    /// Polygons that are valid stay valid. A ring keeps its first point, and three points at least.
    ///
    /// # Errors
    /// [`Error::Argument`] unless the tolerance is a finite number greater than 0.
    ///
    /// ```
    /// use runmask::{LabelMask, Shape};
    /// let staircase = [1u8, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1];
    /// let mask = LabelMask::new(&staircase, Shape { height: 4, width: 4 })?;
    /// let simple = runmask::encode(&mask)?.polygons()?.simplify(1.0)?;
    /// assert_eq!(simple.polygons().points(), [[0., 0.], [4., 4.], [0., 4.], [0., 0.]]);
    /// assert_eq!((simple.area_before(), simple.area_after()), (10.0, 8.0));
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn simplify(&self, tolerance: f64) -> Result<Simplified> {
        check_tolerance(tolerance)?;
        let offset = |&polygon: &usize| self.rings.ring_offsets[self.rings.polygon_offsets[polygon]];
        let points: Vec<usize> = self.feature_offsets.iter().map(offset).collect();
        let simplify = |simplifier: &mut Simplifier, feature: usize, into: &mut Rings| {
            simplifier.simplify(&self.rings, self.feature_offsets[feature]..self.feature_offsets[feature + 1], into);
            Ok(())
        };
        let memory = || Simplifier::new(tolerance);
        let polygons = Self::build(self.shape, self.labels.clone(), &points, memory, simplify)?;
        Ok(Simplified { area_before: self.area(), area_after: polygons.area(), polygons })
    }
}

/// An error unless a tolerance makes sense.
pub(crate) fn check_tolerance(tolerance: f64) -> Result<()> {
    if tolerance.is_finite() && tolerance > 0.0 {
        return Ok(());
    }
    Err(Error::Argument(format!("a tolerance of {tolerance} pixels: it must be a finite number greater than 0")))
}

/// Simplifies one feature after another, and keeps its memory in between.
#[derive(Debug)]
pub(crate) struct Simplifier {
    tolerance: f64,
    /// The points of all rings of the feature, each without its last one, which is the first.
    points: Vec<Point>,
    kept: Vec<bool>,
    rings: Vec<Range<usize>>,
    edges: Vec<Edge>,
    boxes: Vec<Vec<Bounds>>,
}

/// An edge of a simplified ring: the numbers of its points, and its ring.
#[derive(Clone, Copy, Debug)]
struct Edge {
    from: usize,
    to: usize,
    ring: usize,
}

/// The smallest and the largest coordinates of some points.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    least: Point,
    most: Point,
}

impl Bounds {
    const NONE: Self = Self { least: [f64::INFINITY; 2], most: [f64::NEG_INFINITY; 2] };

    fn of<'a>(points: impl IntoIterator<Item = &'a Point>) -> Self {
        points.into_iter().fold(Self::NONE, |all, &point| all.with(&Self { least: point, most: point }))
    }

    fn with(self, other: &Self) -> Self {
        let each = |pick: fn(f64, f64) -> f64, a: Point, b: Point| [pick(a[0], b[0]), pick(a[1], b[1])];
        Self { least: each(f64::min, self.least, other.least), most: each(f64::max, self.most, other.most) }
    }

    fn meets(&self, other: &Self) -> bool {
        (0..2).all(|axis| self.least[axis] <= other.most[axis] && other.least[axis] <= self.most[axis])
    }
}

/// Edges in a box of the lowest level.
const LEAF: usize = 8;

impl Simplifier {
    /// For a tolerance in pixels.
    pub(crate) fn new(tolerance: f64) -> Self {
        let (points, kept, rings) = (Vec::new(), Vec::new(), Vec::new());
        Self { tolerance, points, kept, rings, edges: Vec::new(), boxes: Vec::new() }
    }

    /// Adds the polygons of a feature with fewer points.
    pub(crate) fn simplify(&mut self, rings: &Rings, polygons: Range<usize>, into: &mut Rings) {
        self.points.clear();
        self.rings.clear();
        for ring in rings.polygon_offsets[polygons.start]..rings.polygon_offsets[polygons.end] {
            let first = self.points.len();
            let points = rings.ring(ring);
            self.points.extend_from_slice(&points[..points.len() - 1]);
            self.rings.push(first..self.points.len());
        }
        self.kept.clear();
        self.kept.resize(self.points.len(), false);
        self.keep_touching();
        for ring in 0..self.rings.len() {
            self.reduce(ring);
        }
        while self.mend() {}
        let mut next = 0..0;
        for polygon in polygons {
            next = next.end..next.end + rings.of_polygon(polygon).len();
            for ring in &self.rings[next.clone()] {
                let kept = ring.clone().filter(|&point| self.kept[point]).chain([ring.start]);
                into.points.extend(kept.map(|point| self.points[point]));
                into.end_ring();
            }
            into.end_polygon();
        }
    }

    /// The neighbours of a point in its ring.
    fn neighbours(&self, ring: usize, point: usize) -> [usize; 2] {
        let Range { start, end } = self.rings[ring];
        [if point == start { end - 1 } else { point - 1 }, if point + 1 == end { start } else { point + 1 }]
    }

    /// Keeps points that occur more than once, and their neighbours.
    fn keep_touching(&mut self) {
        let mut seen: HashMap<[u64; 2], u32> = HashMap::with_capacity(self.points.len());
        if self.rings.len() < 2 {
            return;
        }
        let key = |point: Point| point.map(|value| (value + 0.0).to_bits());
        self.points.iter().for_each(|&point| *seen.entry(key(point)).or_default() += 1);
        for ring in 0..self.rings.len() {
            for point in self.rings[ring].clone() {
                if seen[&key(self.points[point])] > 1 {
                    let [before, after] = self.neighbours(ring, point);
                    [before, point, after].into_iter().for_each(|point| self.kept[point] = true);
                }
            }
        }
    }

    /// Keeps points of a ring until those left out are within the tolerance.
    fn reduce(&mut self, ring: usize) {
        let ring = self.rings[ring].clone();
        self.kept[ring.start] = true;
        let from_first = |point: &usize| length(self.points[ring.start], self.points[*point]);
        // The first of those that are furthest.
        let furthest = ring.clone().rev().max_by(|a, b| from_first(a).total_cmp(&from_first(b))).unwrap_or(ring.start);
        self.kept[furthest] = true;
        let anchors: Vec<usize> = ring.clone().filter(|&point| self.kept[point]).chain([ring.end]).collect();
        let edges = anchors.windows(2).map(|pair| (pair[0], pair[1])).collect();
        self.reduce_between(&ring, edges);
    }

    /// Keeps points between two others of a ring until those left out are within the tolerance.
    fn reduce_between(&mut self, ring: &Range<usize>, mut edges: Vec<(usize, usize)>) {
        while let Some((from, to)) = edges.pop() {
            let edge = Edge { from, to: if to == ring.end { ring.start } else { to }, ring: 0 };
            if let Some((point, distance)) = self.furthest(from, to, edge)
                && distance > self.tolerance * self.tolerance
            {
                self.kept[point] = true;
                edges.extend([(from, point), (point, to)]);
            }
        }
    }

    /// The point between two others of a ring that is furthest from the edge, and the square of its distance.
    fn furthest(&self, from: usize, to: usize, edge: Edge) -> Option<(usize, f64)> {
        let ends = [self.points[edge.from], self.points[edge.to]];
        let distances = (from + 1..to).map(|point| (point, distance(self.points[point], ends)));
        distances.rev().max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The points left out of an edge, which are between these two numbers.
    fn left_out(&self, edge: Edge) -> Range<usize> {
        let end = if edge.to == self.rings[edge.ring].start { self.rings[edge.ring].end } else { edge.to };
        edge.from + 1..end
    }

    /// Takes points in again where edges cross or touch; whether it took any.
    fn mend(&mut self) -> bool {
        self.edges.clear();
        for (ring, range) in self.rings.iter().enumerate() {
            let mut from = range.start;
            for to in (range.start + 1..range.end).filter(|&point| self.kept[point]).chain([range.start]) {
                self.edges.push(Edge { from, to, ring });
                from = to;
            }
        }
        let mut wrong = vec![false; self.edges.len()];
        self.build_boxes();
        self.join_within(self.boxes.len() - 1, 0, &mut wrong);
        self.find_jumps(&mut wrong);
        self.find_turned(&mut wrong);
        let mut took = false;
        for (index, _) in wrong.iter().enumerate().filter(|(_, wrong)| **wrong) {
            let edge = self.edges[index];
            let range = self.left_out(edge);
            if let Some((point, _)) = self.furthest(edge.from, range.end, edge) {
                self.kept[point] = true;
                // Others may be further from the shorter edges than they were from the long one.
                let ring = self.rings[edge.ring].clone();
                self.reduce_between(&ring, vec![(edge.from, point), (point, range.end)]);
                took = true;
            }
        }
        took
    }

    fn ends(&self, edge: usize) -> [Point; 2] {
        [self.points[self.edges[edge].from], self.points[self.edges[edge].to]]
    }

    /// Boxes around edges that follow one another, around pairs of those boxes, and so on.
    fn build_boxes(&mut self) {
        let leaves = self.edges.len().div_ceil(LEAF);
        let leaf = |leaf: usize| {
            let edges = leaf * LEAF..((leaf + 1) * LEAF).min(self.edges.len());
            edges.fold(Bounds::NONE, |all, edge| all.with(&Bounds::of(&self.ends(edge))))
        };
        let mut levels = vec![(0..leaves.max(1)).map(leaf).collect::<Vec<_>>()];
        while let Some(last) = levels.last().filter(|last| last.len() > 1) {
            let pairs = last.chunks(2).map(|pair| pair.iter().fold(Bounds::NONE, |all, one| all.with(one)));
            levels.push(pairs.collect());
        }
        self.boxes = levels;
    }

    /// Compares the edges of a box with each other.
    fn join_within(&self, level: usize, one: usize, wrong: &mut [bool]) {
        if level == 0 {
            let edges = self.of_leaf(one);
            for first in edges.clone() {
                (first + 1..edges.end).for_each(|second| self.compare(first, second, wrong));
            }
            return;
        }
        let children = self.children(level, one);
        for child in children.clone() {
            self.join_within(level - 1, child, wrong);
        }
        if children.len() == 2 {
            self.join(level - 1, children.start, children.start + 1, wrong);
        }
    }

    /// Compares the edges of two boxes.
    fn join(&self, level: usize, one: usize, other: usize, wrong: &mut [bool]) {
        if !self.boxes[level][one].meets(&self.boxes[level][other]) {
            return;
        }
        if level == 0 {
            for first in self.of_leaf(one) {
                self.of_leaf(other).for_each(|second| self.compare(first, second, wrong));
            }
            return;
        }
        for first in self.children(level, one) {
            for second in self.children(level, other) {
                self.join(level - 1, first, second, wrong);
            }
        }
    }

    fn of_leaf(&self, leaf: usize) -> Range<usize> {
        leaf * LEAF..((leaf + 1) * LEAF).min(self.edges.len())
    }

    fn children(&self, level: usize, one: usize) -> Range<usize> {
        2 * one..(2 * one + 2).min(self.boxes[level - 1].len())
    }

    /// Marks two edges that have more in common than they may.
    fn compare(&self, first: usize, second: usize, wrong: &mut [bool]) {
        let (a, b) = (self.ends(first), self.ends(second));
        if common(a, b) {
            (wrong[first], wrong[second]) = (true, true);
        }
    }

    /// Marks edges over which another ring has come to the other side: its first point is in what the edge cuts off.
    fn find_jumps(&self, wrong: &mut [bool]) {
        if self.rings.len() < 2 {
            return;
        }
        let mut firsts: Vec<usize> = (0..self.rings.len()).collect();
        let x = |ring: usize| self.points[self.rings[ring].start][0];
        firsts.sort_by(|&a, &b| x(a).total_cmp(&x(b)));
        for (index, &edge) in self.edges.iter().enumerate() {
            let range = self.left_out(edge);
            if range.is_empty() {
                continue;
            }
            // From the first of the edge's points over those left out, and back.
            let around = || {
                let to = self.points[edge.to];
                self.points[edge.from..range.end].iter().copied().chain([to, self.points[edge.from]])
            };
            let bounds = Bounds::of(&self.points[edge.from..range.end]).with(&Bounds::of([&self.points[edge.to]]));
            let from = firsts.partition_point(|&ring| x(ring) < bounds.least[0]);
            for &ring in firsts[from..].iter().take_while(|&&ring| x(ring) <= bounds.most[0]) {
                let point = self.points[self.rings[ring].start];
                let near = (bounds.least[1]..=bounds.most[1]).contains(&point[1]);
                if ring != edge.ring && near && is_inside(point, around()) {
                    wrong[index] = true;
                    break;
                }
            }
        }
    }

    /// Marks all edges of rings that go the other way round than before.
    fn find_turned(&self, wrong: &mut [bool]) {
        let mut edges = self.edges.iter().enumerate().peekable();
        while let Some(&(first, &Edge { ring, .. })) = edges.peek() {
            let mut corners: Vec<Point> = Vec::new();
            while let Some((_, edge)) = edges.next_if(|(_, edge)| edge.ring == ring) {
                corners.push(self.points[edge.from]);
            }
            let count = corners.len();
            corners.push(corners[0]);
            let range = self.rings[ring].clone();
            let mut all = self.points[range.clone()].to_vec();
            all.push(self.points[range.start]);
            if shoelace(&corners) * shoelace(&all) <= 0.0 {
                wrong[first..first + count].fill(true);
            }
        }
    }
}

fn length([x0, y0]: Point, [x1, y1]: Point) -> f64 {
    (x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)
}

/// The square of the distance between a point and an edge.
fn distance(point: Point, [a, b]: [Point; 2]) -> f64 {
    let (edge, from) = ([b[0] - a[0], b[1] - a[1]], [point[0] - a[0], point[1] - a[1]]);
    let square = edge[0] * edge[0] + edge[1] * edge[1];
    if square == 0.0 {
        return length(a, point);
    }
    let along = (from[0] * edge[0] + from[1] * edge[1]) / square;
    match along {
        along if along <= 0.0 => length(a, point),
        along if along >= 1.0 => length(b, point),
        _ => {
            let across = from[0] * edge[1] - from[1] * edge[0];
            across * across / square
        }
    }
}

/// The side of the line from `a` to `b` on which a point is. Exact for whole coordinates and edges up to 2^26 pixels.
fn side(a: Point, b: Point, point: Point) -> f64 {
    (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])
}

/// Whether two edges have a point in common that is not an end of both.
fn common(a: [Point; 2], b: [Point; 2]) -> bool {
    if !Bounds::of(&a).meets(&Bounds::of(&b)) {
        return false;
    }
    let (c, d) = (side(a[0], a[1], b[0]), side(a[0], a[1], b[1]));
    let (e, f) = (side(b[0], b[1], a[0]), side(b[0], b[1], a[1]));
    if c * d < 0.0 && e * f < 0.0 {
        return true;
    }
    let on = |edge: [Point; 2], side: f64, point: Point| {
        side == 0.0 && Bounds::of(&edge).meets(&Bounds::of([&point])) && point != edge[0] && point != edge[1]
    };
    // Two edges with the same ends lie on each other.
    let same = (a[0] == b[0] && a[1] == b[1]) || (a[0] == b[1] && a[1] == b[0]);
    same || on(a, c, b[0]) || on(a, d, b[1]) || on(b, e, a[0]) || on(b, f, a[1])
}

/// Whether a point is inside a closed ring, by even and odd crossings.
fn is_inside([x, y]: Point, ring: impl Iterator<Item = Point>) -> bool {
    let mut inside = false;
    let mut before: Option<Point> = None;
    for point in ring {
        if let Some([x0, y0]) = before.replace(point)
            && (y0 <= y) != (point[1] <= y)
            && x0 + (y - y0) / (point[1] - y0) * (point[0] - x0) <= x
        {
            inside = !inside;
        }
    }
    inside
}
