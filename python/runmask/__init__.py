"""Label masks of whole-slide images to the runs of every label, and back.

>>> import numpy, runmask
>>> mask = numpy.array([[0, 1, 1, 0], [0, 1, 1, 2]], dtype=numpy.uint16)
>>> runs = runmask.encode(mask)
>>> runs
Runs(labels=2, runs=2, shape=(2, 4), order='F')
>>> for label, of_label in runs:
...     print(label, of_label.tolist())
1 [[2, 4]]
2 [[7, 1]]
>>> bool((runs.decode() == mask).all())
True
"""

from . import coco, pixels
from ._files import convert, doctor, open, read, read_images
from ._masks import encode, encode_block, mask2rle, merge, rle2mask
from ._operations import compare, components, measure, overlaps, remove_small
from ._polygons import from_polygons
from ._runmask import FormatError, MaskFile, Polygons, Runs, __version__
from ._tables import from_table

__all__ = [
    "FormatError",
    "MaskFile",
    "Polygons",
    "Runs",
    "__version__",
    "coco",
    "compare",
    "components",
    "convert",
    "doctor",
    "encode",
    "encode_block",
    "from_polygons",
    "from_table",
    "mask2rle",
    "measure",
    "merge",
    "open",
    "overlaps",
    "pixels",
    "read",
    "read_images",
    "remove_small",
    "rle2mask",
]
