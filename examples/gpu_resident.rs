//! A mask that is made on the GPU and encoded there: it never reaches the host.
//!
//! A compute pass paints labelled discs into a buffer, as a segmentation network would leave its output, and the same
//! device marks their boundaries. Only those are read.
//!
//! ```text
//! cargo run --release --example gpu_resident
//! ```

use std::error::Error;

use runmask::gpu::{DeviceStrip, Gpu, GpuOptions, wgpu};
use runmask::{Dtype, Shape};

/// Discs on a grid of 512 pixels, each with a label of its own; two 16-bit labels to a word.
const PAINT: &str = "
@group(0) @binding(0) var<storage, read_write> labels: array<u32>;
const WIDTH = 4096u;

fn label(row: u32, column: u32) -> u32 {
    let cell = vec2<u32>(row, column) / vec2<u32>(512u);
    let from_centre = vec2<f32>(vec2<u32>(row, column) % vec2<u32>(512u)) - vec2<f32>(256.0);
    return select(0u, cell.x * (WIDTH / 512u) + cell.y + 1u, length(from_centre) < 180.0);
}

@compute @workgroup_size(64)
fn paint(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = 2u * id.x;
    labels[(id.y * WIDTH + column) / 2u] = label(id.y, column) | (label(id.y, column + 1u) << 16u);
}
";

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let shape = Shape { height: 4096, width: 4096 };
    let gpu = Gpu::open(&GpuOptions::default())?;
    let (device, queue) = (gpu.device(), gpu.queue());
    eprintln!("on {}", gpu.info());

    let labels = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("labels"),
        size: 2 * shape.pixels(),
        // Nothing but kernels reads it: a copy to the host would be refused.
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("paint"),
        source: wgpu::ShaderSource::Wgsl(PAINT.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("paint"),
        layout: None,
        module: &module,
        entry_point: Some("paint"),
        compilation_options: Default::default(),
        cache: None,
    });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: labels.as_entire_binding() }],
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(shape.width / 2 / 64, shape.height, 1);
    }
    queue.submit([encoder.finish()]);

    // The queue runs submissions in order, so nobody has to wait for the painting.
    let row_pitch = 2 * u64::from(shape.width);
    let strip = DeviceStrip { buffer: &labels, offset: 0, row_pitch, rows: shape.height };
    let runs = gpu.encode_buffers(&[strip], shape, Dtype::U16)?;

    assert_eq!(runs.labels(), (1..=64).collect::<Vec<u64>>());
    for (label, runs) in runs.iter().take(3) {
        let area: u64 = runs.iter().map(|run| run.length).sum();
        println!("label {label}: {} runs, {area} pixels, the first from {}", runs.len(), runs[0].start);
    }
    println!("{} labels in {} runs", runs.labels().len(), runs.run_count());
    Ok(())
}
