#!/usr/bin/env python3
"""Masks to polygons and back, beside what Python users run today, in one run: medians, in milliseconds.

    python -m venv env && env/bin/pip install numpy==2.4.6 opencv-python-headless==5.0.0.93 rasterio==1.4.4 \\
        shapely==2.2.0 orjson==3.13.0 tifffile==2026.3.3 imagecodecs==2026.3.6
    cargo build --release -p runmask-cli && cargo bench --no-run --bench polygons
    env/bin/python benches/polygons.py --runmask target/release/runmask --bench target/release/deps/polygons-... MASK ...

MASK is an NPY or TIFF file. What is in memory is timed by the criterion benchmark of the library, on one thread; from file to
file whole processes of the program are. Every route is checked against the mask, and what it gets wrong is said.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time
import uuid

import cv2
import numpy as np
import rasterio.features
import shapely
import shapely.geometry
import tifffile


def timed(samples, function):
    """The median time of some calls, and the answer of the last one."""
    times = []
    for _ in range(samples):
        start = time.perf_counter()
        answer = function()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3, answer


def row(name, milliseconds, note=""):
    print(f"  {name:<52} {milliseconds:10.1f}  {note}", flush=True)


def contours(mask, boxes):
    """cv2.findContours of each label on its box: outer rings and holes, through centres of pixels."""
    found = []
    for label, (top, left, bottom, right) in boxes:
        part = (mask[top:bottom, left:right] == label).astype(np.uint8)
        rings, _ = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top))
        found.append((label, rings))
    return found


def boxes_of(mask):
    rows, columns = np.nonzero(mask)
    labels = mask[rows, columns].astype(np.int64)
    size = int(labels.max()) + 1
    low, high = np.full((size, 2), 1 << 40), np.zeros((size, 2), np.int64)
    for axis, place in enumerate((rows, columns)):
        np.minimum.at(low[:, axis], labels, place)
        np.maximum.at(high[:, axis], labels, place + 1)
    return [(label, (*low[label], *high[label])) for label in np.unique(labels).tolist()]


def joined(labels, shapes):
    parts = [f'{{"type":"Feature","id":"{uuid.UUID(int=label)}","geometry":{text},"properties":'
             f'{{"objectType":"detection","metadata":{{"label":"{label}"}}}}}}'
             for label, text in zip(labels, shapely.to_geojson(shapes).tolist())]
    return '{"type":"FeatureCollection","features":[' + ",".join(parts) + "]}"


def filled(polygons, shape):
    canvas = np.zeros(shape, np.int32)
    for label, geometry in polygons:
        cv2.fillPoly(canvas, [np.array(ring).astype(np.int32) for ring in geometry["coordinates"]], label)
    return canvas


def differing(found, mask):
    count = np.count_nonzero(found != mask)
    return "the same pixels" if count == 0 else f"{count} pixels differ, {count / np.count_nonzero(mask):.2%}"


def library(bench, path, folder):
    """Medians of the criterion benchmark, in milliseconds."""
    command = [bench, "--bench", "--noplot", "--warm-up-time", "0.5", "--measurement-time", "2"]
    environment = {**os.environ, "RUNMASK_BENCH_MASK": str(path), "CRITERION_HOME": str(folder / "criterion")}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    print("  " + next(line for line in done.stdout.splitlines() if line.startswith("file:")))
    return {file.parts[-3]: json.loads(file.read_text())["median"]["point_estimate"] / 1e6
            for file in sorted((folder / "criterion").glob("file/*/new/estimates.json"))}


def one(path, arguments, folder):
    load = np.load if path.suffix == ".npy" else tifffile.imread
    mask = load(path)
    print(f"{path.name}: {mask.shape[0]} x {mask.shape[1]} {mask.dtype}")
    image = mask.astype(np.int32)
    samples = arguments.samples
    geojson, again = folder / "mask.geojson", folder / "again.npy"

    print(" library, one thread")
    ours = library(arguments.bench, path, folder)
    for name, milliseconds in ours.items():
        row(name, milliseconds)

    print(" program, file to file")
    for threads in (1, 2):
        took, _ = timed(samples, lambda: subprocess.run(
            [arguments.runmask, "encode", path, "-o", geojson, "-j", str(threads)], check=True))
        row(f"encode mask to GeoJSON, -j {threads}", took, f"{geojson.stat().st_size / 1e6:.1f} MB")
        ours[f"file {threads}"] = took
    took, _ = timed(samples, lambda: subprocess.run(
        [arguments.runmask, "decode", geojson, "-o", again, "--like", path, "-j", "1"], check=True))
    row("decode GeoJSON to NPY, -j 1", took, differing(np.load(again), mask))

    print(" today")
    took, polygons = timed(samples, lambda: [
        (int(value), geometry) for geometry, value in rasterio.features.shapes(image, image > 0, connectivity=4)])
    row("rasterio.features.shapes", took, f"{len(polygons)} polygons; ours {took / ours['encode and trace']:.1f} x as fast")
    shapes_took = took
    labels = [label for label, _ in polygons]
    took, shapes = timed(samples, lambda: np.array([shapely.geometry.shape(geometry) for _, geometry in polygons]))
    row("to shapely", took, f"{np.count_nonzero(~shapely.is_valid(shapes))} invalid")
    shapely_took = took
    assert shapely.area(shapes).sum() == np.count_nonzero(mask)
    text = folder / "shapely.geojson"
    took, _ = timed(samples, lambda: text.write_text(joined(labels, shapes)))
    total = shapes_took + shapely_took + took
    row("shapely.to_geojson, joined and written", took, f"{text.stat().st_size / 1e6:.1f} MB")
    row("mask in memory to GeoJSON file, all three", total,
        f"ours, from the mask's file, {total / ours['file 1']:.1f} x (-j 1), {total / ours['file 2']:.1f} x (-j 2)")
    boxes = boxes_of(mask)
    took, found = timed(1, lambda: contours(mask, boxes))
    canvas = np.zeros(mask.shape, np.int32)
    for label, rings in found:
        cv2.fillPoly(canvas, rings, label)
    row("cv2.findContours, a label at a time", took, f"filled again: {differing(canvas, mask)}")

    took, pixels = timed(samples, lambda: rasterio.features.rasterize(
        ((geometry, label) for label, geometry in polygons), mask.shape, dtype=mask.dtype))
    row("rasterio.features.rasterize of polygons", took,
        f"{differing(pixels, mask)}; ours {took / ours['fill and decode']:.1f} x as fast")
    rasterize_took = took
    took, pixels = timed(samples, lambda: filled(polygons, mask.shape))
    row("cv2.fillPoly of each polygon", took, differing(pixels, mask))
    took, read = timed(samples, lambda: shapely.get_parts(shapely.from_geojson(text.read_text())))
    total = took + rasterize_took
    row("shapely.from_geojson, without properties", took, f"{len(read)} shapes")
    row("GeoJSON to a mask: from_geojson and rasterize", total,
        f"ours {total / ours['read geojson and decode']:.1f} x as fast")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runmask", required=True, type=pathlib.Path)
    parser.add_argument("--bench", required=True, type=pathlib.Path)
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("masks", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    for path in arguments.masks:
        with tempfile.TemporaryDirectory() as folder:
            one(path.resolve(), arguments, pathlib.Path(folder))


if __name__ == "__main__":
    main()
