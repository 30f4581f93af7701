//! What the doctor says: the findings, and how the file is converted.

use std::fmt;

use super::counted::Held;
use super::{Finding, Grouping, leaves_order_open};
use crate::format::{Format, ReadOptions, WriteOptions};
use crate::shape::{ScanOrder, Shape};

/// What a run file turned out to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The format; `None` when no reader accepts the file.
    pub format: Option<Format>,
    /// The order of the positions.
    pub order: Finding<ScanOrder>,
    /// The number of the first pixel, for formats that count positions.
    pub base: Finding<u64>,
    /// Whether objects stand one by one.
    pub grouping: Finding<Grouping>,
    /// Pixels of a scan line, where neither the file nor the caller says height and width: the height when the order is
    /// column-major, the width when it is row-major.
    pub line_length: Finding<u64>,
    /// Images in the file.
    pub images: u64,
    /// Objects of all images.
    pub objects: u64,
    /// Runs of all objects.
    pub runs: u64,
    /// Why, line by line.
    pub evidence: Vec<String>,
    pub(super) shape: Option<Shape>,
    /// What the file needs beside that to be read.
    pub(super) options: ReadOptions,
    /// What a target must hold, drop or be told.
    pub(super) held: Held,
    /// Whether another format fits as well.
    pub(super) ambiguous: bool,
}

/// How a file that was examined is converted to one that leaves nothing open.
///
/// Its fields are options of [`ReadOptions`] and [`WriteOptions`], so that a program can say them in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conversion {
    /// The format of the file.
    pub from: Format,
    /// The format to convert it to: a table; or, when it holds many images, COCO, or a plain competition file where COCO
    /// would need sizes or numbers of classes that the file does not give.
    pub to: Format,
    /// See [`ReadOptions::order`].
    pub from_order: Option<ScanOrder>,
    /// See [`ReadOptions::base`].
    pub from_base: Option<u64>,
    /// See [`ReadOptions::shape`].
    pub shape: Option<Shape>,
    /// See [`ReadOptions::skip_other_shapes`].
    pub skip_other_shapes: bool,
    /// See [`ReadOptions::ignore_columns`].
    pub ignore_columns: bool,
    /// See [`ReadOptions::renumber`]; for the writer too.
    pub renumber: bool,
    /// See [`WriteOptions::order`].
    pub order: Option<ScanOrder>,
    /// See [`WriteOptions::drop_shape`].
    pub drop_shape: bool,
    /// See [`WriteOptions::drop_attributes`].
    pub drop_attributes: bool,
    /// See [`WriteOptions::drop_empty_labels`].
    pub drop_empty_labels: bool,
    /// See [`WriteOptions::categories`].
    pub categories: Vec<(u64, String)>,
}

impl Conversion {
    /// What the reader is told.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions::new()
            .order(self.from_order)
            .base(self.from_base)
            .shape(self.shape)
            .skip_other_shapes(self.skip_other_shapes)
            .ignore_columns(self.ignore_columns)
            .renumber(self.renumber)
    }

    /// What the writer is told.
    pub fn write_options(&self) -> WriteOptions {
        WriteOptions::new()
            .order(self.order)
            .renumber(self.renumber)
            .drop_shape(self.drop_shape)
            .drop_attributes(self.drop_attributes)
            .drop_empty_labels(self.drop_empty_labels)
            .categories(self.categories.iter().cloned())
    }
}

/// Names of classes that a conversion gives numbers to.
#[cfg(feature = "json")]
const MAX_NAMES: usize = 40;

impl Report {
    /// A report that knows nothing.
    pub(super) fn new(shape: Option<Shape>) -> Self {
        Self {
            format: None,
            order: Finding::Unknown,
            base: Finding::Unknown,
            grouping: Finding::Unknown,
            line_length: Finding::Unknown,
            images: 0,
            objects: 0,
            runs: 0,
            evidence: Vec::new(),
            shape,
            options: ReadOptions::new(),
            held: Held::default(),
            ambiguous: false,
        }
    }

    /// How to read the file; `None` when the format is not known. What the file does not tell is as usual.
    pub fn read_options(&self) -> Option<(Format, ReadOptions)> {
        let format = self.format?;
        let order = self.order.answer().filter(|_| leaves_order_open(format));
        let base = self.base.answer().filter(|&base| base != super::bases(format)[0]);
        Some((format, self.options.clone().order(order).base(base).shape(self.shape)))
    }

    /// How the file is converted; `None` when it holds no runs, when the format, the base or the order is not told by the
    /// file, or when height and width are needed and not known.
    ///
    /// ```
    /// use runmask::Shape;
    /// use runmask::doctor;
    /// use runmask::format::{self, Format};
    ///
    /// // Rows of a mask of 3 x 4 with one object, which the notebook of a colleague numbered from 0.
    /// let file = b"glom,pixels\n0,1 2 4 2 7 2\n";
    /// let report = doctor::examine(&mut &file[..], Some(Shape { height: 3, width: 4 }))?;
    /// let conversion = report.conversion().expect("all is known");
    /// let mut table = Vec::new();
    /// format::convert(
    ///     (conversion.from, &mut &file[..], &conversion.read_options()),
    ///     (conversion.to, &mut table, &conversion.write_options()),
    /// )?;
    /// assert_eq!(table, b"label,start,length\n1,1,2\n1,4,2\n1,7,2\n");
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn conversion(&self) -> Option<Conversion> {
        let (from, options) = self.read_options()?;
        let (order, _) = (self.order.told()?, self.base.told()?);
        let lacks_shape = self.shape.is_none() && super::stand_in(from).is_some();
        if self.ambiguous || self.objects == 0 || lacks_shape {
            return None;
        }
        let held = &self.held;
        let to = match self.images {
            ..=1 => Format::Table,
            #[cfg(feature = "json")]
            _ if held.every_shape && held.categories.len() <= MAX_NAMES => Format::Coco,
            _ => Format::Kaggle,
        };
        let of_to = to.capabilities();
        let shape_in_file = from.capabilities().holds_shape || self.shape.is_none() && held.some_shape;
        let mut categories = Vec::new();
        if of_to.holds_shape {
            let mut number = 0_u64;
            for name in &held.categories {
                number = (number + 1..).find(|number| !held.numbers.contains(number))?;
                categories.push((number, name.clone()));
            }
        }
        Some(Conversion {
            from,
            to,
            from_order: options.order.filter(|&order| order != from.description().order),
            from_base: options.base,
            shape: self.shape.filter(|_| !from.capabilities().holds_shape),
            skip_other_shapes: options.skip_other_shapes,
            ignore_columns: options.ignore_columns,
            renumber: options.renumber || held.twice || !of_to.any_labels && held.numbered,
            order: Some(order)
                .filter(|&order| of_to.many_images && order != to.description().order && !held.every_shape),
            drop_shape: !of_to.holds_shape && shape_in_file,
            drop_attributes: !of_to.holds_shape && (held.attributes || from.capabilities().holds_shape),
            drop_empty_labels: !of_to.holds_shape && from.capabilities().empty_labels,
            categories,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "format:  {}", self.format.map_or("unknown", Format::name))?;
        if self.format.is_some() {
            writeln!(f, "order:   {}", self.order)?;
            writeln!(f, "base:    {}", self.base)?;
            writeln!(f, "objects: {}", self.grouping)?;
            writeln!(f, "holds:   {} images, {} objects, {} runs", self.images, self.objects, self.runs)?;
        }
        for line in &self.evidence {
            writeln!(f, "- {line}")?;
        }
        Ok(())
    }
}
