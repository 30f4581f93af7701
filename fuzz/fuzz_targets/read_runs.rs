#![no_main]

use runmask::format::Format;

// The crate parquet meets some damage with a panic, which the reader takes for a defect of the file: no finding.
fn abort_on_our_own_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if !panic.location().is_some_and(|place| place.file().contains("/parquet-")) {
            eprintln!("{panic}");
            std::process::abort();
        }
    }));
}

libfuzzer_sys::fuzz_target!(init: abort_on_our_own_panics(), |data: &[u8]| runmask_fuzz::reader(Format::Runs, data));
