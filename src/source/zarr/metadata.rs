//! What a Zarr array says of itself: `.zarray` of version 2, `zarr.json` of version 3.
//!
//! Gets the text; gives an [`Array`], the same for both versions, or says what of it is not read. Sizes are what the text
//! claims: whoever allocates checks them.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::codec::{Codec, Codecs, Shard};
use super::store::place;
use crate::error::{Error, Place, Result};
use crate::mask::Dtype;
use crate::source::samples::Samples;

/// Axes that an array may have.
const MOST_AXES: usize = 32;

/// Bytes of text of a value that is kept. What becomes of a few letters may take some dozen bytes.
const MOST_TEXT: usize = 1 << 20;

/// A value whose text is short. Metadata may be long, but only in what is passed over: colours, properties, attributes of
/// others.
#[derive(Debug, Default)]
pub(super) struct Small<T>(pub(super) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Small<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text.len() > MOST_TEXT {
            return Err(D::Error::custom(format!("a value of {} bytes, and at most {MOST_TEXT} are read", text.len())));
        }
        // As bytes, because everything else here is read from bytes, and code for text would be compiled beside it.
        serde_json::from_slice(text.as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

/// An array of labels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    /// Its sides, the slowest first.
    pub(super) shape: Vec<u64>,
    /// The sides of what lies under one key: a chunk, or a shard of several.
    pub(super) chunk: Vec<u64>,
    pub(super) samples: Samples,
    /// The label of everything that is not stored.
    pub(super) fill: u64,
    pub(super) codecs: Codecs,
    pub(super) keys: Keys,
    /// The names of its axes, as far as it says them.
    pub(super) axes: Vec<Option<String>>,
}

/// How chunks are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// Whether the numbers follow a `c`.
    prefix: bool,
    pub(super) separator: char,
}

impl Keys {
    /// The key of the chunk with these numbers, in the array at `array`.
    pub(super) fn key(self, array: &str, numbers: &[u64]) -> String {
        use std::fmt::Write;
        let mut key = array.to_owned();
        if !key.is_empty() {
            key.push('/');
        }
        let mut first = true;
        if self.prefix {
            key.push('c');
            first = false;
        }
        for number in numbers {
            if !first {
                key.push(self.separator);
            }
            first = false;
            // Writing to a string cannot fail.
            let _ = write!(key, "{number}");
        }
        key
    }
}

#[derive(Deserialize)]
struct V2 {
    zarr_format: u64,
    shape: Small<Vec<u64>>,
    chunks: Small<Vec<u64>>,
    dtype: Small<Value>,
    compressor: Option<Small<Value>>,
    #[serde(default)]
    fill_value: Small<Value>,
    order: Option<Small<String>>,
    filters: Option<Small<Vec<Value>>>,
    dimension_separator: Option<Small<String>>,
}

#[derive(Deserialize)]
struct V3 {
    zarr_format: u64,
    shape: Small<Vec<u64>>,
    data_type: Small<Value>,
    chunk_grid: Small<Value>,
    chunk_key_encoding: Small<Value>,
    #[serde(default)]
    fill_value: Small<Value>,
    codecs: Small<Vec<Value>>,
    #[serde(default)]
    storage_transformers: Small<Vec<Value>>,
    #[serde(default)]
    dimension_names: Option<Small<Vec<Option<String>>>>,
}

/// Parses what is under a key of the node at `key`.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a [u8], key: &str, what: &str) -> Result<T> {
    serde_json::from_slice(text)
        .map_err(|error| Error::format(Place::Part(place(key)), format!("{what} of a Zarr store"), error.to_string()))
}

/// An array of version 2; `axes` are the names that its attributes have.
pub(super) fn version_2(text: &[u8], key: &str, axes: Option<Vec<String>>) -> Result<Array> {
    let array: V2 = parse(text, key, "the .zarray")?;
    let (zarr_format, Small(shape), Small(chunks)) = (array.zarr_format, array.shape, array.chunks);
    let node = Node { key };
    if zarr_format != 2 {
        return node.unsupported(format!("an array of Zarr version {zarr_format} in a .zarray"));
    }
    let Value::String(dtype) = array.dtype.0 else { return node.unsupported("pixels of several parts".into()) };
    let samples = node.samples_2(&dtype)?;
    let mut codecs = Vec::new();
    if let Some(filter) = array.filters.iter().flat_map(|filters| &filters.0).next() {
        return node.unsupported(format!("the filter {}", id(filter, "id")));
    }
    if let Some(Small(compressor)) = array.compressor {
        codecs.push(node.codec(id(&compressor, "id"))?);
    }
    let dimensions = shape.len();
    let order = match array.order.as_ref().map(|order| order.0.as_str()) {
        None | Some("C") => (0..dimensions).collect(),
        Some("F") => (0..dimensions).rev().collect(),
        Some(other) => return node.unsupported(format!("the order {other:?}; C and F are read")),
    };
    let separator = match array.dimension_separator.as_ref().map(|separator| separator.0.as_str()) {
        None | Some(".") => '.',
        Some("/") => '/',
        Some(other) => return node.unsupported(format!("the dimension separator {other:?}; . and / are read")),
    };
    let array = Array {
        shape,
        chunk: chunks,
        samples,
        fill: node.fill(&array.fill_value.0, samples)?,
        codecs: Codecs { order, codecs, shard: None },
        keys: Keys { prefix: false, separator },
        axes: axes.into_iter().flatten().map(Some).collect(),
    };
    node.check(array)
}

/// An array of version 3.
pub(super) fn version_3(text: &[u8], key: &str) -> Result<Array> {
    let array: V3 = parse(text, key, "the zarr.json of an array")?;
    let node = Node { key };
    if array.zarr_format != 3 {
        return node.unsupported(format!("an array of Zarr version {} in a zarr.json", array.zarr_format));
    }
    let Value::String(dtype) = &array.data_type.0 else {
        return node.unsupported(format!("pixels of the type {}", id(&array.data_type.0, "name")));
    };
    if id(&array.chunk_grid.0, "name") != "regular" {
        return node.unsupported(format!("the chunk grid {}; regular is read", id(&array.chunk_grid.0, "name")));
    }
    if let Some(transformer) = array.storage_transformers.0.first() {
        return node.unsupported(format!("the storage transformer {}", id(transformer, "name")));
    }
    let Some(chunk) = numbers(&array.chunk_grid.0["configuration"]["chunk_shape"]) else {
        return node.wrong("a chunk_shape of whole numbers", "another");
    };
    let separator = array.chunk_key_encoding.0["configuration"]["separator"].as_str();
    let (prefix, usual) = match id(&array.chunk_key_encoding.0, "name") {
        "default" => (true, '/'),
        "v2" => (false, '.'),
        other => return node.unsupported(format!("the chunk key encoding {other}; default and v2 are read")),
    };
    let separator = match separator {
        None => usual,
        Some("/") => '/',
        Some(".") => '.',
        Some(other) => return node.unsupported(format!("the separator {other:?} of chunk keys; . and / are read")),
    };
    let (codecs, big_endian) = node.codecs_3(&array.codecs.0, array.shape.0.len())?;
    let samples = node.samples_3(dtype, big_endian)?;
    let array = Array {
        shape: array.shape.0,
        chunk,
        samples,
        fill: node.fill(&array.fill_value.0, samples)?,
        codecs,
        keys: Keys { prefix, separator },
        axes: array.dimension_names.unwrap_or_default().0,
    };
    node.check(array)
}

/// The name of an extension: the text itself, or its `key`.
fn id<'a>(value: &'a Value, key: &str) -> &'a str {
    value.as_str().or_else(|| value[key].as_str()).unwrap_or("without a name")
}

fn numbers(value: &Value) -> Option<Vec<u64>> {
    value.as_array()?.iter().map(Value::as_u64).collect()
}

/// The node whose metadata is read, for messages.
struct Node<'a> {
    key: &'a str,
}

impl Node<'_> {
    fn unsupported<T>(&self, what: String) -> Result<T> {
        Err(Error::Unsupported(format!("{}: {what}", place(self.key))))
    }

    fn wrong<T>(&self, expected: &str, found: impl Into<String>) -> Result<T> {
        Err(Error::format(Place::Part(place(self.key)), expected, found))
    }

    fn no_labels<T>(&self, dtype: &str) -> Result<T> {
        self.unsupported(format!("pixels of the type {dtype}; a label mask has integers of 8 to 64 bits, or booleans"))
    }

    /// Samples by numpy's name for their type.
    fn samples_2(&self, dtype: &str) -> Result<Samples> {
        let samples = match dtype.split_at_checked(2) {
            Some(("|b", "1")) => Some(Samples::booleans()),
            Some((start @ ("<u" | ">u" | "|u" | "<i" | ">i" | "|i"), bytes)) => {
                let bits = match bytes {
                    "1" => 8,
                    "2" => 16,
                    "4" => 32,
                    "8" => 64,
                    _ => 0,
                };
                Samples::new(bits, start.ends_with('i'), start.starts_with('>'))
            }
            _ => None,
        };
        samples.map_or_else(|| self.no_labels(dtype), Ok)
    }

    /// Samples by the name of version 3 for their type.
    fn samples_3(&self, dtype: &str, big_endian: bool) -> Result<Samples> {
        let samples = match dtype {
            "bool" => Some(Samples::booleans()),
            "uint8" | "uint16" | "uint32" | "uint64" => {
                Samples::new(dtype[4..].parse().unwrap_or(0), false, big_endian)
            }
            "int8" | "int16" | "int32" | "int64" => Samples::new(dtype[3..].parse().unwrap_or(0), true, big_endian),
            _ => None,
        };
        samples.map_or_else(|| self.no_labels(dtype), Ok)
    }

    /// The label of what is not stored.
    fn fill(&self, value: &Value, samples: Samples) -> Result<u64> {
        let largest = match samples.dtype() {
            Dtype::U64 => u64::MAX,
            dtype => (1 << (8 * dtype.bytes())) - 1,
        };
        let label = match value {
            // Not defined: what nobody wrote is background.
            Value::Null => Some(0),
            Value::Bool(value) => Some(u64::from(*value)),
            // Some writers give whole numbers a point.
            Value::Number(number) => number.as_u64().or_else(|| {
                number
                    .as_f64()
                    .filter(|value| (0.0..9e15).contains(value) && value.fract() == 0.0)
                    .map(|value| value as u64)
            }),
            _ => None,
        };
        match label.filter(|&label| label <= largest) {
            Some(label) => Ok(label),
            None => self.wrong("a fill_value that is a label of the array's type", value.to_string()),
        }
    }

    /// A codec of bytes, by its name in either version.
    fn codec(&self, name: &str) -> Result<Codec> {
        match name {
            "gzip" => Ok(Codec::Gzip),
            "zlib" | "numcodecs.zlib" => Ok(Codec::Zlib),
            "zstd" => Ok(Codec::Zstd),
            "blosc" => Ok(Codec::Blosc),
            "crc32c" => Ok(Codec::Crc32c),
            _ => self.unsupported(format!("the codec {name}; blosc, gzip, zlib, zstd and crc32c are read")),
        }
    }

    /// The codecs of a list, and whether labels are big endian.
    fn codecs_3(&self, list: &[Value], dimensions: usize) -> Result<(Codecs, bool)> {
        let mut order: Vec<usize> = (0..dimensions).collect();
        let (mut codecs, mut shard, mut big_endian) = (Vec::new(), None, None);
        for codec in list {
            let configuration = &codec["configuration"];
            match id(codec, "name") {
                "transpose" if big_endian.is_none() => {
                    let Some(axes) = numbers(&configuration["order"]).filter(|axes| is_permutation(axes, dimensions))
                    else {
                        return self.wrong("a transpose codec whose order is a permutation of the axes", "another");
                    };
                    order = axes.iter().map(|&axis| order[axis as usize]).collect();
                }
                "bytes" if big_endian.is_none() => {
                    big_endian = Some(match configuration["endian"].as_str() {
                        None | Some("little") => false,
                        Some("big") => true,
                        Some(other) => return self.unsupported(format!("the byte order {other:?}")),
                    });
                }
                "sharding_indexed" if big_endian.is_none() => {
                    if order.iter().enumerate().any(|(place, &axis)| place != axis) {
                        return self.unsupported("a transposed shard".into());
                    }
                    let (inner, big) = self.shard(configuration, dimensions)?;
                    (shard, big_endian) = (Some(Box::new(inner)), Some(big));
                }
                name if shard.is_some() => return self.unsupported(format!("the codec {name} after a shard")),
                name if big_endian.is_some() => codecs.push(self.codec(name)?),
                name => {
                    return self.unsupported(format!(
                        "the codec {name} before bytes; transpose and sharding_indexed are read there"
                    ));
                }
            }
        }
        match big_endian {
            Some(big_endian) => Ok((Codecs { order, codecs, shard }, big_endian)),
            None => self.wrong("a codec that makes bytes of labels", "none"),
        }
    }

    fn shard(&self, configuration: &Value, dimensions: usize) -> Result<(Shard, bool)> {
        let Some(chunk) = numbers(&configuration["chunk_shape"]).filter(|chunk| chunk.len() == dimensions) else {
            return self.wrong("a shard's chunk_shape, with a number for each axis", "another");
        };
        let list = |key: &str| configuration[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let (codecs, big_endian) = self.codecs_3(list("codecs"), dimensions)?;
        if codecs.shard.is_some() {
            return self.unsupported("shards in shards".into());
        }
        // The places of chunks are numbers of 64 bits, two each: an array with one axis more.
        let (index, index_big_endian) = self.codecs_3(list("index_codecs"), dimensions + 1)?;
        let index_checksum = match index.codecs[..] {
            [] => false,
            [Codec::Crc32c] => true,
            _ => return self.unsupported("a compressed index of a shard".into()),
        };
        let at_start = match configuration["index_location"].as_str() {
            None | Some("end") => false,
            Some("start") => true,
            Some(other) => return self.unsupported(format!("the index location {other:?}")),
        };
        Ok((Shard { chunk, codecs, index_big_endian, index_checksum, at_start }, big_endian))
    }

    /// An error unless the parts of an array fit together.
    fn check(&self, array: Array) -> Result<Array> {
        let dimensions = array.shape.len();
        if !(2..=MOST_AXES).contains(&dimensions) {
            return self.unsupported(format!("an array of {dimensions} axes; a label mask has 2 or more"));
        }
        if array.chunk.len() != dimensions || array.chunk.contains(&0) {
            return self
                .wrong("chunks of as many axes as the array, 1 or more along each", format!("{:?}", array.chunk));
        }
        if let Some(shard) = &array.codecs.shard
            && (shard.chunk.contains(&0) || array.chunk.iter().zip(&shard.chunk).any(|(all, part)| all % part != 0))
        {
            return self.wrong(
                "shards that are whole chunks along each axis",
                format!("{:?} of {:?}", array.chunk, shard.chunk),
            );
        }
        Ok(array)
    }
}

fn is_permutation(axes: &[u64], dimensions: usize) -> bool {
    let mut seen = vec![false; dimensions];
    axes.len() == dimensions
        && axes.iter().all(|&axis| match usize::try_from(axis).ok().and_then(|axis| seen.get_mut(axis)) {
            Some(seen) => !std::mem::replace(seen, true),
            None => false,
        })
}
