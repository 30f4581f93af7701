//! Masks that are on the device already: the output of a segmentation network, encoded without a way through the host.
//!
//! Gets buffers of a wgpu device, the caller's or the [`Gpu`]'s own; gives boundaries or runs; guarantees that labels stay
//! on the device and only boundaries are read.
//!
//! A mask is a list of [`DeviceStrip`]s, because no buffer holds more than a few GiB: rows of memory at any pitch and any
//! offset, widths of odd bytes included. Rows that begin at multiples of 16 bytes are read fastest. A strip's last bytes
//! must lie in the whole words of its buffer, since kernels read words: a buffer's size should be a multiple of 4.
//!
//! This module speaks wgpu, and follows its versions: use the [`wgpu`](super::wgpu) that is exported here.

use wgpu::{Buffer, BufferBinding, BufferSize, BufferUsages};

use super::buffers::{DeviceLabels, Labels};
use super::host::append;
use super::piece::{BLOCK, Memory, Params, steps};
use super::shader::Variant;
use super::{AdapterInfo, Gpu, GpuOptions, engine_error, layout_of};
use crate::boundary::{AnyMaskBoundaries, Boundaries, MaskBoundaries, Part};
use crate::compaction::{Frame, compact};
use crate::error::{Error, Result};
use crate::mask::{AnyLabel, Dtype, Label, each_label};
use crate::memory::List;
use crate::runs::LabelRuns;
use crate::shape::{ScanOrder, Shape};
use crate::strip::Layout;
use crate::threads::{Work, try_map};

/// Rows of a mask, in a buffer.
#[derive(Clone, Copy, Debug)]
pub struct DeviceStrip<'a> {
    /// The buffer; its usages include `STORAGE`.
    pub buffer: &'a Buffer,
    /// Bytes before the first pixel.
    pub offset: u64,
    /// Bytes from one row to the next; at least those of a row.
    pub row_pitch: u64,
    /// Number of rows.
    pub rows: u32,
}

/// The runs of every label but 0, column-major, of a mask on the caller's device.
///
/// Kernels are compiled in every call; a [`Gpu::from_device`] keeps them, and its [`Gpu::mark_buffers`] knows other orders.
///
/// ```no_run
/// use runmask::gpu::{DeviceStrip, encode_buffers, wgpu};
/// use runmask::{Dtype, Shape};
/// # fn encode(device: &wgpu::Device, queue: &wgpu::Queue, labels: &wgpu::Buffer) -> runmask::Result<()> {
/// // 1000 rows of 512 labels of 16 bits, without gaps.
/// let strip = DeviceStrip { buffer: labels, offset: 0, row_pitch: 1024, rows: 1000 };
/// let runs = encode_buffers(device, queue, &[strip], Shape { height: 1000, width: 512 }, Dtype::U16)?;
/// # Ok(())
/// # }
/// ```
pub fn encode_buffers(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    strips: &[DeviceStrip<'_>],
    shape: Shape,
    dtype: Dtype,
) -> Result<LabelRuns> {
    Gpu::from_device(device, queue)?.encode_buffers(strips, shape, dtype)
}

/// The boundaries of a mask on the caller's device, in column-major order.
pub fn mark_buffers<T: Label>(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    strips: &[DeviceStrip<'_>],
    shape: Shape,
) -> Result<MaskBoundaries<T>> {
    Gpu::from_device(device, queue)?.mark_buffers(strips, shape, ScanOrder::ColumnMajor)
}

impl Gpu {
    /// Works on a device of the caller, with the limits it was opened with.
    ///
    /// The caller's error handlers stay in place; the engine's own errors do not reach them. An error when the device
    /// runs no compute shaders.
    pub fn from_device(device: &wgpu::Device, queue: &wgpu::Queue) -> Result<Self> {
        Self::from_device_with(device, queue, &GpuOptions::default())
    }

    /// The same with options; those that choose an adapter have no meaning here.
    pub fn from_device_with(device: &wgpu::Device, queue: &wgpu::Queue, options: &GpuOptions) -> Result<Self> {
        let info = device.adapter_info();
        if info.backend == wgpu::Backend::Noop {
            return Err(engine_error("wgpu's noop backend runs no kernels"));
        }
        let own = super::device::Device::of(device.clone(), queue.clone(), options.memory_budget);
        Ok(Self::with(own, AdapterInfo::of(&info), options))
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        self.device.raw()
    }

    /// The device's queue.
    pub fn queue(&self) -> &wgpu::Queue {
        self.device.queue()
    }

    /// The runs of every label but 0, column-major, of a mask on this device.
    pub fn encode_buffers(&self, strips: &[DeviceStrip<'_>], shape: Shape, dtype: Dtype) -> Result<LabelRuns> {
        let boundaries = self.mark_any(strips, shape, ScanOrder::ColumnMajor, dtype)?;
        let threads = rayon::current_num_threads();
        let frame = Frame::whole(shape);
        each_label!(boundaries, boundaries => compact(&boundaries, frame, Some(0), threads, List::default()))
    }

    /// The boundaries of a mask on this device, whose rows are those of `strips`, one strip below the other.
    ///
    /// [`Encoder::compact`](crate::Encoder::compact) makes runs of them. An error when the strips do not hold the shape's
    /// rows.
    pub fn mark_buffers<T: Label>(
        &self,
        strips: &[DeviceStrip<'_>],
        shape: Shape,
        order: ScanOrder,
    ) -> Result<MaskBoundaries<T>> {
        let boundaries = self.mark_any(strips, shape, order, T::DTYPE)?;
        Ok(each_label!(boundaries, boundaries => boundaries.same()))
    }

    fn mark_any(
        &self,
        strips: &[DeviceStrip<'_>],
        shape: Shape,
        order: ScanOrder,
        dtype: Dtype,
    ) -> Result<AnyMaskBoundaries> {
        Ok(match dtype {
            Dtype::U8 => AnyLabel::U8(self.mark_strips(strips, shape, order)?),
            Dtype::U16 => AnyLabel::U16(self.mark_strips(strips, shape, order)?),
            Dtype::U32 => AnyLabel::U32(self.mark_strips(strips, shape, order)?),
            Dtype::U64 => AnyLabel::U64(self.mark_strips(strips, shape, order)?),
        })
    }

    pub(super) fn mark_strips<T: Label>(
        &self,
        strips: &[DeviceStrip<'_>],
        shape: Shape,
        order: ScanOrder,
    ) -> Result<MaskBoundaries<T>> {
        let label_bytes = T::DTYPE.bytes() as u64;
        let rows: u64 = strips.iter().map(|strip| u64::from(strip.rows)).sum();
        if rows != u64::from(shape.height) {
            return Err(Error::Argument(format!("a mask of {shape} has its rows in strips, but they have {rows}")));
        }
        for (number, strip) in strips.iter().enumerate() {
            strip
                .check(u64::from(shape.width) * label_bytes)
                .map_err(|what| Error::Argument(format!("device strip {number} ({} rows): {what}", strip.rows)))?;
        }
        let layout = layout_of(order);
        let mut bands = Vec::new();
        let mut first = 0;
        let mut above = None;
        for strip in strips.iter().filter(|strip| strip.rows > 0 && shape.width > 0) {
            let memory = Memory::Device { pitch: strip.row_pitch };
            let (row_step, pixel_step) = match layout {
                Layout::Across => {
                    let (lines, length) = self.bounds.sides(memory, layout, shape.width, strip.rows, label_bytes)?;
                    (length, lines)
                }
                Layout::Along => self.bounds.sides(memory, layout, strip.rows, shape.width, label_bytes)?,
            };
            for (row, rows) in steps(strip.rows, row_step) {
                bands.push((first + row, pixel_step, Band { strip, row, rows, above }));
                above = Some((strip, row + rows - 1));
            }
            first += strip.rows;
        }
        let overlapped = |count: usize, work: Work<'_>| self.overlapped(count, work);
        let parts = try_map(overlapped, bands.len(), |number| {
            let (first, pixel_step, band) = &bands[number];
            Ok(Part { first: *first, boundaries: self.mark_band(layout, band, shape.width, *pixel_step)? })
        })?;
        Ok(MaskBoundaries { shape, order, layout, parts })
    }

    /// Marks some whole rows of a strip, some pixels of them at a time.
    fn mark_band<T: Label>(
        &self,
        layout: Layout,
        band: &Band<'_>,
        width: u32,
        pixel_step: u32,
    ) -> Result<Boundaries<T>> {
        let mut joined = Boundaries::none(0)?;
        let mut stretches = Vec::new();
        for (pixel, pixels) in steps(width, pixel_step) {
            let Bound { variant, params, labels } = self.bind::<T>(layout, band, pixel, pixels)?;
            let boundaries = self.mark_piece(variant, params, Labels::Device(labels))?;
            match layout {
                Layout::Across => append(&mut joined, vec![(0, boundaries)])?,
                Layout::Along => stretches.push((pixel, boundaries)),
            }
        }
        append(&mut joined, stretches)?;
        Ok(joined)
    }

    /// Where the kernels find some pixels of a band's rows.
    fn bind<'a, T: Label>(&self, layout: Layout, band: &Band<'a>, pixel: u32, pixels: u32) -> Result<Bound<'a>> {
        let bytes = T::DTYPE.bytes() as u64;
        let (skip, row_bytes) = (u64::from(pixel) * bytes, u64::from(pixels) * bytes);
        let pitch = band.strip.row_pitch;
        let first = band.strip.address(band.row) + skip;
        let end = band.strip.address(band.row + (band.rows - 1)) + skip + row_bytes;
        // What the first pixels are compared with: nothing, the row above, or the pixels before.
        let (forced, compared) = match layout {
            Layout::Across => match band.above {
                Some((strip, row)) => (false, (strip.buffer, strip.address(row) + skip)),
                None => (true, (band.strip.buffer, first)),
            },
            Layout::Along => (pixel == 0, (band.strip.buffer, first)),
        };
        let before = if forced || layout == Layout::Across { 0 } else { bytes };
        let span = |buffer: &'a Buffer, from: u64, address: u64, to: u64| Span { buffer, from, address, to };
        let labels = span(band.strip.buffer, first - before, first, end);
        let above = span(compared.0, compared.1, compared.1, compared.1 + row_bytes);
        let alignment = u64::from(self.device.limits().min_storage_buffer_offset_alignment).max(BLOCK);
        let aligned = pitch.is_multiple_of(BLOCK) && labels.is_aligned() && above.is_aligned();
        let (labels, first) = labels.bind(alignment, aligned)?;
        let (above, above_at) = above.bind(alignment, aligned)?;
        let (lines, length) = match layout {
            Layout::Across => (pixels, band.rows),
            Layout::Along => (band.rows, pixels),
        };
        let packed = Variant::packs(T::DTYPE, length);
        Ok(Bound {
            variant: Variant { dtype: T::DTYPE, layout, aligned, packed },
            labels: DeviceLabels { labels, above },
            params: Params {
                first,
                above: above_at,
                // One row has no next one, however far it is.
                pitch: if band.rows > 1 { pitch as u32 } else { 0 },
                blocks: row_bytes.div_ceil(BLOCK) as u32,
                lines,
                length,
                forced,
            },
        })
    }
}

impl DeviceStrip<'_> {
    /// What is wrong with the strip, when its rows have this many bytes.
    fn check(&self, row_bytes: u64) -> Result<(), String> {
        if self.rows == 0 || row_bytes == 0 {
            return Ok(());
        }
        if !self.buffer.usage().contains(BufferUsages::STORAGE) {
            return Err("its buffer was not made with the usage STORAGE".into());
        }
        if self.row_pitch < row_bytes {
            return Err(format!("rows of {row_bytes} bytes do not fit the pitch of {}", self.row_pitch));
        }
        let end = u64::from(self.rows - 1)
            .checked_mul(self.row_pitch)
            .and_then(|last| last.checked_add(self.offset)?.checked_add(row_bytes));
        match end {
            Some(end) if end <= self.buffer.size() / 4 * 4 => Ok(()),
            _ => Err(format!(
                "from byte {} with a pitch of {} it ends outside the {} bytes of its buffer's whole words",
                self.offset,
                self.row_pitch,
                self.buffer.size() / 4 * 4
            )),
        }
    }

    fn address(&self, row: u32) -> u64 {
        self.offset + u64::from(row) * self.row_pitch
    }
}

/// Some rows of a strip, and the row above them.
struct Band<'a> {
    strip: &'a DeviceStrip<'a>,
    row: u32,
    rows: u32,
    above: Option<(&'a DeviceStrip<'a>, u32)>,
}

/// What the kernels are told about some pixels on the device.
struct Bound<'a> {
    variant: Variant,
    labels: DeviceLabels<'a>,
    params: Params,
}

/// Bytes of a buffer: `from .. to`, of which `address` is the first pixel.
struct Span<'a> {
    buffer: &'a Buffer,
    from: u64,
    address: u64,
    to: u64,
}

impl<'a> Span<'a> {
    /// Whether it can be read in blocks, the last of which may reach behind its end.
    fn is_aligned(&self) -> bool {
        self.address.is_multiple_of(BLOCK) && self.to.next_multiple_of(BLOCK) <= self.buffer.size()
    }

    /// A binding that holds the span, and where the first pixel is in it.
    fn bind(&self, alignment: u64, aligned: bool) -> Result<(BufferBinding<'a>, u32)> {
        let offset = self.from / alignment * alignment;
        let end = self.to.next_multiple_of(if aligned { BLOCK } else { 4 });
        let first = u32::try_from(self.address - offset)
            .map_err(|_| engine_error("a binding of the device begins too far before its pixels"))?;
        Ok((BufferBinding { buffer: self.buffer, offset, size: BufferSize::new(end - offset) }, first))
    }
}
