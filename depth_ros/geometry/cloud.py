"""Depth images as organised point clouds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera


def depth_to_points(depth: NDArray[np.float32], camera: Camera, stride: int = 1) -> NDArray[np.float32]:
    """Lift a depth image to an organised cloud.

    depth: float32 [H,W], metres along z, NaN = unknown. Returns float32 [ceil(H/stride), ceil(W/stride), 3] in the
    camera's optical frame (REP 103), NaN where the depth is not finite.
    """
    x, y = _rays(camera.size, camera.intrinsics, stride)
    z = depth[::stride, ::stride]
    z = np.where(np.isfinite(z), z, np.float32(np.nan))
    points = np.empty((*z.shape, 3), np.float32)
    np.multiply(z, x, out=points[..., 0])
    np.multiply(z, y[:, None], out=points[..., 1])
    points[..., 2] = z
    return points


@lru_cache(maxsize=8)
def _rays(
    size: tuple[int, int], intrinsics: tuple[float, float, float, float], stride: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    fx, fy, cx, cy = intrinsics
    columns, rows = np.arange(0, size[0], stride), np.arange(0, size[1], stride)
    return ((columns - cx) / fx).astype(np.float32), ((rows - cy) / fy).astype(np.float32)
