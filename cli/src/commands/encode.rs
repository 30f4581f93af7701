//! `encode`: masks to run files.
//!
//! One mask's error ends the program; of several masks one that fails does not stop the others. Several masks go to a run
//! file each, or together to one that holds many images.

mod jobs;
mod summary;
mod together;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use runmask::format::{self, LineEnding, WriteOptions};
use runmask::source::{self, OpenOptions};
use runmask::{Encoder, Engine, Error, LabelRuns, MeasureOptions, Result, ScanOrder};

use self::jobs::{Job, image_name, jobs};
use self::summary::{Counts, Slide, summarize};
use self::together::encode_together;
use crate::args::{Category, Encode, EncoderArgs, Properties, WriteArgs};
use crate::console::{Console, shown};
use crate::exit::Status;
use crate::input;
use crate::memory::Share;
use crate::output::{Output, is_done};
use crate::paths::is_stream;
use crate::progress::Batch;
use crate::remedy;

/// Masks that are worked on at once: each has rows and tiles in memory, and all cores are busy with a few.
const AT_ONCE: usize = 4;

pub(crate) fn run(args: &Encode, console: &Console) -> Result<Status> {
    let jobs = jobs(args)?;
    let encoder = args.encoder.build(jobs.len())?;
    let open = args.mask.options(args.raw.layout()).memory(args.encoder.share(jobs.len()).source);
    let work = Work { args, encoder, open };
    if let [job] = &jobs[..] {
        let (started, own) = (Instant::now(), console.fork());
        let done = work.encode_unless_there(job, &own)?;
        if args.json {
            summarize(&[Slide::new(job, Ok(done), started, &own)], console)?;
        }
        return Ok(Status::Done);
    }
    let slides = match args.output {
        Some(_) => encode_together(&work, &jobs, console)?,
        None => work.encode_all(&jobs, console),
    };
    let Counts { encoded, skipped, failed, .. } = Counts::of(&slides);
    let what = match &args.output {
        Some(output) if failed > 0 => format!("; {} is not written", shown(output)),
        _ => String::new(),
    };
    console.say(&format!("{encoded} encoded, {skipped} skipped, {failed} failed{what}"));
    if args.json {
        summarize(&slides, console)?;
    }
    Ok(if failed > 0 { Status::Failed } else { Status::Done })
}

impl EncoderArgs {
    /// The memory for each of so many masks, of which some are worked on at once.
    fn share(&self, masks: usize) -> Share {
        Share::of(self.memory, at_once(masks))
    }

    /// The encoder for so many masks, of which some are worked on at once.
    fn build(&self, masks: usize) -> Result<Encoder> {
        let mut builder = Encoder::builder().engine(self.engine).order(self.order).background(self.background.0);
        if let Some(memory) = self.share(masks).encoder {
            builder = builder.memory(memory);
        }
        builder.build()
    }

    /// The runs of the same mask by the engine that defines them.
    fn check(&self, runs: &LabelRuns, path: &Path, open: &OpenOptions, console: &Console) -> Result<()> {
        let encoder =
            Encoder::builder().engine(Engine::Scalar).order(self.order).background(self.background.0).build()?;
        let source = source::open(path, open)?;
        if &input::encode(&encoder, source, &format!("{} again", path.display()), console)? == runs {
            return Ok(());
        }
        let message = format!("{}: its runs are not those of the scalar engine; nothing was written", path.display());
        Err(Error::Engine { engine: self.engine.name(), message })
    }
}

fn at_once(masks: usize) -> usize {
    masks.min(rayon::current_num_threads()).clamp(1, AT_ONCE)
}

impl WriteArgs {
    /// What a writer is told; `name` is what the image is called unless the user says.
    pub(crate) fn options(&self, order: ScanOrder, name: &Path) -> WriteOptions {
        WriteOptions::new()
            .line_ending(if self.crlf { LineEnding::Crlf } else { LineEnding::Lf })
            .compat(self.compat)
            .labels(self.labels)
            .order(order)
            .base(self.base)
            .header(self.header.clone())
            .image(self.image_id.clone().or_else(|| image_name(name)))
            .drop_empty_labels(self.drop_empty_labels)
            .union(self.union)
            .large_counts(self.large_counts)
            .coco_form(self.coco_form)
            .counts(self.counts)
            .category_of(self.category_of.iter().copied())
            .categories(self.category.iter().filter_map(|category| match category {
                Category::Numbered(number, name) => Some((*number, name.clone())),
                Category::Every(_) => None,
            }))
            .category(self.class.as_ref().map(|class| class.name.clone()).or_else(|| {
                self.category.iter().find_map(|category| match category {
                    Category::Every(name) => Some(name.clone()),
                    Category::Numbered(..) => None,
                })
            }))
            .image_url(self.image_url.clone())
            .class_colors(self.class.iter().filter_map(|class| Some((class.name.clone(), class.color?))))
            .object_type(self.object_type)
            .simplify(self.simplify)
            .measure(
                Some(&self.measure)
                    .filter(|asked| !asked.is_empty())
                    .map(|asked| MeasureOptions::new().properties(Properties::list(asked))),
            )
    }

    /// The name of the image's file: the one that the user says, or that of its mask.
    pub(crate) fn file_name(&self, mask: Option<&Path>) -> Option<String> {
        let name = || mask.filter(|mask| !is_stream(mask))?.file_name();
        self.file_name.clone().or_else(|| name().map(|name| name.to_string_lossy().into_owned()))
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
    fn encode_unless_there(&self, job: &Job, console: &Console) -> Result<Option<Encoded>> {
        if self.args.skip_existing && is_done(&job.output) {
            return Ok(None);
        }
        self.encode(job, console).map(Some)
    }

    fn encode(&self, job: &Job, console: &Console) -> Result<Encoded> {
        let (runs, encoded) = self.runs(job, console)?;
        if let Some(folder) = &self.args.out_dir {
            std::fs::create_dir_all(folder).map_err(|error| Error::io("making the folder", folder, error))?;
        }
        let mut output = Output::create(&job.output)?;
        let warnings = format::write_with_warnings(job.format, &mut output, &runs, &self.write_options(job))
            .map_err(|error| output.blame(error, &job.mask))?;
        output.commit()?;
        warnings.iter().for_each(|warning| console.warn(&remedy::warning(warning, &job.output)));
        Ok(encoded)
    }

    /// The runs of a mask.
    fn runs(&self, job: &Job, console: &Console) -> Result<(LabelRuns, Encoded)> {
        let source = source::open(&job.mask, &self.open)?;
        let shape = source.shape();
        if self.args.raw.dtype.is_none() {
            self.args.mask.warn_of_pages(&job.mask, console);
        }
        let runs = input::encode(&self.encoder, source, &job.mask.display().to_string(), console)?;
        if self.args.verify {
            self.args.encoder.check(&runs, &job.mask, &self.open, console)?;
        }
        let encoded =
            Encoded { height: shape.height, width: shape.width, labels: runs.labels().len(), runs: runs.run_count() };
        Ok((runs, encoded))
    }

    fn write_options(&self, job: &Job) -> WriteOptions {
        let options = self.args.write.options(self.args.encoder.order, &job.mask);
        options.renumber(self.args.renumber).file_name(self.args.write.file_name(Some(&job.mask)))
    }

    fn batch(&self, jobs: &[Job], console: &Console) -> Batch {
        console.batch(jobs.len(), jobs.iter().map(Job::bytes).sum())
    }

    /// Encodes many masks, some at once, and says what fails as it fails.
    fn encode_all(&self, jobs: &[Job], console: &Console) -> Vec<Slide> {
        let batch = self.batch(jobs, console);
        in_parallel(jobs, |job| {
            let (started, own) = (Instant::now(), console.fork());
            let slide = Slide::new(job, self.encode_unless_there(job, &own), started, &own);
            slide.say_error(console);
            batch.done(job.bytes(), slide.status == "encoded");
            slide
        })
    }
}

/// What `work` gives for every job, some of which are worked on at once.
fn in_parallel<T: Send>(jobs: &[Job], work: impl Fn(&Job) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    let worker = || {
        while let Some((index, job)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(index).map(|job| (index, job))
        } {
            let result = work(job);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..at_once(jobs.len()) {
            // Where the system has no more threads, those at work do all.
            let _ = thread::Builder::new().spawn_scoped(scope, worker);
        }
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
