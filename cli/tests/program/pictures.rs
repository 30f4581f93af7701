//! `preview` and `pixels`.

use std::collections::HashMap;

use crate::{Folder, npy, small_mask};

/// Width, height and R G B (or R G B A) of a PNG.
pub(crate) fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    pixels.truncate(info.buffer_size());
    (info.width, info.height, pixels)
}

/// How many pixels of a picture have which colour.
fn colors(rgb: &[u8]) -> HashMap<[u8; 3], usize> {
    let mut colors = HashMap::new();
    for &color in rgb.as_chunks::<3>().0 {
        *colors.entry(color).or_default() += 1;
    }
    colors
}

#[test]
fn a_small_mask_is_enlarged_and_every_label_has_a_colour() {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    folder.ok("preview mask.npy -o mask.png");
    let (width, height, rgb) = decode(&folder.read("mask.png"));
    assert_eq!((width, height), (800, 640));
    let mut counts: Vec<_> = colors(&rgb).into_values().map(|count| count / (160 * 160)).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 4, 4, 11]);
}

#[test]
fn a_large_mask_is_drawn_small_from_mask_or_runs_alike() {
    let folder = Folder::new();
    folder.ok("synth cells --height 900 --width 1300 -o mask.npy");
    folder.ok("encode mask.npy");
    folder.ok("preview mask.npy -o a.png --max-side 100");
    folder.ok("preview mask.csv -o b.png --max-side 100 --like mask.npy");
    let (width, height, rgb) = decode(&folder.read("a.png"));
    assert_eq!((width, height), (100, 70));
    assert_eq!(decode(&folder.read("b.png")).2, rgb);
    assert!(colors(&rgb).len() > 1000);
    folder.fails_with("preview mask.csv -o c.png", &["mask.csv", "--like"]);
}

#[test]
fn one_pixel_of_millions_is_seen() {
    let folder = Folder::new();
    let mut pixels = vec![0; 2000 * 3000];
    pixels[1_234_567] = 1;
    folder.write("mask.npy", npy("|u1", 2000, 3000, &pixels));
    folder.ok("preview mask.npy -o mask.png --max-side 300");
    let (_, _, rgb) = decode(&folder.read("mask.png"));
    let colors = colors(&rgb);
    assert_eq!(colors.len(), 2);
    let (seen, _) = colors.iter().find(|&(_, &count)| count == 1).unwrap();
    assert!(seen.iter().max() > Some(&100), "{seen:?}");
}

#[test]
fn objects_that_overlap_can_be_drawn() {
    let folder = Folder::new();
    folder.write("runs.csv", "label,start,length\n1,0,6\n2,4,6\n");
    folder.ok("preview runs.csv -f table -o a.png --height 4 --width 4");
    folder.write("none.csv", "label,start,length\n");
    folder.fails_with("preview none.csv -f table -o a2.png --height 0 --width 4", &["empty mask"]);
}

/// Writes a PNG of this colour type.
fn png(color: png::ColorType, depth: png::BitDepth, width: u32, bytes: &[u8]) -> Vec<u8> {
    let bits = color.samples() * usize::from(depth as u8);
    let height = bytes.len() / (bits * width as usize).div_ceil(8);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(bytes).unwrap();
    file
}

#[test]
fn pixel_records_hold_runs_past_row_ends_and_split_long_ones() {
    let folder = Folder::new();
    // 300 red pixels in rows of 100, then one that differs.
    let mut rgba = [255, 0, 0, 255].repeat(399);
    rgba.extend([1, 2, 3, 4]);
    folder.write("a.png", png(png::ColorType::Rgba, png::BitDepth::Eight, 100, &rgba));
    folder.ok("pixels encode a.png -o a.rle");
    #[rustfmt::skip]
    let records = [
        255, 255, 0, 0, 255, 0, 0, 255, 255,
        255, 255, 0, 0, 255, 0, 0, 255, 144,
        255, 255, 0, 0, 1, 2, 3, 4, 1,
    ];
    assert_eq!(folder.read("a.rle"), records);
    folder.ok("pixels encode a.png -o a.bgra --bgra");
    assert_eq!(folder.read("a.bgra")[18..], [255, 255, 0, 0, 3, 2, 1, 4, 1]);
    for (words, name) in [("a.rle", "b.png"), ("a.bgra --bgra", "c.png")] {
        folder.ok(&format!("pixels decode {words} -o {name} --like a.png"));
        assert_eq!(decode(&folder.read(name)), (100, 4, rgba.clone()));
    }
    let ended = folder.run_with("pixels decode - -o - --height 4 --width 100", &records);
    assert_eq!(decode(&ended.stdout), (100, 4, rgba));
}

#[test]
fn every_kind_of_png_comes_back_as_rgba() {
    use png::{BitDepth, ColorType};
    let folder = Folder::new();
    let bytes: Vec<u8> = (0..240_u32).map(|byte| (byte * byte / 3) as u8).collect();
    for (color, depth, width) in [
        (ColorType::Grayscale, BitDepth::Eight, 20),
        (ColorType::Grayscale, BitDepth::One, 160),
        (ColorType::GrayscaleAlpha, BitDepth::Eight, 10),
        (ColorType::Rgb, BitDepth::Eight, 4),
        (ColorType::Rgba, BitDepth::Eight, 6),
    ] {
        folder.write("a.png", png(color, depth, width, &bytes));
        folder.ok("pixels encode a.png -o a.rle");
        folder.ok("pixels decode a.rle -o b.png --like a.png");
        folder.ok("pixels encode b.png -o b.rle");
        assert_eq!(folder.read("a.rle"), folder.read("b.rle"), "{color:?} {depth:?}");
        let (_, _, rgba) = decode(&folder.read("b.png"));
        match color {
            ColorType::Rgba => assert_eq!(rgba, bytes),
            ColorType::Rgb => {
                assert!(rgba.chunks(4).zip(bytes.chunks(3)).all(|(to, from)| to[..3] == *from && to[3] == 255))
            }
            ColorType::GrayscaleAlpha => assert_eq!(rgba[..4], [bytes[0], bytes[0], bytes[0], bytes[1]]),
            _ => assert!(rgba.chunks(4).all(|pixel| pixel[0] == pixel[1] && pixel[3] == 255)),
        }
    }
    folder.write("deep.png", png(ColorType::Grayscale, BitDepth::Sixteen, 10, &bytes));
    folder.fails_with("pixels encode deep.png -o deep.rle", &["deep.png", "16 bits"]);
}

#[test]
fn pictures_of_other_formats_become_records() {
    let folder = Folder::new();
    // Two pixels of 24 bits and a row of padding to 4 bytes, blue first.
    let mut bmp = b"BM".to_vec();
    bmp.extend_from_slice(&[62, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0]);
    bmp.extend_from_slice(&[0; 24]);
    bmp.extend_from_slice(&[30, 20, 10, 30, 20, 10, 0, 0]);
    folder.write("a.bmp", bmp.clone());
    folder.ok("pixels encode a.bmp -o a.rle");
    assert_eq!(folder.read("a.rle"), [255, 255, 0, 0, 10, 20, 30, 255, 2]);
    folder.write("grey.pgm", b"P5 3 1 255 \x07\x07\x08");
    folder.ok("pixels encode grey.pgm -o grey.rle");
    assert_eq!(
        folder.read("grey.rle"),
        [[255, 255, 0, 0, 7, 7, 7, 255, 2], [255, 255, 0, 0, 8, 8, 8, 255, 1]].concat()
    );
    folder.write("short.bmp", &bmp[..40]);
    folder.fails_with("pixels encode short.bmp -o short.rle", &["short.bmp"]);
    // 60,000 x 60,000 pixels in a file of a few bytes: nothing is allocated on that word.
    let mut huge = bmp.clone();
    huge[18..26].copy_from_slice(&[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0]);
    folder.write("huge.bmp", &huge);
    folder.fails_with("pixels encode huge.bmp -o huge.rle", &["huge.bmp", "a file of 62"]);
    folder.write("text.png", b"no picture at all");
    folder.fails_with("pixels encode text.png -o text.rle", &["text.png"]);
    folder.fails_with("pixels encode missing.png -o missing.rle", &["missing.png"]);
}

#[test]
fn records_that_are_wrong_name_the_byte() {
    let folder = Folder::new();
    let good = [255, 255, 0, 0, 1, 2, 3, 4, 2];
    let cases: [(Vec<u8>, &str); 5] = [
        (good[..8].to_vec(), "byte 0"),
        ([good, [255, 255, 0, 1, 1, 2, 3, 4, 2]].concat(), "byte 9"),
        ([good, [255, 255, 0, 0, 1, 2, 3, 4, 0]].concat(), "byte 17"),
        (good.repeat(3), "byte 18"),
        (good.to_vec(), "4 pixels"),
    ];
    for (bytes, part) in cases {
        folder.write("a.rle", bytes);
        folder.fails_with("pixels decode a.rle -o a.png --height 2 --width 2", &["a.rle", part]);
    }
    folder.fails_with("pixels decode a.rle -o a.png", &["--height"]);
}
