//! Connected pieces: of each label by itself, or of the foreground whatever its labels.
//!
//! Gets runs in either scan order; gives a mask in which every connected piece has a label of its own, and for each the label
//! that it was a piece of. Pieces are numbered 1, 2, 3 ... by their first pixels: from left to right, within a column from
//! top to bottom, whatever the scan order and the number of threads.
//!
//! Runs are cut at the ends of scan lines, and those that touch in neighbouring lines are put into one set. Then, when asked
//! for, and in this order: holes are filled, small pieces go, and of each label only the largest piece stays.

mod foreground;
mod holes;

use std::sync::atomic::Ordering;

use rayon::prelude::*;

use self::foreground::OneLabel;
pub(crate) use self::foreground::{Foreground, Room, Stretch};
use super::build::{Empty, build};
use super::lines::{self, Piece};
use super::measure::Connectivity;
use super::{LabelRuns, Run, places};
use crate::error::{Error, Result};
use crate::memory::{List, extend, refill, reserve, reserve_exact, zeroed};
use crate::shape::ScanOrder;
use crate::threads;

/// Chooses what [`LabelRuns::components`] makes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[must_use]
pub struct ComponentOptions {
    connectivity: Connectivity,
    foreground: bool,
    min_area: u64,
    fill_holes: u64,
    largest: bool,
}

impl ComponentOptions {
    /// All pieces of each label, connected by eight neighbours.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which neighbours connect pixels; holes are connected the other way.
    pub fn connectivity(mut self, connectivity: Connectivity) -> Self {
        self.connectivity = connectivity;
        self
    }

    /// Takes all labels for one, so that pieces of different labels that touch are one piece.
    pub fn foreground(mut self, foreground: bool) -> Self {
        self.foreground = foreground;
        self
    }

    /// Leaves out pieces of fewer pixels, after holes were filled.
    pub fn min_area(mut self, pixels: u64) -> Self {
        self.min_area = pixels;
        self
    }

    /// Fills holes of at most so many pixels with the piece's label. Other pieces inside a hole count as its pixels and
    /// stay; where holes lie in each other, the smallest one's piece gets the pixel. 0 fills none.
    pub fn fill_holes(mut self, pixels: u64) -> Self {
        self.fill_holes = pixels;
        self
    }

    /// Keeps the largest piece of each label, and of the whole foreground where all labels are one; of pieces of the same
    /// area the first.
    pub fn largest(mut self, largest: bool) -> Self {
        self.largest = largest;
        self
    }

    /// Whether the runs of all labels are those of one, or are taken for it, and nothing else is asked of the mask.
    pub(crate) fn of_foreground(&self, one_label: bool) -> bool {
        (self.foreground || one_label) && self.fill_holes == 0
    }

    /// Whether all labels are taken for one.
    pub(crate) fn all_are_one(&self) -> bool {
        self.foreground
    }
}

/// Connected pieces; what [`LabelRuns::components`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    runs: LabelRuns,
    sources: Vec<u64>,
}

impl Components {
    /// The same as pieces of a label.
    pub(crate) fn with_source(mut self, label: u64) -> Self {
        self.sources.fill(label);
        self
    }

    /// The pieces, numbered from 1.
    pub fn runs(&self) -> &LabelRuns {
        &self.runs
    }

    /// For each piece, in order, the label that it is a piece of; 1 where all labels were taken for one.
    pub fn sources(&self) -> &[u64] {
        &self.sources
    }

    /// The pieces and their labels, without a copy.
    pub fn into_parts(self) -> (LabelRuns, Vec<u64>) {
        (self.runs, self.sources)
    }
}

/// A connected piece.
#[derive(Clone, Copy, Debug)]
struct Component {
    /// Column and row of the first pixel, as one number.
    first: u64,
    area: u64,
    /// Number of its runs.
    runs: usize,
    /// Its place in its block; later, in the list of all.
    index: usize,
    /// Place of the label that it is a piece of.
    label: u32,
    /// Whether it may have holes.
    holes: bool,
}

/// The pieces of some labels.
#[derive(Debug, Default)]
struct Block {
    /// Label by label; empty when they were put together with those of other blocks.
    components: Vec<Component>,
    /// How many each label has.
    counts: Vec<u32>,
    /// Of labels of several pieces: the set of each part of a run that lies in one scan line, in order.
    sets: Vec<u32>,
    /// The component of each set.
    owners: Vec<u32>,
}

/// Labels that a thread takes apart at a time.
const BLOCK: usize = 256;

impl LabelRuns {
    /// The connected pieces of each label, or of the foreground, each with a label of its own.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when the mask's shape is not known; [`Error::LimitExceeded`] for more than 2^32 - 1 labels.
    ///
    /// ```
    /// use runmask::{ComponentOptions, LabelMask, Shape};
    /// let pixels = [7u8, 0, 7, 7, 0, 7, 0, 0, 0, 0, 3, 3];
    /// let runs = runmask::encode(&LabelMask::new(&pixels, Shape { height: 2, width: 6 })?)?;
    /// let found = runs.components(&ComponentOptions::new())?;
    /// assert_eq!(runmask::decode::<u8>(found.runs())?, [1, 0, 2, 2, 0, 4, 0, 0, 0, 0, 3, 3]);
    /// assert_eq!(found.sources(), [7, 7, 3, 7]);
    /// let found = runs.components(&ComponentOptions::new().foreground(true).min_area(2))?;
    /// assert_eq!(runmask::decode::<u8>(found.runs())?, [0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn components(&self, options: &ComponentOptions) -> Result<Components> {
        let shape = self.shape.ok_or_else(|| Error::UnknownShape { what: "connected pieces".into() })?;
        let one;
        let base = if options.foreground {
            one = self.foreground(1)?;
            &one
        } else {
            self
        };
        if u32::try_from(base.labels.len()).is_err() {
            let found = base.labels.len() as u64;
            return Err(Error::LimitExceeded { what: "labels".into(), limit: u64::from(u32::MAX), found });
        }
        let length = shape.line_length(self.order);
        if let &[label] = &base.labels[..]
            && options.of_foreground(true)
        {
            let one = OneLabel { runs: base.runs_at(0), length };
            if one.is_fine() {
                let (order, room) = (self.order, &mut Room::default());
                let found = Components::of_foreground(&one, shape, order, order, options, List::default(), room)?;
                return Ok(found.with_source(label));
            }
        }
        let (blocks, mut all) = take_apart(base, length, options.connectivity)?;
        let runs = if options.fill_holes > 0 && all.iter().any(|component| component.holes) {
            let runs = write(base, &blocks, &all, length)?;
            let filled = holes::fill(runs, &mut all, self, length, options)?;
            all.iter_mut().enumerate().for_each(|(index, component)| component.index = index);
            keep(&mut all, options, base.labels.len())?;
            build(self.shape, self.order, all.len(), Empty::Keep, |index, runs| {
                extend(runs, filled.runs_at(all[index].index), RUNS_OF_PIECES)?;
                Ok(index as u64 + 1)
            })?
        } else {
            keep(&mut all, options, base.labels.len())?;
            write(base, &blocks, &all, length)?
        };
        let mut sources = Vec::new();
        reserve(&mut sources, all.len(), RUNS_OF_PIECES)?;
        sources.extend(all.iter().map(|component| base.labels[component.label as usize]));
        Ok(Components { runs, sources })
    }
}

/// Finds the connected pieces of labels, in lines of `length` pixels: all of them by their first pixels.
fn take_apart(base: &LabelRuns, length: u32, connectivity: Connectivity) -> Result<(Vec<Block>, Vec<Component>)> {
    let count = base.labels.len();
    let take_apart = |block: usize| {
        let mut scratch = Scratch::default();
        let mut made = Block::default();
        for label in block * BLOCK..((block + 1) * BLOCK).min(count) {
            scratch.take_apart(base, length, connectivity, label, &mut made)?;
        }
        Ok(made)
    };
    let mut blocks: Vec<Block> = threads::try_map(threads::each, count.div_ceil(BLOCK), take_apart)?;
    let all = together(&mut blocks)?;
    Ok((blocks, all))
}

/// The components of all blocks, by their first pixels.
fn together(blocks: &mut [Block]) -> Result<Vec<Component>> {
    let mut all = match blocks {
        [first, ..] => std::mem::take(&mut first.components),
        [] => Vec::new(),
    };
    reserve_exact(&mut all, blocks.iter().map(|made| made.components.len()).sum(), PIECES)?;
    blocks.iter_mut().for_each(|made| all.append(&mut made.components));
    // Two labels that overlap may have the same first pixel.
    all.par_sort_unstable_by_key(|component| (component.first, component.label));
    Ok(all)
}

/// Leaves the components that are wanted, in their order.
fn keep(all: &mut Vec<Component>, options: &ComponentOptions, labels: usize) -> Result<()> {
    all.retain(|component| component.area >= options.min_area);
    if options.largest {
        keep_largest(all, labels)?;
    }
    Ok(())
}

/// What an error calls what is known of pieces.
const PIECES: &str = "connected pieces";

/// What an error calls the memory of the result.
const RUNS_OF_PIECES: &str = "runs of connected pieces";

/// The runs of components, numbered from 1.
fn write(base: &LabelRuns, blocks: &[Block], components: &[Component], length: u32) -> Result<LabelRuns> {
    // Every place is written below.
    let count = components.iter().map(|component| component.runs).sum();
    let mut runs = List::sized(List::default(), count, RUNS_OF_PIECES)?;
    let to = places(&mut runs);
    // The place of each component's next run; none of one that was left out.
    let of_block = |made: &Block| {
        let mut places = Vec::new();
        refill(&mut places, made.counts.iter().map(|&count| count as usize).sum(), NOWHERE, RUNS_OF_PIECES)?;
        Ok(places)
    };
    let mut places: Vec<Vec<usize>> = blocks.iter().map(of_block).collect::<Result<_>>()?;
    let mut offsets = Vec::new();
    reserve(&mut offsets, components.len() + 1, RUNS_OF_PIECES)?;
    offsets.push(0);
    let mut end = 0;
    for component in components {
        places[component.label as usize / BLOCK][component.index] = end;
        end += component.runs;
        offsets.push(end);
    }
    let mut work: Vec<(usize, (&Block, Vec<usize>))> = blocks.iter().zip(places).enumerate().collect();
    threads::each_mut(&mut work, |(block, (made, places))| {
        let mut put = |owner: usize, run: Run, goes_on: bool| {
            let place = &mut places[owner];
            if goes_on {
                if let Some([_, length]) = to.get(place.wrapping_sub(1)) {
                    length.store(length.load(Ordering::Relaxed) + run.length, Ordering::Relaxed);
                }
            } else if let Some([start, length]) = to.get(*place) {
                start.store(run.start, Ordering::Relaxed);
                length.store(run.length, Ordering::Relaxed);
                *place += 1;
            }
        };
        let (mut sets, mut first) = (made.sets.iter(), 0);
        for (label, &count) in (*block * BLOCK..).zip(&made.counts) {
            // A run that goes on from one line to the next is one again; its parts follow each other.
            let (mut owner, mut end) = (usize::MAX, 0);
            let mut put = |of: usize, run: Run| {
                put(of, run, of == owner && end == run.start);
                (owner, end) = (of, run.end());
            };
            if count == 1 {
                base.runs_at(label).iter().for_each(|&run| put(first, run));
            } else {
                lines::joined(
                    base.runs_at(label),
                    length,
                    #[inline(always)]
                    |piece| {
                        // There is one for each piece.
                        let set = sets.next().map_or(0, |&set| set as usize);
                        put(made.owners[set] as usize, piece.run(length));
                    },
                );
            }
            first += count as usize;
        }
    });
    let mut labels = Vec::new();
    reserve(&mut labels, components.len(), RUNS_OF_PIECES)?;
    labels.extend(1..=components.len() as u64);
    Ok(LabelRuns { shape: base.shape, order: base.order, labels, offsets, runs })
}

/// No place among any runs.
const NOWHERE: usize = usize::MAX;

/// Leaves the first of the largest pieces of each label. Pieces are in the order of their numbers.
fn keep_largest(all: &mut Vec<Component>, labels: usize) -> Result<()> {
    let mut largest = zeroed(labels as u64, PIECES)?;
    for component in all.iter() {
        let area = &mut largest[component.label as usize];
        *area = component.area.max(*area);
    }
    all.retain(|component| {
        let area = &mut largest[component.label as usize];
        let keep = *area == component.area;
        if keep {
            // No other piece has no pixels.
            *area = 0;
        }
        keep
    });
    Ok(())
}

/// Pieces of one label that are known to be connected, so far.
#[derive(Clone, Copy, Debug)]
struct Set {
    /// A set that it belongs to, with a smaller number; itself when it is a whole.
    parent: u32,
    /// Number of pieces.
    pieces: usize,
    area: u64,
    first: u64,
}

/// A piece of the line at hand or of the one before it.
#[derive(Clone, Copy, Debug)]
struct Near {
    start: u32,
    end: u32,
    set: u32,
}

/// Pieces near the line at hand that are kept before old ones are forgotten.
const NEAR: usize = 1 << 10;

/// Memory that is kept from label to label.
#[derive(Default)]
struct Scratch {
    pieces: Vec<Piece>,
    sets: Vec<Set>,
    near: Vec<Near>,
    /// Pairs of pieces, one of which ends with a line where the other begins with the next line, by their sets.
    seams: Vec<(u32, u32)>,
}

/// Puts two sets into one; gives the number of both together.
#[inline]
fn unite(sets: &mut [Set], a: u32, b: u32) -> u32 {
    sets[a.max(b) as usize].parent = a.min(b);
    a.min(b)
}

/// The set that holds all that is connected to a set.
#[inline]
fn top(sets: &mut [Set], mut set: u32) -> u32 {
    while sets[set as usize].parent != set {
        let parent = sets[set as usize].parent;
        sets[set as usize].parent = sets[parent as usize].parent;
        set = parent;
    }
    set
}

/// The components that sets make up, and for each set its component; both after those that are there already. Runs that go on
/// over a seam are one.
fn gather(
    sets: &[Set],
    seams: &[(u32, u32)],
    label: u32,
    components: &mut Vec<Component>,
    owners: &mut Vec<u32>,
) -> Result<()> {
    let before = owners.len();
    reserve(owners, sets.len(), PIECES)?;
    // A parent has its component before its children ask.
    for (index, set) in sets.iter().enumerate() {
        let mut owner = components.len();
        if set.parent as usize == index {
            let Set { area, first, pieces: runs, .. } = *set;
            reserve(components, 1, PIECES)?;
            components.push(Component { first, area, runs, index: owner, label, holes: false });
        } else {
            owner = owners[before + set.parent as usize] as usize;
            let component = &mut components[owner];
            component.area += set.area;
            component.runs += set.pieces;
            component.first = component.first.min(set.first);
        }
        owners.push(owner as u32);
    }
    for &(one, other) in seams {
        let (one, other) = (owners[before + one as usize], owners[before + other as usize]);
        if one == other {
            components[one as usize].runs -= 1;
        }
    }
    Ok(())
}

#[cold]
fn too_many(found: usize) -> Error {
    let what = "connected pieces of some labels".into();
    Error::LimitExceeded { what, limit: u64::from(u32::MAX), found: found as u64 }
}

/// The first pixel and the area of a label that is in one piece for sure, and whose pieces are its runs: it has one piece in
/// each of its lines, which touches that of the line before. Nearly all cells and nuclei are so.
fn simple(pieces: &[Piece], length: u32, apart: u32, column_major: bool) -> Option<(u64, u64)> {
    let (&one, others) = pieces.split_first()?;
    let (mut first, mut area, mut before) = (place(one.line, one.start, column_major), one.area(), one);
    for &piece in others {
        let follows = piece.line == before.last_line() + 1;
        let touches = piece.start + apart <= before.end && before.start + apart <= piece.end;
        let goes_on = piece.start == 0 && before.end == length;
        if !follows || !touches || goes_on {
            return None;
        }
        first = first.min(place(piece.line, piece.start, column_major));
        area += piece.area();
        before = piece;
    }
    Some((first, area))
}

/// The column and the row of a pixel of a scan line, as one number.
#[inline]
fn place(line: u32, offset: u32, column_major: bool) -> u64 {
    let (column, row) = if column_major { (line, offset) } else { (offset, line) };
    u64::from(column) << 32 | u64::from(row)
}

impl Scratch {
    /// Finds the connected pieces of a label.
    fn take_apart(
        &mut self,
        base: &LabelRuns,
        length: u32,
        connectivity: Connectivity,
        label: usize,
        made: &mut Block,
    ) -> Result<()> {
        let Self { pieces, sets, near, seams } = self;
        sets.clear();
        near.clear();
        seams.clear();
        // What is connected by edges only must share a place at least.
        let apart = u32::from(connectivity == Connectivity::Four);
        let (numbers, owners) = (made.sets.len(), made.owners.len());
        let column_major = base.order == ScanOrder::ColumnMajor;
        // Pairs that touch: with as many as pieces, less one for each component, there is no hole.
        let mut touch = 0;
        let mut before = 0..0;
        let mut line_start = 0;
        let mut line: Option<Piece> = None;
        let mut too_many = false;
        lines::pieces(base.runs_at(label), length, pieces)?;
        if let Some((first, area)) = simple(pieces, length, apart, column_major) {
            let (index, runs) = (made.components.len(), pieces.len());
            reserve(&mut made.components, 1, PIECES)?;
            made.components.push(Component { first, area, runs, index, label: label as u32, holes: false });
            made.counts.push(1);
            return Ok(());
        }
        reserve(&mut made.sets, pieces.len(), PIECES)?;
        for &piece in &*pieces {
            reserve(sets, 1, PIECES)?;
            reserve(near, 1, PIECES)?;
            if line.is_none_or(|last| last.line != piece.line) {
                let follows = line.is_some_and(|last| last.last_line() + 1 == piece.line);
                if near.len() > NEAR {
                    near.drain(..line_start);
                    line_start = 0;
                }
                before = if follows { line_start } else { near.len() }..near.len();
                line_start = near.len();
                if let (true, 0, Some(last)) = (follows, piece.start, near.last().filter(|last| last.end == length)) {
                    // The second number is that of the piece's set, which is known below.
                    reserve(seams, 1, PIECES)?;
                    seams.push((last.set, u32::MAX));
                }
                line = Some(piece);
            }
            // Whoever ends before the piece touches nothing further.
            while before.start < before.end && near[before.start].end < piece.start + apart {
                before.start += 1;
            }
            let touches = |at: usize| at < before.end && near[at].start + apart <= piece.end;
            let mut own = None;
            if touches(before.start) {
                let mut set = top(sets, near[before.start].set);
                touch += 1;
                // That there is a second neighbour is rare and can be foreseen; which of two pieces ends first cannot.
                while touches(before.start + 1) {
                    before.start += 1;
                    touch += 1;
                    let other = top(sets, near[before.start].set);
                    if other != set {
                        set = unite(sets, set, other);
                    }
                }
                own = Some(set);
            }
            let (first, area) = (place(piece.line, piece.start, column_major), piece.area());
            let set = own.unwrap_or_else(|| {
                let set = sets.len() as u32;
                too_many |= owners + sets.len() >= u32::MAX as usize;
                sets.push(Set { parent: set, pieces: 0, area: 0, first });
                set
            });
            let known = &mut sets[set as usize];
            known.pieces += 1;
            known.area += area;
            known.first = known.first.min(first);
            if let Some((_, unknown @ u32::MAX)) = seams.last_mut() {
                *unknown = set;
            }
            near.push(Near { start: piece.start, end: piece.end, set });
            made.sets.push((owners + set as usize) as u32);
        }
        if too_many {
            return Err(self::too_many(owners + sets.len()));
        }
        let start = made.components.len();
        gather(sets, seams, label as u32, &mut made.components, &mut made.owners)?;
        let components = &mut made.components[start..];
        // Of all components together.
        let holes = made.sets.len() - numbers < touch + components.len();
        components.iter_mut().for_each(|component| component.holes = holes);
        made.counts.push((made.components.len() - start) as u32);
        if made.components.len() - start < 2 {
            // Nobody asks for the sets of a label in one piece.
            made.sets.truncate(numbers);
            made.owners.truncate(owners);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
