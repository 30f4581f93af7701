//! Every format, written and read again.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::samples::cut_into;
use super::*;
use crate::runs::{LabelRunsBuilder, Run};
use crate::shape::Shape;

/// The formats whose features are built in.
fn formats() -> impl Iterator<Item = Format> {
    Format::ALL.iter().copied().filter(|&format| {
        let runs = LabelRuns::empty(Some(Shape { height: 1, width: 1 }), ScanOrder::ColumnMajor);
        !matches!(write(format, &mut Vec::new(), &runs, &WriteOptions::default()), Err(Error::Unsupported(_)))
    })
}

/// Masks of a few objects, which may overlap, in either order: maximal runs.
fn mask() -> impl Strategy<Value = LabelRuns> {
    let object = prop::collection::vec((0_u64..9, 1_u64..25), 0..6);
    let order = prop_oneof![Just(ScanOrder::ColumnMajor), Just(ScanOrder::RowMajor)];
    (1_u32..14, 1_u32..14, order, prop::collection::vec(object, 0..5)).prop_map(|(height, width, order, objects)| {
        let shape = Shape { height, width };
        let mut builder = LabelRunsBuilder::new(Some(shape), order);
        for (label, steps) in (1..).zip(objects) {
            builder.label(label).expect("labels ascend");
            let mut end = 0;
            for (place, (gap, length)) in steps.into_iter().enumerate() {
                let run = Run { start: end + gap + u64::from(place > 0), length };
                if run.end() <= shape.pixels() {
                    builder.run(run).expect("runs ascend");
                    end = run.end();
                }
            }
        }
        builder.finish()
    })
}

/// `runs` as `format` keeps them: without empty labels where it has none, with all of them where it has a row for each.
fn kept(runs: &LabelRuns, format: Format) -> LabelRuns {
    let capabilities = format.capabilities();
    let runs = runs.to_order(ScanOrder::ColumnMajor).expect("a known shape");
    if format == Format::Hubmap {
        let mut builder = LabelRunsBuilder::new(runs.shape(), ScanOrder::ColumnMajor);
        for label in 1..=runs.labels().last().copied().unwrap_or(0) {
            builder.label(label).expect("labels ascend");
            for &run in runs.get(label).unwrap_or(&[]) {
                builder.run(run).expect("runs ascend");
            }
        }
        return builder.finish();
    }
    let mut builder = LabelRunsBuilder::new(runs.shape(), ScanOrder::ColumnMajor);
    let objects = runs.iter().filter(|(_, runs)| capabilities.empty_labels || !runs.is_empty());
    for (place, (label, object)) in (1..).zip(objects) {
        builder.label(if capabilities.any_labels { label } else { place }).expect("labels ascend");
        for &run in object {
            builder.run(run).expect("runs ascend");
        }
    }
    builder.finish()
}

fn options(format: Format) -> WriteOptions {
    let capabilities = format.capabilities();
    WriteOptions {
        drop_empty_labels: !capabilities.empty_labels,
        renumber: !capabilities.any_labels,
        // What masks are called where a format must have a name for their category.
        categories: if format.name() == "coco" { BTreeMap::from([(1, "object".to_owned())]) } else { BTreeMap::new() },
        ..WriteOptions::default()
    }
}

/// The file of `runs`.
fn written(format: Format, runs: &LabelRuns) -> Vec<u8> {
    let mut bytes = Vec::new();
    let answer = write(format, &mut bytes, runs, &options(format));
    answer.unwrap_or_else(|error| panic!("{}: {error}", format.name()));
    bytes
}

proptest! {
    #[test]
    fn a_mask_comes_back_from_every_format(runs in mask(), cut in 1_usize..9) {
        for format in formats() {
            let bytes = written(format, &runs);
            let given = ReadOptions { shape: runs.shape(), ..ReadOptions::default() };
            let again = read(format, &mut cut_into(&bytes, cut), &given);
            // A file without objects may lack an image to read.
            if again.is_err() && runs.labels().is_empty() {
                continue;
            }
            let again = again.expect("a valid file").to_order(ScanOrder::ColumnMajor).expect("a known shape");
            prop_assert_eq!(again, kept(&runs, format), "{}", format.name());
        }
    }

    #[test]
    fn many_images_come_back_object_by_object(masks in prop::collection::vec(mask(), 1..4)) {
        for format in formats().filter(|format| format.capabilities().many_images) {
            let options = WriteOptions { renumber: true, ..options(format) };
            let mut bytes = Vec::new();
            let mut sink = object_writer(format, &mut bytes, &options).unwrap();
            for (id, runs) in masks.iter().enumerate() {
                objects::push_objects(runs, &format!("{}", id + 1), None, &mut *sink).expect("a valid file");
            }
            sink.finish().unwrap();
            drop(sink);
            let images = read_images(format, &mut bytes.as_slice(), &ReadOptions { renumber: true, ..Default::default() })
                .expect("a valid file");
            prop_assert_eq!(images.len(), masks.len());
            for (id, runs) in (1..).zip(&masks) {
                // An image without objects may come after the others.
                let image = images.iter().find(|image| image.id == format!("{id}")).expect("every image");
                let given = image.runs.clone().with_shape(runs.shape().unwrap()).unwrap();
                let mut expected = kept(runs, format);
                if given.labels().is_empty() {
                    prop_assert!(expected.labels().is_empty());
                    continue;
                }
                expected.labels = (1..=expected.labels.len() as u64).collect();
                // Formats that leave the order open were written column-major.
                prop_assert_eq!(given.to_order(ScanOrder::ColumnMajor).unwrap(), expected, "{}", format.name());
            }
        }
    }

    #[test]
    fn damage_never_panics_and_the_cut_never_matters(
        runs in mask(), place in any::<prop::sample::Index>(), byte in any::<u8>(), length in any::<prop::sample::Index>(),
    ) {
        for format in formats() {
            let mut bytes = written(format, &runs);
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
                bytes.truncate(length.index(bytes.len() * 4).max(place + 1));
            }
            let options = ReadOptions::default();
            let whole = read(format, &mut bytes.as_slice(), &options).map_err(|error| error.to_string());
            let cut = read(format, &mut cut_into(&bytes, 1), &options).map_err(|error| error.to_string());
            prop_assert_eq!(whole, cut, "{}", format.name());
        }
    }

    #[test]
    fn every_pair_of_formats_converts(runs in mask()) {
        for from in formats() {
            let bytes = written(from, &runs);
            for to in formats() {
                let write_options = WriteOptions { drop_shape: true, drop_attributes: true, ..options(to) };
                let read_options = ReadOptions { shape: runs.shape(), ..ReadOptions::default() };
                let mut converted = Vec::new();
                let answer = convert(
                    (from, &mut bytes.as_slice(), &read_options),
                    (to, &mut converted, &write_options),
                );
                if answer.is_err() && runs.labels().is_empty() {
                    continue;
                }
                answer.unwrap_or_else(|error| panic!("{} to {}: {error}", from.name(), to.name()));
                let again = read(to, &mut converted.as_slice(), &read_options);
                if again.is_err() && runs.run_count() == 0 {
                    continue;
                }
                let again = again.unwrap_or_else(|error| panic!("{} to {}: {error}", from.name(), to.name()));
                prop_assert_eq!(
                    again.to_order(ScanOrder::ColumnMajor).unwrap(),
                    kept(&kept(&runs, from), to),
                    "{} to {}", from.name(), to.name()
                );
            }
        }
    }
}

#[test]
fn every_format_has_a_name_of_its_own() {
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(*format));
    }
    assert_eq!(Format::from_path(Path::new("a/slide.CSV")), Some(Format::Hubmap));
    #[cfg(feature = "json")]
    assert_eq!(Format::from_path(Path::new("a/slide.json")), Some(Format::Coco));
    assert_eq!(Format::from_path(Path::new("a/slide")), None);
}

#[test]
fn what_a_target_cannot_hold_is_an_error_or_dropped_on_request() {
    let shape = Some(Shape { height: 4, width: 4 });
    let mut builder = LabelRunsBuilder::new(shape, ScanOrder::ColumnMajor);
    builder.label(7).unwrap();
    builder.run(Run { start: 1, length: 2 }).unwrap();
    let runs = builder.finish();
    let strict = WriteOptions::default();
    for format in formats().filter(|format| !format.capabilities().any_labels) {
        let error = write(format, &mut Vec::new(), &runs, &strict).unwrap_err();
        assert_eq!(error.remedies(), [Remedy::Renumber], "{format}: {error}");
    }
    for format in formats().filter(|format| format.capabilities().needs_shape) {
        let mut unknown = runs.clone();
        unknown.shape = None;
        let renumber = WriteOptions { renumber: true, ..WriteOptions::default() };
        let error = write(format, &mut Vec::new(), &unknown, &renumber).unwrap_err();
        assert!(matches!(error, Error::UnknownShape { .. }), "{format}: {error}");
    }
    for from in formats().filter(|format| format.capabilities().holds_shape) {
        let mut bytes = Vec::new();
        write(from, &mut bytes, &runs, &WriteOptions { renumber: true, ..WriteOptions::default() }).unwrap();
        let read_options = ReadOptions::default();
        let mut table = Vec::new();
        let from_file = (from, &mut bytes.as_slice() as &mut dyn BufRead, &read_options);
        let warnings = convert(from_file, (Format::Table, &mut table, &strict)).unwrap();
        assert_eq!(warnings, [Warning::LeftOut { format: "table", loss: Loss::Shape }], "{from}");
        assert_eq!(warnings[0].remedies(), [Remedy::DropShape]);
        let given = WriteOptions::new().drop_shape(true);
        let from_file = (from, &mut bytes.as_slice() as &mut dyn BufRead, &read_options);
        assert_eq!(convert(from_file, (Format::Table, &mut table, &given)).unwrap(), []);
        assert!(table.starts_with(b"label,start,length\n"), "{}", from.name());
    }
}
