//! Kernels: the compiled pipelines of one variant, and how each is dispatched.

use super::device::Device;
use super::engine_error;
use super::piece::{GROUP, Params, Window};
use super::shader::{Shader, Variant};
use crate::error::Result;
use crate::strip::Layout;

/// The pipelines of one variant.
#[derive(Clone, Debug)]
pub(crate) struct Kernels {
    pub variant: Variant,
    mark: wgpu::ComputePipeline,
    column_scan: wgpu::ComputePipeline,
    group_scan: wgpu::ComputePipeline,
    scatter: wgpu::ComputePipeline,
}

/// One of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    Mark,
    ColumnScan,
    GroupScan,
    Scatter,
}

impl Kernels {
    /// Compiles the variant for a device; wgpu reports what is wrong to the error scopes of the caller.
    pub(crate) fn compile(device: &Device, variant: Variant) -> Result<Self> {
        let limits = device.limits();
        if limits.max_compute_invocations_per_workgroup < 256 || limits.max_storage_buffers_per_shader_stage < 6 {
            return Err(engine_error(format!(
                "the device allows {} invocations in a workgroup and {} storage buffers; the kernels need 256 and 6",
                limits.max_compute_invocations_per_workgroup, limits.max_storage_buffers_per_shader_stage
            )));
        }
        let module = |shader: Shader| {
            let source = wgpu::ShaderSource::Wgsl(shader.text(variant)?.into());
            let descriptor = wgpu::ShaderModuleDescriptor { label: Some(shader.name()), source };
            Ok::<_, crate::error::Error>(device.raw().create_shader_module(descriptor))
        };
        let pipeline = |module: &wgpu::ShaderModule, kernel: Kernel| {
            device.raw().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(kernel.name()),
                layout: None,
                module,
                entry_point: Some(kernel.name()),
                // Every kernel writes its workgroup memory before it reads it.
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
        };
        let scans = module(Shader::ColumnScan)?;
        Ok(Self {
            variant,
            mark: pipeline(&module(Shader::Mark)?, Kernel::Mark),
            column_scan: pipeline(&scans, Kernel::ColumnScan),
            group_scan: pipeline(&scans, Kernel::GroupScan),
            scatter: pipeline(&module(Shader::Scatter)?, Kernel::Scatter),
        })
    }

    pub(crate) fn pipeline(&self, kernel: Kernel) -> &wgpu::ComputePipeline {
        match kernel {
            Kernel::Mark => &self.mark,
            Kernel::ColumnScan => &self.column_scan,
            Kernel::GroupScan => &self.group_scan,
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
            Kernel::GroupScan => [1, 1, 1],
            Kernel::Scatter => {
                [end_line.saturating_sub(window.first_line).div_ceil(32), params.segments().div_ceil(8), 1]
            }
        }
    }
}

impl Kernel {
    /// Its entry point's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::ColumnScan => "column_scan",
            Self::GroupScan => "group_scan",
            Self::Scatter => "scatter",
        }
    }
}
