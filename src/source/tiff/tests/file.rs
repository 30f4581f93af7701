//! Writes small TIFF files, sound and otherwise.

use std::io::Write;

/// A page to be written: tags and chunks as they are, true or not.
#[derive(Clone)]
pub(super) struct File {
    pub(super) big: bool,
    pub(super) big_endian: bool,
    pub(super) tags: Vec<(u16, Vec<u64>)>,
    pub(super) chunks: Vec<Vec<u8>>,
    pub(super) tiled: bool,
}

pub(super) const WIDTH: u16 = 256;
pub(super) const HEIGHT: u16 = 257;
pub(super) const BITS: u16 = 258;
pub(super) const COMPRESSION: u16 = 259;
pub(super) const ROWS_PER_STRIP: u16 = 278;
pub(super) const PREDICTOR: u16 = 317;
pub(super) const TILE_WIDTH: u16 = 322;
pub(super) const TILE_HEIGHT: u16 = 323;
pub(super) const OFFSETS: [u16; 2] = [273, 324];
pub(super) const COUNTS: [u16; 2] = [279, 325];
pub(super) const SAMPLE_FORMAT: u16 = 339;
pub(super) const SUB_DIRECTORIES: u16 = 330;
pub(super) const NONE: u64 = 1;
pub(super) const LZW: u64 = 5;
pub(super) const DEFLATE: u64 = 8;
pub(super) const PACK_BITS: u64 = 32773;
pub(super) const ZSTD: u64 = 50000;
pub(super) const LZMA: u64 = 34925;
pub(super) const METHODS: [u64; 6] = [NONE, LZW, DEFLATE, PACK_BITS, ZSTD, LZMA];

impl File {
    /// One page of `labels`, `width` of them a row, in tiles of the sides given, or in strips of so many rows when the
    /// first is 0.
    pub(super) fn of(
        labels: &[u64],
        width: usize,
        bits: usize,
        compression: u64,
        tile: (usize, usize),
        big_endian: bool,
    ) -> Self {
        let height = labels.len() / width;
        let tiled = tile.0 > 0;
        let (columns, rows) = if tiled { tile } else { (width, tile.1) };
        let mut chunks = Vec::new();
        for top in (0..height).step_by(rows) {
            for left in (0..width).step_by(columns) {
                let mut chunk = Vec::new();
                let bottom = if tiled { top + rows } else { height.min(top + rows) };
                for row in top..bottom {
                    // Beyond the page a tile holds a label that must not be seen.
                    let label = |column| if row < height && column < width { labels[row * width + column] } else { 1 };
                    chunk.extend(pack((left..left + columns).map(label), bits, big_endian));
                }
                chunks.push(compress(compression, &chunk));
            }
        }
        let mut tags = vec![
            (WIDTH, vec![width as u64]),
            (HEIGHT, vec![height as u64]),
            (BITS, vec![bits as u64]),
            (COMPRESSION, vec![compression]),
        ];
        if tiled {
            tags.extend([(TILE_WIDTH, vec![columns as u64]), (TILE_HEIGHT, vec![rows as u64])]);
        } else {
            tags.push((ROWS_PER_STRIP, vec![rows as u64]));
        }
        Self { big: false, big_endian, tags, chunks, tiled }
    }

    pub(super) fn set(&mut self, tag: u16, values: Vec<u64>) -> &mut Self {
        self.tags.retain(|(other, _)| *other != tag);
        self.tags.push((tag, values));
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut file = vec![0; if self.big { 16 } else { 8 }];
        let mut places = (Vec::new(), Vec::new());
        for chunk in &self.chunks {
            // An empty chunk is left out, as sparse files do.
            places.0.push(if chunk.is_empty() { 0 } else { file.len() as u64 });
            places.1.push(chunk.len() as u64);
            file.extend(chunk);
        }
        let mut tags = self.tags.clone();
        for (tag, values) in [(OFFSETS, places.0), (COUNTS, places.1)] {
            let tag = tag[usize::from(self.tiled)];
            if !tags.iter().any(|(other, _)| *other == tag) {
                tags.push((tag, values));
            }
        }
        tags.sort();
        let (field, kind) = if self.big { (8, 16u64) } else { (4, 4) };
        let mut entries = Vec::new();
        for (tag, values) in &tags {
            let number = |value, size| number(value, size, self.big_endian);
            entries.extend(number(u64::from(*tag), 2));
            entries.extend(number(kind, 2));
            entries.extend(number(values.len() as u64, field));
            if let [value] = values.as_slice() {
                entries.extend(number(*value, field));
            } else {
                entries.extend(number(file.len() as u64, field));
                values.iter().for_each(|&value| file.extend(number(value, field)));
            }
        }
        let number = |value, size| number(value, size, self.big_endian);
        let mut header = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        header.extend(number(if self.big { 43 } else { 42 }, 2));
        if self.big {
            header.extend([number(8, 2), number(0, 2)].concat());
        }
        header.extend(number(file.len() as u64, field));
        file[..header.len()].copy_from_slice(&header);
        file.extend(number(tags.len() as u64, if self.big { 8 } else { 2 }));
        file.extend(entries);
        file.extend(number(0, field));
        file
    }
}

pub(super) fn number(value: u64, size: usize, big_endian: bool) -> Vec<u8> {
    if big_endian { value.to_be_bytes()[8 - size..].to_vec() } else { value.to_le_bytes()[..size].to_vec() }
}

/// One row of samples.
pub(super) fn pack(labels: impl Iterator<Item = u64>, bits: usize, big_endian: bool) -> Vec<u8> {
    if bits >= 8 {
        return labels.flat_map(|label| number(label, bits / 8, big_endian)).collect();
    }
    let labels: Vec<u64> = labels.collect();
    let byte = |labels: &[u64]| {
        labels.iter().enumerate().map(|(index, label)| label << (8 - bits * (index + 1))).sum::<u64>() as u8
    };
    labels.chunks(8 / bits).map(byte).collect()
}

pub(super) fn compress(compression: u64, bytes: &[u8]) -> Vec<u8> {
    match compression {
        LZW => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(bytes).unwrap(),
        DEFLATE | 32946 => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        PACK_BITS => {
            // A literal of one byte, and the others as they come; a no-operation between.
            let mut packed = vec![0, bytes[0], 128];
            for run in bytes[1..].chunk_by(|a, b| a == b).flat_map(|run| run.chunks(128)) {
                packed.extend(if let [byte] = run { [0, *byte] } else { [(257 - run.len()) as u8, run[0]] });
            }
            packed
        }
        LZMA => {
            let options = lzma_rust2::XzOptions::with_preset(1);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ZSTD => zstd::bulk::compress(bytes, 3).unwrap(),
        _ => bytes.to_vec(),
    }
}
