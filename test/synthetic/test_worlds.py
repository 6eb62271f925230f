import numpy as np
import pytest

from depth_ros.errors import SyntheticError
from depth_ros.synthetic.paint import disguise
from depth_ros.synthetic.render import render
from depth_ros.synthetic.shapes import Texture
from depth_ros.synthetic.worlds import KINDS, choose_view, make_world

SIZE = (208, 112)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_and_a_seed_are_a_world(kind: str) -> None:
    one, again, other = make_world(kind, 3), make_world(kind, 3), make_world(kind, 4)
    assert one.kind == kind
    np.testing.assert_array_equal(one.scene.quads.vertices, again.scene.quads.vertices)
    np.testing.assert_array_equal(one.scene.cylinders.axes, again.scene.cylinders.axes)
    np.testing.assert_array_equal(one.scene.materials.colour, again.scene.materials.colour)
    np.testing.assert_array_equal(one.stands, again.stands)
    assert one.scene.quads.vertices.shape != other.scene.quads.vertices.shape


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_worlds_are_sound(kind: str, seed: int) -> None:
    scene = make_world(kind, seed).scene
    vertices = scene.quads.vertices
    normal = np.cross(vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0])
    area = np.linalg.norm(normal, axis=1)
    assert area.min() > 1e-9
    off_plane = np.einsum("pi,pi->p", normal / area[:, None], vertices[:, 3] - vertices[:, 0])
    assert np.abs(off_plane).max() < 1e-5
    turns = np.cross(
        np.roll(vertices, -1, axis=1) - vertices, np.roll(vertices, -2, axis=1) - np.roll(vertices, -1, axis=1)
    )
    assert (np.einsum("pi,pki->pk", normal / area[:, None], turns) > -1e-6).all()
    for solids in (scene.ellipsoids, scene.cylinders):
        assert np.isfinite(solids.axes).all()
        assert (np.linalg.norm(solids.axes, axis=1) > 1e-6).all() if len(solids.material) else True
    assert scene.shape_material.max() < len(scene.materials.gloss)
    assert scene.materials.colour.min() >= 0
    assert scene.materials.colour.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_views_see_depth(kind: str) -> None:
    rng, known = np.random.default_rng(0), []
    for seed in range(6):
        world = make_world(kind, seed)
        camera, T_world_cam = choose_view(world, rng, *SIZE)
        rgb, depth = render(world.scene, camera, T_world_cam)
        assert rgb.shape == (SIZE[1], SIZE[0], 3)
        known.append(np.isfinite(depth).mean())
        assert np.nanmin(depth) > 0.04
        assert rgb.std() > 1
    assert np.mean(np.array(known) > 0.25) > 0.7


def test_views_are_windows_of_bigger_images() -> None:
    world, rng = make_world("street", 1), np.random.default_rng(1)
    views = [choose_view(world, rng, *SIZE) for _ in range(40)]
    intrinsics = np.array([view.camera.intrinsics for view in views])
    assert intrinsics[:, 0].min() >= 350
    assert intrinsics[:, 0].max() <= 1400
    assert ((intrinsics[:, 2] < 0) | (intrinsics[:, 2] > SIZE[0])).any()
    stands = world.stands[:, :3, 3]
    for view in views:
        above = view.T_world_cam[:3, 3] - stands
        assert np.isclose(np.linalg.norm(above, axis=1)[:, None], np.linspace(0.2, 3, 2801), atol=6e-4).any()
        assert view.T_world_cam[2, 1] < -0.7


def test_a_disguise_keeps_the_shape_of_things() -> None:
    materials = make_world("country", 0).scene.materials
    painted = disguise(materials, np.random.default_rng(0))
    np.testing.assert_array_equal(painted.holes, materials.holes)
    np.testing.assert_array_equal(painted.gloss, materials.gloss)
    assert len(np.unique(painted.texture)) < 8
    assert set(painted.texture) <= {int(texture) for texture in Texture}


@pytest.mark.parametrize(("kind", "seed"), [("moon", 0), ("street", -1)])
def test_a_world_that_cannot_be_made_is_an_error(kind: str, seed: int) -> None:
    with pytest.raises(SyntheticError):
        make_world(kind, seed)
