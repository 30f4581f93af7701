//! What pycocotools.mask does, on runs with 64-bit positions.
//!
//! Gets masks, boxes and COCO's run-length encodings, of which numpy's half of the package has made lists; gives the same.
//! Everything that is a list is worked on by all threads.

mod encoding;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::PyTypeInfo;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use rayon::prelude::*;
use runmask::format::coco_string;
use runmask::format::counts::LargeCounts;
use runmask::{Encoder, FillRule, LabelMask, LabelRuns, Point, PolygonParts, Polygons, Run, ScanOrder, Shape};

use self::encoding::{Encoding, Given, Rle, Wrong, counts_of, read, read_all, text_of, wrong_sum};
use crate::errors::raise;
use crate::plane::{self, Bits, Edges};
use crate::rle::union;
use crate::work::{self, Go};

/// Pixels of an array from its first to its last, and where those of each plane are.
type Planes<'py> = (PyReadonlyArray1<'py, u8>, usize, (u64, u64, usize), (isize, isize, isize));

/// The texts of the planes of an array of height, width and number; pixels other than 0 are the object.
#[pyfunction]
#[pyo3(name = "coco_encode")]
pub(crate) fn encode<'py>(py: Python<'py>, array: Planes<'py>) -> PyResult<Bound<'py, PyList>> {
    let (pixels, origin, (height, width, planes), strides) = array;
    let shape = Shape::new(height, width).map_err(|error| raise(py, error))?;
    let pixels = pixels.as_slice()?;
    // The planes that lie in memory column after column.
    let length = shape.pixels() as usize;
    let flat = (strides.0 == 1 || height <= 1) && (strides.1 == height as isize || width <= 1);
    let plane_at = |plane: usize| origin.wrapping_add_signed(plane as isize * strides.2);
    if flat && length > 0 {
        let text = |plane: usize, scratch: &mut Scratch| {
            plane::counts(&pixels[plane_at(plane)..][..length], &mut scratch.edges, &mut scratch.counts);
            Ok(scratch.text())
        };
        return list(py, each(py, planes, length, text)?);
    }
    let encoder = Encoder::builder().build().map_err(|error| raise(py, error))?;
    let text = |plane: usize, scratch: &mut Scratch| {
        let mask = LabelMask::with_strides(pixels, plane_at(plane), shape, strides.0, strides.1);
        mask.and_then(|mask| plane_text(&encoder, mask, scratch))
    };
    // The encoder must work in the pool, of which this thread is none.
    let texts: runmask::Result<_> = work::run(py, None, |stop| {
        let one = |scratch: &mut Scratch, plane| stop.check().and_then(|()| text(plane, scratch));
        (0..planes).into_par_iter().map_init(Scratch::default, one).collect()
    })?;
    list(py, texts.map_err(|error| raise(py, error))?)
}

/// The encoding of one plane of bytes whose columns lie in memory one after the other, which is what a call for a single
/// object takes; None for anything else.
#[pyfunction]
#[pyo3(name = "coco_encode_plane")]
pub(crate) fn encode_plane<'py>(py: Python<'py>, plane: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    // A subclass may mean something else by its bytes.
    let exact = plane.get_type().is(PyUntypedArray::type_object(py));
    let plane =
        plane.cast::<PyArray2<u8>>().ok().filter(|plane| exact && plane.is_fortran_contiguous() && !plane.is_empty());
    let Some(plane) = plane.and_then(|plane| plane.try_readonly().ok()) else { return Ok(None) };
    let (height, width) = (plane.shape()[0], plane.shape()[1]);
    let pixels = plane.as_slice()?;
    let mut texts = each(py, 1, pixels.len(), |_, scratch| {
        plane::counts(pixels, &mut scratch.edges, &mut scratch.counts);
        Ok(scratch.text())
    })?;
    let rle = PyDict::new(py);
    rle.set_item(intern!(py, "size"), PyList::new(py, [height, width])?)?;
    rle.set_item(intern!(py, "counts"), PyBytes::new(py, &texts.pop().unwrap_or_default()))?;
    Ok(Some(rle))
}

/// Texts as bytes.
fn list<'py>(py: Python<'py>, texts: Vec<Vec<u8>>) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, texts.iter().map(|text| PyBytes::new(py, text)))
}

/// What `work` makes of each of so many objects, which have so many pixels or numbers: a few small ones on this thread,
/// for which waking others would take longer, and all else in the pool.
fn each<R: Send>(
    py: Python<'_>,
    count: usize,
    size: usize,
    work: impl Fn(usize, &mut Scratch) -> Result<R, Wrong> + Sync,
) -> PyResult<Vec<R>> {
    /// Pixels that one thread goes over in the time that it takes to wake another.
    const FEW: usize = 1 << 21;
    if count.saturating_mul(size) <= FEW {
        let done: Result<Vec<R>, Wrong> = py.detach(|| {
            let mut scratch = Scratch::default();
            (0..count).map(|index| work(index, &mut scratch)).collect()
        });
        return done.map_err(|wrong| wrong.raise(py));
    }
    let queue = Queue::new(count, FEW / size.max(1) / 8);
    let done = work::share(py, |go| {
        let (mut scratch, mut done) = (Scratch::default(), Vec::new());
        while let Some(some) = queue.next(go)? {
            for index in some {
                done.push((index, work(index, &mut scratch)?));
            }
        }
        Ok(done)
    })?;
    let done = done.into_iter().collect::<Result<Vec<_>, Wrong>>().map_err(|wrong| wrong.raise(py))?;
    let mut done: Vec<(usize, R)> = done.into_iter().flatten().collect();
    done.sort_unstable_by_key(|&(index, _)| index);
    Ok(done.into_iter().map(|(_, one)| one).collect())
}

/// Numbers from 0 that threads take, some at a time.
struct Queue {
    next: AtomicUsize,
    count: usize,
    at_once: usize,
}

impl Queue {
    fn new(count: usize, at_once: usize) -> Self {
        Self { next: AtomicUsize::new(0), count, at_once: at_once.clamp(1, 16) }
    }

    /// The next numbers that nobody has taken, unless the work is to stop.
    fn next(&self, go: Go<'_>) -> Result<Option<Range<usize>>, Wrong> {
        go().map_err(Wrong::Library)?;
        let first = self.next.fetch_add(self.at_once, Ordering::Relaxed);
        Ok((first < self.count).then(|| first..self.count.min(first + self.at_once)))
    }
}

/// Memory that is used again from plane to plane.
#[derive(Default)]
struct Scratch {
    edges: [Edges; 2],
    counts: Vec<u64>,
    runs: Vec<Run>,
    text: Vec<u8>,
}

impl Scratch {
    /// The text of the counts.
    fn text(&mut self) -> Vec<u8> {
        self.text.clear();
        coco_string::push(&mut self.text, &self.counts);
        self.text.clone()
    }
}

fn plane_text(encoder: &Encoder, mask: LabelMask<'_, u8>, scratch: &mut Scratch) -> runmask::Result<Vec<u8>> {
    let pixels = mask.shape().pixels();
    let runs = encoder.encode(&mask)?;
    let joined;
    let of_object = match runs.labels() {
        [] => &[][..],
        [_] => runs.runs(),
        // Any label but 0 is the object.
        _ => {
            joined = union(runs.runs().to_vec());
            &joined
        }
    };
    LargeCounts::Keep.counts(of_object, pixels, &mut scratch.counts)?;
    encoder.recycle(runs);
    Ok(scratch.text())
}

/// Writes 1 where the objects are into planes of zeros, column-major, one after the other.
#[pyfunction]
#[pyo3(name = "coco_decode")]
pub(crate) fn decode(py: Python<'_>, rles: Vec<Given<'_>>, out: &Bound<'_, PyArrayDyn<u8>>) -> PyResult<()> {
    /// Pixels that a thread writes at once.
    const TOGETHER: usize = 1 << 23;
    let rles = counts_of(py, &rles)?;
    let mut out = out.try_readwrite().map_err(|_| PyValueError::new_err("the array is read-only"))?;
    let out = out.as_slice_mut()?;
    let length = out.len().checked_div(rles.len()).unwrap_or(0).max(1);
    let fill = |index: usize, plane: &mut [u8], scratch: &mut Vec<u64>| {
        let fill = |run: Run| plane[run.start as usize..run.end() as usize].fill(1);
        rles[index].each_run(index, scratch, fill)
    };
    if rles.len() <= 1 {
        let mut planes = out.chunks_mut(length);
        let written = py.detach(|| planes.try_for_each(|plane| fill(0, plane, &mut Vec::new())));
        return written.map_err(|wrong| wrong.raise(py));
    }
    // Several that lie side by side: the system hands out new memory by 2 MiB, for which two threads would wait.
    let at_once = (TOGETHER / length).max(1);
    let planes = Mutex::new(out.chunks_mut(length * at_once).zip((0..).step_by(at_once)));
    let written = work::share(py, |go| {
        let mut scratch = Vec::new();
        loop {
            go().map_err(Wrong::Library)?;
            let next = planes.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((planes, first)) = next else { return Ok(()) };
            let mut planes = planes.chunks_mut(length).zip(first..);
            planes.try_for_each(|(plane, index)| fill(index, plane, &mut scratch))?;
        }
    })?;
    written.into_iter().collect::<Result<(), Wrong>>().map_err(|wrong| wrong.raise(py))
}

/// The text of the pixels that any of the encodings has, or all of them.
#[pyfunction]
#[pyo3(name = "coco_merge")]
pub(crate) fn merge<'py>(py: Python<'py>, rles: Vec<Given<'py>>, intersect: bool) -> PyResult<Bound<'py, PyBytes>> {
    let packed = counts_of(py, &rles)?;
    let shape = packed.first().map_or(Shape { height: 0, width: 0 }, |rle| rle.shape);
    // The most runs that there can be: one in two characters or numbers.
    let runs: usize = packed.iter().map(|rle| rle.size() / 2).sum();
    let queue = Queue::new(packed.len(), 8);
    if !intersect && shape.pixels() / 8 <= (runs * size_of::<Run>()) as u64 {
        let parts = work::share(py, |go| bits_of(&packed, shape, &queue, go))?;
        let parts = parts.into_iter().collect::<Result<Vec<_>, Wrong>>();
        let text = parts.and_then(|parts| {
            let all = parts.into_iter().reduce(|one, other| one.add(&other));
            text_of(&all.map_or(Vec::new(), |bits| bits.runs()), shape)
        });
        return text.map(|text| PyBytes::new(py, &text)).map_err(|wrong| wrong.raise(py));
    }
    let rles = work::run(py, None, |stop| read_all(&packed, stop))?.map_err(|wrong| wrong.raise(py))?;
    let text = work::alone(py, None, move |_| {
        let lists: Vec<Vec<Run>> = rles.into_iter().map(|rle| rle.runs).collect();
        let runs = if intersect { intersection(lists) } else { union(lists.concat()) };
        text_of(&runs, shape)
    })?;
    text.map(|text| PyBytes::new(py, &text)).map_err(|wrong| wrong.raise(py))
}

/// The union of the encodings that a thread takes, by a bit for each pixel: for where that is less memory than their runs.
fn bits_of(rles: &[Encoding<'_>], shape: Shape, queue: &Queue, go: Go<'_>) -> Result<Bits, Wrong> {
    let mut bits = Bits::new(shape.pixels());
    let mut counts = Vec::new();
    while let Some(some) = queue.next(go)? {
        for index in some {
            rles[index].each_run(index, &mut counts, |run| bits.set(run))?;
        }
    }
    Ok(bits)
}

fn intersection(lists: Vec<Vec<Run>>) -> Vec<Run> {
    let mut lists = lists.into_iter();
    let mut all = lists.next().unwrap_or_default();
    for list in lists {
        let mut both = Vec::new();
        overlaps(&all, &list, |run| both.push(run));
        all = both;
    }
    all
}

/// Every stretch that runs of both lists cover.
fn overlaps(one: &[Run], other: &[Run], mut found: impl FnMut(Run)) {
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        let (start, end) = (a.start.max(b.start), a.end().min(b.end()));
        if start < end {
            found(Run { start, length: end - start });
        }
        if a.end() <= b.end() {
            i += 1;
        } else {
            j += 1;
        }
    }
}

/// Intersection over union of every pair; where the second is a crowd, over the area of the first.
#[pyfunction]
#[pyo3(name = "coco_iou")]
pub(crate) fn iou<'py>(
    py: Python<'py>,
    detections: Vec<Given<'py>>,
    truths: Vec<Given<'py>>,
    crowd: Vec<bool>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let (detections, truths) = (counts_of(py, &detections)?, counts_of(py, &truths)?);
    let (rows, columns) = (detections.len(), truths.len());
    let read = work::run(py, None, |stop| Ok((read_all(&detections, stop)?, read_all(&truths, stop)?)))?;
    let (detections, truths) = read.map_err(|wrong: Wrong| wrong.raise(py))?;
    let table = work::alone(py, None, move |_| objects(detections)?.coco_iou(&objects(truths)?, &crowd))?;
    let table = table.map_err(|error| raise(py, error))?;
    table.into_pyarray(py).reshape([rows, columns])
}

/// Encodings as the labels 1, 2, 3 ... of one mask.
fn objects(rles: Vec<Rle>) -> runmask::Result<LabelRuns> {
    let shape = rles.first().map(|rle| rle.shape);
    if let Some(other) = rles.iter().find(|rle| Some(rle.shape) != shape) {
        let text = format!("encodings of several sizes, {} among them: masks of one size are needed", other.shape);
        return Err(runmask::Error::Argument(text));
    }
    let mut offsets = vec![0];
    offsets.extend(rles.iter().scan(0, |end, rle| {
        *end += rle.runs.len();
        Some(*end)
    }));
    let labels = (1..=rles.len() as u64).collect();
    let runs = rles.into_iter().flat_map(|rle| rle.runs).collect();
    LabelRuns::from_parts(shape, ScanOrder::ColumnMajor, labels, offsets, runs)
}

/// Rows and columns that hold all pixels; ends are exclusive.
#[derive(Clone, Copy, Default)]
struct Bounds {
    top: u64,
    bottom: u64,
    left: u64,
    right: u64,
}

impl Bounds {
    fn of(runs: &[Run], shape: Shape) -> Self {
        let height = u64::from(shape.height);
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Self::default() };
        let (left, right) = (first.start / height, (last.end() - 1) / height + 1);
        let (mut top, mut bottom) = (height, 0);
        let mut column = left * height;
        for run in runs {
            // Most runs lie in the column of the run before or in the next.
            if run.start - column >= height {
                column = run.start / height * height;
            }
            let (from, to) = (run.start - column, run.end() - column);
            if to > height {
                (top, bottom) = (0, height);
                break;
            }
            (top, bottom) = (top.min(from), bottom.max(to));
        }
        Self { top, bottom, left, right }
    }
}

/// Intersection over union of every pair of boxes: x, y, width, height.
#[pyfunction]
#[pyo3(name = "coco_box_iou")]
pub(crate) fn box_iou<'py>(
    py: Python<'py>,
    detections: PyReadonlyArray2<'py, f64>,
    truths: PyReadonlyArray2<'py, f64>,
    crowd: Vec<bool>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let (rows, columns) = (detections.shape()[0], truths.shape()[0]);
    let (detections, truths) = (detections.as_slice()?, truths.as_slice()?);
    let (detections, _) = detections.as_chunks::<4>();
    let (truths, _) = truths.as_chunks::<4>();
    let mut table = Vec::with_capacity(rows * columns);
    for [x, y, width, height] in detections {
        for ([left, top, wide, high], &crowd) in truths.iter().zip(&crowd) {
            let across = (x + width).min(left + wide) - x.max(*left);
            let down = (y + height).min(top + high) - y.max(*top);
            let both = if across > 0.0 && down > 0.0 { across * down } else { 0.0 };
            let all = if crowd { width * height } else { width * height + wide * high - both };
            table.push(if both == 0.0 { 0.0 } else { both / all });
        }
    }
    table.into_pyarray(py).reshape([rows, columns])
}

/// The number of pixels of each encoding.
#[pyfunction]
#[pyo3(name = "coco_area")]
pub(crate) fn area<'py>(py: Python<'py>, rles: Vec<Given<'py>>) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let rles = counts_of(py, &rles)?;
    let area = |index: usize, scratch: &mut Scratch| {
        let rle = &rles[index];
        let counts = rle.counts(index, &mut scratch.counts)?;
        // Every second count is the object's.
        let sum = |sum: u128, &count: &u64| sum + u128::from(count);
        let (all, object) = (counts.iter().fold(0, sum), counts.iter().skip(1).step_by(2).fold(0, sum));
        match u64::try_from(object) {
            Ok(object) if all == u128::from(rle.shape.pixels()) => Ok(object),
            _ => Err(wrong_sum(index, rle.shape, all)),
        }
    };
    Ok(each(py, rles.len(), size_of_all(&rles), area)?.into_pyarray(py))
}

/// Bytes or numbers of each encoding, at most.
fn size_of_all(rles: &[Encoding<'_>]) -> usize {
    rles.iter().map(Encoding::size).max().unwrap_or(0)
}

/// The box of each encoding: x, y, width, height; zeros where there are no pixels.
#[pyfunction]
#[pyo3(name = "coco_boxes")]
pub(crate) fn boxes<'py>(py: Python<'py>, rles: Vec<Given<'py>>) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let rles = counts_of(py, &rles)?;
    let count = rles.len();
    let boxes = each(py, count, size_of_all(&rles), |index, scratch| {
        let Scratch { counts, runs, .. } = scratch;
        rles[index].runs(index, counts, runs)?;
        let Bounds { top, bottom, left, right } = Bounds::of(runs, rles[index].shape);
        Ok([left, top, right - left, bottom - top].map(|side| side as f64))
    })?;
    boxes.into_flattened().into_pyarray(py).reshape([count, 4])
}

/// The texts of boxes, x, y, width and height, filled as COCO's polygons of four corners are.
///
/// COCO fills polygons on a grid five times as fine. A side at `v` goes to the fine line `trunc(5 v + 0.5)`; a column or
/// row belongs to the box when the middle of its five fine lines does.
#[pyfunction]
#[pyo3(name = "coco_from_boxes")]
pub(crate) fn from_boxes<'py>(
    py: Python<'py>,
    boxes: PyReadonlyArray2<'py, f64>,
    height: u64,
    width: u64,
) -> PyResult<Bound<'py, PyList>> {
    let shape = Shape::new(height, width).map_err(|error| raise(py, error))?;
    let side = |at: f64, limit: u64| {
        let fine = (5.0 * at + 0.5).trunc();
        ((fine + 2.0) / 5.0).floor().clamp(0.0, limit as f64) as u64
    };
    let boxes = boxes.as_slice()?;
    let mut texts = Vec::new();
    for &[x, y, wide, high] in boxes.as_chunks::<4>().0 {
        if ![x, y, wide, high].iter().all(|number| number.is_finite()) {
            return Err(PyValueError::new_err(format!(
                "a box of finite numbers is needed, found {:?}",
                [x, y, wide, high]
            )));
        }
        let (left, right) = (side(x, width), side(x + wide, width));
        let (top, bottom) = (side(y, height), side(y + high, height));
        let (left, right) = (left.min(right), left.max(right));
        let (top, bottom) = (top.min(bottom), top.max(bottom));
        let rows = |column| Run { start: column * height + top, length: bottom - top };
        let runs: Vec<Run> = if top < bottom { (left..right).map(rows).collect() } else { Vec::new() };
        texts.push(text_of(&runs, shape).map_err(|wrong| wrong.raise(py))?);
    }
    PyList::new(py, texts.iter().map(|text| PyBytes::new(py, text)))
}

/// The texts of polygons, each given as x, y, x, y and so on.
#[pyfunction]
#[pyo3(name = "coco_from_polygons")]
pub(crate) fn from_polygons<'py>(
    py: Python<'py>,
    polygons: Vec<PyReadonlyArray1<'py, f64>>,
    height: u64,
    width: u64,
) -> PyResult<Bound<'py, PyList>> {
    let shape = Shape::new(height, width).map_err(|error| raise(py, error))?;
    let rings: Vec<&[Point]> =
        polygons.iter().map(|polygon| Ok(polygon.as_slice()?.as_chunks::<2>().0)).collect::<PyResult<_>>()?;
    let polygons = polygons_of(&rings, shape).map_err(|error| raise(py, error))?;
    let texts = work::alone(py, None, move |_| {
        let runs = polygons.fill(FillRule::Coco)?;
        let text = |(_, of_label): (u64, &[Run])| text_of(of_label, shape);
        Ok(runs.iter().map(text).collect::<Result<Vec<_>, Wrong>>())
    })?;
    let texts = texts.map_err(|error| raise(py, error))?.map_err(|wrong| wrong.raise(py))?;
    PyList::new(py, texts.iter().map(|text| PyBytes::new(py, text)))
}

/// Rings, which close themselves, as the labels 1, 2, 3 ...
fn polygons_of(rings: &[&[Point]], shape: Shape) -> runmask::Result<Polygons> {
    let mut parts = PolygonParts {
        labels: (1..=rings.len() as u64).collect(),
        feature_offsets: (0..=rings.len()).collect(),
        polygon_offsets: (0..=rings.len()).collect(),
        ring_offsets: vec![0],
        points: Vec::new(),
    };
    for ring in rings {
        parts.points.extend_from_slice(ring);
        parts.points.extend(ring.first().filter(|first| ring.last() != Some(first)));
        parts.ring_offsets.push(parts.points.len());
    }
    Polygons::from_parts(Some(shape), parts)
}

/// The texts of encodings, whatever their counts are written as.
#[pyfunction]
#[pyo3(name = "coco_from_counts")]
pub(crate) fn from_counts<'py>(py: Python<'py>, rles: Vec<Given<'py>>) -> PyResult<Bound<'py, PyList>> {
    let rles = counts_of(py, &rles)?;
    let texts = each(py, rles.len(), size_of_all(&rles), |index, _| {
        let rle = read(index, &rles[index])?;
        text_of(&rle.runs, rle.shape)
    })?;
    list(py, texts)
}
