"""Arrays measured, taken apart and compared, without the runs of every label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from . import _runmask
from ._arrays import background_of, labels_of, memory_order, unsigned
from ._masks import Order, encode, mark
from ._runmask import MaskFile, Runs

__all__ = ["compare", "components", "measure", "overlaps", "remove_small"]

#: What may stand for a mask.
Mask = Runs | MaskFile | npt.ArrayLike


def measure(
    mask: npt.ArrayLike,
    properties: Sequence[str] = ("label", "area", "bbox", "centroid"),
    pixel_size: float | tuple[float, float] | None = None,
    *,
    connectivity: int = 8,
    background: int | None = 0,
    threads: int | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Measures every label of a mask, without its runs by label: where labels are many, that takes less time than
    :func:`encode` and :meth:`Runs.measure`.

    Parameters
    ----------
    mask : array of integers or bool, shape (height, width)
        As in :func:`encode`.
    properties, pixel_size, connectivity, threads
        As in :meth:`Runs.measure`.
    background : int or None
        As in :func:`encode`.

    Returns
    -------
    dict of arrays
        As :meth:`Runs.measure` gives it.

    Raises
    ------
    TypeError
        The labels are no integers; or the mask is a Runs or a MaskFile, which have a method of the same name.
    ValueError
        The mask does not have two dimensions, a label is negative, or a property, pixel size or connectivity is not known.

    Examples
    --------
    >>> import numpy, runmask
    >>> table = runmask.measure(numpy.array([[0, 7, 7], [0, 7, 0]]), ("label", "area"))
    >>> {name: column.tolist() for name, column in table.items()}
    {'label': [7], 'area': [3]}
    """
    # The same in either order.
    marked = _of_array(mask, "measure", background, None, threads)
    return marked.measure(properties, pixel_size, connectivity=connectivity, threads=threads)


@overload
def components(
    mask: npt.ArrayLike | MaskFile,
    connectivity: int = 8,
    binary: bool = False,
    min_area: int = 0,
    fill_holes: int = 0,
    *,
    largest: bool = False,
    return_sources: Literal[False] = False,
    background: int | None = 0,
    order: Order = "F",
    threads: int | None = None,
) -> Runs: ...
@overload
def components(
    mask: npt.ArrayLike | MaskFile,
    connectivity: int = 8,
    binary: bool = False,
    min_area: int = 0,
    fill_holes: int = 0,
    *,
    largest: bool = False,
    return_sources: Literal[True],
    background: int | None = 0,
    order: Order = "F",
    threads: int | None = None,
) -> tuple[Runs, npt.NDArray[np.uint64]]: ...
def components(
    mask: npt.ArrayLike | MaskFile,
    connectivity: int = 8,
    binary: bool = False,
    min_area: int = 0,
    fill_holes: int = 0,
    *,
    largest: bool = False,
    return_sources: bool = False,
    background: int | None = 0,
    order: Order = "F",
    threads: int | None = None,
) -> Runs | tuple[Runs, npt.NDArray[np.uint64]]:
    """The connected pieces of each label of a mask, or of its foreground, each with a label of its own: 1, 2, 3 ... by their
    first pixels, down the columns. A binary mask becomes instances.

    Parameters
    ----------
    mask : array of integers or bool, shape (height, width), or MaskFile
        As in :func:`encode`.
    connectivity, binary, min_area, fill_holes, largest, return_sources, threads
        As in :meth:`Runs.components`.
    background, order
        As in :func:`encode`.

    Returns
    -------
    Runs, or (Runs, uint64 array)
        As :meth:`Runs.components` gives them.

    Raises
    ------
    TypeError
        The labels are no integers; or the mask is a Runs, which has a method of the same name.
    ValueError
        The mask does not have two dimensions, a label is negative, or the connectivity is neither 4 nor 8.

    Examples
    --------
    >>> import numpy, runmask
    >>> nuclei = runmask.components(numpy.array([[True, False, True], [False, False, True]]), connectivity=4)
    >>> nuclei.decode()
    array([[1, 0, 2],
           [0, 0, 2]], dtype=uint8)
    """
    marked = _of_array(mask, "components", background, order, threads)
    return marked.components(
        connectivity, binary, min_area, fill_holes, largest=largest, return_sources=return_sources, threads=threads
    )


def remove_small(
    mask: npt.ArrayLike,
    min_area: int,
    *,
    background: int = 0,
    out: npt.NDArray[Any] | None = None,
    threads: int | None = None,
) -> npt.NDArray[Any]:
    """A mask without the labels of few pixels. Pieces of labels: :func:`components` has a `min_area` too.

    Parameters
    ----------
    mask : array of integers or bool, shape (height, width)
        As in :func:`encode`.
    min_area : int
        Labels of fewer pixels become background.
    background : int
        The label that is none.
    out : array, optional
        Where the result goes: the mask itself, or another array of its shape and type. A new array unless given.
    threads : int, optional
        As in :func:`encode`.

    Returns
    -------
    array of the mask's type, shape (height, width)

    Raises
    ------
    TypeError
        The labels are no integers, or `out` is of another type.
    ValueError
        The mask does not have two dimensions, a label is negative, or `out` has another shape or cannot be written to.

    Examples
    --------
    >>> import numpy, runmask
    >>> runmask.remove_small(numpy.array([[0, 7, 7], [5, 7, 0]]), 2)
    array([[0, 7, 7],
           [0, 7, 0]])
    """
    array = labels_of(mask)
    if out is not None and out.dtype != array.dtype:
        raise TypeError(f"out: expected an array of {array.dtype}, found {out.dtype}")
    if out is not None and out.shape != array.shape:
        raise ValueError(f"out: expected shape {array.shape}, found {out.shape}")
    runs = encode(array, background=background, order=memory_order(array), threads=threads)
    few = runs.measure(["area"], threads=threads)["area"] < min_area
    if out is None:
        out = array.astype(array.dtype.newbyteorder("="), order="K")
    elif out is not mask:
        np.copyto(out, array)
    # A negative background is a large one, as it lies in memory.
    runs.select(runs.labels[few]).erase(unsigned(out), background_of(background, array) or 0)
    return out


def _of_array(
    mask: npt.ArrayLike | MaskFile, verb: str, background: int | None, order: Order | None, threads: int | None
) -> _runmask.Marked:
    """An array, marked. What has the verb as a method of its own is left to that."""
    if isinstance(mask, (Runs, MaskFile)) and hasattr(mask, verb):
        kind = type(mask).__name__
        raise TypeError(f"mask: expected an array, found {kind}; call its method, {kind}.{verb}")
    return _marked(mask, background, order, threads)


def _marked(
    mask: npt.ArrayLike | MaskFile, background: int | None = 0, order: Order | None = None, threads: int | None = None
) -> _runmask.Marked:
    """A mask, marked in the order asked for, or in the one that is the fastest."""
    if isinstance(mask, MaskFile):
        # Tiles are marked where they lie.
        return mask._mark(background=background, order=order or "F", threads=threads)
    array = labels_of(mask)
    return mark(array, background, order or memory_order(array), threads)


def _sides(one: Mask, other: Mask) -> tuple[Runs | _runmask.Marked, Runs | _runmask.Marked]:
    """Two masks that are walked together, in one order: that of runs, which are there, or else the one that is the fastest."""
    masks = one, other
    orders: list[Order] = [mask.order for mask in masks if isinstance(mask, Runs)]
    orders += ["F" for mask in masks if isinstance(mask, MaskFile)]
    order = orders[0] if orders else memory_order(labels_of(one))

    def side(mask: Mask) -> Runs | _runmask.Marked:
        return mask if isinstance(mask, Runs) else _marked(mask, order=order)

    return side(one), side(other)


def overlaps(first: Mask, second: Mask) -> npt.NDArray[np.uint64]:
    """The pairs of labels of two masks that share pixels.

    Parameters
    ----------
    first, second : Runs, MaskFile or array of integers or bool, shape (height, width)
        Of masks of the same shape, whose labels do not overlap within a mask. The background of files and arrays is 0; where
        labels are many, they take less time than to encode them first.

    Returns
    -------
    uint64 array, shape (n, 3)
        The label in the first mask, the label in the second, and the number of pixels that have both; ascending.

    Raises
    ------
    ValueError
        The shapes differ, labels of one of the runs overlap, or a label of an array is negative.

    Examples
    --------
    >>> import numpy, runmask
    >>> one, other = numpy.array([[7, 7, 7, 0, 2]]), numpy.array([[0, 4, 4, 4, 4]])
    >>> runmask.overlaps(one, other).tolist()
    [[2, 4, 1], [7, 4, 2]]
    """
    return _runmask.overlaps(*_sides(first, second))


def compare(truth: Mask, prediction: Mask, thresholds: Sequence[float] | None = None) -> dict[str, Any]:
    """The scores of a segmentation against the truth.

    Parameters
    ----------
    truth, prediction : Runs, MaskFile or array of integers or bool, shape (height, width)
        As in :func:`overlaps`.
    thresholds : sequence of float, optional
        The thresholds of F1: 0.5, 0.55 and so on to 0.95 unless given.

    Returns
    -------
    dict
        `pq`, `sq` and `dq`: panoptic, segmentation and detection quality, of matches with an IoU above 0.5; `aji`, the
        aggregated Jaccard index; `dice` and `iou` of the foregrounds; `f1`, a dict of scores by threshold; and the numbers
        of labels `matched`, in the `truth` and in the `prediction`.

    Raises
    ------
    ValueError
        As in :func:`overlaps`, and where a threshold is not from 0 to 1.

    Examples
    --------
    >>> import numpy, runmask
    >>> truth, prediction = numpy.array([[1, 1, 1, 1, 0, 2]]), numpy.array([[5, 5, 5, 0, 0, 0]])
    >>> scores = runmask.compare(truth, prediction, [0.5])
    >>> scores["sq"], scores["matched"], scores["f1"]
    (0.75, 1, {0.5: 0.6666666666666666})
    """
    first, second = _sides(truth, prediction)
    return _runmask.compare(first, second, None if thresholds is None else list(thresholds))
