//! The gpu engine in figures: one table, on whatever adapter there is, every line checked against a CPU engine first.
//!
//! ```text
//! cargo bench --bench gpu                          masks of 4096 x 4096 pixels
//! cargo bench --bench gpu -- --side 65536          larger ones, where the adapter and the memory are
//! cargo bench --bench gpu -- --adapter NVIDIA      a certain adapter
//! ```
//!
//! A line gives the labels' bytes, once, over the kernels' time by the device's clock; the share of the copy rate that is
//! (a copy on the device in the same run, bytes read and bytes written both counted); the bytes that the kernels move for
//! each pixel, counted from their design; and wall times: with the mask on the device, and with it on the host. Where there
//! is an `nvcc`, it is beside a transpose and CUB's run-length encoding on the same card (`benches/cub.cu`).
//!
//! What is printed belongs into `benches/record/`, with the date.

use std::io::Write;
use std::process::{Command, ExitCode};
use std::time::Duration;

use runmask::gpu::{Gpu, GpuOptions, Measurement, Residence};
use runmask::source::Source;
use runmask::source::synth::{Kind, Synth};
use runmask::{Dtype, Encoder, Engine, Error, Label, LabelMask, Result, ScanOrder, Shape};

const SEED: u64 = 1;
const REPEATS: u32 = 7;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gpu bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let side = match value("--side") {
        Some(side) => side.parse().map_err(|_| Error::Argument(format!("--side {side} is no number of pixels")))?,
        None => 4096,
    };
    let mut options = GpuOptions::default().timing();
    if let Some(name) = value("--adapter") {
        options = options.adapter(name);
    }
    let gpu = Gpu::open(&options)?;
    println!("adapter: {}", gpu.info());
    println!("copy on the device: {:.1} GB/s, bytes read and written", gpu.copy_rate()? / 1e9);
    let cub = match Cub::build() {
        Ok(cub) => Some(cub),
        Err(why) => {
            println!("CUB: not measured ({why})");
            None
        }
    };
    println!("masks of {side} x {side} pixels, medians of {REPEATS} runs\n");
    println!(
        "| labels | content | order | boundaries | kernels | of that mark, scans, scatter | labels read | share of copy | bytes moved | wall, on the device | wall, from the host | transpose and CUB |"
    );
    println!("|---|---|---|---:|---:|---|---:|---:|---:|---:|---:|---:|");
    for (name, kind) in [("sparse", Kind::Glomeruli), ("cells", Kind::Cells), ("noise", Kind::Noise)] {
        let numbers = labels_of(kind, side)?;
        table::<u8>(&gpu, cub.as_ref(), name, &numbers, side)?;
        table::<u16>(&gpu, cub.as_ref(), name, &numbers, side)?;
        table::<u32>(&gpu, cub.as_ref(), name, &numbers, side)?;
    }
    Ok(())
}

/// The labels of a mask, as wide as any.
fn labels_of(kind: Kind, side: u32) -> Result<Vec<u32>> {
    let shape = Shape { height: side, width: side };
    let mut source = Synth::new(kind, shape, Dtype::U32, None, SEED)?;
    let mut labels = vec![0u32; shape.pixels() as usize];
    source.read_rows(bytemuck::cast_slice_mut(&mut labels))?;
    Ok(labels)
}

fn table<T: Label>(gpu: &Gpu, cub: Option<&Cub>, content: &str, numbers: &[u32], side: u32) -> Result<()> {
    // Labels that the type does not hold start again from 1.
    let narrow = |&number: &u32| match u64::from(number) {
        0 => T::default(),
        number => T::from_u64((number - 1) % T::DTYPE.max() + 1).unwrap_or_default(),
    };
    let pixels: Vec<T> = numbers.iter().map(narrow).collect();
    let mask = LabelMask::new(&pixels, Shape { height: side, width: side })?;
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        let expected = Encoder::builder().engine(Engine::Simd).order(order).build()?.encode(&mask)?;
        let on_device = gpu.measure(&mask, order, Residence::Device, REPEATS)?;
        let from_host = gpu.measure(&mask, order, Residence::Host, REPEATS)?;
        let encoder = Encoder::builder().engine(Engine::Gpu).gpu(GpuOptions::default().adapter(&gpu.info().name));
        let found = encoder.order(order).build()?.encode(&mask)?;
        if found != expected {
            return Err(Error::Engine {
                engine: "gpu",
                message: format!("{content} {} {order}: wrong runs", T::DTYPE),
            });
        }
        let cub = match cub.filter(|_| order == ScanOrder::ColumnMajor) {
            Some(cub) => Some(cub.measure(&mask, &pixels)?),
            None => None,
        };
        line::<T>(content, order, &on_device, &from_host, cub);
    }
    Ok(())
}

/// The program in `benches/cub.cu`.
struct Cub(tempfile::TempDir);

impl Cub {
    fn build() -> std::result::Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/cub.cu");
        let built = Command::new("nvcc")
            .args(["-O3", "-arch=native", "-o"])
            .arg(folder.path().join("cub"))
            .arg(source)
            .output();
        match built {
            Err(error) => Err(format!("nvcc: {error}")),
            Ok(built) if !built.status.success() => Err(String::from_utf8_lossy(&built.stderr).trim().into()),
            Ok(_) => Ok(Self(folder)),
        }
    }

    /// The time of a transpose and an encoding on the device, after checking that as many runs were found.
    fn measure<T: Label>(&self, mask: &LabelMask<'_, T>, pixels: &[T]) -> Result<Duration> {
        let fault = |message: String| Error::Engine { engine: "CUB", message };
        let Shape { height, width } = mask.shape();
        let path = self.0.path().join("mask.raw");
        std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(bytemuck::cast_slice(pixels)))
            .map_err(|error| fault(error.to_string()))?;
        let output = Command::new(self.0.path().join("cub"))
            .arg(&path)
            .args([height.to_string(), width.to_string(), size_of::<T>().to_string(), REPEATS.to_string()])
            .output()
            .map_err(|error| fault(error.to_string()))?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = told.split_whitespace();
        let seconds = words.next().and_then(|word| word.parse::<f64>().ok());
        let (Some(seconds), Some(found)) = (seconds, words.next().and_then(|word| word.parse::<usize>().ok())) else {
            return Err(fault(String::from_utf8_lossy(&output.stderr).trim().into()));
        };
        let all = Encoder::builder().background(None).build()?.encode(mask)?.run_count();
        if found != all {
            return Err(fault(format!("{found} runs, but there are {all}")));
        }
        Ok(Duration::from_secs_f64(seconds))
    }
}

fn line<T: Label>(
    content: &str,
    order: ScanOrder,
    on_device: &Measurement,
    from_host: &Measurement,
    cub: Option<Duration>,
) {
    let cub = match (cub, on_device.kernels) {
        (Some(cub), Some(times)) => {
            format!("{:.3} ms, {:.1} x", 1e3 * cub.as_secs_f64(), cub.as_secs_f64() / times.total().as_secs_f64())
        }
        (Some(cub), None) => format!("{:.3} ms", 1e3 * cub.as_secs_f64()),
        (None, _) => "-".into(),
    };
    let milliseconds = |time: Duration| format!("{:.3} ms", 1e3 * time.as_secs_f64());
    let (kernels, parts, rate, share) = match on_device.kernels {
        Some(times) => (
            milliseconds(times.total()),
            [times.mark, times.column_scan, times.scatter].map(milliseconds).join(", "),
            format!("{:.1} GB/s", on_device.label_bytes as f64 / times.total().as_secs_f64() / 1e9),
            on_device.share_of_copy_rate().map_or_else(|| "-".into(), |share| format!("{:.0} %", 100.0 * share)),
        ),
        None => ["-"; 4].map(str::to_owned).into(),
    };
    println!(
        "| {} | {content} | {order} | {} | {kernels} | {parts} | {rate} | {share} | {:.2} B/px | {} | {} | {cub} |",
        T::DTYPE,
        on_device.boundaries,
        on_device.bytes_per_pixel,
        milliseconds(on_device.wall),
        milliseconds(from_host.wall),
    );
}
