// Scatter: the boundaries of a piece, in the order of its lines.
//
// Gets the bits of mark and the places of column_scan. Gives an event for each boundary: its place in the line and the
// label that begins there. Events past the window are left to another dispatch, so that any number of them goes through
// a buffer of any size.

@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> bits: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> counts: array<u32>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;
@group(0) @binding(5) var<storage, read> groups: array<u32>;
//@if PACKED
// The label in the upper bits, the place in the others.
alias Event = u32;
//@else
//@if U64
// The place, the label's lower and upper half, and nothing.
alias Event = vec4<u32>;
//@else
// The place and the label.
alias Event = vec2<u32>;
//@end
//@end
@group(0) @binding(6) var<storage, read_write> events: array<Event>;

// The four bytes at a byte address.
fn word_at(address: u32) -> u32 {
//@if ALIGNED
    return labels[address >> 2u] >> ((address & 3u) * 8u);
//@else
    let shift = (address & 3u) * 8u;
    return (labels[address >> 2u] >> shift) | ((labels[(address >> 2u) + 1u] << 1u) << (31u - shift));
//@end
}

fn address(line: u32, place: u32) -> u32 {
//@if ACROSS
    return p.first + place * p.pitch + line * {BYTES}u;
//@else
    return p.first + line * p.pitch + place * {BYTES}u;
//@end
}

// The event of a place whose label begins with `low`.
fn event(line: u32, place: u32, low: u32) -> Event {
//@if PACKED
    return place | (low << {PLACE_BITS}u);
//@else
//@if U8
    return Event(place, low & 0xffu);
//@end
//@if U16
    return Event(place, low & 0xffffu);
//@end
//@if U32
    return Event(place, low);
//@end
//@if U64
    return Event(place, low, word_at(address(line, place) + 4u), 0u);
//@end
//@end
}

// A segment that holds boundaries of the window.
struct Segment {
    // Which one of the workgroup's it is.
    index: u32,
    count: u32,
    // Where its first event goes.
    to: u32,
    // The number of its first boundary among all of the workgroup.
    first: u32,
}
var<workgroup> segments: atomic<u32>;
var<workgroup> boundaries: atomic<u32>;
var<workgroup> list: array<Segment, 256>;

// Boundaries whose labels are on their way at once: which segment of the list, and which of its 256 pixels.
const CHUNK = 1024u;
var<workgroup> places: array<u32, CHUNK>;

// A workgroup owns 32 lines and up to 8 segments of each. First each invocation looks at the count of one segment, and
// those with boundaries are listed. Then, for some boundaries at a time, the invocations share the words of bits, and
// write down where each boundary is; and at last they share the boundaries, so that neighbours write neighbouring
// events, and four labels of each are on their way at once.
@compute @workgroup_size(256)
fn scatter(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let first_line = p.first_line + group.x * 32u;
    let first_segment = group.y * p.depth;
    if me == 0u {
        atomicStore(&segments, 0u);
        atomicStore(&boundaries, 0u);
    }
    workgroupBarrier();
    {
        let line = first_line + (me & 31u);
        let segment = first_segment + (me >> 5u);
        if (me >> 5u) < p.depth && line < p.lines && segment < p.segments {
            let at = segment * p.lines + line;
            let before = counts[at];
            let count = counts[at + p.lines] - before;
            // Counted from the start of the window; what lies before it wraps around to a number past its end.
            let to = groups[line >> 5u] + starts[line] + before - p.window_start;
            let last = to + count - 1u;
            if count != 0u && (to < p.window_size || last < p.window_size || to > last) {
                list[atomicAdd(&segments, 1u)] = Segment(me, count, to, atomicAdd(&boundaries, count));
            }
        }
    }
    let words = workgroupUniformLoad(&segments) * 8u;
    let all = workgroupUniformLoad(&boundaries);

    for (var start = 0u; start < all; start += CHUNK) {
        let size = min(all - start, CHUNK);
        for (var at = me; at < words; at += 256u) {
            let segment = list[at >> 3u];
            if segment.first >= start + size || segment.first + segment.count <= start {
                continue;
            }
            let line = first_line + (segment.index & 31u);
            let first = (line * p.segments + first_segment + (segment.index >> 5u)) * 2u;
            let low = bits[first];
            let high = bits[first + 1u];
            // This word, and the boundaries in the words before it.
            let which = vec4<u32>(at & 7u);
            let before_low = select(vec4<u32>(0u), countOneBits(low), which > vec4<u32>(0u, 1u, 2u, 3u));
            let before_high = select(vec4<u32>(0u), countOneBits(high), which > vec4<u32>(4u, 5u, 6u, 7u));
            let before = before_low + before_high;
            var word = select(low, high, which >= vec4<u32>(4u))[at & 3u];
            // Boundaries before the chunk wrap around to numbers past its end.
            var number = segment.first + before.x + before.y + before.z + before.w - start;
            let place = ((at >> 3u) << 8u) | ((at & 7u) << 5u);
            while word != 0u {
                if number < size {
                    places[number] = place | firstTrailingBit(word);
                }
                word &= word - 1u;
                number += 1u;
            }
        }
        workgroupBarrier();

        // Past the end of the chunk the last boundary is read again, and not written.
//@for i in 0..4
        let number{i} = {i}u * 256u + me;
        let at{i} = places[min(number{i}, size - 1u)];
        let segment{i} = list[at{i} >> 8u];
        let line{i} = first_line + (segment{i}.index & 31u);
        let place{i} = (first_segment + (segment{i}.index >> 5u)) * 256u + (at{i} & 255u);
        let label{i} = word_at(address(line{i}, place{i}));
//@end
//@for i in 0..4
        {
            let to = segment{i}.to + (start + number{i} - segment{i}.first);
            if number{i} < size && to < p.window_size {
                events[to] = event(line{i}, place{i}, label{i});
            }
        }
//@end
        workgroupBarrier();
    }
}
