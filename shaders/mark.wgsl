// Mark: the boundaries of one piece as bits, 256 pixels of a line (a segment) at a time.
//
// Gets labels in rows of memory. Gives, for each line and segment, the number of boundaries, counts[segment][line], and,
// where that is not 0, eight words of bits, bits[line][segment][8], the first pixel in the lowest bit. Bits of segments
// without boundaries are not written, and whoever reads them looks at the count first.
//
// Labels are compared sixteen bytes at a time: a block is a vector of four words whose fields are labels. No label
// changes its place; only bits do, in workgroup memory.

//@if ALIGNED
// Rows of memory begin at multiples of 16 bytes, so an address is the number of a block.
const ADDRESS_SHIFT = 4u;
const BLOCK = 1u;
@group(0) @binding(1) var<storage, read> labels: array<vec4<u32>>;
//@if ACROSS
@group(0) @binding(2) var<storage, read> above: array<vec4<u32>>;
//@end
//@else
// Rows of memory begin anywhere, so an address is that of a byte.
const ADDRESS_SHIFT = 0u;
const BLOCK = 16u;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
//@if ACROSS
@group(0) @binding(2) var<storage, read> above: array<u32>;
//@end
//@end
@group(0) @binding(3) var<storage, read_write> bits: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;

// Labels in a block, and the lines of one workgroup.
const LABELS = {LABELS}u;
const LINES = {LINES}u;

// A field is as wide as a label; labels of 64 bits are folded into 32 when they are compared.
//@if U64
alias Fields = vec2<u32>;
//@else
alias Fields = vec4<u32>;
//@end
const TOP = Fields({TOP}u);
const REST = ~TOP;

//@if ALONG
var<workgroup> tile: array<atomic<u32>, {TILE}>;
//@else
var<workgroup> tile: array<u32, {TILE}>;
//@end

// The top bit of every field whose labels differ; `difference` is their exclusive or.
fn unequal(difference: vec4<u32>) -> Fields {
//@if U64
    let d = difference.xz | difference.yw;
//@else
    let d = difference;
//@end
    return (((d & REST) + REST) | d) & TOP;
}

// The sixteen bytes at `address`.
//@for source in {SOURCES}
fn block_of_{source}(address: u32) -> vec4<u32> {
//@if ALIGNED
    return {source}[address];
//@else
    let word = address >> 2u;
    let shift = (address & 3u) * 8u;
    let low = vec4<u32>({source}[word], {source}[word + 1u], {source}[word + 2u], {source}[word + 3u]);
    let high = vec4<u32>(low.yzw, {source}[word + 4u]);
    // Two shifts, because a shift by 32 is not defined.
    return (low >> vec4<u32>(shift)) | ((high << vec4<u32>(1u)) << vec4<u32>(31u - shift));
//@end
}
//@end

//@if ACROSS
// Shifts the next pixel's bit into every field from the top.
fn fold(bits: Fields, difference: vec4<u32>) -> Fields {
    return ((bits >> Fields(1u)) & REST) | unequal(difference);
}

// A workgroup owns 32 blocks side by side and 8 x 32 rows of memory; each invocation one block and 32 rows.
@compute @workgroup_size(256)
fn mark(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let x = me & 31u;
    let y = me >> 5u;
    let column = min(group.x * 32u + x, p.blocks - 1u) * BLOCK;
    let row = (group.y * 8u + y) * 32u;

    // Rows past the end repeat the last one, which has no boundaries.
    let last = p.length - 1u;
    let pitch = p.pitch >> ADDRESS_SHIFT;
    let first = (p.first >> ADDRESS_SHIFT) + column;
    let end = first + last * pitch;
    var at = first + min(row, last) * pitch;
    var before: vec4<u32>;
    if row == 0u {
        before = block_of_above((p.above >> ADDRESS_SHIFT) + column);
    } else {
        before = block_of_labels(first + min(row - 1u, last) * pitch);
    }

    // Straight-line code: a loop here would be bounded by a counter in every round. A first look only asks whether any label
    // differs from the one above it: two operations for each word, where bits take seven. Most of a slide needs no second
    // look, and for the rest it finds the labels in a cache.
    let row_above = before;
    var block: vec4<u32>;
    var differs = vec4<u32>(0u);
//@for row in 0..32
    block = block_of_labels(at);
    differs |= block ^ before;
    before = block;
    at = min(at + pitch, end);
//@end
//@for a in 0..{ACCUMULATORS}
    var bits{a} = Fields(0u);
//@end
    if any(differs != vec4<u32>(0u)) {
        at = first + min(row, last) * pitch;
        before = row_above;
//@for a in 0..{ACCUMULATORS}
//@for row in 0..{FIELD}
        block = block_of_labels(at);
        bits{a} = fold(bits{a}, block ^ before);
        before = block;
        at = min(at + pitch, end);
//@end
//@end
    }
    if row == 0u {
        bits0 |= Fields(p.forced * {ONES}u);
    }

    // A word for each line: its bits are in the same field of every accumulator.
    let q = y * LINES + x;
//@if U8
    const EVEN = vec4<u32>(0x00ff00ffu);
    const LOW = vec4<u32>(0x0000ffffu);
    let even01 = (bits0 & EVEN) | ((bits1 & EVEN) << vec4<u32>(8u));
    let even23 = (bits2 & EVEN) | ((bits3 & EVEN) << vec4<u32>(8u));
    let odd01 = ((bits0 >> vec4<u32>(8u)) & EVEN) | (bits1 & ~EVEN);
    let odd23 = ((bits2 >> vec4<u32>(8u)) & EVEN) | (bits3 & ~EVEN);
    let line0 = (even01 & LOW) | (even23 << vec4<u32>(16u));
    let line1 = (odd01 & LOW) | (odd23 << vec4<u32>(16u));
    let line2 = (even01 >> vec4<u32>(16u)) | (even23 & ~LOW);
    let line3 = (odd01 >> vec4<u32>(16u)) | (odd23 & ~LOW);
//@for word in 0..4
//@for field in 0..4
    tile[q + ({word}u * 4u + {field}u) * 32u] = line{field}[{word}];
//@end
//@end
//@end
//@if U16
    const LOW = vec4<u32>(0x0000ffffu);
    let line0 = (bits0 & LOW) | (bits1 << vec4<u32>(16u));
    let line1 = (bits0 >> vec4<u32>(16u)) | (bits1 & ~LOW);
//@for word in 0..4
//@for field in 0..2
    tile[q + ({word}u * 2u + {field}u) * 32u] = line{field}[{word}];
//@end
//@end
//@end
//@if U32
//@for word in 0..4
    tile[q + {word}u * 32u] = bits0[{word}];
//@end
//@end
//@if U64
//@for word in 0..2
    tile[q + {word}u * 32u] = bits0[{word}];
//@end
//@end
    workgroupBarrier();

//@for round in 0..{ROUNDS}
    {
        let slot = {round}u * 256u + me;
        store(slot, group.x * LINES + LABELS * (slot & 31u) + (slot >> 5u), group.y);
    }
//@end
}

fn word(slot: u32) -> u32 {
    return tile[slot];
}
//@end

//@if ALONG
// The four bytes before `address`.
fn word_before(address: u32) -> u32 {
//@if ALIGNED
    return labels[max(address, 1u) - 1u].w;
//@else
    let word = address >> 2u;
    let shift = (address & 3u) * 8u;
    return (labels[max(word, 1u) - 1u] >> shift) | ((labels[word] << 1u) << (31u - shift));
//@end
}

// One bit for each label of the block at `address`: it differs from the label before it.
fn boundaries(address: u32) -> u32 {
    let block = block_of_labels(address);
//@if U8
    let before = (block << vec4<u32>(8u)) | (vec4<u32>(word_before(address), block.xyz) >> vec4<u32>(24u));
    let d = unequal(block ^ before) >> vec4<u32>(7u);
    let four = (d | (d >> vec4<u32>(7u)) | (d >> vec4<u32>(14u)) | (d >> vec4<u32>(21u))) & vec4<u32>(15u);
    return four.x | (four.y << 4u) | (four.z << 8u) | (four.w << 12u);
//@end
//@if U16
    let before = (block << vec4<u32>(16u)) | (vec4<u32>(word_before(address), block.xyz) >> vec4<u32>(16u));
    let d = unequal(block ^ before) >> vec4<u32>(15u);
    let two = (d | (d >> vec4<u32>(15u))) & vec4<u32>(3u);
    return two.x | (two.y << 2u) | (two.z << 4u) | (two.w << 6u);
//@end
//@if U32
    let d = unequal(block ^ vec4<u32>(word_before(address), block.xyz)) >> vec4<u32>(31u);
    return d.x | (d.y << 1u) | (d.z << 2u) | (d.w << 3u);
//@end
//@if U64
//@if ALIGNED
    let low = labels[max(address, 1u) - 1u].z;
//@else
    let low = word_before(max(address, 4u) - 4u);
//@end
    let d = unequal(block ^ vec4<u32>(low, word_before(address), block.xy)) >> vec2<u32>(31u);
    return d.x | (d.y << 1u);
//@end
}

// A workgroup owns one segment of LINES lines; the invocations walk over it side by side, eight times.
@compute @workgroup_size(256)
fn mark(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    const BLOCKS = 256u / LABELS;
//@for round in 0..{CLEARS}
    if {round}u * 256u + me < {TILE}u {
        atomicStore(&tile[{round}u * 256u + me], 0u);
    }
//@end
    workgroupBarrier();

    let in_segment = me % BLOCKS;
    let column = group.x * BLOCKS + in_segment;
    let start = column * LABELS;
    // Labels of this block that are in the line; what lies behind its end is not looked at.
    let there = min(max(p.length, start) - start, LABELS);
    let valid = (1u << there) - 1u;
    let forced = select(0u, p.forced, start == 0u);
    let pitch = p.pitch >> ADDRESS_SHIFT;
    let first = (p.first >> ADDRESS_SHIFT) + min(column, p.blocks - 1u) * BLOCK;
    let to = (in_segment * LABELS) >> 5u;
    let shift = (in_segment * LABELS) & 31u;
//@for round in 0..8
    {
        let line = {round}u * LABELS + me / BLOCKS;
        let address = first + min(group.y * LINES + line, p.lines - 1u) * pitch;
        let found = (boundaries(address) | forced) & valid;
        if found != 0u {
            atomicOr(&tile[to * LINES + line], found << shift);
        }
    }
//@end
    workgroupBarrier();

    store(me, group.y * LINES + me, group.x);
}

fn word(slot: u32) -> u32 {
    return atomicLoad(&tile[slot]);
}
//@end

// Writes one line's segment, whose eight words lie LINES apart in the tile.
fn store(slot: u32, line: u32, segment: u32) {
    if slot >= LINES || line >= p.lines {
        return;
    }
    let low = vec4<u32>(word(slot), word(slot + LINES), word(slot + 2u * LINES), word(slot + 3u * LINES));
    let high = vec4<u32>(word(slot + 4u * LINES), word(slot + 5u * LINES), word(slot + 6u * LINES), word(slot + 7u * LINES));
    let ones = countOneBits(low) + countOneBits(high);
    let count = ones.x + ones.y + ones.z + ones.w;
    counts[segment * p.lines + line] = count;
    if count != 0u {
        let to = (line * p.segments + segment) * 2u;
        bits[to] = low;
        bits[to + 1u] = high;
    }
}
