//! Memory whose size a file or a caller decides: it is asked for, and there is an error where the machine has none.

use bytemuck::Zeroable;

use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::shape::Shape;

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
pub(crate) fn zeroed<T: Zeroable>(count: u64, what: &str) -> Result<Vec<T>> {
    let allocated = usize::try_from(count).ok().and_then(|count| bytemuck::allocation::try_zeroed_vec(count).ok());
    allocated.ok_or_else(|| none::<T>(count, what))
}

/// Room for `more` entries at the end of a list.
///
/// # Errors
/// [`Error::Memory`] for `what` when there is none.
pub(crate) fn reserve<T>(list: &mut Vec<T>, more: usize, what: &str) -> Result<()> {
    list.try_reserve(more).map_err(|_| none::<T>(list.len() as u64 + more as u64, what))
}

#[cold]
fn none<T>(count: u64, what: &str) -> Error {
    let needed = count.saturating_mul(size_of::<T>() as u64);
    Error::Memory { what: what.into(), needed, limit: None }
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
}
