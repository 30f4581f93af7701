//! Which labels lie near a part of a mask, by their boxes.
//!
//! Gets the extents of all labels; gives those that meet a box, each once, in time for what is near it.
//!
//! The mask is divided into square cells, each with a list of the labels whose boxes meet it. Labels of large boxes are in one
//! list of their own, so that no label is in many.

use std::ops::RangeInclusive;

use super::measure::Extents;
use crate::error::{Error, Result};
use crate::shape::{ScanOrder, Shape};

/// Most cells that list a label.
const MOST_CELLS: u64 = 16;

/// The boxes of labels, to be looked for by place.
#[derive(Debug)]
pub(super) struct Boxes {
    extents: Vec<Extents>,
    cells: Cells,
    /// Labels that are in no cell.
    large: Vec<u32>,
}

/// The labels of each cell, cell by cell along the lines.
#[derive(Debug, Default)]
struct Cells {
    /// Side of a cell, as a power of two.
    bits: u32,
    /// Cells along the lines.
    along: u64,
    starts: Vec<usize>,
    labels: Vec<u32>,
}

/// A range of cells: of lines, and along them.
type CellRange = (RangeInclusive<u64>, RangeInclusive<u64>);

impl Cells {
    /// The cells that a box meets, which has pixels.
    #[inline]
    fn of(&self, extents: &Extents) -> CellRange {
        let cells = |(start, end): (u32, u32)| u64::from(start >> self.bits)..=u64::from((end - 1) >> self.bits);
        (cells(extents.lines), cells(extents.along))
    }

    #[inline]
    fn number(&self, line: u64, along: u64) -> usize {
        (line * self.along + along) as usize
    }

    /// The cells of a small box; `None` for one that no cell lists.
    fn small(&self, extents: &Extents) -> Option<CellRange> {
        let (lines, along) = self.of(extents);
        let count = |range: &RangeInclusive<u64>| range.end() - range.start() + 1;
        (count(&lines).saturating_mul(count(&along)) <= MOST_CELLS).then_some((lines, along))
    }

    /// The labels of a cell.
    #[inline]
    fn labels(&self, line: u64, along: u64) -> &[u32] {
        let cell = self.number(line, along);
        &self.labels[self.starts[cell]..self.starts[cell + 1]]
    }
}

impl Boxes {
    /// The boxes of the labels of a mask, in cells with sides of 2^`bits` pixels at least.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than 2^32 - 1 labels.
    pub(super) fn new(extents: Vec<Extents>, shape: Shape, order: ScanOrder, bits: u32) -> Result<Self> {
        if u32::try_from(extents.len()).is_err() {
            let found = extents.len() as u64;
            return Err(Error::LimitExceeded { what: "labels".into(), limit: u64::from(u32::MAX), found });
        }
        let length = shape.line_length(order);
        let mut cells = Cells { bits, ..Cells::default() };
        let most = 64.max(extents.len() as u64);
        let count = |side: u32, bits: u32| (u64::from(side) >> bits) + 1;
        while count(shape.lines(order), cells.bits) * count(length, cells.bits) > most {
            cells.bits += 1;
        }
        cells.along = count(length, cells.bits);
        let mut large = Vec::new();
        let mut starts = vec![0_usize; (count(shape.lines(order), cells.bits) * cells.along) as usize + 1];
        let listed = |cells: &Cells, call: &mut dyn FnMut(u32, Option<usize>)| {
            for (label, extents) in (0..).zip(&extents).filter(|(_, extents)| extents.lines.1 > 0) {
                match cells.small(extents) {
                    None => call(label, None),
                    Some((lines, along)) => lines
                        .flat_map(|line| along.clone().map(move |along| (line, along)))
                        .for_each(|(line, along)| call(label, Some(cells.number(line, along)))),
                }
            }
        };
        listed(&cells, &mut |label, cell| match cell {
            Some(cell) => starts[cell + 1] += 1,
            None => large.push(label),
        });
        for cell in 1..starts.len() {
            starts[cell] += starts[cell - 1];
        }
        let mut labels = vec![0; starts[starts.len() - 1]];
        let mut next = starts.clone();
        listed(&cells, &mut |label, cell| {
            if let Some(cell) = cell {
                labels[next[cell]] = label;
                next[cell] += 1;
            }
        });
        (cells.starts, cells.labels) = (starts, labels);
        Ok(Self { extents, cells, large })
    }

    /// The extents of a label.
    #[inline]
    pub(super) fn extents(&self, label: usize) -> &Extents {
        &self.extents[label]
    }

    /// Calls `each` once with every label whose box meets the view, which has pixels; ends with its first error.
    #[inline]
    pub(super) fn near<E>(
        &self,
        view: &Extents,
        mut each: impl FnMut(usize) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (lines, along) = self.cells.of(view);
        for line in lines.clone() {
            for place in along.clone() {
                for &label in self.cells.labels(line, place) {
                    let extents = &self.extents[label as usize];
                    if !extents.meets(view) {
                        continue;
                    }
                    // Of the cells that both meet, the first.
                    let (own_lines, own_along) = self.cells.of(extents);
                    let first = (*own_lines.start().max(lines.start()), *own_along.start().max(along.start()));
                    if first == (line, place) {
                        each(label as usize)?;
                    }
                }
            }
        }
        self.large
            .iter()
            .filter(|&&label| self.extents[label as usize].meets(view))
            .try_for_each(|&label| each(label as usize))
    }

    /// How many cells and labels [`Boxes::near`] looks at.
    pub(super) fn looked_at(&self, view: &Extents) -> usize {
        let (lines, along) = self.cells.of(view);
        let of_line = |line: u64| {
            let (first, last) = (self.cells.number(line, *along.start()), self.cells.number(line, *along.end()));
            (last + 1 - first) + (self.cells.starts[last + 1] - self.cells.starts[first])
        };
        self.large.len() + lines.map(of_line).sum::<usize>()
    }

    /// Whether some labels are in cells, and others too large for them.
    #[cfg(test)]
    pub(super) fn are_of_both_kinds(&self) -> bool {
        !self.large.is_empty() && !self.cells.labels.is_empty()
    }
}
