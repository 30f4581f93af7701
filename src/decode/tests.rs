use proptest::prelude::*;

use super::*;
use crate::runs::LabelRunsBuilder;

/// The definition, pixel by pixel; nothing when two runs share a pixel.
fn by_pixels(runs: &LabelRuns, shape: Shape) -> Option<Vec<u16>> {
    let mut pixels = vec![0; shape.pixels() as usize];
    for (label, of_label) in runs.iter() {
        for position in of_label.iter().flat_map(|run| run.start..run.end()) {
            let (row, column) = runs.order().row_column(position, shape);
            let pixel = &mut pixels[(row * u64::from(shape.width) + column) as usize];
            if std::mem::replace(pixel, u16::try_from(label).unwrap()) != 0 {
                return None;
            }
        }
    }
    Some(pixels)
}

fn rows(runs: &LabelRuns) -> Result<Vec<u16>> {
    let mut rows = Vec::new();
    Decoder::new(runs, 0)?.decode_rows::<u16>(|some| {
        rows.extend_from_slice(some);
        Ok(())
    })?;
    Ok(rows)
}

/// All ways to decode give the pixels of the definition, or the same error.
fn check(runs: &LabelRuns) {
    let shape = runs.shape().unwrap();
    let expected = by_pixels(runs, shape);
    let mut errors = Vec::new();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // Memory of anything, and memory that holds the background.
        let at_once = |background: u16, prefilled: bool| {
            let mut pixels = vec![if prefilled { background } else { 9 }; shape.pixels() as usize];
            Decoder::new(runs, background.into())?.prefilled(prefilled).decode_into(&mut pixels)?;
            pixels.iter_mut().filter(|pixel| **pixel == background).for_each(|pixel| *pixel = 0);
            Ok(pixels)
        };
        let with_progress = |prefilled: bool| {
            let mut pixels = vec![if prefilled { 0 } else { 9 }; shape.pixels() as usize];
            let mut told = 0;
            Decoder::new(runs, 0)?.prefilled(prefilled).decode_into_with::<u16>(&mut pixels, &mut |progress| {
                assert!(progress.done > told && progress.total == 2 * shape.pixels());
                told = progress.done;
                ControlFlow::Continue(())
            })?;
            assert_eq!(told, 2 * shape.pixels());
            Ok(pixels)
        };
        let by_columns = |prefilled: bool| {
            let mut columns = vec![if prefilled { 0 } else { 9 }; shape.pixels() as usize];
            let decoder = Decoder::new(runs, 0)?.prefilled(prefilled).layout(ScanOrder::ColumnMajor);
            decoder.decode_into(&mut columns)?;
            let Shape { height, width } = shape;
            let pixel = |row: u32, column: u32| columns[column as usize * height as usize + row as usize];
            Ok((0..height)
                .flat_map(|row| (0..width).map(move |column| (row, column)))
                .map(|at| pixel(at.0, at.1))
                .collect())
        };
        let found: [Result<Vec<u16>>; 9] = pool.install(|| {
            [
                decode(runs),
                rows(runs),
                at_once(0, false),
                at_once(777, true),
                at_once(777, false),
                with_progress(false),
                with_progress(true),
                by_columns(false),
                by_columns(true),
            ]
        });
        for found in found {
            match (&expected, found) {
                (Some(expected), Ok(found)) => assert!(*expected == found, "{shape}, {threads} threads"),
                (None, Err(error @ Error::Overlap { .. })) => errors.push(error.to_string()),
                (expected, found) => panic!("{shape}: {}, {found:?}", expected.is_some()),
            }
        }
    }
    errors.dedup();
    assert!(errors.len() <= 1, "{errors:?}");
}

/// Runs of some labels: each step is a gap, a length, and how many labels follow each other in turn.
fn runs_of(shape: Shape, order: ScanOrder, steps: &[(u64, u64, u64)]) -> LabelRuns {
    let mut labels: Vec<Vec<Run>> = vec![Vec::new(); 4];
    let mut ends = [0; 4];
    let mut position = 0;
    for &(gap, length, label) in steps {
        let label = label as usize % 4;
        // A gap of 0 may overlap what another label has there.
        let start = if gap == 0 { ends[label] } else { position + gap - 1 };
        let run = Run { start: start.max(ends[label]), length };
        if run.end() <= shape.pixels() {
            position = position.max(run.end());
            ends[label] = run.end();
            labels[label].push(run);
        }
    }
    let mut builder = LabelRunsBuilder::new(Some(shape), order);
    for (label, runs) in labels.iter().enumerate() {
        builder.label(label as u64 + 1).unwrap();
        runs.iter().for_each(|&run| builder.run(run).unwrap());
    }
    builder.finish()
}

proptest! {
    #[test]
    fn the_same_as_by_pixels(
        (height, width) in prop_oneof![(1_u32..20, 1_u32..40), (1_u32..2, 1_u32..300), (1_u32..700, 1_u32..3)],
        steps in prop::collection::vec((0_u64..9, 1_u64..60, 0_u64..4), 0..30),
        disjoint in any::<bool>(),
    ) {
        let shape = Shape { height, width };
        let steps: Vec<_> = steps.into_iter().map(|(gap, length, label)| (gap.max(disjoint.into()), length, label)).collect();
        for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
            check(&runs_of(shape, order, &steps));
        }
    }
}

/// Numbers that look random.
fn steps(count: u64, gap: u64, length: u64) -> Vec<(u64, u64, u64)> {
    let mix = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    (0..count).map(|step| (1 + mix(3 * step) % gap, 1 + mix(3 * step + 1) % length, mix(3 * step + 2))).collect()
}

#[test]
fn masks_with_a_long_side_are_planned_in_parts_or_painted() {
    for (height, width) in
        [(4 << 20 | 77, 1), (4 << 20 | 77, 2), (1, 1 << 20 | 77), (3, 1 << 20 | 77), (9, 1 << 20 | 1)]
    {
        let shape = Shape { height, width };
        for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
            check(&runs_of(shape, order, &steps(3000, 2000, 5000)));
            check(&runs_of(shape, order, &[(1, 7, 0), (1, shape.pixels() - 9, 1)]));
            check(&runs_of(shape, order, &[(1, 7, 0), (3, shape.pixels() - 20, 1), (0, shape.pixels() - 1, 2)]));
        }
    }
}

#[test]
fn columns_reach_from_band_to_band() {
    // 5000 labels a row: bands of 32 to 256 rows, and segments of several bands.
    let shape = Shape { height: 3000, width: 500 };
    check(&runs_of(shape, ScanOrder::ColumnMajor, &steps(1000, 500, 2500)));
    check(&runs_of(shape, ScanOrder::ColumnMajor, &steps(1000, 500, 9000)));
}

/// Rows in a column are counted in 16 bits, from the first row of a band.
#[test]
fn columns_end_where_16_bits_do() {
    let shape = Shape { height: 200_000, width: FEWEST_COLUMNS };
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        // Nearly all is foreground, so that every column has a state.
        let mut runs = LabelRunsBuilder::new(Some(shape), order);
        for column in 0..u64::from(shape.width) {
            runs.label(column + 1).unwrap();
            let ends = [65_533 + column % 4, 131_068 + column % 5, 196_603 + column % 6];
            let mut start = column;
            for end in ends {
                runs.run(Run { start: column * 200_000 + start, length: end - start }).unwrap();
                start = end + 1;
            }
        }
        check(&runs.finish());
    }
}

#[test]
fn the_first_overlap_in_scan_order_is_named() {
    let shape = Shape { height: 4, width: 5 };
    let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
    for (label, start, length) in [(3, 9, 2), (5, 2, 4), (6, 14, 2), (8, 5, 2), (9, 15, 1)] {
        builder.label(label).unwrap();
        builder.run(Run { start, length }).unwrap();
    }
    let error = decode::<u8>(&builder.finish()).unwrap_err();
    assert!(matches!(error, Error::Overlap { labels: [8, 5], row: 1, column: 1, .. }), "{error:?}");
    let message = "label 8's run of 2 pixels from 5 overlaps label 5's run of 4 pixels from 2 at row 1, column 1: \
                   a mask holds one label a pixel";
    assert_eq!(error.to_string(), message);
}

/// What a file of a few bytes can ask for: nothing of this may be planned column by column or row by row.
#[test]
fn memory_goes_by_runs_and_not_by_sides() {
    let one = |shape, start, length| {
        LabelRuns::from_parts(Some(shape), ScanOrder::ColumnMajor, vec![1], vec![0, 1], vec![Run { start, length }])
    };
    // The first step is enough: stop there.
    let first = |runs: &LabelRuns| {
        let mut found = Vec::new();
        let stopped = Decoder::new(runs, 0).unwrap().decode_rows::<u8>(|rows| {
            found.extend_from_slice(&rows[..rows.len().min(9)]);
            Err(Error::Stopped)
        });
        assert!(matches!(stopped, Err(Error::Stopped)));
        found
    };
    let tall = Shape { height: u32::MAX, width: 1 };
    assert_eq!(first(&one(tall, 1, tall.pixels() - 1).unwrap()), [0, 1, 1, 1, 1, 1, 1, 1, 1]);
    let narrow = Shape { height: u32::MAX, width: 16 };
    assert_eq!(first(&one(narrow, 0, narrow.pixels() / 2).unwrap()), [1, 1, 1, 1, 1, 1, 1, 1, 0]);
    let large = Shape { height: u32::MAX, width: 1 << 20 };
    assert_eq!(first(&one(large, u64::from(u32::MAX) * 3, large.pixels() / 2).unwrap()), [0, 0, 0, 1, 1, 1, 1, 1, 1]);
    let wide = Shape { height: u32::MAX, width: 1 << 27 };
    assert_eq!(first(&one(wide, u64::from(u32::MAX) * 3, wide.pixels() / 2).unwrap()), [0, 0, 0, 1, 1, 1, 1, 1, 1]);
    let wider = Shape { height: 1, width: (1 << 30) + 1 };
    let error = Decoder::new(&one(wider, 0, 7).unwrap(), 0).unwrap().decode_rows::<u8>(|_| Ok(())).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { limit: 0x4000_0000, found: 0x4000_0001, .. }), "{error}");
    // As many runs as labels, each of which fills the same column of many: an error at once, not a list for each band.
    for width in [1, 16] {
        let tall = Shape { height: 1 << 30, width };
        let (labels, runs) = (1..=5000, vec![Run { start: 0, length: 1 << 30 }; 5000]);
        let all =
            LabelRuns::from_parts(Some(tall), ScanOrder::ColumnMajor, labels.collect(), (0..=5000).collect(), runs);
        let error = rows(&all.unwrap()).unwrap_err();
        assert!(matches!(error, Error::Overlap { labels: [2, 1], row: 0, column: 0, .. }), "{error}");
    }
}

#[test]
fn an_error_of_the_writer_ends_the_work() {
    let runs = LabelRuns::empty(Some(Shape { height: u32::MAX, width: 9 }), ScanOrder::RowMajor);
    let mut calls = 0;
    let stopped = Decoder::new(&runs, 0).unwrap().decode_rows::<u8>(|_| {
        calls += 1;
        if calls == 3 { Err(Error::Stopped) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(calls, 3);
    let shape = Shape { height: 9000, width: 1000 };
    let runs = LabelRuns::empty(Some(shape), ScanOrder::ColumnMajor);
    let mut pixels = vec![9_u64; shape.pixels() as usize];
    let stopped = Decoder::new(&runs, 0).unwrap().decode_into_with(&mut pixels, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(pixels.last(), Some(&9));
}

proptest! {
    /// By pixels: the definition.
    #[test]
    fn erasing_leaves_all_other_pixels(runs in crate::runs::testing::any_runs(), background in 0_u16..3) {
        let shape = runs.shape().unwrap();
        let before: Vec<u16> = (0..shape.pixels()).map(|pixel| 10 + pixel as u16).collect();
        let mut expected = before.clone();
        for position in runs.runs().iter().flat_map(|run| run.start..run.end()) {
            let (row, column) = runs.order().row_column(position, shape);
            expected[(row * u64::from(shape.width) + column) as usize] = background;
        }
        let mut found = before;
        Decoder::new(&runs, background.into()).unwrap().erase(&mut found).unwrap();
        prop_assert_eq!(&found, &expected);
        found.push(0);
        prop_assert!(matches!(Decoder::new(&runs, 0).unwrap().erase(&mut found), Err(Error::Argument(_))));
        let large = Decoder::new(&runs, 256).unwrap();
        let mut bytes = vec![0_u8; found.len() - 1];
        let too_large = matches!(large.erase(&mut bytes), Err(Error::LabelTooLarge { label: 256, .. }));
        prop_assert!(too_large);
    }
}
