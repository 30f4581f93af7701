//! The labels of an OME-Zarr store.
//!
//! Gets rows; gives a group with a pyramid of chunks: a store of its own, or a label of an image group, which then lists it.
//! Everything is written to a folder in the image's, or beside a new store, which gets its name at the end; the list of
//! labels is written before that and replaced right after. So a label is there whole or not at all. Chunks of background are
//! left out. A pixel of a smaller level is the first of those that it stands for.
//!
//! ```text
//!   slide.zarr            a new store: the label is its root
//!   slide.zarr/labels/NAME    a label of the image that slide.zarr is: as many levels, the same sides
//!     zarr.json  0/zarr.json  0/c/0/0 ...  1/zarr.json ...           version 0.5
//!     .zgroup .zattrs  0/.zarray  0/0/0 ...                          version 0.4
//! ```

mod target;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(super) use self::target::image_shape;
use self::target::{Size, Target, plan};
use super::tiles::{Packer, Tile, TileRow};
use super::{Compression, CreateOptions, OmeVersion, Progress, Sink};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::memory::{copied, reserve};
use crate::output::{AtomicFile, TemporaryFolder};
use crate::shape::Shape;
use crate::source::zarr::checksum;

/// Sides of a chunk.
const SIDE: u32 = 1024;

/// The fewest rows of a chunk, whatever the memory.
const LEAST_ROWS: u32 = 16;

/// Chunks of a shard along each side.
const PER_SHARD: u32 = 8;

/// Bytes of the place of a chunk in the index of a shard, one number.
const NUMBER: usize = 8;

/// Compressed chunks of one label that are remembered.
const MAX_CONSTANT: usize = 64;

/// A label that is written.
#[derive(Debug)]
pub(super) struct ZarrSink {
    progress: Progress,
    /// What becomes the label, or the group of all labels where the image has none yet.
    folder: TemporaryFolder,
    target: Target,
    levels: Vec<Level>,
    packer: Packer,
    constant: HashMap<u64, Vec<u8>>,
    colors: Vec<(u64, [u8; 4])>,
}

/// One size of the mask.
#[derive(Debug)]
struct Level {
    /// The temporary folder that all is in.
    root: PathBuf,
    folder: PathBuf,
    shape: Shape,
    /// Every so many rows and columns of the mask are one of this level.
    factor: u32,
    /// Sides of a pixel along all axes.
    scale: Vec<f64>,
    row: TileRow,
    /// Rows of chunks that were written.
    done: u32,
    shards: Option<Vec<Option<Shard>>>,
}

/// A shard that is written.
#[derive(Debug)]
struct Shard {
    file: BufWriter<File>,
    position: u64,
    /// Offset and length of each chunk; all bits set where there is none.
    index: Vec<[u64; 2]>,
}

impl ZarrSink {
    pub(super) fn create(path: &Path, shape: Shape, dtype: Dtype, options: &CreateOptions) -> Result<Self> {
        let writing = |error: io::Error| Error::io("writing", path, error);
        let (target, sizes) = plan(path, shape, options).map_err(|error| error.in_file(path))?;
        if options.shards && target.version == OmeVersion::V04 {
            let message = "OME-Zarr 0.4 has no shards; 0.5 has them".to_owned();
            return Err(Error::Unsupported(message).in_file(path));
        }
        let parent = match target.group.as_deref().or(path.parent()) {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let folder = TemporaryFolder::create(parent).map_err(writing)?;
        let root = target.root(&folder);
        let temporary = folder.path().to_path_buf();
        let level = |(number, (shape, factor, scale)): (usize, Size)| {
            let folder = root.join(number.to_string());
            let (wide, tall) = chunk_of(shape, dtype, options);
            let shards = options.shards.then(|| (0..shape.width.div_ceil(wide * PER_SHARD)).map(|_| None).collect());
            Level {
                root: temporary.clone(),
                folder,
                shape,
                factor,
                scale,
                row: TileRow::new(shape.width, wide, tall, dtype),
                done: 0,
                shards,
            }
        };
        let levels = sizes.into_iter().enumerate().map(level).collect();
        Ok(Self {
            progress: Progress::new(shape, dtype),
            target,
            levels,
            packer: Packer::new(Compression::Zstd),
            constant: HashMap::new(),
            colors: copied(&options.colors, "the colours of labels")?,
            folder,
        })
    }

    fn error(&self, error: io::Error) -> Error {
        Error::io("writing", &self.target.path, error)
    }

    /// Adds rows to a level, of which `first` is the number of the first.
    fn add(&mut self, level: usize, first: u32, rows: &[u8]) -> Result<()> {
        let dtype = self.progress.dtype;
        let full = self.progress.shape.width as usize * dtype.bytes();
        let Level { shape, factor, .. } = self.levels[level];
        if factor == 1 {
            return self.push(level, rows);
        }
        let mut sampled = Vec::new();
        for (row, number) in rows.chunks_exact(full).zip(first..) {
            if number % factor == 0 && number / factor < shape.height {
                let labels = row.chunks_exact(dtype.bytes()).step_by(factor as usize).take(shape.width as usize);
                reserve(&mut sampled, shape.width as usize * dtype.bytes(), "rows of a smaller size")?;
                labels.for_each(|label| sampled.extend_from_slice(label));
            }
        }
        self.push(level, &sampled)
    }

    /// Adds rows of a level.
    fn push(&mut self, number: usize, mut rows: &[u8]) -> Result<()> {
        let dtype = self.progress.dtype;
        while !rows.is_empty() {
            let level = &mut self.levels[number];
            let row_bytes = level.shape.width as usize * dtype.bytes();
            let count = (rows.len() / row_bytes).min(level.row.left() as usize);
            let (these, rest) = rows.split_at(count * row_bytes);
            level.row.push(these)?;
            rows = rest;
            if level.row.left() == 0 {
                self.write_chunks(number)?;
            }
        }
        Ok(())
    }

    /// Writes a row of chunks.
    fn write_chunks(&mut self, number: usize) -> Result<()> {
        let dtype = self.progress.dtype;
        let tiles = self.levels[number].row.take();
        let packed = self.packer.pack_all(&tiles, dtype).map_err(|error| self.error(error))?;
        for ((tile, packed), column) in tiles.into_iter().zip(packed).zip(0..) {
            let written = match tile {
                Tile::Constant(0) => continue,
                Tile::Constant(label) => {
                    let packed = match self.constant.get(&label) {
                        // Chunks of all levels are equal but where a level is smaller than a chunk.
                        Some(packed) if number == 0 => packed.clone(),
                        _ => self
                            .packer
                            .pack_constant(label, &self.levels[number].row)
                            .map_err(|error| self.error(error))?,
                    };
                    let written = self.levels[number].write(column, &packed, &self.target);
                    if number == 0 && self.constant.len() < MAX_CONSTANT {
                        self.constant.insert(label, packed);
                    }
                    written
                }
                Tile::Labels(_) => self.levels[number].write(column, &packed, &self.target),
            };
            written.map_err(|error| self.error(error))?;
        }
        let level = &mut self.levels[number];
        level.done += 1;
        if level.done.is_multiple_of(PER_SHARD) {
            level.finish_shards().map_err(|error| self.error(error))?;
        }
        Ok(())
    }

    /// The metadata of all nodes.
    fn write_metadata(&self) -> io::Result<()> {
        let (version, axes) = (self.target.version, &self.target.axes);
        let root = &self.target.root(&self.folder);
        for level in &self.levels {
            make_folders(&level.root, &level.folder)?;
            let leading = vec![1; axes.len() - 2];
            let sides =
                |height: u32, width: u32| -> Vec<u32> { leading.iter().copied().chain([height, width]).collect() };
            let (wide, tall) = level.row.tile();
            let shape = sides(level.shape.height, level.shape.width);
            let chunk = sides(tall, wide);
            let dtype = self.progress.dtype;
            match version {
                OmeVersion::V04 => {
                    let name = if dtype == Dtype::U8 { "|u1".to_owned() } else { format!("<u{}", dtype.bytes()) };
                    write_json(
                        &level.folder.join(".zarray"),
                        &json!({
                            "zarr_format": 2, "shape": shape, "chunks": chunk, "dtype": name, "fill_value": 0, "order": "C",
                            "filters": null, "dimension_separator": "/", "compressor": {"id": "zstd", "level": 3},
                        }),
                    )?;
                }
                OmeVersion::V05 => {
                    let bytes = match dtype {
                        Dtype::U8 => json!({"name": "bytes"}),
                        _ => json!({"name": "bytes", "configuration": {"endian": "little"}}),
                    };
                    let zstd = json!({"name": "zstd", "configuration": {"level": 3, "checksum": false}});
                    let codecs = json!([bytes, zstd]);
                    let (stored, codecs) = match level.shards {
                        None => (chunk, codecs),
                        Some(_) => (
                            sides(tall * PER_SHARD, wide * PER_SHARD),
                            json!([{
                                "name": "sharding_indexed",
                                "configuration": {
                                    "chunk_shape": chunk, "codecs": codecs, "index_location": "end",
                                    "index_codecs": [
                                        {"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
                                },
                            }]),
                        ),
                    };
                    let names: Vec<&str> = axes.iter().map(|(name, _)| name.as_str()).collect();
                    write_json(
                        &level.folder.join("zarr.json"),
                        &json!({
                            "zarr_format": 3, "node_type": "array", "shape": shape, "fill_value": 0, "codecs": codecs,
                            "data_type": format!("uint{}", 8 * dtype.bytes()),
                            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": stored}},
                            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                            "attributes": {}, "dimension_names": names,
                        }),
                    )?;
                }
            }
        }
        let attributes = self.attributes();
        match version {
            OmeVersion::V04 => {
                write_json(&root.join(".zgroup"), &json!({"zarr_format": 2}))?;
                write_json(&root.join(".zattrs"), &attributes)
            }
            OmeVersion::V05 => write_json(
                &root.join("zarr.json"),
                &json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": attributes}}),
            ),
        }
    }

    /// What OME-Zarr says of the label.
    fn attributes(&self) -> Value {
        let Target { version, axes, path, group, .. } = &self.target;
        let axis = |(name, unit): &(String, Option<String>)| {
            let kind = match name.as_str() {
                "t" => "time",
                "c" => "channel",
                _ => "space",
            };
            match unit {
                Some(unit) => json!({"name": name, "type": kind, "unit": unit}),
                None => json!({"name": name, "type": kind}),
            }
        };
        let dataset = |(number, level): (usize, &Level)| {
            json!({"path": number.to_string(),
                "coordinateTransformations": [{"type": "scale", "scale": level.scale}]})
        };
        let mut multiscale = json!({
            "name": path.file_stem().unwrap_or_default().to_string_lossy(),
            "axes": axes.iter().map(axis).collect::<Vec<_>>(),
            "datasets": self.levels.iter().enumerate().map(dataset).collect::<Vec<_>>(),
        });
        let mut label = json!({});
        if self.colors.len() <= super::MOST_COLORS && !self.colors.is_empty() {
            let color = |(label, rgba): &(u64, [u8; 4])| json!({"label-value": label, "rgba": rgba});
            label["colors"] = self.colors.iter().map(color).collect();
        }
        if group.is_some() {
            label["source"] = json!({"image": "../../"});
        }
        if *version == OmeVersion::V04 {
            multiscale["version"] = json!("0.4");
            label["version"] = json!("0.4");
            return json!({"multiscales": [multiscale], "image-label": label});
        }
        json!({"version": "0.5", "multiscales": [multiscale], "image-label": label})
    }
}

impl Sink for ZarrSink {
    fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        let first = self.progress.next_row;
        self.progress.count(rows.len())?;
        (0..self.levels.len()).try_for_each(|level| self.add(level, first, rows))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.progress.finish()?;
        for level in 0..self.levels.len() {
            if !self.levels[level].row.is_empty() {
                self.write_chunks(level)?;
            }
            self.levels[level].finish_shards().map_err(|error| self.error(error))?;
        }
        self.write_metadata().map_err(|error| self.error(error))?;
        let Self { folder, target, .. } = *self;
        let writing = |error: io::Error| Error::io("writing", &target.path, error);
        let Some(labels) = target.labels() else {
            return folder.persist(&target.path, target.replace).map_err(writing);
        };
        let list = target.list(&labels)?;
        if !target.listed {
            // All labels are this one: their group appears with it.
            let own = folder.path();
            target.make_group(own).and_then(|()| write_json(&own.join(target.list_name()), &list)).map_err(writing)?;
            return folder.persist(&labels, false).map_err(writing);
        }
        target.make_group(&labels).map_err(writing)?;
        let mut file = AtomicFile::create(&labels.join(target.list_name()))?;
        let written = text_of(&list).and_then(|text| file.write_all(&text).and_then(|()| file.flush()));
        written.map_err(|error| file.error(error))?;
        folder.persist(&target.path, target.replace).map_err(writing)?;
        file.finish()
    }
}

impl Level {
    /// Writes the bytes of a chunk of the row at hand.
    fn write(&mut self, column: u32, bytes: &[u8], target: &Target) -> io::Result<()> {
        let leading = target.axes.len() - 2;
        let mut folder = self.folder.clone();
        if target.version == OmeVersion::V05 {
            folder.push("c");
        }
        (0..leading).for_each(|_| folder.push("0"));
        let Some(shards) = &mut self.shards else {
            folder.push(self.done.to_string());
            make_folders(&self.root, &folder)?;
            return fs::write(folder.join(column.to_string()), bytes);
        };
        let Some(shard) = shards.get_mut((column / PER_SHARD) as usize) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let shard = match shard {
            Some(shard) => shard,
            none => {
                folder.push((self.done / PER_SHARD).to_string());
                make_folders(&self.root, &folder)?;
                let file = BufWriter::new(File::create(folder.join((column / PER_SHARD).to_string()))?);
                let index = vec![[u64::MAX; 2]; (PER_SHARD * PER_SHARD) as usize];
                none.insert(Shard { file, position: 0, index })
            }
        };
        shard.file.write_all(bytes)?;
        let place = self.done % PER_SHARD * PER_SHARD + column % PER_SHARD;
        shard.index[place as usize] = [shard.position, bytes.len() as u64];
        shard.position += bytes.len() as u64;
        Ok(())
    }

    /// Writes the indices of the shards at hand.
    fn finish_shards(&mut self) -> io::Result<()> {
        for shard in self.shards.iter_mut().flatten() {
            let Some(Shard { mut file, index, .. }) = shard.take() else { continue };
            let mut bytes = Vec::with_capacity(2 * NUMBER * index.len() + 4);
            index.iter().flatten().for_each(|number| bytes.extend(number.to_le_bytes()));
            bytes.extend(checksum(&bytes).to_le_bytes());
            file.write_all(&bytes)?;
            file.flush()?;
        }
        Ok(())
    }
}

/// Width and height of the chunks of a level.
fn chunk_of(shape: Shape, dtype: Dtype, options: &CreateOptions) -> (u32, u32) {
    let row_bytes = u64::from(shape.width) * dtype.bytes() as u64;
    // Half for the rows of chunks of all levels together, half for what is being compressed.
    let rows = u32::try_from(options.memory / 4 / row_bytes.max(1)).unwrap_or(u32::MAX).clamp(LEAST_ROWS, SIDE);
    // A power of two.
    let rows = 1 << rows.ilog2();
    (shape.width.min(SIDE), shape.height.min(rows))
}

/// Makes a folder in `root` and those between them, but not `root` itself: who removes that after an interrupt has the last
/// word.
fn make_folders(root: &Path, folder: &Path) -> io::Result<()> {
    let made = |made: io::Result<()>| match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    };
    match (made(fs::create_dir(folder)), folder.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound && parent != root => {
            make_folders(root, parent)?;
            made(fs::create_dir(folder))
        }
        (made, _) => made,
    }
}

/// The text of metadata.
fn text_of(value: &Value) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

fn write_json(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, text_of(value)?)
}
