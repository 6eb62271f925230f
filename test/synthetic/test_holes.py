from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.holes import TEXELS
from depth_ros.synthetic.render import render
from depth_ros.synthetic.shapes import Holes, Scene

CAMERA = Camera.from_focal(160, 120, 150.0, 150.0, 79.5, 59.5)
GRID = RayGrid.from_camera(CAMERA)
HERE = np.eye(4)
SIZE = 0.8


def fence(holes: Holes, wall_at: float | None = None) -> Scene:
    """Return a fence that fills the view 2 m ahead, and sometimes a wall behind it."""
    builder = SceneBuilder()
    sheet = builder.material((0.5, 0.5, 0.5), holes=holes, hole_size=SIZE)
    builder.plate(HERE, [(-3, 3, 2), (3, 3, 2), (3, -3, 2), (-3, -3, 2)], sheet)
    if wall_at is not None:
        corners = [(-9, 9, wall_at), (9, 9, wall_at), (9, -9, wall_at), (-9, -9, wall_at)]
        builder.quad(HERE, corners, builder.material((0.1, 0.2, 0.3)))
    return builder.build(np.zeros(3), 500.0)


def test_bars_are_where_their_formula_says() -> None:
    hits = cast(fence(Holes.BARS), HERE, GRID)
    u = 2 * np.broadcast_to(GRID.x, hits.t.shape) + 3
    texel = np.floor((u / SIZE - np.floor(u / SIZE)) * TEXELS)
    np.testing.assert_array_equal(np.isfinite(hits.t), np.mod(8 * texel / TEXELS, 1) < 0.25)
    np.testing.assert_array_equal(hits.t[np.isfinite(hits.t)], 2.0)


@pytest.mark.parametrize("holes", [kind for kind in Holes if kind is not Holes.NONE])
def test_rays_through_holes_meet_what_is_behind(holes: Holes) -> None:
    depth = render(fence(holes, wall_at=5.0), CAMERA, HERE)[1]
    open_share = float((depth > 4).mean())
    assert 0.1 < open_share < 0.95
    np.testing.assert_allclose(depth, np.where(depth > 4, 5, 2), rtol=1e-6)


@pytest.mark.parametrize("holes", [Holes.LEAVES, Holes.LINK])
def test_a_shifted_and_a_turned_view_see_the_same_holes(holes: Holes) -> None:
    scene = fence(holes, wall_at=5.0)
    T = rigid.from_rotation(Rotation.from_euler("yx", (20, -8), degrees=True).as_matrix(), np.array([0.3, -0.2, 0.1]))
    hits = cast(scene, T, GRID)
    row, column = np.nonzero(hits.t > 0)
    point = rigid.apply(T, GRID.rays(row, column) * hits.t[row, column, None])
    on_fence = np.abs(point[:, 2] - 2) < 1e-6
    for (x, y, _), stopped in zip(point[on_fence][::97], on_fence[on_fence][::97], strict=True):
        ray = RayGrid(np.array([x]), np.array([y]), np.array([2.0]))
        assert (abs(float(cast(scene, HERE, ray).t[0, 0]) - 1) < 1e-9) == stopped
    through = (T[:3, 3] + (point - T[:3, 3]) * ((2 - T[2, 3]) / (point[:, 2] - T[2, 3]))[:, None])[~on_fence]
    for x, y, _ in through[::97]:
        ray = RayGrid(np.array([x]), np.array([y]), np.array([2.0]))
        assert float(cast(scene, HERE, ray).t[0, 0]) > 1.01


def test_many_small_and_few_big_pieces_of_a_fence_are_the_same_fence() -> None:
    builder = SceneBuilder()
    sheet = builder.material((0.5, 0.5, 0.5), holes=Holes.LINK, hole_size=SIZE)
    edges = np.linspace(-3, 3, 61)
    for x0, x1 in pairwise(edges):
        for y0, y1 in pairwise(edges):
            corners = np.array([(x0, y1, 2), (x1, y1, 2), (x1, y0, 2), (x0, y0, 2)])
            builder.quad(HERE, corners, sheet, uv=np.column_stack([corners[:, 0] + 3, 3 - corners[:, 1]]))
    pieces = cast(builder.build(np.zeros(3), 500.0), HERE, GRID)
    whole = cast(fence(Holes.LINK), HERE, GRID)
    np.testing.assert_allclose(pieces.t, whole.t, rtol=1e-12)
