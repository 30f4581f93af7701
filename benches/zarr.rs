//! A store to the runs of every label, beside encoding the same mask from memory; two threads unless RUNMASK_BENCH_THREADS
//! says another number. `RUNMASK_BENCH_STORE=slide.zarr cargo bench --bench zarr` prints seconds, medians of samples that
//! are taken in turn, as JSON. `benches/zarr_peers.py` runs this in turn with what people use today, and with decompression alone.

use std::path::Path;
use std::time::Instant;

use runmask::source::{self, OpenOptions};
use runmask::{Dtype, Encoder, Label, LabelMask};

/// Samples of each.
const SAMPLES: usize = 9;

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn time<T: Label>(store: &Path, threads: usize) {
    let options = OpenOptions::new().threads(threads);
    let open = || source::open(store, &options).expect("a store of labels");
    let shape = open().shape();
    let mut pixels = vec![T::default(); shape.pixels() as usize];
    open().read_rows(bytemuck::cast_slice_mut(&mut pixels)).expect("rows of the mask");
    let mask = LabelMask::new(&pixels, shape).expect("the shape is that of the pixels");
    let encoder = Encoder::builder().threads(threads).build().expect("simd");
    let expected = encoder.encode(&mask).expect("encodes");
    let (mut from_store, mut from_memory) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        let start = Instant::now();
        let runs = encoder.encode_source(&mut *open()).expect("encodes");
        from_store.push(start.elapsed().as_secs_f64());
        assert!(runs == expected, "the store gives other runs than its pixels");
        encoder.recycle(runs);
        let start = Instant::now();
        let runs = encoder.encode(&mask).expect("encodes");
        from_memory.push(start.elapsed().as_secs_f64());
        encoder.recycle(runs);
    }
    println!(
        r#"{{"labels": {}, "runs": {}, "store": {}, "memory": {}}}"#,
        expected.labels().len(),
        expected.run_count(),
        median(from_store),
        median(from_memory)
    );
}

fn main() {
    let Some(store) = std::env::var_os("RUNMASK_BENCH_STORE") else {
        eprintln!("RUNMASK_BENCH_STORE names no store; nothing is timed");
        return;
    };
    let threads = std::env::var("RUNMASK_BENCH_THREADS").ok().map_or(2, |threads| threads.parse().expect("a number"));
    let store = Path::new(&store);
    match source::open(store, &OpenOptions::new()).expect("a store of labels").dtype() {
        Dtype::U8 => time::<u8>(store, threads),
        Dtype::U16 => time::<u16>(store, threads),
        Dtype::U32 => time::<u32>(store, threads),
        _ => time::<u64>(store, threads),
    }
}
