//! `encode`, `decode`, `info`, `verify`, `synth` and `engines` on small masks.

use crate::{Folder, SMALL_HUBMAP, SMALL_TABLE, json, npy, small_mask};

fn folder_with_mask() -> Folder {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    folder
}

#[test]
fn the_runs_of_a_mask_go_to_a_csv_beside_it() {
    let folder = folder_with_mask();
    assert_eq!(folder.ok("encode mask.npy"), "");
    assert_eq!(folder.text("mask.csv"), SMALL_HUBMAP);
    assert_eq!(folder.names(), ["mask.csv", "mask.npy"]);
}

#[test]
fn the_extension_or_the_option_chooses_the_format() {
    let folder = folder_with_mask();
    folder.ok("encode mask.npy -o a.json");
    assert!(folder.text("a.json").contains("\"annotations\""));
    folder.ok("encode mask.npy -o a.json -f table");
    assert_eq!(folder.text("a.json"), SMALL_TABLE);
    folder.ok("encode mask.npy -f coco");
    assert!(folder.text("mask.json").contains("\"annotations\""));
    folder.ok("encode mask.npy -o a.txt");
    assert_eq!(folder.text("a.txt"), SMALL_HUBMAP);
}

#[test]
fn every_engine_and_number_of_threads_gives_the_same_bytes() {
    let folder = Folder::new();
    folder.ok("synth cells --height 300 --width 400 -o mask.npy");
    folder.ok("encode mask.npy -o expected.csv --engine scalar -j 1");
    for options in
        ["", "--engine simd", "--engine simd -j 3", "--verify", "--engine scalar -j 2 --verify", "--memory 1G"]
    {
        folder.ok(&format!("encode mask.npy -o again.csv {options}"));
        assert!(folder.read("again.csv") == folder.read("expected.csv"), "{options}");
    }
}

#[test]
fn order_background_and_rows_are_as_asked_for() {
    let folder = folder_with_mask();
    assert_eq!(
        folder.ok("encode mask.npy -o - -f table --order row"),
        "label,start,length\n1,1,2\n1,6,2\n2,3,1\n2,8,1\n2,12,2\n7,15,1\n"
    );
    assert_eq!(
        folder.ok("encode mask.npy -o - -f table --background 2"),
        "label,start,length\n0,0,3\n0,6,2\n0,11,1\n0,15,5\n1,4,2\n1,8,2\n7,3,1\n"
    );
    let all = folder.ok("encode mask.npy -o - -f table --background none");
    assert_eq!(all.lines().count(), 1 + 4 + 5);
    let nine = folder.ok("encode mask.npy -o - --labels 9");
    assert_eq!(nine, format!("{SMALL_HUBMAP}7,\n8,\n"));
    assert_eq!(folder.ok("encode mask.npy -o - --crlf"), SMALL_HUBMAP.replace('\n', "\r\n"));
    folder.fails_with("encode mask.npy --labels 6", &["6", "7"]);
    folder.fails_with("encode mask.npy --order row", &["hubmap", "order"]);
    folder.fails_with("encode mask.npy --background none", &["label 0"]);
}

#[test]
fn the_notebook_loses_first_pixels_of_touching_labels_on_request_only() {
    let folder = folder_with_mask();
    let lost = folder.ok("encode mask.npy -o - --compat notebook");
    assert_eq!(lost, SMALL_HUBMAP.replace("4 2 8 2", "5 1 8 2").replace("1,10 1 12 3", "1,12 3"));
}

#[test]
fn masks_without_a_header_need_a_type_and_a_shape() {
    let folder = Folder::new();
    folder.write("mask.bin", [1, 0, 2, 0, 2, 0, 0, 1]);
    folder.ok("encode mask.bin --dtype u16 --height 2 --width 2 -f table");
    assert_eq!(folder.text("mask.csv"), "label,start,length\n1,0,1\n2,1,2\n256,3,1\n");
    folder.fails_with("encode mask.bin", &["mask.bin", "height"]);
    folder.fails_with("encode mask.bin --dtype u16 --height 2 --width 3", &["12", "8"]);
    let usage = folder.run("encode mask.bin --dtype u16");
    assert_eq!(usage.status, Some(2));
    assert!(usage.stderr.starts_with("runmask: the following required arguments"), "{}", usage.stderr);
}

#[test]
fn a_mask_from_stdin_goes_to_stdout() {
    let folder = Folder::new();
    let ended = folder.run_with("encode -", &small_mask());
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, SMALL_HUBMAP.as_bytes());
    let ended = folder.run_with("encode - -o out.csv -f table", &small_mask());
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert_eq!(folder.text("out.csv"), SMALL_TABLE);
    let ended = folder.run_with("decode - -o mask.npy -f hubmap --height 4 --width 5", SMALL_HUBMAP.as_bytes());
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert_eq!(folder.read("mask.npy").last_chunk::<20>(), small_mask().last_chunk::<20>());
    folder.fails_with("encode - --verify", &["standard input", "--verify"]);
}

#[test]
fn decoding_gives_the_mask_back_in_every_mask_format_and_type() {
    let folder = folder_with_mask();
    folder.ok("encode mask.npy");
    for name in ["back.npy", "back.png", "back.tif"] {
        for dtype in ["", "--dtype u8", "--dtype u16"] {
            folder.ok(&format!("decode mask.csv -o {name} --like mask.npy {dtype}"));
            folder.ok(&format!("verify mask.npy {name}"));
            let facts = json(&folder.ok(&format!("info {name} --json")));
            let expected = if dtype.is_empty() { "u8" } else { &dtype[8..] };
            assert_eq!((facts["height"].as_u64(), facts["width"].as_u64()), (Some(4), Some(5)));
            assert_eq!(facts["dtype"], expected, "{name} {dtype}");
        }
    }
    for options in ["--compression zstd", "--pyramid", "--dtype u32", "--dtype u64"] {
        folder.ok(&format!("decode mask.csv -o back.tif --height 4 --width 5 {options}"));
        folder.ok("verify back.tif mask.csv");
    }
    folder.ok("decode mask.csv -o back.raw --height 4 --width 5 --background 9 --dtype u8");
    assert_eq!(folder.read("back.raw"), [9, 1, 1, 2, 9, 9, 1, 1, 2, 9, 9, 9, 2, 2, 9, 7, 9, 9, 9, 9]);
    let ended = folder.run("decode mask.csv -o - --mask-format raw --height 4 --width 5");
    assert_eq!(ended.stdout, [0, 1, 1, 2, 0, 0, 1, 1, 2, 0, 0, 0, 2, 2, 0, 7, 0, 0, 0, 0]);
}

#[test]
fn what_a_mask_cannot_hold_is_refused() {
    let folder = folder_with_mask();
    folder.ok("encode mask.npy");
    folder.fails_with("decode mask.csv -o back.npy", &["mask.csv", "height"]);
    folder.fails_with(
        "decode mask.csv -o back.npy --height 4 --width 3",
        &["mask.csv", "line 3, column 11", "inside the mask"],
    );
    folder.fails_with("decode mask.csv -o back.jpg --height 4 --width 5", &["back.jpg", ".tif"]);
    folder.write("big.csv", "label,start,length\n300,0,1\n");
    folder.fails_with("decode big.csv -f table -o back.npy --height 4 --width 5 --dtype u8", &["300", "u8"]);
    folder.write("overlap.csv", "label,start,length\n1,0,5\n2,4,1\n");
    folder.fails_with(
        "decode overlap.csv -f table -o back.npy --height 4 --width 5",
        &["overlap.csv", "label 2", "label 1", "row 0, column 1"],
    );
    folder.fails_with("decode mask.csv -o back.png --height 4 --width 5 --dtype u32", &["PNG", "u32"]);
}

#[test]
fn info_tells_shape_type_labels_runs_and_areas() {
    let folder = folder_with_mask();
    let facts = json(&folder.ok("info mask.npy --json"));
    assert_eq!(facts["kind"], "mask");
    assert_eq!((&facts["height"], &facts["width"], &facts["dtype"]), (&4.into(), &5.into(), &"u8".into()));
    assert_eq!((&facts["labels"], &facts["runs"], &facts["foreground"]), (&3.into(), &5.into(), &9.into()));
    assert_eq!(facts["areas"][1], serde_json::json!({"label": 2, "runs": 2, "area": 4}));
    folder.ok("encode mask.npy");
    let facts = json(&folder.ok("info mask.csv --json"));
    assert_eq!((&facts["kind"], &facts["format"]), (&"runs".into(), &"hubmap".into()));
    assert_eq!((&facts["height"], &facts["labels"], &facts["runs"]), (&serde_json::Value::Null, &7.into(), &5.into()));
    let text = folder.ok("info mask.npy");
    for part in ["height 4 x width 5", "u8", "3, from 1 to 7", "9 pixels, 45.00 %", "1 to 4 pixels"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn verify_finds_every_difference_and_names_the_first() {
    let folder = folder_with_mask();
    folder.write("same.csv", SMALL_HUBMAP);
    for words in ["verify mask.npy same.csv", "verify same.csv mask.npy", "verify mask.npy mask.npy"] {
        assert!(folder.ok(words).starts_with("equal: 3 labels, 9 pixels"), "{words}");
    }
    folder.write("split.csv", "label,start,length\n1,4,1\n1,5,1\n1,8,2\n2,10,1\n2,12,3\n7,3,1\n");
    folder.ok("verify split.csv mask.npy --format table");
    folder.write("other.csv", SMALL_HUBMAP.replace("12 3", "13 3"));
    let ended = folder.run("verify mask.npy other.csv");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""));
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(text.contains("label 2, run 2 of 2: pixel 12 (row 0, column 3) only in mask.npy"), "{text}");
    assert!(text.contains("label 2, run 2 of 2: pixel 15 (row 3, column 3) only in other.csv"), "{text}");
    folder.write("wide.npy", npy("|u1", 2, 2, &[0, 0, 0, 1]));
    let ended = folder.run("verify mask.npy wide.npy");
    assert_eq!(ended.status, Some(1));
    assert!(String::from_utf8(ended.stdout).unwrap().contains("shapes differ"));
    folder.fails_with("verify mask.npy missing.csv", &["missing.csv"]);
    folder.fails_with("verify - -", &["standard input"]);
}

#[test]
fn made_up_masks_are_the_same_for_the_same_arguments() {
    let folder = Folder::new();
    for (kind, dtype) in [("glomeruli", "u16"), ("cells", "u32"), ("noise", "u8")] {
        folder.ok(&format!("synth {kind} --height 700 --width 600 -o one.npy"));
        folder.ok(&format!("synth {kind} --height 700 --width 600 -o two.npy -j 1"));
        assert!(folder.read("one.npy") == folder.read("two.npy"), "{kind}");
        folder.ok(&format!("synth {kind} --height 700 --width 600 -o two.npy --seed 1"));
        assert!(folder.read("one.npy") != folder.read("two.npy"), "{kind}");
        folder.ok(&format!("synth {kind} --height 700 --width 600 -o one.tif"));
        folder.ok("verify one.npy one.tif");
        assert_eq!(json(&folder.ok("info one.npy --json"))["dtype"], dtype);
    }
    folder.ok("synth cells --height 100 --width 100 --labels 5 --dtype u8 -o five.png");
    assert_eq!(json(&folder.ok("info five.png --json"))["labels"], 5);
    folder.fails_with("synth cells --height 100 --width 100 --labels 300 --dtype u8 -o six.npy", &["300", "u8"]);
}

#[test]
fn engines_lists_all_and_says_why_one_is_missing() {
    let folder = Folder::new();
    let report = json(&folder.ok("engines --json"));
    let names: Vec<_> = report["engines"].as_array().unwrap().iter().map(|engine| engine["engine"].clone()).collect();
    assert_eq!(names, ["scalar", "simd", "gpu"]);
    for engine in report["engines"].as_array().unwrap() {
        let available = engine["available"].as_bool().unwrap();
        assert_eq!(engine.get("reason").is_none(), available, "{engine}");
        assert_eq!(engine["variants"].as_array().unwrap().is_empty(), !available || engine["engine"] == "scalar");
    }
    let text = folder.ok("engines");
    assert!(text.contains("fallback") && text.contains("gpu"), "{text}");
    let hidden = folder.command(["engines", "--json"]).env("WGPU_ADAPTER_NAME", "no such adapter").output().unwrap();
    assert!(hidden.status.success());
}

#[test]
fn a_named_engine_is_never_replaced() {
    let folder = folder_with_mask();
    let mut command = folder.command(["encode", "mask.npy", "--engine", "gpu"]);
    let ended = crate::Ended::of(command.env("WGPU_ADAPTER_NAME", "no such adapter").output().unwrap());
    let line = ended.one_line("a missing gpu");
    assert!(line.starts_with("runmask: gpu engine: "), "{line}");
    assert_eq!(folder.names(), ["mask.npy"]);
}

#[test]
fn a_tiff_is_read_from_a_pipe() {
    let folder = Folder::new();
    folder.ok("synth glomeruli --height 700 --width 500 --labels 5 -o mask.tif --pyramid");
    let mask = folder.read("mask.tif");
    folder.ok("encode mask.tif -o expected.csv");
    let ended = folder.run_with("encode - -o piped.csv", &mask);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(folder.read("piped.csv"), folder.read("expected.csv"));
    let ended = folder.run_with("encode - --level 1", &mask);
    folder.ok("encode mask.tif --level 1 -o level.csv");
    assert_eq!(ended.stdout, folder.read("level.csv"));
    // Nothing stays, and what is wrong with the file has its name.
    assert!(!folder.names().iter().any(|name| name.starts_with('.')), "{:?}", folder.names());
    let line = folder.run_with("encode -", &mask[..mask.len() / 2]).one_line("half a file");
    assert!(line.contains("standard input"), "{line}");
    assert!(folder.run_with("encode - --verify", &mask).one_line("twice").contains("--verify"));
}

/// A TIFF of pages of 3 x 2 labels without compression, each of one label.
fn pages(labels: &[u8]) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    for (number, &label) in labels.iter().enumerate() {
        let (at, length) = (file.len() as u32, 2 + 9 * 12 + 4);
        let next = if number + 1 < labels.len() { at + length + 6 } else { 0 };
        let tags = [
            (256, 3, 2),
            (257, 3, 3),
            (258, 3, 8),
            (259, 3, 1),
            (262, 3, 1),
            (273, 4, at + length),
            (277, 3, 1),
            (278, 3, 3),
            (279, 4, 6),
        ];
        file.extend((tags.len() as u16).to_le_bytes());
        for (tag, kind, value) in tags {
            file.extend([&(tag as u16).to_le_bytes()[..], &(kind as u16).to_le_bytes()].concat());
            file.extend([1_u32.to_le_bytes(), value.to_le_bytes()].concat());
        }
        file.extend(next.to_le_bytes());
        file.extend([label; 6]);
    }
    file
}

#[test]
fn several_pages_are_listed_and_none_is_taken_in_silence() {
    let folder = Folder::new();
    folder.write("four.tif", pages(&[1, 2, 3, 4]));
    folder.write("one.tif", pages(&[9]));
    let warning = "runmask: warning: four.tif: 4 pages are masks, and page 0 is read; --page names another, for instance --page 1\n";
    let ended = folder.run("encode four.tif -o - -f table");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), warning));
    assert_eq!(ended.stdout, b"label,start,length\n1,0,6\n");
    let ended = folder.run("encode four.tif one.tif --json");
    assert_eq!(ended.stderr, format!("{warning}runmask: 2 encoded, 0 skipped, 0 failed\n"));
    let summary = json(std::str::from_utf8(&ended.stdout).unwrap());
    assert!(summary["slides"][0]["warnings"][0].as_str().unwrap().contains("4 pages"), "{summary}");
    assert_eq!(summary["slides"][1]["warnings"], serde_json::json!([]));
    for words in ["preview four.tif -o four.png", "verify four.tif four.csv"] {
        assert_eq!(folder.run(words).stderr, warning, "{words}");
    }
    // Named, the same page is no mistake.
    assert_eq!(folder.ok("encode four.tif --page 0 -o - -f table"), "label,start,length\n1,0,6\n");
    assert_eq!(folder.ok("encode four.tif --page 3 -o - -f table"), "label,start,length\n4,0,6\n");
    let text = folder.ok("info four.tif");
    assert!(text.contains("\npages       4; page 0 is looked at\n  page 0: height 3 x width 2, u8\n"), "{text}");
    let facts = json(&folder.ok("info four.tif --page 2 --json"));
    assert_eq!(facts["pages"][3]["page"], 3);
    assert_eq!((&facts["pages"][3]["levels"][0]["height"], &facts["min_label"]), (&3.into(), &3.into()));
    // A pyramid is one page of several levels.
    folder.ok("synth glomeruli --height 700 --width 500 --labels 5 -o pyramid.tif --pyramid");
    folder.ok("encode pyramid.tif");
    let text = folder.ok("info pyramid.tif");
    assert!(text.contains("page 0: height 700 x width 500, u16; level 1: height 350 x width 250, u16"), "{text}");
    assert!(!folder.ok("info one.tif").contains("page"));
}
