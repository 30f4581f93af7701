//! What `--memory` allows, dealt out to those who take it.

use std::hint::black_box;

use runmask::source::OpenOptions;
use runmask::{Error, Result};

/// Bytes that the program takes whatever it does: code, threads, buffers of files. Code that is not optimised is larger.
const PROGRAM_BYTES: u64 = if cfg!(debug_assertions) { 16 << 20 } else { 12 << 20 };

/// An error where the system does not even give what buffers of files take, which are asked for in ways that cannot fail.
pub(crate) fn check() -> Result<()> {
    const BUFFERS: usize = 4 << 20;
    black_box(&mut Vec::<u8>::new()).try_reserve_exact(BUFFERS).map_err(|_| Error::Memory {
        what: "buffers of files".into(),
        needed: BUFFERS as u64,
        limit: None,
    })
}

/// What one mask may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Rows, boundaries and runs; `None` when nobody said.
    pub(crate) encoder: Option<u64>,
    /// The source that reads the mask.
    pub(crate) source: u64,
}

impl Share {
    /// The share of each mask where `masks` are worked on at once.
    pub(crate) fn of(memory: Option<u64>, masks: usize) -> Self {
        let (usual, masks) = (OpenOptions::DEFAULT_MEMORY, masks.max(1) as u64);
        let Some(memory) = memory else { return Self { encoder: None, source: usual / masks } };
        let each = memory.saturating_sub(PROGRAM_BYTES) / masks;
        let source = (usual / masks).min(each / 4);
        Self { encoder: Some(each - source), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for memory in [0, 1, 1 << 20, 13 << 20, 1 << 30, u64::MAX] {
            for masks in [1, 3, 4] {
                let Share { encoder, source } = Share::of(Some(memory), masks);
                let all = (u128::from(encoder.unwrap()) + u128::from(source)) * masks as u128;
                assert!(all + u128::from(PROGRAM_BYTES) <= u128::from(memory.max(PROGRAM_BYTES)), "{memory} {masks}");
            }
        }
        assert_eq!(Share::of(None, 4), Share { encoder: None, source: OpenOptions::DEFAULT_MEMORY / 4 });
    }
}
