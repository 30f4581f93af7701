//! Labels that are written into OME-Zarr stores: whole or not at all, and nothing else is touched.

use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

use super::Folder;

/// The image of a store, `slide.zarr`, of which nothing but metadata is there.
fn image(folder: &Folder, version: &str, height: u64, width: u64) {
    let axes = ["c", "y", "x"].map(|name| serde_json::json!({"name": name}));
    let scale = serde_json::json!([{"type": "scale", "scale": [1, 0.5, 0.5]}]);
    let level = serde_json::json!({"path": "0", "coordinateTransformations": scale});
    let multiscales = serde_json::json!([{"axes": axes, "datasets": [level]}]);
    let write = |key: &str, node: serde_json::Value| {
        let path = folder.file("slide.zarr").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, node.to_string()).unwrap();
    };
    let shape = [2, height, width];
    if version == "0.4" {
        write(".zgroup", serde_json::json!({"zarr_format": 2}));
        write(".zattrs", serde_json::json!({"multiscales": multiscales}));
        write("0/.zarray", serde_json::json!({"zarr_format": 2, "shape": shape, "dtype": "<f4"}));
        return;
    }
    let ome = serde_json::json!({"ome": {"version": "0.5", "multiscales": multiscales}});
    write("zarr.json", serde_json::json!({"zarr_format": 3, "node_type": "group", "attributes": ome}));
    write("0/zarr.json", serde_json::json!({"zarr_format": 3, "node_type": "array", "shape": shape}));
}

/// All files of a folder, with what is in them.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
            }
        }
    }
    found
}

/// The names that the group of labels lists.
fn listed(folder: &Folder, version: &str) -> serde_json::Value {
    let name = if version == "0.4" { ".zattrs" } else { "zarr.json" };
    let node: serde_json::Value = super::json(&folder.text(&format!("slide.zarr/labels/{name}")));
    let pointer = if version == "0.4" { "/labels" } else { "/attributes/ome/labels" };
    node.pointer(pointer).cloned().unwrap_or_default()
}

#[test]
fn a_label_has_the_shape_of_its_image() {
    for version in ["0.4", "0.5"] {
        let folder = Folder::new();
        image(&folder, version, 4, 5);
        folder.write("runs.csv", super::SMALL_HUBMAP);
        folder.write("table.csv", super::SMALL_TABLE);
        // Neither the file nor the user says the shape.
        folder.ok("decode runs.csv -o slide.zarr/labels/cells");
        folder.ok("decode table.csv -f table -o slide.zarr/labels/table");
        assert_eq!(listed(&folder, version), serde_json::json!(["cells", "table"]));
        folder.write("mask.npy", super::small_mask());
        for label in ["cells", "table"] {
            folder.ok(&format!("verify slide.zarr/labels/{label} mask.npy"));
        }
        for (runs, label) in [("runs.csv", "pieces"), ("table.csv -f table", "others")] {
            folder.ok(&format!("components {runs} -o slide.zarr/labels/{label}"));
            folder.ok("components mask.npy -o pieces.npy");
            folder.ok(&format!("verify slide.zarr/labels/{label} pieces.npy"));
        }
        folder.fails_with("components runs.csv -o new.zarr", &["height and width must be known"]);
        let before = files(&folder.file("slide.zarr"));
        // Runs beyond the image, and masks of another shape, whoever says it.
        folder.write("long.csv", "label,start,length\n1,19,2\n");
        let line = folder.fails("decode long.csv -f table -o slide.zarr/labels/long");
        assert!(line.contains("long.csv: ") && line.contains("height 4 x width 5"), "{line}");
        folder.fails_with(
            "decode runs.csv -o slide.zarr/labels/other --height 5 --width 4",
            &["a label has the sides of its image, 2 x 4 x 5, and not height 5 x width 4"],
        );
        folder.ok("synth noise --height 4 --width 6 -o wide.npy");
        folder.ok("encode wide.npy -o wide.json");
        folder.fails_with(
            "decode wide.json -o slide.zarr/labels/wide",
            &["a label has the sides of its image, 2 x 4 x 5"],
        );
        // Where there is no image, the shape has to be said.
        folder.fails_with("decode runs.csv -o new.zarr", &["height and width must be known"]);
        assert_eq!(files(&folder.file("slide.zarr")), before);
    }
}

#[test]
fn a_list_that_was_not_there_has_all_labels() {
    let folder = Folder::new();
    image(&folder, "0.5", 4, 5);
    folder.write("runs.csv", super::SMALL_HUBMAP);
    folder.ok("decode runs.csv -o slide.zarr/labels/first");
    let group = serde_json::json!({"zarr_format": 3, "node_type": "group", "attributes": {"own": 1}});
    folder.write("slide.zarr/labels/zarr.json", group.to_string());
    folder.ok("decode runs.csv -o slide.zarr/labels/second");
    assert_eq!(listed(&folder, "0.5"), serde_json::json!(["first", "second"]));
    assert!(folder.text("slide.zarr/labels/zarr.json").contains("\"own\": 1"));
    // What is no list is not written over, and nothing of the label stays.
    let group = serde_json::json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": 7}});
    folder.write("slide.zarr/labels/zarr.json", group.to_string());
    let before = files(&folder.file("slide.zarr"));
    folder.fails_with("decode runs.csv -o slide.zarr/labels/third", &["labels/zarr.json: expected an object"]);
    assert_eq!(files(&folder.file("slide.zarr")), before);
}

/// The chunks in folders with a hidden name. Who writes them may take them away meanwhile, and so may who cleans up.
#[cfg(target_os = "linux")]
fn hidden_chunks(folder: &Folder) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.path().to_path_buf()];
    while let Some(inner) = left.pop() {
        for entry in fs::read_dir(inner).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true => left.push(path),
                false if name.contains("/0/c/0/") && (name.starts_with('.') || name.contains("/.")) => {
                    found.insert(path);
                }
                false => {}
            }
        }
    }
    found
}

/// Starts to write a mask that takes long, and waits until some of it is there, beside what others left.
#[cfg(target_os = "linux")]
fn started(folder: &Folder, output: &str) -> std::process::Child {
    let before = hidden_chunks(folder);
    let words = format!("synth noise --height 400000 --width 20000 -o {output}");
    let child = folder.interruptible(words.split(' ')).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(120);
    while hidden_chunks(folder).is_subset(&before) {
        assert!(Instant::now() < patience, "no chunk of {output} appears");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_leaves_the_store_as_it_was() {
    for (signal, old) in [("-INT", false), ("-TERM", true)] {
        let folder = Folder::new();
        image(&folder, "0.5", 400_000, 20_000);
        folder.write("runs.csv", "label,start,length\n1,5,7\n");
        if old {
            folder.ok("decode runs.csv -f table -o slide.zarr/labels/old");
        }
        let before = files(folder.path());
        for output in ["slide.zarr/labels/new", "new.zarr"] {
            let mut child = started(&folder, output);
            std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(130), "{signal} {output}");
            assert!(files(folder.path()) == before, "{signal} {output}");
        }
        assert_eq!(folder.file("slide.zarr/labels").exists(), old);
        assert_eq!(folder.names(), ["runs.csv", "slide.zarr"]);
    }
}

/// Nothing can be done about SIGKILL: what stays is a folder with a hidden name that no reader takes for a label, and that
/// is removed when the next label is written.
#[cfg(target_os = "linux")]
#[test]
fn a_kill_leaves_nothing_that_is_a_label() {
    let folder = Folder::new();
    image(&folder, "0.5", 400_000, 20_000);
    folder.write("runs.csv", "label,start,length\n1,5,7\n");
    folder.ok("decode runs.csv -f table -o slide.zarr/labels/old");
    let before = files(folder.path());
    let mut child = started(&folder, "slide.zarr/labels/new");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut after = files(folder.path());
    after.retain(|path, _| !path.to_string_lossy().contains("slide.zarr/."));
    assert!(after == before);
    assert_eq!(listed(&folder, "0.5"), serde_json::json!(["old"]));
    let masks = folder.ok("info slide.zarr --json");
    assert!(masks.contains("old") && !masks.contains("new"), "{masks}");
    folder.ok("verify slide.zarr runs.csv --second-format table");
    // Not while somebody writes it.
    let mut other = started(&folder, "slide.zarr/labels/other");
    folder.ok("decode runs.csv -f table -o slide.zarr/labels/old --overwrite");
    let hidden = || {
        fs::read_dir(folder.file("slide.zarr"))
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with('.'))
            .count()
    };
    assert_eq!(hidden(), 1);
    std::process::Command::new("kill").args(["-INT", &other.id().to_string()]).status().unwrap();
    assert_eq!(other.wait().unwrap().code(), Some(130));
    assert!(files(folder.path()) == before);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_store_as_it_was() {
    /// A file system in memory, gone with the test.
    struct Small(Folder);
    impl Drop for Small {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg(self.0.path()).status();
        }
    }
    let disk = Folder::new();
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(disk.path()).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("NOT TESTED: no small file system can be mounted here");
        return;
    }
    let disk = Small(disk);
    image(&disk.0, "0.5", 900, 900);
    disk.0.write("runs.csv", "label,start,length\n1,5,7\n");
    for _ in 0..2 {
        let before = files(disk.0.path());
        for output in ["slide.zarr/labels/new", "new.zarr", "slide.zarr/labels/shards --shards"] {
            let line = disk.0.fails(&format!("synth noise --height 900 --width 900 -o {output}"));
            assert!(line.contains("No space left") && line.contains(output.split(' ').next().unwrap()), "{line}");
            assert!(files(disk.0.path()) == before, "{output}");
        }
        disk.0.ok("decode runs.csv -f table -o slide.zarr/labels/old --overwrite");
    }
}
