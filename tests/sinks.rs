//! Masks written and read again.

use std::path::Path;

use runmask::sink::{self, Compression, CreateOptions, MaskFormat};
use runmask::source::{self, OpenOptions, RawLayout};
use runmask::{Dtype, Error, Shape};

/// Labels with background, labels that fill tiles, noise and the largest label.
fn labels(shape: Shape, dtype: Dtype) -> Vec<u64> {
    let mut labels = Vec::new();
    for row in 0..u64::from(shape.height) {
        for column in 0..u64::from(shape.width) {
            labels.push(match (row / 300 + column / 200) % 5 {
                0 | 1 => 0,
                2 => dtype.max(),
                3 => 7,
                _ => (row * 31 + column * column).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 5 & dtype.max(),
            });
        }
    }
    labels
}

fn bytes(labels: &[u64], dtype: Dtype) -> Vec<u8> {
    let bytes = |&label: &u64| match dtype {
        Dtype::U8 => vec![label as u8],
        Dtype::U16 => (label as u16).to_ne_bytes().to_vec(),
        Dtype::U32 => (label as u32).to_ne_bytes().to_vec(),
        Dtype::U64 => label.to_ne_bytes().to_vec(),
    };
    labels.iter().flat_map(bytes).collect()
}

fn write(path: &Path, shape: Shape, dtype: Dtype, rows: &[u8], at_once: usize, options: &CreateOptions) {
    let mut sink = sink::create(path, shape, dtype, options).unwrap();
    for rows in rows.chunks(at_once * shape.width as usize * dtype.bytes()) {
        sink.write_rows(rows).unwrap();
        assert!(!path.exists(), "unfinished files have no name");
    }
    sink.finish().unwrap();
}

fn read(path: &Path, options: &OpenOptions) -> (Shape, Dtype, Vec<u8>) {
    let mut source = source::open(path, options).unwrap();
    let (shape, dtype) = (source.shape(), source.dtype());
    let mut rows = vec![0; shape.pixels() as usize * dtype.bytes()];
    source.read_rows(&mut rows).unwrap();
    (shape, dtype, rows)
}

#[test]
fn every_format_and_type_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for &dtype in Dtype::ALL {
        for (height, width) in [(1, 1), (1, 700), (700, 1), (513, 512), (600, 1100)] {
            let shape = Shape { height, width };
            let rows = bytes(&labels(shape, dtype), dtype);
            for name in ["mask.tif", "mask.png", "mask.npy", "mask.raw"] {
                let path = folder.path().join(name);
                if name == "mask.png" && dtype > Dtype::U16 {
                    let error = sink::create(&path, shape, dtype, &CreateOptions::default()).err().unwrap().to_string();
                    let message = format!("a PNG holds labels of 8 or 16 bits, not {dtype}; TIFF and NPY hold them");
                    assert_eq!(error, format!("{}: {message}", path.display()));
                    continue;
                }
                for at_once in [1, 3, 511, 2000] {
                    write(&path, shape, dtype, &rows, at_once, &CreateOptions::default());
                    let options = OpenOptions::new().raw((name == "mask.raw").then_some(RawLayout { dtype, shape }));
                    assert!(read(&path, &options) == (shape, dtype, rows.clone()), "{name} {shape} {dtype} {at_once}");
                    std::fs::remove_file(&path).unwrap();
                }
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_smaller_sizes_of_a_pyramid_take_every_second_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let (shape, dtype) = (Shape { height: 1501, width: 2203 }, Dtype::U32);
    let labels = labels(shape, dtype);
    for name in ["mask.tif", "mask.ome.tif"] {
        let path = folder.path().join(name);
        for compression in [Compression::Deflate, Compression::Zstd] {
            for (at_once, memory) in [(1, 256 << 20), (7, 1 << 20), (1501, 600_000)] {
                let options = CreateOptions::new().pyramid(true).compression(compression).memory(memory);
                write(&path, shape, dtype, &bytes(&labels, dtype), at_once, &options);
                for level in 0..4 {
                    let options = OpenOptions::new().level(level);
                    if level == 3 {
                        // 1501 x 2203, 751 x 1102, 376 x 551, 188 x 276: the last fits into one tile.
                        let (shape, _, _) = read(&path, &options);
                        assert_eq!((shape.height, shape.width), (188, 276));
                    }
                    let step = 1 << level;
                    let expected: Vec<u64> = (0..1501)
                        .step_by(step)
                        .flat_map(|row| (0..2203).step_by(step).map(move |column| (row, column)))
                        .map(|(row, column)| labels[row * 2203 + column])
                        .collect();
                    assert!(
                        read(&path, &options).2 == bytes(&expected, dtype),
                        "level {level}, {at_once} rows at once"
                    );
                }
                let options = OpenOptions::new().level(4);
                assert!(source::open(&path, &options).is_err());
                let pages = source::pages(&path).unwrap();
                assert_eq!(pages.iter().map(|page| page.levels.len()).collect::<Vec<_>>(), [4]);
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
}

#[test]
fn the_file_does_not_depend_on_how_rows_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.tif");
    let (shape, dtype) = (Shape { height: 1100, width: 1300 }, Dtype::U16);
    let rows = bytes(&labels(shape, dtype), dtype);
    for pyramid in [false, true] {
        let options = CreateOptions::new().pyramid(pyramid);
        let mut first = None;
        for at_once in [1, 2, 3, 512, 513, 1100] {
            write(&path, shape, dtype, &rows, at_once, &options);
            let file = std::fs::read(&path).unwrap();
            assert!(*first.get_or_insert_with(|| file.clone()) == file, "{at_once} rows at once");
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn tiles_of_one_label_share_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.tif");
    let (shape, dtype) = (Shape { height: 20 * 512, width: 20 * 512 }, Dtype::U8);
    let row = vec![0; 20 * 512];
    let mut sink = sink::create(&path, shape, dtype, &CreateOptions::default()).unwrap();
    for number in 0..shape.height {
        let mut row = row.clone();
        if number == 5000 {
            row[5000] = 3;
        }
        sink.write_rows(&row).unwrap();
    }
    sink.finish().unwrap();
    // 400 tiles: two different ones, 16 bytes of table each.
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length < 400 * 16 + 2000, "{length} bytes");
    let (_, _, rows) = read(&path, &OpenOptions::default());
    assert_eq!(rows.iter().filter(|&&label| label == 3).count(), 1);
    assert_eq!(rows[5000 * 20 * 512 + 5000], 3);
}

#[test]
fn unfinished_masks_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (shape, dtype) = (Shape { height: 3, width: 4 }, Dtype::U8);
    for name in ["mask.tif", "mask.png", "mask.npy", "mask.raw"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "old").unwrap();
        let begin = || {
            let mut sink = sink::create(&path, shape, dtype, &CreateOptions::default()).unwrap();
            sink.write_rows(&[1; 8]).unwrap();
            sink
        };
        drop(begin());
        let error = begin().finish().unwrap_err();
        assert_eq!(error.to_string(), "a mask of height 3 x width 4 was finished after 2 rows");
        let mut sink = begin();
        assert!(matches!(sink.write_rows(&[1; 3]), Err(Error::Argument(_))));
        assert!(matches!(sink.write_rows(&[1; 8]), Err(Error::Argument(_))));
        sink.write_rows(&[1; 4]).unwrap();
        drop(sink);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn empty_masks_are_held_by_formats_that_can() {
    let folder = tempfile::tempdir().unwrap();
    for (height, width) in [(0, 0), (0, 5), (5, 0)] {
        let shape = Shape { height, width };
        for (name, holds) in [("mask.tif", false), ("mask.png", false), ("mask.npy", true), ("mask.raw", true)] {
            let path = folder.path().join(name);
            let sink = sink::create(&path, shape, Dtype::U16, &CreateOptions::default());
            assert_eq!(sink.is_ok(), holds, "{name}");
            if let Ok(sink) = sink {
                sink.finish().unwrap();
                let raw = (name == "mask.raw").then_some(RawLayout { dtype: Dtype::U16, shape });
                let options = OpenOptions::new().raw(raw);
                assert_eq!(read(&path, &options), (shape, Dtype::U16, Vec::new()));
            }
        }
    }
}

#[test]
fn formats_are_named_by_extension_or_option() {
    let folder = tempfile::tempdir().unwrap();
    let (shape, dtype) = (Shape { height: 1, width: 1 }, Dtype::U8);
    for name in ["mask", "mask.jpg", "mask.csv"] {
        let path = folder.path().join(name);
        let error = sink::create(&path, shape, dtype, &CreateOptions::default()).err().unwrap();
        assert!(error.to_string().contains("ends in .tif, .tiff, .png, .npy, .zarr, .raw or .bin"), "{error}");
        let options = CreateOptions::new().format(MaskFormat::Npy);
        write(&path, shape, dtype, &[9], 1, &options);
        assert_eq!(read(&path, &OpenOptions::default()), (shape, dtype, vec![9]));
    }
    assert_eq!(MaskFormat::of(Path::new("A.OME.TIFF")).unwrap(), MaskFormat::Tiff);
    let error = sink::create(Path::new("-"), shape, dtype, &CreateOptions::default()).err().unwrap();
    assert!(error.to_string().contains("name its format"), "{error}");
    let options = CreateOptions::new().format(MaskFormat::Tiff);
    let error = sink::create(Path::new("-"), shape, dtype, &options).err().unwrap();
    assert!(error.to_string().starts_with("standard output: a TIFF is not written"), "{error}");
}

/// The bytes that a format writes to a path, to a writer and to a stream are the same.
#[test]
fn a_writer_gets_the_bytes_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (shape, dtype) = (Shape { height: 700, width: 1100 }, Dtype::U16);
    let rows = bytes(&labels(shape, dtype), dtype);
    for &format in MaskFormat::ALL {
        let path = folder.path().join(format!("mask.{format}"));
        let options = CreateOptions::new().pyramid(true);
        if format == MaskFormat::Zarr {
            // A folder of files.
            let mut writer = std::io::Cursor::new(Vec::new());
            let sink = sink::to_writer(&mut writer, format, shape, dtype, &options);
            assert!(matches!(sink, Err(Error::Unsupported(_))));
            continue;
        }
        write(&path, shape, dtype, &rows, 100, &options);
        let file = std::fs::read(&path).unwrap();
        // A mask begins where the writer is.
        let mut writer = std::io::Cursor::new(b"before".to_vec());
        writer.set_position(6);
        let mut sink = sink::to_writer(&mut writer, format, shape, dtype, &options).unwrap();
        rows.chunks(shape.width as usize * 2).for_each(|rows| sink.write_rows(rows).unwrap());
        sink.finish().unwrap();
        assert_eq!(&writer.get_ref()[..6], b"before");
        assert!(writer.get_ref()[6..] == file, "{format}");
        let mut stream = Vec::new();
        let sink = sink::to_stream(&mut stream, format, shape, dtype, &options);
        if format == MaskFormat::Tiff {
            assert!(matches!(sink, Err(Error::Unsupported(_))));
            continue;
        }
        let mut sink = sink.unwrap();
        sink.write_rows(&rows).unwrap();
        sink.finish().unwrap();
        assert!(stream == file, "{format}");
    }
}

/// A writer that fails, at any of its writes.
#[test]
fn a_writer_that_fails_is_an_error() {
    struct Fails(usize);
    impl std::io::Write for Fails {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let left = self.0.min(bytes.len());
            self.0 -= left;
            if left == 0 && !bytes.is_empty() { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(left) }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (shape, dtype) = (Shape { height: 300, width: 400 }, Dtype::U16);
    let rows = bytes(&labels(shape, dtype), dtype);
    for format in [MaskFormat::Png, MaskFormat::Npy, MaskFormat::Raw] {
        for room in [0, 10, 500] {
            let written =
                sink::to_stream(Fails(room), format, shape, dtype, &CreateOptions::new()).and_then(|mut sink| {
                    sink.write_rows(&rows)?;
                    sink.finish()
                });
            assert!(matches!(written, Err(Error::Io { .. })), "{format} {room}: {written:?}");
        }
    }
}

#[test]
fn masks_that_nothing_could_hold_are_refused_before_there_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let long = Shape { height: 1, width: u32::MAX };
    for name in ["mask.tif", "mask.png", "mask.npy", "mask.raw"] {
        let error = sink::create(&folder.path().join(name), long, Dtype::U8, &CreateOptions::new()).err().unwrap();
        assert!(matches!(error, Error::LimitExceeded { limit: 0x4000_0000, found: 0xffff_ffff, .. }), "{error}");
    }
    // Rows that are in memory at once, and the places of all tiles.
    let path = folder.path().join("mask.tif");
    let refused = |height, width| sink::create(&path, Shape { height, width }, Dtype::U8, &CreateOptions::new()).err();
    assert!(matches!(refused(1, (1 << 23) + 1), Some(Error::Memory { limit: Some(0x1000_0000), .. })));
    assert!(matches!(refused(u32::MAX, 1 << 16), Some(Error::LimitExceeded { limit: 0x400_0000, .. })));
    assert!(refused(1 << 20, 1 << 16).is_none());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_tiff_to_a_pipe_with_a_name_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("mask.tif");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| std::fs::read(&pipe).unwrap());
        let error = sink::create(&pipe, Shape { height: 9, width: 9 }, Dtype::U8, &CreateOptions::new()).err().unwrap();
        assert!(matches!(error, Error::Unsupported(_)) && error.to_string().contains("instead of a pipe"), "{error}");
        assert!(reader.join().unwrap().is_empty());
    });
}
