//! A mask as it is marked: its runs in scan order, before they are grouped by label.
//!
//! Gets the boundaries of a mask; gives what can be worked out in one walk over its scan lines, and everything else by way of
//! [`LabelRuns`]; guarantees the answers of the methods of [`LabelRuns`] of the same names.
//!
//! To group runs by label takes as long as a third of encoding, and operations on several labels at once put them into scan
//! order again. Boundaries are in scan order already:
//!
//! ```text
//!   boundaries of a line   0: background   2: label 7   5: label 3   9: background      12 pixels
//!   its runs                               2..5 of 7    5..9 of 3
//! ```
//!
//! Each line is read into memory that is used again. Labels are numbered as they are met, through a list with a place for
//! every label up to the largest; so that is done only where the largest label is in proportion to the boundaries.

mod components;
mod measure;
mod overlap;

use std::ops::Range;

use crate::boundary::{AnyMaskBoundaries, MaskBoundaries, Part};
use crate::compaction::{Frame, compact};
use crate::error::Result;
use crate::lanes;
use crate::mask::{Label, each_label};
use crate::memory::{List, reserve, zeroed};
use crate::runs::LabelRuns;
use crate::shape::{ScanOrder, Shape};
use crate::strip::Layout;
use crate::threads;

/// A mask whose boundaries are found, and whose runs are not grouped by label; what [`Encoder::mark`](crate::Encoder::mark)
/// gives.
///
/// Measures, overlaps, scores and pieces of the foreground of a mask are worked out from it in less time than from the runs of
/// every label, which it gives as well. The answers are the same.
///
/// ```
/// use runmask::{Encoder, LabelMask, Shape};
/// let shape = Shape { height: 1, width: 6 };
/// let encoder = Encoder::builder().build()?;
/// let truth = encoder.mark(&LabelMask::new(&[1u8, 1, 1, 1, 0, 2], shape)?)?;
/// let prediction = encoder.mark(&LabelMask::new(&[5u16, 5, 5, 0, 0, 0], shape)?)?;
/// let scores = truth.compare(&prediction, &[0.5])?;
/// assert_eq!((scores.sq, scores.dq), (0.75, 1.0 / 1.5));
/// assert_eq!(truth.runs()?.compare(&prediction.runs()?, &[0.5])?, scores);
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Debug)]
pub struct Marked {
    pub(crate) boundaries: AnyMaskBoundaries,
    pub(crate) background: Option<u64>,
    /// The order of its runs. Boundaries of a mask of one row or column may be in the other one.
    pub(crate) order: ScanOrder,
    /// How many threads may group its runs, which take memory each.
    pub(crate) threads: usize,
}

impl Marked {
    /// Height and width of the mask.
    pub fn shape(&self) -> Shape {
        each_label!(&self.boundaries, mask => mask.shape)
    }

    /// The order in which positions are numbered.
    pub fn order(&self) -> ScanOrder {
        self.order
    }

    /// The largest label but the background; none where there is no other.
    ///
    /// ```
    /// use runmask::{Encoder, LabelMask, Shape};
    /// let mask = LabelMask::new(&[3u8, 7, 255], Shape { height: 1, width: 3 })?;
    /// assert_eq!(Encoder::builder().background(Some(255)).build()?.mark(&mask)?.largest(), Some(7));
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn largest(&self) -> Option<u64> {
        fn largest<T: Label>(mask: &MaskBoundaries<T>, background: Option<T>) -> Option<u64> {
            let labels = mask.parts.iter().flat_map(|part| part.boundaries.labels());
            labels.copied().filter(|&label| Some(label) != background).max().map(Into::into)
        }
        each_label!(&self.boundaries, mask => largest(mask, self.background.and_then(Label::from_u64)))
    }

    /// The runs of every label but the background.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) when there is no room for them.
    pub fn runs(&self) -> Result<LabelRuns> {
        let threads = self.threads.min(rayon::current_num_threads());
        let mut runs = each_label!(&self.boundaries, mask => {
            compact(mask, Frame::whole(mask.shape), self.background, threads, List::default())?
        });
        runs.order = self.order;
        Ok(runs)
    }

    /// The order of its scan lines.
    fn line_order(&self) -> ScanOrder {
        each_label!(&self.boundaries, mask => mask.order)
    }

    /// Its scan lines, to be read.
    fn lines(&self) -> Box<dyn Lines + '_> {
        each_label!(&self.boundaries, mask => Box::new(LinesOf {
            mask,
            // A background that is no label of this type is that of no pixel.
            background: self.background.and_then(Label::from_u64),
        }))
    }
}

/// A run inside a scan line, from `start` to `end`, and its label: only the lower bits of a label of more than 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LineRun {
    start: u32,
    end: u32,
    label: u32,
}

/// The scan lines of a mask.
trait Lines: Sync {
    /// Number of lines.
    fn count(&self) -> u32;

    /// Reads the runs of a line to the front of a list that is made longer if it has to be; gives their number.
    fn read(&self, line: u32, into: &mut Vec<LineRun>) -> usize;

    /// Whether there is a background and one label only, so that they take turns at the boundaries of a line.
    fn alternate(&self) -> bool;

    /// Where the foreground of a line begins and ends, in turn, in memory that is made longer if it has to be. Labels that touch
    /// are one foreground.
    fn edges<'a>(&self, line: u32, alternate: bool, memory: &'a mut Vec<u32>) -> &'a [u32];

    /// Boundaries of all lines before `line`.
    fn before(&self, line: u32) -> u64;

    /// The largest label.
    fn largest(&self) -> u64;

    /// The places in a list with one for every label, and how many such lists are in proportion to the boundaries: none where
    /// a label does not fit into a [`LineRun`].
    fn lists(&self) -> (usize, usize) {
        match u32::try_from(self.largest()) {
            Ok(largest) => {
                let places = u64::from(largest) + 1;
                (places as usize, ((4 * self.before(self.count()) + (1 << 16)) / places) as usize)
            }
            Err(_) => (0, 0),
        }
    }
}

impl dyn Lines + '_ {
    /// All lines, cut into stretches of similar numbers of boundaries: one for each thread, and `most` at most.
    fn chunks(&self, most: usize) -> Vec<Range<u32>> {
        let (lines, total) = (self.count(), self.before(self.count()));
        // A chunk costs lists of labels: not worth it for little.
        let wanted = (most.min(rayon::current_num_threads()) as u64).min(total / 20_000 + 1);
        let mut cuts = vec![0];
        for chunk in 1..wanted {
            let goal = total / wanted * chunk;
            let (mut low, mut high) = (cuts[cuts.len() - 1], lines);
            while low < high {
                let middle = low + (high - low) / 2;
                if self.before(middle) < goal { low = middle + 1 } else { high = middle }
            }
            cuts.push(low);
        }
        cuts.push(lines);
        cuts.dedup();
        cuts.windows(2).map(|pair| pair[0]..pair[1]).collect()
    }
}

/// What an error calls the memory of what is known of labels.
const LABELS: &str = "the labels of a mask";

/// The labels of some lines, numbered as they are met.
#[derive(Debug)]
struct Numbers {
    /// One more than the number of each label that was met.
    known: Vec<u32>,
    count: u32,
}

impl Numbers {
    /// None yet, of labels below `places`.
    fn new(places: usize) -> Result<Self> {
        Ok(Self { known: zeroed(places as u64, LABELS)?, count: 0 })
    }

    /// The number of a label; `meet` is told when it is the next one.
    #[inline(always)]
    fn of(&mut self, label: u32, meet: impl FnOnce()) -> u32 {
        let known = &mut self.known[label as usize];
        if *known == 0 {
            self.count += 1;
            *known = self.count;
            meet();
        }
        *known - 1
    }

    /// All labels that were met by any, ascending; and for each, in their order, the place of each number's label among them.
    fn together(all: &[&Self]) -> Result<(Vec<u64>, Vec<Vec<u32>>)> {
        let mut labels = Vec::new();
        let none = |numbers: &&Self| zeroed(numbers.count.into(), LABELS);
        let mut places: Vec<Vec<u32>> = all.iter().map(none).collect::<Result<_>>()?;
        for label in 0..all.iter().map(|numbers| numbers.known.len()).max().unwrap_or(0) {
            let mut met = false;
            for (numbers, places) in all.iter().zip(&mut places) {
                if let Some(number) = numbers.known[label].checked_sub(1) {
                    places[number as usize] = labels.len() as u32;
                    met = true;
                }
            }
            if met {
                reserve(&mut labels, 1, LABELS)?;
                labels.push(label as u64);
            }
        }
        Ok((labels, places))
    }
}

/// The scan lines of boundaries of labels of one type.
struct LinesOf<'a, T> {
    mask: &'a MaskBoundaries<T>,
    background: Option<T>,
}

impl<'a, T: Label> LinesOf<'a, T> {
    /// The strips that hold pixels of a line, and the line's number inside them.
    #[inline]
    fn strips_of(&self, line: u32) -> (&'a [Part<T>], usize) {
        let parts = &self.mask.parts;
        match self.mask.layout {
            Layout::Across => (parts, line as usize),
            Layout::Along => {
                let index = parts.partition_point(|part| part.first <= line) - 1;
                (&parts[index..=index], (line - parts[index].first) as usize)
            }
        }
    }
}

/// Makes room for something at every boundary of a line of strips, and at its end.
fn lengthen<T: Label, E: Clone + Default>(list: &mut Vec<E>, strips: &[Part<T>], line: usize) {
    let count = |strip: &Part<T>| {
        let starts = &strip.boundaries.line_starts;
        (starts[line + 1] - starts[line]) as usize
    };
    let most = strips.iter().map(count).sum::<usize>();
    if list.len() <= most {
        list.resize(most + 1, E::default());
    }
}

impl<T: Label> Lines for LinesOf<'_, T> {
    fn count(&self) -> u32 {
        if self.mask.shape.pixels() == 0 { 0 } else { self.mask.shape.lines(self.mask.order) }
    }

    fn read(&self, line: u32, into: &mut Vec<LineRun>) -> usize {
        let (strips, line) = self.strips_of(line);
        lengthen(into, strips, line);
        let across = self.mask.layout == Layout::Across;
        let (is_background, background) = (self.background.is_some(), self.background.unwrap_or_default());
        // Written at each boundary, and kept where it is not background: whether it is cannot be foreseen.
        let (mut kept, mut run, mut wanted) = (0, LineRun::default(), false);
        for strip in strips {
            let first = if across { strip.first } else { 0 };
            let (offsets, labels) = strip.boundaries.entries(line);
            for (offset, &label) in offsets.iter().zip(labels) {
                run.end = first + offset;
                into[kept] = run;
                kept += usize::from(wanted);
                wanted = !(is_background & (label == background));
                run = LineRun { start: run.end, end: 0, label: Into::<u64>::into(label) as u32 };
            }
        }
        run.end = self.mask.shape.line_length(self.mask.order);
        into[kept] = run;
        kept + usize::from(wanted)
    }

    fn alternate(&self) -> bool {
        let Some(background) = self.background else { return false };
        let labels = || self.mask.parts.iter().map(|part| part.boundaries.labels());
        let Some(&label) = labels().flatten().find(|&&label| label != background) else { return true };
        // Some at a time, which are compared with vectors.
        let one = |labels: &[T]| labels.iter().fold(true, |one, &next| one & ((next == label) | (next == background)));
        labels().all(|labels| labels.chunks(1 << 10).all(one))
    }

    fn edges<'a>(&self, line: u32, alternate: bool, memory: &'a mut Vec<u32>) -> &'a [u32] {
        let (strips, line) = self.strips_of(line);
        lengthen(memory, strips, line);
        let across = self.mask.layout == Layout::Across;
        let (is_background, background) = (self.background.is_some(), self.background.unwrap_or_default());
        let is_foreground = |label: T| !(is_background & (label == background));
        let (mut from, mut kept, mut inside) = (0, 0, false);
        for strip in strips {
            let first = if across { strip.first } else { 0 };
            let (offsets, labels) = strip.boundaries.entries(line);
            if alternate {
                if let (0, Some(&label)) = (kept, labels.first()) {
                    // A line of background begins with a boundary that is no edge.
                    (from, inside) = (usize::from(!is_foreground(label)), !is_foreground(label));
                }
                // No other label is read: most of the time would be spent waiting for them.
                inside ^= offsets.len() % 2 == 1;
                memory[kept..kept + offsets.len()]
                    .iter_mut()
                    .zip(offsets)
                    .for_each(|(to, offset)| *to = first + offset);
                kept += offsets.len();
                continue;
            }
            // Written at each boundary, and kept where the foreground begins or ends.
            for (offset, &label) in offsets.iter().zip(labels) {
                let here = is_foreground(label);
                memory[kept] = first + offset;
                kept += usize::from(here != inside);
                inside = here;
            }
        }
        memory[kept] = self.mask.shape.line_length(self.mask.order);
        &memory[from..kept + usize::from(inside)]
    }

    fn before(&self, line: u32) -> u64 {
        let starts = |part: &Part<T>, line: u32| u64::from(part.boundaries.line_starts[line as usize]);
        match self.mask.layout {
            Layout::Across => self.mask.parts.iter().map(|part| starts(part, line)).sum(),
            Layout::Along => {
                let inside = |part: &Part<T>| (line.saturating_sub(part.first)).min(part.boundaries.lines() as u32);
                self.mask.parts.iter().map(|part| starts(part, inside(part))).sum()
            }
        }
    }

    fn largest(&self) -> u64 {
        let parts = &self.mask.parts;
        let largest = |part: usize| lanes::largest(parts[part].boundaries.labels());
        threads::map(parts.len(), largest).into_iter().fold(T::default(), T::max).into()
    }
}

#[cfg(test)]
mod tests;
