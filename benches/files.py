#!/usr/bin/env python3
"""File to CSV: `runmask encode` beside what a Python user does today, and beside decompressing the file's distinct tiles.

    python -m venv .venv && .venv/bin/pip install tifffile imagecodecs numpy opencv-python-headless
    .venv/bin/python benches/files.py --runmask target/release/runmask MASK.tif [MASK.tif ...]

The route of today: tifffile reads the mask, cv2 transposes it, numpy finds the differences and sorts them by label, Python
writes the `glom,pixels` text. Its text and that of runmask must be equal. The floor: the compressed tiles that differ from
each other, already in memory, decompressed once by as many threads as the machine has. Medians of whole processes for
runmask, of calls for the others.
"""
import argparse
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import imagecodecs
import tifffile


def label_runs(flat):
    """The label, start and length of every run of labels in scan order, sorted by label; 0 has none."""
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], changes))
    lengths = np.diff(np.concatenate((starts, [flat.size])))
    labels = flat[starts]
    keep = labels != 0
    labels, starts, lengths = labels[keep].astype(np.int64), starts[keep], lengths[keep]
    order = np.argsort(labels, kind="stable")
    return labels[order], starts[order], lengths[order]


def today(path):
    mask = tifffile.imread(path)
    flat = cv2.transpose(mask).ravel() if mask.dtype != np.uint32 else np.ascontiguousarray(mask.T).ravel()
    labels, starts, lengths = label_runs(flat)
    edges = np.flatnonzero(np.diff(labels)) + 1
    rows = ["glom,pixels\n"]
    pairs = np.stack([starts, lengths], axis=1)
    row = 0
    for label, runs in zip(labels[np.concatenate(([0], edges))] if labels.size else [], np.split(pairs, edges)):
        while row < label - 1:
            rows.append(f"{row},\n")
            row += 1
        rows.append(f"{row},{' '.join(map(str, runs.ravel().tolist()))}\n")
        row += 1
    return "".join(rows)


def distinct_tiles(path):
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if page.compression not in (8, 32946):
            return None
        handle = file.filehandle
        found = {}
        for offset, count in zip(page.dataoffsets, page.databytecounts):
            if count:
                handle.seek(offset)
                data = handle.read(count)
                found[hash(data)] = data
        return list(found.values())


def seconds(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("masks", nargs="+")
    parser.add_argument("--runmask", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    pool = ThreadPoolExecutor(os.cpu_count())
    print("| mask | runmask | today | times faster | distinct tiles | runmask, of their decompression |")
    print("|---|---|---|---|---|---|")
    for mask in arguments.masks:
        tiles = distinct_tiles(mask)
        ours, theirs, floor = [], [], []
        with tempfile.TemporaryDirectory() as folder:
            csv = os.path.join(folder, "runs.csv")
            for _ in range(arguments.repeats):
                ours.append(seconds(lambda: subprocess.run([arguments.runmask, "encode", mask, "-o", csv], check=True))[0])
                if tiles:
                    floor.append(seconds(lambda: sum(pool.map(lambda tile: len(imagecodecs.deflate_decode(tile)), tiles)))[0])
            with open(csv) as file:
                expected = file.read()
            # By itself: it takes memory several times the mask's, and what comes right after pays for that too.
            for _ in range(arguments.repeats):
                took, text = seconds(lambda: today(mask))
                theirs.append(took)
                assert text == expected, f"{mask}: the two texts differ"
        middle = lambda values: sorted(values)[len(values) // 2]
        print(
            f"| {os.path.basename(mask)} | {middle(ours):.3f} s | {middle(theirs):.3f} s | {middle(theirs) / middle(ours):.1f} | "
            + (f"{len(tiles)}: {middle(floor):.3f} s | {middle(ours) / middle(floor):.2f} |" if tiles else "| |")
        )


if __name__ == "__main__":
    main()
