//! Zarr stores: those that zarr-python and ome-zarr wrote, and those that are damaged or lie.
//!
//! `tests/fixtures/zarr` is written by `tests/tools/zarr_stores.py`, which knows the pixels.

use std::fs;
use std::path::Path;

use runmask::source::{self, OpenOptions, Source};
use runmask::{Dtype, Encoder, Error, LabelMask, PixelSize, Remedy};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// All labels of a mask, eight bytes each, read so many rows at a time.
fn pixels(source: &mut dyn Source, rows: u32) -> Result<Vec<u8>, Error> {
    let (shape, bytes) = (source.shape(), source.dtype().bytes());
    let (mut all, mut row) = (Vec::new(), 0);
    while row < shape.height {
        let count = rows.min(shape.height - row);
        let mut buffer = vec![0xa5; count as usize * shape.width as usize * bytes];
        source.read_rows(&mut buffer)?;
        for label in buffer.chunks_exact(bytes) {
            let mut wide = [0; 8];
            match cfg!(target_endian = "little") {
                true => wide[..bytes].copy_from_slice(label),
                false => wide[8 - bytes..].copy_from_slice(label),
            }
            all.extend(u64::from_ne_bytes(wide).to_le_bytes());
        }
        row += count;
    }
    Ok(all)
}

/// The options of the library that are those of the program.
fn options(of: &Value) -> OpenOptions {
    let words: Vec<&str> = of.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    match words[..] {
        [] => OpenOptions::new(),
        ["--label", name] => OpenOptions::new().label(name.to_owned()),
        ["--index", planes] => OpenOptions::new().index(planes.split(',').map(|plane| {
            let (axis, number) = plane.split_once('=').unwrap();
            (axis.to_owned(), number.parse().unwrap())
        })),
        _ => panic!("{words:?}"),
    }
}

#[test]
fn stores_of_others_are_read_exactly_whatever_the_memory() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/zarr");
    let facts: Value = serde_json::from_slice(&fs::read(folder.join("facts.json")).unwrap()).unwrap();
    let facts = facts.as_object().unwrap();
    assert!(facts.len() > 50);
    for (name, facts) in facts {
        let path = folder.join(format!("{name}.zip"));
        // With little memory, large chunks are read in parts; where two codecs follow each other, that takes more.
        let little = if name == "v3-two" { 12 << 20 } else { 4 << 20 };
        for (memory, rows) in [(256 << 20, 1000), (256 << 20, 7), (little, 1), (little, 64)] {
            let options = options(&facts["options"]).memory(memory).threads(2);
            let mut source = source::open(&path, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
            let shape = source.shape();
            assert_eq!(json!([shape.height, shape.width]), facts["shape"], "{name}");
            let found = pixels(&mut *source, rows).unwrap_or_else(|error| panic!("{name}, {memory}: {error}"));
            let labels: Vec<u64> = found.as_chunks().0.iter().map(|&label| u64::from_le_bytes(label)).collect();
            let encoder = Encoder::builder().build().unwrap();
            let runs = encoder.encode_source(&mut *source::open(&path, &options).unwrap()).unwrap();
            assert_eq!(
                runs,
                encoder.encode(&LabelMask::new(&labels, shape).unwrap()).unwrap(),
                "{name}, {memory} bytes"
            );
            let digest: String = Sha256::digest(&found).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, facts["sha256"].as_str().unwrap(), "{name}, {memory} bytes, {rows} rows");
        }
    }
}

/// A store in a folder: keys and what lies under them.
fn store(entries: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().suffix(".zarr").tempdir().unwrap();
    for (key, bytes) in entries {
        let path = folder.path().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn version_2() -> Value {
    json!({"zarr_format": 2, "shape": [4, 6], "chunks": [4, 4], "dtype": "|u1", "compressor": null, "fill_value": 0,
        "order": "C", "filters": null})
}

fn version_3() -> Value {
    json!({"zarr_format": 3, "node_type": "array", "shape": [4, 6], "data_type": "uint8", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
        "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "bytes"}]})
}

/// The metadata with some of it changed.
fn changed(mut metadata: Value, changes: &[(&str, Value)]) -> Vec<u8> {
    for (pointer, value) in changes {
        match metadata.pointer_mut(pointer) {
            Some(place) => *place = value.clone(),
            None => metadata[&pointer[1..]] = value.clone(),
        }
    }
    metadata.to_string().into_bytes()
}

/// The error of opening and reading a store, after the name of the store.
fn error_of(folder: &Path, options: &OpenOptions) -> String {
    let read = || pixels(&mut *source::open(folder, options)?, 3);
    let encode = || Encoder::builder().build()?.encode_source(&mut *source::open(folder, options)?);
    // Whoever encodes it sees the same error.
    let (by_rows, by_blocks) = (read().map(drop), encode().map(drop));
    assert_eq!(format!("{by_rows:?}"), format!("{by_blocks:?}"));
    let error = match read() {
        Ok(found) => panic!("no error but {} bytes", found.len()),
        Err(Error::Io { context, source }) => format!("{context}: {source}"),
        Err(error) => error.to_string(),
    };
    let name = folder.display().to_string();
    error.strip_prefix(&name).or(error.strip_prefix(&format!("reading {name}"))).unwrap_or(&error).to_owned()
}

#[test]
fn an_array_by_hand() {
    let chunk: Vec<u8> = (0..16).collect();
    for folder in [
        store(&[(".zarray", version_2().to_string().as_bytes()), ("0.1", &chunk)]),
        store(&[("zarr.json", version_3().to_string().as_bytes()), ("c/0/1", &chunk)]),
    ] {
        let mut source = source::open(folder.path(), &OpenOptions::new()).unwrap();
        assert_eq!((source.shape().height, source.shape().width, source.dtype()), (4, 6, Dtype::U8));
        let mut rows = [9; 24];
        source.read_rows(&mut rows).unwrap();
        assert_eq!(rows, [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 8, 9, 0, 0, 0, 0, 12, 13]);
        assert_eq!(source.stored_bytes(), Some(16));
    }
}

#[test]
fn what_is_not_read_is_named() {
    let two = |changes: &[(&str, Value)]| store(&[(".zarray", &changed(version_2(), changes))]);
    let three = |changes: &[(&str, Value)]| store(&[("zarr.json", &changed(version_3(), changes))]);
    let sharding = |chunk: Value| {
        json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": chunk, "codecs": ["bytes"],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}}])
    };
    for (folder, expected) in [
        (
            two(&[("/dtype", json!("<f4"))]),
            ": the root: pixels of the type <f4; a label mask has integers of 8 to 64 bits, or booleans",
        ),
        (two(&[("/dtype", json!([["r", "|u1"]]))]), ": the root: pixels of several parts"),
        (
            two(&[("/compressor", json!({"id": "lzma"}))]),
            ": the root: the codec lzma; blosc, gzip, zlib, zstd and crc32c are read",
        ),
        (two(&[("/filters", json!([{"id": "delta"}]))]), ": the root: the filter delta"),
        (two(&[("/order", json!("Z"))]), ": the root: the order \"Z\"; C and F are read"),
        (
            two(&[("/fill_value", json!(-1))]),
            ": the root: expected a fill_value that is a label of the array's type, found -1",
        ),
        (
            two(&[("/fill_value", json!(256))]),
            ": the root: expected a fill_value that is a label of the array's type, found 256",
        ),
        (
            two(&[("/shape", json!([4])), ("/chunks", json!([4]))]),
            ": the root: an array of 1 axes; a label mask has 2 or more",
        ),
        (
            two(&[("/chunks", json!([0, 4]))]),
            ": the root: expected chunks of as many axes as the array, 1 or more along each, found [0, 4]",
        ),
        (
            two(&[("/chunks", json!([4]))]),
            ": the root: expected chunks of as many axes as the array, 1 or more along each, found [4]",
        ),
        (
            three(&[("/data_type", json!("float32"))]),
            ": the root: pixels of the type float32; a label mask has integers of 8 to 64 bits, or booleans",
        ),
        (
            three(&[("/codecs", json!(["bytes", {"name": "bz2"}]))]),
            ": the root: the codec bz2; blosc, gzip, zlib, zstd and crc32c are read",
        ),
        (
            three(&[("/codecs", json!(["zstd"]))]),
            ": the root: the codec zstd before bytes; transpose and sharding_indexed are read there",
        ),
        (three(&[("/codecs", json!([]))]), ": the root: expected a codec that makes bytes of labels, found none"),
        (
            three(&[("/codecs", sharding(json!([3, 4])))]),
            ": the root: expected shards that are whole chunks along each axis, found [4, 4] of [3, 4]",
        ),
        (
            three(&[("/codecs", json!([{"name": "transpose", "configuration": {"order": [0, 0]}}, "bytes"]))]),
            ": the root: expected a transpose codec whose order is a permutation of the axes, found another",
        ),
        (
            three(&[("/chunk_grid", json!({"name": "rectilinear"}))]),
            ": the root: the chunk grid rectilinear; regular is read",
        ),
        (
            three(&[("/node_type", json!("table"))]),
            ": the root: expected a node_type that is array or group, found \"table\"",
        ),
        (
            store(&[("zarr.json", b"{\"zarr_format\": 3,")]),
            ": the root: expected the zarr.json of a Zarr store, found EOF while parsing a value at line 1 column 18",
        ),
        (
            store(&[("zarr.json", br#"{"zarr_format": 3, "node_type": "group"}"#), ("raw/x", b"")]),
            ": the root: expected an array, multiscales or labels, found a group without them, which holds raw",
        ),
        (
            store(&[("note", b"")]),
            ": the root: expected a Zarr array or group, found none of zarr.json, .zarray and .zgroup",
        ),
    ] {
        assert_eq!(error_of(folder.path(), &OpenOptions::new()), expected);
    }
}

/// An array of version 3 with some bytes under the key of its first chunk.
fn with_chunk(codecs: Value, chunk: &[u8]) -> tempfile::TempDir {
    store(&[("zarr.json", &changed(version_3(), &[("/codecs", codecs)])), ("c/0/0", chunk)])
}

#[test]
fn damaged_chunks_are_named() {
    let zlib = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let whole = zlib(&[1; 16]);
    let gzip = json!(["bytes", "gzip"]);
    let blosc = |flags: u8, length: u32, block: u32, rest: &[u8]| {
        let stored = 16 + rest.len() as u32;
        let numbers = [length, block, stored].map(u32::to_le_bytes).concat();
        [&[2, 1, flags, 1][..], &numbers, rest].concat()
    };
    let start = 20_u32.to_le_bytes();
    for (folder, expected) in [
        (with_chunk(json!(["bytes"]), &[1; 15]), "16 bytes of pixels, found 15 bytes"),
        (with_chunk(json!(["bytes"]), &[]), "16 bytes of pixels, found 0 bytes"),
        (with_chunk(json!(["bytes"]), &[1; 17]), "16 bytes of pixels, found 17 bytes"),
        (with_chunk(gzip.clone(), &whole[..whole.len() - 9]), "16 bytes of pixels, found only "),
        (with_chunk(gzip.clone(), &zlib(&[1; 15])), "16 bytes of pixels, found only 15"),
        (with_chunk(gzip.clone(), &zlib(&[1; 17])), "16 bytes of pixels, found more"),
        (with_chunk(gzip.clone(), &zlib(&vec![1; 10 << 20])), "16 bytes of pixels, found more"),
        (with_chunk(gzip.clone(), b"nothing of the kind"), "16 bytes of pixels, found invalid gzip header"),
        (with_chunk(gzip, &[]), "16 bytes of pixels, found 0 bytes with gzip"),
        (with_chunk(json!(["bytes", "zstd"]), b"(\xb5/\xfd damaged"), "16 bytes of pixels, found "),
        (with_chunk(json!(["bytes", "crc32c"]), &[7; 20]), "16 bytes of pixels, found bytes whose checksum is "),
        (with_chunk(json!(["bytes", "crc32c"]), &[7; 3]), "16 bytes of pixels, found only 0"),
        (
            with_chunk(json!(["bytes", "blosc"]), &blosc(2, 16, 16, &[1; 15])),
            "16 bytes of pixels, found a copy of another length than blosc claims",
        ),
        (with_chunk(json!(["bytes", "blosc"]), &blosc(2, 1 << 30, 16, &[1; 16])), "16 bytes of pixels, found more"),
        (with_chunk(json!(["bytes", "blosc"]), &blosc(0, 15, 15, &start)), "16 bytes of pixels, found only 15"),
        (
            with_chunk(json!(["bytes", "blosc"]), &blosc(0, 16, 0, &start)),
            "16 bytes of pixels, found a header of blosc with impossible numbers",
        ),
        (
            with_chunk(json!(["bytes", "blosc"]), &blosc(0, 16, 16, &[])),
            "16 bytes of pixels, found a block of blosc outside of its bytes",
        ),
        (
            with_chunk(json!(["bytes", "blosc"]), &blosc(0, 16, 16, &u32::MAX.to_le_bytes())),
            "16 bytes of pixels, found a block of blosc outside of its bytes",
        ),
        (
            with_chunk(json!(["bytes", "blosc"]), &blosc(0, 16, 16, &start)),
            "16 bytes of pixels, found a block of blosc that breaks off",
        ),
        (
            with_chunk(
                json!(["bytes", "blosc"]),
                &blosc(1 << 5, 16, 16, &[start, 2_u32.to_le_bytes(), [0xff; 4]].concat()),
            ),
            "16 bytes of pixels, found damaged LZ4",
        ),
        (
            with_chunk(
                json!(["bytes", "blosc"]),
                &blosc(2 << 5, 16, 16, &[start, 2_u32.to_le_bytes(), [0; 4]].concat()),
            ),
            "16 bytes of pixels, found blosc with Snappy; LZ4, zlib and Zstandard are read",
        ),
        (with_chunk(json!(["bytes", "blosc"]), &[5; 40]), "16 bytes of pixels, found "),
    ] {
        let expected = format!(": chunk c/0/0: expected {expected}");
        for memory in [OpenOptions::DEFAULT_MEMORY, 300_000] {
            let error = error_of(folder.path(), &OpenOptions::new().memory(memory).threads(1));
            assert!(error.starts_with(&expected), "{error}, not {expected}");
        }
    }
}

#[test]
fn damaged_shards_are_named() {
    let sharded = |shard: &[u8]| {
        let codecs = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 4],
            "codecs": ["bytes"], "index_codecs": ["bytes", "crc32c"]}}]);
        with_chunk(codecs, shard)
    };
    let index = |entries: [u64; 4]| {
        let bytes = entries.map(u64::to_le_bytes).concat();
        let checksum = crc32c(&bytes).to_le_bytes();
        [bytes, checksum.to_vec()].concat()
    };
    let sound = [&[3; 8][..], &index([0, 8, u64::MAX, u64::MAX])].concat();
    let mut source = source::open(sharded(&sound).path(), &OpenOptions::new()).unwrap();
    let mut rows = [9; 24];
    // The folder is gone by now.
    assert!(source.read_rows(&mut rows).is_ok_and(|()| rows == [0; 24]));
    let folder = sharded(&sound);
    source::open(folder.path(), &OpenOptions::new()).unwrap().read_rows(&mut rows).unwrap();
    assert_eq!(rows[..16], [3, 3, 3, 3, 0, 0, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0]);
    let mut wrong = sound.clone();
    wrong[8] ^= 1;
    for (shard, expected) in [
        (sound[..20].to_vec(), "shard c/0/0: expected the index of 2 chunks, found 20 bytes"),
        (wrong, "shard c/0/0: expected an index whose checksum is right, found bytes whose checksum is "),
        (
            [&[3; 8][..], &index([0, 8, 40, 8])].concat(),
            "shard c/0/0: expected chunks inside the shard, found 8 bytes from byte 40 of 44",
        ),
        (
            [&[3; 8][..], &index([0, 8, u64::MAX - 1, 8])].concat(),
            "shard c/0/0: expected chunks inside the shard, found 8 bytes from byte 18446744073709551614 of 44",
        ),
        (
            [&[3; 8][..], &index([0, 7, 0, 8])].concat(),
            "chunk 0, 0 of shard c/0/0: expected 8 bytes of pixels, found 7 bytes",
        ),
    ] {
        let error = error_of(sharded(&shard).path(), &OpenOptions::new());
        assert!(error.starts_with(&format!(": {expected}")), "{error}");
    }
}

/// The checksum of Castagnoli, by its definition.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    })
}

#[test]
fn sizes_that_lie_take_no_memory() {
    let huge = 1_000_000_000_000_u64;
    let three = |changes: &[(&str, Value)], chunk: &[u8]| {
        store(&[("zarr.json", &changed(version_3(), changes)), ("c/0/0", chunk)])
    };
    let chunk = "/chunk_grid/configuration/chunk_shape";
    for (folder, expected) in [
        (
            three(&[("/shape", json!([huge, huge]))], b""),
            ": height of the mask, pixels: at most 4294967295, found 1000000000000",
        ),
        (
            three(&[("/shape", json!([4, 4_000_000_000_u64]))], b""),
            ": bytes in a row of a mask of u8 (height 4 x width 4000000000): at most 1073741824, found 4000000000",
        ),
        (
            three(&[("/shape", json!([4, 1 << 30])), (chunk, json!([1, 1]))], b""),
            ": chunks side by side: at most 1048576, found 1073741824",
        ),
        (
            three(&[(chunk, json!([huge, huge])), ("/codecs", json!(["bytes", "zstd"]))], b"(\xb5/\xfd"),
            ": chunk c/0/0: expected 18446744073709551615 bytes of pixels, found 4 bytes with zstd",
        ),
        (
            three(&[(chunk, json!([1 << 20, 1 << 20])), ("/codecs", json!(["bytes", "blosc"]))], &[2; 1 << 16]),
            ": chunk c/0/0: expected 1099511627776 bytes of pixels, found 65536 bytes with blosc",
        ),
        // As much as Zstandard may make of them.
        (
            three(&[(chunk, json!([1 << 16, 1 << 14])), ("/codecs", json!(["bytes", "zstd"]))], &[2; 1 << 16]),
            ": chunk c/0/0: expected 1073741824 bytes of pixels, found ",
        ),
        (
            three(
                &[(chunk, json!([1 << 16, 1 << 14])), ("/codecs", json!(["bytes", "zstd", "crc32c"]))],
                &[2; 1 << 16],
            ),
            ": tiles side by side: ",
        ),
    ] {
        let error = error_of(folder.path(), &OpenOptions::new());
        assert!(error.starts_with(expected), "{error}");
    }
    // Nothing is stored, so nothing is needed.
    let folder = store(&[("zarr.json", &changed(version_3(), &[(chunk, json!([huge, huge]))]))]);
    assert_eq!(pixels(&mut *source::open(folder.path(), &OpenOptions::new()).unwrap(), 4).unwrap(), [0; 8 * 24]);
}

const MULTISCALES: &str =
    r#"{"axes": [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}], "datasets": [{"path": "PATH"}]}"#;

fn label(path: &str) -> String {
    format!(
        r#"{{"zarr_format": 3, "node_type": "group", "attributes": {{"ome": {{"version": "0.5", "multiscales": [{}]}}}}}}"#,
        MULTISCALES.replace("PATH", path)
    )
}

fn labels(names: &[&str]) -> String {
    json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"version": "0.5", "labels": names}}})
        .to_string()
}

#[test]
fn names_stay_inside_the_store() {
    let secret = store(&[("zarr.json", version_3().to_string().as_bytes())]);
    let secret = secret.path().display().to_string();
    let up = format!("../{}", Path::new(&secret).file_name().unwrap().to_str().unwrap());
    for name in ["..", ".", "", "../..", "a/../b", "a//b", "a\\b", "C:", &secret, &up] {
        let expected =
            format!("expected the name of something inside the store, without `..` and not absolute, found {name:?}");
        let by_label = store(&[("zarr.json", labels(&[name]).as_bytes())]);
        assert_eq!(error_of(by_label.path(), &OpenOptions::new()), format!(": the root: {expected}"));
        let by_level = store(&[("zarr.json", label(name).replace('\\', "\\\\").as_bytes())]);
        assert_eq!(error_of(by_level.path(), &OpenOptions::new()), format!(": the root: {expected}"));
    }
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_and_what_is_no_file_are_errors() {
    let folder = store(&[("zarr.json", version_3().to_string().as_bytes()), ("c/0/1", &[1; 16])]);
    std::os::unix::fs::symlink("0", folder.path().join("c/0/0")).unwrap();
    let error = error_of(folder.path(), &OpenOptions::new());
    assert!(error.starts_with("/c/0/0: "), "{error}");
    fs::remove_file(folder.path().join("c/0/0")).unwrap();
    fs::create_dir(folder.path().join("c/0/0")).unwrap();
    assert_eq!(error_of(folder.path(), &OpenOptions::new()), "/c/0/0: expected a file, found something else");
    let group = store(&[("zarr.json", labels(&["a"]).as_bytes())]);
    std::os::unix::fs::symlink("a", group.path().join("a")).unwrap();
    let error = error_of(group.path(), &OpenOptions::new());
    assert!(error.starts_with("/a/zarr.json: "), "{error}");
}

#[test]
fn labels_are_chosen_by_name() {
    let folder = store(&[
        ("zarr.json", br#"{"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"multiscales": [{"datasets": [{"path": "0"}]}]}}}"#),
        ("labels/zarr.json", labels(&["cells", "nuclei"]).as_bytes()),
        ("labels/cells/zarr.json", label("s0").as_bytes()),
        ("labels/cells/s0/zarr.json", &changed(version_3(), &[("/fill_value", json!(3))])),
        ("labels/nuclei/zarr.json", label("s0").as_bytes()),
        ("labels/nuclei/s0/zarr.json", &changed(version_3(), &[("/data_type", json!("float32"))])),
    ]);
    let open = |options: &OpenOptions| source::open(folder.path(), options).err();
    let error = open(&OpenOptions::new()).unwrap();
    assert_eq!(error.remedies(), [Remedy::NameLabel]);
    assert!(error.to_string().ends_with(": 2 labels (cells, nuclei): one of them must be named"), "{error}");
    let named = |name: &str| OpenOptions::new().label(name.to_owned());
    assert!(open(&named("cells")).is_none());
    assert!(open(&named("nuclei")).unwrap().to_string().contains("labels/nuclei/s0: pixels of the type float32"));
    let missing = open(&named("tissue")).unwrap().to_string();
    assert!(missing.ends_with("no label \"tissue\": the store has cells, nuclei"), "{missing}");
    assert!(open(&named("cells").level(1)).unwrap().to_string().ends_with("no level 1: there are 1 (counted from 0)"));
    let pages = source::pages(folder.path()).unwrap();
    assert_eq!(pages.iter().map(|page| page.name.as_deref().unwrap()).collect::<Vec<_>>(), ["cells", "nuclei"]);
    assert_eq!((pages[0].levels[0].dtype, pages[1].levels[0].dtype), (Some(Dtype::U8), None));
    // Parts of the store are stores.
    for part in ["labels/cells", "labels/cells/s0"] {
        assert!(source::open(&folder.path().join(part), &OpenOptions::new()).is_ok(), "{part}");
    }
    let runs = Encoder::builder().build().unwrap();
    let runs = runs.encode_source(&mut *source::open(folder.path(), &named("cells")).unwrap()).unwrap();
    assert_eq!((runs.labels(), runs.area()), (&[3][..], 24));
}

#[test]
fn planes_are_chosen_by_axis() {
    let changes = [
        ("/shape", json!([1, 3, 4, 6])),
        ("/chunk_grid/configuration/chunk_shape", json!([1, 1, 4, 4])),
        ("/dimension_names", json!(["t", "c", "y", null])),
    ];
    let folder = store(&[("zarr.json", &changed(version_3(), &changes)), ("c/0/2/0/0", &[5; 16])]);
    let read = |index: &[(&str, u64)]| {
        let index = index.iter().map(|&(axis, number)| (axis.to_owned(), number));
        pixels(&mut *source::open(folder.path(), &OpenOptions::new().index(index))?, 4)
    };
    assert_eq!(read(&[("c", 1)]).unwrap(), [0; 24 * 8]);
    assert_eq!(read(&[("c", 2), ("t", 0)]).unwrap()[0], 5);
    for (index, expected) in [
        (&[][..], "3 planes along the axis c (t: 1, c: 3, y: 4, 3: 6): one of them must be named"),
        (&[("c", 3)], "no plane c=3: there are 3 (counted from 0)"),
        (&[("y", 0), ("c", 0)], "no plane by the axis \"y\": the array has t: 1, c: 3, y: 4, 3: 6"),
        (&[("c", 0), ("c", 0)], "no plane by the axis \"c\": it is named twice"),
    ] {
        let error = read(index).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
        assert_eq!(error.remedies().contains(&Remedy::NameIndex), index.is_empty());
    }
}

#[test]
fn the_size_of_a_pixel_is_that_of_its_level() {
    let of = |axes: Value, scales: &[Value], whole: Value| {
        let datasets: Vec<Value> = scales
            .iter()
            .enumerate()
            .map(|(level, scale)| json!({"path": level.to_string(), "coordinateTransformations": [{"type": "scale", "scale": scale}]}))
            .collect();
        let multiscales = json!([{"axes": axes, "datasets": datasets, "coordinateTransformations": whole}]);
        let group =
            json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"multiscales": multiscales}}});
        let array = version_3().to_string();
        let folder = store(&[
            ("zarr.json", group.to_string().as_bytes()),
            ("0/zarr.json", array.as_bytes()),
            ("1/zarr.json", array.as_bytes()),
        ]);
        [0, 1].map(|level| source::pixel_size(folder.path(), &OpenOptions::new().level(level)).unwrap())
    };
    let size = |height, width| Some(PixelSize::new(height, width).unwrap());
    let axes = |unit: &str| json!([{"name": "y", "unit": unit}, {"name": "x", "unit": unit}]);
    let scales = [json!([0.5, 0.25]), json!([1.0, 0.5])];
    assert_eq!(of(axes("micrometer"), &scales, json!([])), [size(0.5, 0.25), size(1.0, 0.5)]);
    assert_eq!(of(axes("millimeter"), &scales, json!([])), [size(500.0, 250.0), size(1000.0, 500.0)]);
    assert_eq!(
        of(axes("micrometer"), &scales, json!([{"type": "scale", "scale": [2.0, 4.0]}])),
        [size(1.0, 1.0), size(2.0, 2.0)]
    );
    assert_eq!(of(axes("parsec"), &scales, json!([])), [None, None]);
    assert_eq!(of(json!(["y", "x"]), &scales, json!([])), [size(0.5, 0.25), None]);
    assert_eq!(of(json!([]), &scales, json!([])), [None, None]);
    assert_eq!(of(axes("micrometer"), &[json!([0, -1]), json!("path")], json!([])), [None, None]);
}

#[test]
fn a_damaged_zip_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.zip");
    let whole = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/zarr/v3-none.zip")).unwrap();
    fs::write(&path, &whole[..whole.len() - 30]).unwrap();
    let error = error_of(&path, &OpenOptions::new());
    assert!(error.starts_with(": expected a whole zip file, found "), "{error}");
    // A pixel of the first chunk.
    let mut flipped = whole.clone();
    let at = whole.windows(5).position(|bytes| bytes == b"c/0/0").unwrap() + 5 + 8;
    flipped[at] ^= 1;
    fs::write(&path, &flipped).unwrap();
    let error = error_of(&path, &OpenOptions::new());
    assert!(error.starts_with(": chunk c/0/0: expected bytes with the checksum "), "{error}");
}

/// Labels that change at any row of a chunk, and go on in the chunk below or not.
#[test]
fn runs_do_not_depend_on_where_chunks_are_cut() {
    let (height, width) = (230_u32, 7_u32);
    let changes = [("/shape", json!([height, width])), ("/chunk_grid/configuration/chunk_shape", json!([100, 4]))];
    for (first, second) in [(1, 1), (1, 34), (5, 38), (33, 99), (40, 60), (68, 69), (99, 99), (100, 100)] {
        let chunk = |seed: u32| {
            let label =
                |row: u32, column: u32| (seed + u32::from(row >= first) * 3 + u32::from(row >= second) * column) as u8;
            (0..400).map(|pixel| label(pixel / 4, pixel % 4)).collect::<Vec<u8>>()
        };
        let chunks: Vec<Vec<u8>> = (1..=5).map(chunk).collect();
        let metadata = changed(version_3(), &changes);
        let mut entries = vec![("zarr.json", &metadata[..])];
        // One is absent.
        entries.extend(["c/0/0", "c/0/1", "c/1/0", "c/1/1", "c/2/0"].into_iter().zip(chunks.iter().map(Vec::as_slice)));
        let folder = store(&entries);
        let open = || source::open(folder.path(), &OpenOptions::new().threads(1)).unwrap();
        let mut whole = vec![9; (height * width) as usize];
        open().read_rows(&mut whole).unwrap();
        let encoder = Encoder::builder().threads(1).build().unwrap();
        let mask = LabelMask::new(&whole, runmask::Shape { height, width }).unwrap();
        assert_eq!(encoder.encode_source(&mut *open()).unwrap(), encoder.encode(&mask).unwrap());
    }
}
