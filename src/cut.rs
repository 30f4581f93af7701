//! How a mask is cut: into bands that are read, strips that are marked, panels of a strip, and stacks of strips.
//!
//! Gets shapes, layouts and numbers of bytes; gives numbers of rows and columns. Pure policy: nothing here reads a pixel
//! or knows an engine, and no result of an encoder depends on what is decided here, only its speed and its memory.
//!
//! ```text
//!   +-----------------+  band: rows that are read at once, as tall as the file's tiles where memory allows
//!   | strip  |  panel |  strip: rows that are marked by themselves; panel: some columns of a strip
//!   |        |        |
//!   +-----------------+  stack: strips, one below the other, whose boundaries are put together
//! ```

use std::ops::Range;

use crate::shape::{ScanOrder, Shape};
use crate::source::Repeat;
use crate::strip::Layout;
use crate::strip::MAX_STRIP_PIXELS;

/// Rows of a strip when nothing asks for fewer: enough that a strip's line starts weigh little beside its pixels.
const STRIP_ROWS: u32 = 1024;
/// Pixels of a strip that is cut between lines.
const STRIP_PIXELS: u64 = 1 << 22;
/// Fewest columns that a thread gets of a strip.
const PANEL_COLUMNS: u32 = 1024;
/// Bytes of boundaries that are copied together at once when strips are stacked.
const STACK_BYTES: u64 = 32 << 20;
/// Bytes of lines of strips that wait to be stacked: memory that is used again is cheaper than more of it.
const WAITING_BYTES: u64 = 4 << 20;
/// Bytes that a strip takes in memory besides its lines and boundaries.
const STRIP_BYTES: u64 = 128;

/// Which way a view whose columns are scan lines is cut, from how its pixels lie in memory.
pub(crate) fn layout_of(shape: Shape, row_stride: isize, column_stride: isize) -> Layout {
    let rows = column_stride == 1 || shape.width <= 1;
    let columns = row_stride == 1 || shape.height <= 1;
    match (rows, columns) {
        (true, true) if shape.height >= shape.width => Layout::Along,
        (false, true) => Layout::Along,
        _ => Layout::Across,
    }
}

/// The order in which a mask of rows is looked at so that its positions are those of `order`: a mask of one row or column
/// has the same in both, and is one scan line in one of them, instead of one for each pixel.
pub(crate) fn simplest_order(order: ScanOrder, shape: Shape) -> ScanOrder {
    match (shape.height, shape.width) {
        (_, 1) => ScanOrder::ColumnMajor,
        (1, _) => ScanOrder::RowMajor,
        _ => order,
    }
}

/// Rows of memory in a strip of a mask that has `count` of them, `row_pixels` long, at least 1 and at most `most`.
pub(crate) fn strip_rows(layout: Layout, count: u32, row_pixels: u32, threads: usize, most: Option<u32>) -> u32 {
    let width = u64::from(row_pixels.max(1));
    let rows = match layout {
        Layout::Across => u64::from(STRIP_ROWS),
        // A few for each thread.
        Layout::Along => (STRIP_PIXELS / width).min(u64::from(count).div_ceil(4 * threads.max(1) as u64)),
    };
    at_most(rows, most, width)
}

/// As many rows as an engine asks for, at least 1 and at most `most`.
pub(crate) fn engine_strip_rows(wanted: u32, row_pixels: u32, most: Option<u32>) -> u32 {
    at_most(u64::from(wanted), most, u64::from(row_pixels.max(1)))
}

fn at_most(rows: u64, most: Option<u32>, width: u64) -> u32 {
    let rows = rows.min(u64::from(most.unwrap_or(u32::MAX)));
    // The row above counts among a strip's pixels.
    let rows = rows.min((MAX_STRIP_PIXELS / width).saturating_sub(1)).max(1);
    // At most what `most` was.
    u32::try_from(rows).unwrap_or(u32::MAX)
}

/// Rows of a source that are read at once: whole bands of `band` rows, the height of its tiles, in about `read` bytes;
/// one band where it has more, up to `most` bytes; and otherwise a part of a band.
pub(crate) fn rows_at_once(row_bytes: u64, band: u32, height: u32, read: u64, most: u64) -> u32 {
    let band = u64::from(band.clamp(1, height.max(1)));
    let rows = match row_bytes.saturating_mul(band) {
        0 => u64::from(height),
        bytes if bytes <= read => read / bytes * band,
        bytes if bytes <= most => band,
        _ => read / row_bytes,
    };
    u32::try_from(rows.clamp(1, u64::from(height.max(1)))).unwrap_or(u32::MAX)
}

/// Rows of a source that are read at once in blocks, which take no memory for pixels: those that are marked and stacked
/// together, whole bands of `band` rows and at least `rows`; 0 where these are too many to be one strip.
pub(crate) fn block_rows(width: u32, band: u32, height: u32, rows: u32) -> u32 {
    let width = u64::from(width.max(1));
    let band = u64::from(band.clamp(1, height.max(1)));
    let wanted = u64::from(rows.max(STRIP_ROWS)).min(MAX_STRIP_PIXELS / width) / band * band;
    let rows = wanted.max(band).min(u64::from(height));
    // At most the height.
    if rows * width <= MAX_STRIP_PIXELS { rows as u32 } else { 0 }
}

/// Bytes that rows, lines and boundaries of a mask take whatever it holds, before any of them is looked at: `rows` rows
/// are read at once, into a buffer with the row above.
pub(crate) fn fixed_bytes(shape: Shape, order: ScanOrder, label_bytes: u64, rows: u32) -> u64 {
    let buffer = u128::from(shape.width) * u128::from(label_bytes) * (u128::from(rows) + 1);
    let line = match order {
        // A boundary at the first pixel, twice, where panels are put together; three numbers while a strip is marked.
        ScanOrder::ColumnMajor => 28 + 2 * label_bytes,
        ScanOrder::RowMajor => 8 + label_bytes,
    };
    let lines = u128::from(shape.lines(order)) * u128::from(line);
    u64::try_from(buffer + lines).unwrap_or(u64::MAX)
}

/// Most bytes that marking one pixel takes, where every pixel is a boundary: the events of a block and the boundaries of a
/// strip, of its panels, and of a stack.
pub(crate) fn marking_bytes(label_bytes: u64) -> u64 {
    2 * (1 + label_bytes) + 3 * (4 + label_bytes)
}

/// Columns of a panel of a strip that is `width` wide, where `strips` strips are marked at once by `threads` threads.
pub(crate) fn panel_columns(width: u32, strips: usize, threads: usize) -> u32 {
    if threads <= 1 {
        return width.max(1);
    }
    let wanted = (2 * threads).div_ceil(strips.max(1)).min((width / PANEL_COLUMNS) as usize).max(1);
    width.div_ceil(u32::try_from(wanted).unwrap_or(u32::MAX)).max(1)
}

/// Some columns of a strip, and which of its rows repeat there what is above them, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panel {
    pub(crate) columns: Range<u32>,
    pub(crate) repeats: Vec<Range<u32>>,
}

/// Cuts `width` columns into panels of at most `most`, in each of which a row repeats all through or is to be marked.
pub(crate) fn panels(width: u32, most: u32, repeats: &[Repeat]) -> Vec<Panel> {
    let mut edges: Vec<u32> = repeats.iter().flat_map(|repeat| [repeat.columns.start, repeat.columns.end]).collect();
    edges.extend([0, width]);
    edges.sort_unstable();
    edges.dedup();
    let mut between: Vec<Panel> =
        edges.windows(2).map(|edges| Panel { columns: edges[0]..edges[1], repeats: Vec::new() }).collect();
    for repeat in repeats {
        let from = edges.partition_point(|&edge| edge < repeat.columns.start);
        let to = edges.partition_point(|&edge| edge < repeat.columns.end);
        for panel in &mut between[from..to] {
            panel.repeats.push(repeat.rows.clone());
        }
    }
    for panel in &mut between {
        panel.repeats.sort_unstable_by_key(|rows| rows.start);
    }
    between.dedup_by(|panel, before| {
        let same = panel.repeats == before.repeats;
        if same {
            before.columns.end = panel.columns.end;
        }
        same
    });
    let cut = |Panel { columns, repeats }: Panel| {
        let starts = columns.clone().step_by(most.max(1) as usize);
        starts.map(move |start| {
            let end = start.saturating_add(most.max(1)).min(columns.end);
            Panel { columns: start..end, repeats: repeats.clone() }
        })
    };
    between.into_iter().flat_map(cut).collect()
}

/// What of `repeats` lies in `rows`, counted from the first of these.
pub(crate) fn crop(repeats: &[Repeat], rows: Range<u32>) -> Vec<Repeat> {
    let crop = |repeat: &Repeat| Repeat {
        rows: repeat.rows.start.max(rows.start).saturating_sub(rows.start)
            ..repeat.rows.end.min(rows.end).saturating_sub(rows.start),
        columns: repeat.columns.clone(),
    };
    repeats.iter().map(crop).filter(|repeat| !repeat.rows.is_empty() && !repeat.columns.is_empty()).collect()
}

/// How large strips are, one or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: u64,
    /// Bytes that they take even if they hold nothing.
    pub(crate) fixed: u64,
    /// Their boundaries, and the bytes of these.
    pub(crate) boundaries: u64,
    pub(crate) bytes: u64,
}

impl Size {
    /// A strip of so many rows, lines and boundaries.
    pub(crate) fn new(rows: u64, lines: u64, boundaries: u64, label_bytes: u64) -> Self {
        Self { rows, fixed: STRIP_BYTES + 4 * (lines + 1), boundaries, bytes: boundaries * (4 + label_bytes) }
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            fixed: self.fixed + other.fixed,
            boundaries: self.boundaries + other.boundaries,
            bytes: self.bytes + other.bytes,
        }
    }

    /// Whether strips of this size together are better one, of which each takes `fixed` bytes whatever it holds: strips of
    /// few rows, and strips that hold little.
    pub(crate) fn is_one(self, fixed: u64) -> bool {
        let low = self.rows <= u64::from(STRIP_ROWS) && self.bytes <= STACK_BYTES;
        let little = self.bytes <= 4 * fixed;
        self.boundaries < u64::from(u32::MAX) && (low || little)
    }

    /// Whether strips that wait to become one take so much that they have to at once.
    pub(crate) fn is_due(self) -> bool {
        self.fixed > WAITING_BYTES
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn contiguous_memory_decides_the_cut() {
        let layout = |height, width, rows, columns| layout_of(Shape { height, width }, rows, columns);
        assert_eq!(layout(10, 20, 20, 1), Layout::Across);
        assert_eq!(layout(10, 20, 1, 10), Layout::Along);
        assert_eq!(layout(10, 20, 40, 2), Layout::Across);
        assert_eq!(layout(10, 20, -20, 1), Layout::Across);
        // One row or one column is contiguous both ways: as few lines as there can be.
        assert_eq!((layout(1, 20, 20, 1), layout(20, 1, 1, 1)), (Layout::Across, Layout::Along));
    }

    #[test]
    fn one_row_is_one_line() {
        use ScanOrder::{ColumnMajor, RowMajor};
        for order in ScanOrder::ALL {
            let simplest = |height, width| simplest_order(*order, Shape { height, width });
            assert_eq!((simplest(1, 9), simplest(9, 1), simplest(9, 9)), (RowMajor, ColumnMajor, *order));
            assert_eq!(Shape { height: 1, width: 9 }.lines(simplest(1, 9)), 1);
            assert_eq!(Shape { height: 9, width: 1 }.lines(simplest(9, 1)), 1);
        }
    }

    #[test]
    fn bands_are_read_whole_where_memory_allows() {
        let rows = |row_bytes, band, height| rows_at_once(row_bytes, band, height, 1 << 24, 1 << 27);
        // Many bands; one; a part; one row; no pixels.
        assert_eq!(rows(1 << 10, 256, 100_000), 1 << 14);
        assert_eq!(rows(1 << 10, 1, 5000), 5000);
        assert_eq!(rows(1 << 18, 512, 100_000), 512);
        assert_eq!(rows(1 << 18, 1024, 100_000), 64);
        assert_eq!(rows(1 << 30, 1 << 30, u32::MAX), 1);
        assert_eq!(rows(0, 7, 5000), 5000);
        assert_eq!(rows(3, 7, 0), 1);
    }

    #[test]
    fn blocks_are_read_in_strips_of_whole_bands() {
        assert_eq!(block_rows(8000, 1024, 8000, 500), 1024);
        assert_eq!(block_rows(100, 256, 100_000, 41_943), 41_728);
        assert_eq!((block_rows(1000, 5000, 100_000, 20), block_rows(10, 1024, 3, 1)), (5000, 3));
        // So many pixels that their boundaries could not be counted.
        assert_eq!((block_rows(1 << 22, 512, 1 << 20, 1), block_rows(1 << 22, 2048, 1 << 20, 1)), (512, 0));
    }

    #[test]
    fn strips_are_tall_but_countable() {
        let rows = |layout, count, pixels, most| strip_rows(layout, count, pixels, 4, most);
        assert_eq!(rows(Layout::Across, 50_000, 20_000, None), 1024);
        assert_eq!(rows(Layout::Across, 50_000, 20_000, Some(7)), 7);
        assert_eq!(rows(Layout::Across, 50_000, 1 << 24, None), 254);
        assert_eq!(rows(Layout::Across, 50_000, u32::MAX, None), 1);
        assert_eq!(rows(Layout::Along, 160, 1000, None), 10);
        assert_eq!(rows(Layout::Along, 50_000, 20_000, None), 209);
        assert_eq!(rows(Layout::Along, 1, u32::MAX, None), 1);
        assert_eq!(rows(Layout::Along, 0, 0, Some(0)), 1);
        assert_eq!((engine_strip_rows(3000, 10, None), engine_strip_rows(3000, 10, Some(9))), (3000, 9));
    }

    #[test]
    fn every_thread_has_a_panel() {
        // Alone, or with a strip for every thread, nobody needs one; columns are not cut too small.
        assert_eq!((panel_columns(20_000, 1, 1), panel_columns(20_000, 16, 8)), (20_000, 20_000));
        assert_eq!((panel_columns(20_000, 1, 2), panel_columns(20_000, 1, 64)), (5_000, 1_053));
        assert_eq!((panel_columns(1, 0, 8), panel_columns(0, 1, 8)), (1, 1));
    }

    #[test]
    fn strips_of_few_rows_or_few_boundaries_are_stacked() {
        let strip = |rows, boundaries| Size::new(rows, 1000, boundaries, 2);
        let stacked = |sizes: &[Size]| sizes.iter().fold(Size::default(), |all, size| all.with(*size)).is_one(4132);
        assert!(stacked(&[strip(10, 1000), strip(10, 100_000)]));
        assert!(!stacked(&[strip(1000, 1000), strip(25, 100_000)]));
        assert!(stacked(&[strip(1000, 1000), strip(25, 1000)]));
        // Too many to be copied, or to be counted in 32 bits.
        assert!(!stacked(&[strip(10, 1 << 21), strip(10, 1 << 22)]));
        assert!(!Size::new(10, u64::from(u32::MAX), u64::from(u32::MAX), 1).is_one(1 << 34));
        let waiting = (0..1000).fold(Size::default(), |all, _| all.with(Size::new(1, 1 << 20, 0, 1)));
        assert!(waiting.is_due() && !strip(1, 1).is_due());
    }

    #[test]
    fn what_a_shape_alone_takes_is_known() {
        let fixed = |height, width, order, rows| fixed_bytes(Shape { height, width }, order, 4, rows);
        assert_eq!(fixed(1, 20_000_000, ScanOrder::RowMajor, 1), 2 * 80_000_000 + 12);
        assert_eq!(fixed(100, 1000, ScanOrder::ColumnMajor, 9), 10 * 4000 + 36_000);
        assert_eq!(fixed(u32::MAX, u32::MAX, ScanOrder::ColumnMajor, u32::MAX), u64::MAX);
    }

    fn repeats() -> impl Strategy<Value = Vec<Repeat>> {
        let range = |most: u32| (0..most, 1..most).prop_map(|(start, length)| start..start + length);
        // Those of one column do not overlap: every repeat has columns of its own.
        prop::collection::vec((range(30), 1..4_u32, 0..3_u32), 0..8).prop_map(|all| {
            let mut column = 0;
            let place = |(rows, width, gap): (Range<u32>, u32, u32)| {
                let columns = column + gap..column + gap + width;
                column = columns.end;
                Repeat { rows, columns }
            };
            all.into_iter().map(place).collect()
        })
    }

    proptest! {
        /// Panels cover every column once, are no wider than they may be, and say of every pixel whether it repeats.
        #[test]
        fn panels_cover_a_strip_exactly(repeats in repeats(), more in 0..9_u32, most in 1..50_u32) {
            let width = repeats.last().map_or(0, |repeat| repeat.columns.end) + more;
            let mut column = 0;
            for panel in panels(width, most, &repeats) {
                prop_assert_eq!(panel.columns.start, column);
                prop_assert!(panel.columns.end > column && panel.columns.end - column <= most);
                for column in panel.columns.clone() {
                    for row in 0..60 {
                        let by_definition =
                            repeats.iter().any(|repeat| repeat.rows.contains(&row) && repeat.columns.contains(&column));
                        prop_assert_eq!(panel.repeats.iter().any(|rows| rows.contains(&row)), by_definition);
                    }
                }
                column = panel.columns.end;
            }
            prop_assert_eq!(column, width);
        }

        /// What is cropped says of every row of the part what the whole said.
        #[test]
        fn a_crop_is_the_same_seen_from_its_first_row(repeats in repeats(), start in 0..60_u32, length in 0..20_u32) {
            let cropped = crop(&repeats, start..start + length);
            for row in 0..length {
                for column in 0..60 {
                    let has = |repeats: &[Repeat], row| {
                        repeats.iter().any(|repeat| repeat.rows.contains(&row) && repeat.columns.contains(&column))
                    };
                    prop_assert_eq!(has(&cropped, row), has(&repeats, start + row));
                }
            }
            prop_assert!(cropped.iter().all(|repeat| repeat.rows.end <= length));
        }
    }
}
