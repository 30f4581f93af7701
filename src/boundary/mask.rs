//! The boundaries of a whole mask: those of its strips, with the place of each.

use super::Boundaries;
use crate::error::{Error, Result};
use crate::mask::{AnyLabel, Label};
use crate::shape::{ScanOrder, Shape};
use crate::strip::Layout;

/// The boundaries of one strip and its place in the mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part<T> {
    /// The strip's first pixel along the lines (cut across) or its first line (cut between).
    pub(crate) first: u32,
    /// Its boundaries.
    pub(crate) boundaries: Boundaries<T>,
}

/// The boundaries of a whole mask.
///
/// [`Encoder::boundaries`](crate::Encoder::boundaries) finds them, [`Encoder::compact`](crate::Encoder::compact) makes
/// runs of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskBoundaries<T> {
    /// Height and width of the mask.
    pub(crate) shape: Shape,
    /// The order its scan lines follow.
    pub(crate) order: ScanOrder,
    /// Which way it was cut.
    pub(crate) layout: Layout,
    /// The strips in ascending order. Those without boundaries may be missing where lines are cut across.
    pub(crate) parts: Vec<Part<T>>,
}

/// The boundaries of a mask of labels of any type.
pub(crate) type AnyMaskBoundaries =
    AnyLabel<MaskBoundaries<u8>, MaskBoundaries<u16>, MaskBoundaries<u32>, MaskBoundaries<u64>>;

impl<T: Label> MaskBoundaries<T> {
    /// Boundaries that were found elsewhere: those of each strip, with the strip's first pixel along the lines
    /// ([`Layout::Across`]) or its first line ([`Layout::Along`]).
    ///
    /// # Errors
    /// [`Error::Argument`] unless the strips ascend and hold the mask's lines, every boundary lies inside its strip, every
    /// line begins with a boundary, and neighbouring labels of a line differ, those of two strips included. Where lines
    /// are cut across, strips without boundaries may be left out.
    ///
    /// ```
    /// use runmask::boundary::{Boundaries, MaskBoundaries};
    /// use runmask::{Layout, Encoder, Run, ScanOrder, Shape};
    /// let column = Boundaries::new(vec![0, 3], vec![0, 1, 4], vec![0u16, 7, 0])?;
    /// let shape = Shape { height: 5, width: 1 };
    /// let mask = MaskBoundaries::new(shape, ScanOrder::ColumnMajor, Layout::Across, vec![(0, column)])?;
    /// let runs = Encoder::builder().build()?.compact(&mask)?;
    /// assert_eq!(runs.get(7), Some(&[Run { start: 1, length: 3 }][..]));
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn new(shape: Shape, order: ScanOrder, layout: Layout, strips: Vec<(u32, Boundaries<T>)>) -> Result<Self> {
        let parts = strips.into_iter().map(|(first, boundaries)| Part { first, boundaries }).collect();
        let boundaries = Self { shape, order, layout, parts };
        boundaries.check().map_err(Error::Argument)?;
        Ok(boundaries)
    }

    /// Height and width of the mask.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The order that the scan lines follow.
    pub fn order(&self) -> ScanOrder {
        self.order
    }

    /// Which way the mask was cut into strips.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The boundaries of each strip, ascending, with the strip's first pixel along the lines ([`Layout::Across`]) or its
    /// first line ([`Layout::Along`]).
    pub fn strips(&self) -> impl Iterator<Item = (u32, &Boundaries<T>)> {
        self.parts.iter().map(|part| (part.first, &part.boundaries))
    }

    /// Number of boundaries.
    pub fn count(&self) -> u64 {
        self.parts.iter().map(|part| part.boundaries.offsets.len() as u64).sum()
    }

    /// The same boundaries of the same type of labels, for which the caller has another name.
    pub(crate) fn same<U: Label>(self) -> MaskBoundaries<U> {
        let Self { shape, order, layout, parts: these } = self;
        let mut parts = Vec::with_capacity(these.len());
        for Part { first, boundaries } in these {
            parts.push(Part { first, boundaries: boundaries.same() });
        }
        MaskBoundaries { shape, order, layout, parts }
    }

    /// What is wrong with boundaries that were found elsewhere.
    fn check(&self) -> Result<(), String> {
        let Self { shape, order, layout, parts } = self;
        if shape.pixels() == 0 {
            return if self.count() == 0 { Ok(()) } else { Err(format!("a mask of {shape} has no boundaries")) };
        }
        let (lines, length) = (shape.lines(*order), shape.line_length(*order));
        let mut next = 0;
        for (number, Part { first, boundaries }) in parts.iter().enumerate() {
            let wrong = |what: String| Err(format!("strip {number} of a mask of {shape}, {order}: {what}"));
            // Pixels of a line that the strip may hold.
            let room = match layout {
                Layout::Across => {
                    if boundaries.lines() as u64 != u64::from(lines) {
                        return wrong(format!("it has {} lines, the mask {lines}", boundaries.lines()));
                    }
                    if *first < next || *first >= length || (number == 0 && *first > 0) {
                        return wrong(format!("it begins with pixel {first} of lines of {length} pixels"));
                    }
                    next = first + 1;
                    parts.get(number + 1).map_or(length, |below| below.first).saturating_sub(*first)
                }
                Layout::Along => {
                    if *first != next || boundaries.lines() == 0 {
                        return wrong(format!("it has {} lines from line {first}", boundaries.lines()));
                    }
                    let end = u64::from(next) + boundaries.lines() as u64;
                    next = u32::try_from(end).unwrap_or(u32::MAX);
                    length
                }
            };
            let outside = |line: &usize| boundaries.entries(*line).0.last().is_some_and(|&offset| offset >= room);
            if let Some(line) = (0..boundaries.lines()).find(outside) {
                return wrong(format!("line {line} has a boundary past its {room} pixels"));
            }
            if number == 0 || *layout == Layout::Along {
                let late = |line: &usize| boundaries.entries(*line).0.first() != Some(&0);
                if let Some(line) = (0..boundaries.lines()).find(late) {
                    return wrong(format!("line {line} does not begin with a boundary"));
                }
            }
        }
        if parts.is_empty() || (*layout == Layout::Along && next != lines) {
            return Err(format!("the strips do not hold the {lines} lines of a mask of {shape}"));
        }
        if *layout == Layout::Across {
            for line in 0..lines as usize {
                let mut before = None;
                for (number, part) in parts.iter().enumerate() {
                    let labels = part.boundaries.entries(line).1;
                    if before.is_some() && labels.first() == before {
                        return Err(format!(
                            "strip {number}: line {line} begins with the label of the strip before it"
                        ));
                    }
                    before = labels.last().or(before);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Encoder;

    fn strip(starts: &[u32], offsets: &[u32], labels: &[u8]) -> Result<Boundaries<u8>> {
        Boundaries::new(starts.to_vec(), offsets.to_vec(), labels.to_vec())
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        for (starts, offsets, labels) in [
            (&[][..], &[][..], &[][..]),
            (&[1], &[], &[]),
            (&[0, 2], &[0], &[1]),
            (&[0, 1], &[0], &[]),
            (&[0, 2, 1, 2], &[0, 1], &[1, 2]),
            (&[0, 2], &[1, 1], &[1, 2]),
            (&[0, 2], &[2, 1], &[1, 2]),
            (&[0, 2], &[1, 2], &[3, 3]),
        ] {
            let found = strip(starts, offsets, labels);
            assert!(matches!(found, Err(Error::Argument(_))), "{starts:?} {offsets:?} {labels:?}: {found:?}");
        }
        assert_eq!(strip(&[0], &[], &[]).unwrap(), Boundaries::none(0).unwrap());
        assert!(strip(&[0, 2, 2, 3], &[0, 7, 0], &[1, 2, 2]).is_ok());
    }

    /// Whatever is accepted can be compacted; strips of two lines and three pixels each.
    #[test]
    fn strips_that_do_not_make_a_mask_are_refused() {
        let shape = Shape { height: 6, width: 2 };
        let full = || strip(&[0, 1, 2], &[0, 0], &[1, 2]).unwrap();
        let with = |offsets: &[u32], labels: &[u8]| strip(&[0, 1, offsets.len() as u32], offsets, labels).unwrap();
        let one_line = || strip(&[0, 1], &[0], &[1]).unwrap();
        use Layout::{Across, Along};
        for (layout, strips) in [
            (Across, vec![]),
            (Across, vec![(1, full())]),
            (Across, vec![(0, full()), (0, with(&[0, 0], &[3, 4]))]),
            (Across, vec![(0, full()), (6, with(&[0, 0], &[3, 4]))]),
            (Across, vec![(0, one_line())]),
            (Across, vec![(0, with(&[0, 1], &[3, 4]))]),
            (Across, vec![(0, with(&[0, 0, 6], &[3, 4, 5]))]),
            (Across, vec![(0, with(&[0, 0, 3], &[3, 4, 5])), (3, with(&[0, 0], &[7, 8]))]),
            (Across, vec![(0, full()), (3, with(&[0, 0], &[3, 2]))]),
            (Across, vec![(0, full()), (2, Boundaries::none(2).unwrap()), (3, with(&[0, 0], &[3, 2]))]),
            (Along, vec![]),
            (Along, vec![(0, one_line())]),
            (Along, vec![(0, full()), (2, one_line())]),
            (Along, vec![(0, one_line()), (0, one_line())]),
            (Along, vec![(0, one_line()), (1, Boundaries::none(0).unwrap()), (1, one_line())]),
            (Along, vec![(0, one_line()), (1, Boundaries::none(1).unwrap())]),
        ] {
            let found = MaskBoundaries::new(shape, ScanOrder::ColumnMajor, layout, strips);
            assert!(matches!(found, Err(Error::Argument(_))), "{found:?}");
        }
        let encoder = Encoder::builder().build().unwrap();
        for (layout, strips, runs) in [
            (Across, vec![(0, full())], 2),
            (Across, vec![(0, full()), (2, Boundaries::none(2).unwrap()), (3, with(&[0, 0], &[3, 4]))], 4),
            (Along, vec![(0, full())], 2),
            (Along, vec![(0, one_line()), (1, one_line())], 1),
        ] {
            let mask = MaskBoundaries::new(shape, ScanOrder::ColumnMajor, layout, strips).unwrap();
            assert_eq!(encoder.compact(&mask).unwrap().runs().len(), runs, "{mask:?}");
        }
        let empty = MaskBoundaries::<u8>::new(Shape { height: 0, width: 3 }, ScanOrder::RowMajor, Across, vec![]);
        assert_eq!(encoder.compact(&empty.unwrap()).unwrap().runs().len(), 0);
    }
}
