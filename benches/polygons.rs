//! Runs to polygons and back, beside GeoJSON, on one thread; each answer is compared with the mask.
//!
//! The masks are made up, or files: `RUNMASK_BENCH_MASK=a.npy cargo bench --bench polygons`. `benches/polygons.py` runs this
//! in turn with what people use today.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use memmap2::{Advice, MmapOptions};
use runmask::format::{self, Format, ReadOptions, WriteOptions};
use runmask::source::synth::{Kind, Synth};
use runmask::source::{self, OpenOptions, Source};
use runmask::{Decoder, Dtype, Encoder, FillRule, Label, LabelMask, Shape};

fn one<T: Label>(criterion: &mut Criterion, name: &str, mut source: Box<dyn Source>) {
    let shape = source.shape();
    let mut pixels = vec![T::default(); shape.pixels() as usize];
    source.read_rows(bytemuck::cast_slice_mut(&mut pixels)).expect("rows of the mask");
    let mask = LabelMask::new(&pixels, shape).expect("the shape is that of the pixels");
    let encoder = Encoder::builder().threads(1).build().expect("simd");
    let runs = encoder.encode(&mask).expect("encodes");
    let polygons = runs.polygons().expect("the runs carry a shape");
    let vertices = polygons.points().len() as u64;
    let (write, read) = (WriteOptions::new(), ReadOptions::new().shape(shape));
    let mut text = Vec::new();
    format::write(Format::GeoJson, &mut text, &runs, &write).expect("every label has runs");
    assert_eq!(polygons.area(), runs.area() as f64);
    assert!(polygons.fill(FillRule::Centre).expect("rings are whole") == runs);
    assert!(format::read(Format::GeoJson, &mut &text[..], &read).expect("a valid file") == runs);
    assert!(runmask::decode::<T>(&runs).expect("the labels fit") == pixels);
    let rings = polygons.ring_offsets().len() - 1;
    println!("{name}: {} labels, {rings} rings, {vertices} points, {} bytes", runs.labels().len(), text.len());

    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Elements(vertices));
    group.bench_function("encode and trace", |bencher| {
        bencher.iter(|| {
            let runs = encoder.encode(black_box(&mask)).expect("encodes");
            let polygons = runs.polygons().expect("traces");
            encoder.recycle(runs);
            polygons
        });
    });
    group.bench_function("trace", |bencher| bencher.iter(|| black_box(&runs).polygons().expect("traces")));
    group.bench_function("fill", |bencher| {
        bencher.iter(|| black_box(&polygons).fill(FillRule::Centre).expect("rings are whole"));
    });
    group.bench_function("fill and decode", |bencher| {
        bencher.iter(|| {
            let runs = black_box(&polygons).fill(FillRule::Centre).expect("rings are whole");
            runmask::decode::<T>(&runs).expect("the labels fit")
        });
    });
    group.bench_function("fill and decode, huge pages", |bencher| {
        bencher.iter(|| {
            let runs = black_box(&polygons).fill(FillRule::Centre).expect("rings are whole");
            let mut memory = MmapOptions::new().len(size_of_val(&pixels[..])).map_anon().expect("memory");
            // A system without huge pages takes small ones.
            let _ = memory.advise(Advice::HugePage);
            let decoder = Decoder::new(&runs, 0).expect("the runs carry a shape").prefilled(true);
            decoder.decode_into::<T>(bytemuck::cast_slice_mut(&mut memory)).expect("the labels fit");
            memory
        });
    });
    group.bench_function("simplify", |bencher| {
        bencher.iter(|| black_box(&polygons).simplify(1.0).expect("a tolerance"))
    });
    group.throughput(Throughput::Bytes(text.len() as u64));
    let mut out = Vec::with_capacity(text.len());
    group.bench_function("write geojson", |bencher| {
        bencher.iter(|| {
            out.clear();
            format::write(Format::GeoJson, &mut out, black_box(&runs), &write).expect("written");
        });
        assert!(out == text, "not the same bytes");
    });
    group.bench_function("read geojson", |bencher| {
        bencher.iter(|| format::read(Format::GeoJson, &mut black_box(&text[..]), &read).expect("a valid file"));
    });
    group.bench_function("read geojson and decode", |bencher| {
        bencher.iter(|| {
            let runs = format::read(Format::GeoJson, &mut black_box(&text[..]), &read).expect("a valid file");
            runmask::decode::<T>(&runs).expect("the labels fit")
        });
    });
    group.finish();
}

fn any(criterion: &mut Criterion, name: &str, source: Box<dyn Source>) {
    match source.dtype() {
        Dtype::U8 => one::<u8>(criterion, name, source),
        Dtype::U16 => one::<u16>(criterion, name, source),
        Dtype::U32 => one::<u32>(criterion, name, source),
        Dtype::U64 => one::<u64>(criterion, name, source),
    }
}

fn benches(criterion: &mut Criterion) {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("no pool was started before");
    if let Some(path) = std::env::var_os("RUNMASK_BENCH_MASK") {
        let source = source::open(Path::new(&path), &OpenOptions::new()).expect("a mask");
        return any(criterion, "file", source);
    }
    for (name, kind, side, dtype) in [
        ("cells u32 4000 x 4000", Kind::Cells, 4000, Dtype::U32),
        ("sparse u16 8000 x 8000", Kind::Glomeruli, 8000, Dtype::U16),
    ] {
        let shape = Shape { height: side, width: side };
        any(criterion, name, Box::new(Synth::new(kind, shape, dtype, None, 1).expect("the labels fit")));
    }
}

criterion_group!(group, benches);
criterion_main!(group);
