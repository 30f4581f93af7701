use super::super::{Format, ReadOptions, Warning, WriteOptions, convert, fits, read, read_images, write};
use crate::error::{Error, Loss, Remedy};
use crate::format::samples::runs_of;
use crate::runs::LabelRuns;
use crate::shape::{ScanOrder, Shape};

fn parse(format: Format, text: &str, options: &ReadOptions) -> crate::Result<LabelRuns> {
    read(format, &mut text.as_bytes(), options)
}

fn written(format: Format, runs: &LabelRuns, options: &WriteOptions) -> crate::Result<String> {
    let mut bytes = Vec::new();
    write(format, &mut bytes, runs, options)?;
    Ok(String::from_utf8(bytes).expect("text"))
}

#[test]
fn the_row_major_example_of_sartorius() {
    let order = Some(ScanOrder::RowMajor);
    let runs =
        parse(Format::Kaggle, "id,annotation\na,11 5 19 5\n", &ReadOptions { order, ..Default::default() }).unwrap();
    assert_eq!((runs.order(), runs.get(1).unwrap()[0].start), (ScanOrder::RowMajor, 10));
    let header = Some("id,annotation".to_owned());
    let options = WriteOptions { order, header, image: Some("a".into()), ..Default::default() };
    assert_eq!(written(Format::Kaggle, &runs, &options).unwrap(), "id,annotation\na,11 5 19 5\n");
}

#[test]
fn rows_of_an_image_are_its_objects_and_blank_rows_are_images_without_any() {
    let file = "ImageId,EncodedPixels\na,1 3\nb,\na,2 2 9 1\n\"c,d\",-1\n";
    let images = read_images(Format::Kaggle, &mut file.as_bytes(), &ReadOptions::default()).unwrap();
    let ids: Vec<&str> = images.iter().map(|image| image.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c,d"]);
    assert_eq!(images[0].runs, runs_of(&[(1, &[(0, 3)]), (2, &[(1, 2), (8, 1)])]));
    assert_eq!(images[1].runs, runs_of(&[]));
}

#[test]
fn fields_in_quotes_go_on_in_the_next_line() {
    let file = "\"ImageId\",\"EncodedPixels\"\r\n\"a\nb\",\"1 3\r\n10 5\n\n 20 1\n\"\r\n\"say \"\"c\"\"\",\"\"\n";
    let images = read_images(Format::Kaggle, &mut file.as_bytes(), &ReadOptions::default()).unwrap();
    assert_eq!(images[0].id, "a\nb");
    assert_eq!(images[0].runs, runs_of(&[(1, &[(0, 3), (9, 5), (19, 1)])]));
    assert_eq!((images[1].id.as_str(), images[1].runs.labels().len()), ("say \"c\"", 0));
    let mut written = Vec::new();
    let (from, to) = (ReadOptions::default(), WriteOptions::default());
    convert((Format::Kaggle, &mut file.as_bytes(), &from), (Format::Kaggle, &mut written, &to)).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), "id,rle\n\"a\nb\",1 3 10 5 20 1\n\"say \"\"c\"\"\",\n");
    let gaps = "ImageId,EncodedPixels\na,\"0 3\n6 5\r\n5 1\"\n";
    assert_eq!(parse(Format::Siim, gaps, &from).unwrap(), runs_of(&[(1, &[(0, 3), (9, 5), (19, 1)])]));
}

#[test]
fn a_space_after_each_comma_as_in_the_files_of_siim() {
    let file = "ImageId, EncodedPixels\na, -1\nb, 0 3 5 2\n";
    let images = read_images(Format::Siim, &mut file.as_bytes(), &ReadOptions::default()).unwrap();
    assert_eq!(images[1].runs, runs_of(&[(1, &[(0, 3), (8, 2)])]));
    let two = parse(Format::Siim, "ImageId, EncodedPixels\nb,  0 3\n", &ReadOptions::default()).unwrap_err();
    assert!(two.to_string().starts_with("line 2, column 4: expected a gap (digits)"), "{two}");
}

#[test]
fn a_header_with_sides_and_classes_keeps_them() {
    let file = "class,Height,id,rle,Width\nnucleus,2,a,5 2,3\n,2,b,,3\n";
    let header = Some("class,Height,id,rle,Width".to_owned());
    let to = WriteOptions { header, ..WriteOptions::default() };
    let mut written = Vec::new();
    let from = ReadOptions::default();
    convert((Format::Kaggle, &mut file.as_bytes(), &from), (Format::Kaggle, &mut written, &to)).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), file);
    let plain = WriteOptions::default();
    let mut sink = Vec::new();
    let error =
        convert((Format::Kaggle, &mut file.as_bytes(), &from), (Format::Kaggle, &mut sink, &plain)).unwrap_err();
    assert_eq!(error.remedies(), [Remedy::DropAttributes], "{error}");
    let plain = plain.drop_attributes(true);
    sink.clear();
    let warnings = convert((Format::Kaggle, &mut file.as_bytes(), &from), (Format::Kaggle, &mut sink, &plain)).unwrap();
    assert_eq!(warnings, [Warning::LeftOut { format: "kaggle", loss: Loss::Shape }]);
    assert_eq!(sink, b"id,rle\na,5 2\nb,\n");
    let plain = plain.drop_shape(true);
    let warnings = convert((Format::Kaggle, &mut file.as_bytes(), &from), (Format::Kaggle, &mut sink, &plain)).unwrap();
    assert_eq!(warnings, []);
    let error = written_of_unknown_shape(&to).unwrap_err();
    assert!(error.to_string().contains("height and width"), "{error}");
    for header in ["id,rle,Height", "id,id,rle", "rle", "id,rle,Mask", "id,rle,other"] {
        let to = WriteOptions { header: Some(header.into()), ..WriteOptions::default() };
        assert!(written_of_unknown_shape(&to).unwrap_err().to_string().contains("the header"), "{header}");
    }
}

fn written_of_unknown_shape(options: &WriteOptions) -> crate::Result<String> {
    written(Format::Kaggle, &runs_of(&[(1, &[(0, 3)])]), options)
}

#[test]
fn the_base_and_the_gaps() {
    let runs = runs_of(&[(1, &[(0, 3), (8, 2)])]);
    let zero = ReadOptions { base: Some(0), ..ReadOptions::default() };
    assert_eq!(parse(Format::Kaggle, "id,rle\na,0 3 8 2\n", &zero).unwrap(), runs);
    assert_eq!(parse(Format::Kaggle, "id,rle\na,1 3 9 2\n", &ReadOptions::default()).unwrap(), runs);
    let relative = "ImageId,EncodedPixels\n1,0 3 5 2\n";
    assert_eq!(parse(Format::Siim, relative, &ReadOptions::default()).unwrap(), runs);
    assert_eq!(written(Format::Siim, &runs, &WriteOptions::default()).unwrap(), relative);
    let base = WriteOptions { base: Some(0), ..WriteOptions::default() };
    assert_eq!(written(Format::Kaggle, &runs, &base).unwrap(), "id,rle\n1,0 3 8 2\n");
    assert_eq!(
        written(Format::Siim, &runs_of(&[]), &WriteOptions::default()).unwrap(),
        "ImageId,EncodedPixels\n1,-1\n"
    );
}

#[test]
fn a_union_is_one_row() {
    let runs = runs_of(&[(3, &[(0, 3), (20, 2)]), (9, &[(2, 4), (6, 1), (22, 1)]), (10, &[])]);
    let union = WriteOptions { union: true, ..WriteOptions::default() };
    assert_eq!(written(Format::Kaggle, &runs, &union).unwrap(), "id,rle\n1,1 7 21 3\n");
}

#[test]
fn what_a_row_cannot_hold_is_refused() {
    let strict = WriteOptions::default();
    for runs in [runs_of(&[(2, &[(0, 1)])]), runs_of(&[(1, &[])]), runs_of(&[(1, &[(u64::MAX - 1, 1)]), (3, &[])])] {
        let error = written(Format::Kaggle, &runs, &strict).unwrap_err();
        assert!(matches!(error, Error::CannotHold(_)), "{error}");
    }
    let error = written(Format::Kaggle, &runs_of(&[(1, &[]), (3, &[(1, 1)])]), &strict).unwrap_err();
    assert_eq!(error.remedies(), [Remedy::DropEmptyLabels, Remedy::Renumber], "all at once: {error}");
    let far = WriteOptions { base: Some(2), ..WriteOptions::default() };
    let error = written(Format::Kaggle, &runs_of(&[(1, &[(u64::MAX - 1, 1)])]), &far).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
    let header = WriteOptions { header: Some("id,pixels,class,what".into()), ..WriteOptions::default() };
    assert!(matches!(written(Format::Kaggle, &runs_of(&[]), &header), Err(Error::Argument(_))));
}

#[test]
fn defects_are_named_with_their_place() {
    for (format, text, message) in [
        (Format::Kaggle, "id,rle\na,0 3\n", "line 2, column 3: expected a start of at least 1, found 0"),
        (Format::Kaggle, "id,rle\na,1 3,x\n", "line 2, column 1: expected 2 fields, found 3"),
        (
            Format::Kaggle,
            "id,rle\n,1 3\n",
            "line 2, column 1: expected the name of an image, found the end of the field",
        ),
        (Format::Kaggle, "id,rle\na,1 3 \n", "line 2, column 7: expected a start (digits), found the end of the field"),
        (
            Format::Kaggle,
            "id,rle,plate\na,1 3,4\n",
            "line 1, column 8: expected columns like id,rle, found the column \"plate\"",
        ),
        (Format::Kaggle, "id,rle,RLE\n", "line 1, column 8: expected a column once, found \"RLE\" again"),
        (
            Format::Kaggle,
            "id,rle\n\"a,1 3\n",
            "line 2, column 1: expected a double quote that ends this field, found the end of the file",
        ),
        (
            Format::Kaggle,
            "id,rle\na,\"1 3\n\n3 1\"\n",
            "line 4, column 1: expected a start of at least 4, where the run before ends (runs ascend without overlap), found 3",
        ),
        (
            Format::Kaggle,
            "id,rle\na,\"1 3\n9\"\n",
            "line 3, column 1: expected pairs of start and length, found a start without a length at the end of the field",
        ),
        (
            Format::Kaggle,
            "id,rle\na,\"1 3 \"\"9 1\"\n",
            "line 2, column 8: expected numbers and words without double quotes, found \"\\\"\\\"9 1\"",
        ),
        (Format::Kaggle, "id,rle\na,1 3\n9 1\n", "line 3, column 1: expected 2 fields, found 1"),
        (
            Format::Siim,
            "ImageId, EncodedPixels\na, \"1 3\"\n",
            "line 2, column 4: expected a field without double quotes, or all in them, found \"\\\"1 3\\\"\"",
        ),
        (
            Format::Kaggle,
            "glom,pixels\n",
            "line 1, column 1: expected the header id,rle, found \"glom,pixels\", which looks like hubmap",
        ),
        (
            Format::Siim,
            "ImageId,EncodedPixels\na,18446744073709551615 1\n",
            "line 2, column 24: expected a run that ends before position 2^64, found 1 pixels from 18446744073709551615",
        ),
    ] {
        assert_eq!(parse(format, text, &ReadOptions::default()).unwrap_err().to_string(), message, "{text:?}");
    }
    let sized = "ImageId,Height,Width,EncodedPixels\na,2,3,5 2\n";
    let runs = parse(Format::Kaggle, sized, &ReadOptions::default()).unwrap();
    assert_eq!(runs.shape(), Some(Shape { height: 2, width: 3 }));
    let error = parse(Format::Kaggle, &sized.replace("5 2", "5 3"), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("a run inside the mask (height 2 x width 3, 6 pixels)"), "{error}");
}

#[test]
fn a_shape_given_for_one_image_is_not_asked_of_the_others() {
    let bytes = b"id,rle\nA,1 3 10 2\nB,90 5\n";
    let sided = b"id,rle,height,width\nA,1 3 10 2,5,5\nB,90 5,20,20\n";
    let shape = Some(Shape { height: 5, width: 5 });
    for bytes in [&bytes[..], sided] {
        let options = ReadOptions { shape, image: Some("A".into()), ..ReadOptions::default() };
        let runs = read(Format::Kaggle, &mut &bytes[..], &options).unwrap();
        assert_eq!((runs.shape(), runs.area()), (shape, 5));
        let options = ReadOptions { image: Some("B".into()), ..options };
        assert!(read(Format::Kaggle, &mut &bytes[..], &options).is_err());
    }
}

#[test]
fn tables_of_dataframes_are_read() {
    let expected = runs_of(&[(1, &[(0, 3)]), (2, &[(8, 2)])]);
    let plain = ReadOptions::new();
    for text in [
        // An index in front, without a name and with the one that pandas reads back.
        ",id,rle\n0,a,1 3\n1,a,9 2\n",
        "Unnamed: 0,id,rle\n0,a,1 3\n1,a,9 2\n",
        // Other separators.
        "id\trle\na\t1 3\na\t9 2\n",
        "id;rle\r\na;1 3\r\na;9 2\r\n",
        "\"id\";\"rle\"\n\"a\";\"1 3\"\n\"a\";9 2\n",
    ] {
        assert_eq!(parse(Format::Kaggle, text, &plain).unwrap(), expected, "{text}");
        assert_eq!(fits(text.as_bytes()), [Format::Kaggle], "{text}");
    }
    let images = read_images(Format::Kaggle, &mut &b"id,rle\na,nan\nb,NaN\nc,1 2\n"[..], &plain).unwrap();
    assert_eq!(images.iter().map(|image| image.runs.area()).collect::<Vec<_>>(), [0, 0, 2]);
    // A column of another name is asked for, and may be named.
    let other = "slide,id,pixels_of\nx,a,1 3\ny,a,9 2\n";
    let error = parse(Format::Kaggle, other, &plain).unwrap_err();
    assert_eq!(error.remedies(), [Remedy::NameColumns], "{error}");
    let named = |header: &str| ReadOptions::new().header(header.to_owned());
    let error = parse(Format::Kaggle, other, &named("id,pixels_of")).unwrap_err();
    assert_eq!(error.remedies(), [Remedy::IgnoreColumns], "{error}");
    let ignore = named("id, pixels_of").ignore_columns(true);
    assert_eq!(parse(Format::Kaggle, other, &ignore).unwrap(), expected);
    for wrong in ["id", "id,", "id,id", "a,b,c", ""] {
        assert!(matches!(parse(Format::Kaggle, other, &named(wrong)), Err(Error::Argument(_))), "{wrong}");
    }
    let error = parse(Format::Kaggle, other, &named("id,mask")).unwrap_err();
    assert!(error.to_string().contains("the columns \"id\" and \"mask\", as was said"), "{error}");
}

#[test]
fn a_record_of_many_fields_takes_no_memory_for_them() {
    let text = format!("id,rle\n{}\n", ",".repeat(1_000_000));
    let error = parse(Format::Kaggle, &text, &ReadOptions::new()).unwrap_err();
    assert!(error.to_string().contains("expected at most 66 fields, found more"), "{error}");
}

#[test]
fn two_columns_may_have_any_names() {
    let runs = runs_of(&[(1, &[(0, 3)])]);
    let write = |header: &str| {
        let options = WriteOptions { header: Some(header.to_owned()), image: Some("a".into()), ..Default::default() };
        written(Format::Kaggle, &runs, &options)
    };
    assert_eq!(write("id,predicted_mask").unwrap(), "id,predicted_mask\na,1 3\n");
    assert_eq!(write("slide,what").unwrap(), "slide,what\na,1 3\n");
    assert_eq!(write("rle,slide").unwrap(), "rle,slide\n1 3,a\n");
    assert_eq!(write("what,id").unwrap(), "what,id\n1 3,a\n");
    for wrong in ["id", "id,", "id,id", "rle,rle", "id,height", "a,b,c", "id,\"x\"", "id,x\ny"] {
        assert!(matches!(write(wrong), Err(Error::Argument(_))), "{wrong}");
    }
}
