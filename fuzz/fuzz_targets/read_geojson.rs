#![no_main]

// Polygons are read, filled by both rules, traced and filled again.
libfuzzer_sys::fuzz_target!(|data: &[u8]| runmask_fuzz::polygons(data));
