//! Memory: in proportion to what a mask's bytes justify, and never more than `--memory` allows.
//!
//! Measured where Linux tells how much a process took.

#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::time::Duration;

use crate::{Ended, Folder, npy};

const MIB: u64 = 1 << 20;

/// Runs the program; how it ended, and the most bytes that it took.
pub(crate) fn peak(folder: &Folder, words: &str) -> (Ended, u64) {
    use std::process::Stdio;
    let mut child =
        folder.command(words.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(2));
    }
    (Ended::of(child.wait_with_output().unwrap()), peak)
}

/// A TIFF of 8-bit labels of which every tile is left out.
fn absent_tiles(height: u32, width: u32, tile: (u32, u32)) -> Vec<u8> {
    let tiles = height.div_ceil(tile.0) * width.div_ceil(tile.1);
    let offsets = if tiles == 1 { 0 } else { 1000 };
    let tags = [
        (256, 1, width),
        (257, 1, height),
        (258, 1, 8),
        (259, 1, 8),
        (322, 1, tile.1),
        (323, 1, tile.0),
        (324, tiles, offsets),
        (325, tiles, offsets),
    ];
    let mut file = [&b"II*\0"[..], &8_u32.to_le_bytes(), &(tags.len() as u16).to_le_bytes()].concat();
    for (tag, count, value) in tags {
        file.extend([&(tag as u16).to_le_bytes()[..], &4_u16.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.resize(1000 + 4 * tiles as usize, 0);
    file
}

/// Zeros, deflated.
fn deflated(pieces: u32, bytes: usize) -> Vec<u8> {
    let mut data = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let piece = vec![0; bytes];
    (0..pieces).for_each(|_| data.write_all(&piece).unwrap());
    data.finish().unwrap()
}

/// A grey PNG of one label, with the profile of colours that these bytes are.
fn png(height: u32, width: u32, profile: &[u8]) -> Vec<u8> {
    let data = deflated(height, width as usize + 1);
    let header = [&height.to_be_bytes()[..], &[8, 0, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunks = vec![(b"IHDR", [&width.to_be_bytes()[..], &header].concat()), (b"IDAT", data), (b"IEND", vec![])];
    if !profile.is_empty() {
        chunks.insert(1, (b"iCCP", [b"name\0\0", profile].concat()));
    }
    for (kind, body) in chunks {
        file.extend((body.len() as u32).to_be_bytes());
        let chunk = [&kind[..], &body].concat();
        let mut checksum = flate2::Crc::new();
        checksum.update(&chunk);
        file.extend(chunk);
        file.extend(checksum.sum().to_be_bytes());
    }
    file
}

#[test]
fn a_shape_alone_takes_no_memory() {
    let folder = Folder::new();
    folder.write("wide.tif", absent_tiles(128, 1 << 28, (16, 1 << 28)));
    folder.write("one.tif", absent_tiles(100_000, 100_000, (100_000, 100_000)));
    folder.write("tall.tif", absent_tiles(u32::MAX, 3, (u32::MAX, 3)));
    folder.write("wide.png", png(4, 1 << 28, b""));
    let labels: Vec<u8> = (0..20_000_000_u32).flat_map(|pixel| (pixel / 1000 % 7).to_le_bytes()).collect();
    folder.write("row.npy", npy("<u4", 1, 20_000_000, &labels));
    for (file, sound) in
        [("wide.tif", false), ("one.tif", true), ("tall.tif", true), ("wide.png", false), ("row.npy", true)]
    {
        let stored = folder.read(file).len() as u64;
        for words in [format!("encode {file} -o runs.csv -f table"), format!("info {file}")] {
            let (ended, peak) = peak(&folder, &words);
            assert!(peak < 200 * MIB + 4 * stored, "{words}: {} MiB", peak / MIB);
            match sound {
                true => assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{words}"),
                false => {
                    let line = ended.one_line(&words);
                    assert!(line.contains("bytes of memory are needed") && line.contains("--memory"), "{line}");
                    assert!(line.contains(&format!("runmask: {file}: ")), "{line}");
                }
            }
        }
    }
}

/// A few bytes that ask for a mask of long rows: it is written where `--memory` allows them.
#[test]
fn rows_take_no_more_memory_than_allowed_to_be_written() {
    let folder = Folder::new();
    let width = 60_000_000;
    folder.write("runs.csv", "label,start,length\n1,5,7\n");
    for (output, fits) in [("a.npy", true), ("a.raw", true), ("a.png", false), ("a.tif", false)] {
        for words in [
            format!("decode runs.csv -f table -o {output} --height 2 --width {width}"),
            format!("synth glomeruli --height 2 --width {width} --dtype u8 -o {output}"),
        ] {
            let (ended, bytes) = peak(&folder, &words);
            assert!(bytes < 200 * MIB, "{words}: {} MiB", bytes / MIB);
            if fits {
                assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{words}");
                continue;
            }
            let line = ended.one_line(&words);
            assert!(line.contains("bytes of memory are needed") && line.contains("--memory"), "{line}");
            assert!(!folder.names().iter().any(|name| name == output), "{words}");
        }
    }
    folder.ok(&format!("decode runs.csv -f table -o a.png --height 2 --width {width} --memory 400M"));
}

/// Files of many small images and objects: each costs some hundred bytes, however short its row.
#[test]
fn many_images_take_memory_in_proportion_to_their_rows() {
    let folder = Folder::new();
    let rows: String = (0..600_000).map(|image| format!("{image:x},1 1\n")).collect();
    folder.write("rows.csv", format!("id,rle\n{rows}"));
    for (words, status) in [("decode rows.csv -o mask.npy --height 5 --width 5", 2), ("doctor rows.csv", 0)] {
        let (ended, bytes) = peak(&folder, words);
        assert_eq!(ended.status, Some(status), "{words}: {}", ended.stderr);
        assert!(bytes < 600_000 * 650, "{words}: {} bytes each", bytes / 600_000);
    }
}

/// Boxes of one column, of which every row is a run that a few bytes stand for, turned to the other order.
#[test]
fn a_few_bytes_become_no_more_runs_than_allowed() {
    let folder = Folder::new();
    let mask = r#"<mask label="a" rle="0, 4194304" left="0" top="0" width="1" height="4194304"/>"#;
    let image = format!(r#"<image id="1" name="x" width="2" height="4194304">{}</image>"#, mask.repeat(40));
    folder.write("boxes.xml", format!("<annotations>{image}</annotations>"));
    let (ended, bytes) = peak(&folder, "convert boxes.xml -o runs.json -f coco");
    assert!(ended.one_line("convert").contains("runs of a file, of which"));
    assert!(bytes < 300 * MIB, "{} MiB", bytes / MIB);
}

#[test]
fn what_a_picture_holds_beside_its_pixels_takes_little() {
    let folder = Folder::new();
    folder.write("profile.png", png(2, 3, &deflated(400, 1 << 20)));
    for words in ["pixels encode profile.png -o records", "info profile.png", "preview profile.png -o drawn.png"] {
        let (ended, bytes) = peak(&folder, words);
        assert!(bytes < 200 * MIB, "{words}: {} MiB, {}", bytes / MIB, ended.stderr);
        assert!(matches!(ended.status, Some(0 | 2)), "{words}: {}", ended.stderr);
    }
}

/// A megabyte of a PNG holds a thousand million pixels of one grey.
#[test]
fn a_png_becomes_records_row_by_row() {
    let folder = Folder::new();
    folder.write("grey.png", png(31_000, 31_000, &[]));
    let (ended, bytes) = peak(&folder, "pixels encode grey.png -o records");
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(bytes < 64 * MIB, "{} MiB", bytes / MIB);
    assert_eq!(folder.read("records").len() as u64, (31_000_u64 * 31_000).div_ceil(255) * 9);
    let (ended, bytes) = peak(&folder, "preview grey.png -o over.png --outlines --over grey.png");
    assert!(ended.one_line("preview").contains("grey.png"), "{}", ended.stderr);
    assert!(bytes < 200 * MIB, "{} MiB", bytes / MIB);
}

#[test]
fn memory_holds() {
    let folder = Folder::new();
    folder.ok("synth noise --height 1500 --width 2000 --labels 60000 --dtype u16 -o noise.npy");
    folder.ok("synth cells --height 4000 --width 6000 -o cells.tif");
    folder.ok("synth glomeruli --height 9000 --width 9000 -o glomeruli.png");
    for (mask, enough, little) in [("noise.npy", 160, 40), ("cells.tif", 90, 24), ("glomeruli.png", 56, 20)] {
        folder.ok(&format!("encode {mask} -o free.csv -f table"));
        for memory in [2 * enough, enough, enough / 2, little] {
            for order in ["column", "row"] {
                let words = format!("encode {mask} -o runs.csv -f table --order {order} --memory {memory}M");
                let (ended, peak) = peak(&folder, &words);
                assert!(peak <= memory * MIB, "{words}: {} KiB, {}", peak / 1024, ended.stderr);
                let line = &ended.stderr;
                match ended.status {
                    Some(0) if order == "column" => assert!(folder.read("runs.csv") == folder.read("free.csv")),
                    Some(0) => {}
                    _ => assert!(line.contains("bytes of memory are needed") && memory < enough, "{words}: {line}"),
                }
            }
        }
    }
}

/// Where the pixels of mask files are all that is asked about, their runs are never grouped by label: 16 bytes for each of 9
/// million pixels, where a boundary takes 5.
#[test]
fn mask_files_are_measured_and_compared_without_their_runs() {
    let folder = Folder::new();
    folder.ok("synth noise --height 3000 --width 3000 --labels 200 --dtype u8 -o noise.npy");
    folder.ok("encode noise.npy -o noise.json -f coco");
    for (words, most) in [
        ("measure noise.npy -o measures.csv", 140),
        ("compare noise.npy noise.npy", 240),
        ("components noise.npy -o pieces.json --to coco --binary", 140),
    ] {
        let (ended, peak) = peak(&folder, words);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{words}");
        assert!(peak < most * MIB, "{words}: {} MiB", peak / MIB);
    }
    let measures = folder.read("measures.csv");
    folder.ok("measure noise.json -o of-runs.csv");
    assert!(measures == folder.read("of-runs.csv"));
}

/// Where the system refuses memory, as the limits of a batch system do: one line, and no file.
#[test]
fn memory_that_the_system_refuses_is_one_line() {
    let folder = Folder::new();
    let limited = |words: &str, kibibytes: u64| {
        let line = format!("ulimit -c 0; ulimit -v {kibibytes}; exec {} {words} -j 1", env!("CARGO_BIN_EXE_runmask"));
        let ended = std::process::Command::new("sh").arg("-c").arg(line).current_dir(folder.path()).output().unwrap();
        Ended::of(ended)
    };
    folder.ok("synth noise --height 1500 --width 2000 --labels 3000 --dtype u16 -o noise.npy");
    folder.ok("synth cells --height 4000 --width 5000 -o cells.npy");
    folder.ok("encode noise.npy -o noise.csv");
    folder.ok("encode noise.npy -o noise.json");
    folder.ok("encode cells.npy -o cells.geojson");
    // The program itself and its stacks take a part of the address space, and what glibc sets aside for the lists of a thread
    // another one. Without the latter every word takes a page, and anything may be the last.
    let least =
        (10..1000).map(|mebibytes| mebibytes << 10).find(|&limit| limited("--version", limit).status == Some(0));
    let least = least.expect("the program runs within 1 GB") + (136 << 10);
    let mut refused = 0;
    for words in [
        "encode noise.npy -o out",
        "encode noise.npy -o out --engine scalar",
        "encode noise.npy -o out -f kaggle --order row",
        "encode noise.npy -o out -f coco",
        "encode cells.npy -o out -f geojson",
        "decode noise.csv -o out.npy --like noise.npy",
        "decode noise.csv -o out.tif --like noise.npy",
        "decode noise.csv -o out.zarr --like noise.npy",
        "convert noise.json -o out -f table",
        "convert cells.geojson -o out -f coco --like cells.npy",
        "measure noise.npy -o out.csv",
        "measure noise.csv -o out.csv --like noise.npy --properties all",
        "components noise.npy -o out.csv",
        "components noise.npy -o out.npy --binary --fill-holes 9 --min-area 2",
        "compare noise.npy noise.csv",
        "verify noise.npy noise.csv",
        "preview noise.csv -o out.png --like noise.npy --outlines",
        "doctor noise.csv",
    ] {
        let before = folder.names();
        let mut limit = least;
        loop {
            let ended = limited(words, limit);
            if ended.status == Some(0) {
                break;
            }
            let line = ended.one_line(&format!("{words} within {limit} KiB"));
            assert!(line.contains("memory"), "{words} within {limit} KiB: {line}");
            assert_eq!(folder.names(), before, "{words} within {limit} KiB");
            refused += 1;
            limit += 30 << 10;
        }
        for name in folder.names().into_iter().filter(|name| !before.contains(name)) {
            let path = folder.file(&name);
            if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
        }
    }
    // Which command takes how much is of no matter here; most are refused at first.
    assert!(refused >= 10, "{refused}");
}
