//! Groups: from a store to the array that is the mask.
//!
//! Gets a store and what the caller names; gives the array, the plane and the size of a pixel. What is read of a group is
//! what OME-Zarr 0.4 and 0.5 put there: the names of its labels, and the levels of a pyramid with their axes.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::metadata::{self, Array, Small, parse};
use super::store::{Store, join, listed};
use crate::error::{Error, Place, Remedy, Result};
use crate::runs::PixelSize;
use crate::source::OpenOptions;
use crate::source::pages::in_micrometres;

/// Bytes of metadata that are read of a node. Colours and names of objects are part of it.
const MOST_METADATA: u64 = 1 << 28;

/// Groups that are entered on the way to an array.
const MOST_STEPS: usize = 8;

/// The array that is the mask.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it lies.
    pub(super) key: String,
    pub(super) array: Array,
    /// The numbers of the mask's plane along all axes but the last two.
    pub(super) plane: Vec<u64>,
    pub(super) pixel_size: Option<PixelSize>,
}

/// The levels of a label, or an array.
#[derive(Debug)]
pub(super) struct Label {
    /// The name of the label, when it is one of a list.
    pub(super) name: Option<String>,
    /// Where each level lies, the full size first.
    pub(super) levels: Vec<String>,
    /// What the group says of its axes; nothing for an array.
    axes: Vec<Axis>,
    /// Sides of a pixel along each axis, for each level.
    scales: Vec<Option<Vec<f64>>>,
}

/// Something that attributes may hold in another form than the one looked for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Perhaps<T> {
    Known(T),
    Other(IgnoredAny),
}

impl<T> Perhaps<T> {
    fn known(self) -> Option<T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Other(_) => None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    ome: Option<Box<Self>>,
    multiscales: Option<Small<Vec<Multiscale>>>,
    labels: Option<Small<Perhaps<Vec<String>>>>,
    #[serde(rename = "image-label")]
    image_label: Option<IgnoredAny>,
    #[serde(rename = "bioformats2raw.layout")]
    layout: Option<IgnoredAny>,
    #[serde(rename = "_ARRAY_DIMENSIONS")]
    dimensions: Option<Small<Perhaps<Vec<String>>>>,
}

#[derive(Deserialize)]
struct Multiscale {
    #[serde(default)]
    axes: Vec<Axis>,
    datasets: Vec<Dataset>,
    #[serde(default, rename = "coordinateTransformations")]
    transformations: Vec<Transformation>,
}

#[derive(Deserialize)]
struct Dataset {
    path: String,
    #[serde(default, rename = "coordinateTransformations")]
    transformations: Vec<Transformation>,
}

/// An axis, by its name alone or with more.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Axis {
    Name(String),
    Full {
        name: String,
        #[serde(default)]
        unit: Option<String>,
    },
}

impl Axis {
    fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Full { name, .. } => name,
        }
    }

    fn unit(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Full { unit, .. } => unit.as_deref(),
        }
    }
}

#[derive(Deserialize)]
struct Transformation {
    scale: Option<Perhaps<Vec<f64>>>,
}

#[derive(Deserialize)]
struct Version3 {
    node_type: String,
    #[serde(default)]
    attributes: Option<Attributes>,
}

/// What lies under a key.
enum Node {
    Array(Box<Array>),
    Group(Attributes),
}

/// A store in which nodes are looked for.
struct Reader<'a> {
    store: &'a Store,
}

impl Reader<'_> {
    /// The text under the key of a node; `None` when there is none.
    fn text(&self, key: &str, name: &str) -> Result<Option<Vec<u8>>> {
        self.store.read(&join(key, name)?, MOST_METADATA)
    }

    /// The node at `key`; `None` when there is none.
    fn node(&self, key: &str) -> Result<Option<Node>> {
        if let Some(text) = self.text(key, "zarr.json")? {
            let node: Version3 = parse(&text, key, "the zarr.json")?;
            return match node.node_type.as_str() {
                "array" => Ok(Some(Node::Array(Box::new(metadata::version_3(&text, key)?)))),
                "group" => Ok(Some(Node::Group(node.attributes.unwrap_or_default()))),
                other => {
                    let place = Place::Part(super::store::place(key));
                    Err(Error::format(place, "a node_type that is array or group", format!("{other:?}")))
                }
            };
        }
        let array = self.text(key, ".zarray")?;
        let attributes = self.text(key, ".zattrs")?;
        if array.is_none() && attributes.is_none() && self.text(key, ".zgroup")?.is_none() {
            return Ok(None);
        }
        let attributes: Attributes = match attributes {
            Some(text) => parse(&text, key, "the .zattrs")?,
            None => Attributes::default(),
        };
        match array {
            Some(text) => {
                let axes = attributes.dimensions.and_then(|axes| axes.0.known());
                Ok(Some(Node::Array(Box::new(metadata::version_2(&text, key, axes)?))))
            }
            None => Ok(Some(Node::Group(attributes))),
        }
    }

    /// The attributes of the group at `key`, wherever the version puts them; `None` when there is none.
    fn group(&self, key: &str) -> Result<Option<Attributes>> {
        match self.node(key)? {
            Some(Node::Group(attributes)) => Ok(Some(merged(attributes))),
            _ => Ok(None),
        }
    }

    /// The labels of the group at `key`: those that it lists, or the groups in it.
    fn labels(&self, key: &str, attributes: Attributes) -> Vec<String> {
        match attributes.labels.and_then(|labels| labels.0.known()) {
            Some(names) => names,
            None => self.store.children(key),
        }
    }

    /// The array at `key`.
    fn array(&self, key: &str) -> Result<Array> {
        match self.node(key)? {
            Some(Node::Array(array)) => Ok(*array),
            Some(Node::Group(_)) => Err(self.nothing(key, "an array", "a group")),
            None => Err(self.nothing(key, "an array", "none of zarr.json, .zarray and .zgroup")),
        }
    }

    fn nothing(&self, key: &str, expected: &str, found: impl Into<String>) -> Error {
        Error::format(Place::Part(super::store::place(key)), expected, found)
    }

    /// All labels that can be reached from the root, or the one that is asked for.
    fn all(&self, asked: Option<&str>) -> Result<Vec<Label>> {
        let mut key = String::new();
        for _ in 0..MOST_STEPS {
            let attributes = match self.node(&key)? {
                None => {
                    return Err(self.nothing(&key, "a Zarr array or group", "none of zarr.json, .zarray and .zgroup"));
                }
                Some(Node::Array(_)) => {
                    no_label(asked, "an array")?;
                    return Ok(vec![Label { name: None, levels: vec![key], axes: Vec::new(), scales: vec![None] }]);
                }
                Some(Node::Group(attributes)) => merged(attributes),
            };
            if attributes.labels.as_ref().is_some_and(|labels| matches!(labels.0, Perhaps::Known(_))) {
                return self.listed(&key, attributes, asked);
            }
            if attributes.image_label.is_none() {
                let labels = join(&key, "labels")?;
                if let Some(attributes) = self.group(&labels)? {
                    return self.listed(&labels, attributes, asked);
                }
            }
            if let Some(Small(multiscales)) = attributes.multiscales {
                no_label(asked, "an image")?;
                return Ok(vec![label(&key, None, multiscales)?]);
            }
            if attributes.layout.is_none() {
                let found = format!("a group without them, which holds {}", listed(&self.store.children(&key)));
                return Err(self.nothing(&key, "an array, multiscales or labels", found));
            }
            // The images of bioformats2raw are numbered; a file of labels has one.
            key = join(&key, "0")?;
        }
        Err(self.nothing(&key, "an array", "groups in groups"))
    }

    /// The labels of a list.
    fn listed(&self, key: &str, attributes: Attributes, asked: Option<&str>) -> Result<Vec<Label>> {
        let names = self.labels(key, attributes);
        let asked_for = |name: &&String| asked.is_none_or(|asked| asked == name.as_str());
        let chosen: Vec<&String> = names.iter().filter(asked_for).collect();
        match (asked, &chosen[..]) {
            (Some(asked), []) => Err(Error::Argument(format!("no label {asked:?}: the store has {}", listed(&names)))),
            (None, []) => Err(self.nothing(key, "labels", "none")),
            (_, chosen) => chosen.iter().map(|name| self.label(key, name)).collect(),
        }
    }

    /// A label of a list: a group of levels, or an array.
    fn label(&self, key: &str, name: &str) -> Result<Label> {
        let key = join(key, name)?;
        let name = Some(name.to_owned());
        match self.node(&key)? {
            Some(Node::Array(_)) => Ok(Label { name, levels: vec![key], axes: Vec::new(), scales: vec![None] }),
            Some(Node::Group(attributes)) => match merged(attributes).multiscales {
                Some(Small(multiscales)) => label(&key, name, multiscales),
                None => Err(self.nothing(&key, "multiscales", "a group without them")),
            },
            None => Err(self.nothing(&key, "a label", "none of zarr.json, .zarray and .zgroup")),
        }
    }
}

/// OME-Zarr 0.5 puts everything a level deeper.
fn merged(mut attributes: Attributes) -> Attributes {
    let Some(ome) = attributes.ome.take() else { return attributes };
    Attributes {
        ome: None,
        multiscales: ome.multiscales.or(attributes.multiscales),
        labels: ome.labels.or(attributes.labels),
        image_label: ome.image_label.or(attributes.image_label),
        layout: ome.layout.or(attributes.layout),
        dimensions: attributes.dimensions,
    }
}

fn no_label(asked: Option<&str>, what: &str) -> Result<()> {
    match asked {
        None => Ok(()),
        Some(name) => Err(Error::Argument(format!("no label {name:?}: this is {what}, not a group of labels"))),
    }
}

/// The levels of the first of several pyramids.
fn label(key: &str, name: Option<String>, multiscales: Vec<Multiscale>) -> Result<Label> {
    let place = || Place::Part(super::store::place(key));
    let Some(Multiscale { axes, datasets, transformations }) = multiscales.into_iter().next() else {
        return Err(Error::format(place(), "multiscales", "an empty list"));
    };
    if datasets.is_empty() {
        return Err(Error::format(place(), "multiscales with datasets", "none"));
    }
    let whole = scale(transformations);
    let (mut levels, mut scales) = (Vec::new(), Vec::new());
    for Dataset { path, transformations } in datasets {
        levels.push(join(key, &path)?);
        scales.push(match (scale(transformations), &whole) {
            (Some(own), Some(whole)) => Some(own.iter().zip(whole).map(|(own, whole)| own * whole).collect()),
            (own, whole) => own.or_else(|| whole.clone()),
        });
    }
    Ok(Label { name, levels, axes, scales })
}

fn scale(transformations: Vec<Transformation>) -> Option<Vec<f64>> {
    transformations.into_iter().find_map(|transformation| transformation.scale?.known())
}

/// All labels of a store.
pub(super) fn labels(store: &Store) -> Result<Vec<Label>> {
    Reader { store }.all(None).map_err(|error| error.in_file(store.name()))
}

/// The array at `key`.
pub(super) fn array(store: &Store, key: &str) -> Result<Array> {
    Reader { store }.array(key).map_err(|error| error.in_file(store.name()))
}

/// The mask that the options ask for.
pub(super) fn find(store: &Store, options: &OpenOptions) -> Result<Found> {
    let found = || {
        if options.page != 0 {
            let message = format!("no page {}: a Zarr store has none; its labels have names", options.page);
            return Err(Error::Argument(message));
        }
        let mut labels = Reader { store }.all(options.label.as_deref())?;
        if labels.len() > 1 {
            let names: Vec<String> = labels.into_iter().filter_map(|label| label.name).collect();
            let what = format!("{} labels ({})", names.len(), listed(&names));
            return Err(Error::Ambiguous { what, remedy: Remedy::NameLabel });
        }
        let Some(label) = labels.pop() else { return Err(Error::Argument("no labels".into())) };
        let level = options.level as usize;
        let Some(key) = label.levels.get(level) else {
            let message = format!("no level {level}: there are {} (counted from 0)", label.levels.len());
            return Err(Error::Argument(message));
        };
        let array = Reader { store }.array(key)?;
        let names = label.axis_names(&array);
        let plane = plane(&array, &names, &options.index)?;
        let pixel_size = label.pixel_size(level, array.shape.len());
        Ok(Found { key: key.clone(), array, plane, pixel_size })
    };
    found().map_err(|error| error.in_file(store.name()))
}

impl Label {
    /// What the axes of an array are called: by its group, by itself, or by their places.
    fn axis_names(&self, array: &Array) -> Vec<String> {
        let own = |axis: usize| array.axes.get(axis).cloned().flatten();
        let name = |axis: usize| match self.axes.get(axis) {
            Some(named) if self.axes.len() == array.shape.len() => named.name().to_owned(),
            _ => own(axis).unwrap_or_else(|| axis.to_string()),
        };
        (0..array.shape.len()).map(name).collect()
    }

    /// The size of a pixel of a level whose array has so many axes.
    fn pixel_size(&self, level: usize, dimensions: usize) -> Option<PixelSize> {
        let scale = self.scales.get(level)?.as_ref()?;
        if scale.len() != dimensions || self.axes.len() != dimensions {
            return None;
        }
        let micrometres = |axis: usize| {
            let side = scale[axis];
            match self.axes[axis].unit() {
                Some(unit) => Some(side * in_micrometres(unit)?),
                // Nobody says the unit: micrometres are what microscopes write, and 1 is what stands where nobody knows.
                None => (side != 1.0).then_some(side),
            }
        };
        let (height, width) = (micrometres(dimensions - 2)?, micrometres(dimensions - 1)?);
        PixelSize::new(height, width).ok()
    }
}

/// The numbers of the plane along all axes but the last two.
fn plane(array: &Array, names: &[String], asked: &[(String, u64)]) -> Result<Vec<u64>> {
    let leading = array.shape.len() - 2;
    for (position, (name, _)) in asked.iter().enumerate() {
        let known = names[..leading].contains(name);
        if !known || asked[..position].iter().any(|(other, _)| other == name) {
            let why =
                if known { "it is named twice".to_owned() } else { format!("the array has {}", axes(names, array)) };
            return Err(Error::Argument(format!("no plane by the axis {name:?}: {why}")));
        }
    }
    let number = |axis: usize| {
        let (name, planes) = (&names[axis], array.shape[axis]);
        match asked.iter().find(|(asked, _)| asked == name) {
            Some(&(_, number)) if number < planes => Ok(number),
            Some((_, number)) => {
                Err(Error::Argument(format!("no plane {name}={number}: there are {planes} (counted from 0)")))
            }
            None if planes == 1 => Ok(0),
            None => {
                let what = format!("{planes} planes along the axis {name} ({})", axes(names, array));
                Err(Error::Ambiguous { what, remedy: Remedy::NameIndex })
            }
        }
    };
    (0..leading).map(number).collect()
}

/// The axes of an array and their lengths, for messages.
fn axes(names: &[String], array: &Array) -> String {
    let axes: Vec<String> = names.iter().zip(&array.shape).map(|(name, length)| format!("{name}: {length}")).collect();
    axes.join(", ")
}

/// An image group, to which a label is written.
#[derive(Debug)]
pub(crate) struct Image {
    /// The names and units of its axes; empty when the group has no image.
    pub(crate) axes: Vec<(String, Option<String>)>,
    /// The sides of the array of each level, and the sides of its pixels.
    pub(crate) levels: Vec<(Vec<u64>, Option<Vec<f64>>)>,
    /// Whether the group is a label itself.
    pub(crate) is_label: bool,
}

#[derive(Deserialize)]
struct ShapeOnly {
    shape: Small<Vec<u64>>,
}

/// The groups and arrays in a group, sorted.
pub(crate) fn children(folder: &std::path::Path) -> Vec<String> {
    Store::Folder(folder.to_path_buf()).children("")
}

/// What a folder is to somebody who writes: `None` when it is no node, `Some(None)` when it is an array.
pub(crate) fn image(folder: &std::path::Path) -> Result<Option<Option<Image>>> {
    let store = Store::Folder(folder.to_path_buf());
    let reader = Reader { store: &store };
    let read = || {
        if ["zarr.json", ".zarray", ".zgroup", ".zattrs"].iter().all(|name| !folder.join(name).exists()) {
            return Ok(None);
        }
        if let Some(text) = reader.text("", "zarr.json")? {
            let node: Version3 = parse(&text, "", "the zarr.json")?;
            if node.node_type == "array" {
                return Ok(Some(None));
            }
        } else if reader.text("", ".zarray")?.is_some() {
            return Ok(Some(None));
        }
        let attributes = reader.group("")?.unwrap_or_default();
        let is_label = attributes.image_label.is_some();
        let Some(Small(multiscales)) = attributes.multiscales else {
            return Ok(Some(Some(Image { axes: Vec::new(), levels: Vec::new(), is_label })));
        };
        let image = label("", None, multiscales)?;
        let mut levels = Vec::new();
        for (key, scale) in image.levels.iter().zip(image.scales) {
            // An image may have pixels that no mask has.
            let text = match reader.text(key, "zarr.json")? {
                Some(text) => Some(text),
                None => reader.text(key, ".zarray")?,
            };
            let Some(text) = text else { return Err(reader.nothing(key, "an array", "none")) };
            levels.push((parse::<ShapeOnly>(&text, key, "the metadata of an array")?.shape.0, scale));
        }
        let axes = image.axes.iter().map(|axis| (axis.name().to_owned(), axis.unit().map(str::to_owned))).collect();
        Ok(Some(Some(Image { axes, levels, is_label })))
    };
    read().map_err(|error: Error| error.in_file(folder))
}
