//! `bench`: how long encoding and decoding of a mask in memory take, beside floors of the same machine in the same run.
//!
//! Samples of everything are taken in turn, so that whatever slows the machine down for a while slows all of them. The
//! answer is checked before anything is timed: another engine must find the same runs, and decoding must give the mask
//! back.

use std::io::{self, Write};
use std::time::Instant;

use runmask::format::{self, Format, WriteOptions};
use runmask::source::{self, Source};
use runmask::{
    Decoder, Dtype, Encoder, EncoderBuilder, Engine, Error, Label, LabelMask, LabelRuns, Result, ScanOrder, Shape,
};
use serde::Serialize;

use crate::args::Bench;
use crate::console::Console;
use crate::exit::Status;
use crate::progress::{Task, pixel_bytes};

/// Seconds that all samples together take, about, unless their number is given.
const PATIENCE: f64 = 4.0;

pub(crate) fn run(args: &Bench, console: &Console) -> Result<Status> {
    if args.resident && args.engine != Engine::Gpu {
        return Err(Error::Argument(
            "--resident is for --engine gpu: other engines have no memory of their own".into(),
        ));
    }
    let shape = Shape { height: args.height, width: args.width };
    let (mut source, name): (Box<dyn Source>, String) = match &args.mask {
        Some(path) => (source::open(path, &args.page.options(None))?, path.display().to_string()),
        None => (Box::new(args.looks.synth(args.synth, shape)?), format!("synthetic {:?}", args.synth).to_lowercase()),
    };
    let task = console.start(&name, pixel_bytes(&*source));
    let report = match source.dtype() {
        Dtype::U8 => Bed::<u8>::new(args, &mut *source, task)?.report(args, name),
        Dtype::U16 => Bed::<u16>::new(args, &mut *source, task)?.report(args, name),
        Dtype::U32 => Bed::<u32>::new(args, &mut *source, task)?.report(args, name),
        Dtype::U64 => Bed::<u64>::new(args, &mut *source, task)?.report(args, name),
    }?;
    if args.json {
        super::print_json(&report)?;
    } else {
        super::print(&report.text())?;
    }
    Ok(Status::Done)
}

/// A mask in memory and all that is timed on it.
struct Bed<T> {
    shape: Shape,
    layout: ScanOrder,
    pixels: Vec<T>,
    decoded: Vec<T>,
    encoder: Encoder,
    /// The same encoder, without memory of earlier masks.
    fresh: EncoderBuilder,
}

/// Seconds of one sample.
#[derive(Default)]
struct Sample {
    read_sweep: f64,
    encode: f64,
    encode_fresh: f64,
    mark: f64,
    compaction: f64,
    fill: f64,
    decode: f64,
    write: f64,
}

impl<T: Label> Bed<T> {
    fn new(args: &Bench, source: &mut dyn Source, task: Task) -> Result<Self> {
        let shape = source.shape();
        let mut pixels = room::<T>(shape)?;
        let width = shape.width as usize;
        let step = (width * source.band_rows() as usize).max(1 << 20).next_multiple_of(width.max(1));
        for rows in pixels.chunks_mut(step) {
            source.read_rows(bytemuck::cast_slice_mut(rows))?;
            task.advance(size_of_val(rows) as u64);
        }
        drop(task);
        if args.layout == ScanOrder::ColumnMajor {
            pixels = transpose(&pixels, shape)?;
        }
        let fresh = Encoder::builder().engine(args.engine).order(args.order);
        let encoder = fresh.clone().build()?;
        Ok(Self { shape, layout: args.layout, decoded: room::<T>(shape)?, pixels, encoder, fresh })
    }

    fn mask(&self) -> Result<LabelMask<'_, T>> {
        match self.layout {
            ScanOrder::RowMajor => LabelMask::new(&self.pixels, self.shape),
            ScanOrder::ColumnMajor => LabelMask::fortran(&self.pixels, self.shape),
        }
    }

    /// The runs, found twice on different ways and decoded.
    fn check(&mut self, order: ScanOrder) -> Result<LabelRuns> {
        let engine = self.encoder.engine_info().engine;
        let fault = |message: String| Error::Engine { engine: engine.name(), message };
        let runs = self.encoder.encode(&self.mask()?)?;
        let other = if engine == Engine::Scalar { Engine::Simd } else { Engine::Scalar };
        if Encoder::builder().engine(other).order(order).build()?.encode(&self.mask()?)? != runs {
            return Err(fault(format!("its runs are not those of the {other} engine")));
        }
        let mut decoded = std::mem::take(&mut self.decoded);
        Decoder::new(&runs, 0)?.decode_into(&mut decoded)?;
        self.decoded = decoded;
        let same = match self.layout {
            ScanOrder::RowMajor => self.decoded == self.pixels,
            ScanOrder::ColumnMajor => transpose(&self.decoded, self.shape)? == self.pixels,
        };
        if !same {
            return Err(fault("decoding its runs does not give the mask back".into()));
        }
        Ok(runs)
    }

    fn sample(&mut self, runs: &LabelRuns, text: Format) -> Result<Sample> {
        let mut sample = Sample::default();
        let start = Instant::now();
        std::hint::black_box(sweep(bytemuck::cast_slice(&self.pixels)));
        sample.read_sweep = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let found = self.encoder.encode(&self.mask()?)?;
        sample.encode = start.elapsed().as_secs_f64();
        self.compare(&found, runs)?;
        self.encoder.recycle(found);

        let start = Instant::now();
        let boundaries = self.encoder.boundaries(&self.mask()?)?;
        sample.mark = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let found = self.encoder.compact(&boundaries)?;
        sample.compaction = start.elapsed().as_secs_f64();
        self.compare(&found, runs)?;
        self.encoder.recycle_boundaries(boundaries);
        self.encoder.recycle(found);

        // A GPU takes longer to open than to work.
        if self.encoder.engine_info().engine != Engine::Gpu {
            let fresh = self.fresh.clone().build()?;
            let start = Instant::now();
            let found = fresh.encode(&self.mask()?)?;
            sample.encode_fresh = start.elapsed().as_secs_f64();
            self.compare(&found, runs)?;
        }

        let start = Instant::now();
        std::hint::black_box(&mut self.decoded).fill(std::hint::black_box(T::default()));
        sample.fill = start.elapsed().as_secs_f64();
        let start = Instant::now();
        Decoder::new(runs, 0)?.decode_into(&mut self.decoded)?;
        sample.decode = start.elapsed().as_secs_f64();

        let start = Instant::now();
        format::write(text, &mut Count::default(), runs, &WriteOptions::default())?;
        sample.write = start.elapsed().as_secs_f64();
        Ok(sample)
    }

    /// The memory that one encoding takes, its runs included, as the system counts it; `None` where it does not.
    fn extra_bytes(&self) -> Result<Option<u64>> {
        let encoder = self.fresh.clone().build()?;
        // Threads and code are there before anything is counted.
        encoder.encode(&LabelMask::new(&[T::default()], Shape { height: 1, width: 1 })?)?;
        let Some(before) = memory::reset_peak() else { return Ok(None) };
        let runs = encoder.encode(&self.mask()?)?;
        let peak = memory::peak();
        drop(runs);
        Ok(peak.map(|peak| peak.saturating_sub(before)))
    }

    fn compare(&self, found: &LabelRuns, runs: &LabelRuns) -> Result<()> {
        if found.run_count() == runs.run_count() {
            return Ok(());
        }
        let message = format!("{} runs, {} before", found.run_count(), runs.run_count());
        Err(Error::Engine { engine: self.encoder.engine_info().engine.name(), message })
    }

    fn report(mut self, args: &Bench, mask: String) -> Result<Report> {
        let order: ScanOrder = args.order;
        // First of all: memory that something else gave back would not be seen to be taken again.
        let encode_extra_bytes = self.extra_bytes()?;
        let runs = self.check(order)?;
        // The hubmap format where it holds the runs.
        let (text, text_bytes) = match Count::of(Format::Hubmap, &runs) {
            Ok(bytes) if order == ScanOrder::ColumnMajor => (Format::Hubmap, bytes),
            _ => (Format::Table, Count::of(Format::Table, &runs)?),
        };
        let start = Instant::now();
        self.sample(&runs, text)?;
        let wanted = (PATIENCE / start.elapsed().as_secs_f64()).clamp(3.0, 25.0) as usize;
        let samples = args.samples.map_or(wanted, std::num::NonZeroUsize::get);
        let samples = (0..samples).map(|_| self.sample(&runs, text)).collect::<Result<Vec<_>>>()?;
        let median = |value: fn(&Sample) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (mut mark_s, compaction_s) = (median(|sample| sample.mark), median(|sample| sample.compaction));
        let info = self.encoder.engine_info();
        let gpu = if info.engine == Engine::Gpu { Some(self.measure_gpu(args, samples.len())?) } else { None };
        if let Some(gpu) = gpu.as_ref().filter(|_| args.resident) {
            mark_s = gpu.mark_s;
        }
        let detail = |engine: Engine| (info.engine == engine).then(|| info.detail.clone());
        Ok(Report {
            mask,
            height: self.shape.height,
            width: self.shape.width,
            dtype: T::DTYPE.name(),
            order: order.name(),
            layout: self.layout.name(),
            labels: runs.labels().len(),
            runs: runs.run_count(),
            engine: info.engine.name(),
            level: detail(Engine::Simd),
            adapter: detail(Engine::Gpu),
            threads: self.encoder.threads(),
            samples: samples.len(),
            encode_s: match args.resident {
                true => mark_s + compaction_s,
                false => median(|sample| sample.encode),
            },
            encode_fresh_s: (info.engine != Engine::Gpu).then(|| median(|sample| sample.encode_fresh)),
            encode_extra_bytes,
            read_sweep_s: median(|sample| sample.read_sweep),
            decode_s: median(|sample| sample.decode),
            fill_s: median(|sample| sample.fill),
            write_s: median(|sample| sample.write),
            write_bytes: text_bytes,
            write_format: text.name(),
            stages: Stages { mark_s, compaction_s },
            gpu,
            mask_bytes: self.shape.pixels() * T::DTYPE.bytes() as u64,
        })
    }
}

#[cfg(not(feature = "gpu"))]
impl<T: Label> Bed<T> {
    fn measure_gpu(&self, _: &Bench, _: usize) -> Result<GpuFigures> {
        Err(Error::Unsupported("this program was built without the feature `gpu`".into()))
    }
}

#[cfg(feature = "gpu")]
impl<T: Label> Bed<T> {
    /// What the device's own clock says, and how fast the device copies.
    fn measure_gpu(&self, args: &Bench, samples: usize) -> Result<GpuFigures> {
        use runmask::gpu::{Gpu, GpuOptions, Residence};
        let residence = if args.resident { Residence::Device } else { Residence::Host };
        let gpu = Gpu::open(&GpuOptions::default().timing())?;
        let measured = gpu.measure(&self.mask()?, args.order, residence, samples as u32)?;
        Ok(GpuFigures {
            resident: args.resident,
            mark_s: measured.wall.as_secs_f64(),
            kernel_s: measured.kernels.map(|kernels| KernelSeconds {
                sum: kernels.total().as_secs_f64(),
                mark: kernels.mark.as_secs_f64(),
                column_scan: kernels.column_scan.as_secs_f64(),
                scatter: kernels.scatter.as_secs_f64(),
            }),
            bytes_per_pixel: measured.bytes_per_pixel,
            copy_rate: measured.copy_rate,
            share_of_copy_rate: measured.share_of_copy_rate(),
        })
    }
}

/// Resident memory of this process, in bytes, where Linux tells it.
mod memory {
    fn status(name: &str) -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches(':').trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }

    /// Lets the peak begin anew; gives what is resident now.
    pub(super) fn reset_peak() -> Option<u64> {
        std::fs::write("/proc/self/clear_refs", "5").ok()?;
        status("VmRSS")
    }

    /// The most that was resident since.
    pub(super) fn peak() -> Option<u64> {
        status("VmHWM")
    }
}

/// Room for a mask, or an error when the machine has none.
fn room<T: Label>(shape: Shape) -> Result<Vec<T>> {
    let mut pixels = Vec::new();
    match usize::try_from(shape.pixels()).map(|count| pixels.try_reserve_exact(count).map(|()| count)) {
        Ok(Ok(count)) => {
            pixels.resize(count, T::default());
            Ok(pixels)
        }
        _ => Err(Error::LimitExceeded {
            what: format!("a mask in memory, pixels of {}", T::DTYPE),
            limit: isize::MAX as u64 / T::DTYPE.bytes() as u64,
            found: shape.pixels(),
        }),
    }
}

/// The same pixels column after column.
fn transpose<T: Label>(pixels: &[T], shape: Shape) -> Result<Vec<T>> {
    /// A side of the squares that are moved at once, so that both sides stay in cache.
    const SQUARE: usize = 32;
    let mut columns = room::<T>(shape)?;
    let (height, width) = (shape.height as usize, shape.width as usize);
    for top in (0..height).step_by(SQUARE) {
        for left in (0..width).step_by(SQUARE) {
            for row in top..height.min(top + SQUARE) {
                for column in left..width.min(left + SQUARE) {
                    columns[column * height + row] = pixels[row * width + column];
                }
            }
        }
    }
    Ok(columns)
}

/// Reads every byte once, as fast as one thread can.
fn sweep(bytes: &[u8]) -> u64 {
    // Independent sums, so that additions do not wait for each other.
    let mut sums = [0_u64; 16];
    let mut blocks = bytes.chunks_exact(128);
    for block in &mut blocks {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum ^= u64::from_ne_bytes(*word);
        }
    }
    let rest = blocks.remainder().iter().fold(0, |sum, &byte| sum ^ u64::from(byte));
    sums.iter().fold(rest, |all, sum| all ^ sum)
}

/// Counts what is written to it.
#[derive(Default)]
struct Count(u64);

impl Count {
    fn of(format: Format, runs: &LabelRuns) -> Result<u64> {
        let mut count = Self::default();
        format::write(format, &mut count, runs, &WriteOptions::default())?;
        Ok(count.0)
    }
}

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += std::hint::black_box(bytes).len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that was measured, in seconds.
#[derive(Serialize)]
struct Report {
    mask: String,
    height: u32,
    width: u32,
    dtype: &'static str,
    order: &'static str,
    layout: &'static str,
    labels: usize,
    runs: usize,
    engine: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter: Option<String>,
    threads: usize,
    samples: usize,
    encode_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    encode_fresh_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encode_extra_bytes: Option<u64>,
    read_sweep_s: f64,
    decode_s: f64,
    fill_s: f64,
    write_s: f64,
    write_bytes: u64,
    write_format: &'static str,
    stages: Stages,
    #[serde(flatten)]
    gpu: Option<GpuFigures>,
    #[serde(skip)]
    mask_bytes: u64,
}

/// What only the gpu engine has.
#[derive(Serialize)]
struct GpuFigures {
    /// Whether the mask was in the device's memory already.
    resident: bool,
    /// From the call to the boundaries on the host.
    #[serde(skip)]
    mark_s: f64,
    /// By the device's own clock; none where the adapter has none.
    kernel_s: Option<KernelSeconds>,
    /// Bytes that the kernels read and write for each pixel, counted from their design.
    bytes_per_pixel: f64,
    /// Bytes that a copy on the device reads and writes in a second.
    copy_rate: f64,
    /// Label bytes, once, over the kernels' time, over the copy rate.
    share_of_copy_rate: Option<f64>,
}

#[derive(Serialize)]
struct KernelSeconds {
    sum: f64,
    mark: f64,
    column_scan: f64,
    scatter: f64,
}

#[derive(Serialize)]
struct Stages {
    mark_s: f64,
    compaction_s: f64,
}

impl Report {
    fn text(&self) -> String {
        let variant = self.level.as_ref().or(self.adapter.as_ref()).map_or(String::new(), |name| format!(" ({name})"));
        let mut text = format!(
            "{}: height {} x width {}, {}, {} in memory, runs {}\n{} labels, {} runs\nengine {}{variant}, {} threads, \
             medians of {} samples\n\n",
            self.mask,
            self.height,
            self.width,
            self.dtype,
            self.layout,
            self.order,
            self.labels,
            self.runs,
            self.engine,
            self.threads,
            self.samples
        );
        let mut line = |name: &str, seconds: f64, bytes: u64, floor: Option<(f64, &str)>| {
            let rate = bytes as f64 / seconds / 1e9;
            let ratio = floor.map_or(String::new(), |(floor, name)| format!("{:8.2} x {name}", seconds / floor));
            text.push_str(&format!("{name:13}{:11.3} ms{rate:9.2} GB/s{ratio}\n", seconds * 1e3));
        };
        let bytes = self.mask_bytes;
        let read = Some((self.read_sweep_s, "read sweep"));
        line("read sweep", self.read_sweep_s, bytes, None);
        line("encode", self.encode_s, bytes, read);
        line("  mark", self.stages.mark_s, bytes, read);
        line("  compaction", self.stages.compaction_s, bytes, read);
        if let Some(seconds) = self.encode_fresh_s {
            line("encode, fresh", seconds, bytes, read);
        }
        line("fill", self.fill_s, bytes, None);
        line("decode", self.decode_s, bytes, Some((self.fill_s, "fill")));
        line(&format!("{} CSV", self.write_format), self.write_s, self.write_bytes, None);
        if let Some(extra) = self.encode_extra_bytes {
            let share = extra as f64 / bytes as f64 * 100.0;
            let each = extra as f64 / self.runs.max(1) as f64;
            text.push_str(&format!(
                "memory       {:11.1} MB beside the mask while it is encoded, its runs included: {share:.1} % of it, or {each:.1} bytes a run\n",
                extra as f64 / 1e6
            ));
        }
        if let Some(gpu) = &self.gpu {
            text.push_str(&gpu.text());
        }
        text
    }
}

impl GpuFigures {
    fn text(&self) -> String {
        let kernels = self.kernel_s.as_ref().map_or_else(
            || "kernels       not timed: this adapter has no clock".to_owned(),
            |kernels| {
                let ms = |seconds: f64| seconds * 1e3;
                format!(
                    "kernels      {:11.3} ms: mark {:.3}, column scan {:.3}, scatter {:.3}",
                    ms(kernels.sum),
                    ms(kernels.mark),
                    ms(kernels.column_scan),
                    ms(kernels.scatter)
                )
            },
        );
        let share = self.share_of_copy_rate.map_or(String::new(), |share| {
            format!("; labels once over the kernels' time are {:.1} % of it", share * 100.0)
        });
        let place = if self.resident { "on the device" } else { "on the host" };
        format!(
            "\nmask {place}, {:.2} bytes a pixel\n{kernels}\ndevice copy  {:11.1} GB/s{share}\n",
            self.bytes_per_pixel,
            self.copy_rate / 1e9
        )
    }
}
