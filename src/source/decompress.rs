//! The bytes of chunks, decompressed: tiles and strips of a TIFF, chunks of a Zarr array.
//!
//! Gets compressed bytes and the length that they must have; gives exactly that many, or says what is wrong. There are
//! two ways to the same answer: a chunk as a whole, with the fastest decoders there are ([`Decompressor`]), and a chunk
//! as a stream ([`stream`]) for those that memory does not hold. Both end with the same error on the same bytes as far
//! as the kind of the fault goes; the wording of a damaged stream is the decoder's. All decoders read from the one type
//! [`Stored`], so that each is compiled once.

use std::io::{self, BufRead, BufReader, Read};

use weezl::{BitOrder, LzwStatus};

/// How chunks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Lzw,
    /// In zlib's envelope.
    Deflate,
    #[cfg(feature = "zarr")]
    Gzip,
    PackBits,
    Zstd,
    Lzma,
}

/// The largest window or dictionary that a chunk may ask for, as a power of two: 128 MiB.
const LARGEST_WINDOW: u32 = 27;

/// Stored bytes that a stream reads at once.
pub(crate) const STREAM_BUFFER: u64 = 1 << 16;

/// What is wrong with a chunk.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It ends after this many bytes.
    TooFew(u64),
    /// It goes on after the bytes asked for.
    TooMany,
    /// It is no such stream, or the file could not be read.
    Damaged(io::Error),
}

impl Compression {
    /// The method that a compression tag names; otherwise why it is not read.
    pub(crate) fn from_tag(tag: u64) -> Result<Self, String> {
        let name = match tag {
            1 => return Ok(Self::None),
            5 => return Ok(Self::Lzw),
            8 | 32946 => return Ok(Self::Deflate),
            32773 => return Ok(Self::PackBits),
            34925 => return Ok(Self::Lzma),
            50000 => return Ok(Self::Zstd),
            2 => "CCITT Huffman",
            3 => "CCITT group 3 fax",
            4 => "CCITT group 4 fax",
            6 | 7 => "JPEG",
            33003 | 33004 | 33005 | 34712 => "JPEG 2000",
            34676 | 34677 => "SGI LogLuv",
            34887 => "LERC",
            50001 => "WebP",
            50002 => "JPEG XL",
            _ => "unknown",
        };
        Err(format!("compression {tag} ({name}); none, LZW, deflate, PackBits, LZMA and Zstandard are read"))
    }

    /// What messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "no compression",
            Self::Lzw => "LZW",
            Self::Deflate => "deflate",
            #[cfg(feature = "zarr")]
            Self::Gzip => "gzip",
            Self::PackBits => "PackBits",
            Self::Zstd => "Zstandard",
            Self::Lzma => "LZMA",
        }
    }

    /// The most that `count` compressed bytes can become.
    pub(crate) fn largest(self, count: u64) -> u128 {
        let factor = match self {
            Self::None => 1,
            // A 12-bit code for at most the 3,839 bytes of the longest entry.
            Self::Lzw => 2_560,
            // 258 bytes for 2 bits.
            Self::Deflate => 1_032,
            #[cfg(feature = "zarr")]
            Self::Gzip => 1_032,
            // 128 bytes for 2.
            Self::PackBits => 64,
            // A block of 128 KiB for 4 bytes.
            Self::Zstd => 32_768,
            // 273 bytes for 14 decisions of at least 0.022 bits each: a factor of 7,091.
            Self::Lzma => 8_192,
        };
        u128::from(count) * factor
    }

    /// Bytes of memory that decompressing a whole chunk takes besides its `pixels` bytes.
    pub(crate) fn decoder_bytes(self, pixels: u64) -> u64 {
        match self {
            Self::Lzma => self.stream_bytes(pixels),
            _ => 0,
        }
    }

    /// Bytes of memory that decompressing a chunk of `pixels` bytes as a stream takes, about.
    pub(crate) fn stream_bytes(self, pixels: u64) -> u64 {
        match self {
            Self::None | Self::PackBits => 0,
            Self::Lzw | Self::Deflate => 1 << 16,
            #[cfg(feature = "zarr")]
            Self::Gzip => 1 << 16,
            // The window, and a block.
            Self::Zstd => pixels.next_power_of_two().min(1 << LARGEST_WINDOW) + (1 << 18),
            // The dictionary grows with what is decompressed.
            Self::Lzma => pixels.next_power_of_two().min(1 << LARGEST_WINDOW) + (1 << 16),
        }
    }
}

/// The bytes of a chunk as they are stored: in memory, or read piece by piece.
pub(crate) enum Stored<'a> {
    Held(&'a [u8]),
    Read(BufReader<Box<dyn Read + Send + 'a>>),
}

impl<'a> Stored<'a> {
    /// The bytes that `reader` gives, some at a time, at most `most` of them.
    pub(crate) fn read(reader: impl Read + Send + 'a, most: u64) -> Self {
        Self::Read(BufReader::with_capacity(most.min(STREAM_BUFFER) as usize, Box::new(reader)))
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Held(bytes) => bytes.read(into),
            Self::Read(reader) => reader.read(into),
        }
    }

    fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Held(bytes) => bytes.read_exact(into),
            Self::Read(reader) => reader.read_exact(into),
        }
    }
}

impl BufRead for Stored<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Held(bytes) => Ok(bytes),
            Self::Read(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Held(bytes) => bytes.consume(count),
            Self::Read(reader) => reader.consume(count),
        }
    }
}

/// Decoders for whole chunks, made once for many.
#[derive(Default)]
pub(crate) struct Decompressor {
    deflate: Option<libdeflater::Decompressor>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressor {
    /// Fills `pixels` from `compressed`, which must hold exactly that many bytes.
    pub(crate) fn decompress(
        &mut self,
        compression: Compression,
        compressed: &[u8],
        pixels: &mut [u8],
    ) -> Result<(), Fault> {
        let count = match compression {
            Compression::Deflate => match self.deflate.get_or_insert_default().zlib_decompress(compressed, pixels) {
                Ok(count) => count,
                Err(libdeflater::DecompressionError::InsufficientSpace) => return Err(Fault::TooMany),
                // One call cannot tell a chunk that breaks off from a damaged one; a stream can.
                Err(libdeflater::DecompressionError::BadData) => return fill(compression, compressed, pixels),
            },
            // A call takes the first of several members; a stream takes all.
            #[cfg(feature = "zarr")]
            Compression::Gzip => match self.deflate.get_or_insert_default().gzip_decompress(compressed, pixels) {
                Ok(count) if count == pixels.len() => count,
                _ => return fill(compression, compressed, pixels),
            },
            Compression::Zstd => {
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    none => none.insert(zstd::bulk::Decompressor::new().map_err(Fault::Damaged)?),
                };
                match zstd.decompress_to_buffer(compressed, pixels) {
                    Ok(count) => count,
                    Err(_) => return fill(compression, compressed, pixels),
                }
            }
            Compression::None | Compression::Lzw | Compression::PackBits | Compression::Lzma => {
                return fill(compression, compressed, pixels);
            }
        };
        if count < pixels.len() { Err(Fault::TooFew(count as u64)) } else { Ok(()) }
    }
}

/// Fills `pixels` from a stream and sees that nothing is left.
fn fill(compression: Compression, compressed: &[u8], pixels: &mut [u8]) -> Result<(), Fault> {
    let mut source = stream(compression, Stored::Held(compressed), pixels.len() as u64)?;
    read_exact(&mut source, pixels)?;
    skip_to_end(&mut source, 0, 0)
}

/// Fills `pixels` from `source`.
pub(crate) fn read_exact(source: &mut dyn Read, pixels: &mut [u8]) -> Result<(), Fault> {
    let mut done = 0;
    while done < pixels.len() {
        match source.read(&mut pixels[done..]) {
            Ok(0) => return Err(Fault::TooFew(done as u64)),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Decoders call a stream that breaks off an unexpected end; for a chunk that is too few bytes.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Fault::TooFew(done as u64)),
            Err(error) => return Err(Fault::Damaged(error)),
        }
    }
    Ok(())
}

/// Reads `source` to its end, which must come after `least` to `most` bytes.
pub(crate) fn skip_to_end(source: &mut dyn Read, least: u64, most: u64) -> Result<(), Fault> {
    let mut skipped = 0;
    let mut buffer = [0; 4096];
    while skipped <= most {
        match source.read(&mut buffer) {
            Ok(0) if skipped < least => return Err(Fault::TooFew(skipped)),
            Ok(0) => return Ok(()),
            Ok(count) => skipped += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Fault::TooFew(skipped)),
            Err(error) => return Err(Fault::Damaged(error)),
        }
    }
    Err(Fault::TooMany)
}

/// The pixels of a chunk of `length` bytes as a stream.
pub(crate) fn stream<'a>(
    compression: Compression,
    compressed: Stored<'a>,
    length: u64,
) -> Result<Box<dyn Read + Send + 'a>, Fault> {
    Ok(match compression {
        Compression::None => Box::new(compressed),
        Compression::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(compressed)),
        #[cfg(feature = "zarr")]
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(compressed)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed).map_err(Fault::Damaged)?;
            // A frame claims its window, and the decoder allocates it: no more than a whole chunk, or than writers that
            // do not know the length take (8 MiB up to level 19).
            decoder
                .window_log_max(length.max(1).ilog2().saturating_add(1).clamp(23, LARGEST_WINDOW))
                .map_err(Fault::Damaged)?;
            Box::new(decoder)
        }
        Compression::Lzw => Box::new(Lzw::new(compressed)),
        Compression::Lzma => {
            let reader = lzma_rust2::XzReader::new_mem_limit(compressed, false, 2 << (LARGEST_WINDOW - 10));
            Box::new(reader)
        }
        Compression::PackBits => Box::new(PackBits { compressed, run: Run::Literal(0) }),
    })
}

/// LZW as TIFF has it; a stream may end without the code that ends it.
struct Lzw<'a> {
    compressed: Stored<'a>,
    decoder: weezl::decode::Decoder,
    begun: bool,
}

impl<'a> Lzw<'a> {
    fn new(compressed: Stored<'a>) -> Self {
        Self { compressed, decoder: weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8), begun: false }
    }
}

impl Read for Lzw<'_> {
    fn read(&mut self, pixels: &mut [u8]) -> io::Result<usize> {
        if self.decoder.has_ended() || pixels.is_empty() {
            return Ok(0);
        }
        loop {
            let input = self.compressed.fill_buf()?;
            if !self.begun && matches!(input, [0, second, ..] if second & 1 == 1) {
                let message = "LZW in the bit order of TIFF before version 5, which is not read";
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            self.begun = true;
            let ended = input.is_empty();
            let step = self.decoder.decode_bytes(input, pixels);
            self.compressed.consume(step.consumed_in);
            match step.status {
                _ if step.consumed_out > 0 => return Ok(step.consumed_out),
                Ok(LzwStatus::Done) => return Ok(0),
                Ok(_) if ended => return Ok(0),
                Ok(LzwStatus::NoProgress) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "LZW codes that lead nowhere"));
                }
                Ok(LzwStatus::Ok) => {}
                Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "an LZW code that was not defined")),
            }
        }
    }
}

/// PackBits: a signed byte, then that many bytes plus one, or one byte to be repeated.
struct PackBits<'a> {
    compressed: Stored<'a>,
    run: Run,
}

enum Run {
    Literal(usize),
    Repeat(usize, u8),
}

impl PackBits<'_> {
    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.compressed.fill_buf()?.first().copied();
        self.compressed.consume(usize::from(byte.is_some()));
        Ok(byte)
    }
}

impl Read for PackBits<'_> {
    fn read(&mut self, pixels: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < pixels.len() {
            let rest = &mut pixels[done..];
            match &mut self.run {
                Run::Literal(0) | Run::Repeat(0, _) => {
                    // A last byte alone is padding: what it announces is not there.
                    let Some(head) = self.byte()? else { break };
                    self.run = match head {
                        0..=127 => Run::Literal(usize::from(head) + 1),
                        128 => Run::Literal(0),
                        129..=255 => match self.byte()? {
                            Some(value) => Run::Repeat(257 - usize::from(head), value),
                            None => break,
                        },
                    };
                }
                Run::Literal(left) => {
                    let input = self.compressed.fill_buf()?;
                    let count = input.len().min(rest.len()).min(*left);
                    if count == 0 {
                        break;
                    }
                    rest[..count].copy_from_slice(&input[..count]);
                    self.compressed.consume(count);
                    *left -= count;
                    done += count;
                }
                Run::Repeat(left, value) => {
                    let count = rest.len().min(*left);
                    rest[..count].fill(*value);
                    *left -= count;
                    done += count;
                }
            }
        }
        Ok(done)
    }
}
