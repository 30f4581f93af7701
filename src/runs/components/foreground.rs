//! Connected pieces of a foreground whose scan lines are at hand, so that two lines are compared at a time.
//!
//! Gets where the foreground begins and ends in each line; gives what taking the same runs apart as those of one label gives.
//! The lines are read twice: for the sets that their stretches belong to, and for the runs, whose places are known then.

use super::{
    Component, ComponentOptions, Components, NOWHERE, PIECES, RUNS_OF_PIECES, Set, gather, keep, place, too_many, top,
    unite,
};
use crate::error::{Error, Result};
use crate::memory::{List, refill, reserve};
use crate::runs::lines::cut;
use crate::runs::measure::Connectivity;
use crate::runs::{LabelRuns, Run};
use crate::shape::{ScanOrder, Shape};

/// A stretch of foreground in a scan line: where it begins and where it ends.
pub(crate) type Stretch = [u32; 2];

/// The scan lines of a foreground.
pub(crate) trait Foreground {
    /// How many stretches there are at most.
    fn most(&self) -> u64;

    /// Calls `call` with lines in ascending order and their stretches, which ascend and do not touch; lines without any may be
    /// left out.
    fn each(&self, call: impl FnMut(u32, &[Stretch]));
}

/// The runs of one label.
pub(super) struct OneLabel<'a> {
    pub(super) runs: &'a [Run],
    /// Pixels in a line.
    pub(super) length: u32,
}

impl OneLabel<'_> {
    /// Whether no run is longer than a line, so that there are at most two stretches for each run.
    pub(super) fn is_fine(&self) -> bool {
        self.runs.iter().fold(true, |fine, run| fine & (run.length <= u64::from(self.length)))
    }
}

impl Foreground for OneLabel<'_> {
    fn most(&self) -> u64 {
        // A run of at most one line has parts in two at most.
        2 * self.runs.len() as u64
    }

    #[inline]
    fn each(&self, mut call: impl FnMut(u32, &[Stretch])) {
        let (mut stretches, mut line) = (Vec::<Stretch>::new(), 0);
        cut(self.runs, self.length, |piece| {
            if piece.line != line {
                if !stretches.is_empty() {
                    call(line, &stretches);
                    stretches.clear();
                }
                line = piece.line;
            }
            match stretches.last_mut() {
                Some(last) if last[1] == piece.start => last[1] = piece.end,
                _ => stretches.push([piece.start, piece.end]),
            }
        });
        if !stretches.is_empty() {
            call(line, &stretches);
        }
    }
}

impl Components {
    /// The connected pieces of a foreground, which is one label. Its lines are in `lines` order; the runs will be in `order`,
    /// which says the same of its positions, and in the memory of earlier ones. `room` is for the time of the call.
    pub(crate) fn of_foreground(
        base: &impl Foreground,
        shape: Shape,
        lines: ScanOrder,
        order: ScanOrder,
        options: &ComponentOptions,
        spare: List<Run>,
        room: &mut Room,
    ) -> Result<Self> {
        let length = shape.line_length(lines);
        let Room { sets, of_stretches, all, owners, places } = room;
        sets.clear();
        of_stretches.clear();
        all.clear();
        owners.clear();
        let most = usize::try_from(base.most()).unwrap_or(usize::MAX);
        reserve(of_stretches, most, "stretches of a foreground")?;
        let mut found = Found::new(options.connectivity, lines, sets, of_stretches);
        base.each(|line, stretches| found.add(line, length, stretches));
        let Found { seams, failed, .. } = found;
        failed.map_or(Ok(()), Err)?;
        gather(sets, &seams, 0, all, owners)?;
        all.sort_unstable_by_key(|component: &Component| component.first);
        keep(all, options, 1)?;

        refill(places, owners.len(), NOWHERE, PIECES)?;
        let (mut offsets, mut labels, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        reserve(&mut offsets, all.len() + 1, RUNS_OF_PIECES)?;
        reserve(&mut labels, all.len(), RUNS_OF_PIECES)?;
        refill(&mut sources, all.len(), 1, RUNS_OF_PIECES)?;
        offsets.push(0);
        for component in &*all {
            let end = offsets[offsets.len() - 1];
            places[component.index] = end;
            offsets.push(end + component.runs);
        }
        // Every place is written below.
        let mut runs = List::sized(spare, offsets[offsets.len() - 1], RUNS_OF_PIECES)?;
        let mut rest = &of_stretches[..];
        // The line and the owner of the stretch that reaches the end of the line before.
        let mut open = None;
        base.each(|line, stretches| {
            let (of_line, others) = rest.split_at(stretches.len());
            rest = others;
            let start_of_line = u64::from(line) * u64::from(length);
            for (&[start, end], &set) in stretches.iter().zip(of_line) {
                let owner = owners[set as usize];
                let place = &mut places[owner as usize];
                if start == 0 && open == Some((line, owner)) {
                    // A run that goes on from one line to the next is one.
                    if let Some(before) = runs.get_mut(place.wrapping_sub(1)) {
                        before.length += u64::from(end);
                    }
                } else if let Some(run) = runs.get_mut(*place) {
                    *run = Run { start: start_of_line + u64::from(start), length: u64::from(end - start) };
                    *place += 1;
                }
            }
            let last = stretches.last().zip(of_line.last()).filter(|([_, end], _)| *end == length);
            open = last.map(|(_, &set)| (line.wrapping_add(1), owners[set as usize]));
        });
        labels.extend(1..=all.len() as u64);
        let runs = LabelRuns { shape: Some(shape), order, labels, offsets, runs };
        Ok(Self { runs, sources })
    }
}

/// Memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct Room {
    sets: Vec<Set>,
    of_stretches: Vec<u32>,
    all: Vec<Component>,
    owners: Vec<u32>,
    places: Vec<usize>,
}

/// What is found line by line.
struct Found<'a> {
    /// How many places stretches that touch must share at least.
    apart: u32,
    order: ScanOrder,
    sets: &'a mut Vec<Set>,
    /// The set of each stretch, in order.
    of_stretches: &'a mut Vec<u32>,
    /// Pairs of stretches, one of which ends with a line where the other begins with the next line, by their sets.
    seams: Vec<(u32, u32)>,
    /// Why lines are not looked at any more.
    failed: Option<Error>,
    /// The line before: the last one that has any stretches.
    line: Option<u32>,
    /// Its stretches, and one beyond its end.
    before: Vec<Stretch>,
    /// The sets of the line at hand.
    of_line: Vec<u32>,
}

impl<'a> Found<'a> {
    fn new(
        connectivity: Connectivity,
        order: ScanOrder,
        sets: &'a mut Vec<Set>,
        of_stretches: &'a mut Vec<u32>,
    ) -> Self {
        Self {
            apart: u32::from(connectivity == Connectivity::Four),
            order,
            sets,
            of_stretches,
            seams: Vec::new(),
            failed: None,
            line: None,
            before: vec![BEYOND],
            of_line: Vec::new(),
        }
    }

    /// Puts the stretches of a line further on into sets.
    #[inline]
    fn add(&mut self, line: u32, length: u32, stretches: &[Stretch]) {
        if self.line.is_none_or(|before| before + 1 != line) {
            // Nothing touches the lines in between.
            self.before.splice(.., [BEYOND]);
        }
        self.line = Some(line);
        let Self { apart, order, sets, of_stretches, before, of_line, .. } = self;
        let of_before = &of_stretches[of_stretches.len() - (before.len() - 1)..];
        let (apart, column_major) = (*apart, *order == ScanOrder::ColumnMajor);
        if sets.len() + stretches.len() > u32::MAX as usize {
            self.failed = Some(too_many(sets.len()));
        } else if let Err(error) = reserve(sets, stretches.len(), PIECES) {
            self.failed = Some(error);
        }
        if self.failed.is_some() {
            return;
        }
        of_line.clear();
        of_line.resize(stretches.len(), 0);
        let mut near = 0;
        for (&[start, end], own) in stretches.iter().zip(&mut *of_line) {
            // What ends before the stretch touches nothing further.
            while before[near][1] < start + apart {
                near += 1;
            }
            let first = place(line, start, column_major);
            // No stretch begins beyond it.
            let reach = (end - apart).min(u32::MAX - 1);
            let set = if before[near][0] <= reach {
                let mut set = top(sets, of_before[near]);
                // That there is a second one is rare and can be foreseen; which of two stretches ends first cannot.
                while before[near + 1][0] <= reach {
                    near += 1;
                    let other = top(sets, of_before[near]);
                    if other != set {
                        set = unite(sets, set, other);
                    }
                }
                set
            } else {
                sets.push(Set { parent: sets.len() as u32, pieces: 0, area: 0, first });
                sets.len() as u32 - 1
            };
            let known = &mut sets[set as usize];
            known.pieces += 1;
            known.area += u64::from(end - start);
            if !column_major {
                known.first = known.first.min(first);
            }
            *own = set;
        }
        if let ([.., [_, end], _], [.., last], [[0, _], ..], [first, ..]) =
            (&before[..], of_before, stretches, &of_line[..])
            && *end == length
        {
            self.seams.push((*last, *first));
        }
        self.of_stretches.extend_from_slice(&self.of_line);
        self.before.clear();
        self.before.extend_from_slice(stretches);
        self.before.push(BEYOND);
    }
}

/// What lies beyond all lines.
const BEYOND: Stretch = [u32::MAX; 2];
