use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;

use super::super::polygons::{Point, PolygonParts, shoelace};
use super::super::testing::{ORDERS, Pixels, any_runs, for_threads, masks};
use super::*;
use crate::shape::Shape;

fn trace(pixels: &Pixels) -> Polygons {
    pixels.encode(ScanOrder::ColumnMajor).polygons().unwrap()
}

/// All that tracing promises of the polygons of a feature, checked by pixels and by pairs of edges.
fn check(pixels: &Pixels, label: u64, polygons: &[Vec<&[Point]>]) {
    let covered = pixels.of(label);
    let inside: BTreeSet<(i64, i64)> = covered.iter().copied().collect();
    for row in 0..i64::from(pixels.shape.height) {
        for column in 0..i64::from(pixels.shape.width) {
            let centre = [column as f64 + 0.5, row as f64 + 0.5];
            let count = polygons.iter().filter(|rings| is_inside(centre, rings)).count();
            assert_eq!(count, usize::from(inside.contains(&(row, column))), "row {row}, column {column}");
        }
    }
    let area: f64 = polygons.iter().flatten().map(|ring| shoelace(ring) / 2.0).sum();
    assert_eq!(area, covered.len() as f64);
    // Each polygon is one piece, its holes left out.
    let pieces = pieces(&inside);
    assert_eq!(polygons.len(), pieces.len());
    for (rings, piece) in polygons.iter().zip(&pieces) {
        let area: f64 = rings.iter().map(|ring| shoelace(ring) / 2.0).sum();
        assert_eq!(area, piece.len() as f64);
        assert!(piece.iter().all(|&(column, row)| is_inside([column as f64 + 0.5, row as f64 + 0.5], rings)));
    }
    let mut firsts = Vec::new();
    for rings in polygons {
        validity(rings).unwrap_or_else(|fault| panic!("{fault}: {rings:?}"));
        for (place, ring) in rings.iter().enumerate() {
            assert_eq!(shoelace(ring) > 0.0, place == 0, "{ring:?}");
            let key = |point: &Point| (point[0] as i64, point[1] as i64);
            assert!(ring.iter().all(|point| key(&ring[0]) <= key(point)), "{ring:?}");
            assert!(ring.iter().flatten().all(|value| value.fract() == 0.0));
            let around = ring.iter().chain(&ring[1..2]).collect::<Vec<_>>();
            for three in around.windows(3) {
                assert!(turn(*three[0], *three[1], *three[2]) != 0, "straight on at {:?} of {ring:?}", three[1]);
            }
        }
        assert!(rings[1..].is_sorted_by_key(|ring| (ring[0][0] as i64, ring[0][1] as i64)));
        firsts.push((rings[0][0][0] as i64, rings[0][0][1] as i64));
    }
    assert!(firsts.is_sorted());
}

/// The pieces, each of columns and rows, by their first columns and the first rows in those.
fn pieces(inside: &BTreeSet<(i64, i64)>) -> Vec<BTreeSet<(i64, i64)>> {
    let mut left: BTreeSet<(i64, i64)> = inside.iter().map(|&(row, column)| (column, row)).collect();
    let mut pieces = Vec::new();
    while let Some(first) = left.pop_first() {
        let mut piece = BTreeSet::from([first]);
        let mut todo = vec![first];
        while let Some((row, column)) = todo.pop() {
            for next in [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)] {
                if left.remove(&next) {
                    piece.insert(next);
                    todo.push(next);
                }
            }
        }
        pieces.push(piece);
    }
    pieces
}

/// By even and odd crossings of a ray to the left.
fn is_inside([x, y]: Point, rings: &[&[Point]]) -> bool {
    let crosses = |pair: &[Point]| {
        let [[x0, y0], [x1, y1]] = [pair[0], pair[1]];
        (y0 <= y) != (y1 <= y) && x0 + (y - y0) / (y1 - y0) * (x1 - x0) <= x
    };
    rings.iter().flat_map(|ring| ring.windows(2)).filter(|pair| crosses(pair)).count() % 2 == 1
}

/// The side of the line from `a` to `b` on which `c` is.
fn turn(a: Point, b: Point, c: Point) -> i128 {
    let [a, b, c] = [a, b, c].map(|point| point.map(|value| value as i128));
    ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).signum()
}

/// What two edges share: nothing, a point, or more than points that both have as ends.
#[derive(Debug, PartialEq)]
enum Shared {
    Nothing,
    End(Point),
    More,
}

fn shared(a: &[Point], b: &[Point]) -> Shared {
    let within = |edge: &[Point], point: Point| {
        turn(edge[0], edge[1], point) == 0
            && (0..2).all(|axis| {
                let (low, high) = (edge[0][axis].min(edge[1][axis]), edge[0][axis].max(edge[1][axis]));
                (low..=high).contains(&point[axis])
            })
    };
    let ends: Vec<Point> = a.iter().copied().filter(|point| b.contains(point)).collect();
    let mut on: Vec<Point> = a.iter().copied().filter(|&point| within(b, point)).collect();
    on.extend(b.iter().copied().filter(|&point| within(a, point)));
    let crossing =
        turn(a[0], a[1], b[0]) * turn(a[0], a[1], b[1]) < 0 && turn(b[0], b[1], a[0]) * turn(b[0], b[1], a[1]) < 0;
    match ends[..] {
        _ if crossing => Shared::More,
        [] if on.is_empty() => Shared::Nothing,
        [end] if on.iter().all(|&point| point == end) => Shared::End(end),
        _ => Shared::More,
    }
}

/// What makes a polygon of whole coordinates invalid in the sense of the simple feature specification.
pub(in crate::runs) fn validity(rings: &[&[Point]]) -> Result<(), String> {
    let edges: Vec<(usize, usize, &[Point])> = rings
        .iter()
        .enumerate()
        .flat_map(|(ring, points)| points.windows(2).enumerate().map(move |(place, edge)| (ring, place, edge)))
        .collect();
    for (ring, points) in rings.iter().enumerate() {
        if points.len() < 4 || points.first() != points.last() || shoelace(points) == 0.0 {
            return Err(format!("ring {ring} is none"));
        }
    }
    // Places at which rings touch, each with the rings that do.
    let mut touches: BTreeSet<(i64, i64, usize)> = BTreeSet::new();
    for (index, &(ring, place, a)) in edges.iter().enumerate() {
        for &(other_ring, other, b) in &edges[index + 1..] {
            let last = rings[ring].len() - 2;
            let neighbours = ring == other_ring && (other == place + 1 || (place == 0 && other == last));
            match shared(a, b) {
                Shared::Nothing if !neighbours => {}
                Shared::End(_) if neighbours => {}
                Shared::End([x, y]) if ring != other_ring => {
                    touches.insert((x as i64, y as i64, ring));
                    touches.insert((x as i64, y as i64, other_ring));
                }
                found => return Err(format!("{a:?} of ring {ring} and {b:?} of ring {other_ring}: {found:?}")),
            }
        }
    }
    // Rings and the points in which they touch are a forest, or the inside falls apart.
    let mut parent: Vec<usize> = (0..rings.len()).collect();
    fn root(parent: &[usize], mut at: usize) -> usize {
        while parent[at] != at {
            at = parent[at];
        }
        at
    }
    let touches: Vec<_> = touches.into_iter().collect();
    for group in touches.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        for pair in group.windows(2) {
            let (a, b) = (root(&parent, pair[0].2), root(&parent, pair[1].2));
            if a == b {
                return Err(format!("the inside falls apart at {:?}", (pair[0].0, pair[0].1)));
            }
            parent[a] = b;
        }
    }
    for (place, hole) in rings.iter().enumerate().skip(1) {
        // Some point of a ring is on no other ring, because they touch in points only: the middle of its first edge.
        let middle = [(hole[0][0] + hole[1][0]) / 2.0, (hole[0][1] + hole[1][1]) / 2.0];
        if !is_inside(middle, &rings[..1]) {
            return Err(format!("hole {place} is outside"));
        }
        for (other, ring) in rings.iter().enumerate().skip(1) {
            if other != place && is_inside(middle, &[ring]) {
                return Err(format!("hole {place} is in hole {other}"));
            }
        }
    }
    Ok(())
}

fn features(polygons: &Polygons) -> impl Iterator<Item = (u64, Vec<Vec<&[Point]>>)> {
    polygons
        .labels()
        .iter()
        .zip(polygons.feature_offsets().windows(2))
        .map(|(&label, range)| (label, (range[0]..range[1]).map(|polygon| polygons.rings(polygon).collect()).collect()))
}

fn check_all(pixels: &Pixels) {
    let polygons = trace(pixels);
    assert_eq!(polygons.labels(), pixels.present());
    for (label, polygons) in features(&polygons) {
        check(pixels, label, &polygons);
    }
}

proptest! {
    #[test]
    fn polygons_are_the_pixels(pixels in masks()) {
        check_all(&pixels);
    }

    /// Masks of one label in which almost everything meets in corners.
    #[test]
    fn so_are_those_of_noise(height in 1_u32..9, width in 1_u32..9, bits in prop::collection::vec(0_u64..3, 64)) {
        let mut pixels = Pixels::new(height, width);
        for row in 0..height {
            for column in 0..width {
                pixels.set(row, column, u64::from(bits[(row * width + column) as usize] > 0));
            }
        }
        check_all(&pixels);
    }

    #[test]
    fn neither_order_nor_threads_matter(pixels in masks()) {
        let expected = trace(&pixels);
        for order in ORDERS {
            let runs = pixels.encode(order);
            for polygons in for_threads(|| runs.polygons().unwrap()) {
                prop_assert_eq!(&polygons, &expected);
            }
        }
    }

    /// Labels that overlap, are empty, or have runs that touch or fill several columns.
    #[test]
    fn every_label_is_traced_by_itself(runs in any_runs()) {
        let polygons = runs.polygons().unwrap();
        prop_assert_eq!(polygons.labels(), runs.labels());
        for (label, polygons) in features(&polygons) {
            let mut pixels = Pixels::new(runs.shape().unwrap().height, runs.shape().unwrap().width);
            for position in runs.get(label).unwrap().iter().flat_map(|run| run.start..run.end()) {
                let (row, column) = runs.order().row_column(position, pixels.shape);
                pixels.set(row as u32, column as u32, label + 1);
            }
            check(&pixels, label + 1, &polygons);
        }
    }
}

fn rings_of(text: &str) -> Vec<Vec<Vec<(i64, i64)>>> {
    let pixels = Pixels::parse(text);
    check_all(&pixels);
    let polygons = trace(&pixels);
    let ring = |ring: &[Point]| ring.iter().map(|point| (point[0] as i64, point[1] as i64)).collect();
    (0..polygons.polygon_offsets().len() - 1).map(|polygon| polygons.rings(polygon).map(ring).collect()).collect()
}

#[test]
fn a_pixel_is_a_square() {
    assert_eq!(rings_of("1"), [[[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]]]);
}

#[test]
fn diagonal_pixels_stay_apart() {
    let [first, second] =
        [(0, 0), (1, 1)].map(|(x, y)| vec![vec![(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)]]);
    assert_eq!(rings_of("1.\n.1"), [first, second]);
    let [first, second] =
        [(0, 1), (1, 0)].map(|(x, y)| vec![vec![(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)]]);
    assert_eq!(rings_of(".1\n1."), [first, second]);
}

#[test]
fn a_piece_that_meets_itself_has_a_hole() {
    let rings = rings_of(
        "111
         1.1
         11.",
    );
    assert_eq!(
        rings,
        [[vec![(0, 0), (3, 0), (3, 2), (2, 2), (2, 3), (0, 3), (0, 0)], vec![(1, 1), (1, 2), (2, 2), (2, 1), (1, 1)],]]
    );
}

#[test]
fn holes_go_to_the_piece_around_them() {
    // A ring in a ring, and another one beside; all of one label.
    let rings = rings_of(
        "1111111.111
         1.....1.1.1
         1.111.1.111
         1.1.1.1....
         1.111.1....
         1.....1....
         1111111....",
    );
    let sizes: Vec<_> = rings.iter().map(|polygon| polygon.iter().map(|ring| ring[0]).collect::<Vec<_>>()).collect();
    assert_eq!(sizes, [[(0, 0), (1, 1)], [(2, 2), (3, 3)], [(8, 0), (9, 1)]]);
}

#[test]
fn whole_columns_are_one_piece() {
    let shape = Shape { height: u32::MAX, width: u32::MAX };
    let all = vec![Run { start: 0, length: shape.pixels() }];
    let runs = LabelRuns::from_parts(Some(shape), ScanOrder::ColumnMajor, vec![9], vec![0, 1], all).unwrap();
    let polygons = runs.polygons().unwrap();
    let side = f64::from(u32::MAX);
    assert_eq!(polygons.points(), [[0.0, 0.0], [side, 0.0], [side, side], [0.0, side], [0.0, 0.0]]);
    assert_eq!(polygons.area(), side * side);
}

#[test]
fn an_unknown_shape_is_refused_and_a_label_without_runs_has_no_polygon() {
    let runs = LabelRuns::empty(None, ScanOrder::ColumnMajor);
    assert!(matches!(runs.polygons(), Err(Error::UnknownShape { .. })));
    let shape = Some(Shape { height: 2, width: 2 });
    let runs = LabelRuns::from_parts(shape, ScanOrder::RowMajor, vec![4, 6], vec![0, 0, 0], vec![]).unwrap();
    let polygons = runs.polygons().unwrap();
    assert_eq!((polygons.labels(), polygons.feature_offsets()), (&[4, 6][..], &[0, 0, 0][..]));
}

/// A spiral with arms a pixel wide has one ring of very many corners; a comb of them touches itself nowhere.
#[test]
fn a_ring_may_have_a_hundred_thousand_corners() {
    let side = 25_000_u32;
    let mut runs = Vec::new();
    // Teeth of every second column, which grow by turns, on a back at the bottom.
    let shape = Shape { height: 40, width: 2 * side };
    for column in 0..2 * side {
        let top = if column % 2 == 0 { column / 2 % 37 } else { 38 };
        runs.push(Run { start: u64::from(column) * 40 + u64::from(top), length: u64::from(39 - top) });
    }
    let runs = LabelRuns::from_parts(Some(shape), ScanOrder::ColumnMajor, vec![1], vec![0, runs.len()], runs).unwrap();
    let polygons = runs.polygons().unwrap();
    assert_eq!(polygons.ring_offsets().len(), 2);
    let points = &polygons.points()[1..];
    assert!(points.len() >= 100_000, "{}", points.len());
    let different: HashSet<_> = points.iter().map(|point| point.map(f64::to_bits)).collect();
    assert_eq!(different.len(), points.len());
    assert!(points.windows(2).all(|pair| (pair[0][0] == pair[1][0]) != (pair[0][1] == pair[1][1])));
    assert_eq!(polygons.area(), runs.area() as f64);
}

#[test]
fn parts_are_checked() {
    let square = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]];
    let make = |features: &[usize], polygons: &[usize], rings: &[usize], points: &[Point]| {
        let (feature_offsets, polygon_offsets) = (features.to_vec(), polygons.to_vec());
        let (ring_offsets, points) = (rings.to_vec(), points.to_vec());
        let labels = vec![7];
        Polygons::from_parts(None, PolygonParts { labels, feature_offsets, polygon_offsets, ring_offsets, points })
    };
    let good = make(&[0, 1], &[0, 1], &[0, 4], &square).unwrap();
    let parts = good.clone().into_parts();
    assert_eq!((&parts.labels, &parts.feature_offsets, &parts.polygon_offsets), (&vec![7], &vec![0, 1], &vec![0, 1]));
    assert_eq!((&parts.ring_offsets, &parts.points), (&vec![0, 4], &square));
    assert_eq!(Polygons::from_parts(None, parts).unwrap(), good);
    for (features, polygons, rings, points, message) in [
        (&[0][..], &[0, 1][..], &[0, 4][..], &square[..], "feature offsets: 1 for 1 labels: there must be one more"),
        (&[0, 2], &[0, 1], &[0, 4], &square, "feature offsets: from 0 to 2: they must go from 0 to 1"),
        (&[0, 1], &[], &[0, 4], &square, "feature offsets: from 0 to 1: they must go from 0 to 18446744073709551615"),
        (&[0, 3], &[0, 1, 0, 1], &[0, 4], &square, "polygon offsets: number 2 is 0 and follows 1"),
        (&[0, 1], &[0, 1], &[0, 3], &square, "ring offsets: from 0 to 3: they must go from 0 to 4"),
        (
            &[0, 1],
            &[0, 1],
            &[0, 3],
            &square[..3],
            "ring 0 has 3 points: there must be at least 4, the last of them the first one",
        ),
    ] {
        match make(features, polygons, rings, points) {
            Err(Error::Argument(found)) => assert_eq!(found, message),
            other => panic!("{other:?}, not {message}"),
        }
    }
}

/// The checker finds what it is to find.
#[test]
fn the_checker_knows_invalid_polygons() {
    let ring = |points: &[(i32, i32)]| points.iter().map(|&(x, y)| [f64::from(x), f64::from(y)]).collect::<Vec<_>>();
    let square = ring(&[(0, 0), (9, 0), (9, 9), (0, 9), (0, 0)]);
    assert_eq!(validity(&[&square]), Ok(()));
    for (rings, fault) in [
        (vec![ring(&[(0, 0), (4, 4), (4, 0), (0, 5), (0, 0)])], "of ring 0: More"),
        (vec![ring(&[(0, 0), (4, 0), (2, 2), (4, 4), (0, 4), (2, 2), (0, 0)])], "of ring 0: End"),
        (vec![square.clone(), ring(&[(10, 10), (10, 12), (12, 12), (10, 10)])], "hole 1 is outside"),
        (
            vec![square.clone(), ring(&[(1, 1), (1, 8), (8, 8), (1, 1)]), ring(&[(2, 3), (2, 6), (4, 6), (2, 3)])],
            "hole 1",
        ),
        (vec![square.clone(), ring(&[(0, 0), (4, 5), (9, 9), (5, 4), (0, 0)])], "the inside falls apart"),
        (vec![square.clone(), ring(&[(0, 2), (3, 4), (3, 3), (0, 2)])], "More"),
        (vec![ring(&[(0, 0), (4, 0), (0, 0)])], "ring 0 is none"),
    ] {
        let rings: Vec<&[Point]> = rings.iter().map(|ring| &ring[..]).collect();
        let found = validity(&rings).unwrap_err();
        assert!(found.contains(fault), "{found}, not {fault}");
    }
}
