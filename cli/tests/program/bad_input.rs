//! Files that are not what they should be: one clear line, exit status 2, no output, no large allocation.

use std::process::Command;

use crate::{Ended, Folder, npy, small_mask};

/// A PNG of these rows.
fn png(width: u32, height: u32, color: png::ColorType, bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.write_header().unwrap().write_image_data(bytes).unwrap();
    file
}

#[test]
fn files_that_are_not_there_or_no_files() {
    let folder = Folder::new();
    std::fs::create_dir(folder.file("folder")).unwrap();
    folder.write("empty", "");
    for command in ["encode", "info", "verify empty", "preview -o out.png"] {
        folder.fails_with(&format!("{command} missing.tif"), &["missing.tif", "No such file"]);
        folder.fails_with(&format!("{command} folder"), &["folder", "is a directory"]);
    }
    for command in ["decode -o out.npy -f hubmap", "convert -o out.json --from hubmap", "doctor"] {
        folder.fails_with(&format!("{command} missing.csv"), &["missing.csv", "No such file"]);
        folder.fails_with(&format!("{command} folder"), &["folder", "is a directory"]);
    }
    folder.fails_with("encode empty", &["empty", "TIFF, PNG, NPY or zipped Zarr"]);
    folder.fails_with("decode empty -o out.npy -f hubmap", &["empty", "glom,pixels"]);
    folder.fails_with("pixels encode empty -o out", &["empty"]);
    folder.fails_with("decode runs.csv -o out.npy --like missing.tif", &["missing.tif"]);
}

#[test]
fn files_that_were_cut_off() {
    let folder = Folder::new();
    folder.ok("synth noise --height 60 --width 70 -o mask.npy");
    folder.ok("encode mask.npy -o runs.csv");
    for name in ["mask.npy", "mask.png", "mask.tif"] {
        if name != "mask.npy" {
            folder.ok(&format!("decode runs.csv -o {name} --like mask.npy"));
        }
        let whole = folder.read(name);
        for length in [1, 7, 20, whole.len() / 2, whole.len() - 1] {
            folder.write("cut", &whole[..length]);
            folder.fails_with("encode cut -o out.csv", &["cut"]);
        }
    }
    let text = folder.text("runs.csv");
    for length in [0, 5, 10] {
        folder.write("cut.csv", &text[..length]);
        folder.fails_with("decode cut.csv -o out.npy --height 60 --width 70", &["cut.csv", "not a run file"]);
        let named = "decode cut.csv -f hubmap -o out.npy --height 60 --width 70";
        folder.fails_with(named, &["cut.csv", "the header glom,pixels"]);
    }
}

#[test]
fn images_that_are_no_label_masks() {
    let folder = Folder::new();
    folder.write("rgb.png", png(2, 2, png::ColorType::Rgb, &[9; 12]));
    folder.fails_with("encode rgb.png", &["rgb.png", "colour"]);
    folder.write("rgba.png", png(2, 2, png::ColorType::Rgba, &[9; 16]));
    folder.fails_with("encode rgba.png", &["rgba.png", "alpha"]);
    folder.write("float.npy", npy("<f4", 2, 2, &[0; 16]));
    folder.fails_with("encode float.npy", &["float.npy", "<f4"]);
    folder.write("negative.npy", npy("<i4", 1, 3, bytes(&[5, 0, -3])));
    folder.fails_with("encode negative.npy", &["negative.npy", "-3", "column 2"]);
    folder.write("photo.tif", [0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F']);
    folder.fails_with("encode photo.tif", &["photo.tif", "JPEG"]);
    folder.write("text.tif", "label,start,length\n");
    folder.fails_with("encode text.tif", &["text.tif"]);
    folder.write("pages.npy", small_mask());
    folder.fails_with("encode pages.npy --page 1", &["pages.npy", "page"]);
}

fn bytes(labels: &[i32]) -> &[u8] {
    bytemuck::cast_slice(labels)
}

/// A classic TIFF of one strip that says how large it is, and no more.
fn tiff(height: u32, width: u32) -> Vec<u8> {
    let entries: [(u16, u16, u32); 9] = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, 100),
    ];
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

#[cfg(unix)]
#[test]
fn headers_that_claim_a_billion_rows_and_columns() {
    const SIDE: u32 = 1_000_000_000;
    let folder = Folder::new();
    folder.write("mask.npy", npy("|u1", SIDE.into(), SIDE.into(), &[0; 1000]));
    folder.write("mask.tif", tiff(SIDE, SIDE));
    // The size stands at the same place in every PNG, and its chunk's checksum after it.
    let mut image = png(1, 1, png::ColorType::Grayscale, &[1]);
    image[16..20].copy_from_slice(&SIDE.to_be_bytes());
    image[20..24].copy_from_slice(&SIDE.to_be_bytes());
    let sum = crc(&image[12..29]);
    image[29..33].copy_from_slice(&sum.to_be_bytes());
    folder.write("mask.png", image);
    folder.write(
        "mask.json",
        format!("[{{\"image_id\":1,\"category_id\":1,\"segmentation\":{{\"size\":[{SIDE},{SIDE}],\"counts\":[9]}}}}]"),
    );
    for words in [
        "encode mask.npy",
        "encode mask.tif",
        "encode mask.png",
        "info mask.tif",
        "decode mask.json -o mask.raw",
        "pixels encode mask.png -o out",
        "preview mask.npy -o out.png",
    ] {
        let before = folder.names();
        // Address space of 3 GB, of which the program itself needs some hundred MB.
        let limited = format!("ulimit -v 3000000; exec \"$0\" {words} -j 2");
        let mut command = Command::new("sh");
        command.current_dir(folder.path()).args(["-c", &limited, env!("CARGO_BIN_EXE_runmask")]);
        let line = Ended::of(command.output().unwrap()).one_line(words);
        assert!(line.contains(words.split_whitespace().find(|word| word.contains("mask")).unwrap()), "{line}");
        assert_eq!(folder.names(), before, "{words}");
    }
}

/// The checksum of a PNG chunk.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn run_files_of_other_formats_and_with_mistakes() {
    let folder = Folder::new();
    let cases: [(&str, &str, &[&str]); 12] = [
        ("label,start,length\n1,0,3\n", "-f hubmap", &["line 1", "glom,pixels", "label,start,length"]),
        ("a,b\n1,2\n", "", &["not a run file", "a,b", "--format"]),
        ("glom,pixels\n0,4 2 8\n", "", &["line 2, column 7", "a start without a length"]),
        ("glom,pixels\n0,4 2 8 x\n", "", &["line 2, column 9"]),
        ("glom,pixels\n0,4 2\n2,8 1\n", "", &["line 3, column 1", "the id 1"]),
        ("glom,pixels\n0,4 0\n", "", &["line 2"]),
        ("glom,pixels\n0,8 2 4 2\n", "", &["line 2"]),
        ("glom,pixels\n0,-4 2\n", "", &["line 2, column 3"]),
        ("glom,pixels\n0,18446744073709551616 2\n", "", &["line 2, column 3"]),
        ("glom,pixels\n0,18446744073709551615 2\n", "", &["line 2"]),
        ("glom,pixels\n0,19 2\n", "", &["line 2, column 6", "inside the mask"]),
        ("label,start,length\n1,99999999999999999999999,3\n", "-f table", &["line 2, column 3"]),
    ];
    for (text, options, parts) in cases {
        folder.write("runs.csv", text);
        let words = format!("decode runs.csv -o out.npy --height 4 --width 5 {options}");
        folder.fails_with(&words, &[&["runs.csv"], parts].concat());
    }
    folder.write("runs.json", "{\"images\": [");
    folder.fails_with("info runs.json", &["runs.json"]);
    folder.write("runs.xyz", "");
    folder.fails_with("decode runs.xyz -o out.npy --height 4 --width 5", &["runs.xyz", "an empty file"]);
}

#[test]
fn memory_that_is_not_allowed_is_not_taken() {
    let folder = Folder::new();
    folder.ok("synth noise --height 2000 --width 2000 -o mask.npy");
    folder.fails_with("encode mask.npy --memory 28M", &["bytes of memory are needed", "9437184 are allowed"]);
    folder.ok("encode mask.npy --memory 1G -o - -f table");
}
