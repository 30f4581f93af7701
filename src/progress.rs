//! Progress of long calls, and how a caller stops them.
//!
//! A long call takes a callback, `&mut dyn FnMut(Progress) -> ControlFlow<()>`, and calls it from time to time on the
//! thread that made the call. [`ControlFlow::Break`] ends the work with [`Error::Stopped`]; what was done until then is
//! dropped.

use std::ops::ControlFlow;

use crate::error::{Error, Result};

/// How much of a long call is done, in bytes of pixels or of the file that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; 0 when that is not known.
    pub total: u64,
}

impl Progress {
    /// Tells a callback how much is done; an error when it stops the work.
    pub(crate) fn tell(self, callback: &mut dyn FnMut(Self) -> ControlFlow<()>) -> Result<()> {
        match callback(self) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }
}

/// The callback of a caller who does not want to know.
pub(crate) fn unwatched(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
