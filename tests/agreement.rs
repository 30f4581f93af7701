//! Every engine, SIMD level, strip height, thread count and layout against the oracle, bit for bit.

#[cfg(feature = "gpu")]
mod adapter;
mod oracle;

use proptest::prelude::*;
use runmask::boundary::{Boundaries, scalar, simd};
#[cfg(feature = "gpu")]
use runmask::gpu::{Gpu, GpuOptions};
use runmask::{Encoder, EncoderBuilder, Engine, Label, LabelMask, ScanOrder, Shape, SimdLevel, Strip};

/// A mask of one type, in C order.
#[derive(Clone, Debug)]
struct Seed<T> {
    name: String,
    shape: Shape,
    pixels: Vec<T>,
}

fn seed<T: Label>(name: impl Into<String>, height: u32, width: u32, label: impl Fn(u32, u32) -> u64) -> Seed<T> {
    let shape = Shape { height, width };
    let max = T::DTYPE.max();
    let pixels = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    let pixels = pixels.map(|(row, column)| T::from_u64(label(row, column).min(max)).unwrap()).collect();
    Seed { name: name.into(), shape, pixels }
}

/// A number that looks random, from two.
fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xd1b5_4a32_d192_ed03);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 32)
}

fn seeds<T: Label>() -> Vec<Seed<T>> {
    let mut seeds = vec![
        seed("no pixels", 0, 0, |_, _| 0),
        seed("no rows", 0, 5, |_, _| 0),
        seed("no columns", 5, 0, |_, _| 0),
        seed("one background pixel", 1, 1, |_, _| 0),
        seed("one pixel", 1, 1, |_, _| 9),
        seed("all background", 70, 130, |_, _| 0),
        seed("one label everywhere", 70, 130, |_, _| 3),
        seed("touching labels", 40, 9, |row, _| u64::from(row / 10 + 1)),
        seed("touching labels of one pixel", 67, 5, |row, _| u64::from(row % 2 + 1)),
        seed("runs over several columns", 10, 40, |row, column| u64::from(!(row == 5 && column % 7 == 3))),
        seed("foreground at the very end", 33, 65, |row, column| u64::from(row == 32 && column == 64)),
        seed("foreground at the end of every column", 129, 66, |row, _| u64::from(row >= 127)),
        seed("label of every size", 66, 4, |row, _| {
            [255, 256, 65_535, 65_536, u64::from(u32::MAX), u64::MAX][row as usize % 6]
        }),
        seed("a boundary at every pixel", 130, 70, |row, column| u64::from((row + column) % 2) + 1),
        seed("one column of noise", 300, 1, |row, _| mix(u64::from(row), 1) % 3),
        seed("one row of noise", 1, 300, |_, column| mix(u64::from(column), 2) % 3),
        seed("a thin diagonal", 200, 200, |row, column| u64::from(row == column) * 7),
        seed("labels far apart", 90, 90, |row, column| mix(u64::from(row / 9), u64::from(column / 9)) >> 8),
    ];
    for width in [2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513]
    {
        seeds.push(seed(format!("noise {width} wide"), 67, width, |row, column| {
            mix(u64::from(row), u64::from(column)) % 4
        }));
        seeds.push(seed(format!("blobs {width} wide"), 140, width, |row, column| {
            mix(u64::from(row / 11), u64::from(column / 6)) % 3
        }));
    }
    for height in [2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257] {
        seeds.push(seed(format!("blobs {height} high"), height, 70, |row, column| {
            mix(u64::from(row / 13), u64::from(column / 5)) % 3
        }));
    }
    // Wider than a panel of the SIMD engine for every type.
    seeds.push(seed("sparse and wide", 130, 9000, |row, column| {
        u64::from(mix(u64::from(row / 3), u64::from(column / 3)).is_multiple_of(997))
    }));
    seeds
}

/// The engines to hold against the oracle, with a name each; also strips of `rows` rows.
fn encoders() -> Vec<(String, EncoderBuilder)> {
    let mut encoders = vec![("scalar".to_owned(), Encoder::builder().engine(Engine::Scalar))];
    for level in SimdLevel::all() {
        encoders.push((format!("simd {}", level.name()), Encoder::builder().engine(Engine::Simd).simd_level(level)));
    }
    encoders.push(("auto".to_owned(), Encoder::builder()));
    encoders
}

/// Layouts of the same pixels: C order, Fortran order, a padded view, every second pixel of a larger image, upside down.
fn layouts<T: Label>(seed: &Seed<T>) -> Vec<(&'static str, Vec<T>, usize, isize, isize)> {
    let (height, width) = (seed.shape.height as usize, seed.shape.width as usize);
    let at = |row: usize, column: usize| seed.pixels[row * width + column];
    let filler = T::from_u64(77).unwrap();
    let fortran =
        (0..width).flat_map(|column| (0..height).map(move |row| (row, column))).map(|(r, c)| at(r, c)).collect();
    let mut padded = vec![filler; height * (width + 3) + 1];
    let mut sparse = vec![filler; 2 * height * 2 * width];
    for row in 0..height {
        for column in 0..width {
            padded[1 + row * (width + 3) + column] = at(row, column);
            sparse[2 * row * 2 * width + 2 * column] = at(row, column);
        }
    }
    let flipped =
        (0..height).rev().flat_map(|row| (0..width).map(move |column| (row, column))).map(|(r, c)| at(r, c)).collect();
    vec![
        ("C order", seed.pixels.clone(), 0, width as isize, 1),
        ("Fortran order", fortran, 0, 1, height as isize),
        ("padded rows", padded, 1, width as isize + 3, 1),
        ("every second pixel", sparse, 0, 4 * width as isize, 2),
        ("upside down", flipped, height.saturating_sub(1) * width, -(width as isize), 1),
    ]
}

fn agree_on<T: Label>(seed: &Seed<T>, encoders: &[(String, Encoder)]) {
    for (layout, pixels, origin, row_stride, column_stride) in layouts(seed) {
        let mask = LabelMask::with_strides(&pixels, origin, seed.shape, row_stride, column_stride).unwrap();
        for (name, encoder) in encoders {
            let order = if name.contains("row-major") { ScanOrder::RowMajor } else { ScanOrder::ColumnMajor };
            let background = if name.contains("without background") { None } else { Some(0) };
            let found = encoder.encode(&mask).unwrap();
            assert_eq!(
                oracle::of(&found),
                oracle::runs(&mask, order, background),
                "{name}: {} of {}, {}, {layout}",
                seed.name,
                seed.shape,
                T::DTYPE
            );
            if background.is_some() {
                assert_eq!(runmask::decode::<T>(&found).unwrap(), seed.pixels, "decoded from {name}: {}", seed.name);
            }
        }
    }
}

fn all_encoders(strips: &[u32]) -> Vec<(String, Encoder)> {
    let mut all = Vec::new();
    for (name, builder) in encoders() {
        for &rows in strips {
            for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
                let built = builder.clone().order(order).strip_rows(rows).threads(2).build().unwrap();
                all.push((format!("{name}, strips of {rows} rows, {order}"), built));
            }
        }
        let built = builder.clone().background(None).threads(1).build().unwrap();
        all.push((format!("{name}, without background"), built));
    }
    all
}

/// The gpu engine, as its adapter allows and cut into many pieces, in both orders.
#[cfg(feature = "gpu")]
fn gpu_encoders() -> Vec<(String, Encoder)> {
    let options = GpuOptions::default();
    if adapter::open(&options).is_none() {
        return Vec::new();
    }
    let builder =
        |options: &GpuOptions, order| Encoder::builder().engine(Engine::Gpu).gpu(options.clone()).order(order);
    let small = options.clone().strip_bytes(4096);
    let (column, row) = (ScanOrder::ColumnMajor, ScanOrder::RowMajor);
    [
        ("gpu, column-major", builder(&options, column)),
        ("gpu, row-major, strips of 50 rows", builder(&options, row).strip_rows(50)),
        ("gpu, column-major, pieces of 4 KiB", builder(&small, column)),
        ("gpu, row-major, pieces of 4 KiB", builder(&small, row)),
    ]
    .into_iter()
    .map(|(name, builder)| (name.to_owned(), builder.build().unwrap()))
    .collect()
}

#[cfg(feature = "gpu")]
fn gpu_agrees_on_seeds<T: Label>(first: usize) {
    let encoders = gpu_encoders();
    // A large mask in pieces of 4 KiB is thousands of submissions, which software adapters take minutes for.
    let (small, whole): (Vec<_>, Vec<_>) = encoders.into_iter().partition(|(name, _)| name.contains("4 KiB"));
    for seed in seeds::<T>().iter().skip(first).step_by(2) {
        agree_on(seed, &whole);
        if seed.pixels.len() < 5_000 {
            agree_on(seed, &small);
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn the_gpu_agrees_with_the_oracle() {
    // Software adapters are slow: two types share the seeds.
    gpu_agrees_on_seeds::<u8>(0);
    gpu_agrees_on_seeds::<u16>(1);
    gpu_agrees_on_seeds::<u32>(0);
    gpu_agrees_on_seeds::<u64>(1);
}

fn agree_on_seeds<T: Label>() {
    let encoders = all_encoders(&[7, 4096]);
    for seed in seeds::<T>() {
        agree_on(&seed, &encoders);
    }
    // One-row strips on the smaller seeds.
    let encoders = all_encoders(&[1]);
    for seed in seeds::<T>().iter().filter(|seed| seed.pixels.len() < 5000) {
        agree_on(seed, &encoders);
    }
}

#[test]
fn every_engine_agrees_with_the_oracle_on_u8() {
    agree_on_seeds::<u8>();
}

#[test]
fn every_engine_agrees_with_the_oracle_on_u16() {
    agree_on_seeds::<u16>();
}

#[test]
fn every_engine_agrees_with_the_oracle_on_u32() {
    agree_on_seeds::<u32>();
}

#[test]
fn every_engine_agrees_with_the_oracle_on_u64() {
    agree_on_seeds::<u64>();
}

/// Boundaries themselves, not only the runs made of them: with and without a row above, both layouts.
fn boundaries_agree_on<T: Label>() {
    for seed in seeds::<T>() {
        let mask = LabelMask::new(&seed.pixels, seed.shape).unwrap();
        for view in [mask, mask.transposed()] {
            for above in [false, true] {
                if above && view.shape().height == 0 {
                    continue;
                }
                let strip = Strip::new(view, above).unwrap();
                let expected: Boundaries<T> = scalar::mark(strip).unwrap();
                for level in SimdLevel::all() {
                    let found = simd::mark(level, strip).unwrap();
                    assert_eq!(found, expected, "{}: {} {}, above {above}", level.name(), seed.name, T::DTYPE);
                }
            }
        }
    }
}

#[test]
fn boundaries_are_the_same_bit_for_bit() {
    boundaries_agree_on::<u8>();
    boundaries_agree_on::<u16>();
    boundaries_agree_on::<u32>();
    boundaries_agree_on::<u64>();
}

/// Several chunks of lines are compacted side by side: enough boundaries that the work is divided.
#[test]
fn thread_counts_do_not_change_the_runs() {
    let noise = seed::<u32>("noise", 500, 700, |row, column| mix(u64::from(row), u64::from(column)) % 50);
    let long = seed::<u32>("runs longer than a chunk", 400, 900, |row, column| {
        if !(300..=640).contains(&column) { mix(u64::from(row), u64::from(column)) % 5 } else { 4 }
    });
    for seed in [noise, long] {
        for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
            let mask = LabelMask::new(&seed.pixels, seed.shape).unwrap();
            let expected = oracle::runs(&mask, order, Some(0));
            for threads in [1, 2, 3, 8] {
                let encoder = Encoder::builder().order(order).threads(threads).build().unwrap();
                let found = encoder.encode(&mask).unwrap();
                assert_eq!(oracle::of(&found), expected, "{} with {threads} threads, {order}", seed.name);
                assert_eq!(runmask::decode::<u32>(&found).unwrap(), seed.pixels);
            }
        }
    }
}

fn any_mask() -> impl Strategy<Value = (Shape, Vec<u64>, u32)> {
    (0u32..90, 0u32..200, 1u32..30, 1u32..30, 1u64..6, any::<u64>(), 1u32..100).prop_map(
        |(height, width, tall, wide, labels, key, strip)| {
            let pixels = (0..height)
                .flat_map(|row| (0..width).map(move |column| (row, column)))
                .map(|(row, column)| mix(key ^ u64::from(row / tall), u64::from(column / wide)) % labels)
                .collect();
            (Shape { height, width }, pixels, strip)
        },
    )
}

fn property<T: Label>(shape: Shape, pixels: &[u64], strip: u32) {
    let pixels: Vec<T> = pixels.iter().map(|&label| T::from_u64(label).unwrap()).collect();
    let encoders: Vec<_> = [ScanOrder::ColumnMajor, ScanOrder::RowMajor]
        .into_iter()
        .flat_map(|order| {
            encoders().into_iter().map(move |(name, builder)| {
                (format!("{name}, {order}"), builder.order(order).strip_rows(strip).threads(2).build().unwrap())
            })
        })
        .collect();
    agree_on(&Seed { name: "any mask".into(), shape, pixels }, &encoders);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_mask_agrees((shape, pixels, strip) in any_mask()) {
        property::<u8>(shape, &pixels, strip);
        property::<u16>(shape, &pixels, strip);
        property::<u32>(shape, &pixels, strip);
        property::<u64>(shape, &pixels, strip);
    }
}
