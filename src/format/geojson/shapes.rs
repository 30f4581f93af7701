//! The parts of a feature, read by serde.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::SCORE;
use crate::runs::Rings;

/// A feature, or a geometry on its own.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Member {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) geometry: Option<Geometry>,
    pub(super) properties: Option<Properties>,
    pub(super) coordinates: Option<Coordinates>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Geometry {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) coordinates: Option<Coordinates>,
}

/// The most lists in each other around a number: those of a MultiPolygon.
const DEEPEST: u8 = 4;

/// Lists in lists of points.
#[derive(Debug)]
pub(super) struct Coordinates {
    /// How many lists are around each number: 1 for a point, 3 for a polygon, 4 for several; 0 for an empty list.
    pub(super) depth: u8,
    /// The points, in lists as rings, and in lists of lists as polygons. Rings are closed.
    pub(super) rings: Rings,
}

impl<'de> Deserialize<'de> for Coordinates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut rings = Rings::default();
        let depth = match (Nest { rings: &mut rings, around: 0 }).deserialize(deserializer)? {
            Nested::List(depth) => depth,
            Nested::Nothing => 0,
            Nested::Number(_) => return Err(de::Error::custom("a number instead of coordinates")),
        };
        Ok(Self { depth, rings })
    }
}

/// What stands in a list.
enum Nested {
    Number(f64),
    /// A list in which so many lists are around each number, itself among them.
    List(u8),
    /// An empty list.
    Nothing,
}

/// Reads a list of points, or lists of them, into rings.
struct Nest<'a> {
    rings: &'a mut Rings,
    /// The lists that this one is in.
    around: u8,
}

impl<'de> DeserializeSeed<'de> for Nest<'_> {
    type Value = Nested;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Nested, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nest<'_> {
    type Value = Nested;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("coordinates: numbers in lists")
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Nested, E> {
        Ok(Nested::Number(value as f64))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Nested, E> {
        Ok(Nested::Number(value as f64))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Nested, E> {
        Ok(Nested::Number(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Nested, A::Error> {
        let Self { rings, around } = self;
        if around == DEEPEST {
            return Err(de::Error::custom("coordinates in more than four lists"));
        }
        let mut inside = None;
        loop {
            // A point is two numbers, and more that are passed over.
            let next = list.next_element_seed(Nest { rings: &mut *rings, around: around + 1 })?;
            match (inside, next) {
                (None, None) => return Ok(Nested::Nothing),
                (None, Some(Nested::Number(x))) => {
                    let Some(Nested::Number(y)) =
                        list.next_element_seed(Nest { rings: &mut *rings, around: DEEPEST })?
                    else {
                        return Err(de::Error::custom("a point of one number"));
                    };
                    while list.next_element::<IgnoredAny>()?.is_some() {}
                    rings.points.push([x, y]);
                    return Ok(Nested::List(1));
                }
                (None, Some(Nested::List(depth))) => inside = Some(depth),
                (Some(before), Some(Nested::List(depth))) if before == depth => {}
                (Some(1), None) => {
                    close(rings);
                    return Ok(Nested::List(2));
                }
                (Some(2), None) => {
                    rings.end_polygon();
                    return Ok(Nested::List(3));
                }
                (Some(depth), None) => return Ok(Nested::List(depth + 1)),
                (_, Some(Nested::Nothing)) => return Err(de::Error::custom("an empty list among coordinates")),
                _ => return Err(de::Error::custom("numbers and lists, or lists of different depths, side by side")),
            }
        }
    }
}

/// Ends a ring, and closes it where it is open.
fn close(rings: &mut Rings) {
    let first = rings.points[rings.ring_offsets[rings.ring_offsets.len() - 1]];
    if rings.points[rings.points.len() - 1] != first {
        rings.points.push(first);
    }
    rings.end_ring();
}

/// What is known of an object beside its outline. Properties may hold anything: what is not understood is passed over.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) class: Option<String>,
    pub(super) score: Option<f64>,
    /// The label that QuPath keeps.
    pub(super) label: Option<u64>,
    /// Properties that are whole numbers.
    pub(super) numbers: Vec<(String, u64)>,
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Properties;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("properties")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Properties, E> {
                Ok(Properties::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut properties = Properties::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "classification" => {
                            properties.class = map.next_value::<Value<Class>>()?.known().and_then(Class::name)
                        }
                        "metadata" => {
                            let found = map.next_value::<Value<Metadata>>()?.known();
                            properties.label = found.and_then(|found| found.label).map(|Whole(label)| label);
                        }
                        "measurements" => properties.score = map.next_value::<Measurements>()?.0,
                        _ => {
                            if let Some(Whole(number)) = map.next_value::<Value<Whole>>()?.known() {
                                properties.numbers.push((key, number));
                            }
                        }
                    }
                }
                Ok(properties)
            }
        }
        deserializer.deserialize_any(Keys)
    }
}

/// A value that is passed over when it is none of a kind that is known.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value<T> {
    Known(T),
    Other(IgnoredAny),
}

impl<T> Value<T> {
    fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

/// A class: its name, or an object with its name, or with the names that it is put together from.
#[derive(Deserialize)]
#[serde(untagged)]
enum Class {
    Text(String),
    Named { name: String },
    Parts { names: Vec<String> },
}

impl Class {
    fn name(self) -> Option<String> {
        let name = match self {
            Self::Text(name) | Self::Named { name } => name,
            Self::Parts { names } => names.join(": "),
        };
        Some(name).filter(|name| !name.is_empty())
    }
}

#[derive(Deserialize)]
struct Metadata {
    label: Option<Whole>,
}

/// A whole number, or a text that is one.
struct Whole(u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Whole;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Whole, E> {
                Ok(Whole(value))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Whole, E> {
                // Programs that know no whole numbers write 7.0.
                let whole = value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value);
                if whole { Ok(Whole(value as u64)) } else { Err(E::custom("no whole number")) }
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Whole, E> {
                super::super::numbers::whole_number(value).map(Whole).ok_or_else(|| E::custom("no whole number"))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// The score among measurements: an object, or a list of names and values.
struct Measurements(Option<f64>);

impl<'de> Deserialize<'de> for Measurements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Find;
        impl<'de> Visitor<'de> for Find {
            type Value = Measurements;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("measurements: names and numbers")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Measurements, E> {
                Ok(Measurements(None))
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Measurements, E> {
                Ok(Measurements(None))
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Measurements, E> {
                Ok(Measurements(None))
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Measurements, E> {
                Ok(Measurements(None))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Measurements, E> {
                Ok(Measurements(None))
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<Measurements, E> {
                Ok(Measurements(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Measurements, A::Error> {
                let mut score = None;
                while let Some(IsScore(is_score)) = map.next_key()? {
                    if is_score {
                        score = map.next_value::<Value<f64>>()?.known();
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Measurements(score))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Measurements, A::Error> {
                #[derive(Deserialize)]
                struct Named {
                    name: Option<IsScore>,
                    value: Option<Value<f64>>,
                }
                let mut score = None;
                while let Some(entry) = list.next_element::<Value<Named>>()? {
                    if let Some(Named { name: Some(IsScore(true)), value: Some(value) }) = entry.known() {
                        score = value.known();
                    }
                }
                Ok(Measurements(score))
            }
        }
        deserializer.deserialize_any(Find)
    }
}

/// Whether a name is that of a score, without a copy of it.
struct IsScore(bool);

impl<'de> Deserialize<'de> for IsScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = IsScore;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<IsScore, E> {
                Ok(IsScore(value == SCORE))
            }
        }
        deserializer.deserialize_str(Name)
    }
}
