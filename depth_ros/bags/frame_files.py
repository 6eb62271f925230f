"""One frame of a folder that was found but not read yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.calibration import Calibration, read_points
from depth_ros.bags.pictures import read_picture
from depth_ros.errors import BagError
from depth_ros.frame import Frame

FRAME_ID = "camera_optical_frame"
Content = tuple[Frame, "NDArray[np.float32] | None"]


@dataclass(frozen=True)
class FrameFiles:
    """Where one frame lies.

    load: reads the frame (its stamps still zero) and its truth depth. Stamps in nanoseconds, None where the folder
    states none. assumed: what was taken for granted, one sentence each.
    """

    name: str
    load: Callable[[], Content]
    image_stamp_ns: int | None = None
    scan_stamp_ns: int | None = None
    assumed: tuple[str, ...] = ()


def load_lidar_frame(image: Path, points: Path | None, calibrate: Callable[[tuple[int, int]], Calibration]) -> Content:
    """Read a picture and its scan.

    points: the point file, or None where the calibration names it. calibrate: gives the calibration for the picture's
    size (width, height). Raises BagError when a file cannot be read or the sizes differ.
    """
    rgb = read_picture(image)
    size = rgb.shape[1], rgb.shape[0]
    calibration = calibrate(size)
    if calibration.camera.size != size:
        stated = "{} x {}".format(*calibration.camera.size)
        raise BagError(f"{image}: is {size[0]} x {size[1]}, its calibration says {stated}: give the one of this image")
    path = points or calibration.points_path
    if path is None:
        raise BagError(f"{image.parent}: no point file: add points.bin, or the key 'points' to calib.txt")
    cloud = read_points(path, calibration.point_fields)
    return Frame(0, FRAME_ID, rgb, calibration.camera, points=cloud, T_cam_lidar=calibration.T_cam_lidar), None
