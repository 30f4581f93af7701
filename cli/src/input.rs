//! What is read: masks, run files, and files that may be either.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use runmask::format::{self, Format, Neighbours, ReadOptions, Warning};
use runmask::source::{self, OpenOptions, PageInfo, RawLayout, Source};
use runmask::{
    ComponentOptions, Components, Dtype, Encoder, Error, LabelRuns, Marked, MeasureOptions, Measures, Overlaps,
    PixelSize, Result, ScanOrder, Shape,
};

use crate::args::{EitherArgs, ManyArgs, MaskArgs, RawArgs, ReadArgs, ShapeArgs};
use crate::console::Console;
use crate::kind;
use crate::memory::Share;
use crate::paths::{is_read_once, is_stream, named};
use crate::progress::{Task, pixel_bytes};
use crate::remedy;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;

impl RawArgs {
    /// The layout of a mask without a header, when the user gave one.
    pub(crate) fn layout(&self) -> Option<RawLayout> {
        let (dtype, height, width) = (self.dtype?, self.height?, self.width?);
        Some(RawLayout { dtype, shape: Shape { height, width } })
    }
}

impl MaskArgs {
    pub(crate) fn options(&self, raw: Option<RawLayout>) -> OpenOptions {
        OpenOptions::new()
            .page(self.page.unwrap_or(0))
            .level(self.level)
            .label(self.label.clone())
            .index(self.index.iter().cloned())
            .raw(raw)
    }
}

impl MaskArgs {
    /// Warns when a file holds masks on several pages and the user named none.
    pub(crate) fn warn_of_pages(&self, path: &Path, console: &Console) {
        if self.page.is_some() || self.label.is_some() {
            return;
        }
        // What is wrong with the file is said by whoever reads it.
        let masks: Vec<_> = source::pages(path).unwrap_or_default().into_iter().filter(is_mask).collect();
        if let [_, second, ..] = &masks[..] {
            console.warn(&format!(
                "{}: {} pages are masks, and page 0 is read; --page names another, for instance --page {}",
                path.display(),
                masks.len(),
                second.number
            ));
        }
    }
}

/// Whether a page can be read as a mask, at full size.
fn is_mask(page: &PageInfo) -> bool {
    page.levels.first().is_some_and(|level| level.dtype.is_some())
}

impl ShapeArgs {
    /// Height and width, when the user gave them.
    pub(crate) fn shape(&self) -> Result<Option<Shape>> {
        match (self.height, self.width, &self.like) {
            (Some(height), Some(width), _) => Ok(Some(Shape { height, width })),
            (_, _, Some(like)) => shape_like(like).map(Some),
            _ => Ok(None),
        }
    }
}

/// Height and width of a mask, or of an image of another kind: a slide in colour, its JPEG.
fn shape_like(path: &Path) -> Result<Shape> {
    let error = match source::open(path, &OpenOptions::default()) {
        Ok(source) => return Ok(source.shape()),
        Err(error @ Error::Io { .. }) => return Err(error),
        Err(error) => error,
    };
    // What is read of a pipe is gone, and nobody may ever write to it again.
    if is_read_once(path) {
        return Err(error);
    }
    match imagesize::size(path) {
        Ok(size) => Shape::new(size.height as u64, size.width as u64),
        Err(_) => Err(error),
    }
}

impl ManyArgs {
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions::new()
            .image(self.image.clone())
            .renumber(self.renumber)
            .header(self.columns.clone())
            .skip_other_shapes(self.skip_other_shapes)
            .ignore_columns(self.ignore_columns)
            .fill_rule(self.fill_rule)
            .label_property(self.label_property.clone())
    }
}

impl ReadArgs {
    pub(crate) fn options(&self, shape: Option<Shape>) -> ReadOptions {
        self.many.options().shape(shape).order(self.order).base(self.base)
    }
}

/// A file that may be a mask or a run file.
pub(crate) enum Content {
    Mask(Box<dyn Source>),
    Runs(Format, Box<dyn BufRead>),
}

impl EitherArgs {
    /// Whether a file is a run file, from what the user says, from its name or from its first bytes.
    pub(crate) fn is_runs(&self, path: &Path, format: Option<Format>) -> bool {
        self.dtype.is_none() && (format.is_some() || Format::from_path(path).is_some() || kind::looks_like_runs(path))
    }

    /// Opens a mask or a run file.
    pub(crate) fn open(&self, path: &Path, format: Option<Format>, console: &Console) -> Result<Content> {
        if self.is_runs(path, format) {
            let (format, reader) = open_runs(path, format, &self.read.options(None), console)?;
            return Ok(Content::Runs(format, reader));
        }
        let raw = RawArgs { dtype: self.dtype, height: self.shape.height, width: self.shape.width };
        let options = self.mask.options(raw.layout()).memory(Share::of(self.memory, 1).source);
        source::open(path, &options).map(Content::Mask)
    }

    /// The size of a pixel that a mask says itself; none of a run file.
    pub(crate) fn pixel_size(&self, path: &Path) -> Result<Option<PixelSize>> {
        if self.dtype.is_some() || self.is_runs(path, self.read.format) {
            return Ok(None);
        }
        source::pixel_size(path, &self.mask.options(None))
    }

    /// See [`MaskArgs::warn_of_pages`]; a mask without a header has none.
    fn warn_of_pages(&self, path: &Path, console: &Console) {
        if self.dtype.is_none() {
            self.mask.warn_of_pages(path, console);
        }
    }

    /// The runs of a mask by the fastest engine.
    pub(crate) fn encode(&self, source: Box<dyn Source>, path: &Path, console: &Console) -> Result<LabelRuns> {
        encode(&self.encoder()?, source, &path.display().to_string(), console)
    }

    /// The runs of an open run file.
    fn read_runs(
        &self,
        opened: (Format, &mut dyn BufRead),
        shape: Option<Shape>,
        required: RequiredShape<'_>,
        path: &Path,
        console: &Console,
    ) -> Result<LabelRuns> {
        let runs = read_shaped(opened, &|shape| self.read.options(shape), shape, required, path, console)?;
        warn_of_sides(shape, &runs, path, console);
        Ok(runs)
    }

    /// A mask marked by the fastest engine.
    fn mark(&self, mut source: Box<dyn Source>, path: &Path, console: &Console) -> Result<Marked> {
        let name = path.display().to_string();
        let task = console.start(&name, pixel_bytes(&*source));
        let marked = self.encoder()?.mark_source_with(&mut *source, &mut task.watch());
        marked.map_err(|error| of_mask(error, &name))
    }

    fn encoder(&self) -> Result<Encoder> {
        let mut builder = Encoder::builder().background(self.background.0);
        if let Some(memory) = Share::of(self.memory, 1).encoder {
            builder = builder.memory(memory);
        }
        builder.build()
    }
}

/// A mask for operations: marked, or read as runs.
pub(crate) enum Labels {
    Marked(Marked),
    Runs(LabelRuns),
}

impl Labels {
    /// Reads a mask or run file. A mask may have to have the shape of something else: see [`read_shaped`].
    pub(crate) fn read(
        path: &Path,
        format: Option<Format>,
        args: &EitherArgs,
        shape: Option<Shape>,
        required: RequiredShape<'_>,
        console: &Console,
    ) -> Result<Self> {
        match args.open(path, format, console)? {
            Content::Mask(source) => {
                args.warn_of_pages(path, console);
                args.mark(source, path, console).map(Self::Marked)
            }
            Content::Runs(format, mut reader) => {
                args.read_runs((format, &mut reader), shape, required, path, console).map(Self::Runs)
            }
        }
    }

    pub(crate) fn shape(&self) -> Option<Shape> {
        match self {
            Self::Marked(marked) => Some(marked.shape()),
            Self::Runs(runs) => runs.shape(),
        }
    }

    pub(crate) fn into_runs(self) -> Result<LabelRuns> {
        match self {
            Self::Marked(marked) => marked.runs(),
            Self::Runs(runs) => Ok(runs),
        }
    }

    pub(crate) fn measure(&self, options: &MeasureOptions) -> Result<Measures> {
        match self {
            Self::Marked(marked) => marked.measure(options),
            Self::Runs(runs) => runs.measure(options),
        }
    }

    pub(crate) fn components(&self, options: &ComponentOptions) -> Result<Components> {
        match self {
            Self::Marked(marked) => marked.components(options),
            Self::Runs(runs) => runs.components(options),
        }
    }

    pub(crate) fn overlaps(self, other: Self) -> Result<Overlaps> {
        match (self, other) {
            (Self::Marked(one), Self::Marked(other)) => one.overlaps(&other),
            (one, other) => one.into_runs()?.overlaps(&other.into_runs()?),
        }
    }
}

/// The runs of an open mask; `name` stands beside its progress.
pub(crate) fn encode(
    encoder: &Encoder,
    mut source: Box<dyn Source>,
    name: &str,
    console: &Console,
) -> Result<LabelRuns> {
    let task = console.start(name, pixel_bytes(&*source));
    let runs = encoder.encode_source_with(&mut *source, &mut task.watch());
    runs.map_err(|error| of_mask(error, name))
}

fn of_mask(error: Error, name: &str) -> Error {
    match error {
        // The encoder does not know what it reads; a source names its file itself.
        Error::Memory { limit: Some(_), .. } => error.in_file(Path::new(name)),
        other => other,
    }
}

/// Opens a run file in the format asked for, or in the one that its first bytes tell.
pub(crate) fn open_runs(
    path: &Path,
    format: Option<Format>,
    options: &ReadOptions,
    console: &Console,
) -> Result<(Format, Box<dyn BufRead>)> {
    let reader = open(path, console)?;
    match format {
        Some(format) => Ok((format, Box::new(reader))),
        None => {
            let (format, reader) = format::detect_with(reader, options).map_err(|error| named(error, path))?;
            Ok((format, Box::new(reader)))
        }
    }
}

/// Reads the runs of one mask.
pub(crate) fn read_runs(
    path: &Path,
    format: Option<Format>,
    options: &ReadOptions,
    console: &Console,
) -> Result<LabelRuns> {
    let (format, mut reader) = open_runs(path, format, options, console)?;
    read_warned(format, &mut reader, options, path, console)
}

/// Reads the runs of one mask, and says what was passed over.
pub(crate) fn read_warned(
    format: Format,
    reader: &mut dyn BufRead,
    options: &ReadOptions,
    path: &Path,
    console: &Console,
) -> Result<LabelRuns> {
    let (runs, warnings) = format::read_with_warnings(format, reader, options).map_err(|error| named(error, path))?;
    warnings.iter().for_each(|warning| console.warn(&remedy::warning(warning, path)));
    Ok(runs)
}

/// Warns when height and width, which the user gave, look exchanged.
pub(crate) fn warn_of_sides(given: Option<Shape>, runs: &LabelRuns, path: &Path, console: &Console) {
    let neighbours = Neighbours::of(runs);
    if given.is_some() && neighbours.look_exchanged() {
        console.warn(&remedy::warning(&Warning::SidesLookExchanged(neighbours), path));
    }
}

/// Opens a run file, and unpacks it when it is compressed with gzip; what is read counts as progress.
pub(crate) fn open(path: &Path, console: &Console) -> Result<Box<dyn BufRead>> {
    let failed = |error| Error::io("reading", path, error);
    let (file, length): (Box<dyn io::Read>, u64) = if is_stream(path) {
        (Box::new(io::stdin().lock()), 0)
    } else {
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        (Box::new(file), metadata.len())
    };
    let counted = Counted { file, task: console.start(&path.display().to_string(), length) };
    let mut reader = BufReader::with_capacity(BUFFER, counted);
    if reader.fill_buf().map_err(failed)?.starts_with(&GZIP) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(reader))));
    }
    Ok(Box::new(reader))
}

/// The first bytes of a file that is compressed with gzip.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A file whose bytes count as progress.
struct Counted {
    file: Box<dyn io::Read>,
    task: Task,
}

impl io::Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.task.advance(read as u64);
        Ok(read)
    }
}

/// The same runs in the order asked for.
pub(crate) fn in_order(runs: LabelRuns, order: ScanOrder) -> Result<LabelRuns> {
    if runs.order() == order { Ok(runs) } else { runs.to_order(order) }
}

/// The narrowest type that holds the labels of the runs and the background.
pub(crate) fn dtype_of(runs: &LabelRuns, background: u64) -> Dtype {
    Dtype::for_label(runs.labels().last().copied().unwrap_or(0).max(background))
}

/// The shape that a mask must have, if any will not do.
pub(crate) type RequiredShape<'a> = &'a dyn Fn() -> Result<Option<Shape>>;

/// Reads the runs of one mask. Where neither the user nor the file says its shape, it is the one that `required` gives.
pub(crate) fn read_shaped(
    (format, reader): (Format, &mut dyn BufRead),
    options: &dyn Fn(Option<Shape>) -> ReadOptions,
    shape: Option<Shape>,
    required: RequiredShape<'_>,
    path: &Path,
    console: &Console,
) -> Result<LabelRuns> {
    let shape = match shape {
        None if !format.capabilities().holds_shape => required()?,
        given => given,
    };
    let runs = read_warned(format, reader, &options(shape), path, console)?;
    match runs.shape().map_or_else(required, |_| Ok(None))? {
        Some(shape) => runs.with_shape(shape).map_err(|error| error.in_file(path)),
        None => Ok(runs),
    }
}
