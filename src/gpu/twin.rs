//! The kernels in Rust, invocation by invocation, for tests: a shader and its twin share their name.
//!
//! Gets the same words and the same [`Params`] as a kernel; gives the same words. What a kernel leaves unwritten stays 0.

use super::piece::{GROUP, Params, Window};
use super::shader::Variant;
use crate::mask::Dtype;
use crate::strip::Layout;

/// The four bytes at a byte address; 0 outside, where a device gives anything.
fn word_at(words: &[u32], address: u32) -> u32 {
    let word = |index: u32| words.get(index as usize).copied().unwrap_or(0);
    let shift = address % 4 * 8;
    (word(address / 4) >> shift) | ((word(address / 4 + 1) << 1) << (31 - shift))
}

fn block_at(words: &[u32], address: u32) -> [u32; 4] {
    std::array::from_fn(|word| word_at(words, address + 4 * word as u32))
}

/// The lowest bit and the others of every field.
struct Fields {
    width: u32,
    top: u32,
}

impl Fields {
    fn of(dtype: Dtype) -> Self {
        let width = (8 * dtype.bytes() as u32).min(32);
        Self { width, top: (u32::MAX / (u32::MAX >> (32 - width))) << (width - 1) }
    }

    /// The top bit of every field that differs; of labels of two words, both words are one field.
    fn unequal(&self, dtype: Dtype, a: [u32; 4], b: [u32; 4]) -> Vec<u32> {
        let d: [u32; 4] = std::array::from_fn(|word| a[word] ^ b[word]);
        let d = if dtype == Dtype::U64 { vec![d[0] | d[1], d[2] | d[3]] } else { d.to_vec() };
        let rest = !self.top;
        d.into_iter().map(|d| (((d & rest) + rest) | d) & self.top).collect()
    }
}

/// `mark`: bits[line][segment][8] and counts[segment][line].
pub(super) fn mark(variant: Variant, params: Params, labels: &[u32], above: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let (lines, segments) = (params.lines, params.segments());
    let mut bits = vec![0; (lines * segments * 8) as usize];
    let set = |bits: &mut Vec<u32>, line: u32, place: u32| {
        if line < lines && place < segments * 256 {
            bits[((line * segments * 256 + place) / 32) as usize] |= 1 << (place % 32);
        }
    };
    match variant.layout {
        Layout::Across => mark_across(variant.dtype, params, labels, above, |line, place| set(&mut bits, line, place)),
        Layout::Along => mark_along(variant.dtype, params, labels, |line, place| set(&mut bits, line, place)),
    }
    let mut counts = vec![0; (segments * lines) as usize];
    for line in 0..lines {
        for segment in 0..segments {
            let words = &bits[((line * segments + segment) * 8) as usize..][..8];
            counts[(segment * lines + line) as usize] = words.iter().map(|word| word.count_ones()).sum();
        }
    }
    (bits, counts)
}

fn mark_across(dtype: Dtype, params: Params, labels: &[u32], above: &[u32], mut set: impl FnMut(u32, u32)) {
    let Params { first, pitch, blocks, length, .. } = params;
    let fields = Fields::of(dtype);
    let per_word = 32 / fields.width;
    let last = length - 1;
    for block in 0..blocks {
        for start in (0..params.segments() * 256).step_by(32) {
            let at = |row: u32| block_at(labels, first + row.min(last) * pitch + block * 16);
            let mut before = if start == 0 { block_at(above, params.above + block * 16) } else { at(start - 1) };
            // Bits are shifted into every field from the top, so a field full of them has the first row lowest.
            for accumulator in 0..32 / fields.width {
                let mut bits = vec![0; if dtype == Dtype::U64 { 2 } else { 4 }];
                for row in 0..fields.width {
                    let now = at(start + accumulator * fields.width + row);
                    for (bits, unequal) in bits.iter_mut().zip(fields.unequal(dtype, now, before)) {
                        *bits = ((*bits >> 1) & !fields.top) | unequal;
                    }
                    before = now;
                }
                if start == 0 && accumulator == 0 && params.forced {
                    bits.iter_mut().for_each(|bits| *bits |= fields.top >> (fields.width - 1));
                }
                for (word, bits) in bits.into_iter().enumerate() {
                    for bit in (0..32).filter(|bit| bits >> bit & 1 == 1) {
                        let label = block * (16 / dtype.bytes() as u32) + word as u32 * per_word + bit / fields.width;
                        set(label, start + accumulator * fields.width + bit % fields.width);
                    }
                }
            }
        }
    }
}

fn mark_along(dtype: Dtype, params: Params, labels: &[u32], mut set: impl FnMut(u32, u32)) {
    let Params { first, pitch, blocks, lines, length, .. } = params;
    let fields = Fields::of(dtype);
    let (bytes, per_word) = (dtype.bytes() as u32, 32 / fields.width);
    for line in 0..lines {
        for block in 0..blocks {
            let address = first + line * pitch + block * 16;
            let now = block_at(labels, address);
            // The block one label earlier, put together from the words before; nothing lies before address 0.
            let before = std::array::from_fn(|word| {
                let end = address + 4 * word as u32;
                match (end.checked_sub(bytes), bytes < 4) {
                    (Some(at), _) => word_at(labels, at),
                    (None, true) => word_at(labels, 0) << (8 * bytes),
                    (None, false) => 0,
                }
            });
            let mut found: Vec<u32> = Vec::new();
            for (word, bits) in fields.unequal(dtype, now, before).into_iter().enumerate() {
                let top = |field: u32| bits >> ((field + 1) * fields.width - 1) & 1 == 1;
                found.extend((0..per_word).filter(|&field| top(field)).map(|field| word as u32 * per_word + field));
            }
            if block == 0 && params.forced && !found.contains(&0) {
                found.push(0);
            }
            let start = block * (16 / bytes);
            found
                .into_iter()
                .map(|label| start + label)
                .filter(|&place| place < length)
                .for_each(|place| set(line, place));
        }
    }
}

/// `column_scan`: counts become places, with the totals behind them; starts, and sums of groups.
pub(super) fn column_scan(params: Params, mut counts: Vec<u32>) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let (lines, segments) = (params.lines as usize, params.segments() as usize);
    counts.resize((segments + 1) * lines, 0);
    for line in 0..lines {
        let mut total = 0;
        for segment in 0..=segments {
            let count = &mut counts[segment * lines + line];
            total += std::mem::replace(count, total);
        }
    }
    let totals = &counts[segments * lines..];
    let starts = totals.chunks(GROUP as usize).flat_map(|group| {
        group.iter().scan(0, |sum, &total| {
            *sum += total;
            Some(*sum - total)
        })
    });
    let starts = starts.collect();
    let groups = totals.chunks(GROUP as usize).map(|group| group.iter().sum()).collect();
    (counts, starts, groups)
}

/// `scatter`: the events of a window, as the words of the event buffer.
pub(super) fn scatter(
    variant: Variant,
    params: Params,
    window: Window,
    labels: &[u32],
    bits: &[u32],
    (counts, starts, groups): (&[u32], &[u32], &[u32]),
) -> Vec<u32> {
    let (lines, segments) = (params.lines, params.segments());
    let words = variant.event_bytes() / 4;
    let bytes = variant.dtype.bytes() as u32;
    let mut events = vec![0; (window.size * words) as usize];
    for line in window.first_line..lines {
        for segment in 0..segments {
            let mut to =
                groups[(line / GROUP) as usize] + starts[line as usize] + counts[(segment * lines + line) as usize];
            let next = counts[((segment + 1) * lines + line) as usize];
            if next == counts[(segment * lines + line) as usize] {
                continue;
            }
            for bit in 0..256 {
                if bits[((line * segments + segment) * 8 + bit / 32) as usize] >> (bit % 32) & 1 == 0 {
                    continue;
                }
                let place = segment * 256 + bit;
                let address = match variant.layout {
                    Layout::Across => params.first + place * params.pitch + line * bytes,
                    Layout::Along => params.first + line * params.pitch + place * bytes,
                };
                let low = word_at(labels, address) & (u32::MAX >> (32 - 8 * bytes.min(4)));
                let event = match (variant.packed, bytes) {
                    (true, _) => vec![place | low << Variant::place_bits(variant.dtype)],
                    (false, 8) => vec![place, low, word_at(labels, address + 4), 0],
                    (false, _) => vec![place, low],
                };
                if let Some(at) = to.checked_sub(window.start).filter(|&at| at < window.size) {
                    events[(at * words) as usize..][..words as usize].copy_from_slice(&event);
                }
                to += 1;
            }
        }
    }
    events
}
