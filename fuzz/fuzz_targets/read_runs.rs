#![no_main]
use runmask::format::Format;
use runmask_fuzz::{abort_on_our_own_panics, reader};

libfuzzer_sys::fuzz_target!(init: abort_on_our_own_panics(), |data: &[u8]| reader(Format::Runs, data));
