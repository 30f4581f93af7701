#![no_main]

// Any two masks: no operation panics, and what the operations give fits together.
libfuzzer_sys::fuzz_target!(|data: &[u8]| runmask_fuzz::operations(data));
