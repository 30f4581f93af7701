//! Encoding by each engine and decoding, beside a read sweep and a fill of the same bytes; each asserts its answer.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use runmask::source::Source;
use runmask::source::synth::{Kind, Synth};
use runmask::{Decoder, Encoder, Engine, Label, LabelMask, Shape};

fn synth<T: Label>(kind: Kind, shape: Shape) -> Vec<T> {
    let mut source = Synth::new(kind, shape, T::DTYPE, None, 1).expect("the labels fit");
    let mut pixels = vec![T::default(); shape.pixels() as usize];
    source.read_rows(bytemuck::cast_slice_mut(&mut pixels)).expect("made-up rows cannot fail");
    pixels
}

/// Reads every byte once, as fast as one thread can: sums that do not wait for each other.
fn sweep(bytes: &[u8]) -> u64 {
    let mut sums = [0_u64; 16];
    for block in bytes.chunks_exact(128) {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum ^= u64::from_ne_bytes(*word);
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

fn one<T: Label>(criterion: &mut Criterion, name: &str, kind: Kind, shape: Shape) {
    let pixels = synth::<T>(kind, shape);
    let mask = LabelMask::new(&pixels, shape).expect("the shape is that of the pixels");
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(size_of_val(&pixels[..]) as u64)).sample_size(10);

    group.bench_function("read sweep", |bencher| bencher.iter(|| sweep(black_box(bytemuck::cast_slice(&pixels)))));

    let expected = Encoder::builder().engine(Engine::Scalar).build().and_then(|e| e.encode(&mask)).expect("scalar");
    for engine in [Engine::Scalar, Engine::Simd, Engine::Gpu] {
        let encoder = match Encoder::builder().engine(engine).threads(1).build() {
            Ok(encoder) => encoder,
            Err(error) => {
                eprintln!("NOT MEASURED: {error}");
                continue;
            }
        };
        assert_eq!(encoder.encode(&mask).expect("encodes"), expected, "{engine}");
        group.bench_function(format!("encode {}", encoder.engine_info()), |bencher| {
            bencher.iter(|| encoder.encode(&mask).expect("encodes"));
        });
    }

    let decoder = Decoder::new(&expected, 0).expect("the runs carry a shape");
    let mut decoded = vec![T::default(); pixels.len()];
    group.bench_function("decode", |bencher| {
        bencher.iter(|| decoder.decode_into(&mut decoded).expect("decodes"));
    });
    assert!(decoded == pixels, "decoding gives the mask again");
    let label = T::from_u64(1).expect("1 fits");
    group.bench_function("fill", |bencher| bencher.iter(|| black_box(&mut decoded).fill(label)));
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    one::<u16>(criterion, "sparse u16 5000 x 4000", Kind::Glomeruli, Shape { height: 5000, width: 4000 });
    one::<u32>(criterion, "cells u32 2000 x 2000", Kind::Cells, Shape { height: 2000, width: 2000 });
    one::<u8>(criterion, "noise u8 1000 x 1000", Kind::Noise, Shape { height: 1000, width: 1000 });
}

criterion_group!(group, benches);
criterion_main!(group);
