//! Run files of others, read and written.

mod data;

use std::fs;

use runmask::format::{self, CocoForm, Compat, Format, Image, Object, ObjectSink, ReadOptions, Warning, WriteOptions};
use runmask::{LabelRuns, LabelRunsBuilder, Loss, Remedy, Run, ScanOrder, Shape};
use sha2::{Digest, Sha256};

fn read(format: Format, bytes: &[u8]) -> LabelRuns {
    format::read(format, &mut &bytes[..], &ReadOptions::default()).expect("a valid file")
}

fn write(format: Format, runs: &LabelRuns) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::write(format, &mut bytes, runs, &WriteOptions::default()).expect("runs that the format holds");
    bytes
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn hubmap_files_of_real_slides_are_read_and_written_byte_for_byte() {
    let Some(folder) = data::folder() else { return };
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("expected.json")).expect("expected.json")).expect("JSON");
    for (name, mask) in [("van0003", "hubmap/van0003_u16_deflate.tif"), ("van0006", "hubmap/van0006_u16_deflate.tif")] {
        let bytes = fs::read(folder.join(format!("hubmap/{name}_correct.csv"))).expect("the run file");
        let facts = &expected[mask];
        let shape = Shape::new(facts["height"].as_u64().unwrap(), facts["width"].as_u64().unwrap()).unwrap();
        let options = ReadOptions::new().shape(shape);
        let runs = format::read(Format::Hubmap, &mut &bytes[..], &options).expect("a valid file");
        assert_eq!(runs.labels().len() as u64, facts["labels"].as_u64().unwrap());
        assert_eq!(runs.run_count() as u64, facts["runs"].as_u64().unwrap());
        assert_eq!(runs.area(), facts["foreground"].as_u64().unwrap());
        assert!(write(Format::Hubmap, &runs) == bytes, "{name}: not the same bytes");

        let table = write(Format::Table, &runs);
        let rows = table.strip_prefix(b"label,start,length\n").expect("the header");
        assert_eq!(digest(rows), facts["table_sha256"], "{name}");
        assert_eq!(read(Format::Table, &table).with_shape(shape).unwrap(), runs);
    }
}

#[test]
fn every_row_of_the_science_bowl_is_read_with_the_right_runs() {
    let Some(folder) = data::folder() else { return };
    let bytes = fs::read(folder.join("dsb2018/stage1_train_rle.csv")).expect("the run file");
    let images = format::read_images(Format::Kaggle, &mut &bytes[..], &ReadOptions::default()).expect("a valid file");
    assert_eq!(images.len(), 664);
    assert_eq!(images.iter().map(|image| image.runs.labels().len()).sum::<usize>(), 28_986);
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("expected.json")).expect("expected.json")).expect("JSON");
    let mut checked = 0;
    for image in &images {
        let facts = &expected[format!("dsb2018/{}.tif", image.id)];
        if facts.is_null() {
            continue;
        }
        checked += 1;
        let table = write(Format::Table, &image.runs);
        // Two rows of that image overlap in 2 pixels, which the label map cannot hold.
        let same = digest(&table[b"label,start,length\n".len()..]) == facts["table_sha256"];
        assert_eq!(same, !image.id.starts_with("0a7d30b252"), "{}", image.id);
    }
    assert_eq!(checked, 40);
}

/// Writes down every object in the order of the file, as it was done with pycocotools for the answers below.
#[derive(Default)]
struct Lines {
    text: String,
    objects: u64,
    area: u64,
}

impl ObjectSink for Lines {
    fn image(&mut self, _: &Image<'_>) -> runmask::Result<()> {
        Ok(())
    }

    fn object(&mut self, object: &Object<'_>) -> runmask::Result<()> {
        let shape = object.shape.expect("COCO says");
        let id = object.label.map_or_else(|| "-".into(), |label| label.to_string());
        let category = object.category.expect("COCO says");
        self.text += &format!("{} {id} {category} {}x{}", object.image, shape.height, shape.width);
        for run in object.runs {
            self.text += &format!(" {} {}", run.start, run.length);
            self.area += run.length;
        }
        self.text.push('\n');
        self.objects += 1;
        Ok(())
    }
}

#[test]
fn coco_files_of_others_are_read_as_pycocotools_reads_them() {
    let Some(folder) = data::folder() else { return };
    for (name, objects, area, expected) in [
        (
            "coco_fakesegm100_results.json",
            734,
            7_766_804,
            "ddebdb78769cb01cb8eb6dd1af56549b179923359fecc0de9cb15bfd720852f6",
        ),
        (
            "coco_instances_val2014_100.json",
            839,
            9_144_836,
            "0f8bdd01026d95b385941a2094480a4e3da83ecde241585183c441eba2f21986",
        ),
        (
            "panoptic_coco_detection_format.json",
            50,
            493_779,
            "477509b8cb03d368ffc8767014415f5943bb2e31cf846ad9e28f3710d81d2d47",
        ),
    ] {
        let bytes = fs::read(folder.join("runs").join(name)).expect(name);
        let mut lines = Lines::default();
        format::read_objects(Format::Coco, &mut &bytes[..], &ReadOptions::new(), &mut lines).expect(name);
        assert_eq!((lines.objects, lines.area), (objects, area), "{name}");
        assert_eq!(digest(lines.text.as_bytes()), expected, "{name}");
    }
}

#[test]
fn compressed_counts_of_others_are_written_as_they_were() {
    let Some(folder) = data::folder() else { return };
    let bytes = fs::read(folder.join("runs/coco_fakesegm100_results.json")).expect("the file");
    let original: Vec<serde_json::Value> = serde_json::from_slice(&bytes).expect("JSON");
    let mut written = Vec::new();
    let options = WriteOptions::new().coco_form(CocoForm::Results);
    format::convert((Format::Coco, &mut &bytes[..], &ReadOptions::default()), (Format::Coco, &mut written, &options))
        .expect("the same format");
    let written: Vec<serde_json::Value> = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(written.len(), original.len());
    for (written, original) in written.iter().zip(&original) {
        for key in ["image_id", "category_id", "segmentation", "score"] {
            assert_eq!(written[key], original[key], "{key}");
        }
    }
}

#[test]
fn both_forms_of_one_mask_are_the_same_mask() {
    let Some(folder) = data::folder() else { return };
    let [numbers, text] = ["coco_rle.json", "scalabel_rle.json"]
        .map(|name| read(Format::Sam, &fs::read(folder.join("runs").join(name)).expect(name)));
    assert_eq!(numbers, text);
    assert_eq!((numbers.run_count(), numbers.area()), (745, 19_830));
}

#[test]
fn malformed_counts_have_the_listed_outcomes() {
    let Some(folder) = data::folder() else { return };
    let cases: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(folder.join("runs/malformed_rle_cases.json")).expect("the file"))
            .expect("JSON");
    assert_eq!(cases.len(), 6);
    for case in cases {
        let record = serde_json::json!({ "size": case["size"], "counts": case["counts"] }).to_string();
        let answer = format::read(Format::Sam, &mut record.as_bytes(), &ReadOptions::default());
        match answer {
            Ok(runs) => {
                assert_eq!(case["valid"], true, "{}", case["id"]);
                let area = case["pycocotools"].as_str().and_then(|text| text.rsplit(' ').next()).expect("an area");
                assert_eq!(runs.area().to_string(), area, "{}", case["id"]);
            }
            Err(error) => {
                assert_eq!(case["valid"], false, "{}: {error}", case["id"]);
                let text = error.to_string();
                let expected = match case["id"].as_str().expect("an id") {
                    "cocoapi589-doubled" => "found a sum of 261934795 (the text holds a doubled backslash",
                    "ppwwyyxx-invalid" => "a count from 0 to 2^64 - 1, found -",
                    "supervision-bad-char" => "at byte 0 of the counts a character from '0' to 'o', found \"!\"",
                    _ => "found a sum of 25",
                };
                assert!(text.contains(expected), "{}: {text}", case["id"]);
            }
        }
    }
}

#[test]
fn counts_of_zero_are_valid_wherever_they_stand() {
    for counts in ["[0,0,0,5,2]", "\"00052\"", "[0,2,0,3,2,0]", "[0,5,2,0,0,0]"] {
        let record = format!("{{\"size\":[1,7],\"counts\":{counts}}}");
        assert_eq!(read(Format::Sam, record.as_bytes()).get(1), Some(&[Run { start: 0, length: 5 }][..]), "{counts}");
    }
}

#[test]
fn vectors_from_other_suites_are_read_right() {
    let Some(folder) = data::folder() else { return };
    let vectors: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("runs/peer_vectors.json")).expect("the file")).expect("JSON");
    for key in ["coco_uncompressed", "coco_compressed"] {
        for vector in vectors[key].as_array().expect("a list") {
            let record = serde_json::json!({ "size": vector["size"], "counts": vector["counts"] }).to_string();
            let runs = read(Format::Sam, record.as_bytes());
            let rows: Vec<Vec<u64>> = serde_json::from_value(vector["mask"].clone()).expect("a mask");
            let mut pixels = vec![vec![0; rows[0].len()]; rows.len()];
            for (_, runs) in runs.iter() {
                for position in runs.iter().flat_map(|run| run.start..run.end()) {
                    let (row, column) = ScanOrder::ColumnMajor.row_column(position, shape_of(&rows));
                    pixels[row as usize][column as usize] = 1;
                }
            }
            assert_eq!(pixels, rows);
        }
    }
    // A stream of 18 values is no stream of pixels of four.
    let task = serde_json::json!([{ "id": 1, "annotations": [{ "result": [{
        "type": "brushlabels", "original_width": 4, "original_height": 1,
        "value": { "format": "rle", "rle": vectors["label_studio_brush"]["rle"] },
    }] }] }])
    .to_string();
    let error = format::read(Format::LabelStudio, &mut task.as_bytes(), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("a count of 4 x 4 values, found 18"), "{error}");
}

fn shape_of(rows: &[Vec<u64>]) -> Shape {
    Shape::new(rows.len() as u64, rows[0].len() as u64).expect("a small mask")
}

#[test]
fn masks_of_our_own_are_written_as_pycocotools_writes_them() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!("fixtures/coco_masks.json")).expect("JSON");
    let masks = fixture["masks"].as_array().expect("a list");
    assert_eq!(masks.len(), 118);
    for mask in masks {
        let shape = Shape::new(mask["size"][0].as_u64().unwrap(), mask["size"][1].as_u64().unwrap()).unwrap();
        let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
        builder.label(1).unwrap();
        for run in mask["runs"].as_array().unwrap() {
            builder.run(Run { start: run[0].as_u64().unwrap(), length: run[1].as_u64().unwrap() }).unwrap();
        }
        let runs = builder.finish();
        let written: serde_json::Value = serde_json::from_slice(&write(Format::Coco, &runs)).expect("JSON");
        let annotation = &written["annotations"][0];
        assert_eq!(annotation["segmentation"]["counts"], mask["counts"], "{}", mask["name"]);
        assert_eq!(annotation["area"], mask["area"], "{}", mask["name"]);
        assert_eq!(annotation["bbox"], mask["bbox"], "{}", mask["name"]);
        let record = serde_json::json!({ "size": mask["size"], "counts": mask["counts"] }).to_string();
        assert_eq!(read(Format::Sam, record.as_bytes()), runs, "{}", mask["name"]);
    }
}

#[test]
fn large_counts_are_written_as_pycocotools_writes_them() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!("fixtures/coco_masks.json")).expect("JSON");
    let large = fixture["large"].as_array().expect("a list");
    assert_eq!(large.len(), 20);
    for large in large {
        let [numbers, text] = ["numbers", "counts"].map(|counts| {
            let record = serde_json::json!({ "size": large["size"], "counts": large[counts] }).to_string();
            read(Format::Sam, record.as_bytes())
        });
        assert_eq!(numbers, text);
        let written: serde_json::Value = serde_json::from_slice(&write(Format::Coco, &numbers)).expect("JSON");
        assert_eq!(written["annotations"][0]["segmentation"]["counts"], large["counts"], "{}", large["numbers"]);
    }
}

#[test]
fn counts_that_pycocotools_reads_wrong_are_read_right() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!("fixtures/coco_masks.json")).expect("JSON");
    let limits = fixture["limit"].as_array().expect("a list");
    let boxes: Vec<&serde_json::Value> = limits.iter().map(|limit| &limit["pycocotools_bbox"]).collect();
    for limit in limits {
        let record =
            |counts: &serde_json::Value| serde_json::json!({ "size": limit["size"], "counts": counts }).to_string();
        let from_text = read(Format::Sam, record(&limit["counts"]).as_bytes());
        assert_eq!(from_text, read(Format::Sam, record(&limit["numbers"]).as_bytes()));
        let written: serde_json::Value = serde_json::from_slice(&write(Format::Coco, &from_text)).expect("JSON");
        assert_eq!(written["annotations"][0]["segmentation"]["counts"], limit["counts"]);
        assert_eq!(written["annotations"][0]["bbox"], *boxes[0]);
    }
    assert_ne!(boxes[0], boxes[1], "the second text is past the limit of pycocotools");
}

#[test]
fn the_notebook_with_its_defects_is_reproduced_byte_for_byte() {
    let Some(folder) = data::folder() else { return };
    let [correct, golden] = ["van0003_correct.csv", "van0003_golden_with_bug.csv"]
        .map(|name| fs::read(folder.join("hubmap").join(name)).expect(name));
    let shape = Shape { height: 18_484, width: 13_013 };
    let options = ReadOptions::new().shape(shape);
    let runs = format::read(Format::Hubmap, &mut &correct[..], &options).expect("a valid file");
    let mut bytes = Vec::new();
    let compat = WriteOptions::new().compat(Compat::Notebook);
    format::write(Format::Hubmap, &mut bytes, &runs, &compat).expect("runs of a mask");
    assert!(bytes == golden, "not the notebook's bytes");
    assert!(bytes != correct);
}

/// The mask of the test below: sparse labels, two of which overlap, one in one run over columns.
fn sparse() -> LabelRuns {
    let shape = Shape { height: 7, width: 11 };
    let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
    for (label, runs) in [(3, &[(0, 2), (6, 3), (70, 7)][..]), (70, &[(20, 21)]), (300, &[(22, 1), (39, 3), (50, 2)])] {
        builder.label(label).unwrap();
        for &(start, length) in runs {
            builder.run(Run { start, length }).unwrap();
        }
    }
    builder.finish()
}

/// Takes the remedy that a refusal names.
fn allow(remedy: Remedy, shape: Shape, read: &mut ReadOptions, write: &mut WriteOptions) {
    let old = write.clone();
    match remedy {
        Remedy::Renumber => *write = old.renumber(true),
        Remedy::DropAttributes => *write = old.drop_attributes(true),
        Remedy::DropEmptyLabels => *write = old.drop_empty_labels(true),
        Remedy::NumberCategory => *write = old.categories([(1, "object".into())]),
        Remedy::GiveShape => *read = read.clone().shape(shape),
        other => panic!("{other:?} is not the remedy of a conversion"),
    }
}

#[test]
fn every_ordered_pair_of_formats_converts_or_names_all_remedies_at_once() {
    let mask = sparse();
    let shape = mask.shape().unwrap();
    // Formats with their options for reading and writing: those with an open order in both, COCO in both forms.
    let mut kinds = Vec::new();
    for &format in Format::ALL {
        let held = format.capabilities();
        let order = |order| (ReadOptions::new().order(order), WriteOptions::new().order(order));
        kinds.push((format, order(None), false));
        if held.any_order {
            kinds.push((format, order(Some(ScanOrder::RowMajor)), false));
        }
        if format == Format::Coco {
            let results = WriteOptions::new().coco_form(CocoForm::Results);
            kinds.push((format, (ReadOptions::default(), results), true));
        }
    }
    let mut pairs = 0;
    for (from, (read_from, write_from), from_results) in &kinds {
        let mut source = Vec::new();
        let number = write_from.clone().renumber(true);
        let keep_labels = from.capabilities().any_labels && !from_results;
        let keep = if keep_labels { write_from } else { &number };
        match format::write(*from, &mut source, &mask, keep) {
            Err(runmask::Error::Unsupported(_)) => continue,
            answer => answer.unwrap(),
        }
        let known = read_from.clone().shape(shape);
        let original = format::read(*from, &mut &source[..], &known).unwrap();
        for (to, (read_to, write_to), to_results) in &kinds {
            let name = format!("{} to {}", from.name(), to.name());
            let (mut read, mut write) = (read_from.clone(), write_to.clone());
            let mut allowed = Vec::new();
            let mut target = Vec::new();
            // Height and width are asked for first; everything else that is lost is named at once.
            for attempt in 0..3 {
                target.clear();
                let answer = format::convert((*from, &mut &source[..], &read), (*to, &mut target, &write));
                let error = match answer {
                    Ok(warnings) => {
                        let lost = from.capabilities().holds_shape && !to.capabilities().holds_shape;
                        let expected = lost.then(|| Warning::LeftOut { format: to.name(), loss: Loss::Shape });
                        assert_eq!(warnings, expected.into_iter().collect::<Vec<_>>(), "{name}");
                        break;
                    }
                    Err(error) => error,
                };
                assert!(attempt < 2, "{name}: {error}, after {allowed:?}");
                match error {
                    runmask::Error::UnknownShape { .. } => {}
                    runmask::Error::CannotHold(_) => assert!(target.len() < 40, "{name}: half a file"),
                    other => panic!("{name}: {other}"),
                }
                for remedy in error.remedies() {
                    assert!(!allowed.contains(&remedy), "{name}: {error}, and it was");
                    allowed.push(remedy);
                    allow(remedy, shape, &mut read, &mut write);
                }
            }
            if target.is_empty() {
                continue;
            }
            pairs += 1;
            // Nothing more is asked for than what would be lost.
            let (a, b) = (from.capabilities(), to.capabilities());
            for remedy in &allowed {
                let right = match remedy {
                    Remedy::Renumber => !b.any_labels || *to_results,
                    Remedy::DropAttributes => false,
                    Remedy::DropEmptyLabels => *from == Format::Hubmap && !b.empty_labels,
                    Remedy::NumberCategory => *to == Format::Coco,
                    _ => !a.holds_shape,
                };
                assert!(right, "{name}: {remedy:?} was asked for");
            }
            let known = read_to.clone().shape(shape);
            let again = format::read(*to, &mut &target[..], &known).unwrap_or_else(|error| panic!("{name}: {error}"));
            let objects = |runs: &LabelRuns| {
                let runs = runs.to_order(ScanOrder::ColumnMajor).unwrap();
                let objects = runs.iter().filter(|(_, runs)| !runs.is_empty());
                objects.map(|(label, runs)| (label, runs.to_vec())).collect::<Vec<_>>()
            };
            let (mut before, after) = (objects(&original), objects(&again));
            if allowed.contains(&Remedy::Renumber) {
                for (place, object) in (1..).zip(&mut before) {
                    object.0 = place;
                }
            }
            assert_eq!(after, before, "{name} with {allowed:?}");
        }
    }
    assert!(pairs >= 12 * 12, "{pairs}");
}
