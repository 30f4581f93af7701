#!/usr/bin/env python3
"""The Python package beside the Rust encoder and beside other packages of COCO masks. Answers are compared before times are.

    .ci/python --install
    target/tools/bin/python -m pip install hotcoco==1.3.0 faster-coco-eval==1.8.0 RLEMaskLib==0.8.1    # or some of them
    target/tools/bin/python -m pip install connected-components-3d==4.1.1 fastremap==1.21.0 opencv-python-headless==5.0.0.93
    target/tools/bin/python benches/python.py --runmask target/release/runmask

Times are medians, in milliseconds, of samples taken in turn. `--only coco` runs some of the parts: encode, operations,
import, pickle, coco.
"""

import argparse
import importlib
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Threads of OpenMP in other packages would spin for a while after their work, on the processors of whoever comes next.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import runmask
from runmask import coco


def medians(samples, **work):
    """The median time of each, in milliseconds; in turn, so that what disturbs one disturbs all."""
    times = {name: [] for name in work}
    for _ in range(samples):
        for name, call in work.items():
            started = time.perf_counter()
            result = call()
            times[name].append(1e3 * (time.perf_counter() - started))
            del result
    return {name: statistics.median(of_name) for name, of_name in times.items()}


def row(what, times, floor=None):
    cells = "  ".join(f"{name} {value:.2f}" for name, value in times.items())
    print(f"{what:36} {cells}" + (f"  ({floor})" if floor else ""), flush=True)


def encode(arguments):
    """runmask.encode beside the Rust encoder on the same mask, whole and as a crop of a larger array."""
    masks = {
        "sparse 20000 x 15000 u16": "glomeruli --height 20000 --width 15000 --labels 200 --dtype u16",
        "cells 8000 x 8000 u32": "cells --height 8000 --width 8000 --dtype u32",
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, synth in masks.items():
            path = Path(folder) / "mask.npy"
            subprocess.run([arguments.runmask, "synth", *synth.split(), "-o", path], check=True)
            mask = np.load(path)
            larger = np.zeros((mask.shape[0] + 20, mask.shape[1] + 30), mask.dtype)
            crop = larger[5:-15, 10:-20]
            crop[...] = mask
            runs = runmask.encode(mask)
            assert runs == runmask.encode(crop) == runmask.open(path).encode()
            assert np.array_equal(runs.decode(mask.dtype), mask)
            bench = [arguments.runmask, "bench", path, "--json", "--engine", "simd"]
            rust = json.loads(subprocess.run(bench, check=True, capture_output=True).stdout)
            fresh = 1e3 * rust["encode_fresh_s"]
            times = medians(
                arguments.samples,
                whole=lambda: runmask.encode(mask),
                crop=lambda: runmask.encode(crop),
                fortran=lambda fortran=np.asfortranarray(mask): runmask.encode(fortran),
                decode=lambda: runs.decode(mask.dtype),
            )
            row(f"encode {name}", times, f"Rust {fresh:.2f}, limit {1.05 * fresh + 1:.2f}")
            del mask, larger, crop, runs


def operations(arguments):
    """Operations on arrays beside what other packages offer for the same answer, on one thread each where they have threads."""
    import cc3d
    import cv2
    import fastremap

    cv2.setNumThreads(1)
    masks = {
        "cells": "cells --height 8000 --width 8000 --dtype u32 --labels 128000",
        "sparse": "glomeruli --height 20000 --width 15000 --labels 200 --dtype u16",
    }

    def fastremap_large(mask, in_place=False):
        labels, areas = fastremap.unique(mask, return_counts=True)
        return fastremap.mask(mask, labels[areas < 50], in_place=in_place)

    def numpy_overlaps(one, other):
        both = (one != 0) & (other != 0)
        joint, pixels = np.unique(one[both].astype(np.uint64) << np.uint64(32) | other[both], return_counts=True)
        return np.stack([joint >> np.uint64(32), joint & np.uint64(0xFFFF_FFFF), pixels.astype(np.uint64)], axis=1)

    with tempfile.TemporaryDirectory() as folder:
        for name, synth in masks.items():
            path = Path(folder) / "mask.npy"
            subprocess.run([arguments.runmask, "synth", *synth.split(), "-o", path], check=True)
            mask = np.load(path)
            other, binary = np.roll(mask, (3, 5), (0, 1)), (mask != 0).view(np.uint8)
            assert np.array_equal(runmask.remove_small(mask, 50), fastremap_large(mask))
            # Labels that are gone after the first time are looked for as long as those that are there.
            kept, theirs_kept = mask.copy(), mask.copy()
            assert np.array_equal(runmask.overlaps(mask, other), numpy_overlaps(mask, other))
            pieces = runmask.components(binary)
            assert len(pieces) == cv2.connectedComponents(binary, connectivity=8)[0] - 1
            table, theirs = runmask.measure(mask), cc3d.statistics(mask)
            assert np.array_equal(table["area"], theirs["voxel_counts"][table["label"]])
            of_what = {
                "measure": dict(
                    runmask=lambda: runmask.measure(mask, threads=1),
                    by_runs=lambda: runmask.encode(mask, threads=1).measure(threads=1),
                    by_runs_of_rows=lambda: runmask.encode(mask, order="C", threads=1).measure(threads=1),
                    cc3d=lambda: cc3d.statistics(mask),
                ),
                "components of a binary mask": dict(
                    runmask=lambda: runmask.components(binary, threads=1),
                    of_rows=lambda: runmask.components(binary, order="C", threads=1),
                    by_runs=lambda: runmask.encode(binary, threads=1).components(threads=1),
                    cv2=lambda: cv2.connectedComponents(binary, connectivity=8),
                    cc3d=lambda: cc3d.connected_components(binary, connectivity=8),
                ),
                "overlaps, all threads": dict(
                    runmask=lambda: runmask.overlaps(mask, other),
                    by_runs=lambda: runmask.overlaps(runmask.encode(mask), runmask.encode(other)),
                    numpy=lambda: numpy_overlaps(mask, other),
                ),
                "small labels removed": dict(
                    runmask=lambda: runmask.remove_small(mask, 50, threads=1),
                    fastremap=lambda: fastremap_large(mask),
                    in_place=lambda: runmask.remove_small(kept, 50, out=kept, threads=1),
                    fastremap_in_place=lambda: fastremap_large(theirs_kept, in_place=True),
                ),
            }
            for what, work in of_what.items():
                row(f"{name}: {what}", medians(arguments.samples, **work))


def import_(arguments):
    """What the import takes beyond numpy's."""
    code = "import numpy, time; start = time.perf_counter(); import runmask; print(1e3 * (time.perf_counter() - start))"
    call = lambda: float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
    row("import", {"beyond numpy's": statistics.median(call() for _ in range(arguments.samples))}, "limit 60")


def pickle_(arguments):
    """100 MB of runs beside the arrays that they consist of."""
    count = 6_000_000
    runs = runmask.Runs(
        np.arange(1, 1001, dtype=np.uint64),
        np.linspace(0, count, 1001).astype(np.int64),
        np.stack([np.arange(count, dtype=np.uint64) * 9, np.full(count, 4, np.uint64)], axis=1),
        shape=(9 * count, 1),
    )
    arrays = runs.labels.copy(), runs.offsets.copy(), runs.runs.copy()
    dumped, of_arrays = pickle.dumps(runs, 5), pickle.dumps(arrays, 5)
    times = medians(
        arguments.samples,
        dumps=lambda: pickle.dumps(runs, 5),
        dumps_arrays=lambda: pickle.dumps(arrays, 5),
        loads=lambda: pickle.loads(dumped),
        loads_arrays=lambda: pickle.loads(of_arrays),
        views=lambda: (runs.labels, runs.offsets, runs.runs),
    )
    row(f"pickle {len(dumped) >> 20} MiB", times)


def blobs(count, side, seed=1):
    """Masks of one object each: discs with a wavy outline, in Fortran order."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    masks = np.zeros((side, side, count), np.uint8, order="F")
    for index in range(count):
        row, column = random.integers(0, side, 2)
        radius = random.integers(side // 50, side // 6)
        reach = int(1.3 * radius)
        part = np.s_[max(0, row - reach) : row + reach, max(0, column - reach) : column + reach]
        down, right = rows[part] - row, columns[part] - column
        wave = 1 + 0.15 * np.sin(random.integers(3, 9) * np.arctan2(down, right))
        masks[part][..., index] = down**2 + right**2 < (radius * wave) ** 2
    return masks


def coco_(arguments):
    """pycocotools' functions, ours and those of other packages."""
    masks = blobs(1000, 1024)
    peers = {"runmask": coco}
    for name, module in [("pycocotools", "pycocotools.mask"), ("hotcoco", "hotcoco.mask"), ("faster_coco_eval", "faster_coco_eval.core.mask")]:
        try:
            peers[name] = importlib.import_module(module)
        except ImportError:
            print(f"{name} is not installed")
    rles = coco.encode(masks)
    text = lambda rle: rle["counts"] if isinstance(rle["counts"], bytes) else rle["counts"].encode()
    lists = {name: peer.encode(masks) for name, peer in peers.items()}
    for name, of_peer in lists.items():
        assert [text(rle) for rle in of_peer] == [text(rle) for rle in rles], name
    own = {}
    try:
        from rlemasklib import RLEMask

        own = {index: RLEMask.from_dict(rle) for index, rle in enumerate(rles)}
    except ImportError:
        print("rlemasklib is not installed")
    objects = list(own.values())
    planes = [masks[:, :, index] for index in range(masks.shape[2])]

    def of_all(call, mine=None):
        work = {name: (lambda name=name, peer=peer: call(peer, lists[name])) for name, peer in peers.items()}
        return {**work, **({"rlemasklib": mine} if own and mine else {})}

    work = {
        "encode 1000": of_all(lambda peer, _: peer.encode(masks), lambda: [RLEMask.from_array(plane) for plane in planes]),
        "encode 1000, one by one": of_all(lambda peer, _: [peer.encode(plane) for plane in planes]),
        "decode 1000": of_all(lambda peer, of_peer: peer.decode(of_peer)),
        "decode 1000, one by one": of_all(
            lambda peer, of_peer: [None for rle in of_peer if peer.decode(rle) is None],
            lambda: [None for rle in objects if rle.to_array() is None],
        ),
        "iou 300 x 300": of_all(
            lambda peer, of_peer: peer.iou(of_peer[:300], of_peer[300:600], [0] * 300),
            lambda: RLEMask.iou_matrix(objects[:300], objects[300:600]),
        ),
        "merge 1000": of_all(lambda peer, of_peer: peer.merge(of_peer), lambda: RLEMask.union(objects)),
        "area 200": of_all(lambda peer, of_peer: peer.area(of_peer[:200])),
        "toBbox 1000": of_all(lambda peer, of_peer: peer.toBbox(of_peer)),
    }
    expected = coco.decode(rles)
    assert np.array_equal(expected, masks)
    for what, of_what in work.items():
        times = medians(arguments.samples, **of_what)
        ours = times["runmask"]
        ratios = ", ".join(f"{name} {value / ours:.1f}" for name, value in times.items() if name != "runmask")
        row(what, times, f"times ours: {ratios}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runmask", default="runmask", help="the program, for made-up masks and the Rust encoder's times")
    parser.add_argument("--samples", type=int, default=7)
    parts = {"encode": encode, "operations": operations, "import": import_, "pickle": pickle_, "coco": coco_}
    parser.add_argument("--only", choices=parts, action="append")
    arguments = parser.parse_args()
    for name in arguments.only or parts:
        parts[name](arguments)
