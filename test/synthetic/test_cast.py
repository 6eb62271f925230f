import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.shapes import Scene

Array = NDArray[np.float64]
CAMERA = Camera.from_focal(64, 48, 50.0, 55.0, 31.0, 22.5)
GRID = RayGrid.from_camera(CAMERA)
HERE = np.eye(4)


def packed(builder: SceneBuilder) -> Scene:
    return builder.build(np.array([0, 0, 1.0]), 500.0)


def rays() -> Array:
    return GRID.directions(np.arange(48 * 64))


def pose(rng: np.random.Generator, distance: float = 8.0) -> Array:
    turn = Rotation.from_rotvec(rng.normal(size=3) * 2).as_matrix()
    return rigid.from_rotation(turn, rng.uniform((-2, -2, distance - 2), (2, 2, distance + 2)))


def nearest(t: Array) -> Array:
    t = np.where(t > 0, t, np.inf)  # NaN is not > 0 either
    return np.asarray(t.min(axis=0), dtype=np.float64)


# Slow and plain: every ray in the shape's own frame, slabs and quadratics in t instead of inverse t.
def slow_box(T: Array, half: Array) -> Array:
    origin, ray = rigid.invert(T)[:3, 3], rays() @ T[:3, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (-half - origin) / ray, (half - origin) / ray
    near, far = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
    return np.where((near <= far) & (near > 0), near, np.inf)


def slow_ellipsoid(T: Array, radii: Array) -> Array:
    origin, ray = rigid.invert(T)[:3, 3] / radii, rays() @ T[:3, :3] / radii
    a, b, c = (ray**2).sum(axis=1), 2 * ray @ origin, origin @ origin - 1
    with np.errstate(invalid="ignore"):
        t = (-b - np.sqrt(b**2 - 4 * a * c)) / (2 * a)
    return np.where(t > 0, t, np.inf)


def slow_cylinder(T: Array, radius: float, half: float) -> Array:
    origin, ray = rigid.invert(T)[:3, 3], rays() @ T[:3, :3]
    a, b, c = (ray[:, :2] ** 2).sum(axis=1), 2 * ray[:, :2] @ origin[:2], origin[:2] @ origin[:2] - radius**2
    with np.errstate(invalid="ignore", divide="ignore"):
        side = (-b - np.sqrt(b**2 - 4 * a * c)) / (2 * a)
        side = np.where(np.abs(origin[2] + side * ray[:, 2]) <= half, side, np.inf)
        caps = (np.array([[-half], [half]]) - origin[2]) / ray[:, 2]
    at = origin[:2, None, None] + caps * ray[:, :2].T[:, None]
    caps = np.where((at**2).sum(axis=0) <= radius**2, caps, np.inf)
    return nearest(np.vstack([side, caps]))


def test_depth_of_a_facing_plane_is_its_distance() -> None:
    builder = SceneBuilder()
    wall = [(-20, 20, 7), (20, 20, 7), (20, -20, 7), (-20, -20, 7)]
    builder.quad(HERE, wall, builder.material((1, 1, 1)))
    hits = cast(packed(builder), HERE, GRID)
    assert (hits.shape == 0).all()
    np.testing.assert_allclose(hits.t, 7.0, rtol=1e-14)


def test_depth_of_a_slanted_plane_is_closed_form() -> None:
    builder = SceneBuilder()
    T = rigid.from_rotation(Rotation.from_euler("y", 50, degrees=True).as_matrix(), np.array([0.3, -0.2, 5.0]))
    builder.quad(T, [(-90, 90, 0), (90, 90, 0), (90, -90, 0), (-90, -90, 0)], builder.material((1, 1, 1)))
    hits = cast(packed(builder), HERE, GRID)
    normal = T[:3, 2]
    expected = (normal @ T[:3, 3]) / (rays() @ normal)
    seen = hits.shape.ravel() >= 0
    assert seen.mean() > 0.9
    np.testing.assert_allclose(hits.t.ravel()[seen], expected[seen], rtol=1e-12)


def test_depth_of_a_sphere_is_closed_form() -> None:
    builder = SceneBuilder()
    builder.ellipsoid(HERE, (0, 0, 6), (2, 2, 2), builder.material((1, 1, 1)))
    hits = cast(packed(builder), HERE, GRID)
    assert hits.t[22, 31] == pytest.approx(4.0, abs=1e-3)
    struck = hits.shape.ravel() >= 0
    point = hits.t.ravel()[struck, None] * rays()[struck]
    np.testing.assert_allclose(np.linalg.norm(point - (0, 0, 6), axis=1), 2, rtol=1e-12)
    # the silhouette: the angle between ray and centre is below asin(r / d)
    cosine = rays()[:, 2] / np.linalg.norm(rays(), axis=1)
    np.testing.assert_array_equal(struck, cosine >= np.cos(np.arcsin(2 / 6)))


@pytest.mark.parametrize("seed", range(6))
def test_random_shapes_agree_with_a_slow_caster(seed: int) -> None:
    rng, builder, expected = np.random.default_rng(seed), SceneBuilder(), []
    material = builder.material((1, 1, 1))
    for _ in range(7):
        T, size = pose(rng), rng.uniform(0.2, 1.5, 3)
        builder.box(T, list(-size), list(size), material)
        expected.append(slow_box(T, size))
        T = pose(rng)
        builder.ellipsoid(T, (0, 0, 0), size, material)
        expected.append(slow_ellipsoid(T, size))
        T = pose(rng)
        builder.cylinder(T, (0, 0, -size[1]), (0, 0, size[1]), size[0], material)
        expected.append(slow_cylinder(T, size[0], size[1]))
    hits = cast(packed(builder), HERE, GRID)
    truth = np.min(expected, axis=0)
    np.testing.assert_array_equal(hits.shape.ravel() >= 0, np.isfinite(truth))
    np.testing.assert_allclose(hits.t.ravel(), truth, rtol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_shapes_that_reach_behind_the_camera_are_clipped_not_lost(seed: int) -> None:
    rng, builder = np.random.default_rng(seed), SceneBuilder()
    turn = Rotation.from_rotvec(rng.uniform(-0.3, 0.3, 3)).as_matrix()
    T, half = rigid.from_rotation(turn, np.array([2.5, 1.5, 3.0])), np.array([1.0, 0.3, 20.0])
    builder.box(T, list(-half), list(half), builder.material((1, 1, 1)))
    hits = cast(packed(builder), HERE, GRID)
    np.testing.assert_allclose(hits.t.ravel(), slow_box(T, half), rtol=1e-10)
    assert np.isfinite(hits.t).any()


def test_a_mesh_of_triangles_has_no_cracks() -> None:
    builder, rng = SceneBuilder(), np.random.default_rng(3)
    material = builder.material((1, 1, 1))
    heights = rng.uniform(0.9, 1.1, (30, 30))
    grid = [[(i - 15.0, heights[i, j], j - 0.5) for j in range(30)] for i in range(30)]
    for i in range(29):
        for j in range(29):
            a, b, c, d = grid[i][j], grid[i][j + 1], grid[i + 1][j + 1], grid[i + 1][j]
            builder.quad(HERE, [a, d, c, c], material)
            builder.quad(HERE, [a, c, b, b], material)
    turned = rigid.from_rotation(Rotation.from_euler("x", -45, degrees=True).as_matrix(), np.zeros(3))
    hits = cast(packed(builder), turned, GRID)
    assert np.isfinite(hits.t).all()


def test_a_quad_is_not_seen_from_its_back() -> None:
    builder = SceneBuilder()
    wall = [(-20, 20, 7), (20, 20, 7), (20, -20, 7), (-20, -20, 7)]
    builder.quad(HERE, wall[::-1], builder.material((1, 1, 1)))
    assert np.isinf(cast(packed(builder), HERE, GRID).t).all()


def test_an_empty_world_has_no_hits() -> None:
    builder = SceneBuilder()
    builder.material((1, 1, 1))
    hits = cast(packed(builder), HERE, GRID)
    assert np.isinf(hits.t).all()
    assert (hits.shape == -1).all()
