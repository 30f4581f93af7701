use proptest::prelude::*;

use super::super::{Format, LineEnding, ReadOptions, WriteOptions, read, write};
use crate::error::Remedy;
use crate::format::samples::{cut_into, label_runs, runs_of};
use crate::runs::LabelRuns;
use crate::shape::{ScanOrder, Shape};

fn parse(text: &str) -> crate::Result<LabelRuns> {
    read(Format::Table, &mut text.as_bytes(), &ReadOptions::default())
}

fn text(runs: &LabelRuns, options: &WriteOptions) -> String {
    let mut bytes = Vec::new();
    write(Format::Table, &mut bytes, runs, options).expect("runs that the format holds");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn one_run_a_row() {
    let runs = runs_of(&[(0, &[(4, 2)]), (7, &[(0, 3), (3, 1)]), (u64::MAX, &[(1, u64::MAX - 1)])]);
    let expected = "label,start,length\n0,4,2\n7,0,3\n7,3,1\n18446744073709551615,1,18446744073709551614\n";
    assert_eq!(text(&runs, &WriteOptions::default()), expected);
    assert_eq!(parse(expected).unwrap(), runs);
    let crlf = WriteOptions { line_ending: LineEnding::Crlf, ..WriteOptions::default() };
    assert_eq!(text(&runs, &crlf), expected.replace('\n', "\r\n"));
    assert_eq!(parse(&expected.replace('\n', "\r\n")).unwrap(), runs);
    assert_eq!(parse(expected.trim_end()).unwrap(), runs);
}

#[test]
fn defects_are_named_with_their_place() {
    for (text, message) in [
        ("", "expected the header label,start,length, found an empty file"),
        (
            "glom,pixels\n",
            "line 1, column 1: expected the header label,start,length, found \"glom,pixels\", which looks like hubmap",
        ),
        (
            "label,start,length\n2,0,1\n1,5,1\n",
            "line 3, column 1: expected a label of at least 2 (labels ascend), found 1",
        ),
        (
            "label,start,length\n2,0,2\n2,1,1\n",
            "line 3, column 3: expected a start of at least 2, where the run before ends (runs ascend without overlap), found 1",
        ),
        ("label,start,length\n2,0,0\n", "line 2, column 5: expected a length of at least 1, found 0"),
        ("label,start,length\n2,0\n", "line 2, column 4: expected a comma, found the end of the line"),
        ("label,start,length\n2,0,1,\n", "line 2, column 6: expected the end of the line, found \",\""),
        ("label,start,length\n2,0,1\n\n", "line 3, column 1: expected a label (digits), found the end of the line"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text:?}");
    }
    let options = ReadOptions { shape: Some(Shape { height: 2, width: 2 }), ..ReadOptions::default() };
    assert_eq!(
        read(Format::Table, &mut &b"label,start,length\n1,3,2\n"[..], &options).unwrap_err().to_string(),
        "line 2, column 5: expected a run inside the mask (height 2 x width 2, 4 pixels), found 2 pixels from 3"
    );
}

#[test]
fn a_label_without_runs_is_an_error_or_dropped_on_request() {
    let runs = runs_of(&[(1, &[]), (2, &[(0, 1)])]);
    let mut bytes = Vec::new();
    let error = write(Format::Table, &mut bytes, &runs, &WriteOptions::default()).unwrap_err();
    assert_eq!(error.remedies(), [Remedy::DropEmptyLabels], "{error}");
    assert!(bytes.is_empty());
    let options = WriteOptions { drop_empty_labels: true, ..WriteOptions::default() };
    assert_eq!(text(&runs, &options), "label,start,length\n2,0,1\n");
}

#[test]
fn the_order_is_what_reader_and_writer_are_told() {
    let row_major = Some(ScanOrder::RowMajor);
    let options = ReadOptions { order: row_major, ..ReadOptions::default() };
    let table = b"label,start,length\n1,0,1\n";
    let runs = read(Format::Table, &mut &table[..], &options).unwrap();
    assert_eq!(runs.order(), ScanOrder::RowMajor);
    assert_eq!(text(&runs, &WriteOptions { order: row_major, ..WriteOptions::default() }).as_bytes(), table);
    assert!(write(Format::Table, &mut Vec::new(), &runs, &WriteOptions::default()).is_err());
}

proptest! {
    #[test]
    fn round_trip(runs in label_runs(0..u64::MAX), cut in 1_usize..9, threads in 1_usize..4) {
        let options = WriteOptions { drop_empty_labels: true, ..WriteOptions::default() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let text = pool.install(|| text(&runs, &options));
        let again = read(Format::Table, &mut cut_into(text.as_bytes(), cut), &ReadOptions::default()).unwrap();
        let kept: Vec<_> = runs.iter().filter(|(_, runs)| !runs.is_empty()).collect();
        prop_assert_eq!(again.iter().collect::<Vec<_>>(), kept);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = [b"label,start,length\n", bytes.as_slice()].concat();
        let whole = read(Format::Table, &mut text.as_slice(), &ReadOptions::default()).map_err(|error| error.to_string());
        let cut = read(Format::Table, &mut cut_into(&text, 1), &ReadOptions::default()).map_err(|error| error.to_string());
        prop_assert_eq!(whole, cut);
    }
}
