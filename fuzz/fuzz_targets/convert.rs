#![no_main]

use runmask::format::{self, Format, ReadOptions, WriteOptions};
use runmask_fuzz::abort_on_our_own_panics;

// Any bytes as any format into any other: an error or a file, never a panic.
libfuzzer_sys::fuzz_target!(init: abort_on_our_own_panics(), |data: &[u8]| {
    let [from, to, data @ ..] = data else { return };
    let pick = |byte: u8| Format::ALL[usize::from(byte) % Format::ALL.len()];
    let read = ReadOptions::new().skip_other_shapes(true).ignore_columns(true);
    let write = WriteOptions::new().renumber(true).drop_shape(true).drop_attributes(true);
    let _ = format::convert((pick(*from), &mut &*data, &read), (pick(*to), &mut Vec::new(), &write));
});
