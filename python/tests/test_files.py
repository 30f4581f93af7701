"""Mask files and run files."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import runmask
import tifffile
from conftest import as_dict, runs_by_pixels

MASK = (np.arange(60 * 41, dtype=np.uint16).reshape(60, 41) // 11) % 9


@pytest.fixture(params=["tif", "npy", "raw", "png"])
def file(request, tmp_path):
    """A mask file, and how it is opened."""
    path = tmp_path / f"mask.{request.param}"
    if request.param == "tif":
        tifffile.imwrite(path, MASK, tile=(16, 16), compression="zlib")
    elif request.param == "npy":
        np.save(path, MASK)
    elif request.param == "png":
        runmask.encode(MASK).decode_to(path, "uint16")
    else:
        MASK.astype("<u2").tofile(path)
    return path, ({"dtype": "uint16", "shape": MASK.shape} if request.param == "raw" else {})


def test_mask_files(file):
    path, options = file
    mask = runmask.open(path, **options)
    assert (mask.path, mask.shape, mask.dtype) == (path, MASK.shape, np.uint16)
    assert repr(mask).endswith(f'{path.name}", shape=(60, 41), dtype=uint16)')
    assert np.array_equal(mask.read(), MASK)
    for order in "FC":
        assert as_dict(mask.encode(order=order)) == runs_by_pixels(MASK, order=order)
    assert mask.encode(background=None, threads=1) == runmask.encode(MASK, background=None)


def test_pages_and_levels(tmp_path):
    path = tmp_path / "pages.tif"
    tifffile.imwrite(path, np.stack([MASK, MASK[::-1]]), photometric="minisblack")
    assert runmask.open(str(path), 1).encode() == runmask.encode(MASK[::-1])
    with pytest.raises(ValueError, match="page 2"):
        runmask.open(path, 2)
    pyramid = tmp_path / "pyramid.tif"
    large = np.kron(MASK, np.ones((20, 20), np.uint16))
    runmask.encode(large).decode_to(pyramid, "uint16", pyramid=True, compression="zstd")
    assert np.array_equal(runmask.open(pyramid, level=1).read(), large[::2, ::2])


def test_rows_of_a_wide_mask_take_as_much_memory_as_allowed(tmp_path):
    wide = runmask.Runs([3], [0, 1], [[7, 2]], shape=(2, 1 << 20))
    path = tmp_path / "wide.npy"
    with pytest.raises(MemoryError, match="memory= allows more"):
        wide.decode_to(path, "uint64", memory=1 << 20)
    assert not path.exists()
    wide.decode_to(path, "uint64", memory=1 << 26)
    assert np.array_equal(np.load(path), wide.decode("uint64"))


def test_stores(tmp_path):
    path = tmp_path / "mask.zarr"
    runmask.encode(MASK).decode_to(path, "uint16")
    assert np.array_equal(runmask.open(path).read(), MASK)
    assert runmask.open(path).encode() == runmask.encode(MASK)
    with pytest.raises(ValueError, match="nuclei"):
        runmask.open(path, label="nuclei")
    with pytest.raises(ValueError, match="q"):
        runmask.open(path, index={"q": 1})


def test_pixel_size(tmp_path):
    path = tmp_path / "mask.ome.tif"
    size = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "\u00b5m", "PhysicalSizeY": 500, "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(path, MASK, metadata={"axes": "YX", **size})
    mask, runs = runmask.open(path), runmask.encode(MASK)
    assert mask.pixel_size == (0.5, 0.25)
    for given, expected in [({}, mask.pixel_size), ({"pixel_size": None}, None), ({"pixel_size": 2}, 2), ({"pixel_size": (1, 3)}, (1, 3))]:
        found = mask.measure(("label", "area", "feret_diameter_max"), **given)
        wanted = runs.measure(("label", "area", "feret_diameter_max"), pixel_size=expected)
        assert list(found) == list(wanted)
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    assert list(mask.measure()) == list(runs.measure(pixel_size=1))
    assert len(mask.measure(["label"], background=None)["label"]) == len(np.unique(MASK))
    for wrong, words in [("slide", "'file' or micrometres"), (-1, "greater than 0"), ([1, 2, 3], "number")]:
        with pytest.raises((TypeError, ValueError), match=words):
            mask.measure(pixel_size=wrong)
    np.save(tmp_path / "mask.npy", MASK)
    plain = runmask.open(tmp_path / "mask.npy")
    assert plain.pixel_size is None
    assert list(plain.measure(("label", "area"))) == ["label", "area"]


def test_progress(file):
    path, options = file
    seen = []
    runmask.open(path, **options).encode(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (MASK.nbytes, MASK.nbytes)

    def stop(done, total):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        runmask.open(path, **options).encode(progress=stop)


@pytest.mark.parametrize("format", ["hubmap", "table", "coco", "sam", "cvat", "labelstudio", "oid", "kaggle", "siim"])
def test_run_files(format, tmp_path):
    mask = MASK[:, :20]
    runs = runmask.encode(mask)
    path = tmp_path / "runs"
    runs.write(path, format)
    assert runmask.read(path, format, shape=mask.shape).decode().tolist() == mask.tolist()
    found = runmask.doctor(path, shape=mask.shape)
    assert found["format"] == format
    assert found["evidence"] and found["objects"] == len(runs)
    # And once through another format.
    runmask.convert(path, tmp_path / "table.csv", "table", from_format=format, shape=mask.shape, drop_shape=True,
                    drop_attributes=True)
    assert runmask.read(tmp_path / "table.csv", "table", shape=mask.shape) == runs


def test_formats_by_extension(tmp_path):
    runs = runmask.encode(MASK)
    for name in ("runs.csv", "runs.json"):
        runs.write(str(tmp_path / name))
        assert runmask.read(tmp_path / name, shape=MASK.shape) == runs
    with pytest.raises(ValueError, match=r"runs\.txt.*format="):
        runs.write(tmp_path / "runs.txt")
    with pytest.raises(ValueError, match="`pickle` is not the name of a format"):
        runs.write(tmp_path / "runs.csv", "pickle")


def test_options_of_writers(tmp_path):
    runs = runmask.encode(MASK)
    path = tmp_path / "runs.json"
    runs.write(path, categories={3: "nucleus"}, category_of={1: 3}, counts="numbers", image="slide 7")
    text = path.read_text()
    assert "nucleus" in text and '"counts":[' in text
    path = tmp_path / "runs.csv"
    runs.write(path, "kaggle", union=True, base=0, header="ImageId,EncodedPixels", line_ending="crlf", image="slide 7")
    header, row = path.read_bytes().decode().strip().split("\r\n")
    assert header == "ImageId,EncodedPixels"
    assert row == "slide 7," + runmask.mask2rle(MASK, base=0)
    assert list(runmask.read_images(path, "kaggle")) == ["slide 7"]
    for options, error, words in [
        ({"unions": True}, TypeError, "no option \"unions\""),
        ({"line_ending": "cr"}, ValueError, "cr"),
        ({"categories": {1: "a"}}, ValueError, "categor"),
    ]:
        with pytest.raises(error, match=words):
            runs.write(path, "kaggle", **options)


def test_what_a_format_cannot_hold_says_what_helps(tmp_path):
    source, target = tmp_path / "runs.json", tmp_path / "runs.csv"
    runmask.encode(MASK).write(source)
    target.write_text("before")
    with pytest.raises(ValueError, match="drop_attributes=True"):
        runmask.encode(MASK).write(source, category_of={1: 3})
        runmask.convert(source, target, "table")
    assert target.read_text() == "before"
    with pytest.raises(ValueError, match="renumber=True"):
        runmask.encode(MASK * 2).write(tmp_path / "runs.xml")


def test_damaged_files(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("label,start,length\n1,0,5\n1,x,5\n")
    with pytest.raises(runmask.FormatError) as caught:
        runmask.read(path, "table")
    error = caught.value
    assert isinstance(error, ValueError)
    assert (error.file, error.place) == (str(path), "line 3, column 3")
    assert error.expected and error.found == '"x,5"'
    assert str(error).startswith(f"{path}: line 3, column 3: expected ")
    image = tmp_path / "mask.tif"
    tifffile.imwrite(image, MASK)
    image.write_bytes(image.read_bytes()[:-1000])
    with pytest.raises(runmask.FormatError, match=r"mask\.tif"):
        runmask.open(image).encode()


def test_files_that_are_not_there(tmp_path):
    missing = tmp_path / "missing.csv"
    runs = runmask.encode(MASK)
    calls = [
        (lambda: runmask.open(missing), FileNotFoundError, missing),
        (lambda: runmask.read(missing), FileNotFoundError, missing),
        (lambda: runmask.doctor(missing), FileNotFoundError, missing),
        (lambda: runmask.convert(missing, tmp_path / "a.csv"), FileNotFoundError, missing),
        (lambda: runs.write(missing / "runs.csv"), FileNotFoundError, missing / "runs.csv"),
        (lambda: runs.write(tmp_path, "table"), IsADirectoryError, tmp_path),
        (lambda: runs.decode_to(missing / "mask.tif"), FileNotFoundError, missing / "mask.tif"),
        (lambda: runmask.open(tmp_path), IsADirectoryError, tmp_path),
    ]
    for call, error, path in calls:
        with pytest.raises(error) as caught:
            call()
        assert pathlib.Path(caught.value.filename) == path
        assert caught.value.strerror == os.strerror(caught.value.errno)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="there are no such signals here")
def test_ctrl_c_ends_long_work(tmp_path):
    code = """
import signal, sys, threading, time
import numpy as np, runmask
signal.signal(signal.SIGINT, signal.default_int_handler)
np.save("mask.npy", np.zeros((1, 1), "u1"))
with open("mask.npy", "wb") as file:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (1 << 18, 1 << 18)})
    file.truncate(file.tell() + (1 << 36))
work = {
    "file": lambda: runmask.open("mask.npy").encode(),
    "memory": lambda: runmask.encode(np.broadcast_to(np.arange(1 << 14, dtype="u2"), (1 << 24, 1 << 14))),
    "decode": lambda: runmask.Runs([1], [0, 1], [[5, 1]], shape=(1 << 22, 1 << 14)).decode_to("out.npy"),
}[sys.argv[1]]
def press():
    time.sleep(0.3)
    started.append(time.monotonic())
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
started = []
threading.Thread(target=press, daemon=True).start()
try:
    work()
    print("done before the signal" if not started else "not interrupted")
except KeyboardInterrupt:
    print(time.monotonic() - started[0])
"""
    for what in ("file", "memory", "decode"):
        done = subprocess.run(
            [sys.executable, "-c", code, what], capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        # 0.2 s is the promise, on a machine that has nothing else to do.
        assert float(done.stdout) < 0.5, what
        assert sorted(os.listdir(tmp_path)) == ["mask.npy"]
