//! Blocks of a source: each is marked where it was decoded, and those of some rows are put together to a strip.
//!
//! Gets blocks from any thread and in any order, each marked as if it were a mask of its own; gives the boundaries of all of
//! them as one strip; guarantees that they cover the strip exactly, and that all take no more memory than is allowed.
//!
//! Every line of a block begins in it, so its first boundary is not one of the mask where the line above ends with the same
//! label. Which labels the lines above end with, the blocks themselves say: no pixel is looked at again.
//!
//! ```text
//!   lines:       0 1 2 3         above:        7 7 0 5
//!   block 0, 1:  7 0|0 5         boundaries:   . 0 . .      those of the first row that are new
//!                7 0|3 5                       . . 3 .
//! ```

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::boundary::{BOUNDARIES, Boundaries};
use crate::error::{Error, Result};
use crate::mask::{Label, LabelMask};
use crate::memory::{Pool, sized};
use crate::shape::Shape;
use crate::source::{Block, Pixels};
use crate::threads;

/// Bytes that a block takes besides its boundaries.
const BLOCK_BYTES: u64 = 128;

/// The boundaries of a block whose lines begin in it.
pub(super) enum Piece<T> {
    /// Each line is this label and nothing else.
    Label(T),
    /// Each line has a boundary at its first pixel.
    Marked(Boundaries<T>),
}

/// A block that is marked.
struct Marked<T> {
    rows: Range<u32>,
    columns: Range<u32>,
    piece: Piece<T>,
}

/// The blocks of the rows that are being read.
pub(super) struct Blocks<T> {
    all: Mutex<Vec<Marked<T>>>,
    bytes: AtomicU64,
}

impl<T: Label> Blocks<T> {
    pub(super) fn new() -> Self {
        Self { all: Mutex::default(), bytes: AtomicU64::new(0) }
    }

    /// Adds a block, which `mark` marks; where all so far take more bytes than are `allowed`, only those are counted.
    pub(super) fn add(
        &self,
        block: &Block<'_>,
        allowed: impl Fn(u64) -> bool,
        mark: impl Fn(LabelMask<'_, T>) -> Result<Boundaries<T>>,
    ) -> Result<()> {
        let Block { rows, columns, pixels, .. } = block;
        if rows.is_empty() || columns.is_empty() {
            return Ok(());
        }
        let piece = match *pixels {
            Pixels::Label(label) => Piece::Label(T::from_u64(label).ok_or_else(|| unfit(label))?),
            Pixels::Rows { labels, row_bytes } => {
                let shape = Shape { height: rows.end - rows.start, width: columns.end - columns.start };
                Piece::Marked(match (bytemuck::try_cast_slice(labels), row_bytes % size_of::<T>()) {
                    (Ok(labels), 0) => {
                        let stride = (row_bytes / size_of::<T>()) as isize;
                        mark(LabelMask::with_strides(labels, 0, shape, stride, 1)?)?
                    }
                    _ => mark(LabelMask::new(&copied(labels, row_bytes, shape)?, shape)?)?,
                })
            }
        };
        let bytes = BLOCK_BYTES
            + match &piece {
                Piece::Label(_) => 0,
                Piece::Marked(boundaries) => bytes(boundaries),
            };
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if allowed(before + bytes) {
            let block = Marked { rows: rows.clone(), columns: columns.clone(), piece };
            self.all.lock().unwrap_or_else(PoisonError::into_inner).push(block);
        }
        Ok(())
    }

    /// Bytes that all blocks take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The boundaries of all blocks, which are `shape`, in the memory of `spare`. `above` has the labels of the row above, if
    /// there `is_above` one, and then those of the last row.
    pub(super) fn join(
        self,
        shape: Shape,
        above: &mut [T],
        is_above: bool,
        spare: &Pool<Boundaries<T>>,
    ) -> Result<Boundaries<T>> {
        let all = self.all.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut stacks = stacks(all, shape)?;
        let mut rest = above;
        for stack in &mut stacks {
            let (these, right) = std::mem::take(&mut rest).split_at_mut(stack.lines);
            stack.above = these;
            rest = right;
        }
        threads::each_mut(&mut stacks, |stack| stack.count(is_above));
        let count: u64 = stacks.iter().map(|stack| stack.total).sum();
        if count > u64::from(u32::MAX) {
            return Err(Error::Argument(format!("{count} boundaries in rows that are read at once")));
        }
        let mut joined = spare.take();
        joined.line_starts.clear();
        joined.line_starts.reserve(shape.width as usize + 1);
        joined.line_starts.push(0);
        let mut start = 0;
        for count in stacks.iter().flat_map(|stack| &stack.counts) {
            start += count;
            joined.line_starts.push(start);
        }
        joined.offsets = sized(std::mem::take(&mut joined.offsets), count as usize, BOUNDARIES)?;
        joined.labels = sized(std::mem::take(&mut joined.labels), count as usize, BOUNDARIES)?;
        joined.offsets.truncate(count as usize);
        joined.labels.truncate(count as usize);
        let (mut offsets, mut labels) = (&mut joined.offsets[..], &mut joined.labels[..]);
        let mut work = Vec::with_capacity(stacks.len());
        for stack in stacks {
            let total = stack.total as usize;
            let (these, right) = std::mem::take(&mut offsets).split_at_mut(total);
            offsets = right;
            let (its, right) = std::mem::take(&mut labels).split_at_mut(total);
            labels = right;
            work.push((stack, these, its));
        }
        threads::each_mut(&mut work, |(stack, offsets, labels)| stack.put(is_above, offsets, labels));
        let pieces = work.into_iter().flat_map(|(stack, ..)| stack.pieces);
        pieces.for_each(|(_, piece)| {
            if let Piece::Marked(boundaries) = piece {
                spare.give(boundaries);
            }
        });
        Ok(joined)
    }
}

fn bytes<T>(boundaries: &Boundaries<T>) -> u64 {
    let Boundaries { line_starts, offsets, labels } = boundaries;
    (size_of_val(&line_starts[..]) + size_of_val(&offsets[..]) + size_of_val(&labels[..])) as u64
}

fn unfit(label: u64) -> Error {
    Error::Argument(format!("a block of label {label}, which is none of the mask's type"))
}

/// The labels of a block that do not lie where labels of their type may.
fn copied<T: Label>(labels: &[u8], row_bytes: usize, shape: Shape) -> Result<Vec<T>> {
    let width = shape.width as usize * size_of::<T>();
    let mut all = Vec::new();
    for row in 0..shape.height as usize {
        let row = row.checked_mul(row_bytes).and_then(|start| labels.get(start..)?.get(..width));
        let row = row.ok_or_else(|| Error::Argument(format!("{} bytes are no block of {shape}", labels.len())))?;
        all.extend(row.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned::<T>));
    }
    Ok(all)
}

/// Blocks one below the other.
struct Stack<'a, T> {
    lines: usize,
    /// Each with its first row.
    pieces: Vec<(u32, Piece<T>)>,
    /// The labels of the row above, or of the last row.
    above: &'a mut [T],
    /// Boundaries of each line; later, where its next belongs.
    counts: Vec<u32>,
    total: u64,
}

/// The blocks that are `shape` together, from left to right.
fn stacks<'a, T>(mut all: Vec<Marked<T>>, shape: Shape) -> Result<Vec<Stack<'a, T>>> {
    all.sort_unstable_by_key(|block| (block.columns.start, block.rows.start));
    let mut stacks: Vec<Stack<'a, T>> = Vec::new();
    let (mut row, mut columns) = (shape.height, 0..0);
    for block in all {
        if row == shape.height {
            (row, columns) = (0, columns.end..block.columns.end);
            let lines = columns.len();
            stacks.push(Stack { lines, pieces: Vec::new(), above: &mut [], counts: Vec::new(), total: 0 });
        }
        if block.columns != columns || block.rows.start != row || block.rows.end > shape.height {
            return Err(uncovered(shape));
        }
        row = block.rows.end;
        if let Some(stack) = stacks.last_mut() {
            stack.pieces.push((block.rows.start, block.piece));
        }
    }
    match row == shape.height && columns.end == shape.width {
        true => Ok(stacks),
        false => Err(uncovered(shape)),
    }
}

fn uncovered(shape: Shape) -> Error {
    Error::Argument(format!("blocks of a source do not cover {shape} pixels that were read, each once"))
}

impl<T: Label> Stack<'_, T> {
    /// Counts the boundaries of each line.
    fn count(&mut self, is_above: bool) {
        let mut counts = vec![0; self.lines];
        walk(&self.pieces, &mut self.above.to_vec(), is_above, |line, _, offsets, _| {
            counts[line] += offsets.len() as u32
        });
        self.total = counts.iter().map(|&count| u64::from(count)).sum();
        self.counts = counts;
    }

    /// Puts every boundary to its place, and the labels of the last row to those of the row above.
    fn put(&mut self, is_above: bool, offsets: &mut [u32], labels: &mut [T]) {
        let mut start = 0;
        for count in &mut self.counts {
            start += std::mem::replace(count, start);
        }
        let places = &mut self.counts;
        walk(&self.pieces, self.above, is_above, |line, row, these, its| {
            let place = places[line] as usize;
            let place = place..place + these.len();
            places[line] = place.end as u32;
            offsets[place.clone()].iter_mut().zip(these).for_each(|(place, offset)| *place = row + offset);
            labels[place].copy_from_slice(its);
        });
    }
}

/// Hands those boundaries of each piece on that are also the mask's, line by line: the number of the line, the piece's first
/// row, offsets in the piece and labels. `current` has the labels of the row above, if there `is_above` one, and then those of
/// the last row.
fn walk<T: Label>(
    pieces: &[(u32, Piece<T>)],
    current: &mut [T],
    is_above: bool,
    mut found: impl FnMut(usize, u32, &[u32], &[T]),
) {
    for (row, piece) in pieces {
        let is_above = is_above || *row > 0;
        match piece {
            Piece::Label(label) => {
                for (line, current) in current.iter_mut().enumerate() {
                    if !is_above || current != label {
                        *current = *label;
                        found(line, *row, &[0], &[*label]);
                    }
                }
            }
            Piece::Marked(boundaries) => {
                for (line, current) in current.iter_mut().enumerate() {
                    let (offsets, labels) = boundaries.entries(line);
                    let ([first, ..], [.., last]) = (labels, labels) else { continue };
                    let known = usize::from(is_above && current == first);
                    *current = *last;
                    if known < labels.len() {
                        found(line, *row, &offsets[known..], &labels[known..]);
                    }
                }
            }
        }
    }
}
