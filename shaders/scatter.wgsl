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

fn event(line: u32, place: u32) -> Event {
//@if ACROSS
    let address = p.first + place * p.pitch + line * {BYTES}u;
//@else
    let address = p.first + line * p.pitch + place * {BYTES}u;
//@end
    let label = word_at(address);
//@if PACKED
    return place | (label << {PLACE_BITS}u);
//@else
//@if U8
    return Event(place, label & 0xffu);
//@end
//@if U16
    return Event(place, label & 0xffffu);
//@end
//@if U32
    return Event(place, label);
//@end
//@if U64
    return Event(place, label, word_at(address + 4u), 0u);
//@end
//@end
}

// A workgroup owns 32 lines and 8 segments of each; an invocation owns one segment of one line.
@compute @workgroup_size(256)
fn scatter(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let line = p.first_line + group.x * 32u + (me & 31u);
    let segment = group.y * 8u + (me >> 5u);
    if line >= p.lines || segment >= p.segments {
        return;
    }
    let at = segment * p.lines + line;
    let from_count = counts[at];
    let count = counts[at + p.lines] - from_count;
    if count == 0u {
        return;
    }
    // Counted from the start of the window; what lies before it wraps around to a number past its end.
    var to = groups[line >> 8u] + starts[line] + from_count - p.window_start;
    let last = to + count - 1u;
    if to >= p.window_size && last >= p.window_size && to <= last {
        return;
    }
    let words = (line * p.segments + segment) * 2u;
    var word: u32;
//@for half in 0..2
    let half{half} = bits[words + {half}u];
//@for i in 0..4
    word = half{half}[{i}];
    while word != 0u {
        if to < p.window_size {
            events[to] = event(line, segment * 256u + {half}u * 128u + {i}u * 32u + firstTrailingBit(word));
        }
        word &= word - 1u;
        to += 1u;
    }
//@end
//@end
}
