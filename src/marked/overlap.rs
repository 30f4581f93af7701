//! Overlaps of two marked masks: both are walked line by line together.
//!
//! Most pairs of labels that share pixels in a line did so in the line before. So their pixels are added up in a small table,
//! in which a pair that needs the place of another turns it out; pairs that were turned out more than once are put together at
//! last.

use super::{LABELS, LineRun, Lines, Marked, Numbers};
use crate::error::Result;
use crate::memory::reserve;
use crate::runs::{Found, Overlaps, Scores, pairs, same_shape};
use crate::threads;

impl Marked {
    /// The pairs of labels of this mask and another that share pixels: [`LabelRuns::overlaps`](crate::LabelRuns::overlaps).
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) when the masks have different shapes.
    ///
    /// ```
    /// use runmask::{Encoder, LabelMask, Overlap, Shape};
    /// let encoder = Encoder::builder().build()?;
    /// let shape = Shape { height: 1, width: 5 };
    /// let (one, other) = (LabelMask::new(&[7u8, 7, 7, 0, 2], shape)?, LabelMask::new(&[0u8, 4, 4, 4, 4], shape)?);
    /// let overlaps = encoder.mark(&one)?.overlaps(&encoder.mark(&other)?)?;
    /// assert_eq!(overlaps.pairs()[1], Overlap { first: 7, second: 4, pixels: 2 });
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn overlaps(&self, other: &Self) -> Result<Overlaps> {
        same_shape(Some(self.shape()), Some(other.shape()))?;
        match self.overlaps_by_lines(other)? {
            Some(overlaps) => Ok(overlaps),
            None => self.runs()?.overlaps(&other.runs()?),
        }
    }

    /// The scores of `prediction` where this mask is the truth: [`LabelRuns::compare`](crate::LabelRuns::compare).
    ///
    /// # Errors
    /// Those of [`Marked::overlaps`] and of [`Overlaps::scores`].
    pub fn compare(&self, prediction: &Self, thresholds: &[f64]) -> Result<Scores> {
        self.overlaps(prediction)?.scores(thresholds)
    }

    /// The same in one walk over both masks; `None` where their lines differ or labels are far apart.
    pub(super) fn overlaps_by_lines(&self, other: &Self) -> Result<Option<Overlaps>> {
        let lines = [&*self.lines(), &*other.lines()];
        let [(first, most), (second, most_too)] = lines.map(|lines| lines.lists());
        let most = most.min(most_too).min(self.threads).min(other.threads);
        if most == 0 || self.line_order() != other.line_order() {
            return Ok(None);
        }
        let chunks = lines[0].chunks(most);
        let count = |chunk: usize| {
            let mut counter = Counter::new([first, second])?;
            chunks[chunk].clone().try_for_each(|line| counter.line(lines, line))?;
            Ok(counter.finish())
        };
        let mut parts = threads::try_map(threads::each, chunks.len(), count)?;
        let ((first, ones), (second, twos)) = (areas(&parts, 0)?, areas(&parts, 1)?);
        for (part, (ones, twos)) in parts.iter_mut().zip(ones.iter().zip(&twos)) {
            for (one, two, _) in &mut part.found {
                (*one, *two) = (ones[*one as usize], twos[*two as usize]);
            }
        }
        let found: Vec<&[Found]> = parts.iter().map(|part| &part.found[..]).collect();
        let pairs = pairs(&found, first.len(), |one| first[one as usize].0, |two| second[two as usize].0)?;
        Ok(Some(Overlaps { pairs, first, second }))
    }
}

/// Labels with their areas.
type Areas = Vec<(u64, u64)>;

/// Each label of a mask with its area, ascending; and for each part the places of its numbers among them.
fn areas(parts: &[Counter], mask: usize) -> Result<(Areas, Vec<Vec<u32>>)> {
    let (labels, places) = Numbers::together(&parts.iter().map(|part| &part.labels[mask].0).collect::<Vec<_>>())?;
    let mut areas = Areas::new();
    reserve(&mut areas, labels.len(), LABELS)?;
    areas.extend(labels.into_iter().map(|label| (label, 0)));
    for (part, places) in parts.iter().zip(&places) {
        part.labels[mask].1.iter().zip(places).for_each(|(area, &place)| areas[place as usize].1 += area);
    }
    Ok((areas, places))
}

/// What an error calls the memory of pairs.
const PAIRS_OF_LABELS: &str = "pairs of labels that overlap";

/// Pairs whose pixels are added up at a time, as a power of two: those of a line of a large mask, in a processor's cache.
const PAIRS: u32 = 13;

/// Two labels as one number, and pixels that they share.
#[derive(Clone, Copy, Debug, Default)]
struct Shared {
    labels: u64,
    pixels: u64,
}

/// Adds up the pixels of labels and of pairs of labels, line by line.
struct Counter {
    runs: [Vec<LineRun>; 2],
    shared: Vec<Shared>,
    /// The pixels of pairs, by a mix of their labels.
    table: Vec<Shared>,
    found: Vec<Found>,
    /// The numbers of the labels of either mask, and the pixels of each.
    labels: [(Numbers, Vec<u64>); 2],
}

impl Counter {
    fn new([first, second]: [usize; 2]) -> Result<Self> {
        let labels = |places: usize| Ok((Numbers::new(places)?, Vec::new()));
        Ok(Self {
            runs: [Vec::new(), Vec::new()],
            shared: Vec::new(),
            table: vec![Shared::default(); 1 << PAIRS],
            found: Vec::new(),
            labels: [labels(first)?, labels(second)?],
        })
    }

    fn line(&mut self, lines: [&dyn Lines; 2], line: u32) -> Result<()> {
        let Self { runs: [one, two], shared, table, found, labels: [first, second] } = self;
        let one = read(lines[0], line, one, first)?;
        let two = read(lines[1], line, two, second)?;
        if one.is_empty() || two.is_empty() {
            return Ok(());
        }
        // Of two runs one ends, or both do, in each step.
        let most = one.len() + two.len();
        if shared.len() < most {
            shared.resize(most, Shared::default());
        }
        let (mut i, mut j, mut count) = (0, 0, 0);
        while let (Some(a), Some(b)) = (one.get(i), two.get(j)) {
            let pixels = a.end.min(b.end).saturating_sub(a.start.max(b.start));
            shared[count] = Shared { labels: u64::from(a.label) << 32 | u64::from(b.label), pixels: u64::from(pixels) };
            // Whether they share any cannot be foreseen.
            count += usize::from(pixels > 0);
            i += usize::from(a.end <= b.end);
            j += usize::from(b.end <= a.end);
        }
        // Each may turn another one out of the table.
        reserve(found, count, PAIRS_OF_LABELS)?;
        for &Shared { labels, pixels } in &shared[..count] {
            let mixed = labels.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let entry = &mut table[(mixed >> (u64::BITS - PAIRS)) as usize];
            if entry.labels != labels {
                turn_out(*entry, found);
                *entry = Shared { labels, pixels: 0 };
            }
            entry.pixels += pixels;
        }
        Ok(())
    }

    fn finish(mut self) -> Self {
        std::mem::take(&mut self.table).into_iter().for_each(|entry| turn_out(entry, &mut self.found));
        self
    }
}

/// Reads a line, gives its labels numbers, and adds its runs to their areas.
fn read<'a>(
    lines: &dyn Lines,
    line: u32,
    into: &'a mut Vec<LineRun>,
    (numbers, areas): &mut (Numbers, Vec<u64>),
) -> Result<&'a [LineRun]> {
    let count = lines.read(line, into);
    reserve(areas, count, LABELS)?;
    let runs = &mut into[..count];
    for run in &mut *runs {
        run.label = numbers.of(run.label, || areas.push(0));
        areas[run.label as usize] += u64::from(run.end - run.start);
    }
    Ok(runs)
}

#[inline]
fn turn_out(Shared { labels, pixels }: Shared, found: &mut Vec<Found>) {
    if pixels > 0 {
        found.push(((labels >> 32) as u32, labels as u32, pixels));
    }
}
