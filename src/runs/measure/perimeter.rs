//! scikit-image's `perimeter`, from the pieces of a label.
//!
//! A pixel of the label is on its border when one of its four neighbours is outside. Each pixel of the border weighs
//! something by how many of its neighbours, at edges and at corners, are on the border too; the perimeter is the sum.
//!
//! ```text
//!   at edges   at corners   weight
//!   2 or 3     0, 1 or 2    1
//!   0          2            sqrt 2
//!   1          3            sqrt 2
//!   1          1 or 2       (1 + sqrt 2) / 2
//!   any other               0
//! ```
//!
//! Labels of little extent along the lines have one bit for each pixel, a word for each line. Of others the border is kept
//! as stretches, and goes by in steps in which no neighbour changes; so neither depends on how many pixels there are.

use std::ops::Range;

use crate::runs::lines::{Piece, by_line};

/// How many pixels of the border weigh something, by their weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weights {
    pub(super) one: u64,
    pub(super) root: u64,
    pub(super) mixed: u64,
}

impl Weights {
    /// The perimeter in pixels.
    pub(super) fn perimeter(self) -> f64 {
        let root = std::f64::consts::SQRT_2;
        self.one as f64 + self.root as f64 * root + self.mixed as f64 * ((1.0 + root) / 2.0)
    }

    fn add(&mut self, [one, root, mixed]: [u64; 3], times: u64) {
        self.one += one * times;
        self.root += root * times;
        self.mixed += mixed * times;
    }
}

/// Most places along the lines for which a word holds a line with a free bit at both ends.
const WORD: u32 = 62;

/// Works out perimeters in memory that is kept from label to label.
#[derive(Debug, Default)]
pub(super) struct Perimeter {
    rows: Vec<Row>,
    words: Vec<u64>,
    stretches: Vec<Stretch>,
    /// Where the stretches of each row begin, with the end.
    starts: Vec<usize>,
}

/// A scan line of the label, or several that are alike and lie in between others that are alike.
#[derive(Debug)]
struct Row {
    pieces: Range<usize>,
    /// Whether it is the line after the row before.
    follows: bool,
    lines: u64,
}

/// Places from a start to an end.
type Stretch = (u32, u32);

impl Perimeter {
    /// The weights of a label's pieces, whose places along the lines lie in `along`.
    pub(super) fn of(&mut self, pieces: &[Piece], along: Range<u32>) -> Weights {
        self.rows.clear();
        let mut before = None;
        for range in by_line(pieces) {
            let Piece { line, lines, .. } = pieces[range.start];
            let mut follows = before.is_some_and(|before| before + 1 == u64::from(line));
            before = Some(u64::from(line) + u64::from(lines) - 1);
            // A border reaches one line far, and counts at one line more: the lines in the middle of five are alike.
            let copies = lines.min(5);
            for copy in 0..copies {
                let lines = if copy == 2 { lines - copies + 1 } else { 1 };
                self.rows.push(Row { pieces: range.clone(), follows, lines: u64::from(lines) });
                follows = true;
            }
        }
        if along.end - along.start <= WORD { self.by_words(pieces, along.start) } else { self.by_stretches(pieces) }
    }

    fn by_words(&mut self, pieces: &[Piece], first: u32) -> Weights {
        let Self { rows, words, .. } = self;
        let follows = |row: usize| rows.get(row).is_some_and(|row| row.follows);
        // Words of the label's own pixels, then of its border; a row without pixels stands at both ends.
        words.clear();
        words.push(0);
        words.extend(rows.iter().map(|row| {
            pieces[row.pieces.clone()].iter().fold(0, |word, piece| {
                // Bit 0 stays free.
                word | (u64::MAX >> (64 - piece.length())) << (piece.start - first + 1)
            })
        }));
        words.push(0);
        let mut own = 0;
        for row in 0..rows.len() {
            let before = if follows(row) { own } else { 0 };
            own = words[row + 1];
            let after = if follows(row + 1) { words[row + 2] } else { 0 };
            words[row + 1] = own & !((own << 1) & (own >> 1) & before & after);
        }
        let mut weights = Weights::default();
        for (row, Row { lines, .. }) in rows.iter().enumerate() {
            let before = if follows(row) { words[row] } else { 0 };
            let after = if follows(row + 1) { words[row + 2] } else { 0 };
            weights.add(weigh_word(before, words[row + 1], after), *lines);
        }
        weights
    }

    fn by_stretches(&mut self, pieces: &[Piece]) -> Weights {
        let Self { rows, stretches, starts, .. } = self;
        stretches.clear();
        starts.clear();
        let own = |row: usize| &pieces[rows[row].pieces.clone()];
        for row in 0..rows.len() {
            starts.push(stretches.len());
            let before = if rows[row].follows { own(row - 1) } else { &[] };
            let after = if rows.get(row + 1).is_some_and(|row| row.follows) { own(row + 1) } else { &[] };
            border(own(row), before, after, |stretch| stretches.push(stretch));
        }
        starts.push(stretches.len());
        let border = |row: usize| &stretches[starts[row]..starts[row + 1]];
        let mut weights = Weights::default();
        for (row, Row { follows, lines, .. }) in rows.iter().enumerate() {
            let before = if *follows { border(row - 1) } else { &[] };
            let after = if rows.get(row + 1).is_some_and(|row| row.follows) { border(row + 1) } else { &[] };
            weights.add(weigh_stretches(before, border(row), after), *lines);
        }
        weights
    }
}

/// The pixels of a line that have a neighbour outside, given the lines beside it.
fn border(own: &[Piece], before: &[Piece], after: &[Piece], mut each: impl FnMut(Stretch)) {
    let (mut i, mut j) = (0, 0);
    for piece in own {
        let mut from = piece.start;
        // What both lines beside it cover, the ends of the piece aside, is inside.
        while let (Some(a), Some(b)) = (before.get(i), after.get(j)) {
            let start = a.start.max(b.start).max(piece.start + 1);
            let end = a.end.min(b.end).min(piece.end - 1);
            if start < end {
                each((from, start));
                from = end;
            }
            if a.end.min(b.end) >= piece.end {
                break;
            }
            if a.end <= b.end { i += 1 } else { j += 1 }
        }
        each((from, piece.end));
    }
}

/// How many pixels of a line of 64 weigh something, with the lines beside it.
#[inline]
fn weigh_word(before: u64, own: u64, after: u64) -> [u64; 3] {
    // Counts of four neighbours each, as binary digits: 1, 2 and 4.
    let count = |a: u64, b: u64, c: u64, d: u64| {
        let (ab, cd) = (a ^ b, c ^ d);
        let four = a & b & c & d;
        (ab ^ cd, ((a & b) ^ (c & d)) | (ab & cd), four)
    };
    let edges = count(own << 1, own >> 1, before, after);
    let corners = count(before << 1, before >> 1, after << 1, after >> 1);
    let none_or_one = !edges.1 & !edges.2;
    let three = corners.0 & corners.1;
    let two = corners.1 & !corners.0;
    let some = corners.0 | corners.1;
    let one = own & edges.1 & !corners.2 & !three;
    let root = own & none_or_one & ((!edges.0 & two) | (edges.0 & three));
    let mixed = own & none_or_one & edges.0 & some & !three;
    [one, root, mixed].map(|word| u64::from(word.count_ones()))
}

/// The weight of a pixel by the neighbours at its edges and at its corners: none, one, root, mixed.
const WEIGHT: [[usize; 5]; 5] = [[0, 0, 2, 0, 0], [0, 3, 3, 2, 0], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]];

/// The same for stretches of a line.
fn weigh_stretches(before: &[Stretch], own: &[Stretch], after: &[Stretch]) -> [u64; 3] {
    let mut counts = [0; 4];
    let (mut above, mut beside, mut below) = (Look::new(before), Look::new(own), Look::new(after));
    for &(start, end) in own {
        let mut at = start;
        while at < end {
            let (a, b, c) = (above.at(at), beside.at(at), below.at(at));
            let edges =
                usize::from(a.seen[1]) + usize::from(c.seen[1]) + usize::from(b.seen[0]) + usize::from(b.seen[2]);
            let corners: usize = [a.seen[0], a.seen[2], c.seen[0], c.seen[2]].into_iter().map(usize::from).sum();
            let next = a.until.min(b.until).min(c.until).min(end);
            counts[WEIGHT[edges][corners]] += u64::from(next - at);
            at = next;
        }
    }
    [counts[1], counts[2], counts[3]]
}

/// Looks at three neighbouring places of a line, further on each time.
struct Look<'a> {
    stretches: &'a [Stretch],
    next: usize,
}

/// Which of the places before, at and after one are covered, and from where on that changes.
struct Seen {
    seen: [bool; 3],
    until: u32,
}

impl<'a> Look<'a> {
    fn new(stretches: &'a [Stretch]) -> Self {
        Self { stretches, next: 0 }
    }

    fn at(&mut self, place: u32) -> Seen {
        // Nothing that ends before the place is seen again.
        while self.stretches.get(self.next).is_some_and(|&(_, end)| end < place) {
            self.next += 1;
        }
        let mut seen = [false; 3];
        let mut until = u32::MAX;
        // Stretches do not touch, so that no third one is near.
        for &(start, end) in self.stretches[self.next..].iter().take(2) {
            seen[0] |= start < place && place <= end;
            seen[1] |= start <= place && place < end;
            seen[2] |= start <= place + 1 && place + 1 < end;
            // An edge is seen first as the place after, then as the place itself, then as the one before.
            for edge in [start, end] {
                if edge >= place {
                    until = until.min(if edge > place + 1 { edge - 1 } else { place + 1 });
                }
            }
        }
        Seen { seen, until }
    }
}
