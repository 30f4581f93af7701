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
    // A lost height and width is a line, and nothing else is asked for.
    let ended = folder.run("convert b.json -o c.csv");
    assert_eq!((ended.status, ended.stderr.lines().count()), (Some(0), 1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("warning: b.json: a hubmap file cannot hold height and width (--drop-shape"),
        "{}",
        ended.stderr
    );
    assert_eq!(folder.text("c.csv"), SMALL_HUBMAP);
    folder.ok("convert b.json -o c.csv --drop-shape");
    // What is an error is named all at once.
    let wide = "{\"images\":[{\"id\":1,\"file_name\":\"x.png\",\"height\":2,\"width\":2}],\"annotations\":[\
                {\"id\":5,\"image_id\":1,\"category_id\":3,\"iscrowd\":1,\"score\":0.5,\
                \"segmentation\":{\"size\":[2,2],\"counts\":[4]}}]}";
    folder.write("wide.json", wide);
    let parts = ["category", "score", "crowd mark", "x.png", "label 5", "--drop-attributes", "--drop-empty-labels"];
    folder.fails_with("convert wide.json -o d.csv -f table", &parts);
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

#[test]
fn the_doctors_command_fits_what_the_file_holds() {
    let folder = Folder::new();
    let wide = "id,rle\nx,5 3 14 3 23 3 32 3 41 3\ny,3 2 12 2 21 2 30 2 39 2\ny,60 1 69 1 108 1\nz,\n";
    let sided = "id,rle,class,height,width,plate\nx,5 3 14 3 23 3 32 3 41 3 50 3 59 3,cell,9,12,1\nx,60 1 108 1,3,9,12,1\ny,3 2,it's,9,12,2\n";
    let task = |id: u32| {
        format!(
            "{{\"id\":{id},\"annotations\":[{{\"result\":[{{\"type\":\"choices\"}},{{\"type\":\"brushlabels\",\
             \"original_width\":3,\"original_height\":2,\"value\":{{\"brushlabels\":[\"a b\"],\"rle\":\
             [0,0,0,24,57,27,252,224,22,255,227,0,0]}}}}]}}]}}"
        )
    };
    let tasks = format!("[{},{}]", task(1), task(2));
    let twice = "[{\"id\":4,\"image_id\":1,\"segmentation\":{\"size\":[2,3],\"counts\":[1,2,3]}},\
                 {\"id\":4,\"image_id\":1,\"segmentation\":{\"size\":[2,3],\"counts\":[3,3]}}]";
    for (name, text, options, format, parts) in [
        ("wide.csv", wide, "--height 9 --width 12", "kaggle", "--height 9 --width 12 -f coco"),
        ("sided.csv", sided, "", "kaggle", "--ignore-columns -f coco --category 1=cell --category '2=it'\\''s'"),
        ("tasks.json", &tasks, "", "labelstudio", "--skip-other-shapes -f coco --category '1=a b'"),
        ("twice.json", twice, "", "coco", "--renumber -f table"),
    ] {
        folder.write(name, text);
        let report = json(&folder.ok(&format!("doctor {name} {options} --json")));
        assert_eq!(report["format"], format, "{report}");
        let command = report["command"].as_str().unwrap_or_else(|| panic!("{name}: {report}"));
        assert!(command.contains(parts), "{command}");
        let made = paste(&folder, command);
        let read = |name: &str, more: &str| {
            let facts = json(&folder.ok(&format!("info {name} --json --renumber {more}")));
            let one = vec![facts.clone()];
            let areas = facts["images"].as_array().unwrap_or(&one).iter().flat_map(|image| {
                let areas = image["areas"].as_array().unwrap().iter();
                areas.map(|area| area["area"].as_u64().unwrap()).collect::<Vec<_>>()
            });
            areas.collect::<Vec<_>>()
        };
        let target = if made.ends_with("json") { "coco" } else { "table" };
        let more = format!("-f {format} --skip-other-shapes --ignore-columns {options}");
        assert_eq!(read(name, &more), read(&made, &format!("-f {target}")), "{command}");
    }
    // Without the sizes that COCO needs, to a file of the same kind in the usual order.
    folder.write("zero.csv", "id,rle\nx,0 3 14 3 23 3 32 3\ny,3 2 12 2 21 2 30 2 39 2\ny,60 1 69 1\n");
    let report = json(&folder.ok("doctor zero.csv --json"));
    assert!(report["command"].is_null() && report["order"]["certainty"] == "usual", "{report}");
    // A row or two may be starts or gaps.
    folder.write("few.csv", "id,rle\nx,5 3 14 3\n");
    let report = json(&folder.ok("doctor few.csv --height 5 --width 8 --json"));
    assert!(report["evidence"].to_string().contains("it may be a siim file as well"), "{report}");
    assert!(report["command"].is_null(), "{report}");
}

/// Runs a command with a shell, as a user pastes it; the name of the file that it makes.
pub(crate) fn paste(folder: &Folder, command: &str) -> String {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_runmask")).parent().unwrap();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let search =
        std::env::join_paths(std::iter::once(program.to_owned()).chain(std::env::split_paths(&others))).unwrap();
    let before = folder.names();
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(folder.path()).env("PATH", search).args(["-c", command]);
    let ended = crate::Ended::of(shell.output().unwrap());
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{command}");
    folder.names().into_iter().find(|name| !before.contains(name)).unwrap()
}
