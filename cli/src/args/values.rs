//! Values of arguments: the library's choices by the names they have on the command line.

use std::num::NonZeroU64;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use runmask::format::{CocoForm, Compat, Format, JsonCounts, LargeCounts};
use runmask::sink::{Compression, MaskFormat};
use runmask::{Dtype, Engine, ScanOrder};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum EngineName {
    /// The fastest as measured
    #[default]
    Auto,
    /// The definition of what is right; slow
    Scalar,
    /// The processor's vector instructions
    Simd,
    /// Compute shaders
    Gpu,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Self {
        match name {
            EngineName::Auto => Self::Auto,
            EngineName::Scalar => Self::Scalar,
            EngineName::Simd => Self::Simd,
            EngineName::Gpu => Self::Gpu,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Order {
    /// Down each column, then left to right
    #[default]
    Column,
    /// Along each row, then top to bottom
    Row,
}

impl From<Order> for ScanOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Column => Self::ColumnMajor,
            Order::Row => Self::RowMajor,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Layout {
    /// Row after row (C order)
    #[default]
    Row,
    /// Column after column (Fortran order)
    Column,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DtypeName {
    U8,
    U16,
    U32,
    U64,
}

impl From<DtypeName> for Dtype {
    fn from(name: DtypeName) -> Self {
        match name {
            DtypeName::U8 => Self::U8,
            DtypeName::U16 => Self::U16,
            DtypeName::U32 => Self::U32,
            DtypeName::U64 => Self::U64,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Few, large, far apart
    Glomeruli,
    /// Many, small, close together
    Cells,
    /// A label at random in every pixel
    Noise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MaskFormatName {
    /// BigTIFF in tiles
    Tiff,
    /// Grey, 8 or 16 bits
    Png,
    /// NumPy array
    Npy,
    /// Labels without a header, little endian
    Raw,
}

impl From<MaskFormatName> for MaskFormat {
    fn from(name: MaskFormatName) -> Self {
        match name {
            MaskFormatName::Tiff => Self::Tiff,
            MaskFormatName::Png => Self::Png,
            MaskFormatName::Npy => Self::Npy,
            MaskFormatName::Raw => Self::Raw,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CompressionName {
    /// Read by every program
    #[default]
    Deflate,
    /// Faster and smaller, for recent programs
    Zstd,
}

impl From<CompressionName> for Compression {
    fn from(name: CompressionName) -> Self {
        match name {
            CompressionName::Deflate => Self::Deflate,
            CompressionName::Zstd => Self::Zstd,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LargeCountsName {
    /// An error
    #[default]
    Refuse,
    /// As parts with counts of 0 between them
    Split,
    /// Whole
    Keep,
}

impl From<LargeCountsName> for LargeCounts {
    fn from(name: LargeCountsName) -> Self {
        match name {
            LargeCountsName::Refuse => Self::Refuse,
            LargeCountsName::Split => Self::Split,
            LargeCountsName::Keep => Self::Keep,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompatName {
    /// Method 1 of the original notebook: where labels touch, a run loses its first pixel; a run that ends at the
    /// mask's last pixel is lost
    Notebook,
}

impl From<CompatName> for Compat {
    fn from(name: CompatName) -> Self {
        match name {
            CompatName::Notebook => Self::Notebook,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CocoFormName {
    /// Images, annotations and categories
    #[default]
    Dataset,
    /// A list of annotations
    Results,
}

impl From<CocoFormName> for CocoForm {
    fn from(name: CocoFormName) -> Self {
        match name {
            CocoFormName::Dataset => Self::Dataset,
            CocoFormName::Results => Self::Results,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CountsName {
    /// COCO's compressed text
    #[default]
    Compressed,
    /// A list of numbers
    Numbers,
}

impl From<CountsName> for JsonCounts {
    fn from(name: CountsName) -> Self {
        match name {
            CountsName::Compressed => Self::Compressed,
            CountsName::Numbers => Self::Numbers,
        }
    }
}

/// The label that stands for no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Background(pub(crate) Option<u64>);

impl FromStr for Background {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        text.parse().map(|label| Self(Some(label))).map_err(|_| "a label, or `none`, was expected".into())
    }
}

/// Bytes: a number, or one with K, M, G or T after it, in steps of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let unit = text.trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (digits, shift) = match unit.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&unit[..unit.len() - 1], 10),
        Some(b'M') => (&unit[..unit.len() - 1], 20),
        Some(b'G') => (&unit[..unit.len() - 1], 30),
        Some(b'T') => (&unit[..unit.len() - 1], 40),
        _ => (unit, 0),
    };
    let bytes = digits.parse::<NonZeroU64>().ok().and_then(|number| number.get().checked_mul(1 << shift));
    bytes.ok_or_else(|| "a size was expected, for instance 800000, 500M or 2G".into())
}

/// A number and what belongs to it.
pub(super) fn pair<T: FromStr>(text: &str) -> Result<(u64, T), String> {
    let parts = text.split_once('=').and_then(|(key, value)| Some((key.parse().ok()?, value.parse().ok()?)));
    parts.ok_or_else(|| "a number, = and a value were expected".into())
}

/// Formats by the names that the library gives them.
pub(crate) fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.iter().map(|format| format.name()))
        .try_map(|name| Format::from_name(&name).ok_or("no such format"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("800000"), Ok(800_000));
        assert_eq!(size("500M"), Ok(500 << 20));
        assert_eq!(size("2g"), Ok(2 << 30));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        for wrong in ["", "0", "G", "-1", "1.5G", "99999999999T", "2X"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
