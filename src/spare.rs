//! Spare memory: buffers of masks that are done, kept for the next ones.
//!
//! Gets buffers of any type; gives them back, with whatever they held; guarantees nothing about their contents or their
//! size. Memory that a process touches for the first time is paid for page by page: for a mask with many runs that costs
//! as much as finding them, so an encoder asks for it once.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Buffers that nobody uses, by type.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<HashMap<TypeId, Vec<Box<dyn Any + Send>>>>);

impl Spare {
    /// A buffer that was given, or a new one.
    pub(crate) fn take<B: Any + Send + Default>(&self) -> B {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.get_mut(&TypeId::of::<B>()).and_then(Vec::pop);
        drop(all);
        found.and_then(|buffer| buffer.downcast().ok()).map_or_else(B::default, |buffer| *buffer)
    }

    /// Keeps a buffer.
    pub(crate) fn give<B: Any + Send>(&self, buffer: B) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(TypeId::of::<B>()).or_default().push(Box::new(buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_by_type() {
        let spare = Spare::default();
        spare.give(vec![1u32, 2]);
        spare.give(vec![3u64]);
        assert!(spare.take::<Vec<u16>>().is_empty());
        assert_eq!(spare.take::<Vec<u32>>(), [1, 2]);
        assert!(spare.take::<Vec<u32>>().is_empty());
        assert_eq!(spare.take::<Vec<u64>>(), [3]);
    }
}
