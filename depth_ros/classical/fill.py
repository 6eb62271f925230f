"""Completion without weights: sparse depth and its image to dense depth with sigma and source."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.guided import refine
from depth_ros.classical.nearest import nearest_fill
from depth_ros.classical.spacing import distance_to_empty, measure_spacing
from depth_ros.classical.triangulate import delaunay_edges, interpolate

BRIDGE = 1.5
"""Radius in gaps of the empty disc that marks a place as not covered: one missing scan line is bridged."""
MARGIN = 1.0
"""How far beyond the outermost measurements the completion still answers, in gaps."""


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
    rows, columns = np.nonzero(sparse)
    if not len(rows):
        return _nothing(sparse.shape)
    spacing = measure_spacing(sparse, near.distance)
    value = 1 / sparse[rows, columns].astype(np.float64)
    surface = interpolate(delaunay_edges(rows, columns, spacing.stretch), rows, columns, value, sparse.shape)
    to_empty = distance_to_empty(near.distance, BRIDGE * spacing.gap)
    enclosed = (to_empty >= BRIDGE * spacing.gap) & surface.inside
    inverse = np.where(enclosed, surface.value, 1 / near.depth)
    inverse, roughness = refine(inverse, rows, columns, value, rgb, spacing)
    depth = 1 / inverse
    sigma = (0.02 + 0.01 * depth + 0.002 * near.distance * depth).astype(np.float32)
    covered = to_empty >= (BRIDGE - MARGIN) * spacing.gap
    measured = sparse > 0
    if paste_measured:
        depth = np.where(measured, sparse, depth)
    source = np.where(measured, np.uint8(1), np.where(covered, np.uint8(2), np.uint8(0)))
    unknown = source == 0
    depth[unknown] = np.nan
    sigma[unknown] = np.nan
    return Completion(depth, sigma, source)


def _nothing(shape: tuple[int, int]) -> Completion:
    unknown = np.full(shape, np.nan, np.float32)
    return Completion(unknown, unknown.copy(), np.zeros(shape, np.uint8))
