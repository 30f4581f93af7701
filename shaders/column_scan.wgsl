// Column scan: where the boundaries of every segment go.
//
// Gets counts[segment][line]. Gives, in their place, the boundaries of the same line in the segments before, with each
// line's total behind its last segment; starts[line], the boundaries of the lines before it among the same 256 lines;
// and groups[line / 256], the boundaries of all lines before those 256, with the total of the piece at the end.

@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> starts: array<u32>;
@group(0) @binding(3) var<storage, read_write> groups: array<u32>;

var<workgroup> sums: array<u32, 256>;

// The sum of `value` over the invocations up to and with `me`; sums[255] is the sum over all.
fn inclusive_sum(me: u32, value: u32) -> u32 {
    sums[me] = value;
    workgroupBarrier();
//@for distance in 1 2 4 8 16 32 64 128
    {
        var other = 0u;
        if me >= {distance}u {
            other = sums[me - {distance}u];
        }
        workgroupBarrier();
        sums[me] += other;
        workgroupBarrier();
    }
//@end
    return sums[me];
}

// An invocation owns a line: neighbours read and write neighbouring counts.
@compute @workgroup_size(256)
fn column_scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let line = group.x * 256u + me;
    var total = 0u;
    if line < p.lines {
        var at = line;
        // Four counts are on their way at a time.
        for (var left = p.segments >> 2u; left > 0u; left -= 1u) {
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
        for (var left = p.segments & 3u; left > 0u; left -= 1u) {
            let count = counts[at];
            counts[at] = total;
            total += count;
            at += p.lines;
        }
        counts[at] = total;
    }
    let sum = inclusive_sum(me, total);
    if line < p.lines {
        starts[line] = sum - total;
    }
    if me == 255u {
        groups[group.x] = sum;
    }
}

// One workgroup: the running sum over the groups of 256 lines.
@compute @workgroup_size(256)
fn group_scan(@builtin(local_invocation_index) me: u32) {
    let number = (p.lines + 255u) >> 8u;
    var total = 0u;
    for (var first = 0u; first < number; first += 256u) {
        let group = first + me;
        var count = 0u;
        if group < number {
            count = groups[group];
        }
        let sum = inclusive_sum(me, count);
        if group < number {
            groups[group] = total + sum - count;
        }
        total += sums[255];
        workgroupBarrier();
    }
    if me == 0u {
        groups[number] = total;
    }
}
