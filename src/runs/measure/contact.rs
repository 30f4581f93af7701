//! What touches from one scan line to the next: the figures of which outline, Crofton perimeter, Euler number and number of
//! pieces are made.

use super::Connectivity;
use crate::runs::lines::{Piece, by_line, touching};

/// Sums over all pairs of neighbouring scan lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Contact {
    /// Runs, each within its line.
    pub(super) runs: u64,
    /// Pixels whose neighbour at the same place of the next line is covered too.
    pub(super) straight: u64,
    /// Pixels whose neighbour in the next line and one place further is covered too.
    pub(super) down: u64,
    /// Pixels whose neighbour in the next line and one place back is covered too.
    pub(super) up: u64,
    /// Pairs of runs that touch at an edge.
    pub(super) pairs_4: u64,
    /// Pairs of runs that touch at an edge or a corner.
    pub(super) pairs_8: u64,
    /// Connected pieces, when they were asked for.
    pub(super) pieces: u64,
}

/// Works out contacts in memory that is kept from label to label.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    parents: Vec<usize>,
}

impl Contacts {
    /// The contacts of a label's pieces; how many connected pieces they make when a connectivity is given.
    pub(super) fn of(&mut self, pieces: &[Piece], connectivity: Option<Connectivity>) -> Contact {
        let mut contact = Contact::default();
        let parents = &mut self.parents;
        parents.clear();
        if connectivity.is_some() {
            parents.extend(0..pieces.len());
            contact.pieces = pieces.len() as u64;
        }
        let mut before = 0..0;
        for range in by_line(pieces) {
            let line = &pieces[range.clone()];
            for piece in line {
                let (lines, length) = (u64::from(piece.lines), u64::from(piece.length()));
                contact.runs += lines;
                // Lines that are covered whole touch each other whole.
                contact.straight += (lines - 1) * length;
                contact.down += (lines - 1) * (length - 1);
                contact.up += (lines - 1) * (length - 1);
                contact.pairs_4 += lines - 1;
                contact.pairs_8 += lines - 1;
            }
            let last = pieces[before.clone()].first().map(|piece| piece.last_line());
            if last.is_some_and(|last| last + 1 == line[0].line) {
                touching(&pieces[before.clone()], line, |i, j| {
                    let (a, b) = (pieces[before.start + i], line[j]);
                    let overlap = |moved: i64| {
                        let (start, end) = (i64::from(a.start) + moved, i64::from(a.end) + moved);
                        (end.min(i64::from(b.end)) - start.max(i64::from(b.start))).max(0) as u64
                    };
                    let straight = overlap(0);
                    contact.straight += straight;
                    contact.down += overlap(1);
                    contact.up += overlap(-1);
                    contact.pairs_4 += u64::from(straight > 0);
                    contact.pairs_8 += 1;
                    let connected = match connectivity {
                        Some(Connectivity::Eight) => true,
                        Some(Connectivity::Four) => straight > 0,
                        None => false,
                    };
                    if connected && union(parents, before.start + i, range.start + j) {
                        contact.pieces -= 1;
                    }
                });
            }
            before = range;
        }
        contact
    }
}

/// Puts two numbers into one set, whose root is its least number; whether they were in two.
#[inline]
pub(crate) fn union(parents: &mut [usize], a: usize, b: usize) -> bool {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b)] = a.min(b);
    a != b
}

/// The root of the set of a number; paths are halved on the way.
#[inline]
pub(crate) fn root(parents: &mut [usize], mut number: usize) -> usize {
    while parents[number] != number {
        parents[number] = parents[parents[number]];
        number = parents[number];
    }
    number
}
