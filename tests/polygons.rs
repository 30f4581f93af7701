//! Polygons of real slides: published ones against the published mask, and those of a mask back to its pixels.

#[path = "data/mod.rs"]
mod data;

use std::fs;
use std::path::Path;

use runmask::format::{self, Format, ReadOptions, WriteOptions};
use runmask::source::{self, OpenOptions};
use runmask::{
    Encoder, FillRule, LabelRuns, LabelRunsBuilder, OverlapPolicy, Point, PolygonParts, Polygons, ScanOrder,
    SetOperation,
};

fn encoded(path: &Path) -> LabelRuns {
    let mut source = source::open(path, &OpenOptions::new()).expect("a mask");
    Encoder::builder().build().expect("simd").encode_source(source.as_mut()).expect("encodes")
}

/// Pixels that two label masks do not give the same label: those of the first one only, of the second one only, and of both.
fn differing(first: &LabelRuns, second: &LabelRuns) -> [u64; 3] {
    let overlaps = first.overlaps(second).expect("labels do not overlap");
    let sum = |other: bool| -> u64 {
        overlaps.pairs().iter().filter(|pair| other || pair.first == pair.second).map(|pair| pair.pixels).sum()
    };
    [first.area() - sum(true), second.area() - sum(true), sum(true) - sum(false)]
}

/// The distance from a point to the nearest edge of closed rings.
fn distance([x, y]: Point, polygons: &Polygons) -> f64 {
    let to_edge = |edge: &[Point]| {
        let [[x0, y0], [x1, y1]] = [edge[0], edge[1]];
        let square = (x1 - x0).powi(2) + (y1 - y0).powi(2);
        let along = if square == 0.0 { 0.0 } else { ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / square };
        let along = along.clamp(0.0, 1.0);
        (x0 + along * (x1 - x0) - x).hypot(y0 + along * (y1 - y0) - y)
    };
    polygons.points().windows(2).map(to_edge).fold(f64::INFINITY, f64::min)
}

/// The published polygons of a kidney, and the mask that was made of them with `cv2.fillPoly`. That takes corners for centres
/// of pixels, which moves polygons by half a pixel, and draws their outlines as well. Nothing else differs.
#[test]
fn published_polygons_differ_from_the_published_mask_by_its_outlines() {
    let Some(folder) = data::folder() else { return };
    let published = encoded(&folder.join("hubmap/van0003_u16_deflate.tif"));
    let bytes = fs::read(folder.join("hubmap/van0003_polygons.json")).expect("the polygons");
    let shape = published.shape();
    let options = ReadOptions::new().shape(shape);
    let filled = format::read(Format::GeoJson, &mut &bytes[..], &options).expect("what QuPath writes");
    assert_eq!(filled.labels(), published.labels());
    assert!(filled.clone().disjoint(OverlapPolicy::Error).is_err(), "79 and 81 overlap");
    assert_eq!(differing(&filled.disjoint(OverlapPolicy::Last).expect("a policy"), &published), [3_490, 37_086, 5]);

    let file: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let of = |feature: &serde_json::Value| -> PolygonParts {
        let ring = feature["geometry"]["coordinates"][0].as_array().expect("a ring");
        let half = |value: &serde_json::Value| value.as_f64().expect("a number") + 0.5;
        let points: Vec<Point> = ring.iter().map(|point| [half(&point[0]), half(&point[1])]).collect();
        let (offsets, ring_offsets) = (vec![0, 1], vec![0, points.len()]);
        PolygonParts {
            labels: vec![1],
            feature_offsets: offsets.clone(),
            polygon_offsets: offsets,
            ring_offsets,
            points,
        }
    };
    let moved: Vec<Polygons> = file
        .as_array()
        .expect("a list of features")
        .iter()
        .map(|feature| Polygons::from_parts(shape, of(feature)).expect("a closed ring"))
        .collect();
    let mut runs = LabelRunsBuilder::new(shape, ScanOrder::ColumnMajor);
    for (label, polygon) in (1..).zip(&moved) {
        runs.label(label).expect("labels ascend");
        polygon.fill(FillRule::Centre).expect("a ring").runs().iter().for_each(|&run| runs.run(run).expect("ascends"));
    }
    let runs = runs.finish().disjoint(OverlapPolicy::Last).expect("a policy");
    assert_eq!(differing(&runs, &published), [0, 33_375, 8]);
    let height = u64::from(shape.expect("a mask has one").height);
    let mut outline = 0;
    for (label, polygon) in (1..).zip(&moved) {
        let [ours, theirs] = [&runs, &published].map(|runs| {
            let parts = (vec![1], vec![0, runs.get(label).expect("a label").len()], runs.get(label).unwrap().to_vec());
            LabelRuns::from_parts(shape, ScanOrder::ColumnMajor, parts.0, parts.1, parts.2).expect("a part of runs")
        });
        let more = theirs.combine(&ours, SetOperation::Difference).expect("one shape");
        for position in more.runs().iter().flat_map(|run| run.start..run.end()) {
            let centre = [(position / height) as f64 + 0.5, (position % height) as f64 + 0.5];
            let far = distance(centre, polygon);
            assert!(far <= 0.5, "label {label}: {centre:?} is {far} pixels from the outline");
            outline += 1;
        }
    }
    assert_eq!(outline, 33_375 + 8);
}

#[test]
fn the_nuclei_of_a_slide_come_back() {
    let Some(folder) = data::folder() else { return };
    for name in ["hgsc_crop4096_u32_zlib.tif", "cervix_crop_tissue_u8_packbits.tif", "cellpose_u16.tif"] {
        let runs = encoded(&folder.join("masks").join(name));
        let polygons = runs.polygons().expect("the runs carry a shape");
        assert_eq!(polygons.area(), runs.area() as f64, "{name}");
        assert!(polygons.fill(FillRule::Centre).expect("whole rings") == runs, "{name}");
        let mut text = Vec::new();
        format::write(Format::GeoJson, &mut text, &runs, &WriteOptions::new()).expect("every label has runs");
        let again = format::read(Format::GeoJson, &mut &text[..], &ReadOptions::new().shape(runs.shape()));
        assert!(again.expect("a valid file") == runs, "{name}");
    }
}
