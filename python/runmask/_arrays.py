"""Arrays as the compiled half takes them: flat memory, and where the pixels are in it."""

from __future__ import annotations

from typing import Any, Callable, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Layout", "lay_out", "background_of", "check_labels", "labels_of", "memory_order", "rows_of", "unsigned"]


class Layout(NamedTuple):
    """Pixel (i, j, ...) is ``pixels[origin + i * strides[0] + j * strides[1] + ...]``."""

    pixels: npt.NDArray[Any]
    origin: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def labels_of(mask: Any, what: str = "mask", dimensions: tuple[int, ...] = (2,)) -> npt.NDArray[Any]:
    """The array of integers that `mask` is, with as many dimensions as it may have; what it shows is not copied."""
    if isinstance(mask, np.ma.MaskedArray):
        raise TypeError(f"{what}: a masked array; say what its masked pixels are, for instance {what}.filled(0)")
    if not isinstance(mask, np.ndarray):
        mask = _from_other(mask, what)
    array = np.asarray(mask)
    if array.dtype.kind not in "uib":
        raise TypeError(f"{what}: labels are integers or bool, not {array.dtype}{_remedy(array, what)}")
    if array.ndim not in dimensions:
        planes = f"; for one plane of it, {what}[..., 0] or {what}[0]" if array.ndim > max(dimensions) else ""
        expected = " or ".join(map(str, dimensions))
        raise ValueError(f"{what}: expected {expected} dimensions, found {array.ndim} of shape {array.shape}{planes}")
    return array


def _from_other(mask: Any, what: str) -> Any:
    """What another library's array is in numpy, without a copy where it lies in the memory of the machine."""
    if hasattr(mask, "__cuda_array_interface__"):
        remedy = ".cpu()" if hasattr(mask, "cpu") else ".get()"
        raise TypeError(f"{what}: it is in the memory of a graphics card; {what}{remedy} copies it to the machine's")
    device = getattr(mask, "__dlpack_device__", None)
    # Kind 1 is the machine's own memory.
    if device is not None and int(device()[0]) != 1:
        raise TypeError(f"{what}: it is in the memory of another device; {what}.cpu() or the like copies it to the machine's")
    if device is not None and not hasattr(mask, "__array__"):
        return np.from_dlpack(mask)
    return np.asarray(mask)


def _remedy(array: npt.NDArray[Any], what: str) -> str:
    if array.dtype.kind == "f":
        return f"; if its values are whole numbers, {what}.astype(numpy.uint32) makes them labels"
    if array.dtype.kind == "O":
        return f"; {what}.astype(numpy.uint64) makes labels of Python's integers"
    return ""


def unsigned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same memory as unsigned integers."""
    kind = np.dtype(f"u{array.itemsize}").newbyteorder(array.dtype.byteorder)
    return array if array.dtype.kind == "u" else array.view(kind)


def lay_out(array: npt.NDArray[Any]) -> Layout | None:
    """The layout of an array of unsigned integers; None when its pixels do not lie at multiples of their size, or are in
    the byte order of other machines."""
    size = array.itemsize
    if not (array.flags.aligned and array.dtype.isnative) or any(stride % size for stride in array.strides):
        return None
    strides = tuple(stride // size for stride in array.strides)
    if array.size == 0:
        return Layout(np.empty(0, array.dtype), 0, array.shape, strides)
    reaches = [(side - 1) * stride for side, stride in zip(array.shape, strides)]
    # The pixel that comes first in memory, and from it to the last one: all of that is the array's own memory or that
    # of the array which it is a view of.
    first = array[tuple(slice(None, None, -1) if reach < 0 else slice(None) for reach in reaches)]
    length = 1 + sum(map(abs, reaches))
    pixels = np.lib.stride_tricks.as_strided(first, (length,), (size,), writeable=False)
    return Layout(pixels, -sum(reach for reach in reaches if reach < 0), array.shape, strides)


def memory_order(array: npt.NDArray[Any]) -> Literal["F", "C"]:
    """The order whose scan lines lie along memory: where labels are many, they are found in a third of the time in it."""
    return "F" if abs(array.strides[0]) < abs(array.strides[1]) else "C"


def rows_of(array: npt.NDArray[Any]) -> Callable[[int, int], npt.NDArray[np.uint8]]:
    """Gives some rows of an array as bytes: what is laid out so that it has to be copied is copied a little at a time."""
    native = array.dtype.newbyteorder("=")

    def rows(first: int, count: int) -> npt.NDArray[np.uint8]:
        part = array[first : first + count]
        part = part.view(np.uint8) != 0 if native.kind == "b" else part.astype(native)
        return np.ascontiguousarray(part).reshape(-1).view(np.uint8)

    return rows


def background_of(background: int | None, array: npt.NDArray[Any]) -> int | None:
    """The background as the unsigned integer that lies in memory for it."""
    if background is None:
        return None
    background = int(background)
    if background >= 0:
        return background
    if array.dtype.kind != "i":
        raise ValueError(f"background: {background} is not among the values of {array.dtype}")
    if background < np.iinfo(array.dtype).min:
        raise ValueError(f"background: {background} is not among the values of {array.dtype}")
    return int(background + (1 << (8 * array.itemsize)))


def check_labels(array: npt.NDArray[Any], largest: int) -> bool:
    """Whether an array was rightly read as unsigned integers, of which `largest` is the largest that is not background.

    A negative label is an error. A bool that is neither 0 nor 1 in memory is true, and not the label that it seems.
    """
    if array.dtype.kind == "b":
        return largest <= 1
    if array.dtype.kind == "i" and largest >> (8 * array.itemsize - 1):
        negative = largest - (1 << (8 * array.itemsize))
        raise ValueError(
            f"mask: labels are numbers from 0, but {negative} is among them; background={negative} if it stands for "
            "nothing, otherwise give it a number of its own"
        )
    return True
