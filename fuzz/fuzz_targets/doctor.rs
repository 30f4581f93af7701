#![no_main]

use runmask::Shape;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for shape in [None, Some(Shape { height: 7, width: 9 })] {
        let report = runmask::doctor::examine(&mut &*data, shape).expect("bytes in memory");
        let _ = (report.to_string(), report.command(std::path::Path::new("file")));
    }
});
