//! Real slides and run files.

use std::fs;

use crate::run_files::paste;
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
    // The mask itself says the same, and so does a run file that does not know its size, without rows and columns.
    let ended = folder.run(&format!("verify {mask} van0003_golden_with_bug.csv"));
    assert!(
        String::from_utf8(ended.stdout)
            .unwrap()
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("label 81, run 10 of 324: pixel 159968425 (row 7889, column 8654) only in ")
    );
    let ended = folder.run("verify van0003_golden_with_bug.csv van0003_correct.csv --limit 1");
    let text = String::from_utf8(ended.stdout).unwrap();
    let lines = ["label 81, run 10 of 324: pixel 159968425 only in van0003_correct.csv", "and 7 more"];
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), lines);
    folder.ok(&format!("convert van0003_correct.csv -o notebook.csv --compat notebook --like {mask}"));
    assert!(folder.read("notebook.csv") == folder.read("van0003_golden_with_bug.csv"));
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
    let convert = format!("convert {} --from kaggle -f kaggle", train.display());
    let ended = folder.run(&format!("{convert} -o one.csv"));
    assert_eq!((ended.status, ended.stderr.lines().count()), (Some(0), 1), "{}", ended.stderr);
    let text = fs::read_to_string(&train).unwrap();
    let rows = |take: &dyn Fn(&[&str]) -> String| {
        text.lines().map(|row| take(&row.split(',').collect::<Vec<_>>()) + "\n").collect::<String>()
    };
    folder.ok(&format!("{convert} -o one.csv --header ImageId,EncodedPixels --drop-shape"));
    assert!(folder.text("one.csv") == rows(&|fields| format!("{},{}", fields[0], fields[4])));
    folder.ok(&format!("{convert} -o two.csv --header ImageId,Height,Width,EncodedPixels"));
    assert!(folder.text("two.csv") == rows(&|fields| [fields[0], fields[1], fields[2], fields[4]].join(",")));
}

/// The areas of all objects of every image that has any, by image.
fn areas(folder: &Folder, words: &str) -> Vec<(String, Vec<u64>)> {
    let ended = folder.run(words);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{words}");
    let facts = json(std::str::from_utf8(&ended.stdout).unwrap());
    let one = vec![facts.clone()];
    let images = facts["images"].as_array().unwrap_or(&one).iter().map(|image| {
        let areas = image["areas"].as_array().unwrap().iter().map(|area| area["area"].as_u64().unwrap());
        (image["image"].as_str().unwrap_or("").to_owned(), areas.filter(|&area| area > 0).collect::<Vec<_>>())
    });
    let mut images: Vec<_> = images.filter(|(_, areas)| !areas.is_empty()).collect();
    images.sort();
    images
}

#[test]
fn the_doctor_knows_every_run_file_and_its_command_can_be_pasted() {
    let Some(data) = data::folder() else { return };
    let mut seen = 0;
    for (part, extension) in [("hubmap", "csv"), ("dsb2018", "csv"), ("runs", "json")] {
        for entry in fs::read_dir(data.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            // The outlines of the slides are no run files.
            if !name.ends_with(extension) {
                continue;
            }
            seen += 1;
            let folder = Folder::new();
            let copy = format!("it's_{}_$x.{extension}", name.split('.').next().unwrap());
            fs::copy(&path, folder.file(&copy)).unwrap();
            let expected = match name {
                "stage1_train_rle.csv" => Some(("kaggle", "likely", "known", "coco")),
                "coco_rle.json" | "scalabel_rle.json" => Some(("sam", "known", "known", "table")),
                "malformed_rle_cases.json" | "peer_vectors.json" => None,
                _ if part == "hubmap" => Some(("hubmap", "known", "known", "table")),
                _ => Some(("coco", "known", "known", "coco")),
            };
            let ended = folder.run(&format!("doctor {copy} --json"));
            let report = json(std::str::from_utf8(&ended.stdout).unwrap());
            let Some((format, order, base, target)) = expected else {
                assert_eq!((ended.status, &report["format"]), (Some(2), &serde_json::Value::Null), "{name}");
                assert!(report["command"].is_null() && !report["evidence"].as_array().unwrap().is_empty(), "{name}");
                continue;
            };
            assert_eq!(report["format"], format, "{name}: {report}");
            assert_eq!((&report["order"]["certainty"], &report["base"]["certainty"]), (&order.into(), &base.into()));
            assert_eq!(report["order"]["answer"], "column-major", "{name}");
            assert_eq!(report["base"]["answer"], u64::from(format == "kaggle"), "{name}");
            assert_eq!(report["objects_are"]["answer"], "instances", "{name}");
            let evidence = report["evidence"].to_string();
            match name {
                "van0003_golden_with_bug.csv" => assert!(evidence.contains("as the notebook's Method 1"), "{evidence}"),
                _ if part == "hubmap" => assert!(evidence.contains("not made by the notebook's"), "{evidence}"),
                "stage1_train_rle.csv" => assert!(evidence.contains("expected a run inside the mask"), "{evidence}"),
                _ => {}
            }
            // As a user pastes it, with a shell.
            let command = report["command"].as_str().unwrap_or_else(|| panic!("{name}: {report}"));
            assert_eq!(
                paste(&folder, command),
                format!("{copy}.{target}.{}", if target == "coco" { "json" } else { "csv" })
            );
            let made = format!("{copy}.{target}.{}", if target == "coco" { "json" } else { "csv" });
            let before = areas(&folder, &format!("info {copy} -f {format} --renumber --json"));
            let after = areas(&folder, &format!("info {made} -f {target} --renumber --json"));
            if target == "table" {
                assert_eq!(before[0].1, after[0].1, "{name}");
            } else {
                assert_eq!(before, after, "{name}");
            }
        }
    }
    assert_eq!(seen, 3 + 1 + 7);
}

#[test]
fn the_rows_of_the_science_bowl_are_the_pixels_of_its_label_maps() {
    let Some(data) = data::folder() else { return };
    let folder = Folder::new();
    let train = data.join("dsb2018/stage1_train_rle.csv");
    let text = fs::read_to_string(&train).unwrap();
    let header = text.lines().next().unwrap();
    let mut compared = 0;
    for entry in fs::read_dir(data.join("dsb2018")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "tif") {
            continue;
        }
        compared += 1;
        // The rows of this image only: reading all of them for each image would test nothing more.
        let rows = text.lines().filter(|row| row.starts_with(&name)).collect::<Vec<_>>().join("\n");
        folder.write("rows.csv", format!("{header}\n{rows}\n"));
        let ended = folder.run(&format!("verify {} rows.csv -f kaggle", path.display()));
        let said = String::from_utf8(ended.stdout).unwrap();
        if name.starts_with("0a7d30b252") {
            // Two of its nuclei overlap, which a label map cannot hold.
            assert_eq!((ended.status, said.lines().count()), (Some(1), 3), "{said}");
            assert!(said.contains("0 pixels only in") && said.contains("2 only in rows.csv"), "{said}");
        } else {
            assert_eq!((ended.status, said.starts_with("equal: ")), (Some(0), true), "{name}: {said}{}", ended.stderr);
        }
    }
    assert_eq!(compared, 40);
}
