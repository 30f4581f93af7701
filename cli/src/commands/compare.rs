//! `compare`: scores of a segmentation against the truth.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use runmask::{Error, F1_THRESHOLDS, Overlaps, Result, Scores};
use serde::Serialize;

use super::verify::sides;
use crate::args::Compare;
use crate::console::Console;
use crate::exit::Status;
use crate::output::Output;
use crate::paths::{one_stdin, refuse_inputs};

pub(crate) fn run(args: &Compare, console: &Console) -> Result<Status> {
    let files = [args.truth.as_path(), args.prediction.as_path()];
    let inputs = || files.into_iter().chain(args.either.shape.like.as_deref());
    one_stdin(inputs())?;
    if let Some(table) = &args.table {
        refuse_inputs(table, inputs())?;
    }
    let thresholds = args.thresholds.as_deref().unwrap_or(&F1_THRESHOLDS);
    let [truth, prediction] = sides(&args.either, files, args.second_format, console)?;
    let overlaps = truth.overlaps(prediction)?;
    let scores = overlaps.scores(thresholds)?;
    if let Some(path) = &args.table {
        write_table(&overlaps, path)?;
    }
    if args.json {
        super::print_json(&Report::of(&scores, files))?;
    } else {
        super::print(&text(&scores))?;
    }
    Ok(Status::Done)
}

fn write_table(overlaps: &Overlaps, path: &Path) -> Result<()> {
    let mut output = Output::create(path)?;
    let mut rows = || -> std::io::Result<()> {
        writeln!(output, "truth,prediction,pixels,iou")?;
        for pair in overlaps.pairs() {
            writeln!(output, "{},{},{},{:?}", pair.first, pair.second, pair.pixels, overlaps.iou(pair))?;
        }
        Ok(())
    };
    rows().map_err(|error| Error::io("writing", path, error))?;
    output.commit()
}

/// The scores for scripts.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(serialize_with = "super::lossy")]
    truth: &'a Path,
    #[serde(serialize_with = "super::lossy")]
    prediction: &'a Path,
    pq: f64,
    sq: f64,
    dq: f64,
    aji: f64,
    dice: f64,
    iou: f64,
    f1: BTreeMap<String, f64>,
    truth_labels: u64,
    prediction_labels: u64,
    matched: u64,
}

impl<'a> Report<'a> {
    fn of(scores: &Scores, [truth, prediction]: [&'a Path; 2]) -> Self {
        Self {
            truth,
            prediction,
            pq: scores.pq,
            sq: scores.sq,
            dq: scores.dq,
            aji: scores.aji,
            dice: scores.dice,
            iou: scores.iou,
            f1: scores.f1.iter().map(|(threshold, f1)| (threshold.to_string(), *f1)).collect(),
            truth_labels: scores.truth,
            prediction_labels: scores.prediction,
            matched: scores.matched,
        }
    }
}

/// The scores for people.
fn text(scores: &Scores) -> String {
    let Scores { pq, sq, dq, aji, dice, iou, .. } = scores;
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (name, score) in [("PQ", pq), ("SQ", sq), ("DQ", dq), ("AJI", aji), ("Dice", dice), ("IoU", iou)] {
        let _ = writeln!(text, "{name:9} {score:.4}");
    }
    for (threshold, f1) in &scores.f1 {
        let _ = writeln!(text, "F1 {threshold:<6} {f1:.4}");
    }
    let Scores { truth, prediction, matched, .. } = scores;
    let _ = writeln!(text, "{matched} of {truth} labels of the truth match one of {prediction} of the prediction");
    text
}
