//! Runs, and the runs of every label.
//!
//! [`LabelRuns`] is what encoding gives, what formats read and write, and what decoding gets: labels ascending, each with
//! its runs ascending by start. It is not generic: labels and positions are `u64` here.
//!
//! | file | what it does |
//! |---|---|
//! | `builder.rs` | makes [`LabelRuns`] label by label or from flat lists; joins runs that touch |
//! | `order.rs` | the same pixels in the other scan order |
//! | `build.rs` | makes the runs of many labels side by side |
//! | `scan.rs` | the runs of all labels together, in scan order |
//! | `select.rs` | labels chosen and numbered anew |
//! | `merge.rs` | parts of one mask put together |
//! | `packed.rs` | runs in few bytes |
//! | `place.rs` | a mask cut out, shifted, padded |
//! | `overlap.rs` | how many pixels labels of two masks share |
//! | `compare.rs` | scores of a segmentation |
//! | `objects.rs` | IoU of objects that may overlap, non-maximum suppression |
//! | `components.rs` | connected pieces, their holes, small ones, the largest |
//! | `windows.rs` | any window of a mask as pixels |
//! | `sets.rs` | union, intersection, differences; the foreground |
//! | `lines.rs` | runs cut at scan lines, and what touches in neighbouring lines |
//! | `measure.rs` | measures of every label |
//! | `polygons.rs` | polygons of every label |
//! | `trace.rs` | runs to polygons |
//! | `simplify.rs` | polygons of fewer points |
//! | `fill.rs` | polygons to runs |
//! | `disjoint.rs` | one label a pixel, where labels overlap |

use std::sync::atomic::AtomicU64;

use crate::error::Result;
use crate::memory::List;
use crate::shape::{ScanOrder, Shape};

mod boxes;
mod build;
mod builder;
mod compare;
mod components;
mod disjoint;
mod fill;
pub(crate) mod lines;
mod measure;
mod merge;
mod objects;
pub(crate) mod order;
mod overlap;
mod packed;
mod place;
mod polygons;
mod scan;
mod select;
mod sets;
mod simplify;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trace;
mod windows;

pub(crate) use self::build::same_shape;
pub use self::builder::LabelRunsBuilder;
pub(crate) use self::builder::{push, unite};
pub use self::compare::{BestMatch, F1_THRESHOLDS, Scores};
pub use self::components::{ComponentOptions, Components};
pub(crate) use self::components::{Foreground, Room, Stretch};
pub use self::disjoint::OverlapPolicy;
pub use self::fill::FillRule;
#[cfg(feature = "json")]
pub(crate) use self::fill::{Filler, check_ring};
pub(crate) use self::measure::Sums;
pub use self::measure::{Column, Connectivity, MeasureOptions, Measures, PixelSize, Property, Values};
pub(crate) use self::overlap::{Found, pairs};
pub use self::overlap::{Overlap, Overlaps};
pub use self::place::Window;
#[cfg(feature = "json")]
pub(crate) use self::polygons::Rings;
pub use self::polygons::{Point, PolygonParts, Polygons};
pub use self::sets::SetOperation;
pub use self::simplify::Simplified;
#[cfg(feature = "json")]
pub(crate) use self::simplify::{Simplifier, check_tolerance};
#[cfg(feature = "json")]
pub(crate) use self::trace::Tracer;
pub use self::windows::Windows;

/// Pixels `start .. start + length` in scan order, all of one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Run {
    /// Position of the first pixel, from 0.
    pub start: u64,
    /// Number of pixels.
    pub length: u64,
}

impl Run {
    /// One past the last pixel; `u64::MAX` for a run that ends further than any position.
    #[inline]
    pub fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// What an error calls the memory of runs.
pub(crate) const RUNS: &str = "runs of labels";

/// Start and length of each run, which threads may write side by side: they are atomic only for that, and no two threads write
/// the same run.
pub(crate) fn places(runs: &mut [Run]) -> &[[AtomicU64; 2]] {
    let pairs: &mut [[u64; 2]] = bytemuck::cast_slice_mut(runs);
    zerocopy::transmute_mut!(pairs)
}

/// The runs of every label of one mask (compressed sparse rows).
///
/// Labels ascend and appear once; a label may have no runs (a row of a file that is there but empty). The runs of one
/// label ascend, do not overlap and have a length of at least 1. Runs of different labels may overlap when they came from
/// a file: a mask cannot hold that, and [`crate::decode`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRuns {
    pub(crate) shape: Option<Shape>,
    pub(crate) order: ScanOrder,
    pub(crate) labels: Vec<u64>,
    pub(crate) offsets: Vec<usize>,
    pub(crate) runs: List<Run>,
}

impl LabelRuns {
    /// No labels at all.
    pub fn empty(shape: Option<Shape>, order: ScanOrder) -> Self {
        Self { shape, order, labels: Vec::new(), offsets: vec![0], runs: List::default() }
    }

    /// Height and width of the mask, when known: a run file may not say.
    pub fn shape(&self) -> Option<Shape> {
        self.shape
    }

    /// The order in which positions are numbered.
    pub fn order(&self) -> ScanOrder {
        self.order
    }

    /// The labels, ascending.
    pub fn labels(&self) -> &[u64] {
        &self.labels
    }

    /// Where the runs of each label begin in [`LabelRuns::runs`], and at last where they all end: one more than labels.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// The runs of all labels, those of the first label first.
    ///
    /// ```
    /// use runmask::{LabelMask, Run, Shape};
    /// let mask = LabelMask::new(&[7u8, 3, 7], Shape { height: 3, width: 1 })?;
    /// let runs = runmask::encode(&mask)?;
    /// assert_eq!(runs.labels(), [3, 7]);
    /// assert_eq!(runs.offsets(), [0, 1, 3]);
    /// assert_eq!(runs.runs()[1..3], [Run { start: 0, length: 1 }, Run { start: 2, length: 1 }]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Number of runs of all labels together.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// The runs of `label`, ascending; `None` when the label does not occur.
    pub fn get(&self, label: u64) -> Option<&[Run]> {
        let index = self.labels.binary_search(&label).ok()?;
        Some(self.runs_at(index))
    }

    /// Every label with its runs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &[Run])> {
        self.labels.iter().enumerate().map(|(index, &label)| (label, self.runs_at(index)))
    }

    /// The runs of the label at `index` of [`LabelRuns::labels`].
    pub(crate) fn runs_at(&self, index: usize) -> &[Run] {
        &self.runs[self.offsets[index]..self.offsets[index + 1]]
    }

    /// The same runs for a mask of `shape`; an error when a run ends outside it.
    pub fn with_shape(mut self, shape: Shape) -> Result<Self> {
        self.fits(shape)?;
        self.shape = Some(shape);
        Ok(self)
    }

    /// An error when a run ends outside a mask of `shape`.
    fn fits(&self, shape: Shape) -> Result<()> {
        for (label, runs) in self.iter() {
            // Runs ascend without overlap, so the last one reaches furthest.
            if let Some(&run) = runs.last() {
                builder::inside(run, Some(shape)).map_err(|fault| builder::fault(label, fault))?;
            }
        }
        Ok(())
    }

    /// Pixels of all runs together, at most `u64::MAX`.
    pub fn area(&self) -> u64 {
        self.runs.iter().fold(0, |sum, run| sum.saturating_add(run.length))
    }
}
