//! Run files: text written and read per second, one thread.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use runmask::format::{self, Format, ReadOptions, WriteOptions};
use runmask::{LabelRuns, LabelRunsBuilder, Run, ScanOrder};

/// The runs of a slide full of nuclei: `labels` objects of 20 runs each.
fn nuclei(labels: u64) -> LabelRuns {
    let mut builder = LabelRunsBuilder::new(None, ScanOrder::ColumnMajor);
    for label in 1..=labels {
        builder.label(label).expect("labels ascend");
        for column in 0..20 {
            let run = Run { start: label * 7919 + column * 32_768, length: 5 + (label + column) % 20 };
            builder.run(run).expect("runs ascend");
        }
    }
    builder.finish()
}

fn text(format: Format, runs: &LabelRuns) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::write(format, &mut bytes, runs, &WriteOptions::default()).expect("runs that the format holds");
    bytes
}

fn write_and_read(criterion: &mut Criterion) {
    let runs = nuclei(50_000);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    for format in [Format::Hubmap, Format::Table] {
        let bytes = text(format, &runs);
        let options = ReadOptions::default();
        assert_eq!(format::read(format, &mut bytes.as_slice(), &options).expect("a valid file"), runs);
        let mut group = criterion.benchmark_group(format.name());
        group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
        let mut out = Vec::with_capacity(bytes.len());
        group.bench_function("write", |bencher| {
            bencher.iter(|| {
                out.clear();
                pool.install(|| format::write(format, &mut out, &runs, &WriteOptions::default())).expect("written");
            });
        });
        assert!(out == bytes, "{}: not the same bytes", format.name());
        group.bench_function("read", |bencher| {
            bencher.iter(|| format::read(format, &mut black_box(bytes.as_slice()), &options).expect("a valid file"));
        });
        group.bench_function("floor: copy", |bencher| {
            bencher.iter(|| {
                out.clear();
                out.extend_from_slice(black_box(&bytes));
            });
        });
        group.finish();
    }
}

criterion_group!(benches, write_and_read);
criterion_main!(benches);
