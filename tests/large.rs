//! Masks in memory that are marked in several batches, between which the caller may stop.

use std::ops::ControlFlow;

use runmask::{Encoder, Error, LabelMask, Run, Shape};

/// Pixel (row, column) is `labels[row + column]`: 2^29 pixels in 48 KiB.
const SHAPE: Shape = Shape { height: 1 << 14, width: 1 << 15 };

fn labels() -> Vec<u8> {
    (0..SHAPE.height + SHAPE.width).map(|place| [0, 3, 3, 1][(place / 5_000) as usize % 4]).collect()
}

fn encoder() -> Encoder {
    Encoder::builder().threads(2).strip_rows(64).build().unwrap()
}

#[test]
fn batches_are_joined() {
    let labels = labels();
    let mut told = Vec::new();
    for (height, width) in [(SHAPE.height, SHAPE.width), (SHAPE.width, SHAPE.height)] {
        let mask = LabelMask::with_strides(&labels, 0, Shape { height, width }, 1, 1).unwrap();
        let mut progress = |done: runmask::Progress| {
            told.push((done.done, done.total));
            ControlFlow::Continue(())
        };
        let runs = encoder().encode_with(&mask, &mut progress).unwrap();
        let bytes = u64::from(height) * u64::from(width);
        assert!(told.len() > 2 && told.is_sorted(), "{told:?}");
        assert_eq!(told.pop(), Some((bytes, bytes)));
        told.clear();
        for label in [1, 3] {
            let mut expected: Vec<Run> = Vec::new();
            for column in 0..width as usize {
                let mut row = 0;
                for stretch in labels[column..column + height as usize].chunk_by(|one, next| one == next) {
                    let (start, length) = ((column * height as usize + row) as u64, stretch.len() as u64);
                    match expected.last_mut() {
                        _ if u64::from(stretch[0]) != label => {}
                        Some(last) if last.end() == start => last.length += length,
                        _ => expected.push(Run { start, length }),
                    }
                    row += stretch.len();
                }
            }
            assert!(runs.get(label) == Some(&expected), "label {label} of {height} x {width}");
        }
    }
}

#[test]
fn the_caller_may_stop() {
    let labels = labels();
    let mask = LabelMask::with_strides(&labels, 0, SHAPE, 1, 1).unwrap();
    let mut calls = 0;
    let stopped = encoder().encode_with(&mask, &mut |_| {
        calls += 1;
        ControlFlow::Break(())
    });
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(calls, 1);
}
