"""Ray casting: the exact nearest hit of a grid of rays with a scene.

A camera's rays and one sector of a spinning LiDAR's rays have the same form, (x_j, y_i, z_j) at row i and column j, so
that every linear function of the ray is the sum of one number per column and one per row. A quad is five of these
functions: four edges (all >= 0 inside) and the inverse ray parameter of its plane. Each shape meets only the rays of
its bounding rectangle, nearest shapes first, against a z-buffer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.scene import FloatArray, Quads, Scene, Solids

NEAR = 0.05
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)


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
        columns, rows = np.arange(camera.width) + shift, np.arange(camera.height) + shift
        return cls((columns - cx) / fx, (rows - cy) / fy, np.ones(camera.width))

    @property
    def directions(self) -> FloatArray:
        """The rays as vectors, float64 [H,W,3]."""
        rays = np.empty((len(self.y), len(self.x), 3))
        rays[..., 0], rays[..., 1], rays[..., 2] = self.x, self.y[:, None], self.z
        return rays


class Hits(NamedTuple):
    """Nearest hits.

    t: float64 [H,W], the hit is at t times the ray; inf = none. For a camera t is the depth along the optical axis.
    shape: int32 [H,W], number of the shape that was hit, -1 = none.
    """

    t: FloatArray
    shape: NDArray[np.int32]


class _Windows(NamedTuple):
    """Rows [r0, r1) and columns [c0, c1) that a shape can touch, and the largest inverse ray parameter there."""

    bounds: NDArray[np.intp]
    nearest: FloatArray


def cast(scene: Scene, T_world_view: FloatArray, grid: RayGrid) -> Hits:
    """Return what every ray of `grid` hits first, seen from the pose `T_world_view` of the view frame."""
    T_view_world = rigid.invert(T_world_view)
    inverse_t = np.zeros((len(grid.y), len(grid.x)))
    shape = np.full(inverse_t.shape, -1, dtype=np.int32)
    _cast_quads(scene.quads, T_view_world, grid, inverse_t, shape)
    first = len(scene.quads.material)
    _cast_solids(scene.ellipsoids, _meet_ellipsoid, T_view_world, grid, inverse_t, shape, first)
    first += len(scene.ellipsoids.material)
    _cast_solids(scene.cylinders, _meet_cylinder, T_view_world, grid, inverse_t, shape, first)
    with np.errstate(divide="ignore"):
        return Hits(1 / inverse_t, shape)
