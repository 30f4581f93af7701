//! One page of a TIFF file: its shape, its samples, and where its tiles or strips lie.
//!
//! Gets a directory; gives a page that can be read, or says why not. Only pages with one integer sample a pixel are
//! masks. A palette, an inverted grey scale (white is zero) and an orientation say how to show the stored values, not
//! what they are: they change nothing here.
//!
//! A page claims its size before any pixel is seen. So every chunk (tile or strip) is held against its compressed
//! length first: no method shrinks pixels further than a known factor, and a page that claims more is refused before
//! anybody allocates for it.

use std::ops::Range;

use super::directory::{Directory, Entry, Header};
use super::pages;
use crate::error::{Error, Place, Result};
use crate::memory::{MOST_ROW_BYTES, check_row};
use crate::shape::Shape;
use crate::source::chunked::Grid;
use crate::source::decompress::Compression;
use crate::source::random_access::RandomAccess;
use crate::source::samples::Samples;

/// Table entries that are read at once when all chunks are checked.
const TABLE_PIECE: u64 = 1 << 16;

pub(super) use crate::tiff::tag;

/// A page that can be read.
#[derive(Debug)]
pub(crate) struct Page {
    /// What messages call it: `page 0`, or `page 0, level 1`.
    pub(crate) name: String,
    pub(crate) grid: Grid,
    pub(crate) samples: Samples,
    pub(crate) compression: Compression,
    /// Whether samples are stored as differences from the one to the left.
    pub(crate) differences: bool,
    tiled: bool,
    offsets: Entry,
    counts: Option<Entry>,
}

/// Where the compressed bytes of a chunk lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) count: u64,
}

impl Extent {
    /// Whether the file leaves the chunk out: all background.
    pub(crate) fn absent(self) -> bool {
        self.offset == 0 && self.count == 0
    }
}

impl Page {
    /// Finds and checks page `number` at pyramid `level`, 0 being the page itself.
    pub(crate) fn open(file: &RandomAccess, number: u32, level: u32) -> Result<Self> {
        let (header, directory) = pages::find(file, number, level)?;
        let name = if level == 0 { format!("page {number}") } else { format!("page {number}, level {level}") };
        Self::read(file, header, &directory, name)
    }

    fn read(file: &RandomAccess, header: Header, directory: &Directory, name: String) -> Result<Self> {
        let in_file = |error: Error| error.in_file(file.name());
        let integer = |tag| directory.integer(file, tag);
        let wrong =
            |expected: &str, found: String| Err(in_file(Error::format(Place::Part(name.clone()), expected, found)));
        let (samples, compression, differences) = pixels(file, header, directory, &name)?;
        let (Some(width), Some(height)) = (integer(tag::WIDTH)?, integer(tag::HEIGHT)?) else {
            return wrong("a width and a height", "a directory without them".into());
        };
        if width == 0 || height == 0 {
            return wrong("a width and a height of 1 or more", format!("height {height} x width {width}"));
        }
        let shape = Shape::new(height, width).map_err(in_file)?;
        let tiled = directory.find(tag::TILE_WIDTH).is_some();
        let (chunk_width, chunk_height, offsets, counts) = if tiled {
            let side = |tag| Ok(integer(tag)?.and_then(|side| u32::try_from(side).ok()).filter(|&side| side > 0));
            let (Some(width), Some(height)) = (side(tag::TILE_WIDTH)?, side(tag::TILE_HEIGHT)?) else {
                return wrong("tile sides from 1 to 2^32 - 1", "others, or none".into());
            };
            (width, height, tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
        } else {
            // Absent, or larger than the page: one strip.
            let rows = integer(tag::ROWS_PER_STRIP)?.unwrap_or(height).min(height);
            if rows == 0 {
                return wrong("1 row a strip or more", "0".into());
            }
            // At most the height, which was found to fit.
            (shape.width, rows as u32, tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
        };
        check_row(shape, samples.dtype()).map_err(in_file)?;
        let stored_row = samples.row_bytes(chunk_width);
        if stored_row > MOST_ROW_BYTES {
            let what = format!("{name}: bytes of one row of a tile");
            return Err(in_file(Error::LimitExceeded { what, limit: MOST_ROW_BYTES, found: stored_row }));
        }
        let Some(offsets) = directory.find(offsets) else {
            return wrong("the offsets of tiles or strips", "a directory without them".into());
        };
        let page = Self {
            grid: Grid {
                shape,
                dtype: samples.dtype(),
                chunk: Shape { height: chunk_height, width: chunk_width },
                // Tiles are whole.
                last_is_cut: !tiled,
                // What the file leaves out is background.
                fill: 0,
            },
            samples,
            compression,
            differences,
            tiled,
            offsets: *offsets,
            counts: directory.find(counts).copied(),
            name,
        };
        page.check_extents(file)?;
        Ok(page)
    }

    /// Number of chunks.
    fn chunks(&self) -> u64 {
        u64::from(self.grid.across()) * u64::from(self.grid.down())
    }

    /// What messages call a chunk.
    pub(crate) fn chunk_name(&self, chunk: u64) -> String {
        format!("{} {chunk} of {}", if self.tiled { "tile" } else { "strip" }, self.name)
    }

    /// Bytes of a stored row of a chunk.
    pub(crate) fn stored_row_bytes(&self) -> u64 {
        self.samples.row_bytes(self.grid.chunk.width)
    }

    /// Where the chunks of some rows of chunks lie.
    pub(crate) fn extents(&self, file: &RandomAccess, bands: Range<u32>) -> Result<Vec<Extent>> {
        let across = u64::from(self.grid.across());
        self.read_extents(file, u64::from(bands.start) * across, bands.len() * self.grid.across() as usize)
    }

    /// Where `count` chunks from `first` lie; every one inside the file.
    fn read_extents(&self, file: &RandomAccess, first: u64, count: usize) -> Result<Vec<Extent>> {
        let offsets = self.offsets.values(file, first, count)?;
        let counts = match &self.counts {
            Some(counts) => counts.values(file, first, count)?,
            None => Vec::new(),
        };
        let extent = |(index, offset)| {
            let chunk = first + index as u64;
            let left = file.length().saturating_sub(offset);
            let band = (chunk / u64::from(self.grid.across())) as u32;
            let count = match counts.get(index) {
                Some(&count) => count,
                // Files from before byte counts: pixels as they are, or one compressed strip up to the end.
                None if self.compression == Compression::None => {
                    u64::from(self.grid.stored_rows(band)) * self.stored_row_bytes()
                }
                None => left,
            };
            let wrong = |expected: &str, found: String| {
                Err(Error::format(Place::Part(self.chunk_name(chunk)), expected, found).in_file(file.name()))
            };
            if count > left {
                let found = format!("{count} from byte {offset} of a file of {}", file.length());
                return wrong("bytes inside the file", found);
            }
            if (offset == 0) != (count == 0) {
                let found = format!("offset {offset} and {count} bytes");
                return wrong("an offset and a number of bytes, both or neither 0", found);
            }
            Ok(Extent { offset, count })
        };
        offsets.into_iter().enumerate().map(extent).collect()
    }

    /// Checks that every chunk can hold the pixels that the page claims.
    fn check_extents(&self, file: &RandomAccess) -> Result<()> {
        let mut first = 0;
        while first < self.chunks() {
            let count = (self.chunks() - first).min(TABLE_PIECE);
            for (extent, chunk) in self.read_extents(file, first, count as usize)?.into_iter().zip(first..) {
                let band = (chunk / u64::from(self.grid.across())) as u32;
                let bytes = u128::from(self.grid.stored_rows(band)) * u128::from(self.stored_row_bytes());
                if !extent.absent() && bytes > self.compression.largest(extent.count) {
                    let expected = format!("{bytes} bytes of pixels");
                    let found = format!("{} bytes, too few with {}", extent.count, self.compression.name());
                    let place = Place::Part(self.chunk_name(chunk));
                    return Err(Error::format(place, expected, found).in_file(file.name()));
                }
            }
            first += count;
        }
        Ok(())
    }
}

/// How the pixels of a directory are stored: samples, compression, and whether samples are differences. An error when
/// they are not those of a mask that can be read.
pub(super) fn pixels(
    file: &RandomAccess,
    header: Header,
    directory: &Directory,
    name: &str,
) -> Result<(Samples, Compression, bool)> {
    let integer = |tag| directory.integer(file, tag);
    let unsupported = |what: String| Err(Error::Unsupported(format!("{name}: {what}")).in_file(file.name()));

    let samples_per_pixel = integer(tag::SAMPLES_PER_PIXEL)?.unwrap_or(1);
    if samples_per_pixel != 1 {
        return unsupported(format!(
            "{samples_per_pixel} samples a pixel (colour, alpha or channels); a label mask has 1"
        ));
    }
    match integer(tag::PHOTOMETRIC)?.unwrap_or(1) {
        0 | 1 | 3 | 4 => {}
        other => return unsupported(format!("colour space {other} is not that of a label mask")),
    }
    let signed = match integer(tag::SAMPLE_FORMAT)?.unwrap_or(1) {
        1 => false,
        2 => true,
        3 => return unsupported("floating-point samples; a label mask has integers".into()),
        other => return unsupported(format!("sample format {other}; a label mask has integers")),
    };
    let bits = integer(tag::BITS)?.unwrap_or(1);
    let Some(samples) = Samples::new(bits, signed, header.big_endian) else {
        let kind = if signed { "signed" } else { "unsigned" };
        return unsupported(format!("{kind} samples of {bits} bits; 1, 2, 4, 8, 16, 32 and 64 are read"));
    };
    match integer(tag::FILL_ORDER)?.unwrap_or(1) {
        1 => {}
        other => return unsupported(format!("bits in fill order {other}; 1 is read")),
    }
    let compression = match Compression::from_tag(integer(tag::COMPRESSION)?.unwrap_or(1)) {
        Ok(compression) => compression,
        Err(message) => return unsupported(message),
    };
    let differences = match (integer(tag::PREDICTOR)?.unwrap_or(1), compression) {
        (1, _) => false,
        // Readers disagree on what a predictor means there, so none is right.
        (2, Compression::None | Compression::PackBits) => {
            return unsupported(format!("predictor 2 with {}", compression.name()));
        }
        (2, _) if samples.in_place() => true,
        (2, _) => return unsupported(format!("predictor 2 with samples of {bits} bits")),
        (3, _) => return unsupported("the floating-point predictor; a label mask has integers".into()),
        (other, _) => return unsupported(format!("predictor {other}; 1 and 2 are read")),
    };
    Ok((samples, compression, differences))
}
