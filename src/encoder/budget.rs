//! How much memory an encoder may take for a mask that is read from a source.
//!
//! Gets what the caller allows, or else how many bytes the mask takes where it is stored; gives how many rows are read and
//! marked at once, and an error before more is taken than is allowed.
//!
//! A file of a few bytes may claim to be of any size, and may be: most of a slide is background. So nothing is refused for
//! its shape. What grows with the shape alone, and what is found, is held against what the file's bytes justify.

use crate::cut;
use crate::error::{Error, Result};

/// Bytes that any mask may take, unless the caller says otherwise.
const ANY_MASK: u64 = 200 << 20;

/// Bytes that a mask may take for each byte that is stored, unless the caller says otherwise. A run costs 16 bytes and its
/// two boundaries as many; files of real masks have at least one byte for each.
const FOR_EACH_BYTE: u64 = 32;

/// Bytes of rows that are read at once.
const READ_BYTES: u64 = 16 << 20;

/// Bytes of rows that are read at once where tiles are tall.
const BAND_BYTES: u64 = 128 << 20;

/// Pixels that are marked before what they took is looked at.
const MARK_PIXELS: u64 = 1 << 24;

/// What may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// What the caller allows.
    given: Option<u64>,
    allowed: u64,
}

/// What was found in a mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Boundaries, and those of them that begin no run because they are background.
    pub(super) boundaries: u64,
    pub(super) background: u64,
    /// The largest label.
    pub(super) largest: u64,
    /// Bytes that boundaries and lines take.
    pub(super) bytes: u64,
}

impl Budget {
    /// What `given` says; otherwise what a mask of so many stored bytes may take, or anything where these are not known.
    pub(super) fn new(given: Option<u64>, stored: Option<u64>) -> Self {
        let justified = stored.map_or(u64::MAX, |stored| ANY_MASK.saturating_add(stored.saturating_mul(FOR_EACH_BYTE)));
        Self { given, allowed: given.unwrap_or(justified) }
    }

    /// Whether memory is given back as soon as it is not needed, at the cost of asking for it again.
    pub(super) fn is_tight(self) -> bool {
        self.given.is_some()
    }

    /// Rows that are read at once.
    pub(super) fn rows_at_once(self, row_bytes: u64, band: u32, height: u32) -> u32 {
        let read = READ_BYTES.min(self.given.unwrap_or(u64::MAX) / 8);
        let most = BAND_BYTES.min(self.given.unwrap_or(u64::MAX) / 4);
        cut::rows_at_once(row_bytes, band, height, read, most)
    }

    /// Rows that are marked before what they took is looked at.
    pub(super) fn rows_marked_at_once(self, row_pixels: u32, label_bytes: u64) -> u32 {
        let pixels =
            self.given.map_or(MARK_PIXELS, |given| MARK_PIXELS.min(given / 8 / cut::marking_bytes(label_bytes)));
        u32::try_from(pixels / u64::from(row_pixels.max(1))).unwrap_or(u32::MAX).max(1)
    }

    /// Whether `needed` bytes may be taken.
    pub(super) fn allows(self, needed: u64) -> bool {
        needed <= self.allowed
    }

    /// An error when `needed` bytes for `what` are more than may be taken.
    pub(super) fn check(self, needed: u64, what: &'static str) -> Result<()> {
        if self.allows(needed) {
            return Ok(());
        }
        Err(Error::Memory { what: what.into(), needed, limit: Some(self.allowed) })
    }

    /// How many of `threads` threads may turn what was found into runs: each has lists of labels of its own. An error
    /// when there is no memory for one.
    pub(super) fn compaction_threads(self, found: Found, threads: usize) -> Result<usize> {
        let needed = |threads: usize| found.bytes.saturating_add(found.compaction_bytes(threads as u64));
        let fitting = (1..=threads.max(1)).rev().find(|&threads| needed(threads) <= self.allowed);
        fitting.map_or_else(|| self.check(needed(1), "runs of the mask").map(|()| 1), Ok)
    }
}

impl Found {
    /// The most that its runs can be.
    pub(super) fn runs(self) -> u64 {
        self.boundaries - self.background
    }

    /// The most that compaction by so many threads takes besides what was found: runs, the list of labels, and the lists
    /// of each thread, by label or by the label's place in a map.
    fn compaction_bytes(self, threads: u64) -> u64 {
        let labels = self.runs().min(self.largest.saturating_add(1));
        let listed = labels.saturating_mul(threads).min(self.runs());
        let by_label = self.largest.saturating_add(1).saturating_mul(8 * threads);
        let by_place = listed.saturating_mul(64);
        16 * self.runs() + 32 * labels + 60 * listed + by_label.min(by_place).saturating_add(threads << 18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_justifies_memory() {
        let limit = |given, stored| match Budget::new(given, stored).check(u64::MAX, "a test") {
            Err(Error::Memory { limit: Some(limit), needed: u64::MAX, .. }) => limit,
            other => panic!("{other:?}"),
        };
        assert_eq!(limit(None, Some(0)), 200 << 20);
        assert_eq!(limit(None, Some(1 << 20)), 232 << 20);
        assert_eq!(limit(Some(1000), Some(1 << 20)), 1000);
        // Nobody says how large a mask in memory is.
        Budget::new(None, None).check(u64::MAX, "a test").unwrap();
        Budget::new(None, Some(u64::MAX)).check(u64::MAX, "a test").unwrap();
    }

    #[test]
    fn little_memory_means_few_rows() {
        let budget = |given| Budget::new(given, Some(1));
        assert_eq!(budget(None).rows_at_once(1 << 10, 1, u32::MAX), 1 << 14);
        assert_eq!(budget(Some(1 << 24)).rows_at_once(1 << 10, 1, u32::MAX), 1 << 11);
        assert_eq!(budget(Some(0)).rows_at_once(1 << 10, 1, u32::MAX), 1);
        assert_eq!(budget(None).rows_at_once(1 << 17, 512, u32::MAX), 512);
        assert_eq!(budget(Some(1 << 26)).rows_at_once(1 << 17, 512, u32::MAX), 64);
        assert_eq!(budget(None).rows_marked_at_once(1 << 14, 2), 1 << 10);
        assert_eq!(budget(Some(24 << 17)).rows_marked_at_once(1 << 10, 2), 16);
        assert_eq!(budget(Some(0)).rows_marked_at_once(1 << 10, 2), 1);
    }

    #[test]
    fn as_many_threads_compact_as_memory_allows() {
        let found = Found { boundaries: 1000, background: 400, largest: 1 << 40, bytes: 10_000 };
        let threads = |memory| Budget::new(Some(memory), None).compaction_threads(found, 8);
        assert_eq!(threads(1 << 30).unwrap(), 8);
        assert_eq!(threads(1 << 20).unwrap(), 3);
        match threads(1000) {
            Err(Error::Memory { needed, limit: Some(1000), .. }) => assert!(needed > 10_000 + 600 * 16, "{needed}"),
            other => panic!("{other:?}"),
        }
    }
}
