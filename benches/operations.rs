//! Operations on runs, from a mask in memory and from runs alone, on one thread; each asserts its answer.
//!
//! ```text
//! cargo bench --bench operations                                        made-up cells and glomeruli
//! RUNMASK_BENCH_MASKS=a.npy:b.tif cargo bench --bench operations        masks in files
//! RUNMASK_BENCH_WINDOWS=3e9 cargo bench --bench operations windows      windows of a larger mask
//! ```
//!
//! What begins with "mask" starts from the pixels of a mask in memory and contains encoding it, whose own time stands
//! beside it. What is the same in either scan order is done in the order along memory. What begins with "runs" starts from
//! runs.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use memmap2::{Advice, MmapMut, MmapOptions};
use runmask::source::synth::{Kind, Synth};
use runmask::source::{self, OpenOptions, Source};
use runmask::{
    ComponentOptions, Decoder, Dtype, Encoder, Label, LabelMask, LabelRuns, MeasureOptions, Measures, Property, Run,
    SetOperation, Shape, Values, Window, Windows,
};

/// Labels of fewer pixels are removed.
const SMALL: u64 = 50;

/// Properties of the convex hull.
const HULL: [Property; 3] = [Property::AreaConvex, Property::Solidity, Property::FeretDiameterMax];

fn pixels_of<T: Label>(source: &mut dyn Source) -> Vec<T> {
    let mut pixels = vec![T::default(); source.shape().pixels() as usize];
    source.read_rows(bytemuck::cast_slice_mut(&mut pixels)).expect("the mask is read");
    pixels
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(600));
    group
}

fn all_but_hull() -> impl Iterator<Item = Property> {
    Property::ALL.iter().copied().filter(|property| !HULL.contains(property))
}

fn table(runs: &LabelRuns, options: &MeasureOptions) -> Measures {
    runs.measure(options).expect("the runs carry a shape")
}

fn small(_: u64, runs: &[Run]) -> bool {
    runs.iter().map(|run| run.length).sum::<u64>() < SMALL
}

/// Takes the labels of few pixels out of a mask.
fn clean<T: Label>(encoder: &Encoder, pixels: &mut [T], shape: Shape) {
    let small = encode(encoder, pixels, shape).retain(small);
    Decoder::new(&small, 0).and_then(|decoder| decoder.erase(pixels)).expect("the mask is that of the runs");
    encoder.recycle(small);
}

/// New memory of huge pages.
fn huge(bytes: usize) -> MmapMut {
    let memory = MmapOptions::new().len(bytes).map_anon().expect("memory");
    // A system without huge pages takes small ones.
    let _ = memory.advise(Advice::HugePage);
    memory
}

/// A mask in new memory of huge pages.
fn decode_huge<T: Label>(runs: &LabelRuns) -> runmask::Result<MmapMut> {
    let decoder = Decoder::new(runs, 0)?.prefilled(true);
    let mut memory = huge(decoder.shape().pixels() as usize * size_of::<T>());
    decoder.decode_into::<T>(bytemuck::cast_slice_mut(&mut memory))?;
    Ok(memory)
}

/// The foreground of a mask, a byte for each pixel.
fn foreground<T: Label>(pixels: &[T]) -> Vec<u8> {
    pixels.iter().map(|label| u8::from(*label != T::default())).collect()
}

/// The pieces of the foreground of a mask, in the memory of earlier ones, as the runs of encoding are.
fn components<T: Label>(encoder: &Encoder, pixels: &[T], shape: Shape) -> Vec<u64> {
    let mask = LabelMask::new(pixels, shape).expect("the shape is that of the pixels");
    let marked = encoder.mark(&mask).expect("marks");
    let found = encoder.components(&marked, &ComponentOptions::new().foreground(true)).expect("fits");
    encoder.recycle_marked(marked);
    let (runs, sources) = found.into_parts();
    encoder.recycle(runs);
    sources
}

/// Area, first row and sum of columns of every label, pixel by pixel.
fn by_pixels<T: Label>(pixels: &[T], shape: Shape) -> BTreeMap<T, (u64, u64, u64)> {
    let mut found = BTreeMap::new();
    for (row, line) in (0..).zip(pixels.chunks(shape.width as usize)) {
        for (column, &label) in (0..).zip(line).filter(|(_, label)| **label != T::default()) {
            let (area, _, columns) = found.entry(label).or_insert((0, row, 0));
            *area += 1;
            *columns += column;
        }
    }
    found
}

/// Asserts what the operations say about a mask against its pixels.
fn check<T: Label>(encoder: &Encoder, pixels: &[T], other: &[T], shape: Shape) {
    let mask = LabelMask::new(pixels, shape).expect("the shape is that of the pixels");
    let runs = encoder.encode(&mask).expect("encodes");
    let expected = by_pixels(pixels, shape);
    let measured = table(&runs, &MeasureOptions::new().properties(Property::ALL.iter().copied()));
    let areas: Vec<u64> = expected.values().map(|label| label.0).collect();
    assert_eq!(measured.column("label"), Some(&Values::U64(expected.keys().map(|&label| label.into()).collect())));
    assert_eq!(measured.column("area"), Some(&Values::U64(areas)));
    assert_eq!(measured.column("bbox-0"), Some(&Values::U64(expected.values().map(|label| label.1).collect())));
    let centroids = expected.values().map(|&(area, _, columns)| columns as f64 / area as f64);
    let Some(Values::F64(found)) = measured.column("centroid-1") else { panic!("centroids are no whole numbers") };
    assert!(centroids.zip(found).all(|(expected, found)| (expected - found).abs() <= 1e-12 * expected));

    let overlaps = runs.overlaps(&encode(encoder, other, shape)).expect("labels do not overlap");
    let shared = pixels.iter().zip(other).filter(|(a, b)| **a != T::default() && **b != T::default()).count() as u64;
    assert_eq!(overlaps.pairs().iter().map(|pair| pair.pixels).sum::<u64>(), shared);

    let along = along_memory(&mask);
    let mut cleaned = pixels.to_vec();
    clean(&along, &mut cleaned, shape);
    let kept = |label: T| label == T::default() || expected[&label].0 >= SMALL;
    assert!(pixels.iter().zip(&cleaned).all(|(&was, &is)| is == if kept(was) { was } else { T::default() }));

    let options = ComponentOptions::new();
    let pieces = runs.components(&options).expect("the runs carry a shape");
    let Some(Values::U64(counts)) = measured.column("pieces") else { panic!("pieces are whole numbers") };
    assert_eq!(pieces.sources().len() as u64, counts.iter().sum::<u64>());
    let binary = foreground(pixels);
    let all = encode(encoder, &binary, shape);
    let pieces = all.components(&options).expect("the runs carry a shape");
    let marked =
        encoder.mark(&LabelMask::new(&binary, shape).expect("the shape is that of the pixels")).expect("marks");
    assert_eq!(marked.components(&options.clone().foreground(true)).expect("fits"), pieces);
    let [marked, moved] = [pixels, other].map(|pixels| {
        along.mark(&LabelMask::new(pixels, shape).expect("the shape is that of the pixels")).expect("marks")
    });
    assert_eq!(marked.overlaps(&moved).expect("one shape"), overlaps);
    assert_eq!(marked.measure(&MeasureOptions::new()).expect("measures"), table(&runs, &MeasureOptions::new()));
    assert_eq!(pieces, runs.components(&options.foreground(true)).expect("the runs carry a shape"));
    println!(
        "{} labels, {} runs; foreground: {} runs, {} pieces",
        expected.len(),
        runs.run_count(),
        all.run_count(),
        pieces.sources().len()
    );
}

/// An encoder for what is the same in either order.
fn along_memory<T: Label>(mask: &LabelMask<'_, T>) -> Encoder {
    Encoder::builder().order(mask.memory_order()).threads(1).build().expect("simd")
}

fn encode<T: Label>(encoder: &Encoder, pixels: &[T], shape: Shape) -> LabelRuns {
    encoder.encode(&LabelMask::new(pixels, shape).expect("the shape is that of the pixels")).expect("encodes")
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

/// The sum of all bytes in words, as fast as one thread reads them.
fn sweep(bytes: &[u8]) -> u64 {
    let mut sums = [0_u64; 16];
    for block in bytes.chunks_exact(128) {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum ^= u64::from_ne_bytes(*word);
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

fn from_mask<T: Label>(criterion: &mut Criterion, name: &str, pixels: &[T], shape: Shape) {
    let encoder = Encoder::builder().threads(1).build().expect("simd");
    let mask = LabelMask::new(pixels, shape).expect("the shape is that of the pixels");
    let other = rolled(pixels, shape);
    check(&encoder, pixels, &other, shape);
    let moved = LabelMask::new(&other, shape).expect("the shape is that of the pixels");
    let mut group = group(criterion, name);
    group.bench_function("read sweep", |bencher| bencher.iter(|| sweep(black_box(bytemuck::cast_slice(pixels)))));
    let along = along_memory(&mask);
    for (what, encoder) in [("encode", &encoder), ("encode along memory", &along)] {
        group.bench_function(what, |bencher| {
            bencher.iter(|| encoder.recycle(encoder.encode(&mask).expect("encodes")));
        });
    }
    for (what, options) in [
        ("mask: area, box, centroid", MeasureOptions::new()),
        ("mask: every property", MeasureOptions::new().properties(Property::ALL.iter().copied())),
    ] {
        group.bench_function(what, |bencher| {
            bencher.iter(|| {
                let marked = along.mark(&mask).expect("marks");
                let table = marked.measure(&options).expect("the mask carries a shape");
                along.recycle_marked(marked);
                table
            });
        });
    }
    let binary = foreground(pixels);
    group.bench_function("encode foreground", |bencher| {
        bencher.iter(|| encoder.recycle(encode(&encoder, &binary, shape)));
    });
    group.bench_function("encode foreground along memory", |bencher| {
        bencher.iter(|| along.recycle(encode(&along, &binary, shape)));
    });
    group.bench_function("foreground: components", |bencher| bencher.iter(|| components(&encoder, &binary, shape)));
    group.bench_function("foreground: components along memory", |bencher| {
        bencher.iter(|| components(&along, &binary, shape));
    });
    group.bench_function("mask: components of the foreground along memory, made first", |bencher| {
        bencher.iter(|| components(&along, &foreground(pixels), shape));
    });
    group.bench_function("mask: components of the foreground, made first", |bencher| {
        bencher.iter(|| components(&encoder, &foreground(pixels), shape));
    });
    group.bench_function("foreground: components in new memory", |bencher| {
        bencher.iter(|| {
            let marked =
                encoder.mark(&LabelMask::new(&binary, shape).expect("the shape is that of the pixels")).expect("marks");
            let found = marked.components(&ComponentOptions::new().foreground(true)).expect("fits");
            encoder.recycle_marked(marked);
            found
        });
    });
    group.bench_function("mask: components of its foreground", |bencher| {
        bencher.iter(|| components(&encoder, pixels, shape));
    });
    drop(binary);
    group.bench_function("mask: overlaps and PQ of two", |bencher| {
        bencher.iter(|| {
            let (one, two) = (along.mark(&mask).expect("marks"), along.mark(&moved).expect("marks"));
            let scores = one.compare(&two, &[0.5]).expect("one shape");
            along.recycle_marked(one);
            along.recycle_marked(two);
            scores
        });
    });
    drop(other);
    group.bench_function("mask: small labels removed", |bencher| {
        bencher.iter(|| {
            let mut copy = pixels.to_vec();
            clean(&along, &mut copy, shape);
            copy
        });
    });
    group.bench_function("mask: small labels removed, huge pages", |bencher| {
        bencher.iter(|| {
            let mut copy = huge(size_of_val(pixels));
            copy.copy_from_slice(bytemuck::cast_slice(pixels));
            clean(&along, bytemuck::cast_slice_mut::<_, T>(&mut copy), shape);
            copy
        });
    });
    group.bench_function("mask: small labels removed in place", |bencher| {
        let copy = || pixels.to_vec();
        bencher.iter_batched_ref(copy, |pixels| clean(&along, pixels, shape), BatchSize::PerIteration);
    });
    group.finish();
}

fn from_runs(criterion: &mut Criterion, name: &str, runs: &LabelRuns, other: &LabelRuns) {
    let mut group = group(criterion, name);
    group.throughput(Throughput::Elements(runs.run_count() as u64));
    for (what, options) in [
        ("runs: area, box, centroid", MeasureOptions::new()),
        ("runs: every property", MeasureOptions::new().properties(Property::ALL.iter().copied())),
        ("runs: all but the hull", MeasureOptions::new().properties(all_but_hull())),
        ("runs: convex area", MeasureOptions::new().properties([Property::AreaConvex])),
        ("runs: convex area, Feret", MeasureOptions::new().properties(HULL)),
        ("runs: perimeter", MeasureOptions::new().properties([Property::Perimeter])),
    ] {
        group.bench_function(what, |bencher| bencher.iter(|| table(runs, &options)));
    }
    let options = ComponentOptions::new();
    group.bench_function("runs: components of labels", |bencher| {
        bencher.iter(|| runs.components(&options).expect("the runs carry a shape"));
    });
    group.bench_function("runs: foreground", |bencher| bencher.iter(|| runs.foreground(1).expect("few labels")));
    let one = runs.foreground(1).expect("few labels");
    group.throughput(Throughput::Elements(one.run_count() as u64));
    group.bench_function("runs: components of a foreground", |bencher| {
        bencher.iter(|| one.components(&options).expect("the runs carry a shape"));
    });
    group.throughput(Throughput::Elements((runs.run_count() + other.run_count()) as u64));
    group.bench_function("runs: overlaps", |bencher| {
        bencher.iter(|| runs.overlaps(other).expect("labels do not overlap"));
    });
    group.bench_function("runs: overlaps and PQ", |bencher| {
        bencher.iter(|| runs.compare(other, &[0.5]).expect("labels do not overlap"));
    });
    for &operation in [SetOperation::Union, SetOperation::Intersection].iter() {
        group.bench_function(format!("runs: {operation}"), |bencher| {
            bencher.iter(|| runs.combine(other, operation).expect("one shape"));
        });
    }
    let parts = LabelRuns::merge(&[runs]).expect("one part");
    assert_eq!(&parts, runs);
    group.bench_function("runs: small labels removed", |bencher| {
        bencher.iter_batched(
            || runs.clone(),
            |runs| runs.retain(|label, runs| !small(label, runs)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn one<T: Label>(criterion: &mut Criterion, name: &str, source: &mut dyn Source) {
    let (shape, pixels) = (source.shape(), pixels_of::<T>(source));
    from_mask(criterion, name, &pixels, shape);
    let encoder = Encoder::builder().threads(1).build().expect("simd");
    let runs = encode(&encoder, &pixels, shape);
    let other = encode(&encoder, &rolled(&pixels, shape), shape);
    drop(pixels);
    let mut group = group(criterion, name);
    let floor = || black_box(vec![T::from_u64(1).expect("every type holds 1"); shape.pixels() as usize]);
    group.bench_function("new memory filled", |bencher| bencher.iter(floor));
    group.bench_function("runs: decode", |bencher| bencher.iter(|| runmask::decode::<T>(&runs).expect("labels fit")));
    group.bench_function("runs: decode, huge pages", |bencher| {
        bencher.iter(|| decode_huge::<T>(&runs).expect("labels fit"));
    });
    group.finish();
    from_runs(criterion, name, &runs, &other);
}

fn any(criterion: &mut Criterion, name: &str, source: &mut dyn Source) {
    match source.dtype() {
        Dtype::U8 => one::<u8>(criterion, name, source),
        Dtype::U16 => one::<u16>(criterion, name, source),
        Dtype::U32 => one::<u32>(criterion, name, source),
        Dtype::U64 => one::<u64>(criterion, name, source),
    }
}

fn synth(kind: Kind, side: u32, dtype: Dtype, labels: Option<u64>) -> Synth {
    Synth::new(kind, Shape { height: side, width: side }, dtype, labels, 1).expect("the labels fit")
}

fn masks(criterion: &mut Criterion) {
    let Some(paths) = std::env::var_os("RUNMASK_BENCH_MASKS") else {
        any(criterion, "cells u32 4000 x 4000", &mut synth(Kind::Cells, 4000, Dtype::U32, None));
        any(criterion, "glomeruli u16 5000 x 5000", &mut synth(Kind::Glomeruli, 5000, Dtype::U16, None));
        return;
    };
    for path in std::env::split_paths(&paths) {
        let mut source = source::open(&path, &OpenOptions::new()).expect("the mask is opened");
        let name = Path::file_stem(&path).expect("the path of a file").to_string_lossy();
        any(criterion, &name, &mut *source);
    }
}

/// Windows of 512 x 512 pixels all over a mask of cells, one for each 5,000 pixels, as on slides.
fn windows(criterion: &mut Criterion) {
    const SIDE: u32 = 512;
    let pixels = std::env::var("RUNMASK_BENCH_WINDOWS").map_or(1e8, |pixels| pixels.parse().expect("a number"));
    let side = f64::sqrt(pixels) as u32;
    let mut source = synth(Kind::Cells, side, Dtype::U32, Some(pixels as u64 / 5000));
    let encoder = Encoder::builder().threads(1).build().expect("simd");
    let runs = encoder.encode_source(&mut source).expect("encodes");
    let index = Windows::new(&runs, 0).expect("the runs carry a shape");
    // A thousand places, as good as random.
    let place = |index: u32, step: u32| (u64::from(index) * u64::from(step) % u64::from(side - SIDE)) as u32;
    let places: Vec<Window> =
        (0..1000).map(|index| Window::new(place(index, 0x9e37_79b1), place(index, 0x85eb_ca6b), SIDE, SIDE)).collect();
    let mut pixels = vec![0_u32; (SIDE * SIDE) as usize];
    for &window in places.iter().step_by(97) {
        index.decode_into(window, 1, &mut pixels).expect("inside the mask");
        assert_eq!(pixels, runmask::decode::<u32>(&runs.crop(window).expect("inside the mask")).expect("labels fit"));
    }
    println!("{side} x {side} pixels, {} labels, {} runs", runs.labels().len(), runs.run_count());
    let mut group = group(criterion, "windows");
    group.bench_function("index", |bencher| bencher.iter(|| Windows::new(&runs, 0).expect("the runs carry a shape")));
    group.throughput(Throughput::Elements(places.len() as u64));
    for scale in [1, 4] {
        let shape = Windows::shape_of(places[0], scale);
        let pixels = &mut pixels[..shape.pixels() as usize];
        group.bench_function(format!("1,000 of 512 x 512, scale {scale}"), |bencher| {
            bencher
                .iter(|| places.iter().for_each(|&at| index.decode_into(at, scale, pixels).expect("inside the mask")));
        });
    }
    group.bench_function("1,000 crops of 512 x 512 to runs", |bencher| {
        bencher.iter(|| places.iter().for_each(|&at| drop(index.crop(at).expect("inside the mask"))));
    });
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    // Everything runs on one thread, so that figures are of the work and not of the machine.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("no pool was started before");
    masks(criterion);
    windows(criterion);
}

criterion_group!(group_of_all, benches);
criterion_main!(group_of_all);
