//! Ids and colours that depend on names only, so that the same input gives the same bytes.

/// Mixes the bits of a number: every bit of the answer depends on all of them, and no two numbers have the same answer.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Two different mixtures of the bytes of a text.
fn mixtures(text: &str) -> [u64; 2] {
    let mut mixtures = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03].map(|seed| mix(seed ^ text.len() as u64));
    for chunk in text.as_bytes().chunks(8) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        let value = u64::from_le_bytes(bytes);
        mixtures = [mix(mixtures[0] ^ value), mix(mixtures[1].rotate_left(32) ^ value)];
    }
    mixtures
}

/// The ids of the objects of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids([u64; 2]);

impl Ids {
    pub(super) fn of_image(image: &str) -> Self {
        Self(mixtures(image))
    }

    /// Appends the UUID of a label, of version 8: one whose bits are made in a way of one's own.
    pub(super) fn push(self, text: &mut Vec<u8>, label: u64) {
        let [high, low] = [mix(self.0[0] ^ mix(label)), mix(self.0[1] ^ mix(!label))];
        let high = high & !0xf000 | 0x8000;
        let low = low & (u64::MAX >> 2) | 1 << 63;
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        for (place, byte) in bytes.into_iter().enumerate() {
            if [4, 6, 8, 10].contains(&place) {
                text.push(b'-');
            }
            text.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

/// Colours that are told apart on pink and violet tissue and on each other.
const COLORS: &[[u8; 3]] = &[
    [31, 119, 180],
    [44, 160, 44],
    [255, 127, 14],
    [214, 39, 40],
    [23, 190, 207],
    [188, 189, 34],
    [0, 90, 60],
    [255, 215, 0],
    [90, 60, 20],
    [0, 0, 160],
    [120, 220, 120],
    [60, 60, 60],
];

/// The colour of a class of which nobody says it.
pub(super) fn color(class: &str) -> [u8; 3] {
    COLORS[(mixtures(class)[0] % COLORS.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn id(image: &str, label: u64) -> String {
        let mut text = Vec::new();
        Ids::of_image(image).push(&mut text, label);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn ids_are_uuids_and_never_change() {
        // Other programs know objects by them: a change of the rule makes all objects new ones.
        assert_eq!(id("van0003", 7), "5b098d7d-1a2f-887a-ba49-225c70ae7854");
        assert_eq!(id("", 0), "48218226-ff3c-84bf-8b37-120ac0e95587");
        for text in [id("a", 1), id("a", u64::MAX)] {
            let parts: Vec<_> = text.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{text}");
            assert_eq!(&text[14..15], "8");
            assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"));
        }
    }

    #[test]
    fn ids_differ() {
        let images = ["", "a", "b", "ab", "a\0", "0123456789", "01234567"];
        let ids: HashSet<_> = images.iter().flat_map(|image| (0..2000).map(move |label| id(image, label))).collect();
        assert_eq!(ids.len(), images.len() * 2000);
    }

    #[test]
    fn colours_are_those_of_names() {
        assert_eq!(color("Tumor"), color("Tumor"));
        let names = ["Tumor", "Stroma", "Immune cells", "Necrosis", "Other"];
        assert!(names.map(color).into_iter().collect::<HashSet<_>>().len() >= 3);
    }
}
