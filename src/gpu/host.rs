//! Strips of masks on the host, marked on the device: the gpu engine.
//!
//! Gets a [`Strip`] whose rows or columns are contiguous; cuts it into pieces that fit the adapter, has each uploaded and
//! marked, and joins their boundaries; guarantees the boundaries that [`scalar::mark`](crate::boundary::scalar::mark) defines.

use super::Gpu;
use super::buffers::{Image, Labels};
use super::piece::{BLOCK, Params, Piece, padded};
use super::shader::Variant;
use crate::boundary::{BOUNDARIES, Boundaries, Marker, Marks};
use crate::error::{Error, Result};
use crate::mask::{Dtype, Label, LabelMask, any_label, each_label};
use crate::memory::reserve;
use crate::strip::{Layout, Strip};
use crate::threads::Work;

/// The boundaries of `strip`, bit for bit those of [`scalar::mark`](crate::boundary::scalar::mark).
///
/// # Errors
/// [`Error::Argument`] when neither the rows nor the columns of the strip lie in memory without gaps; [`Error::Engine`]
/// when the device fails.
///
/// ```
/// use runmask::boundary::scalar;
/// use runmask::gpu::{self, Gpu, GpuOptions};
/// use runmask::{LabelMask, Shape, Strip};
/// let pixels: Vec<u16> = (0..6000).map(|pixel| pixel / 700).collect();
/// let strip = Strip::new(LabelMask::new(&pixels, Shape { height: 60, width: 100 })?, false)?;
/// // A machine without an adapter has nothing to open.
/// if let Ok(device) = Gpu::open(&GpuOptions::default()) {
///     assert_eq!(gpu::mark(&device, strip)?, scalar::mark(strip)?);
/// }
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn mark<T: Label>(gpu: &Gpu, strip: Strip<'_, T>) -> Result<Boundaries<T>> {
    let marked = engine(gpu).mark_any(any_label!(T, strip.mask()), strip.above())?;
    Ok(each_label!(marked, marked => marked.same()))
}

fn engine(gpu: &Gpu) -> &dyn Marker {
    gpu
}

impl Marker for Gpu {
    fn detail(&self) -> String {
        self.info().to_string()
    }

    /// A strip is uploaded and read back whole: parts of it would each wait for the device.
    fn takes_parts(&self) -> bool {
        false
    }

    fn strip_rows(&self, row_pixels: u32, dtype: Dtype) -> Result<Option<u32>> {
        Gpu::strip_rows(self, row_pixels, dtype).map(Some)
    }

    /// A strip waits for its device: as many threads as keep it busy, whatever the number that compute.
    fn each(&self, count: usize, work: Work<'_>) {
        self.overlapped(count, work);
    }
}

impl<T: Label> Marks<T> for Gpu {
    fn mark(&self, strip: Strip<'_, T>, _: Boundaries<T>) -> Result<Boundaries<T>> {
        mark_strip(self, strip)
    }
}

fn mark_strip<T: Label>(gpu: &Gpu, strip: Strip<'_, T>) -> Result<Boundaries<T>> {
    let (lines, length) = (strip.lines(), strip.length());
    if lines == 0 || length == 0 {
        return Boundaries::none(lines);
    }
    let layout = layout_of(strip)?;
    let mut joined = Boundaries::none(0)?;
    for panel in gpu.pieces(layout, lines, length, T::DTYPE)? {
        let mut stretches = Vec::with_capacity(panel.len());
        for piece in panel {
            stretches.push((piece.start, mark_piece(gpu, strip, layout, piece)?));
        }
        append(&mut joined, stretches)?;
    }
    Ok(joined)
}

/// How the lines of a strip lie in memory; the one that needs less padding when a strip is one pixel wide or high.
fn layout_of<T: Label>(strip: Strip<'_, T>) -> Result<Layout> {
    let mask = strip.mask();
    let shape = mask.shape();
    match (mask.row(0).is_some(), mask.column(0).is_some()) {
        (true, true) if shape.height > shape.width => Ok(Layout::Along),
        (true, _) => Ok(Layout::Across),
        (false, true) => Ok(Layout::Along),
        (false, false) => Err(Error::Argument(format!(
            "the gpu engine marks strips whose rows or columns are contiguous; strides {} and {} are neither",
            mask.row_stride(),
            mask.column_stride()
        ))),
    }
}

fn mark_piece<T: Label>(gpu: &Gpu, strip: Strip<'_, T>, layout: Layout, piece: Piece) -> Result<Boundaries<T>> {
    let Piece { line, lines, start, length } = piece;
    // A stretch that does not begin its lines carries the row above it, as strips do.
    let above = strip.above() || start > 0;
    let first_row = start + u32::from(strip.above()) - u32::from(above);
    let mask = strip.mask().columns(line, lines).rows(first_row, length + u32::from(above));
    let rows = Rows::new(mask, layout, above);
    let variant = Variant { dtype: T::DTYPE, layout, aligned: true, packed: Variant::packs(T::DTYPE, length) };
    gpu.mark_piece(variant, rows.params(lines, length), Labels::Host(&rows))
}

/// The pixels of a piece as rows of memory.
pub(crate) struct Rows<'a, T> {
    mask: LabelMask<'a, T>,
    layout: Layout,
    above: bool,
    pitch: u64,
}

impl<'a, T: Label> Rows<'a, T> {
    pub(crate) fn new(mask: LabelMask<'a, T>, layout: Layout, above: bool) -> Self {
        let bytes = T::DTYPE.bytes() as u64;
        let pitch = match layout {
            Layout::Across => padded(u64::from(mask.shape().width) * bytes),
            // The label above a line stands right before it, in a block of its own.
            Layout::Along if above => BLOCK + padded(u64::from(mask.shape().height - 1) * bytes),
            Layout::Along => padded(u64::from(mask.shape().height) * bytes),
        };
        Self { mask, layout, above, pitch }
    }

    /// What the kernels are told. Everything fits into 32 bits, as pieces are cut to the sizes of bindings.
    fn params(&self, lines: u32, length: u32) -> Params {
        let row = match self.layout {
            Layout::Across => lines,
            Layout::Along => length,
        };
        let first = match (self.above, self.layout) {
            (false, _) => 0,
            (true, Layout::Across) => self.pitch,
            (true, Layout::Along) => BLOCK,
        };
        Params {
            first: first as u32,
            above: 0,
            pitch: self.pitch as u32,
            blocks: (padded(u64::from(row) * T::DTYPE.bytes() as u64) / BLOCK) as u32,
            lines,
            length,
            forced: !self.above,
        }
    }
}

impl<T: Label> Image for Rows<'_, T> {
    fn pitch(&self) -> u64 {
        self.pitch
    }

    fn lead(&self) -> u64 {
        match self.layout {
            Layout::Along if self.above => BLOCK - T::DTYPE.bytes() as u64,
            _ => 0,
        }
    }

    fn rows(&self) -> u32 {
        match self.layout {
            Layout::Across => self.mask.shape().height,
            Layout::Along => self.mask.shape().width,
        }
    }

    fn row(&self, row: u32) -> Result<&[u8]> {
        let pixels = match self.layout {
            Layout::Across => self.mask.row(row),
            Layout::Along => self.mask.column(row),
        };
        pixels.map(bytemuck::cast_slice).ok_or_else(|| Error::Argument("a row of the strip has gaps".into()))
    }
}

/// Adds the lines of one panel, whose stretches follow one another, to the boundaries of the panels before.
pub(crate) fn append<T: Label>(joined: &mut Boundaries<T>, mut stretches: Vec<(u32, Boundaries<T>)>) -> Result<()> {
    if joined.lines() == 0 && stretches.len() == 1 {
        // The usual case, without a copy.
        if let Some((_, only)) = stretches.pop() {
            *joined = only;
        }
        return Ok(());
    }
    let lines = stretches.first().map_or(0, |(_, stretch)| stretch.lines());
    reserve(&mut joined.line_starts, lines, BOUNDARIES)?;
    joined.make_room(stretches.iter().map(|(_, stretch)| stretch.offsets.len()).sum())?;
    for line in 0..lines {
        for (start, stretch) in &stretches {
            let (offsets, labels) = stretch.entries(line);
            joined.offsets.extend(offsets.iter().map(|offset| start + offset));
            joined.labels.extend_from_slice(labels);
        }
        // At most one for each pixel of the strip, which are counted in 32 bits.
        joined.line_starts.push(joined.offsets.len() as u32);
    }
    Ok(())
}
