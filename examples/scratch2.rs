//! scratch
use runmask::source::{Source, synth::*};
use runmask::*;
use std::time::Instant;
fn main() {
    let k = std::env::args().nth(1).unwrap();
    let n: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let lv = std::env::args().nth(3);
    macro_rules! go {
        ($T:ty, $kind:expr, $h:expr, $w:expr) => {{
            let shape = Shape { height: $h, width: $w };
            let mut s = Synth::new($kind, shape, <$T>::DTYPE, None, 1).unwrap();
            let mut px = vec![0 as $T; shape.pixels() as usize];
            s.read_rows(bytemuck::cast_slice_mut(&mut px)).unwrap();
            let mask = LabelMask::new(&px, shape).unwrap();
            let mut b = Encoder::builder().threads(1);
            if let Some(l) = &lv {
                b = b.simd_level(SimdLevel::all().into_iter().find(|x| x.name() == l).unwrap());
            }
            let e = b.build().unwrap();
            let words: &[u64] = bytemuck::cast_slice(&px);
            let (mut s, mut m, mut c, mut d) = (f64::MAX, f64::MAX, f64::MAX, f64::MAX);
            let mut out = vec![0 as $T; px.len()];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let mut fl = f64::MAX;
            for _ in 0..n {
                let t = Instant::now();
                let x = words.chunks(8).fold([0u64; 8], |mut a, c| {
                    for i in 0..c.len() {
                        a[i] ^= c[i];
                    }
                    a
                });
                std::hint::black_box(x);
                s = s.min(t.elapsed().as_secs_f64());
                let t = Instant::now();
                let b = e.boundaries(&mask).unwrap();
                m = m.min(t.elapsed().as_secs_f64());
                let t = Instant::now();
                let r = e.compact(b);
                c = c.min(t.elapsed().as_secs_f64());
                if lv.is_none() {
                    let t = Instant::now();
                    pool.install(|| Decoder::new(&r, 0).unwrap().decode_into(&mut out).unwrap());
                    d = d.min(t.elapsed().as_secs_f64());
                    let t = Instant::now();
                    out.fill(0);
                    std::hint::black_box(&out);
                    fl = fl.min(t.elapsed().as_secs_f64());
                }
            }
            println!(
                "{k}: sweep {:.1} ms, mark {:.1} = {:.2}x, compact {:.1} = {:.2}x | decode {:.1} fill {:.1} = {:.2}x",
                s * 1e3,
                m * 1e3,
                m / s,
                c * 1e3,
                c / s,
                d * 1e3,
                fl * 1e3,
                d / fl
            );
        }};
    }
    match k.as_str() {
        "sparse" => go!(u16, Kind::Glomeruli, 20000, 15000),
        "cells" => go!(u32, Kind::Cells, 8000, 8000),
        "noise" => go!(u8, Kind::Noise, 4000, 4000),
        _ => {}
    }
}
