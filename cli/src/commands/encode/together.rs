//! Many masks to one run file, whole or not at all.
//!
//! The images stand in the file in the order of the arguments. Some masks are encoded at once; the runs of no more than
//! these are in memory. When one mask fails the others are still looked at, so that one call names every bad mask, and no
//! file is written.

use std::time::Instant;

use runmask::format::{self, Attributes, Format, ImageRuns};
use runmask::{Error, LabelRuns, Result};

use super::jobs::Job;
use super::summary::Slide;
use super::{Work, at_once, in_parallel};
use crate::console::Console;
use crate::output::{Output, is_done};

/// Encodes the masks into the output that all of them share.
pub(super) fn encode_together(work: &Work<'_>, jobs: &[Job], console: &Console) -> Result<Vec<Slide>> {
    let Some(first) = jobs.first() else { return Ok(Vec::new()) };
    if work.args.skip_existing && is_done(&first.output) {
        let skipped = |job| Slide::new(job, Ok(None), Instant::now(), &console.fork());
        return Ok(jobs.iter().map(skipped).collect());
    }
    let mut output = Output::create_whole(&first.output)?;
    let mut slides = write(work, jobs, first.format, &mut output, console).map_err(|error| output.refuse(error))?;
    if slides.iter().any(|slide| slide.error.is_some()) {
        slides.iter_mut().for_each(Slide::is_not_written);
    } else {
        output.commit()?;
    }
    Ok(slides)
}

/// Writes the runs of all masks, up to the first that fails; an error when the output cannot be written.
fn write(work: &Work<'_>, jobs: &[Job], format: Format, output: &mut Output, console: &Console) -> Result<Vec<Slide>> {
    let options = work.write_options(&jobs[0]);
    let mut writer = format::object_writer(format, output, &options)?;
    let mut slides: Vec<Slide> = Vec::with_capacity(jobs.len());
    let mut failed = false;
    let batch = work.batch(jobs, console);
    for jobs in jobs.chunks(at_once(jobs.len())) {
        let encoded = in_parallel(jobs, |job| {
            let (started, own) = (Instant::now(), console.fork());
            (work.runs(job, &own), started, own)
        });
        for (job, (runs, started, own)) in jobs.iter().zip(encoded) {
            let result = match runs {
                Ok((runs, encoded)) if !failed => match image(job, runs).push_into(&mut *writer) {
                    Err(error @ Error::Io { .. }) => return Err(error),
                    pushed => pushed.map(|()| Some(encoded)),
                },
                runs => runs.map(|(_, encoded)| Some(encoded)),
            };
            let slide = Slide::new(job, result, started, &own);
            slide.say_error(console);
            failed |= slide.error.is_some();
            batch.done(job.bytes(), true);
            slides.push(slide);
        }
    }
    if !failed {
        writer.finish()?;
    }
    Ok(slides)
}

fn image(job: &Job, runs: LabelRuns) -> ImageRuns {
    let attributes = vec![Attributes::default(); runs.labels().len()];
    let name = job.mask.file_name().map(|name| name.to_string_lossy().into_owned());
    ImageRuns { id: job.image(), name, runs, attributes }
}
