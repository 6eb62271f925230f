"""LiDAR points as a sparse depth image of a rectified camera."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera
from depth_ros.geometry.spacing import line_spacing

SEE_THROUGH_WINDOW = (15, 9)
SEE_THROUGH_RATIO = 1.08
SEE_THROUGH_MARGIN = 0.5


class SparseDepth(NamedTuple):
    """Projected points.

    depth: float32 [H,W], metres along z, 0 = none. pixel, number: int [M], the points that were drawn, by the place of
    their pixel in memory and by their number in the scan. again: int [K], those of the M that were drawn once more, as
    they are nearer than the last one on their pixel; the nearest comes last.
    """

    depth: NDArray[np.float32]
    pixel: NDArray[np.intp]
    number: NDArray[np.intp]
    again: NDArray[np.intp]

    @property
    def places(self) -> NDArray[np.intp]:
        """The pixels that hold a point, by their place in memory: int, rising."""
        places = np.sort(self.pixel)
        return places[np.flatnonzero(np.diff(places, prepend=-1))]

    @property
    def point(self) -> NDArray[np.int32]:
        """Number of the point drawn at each pixel, int32 [H,W], -1 = none."""
        drawn = np.full(self.depth.shape, -1, np.int32)
        for chosen in (slice(None), self.again):
            drawn.put(self.pixel[chosen], self.number[chosen])
        return drawn


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
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
    T = T_cam_lidar[:3].astype(xyz.dtype)
    fx, fy, cx, cy = camera.intrinsics
    z = xyz @ T[2, :3]
    z += T[2, 3]
    # All points in whole columns cost less than those in front of the camera one after the other.
    column, row = T[:2, :3] @ xyz.T
    for pixels, offset, focal, centre in ((column, T[0, 3], fx, cx), (row, T[1, 3], fy, cy)):
        pixels += offset
        pixels /= z
        pixels *= np.float32(focal)
        pixels += np.float32(centre + 0.5)
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    number = np.flatnonzero(inside & (z > min_depth) & (z < max_depth))
    z = z.take(number)
    pixel = row.take(number).astype(np.intp) * camera.width + column.take(number).astype(np.intp)
    depth = np.zeros((camera.height, camera.width), np.float32)
    depth.put(pixel, z)
    # Few points are nearer than the last one on their pixel: these alone are sorted and drawn again.
    again = np.flatnonzero(z < depth.take(pixel))
    again = again[np.argsort(-z[again], kind="stable")]
    depth.put(pixel[again], z[again])
    return SparseDepth(depth, pixel, number, again)


def see_through_filter(
    depth: NDArray[np.float32],
    window: tuple[int, int] | None = SEE_THROUGH_WINDOW,
    ratio: float = SEE_THROUGH_RATIO,
    margin: float = SEE_THROUGH_MARGIN,
) -> NDArray[np.float32]:
    """Return the sparse depth image without see-through points, those that the camera cannot see.

    depth: float32 [H,W], metres, 0 = none. The others as in `see_through_points`.
    """
    kept = depth.copy()
    kept.put(see_through_points(depth, np.flatnonzero(depth > 0), window, ratio, margin), 0)
    return kept


def see_through_points(
    depth: NDArray[np.float32],
    places: NDArray[np.intp],
    window: tuple[int, int] | None = None,
    ratio: float = SEE_THROUGH_RATIO,
    margin: float = SEE_THROUGH_MARGIN,
) -> NDArray[np.intp]:
    """Return those of the `places` that hold a see-through point.

    The LiDAR sits beside the camera and sees past silhouettes; such a point lands inside a nearer object. It is one
    when its z exceeds `ratio` times the nearest z of its window (rows, columns; None: `see_through_window`) plus
    `margin` metres. depth: float32 [H,W], metres. places: int [N], rising, all pixels that hold a point, by their place
    in memory.
    """
    if not len(places):
        return places
    window = window or see_through_window(places, depth.shape)
    far = 1e9
    first, last = places[[0, -1]] // depth.shape[1]
    # Beyond the first and the last row with points is nothing nearer.
    inside, values = places - first * depth.shape[1], depth.take(places)
    filled = np.full((last - first + 1, depth.shape[1]), far, np.float32)
    filled.put(inside, values)
    nearest = cv2.erode(filled, np.ones(window, np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(far,))
    limit = nearest.take(inside) * np.float32(ratio) + np.float32(margin)
    unseen: NDArray[np.intp] = places[values > limit]
    return unseen


def see_through_window(places: NDArray[np.intp], shape: tuple[int, ...]) -> tuple[int, int]:
    """Choose the window (rows, columns) of `see_through_points` for the scan's own density.

    A see-through point is found when a nearer one lies in its window, so the window reaches half a gap up and down:
    as far as it can without comparing neighbouring scan lines, whose depths differ on plain ground. Where the beams
    are not evenly spaced, the dense ones decide. Sideways it holds three points. It is never smaller than the window
    for a full 64-line scan. places: int [N], rising, the pixels of an image of `shape` [H,W] that hold a point.
    """
    step, gap = line_spacing(places, shape)
    most = min(shape) // 4
    height, width = (int(min(length, most)) // 2 * 2 + 1 for length in (gap, 3 * step))
    return max(SEE_THROUGH_WINDOW[0], height), max(SEE_THROUGH_WINDOW[1], width)
