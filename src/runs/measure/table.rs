//! The table of measures: named columns of numbers, and their text.

use std::io::{self, Write};
use std::ops::Range;

use super::{MeasureOptions, Measured, Property, Units};
use crate::error::{Error, Result};

/// The numbers of a column, one for each label.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// Labels, counts and boxes.
    U64(Vec<u64>),
    /// Whole numbers that may be negative.
    I64(Vec<i64>),
    /// Any other; NaN where a label has too few pixels for the property.
    F64(Vec<f64>),
}

/// A column of a table: its name and its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    name: String,
    values: Values,
}

impl Column {
    /// The name: that of the property, a part of it after `-` and a unit after `_`, for instance `bbox-2` or `area_um2`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The numbers.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The name and the numbers, without a copy.
    pub fn into_parts(self) -> (String, Values) {
        (self.name, self.values)
    }
}

/// A table of measures, column by column; what [`LabelRuns::measure`](crate::LabelRuns::measure) gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    rows: usize,
    columns: Vec<Column>,
    /// The property and the part of it that each column holds.
    kinds: Vec<(Property, usize)>,
}

/// How many columns a property has.
fn parts(property: Property) -> usize {
    match property {
        Property::Bbox => 4,
        Property::Centroid => 2,
        _ => 1,
    }
}

/// What is added to the name of a property that has a unit.
fn unit(property: Property) -> &'static str {
    match property {
        Property::Area | Property::AreaConvex => "_um2",
        Property::EquivalentDiameterArea
        | Property::AxisMajorLength
        | Property::AxisMinorLength
        | Property::Perimeter
        | Property::PerimeterCrofton
        | Property::OutlineLength
        | Property::FeretDiameterMax => "_um",
        _ => "",
    }
}

impl Measures {
    /// A table of so many rows, all of them 0.
    pub(super) fn sized(options: &MeasureOptions, rows: usize) -> Result<Self> {
        let mut table = Self { rows, columns: Vec::new(), kinds: Vec::new() };
        for &property in &options.properties {
            let sized = options.pixel_size.is_some();
            for part in 0..parts(property) {
                let number = if parts(property) > 1 { format!("-{part}") } else { String::new() };
                let name = format!("{property}{number}{}", if sized { unit(property) } else { "" });
                let values = match property {
                    Property::Label | Property::Bbox | Property::Holes | Property::Pieces => Values::U64(zeros(rows)?),
                    Property::Area | Property::AreaConvex | Property::OutlineLength if !sized => {
                        Values::U64(zeros(rows)?)
                    }
                    Property::EulerNumber => Values::I64(zeros(rows)?),
                    _ => Values::F64(zeros(rows)?),
                };
                table.columns.push(Column { name, values });
                table.kinds.push((property, part));
            }
        }
        Ok(table)
    }

    /// Number of labels.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns in the order in which their properties were asked for.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The numbers of the column of this name.
    pub fn column(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|column| column.name == name).map(Column::values)
    }

    /// The columns, without a copy.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// Pieces of the table with so many rows each, to be filled side by side.
    pub(super) fn blocks(&mut self, rows: usize) -> Vec<Block<'_>> {
        let count = self.rows.div_ceil(rows);
        let block = |index: usize| index * rows..((index + 1) * rows).min(self.rows);
        let mut blocks: Vec<Block<'_>> = (0..count)
            .map(|index| Block { rows: block(index), columns: Vec::with_capacity(self.columns.len()) })
            .collect();
        for (column, &(property, part)) in self.columns.iter_mut().zip(&self.kinds) {
            let cells: Vec<Cells<'_>> = match &mut column.values {
                Values::U64(values) => values.chunks_mut(rows).map(Cells::U64).collect(),
                Values::I64(values) => values.chunks_mut(rows).map(Cells::I64).collect(),
                Values::F64(values) => values.chunks_mut(rows).map(Cells::F64).collect(),
            };
            for (block, cells) in blocks.iter_mut().zip(cells) {
                block.columns.push((property, part, cells));
            }
        }
        blocks
    }

    /// Writes the table as CSV: a line of names, then a line for each label. Numbers that are not whole have as few digits
    /// as tell them from any other; NaN is `nan`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_csv(&self, output: &mut dyn Write) -> Result<()> {
        let names: Vec<&str> = self.columns.iter().map(Column::name).collect();
        let mut text = names.join(",");
        for row in 0..self.rows {
            text.push('\n');
            for (index, column) in self.columns.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                column.values.write(row, &mut text, "nan");
            }
            flush(&mut text, output, FLUSH)?;
        }
        text.push('\n');
        flush(&mut text, output, 0)
    }

    /// Writes the table as JSON: a list with an object for each label, whose members are named like the columns. NaN is
    /// `null`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_json(&self, output: &mut dyn Write) -> Result<()> {
        let mut text = String::from("[");
        for row in 0..self.rows {
            text.push_str(if row > 0 { ",\n{" } else { "\n{" });
            for (index, column) in self.columns.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push('"');
                // Names are ASCII letters, digits, - and _.
                text.push_str(&column.name);
                text.push_str("\":");
                column.values.write(row, &mut text, "null");
            }
            text.push('}');
            flush(&mut text, output, FLUSH)?;
        }
        text.push_str("\n]\n");
        flush(&mut text, output, 0)
    }
}

#[cfg(feature = "parquet")]
impl Measures {
    /// Writes the table as a Parquet file, compressed by snappy, with a column for each of the table's; NaN stays NaN.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_parquet(&self, output: &mut dyn Write) -> Result<()> {
        let failed = |error: io::Error| Error::Io { context: "writing the table".into(), source: error };
        let bytes = self.to_parquet().map_err(|error| failed(io::Error::other(error)))?;
        output.write_all(&bytes).map_err(failed)
    }

    fn to_parquet(&self) -> Result<Vec<u8>, parquet::errors::ParquetError> {
        use std::sync::Arc;

        use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
        use parquet::data_type::{DoubleType, Int64Type};
        use parquet::file::properties::WriterProperties;
        use parquet::file::writer::SerializedFileWriter;
        use parquet::schema::types::Type;

        /// Rows of a row group.
        const GROUP: usize = 1 << 20;

        let field = |column: &Column| {
            let (physical, logical) = match column.values {
                Values::U64(_) => (Physical::INT64, Some(LogicalType::integer(64, false))),
                Values::I64(_) => (Physical::INT64, Some(LogicalType::integer(64, true))),
                Values::F64(_) => (Physical::DOUBLE, None),
            };
            let builder = Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::REQUIRED);
            builder.with_logical_type(logical).build().map(Arc::new)
        };
        let fields = self.columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
        let schema = Arc::new(Type::group_type_builder("measures").with_fields(fields).build()?);
        let properties = WriterProperties::builder()
            .set_created_by("runmask".to_owned())
            .set_compression(Compression::SNAPPY)
            .build();
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        for first in (0..self.rows).step_by(GROUP) {
            let rows = first..(first + GROUP).min(self.rows);
            let mut group = file.next_row_group()?;
            for column in &self.columns {
                let Some(mut writer) = group.next_column()? else { break };
                match &column.values {
                    // An unsigned column is stored as the same bits, signed.
                    Values::U64(values) => writer.typed::<Int64Type>().write_batch(
                        bytemuck::cast_slice(&values[rows.clone()]),
                        None,
                        None,
                    )?,
                    Values::I64(values) => {
                        writer.typed::<Int64Type>().write_batch(&values[rows.clone()], None, None)?
                    }
                    Values::F64(values) => {
                        writer.typed::<DoubleType>().write_batch(&values[rows.clone()], None, None)?
                    }
                };
                writer.close()?;
            }
            group.close()?;
        }
        file.into_inner()
    }
}

/// Bytes of text that are written at once.
const FLUSH: usize = 1 << 16;

/// Writes the text when it is longer than so many bytes.
fn flush(text: &mut String, output: &mut dyn Write, over: usize) -> Result<()> {
    if text.len() > over {
        let written = output.write_all(text.as_bytes());
        written.map_err(|source: io::Error| Error::Io { context: "writing the table".into(), source })?;
        text.clear();
    }
    Ok(())
}

fn zeros<T: bytemuck::Zeroable>(count: usize) -> Result<Vec<T>> {
    crate::memory::zeroed(count as u64, "a table of measures")
}

impl Values {
    /// Appends a number to a text.
    fn write(&self, row: usize, text: &mut String, nan: &str) {
        match self {
            Self::U64(values) => text.push_str(itoa::Buffer::new().format(values[row])),
            Self::I64(values) => text.push_str(itoa::Buffer::new().format(values[row])),
            Self::F64(values) if values[row].is_finite() => {
                use std::fmt::Write as _;
                // Writing to a string cannot fail.
                let _ = write!(text, "{:?}", values[row]);
            }
            Self::F64(_) => text.push_str(nan),
        }
    }
}

/// Some rows of a table.
pub(super) struct Block<'a> {
    rows: Range<usize>,
    columns: Vec<(Property, usize, Cells<'a>)>,
}

/// The rows' cells in a column.
enum Cells<'a> {
    U64(&'a mut [u64]),
    I64(&'a mut [i64]),
    F64(&'a mut [f64]),
}

impl Block<'_> {
    /// The numbers of its rows.
    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Writes what was measured to some of its rows.
    pub(super) fn fill(&mut self, rows: Range<usize>, labels: &[u64], measured: &[Measured], units: &Units) {
        let own = rows.start - self.rows.start..rows.end - self.rows.start;
        for (property, part, cells) in &mut self.columns {
            match (*property, cells) {
                (property, Cells::U64(cells)) => {
                    let cells = &mut cells[own.clone()];
                    match property {
                        Property::Label => cells.copy_from_slice(&labels[rows.clone()]),
                        Property::Bbox => {
                            let part = *part;
                            each(cells, measured, |measured| measured.bbox(units)[part]);
                        }
                        Property::Area => each(cells, measured, |measured| measured.sums.area),
                        Property::AreaConvex => each(cells, measured, |measured| measured.convex),
                        Property::OutlineLength => each(cells, measured, Measured::edges),
                        Property::Holes => each(cells, measured, |measured| measured.holes(units)),
                        Property::Pieces => each(cells, measured, |measured| measured.contact.pieces),
                        // No other property has a column of these.
                        _ => {}
                    }
                }
                (_, Cells::I64(cells)) => {
                    each(&mut cells[own.clone()], measured, |measured| measured.euler(units));
                }
                (property, Cells::F64(cells)) => fill(&mut cells[own.clone()], property, *part, measured, units),
            }
        }
    }
}

fn each<T>(cells: &mut [T], measured: &[Measured], value: impl Fn(&Measured) -> T) {
    cells.iter_mut().zip(measured).for_each(|(cell, measured)| *cell = value(measured));
}

fn fill(cells: &mut [f64], property: Property, part: usize, measured: &[Measured], units: &Units) {
    match property {
        Property::Area => each(cells, measured, |measured| measured.area(units)),
        Property::Centroid if part == 0 => each(cells, measured, |measured| units.turn(measured.sums.mean()).0),
        Property::Centroid => each(cells, measured, |measured| units.turn(measured.sums.mean()).1),
        Property::EquivalentDiameterArea => each(cells, measured, |measured| measured.equivalent_diameter(units)),
        Property::Extent => each(cells, measured, Measured::extent),
        Property::AxisMajorLength => each(cells, measured, |measured| 4.0 * measured.eigenvalues(units).0.sqrt()),
        Property::AxisMinorLength => each(cells, measured, |measured| 4.0 * measured.eigenvalues(units).1.sqrt()),
        Property::Eccentricity => each(cells, measured, |measured| measured.eccentricity(units)),
        Property::Orientation => each(cells, measured, |measured| measured.orientation(units)),
        Property::Perimeter => each(cells, measured, |measured| measured.weights.perimeter() * units.edge),
        Property::PerimeterCrofton => each(cells, measured, |measured| measured.crofton(units)),
        Property::OutlineLength => each(cells, measured, |measured| measured.outline(units)),
        Property::AreaConvex => each(cells, measured, |measured| measured.convex as f64 * units.area),
        Property::Solidity => each(cells, measured, Measured::solidity),
        Property::FeretDiameterMax => each(cells, measured, |measured| measured.feret),
        // These are whole numbers.
        Property::Label | Property::Bbox | Property::EulerNumber | Property::Holes | Property::Pieces => {}
    }
}
