"""A grid of rays, and the windows of it that shapes can touch.

A camera's rays and one sector of a spinning LiDAR's rays have the same form, (x_j, y_i, z_j) at row i and column j.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.shapes import FloatArray, Quads

NEAR = 0.05


@dataclass(frozen=True, eq=False)
class RayGrid:
    """Rays (x[j], y[i], z[j]) from the origin of a view frame (x right, y down, z forward).

    x, z: float64 [W], z > 0 and x / z ascending. y: float64 [H], ascending.
    """

    x: FloatArray
    y: FloatArray
    z: FloatArray

    @classmethod
    def from_camera(cls, camera: Camera, shift: float = 0.0) -> RayGrid:
        """Return the rays through the centres of a rectified camera's pixels, or through points `shift` pixels off."""
        fx, fy, cx, cy = camera.intrinsics
        columns = np.arange(camera.width, dtype=np.float64) + shift
        rows = np.arange(camera.height, dtype=np.float64) + shift
        return cls((columns - cx) / fx, (rows - cy) / fy, np.ones(camera.width))

    def directions(self, pixel: NDArray[np.int64]) -> FloatArray:
        """Return chosen rays (int64 [N], row * W + column) as vectors, float64 [N,3], in the view frame."""
        return self.rays(*np.divmod(pixel, len(self.x)))

    def rays(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> FloatArray:
        """Return the rays at rows and columns [N] as vectors, float64 [N,3], in the view frame."""
        return np.stack([self.x[column], self.y[row], self.z[column]], axis=1)


class Windows(NamedTuple):
    """Rows [r0, r1) and columns [c0, c1) that a shape can touch, and the largest inverse ray parameter there."""

    bounds: NDArray[np.intp]
    nearest: FloatArray

    @property
    def area(self) -> NDArray[np.intp]:
        """Number of rays in each window."""
        return (self.bounds[:, 1] - self.bounds[:, 0]) * (self.bounds[:, 3] - self.bounds[:, 2])


def in_view(centre: FloatArray, radius: FloatArray, T_view_world: FloatArray, grid: RayGrid) -> NDArray[np.intp]:
    """Choose the shapes whose bounding spheres (centre [P,3], world; radius [P]) reach between the outer columns."""
    x, _, z = transform(T_view_world, centre).T
    left, right = grid.x[0] / grid.z[0], grid.x[-1] / grid.z[-1]
    beyond_left = (left * z - x) > radius * np.hypot(1, left)
    beyond_right = (x - right * z) > radius * np.hypot(1, right)
    return np.flatnonzero(~(beyond_left | beyond_right) & (z > -radius))


@lru_cache(maxsize=4)
def quad_spheres(quads: Quads) -> tuple[FloatArray, FloatArray]:
    """Return centres [P,3] and radii [P] of spheres around quads."""
    centre = quads.vertices.mean(axis=1)
    return centre, np.linalg.norm(quads.vertices - centre[:, None], axis=2).max(axis=1)


def visible(points: FloatArray, grid: RayGrid) -> tuple[NDArray[np.intp], Windows]:
    """Choose the convex hulls of points [P,n,3] that rays can meet; return their numbers and windows, nearest first."""
    z = points[..., 2]
    in_front = np.flatnonzero(z.max(axis=1) > NEAR)
    points = points[in_front]
    low, high = _projected_bounds(points)
    tangent, (z_least, z_most) = grid.x / grid.z, (grid.z.min(), grid.z.max())
    # A ray's y is its image row times its z, which varies over the columns of a LiDAR sector.
    top = np.minimum(low[:, 1] * z_least, low[:, 1] * z_most)
    bottom = np.maximum(high[:, 1] * z_least, high[:, 1] * z_most)
    bounds = np.column_stack(
        [
            np.searchsorted(grid.y, top - 1e-9, side="left"),
            np.searchsorted(grid.y, bottom + 1e-9, side="right"),
            np.searchsorted(tangent, low[:, 0] - 1e-9, side="left"),
            np.searchsorted(tangent, high[:, 0] + 1e-9, side="right"),
        ]
    )
    nearest = z_most / np.maximum(points[..., 2].min(axis=1), NEAR)
    kept = np.flatnonzero((bounds[:, 1] > bounds[:, 0]) & (bounds[:, 3] > bounds[:, 2]))
    kept = kept[np.argsort(-nearest[kept], kind="stable")]
    return in_front[kept], Windows(bounds[kept], nearest[kept])


def _projected_bounds(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bounds (x / z, y / z), low [P,2] and high [P,2], of convex hulls of points [P,n,3] clipped at z = NEAR."""
    z = points[..., 2]
    front = (z > NEAR)[..., None]
    image = points[..., :2] / np.where(front, z[..., None], 1)
    low = np.where(front, image, np.inf).min(axis=1)
    high = np.where(front, image, -np.inf).max(axis=1)
    cut = np.flatnonzero(z.min(axis=1) <= NEAR)
    first, second = np.triu_indices(points.shape[1], 1)
    a, b = points[cut][:, first], points[cut][:, second]
    crosses = (a[..., 2] > NEAR) != (b[..., 2] > NEAR)
    share = (NEAR - a[..., 2]) / np.where(crosses, b[..., 2] - a[..., 2], 1)
    crossing = (a[..., :2] + share[..., None] * (b - a)[..., :2]) / NEAR
    low[cut] = np.minimum(low[cut], np.where(crosses[..., None], crossing, np.inf).min(axis=1))
    high[cut] = np.maximum(high[cut], np.where(crosses[..., None], crossing, -np.inf).max(axis=1))
    return low, high


def transform(T: FloatArray, xyz: FloatArray) -> FloatArray:
    """Map points [...,3] by T, every point by the same operations: shared vertices stay equal to the last bit."""
    columns = [sum(T[i, j] * xyz[..., j] for j in range(3)) + T[i, 3] for i in range(3)]
    return np.stack(columns, axis=-1)
