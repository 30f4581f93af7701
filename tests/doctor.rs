//! What the doctor finds in run files of others, and in ours.

mod data;

use std::fs;

use runmask::doctor::{self, Finding, Grouping, Report};
use runmask::format::{self, Format, ReadOptions, WriteOptions};
use runmask::{LabelRuns, LabelRunsBuilder, Run, ScanOrder, Shape};

fn examine(bytes: &[u8], shape: Option<Shape>) -> Report {
    doctor::examine(&mut &bytes[..], shape).expect("bytes in memory")
}

#[test]
fn the_files_of_others_are_recognised() {
    let Some(folder) = data::folder() else { return };
    let slide = Some(Shape { height: 18_484, width: 13_013 });
    let (column, row_of_none) = (Finding::Known(ScanOrder::ColumnMajor), Finding::Unknown);
    let likely = Finding::Likely(ScanOrder::ColumnMajor);
    for (name, shape, format, order, base, counts) in [
        ("hubmap/van0003_correct.csv", None, Format::Hubmap, column, Finding::Known(0), (1, 96, 22_950)),
        ("hubmap/van0003_golden_with_bug.csv", slide, Format::Hubmap, column, Finding::Known(0), (1, 96, 22_950)),
        ("dsb2018/stage1_train_rle.csv", None, Format::Kaggle, likely, Finding::Known(1), (664, 28_986, 0)),
        ("runs/coco_fakesegm100_results.json", None, Format::Coco, column, Finding::Known(0), (0, 734, 0)),
        ("runs/coco_instances_val2014_100.json", None, Format::Coco, column, Finding::Known(0), (100, 839, 0)),
        ("runs/panoptic_coco_detection_format.json", None, Format::Coco, column, Finding::Known(0), (0, 50, 0)),
        ("runs/coco_rle.json", None, Format::Sam, column, Finding::Known(0), (1, 1, 745)),
        ("runs/scalabel_rle.json", None, Format::Sam, column, Finding::Known(0), (1, 1, 745)),
    ] {
        let report = examine(&fs::read(folder.join(name)).expect(name), shape);
        assert_eq!(report.format, Some(format), "{name}\n{report}");
        assert_eq!(report.order, order, "{name}\n{report}");
        assert_eq!(report.base, base, "{name}\n{report}");
        let (images, objects, runs) = counts;
        assert_eq!(report.objects, objects, "{name}\n{report}");
        assert!(images == 0 || report.images == images, "{name}\n{report}");
        assert!(runs == 0 || report.runs == runs, "{name}\n{report}");
        assert_eq!(report.grouping, Finding::Known(Grouping::Instances), "{name}\n{report}");
        assert_ne!(report.order, row_of_none, "{name}");
    }
    let golden = examine(&fs::read(folder.join("hubmap/van0003_golden_with_bug.csv")).expect("the file"), slide);
    assert!(golden.to_string().contains("begin one pixel after another ends"), "{golden}");
}

/// Discs, some of them at every edge, in a mask that is not square.
fn discs(order: ScanOrder) -> LabelRuns {
    let shape = Shape { height: 120, width: 200 };
    let mut builder = LabelRunsBuilder::new(Some(shape), order);
    for label in 1..=12_u64 {
        builder.label(label).unwrap();
        let (y, x) = ((label % 4) * 40, (label - 1) * 18);
        let (lines, length) = match order {
            ScanOrder::ColumnMajor => (200, 120),
            ScanOrder::RowMajor => (120, 200),
        };
        for line in 0..lines {
            let inside = |offset: u64| {
                let (row, column) = match order {
                    ScanOrder::ColumnMajor => (offset, line),
                    ScanOrder::RowMajor => (line, offset),
                };
                row.abs_diff(y).pow(2) + column.abs_diff(x).pow(2) < 100
            };
            let offsets: Vec<u64> = (0..length).filter(|&offset| inside(offset)).collect();
            if let (Some(first), Some(last)) = (offsets.first(), offsets.last()) {
                builder.run(Run { start: line * length + first, length: last - first + 1 }).unwrap();
            }
        }
    }
    builder.finish()
}

#[test]
fn the_order_and_the_base_of_a_kaggle_file_are_found() {
    for order in [ScanOrder::ColumnMajor, ScanOrder::RowMajor] {
        for base in [0, 1] {
            let runs = discs(order);
            let options = WriteOptions::new().order(order).base(base);
            let mut bytes = Vec::new();
            format::write(Format::Kaggle, &mut bytes, &runs, &options).unwrap();
            let report = examine(&bytes, runs.shape());
            assert_eq!(report.format, Some(Format::Kaggle));
            assert_eq!(report.order, Finding::Likely(order), "{report}");
            assert_eq!(report.base.answer(), Some(base), "{report}");
            let (format, read) = report.read_options().unwrap();
            assert!(format::read(format, &mut &bytes[..], &read).unwrap() == runs, "{report}");
            let conversion = report.conversion().unwrap();
            assert_eq!((conversion.from, conversion.to), (Format::Kaggle, Format::Table));
            assert_eq!(conversion.from_order, Some(order).filter(|&order| order == ScanOrder::RowMajor));
            assert_eq!((conversion.from_base, conversion.shape), (Some(base).filter(|&base| base == 0), runs.shape()));
        }
    }
}

#[test]
fn what_the_file_does_not_tell_is_said_to_be_unknown() {
    let report = examine(b"id,rle\na,5 3 9 2\n", None);
    assert_eq!(report.format, Some(Format::Kaggle));
    assert_eq!(report.order, Finding::Usual(ScanOrder::ColumnMajor));
    assert_eq!(report.base, Finding::Usual(1));
    assert_eq!(report.grouping, Finding::Unknown);
    assert_eq!(report.line_length, Finding::Unknown);
    assert_eq!(report.conversion(), None);
    assert!(report.to_string().contains("order:   column-major, as is usual: the file does not tell"), "{report}");
}

#[test]
fn a_start_of_zero_a_run_past_the_end_and_relative_starts_are_told_apart() {
    let zero = examine(b"id,rle\na,0 3 9 2\n", None);
    assert_eq!((zero.format, zero.base), (Some(Format::Kaggle), Finding::Known(0)), "{zero}");
    let one = examine(b"id,rle\na,5 3 9 2\n", Some(Shape { height: 2, width: 5 }));
    assert_eq!((one.format, one.base), (Some(Format::Kaggle), Finding::Known(1)), "{one}");
    let relative = examine(b"ImageId,EncodedPixels\na,9 3 5 2\nb,-1\n", None);
    assert_eq!((relative.format, relative.base), (Some(Format::Siim), Finding::Known(0)), "{relative}");
}

#[test]
fn no_run_file_is_no_format() {
    for bytes in [&b""[..], b"hello\n", b"{}", b"[1]", b"<html></html>", b"PAR1", &[0; 300]] {
        let report = examine(bytes, None);
        assert_eq!(report.format, None, "{report}");
        assert!(!report.evidence.is_empty());
    }
    assert!(examine(&[255, 255, 0, 0, 1, 2, 3, 4, 5], None).to_string().contains("escape-key records"));
}

#[test]
fn every_format_of_ours_is_recognised() {
    let runs = discs(ScanOrder::ColumnMajor);
    for &format in Format::ALL {
        let mut bytes = Vec::new();
        match format::write(format, &mut bytes, &runs, &WriteOptions::new()) {
            Err(runmask::Error::Unsupported(_)) => continue,
            answer => answer.unwrap(),
        }
        let report = examine(&bytes, runs.shape());
        // Relative starts that happen to ascend are told from absolute ones by nothing but the shape.
        assert_eq!(report.format, Some(format), "{report}");
        let read = report.read_options().unwrap().1.shape(runs.shape());
        let again = format::read(format, &mut &bytes[..], &read).unwrap();
        let again = again.to_order(ScanOrder::ColumnMajor).unwrap();
        assert!(again.iter().eq(runs.iter()), "{}", format.name());
    }
}

#[test]
fn the_sizes_in_a_file_come_before_the_one_that_is_given() {
    let given = Some(Shape { height: 5, width: 5 });
    let sided = b"id,rle,height,width\na,1 1 3 1 5 1 7 1 9 1 11 1 13 1 15 1 17 1 19 1,5,5\nb,90 5,20,20\n";
    let report = examine(sided, given);
    assert_eq!(report.format, Some(Format::Kaggle), "{report}");
    assert!(report.to_string().contains("the given size (height 5 x width 5) is not that of every image"), "{report}");
    assert!(format!("{:?}", report.read_options()).contains("shape: None"), "{report}");
    let report = examine(b"id,rle\na,1 3 10 2\nb,90 5\n", given);
    assert_eq!((report.format, report.images), (Some(Format::Kaggle), 2), "{report}");
}

#[test]
fn the_length_of_a_scan_line_is_told_by_the_steps_between_runs() {
    for (order, length) in [(ScanOrder::ColumnMajor, 120), (ScanOrder::RowMajor, 200)] {
        let mut bytes = Vec::new();
        format::write(Format::Kaggle, &mut bytes, &discs(order), &WriteOptions::new().order(order)).unwrap();
        let report = examine(&bytes, None);
        assert_eq!(report.line_length, Finding::Likely(length), "{report}");
        assert!(report.to_string().contains(&format!("most often {length}: likely the height if")), "{report}");
    }
}

#[test]
fn what_has_no_runs_is_no_defect() {
    let polygons = br#"{"images":[{"id":1,"file_name":"a.png","height":4,"width":4}],
        "annotations":[{"id":1,"image_id":1,"category_id":1,"segmentation":[[1,1,3,1,3,3]],"area":2,"iscrowd":0}],
        "categories":[{"id":1,"name":"cell"}]}"#;
    let report = examine(polygons, None);
    assert_eq!((report.format, report.objects, report.runs), (Some(Format::Coco), 1, 1), "{report}");
    assert!(report.conversion().is_some());
    let nothing = String::from_utf8(polygons.to_vec()).unwrap().replace("[[1,1,3,1,3,3]]", "null");
    let report = examine(nothing.as_bytes(), None);
    assert_eq!((report.format, report.objects), (Some(Format::Coco), 0), "{report}");
    assert!(report.to_string().contains("polygons or other shapes"), "{report}");
    assert_eq!(report.conversion(), None);
    let features = br#"[{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[1,2],[3,4],[1,2]]]}}]"#;
    let report = examine(features, None);
    assert_eq!(report.format, None, "{report}");
    assert!(report.to_string().contains("expected three points that differ"), "{report}");
}

#[test]
fn polygons_are_known_with_a_size_and_without() {
    let features = br#"[{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[1,2],[3,4],[1,4],[1,2]]]}},
        {"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]}}]"#;
    for (shape, converts) in [(None, false), (Some(Shape { height: 9, width: 9 }), true)] {
        let report = examine(features, shape);
        assert_eq!((report.format, report.objects, report.images), (Some(Format::GeoJson), 1, 1), "{report}");
        assert_eq!(report.conversion().is_some(), converts, "{report}");
        assert_eq!(report.to_string().contains("height and width must be known"), !converts, "{report}");
    }
}

/// Zeros without an end.
struct Zeros;

impl std::io::Read for Zeros {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        bytes.fill(0);
        Ok(bytes.len())
    }
}

#[test]
fn what_is_no_run_file_is_not_read_to_its_end() {
    let report = doctor::examine(&mut std::io::BufReader::new(Zeros), None).unwrap();
    assert_eq!(report.format, None, "{report}");
    for &format in Format::ALL {
        let endless = &mut std::io::BufReader::new(Zeros);
        // Parquet has its directory at its end, and a file without the mark has none.
        if format.name() != "runs" {
            assert!(format::read(format, endless, &ReadOptions::new()).is_err(), "{format}");
        }
    }
}
