//! Outlines of objects, over a picture of the slide or over nothing.
//!
//! Gets runs and the frame of the picture; gives its pixels. Outlines go through the corners of pixels of the mask, so in
//! a picture that is larger than the mask they lie between its pixels.

use std::path::Path;

use image::RgbImage;
use runmask::{LabelRuns, Result};

use super::{BACKGROUND, Frame, color, filled};
use crate::console::{Console, shown};
use crate::picture;

/// Objects up to which outlines are two pixels wide: more of them would hide what they go around.
const FEW: usize = 2000;

/// Sides of a picture below the outlines may differ from those of the mask by this share, which is due to rounding.
const SAME: f64 = 0.02;

/// Bytes that the picture below the outlines may take: 64 million pixels of colour and alpha.
const MAX_HELD: u64 = 256 << 20;

/// The pixels of the picture, row after row: red, green and blue.
pub(super) fn draw(runs: &LabelRuns, frame: Frame, over: Option<&Path>, console: &Console) -> Result<Vec<u8>> {
    let (width, height) = (frame.width(), frame.height());
    let (mut pixels, shade) = match over {
        Some(path) => (scaled(path, frame, console)?, 0.62),
        None => {
            let mut pixels = filled(0, u64::from(width) * u64::from(height) * 3)?;
            pixels.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&BACKGROUND));
            (pixels, 1.0)
        }
    };
    let polygons = runs.polygons()?;
    let wide = if polygons.labels().len() <= FEW { 2 } else { 1 };
    let factor = f64::from(frame.enlarged) / f64::from(frame.scale);
    for (place, features) in polygons.feature_offsets().windows(2).enumerate() {
        let [_, color @ ..] = color(place as u64).to_be_bytes();
        // Bright colours would not be seen on the white of a slide.
        let color = color.map(|channel| (f64::from(channel) * shade) as u8);
        for polygon in features[0]..features[1] {
            for ring in polygons.rings(polygon) {
                for edge in ring.windows(2) {
                    let ends = [edge[0], edge[1]].map(|point| point.map(|value| (value * factor) as u32));
                    line(&mut pixels, [width, height], ends, wide, color);
                }
            }
        }
    }
    Ok(pixels)
}

/// Draws an edge along a row or a column, so wide that half of it is on either side.
fn line(pixels: &mut [u8], [width, height]: [u32; 2], [a, b]: [[u32; 2]; 2], wide: u32, color: [u8; 3]) {
    let around = |one: u32, other: u32, side: u32| {
        let first = one.min(other).min(side - 1).saturating_sub(wide / 2);
        first..(one.max(other) + wide.div_ceil(2)).min(side)
    };
    for y in around(a[1], b[1], height) {
        let row = &mut pixels[y as usize * width as usize * 3..][..width as usize * 3];
        for x in around(a[0], b[0], width) {
            row[x as usize * 3..][..3].copy_from_slice(&color);
        }
    }
}

/// A picture in the size of the frame.
fn scaled(path: &Path, frame: Frame, console: &Console) -> Result<Vec<u8>> {
    let picture = picture::whole(path, MAX_HELD)?;
    let sides = |width: u32, height: u32| f64::from(width) / f64::from(height);
    let (mask, found) = (sides(frame.mask.width, frame.mask.height), sides(picture.width(), picture.height()));
    if (mask / found - 1.0).abs() > SAME {
        console.warn(&format!(
            "{}: {} x {} pixels have not the proportions of the mask ({} x {}): the picture is stretched",
            shown(path),
            picture.width(),
            picture.height(),
            frame.mask.width,
            frame.mask.height
        ));
    }
    in_size(&picture.into_rgb8(), [frame.width(), frame.height()])
}

/// A picture in another size: each pixel is the mean of the pixels that it stands for, and the nearest one where it is
/// smaller than those.
fn in_size(picture: &RgbImage, [width, height]: [u32; 2]) -> Result<Vec<u8>> {
    let stands_for = |place: u32, side: u32, of: u32| {
        let first = |place: u32| (u64::from(place) * u64::from(of) / u64::from(side)) as usize;
        first(place)..first(place + 1).max(first(place) + 1)
    };
    let row_bytes = picture.width() as usize * 3;
    let columns: Vec<_> = (0..width).map(|x| stands_for(x, width, picture.width())).collect();
    let mut pixels = filled(0, u64::from(width) * u64::from(height) * 3)?;
    let mut sums = vec![[0_u64; 3]; columns.len()];
    for (y, to) in (0..height).zip(pixels.chunks_exact_mut(width as usize * 3)) {
        let rows = stands_for(y, height, picture.height());
        sums.fill([0; 3]);
        for row in picture.as_raw()[rows.start * row_bytes..rows.end * row_bytes].chunks_exact(row_bytes) {
            let row = row.as_chunks::<3>().0;
            for (sums, columns) in sums.iter_mut().zip(&columns) {
                for pixel in &row[columns.clone()] {
                    sums.iter_mut().zip(pixel).for_each(|(sum, &channel)| *sum += u64::from(channel));
                }
            }
        }
        for ((to, sums), columns) in to.as_chunks_mut::<3>().0.iter_mut().zip(&sums).zip(&columns) {
            let count = (rows.len() * columns.len()) as u64;
            *to = sums.map(|sum| ((sum + count / 2) / count) as u8);
        }
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_takes_another_size() {
        let value = |x: u32, y: u32, channel: u32| ((x * 7 + y * 31) * (channel + 1) % 256) as u8;
        for [from_width, from_height] in [[1, 1], [6, 4], [5, 7]] {
            let picture = RgbImage::from_fn(from_width, from_height, |x, y| {
                image::Rgb([0, 1, 2].map(|channel| value(x, y, channel)))
            });
            for [width, height] in [[1, 1], [3, 2], [6, 4], [4, 5], [12, 20]] {
                let found = in_size(&picture, [width, height]).unwrap();
                assert_eq!(found.len() as u32, width * height * 3);
                for (at, &found) in (0..).zip(&found) {
                    let (x, y, channel) = (at / 3 % width, at / 3 / width, at % 3);
                    let mut below = Vec::new();
                    for row in 0..from_height {
                        for column in 0..from_width {
                            let inside = |place: u32, side: u32, of: u32, at: u32| {
                                let (first, end) = (place * of / side, (place + 1) * of / side);
                                (first..end.max(first + 1)).contains(&at)
                            };
                            if inside(x, width, from_width, column) && inside(y, height, from_height, row) {
                                below.push(f64::from(value(column, row, channel)));
                            }
                        }
                    }
                    let mean = below.iter().sum::<f64>() / below.len() as f64;
                    assert_eq!(found, (mean + 0.5).floor() as u8, "{from_width} x {from_height}, {x} {y} {channel}");
                }
            }
        }
    }

    #[test]
    fn lines_stay_in_the_picture() {
        for wide in [1, 2] {
            for ends in [[[0, 0], [4, 0]], [[4, 0], [4, 3]], [[4, 3], [0, 3]], [[0, 3], [0, 0]]] {
                let mut pixels = vec![0; 4 * 3 * 3];
                line(&mut pixels, [4, 3], ends, wide, [9, 9, 9]);
                assert!(pixels.iter().filter(|&&value| value == 9).count() >= 9);
            }
        }
    }
}
