//! Outlines of objects, over a picture of the slide or over nothing.
//!
//! Gets runs and the frame of the picture; gives its pixels. Outlines go through the corners of pixels of the mask, so in
//! a picture that is larger than the mask they lie between its pixels.

use std::path::Path;

use image::imageops::FilterType;
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
    Ok(picture.resize_exact(frame.width(), frame.height(), FilterType::Triangle).into_rgb8().into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

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
