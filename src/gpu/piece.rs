//! Pieces: how a strip is cut so that each part fits the adapter, and the numbers that kernels are told about a part.
//!
//! Gets the lines of a strip, their length and their layout; gives pieces that cover it exactly once; guarantees that
//! every buffer and every dispatch of a piece is within the adapter's limits.
//!
//! Callers cut masks by [`Bounds::rows`], and then a strip is one piece. Cutting again here is what makes any strip work:
//! a line longer than a buffer, or more lines than a dispatch can number.

use crate::error::{Error, Result};
use crate::strip::Layout;

/// Pixels of a line whose boundaries are counted together: eight words of bits.
pub(crate) const SEGMENT: u32 = 256;

/// Lines whose totals one workgroup of column_scan adds up.
pub(crate) const GROUP: u32 = 32;

/// Bytes of bits for one segment.
const SEGMENT_BYTES: u64 = 32;

/// Bytes that a row of memory is padded to in uploads.
pub(crate) const BLOCK: u64 = 16;

/// `Params` of shaders/params.wgsl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Params {
    /// Bytes to the first pixel.
    pub first: u32,
    /// Bytes to the first pixel of the row above, in a binding of its own.
    pub above: u32,
    /// Bytes from one row of memory to the next.
    pub pitch: u32,
    /// 16-byte blocks of one row of memory.
    pub blocks: u32,
    /// Scan lines.
    pub lines: u32,
    /// Pixels of each line.
    pub length: u32,
    /// Whether the first pixel of a line is always a boundary.
    pub forced: bool,
}

impl Params {
    /// Segments of each line.
    pub(crate) fn segments(self) -> u32 {
        self.length.div_ceil(SEGMENT)
    }

    /// Groups of lines.
    pub(crate) fn groups(self) -> u32 {
        self.lines.div_ceil(GROUP)
    }

    /// The uniform buffer's words, with the window that a scatter writes.
    pub(crate) fn words(self, window: Window) -> [u32; 12] {
        let Self { first, above, pitch, blocks, lines, length, forced } = self;
        let Window { start, size, first_line, depth } = window;
        [first, above, pitch, blocks, lines, length, self.segments(), forced.into(), start, size, first_line, depth]
    }

    /// Bytes of the bits of all segments.
    pub(crate) fn bits_bytes(self) -> u64 {
        bits_bytes(self.lines.into(), self.length.into())
    }

    /// Bytes of the counts of all segments, and of the totals behind them.
    pub(crate) fn counts_bytes(self) -> u64 {
        counts_bytes(self.lines.into(), self.length.into())
    }

    /// Bytes of the starts of all lines.
    pub(crate) fn starts_bytes(self) -> u64 {
        4 * u64::from(self.lines)
    }

    /// Bytes of the sums of all groups.
    pub(crate) fn groups_bytes(self) -> u64 {
        4 * u64::from(self.groups())
    }
}

/// The boundaries that one dispatch of scatter writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Window {
    /// Number of the first one.
    pub start: u32,
    /// How many.
    pub size: u32,
    /// The line at which the dispatch begins.
    pub first_line: u32,
    /// Segments of each line that one workgroup owns.
    pub depth: u32,
}

impl Params {
    /// Segments of each line for one workgroup of scatter, where there are so many boundaries in all. Few boundaries take no
    /// time but that of starting workgroups; many are found sooner the more workgroups look for them. With 17 boundaries in a
    /// segment (u16, H100) 2 segments took 0.72 of the time of 8, with one in seven segments 1.5 of it.
    pub(crate) fn depth(self, boundaries: u32) -> u32 {
        let segments = u64::from(self.lines) * u64::from(self.segments());
        if u64::from(boundaries) < 2 * segments { 8 } else { 2 }
    }
}

fn segments(length: u64) -> u64 {
    length.div_ceil(SEGMENT.into())
}

fn bits_bytes(lines: u64, length: u64) -> u64 {
    lines * segments(length) * SEGMENT_BYTES
}

fn counts_bytes(lines: u64, length: u64) -> u64 {
    lines * (segments(length) + 1) * 4
}

/// Bytes rounded up to whole blocks.
pub(crate) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

/// What bounds a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes of labels that are uploaded at once, with their padding and the row above.
    pub labels: u64,
    /// Bytes of any binding.
    pub binding: u64,
    /// Workgroups in one dimension of a dispatch.
    pub groups: u32,
}

/// Where the labels of a piece are, for what fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// On the host: they are uploaded, and padded on the way.
    Host,
    /// In a buffer on the device, with this pitch.
    Device { pitch: u64 },
}

/// A part of a strip: some of its lines, and a stretch of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The first line.
    pub line: u32,
    /// Number of lines.
    pub lines: u32,
    /// The first pixel of each line.
    pub start: u32,
    /// Pixels of each line.
    pub length: u32,
}

/// Bytes of a binding that may lie before the first pixel and behind the last.
const SLACK: u64 = 512;

impl Bounds {
    /// The sides of the pieces that a strip is cut into: lines, and pixels of each.
    pub(crate) fn sides(
        self,
        memory: Memory,
        layout: Layout,
        lines: u32,
        length: u32,
        label_bytes: u64,
    ) -> Result<(u32, u32)> {
        // The kernels number lines by workgroups of 16 or more, and scatter by 32.
        let mut lines = u64::from(lines).min(u64::from(self.groups) * 16);
        let mut length = u64::from(length).min(u64::from(self.groups) * u64::from(SEGMENT));
        // The side along the rows of memory first, as long as it can be for a row or two; then as many rows as fit.
        match layout {
            Layout::Across => {
                lines = lines.min(self.most_row_bytes(memory) / label_bytes).min(self.binding / SEGMENT_BYTES);
                length = length.min(self.most_rows(memory, layout, lines * label_bytes));
                length = length.min(self.most_segments(lines) * u64::from(SEGMENT));
            }
            Layout::Along => {
                length = length.min(self.most_row_bytes(memory) / label_bytes);
                length = length.min(self.binding / SEGMENT_BYTES * u64::from(SEGMENT));
                lines = lines.min(self.most_rows(memory, layout, length * label_bytes));
                lines = lines.min(self.binding / bits_bytes(1, length).max(counts_bytes(1, length)).max(1));
            }
        }
        // Each fits into 32 bits, being no more than what was asked for.
        match (u32::try_from(lines), u32::try_from(length)) {
            (Ok(lines @ 1..), Ok(length @ 1..)) => Ok((lines, length)),
            _ => Err(Error::Engine {
                engine: "gpu",
                message: format!(
                    "the adapter's limits leave no room for one pixel: {} bytes of labels, {} bytes in a binding",
                    self.labels, self.binding
                ),
            }),
        }
    }

    /// Most bytes that a row of memory may have.
    fn most_row_bytes(self, memory: Memory) -> u64 {
        match memory {
            // Two rows, the row above and one more, or a row and the block before it.
            Memory::Host => self.labels / 2 / BLOCK * BLOCK,
            Memory::Device { .. } => self.binding.saturating_sub(SLACK),
        }
    }

    /// Most rows of memory of this many bytes.
    fn most_rows(self, memory: Memory, layout: Layout, row_bytes: u64) -> u64 {
        match (memory, layout) {
            (Memory::Host, Layout::Across) => self.labels.checked_div(padded(row_bytes)).unwrap_or(0).saturating_sub(1),
            (Memory::Host, Layout::Along) => self.labels / (BLOCK + padded(row_bytes)),
            (Memory::Device { pitch }, _) => {
                let rest = self.binding.saturating_sub(SLACK + row_bytes);
                rest.checked_div(pitch).map_or(u64::MAX, |rows| rows.saturating_add(1))
            }
        }
    }

    /// Most segments for which bits and counts of `lines` lines fit.
    fn most_segments(self, lines: u64) -> u64 {
        let most = |bytes: u64| self.binding.checked_div(bytes).unwrap_or(0);
        most(lines * SEGMENT_BYTES).min(most(lines * 4).saturating_sub(1))
    }

    /// Rows of memory, of `pixels` labels each, that make one piece whichever way the lines lie; at least 1.
    pub(crate) fn rows(self, pixels: u32, label_bytes: u64) -> Result<u32> {
        let pixels = pixels.max(1);
        let (_, across) = self.sides(Memory::Host, Layout::Across, pixels, u32::MAX, label_bytes)?;
        let (along, _) = self.sides(Memory::Host, Layout::Along, u32::MAX, pixels, label_bytes)?;
        // The row above counts among a strip's pixels.
        let countable = (u32::MAX / pixels).saturating_sub(1);
        Ok(across.min(along).min(countable).max(1))
    }

    /// The pieces of a strip, panel by panel: all stretches of some lines, then those of the next lines.
    pub(crate) fn pieces(self, layout: Layout, lines: u32, length: u32, label_bytes: u64) -> Result<Vec<Vec<Piece>>> {
        let (line_step, length_step) = self.sides(Memory::Host, layout, lines, length, label_bytes)?;
        let panel = |(line, lines)| -> Vec<Piece> {
            steps(length, length_step).map(|(start, length)| Piece { line, lines, start, length }).collect()
        };
        Ok(steps(lines, line_step).map(panel).collect())
    }
}

/// `0..total` in steps: the start and the size of each.
pub(crate) fn steps(total: u32, step: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..total).step_by(step.max(1) as usize).map(move |first| (first, step.min(total - first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBGPU: Bounds = Bounds { labels: 128 << 20, binding: 128 << 20, groups: 65535 };

    fn upload_bytes(layout: Layout, piece: Piece, label_bytes: u64) -> u64 {
        let (lines, length) = (u64::from(piece.lines), u64::from(piece.length));
        match layout {
            Layout::Across => (length + 1) * padded(lines * label_bytes),
            Layout::Along => lines * (BLOCK + padded(length * label_bytes)),
        }
    }

    #[test]
    fn pieces_cover_strips_once_and_keep_the_bounds() {
        let tight = [
            WEBGPU,
            Bounds { labels: 32, binding: 32, groups: 1 },
            Bounds { labels: 100, binding: 64, groups: 2 },
            Bounds { labels: 4096, binding: 4096, groups: 3 },
        ];
        for bounds in tight {
            for (lines, length) in [(1, 1), (1, 700), (700, 1), (33, 65), (300, 300), (5000, 3), (3, 5000)] {
                for layout in [Layout::Across, Layout::Along] {
                    for label_bytes in [1, 2, 4, 8] {
                        let mut seen = 0;
                        let mut at = (0, 0);
                        for piece in bounds.pieces(layout, lines, length, label_bytes).unwrap().concat() {
                            if piece.line != at.0 {
                                at = (piece.line, 0);
                            }
                            assert_eq!(piece.start, at.1);
                            at.1 += piece.length;
                            seen += u64::from(piece.lines) * u64::from(piece.length);
                            assert!(upload_bytes(layout, piece, label_bytes) <= bounds.labels, "{bounds:?} {piece:?}");
                            assert!(bits_bytes(piece.lines.into(), piece.length.into()) <= bounds.binding);
                            assert!(counts_bytes(piece.lines.into(), piece.length.into()) <= bounds.binding);
                            assert!(piece.length.div_ceil(SEGMENT) <= bounds.groups);
                            assert!(piece.lines.div_ceil(16) <= bounds.groups);
                        }
                        assert_eq!(seen, u64::from(lines) * u64::from(length));
                    }
                }
            }
        }
    }

    #[test]
    fn a_strip_of_the_advised_rows_is_one_piece() {
        for bounds in [WEBGPU, Bounds { labels: 20_000, binding: 20_000, groups: 65535 }] {
            for pixels in [1, 2, 15, 16, 17, 100, 300] {
                for label_bytes in [1, 2, 4, 8] {
                    let rows = bounds.rows(pixels, label_bytes).unwrap();
                    for (layout, lines, length) in [(Layout::Across, pixels, rows), (Layout::Along, rows, pixels)] {
                        let pieces = bounds.pieces(layout, lines, length, label_bytes).unwrap();
                        assert!(rows == 1 || pieces.concat().len() == 1, "{bounds:?} {pixels} {rows} {layout:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn many_boundaries_are_found_by_more_workgroups() {
        let params = Params { lines: 100, length: 1000, ..Params::default() };
        assert_eq!((params.depth(0), params.depth(799), params.depth(800), params.depth(u32::MAX)), (8, 8, 2, 2));
    }

    #[test]
    fn the_largest_sides_do_not_overflow() {
        for layout in [Layout::Across, Layout::Along] {
            for (lines, length) in [(u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
                let (line_step, length_step) = WEBGPU.sides(Memory::Host, layout, lines, length, 8).unwrap();
                assert!(line_step <= lines && length_step <= length);
            }
        }
        assert_eq!(WEBGPU.rows(u32::MAX, 8).unwrap(), 1);
        assert!(WEBGPU.rows(0, 1).unwrap() >= 1);
        let none = Bounds { labels: 16, binding: 16, groups: 1 };
        assert!(none.sides(Memory::Host, Layout::Across, 5, 5, 1).is_err());
        assert!(none.rows(5, 1).is_err());
    }
}
