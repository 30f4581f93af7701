//! Measures of every label: area, box, centroid, axes, perimeters, holes, hull.
//!
//! Gets [`LabelRuns`] in either scan order; gives a table with a row for each label and, for each property asked for, its
//! columns; guarantees the values of scikit-image's `regionprops_table` under its names, the same for every order and
//! number of threads, in memory of the order of the table.
//!
//! | file | what it does |
//! |---|---|
//! | `sums.rs` | area, box and moments, in whole numbers |
//! | `contact.rs` | what touches from line to line: outline, Euler number, pieces |
//! | `perimeter.rs` | scikit-image's `perimeter` |
//! | `hull.rs` | convex area and Feret diameter |
//! | `table.rs` | the columns, and how they are written |
//!
//! Conventions: boxes are half open, (first row, first column, row after the last, column after the last). A centroid is
//! the mean of row and column numbers, so that of the first pixel is (0, 0). Pixels are connected by eight neighbours, holes
//! by four, unless [`MeasureOptions::connectivity`] exchanges them.

mod contact;
mod hull;
mod perimeter;
mod sums;
mod table;
#[cfg(test)]
mod tests;

use std::f64::consts::{FRAC_PI_4, PI, SQRT_2};

use self::contact::{Contact, Contacts};
pub(super) use self::contact::{root, union};
use self::hull::{Extent, Hull};
use self::perimeter::{Perimeter, Weights};
pub(crate) use self::sums::{Extents, Sums};
pub use self::table::{Column, Measures, Values};
use super::lines::{self, Piece};
use super::{LabelRuns, Run};
use crate::error::{Error, Result};
use crate::names::names;
use crate::shape::{ScanOrder, Shape};
use crate::threads::{self, Kept};

/// Which neighbours of a pixel belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Connectivity {
    /// The four at its edges. What is outside is then connected by eight.
    Four,
    /// The eight at its edges and corners, unless told otherwise. What is outside is then connected by four.
    #[default]
    Eight,
}

names! {
    "a connectivity", Connectivity {
        Four => "4",
        Eight => "8",
    }
}

/// What can be measured of a label; the names are those of scikit-image's `regionprops_table` where it has the property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Property {
    /// The label itself.
    Label,
    /// Number of pixels.
    Area,
    /// `bbox-0` to `bbox-3`: first row and column, and one past the last row and column.
    Bbox,
    /// `centroid-0` and `centroid-1`: the mean row and column of the pixels.
    Centroid,
    /// Diameter of the circle of the same area.
    EquivalentDiameterArea,
    /// Share of the box that the label covers.
    Extent,
    /// Length of the longer axis of the ellipse of the same second moments.
    AxisMajorLength,
    /// Length of its shorter axis.
    AxisMinorLength,
    /// Its eccentricity: 0 for a circle, 1 for a line.
    Eccentricity,
    /// Angle in radians from the rows' axis (down) to the longer axis, counter-clockwise, from -pi/2 to pi/2.
    Orientation,
    /// Perimeter by the weights of scikit-image's `perimeter` with a neighbourhood of four.
    Perimeter,
    /// Perimeter by Crofton's formula in four directions.
    PerimeterCrofton,
    /// Length of the edges between the label's pixels and others.
    OutlineLength,
    /// Number of pieces less number of holes.
    EulerNumber,
    /// Number of holes.
    Holes,
    /// Number of connected pieces.
    Pieces,
    /// Pixels of the convex hull image, in which a pixel counts as the middles of its edges.
    AreaConvex,
    /// Area by convex area.
    Solidity,
    /// Largest distance between two points of the outline of the convex hull image, through the middles of pixel edges.
    FeretDiameterMax,
}

names! {
    "a property", Property {
        Label => "label",
        Area => "area",
        Bbox => "bbox",
        Centroid => "centroid",
        EquivalentDiameterArea => "equivalent_diameter_area",
        Extent => "extent",
        AxisMajorLength => "axis_major_length",
        AxisMinorLength => "axis_minor_length",
        Eccentricity => "eccentricity",
        Orientation => "orientation",
        Perimeter => "perimeter",
        PerimeterCrofton => "perimeter_crofton",
        OutlineLength => "outline_length",
        EulerNumber => "euler_number",
        Holes => "holes",
        Pieces => "pieces",
        AreaConvex => "area_convex",
        Solidity => "solidity",
        FeretDiameterMax => "feret_diameter_max",
    }
}

/// Height and width of a pixel in micrometres.
///
/// ```
/// use runmask::PixelSize;
/// assert!(PixelSize::new(0.5, 0.5).is_ok());
/// assert!(PixelSize::new(f64::NAN, 0.5).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelSize {
    height: f64,
    width: f64,
}

impl PixelSize {
    /// A pixel of this height and width in micrometres.
    ///
    /// # Errors
    /// [`Error::Argument`] unless both are finite and greater than 0.
    pub fn new(height: f64, width: f64) -> Result<Self> {
        for (side, value) in [("height", height), ("width", width)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::Argument(format!(
                    "the {side} of a pixel is {value} micrometres: it must be a finite number greater than 0"
                )));
            }
        }
        Ok(Self { height, width })
    }

    /// Height in micrometres.
    pub fn height(self) -> f64 {
        self.height
    }

    /// Width in micrometres.
    pub fn width(self) -> f64 {
        self.width
    }

    /// Whether the sides are the same but for what a file's rounding may do to them.
    fn is_square(self) -> bool {
        (self.height - self.width).abs() <= 1e-6 * self.height
    }
}

/// Chooses what [`LabelRuns::measure`] measures.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct MeasureOptions {
    properties: Vec<Property>,
    pixel_size: Option<PixelSize>,
    connectivity: Connectivity,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl MeasureOptions {
    /// Label, area, box and centroid, in pixels, by eight neighbours.
    pub fn new() -> Self {
        Self {
            properties: vec![Property::Label, Property::Area, Property::Bbox, Property::Centroid],
            pixel_size: None,
            connectivity: Connectivity::default(),
        }
    }

    /// The properties, in the order of their columns. One that is named twice has its columns once.
    pub fn properties(mut self, properties: impl IntoIterator<Item = Property>) -> Self {
        self.properties.clear();
        for property in properties {
            if !self.properties.contains(&property) {
                self.properties.push(property);
            }
        }
        self
    }

    /// The size of a pixel. Lengths are then in micrometres and areas in square micrometres, and the names of their columns
    /// end in `_um` and `_um2`; boxes and centroids stay in pixels.
    pub fn pixel_size(mut self, size: Option<PixelSize>) -> Self {
        self.pixel_size = size;
        self
    }

    /// How pixels of a piece are connected; holes are connected the other way. For Euler number, holes and pieces.
    pub fn connectivity(mut self, connectivity: Connectivity) -> Self {
        self.connectivity = connectivity;
        self
    }
}

impl MeasureOptions {
    /// Whether the measures of a mask follow from area, box and sums of rows and columns, which 64 bits hold.
    pub(crate) fn by_sums(&self, shape: Shape, order: ScanOrder) -> bool {
        let needs = Needs::of(self);
        !needs.moments && !needs.pieces() && sums::narrow(shape, order, false)
    }
}

impl Measures {
    /// The measures of labels, of which everything that is asked for follows from what they add up to.
    pub(crate) fn of_sums(
        options: &MeasureOptions,
        labels: &[u64],
        sums: impl Fn(usize) -> Sums + Sync,
        order: ScanOrder,
    ) -> Result<Self> {
        let units = Units::of(options, order);
        let mut table = Self::sized(options, labels.len())?;
        threads::each_mut(&mut table.blocks(BLOCK), |block| {
            let measured: Vec<Measured> =
                block.rows().map(|label| Measured { sums: sums(label), ..Measured::default() }).collect();
            block.fill(block.rows(), labels, &measured, &units);
        });
        Ok(table)
    }
}

/// Labels that a thread measures at a time.
const BLOCK: usize = 1024;

/// Labels whose measures are written to the table together.
const FEW: usize = 64;

impl LabelRuns {
    /// Measures every label, those without runs included.
    ///
    /// The table has a row for each of [`LabelRuns::labels`], in their order. A label without pixels has an area of 0, a box
    /// of zeros, and NaN where a property needs pixels. Labels are measured each by itself, whether they overlap or not.
    ///
    /// # Errors
    /// [`Error::UnknownShape`] when a property needs the mask's shape, which only label, area and diameter do not.
    /// [`Error::Argument`] when `perimeter` or `perimeter_crofton` is asked for pixels that are not square.
    /// [`Error::LimitExceeded`] when a convex hull is asked of a label that spans more than 2^28 scan lines.
    ///
    /// ```
    /// use runmask::{LabelMask, MeasureOptions, Property, Shape, Values};
    /// let pixels = [0u8, 7, 7, 0, 7, 0];
    /// let mask = LabelMask::new(&pixels, Shape { height: 2, width: 3 })?;
    /// let options = MeasureOptions::new().properties([Property::Area, Property::Centroid]);
    /// let table = runmask::encode(&mask)?.measure(&options)?;
    /// assert_eq!(table.column("area"), Some(&Values::U64(vec![3])));
    /// assert_eq!(table.column("centroid-1"), Some(&Values::F64(vec![4.0 / 3.0])));
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn measure(&self, options: &MeasureOptions) -> Result<Measures> {
        let mut needs = Needs::of(options);
        needs.narrow = self.shape.is_some_and(|shape| sums::narrow(shape, self.order, needs.moments));
        let length = match self.shape {
            Some(shape) => shape.line_length(self.order),
            None if !needs.shape => 0,
            None => return Err(unknown_shape(options)),
        };
        if let (Some(size), Some(property)) = (options.pixel_size, needs.square)
            && !size.is_square()
        {
            return Err(Error::Argument(format!(
                "{property} is defined for square pixels only, and these are {} by {} micrometres",
                size.height, size.width
            )));
        }
        let units = Units::of(options, self.order);
        let mut table = Measures::sized(options, self.labels.len())?;
        let kept = Kept::new(Work::default);
        let measure = |work: &mut Work, block: &mut table::Block<'_>| {
            // A few labels at a time, so that what is known of them stays close at hand.
            for first in block.rows().step_by(FEW) {
                let few = first..(first + FEW).min(block.rows().end);
                work.measured.clear();
                for label in few.clone() {
                    let measured = work.scratch.measure(self.runs_at(label), length, needs, &units);
                    work.measured.push(measured.map_err(|error| of_label(error, self.labels[label]))?);
                }
                block.fill(few, &self.labels, &work.measured, &units);
            }
            Ok(())
        };
        threads::try_map_mut(&mut table.blocks(BLOCK), |block| kept.with(|work| measure(work, block)))?;
        Ok(table)
    }
}

fn unknown_shape(options: &MeasureOptions) -> Error {
    let needs = options.properties.iter().filter(|property| needs_shape(**property)).map(|property| property.name());
    Error::UnknownShape { what: needs.collect::<Vec<_>>().join(", ") }
}

fn of_label(error: Error, label: u64) -> Error {
    match error {
        Error::LimitExceeded { what, limit, found } => {
            Error::LimitExceeded { what: format!("label {label}: {what}"), limit, found }
        }
        other => other,
    }
}

fn needs_shape(property: Property) -> bool {
    !matches!(property, Property::Label | Property::Area | Property::EquivalentDiameterArea)
}

/// What must be worked out for the properties asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Needs {
    shape: bool,
    moments: bool,
    contact: bool,
    union: bool,
    perimeter: bool,
    hull: bool,
    feret: bool,
    connectivity: Connectivity,
    /// Whether 64 bits hold all sums.
    narrow: bool,
    /// A property that only square pixels have.
    square: Option<Property>,
}

impl Needs {
    fn of(options: &MeasureOptions) -> Self {
        let mut needs = Self { connectivity: options.connectivity, ..Self::default() };
        for &property in &options.properties {
            needs.shape |= needs_shape(property);
            match property {
                Property::AxisMajorLength
                | Property::AxisMinorLength
                | Property::Eccentricity
                | Property::Orientation => needs.moments = true,
                Property::Perimeter => needs.perimeter = true,
                Property::PerimeterCrofton | Property::OutlineLength | Property::EulerNumber => needs.contact = true,
                Property::Holes | Property::Pieces => (needs.contact, needs.union) = (true, true),
                Property::AreaConvex | Property::Solidity => needs.hull = true,
                Property::FeretDiameterMax => (needs.hull, needs.feret) = (true, true),
                Property::Label
                | Property::Area
                | Property::Bbox
                | Property::Centroid
                | Property::EquivalentDiameterArea
                | Property::Extent => {}
            }
            if matches!(property, Property::Perimeter | Property::PerimeterCrofton) {
                needs.square = Some(property);
            }
        }
        needs
    }

    fn pieces(self) -> bool {
        self.contact || self.perimeter || self.hull
    }
}

/// Micrometres of a pixel, or 1 for measures in pixels, and which way the lines go.
#[derive(Clone, Copy, Debug)]
struct Units {
    order: ScanOrder,
    connectivity: Connectivity,
    height: f64,
    width: f64,
    /// Length of a pixel's edge where all edges count alike.
    edge: f64,
    area: f64,
}

impl Units {
    fn of(options: &MeasureOptions, order: ScanOrder) -> Self {
        let (height, width) = options.pixel_size.map_or((1.0, 1.0), |size| (size.height, size.width));
        let edge = if height == width { height } else { (height * width).sqrt() };
        Self { order, connectivity: options.connectivity, height, width, edge, area: height * width }
    }

    /// A pair of (lines, along them) as (rows, columns), and a pair of (rows, columns) as (lines, along them).
    fn turn<T>(&self, (lines, along): (T, T)) -> (T, T) {
        match self.order {
            ScanOrder::ColumnMajor => (along, lines),
            ScanOrder::RowMajor => (lines, along),
        }
    }
}

/// All that was worked out about one label, by lines and places along them.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    sums: Sums,
    contact: Contact,
    weights: Weights,
    convex: u64,
    feret: f64,
}

/// Memory that a thread keeps from label to label.
#[derive(Debug, Default)]
struct Work {
    scratch: Scratch,
    measured: Vec<Measured>,
}

#[derive(Debug, Default)]
struct Scratch {
    pieces: Vec<Piece>,
    contacts: Contacts,
    perimeter: Perimeter,
    hull: Hull,
}

impl Scratch {
    fn measure(&mut self, runs: &[Run], length: u32, needs: Needs, units: &Units) -> Result<Measured> {
        if !needs.shape {
            let area = runs.iter().fold(0_u64, |sum, run| sum.saturating_add(run.length));
            return Ok(Measured { sums: Sums { area, ..Sums::default() }, ..Measured::default() });
        }
        let mut measured =
            Measured { sums: Sums::of(runs, length, needs.moments, needs.narrow), ..Measured::default() };
        if !needs.pieces() {
            return Ok(measured);
        }
        lines::pieces(runs, length, &mut self.pieces)?;
        if needs.contact {
            measured.contact = self.contacts.of(&self.pieces, needs.union.then_some(needs.connectivity));
        }
        if needs.perimeter {
            let along = measured.sums.along;
            measured.weights = self.perimeter.of(&self.pieces, along.0 as u32..along.1 as u32);
        }
        if needs.hull {
            self.hull.of(extents(&self.pieces))?;
            measured.convex = self.hull.area();
            if needs.feret {
                measured.feret = self.hull.feret(units.turn((units.height, units.width)));
            }
        }
        Ok(measured)
    }
}

/// The first and last place of each line, and of many lines that are covered whole only those of the first and the last.
fn extents(pieces: &[Piece]) -> impl Iterator<Item = Extent> {
    lines::by_line(pieces).flat_map(move |range| {
        let (one, other) = (pieces[range.start], pieces[range.end - 1]);
        let extent = move |line| Extent { line, first: one.start, last: other.end - 1 };
        [Some(extent(one.line)), (one.lines > 1).then(|| extent(one.last_line()))].into_iter().flatten()
    })
}

impl Measured {
    fn area(&self, units: &Units) -> f64 {
        self.sums.area as f64 * units.area
    }

    /// First row and column, and one past the last.
    fn bbox(&self, units: &Units) -> [u64; 4] {
        let (rows, columns) = units.turn((self.sums.lines, self.sums.along));
        [rows.0, columns.0, rows.1, columns.1]
    }

    fn equivalent_diameter(&self, units: &Units) -> f64 {
        (4.0 * self.area(units) / PI).sqrt()
    }

    fn extent(&self) -> f64 {
        let (lines, along) = (self.sums.lines, self.sums.along);
        self.sums.area as f64 / ((lines.1 - lines.0) as f64 * (along.1 - along.0) as f64)
    }

    /// The variances of rows and columns and the covariance, in the units of lengths.
    fn variances(&self, units: &Units) -> (f64, f64, f64) {
        let [lines, both, along] = self.sums.variances();
        let (rows, columns) = units.turn((lines, along));
        (rows * units.height * units.height, columns * units.width * units.width, both * units.height * units.width)
    }

    /// The eigenvalues of the covariance matrix, the greater one first.
    fn eigenvalues(&self, units: &Units) -> (f64, f64) {
        let (rows, columns, both) = self.variances(units);
        let middle = (rows + columns) / 2.0;
        let large = middle + ((rows - columns) / 2.0).hypot(both);
        // Their product is the determinant: the smaller one is no difference of two large numbers.
        let small = (rows * columns - both * both) / large;
        // For no pixels both are NaN.
        if large > 0.0 { (large, small.clamp(0.0, large)) } else { (large, large) }
    }

    fn eccentricity(&self, units: &Units) -> f64 {
        let (large, small) = self.eigenvalues(units);
        if large == 0.0 { 0.0 } else { (1.0 - small / large).sqrt() }
    }

    fn orientation(&self, units: &Units) -> f64 {
        let (rows, columns, both) = self.variances(units);
        if rows == columns {
            // Without a direction, the diagonal that scikit-image gives.
            return if both > 0.0 { FRAC_PI_4 } else { -FRAC_PI_4 };
        }
        (2.0 * both).atan2(rows - columns) / 2.0
    }

    fn crofton(&self, units: &Units) -> f64 {
        let (area, contact) = (u128::from(self.sums.area), self.contact);
        let straight = area - u128::from(contact.straight) + u128::from(contact.runs);
        let diagonal = 2 * area - u128::from(contact.down) - u128::from(contact.up);
        FRAC_PI_4 * (straight as f64 + diagonal as f64 / SQRT_2) * units.edge
    }

    /// Edges of the outline, all of length 1.
    fn edges(&self) -> u64 {
        2 * (self.contact.runs + self.sums.area - self.contact.straight)
    }

    fn outline(&self, units: &Units) -> f64 {
        // The end of a run is as long as a line is wide.
        let (across, along) = units.turn((units.height, units.width));
        2.0 * (self.contact.runs as f64 * across + (self.sums.area - self.contact.straight) as f64 * along)
    }

    fn euler(&self, units: &Units) -> i64 {
        let touching = match units.connectivity {
            Connectivity::Four => self.contact.pairs_4,
            Connectivity::Eight => self.contact.pairs_8,
        };
        self.contact.runs as i64 - touching as i64
    }

    fn holes(&self, units: &Units) -> u64 {
        (self.contact.pieces as i64 - self.euler(units)) as u64
    }

    fn solidity(&self) -> f64 {
        self.sums.area as f64 / self.convex as f64
    }
}
