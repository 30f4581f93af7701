//! Operations on labels of 10^10 pixels at positions past 2^40: what they give follows from geometry.

use runmask::{
    ComponentOptions, Connectivity, LabelRuns, MeasureOptions, Measures, Property, Run, ScanOrder, SetOperation, Shape,
    Values, Window, Windows,
};

/// 2^42 pixels.
const SHAPE: Shape = Shape { height: 1 << 21, width: 1 << 21 };

/// Rows and columns of a square label.
const SIDE: u64 = 100_000;

/// Where it begins: at position 2^41 and more.
const AT: u64 = 1 << 20;

/// A label and its rectangles: first line, first place in the line, lines, length.
type Rectangles<'a> = (u64, &'a [[u64; 4]]);

fn runs_of(order: ScanOrder, labels: &[Rectangles<'_>]) -> LabelRuns {
    let (mut numbers, mut offsets, mut runs) = (Vec::new(), vec![0], Vec::new());
    for &(label, rectangles) in labels {
        for &[line, place, lines, length] in rectangles {
            let line_length = 1 << 21;
            runs.extend((line..line + lines).map(|line| Run { start: line * line_length + place, length }));
        }
        numbers.push(label);
        offsets.push(runs.len());
    }
    LabelRuns::from_parts(Some(SHAPE), order, numbers, offsets, runs).expect("runs in order")
}

fn square(order: ScanOrder, label: u64, line: u64, place: u64) -> LabelRuns {
    runs_of(order, &[(label, &[[line, place, SIDE, SIDE]])])
}

fn value(table: &Measures, name: &str) -> f64 {
    match table.column(name).unwrap_or_else(|| panic!("{name} is measured")) {
        Values::U64(values) => values[0] as f64,
        Values::I64(values) => values[0] as f64,
        Values::F64(values) => values[0],
        values => panic!("{name}: {values:?}"),
    }
}

#[test]
fn a_square_is_measured() {
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        let all = MeasureOptions::new().properties(Property::ALL.iter().copied());
        let table = square(order, 7, AT, AT).measure(&all).expect("a shape");
        let side = SIDE as f64;
        let axis = 4.0 * ((side * side - 1.0) / 12.0).sqrt();
        for (name, expected) in [
            ("area", side * side),
            ("bbox-0", AT as f64),
            ("bbox-3", (AT + SIDE) as f64),
            ("centroid-0", AT as f64 + (side - 1.0) / 2.0),
            ("centroid-1", AT as f64 + (side - 1.0) / 2.0),
            ("extent", 1.0),
            ("outline_length", 4.0 * side),
            ("perimeter", 4.0 * (side - 1.0)),
            ("pieces", 1.0),
            ("holes", 0.0),
            ("euler_number", 1.0),
            ("area_convex", side * side),
            ("solidity", 1.0),
        ] {
            assert_eq!(value(&table, name), expected, "{name}");
        }
        for name in ["axis_major_length", "axis_minor_length"] {
            assert!((value(&table, name) / axis - 1.0).abs() < 1e-12, "{name}");
        }
    }
}

#[test]
fn corners_connect_eight_neighbours_and_not_four() {
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        let runs = runs_of(order, &[(7, &[[AT, AT, SIDE, SIDE], [AT + SIDE, AT + SIDE, SIDE, SIDE]])]);
        for (connectivity, pieces) in [(Connectivity::Eight, 1), (Connectivity::Four, 2)] {
            let found = runs.components(&ComponentOptions::new().connectivity(connectivity)).expect("a shape");
            assert_eq!(found.sources(), vec![7; pieces]);
            assert_eq!(found.runs().area(), 2 * SIDE * SIDE);
        }
    }
}

#[test]
fn squares_that_are_moved_share_a_rectangle() {
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        let truth = square(order, 7, AT, AT);
        let prediction = square(order, 3, AT + 1, AT + 2);
        let shared = (SIDE - 1) * (SIDE - 2);
        let overlaps = truth.overlaps(&prediction).expect("labels do not overlap");
        let pairs: Vec<_> = overlaps.pairs().iter().map(|pair| (pair.first, pair.second, pair.pixels)).collect();
        assert_eq!(pairs, [(7, 3, shared)]);
        let iou = shared as f64 / (2 * SIDE * SIDE - shared) as f64;
        let scores = truth.compare(&prediction, &[0.5]).expect("labels do not overlap");
        assert_eq!((scores.pq, scores.iou, scores.dq), (iou, iou, 1.0));
        let prediction = square(order, 7, AT + 1, AT + 2);
        let both = truth.combine(&prediction, SetOperation::Intersection).expect("one shape");
        assert_eq!(both, runs_of(order, &[(7, &[[AT + 1, AT + 2, SIDE - 1, SIDE - 2]])]));
        let either = truth.combine(&prediction, SetOperation::Union).expect("one shape");
        assert_eq!(either.area(), 2 * SIDE * SIDE - shared);
    }
}

#[test]
fn parts_merge_along_lines_and_across() {
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        let whole = square(order, 7, AT, AT);
        let half = SIDE / 2;
        for [one, other] in
            [[[AT, AT, half, SIDE], [AT + half, AT, half, SIDE]], [[AT, AT, SIDE, half], [AT, AT + half, SIDE, half]]]
        {
            let parts = [one, other].map(|part| runs_of(order, &[(7, &[part])]));
            assert!(LabelRuns::merge(&parts).expect("parts that do not overlap") == whole);
            assert!(LabelRuns::merge(&[&parts[0], &whole]).is_err());
        }
    }
}

#[test]
fn windows_show_corners() {
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        let runs = square(order, 7, AT, AT);
        let windows = Windows::new(&runs, 0).expect("a shape");
        let (first, last) = (AT as u32 - 1, (AT + SIDE) as u32 - 1);
        assert_eq!(windows.decode::<u8>(Window::new(first, first, 2, 2), 1).expect("inside"), [0, 0, 0, 7]);
        assert_eq!(windows.decode::<u8>(Window::new(last, last, 2, 2), 1).expect("inside"), [7, 0, 0, 0]);
        let part = windows.crop(Window::new(last, first, 2, 3)).expect("inside");
        assert_eq!(part.area(), 2);
        assert_eq!(runmask::decode::<u8>(&part).expect("6 pixels"), [0, 7, 7, 0, 0, 0]);
    }
}
