//! Run files and pixel records: bytes written and read per second on one thread, beside floors of the same bytes.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use runmask::format::{self, CocoForm, Format, Image, Object, ReadOptions, Sink, WriteOptions, coco_string};
use runmask::pixels::{self, ChannelOrder};
use runmask::{LabelRuns, LabelRunsBuilder, Run, ScanOrder, Shape};

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
        let write_options = WriteOptions { coco_form: CocoForm::Results, ..WriteOptions::default() };
        let bytes = text(format, &runs, &write_options);
        let options = ReadOptions { shape: Some(SHAPE), ..ReadOptions::default() };
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

impl Sink for Area {
    fn image(&mut self, _: &Image<'_>) -> runmask::Result<()> {
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> runmask::Result<()> {
        self.0 += object.runs.iter().map(|run| run.length).sum::<u64>();
        Ok(())
    }
}

fn compressed_counts(criterion: &mut Criterion) {
    let runs = nuclei(30_000);
    let mut counts = Vec::new();
    let all: Vec<Vec<u64>> = runs
        .iter()
        .map(|(_, runs)| {
            format::LargeCounts::Refuse.counts(runs, SHAPE.pixels(), &mut counts).expect("small counts");
            counts.clone()
        })
        .collect();
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for counts in &all {
        coco_string::push(&mut bytes, counts);
        ends.push(bytes.len());
    }
    let mut group = criterion.benchmark_group("compressed counts");
    group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
    let mut out = Vec::with_capacity(bytes.len());
    group.bench_function("write from runs", |bencher| {
        bencher.iter(|| {
            out.clear();
            for (_, runs) in runs.iter() {
                format::LargeCounts::Refuse.counts(runs, SHAPE.pixels(), &mut counts).expect("small counts");
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

/// A screen: a background, windows with borders, and lines of text of single pixels.
fn screen(height: usize, width: usize) -> Vec<u8> {
    let pixel = |row: usize, column: usize| -> [u8; 4] {
        let (window_row, window_column) = (row % 360, column % 640);
        match (window_row, window_column) {
            (0..30, _) | (_, 0..30) => [40, 60, 80, 255],
            (30, _) | (_, 30) => [0, 0, 0, 255],
            (y, x) if y % 16 < 9 && x < 300 && (x * 7 + y * 13) % 5 == 0 => [20, 20, 20, 255],
            _ => [250, 250, 250, 255],
        }
    };
    (0..height).flat_map(|row| (0..width).flat_map(move |column| pixel(row, column))).collect()
}

fn escape_key(criterion: &mut Criterion) {
    let image = screen(1080, 1920);
    let mut records = Vec::new();
    pixels::encode(&image, ChannelOrder::Rgba, &mut records).expect("whole pixels");
    let mut again = Vec::new();
    let count = image.len() as u64 / 4;
    pixels::decode(&mut records.as_slice(), count, ChannelOrder::Rgba, &mut again).expect("our own records");
    assert!(again == image);
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

criterion_group!(benches, write_and_read, compressed_counts, escape_key);
criterion_main!(benches);
