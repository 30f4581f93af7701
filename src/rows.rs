//! Rows of labels as bytes: of one, two, four or eight bytes each, in native byte order.

/// The label in `bytes`, which are one label.
pub(crate) fn label(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_ne_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_ne_bytes([a, b, c, d])),
        _ => bytes.try_into().map(u64::from_ne_bytes).unwrap_or_default(),
    }
}

/// The label that all of a row have, when they have one.
pub(crate) fn constant(row: &[u8], label_bytes: usize) -> Option<u64> {
    let first = row.get(..label_bytes)?;
    // Every label equals the next: the row without its last label is the row without its first.
    (row[label_bytes..] == row[..row.len() - label_bytes]).then(|| label(first))
}

/// Fills a row with one label, which fits.
pub(crate) fn fill(row: &mut [u8], label: u64, label_bytes: usize) {
    match label_bytes {
        1 => row.fill(label as u8),
        2 => row.as_chunks_mut().0.fill((label as u16).to_ne_bytes()),
        4 => row.as_chunks_mut().0.fill((label as u32).to_ne_bytes()),
        _ => row.as_chunks_mut().0.fill(label.to_ne_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_row_is_constant_and_a_changed_one_is_not() {
        for label_bytes in [1, 2, 4, 8] {
            let value = 0x8091_a2b3_c4d5_e6f7 >> (64 - 8 * label_bytes);
            for labels in 1..20 {
                let mut row = vec![0; labels * label_bytes];
                fill(&mut row, value, label_bytes);
                assert_eq!(constant(&row, label_bytes), Some(value));
                for index in 0..row.len() {
                    let mut row = row.clone();
                    row[index] ^= 1;
                    assert_eq!(constant(&row, label_bytes).is_some(), labels == 1);
                }
            }
            assert_eq!(constant(&[], label_bytes), None);
        }
    }
}
