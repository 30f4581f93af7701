//! Kernels: the compiled pipelines of one variant, and how each is dispatched.

use std::io;
use std::thread::ScopedJoinHandle;

use super::device::Device;
use super::engine_error;
use super::piece::{GROUP, Params, Window};
use super::shader::{Shader, Variant};
use crate::error::Result;
use crate::mask::Dtype;
use crate::strip::Layout;

/// The pipelines of one variant.
#[derive(Clone, Debug)]
pub(crate) struct Kernels {
    pub variant: Variant,
    mark: wgpu::ComputePipeline,
    column_scan: wgpu::ComputePipeline,
    scatter: wgpu::ComputePipeline,
}

/// One of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    Mark,
    ColumnScan,
    Scatter,
}

impl Kernels {
    /// Compiles the variant for a device, each kernel on a thread and in a guard of its own.
    pub(crate) fn compile(device: &Device, variant: Variant) -> Result<Self> {
        let limits = device.limits();
        if limits.max_compute_invocations_per_workgroup < 256 || limits.max_storage_buffers_per_shader_stage < 6 {
            return Err(engine_error(format!(
                "the device allows {} invocations in a workgroup and {} storage buffers; the kernels need 256 and 6",
                limits.max_compute_invocations_per_workgroup, limits.max_storage_buffers_per_shader_stage
            )));
        }
        let compiled = |kernel: Kernel| {
            device.guarded("compiling the kernels", || {
                Ok(pipeline(device, &module(device, kernel.shader(), variant)?, kernel.name()))
            })
        };
        // Side by side: translating a kernel and the driver's compiler take milliseconds each.
        std::thread::scope(|scope| {
            let begin = |kernel| std::thread::Builder::new().spawn_scoped(scope, move || compiled(kernel));
            let (column_scan, scatter) = (begin(Kernel::ColumnScan), begin(Kernel::Scatter));
            let mark = compiled(Kernel::Mark)?;
            let joined = |begun: io::Result<ScopedJoinHandle<'_, _>>, kernel| match begun.map(ScopedJoinHandle::join) {
                Ok(Ok(done)) => done,
                // No thread is left.
                _ => compiled(kernel),
            };
            Ok(Self {
                variant,
                mark,
                column_scan: joined(column_scan, Kernel::ColumnScan)?,
                scatter: joined(scatter, Kernel::Scatter)?,
            })
        })
    }

    /// The kernel that copies, for measurements.
    pub(crate) fn copy(device: &Device) -> Result<wgpu::ComputePipeline> {
        let any = Variant { dtype: Dtype::U8, layout: Layout::Across, aligned: true, packed: true };
        Ok(pipeline(device, &module(device, Shader::Copy, any)?, Shader::Copy.name()))
    }

    pub(crate) fn pipeline(&self, kernel: Kernel) -> &wgpu::ComputePipeline {
        match kernel {
            Kernel::Mark => &self.mark,
            Kernel::ColumnScan => &self.column_scan,
            Kernel::Scatter => &self.scatter,
        }
    }

    /// Workgroups of a dispatch over a piece; a scatter's go from the line where its window begins to `end_line`.
    pub(crate) fn workgroups(&self, kernel: Kernel, params: Params, window: Window, end_line: u32) -> [u32; 3] {
        let tiles = params.lines.div_ceil(self.variant.lines_per_group());
        match kernel {
            // Neighbouring workgroups, which run at the same time, read neighbouring memory.
            Kernel::Mark => match self.variant.layout {
                Layout::Across => [tiles, params.segments(), 1],
                Layout::Along => [params.segments(), tiles, 1],
            },
            Kernel::ColumnScan => [params.lines.div_ceil(GROUP), 1, 1],
            Kernel::Scatter => [
                end_line.saturating_sub(window.first_line).div_ceil(32),
                params.segments().div_ceil(window.depth.max(1)),
                1,
            ],
        }
    }
}

fn module(device: &Device, shader: Shader, variant: Variant) -> Result<wgpu::ShaderModule> {
    let source = wgpu::ShaderSource::Wgsl(shader.text(variant)?.into());
    Ok(device.raw().create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(shader.name()), source }))
}

fn pipeline(device: &Device, module: &wgpu::ShaderModule, entry_point: &str) -> wgpu::ComputePipeline {
    device.raw().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(entry_point),
        layout: None,
        module,
        entry_point: Some(entry_point),
        // Every kernel writes its workgroup memory before it reads it.
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    })
}

impl Kernel {
    fn shader(self) -> Shader {
        match self {
            Self::Mark => Shader::Mark,
            Self::ColumnScan => Shader::ColumnScan,
            Self::Scatter => Shader::Scatter,
        }
    }

    /// Its entry point's name.
    pub(crate) fn name(self) -> &'static str {
        self.shader().name()
    }
}
