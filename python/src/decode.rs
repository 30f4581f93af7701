//! Runs to masks: new arrays, arrays of the caller's, and files.
//!
//! Gets a [`Runs`] object and where its labels are to be written; guarantees that an array with any strides is written in place.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::ndarray::Axis;
use numpy::{PyArray2, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use runmask::sink::{Compression, CreateOptions};
use runmask::{Decoder, Dtype, ScanOrder, Shape, Window};

use crate::arrays::{LabelType, for_type};
use crate::errors::raise;
use crate::files::{self, MaskOutput};
use crate::runs::Runs;
use crate::work;

/// Pixels of an array with gaps that are written between two looks at whether to stop: each may be the first of 2 MiB of new
/// memory, which the system fills with zeros.
const AT_ONCE: usize = 32;

#[pymethods]
impl Runs {
    /// The mask: every pixel has its label, or the background's.
    ///
    /// Parameters
    /// ----------
    /// dtype : integer or bool dtype, optional
    ///     The narrowest unsigned type that holds every label unless given.
    /// out : array, shape (height, width), optional
    ///     Where to write, with any strides; its dtype counts, and it is returned. After an error its content is not defined.
    /// background : int
    ///     The label of pixels without runs.
    /// window : (row, column, height, width), optional
    ///     The part of the mask that is wanted.
    /// threads : int, optional
    ///     All of the machine unless given.
    ///
    /// Returns
    /// -------
    /// array, shape (height, width)
    ///     In C order, unless `out` is given.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     The shape is not known, a label does not fit the dtype, or runs of two labels overlap.
    ///
    /// Examples
    /// --------
    /// >>> import numpy, runmask
    /// >>> runs = runmask.encode(numpy.array([[0, 7], [7, 7]]))
    /// >>> runs.decode()
    /// array([[0, 7],
    ///        [7, 7]], dtype=uint8)
    /// >>> runs.decode("int32", background=-0 + 1)
    /// array([[1, 7],
    ///        [7, 7]], dtype=int32)
    #[pyo3(signature = (dtype=None, out=None, background=0, window=None, *, threads=None))]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
        background: u64,
        window: Option<(u32, u32, u32, u32)>,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let cropped;
        let mut runs = &self.runs;
        if let Some((row, column, height, width)) = window {
            let window = Window::new(row, column, height, width);
            let whole = Arc::clone(runs);
            let part = work::alone(py, threads, move |_| whole.crop(window))?;
            cropped = Arc::new(part.map_err(|error| raise(py, error))?);
            runs = &cropped;
        }
        // New arrays are of zeros.
        let prefilled = out.is_none() && background == 0;
        let mut decoder = Decoder::new(runs, background).map_err(|error| raise(py, error))?.prefilled(prefilled);
        let Shape { height, width } = decoder.shape();
        let largest = self.runs.labels().last().copied().unwrap_or(0).max(background);
        let out = match (dtype, out) {
            (None, None) => numpy::get_array_module(py)?
                .call_method1("zeros", ((height, width), format!("u{}", Dtype::for_label(largest).bytes())))?,
            (Some(dtype), None) => {
                LabelType::of(dtype)?;
                numpy::get_array_module(py)?.call_method1("zeros", ((height, width), dtype))?
            }
            (None, Some(out)) => out.clone(),
            (Some(_), Some(_)) => return Err(PyTypeError::new_err("dtype and out: out has a dtype of its own")),
        };
        let (array, label) = writable(&out, "out", decoder.shape(), largest)?;
        let unsigned = array.call_method1("view", (format!("u{}", label.stored.bytes()),))?;
        let decoded = for_type!(label.stored, T => {
            let unsigned = unsigned.cast::<PyArray2<T>>()?;
            let mut pixels = unsigned.try_readwrite().map_err(|_| read_only("out"))?;
            if let Ok(pixels) = pixels.as_slice_mut() {
                if !array.is_c_contiguous() {
                    decoder = decoder.layout(ScanOrder::ColumnMajor);
                }
                work::run(py, threads, |stop| decoder.decode_into_with(pixels, &mut |_| stop.flow()))?
            } else {
                // Along the axis whose pixels lie closer together.
                let mut lines = pixels.as_array_mut();
                if let [down, across] = *lines.strides() && down.unsigned_abs() < across.unsigned_abs() {
                    decoder = decoder.layout(ScanOrder::ColumnMajor);
                    lines.swap_axes(0, 1);
                }
                let (mut line, length) = (0, lines.dim().1.max(1));
                work::run(py, threads, |stop| {
                    decoder.decode_rows::<T>(|decoded| {
                        for labels in decoded.chunks_exact(length) {
                            let mut pixels = lines.row_mut(line);
                            let mut pixels = pixels.iter_mut();
                            for labels in labels.chunks(AT_ONCE) {
                                stop.check()?;
                                labels.iter().zip(pixels.by_ref()).for_each(|(&label, pixel)| *pixel = label);
                            }
                            line += 1;
                        }
                        Ok(())
                    })
                })?
            }
        });
        decoded.map_err(|error| raise(py, error))?;
        Ok(out)
    }

    /// Writes the background over the pixels of all runs in a mask, and leaves all other pixels as they are: takes these
    /// labels out of it in place. Runs may overlap, and the mask may hold any labels there.
    ///
    /// Parameters
    /// ----------
    /// mask : array, shape (height, width)
    ///     Of an integer or bool dtype, with any strides.
    /// background : int
    ///     What is written.
    ///
    /// Returns
    /// -------
    /// array
    ///     `mask` itself.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     The shape is not known, the mask has another one or is read-only, or the background does not fit its dtype. Nothing
    ///     was written then.
    ///
    /// Examples
    /// --------
    /// Labels of fewer than three pixels are taken out:
    ///
    /// >>> import numpy, runmask
    /// >>> mask = numpy.array([[7, 0, 3], [7, 3, 3]])
    /// >>> runs = runmask.encode(mask)
    /// >>> small = runs.labels[runs.measure(["area"])["area"] < 3]
    /// >>> runs.select(small).erase(mask)
    /// array([[0, 0, 3],
    ///        [0, 3, 3]])
    #[pyo3(signature = (mask, background=0))]
    fn erase<'py>(&self, py: Python<'py>, mask: Bound<'py, PyAny>, background: u64) -> PyResult<Bound<'py, PyAny>> {
        let mut decoder = Decoder::new(&self.runs, background).map_err(|error| raise(py, error))?;
        let shape = decoder.shape();
        let (array, label) = writable(&mask, "mask", shape, background)?;
        let unsigned = array.call_method1("view", (format!("u{}", label.stored.bytes()),))?;
        let erased = for_type!(label.stored, T => {
            let unsigned = unsigned.cast::<PyArray2<T>>()?;
            let mut pixels = unsigned.try_readwrite().map_err(|_| read_only("mask"))?;
            if let Ok(pixels) = pixels.as_slice_mut() {
                if !array.is_c_contiguous() {
                    decoder = decoder.layout(ScanOrder::ColumnMajor);
                }
                work::run(py, None, |_| decoder.erase(pixels))?
            } else {
                let (runs, mut lines) = (&self.runs, pixels.as_array_mut());
                if runs.order() == ScanOrder::ColumnMajor {
                    lines.swap_axes(0, 1);
                }
                let length = u64::from(shape.line_length(runs.order()));
                work::run(py, None, |stop| {
                    for run in runs.runs() {
                        stop.check()?;
                        let mut at = run.start;
                        while at < run.end() {
                            let (line, offset) = (at / length, at % length);
                            let end = length.min(offset + (run.end() - at));
                            let part = (offset as usize..end as usize).into();
                            lines.row_mut(line as usize).slice_axis_mut(Axis(0), part).fill(background as T);
                            at += end - offset;
                        }
                    }
                    Ok(())
                })?
            }
        });
        erased.map_err(|error| raise(py, error))?;
        Ok(mask)
    }

    /// Writes the mask to a file, some rows at a time: memory is bounded, whatever the size of the mask. The file appears under
    /// its name when it is finished, and not before.
    ///
    /// Parameters
    /// ----------
    /// path : str or path
    ///     The extension tells the format: .tif (tiled BigTIFF), .png, .npy, .raw or .bin.
    /// dtype : unsigned integer dtype, optional
    ///     The narrowest that holds every label unless given.
    /// background : int
    ///     The label of pixels without runs.
    /// compression : 'deflate' or 'zstd'
    ///     Of the tiles of a TIFF.
    /// pyramid : bool
    ///     Whether a TIFF holds the mask at half the size, a quarter and so on as well.
    /// memory : int
    ///     Bytes that rows may take before they are written. A very wide mask needs more than the usual 256 MiB.
    /// threads : int, optional
    ///     All of the machine unless given.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     The shape is not known, runs of two labels overlap, or the format cannot hold the labels.
    /// MemoryError
    ///     Rows take more than `memory`.
    /// OSError
    ///     The file cannot be written.
    #[pyo3(signature = (path, dtype=None, *, background=0, compression="deflate", pyramid=false, memory=268435456,
                        threads=None))]
    #[expect(clippy::too_many_arguments, reason = "named in Python")]
    fn decode_to(
        &self,
        py: Python<'_>,
        path: PathBuf,
        dtype: Option<&Bound<'_, PyAny>>,
        background: u64,
        compression: &str,
        pyramid: bool,
        memory: u64,
        threads: Option<usize>,
    ) -> PyResult<()> {
        let largest = self.runs.labels().last().copied().unwrap_or(0).max(background);
        let dtype = match dtype {
            Some(dtype) => LabelType::of(dtype)?.stored,
            None => Dtype::for_label(largest),
        };
        let compression =
            compression.parse::<Compression>().map_err(|error| PyValueError::new_err(error.to_string()))?;
        let options = CreateOptions::new().compression(compression).pyramid(pyramid).memory(memory);
        files::decode_to(py, &self.runs, MaskOutput { path, dtype, background, options, threads })
    }
}

/// An array that holds a mask of this shape and that labels up to `largest` can be written to, with its type.
fn writable<'a, 'py>(
    array: &'a Bound<'py, PyAny>,
    name: &str,
    Shape { height, width }: Shape,
    largest: u64,
) -> PyResult<(&'a Bound<'py, PyUntypedArray>, LabelType)> {
    let found = array.cast::<PyUntypedArray>().map_err(|_| {
        let found = array.get_type().name().map(|name| name.to_string()).unwrap_or_default();
        PyTypeError::new_err(format!("{name}: expected a numpy array, found {found}"))
    })?;
    if found.shape() != [height as usize, width as usize] {
        let text = format!("{name}: expected the shape ({height}, {width}), found {}", found.getattr("shape")?);
        return Err(PyValueError::new_err(text));
    }
    let label = LabelType::of(found.getattr("dtype")?.as_any())?;
    if largest > label.largest {
        let text = format!("label {largest} does not fit {}", found.getattr("dtype")?);
        return Err(PyValueError::new_err(format!("{text}, whose largest is {}", label.largest)));
    }
    Ok((found, label))
}

#[cold]
fn read_only(name: &str) -> PyErr {
    PyValueError::new_err(format!("{name}: the array is read-only"))
}
