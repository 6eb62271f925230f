"""What holds for every indoor grammar and for clutter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.clutter import make_clutter
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.render import render
from depth_ros.synthetic.rooms import make_corridor, make_room
from depth_ros.synthetic.shapes import FloatArray
from depth_ros.synthetic.warehouse import make_warehouse
from depth_ros.synthetic.world import World

Grammar = Callable[[np.random.Generator], World]
INDOORS: tuple[Grammar, ...] = (make_room, make_corridor, make_warehouse)
CAMERA = Camera.from_focal(52, 28, 30.0, 30.0, 26.0, 14.0)
FORWARD = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def held_over(stand: FloatArray, above: float) -> FloatArray:
    lifted = stand.copy()
    lifted[2, 3] += above
    return np.asarray(lifted @ FORWARD, dtype=np.float64)


@pytest.mark.parametrize("make", [*INDOORS, make_clutter])
@pytest.mark.parametrize("seed", range(4))
def test_worlds_are_sound(make: Grammar, seed: int) -> None:
    world, again = make(np.random.default_rng(seed)), make(np.random.default_rng(seed))
    scene = world.scene
    np.testing.assert_array_equal(scene.quads.vertices, again.scene.quads.vertices)
    np.testing.assert_array_equal(world.stands, again.stands)
    for array in (scene.quads.vertices, scene.quads.uv, scene.ellipsoids.axes, scene.cylinders.axes, scene.lamps):
        assert np.isfinite(array).all()
    assert 0 <= scene.shape_material.min() <= scene.shape_material.max() < len(scene.materials.gloss)
    first, second = (scene.quads.vertices[:, k] - scene.quads.vertices[:, 0] for k in (1, 2))
    assert np.linalg.norm(np.cross(first, second), axis=1).min() > 1e-9
    assert (scene.cylinders.axes**2).sum(axis=1).min() > 1e-9
    rotation = world.stands[:, :3, :3]
    np.testing.assert_allclose(
        rotation @ rotation.transpose(0, 2, 1), np.broadcast_to(np.eye(3), rotation.shape), atol=1e-12
    )
    np.testing.assert_array_equal(world.stands[:, 2, 2], 1)
    rgb, depth = render(scene, CAMERA, held_over(world.stands[0], 1.0))
    assert rgb.shape == (28, 52, 3)
    assert np.nanmin(depth) > 0.05


@pytest.mark.parametrize("make", INDOORS)
@pytest.mark.parametrize("seed", range(4))
def test_stands_are_on_free_floor_under_a_ceiling(make: Grammar, seed: int) -> None:
    world = make(np.random.default_rng(seed))
    up, down = np.diag([1.0, -1, -1, 1]), np.eye(4)
    ray = RayGrid(np.zeros(1), np.zeros(1), np.ones(1))
    for stand in world.stands:
        at = np.eye(4)
        at[:3, 3] = stand[:3, 3] + (0, 0, 1.0)
        assert np.isfinite(cast(world.scene, at @ down, ray).t).all(), "no ceiling"
        floor = cast(world.scene, at @ up, ray).t
        assert 0.9 < floor[0, 0] < 1.01


@pytest.mark.parametrize("make", INDOORS)
def test_stands_look_into_open_space(make: Grammar) -> None:
    world = make(np.random.default_rng(11))
    depths = [np.nanmedian(render(world.scene, CAMERA, held_over(stand, 1.2))[1]) for stand in world.stands[:6]]
    assert np.median(depths) > 1.0


def test_clutter_is_near_and_far() -> None:
    medians = []
    for seed in range(16):
        world = make_clutter(np.random.default_rng(seed))
        hits = cast(world.scene, held_over(world.stands[0], 1.2), RayGrid.from_camera(CAMERA))
        medians.append(np.median(hits.t[hits.shape >= 0]))
    assert min(medians) < 2
    assert max(medians) > 10
