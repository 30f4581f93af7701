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
    // Neither an empty file nor a folder is a result.
    folder.write("a.csv", "");
    folder.ok("encode a.npy --skip-existing");
    assert_eq!(folder.text("a.csv"), SMALL_HUBMAP);
    std::fs::remove_file(folder.file("a.csv")).unwrap();
    std::fs::create_dir(folder.file("a.csv")).unwrap();
    folder.fails_with("encode a.npy --skip-existing", &["a.csv", "is a directory"]);
}

#[test]
fn two_slides_with_one_output_are_refused_before_anything_is_touched() {
    let folder = slides();
    std::fs::create_dir(folder.file("other")).unwrap();
    folder.write("other/a.npy", npy("|u1", 1, 1, &[1]));
    folder.fails_with("encode a.npy other/a.npy --out-dir runs", &["a.npy", "other/a.npy", "runs/a.csv"]);
    folder
        .fails_with("encode a.npy b.npy -o runs.csv", &["--out-dir", "a hubmap file holds one mask", "kaggle", "coco"]);
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

#[test]
fn many_masks_go_to_one_file_of_many_images() {
    let folder = Folder::new();
    folder.write("b.npy", small_mask());
    folder.write("a.npy", npy("|u1", 1, 3, &[0, 1, 1]));
    folder.write("n.npy", npy("|u1", 2, 2, &[1, 1, 2, 0]));
    let expected = "ImageId,EncodedPixels\nb,4 3 9 3 13 3\na,2 2\n";
    let ended = folder.run("encode b.npy a.npy -o all.csv -f kaggle --union --header ImageId,EncodedPixels --json");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), "runmask: 2 encoded, 0 skipped, 0 failed\n"));
    assert_eq!(folder.text("all.csv"), expected);
    assert_eq!(json(std::str::from_utf8(&ended.stdout).unwrap())["slides"][1]["output"], "all.csv");
    // What was there is passed over as a whole.
    folder.write("old.csv", "old");
    let ended = folder.run("encode b.npy a.npy -o old.csv -f kaggle --union --skip-existing");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), "runmask: 0 encoded, 2 skipped, 0 failed\n"));
    assert_eq!(folder.text("old.csv"), "old");
    // To stdout as well.
    let ended = folder.run("encode b.npy a.npy -o - -f kaggle --union --header ImageId,EncodedPixels");
    assert_eq!((ended.status, String::from_utf8(ended.stdout).unwrap().as_str()), (Some(0), expected));
    for (format, name) in [("siim", "all.csv"), ("coco", "all.json"), ("oid", "oid.csv"), ("cvat", "all.xml")] {
        let ended = folder.run(&format!("encode n.npy a.npy -o {name} -f {format} --renumber"));
        assert_eq!(ended.status, Some(0), "{format}: {}", ended.stderr);
        folder.ok(&format!("verify n.npy {name} --second-format {format} --image n --renumber"));
        folder.ok(&format!("verify a.npy {name} --second-format {format} --image a --renumber"));
    }
}

#[test]
fn of_many_masks_in_one_file_all_are_there_or_none() {
    let folder = slides();
    folder.write("x.npy", "no mask either");
    for output in ["all.csv", "-"] {
        folder.write("all.csv", "old");
        let ended = folder.run(&format!("encode a.npy c.npy b.npy x.npy d.npy -o {output} -f kaggle --union"));
        assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]));
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert!(lines[0].starts_with("runmask: c.npy: ") && lines[1].starts_with("runmask: x.npy: "), "{lines:?}");
        let summary = format!("runmask: 0 encoded, 0 skipped, 2 failed; {output} is not written");
        assert_eq!(lines[2..], [summary]);
        assert_eq!(folder.text("all.csv"), "old");
    }
    let ended = folder.run("encode a.npy c.npy -o all.csv -f kaggle --union --json");
    let summary = json(std::str::from_utf8(&ended.stdout).unwrap());
    assert_eq!((&summary["failed"], &summary["not_written"]), (&1.into(), &1.into()));
    // What the format cannot hold is a failure of its mask.
    let ended = folder.run("encode a.npy b.npy -o all.csv -f kaggle");
    assert!(ended.stderr.contains("a.npy") && ended.stderr.contains("renumber"), "{}", ended.stderr);
    assert_eq!(folder.text("all.csv"), "old");
    std::fs::create_dir(folder.file("sub")).unwrap();
    folder.write("sub/a.npy", small_mask());
    folder.fails_with("encode a.npy sub/a.npy -o new.csv -f kaggle --union", &["sub/a.npy", "both be the image a"]);
    folder.fails_with("encode a.npy b.npy -o new.csv -f kaggle --union --image-id x", &["--image-id"]);
    folder.fails_with("encode a.npy b.npy -o - -f kaggle --union --header a", &["standard output: the header"]);
    folder.fails_with("encode a.npy -o - -f kaggle --header a", &["a.npy: the header"]);
    if cfg!(target_os = "linux") {
        folder.fails_with("encode a.npy b.npy -o /dev/full -f kaggle --union", &["/dev/full", "No space left"]);
    }
}
