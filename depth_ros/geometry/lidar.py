"""LiDAR points as a sparse depth image of a rectified camera."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.spacing import line_spacing

SEE_THROUGH_WINDOW = (15, 9)
SEE_THROUGH_RATIO = 1.08
SEE_THROUGH_MARGIN = 0.5


class SparseDepth(NamedTuple):
    """Projected points.

    depth: float32 [H,W], metres along z, 0 = none. point: int32 [H,W], number of the point drawn there, -1 = none.
    """

    depth: NDArray[np.float32]
    point: NDArray[np.int32]


def project_points(
    xyz: NDArray[np.float32],
    T_cam_lidar: NDArray[np.float64],
    camera: Camera,
    min_depth: float = 0.1,
    max_depth: float = float("inf"),
) -> SparseDepth:
    """Draw LiDAR points [N,3] into the rectified `camera`; where several fall on a pixel, the nearest stays (z-buffer).

    Points outside the image or the open depth range (metres along z) are left out.
    """
    # Half of a scan lies behind the camera: only what is in front is mapped whole.
    z = xyz @ T_cam_lidar[2, :3].astype(xyz.dtype) + T_cam_lidar[2, 3].astype(xyz.dtype)
    candidates = np.flatnonzero((z > min_depth) & (z < max_depth))
    z, points = z[candidates], rigid.apply(T_cam_lidar, xyz.take(candidates, axis=0))
    fx, fy, cx, cy = camera.intrinsics
    column = np.floor(points[:, 0] / z * np.float32(fx) + np.float32(cx + 0.5))
    row = np.floor(points[:, 1] / z * np.float32(fy) + np.float32(cy + 0.5))
    seen = np.flatnonzero((column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height))
    pixel = row[seen].astype(np.int64) * camera.width + column[seen].astype(np.int64)
    z, number = z[seen], candidates[seen]
    depth = np.zeros(camera.height * camera.width, dtype=np.float32)
    point = np.full(camera.height * camera.width, -1, dtype=np.int32)
    depth[pixel], point[pixel] = z, number
    # Few pixels hold several depths: sorting their points alone, to draw them again, is quicker than sorting all.
    crowded = np.zeros(depth.shape, np.bool_)
    crowded[pixel[depth[pixel] != z]] = True
    again = np.flatnonzero(crowded[pixel])
    again = again[np.argsort(-z[again], kind="stable")]
    depth[pixel[again]], point[pixel[again]] = z[again], number[again]
    shape = (camera.height, camera.width)
    return SparseDepth(depth.reshape(shape), point.reshape(shape))


def see_through_filter(
    depth: NDArray[np.float32],
    window: tuple[int, int] = SEE_THROUGH_WINDOW,
    ratio: float = SEE_THROUGH_RATIO,
    margin: float = SEE_THROUGH_MARGIN,
) -> NDArray[np.float32]:
    """Return the sparse depth image without see-through points, those that the camera cannot see.

    The LiDAR sits beside the camera and sees past silhouettes; such a point lands inside a nearer object. A point goes
    when its z exceeds `ratio` times the nearest z of its window (rows, columns) plus `margin` metres. depth: float32
    [H,W], metres, 0 = none.
    """
    kept = np.zeros_like(depth)
    points = np.flatnonzero(depth > 0)
    if not len(points):
        return kept
    far = 1e9
    first, last = points[[0, -1]] // depth.shape[1]
    # Beyond the first and the last row with points is nothing nearer.
    inside, values = points - first * depth.shape[1], depth.take(points)
    filled = np.full((last - first + 1, depth.shape[1]), far, np.float32)
    filled.put(inside, values)
    nearest = cv2.erode(filled, np.ones(window, np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(far,))
    seen = values <= nearest.take(inside) * np.float32(ratio) + np.float32(margin)
    kept.put(points[seen], values[seen])
    return kept


def see_through_window(depth: NDArray[np.float32]) -> tuple[int, int]:
    """Choose the window (rows, columns) of `see_through_filter` for the scan's own density.

    A see-through point is found when a nearer one lies in its window, so the window reaches half a gap up and down:
    as far as it can without comparing neighbouring scan lines, whose depths differ on plain ground. Where the beams
    are not evenly spaced, the dense ones decide. Sideways it holds three points. It is never smaller than the window
    for a full 64-line scan. depth: float32 [H,W], 0 = none.
    """
    step, gap = line_spacing(depth > 0)
    most = min(depth.shape) // 4
    height, width = (int(min(length, most)) // 2 * 2 + 1 for length in (gap, 3 * step))
    return max(SEE_THROUGH_WINDOW[0], height), max(SEE_THROUGH_WINDOW[1], width)
