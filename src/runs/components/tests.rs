use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::runs::testing::{ORDERS, Pixels, any_runs, for_threads, masks};
use crate::shape::Shape;

const EDGES: [(i64, i64); 4] = [(0, 1), (1, 0), (0, -1), (-1, 0)];
const CORNERS: [(i64, i64); 4] = [(1, 1), (1, -1), (-1, -1), (-1, 1)];

/// Sets of places that are connected, each sorted.
fn sets(places: impl IntoIterator<Item = (i64, i64)>, connectivity: Connectivity) -> Vec<Vec<(i64, i64)>> {
    let mut left: std::collections::BTreeSet<(i64, i64)> = places.into_iter().collect();
    let mut sets = Vec::new();
    while let Some(first) = left.pop_first() {
        let (mut set, mut queue) = (vec![first], VecDeque::from([first]));
        while let Some((r, c)) = queue.pop_front() {
            let corners = CORNERS.iter().filter(|_| connectivity == Connectivity::Eight);
            for (y, x) in EDGES.iter().chain(corners) {
                if left.remove(&(r + y, c + x)) {
                    set.push((r + y, c + x));
                    queue.push_back((r + y, c + x));
                }
            }
        }
        set.sort_unstable();
        sets.push(set);
    }
    sets
}

fn opposite(connectivity: Connectivity) -> Connectivity {
    match connectivity {
        Connectivity::Four => Connectivity::Eight,
        Connectivity::Eight => Connectivity::Four,
    }
}

/// Pieces by their definition over pixels: the mask and the label of each.
fn by_pixels(pixels: &Pixels, options: &ComponentOptions) -> (Pixels, Vec<u64>) {
    let mut base = pixels.clone();
    if options.foreground {
        base.labels.iter_mut().for_each(|label| *label = u64::from(*label > 0));
    }
    let mut pieces: Vec<(u64, Vec<(i64, i64)>)> = Vec::new();
    for label in base.present() {
        pieces.extend(sets(base.of(label), options.connectivity).into_iter().map(|set| (label, set)));
    }
    let first = |set: &[(i64, i64)]| set.iter().map(|&(r, c)| (c, r)).min().unwrap();
    pieces.sort_by_key(|(_, set)| first(set));
    // For each pixel of the background the least hole that it lies in.
    let mut filled: BTreeMap<(i64, i64), (usize, usize)> = BTreeMap::new();
    let (height, width) = (i64::from(base.shape.height), i64::from(base.shape.width));
    for (index, (_, set)) in pieces.iter().enumerate() {
        let others = (-1..=height)
            .flat_map(|r| (-1..=width).map(move |c| (r, c)))
            .filter(|place| set.binary_search(place).is_err());
        for hole in sets(others, opposite(options.connectivity)) {
            if hole.contains(&(-1, -1)) || hole.len() as u64 > options.fill_holes {
                continue;
            }
            for &(r, c) in &hole {
                if base.get(r, c) == 0 {
                    let entry = filled.entry((r, c)).or_insert((hole.len(), index));
                    *entry = (*entry).min((hole.len(), index));
                }
            }
        }
    }
    for (place, (_, index)) in filled {
        pieces[index].1.push(place);
    }
    pieces.retain(|(_, set)| set.len() as u64 >= options.min_area);
    if options.largest {
        let mut kept: Vec<(u64, Vec<(i64, i64)>)> = Vec::new();
        for (index, (label, set)) in pieces.iter().enumerate() {
            let of_label = || pieces.iter().enumerate().filter(|(_, piece)| piece.0 == *label);
            let largest = of_label().map(|(_, piece)| piece.1.len()).max().unwrap();
            if of_label().find(|(_, piece)| piece.1.len() == largest).unwrap().0 == index {
                kept.push((*label, set.clone()));
            }
        }
        pieces = kept;
    }
    let mut result = Pixels::new(base.shape.height, base.shape.width);
    for (number, (_, set)) in (1..).zip(&pieces) {
        set.iter().for_each(|&(r, c)| result.set(r as u32, c as u32, number));
    }
    (result, pieces.iter().map(|piece| piece.0).collect())
}

fn options() -> impl Strategy<Value = ComponentOptions> {
    let connectivity = prop_oneof![Just(Connectivity::Four), Just(Connectivity::Eight)];
    let limit = || prop_oneof![Just(0_u64), 1_u64..12, Just(u64::MAX)];
    (connectivity, any::<bool>(), limit(), limit(), any::<bool>()).prop_map(
        |(connectivity, foreground, min_area, fill_holes, largest)| ComponentOptions {
            connectivity,
            foreground,
            min_area: min_area.min(20),
            fill_holes,
            largest,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pieces_are_by_definition(pixels in masks(), options in options()) {
        let (expected, sources) = by_pixels(&pixels, &options);
        for order in ORDERS {
            let runs = pixels.encode(order);
            let [found, many] = for_threads(|| runs.components(&options).unwrap());
            prop_assert_eq!(&found, &many);
            prop_assert_eq!(found.sources(), &sources);
            // Maximal runs of the numbers from 1: what encoding makes.
            prop_assert_eq!(found.runs(), &expected.encode(order), "{:?}", pixels);
        }
    }

    #[test]
    fn labels_that_overlap_are_taken_apart_each_by_itself(runs in any_runs()) {
        let found = runs.components(&ComponentOptions::new()).unwrap();
        let mut count = 0;
        for (index, (label, runs_of)) in runs.iter().enumerate() {
            let one = LabelRuns { labels: vec![label], offsets: vec![0, runs_of.len()], runs: runs_of.to_vec().into(), ..LabelRuns::empty(runs.shape(), runs.order()) };
            let alone = one.components(&ComponentOptions::new()).unwrap();
            let ours = || found.sources().iter().zip(0..).filter(|(source, _)| **source == label).map(|(_, at)| found.runs().runs_at(at));
            prop_assert_eq!(ours().count(), alone.runs().labels().len(), "{}", index);
            for (ours, (_, alone)) in ours().zip(alone.runs().iter()) {
                prop_assert_eq!(ours, alone);
            }
            count += alone.sources().len();
        }
        prop_assert_eq!(count, found.sources().len());
        // The foreground of labels that overlap is fine as well.
        let all = runs.components(&ComponentOptions::new().foreground(true)).unwrap();
        prop_assert_eq!(all.runs().area(), runs.foreground(1).unwrap().area());
    }
}

#[test]
fn holes_in_each_other_go_to_the_piece_around_them() {
    let mask = Pixels::parse(
        "1 1 1 1 1 1 1
         1 . . . . . 1
         1 . 2 2 2 . 1
         1 . 2 . 2 . 1
         1 . 2 2 2 . 1
         1 . . . . . 1
         1 1 1 1 1 1 1",
    );
    let runs = mask.encode(ScanOrder::ColumnMajor);
    for (most, expected) in [(0, [24, 8]), (1, [24, 9]), (24, [24, 9]), (25, [40, 9])] {
        let found = runs.components(&ComponentOptions::new().fill_holes(most)).unwrap();
        let areas: Vec<u64> = found.runs().iter().map(|(_, runs)| runs.iter().map(|run| run.length).sum()).collect();
        assert_eq!(areas, expected, "holes of {most}");
        assert_eq!(found.sources(), [1, 2]);
    }
}

#[test]
fn a_run_over_the_end_of_a_line_does_not_connect_its_ends() {
    // The last pixel of column 0 and the first of column 1.
    let runs = Pixels::parse(". 5\n. .\n5 .").encode(ScanOrder::ColumnMajor);
    assert_eq!(runs.run_count(), 1);
    let found = runs.components(&ComponentOptions::new()).unwrap();
    assert_eq!(found.sources(), [5, 5]);
    assert_eq!(found.runs().runs(), [Run { start: 2, length: 1 }, Run { start: 3, length: 1 }]);
}

#[test]
fn labels_of_one_stretch_a_line_need_no_sets() {
    let simple = |mask: &str, order: ScanOrder, apart: u32| {
        let pixels = Pixels::parse(mask);
        let (runs, mut pieces) = (pixels.encode(order), Vec::new());
        let length = pixels.shape.line_length(order);
        lines::pieces(runs.runs_at(0), length, &mut pieces).unwrap();
        simple(&pieces, length, apart, order == ScanOrder::ColumnMajor)
    };
    // First pixel, as column and row, and area.
    let cell = ". . . .\n. . 1 .\n. 1 1 .\n. . . .";
    for apart in [0, 1] {
        assert_eq!(simple(cell, ScanOrder::ColumnMajor, apart), Some((1 << 32 | 2, 3)));
        assert_eq!(simple(cell, ScanOrder::RowMajor, apart), Some((1 << 32 | 2, 3)));
    }
    let corners = ". . . .\n. . 1 .\n. 1 . .\n. . . .";
    let apart = ". . . .\n. 1 . .\n. . . .\n. 1 . 1";
    let hook = ". . . .\n. 1 1 .\n. . 1 .\n. 1 1 .";
    // The second run begins where the first one ends: they are one.
    let goes_on = ". 1\n1 1\n1 .";
    for order in ORDERS {
        assert_eq!(simple(corners, order, 0).map(|found| found.1), Some(2));
        assert_eq!(simple(corners, order, 1), None);
        assert_eq!(simple(apart, order, 0), None);
    }
    assert_eq!(simple(hook, ScanOrder::ColumnMajor, 0), None);
    assert_eq!(simple(goes_on, ScanOrder::ColumnMajor, 0), None);
}

#[test]
fn one_label_is_taken_apart_line_by_line_unless_runs_fill_lines() {
    let fine = |runs: &[Run]| OneLabel { runs, length: 4 }.is_fine();
    assert!(fine(&[Run { start: 2, length: 4 }, Run { start: 8, length: 4 }]));
    assert!(!fine(&[Run { start: 2, length: 4 }, Run { start: 8, length: 5 }]));
    // Parts of a line that touch are one; lines between are left out; a line that is full goes on.
    let runs = [(1, 2), (3, 4), (16, 4), (21, 1)].map(|(start, length)| Run { start, length });
    let mut lines = Vec::new();
    OneLabel { runs: &runs, length: 4 }.each(|line, stretches| lines.push((line, stretches.to_vec())));
    assert_eq!(lines, [(0, vec![[1, 4]]), (1, vec![[0, 3]]), (4, vec![[0, 4]]), (5, vec![[1, 2]])]);
    let shape = Some(Shape { height: 4, width: 6 });
    let all = LabelRuns::from_parts(shape, ScanOrder::ColumnMajor, vec![9], vec![0, 4], runs.to_vec()).unwrap();
    let found = all.components(&ComponentOptions::new()).unwrap();
    assert_eq!(found.sources(), [9, 9]);
    assert_eq!(found.runs().offsets(), [0, 1, 3]);
    assert_eq!(found.runs().runs(), [(1, 6), (16, 4), (21, 1)].map(|(start, length)| Run { start, length }));
}

#[test]
fn the_largest_mask_is_one_piece() {
    let shape = Shape { height: u32::MAX, width: u32::MAX };
    for order in ORDERS {
        let whole = LabelRuns::from_parts(
            Some(shape),
            order,
            vec![8],
            vec![0, 2],
            vec![
                Run { start: 0, length: shape.pixels() / 2 },
                Run { start: shape.pixels() / 2 + 1, length: shape.pixels() / 2 },
            ],
        )
        .unwrap();
        let found = whole.components(&ComponentOptions::new().fill_holes(1)).unwrap();
        assert_eq!(found.runs().runs(), [Run { start: 0, length: shape.pixels() }]);
        assert_eq!(found.sources(), [8]);
    }
}

#[test]
fn without_a_shape_nothing_is_connected() {
    let error = LabelRuns::empty(None, ScanOrder::RowMajor).components(&ComponentOptions::new()).unwrap_err();
    assert_eq!(error.to_string(), "connected pieces: height and width must be known");
}
