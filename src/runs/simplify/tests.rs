use proptest::prelude::*;

use super::super::testing::{Pixels, for_threads, masks};
use super::super::trace::tests::validity;
use super::*;
use crate::shape::ScanOrder;

fn check(before: &Polygons, tolerance: f64) -> Simplified {
    let simplified = before.simplify(tolerance).unwrap();
    let after = simplified.polygons();
    assert_eq!((after.labels(), after.feature_offsets()), (before.labels(), before.feature_offsets()));
    assert_eq!(after.polygon_offsets(), before.polygon_offsets());
    for polygon in 0..before.rings.len() {
        let (all, some): (Vec<_>, Vec<_>) = (before.rings(polygon).collect(), after.rings(polygon).collect());
        assert_eq!(all.len(), some.len());
        validity(&some).unwrap_or_else(|fault| panic!("{fault}: {all:?} became {some:?}"));
        for (ring, (all, some)) in all.iter().zip(&some).enumerate() {
            assert!(some.len() >= 4 && some[0] == all[0], "{all:?} became {some:?}");
            assert_eq!(shoelace(some) > 0.0, ring == 0, "{all:?} became {some:?}");
            // Each edge stands for a stretch of the ring that is near to it.
            let mut at = 0;
            for edge in some.windows(2) {
                while all[at] != edge[1] || at == 0 {
                    at += 1;
                    let far = distance(all[at], [edge[0], edge[1]]);
                    assert!(far <= tolerance * tolerance, "{:?} is {far} from {edge:?}", all[at]);
                }
            }
            assert_eq!(at, all.len() - 1);
        }
    }
    // Pieces of a label stay apart: none has a corner inside another one.
    for feature in before.feature_offsets().windows(2) {
        for polygon in feature[0]..feature[1] {
            for other in (feature[0]..feature[1]).filter(|&other| other != polygon) {
                let rings: Vec<&[Point]> = after.rings(other).collect();
                let first = after.rings(polygon).next().unwrap();
                let middle = [(first[0][0] + first[1][0]) / 2.0, (first[0][1] + first[1][1]) / 2.0];
                let inside = rings.iter().filter(|ring| is_inside(middle, ring.iter().copied())).count() % 2 == 1;
                assert!(!inside, "piece {polygon} is in piece {other}");
            }
        }
    }
    assert_eq!((simplified.area_before(), simplified.area_after()), (before.area(), after.area()));
    simplified
}

fn traced(pixels: &Pixels) -> Polygons {
    pixels.encode(ScanOrder::ColumnMajor).polygons().unwrap()
}

proptest! {
    #[test]
    fn what_is_left_is_near_and_valid(pixels in masks(), tolerance in prop::sample::select(vec![0.1, 0.5, 0.75, 1.0, 1.5, 3.0, 50.0])) {
        let polygons = traced(&pixels);
        let simplified = check(&polygons, tolerance);
        for other in for_threads(|| polygons.simplify(tolerance).unwrap()) {
            prop_assert_eq!(&other, &simplified);
        }
    }

    /// One label, in which almost everything meets in corners.
    #[test]
    fn so_it_is_for_noise(height in 1_u32..9, width in 1_u32..9, bits in prop::collection::vec(0_u64..3, 64), tolerance in 0.3..4.0) {
        let mut pixels = Pixels::new(height, width);
        for row in 0..height {
            for column in 0..width {
                pixels.set(row, column, u64::from(bits[(row * width + column) as usize] > 0));
            }
        }
        check(&traced(&pixels), tolerance);
    }
}

#[test]
fn a_staircase_becomes_a_slope_and_the_area_changes_little() {
    let mut pixels = Pixels::new(100, 100);
    for row in 0..100_u32 {
        for column in 0..100_u32 {
            let far = (f64::from(row) - 49.5).hypot(f64::from(column) - 49.5);
            pixels.set(row, column, u64::from((20.0..45.0).contains(&far)));
        }
    }
    let polygons = traced(&pixels);
    let simplified = check(&polygons, 1.0);
    assert!(simplified.polygons().points().len() * 4 < polygons.points().len());
    let change = simplified.area_after() / simplified.area_before() - 1.0;
    assert!(change.abs() < 0.03, "{change}");
    // Half a pixel is the depth of a step of one pixel, less is none.
    assert_eq!(polygons.simplify(0.1).unwrap().polygons(), &polygons);
}

/// An island in a bay: an edge over the mouth of the bay would swallow it, though it crosses nothing.
#[test]
fn nothing_is_swallowed() {
    let pixels = Pixels::parse(
        "1111111111
         1........1
         1........1
         1...11...1
         1........1
         1........1
         1111111111
         1.........
         1.........",
    );
    for tolerance in [1.0, 3.0, 6.0, 20.0] {
        check(&traced(&pixels), tolerance);
    }
    let bay = Pixels::parse(
        "11......11
         11.1....11
         11......11
         1111111111",
    );
    for tolerance in [1.0, 3.0, 20.0] {
        check(&traced(&bay), tolerance);
    }
}

#[test]
fn a_tolerance_is_a_length() {
    let polygons = traced(&Pixels::parse("11\n1."));
    for tolerance in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(polygons.simplify(tolerance), Err(Error::Argument(_))), "{tolerance}");
    }
    assert_eq!(Polygons::empty(None).simplify(1.0).unwrap().polygons(), &Polygons::empty(None));
}
