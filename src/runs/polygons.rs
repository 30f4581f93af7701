//! Polygons of every label, in ragged arrays.
//!
//! A feature is what a label covers: polygons, each with an outer ring and any number of holes. Points are (x, y) in pixels,
//! x to the right and y down, from the corner of the first pixel, which is the square from (0, 0) to (1, 1). A ring ends with
//! the point with which it begins.
//!
//! ```text
//!   features   0       1            feature i:  polygons feature_offsets[i] .. feature_offsets[i + 1]
//!   polygons   0   1   2            polygon j:  rings polygon_offsets[j] .. polygon_offsets[j + 1], the outer ring first
//!   rings      0 1 2   3            ring k:     points ring_offsets[k] .. ring_offsets[k + 1]
//!   points     ....................
//! ```

use std::ops::Range;

use crate::error::{Error, Result};
use crate::memory::{reserve, reserve_exact};
use crate::shape::Shape;
use crate::threads::{self, Kept};

/// A point: x and y in pixels.
pub type Point = [f64; 2];

/// The polygons of every label of one mask.
///
/// The four lists are what `shapely.from_ragged_array` takes for multipolygons. A label appears once or several times, and
/// may have no polygon.
///
/// ```
/// use runmask::{LabelMask, Shape};
/// let mask = LabelMask::new(&[7u8, 7, 0, 7], Shape { height: 2, width: 2 })?;
/// let polygons = runmask::encode(&mask)?.polygons()?;
/// assert_eq!(polygons.labels(), [7]);
/// let ring: Vec<_> = polygons.rings(0).next().unwrap().to_vec();
/// assert_eq!(ring, [[0., 0.], [2., 0.], [2., 2.], [1., 2.], [1., 1.], [0., 1.], [0., 0.]]);
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Polygons {
    pub(crate) shape: Option<Shape>,
    pub(crate) labels: Vec<u64>,
    pub(crate) feature_offsets: Vec<usize>,
    pub(crate) rings: Rings,
}

/// The lists of [`Polygons`].
#[derive(Clone, Debug, PartialEq)]
pub struct PolygonParts {
    /// See [`Polygons::labels`].
    pub labels: Vec<u64>,
    /// See [`Polygons::feature_offsets`].
    pub feature_offsets: Vec<usize>,
    /// See [`Polygons::polygon_offsets`].
    pub polygon_offsets: Vec<usize>,
    /// See [`Polygons::ring_offsets`].
    pub ring_offsets: Vec<usize>,
    /// See [`Polygons::points`].
    pub points: Vec<Point>,
}

/// What an error calls their memory.
const POLYGONS: &str = "polygons";

/// Polygons one after another, whatever features they belong to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rings {
    pub(crate) points: Vec<Point>,
    pub(crate) ring_offsets: Vec<usize>,
    pub(crate) polygon_offsets: Vec<usize>,
}

impl Default for Rings {
    fn default() -> Self {
        Self { points: Vec::new(), ring_offsets: vec![0], polygon_offsets: vec![0] }
    }
}

impl Rings {
    #[cfg(feature = "json")]
    pub(crate) fn clear(&mut self) {
        self.points.clear();
        self.ring_offsets.truncate(1);
        self.polygon_offsets.truncate(1);
    }

    /// Area of all polygons.
    pub(crate) fn area(&self) -> f64 {
        self.ring_offsets.windows(2).map(|range| shoelace(&self.points[range[0]..range[1]]) / 2.0).sum()
    }

    /// Number of polygons.
    pub(crate) fn len(&self) -> usize {
        self.polygon_offsets.len() - 1
    }

    /// Ends the ring of the points that were added last.
    pub(crate) fn end_ring(&mut self) {
        self.ring_offsets.push(self.points.len());
    }

    /// Ends the polygon of the rings that were added last.
    pub(crate) fn end_polygon(&mut self) {
        self.polygon_offsets.push(self.ring_offsets.len() - 1);
    }

    pub(crate) fn ring(&self, ring: usize) -> &[Point] {
        &self.points[self.ring_offsets[ring]..self.ring_offsets[ring + 1]]
    }

    /// The numbers of the rings of a polygon.
    pub(crate) fn of_polygon(&self, polygon: usize) -> Range<usize> {
        match self.polygon_offsets.get(polygon..) {
            Some([first, end, ..]) => *first..*end,
            _ => 0..0,
        }
    }

    /// Makes room for more points, rings and polygons.
    pub(crate) fn make_room(&mut self, points: usize, rings: usize, polygons: usize) -> Result<()> {
        reserve(&mut self.points, points, POLYGONS)?;
        reserve(&mut self.ring_offsets, rings, POLYGONS)?;
        reserve(&mut self.polygon_offsets, polygons, POLYGONS)
    }

    /// Adds all polygons of `other`.
    pub(crate) fn append(&mut self, other: &Self) {
        let (points, rings) = (self.points.len(), self.ring_offsets.len() - 1);
        self.points.extend_from_slice(&other.points);
        self.ring_offsets.extend(other.ring_offsets[1..].iter().map(|offset| offset + points));
        self.polygon_offsets.extend(other.polygon_offsets[1..].iter().map(|offset| offset + rings));
    }
}

impl Polygons {
    /// No features at all.
    pub fn empty(shape: Option<Shape>) -> Self {
        Self { shape, labels: Vec::new(), feature_offsets: vec![0], rings: Rings::default() }
    }

    /// Polygons from flat lists, without a copy; the module's head says how the lists belong together.
    ///
    /// # Errors
    /// [`Error::Argument`] names the first list that does not fit. There must be one more feature offset than labels; offsets must begin
    /// with 0, never descend and end with the number of polygons, rings or points; and in each ring at least four points, the
    /// last of them the first one. Coordinates may be any numbers.
    pub fn from_parts(shape: Option<Shape>, parts: PolygonParts) -> Result<Self> {
        let PolygonParts { labels, feature_offsets, polygon_offsets, ring_offsets, points } = parts;
        offsets("feature", &feature_offsets, Some(labels.len()), polygon_offsets.len().wrapping_sub(1))?;
        offsets("polygon", &polygon_offsets, None, ring_offsets.len().wrapping_sub(1))?;
        offsets("ring", &ring_offsets, None, points.len())?;
        let rings = Rings { points, ring_offsets, polygon_offsets };
        for ring in 0..rings.ring_offsets.len() - 1 {
            let points = rings.ring(ring);
            if points.len() < 4 || points.first() != points.last() {
                return Err(Error::Argument(format!(
                    "ring {ring} has {} points: there must be at least 4, the last of them the first one",
                    points.len()
                )));
            }
        }
        Ok(Self { shape, labels, feature_offsets, rings })
    }

    /// The polygons of features that `make` appends one by one, each thread with memory of its own. `offsets` say how much
    /// work each feature is, and how much all those before it.
    pub(super) fn build<S: Send>(
        shape: Option<Shape>,
        labels: Vec<u64>,
        offsets: &[usize],
        memory: impl Fn() -> S + Sync + Send,
        make: impl Fn(&mut S, usize, &mut Rings) -> Result<()> + Sync + Send,
    ) -> Result<Self> {
        let block = if rayon::current_num_threads() == 1 { usize::MAX } else { BLOCK };
        let make_block = |memory: &mut S, features: Range<usize>| {
            let mut rings = Rings::default();
            let mut polygons = Vec::new();
            reserve(&mut polygons, features.len(), POLYGONS)?;
            for feature in features {
                make(memory, feature, &mut rings)?;
                polygons.push(rings.len());
            }
            Ok((rings, polygons))
        };
        let (blocks, kept) = (blocks(offsets, block), Kept::new(memory));
        let made = threads::try_map(threads::each, blocks.len(), |block| {
            kept.with(|memory| make_block(memory, blocks[block].clone()))
        });
        let blocks: Vec<(Rings, Vec<usize>)> = made?;
        let mut result = Self::empty(shape);
        reserve(&mut result.feature_offsets, labels.len(), POLYGONS)?;
        result.labels = labels;
        let total = |count: fn(&Rings) -> usize| blocks.iter().map(|(rings, _)| count(rings)).sum::<usize>();
        let (points, rings) = (total(|rings| rings.points.len()), total(|rings| rings.ring_offsets.len() - 1));
        let polygons = total(Rings::len);
        for (place, (rings_of, ends)) in blocks.into_iter().enumerate() {
            let before = result.rings.len();
            result.feature_offsets.extend(ends.iter().map(|end| end + before));
            if place == 0 {
                // The only block, mostly: nothing is copied.
                result.rings = rings_of;
                let Rings { points: first, ring_offsets, polygon_offsets } = &mut result.rings;
                reserve_exact(first, points - first.len(), POLYGONS)?;
                reserve_exact(ring_offsets, rings + 1 - ring_offsets.len(), POLYGONS)?;
                reserve_exact(polygon_offsets, polygons + 1 - polygon_offsets.len(), POLYGONS)?;
            } else {
                result.rings.append(&rings_of);
            }
        }
        Ok(result)
    }

    /// Height and width of the mask, when known.
    pub fn shape(&self) -> Option<Shape> {
        self.shape
    }

    /// The label of each feature.
    pub fn labels(&self) -> &[u64] {
        &self.labels
    }

    /// Where the polygons of each feature begin, and at last where they all end.
    pub fn feature_offsets(&self) -> &[usize] {
        &self.feature_offsets
    }

    /// Where the rings of each polygon begin, and at last where they all end. The first ring of a polygon is the outer one.
    pub fn polygon_offsets(&self) -> &[usize] {
        &self.rings.polygon_offsets
    }

    /// Where the points of each ring begin, and at last where they all end.
    pub fn ring_offsets(&self) -> &[usize] {
        &self.rings.ring_offsets
    }

    /// The points of all rings: x and y in pixels.
    pub fn points(&self) -> &[Point] {
        &self.rings.points
    }

    /// The lists themselves, without a copy.
    pub fn into_parts(self) -> PolygonParts {
        let Self { labels, feature_offsets, rings: Rings { points, ring_offsets, polygon_offsets }, .. } = self;
        PolygonParts { labels, feature_offsets, polygon_offsets, ring_offsets, points }
    }

    /// The rings of a polygon, the outer one first; none when there is no such polygon. Polygons are numbered through all
    /// features.
    pub fn rings(&self, polygon: usize) -> impl ExactSizeIterator<Item = &[Point]> {
        self.rings.of_polygon(polygon).map(|ring| self.rings.ring(ring))
    }

    /// Area of all polygons, holes left out, in pixels: that of each ring by the shoelace formula.
    pub fn area(&self) -> f64 {
        self.rings.area()
    }
}

/// Twice the area of a closed ring: greater than 0 when it goes clockwise as one sees it, y being down.
pub(crate) fn shoelace(ring: &[Point]) -> f64 {
    let Some(&[x0, y0]) = ring.first() else { return 0.0 };
    // From the first point, so that large coordinates lose no digits.
    ring.windows(2).map(|pair| (pair[0][0] - x0) * (pair[1][1] - y0) - (pair[1][0] - x0) * (pair[0][1] - y0)).sum()
}

/// Work that a thread is given at a time, in the unit of the offsets: runs or points.
const BLOCK: usize = 1 << 14;

/// Stretches of features with so much work each, or a little more.
fn blocks(offsets: &[usize], work: usize) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut first = 0;
    for feature in 1..offsets.len() {
        if feature + 1 == offsets.len() || offsets[feature] - offsets[first] >= work {
            blocks.push(first..feature);
            first = feature;
        }
    }
    blocks
}

fn offsets(name: &str, offsets: &[usize], count: Option<usize>, end: usize) -> Result<()> {
    let wrong = |what: String| Err(Error::Argument(format!("{name} offsets: {what}")));
    if let Some(count) = count
        && offsets.len() != count + 1
    {
        return wrong(format!("{} for {count} labels: there must be one more", offsets.len()));
    }
    let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
        return wrong("none: there must be one at least, 0".into());
    };
    if first != 0 || last != end {
        return wrong(format!("from {first} to {last}: they must go from 0 to {end}"));
    }
    match offsets.windows(2).position(|pair| pair[0] > pair[1]) {
        Some(index) => wrong(format!("number {} is {} and follows {}", index + 1, offsets[index + 1], offsets[index])),
        None => Ok(()),
    }
}
