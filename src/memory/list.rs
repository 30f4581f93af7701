//! Long lists, in huge pages.
//!
//! Gets the length of a list that is written entry by entry, in any order; gives its memory; guarantees a list like any
//! other, also where the system has no huge pages or does not hand them out.
//!
//! A page of 4 KiB costs microseconds when it is first touched, so that new memory for many runs costs more than writing them.
//! Of huge pages, of 2 MiB, so few are needed that this is not seen. A `Vec` gets them only from unsafe code.

use std::fmt;
use std::ops::{Deref, DerefMut};
#[cfg(target_os = "linux")]
use std::sync::OnceLock;

use bytemuck::Pod;
#[cfg(target_os = "linux")]
use memmap2::{Advice, MmapMut};

use super::{leaves_some, zeroed};
use crate::error::Result;

/// Bytes from which on a list lies in huge pages.
#[cfg(target_os = "linux")]
const LONG: usize = 4 << 20;

/// Bytes of a huge page.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// A list whose length is known before it is written.
pub(crate) struct List<T>(Memory<T>);

enum Memory<T> {
    Vec(Vec<T>),
    /// `length` entries at the beginning of pages that are the list's own.
    #[cfg(target_os = "linux")]
    Pages {
        pages: MmapMut,
        length: usize,
    },
}

impl<T: Pod> List<T> {
    /// `length` entries, whatever they are, in the memory of `spare` where that is enough. New memory is not written first, so
    /// that whoever fills it, on any thread, is the first to touch it.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) for `what` when the machine has no room.
    pub(crate) fn sized(mut spare: Self, length: usize, what: &'static str) -> Result<Self> {
        if spare.set_length(length) {
            return Ok(spare);
        }
        drop(spare);
        let pages = Self::pages(length).filter(|_| leaves_some(length * size_of::<T>()));
        pages.map_or_else(|| zeroed(length as u64, what).map(Self::from), Ok)
    }

    /// Gives the list another number of entries in the same memory, if there is room for them.
    fn set_length(&mut self, new: usize) -> bool {
        let room = self.capacity() >= new;
        if room {
            match &mut self.0 {
                Memory::Vec(list) => list.resize(new, T::zeroed()),
                #[cfg(target_os = "linux")]
                Memory::Pages { length, .. } => *length = new,
            }
        }
        room
    }

    /// Entries that the memory has room for.
    fn capacity(&self) -> usize {
        match &self.0 {
            Memory::Vec(list) => list.capacity(),
            #[cfg(target_os = "linux")]
            Memory::Pages { pages, .. } => pages.len() / size_of::<T>(),
        }
    }

    /// New pages for a long list; `None` for any other, and where the system has none.
    #[cfg(target_os = "linux")]
    fn pages(length: usize) -> Option<Self> {
        let bytes = length.checked_mul(size_of::<T>()).filter(|&bytes| bytes >= LONG && huge_pages())?;
        // The system places memory of a multiple of their size where a huge page begins.
        let pages = MmapMut::map_anon(bytes.checked_next_multiple_of(HUGE_PAGE)?).ok()?;
        // What is left at the end takes small pages, so that no more memory is touched than is asked for. Without huge pages all
        // of it does.
        let _ = pages.advise_range(Advice::HugePage, 0, bytes / HUGE_PAGE * HUGE_PAGE);
        Some(Self(Memory::Pages { pages, length }))
    }

    #[cfg(not(target_os = "linux"))]
    fn pages(_: usize) -> Option<Self> {
        None
    }

    /// Leaves the first `length` entries.
    pub(crate) fn truncate(&mut self, length: usize) {
        match &mut self.0 {
            Memory::Vec(list) => list.truncate(length),
            #[cfg(target_os = "linux")]
            Memory::Pages { length: before, .. } => *before = length.min(*before),
        }
    }

    /// Leaves the first `length` entries and gives back what is not needed for them; of pages only what was never touched.
    pub(crate) fn shrink_to(&mut self, length: usize) {
        self.truncate(length);
        match &mut self.0 {
            Memory::Vec(list) => list.shrink_to_fit(),
            #[cfg(target_os = "linux")]
            Memory::Pages { .. } => {}
        }
    }

    /// The entries as a `Vec`: without a copy, unless they lie in huge pages.
    pub(crate) fn into_vec(self) -> Vec<T> {
        match self.0 {
            Memory::Vec(list) => list,
            #[cfg(target_os = "linux")]
            Memory::Pages { .. } => self.to_vec(),
        }
    }
}

/// Whether the system hands out huge pages to whoever asks.
#[cfg(target_os = "linux")]
fn huge_pages() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    // The mode that is on stands in brackets: `always [madvise] never`.
    let modes = || std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    *KNOWN.get_or_init(|| modes().is_ok_and(|modes| !modes.contains("[never]")))
}

impl<T> From<Vec<T>> for List<T> {
    fn from(list: Vec<T>) -> Self {
        Self(Memory::Vec(list))
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: Pod> Deref for List<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Memory::Vec(list) => list,
            #[cfg(target_os = "linux")]
            Memory::Pages { pages, length } => bytemuck::cast_slice(&pages[..length * size_of::<T>()]),
        }
    }
}

impl<T: Pod> DerefMut for List<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Memory::Vec(list) => list,
            #[cfg(target_os = "linux")]
            Memory::Pages { pages, length } => bytemuck::cast_slice_mut(&mut pages[..*length * size_of::<T>()]),
        }
    }
}

impl<T: Pod> Clone for List<T> {
    fn clone(&self) -> Self {
        match Self::sized(Self::default(), self.len(), "") {
            Ok(mut copy) => {
                copy.copy_from_slice(self);
                copy
            }
            // As any list that is cloned where there is no room.
            Err(_) => self.to_vec().into(),
        }
    }
}

impl<T: Pod + PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl<T: Pod + Eq> Eq for List<T> {}

impl<T: Pod + fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::mask::LabelMask;
    use crate::runs::{ComponentOptions, LabelRuns};
    use crate::shape::Shape;

    /// Entries of a list that is just long enough for huge pages.
    const MANY: usize = (4 << 20) / size_of::<u64>();

    fn in_pages<T>(list: &List<T>) -> bool {
        !matches!(list.0, Memory::Vec(_))
    }

    #[test]
    fn long_lists_lie_in_huge_pages() {
        #[cfg(not(target_os = "linux"))]
        let huge_pages = || false;
        if !huge_pages() {
            eprintln!("NOT TESTED: this system hands out no huge pages");
        }
        for (length, long) in [(0, false), (MANY - 1, false), (MANY, true), (MANY + 1, true), (3 * MANY + 77, true)] {
            let mut list = List::<u64>::sized(List::default(), length, "a test").unwrap();
            assert_eq!(in_pages(&list), long && huge_pages(), "{length} entries");
            assert!(list.len() == length && list.iter().all(|&entry| entry == 0));
            list.iter_mut().zip(1..).for_each(|(entry, number)| *entry = number);
            let (copy, expected): (_, Vec<u64>) = (list.clone(), (1..=length as u64).collect());
            assert_eq!(in_pages(&copy), in_pages(&list));
            assert!(copy == list && list.into_vec() == expected);
            let list = List::<u64>::sized(copy, length, "a test").unwrap();
            assert!(list[..] == expected);
        }
    }

    /// Runs of a mask that is encoded, packed, merged or cut into pieces.
    #[test]
    fn many_runs_lie_in_huge_pages() {
        #[cfg(not(target_os = "linux"))]
        let huge_pages = || false;
        let shape = Shape { height: 601, width: 600 };
        let pixels: Vec<u8> = (0..shape.pixels()).map(|place| 1 + ((place + place / 600) % 2) as u8).collect();
        let mask = LabelMask::new(&pixels, shape).unwrap();
        let runs = crate::encode(&mask).unwrap();
        assert_eq!(runs.run_count(), pixels.len());
        let pieces = runs.components(&ComponentOptions::new()).unwrap();
        let merged = LabelRuns::merge(&[&runs]).unwrap();
        let unpacked = LabelRuns::unpack(&runs.pack()).unwrap();
        for runs in [runs, pieces.into_parts().0, merged, unpacked] {
            assert_eq!(in_pages(&runs.runs), huge_pages());
            assert_eq!(crate::decode::<u32>(&runs).unwrap().len(), pixels.len());
        }
    }

    #[test]
    fn memory_is_used_again() {
        for length in [10, 2 * MANY] {
            let mut list = List::<u64>::sized(List::default(), length, "a test").unwrap();
            list.fill(7);
            let memory = list.as_ptr();
            list.truncate(length / 2);
            list.truncate(length);
            assert_eq!(list.len(), length / 2);
            let list = List::sized(list, length, "a test").unwrap();
            assert_eq!((list.as_ptr(), list.len()), (memory, length));
            assert!(list[..length / 2].iter().all(|&entry| entry == 7));
            let longer = List::sized(list, 5 * length, "a test").unwrap();
            assert_eq!(longer.len(), 5 * length);
        }
    }

    #[test]
    fn too_long_is_an_error() {
        for length in [1 << 45, 1 << 60, usize::MAX] {
            let error = List::<u64>::sized(List::default(), length, "a test").unwrap_err();
            assert!(matches!(error, Error::Memory { .. }), "{error}");
        }
    }
}
