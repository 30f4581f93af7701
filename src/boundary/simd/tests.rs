use super::*;
use crate::mask::LabelMask;
use crate::shape::Shape;

fn label<T: Label>(value: u64) -> T {
    T::from_u64(value).unwrap_or_default()
}

/// A block whose rows differ in single pixels, of every number of rows, at every level.
fn columns_are_copied_with_what_changes<T: Label>() {
    for height in 1..=BLOCK {
        // Whether a pixel is another than the one above.
        let begins = |row: usize, column: usize| ((row * 37 + column * 11) % 64).is_multiple_of(7);
        let mut pixels = vec![[T::default(); 2 * BLOCK]];
        for row in 1..=height {
            let above = pixels[row - 1];
            pixels.push(std::array::from_fn(|column| match above[column] {
                above if !begins(row, column) => above,
                above if above == label(1) => label(200),
                _ => label(1),
            }));
        }
        let rows: Vec<&[u8]> = pixels.iter().map(|row| bytemuck::cast_slice(row)).collect();
        for level in SimdLevel::all() {
            for from in [0, 5, BLOCK] {
                let (mut tile, mut words) = ([[label::<T>(9); BLOCK]; BLOCK], [u64::MAX; BLOCK]);
                let any = dispatch!(level.0, simd => T::copy_columns(simd, &rows, from, &mut tile, &mut words));
                for (column, &word) in words.iter().enumerate() {
                    let bit = |row: usize| u64::from(begins(row + 1, from + column)) << row;
                    assert_eq!(word, (0..height).map(bit).sum::<u64>(), "{height} rows, {from} + {column}");
                    assert_eq!(any >> column & 1, u64::from(word != 0));
                }
                for (copy, row) in tile.iter().zip(&pixels[1..]) {
                    assert_eq!(copy[..], row[from..from + BLOCK], "{height} rows, from {from}");
                }
            }
        }
    }
}

#[test]
fn columns_of_all_types_are_copied_with_what_changes() {
    columns_are_copied_with_what_changes::<u8>();
    columns_are_copied_with_what_changes::<u16>();
    columns_are_copied_with_what_changes::<u32>();
    columns_are_copied_with_what_changes::<u64>();
}

/// Strips of which nearly every group differs, wider than a panel, and their last rows and columns fill no block.
fn panels_give_what_the_definition_gives<T: Label>() {
    let shape = Shape { height: 203, width: 2 * (PANEL / size_of::<T>()) as u32 + 70 };
    let label = |row: u32, column: u32| T::from_u64(u64::from((row / 5 + column / 7) % 9 * (row % 5).min(1)));
    let pixels: Vec<T> = (0..shape.height)
        .flat_map(|row| (0..shape.width).map(move |column| label(row, column).unwrap_or_default()))
        .collect();
    let mask = LabelMask::new(&pixels, shape).unwrap();
    assert!(is_dense(|row| mask.row(row).unwrap(), shape.height, shape.width as usize));
    for above in [false, true] {
        let strip = Strip::new(mask, above).unwrap();
        let expected = crate::boundary::scalar::mark(strip).unwrap();
        for level in SimdLevel::all() {
            // In memory that holds something else, and too little of it.
            let mut workspace = Workspace::default();
            let spare = mark_with(level, strip, &mut workspace, Boundaries::default()).unwrap();
            assert_eq!(spare, expected, "{}", level.name());
            let mut spare = Boundaries { line_starts: vec![9; 7], offsets: vec![9; 999], labels: spare.labels };
            spare.labels.reverse();
            assert_eq!(mark_with(level, strip, &mut workspace, spare).unwrap(), expected, "{}", level.name());
        }
    }
}

#[test]
fn dense_strips_are_marked_in_panels() {
    panels_give_what_the_definition_gives::<u8>();
    panels_give_what_the_definition_gives::<u16>();
    panels_give_what_the_definition_gives::<u32>();
    panels_give_what_the_definition_gives::<u64>();
}

#[test]
fn strips_of_little_are_not_dense() {
    let shape = Shape { height: 200, width: 4000 };
    let pixels: Vec<u8> =
        (0..shape.pixels()).map(|pixel| u8::from(pixel % 4000 < 900 && pixel / 4000 == 100)).collect();
    let mask = LabelMask::new(&pixels, shape).unwrap();
    assert!(!is_dense(|row| mask.row(row).unwrap(), 200, 4000));
    // One row, one column.
    assert!(!is_dense(|row| mask.row(row).unwrap(), 1, 4000));
    let column = mask.columns(0, 2);
    assert!(!is_dense(|row| column.row(row).unwrap(), 200, 2));
}

/// Each of more blocks than there are bits for them: blocks share bits.
#[test]
fn strips_may_be_taller_than_a_word_of_blocks() {
    let shape = Shape { height: 9001, width: 70 };
    let label = |row: u32, column: u32| (row / 7 + column / 9) % 5 * u32::from(row % 100 < 90);
    let pixels: Vec<u16> =
        (0..shape.height).flat_map(|row| (0..shape.width).map(move |column| label(row, column) as u16)).collect();
    let strip = Strip::new(LabelMask::new(&pixels, shape).unwrap(), false).unwrap();
    let expected = crate::boundary::scalar::mark(strip).unwrap();
    assert!(expected.offsets.len() > 9001);
    for level in SimdLevel::all() {
        assert_eq!(mark(level, strip).unwrap(), expected, "{}", level.name());
    }
}
