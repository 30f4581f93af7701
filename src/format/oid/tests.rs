use super::super::{Format, ReadOptions, WriteOptions, read, read_images, write};
use super::*;
use crate::runs::{LabelRuns, LabelRunsBuilder};

/// A file of one row, whose mask is `counts` in compressed text.
fn row(sides: (u32, u32), text: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(text).unwrap();
    let packed = STANDARD.encode(zlib.finish().unwrap());
    format!("ImageID,ImageWidth,ImageHeight,PredictionString\na,{},{},0 1.0 {packed}\n", sides.0, sides.1).into_bytes()
}

fn runs_of(bytes: &[u8]) -> Result<LabelRuns> {
    read(Format::Oid, &mut &bytes[..], &ReadOptions::default())
}

#[test]
fn a_text_longer_than_a_piece_is_read() {
    // Every other pixel of 300000: counts of 1, differences of 0.
    let shape = Shape { height: 1000, width: 300 };
    let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
    builder.label(1).unwrap();
    for start in 0..150_000 {
        builder.run(Run { start: 2 * start + 1, length: 1 }).unwrap();
    }
    let runs = builder.finish();
    let mut bytes = Vec::new();
    write(Format::Oid, &mut bytes, &runs, &WriteOptions::default()).unwrap();
    assert!(bytes.len() < 1000, "{}", bytes.len());
    assert_eq!(runs_of(&bytes).unwrap(), runs);
}

#[test]
fn a_text_that_inflates_to_much_more_than_the_file_is_bounded() {
    // Counts of 0 make no runs, and no memory is taken for them.
    let error = runs_of(&row((u32::MAX, u32::MAX), &[b'0'; 20_000_000])).unwrap_err();
    assert!(error.to_string().contains("found a sum of 0"), "{error}");
    // Counts of 1 do: the first two, and differences of 0 to them.
    let mut text = vec![b'0'; 20_000_000];
    text[..3].fill(b'1');
    let error = runs_of(&row((u32::MAX, u32::MAX), &text)).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
}

#[test]
fn a_shape_given_for_one_image_is_not_asked_of_the_others() {
    let small = b"ID,PredictionString\n";
    let mut bytes = small.to_vec();
    for (id, shape) in [("a", Shape { height: 2, width: 3 }), ("b", Shape { height: 40, width: 50 })] {
        let mut builder = LabelRunsBuilder::new(Some(shape), ScanOrder::ColumnMajor);
        builder.label(1).unwrap();
        builder.run(Run { start: shape.pixels() - 2, length: 1 }).unwrap();
        let mut file = Vec::new();
        let options = WriteOptions { image: Some(id.into()), ..WriteOptions::default() };
        write(Format::Oid, &mut file, &builder.finish(), &options).unwrap();
        let text = String::from_utf8(file).unwrap();
        let fields: Vec<_> = text.lines().nth(1).unwrap().split(',').collect();
        bytes.extend_from_slice(format!("{},{}\n", fields[0], fields[3]).as_bytes());
    }
    for (id, shape, start) in [("a", Shape { height: 2, width: 3 }, 4), ("b", Shape { height: 40, width: 50 }, 1998)] {
        let options = ReadOptions { shape: Some(shape), image: Some(id.into()), ..ReadOptions::default() };
        let runs = read(Format::Oid, &mut &bytes[..], &options).unwrap();
        assert_eq!((runs.shape(), runs.get(1)), (Some(shape), Some(&[Run { start, length: 1 }][..])));
    }
    let error = read_images(Format::Oid, &mut &bytes[..], &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, Error::UnknownShape { .. }), "{error}");
}
