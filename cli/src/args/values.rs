//! Values of arguments: the library's choices by the names that it gives them, and what only the program knows.

use std::num::NonZeroU64;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use runmask::ScanOrder;
use runmask::format::Format;

/// The parser of a choice that the library names: its names are the values.
macro_rules! choice {
    ($type:ty) => {
        $crate::args::named::<$type>(<$type>::ALL.iter().map(|value| value.name()))
    };
}
pub(super) use choice;

/// Values by these names.
pub(crate) fn named<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = runmask::Error> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// Formats of run files by the names that the library gives them.
pub(crate) fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.iter().map(|format| format.name()))
        .try_map(|name| Format::from_name(&name).ok_or("no such format"))
}

/// Orders by their short names; the library's own are read as well.
pub(crate) fn order_parser() -> impl TypedValueParser<Value = ScanOrder> {
    let value = |name: &'static str, order: ScanOrder| PossibleValue::new(name).alias(order.name());
    PossibleValuesParser::new([
        value("column", ScanOrder::ColumnMajor).help("down each column, then left to right (Fortran order)"),
        value("row", ScanOrder::RowMajor).help("along each row, then top to bottom (C order)"),
    ])
    .try_map(|name| name.parse())
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

/// Bytes that the program may take, of which it needs some whatever it does.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 16 << 20;
    size(text).and_then(|bytes| if bytes < LEAST { Err("16M or more was expected".into()) } else { Ok(bytes) })
}

/// A number and what belongs to it.
pub(super) fn pair<T: FromStr>(text: &str) -> Result<(u64, T), String> {
    let parts = text.split_once('=').and_then(|(key, value)| Some((key.parse().ok()?, value.parse().ok()?)));
    parts.ok_or_else(|| "a number, = and a value were expected".into())
}

/// The plane of an array along an axis.
pub(super) fn index(text: &str) -> Result<(String, u64), String> {
    let parts =
        text.split_once('=').and_then(|(axis, number)| Some((axis.trim().to_owned(), number.trim().parse().ok()?)));
    parts
        .filter(|(axis, _)| !axis.is_empty())
        .ok_or_else(|| "an axis, = and a number were expected, for instance c=1".into())
}

/// A category: the name of one that has a number, or of every object's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    Numbered(u64, String),
    Every(String),
}

impl FromStr for Category {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=').map(|(number, name)| (number.parse(), name)) {
            Some((Ok(number), name)) if !name.is_empty() => Ok(Self::Numbered(number, name.to_owned())),
            _ if text.is_empty() => Err("a name was expected, or a number, = and a name".into()),
            _ => Ok(Self::Every(text.to_owned())),
        }
    }
}

/// A class of objects, with its colour when it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) color: Option<[u8; 3]>,
}

/// A class: its name, or its name, = and red, green and blue.
pub(super) fn class(text: &str) -> Result<Class, String> {
    let color = |text: &str| {
        let parts: Vec<u8> = text.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
        <[u8; 3]>::try_from(parts).ok()
    };
    let (name, color) = match text.rsplit_once('=') {
        None => (text, None),
        Some((name, numbers)) => match color(numbers) {
            Some(color) => (name, Some(color)),
            None => return Err("after = red, green and blue were expected, each from 0 to 255: Tumor=200,0,0".into()),
        },
    };
    if name.is_empty() {
        return Err("the name of a class was expected".into());
    }
    Ok(Class { name: name.to_owned(), color })
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
        assert_eq!(memory("16M"), Ok(16 << 20));
        assert!(memory("16383K").is_err());
    }

    #[test]
    fn indices() {
        assert_eq!(index("c = 1"), Ok(("c".into(), 1)));
        for wrong in ["", "c", "c=", "=1", "c=-1", "c=1.5"] {
            assert!(index(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn classes() {
        let named = |name: &str, color| Ok(Class { name: name.into(), color });
        assert_eq!(class("Tumor"), named("Tumor", None));
        assert_eq!(class("Tumor: CD3+=200,0, 255"), named("Tumor: CD3+", Some([200, 0, 255])));
        for wrong in ["", "=1,2,3", "a=", "a=1,2", "a=1,2,256", "a=1,2,3,4", "a=b"] {
            assert!(class(wrong).is_err(), "{wrong}");
        }
    }
}
