//! Mask files and run files.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use numpy::{PyArray2, PyArrayMethods};
use pyo3::Borrowed;
use pyo3::exceptions::{PyUserWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use runmask::doctor::{self, Finding};
use runmask::format::{self, Format, Warning};
use runmask::output::AtomicFile;
use runmask::sink::{self, CreateOptions};
use runmask::source::{self, OpenOptions, RawLayout, Source};
use runmask::{Decoder, Dtype, Error, LabelRuns, Shape};

use crate::arrays::{LabelType, for_type, order_name};
use crate::encode::{Raised, encode_source, encoder};
use crate::errors::{raise, raise_for};
use crate::operations::{Marked, connectivity_of, measured};
use crate::options::{measure_options, read_options, shape_of, write_options};
use crate::runs::Runs;
use crate::work::{self, Stop};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;

/// A mask file, as :func:`open` gives it: its pixels are read when they are asked for.
#[pyclass(frozen, module = "runmask")]
pub(crate) struct MaskFile {
    path: PathBuf,
    options: OpenOptions,
    shape: Shape,
    dtype: Dtype,
    band_rows: u32,
}

#[pymethods]
impl MaskFile {
    #[new]
    #[pyo3(signature = (path, page, level, label, index, dtype, shape))]
    #[expect(clippy::too_many_arguments, reason = "named in Python")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        page: u32,
        level: u32,
        label: Option<String>,
        index: Option<BTreeMap<String, u64>>,
        dtype: Option<&Bound<'_, PyAny>>,
        shape: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let path = plain(path);
        let raw = match (dtype, shape) {
            (None, None) => None,
            (Some(dtype), Some(shape)) => {
                Some(RawLayout { dtype: LabelType::of(dtype)?.stored, shape: shape_of(shape)? })
            }
            _ => return Err(PyValueError::new_err("a mask without a header needs both, dtype and shape")),
        };
        let options = OpenOptions::new().page(page).level(level).label(label).index(index.unwrap_or_default()).raw(raw);
        let opened = work::run(py, None, |_| source::open(&path, &options))?;
        let source = opened.map_err(|error| raise_for(py, error, &path))?;
        let (shape, dtype, band_rows) = (source.shape(), source.dtype(), source.band_rows());
        Ok(Self { path, options, shape, dtype, band_rows })
    }

    /// The name of the file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// (height, width)
    #[getter]
    fn shape(&self) -> (u32, u32) {
        (self.shape.height, self.shape.width)
    }

    /// The unsigned type of the labels, whatever the file calls them.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        numpy::get_array_module(py)?.call_method1("dtype", (format!("u{}", self.dtype.bytes()),))
    }

    /// The number of rows that are cheapest to read at once: the height of a tile, or 1.
    #[getter]
    fn band_rows(&self) -> u32 {
        self.band_rows
    }

    /// (height, width) of a pixel in micrometres, or None where the file does not say: what an OME-Zarr store, an OME-TIFF,
    /// ImageJ's TIFF or the resolution of a TIFF says. A resolution of 300 pixels for each inch and fewer is that of a screen
    /// or a printer, and does not count.
    ///
    /// Examples
    /// --------
    /// >>> import runmask
    /// >>> runs = runmask.Runs([7], [0, 1], [[0, 6]], shape=(2, 3))
    /// >>> runs.decode_to("mask.tif")
    /// >>> print(runmask.open("mask.tif").pixel_size)
    /// None
    #[getter]
    fn pixel_size(&self, py: Python<'_>) -> PyResult<Option<(f64, f64)>> {
        let found = work::run(py, None, |_| source::pixel_size(&self.path, &self.options))?;
        let size = found.map_err(|error| raise_for(py, error, &self.path))?;
        Ok(size.map(|size| (size.height(), size.width())))
    }

    /// Measures every label, as :meth:`Runs.measure` does, in the pixel size that the file says.
    ///
    /// Parameters
    /// ----------
    /// properties, connectivity, threads
    ///     As in :meth:`Runs.measure`.
    /// pixel_size : 'file', float or (height, width), or None
    ///     In micrometres: that of the file, :attr:`pixel_size`, unless given. None measures in pixels.
    /// background : int or None
    ///     As in :func:`encode`.
    ///
    /// Returns
    /// -------
    /// dict of arrays
    ///     As :meth:`Runs.measure` gives it. Where a pixel size is known, lengths and areas are in micrometres, in columns
    ///     that end in _um and _um2.
    ///
    /// Examples
    /// --------
    /// >>> import runmask
    /// >>> runs = runmask.Runs([7], [0, 1], [[0, 6]], shape=(2, 3))
    /// >>> runs.decode_to("mask.npy")
    /// >>> mask = runmask.open("mask.npy")
    /// >>> {name: column.tolist() for name, column in mask.measure(("label", "area")).items()}
    /// {'label': [7], 'area': [6]}
    /// >>> {name: column.tolist() for name, column in mask.measure(("label", "area"), pixel_size=0.5).items()}
    /// {'label': [7], 'area_um2': [1.5]}
    #[pyo3(
        signature = (properties=None, pixel_size=PixelSizeOf::File, *, connectivity=8, background=Some(0), threads=None),
        text_signature = "($self, properties=('label', 'area', 'bbox', 'centroid'), pixel_size='file', *, connectivity=8, background=0, threads=None)"
    )]
    fn measure<'py>(
        &self,
        py: Python<'py>,
        properties: Option<Bound<'py, PyAny>>,
        pixel_size: PixelSizeOf<'py>,
        connectivity: u8,
        background: Option<u64>,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyDict>> {
        // What is wrong with the arguments is said before the mask is read.
        let size = match pixel_size {
            PixelSizeOf::File => match self.pixel_size(py)? {
                Some(size) => Some(size.into_pyobject(py)?.into_any()),
                None => None,
            },
            PixelSizeOf::Given(size) => size,
        };
        let options = measure_options(properties.as_ref(), size.as_ref())?;
        let options = options.connectivity(connectivity_of(py, connectivity)?);
        let marked = self.mark(py, background, "F", threads)?;
        measured(py, threads, move || marked.measure(&options))
    }

    /// The mask as the operations on arrays take it.
    #[pyo3(signature = (*, background, order, threads))]
    fn _mark(&self, py: Python<'_>, background: Option<u64>, order: &str, threads: Option<usize>) -> PyResult<Marked> {
        self.mark(py, background, order, threads).map(Marked::from)
    }

    fn __repr__(&self) -> String {
        let (height, width) = self.shape();
        format!("MaskFile({:?}, shape=({height}, {width}), dtype=uint{})", self.path, 8 * self.dtype.bytes())
    }

    /// The runs of every label, read strip by strip: memory is bounded, whatever the size of the mask.
    ///
    /// Parameters
    /// ----------
    /// background, order, engine, threads
    ///     As in :func:`encode`.
    /// rows : (first, end), optional
    ///     Some rows only, the last one not included. Positions and shape stay those of the whole mask, so that
    ///     :func:`merge` puts the parts of a mask together that several processes read.
    /// memory : int, optional
    ///     Bytes that may be taken; more is a MemoryError or a ValueError.
    /// progress : callable, optional
    ///     Called from time to time with the bytes done and the bytes in all. An exception that it raises ends the work.
    ///
    /// Returns
    /// -------
    /// Runs
    ///
    /// Raises
    /// ------
    /// FormatError
    ///     The file is damaged.
    /// OSError
    ///     The file cannot be read.
    #[pyo3(
        signature = (*, background=Some(0), order="F", engine="auto", threads=None, rows=None, memory=None, progress=None),
        text_signature = "($self, *, background=0, order='F', engine='auto', threads=None, rows=None, memory=None, progress=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "named in Python")]
    fn encode(
        &self,
        py: Python<'_>,
        background: Option<u64>,
        order: &str,
        engine: &str,
        threads: Option<usize>,
        rows: Option<(u32, u32)>,
        memory: Option<u64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Runs> {
        let encoder = encoder(py, background, order, engine, memory)?;
        let raised = Raised::default();
        let runs = work::run(py, threads, |stop| {
            let options = self.options.clone().rows(rows.map(|(first, end)| first..end));
            let mut source = source::open(&self.path, &options)?;
            let block = rows.map(|(first, _)| (first, self.shape));
            encode_source(&encoder, &mut *source, block, stop, &mut |done| match &progress {
                Some(progress) => Python::attach(|py| progress.call1(py, (done.done, done.total)))
                    .map(drop)
                    .map_err(|error| raised.keep(error)),
                None => Ok(()),
            })
        })?;
        raised.check()?;
        runs.map(Runs::from).map_err(|error| raise_for(py, error, &self.path))
    }

    /// The pixels: an array of the file's type, as large as the mask.
    #[pyo3(signature = (*, threads=None))]
    fn read<'py>(&self, py: Python<'py>, threads: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        let array =
            numpy::get_array_module(py)?.call_method1("zeros", (self.shape(), format!("u{}", self.dtype.bytes())))?;
        let read = for_type!(self.dtype, T => {
            let array = array.cast::<PyArray2<T>>()?;
            let mut pixels = array.readwrite();
            let pixels = bytemuck::cast_slice_mut(pixels.as_slice_mut()?);
            work::run(py, threads, |stop| self.read_into(pixels, stop))?
        });
        read.map_err(|error| raise_for(py, error, &self.path))?;
        Ok(array)
    }
}

/// Which size of a pixel counts.
enum PixelSizeOf<'py> {
    /// That of the file.
    File,
    /// This one; `None` for pixels.
    Given(Option<Bound<'py, PyAny>>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for PixelSizeOf<'py> {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.is_none() {
            return Ok(Self::Given(None));
        }
        match given.extract::<String>() {
            Ok(name) if name == "file" => Ok(Self::File),
            Ok(name) => {
                Err(PyValueError::new_err(format!("pixel_size: expected 'file' or micrometres, found {name:?}")))
            }
            Err(_) => Ok(Self::Given(Some(given.to_owned()))),
        }
    }
}

impl MaskFile {
    /// The mask with its runs in scan order.
    fn mark(
        &self,
        py: Python<'_>,
        background: Option<u64>,
        order: &str,
        threads: Option<usize>,
    ) -> PyResult<runmask::Marked> {
        let encoder = encoder(py, background, order, "auto", None)?;
        let marked = work::run(py, threads, |stop| {
            let mut source = source::open(&self.path, &self.options)?;
            encoder.mark_source_with(&mut *source, &mut |_| stop.flow())
        })?;
        marked.map_err(|error| raise_for(py, error, &self.path))
    }

    fn read_into(&self, pixels: &mut [u8], stop: &Stop) -> runmask::Result<()> {
        /// Bytes between two looks at whether to stop.
        const PIECE: usize = 1 << 24;
        let mut source = source::open(&self.path, &self.options)?;
        let row = self.shape.width as usize * self.dtype.bytes();
        if row == 0 {
            return Ok(());
        }
        let group = source.band_rows().max(1) as usize;
        let rows = (PIECE / row / group * group).max(group);
        pixels.chunks_mut(rows * row).try_for_each(|rows| {
            stop.check()?;
            source.read_rows(rows)
        })
    }
}

/// A path as it is: `-` is a file of that name, and not a stream.
fn plain(path: PathBuf) -> PathBuf {
    if path == Path::new("-") { Path::new("./-").to_path_buf() } else { path }
}

/// The format that a user names, if any.
fn named(py: Python<'_>, format: Option<&str>) -> PyResult<Option<Format>> {
    format.map(str::parse).transpose().map_err(|error| raise(py, error))
}

/// The format of a file that is written: the one that the user names, or that the name of the file says.
fn target_format(py: Python<'_>, format: Option<&str>, path: &Path) -> PyResult<Format> {
    named(py, format)?.or_else(|| Format::from_path(path)).ok_or_else(|| {
        let names: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
        let names = names.join(", ");
        PyValueError::new_err(format!("{}: its extension names no format; format= does: {names}", path.display()))
    })
}

/// Opens a run file, and tells its format from its content unless it is named.
fn open_runs<R>(
    path: &Path,
    format: Option<Format>,
    stop: &Stop,
    work: impl FnOnce(Format, &mut dyn BufRead) -> runmask::Result<R>,
) -> runmask::Result<R> {
    let reader = || {
        let mut reader = input(path, stop)?;
        match format {
            Some(format) => work(format, &mut *reader),
            None => {
                let (format, mut reader) = format::detect(reader)?;
                work(format, &mut reader)
            }
        }
    };
    reader().map_err(|error| error.in_file(path))
}

/// A run file that is read until the work is to stop.
struct Input<'a> {
    file: File,
    stop: &'a Stop,
}

impl Read for Input<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        self.file.read(bytes)
    }
}

/// Opens a run file, and unpacks it when it is compressed with gzip.
fn input<'a>(path: &Path, stop: &'a Stop) -> runmask::Result<Box<dyn BufRead + 'a>> {
    let failed = |error| Error::io("reading", path, error);
    let file = File::open(path).map_err(failed)?;
    let mut reader = BufReader::with_capacity(BUFFER, Input { file, stop });
    if reader.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(reader))));
    }
    Ok(Box::new(reader))
}

/// A file that is written until the work is to stop.
struct Output<'a> {
    file: &'a mut AtomicFile,
    stop: &'a Stop,
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a run file, compressed with gzip where its name ends so. It appears under its name when it is finished.
fn output<R>(path: &Path, stop: &Stop, work: impl FnOnce(&mut dyn Write) -> runmask::Result<R>) -> runmask::Result<R> {
    let mut file = AtomicFile::create(path)?;
    let mut writer = Output { file: &mut file, stop };
    let result = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")) {
        let mut packer = GzEncoder::new(writer, Compression::default());
        let result = work(&mut packer)?;
        packer.finish().map_err(|error| Error::io("writing", path, error))?;
        result
    } else {
        work(&mut writer)?
    };
    stop.check()?;
    file.finish()?;
    Ok(result)
}

/// Reads the runs of one mask.
#[pyfunction]
pub(crate) fn read(py: Python<'_>, path: PathBuf, format: Option<&str>, options: &Bound<'_, PyDict>) -> PyResult<Runs> {
    let (format, options) = (named(py, format)?, read_options(options)?);
    let file = path.clone();
    let read = work::alone(py, None, move |stop| {
        open_runs(&file, format, stop, |format, reader| format::read_with_warnings(format, reader, &options))
    })?;
    let (runs, warnings) = read.map_err(|error| raise_for(py, error, &path))?;
    warn(py, &path, &warnings)?;
    Ok(runs.into())
}

/// Reads the runs of every image of a file: a list of ids and runs, in the order of the file.
#[pyfunction]
pub(crate) fn read_images(
    py: Python<'_>,
    path: PathBuf,
    format: Option<&str>,
    options: &Bound<'_, PyDict>,
) -> PyResult<Vec<(String, Runs)>> {
    let (format, options) = (named(py, format)?, read_options(options)?);
    let file = path.clone();
    let images = work::alone(py, None, move |stop| {
        open_runs(&file, format, stop, |format, reader| format::read_images(format, reader, &options))
    })?;
    let images = images.map_err(|error| raise_for(py, error, &path))?;
    Ok(images.into_iter().map(|image| (image.id, Runs::from(image.runs))).collect())
}

/// Writes the runs of one mask.
pub(crate) fn write(
    py: Python<'_>,
    runs: &Arc<LabelRuns>,
    path: PathBuf,
    format: Option<&str>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    let format = target_format(py, format, &path)?;
    let empty = PyDict::new(py);
    let given = options.unwrap_or(&empty);
    let mut options = write_options(given)?;
    if !given.contains("image")? {
        options = options.image(stem(&path));
    }
    let (runs, file) = (Arc::clone(runs), path.clone());
    let written = work::alone(py, None, move |stop| {
        output(&file, stop, |writer| format::write_with_warnings(format, writer, &runs, &options))
    })?;
    warn(py, &path, &written.map_err(|error| raise_for(py, error, &path))?)
}

/// The extension of the files of a format.
#[pyfunction]
pub(crate) fn extension(py: Python<'_>, format: &str) -> PyResult<&'static str> {
    Ok(named(py, Some(format))?.map_or("csv", Format::extension))
}

/// A file's name without its extension.
fn stem(path: &Path) -> Option<String> {
    path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned)
}

/// Writes a run file in another format.
#[pyfunction]
pub(crate) fn convert(
    py: Python<'_>,
    source: PathBuf,
    target: PathBuf,
    from_format: Option<&str>,
    format: Option<&str>,
    read: &Bound<'_, PyDict>,
    write: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let (from, to) = (named(py, from_format)?, target_format(py, format, &target)?);
    let (read, mut options) = (read_options(read)?, write_options(write)?);
    if !write.contains("image")? {
        options = options.image(stem(&source));
    }
    let (from_file, to_file) = (source.clone(), target.clone());
    let (at_target, converted) = work::alone(py, None, move |stop| {
        let mut at_target = false;
        let converted = open_runs(&from_file, from, stop, |from, reader| {
            at_target = true;
            output(&to_file, stop, |writer| {
                at_target = false;
                let warnings = format::convert((from, reader, &read), (to, writer, &options))?;
                at_target = true;
                Ok(warnings)
            })
        });
        (at_target, converted)
    })?;
    let warnings = converted.map_err(|error| raise_for(py, error, if at_target { &target } else { &source }))?;
    warn(py, &source, &warnings)
}

/// Warns whoever called the function of the package that is at work.
fn warn(py: Python<'_>, path: &Path, warnings: &[Warning]) -> PyResult<()> {
    warnings.iter().try_for_each(|warning| {
        let text = format!("{}: {warning}", path.display());
        let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 2)
    })
}

/// Says which convention a run file is in.
#[pyfunction]
#[pyo3(name = "doctor")]
pub(crate) fn examine<'py>(
    py: Python<'py>,
    path: PathBuf,
    shape: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let shape = shape.map(shape_of).transpose()?;
    let file = path.clone();
    let report = work::alone(py, None, move |stop| doctor::examine(&mut input(&file, stop)?, shape))?;
    let report = report.map_err(|error| raise_for(py, error, &path))?;
    let found = PyDict::new(py);
    found.set_item("format", report.format.map(Format::name))?;
    let answers = [
        ("order", certainty(report.order), report.order.answer().map(|order| order_name(order).to_owned())),
        ("grouping", certainty(report.grouping), report.grouping.answer().map(|grouping| grouping.to_string())),
    ];
    for (name, how, answer) in answers {
        found.set_item(name, answer)?;
        found.set_item(format!("{name}_is"), how)?;
    }
    found.set_item("base", report.base.answer())?;
    found.set_item("base_is", certainty(report.base))?;
    found.set_item("images", report.images)?;
    found.set_item("objects", report.objects)?;
    found.set_item("runs", report.runs)?;
    found.set_item("evidence", report.evidence)?;
    Ok(found)
}

fn certainty<T>(finding: Finding<T>) -> &'static str {
    match finding {
        Finding::Known(_) => "known",
        Finding::Likely(_) => "likely",
        Finding::Usual(_) => "usual",
        _ => "unknown",
    }
}

/// How a mask is written.
#[derive(Debug)]
pub(crate) struct MaskOutput {
    pub(crate) path: PathBuf,
    pub(crate) dtype: Dtype,
    pub(crate) background: u64,
    pub(crate) options: CreateOptions,
    pub(crate) threads: Option<usize>,
}

/// Decodes runs into a mask file, some rows at a time.
pub(crate) fn decode_to(py: Python<'_>, runs: &Arc<LabelRuns>, output: MaskOutput) -> PyResult<()> {
    let (runs, path) = (Arc::clone(runs), output.path.clone());
    let written = work::alone(py, output.threads, move |stop| write_mask(&runs, &output, stop))?;
    written.map_err(|error| raise_for(py, error, &path))
}

fn write_mask(runs: &LabelRuns, output: &MaskOutput, stop: &Stop) -> runmask::Result<()> {
    let decoder = Decoder::new(runs, output.background)?;
    let mut sink = sink::create(&output.path, decoder.shape(), output.dtype, &output.options)?;
    decoder.decode_row_bytes(output.dtype, &mut |rows| {
        stop.check()?;
        sink.write_rows(rows)
    })?;
    stop.check()?;
    sink.finish()
}
