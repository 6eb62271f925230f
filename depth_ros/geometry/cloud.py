"""Depth images as organised point clouds, and which of their points are better left out."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera

FLYING_REACH = 3
"""Pixels to the surfaces on both sides of a flying pixel: completion blurs a silhouette over this many each way."""
FLYING_STEP = 0.05
"""Least step of inverse depth to either side, relative to the pixel's own."""
FLYING_CONTRAST = 2.0
"""How much steeper the step between the surfaces is than the two surfaces are."""


class CloudFilter(NamedTuple):
    """What is left out of a cloud: sigma above max_sigma (m) or above max_sigma_ratio times depth (0: off for both).

    An unknown sigma is above every limit. flying_pixels: also what `flying_pixels` marks, unless it was measured.
    """

    max_sigma: float = 0.0
    max_sigma_ratio: float = 0.0
    flying_pixels: bool = False


NO_FILTER = CloudFilter()


def depth_to_points(
    depth: NDArray[np.float32], camera: Camera, stride: int = 1, hidden: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Lift a depth image to an organised cloud.

    depth: float32 [H,W], metres along z, NaN = unknown. hidden: bool, the points that are left out, of the cloud's
    size. Returns float32 [ceil(H/stride), ceil(W/stride), 3] in the camera's optical frame (REP 103), NaN where the
    depth is not finite or the point left out; in memory x, y and z are a plane each.
    """
    x, y = _rays(camera.size, camera.intrinsics, stride)
    given = depth[::stride, ::stride]
    unknown = ~np.isfinite(given)
    if hidden is not None:
        unknown |= hidden
    # Axis by axis: whole planes are quick to fill.
    planes = np.empty((3, *given.shape), np.float32)
    z = planes[2]
    np.copyto(z, given)
    np.copyto(z, np.float32(np.nan), where=unknown)
    np.multiply(z, x, out=planes[0])
    np.multiply(z, y[:, None], out=planes[1])
    return planes.transpose(1, 2, 0)


def hidden_points(
    depth: NDArray[np.float32],
    sigma: NDArray[np.float32],
    measured: NDArray[np.bool_],
    chosen: CloudFilter,
    stride: int = 1,
) -> NDArray[np.bool_]:
    """Mark the points that `chosen` leaves out: bool [ceil(H/stride), ceil(W/stride)].

    depth, sigma: float32 [H,W], metres, NaN = unknown. measured: bool [H,W], the pixels that are LiDAR returns.
    """
    pick = (slice(None, None, stride), slice(None, None, stride))
    out = np.zeros(depth[pick].shape, np.bool_)
    with np.errstate(invalid="ignore"):
        if chosen.max_sigma:
            out |= ~(sigma[pick] <= np.float32(chosen.max_sigma))
        if chosen.max_sigma_ratio:
            out |= ~(sigma[pick] <= np.float32(chosen.max_sigma_ratio) * depth[pick])
    if chosen.flying_pixels:
        out |= flying_pixels(depth, stride) & ~measured[pick]
    return out


def flying_pixels(depth: NDArray[np.float32], stride: int = 1) -> NDArray[np.bool_]:
    """Mark the pixels that hang in the air between two surfaces: bool [ceil(H/stride), ceil(W/stride)].

    Such a pixel is, along its row or its column, nearer than the surface on one side and farther than the one on the
    other, and the inverse depth steps by more between the two surfaces than it does on them: a plane, however
    slanted, has even steps of inverse depth, so that the ground up to the horizon is none. The sky (+Inf) is a surface,
    the unknown (NaN) and the too near (-Inf) are not. depth: float32 [H,W], metres along z; all of it is looked at,
    whatever the stride.
    """
    margin = 2 * FLYING_REACH
    inverse = np.full([size + 2 * margin for size in depth.shape], np.nan, np.float32)
    with np.errstate(invalid="ignore"):
        np.divide(1, depth, out=inverse[margin:-margin, margin:-margin], where=depth > 0)
    flying = np.zeros(depth[::stride, ::stride].shape, np.bool_)
    for axis in (0, 1):
        line = _shifted(inverse, depth.shape, axis, stride)
        with np.errstate(invalid="ignore"):
            stepping = np.flatnonzero(np.abs(line[1] - line[3]) > np.float32(2 * FLYING_STEP) * line[2])
        at = np.divmod(stepping, -(-depth.shape[1] // stride))
        flying.flat[stepping[_between(*(view[at] for view in line))]] = True
    return flying


def _shifted(padded: NDArray[np.float32], shape: tuple[int, ...], axis: int, stride: int) -> list[NDArray[np.float32]]:
    """View the image moved by -2, -1, 0, 1 and 2 times FLYING_REACH along an axis, every `stride`-th pixel."""
    views = []
    for shift in range(0, 5 * FLYING_REACH, FLYING_REACH):
        start = [2 * FLYING_REACH, 2 * FLYING_REACH]
        start[axis] = shift
        views.append(padded[start[0] : start[0] + shape[0] : stride, start[1] : start[1] + shape[1] : stride])
    return views


@np.errstate(invalid="ignore")
def _between(
    beyond: NDArray[np.float32],
    before: NDArray[np.float32],
    here: NDArray[np.float32],
    after: NDArray[np.float32],
    farther: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Mark where inverse depth steps on its way through `here`, and less on either side."""
    first, second, least = before - here, here - after, np.float32(FLYING_STEP) * here
    steps = (first * second > 0) & (np.minimum(np.abs(first), np.abs(second)) > least)
    outside = np.abs(beyond - before) + np.abs(after - farther)
    marked: NDArray[np.bool_] = steps & (np.abs(before - after) > np.float32(FLYING_CONTRAST) * outside)
    return marked


@lru_cache(maxsize=8)
def _rays(
    size: tuple[int, int], intrinsics: tuple[float, float, float, float], stride: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    fx, fy, cx, cy = intrinsics
    columns, rows = np.arange(0, size[0], stride), np.arange(0, size[1], stride)
    return ((columns - cx) / fx).astype(np.float32), ((rows - cy) / fy).astype(np.float32)
