//! The gpu engine: boundaries marked by compute shaders, through wgpu.
//!
//! Gets label masks, on the host or in buffers of a device; gives the same [`Boundaries`]
//! as every other engine; guarantees that whatever goes wrong on the way, no adapter, too little memory, a device lost,
//! comes back as [`Error::Engine`] and never as a panic.
//!
//! A [`Gpu`] opens a device once and serves any number of masks, from any number of threads. It needs no feature of wgpu
//! beyond what WebGPU guarantees, and takes whatever larger limits the adapter has.
//!
//! ```text
//!   gpu.rs      what callers see          buffers.rs  the buffers, and the way of a piece through them
//!   adapter.rs  which device is taken     kernels.rs  the pipelines
//!   device.rs   faults, buffers, waiting  shader.rs   the text of the shaders, from shaders/*.wgsl
//!   piece.rs    how strips are cut        timing.rs   how long kernels ran
//!   host.rs     masks on the host         measure.rs  how long masks take
//!   resident.rs masks on the device
//! ```

mod adapter;
mod buffers;
mod device;
mod host;
mod kernels;
mod measure;
mod piece;
mod resident;
mod shader;
#[cfg(test)]
#[path = "../tests/adapter/mod.rs"]
mod tests_adapter;
mod timing;
#[cfg(test)]
mod twin;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub use adapter::{AdapterInfo, AdapterKind};
pub use host::mark;
pub use measure::{Measurement, Residence};
pub use resident::{DeviceStrip, encode_buffers, mark_buffers};
pub(crate) use shader::Variant;
pub use timing::KernelTimes;
/// The version of wgpu whose buffers and devices this module takes.
pub use wgpu;

use crate::boundary::Boundaries;
use crate::error::{Error, Result};
use crate::mask::{Dtype, Label};
use crate::shape::ScanOrder;
use crate::strip::Layout;
use crate::threads::Work;
use adapter::Wish;
use buffers::{BufferSet, Job, Labels};
use device::Device;
use kernels::Kernels;
use piece::{Bounds, Params, Piece};
use timing::Timer;

/// Bytes of labels in a piece that is uploaded: large enough that its kernels and its transfers outweigh the round trips,
/// small enough that several are on their way at once.
const UPLOAD_BYTES: u64 = 64 << 20;

/// Bytes of events that are read at once.
const READ_BYTES: u64 = 16 << 20;

/// Bytes of events that a device with memory of its own writes at once: a part of a mask that keeps all of it busy.
const WINDOW_BYTES: u64 = 256 << 20;

/// Pieces that are worked on at once, each with buffers of its own: one uploads, one runs, one is read.
const BUFFER_SETS: usize = 3;

/// How to open a [`Gpu`].
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    wish: Wish,
    strip_bytes: Option<u64>,
    memory_budget: Option<u64>,
    webgpu_limits: bool,
    staged: bool,
    timing: bool,
}

impl GpuOptions {
    /// Takes an adapter with `part` in its name, in any case; otherwise `WGPU_ADAPTER_NAME` decides, and without it the
    /// best adapter is taken: hardware before software.
    #[must_use]
    pub fn adapter(mut self, part: impl Into<String>) -> Self {
        self.wish.name = Some(part.into());
        self
    }

    /// Takes an adapter of these backends, comma-separated: `vulkan`, `metal`, `dx12`; otherwise `WGPU_BACKEND` decides,
    /// and without it all are looked at.
    #[must_use]
    pub fn backend(mut self, names: impl Into<String>) -> Self {
        self.wish.backends = Some(names.into());
        self
    }

    /// Takes software adapters only.
    #[must_use]
    pub fn software(mut self) -> Self {
        self.wish.software = true;
        self
    }

    /// Lets no binding of a kernel be larger than this, so that small masks are cut into many pieces.
    #[must_use]
    pub fn strip_bytes(mut self, bytes: u64) -> Self {
        self.strip_bytes = Some(bytes);
        self
    }

    /// Holds at most this much device memory, in bytes; more is an error.
    #[must_use]
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.memory_budget = Some(bytes);
        self
    }

    /// Opens the device with the limits that WebGPU guarantees everywhere, even where the adapter has larger ones.
    #[must_use]
    pub fn webgpu_limits(mut self) -> Self {
        self.webgpu_limits = true;
        self
    }

    /// Uploads through staging buffers even where the device shares the host's memory, and labels could be written where
    /// the kernels read them.
    #[must_use]
    pub fn staged(mut self) -> Self {
        self.staged = true;
        self
    }

    /// Lets [`Gpu::measure`] time kernels by the device's clock, where the adapter can.
    #[must_use]
    pub fn timing(mut self) -> Self {
        self.timing = true;
        self
    }
}

/// An open device, for many masks.
///
/// An encoder opens one by itself; this one is for measurements and for masks that are on a device already.
///
/// ```no_run
/// use runmask::gpu::{Gpu, GpuOptions};
/// for adapter in Gpu::adapters()? {
///     println!("{adapter:?}");
/// }
/// let gpu = Gpu::open(&GpuOptions::default())?;
/// println!("{:?}", gpu.info());
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Debug)]
pub struct Gpu {
    device: Device,
    info: AdapterInfo,
    bounds: Bounds,
    window: u64,
    timing: bool,
    kernels: Mutex<HashMap<Variant, Kernels>>,
    buffers: Mutex<BufferSets>,
    free: Condvar,
}

/// The buffers that nobody uses, and the number of sets in use.
#[derive(Debug, Default)]
struct BufferSets {
    free: Vec<BufferSet>,
    busy: usize,
    /// Whether kernels are timed, and what was measured.
    timed: bool,
    times: KernelTimes,
}

impl Gpu {
    /// Every adapter that wgpu can open, the preferred ones first.
    pub fn adapters() -> Result<Vec<AdapterInfo>> {
        adapter::list(&Wish { name: None, ..Wish::default().or_environment() })
    }

    /// Opens a device.
    ///
    /// An error when no adapter fits the options, or when the adapter gives no device.
    pub fn open(options: &GpuOptions) -> Result<Self> {
        let (info, adapter) = adapter::choose(&options.wish.clone().or_environment())?;
        let limits = options.webgpu_limits.then(wgpu::Limits::default);
        let mut wanted = wgpu::Features::empty();
        wanted.set(wgpu::Features::TIMESTAMP_QUERY, options.timing);
        // Across a bus such a mapping would be slow to write.
        let unified = info.kind.is_unified() && !options.staged;
        wanted.set(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS, unified);
        let device = Device::open(&adapter, limits, adapter.features() & wanted, options.memory_budget)?;
        Ok(Self::with(device, info, options))
    }

    fn with(device: Device, info: AdapterInfo, options: &GpuOptions) -> Self {
        let limits = device.limits();
        // Kernels address bytes by 32 bits.
        let binding = limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size)
            .min(options.strip_bytes.unwrap_or(u64::MAX))
            .min(1 << 31);
        let bounds =
            Bounds { labels: binding.min(UPLOAD_BYTES), binding, groups: limits.max_compute_workgroups_per_dimension };
        let window = if info.kind.is_unified() { READ_BYTES } else { WINDOW_BYTES };
        Self {
            info,
            bounds,
            window,
            timing: options.timing,
            device,
            kernels: Mutex::default(),
            buffers: Mutex::default(),
            free: Condvar::new(),
        }
    }

    /// The adapter that was opened.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// Rows of memory, of `row_pixels` labels each, that make a strip which is marked in one piece; at least 1.
    ///
    /// A strip of more rows is cut again, which costs a little; a strip of any size is right. An error when the limits
    /// leave no room for a single pixel.
    pub fn strip_rows(&self, row_pixels: u32, dtype: Dtype) -> Result<u32> {
        self.bounds.rows(row_pixels, dtype.bytes() as u64)
    }

    /// Device memory that is held between masks, in bytes.
    pub fn memory_held(&self) -> u64 {
        self.device.held()
    }

    /// Does `work` with its kernels timed, while nobody else works; the times are `None` where the adapter cannot time.
    fn timed<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<(R, Option<KernelTimes>)> {
        let timed = self.device.raw().features().contains(wgpu::Features::TIMESTAMP_QUERY);
        {
            let mut sets = self.buffers_locked();
            (sets.timed, sets.times) = (timed, KernelTimes::default());
        }
        let result = work();
        let mut sets = self.buffers_locked();
        sets.timed = false;
        Ok((result?, timed.then_some(sets.times)))
    }

    /// Does `count` pieces of work, several at once, so that transfers and kernels overlap.
    pub(crate) fn overlapped(&self, count: usize, work: Work<'_>) {
        let next = AtomicUsize::new(0);
        let worker = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                if !work(number) {
                    next.store(count, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..BUFFER_SETS.min(count) {
                // Without another thread, this one does all the work.
                let _ = std::thread::Builder::new().spawn_scoped(scope, worker);
            }
            worker();
        });
    }

    /// The pieces of a strip, panel by panel.
    pub(crate) fn pieces(&self, layout: Layout, lines: u32, length: u32, dtype: Dtype) -> Result<Vec<Vec<Piece>>> {
        self.bounds.pieces(layout, lines, length, dtype.bytes() as u64)
    }

    /// Marks a piece.
    pub(crate) fn mark_piece<T: Label>(
        &self,
        variant: Variant,
        params: Params,
        labels: Labels<'_>,
    ) -> Result<Boundaries<T>> {
        self.with_buffers("marking on the device", |buffers| {
            let kernels = &self.kernels(variant)?;
            buffers.mark(&Job {
                device: &self.device,
                kernels,
                params,
                labels,
                bounds: self.bounds,
                window: self.window,
                read: READ_BYTES,
            })
        })
    }

    /// The kernels of a variant, compiled when they are first asked for.
    fn kernels(&self, variant: Variant) -> Result<Kernels> {
        let mut known = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernels) = known.get(&variant) {
            return Ok(kernels.clone());
        }
        // Kernels with an error are not kept.
        let kernels = Kernels::compile(&self.device, variant)?;
        known.insert(variant, kernels.clone());
        Ok(kernels)
    }

    /// Does work with a set of buffers, once one is free. After an error the buffers are given back.
    fn with_buffers<R>(&self, doing: &str, work: impl FnOnce(&mut BufferSet) -> Result<R>) -> Result<R> {
        let mut sets = self.buffers_locked();
        while sets.busy >= BUFFER_SETS {
            sets = self.free.wait(sets).unwrap_or_else(PoisonError::into_inner);
        }
        sets.busy += 1;
        let mut buffers = sets.free.pop().unwrap_or_default();
        let timed = sets.timed;
        drop(sets);

        let result = self.device.guarded(doing, || {
            buffers.timer = if timed { Timer::new(&self.device)? } else { None };
            work(&mut buffers)
        });

        let mut sets = self.buffers_locked();
        sets.busy -= 1;
        if let Some(timer) = &buffers.timer {
            sets.times.add(timer.times.take());
        }
        if result.is_ok() {
            sets.free.push(buffers);
        }
        drop(sets);
        self.free.notify_one();
        result
    }

    fn buffers_locked(&self) -> MutexGuard<'_, BufferSets> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which way a mask in C order is cut, so that strips are contiguous.
fn layout_of(order: ScanOrder) -> Layout {
    match order {
        ScanOrder::ColumnMajor => Layout::Across,
        ScanOrder::RowMajor => Layout::Along,
    }
}

fn engine_error(message: impl Into<String>) -> Error {
    Error::Engine { engine: "gpu", message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::LabelMask;
    use crate::shape::Shape;
    use crate::strip::Strip;

    /// wgpu's noop device runs no kernels, but checks every buffer, binding, copy and mapping against its limits, as any
    /// device does: so pieces are tried under limits that no adapter at hand has.
    fn noop(limits: wgpu::Limits) -> Gpu {
        let descriptor = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
        let (raw, queue) = wgpu::Device::noop(&descriptor);
        let info = AdapterInfo::of(&raw.adapter_info());
        Gpu::with(Device::of(raw, queue, None), info, &GpuOptions::default())
    }

    fn nothing_is_found<T: Label>(gpu: &Gpu, shape: Shape) {
        let pixels = vec![T::default(); shape.pixels() as usize];
        for mask in [LabelMask::new(&pixels, shape).unwrap(), LabelMask::fortran(&pixels, shape).unwrap()] {
            for above in [false, true] {
                // What was not computed is zeros: no boundaries, not even those that begin each line.
                let found = mark(gpu, Strip::new(mask, above).unwrap()).unwrap();
                assert_eq!(found, Boundaries::none(shape.width).unwrap(), "{shape}, {}", T::DTYPE);
            }
        }
    }

    #[test]
    fn pieces_keep_to_the_limits_of_any_device() {
        for (binding, buffer, groups) in
            [(4 << 10, 4 << 10, 16), (5_000, 8 << 10, 300), (128 << 10, 96 << 10, 65_535), (1 << 20, 1 << 30, 7)]
        {
            let gpu = noop(wgpu::Limits {
                max_storage_buffer_binding_size: binding,
                max_buffer_size: buffer,
                max_compute_workgroups_per_dimension: groups,
                ..wgpu::Limits::default()
            });
            for (height, width) in [(2, 1), (2, 700), (900, 3), (130, 257), (65, 1023)] {
                let shape = Shape { height, width };
                nothing_is_found::<u8>(&gpu, shape);
                nothing_is_found::<u16>(&gpu, shape);
                nothing_is_found::<u64>(&gpu, shape);
            }
        }
    }

    #[test]
    fn a_device_that_runs_nothing_is_refused() {
        let (raw, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        let error = Gpu::from_device(&raw, &queue).err().map(|error| error.to_string());
        assert!(error.as_deref().is_some_and(|error| error.contains("noop backend runs no kernels")), "{error:?}");
    }
}
