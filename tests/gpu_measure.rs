//! Measurements of the gpu engine: what they count, not how fast it is.
#![cfg(feature = "gpu")]

mod adapter;

use runmask::gpu::{Gpu, GpuOptions, Residence};
use runmask::{Encoder, Engine, LabelMask, ScanOrder, Shape};

#[test]
fn measurements_count_what_was_marked() {
    let Some(engine) = adapter::open(&GpuOptions::default().timing()) else { return };
    let shape = Shape { height: 700, width: 500 };
    let pixels: Vec<u16> = (0..700 * 500u32).map(|i| (i / 500 / 90 * 7 + i % 500 / 70) as u16 % 5).collect();
    let mask = LabelMask::new(&pixels, shape).unwrap();
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        let encoder = Encoder::builder().engine(Engine::Scalar).order(order).build().unwrap();
        let expected = encoder.boundaries(&mask).unwrap().count();
        for residence in [Residence::Host, Residence::Device] {
            let measured = engine.measure(&mask, order, residence, 3).unwrap();
            assert_eq!(measured.adapter, *engine.info());
            assert_eq!((measured.shape, measured.label_bytes), (shape, 2 * shape.pixels()));
            // A boundary may be added where a strip begins a line, and nowhere else.
            assert_eq!(measured.boundaries, expected, "{order} {residence:?}");
            assert!(measured.wall.as_nanos() > 0 && measured.copy_rate > 0.0);
            // Two bytes of labels for each pixel, and a little for its bits, counts and events.
            let bytes = measured.bytes_per_pixel;
            assert!((2.0..4.0).contains(&bytes), "{order} {residence:?}: {bytes} bytes per pixel");
            if let Some(kernels) = measured.kernels {
                assert!(kernels.mark.as_nanos() > 0 && kernels.total() >= kernels.mark + kernels.scatter);
                assert!(measured.share_of_copy_rate().is_some_and(|share| share > 0.0));
            }
        }
    }
}

#[test]
fn nothing_is_timed_unless_asked_for() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    let mask = LabelMask::new(&[1u8, 1, 2, 3], Shape { height: 2, width: 2 }).unwrap();
    let measured = engine.measure(&mask, ScanOrder::ColumnMajor, Residence::Device, 1).unwrap();
    assert!(measured.kernels.is_none() && measured.share_of_copy_rate().is_none());
    // An empty mask has nothing to measure, and no division by its pixels.
    let none = LabelMask::<u8>::new(&[], Shape { height: 0, width: 2 }).unwrap();
    for residence in [Residence::Host, Residence::Device] {
        let measured = Gpu::measure(&engine, &none, ScanOrder::RowMajor, residence, 1).unwrap();
        assert_eq!((measured.boundaries, measured.bytes_per_pixel), (0, 0.0));
    }
}
