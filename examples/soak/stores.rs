//! Zarr stores that plain code writes, of which nothing is shared with the library: versions 2 and 3, chunks and shards of any
//! shape, every codec that is read, both byte orders, both orders of axes, and chunks that are left out.

use std::io::Write;

use rawzip::{CompressionMethod, ZipArchiveWriter, ZipDataWriter};
use runmask::Label;
use serde_json::{Value, json};

use crate::draw::{Drawn, Numbers, label};

/// Chunks of a store along one side, at most.
const MOST_CHUNKS: u32 = 48;

/// A codec of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Codec {
    Gzip,
    Zlib,
    Zstd,
    Blosc,
    Crc32c,
}

/// How the pixels of a mask become chunks.
#[derive(Debug)]
struct Layout {
    version: u32,
    /// Height and width of a chunk.
    chunk: (usize, usize),
    /// Chunks of a shard along each side.
    shard: Option<(usize, usize)>,
    /// Axes of length 1 before those of the mask.
    planes: usize,
    /// Columns one after the other.
    transposed: bool,
    big_endian: bool,
    signed: bool,
    fill: u64,
    /// Whether chunks of nothing but `fill` are left out.
    leave_out: bool,
    codecs: Vec<Codec>,
    /// The index of a shard: before its chunks, with a checksum, big endian.
    index: (bool, bool, bool),
    separator: char,
}

impl Layout {
    fn draw<T: Label>(numbers: &mut Numbers, drawn: &Drawn<T>) -> Self {
        let side = |numbers: &mut Numbers, side: u32| {
            let least = side.div_ceil(MOST_CHUNKS).max(1);
            numbers.log_between(least, least.max(side + side / 8 + 1)) as usize
        };
        let chunk = (side(numbers, drawn.shape.height), side(numbers, drawn.shape.width));
        let version = numbers.between(2, 3);
        let compressor = |numbers: &mut Numbers| {
            let known = [Codec::Gzip, Codec::Zlib, Codec::Zstd, Codec::Zstd, Codec::Blosc, Codec::Blosc, Codec::Blosc];
            numbers.pick(&known)
        };
        let mut codecs = if numbers.once_in(5) { vec![] } else { vec![compressor(numbers)] };
        if version == 3 && numbers.once_in(3) {
            codecs.push(if numbers.once_in(3) { compressor(numbers) } else { Codec::Crc32c });
        }
        let shard = (version == 3 && numbers.once_in(2))
            .then(|| (numbers.between(1, 5) as usize, numbers.between(1, 5) as usize));
        let largest = drawn.pixels.iter().map(|&label| label.into()).max().unwrap_or(0);
        Self {
            version,
            chunk,
            shard,
            planes: if numbers.once_in(6) { numbers.between(1, 3) as usize } else { 0 },
            transposed: numbers.once_in(4),
            big_endian: numbers.once_in(4),
            signed: largest <= T::DTYPE.max() / 2 && numbers.once_in(3),
            fill: if numbers.once_in(4) { numbers.pick(&drawn.labels) & (T::DTYPE.max() / 2) } else { 0 },
            leave_out: !numbers.once_in(3),
            codecs,
            index: (numbers.once_in(2), !numbers.once_in(3), numbers.once_in(3)),
            separator: numbers.pick(&['/', '.']),
        }
    }

    fn with_planes(&self, (height, width): (usize, usize)) -> Vec<usize> {
        std::iter::repeat_n(1, self.planes).chain([height, width]).collect()
    }

    /// The metadata of the array, and its key.
    fn metadata<T: Label>(&self, shape: (usize, usize)) -> (&'static str, Value) {
        let bytes = T::DTYPE.bytes();
        let shape = self.with_planes(shape);
        let chunk = self.with_planes(self.chunk);
        let transposed: Vec<usize> = match self.transposed {
            true => (0..shape.len()).rev().collect(),
            false => (0..shape.len()).collect(),
        };
        if self.version == 2 {
            let byte_order = if self.big_endian { '>' } else { '<' };
            let kind = if self.signed { 'i' } else { 'u' };
            let compressor = self.codecs.first().map(|codec| json!({"id": format!("{codec:?}").to_lowercase()}));
            return (
                ".zarray",
                json!({"zarr_format": 2, "shape": shape, "chunks": chunk, "dtype": format!("{byte_order}{kind}{bytes}"),
                    "fill_value": self.fill, "order": if self.transposed { "F" } else { "C" }, "filters": null,
                    "compressor": compressor, "dimension_separator": self.separator}),
            );
        }
        let endian = |big: bool| if big { "big" } else { "little" };
        let bytes_codec = |big: bool| json!({"name": "bytes", "configuration": {"endian": endian(big)}});
        let mut codecs = Vec::new();
        if self.transposed {
            codecs.push(json!({"name": "transpose", "configuration": {"order": transposed}}));
        }
        codecs.push(bytes_codec(self.big_endian));
        codecs.extend(self.codecs.iter().map(|codec| match codec {
            Codec::Zlib => json!("numcodecs.zlib"),
            codec => json!({"name": format!("{codec:?}").to_lowercase()}),
        }));
        let (stored, codecs) = match self.shard {
            None => (chunk, codecs),
            Some((tall, wide)) => {
                let (at_start, checked, big_endian) = self.index;
                let checksum = checked.then(|| json!({"name": "crc32c"}));
                let index: Vec<Value> = [bytes_codec(big_endian)].into_iter().chain(checksum).collect();
                let configuration = json!({"chunk_shape": chunk, "codecs": codecs, "index_codecs": index,
                    "index_location": if at_start { "start" } else { "end" }});
                let shard = self.with_planes((self.chunk.0 * tall, self.chunk.1 * wide));
                (shard, vec![json!({"name": "sharding_indexed", "configuration": configuration})])
            }
        };
        let dtype = format!("{}int{}", if self.signed { "" } else { "u" }, 8 * bytes);
        (
            "zarr.json",
            json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": dtype, "fill_value": self.fill,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": stored}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": self.separator}},
                "codecs": codecs}),
        )
    }

    /// The key of what lies at a place of the grid.
    fn key(&self, row: usize, column: usize) -> String {
        let prefix = (self.version == 3).then(|| "c".to_owned());
        let planes = std::iter::repeat_n("0".to_owned(), self.planes);
        let parts = prefix.into_iter().chain(planes).chain([row.to_string(), column.to_string()]);
        parts.collect::<Vec<_>>().join(&self.separator.to_string())
    }

    /// The bytes of a chunk, with `filler` outside of the mask; nothing where the chunk is left out.
    fn chunk<T: Label>(
        &self,
        numbers: &mut Numbers,
        drawn: &Drawn<T>,
        place: (usize, usize),
        filler: T,
    ) -> Result<Option<Vec<u8>>, String> {
        let (height, width) = (drawn.shape.height as usize, drawn.shape.width as usize);
        let (tall, wide) = self.chunk;
        let (top, left) = (place.0 * tall, place.1 * wide);
        let outside = top >= height || left >= width;
        let inside = |row: usize| {
            let from = (top + row) * width + left;
            &drawn.pixels[from..from + wide.min(width - left)]
        };
        let rows = if outside { 0 } else { tall.min(height - top) };
        let nothing = |row: usize| inside(row).iter().all(|&pixel| pixel.into() == self.fill);
        if outside && !numbers.once_in(8) || self.leave_out && (0..rows).all(nothing) {
            return Ok(None);
        }
        let mut labels = vec![filler; tall * wide];
        for row in 0..rows {
            for (column, &pixel) in inside(row).iter().enumerate() {
                labels[if self.transposed { column * tall + row } else { row * wide + column }] = pixel;
            }
        }
        let bytes = T::DTYPE.bytes();
        let mut plain: Vec<u8> = bytemuck::cast_slice(&labels).to_vec();
        if self.big_endian == cfg!(target_endian = "little") {
            plain.chunks_exact_mut(bytes).for_each(<[u8]>::reverse);
        }
        for codec in &self.codecs {
            plain = encode(numbers, *codec, &plain, bytes).map_err(|error| format!("{codec:?}: {error}"))?;
        }
        Ok(Some(plain))
    }

    /// The bytes of a shard: its chunks one after the other, some bytes between them, and the index.
    fn shard(&self, numbers: &mut Numbers, chunks: Vec<Option<Vec<u8>>>) -> Option<Vec<u8>> {
        if chunks.iter().all(Option::is_none) {
            return None;
        }
        let (at_start, checked, big_endian) = self.index;
        let index_bytes = 16 * chunks.len() + if checked { 4 } else { 0 };
        let first = if at_start { index_bytes } else { 0 };
        let (mut bytes, mut places) = (Vec::new(), vec![[u64::MAX; 2]; chunks.len()]);
        // From the front, or from the back.
        let mut order: Vec<usize> = (0..chunks.len()).collect();
        if numbers.once_in(3) {
            order.reverse();
        }
        for number in order {
            let Some(chunk) = &chunks[number] else { continue };
            bytes.resize(bytes.len() + if numbers.once_in(5) { numbers.below(9) as usize } else { 0 }, 0xa5);
            places[number] = [(first + bytes.len()) as u64, chunk.len() as u64];
            bytes.extend(chunk);
        }
        let number = |number: u64| if big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        let mut index: Vec<u8> = places.into_iter().flatten().flat_map(number).collect();
        if checked {
            index.extend(crc32c(&index).to_le_bytes());
        }
        Some(if at_start { [index, bytes].concat() } else { [bytes, index].concat() })
    }
}

/// A store of a mask, as a zip file, and how it was made.
pub(crate) fn store<T: Label>(numbers: &mut Numbers, drawn: &Drawn<T>) -> Result<(Vec<u8>, String), String> {
    let layout = Layout::draw(numbers, drawn);
    let (height, width) = (drawn.shape.height as usize, drawn.shape.width as usize);
    let filler = label(numbers.next() & (T::DTYPE.max() / 2));
    let (tall, wide) = layout.shard.unwrap_or((1, 1));
    let mut archive = ZipArchiveWriter::new(Vec::new());
    let mut add = |key: &str, bytes: &[u8]| -> Result<(), rawzip::Error> {
        let (mut entry, config) = archive.new_file(key).compression_method(CompressionMethod::STORE).start()?;
        let mut writer: ZipDataWriter<_> = config.wrap(&mut entry);
        writer.write_all(bytes)?;
        let (_, output) = writer.finish()?;
        entry.finish(output).map(drop)
    };
    let told = |error: rawzip::Error| error.to_string();
    let (key, metadata) = layout.metadata::<T>((height, width));
    add(key, metadata.to_string().as_bytes()).map_err(told)?;
    for row in 0..height.div_ceil(layout.chunk.0 * tall) {
        for column in 0..width.div_ceil(layout.chunk.1 * wide) {
            let mut chunks = Vec::new();
            for place in 0..tall * wide {
                let place = (row * tall + place / wide, column * wide + place % wide);
                chunks.push(layout.chunk(numbers, drawn, place, filler)?);
            }
            let stored = match layout.shard {
                Some(_) => layout.shard(numbers, chunks),
                None => chunks.pop().flatten(),
            };
            if let Some(bytes) = stored {
                add(&layout.key(row, column), &bytes).map_err(told)?;
            }
        }
    }
    Ok((archive.finish().map_err(told)?, format!("{layout:?}")))
}

/// Bytes that a codec makes of others; `element` is the size of a pixel.
fn encode(numbers: &mut Numbers, codec: Codec, plain: &[u8], element: usize) -> std::io::Result<Vec<u8>> {
    let level = flate2::Compression::new(numbers.pick(&[0, 1, 1, 6]));
    match codec {
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(plain)?;
            encoder.finish()
        }
        Codec::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(plain)?;
            encoder.finish()
        }
        Codec::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), numbers.pick(&[-1, 1, 3]))?;
            encoder.include_checksum(numbers.once_in(2))?;
            encoder.set_pledged_src_size(numbers.once_in(2).then_some(plain.len() as u64))?;
            encoder.write_all(plain)?;
            encoder.finish()
        }
        Codec::Blosc => blosc(numbers, plain, element),
        Codec::Crc32c => Ok([plain, &crc32c(plain).to_le_bytes()].concat()),
    }
}

/// The checksum of Castagnoli, by its definition.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

/// Blosc of format 1.
fn blosc(numbers: &mut Numbers, plain: &[u8], element: usize) -> std::io::Result<Vec<u8>> {
    const COPIED: u8 = 2;
    const WHOLE: u8 = 16;
    let shuffle = numbers.pick(&[0, 1, 1, 4]);
    let (compressor, whole) = (numbers.pick(&[1, 1, 3, 4]), if numbers.once_in(2) { WHOLE } else { 0 });
    let block = match numbers.once_in(3) {
        true => plain.len(),
        false => numbers.log_between(1, plain.len() as u32).next_multiple_of(8 * element as u32) as usize,
    };
    let block = block.min(plain.len()).max(1);
    let header = |flags: u8, stored: usize| {
        let numbers = [plain.len(), block, stored].map(|number| (number as u32).to_le_bytes());
        [&[2, 1, flags, element as u8][..], &numbers.concat()].concat()
    };
    if numbers.once_in(8) {
        return Ok([&header(COPIED | shuffle | compressor << 5, 16 + plain.len()), plain].concat());
    }
    let table = 16 + 4 * plain.len().div_ceil(block);
    let (mut starts, mut blocks) = (Vec::new(), Vec::new());
    for bytes in plain.chunks(block) {
        starts.extend(((table + blocks.len()) as u32).to_le_bytes());
        let shuffled = match shuffle {
            1 => shuffled(bytes, element),
            4 => bits_shuffled(bytes, element),
            _ => bytes.to_vec(),
        };
        // A full block may have a part for each byte of an element.
        let split = whole == 0 && block / element >= 128 && bytes.len() == block && block.is_multiple_of(element);
        for part in shuffled.chunks(if split { block / element } else { block }) {
            let compressed = match compressor {
                1 => lz4::block::compress(part, None, false)?,
                3 => encode(numbers, Codec::Zlib, part, element)?,
                _ => encode(numbers, Codec::Zstd, part, element)?,
            };
            let stored = if compressed.len() < part.len() { &compressed } else { part };
            blocks.extend((stored.len() as u32).to_le_bytes());
            blocks.extend(stored);
        }
    }
    let header = header(shuffle | whole | compressor << 5, table + blocks.len());
    Ok([header, starts, blocks].concat())
}

/// First the first bytes of all elements, then their second ones, and so on; what is no whole element stays where it is.
fn shuffled(bytes: &[u8], element: usize) -> Vec<u8> {
    let count = bytes.len() / element;
    let mut result = bytes.to_vec();
    for (place, &byte) in bytes[..count * element].iter().enumerate() {
        result[place % element * count + place / element] = byte;
    }
    result
}

/// First the first bits of all elements, then their second ones, and so on; only where they are a multiple of eight elements.
fn bits_shuffled(bytes: &[u8], element: usize) -> Vec<u8> {
    let count = bytes.len() / element;
    let mut result = bytes.to_vec();
    if !count.is_multiple_of(8) {
        return result;
    }
    result[..count * element].fill(0);
    for (place, value) in bytes.chunks_exact(element).enumerate() {
        for bit in 0..8 * element {
            result[bit * (count / 8) + place / 8] |= (value[bit / 8] >> (bit % 8) & 1) << (place % 8);
        }
    }
    result
}
