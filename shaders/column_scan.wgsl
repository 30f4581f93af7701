// Column scan: where the boundaries of every segment go.
//
// Gets counts[segment][line]. Gives, in their place, the boundaries of the same line in the segments before, with each
// line's total behind its last segment; starts[line], the boundaries of the lines before it among the same 32 lines;
// and groups[line / 32], the boundaries of those 32 lines. The host, which has to know the total, adds up the groups.

@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> starts: array<u32>;
@group(0) @binding(3) var<storage, read_write> groups: array<u32>;

var<workgroup> sums: array<u32, 256>;

// A workgroup owns 32 lines; of each, eight invocations own an eighth of the segments. Neighbours read and write
// neighbouring counts.
@compute @workgroup_size(256)
fn column_scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let x = me & 31u;
    let part = me >> 5u;
    let line = group.x * 32u + x;
    let each = (p.segments + 7u) >> 3u;
    let first = min(part * each, p.segments);
    var number = 0u;
    if line < p.lines {
        number = min(each, p.segments - first);
    }

    // The sum of the part. Four counts are on their way at a time.
    var at = first * p.lines + line;
    var sum = 0u;
    for (var left = number >> 2u; left > 0u; left -= 1u) {
        sum += counts[at] + counts[at + p.lines] + counts[at + 2u * p.lines] + counts[at + 3u * p.lines];
        at += 4u * p.lines;
    }
    for (var left = number & 3u; left > 0u; left -= 1u) {
        sum += counts[at];
        at += p.lines;
    }
    sums[me] = sum;
    workgroupBarrier();

    // What the parts before it hold; then its counts become places.
    var total = 0u;
    var whole = 0u;
//@for i in 0..8
    if part == {i}u {
        total = whole;
    }
    whole += sums[{i}u * 32u + x];
//@end
    at = first * p.lines + line;
    for (var left = number >> 2u; left > 0u; left -= 1u) {
        let count0 = counts[at];
        let count1 = counts[at + p.lines];
        let count2 = counts[at + 2u * p.lines];
        let count3 = counts[at + 3u * p.lines];
//@for i in 0..4
        counts[at] = total;
        total += count{i};
        at += p.lines;
//@end
    }
    for (var left = number & 3u; left > 0u; left -= 1u) {
        let count = counts[at];
        counts[at] = total;
        total += count;
        at += p.lines;
    }
    workgroupBarrier();

    // The totals of the lines, and of the lines before each.
    if part == 0u {
        sums[x] = whole;
        if line < p.lines {
            counts[p.segments * p.lines + line] = whole;
        }
    }
    workgroupBarrier();
    if part == 0u {
        var start = 0u;
        var all = 0u;
//@for i in 0..32
        if x == {i}u {
            start = all;
        }
        all += sums[{i}u];
//@end
        if line < p.lines {
            starts[line] = start;
        }
        if x == 0u {
            groups[group.x] = all;
        }
    }
}
