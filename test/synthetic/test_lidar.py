import numpy as np
import pytest

from depth_ros.errors import SyntheticError
from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.lidar import project_points, see_through_filter
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.lidar import PATTERNS, LidarPattern, find_pattern, scan
from depth_ros.synthetic.render import render
from depth_ros.synthetic.scene import make_scene
from depth_ros.synthetic.shapes import Scene, StreetScene
from depth_ros.synthetic.trajectory import T_BASE_CAMERA, T_BASE_LIDAR, drive

SMALL = LidarPattern(np.linspace(-20, 8, 12), columns=360)


@pytest.fixture(scope="module")
def scene() -> StreetScene:
    return make_scene(1, 20.0)


def ball(radius: float) -> Scene:
    """A hollow world: six walls `radius` metres around the origin, seen from inside."""
    builder = SceneBuilder()
    wall = builder.material((0.5, 0.5, 0.5))
    r = radius
    for turn in range(4):
        cos, sin = np.cos(turn * np.pi / 2), np.sin(turn * np.pi / 2)
        T = rigid.from_rotation(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]), np.zeros(3))
        builder.quad(T, [(r, r, -r), (r, -r, -r), (r, -r, r), (r, r, r)], wall)
    return builder.build(np.array([0, 0, 1.0]), 500.0)


def test_ranges_in_a_square_room_are_closed_form() -> None:
    cloud = scan(ball(9.0), np.eye(4), SMALL)
    assert len(cloud) == 12 * 360
    np.testing.assert_allclose(np.abs(cloud.xyz[:, :2]).max(axis=1), 9.0, rtol=1e-6)
    assert cloud.ring is not None
    elevation = np.degrees(np.arctan2(cloud.xyz[:, 2], np.hypot(cloud.xyz[:, 0], cloud.xyz[:, 1])))
    np.testing.assert_allclose(elevation, SMALL.elevations[cloud.ring], atol=1e-4)


def test_a_turn_goes_clockwise_from_the_rear_and_time_with_it() -> None:
    cloud = scan(ball(9.0), np.eye(4), SMALL)
    assert cloud.time_ns is not None
    assert cloud.ring is not None
    azimuth = np.arctan2(cloud.xyz[:, 1].astype(np.float64), cloud.xyz[:, 0])
    expected = np.pi - 2 * np.pi * (cloud.time_ns / SMALL.period_ns + 0.5 / SMALL.columns)
    np.testing.assert_allclose(azimuth, expected, atol=1e-5)
    assert (np.diff(cloud.time_ns) >= 0).all()
    assert (cloud.ring[:12] == np.arange(12)).all()


def test_a_scan_from_the_cameras_centre_is_the_cameras_depth(scene: StreetScene) -> None:
    T_world_cam = drive(scene.street, 1.0) @ T_BASE_CAMERA
    T_cam_lidar = rigid.from_rotation(T_BASE_CAMERA[:3, :3].T, np.zeros(3))
    cloud = scan(scene, T_world_cam @ T_cam_lidar, SMALL)
    points = rigid.apply(T_cam_lidar, cloud.xyz.astype(np.float64))
    ahead = points[points[:, 2] > np.abs(points[:, 0])]
    assert len(ahead) > 300
    for x, y, z in ahead[::7]:
        ray = RayGrid(np.array([x / z]), np.array([y / z]), np.ones(1))
        depth = cast(scene, T_world_cam, ray).t[0, 0]
        # float32 points: a ray can pass the other side of an edge, nothing else may differ
        beside = [cast(scene, T_world_cam, RayGrid(ray.x + d, ray.y + e, ray.z)).t[0, 0] for d, e in _AROUND]
        assert np.isclose([depth, *beside], z, rtol=1e-5).any()


_AROUND = [(1e-6, 0.0), (-1e-6, 0.0), (0.0, 1e-6), (0.0, -1e-6)]


def test_see_through_points_arise_behind_silhouettes_and_the_filter_takes_them(scene: StreetScene) -> None:
    camera = Camera.from_focal(640, 360, 400, 400, 319.5, 179.5)
    base = drive(scene.street, 1.0)
    depth = render(scene, camera, base @ T_BASE_CAMERA)[1]
    cloud = scan(scene, base @ T_BASE_LIDAR, PATTERNS["spin64"])
    sparse = project_points(cloud.xyz, rigid.compose(rigid.invert(T_BASE_CAMERA), T_BASE_LIDAR), camera).depth
    kept = see_through_filter(sparse)

    def share_behind(drawn: np.ndarray) -> float:
        at = (drawn > 0) & np.isfinite(depth)
        return float((drawn[at] > 1.08 * depth[at] + 0.5).mean())

    assert share_behind(sparse) > 0.003
    assert share_behind(kept) < 0.3 * share_behind(sparse)
    at = (kept > 0) & np.isfinite(depth)
    assert np.median(np.abs(kept[at] - depth[at]) / depth[at]) < 0.01


def test_a_moving_lidar_sees_the_same_world(scene: StreetScene) -> None:
    poses = np.stack([drive(scene.street, 1 + 0.1 * (k + 0.5) / 12) @ T_BASE_LIDAR for k in range(12)])
    moving = scan(scene, poses, SMALL)
    assert moving.time_ns is not None
    sector = (moving.time_ns + 1) * 12 // SMALL.period_ns
    for k in (0, 5, 11):
        still = scan(scene, poses[k], SMALL)
        assert still.time_ns is not None
        np.testing.assert_allclose(
            moving.xyz[sector == k], still.xyz[(still.time_ns + 1) * 12 // SMALL.period_ns == k], atol=1e-5
        )


def test_noise_is_along_the_ray_and_has_its_size() -> None:
    room = ball(9.0)
    exact, noisy = (scan(room, np.eye(4), SMALL, rng) for rng in (None, np.random.default_rng(0)))
    assert 0.9 * len(exact) < len(noisy) <= len(exact)
    error = (np.abs(noisy.xyz[:, :2]).max(axis=1) - 9.0) * np.linalg.norm(noisy.xyz, axis=1) / 9.0
    assert 0.015 < error.std() < 0.025
    assert abs(error.mean()) < 0.002


def test_returns_fail_with_range_and_incidence(scene: StreetScene) -> None:
    T = drive(scene.street, 1.0) @ T_BASE_LIDAR
    exact, real = scan(scene, T, PATTERNS["spin32"]), scan(scene, T, PATTERNS["spin32"], np.random.default_rng(1))
    share = []
    for low, high in ((3, 10), (20, 40), (60, 100)):
        counts = [((d := np.linalg.norm(c.xyz, axis=1)) > low) & (d < high) for c in (real, exact)]
        share.append(counts[0].sum() / counts[1].sum())
    assert share[0] > share[1] > share[2]
    assert share[0] > 0.85
    assert real.intensity is not None
    assert real.intensity.min() >= 0
    assert real.intensity.max() <= 255
    assert np.linalg.norm(exact.xyz, axis=1).max() <= 100.001


def test_a_scan_is_a_function_of_its_generator(scene: StreetScene) -> None:
    T = drive(scene.street, 0.5) @ T_BASE_LIDAR
    first, again, other = (scan(scene, T, SMALL, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.xyz, again.xyz)
    assert first.xyz.shape != other.xyz.shape or not np.array_equal(first.xyz, other.xyz)


def test_nothing_in_range_is_an_empty_cloud() -> None:
    cloud = scan(ball(500.0), np.eye(4), SMALL, np.random.default_rng(0))
    assert cloud.xyz.shape == (0, 3)
    assert cloud.ring is not None
    assert len(cloud.ring) == 0


@pytest.mark.parametrize("shape", [(3, 4, 4), (4, 3), (12, 3, 4)])
def test_wrong_poses_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(SyntheticError, match="poses"):
        scan(ball(9.0), np.zeros(shape), SMALL)


def test_an_unknown_pattern_is_an_error() -> None:
    assert len(find_pattern("spin64").elevations) == 64
    with pytest.raises(SyntheticError, match="spin16, spin32, spin40, spin64"):
        find_pattern("spin7")
