//! Commands that work on runs: measure, compare, components, merge, windows.

use super::{Folder, json, npy};

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

/// Files of another program: `tests/fixtures/make_pixel_sizes.py`.
#[test]
fn the_size_of_a_pixel_is_taken_from_the_file() {
    let folder = Folder::new();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/pixel_sizes");
    for (name, said) in [
        ("centimetre.tif", true),
        ("inch.tif", true),
        ("imagej.tif", true),
        ("nanometre.ome.tif", true),
        ("screen.tif", false),
    ] {
        std::fs::copy(fixtures.join(name), folder.path().join(name)).unwrap();
        let in_pixels = "label,area,bbox-0,bbox-1,bbox-2,bbox-3\n7,4,0,0,2,2\n";
        let expected = if said { "label,area_um2,bbox-0,bbox-1,bbox-2,bbox-3\n7,0.5,0,0,2,2\n" } else { in_pixels };
        assert_eq!(folder.ok(&format!("measure {name} --properties area,bbox")), expected, "{name}");
        // Who gives a size or refuses it is heeded; runs know none.
        assert_eq!(folder.ok(&format!("measure {name} --properties area,bbox --pixel-size none")), in_pixels);
        assert_eq!(folder.ok(&format!("measure {name} --properties area --pixel-size 2")), "label,area_um2\n7,16.0\n");
        folder.ok(&format!("encode {name} -o {name}.json -f coco"));
        assert_eq!(folder.ok(&format!("measure {name}.json --properties area,bbox")), in_pixels);
        let line = "pixel size  height 0.5 um x width 0.25 um\n";
        assert_eq!(folder.ok(&format!("info {name}")).contains(line), said, "{name}");
        let report = json(&folder.ok(&format!("info {name} --json")));
        let expected = if said { serde_json::json!([0.5, 0.25]) } else { serde_json::Value::Null };
        assert_eq!(report["pixel_size_um"], expected, "{name}");
    }
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

#[test]
fn a_prediction_is_scored() {
    let folder = folder();
    // Label 2 lost a pixel and has another number; label 1 is there as it was.
    folder.write("found.npy", npy("|u1", 3, 4, &[1, 1, 0, 7, 1, 0, 0, 7, 0, 0, 0, 0]));
    for truth in ["runs.json", "mask.npy"] {
        folder.write("mask.npy", npy("|u1", 3, 4, &[1, 1, 0, 2, 1, 0, 0, 2, 0, 0, 0, 2]));
        let report = json(&folder.ok(&format!("compare {truth} found.npy --json --table pairs.csv")));
        let third = 2.0 / 3.0;
        for (key, expected) in [
            ("pq", (1.0 + third) / 2.0),
            ("sq", (1.0 + third) / 2.0),
            ("dq", 1.0),
            ("aji", 5.0 / 6.0),
            ("dice", 10.0 / 11.0),
            ("iou", 5.0 / 6.0),
        ] {
            assert!((report[key].as_f64().unwrap() - expected).abs() < 1e-12, "{key} of {report}");
        }
        assert_eq!(report["f1"]["0.5"], 1.0);
        assert_eq!(report["f1"]["0.7"], 0.5);
        assert_eq!(folder.text("pairs.csv"), "truth,prediction,pixels,iou\n1,1,3,1.0\n2,7,2,0.6666666666666666\n");
    }
    let text = folder.ok("compare runs.json found.npy --thresholds 0.7");
    assert!(text.starts_with("PQ        0.8333\n") && text.contains("F1 0.7    0.5000\n"), "{text}");
    // A run file that does not say how large its mask is takes the other's size.
    folder.ok("convert runs.json -o plain.csv --drop-shape --drop-attributes");
    folder.ok("compare plain.csv found.npy");
    folder.write("wide.npy", npy("|u1", 2, 6, &[0; 12]));
    folder.fails_with("compare mask.npy wide.npy", &["masks of different shapes"]);
    folder.fails_with("compare runs.json found.npy --thresholds 1.5", &["a threshold of 1.5"]);
    folder.fails_with("compare runs.json found.npy --table found.npy", &["would replace the input"]);
    folder.write("overlap.csv", "label,start,length\n1,0,3\n2,2,2\n");
    folder.fails_with("compare overlap.csv found.npy -f table", &["overlaps", "row 2, column 0"]);
}

#[test]
fn pieces_become_labels_in_masks_and_runs() {
    let folder = Folder::new();
    folder.write("binary.npy", npy("|u1", 4, 5, &[1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]));
    folder.ok("components binary.npy -o pieces.npy");
    let numbered = [1, 0, 3, 3, 3, 0, 0, 3, 0, 3, 0, 0, 3, 3, 3, 2, 0, 0, 0, 0];
    assert_eq!(folder.read("pieces.npy"), npy("|u1", 4, 5, &numbered));
    folder.ok("components binary.npy -o pieces.csv --to table --min-area 2 --fill-holes 1 --sources sources.csv");
    assert_eq!(folder.text("pieces.csv"), "label,start,length\n1,8,3\n1,12,3\n1,16,3\n");
    assert_eq!(folder.text("sources.csv"), "label,source\n1,1\n");
    // Touching labels are one piece of the foreground, and the largest of all is one.
    folder.write("labels.npy", npy("|u1", 1, 7, &[1, 2, 2, 0, 3, 0, 3]));
    assert_eq!(folder.ok("components labels.npy -o - --to table --binary --largest"), "label,start,length\n1,0,3\n");
    assert_eq!(
        folder.ok("components labels.npy -o - --to table --largest"),
        "label,start,length\n1,0,1\n2,1,2\n3,4,1\n"
    );
    for (words, message) in [
        ("components labels.npy -o x.tif --connectivity 6", "invalid value '6'"),
        ("components labels.npy -o x.jpg", "extension of a picture"),
        ("components labels.npy -o labels.npy", "would replace the input"),
    ] {
        let ended = folder.run(words);
        assert_eq!(ended.status, Some(2), "{words}");
        assert!(ended.stderr.contains(message), "{words}: {}", ended.stderr);
    }
}

#[test]
fn a_window_is_a_part_of_the_mask() {
    let folder = Folder::new();
    let labels: Vec<u8> = (0..6 * 8).map(|index| (index % 5) as u8).collect();
    folder.write("mask.npy", npy("|u1", 6, 8, &labels));
    folder.ok("encode mask.npy -o runs.json");
    folder.ok("decode runs.json -o window.npy --window 1,2,4,5");
    let part = |step: usize, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| -> Vec<u8> {
        let columns = || columns.clone().step_by(step);
        rows.step_by(step).flat_map(|r| columns().map(move |c| r * 8 + c)).map(|at| labels[at]).collect()
    };
    assert_eq!(folder.read("window.npy"), npy("|u1", 4, 5, &part(1, 1..5, 2..7)));
    folder.ok("decode runs.json -o window.npy --window 1,2,4,5 --scale 2");
    assert_eq!(folder.read("window.npy"), npy("|u1", 2, 3, &part(2, 1..5, 2..7)));
    folder.ok("decode runs.json -o small.npy --scale 4 --dtype u8");
    assert_eq!(folder.read("small.npy"), npy("|u1", 2, 2, &part(4, 0..6, 0..8)));
    folder.fails_with("decode runs.json -o x.npy --window 3,0,4,1", &["runs.json", "rows 3 to 7", "outside the mask"]);
    folder.fails_with("decode runs.json -o x.npy --scale 3", &["a power of two"]);
    let ended = folder.run("decode runs.json -o x.npy --window 3,0,4");
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("row, column, height and width were expected"), "{}", ended.stderr);
}
