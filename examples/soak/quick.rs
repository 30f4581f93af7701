//! The runs of a mask for masks that the definition in `tests/oracle` takes too long for: the pixels are put into scan order
//! plainly, some lines at a time, and neighbours are compared. Nothing here is shared with the library. Every small mask of a
//! soak is compared with the definition too.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use runmask::{Label, LabelRuns, Result, Run, ScanOrder, Shape};

/// A hash of numbers: one multiplication.
#[derive(Default)]
pub(crate) struct OfNumber(u64);

impl Hasher for OfNumber {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = u128::from(self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15_d1b5_4a32_d192_ed03);
        self.0 = (mixed >> 64) as u64 ^ mixed as u64;
    }
}

/// Pixels that are compared with one label at once.
const BLOCK: usize = 64;
/// Columns that are put into scan order at once.
const COLUMNS: usize = 64;

/// The maximal runs of all labels, in scan order.
struct Scan<T> {
    runs: Vec<(T, Run)>,
    at: u64,
}

impl<T: Label> Scan<T> {
    /// Goes on with the next pixels in scan order.
    fn go_on(&mut self, pixels: &[T]) {
        let mut rest = pixels;
        while let Some(&first) = rest.first() {
            let same = alike(rest, first);
            match self.runs.last_mut() {
                Some((label, run)) if *label == first => run.length += same as u64,
                _ => self.runs.push((first, Run { start: self.at, length: same as u64 })),
            }
            self.at += same as u64;
            rest = &rest[same..];
        }
    }
}

/// How many pixels at the beginning have this label.
fn alike<T: Label>(pixels: &[T], label: T) -> usize {
    // Runs are short or long: a few pixels one by one, and only then blocks of them.
    let few = pixels.iter().take(8).take_while(|&&pixel| pixel == label).count();
    if few < 8 {
        return few;
    }
    let blocks = pixels[few..].chunks_exact(BLOCK);
    let same = |block: &&[T]| !block.iter().fold(false, |differs, &pixel| differs | (pixel != label));
    let long = few + BLOCK * blocks.take_while(same).count();
    long + pixels[long..].iter().take_while(|&&pixel| pixel == label).count()
}

/// The runs of every label but `background` of a mask in C order.
pub(crate) fn runs<T: Label>(
    pixels: &[T],
    shape: Shape,
    order: ScanOrder,
    background: Option<u64>,
) -> Result<LabelRuns> {
    let mut scan = Scan { runs: Vec::new(), at: 0 };
    match order {
        ScanOrder::RowMajor => scan.go_on(pixels),
        ScanOrder::ColumnMajor => {
            let (height, width) = (shape.height as usize, shape.width as usize);
            let mut lines = vec![T::default(); COLUMNS.min(width) * height];
            for left in (0..width).step_by(COLUMNS) {
                let columns = COLUMNS.min(width - left);
                // Eight rows at a time, so that a line is written in pieces and not pixel by pixel.
                for top in (0..height).step_by(8) {
                    let rows = 8.min(height - top);
                    for column in 0..columns {
                        let line = &mut lines[column * height + top..][..rows];
                        let from = &pixels[top * width + left + column..];
                        line.iter_mut().zip(from.iter().step_by(width)).for_each(|(to, from)| *to = *from);
                    }
                }
                scan.go_on(&lines[..columns * height]);
            }
        }
    }
    by_label(scan.runs, shape, order, background)
}

/// Runs in scan order, sorted by label.
fn by_label<T: Label>(
    runs: Vec<(T, Run)>,
    shape: Shape,
    order: ScanOrder,
    background: Option<u64>,
) -> Result<LabelRuns> {
    let mut places: HashMap<u64, usize, BuildHasherDefault<OfNumber>> = HashMap::default();
    let mut counts: Vec<(u64, usize)> = Vec::new();
    let mut numbers: Vec<(u32, Run)> = Vec::with_capacity(runs.len());
    for (label, run) in runs {
        let label: u64 = label.into();
        if Some(label) == background {
            continue;
        }
        let place = *places.entry(label).or_insert_with(|| {
            counts.push((label, 0));
            counts.len() - 1
        });
        counts[place].1 += 1;
        numbers.push((place as u32, run));
    }
    let mut sorted: Vec<usize> = (0..counts.len()).collect();
    sorted.sort_unstable_by_key(|&place| counts[place].0);
    let (mut labels, mut offsets, mut next) = (Vec::new(), vec![0], vec![0; counts.len()]);
    let mut total = 0;
    for place in sorted {
        labels.push(counts[place].0);
        next[place] = total;
        total += counts[place].1;
        offsets.push(total);
    }
    let mut list = vec![Run { start: 0, length: 0 }; total];
    for (place, run) in numbers {
        list[next[place as usize]] = run;
        next[place as usize] += 1;
    }
    LabelRuns::from_parts(Some(shape), order, labels, offsets, list)
}
