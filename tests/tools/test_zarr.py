"""Zarr stores of zarr-python and ome-zarr as masks; what runmask writes, read by both and validated by ome-zarr-models."""

import json
import zipfile
from pathlib import Path

import numpy as np
import ome_zarr.format
import ome_zarr.io
import ome_zarr.reader
import ome_zarr.writer
import ome_zarr_models.v04
import ome_zarr_models.v05
import pytest
import zarr
import zarr_stores
from conftest import discs, runmask

SHAPE = (1500, 2300)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return folder, zarr_stores.write_all(folder)


def equal(store: Path, options: list[str], pixels: np.ndarray, folder: Path) -> None:
    np.save(folder / "expected.npy", np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("=")))
    runmask("encode", store, "-o", folder / "runs.json", *options)
    runmask("verify", folder / "runs.json", folder / "expected.npy")


def test_stores_are_masks(stores, tmp_path):
    folder, made = stores
    for name, (options, pixels) in made.items():
        equal(folder / name, options, pixels, tmp_path)
        for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            zarr_stores.zip_store(folder / name, tmp_path / "store.zip", compression)
            equal(tmp_path / "store.zip", options, pixels, tmp_path)


def levels_of(group: zarr.Group) -> tuple[dict, list[np.ndarray]]:
    attributes = dict(group.attrs)
    attributes = attributes.get("ome", attributes)
    (multiscale,) = attributes["multiscales"]
    return attributes, [group[dataset["path"]][...] for dataset in multiscale["datasets"]]


def validated(store: Path, kind: str) -> object:
    """The attributes of a group that keeps to the specification; `kind` is ImageLabel or Labels."""
    group = zarr.open_group(store, mode="r")
    if group.metadata.zarr_format == 2:
        return getattr(ome_zarr_models.v04, kind).from_zarr(group).attributes
    return getattr(ome_zarr_models.v05, kind).from_zarr(group).attributes.ome


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    mask = discs(*SHAPE, [*range(1, 200)], 3, np.uint16)
    # A chunk of one label, and labels beyond a byte.
    mask[1024:1500, 0:1024] = 300
    np.save(folder / "mask.npy", mask)
    runmask("encode", folder / "mask.npy", "-o", folder / "runs.json")
    return folder / "runs.json", mask


@pytest.mark.parametrize("options", [[], ["--ome", "0.4"], ["--shards"]], ids=["0.5", "0.4", "shards"])
def test_a_new_store(runs, tmp_path, options):
    runs, mask = runs
    store = tmp_path / "slide.zarr"
    runmask("decode", runs, "-o", store, "--pixel-size", "0.25", *options)
    group = zarr.open_group(store, mode="r")
    assert group.metadata.zarr_format == (2 if "0.4" in options else 3)
    attributes, levels = levels_of(group)
    assert [level.shape for level in levels] == [SHAPE, (750, 1150), (375, 575)]
    for number, level in enumerate(levels):
        assert level.dtype == np.uint16
        assert np.array_equal(level, mask[:: 2**number, :: 2**number])
    (multiscale,) = attributes["multiscales"]
    scales = [dataset["coordinateTransformations"][0]["scale"] for dataset in multiscale["datasets"]]
    assert scales == [[0.25, 0.25], [0.5, 0.5], [1.0, 1.0]]
    assert [axis["unit"] for axis in multiscale["axes"]] == ["micrometer"] * 2
    colors = attributes["image-label"]["colors"]
    assert [color["label-value"] for color in colors] == [int(label) for label in np.unique(mask) if label]
    assert validated(store, "ImageLabel").image_label is not None
    # ome-zarr finds the label and its levels.
    location = ome_zarr.io.parse_url(store, mode="r")
    (node,) = list(ome_zarr.reader.Reader(location)())
    assert [level.shape for level in node.data] == [level.shape for level in levels]
    assert np.array_equal(np.asarray(node.data[0]), mask)
    # And runmask.
    runmask("verify", store, runs)
    assert runmask("measure", store, "--properties", "area").stdout.startswith("label,area_um2\n")


def test_background_is_left_out(tmp_path):
    mask = np.zeros((3000, 3000), np.uint8)
    mask[1500, 1500] = 1
    np.save(tmp_path / "mask.npy", mask)
    runmask("encode", tmp_path / "mask.npy", "-o", tmp_path / "runs.json")
    runmask("decode", tmp_path / "runs.json", "-o", tmp_path / "a.zarr")
    chunks = sorted(str(path.relative_to(tmp_path / "a.zarr/0/c")) for path in (tmp_path / "a.zarr/0/c").rglob("*") if path.is_file())
    assert chunks == ["1/1"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_label_of_an_image(runs, tmp_path, version):
    runs, mask = runs
    store = tmp_path / "image.zarr"
    form = ome_zarr.format.FormatV04() if version == "0.4" else ome_zarr.format.FormatV05()
    root = zarr.open_group(store, mode="w", zarr_format=2 if version == "0.4" else 3)
    image = np.random.default_rng(0).random((2, *SHAPE), np.float32)
    scales = [[{"type": "scale", "scale": [1, 0.5 * 2**level, 0.5 * 2**level]}] for level in range(2)]
    ome_zarr.writer.write_multiscale(
        [image, image[:, ::2, ::2]], root, axes="cyx", fmt=form, coordinate_transformations=scales
    )
    ome_zarr.writer.write_labels(mask[None] % 7, root, "first", axes="cyx", fmt=form, scale_factors=[2])
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file() and "labels" not in path.parts}
    runmask("decode", runs, "-o", store / "labels" / "cells")
    assert before == {path: path.read_bytes() for path in before}
    labels = dict(zarr.open_group(store / "labels", mode="r").attrs)
    assert labels.get("ome", labels)["labels"] == ["first", "cells"]
    attributes, levels = levels_of(zarr.open_group(store / "labels" / "cells", mode="r"))
    assert attributes["image-label"]["source"] == {"image": "../../"}
    assert [level.shape for level in levels] == [(1, *SHAPE), (1, 750, 1150)]
    assert np.array_equal(levels[0][0], mask) and np.array_equal(levels[1][0], mask[::2, ::2])
    assert attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] == [1, 0.5, 0.5]
    assert validated(store / "labels" / "cells", "ImageLabel").image_label is not None
    assert validated(store / "labels", "Labels").labels == ["first", "cells"]
    # ome-zarr finds it from the image.
    nodes = list(ome_zarr.reader.Reader(ome_zarr.io.parse_url(store, mode="r"))())
    assert any("cells" in str(node.zarr) for node in nodes)
    runmask("verify", store, runs, "--label", "cells")
    # Once only, unless that is wanted; of the image's sides; nothing is left of what fails.
    names = sorted(path.name for path in (store / "labels").iterdir())
    done = runmask("decode", runs, "-o", store / "labels" / "cells", check=False)
    assert done.returncode == 2 and "--overwrite replaces it" in done.stderr
    runmask("decode", runs, "-o", store / "labels" / "cells", "--overwrite")
    np.save(tmp_path / "small.npy", mask[:100])
    runmask("encode", tmp_path / "small.npy", "-o", tmp_path / "small.json")
    done = runmask("decode", tmp_path / "small.json", "-o", store / "labels" / "small", check=False)
    assert done.returncode == 2 and "a label has the sides of its image, 2 x 1500 x 2300" in done.stderr
    done = runmask("decode", runs, "-o", store, check=False)
    assert done.returncode == 2 and "a label goes to labels/NAME" in done.stderr
    assert sorted(path.name for path in (store / "labels").iterdir()) == names
    assert not [path for path in store.iterdir() if path.name.startswith(".runmask")]


def test_nothing_else_is_replaced(runs, tmp_path):
    runs, _ = runs
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "folder.zarr" / "note").write_text("mine")
    done = runmask("decode", runs, "-o", tmp_path / "folder.zarr", "--overwrite", check=False)
    assert done.returncode == 2 and "something is there that is no Zarr label" in done.stderr
    done = runmask("decode", runs, "-o", tmp_path / "none.zarr/labels/cells", check=False)
    assert done.returncode == 2 and "no Zarr group is there" in done.stderr
    assert json.loads(json.dumps(sorted(path.name for path in tmp_path.iterdir()))) == ["folder.zarr"]
