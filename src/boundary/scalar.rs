//! The scalar engine: the definition of a boundary, and nothing else.
//!
//! Every other engine is compared with this one; it is never made faster.

use super::{Boundaries, Marker, Marks};
use crate::error::Result;
use crate::mask::Label;
use crate::strip::Strip;

/// The boundaries of `strip`, by looking at every pixel of every line.
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) when there is no room for them.
pub fn mark<T: Label>(strip: Strip<'_, T>) -> Result<Boundaries<T>> {
    let (mask, above) = (strip.mask(), u32::from(strip.above()));
    let mut boundaries = Boundaries { line_starts: vec![0], ..Boundaries::default() };
    for line in 0..strip.lines() {
        for offset in 0..strip.length() {
            let row = offset + above;
            let label = mask.at(row, line);
            if row == 0 || label != mask.at(row - 1, line) {
                boundaries.make_room(1)?;
                boundaries.offsets.push(offset);
                boundaries.labels.push(label);
            }
        }
        boundaries.line_starts.push(boundaries.offsets.len() as u32);
    }
    Ok(boundaries)
}

/// The engine.
#[derive(Debug)]
pub(crate) struct ScalarEngine;

impl Marker for ScalarEngine {
    fn takes_gaps(&self) -> bool {
        true
    }
}

impl<T: Label> Marks<T> for ScalarEngine {
    fn mark(&self, strip: Strip<'_, T>, _: Boundaries<T>) -> Result<Boundaries<T>> {
        mark(strip)
    }
}
