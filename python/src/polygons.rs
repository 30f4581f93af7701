//! The class `Polygons`, and the verbs of `Runs` that make polygons.

use std::sync::Arc;

use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use runmask::{FillRule, PolygonParts, Shape};

use crate::arrays::{Shown, show};
use crate::errors::raise;
use crate::options::{named, shape_of};
use crate::runs::{Runs, flat, indices};
use crate::work;

/// The polygons of every label of one mask, in ragged arrays.
///
/// A feature is what a label covers: polygons, each with an outer ring and any number of holes. Points are (x, y) in pixels, x
/// to the right and y down, from the corner of the first pixel, which is the square from (0, 0) to (1, 1). A ring ends with the
/// point with which it begins.
///
/// The polygons of feature i are those from ``feature_offsets[i]`` to ``feature_offsets[i + 1]``, the rings of polygon j those
/// from ``polygon_offsets[j]`` to ``polygon_offsets[j + 1]``, the outer one first, and the points of ring k
/// ``points[ring_offsets[k]:ring_offsets[k + 1]]``. Nothing changes a Polygons object; its arrays are read-only views.
///
/// Polygons come from :meth:`Runs.polygons`. This constructor takes the flat lists.
///
/// Parameters
/// ----------
/// labels : integers, shape (n,)
///     The label of each feature; a label may have several, or none.
/// feature_offsets : integers, shape (n + 1,)
/// polygon_offsets, ring_offsets : integers
/// points : numbers, shape (N, 2)
/// shape : (height, width), optional
///     The size of the mask.
///
/// Raises
/// ------
/// ValueError
///     The lists do not fit together, or a ring is not closed or has fewer than three points.
///
/// Examples
/// --------
/// >>> import numpy, runmask
/// >>> polygons = runmask.encode(numpy.array([[7, 7], [0, 7]])).polygons()
/// >>> polygons
/// Polygons(features=1, polygons=1, rings=1, points=7, shape=(2, 2))
/// >>> polygons.points.astype(int).tolist()
/// [[0, 0], [2, 0], [2, 2], [1, 2], [1, 1], [0, 1], [0, 0]]
#[pyclass(frozen, module = "runmask")]
pub(crate) struct Polygons {
    polygons: Arc<runmask::Polygons>,
}

impl From<runmask::Polygons> for Polygons {
    fn from(polygons: runmask::Polygons) -> Self {
        Self { polygons: Arc::new(polygons) }
    }
}

#[pymethods]
impl Polygons {
    #[new]
    #[pyo3(signature = (labels, feature_offsets, polygon_offsets, ring_offsets, points, *, shape=None))]
    fn new(
        py: Python<'_>,
        labels: &Bound<'_, PyAny>,
        feature_offsets: &Bound<'_, PyAny>,
        polygon_offsets: &Bound<'_, PyAny>,
        ring_offsets: &Bound<'_, PyAny>,
        points: &Bound<'_, PyAny>,
        shape: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let shape = shape.map(shape_of).transpose()?;
        let parts = PolygonParts {
            labels: flat(labels, "labels", 1)?.as_slice()?.to_vec(),
            feature_offsets: indices(feature_offsets, "feature_offsets")?,
            polygon_offsets: indices(polygon_offsets, "polygon_offsets")?,
            ring_offsets: indices(ring_offsets, "ring_offsets")?,
            points: numbers(points)?,
        };
        let made = py.detach(|| runmask::Polygons::from_parts(shape, parts));
        made.map(Self::from).map_err(|error| raise(py, error))
    }

    /// The label of each feature: uint64, shape (n,), a read-only view.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        show(py, Shown::PolygonLabels(Arc::clone(&self.polygons)))
    }

    /// Where the polygons of each feature begin, and at last where they all end: int64, shape (n + 1,), a read-only view.
    #[getter]
    fn feature_offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        show(py, Shown::FeatureOffsets(Arc::clone(&self.polygons)))
    }

    /// Where the rings of each polygon begin, and at last where they all end: int64, a read-only view.
    #[getter]
    fn polygon_offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        show(py, Shown::PolygonOffsets(Arc::clone(&self.polygons)))
    }

    /// Where the points of each ring begin, and at last where they all end: int64, a read-only view.
    #[getter]
    fn ring_offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        show(py, Shown::RingOffsets(Arc::clone(&self.polygons)))
    }

    /// The points of all rings, x and y in pixels: float64, shape (N, 2), a read-only view.
    #[getter]
    fn points<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        show(py, Shown::Points(Arc::clone(&self.polygons)))
    }

    /// (height, width) of the mask, or None.
    #[getter]
    fn shape(&self) -> Option<(u32, u32)> {
        self.polygons.shape().map(|shape| (shape.height, shape.width))
    }

    /// Area of all polygons, without their holes, in pixels.
    #[getter]
    fn area(&self) -> f64 {
        self.polygons.area()
    }

    /// The number of features.
    fn __len__(&self) -> usize {
        self.polygons.labels().len()
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, operator: CompareOp) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let (other, wanted) = match (other.cast::<Self>(), operator) {
            (Ok(other), CompareOp::Eq) => (other, true),
            (Ok(other), CompareOp::Ne) => (other, false),
            _ => return Ok(py.NotImplemented()),
        };
        let (one, other) = (&self.polygons, &other.get().polygons);
        let equal = py.detach(|| one == other);
        Ok((equal == wanted).into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __repr__(&self) -> String {
        let shape = match self.shape() {
            Some((height, width)) => format!("({height}, {width})"),
            None => "None".into(),
        };
        let polygons = self.polygons.polygon_offsets().len() - 1;
        let (rings, points) = (self.polygons.ring_offsets().len() - 1, self.polygons.points().len());
        format!(
            "Polygons(features={}, polygons={polygons}, rings={rings}, points={points}, shape={shape})",
            self.__len__()
        )
    }

    /// The object itself: nothing changes it.
    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// The object itself: nothing changes it.
    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    /// Five arrays, which pickle's protocol 5 can pass without a copy.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (py, own) = (slf.py(), slf.get());
        let lists = (own.labels(py)?, own.feature_offsets(py)?, own.polygon_offsets(py)?, own.ring_offsets(py)?);
        let restore = py.import("runmask._runmask")?.getattr("_restore_polygons")?;
        (restore, (lists.0, lists.1, lists.2, lists.3, own.points(py)?, own.shape())).into_pyobject(py)
    }

    /// The runs of the pixels inside.
    ///
    /// Features of one label are united. Labels may overlap: :meth:`Runs.disjoint` decides who keeps such pixels. What is outside
    /// the mask is left out.
    ///
    /// Parameters
    /// ----------
    /// shape : (height, width), optional
    ///     The size of the mask, unless it is that of the polygons.
    /// rule : 'centre' or 'coco'
    ///     The pixels whose centres are inside, by even and odd over all rings of a feature; or those of pycocotools.
    /// threads : int, optional
    ///     All of the machine unless given.
    ///
    /// Returns
    /// -------
    /// Runs
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     The shape is not known, a coordinate is not finite or past 2^53, or a ring has fewer than three points that differ.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runs = runmask.encode(numpy.array([[7, 7], [0, 7]]))
    /// >>> runs.polygons().fill() == runs
    /// True
    #[pyo3(signature = (shape=None, rule=None, *, threads=None), text_signature = "($self, shape=None, rule='centre', *, threads=None)")]
    fn fill(
        &self,
        py: Python<'_>,
        shape: Option<&Bound<'_, PyAny>>,
        rule: Option<&Bound<'_, PyAny>>,
        threads: Option<usize>,
    ) -> PyResult<Runs> {
        let rule: FillRule = rule.map(named).transpose()?.unwrap_or_default();
        let shape: Option<Shape> = shape.map(shape_of).transpose()?;
        let polygons = Arc::clone(&self.polygons);
        let filled = work::alone(py, threads, move |_| match shape {
            Some(shape) if polygons.shape() != Some(shape) => {
                Arc::unwrap_or_clone(polygons).with_shape(shape).fill(rule)
            }
            _ => polygons.fill(rule),
        })?;
        filled.map(Runs::from).map_err(|error| raise(py, error))
    }

    /// Polygons with fewer points, none of those left out further than `tolerance` pixels from the outline. Rings that did not
    /// cross do not cross; the difference of the `area` of both says what became of it.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> polygons = runmask.encode(numpy.tri(4, dtype=int)).polygons()
    /// >>> polygons.simplify(1.0).points.astype(int).tolist()
    /// [[0, 0], [4, 4], [0, 4], [0, 0]]
    #[pyo3(signature = (tolerance, *, threads=None))]
    fn simplify(&self, py: Python<'_>, tolerance: f64, threads: Option<usize>) -> PyResult<Self> {
        let polygons = Arc::clone(&self.polygons);
        let simplified = work::alone(py, threads, move |_| polygons.simplify(tolerance))?;
        simplified.map(|simplified| Self::from(simplified.into_polygons())).map_err(|error| raise(py, error))
    }

    /// A shapely geometry for each feature, in an array: a Polygon, or a MultiPolygon where there are several or none.
    #[pyo3(signature = ())]
    fn to_shapely<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("runmask._polygons")?.call_method1("to_shapely", (slf,))
    }

    /// A geopandas GeoDataFrame with a row for each feature: label, geometry. It has no coordinate reference system: coordinates
    /// are pixels.
    #[pyo3(signature = ())]
    fn to_geopandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("runmask._polygons")?.call_method1("to_geopandas", (slf,))
    }
}

#[pymethods]
impl Runs {
    /// The polygons of every label through the corners of its pixels, a feature for each label. They cover the pixels and
    /// nothing else.
    ///
    /// Pixels are connected by their four neighbours: each piece is a polygon, and holes are rings of it. Rings are simple: none
    /// passes through a point twice. Outer rings go clockwise as one sees them, y being down, and holes the other way.
    ///
    /// Parameters
    /// ----------
    /// threads : int, optional
    ///     All of the machine unless given.
    ///
    /// Returns
    /// -------
    /// Polygons
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> polygons = runmask.encode(numpy.array([[7, 7, 0], [0, 0, 7]])).polygons()
    /// >>> polygons.labels, polygons.feature_offsets, polygons.ring_offsets
    /// (array([7], dtype=uint64), array([0, 2]), array([ 0,  5, 10]))
    #[pyo3(signature = (*, threads=None))]
    fn polygons(&self, py: Python<'_>, threads: Option<usize>) -> PyResult<Polygons> {
        let runs = Arc::clone(&self.runs);
        let traced = work::alone(py, threads, move |_| runs.polygons())?;
        traced.map(Polygons::from).map_err(|error| raise(py, error))
    }

    /// A shapely geometry for each label, in an array: a Polygon, or a MultiPolygon where it has several pieces.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> shapes = runmask.encode(numpy.array([[7, 7], [0, 7]])).to_shapely()
    /// >>> shapes[0].area, shapes[0].is_valid
    /// (3.0, True)
    #[pyo3(signature = ())]
    fn to_shapely<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Polygons::to_shapely(&Bound::new(py, self.polygons(py, None)?)?)
    }

    /// A geopandas GeoDataFrame with a row for each label: label, geometry. It has no coordinate reference system: coordinates are
    /// pixels.
    #[pyo3(signature = ())]
    fn to_geopandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Polygons::to_geopandas(&Bound::new(py, self.polygons(py, None)?)?)
    }

    /// Writes a GeoJSON file as QuPath reads it: ``write(path, "geojson", ...)``.
    ///
    /// Parameters
    /// ----------
    /// path : str or path
    ///     An extension .gz compresses it.
    /// **options
    ///     Those of :meth:`write` for this format: category, categories, category_of, class_colors, object_type, simplify, measure.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runs = runmask.encode(numpy.array([[0, 7, 7], [0, 7, 0]]))
    /// >>> runs.to_geojson("cells.geojson", category="nucleus", measure=["area"])
    /// >>> runmask.read("cells.geojson", shape=(2, 3)) == runs
    /// True
    #[pyo3(signature = (path, **options))]
    fn to_geojson(
        &self,
        py: Python<'_>,
        path: std::path::PathBuf,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        crate::files::write(py, &self.runs, path, Some("geojson"), options)
    }
}

/// What a pickle calls: the constructor by position.
#[pyfunction]
pub(crate) fn _restore_polygons(
    py: Python<'_>,
    labels: &Bound<'_, PyAny>,
    feature_offsets: &Bound<'_, PyAny>,
    polygon_offsets: &Bound<'_, PyAny>,
    ring_offsets: &Bound<'_, PyAny>,
    points: &Bound<'_, PyAny>,
    shape: Option<&Bound<'_, PyAny>>,
) -> PyResult<Polygons> {
    Polygons::new(py, labels, feature_offsets, polygon_offsets, ring_offsets, points, shape)
}

/// The points of an array, or of anything that numpy makes one of.
fn numbers(points: &Bound<'_, PyAny>) -> PyResult<Vec<runmask::Point>> {
    let py = points.py();
    let numpy = numpy::get_array_module(py)?;
    let options = PyDict::new(py);
    options.set_item("dtype", "f8")?;
    let array = numpy.call_method("ascontiguousarray", (points,), Some(&options))?;
    let shape: Vec<usize> = array.getattr("shape")?.extract()?;
    if shape == [0] {
        return Ok(Vec::new());
    }
    if shape.len() != 2 || shape[1] != 2 {
        let text = format!("points: expected the shape (n, 2), found {}", array.getattr("shape")?);
        return Err(pyo3::exceptions::PyValueError::new_err(text));
    }
    let array: PyReadonlyArray2<'_, f64> = array.extract()?;
    debug_assert!(array.is_c_contiguous());
    Ok(array.as_slice()?.as_chunks::<2>().0.to_vec())
}
