//! The buffers for one piece at a time, kept from piece to piece, and the way of a piece through them.
//!
//! Gets labels, from the host or in a buffer that is already on the device; gives the piece's [`Boundaries`]; guarantees
//! that its buffers only grow, up to the bounds that pieces are cut by, so that memory stays flat over many masks.
//!
//! ```text
//!   host labels -> staging -> labels -> mark -> bits, counts -> column_scan -> starts, groups
//!                                 \                 \                              | read: where lines begin
//!                                  +-> scatter <----+------------------------------+ written: where groups begin
//!                                         | events, a window at a time
//!                                         v read
//! ```
//!
//! The second reading is as large as it needs to be, because the first says how many boundaries there are. Several sets of
//! buffers on several threads overlap: while one waits for its kernels, another fills its staging buffers.

#[cfg(test)]
mod stages;

use wgpu::{BufferUsages, MapMode};

use super::device::{Buffer, Device, Mapping};
use super::engine_error;
use super::kernels::{Kernel, Kernels};
use super::piece::{Bounds, GROUP, Params, Window};
use super::shader::Variant;
use super::timing::Timer;
use crate::boundary::{BOUNDARIES, Boundaries};
use crate::error::{Error, Result};
use crate::mask::Label;
use crate::memory::{reserve, zeroed};
use crate::strip::Layout;
use crate::threads;

/// Bytes of one staging buffer; two of them take turns.
const STAGING_BYTES: u64 = 8 << 20;

/// Events that a thread unpacks at a time: some pages of new memory.
const UNPACKED: usize = 1 << 15;

/// Bytes of the kernels' parameters.
const PARAMS_BYTES: u64 = 48;

/// Sizes below this are not worth a buffer of their own.
const SMALLEST_BUFFER: u64 = 4 << 10;

/// A buffer that grows.
#[derive(Debug, Default)]
struct Slot(Option<Buffer>);

impl Slot {
    /// The buffer, with room for `bytes`; it grows by doubling, up to `most`.
    fn fit(&mut self, device: &Device, name: &str, bytes: u64, most: u64, usage: BufferUsages) -> Result<&Buffer> {
        let buffer = match self.0.take() {
            Some(buffer) if buffer.size() >= bytes => buffer,
            // Given back before the larger one is asked for.
            smaller => {
                drop(smaller);
                let most = most.min(device.limits().max_buffer_size).max(bytes);
                let size = bytes.max(SMALLEST_BUFFER).next_power_of_two().min(most).next_multiple_of(4);
                device.buffer(name, size, usage)?
            }
        };
        Ok(self.0.insert(buffer))
    }

    fn get(&self) -> Result<&Buffer> {
        self.0.as_ref().ok_or_else(|| engine_error("a kernel was to run without its buffers"))
    }
}

/// A buffer through which the host writes.
#[derive(Debug, Default)]
struct Staging {
    slot: Slot,
    /// The mapping asked for when the buffer was last used.
    coming: Option<Mapping>,
}

/// The buffers for one piece at a time.
#[derive(Debug, Default)]
pub(crate) struct BufferSet {
    params: Slot,
    labels: Slot,
    bits: Slot,
    counts: Slot,
    starts: Slot,
    groups: Slot,
    events: Slot,
    heads: Slot,
    staging: [Staging; 2],
    results: [Slot; 2],
    /// Times the kernels, where asked for.
    pub timer: Option<Timer>,
}

/// Labels on the host, as rows of memory with a pitch of whole blocks.
pub(crate) trait Image {
    /// Bytes from one row to the next; a multiple of 16.
    fn pitch(&self) -> u64;
    /// Bytes before the first label of a row.
    fn lead(&self) -> u64;
    /// Number of rows.
    fn rows(&self) -> u32;
    /// The labels of a row.
    fn row(&self, row: u32) -> Result<&[u8]>;
}

/// Labels on the device.
#[derive(Clone, Debug)]
pub(crate) struct DeviceLabels<'a> {
    /// The rows of memory; `Params::first` and `Params::pitch` say where in the binding.
    pub labels: wgpu::BufferBinding<'a>,
    /// What holds the row above; `Params::above` says where in the binding.
    pub above: wgpu::BufferBinding<'a>,
}

/// Where the labels of a piece are.
#[derive(Clone)]
pub(crate) enum Labels<'a> {
    /// On the host, to be uploaded.
    Host(&'a dyn Image),
    /// On the device.
    Device(DeviceLabels<'a>),
}

/// What is to be done with a piece, and with what.
#[derive(Clone)]
pub(crate) struct Job<'a> {
    pub device: &'a Device,
    pub kernels: &'a Kernels,
    pub params: Params,
    pub labels: Labels<'a>,
    /// What buffers may hold.
    pub bounds: Bounds,
    /// Most bytes of events that are on the device at once.
    pub window: u64,
    /// Most bytes of events that are read at once.
    pub read: u64,
}

/// Events on their way to the host.
struct Arriving {
    coming: Mapping,
    /// The buffer that they arrive in.
    turn: usize,
    /// Number of the first of them.
    first: usize,
    /// How many.
    events: usize,
}

impl BufferSet {
    /// Puts an image into a buffer of this set.
    fn upload(&mut self, device: &Device, image: &dyn Image, most: u64) -> Result<()> {
        let bytes = image.pitch() * u64::from(image.rows());
        if device.unified() {
            let usage = BufferUsages::STORAGE | BufferUsages::MAP_WRITE;
            let labels = self.labels.fit(device, "labels", bytes, most, usage)?.raw();
            device.wait(device.map(labels, bytes, MapMode::Write, None))?;
            fill(image, 0, labels, bytes)?;
            labels.unmap();
            return Ok(());
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let mut labels = std::mem::take(&mut self.labels);
        self.copy(device, image, labels.fit(device, "labels", bytes, most, usage)?)?;
        self.labels = labels;
        Ok(())
    }

    /// Copies an image to the device, through two buffers in turn: one is filled while the other is copied from.
    pub(crate) fn copy(&mut self, device: &Device, image: &dyn Image, to: &Buffer) -> Result<()> {
        let bytes = image.pitch() * u64::from(image.rows());
        let mut start = 0;
        let mut turn = 0;
        while start < bytes {
            let size = (bytes - start).min(STAGING_BYTES);
            let staging = &mut self.staging[turn];
            let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
            let before = staging.slot.0.as_ref().map_or(0, Buffer::size);
            let buffer = staging.slot.fit(device, "uploads", size, STAGING_BYTES, usage)?;
            let coming = match staging.coming.take() {
                Some(coming) if buffer.size() == before => coming,
                _ => device.map(buffer.raw(), buffer.size(), MapMode::Write, None),
            };
            device.wait(coming)?;
            fill(image, start, buffer.raw(), size)?;
            buffer.raw().unmap();
            let mut encoder = device.encoder();
            encoder.copy_buffer_to_buffer(buffer.raw(), 0, to.raw(), start, size);
            let submission = device.submit(encoder);
            staging.coming = Some(device.map(buffer.raw(), buffer.size(), MapMode::Write, Some(submission)));
            start += size;
            turn = (turn + 1) % self.staging.len();
        }
        Ok(())
    }

    /// The boundaries of a piece.
    pub(crate) fn mark<T: Label>(&mut self, job: &Job<'_>) -> Result<Boundaries<T>> {
        if let Labels::Host(image) = job.labels {
            self.upload(job.device, image, job.bounds.labels)?;
        }
        let line_starts = self.mark_and_scan(job)?;
        let total = line_starts.last().copied().unwrap_or(0);
        let pixels = u64::from(job.params.lines) * u64::from(job.params.length);
        if u64::from(total) > pixels || !line_starts.is_sorted() {
            return Err(engine_error(format!("the adapter counted {total} boundaries in {pixels} pixels")));
        }
        let mut boundaries = Boundaries {
            line_starts,
            // Zeros that no page is touched for: each is when the thread that fills it gets there.
            offsets: zeroed(total.into(), BOUNDARIES)?,
            labels: zeroed(total.into(), BOUNDARIES)?,
        };
        self.scatter(job, &mut boundaries)?;
        Ok(boundaries)
    }

    /// Gives the first half its buffers.
    fn prepare(&mut self, job: &Job<'_>) -> Result<()> {
        let Job { device, params, bounds: Bounds { binding, .. }, .. } = *job;
        let on_device = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let uniform = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let on_host = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        self.params.fit(device, "parameters", PARAMS_BYTES, PARAMS_BYTES, uniform)?;
        self.bits.fit(device, "bits", params.bits_bytes(), binding, on_device)?;
        self.counts.fit(device, "counts", params.counts_bytes(), binding, on_device)?;
        self.starts.fit(device, "starts of lines", params.starts_bytes(), binding, on_device)?;
        let both = on_device | BufferUsages::COPY_DST;
        self.groups.fit(device, "groups of lines", params.groups_bytes(), binding, both)?;
        let heads_bytes = params.starts_bytes() + params.groups_bytes();
        self.heads.fit(device, "starts on the host", heads_bytes, u64::MAX, on_host)?;
        Ok(())
    }

    /// The first half: bits, counts, and where the boundaries of each line go.
    fn mark_and_scan(&mut self, job: &Job<'_>) -> Result<Vec<u32>> {
        self.prepare(job)?;
        let Job { device, params, .. } = *job;
        let lines = params.lines as usize;
        let (starts_bytes, groups_bytes) = (params.starts_bytes(), params.groups_bytes());
        let heads_bytes = starts_bytes + groups_bytes;
        let mut encoder = device.encoder();
        for kernel in [Kernel::Mark, Kernel::ColumnScan] {
            let workgroups = job.kernels.workgroups(kernel, params, Window::default(), 0);
            self.dispatch(job, &mut encoder, kernel, workgroups)?;
        }
        let heads = self.heads.get()?.raw();
        encoder.copy_buffer_to_buffer(self.starts.get()?.raw(), 0, heads, 0, starts_bytes);
        encoder.copy_buffer_to_buffer(self.groups.get()?.raw(), 0, heads, starts_bytes, groups_bytes);
        let submission = self.submit(job, encoder, Window::default())?;
        device.wait(device.map(heads, heads_bytes, MapMode::Read, Some(submission)))?;

        let mut line_starts = Vec::new();
        reserve(&mut line_starts, lines + 1, BOUNDARIES)?;
        {
            let view = mapped(heads, heads_bytes)?;
            let (starts, groups) = words_of(&view)?.split_at(lines);
            let (groups, total) = places_of(groups);
            for (starts, &group) in starts.chunks(GROUP as usize).zip(&groups) {
                line_starts.extend(starts.iter().map(|&start| group.wrapping_add(start)));
            }
            line_starts.push(total);
            device.queue().write_buffer(self.groups.get()?.raw(), 0, bytemuck::cast_slice(&groups));
        }
        heads.unmap();
        Ok(line_starts)
    }

    /// The second half: the boundaries themselves, one window after the other.
    fn scatter<T: Label>(&mut self, job: &Job<'_>, boundaries: &mut Boundaries<T>) -> Result<()> {
        let Job { device, kernels, params, bounds: Bounds { binding, .. }, .. } = *job;
        let event_bytes = u64::from(kernels.variant.event_bytes());
        let total = boundaries.line_starts.last().copied().unwrap_or(0);
        let most = |bytes: u64| u32::try_from(bytes / event_bytes).unwrap_or(u32::MAX).max(1);
        // What one scatter writes, and what is read at once.
        let (window_size, read_size) = (most(job.window.min(binding)), most(job.read.min(binding)));
        let (on_device, on_host) =
            (BufferUsages::STORAGE | BufferUsages::COPY_SRC, BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let mut reading = None;
        let mut turn = 0;
        for start in (0..total).step_by(window_size as usize) {
            let size = window_size.min(total - start);
            // The lines whose boundaries are in the window.
            let line_of = |event: u32| boundaries.line_starts.partition_point(|&first| first <= event) as u32 - 1;
            let window = Window { start, size, first_line: line_of(start), depth: params.depth(total) };
            let end_line = line_of(start + (size - 1)) + 1;
            self.events.fit(device, "events", u64::from(size) * event_bytes, binding, on_device)?;
            for from in (0..size).step_by(read_size as usize) {
                let events = read_size.min(size - from);
                let first = (start + from) as usize;
                let (from, bytes) = (u64::from(from) * event_bytes, u64::from(events) * event_bytes);
                self.results[turn].fit(device, "events on the host", bytes, binding, on_host)?;
                let result = self.results[turn].get()?.raw();
                let mut encoder = device.encoder();
                if from == 0 {
                    let workgroups = kernels.workgroups(Kernel::Scatter, params, window, end_line);
                    self.dispatch(job, &mut encoder, Kernel::Scatter, workgroups)?;
                }
                encoder.copy_buffer_to_buffer(self.events.get()?.raw(), from, result, 0, bytes);
                let submission = if from == 0 { self.submit(job, encoder, window)? } else { device.submit(encoder) };
                let coming = device.map(result, bytes, MapMode::Read, Some(submission));
                // The events before are unpacked while these are on their way.
                let arriving = Arriving { coming, turn, first, events: events as usize };
                if let Some(arriving) = reading.replace(arriving) {
                    self.unpack(job, arriving, boundaries)?;
                }
                turn = (turn + 1) % self.results.len();
            }
        }
        match reading {
            Some(arriving) => self.unpack(job, arriving, boundaries),
            None => Ok(()),
        }
    }

    /// Writes events that have arrived to their places among the boundaries.
    fn unpack<T: Label>(
        &self,
        job: &Job<'_>,
        Arriving { coming, turn, first, events }: Arriving,
        boundaries: &mut Boundaries<T>,
    ) -> Result<()> {
        job.device.wait(coming)?;
        let buffer = self.results[turn].get()?.raw();
        let variant = job.kernels.variant;
        let size = variant.event_bytes() as usize / 4;
        {
            let view = mapped(buffer, (4 * size * events) as u64)?;
            let places = first..first + events;
            let (offsets, labels) = (&mut boundaries.offsets[places.clone()], &mut boundaries.labels[places]);
            let to = offsets.chunks_mut(UNPACKED).zip(labels.chunks_mut(UNPACKED));
            let mut work: Vec<_> = words_of(&view)?.chunks(UNPACKED * size).zip(to).collect();
            threads::each_mut(&mut work, |(events, (offsets, labels))| {
                let to = offsets.iter_mut().zip(labels.iter_mut());
                // The kernels cut a label to its type's width, so it fits.
                let label = |word: u64| T::from_u64(word).unwrap_or_default();
                if variant.packed {
                    let place_bits = Variant::place_bits(variant.dtype);
                    let place = (1 << place_bits) - 1;
                    for (event, to) in events.iter().zip(to) {
                        (*to.0, *to.1) = (event & place, label(u64::from(event >> place_bits)));
                    }
                } else if size == 2 {
                    for (event, to) in events.as_chunks::<2>().0.iter().zip(to) {
                        (*to.0, *to.1) = (event[0], label(event[1].into()));
                    }
                } else {
                    for (event, to) in events.as_chunks::<4>().0.iter().zip(to) {
                        (*to.0, *to.1) = (event[0], label(u64::from(event[1]) | u64::from(event[2]) << 32));
                    }
                }
            });
        }
        buffer.unmap();
        Ok(())
    }

    /// Hands the kernels their numbers and starts them.
    fn submit(
        &self,
        job: &Job<'_>,
        mut encoder: wgpu::CommandEncoder,
        window: Window,
    ) -> Result<wgpu::SubmissionIndex> {
        let words = job.params.words(window);
        job.device.queue().write_buffer(self.params.get()?.raw(), 0, bytemuck::cast_slice(&words));
        if let Some(timer) = &self.timer {
            timer.resolve(&mut encoder);
        }
        let submission = job.device.submit(encoder);
        if let Some(timer) = &self.timer {
            timer.collect(job.device, submission.clone())?;
        }
        Ok(submission)
    }

    fn dispatch(
        &self,
        job: &Job<'_>,
        encoder: &mut wgpu::CommandEncoder,
        kernel: Kernel,
        workgroups: [u32; 3],
    ) -> Result<()> {
        let pipeline = job.kernels.pipeline(kernel);
        let entries = self.bindings(job, kernel)?;
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(buffer) })
            .collect();
        let group = job.device.raw().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.name()),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(kernel.name()),
            timestamp_writes: self.timer.as_ref().and_then(|timer| timer.writes(kernel)),
        });
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        let [x, y, z] = workgroups;
        pass.dispatch_workgroups(x, y, z);
        Ok(())
    }

    /// What a kernel reads and writes, by binding number.
    fn bindings<'a>(&'a self, job: &'a Job<'_>, kernel: Kernel) -> Result<Vec<(u32, wgpu::BufferBinding<'a>)>> {
        let whole = |slot: &'a Slot| Ok::<_, Error>(slot.get()?.raw().as_entire_buffer_binding());
        let (labels, above) = match &job.labels {
            Labels::Host(_) => (whole(&self.labels)?, whole(&self.labels)?),
            Labels::Device(given) => (given.labels.clone(), given.above.clone()),
        };
        let params = whole(&self.params)?;
        Ok(match kernel {
            Kernel::Mark => {
                let mut entries = vec![(0, params), (1, labels), (3, whole(&self.bits)?), (4, whole(&self.counts)?)];
                if job.kernels.variant.layout == Layout::Across {
                    entries.push((2, above));
                }
                entries
            }
            Kernel::ColumnScan => {
                vec![(0, params), (1, whole(&self.counts)?), (2, whole(&self.starts)?), (3, whole(&self.groups)?)]
            }
            Kernel::Scatter => vec![
                (0, params),
                (1, labels),
                (2, whole(&self.bits)?),
                (3, whole(&self.counts)?),
                (4, whole(&self.starts)?),
                (5, whole(&self.groups)?),
                (6, whole(&self.events)?),
            ],
        })
    }
}

/// Where the boundaries of each group of lines go, by their sums, and the total of all.
fn places_of(sums: &[u32]) -> (Vec<u32>, u32) {
    let mut total = 0u32;
    // What an adapter miscounted must not end in a panic; the total is checked by the caller.
    let places = sums.iter().map(|&sum| {
        let place = total;
        total = total.wrapping_add(sum);
        place
    });
    (places.collect(), total)
}

/// Writes the bytes `start .. start + size` of an image into a mapped buffer; padding stays what it was.
fn fill(image: &dyn Image, start: u64, buffer: &wgpu::Buffer, size: u64) -> Result<()> {
    let mut view = buffer.get_mapped_range_mut(..size).map_err(unmapped)?;
    let end = start + size;
    let first = u32::try_from(start / image.pitch()).unwrap_or(u32::MAX);
    for row in first..image.rows() {
        let at = u64::from(row) * image.pitch() + image.lead();
        if at >= end {
            break;
        }
        let bytes = image.row(row)?;
        // The part of the row that is in the range: nothing, all of it, or an end.
        let (from, to) = (at.max(start), (at + bytes.len() as u64).min(end));
        if from < to {
            let part = &bytes[(from - at) as usize..(to - at) as usize];
            view.slice((from - start) as usize..(to - start) as usize).copy_from_slice(part);
        }
    }
    Ok(())
}

fn mapped(buffer: &wgpu::Buffer, size: u64) -> Result<wgpu::BufferView> {
    buffer.get_mapped_range(..size).map_err(unmapped)
}

fn unmapped(error: wgpu::MapRangeError) -> Error {
    engine_error(format!("a buffer is not mapped: {error}"))
}

fn words_of(bytes: &[u8]) -> Result<&[u32]> {
    bytemuck::try_cast_slice(bytes).map_err(|error| engine_error(format!("a buffer is mapped crookedly: {error}")))
}
