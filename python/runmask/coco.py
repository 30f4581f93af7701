"""COCO's run-length encodings, by the names of ``pycocotools.mask``.

``from runmask import coco as mask_utils`` is all that changes in a program that uses pycocotools. An encoding is a dict of
``size``, height and width, and ``counts``, the compressed text as bytes; str and lists of numbers are read as well. Beyond
pycocotools, masks may be in any order of memory and of bool, positions have 64 bits, and a damaged encoding is an error
instead of other pixels.

>>> import numpy
>>> from runmask import coco
>>> rle = coco.encode(numpy.array([[0, 1, 1], [0, 1, 0]], dtype=numpy.uint8))
>>> rle
{'size': [2, 3], 'counts': b'231'}
>>> coco.area(rle), coco.toBbox(rle)
(np.uint32(3), array([1., 0., 2., 2.]))
>>> coco.decode(rle)
array([[0, 1, 1],
       [0, 1, 0]], dtype=uint8)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Union, overload

import numpy as np
import numpy.typing as npt

from . import _runmask
from ._arrays import labels_of, lay_out

__all__ = ["Rle", "area", "decode", "encode", "frBbox", "frPyObjects", "iou", "merge", "toBbox"]


class Rle(TypedDict):
    """The pixels of an object."""

    size: list[int]
    counts: bytes


#: An encoding that is read: its counts may be bytes, str or a list of numbers.
AnyRle = Union[Rle, Mapping[str, Any]]


def encode(bimask: npt.ArrayLike) -> Any:
    """The encoding of a mask, or the encodings of many.

    Parameters
    ----------
    bimask : array of integers or bool, shape (height, width) or (height, width, n)
        Pixels other than 0 are the object. Fortran order, in which each mask of many lies by itself, is fastest.

    Returns
    -------
    dict, or list of n dicts

    Examples
    --------
    >>> import numpy
    >>> from runmask import coco
    >>> coco.encode(numpy.eye(3, dtype=bool))
    {'size': [3, 3], 'counts': b'013000'}
    """
    # The usual one, for which all that follows would take longer than its pixels.
    if (rle := _runmask.coco_encode_plane(bimask)) is not None:
        return rle
    array = labels_of(bimask, "bimask", (2, 3))
    if array.dtype.itemsize > 1:
        array = array != 0
    array = array.view(np.uint8)
    if (rle := _runmask.coco_encode_plane(array)) is not None:
        return rle
    stack = array if array.ndim == 3 else array[:, :, np.newaxis]
    layout = lay_out(stack)
    assert layout is not None, "bytes are always aligned"
    height, width = stack.shape[:2]
    rles: list[Rle] = [{"size": [height, width], "counts": counts} for counts in _runmask.coco_encode(layout)]
    return rles if array.ndim == 3 else rles[0]


def decode(rleObjs: AnyRle | Sequence[AnyRle]) -> npt.NDArray[np.uint8]:
    """The mask of an encoding, or the masks of many: 1 where the object is, 0 elsewhere.

    Returns
    -------
    uint8 array, shape (height, width) or (height, width, n)
        In Fortran order.

    Raises
    ------
    FormatError
        Counts are damaged, or do not sum to the pixels of their size.
    ValueError
        The encodings have several sizes.
    """
    if type(rleObjs) is dict or isinstance(rleObjs, Mapping):
        given = _given((rleObjs,))
        mask = np.zeros(given[0][:2], np.uint8, order="F")
        _runmask.coco_decode(given, mask)
        return mask
    given = _given(rleObjs)
    height, width = _one_size(given)
    masks = np.zeros((height, width, len(given)), np.uint8, order="F")
    _runmask.coco_decode(given, masks)
    return masks


def merge(rleObjs: Sequence[AnyRle], intersect: bool | int = 0) -> Rle:
    """The encoding of the pixels that any of the encodings has, or, with `intersect`, all of them.

    Examples
    --------
    >>> from runmask import coco
    >>> coco.merge([{"size": [2, 2], "counts": [0, 1, 3]}, {"size": [2, 2], "counts": [3, 1]}])
    {'size': [2, 2], 'counts': b'0120'}
    """
    given = _given(rleObjs)
    height, width = _one_size(given)
    return {"size": [height, width], "counts": _runmask.coco_merge(given, bool(intersect))}


def area(rleObjs: AnyRle | Sequence[AnyRle]) -> Any:
    """The number of pixels of an encoding, or of each of many: uint32, or uint64 where one needs it."""
    if isinstance(rleObjs, Mapping):
        return area([rleObjs])[0]
    areas = _runmask.coco_area(_given(rleObjs))
    return areas if areas.size and areas.max() > np.iinfo(np.uint32).max else areas.astype(np.uint32)


def toBbox(rleObjs: AnyRle | Sequence[AnyRle]) -> npt.NDArray[np.float64]:
    """The box of an encoding, shape (4,), or of each of many, shape (n, 4): x, y, width, height as float64. All 0 where
    there are no pixels."""
    if isinstance(rleObjs, Mapping):
        first: npt.NDArray[np.float64] = toBbox([rleObjs])[0]
        return first
    return _runmask.coco_boxes(_given(rleObjs))


def iou(dt: Any, gt: Any, pyiscrowd: Sequence[bool | int]) -> Any:
    """Intersection over union of every detection and every ground truth.

    Parameters
    ----------
    dt, gt : lists of encodings, or boxes (x, y, width, height) as lists of four numbers or arrays of shape (n, 4)
        Both of one kind.
    pyiscrowd : a truth value for each of gt
        Whether it is a crowd, for which the area of the detection stands in place of the union.

    Returns
    -------
    float64 array, shape (detections, truths), or an empty list when there are none of one

    Examples
    --------
    >>> from runmask import coco
    >>> coco.iou([[0, 0, 2, 2]], [[1, 0, 2, 2], [0, 0, 2, 2]], [False, False])
    array([[0.33333333, 1.        ]])
    """
    if len(pyiscrowd) != len(gt):
        raise ValueError(f"pyiscrowd: expected one truth value for each of {len(gt)} in gt, found {len(pyiscrowd)}")
    if len(dt) == 0 or len(gt) == 0:
        return []
    crowd = [bool(value) for value in pyiscrowd]
    kinds = _are_boxes(dt), _are_boxes(gt)
    if kinds == (True, True):
        return _runmask.coco_box_iou(_boxes(dt), _boxes(gt), crowd)
    if kinds == (False, False):
        return _runmask.coco_iou(_given(dt), _given(gt), crowd)
    raise TypeError("dt and gt: expected encodings in both or boxes in both")


@overload
def frPyObjects(pyobj: Mapping[str, Any], h: int, w: int) -> Rle: ...
@overload
def frPyObjects(pyobj: Sequence[Any] | npt.NDArray[Any], h: int, w: int) -> Any: ...
def frPyObjects(pyobj: Any, h: int, w: int) -> Any:
    """Encodings of what COCO files hold.

    Parameters
    ----------
    pyobj : array of boxes; list of boxes, polygons or dicts; one box, polygon or dict
        A list of four numbers is a box (x, y, width, height), a longer one is a polygon, and a dict has uncompressed counts.
    h, w : int
        The size of the mask.

    Returns
    -------
    dict for one object, list of dicts for many

    Examples
    --------
    >>> from runmask import coco
    >>> coco.frPyObjects([[0, 0, 2, 0, 2, 2, 0, 2]], 3, 3)
    [{'size': [3, 3], 'counts': b'02103'}]
    >>> coco.frPyObjects({"size": [2, 3], "counts": [2, 3, 1]}, 2, 3)
    {'size': [2, 3], 'counts': b'231'}
    """
    if isinstance(pyobj, np.ndarray):
        return frBbox(pyobj, h, w)
    if isinstance(pyobj, Mapping):
        return frPyObjects([pyobj], h, w)[0]
    if not isinstance(pyobj, (list, tuple)):
        raise TypeError(f"pyobj: expected boxes, polygons or dicts, found {type(pyobj).__name__}")
    if len(pyobj) == 0:
        return []
    first = pyobj[0]
    if isinstance(first, Mapping):
        given = _given(pyobj)
        counts = _runmask.coco_from_counts(given)
        return [{"size": [size[0], size[1]], "counts": text} for size, text in zip(given, counts)]
    if isinstance(first, (list, tuple, np.ndarray)):
        return frBbox(pyobj, h, w) if len(first) == 4 else _from_polygons(pyobj, h, w)
    return (frBbox if len(pyobj) == 4 else _from_polygons)([pyobj], h, w)[0]


def frBbox(bb: npt.ArrayLike, h: int, w: int) -> list[Rle]:
    """Encodings of boxes (x, y, width, height), filled as COCO's polygons are.

    Examples
    --------
    >>> from runmask import coco
    >>> coco.frBbox([[1, 0, 2, 2]], 3, 3)
    [{'size': [3, 3], 'counts': b'32100'}]
    """
    return [{"size": [h, w], "counts": counts} for counts in _runmask.coco_from_boxes(_boxes(bb), h, w)]


def _from_polygons(polygons: Sequence[Any], h: int, w: int) -> list[Rle]:
    rings = [np.ascontiguousarray(polygon, np.float64).reshape(-1) for polygon in polygons]
    for ring in rings:
        if ring.size < 6 or ring.size % 2:
            raise ValueError(f"a polygon is x, y of at least three points, found {ring.size} numbers")
    return [{"size": [h, w], "counts": counts} for counts in _runmask.coco_from_polygons(rings, h, w)]


def _are_boxes(objects: Any) -> bool:
    return isinstance(objects, np.ndarray) or not any(isinstance(one, Mapping) for one in objects)


def _boxes(boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.ascontiguousarray(boxes, np.float64)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes: expected the shape (n, 4), found {array.shape}")
    return array


def _given(rles: Sequence[AnyRle]) -> list[tuple[int, int, Any]]:
    try:
        return [(*rle["size"], rle["counts"]) for rle in rles]
    except (TypeError, KeyError) as error:
        raise TypeError("an encoding is a dict of size, [height, width], and counts") from error


def _one_size(given: list[tuple[int, int, Any]]) -> tuple[int, int]:
    if not given:
        return 0, 0
    sizes = {(height, width) for height, width, _ in given}
    if len(sizes) > 1:
        one, other = sorted(sizes)[:2]
        raise ValueError(f"encodings of several sizes, {one} and {other}: masks of one size are needed")
    return sizes.pop()
