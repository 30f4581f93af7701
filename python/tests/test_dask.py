"""Masks on Dask have the runs of one machine."""

import hashlib
import json
import os
import pathlib
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import zlib

import dask
import dask.array
import dask.dataframe
import numpy as np
import pandas
import pyarrow.parquet
import pytest
import runmask
import runmask.dask
from distributed import Client, LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def alone():
    with dask.config.set(scheduler="synchronous"):
        yield


def mask_of(height, width, labels=9, seed=1, dtype="uint32"):
    """Blobs that reach over every border, and some noise."""
    random = np.random.default_rng(seed)
    mask = np.kron(random.integers(0, labels, (height // 8 + 1, width // 8 + 1)), np.ones((8, 8), np.int64))
    mask = mask[:height, :width] * (random.random((height, width)) < 0.95)
    return mask.astype(dtype)


def same(found, expected):
    assert found == expected
    arrays = [(runs.labels.tobytes(), runs.offsets.tobytes(), runs.runs.tobytes()) for runs in (found, expected)]
    assert arrays[0] == arrays[1]
    assert (found.shape, found.order) == (expected.shape, expected.order)


def zarr_store(path, shape, chunk, chunks):
    """A Zarr array of version 3 in a folder; `chunks` holds some chunks by their numbers, whole ones."""
    path.mkdir()
    gzip = {"name": "gzip", "configuration": {"level": 1}}
    about = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, gzip],
        "attributes": {},
    }
    (path / "zarr.json").write_text(json.dumps(about))
    for (row, column), pixels in chunks.items():
        file = path / "c" / str(row) / str(column)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(zlib.compress(pixels.astype("<u4").tobytes(), 1, wbits=31))


def blocks_of(mask, chunk):
    """The chunks of a mask; what is beyond it is 0."""
    padded = np.pad(mask, [(0, -size % side) for size, side in zip(mask.shape, chunk)])
    rows, columns = (size // side for size, side in zip(padded.shape, chunk))
    blocks = padded.reshape(rows, chunk[0], columns, chunk[1]).swapaxes(1, 2)
    return {(row, column): blocks[row, column] for row in range(rows) for column in range(columns)}


def sizes(total):
    """Chunks that make up a length, empty ones and single pixels among them."""
    cuts = st.lists(st.integers(0, total), max_size=5).map(lambda cuts: [0, *sorted(cuts), total])
    return cuts.map(lambda cuts: tuple(b - a for a, b in zip(cuts, cuts[1:])))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 40), st.integers(0, 40), st.sampled_from("FC"), st.integers(2, 9))
def test_every_chunking_gives_the_same_runs(data, height, width, order, split_every):
    mask = mask_of(height, width, seed=height * 41 + width)
    chunks = (data.draw(sizes(height)), data.draw(sizes(width)))
    array = dask.array.from_array(mask, chunks=chunks)
    with dask.config.set(scheduler="synchronous"):
        found = runmask.dask.encode(array, order=order, split_every=split_every)
    same(found, runmask.encode(mask, order=order))


def test_labels_of_every_kind():
    mask = mask_of(50, 70)
    for dtype in ("bool", "uint8", "int16", "uint64", ">u4"):
        array = dask.array.from_array(mask.astype(dtype), chunks=(20, 70))
        same(runmask.dask.encode(array), runmask.encode(mask.astype(dtype)))
    same(runmask.dask.encode(dask.array.from_array(mask, chunks=9), background=None), runmask.encode(mask, background=None))
    negative = dask.array.from_array(np.array([[1, -1]]), chunks=1)
    with pytest.raises(ValueError, match="-1"):
        runmask.dask.encode(negative)


def test_empty_chunks_and_single_pixels():
    mask = mask_of(7, 5)
    pixels = dask.array.from_array(mask, chunks=1)
    gaps = dask.array.from_array(mask, chunks=((0, 3, 0, 4, 0), (0, 0, 5)))
    for order in "FC":
        for array in (pixels, gaps):
            for compute in (True, False):
                found = runmask.dask.encode(array, order=order, split_every=3, compute=compute)
                same(found if compute else found.compute(), runmask.encode(mask, order=order))
    for shape in ((0, 0), (0, 9), (9, 0)):
        nothing = dask.array.zeros(shape, dtype="uint8", chunks=3)
        same(runmask.dask.encode(nothing), runmask.encode(np.zeros(shape, np.uint8)))


def test_what_is_no_mask_is_refused():
    for mask, error, words in [
        (np.zeros((2, 2), int), TypeError, "runmask.encode takes an array in memory"),
        (dask.array.zeros((2, 2, 2), dtype=int), ValueError, "two dimensions, found 3"),
        (dask.array.zeros((2, 2)), TypeError, "not float64"),
        (dask.array.zeros((9, 9), dtype=int)[dask.array.ones(9, dtype=bool)], ValueError, "compute_chunk_sizes"),
        ("missing.tif", OSError, "missing.tif"),
    ]:
        with pytest.raises(error, match=words):
            runmask.dask.encode(mask)
    array = dask.array.zeros((2, 2), dtype=int)
    with pytest.raises(ValueError, match="2 or more"):
        runmask.dask.encode(array, split_every=1)
    with pytest.raises(TypeError, match="takes no rows, memory, page"):
        runmask.dask.encode(array, rows=3, memory=4, page=1)


def test_a_block_that_comes_twice_is_an_error():
    part = runmask.encode_block(np.ones((2, 2), np.uint8), (0, 0), (4, 4))
    other = runmask.encode_block(np.ones((2, 2), np.uint8), (2, 2), (4, 4))
    packed = [runmask.dask._packed(runs, 1) for runs in (part, other, part)]
    same(runmask.dask._merge(packed[:2]), runmask.merge([part, other]))
    with pytest.raises(ValueError, match="two parts cover"):
        runmask.dask._merge(packed)


def test_files_are_read_in_bands(tmp_path):
    mask = mask_of(700, 300)
    expected = {order: runmask.encode(mask, order=order) for order in "FC"}
    np.save(tmp_path / "rows.npy", mask)
    np.save(tmp_path / "columns.npy", np.asfortranarray(mask))
    expected["F"].decode_to(tmp_path / "mask.tif", "uint32")
    expected["F"].decode_to(tmp_path / "mask.png", "uint16")
    for file in ("rows.npy", "columns.npy", "mask.tif", "mask.png"):
        for order in "FC":
            for rows in (None, 1, 99, 256, 10_000):
                if rows != 1 or file == "rows.npy":
                    same(runmask.dask.encode(tmp_path / file, order=order, rows=rows), expected[order])
    with pytest.raises(ValueError, match="1 or more"):
        runmask.dask.encode(tmp_path / "rows.npy", rows=0)


def test_memory_is_the_callers_to_allow(tmp_path):
    runmask.encode(mask_of(512, 512)).decode_to(tmp_path / "mask.tif", "uint32")
    for work in (runmask.dask.encode, lambda path, **options: runmask.dask.table(path, **options).frame.compute()):
        assert len(work(tmp_path / "mask.tif", memory=1 << 26))
        with pytest.raises(MemoryError, match="memory= allows more"):
            work(tmp_path / "mask.tif", memory=1000)
    found = runmask.dask.encode_many([tmp_path / "mask.tif"], tmp_path / "out", memory=1000)
    assert "memory= allows more" in found.message[0]


@pytest.mark.parametrize(
    "shape, tasks", [((65536, 65536), 16), ((16384, 65536), 16), ((8192, 65536), 8), ((300, 200), 1), ((131072, 65536), 32)]
)
def test_a_few_large_tasks_read_a_file(tmp_path, shape, tasks):
    zarr_store(tmp_path / "mask.zarr", shape, (256, 256), {})
    lazy = runmask.dask.encode(tmp_path / "mask.zarr", compute=False)
    assert sum("_encode_rows" in str(key) for key in lazy.dask) == tasks


def test_the_graph_holds_no_pixels(tmp_path):
    np.save(tmp_path / "mask.npy", np.ones((4000, 1000), np.uint32))
    lazy = runmask.dask.encode(tmp_path / "mask.npy", rows=100, compute=False)
    assert len(lazy.dask) == 40 + 5 + 1
    assert len(pickle.dumps(dict(lazy.dask))) < 40_000
    same(lazy.compute(), runmask.encode(np.ones((4000, 1000), np.uint32)))


def test_tasks_give_packed_runs(tmp_path):
    mask = mask_of(900, 700, labels=300)
    np.save(tmp_path / "mask.npy", mask)
    for source in (tmp_path / "mask.npy", dask.array.from_array(mask, chunks=300)):
        _, tasks = runmask.dask._parts(source, 0, "F", 1, None, None, {}, runmask.dask._packed)
        parts = dask.compute(*tasks)
        assert all(part.dtype == np.uint8 for part in parts)
        assert sum(part.nbytes for part in parts) < runmask.encode(mask).runs.nbytes / 4
        same(runmask.dask._merge(list(parts)), runmask.encode(mask))


def test_many_slides(tmp_path):
    masks = {f"slide{number}": mask_of(60, 50, seed=number) for number in range(4)}
    for name, mask in masks.items():
        np.save(tmp_path / f"{name}.npy", mask)
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY nothing")
    paths = [*(tmp_path / f"{name}.npy" for name in masks), tmp_path / "damaged.npy", tmp_path / "missing.npy"]
    out = tmp_path / "out"
    found = runmask.dask.encode_many(paths, out)
    assert found.status.tolist() == ["done"] * 4 + ["failed"] * 2
    assert found.labels[0] == len(runmask.encode(masks["slide0"]))
    assert "damaged.npy" in found.message[4] and "missing.npy" in found.message[5]
    assert sorted(os.listdir(out)) == [f"{name}.csv" for name in masks]
    for name, mask in masks.items():
        same(runmask.read(out / f"{name}.csv", shape=mask.shape), runmask.encode(mask))
    # An empty file is none.
    (out / "slide2.csv").write_bytes(b"")
    again = runmask.dask.encode_many(paths, out)
    assert again.status.tolist() == ["skipped", "skipped", "done", "skipped", "failed", "failed"]
    as_coco = runmask.dask.encode_many(paths[:1], out, "coco")
    assert as_coco.output.tolist() == [str(out / "slide0.json")]
    with pytest.raises(ValueError, match="would both be written"):
        runmask.dask.encode_many(["a/x.tif", "b/x.tif"], tmp_path / "never")
    assert not (tmp_path / "never").exists()


def rows_of(frame, columns):
    return frame.sort_values(columns).reset_index(drop=True)


@pytest.mark.parametrize("order", ["F", "C"])
@pytest.mark.parametrize("npartitions", [None, 1, 5])
def test_results_larger_than_a_worker(tmp_path, order, npartitions):
    mask = mask_of(100, 90, labels=30)
    array = dask.array.from_array(mask, chunks=(30, 40))
    whole = runmask.encode(mask, order=order)
    table = runmask.dask.table(array, order=order, npartitions=npartitions)

    measured = runmask.dask.measure(table, ("label", "area", "bbox", "euler_number"), pixel_size=0.5)
    expected = pandas.DataFrame(whole.measure(("label", "area", "bbox", "euler_number"), pixel_size=0.5))
    assert measured.dtypes.tolist() == expected.dtypes.tolist()
    pandas.testing.assert_frame_equal(rows_of(measured.compute(), ["label"]), expected)

    for options in ({}, {"connectivity": 4}, {"min_area": 5}, {"largest": True}):
        pieces = runmask.dask.components(table, **options).frame.compute()
        same(runmask.from_table(pieces, shape=mask.shape, order=order), whole.components(**options))

    folder = tmp_path / "runs"
    files = runmask.dask.to_parquet(table, folder)
    assert sorted(os.listdir(folder)) == [os.path.basename(file) for file in files]
    assert len(files) == table.frame.npartitions
    same(runmask.from_table(pandas.read_parquet(folder), shape=mask.shape, order=order), whole)
    parts = [pyarrow.parquet.read_table(file) for file in files]
    for part in parts:
        assert part.schema.metadata[b"runmask.order"] == {"F": b"column-major", "C": b"row-major"}[order]
        assert (part.schema.metadata[b"runmask.height"], part.schema.metadata[b"runmask.width"]) == (b"100", b"90")
    # All runs of a label are in one file.
    labels = [set(part["label"].to_pylist()) for part in parts]
    assert sum(map(len, labels)) == len(set.union(*labels)) == len(whole)
    same(runmask.merge(runmask.from_table(part, shape=mask.shape, order=order) for part in parts), whole)
    with pytest.raises(FileExistsError):
        runmask.dask.to_parquet(table, folder)
    assert os.listdir(tmp_path) == ["runs"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def broken(frame):
        raise OSError("no room")

    table = runmask.dask.table(dask.array.ones((4, 4), dtype=int, chunks=2), npartitions=2)
    table = runmask.dask.Table(table.frame.map_partitions(broken, meta=table.frame._meta), table.shape, table.order)
    with pytest.raises(OSError, match="no room"):
        runmask.dask.to_parquet(table, tmp_path / "runs")
    assert os.listdir(tmp_path) == []


def leaves_something(frame, folder):
    """A partition whose worker has died before, in the middle of a file."""
    for aside in folder.glob(".runs-*"):
        (aside / "part-00000.parquet.dead").write_bytes(b"half")
    return frame


def test_what_dead_workers_left_is_no_part_of_the_folder(tmp_path):
    mask = mask_of(20, 20)
    table = runmask.dask.table(dask.array.from_array(mask, chunks=10), npartitions=2)
    frame = table.frame.map_partitions(leaves_something, tmp_path, meta=table.frame._meta)
    files = runmask.dask.to_parquet(runmask.dask.Table(frame, table.shape, table.order), tmp_path / "runs")
    assert sorted(os.listdir(tmp_path / "runs")) == [os.path.basename(file) for file in files]
    assert os.listdir(tmp_path) == ["runs"]
    same(runmask.from_table(pandas.read_parquet(tmp_path / "runs"), shape=mask.shape), runmask.encode(mask))


@pytest.fixture
def client():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        with Client(cluster) as client:
            yield client


def on_cluster():
    """The client's scheduler, which Dask takes where none is named. To name it would put the client into the settings that a
    nanny sends to a new worker, and a client cannot be sent."""
    return dask.config.set(scheduler=None)


def both_workers(client):
    """The process ids of the workers, once both are there: the nanny of one that died starts another."""
    for _ in range(300):
        workers = set(client.run(os.getpid, on_error="ignore").values())
        if len(workers) == 2:
            return workers
        time.sleep(0.1)
    raise AssertionError(f"expected two workers, found {workers}")


def dies_once(block, flag):
    """A block whose first reader dies."""
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return block
    os.kill(os.getpid(), signal.SIGKILL)


def digest(runs):
    found = hashlib.sha256(f"{runs.shape} {runs.order}".encode())
    for array in (runs.labels, runs.offsets, runs.runs):
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def test_a_store_of_4_gigapixels(client, tmp_path):
    """Most chunks are absent, many hold one label, and objects go on from chunk to chunk and from task to task."""
    shape, side = (65536, 65792), 512
    path = tmp_path / "mask.zarr"
    chunks = {(row, column): mask_of(side, side, seed=row) for row in (0, 7, 8, 15, 127) for column in (0, 40, 41, 128)}
    chunks.update({(row, 64): np.full((side, side), 3, np.uint32) for row in range(0, 128, 3)})
    chunks[60, 60] = np.full((side, side), 2**32 - 1, np.uint32)
    zarr_store(path, shape, (side, side), chunks)
    # Of the last column of chunks the mask has a half.
    parts = [
        runmask.encode_block(chunk[:, : shape[1] - column * side], (row * side, column * side), shape)
        for (row, column), chunk in chunks.items()
    ]
    expected = digest(runmask.merge(parts))
    assert digest(runmask.open(path).encode(threads=2)) == expected
    with on_cluster():
        for rows in (None, 1000):
            assert digest(runmask.dask.encode(path, rows=rows)) == expected
        assert digest(runmask.dask.encode(path, compute=False, split_every=4).compute()) == expected
    assert len(both_workers(client)) == 2


def test_files_and_arrays_on_a_cluster(client, tmp_path):
    mask = mask_of(1500, 1100, labels=3000)
    whole = runmask.encode(mask)
    np.save(tmp_path / "rows.npy", mask)
    np.save(tmp_path / "columns.npy", np.asfortranarray(mask))
    zarr_store(tmp_path / "plain.zarr", mask.shape, (200, 300), blocks_of(mask, (200, 300)))
    for name in ("mask.tif", "mask.zarr"):
        whole.decode_to(tmp_path / name, "uint32")
    array = dask.array.from_array(mask, chunks=(400, 1100))
    empty = dask.array.from_array(mask, chunks=((0, 700, 0, 800), (1, 1099, 0)))
    with on_cluster():
        for order in "FC":
            expected = digest(runmask.encode(mask, order=order))
            for name in ("rows.npy", "columns.npy", "mask.tif", "mask.zarr", "plain.zarr"):
                assert digest(runmask.open(tmp_path / name).encode(order=order)) == expected
                for rows in (None, 130, 512):
                    assert digest(runmask.dask.encode(tmp_path / name, order=order, rows=rows)) == expected, (name, rows)
            for chunked in (array, empty):
                assert digest(runmask.dask.encode(chunked, order=order)) == expected
        single = dask.array.from_array(mask[:9, :7], chunks=1)
        assert digest(runmask.dask.encode(single)) == digest(runmask.encode(mask[:9, :7]))


def test_a_block_that_comes_twice_is_an_error_on_a_cluster(client):
    _, parts = runmask.dask._parts(dask.array.from_array(mask_of(40, 40), chunks=20), 0, "F", 1, None, None, {}, runmask.dask._packed)
    merge = dask.delayed(runmask.dask._merge, pure=False)
    packed = dict(threads=1, give=runmask.dask._packed)
    with on_cluster():
        same(merge(parts).compute(), runmask.encode(mask_of(40, 40)))
        with pytest.raises(ValueError, match="two parts cover"):
            merge([*parts, parts[2]]).compute()
        # Nor when the copies meet only in a merge of merges.
        with pytest.raises(ValueError, match="two parts cover"):
            merge([merge(parts[:2], **packed), merge(parts[1:], **packed)]).compute()
        same(merge([merge(parts[:2], **packed), merge(parts[2:], **packed)]).compute(), runmask.encode(mask_of(40, 40)))


def test_a_worker_that_is_killed_changes_nothing(client, tmp_path):
    mask = mask_of(600, 500, labels=200)
    flag = tmp_path / "dead"
    whole = dask.array.from_array(mask, chunks=(64, 100))
    # With `meta`, Dask tries the function on no block of its own here.
    array = whole.map_blocks(dies_once, flag=str(flag), meta=np.zeros((0, 0), mask.dtype))
    with on_cluster():
        found = runmask.dask.encode(array)
    assert flag.exists()
    same(found, runmask.encode(mask))


def test_slides_of_a_worker_that_is_killed_are_done_by_others(client, tmp_path):
    names = [f"slide{number:02}.npy" for number in range(40)]
    for number, name in enumerate(names):
        np.save(tmp_path / name, mask_of(900, 900, labels=2000, seed=number))
    before = both_workers(client)
    out = tmp_path / "out"

    def kill():
        while not (out.is_dir() and len(os.listdir(out)) > 4):
            time.sleep(0.005)
        os.kill(min(before), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with on_cluster():
        found = runmask.dask.encode_many([tmp_path / name for name in names], out)
    killer.join()
    assert both_workers(client) != before
    assert set(found.status) <= {"done", "skipped"}, found
    assert sorted(os.listdir(out)) == [name.replace("npy", "csv") for name in names]
    for number, name in enumerate(names):
        mask = mask_of(900, 900, labels=2000, seed=number)
        same(runmask.read(out / name.replace("npy", "csv"), shape=mask.shape), runmask.encode(mask))


def kills_its_worker():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_slide_that_kills_its_workers_is_one_that_failed(client):
    """A client says that it is the scheduler, as long as nobody says another."""
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    tasks = [dask.delayed(kills_its_worker)(), dask.delayed(abs)(-3)]
    for scheduler in ("dask.distributed", None):
        # A worker of its own for each: otherwise both tasks may be on the one that is killed, and fail.
        both_workers(client)
        with dask.config.set(scheduler=scheduler):
            failed, done = runmask.dask._run_all(tasks)
        assert type(failed).__name__ == "KilledWorker" and done == 3


def test_tables_on_a_cluster(client):
    mask = mask_of(300, 300, labels=500)
    array = dask.array.from_array(mask, chunks=100)
    with on_cluster():
        measured = runmask.dask.measure(array, ("label", "area"), npartitions=3).compute()
        pieces = runmask.dask.components(array, npartitions=3).frame.compute()
    whole = runmask.encode(mask)
    assert rows_of(measured, ["label"]).area.tolist() == whole.measure(("area",))["area"].tolist()
    same(runmask.from_table(pieces, shape=mask.shape), whole.components())


@pytest.mark.parametrize("title", ["Block shapes", "Dask", "Multiprocessing"])
def test_the_page_runs_as_written(title, tmp_path):
    runmask.encode(mask_of(150, 200)).decode_to(tmp_path / "mask.tif", "uint16")
    page = (pathlib.Path(__file__).parents[2] / "docs/SCALE.md").read_text()
    section = page.split(f"## {title}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.S)
    if title == "Block shapes":
        # What it tells Dask reaches the workers, and so does what Dask tells them by itself.
        blocks.append("""
import os
from distributed import Client, LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        (environment,) = client.run(lambda: dict(os.environ)).values()
    assert all(environment[name] == str(value) for name, value in keep.items()), environment
    assert "OMP_NUM_THREADS" in environment
""")
    (tmp_path / "page.py").write_text("\n".join(blocks))
    # Clusters of other tests leave what they told their workers in the environment, and that counts more.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    subprocess.run([sys.executable, "page.py"], cwd=tmp_path, check=True, timeout=100, env=environment)
    if title == "Dask":
        assert (tmp_path / "runs/mask.json").is_file() and os.listdir(tmp_path / "pieces")
    if title == "Multiprocessing":
        expected = runmask.open(tmp_path / "mask.tif").encode()
        same(runmask.read(tmp_path / "whole.csv", shape=expected.shape), expected)
