#![no_main]

use runmask_fuzz::mask;

libfuzzer_sys::fuzz_target!(|data: &[u8]| mask(&[b"\x89PNG\r\n\x1a\n", data].concat()));
