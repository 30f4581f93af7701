#![no_main]

use runmask::source::{OpenOptions, RawLayout, from_bytes};
use runmask::{Decoder, Encoder, Engine, Label, LabelMask, LabelRuns, ScanOrder, Shape, SimdLevel};
use runmask_fuzz as _;

// Any mask, of any type and layout: the same runs from every engine and level, however it is cut, from memory and from a
// stream; and the runs give the mask back.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [kind, width, rows, labels @ ..] = data else { return };
    match kind & 3 {
        0 => agree::<u8>(*kind, *width, *rows, labels),
        1 => agree::<u16>(*kind, *width, *rows, labels),
        2 => agree::<u32>(*kind, *width, *rows, labels),
        _ => agree::<u64>(*kind, *width, *rows, labels),
    }
});

fn agree<T: Label>(kind: u8, width: u8, rows: u8, labels: &[u8]) {
    let width = u32::from(width) + 1;
    // A byte is a label, so that neighbours are often equal; large ones reach the largest of the type.
    let wide = |&byte: &u8| match byte {
        0..0xf0 => T::from_u64(byte.into()),
        _ => T::from_u64(T::DTYPE.max() - u64::from(0xff - byte)),
    };
    let mut pixels: Vec<T> = labels.iter().filter_map(wide).collect();
    pixels.truncate(pixels.len() / width as usize * width as usize);
    let shape = Shape { height: pixels.len() as u32 / width, width };
    let mask = if kind & 4 == 0 { LabelMask::new(&pixels, shape) } else { LabelMask::fortran(&pixels, shape) };
    let mask = mask.expect("as many labels as pixels");
    let order = if kind & 8 == 0 { ScanOrder::ColumnMajor } else { ScanOrder::RowMajor };
    let background = (kind & 16 == 0).then_some(0);
    let builder = || Encoder::builder().order(order).background(background).strip_rows(u32::from(rows) + 1);
    let encode = |encoder: Encoder| encoder.encode(&mask).expect("no engine fails on a mask in memory");
    let expected: LabelRuns = encode(builder().engine(Engine::Scalar).build().expect("always there"));
    for level in SimdLevel::all() {
        let encoder = builder().engine(Engine::Simd).simd_level(level).build().expect("a level of this machine");
        assert_eq!(encode(encoder), expected, "{}", level.name());
    }
    if kind & 4 == 0 {
        let raw = RawLayout { dtype: T::DTYPE, shape };
        let options = OpenOptions::new().raw(raw);
        let bytes = bytemuck::cast_slice(&pixels).to_vec();
        let mut source = from_bytes(bytes, "labels", &options).expect("raw labels of the right length");
        let streamed = builder().build().expect("the default engine").encode_source(&mut *source);
        assert_eq!(streamed.expect("a source in memory"), expected);
        if background.is_some() {
            let mut decoded = vec![T::default(); pixels.len()];
            Decoder::new(&expected, 0).and_then(|decoder| decoder.decode_into(&mut decoded)).expect("our own runs");
            assert!(decoded == pixels);
        }
    }
}
