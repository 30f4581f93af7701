//! Run files of others, read and written.

mod data;

use std::fs;

use runmask::format::{self, Format, ReadOptions, WriteOptions};
use runmask::{LabelRuns, Shape};
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
        let options = ReadOptions { shape: Some(shape), ..ReadOptions::default() };
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
