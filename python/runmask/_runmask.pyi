import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final, overload

import numpy as np
import numpy.typing as npt

__all__ = [
    "FormatError",
    "MaskFile",
    "Runs",
    "__version__",
    "_restore",
    "coco_area",
    "coco_box_iou",
    "coco_boxes",
    "coco_decode",
    "coco_encode",
    "coco_from_boxes",
    "coco_from_counts",
    "coco_from_polygons",
    "coco_iou",
    "coco_merge",
    "compare",
    "convert",
    "doctor",
    "encode",
    "encode_rows",
    "from_columns",
    "from_text",
    "labels_of_runs",
    "main",
    "merge",
    "overlaps",
    "read",
    "read_images",
    "to_text",
]

__version__: str

class FormatError(ValueError):
    file: str | None
    place: str
    expected: str
    found: str

@final
class Runs:
    def __new__(
        cls,
        labels: npt.ArrayLike,
        offsets: npt.ArrayLike,
        runs: npt.ArrayLike,
        *,
        shape: tuple[int, int] | None = None,
        order: str = "F",
    ) -> Runs: ...
    __array_ufunc__: None
    @property
    def labels(self) -> npt.NDArray[np.uint64]: ...
    @property
    def offsets(self) -> npt.NDArray[np.int64]: ...
    @property
    def runs(self) -> npt.NDArray[np.uint64]: ...
    @property
    def shape(self) -> tuple[int, int] | None: ...
    @property
    def order(self) -> str: ...
    @property
    def area(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, label: int, /) -> npt.NDArray[np.uint64]: ...
    def __contains__(self, label: object, /) -> bool: ...
    def __iter__(self) -> Iterator[tuple[int, npt.NDArray[np.uint64]]]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __copy__(self) -> Runs: ...
    def __deepcopy__(self, _memo: Any, /) -> Runs: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def decode(
        self,
        dtype: npt.DTypeLike | None = None,
        out: npt.NDArray[Any] | None = None,
        *,
        background: int = 0,
        window: tuple[int, int, int, int] | None = None,
        threads: int | None = None,
    ) -> npt.NDArray[Any]: ...
    def measure(
        self,
        properties: Sequence[str] = ("label", "area", "bbox", "centroid"),
        *,
        pixel_size: float | tuple[float, float] | None = None,
        connectivity: int = 8,
        threads: int | None = None,
    ) -> dict[str, npt.NDArray[Any]]: ...
    def crop(self, row: int, column: int, height: int, width: int) -> Runs: ...
    def shift(self, rows: int, columns: int) -> Runs: ...
    def pad(self, above: int = 0, left: int = 0, below: int = 0, right: int = 0) -> Runs: ...
    def place(self, row: int, column: int, shape: tuple[int, int]) -> Runs: ...
    def select(self, labels: npt.ArrayLike) -> Runs: ...
    def relabel(self, table: Mapping[int, int | None] | None = None) -> Runs: ...
    def foreground(self, label: int = 1) -> Runs: ...
    def to_order(self, order: str) -> Runs: ...
    def with_shape(self, shape: tuple[int, int]) -> Runs: ...
    def __or__(self, other: Runs, /) -> Runs: ...
    def __and__(self, other: Runs, /) -> Runs: ...
    def __sub__(self, other: Runs, /) -> Runs: ...
    def __xor__(self, other: Runs, /) -> Runs: ...
    def __ror__(self, other: Runs, /) -> Runs: ...
    def __rand__(self, other: Runs, /) -> Runs: ...
    def __rsub__(self, other: Runs, /) -> Runs: ...
    def __rxor__(self, other: Runs, /) -> Runs: ...
    @overload
    def components(
        self,
        connectivity: int = 8,
        binary: bool = False,
        min_area: int = 0,
        fill_holes: int = 0,
        *,
        largest: bool = False,
        return_sources: Literal[False] = False,
        threads: int | None = None,
    ) -> Runs: ...
    @overload
    def components(
        self,
        connectivity: int = 8,
        binary: bool = False,
        min_area: int = 0,
        fill_holes: int = 0,
        *,
        largest: bool = False,
        return_sources: Literal[True],
        threads: int | None = None,
    ) -> tuple[Runs, npt.NDArray[np.uint64]]: ...
    def to_pandas(self) -> Any: ...
    def to_arrow(self) -> Any: ...
    def decode_to(
        self,
        path: str | os.PathLike[str],
        dtype: npt.DTypeLike | None = None,
        *,
        background: int = 0,
        compression: str = "deflate",
        pyramid: bool = False,
        threads: int | None = None,
    ) -> None: ...
    def write(self, path: str | os.PathLike[str], format: str | None = None, **options: Any) -> None: ...

@final
class MaskFile:
    def __new__(
        cls,
        path: str,
        page: int,
        level: int,
        dtype: npt.DTypeLike | None,
        shape: tuple[int, int] | None,
    ) -> MaskFile: ...
    @property
    def path(self) -> Path: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def encode(
        self,
        *,
        background: int | None = 0,
        order: str = "F",
        engine: str = "auto",
        threads: int | None = None,
        memory: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Runs: ...
    def read(self, *, threads: int | None = None) -> npt.NDArray[Any]: ...

def read(path: str, format: str | None, options: dict[str, Any]) -> Runs: ...
def read_images(path: str, format: str | None, options: dict[str, Any]) -> list[tuple[str, Runs]]: ...
def convert(
    source: str,
    target: str,
    from_format: str | None,
    format: str | None,
    read: dict[str, Any],
    write: dict[str, Any],
) -> None: ...
def doctor(path: str, shape: tuple[int, int] | None) -> dict[str, Any]: ...
def main(arguments: Sequence[str]) -> int: ...
def _restore(
    labels: npt.ArrayLike,
    offsets: npt.ArrayLike,
    runs: npt.ArrayLike,
    shape: tuple[int, int] | None,
    order: str,
) -> Runs: ...
def encode(
    pixels: npt.NDArray[Any],
    origin: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *,
    background: int | None,
    order: str,
    engine: str,
    threads: int | None,
) -> Runs: ...
def encode_rows(
    rows: Callable[[int, int], npt.NDArray[np.uint8]],
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    *,
    background: int | None,
    order: str,
    engine: str,
    threads: int | None,
) -> Runs: ...
def merge(parts: list[Runs]) -> Runs: ...
def overlaps(first: Runs, second: Runs) -> npt.NDArray[np.uint64]: ...
def compare(truth: Runs, prediction: Runs, thresholds: list[float] | None) -> dict[str, Any]: ...
def labels_of_runs(runs: Runs) -> npt.NDArray[np.uint64]: ...
def from_columns(
    labels: npt.ArrayLike,
    starts: npt.ArrayLike,
    lengths: npt.ArrayLike,
    shape: tuple[int, int] | None,
    order: str,
) -> Runs: ...
def to_text(runs: Runs, label: int | None, base: int) -> str: ...
def from_text(text: str, shape: tuple[int, int], base: int, order: str) -> Runs: ...
def coco_encode(array: tuple[npt.NDArray[np.uint8], int, tuple[int, ...], tuple[int, ...]]) -> list[bytes]: ...
def coco_decode(rles: list[tuple[int, int, Any]], out: npt.NDArray[np.uint8]) -> None: ...
def coco_merge(rles: list[tuple[int, int, Any]], intersect: bool) -> bytes: ...
def coco_iou(
    detections: list[tuple[int, int, Any]], truths: list[tuple[int, int, Any]], crowd: list[bool]
) -> npt.NDArray[np.float64]: ...
def coco_box_iou(
    detections: npt.NDArray[np.float64], truths: npt.NDArray[np.float64], crowd: list[bool]
) -> npt.NDArray[np.float64]: ...
def coco_area(rles: list[tuple[int, int, Any]]) -> npt.NDArray[np.uint64]: ...
def coco_boxes(rles: list[tuple[int, int, Any]]) -> npt.NDArray[np.float64]: ...
def coco_from_boxes(boxes: npt.NDArray[np.float64], height: int, width: int) -> list[bytes]: ...
def coco_from_polygons(polygons: list[npt.NDArray[np.float64]], height: int, width: int) -> list[bytes]: ...
def coco_from_counts(rles: list[tuple[int, int, Any]]) -> list[bytes]: ...
