//! What a user says about run files, as keyword arguments.

use std::collections::BTreeMap;
use std::str::FromStr;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use runmask::format::{ObjectType, ReadOptions, WriteOptions};
use runmask::{Error, FillRule, MeasureOptions, PixelSize, Property, ScanOrder, Shape};

use crate::arrays::order_of;
use crate::errors::raise;

/// Options of a reader; others than those listed are an error.
pub(crate) fn read_options(given: &Bound<'_, PyDict>) -> PyResult<ReadOptions> {
    let mut options = ReadOptions::new();
    for (name, value) in given.iter() {
        let name: String = name.extract()?;
        options = match name.as_str() {
            _ if value.is_none() => options,
            "shape" => options.shape(shape_of(&value)?),
            "image" => options.image(value.extract::<String>()?),
            "order" => options.order(order(&value)?),
            "base" => options.base(value.extract::<u64>()?),
            "renumber" => options.renumber(value.extract()?),
            "skip_other_shapes" => options.skip_other_shapes(value.extract()?),
            "ignore_columns" => options.ignore_columns(value.extract()?),
            "header" => options.header(value.extract::<String>()?),
            "fill_rule" => options.fill_rule(named::<FillRule>(&value)?),
            "label_property" => options.label_property(value.extract::<String>()?),
            _ => return Err(unknown(&name)),
        };
    }
    Ok(options)
}

/// Options of a writer; others than those listed are an error.
pub(crate) fn write_options(given: &Bound<'_, PyDict>) -> PyResult<WriteOptions> {
    let mut options = WriteOptions::new();
    for (name, value) in given.iter() {
        let name: String = name.extract()?;
        options = match name.as_str() {
            _ if value.is_none() => options,
            "line_ending" => options.line_ending(named(&value)?),
            "compat" => options.compat(named::<runmask::format::Compat>(&value)?),
            "labels" => options.labels(value.extract::<u64>()?),
            "order" => options.order(order(&value)?),
            "base" => options.base(value.extract::<u64>()?),
            "header" => options.header(value.extract::<String>()?),
            "image" => options.image(value.extract::<String>()?),
            "category" => options.category(value.extract::<String>()?),
            "file_name" => options.file_name(value.extract::<String>()?),
            "image_url" => options.image_url(value.extract::<String>()?),
            "drop_empty_labels" => options.drop_empty_labels(value.extract()?),
            "renumber" => options.renumber(value.extract()?),
            "drop_attributes" => options.drop_attributes(value.extract()?),
            "drop_shape" => options.drop_shape(value.extract()?),
            "union" => options.union(value.extract()?),
            "large_counts" => options.large_counts(named(&value)?),
            "coco_form" => options.coco_form(named(&value)?),
            "counts" => options.counts(named(&value)?),
            "category_of" => options.category_of(value.extract::<BTreeMap<u64, u64>>()?),
            "categories" => options.categories(value.extract::<BTreeMap<u64, String>>()?),
            "object_type" => options.object_type(named::<ObjectType>(&value)?),
            "class_colors" => options.class_colors(value.extract::<BTreeMap<String, [u8; 3]>>()?),
            "simplify" => options.simplify(value.extract::<f64>()?),
            "measure" => options.measure(measure_options(Some(&value), given.get_item("pixel_size")?.as_ref())?),
            "pixel_size" if given.contains("measure")? => options,
            "pixel_size" => return Err(PyTypeError::new_err("pixel_size is for measurements: measure= names them")),
            _ => return Err(unknown(&name)),
        };
    }
    Ok(options)
}

/// What is measured, by the names of properties, and how large a pixel is, if that is known.
pub(crate) fn measure_options(
    properties: Option<&Bound<'_, PyAny>>,
    pixel_size: Option<&Bound<'_, PyAny>>,
) -> PyResult<MeasureOptions> {
    let mut options = MeasureOptions::new();
    if let Some(properties) = properties {
        let properties: Vec<Bound<'_, PyAny>> = properties.extract()?;
        options = options.properties(properties.iter().map(named::<Property>).collect::<PyResult<Vec<_>>>()?);
    }
    Ok(options.pixel_size(pixel_size.filter(|size| !size.is_none()).map(pixel_size_of).transpose()?))
}

/// One number for both sides of a pixel, or height and width.
pub(crate) fn pixel_size_of(value: &Bound<'_, PyAny>) -> PyResult<PixelSize> {
    let (height, width) = value.extract().or_else(|_| value.extract().map(|side: f64| (side, side)))?;
    PixelSize::new(height, width).map_err(|error| raise(value.py(), error))
}

/// A value by the name that the library gives it.
pub(crate) fn named<T: FromStr<Err = Error>>(value: &Bound<'_, PyAny>) -> PyResult<T> {
    value.extract::<String>()?.parse().map_err(|error| raise(value.py(), error))
}

/// Height and width.
pub(crate) fn shape_of(value: &Bound<'_, PyAny>) -> PyResult<Shape> {
    let (height, width) = value.extract()?;
    Shape::new(height, width).map_err(|error| raise(value.py(), error))
}

fn order(value: &Bound<'_, PyAny>) -> PyResult<ScanOrder> {
    order_of(&value.extract::<String>()?)
}

fn unknown(name: &str) -> PyErr {
    PyTypeError::new_err(format!("there is no option {name:?}"))
}
