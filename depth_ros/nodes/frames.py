"""A pair as a Frame: every scan moved to the image's time where poses are known, and all of them in one cloud."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import NodeError
from depth_ros.frame import Frame, PointCloud
from depth_ros.geometry.rigid import apply
from depth_ros.nodes.extrinsics import Extrinsics
from depth_ros.nodes.inputs import InputPair, ScanInput
from depth_ros.nodes.poses import Poses, deskewed
from depth_ros.pairing import Stamped
from depth_ros.pipelines.base import Stopwatch

Report = Callable[[str, str], None]
Placed = tuple[Stamped[ScanInput], NDArray[np.float64]]


def image_frame(pair: InputPair) -> Frame:
    """Return the frame of a pair's image alone."""
    image = pair.image
    return Frame(pair.image_stamp_ns, image.frame_id, image.rgb, image.camera)


def make_frame(pair: InputPair, extrinsics: Extrinsics, poses: Poses | None, watch: Stopwatch, report: Report) -> Frame:
    """Return the frame of a pair; `report` is told, by reason, what is missing from it.

    `undeskewed`: a scan was not moved to the image's time. `lidar_without_transform`: a scan is left out.
    The scan of one LiDAR stays in its own frame; those of several become one cloud in the camera's. Raises NodeError
    when the transform of no LiDAR is known. A pair without scans makes a frame without points.
    """
    if not pair.scans:
        return image_frame(pair)
    time_ns = pair.image_time_ns
    placed, undeskewed = _placed(pair, extrinsics, report), partial(report, "undeskewed")
    with watch.stage("deskew"):
        parts = [
            (deskewed(poses, scan.item.frame_id, scan.item.points, scan.time_ns, time_ns, undeskewed), T)
            for scan, T in placed
        ]
    points, T = parts[0] if len(parts) == 1 else (_merged(parts), np.eye(4))
    return replace(image_frame(pair), points=points, T_cam_lidar=T, scan_stamp_ns=placed[0][0].stamp_ns)


def _placed(pair: InputPair, extrinsics: Extrinsics, report: Report) -> list[Placed]:
    """Return the scans whose transform into the camera is known, with it; raises NodeError when there is none."""
    found = [(scan, _transform(pair, scan, extrinsics)) for scan in pair.scans]
    placed = [(scan, T) for scan, T in found if not isinstance(T, NodeError)]
    errors = [error for _, error in found if isinstance(error, NodeError)]
    if not placed:
        raise errors[0]
    for error in errors:
        report("lidar_without_transform", f"completed from the other LiDARs: {error}")
    return placed


def _transform(pair: InputPair, scan: Stamped[ScanInput], extrinsics: Extrinsics) -> NDArray[np.float64] | NodeError:
    try:
        return extrinsics.lookup(pair.image.frame_id, scan.item.frame_id, pair.image_time_ns)
    except NodeError as error:
        return error


def _merged(parts: list[tuple[PointCloud, NDArray[np.float64]]]) -> PointCloud:
    return PointCloud(np.concatenate([apply(T, cloud.xyz) for cloud, T in parts]).astype(np.float32, copy=False))
