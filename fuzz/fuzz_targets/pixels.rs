#![no_main]

use std::io::BufReader;

use runmask::pixels::{self, ChannelOrder};
use runmask_fuzz as _;

// Any records are decoded or refused alike however they are cut, and any pixels come back.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let decode = |cut: usize| {
        let mut image = Vec::new();
        let pixels = data.chunks_exact(9).map(|record| u64::from(record[8])).sum();
        pixels::decode(&mut BufReader::with_capacity(cut, data), pixels, ChannelOrder::Rgba, &mut image)
            .map(|()| image)
            .map_err(|error| error.to_string())
    };
    assert_eq!(decode(1), decode(4096));
    let image = &data[..data.len() / 4 * 4];
    for order in [ChannelOrder::Rgba, ChannelOrder::Bgra] {
        let (mut records, mut again) = (Vec::new(), Vec::new());
        pixels::encode(image, order, &mut records).expect("whole pixels");
        pixels::decode(&mut records.as_slice(), image.len() as u64 / 4, order, &mut again).expect("our own records");
        assert_eq!(again, image);
    }
});
