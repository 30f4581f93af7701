#!/usr/bin/env python3
"""Masks on Dask beside one process: wall time, memory of the workers, what a task costs, and the merge of many parts.

    .ci/python --install
    target/tools/bin/python benches/on_dask.py --runmask target/release/runmask

The mask is made-up cells of 65,536 x 65,536 pixels in an OME-Zarr store, in a folder that is deleted afterwards. Answers are
compared before times are. Times are medians, in seconds, of samples taken in turn; the cluster has two processes of one
thread and is started before the clock. A pool of two plain processes that encode the same bands is what Dask adds to.
"""

import argparse
import multiprocessing
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import dask
import numpy as np
import runmask
import runmask.dask
from distributed import Client, LocalCluster

#: docs/SCALE.md says what these do.
KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": 1,
    "MALLOC_MMAP_THRESHOLD_": 2**30,
    "MALLOC_TRIM_THRESHOLD_": 2**32,
    "MALLOC_TOP_PAD_": 2**26,
}


def peak():
    """The most memory that this process has had, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def band(task):
    path, first, end = task
    return runmask.open(path).encode(rows=(first, end), threads=1)


def timed(call):
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def wall(arguments, client, pool, labels):
    """One process with two threads, two plain processes, and Dask, on the same store."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "cells.zarr"
        synth = f"cells --height {arguments.side} --width {arguments.side} --dtype u32 --shards"
        if labels:
            synth += f" --labels {labels}"
        subprocess.run([arguments.runmask, "synth", *synth.split(), "-o", path], check=True)
        height, _ = runmask.open(path).shape
        rows = -(-height // 16)
        bands = [(str(path), first, min(height, first + rows)) for first in range(0, height, rows)]
        expected = runmask.open(path).encode(threads=2)
        lazy = runmask.dask.encode(path, compute=False)
        tasks = len(lazy.dask)
        assert tasks <= 100
        work = {
            "one process": lambda: runmask.open(path).encode(threads=2),
            "two processes": lambda: runmask.merge(pool.map(band, bands, chunksize=1)),
            "Dask": lambda: runmask.dask.encode(path),
        }
        times = {name: [] for name in work}
        for _ in range(arguments.samples):
            for name, call in work.items():
                seconds, found = timed(call)
                times[name].append(seconds)
                assert found == expected, name
                del found
        seconds = {name: statistics.median(of_name) for name, of_name in times.items()}
        ratio = seconds["Dask"] / seconds["one process"]
        share = expected.runs.nbytes / 2e6
        print(f"{len(expected):,} labels, {len(expected.runs):,} runs, at most {tasks} tasks")
        print("  " + "  ".join(f"{name} {value:.2f} s" for name, value in seconds.items()) + f"  Dask / one process {ratio:.2f}")
        workers = ", ".join(f"{value:.0f}" for value in client.run(peak).values())
        print(f"  peak memory of the workers {workers} MB; half of the runs {share:.0f} MB", flush=True)


def a_task(arguments, client):
    """What a task costs: tasks that have next to nothing to do."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "mask.npy"
        mask = np.arange(2000 * 100, dtype=np.uint32).reshape(2000, 100) // 7
        np.save(path, mask)
        lazy = runmask.dask.encode(path, rows=1, compute=False)
        seconds = []
        for _ in range(arguments.samples):
            took, found = timed(lambda: lazy.compute())
            assert found == runmask.encode(mask)
            seconds.append(took)
        tasks = len(lazy.dask)
        print(f"{tasks} tasks: {1e3 * statistics.median(seconds) / tasks:.2f} ms each", flush=True)


def merge(arguments):
    """1,000 parts of a mask, which has ten million runs, on one thread."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "cells.npy"
        synth = "cells --height 100000 --width 3000 --dtype u32"
        subprocess.run([arguments.runmask, "synth", *synth.split(), "-o", path], check=True)
        mask = np.load(path, mmap_mode="r")
        blocks = range(0, 100_000, 100)
        parts = [runmask.encode_block(mask[first : first + 100], (first, 0), mask.shape) for first in blocks]
        expected = runmask.encode(mask)
        runs = sum(len(part.runs) for part in parts)
        for threads in (1, 2):
            seconds = []
            for _ in range(arguments.samples):
                took, found = timed(lambda: runmask.merge(parts, threads=threads))
                assert found == expected
                seconds.append(took)
                del found
            rate = runs / statistics.median(seconds) / 1e6
            print(f"merge of {len(parts)} parts with {runs:,} runs, {threads} threads: {rate:.0f} M runs/s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runmask", default="runmask", help="the program, for made-up masks")
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--side", type=int, default=65536)
    parser.add_argument("--labels", type=int, default=860_000, help="0 for cells that lie close together: 8.6 million")
    parser.add_argument("--folder", help="where masks are made")
    parser.add_argument("--plain", action="store_true", help="workers give memory back after each task, as they do by themselves")
    parser.add_argument("--only", choices=["wall", "task", "merge"], action="append")
    arguments = parser.parse_args()
    only = arguments.only or ["wall", "task", "merge"]
    if "merge" in only:
        merge(arguments)
    if {"wall", "task"} & set(only):
        if not arguments.plain:
            dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in KEEP_MEMORY.items()})
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
            Client(cluster, direct_to_workers=True) as client,
            multiprocessing.get_context("spawn").Pool(2) as pool,
        ):
            if "task" in only:
                a_task(arguments, client)
            if "wall" in only:
                wall(arguments, client, pool, arguments.labels)
