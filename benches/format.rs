//! Run files and pixel records: bytes written and read per second on one thread, beside floors of the same bytes.

#[path = "../tests/data/mod.rs"]
mod data;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use runmask::format::{self, CocoForm, Format, Image, Object, ObjectSink, ReadOptions, WriteOptions, coco_string};
use runmask::pixels::{self, ChannelOrder};
use runmask::source::{self, OpenOptions};
use runmask::{Encoder, LabelRuns, LabelRunsBuilder, Run, ScanOrder, Shape};
use serde::de::IgnoredAny;

const SHAPE: Shape = Shape { height: 32_768, width: 32_768 };

/// The runs of a slide full of nuclei: `labels` objects of 20 runs each.
fn nuclei(labels: u64) -> LabelRuns {
    let mut builder = LabelRunsBuilder::new(Some(SHAPE), ScanOrder::ColumnMajor);
    for label in 1..=labels {
        builder.label(label).expect("labels ascend");
        for column in 0..20 {
            let start = label * 7919 + column * u64::from(SHAPE.height) + (label * column) % 5;
            builder.run(Run { start, length: 5 + (label + column) % 20 }).expect("runs ascend");
        }
    }
    builder.finish()
}

fn text(format: Format, runs: &LabelRuns, options: &WriteOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::write(format, &mut bytes, runs, options).expect("runs that the format holds");
    bytes
}

fn write_and_read(criterion: &mut Criterion) {
    let runs = nuclei(30_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    for format in [Format::Hubmap, Format::Table, Format::Kaggle, Format::Coco] {
        let write_options = WriteOptions::new().coco_form(CocoForm::Results);
        let bytes = text(format, &runs, &write_options);
        let options = ReadOptions::new().shape(SHAPE);
        assert_eq!(format::read(format, &mut bytes.as_slice(), &options).expect("a valid file"), runs);
        let mut group = criterion.benchmark_group(format.name());
        group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
        let mut out = Vec::with_capacity(bytes.len());
        group.bench_function("write", |bencher| {
            bencher.iter(|| {
                out.clear();
                pool.install(|| format::write(format, &mut out, &runs, &write_options)).expect("written");
            });
            assert!(out == bytes, "{}: not the same bytes", format.name());
        });
        group.bench_function("read", |bencher| {
            bencher.iter(|| {
                let mut area = Area::default();
                format::read_objects(format, &mut black_box(bytes.as_slice()), &options, &mut area).expect("valid");
                assert_eq!(area.0, runs.area());
            });
        });
        group.bench_function("floor: copy", |bencher| {
            bencher.iter(|| {
                out.clear();
                out.extend_from_slice(black_box(&bytes));
            });
        });
        group.bench_function("floor: split at lines, commas and spaces", |bencher| {
            bencher.iter(|| black_box(&bytes).split(|&byte| matches!(byte, b'\n' | b',' | b' ')).count());
        });
        group.finish();
    }
}

/// Adds up pixels, and keeps nothing.
#[derive(Default)]
struct Area(u64);

impl ObjectSink for Area {
    fn image(&mut self, _: &Image<'_>) -> runmask::Result<()> {
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> runmask::Result<()> {
        self.0 += object.runs.iter().map(|run| run.length).sum::<u64>();
        Ok(())
    }
}

/// COCO's text of the counts of every label, one after the other.
fn compressed_counts(criterion: &mut Criterion, name: &str, runs: &LabelRuns) {
    let pixels = runs.shape().expect("of a mask").pixels();
    let mut counts = Vec::new();
    let mut all = Vec::new();
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for (_, runs) in runs.iter() {
        format::LargeCounts::Refuse.counts(runs, pixels, &mut counts).expect("small counts");
        coco_string::push(&mut bytes, &counts);
        ends.push(bytes.len());
        all.push(counts.clone());
    }
    let mut group = criterion.benchmark_group(format!("compressed counts, {name}"));
    group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
    let mut out = Vec::with_capacity(bytes.len());
    group.bench_function("write from runs", |bencher| {
        bencher.iter(|| {
            out.clear();
            for (_, runs) in runs.iter() {
                format::LargeCounts::Refuse.counts(runs, pixels, &mut counts).expect("small counts");
                coco_string::push(&mut out, &counts);
            }
        });
        assert!(out == bytes);
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let mut start = 0;
            for (&end, expected) in ends.iter().zip(&all) {
                coco_string::parse(&black_box(&bytes)[start..end], &mut counts).expect("our own text");
                assert_eq!(counts.len(), expected.len());
                start = end;
            }
        });
    });
    group.finish();
}

/// Real masks and files, where they are at hand.
fn coco(criterion: &mut Criterion) {
    compressed_counts(criterion, "nuclei", &nuclei(30_000));
    let Some(folder) = data::folder() else { return };
    let slide = folder.join("masks/hgsc_crop8192_u32_zlib.tif");
    let mut slide = source::open(&slide, &OpenOptions::default()).expect("a mask");
    let slide = Encoder::builder().build().and_then(|encoder| encoder.encode_source(&mut *slide)).expect("a mask");
    compressed_counts(criterion, "slide", &slide);
    let results = WriteOptions::new().coco_form(CocoForm::Results);
    read_coco(criterion, "slide", &text(Format::Coco, &slide, &results));
    let numbers = results.counts(format::JsonCounts::Numbers);
    read_coco(criterion, "slide, numbers", &text(Format::Coco, &slide, &numbers));
    let detector = std::fs::read(folder.join("runs/coco_fakesegm100_results.json")).expect("a file");
    let records = detector.trim_ascii().strip_prefix(b"[").and_then(|list| list.strip_suffix(b"]")).expect("a list");
    read_coco(criterion, "detector", &[b"[", vec![records; 40].join(&b", "[..]).as_slice(), b"]"].concat());
}

/// Results of a detector, read beside what passing over their JSON takes.
fn read_coco(criterion: &mut Criterion, name: &str, bytes: &[u8]) {
    let options = ReadOptions::new().renumber(true);
    let area = |mut bytes: &[u8]| {
        let mut area = Area::default();
        format::read_objects(Format::Coco, &mut bytes, &options, &mut area).expect("valid");
        area.0
    };
    let expected = area(bytes);
    let mut group = criterion.benchmark_group(format!("coco results, {name}"));
    group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
    group.bench_function("read", |bencher| bencher.iter(|| assert_eq!(area(black_box(bytes)), expected)));
    group.bench_function("floor: serde_json passes over a slice", |bencher| {
        bencher.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(bytes)).expect("valid"));
    });
    group.bench_function("floor: serde_json passes over a stream", |bencher| {
        bencher.iter(|| serde_json::from_reader::<_, IgnoredAny>(black_box(bytes)).expect("valid"));
    });
    group.finish();
}

/// A screen: a taskbar, windows with frames and title bars that overlap, and in them lines of text whose strokes are one
/// or two pixels wide and grey at the edges.
fn screen(height: usize, width: usize) -> Vec<u8> {
    const WINDOWS: [[usize; 4]; 3] = [[60, 80, 1500, 1700], [500, 900, 1500, 2300], [180, 2300, 1200, 1400]];
    let text = |y: usize, x: usize| -> [u8; 4] {
        // Lines of 24 pixels, 14 of them letters; letters of 10 pixels; words of 7 letters; every third line is short.
        let (line, letter) = (y / 24, x / 10);
        let blank = y % 24 >= 14 || letter % 8 == 7 || line % 7 == 6 || line % 3 == 2 && letter > 40;
        match (blank, (x % 10, (letter * 5 + line * 3 + y % 24 / 4) % 4)) {
            (false, (1 | 5, 0 | 2) | (3, 1)) => [30, 30, 30, 255],
            (false, (2 | 6, 0)) => [130, 130, 130, 255],
            (false, (1..7, 3)) => [30, 30, 30, 255],
            _ => [250, 250, 250, 255],
        }
    };
    let pixel = |row: usize, column: usize| -> [u8; 4] {
        if row + 60 > height {
            return [28, 30, 34, 255];
        }
        for [top, left, tall, wide] in WINDOWS.into_iter().rev() {
            let (y, x) = (row.wrapping_sub(top), column.wrapping_sub(left));
            if y >= tall || x >= wide {
                continue;
            }
            return match (y, x) {
                (0, _) | (_, 0) => [0, 0, 0, 255],
                _ if y + 1 == tall || x + 1 == wide => [0, 0, 0, 255],
                (..40, _) => [70, 90, 140, 255],
                (_, ..220) => [235, 235, 240, 255],
                (60.., 240..1100) => text(y - 60, x - 240),
                _ => [250, 250, 250, 255],
            };
        }
        [20, 70, 110, 255]
    };
    (0..height).flat_map(|row| (0..width).flat_map(move |column| pixel(row, column))).collect()
}

fn escape_key(criterion: &mut Criterion) {
    let image = screen(2160, 3840);
    let mut records = Vec::new();
    pixels::encode(&image, ChannelOrder::Rgba, &mut records).expect("whole pixels");
    let mut again = Vec::new();
    let count = image.len() as u64 / 4;
    pixels::decode(&mut records.as_slice(), count, ChannelOrder::Rgba, &mut again).expect("our own records");
    assert!(again == image);
    eprintln!("a screen of {count} pixels in {} records", records.len() / pixels::RECORD);
    let mut group = criterion.benchmark_group("escape-key pixels");
    group.throughput(Throughput::Bytes(image.len() as u64)).sample_size(20);
    let mut out = Vec::with_capacity(image.len());
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            pixels::encode(black_box(&image), ChannelOrder::Rgba, &mut out).expect("whole pixels");
        });
        assert!(out == records);
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            out.clear();
            pixels::decode(&mut black_box(records.as_slice()), count, ChannelOrder::Rgba, &mut out).expect("valid");
        });
        assert!(out == image);
    });
    group.bench_function("floor: copy", |bencher| {
        bencher.iter(|| {
            out.clear();
            out.extend_from_slice(black_box(&image));
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = write_and_read, coco, escape_key
}
criterion_main!(benches);
