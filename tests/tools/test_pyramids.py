"""Masks and pyramids in tifffile, GDAL and OpenSlide: every level is seen, and its pixels are labels of the mask."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import discs, runmask
from PIL import Image

# Sides that are halved exactly, and sides that are not.
EVEN, ODD = (1504, 2304), (1501, 2301)


@pytest.fixture(
    scope="module",
    params=[(np.uint8, EVEN), (np.uint16, EVEN), (np.uint8, ODD)],
    ids=["u8", "u16", "u8-odd"],
)
def mask(request) -> np.ndarray:
    dtype, shape = request.param
    # Labels of which the upper byte tells most apart.
    return discs(*shape, [(300 if dtype == np.uint16 else 1) * label for label in range(1, 200)], 3, dtype)


@pytest.fixture
def pyramid(request, mask, tmp_path) -> Path:
    """The mask through runs and back, as a pyramid whose tiles are compressed as the test asks for."""
    source, runs, output = tmp_path / "mask.npy", tmp_path / "runs.csv", tmp_path / "pyramid.tif"
    np.save(source, mask)
    runmask("encode", source, "-o", runs)
    dtype = {"uint8": "u8", "uint16": "u16"}[mask.dtype.name]
    compression = ["--compression", request.param]
    runmask("decode", runs, "-o", output, "--like", source, "--dtype", dtype, "--pyramid", *compression)
    return output


def levels(mask: np.ndarray) -> list[np.ndarray]:
    """A level has every second row and column of the one before, as long as a side is longer than a tile."""
    found = [mask]
    while max(found[-1].shape) > 512:
        found.append(found[-1][::2, ::2])
    return found


@pytest.mark.parametrize("pyramid", ["deflate", "zstd"], indirect=True)
def test_tifffile(pyramid, mask):
    with tifffile.TiffFile(pyramid) as file:
        (series,) = file.series
        found = [level.asarray() for level in series.levels]
    expected = levels(mask)
    assert [level.shape for level in found] == [level.shape for level in expected]
    for level, wanted in zip(found, expected):
        assert level.dtype == mask.dtype
        assert np.array_equal(level, wanted)


def run(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("pyramid", ["deflate", "zstd"], indirect=True)
def test_gdal(pyramid, mask, tmp_path):
    expected = levels(mask)
    (band,) = json.loads(run("gdalinfo", "-json", pyramid))["bands"]
    sizes = [mask.shape[::-1], *(tuple(overview["size"]) for overview in band["overviews"])]
    assert sizes == [level.shape[::-1] for level in expected]
    for number, wanted in enumerate(expected):
        raw = tmp_path / "level.raw"
        of_level = [] if number == 0 else ["-ovr", number - 1]
        run("gdal_translate", "-q", "-of", "ENVI", *of_level, pyramid, raw)
        assert np.array_equal(np.fromfile(raw, mask.dtype).reshape(wanted.shape), wanted)


# Debian's OpenSlide has no Zstandard.
@pytest.mark.parametrize("pyramid", ["deflate"], indirect=True)
def test_openslide(pyramid, mask, tmp_path):
    expected = levels(mask)
    properties = dict(re.findall(r"^(openslide\.[^:]*): '(.*)'$", run("openslide-show-properties", pyramid), re.M))
    assert int(properties["openslide.level-count"]) == len(expected)
    for number, wanted in enumerate(expected):
        sides = (properties[f"openslide.level[{number}].{side}"] for side in ("height", "width"))
        assert tuple(map(int, sides)) == wanted.shape
        if mask.shape == ODD and number > 0:
            # openslide-write-png asks for rows of the full size, between which it interpolates unless they are halved
            # exactly.
            continue
        picture = tmp_path / f"{number}.png"
        run("openslide-write-png", pyramid, 0, 0, number, wanted.shape[1], wanted.shape[0], picture)
        grey = np.asarray(Image.open(picture).convert("RGB"))[:, :, 0]
        # OpenSlide shows 8 bits: of 16 those on top.
        assert np.array_equal(grey, wanted if mask.dtype == np.uint8 else wanted >> 8)


@pytest.mark.parametrize("extension", ["tif", "png", "npy"])
def test_plain_masks(mask, tmp_path, extension):
    source, runs, output = tmp_path / "mask.npy", tmp_path / "runs.csv", tmp_path / f"back.{extension}"
    np.save(source, mask)
    runmask("encode", source, "-o", runs)
    runmask("decode", runs, "-o", output, "--like", source)
    if extension == "tif":
        back = tifffile.imread(output)
    elif extension == "png":
        back = np.asarray(Image.open(output))
    else:
        back = np.load(output)
    assert np.array_equal(back, mask)
