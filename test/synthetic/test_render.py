import numpy as np
import pytest

from depth_ros.errors import SyntheticError
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.render import render
from depth_ros.synthetic.scene import make_scene
from depth_ros.synthetic.shapes import StreetScene
from depth_ros.synthetic.trajectory import T_BASE_CAMERA, drive

CAMERA = Camera.from_focal(160, 96, 100.0, 100.0, 79.5, 47.5)


@pytest.fixture(scope="module")
def scene() -> StreetScene:
    return make_scene(2, 20.0)


def test_colour_and_exact_depth(scene: StreetScene) -> None:
    T = drive(scene.street, 1.0) @ T_BASE_CAMERA
    rgb, depth = render(scene, CAMERA, T)
    assert rgb.shape == (96, 160, 3)
    assert rgb.dtype.name == "uint8"
    assert depth.dtype.name == "float32"
    hits = cast(scene, T, RayGrid.from_camera(CAMERA))
    np.testing.assert_array_equal(depth, np.where(np.isinf(hits.t), np.nan, hits.t).astype(np.float32))
    assert 0.02 < np.isnan(depth).mean() < 0.6
    assert np.nanmin(depth) > 0.5
    assert np.isnan(depth[0]).any()
    assert np.isfinite(depth[-1]).all()
    assert rgb.std() > 20


def test_rendering_is_deterministic(scene: StreetScene) -> None:
    T = drive(scene.street, 2.0) @ T_BASE_CAMERA
    first, again = render(scene, CAMERA, T), render(make_scene(2, 20.0), CAMERA, T)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_a_sheared_or_shifted_camera_sees_the_same_world(scene: StreetScene) -> None:
    T = drive(scene.street, 1.0) @ T_BASE_CAMERA
    whole, part = render(scene, CAMERA, T)[1], render(scene, CAMERA.crop(40, 20, 64, 32), T)[1]
    np.testing.assert_allclose(part, whole[20:52, 40:104], rtol=1e-6)


def test_small_movements_change_the_picture_little(scene: StreetScene) -> None:
    T = drive(scene.street, 1.0) @ T_BASE_CAMERA
    nudged = T.copy()
    nudged[:3, 3] += 1e-4
    change = np.abs(render(scene, CAMERA, T)[0].astype(int) - render(scene, CAMERA, nudged)[0])
    assert change.mean() < 0.5


def test_a_distorted_camera_is_an_error(scene: StreetScene) -> None:
    bent = Camera(CAMERA.K, 160, 96, D=np.array([-0.3, 0.1, 0, 0, 0]))
    with pytest.raises(SyntheticError, match="rectified"):
        render(scene, bent, np.eye(4))


def test_the_sun_casts_shadows(scene: StreetScene) -> None:
    from depth_ros.synthetic.shading import sunlit

    base = drive(scene.street, 1.0)[:3, 3].astype(np.float32)
    up = np.array([[0, 0, 1]], np.float32)
    assert sunlit(scene, base[None] + (0, 0, 300), up)[0] == 1
    assert sunlit(scene, base[None] - (0, 0, 5), up)[0] == 0
