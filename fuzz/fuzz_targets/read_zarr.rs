#![no_main]

use runmask_fuzz::mask;

libfuzzer_sys::fuzz_target!(|data: &[u8]| mask(data));
