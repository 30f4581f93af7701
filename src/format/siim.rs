//! `siim`: the CSV of SIIM-ACR Pneumothorax, which is that of `kaggle` with relative starts; see there.

use super::Capabilities;
use super::description::{Description, Reader, Special, Unsaid, Writer};
use super::detect::Fit;
use super::kaggle::{RowWriter, Starts, holds, is_table, read, starts_of};
use crate::shape::ScanOrder;

pub(super) static FORMAT: Description = Description {
    name: "siim",
    about: "CSV ImageId,EncodedPixels with relative starts: one object a row, column-major, -1 for nothing",
    extension: "csv",
    owns_extension: false,
    headers: &["ImageId,EncodedPixels"],
    capabilities: Capabilities {
        many_images: true,
        holds_shape: false,
        needs_shape: false,
        any_labels: false,
        empty_labels: false,
        any_order: false,
    },
    holds,
    unsaid: Unsaid::NOTHING,
    order: ScanOrder::ColumnMajor,
    bases: &[0],
    options: &[Special::Header, Special::Union],
    fits: |beginning| match (is_table(beginning), starts_of(beginning)) {
        (None, _) => Fit::No,
        (Some(true), Some(Starts::Relative)) => Fit::Sure,
        (Some(true), None) if beginning.columns().iter().any(|name| name.eq_ignore_ascii_case("encodedpixels")) => {
            Fit::Sure
        }
        (Some(false), _) => Fit::IfTold,
        _ => Fit::Perhaps,
    },
    read: Reader::Objects(|reader, options, sink| read(reader, options, Starts::Relative, sink)),
    write: Writer::Objects(|writer, options| Ok(Box::new(RowWriter::new(writer, options, Starts::Relative)?))),
};
