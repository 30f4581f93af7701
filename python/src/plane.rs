//! One object's pixels, side by side in memory: as bytes, of which those other than 0 are the object, and as bits.
//!
//! Gets pixels; gives where the object begins and ends, 64 pixels at a time; guarantees what a loop over pixels would give.

use fearless_simd::{Level, Simd, SimdBase, SimdMask, dispatch, u8x64};
use runmask::Run;

/// Pixels that are looked at at once.
const AT_ONCE: usize = 64;

/// So many times as many are passed over together where all are of one kind.
const TOGETHER: usize = 4;

/// Edges for which a list has room from its beginning, so that a usual object moves none of them.
const USUAL: usize = 512;

/// Places at which pixels change between background and object, in order.
#[derive(Default)]
pub(crate) struct Edges {
    /// Whether the last pixel so far is an object's.
    inside: bool,
    found: Vec<u64>,
}

impl Edges {
    /// Begins anew, behind a pixel that is an object's or background.
    fn begin(&mut self, inside: bool) {
        self.inside = inside;
        self.found.clear();
        self.found.reserve(USUAL);
    }

    /// Adds the next 64 pixels, of which the first is number `first`; the lowest bit is the first pixel.
    #[inline(always)]
    fn add_bits(&mut self, first: u64, bits: u64) {
        let mut changed = bits ^ ((bits << 1) | u64::from(self.inside));
        while changed != 0 {
            self.found.push(first + u64::from(changed.trailing_zeros()));
            changed &= changed - 1;
        }
        self.inside = bits >> 63 != 0;
    }

    /// Adds the next pixels, of which the first is number `first`.
    #[inline(always)]
    fn add_blocks<S: Simd>(&mut self, simd: S, first: u64, blocks: &[[u8; AT_ONCE]]) {
        for (first, block) in (first..).step_by(AT_ONCE).zip(blocks) {
            self.add_bits(first, bits_of(simd, block));
        }
    }
}

/// COCO's counts of pixels as bytes. The lists are for their memory: what they held is lost.
///
/// Both halves are gone over side by side: memory gives more bytes a second when it is read at two places.
pub(crate) fn counts(pixels: &[u8], edges: &mut [Edges; 2], counts: &mut Vec<u64>) {
    dispatch!(Level::new(), simd => find(simd, pixels, edges));
    let [first, second] = edges;
    counts.clear();
    counts.reserve(first.found.len() + second.found.len() + 1);
    let mut start = 0;
    for &at in first.found.iter().chain(&second.found) {
        counts.push(at - start);
        start = at;
    }
    counts.push(pixels.len() as u64 - start);
}

/// The edges of each half.
#[inline(always)]
fn find<S: Simd>(simd: S, pixels: &[u8], [first, second]: &mut [Edges; 2]) {
    let (blocks, rest) = pixels.as_chunks::<AT_ONCE>();
    let (one, other) = blocks.split_at(blocks.len() / 2);
    let half = (one.len() * AT_ONCE) as u64;
    first.begin(false);
    second.begin(one.last().is_some_and(|block| block[AT_ONCE - 1] != 0));
    // The second half may have one block more.
    let pairs = one.chunks(TOGETHER).chain([&[][..]]).zip(other.chunks(TOGETHER));
    for (place, (one, other)) in (0..).step_by(TOGETHER * AT_ONCE).zip(pairs) {
        // Most stretches are of one kind, and one pass of vector instructions sees that. Both are read before either is used.
        let (pass, pass_other) =
            (goes_on(one.as_flattened(), first.inside), goes_on(other.as_flattened(), second.inside));
        if !pass {
            first.add_blocks(simd, place, one);
        }
        if !pass_other {
            second.add_blocks(simd, half + place, other);
        }
    }
    if !rest.is_empty() {
        // What is behind the end goes on as the last pixel: it is no edge.
        let mut block = [*rest.last().unwrap_or(&0); AT_ONCE];
        block[..rest.len()].copy_from_slice(rest);
        second.add_bits((blocks.len() * AT_ONCE) as u64, bits_of(simd, &block));
    }
}

/// Whether all pixels are inside an object, or all are background.
#[inline(always)]
fn goes_on(pixels: &[u8], inside: bool) -> bool {
    match inside {
        false => pixels.iter().fold(0, |all, &pixel| all | pixel) == 0,
        true => pixels.iter().fold(u8::MAX, |least, &pixel| least.min(pixel)) != 0,
    }
}

/// A bit for each byte, set where it is not 0.
#[inline(always)]
fn bits_of<S: Simd>(simd: S, block: &[u8; AT_ONCE]) -> u64 {
    u8x64::from_slice(simd, block).simd_ne(u8x64::splat(simd, 0)).to_bitmask()
}

/// Words between the first and the last of a run that are set without a loop of as many turns.
const MOST_WHOLE: usize = 8;

/// The first words set, for each number of them.
const WHOLE: [[u64; MOST_WHOLE]; MOST_WHOLE + 1] = {
    let mut all = [[0; MOST_WHOLE]; MOST_WHOLE + 1];
    let mut count = 0;
    while count <= MOST_WHOLE {
        let mut word = 0;
        while word < count {
            all[count][word] = u64::MAX;
            word += 1;
        }
        count += 1;
    }
    all
};

/// Pixels as bits, and some words of background behind them, so that as many words follow each.
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// So many pixels of background.
    pub(crate) fn new(pixels: u64) -> Self {
        Self(vec![0; pixels.div_ceil(64) as usize + MOST_WHOLE + 1])
    }

    /// Adds the pixels of a run, which must lie inside.
    #[inline]
    pub(crate) fn set(&mut self, run: Run) {
        let (first, last) = (run.start, run.end() - 1);
        let (from, to) = ((first / 64) as usize, (last / 64) as usize);
        let (head, tail) = (u64::MAX << (first % 64), u64::MAX >> (63 - last % 64));
        let both = if from == to { head & tail } else { u64::MAX };
        self.0[from] |= head & both;
        self.0[to] |= tail & both;
        // Objects have runs of all lengths: a loop of as many turns would end where no processor foresees it.
        let between = (to - from).saturating_sub(1);
        match (WHOLE.get(between), self.0[from + 1..].first_chunk_mut::<MOST_WHOLE>()) {
            (Some(whole), Some(words)) => words.iter_mut().zip(whole).for_each(|(word, whole)| *word |= whole),
            _ => self.0[from + 1..to].fill(u64::MAX),
        }
    }

    /// Adds the pixels of others.
    pub(crate) fn add(mut self, others: &Self) -> Self {
        self.0.iter_mut().zip(&others.0).for_each(|(own, other)| *own |= other);
        self
    }

    /// The runs of all pixels that were added.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let mut edges = Edges::default();
        for (index, &bits) in self.0.iter().enumerate() {
            edges.add_bits(64 * index as u64, bits);
        }
        // A run to the last bit of the last word ends behind it.
        edges.add_bits(64 * self.0.len() as u64, 0);
        edges.found.as_chunks().0.iter().map(|&[start, end]| Run { start, length: end - start }).collect()
    }
}
