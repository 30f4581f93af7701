//! `convert`, `doctor` and `info` on run files of all formats.

use crate::{Folder, SMALL_HUBMAP, SMALL_TABLE, json, small_mask};

#[test]
fn runs_go_through_every_format_and_back() {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    folder.write("a.csv", SMALL_HUBMAP);
    for (name, format, more, back) in [
        ("b.csv", "table", "", ""),
        ("b.csv", "kaggle", "--drop-empty-labels --renumber", "--renumber"),
        ("b.csv", "siim", "--drop-empty-labels --renumber", "--renumber"),
        ("b.json", "coco", "--drop-empty-labels", "--drop-shape --drop-attributes"),
        ("b.json", "coco", "--coco-form results --counts numbers", "--drop-shape --drop-attributes --renumber"),
        ("b.json", "sam", "", "--drop-shape"),
        ("b.csv", "oid", "", "--drop-shape --drop-attributes"),
        ("b.xml", "cvat", "--drop-empty-labels --renumber", "--drop-shape --drop-attributes"),
        ("b.json", "labelstudio", "", "--drop-shape --drop-attributes"),
    ] {
        let from = format!("convert a.csv -o {name} -f {format} --like mask.npy --drop-empty-labels {more}")
            .replace("--drop-empty-labels --drop-empty-labels", "--drop-empty-labels");
        let ended = folder.run(&from);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{from}");
        let to = format!("convert {name} -o c.csv --from {format} -f table --like mask.npy --drop-empty-labels {back}");
        let ended = folder.run(&to);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{to}");
        let text = folder.text("c.csv");
        let runs = |text: &str| {
            let rows = text.lines().skip(1).map(|row| row.split_once(',').unwrap().1.to_owned());
            rows.collect::<Vec<_>>()
        };
        assert_eq!(runs(&text), runs(SMALL_TABLE), "{format}");
    }
}

#[test]
fn what_the_target_cannot_hold_is_an_error_or_an_option() {
    let folder = Folder::new();
    folder.write("a.csv", SMALL_HUBMAP);
    folder.fails_with("convert a.csv -o b.json", &["height"]);
    folder.fails_with("convert a.csv -o b.csv -f table", &["label 3"]);
    folder.ok("convert a.csv -o b.csv -f table --drop-empty-labels");
    assert_eq!(folder.text("b.csv"), SMALL_TABLE);
    folder.ok("convert a.csv -o b.json --height 4 --width 5");
    folder.fails_with("convert b.json -o c.csv", &["shape"]);
    folder.ok("convert b.json -o c.csv --drop-shape --drop-attributes");
    assert_eq!(folder.text("c.csv"), SMALL_HUBMAP);
}

#[test]
fn order_and_first_number_are_converted() {
    let folder = Folder::new();
    // A mask of 3 x 4 with one object: row 0, columns 1 and 2; written row by row from 0.
    folder.write("zero.csv", "id,rle\nx,1 2\n");
    folder
        .ok("convert zero.csv -o one.csv --from kaggle --from-base 0 --from-order row -f kaggle --height 3 --width 4");
    assert_eq!(folder.text("one.csv"), "id,rle\nx,4 1 7 1\n");
    folder.ok("convert one.csv -o two.csv --from kaggle -f kaggle --order row --base 0 --height 3 --width 4");
    assert_eq!(folder.text("two.csv"), "id,rle\nx,1 2\n");
    let ended = folder.run_with("convert - -o - --from kaggle -f table", b"id,rle\nx,4 1 7 1\n");
    assert_eq!(ended.stdout, b"label,start,length\n1,3,1\n1,6,1\n");
}

#[test]
fn info_lists_the_images_of_a_file() {
    let folder = Folder::new();
    folder.write("a.csv", "id,rle\nx,1 2\ny,5 1 9 2\ny,20 3\n");
    let facts = json(&folder.ok("info a.csv -f kaggle --json"));
    assert_eq!(facts["images"].as_array().unwrap().len(), 2);
    assert_eq!((&facts["images"][1]["image"], &facts["images"][1]["runs"]), (&"y".into(), &3.into()));
    let text = folder.ok("info a.csv -f kaggle");
    assert!(text.contains("images      2") && text.contains("y: not known, 2 labels, 3 runs, 6 pixels"), "{text}");
    let one = json(&folder.ok("info a.csv -f kaggle --json --image x"));
    assert_eq!((&one["image"], &one["foreground"]), (&"x".into(), &2.into()));
    folder.fails_with("decode a.csv -f kaggle -o a.npy --height 5 --width 5", &["2 images"]);
    folder.ok("decode a.csv -f kaggle -o a.npy --height 5 --width 5 --image y");
}

#[test]
fn the_doctors_command_converts_the_file() {
    let folder = Folder::new();
    folder.ok("synth cells --height 120 --width 200 --labels 400 -o mask.npy");
    folder.ok("encode mask.npy -o good.csv -f table");
    for options in ["-f hubmap", "-f kaggle --base 0", "-f kaggle", "-f kaggle --order row", "-f coco", "-f table"] {
        folder.ok(&format!("encode mask.npy -o sick.csv {options}"));
        let report = json(&folder.ok("doctor sick.csv --like mask.npy --json"));
        let format = options.split_whitespace().nth(1).unwrap();
        assert_eq!(report["format"], format, "{options}: {report}");
        let command = report["command"].as_str().unwrap_or_else(|| panic!("{options}: {report}"));
        let words = command.strip_prefix("runmask ").unwrap();
        folder.ok(words);
        let converted = words.split_whitespace().skip_while(|&word| word != "-o").nth(1).unwrap();
        folder.ok(&format!("verify good.csv {converted} -f table"));
        assert!(folder.ok("doctor sick.csv --like mask.npy").contains(command), "{options}");
    }
    folder.write("noise.csv", "what is this\n1,2\n");
    let ended = folder.run("doctor noise.csv");
    assert_eq!(ended.status, Some(2));
    assert_eq!(ended.stderr.lines().count(), 1);
    assert!(String::from_utf8(ended.stdout).unwrap().contains("format:  unknown"));
}
