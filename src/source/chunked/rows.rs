//! Rows of labels: those of a chunk where it was decoded, and those of a mask that it fills.
//!
//! Gets labels as bytes; copies them, fills them, and says whether all are the same.

use std::ops::Range;

use crate::rows::{constant, fill};

/// Labels of a chunk where it was decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'a> {
    /// The first row and all that follow.
    pub(crate) bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub(crate) row_bytes: usize,
}

impl<'a> Labels<'a> {
    /// A row and all that follow.
    pub(super) fn starting_at(self, row: u32) -> &'a [u8] {
        &self.bytes[row as usize * self.row_bytes..]
    }

    /// The label that all of these rows of `width` bytes have, if they have one.
    pub(super) fn constant(self, rows: Range<u32>, width: usize, label_bytes: usize) -> Option<u64> {
        let first = &self.starting_at(rows.start)[..width];
        let label = constant(first, label_bytes)?;
        rows.skip(1).all(|row| self.starting_at(row)[..width] == *first).then_some(label)
    }
}

/// Rows of labels that a chunk fills: as many as the mask shows of it, each as wide as it shows.
pub(crate) enum Rows<'a> {
    /// One after the other in memory: the chunk is as wide as the mask.
    Together { rows: &'a mut [u8], row_bytes: usize },
    /// One slice a row.
    Apart(Vec<&'a mut [u8]>),
}

impl Rows<'_> {
    /// Every row, from top to bottom.
    pub(crate) fn each(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let (together, row_bytes, apart) = match self {
            Self::Together { rows, row_bytes } => (&mut **rows, *row_bytes, &mut [][..]),
            Self::Apart(rows) => (&mut [][..], 1, rows.as_mut_slice()),
        };
        together.chunks_exact_mut(row_bytes.max(1)).chain(apart.iter_mut().map(|row| &mut **row))
    }

    /// Copies labels of a chunk.
    pub(crate) fn copy(&mut self, labels: Labels<'_>) {
        self.each().zip(0..).for_each(|(row, number)| row.copy_from_slice(&labels.starting_at(number)[..row.len()]));
    }

    /// The label of all pixels, when all have the same.
    pub(super) fn constant(&mut self, label_bytes: usize) -> Option<u64> {
        let mut found = None;
        for row in self.each() {
            let here = constant(row, label_bytes)?;
            if *found.get_or_insert(here) != here {
                return None;
            }
        }
        found
    }
}

/// Fills rows with one label; with `sparse`, only the first and the last.
pub(super) fn fill_rows<'a>(rows: impl Iterator<Item = &'a mut [u8]>, label: u64, label_bytes: usize, sparse: bool) {
    let mut last = None;
    for (index, row) in rows.enumerate() {
        if !sparse || index == 0 {
            fill(row, label, label_bytes);
        } else {
            last = Some(row);
        }
    }
    if let Some(row) = last {
        fill(row, label, label_bytes);
    }
}
