import numpy as np
import pytest

from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.builder import SceneBuilder
from depth_ros.synthetic.rays import MOST_PIXELS, probe, surfaces, view_beside
from depth_ros.synthetic.shapes import FloatArray, Scene

CAMERA = Camera.from_focal(160, 96, 140.0, 140.0, 75.0, 50.0)
HERE = np.eye(4)


def wall(z: float, half: float, builder: SceneBuilder | None = None) -> SceneBuilder:
    builder = builder or SceneBuilder()
    corners = [(-half, half, z), (half, half, z), (half, -half, z), (-half, -half, z)]
    builder.quad(HERE, corners, builder.material((0.6, 0.6, 0.6)))
    return builder


def packed(builder: SceneBuilder) -> Scene:
    return builder.build(np.array([0, 0, 1.0]), 500.0)


def free_rays(count: int = 500) -> FloatArray:
    rng = np.random.default_rng(0)
    return np.column_stack([rng.uniform(-0.5, 0.5, count), rng.uniform(-0.3, 0.3, count), np.ones(count)])


@pytest.mark.parametrize("offset", [(0.0, 0.0, 0.0), (0.3, -0.4, 0.2)])
def test_a_wall_is_met_at_its_distance_from_the_offset_place(offset: tuple[float, float, float]) -> None:
    view = view_beside(packed(wall(6.0, 40.0)), CAMERA, HERE, np.array(offset), 6.0)
    echoes, chosen = probe(view, free_rays())
    assert len(chosen) > 400
    np.testing.assert_allclose(echoes.z, 6.0 - offset[2], rtol=1e-9)
    np.testing.assert_array_equal(echoes.near, echoes.far)


def test_a_slanted_floor_is_exact_between_the_rays_of_the_grid() -> None:
    builder = SceneBuilder()
    floor = [(-90, 1.5, 0.2), (90, 1.5, 0.2), (90, 1.5, 200), (-90, 1.5, 200)]
    builder.quad(HERE, floor, builder.material((0.6, 0.6, 0.6)))
    rays = free_rays()
    echoes, chosen = probe(view_beside(packed(builder), CAMERA, HERE, np.zeros(3), 3.0), rays)
    expected = 1.5 / rays[chosen, 1]
    seen = (rays[chosen, 1] > 0.03) & (rays[chosen, 1] < 0.3)
    np.testing.assert_allclose(echoes.z[seen], expected[seen], rtol=1e-9)


def test_edges_know_both_surfaces_and_rays_into_the_open_are_infinite() -> None:
    scene = packed(wall(12.0, 3.0, wall(4.0, 0.5)))
    echoes, _ = probe(view_beside(scene, CAMERA, HERE, np.zeros(3), 4.0), free_rays(4000))
    assert set(np.unique(echoes.z.round(6))) == {4.0, 12.0, np.inf}
    edge = np.isfinite(echoes.far) & (echoes.near < echoes.far)
    assert edge.any()
    np.testing.assert_allclose(echoes.near[edge], 4.0)
    np.testing.assert_allclose(echoes.far[edge], 12.0)


def test_rays_behind_and_outside_are_left_out() -> None:
    rays = np.array([[0, 0, 1.0], [0, 0, -1.0], [9.0, 0, 1.0], [0, 0, 0.0]])
    _, chosen = probe(view_beside(packed(wall(6.0, 40.0)), CAMERA, HERE, np.zeros(3), 6.0), rays)
    assert chosen.tolist() == [0]


def test_the_view_reaches_all_that_the_camera_can_have_in_its_window() -> None:
    offset = np.array([0.5, 0.0, 0.0])
    scene = packed(wall(3.0, 40.0))
    view = view_beside(scene, CAMERA, HERE, offset, 3.0)
    corners = CAMERA.unproject([[0, 0], [159, 0], [0, 95], [159, 95]], np.full(4, 3.0)) - offset
    echoes, chosen = probe(view, corners)
    assert chosen.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(echoes.z, 3.0)


def test_a_large_window_is_cast_more_coarsely_and_stays_exact_on_planes() -> None:
    large = Camera.from_focal(1600, 900, 1400.0, 1400.0, 800.0, 450.0)
    view = view_beside(packed(wall(6.0, 40.0)), large, HERE, np.zeros(3), 6.0)
    assert view.camera.width * view.camera.height <= 1.01 * MOST_PIXELS
    echoes, _ = probe(view, free_rays())
    np.testing.assert_allclose(echoes.z, 6.0)


def test_surfaces_tell_the_incidence() -> None:
    scene = packed(wall(6.0, 40.0))
    view = view_beside(scene, CAMERA, HERE, np.zeros(3), 6.0)
    echoes, _ = probe(view, np.array([[0, 0, 1.0]]))
    surface = surfaces(scene, view, echoes.pixel, 0.003)
    np.testing.assert_allclose(surface.normal, [[0, 0, -1]], atol=1e-6)
    np.testing.assert_allclose(surface.distance, 6.0, rtol=1e-3)
