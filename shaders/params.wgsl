// What every kernel is told about its piece of a strip; `Params` in src/gpu/piece.rs has the same fields in the same order.
struct Params {
    // Bytes from the start of `labels` to the first pixel of the piece.
    first: u32,
    // Bytes from the start of `above` to the first pixel of the row above, where lines run across the rows of memory.
    above: u32,
    // Bytes from one row of memory to the next.
    pitch: u32,
    // Blocks of 16 bytes that hold the pixels of one row of memory.
    blocks: u32,
    // Scan lines, pixels of each, and segments of 256 pixels of each.
    lines: u32,
    length: u32,
    segments: u32,
    // 1 when the first pixel of every line is a boundary whatever its label.
    forced: u32,
    // The boundaries that one scatter writes: `window_size` of them from `window_start`.
    window_start: u32,
    window_size: u32,
    // The line at which one scatter begins, and the segments of each line that one of its workgroups owns: at most 8.
    first_line: u32,
    depth: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
