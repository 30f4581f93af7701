//! Chunks that hold one label all through, known by their compressed bytes.
//!
//! Most of a slide is background, and a writer compresses equal tiles to equal bytes. The first such tile is decompressed
//! and found constant; every later one is recognised and only filled. Memory is bounded: few and short byte strings are
//! kept, which is what constant tiles compress to.

use std::collections::HashMap;
use std::sync::RwLock;

/// Different constant chunks that are remembered.
const MAX_CHUNKS: usize = 64;

/// The longest compressed chunk that is remembered.
const MAX_BYTES: usize = 1 << 16;

/// The constant chunks of a page that were seen so far.
#[derive(Debug, Default)]
pub(crate) struct ConstantChunks {
    known: RwLock<HashMap<Box<[u8]>, u64>>,
}

impl ConstantChunks {
    /// The label of every pixel of the chunk with these compressed bytes, when that is known.
    pub(crate) fn get(&self, compressed: &[u8]) -> Option<u64> {
        if compressed.len() > MAX_BYTES {
            return None;
        }
        self.known.read().ok()?.get(compressed).copied()
    }

    /// Whether a chunk of this many compressed bytes can be remembered.
    pub(crate) fn may_hold(compressed: u64) -> bool {
        compressed <= MAX_BYTES as u64
    }

    /// Remembers that all pixels of the chunk with these compressed bytes have this label.
    pub(crate) fn insert(&self, compressed: &[u8], label: u64) {
        if Self::may_hold(compressed.len() as u64)
            && let Ok(mut known) = self.known.write()
            && known.len() < MAX_CHUNKS
        {
            known.insert(compressed.into(), label);
        }
    }
}
