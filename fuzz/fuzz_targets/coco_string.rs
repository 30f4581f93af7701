#![no_main]

use runmask::format::coco_string;
use runmask_fuzz as _;

// What is read is written as a text that is read as the same counts.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut counts = Vec::new();
    if coco_string::parse(data, &mut counts).is_ok() {
        let mut text = Vec::new();
        coco_string::push(&mut text, &counts);
        let mut again = Vec::new();
        coco_string::parse(&text, &mut again).expect("our own text");
        assert_eq!(again, counts);
        assert!(text.len() <= data.len(), "the shortest text");
    }
});
