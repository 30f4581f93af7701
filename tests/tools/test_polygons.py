"""GeoJSON in shapely: every polygon is valid, and the areas are those of the labels."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from conftest import mask_of, runmask

DATA = Path(os.environ.get("RUNMASK_TEST_DATA", Path(__file__).parents[3] / "shared/data"))


def shapes(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """The labels of the features of a file, and their geometries as shapely reads them."""
    features = json.loads(file.read_text())["features"]
    labels = np.array([int(feature["properties"]["metadata"]["label"]) for feature in features])
    geometries = [json.dumps(feature["geometry"]) for feature in features]
    return labels, shapely.from_geojson(np.array(geometries, object))


def check(mask: Path, folder: Path) -> None:
    file, back = folder / "mask.geojson", folder / "back.tif"
    runmask("encode", mask, "-o", file)
    labels, geometries = shapes(file)
    pixels = mask_of(mask)
    present, areas = np.unique(pixels[pixels != 0], return_counts=True)
    assert np.array_equal(np.sort(labels), present)
    assert shapely.is_valid(geometries).all()
    assert np.array_equal(shapely.area(geometries)[np.argsort(labels)], areas)
    # What shapely writes is read again, as the same pixels.
    features = [
        {"type": "Feature", "geometry": json.loads(text), "properties": {"id": int(label)}}
        for label, text in zip(labels, shapely.to_geojson(geometries))
    ]
    (folder / "shapely.geojson").write_text(json.dumps(features))
    runmask("decode", folder / "shapely.geojson", "-o", back, "--like", mask, "--label-property", "id")
    assert np.array_equal(mask_of(back), pixels)


@pytest.mark.parametrize("name", ["discs", "gaps", "wide"])
def test_polygons_are_valid_and_have_the_areas_of_labels(masks, tmp_path, name):
    check(masks / f"{name}.tif", tmp_path)


def test_pieces_that_meet_in_corners_are_valid(tmp_path):
    random = np.random.default_rng(15)
    tifffile.imwrite(tmp_path / "noise.tif", random.integers(0, 4, (97, 83)).astype(np.uint8))
    check(tmp_path / "noise.tif", tmp_path)


def test_simplified_polygons_are_valid(masks, tmp_path):
    for tolerance in ["0.6", "1", "3", "20"]:
        file = tmp_path / "simple.geojson"
        runmask("encode", masks / "discs.tif", "-o", file, "--simplify", tolerance)
        assert shapely.is_valid(shapes(file)[1]).all(), tolerance


def test_the_nuclei_of_a_slide_are_valid(tmp_path):
    mask = DATA / "masks/hgsc_crop4096_u32_zlib.tif"
    if not mask.is_file():
        assert os.environ.get("RUNMASK_REQUIRE_DATA") != "1", f"RUNMASK_REQUIRE_DATA=1, but there is no file {mask}"
        pytest.skip(f"no test data: {mask}")
    check(mask, tmp_path)
    simple = tmp_path / "simple.geojson"
    runmask("encode", mask, "-o", simple, "--simplify", "1")
    assert shapely.is_valid(shapes(simple)[1]).all()
