//! Files in the wrong place: the right question instead of a wrong result.

use crate::{Folder, SMALL_HUBMAP, small_mask};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("slide.npy", small_mask());
    folder.write("slide.csv", SMALL_HUBMAP);
    folder.write("slide.json", "[]");
    folder.write("photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF");
    folder.write("photo.csv", b"\xff\xd8\xff\xe0\x00\x10JFIF");
    std::fs::create_dir(folder.file("sub")).unwrap();
    folder
}

#[test]
fn the_kind_of_the_input_is_looked_at_first() {
    let folder = folder();
    for (words, parts) in [
        ("encode slide.csv", &["slide.csv is a run file, not a mask", "`runmask decode`", "`runmask convert`"][..]),
        ("encode slide.csv -o other.csv", &["slide.csv is a run file", "`runmask convert`"]),
        ("encode slide.npy slide.json", &["slide.json is a run file", "-o slide.json"]),
        ("encode slide.npy new.csv", &["new.csv is a run file", "-o new.csv"]),
        ("encode .", &[". is a directory", "./*.tif"]),
        ("encode sub", &["sub is a directory", "sub/*.tif"]),
        ("encode slide.npy .", &[". is a directory"]),
        ("decode slide.npy -o a.csv", &["slide.npy is a mask, not a run file", "`runmask encode`"]),
        ("decode slide.npy -o a.npy -f hubmap", &["slide.npy is a mask, not a run file", "`runmask encode`"]),
        ("convert slide.npy -o a.csv", &["slide.npy is a mask", "`runmask encode`"]),
        ("convert photo.csv -o a.json", &["photo.csv is a picture"]),
        ("decode sub -o a.npy", &["sub is a directory"]),
        ("doctor slide.npy", &["slide.npy is a mask", "`runmask encode`"]),
        ("encode photo.jpg", &["photo.jpg", "a JPEG, which cannot hold labels exactly"]),
    ] {
        folder.fails_with(words, parts);
    }
    // One bad file of many does not stop the others, and a folder is one.
    let ended = folder.run("encode slide.npy sub --out-dir out");
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("sub: is a directory") && ended.stderr.contains("1 encoded"), "{}", ended.stderr);
}

#[test]
fn an_extension_of_another_kind_is_refused() {
    let folder = folder();
    let size = "--height 4 --width 5";
    for (words, part) in [
        ("encode slide.npy -o out.tif".to_owned(), "out.tif has the extension of a mask, but the output is a run file"),
        ("encode slide.npy -o out.tif -f table".into(), "but the output is a run file"),
        ("encode slide.npy -o out.JPG".into(), "the extension of a picture, but the output is a run file"),
        ("convert slide.csv -o out.png -f table".into(), "but the output is a run file"),
        (format!("decode slide.csv -o out.csv {size}"), "the extension of a run file, but the output is a mask"),
        (format!("decode slide.csv -o out.json {size} --mask-format npy"), "but the output is a mask"),
        (format!("decode slide.csv -o out.jpg {size}"), "the extension of a picture, but the output is a mask"),
        ("synth noise --height 1 --width 1 -o out.csv --mask-format raw".into(), "but the output is a mask"),
        ("preview slide.npy -o out.jpg".into(), "out.jpg has the extension of another format, but the output is a PNG"),
        ("preview slide.npy -o out.csv".into(), "but the output is a PNG"),
        ("pixels encode photo.jpg -o out.png".into(), "but the output is escape-key records"),
        (format!("pixels decode slide.npy -o out.tif {size}"), "but the output is a PNG"),
    ] {
        folder.fails_with(&words, &[part]);
    }
    // Another run format's extension, or none that is known, says nothing.
    folder.ok("encode slide.npy -o out.csv -f coco");
    folder.ok("convert slide.csv -o out.json -f table --drop-empty-labels");
    folder.ok("encode slide.npy -o out.runs");
    folder.ok("preview slide.npy -o picture");
    folder.ok(&format!("decode slide.csv -o labels --mask-format raw {size}"));
}

#[test]
fn standard_input_is_one_file() {
    let folder = folder();
    for words in [
        "decode - -o out.npy -f hubmap --like -",
        "convert - -o out.csv --from table --like -",
        "info - -f hubmap --like -",
        "doctor - --like -",
        "verify - slide.csv --like -",
        "preview - -o out.png -f hubmap --like -",
        "pixels decode - -o out.png --like -",
    ] {
        folder.fails_with(words, &["standard input is one file"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_size_is_not_waited_for_at_the_end_of_a_pipe() {
    use std::process::{Command, Stdio};
    let folder = folder();
    let runmask = env!("CARGO_BIN_EXE_runmask");
    let script = format!("cat photo.jpg | timeout 10 {runmask} decode slide.csv -o out.npy --like /dev/stdin");
    let ended = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).stdin(Stdio::null()).output();
    let line = crate::Ended::of(ended.unwrap()).one_line("a JPEG in a pipe");
    assert!(line.contains("/dev/stdin"), "{line}");
    let script = format!("cat slide.npy | timeout 10 {runmask} decode slide.csv -o out.npy --like /dev/stdin");
    let ended = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

#[test]
fn shells_and_man_are_told_what_the_arguments_are() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = folder.ok(&format!("completions {shell}"));
        assert!(text.contains("runmask") && text.contains("skip-existing"), "{shell}");
    }
    assert!(folder.ok("completions bash").contains("labelstudio"));
    let page = folder.ok("man");
    assert!(page.contains(".TH runmask 1") && page.contains("encode"), "{page}");
    let page = folder.ok("man encode");
    assert!(page.contains(".TH runmask-encode 1") && page.contains("skip\\-existing"), "{page}");
    assert!(folder.ok("man pixels decode").contains(".TH runmask-pixels-decode 1"));
    folder.fails_with("man steam", &["no command steam", "encode"]);
    folder.fails_with("man encode more", &["more"]);
}

#[test]
fn exchanged_sides_are_heard_of() {
    let folder = Folder::new();
    folder.ok("synth glomeruli --height 900 --width 2100 --labels 4 -o slide.npy");
    folder.ok("encode slide.npy");
    let warning = "runmask: warning: slide.csv: height and width look exchanged: ";
    let exchanged = "--height 2100 --width 900";
    for words in [
        format!("decode slide.csv -o exchanged.npy {exchanged}"),
        format!("convert slide.csv -o exchanged.json {exchanged}"),
        format!("preview slide.csv -o exchanged.png {exchanged}"),
        format!("info slide.csv --json {exchanged}"),
    ] {
        let ended = folder.run(&words);
        assert_eq!(ended.status, Some(0), "{words}");
        assert!(ended.stderr.starts_with(warning) && ended.stderr.contains("--height"), "{words}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{words}: {}", ended.stderr);
        if words.starts_with("info") {
            let facts = crate::json(std::str::from_utf8(&ended.stdout).unwrap());
            assert!(facts["warnings"][0].as_str().unwrap().contains("look exchanged"), "{facts}");
        }
    }
    for words in
        ["decode slide.csv --dtype u16 -o right.npy", "info slide.csv --json", "preview slide.csv -o right.png"]
    {
        folder.ok(&format!("{words} --like slide.npy"));
    }
    assert!(folder.read("right.npy") == folder.read("slide.npy"));
}

#[test]
fn a_run_file_is_known_by_its_content() {
    let folder = folder();
    folder.ok("convert slide.csv -o slide.table -f table --drop-empty-labels");
    for (words, input) in
        [("info -", "slide.csv"), ("info -", "slide.table"), ("preview - -o p.png --like slide.npy", "slide.csv")]
    {
        let ended = folder.run_with(words, &folder.read(input));
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{words} < {input}");
    }
    let text = folder.ok("info slide.table");
    assert!(text.contains("runs (table)"), "{text}");
    folder.ok("verify slide.npy slide.table");
    let ended = folder.run_with("info -", &folder.read("slide.npy"));
    assert!(String::from_utf8(ended.stdout).unwrap().contains("kind        mask"));
}
