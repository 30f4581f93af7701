//! What Parquet's headers claim, before the crate that reads Parquet believes it.
//!
//! Gets bytes in Thrift's compact protocol; gives their whole numbers and where they end; guarantees that passing over them
//! takes time in proportion to the bytes. The crate would pass over a list of two billion truths, which take no bytes there,
//! one by one, and takes memory for the size that a page says it has.

/// Structs, lists and maps inside each other, at most; Parquet has fewer than ten.
const DEPTH: u32 = 32;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const NUMBER: u8 = 5;
const LONG: u8 = 6;
const TEXT: u8 = 8;
const STRUCT: u8 = 12;

/// A field that is known: its identifier, its kind, and the fields of a struct. The crate reads a known field as what it
/// must be, whatever the bytes say that it is; so one of another kind is refused.
#[derive(Debug)]
pub(super) struct Field(i64, u8, &'static [Self]);

const STATISTICS: &[Field] = &[
    Field(1, TEXT, &[]),
    Field(2, TEXT, &[]),
    Field(3, LONG, &[]),
    Field(4, LONG, &[]),
    Field(5, TEXT, &[]),
    Field(6, TEXT, &[]),
    Field(7, TRUE, &[]),
    Field(8, TRUE, &[]),
];

/// Fields of a page's header that hold the bytes of the page, inflated and as they are stored.
pub(super) const INFLATED: i64 = 2;
pub(super) const STORED: i64 = 3;

/// The header of a page.
pub(super) const PAGE_HEADER: &[Field] = &[
    Field(1, NUMBER, &[]),
    Field(INFLATED, NUMBER, &[]),
    Field(STORED, NUMBER, &[]),
    Field(4, NUMBER, &[]),
    Field(
        5,
        STRUCT,
        &[
            Field(1, NUMBER, &[]),
            Field(2, NUMBER, &[]),
            Field(3, NUMBER, &[]),
            Field(4, NUMBER, &[]),
            Field(5, STRUCT, STATISTICS),
        ],
    ),
    Field(6, STRUCT, &[]),
    Field(7, STRUCT, &[Field(1, NUMBER, &[]), Field(2, NUMBER, &[]), Field(3, TRUE, &[])]),
    Field(
        8,
        STRUCT,
        &[
            Field(1, NUMBER, &[]),
            Field(2, NUMBER, &[]),
            Field(3, NUMBER, &[]),
            Field(4, NUMBER, &[]),
            Field(5, NUMBER, &[]),
            Field(6, NUMBER, &[]),
            Field(7, TRUE, &[]),
            Field(8, STRUCT, STATISTICS),
        ],
    ),
];

/// Bytes in Thrift's compact protocol, of which some are read.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
}

impl<'a> Compact<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes that follow.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Passes over a struct with some `known` fields, and tells `number` about those of its own fields that are whole numbers:
    /// identifier and value. `None` when the bytes are no such struct.
    pub(super) fn pass_struct(&mut self, known: &[Field], number: &mut dyn FnMut(i64, i64)) -> Option<()> {
        self.fields(DEPTH, known, number)
    }

    fn fields(&mut self, depth: u32, known: &[Field], number: &mut dyn FnMut(i64, i64)) -> Option<()> {
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            let kind = head & 15;
            if kind == 0 {
                return Some(());
            }
            field = match head >> 4 {
                0 => self.whole()?,
                step => field.checked_add(i64::from(step))?,
            };
            let kind = if kind == FALSE { TRUE } else { kind };
            let known = known.iter().find(|known| known.0 == field);
            if known.is_some_and(|known| known.1 != kind) {
                return None;
            }
            match kind {
                TRUE => {}
                STRUCT => {
                    self.fields(depth.checked_sub(1)?, known.map_or(&[], |known| known.2), &mut |_, _| {})?;
                }
                4..=6 => number(field, self.whole()?),
                _ => self.pass(kind, depth)?,
            }
        }
    }

    /// Passes over a value that is no truth.
    fn pass(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.take(8),
            8 => {
                let length = self.varint()?;
                self.take(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                self.elements(count, &[head & 15], depth)
            }
            11 => match self.varint()? {
                0 => Some(()),
                count => {
                    let kinds = self.byte()?;
                    self.elements(count, &[kinds >> 4, kinds & 15], depth)
                }
            },
            STRUCT => self.fields(depth, &[], &mut |_, _| {}),
            13 => self.take(16),
            _ => None,
        }
    }

    fn elements(&mut self, count: u64, kinds: &[u8], depth: u32) -> Option<()> {
        // Every element has a byte at least. Parquet has no lists of truths here, and readers do not agree how long one is.
        if count > self.bytes.len() as u64 || (count > 0 && kinds.iter().any(|kind| matches!(*kind, TRUE | FALSE))) {
            return None;
        }
        for _ in 0..count {
            kinds.iter().try_for_each(|&kind| self.pass(kind, depth))?;
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    fn take(&mut self, count: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for place in 0..10 {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << (7 * place);
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    /// A signed number: even ones stand for those from 0, odd ones for those below.
    fn whole(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(bytes: &[u8]) -> Option<(Vec<(i64, i64)>, usize)> {
        let (mut found, mut compact) = (Vec::new(), Compact::new(bytes));
        compact.pass_struct(&[], &mut |field, value| found.push((field, value)))?;
        Some((found, compact.rest().len()))
    }

    #[test]
    fn fields_are_told_and_everything_else_is_passed_over() {
        // 1: 2, 2: -1, a truth, a text, a list of two numbers, a map of one, a struct; 100: 300; three bytes after it.
        let bytes = [
            &[0x15, 4, 0x15, 1, 0x11, 0x18, 2, b'h', b'i', 0x19, 0x25, 2, 4, 0x1b, 1, 0x58, 6, 0][..],
            &[0x1c, 0x15, 8, 0, 0x06, 0xc8, 1, 0xd8, 4, 0, 9, 9, 9],
        ];
        assert_eq!(numbers(&bytes.concat()), Some((vec![(1, 2), (2, -1), (100, 300)], 3)));
        assert_eq!(numbers(&[0]), Some((vec![], 0)));
    }

    #[test]
    fn what_does_not_end_is_refused_at_once() {
        for bytes in [
            // Nothing, a field that breaks off, a number without an end, an unknown kind.
            &[][..],
            &[0x15],
            &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
            &[0x1e, 0],
            // Two billion truths, and more numbers than bytes.
            &[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 7, 0],
            &[0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 7, 0],
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 7, 0x11, 0],
            &[0x18, 0xff, 0xff, 0xff, 0xff, 7, 0],
            &[0x1c; 100],
        ] {
            assert_eq!(numbers(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn a_known_field_is_of_its_kind() {
        let passes = |bytes: &[u8]| Compact::new(bytes).pass_struct(PAGE_HEADER, &mut |_, _| {}).is_some();
        // A dictionary page of 8 bytes, with a number, a text or a truth in place of a number.
        assert!(passes(&[0x15, 4, 0x15, 16, 0x15, 16, 0x4c, 0x15, 2, 0x15, 0, 0x12, 0, 0]));
        assert!(!passes(&[0x15, 4, 0x18, 1, 16, 0x15, 16, 0]));
        assert!(!passes(&[0x15, 4, 0x11, 0x15, 16, 0]));
        assert!(!passes(&[0x15, 4, 0x15, 16, 0x15, 16, 0x4c, 0x11, 0x15, 0, 0x12, 0, 0]));
        // What is not known may be anything.
        assert!(passes(&[0xf8, 1, 16, 0]));
    }
}
