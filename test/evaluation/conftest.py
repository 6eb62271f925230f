"""A street whose truth is known in closed form: flat ground 1.5 m below the LiDAR and a wall 20 m ahead."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.bags.sample import Sample
from depth_ros.frame import Frame, PointCloud
from depth_ros.geometry.camera import Camera

HEIGHT_M, WALL_M = 1.5, 20.0
CAMERA = Camera.from_focal(160, 96, 120.0, 120.0, 79.5, 47.5)
T_CAM_LIDAR = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])


def scan() -> PointCloud:
    """Sixteen beams from 4 degrees above to 20 degrees below the horizon."""
    elevation, azimuth = np.meshgrid(
        np.radians(np.linspace(4, -20, 16)), np.radians(np.arange(-40, 40, 0.4)), indexing="ij"
    )
    rays = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], -1)
    ground = np.where(rays[..., 2] < 0, HEIGHT_M / np.maximum(-rays[..., 2], 1e-9), np.inf)
    distance = np.minimum(ground, WALL_M / rays[..., 0])
    ring = np.repeat(np.arange(16, dtype=np.int32)[:, None], azimuth.shape[1], axis=1)
    return PointCloud((rays * distance[..., None]).reshape(-1, 3).astype(np.float32), ring=ring.ravel())


def street_truth() -> NDArray[np.float32]:
    """Depth of every pixel of CAMERA, which sits where the LiDAR sits."""
    row = (np.arange(96, dtype=np.float64) - 47.5) / 120.0
    z = np.where(row > 0, HEIGHT_M / np.maximum(row, 1e-9), np.inf)
    return np.repeat(np.minimum(z, WALL_M)[:, None], 160, axis=1).astype(np.float32)


@pytest.fixture
def truth() -> NDArray[np.float32]:
    return street_truth()


@pytest.fixture
def frame() -> Frame:
    rgb = np.full((96, 160, 3), 128, np.uint8)
    return Frame(0, "camera", rgb, CAMERA, points=scan(), T_cam_lidar=T_CAM_LIDAR, scan_stamp_ns=0)


@pytest.fixture
def sample(frame: Frame) -> Sample:
    return Sample("0", frame, None)
