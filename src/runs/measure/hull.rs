//! The convex area and the largest Feret diameter of a label, as scikit-image defines them.
//!
//! Gets the first and the last pixel of each scan line; needs no other. A pixel counts as the diamond through the middles of
//! its four edges. The convex image is every pixel whose centre lies inside the hull of the diamonds or on its border. Its
//! outline runs through the middles of the edges between a pixel of it and one outside, and the diameter is the largest
//! distance between two such points.
//!
//! Coordinates are doubled, so that the corners of diamonds are whole numbers and nothing is rounded. Pixel (line x, place y)
//! has its centre at (2x, 2y). The hull is kept as two chains over the lines, the lower one with the smaller places.

use crate::error::{Error, Result};

/// Most lines that a label's box may have: the convex image is worked out line by line.
pub(super) const MOST_LINES: u64 = 1 << 28;

type Point = (i64, i64);

/// The first and the last place that a label covers in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) line: u32,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// What the hull of a label says; worked out in memory that is kept from label to label.
#[derive(Debug, Default)]
pub(super) struct Hull {
    chains: Chains,
    outer: Chains,
    polygon: Vec<Point>,
}

/// Both borders of a convex polygon, over ascending lines.
#[derive(Debug, Default)]
struct Chains {
    /// Turned inside out: places are negative, so that both chains are made alike.
    low: Vec<Point>,
    high: Vec<Point>,
}

impl Chains {
    fn clear(&mut self) {
        self.low.clear();
        self.high.clear();
    }

    /// Adds the corners of the diamonds of the first and last pixel of lines, which ascend; the one at the side of a pixel
    /// only where the pixel beside it does not reach further.
    fn add(&mut self, extents: impl Iterator<Item = Extent>) {
        let mut before: Option<(i64, Point)> = None;
        for Extent { line, first, last } in extents {
            let (x, first, last) = (2 * i64::from(line), -2 * i64::from(first), 2 * i64::from(last));
            let mut side = (first, last);
            if let Some((other, ends)) = before {
                if other + 2 == x {
                    side = (first.max(ends.0), last.max(ends.1));
                } else {
                    self.side(other + 1, ends);
                }
            }
            self.side(x - 1, side);
            push(&mut self.low, (x, first + 1));
            push(&mut self.high, (x, last + 1));
            before = Some((x, (first, last)));
        }
        if let Some((other, ends)) = before {
            self.side(other + 1, ends);
        }
    }

    fn side(&mut self, x: i64, (low, high): Point) {
        push(&mut self.low, (x, low));
        push(&mut self.high, (x, high));
    }

    /// The pixels whose centres the chains hold, line by line.
    fn lines(&self) -> impl Iterator<Item = Extent> {
        let (first, last) = match (self.high.first(), self.high.last()) {
            (Some(first), Some(last)) => ((first.0 + 1) / 2, (last.0 - 1) / 2),
            _ => (1, 0),
        };
        let (mut low, mut high) = (Walk::new(&self.low), Walk::new(&self.high));
        (first..=last).map(move |line| {
            let (first, last) = (-low.at(line), high.at(line));
            Extent { line: line as u32, first: first as u32, last: last as u32 }
        })
    }
}

/// Adds a point to an upper chain, less the points that it leaves under it.
#[inline]
fn push(chain: &mut Vec<Point>, point: Point) {
    while let [.., a, b] = chain[..] {
        // Whether b lies on the segment from a to the point, or under it.
        let (forward, up) = ((b.0 - a.0, b.1 - a.1), (point.0 - a.0, point.1 - a.1));
        if i128::from(forward.0) * i128::from(up.1) < i128::from(forward.1) * i128::from(up.0) {
            break;
        }
        chain.pop();
    }
    chain.push(point);
}

/// Goes along a chain, from line to line.
struct Walk<'a> {
    chain: &'a [Point],
    next: usize,
}

impl<'a> Walk<'a> {
    fn new(chain: &'a [Point]) -> Self {
        Self { chain, next: 1 }
    }

    /// The largest place of a pixel under the chain. Lines must ascend and lie between the ends.
    #[inline]
    fn at(&mut self, line: i64) -> i64 {
        let x = 2 * line;
        while self.chain[self.next].0 < x {
            self.next += 1;
        }
        let (a, b) = (self.chain[self.next - 1], self.chain[self.next]);
        let (run, rise) = (b.0 - a.0, b.1 - a.1);
        match (x - a.0).checked_mul(rise).and_then(|up| up.checked_add(a.1.checked_mul(run)?)) {
            Some(up) => up.div_euclid(2 * run),
            None => {
                let up = i128::from(x - a.0) * i128::from(rise) + i128::from(a.1) * i128::from(run);
                up.div_euclid(2 * i128::from(run)) as i64
            }
        }
    }
}

impl Hull {
    /// Takes in the lines of a label, in ascending order. Lines between those given may be missing.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a label that spans more than [`MOST_LINES`] lines.
    pub(super) fn of(&mut self, extents: impl Iterator<Item = Extent>) -> Result<()> {
        self.chains.clear();
        self.chains.add(extents);
        let lines = match (self.chains.high.first(), self.chains.high.last()) {
            (Some(first), Some(last)) => (last.0 - first.0) as u64 / 2,
            _ => 0,
        };
        if lines > MOST_LINES {
            return Err(Error::LimitExceeded {
                what: "scan lines of a label whose hull is asked for".into(),
                limit: MOST_LINES,
                found: lines,
            });
        }
        Ok(())
    }

    /// Pixels of the convex image.
    pub(super) fn area(&self) -> u64 {
        self.chains.lines().map(|line| u64::from(line.last - line.first) + 1).sum()
    }

    /// The largest distance between two points of the outline of the convex image, for pixels of so many units across the
    /// lines and along them. 0 without pixels.
    pub(super) fn feret(&mut self, (across, along): (f64, f64)) -> f64 {
        self.outer.clear();
        self.outer.add(self.chains.lines());
        let Chains { low, high } = &self.outer;
        self.polygon.clear();
        self.polygon.extend(high.iter());
        // Both chains begin and end in the same lines; their ends may be the same points.
        self.polygon.extend(low.iter().rev().map(|&(x, y)| (x, -y)));
        self.polygon.dedup();
        if self.polygon.len() > 1 && self.polygon.first() == self.polygon.last() {
            self.polygon.pop();
        }
        let mut largest = 0.0_f64;
        antipodal(&self.polygon, |a, b| {
            let (x, y) = ((a.0 - b.0) as f64 * across, (a.1 - b.1) as f64 * along);
            largest = largest.max(x * x + y * y);
        });
        largest.sqrt() / 2.0
    }
}

/// Calls `each` with every pair of corners of a convex polygon through which two parallel lines go that hold it between
/// them. The two corners that are furthest apart are such a pair, however the axes are scaled.
fn antipodal(polygon: &[Point], mut each: impl FnMut(Point, Point)) {
    let count = polygon.len();
    if count < 3 {
        if let [a, b] = *polygon {
            each(a, b);
        }
        return;
    }
    let at = |index: usize| polygon[index % count];
    // Twice the area of the triangle of an edge and a corner.
    let area = |edge: usize, corner: usize| {
        let (a, b, c) = (at(edge), at(edge + 1), at(corner));
        let cross = i128::from(b.0 - a.0) * i128::from(c.1 - a.1) - i128::from(b.1 - a.1) * i128::from(c.0 - a.0);
        cross.abs()
    };
    let mut corner = 1;
    for edge in 0..count {
        while area(edge, corner + 1) > area(edge, corner) {
            corner += 1;
        }
        each(at(edge), at(corner));
        each(at(edge + 1), at(corner));
        // An edge parallel to this one: its other end is opposite as well.
        if area(edge, corner + 1) == area(edge, corner) {
            each(at(edge), at(corner + 1));
            each(at(edge + 1), at(corner + 1));
        }
    }
}
