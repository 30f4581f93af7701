//! The header and the directories of a BigTIFF, little endian; the layout is described with the reader.

use super::{Compression, Extent};
use crate::mask::Dtype;
use crate::shape::Shape;

const SHORT: u16 = 3;
const LONG: u16 = 4;
const ASCII: u16 = 2;
const LONG8: u16 = 16;

/// Bytes of the header.
const HEADER_BYTES: usize = 16;

/// The header of a file whose main directory is at `first`.
pub(super) fn header(first: u64) -> [u8; HEADER_BYTES] {
    let mut header = *b"II\x2b\0\x08\0\0\0\0\0\0\0\0\0\0\0";
    header[8..].copy_from_slice(&first.to_le_bytes());
    header
}

/// One size of the mask.
pub(super) struct Page<'a> {
    pub(super) shape: Shape,
    pub(super) dtype: Dtype,
    /// Width and height of a tile.
    pub(super) tile: (u32, u32),
    pub(super) compression: Compression,
    pub(super) extents: &'a [Extent],
    /// Where the directories of the smaller sizes are.
    pub(super) smaller: &'a [u64],
    /// Whether this is a smaller size itself.
    pub(super) reduced: bool,
    pub(super) description: Option<String>,
}

/// A tag's number, type, count and values as bytes.
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    values: Vec<u8>,
}

impl Entry {
    fn short(tag: u16, value: u16) -> Self {
        Self { tag, kind: SHORT, count: 1, values: value.to_le_bytes().into() }
    }

    fn long(tag: u16, value: u32) -> Self {
        Self { tag, kind: LONG, count: 1, values: value.to_le_bytes().into() }
    }

    fn long8(tag: u16, values: impl ExactSizeIterator<Item = u64>) -> Self {
        let count = values.len() as u64;
        Self { tag, kind: LONG8, count, values: values.flat_map(u64::to_le_bytes).collect() }
    }

    fn text(tag: u16, text: &str) -> Self {
        let values = [text.as_bytes(), &[0]].concat();
        Self { tag, kind: ASCII, count: values.len() as u64, values }
    }
}

impl Page<'_> {
    /// The tables and the directory of this page, to be written at `position`, and where the directory begins.
    pub(super) fn bytes(&self, position: u64) -> (Vec<u8>, u64) {
        let mut bytes = Vec::new();
        let mut directory = Vec::new();
        let entries = self.entries();
        directory.extend((entries.len() as u64).to_le_bytes());
        for mut entry in entries {
            directory.extend(entry.tag.to_le_bytes());
            directory.extend(entry.kind.to_le_bytes());
            directory.extend(entry.count.to_le_bytes());
            if entry.values.len() <= 8 {
                entry.values.resize(8, 0);
                directory.extend(entry.values);
            } else {
                directory.extend((position + bytes.len() as u64).to_le_bytes());
                bytes.extend(entry.values);
                bytes.resize(bytes.len().next_multiple_of(8), 0);
            }
        }
        // No directory follows: smaller sizes are linked, and there is one page.
        directory.extend(0u64.to_le_bytes());
        let start = position + bytes.len() as u64;
        bytes.extend(directory);
        (bytes, start)
    }

    /// All tags, ascending.
    fn entries(&self) -> Vec<Entry> {
        let compression = match self.compression {
            Compression::Deflate => 8,
            Compression::Zstd => 50000,
        };
        let mut entries = vec![
            Entry::long(254, u32::from(self.reduced)),
            Entry::long(256, self.shape.width),
            Entry::long(257, self.shape.height),
            // At most 64.
            Entry::short(258, 8 * self.dtype.bytes() as u16),
            Entry::short(259, compression),
            // Black is zero.
            Entry::short(262, 1),
        ];
        entries.extend(self.description.as_deref().map(|text| Entry::text(270, text)));
        entries.extend([Entry::short(277, 1), Entry::text(305, "runmask")]);
        entries.extend([
            Entry::long(322, self.tile.0),
            Entry::long(323, self.tile.1),
            Entry::long8(324, self.extents.iter().map(|extent| extent.offset)),
            Entry::long8(325, self.extents.iter().map(|extent| extent.count)),
        ]);
        if !self.smaller.is_empty() {
            entries.push(Entry::long8(330, self.smaller.iter().copied()));
        }
        // Unsigned integers.
        entries.push(Entry::short(339, 1));
        entries
    }
}

/// A page in OME-XML (2016-06), by which programs know the linked directories for a pyramid; it has no 64-bit integers.
pub(super) fn ome_description(shape: Shape, dtype: Dtype) -> Option<String> {
    let kind = match dtype {
        Dtype::U8 => "uint8",
        Dtype::U16 => "uint16",
        Dtype::U32 => "uint32",
        Dtype::U64 => return None,
    };
    let Shape { height, width } = shape;
    let namespace = "http://www.openmicroscopy.org/Schemas/OME/2016-06";
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><OME xmlns=\"{namespace}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"{namespace} {namespace}/ome.xsd\" Creator=\"runmask\"><Image ID=\"Image:0\"><Pixels \
         ID=\"Pixels:0\" DimensionOrder=\"XYCZT\" Type=\"{kind}\" BigEndian=\"false\" SizeX=\"{width}\" \
         SizeY=\"{height}\" SizeC=\"1\" SizeZ=\"1\" SizeT=\"1\"><Channel ID=\"Channel:0:0\" SamplesPerPixel=\"1\"/>\
         <TiffData IFD=\"0\" PlaneCount=\"1\"/></Pixels></Image></OME>"
    ))
}
