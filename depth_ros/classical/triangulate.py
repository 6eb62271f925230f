"""Piecewise linear interpolation over a Delaunay triangulation of pixels, drawn row by row without a loop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError

Edges = NDArray[np.intp]


class Surface(NamedTuple):
    """values: float64 [C,H,W], linear inside each triangle. inside: bool [H,W], the convex hull of the points."""

    values: NDArray[np.float64]
    inside: NDArray[np.bool_]


def delaunay_edges(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Edges | None:
    """Return every edge of the Delaunay triangulation once: indices [E,2] of the points; None when there is none.

    Fewer than three points, or points on one line, have no triangulation.
    """
    if len(rows) < 3:
        return None
    try:
        mesh = Delaunay(np.column_stack([columns, rows]))
    except QhullError:
        return None
    # Edge k lies opposite corner k and belongs to two triangles: the one with the higher number, or no neighbour, names it.
    once = mesh.neighbors < np.arange(len(mesh.simplices))[:, None]
    corners = [mesh.simplices[once[:, k]][:, [(k + 1) % 3, (k + 2) % 3]] for k in range(3)]
    return np.concatenate(corners).astype(np.intp)


def interpolate(
    edges: Edges, rows: NDArray[np.intp], columns: NDArray[np.intp], values: NDArray[np.float64], shape: tuple[int, int]
) -> Surface:
    """Interpolate `values` [C,N], given at pixels (rows, columns) [N], linearly inside every triangle of the mesh.

    A row of the image cuts each triangle between two edges, and there a linear function is known from its ends: all
    crossings of rows and edges, sorted, leave one `np.interp` over the whole image. Values outside the hull are
    meaningless.
    """
    height, width = shape
    upper = rows[edges[:, 0]] > rows[edges[:, 1]]
    start, end = np.where(upper, edges[:, 1], edges[:, 0]), np.where(upper, edges[:, 0], edges[:, 1])
    span = rows[end] - rows[start]
    edge = np.repeat(np.arange(len(edges)), span + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(span + 1) - (span + 1), span + 1)
    fraction = step / np.maximum(span, 1)[edge]
    row = rows[start][edge] + step
    column = columns[start][edge] + fraction * (columns[end] - columns[start])[edge]
    order = np.argsort(row * float(width) + column)
    row, column, edge, fraction = row[order], column[order], edge[order], fraction[order]
    # a horizontal edge crosses its row at both ends: its second end is some other edge's
    pixel, place = np.arange(height * width), row * float(width) + column
    drawn = [
        np.interp(pixel, place, channel[start][edge] + fraction * (channel[end] - channel[start])[edge]).reshape(shape)
        for channel in values
    ]
    first, last = np.full(height, np.inf), np.full(height, -np.inf)
    np.minimum.at(first, row, column)
    np.maximum.at(last, row, column)
    grid = np.arange(width)
    return Surface(np.stack(drawn), (grid >= first[:, None]) & (grid <= last[:, None]))
