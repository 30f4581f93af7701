//! Real slides and run files.

use std::fs;

use crate::{Folder, data, json};

#[test]
fn the_slides_encode_to_the_right_csv_and_decode_to_the_same_mask() {
    let Some(data) = data::folder() else { return };
    let folder = Folder::new();
    let hubmap = data.join("hubmap");
    for (slide, engine) in [("van0003", "--engine scalar"), ("van0003", "--engine simd"), ("van0006", "--engine auto")]
    {
        let mask = hubmap.join(format!("{slide}_u16_deflate.tif"));
        let mask = mask.display();
        folder.ok(&format!("encode {mask} -o runs.csv {engine}"));
        assert!(folder.read("runs.csv") == fs::read(hubmap.join(format!("{slide}_correct.csv"))).unwrap(), "{slide}");
    }
    for slide in ["van0003", "van0006"] {
        let mask = hubmap.join(format!("{slide}_u16_deflate.tif"));
        let runs = hubmap.join(format!("{slide}_correct.csv"));
        let (mask, runs) = (mask.display(), runs.display());
        folder.ok(&format!("decode {runs} -o back.tif --like {mask} --dtype u16"));
        let equal = folder.ok(&format!("verify {mask} back.tif"));
        assert!(equal.starts_with("equal: "), "{equal}");
    }
}

#[test]
fn verify_names_the_pixels_that_the_notebook_lost() {
    let Some(data) = data::folder() else { return };
    let folder = Folder::new();
    for name in ["van0003_correct.csv", "van0003_golden_with_bug.csv"] {
        fs::copy(data.join("hubmap").join(name), folder.file(name)).unwrap();
    }
    let mask = data.join("hubmap/van0003_u16_deflate.tif");
    let mask = mask.display();
    let ended = folder.run(&format!("verify van0003_correct.csv van0003_golden_with_bug.csv --like {mask}"));
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""));
    let text = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(text.lines().count(), 9, "{text}");
    assert!(text.contains("8 pixels only in van0003_correct.csv"), "{text}");
    let first = "label 81, run 10 of 324: pixel 159968425 (row 7889, column 8654) only in van0003_correct.csv";
    assert_eq!(text.lines().nth(1), Some(first));
    folder.ok(&format!("encode {mask} -o notebook.csv --compat notebook"));
    assert!(folder.read("notebook.csv") == folder.read("van0003_golden_with_bug.csv"));
}

#[test]
fn a_batch_of_all_masks_has_the_expected_facts() {
    let Some(data) = data::folder() else { return };
    let folder = Folder::new();
    let expected = json(&fs::read_to_string(data.join("expected.json")).unwrap());
    let mut command = folder.command(["encode", "-f", "table", "--out-dir", "runs", "--json"]);
    let mut names = Vec::new();
    for (name, facts) in expected.as_object().unwrap() {
        if name.starts_with("variants/") && facts.get("note").is_none() {
            names.push(name.clone());
            command.arg(data.join(name));
        }
    }
    assert!(names.len() > 10);
    let ended = crate::Ended::of(command.output().unwrap());
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let summary = json(std::str::from_utf8(&ended.stdout).unwrap());
    for (name, slide) in names.iter().zip(summary["slides"].as_array().unwrap()) {
        for key in ["height", "width", "labels", "runs"] {
            assert_eq!(slide[key], expected[name][key], "{name} {key}");
        }
        let text = fs::read(folder.path().join(slide["output"].as_str().unwrap())).unwrap();
        let rows = text.strip_prefix(b"label,start,length\n").unwrap();
        assert_eq!(digest(rows), expected[name]["table_sha256"].as_str().unwrap(), "{name}");
    }
}

fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_mask_of_floats_is_refused() {
    let Some(data) = data::folder() else { return };
    let folder = Folder::new();
    let expected = json(&fs::read_to_string(data.join("expected.json")).unwrap());
    for (name, facts) in expected.as_object().unwrap() {
        if facts["dtype"].as_str().unwrap().starts_with("float") {
            folder.fails_with(&format!("encode {} -o out.csv", data.join(name).display()), &["float"]);
        }
    }
}

#[test]
fn competition_files_are_told_apart_and_converted() {
    let Some(data) = data::folder() else { return };
    let folder = Folder::new();
    let train = data.join("dsb2018/stage1_train_rle.csv");
    let report = json(&folder.ok(&format!("doctor {} --json", train.display())));
    assert_eq!((&report["format"], &report["images"]), (&"kaggle".into(), &664.into()));
    folder
        .ok(&format!("convert {} -o one.csv --from kaggle -f kaggle --header ImageId,EncodedPixels", train.display()));
    let rows = |text: &[u8]| text.split(|&byte| byte == b'\n').filter(|row| !row.is_empty()).count();
    assert_eq!(rows(&folder.read("one.csv")), rows(&fs::read(&train).unwrap()));
}
