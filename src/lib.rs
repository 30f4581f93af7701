#![doc = include_str!("../README.md")]

pub mod boundary;
mod error;
mod mask;
pub mod output;
#[cfg(feature = "tiff")]
mod rows;
mod runs;
mod shape;
pub mod sink;
pub mod source;
mod strip;

pub use error::{Error, FormatError, Place, Result};
pub use mask::{Dtype, Label, LabelMask};
pub use runs::{LabelRuns, LabelRunsBuilder, Run};
pub use shape::{ScanOrder, Shape};
pub use strip::{Cut, Strip};
