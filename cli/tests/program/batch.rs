//! Many masks in one call.

use crate::{Folder, SMALL_HUBMAP, json, npy, small_mask};

fn slides() -> Folder {
    let folder = Folder::new();
    for name in ["a.npy", "b.npy", "c.npy", "d.npy", "e.npy"] {
        folder.write(name, small_mask());
    }
    folder.write("c.npy", "no mask");
    folder
}

#[test]
fn one_bad_slide_does_not_stop_the_others() {
    let folder = slides();
    let ended = folder.run("encode a.npy b.npy c.npy d.npy e.npy --out-dir runs --json");
    assert_eq!(ended.status, Some(2));
    for name in ["a.csv", "b.csv", "d.csv", "e.csv"] {
        assert_eq!(folder.text(&format!("runs/{name}")), SMALL_HUBMAP);
    }
    assert!(!folder.file("runs/c.csv").exists());
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("runmask: c.npy: "), "{lines:?}");
    assert_eq!(lines[1], "runmask: 4 encoded, 0 skipped, 1 failed");
    let summary = json(std::str::from_utf8(&ended.stdout).unwrap());
    assert_eq!((&summary["encoded"], &summary["skipped"], &summary["failed"]), (&4.into(), &0.into(), &1.into()));
    let slides = summary["slides"].as_array().unwrap();
    let inputs: Vec<_> = slides.iter().map(|slide| slide["input"].as_str().unwrap()).collect();
    assert_eq!(inputs, ["a.npy", "b.npy", "c.npy", "d.npy", "e.npy"]);
    assert_eq!((&slides[0]["labels"], &slides[0]["runs"], &slides[0]["height"]), (&3.into(), &5.into(), &4.into()));
    assert_eq!(slides[2]["status"], "failed");
    assert!(slides[2]["error"].as_str().unwrap().contains("c.npy"), "{summary}");
}

#[test]
fn existing_outputs_are_passed_over_on_request() {
    let folder = slides();
    folder.write("a.csv", "done before");
    let ended = folder.run("encode a.npy b.npy --skip-existing");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), "runmask: 1 encoded, 1 skipped, 0 failed\n"));
    assert_eq!(folder.text("a.csv"), "done before");
    assert_eq!(folder.text("b.csv"), SMALL_HUBMAP);
    let summary = json(&folder.ok("encode a.npy --skip-existing --json"));
    assert_eq!(summary["slides"][0]["status"], "skipped");
    folder.ok("encode a.npy");
    assert_eq!(folder.text("a.csv"), SMALL_HUBMAP);
}

#[test]
fn two_slides_with_one_output_are_refused_before_anything_is_touched() {
    let folder = slides();
    std::fs::create_dir(folder.file("other")).unwrap();
    folder.write("other/a.npy", npy("|u1", 1, 1, &[1]));
    folder.fails_with("encode a.npy other/a.npy --out-dir runs", &["a.npy", "other/a.npy", "runs/a.csv"]);
    folder.fails_with("encode a.npy b.npy -o runs.csv", &["--out-dir"]);
    folder.fails_with("encode a.npy b.npy a.npy", &["a.csv"]);
    folder.fails_with("encode a.npy -o - --json", &["standard output"]);
    folder.fails_with("encode - --out-dir runs", &["standard input"]);
}

#[test]
fn each_format_has_its_extension() {
    let folder = Folder::new();
    folder.write("a.npy", small_mask());
    for (format, name) in
        [("table", "a.csv"), ("kaggle", "a.csv"), ("coco", "a.json"), ("cvat", "a.xml"), ("labelstudio", "a.json")]
    {
        folder.ok(&format!("encode a.npy -f {format} --out-dir {format} --renumber"));
        assert!(folder.file(&format!("{format}/{name}")).is_file(), "{format}");
    }
}
