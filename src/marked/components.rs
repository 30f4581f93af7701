//! Connected pieces of the foreground of a marked mask, line by line.

use super::{LineRun, Lines, Marked};
use crate::error::Result;
use crate::runs::lines::Piece;
use crate::runs::{ComponentOptions, Components, Pieces, Run};

impl Marked {
    /// The connected pieces of each label, or of the foreground: [`LabelRuns::components`](crate::LabelRuns::components).
    ///
    /// # Errors
    /// Those of that.
    ///
    /// ```
    /// use runmask::{ComponentOptions, Encoder, LabelMask, Shape};
    /// let pixels = [1u8, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1];
    /// let mask = Encoder::builder().build()?.mark(&LabelMask::new(&pixels, Shape { height: 2, width: 6 })?)?;
    /// let found = mask.components(&ComponentOptions::new().foreground(true))?;
    /// // Pixels that meet at a corner are connected.
    /// assert_eq!(runmask::decode::<u8>(found.runs())?, [1, 0, 2, 2, 0, 2, 0, 0, 0, 0, 2, 2]);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn components(&self, options: &ComponentOptions) -> Result<Components> {
        self.components_in(options, Vec::new())
    }

    /// The same in the memory of earlier runs.
    pub(crate) fn components_in(&self, options: &ComponentOptions, spare: Vec<[u64; 2]>) -> Result<Components> {
        if !options.of_foreground() {
            return self.runs().components(options);
        }
        let lines = &*self.lines();
        let length = self.shape().line_length(self.line_order());
        Components::of(&Foreground { lines, length }, self.shape(), self.line_order(), self.order, options, spare)
    }
}

/// All runs of a mask as those of one label.
struct Foreground<'a> {
    lines: &'a dyn Lines,
    length: u32,
}

impl Pieces for Foreground<'_> {
    fn count(&self) -> usize {
        1
    }

    #[inline(always)]
    fn each(&self, _: usize, mut call: impl FnMut(Piece)) {
        let mut runs: Vec<LineRun> = Vec::new();
        for line in 0..self.lines.count() {
            let count = self.lines.read(line, &mut runs);
            // Those of labels that touch are one.
            let mut pieces = runs[..count].chunk_by(|run, next| run.end == next.start);
            while let Some([first, .., last] | [first @ last]) = pieces.next() {
                call(Piece { line, lines: 1, start: first.start, end: last.end });
            }
        }
    }

    #[inline(always)]
    fn runs(&self, label: usize, mut call: impl FnMut(Run)) {
        self.each(label, |piece| call(piece.run(self.length)));
    }
}
