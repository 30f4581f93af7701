//! Decimal numbers as text, read and written eight digits at a time.

/// The number that a text of digits writes: `parse` alone would take a sign.
pub(super) fn whole_number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The number that the first bytes write, and how many they are; `None` without digits or past `u64`.
#[inline]
pub(super) fn digits(bytes: &[u8]) -> Option<(u64, usize)> {
    let chunk = bytes.first_chunk().copied().unwrap_or_else(|| {
        let mut chunk = [0; 8];
        chunk[..bytes.len()].copy_from_slice(bytes);
        chunk
    });
    // Eight bytes at once, the first one lowest: a digit becomes its value. 0x76 and a value above 9 set the highest bit
    // of their byte, and only such a byte carries into the next one.
    let values = u64::from_le_bytes(chunk) ^ 0x3030_3030_3030_3030;
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    match others.trailing_zeros() / 8 {
        0 => None,
        8 => many_digits(bytes),
        length => Some((eight_digits(values << (64 - 8 * length)), length as usize)),
    }
}

/// The number of eight digits, the first one in the lowest byte.
#[inline]
fn eight_digits(values: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00FF_0000_00FF;
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8);
    let high = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & PAIRS).wrapping_mul(1 + (10_000 << 32));
    high.wrapping_add(low) >> 32
}

#[cold]
fn many_digits(bytes: &[u8]) -> Option<(u64, usize)> {
    let digit = |byte: u8| byte.wrapping_sub(b'0');
    // 19 digits always fit.
    let mut value = 0_u64;
    let mut length = 0;
    while length < bytes.len().min(19) && digit(bytes[length]) <= 9 {
        value = value * 10 + u64::from(digit(bytes[length]));
        length += 1;
    }
    while length >= 19 && length < bytes.len() && digit(bytes[length]) <= 9 {
        value = value.checked_mul(10)?.checked_add(u64::from(digit(bytes[length])))?;
        length += 1;
    }
    (length > 0).then_some((value, length))
}

/// The number of digits of a number.
pub(super) fn digits_of(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |digits| digits as usize + 1)
}

/// Decimal text of `value`.
#[inline]
pub(super) fn push_number(text: &mut Vec<u8>, value: u64) {
    if value < SHORT {
        let (bytes, count) = short_number(value);
        let length = text.len() + count as usize;
        text.extend_from_slice(&bytes.to_le_bytes());
        text.truncate(length);
    } else {
        text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

/// Decimal text of two numbers, each with a space after it.
#[inline]
pub(super) fn push_pair(text: &mut Vec<u8>, first: u64, second: u64) {
    // 8 and 6 digits and two spaces are 16 bytes.
    if first < SHORT && second < 1_000_000 {
        let (first, count) = short_number(first);
        let (second, more) = short_number(second);
        let space = u64::from(b' ');
        let first = u128::from(first) | (u128::from(space) << (8 * count));
        let second = u128::from(second | (space << (8 * more)));
        let length = text.len() + (count + more) as usize + 2;
        text.extend_from_slice(&(first | (second << (8 * count + 8))).to_le_bytes());
        text.truncate(length);
    } else {
        push_number(text, first);
        text.push(b' ');
        push_number(text, second);
        text.push(b' ');
    }
}

/// What [`short_number`] takes is less.
const SHORT: u64 = 100_000_000;

/// Three digits each, the first one in the lowest byte.
static TRIPLES: [u32; 1000] = {
    let mut triples = [0; 1000];
    let mut value: u32 = 0;
    while value < 1000 {
        triples[value as usize] = (value / 100) | ((value / 10 % 10) << 8) | ((value % 10) << 16) | 0x30_3030;
        value += 1;
    }
    triples
};

/// The three digits of a number below 1000.
#[inline]
fn triple(value: u64) -> u64 {
    // The conversion costs nothing where `usize` has 64 bits.
    u64::from(TRIPLES[usize::try_from(value).unwrap_or(0)])
}

/// The decimal text of a number of up to eight digits, the first one in the lowest byte and zeros above, and its length.
#[inline]
fn short_number(value: u64) -> (u64, u32) {
    let first = |value: u64| {
        let count = 1 + u32::from(value >= 10) + u32::from(value >= 100);
        (triple(value) >> (24 - 8 * count), count)
    };
    if value < 1000 {
        return first(value);
    }
    if value < 1_000_000 {
        let (thousands, count) = first(value / 1000);
        return (thousands | (triple(value % 1000) << (8 * count)), count + 3);
    }
    // All digits at once: halves of four, then pairs, then single ones.
    let halves = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let pairs = ((halves - 100 * hundreds) << 16) | hundreds;
    let tens = ((pairs * 103) >> 10) & 0x000F_000F_000F_000F;
    let digits = ((pairs - 10 * tens) << 8) | tens;
    // Zeros in front are left out, but for the last digit.
    let zeros = (digits.trailing_zeros() / 8).min(7);
    ((digits | 0x3030_3030_3030_3030) >> (8 * zeros), 8 - zeros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agree(value: u64) {
        let mut text = b"x".to_vec();
        push_number(&mut text, value);
        assert_eq!(text, format!("x{value}").into_bytes());
        for other in [0, 7, 65_536, 999_999, 1_000_000] {
            text.truncate(1);
            push_pair(&mut text, value, other);
            push_pair(&mut text, other, value);
            assert_eq!(text, format!("x{value} {other} {other} {value} ").into_bytes());
        }
        for after in ["", " ", ",5 ", " 99999999", "\u{ff}\u{ff}\u{ff}\u{ff}", "/000000000"] {
            let text = format!("{value}{after}");
            assert_eq!(digits(text.as_bytes()), Some((value, text.len() - after.len())), "{text}");
            assert_eq!(digits(text.as_bytes()), many_digits(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn numbers_of_every_length() {
        for power in (0..20).map(|length| 10_u64.pow(length)) {
            for value in [power, power - 1, power + 1, power.saturating_mul(9), power / 3] {
                agree(value);
            }
        }
        agree(u64::MAX);
        assert_eq!(digits(b"18446744073709551616"), None);
        assert_eq!(digits(b"0000000000000000000000012 "), Some((12, 25)));
        for text in ["", " ", "-1", "+1 234567", ":1234567", "\u{e9}1234567"] {
            assert_eq!(digits(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_come_back(value in any::<u64>(), shift in 0..64) {
            agree(value >> shift);
        }

        #[test]
        fn eight_bytes_at_once_are_read_like_single_ones(bytes in prop::collection::vec(prop_oneof![b'0'..=b'9', any::<u8>()], 0..24)) {
            prop_assert_eq!(digits(&bytes), many_digits(&bytes));
        }
    }
}
