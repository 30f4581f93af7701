// Copy: sixteen bytes for each of four rounds of an invocation. Measurements are read beside how fast this is.
//
// Gets and fills buffers whose sizes are multiples of 16 KiB.

@group(0) @binding(1) var<storage, read> from_here: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> to_there: array<vec4<u32>>;

@compute @workgroup_size(256)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let first = group.x * 1024u + me;
//@for i in 0..4
    let block{i} = from_here[first + {i}u * 256u];
//@end
//@for i in 0..4
    to_there[first + {i}u * 256u] = block{i};
//@end
}
