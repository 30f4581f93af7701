//! Every operation on runs, on any two masks: nothing panics, results keep the promises of runs, and they fit together.

use runmask::{
    ComponentOptions, Connectivity, Error, LabelRuns, MeasureOptions, Property, Run, ScanOrder, SetOperation, Shape,
    Values, Window, Windows,
};

/// Two masks of the same shape from any bytes: labels that may overlap, runs that may touch and cross lines, and sides from a
/// few pixels to the largest there are.
fn masks(data: &[u8]) -> Option<(Shape, LabelRuns, LabelRuns, &[u8])> {
    let [kind, height, width, rest @ ..] = data else { return None };
    let side = |byte: u8, huge: bool| match huge {
        true => u32::MAX - u32::from(byte),
        false => u32::from(byte % 40),
    };
    let shape = Shape { height: side(*height, kind & 1 > 0), width: side(*width, kind & 2 > 0) };
    let order = if kind & 4 == 0 { ScanOrder::ColumnMajor } else { ScanOrder::RowMajor };
    let other_order = if kind & 8 == 0 { ScanOrder::ColumnMajor } else { ScanOrder::RowMajor };
    let (one, other) = rest.split_at(rest.len() / 2);
    // A byte may stand for a step of a few pixels or of whole lines.
    let scale = if kind & 16 == 0 { 1 } else { u64::from(shape.line_length(order)) / 3 + 1 };
    Some((shape, runs(one, shape, order, scale), runs(other, shape, other_order, scale), rest))
}

fn runs(data: &[u8], shape: Shape, order: ScanOrder, scale: u64) -> LabelRuns {
    let mut parts = (Vec::new(), vec![0], Vec::new());
    let mut label = 0_u64;
    for of_label in data.split(|&byte| byte == 255) {
        label += 1 + of_label.first().map_or(0, |&byte| u64::from(byte % 3));
        parts.0.push(label);
        let mut end = 0_u64;
        for pair in of_label.chunks_exact(2) {
            let run = Run { start: end + u64::from(pair[0]) * scale, length: u64::from(pair[1]) * scale + 1 };
            end = run.end();
            if end > shape.pixels() {
                break;
            }
            parts.2.push(run);
        }
        parts.1.push(parts.2.len());
    }
    LabelRuns::from_parts(Some(shape), order, parts.0, parts.1, parts.2).expect("runs that keep their promises")
}

/// The result, whose promises are checked; nothing when it was refused for a reason that these masks can give.
fn kept(result: runmask::Result<LabelRuns>) -> Option<LabelRuns> {
    match result {
        Ok(runs) => {
            let (shape, order) = (runs.shape(), runs.order());
            let (labels, offsets, list) = runs.into_parts();
            Some(LabelRuns::from_parts(shape, order, labels, offsets, list).expect("a result that keeps its promises"))
        }
        Err(Error::LimitExceeded { .. } | Error::Overlap { .. } | Error::Memory { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn numbers(values: &Values) -> Vec<f64> {
    match values {
        Values::U64(values) => values.iter().map(|&value| value as f64).collect(),
        Values::I64(values) => values.iter().map(|&value| value as f64).collect(),
        Values::F64(values) => values.clone(),
        _ => Vec::new(),
    }
}

fn other_order(order: ScanOrder) -> ScanOrder {
    match order {
        ScanOrder::ColumnMajor => ScanOrder::RowMajor,
        ScanOrder::RowMajor => ScanOrder::ColumnMajor,
    }
}

/// Runs every operation on the masks that the bytes describe.
pub(crate) fn operations(data: &[u8]) {
    let Some((shape, one, other, rest)) = masks(data) else { return };
    let small = shape.height.max(shape.width) < 64;
    measures(&one, small);
    sets(&one, &other);
    places(shape, &one, rest, small);
    pieces(&one, small);
    if let Some(merged) = kept(LabelRuns::merge(&[&one, &LabelRuns::empty(None, one.order())])) {
        assert_eq!(merged.area(), one.area());
    }
    let even = one.clone().retain(|label, _| label % 2 == 0);
    let odd = one.clone().retain(|label, _| label % 2 == 1);
    let merged = kept(LabelRuns::merge(&[&odd, &even])).expect("no label is in both");
    assert_eq!(merged, kept(LabelRuns::merge(&[&one])).expect("one part"));
    let iou = one.coco_iou(&one, &[]).expect("one shape");
    for index in 0..one.labels().len() {
        let itself = iou[index * one.labels().len() + index];
        assert_eq!(itself, f64::from(u8::from(!one.get(one.labels()[index]).unwrap_or_default().is_empty())));
    }
    let list: Vec<usize> = (0..one.labels().len()).collect();
    let kept = one.non_maximum_suppression(&list, 0.3).expect("an order");
    assert!(kept.first() == list.first() && kept.is_sorted());
}

fn measures(one: &LabelRuns, small: bool) {
    // A hull goes over the lines of a box, of which the largest masks have too many for a moment.
    let hull = [Property::AreaConvex, Property::Solidity, Property::FeretDiameterMax];
    let properties = Property::ALL.iter().copied().filter(|property| small || !hull.contains(property));
    let options = MeasureOptions::new().properties(properties);
    let table = one.measure(&options).expect("a shape is known");
    assert_eq!(table.rows(), one.labels().len());
    if !small {
        return;
    }
    let turned = one.to_order(other_order(one.order())).expect("few pixels").measure(&options).expect("a shape");
    for (column, other) in table.columns().iter().zip(turned.columns()) {
        for (found, other) in numbers(column.values()).iter().zip(numbers(other.values())) {
            let close = (found - other).abs() <= 1e-9 * found.abs().max(1.0) || (found.is_nan() && other.is_nan());
            // An orientation without a direction, and roots of differences that round to nothing.
            let loose = ["orientation", "axis_minor_length", "eccentricity"].contains(&column.name());
            assert!(close || loose, "{}: {found} and {other}", column.name());
        }
    }
}

fn sets(one: &LabelRuns, other: &LabelRuns) {
    // The other order may have absurdly many runs.
    let Some(other) = kept(other.to_order(one.order())) else { return };
    let all = |operation| kept(one.combine(&other, operation)).map_or(0, |runs| runs.area());
    let [union, both, rest, either] =
        [SetOperation::Union, SetOperation::Intersection, SetOperation::Difference, SetOperation::SymmetricDifference]
            .map(all);
    assert_eq!(u128::from(one.area()) + u128::from(other.area()), u128::from(union) + u128::from(both));
    assert_eq!(u128::from(either) + u128::from(both), u128::from(union));
    assert_eq!(u128::from(rest) + u128::from(both), u128::from(one.area()));
    let foregrounds = [one, &other].map(|runs| kept(runs.foreground(1)).expect("few labels"));
    match one.overlaps(&other) {
        Ok(overlaps) => {
            let shared: u64 = overlaps.pairs().iter().map(|pair| pair.pixels).sum();
            let both = foregrounds[0].combine(&foregrounds[1], SetOperation::Intersection).expect("one shape");
            assert_eq!(shared, both.area());
            let scores = overlaps.scores(&[0.1, 0.5]).expect("thresholds");
            for score in [scores.pq, scores.sq, scores.dq, scores.aji, scores.dice, scores.iou] {
                assert!((0.0..=1.0).contains(&score), "{scores:?}");
            }
            assert!(scores.f1[0].1 >= scores.f1[1].1 && scores.f1[1].1 == scores.dq);
            assert_eq!(overlaps.best_matches().len(), one.labels().len());
        }
        Err(Error::Overlap { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

fn places(shape: Shape, one: &LabelRuns, rest: &[u8], small: bool) {
    let byte = |index: usize| u32::from(rest.get(index).copied().unwrap_or(3));
    let (row, column) = (byte(0) % shape.height.max(1), byte(1) % shape.width.max(1));
    let (height, width) =
        (byte(2).min(shape.height - row.min(shape.height)), byte(3).min(shape.width - column.min(shape.width)));
    let window = Window::new(row, column, height, width);
    let cropped = kept(one.crop(window)).expect("a small window inside the mask");
    let free = (0..).find(|label| one.get(*label).is_none()).unwrap_or(0);
    let windows = Windows::new(one, free).expect("the background has no runs");
    assert_eq!(windows.crop(window).expect("the same window"), cropped);
    match windows.decode::<u64>(window, 1 << (byte(4) % 4)) {
        Ok(_) | Err(Error::Overlap { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let back = kept(cropped.place((i64::from(row), i64::from(column)), shape)).expect("few runs");
    assert_eq!(back.area(), cropped.area());
    kept(one.shift(i64::from(byte(5)) - 100, i64::from(byte(6)) - 100));
    if small {
        let padded = kept(one.pad(byte(0), byte(1), byte(2), byte(3))).expect("a small mask");
        assert_eq!(padded.area(), one.area());
    }
}

fn pieces(one: &LabelRuns, small: bool) {
    for connectivity in [Connectivity::Four, Connectivity::Eight] {
        let options = ComponentOptions::new().connectivity(connectivity);
        let found = one.components(&options).expect("a shape is known");
        assert_eq!(found.runs().area(), one.area());
        let counts = MeasureOptions::new().properties([Property::Pieces]).connectivity(connectivity);
        let counts = numbers(one.measure(&counts).expect("a shape").column("pieces").expect("asked for"));
        assert_eq!(counts.iter().sum::<f64>(), found.sources().len() as f64);
        let again = found.runs().components(&options).expect("a shape is known");
        assert_eq!(again.runs(), found.runs(), "a piece is one piece");
        if small {
            let turned =
                one.to_order(other_order(one.order())).expect("few pixels").components(&options).expect("a shape");
            assert_eq!(turned.sources(), found.sources());
            assert_eq!(&kept(turned.runs().to_order(one.order())).expect("few pixels"), found.runs());
        }
        let filled = one.components(&options.clone().fill_holes(u64::MAX)).expect("a shape is known");
        assert!(filled.runs().area() >= one.area() && filled.sources() == found.sources());
        let large = one.components(&options.foreground(true).min_area(3).largest(true)).expect("few labels");
        assert!(large.sources().len() <= 1 && kept(Ok(large.into_parts().0)).is_some());
    }
}
