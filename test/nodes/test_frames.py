"""A pair as a Frame: deskewed by the poses, several LiDARs in one cloud of the camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depth_ros.errors import NodeError
from depth_ros.frame import Frame, PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.motion import Trajectory
from depth_ros.geometry.rigid import from_xyz_quat
from depth_ros.nodes.frames import make_frame
from depth_ros.nodes.inputs import ImageInput, InputPair, ScanInput
from depth_ros.pairing import Stamped
from depth_ros.pipelines.base import Stopwatch

MS = 1_000_000
SPEED = 10.0
AHEAD = np.array([[8, 0, 0], [8, 1, 0]], np.float32)
IMAGE = ImageInput("camera", np.zeros((6, 8, 3), np.uint8), Camera.from_focal(8, 6, 5, 5, 4, 3), 0, 0, 0.0)


class Extrinsics:
    """LiDARs that sit to the left of the camera, by metres."""

    changes: Any = None

    def __init__(self, **left: float) -> None:
        self._left = left

    def lookup(self, parent: str, child: str, stamp_ns: int) -> Any:
        assert (parent, stamp_ns) == ("camera", 150 * MS)
        if child not in self._left:
            raise NodeError(f"no transform from '{child}' to '{parent}'")
        return from_xyz_quat([0, self._left[child], 0], [0, 0, 0, 1])

    def close(self) -> None: ...


class Forward:
    """A robot that drives ahead at `SPEED`, as long as `until`."""

    def __init__(self, until: int) -> None:
        self._until = until

    def trajectory(self, child_frame: str, first_ns: int, last_ns: int) -> Trajectory:
        if last_ns > self._until:
            raise NodeError(f"no pose of '{child_frame}'")
        stamps = np.array([first_ns, last_ns + 1])
        poses = np.tile(np.eye(4), (2, 1, 1))
        poses[:, 0, 3] = SPEED * stamps / 1e9
        return Trajectory(stamps, poses)

    def close(self) -> None: ...


def scan(lidar: str, stamp: int, *times: int) -> Stamped[ScanInput]:
    cloud = PointCloud(AHEAD, time_ns=np.array(times, np.int64) * MS if times else None)
    return Stamped(lidar, stamp * MS + 7, stamp * MS, ScanInput(lidar, cloud, 0.0))


def frame(*scans: Stamped[ScanInput], poses: Forward | None = None) -> tuple[Frame, list[tuple[str, str]]]:
    reports: list[tuple[str, str]] = []

    def report(reason: str, text: str) -> None:
        reports.append((reason, text))

    pair: InputPair = InputPair(140 * MS, IMAGE, 150 * MS, scans)
    return make_frame(pair, Extrinsics(top=0.0, left=1.0), poses, Stopwatch(), report), reports


def test_one_lidar_keeps_its_frame_and_its_points() -> None:
    made, reports = frame(scan("left", 100))
    assert made.points is not None
    assert made.points.xyz is AHEAD
    assert made.T_cam_lidar is not None
    assert made.T_cam_lidar[1, 3] == 1
    assert (made.stamp_ns, made.scan_stamp_ns) == (140 * MS, 100 * MS + 7)
    assert not reports


def test_every_point_is_moved_from_its_own_time_to_that_of_the_image() -> None:
    made, reports = frame(scan("top", 100, 0, 50), poses=Forward(10**12))
    assert made.points is not None
    np.testing.assert_allclose(made.points.xyz[:, 0], [8 - SPEED * 0.05, 8], atol=1e-3)
    assert not reports


def test_several_lidars_are_deskewed_each_and_lie_in_the_camera() -> None:
    made, _ = frame(scan("top", 100), scan("left", 140), poses=Forward(10**12))
    assert made.points is not None
    np.testing.assert_allclose(made.points.xyz[:, 0], [7.5, 7.5, 7.9, 7.9], atol=1e-3)
    np.testing.assert_allclose(made.points.xyz[:, 1], [0, 1, 1, 2], atol=1e-6)
    assert made.points.xyz.dtype == np.float32
    np.testing.assert_array_equal(made.T_cam_lidar, np.eye(4))


def test_without_poses_for_a_scan_it_is_used_as_it_came_and_said() -> None:
    made, reports = frame(scan("top", 100), poses=Forward(0))
    assert made.points is not None
    assert made.points.xyz is AHEAD
    ((reason, text),) = reports
    assert reason == "undeskewed"
    assert "no pose of 'top'" in text


def test_a_lidar_without_a_transform_is_left_out_and_said() -> None:
    made, reports = frame(scan("right", 149), scan("left", 100))
    assert made.points is not None
    assert made.points.xyz is AHEAD
    assert made.T_cam_lidar is not None
    assert made.T_cam_lidar[1, 3] == 1
    assert made.scan_stamp_ns == 100 * MS + 7
    ((reason, text),) = reports
    assert reason == "lidar_without_transform"
    assert "'right' to 'camera'" in text


def test_without_any_transform_it_is_an_error() -> None:
    with pytest.raises(NodeError, match="'right' to 'camera'"):
        frame(scan("right", 100), scan("wrong", 100))
