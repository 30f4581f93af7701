//! COCO's compressed counts: a text of 5-bit groups.
//!
//! ```text
//! value i := counts[i] - (i > 2 ? counts[i - 2] : 0)       the third count (i = 2) is written as it is
//! text    := for each value, groups of 5 bits, the lowest first: chr(48 + group + 32 if more groups follow)
//! ```
//! A value ends when what is left is the extension of the last group's highest bit: 0 after a group below 16, -1 after
//! one from 16. The alphabet is 48 (`0`) to 111 (`o`); the backslash is among it, so JSON text has it doubled once.
//!
//! Counts are `u64` here, and values up to 13 groups: any text of counts that fit is read and written. pycocotools 2.0.11
//! agrees byte for byte while every value stays in -2^29 .. 2^24: it reserves 6 characters a count (larger values write
//! past its buffer) and reads values below -2^29 wrong.
//! Source: `rleToString` and `rleFrString` of the COCO API (`common/maskApi.c`).

/// Appends the text of `counts`.
pub fn push(text: &mut Vec<u8>, counts: &[u64]) {
    for (place, &count) in counts.iter().enumerate() {
        // Wrapping is exact: the difference of two `u64` fits 65 bits, and counts above 2^63 do not occur below 2^64
        // pixels but for one, whose value is written by the wide path.
        if place > 2 {
            let before = counts[place - 2];
            match (i64::try_from(count), i64::try_from(before)) {
                (Ok(count), Ok(before)) => push_value(text, count - before),
                _ => push_wide(text, i128::from(count) - i128::from(before)),
            }
        } else {
            match i64::try_from(count) {
                Ok(count) => push_value(text, count),
                Err(_) => push_wide(text, i128::from(count)),
            }
        }
    }
}

#[inline]
fn push_value(text: &mut Vec<u8>, value: i64) {
    // Most values are within one group.
    if (-16..16).contains(&value) {
        text.push(48 + low_group(value));
    } else {
        push_groups(text, value);
    }
}

/// The lowest five bits.
#[inline]
fn low_group(value: i64) -> u8 {
    value.to_le_bytes()[0] & 0x1f
}

#[inline]
fn push_groups(text: &mut Vec<u8>, mut value: i64) {
    loop {
        let group = low_group(value);
        value >>= 5;
        let more = if group & 0x10 != 0 { value != -1 } else { value != 0 };
        text.push(48 + group + if more { 0x20 } else { 0 });
        if !more {
            return;
        }
    }
}

#[cold]
fn push_wide(text: &mut Vec<u8>, mut value: i128) {
    loop {
        let group = value.to_le_bytes()[0] & 0x1f;
        value >>= 5;
        let more = if group & 0x10 != 0 { value != -1 } else { value != 0 };
        text.push(48 + group + if more { 0x20 } else { 0 });
        if !more {
            return;
        }
    }
}

/// A defect of a text, with its place in it, in bytes from 0.
#[derive(Debug, PartialEq, Eq)]
pub struct Defect {
    /// Byte of the text, from 0.
    pub at: usize,
    /// What the grammar asks for there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

/// Groups of one value: 65 bits, the widest difference of two `u64`.
const MAX_GROUPS: u32 = 13;

/// Reads the counts of `text` into `counts`, whose former content is lost.
///
/// # Errors
/// The first [`Defect`] of the text.
pub fn parse(text: &[u8], counts: &mut Vec<u64>) -> Result<(), Defect> {
    counts.clear();
    counts.reserve(text.len() / 2);
    Reader::default().read(text, true, counts).map(|_| ())
}

/// Reads a text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The last two counts; nothing is a difference to the first.
    before: u64,
    last: u64,
    /// Bytes of the pieces before this one.
    done: usize,
}

impl Reader {
    /// Appends the counts of a piece and says how many of its bytes were read. The others are the beginning of a value,
    /// with which the next piece must begin; there are none when the text ends with this piece.
    pub(super) fn read(&mut self, text: &[u8], ended: bool, counts: &mut Vec<u64>) -> Result<usize, Defect> {
        // A value that begins here is whole.
        let whole = if ended { text.len() } else { text.len().saturating_sub(MAX_GROUPS as usize) };
        let (mut before, mut last) = (self.before, self.last);
        let mut at = 0;
        while at < whole {
            // Most values are within one group.
            let group = text[at].wrapping_sub(48);
            let found = if group < 32 { Some((i64::from((group << 3) as i8 >> 3), at + 1)) } else { short(text, at) };
            let found = found.and_then(|(value, end)| Some((before.checked_add_signed(value)?, end)));
            let (count, end) = match found {
                Some(found) => found,
                None => general(text, at, before)
                    .map_err(|defect| Defect { at: defect.at.saturating_add(self.done), ..defect })?,
            };
            (before, last) = (last, if self.done + at == 0 { 0 } else { count });
            counts.push(count);
            at = end;
        }
        (self.before, self.last) = (before, last);
        self.done += at;
        Ok(at)
    }
}

/// The value at `at`, and where it ends, if it is whole and up to 12 groups long: 60 bits.
#[inline]
fn short(text: &[u8], at: usize) -> Option<(i64, usize)> {
    let (mut value, mut bits) = (0_i64, 0);
    for (group, end) in text[at..].iter().take(12).map(|byte| byte.wrapping_sub(48)).zip(at + 1..) {
        if group > 63 {
            return None;
        }
        value |= i64::from(group & 0x1f) << bits;
        bits += 5;
        if group & 0x20 == 0 {
            return Some((value << (64 - bits) >> (64 - bits), end));
        }
    }
    None
}

/// The count whose value is at `at`, and where that ends, whatever its length.
#[cold]
fn general(text: &[u8], start: usize, before: u64) -> Result<(u64, usize), Defect> {
    let mut value = 0_i128;
    let mut groups = 0;
    for (at, &byte) in text.iter().enumerate().skip(start) {
        let group = byte.wrapping_sub(48);
        if group > 63 {
            return Err(Defect {
                at,
                expected: "a character from '0' to 'o'".into(),
                found: format!("\"{}\"", [byte].escape_ascii()),
            });
        }
        if groups == MAX_GROUPS {
            return Err(Defect {
                at: start,
                expected: format!("a count of at most {MAX_GROUPS} characters"),
                found: "a longer one".into(),
            });
        }
        value |= i128::from(group & 0x1f) << (5 * groups);
        groups += 1;
        if group & 0x20 == 0 {
            if group & 0x10 != 0 {
                value |= -1 << (5 * groups);
            }
            let count = i128::from(before) + value;
            return match u64::try_from(count) {
                Ok(count) => Ok((count, at + 1)),
                Err(_) => {
                    Err(Defect { at: start, expected: "a count from 0 to 2^64 - 1".into(), found: format!("{count}") })
                }
            };
        }
    }
    Err(Defect {
        at: start,
        expected: "a count whose last character has no continuation bit".into(),
        found: "the end of the text".into(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(counts: &[u64]) -> String {
        let mut text = Vec::new();
        push(&mut text, counts);
        String::from_utf8(text).unwrap()
    }

    fn counts(text: &str) -> Result<Vec<u64>, Defect> {
        let mut counts = Vec::new();
        parse(text.as_bytes(), &mut counts).map(|()| counts)
    }

    #[test]
    fn known_texts() {
        for (numbers, expected) in [
            (&[5, 2, 2, 2, 5][..], "52203"),
            (&[3, 1, 2, 5, 1, 2, 2], "3124OM1"),
            (&[16], "`0"),
            (&[15], "?"),
            (&[0], "0"),
            (&[], ""),
        ] {
            assert_eq!(text(numbers), expected);
            assert_eq!(counts(expected).unwrap(), numbers);
        }
    }

    #[test]
    fn values_past_the_limits_of_others_are_exact() {
        for numbers in [
            &[17_000_000, 17_000_000, 17_000_000, 149_000_000][..],
            &[100, 600_000_001, 7, 1, 5, 600_000_000],
            &[100, 600_000_000, 7, 600_000_000, 5, 1],
            &[1 << 33, 1 << 40, 1 << 34, 3],
            &[0, u64::MAX, 0, 0, u64::MAX, 5, 0, u64::MAX],
        ] {
            assert_eq!(counts(&text(numbers)).unwrap(), numbers);
        }
    }

    #[test]
    fn defects() {
        assert_eq!(counts("!").unwrap_err().at, 0);
        assert_eq!(counts("52p").unwrap_err().expected, "a character from '0' to 'o'");
        assert_eq!(
            counts("5P").unwrap_err(),
            Defect {
                at: 1,
                expected: "a count whose last character has no continuation bit".into(),
                found: "the end of the text".into()
            }
        );
        assert_eq!(counts("O").unwrap_err().found, "-1");
        assert_eq!(counts(&"o".repeat(20)).unwrap_err().found, "a longer one");
    }

    proptest! {
        #[test]
        fn round_trip(numbers in prop::collection::vec(prop_oneof![0_u64..40, any::<u32>().prop_map(u64::from), any::<u64>()], 0..20)) {
            prop_assert_eq!(counts(&text(&numbers)).unwrap(), numbers);
        }

        #[test]
        fn pieces_are_read_as_the_whole(bytes in prop::collection::vec(40_u8..120, 0..90), size in 14_usize..40) {
            let whole = counts(std::str::from_utf8(&bytes).unwrap());
            let (mut reader, mut numbers, mut left) = (Reader::default(), Vec::new(), Vec::new());
            let pieces: Vec<_> = bytes.chunks(size).chain([&[][..]]).collect();
            let answer = (1..).zip(&pieces).try_for_each(|(number, piece)| {
                left.extend_from_slice(piece);
                let read = reader.read(&left, number == pieces.len(), &mut numbers)?;
                left.drain(..read);
                Ok(())
            });
            prop_assert_eq!(answer.map(|()| numbers), whole);
        }

        #[test]
        fn any_text_is_survived(bytes in prop::collection::vec(40_u8..120, 0..60)) {
            let mut numbers = Vec::new();
            let _ = parse(&bytes, &mut numbers);
            prop_assert!(numbers.len() <= bytes.len());
        }
    }
}
