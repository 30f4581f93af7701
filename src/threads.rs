//! Threads: numbered pieces of work, done side by side.
//!
//! Gets a number of pieces and what to do with each; gives the results in order; guarantees that after an error no more
//! work is begun. Everything here is compiled once: a parallel iterator of rayon is compiled for every closure it is
//! given, at some thousand lines each, and the pipeline has closures for four types of labels.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::error::{Error, Result};

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
    each(count, &|number| slots.put(number, Ok(work(number))));
    // None of them is an error.
    slots.results().unwrap_or_default()
}

/// Whether `work` says so of any of `0 .. count`; a thread takes `at_once` of them at a time.
pub(crate) fn any(count: usize, at_once: usize, work: impl Fn(usize) -> bool + Sync) -> bool {
    let found = AtomicBool::new(false);
    each(count.div_ceil(at_once), &|part| {
        let mut some = part * at_once..count.min((part + 1) * at_once);
        let go_on = !some.any(&work);
        if !go_on {
            found.store(true, Ordering::Relaxed);
        }
        go_on
    });
    found.into_inner()
}

/// The result of `work`, which the threads of `pool` do, or those of the current one.
pub(crate) fn install<R: Send>(pool: Option<&ThreadPool>, work: impl FnOnce() -> R + Send) -> R {
    let Some(pool) = pool else { return work() };
    let (mut work, mut result) = (Some(work), None);
    install_once(pool, &mut || result = work.take().map(|work| work()));
    match result {
        Some(result) => result,
        None => unreachable!("a pool does what it is given"),
    }
}

fn install_once(pool: &ThreadPool, work: &mut (dyn FnMut() + Send)) {
    pool.install(work);
}

/// The results of pieces `0 .. count`, in order, on the threads that `each` has; otherwise the first error in order.
pub(crate) fn try_map<R: Send>(
    each: impl FnOnce(usize, Work<'_>),
    count: usize,
    work: impl Fn(usize) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let slots = Slots::new(count);
    each(count, &|number| slots.put(number, work(number)));
    slots.results()
}

/// Changes every item, on the threads of the current pool.
pub(crate) fn each_mut<T: Send>(items: &mut [T], work: impl Fn(&mut T) + Sync) {
    let items = one_by_one(items);
    each(items.len(), &|number| {
        work(&mut locked(&items[number]));
        true
    });
}

/// Changes every item, on the threads of the current pool; gives what `work` gives for each, in order.
pub(crate) fn map_mut<T: Send, R: Send>(items: &mut [T], work: impl Fn(&mut T) -> R + Sync) -> Vec<R> {
    // None of them is an error.
    try_map_mut(items, |item| Ok(work(item))).unwrap_or_default()
}

/// Changes every item, on the threads of the current pool; gives what `work` gives for each, in order, otherwise the first
/// error in order.
pub(crate) fn try_map_mut<T: Send, R: Send>(
    items: &mut [T],
    work: impl Fn(&mut T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let items = one_by_one(items);
    let slots = Slots::new(items.len());
    each(items.len(), &|number| {
        let result = work(&mut locked(&items[number]));
        slots.put(number, result)
    });
    slots.results()
}

/// Sets every item to what `work` makes of its number; a thread takes `at_once` items at a time.
pub(crate) fn fill<T: Send>(items: &mut [T], at_once: usize, work: impl Fn(usize) -> T + Sync) {
    let (count, parts) = (items.len().div_ceil(at_once), Mutex::new(items.chunks_mut(at_once).enumerate()));
    each(count, &|_| {
        let part = locked(&parts).next();
        if let Some((part, items)) = part {
            for (number, item) in (part * at_once..).zip(items.iter_mut()) {
                *item = work(number);
            }
        }
        true
    });
}

/// Items that threads take by their numbers, so that those which lie side by side mostly go to one thread: two threads that
/// write to one line of a cache wait for each other.
fn one_by_one<T>(items: &mut [T]) -> Vec<Mutex<&mut T>> {
    let mut places = Vec::with_capacity(items.len());
    for item in items {
        places.push(Mutex::new(item));
    }
    places
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory that threads keep from piece to piece: as many of it as work at a time.
pub(crate) struct Kept<S, M>(Mutex<Vec<S>>, M);

impl<S, M: Fn() -> S> Kept<S, M> {
    /// None yet; `make` makes new memory.
    pub(crate) fn new(make: M) -> Self {
        Self(Mutex::new(Vec::new()), make)
    }

    /// Does work in some of it.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut S) -> R) -> R {
        let spare = locked(&self.0).pop();
        let mut memory = spare.unwrap_or_else(&self.1);
        let result = work(&mut memory);
        locked(&self.0).push(memory);
        result
    }
}

/// A place for each result, and the first error.
struct Slots<R>(Mutex<(Vec<Option<R>>, First)>);

/// The first error in order, and the number of its piece.
type First = Option<(usize, Error)>;

impl<R> Slots<R> {
    fn new(count: usize) -> Self {
        let mut slots = Vec::with_capacity(count);
        for _ in 0..count {
            slots.push(None);
        }
        Self(Mutex::new((slots, None)))
    }

    /// Puts a result to its place; gives whether it is no error.
    fn put(&self, number: usize, result: Result<R>) -> bool {
        let (slots, first) = &mut *locked(&self.0);
        match result {
            Ok(result) => {
                slots[number] = Some(result);
                true
            }
            Err(error) => {
                if first.as_ref().is_none_or(|(first, _)| number < *first) {
                    *first = Some((number, error));
                }
                false
            }
        }
    }

    /// All results in order, or the first error.
    fn results(self) -> Result<Vec<R>> {
        let (slots, first) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, error)) = first {
            return Err(error);
        }
        let mut results = Vec::with_capacity(slots.len());
        for result in slots.into_iter().flatten() {
            results.push(result);
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn results_are_in_order() {
        for count in [0, 1, 2, 1000] {
            assert_eq!(map(count, |number| number * 2), (0..count).map(|number| number * 2).collect::<Vec<_>>());
            let mut items: Vec<usize> = (0..count).collect();
            each_mut(&mut items, |item| *item += 1);
            assert_eq!(items, (1..=count).collect::<Vec<_>>());
            fill(&mut items, 7, |number| number * 3);
            assert_eq!(items, (0..count).map(|number| number * 3).collect::<Vec<_>>());
            assert!(!any(count, 7, |number| number >= count));
            assert!((0..count).all(|wanted| any(count, 7, |number| number == wanted)));
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
        let mut items: Vec<usize> = (0..100).collect();
        try_map_mut(&mut items, |item| {
            *item += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(items, (1..=100).collect::<Vec<_>>());
        let result = try_map_mut(&mut items, |item| match item {
            50 => Err(Error::Argument(item.to_string())),
            _ => Ok(()),
        });
        assert_eq!(result.unwrap_err().to_string(), "50");
    }

    #[test]
    fn work_is_done_in_the_pool_and_memory_is_kept() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(install(Some(&pool), rayon::current_num_threads), 3);
        assert_eq!(install(None, || 7), 7);
        let made = AtomicUsize::new(0);
        let kept = Kept::new(|| made.fetch_add(1, Ordering::Relaxed));
        install(Some(&pool), || map(100, |_| kept.with(|_| ())));
        assert!((1..=3).contains(&made.load(Ordering::Relaxed)));
    }
}
