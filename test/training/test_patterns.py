import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera
from depth_ros.geometry.lidar import project_points, see_through_filter
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.lidar import PATTERNS
from depth_ros.synthetic.shapes import FloatArray
from depth_ros.training import beams, scans
from depth_ros.training.patterns import MEASURE, SHARES, View, sense

Float32Array = NDArray[np.float32]
# A window of a larger image: the principal point is outside.
CAMERA = Camera.from_focal(416, 224, 700.0, 700.0, 500.0, 90.0)
# Optical frame (x right, y down, z ahead) 1.5 m above the floor of a world with z up, looking along x.
T_WORLD_CAM = np.array([[0, 0, 1.0, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


def make_view(board: float | None = 6.0) -> View:
    """A floor, a wall at x = 20 m and, in front of it, a board that the camera sees partly."""
    builder = SceneBuilder()
    grey = builder.material((0.6, 0.6, 0.6))
    builder.quad(np.eye(4), [(-5, -60, 0), (60, -60, 0), (60, 60, 0), (-5, 60, 0)], grey)
    builder.quad(np.eye(4), [(20, 60, 0), (20, -60, 0), (20, -60, 30), (20, 60, 30)], grey)
    if board is not None:
        builder.quad(np.eye(4), [(board, 3, 0), (board, 1, 0), (board, 1, 4), (board, 3, 4)], grey)
    scene = builder.build(np.array([0, 0, 1.0]), 500.0)
    truth = cast(scene, T_WORLD_CAM, RayGrid.from_camera(CAMERA)).t.astype(np.float32)
    truth[~np.isfinite(truth)] = np.nan
    rgb = np.random.default_rng(0).integers(0, 256, (224, 416, 3), dtype=np.uint8)
    return View(scene, CAMERA, T_WORLD_CAM, truth, rgb)


@pytest.fixture(scope="module")
def view() -> View:
    return make_view()


def scan_exactly(view: View, offset: FloatArray, seed: int = 0) -> Float32Array:
    rays = beams.raster_rays(view.camera, np.random.default_rng(seed))
    return scans.scan_view(view.scene, view.camera, view.T_world_cam, rays, offset, 3.0)


def depth_around(truth: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Least and greatest depth of the 3 x 3 pixels around each."""
    padded = np.pad(truth, 1, mode="edge")
    around = np.stack([padded[i : i + 224, j : j + 416] for i in range(3) for j in range(3)])
    return around.min(axis=0), around.max(axis=0)


def test_shares_add_up_and_every_kind_can_be_measured() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)
    assert sum(beams.LAYOUTS.values()) == pytest.approx(1)
    assert set(SHARES) == set(MEASURE)
    assert set(beams.LAYOUTS) <= set(PATTERNS)


@pytest.mark.parametrize("kind", SHARES)
def test_every_kind_gives_finite_depths_and_the_same_for_the_same_seed(view: View, kind: str) -> None:
    counts = []
    for seed in range(6):
        depth = MEASURE[kind](view, np.random.default_rng(seed))
        assert depth.shape == (224, 416)
        assert depth.dtype == np.float32
        assert np.isfinite(depth).all()
        assert (depth >= 0).all()
        np.testing.assert_array_equal(depth, MEASURE[kind](view, np.random.default_rng(seed)))
        counts.append(np.count_nonzero(depth))
    assert (max(counts) == 0) == (kind == "none")


@pytest.mark.parametrize("kind", [kind for kind in SHARES if kind != "none"])
def test_what_is_measured_is_the_world(view: View, kind: str) -> None:
    near, far = depth_around(view.truth)
    for seed in range(6):
        depth = MEASURE[kind](view, np.random.default_rng(seed))
        at = depth > 0
        if at.sum() < 30:
            continue
        right = (depth[at] > 0.9 * near[at]) & (depth[at] < 1.1 * far[at])
        assert right.mean() > 0.75


def test_no_sensor_fails_in_an_empty_world(view: View) -> None:
    builder = SceneBuilder()
    behind = [(-50, 1, 0), (-50, -1, 0), (-50, -1, 1), (-50, 1, 1)]
    builder.quad(np.eye(4), behind, builder.material((0.6, 0.6, 0.6)))
    empty = builder.build(np.array([0, 0, 1.0]), 500.0)
    sky = np.full_like(view.truth, np.nan)
    black = np.zeros_like(view.rgb)
    for seed in range(40):
        sparse = sense(empty, CAMERA, T_WORLD_CAM, sky, black, np.random.default_rng(seed))
        assert not sparse.depth.any()


def test_sense_draws_all_kinds_and_repeats_itself(view: View) -> None:
    arguments = (view.scene, view.camera, view.T_world_cam, view.truth, view.rgb)
    drawn = [sense(*arguments, np.random.default_rng(seed)) for seed in range(60)]
    assert {"spinning", "points", "rgbd"} <= {sparse.kind for sparse in drawn}
    assert all(sparse.depth.any() for sparse in drawn if sparse.kind != "none")
    again = sense(*arguments, np.random.default_rng(7))
    assert again.kind == drawn[7].kind
    np.testing.assert_array_equal(again.depth, drawn[7].depth)


@pytest.mark.parametrize("seed", range(3))
def test_without_noise_a_wall_is_exact(seed: int) -> None:
    plain = make_view(board=None)
    depth = scan_exactly(plain, np.array([0.1, -0.4, -0.2]), seed)
    wall = (depth > 0) & (depth_around(plain.truth)[0] > 19.99)
    assert wall.any()
    np.testing.assert_allclose(depth[wall], 20.0, rtol=1e-5)


def test_see_through_points_need_an_offset_and_the_filter_takes_them(view: View) -> None:
    near, far = depth_around(view.truth)

    def see_through(depth: Float32Array) -> int:
        return int(np.count_nonzero((depth > 1.5 * far) & (near > 0)))

    same, beside = (scan_exactly(view, np.array([x, 0.0, 0.0]), 1) for x in (0.0, 0.5))
    assert see_through(same) == 0
    assert see_through(beside) > 20
    assert see_through(see_through_filter(beside)) < see_through(beside) / 5


def test_spinning_rays_are_unit_vectors_around_the_window() -> None:
    for seed in range(10):
        rays = beams.spinning_rays(CAMERA, T_WORLD_CAM, np.random.default_rng(seed))
        np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1, rtol=1e-9)
        inside = project_points(rays.astype(np.float32), np.eye(4), CAMERA).depth
        assert inside.any()


def test_spinning_rays_of_a_camera_that_looks_straight_down() -> None:
    T_down = np.array([[0, -1.0, 0, 0], [-1, 0, 0, 0], [0, 0, -1, 3], [0, 0, 0, 1]])
    below = make_view()._replace(T_world_cam=T_down)
    for seed in range(5):
        assert np.isfinite(beams.spinning_rays(CAMERA, T_down, np.random.default_rng(seed))).all()
        assert np.isfinite(MEASURE["spinning"](below, np.random.default_rng(seed))).all()


def test_a_mount_is_as_far_away_as_the_table_says() -> None:
    rng = np.random.default_rng(0)
    offsets = np.array([scans._mount(rng) for _ in range(300)])
    distance = np.linalg.norm(offsets, axis=1)
    assert scans.OFFSET[0] <= distance.min() <= distance.max() <= scans.OFFSET[1]
    assert 0.5 < np.mean(offsets[:, 1] < -0.7 * distance) < 0.75
