//! The rule of pycocotools' `frPyObjects`, bit by bit.
//!
//! Coordinates are multiplied by 5 and rounded to a grid. An edge goes over the grid point by point along its longer side,
//! (u, v), and the other coordinate is rounded. Where u steps between 5c + 2 and 5c + 3, the outline crosses column c, at the
//! upper one of both points: the first row on the other side is ceil((v + 0.5) / 5 - 0.5), no less than 0 and no more than the
//! height. Rounding is C's conversion of x + 0.5 to an integer, which goes towards 0.
//!
//! Here only those steps are looked at, not every point of the grid, so that a long edge costs what its columns cost.

use std::ops::Range;

use super::{Crossing, Point};
use crate::shape::Shape;

/// Points of the grid to a pixel.
const SCALE: f64 = 5.0;

/// An edge on the grid, in the direction in which the longer of its sides ascends.
struct Edge {
    start: [i64; 2],
    /// Steps along the longer side.
    steps: i64,
    /// What the other coordinate gains with each step.
    slope: f64,
    /// Whether the longer side is that along x.
    flat: bool,
}

impl Edge {
    fn new(a: Point, b: Point) -> Self {
        // Finite and no larger than 2^53: this always fits.
        let grid = |point: Point| point.map(|value| (SCALE * value + 0.5) as i64);
        let (mut a, mut b) = (grid(a), grid(b));
        let [dx, dy] = [a[0].abs_diff(b[0]), a[1].abs_diff(b[1])];
        let flat = dx >= dy;
        let axis = usize::from(!flat);
        if a[axis] > b[axis] {
            std::mem::swap(&mut a, &mut b);
        }
        let steps = b[axis] - a[axis];
        Self { start: a, steps, slope: (b[1 - axis] - a[1 - axis]) as f64 / steps as f64, flat }
    }

    /// The coordinate along the shorter side after some steps.
    fn other(&self, step: i64) -> i64 {
        let start = self.start[usize::from(self.flat)];
        (start as f64 + self.slope * step as f64 + 0.5) as i64
    }

    /// The least and the greatest u.
    fn sides(&self) -> (i64, i64) {
        if self.flat {
            return (self.start[0], self.start[0] + self.steps);
        }
        let (first, last) = (self.other(0), self.other(self.steps));
        (first.min(last), first.max(last))
    }

    /// The v at which u steps between `u` and `u + 1`: that of the upper point.
    fn upper(&self, u: i64) -> i64 {
        if self.flat {
            let step = u - self.start[0];
            return self.other(step).min(self.other(step + 1));
        }
        // The last step on this side. u is rounded, so it is near to where the straight line is, and a search finds it
        // where rounding of large numbers leads further away.
        let ascends = self.slope > 0.0;
        let on_this_side = |step: i64| if ascends { self.other(step) <= u } else { self.other(step) > u };
        let guess = ((u as f64 + 0.5 - self.start[0] as f64) / self.slope) as i64;
        let near = (guess - 2).max(0)..(guess + 2).min(self.steps);
        let (mut low, mut high) = match near {
            near if near.start < near.end && on_this_side(near.start) && !on_this_side(near.end) => {
                (near.start, near.end)
            }
            _ => (0, self.steps),
        };
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if on_this_side(middle) { low = middle } else { high = middle }
        }
        self.start[1] + low
    }
}

/// The columns that an edge crosses.
pub(super) fn columns(a: Point, b: Point, shape: Shape) -> Range<u32> {
    let (low, high) = Edge::new(a, b).sides();
    // Those of which 5c + 2 and 5c + 3 are both between.
    let column = |u: i64| u.div_euclid(5).clamp(0, i64::from(shape.width)) as u32;
    column(low + 2)..column(high + 2)
}

/// Where an edge crosses some columns.
pub(super) fn cross(a: Point, b: Point, columns: Range<u32>, shape: Shape, crossings: &mut Vec<Crossing>) {
    let edge = Edge::new(a, b);
    let height = f64::from(shape.height);
    crossings.extend(columns.map(|column| {
        let v = edge.upper(5 * i64::from(column) + 2) as f64;
        (column, ((v + 0.5) / SCALE - 0.5).clamp(0.0, height).ceil() as u32)
    }));
}
