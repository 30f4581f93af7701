//! Memory: lists whose length a file or a caller decides, and buffers that are used again.
//!
//! Gets lengths, and buffers that are done with; gives lists and buffers; guarantees that a length which the machine has
//! no room for is an error, that a long list leaves room for short ones, and that a [`Pool`] never keeps more buffers than were
//! taken from it.

mod list;

#[cfg(feature = "json")]
use std::collections::HashSet;
use std::collections::{HashMap, TryReserveError};
use std::hash::Hash;
use std::hint::black_box;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use bytemuck::Zeroable;

pub(crate) use self::list::List;
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::shape::Shape;

/// Bytes of a line of cache, on most processors: what is fetched from memory at once.
pub(crate) const CACHE_LINE: usize = 64;

/// Bytes of a row of a mask that is read, decoded or written row by row: 1 GiB.
pub(crate) const MOST_ROW_BYTES: u64 = 1 << 30;

/// An error when a row of a mask is longer than anything that reads or writes rows can hold.
///
/// # Errors
/// [`Error::LimitExceeded`].
pub(crate) fn check_row(shape: Shape, dtype: Dtype) -> Result<()> {
    match u64::from(shape.width) * dtype.bytes() as u64 {
        ..=MOST_ROW_BYTES => Ok(()),
        found => {
            let what = format!("bytes in a row of a mask of {dtype} ({shape})");
            Err(Error::LimitExceeded { what, limit: MOST_ROW_BYTES, found })
        }
    }
}

/// `count` zeros. Memory that the system hands out is zero already, so nothing is written.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is no room.
pub(crate) fn zeroed<T: Zeroable>(count: u64, what: &'static str) -> Result<Vec<T>> {
    let allocated = usize::try_from(count).ok().and_then(|count| bytemuck::allocation::try_zeroed_vec(count).ok());
    let allocated = allocated.filter(|list: &Vec<T>| leaves_some(list.len() * size_of::<T>()));
    allocated.ok_or_else(|| none::<T>(count, what))
}

/// Room for `more` entries at the end of a list.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is none.
#[inline]
pub(crate) fn reserve<T>(list: &mut Vec<T>, more: usize, what: &'static str) -> Result<()> {
    if list.capacity() - list.len() >= more { Ok(()) } else { grow(list, more, Vec::try_reserve, what) }
}

/// The same, and no more than that: for a list that grows no further.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is none.
pub(crate) fn reserve_exact<T>(list: &mut Vec<T>, more: usize, what: &'static str) -> Result<()> {
    grow(list, more, Vec::try_reserve_exact, what)
}

#[cold]
fn grow<T>(
    list: &mut Vec<T>,
    more: usize,
    grow: impl FnOnce(&mut Vec<T>, usize) -> std::result::Result<(), TryReserveError>,
    what: &'static str,
) -> Result<()> {
    let grown = grow(list, more).is_ok() && leaves_some(list.capacity() * size_of::<T>());
    if grown { Ok(()) } else { Err(none::<T>(list.len() as u64 + more as u64, what)) }
}

/// Whether there is room for what is small, after so many bytes were given.
///
/// Most of what is small is asked for in ways that cannot fail: without memory they end the program, and its files stay half
/// written. So a long list that takes the last of it is not made.
pub(crate) fn leaves_some(bytes: usize) -> bool {
    const LONG: usize = 1 << 18;
    const LEFT: usize = 1 << 20;
    bytes < LONG || black_box(&mut Vec::<u8>::new()).try_reserve_exact(LEFT).is_ok()
}

/// A list of the same entries.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is no room.
pub(crate) fn copied<T: Copy>(entries: &[T], what: &'static str) -> Result<Vec<T>> {
    let mut list = Vec::new();
    reserve_exact(&mut list, entries.len(), what)?;
    list.extend_from_slice(entries);
    Ok(list)
}

/// Appends entries to a list.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is no room.
pub(crate) fn extend<T: Copy>(list: &mut Vec<T>, entries: &[T], what: &'static str) -> Result<()> {
    reserve(list, entries.len(), what)?;
    list.extend_from_slice(entries);
    Ok(())
}

/// Room for `more` entries of a map.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is no room.
pub(crate) fn reserve_entries<K: Eq + Hash, V>(map: &mut HashMap<K, V>, more: usize, what: &'static str) -> Result<()> {
    map.try_reserve(more).map_err(|_| none::<(K, V)>(map.len() as u64 + more as u64, what))
}

/// Room for `more` members of a set.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is no room.
#[cfg(feature = "json")]
pub(crate) fn reserve_members<K: Eq + Hash>(set: &mut HashSet<K>, more: usize, what: &'static str) -> Result<()> {
    set.try_reserve(more).map_err(|_| none::<K>(set.len() as u64 + more as u64, what))
}

/// Makes a list of `length` times `value`.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is no room.
pub(crate) fn refill<T: Clone>(list: &mut Vec<T>, length: usize, value: T, what: &'static str) -> Result<()> {
    list.clear();
    reserve(list, length, what)?;
    list.resize(length, value);
    Ok(())
}

/// Appends at most `most` bytes of a reader to a list; gives their number. Compiled once, for readers of any type.
pub(crate) fn append(reader: &mut dyn Read, most: u64, list: &mut Vec<u8>) -> io::Result<usize> {
    reader.take(most).read_to_end(list)
}

/// An error that takes no memory to make.
#[cold]
fn none<T>(count: u64, what: &'static str) -> Error {
    let needed = count.saturating_mul(size_of::<T>() as u64);
    Error::Memory { what: what.into(), needed, limit: None }
}

/// Buffers of one type, kept from one use to the next.
///
/// What comes back holds whatever it held. Memory that a process touches for the first time is paid for page by page: for
/// a mask with many runs that costs as much as finding them, so an encoder asks for it once.
#[derive(Debug)]
pub(crate) struct Pool<B>(Mutex<Kept<B>>);

#[derive(Debug)]
struct Kept<B> {
    /// Buffers that nobody uses.
    free: Vec<B>,
    /// How many were taken and not given back.
    taken: usize,
}

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self(Mutex::new(Kept { free: Vec::new(), taken: 0 }))
    }
}

impl<B: Default> Pool<B> {
    /// Gives the memory of all buffers back.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).free.clear();
    }

    /// A buffer that was given back, or a new one.
    pub(crate) fn take(&self) -> B {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.taken += 1;
        kept.free.pop().unwrap_or_default()
    }

    /// Keeps a buffer in place of one that was taken. Any more are dropped, so that the buffers which others make and
    /// give here never fill the memory.
    pub(crate) fn give(&self, buffer: B) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.taken > 0 {
            kept.taken -= 1;
            kept.free.push(buffer);
        }
    }
}

/// Bytes in which labels of any type may lie: they begin where a number of 64 bits may.
#[cfg(feature = "tiff")]
#[derive(Debug, Default)]
pub(crate) struct LabelBytes(Vec<u64>);

#[cfg(feature = "tiff")]
impl LabelBytes {
    /// The first `count` bytes, whatever they hold.
    ///
    /// # Errors
    /// [`Error::Memory`] for `what` when there is no room.
    pub(crate) fn first(&mut self, count: u64, what: &'static str) -> Result<&mut [u8]> {
        let words = usize::try_from(count.div_ceil(8)).unwrap_or(usize::MAX);
        if self.0.len() < words {
            // What it holds is of no use: nothing is copied.
            self.0 = Vec::new();
            self.0 = zeroed(words as u64, what)?;
        }
        Ok(&mut bytemuck::cast_slice_mut(&mut self.0)[..count as usize])
    }
}

/// A list of `length` entries, whatever they are: `spare` if it is large enough. New memory is not written first, so that
/// whoever fills it, on any thread, is the first to touch it.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is no room.
pub(crate) fn sized<T: Copy + Zeroable>(mut spare: Vec<T>, length: usize, what: &'static str) -> Result<Vec<T>> {
    if spare.capacity() < length {
        drop(spare);
        return zeroed(length as u64, what);
    }
    spare.resize(length, T::zeroed());
    Ok(spare)
}

/// Makes a list at least `length` entries long, whatever the new ones are; where it has to move, there will be room for
/// `expected`. New memory is not written first.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is no room.
pub(crate) fn lengthen<T: Copy + Zeroable>(
    list: &mut Vec<T>,
    length: usize,
    expected: usize,
    what: &'static str,
) -> Result<()> {
    if list.capacity() < length {
        let mut larger = zeroed(length.max(expected) as u64, what)?;
        larger[..list.len()].copy_from_slice(list);
        *list = larger;
    }
    if list.len() < length {
        list.resize(length, T::zeroed());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_an_error() {
        assert_eq!(zeroed::<u16>(3, "a test").unwrap(), [0; 3]);
        for count in [1 << 60, u64::MAX] {
            let error = zeroed::<u64>(count, "a test").unwrap_err();
            assert!(matches!(error, Error::Memory { needed, limit: None, .. } if needed >= 1 << 63), "{error}");
        }
        let mut list = vec![1_u64];
        reserve(&mut list, 2, "a test").unwrap();
        assert!(list.capacity() >= 3);
        assert!(matches!(reserve(&mut list, usize::MAX / 8, "a test"), Err(Error::Memory { .. })));
    }

    #[test]
    fn buffers_come_back() {
        let pool = Pool::<Vec<u32>>::default();
        assert!(pool.take().is_empty());
        pool.give(vec![1, 2]);
        assert_eq!(pool.take(), [1, 2]);
        assert!(pool.take().is_empty());
    }

    #[test]
    fn no_more_is_kept_than_was_taken() {
        let pool = Pool::<Vec<u8>>::default();
        pool.give(vec![1]);
        assert!(pool.take().is_empty());
        (0..3_u8).for_each(|number| pool.give(vec![number]));
        assert_eq!(pool.take(), [0]);
        assert!(pool.take().is_empty());
    }
}
