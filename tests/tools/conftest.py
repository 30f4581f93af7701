"""What the tests against other programs share: the program, masks with what is hard about them, and their pixels."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile


def runmask(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs the program; an exit status that is not 0 is a failure with what the program said."""
    command = [os.environ["RUNMASK"], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done


def discs(height: int, width: int, labels: list[int], seed: int, dtype: type) -> np.ndarray:
    """Discs that touch, cover each other and leave the frame; the last two labels are single pixels in corners."""
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), dtype)
    rows, columns = np.mgrid[:height, :width]
    for label in labels[:-2]:
        row, column, radius = random.integers(height), random.integers(width), random.integers(2, 25)
        mask[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = label
    mask[0, 0], mask[-1, -1] = labels[-2:]
    return mask


def objects(mask: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Every label of a mask, ascending, with its pixels."""
    return [(int(label), mask == label) for label in np.unique(mask) if label != 0]


def box(pixels: np.ndarray) -> list[int]:
    """COCO's bounding box: x, y, width, height."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    return [int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]


@pytest.fixture(scope="session")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of TIFF masks: `discs` with labels 1, 2, 3 ...; `gaps` with gaps between them and beyond 2^16; `wide`
    of one row; `empty` without any."""
    folder = tmp_path_factory.mktemp("masks")
    tifffile.imwrite(folder / "discs.tif", discs(300, 420, [*range(1, 61)], 1, np.uint8))
    tifffile.imwrite(folder / "gaps.tif", discs(257, 129, [*range(7, 400, 7), 70_000, 2**31 - 1], 2, np.uint32))
    tifffile.imwrite(folder / "wide.tif", np.array([[0, 1, 1, 0, 2, 0, 3, 3]], np.uint16))
    tifffile.imwrite(folder / "empty.tif", np.zeros((20, 30), np.uint8))
    return folder


def mask_of(path: Path) -> np.ndarray:
    """The pixels of a mask, as tifffile reads them."""
    return np.atleast_2d(tifffile.imread(path))
