//! Where a label goes: into a new store or into an image group, with which sizes, and into which list.
//!
//! Gets a path, a shape and options; gives the folders, sizes and scales of what is written. An array or label that is there is
//! an error unless it may be replaced, and so are sides that are not the image's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{SIDE, write_json};
use crate::error::{Error, Remedy, Result};
use crate::memory::reserve;
use crate::output::TemporaryFolder;
use crate::shape::Shape;
use crate::sink::{CreateOptions, OmeVersion};
use crate::source::zarr::node::{self, Image};

/// Where the label goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) version: OmeVersion,
    pub(super) replace: bool,
    /// The image group that it is a label of.
    pub(super) group: Option<PathBuf>,
    /// Whether that group has a group of labels.
    pub(super) listed: bool,
    /// Names and units of all axes.
    pub(super) axes: Vec<(String, Option<String>)>,
}

/// The shape of a level, every how many pixels of the mask are one of it, and the sides of a pixel along all axes.
pub(super) type Size = (Shape, u32, Vec<f64>);

impl Target {
    /// The folder of the label itself, in what is written.
    pub(super) fn root(&self, folder: &TemporaryFolder) -> PathBuf {
        match self.path.file_name() {
            Some(name) if self.group.is_some() && !self.listed => folder.path().join(name),
            _ => folder.path().to_path_buf(),
        }
    }

    /// The group of all labels of the image.
    pub(super) fn labels(&self) -> Option<PathBuf> {
        self.group.as_ref().map(|group| group.join("labels"))
    }

    /// The file in which the labels of an image are listed.
    pub(super) fn list_name(&self) -> &'static str {
        if self.version == OmeVersion::V04 { ".zattrs" } else { "zarr.json" }
    }

    /// Makes a folder a group; of version 0.5 that is what its list does.
    pub(super) fn make_group(&self, folder: &Path) -> io::Result<()> {
        let node = folder.join(".zgroup");
        match self.version {
            OmeVersion::V04 if !node.exists() => write_json(&node, &json!({"zarr_format": 2})),
            _ => Ok(()),
        }
    }

    /// What the file with the list of labels holds when this one is among them.
    pub(super) fn list(&self, labels: &Path) -> Result<Value> {
        let path = labels.join(self.list_name());
        let failed = |error: io::Error| Error::io("reading", &path, error);
        let new = match self.version {
            OmeVersion::V04 => json!({}),
            OmeVersion::V05 => json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": {}}}),
        };
        let mut node: Value = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(io::Error::other(error)))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => new,
            Err(error) => return Err(failed(error)),
        };
        let ome = match self.version {
            OmeVersion::V04 => Some(&mut node),
            OmeVersion::V05 => {
                let attributes = node.as_object_mut().map(|node| node.entry("attributes").or_insert_with(|| json!({})));
                let attributes = attributes.and_then(Value::as_object_mut);
                attributes.map(|attributes| attributes.entry("ome").or_insert_with(|| json!({})))
            }
        };
        let Some(ome) = ome.and_then(Value::as_object_mut) else {
            return Err(failed(io::Error::other("expected an object of attributes")));
        };
        if self.version == OmeVersion::V05 {
            // ome-zarr-py leaves out what the specification asks for.
            ome.entry("version").or_insert_with(|| json!("0.5"));
        }
        // What lists nothing has the labels that are there.
        let there = || node::children(labels).into_iter().map(Value::from).collect();
        let list = ome.entry("labels").or_insert_with(there);
        let Some(list) = list.as_array_mut() else {
            return Err(failed(io::Error::other("expected a list of labels")));
        };
        let name = json!(self.path.file_name().unwrap_or_default().to_string_lossy());
        if !list.contains(&name) {
            list.push(name);
        }
        Ok(node)
    }
}

/// The group that a label at this path is a label of, if there is one: that in which `labels` is.
fn group_of(path: &Path) -> Option<&Path> {
    let labels = path.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "labels"))?;
    labels.parent().map(|group| if group == Path::new("") { Path::new(".") } else { group })
}

/// Height and width of the image that a label at this path is a label of.
pub(in crate::sink) fn image_shape(path: &Path) -> Result<Option<Shape>> {
    let image = group_of(path).map(node::image).transpose()?.flatten().flatten();
    let Some((sides, _)) = image.as_ref().and_then(|image| image.levels.first()) else { return Ok(None) };
    let [.., height, width] = sides[..] else { return Ok(None) };
    Shape::new(height, width).map(Some).map_err(|error| error.in_file(path))
}

/// Where a label goes, and the shape, factor and scale of each level.
pub(super) fn plan(path: &Path, shape: Shape, options: &CreateOptions) -> Result<(Target, Vec<Size>)> {
    let argument = |message: String| Err(Error::Argument(message));
    let group = group_of(path);
    let image = group.map(node::image).transpose()?.flatten();
    let there = node::image(path)?;
    let replace = match (&there, path.exists()) {
        (Some(Some(Image { is_label: false, .. })), _) => {
            return argument("an OME-Zarr group is there, which is no label: a label goes to labels/NAME in it".into());
        }
        (None, true) => return argument("something is there that is no Zarr label".into()),
        (None, false) => false,
        (Some(_), _) if options.overwrite => true,
        (Some(_), _) => {
            return Err(Error::Exists { what: "a label or array is there".into(), remedy: Remedy::Overwrite });
        }
    };
    let (Some(group), Some(image)) = (group, image) else {
        let inside = path
            .ancestors()
            .skip(1)
            .find(|folder| folder != &Path::new("") && matches!(node::image(folder), Ok(Some(_))));
        if let Some(inside) = inside {
            return argument(format!(
                "{} is a Zarr store: a label of it goes to labels/NAME in a group",
                inside.display()
            ));
        }
        if group.is_some() {
            return argument("no Zarr group is there that the label could belong to".into());
        }
        let version = options.ome_version.unwrap_or_default();
        let unit = options.pixel_size.map(|_| "micrometer".to_owned());
        let axes = ["y", "x"].map(|name| (name.to_owned(), unit.clone())).to_vec();
        let target = Target { path: path.to_path_buf(), version, replace, group: None, listed: false, axes };
        return Ok((target, halves(shape, options)?));
    };
    let Some(image) = image else { return argument(format!("{} is an array, not a group", group.display())) };
    let version = if group.join("zarr.json").exists() { OmeVersion::V05 } else { OmeVersion::V04 };
    if let Some(asked) = options.ome_version
        && asked != version
    {
        return argument(format!("the group is of OME-Zarr {version}, and a label of it cannot be of {asked}"));
    }
    if path.file_name().and_then(|name| name.to_str()).is_none() {
        return argument("the name of a label is text".into());
    }
    let mut axes = image.axes.clone();
    let sizes = match image.levels.first() {
        Some((sides, _)) => {
            if axes.len() != sides.len() {
                axes = ["t", "c", "z", "y", "x"]
                    .iter()
                    .skip(5_usize.saturating_sub(sides.len()))
                    .map(|name| ((*name).to_owned(), None))
                    .collect();
            }
            if !sides.ends_with(&[u64::from(shape.height), u64::from(shape.width)]) || axes.len() != sides.len() {
                let found: Vec<String> = sides.iter().map(u64::to_string).collect();
                return argument(format!("a label has the sides of its image, {}, and not {shape}", found.join(" x ")));
            }
            of_image(shape, &image, options)
        }
        None => {
            let unit = options.pixel_size.map(|_| "micrometer".to_owned());
            axes = ["y", "x"].map(|name| (name.to_owned(), unit.clone())).to_vec();
            halves(shape, options)?
        }
    };
    let listed = group.join("labels").exists();
    Ok((Target { path: path.to_path_buf(), version, replace, group: Some(group.to_path_buf()), listed, axes }, sizes))
}

/// The full size, half of it and so on, until it fits into one chunk.
fn halves(shape: Shape, options: &CreateOptions) -> Result<Vec<Size>> {
    let mut sizes = Vec::new();
    reserve(&mut sizes, 32, "levels")?;
    let mut factor = 1_u32;
    loop {
        let size = Shape { height: shape.height.div_ceil(factor), width: shape.width.div_ceil(factor) };
        let (tall, wide) = options.pixel_size.map_or((1.0, 1.0), |size| (size.height(), size.width()));
        sizes.push((size, factor, vec![tall * f64::from(factor), wide * f64::from(factor)]));
        if size.height.max(size.width) <= SIDE {
            return Ok(sizes);
        }
        factor *= 2;
    }
}

/// As many levels as the image has, of its sizes where these are every so many pixels of the full size.
fn of_image(shape: Shape, image: &Image, options: &CreateOptions) -> Vec<Size> {
    let level = |(number, (sides, scale)): (usize, &(Vec<u64>, Option<Vec<f64>>))| {
        let usual = 1_u32 << number.min(31);
        let [.., height, width] = sides[..] else { return (shape, 1, Vec::new()) };
        let factor = u64::from(shape.height.max(shape.width)).div_ceil(height.max(width).max(1));
        let nearest =
            (u64::from(shape.height.max(shape.width)) as f64 / height.max(width).max(1) as f64).round() as u64;
        let fits = |side: u32, small: u64, factor: u64| {
            factor > 0 && (small == u64::from(side) / factor || small == u64::from(side).div_ceil(factor)) && small > 0
        };
        let factor = [nearest, factor]
            .into_iter()
            .find(|&factor| fits(shape.height, height, factor) && fits(shape.width, width, factor));
        let (size, factor) = match factor {
            // Both are at most the sides of the mask.
            Some(factor) => (Shape { height: height as u32, width: width as u32 }, factor as u32),
            None => (Shape { height: shape.height.div_ceil(usual), width: shape.width.div_ceil(usual) }, usual),
        };
        let own = scale.clone().filter(|scale| scale.len() == sides.len());
        let scale = own.unwrap_or_else(|| {
            let (tall, wide) = options.pixel_size.map_or((1.0, 1.0), |size| (size.height(), size.width()));
            let leading = vec![1.0; sides.len() - 2];
            leading.into_iter().chain([tall * f64::from(factor), wide * f64::from(factor)]).collect()
        });
        (size, factor, scale)
    };
    image.levels.iter().enumerate().map(level).collect()
}
