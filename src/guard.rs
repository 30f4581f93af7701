//! Code of others that may panic, whose panic is an error here.
//!
//! The crate `parquet` meets some damage with a panic. [`catch`] turns it into a value. What cannot be caught is the
//! message: the process has one panic hook, which prints it first, and a library has no right to set it. So the thread
//! knows, while guarded code runs, that its panic will be caught, and whoever owns the hook asks [`panic_is_caught`].

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread would become an [`Error`](crate::Error): a panic hook then has nothing to print.
///
/// ```
/// let print = std::panic::take_hook();
/// std::panic::set_hook(Box::new(move |panic| {
///     if !runmask::panic_is_caught() {
///         print(panic);
///     }
/// }));
/// ```
pub fn panic_is_caught() -> bool {
    GUARDED.get()
}

/// The answer of `work`; nothing when it panics. What it changed before is to be thrown away.
#[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "only parquet panics"))]
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = GUARDED.replace(true);
    let answer = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    answer.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_known_to_be_caught_and_is() {
        assert!(!panic_is_caught());
        assert_eq!(catch(panic_is_caught), Some(true));
        assert_eq!(catch(|| std::thread::spawn(panic_is_caught).join().unwrap()), Some(false), "of this thread only");
        assert_eq!(catch(|| -> u32 { panic!("a panic that is caught") }), None);
        assert!(!panic_is_caught());
    }
}
