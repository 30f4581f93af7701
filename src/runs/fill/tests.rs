use proptest::prelude::*;

use super::super::polygons::PolygonParts;
use super::super::testing::{any_runs, for_threads, masks};
use super::*;
use crate::format::{coco_string, counts};

fn feature(polygons: &[Vec<Vec<Point>>]) -> Polygons {
    features(&[(1, polygons.to_vec())])
}

fn features(list: &[(u64, Vec<Vec<Vec<Point>>>)]) -> Polygons {
    let mut result = Polygons::empty(None);
    for (label, polygons) in list {
        result.labels.push(*label);
        for polygon in polygons {
            for ring in polygon {
                result.rings.points.extend_from_slice(ring);
                if ring.first() != ring.last() {
                    result.rings.points.push(ring[0]);
                }
                result.rings.end_ring();
            }
            result.rings.end_polygon();
        }
        result.feature_offsets.push(result.rings.len());
    }
    result
}

/// The pixels of a feature, by the definition, for coordinates in eighths of a pixel: whether the centre of a pixel is inside,
/// worked out in whole numbers. (column, row), ascending.
fn by_pixels(shape: Shape, rings: &[Vec<Point>]) -> Vec<(u32, u32)> {
    let mut pixels = Vec::new();
    let eighths = |value: f64| (value * 8.0) as i128;
    for column in 0..shape.width {
        for row in 0..shape.height {
            let [x, y] = [column, row].map(|side| i128::from(side) * 8 + 4);
            let above = |edge: &[Point]| {
                let (mut a, mut b) = (edge[0].map(eighths), edge[1].map(eighths));
                if a[0] > b[0] {
                    std::mem::swap(&mut a, &mut b);
                }
                // The edge is met by the line of centres, no further down than the centre.
                a[0] <= x && x < b[0] && a[1] * (b[0] - a[0]) + (x - a[0]) * (b[1] - a[1]) <= y * (b[0] - a[0])
            };
            let closed = rings.iter().flat_map(|ring| {
                let mut ring = ring.clone();
                ring.push(ring[0]);
                ring.windows(2).map(|edge| edge.to_vec()).collect::<Vec<_>>()
            });
            if closed.filter(|edge| above(edge)).count() % 2 == 1 {
                pixels.push((column, row));
            }
        }
    }
    pixels
}

fn pixels_of(runs: &[Run], shape: Shape) -> Vec<(u32, u32)> {
    let place = |position: u64| {
        let (row, column) = ScanOrder::ColumnMajor.row_column(position, shape);
        (column as u32, row as u32)
    };
    runs.iter().flat_map(|run| run.start..run.end()).map(place).collect()
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    // In eighths of a pixel; half of them corners and middles of pixels, so that many centres are on the outline.
    let eighths = prop_oneof![(-10_i32..50).prop_map(|halves| halves * 4), -40_i32..200];
    let point = (eighths.clone(), eighths).prop_map(|(x, y)| [x, y].map(|value| f64::from(value) / 8.0));
    prop::collection::vec(point, 3..9).prop_filter("three points that differ", |points| check_ring(points).is_ok())
}

proptest! {
    #[test]
    fn centres_decide(
        (height, width) in (1_u32..20, 1_u32..20),
        polygons in prop::collection::vec(prop::collection::vec(points(), 1..4), 1..3),
    ) {
        let shape = Shape { height, width };
        let filled = feature(&polygons).with_shape(shape).fill(FillRule::Centre).unwrap();
        let expected = by_pixels(shape, &polygons.concat());
        prop_assert_eq!(pixels_of(filled.runs(), shape), expected);
        prop_assert!(filled.runs().windows(2).all(|pair| pair[0].end() < pair[1].start));
    }

    /// Neither where a ring begins nor which way it goes matters.
    #[test]
    fn rings_may_turn(ring in points(), rule in prop::sample::select(FillRule::ALL)) {
        let fill = |ring: Vec<Point>| feature(&[vec![ring]]).with_shape(Shape { height: 20, width: 20 }).fill(rule).unwrap();
        let expected = fill(ring.clone());
        let mut other = ring;
        other.reverse();
        prop_assert_eq!(fill(other.clone()), expected.clone());
        other.rotate_left(1);
        prop_assert_eq!(fill(other), expected);
    }

    /// Triangles around a point tile their union, to the pixel, whatever the point.
    #[test]
    fn neighbours_tile(x in 0.0..30.0, y in 0.0..30.0) {
        let corners = [[-0.3, -0.7], [30.2, -1.0], [31.0, 30.5], [-2.0, 30.1]];
        let triangles: Vec<_> =
            (0..4).map(|k| (k as u64 + 1, vec![vec![vec![corners[k], corners[(k + 1) % 4], [x, y]]]])).collect();
        let filled = features(&triangles).with_shape(Shape { height: 30, width: 30 }).fill(FillRule::Centre).unwrap();
        prop_assert_eq!(filled.area(), 900);
        prop_assert!(filled.disjoint(super::super::OverlapPolicy::Error).is_ok());
    }

    #[test]
    fn what_was_traced_comes_back(pixels in masks(), order in prop::sample::select(ScanOrder::ALL)) {
        let runs = pixels.encode(order);
        let expected = pixels.encode(ScanOrder::ColumnMajor);
        for filled in for_threads(|| runs.polygons().unwrap().fill(FillRule::Centre).unwrap()) {
            prop_assert_eq!(&filled, &expected);
        }
    }

    /// Labels that overlap or are empty, too.
    #[test]
    fn so_do_labels_that_overlap(runs in any_runs()) {
        let polygons = runs.polygons().unwrap();
        let filled = polygons.fill(FillRule::Centre).unwrap();
        let expected = runs.to_order(ScanOrder::ColumnMajor).unwrap();
        prop_assert_eq!(filled.labels(), runs.labels());
        for index in 0..runs.labels().len() {
            let united: Vec<(u32, u32)> = pixels_of(expected.runs_at(index), runs.shape().unwrap());
            prop_assert_eq!(pixels_of(filled.runs_at(index), runs.shape().unwrap()), united);
        }
    }

    #[test]
    fn features_of_one_label_are_united(a in points(), b in points(), rule in prop::sample::select(FillRule::ALL)) {
        let shape = Shape { height: 20, width: 20 };
        let fill = |list: &[(u64, Vec<Vec<Vec<Point>>>)]| features(list).with_shape(shape).fill(rule).unwrap();
        let both = fill(&[(7, vec![vec![a.clone()]]), (3, vec![]), (7, vec![vec![b.clone()]])]);
        prop_assert_eq!(both.labels(), &[3, 7]);
        let mut expected = [a, b].map(|ring| fill(&[(7, vec![vec![ring]])]).runs().to_vec()).concat();
        unite(&mut expected);
        prop_assert_eq!(both.get(7), Some(&expected[..]));
    }
}

#[test]
fn ties_go_to_the_left_and_the_top() {
    let shape = Shape { height: 9, width: 9 };
    let square = |low: f64, high: f64| feature(&[vec![vec![[low, low], [high, low], [high, high], [low, high]]]]);
    for (low, high, first, end) in
        [(1.5, 3.5, 1, 3), (1.0, 3.0, 1, 3), (1.25, 3.6, 1, 4), (-5.0, 0.5, 0, 0), (-5.0, 0.6, 0, 1)]
    {
        let filled = square(low, high).with_shape(shape).fill(FillRule::Centre).unwrap();
        let expected: Vec<(u32, u32)> = (first..end).flat_map(|x| (first..end).map(move |y| (x, y))).collect();
        assert_eq!(pixels_of(filled.runs(), shape), expected, "{low} to {high}");
    }
}

/// Polygons and what pycocotools makes of them: tests/fixtures/make_coco_polygons.py.
#[test]
fn the_other_rule_is_that_of_pycocotools() {
    let fixture = include_str!("../../../tests/fixtures/coco_polygons.json");
    let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
    let entries = fixture.as_array().unwrap();
    assert!(entries.len() > 180, "{}", entries.len());
    for entry in entries {
        let size = |place: usize| entry["size"][place].as_u64().unwrap();
        let shape = Shape::new(size(0), size(1)).unwrap();
        let ring = |part: &serde_json::Value| {
            let values: Vec<f64> = part.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
            vec![values.chunks(2).map(|pair| [pair[0], pair[1]]).collect::<Vec<Point>>()]
        };
        let polygons: Vec<_> = entry["polygons"].as_array().unwrap().iter().map(ring).collect();
        let filled = feature(&polygons).with_shape(shape).fill(FillRule::Coco).unwrap();
        let (mut numbers, mut expected) = (Vec::new(), Vec::new());
        coco_string::parse(entry["counts"].as_str().unwrap().as_bytes(), &mut numbers).unwrap();
        counts::runs_of(&numbers, shape.pixels(), &mut expected).unwrap();
        assert_eq!(filled.runs(), expected, "{entry}");
    }
}

/// The same square far away, larger than any grid that could be gone over point by point.
#[test]
fn long_edges_cost_their_columns_only() {
    let shape = Shape { height: u32::MAX, width: 1000 };
    let far = LARGEST;
    for rule in FillRule::ALL {
        let ring = vec![[-far, -far], [far, -far], [far, far], [-far, far]];
        let filled = feature(&[vec![ring]]).with_shape(shape).fill(*rule).unwrap();
        assert_eq!(filled.runs(), [Run { start: 0, length: shape.pixels() }], "{rule}");
        // A line that is nearly upright, of a pixel to 2^52.
        let ring = vec![[500.0, -far], [501.0, far], [999.0, far], [999.0, -far]];
        let filled = feature(&[vec![ring]]).with_shape(shape).fill(*rule).unwrap();
        assert!(filled.area() >= 498 * u64::from(shape.height), "{rule}");
    }
}

#[test]
fn positions_go_past_32_bits() {
    let shape = Shape { height: 100_000, width: 100_000 };
    for rule in FillRule::ALL {
        let ring = vec![[99_998.0, 99_998.0], [99_999.0, 99_998.0], [99_999.0, 99_999.0], [99_998.0, 99_999.0]];
        let filled = feature(&[vec![ring]]).with_shape(shape).fill(*rule).unwrap();
        assert_eq!(filled.runs(), [Run { start: 9_999_899_998, length: 1 }], "{rule}");
    }
}

#[test]
fn a_ring_of_a_hundred_thousand_points_comes_back() {
    let height = 40_u64;
    let column = |column: u64| Run { start: column * height + column * 7 % 19, length: 20 };
    let runs: Vec<Run> = (0..60_000).map(column).collect();
    let shape = Shape { height: height as u32, width: 60_000 };
    let runs = LabelRuns::from_parts(Some(shape), ScanOrder::ColumnMajor, vec![1], vec![0, runs.len()], runs).unwrap();
    let polygons = runs.polygons().unwrap();
    assert!(polygons.points().len() > 100_000);
    assert_eq!(polygons.ring_offsets().len(), 2);
    for rule in FillRule::ALL {
        assert_eq!(polygons.fill(*rule).unwrap(), runs, "{rule}");
    }
}

#[test]
fn what_cannot_be_filled_is_named() {
    let shape = Shape { height: 9, width: 9 };
    let good = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
    let with =
        |point: Point| vec![vec![vec![vec![[0.0, 0.0], [1.0, 0.0], point]]], vec![vec![good.to_vec()]]].remove(0);
    for (polygons, message) in [
        (
            with([f64::NAN, 1.0]),
            "feature 0 (label 1), polygon 0, ring 0: expected coordinates between -2^53 and 2^53, found point 2: NaN, 1",
        ),
        (with([1.0, f64::INFINITY]), "found point 2: 1, inf"),
        (with([1.0, -2.0 * LARGEST]), "found point 2: 1, -18014398509481984"),
        (with([1.0, 0.0]), "feature 0 (label 1), polygon 0, ring 0: expected three points that differ, found two"),
        (
            vec![vec![good.to_vec(), vec![[1.0, 1.0]; 4]]],
            "feature 0 (label 1), polygon 0, ring 1: expected three points that differ, found one",
        ),
    ] {
        for rule in FillRule::ALL {
            let error = feature(&polygons).with_shape(shape).fill(*rule).unwrap_err();
            assert!(matches!(&error, Error::Argument(found) if found.ends_with(message)), "{error}, not {message}");
        }
    }
    assert!(matches!(feature(&[]).fill(FillRule::Centre), Err(Error::UnknownShape { .. })));
}

#[test]
fn no_few_points_make_very_many_runs() {
    let shape = Shape { height: u32::MAX, width: u32::MAX };
    let side = f64::from(u32::MAX);
    for rule in FillRule::ALL {
        let ring = vec![[0.0, 1.0], [side, 1.0], [side, 2.0], [0.0, 2.0]];
        let error = feature(&[vec![ring]]).with_shape(shape).fill(*rule).unwrap_err();
        assert!(matches!(error, Error::LimitExceeded { limit: ALWAYS, .. }), "{error}");
    }
    let zigzag: Vec<_> = (0..1000).map(|point| [f64::from(point % 2) * 1e5, f64::from(point / 2)]).collect();
    let error = feature(&[vec![zigzag]]).with_shape(shape).fill(FillRule::Centre).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { limit: ALWAYS, .. }), "{error}");
    let nothing = Shape { height: 0, width: u32::MAX };
    let ring = vec![[0.0, 1.0], [side, 1.0], [side, 2.0], [0.0, 2.0]];
    assert_eq!(feature(&[vec![ring]]).with_shape(nothing).fill(FillRule::Centre).unwrap().run_count(), 0);
}

#[test]
fn parts_that_were_checked_can_be_filled() {
    let parts = PolygonParts {
        labels: vec![2, 1],
        feature_offsets: vec![0, 1, 1],
        polygon_offsets: vec![0, 1],
        ring_offsets: vec![0, 4],
        points: vec![[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, 0.0]],
    };
    let polygons = Polygons::from_parts(Some(Shape { height: 4, width: 4 }), parts).unwrap();
    let filled = polygons.fill(FillRule::Centre).unwrap();
    assert_eq!(filled.labels(), [1, 2]);
    // The centres on the slanting edge are its lower right: not inside.
    assert_eq!(filled.get(2).unwrap().iter().map(|run| run.length).collect::<Vec<_>>(), [3, 2, 1]);
}
