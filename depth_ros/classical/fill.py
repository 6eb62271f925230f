"""Completion without weights: sparse depth and its image to dense depth with sigma and source."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.guided import refine
from depth_ros.classical.nearest import Nearest, nearest_fill
from depth_ros.classical.triangulate import Edges, delaunay_edges, interpolate, mesh_points
from depth_ros.frame import Source
from depth_ros.geometry.spacing import Spacing, distance_to_empty, measure_gap, measure_stretch

BRIDGE = 1.5
"""Radius in gaps of the empty disc that marks a place as not covered: one missing scan line is bridged."""
MARGIN = 0.5
"""How far beyond the alpha hull of the measurements the completion still answers, in gaps: as between two lines."""
RANGING_M = 0.01
"""Part of sigma that does not grow with depth: the ranging noise of a LiDAR."""
SIGMA_SMOOTH = 0.004
"""Sigma relative to depth on a smooth surface."""
SIGMA_ROUGH = 1.1
"""Sigma relative to depth per roughness; this and the next were calibrated on held-out beams."""
SIGMA_BEYOND = 0.15
"""Sigma relative to depth per gap of distance, from half a gap on, which is as far as scan lines leave a pixel."""


FloatImage = NDArray[np.float32]


class Mesh(NamedTuple):
    """Triangulated measurements: their pixels rows, columns, [N] each; edges: int32 [E,2], numbers of pixels."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    edges: Edges


class Completion(NamedTuple):
    """Dense depth.

    depth: float32 [H,W], metres along z, NaN = unknown. sigma: float32 [H,W], half-width in metres of the central
    68 % interval, NaN = unknown. source: uint8 [H,W], 0 none, 1 measured, 2 completed (`frame.Source`).
    """

    depth: FloatImage
    sigma: FloatImage
    source: NDArray[np.uint8]


def complete(
    sparse: FloatImage,
    rgb: NDArray[np.uint8] | None = None,
    *,
    paste_measured: bool = True,
    with_sigma: bool = True,
) -> Completion:
    """Complete sparse depth.

    sparse: float32 [H,W], metres along z; what is not finite or not positive is none. rgb: uint8 [H,W,3], or None for
    no guidance by the image. paste_measured: give a measured pixel its return. with_sigma: without, only what is pasted
    has a sigma. Any number of measurements will do, none included; fewer than 10 show no pattern, and little more than
    their own pixels is answered. Beyond 60 000 that border on a gap, pixels in between are interpolated from a thinned
    mesh (`triangulate.mesh_points`), at the cost of a few pixels of detail; measured pixels keep their own depth.

    Completed is what lies within half a gap of the alpha hull of the measurements, which bridges empty discs of up to
    one and a half gaps in radius, centred in the image (`geometry.spacing`). The gap is measured where the measurements
    are and is a quarter of the image's shorter side at most, so nothing farther than 3/8 of that side is answered.
    """
    measured = (sparse > 0) & (sparse < np.inf)
    rows, columns = np.divmod(np.flatnonzero(measured), sparse.shape[1])
    if not len(rows):
        return _unknown(sparse.shape)
    sparse = np.where(measured, sparse, np.float32(0))
    near = nearest_fill(sparse)
    mesh, spacing = _make_mesh(measured, rows, columns, near.distance)
    # Nothing beyond these rows can be covered.
    beyond = int(BRIDGE * spacing.gap) + 2
    reach = slice(max(0, int(rows[0]) - beyond), int(rows[-1]) + 1 + beyond)
    near = Nearest(near.depth[reach], near.distance[reach])
    mesh = mesh._replace(rows=mesh.rows - reach.start)
    guide = None if rgb is None else rgb[reach]
    at = rows - reach.start, columns
    part = _complete(sparse[reach], *at, guide, near, mesh, spacing, paste_measured, with_sigma)
    whole = _unknown(sparse.shape)
    whole.depth[reach], whole.sigma[reach], whole.source[reach] = part
    return whole


def paste(depth: FloatImage, sigma: FloatImage, sparse: FloatImage, place: NDArray[np.intp]) -> None:
    """Give the pixels at `place` in memory [N] their own return and the sigma of a return, in place."""
    returns = sparse.take(place)
    depth.put(place, returns)
    sigma.put(place, return_sigma(returns))


def return_sigma(depth: FloatImage) -> FloatImage:
    """Return the sigma (m) of a LiDAR return itself, float32 as `depth` (m)."""
    return RANGING_M + SIGMA_SMOOTH * depth


def _make_mesh(
    measured: NDArray[np.bool_], rows: NDArray[np.intp], columns: NDArray[np.intp], distance: FloatImage
) -> tuple[Mesh, Spacing]:
    """Triangulate the measured pixels and read their spacing off the mesh; distance: pixels to the nearest of them."""
    at = mesh_points(measured)
    stretch = measure_stretch(*at, measured.shape)
    edges = delaunay_edges(*at, stretch)
    middle_row, middle_column = ((one.take(edges[:, 0]) + one.take(edges[:, 1])) // 2 for one in at)
    clearance = distance.take(middle_row * measured.shape[1] + middle_column)
    return Mesh(*at, edges), Spacing(measure_gap(rows, columns, distance, clearance), stretch)


def _complete(
    sparse: FloatImage,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    rgb: NDArray[np.uint8] | None,
    near: Nearest,
    mesh: Mesh,
    spacing: Spacing,
    paste_measured: bool,
    with_sigma: bool,
) -> Completion:
    value = 1 / sparse[rows, columns].astype(np.float64)
    at_mesh = 1 / sparse[mesh.rows, mesh.columns].astype(np.float64)
    surface = interpolate(mesh.edges, mesh.rows, mesh.columns, at_mesh, sparse.shape)
    surface.value[rows, columns] = value
    to_empty = distance_to_empty(near.distance, BRIDGE * spacing.gap)
    enclosed = surface.inside & (to_empty >= BRIDGE * spacing.gap)
    inverse = np.where(enclosed, surface.value, np.float32(1) / near.depth)
    refined = refine(inverse, rows, columns, value, rgb, spacing)
    depth = np.float32(1) / refined.inverse
    if with_sigma:
        sigma = _sigma(depth, refined.roughness, near.distance / np.float32(spacing.gap))
    else:
        sigma = np.full_like(depth, np.nan)
    if paste_measured:
        paste(depth, sigma, sparse, rows * sparse.shape[1] + columns)
    covered = to_empty >= (BRIDGE - MARGIN) * spacing.gap
    source = covered * np.uint8(Source.COMPLETED)
    source[rows, columns] = Source.MEASURED
    unknown = source == Source.NONE
    depth[unknown] = np.nan
    sigma[unknown] = np.nan
    return Completion(depth, sigma, source)


def _unknown(shape: tuple[int, int]) -> Completion:
    depth = np.full(shape, np.nan, np.float32)
    return Completion(depth, depth.copy(), np.full(shape, Source.NONE, np.uint8))


def _sigma(depth: FloatImage, roughness: FloatImage, gaps: FloatImage) -> FloatImage:
    """Return sigma in metres; gaps: distance to the nearest measurement in gaps."""
    gaps -= np.float32(0.5)
    sigma = np.maximum(gaps, 0, out=gaps)
    sigma *= np.float32(SIGMA_BEYOND)
    sigma += np.float32(SIGMA_ROUGH) * roughness
    sigma += np.float32(SIGMA_SMOOTH)
    sigma *= depth
    sigma += np.float32(RANGING_M)
    return sigma
