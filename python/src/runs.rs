//! The class `Runs`.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyArrayDescrMethods, PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rayon::prelude::*;
use runmask::{LabelRuns, Run, Shape};

use crate::arrays::{Shown, order_name, order_of, show};
use crate::errors::{raise, room};
use crate::files;
use crate::work;

/// Runs that are copied between two looks at whether to stop.
const PIECE: usize = 1 << 20;

/// What an error calls the memory of runs that are copied from arrays.
const COPY: &str = "runs of labels";

/// The runs of every label of one mask.
///
/// Labels ascend and appear once. The runs of a label are pairs (start, length) of pixels that follow each other in scan
/// order, numbered from 0; they ascend, do not overlap, and have a length of at least 1. Nothing changes a Runs object, so it
/// can be shared between threads, and its arrays are read-only views of its memory.
///
/// Runs come from :func:`encode`, :func:`open` and :func:`read`. This constructor takes flat lists: the runs of
/// ``labels[i]`` are ``runs[offsets[i]:offsets[i + 1]]``.
///
/// Parameters
/// ----------
/// labels : integers, shape (n,)
///     Ascending.
/// offsets : integers, shape (n + 1,)
///     From 0 to the number of runs.
/// runs : integers, shape (N, 2)
///     Start and length of each run.
/// shape : (height, width), optional
///     The size of the mask; runs outside it are an error.
/// order : 'F' or 'C'
///     Whether positions go down the columns or along the rows.
///
/// Raises
/// ------
/// ValueError
///     The lists break one of the promises above, which the message names.
///
/// Examples
/// --------
/// >>> import runmask
/// >>> runs = runmask.Runs([3, 8], [0, 1, 2], [[0, 2], [2, 5]], shape=(4, 2))
/// >>> runs
/// Runs(labels=2, runs=2, shape=(4, 2), order='F')
/// >>> runs.decode()
/// array([[3, 8],
///        [3, 8],
///        [8, 8],
///        [8, 0]], dtype=uint8)
#[pyclass(frozen, module = "runmask")]
pub(crate) struct Runs {
    pub(crate) runs: Arc<LabelRuns>,
}

impl From<LabelRuns> for Runs {
    fn from(runs: LabelRuns) -> Self {
        Self { runs: Arc::new(runs) }
    }
}

#[pymethods]
impl Runs {
    #[new]
    #[pyo3(signature = (labels, offsets, runs, *, shape=None, order="F"))]
    fn new(
        py: Python<'_>,
        labels: &Bound<'_, PyAny>,
        offsets: &Bound<'_, PyAny>,
        runs: &Bound<'_, PyAny>,
        shape: Option<(u64, u64)>,
        order: &str,
    ) -> PyResult<Self> {
        let shape = shape.map(|(height, width)| Shape::new(height, width)).transpose();
        let shape = shape.map_err(|error| raise(py, error))?;
        let order = order_of(order)?;
        let labels = flat(labels, "labels", 1)?;
        let offsets = flat(offsets, "offsets", 1)?;
        let runs = flat(runs, "runs", 2)?;
        let (labels, offsets, runs) = (labels.as_slice()?, offsets.as_slice()?, runs.as_slice()?);
        let copied = work::run(py, None, |stop| {
            let given: &[Run] = bytemuck::cast_slice(runs);
            let (mut copies, mut ends) = (room(labels.len(), COPY)?, room(offsets.len(), COPY)?);
            copies.extend_from_slice(labels);
            ends.extend(offsets.iter().map(|&offset| usize::try_from(offset).unwrap_or(usize::MAX)));
            let mut runs = room(given.len(), COPY)?;
            for piece in given.chunks(PIECE) {
                stop.check()?;
                // Memory that nobody has touched is faster to fill by all threads.
                runs.par_extend(piece);
            }
            Ok((copies, ends, runs))
        })?;
        let (labels, offsets, runs) = copied.map_err(|error: runmask::Error| raise(py, error))?;
        let made = work::alone(py, None, move |_| LabelRuns::from_parts(shape, order, labels, offsets, runs))?;
        made.map(Self::from).map_err(|error| raise(py, error))
    }

    /// The labels, ascending: uint64, shape (n,), a read-only view.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        show(py, Shown::Labels(Arc::clone(&self.runs)))
    }

    /// Where the runs of each label begin in `runs`, and at last where they all end: int64, shape (n + 1,), a read-only view.
    #[getter]
    fn offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        show(py, Shown::Offsets(Arc::clone(&self.runs)))
    }

    /// Start and length of every run, those of the first label first: uint64, shape (N, 2), a read-only view.
    #[getter]
    fn runs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        show(py, Shown::Runs(Arc::clone(&self.runs), 0..self.runs.run_count()))
    }

    /// (height, width) of the mask, or None when the file that the runs came from does not say.
    #[getter]
    fn shape(&self) -> Option<(u32, u32)> {
        self.runs.shape().map(|shape| (shape.height, shape.width))
    }

    /// 'F' when positions go down the columns, 'C' when they go along the rows.
    #[getter]
    fn order(&self) -> &'static str {
        order_name(self.runs.order())
    }

    /// Pixels of all runs together.
    #[getter]
    fn area(&self) -> u64 {
        self.runs.area()
    }

    /// Arrays of numpy leave operators to this class instead of working element by element.
    #[classattr]
    fn __array_ufunc__() -> Option<bool> {
        None
    }

    /// The number of labels.
    fn __len__(&self) -> usize {
        self.runs.labels().len()
    }

    /// The runs of a label: uint64, shape (n, 2), a read-only view. A label that is not there is a KeyError.
    fn __getitem__<'py>(&self, label: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let index = label.extract().ok().and_then(|label: u64| self.runs.labels().binary_search(&label).ok());
        match index {
            Some(index) => self.show_label(label.py(), index),
            None => Err(PyKeyError::new_err(label.clone().unbind())),
        }
    }

    fn __contains__(&self, label: &Bound<'_, PyAny>) -> bool {
        label.extract().is_ok_and(|label: u64| self.runs.labels().binary_search(&label).is_ok())
    }

    /// Every label with its runs, an (n, 2) view.
    fn __iter__(&self) -> Labels {
        Labels { runs: Self { runs: Arc::clone(&self.runs) }, next: 0 }
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, operator: CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let (other, wanted) = match (other.cast::<Self>(), operator) {
            (Ok(other), CompareOp::Eq) => (other, true),
            (Ok(other), CompareOp::Ne) => (other, false),
            _ => return Ok(py.NotImplemented()),
        };
        let (one, other) = (&self.runs, &other.get().runs);
        let equal = py.detach(|| Arc::ptr_eq(one, other) || one == other);
        Ok((equal == wanted).into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __repr__(&self) -> String {
        let shape = match self.shape() {
            Some((height, width)) => format!("({height}, {width})"),
            None => "None".into(),
        };
        let (labels, runs, order) = (self.runs.labels().len(), self.runs.run_count(), self.order());
        format!("Runs(labels={labels}, runs={runs}, shape={shape}, order='{order}')")
    }

    /// The object itself: nothing changes it.
    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// The object itself: nothing changes it.
    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    /// Packed into an array of bytes, which pickle's protocol 5 can pass without a copy.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let restore = py.import("runmask._runmask")?.getattr("unpack")?;
        (restore, (pack(py, slf, None)?,)).into_pyobject(py)
    }

    /// Writes a run file. It appears under its name when it is finished, and not before.
    ///
    /// Parameters
    /// ----------
    /// path : str or path
    /// format : str, optional
    ///     'hubmap', 'table', 'kaggle', 'siim', 'coco', 'sam', 'oid', 'cvat', 'labelstudio' or 'geojson'. Unless given, the
    ///     extension tells it: .csv is hubmap, .json is coco, .xml is cvat and .geojson is geojson. After it, .gz compresses.
    /// image : str
    ///     The image's id, for formats that name images; the file's name without its extension unless given.
    /// order : 'F' or 'C'
    ///     Whether positions in the file go down the columns or along the rows, where the format leaves that open.
    /// base : int
    ///     kaggle: the number of the first pixel, 1 unless given.
    /// labels : int
    ///     hubmap: rows for the labels 1 to this one.
    /// header, line_ending, compat
    ///     CSV: which header, 'lf' or 'crlf', and 'notebook' for the defects of another program.
    /// union : bool
    ///     kaggle, siim: all objects as one.
    /// file_name : str
    ///     The name of the image's file, for formats that have one beside the id; the id unless given.
    /// category : str
    ///     The name of the category of every object.
    /// categories, category_of : dicts
    ///     coco: number to name, and label to number.
    /// image_url : str
    ///     labelstudio: what stands before the name of an image's file to make it a URL.
    /// coco_form, counts : str
    ///     coco: 'dataset' or 'results', and 'compressed' or 'numbers'.
    /// large_counts : 'refuse', 'split' or 'keep'
    ///     What to do with counts above 2^32 - 1, which other programs cannot read.
    /// object_type : 'annotation', 'detection', 'cell' or 'tile'
    ///     geojson: what objects are to QuPath; detections from 10,000 objects on, otherwise annotations, unless given.
    /// class_colors : dict
    ///     geojson: the name of a category to its colour, (red, green, blue).
    /// simplify : float
    ///     geojson: leaves out points of outlines that are not further than so many pixels from them.
    /// measure : sequence of str, pixel_size : float or (height, width)
    ///     geojson: what is measured of each object, as in :meth:`measure`.
    /// renumber, drop_empty_labels, drop_attributes, drop_shape : bool
    ///     What may be changed or left out where the format cannot hold it; otherwise it is an error.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     The format cannot hold the runs; the message names the option that lets them through.
    /// OSError
    ///     The file cannot be written.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runs = runmask.encode(numpy.array([[0, 7, 7], [0, 7, 0]]))
    /// >>> runs.write("runs.csv", "table")
    /// >>> print(open("runs.csv").read().strip())
    /// label,start,length
    /// 7,2,3
    /// >>> runmask.read("runs.csv", "table", shape=(2, 3)) == runs
    /// True
    #[pyo3(signature = (path, format=None, **options))]
    fn write(
        &self,
        py: Python<'_>,
        path: PathBuf,
        format: Option<&str>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        files::write(py, &self.runs, path, format, options)
    }
}

impl Runs {
    fn show_label<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
        let offsets = self.runs.offsets();
        show(py, Shown::Runs(Arc::clone(&self.runs), offsets[index]..offsets[index + 1]))
    }
}

/// Goes over the labels of runs.
#[pyclass(module = "runmask._runmask")]
pub(crate) struct Labels {
    runs: Runs,
    next: usize,
}

#[pymethods]
impl Labels {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<(u64, Bound<'py, PyAny>)>> {
        let Some(&label) = self.runs.runs.labels().get(self.next) else { return Ok(None) };
        self.next += 1;
        Ok(Some((label, self.runs.show_label(py, self.next - 1)?)))
    }
}

/// Runs in few bytes, as they are pickled.
#[pyfunction]
#[pyo3(signature = (runs, threads=None))]
pub(crate) fn pack<'py>(
    py: Python<'py>,
    runs: &Bound<'py, Runs>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<u8>>> {
    let runs = Arc::clone(&runs.get().runs);
    Ok(work::alone(py, threads, move |_| runs.pack())?.into_pyarray(py))
}

/// The runs of these bytes.
#[pyfunction]
#[pyo3(signature = (packed, threads=None))]
pub(crate) fn unpack(py: Python<'_>, packed: PyReadonlyArray1<'_, u8>, threads: Option<usize>) -> PyResult<Runs> {
    let packed = packed.as_slice()?;
    let runs = work::run(py, threads, |_| LabelRuns::unpack(packed))?;
    runs.map(Runs::from).map_err(|error| raise(py, error))
}

/// The runs of parts of one mask that are packed.
#[pyfunction]
#[pyo3(signature = (parts, *, threads))]
pub(crate) fn merge_packed(
    py: Python<'_>,
    parts: Vec<PyReadonlyArray1<'_, u8>>,
    threads: Option<usize>,
) -> PyResult<Runs> {
    let parts: Vec<&[u8]> = parts.iter().map(PyReadonlyArray1::as_slice).collect::<Result<_, _>>()?;
    let merged = work::run(py, threads, |stop| LabelRuns::merge_packed(&parts, &mut |_| stop.flow()))?;
    merged.map(Runs::from).map_err(|error| raise(py, error))
}

/// The integers of an array as places in a list.
pub(crate) fn indices(values: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<usize>> {
    let values = flat(values, name, 1)?;
    Ok(values.as_slice()?.iter().map(|&place| usize::try_from(place).unwrap_or(usize::MAX)).collect())
}

/// The integers of an array, or of anything that numpy makes one of, one after the other as positions.
pub(crate) fn flat<'py>(
    values: &Bound<'py, PyAny>,
    name: &str,
    dimensions: usize,
) -> PyResult<PyReadonlyArray1<'py, u64>> {
    let py = values.py();
    let numpy = numpy::get_array_module(py)?;
    let array = numpy.call_method1("asarray", (values,))?;
    let array = array.cast::<PyUntypedArray>()?;
    let (kind, shape) = (array.dtype().kind(), array.shape());
    let right = shape.len() == dimensions && (dimensions == 1 || shape[1] == 2);
    if !right && shape != [0] {
        let expected = if dimensions == 1 { "(n,)" } else { "(n, 2)" };
        let text = format!("{name}: expected the shape {expected}, found {}", array.getattr("shape")?);
        return Err(PyValueError::new_err(text));
    }
    if !array.is_empty() && !matches!(kind, b'u' | b'i') {
        return Err(PyTypeError::new_err(format!("{name}: expected integers, found {}", array.dtype().str()?)));
    }
    if !array.is_empty() && kind == b'i' && array.call_method0("min")?.lt(0)? {
        return Err(PyValueError::new_err(format!("{name}: expected numbers from 0, found a negative one")));
    }
    let options = PyDict::new(py);
    options.set_item("dtype", "u8")?;
    let mut array = numpy.call_method("ascontiguousarray", (array,), Some(&options))?;
    // Buffers that came over a network or out of a file begin at any byte.
    if !array.getattr("flags")?.getattr("aligned")?.is_truthy()? {
        array = array.call_method0("copy")?;
    }
    array.call_method1("reshape", (-1,))?.extract()
}
