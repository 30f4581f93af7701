//! `info`: what a mask or a run file holds.

use std::fmt::{self, Write};
use std::path::Path;

use runmask::format::{self, Attributes, Format, ImageRuns};
use runmask::source::{self, LevelInfo, PageInfo};
use runmask::{Dtype, LabelRuns, Result};
use serde::Serialize;

use crate::args::Info;
use crate::console::{Console, printable, shown};
use crate::exit::Status;
use crate::input::{self, Content};
use crate::paths::{named, one_stdin};

pub(crate) fn run(args: &Info, console: &Console) -> Result<Status> {
    one_stdin(args.either.shape.like.iter().chain([&args.file]).map(AsRef::as_ref))?;
    let shape = args.either.shape.shape()?;
    let mut pages = Vec::new();
    let mut pixel_size = None;
    let (kind, format, dtype, images) = match args.either.open(&args.file, args.either.read.format, console)? {
        Content::Mask(source) => {
            let dtype = source.dtype();
            pixel_size = args.either.pixel_size(&args.file)?;
            if args.either.dtype.is_none() {
                pages = source::pages(&args.file)?.into_iter().map(Page::of).collect();
            }
            ("mask", None, Some(dtype.name()), vec![only(args.either.encode(source, &args.file, console)?)])
        }
        Content::Runs(format, mut reader) => {
            let images = format::read_images(format, &mut reader, &args.either.read.options(shape));
            let images = images.map_err(|error| named(error, &args.file))?;
            images.iter().for_each(|image| input::warn_of_sides(shape, &image.runs, &args.file, console));
            ("runs", Some(format), None, images)
        }
    };
    let images = images
        .iter()
        .filter(|image| args.either.read.many.image.as_ref().is_none_or(|id| id == &image.id))
        .map(|image| Facts::of(image, dtype))
        .collect::<Vec<_>>();
    let warnings = console.warnings();
    let page = args.either.mask.page.unwrap_or(0);
    let pixel_size_um = pixel_size.map(|size| [size.height(), size.width()]);
    let format = format.map(Format::name);
    let report = Report { file: &args.file, kind, format, page, pages, pixel_size_um, images, warnings };
    if args.json {
        report.print_json()?;
    } else {
        super::print(&report.text())?;
    }
    Ok(Status::Done)
}

/// The one image of a file that does not name it.
fn only(runs: LabelRuns) -> ImageRuns {
    let attributes = vec![Attributes::default(); runs.labels().len()];
    ImageRuns { id: String::new(), name: None, runs, attributes }
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(serialize_with = "super::lossy")]
    file: &'a Path,
    kind: &'static str,
    format: Option<&'static str>,
    /// The page that the images are of.
    #[serde(skip)]
    page: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pages: Vec<Page>,
    /// Height and width of a pixel in micrometres, where the file says them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pixel_size_um: Option<[f64; 2]>,
    images: Vec<Facts<'a>>,
    warnings: Vec<String>,
}

/// A page of a mask file.
#[derive(Serialize)]
struct Page {
    page: u32,
    /// The name of a label of an OME-Zarr store.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    levels: Vec<Level>,
}

/// A level of a page's pyramid, the full size first.
#[derive(Serialize)]
struct Level {
    height: Option<u32>,
    width: Option<u32>,
    /// None where the page cannot be read as a mask.
    dtype: Option<&'static str>,
}

impl Page {
    fn of(info: PageInfo) -> Self {
        let level = |level: &LevelInfo| Level {
            height: level.shape.map(|shape| shape.height),
            width: level.shape.map(|shape| shape.width),
            dtype: level.dtype.map(Dtype::name),
        };
        Self { page: info.number, label: info.name, levels: info.levels.iter().map(level).collect() }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "label {}", printable(label))?,
            None => write!(f, "page {}", self.page)?,
        }
        for (number, level) in self.levels.iter().enumerate() {
            let name = if number == 0 { ": ".to_owned() } else { format!("; level {number}: ") };
            f.write_str(&name)?;
            match (level.height, level.width) {
                (Some(height), Some(width)) => write!(f, "height {height} x width {width}")?,
                _ => f.write_str("no size")?,
            }
            match level.dtype {
                Some(dtype) => write!(f, ", {dtype}")?,
                None => f.write_str(", no mask")?,
            }
        }
        Ok(())
    }
}

/// What one image holds.
#[derive(Serialize)]
struct Facts<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    image: &'a str,
    height: Option<u32>,
    width: Option<u32>,
    dtype: &'static str,
    order: &'static str,
    labels: usize,
    min_label: Option<u64>,
    max_label: Option<u64>,
    runs: usize,
    foreground: u64,
    areas: Vec<Area>,
}

#[derive(Serialize)]
struct Area {
    label: u64,
    runs: usize,
    area: u64,
}

impl<'a> Facts<'a> {
    fn of(image: &'a ImageRuns, dtype: Option<&'static str>) -> Self {
        let runs = &image.runs;
        let areas: Vec<Area> = runs
            .iter()
            .map(|(label, runs)| Area { label, runs: runs.len(), area: runs.iter().map(|run| run.length).sum() })
            .collect();
        Self {
            image: &image.id,
            height: runs.shape().map(|shape| shape.height),
            width: runs.shape().map(|shape| shape.width),
            dtype: dtype.unwrap_or(input::dtype_of(runs, 0).name()),
            order: runs.order().name(),
            labels: areas.len(),
            min_label: areas.first().map(|area| area.label),
            max_label: areas.last().map(|area| area.label),
            runs: runs.run_count(),
            foreground: areas.iter().map(|area| area.area).sum(),
            areas,
        }
    }

    fn shape(&self) -> String {
        match (self.height, self.width) {
            (Some(height), Some(width)) => format!("height {height} x width {width}"),
            _ => "not known".into(),
        }
    }

    fn text(&self, stored: bool) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:11} {value}");
        };
        line("shape", &self.shape());
        line("dtype", &if stored { self.dtype.to_owned() } else { format!("{} holds the labels", self.dtype) });
        line("order", self.order);
        line(
            "labels",
            &match (self.min_label, self.max_label) {
                (Some(least), Some(most)) => format!("{}, from {least} to {most}", self.labels),
                _ => "0".into(),
            },
        );
        line("runs", &self.runs.to_string());
        line(
            "foreground",
            &match (self.height, self.width) {
                (Some(height), Some(width)) if height > 0 && width > 0 => {
                    let share = self.foreground as f64 / (f64::from(height) * f64::from(width)) * 100.0;
                    format!("{} pixels, {share:.2} %", self.foreground)
                }
                _ => format!("{} pixels", self.foreground),
            },
        );
        let mut areas: Vec<u64> = self.areas.iter().map(|area| area.area).collect();
        areas.sort_unstable();
        if let (Some(least), Some(most)) = (areas.first(), areas.last()) {
            line("areas", &format!("{least} to {most} pixels, median {}", areas[areas.len() / 2]));
        }
        text
    }
}

impl Report<'_> {
    /// One image: its facts beside the file's. Several: a list.
    fn print_json(&self) -> Result<()> {
        #[derive(Serialize)]
        struct One<'a> {
            #[serde(serialize_with = "super::lossy")]
            file: &'a Path,
            kind: &'static str,
            format: Option<&'static str>,
            #[serde(skip_serializing_if = "<[Page]>::is_empty")]
            pages: &'a [Page],
            #[serde(skip_serializing_if = "Option::is_none")]
            pixel_size_um: Option<[f64; 2]>,
            #[serde(flatten)]
            facts: &'a Facts<'a>,
            warnings: &'a [String],
        }
        match &self.images[..] {
            [facts] => super::print_json(&One {
                file: self.file,
                kind: self.kind,
                format: self.format,
                pages: &self.pages,
                pixel_size_um: self.pixel_size_um,
                facts,
                warnings: &self.warnings,
            }),
            _ => super::print_json(self),
        }
    }

    /// Lists pages and levels where there are several.
    fn add_pages(&self, text: &mut String) {
        /// Pages that are listed for people.
        const MOST: usize = 20;
        if self.pages.len() < 2 && self.pages.iter().all(|page| page.levels.len() < 2) {
            return;
        }
        let _ = match self.pages.iter().all(|page| page.label.is_some()) {
            true => writeln!(text, "{:11} {}", "masks", self.pages.len()),
            false => writeln!(text, "{:11} {}; page {} is looked at", "pages", self.pages.len(), self.page),
        };
        for page in self.pages.iter().take(MOST) {
            let _ = writeln!(text, "  {page}");
        }
        if self.pages.len() > MOST {
            let _ = writeln!(text, "  and {} more", self.pages.len() - MOST);
        }
    }

    fn text(&self) -> String {
        let kind = self.format.map_or_else(|| self.kind.to_owned(), |format| format!("{} ({format})", self.kind));
        let mut text = format!("{:11} {}\n{:11} {kind}\n", "file", shown(self.file), "kind");
        self.add_pages(&mut text);
        if let Some([height, width]) = self.pixel_size_um {
            let _ = writeln!(text, "{:11} height {height} um x width {width} um", "pixel size");
        }
        match &self.images[..] {
            [facts] => text.push_str(&facts.text(self.format.is_none())),
            images => {
                let _ = writeln!(text, "{:11} {}", "images", images.len());
                for facts in images {
                    let _ = writeln!(
                        text,
                        "  {}: {}, {} labels, {} runs, {} pixels",
                        printable(facts.image),
                        facts.shape(),
                        facts.labels,
                        facts.runs,
                        facts.foreground
                    );
                }
            }
        }
        text
    }
}
