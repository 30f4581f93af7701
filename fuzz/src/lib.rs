//! What the fuzz targets check.

mod memory;
mod operations;
pub mod zarr;

use std::io::BufReader;

use runmask::format::{self, Format, ReadOptions, WriteOptions};
use runmask::source::{self, OpenOptions, RawLayout, Repeat, Source};
use runmask::{Encoder, Error, FillRule, LabelRuns, ScanOrder, Shape};

/// From now on a panic ends the process, but for those of the crate parquet: it meets some damage so, which the reader takes for a
/// defect of the file.
pub fn abort_on_our_own_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if !panic.location().is_some_and(|place| place.file().contains("/parquet-")) {
            eprintln!("{panic}");
            std::process::abort();
        }
    }));
}

/// Every operation on the runs that the bytes describe.
pub fn operations(data: &[u8]) {
    operations::operations(data);
}

/// Any bytes are polygons or are refused, with the same words however they are cut; what was filled is traced, and comes back.
pub fn polygons(data: &[u8]) {
    let shape = Shape { height: 40, width: 50 };
    for (rule, renumber) in [(FillRule::Centre, true), (FillRule::Coco, true), (FillRule::Centre, false)] {
        let options = ReadOptions::new().shape(shape).renumber(renumber).skip_other_shapes(!renumber).fill_rule(rule);
        let read = |cut: usize| format::read(Format::GeoJson, &mut BufReader::with_capacity(cut, data), &options);
        let whole = read(1 << 16);
        for cut in [1, 7] {
            assert_eq!(text(&whole), text(&read(cut)), "the result depends on the cut");
        }
        let Ok(runs) = whole else { continue };
        round_trip(Format::GeoJson, &runs);
        let polygons = runs.polygons().expect("the runs carry a shape");
        assert_eq!(polygons.area(), runs.area() as f64);
        assert_eq!(polygons.fill(FillRule::Centre).expect("whole coordinates"), runs);
        let simple = polygons.simplify(1.5).expect("a tolerance");
        assert_eq!(simple.polygons().ring_offsets().len(), polygons.ring_offsets().len());
    }
}

/// Any bytes are read, or refused with the same words however they are cut; what is read is written and read again.
pub fn reader(format: Format, data: &[u8]) {
    let options = ReadOptions::new().renumber(true).skip_other_shapes(true).ignore_columns(true);
    let read = |cut: usize| format::read(format, &mut BufReader::with_capacity(cut, data), &options);
    let whole = read(1 << 16);
    for cut in [1, 7] {
        assert_eq!(text(&whole), text(&read(cut)), "the result depends on the cut");
    }
    if let Ok(runs) = whole {
        round_trip(format, &runs);
    }
}

fn text(answer: &runmask::Result<LabelRuns>) -> Result<&LabelRuns, String> {
    answer.as_ref().map_err(Error::to_string)
}

fn round_trip(format: Format, runs: &LabelRuns) {
    let mut options = WriteOptions::new().drop_empty_labels(true).renumber(true).drop_attributes(true);
    if ["coco", "sam", "oid", "cvat"].contains(&format.name()) {
        options = options.large_counts(format::LargeCounts::Keep);
    }
    let mut bytes = Vec::new();
    match format::write(format, &mut bytes, runs, &options) {
        // What can be read but not be written again: numbers at the end of u64, sparse labels, huge masks, images without a size.
        Err(Error::LimitExceeded { .. } | Error::UnknownShape { .. }) => return,
        Err(Error::Argument(message))
            if ["cannot be", "label 0", "must be known"].iter().any(|known| message.contains(known)) =>
        {
            return;
        }
        answer => answer.expect("runs of this format"),
    }
    let read = ReadOptions::new().shape(runs.shape());
    let again = match format::read(format, &mut bytes.as_slice(), &read) {
        Ok(again) => again,
        // A file of no objects may name no image.
        Err(_) if runs.run_count() == 0 => return,
        Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(&bytes)),
    };
    assert_eq!(again.area(), runs.area());
    if runs.shape().is_some() {
        let columns = |runs: &LabelRuns| match runs.to_order(ScanOrder::ColumnMajor) {
            Ok(runs) => {
                Some(runs.iter().filter(|(_, runs)| !runs.is_empty()).map(|(_, runs)| joined(runs)).collect::<Vec<_>>())
            }
            Err(_) => None,
        };
        if let (Some(first), Some(second)) = (columns(runs), columns(&again)) {
            assert_eq!(first, second);
        }
    }
}

/// Touching runs as one: some formats keep them apart and some do not.
fn joined(runs: &[runmask::Run]) -> Vec<(u64, u64)> {
    let mut result: Vec<(u64, u64)> = Vec::new();
    for run in runs {
        match result.last_mut() {
            Some((_, end)) if *end == run.start => *end = run.end(),
            _ => result.push((run.start, run.end())),
        }
    }
    result
}

/// Masks of more pixels are opened but not read: the time is better spent on others.
const MAX_PIXELS: u64 = 1 << 21;

/// Any bytes are read as a mask or refused, alike however many rows are asked for and however little memory there is.
pub fn mask(data: &[u8]) {
    let open = |page, level, memory| {
        let options = OpenOptions::new().page(page).level(level).memory(memory);
        source::from_bytes(data.to_vec(), "mask", &options)
    };
    for (page, level) in [(1, 0), (2, 1)] {
        let _ = open(page, level, 1 << 20);
    }
    let Ok(mut whole) = open(0, 0, 1 << 28) else { return };
    if whole.shape().pixels() > MAX_PIXELS {
        return;
    }
    let (shape, dtype) = (whole.shape(), whole.dtype());
    let whole = read(whole.as_mut(), u32::MAX);
    for &order in ScanOrder::ALL {
        marked_where_it_lies(whole.as_deref().ok(), RawLayout { dtype, shape }, order, || open(0, 0, 1 << 20));
    }
    for (rows, memory) in [(1, 1 << 28), (u32::MAX, 1 << 19), (5, 1 << 20), (300, 1 << 20)] {
        let part = open(0, 0, memory).and_then(|mut source| read(source.as_mut(), rows));
        match (&whole, &part) {
            (Ok(whole), Ok(part)) => assert!(whole == part, "{rows} rows, {memory} bytes of memory"),
            (Err(_), Err(_)) | (_, Err(Error::LimitExceeded { .. } | Error::Memory { .. })) => {}
            (whole, part) => panic!(
                "{rows} rows, {memory} bytes of memory: {:?}, then {:?}",
                whole.as_ref().map(Vec::len),
                part.as_ref().map(Vec::len)
            ),
        }
    }
}

/// Pixels become the same runs where the source hands them out block by block and where they come as rows.
fn marked_where_it_lies(
    pixels: Option<&[u8]>,
    layout: RawLayout,
    order: ScanOrder,
    open: impl Fn() -> runmask::Result<Box<dyn Source>>,
) {
    for threads in [1, 3] {
        let encoder = Encoder::builder().order(order).threads(threads).build().expect("an encoder");
        let runs = open().and_then(|mut source| encoder.encode_source(source.as_mut()));
        let expected = pixels.map(|pixels| {
            let rows = source::from_bytes(pixels.to_vec(), "rows", &OpenOptions::new().raw(layout));
            rows.and_then(|mut source| encoder.encode_source(source.as_mut())).expect("pixels that were read")
        });
        match (&runs, &expected) {
            (Ok(runs), Some(expected)) => assert!(runs == expected, "{threads} threads, {order:?}"),
            (Err(_), None) | (Err(Error::LimitExceeded { .. } | Error::Memory { .. }), _) => {}
            _ => panic!(
                "{threads} threads, {order:?}: {:?}, then rows: {}",
                runs.map(|runs| runs.run_count()),
                pixels.is_some()
            ),
        }
    }
}

/// All labels of a mask, read `rows` rows at a time; what repeats is copied from the row above.
fn read(source: &mut dyn Source, rows: u32) -> runmask::Result<Vec<u8>> {
    let (shape, label) = (source.shape(), source.dtype().bytes());
    let row_bytes = shape.width as usize * label;
    let (mut all, mut repeats) = (Vec::new(), Vec::new());
    let mut row = 0;
    while row < shape.height {
        let count = rows.min(shape.height - row);
        let mut buffer = vec![0xa5; count as usize * row_bytes];
        if rows == u32::MAX {
            source.read_rows(&mut buffer)?;
        } else {
            source.read(&mut buffer, Some(&mut repeats))?;
        }
        for Repeat { rows, columns } in repeats.drain(..) {
            for row in rows {
                let above = (row - 1) as usize * row_bytes;
                let columns = columns.start as usize * label..columns.end as usize * label;
                buffer.copy_within(above + columns.start..above + columns.end, above + row_bytes + columns.start);
            }
        }
        all.extend(buffer);
        row += count;
    }
    Ok(all)
}
