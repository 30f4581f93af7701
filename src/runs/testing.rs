//! Masks for tests of operations on runs.

use proptest::prelude::*;

use super::{LabelRuns, Run};
use crate::encoder::Encoder;
use crate::mask::LabelMask;
use crate::shape::{ScanOrder, Shape};

/// A label mask, pixel by pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) shape: Shape,
    /// In C order.
    pub(crate) labels: Vec<u64>,
}

impl Pixels {
    pub(crate) fn new(height: u32, width: u32) -> Self {
        let shape = Shape { height, width };
        Self { shape, labels: vec![0; shape.pixels() as usize] }
    }

    /// The mask that a text shows: a line for each row, `.` for 0, digits for labels.
    pub(crate) fn parse(text: &str) -> Self {
        let rows: Vec<Vec<u64>> = text
            .lines()
            .map(|line| {
                line.trim()
                    .chars()
                    .filter(|c| !c.is_whitespace())
                    .map(|c| c.to_digit(10).map_or(0, u64::from))
                    .collect()
            })
            .filter(|row: &Vec<u64>| !row.is_empty())
            .collect();
        let mut pixels = Self::new(rows.len() as u32, rows.first().map_or(0, Vec::len) as u32);
        pixels.labels = rows.concat();
        pixels
    }

    /// The label of a pixel; 0 outside.
    pub(crate) fn get(&self, row: i64, column: i64) -> u64 {
        let (height, width) = (i64::from(self.shape.height), i64::from(self.shape.width));
        if (0..height).contains(&row) && (0..width).contains(&column) {
            self.labels[(row * width + column) as usize]
        } else {
            0
        }
    }

    pub(crate) fn set(&mut self, row: u32, column: u32, label: u64) {
        self.labels[row as usize * self.shape.width as usize + column as usize] = label;
    }

    /// Every label but 0, ascending.
    pub(crate) fn present(&self) -> Vec<u64> {
        let mut labels: Vec<u64> = self.labels.iter().copied().filter(|&label| label != 0).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    /// Rows and columns of the pixels of a label, row by row.
    pub(crate) fn of(&self, label: u64) -> Vec<(i64, i64)> {
        let place = |index: usize| {
            let width = self.shape.width as usize;
            ((index / width) as i64, (index % width) as i64)
        };
        (0..self.labels.len()).filter(|&index| self.labels[index] == label).map(place).collect()
    }

    pub(crate) fn encode(&self, order: ScanOrder) -> LabelRuns {
        let mask = LabelMask::new(&self.labels, self.shape).unwrap();
        Encoder::builder().order(order).threads(1).build().unwrap().encode(&mask).unwrap()
    }

    /// The mask of runs that do not overlap.
    pub(crate) fn decode(runs: &LabelRuns) -> Self {
        let shape = runs.shape().unwrap();
        let mut pixels = Self::new(shape.height, shape.width);
        for (label, runs_of) in runs.iter() {
            for run in runs_of {
                for position in run.start..run.end() {
                    let (row, column) = runs.order().row_column(position, shape);
                    assert_eq!(pixels.get(row as i64, column as i64), 0, "two labels at {row}, {column}");
                    pixels.set(row as u32, column as u32, label);
                }
            }
        }
        pixels
    }
}

/// Masks of rectangles and single pixels of a few labels: small ones, flat ones and tall ones.
pub(crate) fn masks() -> impl Strategy<Value = Pixels> {
    let sides =
        prop_oneof![(1_u32..10, 1_u32..10), (1_u32..4, 50_u32..150), (50_u32..150, 1_u32..4), (1_u32..24, 1_u32..24)];
    sides.prop_flat_map(|(height, width)| {
        let rectangle = (0..5_u64, 0..height, 0..width, 1..=height, 1..=width);
        let pixel = (0..5_u64, 0..height, 0..width);
        (prop::collection::vec(rectangle, 0..8), prop::collection::vec(pixel, 0..30)).prop_map(
            move |(rectangles, singles)| {
                let mut pixels = Pixels::new(height, width);
                for (label, top, left, rows, columns) in rectangles {
                    for row in top..height.min(top + rows) {
                        (left..width.min(left + columns)).for_each(|column| pixels.set(row, column, label));
                    }
                }
                singles.into_iter().for_each(|(label, row, column)| pixels.set(row, column, label));
                pixels
            },
        )
    })
}

/// Runs of files: labels that may overlap or be empty, runs that may touch and that go on over the ends of lines.
pub(crate) fn any_runs() -> impl Strategy<Value = LabelRuns> {
    let order = prop_oneof![Just(ScanOrder::ColumnMajor), Just(ScanOrder::RowMajor)];
    let of_label = prop::collection::vec((0_u64..9, 1_u64..12), 0..8);
    (1_u32..12, 1_u32..12, order, prop::collection::btree_map(0_u64..9, of_label, 0..6)).prop_map(
        |(height, width, order, labels)| {
            let shape = Shape { height, width };
            let mut parts = (Vec::new(), vec![0], Vec::new());
            for (label, steps) in labels {
                parts.0.push(label);
                let mut end = 0;
                for (gap, length) in steps {
                    let run = Run { start: end + gap, length };
                    end = run.end();
                    if end <= shape.pixels() {
                        parts.2.push(run);
                    }
                }
                parts.1.push(parts.2.len());
            }
            LabelRuns::from_parts(Some(shape), order, parts.0, parts.1, parts.2).unwrap()
        },
    )
}

/// The answers for one thread and for four.
pub(crate) fn for_threads<T: Send>(work: impl Fn() -> T + Sync) -> [T; 2] {
    [1, 4].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&work))
}

pub(crate) const ORDERS: [ScanOrder; 2] = [ScanOrder::ColumnMajor, ScanOrder::RowMajor];
