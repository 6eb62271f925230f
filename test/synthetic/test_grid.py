import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.grid import NEAR, RayGrid, in_view, transform, visible

Array = NDArray[np.float64]
CAMERA = Camera.from_focal(64, 48, 50.0, 55.0, 31.0, 22.5)
GRID = RayGrid.from_camera(CAMERA)


def facing(left: float, top: float, right: float, bottom: float, z: float) -> list[tuple[float, float, float]]:
    """Return the corners of a rectangle across the optical axis, given by pixels of its image."""
    return [
        ((u - 31.0) / 50 * z, (v - 22.5) / 55 * z, z)
        for u, v in ((left, top), (right, top), (right, bottom), (left, bottom))
    ]


def test_the_rays_are_those_of_the_pixels() -> None:
    ray = GRID.directions(np.array([0, 63, 64, 47 * 64 + 31]))
    expected = [(-31 / 50, -22.5 / 55, 1), (32 / 50, -22.5 / 55, 1), (-31 / 50, -21.5 / 55, 1), (0, 24.5 / 55, 1)]
    np.testing.assert_allclose(ray, expected, rtol=1e-15)
    off = RayGrid.from_camera(CAMERA, 0.5)
    np.testing.assert_allclose(off.x - GRID.x, 0.5 / 50, rtol=1e-12)
    np.testing.assert_allclose(off.y - GRID.y, 0.5 / 55, rtol=1e-12)


def test_a_window_is_the_pixels_of_the_shape_and_the_nearest_comes_first() -> None:
    far, near = facing(9.5, 4.5, 20.5, 30.5, 8.0), facing(40.5, 10.5, 90.0, 12.5, 2.0)
    behind, beside = facing(9.5, 4.5, 20.5, 30.5, -8.0), facing(-30.0, 4.5, -10.0, 30.5, 3.0)
    chosen, windows = visible(np.array([far, behind, near, beside]), GRID)
    assert chosen.tolist() == [2, 0]
    assert windows.bounds.tolist() == [[11, 13, 41, 64], [5, 31, 10, 21]]
    assert windows.area.tolist() == [2 * 23, 26 * 11]
    np.testing.assert_allclose(windows.nearest, [1 / 2, 1 / 8])


def test_what_reaches_behind_the_camera_is_cut_at_the_near_plane() -> None:
    # A slat from 1 m behind to 3 m before the camera, 0.5 m below it: what is nearest lies far below the picture.
    slat = [(-0.3, 0.5, -1.0), (0.3, 0.5, -1.0), (0.3, 0.5, 3.0), (-0.3, 0.5, 3.0)]
    _, windows = visible(np.array([slat]), GRID)
    (r0, r1, c0, c1), nearest = windows.bounds[0], windows.nearest[0]
    assert (r0, r1, c0, c1) == (int(np.ceil(22.5 + 55 * 0.5 / 3)), 48, 0, 64)
    assert nearest == 1 / NEAR


@pytest.mark.parametrize("seed", range(5))
def test_no_point_of_a_hull_is_seen_outside_its_window(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hulls = rng.normal(size=(40, 4, 3)) * 0.5 + rng.uniform((-3, -3, -1), (3, 3, 5), (40, 3))[:, None]
    # The sector of a LiDAR: its z falls towards the sides.
    azimuth = np.linspace(-0.6, 0.6, 50)
    grid = RayGrid(np.sin(azimuth), np.linspace(-0.4, 0.3, 30), np.cos(azimuth))
    chosen, windows = visible(hulls, grid)
    assert 5 < len(chosen) < 40
    weights = rng.dirichlet(np.full(4, 0.3), 5000)
    for number, (r0, r1, c0, c1) in zip(chosen, windows.bounds, strict=True):
        point = weights @ hulls[number]
        x, y, z = point[(point[:, 2] > NEAR)].T
        column = np.searchsorted(grid.x / grid.z, x / z)
        seen = (column > 0) & (column < 50)
        assert ((column[seen] >= c0) & (column[seen] <= c1)).all()
        # The ray of a column through a point has z = grid.z there.
        row = np.searchsorted(grid.y, y[seen] / z[seen] * grid.z[column[seen]])
        row = row[(row > 0) & (row < 30)]
        assert ((row >= r0) & (row <= r1)).all()


def test_spheres_between_the_outer_columns_are_in_view() -> None:
    turned = rigid.from_rotation(Rotation.from_euler("y", 90, degrees=True).as_matrix(), np.array([1.0, 2.0, 3.0]))
    beside = 32 / 50 * 5  # of the last column's ray at z = 5
    inside = [(0, 0, 5), (0, 0, -1.5), (beside + 2.2, 0, 5), (0, 99, 5)]
    outside = [(0, 0, -2.5), (0, 0, -5), (beside + 2.5, 0, 5), (-beside - 2.5, 0, 5)]
    world = transform(turned, np.array([*inside, *outside], float))
    assert in_view(world, np.full(8, 2.0), rigid.invert(turned), GRID).tolist() == [0, 1, 2, 3]


def test_a_vertex_that_shapes_share_stays_one() -> None:
    rng = np.random.default_rng(1)
    T = rigid.from_rotation(Rotation.random(random_state=2).as_matrix(), rng.normal(size=3))
    shared = rng.normal(size=3)
    together = transform(T, np.stack([rng.normal(size=(7, 3)), np.tile(shared, (7, 1))], axis=1))[:, 1]
    assert (together == transform(T, shared)).all()
    np.testing.assert_allclose(together[0], T[:3, :3] @ shared + T[:3, 3], rtol=1e-14)
