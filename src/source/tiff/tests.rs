//! Small TIFF files, sound and otherwise, as the reader sees them.

mod file;

use self::file::*;
use super::*;
use crate::error::Error;
use crate::mask::Dtype;
use crate::shape::Shape;
use crate::source::Repeat;
use crate::source::chunked::Memory;
use crate::source::random_access::RandomAccess;
use crate::source::{LevelInfo, PageInfo};

fn open(bytes: Vec<u8>, options: &OpenOptions) -> Result<ChunkedSource<PageChunks>> {
    let file = RandomAccess::from_bytes(bytes, "small.tif");
    let page = Page::open(&file, options.page, options.level)?;
    Ok(ChunkedSource::new(PageChunks::new(file, page), None, Memory::of(1 << 28, 1)))
}

fn labels(bytes: &[u8], dtype: Dtype) -> Vec<u64> {
    bytes.chunks_exact(dtype.bytes()).map(number_of).collect()
}

fn number_of(native: &[u8]) -> u64 {
    let shift = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    if cfg!(target_endian = "big") { native.iter().fold(0, shift) } else { native.iter().rev().fold(0, shift) }
}

/// How chunks are read.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Each at once.
    Whole,
    /// Each as a stream, as if memory held none.
    Streams,
    /// Each at once, but again for every part.
    Anew,
}

impl Way {
    fn open(self, bytes: Vec<u8>) -> Result<ChunkedSource<PageChunks>> {
        let file = RandomAccess::from_bytes(bytes, "small.tif");
        let memory = match self {
            Self::Whole => Memory { chunk: u64::MAX, held: u64::MAX, streams: 0 },
            Self::Streams => Memory { chunk: 0, held: 0, streams: u64::MAX },
            Self::Anew => Memory { chunk: u64::MAX, held: 0, streams: 0 },
        };
        let page = Page::open(&file, 0, 0)?;
        Ok(ChunkedSource::new(PageChunks::new(file, page), None, memory))
    }
}

fn row_bytes(source: &dyn Source) -> usize {
    source.shape().width as usize * source.dtype().bytes()
}

/// All labels, read `rows` rows at a time.
fn read(bytes: Vec<u8>, rows: u32, way: Way) -> Result<Vec<u64>> {
    let mut source = way.open(bytes)?;
    let row_bytes = row_bytes(&source);
    let (mut all, mut row) = (Vec::new(), 0);
    while row < source.shape().height {
        let mut buffer = vec![0xa5; rows.min(source.shape().height - row) as usize * row_bytes];
        source.read_rows(&mut buffer)?;
        all.extend(labels(&buffer, source.dtype()));
        row += (buffer.len() / row_bytes) as u32;
    }
    Ok(all)
}

/// The labels, or the error, whichever way they are asked for.
fn read_every_way(file: &File) -> Result<Vec<u64>, String> {
    let bytes = file.bytes();
    let whole = read(bytes.clone(), u32::MAX, Way::Whole).map_err(|error| error.to_string());
    for rows in [1, 2, 5, u32::MAX] {
        for way in [Way::Whole, Way::Streams, Way::Anew] {
            let parts = read(bytes.clone(), rows, way).map_err(|error| error.to_string());
            assert_eq!(parts, whole, "{rows} rows, {way:?}");
        }
    }
    whole
}

/// All labels, read `rows` rows at a time without what repeats, which is then copied from above; and its pixels.
fn read_sparse(bytes: Vec<u8>, rows: u32, way: Way) -> (Vec<u64>, u64) {
    let mut source = way.open(bytes).unwrap();
    let (row_bytes, label_bytes) = (row_bytes(&source), source.dtype().bytes());
    let (mut all, mut repeated, mut row) = (Vec::new(), 0, 0);
    while row < source.shape().height {
        let mut buffer = vec![0xa5; rows.min(source.shape().height - row) as usize * row_bytes];
        let mut repeats = Vec::new();
        source.read(&mut buffer, Some(&mut repeats)).unwrap();
        for Repeat { rows, columns } in &repeats {
            assert!(rows.start > 0 && !rows.is_empty() && !columns.is_empty());
            repeated += u64::from(rows.end - rows.start) * u64::from(columns.end - columns.start);
            let piece = |row: u32| {
                let columns = columns.start as usize * label_bytes..columns.end as usize * label_bytes;
                row as usize * row_bytes + columns.start..row as usize * row_bytes + columns.end
            };
            let last = buffer[piece(rows.end - 1)].to_vec();
            for row in rows.clone() {
                buffer.copy_within(piece(row - 1), piece(row).start);
            }
            assert_eq!(buffer[piece(rows.end - 1)], last, "the last row is there without the others");
        }
        all.extend(labels(&buffer, source.dtype()));
        row += (buffer.len() / row_bytes) as u32;
    }
    (all, repeated)
}

fn pattern(bits: usize, height: usize, width: usize) -> Vec<u64> {
    let max = u64::MAX >> (64 - bits);
    let label = |index: usize| match (index / width / 3 + index % width / 4) % 4 {
        0 => 0,
        1 => max,
        _ => (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7 & max,
    };
    (0..height * width).map(label).collect()
}

#[test]
fn every_type_layout_and_compression_is_read() {
    for bits in [1, 2, 4, 8, 16, 32, 64] {
        let expected = pattern(bits, 19, 37);
        for compression in METHODS.into_iter().chain([32946]) {
            for tile in [(16, 16), (37, 8), (64, 64), (0, 5), (0, 19), (0, 100)] {
                for big_endian in [false, true] {
                    for big in [false, true] {
                        let mut file = File::of(&expected, 37, bits, compression, tile, big_endian);
                        file.big = big;
                        let found = read_every_way(&file).unwrap();
                        assert_eq!(
                            found, expected,
                            "{bits} bits, method {compression}, tile {tile:?}, {big_endian}, {big}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn differences_are_added_up() {
    for bits in [8, 16, 32, 64] {
        let expected = pattern(bits, 10, 21);
        let max = u64::MAX >> (64 - bits);
        let differences = |labels: &[u64]| {
            let mut before = 0;
            labels
                .iter()
                .map(|&label| label.wrapping_sub(std::mem::replace(&mut before, label)) & max)
                .collect::<Vec<_>>()
        };
        for big_endian in [false, true] {
            // One strip: a row begins anew.
            let stored: Vec<u64> = expected.chunks(21).flat_map(differences).collect();
            let mut file = File::of(&stored, 21, bits, LZW, (0, 4), big_endian);
            assert_eq!(read_every_way(file.set(PREDICTOR, vec![2])).unwrap(), expected);
            // So does a tile.
            let stored: Vec<u64> = expected.chunks(21).flat_map(|row| row.chunks(8).flat_map(differences)).collect();
            let mut file = File::of(&stored, 21, bits, DEFLATE, (8, 8), big_endian);
            assert_eq!(read_every_way(file.set(PREDICTOR, vec![2])).unwrap(), expected);
        }
    }
}

#[test]
fn a_negative_label_is_placed() {
    let mut labels = vec![1; 20 * 20];
    labels[13 * 20 + 17] = u64::MAX - 4;
    for bits in [8, 16, 32, 64] {
        for tile in [(16, 16), (0, 7), (0, 20)] {
            let mut file = File::of(&labels, 20, bits, DEFLATE, tile, false);
            assert_eq!(read_every_way(&file).unwrap()[13 * 20 + 17], (u64::MAX - 4) & u64::MAX >> (64 - bits));
            assert_eq!(
                read_every_way(file.set(SAMPLE_FORMAT, vec![2])).unwrap_err(),
                "small.tif: row 13, column 17: expected a label of 0 or more, found -5"
            );
        }
    }
}

#[test]
fn what_a_tile_holds_beyond_the_page_is_not_looked_at() {
    let mut file = File::of(&[2; 9], 3, 8, NONE, (16, 16), false);
    file.chunks[0][3..16].fill(0xff);
    assert_eq!(read_every_way(file.set(SAMPLE_FORMAT, vec![2])).unwrap(), [2; 9]);
}

#[test]
fn absent_and_constant_chunks_are_left_out() {
    // 4 x 4 tiles: background but for one pixel and for one tile of a single label.
    let mut labels = vec![0; 64 * 64];
    labels[20 * 64 + 40] = 7;
    for row in 48..64 {
        labels[row * 64 + 32..row * 64 + 48].fill(9);
    }
    for compression in METHODS.into_iter().filter(|&method| method != NONE) {
        let mut file = File::of(&labels, 64, 16, compression, (16, 16), false);
        assert_eq!(read_every_way(&file).unwrap(), labels);
        for chunk in [0, 3, 15] {
            file.chunks[chunk].clear();
        }
        assert_eq!(read_every_way(&file).unwrap(), labels);
        // Absent means background, whatever was there.
        file.chunks[14].clear();
        let background: Vec<u64> = labels.iter().map(|&label| if label == 9 { 0 } else { label }).collect();
        assert_eq!(read_every_way(&file).unwrap(), background);
    }
    // Sparse reading leaves out what is constant.
    let file = File::of(&labels, 64, 16, DEFLATE, (16, 16), false);
    for rows in [16, 32, 48, 64] {
        assert_eq!(read_sparse(file.bytes(), rows, Way::Whole), (labels.clone(), 15 * 15 * 16), "{rows} rows");
    }
    for rows in [1, 7, 20, 33, 64] {
        assert_eq!(read_sparse(file.bytes(), rows, Way::Streams), (labels.clone(), 0), "{rows} rows");
        let (found, repeated) = read_sparse(file.bytes(), rows, Way::Whole);
        assert_eq!(found, labels, "{rows} rows");
        assert_eq!(repeated > 0, rows > 1, "{rows} rows");
    }
    // 4 parts of 4 rows in each of 15 tiles: all rows but the first of each part repeat.
    assert_eq!(read_sparse(file.bytes(), 4, Way::Whole).1, 15 * 4 * 3 * 16);
    for tile in [(24, 20), (100, 100), (0, 1), (0, 9)] {
        let file = File::of(&labels, 64, 32, ZSTD, tile, true);
        for rows in [20, 40, 64] {
            assert_eq!(read_sparse(file.bytes(), rows, Way::Whole).0, labels, "{tile:?} {rows} rows");
        }
    }
    // Without compression there is nothing to recognise, and nothing to gain.
    assert_eq!(read_sparse(File::of(&labels, 64, 16, NONE, (16, 16), false).bytes(), 64, Way::Whole).1, 0);
    // A tile that shows only a constant part of itself is not constant.
    let mut file = File::of(&[5; 20 * 20], 20, 8, DEFLATE, (16, 16), false);
    let edge = file.chunks[1].clone();
    file.chunks[0] = edge;
    let expected: Vec<u64> =
        (0..400).map(|index| if index < 320 && (4..16).contains(&(index % 20)) { 1 } else { 5 }).collect();
    assert_eq!(read_every_way(&file).unwrap(), expected);
}

/// The bytes of a sound short last strip are a damaged strip where rows are missing, whichever of the two is read first.
#[test]
fn a_short_strip_does_not_vouch_for_a_taller_one() {
    for compression in METHODS.into_iter().filter(|&method| method != NONE) {
        let mut file = File::of(&[7; 40 * 44], 40, 8, compression, (0, 16), false);
        file.chunks[1] = file.chunks[2].clone();
        let expected = "small.tif: strip 1 of page 0: expected 640 bytes of pixels, found only 480";
        assert_eq!(read_every_way(&file).unwrap_err(), expected, "method {compression}");
    }
}

#[test]
fn lzw_may_lack_its_end() {
    // 16 x 16 bytes of 3: clear (256), then codes, cut before the end-of-information code.
    let labels = vec![3; 256];
    let mut file = File::of(&labels, 16, 8, LZW, (16, 16), false);
    let whole = file.chunks[0].len();
    file.chunks[0].truncate(whole - 1);
    assert_eq!(read_every_way(&file).unwrap(), labels);
    file.chunks[0].truncate(whole - 4);
    let error = read_every_way(&file).unwrap_err();
    assert!(error.starts_with("small.tif: tile 0 of page 0: expected 256 bytes of pixels, found only "), "{error}");
    // The bit order of old files.
    file.chunks[0] = vec![0x00, 0x01, 0x02, 0x03];
    let error = read_every_way(&file).unwrap_err();
    assert!(error.contains("LZW in the bit order of TIFF before version 5"), "{error}");
}

#[test]
fn chunks_that_are_too_short_or_too_long_are_named() {
    let labels = vec![1; 40 * 40];
    for compression in METHODS {
        let sound = File::of(&labels, 40, 8, compression, (16, 16), false);
        for (rows, found) in [(15, "only 240"), (17, "more")] {
            let mut file = sound.clone();
            file.chunks[5] = compress(compression, &vec![1; rows * 16]);
            let error = read_every_way(&file).unwrap_err();
            let expected = format!("small.tif: tile 5 of page 0: expected 256 bytes of pixels, found {found}");
            // Uncompressed pixels that are too few are seen before any is read.
            if compression == NONE && rows == 15 {
                assert!(error.contains("tile 5 of page 0: expected 256 bytes of pixels, found 240 bytes"), "{error}");
            } else {
                assert_eq!(error, expected, "method {compression}");
            }
        }
        // A last strip as high as the others is what some writers make.
        let mut file = File::of(&labels, 40, 8, compression, (0, 16), false);
        file.chunks[2] = compress(compression, &[1; 16 * 40]);
        assert_eq!(read_every_way(&file).unwrap(), labels, "method {compression}");
        file.chunks[2] = compress(compression, &[1; 17 * 40]);
        let error = read_every_way(&file).unwrap_err();
        assert_eq!(error, "small.tif: strip 2 of page 0: expected 320 bytes of pixels, found more");
    }
}

#[test]
fn places_that_lie_are_named() {
    let sound = File::of(&[1; 64 * 64], 64, 8, DEFLATE, (32, 32), false);
    let length = sound.bytes().len() as u64;
    let refused = |tag: u16, values: Vec<u64>, message: &str| {
        let mut file = sound.clone();
        let error = read_every_way(file.set(tag, values)).unwrap_err();
        assert_eq!(error, format!("small.tif: {message}"));
    };
    let counts = COUNTS[1];
    refused(
        OFFSETS[1],
        vec![8, 8, u64::from(u32::MAX), 8],
        &format!(
            "tile 2 of page 0: expected bytes inside the file, found {} from byte 4294967295 of a file of {length}",
            sound.chunks[2].len()
        ),
    );
    refused(
        counts,
        vec![20, u64::from(u32::MAX), 20, 20],
        &format!(
            "tile 1 of page 0: expected bytes inside the file, found 4294967295 from byte {} of a file of {length}",
            8 + sound.chunks[0].len()
        ),
    );
    refused(
        counts,
        vec![0, 20, 20, 20],
        "tile 0 of page 0: expected an offset and a number of bytes, both or neither 0, found offset 8 and 0 bytes",
    );
    refused(counts, vec![20, 20, 20], "tag 325: expected at least 4 values, found 3");
    refused(WIDTH, vec![0], "page 0: expected a width and a height of 1 or more, found height 64 x width 0");
    refused(TILE_WIDTH, vec![0], "page 0: expected tile sides from 1 to 2^32 - 1, found others, or none");
}

#[test]
fn headers_that_claim_too_much_allocate_nothing() {
    let claim = |sides: [u64; 4], compression: u64, big: bool| {
        let mut file = File::of(&[1; 64], 8, 8, compression, (8, 8), false);
        file.big = big;
        for (tag, side) in [WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT].into_iter().zip(sides) {
            file.set(tag, vec![side]);
        }
        let error = open(file.bytes(), &OpenOptions::default()).unwrap_err();
        error.to_string()
    };
    let giga = 1_000_000_000;
    for compression in METHODS {
        // More tiles than there are offsets.
        assert!(claim([2 * giga, giga, 256, 256], compression, false).contains("bytes in a row of a mask"));
        assert!(claim([1 << 27, giga, 256, 256], compression, false).contains("expected at least"));
        // One tile or few, of more pixels than its bytes can be.
        for tile in [1 << 31, 1 << 27, 1 << 22] {
            let error = claim([1 << 22, 1 << 22, tile, tile], compression, true);
            assert!(
                error.contains("bytes of one row of a tile")
                    || error.contains("too few with")
                    || error.contains("at least 2 values"),
                "{error}"
            );
        }
    }
    assert!(
        claim([1 << 33, 8, 8, 8], NONE, true)
            .contains("width of the mask, pixels: at most 4294967295, found 8589934592")
    );
    let mut file = File::of(&[1; 64], 8, 8, NONE, (0, 8), false);
    file.set(HEIGHT, vec![giga]).set(WIDTH, vec![1 << 27]).set(ROWS_PER_STRIP, vec![giga]);
    let error = open(file.bytes(), &OpenOptions::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "small.tif: strip 0 of page 0: expected 134217728000000000 bytes of pixels, found 64 bytes, too few with no compression"
    );
    // A Zstandard frame that wants a window of 2 GiB for 64 pixels.
    let mut file = File::of(&[1; 64], 8, 8, ZSTD, (8, 8), false);
    file.chunks[0] = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    let error = read(file.bytes(), 1, Way::Streams).unwrap_err().to_string();
    assert_eq!(
        error,
        "small.tif: tile 0 of page 0: expected 64 bytes of pixels, found Frame requires too much memory for decoding"
    );
    // As a whole the chunk needs no window, and is too short.
    let error = read(file.bytes(), 8, Way::Whole).unwrap_err().to_string();
    assert_eq!(error, "small.tif: tile 0 of page 0: expected 64 bytes of pixels, found only 0");
}

#[test]
fn loops_of_directories_end() {
    let mut bytes = File::of(&[1; 64], 8, 8, NONE, (8, 8), false).bytes();
    let first = bytes[4..8].to_vec();
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&first);
    let options = |page| OpenOptions::new().page(page);
    assert_eq!(read(bytes.clone(), 8, Way::Whole).unwrap(), [1; 64]);
    let error = open(bytes, &options(1)).unwrap_err().to_string();
    assert!(error.starts_with("small.tif: expected pages that end, found the directory at byte "), "{error}");
}

/// Offsets that no system takes are places, too.
#[test]
fn offsets_past_2_to_the_63_are_named() {
    let mut file = File::of(&[1; 64 * 64], 64, 8, DEFLATE, (32, 32), false);
    file.big = true;
    let path = tempfile::NamedTempFile::new().unwrap();
    for offset in [1 << 63, u64::MAX - 7, u64::MAX] {
        let mut bytes = file.bytes();
        bytes[8..16].copy_from_slice(&u64::to_le_bytes(offset));
        std::fs::write(path.path(), bytes).unwrap();
        let error = crate::source::open(path.path(), &OpenOptions::default()).err().unwrap().to_string();
        assert!(error.contains(&format!(": byte {offset}: expected 8 bytes of a directory's number")), "{error}");
    }
}

/// A TIFF of directories only: each with its tags, and the number of the next, counted from 1.
fn directories(all: &[(&[(u16, u32)], usize)]) -> Vec<u8> {
    let places: Vec<usize> =
        all.iter().scan(8, |next, (tags, _)| Some(std::mem::replace(next, *next + 6 + 12 * tags.len()))).collect();
    let place = |number: usize| if number == 0 { 0 } else { places[number - 1] as u32 };
    let mut file = [&b"II*\0"[..], &8u32.to_le_bytes()].concat();
    for (tags, next) in all {
        file.extend((tags.len() as u16).to_le_bytes());
        for &(tag, value) in *tags {
            let value = if tag == SUB_DIRECTORIES { place(value as usize) } else { value };
            file.extend(
                [&tag.to_le_bytes()[..], &4u16.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()].concat(),
            );
        }
        file.extend(place(*next).to_le_bytes());
    }
    file
}

#[test]
fn pages_and_levels_are_listed() {
    let sides = |height, width, bits| [(WIDTH, width), (HEIGHT, height), (BITS, bits)];
    let (full, half, small) = (sides(40, 60, 16), sides(20, 30, 16), sides(1, 2, 8));
    let smaller = |sides: [(u16, u32); 3]| [&[(254, 1)][..], &sides].concat();
    let float = [&sides(5, 5, 32)[..], &[(SAMPLE_FORMAT, 3)]].concat();
    let file = directories(&[
        // A page with two levels after it.
        (&full, 2),
        (&smaller(half), 3),
        (&smaller(small), 4),
        // A page that names its level, after which a smaller page is one of its own.
        (&[&full[..], &[(SUB_DIRECTORIES, 5)]].concat(), 6),
        (&half, 0),
        (&smaller(half), 7),
        (&float, 8),
        (&[(BITS, 8)], 0),
    ]);
    let listed = pages::list(&RandomAccess::from_bytes(file.clone(), "small.tif")).unwrap();
    let level = |height, width, dtype| LevelInfo { shape: Some(Shape { height, width }), dtype };
    let (full, half) = (level(40, 60, Some(Dtype::U16)), level(20, 30, Some(Dtype::U16)));
    let page = |number, levels: &[LevelInfo]| PageInfo { number, name: None, levels: levels.to_vec() };
    let expected = [
        page(0, &[full, half, level(1, 2, Some(Dtype::U8))]),
        page(3, &[full, half]),
        page(4, &[half]),
        page(5, &[level(5, 5, None)]),
        page(6, &[LevelInfo { shape: None, dtype: Some(Dtype::U8) }]),
    ];
    assert_eq!(listed, expected);
    // Opening finds the same ones; there is nothing to read in them.
    for page in &listed {
        for level in 0..4 {
            let options = OpenOptions::new().page(page.number).level(level);
            let error = open(file.clone(), &options).unwrap_err().to_string();
            assert_eq!(error.contains("no level"), level as usize >= page.levels.len(), "{error}");
        }
    }
}

/// Directories of 65,535 entries each, four bytes apart: every one is sound, all together are many times the file.
#[test]
fn directories_that_overlap_are_refused_at_once() {
    const COUNT: usize = 20_000;
    let length = 2 + 12 * 0xffff;
    let mut file = vec![0xff; 8 + length + 4 * COUNT + 4];
    file[..8].copy_from_slice(b"II*\0\x08\0\0\0");
    for index in 0..COUNT {
        let next = if index + 1 < COUNT { 8 + 4 * (index as u32 + 1) } else { 0 };
        file[8 + 4 * index + length..][..4].copy_from_slice(&next.to_le_bytes());
    }
    let found = "small.tif: expected directories that do not overlap, found directories of ";
    for page in [COUNT as u32 - 1, u32::MAX] {
        let error = open(file.clone(), &OpenOptions::new().page(page)).unwrap_err().to_string();
        assert!(error.starts_with(found), "{error}");
    }
    let error = pages::list(&RandomAccess::from_bytes(file, "small.tif")).unwrap_err().to_string();
    assert!(error.starts_with(found), "{error}");
}

#[test]
fn refusals_say_what_a_mask_is() {
    for (tag, value, message) in [
        (277, 3, "page 0: 3 samples a pixel (colour, alpha or channels); a label mask has 1"),
        (262, 2, "page 0: colour space 2 is not that of a label mask"),
        (SAMPLE_FORMAT, 3, "page 0: floating-point samples; a label mask has integers"),
        (SAMPLE_FORMAT, 6, "page 0: sample format 6; a label mask has integers"),
        (BITS, 12, "page 0: unsigned samples of 12 bits; 1, 2, 4, 8, 16, 32 and 64 are read"),
        (266, 2, "page 0: bits in fill order 2; 1 is read"),
        (PREDICTOR, 3, "page 0: the floating-point predictor; a label mask has integers"),
        (PREDICTOR, 2, "page 0: predictor 2 with no compression"),
        (COMPRESSION, 7, "page 0: compression 7 (JPEG); none, LZW, deflate, PackBits, LZMA and Zstandard are read"),
    ] {
        let mut file = File::of(&[1; 64], 8, 8, NONE, (8, 8), false);
        let error = open(file.set(tag, vec![value]).bytes(), &OpenOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)));
        assert_eq!(error.to_string(), format!("small.tif: {message}"));
    }
}

#[test]
fn files_cut_off_or_changed_at_any_byte_never_panic() {
    for compression in METHODS {
        for (tile, big) in [((8, 8), false), ((0, 6), true)] {
            let expected = pattern(16, 13, 11);
            let mut file = File::of(&expected, 11, 16, compression, tile, big);
            file.big = big;
            let bytes = file.bytes();
            for length in 0..bytes.len() {
                // The directory stands last, so every cut is noticed.
                read(bytes[..length].to_vec(), 4, Way::Whole).unwrap_err();
            }
            for index in 0..bytes.len() {
                for change in [0x01, 0x80, 0xff] {
                    let mut bytes = bytes.clone();
                    bytes[index] ^= change;
                    let whole = read_changed(&bytes, u32::MAX, Way::Whole);
                    assert_eq!(read_changed(&bytes, 3, Way::Streams), whole, "byte {index}, changed by {change}");
                }
            }
        }
    }
}

/// The labels of a file that may be damaged; a large one may be refused or not, but is not read.
fn read_changed(bytes: &[u8], rows: u32, way: Way) -> Option<Vec<u64>> {
    let source = open(bytes.to_vec(), &OpenOptions::default()).ok()?;
    if source.shape().pixels() > 1 << 20 { None } else { read(bytes.to_vec(), rows, way).ok() }
}
