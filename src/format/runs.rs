//! `runs`: a Parquet file for dataframes and query engines, one run a row.
//!
//! ```text
//! schema   := required label uint64, required start uint64, required length uint64
//! metadata := runmask.order "column-major" | "row-major", runmask.height, runmask.width (both or neither, in digits)
//! ```
//! * Rows ascend by label, then by start; the runs of one label do not overlap. Lengths are at least 1.
//! * Read as well: signed and 32-bit integer columns, optional ones without nulls, other columns beside these, files
//!   without the metadata (column-major unless told otherwise).
//! * Order: either; the metadata says which. Base: positions count from 0. Background: not written.
//! * Empty: no rows. A label without runs cannot be written.
//! * Compression: snappy is written; snappy, Zstandard and none are read: what pandas, DuckDB and polars write by themselves.
//! * Limits: a file stands for at most 2^22 runs and one for each of its bytes, whatever its pages inflate to. It is held
//!   in memory, for its directory is at its end.
//! * Source: this project; Apache Parquet.

use std::io::{BufRead, Write};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::ColumnReader;
use parquet::data_type::Int64Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::budget::Budget;
use super::checked::refuse_empty_labels;
use super::description::{Description, Holds, Reader, Unsaid, Writer};
use super::detect::Fit;
use super::text::{Bound, read_all};
use super::thrift::{Compact, DIRECTORY, INFLATED, PAGE_HEADER, STORED};
use super::{Capabilities, ReadOptions, WriteOptions, in_order, writing};
use crate::error::{Error, Place, Result};
use crate::guard;
use crate::runs::{LabelRuns, LabelRunsBuilder, Run};
use crate::shape::{ScanOrder, Shape};

const COLUMNS: [&str; 3] = ["label", "start", "length"];
const ORDER: &str = "runmask.order";
const HEIGHT: &str = "runmask.height";
const WIDTH: &str = "runmask.width";

pub(super) static FORMAT: Description = Description {
    name: "runs",
    about: "Parquet with the columns label, start and length: one run a row, from 0; says its order and shape",
    extension: "parquet",
    owns_extension: true,
    headers: &[],
    capabilities: Capabilities {
        many_images: false,
        holds_shape: true,
        needs_shape: false,
        any_labels: true,
        empty_labels: false,
        any_order: true,
    },
    holds: |_| Holds { shape: true, ..Holds::default() },
    unsaid: Unsaid::NOTHING,
    order: ScanOrder::ColumnMajor,
    bases: &[0],
    options: &[],
    fits: |beginning| if beginning.text().starts_with(MARK) { Fit::Sure } else { Fit::No },
    read: Reader::Mask(read),
    write: Writer::Mask(write),
};

/// The first bytes of a Parquet file.
const MARK: &[u8] = b"PAR1";

/// Rows of a row group.
const GROUP: usize = 1 << 20;

/// Rows of a file, at most, beside one for each of its bytes: those of [`Budget`].
const MOST_ROWS: u64 = 1 << 22;

/// Rows that are read at once.
const BATCH: usize = 1 << 14;

fn read(reader: &mut dyn BufRead, options: &ReadOptions) -> Result<LabelRuns> {
    let mut bytes = Vec::new();
    read_all(reader, &mut bytes)?;
    if !bytes.starts_with(MARK) {
        return Err(Error::format(Place::Byte(0), "PAR1, the mark of a Parquet file", super::text::show(&bytes)));
    }
    // The crate meets some damage with a panic of its own; here that is a defect of the file like any other.
    let damaged = || Err(Error::format(Place::File, "a Parquet file", "damage inside it"));
    guard::catch(|| parse(bytes, options)).unwrap_or_else(damaged)
}

fn parse(bytes: Vec<u8>, options: &ReadOptions) -> Result<LabelRuns> {
    check_directory(&bytes)?;
    let bytes = bytes::Bytes::from(bytes);
    let length = bytes.len() as u64;
    let file = SerializedFileReader::new(bytes.clone()).map_err(defect)?;
    check_columns(file.metadata(), length)?;
    let metadata = file.metadata().file_metadata();
    let word = |key: &str| {
        let pairs = metadata.key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key)?.value.as_deref()
    };
    let side = |key: &str| match word(key) {
        Some(text) => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| Error::format(Place::Part(format!("metadata {key}")), "a number", format!("{text:?}"))),
        None => Ok(None),
    };
    let order = match word(ORDER) {
        Some("column-major") => ScanOrder::ColumnMajor,
        Some("row-major") => ScanOrder::RowMajor,
        Some(other) => {
            return Err(Error::format(
                Place::Part(format!("metadata {ORDER}")),
                "column-major or row-major",
                format!("{other:?}"),
            ));
        }
        None => options.order.unwrap_or_default(),
    };
    let shape = match (side(HEIGHT)?, side(WIDTH)?) {
        (Some(height), Some(width)) => {
            let shape = Shape::new(height, width)?;
            if let Some(expected) = options.shape
                && shape != expected
            {
                return Err(Error::format(Place::File, format!("a mask of {expected}"), format!("{shape}")));
            }
            Some(shape)
        }
        _ => options.shape,
    };
    let schema = metadata.schema_descr();
    let mut places = [0; 3];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        *place =
            (0..schema.num_columns()).find(|&index| schema.column(index).path().string() == name).ok_or_else(|| {
                Error::format(Place::File, format!("the columns {}", COLUMNS.join(", ")), format!("none named {name}"))
            })?;
    }
    // An unsigned column holds the same bits as a signed one; only its logical type tells them apart.
    let signed = places.map(|index| {
        let column = schema.column(index);
        let unsigned_logical =
            matches!(column.logical_type_ref(), Some(LogicalType::Integer(integer)) if !integer.is_signed);
        !unsigned_logical && !matches!(column.converted_type(), ConvertedType::UINT_64 | ConvertedType::UINT_32)
    });
    check_pages(file.metadata(), places, &bytes)?;
    let runs = LabelRunsBuilder::new(shape, order);
    let mut rows =
        Rows { runs, bound: Bound::new(shape), last: None, row: 0, shape, length, budget: Budget::default() };
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group).map_err(defect)?;
        read_group(&*group, places, signed, &mut rows)?;
    }
    Ok(rows.runs.finish())
}

/// The directory at the end of a file must be one that can be passed over. Where it is not found, the crate says so.
fn check_directory(bytes: &[u8]) -> Result<()> {
    let directory = bytes.strip_suffix(MARK).and_then(|bytes| {
        let (before, length) = bytes.split_last_chunk::<4>()?;
        before.get(before.len().checked_sub(u32::from_le_bytes(*length) as usize)?..)
    });
    match directory.map(|directory| Compact::new(directory).pass_struct(DIRECTORY, &mut |_, _| {})) {
        Some(None) => Err(Error::format(Place::File, "a Parquet file", "a damaged directory at its end")),
        _ => Ok(()),
    }
}

/// Bytes of a page, at most: a column of as many rows as a file may stand for, with its levels.
fn most_page_bytes(length: u64) -> u64 {
    16 * (MOST_ROWS + length)
}

/// The pages of the columns that are read must not claim to be larger than a file of so many bytes may be: the crate takes
/// memory for what they claim. The columns lie in the file.
fn check_pages(metadata: &ParquetMetaData, places: [usize; 3], bytes: &[u8]) -> Result<()> {
    let most = most_page_bytes(bytes.len() as u64);
    for (index, group) in metadata.row_groups().iter().enumerate() {
        for (place, name) in places.into_iter().zip(COLUMNS) {
            let Some(column) = group.columns().get(place) else { continue };
            let (start, length) = column.byte_range();
            let mut pages = Compact::new(&bytes[start as usize..(start + length) as usize]);
            while !pages.rest().is_empty() {
                let (mut sizes, mut stored) = (Vec::new(), Vec::new());
                let header = pages.pass_struct(PAGE_HEADER, &mut |field, value| match field {
                    INFLATED => sizes.push(value),
                    STORED => stored.push(value),
                    _ => {}
                });
                let place = || Place::Part(format!("row group {index}, column {name}"));
                let damaged = || Error::format(place(), "whole pages", "a damaged page");
                let (Some(()), [size], [stored]) = (header, &sizes[..], &stored[..]) else {
                    return Err(damaged());
                };
                let stored = usize::try_from(*stored).ok();
                let rest = stored.and_then(|stored| pages.rest().get(stored..)).ok_or_else(damaged)?;
                if !u64::try_from(*size).is_ok_and(|size| size <= most) {
                    let expected = format!("a page of {most} bytes at most");
                    return Err(Error::format(place(), expected, format!("{size} bytes")));
                }
                pages = Compact::new(rest);
            }
        }
    }
    Ok(())
}

/// The places of the columns, which the crate takes as they are, must lie in the file.
fn check_columns(metadata: &ParquetMetaData, length: u64) -> Result<()> {
    for (index, group) in metadata.row_groups().iter().enumerate() {
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            let inside = start >= 0
                && column.compressed_size() >= 0
                && end.and_then(|end| u64::try_from(end).ok()).is_some_and(|end| end <= length);
            if !inside {
                return Err(Error::format(
                    Place::Part(format!("row group {index}")),
                    format!("columns inside the file of {length} bytes"),
                    format!("{} bytes from {start}", column.compressed_size()),
                ));
            }
        }
    }
    Ok(())
}

fn defect(error: ParquetError) -> Error {
    Error::format(Place::File, "a Parquet file", format!("a defect: {error}"))
}

fn read_group(group: &dyn RowGroupReader, places: [usize; 3], signed: [bool; 3], rows: &mut Rows) -> Result<()> {
    let mut columns = Vec::with_capacity(3);
    for ((place, name), signed) in places.into_iter().zip(COLUMNS).zip(signed) {
        let reader = group.get_column_reader(place).map_err(defect)?;
        columns.push(Column { name, signed, reader, values: Vec::new() });
    }
    loop {
        let mut counts = [0; 3];
        for (count, column) in counts.iter_mut().zip(&mut columns) {
            *count = column.next(rows.row)?;
        }
        if counts != [counts[0]; 3] {
            return Err(Error::format(Place::Part(format!("row {}", rows.row)), "columns of one length", "others"));
        }
        if counts[0] == 0 {
            return Ok(());
        }
        rows.budget.take(counts[0] as u64, rows.length)?;
        for index in 0..counts[0] {
            rows.push(columns[0].values[index], columns[1].values[index], columns[2].values[index])?;
        }
    }
}

struct Column {
    name: &'static str,
    signed: bool,
    reader: ColumnReader,
    values: Vec<u64>,
}

impl Column {
    /// Reads the next values; their number.
    fn next(&mut self, row: u64) -> Result<usize> {
        self.values.clear();
        let place = || Place::Part(format!("row {row} and on, column {}", self.name));
        let mut nulls = Vec::new();
        let mut read = Vec::with_capacity(BATCH);
        let records = match &mut self.reader {
            ColumnReader::Int64ColumnReader(reader) => {
                reader.read_records(BATCH, Some(&mut nulls), None, &mut read).map_err(defect)?.0
            }
            ColumnReader::Int32ColumnReader(reader) => {
                let mut narrow: Vec<i32> = Vec::with_capacity(BATCH);
                let records = reader.read_records(BATCH, Some(&mut nulls), None, &mut narrow).map_err(defect)?.0;
                let signed = self.signed;
                read.extend(
                    narrow
                        .into_iter()
                        .map(|value| if signed { i64::from(value) } else { i64::from(value.cast_unsigned()) }),
                );
                records
            }
            _ => return Err(Error::format(place(), "whole numbers", "a column of another type")),
        };
        for value in read {
            if self.signed && value < 0 {
                return Err(Error::format(place(), "numbers from 0", format!("{value}")));
            }
            self.values.push(value.cast_unsigned());
        }
        if self.values.len() < records {
            return Err(Error::format(place(), "a number in every row", "a null"));
        }
        Ok(records)
    }
}

struct Rows {
    runs: LabelRunsBuilder,
    bound: Bound,
    last: Option<u64>,
    row: u64,
    shape: Option<Shape>,
    /// Bytes of the file, and the runs that they stand for.
    length: u64,
    budget: Budget,
}

impl Rows {
    fn push(&mut self, label: u64, start: u64, length: u64) -> Result<()> {
        let row = self.row;
        let place = || Place::Part(format!("row {row}"));
        if self.last != Some(label) {
            if let Some(last) = self.last
                && label < last
            {
                return Err(Error::format(
                    place(),
                    format!("a label of at least {last} (labels ascend)"),
                    format!("{label}"),
                ));
            }
            self.runs.label(label)?;
            self.bound = Bound::new(self.shape);
            self.last = Some(label);
        }
        let run = Run { start, length };
        self.bound.check(run, 0).map_err(|defect| defect.in_place(place()))?;
        self.row += 1;
        self.runs.run(run)
    }
}

fn write(writer: &mut dyn Write, runs: &LabelRuns, options: &WriteOptions) -> Result<()> {
    let order = options.order.unwrap_or(runs.order());
    let runs = in_order(runs, order)?;
    refuse_empty_labels(&FORMAT, &runs, options)?;
    let bytes = to_bytes(&runs, Compression::SNAPPY).map_err(|error| writing(std::io::Error::other(error)))?;
    writer.write_all(&bytes).map_err(writing)
}

fn to_bytes(runs: &LabelRuns, compression: Compression) -> Result<Vec<u8>, ParquetError> {
    let column = |name: &str| -> Result<Arc<Type>, ParquetError> {
        let unsigned = LogicalType::integer(64, false);
        let column = Type::primitive_type_builder(name, Physical::INT64)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(unsigned));
        Ok(Arc::new(column.build()?))
    };
    let fields = COLUMNS.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("runs").with_fields(fields).build()?);
    let mut words = vec![KeyValue::new(ORDER.to_owned(), runs.order().name().to_owned())];
    if let Some(shape) = runs.shape() {
        words.push(KeyValue::new(HEIGHT.to_owned(), shape.height.to_string()));
        words.push(KeyValue::new(WIDTH.to_owned(), shape.width.to_string()));
    }
    let properties = WriterProperties::builder()
        .set_created_by("runmask".to_owned())
        .set_compression(compression)
        .set_key_value_metadata(Some(words))
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut rows = runs.iter().flat_map(|(label, runs)| runs.iter().map(move |run| [label, run.start, run.length]));
    loop {
        let group: Vec<[u64; 3]> = rows.by_ref().take(GROUP).collect();
        if group.is_empty() {
            return file.into_inner();
        }
        let mut writer = file.next_row_group()?;
        let mut index = 0;
        while let Some(mut column) = writer.next_column()? {
            // An unsigned column is stored as the same bits, signed.
            let values: Vec<i64> = group.iter().map(|row| row[index].cast_signed()).collect();
            column.typed::<Int64Type>().write_batch(&values, None, None)?;
            column.close()?;
            index += 1;
        }
        writer.close()?;
    }
}

#[cfg(test)]
mod tests {
    use parquet::basic::ZstdLevel;

    use super::*;
    use crate::format::{self, Format};
    use crate::mask::LabelMask;

    /// What pandas and DuckDB write by themselves, what polars writes, and no compression.
    #[test]
    fn every_usual_compression_is_read() {
        let labels: Vec<u16> = (0..400_u32).map(|pixel| (pixel * pixel / 7 % 5) as u16).collect();
        let runs = crate::encode(&LabelMask::new(&labels, Shape { height: 20, width: 20 }).unwrap()).unwrap();
        for compression in [Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default()), Compression::UNCOMPRESSED] {
            let bytes = to_bytes(&runs, compression).unwrap();
            let found = format::read(Format::Runs, &mut &bytes[..], &ReadOptions::default()).unwrap();
            assert_eq!(found, runs, "{compression}");
        }
    }

    /// A few bytes do not take memory or time for what they claim.
    #[test]
    fn claims_are_checked_before_they_are_believed() {
        let error = |bytes: &[u8]| {
            format::read(Format::Runs, &mut &bytes[..], &ReadOptions::default()).unwrap_err().to_string()
        };
        let labels: Vec<u8> = (0..64).map(|pixel| pixel / 3).collect();
        let runs = crate::encode(&LabelMask::new(&labels, Shape { height: 8, width: 8 }).unwrap()).unwrap();
        let bytes = to_bytes(&runs, Compression::SNAPPY).unwrap();
        // After the mark: the kind of the first page and its size, in one byte or two.
        assert_eq!((bytes[4], bytes[6]), (0x15, 0x15));
        let size = if bytes[7] < 128 { 7..8 } else { 7..9 };
        let largest = [0xfe, 0xff, 0xff, 0xff, 0x0f];
        let huge = [&bytes[..size.start], &largest, &bytes[size.end..]].concat();
        let most = most_page_bytes(huge.len() as u64);
        let expected = format!(": expected a page of {most} bytes at most, found 2147483647 bytes");
        assert_eq!(error(&huge), format!("row group 0, column label{expected}"));
        // A size of more bits than the crate looks at.
        let wide = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        let wide = [&bytes[..size.start], &wide, &bytes[size.end..]].concat();
        assert!(error(&wide).contains("bytes at most, found -"), "{}", error(&wide));
        // A directory with a list of two billion truths.
        let directory = [0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 7, 0];
        let endless = [MARK, &directory, &8_u32.to_le_bytes(), MARK].concat();
        assert!(error(&endless).ends_with("found a damaged directory at its end"), "{}", error(&endless));
        // A list of columns that says it is a text: the crate reads it as the list that it has to be, of two billion truths.
        let directory = [0x48, 6, 0xf1, 0xff, 0xff, 0xff, 0xff, 7, 0];
        let disguised = [MARK, &directory, &(directory.len() as u32).to_le_bytes(), MARK].concat();
        assert!(error(&disguised).ends_with("found a damaged directory at its end"), "{}", error(&disguised));
        // The same list after a field whose identifier is 65,539, of which the crate keeps 3: the next one is 4 to it.
        let directory = [&[0x06, 0x86, 0x80, 0x08, 0, 0x18][..], &directory[1..]].concat();
        let disguised = [MARK, &directory, &(directory.len() as u32).to_le_bytes(), MARK].concat();
        assert!(error(&disguised).ends_with("found a damaged directory at its end"), "{}", error(&disguised));
    }
}
