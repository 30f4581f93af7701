//! Pictures to the records of the escape-key codec, and back.

use std::io::{self, Write};

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray3};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use runmask::Error;
use runmask::pixels::{self, ChannelOrder, RecordWriter};

use crate::errors::raise;
use crate::work::{self, Stop};

/// Bytes of pixels between two looks at whether to stop.
const PIECE: usize = 1 << 22;

fn order_of(name: &str) -> PyResult<ChannelOrder> {
    match name {
        "rgba" => Ok(ChannelOrder::Rgba),
        "bgra" => Ok(ChannelOrder::Bgra),
        _ => Err(PyValueError::new_err(format!("channel_order: expected 'rgba' or 'bgra', found {name:?}"))),
    }
}

/// The records of a picture of shape (height, width, 4).
#[pyfunction]
#[pyo3(name = "pixels_encode")]
pub(crate) fn encode<'py>(
    py: Python<'py>,
    picture: PyReadonlyArray3<'py, u8>,
    channel_order: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let order = order_of(channel_order)?;
    let picture = picture.as_array();
    let records = work::run(py, None, |stop| {
        let mut records = Vec::new();
        let mut writer = RecordWriter::new(order, &mut records);
        let mut write = |pixels: &[u8]| {
            pixels.chunks(PIECE).try_for_each(|pixels| {
                stop.check()?;
                writer.pixels(pixels)
            })
        };
        if let Some(pixels) = picture.as_slice() {
            write(pixels)?;
        } else {
            let mut row = Vec::new();
            for pixels in picture.outer_iter() {
                row.clear();
                row.extend(pixels);
                write(&row)?;
            }
        }
        writer.finish()?;
        Ok(records)
    })?;
    records.map(|records| PyBytes::new(py, &records)).map_err(|error: Error| raise(py, error))
}

/// Writes the pixels of records into a flat array, which they must fill.
#[pyfunction]
#[pyo3(name = "pixels_decode")]
pub(crate) fn decode(
    py: Python<'_>,
    records: PyReadonlyArray1<'_, u8>,
    out: &Bound<'_, PyArray1<u8>>,
    channel_order: &str,
) -> PyResult<()> {
    let order = order_of(channel_order)?;
    let mut records = records.as_slice()?;
    let mut out = out.try_readwrite().map_err(|_| PyValueError::new_err("the array is read-only"))?;
    let out = out.as_slice_mut()?;
    let count = (out.len() / 4) as u64;
    let done = work::run(py, None, |stop| pixels::decode(&mut records, count, order, &mut Filler { out, stop }))?;
    done.map_err(|error| raise(py, error))
}

/// Memory that is written until the work is to stop.
struct Filler<'a> {
    out: &'a mut [u8],
    stop: &'a Stop,
}

impl Write for Filler<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
