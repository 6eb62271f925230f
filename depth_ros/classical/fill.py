"""Completion without weights: sparse depth and its image to dense depth with sigma and source."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.nearest import nearest_fill
from depth_ros.classical.triangulate import delaunay_edges, interpolate


class Completion(NamedTuple):
    """Dense depth.

    depth: float32 [H,W], metres along z, NaN = unknown. sigma: float32 [H,W], half-width in metres of the central
    68 % interval, NaN = unknown. source: uint8 [H,W], 0 none, 1 measured, 2 completed (`frame.Source`).
    """

    depth: NDArray[np.float32]
    sigma: NDArray[np.float32]
    source: NDArray[np.uint8]


def complete(
    sparse: NDArray[np.float32], rgb: NDArray[np.uint8] | None = None, *, paste_measured: bool = True
) -> Completion:
    """Complete sparse depth.

    sparse: float32 [H,W], metres along z, 0 = none. rgb: uint8 [H,W,3], or None for no guidance by the image.
    paste_measured: give a measured pixel its return. Any number of measurements will do, none included.
    """
    near = nearest_fill(sparse)
    inverse = np.where(near.depth > 0, 1 / np.maximum(near.depth, 1e-6), np.nan)
    rows, columns = np.nonzero(sparse)
    edges = delaunay_edges(rows, columns)
    if edges is not None:
        surface = interpolate(edges, rows, columns, 1 / sparse[rows, columns].astype(np.float64)[None], sparse.shape)
        inverse = np.where(surface.inside, surface.values[0], inverse)
    measured = sparse > 0
    depth = (1 / inverse).astype(np.float32)
    if paste_measured:
        depth = np.where(measured, sparse, depth)
    sigma = (0.02 + 0.01 * depth + 0.002 * near.distance * depth).astype(np.float32)
    source = np.where(measured, np.uint8(1), np.where(np.isfinite(depth), np.uint8(2), np.uint8(0)))
    return Completion(depth, sigma, source.astype(np.uint8))
