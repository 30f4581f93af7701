"""Tables in pandas, and tables that pandas wrote."""

import numpy as np
import pandas
import pytest
from conftest import mask_of, objects, runmask


def pixels_of(starts, lengths, shape) -> np.ndarray:
    """Pixels of runs, column-major from 0."""
    flat = np.zeros(shape[0] * shape[1], bool)
    for start, length in zip(starts, lengths):
        flat[start : start + length] = True
    return flat.reshape(shape, order="F")


@pytest.mark.parametrize("name", ["discs", "gaps", "wide"])
def test_table(masks, tmp_path, name):
    file = tmp_path / "runs.csv"
    runmask("encode", masks / f"{name}.tif", "-o", file, "-f", "table")
    table, mask = pandas.read_csv(file), mask_of(masks / f"{name}.tif")
    assert list(table.columns) == ["label", "start", "length"]
    for label, pixels in objects(mask):
        rows = table[table.label == label]
        assert np.array_equal(pixels_of(rows.start, rows.length, mask.shape), pixels)


@pytest.mark.parametrize(("format", "base"), [("hubmap", 0), ("kaggle", 1)])
def test_rows_of_pairs(masks, tmp_path, format, base):
    file = tmp_path / "runs.csv"
    runmask("encode", masks / "discs.tif", "-o", file, "-f", format)
    table, mask = pandas.read_csv(file, dtype=str), mask_of(masks / "discs.tif")
    expected = objects(mask)
    assert len(table) == len(expected)
    for text, (_, pixels) in zip(table.iloc[:, 1], expected):
        numbers = np.array(text.split(), np.int64)
        assert np.array_equal(pixels_of(numbers[::2] - base, numbers[1::2], mask.shape), pixels)
