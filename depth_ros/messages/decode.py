"""Message-shaped objects (rclpy's, rosbags' or any with the same attributes) to what pipelines speak in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import GeometryError, MessageError
from depth_ros.geometry.camera import Camera
from depth_ros.messages.clouds import decode_cloud
from depth_ros.messages.images import decode_array, decode_image
from depth_ros.messages.payload import require, stamp_ns, whole

__all__ = ["decode_array", "decode_camera", "decode_cloud", "decode_image", "is_rectified", "stamp_ns"]
RECTIFIED_WORDS = frozenset({"rect", "rectified"})


def decode_camera(info: Any, *, uncalibrated: bool = False) -> Camera:
    """Return the camera of the images that a CameraInfo describes, region of interest and binning applied.

    Takes the field names of ROS 2 (k, d, r, p) and of ROS 1 (K, D, R, P). REP 104: K and P are of the full sensor; a
    region of zero width or height is the whole of it; binning 0 is 1; the region is cut first, then binned.
    uncalibrated: let a K of zeros be `Camera.uncalibrated`. Raises MessageError when K is all zero otherwise, or the
    values describe no possible camera.
    """
    require(info, "CameraInfo", "height", "width", "distortion_model", "binning_x", "binning_y", "roi")
    K, D, R, P = (_values(info, name) for name in "KDRP")
    if not K.any() and not uncalibrated:
        raise MessageError("CameraInfo has a K of zeros (uncalibrated camera): calibrate it, or load its calibration")
    model = str(info.distortion_model) if D.any() else "plumb_bob"
    width, height = whole(info, "width"), whole(info, "height")
    require(info.roi, "RegionOfInterest", "x_offset", "y_offset", "width", "height")
    x, y, wide, high = (whole(info.roi, name) for name in ("x_offset", "y_offset", "width", "height"))
    bins = max(1, whole(info, "binning_x")), max(1, whole(info, "binning_y"))
    try:
        if K.any():
            camera = Camera(K, width, height, D=D, distortion_model=model, R=R, P=P)
        else:
            camera = Camera.uncalibrated(width, height)
        if wide and high:
            camera = camera.crop(x, y, wide, high)
        return camera if bins == (1, 1) else camera.binned(*bins)
    except GeometryError as error:
        raise MessageError(f"CameraInfo of {width}x{height}: {error}") from error


def is_rectified(topic: str, camera: Camera) -> bool:
    """Tell whether the images of a resolved topic are rectified: its name says so, or the camera's D is all zero.

    The name says so when `rect` or `rectified` is one of the words, between underscores, of its last two parts without
    the transport: image_rect, image_rect_color/compressed, rect/image; not direct/image_raw.
    """
    parts = topic.removesuffix("/compressed").lower().split("/")[-2:]
    words = {word for part in parts for word in part.split("_")}
    return not camera.D.any() or not words.isdisjoint(RECTIFIED_WORDS)


def _values(info: Any, name: str) -> NDArray[np.float64]:
    """Return the values of K, D, R or P under its ROS 2 or its ROS 1 name."""
    values = getattr(info, name.lower(), None)
    if values is None:
        require(info, "CameraInfo", name)
        values = getattr(info, name)
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise MessageError(f"CameraInfo {name} holds no numbers: publish float64 values") from error
