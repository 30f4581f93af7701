//! Every kernel against its twin, stage by stage, for every variant.

use super::*;
use crate::boundary::scalar;
use crate::gpu::{GpuOptions, twin};
use crate::mask::{Dtype, LabelMask};
use crate::shape::Shape;
use crate::strip::Strip;

/// Labels as they lie in a buffer, and what the kernels are told about them.
struct Picture {
    words: Vec<u32>,
    params: Params,
}

/// Noise of few labels in rows of memory with a gap before, between and behind them.
fn picture(variant: Variant, lines: u32, length: u32, above: bool, seed: u32) -> Picture {
    let bytes = variant.dtype.bytes() as u32;
    let (rows, row) = match variant.layout {
        Layout::Across => (length + u32::from(above), lines),
        Layout::Along => (lines, length),
    };
    let block = |bytes: u32| bytes.next_multiple_of(16);
    // The label above a line lies right before it.
    let lead = if above && variant.layout == Layout::Along { bytes } else { 0 };
    let (origin, pitch) = match variant.aligned {
        true => (block(lead), block(lead) + block(row * bytes)),
        false => (3 + lead, lead + row * bytes + seed % 5),
    };
    let skip = if above && variant.layout == Layout::Across { pitch } else { 0 };
    let total = origin + rows * pitch + 32;
    let mut state = seed;
    let noise: Vec<u8> = (0..total.next_multiple_of(16))
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Bytes of 0, 1 and 255 make labels that are equal often, and differ in any of their bytes.
            [0, 0, 0, 0, 0, 1, 1, 255][(state >> 29) as usize]
        })
        .collect();
    let params = Params {
        first: origin + skip,
        above: origin,
        pitch,
        blocks: (row * bytes).div_ceil(16),
        lines,
        length,
        forced: !above,
    };
    Picture { words: bytemuck::pod_collect_to_vec(&noise), params }
}

fn read(device: &Device, slot: &Slot, words: usize) -> Vec<u32> {
    let bytes = 4 * words as u64;
    let on_host = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
    let to = device.buffer("a stage", bytes, on_host).unwrap();
    let mut encoder = device.encoder();
    encoder.copy_buffer_to_buffer(slot.get().unwrap().raw(), 0, to.raw(), 0, bytes);
    let submission = device.submit(encoder);
    device.wait(device.map(to.raw(), bytes, MapMode::Read, Some(submission))).unwrap();
    words_of(&mapped(to.raw(), bytes).unwrap()).unwrap().to_vec()
}

/// The boundaries as the definition finds them, as events.
fn defined<T: Label>(variant: Variant, picture: &Picture) -> Vec<u32> {
    let bytes: &[u8] = bytemuck::cast_slice(&picture.words);
    let Params { first, pitch, lines, length, forced, .. } = picture.params;
    let above = u32::from(!forced);
    // Pixels may lie at odd addresses, so they are collected one by one.
    let size = T::DTYPE.bytes() as u32;
    let mut pixels = Vec::new();
    for place in 0..length + above {
        for line in 0..lines {
            let at = match variant.layout {
                Layout::Across => first - above * pitch + place * pitch + line * size,
                Layout::Along => first - above * size + line * pitch + place * size,
            };
            pixels.push(bytemuck::pod_read_unaligned::<T>(&bytes[at as usize..(at + size) as usize]));
        }
    }
    let mask = LabelMask::new(&pixels, Shape { height: length + above, width: lines }).unwrap();
    let boundaries = scalar::mark(Strip::new(mask, above == 1).unwrap()).unwrap();
    let events = boundaries.offsets.iter().zip(&boundaries.labels).flat_map(|(&place, &label)| {
        let label: u64 = label.into();
        match (variant.packed, T::DTYPE) {
            (true, _) => vec![place | (label as u32) << Variant::place_bits(T::DTYPE)],
            (false, Dtype::U64) => vec![place, label as u32, (label >> 32) as u32, 0],
            (false, _) => vec![place, label as u32],
        }
    });
    events.collect()
}

fn compare(device: &Device, kernels: &Kernels, lines: u32, length: u32, above: bool, seed: u32) {
    let variant = kernels.variant;
    let picture = picture(variant, lines, length, above, seed);
    let Picture { words, params } = &picture;
    let told = format!("{variant:?} {params:?}");

    let mut set = BufferSet::default();
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
    let buffer = device.buffer("labels", 4 * words.len() as u64, usage).unwrap();
    device.queue().write_buffer(buffer.raw(), 0, bytemuck::cast_slice(words));
    let binding = buffer.raw().as_entire_buffer_binding();
    let labels = Labels::Device(DeviceLabels { labels: binding.clone(), above: binding });
    let bounds = Bounds { labels: 1 << 27, binding: 1 << 27, groups: 65535 };
    let job = Job { device, kernels, params: *params, labels, bounds, window: 1 << 27, read: 1 << 27 };
    set.prepare(&job).unwrap();
    let run = |set: &BufferSet, kernel: Kernel, window: Window| {
        let mut encoder = device.encoder();
        let workgroups = kernels.workgroups(kernel, *params, window, params.lines);
        set.dispatch(&job, &mut encoder, kernel, workgroups).unwrap();
        set.submit(&job, encoder, window).unwrap();
    };

    run(&set, Kernel::Mark, Window::default());
    let (bits, counts) = twin::mark(variant, *params, words, words);
    assert_eq!(read(device, &set.counts, counts.len()), counts, "counts: {told}");
    let found = read(device, &set.bits, bits.len());
    for (number, (expected, found)) in bits.chunks(8).zip(found.chunks(8)).enumerate() {
        // Bits of a segment without boundaries are not written.
        if expected.iter().any(|&word| word != 0) {
            assert_eq!(found, expected, "bits of segment {number}: {told}");
        }
    }

    run(&set, Kernel::ColumnScan, Window::default());
    let (counts, starts, sums) = twin::column_scan(*params, counts);
    assert_eq!(read(device, &set.counts, counts.len()), counts, "places: {told}");
    assert_eq!(read(device, &set.starts, starts.len()), starts, "starts: {told}");
    assert_eq!(read(device, &set.groups, sums.len()), sums, "groups: {told}");

    let (groups, total) = places_of(&sums);
    device.queue().write_buffer(set.groups.get().unwrap().raw(), 0, bytemuck::cast_slice(&groups));
    let mut events = Vec::new();
    // Windows of odd sizes, so that they begin and end inside of segments.
    let step = total / 4 + 1;
    for start in (0..total).step_by(step as usize) {
        let size = step.min(total - start);
        let bytes = u64::from(size * variant.event_bytes());
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffer = set.events.fit(device, "events", bytes, 1 << 27, usage).unwrap();
        let untouched = vec![0xfeed_f00d_u32; buffer.size() as usize / 4];
        device.queue().write_buffer(buffer.raw(), 0, bytemuck::cast_slice(&untouched));
        // Every depth in turn.
        let window = Window { start, size, first_line: 0, depth: 1 << (start / step % 4) };
        run(&set, Kernel::Scatter, window);
        let expected = twin::scatter(variant, *params, window, words, &bits, (&counts, &starts, &groups));
        let found = read(device, &set.events, untouched.len());
        assert_eq!(found[..expected.len()], expected, "events from {start}: {told}");
        // Nothing is written past the window, where other adapters would write over its last event.
        assert_eq!(found[expected.len()..], untouched[expected.len()..], "past the events from {start}: {told}");
        events.extend(expected);
    }
    let defined = match variant.dtype {
        Dtype::U8 => defined::<u8>(variant, &picture),
        Dtype::U16 => defined::<u16>(variant, &picture),
        Dtype::U32 => defined::<u32>(variant, &picture),
        Dtype::U64 => defined::<u64>(variant, &picture),
    };
    assert_eq!(events, defined, "{told}");
}

#[test]
fn kernels_and_twins_agree() {
    let Some(gpu) = crate::gpu::tests_adapter::open(&GpuOptions::default()) else { return };
    for (seed, variant) in Variant::all().enumerate() {
        let seed = seed as u32;
        let kernels = gpu.kernels(variant).unwrap();
        let small = [(1, 1), (3, 33), (17, 255), (65, 257), (5, 600)];
        for (number, (lines, length)) in small.into_iter().enumerate() {
            let number = number as u32;
            let compared = gpu.device.guarded("comparing", || {
                compare(&gpu.device, &kernels, lines, length, false, seed + number);
                compare(&gpu.device, &kernels, lines, length, true, seed + number);
                Ok(())
            });
            compared.unwrap();
        }
    }
    // More lines than a group, more segments than a workgroup.
    for layout in [Layout::Across, Layout::Along] {
        let variant = Variant { dtype: Dtype::U16, layout, aligned: true, packed: true };
        let kernels = gpu.kernels(variant).unwrap();
        compare(&gpu.device, &kernels, 1030, 300, true, 1);
        compare(&gpu.device, &kernels, 37, 2600, false, 2);
    }
}

/// Windows of any size, read in parts of any size, give the same boundaries.
#[test]
fn windows_are_read_in_parts() {
    let Some(gpu) = crate::gpu::tests_adapter::open(&GpuOptions::default()) else { return };
    for dtype in [Dtype::U16, Dtype::U32, Dtype::U64] {
        let packed = dtype == Dtype::U16;
        let variant = Variant { dtype, layout: Layout::Across, aligned: true, packed };
        match dtype {
            Dtype::U16 => in_parts::<u16>(&gpu, variant),
            Dtype::U32 => in_parts::<u32>(&gpu, variant),
            _ => in_parts::<u64>(&gpu, variant),
        }
    }
}

fn in_parts<T: Label>(gpu: &crate::gpu::Gpu, variant: Variant) {
    let Picture { words, params } = picture(variant, 70, 400, false, 5);
    let device = &gpu.device;
    let kernels = &gpu.kernels(variant).unwrap();
    let bounds = Bounds { labels: 1 << 27, binding: 1 << 27, groups: 65535 };
    let marked = |window: u64, read: u64| {
        gpu.device.guarded("marking in parts", || {
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
            let buffer = device.buffer("labels", 4 * words.len() as u64, usage)?;
            device.queue().write_buffer(buffer.raw(), 0, bytemuck::cast_slice(&words));
            let binding = buffer.raw().as_entire_buffer_binding();
            let labels = Labels::Device(DeviceLabels { labels: binding.clone(), above: binding });
            BufferSet::default().mark::<T>(&Job { device, kernels, params, labels, bounds, window, read })
        })
    };
    let whole = marked(1 << 27, 1 << 27).unwrap();
    assert!(whole.offsets.len() > 1000);
    for (window, read) in [(1 << 27, 1000), (5000, 1600), (4800, 1600), (1600, 5000), (64, 16)] {
        assert!(marked(window, read).unwrap() == whole, "{variant:?}: windows of {window} bytes in parts of {read}");
    }
}
