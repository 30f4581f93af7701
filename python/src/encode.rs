//! Arrays to runs, and to marked masks.
//!
//! Gets an array as numpy's half of the package lays it out: all memory from its first pixel to its last as one flat array
//! of unsigned integers, and where its pixels are in it; or, for what cannot be laid out so, a function that gives rows.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use numpy::{PyReadonlyArray1, PyUntypedArray};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use runmask::source::{Repeat, Source, TakeBlock};
use runmask::{Dtype, Encoder, Engine, Error, LabelMask, LabelRuns, Progress, Shape};

use crate::arrays::{LabelType, for_type, order_of};
use crate::errors::raise;
use crate::operations::Marked;
use crate::runs::Runs;
use crate::work::{self, Stop};

/// An encoder as the user describes it. It works in the pool that it is called in.
pub(crate) fn encoder(
    py: Python<'_>,
    background: Option<u64>,
    order: &str,
    engine: &str,
    memory: Option<u64>,
) -> PyResult<Encoder> {
    let engine: Engine = engine.parse().map_err(|error| raise(py, error))?;
    let mut builder = Encoder::builder().background(background).order(order_of(order)?).engine(engine);
    if let Some(memory) = memory {
        builder = builder.memory(memory);
    }
    // Opening a graphics card takes a while.
    py.detach(|| builder.build()).map_err(|error| raise(py, error))
}

/// The runs of the mask whose pixel (row, column) is `pixels[origin + row * strides[0] + column * strides[1]]`.
#[pyfunction]
#[pyo3(signature = (pixels, origin, shape, strides, *, background, order, engine, threads))]
#[expect(clippy::too_many_arguments, reason = "named in Python")]
pub(crate) fn encode(
    py: Python<'_>,
    pixels: &Bound<'_, PyUntypedArray>,
    origin: usize,
    shape: (u64, u64),
    strides: (isize, isize),
    background: Option<u64>,
    order: &str,
    engine: &str,
    threads: Option<usize>,
) -> PyResult<Runs> {
    let encoder = encoder(py, background, order, engine, None)?;
    let runs = read(py, &encoder, (pixels, origin, shape, strides), threads, |marked| marked.runs())?;
    runs.map(Runs::from).map_err(|error| raise(py, error))
}

/// A flat array, and where the pixels of a mask are in it.
type Layout<'a, 'py> = (&'a Bound<'py, PyUntypedArray>, usize, (u64, u64), (isize, isize));

/// Marks the mask whose pixel (row, column) is `pixels[origin + row * strides[0] + column * strides[1]]`.
fn read<R: Send>(
    py: Python<'_>,
    encoder: &Encoder,
    (pixels, origin, shape, strides): Layout<'_, '_>,
    threads: Option<usize>,
    then: impl FnOnce(runmask::Marked) -> runmask::Result<R> + Send,
) -> PyResult<runmask::Result<R>> {
    let shape = Shape::new(shape.0, shape.1).map_err(|error| raise(py, error))?;
    let stored = LabelType::of(pixels.getattr("dtype")?.as_any())?.stored;
    for_type!(stored, T => {
        let pixels: PyReadonlyArray1<'_, T> = pixels.extract()?;
        let pixels = pixels.as_slice().map_err(|_| PyTypeError::new_err("the pixels do not lie side by side"))?;
        work::run(py, threads, |stop| {
            let mask = LabelMask::with_strides(pixels, origin, shape, strides.0, strides.1)?;
            then(encoder.mark_with(&mask, &mut |_| stop.flow())?)
        })
    })
}

/// The mask of [`encode`], marked.
#[pyfunction]
#[pyo3(signature = (pixels, origin, shape, strides, *, background, order, engine, threads))]
#[expect(clippy::too_many_arguments, reason = "named in Python")]
pub(crate) fn mark(
    py: Python<'_>,
    pixels: &Bound<'_, PyUntypedArray>,
    origin: usize,
    shape: (u64, u64),
    strides: (isize, isize),
    background: Option<u64>,
    order: &str,
    engine: &str,
    threads: Option<usize>,
) -> PyResult<Marked> {
    let encoder = encoder(py, background, order, engine, None)?;
    let marked = read(py, &encoder, (pixels, origin, shape, strides), threads, Ok)?;
    marked.map(Marked::from).map_err(|error| raise(py, error))
}

/// The runs of a mask that is given some rows at a time: `rows(first, count)` is a flat array of their bytes.
#[pyfunction]
#[pyo3(signature = (rows, shape, dtype, *, background, order, engine, threads))]
#[expect(clippy::too_many_arguments, reason = "named in Python")]
pub(crate) fn encode_rows(
    py: Python<'_>,
    rows: Py<PyAny>,
    shape: (u64, u64),
    dtype: &Bound<'_, PyAny>,
    background: Option<u64>,
    order: &str,
    engine: &str,
    threads: Option<usize>,
) -> PyResult<Runs> {
    let encoder = encoder(py, background, order, engine, None)?;
    let runs = read_rows(py, rows, shape, dtype, threads, |source, stop| {
        encode_source(&encoder, source, None, stop, &mut |_| Ok(()))
    })?;
    runs.map(Runs::from).map_err(|error| raise(py, error))
}

/// Does something with a mask that is given some rows at a time.
fn read_rows<R: Send>(
    py: Python<'_>,
    rows: Py<PyAny>,
    shape: (u64, u64),
    dtype: &Bound<'_, PyAny>,
    threads: Option<usize>,
    then: impl FnOnce(&mut Rows, &Stop) -> runmask::Result<R> + Send,
) -> PyResult<runmask::Result<R>> {
    let shape = Shape::new(shape.0, shape.1).map_err(|error| raise(py, error))?;
    let raised = Raised::default();
    let mut source = Rows { rows, shape, dtype: LabelType::of(dtype)?.stored, next: 0, raised: raised.clone() };
    let done = work::run(py, threads, |stop| then(&mut source, stop))?;
    raised.check()?;
    Ok(done)
}

/// The mask of [`encode_rows`], marked.
#[pyfunction]
#[pyo3(signature = (rows, shape, dtype, *, background, order, engine, threads))]
#[expect(clippy::too_many_arguments, reason = "named in Python")]
pub(crate) fn mark_rows(
    py: Python<'_>,
    rows: Py<PyAny>,
    shape: (u64, u64),
    dtype: &Bound<'_, PyAny>,
    background: Option<u64>,
    order: &str,
    engine: &str,
    threads: Option<usize>,
) -> PyResult<Marked> {
    let encoder = encoder(py, background, order, engine, None)?;
    let marked = read_rows(py, rows, shape, dtype, threads, |source, stop| {
        encoder.mark_source_with(source, &mut |_| stop.flow())
    })?;
    marked.map(Marked::from).map_err(|error| raise(py, error))
}

/// The runs of a source, which is `block.0` rows below the top of a mask of the shape `block.1` where it is a block, unless the
/// work is to stop before its last row or `tell`, which is told how much is done, ends it.
pub(crate) fn encode_source(
    encoder: &Encoder,
    source: &mut dyn Source,
    block: Option<(u32, Shape)>,
    stop: &Stop,
    tell: &mut dyn FnMut(Progress) -> runmask::Result<()>,
) -> runmask::Result<LabelRuns> {
    let mut watch = |done| match stop.check().and_then(|()| tell(done)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    match block {
        Some((row, shape)) => encoder.encode_source_block(source, (row, 0), shape, &mut watch),
        None => encoder.encode_source_with(source, &mut watch),
    }
}

/// What a Python function raised where only the library's errors can pass.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    /// Keeps the first exception, and gives the error that ends the work.
    pub(crate) fn keep(&self, error: PyErr) -> Error {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        Error::Stopped
    }

    /// Raises what was kept.
    pub(crate) fn check(&self) -> PyResult<()> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// A mask that a Python function gives.
struct Rows {
    rows: Py<PyAny>,
    shape: Shape,
    dtype: Dtype,
    next: u32,
    raised: Raised,
}

impl Source for Rows {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn skip(&mut self, rows: u32) -> runmask::Result<()> {
        self.next += rows;
        Ok(())
    }

    fn band_rows(&self) -> u32 {
        1
    }

    fn stored_bytes(&self) -> Option<u64> {
        None
    }

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> runmask::Result<u32> {
        Ok(0)
    }

    fn read(&mut self, rows: &mut [u8], _: Option<&mut Vec<Repeat>>) -> runmask::Result<()> {
        let row = self.shape.width as usize * self.dtype.bytes();
        let count = (rows.len() / row.max(1)) as u32;
        let copied = Python::attach(|py| -> PyResult<()> {
            let given = self.rows.call1(py, (self.next, count))?;
            let given: PyReadonlyArray1<'_, u8> = given.extract(py)?;
            let given = given.as_slice().ok().filter(|given| given.len() == rows.len());
            rows.copy_from_slice(given.ok_or_else(|| PyTypeError::new_err("other rows than were asked for"))?);
            Ok(())
        });
        self.next += count;
        copied.map_err(|error| self.raised.keep(error))
    }
}
