"""Polygons to runs, and to the geometries of other packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ._runmask import Polygons, Runs

__all__ = ["from_polygons"]


def from_polygons(
    polygons: Any,
    shape: tuple[int, int] | None = None,
    *,
    labels: npt.ArrayLike | None = None,
    rule: Literal["centre", "coco"] = "centre",
    overlap: Literal["error", "first", "last"] | None = "error",
    threads: int | None = None,
) -> Runs:
    """The runs of the pixels inside polygons.

    Parameters
    ----------
    polygons : Polygons, shapely geometries, a geopandas GeoDataFrame or GeoSeries, or a list of arrays of shape (n, 2)
        Points are (x, y) in pixels: x to the right, y down, (0, 0) being the corner of the first pixel. An array of points
        is one polygon without holes, closed or not. Geometries are polygons and multipolygons.
    shape : (height, width)
        The size of the mask; what lies outside is left out. Polygons that know a shape need none.
    labels : integers, shape (n,), optional
        The label of each polygon; polygons of one label are united. Unless given, a column `label` of a GeoDataFrame or the
        labels of a Polygons object, otherwise 1, 2, 3 ...
    rule : 'centre' or 'coco'
        Which pixels are inside: those whose centres are, by even and odd over all rings of a label; or those of pycocotools.
    overlap : 'error', 'first', 'last' or None
        What becomes of a pixel that several labels have: an error, or the smallest label keeps it, or the largest, or all of
        them do.
    threads : int, optional
        All of the machine unless given.

    Raises
    ------
    ValueError
        The shape is not known, labels overlap, a coordinate is not finite or past 2^53, or a ring has fewer than three points
        that differ.
    TypeError
        A geometry is no polygon.

    Examples
    --------
    >>> import runmask
    >>> runmask.from_polygons([[(0, 0), (3, 0), (3, 2), (0, 2)]], (3, 4), labels=[7]).decode()
    array([[7, 7, 7, 0],
           [7, 7, 7, 0],
           [0, 0, 0, 0]], dtype=uint8)
    """
    runs = _polygons_of(polygons, labels).fill(shape, rule, threads=threads)
    return runs if overlap is None else runs.disjoint(overlap)


def _polygons_of(polygons: Any, labels: Any) -> Polygons:
    """Any polygons as ragged arrays."""
    if isinstance(polygons, Polygons):
        if labels is None:
            return polygons
        lists = polygons.feature_offsets, polygons.polygon_offsets, polygons.ring_offsets, polygons.points
        return Polygons(labels, *lists, shape=polygons.shape)
    if hasattr(polygons, "geometry"):
        # A GeoDataFrame or a GeoSeries.
        if labels is None and "label" in getattr(polygons, "columns", ()):
            labels = polygons["label"]
        polygons = np.asarray(polygons.geometry, object)
    if not isinstance(polygons, (Sequence, np.ndarray)):
        polygons = [polygons]
    if any(hasattr(polygon, "geom_type") for polygon in polygons):
        lists = _of_geometries(polygons)
    else:
        lists = _of_rings(polygons)
    return Polygons(np.arange(1, len(polygons) + 1) if labels is None else labels, *lists)


def _of_rings(rings: Sequence[Any]) -> tuple[Any, ...]:
    """Arrays of points, which are closed where they are not."""
    closed = [np.zeros((0, 2))]
    for number, ring in enumerate(rings):
        points = np.asarray(ring, np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"polygon {number}: expected points of shape (n, 2), found {points.shape}")
        if len(points) < 3:
            raise ValueError(f"polygon {number}: expected at least three points, found {len(points)}")
        closed.append(points if np.array_equal(points[0], points[-1]) else np.concatenate([points, points[:1]]))
    counts = np.arange(len(closed))
    return counts, counts, np.cumsum([len(points) for points in closed]), np.concatenate(closed)


def _of_geometries(geometries: Any) -> tuple[Any, ...]:
    """Shapely's polygons and multipolygons; those that are empty or missing have no pixels."""
    import shapely

    array: npt.NDArray[Any] = np.array(geometries, object)
    missing = np.array([geometry is None for geometry in array], bool)
    known = array.copy()
    known[~shapely.is_geometry(array)] = None
    wrong = ~missing & ~np.isin(shapely.get_type_id(known), (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    if wrong.any():
        number = int(np.flatnonzero(wrong)[0])
        found = getattr(array[number], "geom_type", type(array[number]).__name__)
        raise TypeError(f"polygon {number}: expected a Polygon or MultiPolygon, found {found}")
    parts, feature = shapely.get_parts(array, return_index=True)
    rings, polygon = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    return _ends(feature, len(array)), _ends(polygon, len(parts)), _ends(ring, len(rings)), points


def _ends(owners: Any, count: int) -> Any:
    """Where the members of each of so many owners begin, and at last where they all end; owners ascend."""
    return np.searchsorted(owners, np.arange(count + 1))


def to_shapely(polygons: Polygons) -> Any:
    """See Polygons.to_shapely."""
    import shapely

    offsets = polygons.ring_offsets, polygons.polygon_offsets, polygons.feature_offsets
    geometries = shapely.from_ragged_array(shapely.GeometryType.MULTIPOLYGON, polygons.points, offsets)
    single = np.diff(polygons.feature_offsets) == 1
    geometries[single] = shapely.get_geometry(geometries[single], 0)
    return geometries


def to_geopandas(polygons: Polygons) -> Any:
    """See Polygons.to_geopandas."""
    import geopandas

    return geopandas.GeoDataFrame({"label": polygons.labels}, geometry=to_shapely(polygons))
