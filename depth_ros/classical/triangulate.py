"""Piecewise linear interpolation over a Delaunay triangulation of pixels, drawn without a loop."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.int32]


MOST_POINTS = 60_000
"""More points than this are thinned before they are triangulated; a scan of 64 lines leaves 16 000 in an image."""


class Surface(NamedTuple):
    """value: float32 [H,W], linear inside each triangle. inside: bool [H,W], the hull of the points."""

    value: NDArray[np.float32]
    inside: NDArray[np.bool_]


def mesh_points(measured: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose the pixels (rows, columns), [N] each, that a mesh of the measurements needs; 60 000 at most.

    measured: bool [H,W]. Those inside dense patches border on no gap. Of more than 60 000 that do, the first in each
    cell of 2x2 pixels is kept, or 3x3 and so on, whatever it takes: unmeasured pixels are then interpolated from
    measurements up to a cell farther away, and a silhouette between them moves by up to a cell.
    """
    whole = measured.astype(np.uint8)
    rows, columns = np.divmod(np.flatnonzero(whole > cv2.erode(whole, np.ones((3, 3), np.uint8))), measured.shape[1])
    # No cell holds more points than pixels.
    cell, kept = math.isqrt(max(len(rows) - 1, 0) // MOST_POINTS) + 1, (rows, columns)
    while len(kept[0]) > MOST_POINTS:
        kept = _first_in_cells(rows, columns, measured.shape, cell)
        cell += 1
    return kept


def _first_in_cells(
    rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, ...], cell: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    across = -(-shape[1] // cell)
    first = np.full(-(-shape[0] // cell) * across, -1, np.intp)
    # Where cells repeat the last assignment stays.
    first[((rows // cell) * across + columns // cell)[::-1]] = np.arange(len(rows))[::-1]
    kept = np.sort(first[first >= 0])
    return rows[kept], columns[kept]


def delaunay_edges(rows: NDArray[np.intp], columns: NDArray[np.intp], stretch: float = 1.0) -> Edges:
    """Return every edge of the Delaunay triangulation of pixels once.

    rows, columns: int [N], distinct pixels. stretch: factor on the columns before the triangulation; above 1, triangles
    rather join points above one another than points side by side. Returns int32 [E,2], numbers of points; no edges for
    fewer than two points, one chain of edges for points on a line.
    """
    if len(rows) < 2:
        return np.zeros((0, 2), np.int32)
    # Column by column every new point lies beside the last one, which keeps the search for its triangle short.
    order = np.lexsort((rows, columns))
    x, y = np.rint(columns[order] * stretch), rows[order]
    x, y = x - x[0] + 1, y - y.min() + 1
    width, height = int(x[-1]) + 2, int(y.max()) + 2
    mesh = cv2.Subdiv2D((0, 0, width, height))
    mesh.insert(np.column_stack([x, y]).astype(np.float32))  # type: ignore[call-overload]
    ends = np.ascontiguousarray(np.asarray(mesh.getEdgeList()).T, dtype=np.int64)
    at_x, at_y = ends[0::2], ends[1::2]
    # The corners of OpenCV's all-embracing triangle lie outside of the image.
    inside = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
    kept = np.flatnonzero(inside[0] & inside[1])
    number = np.empty(height * width, np.int32)
    number[y.astype(np.int64) * width + x.astype(np.int64)] = order
    return np.asarray(number.take((at_y * width + at_x).take(kept, axis=1)).T)


def interpolate(
    edges: Edges, rows: NDArray[np.intp], columns: NDArray[np.intp], value: NDArray[np.float64], shape: tuple[int, int]
) -> Surface:
    """Interpolate `value` [N], given at pixels (rows, columns) [N], linearly inside every triangle of the mesh.

    A row of the image cuts each triangle between two of its edges, and there a linear function is known from its ends:
    all crossings of rows with edges, sorted, leave one linear interpolation along the image in memory order. Outside
    the hull the values are meaningless.
    """
    width = shape[1]
    if not len(edges):
        return Surface(np.zeros(shape, np.float32), np.zeros(shape, np.bool_))
    start, end = edges[:, 0].astype(np.intp), edges[:, 1].astype(np.intp)
    upper = rows.take(start) <= rows.take(end)
    top, bottom = np.where(upper, start, end), np.where(upper, end, start)
    span = rows.take(bottom) - rows.take(top)
    crossings = span + 1
    edge = np.repeat(np.arange(len(top)), crossings)
    step = (np.arange(len(edge)) - (np.cumsum(crossings) - crossings).take(edge)).astype(np.float64)
    rise = np.maximum(span, 1)
    place = (rows * width + columns).take(top).astype(np.float64)
    place = _along(place, width + (columns.take(bottom) - columns.take(top)) / rise, edge, step)
    crossing = _along(value.take(top), (value.take(bottom) - value.take(top)) / rise, edge, step)
    order = np.argsort(place)
    place, crossing = place.take(order), crossing.take(order)
    drawn, inside = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    reached = slice(int(rows[top].min()), int(rows[bottom].max()) + 1)
    pixels = np.arange(reached.start * width, reached.stop * width, dtype=np.float64)
    drawn[reached] = np.interp(pixels, place, crossing).reshape(-1, width)
    inside[reached] = _between_ends(place, reached, width)
    return Surface(drawn, inside)


def _along(
    start: NDArray[np.float64], slope: NDArray[np.float64], edge: NDArray[np.intp], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Walk down every edge: its start plus the slope times the rows gone, at each of its crossings."""
    walked = slope.take(edge)
    walked *= step
    walked += start.take(edge)
    return walked


def _between_ends(place: NDArray[np.float64], rows: slice, width: int) -> NDArray[np.bool_]:
    """Mark, in each row, the pixels from its first to its last crossing; place: row * width + column, sorted."""
    border = np.arange(rows.start, rows.stop + 1) * width - 0.25
    ends = np.searchsorted(place, border)
    filled = ends[1:] > ends[:-1]
    first = np.where(filled, place[np.minimum(ends[:-1], len(place) - 1)] - border[:-1], np.inf)
    last = np.where(filled, place[ends[1:] - 1] - border[:-1], -np.inf)
    grid = np.arange(width) + 0.25
    return np.asarray((grid >= first[:, None] - 1e-6) & (grid <= last[:, None] + 1e-6))
