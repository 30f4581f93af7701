//! The gpu engine against the definition, on whatever adapter there is.
//!
//! `RUNMASK_TEST_GPU` says what a missing adapter means: `off` leaves these tests out, `auto` (unset) says loudly that they
//! did not run, `require` fails.
#![cfg(feature = "gpu")]

mod adapter;

use proptest::prelude::*;
use runmask::boundary::scalar;
use runmask::gpu::{self, Gpu, GpuOptions};
use runmask::{Label, LabelMask, Shape, Strip};

/// Widths and heights around every word, lane, block, segment and workgroup.
const WIDTHS: &[u32] =
    &[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513];
const HEIGHTS: &[u32] = &[1, 2, 31, 32, 33, 255, 256, 257];

/// A reproducible sequence of numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// What the pixels of a mask look like.
#[derive(Clone, Copy, Debug)]
enum Content {
    /// Any label anywhere.
    Noise,
    /// Background with a few rectangles of the labels at the ends of every type.
    Cells,
    /// One label.
    Flat,
}

fn pixels<T: Label>(content: Content, count: usize, width: usize, numbers: &mut Numbers) -> Vec<T> {
    let label = |number: u64| T::from_u64(number & T::DTYPE.max()).unwrap();
    let ends = [1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 1 << 31, u64::from(u32::MAX), 1 << 32, u64::MAX];
    match content {
        Content::Flat => vec![label(7); count],
        Content::Noise => (0..count)
            .map(|_| {
                let few = numbers.below(3);
                label(if numbers.below(2) == 0 { few } else { numbers.next() })
            })
            .collect(),
        Content::Cells => {
            let mut pixels = vec![label(0); count];
            let rows = count / width.max(1);
            for _ in 0..count / 200 + 2 {
                let (top, left) = (numbers.below(rows as u64) as usize, numbers.below(width as u64) as usize);
                let (height, width_of) = (1 + numbers.below(40) as usize, 1 + numbers.below(40) as usize);
                let value = label(ends[numbers.below(ends.len() as u64) as usize]);
                for row in top..rows.min(top + height) {
                    for column in left..width.min(left + width_of) {
                        pixels[row * width + column] = value;
                    }
                }
            }
            pixels
        }
    }
}

/// Marks views of one allocation in every layout, with and without a row above.
fn compare<T: Label>(engine: &Gpu, content: Content, height: u32, width: u32, gap: u32, numbers: &mut Numbers) {
    let pitch = (width + gap) as usize;
    let labels = pixels::<T>(content, pitch * height as usize + 3, pitch.max(1), numbers);
    let shape = Shape { height, width };
    let origin = if height > 0 && width > 0 { numbers.below(4) as usize } else { 0 };
    let across = LabelMask::with_strides(&labels, origin, shape, pitch as isize, 1).unwrap();
    for (layout, mask) in [("across", across), ("along", across.transposed())] {
        for above in [false, true] {
            if above && mask.shape().height == 0 {
                continue;
            }
            compare_view(engine, mask, above, &format!("{content:?} gap {gap} {layout}"));
        }
    }
}

/// Marks one view.
fn compare_view<T: Label>(engine: &Gpu, mask: LabelMask<T>, above: bool, what: &str) {
    let strip = Strip::new(mask, above).unwrap();
    let expected = scalar::mark(strip).unwrap();
    let found = gpu::mark(engine, strip).unwrap();
    assert!(
        found == expected,
        "{} {what} {} above {above}\n{}",
        T::DTYPE,
        mask.shape(),
        first_difference(&expected, &found)
    );
}

fn first_difference<T: Label>(
    expected: &runmask::boundary::Boundaries<T>,
    found: &runmask::boundary::Boundaries<T>,
) -> String {
    for line in 0..expected.lines().min(found.lines()) {
        if expected.line(line) != found.line(line) {
            return format!("line {line}: expected {:?}, found {:?}", expected.line(line), found.line(line));
        }
    }
    format!("expected {} lines, found {}", expected.lines(), found.lines())
}

fn compare_all(engine: &Gpu, content: Content, height: u32, width: u32, gap: u32, numbers: &mut Numbers) {
    compare::<u8>(engine, content, height, width, gap, numbers);
    compare::<u16>(engine, content, height, width, gap, numbers);
    compare::<u32>(engine, content, height, width, gap, numbers);
    compare::<u64>(engine, content, height, width, gap, numbers);
}

#[test]
fn seed_table() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    let mut numbers = Numbers(1);
    for (height, width) in [(0, 0), (0, 5), (5, 0), (1, 1), (1, 1000), (1000, 1)] {
        for content in [Content::Noise, Content::Cells, Content::Flat] {
            compare_all(&engine, content, height, width, 0, &mut numbers);
        }
    }
    for &width in WIDTHS {
        for &height in HEIGHTS {
            compare_all(&engine, Content::Cells, height, width, 0, &mut numbers);
        }
        compare_all(&engine, Content::Noise, 33, width, 0, &mut numbers);
        compare_all(&engine, Content::Noise, 258, width, 5, &mut numbers);
    }
    // Every kind of content over several workgroups each way.
    for content in [Content::Noise, Content::Cells, Content::Flat] {
        compare_all(&engine, content, 700, 1100, 0, &mut numbers);
        compare_all(&engine, content, 1100, 300, 3, &mut numbers);
    }
}

/// Lines longer than the place in a packed event.
#[test]
fn long_lines() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    let mut numbers = Numbers(2);
    for height in [65535, 65536, 65537, 200_000] {
        compare::<u16>(&engine, Content::Noise, height, 3, 0, &mut numbers);
        compare::<u8>(&engine, Content::Cells, height, 3, 0, &mut numbers);
    }
    // One line only: the other layout would have as many lines.
    let length = (1 << 24) + 1;
    let labels = pixels::<u8>(Content::Noise, length, 1, &mut numbers);
    let mask = LabelMask::new(&labels, Shape { height: length as u32, width: 1 }).unwrap();
    assert_eq!(scalar::mark(Strip::new(mask, false).unwrap()).unwrap().lines(), 1);
    compare_view(&engine, mask, false, "one line");
}

/// Limits so low that every mask is cut into many pieces, lines included.
#[test]
fn lowered_limits() {
    for bytes in [64, 100, 256, 4096, 20_000] {
        let Some(engine) = adapter::open(&GpuOptions::default().strip_bytes(bytes)) else { return };
        let mut numbers = Numbers(bytes);
        for (height, width) in [(1, 1), (3, 50), (50, 3), (17, 33), (40, 20)] {
            compare_all(&engine, Content::Noise, height, width, 1, &mut numbers);
        }
        if bytes > 1000 {
            compare_all(&engine, Content::Cells, 300, 200, 1, &mut numbers);
        }
    }
}

/// Uploads through staging buffers, several of them to a strip.
#[test]
fn staged_uploads() {
    let Some(engine) = adapter::open(&GpuOptions::default().staged()) else { return };
    let mut numbers = Numbers(5);
    for (height, width) in [(1, 1), (33, 65), (300, 200), (4000, 2500)] {
        compare::<u8>(&engine, Content::Cells, height, width, 1, &mut numbers);
        compare::<u32>(&engine, Content::Cells, height, width, 0, &mut numbers);
    }
}

#[test]
fn limits_of_webgpu() {
    let Some(engine) = adapter::open(&GpuOptions::default().webgpu_limits()) else { return };
    compare_all(&engine, Content::Cells, 600, 600, 1, &mut Numbers(3));
}

#[test]
fn views_with_gaps_both_ways_are_refused() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    let labels = [0u8; 64];
    let mask = LabelMask::with_strides(&labels, 0, Shape { height: 4, width: 4 }, 16, 2).unwrap();
    let error = gpu::mark(&engine, Strip::new(mask, false).unwrap()).unwrap_err();
    assert!(matches!(&error, runmask::Error::Argument(message) if message.contains("16 and 2")), "{error}");
}

/// Views that repeat a row, or run backwards through memory.
#[test]
fn strides_of_zero_and_below() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    let labels: Vec<u16> = pixels(Content::Noise, 40 * 50, 50, &mut Numbers(4));
    let shape = Shape { height: 40, width: 50 };
    for (origin, stride) in [(0, 0), (39 * 50, -50)] {
        let mask = LabelMask::with_strides(&labels, origin, shape, stride, 1).unwrap();
        for mask in [mask, mask.transposed()] {
            let strip = Strip::new(mask, false).unwrap();
            assert_eq!(gpu::mark(&engine, strip).unwrap(), scalar::mark(strip).unwrap());
        }
    }
}

/// Several threads share one device.
#[test]
fn threads_share_a_device() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let engine = &engine;
            scope.spawn(move || {
                let mut numbers = Numbers(thread);
                for _ in 0..5 {
                    let (height, width) = (numbers.below(300) as u32 + 1, numbers.below(300) as u32 + 1);
                    compare::<u16>(engine, Content::Cells, height, width, 0, &mut numbers);
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_shape(height in 0u32..600, width in 0u32..600, gap in 0u32..9, dense: bool, seed: u64) {
        static ENGINE: std::sync::LazyLock<Option<Gpu>> =
            std::sync::LazyLock::new(|| adapter::open(&GpuOptions::default()));
        if let Some(engine) = &*ENGINE {
            let content = if dense { Content::Noise } else { Content::Cells };
            compare_all(engine, content, height, width, gap, &mut Numbers(seed));
        }
    }
}
