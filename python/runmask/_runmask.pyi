import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final, overload

import numpy as np
import numpy.typing as npt

__all__ = [
    "FormatError",
    "Marked",
    "MaskFile",
    "Polygons",
    "Runs",
    "__version__",
    "_restore_polygons",
    "coco_area",
    "coco_box_iou",
    "coco_boxes",
    "coco_decode",
    "coco_encode",
    "coco_encode_plane",
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
    "extension",
    "from_columns",
    "from_text",
    "labels_of_runs",
    "main",
    "mark",
    "mark_rows",
    "merge",
    "merge_packed",
    "overlaps",
    "pack",
    "pixels_decode",
    "pixels_encode",
    "read",
    "read_images",
    "to_text",
    "unpack",
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
    def order(self) -> Literal["F", "C"]: ...
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
        background: int = 0,
        window: tuple[int, int, int, int] | None = None,
        *,
        threads: int | None = None,
    ) -> npt.NDArray[Any]: ...
    def erase(self, mask: npt.NDArray[Any], background: int = 0) -> npt.NDArray[Any]: ...
    def measure(
        self,
        properties: Sequence[str] = ("label", "area", "bbox", "centroid"),
        pixel_size: float | tuple[float, float] | None = None,
        *,
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
    def disjoint(self, overlap: str) -> Runs: ...
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
        memory: int = 268435456,
        threads: int | None = None,
    ) -> None: ...
    def write(self, path: str | os.PathLike[str], format: str | None = None, **options: Any) -> None: ...
    def polygons(self, *, threads: int | None = None) -> Polygons: ...
    def to_geojson(self, path: str | os.PathLike[str], **options: Any) -> None: ...
    def to_shapely(self) -> npt.NDArray[Any]: ...
    def to_geopandas(self) -> Any: ...

@final
class Polygons:
    def __new__(
        cls,
        labels: npt.ArrayLike,
        feature_offsets: npt.ArrayLike,
        polygon_offsets: npt.ArrayLike,
        ring_offsets: npt.ArrayLike,
        points: npt.ArrayLike,
        *,
        shape: tuple[int, int] | None = None,
    ) -> Polygons: ...
    @property
    def labels(self) -> npt.NDArray[np.uint64]: ...
    @property
    def feature_offsets(self) -> npt.NDArray[np.int64]: ...
    @property
    def polygon_offsets(self) -> npt.NDArray[np.int64]: ...
    @property
    def ring_offsets(self) -> npt.NDArray[np.int64]: ...
    @property
    def points(self) -> npt.NDArray[np.float64]: ...
    @property
    def shape(self) -> tuple[int, int] | None: ...
    @property
    def area(self) -> float: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __copy__(self) -> Polygons: ...
    def __deepcopy__(self, _memo: Any, /) -> Polygons: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def fill(
        self,
        shape: tuple[int, int] | None = None,
        rule: str = "centre",
        *,
        threads: int | None = None,
    ) -> Runs: ...
    def simplify(self, tolerance: float, *, threads: int | None = None) -> Polygons: ...
    def to_shapely(self) -> npt.NDArray[Any]: ...
    def to_geopandas(self) -> Any: ...

@final
class MaskFile:
    def __new__(
        cls,
        path: str,
        page: int,
        level: int,
        label: str | None,
        index: Mapping[str, int] | None,
        dtype: npt.DTypeLike | None,
        shape: tuple[int, int] | None,
    ) -> MaskFile: ...
    @property
    def path(self) -> Path: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def band_rows(self) -> int: ...
    @property
    def pixel_size(self) -> tuple[float, float] | None: ...
    def encode(
        self,
        *,
        background: int | None = 0,
        order: str = "F",
        engine: str = "auto",
        threads: int | None = None,
        rows: tuple[int, int] | None = None,
        memory: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Runs: ...
    def measure(
        self,
        properties: Sequence[str] = ("label", "area", "bbox", "centroid"),
        pixel_size: float | tuple[float, float] | Literal["file"] | None = "file",
        *,
        connectivity: int = 8,
        background: int | None = 0,
        threads: int | None = None,
    ) -> dict[str, npt.NDArray[Any]]: ...
    def _mark(self, *, background: int | None, order: str, threads: int | None) -> Marked: ...
    def read(self, *, threads: int | None = None) -> npt.NDArray[Any]: ...

@final
class Marked:
    @property
    def order(self) -> Literal["F", "C"]: ...
    @property
    def largest(self) -> int | None: ...
    def measure(
        self,
        properties: Sequence[str],
        pixel_size: float | tuple[float, float] | None,
        *,
        connectivity: int,
        threads: int | None,
    ) -> dict[str, npt.NDArray[Any]]: ...
    def components(
        self,
        connectivity: int,
        binary: bool,
        min_area: int,
        fill_holes: int,
        *,
        largest: bool,
        return_sources: bool,
        threads: int | None,
    ) -> Runs | tuple[Runs, npt.NDArray[np.uint64]]: ...

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
def extension(format: str) -> str: ...
def doctor(path: str, shape: tuple[int, int] | None) -> dict[str, Any]: ...
def main(arguments: Sequence[str]) -> int: ...
def _restore_polygons(
    labels: npt.ArrayLike,
    feature_offsets: npt.ArrayLike,
    polygon_offsets: npt.ArrayLike,
    ring_offsets: npt.ArrayLike,
    points: npt.ArrayLike,
    shape: tuple[int, int] | None,
) -> Polygons: ...
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
def mark(
    pixels: npt.NDArray[Any],
    origin: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *,
    background: int | None,
    order: str,
    engine: str,
    threads: int | None,
) -> Marked: ...
def mark_rows(
    rows: Callable[[int, int], npt.NDArray[np.uint8]],
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    *,
    background: int | None,
    order: str,
    engine: str,
    threads: int | None,
) -> Marked: ...
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
def merge(parts: list[Runs], *, threads: int | None) -> Runs: ...
def merge_packed(parts: list[npt.NDArray[np.uint8]], *, threads: int | None) -> Runs: ...
def pack(runs: Runs, threads: int | None = None) -> npt.NDArray[np.uint8]: ...
def unpack(packed: npt.NDArray[np.uint8], threads: int | None = None) -> Runs: ...
def overlaps(first: Runs | Marked, second: Runs | Marked) -> npt.NDArray[np.uint64]: ...
def compare(truth: Runs | Marked, prediction: Runs | Marked, thresholds: list[float] | None) -> dict[str, Any]: ...
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
def coco_encode_plane(plane: Any) -> dict[str, Any] | None: ...
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
def pixels_encode(picture: npt.NDArray[np.uint8], channel_order: str) -> bytes: ...
def pixels_decode(records: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8], channel_order: str) -> None: ...
