//! Zarr stores that are damaged or lie: one line that names the store, the array and the chunk, in little memory.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use serde_json::{Value, json};

use super::Folder;
use super::memory::peak;

const MIB: u64 = 1 << 20;

/// The metadata of an array of 8-bit labels.
fn array(shape: [u64; 2], chunk: [u64; 2], codecs: Value) -> Vec<u8> {
    let array = json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint8", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default"}, "codecs": codecs});
    array.to_string().into_bytes()
}

/// So many MiB of one byte, deflated.
fn deflated(mebibytes: usize, byte: u8) -> Vec<u8> {
    let mut data = DeflateEncoder::new(Vec::new(), Compression::fast());
    let piece = vec![byte; 1 << 20];
    (0..mebibytes).for_each(|_| data.write_all(&piece).unwrap());
    data.finish().unwrap()
}

fn gzip(mebibytes: usize) -> Vec<u8> {
    let mut data = GzEncoder::new(Vec::new(), Compression::fast());
    let piece = vec![0; 1 << 20];
    (0..mebibytes).for_each(|_| data.write_all(&piece).unwrap());
    data.finish().unwrap()
}

/// Deflated data, the bytes that it claims to become, their checksum.
type Entry = (Vec<u8>, u32, u32);

/// A zip file of deflated entries.
fn zip(entries: &[(&str, &Entry)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, (data, length, checksum)) in entries {
        let offset = file.len() as u32;
        let numbers = [*checksum, data.len() as u32, *length].map(u32::to_le_bytes).concat();
        let common =
            [&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0][..], &numbers, &(name.len() as u16).to_le_bytes(), &[0, 0]].concat();
        file.extend([&b"PK\x03\x04"[..], &common, name.as_bytes(), data].concat());
        directory
            .extend([&b"PK\x01\x02\x14\0"[..], &common, &[0; 10], &offset.to_le_bytes(), name.as_bytes()].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let end = [directory.len() as u32, file.len() as u32].map(u32::to_le_bytes).concat();
    [&file[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &end, &[0, 0]].concat()
}

/// A sound entry.
fn entry(bytes: &[u8]) -> Entry {
    let mut data = DeflateEncoder::new(Vec::new(), Compression::fast());
    data.write_all(bytes).unwrap();
    let mut checksum = flate2::Crc::new();
    checksum.update(bytes);
    (data.finish().unwrap(), bytes.len() as u32, checksum.sum())
}

/// Fails with all of `parts`, in memory that the stored bytes justify.
#[track_caller]
fn refused(folder: &Folder, words: &str, bytes: u64, parts: &[&str]) {
    let (ended, peak) = peak(folder, words);
    let line = ended.one_line(words);
    assert!(peak < 200 * MIB + 4 * bytes, "{words}: {} MiB, {line}", peak / MIB);
    for part in parts {
        assert!(line.contains(part), "{line}\nexpected: {part}");
    }
    assert!(!folder.file("runs.csv").exists(), "{words}");
}

#[test]
fn zip_bombs() {
    let folder = Folder::new();
    let small = entry(&array([4, 4], [4, 4], json!(["bytes"])));
    let shards = json!([{"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 20_000], "codecs": ["bytes"],
        "index_codecs": ["bytes"]}}]);
    let sharded = entry(&array([20_000, 20_000], [20_000, 20_000], shards));
    let bombs = [
        ("metadata", zip(&[("zarr.json", &(deflated(250, b' '), 250 << 20, 0))]), "/zarr.json: expected "),
        (
            "chunk",
            zip(&[("zarr.json", &small), ("c/0/0", &(deflated(400, 0), 400 << 20, 0))]),
            ": chunk c/0/0: expected 16 bytes of pixels, found 419430400 bytes",
        ),
        (
            "claim",
            zip(&[("zarr.json", &small), ("c/0/0", &(b"\x03\x00".to_vec(), u32::MAX - 1, 0))]),
            ": chunk c/0/0: expected 16 bytes of pixels, found 4294967294 bytes",
        ),
        (
            "shard",
            zip(&[("zarr.json", &sharded), ("c/0/0", &(deflated(400, 0), 400 << 20, 0))]),
            "c/0/0: expected 134217728 bytes at most, found 419430400 bytes",
        ),
    ];
    for (name, bytes, expected) in bombs {
        let file = format!("{name}.zarr.zip");
        folder.write(&file, &bytes);
        refused(&folder, &format!("encode {file} -o runs.csv -f table"), bytes.len() as u64, &[&file, expected]);
        let (ended, peak) = peak(&folder, &format!("info {file}"));
        assert!(peak < 200 * MIB, "info {file}: {} MiB, {}", peak / MIB, ended.stderr);
    }
    // What is sound is read where there is memory for it.
    let large = entry(&array([12_000, 12_000], [12_000, 12_000], json!(["bytes"])));
    folder.write("large.zip", zip(&[("zarr.json", &large), ("c/0/0", &entry(&vec![0; 144_000_000]))]));
    let (ended, peak) = peak(&folder, "info large.zip");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    assert!(peak < 230 * MIB, "{} MiB", peak / MIB);
    folder.fails_with("info large.zip --memory 64M", &["large.zip: ", "bytes of memory are needed", "--memory"]);
}

/// A chunk that is decoded some rows at a time, whose pixels are right but not what the zip file has a checksum of.
#[test]
fn the_checksum_of_a_large_chunk_is_compared() {
    let folder = Folder::new();
    let metadata = entry(&array([12_000, 12_000], [12_000, 12_000], json!(["bytes", "gzip"])));
    let mut chunk = GzEncoder::new(Vec::new(), Compression::fast());
    chunk.write_all(&vec![0; 144_000_000]).unwrap();
    let (data, length, checksum) = entry(&chunk.finish().unwrap());
    for (name, checksum) in [("sound.zip", checksum), ("damaged.zip", checksum ^ 1)] {
        folder.write(name, zip(&[("zarr.json", &metadata), ("c/0/0", &(data.clone(), length, checksum))]));
    }
    let (ended, peak) = peak(&folder, "info sound.zip --memory 64M");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    assert!(peak < 64 * MIB, "{} MiB", peak / MIB);
    for memory in ["64M", "1G"] {
        let expected = "damaged.zip: chunk c/0/0: expected bytes with the checksum ";
        folder.fails_with(&format!("info damaged.zip --memory {memory}"), &[expected]);
    }
}

/// A store in a folder.
fn store(folder: &Folder, name: &str, entries: &[(&str, Vec<u8>)]) -> u64 {
    for (key, bytes) in entries {
        let path = folder.file(name).join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    entries.iter().map(|(_, bytes)| bytes.len() as u64).sum()
}

#[test]
fn chunks_that_are_not_what_they_claim() {
    let folder = Folder::new();
    let blosc = |length: u32, block: u32, rest: usize| {
        let numbers = [length, block, 16 + rest as u32].map(u32::to_le_bytes).concat();
        [&[2, 1, 1 << 5, 1][..], &numbers, &vec![20; rest]].concat()
    };
    // A frame of Zstandard that claims a content of 2^62 bytes, and one that claims a window of 2^41.
    let content = [&b"\x28\xb5\x2f\xfd\xe0"[..], &(1_u64 << 62).to_le_bytes(), &[1, 0, 0]].concat();
    let window = b"\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00".to_vec();
    let wide = ([40_000, 50_000], [40_000, 50_000]);
    let small = ([4, 4], [4, 4]);
    let cases = [
        ("gzip", small, json!(["bytes", "gzip"]), gzip(600), "found "),
        ("two", small, json!(["bytes", "zstd", "gzip"]), gzip(600), "found "),
        ("content", small, json!(["bytes", "zstd"]), content.clone(), "found "),
        ("window", small, json!(["bytes", "zstd"]), window, "found "),
        ("content-wide", wide, json!(["bytes", "zstd"]), [content, vec![0; 1 << 20]].concat(), "found "),
        ("blosc", wide, json!(["bytes", "blosc"]), blosc(2_000_000_000, 2_000_000_000, 3 << 20), "found "),
        ("blosc-small", wide, json!(["bytes", "blosc"]), blosc(2_000_000_000, 1 << 16, 3 << 20), "found "),
        ("cut", wide, json!(["bytes"]), vec![1; 3 << 20], "found 3145728 bytes"),
        ("cut-gzip", wide, json!(["bytes", "gzip"]), gzip(2000)[..2_000_000].to_vec(), "found "),
    ];
    for (name, (shape, chunk), codecs, bytes, found) in cases {
        let name = format!("{name}.zarr");
        let bytes = store(&folder, &name, &[("zarr.json", array(shape, chunk, codecs)), ("c/0/0", bytes)]);
        let words = format!("encode {name} -o runs.csv -f table -j 2");
        refused(&folder, &words, bytes, &[&format!("{name}: chunk c/0/0: expected "), "bytes of pixels", found]);
    }
    // Much memory is asked for where there is no other way, and not taken.
    let two = json!(["bytes", "zstd", "crc32c"]);
    let bytes =
        store(&folder, "two-wide.zarr", &[("zarr.json", array(wide.0, wide.1, two)), ("c/0/0", vec![7; 2 << 20])]);
    refused(
        &folder,
        "encode two-wide.zarr -o runs.csv -f table",
        bytes,
        &["two-wide.zarr: ", "bytes of memory are needed", "--memory"],
    );
}

#[test]
fn metadata_that_is_not_what_it_claims() {
    let folder = Folder::new();
    let group = |ome: &str| {
        format!(r#"{{"zarr_format": 3, "node_type": "group", "attributes": {{"ome": {ome}}}}}"#).into_bytes()
    };
    let many = |item: &str, count: usize| vec![item; count].join(",");
    let cases = [
        ("huge", array([1_000_000_000_000, 1_000_000_000_000], [1024, 1024], json!(["bytes"])), "at most 4294967295"),
        (
            "names",
            group(&format!(r#"{{"labels": [{}]}}"#, many(r#""""#, 20_000_000))),
            "60000001 bytes, and at most 1048576",
        ),
        (
            "axes",
            group(&format!(r#"{{"multiscales": [{{"axes": [{}], "datasets": []}}]}}"#, many("[]", 20_000_000))),
            "bytes, and at most 1048576",
        ),
        ("codecs", array([4, 4], [4, 4], Value::Array(vec![json!([]); 5_000_000])), "bytes, and at most 1048576"),
        ("shape", format!(r#"{{"shape": [{}]}}"#, many("1", 20_000_000)).into_bytes(), "at line 1"),
        ("deep", [&b"{\"attributes\":"[..], &vec![b'['; 1 << 20]].concat(), "recursion limit"),
    ];
    for (name, text, expected) in cases {
        let name = format!("{name}.zarr");
        let bytes = store(&folder, &name, &[("zarr.json", text)]);
        for command in ["encode", "info", "measure"] {
            let output = if command == "encode" { "-o runs.csv -f table" } else { "" };
            refused(&folder, &format!("{command} {name} {output}"), bytes / 2, &[&name, expected]);
        }
    }
    // What is passed over may be as long as it likes.
    let colors = many(r#"{"label-value":1,"rgba":[1,2,3,4]}"#, 1_000_000);
    let label =
        format!(r#"{{"image-label": {{"colors": [{colors}]}}, "multiscales": [{{"datasets": [{{"path": "0"}}]}}]}}"#);
    store(
        &folder,
        "colors.zarr",
        &[("zarr.json", group(&label)), ("0/zarr.json", array([4, 4], [4, 4], json!(["bytes"])))],
    );
    let (ended, peak) = peak(&folder, "info colors.zarr");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    assert!(peak < 120 * MIB, "{} MiB", peak / MIB);
}

#[test]
fn names_and_links_lead_nowhere_else() {
    let folder = Folder::new();
    store(&folder, "secret", &[("zarr.json", array([4, 4], [4, 4], json!(["bytes"])))]);
    let group = |attributes: Value| {
        json!({"zarr_format": 3, "node_type": "group", "attributes": attributes}).to_string().into_bytes()
    };
    let level = |path: &str| group(json!({"ome": {"multiscales": [{"datasets": [{"path": path}]}]}}));
    for (name, text) in [
        ("level", level("../secret")),
        ("absolute", level("/etc")),
        ("label", group(json!({"ome": {"labels": ["../secret"]}}))),
    ] {
        let name = format!("{name}.zarr");
        store(&folder, &name, &[("zarr.json", text)]);
        folder.fails_with(&format!("encode {name} -o runs.csv"), &[&name, "something inside the store"]);
    }
    store(&folder, "plain.zarr", &[("zarr.json", group(json!({"ome": {"labels": ["a"]}})))]);
    folder.fails_with("encode plain.zarr --label ../../secret -o runs.csv", &["no label \"../../secret\""]);
    folder.fails_with("encode label.zarr --label ../secret -o runs.csv", &["something inside the store"]);
    // A name of a label that is written is a part of a path, which the user chose.
    std::os::unix::fs::symlink("loop.zarr", folder.file("loop.zarr")).unwrap();
    folder.fails_with("encode loop.zarr -o runs.csv", &["loop.zarr", "symbolic links"]);
    store(&folder, "series.zarr", &[("zarr.json", group(json!({"ome": {"bioformats2raw.layout": 3}})))]);
    std::os::unix::fs::symlink(".", folder.file("series.zarr/0")).unwrap();
    folder.fails_with("encode series.zarr -o runs.csv", &["series.zarr: 0/0/0", "groups in groups"]);
}
