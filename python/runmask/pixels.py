"""The escape-key codec: runs of equal pixels of an RGBA picture as records of 9 bytes.

>>> import numpy
>>> from runmask import pixels
>>> picture = numpy.zeros((2, 300, 4), numpy.uint8)
>>> records = pixels.encode(picture)
>>> len(records)
27
>>> bool((pixels.decode(records, (2, 300)) == picture).all())
True
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import _runmask

__all__ = ["decode", "encode"]

ChannelOrder = Literal["rgba", "bgra"]


def encode(picture: npt.ArrayLike, *, channel_order: ChannelOrder = "rgba") -> bytes:
    """The records of a picture.

    Parameters
    ----------
    picture : uint8 array, shape (height, width, 4)
        Red, green, blue and alpha of each pixel, with any strides. Records go along the rows and know no end of a row.
    channel_order : 'rgba' or 'bgra'
        The order of a pixel's bytes in the records. Programs that write the memory of a picture of 32-bit words on a
        little-endian machine write 'bgra'.

    Returns
    -------
    bytes
        Nine for each record: 255, 255, 0, 0, the pixel, and how often it repeats, 1 to 255. The shape is not among them.

    Raises
    ------
    TypeError
        The array is not of uint8.
    ValueError
        It does not have four channels.

    Examples
    --------
    >>> import numpy, runmask
    >>> list(runmask.pixels.encode(numpy.full((1, 3, 4), 7, numpy.uint8)))
    [255, 255, 0, 0, 7, 7, 7, 7, 3]
    """
    array = np.asarray(picture)
    if array.dtype != np.uint8:
        raise TypeError(f"picture: expected uint8, found {array.dtype}; picture.astype(numpy.uint8) makes it so")
    if array.ndim != 3 or array.shape[2] != 4:
        raise ValueError(f"picture: expected the shape (height, width, 4), red, green, blue and alpha, found {array.shape}")
    return _runmask.pixels_encode(array, channel_order)


def decode(
    records: bytes | bytearray | memoryview | npt.NDArray[np.uint8],
    shape: tuple[int, int],
    *,
    channel_order: ChannelOrder = "rgba",
) -> npt.NDArray[np.uint8]:
    """The picture of records.

    Parameters
    ----------
    records : bytes, or any other object with a buffer of bytes
    shape : (height, width)
        The size of the picture, which the records do not say.
    channel_order : 'rgba' or 'bgra'
        The order of a pixel's bytes in the records; it is red, green, blue and alpha in the picture.

    Returns
    -------
    uint8 array, shape (height, width, 4)

    Raises
    ------
    FormatError
        A record is damaged, or they sum to another number of pixels; `place` names the byte.

    Examples
    --------
    >>> import runmask
    >>> runmask.pixels.decode(bytes([255, 255, 0, 0, 9, 8, 7, 255, 2]), (1, 2)).tolist()
    [[[9, 8, 7, 255], [9, 8, 7, 255]]]
    """
    height, width = shape
    picture: npt.NDArray[np.uint8] = np.empty((height, width, 4), np.uint8)
    given: npt.NDArray[Any] = np.frombuffer(records, np.uint8)
    _runmask.pixels_decode(given, picture.reshape(-1), channel_order)
    return picture
