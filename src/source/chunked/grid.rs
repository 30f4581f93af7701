//! How a mask is cut into chunks, and what each of them shows and stores.

use std::ops::Range;

use crate::mask::Dtype;
use crate::shape::Shape;

/// How a mask is cut into chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Height and width of the mask.
    pub(crate) shape: Shape,
    /// The type of its labels.
    pub(crate) dtype: Dtype,
    /// Height and width of a chunk, at least 1. Those at the right and the bottom may reach beyond the mask.
    pub(crate) chunk: Shape,
    /// Whether the last band stores only rows that the mask has.
    pub(crate) last_is_cut: bool,
    /// The label of all pixels of a chunk that is absent.
    pub(crate) fill: u64,
}

impl Grid {
    /// Chunks side by side.
    pub(crate) fn across(&self) -> u32 {
        self.shape.width.div_ceil(self.chunk.width)
    }

    /// Groups from top to bottom.
    pub(crate) fn down(&self) -> u32 {
        self.shape.height.div_ceil(self.chunk.height)
    }

    /// Rows of the mask that the chunks of `band` show.
    pub(crate) fn rows(&self, band: u32) -> u32 {
        self.shape.height.saturating_sub(band.saturating_mul(self.chunk.height)).min(self.chunk.height)
    }

    /// Rows that a chunk of `band` stores.
    pub(crate) fn stored_rows(&self, band: u32) -> u32 {
        if self.last_is_cut { self.rows(band) } else { self.chunk.height }
    }

    /// Columns of the mask that a chunk shows, which is number `across` of its band.
    pub(crate) fn columns(&self, across: u32) -> Range<u32> {
        let first = across.saturating_mul(self.chunk.width);
        first..self.shape.width.min(first.saturating_add(self.chunk.width))
    }

    /// Bytes of one label.
    pub(crate) fn label_bytes(&self) -> usize {
        self.dtype.bytes()
    }

    /// Bytes of a row of the mask's labels.
    pub(crate) fn row_bytes(&self) -> usize {
        self.shape.width as usize * self.label_bytes()
    }

    /// Bytes of a row of the labels that a chunk shows.
    pub(super) fn chunk_row_bytes(&self, across: u32) -> usize {
        self.columns(across).len() * self.label_bytes()
    }

    /// Bytes of all the labels that a chunk shows.
    pub(super) fn shown_bytes(&self, band: u32, across: u32) -> u64 {
        // Both factors fit 32 bits: a row is at most 2^28 bytes.
        self.chunk_row_bytes(across) as u64 * u64::from(self.rows(band))
    }

    /// Whether the mask shows all that a chunk stores.
    pub(super) fn shows_all(&self, band: u32, across: u32) -> bool {
        self.columns(across).len() == self.chunk.width as usize && self.rows(band) == self.stored_rows(band)
    }
}
