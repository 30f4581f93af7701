//! Area, box and centroid of every label of a marked mask, line by line.

use super::{LABELS, Marked, Numbers};
use crate::error::Result;
use crate::memory::{reserve, zeroed};
use crate::runs::{MeasureOptions, Measures, Sums};
use crate::threads;

impl Marked {
    /// Measures every label: [`LabelRuns::measure`](crate::LabelRuns::measure).
    ///
    /// # Errors
    /// Those of that.
    ///
    /// ```
    /// use runmask::{Encoder, LabelMask, MeasureOptions, Shape, Values};
    /// let pixels = [0u8, 7, 7, 0, 7, 0];
    /// let mask = LabelMask::new(&pixels, Shape { height: 2, width: 3 })?;
    /// let table = Encoder::builder().build()?.mark(&mask)?.measure(&MeasureOptions::new())?;
    /// assert_eq!(table.column("area"), Some(&Values::U64(vec![3])));
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn measure(&self, options: &MeasureOptions) -> Result<Measures> {
        match self.measure_by_lines(options)? {
            Some(table) => Ok(table),
            None => self.runs()?.measure(options),
        }
    }

    /// The same in one walk over the mask; `None` where more than sums is asked for or labels are far apart.
    pub(super) fn measure_by_lines(&self, options: &MeasureOptions) -> Result<Option<Measures>> {
        let (shape, order) = (self.shape(), self.line_order());
        if !options.by_sums(shape, order) {
            return Ok(None);
        }
        let lines = &*self.lines();
        let (places, most) = lines.lists();
        if most == 0 {
            return Ok(None);
        }
        let chunks = lines.chunks(most.min(self.threads));
        let add_up = |chunk: usize| {
            let mut numbers = Numbers::new(places)?;
            let (mut sums, mut runs) = (Vec::new(), Vec::new());
            for line in chunks[chunk].clone() {
                let count = lines.read(line, &mut runs);
                reserve(&mut sums, count, LABELS)?;
                for run in &runs[..count] {
                    let number = numbers.of(run.label, || sums.push(Label::at(line, run.start)));
                    sums[number as usize].add(line, run.start, run.end);
                }
            }
            Ok((numbers, sums))
        };
        let parts: Vec<(Numbers, Vec<Label>)> = threads::try_map(threads::each, chunks.len(), add_up)?;
        let (labels, places) = Numbers::together(&parts.iter().map(|(numbers, _)| numbers).collect::<Vec<_>>())?;
        let mut all: Vec<Label> = zeroed(labels.len() as u64, LABELS)?;
        for ((_, sums), places) in parts.iter().zip(&places) {
            sums.iter().zip(places).for_each(|(sums, &place)| all[place as usize].join(sums));
        }
        Measures::of_sums(options, &labels, |label| all[label].finish(), order).map(Some)
    }
}

/// What the runs of a label add up to so far. No sum of such a mask needs more than 63 bits.
#[derive(Clone, Copy, Debug, Default, bytemuck::Zeroable)]
struct Label {
    area: u64,
    /// The sum of the lines of its pixels, and twice the sum of their places along the lines.
    lines: u64,
    twice_along: u64,
    first_line: u32,
    last_line: u32,
    /// The place of the first pixel.
    origin: u32,
    /// The complement of the first place, and one past the last.
    not_low: u32,
    high: u32,
}

impl Label {
    /// No pixels of a label whose first pixel is this one.
    fn at(line: u32, start: u32) -> Self {
        Self { first_line: line, origin: start, ..Self::default() }
    }

    #[inline(always)]
    fn add(&mut self, line: u32, start: u32, end: u32) {
        let length = u64::from(end - start);
        self.area += length;
        self.lines += length * u64::from(line);
        self.twice_along += length * (u64::from(start) + u64::from(end) - 1);
        self.last_line = line;
        self.not_low = self.not_low.max(!start);
        self.high = self.high.max(end);
    }

    /// Adds what was found in later lines.
    fn join(&mut self, later: &Self) {
        if self.area == 0 {
            *self = *later;
            return;
        }
        self.area += later.area;
        self.lines += later.lines;
        self.twice_along += later.twice_along;
        self.last_line = later.last_line;
        self.not_low = self.not_low.max(later.not_low);
        self.high = self.high.max(later.high);
    }

    fn finish(&self) -> Sums {
        let origin = (u64::from(self.first_line), u64::from(self.origin));
        let relative = |sum: u64, from: u64| i128::from(sum) - i128::from(self.area) * i128::from(from);
        Sums {
            area: self.area,
            lines: (origin.0, u64::from(self.last_line) + 1),
            along: (u64::from(!self.not_low), u64::from(self.high)),
            origin,
            first: [relative(self.lines, origin.0), relative(self.twice_along / 2, origin.1)],
            second: [0; 3],
        }
    }
}
