"""Masks of any size on Dask: the runs of the whole from its blocks, many slides at once, results larger than a worker.

Labels are global, so blocks need no overlap and no relabelling: each block gives its runs in positions of the whole mask,
and :func:`runmask.merge` puts them together. The result has the same bytes as that of one machine, for every chunking.

Whatever scheduler is set in Dask runs the work; a `distributed.Client` needs no more than to exist. Dask's own diagnostics
show the progress.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import numpy.typing as npt

try:
    import dask
    import dask.array
    import dask.base
except ImportError as error:
    raise ImportError("runmask.dask needs Dask: pip install 'runmask[dask]'") from error

from . import _files, _masks, _runmask, _tables
from ._masks import Order
from ._runmask import Runs

__all__ = ["Table", "components", "encode", "encode_many", "measure", "table", "to_parquet"]

PathLike = Union[str, "os.PathLike[str]"]

#: Runs in few bytes.
Packed = npt.NDArray[np.uint8]

#: Bytes of labels that one task reads from a file, unless it is told: at least so many that the work outweighs the task, at
#: most so many that a task takes a second or two.
BLOCK_BYTES = (1 << 28, 1 << 30)

#: Tasks that read a file, unless it is told, while their bytes are between those above.
TASKS = 16

#: Parts that are merged where :func:`encode` was called, rather than by tasks: each task's merge moves most parts once more.
MERGED_BY_CALLER = 64

_COLUMNS = {"label": "uint64", "start": "uint64", "length": "uint64"}


def encode(
    mask: Any,
    *,
    background: int | None = 0,
    order: Order = "F",
    split_every: int = 8,
    compute: bool = True,
    threads: int | None = 1,
    rows: int | None = None,
    memory: int | None = None,
    **options: Any,
) -> Any:
    """The runs of every label of a mask, block by block.

    Parameters
    ----------
    mask : dask array of integers or bool, shape (height, width); or str or path
        An array of any chunks; or a mask file, which the tasks read: they, and not the array, need to reach it. Tall chunks
        are the cheapest in column-major order, since a run is split where a chunk ends.
    background, order
        As in :func:`runmask.encode`.
    split_every : int
        How many parts are merged by one task, 2 or more. The last 64 parts, or fewer, are merged by the caller, who gets the
        runs anyway.
    compute : bool
        False for a `dask.delayed.Delayed` instead of the runs. Tasks do all of its work.
    threads : int, optional
        The threads of a task; one unless given, since Dask runs tasks side by side. None is all of the machine.
    rows : int, optional
        Of a file, the rows that a task reads. Unless given, 16 tasks read the file, but each between 256 MiB and 1 GiB of
        labels.
    memory : int, optional
        Of a file, bytes that a task may take, as in `runmask.open(...).encode`.
    **options
        Of a file, as in :func:`runmask.open`.

    Returns
    -------
    Runs

    Raises
    ------
    TypeError
        The mask is neither a dask array nor a path, or its labels are no integers.
    ValueError
        The mask does not have two dimensions, or chunks of no known size, or `split_every` is below 2.
    OSError, FormatError
        A file cannot be read or is damaged.

    Examples
    --------
    >>> import dask.array, numpy, runmask.dask
    >>> mask = dask.array.from_array(numpy.array([[0, 7, 7], [0, 7, 0]]), chunks=(1, 2))
    >>> runmask.dask.encode(mask)[7]
    array([[2, 3]], dtype=uint64)
    """
    if split_every < 2:
        raise ValueError(f"split_every: expected 2 or more, found {split_every}")
    _, parts = _parts(mask, background, order, threads, rows, memory, options, give=_packed)
    while len(parts) > (MERGED_BY_CALLER if compute else split_every):
        groups = [parts[first : first + split_every] for first in range(0, len(parts), split_every)]
        merge = dask.delayed(_merge, pure=False)
        parts = [group[0] if len(group) == 1 else merge(group, threads, give=_packed) for group in groups]
    if not compute:
        return dask.delayed(_merge, pure=False)(parts, threads)
    return _merge(list(dask.compute(*parts)))


def _merge(parts: list[Packed], threads: int | None = None, give: Any = None) -> Any:
    """The runs of packed parts, or what `give` makes of them."""
    runs = _runmask.merge_packed(parts, threads=threads)
    return runs if give is None else give(runs, threads)


def _packed(runs: Runs, threads: int | None) -> Packed:
    """What goes from process to process: a seventh of the bytes of runs, and no more memory where it arrives."""
    return _runmask.pack(runs, threads)


def _encode_block(
    block: Any, origin: tuple[int, int], shape: tuple[int, int], threads: int | None, give: Any, **options: Any
) -> Any:
    return give(_masks.encode_block(block, origin, shape, threads=threads, **options), threads)


def _encode_rows(
    path: str, rows: tuple[int, int], opening: dict[str, Any], threads: int | None, give: Any, **options: Any
) -> Any:
    return give(_files.open(path, **opening).encode(rows=rows, threads=threads, **options), threads)


def _parts(
    mask: Any,
    background: int | None,
    order: Order,
    threads: int | None,
    rows: int | None,
    memory: int | None,
    opening: dict[str, Any],
    give: Any,
) -> tuple[tuple[int, int], list[Any]]:
    """The shape of the mask, and one task for each block, which gives what `give` makes of its runs; those that are beside each
    other along the scan lines follow each other."""
    options = {"background": background, "order": order, "threads": threads, "give": give}
    if isinstance(mask, (str, os.PathLike)):
        return _parts_of_file(os.fspath(mask), rows, opening, {**options, "memory": memory})
    if not isinstance(mask, dask.array.Array):
        hint = "; runmask.encode takes an array in memory" if isinstance(mask, np.ndarray) else ""
        raise TypeError(f"mask: expected a dask array or a path, found {type(mask).__name__}{hint}")
    of_files = [name for name, value in {"rows": rows, "memory": memory}.items() if value is not None]
    if of_files or opening:
        raise TypeError(f"a dask array takes no {', '.join([*of_files, *opening])}")
    if mask.ndim != 2:
        raise ValueError(f"mask: expected two dimensions, found {mask.ndim}, of the shape {mask.shape}")
    if any(size != size for size in mask.shape):
        raise ValueError("mask: its chunks have no known sizes; mask.compute_chunk_sizes() finds them")
    _check_dtype(mask.dtype)
    shape = (int(mask.shape[0]), int(mask.shape[1]))
    blocks = mask.to_delayed()
    first_rows, first_columns = (np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]) for sizes in mask.chunks)
    places = np.ndindex(blocks.shape[::-1] if order == "F" else blocks.shape)
    parts = []
    for place in places:
        row, column = place[::-1] if order == "F" else place
        if mask.chunks[0][row] and mask.chunks[1][column]:
            origin = (int(first_rows[row]), int(first_columns[column]))
            parts.append(dask.delayed(_encode_block, pure=False)(blocks[row, column], origin, shape, **options))
    return shape, parts or [_nothing(shape, order, give)]


def _parts_of_file(
    path: str, rows: int | None, opening: dict[str, Any], options: dict[str, Any]
) -> tuple[tuple[int, int], list[Any]]:
    file = _files.open(path, **opening)
    height, width = file.shape
    if rows is None:
        band, row_bytes = max(1, file.band_rows), max(1, width * file.dtype.itemsize)
        least, most = BLOCK_BYTES
        rows = max(1, min(max(least, height * row_bytes // TASKS), most) // (row_bytes * band)) * band
    elif rows < 1:
        raise ValueError(f"rows: expected 1 or more, found {rows}")
    bands = [(first, min(height, first + rows)) for first in range(0, height, rows)]
    task = dask.delayed(_encode_rows, pure=False)
    parts = [task(path, band, opening, **options) for band in bands]
    return file.shape, parts or [_nothing(file.shape, options["order"], options["give"])]


def _nothing(shape: tuple[int, int], order: Order, give: Any) -> Any:
    nothing = Runs([], [0], np.zeros((0, 2), np.uint64), shape=shape, order=order)
    return dask.delayed(give, pure=False)(nothing, 1)


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "uib":
        raise TypeError(f"mask: labels are integers, not {dtype}; mask.astype('uint32') makes them so")


def encode_many(
    paths: Iterable[PathLike],
    out_dir: PathLike,
    format: str = "table",
    *,
    background: int | None = 0,
    order: Order = "F",
    threads: int | None = 1,
    memory: int | None = None,
    page: int = 0,
    level: int = 0,
    **options: Any,
) -> Any:
    """Encodes many mask files, one task each: a run file for each mask, named as the mask.

    A run file is there when it is whole, and not before. A second call passes over the masks whose run files are there, so
    that it goes on where a first one ended. A mask that fails does not end the others, and neither does a worker that dies:
    Dask gives its mask to another one.

    Parameters
    ----------
    paths : iterable of str or path
        Masks that all workers reach under these names.
    out_dir : str or path
        The folder of the run files, which all workers reach too; it is made if it is not there.
    format : str
        As in :meth:`Runs.write`.
    background, order, threads, memory, page, level
        As in :func:`encode` and :func:`runmask.open`.
    **options
        As in :meth:`Runs.write`.

    Returns
    -------
    pandas.DataFrame
        A row for each mask, in the order of `paths`: `path`, `output`, `status` ('done', 'skipped' or 'failed'), `labels`,
        `runs`, `seconds`, and `message`, empty but for what failed.

    Raises
    ------
    ValueError
        Two masks have the same name, or the format is not known. Nothing has begun then.

    Examples
    --------
    >>> import numpy, runmask, runmask.dask
    >>> for name in ("one", "two"):
    ...     numpy.save(f"{name}.npy", numpy.array([[0, 7, 7], [0, 7, 0]], dtype="uint16"))
    >>> found = runmask.dask.encode_many(["one.npy", "two.npy", "three.npy"], "runs")
    >>> found[["output", "status", "labels"]]
              output  status  labels
    0   runs/one.csv    done       1
    1   runs/two.csv    done       1
    2  runs/three.csv  failed       0
    """
    import pandas

    extension = _runmask.extension(format)
    sources = [os.fspath(path) for path in paths]
    folder = os.fspath(out_dir)
    targets: dict[str, str] = {}
    for source in sources:
        target = os.path.join(folder, f"{_stem(source)}.{extension}")
        if target in targets:
            raise ValueError(f"{targets[target]} and {source} would both be written to {target}")
        targets[target] = source
    os.makedirs(folder, exist_ok=True)
    opening = {"page": page, "level": level}
    encoding = {"background": background, "order": order, "threads": threads, "memory": memory}
    task = dask.delayed(_encode_file, pure=False)
    tasks = [task(source, target, format, opening, encoding, options) for target, source in targets.items()]
    rows = [
        _row(source, target, "failed", message=f"{source}: {row}") if isinstance(row, BaseException) else row
        for row, (target, source) in zip(_run_all(tasks), targets.items())
    ]
    return pandas.DataFrame(rows, columns=["path", "output", "status", "labels", "runs", "seconds", "message"])


def _stem(path: str) -> str:
    stem = os.path.splitext(os.path.basename(os.path.normpath(path)))[0]
    return stem[:-4] if stem.endswith(".ome") else stem


def _row(source: str, target: str, status: str, **others: Any) -> dict[str, Any]:
    return {
        "path": source, "output": target, "status": status, "labels": 0, "runs": 0, "seconds": 0.0, "message": "", **others
    }  # fmt: skip


def _encode_file(
    source: str,
    target: str,
    format: str,
    opening: dict[str, Any],
    encoding: dict[str, Any],
    options: dict[str, Any],
) -> dict[str, Any]:
    # Run files are whole when they have their names; an empty file is none.
    if os.path.isfile(target) and os.path.getsize(target):
        return _row(source, target, "skipped")
    start = time.perf_counter()
    try:
        runs = _files.open(source, **opening).encode(**encoding)
        runs.write(target, format, **options)
    except (OSError, ValueError, TypeError, MemoryError) as error:
        return _row(source, target, "failed", seconds=time.perf_counter() - start, message=str(error))
    seconds = time.perf_counter() - start
    return _row(source, target, "done", labels=len(runs), runs=len(runs.runs), seconds=seconds)


def _client() -> Any:
    """The client of the cluster that runs the tasks, if one does."""
    client = getattr(dask.base.get_scheduler(), "__self__", None)
    return client if hasattr(client, "gather") else None


def _run_all(tasks: list[Any]) -> list[Any]:
    """The results of all tasks; on a cluster, the exception instead where a task has none, as when it kills its workers."""
    client = _client()
    if client is None:
        return list(dask.compute(*tasks))
    from distributed import wait

    futures = client.compute(tasks)
    wait(futures)
    return [future.exception() if future.status == "error" else future.result() for future in futures]


@dataclass(frozen=True)
class Table:
    """The runs of a mask as a Dask dataframe, for results that are larger than a worker.

    Attributes
    ----------
    frame : dask.dataframe.DataFrame
        A row for each run, with the columns `label`, `start` and `length`, uint64. All runs of a label are in one partition;
        a run that blocks have split is still in pieces, which touch.
    shape : (height, width)
    order : 'F' or 'C'
    """

    frame: Any
    shape: tuple[int, int]
    order: Order


def table(
    mask: Any,
    *,
    background: int | None = 0,
    order: Order = "F",
    threads: int | None = 1,
    rows: int | None = None,
    memory: int | None = None,
    npartitions: int | None = None,
    **options: Any,
) -> Table:
    """The runs of a mask as a Dask dataframe whose partitions hold whole labels.

    Parameters
    ----------
    mask, background, order, threads, rows, memory, **options
        As in :func:`encode`.
    npartitions : int, optional
        Each partition has to fit into the memory of a worker. As many as there are blocks unless given.

    Examples
    --------
    >>> import dask.array, numpy, runmask.dask
    >>> mask = dask.array.from_array(numpy.array([[0, 7, 7], [0, 7, 0]]), chunks=(2, 2))
    >>> runmask.dask.table(mask, npartitions=1).frame.compute().sort_values("start").to_numpy().tolist()
    [[7, 2, 2], [7, 4, 1]]
    """
    # Takes half a second and 80 MB, which workers that only encode do without.
    from dask.dataframe import from_delayed

    shape, parts = _parts(mask, background, order, threads, rows, memory, options, give=_frame)
    frame = from_delayed(parts, meta=_empty(), verify_meta=False)
    if len(parts) > 1 or npartitions not in (None, 1):
        frame = frame.shuffle("label", npartitions=npartitions or len(parts))
    return Table(frame, shape, order)


def _empty() -> Any:
    import pandas

    return pandas.DataFrame({name: np.zeros(0, dtype) for name, dtype in _COLUMNS.items()})


def _frame(runs: Runs, threads: int | None = None) -> Any:
    return _tables.to_pandas(runs)


def _table_of(mask: Any, options: dict[str, Any]) -> Table:
    if not isinstance(mask, Table):
        return table(mask, **options)
    if options:
        raise TypeError(f"a Table takes no {', '.join(options)}")
    return mask


def _runs(frame: Any, shape: tuple[int, int], order: Order) -> Runs:
    return _tables.from_table(frame, shape=shape, order=order)


def measure(
    mask: Any,
    properties: Sequence[str] = ("label", "area", "bbox", "centroid"),
    *,
    pixel_size: float | tuple[float, float] | None = None,
    connectivity: int = 8,
    **options: Any,
) -> Any:
    """Measures every label, where the result, or the runs of all labels, are larger than a worker.

    Parameters
    ----------
    mask : dask array, path or Table
    properties, pixel_size, connectivity
        As in :meth:`Runs.measure`.
    **options
        As in :func:`table`.

    Returns
    -------
    dask.dataframe.DataFrame
        A row for each label; labels are in order within a partition, not across partitions.

    Examples
    --------
    >>> import dask.array, numpy, runmask.dask
    >>> mask = dask.array.from_array(numpy.array([[0, 7, 7], [0, 7, 0]]), chunks=(2, 2))
    >>> runmask.dask.measure(mask, ("label", "area")).compute().to_dict("list")
    {'label': [7], 'area': [3]}
    """
    whole = _table_of(mask, options)
    arguments = (whole.shape, whole.order, tuple(properties), pixel_size, connectivity)
    return whole.frame.map_partitions(_measure, *arguments, meta=_measure(_empty(), *arguments))


def _measure(
    frame: Any, shape: tuple[int, int], order: Order, properties: Sequence[str], pixel_size: Any, connectivity: int
) -> Any:
    import pandas

    runs = _runs(frame, shape, order)
    return pandas.DataFrame(runs.measure(properties, pixel_size=pixel_size, connectivity=connectivity, threads=1))


def components(
    mask: Any, connectivity: int = 8, *, min_area: int = 0, largest: bool = False, **options: Any
) -> Table:
    """The connected pieces of each label, where their runs are larger than a worker.

    Each piece has a label of its own: 1, 2, 3 ... by their first pixels, down the columns. Pieces of different labels that
    touch stay apart; holes are not filled, for which :meth:`Runs.components` needs all labels together. The first position of
    every piece, 8 bytes each, has to fit into one worker.

    Parameters
    ----------
    mask : dask array, path or Table
    connectivity, min_area, largest
        As in :meth:`Runs.components`.
    **options
        As in :func:`table`.

    Returns
    -------
    Table

    Examples
    --------
    >>> import dask.array, numpy, runmask.dask
    >>> mask = dask.array.from_array(numpy.array([[7, 0, 7], [7, 0, 0]]), chunks=(1, 2))
    >>> pieces = runmask.dask.components(mask, npartitions=1)
    >>> pieces.frame.compute().to_numpy().tolist()
    [[1, 0, 2], [2, 4, 1]]
    """
    from dask.dataframe import from_delayed

    whole = _table_of(mask, options)
    find = dask.delayed(_pieces, pure=False)
    partitions = whole.frame.to_delayed()
    pieces = [find(part, whole.shape, whole.order, connectivity, min_area, largest) for part in partitions]
    numbers = dask.delayed(_numbers, pure=False)([dask.delayed(_firsts, pure=False)(part) for part in pieces])
    frames = [dask.delayed(_renumbered, pure=False)(part, numbers[i], whole.order) for i, part in enumerate(pieces)]
    return Table(from_delayed(frames, meta=_empty(), verify_meta=False), whole.shape, whole.order)


def _pieces(
    frame: Any, shape: tuple[int, int], order: Order, connectivity: int, min_area: int, largest: bool
) -> Runs:
    runs = _runs(frame, shape, order)
    # Pieces are numbered down the columns.
    runs = runs if order == "F" else runs.to_order("F")
    return runs.components(connectivity, False, min_area, largest=largest, threads=1)


def _firsts(pieces: Runs) -> npt.NDArray[np.uint64]:
    firsts: npt.NDArray[np.uint64] = pieces.runs[pieces.offsets[:-1], 0]
    return firsts


def _numbers(firsts: list[npt.NDArray[np.uint64]]) -> list[npt.NDArray[np.uint64]]:
    """The number of each piece among those of all partitions."""
    together = np.concatenate(firsts)
    numbers = np.empty(len(together), np.uint64)
    numbers[np.argsort(together, kind="stable")] = np.arange(1, len(together) + 1, dtype=np.uint64)
    return np.split(numbers, np.cumsum([len(part) for part in firsts])[:-1])


def _renumbered(pieces: Runs, numbers: npt.NDArray[np.uint64], order: Order) -> Any:
    # Those of a partition ascend, as their first positions do.
    runs = Runs(numbers, pieces.offsets, pieces.runs, shape=pieces.shape, order="F")
    return _frame(runs if order == "F" else runs.to_order(order))


def to_parquet(mask: Any, folder: PathLike, **options: Any) -> list[str]:
    """Writes the runs of a mask to a folder of Parquet files, one for each partition.

    Each has the columns `label`, `start` and `length`, and in its metadata height, width and order, as runmask's own Parquet
    files have; pandas, polars and DuckDB read the folder as one table. The folder is there when all of it is, and not before.

    Parameters
    ----------
    mask : dask array, path or Table
    folder : str or path
        Which all workers reach, and which is not there yet.
    **options
        As in :func:`table`.

    Returns
    -------
    list of str
        The files.

    Raises
    ------
    FileExistsError
        The folder is there already.

    Examples
    --------
    >>> import dask.array, numpy, pandas, runmask.dask
    >>> mask = dask.array.from_array(numpy.array([[0, 7, 7], [0, 7, 0]]), chunks=(2, 2))
    >>> files = runmask.dask.to_parquet(mask, "runs.parquet", npartitions=1)
    >>> pandas.read_parquet("runs.parquet").to_numpy().tolist()
    [[7, 2, 3]]
    """
    target = os.path.abspath(os.fspath(folder))
    if os.path.lexists(target):
        raise FileExistsError(f"{target} is there already")
    whole = _table_of(mask, options)
    aside = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}-{uuid.uuid4().hex}")
    os.mkdir(aside)
    try:
        write = dask.delayed(_write_partition, pure=False)
        partitions = whole.frame.to_delayed()
        files = [os.path.join(aside, f"part-{number:05}.parquet") for number in range(len(partitions))]
        dask.compute(*(write(part, file, whole.shape, whole.order) for part, file in zip(partitions, files)))
        # Workers that died have left what they had begun.
        for begun in {os.path.join(aside, name) for name in os.listdir(aside)}.difference(files):
            os.remove(begun)
        os.rename(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return [os.path.join(target, os.path.basename(file)) for file in files]


def _write_partition(frame: Any, path: str, shape: tuple[int, int], order: Order) -> None:
    import pyarrow.parquet

    rows = _tables.to_arrow(_runs(frame, shape, order))
    words = {"F": "column-major", "C": "row-major"}
    metadata = {"runmask.order": words[order], "runmask.height": str(shape[0]), "runmask.width": str(shape[1])}
    # Another worker may be writing the same file, when this one is taken for dead.
    aside = f"{path}.{uuid.uuid4().hex}"
    pyarrow.parquet.write_table(rows.replace_schema_metadata(metadata), aside)
    os.replace(aside, path)
