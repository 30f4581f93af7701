//! Tiles being filled, and their compression.

use std::fmt;
use std::io;
use std::sync::Mutex;

use crate::error::Result;
use crate::mask::Dtype;
use crate::memory::zeroed;
use crate::rows;
use crate::sink::{Compression, little_endian};
use crate::threads;

/// Rows at once that are worth being spread over threads.
const PARALLEL_BYTES: usize = 1 << 18;

/// libdeflate's own default.
const DEFLATE_LEVEL: i32 = 6;

/// The default of Zstandard.
const ZSTD_LEVEL: i32 = 3;

/// Labels of one tile.
pub(super) enum Tile {
    /// The same everywhere.
    Constant(u64),
    /// Row after row, in native byte order, with 0 where the mask ends.
    Labels(Vec<u8>),
}

impl fmt::Debug for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(label) => write!(f, "Constant({label})"),
            Self::Labels(labels) => write!(f, "Labels({} bytes)", labels.len()),
        }
    }
}

/// A row of tiles that is filled from top to bottom.
#[derive(Debug)]
pub(super) struct TileRow {
    dtype: Dtype,
    width: u32,
    tile_width: u32,
    tile_height: u32,
    /// Rows that it has.
    rows: u32,
    tiles: Vec<Tile>,
}

impl TileRow {
    pub(super) fn new(width: u32, tile_width: u32, tile_height: u32, dtype: Dtype) -> Self {
        Self { dtype, width, tile_width, tile_height, rows: 0, tiles: Vec::new() }
    }

    /// Width and height of a tile.
    pub(super) fn tile(&self) -> (u32, u32) {
        (self.tile_width, self.tile_height)
    }

    /// Rows that fit in.
    pub(super) fn left(&self) -> u32 {
        self.tile_height - self.rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of a tile.
    fn tile_bytes(&self) -> usize {
        self.tile_width as usize * self.tile_height as usize * self.dtype.bytes()
    }

    /// Adds rows, at most those that fit in.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) when there is none for the tiles that are not of one label.
    pub(super) fn push(&mut self, rows: &[u8]) -> Result<()> {
        let label_bytes = self.dtype.bytes();
        let row_bytes = self.width as usize * label_bytes;
        let piece_bytes = self.tile_width as usize * label_bytes;
        let (first, tile_bytes) = (self.rows as usize, self.tile_bytes());
        if self.rows == 0 {
            let first_labels = rows[..row_bytes].chunks(piece_bytes).map(|piece| rows::label(&piece[..label_bytes]));
            self.tiles = first_labels.map(Tile::Constant).collect();
        }
        let push = |index: usize, tile: &mut Tile| {
            let start = index * piece_bytes;
            let end = row_bytes.min(start + piece_bytes);
            rows.chunks_exact(row_bytes).zip(first..).try_for_each(|(row, number)| {
                push_piece(tile, &row[start..end], number * piece_bytes, (label_bytes, piece_bytes, tile_bytes))
            })
        };
        // At most the height of a tile.
        self.rows += (rows.len() / row_bytes) as u32;
        if rows.len() >= PARALLEL_BYTES {
            let mut tiles: Vec<(usize, &mut Tile)> = self.tiles.iter_mut().enumerate().collect();
            threads::try_map_mut(&mut tiles, |(index, tile)| push(*index, tile)).map(|_| ())
        } else {
            self.tiles.iter_mut().enumerate().try_for_each(|(index, tile)| push(index, tile))
        }
    }

    /// The tiles as they are; the row begins anew.
    pub(super) fn take(&mut self) -> Vec<Tile> {
        self.rows = 0;
        std::mem::take(&mut self.tiles)
    }
}

/// Adds the part of one row that lies in a tile at byte `at` of it.
fn push_piece(
    tile: &mut Tile,
    piece: &[u8],
    at: usize,
    (label_bytes, row_bytes, all): (usize, usize, usize),
) -> Result<()> {
    match tile {
        Tile::Labels(labels) => labels[at..at + piece.len()].copy_from_slice(piece),
        Tile::Constant(label) if rows::constant(piece, label_bytes) == Some(*label) => {}
        Tile::Constant(label) => {
            let mut labels = zeroed(all as u64, "a row of tiles")?;
            for row in labels[..at].chunks_exact_mut(row_bytes) {
                rows::fill(&mut row[..piece.len()], *label, label_bytes);
            }
            labels[at..at + piece.len()].copy_from_slice(piece);
            *tile = Tile::Labels(labels);
        }
    }
    Ok(())
}

/// Compresses tiles, with what is needed for it kept from one to the next.
pub(super) struct Packer {
    compression: Compression,
    deflate: Mutex<Vec<libdeflater::Compressor>>,
    zstd: Mutex<Vec<zstd::bulk::Compressor<'static>>>,
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").field("compression", &self.compression).finish_non_exhaustive()
    }
}

impl Packer {
    pub(super) fn new(compression: Compression) -> Self {
        Self { compression, deflate: Mutex::default(), zstd: Mutex::default() }
    }

    /// The bytes of each tile that is not constant, compressed in parallel; none for the others.
    pub(super) fn pack_all(&self, tiles: &[Tile], dtype: Dtype) -> io::Result<Vec<Vec<u8>>> {
        let pack = |tile: &Tile| match tile {
            Tile::Constant(_) => Ok(Vec::new()),
            Tile::Labels(labels) => self.pack(labels, dtype),
        };
        threads::map(tiles.len(), |index| pack(&tiles[index])).into_iter().collect()
    }

    /// The bytes of a tile of one label.
    pub(super) fn pack_constant(&self, label: u64, row: &TileRow) -> io::Result<Vec<u8>> {
        let mut labels = zeros(row.tile_bytes())?;
        rows::fill(&mut labels, label, row.dtype.bytes());
        self.pack(&labels, row.dtype)
    }

    fn pack(&self, labels: &[u8], dtype: Dtype) -> io::Result<Vec<u8>> {
        let labels = little_endian(labels, dtype);
        match self.compression {
            Compression::Deflate => {
                let level = libdeflater::CompressionLvl::new(DEFLATE_LEVEL).unwrap_or_default();
                let mut compressor = take(&self.deflate).unwrap_or_else(|| libdeflater::Compressor::new(level));
                let mut packed = zeros(compressor.zlib_compress_bound(labels.len()))?;
                let count = compressor.zlib_compress(&labels, &mut packed).map_err(io::Error::other)?;
                packed.truncate(count);
                packed.shrink_to_fit();
                give_back(&self.deflate, compressor);
                Ok(packed)
            }
            Compression::Zstd => {
                let mut compressor = match take(&self.zstd) {
                    Some(compressor) => compressor,
                    None => zstd::bulk::Compressor::new(ZSTD_LEVEL)?,
                };
                let mut packed = zeros(zstd::zstd_safe::compress_bound(labels.len()))?;
                let count = compressor.compress_to_buffer(&labels, &mut packed[..])?;
                packed.truncate(count);
                packed.shrink_to_fit();
                give_back(&self.zstd, compressor);
                Ok(packed)
            }
        }
    }
}

fn zeros(count: usize) -> io::Result<Vec<u8>> {
    zeroed(count as u64, "tiles").map_err(|_| io::ErrorKind::OutOfMemory.into())
}

fn take<T>(all: &Mutex<Vec<T>>) -> Option<T> {
    all.lock().ok()?.pop()
}

fn give_back<T>(all: &Mutex<Vec<T>>, one: T) {
    if let Ok(mut all) = all.lock() {
        all.push(one);
    }
}
