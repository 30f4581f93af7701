use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::samples::cut_into;
use super::super::{Format, ReadOptions, Warning, WriteOptions, convert, fits, read, read_objects, write};
use super::ObjectType;
use crate::error::{Error, Remedy};
use crate::runs::testing::{Pixels, masks};
use crate::runs::{FillRule, LabelRuns, MeasureOptions, Property};
use crate::shape::{ScanOrder, Shape};

const SHAPE: Shape = Shape { height: 12, width: 16 };

fn read_text(text: &str, options: &ReadOptions) -> crate::Result<LabelRuns> {
    read(Format::GeoJson, &mut text.as_bytes(), options)
}

fn given() -> ReadOptions {
    ReadOptions::new().shape(SHAPE)
}

fn written(runs: &LabelRuns, options: &WriteOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(Format::GeoJson, &mut bytes, runs, options).unwrap();
    bytes
}

fn parsed(runs: &LabelRuns, options: &WriteOptions) -> Value {
    serde_json::from_slice(&written(runs, options)).unwrap()
}

/// A square of so many pixels at x and y.
fn square(x: i64, y: i64, side: i64) -> Value {
    json!([[[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]])
}

fn feature(coordinates: Value) -> Value {
    json!({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": coordinates}})
}

fn with(mut feature: Value, properties: Value) -> Value {
    feature["properties"] = properties;
    feature
}

fn collection(features: &[Value]) -> Value {
    json!({"type": "FeatureCollection", "features": features})
}

/// The labels with their areas.
fn areas(text: &str) -> Vec<(u64, u64)> {
    let runs = read_text(text, &given()).unwrap_or_else(|error| panic!("{error}: {text}"));
    runs.iter().map(|(label, runs)| (label, runs.iter().map(|run| run.length).sum())).collect()
}

fn fault(text: &str) -> String {
    match read_text(text, &given()) {
        Err(error @ (Error::Format(_) | Error::LimitExceeded { .. })) => error.to_string(),
        other => panic!("{other:?}: {text}"),
    }
}

proptest! {
    #[test]
    fn what_was_written_comes_back(pixels in masks(), order in prop::sample::select(ScanOrder::ALL), cut in 1_usize..99) {
        let bytes = written(&pixels.encode(order), &WriteOptions::new());
        let options = ReadOptions::new().shape(pixels.shape);
        let again = read(Format::GeoJson, &mut cut_into(&bytes, cut), &options).unwrap();
        prop_assert_eq!(again, pixels.encode(ScanOrder::ColumnMajor));
        prop_assert!(fits(&bytes) == [Format::GeoJson]);
    }

    /// Whatever the bytes are, a reader ends with runs or an error.
    #[test]
    fn any_tokens_are_read_or_refused(tokens in prop::collection::vec(prop::sample::select(vec![
        "[", "]", "{", "}", ",", ":", "\"type\"", "\"Feature\"", "\"Polygon\"", "\"geometry\"", "\"coordinates\"", "\"features\"",
        "\"FeatureCollection\"", "\"properties\"", "\"metadata\"", "\"label\"", "1", "-7.5", "1e300", "null", "\"7\"", "[[0,0],[5,0],[5,5]]",
    ]), 0..30)) {
        let _ = read_text(&tokens.concat(), &given());
    }
}

#[test]
fn a_feature_is_as_qupath_has_it() {
    let pixels = Pixels::parse(
        ".77..
         .77..
         ....7
         333..
         3.3..
         333..",
    );
    let options = WriteOptions::new()
        .image("slide".to_owned())
        .category("Glom \"1\"".to_owned())
        .class_colors([("Glom \"1\"".to_owned(), [200, 0, 5])])
        .measure(MeasureOptions::new().properties([Property::Label, Property::Area, Property::Eccentricity]));
    let found = parsed(&pixels.encode(ScanOrder::ColumnMajor), &options);
    let classification = json!({"name": "Glom \"1\"", "color": [200, 0, 5]});
    let ring = json!([[0, 3], [3, 3], [3, 6], [0, 6], [0, 3]]);
    let hole = json!([[1, 4], [1, 5], [2, 5], [2, 4], [1, 4]]);
    let ids: Vec<_> = [0, 1].iter().map(|&place: &usize| found["features"][place]["id"].clone()).collect();
    let eccentricity = |place: usize| found["features"][place]["properties"]["measurements"]["eccentricity"].clone();
    let expected = json!({"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": ids[0], "geometry": {"type": "Polygon", "coordinates": [ring, hole]}, "properties": {
            "objectType": "annotation", "classification": classification,
            "measurements": {"area": 8, "eccentricity": eccentricity(0)}, "metadata": {"label": "3"}}},
        {"type": "Feature", "id": ids[1], "geometry": {"type": "MultiPolygon", "coordinates": [
            [[[1, 0], [3, 0], [3, 2], [1, 2], [1, 0]]], [[[4, 2], [5, 2], [5, 3], [4, 3], [4, 2]]]]}, "properties": {
            "objectType": "annotation", "classification": classification,
            "measurements": {"area": 5, "eccentricity": eccentricity(1)}, "metadata": {"label": "7"}}},
    ]});
    assert_eq!(found, expected);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(eccentricity(0), json!(0));
    let text = String::from_utf8(written(&pixels.encode(ScanOrder::RowMajor), &options)).unwrap();
    assert_eq!(text.lines().count(), 4, "one feature a line: {text}");
    assert!(text.starts_with("{\"type\":\"FeatureCollection\",\"features\":[\n{\"type\":\"Feature\",\"id\":\""));
}

#[test]
fn many_objects_are_detections() {
    let mut pixels = Pixels::new(200, 101);
    for label in 0..9_999_u32 {
        pixels.set(label % 100 * 2, label / 100, u64::from(label) + 1);
    }
    let kind = |pixels: &Pixels, options: &WriteOptions| {
        let found = parsed(&pixels.encode(ScanOrder::ColumnMajor), options);
        let kinds: Vec<_> =
            found["features"].as_array().unwrap().iter().map(|one| one["properties"]["objectType"].clone()).collect();
        assert!(kinds.iter().all(|kind| kind == &kinds[0]));
        kinds[0].clone()
    };
    assert_eq!(kind(&pixels, &WriteOptions::new()), "annotation");
    assert_eq!(kind(&pixels, &WriteOptions::new().object_type(ObjectType::Cell)), "cell");
    pixels.set(0, 100, 10_000);
    assert_eq!(kind(&pixels, &WriteOptions::new()), "detection");
    assert_eq!(kind(&pixels, &WriteOptions::new().object_type(ObjectType::Annotation)), "annotation");
    let bytes = written(&pixels.encode(ScanOrder::ColumnMajor), &WriteOptions::new());
    let again = read(Format::GeoJson, &mut &bytes[..], &ReadOptions::new().shape(pixels.shape)).unwrap();
    assert_eq!(again, pixels.encode(ScanOrder::ColumnMajor));
}

#[test]
fn nothing_is_a_collection_too() {
    let runs = LabelRuns::empty(Some(SHAPE), ScanOrder::ColumnMajor);
    assert_eq!(written(&runs, &WriteOptions::new()), b"{\"type\":\"FeatureCollection\",\"features\":[]}\n");
    assert_eq!(areas("{\"features\":[],\"type\":\"FeatureCollection\"}"), []);
}

#[test]
fn every_way_to_put_features_in_a_file_is_read() {
    let (one, two) = (feature(square(1, 1, 2)), feature(square(5, 1, 3)));
    let geometry = one["geometry"].clone();
    let both = [(1, 4), (2, 9)];
    for (text, expected) in [
        (collection(&[one.clone(), two.clone()]).to_string(), &both[..]),
        (json!([one, two]).to_string(), &both),
        (format!("{one}\n{two}\n"), &both),
        (format!("{one}\r\n{two}"), &both),
        (format!("{geometry}\n{two}"), &both),
        (one.to_string(), &both[..1]),
        (geometry.to_string(), &both[..1]),
        (json!([geometry, two]).to_string(), &both),
        (format!("\u{feff} {one}"), &both[..1]),
        (format!("{}\n{two}", collection(std::slice::from_ref(&one))), &both),
        ("[]".into(), &[]),
        // Keys in any order, and others.
        (format!("{{\"features\":[{one}],\"x\":[{{}}],\"type\":\"FeatureCollection\",\"bbox\":null}}"), &both[..1]),
        (format!("{{\"properties\":null,\"geometry\":{geometry},\"type\":\"Feature\"}}"), &both[..1]),
        (format!("{{\"coordinates\":{},\"type\":\"Polygon\"}}", geometry["coordinates"]), &both[..1]),
    ] {
        assert_eq!(areas(&text), expected, "{text}");
    }
}

#[test]
fn every_qupath_is_read() {
    for (properties, label, class, score) in [
        (json!(null), 1, None, None),
        (json!({}), 1, None, None),
        // 0.2
        (
            json!({"isLocked": false, "measurements": [], "classification": {"name": "Tumor", "colorRGB": -3670016}}),
            1,
            Some("Tumor"),
            None,
        ),
        (json!({"object_type": "annotation", "classification": "Tumor"}), 1, Some("Tumor"), None),
        (
            json!({"measurements": [{"name": "score", "value": 0.25}, {"name": "x", "value": "NaN"}, {"value": 3}, 7]}),
            1,
            None,
            Some(0.25),
        ),
        // 0.3 to 0.6
        (
            json!({"objectType": "detection", "measurements": {"Area px^2": 3.5, "score": 0.5, "b": "NaN"}}),
            1,
            None,
            Some(0.5),
        ),
        (
            json!({"classification": {"names": ["Tumor", "Positive"], "color": [1, 2, 3]}}),
            1,
            Some("Tumor: Positive"),
            None,
        ),
        (
            json!({"classification": null, "metadata": {"label": "27", "other": "x"}, "measurements": null}),
            27,
            None,
            None,
        ),
        (json!({"metadata": {"label": 27}}), 27, None, None),
        (json!({"metadata": {"label": 27.0}}), 27, None, None),
        // Not QuPath's, but no reason to fail.
        (json!({"metadata": "text", "classification": [1], "measurements": "none"}), 1, None, None),
        (json!({"metadata": {"label": "seven"}, "classification": 5, "measurements": 5}), 1, None, None),
        (json!({"classification": "", "measurements": {"score": "NaN"}}), 1, None, None),
    ] {
        let text = collection(&[with(feature(square(1, 1, 2)), properties)]).to_string();
        let images = super::super::read_images(Format::GeoJson, &mut text.as_bytes(), &given()).unwrap();
        assert_eq!(images[0].runs.labels(), [label], "{text}");
        let found = &images[0].attributes[0];
        assert_eq!((found.category.as_deref(), found.score), (class, score), "{text}");
    }
}

#[test]
fn labels_are_kept_united_or_counted() {
    let labelled =
        |x: i64, label: Value| with(feature(square(x, 1, 2)), json!({"metadata": {"label": label}, "id": label}));
    let text = collection(&[labelled(9, json!("7")), labelled(1, json!("3")), labelled(2, json!("7"))]).to_string();
    assert_eq!(areas(&text), [(3, 4), (7, 8)]);
    let renumbered = read_text(&text, &given().renumber(true)).unwrap();
    assert_eq!(renumbered.labels(), [1, 2, 3]);
    let by_property = collection(&[
        with(feature(square(1, 1, 2)), json!({"id": 12})),
        with(feature(square(4, 1, 3)), json!({"id": "5"})),
    ]);
    let options = given().label_property("id".to_owned());
    assert_eq!(read_text(&by_property.to_string(), &options).unwrap().labels(), [5, 12]);
    let error = read_text(&collection(&[feature(square(1, 1, 2))]).to_string(), &options).unwrap_err();
    assert_eq!(error.to_string(), "feature 0: expected a whole number as the property \"id\", found none");
    let mixed = collection(&[labelled(1, json!("3")), feature(square(5, 5, 2))]).to_string();
    let error = read_text(&mixed, &given()).unwrap_err();
    assert_eq!(error.to_string(), "expected a label in every feature, or in none, found 1 with a label and 1 without");
    assert_eq!(error.remedies(), [Remedy::Renumber]);
}

#[test]
fn what_has_no_area_is_passed_over_and_counted() {
    let bare = |kind: &str, coordinates: Value| json!({"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}});
    let text = collection(&[
        bare("Point", json!([1, 2])),
        feature(square(1, 1, 2)),
        bare("LineString", json!([[1, 2], [3, 4]])),
        bare("MultiPoint", json!([[1, 2]])),
        bare("MultiLineString", json!([[[1, 2], [3, 4]]])),
        json!({"type": "Feature", "geometry": null, "properties": null}),
        feature(square(4, 4, 1)),
    ])
    .to_string();
    assert_eq!(areas(&text), [(1, 4), (2, 1)]);
    let mut table = Vec::new();
    let warnings =
        convert((Format::GeoJson, &mut text.as_bytes(), &given()), (Format::Table, &mut table, &WriteOptions::new()))
            .unwrap();
    assert_eq!(warnings, [Warning::PassedOver { what: "features without an area", count: 5 }]);
    assert_eq!(warnings[0].to_string(), "5 features without an area were passed over");
}

#[test]
fn rules_for_what_is_not_as_it_should_be() {
    // An open ring is closed; a ring that crosses itself is filled by even and odd; numbers after x and y are passed over.
    assert_eq!(areas(&feature(json!([[[1, 1], [4, 1], [4, 4], [1, 4]]])).to_string()), [(1, 9)]);
    assert_eq!(
        areas(&feature(json!([[[0, 0, 5], [4, 0, 5, 7], [4, 4, 5], [0, 4, 5], [0, 0, 5]]])).to_string()),
        [(1, 16)]
    );
    let bow = json!([[[0, 0], [8, 8], [8, 0], [0, 8], [0, 0]]]);
    assert_eq!(areas(&feature(bow).to_string()), [(1, 32)]);
    // Outside the mask, in part or wholly; no polygons at all.
    assert_eq!(areas(&feature(square(-3, -3, 5)).to_string()), [(1, 4)]);
    assert_eq!(areas(&feature(square(100, 3, 5)).to_string()), [(1, 0)]);
    assert_eq!(areas(&feature(json!([])).to_string()), [(1, 0)]);
    let fractions = json!([[[0.4, 0.6], [2.6, 0.6], [2.6, 2.5], [0.4, 2.5], [0.4, 0.6]]]);
    assert_eq!(areas(&feature(fractions).to_string()), [(1, 3)]);
}

#[test]
fn defects_are_named_by_feature() {
    let good = feature(square(1, 1, 2));
    let second = |coordinates: &str| {
        let geometry = format!("{{\"type\":\"MultiPolygon\",\"coordinates\":{coordinates}}}");
        format!(
            "{{\"type\":\"FeatureCollection\",\"features\":[{good},\n{{\"type\":\"Feature\",\"geometry\":{geometry}}}]}}"
        )
    };
    for (coordinates, message) in [
        ("[[[[1,1],[2,2],[1,1]]]]", "feature 1, polygon 0, ring 0: expected three points that differ, found two"),
        (
            "[[[[1,1],[2,2],[3,1]]],[[[1,1],[5,1],[5,5]],[[2,2]]]]",
            "feature 1, polygon 1, ring 1: expected three points that differ, found one",
        ),
        (
            "[[[[1,1],[1e17,2],[3,1]]]]",
            "feature 1, polygon 0, ring 0: expected coordinates between -2^53 and 2^53, found point 1: 100000000000000000, 2",
        ),
        ("[[[[1,1],[NaN,2],[3,1]]]]", "(feature 1), found a defect: expected value"),
        ("[[[[1,1],[1e999,2],[3,1]]]]", "(feature 1), found a defect: number out of range"),
        ("[[[[1,1],[2],[3,1]]]]", "(feature 1), found a defect: a point of one number"),
        (
            "[[[[1,1],[2,\"a\"],[3,1]]]]",
            "(feature 1), found a defect: invalid type: string \"a\", expected coordinates: numbers in lists",
        ),
        ("[[[[1,1],[2,[3]],[3,1]]]]", "(feature 1), found a defect: coordinates in more than four lists"),
        (
            "[[[[1,1],[2,3],3]]]",
            "(feature 1), found a defect: numbers and lists, or lists of different depths, side by side",
        ),
        ("[[[[1,1],[2,3],[[3,1]]]]]", "(feature 1), found a defect: coordinates in more than four lists"),
        ("[[[[1,1],[2,3],[3,1]]],[[1,1],[2,2],[3,1]]]", "(feature 1), found a defect: numbers and lists, or lists"),
        ("[[[]]]", "(feature 1), found a defect: an empty list among coordinates"),
        (
            "[[[1,1],[2,3],[3,1]]]",
            "feature 1: expected numbers in 4 lists, the coordinates of a MultiPolygon, found numbers in 3",
        ),
        ("7", "(feature 1), found a defect: a number instead of coordinates"),
        ("null", "feature 1: expected coordinates of the MultiPolygon, found none"),
    ] {
        let found = fault(&second(coordinates));
        assert!(found.contains(message), "{found}, not {message}");
    }
    for (text, message) in [
        (
            json!([{"type": "Feature", "geometry": {"type": "Circle"}}]),
            "feature 0: expected a Polygon or a MultiPolygon, found \"Circle\"",
        ),
        (json!([{"type": "GeometryCollection", "geometries": []}]), "found \"GeometryCollection\""),
        (
            json!([{"type": "Feature", "geometry": {"coordinates": []}}]),
            "feature 0: expected a type of the geometry, found none",
        ),
        (json!([{"geometry": null}]), "feature 0: expected a type, found none"),
        (json!([7]), "(feature 0), found a defect: invalid type"),
        (json!({"type": "FeatureCollection"}), "expected features in the collection, found none"),
        (
            json!({"features": [], "type": "Feature"}),
            "expected the type \"FeatureCollection\" beside features, found \"Feature\"",
        ),
        (json!({"features": []}), "expected the type \"FeatureCollection\" beside features, found none"),
        (json!({"type": "FeatureCollection", "features": 7}), "expected a list in the JSON of a geojson file"),
        (json!("x"), "expected an object, or a list of features"),
    ] {
        let found = fault(&text.to_string());
        assert!(found.contains(message), "{found}, not {message}");
    }
    for text in ["", "{", "[{\"type\":\"Feature\"", "{\"type\":\"FeatureCollection\",\"features\":[]} x"] {
        assert!(fault(text).contains("geojson"), "{text}");
    }
    let twice = "{\"type\":\"FeatureCollection\",\"features\":[],\"features\":[]}";
    assert!(fault(twice).contains("expected features once"), "{}", fault(twice));
    let circle = "[{\"type\":\"Feature\",\"geometry\":{\"type\":\"Circle\"}}]";
    assert_eq!(read_text(circle, &given()).unwrap_err().remedies(), [Remedy::SkipOtherShapes]);
    assert!(read_text(circle, &given().skip_other_shapes(true)).unwrap().labels().is_empty());
    assert!(matches!(read_text("[]", &ReadOptions::new()), Err(Error::UnknownShape { .. })));
}

#[test]
fn bombs_do_not_go_off() {
    for bracket in ["[", "{\"a\":", "[{\"type\":\"Feature\",\"geometry\":"] {
        fault(&bracket.repeat(200_000));
    }
    let deep = format!("[{{\"type\":\"Polygon\",\"coordinates\":{}1{}}}]", "[".repeat(100_000), "]".repeat(100_000));
    assert!(fault(&deep).contains("coordinates in more than four lists"));
    let other =
        format!("[{{\"type\":\"Feature\",\"geometry\":null,\"properties\":{{\"x\":{}}}}}]", "[".repeat(100_000));
    assert!(fault(&other).contains("recursion limit"));
    // A few points that cover very many columns.
    let wide = Shape { height: 4, width: u32::MAX };
    let text = feature(json!([[[0, 1], [4e9, 1], [4e9, 2], [0, 2]]])).to_string();
    let error = read_text(&text, &ReadOptions::new().shape(wide)).unwrap_err();
    assert!(error.to_string().starts_with("feature 0: columns that its edges cover"), "{error}");
    // Many features of which each is within the limit.
    let wide = Shape { height: 4, width: 200_000 };
    let one = feature(json!([[[0, 1], [200_000, 1], [200_000, 2], [0, 2]]]));
    let error = read_text(&collection(&vec![one; 40]).to_string(), &ReadOptions::new().shape(wide)).unwrap_err();
    assert!(error.to_string().starts_with("runs of the polygons up to feature "), "{error}");
}

#[test]
fn a_million_holes_are_read() {
    let holes: Vec<String> = (0..1_000_000)
        .map(|hole| {
            let (x, y) = (hole % 1000 * 2 + 1, hole / 1000 * 2 + 1);
            format!("[[{x},{y}],[{x},{}],[{},{}],[{},{y}],[{x},{y}]]", y + 1, x + 1, y + 1, x + 1)
        })
        .collect();
    let outer = "[[0,0],[2001,0],[2001,2001],[0,2001],[0,0]]";
    let text = format!("{{\"type\":\"Polygon\",\"coordinates\":[{outer},{}]}}", holes.join(","));
    let shape = Shape { height: 2001, width: 2001 };
    let runs = read_text(&text, &ReadOptions::new().shape(shape)).unwrap();
    assert_eq!(runs.area(), shape.pixels() - 1_000_000);
    let again =
        read_text(&String::from_utf8(written(&runs, &WriteOptions::new())).unwrap(), &ReadOptions::new().shape(shape));
    assert_eq!(again.unwrap(), runs);
}

#[test]
fn what_cannot_be_written_is_named() {
    let pixels = Pixels::parse("1.2").encode(ScanOrder::ColumnMajor);
    let empty = LabelRuns::from_parts(Some(SHAPE), ScanOrder::ColumnMajor, vec![4], vec![0, 0], vec![]).unwrap();
    let error = write(Format::GeoJson, &mut Vec::new(), &empty, &WriteOptions::new()).unwrap_err();
    assert_eq!(error.remedies(), [Remedy::DropEmptyLabels]);
    assert_eq!(parsed(&empty, &WriteOptions::new().drop_empty_labels(true))["features"], json!([]));
    let unknown =
        LabelRuns::from_parts(None, ScanOrder::ColumnMajor, vec![4], vec![0, 1], pixels.runs()[..1].to_vec()).unwrap();
    let error = write(Format::GeoJson, &mut Vec::new(), &unknown, &WriteOptions::new()).unwrap_err();
    assert!(matches!(error, Error::UnknownShape { .. }));
    let wrong = WriteOptions::new().simplify(f64::NAN);
    assert!(matches!(write(Format::GeoJson, &mut Vec::new(), &pixels, &wrong), Err(Error::Argument(_))));
    let wrong = WriteOptions::new().simplify(1.0);
    assert!(matches!(write(Format::Table, &mut Vec::new(), &pixels, &wrong), Err(Error::Argument(_))));
}

#[test]
fn categories_of_other_formats_become_classes_though_their_names_come_late() {
    let counts = |id: u32, start: u32, category: &str| {
        format!(
            "{{\"id\":{id},\"image_id\":1,\"category_id\":{category},\"segmentation\":{{\"size\":[2,4],\"counts\":[{start},1,{}]}},\"score\":0.5}}",
            7 - start
        )
    };
    let coco = format!(
        "{{\"annotations\":[{},{},{}],\"categories\":[{{\"id\":3,\"name\":\"Tumor\"}}]}}",
        counts(1, 0, "3"),
        counts(2, 2, "8"),
        counts(9, 5, "3")
    );
    let mut bytes = Vec::new();
    convert(
        (Format::Coco, &mut coco.as_bytes(), &ReadOptions::new()),
        (Format::GeoJson, &mut bytes, &WriteOptions::new().drop_shape(true)),
    )
    .unwrap();
    let found: Value = serde_json::from_slice(&bytes).unwrap();
    let names: Vec<_> =
        (0..3).map(|place| found["features"][place]["properties"]["classification"]["name"].clone()).collect();
    assert_eq!(names, ["Tumor", "8", "Tumor"]);
    assert_eq!(found["features"][2]["properties"]["measurements"], json!({"score": 0.5}));
    assert_eq!(found["features"][2]["properties"]["metadata"], json!({"label": "9"}));
    // And back, with what COCO keeps.
    let images = super::super::read_images(
        Format::GeoJson,
        &mut &bytes[..],
        &ReadOptions::new().shape(Shape { height: 2, width: 4 }),
    );
    let images = images.unwrap();
    assert_eq!(images[0].runs.labels(), [1, 2, 9]);
    assert_eq!(images[0].attributes[2].category.as_deref(), Some("Tumor"));
}

#[test]
fn simplified_outlines_say_what_they_cost() {
    let mut pixels = Pixels::new(60, 60);
    for row in 0..60_u32 {
        for column in 0..60_u32 {
            let far = (f64::from(row) - 29.5).hypot(f64::from(column) - 29.5);
            pixels.set(row, column, u64::from(far < 25.0));
        }
    }
    let runs = pixels.encode(ScanOrder::ColumnMajor);
    let options = WriteOptions::new().simplify(1.0);
    let mut table = Vec::new();
    write(Format::Table, &mut table, &runs, &WriteOptions::new()).unwrap();
    let mut bytes = Vec::new();
    let warnings = convert(
        (Format::Table, &mut &table[..], &ReadOptions::new().shape(pixels.shape)),
        (Format::GeoJson, &mut bytes, &options),
    )
    .unwrap();
    let simple = runs.polygons().unwrap().simplify(1.0).unwrap();
    assert_eq!(warnings, [Warning::Simplified { before: simple.area_before(), after: simple.area_after() }]);
    assert!(bytes.len() * 2 < written(&runs, &WriteOptions::new()).len());
    let again = read(Format::GeoJson, &mut &bytes[..], &ReadOptions::new().shape(pixels.shape)).unwrap();
    assert_eq!(again, simple.polygons().fill(FillRule::Centre).unwrap());
}

#[test]
fn objects_are_streamed() {
    struct Count(u64, Vec<u64>);
    impl super::super::ObjectSink for Count {
        fn image(&mut self, _: &super::super::Image<'_>) -> crate::Result<()> {
            Ok(())
        }
        fn object(&mut self, object: &super::super::Object<'_>) -> crate::Result<()> {
            self.0 += object.runs.iter().map(|run| run.length).sum::<u64>();
            self.1.extend(object.label);
            Ok(())
        }
    }
    let text = json!([feature(square(1, 1, 2)), feature(square(4, 4, 3))]).to_string();
    let mut count = Count(0, Vec::new());
    read_objects(Format::GeoJson, &mut text.as_bytes(), &given(), &mut count).unwrap();
    assert_eq!((count.0, count.1), (13, vec![]));
}
