//! What Parquet's headers claim, before the crate that reads Parquet believes it.
//!
//! Gets bytes in Thrift's compact protocol; gives their whole numbers and where they end; guarantees that passing over them
//! takes time in proportion to the bytes. The crate would pass over a list of two billion truths, which take no bytes there,
//! one by one, and takes memory for the size that a page says it has.

/// Structs, lists and maps inside each other, at most; Parquet has fewer than ten.
const DEPTH: u32 = 32;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const SHORT: u8 = 4;
const NUMBER: u8 = 5;
const LONG: u8 = 6;
const DOUBLE: u8 = 7;
const TEXT: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// A field that is known: its identifier, its kind, and the fields of a struct, or of a list the one field that its elements
/// are. The crate reads a known field as what it must be, whatever the bytes say that it is; so one of another kind is
/// refused.
#[derive(Debug)]
pub(super) struct Field(i64, u8, &'static [Self]);

/// Kinds that are written alike are one: both truths, and numbers of 16, 32 and 64 bits, which fastparquet does not tell apart.
fn alike(kind: u8) -> u8 {
    match kind {
        FALSE => TRUE,
        SHORT | LONG => NUMBER,
        kind => kind,
    }
}

/// What the elements of a list are.
const fn of(kind: u8, fields: &'static [Field]) -> Field {
    Field(0, kind, fields)
}

/// A struct without known fields.
const EMPTY: &[Field] = &[];

const STATISTICS: &[Field] = &[
    Field(1, TEXT, &[]),
    Field(2, TEXT, &[]),
    Field(3, LONG, &[]),
    Field(4, LONG, &[]),
    Field(5, TEXT, &[]),
    Field(6, TEXT, &[]),
    Field(7, TRUE, &[]),
    Field(8, TRUE, &[]),
    Field(9, LONG, &[]),
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

const TIME: &[Field] = &[
    Field(1, TRUE, &[]),
    Field(2, STRUCT, &[Field(1, STRUCT, EMPTY), Field(2, STRUCT, EMPTY), Field(3, STRUCT, EMPTY)]),
];

/// Logical types. Most say no more, and the crate reads one byte for each of these.
const LOGICAL_TYPE: &[Field] = &[
    Field(1, STRUCT, EMPTY),
    Field(2, STRUCT, EMPTY),
    Field(3, STRUCT, EMPTY),
    Field(4, STRUCT, EMPTY),
    Field(5, STRUCT, &[Field(1, NUMBER, &[]), Field(2, NUMBER, &[])]),
    Field(6, STRUCT, EMPTY),
    Field(7, STRUCT, TIME),
    Field(8, STRUCT, TIME),
    Field(10, STRUCT, &[Field(1, BYTE, &[]), Field(2, TRUE, &[])]),
    Field(11, STRUCT, EMPTY),
    Field(12, STRUCT, EMPTY),
    Field(13, STRUCT, EMPTY),
    Field(14, STRUCT, EMPTY),
    Field(15, STRUCT, EMPTY),
    Field(16, STRUCT, &[Field(1, BYTE, &[])]),
    Field(17, STRUCT, &[Field(1, TEXT, &[])]),
    Field(18, STRUCT, &[Field(1, TEXT, &[]), Field(2, NUMBER, &[])]),
    Field(19, STRUCT, EMPTY),
];

/// The box of what a column of places on earth holds.
const GEOSPATIAL: &[Field] = &[
    Field(
        1,
        STRUCT,
        &[
            Field(1, DOUBLE, &[]),
            Field(2, DOUBLE, &[]),
            Field(3, DOUBLE, &[]),
            Field(4, DOUBLE, &[]),
            Field(5, DOUBLE, &[]),
            Field(6, DOUBLE, &[]),
            Field(7, DOUBLE, &[]),
            Field(8, DOUBLE, &[]),
        ],
    ),
    Field(2, LIST, &[of(NUMBER, &[])]),
];

const SCHEMA_ELEMENT: &[Field] = &[
    Field(1, NUMBER, &[]),
    Field(2, NUMBER, &[]),
    Field(3, NUMBER, &[]),
    Field(4, TEXT, &[]),
    Field(5, NUMBER, &[]),
    Field(6, NUMBER, &[]),
    Field(7, NUMBER, &[]),
    Field(8, NUMBER, &[]),
    Field(9, NUMBER, &[]),
    Field(10, STRUCT, LOGICAL_TYPE),
];

const KEY_VALUE: &[Field] = &[Field(1, TEXT, &[]), Field(2, TEXT, &[])];

const COLUMN_METADATA: &[Field] = &[
    Field(1, NUMBER, &[]),
    Field(2, LIST, &[of(NUMBER, &[])]),
    Field(3, LIST, &[of(TEXT, &[])]),
    Field(4, NUMBER, &[]),
    Field(5, LONG, &[]),
    Field(6, LONG, &[]),
    Field(7, LONG, &[]),
    Field(8, LIST, &[of(STRUCT, KEY_VALUE)]),
    Field(9, LONG, &[]),
    Field(10, LONG, &[]),
    Field(11, LONG, &[]),
    Field(12, STRUCT, STATISTICS),
    Field(13, LIST, &[of(STRUCT, &[Field(1, NUMBER, &[]), Field(2, NUMBER, &[]), Field(3, NUMBER, &[])])]),
    Field(14, LONG, &[]),
    Field(15, NUMBER, &[]),
    Field(16, STRUCT, &[Field(1, LONG, &[]), Field(2, LIST, &[of(LONG, &[])]), Field(3, LIST, &[of(LONG, &[])])]),
    Field(17, STRUCT, GEOSPATIAL),
];

const COLUMN_CHUNK: &[Field] = &[
    Field(1, TEXT, &[]),
    Field(2, LONG, &[]),
    Field(3, STRUCT, COLUMN_METADATA),
    Field(4, LONG, &[]),
    Field(5, NUMBER, &[]),
    Field(6, LONG, &[]),
    Field(7, NUMBER, &[]),
    Field(8, STRUCT, EMPTY),
    Field(9, TEXT, &[]),
];

const ROW_GROUP: &[Field] = &[
    Field(1, LIST, &[of(STRUCT, COLUMN_CHUNK)]),
    Field(2, LONG, &[]),
    Field(3, LONG, &[]),
    Field(4, LIST, &[of(STRUCT, &[Field(1, NUMBER, &[]), Field(2, TRUE, &[]), Field(3, TRUE, &[])])]),
    Field(5, LONG, &[]),
    Field(6, LONG, &[]),
    Field(7, SHORT, &[]),
];

/// The directory at the end of a file.
pub(super) const DIRECTORY: &[Field] = &[
    Field(1, NUMBER, &[]),
    Field(2, LIST, &[of(STRUCT, SCHEMA_ELEMENT)]),
    Field(3, LONG, &[]),
    Field(4, LIST, &[of(STRUCT, ROW_GROUP)]),
    Field(5, LIST, &[of(STRUCT, KEY_VALUE)]),
    Field(6, TEXT, &[]),
    Field(7, LIST, &[of(STRUCT, &[Field(1, STRUCT, EMPTY), Field(2, STRUCT, EMPTY)])]),
    Field(8, STRUCT, EMPTY),
    Field(9, TEXT, &[]),
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
        // The crate keeps 16 bits of an identifier, so that one with more of them would be another field to it.
        let mut field = 0_i16;
        loop {
            let head = self.byte()?;
            let kind = head & 15;
            if kind == 0 {
                return Some(());
            }
            field = match head >> 4 {
                0 => self.whole()?.try_into().ok()?,
                step => field.checked_add(step.into())?,
            };
            let known = known.iter().find(|known| known.0 == i64::from(field));
            if known.is_some_and(|known| alike(known.1) != alike(kind)) {
                return None;
            }
            match kind {
                TRUE | FALSE => {}
                SHORT..=LONG => number(field.into(), self.whole()?),
                _ => self.pass(kind, known.map_or(&[], |known| known.2), depth)?,
            }
        }
    }

    /// Passes over a value that is no truth, with the fields that are known of it.
    fn pass(&mut self, kind: u8, known: &[Field], depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            BYTE => self.byte().map(drop),
            SHORT..=LONG => self.varint().map(drop),
            DOUBLE => self.take(8),
            TEXT => {
                let length = self.varint()?;
                self.take(length)
            }
            LIST | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                let element = known.first();
                // Some name no kind for the elements of an empty list.
                if count > 0 && element.is_some_and(|element| alike(element.1) != alike(head & 15)) {
                    return None;
                }
                self.elements(count, &[head & 15], element.map_or(&[], |element| element.2), depth)
            }
            11 => match self.varint()? {
                0 => Some(()),
                count => {
                    let kinds = self.byte()?;
                    self.elements(count, &[kinds >> 4, kinds & 15], &[], depth)
                }
            },
            STRUCT => self.fields(depth, known, &mut |_, _| {}),
            13 => self.take(16),
            _ => None,
        }
    }

    fn elements(&mut self, count: u64, kinds: &[u8], known: &[Field], depth: u32) -> Option<()> {
        // Every element has a byte at least. Parquet has no lists of truths here, and readers do not agree how long one is.
        if count > self.bytes.len() as u64 || (count > 0 && kinds.iter().any(|kind| matches!(*kind, TRUE | FALSE))) {
            return None;
        }
        for _ in 0..count {
            kinds.iter().try_for_each(|&kind| self.pass(kind, known, depth))?;
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
        let passes_directory = |bytes: &[u8]| Compact::new(bytes).pass_struct(DIRECTORY, &mut |_, _| {}).is_some();
        // A long number in place of a number, and an empty list whose elements have no kind.
        assert!(passes_directory(&[0x16, 4, 0x19, 0, 0]));
        // A text in place of row groups, and a list of numbers.
        assert!(!passes_directory(&[0x48, 1, 16, 0]));
        assert!(!passes_directory(&[0x49, 0x15, 16, 0]));
        // A column's logical type: a place on earth with a text, or with a list of two billion truths; a text as it has to be,
        // and as a truth, which has no byte where the crate reads one.
        let schema = |logical: &[u8]| passes_directory(&[&[0x29, 0x1c, 0xac][..], logical, &[0, 0, 0]].concat());
        assert!(schema(&[0x0c, 36, 0x18, 0, 0]));
        assert!(!schema(&[0x0c, 36, 0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 7, 0]));
        assert!(!schema(&[0x0c, 36, 0x19, 0x03, 0]));
        assert!(schema(&[0x1c, 0]));
        assert!(!schema(&[0x11]));
        // Numbers that are none in a column's statistics: as a number, and as a text.
        let statistics = |field: &[u8]| passes(&[&[0x5c, 0x5c][..], field, &[0, 0, 0]].concat());
        assert!(statistics(&[0x96, 2]));
        assert!(!statistics(&[0x98, 1, 0x21]));
        // What is not known may be anything, but its identifier has 16 bits.
        assert!(passes(&[0xf8, 1, 16, 0]));
        assert!(passes(&[0x05, 0xfe, 0xff, 0x03, 0, 0]));
        assert!(!passes(&[0x05, 0x86, 0x80, 0x08, 0, 0]));
        assert!(!passes(&[0x05, 0xfe, 0xff, 0x03, 0, 0x15, 0, 0]));
    }
}
