"""Masks to runs, and the text of competitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from . import _runmask
from ._arrays import background_of, check_labels, labels_of, lay_out, rows_of, unsigned
from ._runmask import Runs

__all__ = ["encode", "encode_block", "mark", "mask2rle", "merge", "rle2mask"]

Found = TypeVar("Found")
Order = Literal["F", "C"]
Engine = Literal["auto", "scalar", "simd", "gpu"]


def encode(
    mask: npt.ArrayLike,
    *,
    background: int | None = 0,
    order: Order = "F",
    engine: Engine = "auto",
    threads: int | None = None,
) -> Runs:
    """The runs of every label of a mask.

    Parameters
    ----------
    mask : array of integers or bool, shape (height, width)
        C order, Fortran order, a crop, a step or a flip of a larger array, read-only or memory-mapped: it is not copied.
        Signed labels may not be negative, unless `background` is the only negative number.
    background : int or None
        The label that has no runs; None for runs of every label.
    order : 'F' or 'C'
        Whether positions go down the columns, as competitions and COCO number them, or along the rows. It has nothing to do
        with the array's order in memory, but where both are the same and labels are many, it takes a half or a third of the
        time: where you do not care, give 'C' for arrays in C order.
    engine : 'auto', 'scalar', 'simd' or 'gpu'
        Who finds the runs, which are the same for all.
    threads : int, optional
        All of the machine unless given.

    Returns
    -------
    Runs

    Raises
    ------
    TypeError
        The labels are no integers, or are in the memory of a graphics card; the message says what to call.
    ValueError
        The mask does not have two dimensions, or a label is negative.

    Examples
    --------
    >>> import numpy, runmask
    >>> mask = numpy.array([[0, 7, 7], [0, 7, 0]])
    >>> runs = runmask.encode(mask)
    >>> runs.labels
    array([7], dtype=uint64)
    >>> runs[7]
    array([[2, 3]], dtype=uint64)
    >>> runmask.encode(mask, order="C")[7]
    array([[1, 2],
           [4, 1]], dtype=uint64)
    """
    return _read(
        mask,
        _runmask.encode,
        _runmask.encode_rows,
        lambda runs: int(runs.labels[-1]) if len(runs) else None,
        {"background": background, "order": order, "engine": engine, "threads": threads},
    )


def mark(mask: npt.ArrayLike, background: int | None, order: Order, threads: int | None) -> _runmask.Marked:
    """A mask with its runs in scan order, not grouped by label: for operations that need no more."""
    return _read(
        mask,
        _runmask.mark,
        _runmask.mark_rows,
        lambda marked: marked.largest,
        {"background": background, "order": order, "engine": "auto", "threads": threads},
    )


def _read(
    mask: npt.ArrayLike,
    flat: Callable[..., Found],
    by_rows: Callable[..., Found],
    largest: Callable[[Found], int | None],
    options: dict[str, Any],
) -> Found:
    """What is found in an array where it lies, or some rows at a time. `largest` is the largest label that was met."""
    array = labels_of(mask)
    plain = unsigned(array)
    layout = lay_out(plain)
    options["background"] = background_of(options["background"], array)

    def right(found: Found) -> bool:
        label = None if array.dtype.kind == "u" else largest(found)
        return label is None or check_labels(array, label)

    if layout is not None:
        found = flat(*layout, **options)
        if right(found):
            return found
    found = by_rows(rows_of(array), array.shape, plain.dtype.newbyteorder("="), **options)
    right(found)
    return found


def encode_block(
    block: npt.ArrayLike,
    origin: tuple[int, int],
    shape: tuple[int, int],
    *,
    background: int | None = 0,
    order: Order = "F",
    threads: int | None = None,
) -> Runs:
    """The runs of a block of a mask, in positions of the whole mask; :func:`merge` puts blocks together.

    Parameters
    ----------
    block : array of integers or bool
        As in :func:`encode`.
    origin : (row, column)
        The place of the block's first pixel in the mask.
    shape : (height, width)
        The size of the whole mask.
    background, order, threads
        As in :func:`encode`.

    Examples
    --------
    >>> import numpy, runmask
    >>> mask = numpy.array([[0, 7, 7], [0, 7, 0]])
    >>> parts = [runmask.encode_block(mask[:, c : c + 2], (0, c), mask.shape) for c in (0, 2)]
    >>> runmask.merge(parts) == runmask.encode(mask)
    True
    """
    runs = encode(block, background=background, order=order, threads=threads)
    height, width = shape
    (row, column), size = origin, runs.shape
    if not (size and 0 <= row <= height - size[0] and 0 <= column <= width - size[1]):
        raise ValueError(f"block: {size} from {origin} reaches outside the mask of shape {shape}")
    return runs.place(row, column, shape)


def merge(parts: Iterable[Runs], *, threads: int | None = None) -> Runs:
    """The runs of the blocks of one mask, put together: runs that go on in the next block become one.

    The order of the parts does not matter, and merges of merges give the same.

    Parameters
    ----------
    parts : iterable of Runs
        Of one shape and order, as :func:`encode_block` gives them.
    threads : int, optional
        All of the machine unless given.

    Raises
    ------
    ValueError
        Shapes or orders differ, or two parts have a pixel of the same label, as when a block is given twice.
    """
    return _runmask.merge(list(parts), threads=threads)


def mask2rle(mask: npt.ArrayLike, label: int | None = None, base: int = 1, order: Order = "F") -> str:
    """The text that competitions take for an object: starts and lengths with spaces between them.

    Parameters
    ----------
    mask : array of integers or bool, shape (height, width)
    label : int, optional
        The label of the object; unless given, all pixels but those of 0 are one object.
    base : int
        The number of the first pixel: 1 in most competitions, 0 in some.
    order : 'F' or 'C'
        Whether pixels are numbered down the columns, as in most competitions, or along the rows.

    Returns
    -------
    str
        Empty when the object has no pixels.

    Examples
    --------
    >>> import numpy, runmask
    >>> runmask.mask2rle(numpy.array([[0, 1, 1], [0, 1, 0]]))
    '3 3'
    """
    background = None if label == 0 else 0
    return _runmask.to_text(encode(mask, background=background, order=order), label, base)


def rle2mask(text: str | None, shape: tuple[int, int], base: int = 1, order: Order = "F") -> npt.NDArray[np.uint8]:
    """The mask of an object from the text that competitions take: 1 where its pixels are, 0 elsewhere.

    Parameters
    ----------
    text : str or None
        Starts and lengths, in any order but without overlaps. None and NaN, pandas' empty cells, are an object without
        pixels, as is an empty text.
    shape : (height, width)
        The size of the mask. Many programs take width and height instead: the result is then a mask in pieces.
    base : int
        The number of the first pixel: 1 in most competitions, 0 in some.
    order : 'F' or 'C'
        Whether pixels are numbered down the columns, as in most competitions, or along the rows.

    Raises
    ------
    FormatError
        The text is no pairs of numbers.
    ValueError
        A run has no pixels, overlaps another or ends outside the mask.

    Examples
    --------
    >>> import runmask
    >>> runmask.rle2mask("3 3", (2, 3))
    array([[0, 1, 1],
           [0, 1, 0]], dtype=uint8)
    """
    if text is None or text != text:
        text = ""
    if not isinstance(text, str):
        raise TypeError(f"text: expected starts and lengths as a str, found {type(text).__name__}")
    height, width = shape
    decoded: npt.NDArray[Any] = _runmask.from_text(text, (height, width), base, order).decode("uint8")
    return decoded
