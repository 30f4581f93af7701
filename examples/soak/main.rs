//! Proof by volume: drawn masks through every engine, held against oracles, for as long as there is time.
//!
//! ```text
//! cargo run --release --example soak --features parquet -- --seconds 600 --threads 16 --state soak.state
//! ```
//!
//! Each mask is drawn from the seed and its number. It is encoded by every engine and level of this machine, in several
//! layouts, cuts and numbers of threads, in both scan orders and with some background; decoded again; read as a stream and in
//! blocks, from mask files and Zarr stores (`files.rs`, `stores.rs`) too; packed and merged; and, where it is small, written in
//! every format and put through the operations on runs. Everything is compared, by
//! pixels where the mask is small, with runs that plain code finds: see `quick.rs` and `tests/oracle`. A pixel counts once for
//! each result that was compared over it.
//!
//! The first difference is told with the seed and the number of the mask, and ends the program with status 1;
//! `--only NUMBER` (or `--only gpu:NUMBER`) runs that mask alone. The program needs nothing but itself: where there is a
//! Vulkan adapter, threads more compare the GPU engine (`--gpu off` leaves it out, `--threads 0` leaves it alone; beside
//! others a software adapter works a fifth of the time). A line a minute tells the totals; `--state FILE` keeps them, and the next start goes on from there.

mod draw;
mod engines;
#[cfg(feature = "zarr")]
mod files;
#[cfg(feature = "gpu")]
mod gpu;
mod ledger;
#[path = "../../fuzz/src/operations.rs"]
mod operations;
#[path = "../../tests/oracle/mod.rs"]
mod oracle;
mod quick;
mod small;
#[cfg(feature = "zarr")]
mod stores;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::draw::Numbers;
use self::engines::Worker;
use self::ledger::{Ledger, Totals};

/// The sequences of masks.
const PROCESSOR: usize = 0;
const GPU: usize = 1;

struct Options {
    seconds: u64,
    threads: usize,
    seed: Option<u64>,
    state: Option<PathBuf>,
    only: Option<(usize, u64)>,
    gpu: bool,
}

fn options() -> Result<Options, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options { seconds: u64::MAX, threads, seed: None, state: None, only: None, gpu: true };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word}: there is no value"))?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{word} {value}: expected a number"));
        match word.as_str() {
            "--seconds" => options.seconds = number(&value)?,
            "--threads" => options.threads = number(&value)? as usize,
            "--seed" => options.seed = Some(number(&value)?),
            "--state" => options.state = Some(value.into()),
            "--only" => {
                options.only = Some(match value.strip_prefix("gpu:") {
                    Some(of_gpu) => (GPU, number(of_gpu)?),
                    None => (PROCESSOR, number(&value)?),
                });
            }
            "--gpu" if value == "on" || value == "off" => options.gpu = value == "on",
            _ => {
                let known = "--seconds N, --threads N, --seed N, --state FILE, --only NUMBER, --gpu on|off";
                return Err(format!("{word} {value}: expected {known}"));
            }
        }
    }
    Ok(options)
}

/// What all threads share.
struct Shared {
    ledger: Mutex<Ledger>,
    stop: AtomicBool,
    fault: Mutex<Option<String>>,
    seed: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Does one mask; its fault stops everything.
    fn mask(
        &self,
        sequence: usize,
        number: u64,
        work: impl Fn(&mut Numbers) -> Result<Totals, String>,
    ) -> Option<Totals> {
        // The masks of the GPU are others.
        let mut numbers = Numbers::of(self.seed ^ (sequence as u64) << 63, number);
        let answer = catch_unwind(AssertUnwindSafe(|| work(&mut numbers)));
        let text = match answer {
            Ok(Ok(totals)) => return Some(totals),
            Ok(Err(text)) => text,
            Err(_) => "a panic, see above".to_owned(),
        };
        let prefix = if sequence == GPU { "gpu:" } else { "" };
        let text = format!("seed {}, mask {number} (--seed {} --only {prefix}{number}): {text}", self.seed, self.seed);
        lock(&self.fault).get_or_insert(text);
        self.stop.store(true, Ordering::Relaxed);
        None
    }

    /// Does one mask after the other.
    fn run(&self, sequence: usize, rest: u32, work: impl Fn(&mut Numbers) -> Result<Totals, String>) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = lock(&self.ledger).begin(sequence);
            let before = Instant::now();
            let Some(totals) = self.mask(sequence, number, &work) else { return };
            lock(&self.ledger).done(sequence, number, totals);
            let until = before.elapsed() * rest;
            while before.elapsed() < until && !self.stop.load(Ordering::Relaxed) {
                std::thread::sleep((until - before.elapsed().min(until)).min(Duration::from_millis(200)));
            }
        }
    }
}

/// Everything on one thread of rayon, unless a mask asks for more.
fn on_one_thread(work: impl FnOnce() + Send) {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

fn soak() -> Result<(), String> {
    let options = options()?;
    let found = match &options.state {
        Some(path) => Ledger::load(path)?,
        None => None,
    };
    let ledger = match (found, options.seed) {
        (Some(ledger), Some(seed)) if ledger.seed != seed => {
            return Err(format!("the state is of seed {}, not {seed}", ledger.seed));
        }
        (Some(ledger), _) => ledger,
        (None, seed) => Ledger::new(seed.unwrap_or(1)),
    };
    let seed = ledger.seed;
    let shared = Shared { ledger: Mutex::new(ledger), stop: AtomicBool::new(false), fault: Mutex::new(None), seed };
    #[cfg(feature = "gpu")]
    let device = if options.gpu && options.only.is_none_or(|(sequence, _)| sequence == GPU) {
        gpu::Device::open()?
    } else {
        None
    };
    if let Some((sequence, number)) = options.only {
        on_one_thread(|| {
            let totals = match sequence {
                PROCESSOR => shared.mask(sequence, number, |numbers| engines::mask(&Worker::new()?, numbers)),
                #[cfg(feature = "gpu")]
                _ => shared.mask(sequence, number, |numbers| match &device {
                    Some(device) => gpu::mask(device, numbers),
                    None => Err("there is no adapter".to_owned()),
                }),
                #[cfg(not(feature = "gpu"))]
                _ => None,
            };
            println!("{}", totals.unwrap_or_default().line());
        });
        return lock(&shared.fault).take().map_or(Ok(()), Err);
    }
    #[cfg(feature = "gpu")]
    match &device {
        Some(device) => println!("seed {seed}, {} threads, gpu: {}", options.threads, device.name),
        None => println!("seed {seed}, {} threads, no gpu", options.threads),
    }
    let begun = Instant::now();
    let report = |last: bool| -> Result<(), String> {
        let ledger = lock(&shared.ledger);
        let seconds = begun.elapsed().as_secs();
        let all = ledger.seconds + seconds;
        let word = if last { "end" } else { "soak" };
        println!(
            "{word} {all} s, {} masks, {:.4e} pixels, 0 differences: {}",
            ledger.masks(),
            ledger.totals.sum() as f64,
            ledger.totals.line()
        );
        options.state.as_ref().map_or(Ok(()), |path| ledger.save(path, seconds))
    };
    let answer = std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                on_one_thread(|| match Worker::new() {
                    Ok(worker) => shared.run(PROCESSOR, 0, |numbers| engines::mask(&worker, numbers)),
                    Err(text) => {
                        lock(&shared.fault).get_or_insert(text);
                        shared.stop.store(true, Ordering::Relaxed);
                    }
                });
            });
        }
        #[cfg(feature = "gpu")]
        if let Some(device) = &device {
            // Drawing and the expected runs take longer than a card.
            let (workers, rest) = match device.software && options.threads > 0 {
                true => (1, 4),
                false => ((options.threads / 4).max(1), 0),
            };
            let shared = &shared;
            for _ in 0..workers {
                scope.spawn(move || {
                    on_one_thread(|| shared.run(GPU, rest, |numbers| gpu::mask(device, numbers)));
                });
            }
        }
        let mut next = Duration::from_secs(60);
        let mut answer = Ok(());
        while !shared.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100));
            if begun.elapsed() >= next {
                next += Duration::from_secs(60);
                answer = report(false);
            }
            if begun.elapsed().as_secs() >= options.seconds || answer.is_err() {
                shared.stop.store(true, Ordering::Relaxed);
            }
        }
        answer
    });
    if let Some(fault) = lock(&shared.fault).take() {
        return Err(fault);
    }
    answer?;
    report(true)
}

fn main() -> ExitCode {
    match soak() {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("soak: {text}");
            ExitCode::FAILURE
        }
    }
}
