//! Tiles of one label are neither filled nor read: masks that no dense read could go through in time.

use std::io::Write as _;
use std::time::Duration;

use crate::{Ended, Folder};

/// Seconds of processor time: more than reading takes without the pixels of constant tiles; fewer than it takes to fill
/// and read them all.
const PATIENCE: u64 = 60;

/// Seconds that a process has worked, however busy the machine is with others.
fn worked(process: u32) -> u64 {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name: the state and ten other fields, then user and system time in hundredths.
    let fields = line.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>() / 100
}

/// A TIFF of 8-bit labels in tiles of 4096 x 512 pixels, all with the same compressed bytes.
fn constant_tiles(height: u32, width: u32, label: u8) -> Vec<u8> {
    const TILE: (u32, u32) = (512, 4096);
    let mut tile = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    tile.write_all(&vec![label; (TILE.0 * TILE.1) as usize]).unwrap();
    let tile = tile.finish().unwrap();
    let tiles = height.div_ceil(TILE.0) * width.div_ceil(TILE.1);
    let tables = 1000 + tile.len() as u32;
    let tags = [
        (256, 1, width),
        (257, 1, height),
        (258, 1, 8),
        (259, 1, 8),
        (322, 1, TILE.1),
        (323, 1, TILE.0),
        (324, tiles, tables),
        (325, tiles, tables + 4 * tiles),
    ];
    let mut file = [&b"II*\0"[..], &8_u32.to_le_bytes(), &(tags.len() as u16).to_le_bytes()].concat();
    for (tag, count, value) in tags {
        file.extend([&(tag as u16).to_le_bytes()[..], &4_u16.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.resize(1000, 0);
    file.extend(&tile);
    file.extend(1000_u32.to_le_bytes().repeat(tiles as usize));
    file.extend((tile.len() as u32).to_le_bytes().repeat(tiles as usize));
    file
}

#[test]
fn tiles_of_one_label_are_not_read_densely() {
    let folder = Folder::new();
    // A terapixel: a minute or more for every pass over its pixels.
    let (height, width) = (1 << 23, 1 << 17);
    folder.write("slide.tif", constant_tiles(height, width, 7));
    let mut child = folder.command(["encode", "slide.tif", "-o", "slide.csv", "-f", "table"]).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        if worked(child.id()) > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("a mask of constant tiles takes more than {PATIENCE} seconds of work");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!(ended.status, Some(0));
    assert_eq!(folder.text("slide.csv").lines().nth(1), Some("7,0,1099511627776"));
}
