//! Spare memory: buffers of masks that are done, kept for the next ones.
//!
//! Gets buffers of any type; gives them back, with whatever they held; guarantees nothing about their contents or their
//! size, and that it never keeps more of a type than were taken and not yet given back: what others made and give here is
//! dropped, so that no number of masks fills the memory. Memory that a process touches for the first time is paid for page
//! by page: for a mask with many runs that costs as much as finding them, so an encoder asks for it once.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Buffers by type.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<HashMap<TypeId, Kept>>);

/// The buffers of one type.
#[derive(Debug, Default)]
struct Kept {
    /// Those that nobody uses.
    free: Vec<Box<dyn Any + Send>>,
    /// How many were taken and not given back.
    taken: usize,
}

impl Spare {
    /// A buffer that was given, or a new one.
    pub(crate) fn take<B: Any + Send + Default>(&self) -> B {
        let found = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = all.entry(TypeId::of::<B>()).or_default();
            kept.taken += 1;
            kept.free.pop()
        };
        found.and_then(|buffer| buffer.downcast().ok()).map_or_else(B::default, |buffer| *buffer)
    }

    /// Keeps a buffer in place of one that was taken.
    pub(crate) fn give<B: Any + Send>(&self, buffer: B) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all.get_mut(&TypeId::of::<B>())
            && kept.taken > 0
        {
            kept.taken -= 1;
            kept.free.push(Box::new(buffer));
        }
    }
}

/// A list of `length` entries, whatever they are: `spare` if it is large enough. New memory is not written first, so that
/// whoever fills it, on any thread, is the first to touch it.
pub(crate) fn sized<T: Clone + Default>(mut spare: Vec<T>, length: usize) -> Vec<T> {
    if spare.capacity() < length {
        return vec![T::default(); length];
    }
    spare.resize(length, T::default());
    spare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_by_type() {
        let spare = Spare::default();
        spare.take::<Vec<u32>>();
        spare.take::<Vec<u64>>();
        spare.give(vec![1u32, 2]);
        spare.give(vec![3u64]);
        assert!(spare.take::<Vec<u16>>().is_empty());
        assert_eq!(spare.take::<Vec<u32>>(), [1, 2]);
        assert!(spare.take::<Vec<u32>>().is_empty());
        assert_eq!(spare.take::<Vec<u64>>(), [3]);
    }

    #[test]
    fn no_more_is_kept_than_was_taken() {
        let spare = Spare::default();
        spare.give(vec![1u8]);
        assert!(spare.take::<Vec<u8>>().is_empty());
        (0..3_u8).for_each(|number| spare.give(vec![number]));
        assert_eq!(spare.take::<Vec<u8>>(), [0]);
        assert!(spare.take::<Vec<u8>>().is_empty());
    }
}
