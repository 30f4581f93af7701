//! What bounds the runs that a few bytes of a file may stand for.
//!
//! In most formats a run takes bytes of its own. Where it does not (a box that is filled row by row, a compressed text),
//! the runs of a whole file are bounded by the bytes read so far: memory follows the input, not the numbers in it.

use crate::error::{Error, Result};

/// Runs that a file may hold whatever its size: 64 MiB of them.
const ALWAYS: u64 = 1 << 22;

/// Counts the runs of a file.
#[derive(Debug, Default)]
pub(super) struct Budget {
    runs: u64,
}

impl Budget {
    /// Takes `runs` more after `bytes` of the file were read.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than 2^22 runs and one for each byte, over the whole file.
    pub(super) fn take(&mut self, runs: u64, bytes: u64) -> Result<()> {
        self.runs = self.runs.saturating_add(runs);
        let limit = ALWAYS.saturating_add(bytes);
        if self.runs <= limit {
            return Ok(());
        }
        Err(Error::LimitExceeded {
            what: format!("runs of a file, of which {bytes} bytes were read"),
            limit,
            found: self.runs,
        })
    }
}
