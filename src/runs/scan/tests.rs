use proptest::prelude::*;

use super::*;
use crate::runs::testing::any_runs;
use crate::shape::{ScanOrder, Shape};

proptest! {
    /// Stretches of any length, from any of them on.
    #[test]
    fn stretches_hold_their_part_of_each_run_in_scan_order(runs in any_runs(), bits in 0_u32..8, from in 0_usize..20) {
        let walk = Walk { bits, ..Walk::of(&[&runs]).unwrap() };
        let from = from % walk.count();
        let mut scan = walk.scan(0, from).unwrap();
        for index in from..walk.count() {
            let positions = walk.stretch(index);
            let mut expected: Vec<(u64, u32, u64)> = Vec::new();
            for (label, (_, of_label)) in (0..).zip(runs.iter()) {
                let cut = |run: &Run| (run.start.max(positions.start), run.end().min(positions.end));
                let parts = of_label.iter().map(cut).filter(|(start, end)| start < end);
                expected.extend(parts.map(|(start, end)| (start, label, end - start)));
            }
            expected.sort_unstable();
            let found = scan.stretch().unwrap().iter();
            let found: Vec<_> = found.map(|entry| (entry.start, entry.label, entry.run().length)).collect();
            prop_assert_eq!(found, expected);
            let lookup = scan.lookup();
            for position in positions.clone() {
                let expected = scan.entries().iter().filter(|entry| entry.start < position).count();
                if lookup.bits {
                    prop_assert_eq!(lookup.before::<true>(position), expected);
                } else {
                    let before = lookup.before::<false>(position);
                    prop_assert!(before <= expected);
                    let bucket = |entry: &Entry| (entry.start - positions.start) >> lookup.shift;
                    prop_assert!(scan.entries()[before..expected].iter().all(|entry| bucket(entry) == (position - positions.start) >> lookup.shift));
                }
            }
        }
        prop_assert_eq!(walk.stretch(walk.count() - 1).end, walk.positions.end);
    }
}

/// Remembers what it is told.
#[derive(Default)]
struct Told {
    runs: Vec<(u64, u64)>,
    labels: Vec<(u32, Vec<(u64, u64)>)>,
}

impl Visitor for Told {
    fn run(&mut self, start: u64, end: u64) {
        self.runs.push((start, end));
    }

    fn label(&mut self, label: u32) {
        self.labels.push((label, std::mem::take(&mut self.runs)));
    }
}

proptest! {
    /// Marks tell disjoint runs from others.
    #[test]
    fn a_visitor_is_told_of_every_run_and_of_overlaps(runs in any_runs(), bits in 0_u32..8) {
        let walk = Walk { bits, ..Walk::of(&[&runs]).unwrap() };
        let mut scan = walk.scan(0, 0).unwrap();
        for index in 0..walk.count() {
            let positions = walk.stretch(index);
            let mut told = Told::default();
            let disjoint = scan.visit_stretch(&mut told).unwrap();
            let mut expected: Vec<(u32, Vec<(u64, u64)>)> = Vec::new();
            for (label, (_, of_label)) in (0..).zip(runs.iter()) {
                let cut = |run: &Run| (run.start.max(positions.start), run.end().min(positions.end));
                let parts: Vec<(u64, u64)> = of_label.iter().map(cut).filter(|(start, end)| start < end).collect();
                expected.extend((!parts.is_empty()).then_some((label, parts)));
            }
            told.labels.sort();
            prop_assert_eq!(&told.labels, &expected);
            let mut all: Vec<(u64, u64)> = expected.into_iter().flat_map(|(_, parts)| parts).collect();
            all.sort_unstable();
            let overlap = all.windows(2).any(|pair| pair[0].1 > pair[1].0);
            // Few runs in many positions are not marked.
            let dense = positions.end - positions.start <= BITS * all.len() as u64;
            prop_assert_eq!(disjoint, dense && !overlap);
            if !disjoint {
                prop_assert_eq!(first_overlap(scan.entries()).is_some(), overlap);
            }
        }
    }
}

/// A label with runs of `length` pixels every `step`, and one with the same runs `shift` pixels further.
fn two_labels(count: u64, step: u64, length: u64, shift: u64) -> LabelRuns {
    let of = |shift: u64| (0..count).map(move |index| Run { start: index * step + shift, length });
    let runs: Vec<Run> = of(0).chain(of(shift)).collect();
    let offsets = vec![0, count as usize, 2 * count as usize];
    LabelRuns::from_parts(None, ScanOrder::ColumnMajor, vec![1, 2], offsets, runs).unwrap()
}

#[test]
fn dense_runs_are_placed_by_bits_and_others_by_buckets() {
    let bits = |runs: &LabelRuns| {
        let walk = Walk::of(&[runs]).unwrap();
        let mut scan = walk.scan(0, 0).unwrap();
        let found =
            (0..walk.count()).map(|_| (scan.stretch().unwrap().is_sorted_by_key(|entry| entry.start), scan.bits));
        found.collect::<Vec<_>>()
    };
    // The last stretch is shorter than the others.
    let all_but_last = |found: &[(bool, bool)], expected: (bool, bool)| {
        found.len() > 2 && found[..found.len() - 1].iter().all(|&found| found == expected)
    };
    assert!(all_but_last(&bits(&two_labels(1 << 15, 2 * BITS - 9, 9, 9)), (true, true)));
    assert!(all_but_last(&bits(&two_labels(1 << 15, 2 * BITS + 9, 9, 9)), (true, false)));
    // Runs that begin together.
    assert!(all_but_last(&bits(&two_labels(1 << 15, 40, 9, 0)), (true, false)));
}

#[test]
fn beginnings_and_ends_of_disjoint_runs_alternate() {
    let marks = |runs: &[(u64, u64)]| {
        let mut marks = vec![[0; 2]; 4];
        for &(start, end) in runs {
            marks[(start / 64) as usize][0] |= 1_u64 << (start % 64);
            marks[(end / 64) as usize][1] |= 1_u64 << (end % 64);
        }
        alternate(&marks)
    };
    assert!(marks(&[]) && marks(&[(0, 64), (64, 128), (130, 255)]) && marks(&[(63, 65), (65, 66), (70, 192)]));
    for wrong in [[(0, 9), (5, 6)], [(0, 64), (63, 130)], [(3, 200), (64, 128)], [(60, 70), (69, 71)]] {
        assert!(!marks(&wrong), "{wrong:?}");
    }
}

#[test]
fn positions_up_to_the_last_are_in_stretches() {
    let last = Run { start: u64::MAX - 9, length: 9 };
    for (start, length) in [(0, 1), (1 << 41, 1 << 40), (u64::MAX - 20, 3)] {
        let lists = (vec![1, 2], vec![0, 1, 2], vec![last, Run { start, length }]);
        let runs = LabelRuns::from_parts(None, ScanOrder::RowMajor, lists.0, lists.1, lists.2).unwrap();
        let walk = Walk::of(&[&runs]).unwrap();
        let mut scan = walk.scan(0, 0).unwrap();
        let mut found = Vec::new();
        (0..walk.count()).for_each(|_| found.extend_from_slice(scan.stretch().unwrap()));
        let of = |label: u32| found.iter().filter(move |entry| entry.label == label);
        let pixels = |label: u32| of(label).map(|entry| entry.run().length).sum::<u64>();
        assert_eq!([pixels(0), pixels(1)], [last.length, length]);
        assert!(found.is_sorted_by_key(|entry| entry.start) && walk.count() <= 3);
        // No bits for so many positions.
        assert!(scan.words.len() < 100);
    }
}

#[test]
fn long_runs_are_several_entries_and_many_runs_in_one_place_are_sorted() {
    let shape = Shape { height: u32::MAX, width: u32::MAX };
    let long = u64::from(u32::MAX) * 3 + 5;
    let mut lists = (vec![0, 1], vec![0, 1], vec![Run { start: 9, length: long }]);
    // One bucket gets nearly all.
    lists.2.extend((0..1000).map(|index| Run { start: index * 2, length: 1 }));
    lists.2.push(Run { start: shape.pixels() - 1, length: 1 });
    lists.1.push(lists.2.len());
    let runs = LabelRuns::from_parts(Some(shape), ScanOrder::RowMajor, lists.0, lists.1, lists.2).unwrap();
    let walk = Walk { bits: 63, ..Walk::of(&[&runs]).unwrap() };
    let mut scan = walk.scan(0, 0).unwrap();
    let mut found = Vec::new();
    (0..walk.count()).for_each(|_| found.extend_from_slice(scan.stretch().unwrap()));
    assert!(found.is_sorted_by_key(|entry| entry.start));
    let of = |label: u32| found.iter().filter(move |entry| entry.label == label).map(|entry| entry.run().length);
    assert_eq!((of(0).sum::<u64>(), of(0).count()), (long, 4));
    assert_eq!((of(1).sum::<u64>(), of(1).count()), (1001, 1001));
}
