"""Mask files and run files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Union

import numpy.typing as npt

from . import _runmask
from ._runmask import MaskFile, Runs

__all__ = ["convert", "doctor", "open", "read", "read_images"]

PathLike = Union[str, "os.PathLike[str]"]

#: What says how a file is read; everything else that `convert` is told says how it is written.
_OF_READERS = ("shape", "skip_other_shapes", "ignore_columns", "fill_rule", "label_property")


def open(
    path: PathLike,
    page: int = 0,
    level: int = 0,
    label: str | None = None,
    *,
    index: Mapping[str, int] | None = None,
    dtype: npt.DTypeLike | None = None,
    shape: tuple[int, int] | None = None,
) -> MaskFile:
    """Opens a mask file: TIFF, BigTIFF and OME-TIFF, PNG, NPY, an OME-Zarr store, or labels without a header.

    Its pixels stay where they are until :meth:`MaskFile.encode` or :meth:`MaskFile.measure` reads them, strip by strip and
    in bounded memory, or :meth:`MaskFile.read` reads them all. What the file says about the size of a pixel is
    :attr:`MaskFile.pixel_size`.

    Parameters
    ----------
    path : str or path
    page : int
        The page of a TIFF, from 0.
    level : int
        The level of the pyramid of a page or store, 0 being the full size.
    label : str, optional
        The name of the labels of an OME-Zarr image that has several.
    index : dict, optional
        The place along other axes of an OME-Zarr store than y and x, ``{"t": 0, "z": 4}``.
    dtype, shape : optional
        The type and (height, width) of a file that has no header, whose labels are little endian.

    Raises
    ------
    FormatError
        The file is no mask file, or a damaged one.
    OSError
        The file cannot be read.
    ValueError
        The page or level is not there, or the file holds something else than one label a pixel.

    Examples
    --------
    >>> import numpy, runmask
    >>> numpy.save("mask.npy", numpy.array([[0, 7, 7], [0, 7, 0]], dtype="uint16"))
    >>> mask = runmask.open("mask.npy")
    >>> mask.shape, mask.dtype
    ((2, 3), dtype('uint16'))
    >>> mask.encode()[7]
    array([[2, 3]], dtype=uint64)
    """
    return MaskFile(os.fspath(path), page, level, label, index, dtype, shape)


def read(
    path: PathLike,
    format: str | None = None,
    shape: tuple[int, int] | None = None,
    image: str | None = None,
    *,
    order: str | None = None,
    base: int | None = None,
    renumber: bool = False,
    skip_other_shapes: bool = False,
    ignore_columns: bool = False,
    header: str | None = None,
    fill_rule: str | None = None,
    label_property: str | None = None,
) -> Runs:
    """Reads the runs of one mask from a run file.

    Parameters
    ----------
    path : str or path
    format : str, optional
        'hubmap', 'table', 'kaggle', 'siim', 'coco', 'sam', 'oid', 'cvat', 'labelstudio' or 'geojson'. Unless given, the
        content tells it; where several formats fit, that is an error, and :func:`doctor` says more. A file that is compressed
        with gzip is unpacked.
    shape : (height, width), optional
        The size of the mask, for formats that do not say: runs outside it are an error.
    image : str, optional
        The id of the image, in a file of many; :func:`read_images` reads them all.
    order : 'F' or 'C', optional
        Whether positions go down the columns or along the rows, for formats that leave that open; 'F' unless given.
    base : int, optional
        kaggle: the number of the first pixel, 1 unless given.
    renumber : bool
        Numbers the objects 1, 2, 3 ... in the order of the file, whatever numbers the file gives them.
    skip_other_shapes : bool
        JSON: passes over annotations without runs, such as polygons; otherwise they are an error.
    ignore_columns : bool
        CSV: passes over columns that are not known; otherwise they are an error.
    header : str, optional
        CSV: the names of the columns of images and of runs, 'id,mask', where they have names that are not known.
    fill_rule : 'centre' or 'coco', optional
        Polygons: the pixels whose centres are inside, or those of pycocotools; the former unless given.
    label_property : str, optional
        geojson: the property of features that holds their labels. Unless given, the label that :meth:`Runs.to_geojson` wrote,
        or else the place in the file.

    Warns
    -----
    UserWarning
        Something was passed over, as the format says: points and lines among polygons.

    Raises
    ------
    FormatError
        The first defect of the file: its place, what is expected there and what is found.
    ValueError
        Several formats fit, or the file holds several images, and none is named.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import runmask
    >>> with open("submission.csv", "w") as file:
    ...     _ = file.write("id,rle\\nslide,3 3\\n")
    >>> runs = runmask.read("submission.csv", "kaggle", shape=(2, 3))
    >>> runs.decode()
    array([[0, 1, 1],
           [0, 1, 0]], dtype=uint8)
    """
    return _runmask.read(os.fspath(path), format, _given(locals(), "path", "format"))


def read_images(
    path: PathLike,
    format: str | None = None,
    shape: tuple[int, int] | None = None,
    *,
    order: str | None = None,
    base: int | None = None,
    renumber: bool = False,
    skip_other_shapes: bool = False,
    ignore_columns: bool = False,
    header: str | None = None,
    fill_rule: str | None = None,
    label_property: str | None = None,
) -> dict[str, Runs]:
    """Reads the runs of every image of a run file, by id and in the order of the file.

    The parameters are those of :func:`read`.

    Examples
    --------
    >>> import runmask
    >>> with open("train.csv", "w") as file:
    ...     _ = file.write("id,rle\\none,3 3\\none,1 1\\nother,2 1\\n")
    >>> runmask.read_images("train.csv", "kaggle", shape=(2, 3))
    {'one': Runs(labels=2, runs=2, shape=(2, 3), order='F'), 'other': Runs(labels=1, runs=1, shape=(2, 3), order='F')}
    """
    return dict(_runmask.read_images(os.fspath(path), format, _given(locals(), "path", "format")))


def convert(
    source: PathLike,
    target: PathLike,
    format: str | None = None,
    *,
    from_format: str | None = None,
    from_order: str | None = None,
    from_base: int | None = None,
    from_image: str | None = None,
    from_header: str | None = None,
    **options: Any,
) -> None:
    """Writes a run file in another format, object by object and without pixels.

    Parameters
    ----------
    source, target : str or path
    format, from_format : str, optional
        The formats of the target, which otherwise its extension tells, and of the source, which otherwise its content tells.
    from_order, from_base, from_image, from_header : optional
        `order`, `base`, `image` and `header` of the source, as in :func:`read`.
    **options
        `shape`, `skip_other_shapes`, `ignore_columns`, `fill_rule` and `label_property` of :func:`read`, and the options of
        :meth:`Runs.write`.

    Warns
    -----
    UserWarning
        Height and width are left out, where the target has no place for them; other losses are errors. Points and lines among
        polygons are passed over. Simplified outlines have another area.

    Raises
    ------
    FormatError
        The first defect of the source.
    ValueError
        The target cannot hold something; the message names the option that leaves it out.
    OSError
        A file cannot be read or written.

    Examples
    --------
    >>> import numpy, runmask
    >>> runmask.encode(numpy.array([[0, 7, 7], [0, 7, 0]])).write("runs.csv", "table")
    >>> runmask.convert("runs.csv", "runs.json", shape=(2, 3))
    >>> runmask.read("runs.json").labels
    array([7], dtype=uint64)
    """
    read = {"order": from_order, "base": from_base, "image": from_image, "header": from_header}
    read.update((name, options.pop(name)) for name in _OF_READERS if name in options)
    if "renumber" in options:
        read["renumber"] = options["renumber"]
    _runmask.convert(os.fspath(source), os.fspath(target), from_format, format, read, options)


def doctor(path: PathLike, shape: tuple[int, int] | None = None) -> dict[str, Any]:
    """Says which convention a run file is in, and why.

    Parameters
    ----------
    path : str or path
    shape : (height, width), optional
        The size of the mask: it rules out more.

    Returns
    -------
    dict
        `format`, or None when no reader accepts the file; `order` ('F' or 'C'), `base` (the number of the first pixel) and
        `grouping` ('one by one' or 'all of an image as one'), each with `order_is`, `base_is` and `grouping_is`, 'known',
        'likely' or 'unknown'; the numbers of `images`, `objects` and `runs`; and `evidence`, a list of sentences.

    Examples
    --------
    >>> import runmask
    >>> with open("unknown.csv", "w") as file:
    ...     _ = file.write("label,start,length\\n7,2,3\\n")
    >>> found = runmask.doctor("unknown.csv")
    >>> found["format"], found["base"], found["base_is"]
    ('table', 0, 'known')
    """
    return _runmask.doctor(os.fspath(path), shape)


def _given(parameters: dict[str, Any], *others: str) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in others}
