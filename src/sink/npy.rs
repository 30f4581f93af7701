//! NumPy arrays in C order, little endian; the format is described in [`crate::source`].

use std::io::Write;

use super::raw::RawSink;
use super::target::Target;
use crate::error::Result;
use crate::mask::Dtype;
use crate::shape::Shape;

/// Writes the header; what follows are rows as they are.
pub(super) fn create(mut target: Target<'_>, shape: Shape, dtype: Dtype) -> Result<RawSink<'_>> {
    target.write_all(&header(shape, dtype)).map_err(|error| target.error(error))?;
    Ok(RawSink::new(target, shape, dtype))
}

/// The header of version 1, filled up so that the labels begin at a multiple of 64 bytes.
fn header(shape: Shape, dtype: Dtype) -> Vec<u8> {
    let order = if dtype == Dtype::U8 { '|' } else { '<' };
    let (bytes, height, width) = (dtype.bytes(), shape.height, shape.width);
    let mut text =
        format!("{{'descr': '{order}u{bytes}', 'fortran_order': False, 'shape': ({height}, {width}), }}").into_bytes();
    let start = 10;
    let end = (start + text.len() + 1).next_multiple_of(64);
    text.resize(end - start - 1, b' ');
    text.push(b'\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    // Less than 128: two numbers of at most ten digits.
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text);
    header
}
