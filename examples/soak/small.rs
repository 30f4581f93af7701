//! What is too slow for large masks: run formats, mask files, and operations on runs against definitions by pixels.

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor};

use runmask::format::{self, Format, LineEnding, ReadOptions, WriteOptions};
use runmask::sink::{self, Compression, CreateOptions, MaskFormat};
use runmask::source::{self, OpenOptions, RawLayout};
use runmask::{
    ComponentOptions, Connectivity, Decoder, Dtype, Encoder, FillRule, Label, LabelRuns, MeasureOptions, Property,
    Result, ScanOrder, SetOperation, Shape, Values, Window, Windows,
};

use crate::draw::{Drawn, Numbers};
use crate::engines::{ORDERS, told};
use crate::ledger::Totals;
use crate::{operations, quick};

/// Pixels of a mask that is looked at here, at most.
pub(crate) const MOST_PIXELS: usize = 4096;

/// A mask by its pixels, in C order; 0 is the background.
struct Pixels {
    shape: Shape,
    labels: Vec<u64>,
}

impl Pixels {
    fn runs(&self, order: ScanOrder) -> Result<LabelRuns> {
        quick::runs(&self.labels, self.shape, order, Some(0))
    }

    /// The label at a place, 0 outside.
    fn get(&self, row: i64, column: i64) -> u64 {
        let Shape { height, width } = self.shape;
        match (0..i64::from(height)).contains(&row) && (0..i64::from(width)).contains(&column) {
            true => self.labels[(row * i64::from(width) + column) as usize],
            false => 0,
        }
    }

    /// A mask of another shape, by what is at each of its places.
    fn of(shape: Shape, at: impl Fn(i64, i64) -> u64) -> Self {
        let places = (0..i64::from(shape.height)).flat_map(|row| (0..i64::from(shape.width)).map(move |c| (row, c)));
        Self { shape, labels: places.map(|(row, column)| at(row, column)).collect() }
    }

    fn map(&self, label: impl Fn(u64) -> u64) -> Self {
        Self { shape: self.shape, labels: self.labels.iter().map(|&old| label(old)).collect() }
    }

    /// Every label but 0 with its places.
    fn places(&self) -> BTreeMap<u64, Vec<(i64, i64)>> {
        let width = self.shape.width as usize;
        let mut places: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
        for (at, &label) in self.labels.iter().enumerate().filter(|(_, label)| **label != 0) {
            places.entry(label).or_default().push(((at / width) as i64, (at % width) as i64));
        }
        places
    }
}

fn same<T: PartialEq>(found: &T, expected: &T, what: &str) -> std::result::Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: not what the pixels say")) }
}

/// Compares all that is made of a small mask.
pub(crate) fn mask<T: Label>(
    numbers: &mut Numbers,
    drawn: &Drawn<T>,
    totals: &mut Totals,
) -> std::result::Result<(), String> {
    let pixels = Pixels { shape: drawn.shape, labels: drawn.pixels.iter().map(|&label| label.into()).collect() };
    let order = numbers.pick(&ORDERS);
    let runs = pixels.runs(order).map_err(told("the expected runs"))?;
    let count = pixels.labels.len();
    files(numbers, &pixels, &runs, T::DTYPE)?;
    totals.add("mask files", count);
    for &format in Format::ALL {
        let what = format!("the format {format}");
        if run_file(numbers, &pixels, order, format).map_err(|text| format!("{what}: {text}"))? {
            totals.add("run formats", count);
        }
    }
    sets(numbers, &pixels, order, &runs)?;
    pieces(numbers, &pixels, order, &runs)?;
    measures(&pixels, &runs)?;
    parts(numbers, &pixels, order, &runs)?;
    polygons(&pixels, &runs)?;
    totals.add("operations", 5 * count);
    if numbers.once_in(4) {
        let small = numbers.once_in(2);
        let bytes = |_| if small { numbers.below(7) as u8 } else { numbers.next() as u8 };
        let data: Vec<u8> = (0..120).map(bytes).collect();
        operations::operations(&data);
    }
    Ok(())
}

/// Written in every format of mask files, and read.
fn files(numbers: &mut Numbers, pixels: &Pixels, runs: &LabelRuns, dtype: Dtype) -> std::result::Result<(), String> {
    for format in [MaskFormat::Tiff, MaskFormat::Png, MaskFormat::Npy, MaskFormat::Raw] {
        let holds = pixels.shape.pixels() > 0 && (format != MaskFormat::Png || dtype <= Dtype::U16);
        if !holds {
            continue;
        }
        let compression = numbers.pick(Compression::ALL);
        let options = CreateOptions::new().compression(compression).pyramid(numbers.once_in(2));
        let mut file = Cursor::new(Vec::new());
        let what = format!("a {format} file");
        let write = |file: &mut Cursor<Vec<u8>>| {
            let mut sink = sink::to_writer(file, format, pixels.shape, dtype, &options)?;
            Decoder::new(runs, 0)?.decode_row_bytes(dtype, &mut |rows| sink.write_rows(rows))?;
            sink.finish()
        };
        write(&mut file).map_err(told(&what))?;
        let raw = (format == MaskFormat::Raw).then_some(RawLayout { dtype, shape: pixels.shape });
        let read = || {
            let mut source = source::from_bytes(file.into_inner(), "a file in memory", &OpenOptions::new().raw(raw))?;
            Encoder::builder().order(runs.order()).build()?.encode_source(&mut *source)
        };
        same(&read().map_err(told(&what))?, runs, &what)?;
    }
    Ok(())
}

/// Written in a format of run files, read, and made another format; `false` where the format cannot hold the mask.
fn run_file(
    numbers: &mut Numbers,
    pixels: &Pixels,
    order: ScanOrder,
    format: Format,
) -> std::result::Result<bool, String> {
    // Labels 1, 2, 3 ... are what every format holds.
    let labels: Vec<u64> = pixels.places().into_keys().collect();
    let numbered = pixels.map(|label| labels.binary_search(&label).map_or(0, |place| place as u64 + 1));
    let column_major = numbered.runs(ScanOrder::ColumnMajor).map_err(told("the expected runs"))?;
    let runs = numbered.runs(order).map_err(told("the expected runs"))?;
    let write_options = |format: Format| {
        let options = WriteOptions::new().renumber(!format.capabilities().any_labels);
        match format.name() {
            "coco" => options.categories([(1, "object".to_owned())]),
            _ => options,
        }
    };
    let ending = numbers.pick(LineEnding::ALL);
    let options =
        if format.headers().is_empty() { write_options(format) } else { write_options(format).line_ending(ending) };
    let mut bytes = Vec::new();
    format::write(format, &mut bytes, &runs, &options).map_err(told("written"))?;
    let read_options = ReadOptions::new().shape(pixels.shape);
    let cut = numbers.log_between(1, 1 << 16) as usize;
    let again = match format::read(format, &mut BufReader::with_capacity(cut, bytes.as_slice()), &read_options) {
        Ok(again) => again,
        // A file without objects may lack an image to read.
        Err(_) if labels.is_empty() => return Ok(false),
        Err(error) => return Err(format!("read: {error}")),
    };
    let again = again.to_order(ScanOrder::ColumnMajor).map_err(told("turned"))?;
    same(&again, &column_major, "read again")?;
    if !labels.is_empty() {
        let other = numbers.pick(Format::ALL);
        let options = write_options(other).drop_shape(true).drop_attributes(true);
        let (mut converted, what) = (Vec::new(), format!("made {other}"));
        let from = (format, &mut bytes.as_slice() as &mut dyn std::io::BufRead, &read_options);
        format::convert(from, (other, &mut converted, &options)).map_err(told(&what))?;
        let again = format::read(other, &mut converted.as_slice(), &read_options).map_err(told(&what))?;
        same(&again.to_order(ScanOrder::ColumnMajor).map_err(told(&what))?, &column_major, &what)?;
    }
    Ok(true)
}

/// Sets of pixels with another mask, and the pixels that two labels share.
fn sets(numbers: &mut Numbers, pixels: &Pixels, order: ScanOrder, runs: &LabelRuns) -> std::result::Result<(), String> {
    let (down, right) = (i64::from(numbers.between(0, 3)), i64::from(numbers.between(0, 3)));
    let other = Pixels::of(pixels.shape, |row, column| pixels.get(row - down, column + right));
    let other_order = numbers.pick(&ORDERS);
    let other_runs = other.runs(other_order).map_err(told("the expected runs"))?;
    let operation = numbers.pick(SetOperation::ALL);
    let keeps = |one: bool, two: bool| match operation {
        SetOperation::Union => one || two,
        SetOperation::Intersection => one && two,
        SetOperation::Difference => one && !two,
        SetOperation::SymmetricDifference => one != two,
    };
    let mut labels: Vec<u64> = pixels.labels.iter().chain(&other.labels).copied().filter(|&label| label != 0).collect();
    labels.sort_unstable();
    labels.dedup();
    let found = runs.combine(&other_runs, operation).map_err(told(operation.name()))?;
    if !labels.iter().all(|&label| found.get(label).is_none_or(|runs| !runs.is_empty())) {
        return Err(format!("{operation}: a label without pixels"));
    }
    // Many labels are looked at by some of them.
    let some = labels.len().div_ceil(20).max(1);
    for &label in labels.iter().step_by(some) {
        let is = |both: (&u64, &u64)| u64::from(keeps(*both.0 == label, *both.1 == label));
        let expected =
            Pixels { shape: pixels.shape, labels: pixels.labels.iter().zip(&other.labels).map(is).collect() };
        let expected = expected.runs(order).map_err(told("the expected runs"))?;
        let found = found.get(label).unwrap_or_default();
        same(&found, &expected.get(1).unwrap_or_default(), operation.name())?;
    }
    let mut shared: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for (&one, &two) in pixels.labels.iter().zip(&other.labels).filter(|(one, two)| **one != 0 && **two != 0) {
        *shared.entry((one, two)).or_default() += 1;
    }
    let found = runs.overlaps(&other_runs).map_err(told("overlaps"))?;
    let found: BTreeMap<(u64, u64), u64> =
        found.pairs().iter().map(|pair| ((pair.first, pair.second), pair.pixels)).collect();
    same(&found, &shared, "overlaps")
}

/// The connected piece of every pixel, numbered from 1 by their first pixels, column by column; and the labels of the pieces.
fn flood(pixels: &Pixels, connectivity: Connectivity) -> (Pixels, Vec<u64>) {
    let mut pieces = pixels.map(|_| 0);
    let mut sources = Vec::new();
    let width = i64::from(pixels.shape.width);
    let steps: &[(i64, i64)] = match connectivity {
        Connectivity::Four => &[(-1, 0), (1, 0), (0, -1), (0, 1)],
        Connectivity::Eight => &[(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)],
    };
    for column in 0..width {
        for row in 0..i64::from(pixels.shape.height) {
            let label = pixels.get(row, column);
            if label == 0 || pieces.get(row, column) != 0 {
                continue;
            }
            sources.push(label);
            let mut reached = vec![(row, column)];
            while let Some((row, column)) = reached.pop() {
                if pixels.get(row, column) == label && pieces.get(row, column) == 0 {
                    pieces.labels[(row * width + column) as usize] = sources.len() as u64;
                    reached.extend(steps.iter().map(|(down, right)| (row + down, column + right)));
                }
            }
        }
    }
    (pieces, sources)
}

fn pieces(
    numbers: &mut Numbers,
    pixels: &Pixels,
    order: ScanOrder,
    runs: &LabelRuns,
) -> std::result::Result<(), String> {
    let connectivity = numbers.pick(&[Connectivity::Four, Connectivity::Eight]);
    let (pieces, sources) = flood(pixels, connectivity);
    let options = ComponentOptions::new().connectivity(connectivity);
    let found = runs.components(&options).map_err(told("pieces"))?;
    same(found.runs(), &pieces.runs(order).map_err(told("the expected runs"))?, "pieces")?;
    same(&found.sources(), &sources.as_slice(), "the labels of pieces")?;
    let foreground = pixels.map(|label| u64::from(label != 0));
    // The foreground of an empty mask is a label without runs.
    let found = runs.foreground(1).map_err(told("the foreground"))?;
    let expected = foreground.runs(order).map_err(told("the expected runs"))?;
    same(&found.get(1), &Some(expected.get(1).unwrap_or_default()), "the foreground")?;
    let (pieces, _) = flood(&foreground, connectivity);
    let found = runs.components(&options.foreground(true)).map_err(told("pieces of the foreground"))?;
    same(found.runs(), &pieces.runs(order).map_err(told("the expected runs"))?, "pieces of the foreground")
}

fn measures(pixels: &Pixels, runs: &LabelRuns) -> std::result::Result<(), String> {
    let properties = [Property::Area, Property::Bbox, Property::Centroid, Property::OutlineLength];
    let table = runs.measure(&MeasureOptions::new().properties(properties)).map_err(told("measures"))?;
    let column = |name: &str| -> std::result::Result<Vec<f64>, String> {
        match table.column(name) {
            Some(Values::U64(values)) => Ok(values.iter().map(|&value| value as f64).collect()),
            Some(Values::F64(values)) => Ok(values.clone()),
            _ => Err(format!("measures: the column {name}")),
        }
    };
    let mut expected: [Vec<f64>; 8] = Default::default();
    for (label, places) in pixels.places() {
        let area = places.len() as f64;
        let (rows, columns) = (places.iter().map(|place| place.0), places.iter().map(|place| place.1));
        let side = |value: Option<i64>| value.unwrap_or_default() as f64;
        let mean = |values: &mut dyn Iterator<Item = i64>| values.sum::<i64>() as f64 / area;
        let edges = |&(row, column): &(i64, i64)| {
            let beside = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)];
            beside.into_iter().filter(|&(row, column)| pixels.get(row, column) != label).count()
        };
        let values = [
            area,
            side(rows.clone().min()),
            side(columns.clone().min()),
            side(rows.clone().max()) + 1.0,
            side(columns.clone().max()) + 1.0,
            mean(&mut rows.clone()),
            mean(&mut columns.clone()),
            places.iter().map(edges).sum::<usize>() as f64,
        ];
        expected.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }
    let names = ["area", "bbox-0", "bbox-1", "bbox-2", "bbox-3", "centroid-0", "centroid-1", "outline_length"];
    for (name, expected) in names.into_iter().zip(expected) {
        let found = column(name)?;
        let close = |(found, expected): (&f64, &f64)| (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
        if found.len() != expected.len() || !found.iter().zip(&expected).all(close) {
            return Err(format!("measures: {name} is not what the pixels say"));
        }
    }
    Ok(())
}

/// The other order, windows, shifts, borders and choices of labels.
fn parts(
    numbers: &mut Numbers,
    pixels: &Pixels,
    order: ScanOrder,
    runs: &LabelRuns,
) -> std::result::Result<(), String> {
    let expected = |pixels: &Pixels, order| pixels.runs(order).map_err(told("the expected runs"));
    for order in ORDERS {
        same(&runs.to_order(order).map_err(told("the other order"))?, &expected(pixels, order)?, "the other order")?;
    }
    let Shape { height, width } = pixels.shape;
    let (row, column) = (numbers.between(0, height), numbers.between(0, width));
    let shape = Shape { height: numbers.between(0, height - row), width: numbers.between(0, width - column) };
    let window = Window::new(row, column, shape.height, shape.width);
    let (top, left) = (i64::from(row), i64::from(column));
    let inside = Pixels::of(shape, |row, column| pixels.get(top + row, left + column));
    let cropped = runs.crop(window).map_err(told("a window"))?;
    same(&cropped, &expected(&inside, order)?, "a window")?;
    let windows = Windows::new(runs, 0).map_err(told("windows"))?;
    same(&windows.crop(window).map_err(told("windows"))?, &cropped, "a window of windows")?;
    let scale = 1_u32 << numbers.between(0, 3);
    let step = i64::from(scale);
    let smaller = Pixels::of(Windows::shape_of(window, scale), |row, column| inside.get(row * step, column * step));
    let found = windows.decode::<u64>(window, scale).map_err(told("pixels of a window"))?;
    same(&found, &smaller.labels, "pixels of a window")?;
    let (down, right) = (i64::from(numbers.between(0, 40)) - 20, i64::from(numbers.between(0, 40)) - 20);
    let shifted = Pixels::of(pixels.shape, |row, column| pixels.get(row - down, column - right));
    same(&runs.shift(down, right).map_err(told("a shift"))?, &expected(&shifted, order)?, "a shift")?;
    let [above, left, below, right] = [(); 4].map(|()| numbers.between(0, 5));
    let larger = Shape { height: height + above + below, width: width + left + right };
    let padded = Pixels::of(larger, |row, column| pixels.get(row - i64::from(above), column - i64::from(left)));
    let found = runs.pad(above, left, below, right).map_err(told("a border"))?;
    same(&found, &expected(&padded, order)?, "a border")?;
    let kept = pixels.map(|label| if label % 3 == 0 { 0 } else { label });
    let gone = runs.clone().retain(|label, _| label % 3 == 0);
    let mut erased = pixels.labels.clone();
    Decoder::new(&gone, 0).and_then(|decoder| decoder.erase(&mut erased)).map_err(told("erased labels"))?;
    same(&erased, &kept.labels, "erased labels")?;
    same(&runs.clone().retain(|label, _| label % 3 != 0), &expected(&kept, order)?, "some labels")?;
    let halves = pixels.map(|label| label / 2);
    let table = |label: u64| (label / 2 > 0).then_some(label / 2);
    let found = runs.relabel(table).map_err(told("other labels"))?;
    same(&found, &expected(&halves, order)?, "other labels")
}

fn polygons(pixels: &Pixels, runs: &LabelRuns) -> std::result::Result<(), String> {
    let polygons = runs.polygons().map_err(told("polygons"))?;
    let area = pixels.labels.iter().filter(|&&label| label != 0).count();
    same(&polygons.area(), &(area as f64), "the area of polygons")?;
    let filled = polygons.fill(FillRule::Centre).map_err(told("filled polygons"))?;
    let expected = pixels.runs(ScanOrder::ColumnMajor).map_err(told("the expected runs"))?;
    same(&filled, &expected, "filled polygons")
}
