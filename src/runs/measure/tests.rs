use std::collections::{HashSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::runs::testing::{ORDERS, Pixels, any_runs, for_threads, masks};
use crate::shape::Shape;

/// A number of a table, whatever its type.
fn number(table: &Measures, name: &str, row: usize) -> f64 {
    match table.column(name).unwrap_or_else(|| panic!("no column {name}")) {
        Values::U64(values) => values[row] as f64,
        Values::I64(values) => values[row] as f64,
        Values::F64(values) => values[row],
    }
}

fn all() -> MeasureOptions {
    MeasureOptions::new().properties(Property::ALL.iter().copied())
}

/// Each property by its definition over pixels, with the name of its column.
fn by_pixels(pixels: &Pixels, label: u64, connectivity: Connectivity) -> Vec<(&'static str, f64)> {
    let places = pixels.of(label);
    let covered: HashSet<(i64, i64)> = places.iter().copied().collect();
    let has = |row: i64, column: i64| covered.contains(&(row, column));
    let area = places.len() as f64;
    let mean = |value: &dyn Fn(f64, f64) -> f64| {
        places.iter().map(|&(row, column)| value(row as f64, column as f64)).sum::<f64>() / area
    };
    let (row, column) = (mean(&|row, _| row), mean(&|_, column| column));
    let rows = mean(&|r, _| (r - row) * (r - row));
    let columns = mean(&|_, c| (c - column) * (c - column));
    let both = mean(&|r, c| (r - row) * (c - column));
    let root = ((rows - columns).powi(2) + 4.0 * both * both).sqrt();
    let (large, small) = ((rows + columns + root) / 2.0, ((rows + columns - root) / 2.0).max(0.0));
    let top = places.iter().map(|place| place.0).min().unwrap();
    let left = places.iter().map(|place| place.1).min().unwrap();
    let bottom = places.iter().map(|place| place.0).max().unwrap() + 1;
    let right = places.iter().map(|place| place.1).max().unwrap() + 1;
    let edges = [(0, 1), (1, 0), (0, -1), (-1, 0)];
    let corners = [(1, 1), (1, -1), (-1, -1), (-1, 1)];
    let outline: usize = places.iter().map(|&(r, c)| edges.iter().filter(|(y, x)| !has(r + y, c + x)).count()).sum();

    let border: HashSet<(i64, i64)> =
        places.iter().copied().filter(|&(r, c)| edges.iter().any(|(y, x)| !has(r + y, c + x))).collect();
    let perimeter: f64 = border
        .iter()
        .map(|&(r, c)| {
            let count = |around: &[(i64, i64)]| around.iter().filter(|(y, x)| border.contains(&(r + y, c + x))).count();
            match 1 + 2 * count(&edges) + 10 * count(&corners) {
                5 | 7 | 15 | 17 | 25 | 27 => 1.0,
                21 | 33 => SQRT_2,
                13 | 23 => (1.0 + SQRT_2) / 2.0,
                _ => 0.0,
            }
        })
        .sum();

    // Crofton: how often a line of each of four directions enters or leaves, by its share.
    let crossings = |y: i64, x: i64| {
        let leaves = places.iter().filter(|&&(r, c)| !has(r + y, c + x)).count();
        let enters = places.iter().filter(|&&(r, c)| !has(r - y, c - x)).count();
        (leaves + enters) as f64 / 2.0
    };
    let crofton = FRAC_PI_4 * (crossings(0, 1) + crossings(1, 0) + (crossings(1, 1) + crossings(1, -1)) / SQRT_2);

    let eight: Vec<(i64, i64)> = edges.iter().chain(&corners).copied().collect();
    let (inside, outside) = match connectivity {
        Connectivity::Four => (&edges[..], &eight[..]),
        Connectivity::Eight => (&eight[..], &edges[..]),
    };
    let pieces = components(covered.clone(), inside);
    // A margin of one connects all that is outside.
    let others = (top - 1..=bottom).flat_map(|r| (left - 1..=right).map(move |c| (r, c)));
    let holes = components(others.filter(|&(r, c)| !has(r, c)).collect(), outside) - 1;

    let (convex, feret) = hull(&places, (top..bottom, left..right));
    let mut expected = vec![
        ("label", label as f64),
        ("area", area),
        ("bbox-0", top as f64),
        ("bbox-1", left as f64),
        ("bbox-2", bottom as f64),
        ("bbox-3", right as f64),
        ("centroid-0", row),
        ("centroid-1", column),
        ("equivalent_diameter_area", (4.0 * area / PI).sqrt()),
        ("extent", area / ((bottom - top) * (right - left)) as f64),
        ("axis_major_length", 4.0 * large.sqrt()),
        ("axis_minor_length", 4.0 * small.sqrt()),
        ("eccentricity", if large == 0.0 { 0.0 } else { (1.0 - small / large).sqrt() }),
        ("perimeter", perimeter),
        ("perimeter_crofton", crofton),
        ("outline_length", outline as f64),
        ("euler_number", pieces as f64 - holes as f64),
        ("holes", holes as f64),
        ("pieces", pieces as f64),
        ("area_convex", convex),
        ("solidity", area / convex),
        ("feret_diameter_max", feret),
    ];
    if large > 0.0 && (1.0 - small / large).sqrt() > 1e-3 {
        expected.push(("orientation", 0.5 * (2.0 * both).atan2(rows - columns)));
    }
    expected
}

fn components(mut left: HashSet<(i64, i64)>, around: &[(i64, i64)]) -> usize {
    let mut count = 0;
    while let Some(&first) = left.iter().next() {
        count += 1;
        left.remove(&first);
        let mut queue = VecDeque::from([first]);
        while let Some((r, c)) = queue.pop_front() {
            queue.extend(around.iter().map(|(y, x)| (r + y, c + x)).filter(|place| left.remove(place)));
        }
    }
    count
}

/// Pixels of the convex image, and the largest distance on its outline.
fn hull(places: &[(i64, i64)], (rows, columns): (std::ops::Range<i64>, std::ops::Range<i64>)) -> (f64, f64) {
    let diamond =
        |&(r, c): &(i64, i64)| [(2 * r - 1, 2 * c), (2 * r + 1, 2 * c), (2 * r, 2 * c - 1), (2 * r, 2 * c + 1)];
    let points: Vec<(i64, i64)> = places.iter().flat_map(diamond).collect::<HashSet<_>>().into_iter().collect();
    let cross = |a: (i64, i64), b: (i64, i64), c: (i64, i64)| (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0);
    // The sides of the hull, by gift wrapping.
    let first = *points.iter().min().unwrap();
    let mut corners = vec![first];
    loop {
        let at = corners[corners.len() - 1];
        let mut next = *points.iter().find(|&&point| point != at).unwrap();
        for &point in &points {
            let turn = cross(at, next, point);
            let further = |a: (i64, i64)| (a.0 - at.0).pow(2) + (a.1 - at.1).pow(2);
            if turn < 0 || (turn == 0 && further(point) > further(next)) {
                next = point;
            }
        }
        if next == first {
            break;
        }
        corners.push(next);
    }
    let inside = |r: i64, c: i64| {
        (0..corners.len()).all(|i| cross(corners[i], corners[(i + 1) % corners.len()], (2 * r, 2 * c)) >= 0)
    };
    let convex: HashSet<(i64, i64)> =
        rows.flat_map(|r| columns.clone().map(move |c| (r, c))).filter(|&(r, c)| inside(r, c)).collect();
    let outline: Vec<(i64, i64)> = convex
        .iter()
        .flat_map(|&(r, c)| [(1, 0), (-1, 0), (0, 1), (0, -1)].map(|(y, x)| ((r + y, c + x), (2 * r + y, 2 * c + x))))
        .filter(|(neighbour, _)| !convex.contains(neighbour))
        .map(|(_, middle)| middle)
        .collect();
    let far = outline.iter().flat_map(|a| outline.iter().map(move |b| (a.0 - b.0).pow(2) + (a.1 - b.1).pow(2))).max();
    (convex.len() as f64, (far.unwrap() as f64).sqrt() / 2.0)
}

/// Equal to 9 digits; a shorter axis and an eccentricity, which are roots of small differences, by their squares.
fn close(name: &str, found: f64, expected: f64, axis: f64) -> bool {
    match name {
        "axis_minor_length" => (found * found - expected * expected).abs() <= 1e-9 * axis * axis,
        "eccentricity" => (found * found - expected * expected).abs() <= 1e-9,
        "orientation" => {
            let turns = (found - expected).abs() / PI;
            (turns - turns.round()).abs() < 1e-8
        }
        _ => (found - expected).abs() <= 1e-9 * expected.abs(),
    }
}

fn check(table: &Measures, row: usize, expected: &[(&'static str, f64)], why: &str) {
    let axis = number(table, "axis_major_length", row);
    for &(name, expected) in expected {
        let found = number(table, name, row);
        assert!(close(name, found, expected, axis), "{name}: {found}, not {expected}; {why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_property_is_by_definition(pixels in masks()) {
        for connectivity in [Connectivity::Four, Connectivity::Eight] {
            let options = all().connectivity(connectivity);
            for order in ORDERS {
                let runs = pixels.encode(order);
                prop_assert_eq!(&Pixels::decode(&runs), &pixels);
                let [one, many] = for_threads(|| runs.measure(&options).unwrap());
                prop_assert_eq!(&one, &many);
                prop_assert_eq!(one.rows(), pixels.present().len());
                for (row, label) in pixels.present().into_iter().enumerate() {
                    check(&one, row, &by_pixels(&pixels, label, connectivity), &format!("{label} of {pixels:?}"));
                }
            }
        }
    }

    /// The same digits, so that whoever measures may take the order that is faster.
    #[test]
    fn both_orders_measure_the_same(pixels in masks()) {
        let [down, along] = ORDERS.map(|order| pixels.encode(order).measure(&all()).unwrap());
        // Numbers that are none are equal as texts.
        prop_assert_eq!(format!("{down:?}"), format!("{along:?}"));
    }

    /// What files may hold: labels that overlap, touching runs, labels without runs.
    #[test]
    fn labels_that_overlap_are_measured_each_by_itself(runs in any_runs()) {
        let table = runs.measure(&all()).unwrap();
        for (row, (label, runs_of)) in runs.iter().enumerate() {
            let shape = runs.shape().unwrap();
            let mut pixels = Pixels::new(shape.height, shape.width);
            for position in runs_of.iter().flat_map(|run| run.start..run.end()) {
                let (row, column) = runs.order().row_column(position, shape);
                pixels.set(row as u32, column as u32, label + 1);
            }
            if runs_of.is_empty() {
                for name in ["area", "bbox-0", "bbox-3", "holes", "pieces", "euler_number", "perimeter", "area_convex"] {
                    prop_assert_eq!(number(&table, name, row), 0.0, "{}", name);
                }
                for name in ["centroid-0", "extent", "axis_major_length", "eccentricity", "orientation", "solidity"] {
                    prop_assert!(number(&table, name, row).is_nan(), "{}", name);
                }
            } else {
                let expected = by_pixels(&pixels, label + 1, Connectivity::Eight);
                check(&table, row, &expected[1..], &format!("{label} of {runs:?}"));
            }
        }
    }

    /// A label far from the first pixel measures what it measures near it.
    #[test]
    fn where_a_label_lies_changes_its_box_and_centroid_only(pixels in masks(), row in 0_u32..4_000_000_000, column in 0_u32..4_000_000_000) {
        for order in ORDERS {
            let near = pixels.encode(order);
            let mut far = near.clone();
            let shape = Shape { height: row + 200, width: column + 200 };
            far.shape = Some(shape);
            let mut runs = Vec::new();
            for label in 0..near.labels.len() {
                let from = pixels.shape.line_length(order);
                let to = u64::from(shape.line_length(order));
                let (line, along) = match order {
                    ScanOrder::ColumnMajor => (column, row),
                    ScanOrder::RowMajor => (row, column),
                };
                lines::cut(near.runs_at(label), from, |piece| {
                    for each in piece.line..=piece.last_line() {
                        let start = u64::from(line + each) * to + u64::from(along + piece.start);
                        runs.push(Run { start, length: u64::from(piece.length()) });
                    }
                });
                far.offsets[label + 1] = runs.len();
            }
            far.runs = runs.into();
            let (near, far) = (near.measure(&all()).unwrap(), far.measure(&all()).unwrap());
            for column_of in near.columns() {
                let name = column_of.name();
                for index in 0..near.rows() {
                    let moved = match name {
                        "bbox-0" | "bbox-2" | "centroid-0" => f64::from(row),
                        "bbox-1" | "bbox-3" | "centroid-1" => f64::from(column),
                        _ => 0.0,
                    };
                    let (near, far) = (number(&near, name, index) + moved, number(&far, name, index));
                    prop_assert!(near == far || (near - far).abs() < 1e-12 * near.abs(), "{}: {} and {}", name, near, far);
                }
            }
        }
    }
}

fn table_of(text: &str, options: &MeasureOptions) -> Measures {
    Pixels::parse(text).encode(ScanOrder::ColumnMajor).measure(options).unwrap()
}

#[test]
fn sums_in_128_bits_are_those_in_64() {
    let pixels = Pixels::parse("..11\n1111\n1.1.\n1111");
    for order in ORDERS {
        let runs = pixels.encode(order);
        let near = Sums::of(runs.runs_at(0), 4, true, false);
        // The same lines far apart from the next ones, so that the box is too large for sums in 64 bits.
        let far: Vec<Run> = runs
            .runs_at(0)
            .iter()
            .map(|run| Run { start: run.start % 4 + run.start / 4 * 4_000_000_000, length: 1 })
            .collect();
        let single: Vec<Run> = runs.runs_at(0).iter().map(|run| Run { length: 1, ..*run }).collect();
        let (far, single) = (Sums::of(&far, 4_000_000_000, true, false), Sums::of(&single, 4, true, false));
        assert_eq!((far.first, far.second, far.area), (single.first, single.second, single.area));
        assert_eq!(near.area, 12);
    }
}

#[test]
fn the_largest_mask_is_measured_as_a_whole() {
    let side = u32::MAX;
    let shape = Shape { height: side, width: side };
    let all_runs = vec![Run { start: 0, length: shape.pixels() }];
    for order in ORDERS {
        let runs = LabelRuns::from_parts(Some(shape), order, vec![1], vec![0, 1], all_runs.clone()).unwrap();
        let properties = Property::ALL
            .iter()
            .copied()
            .filter(|p| !matches!(p, Property::AreaConvex | Property::Solidity | Property::FeretDiameterMax));
        let table = runs.measure(&MeasureOptions::new().properties(properties)).unwrap();
        let n = f64::from(side);
        let axis = 4.0 * ((n * n - 1.0) / 12.0).sqrt();
        for (name, expected) in [
            ("area", n * n),
            ("bbox-2", n),
            ("centroid-0", (n - 1.0) / 2.0),
            ("centroid-1", (n - 1.0) / 2.0),
            ("extent", 1.0),
            ("axis_major_length", axis),
            ("axis_minor_length", axis),
            ("perimeter", 4.0 * n - 4.0),
            ("outline_length", 4.0 * n),
            ("euler_number", 1.0),
            ("holes", 0.0),
            ("pieces", 1.0),
        ] {
            let found = number(&table, name, 0);
            assert!((found - expected).abs() <= 1e-9 * expected, "{name}: {found}, not {expected}");
        }
        let error = runs.measure(&MeasureOptions::new().properties([Property::AreaConvex])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "label 1: scan lines of a label whose hull is asked for: at most 268435456, found 4294967295"
        );
    }
}

#[test]
fn a_large_label_is_measured_to_the_last_digit() {
    // 100,000 x 100,000 pixels, less a hole of 2 x 3 and a corner.
    let side = 100_000_u64;
    let shape = Shape { height: 100_000, width: 100_000 };
    let runs = vec![
        Run { start: 1, length: 50_000 * side - 1 },
        Run { start: 50_000 * side, length: 10 },
        Run { start: 50_000 * side + 12, length: side - 2 },
        Run { start: 50_001 * side + 12, length: side - 2 },
        Run { start: 50_002 * side + 12, length: side - 12 },
        Run { start: 50_003 * side, length: 49_997 * side },
    ];
    let runs = LabelRuns::from_parts(Some(shape), ScanOrder::ColumnMajor, vec![9], vec![0, runs.len()], runs).unwrap();
    let table = runs.measure(&all()).unwrap();
    let area = 10_000_000_000.0 - 7.0;
    let whole = 1e10 * (side - 1) as f64 / 2.0;
    for (name, expected) in [
        ("area", area),
        ("centroid-0", (whole - 3.0 * 21.0) / area),
        ("centroid-1", (whole - 2.0 * 150_003.0) / area),
        ("euler_number", 0.0),
        ("holes", 1.0),
        ("pieces", 1.0),
        ("outline_length", 400_010.0),
        ("area_convex", 9_999_999_999.0),
        ("feret_diameter_max", 1e5_f64.hypot(99_999.0)),
    ] {
        let found = number(&table, name, 0);
        assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{name}: {found}, not {expected}");
    }
}

#[test]
fn a_pixel_size_scales_lengths_and_areas_and_names_them() {
    let text = ". 1 1 .\n1 1 1 1\n. 1 1 .";
    let plain = table_of(text, &all());
    let sized = table_of(text, &all().pixel_size(Some(PixelSize::new(0.5, 0.5).unwrap())));
    for (plain, sized) in plain.columns().iter().zip(sized.columns()) {
        let (name, factor) = match plain.name() {
            name @ ("area" | "area_convex") => (format!("{name}_um2"), 0.25),
            name @ ("equivalent_diameter_area"
            | "axis_major_length"
            | "axis_minor_length"
            | "perimeter"
            | "perimeter_crofton"
            | "outline_length"
            | "feret_diameter_max") => (format!("{name}_um"), 0.5),
            name => (name.to_owned(), 1.0),
        };
        assert_eq!(sized.name(), name);
        let value = |column: &Column| match column.values() {
            Values::U64(values) => values[0] as f64,
            Values::I64(values) => values[0] as f64,
            Values::F64(values) => values[0],
        };
        assert!((value(plain) * factor - value(sized)).abs() < 1e-12, "{name}");
    }
}

#[test]
fn pixels_that_are_not_square_have_axes_but_no_perimeter() {
    let size = PixelSize::new(1.0, 2.0).unwrap();
    let properties = Property::ALL
        .iter()
        .copied()
        .filter(|property| !matches!(property, Property::Perimeter | Property::PerimeterCrofton));
    let options = MeasureOptions::new().properties(properties).pixel_size(Some(size));
    // Each pixel of the one is two of the other.
    let wide = table_of("1 1\n. 1", &options);
    let ones = MeasureOptions::new().properties([Property::Area, Property::OutlineLength, Property::Label]);
    let square = table_of("1 1 1 1\n. . 1 1", &ones);
    assert_eq!(number(&wide, "area_um2", 0), number(&square, "area", 0));
    assert_eq!(number(&wide, "outline_length_um", 0), number(&square, "outline_length", 0));
    assert_eq!(number(&wide, "feret_diameter_max_um", 0), 17_f64.sqrt());
    for property in [Property::Perimeter, Property::PerimeterCrofton] {
        let options = MeasureOptions::new().properties([property]).pixel_size(Some(size));
        let error = Pixels::parse("1").encode(ScanOrder::RowMajor).measure(&options).unwrap_err();
        let expected = format!("{property} is defined for square pixels only, and these are 1 by 2 micrometres");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn without_a_shape_areas_are_known_and_places_are_not() {
    let runs = Pixels::parse("1 1\n. 2").encode(ScanOrder::ColumnMajor);
    let runs = LabelRuns { shape: None, ..runs };
    let known = [Property::Label, Property::Area, Property::EquivalentDiameterArea];
    assert_eq!(
        runs.measure(&MeasureOptions::new().properties(known)).unwrap().column("area"),
        Some(&Values::U64(vec![2, 1]))
    );
    let error = runs.measure(&MeasureOptions::new()).unwrap_err();
    assert!(matches!(error, Error::UnknownShape { .. }));
    assert_eq!(error.to_string(), "bbox, centroid: height and width must be known");
}

#[test]
fn wrong_options_are_refused() {
    for (height, width) in [(f64::NAN, 1.0), (1.0, 0.0), (-1.0, 1.0), (1.0, f64::INFINITY)] {
        assert!(matches!(PixelSize::new(height, width), Err(Error::Argument(_))));
    }
    let error = "6".parse::<Connectivity>().unwrap_err();
    assert_eq!(error.to_string(), "`6` is not the name of a connectivity: expected 4 or 8");
}

#[test]
fn text_has_names_numbers_and_no_nan_in_json() {
    let runs = LabelRuns {
        labels: vec![1, 2, 5],
        offsets: vec![0, 1, 2, 2],
        ..Pixels::parse("1 1\n. 2").encode(ScanOrder::RowMajor)
    };
    let options = MeasureOptions::new().properties([
        Property::Label,
        Property::Area,
        Property::EulerNumber,
        Property::Centroid,
        Property::Label,
    ]);
    let table = runs.measure(&options).unwrap();
    let mut csv = Vec::new();
    table.write_csv(&mut csv).unwrap();
    assert_eq!(
        String::from_utf8(csv).unwrap(),
        "label,area,euler_number,centroid-0,centroid-1\n1,2,1,0.0,0.5\n2,1,1,1.0,1.0\n5,0,0,nan,nan\n"
    );
    let mut json = Vec::new();
    table.write_json(&mut json).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(read[0]["centroid-1"], 0.5);
    assert_eq!(read[2]["centroid-1"], serde_json::Value::Null);
    assert_eq!(read.as_array().unwrap().len(), 3);
}

/// Masks as scikit-image measures them; `tests/fixtures/make_measures.py` says how.
#[test]
fn values_are_those_of_scikit_image() {
    let entries: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../tests/fixtures/measures.json")).unwrap();
    assert!(entries.len() > 60);
    for entry in entries {
        let rows: Vec<&str> = entry["rows"].as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
        let mut pixels = Pixels::new(rows.len() as u32, rows[0].len() as u32);
        for (row, text) in (0..).zip(&rows) {
            for (column, letter) in (0..).zip(text.bytes()) {
                pixels.set(row, column, if letter == b'.' { 0 } else { u64::from(letter - b'a') + 1 });
            }
        }
        let pixel = entry["pixel"].as_f64().unwrap();
        let options = all().pixel_size((pixel != 1.0).then(|| PixelSize::new(pixel, pixel).unwrap()));
        for order in ORDERS {
            let table = pixels.encode(order).measure(&options).unwrap();
            for (name, values) in entry["values"].as_object().unwrap() {
                let values = values.as_array().unwrap();
                assert_eq!(values.len(), table.rows());
                let column = table.columns().iter().map(Column::name).find(|found| {
                    *found == name || found.strip_prefix(&name[..]).is_some_and(|unit| ["_um", "_um2"].contains(&unit))
                });
                for (row, expected) in values.iter().enumerate() {
                    let axis = if pixel == 1.0 { "axis_major_length" } else { "axis_major_length_um" };
                    let axis = number(&table, axis, row);
                    // Without a direction, an angle says nothing.
                    if name == "orientation" && number(&table, "eccentricity", row) < 1e-3 {
                        continue;
                    }
                    let found = number(&table, column.unwrap(), row);
                    let expected = expected.as_f64().unwrap();
                    assert!(close(name, found, expected, axis), "{name}: {found}, not {expected}\n{}", rows.join("\n"));
                }
            }
        }
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_holds_the_table() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    let table = table_of("1 1 .\n. 2 1", &all());
    let mut bytes = Vec::new();
    table.write_parquet(&mut bytes).unwrap();
    let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let rows: Vec<_> = file.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), table.rows());
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row.get_column_iter().collect();
        assert_eq!(cells.len(), table.columns().len());
        for ((name, cell), column) in cells.into_iter().zip(table.columns()) {
            assert_eq!(name, column.name());
            match (cell, column.values()) {
                (Field::ULong(found), Values::U64(values)) => assert_eq!(*found, values[index]),
                (Field::Long(found), Values::I64(values)) => assert_eq!(*found, values[index]),
                (Field::Double(found), Values::F64(values)) => assert_eq!(found.to_bits(), values[index].to_bits()),
                (cell, _) => panic!("{name}: {cell:?}"),
            }
        }
    }
}
