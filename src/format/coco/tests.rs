use std::collections::BTreeMap;

use super::super::{Format, LargeCounts, ReadOptions, WriteOptions, convert, read, read_images, write};
use crate::error::{Error, Loss, Remedy};
use crate::runs::{LabelRunsBuilder, Run};
use crate::shape::{ScanOrder, Shape};

const TWO_IMAGES: &str = r#"{"annotations":[
    {"id":7,"image_id":2,"category_id":3,"segmentation":{"size":[4,4],"counts":"52203"},"iscrowd":0},
    {"id":8,"image_id":1,"category_id":3,"segmentation":{"counts":[0,4],"size":[2,2]},"iscrowd":1}],
    "images":[{"id":1,"file_name":"a.png","height":2,"width":2},{"id":2,"height":4,"width":4},{"id":3}]}"#;

#[test]
fn images_may_follow_the_annotations() {
    let images = read_images(Format::Coco, &mut TWO_IMAGES.as_bytes(), &ReadOptions::default()).unwrap();
    let found: Vec<_> = images.iter().map(|image| (image.id.as_str(), image.runs.labels())).collect();
    assert_eq!(found, [("2", &[7][..]), ("1", &[8]), ("3", &[])]);
    assert_eq!((images[1].name.as_deref(), images[1].attributes[0].crowd), (Some("a.png"), true));
    let options = ReadOptions { image: Some("1".into()), ..ReadOptions::default() };
    assert_eq!(read(Format::Coco, &mut TWO_IMAGES.as_bytes(), &options).unwrap().area(), 4);
    let error = read(Format::Coco, &mut TWO_IMAGES.as_bytes(), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("3 images"), "{error}");
}

#[test]
fn a_dataset_comes_back_as_it_was() {
    let mut written = Vec::new();
    let options = WriteOptions { categories: BTreeMap::from([(3, "cell".into())]), ..WriteOptions::default() };
    convert(
        (Format::Coco, &mut TWO_IMAGES.as_bytes(), &ReadOptions::default()),
        (Format::Coco, &mut written, &options),
    )
    .unwrap();
    let again = read_images(Format::Coco, &mut written.as_slice(), &ReadOptions::default()).unwrap();
    assert_eq!(again, read_images(Format::Coco, &mut TWO_IMAGES.as_bytes(), &ReadOptions::default()).unwrap());
    assert!(String::from_utf8(written).unwrap().contains(r#"{"id":3,"name":"cell"}"#));
}

#[test]
fn defects_are_named_by_record() {
    let dataset = |annotation: &str| format!("{{\"annotations\":[{annotation}]}}");
    for (annotation, message) in [
        (r#"{"id":1,"segmentation":{"size":[1,1],"counts":[1]}}"#, "record 0 (id 1): expected an image_id, found none"),
        (
            r#"{"id":1,"image_id":1,"segmentation":{"size":[2,2],"counts":[1,2]}}"#,
            "record 0 (id 1): expected counts that sum to 4 (height 2 x width 2), found a sum of 3",
        ),
        (
            r#"{"image_id":1,"segmentation":[[1,2,3,4]]}"#,
            "record 0: expected a mask of size and counts, found polygons",
        ),
        (r#"{"image_id":1,"segmentation":{"size":[2,2],"counts":[1,-2]}}"#, "invalid value: integer `-1`"),
    ] {
        let error = read(Format::Coco, &mut dataset(annotation).as_bytes(), &ReadOptions::default()).unwrap_err();
        let message = message.replace("integer `-1`", "integer `-2`");
        assert!(error.to_string().contains(&message), "{error}");
    }
    let twice = r#"{"id":1,"image_id":1,"segmentation":{"size":[1,1],"counts":[1]}}"#;
    let error =
        read(Format::Coco, &mut dataset(&format!("{twice},{twice}")).as_bytes(), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("a number of its own"), "{error}");
    for text in ["", "{}", "[1]", "{\"annotations\":[", "[] x", "\"a\""] {
        let error = read(Format::Coco, &mut text.as_bytes(), &ReadOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Format(_)), "{text}: {error}");
    }
}

#[test]
fn counts_past_32_bits_are_refused_split_or_kept() {
    let shape = Shape { height: 100_000, width: 100_000 };
    let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
    builder.label(1).unwrap();
    builder.run(Run { start: 5_000_000_000, length: 4_400_000_000 }).unwrap();
    let runs = builder.finish();
    let strict = write(Format::Coco, &mut Vec::new(), &runs, &WriteOptions::default());
    let error = strict.unwrap_err();
    assert_eq!(error.remedies(), [Remedy::SplitCounts, Remedy::KeepCounts]);
    let Error::CannotHold(lost) = error else { panic!("{error}") };
    assert_eq!(lost.losses, [Loss::LargeCount { count: 5_000_000_000 }]);
    for large_counts in [LargeCounts::Split, LargeCounts::Keep] {
        let mut bytes = Vec::new();
        write(Format::Coco, &mut bytes, &runs, &WriteOptions { large_counts, ..WriteOptions::default() }).unwrap();
        assert_eq!(read(Format::Coco, &mut bytes.as_slice(), &ReadOptions::default()).unwrap(), runs);
    }
}

#[test]
fn a_shape_given_for_one_image_is_not_asked_of_the_others() {
    let record = |image: u32, height: u32| {
        format!("{{\"image_id\":{image},\"segmentation\":{{\"size\":[{height},2],\"counts\":[1,{}]}}}}", 2 * height - 1)
    };
    let bytes = format!("[{},{}]", record(1, 5), record(2, 7));
    let options = ReadOptions { shape: Some(Shape { height: 7, width: 2 }), ..ReadOptions::default() };
    let wanted = |image: &str| ReadOptions { image: Some(image.into()), ..options.clone() };
    assert_eq!(read(Format::Coco, &mut bytes.as_bytes(), &wanted("2")).unwrap().area(), 13);
    assert!(read(Format::Coco, &mut bytes.as_bytes(), &wanted("1")).is_err());
    assert!(read(Format::Coco, &mut bytes.as_bytes(), &options).is_err());
}
