//! Connected pieces of the foreground of a marked mask, line by line.

use super::{Lines, Marked};
use crate::error::Result;
use crate::memory::List;
use crate::runs::{ComponentOptions, Components, Foreground, Room, Run, Stretch};

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
        self.components_in(options, List::default(), &mut Room::default())
    }

    /// The same in the memory of earlier runs, and with that of earlier pieces.
    pub(crate) fn components_in(
        &self,
        options: &ComponentOptions,
        spare: List<Run>,
        room: &mut Room,
    ) -> Result<Components> {
        let lines = &*self.lines();
        let alternate = lines.alternate();
        if !options.of_foreground(alternate) {
            return self.runs()?.components(options);
        }
        let base = Edges { lines, alternate };
        let found =
            Components::of_foreground(&base, self.shape(), self.line_order(), self.order, options, spare, room)?;
        if options.all_are_one() {
            return Ok(found);
        }
        // The only label; none where there are no pieces.
        Ok(match self.largest() {
            Some(label) => found.with_source(label),
            None => found,
        })
    }
}

/// Where the foreground of each line begins and ends.
struct Edges<'a> {
    lines: &'a dyn Lines,
    /// Whether background and foreground take turns at boundaries.
    alternate: bool,
}

impl Foreground for Edges<'_> {
    fn most(&self) -> u64 {
        // Between two stretches of a line there is background, so that each but the last has two boundaries.
        (self.lines.before(self.lines.count()) + u64::from(self.lines.count())) / 2
    }

    #[inline]
    fn each(&self, mut call: impl FnMut(u32, &[Stretch])) {
        let mut memory = Vec::new();
        for line in 0..self.lines.count() {
            call(line, self.lines.edges(line, self.alternate, &mut memory).as_chunks().0);
        }
    }
}
