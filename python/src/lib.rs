//! The Python package's compiled half: `runmask._runmask`.
//!
//! Gets numpy arrays and Python's values; gives [`runs::Runs`], arrays and Python's exceptions; guarantees that the work
//! happens outside Python's lock, that Ctrl-C ends it, that masks are not copied, and that a forked process works. What a
//! user calls is in `python/runmask`, which says in docstrings what each function does.

#![allow(missing_docs, reason = "Python documents what Python sees")]

mod arrays;
mod coco;
mod decode;
mod encode;
mod errors;
mod files;
mod operations;
mod options;
mod pixels;
mod plane;
mod polygons;
mod rle;
mod runs;
mod work;

use pyo3::prelude::*;

#[pymodule]
fn _runmask(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("FormatError", py.get_type::<errors::FormatError>())?;
    module.add_class::<runs::Runs>()?;
    module.add_class::<polygons::Polygons>()?;
    module.add_class::<files::MaskFile>()?;
    module.add_class::<operations::Marked>()?;
    for function in [
        wrap_pyfunction!(main, module)?,
        wrap_pyfunction!(runs::pack, module)?,
        wrap_pyfunction!(runs::unpack, module)?,
        wrap_pyfunction!(runs::merge_packed, module)?,
        wrap_pyfunction!(polygons::_restore_polygons, module)?,
        wrap_pyfunction!(encode::encode, module)?,
        wrap_pyfunction!(encode::encode_rows, module)?,
        wrap_pyfunction!(encode::mark, module)?,
        wrap_pyfunction!(encode::mark_rows, module)?,
        wrap_pyfunction!(files::read, module)?,
        wrap_pyfunction!(files::read_images, module)?,
        wrap_pyfunction!(files::convert, module)?,
        wrap_pyfunction!(files::examine, module)?,
        wrap_pyfunction!(files::extension, module)?,
        wrap_pyfunction!(operations::merge, module)?,
        wrap_pyfunction!(operations::overlaps, module)?,
        wrap_pyfunction!(operations::compare, module)?,
        wrap_pyfunction!(operations::labels_of_runs, module)?,
        wrap_pyfunction!(operations::from_columns, module)?,
        wrap_pyfunction!(pixels::encode, module)?,
        wrap_pyfunction!(pixels::decode, module)?,
        wrap_pyfunction!(rle::to_text, module)?,
        wrap_pyfunction!(rle::from_text, module)?,
        wrap_pyfunction!(coco::encode, module)?,
        wrap_pyfunction!(coco::encode_plane, module)?,
        wrap_pyfunction!(coco::decode, module)?,
        wrap_pyfunction!(coco::merge, module)?,
        wrap_pyfunction!(coco::iou, module)?,
        wrap_pyfunction!(coco::box_iou, module)?,
        wrap_pyfunction!(coco::area, module)?,
        wrap_pyfunction!(coco::boxes, module)?,
        wrap_pyfunction!(coco::from_boxes, module)?,
        wrap_pyfunction!(coco::from_polygons, module)?,
        wrap_pyfunction!(coco::from_counts, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}

/// Runs the program with these arguments, the first of which is its name, and returns the exit status.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| runmask_cli::main_with(arguments))
}
