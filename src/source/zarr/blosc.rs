//! Blosc, format 1: blocks that are shuffled and compressed each by itself.
//!
//! Gets stored bytes; fills a place for exactly as many bytes as they stand for, or gives these from the first to the last
//! ([`Stream`]). What is inside a block may be LZ4, zlib or Zstandard.
//!
//! ```text
//!   version, version of the compressor, flags, bytes of an element      4 x 1 byte
//!   bytes they stand for, bytes of a block, bytes of all this           3 x 4 bytes
//!   where each block begins                                             4 bytes each
//!   blocks: of one or several parts, each with its length before it
//! ```

use std::io::{self, Read};

use super::codec::{Decoder, damaged};
use super::store::Blob;
use crate::lanes;
use crate::memory::zeroed;
use crate::rows::{fill, label};
use crate::source::decompress::{Compression, Decompressor, Fault};

/// Bytes of the header.
const HEADER: usize = 16;

/// The most parts of a block.
const MOST_PARTS: usize = 16;

/// The largest block that a stream holds.
pub(super) const LARGEST_BLOCK: u64 = 16 << 20;

/// What the bytes begin with.
#[derive(Clone, Copy, Debug)]
struct Header {
    flags: u8,
    element: usize,
    length: usize,
    block: usize,
    stored: usize,
}

/// Bits of the flags.
mod flag {
    pub(super) const SHUFFLED: u8 = 1;
    pub(super) const COPIED: u8 = 2;
    pub(super) const BITS_SHUFFLED: u8 = 4;
    pub(super) const WHOLE: u8 = 16;
}

/// Bytes that fit between [`u32`]s of the header.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    // Blosc's numbers are signed.
    usize::try_from(i32::from_le_bytes(bytes)).ok()
}

impl Header {
    fn read(bytes: &[u8], stored: u64) -> Result<Self, Fault> {
        let [version, _, flags, element, ..] = *bytes else { return Err(Fault::TooFew(0)) };
        let numbers = [4, 8, 12].map(|at| number(bytes, at));
        let [Some(length), Some(block), Some(own)] = numbers else {
            return Err(damaged("a header of blosc with impossible numbers"));
        };
        if version != 2 {
            return Err(damaged(format!("blosc of format {version}; 2 is read")));
        }
        if own as u64 != stored {
            return Err(damaged(format!("{stored} bytes of blosc that claim to be {own}")));
        }
        if element == 0 || length > 0 && (block == 0 || block > length) {
            return Err(damaged("a header of blosc with impossible numbers"));
        }
        Ok(Self { flags, element: usize::from(element), length, block: block.max(1), stored: own })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn blocks(&self) -> usize {
        self.length.div_ceil(self.block)
    }

    /// Bytes of the header and of what follows it.
    fn table(&self) -> usize {
        HEADER + 4 * self.blocks()
    }

    /// Bytes that a block stands for.
    fn block_bytes(&self, block: usize) -> usize {
        self.block.min(self.length - block * self.block)
    }

    /// The parts in which a block of so many bytes is compressed.
    fn parts(&self, bytes: usize) -> usize {
        let split = !self.has(flag::WHOLE)
            && self.element <= MOST_PARTS
            && self.block / self.element >= 128
            && bytes == self.block
            && bytes.is_multiple_of(self.element);
        if split { self.element } else { 1 }
    }

    /// Fills the place of a block from the bytes at which it begins.
    fn decode_block(
        &self,
        decompressor: &mut Decompressor,
        stored: &[u8],
        block: &mut [u8],
        spare: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let bits = self.has(flag::BITS_SHUFFLED) && block.len() >= self.element;
        let bytes = self.has(flag::SHUFFLED) && self.element > 1;
        if self.fill_block(stored, block, bits, bytes) {
            return Ok(());
        }
        if !(bits || bytes) {
            return self.decompress(decompressor, stored, block);
        }
        // A block is no longer than the pixels of its chunk, for which there was room.
        spare.resize(block.len().max(spare.len()), 0);
        let shuffled = &mut spare[..block.len()];
        self.decompress(decompressor, stored, shuffled)?;
        match bits {
            true => unshuffle_bits(shuffled, block, self.element),
            false => unshuffle(shuffled, block, self.element),
        }
        Ok(())
    }

    /// Fills the place of a block all of whose elements are the same, where its bytes say so at once; gives whether they do.
    fn fill_block(&self, stored: &[u8], block: &mut [u8], bits: bool, bytes: bool) -> bool {
        let parts = self.parts(block.len());
        let mut element = [0; MOST_PARTS];
        let mut rest = stored;
        for byte in element.iter_mut().take(parts) {
            let part = number(rest, 0).and_then(|length| rest[4..].split_at_checked(length));
            let Some((part, after)) = part else { return false };
            let Some(repeated) = self.repeated_byte(part, block.len() / parts) else { return false };
            (*byte, rest) = (repeated, after);
        }
        match (parts, element) {
            // Whatever is done with zeros, they stay.
            (_, element) if element == [0; MOST_PARTS] => block.fill(0),
            (1, [byte, ..]) if !bits => block.fill(byte),
            // Each part is one of the bytes of all elements.
            (2 | 4 | 8, element) if bytes && !bits => fill(block, label(&element[..parts]), parts),
            _ => return false,
        }
        true
    }

    /// The byte that a part of a block is from its beginning to its end, where it is compressed so that this can be seen at once.
    fn repeated_byte(&self, compressed: &[u8], length: usize) -> Option<u8> {
        if self.flags >> 5 == 1 && compressed.len() != length { repeated_byte(compressed, length) } else { None }
    }

    /// Fills the place of a block as it is compressed.
    fn decompress(&self, decompressor: &mut Decompressor, mut stored: &[u8], plain: &mut [u8]) -> Result<(), Fault> {
        let part_bytes = plain.len() / self.parts(plain.len());
        for part in plain.chunks_exact_mut(part_bytes.max(1)) {
            let cut = || damaged("a block of blosc that breaks off");
            let length = number(stored, 0).ok_or_else(cut)?;
            let (compressed, rest) = stored[4..].split_at_checked(length).ok_or_else(cut)?;
            stored = rest;
            if length == part.len() {
                part.copy_from_slice(compressed);
                continue;
            }
            match self.flags >> 5 {
                1 => lz4(compressed, part)?,
                3 => decompressor.decompress(Compression::Deflate, compressed, part).map_err(inside)?,
                4 => decompressor.decompress(Compression::Zstd, compressed, part).map_err(inside)?,
                other => {
                    let name = ["blosclz", "LZ4", "Snappy", "zlib", "Zstandard"].get(usize::from(other));
                    let name = name.unwrap_or(&"an unknown method");
                    return Err(damaged(format!("blosc with {name}; LZ4, zlib and Zstandard are read")));
                }
            }
        }
        Ok(())
    }
}

/// The byte that a block of LZ4 of `length` bytes consists of, where it is compressed as one copy of that byte.
///
/// Most of a label mask is that: its background, and the upper bytes of its labels.
fn repeated_byte(stored: &[u8], length: usize) -> Option<u8> {
    let (&token, rest) = stored.split_first()?;
    let (literals, rest) = rest.split_at_checked(usize::from(token >> 4)).filter(|_| token >> 4 < 15)?;
    let &[byte, ..] = literals else { return None };
    let (distance, mut rest) = rest.split_first_chunk()?;
    let distance = usize::from(u16::from_le_bytes(*distance));
    let mut copied = usize::from(token & 15) + 4;
    if token & 15 == 15 {
        loop {
            let (&more, after) = rest.split_first()?;
            rest = after;
            copied = copied.checked_add(usize::from(more))?;
            if more < 255 {
                break;
            }
        }
    }
    // At the end of a block there are at least five literals.
    let (&token, last) = rest.split_first()?;
    let whole = usize::from(token >> 4) == last.len() && (5..15).contains(&last.len()) && token & 15 == 0;
    let same = literals.iter().chain(last).all(|&other| other == byte);
    let all = literals.len().checked_add(copied)?.checked_add(last.len())?;
    (whole && same && (1..=literals.len()).contains(&distance) && all == length).then_some(byte)
}

/// Fills the place of a part that is a block of LZ4.
fn lz4(stored: &[u8], plain: &mut [u8]) -> Result<(), Fault> {
    if let Some(byte) = repeated_byte(stored, plain.len()) {
        plain.fill(byte);
        return Ok(());
    }
    // Lengths of Blosc are signed numbers of 32 bits.
    let length = i32::try_from(plain.len()).map_err(|_| damaged("a block of LZ4 that is too long"))?;
    match lz4::block::decompress_to_buffer(stored, Some(length), plain) {
        Ok(count) if count == plain.len() => Ok(()),
        Ok(_) => Err(damaged("a block of LZ4 that is too short")),
        Err(_) => Err(damaged("damaged LZ4")),
    }
}

/// A fault of a part of a block is one of the chunk: counts of bytes would be those of the part.
fn inside(fault: Fault) -> Fault {
    match fault {
        Fault::TooFew(_) => damaged("a block of blosc that is too short"),
        Fault::TooMany => damaged("a block of blosc that is too long"),
        fault => fault,
    }
}

/// Bytes that the stored ones stand for, as they claim.
pub(super) fn length(stored: &[u8]) -> Result<u64, Fault> {
    Ok(Header::read(stored, stored.len() as u64)?.length as u64)
}

/// Fills `pixels` from stored bytes, which must hold exactly that many.
pub(super) fn decode(decoder: &mut Decoder, stored: &[u8], pixels: &mut [u8]) -> Result<(), Fault> {
    let header = Header::read(stored, stored.len() as u64)?;
    check_length(&header, pixels.len() as u64)?;
    if header.has(flag::COPIED) {
        let copied = &stored[HEADER..];
        if copied.len() != pixels.len() {
            return Err(damaged("a copy of another length than blosc claims"));
        }
        pixels.copy_from_slice(copied);
        return Ok(());
    }
    let Decoder { decompressor, blosc } = decoder;
    for (number_of, block) in pixels.chunks_mut(header.block).enumerate() {
        let start = number(stored, HEADER + 4 * number_of).filter(|&start| start >= header.table());
        let stored = start.and_then(|start| stored.get(start..));
        let stored = stored.ok_or_else(|| damaged("a block of blosc outside of its bytes"))?;
        header.decode_block(decompressor, stored, block, blosc)?;
    }
    Ok(())
}

fn check_length(header: &Header, pixels: u64) -> Result<(), Fault> {
    match header.length as u64 {
        length if length < pixels => Err(Fault::TooFew(length)),
        length if length > pixels => Err(Fault::TooMany),
        _ => Ok(()),
    }
}

/// Elements whose bytes lie apart, byte by byte of all elements, put together; what is no whole element stays.
fn unshuffle(shuffled: &[u8], elements: &mut [u8], bytes: usize) {
    let count = elements.len() / bytes;
    match bytes {
        2 => lanes::join_bytes::<2>(&shuffled[..count * bytes], &mut elements[..count * bytes]),
        4 => lanes::join_bytes::<4>(&shuffled[..count * bytes], &mut elements[..count * bytes]),
        8 => lanes::join_bytes::<8>(&shuffled[..count * bytes], &mut elements[..count * bytes]),
        _ => {
            for (byte, plane) in shuffled[..count * bytes].chunks_exact(count.max(1)).enumerate() {
                for (element, &value) in elements.chunks_exact_mut(bytes).zip(plane) {
                    element[byte] = value;
                }
            }
        }
    }
    elements[count * bytes..].copy_from_slice(&shuffled[count * bytes..]);
}

/// Elements whose bits lie apart, bit by bit of all elements, put together. Blosc shuffles only multiples of 8 elements.
fn unshuffle_bits(shuffled: &[u8], elements: &mut [u8], bytes: usize) {
    let count = elements.len() / bytes;
    if !count.is_multiple_of(8) {
        elements.copy_from_slice(shuffled);
        return;
    }
    let plane_bytes = count / 8;
    for byte in 0..bytes {
        let planes = &shuffled[byte * 8 * plane_bytes..][..8 * plane_bytes];
        for (group, elements) in elements[..count * bytes].chunks_exact_mut(8 * bytes).enumerate() {
            let bits = u64::from_le_bytes(std::array::from_fn(|bit| planes[bit * plane_bytes + group]));
            for (element, value) in elements.chunks_exact_mut(bytes).zip(transposed(bits).to_le_bytes()) {
                element[byte] = value;
            }
        }
    }
    elements[count * bytes..].copy_from_slice(&shuffled[count * bytes..]);
}

/// Eight rows of eight bits, exchanged with their columns.
fn transposed(mut bits: u64) -> u64 {
    for (distance, mask) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let exchanged = (bits ^ (bits >> distance)) & mask;
        bits ^= exchanged ^ (exchanged << distance);
    }
    bits
}

/// The bytes of a chunk, block after block.
pub(super) struct Stream {
    stored: Blob,
    header: Header,
    decompressor: Decompressor,
    /// The next block.
    next: usize,
    block: Vec<u8>,
    /// Bytes of the block that were given.
    given: usize,
    compressed: Vec<u8>,
    spare: Vec<u8>,
}

impl Stream {
    pub(super) fn new(stored: Blob, pixels: u64) -> Result<Self, Fault> {
        let mut bytes = [0; HEADER];
        if stored.length < HEADER as u64 {
            return Err(Fault::TooFew(0));
        }
        read_at(&stored, &mut bytes, 0)?;
        let header = Header::read(&bytes, stored.length)?;
        check_length(&header, pixels)?;
        if header.has(flag::COPIED) && header.stored - HEADER != header.length {
            return Err(damaged("a copy of another length than blosc claims"));
        }
        if header.block as u64 > LARGEST_BLOCK {
            return Err(damaged(format!("blocks of blosc of {} bytes, too large to be read in parts", header.block)));
        }
        let block: Vec<u8> =
            zeroed(header.block as u64, "a block of blosc").map_err(|error| Fault::Damaged(io::Error::other(error)))?;
        let given = block.len();
        Ok(Self {
            stored,
            header,
            decompressor: Decompressor::default(),
            next: 0,
            block,
            given,
            compressed: Vec::new(),
            spare: Vec::new(),
        })
    }

    /// Decodes the next block, of which there is one.
    fn decode(&mut self) -> Result<(), Fault> {
        let header = self.header;
        let bytes = header.block_bytes(self.next);
        self.block.truncate(bytes);
        if header.has(flag::COPIED) {
            let start = (HEADER + self.next * header.block) as u64;
            read_at(&self.stored, &mut self.block, start)?;
        } else {
            let mut start = [0; 4];
            read_at(&self.stored, &mut start, (HEADER + 4 * self.next) as u64)?;
            let start = number(&start, 0).filter(|&start| start >= header.table() && start < header.stored);
            let start = start.ok_or_else(|| damaged("a block of blosc outside of its bytes"))?;
            // A part that does not get shorter is stored as it is.
            let most = bytes + 4 * header.parts(bytes);
            self.compressed.resize(most.min(header.stored - start), 0);
            read_at(&self.stored, &mut self.compressed, start as u64)?;
            header.decode_block(&mut self.decompressor, &self.compressed, &mut self.block, &mut self.spare)?;
        }
        self.next += 1;
        self.given = 0;
        Ok(())
    }
}

fn read_at(stored: &Blob, bytes: &mut [u8], offset: u64) -> Result<(), Fault> {
    let part = stored.length.checked_sub(offset).map(|left| stored.part(offset, left));
    let mut part = part.ok_or_else(|| damaged("a block of blosc outside of its bytes"))?;
    part.read_exact(bytes).map_err(Fault::Damaged)
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.block.len() {
            if self.next == self.header.blocks() {
                return Ok(0);
            }
            self.decode().map_err(|fault| match fault {
                Fault::Damaged(error) => error,
                Fault::TooFew(_) | Fault::TooMany => io::ErrorKind::InvalidData.into(),
            })?;
        }
        let rest = &self.block[self.given..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_transposed() {
        for row in 0..8 {
            for column in 0..8 {
                assert_eq!(transposed(1 << (8 * row + column)), 1 << (8 * column + row));
            }
        }
    }

    #[test]
    fn one_byte_again_and_again_is_seen_at_once() {
        for length in [13, 14, 19, 20, 33, 100, 270, 275, 530, 65536] {
            for byte in [0, 7, 255] {
                let plain = vec![byte; length];
                let stored = lz4::block::compress(&plain, None, false).unwrap();
                assert_eq!(repeated_byte(&stored, length), Some(byte), "{length}");
                // Of no other length, and not when anything is missing, more or other.
                assert!(repeated_byte(&stored, length - 1).is_none() && repeated_byte(&stored, length + 1).is_none());
                assert!((0..stored.len()).all(|end| repeated_byte(&stored[..end], length).is_none()));
                assert!(repeated_byte(&[&stored[..], &[byte]].concat(), length).is_none());
                for index in 0..stored.len() {
                    let mut changed = stored.clone();
                    changed[index] ^= 1;
                    let Some(found) = repeated_byte(&changed, length) else { continue };
                    let mut decoded = vec![!found; length];
                    let count = lz4::block::decompress_to_buffer(&changed, Some(length as i32), &mut decoded).unwrap();
                    assert!(count == length && decoded.iter().all(|&other| other == found), "{length} {index}");
                }
                for index in (0..length).step_by(length / 13) {
                    let mut other = plain.clone();
                    other[index] ^= 1;
                    let stored = lz4::block::compress(&other, None, false).unwrap();
                    assert_eq!(repeated_byte(&stored, length), None, "{length} {index}");
                }
            }
        }
    }

    /// Blocks of equal elements, of which nothing is decompressed, and blocks of which some parts are one byte.
    #[test]
    fn blocks_of_equal_elements_are_filled() {
        for element in [1_usize, 2, 3, 4, 8] {
            let value: Vec<u8> = (0..element).map(|byte| [9, 0, 200, 0, 1, 2, 3, 4][byte]).collect();
            let plain: Vec<u8> = value.iter().copied().cycle().take(element * 1024).collect();
            for shuffle in [0, flag::SHUFFLED, flag::BITS_SHUFFLED] {
                for whole in [0, flag::WHOLE] {
                    for zero in [false, true] {
                        let plain = if zero { vec![0; plain.len()] } else { plain.clone() };
                        let mut shuffled = plain.clone();
                        match shuffle {
                            flag::SHUFFLED if element > 1 => {
                                for (index, &byte) in plain.iter().enumerate() {
                                    shuffled[index % element * 1024 + index / element] = byte;
                                }
                            }
                            flag::BITS_SHUFFLED => {
                                shuffled.fill(0);
                                for (index, element_of) in plain.chunks_exact(element).enumerate() {
                                    for (bit, place) in (0..8 * element).map(|bit| (bit, bit * 128 + index / 8)) {
                                        shuffled[place] |= (element_of[bit / 8] >> (bit % 8) & 1) << (index % 8);
                                    }
                                }
                            }
                            _ => {}
                        }
                        let header = Header {
                            flags: 1 << 5 | shuffle | whole,
                            element,
                            length: plain.len(),
                            block: plain.len(),
                            stored: 0,
                        };
                        let part = plain.len() / header.parts(plain.len());
                        let mut stored = Vec::new();
                        for part in shuffled.chunks_exact(part) {
                            let compressed = lz4::block::compress(part, None, false).unwrap();
                            stored.extend((compressed.len() as u32).to_le_bytes());
                            stored.extend(compressed);
                        }
                        let mut found = vec![0xa5; plain.len()];
                        header
                            .decode_block(&mut Decompressor::default(), &stored, &mut found, &mut Vec::new())
                            .unwrap();
                        assert_eq!(found, plain, "{element} {shuffle} {whole} {zero}");
                        let (bits, bytes) = (shuffle == flag::BITS_SHUFFLED, shuffle == flag::SHUFFLED && element > 1);
                        let filled = header.fill_block(&stored, &mut found, bits, bytes);
                        let parts = header.parts(plain.len());
                        assert_eq!(
                            filled,
                            zero || !bits && (element == 1 || bytes && matches!(parts, 2 | 4 | 8)),
                            "{element} {shuffle} {whole}"
                        );
                        assert_eq!(found, plain, "{element} {shuffle} {whole} {zero}");
                    }
                }
            }
        }
    }

    #[test]
    fn shuffles_are_undone() {
        for bytes in [1, 2, 3, 4, 8, 12] {
            for count in [0, 1, 7, 8, 16, 40, 64, 99] {
                let elements: Vec<u8> = (0..count * bytes + bytes / 2).map(|byte| (byte * 37 % 251) as u8).collect();
                let whole = &elements[..count * bytes];
                let mut shuffled = vec![0; elements.len()];
                let mut bits = vec![0; elements.len()];
                for (index, element) in whole.chunks_exact(bytes).enumerate() {
                    for (byte, &value) in element.iter().enumerate() {
                        shuffled[byte * count + index] = value;
                        for bit in 0..8 {
                            bits[(8 * byte + bit) * count / 8 + index / 8] |= (value >> bit & 1) << (index % 8);
                        }
                    }
                }
                shuffled[count * bytes..].copy_from_slice(&elements[count * bytes..]);
                bits[count * bytes..].copy_from_slice(&elements[count * bytes..]);
                let mut found = vec![9; elements.len()];
                unshuffle(&shuffled, &mut found, bytes);
                assert_eq!(found, elements, "{bytes} {count}");
                if count % 8 == 0 {
                    unshuffle_bits(&bits, &mut found, bytes);
                    assert_eq!(found, elements, "{bytes} {count}");
                }
            }
        }
    }
}
