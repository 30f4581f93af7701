//! Drawn masks: content, shape and labels from a seed, and the layouts in which the same pixels may lie in memory.

use runmask::{Label, LabelMask, Shape};

/// Numbers that look random (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    /// The numbers of one mask.
    pub(crate) fn of(seed: u64, index: u64) -> Self {
        let mut numbers = Self(seed.wrapping_mul(0xd1b5_4a32_d192_ed03) ^ index);
        Self(numbers.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `end`, which is above 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `first` to `last`.
    pub(crate) fn between(&mut self, first: u32, last: u32) -> u32 {
        first + self.below(u64::from(last - first) + 1) as u32
    }

    /// A number from `first` to `last` whose logarithm is even: as often between 1 and 10 as between 10 and 100.
    pub(crate) fn log_between(&mut self, first: u32, last: u32) -> u32 {
        let (low, high) = (f64::from(first.max(1)).ln(), f64::from(last.max(1)).ln());
        let share = self.below(1 << 32) as f64 / (1_u64 << 32) as f64;
        ((low + share * (high - low)).exp().round() as u32).clamp(first, last)
    }

    /// True once in `of` times.
    pub(crate) fn once_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// A mask and how it was made.
pub(crate) struct Drawn<T> {
    pub(crate) shape: Shape,
    /// In C order.
    pub(crate) pixels: Vec<T>,
    pub(crate) content: &'static str,
    /// Some of the labels that occur, and some that do not.
    pub(crate) labels: Vec<u64>,
}

/// A shape of at most about `most` pixels.
pub(crate) fn shape(numbers: &mut Numbers, most: u64) -> Shape {
    let odd = |numbers: &mut Numbers, side: u32| {
        // Sides around the steps in which engines go.
        let near = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];
        let step = near.iter().copied().rfind(|&step| step <= side.max(32)).unwrap_or(32);
        match numbers.below(3) {
            0 => (side / step * step + step).saturating_add_signed(numbers.between(0, 2) as i32 - 1),
            _ => side,
        }
    };
    if most <= 1 << 15 && numbers.once_in(60) {
        let sides = [0, 1, numbers.between(0, 40)];
        return Shape { height: numbers.pick(&sides), width: numbers.pick(&sides) };
    }
    let pixels = numbers.log_between((most / 32).max(1) as u32, most as u32);
    let root = f64::from(pixels).sqrt() as u32 + 1;
    let one = match numbers.below(8) {
        0 => numbers.between(1, 3),
        1 => numbers.log_between(1, root),
        _ => numbers.log_between(root.div_ceil(4), root * 2),
    };
    let one = odd(numbers, one);
    let other = (pixels / one.max(1)).max(1);
    let other = if most <= 1 << 24 { odd(numbers, other) } else { other };
    // Neither side may carry the mask away from the size that was asked for.
    let other = u64::from(other).min((2 * most / u64::from(one.max(1))).max(1)) as u32;
    if numbers.once_in(2) { Shape { height: one, width: other } } else { Shape { height: other, width: one } }
}

/// Labels to draw from; the first is that of most pixels.
fn palette<T: Label>(numbers: &mut Numbers) -> Vec<T> {
    let count = numbers.pick(&[1, 2, 2, 3, 5, 20, 200]);
    let max = T::DTYPE.max();
    let kind = numbers.below(6);
    let base = numbers.next();
    let bit = numbers.below(8 * T::DTYPE.bytes() as u64);
    let mut labels: Vec<u64> = (0..count)
        .map(|number| match kind {
            0 | 1 => number + 1,
            2 => max - number,
            // Labels that differ in one bit, or in one byte.
            3 => base ^ ((number & 1) << bit),
            4 => base ^ (number << (bit & 56)),
            _ => numbers.next(),
        })
        .collect();
    if !numbers.once_in(4) {
        labels.insert(0, 0);
    }
    labels.into_iter().map(label).collect()
}

/// The label of `number`, less what does not fit the type.
pub(crate) fn label<T: Label>(number: u64) -> T {
    T::from_u64(number & T::DTYPE.max()).unwrap_or_default()
}

struct Canvas<T> {
    width: usize,
    height: usize,
    pixels: Vec<T>,
}

impl<T: Label> Canvas<T> {
    fn rows(&mut self) -> impl Iterator<Item = &mut [T]> {
        self.pixels.chunks_exact_mut(self.width.max(1))
    }

    /// Columns `left .. left + columns` of a row, as far as they are there.
    fn span(&mut self, row: usize, left: usize, columns: usize, label: T) {
        if row < self.height && left < self.width {
            let right = (left + columns).min(self.width);
            self.pixels[row * self.width..][left..right].fill(label);
        }
    }

    fn rectangle(&mut self, top: usize, left: usize, rows: usize, columns: usize, label: T) {
        (top..(top + rows).min(self.height)).for_each(|row| self.span(row, left, columns, label));
    }

    fn disc(&mut self, centre: (usize, usize), radius: usize, label: T) {
        for row in centre.0.saturating_sub(radius)..(centre.0 + radius + 1).min(self.height) {
            let away = row.abs_diff(centre.0);
            let half = ((radius * radius - away * away) as f64).sqrt() as usize;
            let left = centre.1.saturating_sub(half);
            self.span(row, left, centre.1 + half + 1 - left, label);
        }
    }
}

/// A mask of at most about `most` pixels.
pub(crate) fn mask<T: Label>(numbers: &mut Numbers, most: u64) -> Drawn<T> {
    let shape = shape(numbers, most);
    let (height, width) = (shape.height as usize, shape.width as usize);
    let count = shape.pixels() as usize;
    let mut labels = palette::<T>(numbers);
    let background = labels[0];
    let mut canvas = Canvas { width, height, pixels: vec![background; count] };
    // Pixels for each change of the label, about: small masks may change everywhere, large ones only now and then, since dense
    // masks take most of the time and are no other code.
    let least = match count {
        0..20_000 => 1,
        _ if numbers.once_in(8) && count < 1 << 22 => 1,
        _ => 60,
    };
    let sparse = numbers.log_between(least, least * 200);
    let kinds: &[&str] = if count > 1 << 22 {
        &["background", "blobs", "blobs", "cells", "stripes", "drift", "spans", "specks"]
    } else {
        &[
            "background",
            "blobs",
            "blobs",
            "cells",
            "cells",
            "stripes",
            "drift",
            "spans",
            "specks",
            "noise",
            "noise",
            "gradient",
            "checks",
            "same rows",
            "same columns",
        ]
    };
    let content = numbers.pick(kinds);
    let side = |numbers: &mut Numbers, side: usize| numbers.below(side.max(1) as u64) as usize;
    match content {
        _ if count == 0 => {}
        "blobs" => {
            for _ in 0..numbers.log_between(1, 200) {
                let (row, column) = (side(numbers, height), side(numbers, width));
                let size = numbers.log_between(1, (height.max(width) / 2).max(1) as u32) as usize;
                let label = numbers.pick(&labels);
                if numbers.once_in(2) {
                    canvas.disc((row, column), size, label);
                } else {
                    let rows = side(numbers, size) + 1;
                    canvas.rectangle(row, column, rows, size, label);
                }
            }
        }
        "cells" => {
            // A cell changes the label twice for each of its lines.
            let grid = (2 * sparse).clamp(2, 400) as usize;
            let first =
                if numbers.once_in(2) { 1 } else { T::DTYPE.max() - numbers.below(1 << 20).min(T::DTYPE.max()) };
            let mut number = first;
            for top in (0..height).step_by(grid) {
                for left in (0..width).step_by(grid) {
                    number = number.wrapping_add(1);
                    let radius = side(numbers, grid) * 2 / 3;
                    let (row, column) = (top + side(numbers, grid), left + side(numbers, grid));
                    canvas.disc((row, column), radius, label(number));
                }
            }
            labels.push(label(first + 1));
        }
        "stripes" => {
            let period = sparse as usize;
            let lean = side(numbers, 3);
            for (row, pixels) in canvas.rows().enumerate() {
                for (piece, stripe) in pixels.chunks_mut(period).enumerate() {
                    stripe.fill(labels[(piece + row / period * lean) % labels.len()]);
                }
            }
        }
        "drift" => {
            // Every row is the one above but for some places.
            let changes = (width / 2 / sparse as usize).max(1) as u64;
            let mut above = vec![background; width];
            for row in canvas.rows() {
                for _ in 0..numbers.below(changes + 1) {
                    let left = side(numbers, width);
                    let columns = numbers.log_between(1, 100) as usize;
                    above[left..(left + columns).min(width)].fill(numbers.pick(&labels));
                }
                row.copy_from_slice(&above);
            }
        }
        "spans" => {
            let mean = u64::from(sparse);
            let mut at = 0;
            while at < count {
                let end = (at + 1 + numbers.below(2 * mean) as usize).min(count);
                canvas.pixels[at..end].fill(numbers.pick(&labels));
                at = end;
            }
        }
        "noise" => {
            let odds = u64::from(sparse);
            for pixel in &mut canvas.pixels {
                if numbers.once_in(odds) {
                    *pixel = numbers.pick(&labels);
                }
            }
        }
        "gradient" => {
            let step = numbers.next() | 1;
            let period = u64::from(sparse);
            let pixels = canvas.pixels.iter_mut().enumerate();
            pixels.for_each(|(at, pixel)| *pixel = label((at as u64 / period).wrapping_mul(step)));
        }
        "checks" => {
            let (tall, wide) = (numbers.log_between(least, 700) as usize, numbers.log_between(least, 700) as usize);
            for (row, pixels) in canvas.rows().enumerate() {
                for (piece, check) in pixels.chunks_mut(wide).enumerate() {
                    check.fill(labels[(piece + row / tall) % labels.len()]);
                }
            }
        }
        "same rows" => {
            let mut row = vec![background; width];
            for piece in row.chunks_mut(sparse as usize) {
                piece.fill(numbers.pick(&labels));
            }
            canvas.rows().for_each(|pixels| pixels.copy_from_slice(&row));
        }
        "same columns" => {
            for pixels in canvas.pixels.chunks_mut(width * sparse as usize) {
                pixels.fill(numbers.pick(&labels));
            }
        }
        _ => {}
    }
    // Single pixels at and beside the edges of whatever engines take together.
    let alike = content.starts_with("same");
    if count > 0 && !alike && (content == "specks" || numbers.once_in(3)) {
        let step = numbers.pick(&[8, 16, 32, 64, 128, 512, 1024, 4096]);
        let mut edge = |side: usize| {
            let place = numbers.below(side as u64) / step * step + numbers.below(3);
            match numbers.below(8) {
                0 => 0,
                1 => side - 1,
                _ => (place.saturating_sub(1) as usize).min(side - 1),
            }
        };
        let places: Vec<_> = (0..60).map(|_| (edge(height), edge(width))).collect();
        for (row, column) in places.into_iter().take(numbers.between(1, 60) as usize) {
            let label = if numbers.once_in(3) { label(numbers.next()) } else { numbers.pick(&labels) };
            canvas.span(row, column, 1, label);
        }
    }
    let mut labels: Vec<u64> = labels.into_iter().map(Into::into).collect();
    labels.push(numbers.next());
    Drawn { shape, pixels: canvas.pixels, content, labels }
}

/// Calls a function for labels of a type that is drawn.
macro_rules! of_any_type {
    ($numbers:ident, $call:ident($($argument:expr),*)) => {
        match $numbers.below(4) {
            0 => $call::<u8>($($argument),*),
            1 => $call::<u16>($($argument),*),
            2 => $call::<u32>($($argument),*),
            _ => $call::<u64>($($argument),*),
        }
    };
}
pub(crate) use of_any_type;

/// The pixels of a mask, as they lie in memory.
pub(crate) struct Laid<T> {
    pub(crate) name: &'static str,
    memory: Vec<T>,
    origin: usize,
    strides: (isize, isize),
    shape: Shape,
}

impl<T: Label> Laid<T> {
    /// A mask of half of those with fewer than `most` pixels.
    pub(crate) fn sometimes(numbers: &mut Numbers, drawn: &Drawn<T>, most: usize) -> Option<Self> {
        (drawn.pixels.len() < most && numbers.once_in(2)).then(|| Self::draw(numbers, drawn))
    }

    /// The pixels in a layout other than C order; everything beside them is of another label.
    pub(crate) fn draw(numbers: &mut Numbers, drawn: &Drawn<T>) -> Self {
        let Shape { height, width } = drawn.shape;
        let (rows, columns) = (height as usize, width as usize);
        let (name, across, step, flip) = match (drawn.content, numbers.below(8)) {
            ("same rows", 0..4) => ("one row for all", 0, 1, (false, false)),
            ("same columns", 0..4) => ("one column for all", 1, 0, (false, false)),
            (_, 0..2) => ("padded rows", columns + numbers.between(1, 70) as usize, 1, (false, false)),
            (_, 2) => ("upside down", columns, 1, (true, false)),
            (_, 3) => ("mirrored", columns, 1, (false, true)),
            (_, 4) => {
                let step = numbers.between(2, 3) as usize;
                ("columns apart", columns * step + numbers.between(0, 5) as usize, step, (false, false))
            }
            (_, 5) => ("columns one after the other", 1, rows, (false, false)),
            (_, 6) => ("padded columns", 1, rows + numbers.between(1, 70) as usize, (false, false)),
            _ => ("columns from the right", 1, rows, (false, true)),
        };
        let before = numbers.between(0, 40) as usize;
        let reach = rows.saturating_sub(1) * across + columns.saturating_sub(1) * step;
        let filler = label(numbers.next());
        let mut memory = vec![filler; before + reach + 1 + numbers.between(0, 40) as usize];
        let side = |flipped: bool, stride: usize, side: usize| match flipped {
            true => (side.saturating_sub(1) * stride, -(stride as isize)),
            false => (0, stride as isize),
        };
        let (down, row_stride) = side(flip.0, across, rows);
        let (right, column_stride) = side(flip.1, step, columns);
        let origin = before + down + right;
        // Blocks of rows, so that columns far apart in memory are written some at a time.
        for (block, pixels) in drawn.pixels.chunks(columns.max(1) * 32).enumerate() {
            for column in 0..columns {
                for (row, pixel) in pixels[column..].iter().step_by(columns).enumerate() {
                    let row = (block * 32 + row) as isize;
                    memory[origin.wrapping_add_signed(row * row_stride + column as isize * column_stride)] = *pixel;
                }
            }
        }
        Self { name, memory, origin, strides: (row_stride, column_stride), shape: drawn.shape }
    }

    pub(crate) fn mask(&self) -> runmask::Result<LabelMask<'_, T>> {
        LabelMask::with_strides(&self.memory, self.origin, self.shape, self.strides.0, self.strides.1)
    }
}
