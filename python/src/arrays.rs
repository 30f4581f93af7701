//! Arrays that show the memory of Rust's values, and types of labels.

use std::ops::Range;
use std::sync::Arc;

use numpy::PyArrayDescrMethods;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use runmask::{Dtype, LabelRuns, Polygons};

/// A list that an array shows, with the object whose memory it is in.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    Labels(Arc<LabelRuns>),
    Offsets(Arc<LabelRuns>),
    /// Runs of this range.
    Runs(Arc<LabelRuns>, Range<usize>),
    PolygonLabels(Arc<Polygons>),
    FeatureOffsets(Arc<Polygons>),
    PolygonOffsets(Arc<Polygons>),
    RingOffsets(Arc<Polygons>),
    Points(Arc<Polygons>),
}

/// Gives numpy the address of memory that it keeps alive, so that an array shows it without a copy.
///
/// The memory belongs to an object that nobody changes, and the array says that it is read-only.
#[pyclass(frozen, module = "runmask._runmask")]
pub(crate) struct Memory {
    shown: Shown,
}

#[pymethods]
impl Memory {
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        type List<'py> = (usize, Bound<'py, PyTuple>, char, usize);
        /// Address, shape, numpy's letter and bytes of a list of numbers.
        fn list<'py, T>(py: Python<'py>, list: &[T], kind: char) -> PyResult<List<'py>> {
            Ok((list.as_ptr().addr(), PyTuple::new(py, [list.len()])?, kind, size_of::<T>()))
        }
        /// The same of a list of pairs.
        fn pairs<'py, T>(py: Python<'py>, list: &[T], kind: char) -> PyResult<List<'py>> {
            Ok((list.as_ptr().addr(), PyTuple::new(py, [list.len(), 2])?, kind, size_of::<T>() / 2))
        }
        let (address, shape, kind, bytes) = match &self.shown {
            Shown::Labels(runs) => list(py, runs.labels(), 'u')?,
            Shown::Offsets(runs) => list(py, runs.offsets(), 'i')?,
            Shown::Runs(runs, range) => pairs(py, &runs.runs()[range.clone()], 'u')?,
            Shown::PolygonLabels(polygons) => list(py, polygons.labels(), 'u')?,
            Shown::FeatureOffsets(polygons) => list(py, polygons.feature_offsets(), 'i')?,
            Shown::PolygonOffsets(polygons) => list(py, polygons.polygon_offsets(), 'i')?,
            Shown::RingOffsets(polygons) => list(py, polygons.ring_offsets(), 'i')?,
            Shown::Points(polygons) => pairs(py, polygons.points(), 'f')?,
        };
        let order = if cfg!(target_endian = "big") { '>' } else { '<' };
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("shape", shape)?;
        interface.set_item("typestr", format!("{order}{kind}{bytes}"))?;
        interface.set_item("data", (address, true))?;
        Ok(interface)
    }
}

/// An array that shows a list.
pub(crate) fn show(py: Python<'_>, shown: Shown) -> PyResult<Bound<'_, PyAny>> {
    let memory = Bound::new(py, Memory { shown })?;
    numpy::get_array_module(py)?.call_method1("asarray", (memory,))
}

/// A type of labels as numpy knows it: how it is stored, and whether it is read as a signed one or as truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LabelType {
    /// The unsigned type of the same size.
    pub(crate) stored: Dtype,
    /// The largest label of the type.
    pub(crate) largest: u64,
}

impl LabelType {
    /// The type for `dtype`, anything that numpy takes for one.
    pub(crate) fn of(dtype: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = dtype.py();
        let dtype = numpy::PyArrayDescr::new(py, dtype)?;
        let stored = match dtype.itemsize() {
            1 => Dtype::U8,
            2 => Dtype::U16,
            4 => Dtype::U32,
            _ => Dtype::U64,
        };
        let largest = match dtype.kind() {
            b'u' => stored.max(),
            b'i' => stored.max() / 2,
            b'b' => 1,
            _ => 0,
        };
        if largest == 0 || !dtype.is_native_byteorder().unwrap_or(true) {
            let text = format!("labels are integers of this machine's byte order, not {}", dtype.str()?);
            return Err(PyTypeError::new_err(text));
        }
        Ok(Self { stored, largest })
    }
}

/// Calls a function with the type that a [`Dtype`] stands for.
macro_rules! for_type {
    ($dtype:expr, $label:ident => $call:expr) => {
        match $dtype {
            runmask::Dtype::U8 => {
                type $label = u8;
                $call
            }
            runmask::Dtype::U16 => {
                type $label = u16;
                $call
            }
            runmask::Dtype::U32 => {
                type $label = u32;
                $call
            }
            runmask::Dtype::U64 => {
                type $label = u64;
                $call
            }
        }
    };
}
pub(crate) use for_type;

/// `"F"` for column-major, `"C"` for row-major, as numpy names orders.
pub(crate) fn order_name(order: runmask::ScanOrder) -> &'static str {
    match order {
        runmask::ScanOrder::ColumnMajor => "F",
        runmask::ScanOrder::RowMajor => "C",
    }
}

/// The order of a name.
pub(crate) fn order_of(name: &str) -> PyResult<runmask::ScanOrder> {
    match name {
        "F" => Ok(runmask::ScanOrder::ColumnMajor),
        "C" => Ok(runmask::ScanOrder::RowMajor),
        _ => {
            let text = format!("order: expected 'F' (down the columns) or 'C' (along the rows), found {name:?}");
            Err(pyo3::exceptions::PyValueError::new_err(text))
        }
    }
}
