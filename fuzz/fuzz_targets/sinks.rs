#![no_main]

use std::io::Cursor;

use runmask::sink::{self, Compression, CreateOptions, MaskFormat};
use runmask::source::{OpenOptions, RawLayout, from_bytes};
use runmask::{Dtype, Error, Shape};
use runmask_fuzz as _;

// Any mask, written some rows at a time, is read again from what was written.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [kind, width, step, labels @ ..] = data else { return };
    let format = [MaskFormat::Tiff, MaskFormat::Png, MaskFormat::Npy, MaskFormat::Raw][usize::from(kind & 3)];
    let dtype = [Dtype::U8, Dtype::U16, Dtype::U32, Dtype::U64][usize::from(kind >> 2 & 3)];
    // Some masks are of runs of bytes, so that they are larger than what describes them.
    let labels: Vec<u8> = match kind & 128 {
        0 => labels.to_vec(),
        _ => labels.chunks_exact(2).flat_map(|pair| std::iter::repeat_n(pair[0], 16 * usize::from(pair[1]))).collect(),
    };
    let width = u32::from(*width) + 1;
    let row = width as usize * dtype.bytes();
    let labels = &labels[..labels.len().min(1 << 20) / row * row];
    let shape = Shape { height: (labels.len() / row) as u32, width };
    let options = CreateOptions::new()
        .compression(if kind & 16 == 0 { Compression::Deflate } else { Compression::Zstd })
        .pyramid(kind & 32 > 0)
        .ome(kind & 64 > 0);
    let mut file = Cursor::new(Vec::new());
    let mut sink = match sink::to_writer(&mut file, format, shape, dtype, &options) {
        Ok(sink) => sink,
        Err(Error::Unsupported(_)) => return,
        Err(error) => panic!("{error}"),
    };
    for rows in labels.chunks(row * (usize::from(*step) + 1)) {
        sink.write_rows(rows).expect("memory takes everything");
    }
    sink.finish().expect("all rows are there");
    let options = OpenOptions::new().raw((format == MaskFormat::Raw).then_some(RawLayout { dtype, shape }));
    let mut source = from_bytes(file.into_inner(), "a file", &options).expect("a whole file");
    assert_eq!((source.shape(), source.dtype()), (shape, dtype));
    let mut again = vec![0xa5; labels.len()];
    source.read_rows(&mut again).expect("a whole file");
    assert!(again == labels);
});
