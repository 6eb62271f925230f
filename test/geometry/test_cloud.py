from __future__ import annotations

import numpy as np

from depth_ros.geometry.camera import Camera
from depth_ros.geometry.cloud import depth_to_points

CAMERA = Camera.from_focal(20, 10, 15.0, 16.0, 9.2, 4.7)


def test_points_project_back_to_their_pixels() -> None:
    depth = np.random.default_rng(0).uniform(1, 50, (10, 20)).astype(np.float32)
    points = depth_to_points(depth, CAMERA)
    uv, z = CAMERA.project(points.reshape(-1, 3))
    rows, columns = np.indices((10, 20))
    np.testing.assert_allclose(uv, np.column_stack([columns.ravel(), rows.ravel()]), atol=1e-4)
    np.testing.assert_allclose(z, depth.ravel())


def test_unknown_depth_is_nan_in_all_three_coordinates() -> None:
    depth = np.full((10, 20), np.nan, np.float32)
    depth[3, 4], depth[5, 6], depth[7, 8] = 2, np.inf, -np.inf
    points = depth_to_points(depth, CAMERA)
    assert np.isfinite(points).all(-1).sum() == 1
    assert np.isfinite(points[3, 4]).all()
    assert np.isnan(points).any(-1).sum() == np.isnan(points).all(-1).sum() == 199


def test_stride_takes_every_nth_pixel_at_its_own_place() -> None:
    depth = np.random.default_rng(0).uniform(1, 50, (10, 20)).astype(np.float32)
    np.testing.assert_array_equal(depth_to_points(depth, CAMERA, 3), depth_to_points(depth, CAMERA)[::3, ::3])
