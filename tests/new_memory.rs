//! A mask in new memory is decoded without touching what holds no label. Alone in its process, whose memory it looks at.
#![cfg(target_os = "linux")]

use std::ops::ControlFlow;

use runmask::{Decoder, Label, LabelRuns, Run, ScanOrder, Shape};

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}

const BYTES: u64 = 3 << 30;

/// A label in three places of a mask of 3 GiB.
fn check<T: Label>(height: u32, order: ScanOrder) {
    let width = (BYTES / u64::from(height) / size_of::<T>() as u64) as u32;
    let shape = Shape { height, width };
    let starts = [3, shape.pixels() / 2, shape.pixels() - 9];
    let spots: Vec<Run> = starts.iter().map(|&start| Run { start, length: 5 }).collect();
    let runs = LabelRuns::from_parts(Some(shape), order, vec![200], vec![0, 3], spots).expect("runs");
    let holds = |pixels: &[T]| {
        for start in starts {
            for position in start - 1..start + 6 {
                let (row, column) = order.row_column(position, shape);
                let inside = (start..start + 5).contains(&position);
                let expected = if inside { T::from_u64(200).expect("fits") } else { T::default() };
                assert!(pixels[(row * u64::from(width) + column) as usize] == expected, "{shape}, {order}, {position}");
            }
        }
    };
    holds(&runmask::decode::<T>(&runs).expect("memory"));
    let mut pixels = vec![T::default(); shape.pixels() as usize];
    let decoder = Decoder::new(&runs, 0).expect("a shape").prefilled(true);
    decoder.decode_into_with(&mut pixels, &mut |_| ControlFlow::Continue(())).expect("memory");
    holds(&pixels);
    assert!(peak() < 512 << 20, "{shape}, {order}, {}: {} bytes", T::DTYPE, peak());
}

#[test]
fn what_holds_no_label_is_not_touched() {
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        // Planned, and painted run by run.
        for height in [1 << 15, 1 << 29] {
            check::<u8>(height, order);
        }
        check::<u16>(1 << 15, order);
        check::<u32>(1 << 15, order);
        check::<u64>(1 << 15, order);
    }
}
