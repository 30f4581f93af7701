//! Masks made up row by row: for benchmarks, and for sizes that no test machine has a file of.
//!
//! Gets a kind, a shape, a label type, a number of labels and a seed; gives the rows of a mask; guarantees the same pixels
//! for the same arguments on every machine, in memory for one row whatever the shape.
//!
//! Glomeruli and cells are blobs on a grid of boxes, one to a box at most, jittered, clipped by their box so that
//! neighbours touch but do not overlap. Labels ascend from 1, row of boxes after row of boxes.

use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::memory::check_row;
use crate::names::names;
use crate::shape::Shape;
use crate::source::{Repeat, Source, TakeBlock, check_left};

/// What a synthetic mask looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Few, large, far apart: round bodies about 240 pixels across.
    Glomeruli,
    /// Many, small, close together: about 40 % of the pixels, some touching.
    Cells,
    /// A label at random in every pixel, background included.
    Noise,
}

names! { "a kind of made-up mask", Kind { Glomeruli => "glomeruli", Cells => "cells", Noise => "noise" } }

impl Kind {
    /// Labels when nothing else is asked for: as dense as in real slides.
    fn default_labels(self, shape: Shape) -> u64 {
        match self {
            Self::Glomeruli => (shape.pixels() / 1_500_000).max(1),
            Self::Cells => (shape.pixels() / 500).max(1),
            Self::Noise => 255,
        }
    }

    /// Widest radius of a blob, in pixels.
    fn radius(self) -> f64 {
        match self {
            Self::Glomeruli => 160.0,
            _ => 10.0,
        }
    }
}

/// A source of made-up rows.
///
/// ```
/// use runmask::source::synth::{Kind, Synth};
/// use runmask::{Dtype, Encoder, Shape};
/// let mut mask = Synth::new(Kind::Cells, Shape { height: 300, width: 400 }, Dtype::U16, Some(50), 1)?;
/// let runs = Encoder::builder().build()?.encode_source(&mut mask)?;
/// assert!(runs.labels().len() <= 50);
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Synth {
    kind: Kind,
    shape: Shape,
    dtype: Dtype,
    labels: u64,
    seed: u64,
    row: u32,
    /// Boxes side by side and one above the other.
    boxes: (u64, u64),
}

impl Synth {
    /// A mask of `shape` with `labels` labels (as dense as real ones when `None`).
    ///
    /// Errors: `dtype` does not hold the labels, or there are more labels than pixels.
    pub fn new(kind: Kind, shape: Shape, dtype: Dtype, labels: Option<u64>, seed: u64) -> Result<Self> {
        check_row(shape, dtype)?;
        let labels = labels.unwrap_or_else(|| kind.default_labels(shape)).min(shape.pixels().max(1));
        if labels > dtype.max() {
            return Err(Error::Argument(format!(
                "{labels} labels do not fit a mask of {dtype}: its largest is {}",
                dtype.max()
            )));
        }
        // Boxes as square as they come, at least as many as labels.
        let (height, width) = (f64::from(shape.height.max(1)), f64::from(shape.width.max(1)));
        let side = (height * width / labels.max(1) as f64).sqrt();
        let across = ((width / side).ceil() as u64).clamp(1, u64::from(shape.width.max(1)));
        let down = labels.max(1).div_ceil(across).clamp(1, u64::from(shape.height.max(1)));
        let across = labels.max(1).div_ceil(down);
        Ok(Self { kind, shape, dtype, labels, seed, row: 0, boxes: (across, down) })
    }

    /// Number of labels that were asked for; a label may have no pixel when its box is small.
    pub fn labels(&self) -> u64 {
        self.labels
    }

    fn fill_row<T: Copy + Default>(&self, row: u32, pixels: &mut [T], narrow: impl Fn(u64) -> T) {
        if self.kind == Kind::Noise {
            let key = mix(self.seed ^ u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            for (column, pixel) in pixels.iter_mut().enumerate() {
                *pixel = narrow(mix(key.wrapping_add(column as u64)) % (self.labels + 1));
            }
            return;
        }
        pixels.fill(T::default());
        let (across, down) = self.boxes;
        let edge = |index: u64, side: u32, count: u64| (index as u128 * u128::from(side) / u128::from(count)) as u32;
        // The row of boxes whose stretch of rows holds this row.
        let mut y = (u64::from(row) * down / u64::from(self.shape.height)).min(down - 1);
        while edge(y + 1, self.shape.height, down) <= row {
            y += 1;
        }
        let (top, bottom) = (edge(y, self.shape.height, down), edge(y + 1, self.shape.height, down));
        let boxes = u128::from(across) * u128::from(down);
        for x in 0..across {
            let number = u128::from(y) * u128::from(across) + u128::from(x);
            // Labels are spread evenly over the boxes when there are more boxes than labels.
            let label = (number * u128::from(self.labels) / boxes) as u64;
            if ((number + 1) * u128::from(self.labels) / boxes) as u64 == label {
                continue;
            }
            let (left, right) = (edge(x, self.shape.width, across), edge(x + 1, self.shape.width, across));
            if let Some((from, to)) = self.span(label, row, (top, bottom), (left, right)) {
                pixels[from as usize..to as usize].fill(narrow(label + 1));
            }
        }
    }

    /// The columns that a label's blob covers in `row`, inside its box.
    fn span(&self, label: u64, row: u32, (top, bottom): (u32, u32), (left, right): (u32, u32)) -> Option<(u32, u32)> {
        let key = mix(self.seed.wrapping_add(label.wrapping_mul(0xd1b5_4a32_d192_ed03)));
        let part = |byte: u32| f64::from((key >> (8 * byte)) as u8) / 255.0;
        let (height, width) = (f64::from(bottom - top), f64::from(right - left));
        let largest = self.kind.radius();
        let radius_y = (largest * (0.55 + 0.45 * part(0))).max(0.5);
        let radius_x = (largest * (0.55 + 0.45 * part(1))).max(0.5);
        let center_y = f64::from(top) + height * (0.35 + 0.3 * part(2));
        let center_x = f64::from(left) + width * (0.35 + 0.3 * part(3));
        let y = (f64::from(row) + 0.5 - center_y) / radius_y;
        if y.abs() >= 1.0 {
            return None;
        }
        // A rough outline: the ellipse's half width and a little of this row's own, different on both sides.
        let half = radius_x * (1.0 - y * y).sqrt();
        let rough = mix(key ^ u64::from(row));
        let wobble = |byte: u32| f64::from((rough >> (8 * byte)) as u8) / 255.0 * (0.04 * radius_x).min(3.0);
        let from = (center_x - half - wobble(0)).max(f64::from(left)) as u32;
        let to = ((center_x + half + wobble(1)).ceil().min(f64::from(right))).max(0.0) as u32;
        (from < to).then_some((from, to))
    }
}

impl Source for Synth {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn read_blocks(&mut self, _: u32, _: TakeBlock<'_>) -> Result<u32> {
        Ok(0)
    }

    fn read(&mut self, rows: &mut [u8], _: Option<&mut Vec<Repeat>>) -> Result<()> {
        let width = self.shape.width as usize;
        if width == 0 {
            return Ok(());
        }
        let bytes = width * self.dtype.bytes();
        for bytes in rows.chunks_exact_mut(bytes) {
            match self.dtype {
                Dtype::U8 => self.fill_row(self.row, bytes, |label| label as u8),
                Dtype::U16 => self.fill_words(bytes, |label| label as u16),
                Dtype::U32 => self.fill_words(bytes, |label| label as u32),
                Dtype::U64 => self.fill_words(bytes, |label| label),
            }
            self.row += 1;
        }
        Ok(())
    }

    fn skip(&mut self, rows: u32) -> Result<()> {
        check_left(self.shape, self.row, rows)?;
        self.row += rows;
        Ok(())
    }

    fn band_rows(&self) -> u32 {
        1
    }

    fn stored_bytes(&self) -> Option<u64> {
        None
    }
}

impl Synth {
    fn fill_words<T: bytemuck::Pod + Default>(&self, bytes: &mut [u8], narrow: impl Fn(u64) -> T) {
        match bytemuck::try_cast_slice_mut::<u8, T>(bytes) {
            Ok(pixels) => self.fill_row(self.row, pixels, narrow),
            // The caller's bytes are not aligned for the label type.
            Err(_) => {
                let mut pixels = vec![T::default(); self.shape.width as usize];
                self.fill_row(self.row, &mut pixels, narrow);
                bytes.copy_from_slice(bytemuck::cast_slice(&pixels));
            }
        }
    }
}

/// A number that looks random, from another (the finisher of splitmix64).
fn mix(key: u64) -> u64 {
    let mut x = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(kind: Kind, shape: Shape, labels: Option<u64>, seed: u64, rows: usize) -> Vec<u32> {
        let mut source = Synth::new(kind, shape, Dtype::U32, labels, seed).unwrap();
        let mut pixels = vec![0u32; shape.pixels() as usize];
        for rows in pixels.chunks_mut(rows * shape.width as usize) {
            source.read_rows(bytemuck::cast_slice_mut(rows)).unwrap();
        }
        pixels
    }

    #[test]
    fn the_same_arguments_give_the_same_pixels_however_they_are_read() {
        let shape = Shape { height: 311, width: 407 };
        for kind in [Kind::Glomeruli, Kind::Cells, Kind::Noise] {
            let whole = pixels(kind, shape, None, 5, 311);
            assert_eq!(whole, pixels(kind, shape, None, 5, 7));
            assert_ne!(whole, pixels(kind, shape, None, 6, 311));
        }
    }

    #[test]
    fn cells_are_as_dense_as_in_real_slides() {
        let shape = Shape { height: 1000, width: 1000 };
        let pixels = pixels(Kind::Cells, shape, None, 1, 1000);
        let mut labels: Vec<u32> = pixels.iter().copied().filter(|&label| label > 0).collect();
        let foreground = labels.len();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), 2000);
        assert!((300_000..500_000).contains(&foreground), "{foreground} foreground pixels");
    }

    #[test]
    fn labels_that_do_not_fit_are_refused() {
        let shape = Shape { height: 1000, width: 1000 };
        assert!(Synth::new(Kind::Cells, shape, Dtype::U8, None, 1).is_err());
        assert!(Synth::new(Kind::Cells, Shape { height: 0, width: 9 }, Dtype::U8, None, 1).is_ok());
    }
}
