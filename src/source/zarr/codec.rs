//! From the stored bytes of a chunk to its pixels as the array orders them.
//!
//! Gets bytes and a place for exactly as many pixels as a chunk has; fills it, or says what is wrong. Nothing is allocated
//! on the word of the bytes: what a codec makes goes where there is room for it, and more than fits is an error.

use std::io::{self, Read};

use crc::{CRC_32_ISCSI, Crc, Table};

use super::blosc;
use super::store::Blob;
use crate::memory::{append, zeroed};
use crate::source::decompress::{self, Compression, Decompressor, Fault, STREAM_BUFFER, Stored};

/// Bytes of a checksum.
const CHECKSUM: usize = 4;

/// From bytes to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Gzip,
    Zlib,
    Zstd,
    Blosc,
    /// A checksum at the end.
    Crc32c,
}

impl Codec {
    /// What messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
            Self::Blosc => "blosc",
            Self::Crc32c => "crc32c",
        }
    }

    fn compression(self) -> Compression {
        match self {
            Self::Gzip => Compression::Gzip,
            Self::Zlib => Compression::Deflate,
            // That which compresses most stands for all that may be inside.
            Self::Zstd | Self::Blosc => Compression::Zstd,
            Self::Crc32c => Compression::None,
        }
    }
}

/// How chunks are stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Codecs {
    /// The axes in the order in which they are stored, the slowest first.
    pub(super) order: Vec<usize>,
    /// From bytes to bytes, in the order in which a writer applies them.
    pub(super) codecs: Vec<Codec>,
    /// When several chunks lie under one key; then there are no other codecs here.
    pub(super) shard: Option<Box<Shard>>,
}

/// Several chunks under one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shard {
    /// The sides of one of its chunks.
    pub(super) chunk: Vec<u64>,
    /// How each is stored.
    pub(super) codecs: Codecs,
    pub(super) index_big_endian: bool,
    pub(super) index_checksum: bool,
    /// Whether the index comes first.
    pub(super) at_start: bool,
}

/// What one thread needs to decode chunks; kept for the next.
#[derive(Default)]
pub(super) struct Decoder {
    pub(super) decompressor: Decompressor,
    pub(super) blosc: Vec<u8>,
}

/// The most bytes that are stored for `pixels` bytes: compressed bytes are hardly more than what they stand for.
pub(super) fn most_stored(pixels: u64) -> u64 {
    pixels.saturating_mul(2).saturating_add(1 << 20)
}

impl Codecs {
    /// The one codec that compresses, if there is one and nothing but checksums besides.
    fn only(&self) -> Option<Codec> {
        let mut codecs = self.codecs.iter().filter(|codec| **codec != Codec::Crc32c);
        codecs.next().copied().filter(|_| codecs.next().is_none())
    }

    /// What is wrong with a chunk of `pixels` bytes that is stored in `stored` bytes, as far as its length tells.
    pub(super) fn implausible(&self, stored: u64, pixels: u64) -> Option<String> {
        if stored > most_stored(pixels) {
            return Some(format!("{stored} bytes, more than they are worth"));
        }
        let few = match (self.only(), self.codecs.is_empty()) {
            (Some(codec), _) => u128::from(pixels) > codec.compression().largest(stored),
            (None, true) => stored != pixels,
            (None, false) => false,
        };
        let with = self.only().map(|codec| format!(" with {}", codec.name())).unwrap_or_default();
        few.then(|| format!("{stored} bytes{with}"))
    }

    /// Bytes that [`Codecs::decode`] takes besides what it is given, at most.
    pub(super) fn decoder_bytes(&self, pixels: u64) -> u64 {
        let compressors = self.codecs.iter().filter(|codec| **codec != Codec::Crc32c).count() as u64;
        let between = compressors.saturating_sub(1).min(2).saturating_mul(most_stored(pixels));
        let block = if self.codecs.contains(&Codec::Blosc) { pixels } else { 0 };
        between.saturating_add(block)
    }

    /// Fills `pixels` from the stored bytes of a chunk.
    pub(super) fn decode(&self, decoder: &mut Decoder, stored: &[u8], pixels: &mut [u8]) -> Result<(), Fault> {
        let mut between = Vec::new();
        self.undo(&self.codecs, decoder, stored, pixels, &mut between)
    }

    fn undo(
        &self,
        codecs: &[Codec],
        decoder: &mut Decoder,
        stored: &[u8],
        pixels: &mut [u8],
        spare: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match codecs {
            [] if stored.len() < pixels.len() => Err(Fault::TooFew(stored.len() as u64)),
            [] if stored.len() > pixels.len() => Err(Fault::TooMany),
            [] => {
                pixels.copy_from_slice(stored);
                Ok(())
            }
            [codecs @ .., Codec::Crc32c] => self.undo(codecs, decoder, checked(stored)?, pixels, spare),
            [Codec::Blosc] => blosc::decode(decoder, stored, pixels),
            [codec] => decoder.decompressor.decompress(codec.compression(), stored, pixels),
            [codecs @ .., codec] => {
                let most = most_stored(pixels.len() as u64);
                let mut between = std::mem::take(spare);
                between.clear();
                match codec {
                    Codec::Blosc => {
                        let length = blosc::length(stored)?;
                        if length > most {
                            return Err(Fault::TooMany);
                        }
                        between = zeroed(length, "bytes between two codecs").map_err(other)?;
                        blosc::decode(decoder, stored, &mut between)?;
                    }
                    codec => {
                        let mut stream = decompress::stream(codec.compression(), Stored::Held(stored), most)?;
                        append(&mut stream, most.saturating_add(1), &mut between).map_err(Fault::Damaged)?;
                        if between.len() as u64 > most {
                            return Err(Fault::TooMany);
                        }
                    }
                }
                self.undo(codecs, decoder, &between, pixels, spare)
            }
        }
    }

    /// Whether a chunk can be decoded from its first pixel to its last without being held.
    pub(super) fn streams(&self) -> bool {
        let straight = self.order.iter().enumerate().all(|(place, &axis)| place == axis);
        straight && self.codecs.len() <= 1 && !self.codecs.contains(&Codec::Crc32c)
    }

    /// Bytes of memory that a stream of a chunk of `pixels` bytes takes, about.
    pub(super) fn stream_bytes(&self, pixels: u64) -> u64 {
        STREAM_BUFFER
            + match self.only() {
                Some(Codec::Blosc) => 2 * pixels.min(blosc::LARGEST_BLOCK),
                Some(codec) => codec.compression().stream_bytes(pixels),
                None => 0,
            }
    }

    /// The pixels of a chunk, `pixels` bytes, one after another.
    pub(super) fn stream(&self, stored: Blob, pixels: u64) -> Result<Box<dyn Read + Send>, Fault> {
        match self.only() {
            Some(Codec::Blosc) => Ok(Box::new(blosc::Stream::new(stored, pixels)?)),
            codec => {
                let length = stored.length;
                let stored = Stored::read(stored, length);
                decompress::stream(codec.map_or(Compression::None, Codec::compression), stored, pixels)
            }
        }
    }
}

/// The checksum CRC-32C of bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
    CRC.checksum(bytes)
}

/// The bytes before a checksum that is theirs.
pub(super) fn checked(stored: &[u8]) -> Result<&[u8], Fault> {
    let Some((bytes, stored)) = stored.split_last_chunk::<CHECKSUM>() else { return Err(Fault::TooFew(0)) };
    let (found, expected) = (checksum(bytes), u32::from_le_bytes(*stored));
    match found == expected {
        true => Ok(bytes),
        false => Err(damaged(format!("bytes whose checksum is {found:08x}, and {expected:08x} is stored"))),
    }
}

/// Bytes that are no such stream.
pub(super) fn damaged(what: impl Into<String>) -> Fault {
    Fault::Damaged(io::Error::new(io::ErrorKind::InvalidData, what.into()))
}

fn other(error: crate::Error) -> Fault {
    Fault::Damaged(io::Error::other(error))
}
