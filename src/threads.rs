//! Threads: numbered pieces of work, done side by side.
//!
//! Gets a number of pieces and what to do with each; gives the results in order; guarantees that after an error no more
//! work is begun. Everything here is compiled once: a parallel iterator of rayon is compiled for every closure it is
//! given, at some thousand lines each, and the pipeline has closures for four types of labels.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::Result;

/// What is done with each piece, by its number; `false` ends all of it.
pub(crate) type Work<'a> = &'a (dyn Fn(usize) -> bool + Sync);

/// Does pieces `0 .. count` on the threads of the current pool.
pub(crate) fn each(count: usize, work: Work<'_>) {
    match count {
        0 => {}
        1 => {
            work(0);
        }
        _ => {
            let go_on = AtomicBool::new(true);
            (0..count).into_par_iter().with_max_len(1).for_each(|number| {
                if go_on.load(Ordering::Relaxed) && !work(number) {
                    go_on.store(false, Ordering::Relaxed);
                }
            });
        }
    }
}

/// The results of pieces `0 .. count`, in order, on the threads of the current pool.
pub(crate) fn map<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let slots = Slots::new(count);
    each(count, &|number| {
        slots.put(number, work(number));
        true
    });
    slots.filled().collect()
}

/// The results of pieces `0 .. count`, in order, on the threads that `each` has; otherwise the first error in order.
pub(crate) fn try_map<R: Send>(
    each: impl FnOnce(usize, Work<'_>),
    count: usize,
    work: impl Fn(usize) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let slots = Slots::new(count);
    each(count, &|number| {
        let result = work(number);
        let go_on = result.is_ok();
        slots.put(number, result);
        go_on
    });
    slots.filled().collect()
}

/// Changes every item, on the threads of the current pool.
pub(crate) fn each_mut<T: Send>(items: &mut [T], work: impl Fn(&mut T) + Sync) {
    let items: Vec<Mutex<&mut T>> = items.iter_mut().map(Mutex::new).collect();
    each(items.len(), &|number| {
        work(&mut items[number].lock().unwrap_or_else(PoisonError::into_inner));
        true
    });
}

/// A place for each result.
struct Slots<R>(Vec<Mutex<Option<R>>>);

impl<R> Slots<R> {
    fn new(count: usize) -> Self {
        Self((0..count).map(|_| Mutex::new(None)).collect())
    }

    fn put(&self, number: usize, result: R) {
        *self.0[number].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    /// The results there are, in order.
    fn filled(self) -> impl Iterator<Item = R> {
        self.0.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::error::Error;

    #[test]
    fn results_are_in_order() {
        for count in [0, 1, 2, 1000] {
            assert_eq!(map(count, |number| number * 2), (0..count).map(|number| number * 2).collect::<Vec<_>>());
            let mut items: Vec<usize> = (0..count).collect();
            each_mut(&mut items, |item| *item += 1);
            assert_eq!(items, (1..=count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let begun = AtomicUsize::new(0);
        let one_after_the_other = |count: usize, work: Work<'_>| {
            let _ = (0..count).all(work);
        };
        let result = try_map(one_after_the_other, 1000, |number| {
            begun.fetch_add(1, Ordering::Relaxed);
            if number < 3 { Ok(number) } else { Err(Error::Argument(number.to_string())) }
        });
        assert_eq!(result.unwrap_err().to_string(), "3");
        assert_eq!(begun.load(Ordering::Relaxed), 4);
        let result = try_map(each, 100, |number| match number {
            50.. => Err(Error::Argument("no".into())),
            _ => Ok(()),
        });
        assert_eq!(result.unwrap_err().to_string(), "no");
    }
}
