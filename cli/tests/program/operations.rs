//! Commands that work on runs: measure, merge.

use super::Folder;

/// Two labels in a mask of 3 x 4, as a raw file and as runs.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("mask.raw", [1, 1, 0, 2, 1, 0, 0, 2, 0, 0, 0, 2]);
    folder.ok("encode mask.raw --dtype u8 --height 3 --width 4 -o runs.json -f coco");
    folder
}

#[test]
fn a_mask_and_its_runs_measure_alike() {
    let folder = folder();
    let expected = "label,area,bbox-0,bbox-1,bbox-2,bbox-3,centroid-0,centroid-1\n\
                    1,3,0,0,2,2,0.3333333333333333,0.3333333333333333\n\
                    2,3,0,3,3,4,1.0,3.0\n";
    for input in ["mask.raw --dtype u8 --height 3 --width 4", "runs.json"] {
        assert_eq!(folder.ok(&format!("measure {input}")), expected);
        folder.ok(&format!("measure {input} -o cells.csv"));
        assert_eq!(folder.text("cells.csv"), expected);
    }
    folder.ok("measure runs.json -o cells.json --properties area,holes --pixel-size 0.5");
    assert_eq!(
        folder.text("cells.json"),
        "[\n{\"label\":1,\"area_um2\":0.75,\"holes\":0},\n{\"label\":2,\"area_um2\":0.75,\"holes\":0}\n]\n"
    );
    let header = folder.ok("measure runs.json --properties all");
    assert!(header.starts_with("label,area,bbox-0,"), "{header}");
    assert!(header.lines().next().unwrap().ends_with("area_convex,solidity,feret_diameter_max"), "{header}");
}

#[test]
fn what_cannot_be_measured_is_an_error_and_no_file() {
    let folder = folder();
    folder.ok("convert runs.json -o plain.csv --drop-shape --drop-attributes");
    for (words, message) in [
        ("measure plain.csv -o x.csv", "height and width must be known"),
        ("measure runs.json -o x.csv --pixel-size nan", "must be a finite number greater than 0"),
        ("measure runs.json -o x.csv --properties area,size", "invalid value 'size'"),
        ("measure runs.json -o x.csv --connectivity 6", "invalid value '6'"),
        ("measure runs.json -o x.csv --pixel-size 1,2 --properties perimeter", "square pixels only"),
        ("measure runs.json -o x.txt", "--table-format"),
        ("measure runs.json -o runs.json", "would replace the input"),
        #[cfg(not(feature = "parquet"))]
        ("measure runs.json -o x.parquet", "--features parquet"),
    ] {
        let before = folder.names();
        let ended = folder.run(words);
        assert_eq!((ended.status, ended.stdout.len()), (Some(2), 0), "{words}");
        assert!(ended.stderr.contains(message), "{words}: {}", ended.stderr);
        assert_eq!(folder.names(), before, "{words}");
    }
    folder.ok("measure plain.csv --properties area --height 3 --width 4");
}

#[test]
fn parts_merge_to_the_whole() {
    let folder = Folder::new();
    // A run that goes on from one part into the other, in positions of a mask of height 4.
    folder.write("a.csv", "label,start,length\n1,0,3\n2,8,2\n");
    folder.write("b.csv", "label,start,length\n1,3,2\n3,12,4\n");
    for parts in ["a.csv b.csv", "b.csv a.csv"] {
        assert_eq!(
            folder.ok(&format!("merge {parts} -o - -f table --from table")),
            "label,start,length\n1,0,5\n2,8,2\n3,12,4\n"
        );
    }
    folder.fails_with(
        "merge a.csv b.csv a.csv --from table -o whole.csv --height 4 --width 4",
        &["two parts cover the same pixel of label 1 at row 0, column 0"],
    );
}
