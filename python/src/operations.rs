//! The verbs of `Runs`: measuring, choosing, placing, combining; and tables of runs.

use std::collections::HashMap;
use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use runmask::{
    ComponentOptions, Components, F1_THRESHOLDS, LabelRuns, LabelRunsBuilder, Measures, OverlapPolicy, Overlaps, Run,
    SetOperation, Values, Window,
};

use crate::arrays::{order_name, order_of};
use crate::errors::{raise, room};
use crate::options::{measure_options, named, shape_of};
use crate::runs::{Runs, flat};
use crate::work;

/// Rows between two looks at whether to stop.
const PIECE: usize = 1 << 18;

/// Does `work` on the runs outside Python's lock.
fn apply(
    py: Python<'_>,
    runs: &Arc<LabelRuns>,
    threads: Option<usize>,
    work: impl FnOnce(&LabelRuns) -> runmask::Result<LabelRuns> + Send + 'static,
) -> PyResult<Runs> {
    let runs = Arc::clone(runs);
    work::alone(py, threads, move |_| work(&runs))?.map(Runs::from).map_err(|error| raise(py, error))
}

#[pymethods]
impl Runs {
    /// Measures every label.
    ///
    /// Parameters
    /// ----------
    /// properties : sequence of str
    ///     Of scikit-image's `regionprops_table`, with its names and values: label, area, bbox, centroid,
    ///     equivalent_diameter_area, extent, axis_major_length, axis_minor_length, eccentricity, orientation, perimeter,
    ///     perimeter_crofton, euler_number, area_convex, solidity, feret_diameter_max; and outline_length (the length of the
    ///     edges between the label's pixels and others), holes and pieces (their numbers).
    /// pixel_size : float or (height, width), optional
    ///     In micrometres: lengths and areas are then in micrometres too, in columns that end in _um and _um2. Boxes and
    ///     centroids stay in pixels.
    /// connectivity : 4 or 8
    ///     How pixels of a piece are connected; holes are connected the other way.
    /// threads : int, optional
    ///     All of the machine unless given.
    ///
    /// Returns
    /// -------
    /// dict of arrays
    ///     One entry for each label, in the order of `labels`. A box is (row, column) of its first pixel and of one past its
    ///     last, in bbox-0 to bbox-3; a centroid is the mean row and column, in centroid-0 and centroid-1.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runs = runmask.encode(numpy.array([[0, 7, 7], [0, 7, 0]]))
    /// >>> table = runs.measure(("label", "area", "bbox"))
    /// >>> {name: column.tolist() for name, column in table.items()}
    /// {'label': [7], 'area': [3], 'bbox-0': [0], 'bbox-1': [1], 'bbox-2': [2], 'bbox-3': [3]}
    #[pyo3(
        signature = (properties=None, pixel_size=None, *, connectivity=8, threads=None),
        text_signature = "($self, properties=('label', 'area', 'bbox', 'centroid'), pixel_size=None, *, connectivity=8, threads=None)"
    )]
    fn measure<'py>(
        &self,
        py: Python<'py>,
        properties: Option<Bound<'py, PyAny>>,
        pixel_size: Option<Bound<'py, PyAny>>,
        connectivity: u8,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let options = measure_options(properties.as_ref(), pixel_size.as_ref())?;
        let options = options.connectivity(connectivity_of(py, connectivity)?);
        let runs = Arc::clone(&self.runs);
        measured(py, threads, move || runs.measure(&options))
    }

    /// The part of the mask in a window, as a mask of its own: labels without pixels in it are left out.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runs = runmask.encode(numpy.array([[0, 7, 7], [0, 7, 0]]))
    /// >>> runs.crop(row=1, column=1, height=1, width=2).decode()
    /// array([[7, 0]], dtype=uint8)
    #[pyo3(signature = (row, column, height, width))]
    fn crop(&self, py: Python<'_>, row: u32, column: u32, height: u32, width: u32) -> PyResult<Self> {
        apply(py, &self.runs, None, move |runs| runs.crop(Window::new(row, column, height, width)))
    }

    /// The mask moved down and to the right, or the other way by negative numbers; what leaves it is left out.
    #[pyo3(signature = (rows, columns))]
    fn shift(&self, py: Python<'_>, rows: i64, columns: i64) -> PyResult<Self> {
        apply(py, &self.runs, None, move |runs| runs.shift(rows, columns))
    }

    /// The mask with rows and columns of background around it.
    #[pyo3(signature = (above=0, left=0, below=0, right=0))]
    fn pad(&self, py: Python<'_>, above: u32, left: u32, below: u32, right: u32) -> PyResult<Self> {
        apply(py, &self.runs, None, move |runs| runs.pad(above, left, below, right))
    }

    /// The mask with its first pixel at a row and column, which may be negative, of a mask of another shape. What lies outside
    /// is left out.
    #[pyo3(signature = (row, column, shape))]
    fn place(&self, py: Python<'_>, row: i64, column: i64, shape: &Bound<'_, PyAny>) -> PyResult<Self> {
        let shape = shape_of(shape)?;
        apply(py, &self.runs, None, move |runs| runs.place((row, column), shape))
    }

    /// The labels that are in a list, in any order; those that do not occur are passed over.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runmask.encode(numpy.array([[1, 2, 3]])).select([3, 1, 9]).labels.tolist()
    /// [1, 3]
    #[pyo3(signature = (labels))]
    fn select(&self, py: Python<'_>, labels: &Bound<'_, PyAny>) -> PyResult<Self> {
        let labels = flat(labels, "labels", 1)?;
        let mut wanted = labels.as_slice()?.to_vec();
        apply(py, &self.runs, None, move |runs| {
            wanted.sort_unstable();
            runs.relabel(|label| wanted.binary_search(&label).is_ok().then_some(label))
        })
    }

    /// The labels under other numbers.
    ///
    /// Parameters
    /// ----------
    /// table : dict, optional
    ///     New number for old; None leaves a label out, and labels that are not in it keep their number. Labels that get the
    ///     same number become one. Unless given, labels are numbered 1, 2, 3 ... in their order.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runs = runmask.encode(numpy.array([[3, 5, 9]]))
    /// >>> runs.relabel().decode()
    /// array([[1, 2, 3]], dtype=uint8)
    /// >>> runs.relabel({3: 9, 5: None}).decode()
    /// array([[9, 0, 9]], dtype=uint8)
    #[pyo3(signature = (table=None))]
    fn relabel(&self, py: Python<'_>, table: Option<HashMap<u64, Option<u64>>>) -> PyResult<Self> {
        apply(py, &self.runs, None, move |runs| match table {
            None => Ok(runs.clone().relabel_sequential().0),
            Some(table) => runs.relabel(|label| table.get(&label).copied().unwrap_or(Some(label))),
        })
    }

    /// All pixels of all labels as one label.
    #[pyo3(signature = (label=1))]
    fn foreground(&self, py: Python<'_>, label: u64) -> PyResult<Self> {
        apply(py, &self.runs, None, move |runs| runs.foreground(label))
    }

    /// The same runs, but each pixel with one label only. A label that keeps no pixel stays, without runs.
    ///
    /// Parameters
    /// ----------
    /// overlap : 'error', 'first' or 'last'
    ///     What becomes of a pixel that several labels have: an error, or the smallest label keeps it, or the largest.
    ///
    /// Examples
    /// --------
    /// >>> import runmask
    /// >>> runs = runmask.Runs([4, 7], [0, 1, 2], [[0, 3], [2, 3]], shape=(1, 5))
    /// >>> runs.disjoint("last").decode()
    /// array([[4, 4, 7, 7, 7]], dtype=uint8)
    #[pyo3(signature = (overlap))]
    fn disjoint(&self, py: Python<'_>, overlap: &Bound<'_, PyAny>) -> PyResult<Self> {
        let policy: OverlapPolicy = named(overlap)?;
        apply(py, &self.runs, None, move |runs| runs.clone().disjoint(policy))
    }

    /// The same pixels with positions down the columns, 'F', or along the rows, 'C'.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runmask.encode(numpy.array([[0, 7, 7], [0, 7, 0]])).to_order("C")[7].tolist()
    /// [[1, 2], [4, 1]]
    #[pyo3(signature = (order))]
    fn to_order(&self, py: Python<'_>, order: &str) -> PyResult<Self> {
        let order = order_of(order)?;
        apply(py, &self.runs, None, move |runs| runs.to_order(order))
    }

    /// The same runs for a mask of this (height, width): for runs from a file that does not say.
    #[pyo3(signature = (shape))]
    fn with_shape(&self, py: Python<'_>, shape: &Bound<'_, PyAny>) -> PyResult<Self> {
        let shape = shape_of(shape)?;
        apply(py, &self.runs, None, move |runs| runs.clone().with_shape(shape))
    }

    /// The connected pieces of each label, each with a label of its own: 1, 2, 3 ... by their first pixels, down the columns.
    ///
    /// Parameters
    /// ----------
    /// connectivity : 4 or 8
    ///     Which neighbours connect pixels. 8 is the default of scikit-image, cc3d and OpenCV, 4 that of scipy.
    /// binary : bool
    ///     Takes all labels for one, so that pieces of different labels that touch are one piece.
    /// min_area : int
    ///     Leaves out pieces of fewer pixels, after holes were filled.
    /// fill_holes : int
    ///     Fills holes of at most so many pixels.
    /// largest : bool
    ///     Keeps the largest piece of each label only.
    /// return_sources : bool
    ///     Whether to return as well, for each piece, the label that it is a piece of.
    ///
    /// Returns
    /// -------
    /// Runs, or (Runs, uint64 array)
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runs = runmask.encode(numpy.array([[7, 0, 7], [0, 0, 7]]))
    /// >>> runs.components().decode()
    /// array([[1, 0, 2],
    ///        [0, 0, 2]], dtype=uint8)
    /// >>> runs.components(min_area=2, return_sources=True)
    /// (Runs(labels=1, runs=1, shape=(2, 3), order='F'), array([7], dtype=uint64))
    #[pyo3(signature = (
        connectivity=8, binary=false, min_area=0, fill_holes=0, *, largest=false, return_sources=false, threads=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "named in Python")]
    fn components(
        &self,
        py: Python<'_>,
        connectivity: u8,
        binary: bool,
        min_area: u64,
        fill_holes: u64,
        largest: bool,
        return_sources: bool,
        threads: Option<usize>,
    ) -> PyResult<Py<PyAny>> {
        let options = component_options(py, connectivity, binary, min_area, fill_holes, largest)?;
        let runs = Arc::clone(&self.runs);
        components(py, threads, return_sources, move || runs.components(&options))
    }

    /// For each label the pixels that it has in either of two masks of the same shape.
    fn __or__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.combine(other, SetOperation::Union)
    }

    /// For each label the pixels that it has in both.
    fn __and__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.combine(other, SetOperation::Intersection)
    }

    /// For each label the pixels that it has in the first and not in the second.
    fn __sub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.combine(other, SetOperation::Difference)
    }

    /// For each label the pixels that it has in one of them only.
    fn __xor__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.combine(other, SetOperation::SymmetricDifference)
    }

    /// A pandas DataFrame with a row for each run: label, start, length.
    #[pyo3(signature = ())]
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("runmask._tables")?.call_method1("to_pandas", (slf,))
    }

    /// A pyarrow Table with a row for each run: label, start, length.
    #[pyo3(signature = ())]
    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("runmask._tables")?.call_method1("to_arrow", (slf,))
    }
}

impl Runs {
    fn combine(&self, other: &Bound<'_, PyAny>, operation: SetOperation) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let Ok(other) = other.cast::<Self>() else { return Ok(py.NotImplemented()) };
        let other = Arc::clone(&other.get().runs);
        let combined = apply(py, &self.runs, None, move |runs| runs.combine(&other, operation))?;
        Ok(Bound::new(py, combined)?.into_any().unbind())
    }
}

/// A mask whose runs are in scan order, not grouped by label.
#[pyclass(frozen, module = "runmask._runmask")]
pub(crate) struct Marked {
    marked: Arc<runmask::Marked>,
}

impl From<runmask::Marked> for Marked {
    fn from(marked: runmask::Marked) -> Self {
        Self { marked: Arc::new(marked) }
    }
}

#[pymethods]
impl Marked {
    /// The order of its runs.
    #[getter]
    fn order(&self) -> &'static str {
        order_name(self.marked.order())
    }

    /// The largest label but the background, or None.
    #[getter]
    fn largest(&self, py: Python<'_>) -> Option<u64> {
        py.detach(|| self.marked.largest())
    }

    /// As `Runs.measure`.
    #[pyo3(signature = (properties, pixel_size, *, connectivity, threads))]
    fn measure<'py>(
        &self,
        py: Python<'py>,
        properties: Bound<'py, PyAny>,
        pixel_size: Option<Bound<'py, PyAny>>,
        connectivity: u8,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let options = measure_options(Some(&properties), pixel_size.as_ref())?;
        let options = options.connectivity(connectivity_of(py, connectivity)?);
        let marked = Arc::clone(&self.marked);
        measured(py, threads, move || marked.measure(&options))
    }

    /// As `Runs.components`.
    #[pyo3(signature = (connectivity, binary, min_area, fill_holes, *, largest, return_sources, threads))]
    #[expect(clippy::too_many_arguments, reason = "named in Python")]
    fn components(
        &self,
        py: Python<'_>,
        connectivity: u8,
        binary: bool,
        min_area: u64,
        fill_holes: u64,
        largest: bool,
        return_sources: bool,
        threads: Option<usize>,
    ) -> PyResult<Py<PyAny>> {
        let options = component_options(py, connectivity, binary, min_area, fill_holes, largest)?;
        let marked = Arc::clone(&self.marked);
        components(py, threads, return_sources, move || marked.components(&options))
    }
}

fn component_options(
    py: Python<'_>,
    connectivity: u8,
    binary: bool,
    min_area: u64,
    fill_holes: u64,
    largest: bool,
) -> PyResult<ComponentOptions> {
    Ok(ComponentOptions::new()
        .connectivity(connectivity_of(py, connectivity)?)
        .foreground(binary)
        .min_area(min_area)
        .fill_holes(fill_holes)
        .largest(largest))
}

/// Connected pieces, and where it is wanted the labels that they are pieces of.
fn components(
    py: Python<'_>,
    threads: Option<usize>,
    return_sources: bool,
    find: impl FnOnce() -> runmask::Result<Components> + Send + 'static,
) -> PyResult<Py<PyAny>> {
    let found = work::alone(py, threads, move |_| find())?;
    let (runs, sources) = found.map_err(|error| raise(py, error))?.into_parts();
    let runs = Bound::new(py, Runs::from(runs))?;
    if return_sources {
        return Ok((runs, sources.into_pyarray(py)).into_pyobject(py)?.into_any().unbind());
    }
    Ok(runs.into_any().unbind())
}

/// One of two masks beside each other.
#[derive(FromPyObject)]
pub(crate) enum Side<'py> {
    Runs(Bound<'py, Runs>),
    Marked(Bound<'py, Marked>),
}

/// Does something with the labels of two masks that share pixels, which are found without runs by label where neither mask has
/// any.
fn of_overlaps<R: Send + 'static>(
    py: Python<'_>,
    [first, second]: [Side<'_>; 2],
    then: impl FnOnce(Overlaps) -> runmask::Result<R> + Send + 'static,
) -> PyResult<R> {
    let side = |side: Side<'_>| match side {
        Side::Runs(runs) => Ok(Arc::clone(&runs.get().runs)),
        Side::Marked(marked) => Err(Arc::clone(&marked.get().marked)),
    };
    let sides = (side(first), side(second));
    let done = work::alone(py, None, move |_| {
        then(match sides {
            (Err(first), Err(second)) => first.overlaps(&second)?,
            (Ok(first), Ok(second)) => first.overlaps(&second)?,
            (Ok(first), Err(second)) => first.overlaps(&second.runs()?)?,
            (Err(first), Ok(second)) => first.runs()?.overlaps(&second)?,
        })
    })?;
    done.map_err(|error| raise(py, error))
}

/// A table of what was measured of each label.
pub(crate) fn measured(
    py: Python<'_>,
    threads: Option<usize>,
    measure: impl FnOnce() -> runmask::Result<Measures> + Send + 'static,
) -> PyResult<Bound<'_, PyDict>> {
    let measures = work::alone(py, threads, move |_| measure())?;
    table(py, measures.map_err(|error| raise(py, error))?)
}

pub(crate) fn connectivity_of<T: std::str::FromStr<Err = runmask::Error>>(
    py: Python<'_>,
    connectivity: u8,
) -> PyResult<T> {
    connectivity.to_string().parse().map_err(|error| raise(py, error))
}

/// The columns of a table as arrays.
fn table<'py>(py: Python<'py>, measures: Measures) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    for column in measures.into_columns() {
        let (name, values) = column.into_parts();
        match values {
            Values::U64(values) => columns.set_item(name, values.into_pyarray(py))?,
            Values::I64(values) => columns.set_item(name, values.into_pyarray(py))?,
            Values::F64(values) => columns.set_item(name, values.into_pyarray(py))?,
            _ => return Err(PyTypeError::new_err(format!("{name}: a column of another type"))),
        }
    }
    Ok(columns)
}

/// The runs of parts of one mask, put together.
#[pyfunction]
#[pyo3(signature = (parts, *, threads))]
pub(crate) fn merge(py: Python<'_>, parts: Vec<Bound<'_, Runs>>, threads: Option<usize>) -> PyResult<Runs> {
    let parts: Vec<Arc<LabelRuns>> = parts.iter().map(|part| Arc::clone(&part.get().runs)).collect();
    let merged = work::alone(py, threads, move |_| LabelRuns::merge(&parts))?;
    merged.map(Runs::from).map_err(|error| raise(py, error))
}

/// Labels of two masks that share pixels, and how many: three columns.
#[pyfunction]
pub(crate) fn overlaps<'py>(
    py: Python<'py>,
    first: Side<'py>,
    second: Side<'py>,
) -> PyResult<Bound<'py, PyArray2<u64>>> {
    let columns: Vec<u64> = of_overlaps(py, [first, second], |found| {
        Ok(found.pairs().iter().flat_map(|pair| [pair.first, pair.second, pair.pixels]).collect())
    })?;
    let rows = columns.len() / 3;
    columns.into_pyarray(py).reshape([rows, 3])
}

/// The scores of a prediction by name.
#[pyfunction]
pub(crate) fn compare<'py>(
    py: Python<'py>,
    truth: Side<'py>,
    prediction: Side<'py>,
    thresholds: Option<Vec<f64>>,
) -> PyResult<Bound<'py, PyDict>> {
    let thresholds = thresholds.unwrap_or_else(|| F1_THRESHOLDS.to_vec());
    let scores = of_overlaps(py, [truth, prediction], move |overlaps| overlaps.scores(&thresholds))?;
    let table = PyDict::new(py);
    for (name, score) in [
        ("pq", scores.pq),
        ("sq", scores.sq),
        ("dq", scores.dq),
        ("aji", scores.aji),
        ("dice", scores.dice),
        ("iou", scores.iou),
    ] {
        table.set_item(name, score)?;
    }
    let f1 = PyDict::new(py);
    scores.f1.iter().try_for_each(|(threshold, score)| f1.set_item(threshold, score))?;
    table.set_item("f1", f1)?;
    for (name, count) in [("matched", scores.matched), ("truth", scores.truth), ("prediction", scores.prediction)] {
        table.set_item(name, count)?;
    }
    Ok(table)
}

/// The label of every run: what a table of runs has beside starts and lengths.
#[pyfunction]
pub(crate) fn labels_of_runs<'py>(py: Python<'py>, runs: &Bound<'py, Runs>) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let runs = &runs.get().runs;
    let labels = py.detach(|| {
        let mut labels = room(runs.run_count(), "labels of runs")?;
        runs.iter().for_each(|(label, of_label)| labels.extend(std::iter::repeat_n(label, of_label.len())));
        Ok(labels)
    });
    labels.map(|labels| labels.into_pyarray(py)).map_err(|error| raise(py, error))
}

/// Runs from a table in any order: a label, a start and a length in each row.
#[pyfunction]
pub(crate) fn from_columns(
    py: Python<'_>,
    labels: &Bound<'_, PyAny>,
    starts: &Bound<'_, PyAny>,
    lengths: &Bound<'_, PyAny>,
    shape: Option<&Bound<'_, PyAny>>,
    order: &str,
) -> PyResult<Runs> {
    let shape = shape.map(shape_of).transpose()?;
    let order = order_of(order)?;
    let (labels, starts, lengths) = (flat(labels, "label", 1)?, flat(starts, "start", 1)?, flat(lengths, "length", 1)?);
    let (labels, starts, lengths) = (labels.as_slice()?, starts.as_slice()?, lengths.as_slice()?);
    if labels.len() != starts.len() || starts.len() != lengths.len() {
        return Err(PyValueError::new_err("label, start and length: columns of one length are needed"));
    }
    let mut rows = work::run(py, None, |stop| {
        let mut rows: Vec<(u64, Run)> = room(labels.len(), "a table of runs")?;
        for first in (0..labels.len()).step_by(PIECE) {
            stop.check()?;
            let piece = first..labels.len().min(first + PIECE);
            rows.extend(piece.map(|row| (labels[row], Run { start: starts[row], length: lengths[row] })));
        }
        Ok(rows)
    })?
    .map_err(|error: runmask::Error| raise(py, error))?;
    let built = work::alone(py, None, move |_| {
        if !rows.is_sorted() {
            rows.sort_unstable();
        }
        let mut builder = LabelRunsBuilder::new(shape, order);
        let mut last = None;
        for (label, run) in rows {
            if last != Some(label) {
                builder.label(label)?;
                last = Some(label);
            }
            builder.push(run)?;
        }
        Ok(builder.finish())
    })?;
    built.map(Runs::from).map_err(|error| raise(py, error))
}
