//! Arrays that show the memory of Rust's values, and types of labels.

use std::ops::Range;
use std::sync::Arc;

use numpy::PyArrayDescrMethods;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use runmask::{Dtype, LabelRuns};

/// Which of the flat lists of runs an array shows.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    Labels,
    Offsets,
    /// Runs of this range.
    Runs(Range<usize>),
}

/// Gives numpy the address of memory that it keeps alive, so that an array shows it without a copy.
///
/// The memory belongs to runs that nobody changes, and the array says that it is read-only.
#[pyclass(frozen, module = "runmask._runmask")]
pub(crate) struct Memory {
    runs: Arc<LabelRuns>,
    shown: Shown,
}

#[pymethods]
impl Memory {
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (address, shape, kind, bytes) = match &self.shown {
            Shown::Labels => {
                let labels = self.runs.labels();
                (labels.as_ptr() as usize, PyTuple::new(py, [labels.len()])?, 'u', size_of::<u64>())
            }
            Shown::Offsets => {
                let offsets = self.runs.offsets();
                (offsets.as_ptr() as usize, PyTuple::new(py, [offsets.len()])?, 'i', size_of::<usize>())
            }
            Shown::Runs(range) => {
                let runs = &self.runs.runs()[range.clone()];
                (runs.as_ptr() as usize, PyTuple::new(py, [runs.len(), 2])?, 'u', size_of::<u64>())
            }
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

/// An array that shows a part of `runs`.
pub(crate) fn show<'py>(py: Python<'py>, runs: &Arc<LabelRuns>, shown: Shown) -> PyResult<Bound<'py, PyAny>> {
    let memory = Bound::new(py, Memory { runs: Arc::clone(runs), shown })?;
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
