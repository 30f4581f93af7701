//! scratch
use runmask::source::{Source, synth::*};
use runmask::*;
use std::time::Instant;
fn med(mut f: impl FnMut(), n: usize) -> f64 {
    let mut v: Vec<f64> = (0..n)
        .map(|_| {
            let t = Instant::now();
            f();
            t.elapsed().as_secs_f64()
        })
        .collect();
    v.sort_by(f64::total_cmp);
    v[0]
}
fn go<T: Label>(name: &str, kind: Kind, h: u32, w: u32, fortran: bool) {
    let shape = Shape { height: h, width: w };
    let mut s = Synth::new(kind, shape, T::DTYPE, None, 1).unwrap();
    let mut px = vec![T::default(); shape.pixels() as usize];
    s.read_rows(bytemuck::cast_slice_mut(&mut px)).unwrap();
    if fortran {
        let mut f = vec![T::default(); px.len()];
        for r in 0..h as usize {
            for c in 0..w as usize {
                f[c * h as usize + r] = px[r * w as usize + c];
            }
        }
        px = f;
    }
    let mask = if fortran { LabelMask::fortran(&px, shape).unwrap() } else { LabelMask::new(&px, shape).unwrap() };
    let words: &[u64] = bytemuck::cast_slice(&px);
    let sweep = med(
        || {
            let x = words.chunks(8).fold([0u64; 8], |mut a, c| {
                for i in 0..c.len() {
                    a[i] ^= c[i];
                }
                a
            });
            std::hint::black_box(x);
        },
        25,
    );
    for t in [1usize, 2] {
        let e = Encoder::builder().threads(t).build().unwrap();
        let enc = med(
            || {
                std::hint::black_box(e.encode(&mask).unwrap());
            },
            25,
        );
        let mark = med(
            || {
                std::hint::black_box(e.boundaries(&mask).unwrap());
            },
            25,
        );
        let r = e.encode(&mask).unwrap();
        let b = e.boundaries(&mask).unwrap();
        let mut out = vec![T::default(); if fortran { 0 } else { px.len() }];
        let fill = med(
            || {
                out.fill(T::default());
                std::hint::black_box(&out);
            },
            5,
        );
        let dec = if fortran {
            0.0
        } else {
            med(
                || {
                    let p = rayon::ThreadPoolBuilder::new().num_threads(t).build().unwrap();
                    p.install(|| Decoder::new(&r, 0).unwrap().decode_into(&mut out).unwrap())
                },
                5,
            )
        };
        println!(
            "{name} t{t}: sweep {:.1} ms ({:.1} GB/s) encode {:.1} ms = {:.2}x, mark {:.2}x  runs {} boundaries {} labels {} | decode {:.1} fill {:.1} = {:.2}x",
            sweep * 1e3,
            (px.len() * std::mem::size_of::<T>()) as f64 / sweep / 1e9,
            enc * 1e3,
            enc / sweep,
            mark / sweep,
            r.run_count(),
            b.count(),
            r.labels().len(),
            dec * 1e3,
            fill * 1e3,
            dec / fill
        );
    }
}
fn main() {
    go::<u16>("sparse", Kind::Glomeruli, 20000, 15000, false);
    go::<u16>("sparse F", Kind::Glomeruli, 20000, 15000, true);
    go::<u32>("cells", Kind::Cells, 8000, 8000, false);
    go::<u8>("noise", Kind::Noise, 4000, 4000, false);
}
