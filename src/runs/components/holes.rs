//! Holes of pieces, and what fills them.
//!
//! A hole is a connected stretch of pixels that are not the piece's, inside its box and nowhere at the box's border. It may
//! hold other pieces, whose pixels count as the hole's and are never filled.

use std::collections::BTreeSet;

use super::{Component, ComponentOptions};
use crate::error::Result;
use crate::memory::{extend, refill, reserve, zeroed};
use crate::runs::build::{Empty, Tail, build};
use crate::runs::lines::{self, Piece, by_line, touching};
use crate::runs::measure::{Connectivity, root, union};
use crate::runs::sets::{SetOperation, combine};
use crate::runs::{LabelRuns, RUNS, Run, push};
use crate::threads;

/// Pieces whose holes a thread finds at a time.
const BLOCK: usize = 64;

/// What an error calls their memory.
const HOLES: &str = "holes of connected pieces";

/// Who gets the pixels of a hole: the least of those that it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Area of the hole.
    area: u64,
    /// The number of the piece around it.
    piece: usize,
}

/// Background that a piece may fill.
struct Stretch {
    start: u64,
    end: u64,
    rank: Rank,
}

/// A hole of a piece.
struct Hole {
    area: u64,
    runs: Vec<Run>,
}

/// Fills the holes of pieces, where they are background in `mask`. `runs` has those of each component, in the same order.
pub(super) fn fill(
    runs: LabelRuns,
    components: &mut [Component],
    mask: &LabelRuns,
    length: u32,
    options: &ComponentOptions,
) -> Result<LabelRuns> {
    let pieces: Vec<usize> = (0..components.len()).filter(|&piece| components[piece].holes).collect();
    let of_pieces = |block: usize| {
        let pieces = &pieces[block * BLOCK..pieces.len().min((block + 1) * BLOCK)];
        let mut found: Vec<(usize, Hole)> = Vec::new();
        for &piece in pieces {
            let holes = holes(runs.runs_at(piece), length, options)?;
            reserve(&mut found, holes.len(), HOLES)?;
            found.extend(holes.into_iter().map(|hole| (piece, hole)));
        }
        Ok(found)
    };
    let mut parts = threads::try_map(threads::each, pieces.len().div_ceil(BLOCK), of_pieces)?;
    let mut holes = Vec::new();
    reserve(&mut holes, parts.iter().map(Vec::len).sum(), HOLES)?;
    parts.iter_mut().for_each(|part| holes.append(part));
    if holes.is_empty() {
        return Ok(runs);
    }
    let foreground = mask.foreground(1)?;
    let mut stretches = Vec::new();
    for &(piece, Hole { area, ref runs }) in &holes {
        let rank = Rank { area, piece };
        for run in runs {
            let from = foreground.runs.partition_point(|other| other.end() <= run.start);
            let to = from + foreground.runs[from..].partition_point(|other| other.start < run.end());
            // What is cut out of it leaves one more at most.
            reserve(&mut stretches, to - from + 1, HOLES)?;
            combine(std::slice::from_ref(run), &foreground.runs[from..to], SetOperation::Difference, |run| {
                stretches.push(Stretch { start: run.start, end: run.end(), rank });
            });
        }
    }
    let filled = innermost(&stretches)?;
    for (piece, runs) in &filled {
        components[*piece].area += runs.iter().map(|run| run.length).sum::<u64>();
    }
    build(runs.shape, runs.order, components.len(), Empty::Keep, |piece, into| {
        let own = runs.runs_at(piece);
        match filled.binary_search_by_key(&piece, |filled| filled.0) {
            Ok(index) => {
                let filled = &filled[index].1;
                let mut tail = Tail::new(into, own.len() + filled.len())?;
                combine(own, filled, SetOperation::Union, |run| tail.push(run));
            }
            Err(_) => extend(into, own, RUNS)?,
        }
        Ok(runs.labels[piece])
    })
}

/// The pixels that each piece gets, where each goes to the least rank that covers it.
fn innermost(stretches: &[Stretch]) -> Result<Vec<(usize, Vec<Run>)>> {
    let mut events: Vec<(u64, bool, Rank)> = Vec::new();
    reserve(&mut events, 2 * stretches.len(), HOLES)?;
    for stretch in stretches {
        events.push((stretch.start, true, stretch.rank));
        events.push((stretch.end, false, stretch.rank));
    }
    // Ends come before beginnings at the same place: a piece may fill two stretches that touch.
    events.sort_unstable();
    let mut active = BTreeSet::new();
    let mut filled: Vec<(usize, Run)> = Vec::new();
    let mut at = 0;
    for (position, begins, rank) in events {
        if let Some(&Rank { piece, .. }) = active.first()
            && position > at
        {
            reserve(&mut filled, 1, HOLES)?;
            filled.push((piece, Run { start: at, length: position - at }));
        }
        at = position;
        if begins {
            active.insert(rank)
        } else {
            active.remove(&rank)
        };
    }
    filled.sort_unstable_by_key(|(piece, run)| (*piece, run.start));
    let mut pieces: Vec<(usize, Vec<Run>)> = Vec::new();
    for (piece, run) in filled {
        reserve(&mut pieces, 1, HOLES)?;
        match pieces.last_mut() {
            Some((last, runs)) if *last == piece => {
                reserve(runs, 1, HOLES)?;
                push(runs, run);
            }
            _ => pieces.push((piece, vec![run])),
        }
    }
    Ok(pieces)
}

/// The holes of one connected piece that are not too large.
fn holes(runs: &[Run], length: u32, options: &ComponentOptions) -> Result<Vec<Hole>> {
    let mut pieces = Vec::new();
    lines::pieces(runs, length, &mut pieces)?;
    let low = pieces.iter().map(|piece| piece.start).min().unwrap_or(0);
    let high = pieces.iter().map(|piece| piece.end).max().unwrap_or(0);
    // What the piece leaves of each line of its box; it covers something of each.
    let mut gaps: Vec<Piece> = Vec::new();
    reserve(&mut gaps, 2 * pieces.len(), HOLES)?;
    for range in by_line(&pieces) {
        let (mut start, Piece { line, .. }) = (low, pieces[range.start]);
        for piece in &pieces[range] {
            if start < piece.start {
                gaps.push(Piece { line, lines: 1, start, end: piece.start });
            }
            start = piece.end;
        }
        if start < high {
            gaps.push(Piece { line, lines: 1, start, end: high });
        }
    }
    let first = pieces.first().map_or(0, |piece| piece.line);
    let last = pieces.last().map_or(0, |piece| piece.last_line());
    let mut parents: Vec<usize> = Vec::new();
    reserve(&mut parents, gaps.len(), HOLES)?;
    parents.extend(0..gaps.len());
    let mut before = 0..0;
    for range in by_line(&gaps) {
        if gaps[before.clone()].first().is_some_and(|gap| gap.line + 1 == gaps[range.start].line) {
            touching(&gaps[before.clone()], &gaps[range.clone()], |i, j| {
                let (i, j) = (before.start + i, range.start + j);
                // What is outside is connected the other way than what is inside.
                let corner = gaps[i].start >= gaps[j].end || gaps[j].start >= gaps[i].end;
                if options.connectivity == Connectivity::Four || !corner {
                    union(&mut parents, i, j);
                }
            });
        }
        before = range;
    }
    // Each root's area; none where it is open.
    let mut areas: Vec<u64> = zeroed(gaps.len() as u64, HOLES)?;
    let mut open: Vec<bool> = zeroed(gaps.len() as u64, HOLES)?;
    for (index, gap) in gaps.iter().enumerate() {
        let root = root(&mut parents, index);
        areas[root] += u64::from(gap.length());
        open[root] |= gap.start == low || gap.end == high || gap.line == first || gap.line == last;
    }
    let mut found: Vec<Hole> = Vec::new();
    let mut numbers = Vec::new();
    refill(&mut numbers, gaps.len(), usize::MAX, HOLES)?;
    for (index, gap) in gaps.iter().enumerate() {
        let root = root(&mut parents, index);
        if open[root] || areas[root] > options.fill_holes {
            continue;
        }
        if numbers[root] == usize::MAX {
            numbers[root] = found.len();
            reserve(&mut found, 1, HOLES)?;
            found.push(Hole { area: areas[root], runs: Vec::new() });
        }
        let start = u64::from(gap.line) * u64::from(length) + u64::from(gap.start);
        let runs = &mut found[numbers[root]].runs;
        reserve(runs, 1, HOLES)?;
        runs.push(Run { start, length: u64::from(gap.length()) });
    }
    Ok(found)
}
