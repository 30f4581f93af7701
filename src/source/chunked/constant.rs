//! Chunks that hold one label all through, known by their stored bytes.
//!
//! Most of a slide is background, and a writer compresses equal tiles to equal bytes. The first such tile is decoded
//! and found constant; every later one is recognised and only filled. A chunk is recognised only when it stores as many
//! rows as the one that was decoded, because the same bytes are too few for a taller chunk: that a strip was sound
//! says nothing about a strip of another height. Memory is bounded: few and short byte strings are kept, which is what
//! constant tiles compress to.

use std::collections::HashMap;
use std::sync::RwLock;

/// Different constant chunks that are remembered.
const MAX_CHUNKS: usize = 64;

/// The longest chunk that is remembered, in stored bytes.
const MAX_BYTES: usize = 1 << 16;

/// Labels by stored bytes.
type Labels = HashMap<Box<[u8]>, u64>;

/// The constant chunks of a mask that were seen so far.
#[derive(Debug, Default)]
pub(super) struct ConstantChunks {
    /// For each number of stored rows (a mask has at most two), stored bytes and their label.
    known: RwLock<HashMap<u32, Labels>>,
}

impl ConstantChunks {
    /// Whether a chunk with these bytes would be remembered.
    pub(super) fn accepts(bytes: &[u8]) -> bool {
        bytes.len() <= MAX_BYTES
    }

    /// Whether one of the chunks that are known stores `rows` rows in `length` bytes.
    pub(super) fn may_hold(&self, rows: u32, length: u64) -> bool {
        let Ok(known) = self.known.read() else { return false };
        known.get(&rows).is_some_and(|known| known.keys().any(|bytes| bytes.len() as u64 == length))
    }

    /// The label of every pixel of the chunk that stores `rows` rows in these bytes, when that is known.
    pub(super) fn get(&self, rows: u32, bytes: &[u8]) -> Option<u64> {
        if !Self::accepts(bytes) {
            return None;
        }
        self.known.read().ok()?.get(&rows)?.get(bytes).copied()
    }

    /// Remembers that all pixels of the chunk that stores `rows` rows in these bytes have this label.
    pub(super) fn insert(&self, rows: u32, bytes: &[u8], label: u64) {
        if Self::accepts(bytes)
            && let Ok(mut known) = self.known.write()
            && let known = known.entry(rows).or_default()
            && known.len() < MAX_CHUNKS
        {
            known.insert(bytes.into(), label);
        }
    }
}
