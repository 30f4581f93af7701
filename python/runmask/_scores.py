"""Two masks beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _runmask
from ._runmask import Runs

__all__ = ["compare", "overlaps"]


def overlaps(first: Runs, second: Runs) -> npt.NDArray[np.uint64]:
    """The pairs of labels of two masks that share pixels.

    Parameters
    ----------
    first, second : Runs
        Of masks of the same shape, whose labels do not overlap within a mask.

    Returns
    -------
    uint64 array, shape (n, 3)
        The label in the first mask, the label in the second, and the number of pixels that have both; ascending.

    Examples
    --------
    >>> import numpy, runmask
    >>> one, other = (runmask.encode(numpy.array([row])) for row in ([7, 7, 7, 0, 2], [0, 4, 4, 4, 4]))
    >>> runmask.overlaps(one, other).tolist()
    [[2, 4, 1], [7, 4, 2]]
    """
    return _runmask.overlaps(first, second)


def compare(truth: Runs, prediction: Runs, thresholds: Sequence[float] | None = None) -> dict[str, Any]:
    """The scores of a segmentation against the truth.

    Parameters
    ----------
    truth, prediction : Runs
        Of masks of the same shape, whose labels do not overlap within a mask.
    thresholds : sequence of float, optional
        The thresholds of F1: 0.5, 0.55 and so on to 0.95 unless given.

    Returns
    -------
    dict
        `pq`, `sq` and `dq`: panoptic, segmentation and detection quality, of matches with an IoU above 0.5; `aji`, the
        aggregated Jaccard index; `dice` and `iou` of the foregrounds; `f1`, a dict of scores by threshold; and the numbers
        of labels `matched`, in the `truth` and in the `prediction`.

    Examples
    --------
    >>> import numpy, runmask
    >>> truth, prediction = (runmask.encode(numpy.array([row])) for row in ([1, 1, 1, 1, 0, 2], [5, 5, 5, 0, 0, 0]))
    >>> scores = runmask.compare(truth, prediction, [0.5])
    >>> scores["sq"], scores["matched"], scores["f1"]
    (0.75, 1, {0.5: 0.6666666666666666})
    """
    return _runmask.compare(truth, prediction, None if thresholds is None else list(thresholds))
