#![no_main]

use runmask::{Shape, doctor, format};
use runmask_fuzz::abort_on_our_own_panics;

// Any bytes are told about; what the report says of them is done, and ends in an error or a file.
libfuzzer_sys::fuzz_target!(init: abort_on_our_own_panics(), |data: &[u8]| {
    for shape in [None, Some(Shape { height: 7, width: 9 })] {
        let report = doctor::examine(&mut &*data, shape).expect("bytes in memory");
        let _ = report.to_string();
        if let Some((format, options)) = report.read_options() {
            let _ = format::read(format, &mut &*data, &options);
        }
        if let Some(conversion) = report.conversion() {
            let _ = format::convert(
                (conversion.from, &mut &*data, &conversion.read_options()),
                (conversion.to, &mut Vec::new(), &conversion.write_options()),
            );
        }
    }
});
