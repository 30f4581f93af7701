//! Samples as files store them, and labels as masks hold them.
//!
//! Gets rows of 1, 2, 4, 8, 16, 32 or 64-bit integers, signed or not, in either byte order; gives rows of unsigned labels
//! in native byte order. Stored values are kept: nothing is scaled or inverted. Signed samples become the unsigned type
//! of the same width. A negative sample is an error that the caller places, and so is a boolean other than 0 and 1.

use crate::error::{Error, Place};
use crate::mask::Dtype;

/// How a file stores one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Samples {
    bits: u8,
    kind: Kind,
    big_endian: bool,
}

/// What the bits of a sample mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    /// A byte, 0 or 1.
    Boolean,
}

/// A sample that is no label: its column in the row given and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) column: usize,
    pub(crate) value: i64,
}

impl Unfit {
    /// The error for this sample in `row`, whose first pixel given was in column `first`.
    pub(crate) fn error(self, row: u64, first: u64) -> Error {
        let column = first + self.column as u64;
        let place = Place::Part(format!("row {row}, column {column}"));
        let expected = if self.value < 0 { "a label of 0 or more" } else { "False or True, 0 or 1" };
        Error::format(place, expected, self.value.to_string())
    }
}

impl Samples {
    /// Samples of `bits` each; `None` for a width that no mask has. Samples of less than 8 bits are unsigned and packed
    /// from the high bit down.
    #[cfg(any(test, feature = "tiff", feature = "image", feature = "npy"))]
    pub(crate) fn new(bits: u64, signed: bool, big_endian: bool) -> Option<Self> {
        match bits {
            1 | 2 | 4 if signed => None,
            1 | 2 | 4 | 8 | 16 | 32 | 64 => {
                let kind = if signed { Kind::Signed } else { Kind::Unsigned };
                Some(Self { bits: u8::try_from(bits).ok()?, kind, big_endian })
            }
            _ => None,
        }
    }

    /// Booleans of one byte each.
    #[cfg(any(feature = "npy", feature = "zarr"))]
    pub(crate) fn booleans() -> Self {
        Self { bits: 8, kind: Kind::Boolean, big_endian: false }
    }

    /// Samples that are labels of `dtype`.
    pub(crate) fn of(dtype: Dtype, big_endian: bool) -> Self {
        // At most 64.
        Self { bits: 8 * dtype.bytes() as u8, kind: Kind::Unsigned, big_endian }
    }

    /// The label type that holds every sample.
    pub(crate) fn dtype(self) -> Dtype {
        match self.bits {
            16 => Dtype::U16,
            32 => Dtype::U32,
            64 => Dtype::U64,
            _ => Dtype::U8,
        }
    }

    /// Whether one stored sample is as long as its label, so that a row can be converted where it lies.
    pub(crate) fn in_place(self) -> bool {
        self.bits >= 8
    }

    /// Bytes of a stored row of `width` samples.
    pub(crate) fn row_bytes(self, width: u32) -> u64 {
        (u64::from(width) * u64::from(self.bits)).div_ceil(8)
    }

    /// Fills `labels` from the first samples of a stored row. With `differences`, each sample but the first is stored as
    /// its difference from the one before.
    #[cfg(any(test, feature = "tiff", feature = "image"))]
    pub(crate) fn decode(self, stored: &[u8], differences: bool, labels: &mut [u8]) -> Result<(), Unfit> {
        if self.in_place() {
            labels.copy_from_slice(&stored[..labels.len()]);
            return self.decode_in_place(differences, labels);
        }
        let bits = usize::from(self.bits);
        let per_byte = 8 / bits;
        let mask = u8::MAX >> (8 - bits);
        for (labels, &byte) in labels.chunks_mut(per_byte).zip(stored) {
            for (index, label) in labels.iter_mut().enumerate() {
                *label = (byte >> (8 - bits * (index + 1))) & mask;
            }
        }
        Ok(())
    }

    /// Turns a stored row into labels where it lies; only for samples of whole bytes.
    pub(crate) fn decode_in_place(self, differences: bool, row: &mut [u8]) -> Result<(), Unfit> {
        debug_assert!(self.in_place());
        let swap = self.big_endian != cfg!(target_endian = "big");
        macro_rules! decode {
            ($unsigned:ty, $signed:ty, $bytes:literal) => {{
                let samples = row.as_chunks_mut::<$bytes>().0;
                if swap && $bytes > 1 {
                    samples.iter_mut().for_each(|sample| sample.reverse());
                }
                if differences {
                    let mut sum: $unsigned = 0;
                    for sample in samples.iter_mut() {
                        sum = sum.wrapping_add(<$unsigned>::from_ne_bytes(*sample));
                        *sample = sum.to_ne_bytes();
                    }
                }
                // The folds have no branch, so that they cost next to nothing; the position is sought only when needed.
                let negative = |sample: &[u8; $bytes]| <$signed>::from_ne_bytes(*sample) < 0;
                if self.kind == Kind::Signed && samples.iter().fold(false, |any, sample| any | negative(sample)) {
                    let column = samples.iter().position(negative).unwrap_or_default();
                    let value = i64::from(<$signed>::from_ne_bytes(samples[column]));
                    return Err(Unfit { column, value });
                }
            }};
        }
        match self.bits {
            16 => decode!(u16, i16, 2),
            32 => decode!(u32, i32, 4),
            64 => decode!(u64, i64, 8),
            _ => decode!(u8, i8, 1),
        }
        if self.kind == Kind::Boolean && row.iter().fold(0, |any, byte| any | byte) > 1 {
            let column = row.iter().position(|&byte| byte > 1).unwrap_or_default();
            return Err(Unfit { column, value: i64::from(row[column]) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_are_unpacked_from_the_high_bit_and_not_scaled() {
        let mut labels = [9; 10];
        Samples::new(1, false, false).unwrap().decode(&[0b1010_0001, 0b0111_1111], false, &mut labels).unwrap();
        assert_eq!(labels, [1, 0, 1, 0, 0, 0, 0, 1, 0, 1]);
        let mut labels = [9; 5];
        Samples::new(2, false, false).unwrap().decode(&[0b11_01_00_10, 0b01_111111], false, &mut labels).unwrap();
        assert_eq!(labels, [3, 1, 0, 2, 1]);
        let mut labels = [9; 3];
        Samples::new(4, false, false).unwrap().decode(&[0xf2, 0x3f], false, &mut labels).unwrap();
        assert_eq!(labels, [15, 2, 3]);
    }

    #[test]
    fn both_byte_orders_give_native_labels() {
        for big_endian in [false, true] {
            let bytes = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
            let stored = [bytes(1), bytes(0x0102_0304), bytes(u32::MAX)].concat();
            let mut labels = [0; 12];
            Samples::new(32, false, big_endian).unwrap().decode(&stored, false, &mut labels).unwrap();
            let native: Vec<u32> = labels.as_chunks().0.iter().map(|&label| u32::from_ne_bytes(label)).collect();
            assert_eq!(native, [1, 0x0102_0304, u32::MAX]);
        }
    }

    #[test]
    fn differences_add_up_and_wrap() {
        let stored: Vec<u8> = [5u16, 2, 65535, 65530].iter().flat_map(|value| value.to_be_bytes()).collect();
        let mut labels = [0; 8];
        Samples::new(16, false, true).unwrap().decode(&stored, true, &mut labels).unwrap();
        let native: Vec<u16> = labels.as_chunks().0.iter().map(|&label| u16::from_ne_bytes(label)).collect();
        assert_eq!(native, [5, 7, 6, 0]);
    }

    #[test]
    fn a_negative_sample_is_named_in_every_width() {
        for (bits, stored) in [
            (8, vec![3, 0xff]),
            (16, [3i16, -1].iter().flat_map(|value| value.to_le_bytes()).collect()),
            (32, [3i32, -1].iter().flat_map(|value| value.to_le_bytes()).collect()),
            (64, [3i64, -1].iter().flat_map(|value| value.to_le_bytes()).collect()),
        ] {
            let mut labels = vec![0; stored.len()];
            let samples = Samples::new(bits, true, false).unwrap();
            let negative = samples.decode(&stored, false, &mut labels).unwrap_err();
            assert_eq!(negative, Unfit { column: 1, value: -1 });
            assert_eq!(negative.error(7, 10).to_string(), "row 7, column 11: expected a label of 0 or more, found -1");
            // The same bits are a large label when the file calls them unsigned.
            Samples::new(bits, false, false).unwrap().decode(&stored, false, &mut labels).unwrap();
        }
    }

    #[test]
    fn odd_widths_are_refused() {
        for bits in [0, 3, 5, 7, 9, 12, 24, 65, 128, u64::MAX] {
            assert_eq!(Samples::new(bits, false, false), None);
        }
        assert_eq!(Samples::new(1, true, false), None);
    }
}
