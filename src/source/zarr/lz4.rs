//! A block of LZ4, as Blosc has it inside.
//!
//! Gets compressed bytes and a place for what they stand for; fills its beginning and says how much, or what is wrong.
//!
//! ```text
//! sequence := token, bytes of the length of its literals, literals, offset (2 bytes), bytes of the length of its match
//! token    := length of the literals (high half), length of the match less 4 (low half); 15 goes on in bytes that are added
//! ```
//! A match is copied from `offset` bytes before the place where it goes, and may reach into itself. The last sequence ends
//! with its literals. Byte planes of label masks consist of matches that are much longer than their offsets: what repeats is
//! the row above, or one byte. These are copied twice as far each time.

/// Bytes that are copied at once where there is room, whatever is to be copied: a copy of a length that is known takes a few
/// instructions, one of any length a call.
const AT_ONCE: usize = 16;

/// The longest match that is copied in such steps.
const SHORT: usize = 4 * AT_ONCE;

/// Added to the length of a match.
const LEAST_MATCH: usize = 4;

/// Fills `plain` from its beginning; gives how many bytes there are.
pub(super) fn decompress(mut stored: &[u8], plain: &mut [u8]) -> Result<usize, &'static str> {
    const ENDS: &str = "it breaks off";
    const TOO_LONG: &str = "it is too long";
    let mut at = 0;
    loop {
        let (&token, rest) = stored.split_first().ok_or(ENDS)?;
        stored = rest;
        let literals = length(usize::from(token >> 4), &mut stored).ok_or(ENDS)?;
        match (stored.first_chunk::<AT_ONCE>(), plain[at..].first_chunk_mut::<AT_ONCE>()) {
            (Some(from), Some(to)) if literals <= AT_ONCE => *to = *from,
            _ => {
                let from = stored.get(..literals).ok_or(ENDS)?;
                plain.get_mut(at..at.saturating_add(literals)).ok_or(TOO_LONG)?.copy_from_slice(from);
            }
        }
        at += literals;
        stored = &stored[literals..];
        let Some((offset, rest)) = stored.split_first_chunk() else {
            return if stored.is_empty() { Ok(at) } else { Err(ENDS) };
        };
        stored = rest;
        let offset = usize::from(u16::from_le_bytes(*offset));
        let length = length(usize::from(token & 15), &mut stored).ok_or(ENDS)?.saturating_add(LEAST_MATCH);
        if offset == 0 || offset > at {
            return Err("a match from before its beginning");
        }
        let end = at.saturating_add(length);
        if end > plain.len() {
            return Err(TOO_LONG);
        }
        if length <= SHORT && plain.len() - end >= AT_ONCE {
            copy_short(plain, at, offset, length);
        } else {
            copy_any(&mut plain[at - offset..end], offset);
        }
        at = end;
    }
}

/// Copies a match to `at`, and writes up to [`AT_ONCE`] bytes behind its end.
#[inline]
fn copy_short(plain: &mut [u8], at: usize, offset: usize, length: usize) {
    let chunk = |plain: &[u8], at: usize| plain[at..].first_chunk::<AT_ONCE>().copied().unwrap_or_default();
    let mut copied = 0;
    if offset >= AT_ONCE {
        while copied < length {
            let bytes = chunk(plain, at + copied - offset);
            plain[at + copied..][..AT_ONCE].copy_from_slice(&bytes);
            copied += AT_ONCE;
        }
        return;
    }
    // Bytes that repeat every `offset`.
    let mut width = 8 * offset as u32;
    let mut bytes = u128::from_le_bytes(chunk(plain, at - offset)) & ((1 << width) - 1);
    while width < u128::BITS {
        bytes |= bytes << width;
        width *= 2;
    }
    let step = AT_ONCE - AT_ONCE % offset;
    while copied < length {
        plain[at + copied..][..AT_ONCE].copy_from_slice(&bytes.to_le_bytes());
        copied += step;
    }
}

/// Fills what is behind the first `offset` bytes with what they are, again and again.
fn copy_any(plain: &mut [u8], offset: usize) {
    if offset == 1 {
        let byte = plain[0];
        plain.fill(byte);
        return;
    }
    let mut done = offset;
    while done < plain.len() {
        // A multiple of `offset`, but for the last.
        let (from, to) = plain.split_at_mut(done);
        let count = to.len().min(done);
        to[..count].copy_from_slice(&from[..count]);
        done += count;
    }
}

/// A length that may go on in bytes behind the token, as long as they are 255.
#[inline]
fn length(in_token: usize, stored: &mut &[u8]) -> Option<usize> {
    if in_token < 15 {
        return Some(in_token);
    }
    let more = stored.iter().position(|&byte| byte != u8::MAX)?;
    let (&last, rest) = stored[more..].split_first()?;
    *stored = rest;
    Some(in_token + usize::from(u8::MAX) * more + usize::from(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(stored: &[u8], length: usize) -> Result<Vec<u8>, &'static str> {
        let mut plain = vec![77; length];
        let count = decompress(stored, &mut plain)?;
        plain.truncate(count);
        Ok(plain)
    }

    /// Bytes in which stretches repeat at all distances.
    fn bytes(steps: &[(u8, usize, usize)]) -> Vec<u8> {
        let mut bytes = vec![1, 2, 3];
        for &(byte, offset, length) in steps {
            if byte < 100 {
                bytes.extend(std::iter::repeat_n(byte, length % 40));
                continue;
            }
            for _ in 0..length {
                bytes.push(bytes[bytes.len() - 1 - offset % bytes.len()]);
            }
        }
        bytes
    }

    #[test]
    fn blocks_by_hand() {
        assert!(found(&[0], 0).unwrap().is_empty());
        assert_eq!(found(&[0x30, 1, 2, 3], 3).unwrap(), [1, 2, 3]);
        // Three literals, and a match of 4 + 15 + 1 from 2 before.
        assert_eq!(found(&[0x3f, 1, 2, 3, 2, 0, 1, 0], 23).unwrap()[18..], [3, 2, 3, 2, 3]);
        for (stored, length, words) in [
            (&[][..], 9, "it breaks off"),
            (&[0x30, 1, 2], 9, "it breaks off"),
            (&[0xf0, 255], 9, "it breaks off"),
            (&[0x10, 1, 1], 9, "it breaks off"),
            (&[0x1f, 1, 1, 0], 90, "it breaks off"),
            (&[0x10, 1, 0, 0, 0], 9, "a match from before its beginning"),
            (&[0x10, 1, 2, 0, 0], 9, "a match from before its beginning"),
            (&[0x30, 1, 2, 3], 2, "it is too long"),
            (&[0x10, 1, 1, 0, 0], 4, "it is too long"),
        ] {
            assert_eq!(found(stored, length).unwrap_err(), words, "{stored:?}");
        }
    }

    proptest! {
        #[test]
        fn what_another_program_compressed(
            steps in prop::collection::vec((any::<u8>(), prop_oneof![0_usize..40, 0_usize..3000], 0_usize..400), 0..40)
        ) {
            let plain = bytes(&steps);
            let stored = lz4_flex::block::compress(&plain);
            prop_assert_eq!(found(&stored, plain.len()).unwrap(), &plain[..]);
            prop_assert_eq!(found(&stored, plain.len() + 50).unwrap(), &plain[..]);
            prop_assert!(found(&stored, plain.len() - 1).is_err());
        }

        #[test]
        fn any_bytes_are_survived(stored in prop::collection::vec(any::<u8>(), 0..80), length in 0_usize..300) {
            let mut plain = vec![0; length];
            let theirs = lz4_flex::block::decompress_into(&stored, &mut plain).map(|count| plain[..count].to_vec());
            prop_assert_eq!(found(&stored, length).ok(), theirs.ok());
        }
    }
}
