#!/usr/bin/env python3
"""COCO text of every object of a mask: `runmask encode` beside pycocotools' `encode`; the texts must be equal.

    python -m venv .venv && .venv/bin/pip install numpy tifffile imagecodecs pycocotools==2.0.11
    .venv/bin/python benches/coco_peers.py --runmask target/release/runmask MASK.tif

pycocotools takes a binary plane for each object. Only its calls are timed, the planes are made beforehand: whole planes, as
its files need, of every so many-th object, times how many there are; and crops to the object's box, whose text is another
one. runmask's time is that of the whole process on one thread: it reads the mask and writes the file. What the text alone
takes is "compressed counts, slide" of `cargo bench --bench format`. Every text of runmask must be the one that pycocotools
makes of the object's counts, and that of the planes that it encodes.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time

import numpy as np
import tifffile
from pycocotools import mask as coco


def objects(mask):
    """Label, starts and lengths of every object's column-major runs."""
    flat = np.ascontiguousarray(mask.T).ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    lengths = np.diff(np.concatenate((starts, [flat.size])))
    labels = flat[starts]
    order = np.argsort(labels, kind="stable")
    order = order[np.searchsorted(labels[order], 1):]
    edges = np.flatnonzero(np.diff(labels[order])) + 1
    for part in np.split(order, edges):
        yield labels[part[0]], starts[part], lengths[part]


def counts(starts, lengths, pixels):
    ends = starts + lengths
    gaps = np.diff(np.concatenate(([0], np.column_stack((starts, ends)).ravel(), [pixels])))
    return (gaps[:-1] if gaps[-1] == 0 else gaps).tolist()


def encode(plane):
    start = time.perf_counter()
    rle = coco.encode(plane)
    return time.perf_counter() - start, rle["counts"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mask")
    parser.add_argument("--runmask", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--planes", type=int, default=500, help="whole planes to encode at most")
    arguments = parser.parse_args()
    took = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "results.json")
        for _ in range(arguments.repeats):
            start = time.perf_counter()
            subprocess.run(
                [arguments.runmask, "encode", arguments.mask, "-o", path, "--coco-form", "results", "-j", "1"],
                check=True,
            )
            took.append(time.perf_counter() - start)
        with open(path) as file:
            texts = [record["segmentation"]["counts"].encode() for record in json.load(file)]
    mask = tifffile.imread(arguments.mask)
    height, width = mask.shape
    all_objects = list(objects(mask))
    assert len(all_objects) == len(texts)
    every = -(-len(texts) // arguments.planes)
    plane = np.zeros((height, width), np.uint8, order="F")
    flat = plane.reshape(-1, order="F")
    assert np.shares_memory(plane, flat)
    planes, crops = [], []
    for index, (text, (label, starts, lengths)) in enumerate(zip(texts, all_objects)):
        numbers = {"size": [height, width], "counts": counts(starts, lengths, mask.size)}
        assert coco.frPyObjects(numbers, height, width)["counts"] == text, f"label {label}: the texts differ"
        left, right = starts[0] // height, (starts[-1] + lengths[-1] - 1) // height + 1
        rows = np.flatnonzero((mask[:, left:right] == label).any(axis=1))
        top, bottom = rows[0], rows[-1] + 1
        crops.append(encode(np.asfortranarray(mask[top:bottom, left:right] == label, np.uint8))[0])
        if index % every == 0:
            for start, length in zip(starts, lengths):
                flat[start:start + length] = 1
            seconds, encoded = encode(plane)
            assert encoded == text, f"label {label}: the texts differ"
            planes.append(seconds)
            for start, length in zip(starts, lengths):
                flat[start:start + length] = 0
    ours = sorted(took)[len(took) // 2]
    size = sum(map(len, texts))
    whole = sum(planes) / len(planes) * len(texts)
    print(f"{len(texts)} objects, {size} bytes of text, all equal ({len(planes)} of them from whole planes)")
    print(f"runmask encode, from file to file: {ours:.3f} s")
    print(f"pycocotools, whole planes: {whole:.1f} s ({len(planes)} planes measured), {whole / ours:.0f} times that")
    print(f"pycocotools, crops: {sum(crops):.3f} s, {size / sum(crops) / 1e6:.1f} MB/s of the whole planes' text")


if __name__ == "__main__":
    main()
