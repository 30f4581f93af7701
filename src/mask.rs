//! Label masks in memory: pixels, a shape and two strides.
//!
//! A [`LabelMask`] borrows its pixels. Any layout with two constant strides is a view: C order, Fortran order, every
//! second column of a larger image, or an image upside down.

use crate::error::{Error, Result};
use crate::names::names;
use crate::shape::{ScanOrder, Shape};

/// The unsigned integer types a label may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dtype {
    /// 8-bit labels.
    U8,
    /// 16-bit labels.
    U16,
    /// 32-bit labels.
    U32,
    /// 64-bit labels.
    U64,
}

impl Dtype {
    /// Bytes of one label.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 => 8,
        }
    }

    /// The largest label of this type.
    pub fn max(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }

    /// The narrowest type that holds `label`.
    pub fn for_label(label: u64) -> Self {
        if label <= Self::U8.max() {
            Self::U8
        } else if label <= Self::U16.max() {
            Self::U16
        } else if label <= Self::U32.max() {
            Self::U32
        } else {
            Self::U64
        }
    }
}

names! { "a type of labels", Dtype { U8 => "u8", U16 => "u16", U32 => "u32", U64 => "u64" } }

mod sealed {
    pub trait Sealed: crate::lanes::Lanes {}
}

/// A label type: `u8`, `u16`, `u32` or `u64`.
pub trait Label:
    Copy + Ord + std::hash::Hash + Default + std::fmt::Debug + Send + Sync + bytemuck::Pod + Into<u64> + sealed::Sealed
{
    /// The type's name in data.
    const DTYPE: Dtype;

    /// The label, or nothing when it does not fit this type.
    fn from_u64(label: u64) -> Option<Self>;
}

macro_rules! label {
    ($($type:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Label for $type {
            const DTYPE: Dtype = Dtype::$dtype;
            fn from_u64(label: u64) -> Option<Self> {
                Self::try_from(label).ok()
            }
        }
    )*};
}
label!(u8 => U8, u16 => U16, u32 => U32, u64 => U64);

/// A value for one of the four types of labels.
///
/// Public functions are generic over labels, and what is generic is compiled again by every crate that calls it: with all
/// that it calls in turn, this takes longer than compiling this library. So public functions hand such a value on to
/// functions that are not generic, in which [`each_label!`] tells the types apart again.
#[derive(Debug)]
pub(crate) enum AnyLabel<A, B, C, D> {
    U8(A),
    U16(B),
    U32(C),
    U64(D),
}

/// The [`AnyLabel`] of a value that is generic over `$T`.
macro_rules! any_label {
    ($T:ident, $value:expr) => {
        match <$T as $crate::mask::Label>::DTYPE {
            $crate::mask::Dtype::U8 => $crate::mask::AnyLabel::U8($value.same()),
            $crate::mask::Dtype::U16 => $crate::mask::AnyLabel::U16($value.same()),
            $crate::mask::Dtype::U32 => $crate::mask::AnyLabel::U32($value.same()),
            $crate::mask::Dtype::U64 => $crate::mask::AnyLabel::U64($value.same()),
        }
    };
}
pub(crate) use any_label;

/// Evaluates an expression for the value in an [`AnyLabel`], whatever its type is.
macro_rules! each_label {
    ($any:expr, $value:ident => $result:expr) => {
        match $any {
            $crate::mask::AnyLabel::U8($value) => $result,
            $crate::mask::AnyLabel::U16($value) => $result,
            $crate::mask::AnyLabel::U32($value) => $result,
            $crate::mask::AnyLabel::U64($value) => $result,
        }
    };
}
pub(crate) use each_label;

/// A mask of labels of any type.
pub(crate) type AnyMask<'a> = AnyLabel<LabelMask<'a, u8>, LabelMask<'a, u16>, LabelMask<'a, u32>, LabelMask<'a, u64>>;

/// A label mask in memory: borrowed pixels, a [`Shape`], and a stride for each axis.
///
/// ```
/// use runmask::{LabelMask, Shape};
/// let pixels = [0u8, 7, 7, 0, 7, 0];
/// let mask = LabelMask::new(&pixels, Shape { height: 2, width: 3 })?;
/// assert_eq!(mask.get(1, 1), Some(7));
/// # Ok::<(), runmask::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LabelMask<'a, T> {
    pixels: &'a [T],
    origin: usize,
    shape: Shape,
    row_stride: isize,
    column_stride: isize,
}

impl<'a, T: Label> LabelMask<'a, T> {
    /// A mask in C order: `height * width` pixels, row after row without gaps.
    pub fn new(pixels: &'a [T], shape: Shape) -> Result<Self> {
        check_length(pixels.len(), shape)?;
        Self::with_strides(pixels, 0, shape, shape.width as isize, 1)
    }

    /// A mask in Fortran order: `height * width` pixels, column after column without gaps.
    pub fn fortran(pixels: &'a [T], shape: Shape) -> Result<Self> {
        check_length(pixels.len(), shape)?;
        Self::with_strides(pixels, 0, shape, 1, shape.height as isize)
    }

    /// A view: pixel (row, column) is `pixels[origin + row * row_stride + column * column_stride]`.
    ///
    /// Strides are in pixels and may be negative or zero. An error when a pixel of the view would lie outside the slice.
    pub fn with_strides(
        pixels: &'a [T],
        origin: usize,
        shape: Shape,
        row_stride: isize,
        column_stride: isize,
    ) -> Result<Self> {
        if shape.pixels() > 0 {
            let reach = |side: u32, stride: isize| i128::from(side - 1) * stride as i128;
            let (rows, columns) = (reach(shape.height, row_stride), reach(shape.width, column_stride));
            let first = origin as i128 + rows.min(0) + columns.min(0);
            let last = origin as i128 + rows.max(0) + columns.max(0);
            if first < 0 || last >= pixels.len() as i128 {
                return Err(Error::Argument(format!(
                    "a view of {shape} with strides {row_stride} and {column_stride} from pixel {origin} reaches pixels \
                     {first} to {last}, outside the {} given",
                    pixels.len()
                )));
            }
        }
        Ok(Self { pixels, origin, shape, row_stride, column_stride })
    }

    /// Height and width.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Pixels from one row to the next.
    pub fn row_stride(&self) -> isize {
        self.row_stride
    }

    /// Pixels from one column to the next.
    pub fn column_stride(&self) -> isize {
        self.column_stride
    }

    /// The scan order whose lines lie along memory: where labels are many, boundaries take a half or a third of the time in
    /// it. Measures, overlaps, scores, and what is to be erased are the same in either order.
    ///
    /// ```
    /// use runmask::{Encoder, LabelMask, MeasureOptions, Shape};
    /// let mask = LabelMask::fortran(&[0u8, 7, 7, 0, 7, 0], Shape { height: 2, width: 3 })?;
    /// let along = Encoder::builder().order(mask.memory_order()).build()?.mark(&mask)?;
    /// let down = Encoder::builder().build()?.mark(&mask)?;
    /// assert_eq!(along.measure(&MeasureOptions::new())?, down.measure(&MeasureOptions::new())?);
    /// # Ok::<(), runmask::Error>(())
    /// ```
    pub fn memory_order(&self) -> ScanOrder {
        if self.row_stride.unsigned_abs() < self.column_stride.unsigned_abs() {
            ScanOrder::ColumnMajor
        } else {
            ScanOrder::RowMajor
        }
    }

    /// The label at (row, column); `None` outside the shape.
    pub fn get(&self, row: u32, column: u32) -> Option<T> {
        (row < self.shape.height && column < self.shape.width).then(|| self.at(row, column))
    }

    /// The label at (row, column), which is in the shape.
    pub(crate) fn at(&self, row: u32, column: u32) -> T {
        debug_assert!(row < self.shape.height && column < self.shape.width, "({row}, {column}) in {}", self.shape);
        self.pixels[self.index(row, column)]
    }

    fn index(&self, row: u32, column: u32) -> usize {
        self.origin
            .wrapping_add_signed(row as isize * self.row_stride)
            .wrapping_add_signed(column as isize * self.column_stride)
    }

    /// The same pixels with rows and columns exchanged; nothing is copied.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { shape: self.shape.transposed(), row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    /// The same mask of the same type of labels, for which the caller has another name.
    pub(crate) fn same<U: Label>(self) -> LabelMask<'a, U> {
        let Self { pixels, origin, shape, row_stride, column_stride } = self;
        LabelMask { pixels: bytemuck::cast_slice(pixels), origin, shape, row_stride, column_stride }
    }

    /// The view whose columns are the scan lines of `order`.
    pub(crate) fn in_order(self, order: ScanOrder) -> Self {
        match order {
            ScanOrder::ColumnMajor => self,
            ScanOrder::RowMajor => self.transposed(),
        }
    }

    /// The rows `first .. first + height` as a view.
    pub(crate) fn rows(self, first: u32, height: u32) -> Self {
        debug_assert!(first + height <= self.shape.height);
        self.part(first, 0, Shape { height, width: self.shape.width })
    }

    /// The columns `first .. first + width` as a view.
    pub(crate) fn columns(self, first: u32, width: u32) -> Self {
        debug_assert!(first + width <= self.shape.width);
        self.part(0, first, Shape { height: self.shape.height, width })
    }

    fn part(self, row: u32, column: u32, shape: Shape) -> Self {
        let origin = if shape.pixels() == 0 { 0 } else { self.index(row, column) };
        Self { origin, shape, ..self }
    }

    /// The pixels of one row when they lie side by side in memory.
    ///
    /// `None` unless the column stride is 1 (or the row is at most one pixel wide).
    pub(crate) fn row(&self, row: u32) -> Option<&'a [T]> {
        let width = self.shape.width as usize;
        if width == 0 {
            return Some(&[]);
        }
        if self.column_stride != 1 && width > 1 {
            return None;
        }
        let start = self.index(row, 0);
        Some(&self.pixels[start..start + width])
    }

    /// The pixels of one column when they lie side by side in memory.
    pub(crate) fn column(&self, column: u32) -> Option<&'a [T]> {
        self.transposed().row(column)
    }
}

fn check_length(found: usize, shape: Shape) -> Result<()> {
    if found as u64 == shape.pixels() {
        return Ok(());
    }
    Err(Error::Argument(format!("a mask of {shape} has {} pixels, but {found} were given", shape.pixels())))
}
