//! Masks in buffers of a device: any pitch, any offset, any cut, the same boundaries and runs as on the host.
#![cfg(feature = "gpu")]

mod adapter;

use runmask::gpu::{self, DeviceStrip, Gpu, GpuOptions, wgpu};
use runmask::{Dtype, Encoder, Engine, Error, Label, LabelMask, ScanOrder, Shape};

use wgpu::BufferUsages;

/// A number that looks random.
fn mix(number: u64) -> u64 {
    let x = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Small blobs and single pixels of labels of every size.
fn pixels<T: Label>(shape: Shape, seed: u64) -> Vec<T> {
    let label = |row: u32, column: u32| {
        let blob = mix(seed ^ u64::from(row / 7) << 32 ^ u64::from(column / 5));
        let speck = mix(seed ^ u64::from(row) << 32 ^ u64::from(column));
        let number = if speck.is_multiple_of(11) { speck } else { blob };
        T::from_u64(if number.is_multiple_of(3) { number & T::DTYPE.max() } else { number % 3 }).unwrap()
    };
    (0..shape.height).flat_map(|row| (0..shape.width).map(move |column| label(row, column))).collect()
}

/// A buffer that holds `rows` of `bytes` each from `offset` on, with rubbish everywhere else.
fn buffer(engine: &Gpu, rows: &[&[u8]], offset: u64, pitch: u64) -> wgpu::Buffer {
    let size = (offset + rows.len() as u64 * pitch + 3).next_multiple_of(4);
    let mut bytes: Vec<u8> = (0..size).map(|byte| mix(byte) as u8).collect();
    for (number, row) in rows.iter().enumerate() {
        let start = (offset + number as u64 * pitch) as usize;
        bytes[start..start + row.len()].copy_from_slice(row);
    }
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
    let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    let buffer = engine.device().create_buffer(&descriptor);
    engine.queue().write_buffer(&buffer, 0, &bytes);
    buffer
}

/// Cuts a mask into strips of `heights`, the last of what is left, and compares its boundaries and runs.
fn compare<T: Label>(engine: &Gpu, shape: Shape, heights: &[u32], offset: u64, gap: u64) {
    let pixels: Vec<T> = pixels(shape, offset * 31 + gap);
    let row_bytes = shape.width as usize * T::DTYPE.bytes();
    let pitch = row_bytes as u64 + gap;
    let bytes: &[u8] = bytemuck::cast_slice(&pixels);
    let rows: Vec<&[u8]> = (0..shape.height as usize).map(|row| &bytes[row * row_bytes..][..row_bytes]).collect();
    let mut rest = rows.as_slice();
    let mut buffers = Vec::new();
    for (number, &height) in heights.iter().chain([&u32::MAX]).enumerate() {
        let (strip, others) = rest.split_at((height as usize).min(rest.len()));
        rest = others;
        let offset = offset + number as u64;
        buffers.push((buffer(engine, strip, offset, pitch), offset, strip.len() as u32));
    }
    let strips: Vec<_> = buffers
        .iter()
        .map(|(buffer, offset, rows)| DeviceStrip { buffer, offset: *offset, row_pitch: pitch, rows: *rows })
        .collect();

    let told = format!("{} {shape} strips {heights:?} offset {offset} gap {gap}", T::DTYPE);
    let mask = LabelMask::new(&pixels, shape).unwrap();
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        let encoder = Encoder::builder().engine(Engine::Scalar).order(order).build().unwrap();
        let found = encoder.compact(&engine.mark_buffers::<T>(&strips, shape, order).unwrap()).unwrap();
        assert!(found == encoder.encode(&mask).unwrap(), "{told} {order}");
    }
    let found = engine.encode_buffers(&strips, shape, T::DTYPE).unwrap();
    assert!(found == Encoder::builder().engine(Engine::Scalar).build().unwrap().encode(&mask).unwrap(), "{told}");
}

fn compare_all(engine: &Gpu, shape: Shape, heights: &[u32], offset: u64, gap: u64) {
    compare::<u8>(engine, shape, heights, offset, gap);
    compare::<u16>(engine, shape, heights, offset, gap);
    compare::<u32>(engine, shape, heights, offset, gap);
    compare::<u64>(engine, shape, heights, offset, gap);
}

#[test]
fn any_pitch_offset_and_cut() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    for (height, width) in [(1, 1), (1, 77), (77, 1), (33, 33), (70, 257), (300, 129)] {
        let shape = Shape { height, width };
        for (offset, gap) in [(0, 0), (1, 0), (2, 1), (3, 2), (16, 16), (255, 3), (256, 256), (1000, 7)] {
            compare_all(&engine, shape, &[], offset, gap);
        }
        compare_all(&engine, shape, &[1, 1, 0, 31, 32], 0, 0);
        compare_all(&engine, shape, &[17, 5], 5, 11);
    }
    // Rows that begin at multiples of 16 bytes, which is another kernel.
    for width in [16, 64, 272] {
        compare_all(&engine, Shape { height: 130, width }, &[64, 1], 512, 0);
        compare_all(&engine, Shape { height: 130, width }, &[], 256, 32);
    }
}

#[test]
fn empty_masks() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    for (height, width) in [(0, 0), (0, 9), (9, 0)] {
        compare_all(&engine, Shape { height, width }, &[], 0, 0);
    }
    let none = engine.encode_buffers(&[], Shape { height: 0, width: 4 }, Dtype::U16).unwrap();
    assert_eq!(none.run_count(), 0);
}

/// Bindings so small that a strip is cut, its rows too.
#[test]
fn small_bindings() {
    for bytes in [1024, 2048, 5000] {
        let Some(engine) = adapter::open(&GpuOptions::default().strip_bytes(bytes)) else { return };
        compare_all(&engine, Shape { height: 40, width: 37 }, &[13], 3, 1);
        compare_all(&engine, Shape { height: 5, width: 700 }, &[], 0, 0);
        compare_all(&engine, Shape { height: 700, width: 5 }, &[300], 8, 8);
    }
}

/// The caller's own device, with the smallest limits WebGPU knows.
#[test]
fn a_device_of_the_caller() {
    let Some(engine) = adapter::open(&GpuOptions::default().webgpu_limits()) else { return };
    let (device, queue) = (engine.device(), engine.queue());
    let shape = Shape { height: 2, width: 3 };
    let rows: [&[u8]; 2] = [&[0, 5, 5], &[7, 5, 0]];
    let buffer = buffer(&engine, &rows, 1, 3);
    let strip = DeviceStrip { buffer: &buffer, offset: 1, row_pitch: 3, rows: 2 };
    let runs = gpu::encode_buffers(device, queue, &[strip], shape, Dtype::U8).unwrap();
    assert_eq!(runs.labels(), [5, 7]);
    assert_eq!(runs.get(5).unwrap().iter().map(|run| (run.start, run.length)).collect::<Vec<_>>(), [(2, 3)]);
    let boundaries = gpu::mark_buffers::<u8>(device, queue, &[strip], shape).unwrap();
    assert_eq!(boundaries.strips().next().unwrap().1.offsets(), [0, 1, 0, 0, 1]);
    // The engine's errors stay with it: the caller's device goes on.
    compare::<u16>(&Gpu::from_device(device, queue).unwrap(), Shape { height: 50, width: 50 }, &[20], 6, 5);
}

#[test]
fn wrong_strips_are_named() {
    let Some(engine) = adapter::open(&GpuOptions::default()) else { return };
    let shape = Shape { height: 4, width: 10 };
    let good = buffer(&engine, &[&[0; 10][..]; 4], 0, 10);
    let strip = DeviceStrip { buffer: &good, offset: 0, row_pitch: 10, rows: 4 };
    let refused = |strips: &[DeviceStrip<'_>], dtype: Dtype, what: &str| {
        let error = engine.encode_buffers(strips, shape, dtype).unwrap_err();
        assert!(matches!(&error, Error::Argument(message) if message.contains(what)), "{error}");
    };
    refused(&[], Dtype::U8, "they have 0");
    refused(&[DeviceStrip { rows: 3, ..strip }], Dtype::U8, "they have 3");
    refused(&[strip], Dtype::U16, "pitch of 10");
    refused(&[DeviceStrip { row_pitch: 9, ..strip }], Dtype::U8, "pitch of 9");
    refused(&[DeviceStrip { offset: 9, ..strip }], Dtype::U8, "ends outside");
    refused(&[DeviceStrip { row_pitch: u64::MAX, ..strip }], Dtype::U8, "ends outside");
    refused(&[DeviceStrip { offset: u64::MAX, ..strip }], Dtype::U8, "ends outside");

    let device = engine.device();
    let usage = BufferUsages::COPY_DST;
    let other =
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 64, usage, mapped_at_creation: false });
    refused(&[DeviceStrip { buffer: &other, ..strip }], Dtype::U8, "STORAGE");
    let usage = BufferUsages::STORAGE;
    let short =
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 42, usage, mapped_at_creation: false });
    refused(&[DeviceStrip { buffer: &short, offset: 2, ..strip }], Dtype::U8, "whole words");
    engine.encode_buffers(&[strip], shape, Dtype::U8).unwrap();
}

/// A lost device of the caller ends in an error too, without handlers of the engine's own on it.
#[test]
fn a_lost_device_of_the_caller() {
    let Some(owner) = adapter::open(&GpuOptions::default()) else { return };
    let engine = Gpu::from_device(owner.device(), owner.queue()).unwrap();
    let buffer = buffer(&owner, &[&[1; 8][..]; 8], 0, 8);
    let strip = DeviceStrip { buffer: &buffer, offset: 0, row_pitch: 8, rows: 8 };
    let shape = Shape { height: 8, width: 8 };
    engine.encode_buffers(&[strip], shape, Dtype::U8).unwrap();
    owner.device().destroy();
    let error = engine.encode_buffers(&[strip], shape, Dtype::U8).unwrap_err();
    assert!(matches!(&error, Error::Engine { engine: "gpu", .. }), "{error}");
}
