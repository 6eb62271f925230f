"""What free rays from one place meet: a range view, cast once as a grid, then probed in any direction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.cast import Hits, cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.shapes import FloatArray, Scene
from depth_ros.synthetic.surface import Surface, describe

MOST_PIXELS = 120_000
MOST_MARGIN = 0.5
"""The view may exceed the camera's window by this share of its size on each side."""
_SPARE = 2
_CONTINUOUS = 0.93


class RangeView(NamedTuple):
    """A grid of hits seen from beside a camera, the axes parallel to the camera's.

    camera: pixels of the grid. T_world_view: float64 [4,4]. grid, hits: see `cast`; hits.t is z in the view frame.
    """

    camera: Camera
    T_world_view: FloatArray
    grid: RayGrid
    hits: Hits


class Echoes(NamedTuple):
    """What N rays meet in a range view.

    z: float64 [N], metres along the view's z axis; inf where nothing is hit. near, far: float64 [N], the least and the
    greatest z around the ray, which differ on an edge; equal to z elsewhere. pixel: int64 [N], row * W + column of the
    nearest ray of the grid.
    """

    z: FloatArray
    near: FloatArray
    far: FloatArray
    pixel: NDArray[np.int64]


def view_beside(scene: Scene, camera: Camera, T_world_cam: FloatArray, offset: FloatArray, nearest: float) -> RangeView:
    """Cast the view from `offset` (float64 [3], metres, camera frame) of all that `camera` can have in its window.

    nearest: metres; things that are closer may be cut off at the border of the view. The grid is as fine as the
    camera's pixels while it has no more than MOST_PIXELS rays.
    """
    T_world_view = T_world_cam @ rigid.from_rotation(np.eye(3), offset)
    seen = _widened(camera, offset, nearest)
    grid = RayGrid.from_camera(seen)
    return RangeView(seen, T_world_view, grid, cast(scene, T_world_view, grid))


def probe(view: RangeView, directions: FloatArray) -> tuple[Echoes, NDArray[np.intp]]:
    """Return what rays meet, and the numbers [N] of those of `directions` (float64 [M,3], view frame) in the view.

    1 / z is linear over the image of a plane, so that interpolating it between four rays of the grid is exact on planes
    and good on curved surfaces; across an edge the nearest ray decides.
    """
    uv, depth = view.camera.project(directions)
    width, height = view.camera.size
    with np.errstate(invalid="ignore"):
        inside = (depth > 0) & (uv >= 0).all(axis=1) & (uv[:, 0] <= width - 1) & (uv[:, 1] <= height - 1)
    chosen = np.flatnonzero(inside)
    return _interpolate(view.hits, uv[chosen]), chosen


def surfaces(scene: Scene, view: RangeView, pixel: NDArray[np.int64], divergence: float) -> Surface:
    """Describe what rays of the grid (int64 [N], each with a hit) have met; divergence: radians."""
    return describe(scene, view.T_world_view, view.grid, view.hits, pixel, divergence)


def _interpolate(hits: Hits, uv: FloatArray) -> Echoes:
    height, width = hits.t.shape
    left = np.clip(np.floor(uv[:, 0]).astype(np.int64), 0, max(width - 2, 0))
    top = np.clip(np.floor(uv[:, 1]).astype(np.int64), 0, max(height - 2, 0))
    across, down = uv[:, 0] - left, uv[:, 1] - top
    corners = np.stack([top, top, top + 1, top + 1]) * width + np.stack([left, left + 1, left, left + 1])
    inverse = 1 / hits.t.ravel()[corners]
    shape = hits.shape.ravel()[corners]
    weights = np.stack([(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down])
    low, high = inverse.min(axis=0), inverse.max(axis=0)
    smooth = (shape == shape[0]).all(axis=0) | (low > _CONTINUOUS * high)
    nearest = weights.argmax(axis=0)
    number = np.arange(len(uv))
    result = np.where(smooth, (weights * inverse).sum(axis=0), inverse[nearest, number])
    with np.errstate(divide="ignore"):
        z = 1 / result
        near, far = np.where(smooth, z, 1 / high), np.where(smooth, z, 1 / low)
    return Echoes(z, near, far, corners[nearest, number])


def _widened(camera: Camera, offset: FloatArray, nearest: float) -> Camera:
    width, height = camera.size
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=np.float64)
    close = camera.unproject(corners, np.full(4, max(nearest, 0.05))) - offset
    shifted, _ = camera.project(close[close[:, 2] > 0])
    reach = np.concatenate([corners, shifted])
    size = np.array([width, height])
    most = MOST_MARGIN * size
    low = np.floor(np.clip(reach.min(axis=0), -most, 0)).astype(int) - _SPARE
    high = np.ceil(np.clip(reach.max(axis=0), 0, size + most)).astype(int) + _SPARE
    fx, fy, cx, cy = camera.intrinsics
    wide = Camera.from_focal(int(high[0] - low[0]), int(high[1] - low[1]), fx, fy, cx - low[0], cy - low[1])
    scale = min(1.0, (MOST_PIXELS / (wide.width * wide.height)) ** 0.5)
    return wide if scale == 1 else wide.resize(round(wide.width * scale), round(wide.height * scale))
