import numpy as np
import pytest

from depth_ros.errors import SyntheticError
from depth_ros.synthetic.scene import make_scene
from depth_ros.synthetic.shapes import StreetScene, Texture
from depth_ros.synthetic.trajectory import LANE, SPEED, drive, travelled


@pytest.fixture(scope="module")
def scene() -> StreetScene:
    return make_scene(4, 40.0)


def test_a_seed_is_a_scene(scene: StreetScene) -> None:
    again, other = make_scene(4, 40.0), make_scene(5, 40.0)
    np.testing.assert_array_equal(again.quads.vertices, scene.quads.vertices)
    np.testing.assert_array_equal(again.cylinders.axes, scene.cylinders.axes)
    np.testing.assert_array_equal(again.materials.colour, scene.materials.colour)
    assert other.quads.vertices.shape != scene.quads.vertices.shape


def test_quads_are_planar_and_convex(scene: StreetScene) -> None:
    vertices = scene.quads.vertices
    edges = np.roll(vertices, -1, axis=1) - vertices
    normal = np.cross(edges[:, 0], vertices[:, 2] - vertices[:, 0])
    area = np.linalg.norm(normal, axis=1, keepdims=True)
    assert (area > 1e-6).all()
    off_plane = np.einsum("pi,pi->p", normal / area, vertices[:, 3] - vertices[:, 0])
    assert np.abs(off_plane).max() < 1e-6
    turns = np.einsum("pi,pki->pk", normal, np.cross(edges, np.roll(edges, -1, axis=1)))
    assert (turns > -1e-9).all()


def test_everything_has_a_material_and_values_are_finite(scene: StreetScene) -> None:
    count = len(scene.materials.gloss)
    assert scene.shape_material.min() >= 0
    assert scene.shape_material.max() < count
    assert set(scene.materials.texture) <= {int(texture) for texture in Texture}
    for array in (scene.quads.vertices, scene.quads.uv, scene.ellipsoids.axes, scene.cylinders.axes):
        assert np.isfinite(array).all()
    assert scene.materials.colour.min() >= 0
    assert scene.materials.colour.max() <= 1
    assert np.linalg.norm(scene.sun) == pytest.approx(1)
    assert scene.sun[2] > 0


@pytest.mark.parametrize(("seed", "length"), [(-1, 10.0), (0, -1.0), (0, 1e6), (0, float("nan"))])
def test_a_scene_that_cannot_be_made_is_an_error(seed: int, length: float) -> None:
    with pytest.raises(SyntheticError):
        make_scene(seed, length)


def test_the_drive_keeps_its_lane_at_town_speed(scene: StreetScene) -> None:
    times = np.linspace(0, 5, 51)
    poses = np.stack([drive(scene.street, float(t)) for t in times])
    speed = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) / np.diff(times)
    assert speed.min() > 5
    assert speed.max() < 8.2
    np.testing.assert_allclose(
        poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1), np.tile(np.eye(3), (51, 1, 1)), atol=1e-12
    )
    centre = scene.street.xy[:, None] - poses[None, :, :2, 3]
    assert np.abs(np.linalg.norm(centre, axis=2).min(axis=0) - abs(LANE)).max() < 0.3


def test_travelled_distance_is_near_speed_times_time() -> None:
    assert travelled(0.0) == 0.0
    assert abs(travelled(60.0) - 60 * SPEED) < 2
