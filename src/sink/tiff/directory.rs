//! The header and the directories of a BigTIFF, little endian; the layout is described with the reader.

use super::{Compression, Extent};
use crate::mask::Dtype;
use crate::shape::Shape;
use crate::tiff::{BLACK_IS_ZERO, REDUCED, UNSIGNED, compression, kind, tag};

/// Bytes of the header.
const HEADER_BYTES: usize = 16;

/// Values of this many bytes stand in the directory itself.
const INLINE_BYTES: usize = 8;

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
    /// The places of the tiles' bytes, and their numbers.
    pub(super) offsets: Table,
    pub(super) counts: Table,
    /// Where the directories of smaller sizes are that this one links.
    pub(super) smaller: &'a [u64],
    /// Where the next directory is; 0 when there is none.
    pub(super) next: u64,
    /// Whether this is a smaller size itself.
    pub(super) reduced: bool,
    pub(super) description: Option<String>,
}

/// A number for each tile: where the table of them is that was written before, or the only number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) count: u64,
    pub(super) value: u64,
}

/// The numbers of a table, some at a time, as bytes.
pub(super) fn table_bytes(extents: &[Extent], number: impl Fn(&Extent) -> u64) -> impl Iterator<Item = Vec<u8>> {
    extents.chunks(1 << 13).map(move |extents| extents.iter().flat_map(|extent| number(extent).to_le_bytes()).collect())
}

/// A field's number, type, count and values as bytes.
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    values: Vec<u8>,
}

impl Entry {
    fn short(tag: u16, value: u16) -> Self {
        Self { tag, kind: kind::SHORT, count: 1, values: value.to_le_bytes().into() }
    }

    fn long(tag: u16, value: u32) -> Self {
        Self { tag, kind: kind::LONG, count: 1, values: value.to_le_bytes().into() }
    }

    fn long8(tag: u16, values: &[u64]) -> Self {
        let count = values.len() as u64;
        Self { tag, kind: kind::LONG8, count, values: values.iter().copied().flat_map(u64::to_le_bytes).collect() }
    }

    /// Its eight bytes are the only value, or the place of all values, as the directory wants it.
    fn table(tag: u16, table: Table) -> Self {
        Self { tag, kind: kind::LONG8, count: table.count, values: table.value.to_le_bytes().into() }
    }

    fn text(tag: u16, text: &str) -> Self {
        let values = [text.as_bytes(), &[0]].concat();
        Self { tag, kind: kind::ASCII, count: values.len() as u64, values }
    }
}

impl Page<'_> {
    /// The directory of this page with the values that do not fit into it, to be written at `position`, and where the
    /// directory begins.
    pub(super) fn bytes(&self, position: u64) -> (Vec<u8>, u64) {
        let mut bytes = Vec::new();
        let mut directory = Vec::new();
        let entries = self.entries();
        directory.extend((entries.len() as u64).to_le_bytes());
        for mut entry in entries {
            directory.extend(entry.tag.to_le_bytes());
            directory.extend(entry.kind.to_le_bytes());
            directory.extend(entry.count.to_le_bytes());
            if entry.values.len() <= INLINE_BYTES {
                entry.values.resize(INLINE_BYTES, 0);
                directory.extend(entry.values);
            } else {
                directory.extend((position + bytes.len() as u64).to_le_bytes());
                bytes.extend(entry.values);
                bytes.resize(bytes.len().next_multiple_of(8), 0);
            }
        }
        directory.extend(self.next.to_le_bytes());
        let start = position + bytes.len() as u64;
        bytes.extend(directory);
        (bytes, start)
    }

    /// All fields, ascending.
    fn entries(&self) -> Vec<Entry> {
        let compression = match self.compression {
            Compression::Deflate => compression::DEFLATE,
            Compression::Zstd => compression::ZSTD,
        };
        let bits = match self.dtype {
            Dtype::U8 => 8,
            Dtype::U16 => 16,
            Dtype::U32 => 32,
            Dtype::U64 => 64,
        };
        let mut entries = vec![
            Entry::long(tag::SUBFILE_TYPE, if self.reduced { REDUCED } else { 0 }),
            Entry::long(tag::WIDTH, self.shape.width),
            Entry::long(tag::HEIGHT, self.shape.height),
            Entry::short(tag::BITS, bits),
            Entry::short(tag::COMPRESSION, compression),
            Entry::short(tag::PHOTOMETRIC, BLACK_IS_ZERO),
        ];
        entries.extend(self.description.as_deref().map(|text| Entry::text(tag::DESCRIPTION, text)));
        entries.extend([
            Entry::short(tag::SAMPLES_PER_PIXEL, 1),
            Entry::text(tag::SOFTWARE, "runmask"),
            Entry::long(tag::TILE_WIDTH, self.tile.0),
            Entry::long(tag::TILE_HEIGHT, self.tile.1),
            Entry::table(tag::TILE_OFFSETS, self.offsets),
            Entry::table(tag::TILE_BYTE_COUNTS, self.counts),
        ]);
        if !self.smaller.is_empty() {
            entries.push(Entry::long8(tag::SUB_DIRECTORIES, self.smaller));
        }
        entries.push(Entry::short(tag::SAMPLE_FORMAT, UNSIGNED));
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
