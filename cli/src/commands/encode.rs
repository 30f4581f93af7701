//! `encode`: masks to run files.
//!
//! One mask's error ends the program; of several masks one that fails does not stop the others.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use runmask::format::{self, Format, LineEnding, WriteOptions};
use runmask::source::{self, OpenOptions};
use runmask::{Encoder, Engine, Error, LabelRuns, Result, ScanOrder};
use serde::Serialize;

use crate::args::{Encode, EncoderArgs, WriteArgs};
use crate::exit::{self, Status};
use crate::output::{Output, is_stream, refuse_inputs};
use crate::progress::{Progress, Watched};

/// Masks that are worked on at once: each has rows and tiles in memory, and all cores are busy with a few.
const AT_ONCE: usize = 4;

pub(crate) fn run(args: &Encode, progress: Progress) -> Result<Status> {
    let jobs = jobs(args)?;
    let encoder = args.encoder.build(jobs.len())?;
    let mut open = args.mask.options(args.raw.layout());
    if let Some(memory) = args.encoder.memory {
        open.memory = open.memory.min(memory / 2);
    }
    open.memory /= at_once(jobs.len()) as u64;
    let work = Work { args, encoder, open };
    if let [job] = &jobs[..] {
        let started = Instant::now();
        let done = work.encode_unless_there(job, progress)?;
        if args.json {
            summarize(&[Slide::new(job, Ok(done), started)])?;
        }
        return Ok(Status::Done);
    }
    let slides = work.encode_all(&jobs, progress);
    let count = |status| slides.iter().filter(|slide| slide.status == status).count();
    let (encoded, skipped, failed) = (count("encoded"), count("skipped"), count("failed"));
    exit::say(&format!("{encoded} encoded, {skipped} skipped, {failed} failed"));
    if args.json {
        summarize(&slides)?;
    }
    Ok(if failed > 0 { Status::Failed } else { Status::Done })
}

/// A mask and where its runs go.
struct Job {
    mask: PathBuf,
    output: PathBuf,
    format: Format,
}

/// Every mask with its output; an error when two outputs are one, or one is an input, before anything is touched.
fn jobs(args: &Encode) -> Result<Vec<Job>> {
    if args.output.is_some() && args.masks.len() > 1 {
        return Err(Error::Argument(format!(
            "{} masks and one output file: name a folder with --out-dir",
            args.masks.len()
        )));
    }
    if args.verify && args.masks.iter().any(|mask| is_stream(mask)) {
        return Err(Error::Argument("standard input cannot be read twice, which --verify does".into()));
    }
    let jobs = args.masks.iter().map(|mask| job(mask, args)).collect::<Result<Vec<_>>>()?;
    let mut outputs = HashMap::new();
    for job in &jobs {
        if let Some(other) = outputs.insert(&job.output, &job.mask) {
            return Err(Error::Argument(format!(
                "the runs of {} and of {} would both go to {}",
                other.display(),
                job.mask.display(),
                job.output.display()
            )));
        }
        refuse_inputs(&job.output, args.masks.iter().map(PathBuf::as_path))?;
        if args.json && is_stream(&job.output) {
            return Err(Error::Argument("runs and summary cannot both go to standard output".into()));
        }
    }
    Ok(jobs)
}

fn job(mask: &Path, args: &Encode) -> Result<Job> {
    let format = args.write.format;
    let job = |output: PathBuf, format| Job { mask: mask.to_path_buf(), output, format };
    if let Some(output) = &args.output {
        let format = format.or_else(|| Format::from_path(output)).unwrap_or(Format::Hubmap);
        return Ok(job(output.clone(), format));
    }
    let format = format.unwrap_or(Format::Hubmap);
    if is_stream(mask) {
        return match &args.out_dir {
            None => Ok(job("-".into(), format)),
            Some(_) => Err(Error::Argument("standard input has no name: say with -o where its runs go".into())),
        };
    }
    let output = mask.with_extension(extension(format));
    match (&args.out_dir, output.file_name()) {
        (None, _) => Ok(job(output, format)),
        (Some(folder), Some(name)) => Ok(job(folder.join(name), format)),
        (Some(_), None) => Err(Error::Argument(format!("{}: not the name of a file", mask.display()))),
    }
}

/// The extension of a format's files.
fn extension(format: Format) -> &'static str {
    match format {
        Format::Coco | Format::Sam | Format::LabelStudio => "json",
        Format::Cvat => "xml",
        Format::Runs => "parquet",
        _ => "csv",
    }
}

impl EncoderArgs {
    /// The encoder for so many masks, of which some are worked on at once.
    fn build(&self, masks: usize) -> Result<Encoder> {
        let mut builder =
            Encoder::builder().engine(self.engine.into()).order(self.order.into()).background(self.background.0);
        if let Some(memory) = self.memory {
            builder = builder.memory(memory / at_once(masks) as u64);
        }
        builder.build()
    }

    /// The runs of the same mask by the engine that defines them.
    fn check(&self, runs: &LabelRuns, path: &Path, open: &OpenOptions, progress: Progress) -> Result<()> {
        let encoder =
            Encoder::builder().engine(Engine::Scalar).order(self.order.into()).background(self.background.0).build()?;
        let mut source = Watched::new(source::open(path, open)?, &format!("{} again", path.display()), progress);
        if &encoder.encode_source(&mut source)? == runs {
            return Ok(());
        }
        let message = format!("{}: its runs are not those of the scalar engine; nothing was written", path.display());
        Err(Error::Engine { engine: Engine::from(self.engine).name(), message })
    }
}

fn at_once(masks: usize) -> usize {
    masks.min(rayon::current_num_threads()).clamp(1, AT_ONCE)
}

impl WriteArgs {
    /// What a writer is told; `name` is what the image is called unless the user says.
    pub(crate) fn options(&self, order: ScanOrder, name: &Path) -> WriteOptions {
        WriteOptions {
            line_ending: if self.crlf { LineEnding::Crlf } else { LineEnding::Lf },
            compat: self.compat.map(Into::into),
            labels: self.labels,
            order: Some(order),
            base: self.base,
            header: self.header.clone(),
            image: self.image_id.clone().or_else(|| name.file_stem().and_then(OsStr::to_str).map(str::to_owned)),
            drop_empty_labels: self.drop_empty_labels,
            union: self.union,
            large_counts: self.large_counts.into(),
            coco_form: self.coco_form.into(),
            counts: self.counts.into(),
            category_of: self.category_of.iter().copied().collect(),
            categories: self.category.iter().cloned().collect(),
            ..WriteOptions::default()
        }
    }
}

/// What all masks have in common.
struct Work<'a> {
    args: &'a Encode,
    encoder: Encoder,
    open: OpenOptions,
}

/// What an encoded mask held.
struct Encoded {
    height: u32,
    width: u32,
    labels: usize,
    runs: usize,
}

impl Work<'_> {
    /// Encodes a mask; nothing when its output is there and that is enough.
    fn encode_unless_there(&self, job: &Job, progress: Progress) -> Result<Option<Encoded>> {
        if self.args.skip_existing && !is_stream(&job.output) && job.output.exists() {
            return Ok(None);
        }
        self.encode(job, progress).map(Some)
    }

    fn encode(&self, job: &Job, progress: Progress) -> Result<Encoded> {
        let order: ScanOrder = self.args.encoder.order.into();
        if order != ScanOrder::ColumnMajor && !job.format.capabilities().any_order {
            return Err(Error::Argument(format!(
                "a {} file has an order of its own: leave out --order",
                job.format.name()
            )));
        }
        let source = source::open(&job.mask, &self.open)?;
        let shape = source.shape();
        let runs = self.encoder.encode_source(&mut Watched::new(source, &job.mask.display().to_string(), progress))?;
        if self.args.verify {
            self.args.encoder.check(&runs, &job.mask, &self.open, progress)?;
        }
        if let Some(folder) = &self.args.out_dir {
            std::fs::create_dir_all(folder).map_err(|error| Error::io("making the folder", folder, error))?;
        }
        let mut output = Output::create(&job.output)?;
        let write = WriteOptions { renumber: self.args.renumber, ..self.args.write.options(order, &job.mask) };
        format::write(job.format, &mut output, &runs, &write).map_err(|error| output.blame(error, &job.output))?;
        output.commit()?;
        let (labels, runs) = (runs.labels().len(), runs.run_count());
        Ok(Encoded { height: shape.height, width: shape.width, labels, runs })
    }

    /// Encodes many masks, some at once, and says what fails as it fails.
    fn encode_all<'j>(&self, jobs: &'j [Job], progress: Progress) -> Vec<Slide<'j>> {
        let next = AtomicUsize::new(0);
        let slides = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..at_once(jobs.len()) {
                scope.spawn(|| {
                    while let Some((index, job)) = {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        jobs.get(index).map(|job| (index, job))
                    } {
                        let started = Instant::now();
                        let slide = Slide::new(job, self.encode_unless_there(job, progress), started);
                        if let Some(error) = &slide.error {
                            exit::say(error);
                        }
                        if let Ok(mut slides) = slides.lock() {
                            slides.push((index, slide));
                        }
                    }
                });
            }
        });
        let mut slides = slides.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        slides.sort_by_key(|(index, _)| *index);
        slides.into_iter().map(|(_, slide)| slide).collect()
    }
}

/// One mask in the summary.
#[derive(Serialize)]
struct Slide<'a> {
    input: &'a Path,
    output: &'a Path,
    status: &'static str,
    height: Option<u32>,
    width: Option<u32>,
    labels: Option<usize>,
    runs: Option<usize>,
    seconds: f64,
    error: Option<String>,
}

impl<'a> Slide<'a> {
    fn new(job: &'a Job, result: Result<Option<Encoded>>, started: Instant) -> Self {
        let (status, encoded, error) = match result {
            Ok(Some(encoded)) => ("encoded", Some(encoded), None),
            Ok(None) => ("skipped", None, None),
            Err(error) => {
                let (text, name) = (exit::chain(&error), job.mask.display().to_string());
                ("failed", None, Some(if text.contains(&name) { text } else { format!("{name}: {text}") }))
            }
        };
        Self {
            input: &job.mask,
            output: &job.output,
            status,
            height: encoded.as_ref().map(|encoded| encoded.height),
            width: encoded.as_ref().map(|encoded| encoded.width),
            labels: encoded.as_ref().map(|encoded| encoded.labels),
            runs: encoded.as_ref().map(|encoded| encoded.runs),
            seconds: started.elapsed().as_secs_f64(),
            error,
        }
    }
}

/// The summary in JSON, on stdout.
fn summarize(slides: &[Slide<'_>]) -> Result<()> {
    #[derive(Serialize)]
    struct Summary<'a> {
        encoded: usize,
        skipped: usize,
        failed: usize,
        slides: &'a [Slide<'a>],
    }
    let count = |status| slides.iter().filter(|slide| slide.status == status).count();
    super::print_json(&Summary {
        encoded: count("encoded"),
        skipped: count("skipped"),
        failed: count("failed"),
        slides,
    })
}
