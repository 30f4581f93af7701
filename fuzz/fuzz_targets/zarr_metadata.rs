#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runmask_fuzz::zarr::metadata(data));
