//! What to open in a mask file, and how.

use std::ops::Range;

use crate::mask::Dtype;
use crate::shape::Shape;

/// What to open in a file, and how.
///
/// ```no_run
/// use runmask::source::{self, OpenOptions};
/// let options = OpenOptions::new().page(2).level(1).memory(64 << 20);
/// let half_of_the_third_page = source::open("stack.tif".as_ref(), &options)?;
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    pub(super) page: u32,
    pub(super) level: u32,
    pub(super) rows: Option<Range<u32>>,
    pub(super) label: Option<String>,
    pub(super) index: Vec<(String, u64)>,
    pub(super) raw: Option<RawLayout>,
    pub(super) threads: Option<usize>,
    pub(super) memory: u64,
}

impl Default for OpenOptions {
    /// The first page at full size, the current threads, and [`OpenOptions::DEFAULT_MEMORY`].
    fn default() -> Self {
        Self {
            page: 0,
            level: 0,
            rows: None,
            label: None,
            index: Vec::new(),
            raw: None,
            threads: None,
            memory: Self::DEFAULT_MEMORY,
        }
    }
}

impl OpenOptions {
    /// Bytes that a source may allocate unless [`OpenOptions::memory`] says otherwise: 256 MiB.
    pub const DEFAULT_MEMORY: u64 = 256 << 20;

    /// The first page at full size.
    pub fn new() -> Self {
        Self::default()
    }

    /// The page of a TIFF file, from 0; the first unless set. [`pages`](super::pages) lists them.
    #[must_use]
    pub fn page(mut self, page: u32) -> Self {
        self.page = page;
        self
    }

    /// The pyramid level of that page, 0 being the full size; 0 unless set.
    #[must_use]
    pub fn level(mut self, level: u32) -> Self {
        self.level = level;
        self
    }

    /// Some rows of the mask only, as a mask of their own; all of them unless set. The rows above are passed over, and not read
    /// where they need not be, so that several processes can each read their part of a mask.
    #[must_use]
    pub fn rows(mut self, rows: impl Into<Option<Range<u32>>>) -> Self {
        self.rows = rows.into();
        self
    }

    /// The name of a label of an OME-Zarr store that holds several; its only one unless set. [`pages`](super::pages) lists
    /// them.
    #[must_use]
    pub fn label(mut self, name: impl Into<Option<String>>) -> Self {
        self.label = name.into();
        self
    }

    /// The plane of a Zarr array of more than two axes: for axes before the last two their names, which are their numbers
    /// where they have none, and the number of the plane along each, from 0. An axis of length 1 need not be named.
    #[must_use]
    pub fn index(mut self, index: impl IntoIterator<Item = (String, u64)>) -> Self {
        self.index = index.into_iter().collect();
        self
    }

    /// The layout of a file without a header. With it, any file is read as raw labels.
    #[must_use]
    pub fn raw(mut self, layout: impl Into<Option<RawLayout>>) -> Self {
        self.raw = layout.into();
        self
    }

    /// How many threads decompress; those of the rayon pool that the reading thread is in unless set.
    #[must_use]
    pub fn threads(mut self, threads: impl Into<Option<usize>>) -> Self {
        self.threads = threads.into();
        self
    }

    /// Bytes that the source may allocate, the rows of its caller not counted; [`OpenOptions::DEFAULT_MEMORY`] unless set.
    /// Large tiles and strips that do not fit are read a few rows at a time, and are an error where that cannot be done.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// The threads asked for, when they are not the current ones, and the memory that decoding may take.
    #[cfg(feature = "tiff")]
    pub(super) fn decoding(&self) -> crate::Result<(Option<rayon::ThreadPool>, super::chunked::Memory)> {
        let build = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| crate::Error::Io {
                context: "starting threads".into(),
                source: std::io::Error::other(error),
            })
        };
        let pool = self.threads.map(build).transpose()?;
        let threads = pool.as_ref().map_or_else(rayon::current_num_threads, rayon::ThreadPool::current_num_threads);
        Ok((pool, super::chunked::Memory::of(self.memory, threads)))
    }
}

/// The shape and type of a mask without a header: rows of little-endian labels without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLayout {
    /// The type of its labels.
    pub dtype: Dtype,
    /// Height and width.
    pub shape: Shape,
}
