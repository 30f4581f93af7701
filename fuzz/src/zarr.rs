//! Zarr stores: any text as metadata, any bytes as chunks.

/// The bytes of a zip file in which nothing is compressed.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let (offset, length) = (file.len() as u32, bytes.len() as u32);
        let numbers = [checksum(bytes), length, length].map(u32::to_le_bytes).concat();
        let common =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &numbers, &(name.len() as u16).to_le_bytes(), &[0, 0]].concat();
        file.extend([&b"PK\x03\x04"[..], &common, name.as_bytes(), bytes].concat());
        directory
            .extend([&b"PK\x01\x02\x14\0"[..], &common, &[0; 10], &offset.to_le_bytes(), name.as_bytes()].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let end = [directory.len() as u32, file.len() as u32].map(u32::to_le_bytes).concat();
    [&file[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &end, &[0, 0]].concat()
}

fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

/// Any texts are metadata of a group, of a label in it and of an array in that, or are refused.
pub fn metadata(data: &[u8]) {
    let Some((&kind, text)) = data.split_first() else { return };
    let mut texts = text.split(|&byte| byte == 0);
    let [first, second, third] = [(); 3].map(|()| texts.next().unwrap_or_default());
    let chunk = [1; 64];
    let store = match kind & 1 {
        0 => zip(&[
            ("zarr.json", first),
            ("0/zarr.json", second),
            ("labels/zarr.json", second),
            ("labels/a/zarr.json", third),
            ("c/0/0", &chunk),
            ("0/c/0/0", &chunk),
        ]),
        _ => zip(&[
            (".zarray", first),
            (".zattrs", second),
            (".zgroup", b"{}"),
            ("0/.zarray", third),
            ("0.0", &chunk),
            ("0/0.0", &chunk),
        ]),
    };
    crate::mask(&store);
    let folder = runmask::source::OpenOptions::new().label("a".to_owned()).index([("c".to_owned(), 1)]);
    let _ = runmask::source::from_bytes(store, "mask", &folder);
}

/// Any bytes are the first chunk of an array, or its first shard, with any codecs, or are refused.
pub fn chunk(data: &[u8]) {
    let Some((&[codecs, layout, sides], bytes)) = data.split_first_chunk::<3>() else { return };
    let dtype = ["uint8", "uint16", "int32", "uint64"][usize::from(codecs & 3)];
    let compressors = [r#","zstd""#, r#","gzip""#, r#","blosc""#, r#","crc32c""#, r#","numcodecs.zlib""#];
    // One of them, none, or two.
    let number = usize::from(codecs >> 2);
    let one = compressors.get(number % 6).copied().unwrap_or_default();
    let two = compressors.get(number / 6).copied().unwrap_or_default();
    let endian = if layout & 1 == 0 { "little" } else { "big" };
    let order = if layout & 2 == 0 { "" } else { r#"{"name":"transpose","configuration":{"order":[1,0]}},"# };
    let codecs = format!(r#"[{order}{{"name":"bytes","configuration":{{"endian":"{endian}"}}}}{one}{two}]"#);
    let (tall, wide) = (1 + u64::from(sides & 15), 1 + u64::from(sides >> 4));
    let (tall, wide) = if layout & 4 == 0 { (tall, wide) } else { (tall * 64, wide * 64) };
    let location = if layout & 16 == 0 { "end" } else { "start" };
    let checked = if layout & 32 == 0 { r#","crc32c""# } else { "" };
    let (stored, codecs) = match layout & 8 {
        0 => ([tall, wide], codecs),
        _ => (
            [2 * tall, wide],
            format!(
                r#"[{{"name":"sharding_indexed","configuration":{{"chunk_shape":[{tall},{wide}],"codecs":{codecs},"index_codecs":["bytes"{checked}],"index_location":"{location}"}}}}]"#
            ),
        ),
    };
    let metadata = format!(
        r#"{{"zarr_format":3,"node_type":"array","shape":[{},{}],"data_type":"{dtype}","fill_value":0,"chunk_grid":{{"name":"regular","configuration":{{"chunk_shape":{stored:?}}}}},"chunk_key_encoding":{{"name":"default"}},"codecs":{codecs}}}"#,
        2 * tall + 1,
        wide + 3,
    );
    crate::mask(&zip(&[("zarr.json", metadata.as_bytes()), ("c/0/0", bytes), ("c/1/0", bytes)]));
}
