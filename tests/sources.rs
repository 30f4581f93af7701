//! Mask files that other programs wrote, read exactly.
//!
//! Runs are computed here by definition, not by the library, so that these tests stand on the sources alone.

mod data;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use runmask::source::{self, OpenOptions, RawLayout, Source};
use runmask::{Dtype, Error, Shape};
use sha2::{Digest, Sha256};

fn labels(bytes: &[u8], dtype: Dtype) -> Vec<u64> {
    let label = |bytes: &[u8]| match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_ne_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_ne_bytes([a, b, c, d])),
        _ => u64::from_ne_bytes(bytes.try_into().unwrap()),
    };
    bytes.chunks_exact(dtype.bytes()).map(label).collect()
}

/// What `expected.json` says of a mask.
#[derive(Debug, PartialEq)]
struct Facts {
    height: u64,
    width: u64,
    labels: u64,
    max_label: u64,
    foreground: u64,
    runs: u64,
    table_sha256: String,
}

/// The facts of a mask that is read `rows` rows at a time.
fn facts(source: &mut dyn Source, rows: u32) -> Facts {
    let (shape, dtype) = (source.shape(), source.dtype());
    let width = shape.width as usize;
    // Where the label changes on the way down each column.
    let mut changes: Vec<Vec<(u32, u64)>> = vec![Vec::new(); width];
    let mut above = vec![0; width];
    let mut row = 0;
    let mut buffer = Vec::new();
    while row < shape.height {
        let count = rows.min(shape.height - row);
        buffer.resize(count as usize * width * dtype.bytes(), 0xa5);
        source.read_rows(&mut buffer).unwrap();
        for bytes in buffer.chunks_exact(width * dtype.bytes()) {
            // Most rows of a slide repeat the row above.
            let pixels = labels(bytes, dtype);
            if row == 0 || pixels != above {
                for (column, &label) in pixels.iter().enumerate() {
                    if row == 0 || label != above[column] {
                        changes[column].push((row, label));
                    }
                }
                above = pixels;
            }
            row += 1;
        }
    }
    let mut runs: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    let mut current = (0, 0);
    let changes = changes.into_iter().enumerate().flat_map(|(column, changes)| {
        let first = column as u64 * u64::from(shape.height);
        changes.into_iter().map(move |(row, label)| (first + u64::from(row), label))
    });
    for (position, label) in changes.chain([(shape.pixels(), u64::MAX)]) {
        let (start, running) = current;
        if label != running {
            if running != 0 && position > start {
                runs.entry(running).or_default().push((start, position - start));
            }
            current = (position, label);
        }
    }
    let mut table = String::new();
    let mut digest = Sha256::new();
    for (label, runs) in &runs {
        table.clear();
        for (start, length) in runs {
            writeln!(table, "{label},{start},{length}").unwrap();
        }
        digest.update(&table);
    }
    Facts {
        height: u64::from(shape.height),
        width: u64::from(shape.width),
        labels: runs.len() as u64,
        max_label: runs.keys().last().copied().unwrap_or(0),
        foreground: runs.values().flatten().map(|run| run.1).sum(),
        runs: runs.values().map(|runs| runs.len() as u64).sum(),
        table_sha256: hex(&digest.finalize()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn real_masks_give_the_expected_facts() {
    let Some(folder) = data::folder() else { return };
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let mut read = 0;
    for (file, expected) in expected.as_object().unwrap() {
        let opened = source::open(&folder.join(file), &OpenOptions::default());
        if !expected["note"].is_null() {
            let error = opened.err().unwrap_or_else(|| panic!("{file} was not refused")).to_string();
            assert!(error.contains(file.as_str()) && error.contains("floating-point"), "{error}");
            continue;
        }
        let mut source = opened.unwrap_or_else(|error| panic!("{file}: {error}"));
        let number = |key: &str| expected[key].as_u64().unwrap();
        let expected_facts = Facts {
            height: number("height"),
            width: number("width"),
            labels: number("labels"),
            max_label: number("max_label"),
            foreground: number("foreground"),
            runs: number("runs"),
            table_sha256: expected["table_sha256"].as_str().unwrap().into(),
        };
        let bits = expected["dtype"].as_str().unwrap().trim_start_matches("uint").trim_start_matches("int");
        assert_eq!(source.dtype().bytes() * 8, bits.parse::<usize>().unwrap(), "{file}");
        let rows = source.band_rows();
        assert_eq!(facts(source.as_mut(), rows), expected_facts, "{file}");
        read += 1;
    }
    assert_eq!(read, expected.as_object().unwrap().len() - 1);
}

#[test]
fn labels_do_not_depend_on_how_rows_are_asked_for() {
    let Some(folder) = data::folder() else { return };
    for file in std::fs::read_dir(folder.join("variants")).unwrap() {
        let path = file.unwrap().path();
        if path.to_str().unwrap().contains("REJECT") {
            continue;
        }
        let digest = |options: &OpenOptions, rows: &[u32]| {
            let mut source = source::open(&path, options).unwrap();
            let (shape, row_bytes) = (source.shape(), source.shape().width as usize * source.dtype().bytes());
            let mut digest = Sha256::new();
            let mut row = 0;
            for &count in rows.iter().cycle() {
                if row == shape.height {
                    break;
                }
                let count = count.min(shape.height - row);
                let mut buffer = vec![0xa5; count as usize * row_bytes];
                source.read_rows(&mut buffer).unwrap();
                digest.update(&buffer);
                row += count;
            }
            hex(&digest.finalize())
        };
        let whole = digest(&OpenOptions::new(), &[u32::MAX]);
        for memory in [256 << 20, 16 << 20, 4 << 20] {
            // To decompress one of its tiles takes a window as large as the tile, 4 MiB.
            if memory < 16 << 20 && path.to_str().unwrap().contains("zstd_tile1024") {
                continue;
            }
            for threads in [Some(1), Some(3), None] {
                let options = OpenOptions::new().memory(memory).threads(threads);
                for rows in [&[u32::MAX][..], &[256], &[1, 255, 256, 1000], &[7, 300], &[1]] {
                    assert_eq!(digest(&options, rows), whole, "{} {options:?} {rows:?}", path.display());
                }
            }
        }
    }
}

#[test]
fn pages_and_levels() {
    let Some(folder) = data::folder() else { return };
    let shape = |file: &str, page, level| {
        let options = OpenOptions::new().page(page).level(level);
        source::open(&folder.join(file), &options).map(|source| (source.shape().height, source.shape().width))
    };
    let refused = |file: &str, page, level, message: &str| {
        let error = shape(file, page, level).unwrap_err();
        assert!(matches!(error, Error::Argument(_)), "{error:?}");
        assert_eq!(error.to_string(), format!("{}: {message}", folder.join(file).display()));
    };
    let pyramid = "variants/cervix2048_u32_pyramid.ome.tif";
    assert_eq!(shape(pyramid, 0, 0).unwrap(), (2048, 2048));
    assert_eq!(shape(pyramid, 0, 1).unwrap(), (1024, 1024));
    assert_eq!(shape(pyramid, 0, 2).unwrap(), (512, 512));
    refused(pyramid, 0, 3, "no level 3 in page 0: the page has 3 (counted from 0)");
    refused(pyramid, 1, 0, "no page 1: the file has 1 (counted from 0)");
    assert_eq!(shape("masks/stardist_31pages_u16_deflate.tif", 30, 0).unwrap(), (61, 57));
    let pages = source::pages(&folder.join("masks/stardist_31pages_u16_deflate.tif")).unwrap();
    assert_eq!(pages.iter().map(|page| (page.number, page.levels.len())).collect::<Vec<_>>(), {
        (0..31).map(|number| (number, 1)).collect::<Vec<_>>()
    });
    let pages = source::pages(&folder.join(pyramid)).unwrap();
    assert_eq!(pages.len(), 1);
    let levels: Vec<_> = pages[0].levels.iter().map(|level| (level.shape.unwrap().height, level.dtype)).collect();
    assert_eq!(levels, [2048, 1024, 512].map(|height| (height, Some(Dtype::U32))));
    refused("masks/stardist_31pages_u16_deflate.tif", 31, 0, "no page 31: the file has 31 (counted from 0)");
    refused("masks/stardist_31pages_u16_deflate.tif", 4, 1, "no level 1 in page 4: the page has 1 (counted from 0)");
}

/// A digest, a height and a width; or what the refusal must say.
type Expected = Result<(&'static str, u32, u32), &'static str>;

/// SHA-256 of the labels of every page that is a mask, as tifffile reads them, in C order and little endian; or what the
/// refusal must say.
const LIBTIFF: [(&str, Expected); 25] = [
    ("custom_dir_EXIF_GPS.tiff", Err("3 samples a pixel")),
    (
        "deflate-last-strip-extra-data.tiff",
        Ok(("6b4a4efbcbbb242fd172773ed16b77e032747f6eee21b8e71b6da19793c18f80", 500, 500)),
    ),
    ("logluv-3c-16b.tiff", Err("3 samples a pixel")),
    ("lzw-single-strip.tiff", Ok(("7ac89ff3b74ae815fbfaffbd80f401324963f098288ce75ec025dcd4610628a2", 3122, 7795))),
    ("minisblack-1c-16b.tiff", Ok(("a7ee6cd5cd637b0e3935aae5625ad195aaf316acda61b9443c1070abc8e8ad0f", 151, 157))),
    ("minisblack-1c-8b.tiff", Ok(("6f2d6e8e78698950bfced4d1049ff79e13b54d751db08364c43de4a721b72d16", 151, 157))),
    ("minisblack-2c-8b-alpha.tiff", Err("2 samples a pixel")),
    ("miniswhite-1c-1b.tiff", Ok(("bf11b516ab7832968c6686054d43112cdcb070a377b201225e33ddcbe248e7ed", 151, 157))),
    ("ojpeg_chewey_subsamp21_multi_strip.tiff", Err("3 samples a pixel")),
    ("ojpeg_single_strip_no_rowsperstrip.tiff", Err("3 samples a pixel")),
    ("ojpeg_zackthecat_subsamp22_single_strip.tiff", Err("3 samples a pixel")),
    ("palette-1c-1b.tiff", Ok(("6ae6bcc7128dc90a923cc5ac5812088859c7a1cf4bc6b83661f0ed29f316b400", 151, 157))),
    ("palette-1c-4b.tiff", Ok(("b57c3752b4d983b1451dd52d7185c06c9bca057dad63e62e2db8bbc50d54961b", 151, 157))),
    ("palette-1c-8b.tiff", Ok(("f9975457c122ed6a4b9257980391a1052631ab766d1547e67369df3cbf24f76a", 151, 157))),
    ("quad-lzw-compat.tiff", Err("3 samples a pixel")),
    ("quad-tile.jpg.tiff", Err("3 samples a pixel")),
    ("rgb-3c-16b.tiff", Err("3 samples a pixel")),
    ("rgb-3c-8b.tiff", Err("3 samples a pixel")),
    ("test_float64_predictor2_be_lzw.tif", Err("floating-point samples")),
    ("test_float64_predictor2_le_lzw.tif", Err("floating-point samples")),
    ("test_ifd_loop_to_first.tif", Ok(("8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a", 1, 1))),
    ("test_ifd_loop_to_self.tif", Ok(("b55a841b7b95be907f6bb0d358b8d10c9dce6e485381eb9accb71e653597d9a1", 20, 20))),
    ("test_two_ifds.tif", Ok(("8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a", 1, 1))),
    ("testfax4.tiff", Err("compression 4 (CCITT group 4 fax)")),
    ("tiff_with_subifd_chain.tif", Ok(("554844019aac71c659affef47b8f2266b3d859ae83233cb9e11a4b873112f607", 512, 1024))),
];

#[test]
fn images_that_are_mostly_no_masks_are_read_exactly_or_refused() {
    let Some(folder) = data::folder() else { return };
    let folder = folder.join("tiff/libtiff");
    for (file, expected) in LIBTIFF {
        let read = read_all(&folder.join(file), &OpenOptions::default());
        match (read, expected) {
            (Ok((digest, shape)), Ok((expected, height, width))) => {
                assert_eq!((shape.height, shape.width), (height, width), "{file}");
                assert_eq!(digest, expected, "{file}");
            }
            (Err(error), Err(expected)) => {
                let message = error.to_string();
                assert!(message.contains(expected) && !message.contains('\n'), "{file}: {message}");
            }
            (found, expected) => panic!("{file}: expected {expected:?}, found {found:?}"),
        }
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), LIBTIFF.len());
}

fn read_all(path: &Path, options: &OpenOptions) -> Result<(String, Shape), Error> {
    let mut source = source::open(path, options)?;
    let (shape, dtype) = (source.shape(), source.dtype());
    let mut bytes = vec![0; shape.pixels() as usize * dtype.bytes()];
    source.read_rows(&mut bytes)?;
    let little: Vec<u8> =
        labels(&bytes, dtype).iter().flat_map(|label| label.to_le_bytes()[..dtype.bytes()].to_vec()).collect();
    Ok((hex(&Sha256::digest(little)), shape))
}

#[test]
fn a_band_of_rows_is_a_mask_of_its_own() {
    let Some(folder) = data::folder() else { return };
    for file in std::fs::read_dir(folder.join("variants")).unwrap() {
        let path = file.unwrap().path();
        if path.to_str().unwrap().contains("REJECT") {
            continue;
        }
        let mut source = source::open(&path, &OpenOptions::new()).unwrap();
        let (shape, dtype) = (source.shape(), source.dtype());
        let row_bytes = shape.width as usize * dtype.bytes();
        let mut whole = vec![0; shape.height as usize * row_bytes];
        source.read_rows(&mut whole).unwrap();
        let expected = |rows: Range<u32>| &whole[rows.start as usize * row_bytes..rows.end as usize * row_bytes];
        let height = shape.height;
        for memory in [256 << 20, 16 << 20] {
            let options = OpenOptions::new().memory(memory);
            for rows in
                [0..height, 0..1, 1..height - 1, 255..257, 256..512, 300..301, height - 1..height, height..height]
            {
                let mut band = source::open(&path, &options.clone().rows(rows.clone())).unwrap();
                assert_eq!(band.shape(), Shape { height: rows.end - rows.start, width: shape.width });
                let mut found = vec![0xa5; (rows.end - rows.start) as usize * row_bytes];
                band.read_rows(&mut found).unwrap();
                assert!(found == expected(rows.clone()), "{} {rows:?}", path.display());
                assert!(band.read_rows(&mut whole[..row_bytes].to_vec()).is_err());
                assert!(band.skip(1).is_err());
            }
            // Rows are passed over between others, too.
            for steps in [[3, 300], [256, 256], [100, 17], [1, 2]] {
                let mut source = source::open(&path, &options).unwrap();
                let mut row = 0;
                while row < height {
                    let [read, skip] = steps;
                    let read = read.min(height - row);
                    let mut found = vec![0xa5; read as usize * row_bytes];
                    source.read_rows(&mut found).unwrap();
                    assert!(found == expected(row..row + read), "{} {steps:?}, row {row}", path.display());
                    row += read;
                    let skip = skip.min(height - row);
                    source.skip(skip).unwrap();
                    row += skip;
                }
                assert!(source.skip(1).is_err());
            }
        }
        for rows in [Range { start: 2, end: 1 }, 0..height + 1, height + 1..height + 2] {
            let error = source::open(&path, &OpenOptions::new().rows(rows)).err().unwrap();
            assert!(error.to_string().contains("of a mask of 2048 rows"), "{error}");
        }
    }
}

/// What lies above a band is not read: this mask has 2^42 bytes, and a file system that knows holes.
#[test]
fn a_band_is_found_without_the_rows_above() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { height: 1 << 31, width: 1 << 10 };
    let path = folder.path().join("huge.raw");
    let file = std::fs::File::create(&path).unwrap();
    // Some file systems allow no file of this size.
    file.set_len(1 << 42).or_else(|_| file.set_len(1 << 40)).unwrap();
    let rows = (file.metadata().unwrap().len() >> 11) as u32;
    let shape = Shape { height: rows, ..shape };
    let options = OpenOptions::new().raw(RawLayout { dtype: Dtype::U16, shape }).rows(rows - 3..rows);
    let mut band = source::open(&path, &options).unwrap();
    let mut found = vec![1; 3 << 11];
    band.read_rows(&mut found).unwrap();
    assert_eq!(found, vec![0; 3 << 11]);
}

/// A tile above a band is not decoded: here the first one is damaged.
#[test]
fn a_damaged_tile_above_a_band_does_no_harm() {
    let Some(folder) = data::folder() else { return };
    let sound = std::fs::read(folder.join("variants/cervix2048_u16_zlib_tile256.tif")).unwrap();
    let read = |bytes: &[u8], rows: Range<u32>| {
        let mut band = source::from_bytes(bytes.to_vec(), "damaged.tif", &OpenOptions::new().rows(rows))?;
        let mut rows = vec![0; (u64::from(band.shape().height * band.shape().width) * 2) as usize];
        band.read_rows(&mut rows).map(|()| rows)
    };
    let damaged = (8..sound.len() - 16).step_by(16).find_map(|place| {
        let mut bytes = sound.clone();
        bytes[place..place + 16].fill(0xff);
        // The header and the directory are sound.
        let opens = source::from_bytes(bytes.clone(), "damaged.tif", &OpenOptions::new()).is_ok();
        (opens && read(&bytes, 0..1).is_err()).then_some(bytes)
    });
    let damaged = damaged.unwrap();
    let rows = 300..2048;
    assert!(read(&damaged, 0..2048).is_err());
    assert!(read(&damaged, rows.clone()).unwrap() == read(&sound, rows).unwrap());
}
