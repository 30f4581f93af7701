//! Runs in a quarter of their bytes, as they are pickled and sent from process to process.
//!
//! Gets runs; gives bytes, and back. Labels are cut into blocks of some runs, which threads pack and unpack side by side. All
//! numbers are little-endian base-128 integers, 7 bits a byte, the highest bit of a byte set where more follow:
//!
//! ```text
//! number of blocks; for each block its labels, runs and bytes; the blocks
//! block: for each label the difference to the label before it in the block, its number of runs, and for each of these
//!        the pixels between the run before it and the run, and its length
//! ```
//!
//! Bytes that are no packed runs are an error. Memory is taken for as many runs as the bytes can hold.

use rayon::prelude::*;
use runmask::{Error, LabelRuns, Result, Run, ScanOrder, Shape};

use crate::work::Stop;

/// Labels and runs, at least, of a block that is not the last.
const BLOCK: usize = 1 << 16;

/// Packs runs.
pub(crate) fn pack(runs: &LabelRuns, stop: &Stop) -> Result<Vec<u8>> {
    let (labels, offsets) = (runs.labels(), runs.offsets());
    let mut blocks = Vec::new();
    let mut first = 0;
    for end in 1..=labels.len() {
        if end == labels.len() || offsets[end] - offsets[first] + end - first >= BLOCK {
            blocks.push(first..end);
            first = end;
        }
    }
    let packed: Vec<Vec<u8>> = blocks
        .par_iter()
        .map(|block| {
            stop.check()?;
            let count = offsets[block.end] - offsets[block.start];
            let mut bytes = Vec::with_capacity(4 * count + 8 * block.len());
            let mut before = 0;
            for index in block.clone() {
                let of_label = &runs.runs()[offsets[index]..offsets[index + 1]];
                put(&mut bytes, labels[index] - before);
                put(&mut bytes, of_label.len() as u64);
                before = labels[index];
                let mut end = 0;
                for run in of_label {
                    put(&mut bytes, run.start - end);
                    put(&mut bytes, run.length);
                    end = run.end();
                }
            }
            Ok(bytes)
        })
        .collect::<Result<_>>()?;
    let mut bytes = Vec::with_capacity(packed.iter().map(|block| block.len() + 12).sum::<usize>() + 8);
    put(&mut bytes, blocks.len() as u64);
    for (block, packed) in blocks.iter().zip(&packed) {
        put(&mut bytes, block.len() as u64);
        put(&mut bytes, (offsets[block.end] - offsets[block.start]) as u64);
        put(&mut bytes, packed.len() as u64);
    }
    packed.iter().for_each(|packed| bytes.extend_from_slice(packed));
    Ok(bytes)
}

/// A block, and the places of what it holds.
struct Block<'a> {
    bytes: &'a [u8],
    labels: &'a mut [u64],
    /// Where the runs of each label end among those of the block.
    ends: &'a mut [usize],
    runs: &'a mut [Run],
}

/// Unpacks runs, and checks them.
pub(crate) fn unpack(shape: Option<Shape>, order: ScanOrder, packed: &[u8], stop: &Stop) -> Result<LabelRuns> {
    let damaged = || Error::Argument("packed runs that are damaged".into());
    let mut rest = packed;
    let mut number = || take(&mut rest).and_then(|number| usize::try_from(number).ok());
    let count = number().filter(|&count| count <= packed.len()).ok_or_else(damaged)?;
    let mut sizes = Vec::new();
    let (mut labels, mut runs) = (0_usize, 0_usize);
    for _ in 0..count {
        let (Some(of_labels), Some(of_runs), Some(bytes)) = (number(), number(), number()) else {
            return Err(damaged());
        };
        // A label takes two bytes and more, as a run does.
        let least = of_labels.checked_add(of_runs).and_then(|sum| sum.checked_mul(2));
        if least.is_none_or(|least| least > bytes) || bytes > packed.len() {
            return Err(damaged());
        }
        (labels, runs) = (labels.saturating_add(of_labels), runs.saturating_add(of_runs));
        sizes.push((of_labels, of_runs, bytes));
    }
    if sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(size.2)) != Some(rest.len()) {
        return Err(damaged());
    }
    let mut all_labels: Vec<u64> = zeros(labels)?;
    let mut offsets: Vec<usize> = zeros(labels.saturating_add(1))?;
    let mut all_runs: Vec<Run> = zeros(runs)?;
    let mut blocks = Vec::with_capacity(count);
    let (mut labels, mut ends, mut runs) = (&mut all_labels[..], &mut offsets[1..], &mut all_runs[..]);
    for &(of_labels, of_runs, bytes) in &sizes {
        let block = Block {
            bytes: rest.split_off(..bytes).ok_or_else(damaged)?,
            labels: labels.split_off_mut(..of_labels).ok_or_else(damaged)?,
            ends: ends.split_off_mut(..of_labels).ok_or_else(damaged)?,
            runs: runs.split_off_mut(..of_runs).ok_or_else(damaged)?,
        };
        blocks.push(block);
    }
    blocks.into_par_iter().try_for_each(|block| {
        stop.check()?;
        block.unpack().ok_or_else(damaged)
    })?;
    let (mut first, mut place) = (0, 1);
    for (of_labels, of_runs, _) in sizes {
        offsets[place..place + of_labels].iter_mut().for_each(|end| *end += first);
        (first, place) = (first + of_runs, place + of_labels);
    }
    LabelRuns::from_parts(shape, order, all_labels, offsets, all_runs)
}

fn zeros<T: bytemuck::Zeroable>(count: usize) -> Result<Vec<T>> {
    bytemuck::allocation::try_zeroed_vec(count).map_err(|()| {
        let needed = count.saturating_mul(size_of::<T>()) as u64;
        Error::Memory { what: "unpacked runs".into(), needed, limit: None }
    })
}

impl Block<'_> {
    fn unpack(self) -> Option<()> {
        let (mut bytes, mut label, mut made) = (self.bytes, 0_u64, 0_usize);
        for (place, end_of_label) in self.labels.iter_mut().zip(self.ends) {
            label = label.checked_add(take(&mut bytes)?)?;
            *place = label;
            let count = usize::try_from(take(&mut bytes)?).ok()?;
            let of_label = self.runs.get_mut(made..made.checked_add(count)?)?;
            let mut end = 0_u64;
            for run in of_label {
                let start = end.checked_add(take(&mut bytes)?)?;
                *run = Run { start, length: take(&mut bytes)? };
                end = start.checked_add(run.length)?;
            }
            made += count;
            *end_of_label = made;
        }
        (bytes.is_empty() && made == self.runs.len()).then_some(())
    }
}

/// Appends a number.
#[inline]
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number from the front.
#[inline]
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
