//! A CSV of a competition, read, checked and converted on one thread, beside the time of splitting its bytes.
//!
//! The file is that of the 2018 Data Science Bowl (28,986 objects of 664 images, 8.6 MB) in the folder of test data, or one
//! like it when there is none.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use runmask::format::{self, Format, Image, Object, ObjectSink, ReadOptions, WriteOptions};

/// Objects and pixels of the real file, from a count of its rows and of every second number of its last column.
const SCIENCE_BOWL: (u64, u64) = (28_986, 13_712_958);

/// The file, and the objects and pixels in it.
fn file() -> (Vec<u8>, (u64, u64)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join(std::env::var_os("RUNMASK_TEST_DATA").unwrap_or("../shared/data".into()));
    match std::fs::read(folder.join("dsb2018/stage1_train_rle.csv")) {
        Ok(bytes) => (bytes, SCIENCE_BOWL),
        Err(_) => made_up(),
    }
}

/// As many objects of as many runs, all in images of 256 x 256.
fn made_up() -> (Vec<u8>, (u64, u64)) {
    eprintln!("no test data: a made-up file instead");
    let (mut text, mut pixels) = (String::from("ImageId,Height,Width,Mask,EncodedPixels\n"), 0);
    for object in 0..28_986_u64 {
        text += &format!("{:064x},256,256,{object:012x}", object / 44);
        for column in 0..23 {
            let length = 4 + (object + column) % 17;
            text += &format!("{}{} {length}", [',', ' '][usize::from(column > 0)], object % 50_000 + 1 + column * 256);
            pixels += length;
        }
        text.push('\n');
    }
    (text.into_bytes(), (28_986, pixels))
}

/// Counts objects and pixels, and keeps nothing.
#[derive(Default)]
struct Count(u64, u64);

impl ObjectSink for Count {
    fn image(&mut self, _: &Image<'_>) -> runmask::Result<()> {
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> runmask::Result<()> {
        self.0 += 1;
        self.1 += object.runs.iter().map(|run| run.length).sum::<u64>();
        Ok(())
    }
}

fn count(bytes: &[u8]) -> (u64, u64) {
    let mut count = Count::default();
    format::read_objects(Format::Kaggle, &mut &*bytes, &ReadOptions::default(), &mut count).expect("a valid file");
    (count.0, count.1)
}

fn science_bowl(criterion: &mut Criterion) {
    let (bytes, expected) = file();
    assert_eq!(count(&bytes), expected);
    let mut group = criterion.benchmark_group("csv");
    group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(30);

    let parts = bytes.iter().filter(|byte| matches!(byte, b'\n' | b',' | b' ')).count();
    group.bench_function("floor: split at lines, commas and spaces with memchr", |bencher| {
        bencher.iter(|| {
            let (mut start, mut found, mut longest) = (0, 0, 0);
            for end in memchr::memchr3_iter(b'\n', b',', b' ', black_box(&bytes)) {
                longest = longest.max(bytes[start..end].len());
                start = end + 1;
                found += 1;
            }
            assert_eq!(found, parts);
            longest
        });
    });
    group.bench_function("floor: split at lines, commas and spaces byte by byte", |bencher| {
        bencher.iter(|| {
            let found = black_box(&bytes).split(|byte| matches!(byte, b'\n' | b',' | b' ')).map(black_box).count();
            assert_eq!(found, parts + 1);
        });
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &bytes).expect("written");
    group.bench_function("floor: read the file and split it byte by byte", |bencher| {
        bencher.iter(|| {
            let bytes = std::fs::read(file.path()).expect("the file");
            let found = bytes.split(|byte| matches!(byte, b'\n' | b',' | b' ')).map(black_box).count();
            assert_eq!(found, parts + 1);
        });
    });
    group.bench_function("read and check", |bencher| {
        bencher.iter(|| assert_eq!(count(black_box(&bytes)), expected));
    });
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let options = WriteOptions::new().drop_shape(true);
    let mut written = Vec::with_capacity(bytes.len());
    group.bench_function("read, check and write as kaggle", |bencher| {
        bencher.iter(|| {
            written.clear();
            format::convert(
                (Format::Kaggle, &mut black_box(bytes.as_slice()), &ReadOptions::default()),
                (Format::Kaggle, &mut written, &options),
            )
            .expect("a valid file");
        });
        assert_eq!(count(&written), expected);
    });
    group.bench_function("read the file, check and write as kaggle to another file", |bencher| {
        let to = tempfile::NamedTempFile::new().expect("a file");
        bencher.iter(|| {
            let mut reader = BufReader::with_capacity(1 << 18, File::open(file.path()).expect("the file"));
            let mut writer = BufWriter::with_capacity(1 << 18, File::create(to.path()).expect("a file"));
            let default = ReadOptions::default();
            format::convert((Format::Kaggle, &mut reader, &default), (Format::Kaggle, &mut writer, &options))
                .expect("a valid file");
            writer.flush().expect("written");
        });
        assert_eq!(count(&std::fs::read(to.path()).expect("the file")), expected);
    });
    group.bench_function("read, check and write as tables", |bencher| {
        bencher.iter(|| {
            written.clear();
            let options = ReadOptions::default();
            let images = format::read_images(Format::Kaggle, &mut black_box(bytes.as_slice()), &options);
            for image in images.expect("a valid file") {
                let write = || format::write(Format::Table, &mut written, &image.runs, &WriteOptions::default());
                pool.install(write).expect("runs");
            }
        });
    });
    group.finish();
}

criterion_group!(benches, science_bowl);
criterion_main!(benches);
