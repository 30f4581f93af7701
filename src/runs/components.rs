//! Connected pieces: of each label by itself, or of the foreground whatever its labels.
//!
//! Gets runs in either scan order; gives a mask in which every connected piece has a label of its own, and for each the label
//! that it was a piece of. Pieces are numbered 1, 2, 3 ... by their first pixels: from left to right, within a column from
//! top to bottom, whatever the scan order and the number of threads.
//!
//! Runs are cut at the ends of scan lines, and those that touch in neighbouring lines are put into one set. Then, when asked
//! for, and in this order: holes are filled, small pieces go, and of each label only the largest piece stays.

mod holes;

use rayon::prelude::*;

use super::build::Tail;
use super::lines::{self, Piece, by_line, touching};
use super::measure::{Connectivity, root, union};
use super::{LabelRuns, Run};
use crate::error::{Error, Result};
use crate::shape::ScanOrder;

/// Chooses what [`LabelRuns::components`] makes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[must_use]
pub struct ComponentOptions {
    connectivity: Connectivity,
    foreground: bool,
    min_area: u64,
    fill_holes: u64,
    largest: bool,
}

impl ComponentOptions {
    /// All pieces of each label, connected by eight neighbours.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which neighbours connect pixels; holes are connected the other way.
    pub fn connectivity(mut self, connectivity: Connectivity) -> Self {
        self.connectivity = connectivity;
        self
    }

    /// Takes all labels for one, so that pieces of different labels that touch are one piece.
    pub fn foreground(mut self, foreground: bool) -> Self {
        self.foreground = foreground;
        self
    }

    /// Leaves out pieces of fewer pixels, after holes were filled.
    pub fn min_area(mut self, pixels: u64) -> Self {
        self.min_area = pixels;
        self
    }

    /// Fills holes of at most so many pixels with the piece's label. Other pieces inside a hole count as its pixels and
    /// stay; where holes lie in each other, the smallest one's piece gets the pixel. 0 fills none.
    pub fn fill_holes(mut self, pixels: u64) -> Self {
        self.fill_holes = pixels;
        self
    }

    /// Keeps the largest piece of each label, and of the whole foreground where all labels are one; of pieces of the same
    /// area the first.
    pub fn largest(mut self, largest: bool) -> Self {
        self.largest = largest;
        self
    }
}

/// Connected pieces; what [`LabelRuns::components`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    runs: LabelRuns,
    sources: Vec<u64>,
}

impl Components {
    /// The pieces, numbered from 1.
    pub fn runs(&self) -> &LabelRuns {
        &self.runs
    }

    /// For each piece, in order, the label that it is a piece of; 1 where all labels were taken for one.
    pub fn sources(&self) -> &[u64] {
        &self.sources
    }

    /// The pieces and their labels, without a copy.
    pub fn into_parts(self) -> (LabelRuns, Vec<u64>) {
        (self.runs, self.sources)
    }
}

/// A connected piece.
#[derive(Clone, Debug)]
struct Component {
    /// Column and row of the first pixel, as one number.
    first: u64,
    area: u64,
    /// Place of the label that it is a piece of.
    label: usize,
    /// Its runs among those of its block.
    runs: std::ops::Range<usize>,
    /// Whether it has holes.
    holes: bool,
}

/// The pieces of some labels.
#[derive(Debug, Default)]
struct Block {
    components: Vec<Component>,
    runs: Vec<Run>,
}

/// Labels that a thread takes apart at a time.
const BLOCK: usize = 256;

impl LabelRuns {
    /// The connected pieces of each label, or of the foreground, each with a label of its own.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when the mask's shape is not known; [`Error::LimitExceeded`] for more than 2^32 - 1 labels
    /// whose foreground is needed.
    ///
    /// ```
    /// use runmask::{ComponentOptions, LabelMask, Shape};
    /// let pixels = [7u8, 0, 7, 7, 0, 7, 0, 0, 0, 0, 3, 3];
    /// let runs = runmask::encode(&LabelMask::new(&pixels, Shape { height: 2, width: 6 })?)?;
    /// let found = runs.components(&ComponentOptions::new())?;
    /// assert_eq!(runmask::decode::<u8>(found.runs())?, [1, 0, 2, 2, 0, 4, 0, 0, 0, 0, 3, 3]);
    /// assert_eq!(found.sources(), [7, 7, 3, 7]);
    /// let found = runs.components(&ComponentOptions::new().foreground(true).min_area(2))?;
    /// assert_eq!(runmask::decode::<u8>(found.runs())?, [0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn components(&self, options: &ComponentOptions) -> Result<Components> {
        let shape = self.shape.ok_or_else(|| Error::UnknownShape { what: "connected pieces".into() })?;
        let one;
        let base = if options.foreground {
            one = self.foreground(1)?;
            &one
        } else {
            self
        };
        let length = shape.line_length(self.order);
        let take_apart = |block: usize| {
            let mut scratch = Scratch::default();
            let mut made = Block::default();
            for label in block * BLOCK..((block + 1) * BLOCK).min(base.labels.len()) {
                scratch.take_apart(base.runs_at(label), length, base.order, options.connectivity, label, &mut made);
            }
            made
        };
        let mut blocks: Vec<Block> = (0..base.labels.len().div_ceil(BLOCK)).into_par_iter().map(take_apart).collect();
        if options.fill_holes > 0 {
            holes::fill(&mut blocks, self, length, options)?;
        }
        let mut all: Vec<(usize, &Component)> = blocks
            .iter()
            .enumerate()
            .flat_map(|(block, made)| made.components.iter().map(move |component| (block, component)))
            .filter(|(_, component)| component.area >= options.min_area)
            .collect();
        // Two labels that overlap may have the same first pixel.
        all.par_sort_unstable_by_key(|(_, component)| (component.first, component.label));
        if options.largest {
            keep_largest(&mut all, base.labels.len());
        }
        let mut runs = Self::empty(self.shape, self.order);
        runs.runs.reserve_exact(all.iter().map(|(_, component)| component.runs.len()).sum());
        for (block, component) in &all {
            runs.runs.extend_from_slice(&blocks[*block].runs[component.runs.clone()]);
            runs.offsets.push(runs.runs.len());
        }
        runs.labels = (1..=all.len() as u64).collect();
        Ok(Components { runs, sources: all.iter().map(|(_, component)| base.labels[component.label]).collect() })
    }
}

/// Leaves the first of the largest pieces of each label. Pieces are in the order of their numbers.
fn keep_largest(all: &mut Vec<(usize, &Component)>, labels: usize) {
    let mut largest = vec![0; labels];
    for (_, component) in all.iter() {
        largest[component.label] = component.area.max(largest[component.label]);
    }
    all.retain(|(_, component)| {
        let area = &mut largest[component.label];
        let keep = *area == component.area;
        if keep {
            // No other piece has no pixels.
            *area = 0;
        }
        keep
    });
}

/// Memory that is kept from label to label.
#[derive(Default)]
struct Scratch {
    pieces: Vec<Piece>,
    parents: Vec<usize>,
    /// The number of each root's component, then of each piece's.
    numbers: Vec<usize>,
    ends: Vec<usize>,
}

impl Scratch {
    fn take_apart(
        &mut self,
        runs: &[Run],
        length: u32,
        order: ScanOrder,
        connectivity: Connectivity,
        label: usize,
        made: &mut Block,
    ) {
        let Self { pieces, parents, numbers, ends } = self;
        lines::pieces(runs, length, pieces);
        parents.clear();
        parents.extend(0..pieces.len());
        // Pairs that touch, of each set: with as many as runs, less one, a set has no hole.
        let mut before = 0..0;
        let mut touch = 0;
        let mut sets = pieces.len();
        for range in by_line(pieces) {
            let last = pieces[before.clone()].first().map(|piece| piece.last_line());
            if last.is_some_and(|last| last + 1 == pieces[range.start].line) {
                touching(&pieces[before.clone()], &pieces[range.clone()], |i, j| {
                    let (i, j) = (before.start + i, range.start + j);
                    let (a, b) = (pieces[i], pieces[j]);
                    if connectivity == Connectivity::Eight || (a.start < b.end && b.start < a.end) {
                        touch += 1;
                        sets -= usize::from(union(parents, i, j));
                    }
                });
            }
            before = range;
        }
        // Of all sets together: lines that are filled whole are chains without a hole.
        let holes = pieces.len() < touch + sets;
        let first = |piece: &Piece| match order {
            ScanOrder::ColumnMajor => u64::from(piece.line) << 32 | u64::from(piece.start),
            ScanOrder::RowMajor => u64::from(piece.start) << 32 | u64::from(piece.line),
        };
        let run = |piece: &Piece| Run {
            start: u64::from(piece.line) * u64::from(length) + u64::from(piece.start),
            length: u64::from(piece.length()) * u64::from(piece.lines),
        };
        let start = made.components.len();
        // A root is the first piece of its set, so that it has its number before the others ask.
        numbers.clear();
        for (index, piece) in pieces.iter().enumerate() {
            let root = root(parents, index);
            let area = u64::from(piece.length()) * u64::from(piece.lines);
            let number = if root == index {
                made.components.push(Component { first: first(piece), area: 0, label, runs: 0..0, holes });
                made.components.len() - 1 - start
            } else {
                numbers[root]
            };
            numbers.push(number);
            let component = &mut made.components[start + number];
            component.area += area;
            component.first = component.first.min(first(piece));
            component.runs.end += 1;
        }
        let components = &mut made.components[start..];
        if let [only] = components {
            let from = made.runs.len();
            let mut tail = Tail::new(&mut made.runs);
            pieces.iter().for_each(|piece| tail.push(run(piece)));
            only.runs = from..made.runs.len();
            return;
        }
        // Each component's pieces get a place of their own, and close up where they join.
        ends.clear();
        let mut next = made.runs.len();
        for component in components.iter_mut() {
            ends.push(next);
            next += std::mem::replace(&mut component.runs, next..next).end;
        }
        made.runs.resize(next, Run { start: 0, length: 0 });
        for (piece, &number) in pieces.iter().zip(&*numbers) {
            let (run, end) = (run(piece), &mut ends[number]);
            let joined = *end > components[number].runs.start && made.runs[*end - 1].end() == run.start;
            if joined {
                made.runs[*end - 1].length += run.length;
            } else {
                made.runs[*end] = run;
                *end += 1;
            }
        }
        for (component, &end) in components.iter_mut().zip(&*ends) {
            component.runs.end = end;
        }
    }
}

#[cfg(test)]
mod tests;
