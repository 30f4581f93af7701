//! Operations on runs, beside encoding the mask that the runs are of; each asserts its answer.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use runmask::source::Source;
use runmask::source::synth::{Kind, Synth};
use runmask::{Encoder, Label, LabelMask, LabelRuns, MeasureOptions, Property, SetOperation, Shape, Values};

/// A made-up mask, in C order.
fn synth<T: Label>(kind: Kind, shape: Shape, labels: Option<u64>) -> Vec<T> {
    let mut source = Synth::new(kind, shape, T::DTYPE, labels, 1).expect("the labels fit");
    let mut pixels = vec![T::default(); shape.pixels() as usize];
    source.read_rows(bytemuck::cast_slice_mut(&mut pixels)).expect("made-up rows cannot fail");
    pixels
}

fn measures(criterion: &mut Criterion, name: &str, runs: &LabelRuns) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(runs.run_count() as u64)).sample_size(10);
    let hull = [Property::AreaConvex, Property::Solidity, Property::FeretDiameterMax];
    let rest: Vec<Property> = Property::ALL.iter().copied().filter(|property| !hull.contains(property)).collect();
    for (what, options) in [
        ("measure: area, box, centroid", MeasureOptions::new()),
        ("measure: hull and diameter", MeasureOptions::new().properties(hull)),
        ("measure: perimeter", MeasureOptions::new().properties([Property::Perimeter])),
        ("measure: all but the hull", MeasureOptions::new().properties(rest)),
        ("measure: all", MeasureOptions::new().properties(Property::ALL.iter().copied())),
    ] {
        let areas = runs.iter().map(|(_, runs)| runs.iter().map(|run| run.length).sum()).collect();
        let table = runs.measure(&options).expect("the runs carry a shape");
        assert!(table.column("area").is_none_or(|found| *found == Values::U64(areas)));
        group.bench_function(what, |bencher| {
            bencher.iter(|| runs.measure(&options).expect("the runs carry a shape"));
        });
    }
    group.finish();
}

/// The mask with all pixels moved down by 2 and to the right by 1.
fn rolled<T: Label>(pixels: &[T], shape: Shape) -> Vec<T> {
    let (height, width) = (shape.height as usize, shape.width as usize);
    let mut result = Vec::with_capacity(pixels.len());
    for row in 0..height {
        let row = &pixels[(row + height - 2) % height * width..][..width];
        result.push(row[width - 1]);
        result.extend_from_slice(&row[..width - 1]);
    }
    result
}

fn compare(criterion: &mut Criterion, name: &str, runs: &LabelRuns, other: &LabelRuns) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements((runs.run_count() + other.run_count()) as u64)).sample_size(10);
    let overlaps = runs.overlaps(other).expect("labels do not overlap");
    let scores = overlaps.scores(&[0.5]).expect("a threshold");
    let shared: u64 = overlaps.pairs().iter().map(|pair| pair.pixels).sum();
    let foregrounds = [runs, other].map(|runs| runs.foreground(1).expect("few labels"));
    let both = foregrounds[0].combine(&foregrounds[1], SetOperation::Intersection).expect("one shape");
    assert_eq!(shared, both.area());
    println!("{name}: {} pairs, PQ {:.6}", overlaps.pairs().len(), scores.pq);
    group.bench_function("overlaps", |bencher| {
        bencher.iter(|| runs.overlaps(other).expect("labels do not overlap"));
    });
    group.bench_function("compare", |bencher| {
        bencher.iter(|| runs.compare(other, &[0.5]).expect("labels do not overlap"));
    });
    group.bench_function("foreground", |bencher| bencher.iter(|| runs.foreground(1).expect("few labels")));
    group.finish();
}

fn one<T: Label>(criterion: &mut Criterion, name: &str, kind: Kind, shape: Shape, labels: Option<u64>) {
    let pixels = synth::<T>(kind, shape, labels);
    let mask = LabelMask::new(&pixels, shape).expect("the shape is that of the pixels");
    let encoder = Encoder::builder().threads(1).build().expect("simd");
    let runs = encoder.encode(&mask).expect("encodes");
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(runs.run_count() as u64)).sample_size(10);
    group.bench_function("encode", |bencher| {
        bencher.iter(|| encoder.recycle(encoder.encode(black_box(&mask)).expect("encodes")));
    });
    group.finish();
    measures(criterion, name, &runs);
    let other = rolled(&pixels, shape);
    let other = encoder.encode(&LabelMask::new(&other, shape).expect("the same shape")).expect("encodes");
    compare(criterion, name, &runs, &other);
}

fn benches(criterion: &mut Criterion) {
    // Everything runs on one thread, so that figures are of the work and not of the machine.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("no pool was started before");
    one::<u32>(criterion, "cells u32 8000 x 8000", Kind::Cells, Shape { height: 8000, width: 8000 }, None);
    one::<u16>(criterion, "sparse u16 5000 x 4000", Kind::Glomeruli, Shape { height: 5000, width: 4000 }, None);
}

criterion_group!(group, benches);
criterion_main!(group);
