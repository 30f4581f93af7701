//! What the doctor finds in run files of others, and in ours.

mod data;

use std::fs;
use std::path::Path;

use runmask::doctor::{self, Finding, Grouping, Report};
use runmask::format::{self, Format, WriteOptions};
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
        ("runs/coco_instances_val2014_100.json", None, Format::Coco, column, Finding::Known(0), (100, 9, 0)),
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
            let command = report.command(Path::new("mask.csv")).unwrap();
            let expected = format!(
                "runmask convert mask.csv -o mask.csv.table.csv --from kaggle{}{} --height 120 --width 200 -f table",
                if order == ScanOrder::RowMajor { " --from-order row" } else { "" },
                if base == 0 { " --from-base 0" } else { "" },
            );
            assert_eq!(command, expected);
        }
    }
}

#[test]
fn what_the_file_does_not_tell_is_said_to_be_unknown() {
    let report = examine(b"id,rle\na,5 3 9 2\n", None);
    assert_eq!(report.format, Some(Format::Kaggle));
    assert_eq!(report.order, Finding::Unknown);
    assert_eq!(report.base, Finding::Unknown);
    assert_eq!(report.grouping, Finding::Unknown);
    assert_eq!(report.command(Path::new("a.csv")), None);
    assert!(report.to_string().contains("cannot be known from this file"), "{report}");
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
    assert!(examine(&[255, 255, 0, 0, 1, 2, 3, 4, 5], None).to_string().contains("runmask pixels decode"));
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
    let sided = b"id,rle,height,width\na,1 3 10 2,5,5\nb,90 5,20,20\n";
    let report = examine(sided, given);
    assert_eq!(report.format, Some(Format::Kaggle), "{report}");
    assert!(report.to_string().contains("the given size (height 5 x width 5) is not that of every image"), "{report}");
    assert!(!report.command(Path::new("a.csv")).unwrap_or_default().contains("--height"));
    let report = examine(b"id,rle\na,1 3 10 2\nb,90 5\n", given);
    assert_eq!((report.format, report.images), (Some(Format::Kaggle), 2), "{report}");
}
