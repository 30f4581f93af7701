#![no_main]

use runmask::format::Format;

libfuzzer_sys::fuzz_target!(|data: &[u8]| runmask_fuzz::reader(Format::Hubmap, data));
