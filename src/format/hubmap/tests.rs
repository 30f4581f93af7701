use proptest::prelude::*;

use super::super::{Format, LineEnding, ReadOptions, WriteOptions, read, write};
use super::{MAX_EMPTY_ROWS, batches};
use crate::error::Error;
use crate::format::samples::{cut_into, label_runs, runs_of};
use crate::runs::LabelRuns;
use crate::shape::{ScanOrder, Shape};

fn parse(text: &str) -> crate::Result<LabelRuns> {
    read(Format::Hubmap, &mut text.as_bytes(), &ReadOptions::default())
}

fn text(runs: &LabelRuns, options: &WriteOptions) -> String {
    let mut bytes = Vec::new();
    write(Format::Hubmap, &mut bytes, runs, options).expect("runs that the format holds");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn the_rules_example_is_label_one() {
    let runs = parse("glom,pixels\n0,18 3 25 5 33 6 41 7 50 6\n").unwrap();
    assert_eq!(runs, runs_of(&[(1, &[(18, 3), (25, 5), (33, 6), (41, 7), (50, 6)])]));
}

#[test]
fn empty_rows_byte_order_marks_and_line_ends_are_read() {
    let expected = runs_of(&[(1, &[]), (2, &[(0, 3), (3, 5)]), (3, &[])]);
    for text in [
        "glom,pixels\n0,\n1,0 3 3 5\n2,\n",
        "glom,pixels\r\n0,\r\n1,0 3 3 5\r\n2,\r\n",
        "glom,pixels\n0,\n1,0 3 3 5\n2,",
        "\u{feff}glom,pixels\n0,\n1,0 3 3 5\n2,",
    ] {
        assert_eq!(parse(text).unwrap(), expected, "{text:?}");
    }
    assert_eq!(parse("glom,pixels").unwrap(), runs_of(&[]));
}

#[test]
fn a_row_for_every_label_is_written() {
    let runs = runs_of(&[(2, &[(7, 1)]), (4, &[])]);
    assert_eq!(text(&runs, &WriteOptions::default()), "glom,pixels\n0,\n1,7 1\n2,\n3,\n");
    let options = WriteOptions { labels: Some(5), line_ending: LineEnding::Crlf, ..WriteOptions::default() };
    assert_eq!(text(&runs, &options), "glom,pixels\r\n0,\r\n1,7 1\r\n2,\r\n3,\r\n4,\r\n");
    assert_eq!(text(&runs_of(&[]), &WriteOptions::default()), "glom,pixels\n");
}

#[test]
fn defects_are_named_with_their_place() {
    for (text, message) in [
        ("", "expected the header glom,pixels, found an empty file"),
        (
            "label,start,length\n",
            "line 1, column 1: expected the header glom,pixels, found \"label,start,length\", which looks like table",
        ),
        (
            "ImageId,EncodedPixels\n",
            "line 1, column 1: expected the header glom,pixels, found \"ImageId,EncodedPixels\", which looks like kaggle or siim",
        ),
        ("\u{1}\u{2}\n", "line 1, column 1: expected the header glom,pixels, found \"\\x01\\x02\""),
        ("glom,pixels\n\n", "line 2, column 1: expected an id (digits), found the end of the line"),
        ("glom,pixels\n1,\n", "line 2, column 1: expected the id 0 (ids count from 0, a row for each), found 1"),
        ("glom,pixels\n0,\n0,\n", "line 3, column 1: expected the id 1 (ids count from 0, a row for each), found 0"),
        ("glom,pixels\n0\n", "line 2, column 2: expected a comma, found the end of the line"),
        (
            "glom,pixels\n0,5\n",
            "line 2, column 3: expected pairs of start and length, found a start without a length at the end of the line",
        ),
        (
            "glom,pixels\n0,1 2 5\n",
            "line 2, column 7: expected pairs of start and length, found a start without a length at the end of the line",
        ),
        ("glom,pixels\n0,1 2 \n", "line 2, column 7: expected a start (digits), found the end of the line"),
        ("glom,pixels\n0,1  2\n", "line 2, column 5: expected a length (digits), found \" 2\""),
        ("glom,pixels\n0,-1 2\n", "line 2, column 3: expected a start (digits), found \"-1 2\""),
        ("glom,pixels\n0,1 2x\n", "line 2, column 6: expected one space and a start, found \"x\""),
        ("glom,pixels\n0,1 0\n", "line 2, column 5: expected a length of at least 1, found 0"),
        (
            "glom,pixels\n0,5 3 7 1\n",
            "line 2, column 7: expected a start of at least 8, where the run before ends (runs ascend without overlap), found 7",
        ),
        (
            "glom,pixels\n0,18446744073709551616 1\n",
            "line 2, column 3: expected a start up to 18446744073709551615, found \"18446744073709551616 1\"",
        ),
        (
            "glom,pixels\n0,18446744073709551615 1\n",
            "line 2, column 24: expected a run that ends before position 2^64, found 1 pixels from 18446744073709551615",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text:?}");
    }
}

#[test]
fn a_run_outside_the_shape_is_refused() {
    let options = ReadOptions { shape: Some(Shape { height: 4, width: 5 }), ..ReadOptions::default() };
    let error = read(Format::Hubmap, &mut &b"glom,pixels\n0,1 2\n1,18 3\n"[..], &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 3, column 6: expected a run inside the mask (height 4 x width 5, 20 pixels), found 3 pixels from 18"
    );
}

#[test]
fn what_the_format_cannot_hold_is_refused_before_a_byte_is_written() {
    let mut bytes = Vec::new();
    let options = WriteOptions::default();
    let sparse = runs_of(&[(1 << 40, &[(0, 1)])]);
    let error = write(Format::Hubmap, &mut bytes, &sparse, &options).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { limit: MAX_EMPTY_ROWS, .. }), "{error}");
    let background = runs_of(&[(0, &[(0, 1)])]);
    assert!(matches!(write(Format::Hubmap, &mut bytes, &background, &options), Err(Error::Argument(_))));
    let row_major = LabelRuns::empty(None, ScanOrder::RowMajor);
    assert!(matches!(write(Format::Hubmap, &mut bytes, &row_major, &options), Err(Error::UnknownShape { .. })));
    let few = WriteOptions { labels: Some(1), ..WriteOptions::default() };
    assert!(matches!(write(Format::Hubmap, &mut bytes, &runs_of(&[(2, &[])]), &few), Err(Error::Argument(_))));
    assert!(bytes.is_empty());
}

#[test]
fn batches_cover_every_row_once() {
    let many: Vec<(u64, u64)> = (0..100_000).map(|index| (index * 2, 1)).collect();
    for (runs, rows) in [
        (runs_of(&[]), 0),
        (runs_of(&[]), 200_000),
        (runs_of(&[(100_000, &[(0, 1)])]), 100_000),
        (runs_of(&[(1, &many), (2, &[]), (70_000, &many)]), 70_001),
    ] {
        let mut next = 1;
        for batch in batches(&runs, rows) {
            assert_eq!(batch.start, next);
            assert!(batch.end > batch.start);
            next = batch.end;
        }
        assert_eq!(next, rows + 1);
    }
}

#[test]
fn large_gaps_are_written_on_any_number_of_threads() {
    let many: Vec<(u64, u64)> = (0..100_000).map(|index| (index * 2, 1)).collect();
    let runs = runs_of(&[(3, &many), (150_000, &many), (150_001, &[(1, 1)])]);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| text(&runs, &WriteOptions::default()))
    };
    let one = on(1);
    assert!(one == on(3));
    assert_eq!(one.lines().count(), 150_002);
    assert!(one.contains("\n149998,\n149999,0 1 2 1 ") && one.ends_with(" 199998 1\n150000,1 1\n"));
}

proptest! {
    #[test]
    fn round_trip(runs in label_runs(1..40), cut in 1_usize..9) {
        let text = text(&runs, &WriteOptions::default());
        let again = read(Format::Hubmap, &mut cut_into(text.as_bytes(), cut), &ReadOptions::default()).unwrap();
        let kept = |runs: &LabelRuns| runs.iter().filter(|(_, runs)| !runs.is_empty()).map(|(label, runs)| (label, runs.to_vec())).collect::<Vec<_>>();
        prop_assert_eq!(kept(&again), kept(&runs));
        prop_assert_eq!(again.labels().last(), runs.labels().last());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = [b"glom,pixels\n0,", bytes.as_slice()].concat();
        let whole = read(Format::Hubmap, &mut text.as_slice(), &ReadOptions::default()).map_err(|error| error.to_string());
        let cut = read(Format::Hubmap, &mut cut_into(&text, 1), &ReadOptions::default()).map_err(|error| error.to_string());
        prop_assert_eq!(whole, cut);
    }
}
