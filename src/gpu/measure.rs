//! Measuring: how long masks take on a device, beside how fast it copies.
//!
//! Gets a mask; gives wall time, kernel time by the device's clock and the rate of a copy on the device in the same run,
//! so that a figure can be read without knowing the adapter. The result of every repetition is compared with the first.

use std::time::{Duration, Instant};

use super::buffers::Image as _;
use super::host::{Rows, mark};
use super::kernels::Kernels;
use super::piece::{SEGMENT, padded};
use super::shader::Variant;
use super::{AdapterInfo, AdapterKind, DeviceStrip, Gpu, KernelTimes, engine_error, layout_of};
use crate::boundary::{MaskBoundaries, Part};
use crate::error::{Error, Result};
use crate::mask::{AnyMask, Label, LabelMask, any_label, each_label};
use crate::shape::{ScanOrder, Shape};
use crate::strip::{Layout, Strip};
use crate::threads::{Work, try_map};

/// Bytes of a copy that is timed: more than any cache of a device, and so many that the start of a copy is no part of its
/// time; fewer where a processor plays the device.
const COPY_BYTES: u64 = 512 << 20;
const SOFTWARE_COPY_BYTES: u64 = 64 << 20;

/// Bytes that one workgroup of the copying kernel copies.
const COPY_STEP: u64 = 16 << 10;

/// How long copies are repeated.
const COPY_TIME: Duration = Duration::from_millis(100);

/// Where a mask is when it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residence {
    /// In the host's memory: transfers count.
    Host,
    /// In the device's memory, with rows that begin at multiples of 16 bytes: only boundaries are transferred.
    Device,
}

/// What marking a mask took.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Measurement {
    /// The adapter.
    pub adapter: AdapterInfo,
    /// Height and width.
    pub shape: Shape,
    /// Bytes of all labels, once.
    pub label_bytes: u64,
    /// Number of boundaries.
    pub boundaries: u64,
    /// From the call to the boundaries on the host; the median of the repetitions.
    pub wall: Duration,
    /// The kernels' own time, the median of the repetitions by their sum; `None` when the adapter cannot time them.
    pub kernels: Option<KernelTimes>,
    /// Bytes that the kernels read and write for each pixel, counted from their design and the mask's boundaries: what
    /// passes between the device's memory and its caches when every byte does so once.
    pub bytes_per_pixel: f64,
    /// Bytes that a copy on the device reads and writes in a second, both counted.
    pub copy_rate: f64,
}

impl Measurement {
    /// Label bytes, once, over the kernels' time, as a share of the copy rate.
    pub fn share_of_copy_rate(&self) -> Option<f64> {
        let seconds = self.kernels?.total().as_secs_f64();
        (seconds > 0.0).then(|| self.label_bytes as f64 / seconds / self.copy_rate)
    }
}

impl Gpu {
    /// Measures the marking of `mask` in `order`, `repeats` times (at least once) after one that is not counted.
    ///
    /// Kernels are timed when the device was opened with [`GpuOptions::timing`](super::GpuOptions::timing). The mask's
    /// rows must lie in memory without gaps between their pixels.
    pub fn measure<T: Label>(
        &self,
        mask: &LabelMask<'_, T>,
        order: ScanOrder,
        residence: Residence,
        repeats: u32,
    ) -> Result<Measurement> {
        self.measure_any(any_label!(T, mask), order, residence, repeats)
    }

    fn measure_any(
        &self,
        mask: AnyMask<'_>,
        order: ScanOrder,
        residence: Residence,
        repeats: u32,
    ) -> Result<Measurement> {
        each_label!(mask, mask => self.measure_labels(&mask, order, residence, repeats))
    }

    fn measure_labels<T: Label>(
        &self,
        mask: &LabelMask<'_, T>,
        order: ScanOrder,
        residence: Residence,
        repeats: u32,
    ) -> Result<Measurement> {
        let shape = mask.shape();
        let copy_rate = self.copy_rate()?;
        let measured = match residence {
            Residence::Host => self.repeat(repeats, || self.mark_host(mask, order))?,
            Residence::Device => {
                let buffers = self.upload(mask)?;
                let strips: Vec<_> = buffers.iter().map(OwnStrip::as_strip).collect();
                self.repeat(repeats, || self.mark_strips::<T>(&strips, shape, order))?
            }
        };
        let (boundaries, wall, kernels) = measured;
        Ok(Measurement {
            adapter: self.info().clone(),
            shape,
            label_bytes: shape.pixels() * T::DTYPE.bytes() as u64,
            boundaries: boundaries.count(),
            wall,
            kernels,
            bytes_per_pixel: bytes_moved(&boundaries) / shape.pixels().max(1) as f64,
            copy_rate,
        })
    }

    /// Repeats `work` without time stamps for the wall time, then with them for the kernels.
    fn repeat<T: Label>(
        &self,
        repeats: u32,
        work: impl Fn() -> Result<MaskBoundaries<T>>,
    ) -> Result<(MaskBoundaries<T>, Duration, Option<KernelTimes>)> {
        let repeats = repeats.max(1);
        let (first, mut walls, mut kernels) = (work()?, Vec::new(), Vec::new());
        let check = |found: MaskBoundaries<T>| {
            if found == first { Ok(()) } else { Err(engine_error("two runs over one mask gave different boundaries")) }
        };
        for _ in 0..repeats {
            let start = Instant::now();
            let found = work()?;
            walls.push(start.elapsed());
            check(found)?;
        }
        if self.timing {
            for _ in 0..repeats {
                let (found, times) = self.timed(&work)?;
                kernels.extend(times);
                check(found)?;
            }
        }
        walls.sort();
        kernels.sort_by_key(KernelTimes::total);
        Ok((first, walls[walls.len() / 2], kernels.get(kernels.len() / 2).copied()))
    }

    /// Marks a mask of the host, strip by strip.
    fn mark_host<T: Label>(&self, mask: &LabelMask<'_, T>, order: ScanOrder) -> Result<MaskBoundaries<T>> {
        let (shape, layout) = (mask.shape(), layout_of(order));
        let step = self.strip_rows(shape.width, T::DTYPE)?;
        let starts: Vec<u32> = (0..shape.height).step_by(step as usize).collect();
        let overlapped = |count: usize, work: Work<'_>| self.overlapped(count, work);
        let parts = try_map(overlapped, starts.len(), |number| {
            let first = starts[number];
            let above = u32::from(layout == Layout::Across && first > 0);
            let rows = mask.rows(first - above, step.min(shape.height - first) + above);
            let boundaries = mark(self, Strip::new(rows.in_order(order), above == 1)?)?;
            Ok(Part { first, boundaries })
        })?;
        Ok(MaskBoundaries { shape, order, layout, parts })
    }

    /// A mask's rows in buffers of this device.
    fn upload<T: Label>(&self, mask: &LabelMask<'_, T>) -> Result<Vec<OwnStrip>> {
        let shape = mask.shape();
        let pitch = padded(u64::from(shape.width) * T::DTYPE.bytes() as u64);
        if shape.pixels() == 0 {
            return Ok(Vec::new());
        }
        let step = u32::try_from(self.bounds.binding / pitch).unwrap_or(u32::MAX);
        if step == 0 {
            return Err(Error::Argument(format!("a row of {pitch} bytes does not fit a binding of the device")));
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let strip = |(first, rows): (u32, u32)| {
            self.with_buffers("uploading", |buffers| {
                let buffer = self.device.buffer("labels", pitch * u64::from(rows), usage)?;
                let image = Rows::new(mask.rows(first, rows), Layout::Across, false);
                debug_assert_eq!(image.pitch(), pitch);
                buffers.copy(&self.device, &image, &buffer)?;
                Ok(OwnStrip { buffer, pitch, rows })
            })
        };
        super::piece::steps(shape.height, step).map(strip).collect()
    }

    /// Bytes that a copy on the device reads and writes in a second, both counted: by a copy command or by a kernel,
    /// whichever is faster. Cards whose copy commands run on an engine of their own copy faster by a kernel.
    pub fn copy_rate(&self) -> Result<f64> {
        let limits = self.device.limits();
        let bytes = if self.info().kind == AdapterKind::Software { SOFTWARE_COPY_BYTES } else { COPY_BYTES };
        let most = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        let bytes = bytes.min(most) / COPY_STEP * COPY_STEP;
        self.device.guarded("copying on the device", || {
            let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::STORAGE;
            let from = self.device.buffer("a copy's source", bytes, usage)?;
            let to = self.device.buffer("a copy", bytes, usage)?;
            let by_command = self.rate_of(bytes, |encoder, number| {
                for _ in 0..number {
                    encoder.copy_buffer_to_buffer(from.raw(), 0, to.raw(), 0, bytes);
                }
            })?;
            let pipeline = Kernels::copy(&self.device)?;
            let group = self.device.raw().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("copy"),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[(1, &from), (2, &to)].map(|(binding, buffer)| wgpu::BindGroupEntry {
                    binding,
                    resource: buffer.raw().as_entire_binding(),
                }),
            });
            let by_kernel = self.rate_of(bytes, |encoder, number| {
                for _ in 0..number {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    pass.set_pipeline(&pipeline);
                    pass.set_bind_group(0, &group, &[]);
                    pass.dispatch_workgroups((bytes / COPY_STEP) as u32, 1, 1);
                }
            })?;
            Ok(by_command.max(by_kernel))
        })
    }

    /// Bytes read and written in a second by `copy`, which copies `bytes` as often as it is told.
    fn rate_of(&self, bytes: u64, copy: impl Fn(&mut wgpu::CommandEncoder, u32)) -> Result<f64> {
        let copies = |number: u32| {
            let mut encoder = self.device.encoder();
            copy(&mut encoder, number);
            let start = Instant::now();
            self.device.wait_for(self.device.submit(encoder))?;
            Ok::<_, Error>(start.elapsed())
        };
        // The first one clears both buffers.
        copies(1)?;
        let mut number = 1;
        loop {
            let time = copies(number)?;
            if time >= COPY_TIME || number >= 1 << 12 {
                return Ok(2.0 * bytes as f64 * f64::from(number) / time.as_secs_f64());
            }
            number *= 2;
        }
    }
}

/// A strip in a buffer of our own.
struct OwnStrip {
    buffer: super::device::Buffer,
    pitch: u64,
    rows: u32,
}

impl OwnStrip {
    fn as_strip(&self) -> DeviceStrip<'_> {
        DeviceStrip { buffer: self.buffer.raw(), offset: 0, row_pitch: self.pitch, rows: self.rows }
    }
}

/// Bytes between the device's memory and its caches for a mask with these boundaries.
fn bytes_moved<T: Label>(mask: &MaskBoundaries<T>) -> f64 {
    let mut bytes = 0;
    let pixels = mask.shape.pixels();
    for part in &mask.parts {
        let boundaries = &part.boundaries;
        let length = match mask.layout {
            Layout::Across => mask.parts.iter().map(|other| other.first).find(|&first| first > part.first),
            Layout::Along => None,
        };
        let end = length.unwrap_or_else(|| mask.shape.line_length(mask.order));
        let length = if mask.layout == Layout::Across { end - part.first } else { end };
        let segments = boundaries.lines() as u64 * u64::from(length.div_ceil(SEGMENT));
        let touched: u64 = (0..boundaries.lines()).map(|line| segments_of(boundaries.entries(line).0)).sum();
        let packed = Variant::packs(T::DTYPE, length);
        let event = Variant { dtype: T::DTYPE, layout: Layout::Across, aligned: true, packed }.event_bytes();
        // Counts are written, scanned in place and read; bits of touched segments are written and read.
        bytes += segments * 4 * 4 + touched * 32 * 2;
        // An event is written; its label is read again, in half a sector as neighbours share them.
        bytes += boundaries.offsets.len() as u64 * (u64::from(event) + 16);
    }
    // Labels once, and the row above every workgroup of 256 rows.
    let labels = pixels as f64 * T::DTYPE.bytes() as f64;
    labels * if mask.layout == Layout::Across { 1.0 + 1.0 / f64::from(SEGMENT) } else { 1.0 } + bytes as f64
}

/// Segments that hold at least one of the boundaries of a line.
fn segments_of(offsets: &[u32]) -> u64 {
    let first = u64::from(!offsets.is_empty());
    first + offsets.windows(2).filter(|pair| pair[0] / SEGMENT != pair[1] / SEGMENT).count() as u64
}
