//! Reads features one at a time, and fills them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::BufRead;

use super::super::ReadOptions;
use super::super::json::Json;
use super::super::objects::{Image, OBJECTS, Object, ObjectSink};
use super::super::polygons::Polygons;
use super::FORMAT;
use super::shapes::{Coordinates, Geometry, Member, Properties};
use crate::error::{Error, Place, Remedy, Result};
use crate::memory::{copied, extend, reserve, reserve_entries};
use crate::runs::{Rings, Run, unite};
use crate::shape::{ScanOrder, Shape};

pub(super) fn read(reader: &mut dyn BufRead, options: &ReadOptions, sink: &mut dyn ObjectSink) -> Result<()> {
    let shape = options.shape.ok_or_else(|| Error::UnknownShape { what: "polygons are filled to pixels".into() })?;
    let mut json = Json::new(reader, FORMAT.name)?;
    sink.image(&Image { id: "", name: None, shape: Some(shape) })?;
    let mut features = Features {
        options,
        shape,
        polygons: Polygons::new(Some(shape), options.fill_rule.unwrap_or_default()),
        sink,
        count: 0,
        passed_over: 0,
        kept: Kept::default(),
        unlabelled: 0,
    };
    match json.peek()? {
        Some(b'[') => {
            json.list(|json| features.member(json))?;
            json.end()?;
        }
        Some(b'{') => {
            features.value(&mut json)?;
            // Of values that follow one another each is read whole, but for a collection at the beginning.
            while json.peek()? == Some(b'{') {
                features.member(&mut json)?;
            }
            json.end()?;
        }
        _ => return Err(json.expected("an object, or a list of features")),
    }
    features.finish()
}

/// Fills features and passes them on.
struct Features<'a> {
    options: &'a ReadOptions,
    shape: Shape,
    polygons: Polygons,
    sink: &'a mut dyn ObjectSink,
    /// Features seen.
    count: u64,
    /// Those without an area.
    passed_over: u64,
    /// Objects that have a label, until the end: others of the same label may follow.
    kept: Kept,
    /// Objects that have none.
    unlabelled: u64,
}

impl Features<'_> {
    /// Reads a collection feature by feature, or a feature or geometry.
    fn value(&mut self, json: &mut Json<'_>) -> Result<()> {
        let mut member = Member::default();
        let mut features = false;
        json.object(|json, key| {
            match key {
                "features" if features => return Err(json.fault("features once", "them again".into())),
                "features" => {
                    features = true;
                    json.list(|json| self.member(json))?;
                }
                "type" => member.kind = json.read()?,
                "geometry" => member.geometry = json.read()?,
                "properties" => member.properties = json.read()?,
                "coordinates" => member.coordinates = json.read()?,
                _ => json.pass()?,
            }
            Ok(())
        })?;
        match (member.kind.as_deref(), features) {
            (Some("FeatureCollection"), true) => Ok(()),
            (Some("FeatureCollection"), false) => Err(Error::format(Place::File, "features in the collection", "none")),
            (_, true) => Err(Error::format(
                Place::File,
                "the type \"FeatureCollection\" beside features",
                member.kind.map_or("none".into(), |kind| format!("{kind:?}")),
            )),
            (_, false) => self.feature(member),
        }
    }

    /// Reads a feature or geometry that is a member of a list.
    fn member(&mut self, json: &mut Json<'_>) -> Result<()> {
        let member = json.read().map_err(|error| self.in_feature(error))?;
        self.feature(member)
    }

    /// A defect of JSON, with the number of the feature in which it is.
    fn in_feature(&self, mut error: Error) -> Error {
        if let Error::Format(defect) = &mut error {
            defect.expected = format!("{} (feature {})", defect.expected, self.count);
        }
        error
    }

    fn place(&self) -> Place {
        Place::Part(format!("feature {}", self.count))
    }

    fn feature(&mut self, member: Member) -> Result<()> {
        let Member { kind, geometry, properties, coordinates } = member;
        let geometry = match kind.as_deref() {
            None => return Err(Error::format(self.place(), "a type", "none")),
            Some("Feature") => geometry,
            Some(_) => Some(Geometry { kind, coordinates }),
        };
        if let Some(rings) = self.rings(geometry)? {
            let properties = properties.unwrap_or_default();
            let label = self.label(&properties)?;
            let count = self.count;
            let runs = self.polygons.fill(&rings, self.shape, || format!("feature {count}"))?;
            match label {
                Some(label) => self.kept.add(label, properties, runs)?,
                None => {
                    self.unlabelled += 1;
                    self.sink.object(&object(self.shape, None, &properties, runs))?;
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    /// The polygons of a geometry; none of one that has no area.
    fn rings(&mut self, geometry: Option<Geometry>) -> Result<Option<Rings>> {
        let Some(Geometry { kind, coordinates }) = geometry else {
            self.passed_over += 1;
            return Ok(None);
        };
        let kind = kind.ok_or_else(|| Error::format(self.place(), "a type of the geometry", "none"))?;
        let depth = match kind.as_str() {
            "Polygon" => 3,
            "MultiPolygon" => 4,
            "Point" | "MultiPoint" | "LineString" | "MultiLineString" => {
                self.passed_over += 1;
                return Ok(None);
            }
            _ if self.options.skip_other_shapes => {
                self.passed_over += 1;
                return Ok(None);
            }
            other => {
                let error = Error::format(self.place(), "a Polygon or a MultiPolygon", format!("{other:?}"));
                return Err(error.with_remedy(Remedy::SkipOtherShapes));
            }
        };
        match coordinates {
            Some(Coordinates { depth: found, rings }) if found == depth || found == 0 => Ok(Some(rings)),
            Some(Coordinates { depth: found, .. }) => Err(Error::format(
                self.place(),
                format!("numbers in {depth} lists, the coordinates of a {kind}"),
                format!("numbers in {found}"),
            )),
            None => Err(Error::format(self.place(), format!("coordinates of the {kind}"), "none")),
        }
    }

    fn label(&self, properties: &Properties) -> Result<Option<u64>> {
        if self.options.renumber {
            return Ok(None);
        }
        let Some(name) = &self.options.label_property else { return Ok(properties.label) };
        match properties.numbers.iter().find(|(key, _)| key == name) {
            Some((_, label)) => Ok(Some(*label)),
            None => Err(Error::format(self.place(), format!("a whole number as the property {name:?}"), "none")),
        }
    }

    fn finish(self) -> Result<()> {
        let labelled = self.kept.parts;
        if labelled > 0 && self.unlabelled > 0 {
            let found = format!("{labelled} with a label and {} without", self.unlabelled);
            let error = Error::format(Place::File, "a label in every feature, or in none", found);
            return Err(error.with_remedy(Remedy::Renumber));
        }
        for KeptObject { label, properties, mut runs, parts } in self.kept.objects {
            if parts > 1 {
                unite(&mut runs);
            }
            self.sink.object(&object(self.shape, Some(label), &properties, &runs))?;
        }
        if self.passed_over > 0 {
            self.sink.passed_over("features without an area", self.passed_over);
        }
        Ok(())
    }
}

fn object<'a>(shape: Shape, label: Option<u64>, properties: &'a Properties, runs: &'a [Run]) -> Object<'a> {
    Object {
        image: "",
        shape: Some(shape),
        order: ScanOrder::ColumnMajor,
        label,
        category: properties.class.as_deref(),
        score: properties.score,
        crowd: false,
        runs,
    }
}

/// Objects by label, in the order in which the file first names them.
#[derive(Default)]
struct Kept {
    objects: Vec<KeptObject>,
    index: HashMap<u64, usize>,
    /// Features in them.
    parts: u64,
}

struct KeptObject {
    label: u64,
    /// Those of its first feature.
    properties: Properties,
    runs: Vec<Run>,
    parts: u64,
}

impl Kept {
    fn add(&mut self, label: u64, properties: Properties, runs: &[Run]) -> Result<()> {
        self.parts += 1;
        reserve_entries(&mut self.index, 1, OBJECTS)?;
        match self.index.entry(label) {
            Entry::Occupied(place) => {
                let object = &mut self.objects[*place.get()];
                extend(&mut object.runs, runs, OBJECTS)?;
                object.parts += 1;
            }
            Entry::Vacant(place) => {
                place.insert(self.objects.len());
                reserve(&mut self.objects, 1, OBJECTS)?;
                self.objects.push(KeptObject { label, properties, runs: copied(runs, OBJECTS)?, parts: 1 });
            }
        }
        Ok(())
    }
}
