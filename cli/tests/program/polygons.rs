//! GeoJSON: written, read, compressed, drawn.

use std::io::Read;

use serde_json::{Value, json as value};

use crate::pictures::decode;
use crate::{Folder, SMALL_TABLE, json, npy, small_mask};

fn folder_with_mask() -> Folder {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    folder
}

fn labels(file: &Value) -> Vec<String> {
    let features = file["features"].as_array().unwrap();
    features.iter().map(|one| one["properties"]["metadata"]["label"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_mask_comes_back_through_its_outlines() {
    let folder = folder_with_mask();
    folder.ok("encode mask.npy -o mask.geojson");
    let file = json(&folder.text("mask.geojson"));
    assert_eq!(labels(&file), ["1", "2", "7"]);
    assert_eq!(file["features"][0]["geometry"]["coordinates"], value!([[[1, 0], [3, 0], [3, 2], [1, 2], [1, 0]]]));
    for shape in ["--like mask.npy", "--height 4 --width 5"] {
        folder.ok(&format!("decode mask.geojson -o again.npy {shape}"));
        assert!(folder.read("again.npy") == folder.read("mask.npy"), "{shape}");
        assert_eq!(folder.ok(&format!("convert mask.geojson -o - -f table {shape}")), SMALL_TABLE);
    }
    folder.ok("verify mask.npy mask.geojson");
    folder.ok("preview mask.geojson --like mask.npy -o a.png");
    folder.fails_with("decode mask.geojson -o none.npy", &["mask.geojson", "height and width must be known", "--like"]);
    folder.fails_with(
        "encode mask.npy -o mask.csv --class a",
        &["a category for every object: no option of the format hubmap, but only of coco"],
    );
}

#[test]
fn every_format_converts_to_outlines_and_back() {
    let folder = folder_with_mask();
    for (format, extension) in
        [("table", "csv"), ("coco", "json"), ("cvat", "xml"), ("hubmap", "csv"), ("labelstudio", "json")]
    {
        folder.ok(&format!("encode mask.npy -o a.{extension} -f {format} --renumber"));
        folder.ok(&format!("convert a.{extension} -o b.geojson --from {format} --drop-attributes --drop-empty-labels --drop-shape --height 4 --width 5"));
        folder.ok("decode b.geojson -o b.npy --like mask.npy");
        let pixels = folder.read("b.npy");
        let zero = |bytes: &[u8]| bytes[bytes.len() - 20..].iter().map(|&label| label > 0).collect::<Vec<_>>();
        assert_eq!(zero(&pixels), zero(&small_mask()), "{format}");
    }
    folder.ok("encode mask.npy -o mask.geojson");
    folder.ok("convert mask.geojson -o mask.json --like mask.npy");
    folder.ok("decode mask.json -o again.npy");
    assert!(folder.read("again.npy") == folder.read("mask.npy"));
}

#[test]
fn a_last_extension_gz_compresses() {
    let folder = folder_with_mask();
    folder.ok("encode mask.npy -o mask.geojson");
    for (name, like) in [("mask.geojson.gz", true), ("mask.csv.gz", true), ("mask.json.gz", false)] {
        folder.ok(&format!("encode mask.npy -o {name}"));
        let bytes = folder.read(name);
        assert_eq!(bytes[..2], [0x1f, 0x8b], "{name}");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        folder.ok(&format!("encode mask.npy -o plain.{}", &name[5..name.len() - 3]));
        assert_eq!(text, folder.text(&format!("plain.{}", &name[5..name.len() - 3])));
        let like = if like { "--like mask.npy" } else { "" };
        folder.ok(&format!("decode {name} -o again.npy {like}"));
        assert!(folder.read("again.npy") == folder.read("mask.npy"), "{name}");
    }
    assert!(folder.ok("info mask.geojson.gz --like mask.npy").contains("3"));
    assert!(folder.ok("doctor mask.geojson.gz").contains("format:  geojson"));
    let ended = folder.run_with("decode - -o piped.npy --like mask.npy", &folder.read("mask.geojson.gz"));
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let mut cut = folder.read("mask.geojson.gz");
    cut.truncate(cut.len() / 2);
    folder.write("cut.geojson.gz", cut);
    folder.fails_with("decode cut.geojson.gz -o none.npy --like mask.npy", &["cut.geojson.gz"]);
}

#[test]
fn qupath_gets_its_fields() {
    let folder = folder_with_mask();
    let text =
        folder.ok("encode mask.npy -o - -f geojson --class Tumor=200,0,5 --object-type detection --measure area,holes");
    let file = json(&text);
    let properties = &file["features"][1]["properties"];
    assert_eq!(properties["classification"], value!({"name": "Tumor", "color": [200, 0, 5]}));
    assert_eq!(properties["objectType"], "detection");
    assert_eq!(properties["measurements"], value!({"area": 4, "holes": 0}));
    // The same input, the same bytes; another image, other ids.
    let again =
        "encode mask.npy -o - -f geojson --class Tumor=200,0,5 --object-type detection --measure area,holes -j 1";
    assert_eq!(folder.ok(again), text);
    let id = |text: &str| json(text)["features"][0]["id"].clone();
    assert_ne!(id(&folder.ok("encode mask.npy -o - -f geojson --image-id other")), id(&text));
    // The class is a category to other formats.
    folder.write("classes.geojson", &text);
    let coco = json(&folder.ok("convert classes.geojson -o - -f coco --category 7=Tumor --like mask.npy"));
    assert_eq!(coco["annotations"][0]["category_id"], 7);
    for wrong in ["--class Tumor=1,2", "--class =1,2,3", "--object-type cells", "--measure size", "--simplify 0"] {
        assert_eq!(folder.run(&format!("encode mask.npy -o none.geojson {wrong}")).status, Some(2), "{wrong}");
    }
    assert!(!folder.file("none.geojson").exists());
}

#[test]
fn simplified_outlines_are_said_to_change_areas() {
    let folder = Folder::new();
    folder.ok("synth glomeruli --height 3000 --width 4000 -o mask.npy");
    folder.ok("encode mask.npy -o all.geojson");
    let ended = folder.run("encode mask.npy -o few.geojson --simplify 2");
    assert_eq!(ended.status, Some(0));
    assert!(ended.stderr.contains("few.geojson: simplified outlines have an area of"), "{}", ended.stderr);
    assert!(folder.read("few.geojson").len() * 3 < folder.read("all.geojson").len());
    folder.ok("decode few.geojson -o few.npy --like mask.npy");
}

#[test]
fn overlap_goes_to_whom_it_is_given() {
    let folder = folder_with_mask();
    let square = |low: u32, high: u32| {
        value!({"type": "Feature", "properties": {}, "geometry": {"type": "Polygon",
            "coordinates": [[[low, 0], [high, 0], [high, 2], [low, 2], [low, 0]]]}})
    };
    folder.write("two.geojson", value!([square(0, 2), square(1, 4)]).to_string());
    folder.fails_with("decode two.geojson -o none.npy --height 2 --width 5", &["two.geojson", "row 0, column 1"]);
    for (policy, pixels) in [("first", [1, 1, 2, 2, 0]), ("last", [1, 2, 2, 2, 0])] {
        folder.ok(&format!("decode two.geojson -o two.npy --height 2 --width 5 --overlap {policy}"));
        assert_eq!(folder.read("two.npy"), npy("|u1", 2, 5, &[pixels, pixels].concat()), "{policy}");
    }
}

#[test]
fn what_is_passed_over_is_counted_and_what_is_wrong_is_named() {
    let folder = folder_with_mask();
    let point =
        value!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {"id": 4}});
    let polygon = |coordinates: Value| value!({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": coordinates}, "properties": {"id": 4}});
    let good = polygon(value!([[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]));
    folder.write("points.geojson", value!([point, good, point]).to_string());
    for command in ["decode points.geojson -o a.npy", "convert points.geojson -o a.csv"] {
        let ended = folder.run(&format!("{command} --like mask.npy"));
        assert_eq!(ended.status, Some(0));
        assert_eq!(ended.stderr, "runmask: warning: points.geojson: 2 features without an area were passed over\n");
    }
    let table = folder.run("convert points.geojson -o - -f table --like mask.npy --label-property id");
    assert_eq!(String::from_utf8(table.stdout).unwrap(), "label,start,length\n4,0,2\n4,4,2\n");
    folder.write("bad.geojson", value!([good, polygon(value!([[[0, 0], [1, 1], [0, 0]]]))]).to_string());
    folder.fails_with(
        "decode bad.geojson -o none.npy --like mask.npy",
        &["bad.geojson", "feature 1, polygon 0, ring 0", "three points that differ"],
    );
    let rule = "convert half.geojson -o - -f table --like mask.npy --fill-rule";
    folder.write("half.geojson", polygon(value!([[[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]]])).to_string());
    assert_eq!(folder.ok(&format!("{rule} centre")), "label,start,length\n1,0,2\n1,4,2\n");
    assert_eq!(folder.ok(&format!("{rule} coco")).lines().count(), 3);
}

#[test]
fn outlines_are_drawn_alone_and_over_a_picture() {
    let folder = folder_with_mask();
    folder.ok("preview mask.npy -o filled.png");
    folder.ok("preview mask.npy -o outlines.png --outlines");
    let (width, height, alone) = decode(&folder.read("outlines.png"));
    let (filled_width, filled_height, filled) = decode(&folder.read("filled.png"));
    assert_eq!((width, height), (filled_width, filled_height));
    let drawn = |rgb: &[u8]| rgb.chunks(3).filter(|pixel| pixel.iter().max() > Some(&60)).count();
    assert!(drawn(&alone) > 0 && drawn(&alone) * 5 < drawn(&filled), "{} of {}", drawn(&alone), drawn(&filled));
    // Over a white picture of half the proportions: it is stretched, and said to be.
    let mut white = Vec::new();
    let mut encoder = png::Encoder::new(&mut white, 10, 4);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&[255; 10 * 4 * 3]).unwrap();
    folder.write("white.png", white);
    let ended = folder.run("preview mask.npy -o over.png --outlines --over white.png");
    assert_eq!(ended.status, Some(0));
    assert!(ended.stderr.contains("white.png: 10 x 4 pixels have not the proportions"), "{}", ended.stderr);
    let (over_width, _, over) = decode(&folder.read("over.png"));
    assert_eq!(over_width, width);
    let same =
        over.chunks(3).zip(alone.chunks(3)).filter(|(over, alone)| (over == &[255; 3]) == (alone == &[14, 15, 20]));
    assert_eq!(same.count(), over.len() / 3);
    assert_eq!(folder.run("preview mask.npy -o none.png --over white.png").status, Some(2));
    folder.fails_with("preview mask.npy -o none.png --outlines --over mask.npy", &["mask.npy", "picture"]);
    folder.fails_with("preview mask.npy -o none.png --outlines --over missing.png", &["missing.png"]);
    // The outlines of runs are those of their mask.
    folder.ok("encode mask.npy -o mask.geojson");
    folder.ok("preview mask.geojson -o again.png --outlines --like mask.npy");
    assert_eq!(decode(&folder.read("again.png")).2, alone);
}
