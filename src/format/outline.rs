//! The keys of the first objects of a JSON text, of which only the beginning may be at hand.

/// Keys that are kept, and depth to which they are followed: enough to tell formats apart.
const MAX_KEYS: usize = 256;
const MAX_DEPTH: usize = 12;

/// The paths of the keys that are first of their kind: of a list, those of its first member only. A key of an object in a
/// list stands without the list: `annotations/image_id`.
pub(crate) struct Outline {
    /// Whether the text is a list.
    pub(super) list: bool,
    /// Whether the first object ends in the text at hand.
    pub(super) closed: bool,
    paths: Vec<String>,
}

/// An object or a list that is not closed yet.
struct Open {
    list: bool,
    /// The key of the value at hand, in an object.
    key: Option<String>,
    /// Members before the one at hand.
    members: usize,
}

impl Outline {
    /// The outline of a text; `None` when it does not begin like JSON of objects.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii_start();
        let mut outline = Self { list: text.first()? == &b'[', closed: false, paths: Vec::new() };
        if !matches!(text[0], b'[' | b'{') {
            return None;
        }
        let mut open: Vec<Open> = Vec::new();
        let mut at = 0;
        while at < text.len() && open.len() <= MAX_DEPTH && outline.paths.len() < MAX_KEYS {
            match text[at] {
                b'[' | b'{' => open.push(Open { list: text[at] == b'[', key: None, members: 0 }),
                b']' | b'}' => {
                    let closed = open.pop()?;
                    outline.closed |= !closed.list && open.iter().all(|other| other.list);
                    if open.is_empty() {
                        break;
                    }
                }
                b',' => {
                    if let Some(last) = open.last_mut() {
                        last.members += 1;
                        last.key = None;
                    }
                }
                b'"' => {
                    let Some(length) = text_length(&text[at + 1..]) else { break };
                    if let Some(last) = open.last_mut()
                        && !last.list
                        && last.key.is_none()
                    {
                        last.key = Some(String::from_utf8_lossy(&text[at + 1..=at + length]).into_owned());
                        outline.keep(&open);
                    }
                    at += length + 1;
                }
                _ => {}
            }
            at += 1;
        }
        Some(outline)
    }

    fn keep(&mut self, open: &[Open]) {
        if open.iter().all(|part| !part.list || part.members == 0) {
            let keys: Vec<_> = open.iter().filter_map(|part| part.key.as_deref()).collect();
            self.paths.push(keys.join("/"));
        }
    }

    /// Whether a key of this path was found.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.iter().any(|known| known == path)
    }

    /// Whether any of these was.
    pub(super) fn has_any(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.has(path))
    }

    /// Whether no key was found: an empty list or object, or a list of something else.
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}

/// Bytes of a JSON text up to its closing quote.
fn text_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_first_members_are_found() {
        let text = br#" [{"a":[{"b\"":1,"c":["x","y"]},{"late":2}],"d":"e"},{"f":3}]"#;
        let outline = Outline::of(text).unwrap();
        assert_eq!(outline.paths, ["a", "a/b\\\"", "a/c", "d"]);
        assert!(outline.list && outline.closed);
        for end in 1..text.len() {
            let part = Outline::of(&text[..end]);
            assert!(part.is_none_or(|part| part.paths.len() <= 4 && (!part.closed || end > 50)));
        }
        assert!(Outline::of(b"{}").unwrap().is_empty());
        assert!(Outline::of(b"x").is_none());
        assert!(Outline::of(b"").is_none());
        assert!(Outline::of(&[b'['; 100_000]).unwrap().is_empty());
        assert!(Outline::of(b"]").is_none());
    }
}
