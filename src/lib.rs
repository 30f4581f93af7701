#![doc = include_str!("../README.md")]

pub mod boundary;
mod compaction;
mod cut;
mod decode;
pub mod doctor;
mod encoder;
mod engine;
mod error;
pub mod format;
#[cfg(feature = "gpu")]
pub mod gpu;
mod guard;
mod lanes;
mod marked;
mod mask;
mod memory;
mod names;
pub mod output;
pub mod pixels;
mod progress;
#[cfg(feature = "tiff")]
mod rows;
mod runs;
mod shape;
pub mod sink;
pub mod source;
mod strip;
mod threads;
#[cfg(feature = "tiff")]
mod tiff;

pub use decode::{Decoder, decode};
pub use encoder::{Encoder, EncoderBuilder, encode};
pub use engine::{Engine, EngineInfo};
pub use error::{CannotHold, Error, FormatError, Loss, Place, Remedy, Result};
pub use guard::panic_is_caught;
pub use lanes::SimdLevel;
pub use marked::Marked;
pub use mask::{Dtype, Label, LabelMask};
pub use progress::Progress;
pub use runs::{
    BestMatch, Column, ComponentOptions, Components, Connectivity, F1_THRESHOLDS, LabelRuns, LabelRunsBuilder,
    MeasureOptions, Measures, Overlap, Overlaps, PixelSize, Property, Run, Scores, SetOperation, Values, Window,
    Windows,
};
pub use runs::{FillRule, OverlapPolicy, Point, PolygonParts, Polygons, Simplified};
pub use shape::{ScanOrder, Shape};
pub use strip::{Layout, Strip};
