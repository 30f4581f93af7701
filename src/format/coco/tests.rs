use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{
    Format, JsonCounts, LargeCounts, ReadOptions, Warning, WriteOptions, convert, read, read_images, write,
};
use super::CocoForm;
use crate::error::{Error, Loss, Remedy};
use crate::runs::FillRule;
use crate::runs::testing::masks;
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
            r#"{"image_id":1,"segmentation":[[1,2,3,4,5,6]]}"#,
            "record 0: the polygons of image 1 are filled: height and width must be known",
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

/// A dataset or results of two images with ids that are texts, the second of which has no objects.
fn texts(form: CocoForm) -> String {
    let options = WriteOptions::new().coco_form(form).drop_empty_labels(true);
    let mut bytes = Vec::new();
    let file = b"id,rle\nslide,1 3\n7,2 2\nslide,9 1\nempty,\n";
    let read = ReadOptions::new().shape(Shape { height: 3, width: 4 });
    convert((Format::Kaggle, &mut &file[..], &read), (Format::Coco, &mut bytes, &options)).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn ids_of_images_are_numbers_and_texts_come_back() {
    let dataset = texts(CocoForm::Dataset);
    let value: serde_json::Value = serde_json::from_str(&dataset).unwrap();
    let images: Vec<_> = value["images"].as_array().unwrap().iter().map(|image| &image["id"]).collect();
    assert_eq!(images, [1, 7, 2]);
    let names: Vec<_> = value["images"].as_array().unwrap().iter().map(|image| &image["file_name"]).collect();
    assert_eq!(names, ["slide", "7", "empty"]);
    assert_eq!(
        dataset.matches("text_id").count(),
        3,
        "once for each image that needs it, and once for its annotations"
    );
    let results = texts(CocoForm::Results);
    assert!(
        !results.contains("bbox") && !results.contains("area"),
        "pycocotools takes a result with a box for the box"
    );
    // Both as they are written, and with the list of images in front.
    let mut turned = serde_json::Map::new();
    turned.insert("images".into(), value["images"].clone());
    turned.insert("annotations".into(), value["annotations"].clone());
    let turned = serde_json::to_string(&turned).unwrap();
    for (text, ids) in
        [(&dataset, &["slide", "7", "empty"][..]), (&turned, &["slide", "7", "empty"]), (&results, &["slide", "7"])]
    {
        let images = read_images(Format::Coco, &mut text.as_bytes(), &ReadOptions::default()).unwrap();
        let found: Vec<_> = images.iter().map(|image| image.id.as_str()).collect();
        let mut expected = ids.to_vec();
        expected.sort_unstable();
        let mut sorted = found.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{text}");
        let slide = images.iter().find(|image| image.id == "slide").unwrap();
        assert_eq!((slide.runs.labels().len(), slide.name.as_deref()), (2, None), "{text}");
    }
}

#[test]
fn an_invented_category_is_none_that_a_conversion_loses() {
    let to_table = |text: &str| {
        let read = ReadOptions::new().image("1".to_owned());
        convert((Format::Coco, &mut text.as_bytes(), &read), (Format::Table, &mut Vec::new(), &WriteOptions::new()))
    };
    let file = |category: u32, name: &str| {
        format!(
            "{{\"images\":[{{\"id\":1,\"file_name\":\"1.tif\",\"height\":1,\"width\":2}}],\"annotations\":[{{\"id\":1,\
             \"image_id\":1,\"category_id\":{category},\"segmentation\":{{\"size\":[1,2],\"counts\":[1,1]}}}}],\
             \"categories\":[{{\"id\":{category},\"name\":\"{name}\"}}]}}"
        )
    };
    assert_eq!(to_table(&file(1, "1")).unwrap(), [Warning::LeftOut { format: "table", loss: Loss::Shape }]);
    for (category, name, loss) in
        [(1, "cell", Loss::CategoryName { name: "cell".into() }), (2, "2", Loss::Category { image: "1".into() })]
    {
        let Err(Error::CannotHold(error)) = to_table(&file(category, name)) else { panic!("{name} was lost") };
        assert_eq!(error.losses, [loss]);
    }
    // Names of categories go from dataset to dataset.
    let mut bytes = Vec::new();
    let (read, write) = (ReadOptions::new(), WriteOptions::new());
    convert((Format::Coco, &mut file(2, "cell").as_bytes(), &read), (Format::Coco, &mut bytes, &write)).unwrap();
    assert!(String::from_utf8(bytes).unwrap().contains("{\"id\":2,\"name\":\"cell\"}"));
}

#[test]
fn one_name_for_the_category_of_every_object() {
    let shape = Shape { height: 2, width: 2 };
    let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
    builder.label(9).unwrap();
    builder.run(Run { start: 1, length: 2 }).unwrap();
    let runs = builder.finish();
    for (options, number) in [
        (WriteOptions::new(), 1),
        (WriteOptions::new().categories([(1, "other".into())]), 2),
        (WriteOptions::new().categories([(5, "nucleus".into())]), 5),
    ] {
        let mut bytes = Vec::new();
        write(Format::Coco, &mut bytes, &runs, &options.category("nucleus".to_owned())).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            (&value["annotations"][0]["id"], &value["annotations"][0]["category_id"]),
            (&9.into(), &number.into())
        );
        let named = serde_json::json!({ "id": number, "name": "nucleus" });
        assert!(value["categories"].as_array().unwrap().contains(&named), "{value}");
    }
}

#[test]
fn what_stands_twice_or_has_a_sign_is_refused() {
    let record = r#"{"id":1,"image_id":1,"segmentation":{"size":[1,1],"counts":[1]}}"#;
    for (text, message) in [
        (
            format!("{{\"annotations\":[{record}],\"annotations\":[]}}"),
            "every list once in the JSON of a coco file, found annotations again",
        ),
        (format!("{{\"images\":[],\"annotations\":[{record}],\"images\":[]}}"), "found images again"),
        (format!("[{}]", record.replace("\"id\":1", "\"id\":\"+1\"")), "expected a whole number as id, found \"+1\""),
        (format!("[{}]", record.replace("\"id\":1", "\"id\":1,\"id\":2")), "duplicate field `id`"),
    ] {
        let error = read(Format::Coco, &mut text.as_bytes(), &ReadOptions::default()).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

const POLYGONS: &str = r#"{"annotations":[
    {"id":5,"image_id":1,"category_id":3,"segmentation":[[1,1,3,1,3,3,1,3],[2,2,4,2,4,4,2,4]],"iscrowd":0},
    {"id":4,"image_id":1,"category_id":3,"segmentation":{"size":[5,6],"counts":[0,1,29]},"iscrowd":1},
    {"id":6,"image_id":2,"category_id":3,"segmentation":[[0,0.5,3,0,3,3]],"iscrowd":0},
    {"id":7,"image_id":2,"category_id":3,"segmentation":[],"iscrowd":0}],
    "images":[{"id":1,"height":5,"width":6},{"id":2,"height":3,"width":3}]}"#;

#[test]
fn polygons_are_filled_when_the_size_of_their_image_is_known() {
    let images = read_images(Format::Coco, &mut POLYGONS.as_bytes(), &ReadOptions::new()).unwrap();
    assert_eq!(images[0].runs.labels(), [4, 5]);
    // The union of two squares of 4 pixels that share one.
    assert_eq!(images[0].runs.get(5).unwrap().iter().map(|run| run.length).sum::<u64>(), 7);
    assert_eq!((images[1].runs.labels(), images[1].runs.area()), (&[6, 7][..], 6));
    let options = ReadOptions::new().fill_rule(FillRule::Centre);
    let centres = read_images(Format::Coco, &mut POLYGONS.as_bytes(), &options).unwrap();
    assert_eq!((centres[0].runs.area(), centres[1].runs.area()), (8, 6));
    // The order of the file is kept, whenever sizes become known.
    let options = ReadOptions::new().renumber(true);
    let images = read_images(Format::Coco, &mut POLYGONS.as_bytes(), &options).unwrap();
    assert_eq!((images[0].runs.get(1).unwrap().len(), images[0].runs.get(2).unwrap().len()), (3, 1));
    let (annotations, sizes) = POLYGONS.split_once("\"images\"").unwrap();
    let sizes_first =
        format!("{{\"images\"{},{}}}", sizes.trim_end_matches('}'), &annotations[1..annotations.rfind(',').unwrap()]);
    assert_eq!(read_images(Format::Coco, &mut sizes_first.as_bytes(), &options).unwrap()[0].runs, images[0].runs);
}

#[test]
fn polygons_of_an_image_without_a_size_are_named() {
    let unknown = POLYGONS.replace("{\"id\":2,\"height\":3,\"width\":3}", "{\"id\":2}");
    let error = read_images(Format::Coco, &mut unknown.as_bytes(), &ReadOptions::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "record 2 (id 6): the polygons of image 2 are filled: height and width must be known"
    );
    let given = ReadOptions::new().shape(Shape { height: 3, width: 3 }).image("2".to_owned());
    assert_eq!(read(Format::Coco, &mut unknown.as_bytes(), &given).unwrap().area(), 6);
    for (polygon, message) in [
        ("[[1,1,2,2]]", "record 0 (id 5), polygon 0, ring 0: expected three points that differ, found two"),
        ("[[1,1,2,2,3]]", "a defect: an odd number of coordinates"),
        ("[[]]", "record 0 (id 5), polygon 0, ring 0: expected three points that differ, found no point"),
        ("[1,1,2,2,3,3]", "expected a polygon: a list of numbers, x and y in turn"),
        ("[[1,1,2,2,1e300,3]]", "expected coordinates between -2^53 and 2^53"),
    ] {
        let bad = POLYGONS.replace("[[1,1,3,1,3,3,1,3],[2,2,4,2,4,4,2,4]]", polygon);
        let error = read_images(Format::Coco, &mut bad.as_bytes(), &ReadOptions::new()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}, not {message}");
    }
    // The size in a file is anybody's word: it does not allow more runs.
    let huge = POLYGONS
        .replace("\"height\":3,\"width\":3", "\"height\":4000000000,\"width\":4000000000")
        .replace("0,0.5,3,0,3,3", "0,1,4e9,1,4e9,2,0,2");
    let error = read_images(Format::Coco, &mut huge.as_bytes(), &ReadOptions::new()).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
}

proptest! {
    #[test]
    fn objects_without_holes_are_written_as_polygons_and_come_back(pixels in masks()) {
        let runs = pixels.encode(ScanOrder::ColumnMajor);
        let options = WriteOptions::new().counts(JsonCounts::Polygons).categories([(1, "cell".into())]);
        let mut bytes = Vec::new();
        write(Format::Coco, &mut bytes, &runs, &options).unwrap();
        let file: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let polygons = runs.polygons().unwrap();
        for (feature, annotation) in file["annotations"].as_array().unwrap().iter().enumerate() {
            let range = polygons.feature_offsets()[feature]..polygons.feature_offsets()[feature + 1];
            let holes = range.clone().any(|polygon| polygons.rings(polygon).len() > 1);
            prop_assert_eq!(annotation["segmentation"].is_object(), holes);
            if !holes {
                prop_assert_eq!(annotation["segmentation"].as_array().unwrap().len(), range.len());
            }
        }
        if !runs.labels().is_empty() {
            for rule in [None, Some(FillRule::Centre)] {
                let options = ReadOptions::new().fill_rule(rule);
                prop_assert_eq!(&read(Format::Coco, &mut &bytes[..], &options).unwrap(), &runs);
            }
        }
    }
}
