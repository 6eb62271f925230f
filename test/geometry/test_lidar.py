from __future__ import annotations

import numpy as np

from depth_ros.geometry.camera import Camera
from depth_ros.geometry.lidar import project_points, see_through_filter

CAMERA = Camera.from_focal(64, 48, 40.0, 42.0, 31.5, 23.5)
RNG = np.random.default_rng(1)


def test_every_point_lands_on_the_pixel_of_a_slow_reference() -> None:
    xyz = RNG.uniform([-20, -15, -5], [20, 15, 40], (3000, 3)).astype(np.float32)
    turn = np.array([[0, -1, 0, 0.1], [0, 0, -1, 0.2], [1, 0, 0, 0.3], [0, 0, 0, 1.0]])
    expected = np.zeros((48, 64), np.float32)
    owner = np.full((48, 64), -1)
    for n, point in enumerate(xyz.astype(np.float64)):
        x, y, z = turn[:3, :3] @ point + turn[:3, 3]
        if z <= 0.5 or z >= 30:
            continue
        u, v = int(np.floor(40 * x / z + 31.5 + 0.5)), int(np.floor(42 * y / z + 23.5 + 0.5))
        if 0 <= u < 64 and 0 <= v < 48 and (expected[v, u] == 0 or z < expected[v, u]):
            expected[v, u], owner[v, u] = z, n
    sparse = project_points(xyz, turn, CAMERA, 0.5, 30)
    np.testing.assert_allclose(sparse.depth, expected, rtol=1e-5)
    np.testing.assert_array_equal(sparse.point, owner)
    assert (expected > 0).sum() > 150


def test_the_nearest_of_several_points_on_a_pixel_stays() -> None:
    xyz = np.array([[0, 0, 9], [0, 0, 3], [0, 0, 5]], np.float32)
    sparse = project_points(xyz, np.eye(4), CAMERA)
    assert sparse.depth[24, 32] == 3
    assert sparse.point[24, 32] == 1


def test_places_are_the_pixels_with_a_point() -> None:
    xyz = RNG.uniform([-5, -5, 1], [5, 5, 9], (4000, 3)).astype(np.float32)
    sparse = project_points(xyz, np.eye(4), CAMERA)
    np.testing.assert_array_equal(sparse.places, np.flatnonzero(sparse.depth))
    assert len(sparse.places) < len(sparse.pixel)


def test_empty_scan_gives_an_empty_image() -> None:
    sparse = project_points(np.zeros((0, 3), np.float32), np.eye(4), CAMERA)
    assert not sparse.depth.any()
    assert not len(sparse.places)
    assert (sparse.point == -1).all()


def test_point_seen_past_a_silhouette_is_dropped() -> None:
    sparse = np.zeros((40, 40), np.float32)
    sparse[20, 10:30] = 5.0
    sparse[22, 20] = 30.0
    kept = see_through_filter(sparse)
    assert kept[22, 20] == 0
    assert (kept[20, 10:30] == 5).all()


def test_filter_equals_the_written_rule_pixel_by_pixel() -> None:
    sparse = np.where(RNG.random((50, 60)) < 0.2, RNG.uniform(1, 40, (50, 60)), 0).astype(np.float32)
    expected = sparse.copy()
    for v, u in zip(*np.nonzero(sparse), strict=True):
        window = sparse[max(0, v - 7) : v + 8, max(0, u - 4) : u + 5]
        if sparse[v, u] > np.float32(1.08) * window[window > 0].min() + np.float32(0.5):
            expected[v, u] = 0
    np.testing.assert_array_equal(see_through_filter(sparse), expected)
    assert 0 < (expected > 0).sum() < (sparse > 0).sum()


def test_filter_takes_the_window_of_the_scan_when_it_is_given_none() -> None:
    sparse = np.zeros((200, 200), np.float32)
    sparse[10::40, ::3] = 5
    sparse[60, 99] = 30
    assert see_through_filter(sparse)[60, 99] == 30
    assert see_through_filter(sparse, None)[60, 99] == 0


def test_filter_of_nothing_is_nothing() -> None:
    assert not see_through_filter(np.zeros((5, 5), np.float32)).any()
