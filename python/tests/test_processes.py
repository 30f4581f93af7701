"""Threads, forked processes and signals."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import runmask
from conftest import as_dict

MASK = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256) // 7


def test_many_threads_at_once():
    expected = runmask.encode(MASK)
    results = [None] * 16

    def work(index):
        results[index] = all(runmask.encode(MASK, threads=1 + index % 3) == expected for _ in range(20))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(results))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(results)


def test_other_threads_run_meanwhile():
    # 2^32 pixels take long enough, and no memory.
    mask = np.broadcast_to(np.arange(1 << 10, dtype=np.uint8), (1 << 22, 1 << 10))
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    started = time.monotonic()
    runmask.encode(mask)
    ended = time.monotonic()
    done.set()
    thread.join()
    during = [tick for tick in ticks if started < tick < ended]
    assert len(during) > 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_works():
    expected = as_dict(runmask.encode(MASK))  # The pool has its threads now.
    runmask.encode(MASK, threads=2)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(runmask.encode, [MASK] * 4).get(timeout=60)
    assert all(as_dict(runs) == expected for runs in found)
    # And once more in a child of a child.
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        runmask.encode(MASK)
        grandchild = os.fork()
        if grandchild == 0:
            os.write(write, b"ok" if as_dict(runmask.encode(MASK)) == expected else b"no")
            os._exit(0)
        os.waitpid(grandchild, 0)
        os._exit(0)
    os.close(write)
    deadline = time.monotonic() + 60
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            pytest.fail("a process that was forked twice hangs")
        time.sleep(0.01)
    assert os.read(read, 2) == b"ok"
    os.close(read)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="there are no such signals here")
def test_ctrl_c_ends_work_on_runs(tmp_path):
    # Each of these takes several times as long as the wait for the signal; what goes on afterwards is not waited for.
    code = """
import os, signal, threading, time
import numpy as np, runmask
from runmask import coco
signal.signal(signal.SIGINT, signal.default_int_handler)
mask = np.random.default_rng(1).integers(0, 5, (3000, 3000), np.uint8)
runs = runmask.encode(mask)
one = runmask.Runs([1], [0, 1], [[5, 1]], shape=(1 << 14, 1 << 14))
work = {
    # These are waited for, and stop: memory that nobody has touched.
    "Fortran order": lambda: one.decode(out=np.zeros(one.shape, np.uint64, order="F")),
    "gaps": lambda: one.decode(out=np.zeros((1 << 14, 1 << 15), np.uint16, order="F")[:, ::2]),
    "encodings": lambda: coco.encode(np.broadcast_to(np.asfortranarray(mask)[:, :, None], (*mask.shape, 300))),
    "a file": lambda: runs.write("runs.csv", "oid"),
    "polygons": lambda: runs.to_geojson("runs.geojson"),
    "measures": lambda: runs.measure(("perimeter", "euler_number", "area_convex", "feret_diameter_max")),
    "scores": lambda: runmask.compare(runs, runs),
}
def press():
    time.sleep(0.05)
    started.append(time.monotonic())
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
for name, call in work.items():
    started = []
    thread = threading.Thread(target=press)
    thread.start()
    try:
        call()
        print(name, "was not interrupted", flush=True)
    except KeyboardInterrupt:
        print(time.monotonic() - started[0], flush=True)
    thread.join()
# What was interrupted does not hold up what comes next.
runmask.encode(mask[:10])
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    waits = [float(line) for line in done.stdout.splitlines()]
    # 0.2 s is the promise, on a machine that has nothing else to do.
    assert len(waits) == 7 and max(waits) < 0.5, waits
    assert os.listdir(tmp_path) == []


def test_a_spawned_process_gets_runs():
    runs = runmask.encode(MASK)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(runmask.Runs.decode, (runs,)).tolist() == MASK.tolist()


def test_the_program_is_installed():
    program = os.path.join(os.path.dirname(sys.executable), "runmask")
    for command in ([program], [sys.executable, "-m", "runmask"]):
        version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert version.stdout == f"runmask {runmask.__version__}\n"
        wrong = subprocess.run([*command, "encode", "missing.tif"], capture_output=True, text=True)
        assert wrong.returncode == 2
        assert wrong.stderr.startswith("runmask: ") and wrong.stderr.count("\n") == 1
