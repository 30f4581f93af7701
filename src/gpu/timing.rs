//! Timing: how long each kernel ran, by the device's own clock.
//!
//! Gets the passes of a submission; gives seconds per kernel. Each kernel has a compute pass of its own, because passes
//! are what every backend can time.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::device::{Buffer, Device};
use super::engine_error;
use super::kernels::Kernel;
use crate::error::Result;

/// Passes of one submission at most.
const PASSES: u32 = 3;

/// Bytes of two time stamps for each pass.
const BYTES: u64 = 2 * 8 * PASSES as u64;

/// How long each kernel ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelTimes {
    /// Labels to bits and counts.
    pub mark: Duration,
    /// Counts to places, along each line.
    pub column_scan: Duration,
    /// Bits and labels to boundaries.
    pub scatter: Duration,
}

impl KernelTimes {
    /// All kernels together.
    pub fn total(&self) -> Duration {
        self.mark + self.column_scan + self.scatter
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.mark += other.mark;
        self.column_scan += other.column_scan;
        self.scatter += other.scatter;
    }

    fn of(&mut self, kernel: Kernel) -> &mut Duration {
        match kernel {
            Kernel::Mark => &mut self.mark,
            Kernel::ColumnScan => &mut self.column_scan,
            Kernel::Scatter => &mut self.scatter,
        }
    }
}

/// Times the kernels that work on a set of buffers.
#[derive(Debug)]
pub(crate) struct Timer {
    queries: wgpu::QuerySet,
    resolved: Buffer,
    read: Buffer,
    /// The passes of the submission that is being recorded.
    passes: RefCell<Vec<Kernel>>,
    /// What was measured so far.
    pub times: Cell<KernelTimes>,
}

impl Timer {
    /// A timer, when the device can time passes.
    pub(crate) fn new(device: &Device) -> Result<Option<Self>> {
        if !device.raw().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let queries = device.raw().create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("time stamps"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * PASSES,
        });
        let resolve = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let on_host = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        Ok(Some(Self {
            queries,
            resolved: device.buffer("time stamps", BYTES, resolve)?,
            read: device.buffer("time stamps on the host", BYTES, on_host)?,
            passes: RefCell::default(),
            times: Cell::default(),
        }))
    }

    /// Where the next pass, which runs `kernel`, puts its time stamps.
    pub(crate) fn writes(&self, kernel: Kernel) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let mut passes = self.passes.borrow_mut();
        let first = 2 * u32::try_from(passes.len()).ok().filter(|&number| number < PASSES)?;
        passes.push(kernel);
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }

    /// Ends the recording of a submission.
    pub(crate) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        let stamps = 2 * self.passes.borrow().len() as u32;
        if stamps > 0 {
            encoder.resolve_query_set(&self.queries, 0..stamps, self.resolved.raw(), 0);
            encoder.copy_buffer_to_buffer(self.resolved.raw(), 0, self.read.raw(), 0, u64::from(stamps) * 8);
        }
    }

    /// Waits for the submission and adds its times.
    pub(crate) fn collect(&self, device: &Device, submission: wgpu::SubmissionIndex) -> Result<()> {
        let passes = self.passes.take();
        if passes.is_empty() {
            return Ok(());
        }
        let bytes = 16 * passes.len() as u64;
        device.wait(device.map(self.read.raw(), bytes, wgpu::MapMode::Read, Some(submission)))?;
        {
            let view = self
                .read
                .raw()
                .get_mapped_range(..bytes)
                .map_err(|error| engine_error(format!("time stamps cannot be read: {error}")))?;
            let period = f64::from(device.queue().get_timestamp_period());
            let mut times = self.times.get();
            for (kernel, stamps) in passes.into_iter().zip(view.chunks_exact(16)) {
                let stamp = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
                let (start, end) = (stamp(&stamps[..8]), stamp(&stamps[8..]));
                // A clock that goes backwards, as some do after a reset, counts as nothing.
                let nanoseconds = end.saturating_sub(start) as f64 * period;
                *times.of(kernel) += Duration::from_nanos(nanoseconds as u64);
            }
            self.times.set(times);
        }
        self.read.raw().unmap();
        Ok(())
    }
}
