//! Chunks that hold one label all through, known by their compressed bytes.
//!
//! Most of a slide is background, and a writer compresses equal tiles to equal bytes. The first such tile is decompressed
//! and found constant; every later one is recognised and only filled. A chunk is recognised only when it stores as many
//! rows as the one that was decompressed, because the same bytes are too few for a taller chunk: that a strip was sound
//! says nothing about a strip of another height. Memory is bounded: few and short byte strings are kept, which is what
//! constant tiles compress to.

use std::collections::HashMap;
use std::sync::RwLock;

/// Different constant chunks that are remembered.
const MAX_CHUNKS: usize = 64;

/// The longest compressed chunk that is remembered.
const MAX_BYTES: usize = 1 << 16;

/// Labels by compressed bytes.
type Labels = HashMap<Box<[u8]>, u64>;

/// The constant chunks of a page that were seen so far.
#[derive(Debug, Default)]
pub(crate) struct ConstantChunks {
    /// For each number of stored rows (a page has at most two), compressed bytes and their label.
    known: RwLock<HashMap<u32, Labels>>,
}

impl ConstantChunks {
    /// The label of every pixel of the chunk that stores `rows` rows in these compressed bytes, when that is known.
    pub(crate) fn get(&self, rows: u32, compressed: &[u8]) -> Option<u64> {
        if compressed.len() > MAX_BYTES {
            return None;
        }
        self.known.read().ok()?.get(&rows)?.get(compressed).copied()
    }

    /// Whether a chunk of this many compressed bytes can be remembered.
    pub(crate) fn may_hold(compressed: u64) -> bool {
        compressed <= MAX_BYTES as u64
    }

    /// Remembers that all pixels of the chunk that stores `rows` rows in these compressed bytes have this label.
    pub(crate) fn insert(&self, rows: u32, compressed: &[u8], label: u64) {
        if Self::may_hold(compressed.len() as u64)
            && let Ok(mut known) = self.known.write()
            && let known = known.entry(rows).or_default()
            && known.len() < MAX_CHUNKS
        {
            known.insert(compressed.into(), label);
        }
    }
}
