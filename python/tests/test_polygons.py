"""Polygons beside shapely, and there and back again."""

import copy
import gzip
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import runmask
import shapely
from conftest import as_dict, masks
from hypothesis import given
from hypothesis import strategies as st

DATA = Path(os.environ.get("RUNMASK_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
MASK = np.array([[7, 7, 7, 0, 3], [7, 0, 7, 3, 0], [7, 7, 7, 0, 0]], np.uint16)
LISTS = ("labels", "feature_offsets", "polygon_offsets", "ring_offsets", "points")


def areas(runs):
    return [int(of_label[:, 1].sum()) for _, of_label in runs]


@given(masks(labels=3, side=15, dtypes=("u2",)), st.sampled_from("FC"), st.integers(1, 2))
def test_there_and_back(mask, order, threads):
    runs = runmask.encode(mask, order=order)
    polygons = runs.polygons(threads=threads)
    assert polygons.labels.tolist() == runs.labels.tolist()
    assert polygons.area == runs.area and polygons.shape == runs.shape and len(polygons) == len(runs)
    assert polygons.fill(threads=threads).to_order(order) == runs
    for given_as in (polygons, polygons.to_shapely(), polygons.to_geopandas()):
        assert runmask.from_polygons(given_as, mask.shape, labels=runs.labels).to_order(order) == runs


@given(masks(labels=3, side=15, dtypes=("u2",)))
def test_shapely_agrees(mask):
    runs = runmask.encode(mask)
    shapes = runs.to_shapely()
    assert shapely.is_valid(shapes).all()
    assert shapely.area(shapes).tolist() == areas(runs)
    centres = np.argwhere(np.ones_like(mask))[:, ::-1] + 0.5
    for label, shape in zip(runs.labels, shapes):
        inside = shapely.contains_xy(shape, centres).reshape(mask.shape) if mask.size else mask == label
        assert np.array_equal(inside, mask == label)
        # Pieces whose pixels touch in a corner only stay apart.
        kinds = {1: "Polygon"}.get(len(runmask.encode(mask == label).components(4)), "MultiPolygon")
        assert shape.geom_type == kinds


coordinates = st.one_of(st.integers(-3, 15), st.integers(-6, 30).map(lambda half: half / 2), st.floats(-3, 15, width=32))
rings = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8).filter(lambda ring: len(set(ring)) > 2)


def centres_inside(ring, shape):
    """By even and odd, pixel by pixel: edges that cross the ray from a centre upwards."""
    inside = np.zeros(shape, bool)
    for row, column in np.ndindex(shape):
        x, y = column + 0.5, row + 0.5
        for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]]):
            if (x0 > x) != (x1 > x):
                inside[row, column] ^= y0 + (x - x0) * (y1 - y0) / (x1 - x0) < y
    return inside


@given(st.lists(rings, min_size=1, max_size=3))
def test_any_polygons_are_filled(polygons):
    shape = 12, 10
    runs = runmask.from_polygons(polygons, shape, overlap=None)
    for label, ring in enumerate(polygons, 1):
        # Centres on an outline are decided by a rule, which rounding may blur: they do not count here.
        line = shapely.LinearRing(ring)
        centres = [(column + 0.5, row + 0.5) for row, column in np.ndindex(shape)]
        far = (shapely.distance(line, shapely.points(centres)) > 1e-6).reshape(shape)
        filled = runs.select([label]).decode(bool, background=0) if label == 1 else runs.select([label]).foreground().decode(bool)
        assert np.array_equal(filled[far], centres_inside(ring, shape)[far])


@given(rings)
def test_the_rule_of_coco(ring):
    flat = [float(number) for point in ring for number in point]
    expected = runmask.coco.decode(runmask.coco.frPyObjects([flat], 12, 10))[:, :, 0]
    assert np.array_equal(runmask.from_polygons([ring], (12, 10), rule="coco").decode("u1"), expected)


def test_lists_are_views():
    polygons = runmask.encode(MASK).polygons()
    assert repr(polygons) == "Polygons(features=2, polygons=3, rings=4, points=20, shape=(3, 5))"
    for name, dtype in zip(LISTS, ("u8", "i8", "i8", "i8", "f8")):
        one, other = getattr(polygons, name), getattr(polygons, name)
        assert one.dtype == dtype and not one.flags.writeable
        assert one.ctypes.data == other.ctypes.data
    points = polygons.points
    del polygons
    assert points.shape == (20, 2) and points.max() == 5
    polygons = runmask.encode(MASK).polygons()
    assert runmask.Polygons(*(getattr(polygons, name) for name in LISTS), shape=MASK.shape) == polygons
    assert copy.copy(polygons) is polygons and copy.deepcopy(polygons) is polygons
    assert polygons != runmask.encode(MASK[:, ::-1]).polygons()
    assert pickle.loads(pickle.dumps(polygons)) == polygons
    buffers = []
    data = pickle.dumps(polygons, 5, buffer_callback=buffers.append)
    assert len(buffers) == 5 and len(data) < 1000
    assert pickle.loads(data, buffers=buffers) == polygons


def test_geometries_of_every_kind():
    square = shapely.box(0, 0, 2, 2)
    holed = shapely.Polygon([(0, 0), (5, 0), (5, 3), (0, 3)], [[(1, 1), (4, 1), (4, 2), (1, 2)]])
    several = shapely.MultiPolygon([square, shapely.box(3, 1, 5, 3)])
    expected = {
        "a polygon": (square, [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]),
        "a hole": (holed, [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]),
        "several": (several, [[1, 1, 0, 0, 0], [1, 1, 0, 1, 1], [0, 0, 0, 1, 1]]),
    }
    for geometry, pixels in expected.values():
        for given_as in (geometry, [geometry], np.array([geometry])):
            assert runmask.from_polygons(given_as, (3, 5)).decode().tolist() == pixels
    nothing = [shapely.Polygon(), shapely.MultiPolygon(), None, square]
    assert areas(runmask.from_polygons(nothing, (3, 5))) == [0, 0, 0, 4]
    assert len(runmask.from_polygons([], (3, 5))) == 0
    assert areas(runmask.from_polygons([holed, square], (3, 5), overlap="last")) == [9, 4]
    assert areas(runmask.from_polygons([holed, square], (3, 5), overlap="first")) == [12, 1]
    assert areas(runmask.from_polygons([holed, square], (3, 5), overlap=None)) == [12, 4]
    assert as_dict(runmask.from_polygons([square, holed], (3, 5), labels=[9, 9])) == as_dict(
        runmask.encode(np.array([[9, 9, 9, 9, 9], [9, 9, 0, 0, 9], [9, 9, 9, 9, 9]]))
    )
    frame = runmask.encode(MASK).to_geopandas()
    assert frame["label"].tolist() == [3, 7] and frame.crs is None
    assert runmask.from_polygons(frame, MASK.shape) == runmask.encode(MASK)
    assert runmask.from_polygons(frame.geometry, MASK.shape).labels.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("polygons", "options", "error", "words"),
    [
        ([[(0, 0), (1, 0), (1, 1)]], {"shape": None}, ValueError, "height and width must be known"),
        ([[(0, 0), (1, 1)]], {}, ValueError, "polygon 0: expected at least three points, found 2"),
        ([[(0, 0), (1, 1), (0, 0)]], {}, ValueError, "ring 0"),
        ([[(0, 0), (1, 1), (0, 0), (1, 1)]], {}, ValueError, "three points that differ"),
        ([[(0, 0), (1, float("nan")), (2, 2)]], {}, ValueError, "point 1: 1, NaN"),
        ([[(0, 0), (1, 2.0**54), (2, 2)]], {}, ValueError, r"between -2\^53 and 2\^53"),
        ([[0, 0, 1, 1, 2, 2]], {}, ValueError, r"polygon 0: expected points of shape \(n, 2\), found \(6,\)"),
        ([shapely.Point(1, 1)], {}, TypeError, "polygon 0: expected a Polygon or MultiPolygon, found Point"),
        ([shapely.box(0, 0, 1, 1), 7], {}, TypeError, "polygon 1: expected a Polygon or MultiPolygon, found int"),
        ([shapely.box(0, 0, 2, 2)] * 2, {}, ValueError, "overlap"),
        ([shapely.box(0, 0, 2, 2)] * 2, {"overlap": "best"}, ValueError, "best"),
        ([shapely.box(0, 0, 2, 2)], {"rule": "all"}, ValueError, "all"),
        ([shapely.box(0, 0, 2, 2)], {"labels": [1, 2]}, ValueError, "feature offsets: 2 for 2 labels"),
        ([shapely.box(0, 0, 2, 2)], {"labels": [-1]}, ValueError, "labels: expected numbers from 0"),
    ],
)
def test_what_is_no_polygon(polygons, options, error, words):
    with pytest.raises(error, match=words):
        runmask.from_polygons(polygons, **{"shape": (3, 5), **options})


def test_ragged_lists_that_do_not_fit():
    lists = [getattr(runmask.encode(MASK).polygons(), name) for name in LISTS]
    for index, wrong, words in [
        (0, [1, 2, 3], "feature offsets: 3 for 3 labels"),
        (1, [0, 2, 2], "feature offsets: from 0 to 2"),
        (2, [0, 2, 1, 4], "polygon offsets: number 2 is 1"),
        (3, [0, 1, 10, 15, 20], "ring 0 has 1 points"),
        (4, np.zeros((20, 3)), r"points: expected the shape \(n, 2\)"),
    ]:
        with pytest.raises(ValueError, match=words):
            runmask.Polygons(*lists[:index], wrong, *lists[index + 1 :])


def test_geojson(tmp_path):
    runs = runmask.encode(MASK)
    path = tmp_path / "cells.geojson"
    runs.to_geojson(
        path, category="nucleus", class_colors={"nucleus": (1, 2, 3)}, object_type="cell", measure=["area"], pixel_size=0.5
    )
    features = json.loads(path.read_text())["features"]
    assert [feature["properties"]["objectType"] for feature in features] == ["cell", "cell"]
    assert features[0]["properties"]["classification"] == {"name": "nucleus", "color": [1, 2, 3]}
    assert "0.5" in json.dumps(features[0]["properties"]["measurements"])
    shapes = shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features])
    assert shapely.equals(shapes, runs.to_shapely()).all()
    assert runmask.read(path, shape=MASK.shape) == runs
    assert runmask.doctor(path)["format"] == "geojson"
    packed = tmp_path / "cells.geojson.gz"
    runs.to_geojson(packed)
    assert gzip.decompress(packed.read_bytes()).startswith(b"{")
    assert runmask.read(packed, shape=MASK.shape) == runs
    runmask.convert(packed, tmp_path / "cells.csv", "table", shape=MASK.shape)
    assert runmask.read(tmp_path / "cells.csv", "table", shape=MASK.shape) == runs
    with pytest.raises(TypeError, match="pixel_size is for measurements"):
        runs.to_geojson(path, pixel_size=2)


def test_what_geojson_passes_over_is_a_warning(tmp_path):
    path = tmp_path / "cells.geojson"
    runmask.encode(MASK).to_geojson(path)
    content = json.loads(path.read_text())
    content["features"].append({"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {}})
    path.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=r"cells\.geojson: 1 .*passed over"):
        assert runmask.read(path, shape=MASK.shape) == runmask.encode(MASK)
    with pytest.warns(UserWarning, match="area of .* instead of"):
        runmask.encode(np.tri(40, dtype=int)).to_geojson(path, simplify=2.0)


def test_polygons_without_shapely_need_none(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "shapely", None)
    polygons = runmask.encode(MASK).polygons()
    assert runmask.from_polygons(polygons) == runmask.encode(MASK)
    with pytest.raises(ImportError):
        polygons.to_shapely()


def test_nuclei_of_a_slide():
    files = sorted(DATA.glob("**/hgsc_crop4096*.tif"))
    if not files:
        if os.environ.get("RUNMASK_REQUIRE_DATA"):
            pytest.fail(f"no hgsc_crop4096 in {DATA}")
        pytest.skip(f"no hgsc_crop4096 in {DATA}")
    runs = runmask.open(files[0]).encode()
    assert len(runs) > 1000
    polygons = runs.polygons()
    shapes = polygons.to_shapely()
    assert shapely.is_valid(shapes).all()
    assert shapely.area(shapes).tolist() == areas(runs)
    assert runmask.from_polygons(shapes, runs.shape, labels=runs.labels) == runs
    simple = polygons.simplify(1.0)
    assert shapely.is_valid(simple.to_shapely()).all()
    assert len(simple.points) < len(polygons.points) / 2
