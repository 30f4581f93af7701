//! Tiled BigTIFF, with a pyramid when asked for.
//!
//! ```text
//!   header | tiles in the order in which they fill | tables of tiles, smaller sizes first | directories
//! ```
//!
//! Gets rows; gives tiles of 512 x 512 labels (smaller where the mask is, and lower where a row of such tiles would not fit
//! into memory). A tile holds nothing while all its labels are equal, so that empty slide costs no memory, no compression
//! and no space: all tiles of one label share the bytes of the first.
//!
//! A pyramid's smaller sizes take every second row and column of the size before, while the rows come. There are two ways
//! to say what they are, and no layout that every program reads alike:
//!
//! | | smaller pages follow, marked as smaller copies (default) | linked from the main page (tag 330), with OME-XML |
//! |---|---|---|
//! | OpenSlide | all levels | the full size only |
//! | GDAL, tifffile | all levels | all levels |
//! | both ways at once | OpenSlide and tifffile: all levels | GDAL lists each level twice |

use std::collections::HashMap;
use std::io::Write;

use super::target::Target;
use super::tiles::{Packer, Tile, TileRow};
use super::{Compression, CreateOptions, Progress, Sink};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::memory::reserve;
use crate::shape::Shape;

mod directory;

/// Labels along a side of a tile.
const SIDE: u32 = 512;

/// A tile side must be a multiple of this.
const SIDE_STEP: u32 = 16;

/// Tiles of all sizes together. Each takes 16 bytes of memory, and as many of the file.
const MOST_TILES: u64 = 1 << 26;

/// Labels of which a full tile is remembered.
const MAX_CONSTANT: usize = 1 << 16;

/// Where a written tile lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    offset: u64,
    count: u64,
}

/// Writes a TIFF from top to bottom.
#[derive(Debug)]
pub(super) struct TiffSink<'w> {
    output: Output<'w>,
    progress: Progress,
    /// The full size, then each half of the one before.
    levels: Vec<Level>,
    compression: Compression,
    ome: bool,
}

/// The file, and what is shared by all tiles in it.
#[derive(Debug)]
struct Output<'w> {
    target: Target<'w>,
    position: u64,
    packer: Packer,
    /// Where the first tile of each label lies of which a tile was full.
    constant: HashMap<u64, Extent>,
}

/// The mask at one size.
#[derive(Debug)]
struct Level {
    shape: Shape,
    row: TileRow,
    extents: Vec<Extent>,
}

/// The sizes of a mask, the full one first.
fn sizes(shape: Shape, pyramid: bool) -> impl Iterator<Item = Shape> {
    let half = |shape: &Shape| Shape { height: shape.height.div_ceil(2), width: shape.width.div_ceil(2) };
    std::iter::successors(Some(shape), move |shape| {
        (pyramid && shape.height.max(shape.width) > SIDE).then(|| half(shape))
    })
}

/// Width and height of the tiles of every size.
fn tile_of(shape: Shape, dtype: Dtype, options: &CreateOptions) -> (u32, u32) {
    let side = |side: u32| side.min(SIDE).next_multiple_of(SIDE_STEP);
    let row_bytes = u64::from(shape.width) * dtype.bytes() as u64;
    // Half for the rows of tiles of all sizes together, half for what is being compressed.
    let rows = options.memory / 4 / row_bytes.max(1);
    let rows = u32::try_from(rows).unwrap_or(u32::MAX) / SIDE_STEP * SIDE_STEP;
    (side(shape.width), side(shape.height).min(rows.max(SIDE_STEP)))
}

/// Tiles of a mask of one size.
fn tile_count(shape: Shape, tile: (u32, u32)) -> u64 {
    u64::from(shape.width.div_ceil(tile.0)) * u64::from(shape.height.div_ceil(tile.1))
}

/// An error when the mask has too many tiles.
pub(super) fn check(shape: Shape, dtype: Dtype, options: &CreateOptions) -> Result<()> {
    let exceeded = |what: &str, limit, found| Err(Error::LimitExceeded { what: what.into(), limit, found });
    let tile = tile_of(shape, dtype, options);
    match sizes(shape, options.pyramid).map(|shape| tile_count(shape, tile)).sum() {
        found if found > MOST_TILES => exceeded("tiles of a TIFF", MOST_TILES, found),
        _ => Ok(()),
    }
}

impl<'w> TiffSink<'w> {
    pub(super) fn new(target: Target<'w>, shape: Shape, dtype: Dtype, options: &CreateOptions) -> Result<Self> {
        let tile = tile_of(shape, dtype, options);
        let levels =
            sizes(shape, options.pyramid).map(|shape| Level::new(shape, tile, dtype)).collect::<Result<_>>()?;
        let packer = Packer::new(options.compression);
        let mut output = Output { target, position: 0, packer, constant: HashMap::new() };
        // The place of the directory is filled in at the end.
        output.write(&directory::header(0))?;
        let ome = options.ome == Some(true);
        Ok(Self { output, progress: Progress::new(shape, dtype), levels, compression: options.compression, ome })
    }
}

impl Level {
    fn new(shape: Shape, tile: (u32, u32), dtype: Dtype) -> Result<Self> {
        let mut extents = Vec::new();
        reserve(&mut extents, usize::try_from(tile_count(shape, tile)).unwrap_or(usize::MAX), "the places of tiles")?;
        Ok(Self { shape, row: TileRow::new(shape.width, tile.0, tile.1, dtype), extents })
    }
}

impl Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<Extent> {
        self.target.write_all(bytes).map_err(|error| self.target.error(error))?;
        let extent = Extent { offset: self.position, count: bytes.len() as u64 };
        self.position += bytes.len() as u64;
        Ok(extent)
    }

    /// Writes a number of each tile; gives the place of these numbers.
    fn write_table(&mut self, extents: &[Extent], number: impl Fn(&Extent) -> u64) -> Result<directory::Table> {
        let count = extents.len() as u64;
        if let [only] = extents {
            return Ok(directory::Table { count, value: number(only) });
        }
        self.align()?;
        let value = self.position;
        for bytes in directory::table_bytes(extents, number) {
            self.write(&bytes)?;
        }
        Ok(directory::Table { count, value })
    }

    /// Goes on at a multiple of 8 bytes.
    fn align(&mut self) -> Result<()> {
        let missing = self.position.next_multiple_of(8) - self.position;
        (0..missing).try_for_each(|_| self.write(&[0]).map(drop))
    }

    /// Writes a row of tiles.
    fn write_tiles(&mut self, level: &mut Level, dtype: Dtype) -> Result<()> {
        let tiles = level.row.take();
        let packed = self.packer.pack_all(&tiles, dtype).map_err(|error| self.target.error(error))?;
        for (tile, packed) in tiles.into_iter().zip(packed) {
            let extent = match tile {
                Tile::Constant(label) => self.write_constant(label, &level.row)?,
                Tile::Labels(_) => self.write(&packed)?,
            };
            level.extents.push(extent);
        }
        Ok(())
    }

    /// Writes a tile of one label, unless there is one already.
    fn write_constant(&mut self, label: u64, row: &TileRow) -> Result<Extent> {
        if let Some(&extent) = self.constant.get(&label) {
            return Ok(extent);
        }
        let packed = self.packer.pack_constant(label, row).map_err(|error| self.target.error(error))?;
        let extent = self.write(&packed)?;
        // Background comes early; labels that fill a tile are few.
        if self.constant.len() < MAX_CONSTANT {
            self.constant.insert(label, extent);
        }
        Ok(extent)
    }
}

/// Adds rows to a level and to the smaller ones; `first` is the number of the first row at this level.
///
/// Smaller sizes go first, as they would if rows came one by one: their last row of a tile comes before that of the
/// larger size. So the file does not depend on how many rows come at once.
fn add_rows(output: &mut Output<'_>, levels: &mut [Level], first: u32, rows: &[u8], dtype: Dtype) -> Result<()> {
    let Some((level, smaller)) = levels.split_first_mut() else { return Ok(()) };
    let row_bytes = level.shape.width as usize * dtype.bytes();
    let (mut first, mut rest) = (first, rows);
    while !rest.is_empty() {
        let count = (rest.len() / row_bytes).min(level.row.left() as usize);
        let (rows, others) = rest.split_at(count * row_bytes);
        if !smaller.is_empty() {
            add_rows(output, smaller, first.div_ceil(2), &every_second(rows, row_bytes, first, dtype)?, dtype)?;
        }
        level.row.push(rows)?;
        if level.row.left() == 0 {
            output.write_tiles(level, dtype)?;
        }
        // At most the height of a tile.
        first += count as u32;
        rest = others;
    }
    Ok(())
}

/// Every second column of the rows with even numbers, of which `first` is that of the first.
fn every_second(rows: &[u8], row_bytes: usize, first: u32, dtype: Dtype) -> Result<Vec<u8>> {
    let mut half = Vec::new();
    reserve(&mut half, rows.len() / 4 + row_bytes, "rows of a smaller size")?;
    for row in rows.chunks_exact(row_bytes).skip((first % 2) as usize).step_by(2) {
        row.chunks_exact(dtype.bytes()).step_by(2).for_each(|label| half.extend_from_slice(label));
    }
    Ok(half)
}

impl Sink for TiffSink<'_> {
    fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        let (first, dtype) = (self.progress.next_row, self.progress.dtype);
        self.progress.count(rows.len())?;
        add_rows(&mut self.output, &mut self.levels, first, rows, dtype)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let Self { mut output, progress, mut levels, compression, ome } = *self;
        progress.finish()?;
        let dtype = progress.dtype;
        for level in &mut levels {
            if !level.row.is_empty() {
                output.write_tiles(level, dtype)?;
            }
        }
        let mut smaller = Vec::new();
        let mut next = 0;
        // The smaller ones first, so that the directory of each knows where those are that it names.
        for (index, level) in levels.iter().enumerate().rev() {
            let main = index == 0;
            let page = directory::Page {
                shape: level.shape,
                dtype,
                tile: level.row.tile(),
                compression,
                offsets: output.write_table(&level.extents, |extent| extent.offset)?,
                counts: output.write_table(&level.extents, |extent| extent.count)?,
                smaller: if main { &smaller } else { &[] },
                next: if ome { 0 } else { next },
                reduced: !main,
                description: if main && ome { directory::ome_description(level.shape, dtype) } else { None },
            };
            output.align()?;
            let (bytes, start) = page.bytes(output.position);
            output.write(&bytes)?;
            next = start;
            if ome {
                smaller.insert(0, start);
            }
        }
        let Output { mut target, .. } = output;
        target.write_at(0, &directory::header(next)).map_err(|error| target.error(error))?;
        target.finish()
    }
}
