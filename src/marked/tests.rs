use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::encoder::{Encoder, EncoderBuilder};
use crate::mask::LabelMask;
use crate::runs::testing::{ORDERS, Pixels, for_threads, masks};
use crate::runs::{ComponentOptions, Connectivity, MeasureOptions, Property};

/// What is worked out by lines. It must be, for labels that are not far apart.
fn basics() -> MeasureOptions {
    MeasureOptions::new().properties([
        Property::Label,
        Property::Area,
        Property::Bbox,
        Property::Centroid,
        Property::EquivalentDiameterArea,
        Property::Extent,
    ])
}

/// A mask marked from a view of its pixels along or across memory, in strips of so many rows.
fn mark(pixels: &Pixels, order: ScanOrder, along: bool, rows: u32, background: Option<u64>) -> Marked {
    let Shape { height, width } = pixels.shape;
    let encoder = builder(order, rows, background).build().unwrap();
    if !along {
        return encoder.mark(&LabelMask::new(&pixels.labels, pixels.shape).unwrap()).unwrap();
    }
    let turned: Vec<u64> = (0..i64::from(width))
        .flat_map(|column| (0..i64::from(height)).map(move |row| pixels.get(row, column)))
        .collect();
    let mask = LabelMask::with_strides(&turned, 0, pixels.shape, 1, height as isize).unwrap();
    encoder.mark(&mask).unwrap()
}

fn builder(order: ScanOrder, rows: u32, background: Option<u64>) -> EncoderBuilder {
    Encoder::builder().order(order).strip_rows(rows).background(background).threads(1)
}

/// An encoder that keeps memory from test to test.
static KEPT: LazyLock<Encoder> = LazyLock::new(|| builder(ScanOrder::ColumnMajor, 7, None).build().unwrap());

/// The same labels moved by some pixels, and the label of each changed.
fn moved(pixels: &Pixels, rows: i64, columns: i64) -> Pixels {
    let mut moved = Pixels::new(pixels.shape.height, pixels.shape.width);
    for row in 0..pixels.shape.height {
        for column in 0..pixels.shape.width {
            let label = pixels.get(i64::from(row) + rows, i64::from(column) + columns);
            moved.set(row, column, label * 3 % 7);
        }
    }
    moved
}

proptest! {
    /// The runs of both are those of the pixels, which `tests/agreement.rs` and `runs::tests` have oracles for.
    #[test]
    fn answers_are_those_of_runs(
        pixels in masks(),
        along in any::<bool>(),
        strip_rows in 1_u32..40,
        background in prop_oneof![Just(Some(0)), Just(Some(2)), Just(None), Just(Some(u64::MAX))],
        rows in -2_i64..3,
        columns in -2_i64..3,
    ) {
        let other = moved(&pixels, rows, columns);
        for order in ORDERS {
            let runs = |pixels: &Pixels| {
                let mask = LabelMask::new(&pixels.labels, pixels.shape).unwrap();
                builder(order, 7, background).build().unwrap().encode(&mask).unwrap()
            };
            let (expected, second) = (runs(&pixels), runs(&other));
            let one = mark(&pixels, order, along, strip_rows, background);
            let two = mark(&other, order, !along, 5, background);
            prop_assert_eq!(&one.runs().unwrap(), &expected);
            prop_assert_eq!((one.shape(), one.order()), (pixels.shape, order));
            prop_assert_eq!(one.largest(), expected.labels().last().copied());
            for found in for_threads(|| one.measure_by_lines(&basics()).unwrap()) {
                prop_assert_eq!(found.expect("by lines"), expected.measure(&basics()).unwrap());
            }
            let all = MeasureOptions::new().properties([Property::Label, Property::Holes, Property::Orientation]);
            prop_assert_eq!(format!("{:?}", one.measure(&all).unwrap()), format!("{:?}", expected.measure(&all).unwrap()));
            for found in for_threads(|| one.overlaps_by_lines(&two).unwrap()) {
                prop_assert_eq!(found.expect("by lines"), expected.overlaps(&second).unwrap());
            }
            for connectivity in [Connectivity::Four, Connectivity::Eight] {
                let options = ComponentOptions::new().connectivity(connectivity);
                for options in [
                    options.clone(),
                    options.clone().foreground(true),
                    options.clone().foreground(true).min_area(3),
                    options.clone().foreground(true).largest(true),
                    options.clone().foreground(true).fill_holes(2),
                ] {
                    let pieces = expected.components(&options).unwrap();
                    prop_assert_eq!(&one.components(&options).unwrap(), &pieces);
                    // In the memory of other masks.
                    prop_assert_eq!(KEPT.components(&one, &options).unwrap(), pieces);
                }
            }
        }
    }
}

proptest! {
    /// Of a mask of one label no label but the first of a line is looked at, whatever the strips.
    #[test]
    fn pieces_of_one_label_are_those_of_runs(
        pixels in masks(),
        along in any::<bool>(),
        strip_rows in 1_u32..40,
        background in prop_oneof![Just(Some(0)), Just(Some(5)), Just(Some(9)), Just(None)],
    ) {
        let mut binary = pixels.clone();
        binary.labels.iter_mut().for_each(|label| *label = if *label > 1 { 5 } else { 0 });
        for order in ORDERS {
            let one = mark(&binary, order, along, strip_rows, background);
            let labels = [0, 5].iter().filter(|label| binary.labels.contains(label) && Some(**label) != background).count();
            prop_assert_eq!(one.lines().alternate(), background.is_some() && labels < 2);
            let runs = one.runs().unwrap();
            for connectivity in [Connectivity::Four, Connectivity::Eight] {
                let options = ComponentOptions::new().connectivity(connectivity).foreground(true);
                for options in [options.clone(), options.clone().min_area(3), options.clone().largest(true)] {
                    prop_assert_eq!(one.components(&options).unwrap(), runs.components(&options).unwrap());
                }
            }
        }
    }
}

/// Many pairs, more than the table has places for, and labels of several chunks.
#[test]
fn pairs_that_were_turned_out_are_whole() {
    let (height, width) = (600, 500);
    let (mut one, mut two) = (Pixels::new(height, width), Pixels::new(height, width));
    for row in 0..height {
        for column in 0..width {
            one.set(row, column, u64::from(row * 7 + column / 9) % 30_000);
            two.set(row, column, u64::from(row * 11 + column / 13) % 20_000);
        }
    }
    let marked = [&one, &two].map(|pixels| mark(pixels, ScanOrder::ColumnMajor, false, 64, Some(0)));
    let runs = [&one, &two].map(|pixels| pixels.encode(ScanOrder::ColumnMajor));
    let expected = runs[0].overlaps(&runs[1]).unwrap();
    assert!(expected.pairs().len() > 1 << 13);
    for found in for_threads(|| marked[0].overlaps_by_lines(&marked[1]).unwrap()) {
        assert_eq!(found.expect("by lines"), expected);
    }
    for found in for_threads(|| marked[0].measure_by_lines(&basics()).unwrap()) {
        assert_eq!(found.expect("by lines"), runs[0].measure(&basics()).unwrap());
    }
    assert!(for_threads(|| marked[0].lines().chunks(8).len()) == [1, 4]);
}

/// Labels that are far apart have no list with a place for each; orders and sides must agree.
#[test]
fn what_lines_cannot_answer_goes_by_runs() {
    let mut far = Pixels::new(20, 30);
    (0..20).for_each(|row| far.set(row, row + 3, u64::MAX - u64::from(row / 2)));
    let near = moved(&Pixels::parse("1122\n1133"), 0, 0);
    let other_order = mark(&near, ScanOrder::RowMajor, false, 3, Some(0));
    let near = mark(&near, ScanOrder::ColumnMajor, false, 3, Some(0));
    assert_eq!(near.overlaps_by_lines(&other_order).unwrap(), None);
    assert_eq!(
        near.overlaps(&other_order).unwrap(),
        near.runs().unwrap().overlaps(&other_order.runs().unwrap()).unwrap()
    );
    let runs = far.encode(ScanOrder::ColumnMajor);
    let far = mark(&far, ScanOrder::ColumnMajor, false, 3, Some(0));
    assert_eq!(far.measure_by_lines(&basics()).unwrap(), None);
    assert_eq!(far.overlaps_by_lines(&far).unwrap(), None);
    assert_eq!(far.measure(&basics()).unwrap(), runs.measure(&basics()).unwrap());
    assert_eq!(far.overlaps(&far).unwrap(), runs.overlaps(&runs).unwrap());
    let error = far.overlaps(&near).unwrap_err();
    assert!(error.to_string().contains("different shapes"), "{error}");
}

/// A mask of so many boundaries that a list of all labels is in proportion, whose labels do not fit into the runs of lines.
#[test]
fn labels_of_more_than_32_bits_have_no_lists() {
    struct Many(u64);
    impl Lines for Many {
        fn count(&self) -> u32 {
            1 << 20
        }
        fn read(&self, _: u32, _: &mut Vec<LineRun>) -> usize {
            0
        }
        fn alternate(&self) -> bool {
            false
        }
        fn edges<'a>(&self, _: u32, _: bool, _: &'a mut Vec<u32>) -> &'a [u32] {
            &[]
        }
        fn before(&self, line: u32) -> u64 {
            u64::from(line) << 12
        }
        fn largest(&self) -> u64 {
            self.0
        }
    }
    assert_eq!(Many(u64::from(u32::MAX)).lists(), (1 << 32, 4));
    assert_eq!(Many(1 << 32).lists().1, 0);
}

/// A mask without pixels has lines of no pixels, or none.
#[test]
fn no_pixels_have_no_labels() {
    for (height, width) in [(0, 5), (5, 0), (0, 0)] {
        let empty = mark(&Pixels::new(height, width), ScanOrder::ColumnMajor, false, 3, Some(0));
        assert_eq!(empty.measure_by_lines(&basics()).unwrap().expect("by lines").rows(), 0);
        assert!(empty.overlaps_by_lines(&empty).unwrap().expect("by lines").pairs().is_empty());
        assert_eq!(empty.compare(&empty, &[0.5]).unwrap().pq, 1.0);
        assert!(empty.components(&ComponentOptions::new().foreground(true)).unwrap().sources().is_empty());
        assert_eq!(empty.runs().unwrap().run_count(), 0);
    }
}

/// Pieces of a foreground are written where earlier runs were: they were not grouped before.
#[test]
fn pieces_of_a_foreground_take_the_memory_of_earlier_runs() {
    let pixels = Pixels::parse("11.22..1\n1..2..11\n.3...1.1");
    let encoder = builder(ScanOrder::ColumnMajor, 2, Some(0)).build().unwrap();
    let mask = LabelMask::new(&pixels.labels, pixels.shape).unwrap();
    let runs = encoder.encode(&mask).unwrap();
    let options = ComponentOptions::new().foreground(true);
    let (expected, memory) = (runs.components(&options).unwrap(), runs.runs().as_ptr());
    encoder.recycle(runs);
    let marked = encoder.mark(&mask).unwrap();
    let found = encoder.components(&marked, &options).unwrap();
    assert_eq!(found, expected);
    assert_eq!(found.runs().runs().as_ptr(), memory);
    // Whatever that memory holds.
    encoder.recycle(found.into_parts().0);
    encoder.recycle_marked(marked);
    let filled = encoder.mark(&mask).unwrap();
    assert_eq!(encoder.components(&filled, &options).unwrap(), expected);
}

/// So are those of a mask of one label: its runs were not grouped either.
#[test]
fn pieces_of_one_label_take_the_memory_of_earlier_runs() {
    let mut pixels = Pixels::parse("11.22..1\n1..2..11\n.3...1.1");
    pixels.labels.iter_mut().filter(|label| **label != 0).for_each(|label| *label = 7);
    let encoder = builder(ScanOrder::ColumnMajor, 2, Some(0)).build().unwrap();
    let mask = LabelMask::new(&pixels.labels, pixels.shape).unwrap();
    let runs = encoder.encode(&mask).unwrap();
    for (options, source) in [(ComponentOptions::new(), 7), (ComponentOptions::new().foreground(true), 1)] {
        let (expected, spare) = (runs.components(&options).unwrap(), runs.clone());
        let memory = spare.runs().as_ptr();
        encoder.recycle(encoder.encode(&mask).unwrap());
        encoder.recycle(spare);
        let found = encoder.components(&encoder.mark(&mask).unwrap(), &options).unwrap();
        assert_eq!(found, expected);
        assert!(found.sources().len() > 1 && found.sources().iter().all(|&label| label == source));
        assert_eq!(found.runs().runs().as_ptr(), memory);
    }
}
