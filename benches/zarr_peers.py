#!/usr/bin/env python3
"""A Zarr store to the runs of every label: runmask beside zarr-python or tensorstore followed by numpy, and beside the floor.

    python -m venv .venv && .venv/bin/pip install zarr==3.1.6 tensorstore numpy opencv-python-headless
    cargo build --release --package runmask-cli && cargo bench --bench zarr --no-run
    .venv/bin/python benches/zarr_peers.py --runmask target/release/runmask --bench target/release/deps/zarr-...

The masks are those of `runmask synth`; zarr-python writes the stores: version 3 with its default codec and version 2 with
Blosc (LZ4), chunks of 1024. The routes of today read the store, transpose it with cv2, find the differences with numpy and
sort them by label; their runs and those of runmask must be as many. The floor: the stored bytes of the chunks that differ
from each other, in memory, decompressed by two threads of numcodecs, and encoding the mask from memory by two threads.
Milliseconds, medians.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numcodecs
import numpy as np
import tensorstore
import zarr

from files import label_runs

THREADS = 2
MASKS = {
    "cells": "cells --height 8000 --width 8000 --labels 128000 --dtype u32",
    "sparse": "glomeruli --height 20000 --width 15000 --labels 200 --dtype u16",
}


def runs(mask):
    signed = mask.view(np.int32) if mask.dtype == np.uint32 else mask
    return label_runs(cv2.transpose(signed).ravel())


def median(work, repeats):
    work()
    samples = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        samples.append(time.perf_counter() - start)
    return sorted(samples)[len(samples) // 2]


def write(mask, store, version):
    options = {"compressors": numcodecs.Blosc(cname="lz4", clevel=5, shuffle=1)} if version == 2 else {}
    array = zarr.create_array(
        store, shape=mask.shape, chunks=(1024, 1024), dtype=mask.dtype, fill_value=0, zarr_format=version,
        config={"write_empty_chunks": False}, **options,
    )
    array[...] = mask


def distinct_chunks(store):
    files = (path for path in Path(store).rglob("*") if path.is_file() and path.name.split(".")[-1].isdigit())
    return list({path.read_bytes() for path in files})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runmask", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", help="where stores are kept for the next time")
    arguments = parser.parse_args()
    pool = ThreadPoolExecutor(THREADS)
    zarr.config.set({"threading.max_workers": THREADS, "async.concurrency": 10})
    work = arguments.folder or tempfile.mkdtemp()
    print("| store | runmask | decompress, encode | of the floor | zarr-python, numpy | tensorstore, numpy |")
    print("|---|---|---|---|---|---|")
    for name, words in MASKS.items():
        for version in (3, 2):
            store = os.path.join(work, f"{name}-{version}.zarr")
            if not os.path.exists(store):
                npy = os.path.join(work, f"{name}.npy")
                subprocess.run([arguments.runmask, "synth", *words.split(), "-o", npy], check=True)
                write(np.load(npy), store, version)
                os.remove(npy)
            environment = {**os.environ, "RUNMASK_BENCH_STORE": store, "RUNMASK_BENCH_THREADS": str(THREADS)}
            ours = json.loads(subprocess.run([arguments.bench], env=environment, check=True, capture_output=True).stdout)
            chunks = distinct_chunks(store)
            codec = numcodecs.Blosc() if version == 2 else numcodecs.Zstd()
            numcodecs.blosc.use_threads = False
            sizes = lambda: sum(pool.map(lambda chunk: len(memoryview(codec.decode(chunk)).cast("B")), chunks))
            floor = median(sizes, arguments.repeats), ours["memory"]
            ts = tensorstore.open(
                {"driver": "zarr" if version == 2 else "zarr3", "kvstore": {"driver": "file", "path": store},
                 "context": {"data_copy_concurrency": {"limit": THREADS}}}, read=True,
            ).result()
            routes = [lambda: runs(zarr.open_array(store, mode="r")[...]), lambda: runs(ts.read().result())]
            for route in routes:
                assert len(route()[0]) == ours["runs"], "runmask finds other runs"
            theirs = [median(route, arguments.repeats) for route in routes]
            print(
                f"| {name}, version {version} | {ours['store'] * 1e3:.1f} | {floor[0] * 1e3:.1f}, {floor[1] * 1e3:.1f} ({len(chunks)} chunks) | "
                f"{ours['store'] / sum(floor):.2f} | "
                + " | ".join(f"{seconds * 1e3:.0f} ({seconds / ours['store']:.1f} x)" for seconds in theirs) + " |"
            )


if __name__ == "__main__":
    main()
