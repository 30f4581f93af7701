//! `synth`: synthetic masks, written row by row.

use runmask::source::Source;
use runmask::source::synth::{Kind, Synth};
use runmask::{Dtype, Error, Result, Shape};

use crate::args::{self, Looks};
use crate::console::Console;
use crate::exit::Status;
use crate::kind;
use crate::output;
use crate::progress::pixel_bytes;

/// Bytes of rows that are made at once.
const BYTES_AT_ONCE: u64 = 1 << 22;

pub(crate) fn run(args: &args::Synth, console: &Console) -> Result<Status> {
    kind::mask_goes_to(&args.output)?;
    let shape = Shape { height: args.height, width: args.width };
    let mut source = args.looks.synth(args.kind, shape)?;
    let row_bytes = u64::from(shape.width) * source.dtype().bytes() as u64;
    let mut output = output::mask(&args.output, &args.mask, args.memory, shape, source.dtype(), &[])?;
    let task = console.start(&args.output.display().to_string(), pixel_bytes(&source));
    let at_once = (BYTES_AT_ONCE / row_bytes.max(1)).clamp(1, u64::from(shape.height.max(1)));
    let mut rows = zeroed(at_once * row_bytes)?;
    let mut left = u64::from(shape.height);
    while left > 0 && row_bytes > 0 {
        let rows = &mut rows[..(left.min(at_once) * row_bytes) as usize];
        source.read_rows(rows)?;
        output.write_rows(rows)?;
        task.advance(rows.len() as u64);
        left -= left.min(at_once);
    }
    output.finish()?;
    Ok(Status::Done)
}

/// Memory for rows, or an error where the machine has none.
fn zeroed(bytes: u64) -> Result<Vec<u8>> {
    let rows = usize::try_from(bytes).ok().and_then(|bytes| bytemuck::allocation::try_zeroed_vec(bytes).ok());
    rows.ok_or_else(|| Error::Memory { what: "rows of the mask".into(), needed: bytes, limit: None })
}

impl Looks {
    /// The mask that these words describe.
    pub(super) fn synth(&self, kind: Kind, shape: Shape) -> Result<Synth> {
        let dtype = self.dtype.unwrap_or_else(|| {
            let usual = match kind {
                Kind::Glomeruli => Dtype::U16,
                Kind::Cells => Dtype::U32,
                _ => Dtype::U8,
            };
            Ord::max(usual, Dtype::for_label(self.labels.unwrap_or(0)))
        });
        Synth::new(kind, shape, dtype, self.labels, self.seed)
    }
}
