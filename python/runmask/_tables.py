"""Runs as the rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _runmask
from ._runmask import Runs

__all__ = ["from_table"]

COLUMNS = ("label", "start", "length")


def _columns(runs: Runs) -> dict[str, Any]:
    return dict(zip(COLUMNS, (_runmask.labels_of_runs(runs), runs.runs[:, 0], runs.runs[:, 1])))


def to_pandas(runs: Runs) -> Any:
    """See Runs.to_pandas."""
    import pandas

    return pandas.DataFrame(_columns(runs))


def to_arrow(runs: Runs) -> Any:
    """See Runs.to_arrow."""
    import pyarrow

    return pyarrow.table({name: np.ascontiguousarray(column) for name, column in _columns(runs).items()})


def from_table(table: Any, *, shape: tuple[int, int] | None = None, order: str = "F") -> Runs:
    """Runs from a table with a row for each run.

    Parameters
    ----------
    table : pandas DataFrame, pyarrow Table, dict of arrays, or the like
        Its columns `label`, `start` and `length`, integers; others are passed over. Rows may be in any order; runs of a label
        that touch become one, and a length of 0 adds nothing.
    shape : (height, width), optional
        The size of the mask; runs outside it are an error.
    order : 'F' or 'C'
        Whether positions go down the columns or along the rows.

    Raises
    ------
    ValueError
        A column is missing, runs of a label overlap or end outside the mask.

    Examples
    --------
    >>> import runmask
    >>> table = {"label": [7, 7], "start": [4, 2], "length": [1, 2]}
    >>> runmask.from_table(table, shape=(2, 3)).decode()
    array([[0, 7, 7],
           [0, 7, 0]], dtype=uint8)
    """
    labels, starts, lengths = (_column(table, name) for name in COLUMNS)
    return _runmask.from_columns(labels, starts, lengths, shape, order)


def _column(table: Any, name: str) -> Any:
    try:
        return np.asarray(table[name])
    except KeyError as error:
        raise ValueError(f"table: expected the columns label, start and length, found none called {name!r}") from error
