//! Tiled BigTIFF, with a pyramid when asked for.
//!
//! ```text
//!   header | tiles in the order in which they fill | tables of tiles, smaller sizes first | directories
//! ```
//!
//! Gets rows; gives tiles of 512 x 512 labels (lower where a row of such tiles would not fit into memory). A tile holds
//! nothing while all its labels are equal, so that empty slide costs no memory, no compression and no space: all tiles of
//! one label share the bytes of the first. A pyramid's smaller sizes take every second row and column of the size before,
//! while the rows come; they are linked from the main directory (tag 330), as in OME-TIFF, and a description in OME-XML
//! tells programs so.

use std::collections::HashMap;
use std::io::{Seek, SeekFrom, Write};

use self::tiles::{Packer, Tile, TileRow};
use super::{Compression, CreateOptions, Progress, Sink};
use crate::error::Result;
use crate::mask::Dtype;
use crate::output::AtomicFile;
use crate::shape::Shape;

mod directory;
mod tiles;

/// Labels along a side of a tile.
const SIDE: u32 = 512;

/// A tile side must be a multiple of this.
const SIDE_STEP: u32 = 16;

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
pub(super) struct TiffSink {
    output: Output,
    progress: Progress,
    /// The full size, then each half of the one before.
    levels: Vec<Level>,
    compression: Compression,
    ome: bool,
}

/// The file, and what is shared by all tiles in it.
#[derive(Debug)]
struct Output {
    file: AtomicFile,
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

impl TiffSink {
    pub(super) fn new(file: AtomicFile, shape: Shape, dtype: Dtype, options: &CreateOptions) -> Result<Self> {
        let row_bytes = u64::from(shape.width) * dtype.bytes() as u64;
        // Half for the rows of tiles of all sizes together, half for what is being compressed.
        let rows = options.memory / 4 / row_bytes.max(1);
        let height = (rows.min(u64::from(SIDE)) as u32 / SIDE_STEP * SIDE_STEP).max(SIDE_STEP);
        let mut levels = vec![Level::new(shape, height, dtype)];
        let mut smaller = shape;
        while options.pyramid && smaller.height.max(smaller.width) > SIDE {
            smaller = Shape { height: smaller.height.div_ceil(2), width: smaller.width.div_ceil(2) };
            levels.push(Level::new(smaller, height, dtype));
        }
        let name = file.path().to_string_lossy().to_ascii_lowercase();
        let ome = options.pyramid || name.ends_with(".ome.tif") || name.ends_with(".ome.tiff");
        let packer = Packer::new(options.compression);
        let mut output = Output { file, position: 0, packer, constant: HashMap::new() };
        // The place of the directory is filled in at the end.
        output.write(&directory::header(0))?;
        Ok(Self { output, progress: Progress::new(shape, dtype), levels, compression: options.compression, ome })
    }
}

impl Level {
    fn new(shape: Shape, tile_height: u32, dtype: Dtype) -> Self {
        Self { shape, row: TileRow::new(shape.width, SIDE, tile_height, dtype), extents: Vec::new() }
    }
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> Result<Extent> {
        self.file.write_all(bytes).map_err(|error| self.file.error(error))?;
        let extent = Extent { offset: self.position, count: bytes.len() as u64 };
        self.position += bytes.len() as u64;
        Ok(extent)
    }

    /// Writes a row of tiles.
    fn write_tiles(&mut self, level: &mut Level, dtype: Dtype) -> Result<()> {
        let tiles = level.row.take();
        let packed = self.packer.pack_all(&tiles, dtype).map_err(|error| self.file.error(error))?;
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
        let packed = self.packer.pack_constant(label, row).map_err(|error| self.file.error(error))?;
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
fn add_rows(output: &mut Output, levels: &mut [Level], first: u32, rows: &[u8], dtype: Dtype) -> Result<()> {
    let Some((level, smaller)) = levels.split_first_mut() else { return Ok(()) };
    let row_bytes = level.shape.width as usize * dtype.bytes();
    let (mut first, mut rest) = (first, rows);
    while !rest.is_empty() {
        let count = (rest.len() / row_bytes).min(level.row.left() as usize);
        let (rows, others) = rest.split_at(count * row_bytes);
        if !smaller.is_empty() {
            add_rows(output, smaller, first.div_ceil(2), &every_second(rows, row_bytes, first, dtype), dtype)?;
        }
        level.row.push(rows);
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
fn every_second(rows: &[u8], row_bytes: usize, first: u32, dtype: Dtype) -> Vec<u8> {
    let mut half = Vec::with_capacity(rows.len() / 4 + row_bytes);
    for row in rows.chunks_exact(row_bytes).skip((first % 2) as usize).step_by(2) {
        row.chunks_exact(dtype.bytes()).step_by(2).for_each(|label| half.extend_from_slice(label));
    }
    half
}

impl Sink for TiffSink {
    fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        let (first, dtype) = (self.progress.next_row, self.progress.dtype);
        self.progress.count(rows.len())?;
        add_rows(&mut self.output, &mut self.levels, first, rows, dtype)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.progress.finish()?;
        let (output, dtype) = (&mut self.output, self.progress.dtype);
        for level in &mut self.levels {
            if !level.row.is_empty() {
                output.write_tiles(level, dtype)?;
            }
        }
        let mut smaller = Vec::new();
        let mut main = 0;
        // The smaller ones first, so that the main directory knows where they are.
        for (index, level) in self.levels.iter().enumerate().rev() {
            let description = self.ome.then(|| directory::ome_description(level.shape, dtype)).flatten();
            let page = directory::Page {
                shape: level.shape,
                dtype,
                tile: (SIDE, level.row.tile_height()),
                compression: self.compression,
                extents: &level.extents,
                smaller: if index == 0 { &smaller } else { &[] },
                reduced: index > 0,
                description: description.filter(|_| index == 0),
            };
            // A directory begins at an even place.
            if !output.position.is_multiple_of(2) {
                output.write(&[0])?;
            }
            let (bytes, start) = page.bytes(output.position);
            output.write(&bytes)?;
            main = start;
            smaller.insert(0, start);
        }
        let file = &mut output.file;
        let header = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&directory::header(main)));
        header.map_err(|error| file.error(error))?;
        self.output.file.finish()
    }
}
