//! Records to a PNG, row by row.

use std::io::{BufRead, Write};

use png::EncodingError;

use super::{ChannelOrder, decode};
use crate::error::{Error, Result};
use crate::mask::Dtype;
use crate::memory::{check_row, zeroed};
use crate::shape::Shape;

/// Bytes of the rows that the encoder holds, at most: of this row and the one before, filtered and not.
const MOST_BYTES: u64 = 256 << 20;

/// Writes the picture of `shape` that the records describe as a PNG with 8 bits of red, green, blue and alpha.
///
/// Memory is a few rows; what was written before an error is for the caller to throw away.
///
/// # Errors
/// Those of [`decode`]; [`Error::LimitExceeded`] when a row takes more than 64 MiB; [`Error::Unsupported`] for a picture
/// without pixels.
///
/// ```
/// use runmask::Shape;
/// use runmask::pixels::{self, ChannelOrder};
/// let records = [255, 255, 0, 0, 9, 9, 9, 255, 6];
/// let mut picture = Vec::new();
/// pixels::decode_png(&mut &records[..], Shape { height: 2, width: 3 }, ChannelOrder::Rgba, &mut picture)?;
/// assert_eq!(picture[..4], *b"\x89PNG");
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn decode_png(
    reader: &mut dyn BufRead,
    shape: Shape,
    order: ChannelOrder,
    writer: &mut (impl Write + ?Sized),
) -> Result<()> {
    let failed = |error| match error {
        EncodingError::IoError(source) => Error::Io { context: "writing the picture".into(), source },
        other => Error::Unsupported(other.to_string()),
    };
    check_row(shape, Dtype::U32)?;
    let found = 4 * 4 * u64::from(shape.width);
    if found > MOST_BYTES {
        return Err(Error::LimitExceeded { what: "bytes in rows of a picture".into(), limit: MOST_BYTES, found });
    }
    // The encoder asks nobody whether there is room.
    zeroed::<u32>(4 * u64::from(shape.width), "rows of a picture")?;
    let mut encoder = png::Encoder::new(writer, shape.width, shape.height);
    encoder.set_color(png::ColorType::Rgba);
    let mut header = encoder.write_header().map_err(failed)?;
    let mut stream = header.stream_writer().map_err(failed)?;
    decode(reader, shape.pixels(), order, &mut stream)?;
    stream.finish().map_err(failed)?;
    header.finish().map_err(failed)
}
