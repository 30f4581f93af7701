//! Drawn masks through the GPU engine: from the host, whole and in small pieces, and from buffers of the device.

use runmask::gpu::{DeviceStrip, Gpu, GpuOptions, wgpu};
use runmask::{Encoder, Engine, Label, LabelMask, LabelRuns, ScanOrder, Shape};
use wgpu::BufferUsages;

use crate::draw::{self, Drawn, Laid, Numbers, of_any_type};
use crate::engines::{ORDERS, background, told};
use crate::ledger::Totals;
use crate::quick;

/// Bytes of a buffer of the device, at most: what WebGPU guarantees, and a little less.
const BUFFER_BYTES: usize = 200 << 20;

/// An engine that uploads masks.
struct Uploading {
    name: &'static str,
    /// Pixels of a mask that it is given, at most.
    most: usize,
    /// One for each of [`ORDERS`].
    encoders: Vec<Encoder>,
}

/// An open device.
pub(crate) struct Device {
    uploading: Vec<Uploading>,
    resident: Gpu,
    pub(crate) name: String,
    /// Whether the adapter is a program on the processor.
    pub(crate) software: bool,
}

impl Device {
    /// The best adapter; nothing when there is none.
    pub(crate) fn open() -> Result<Option<Self>, String> {
        let adapters = Gpu::adapters().map_err(told("adapters"))?;
        if adapters.is_empty() {
            return Ok(None);
        }
        let whole = GpuOptions::default();
        let ways = [
            (usize::MAX, "whole", whole.clone()),
            (usize::MAX, "staged", whole.clone().staged()),
            (1 << 20, "pieces of 64 KiB", whole.clone().strip_bytes(1 << 16)),
            (5_000, "pieces of 4 KiB", whole.clone().strip_bytes(4096)),
            (1 << 22, "the limits of WebGPU", whole.clone().webgpu_limits()),
        ];
        let resident = Gpu::open(&whole).map_err(told("a device"))?;
        let software = resident.info().kind == runmask::gpu::AdapterKind::Software;
        let mut uploading = Vec::new();
        for (most, name, options) in ways {
            // Each engine keeps buffers for the largest mask that it had, which a software adapter takes from the memory of all.
            let most = if software && name != "whole" { most.min(1 << 18) } else { most };
            let encoder = |order| {
                let builder = Encoder::builder().engine(Engine::Gpu).gpu(options.clone()).order(order);
                builder.build().map_err(told(name))
            };
            uploading.push(Uploading {
                name,
                most,
                encoders: ORDERS.into_iter().map(encoder).collect::<Result<_, _>>()?,
            });
        }
        let name = resident.info().to_string();
        Ok(Some(Self { uploading, resident, name, software }))
    }
}

/// Draws one mask and compares what the GPU makes of it.
pub(crate) fn mask(device: &Device, numbers: &mut Numbers) -> Result<Totals, String> {
    let most = match numbers.below(32) {
        0 if device.software => 1 << 23,
        0 => 1 << 26,
        1..12 if device.software => 1 << 19,
        1..12 => 1 << 22,
        _ => 1 << 13,
    };
    of_any_type!(numbers, of_type(device, numbers, most))
}

fn of_type<T: Label>(device: &Device, numbers: &mut Numbers, most: u64) -> Result<Totals, String> {
    let drawn: Drawn<T> = draw::mask(numbers, most);
    let mut totals = Totals::default();
    let answer = compare(device, numbers, &drawn, &mut totals);
    answer.map_err(|text| format!("gpu: {} {} {}: {text}", drawn.content, T::DTYPE, drawn.shape))?;
    Ok(totals)
}

fn compare<T: Label>(
    device: &Device,
    numbers: &mut Numbers,
    drawn: &Drawn<T>,
    totals: &mut Totals,
) -> Result<(), String> {
    let (shape, count) = (drawn.shape, drawn.pixels.len());
    let plain = LabelMask::new(&drawn.pixels, shape).map_err(told("a mask"))?;
    let laid = Laid::sometimes(numbers, drawn, 1 << 20);
    let laid = match &laid {
        Some(laid) => Some((laid.name, laid.mask().map_err(told(laid.name))?)),
        None => None,
    };
    let views: Vec<_> = [("rows", plain)].into_iter().chain(laid).collect();
    for (place, order) in ORDERS.into_iter().enumerate() {
        let background = background(numbers, drawn);
        let expected = quick::runs(&drawn.pixels, shape, order, background).map_err(told("the expected runs"))?;
        let builder = Encoder::builder().engine(Engine::Scalar).background(background);
        let compactor = builder.order(order).build().map_err(told("compaction"))?;
        let same = |found: LabelRuns, how: &str| match found == expected {
            true => Ok(()),
            false => Err(format!("{how}, {order}, background {background:?}: other runs than expected")),
        };
        for Uploading { name, most, encoders } in &device.uploading {
            if count > *most {
                continue;
            }
            let (layout, mask) = numbers.pick(&views);
            let encoder = &encoders[place];
            let boundaries = encoder.boundaries(&mask).map_err(told(name))?;
            same(compactor.compact(&boundaries).map_err(told("compaction"))?, &format!("{name}, {layout}"))?;
            encoder.recycle_boundaries(boundaries);
            totals.add("gpu", count);
            if background == Some(0) && numbers.once_in(2) {
                same(encoder.encode(&mask).map_err(told(name))?, &format!("{name}, {layout}, at once"))?;
                totals.add("gpu", count);
            }
        }
        for _ in 0..2 {
            let boundaries = resident(device, numbers, drawn, order)?;
            same(compactor.compact(&boundaries).map_err(told("compaction"))?, "resident")?;
            totals.add("gpu resident", count);
        }
    }
    Ok(())
}

/// The boundaries of a mask in one or more buffers of the device, at any offset and pitch.
fn resident<T: Label>(
    device: &Device,
    numbers: &mut Numbers,
    drawn: &Drawn<T>,
    order: ScanOrder,
) -> Result<runmask::boundary::MaskBoundaries<T>, String> {
    let gpu = &device.resident;
    let Shape { height, width } = drawn.shape;
    let bytes = width as usize * T::DTYPE.bytes();
    let aligned = numbers.once_in(3);
    let gap = numbers.pick(&[0, 0, 1, 3, 7, 16, 250]) as usize;
    let pitch = if aligned { (bytes + gap).next_multiple_of(16) } else { bytes + gap };
    let mut buffers = Vec::new();
    let mut first = 0;
    loop {
        let left = (height - first).min((BUFFER_BYTES / pitch.max(1)) as u32);
        let rows = if numbers.once_in(2) { left } else { numbers.between(0, left) };
        let offset = if aligned { 256 * numbers.between(0, 3) } else { numbers.between(0, 300) } as usize;
        let size = (offset + rows as usize * pitch).next_multiple_of(4).max(4);
        let mut content = vec![0xa5_u8; size];
        for row in 0..rows as usize {
            let from = (first as usize + row) * width as usize;
            let labels = bytemuck::cast_slice(&drawn.pixels[from..from + width as usize]);
            content[offset + row * pitch..][..bytes].copy_from_slice(labels);
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let size = size as u64;
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        let buffer = gpu.device().create_buffer(&descriptor);
        gpu.queue().write_buffer(&buffer, 0, &content);
        buffers.push((buffer, offset as u64, rows));
        first += rows;
        if first == height && (height > 0 || buffers.len() > 1 || numbers.once_in(2)) {
            break;
        }
    }
    let strip = |(buffer, offset, rows)| DeviceStrip { buffer, offset, row_pitch: pitch as u64, rows };
    let strips: Vec<_> = buffers.iter().map(|(buffer, offset, rows)| strip((buffer, *offset, *rows))).collect();
    let how = || {
        format!(
            "resident, strips of {:?} rows, pitch {pitch}",
            strips.iter().map(|strip| strip.rows).collect::<Vec<_>>()
        )
    };
    gpu.mark_buffers::<T>(&strips, drawn.shape, order).map_err(|error| format!("{}: {error}", how()))
}
