//! Zarr stores as masks, through every command that takes one.

use std::fs;
use std::path::Path;

use super::Folder;

/// A folder with an OME-Zarr store, `slide.zarr`, of two labels: `cells`, with three objects and pixels of 0.5 micrometres,
/// and `empty`.
fn store() -> Folder {
    let folder = Folder::new();
    let write = |key: &str, bytes: &[u8]| {
        let path = folder.file("slide.zarr").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let attributes =
        |text: &str| format!(r#"{{"zarr_format": 3, "node_type": "group", "attributes": {{"ome": {text}}}}}"#);
    let image = r#"{"version": "0.5", "multiscales": [{"datasets": [{"path": "0"}]}]}"#;
    write("zarr.json", attributes(image).as_bytes());
    write("labels/zarr.json", attributes(r#"{"version": "0.5", "labels": ["cells", "empty"]}"#).as_bytes());
    for name in ["cells", "empty"] {
        let axis = |name: &str| format!(r#"{{"name": "{name}", "type": "space", "unit": "micrometer"}}"#);
        let level = r#"{"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}"#;
        let axes = format!("{}, {}", axis("y"), axis("x"));
        let label = format!(
            r#"{{"version": "0.5", "multiscales": [{{"axes": [{axes}], "datasets": [{level}]}}], "image-label": {{}}}}"#
        );
        write(&format!("labels/{name}/zarr.json"), attributes(&label).as_bytes());
        let array = r#"{"zarr_format": 3, "node_type": "array", "shape": [5, 6], "data_type": "uint16", "fill_value": 0,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
            "chunk_key_encoding": {"name": "default"},
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}"#;
        write(&format!("labels/{name}/s0/zarr.json"), array.as_bytes());
    }
    let labels: [u16; 16] = [7, 7, 0, 0, 7, 7, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0];
    write("labels/cells/s0/c/0/0", &labels.map(u16::to_le_bytes).concat());
    let labels: [u16; 16] = [0, 300, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    write("labels/cells/s0/c/1/1", &labels.map(u16::to_le_bytes).concat());
    folder
}

const TABLE: &str = "label,start,length\n7,0,2\n7,5,2\n9,16,2\n300,29,1\n";

#[test]
fn every_command_takes_a_store() {
    let folder = store();
    folder.ok("encode slide.zarr --label cells -f table");
    assert_eq!(folder.read("slide.csv"), TABLE.as_bytes());
    folder.ok("encode slide.zarr/labels/cells/s0 -f table -o array.csv");
    assert_eq!(folder.read("array.csv"), TABLE.as_bytes());
    assert!(
        folder
            .ok("verify slide.zarr slide.csv --label cells --second-format table")
            .contains("equal: 3 labels, 7 pixels")
    );
    assert!(folder.ok("verify slide.csv slide.zarr/labels/cells --format table").contains("equal"));
    let info = folder.ok("info slide.zarr --label cells");
    assert!(info.contains("masks       2\n  label cells: height 5 x width 6, u16\n  label empty"), "{info}");
    assert!(info.contains("labels      3, from 7 to 300"), "{info}");
    assert!(info.contains("pixel size  height 0.5 um x width 0.5 um"), "{info}");
    let info = folder.ok("info slide.zarr --label cells --json");
    assert!(info.contains(r#""label": "empty""#), "{info}");
    folder.ok("preview slide.zarr --label cells -o preview.png");
    folder.ok("bench slide.zarr --label cells --samples 1 --engine scalar");
    let table = folder.ok("measure slide.zarr --label cells --properties area");
    assert_eq!(table, "label,area_um2\n7,1\n9,0.5\n300,0.25\n".replace("7,1\n", "7,1.0\n"));
    let table = folder.ok("measure slide.zarr --label cells --properties area --pixel-size none");
    assert!(table.starts_with("label,area\n7,4"), "{table}");
    folder.ok("components slide.zarr --label cells -o pieces.csv --to table --min-area 2");
    assert!(folder.ok("compare slide.zarr slide.zarr --label cells --json").contains(r#""pq": 1.0"#));
    folder.ok("decode slide.csv -f table -o back.npy --like slide.zarr/labels/cells");
    folder.ok("verify back.npy slide.csv --second-format table");
    // The name of a label is meant for the store of the two.
    for command in ["verify", "compare"] {
        folder.ok(&format!("{command} slide.zarr back.npy --label cells"));
        folder.ok(&format!("{command} back.npy slide.zarr --label cells"));
    }
    folder.fails_with("verify back.npy back.npy --label cells", &["back.npy", "labels"]);
}

#[test]
fn a_batch_takes_stores_and_folders_fail_by_themselves() {
    let folder = store();
    fs::create_dir(folder.file("folder")).unwrap();
    let ended = folder.run("encode slide.zarr/labels/cells slide.zarr/labels/empty folder --out-dir runs -f table");
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("2 encoded, 0 skipped, 1 failed"), "{}", ended.stderr);
    assert_eq!(folder.read("runs/cells.csv"), TABLE.as_bytes());
}

#[test]
fn a_store_of_several_labels_asks_for_one() {
    let folder = store();
    for command in ["encode slide.zarr", "info slide.zarr", "measure slide.zarr", "preview slide.zarr -o a.png"] {
        folder.fails_with(command, &["slide.zarr: 2 labels (cells, empty)", "--label names one"]);
    }
    folder.fails_with("encode slide.zarr --label tissue", &["no label \"tissue\": the store has cells, empty"]);
    folder.fails_with("encode slide.zarr --label cells --level 1", &["no level 1: there are 1"]);
    folder.fails_with("encode slide.zarr --label cells --index c=1", &["no plane by the axis \"c\"", "y: 5, x: 6"]);
    folder.fails_with("encode slide.zarr --page 1", &["no page 1: a Zarr store has none"]);
    folder.fails_with("decode slide.zarr -o a.npy", &["is a mask, not a run file"]);
    folder.fails_with("doctor slide.zarr", &["slide.zarr"]);
    assert!(!Path::new(&folder.file("slide.csv")).exists());
}
