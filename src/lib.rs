#![doc = include_str!("../README.md")]

pub mod boundary;
pub mod doctor;
mod error;
pub mod format;
mod mask;
pub mod pixels;
mod reorder;
mod runs;
mod shape;
pub mod source;
mod strip;

pub use error::{Error, FormatError, Place, Result};
pub use mask::{Dtype, Label, LabelMask};
pub use runs::{LabelRuns, LabelRunsBuilder, Run};
pub use shape::{ScanOrder, Shape};
pub use strip::{Cut, Strip};
