from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from depth_ros.errors import SyntheticError
from depth_ros.geometry import rigid
from depth_ros.geometry.camera import Camera
from depth_ros.synthetic.cast import cast
from depth_ros.synthetic.grid import RayGrid
from depth_ros.synthetic.rays import probe, view_beside
from depth_ros.synthetic.render import render
from depth_ros.synthetic.shapes import FloatArray, Quads, Scene, Solids
from depth_ros.synthetic.world import View, World
from depth_ros.synthetic.worlds import KINDS, choose_view, make_world
from depth_ros.training.device_cast import cast_device, cast_free
from depth_ros.training.device_render import DeviceRenderer, render_device
from depth_ros.training.device_scene import DeviceScene

SIZE = (96, 64)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def visit(kind: str, seed: int) -> tuple[World, View]:
    world = make_world(kind, seed)
    return world, choose_view(world, np.random.default_rng(seed), *SIZE)


def assert_same_images(scene: Scene, view: View, device: str) -> None:
    rgb, depth = render(scene, *view)
    device_rgb, device_depth = (
        part.cpu().numpy() for part in render_device(DeviceScene.from_scene(scene, device), *view)
    )
    assert (device_rgb.dtype, device_depth.dtype) == (rgb.dtype, depth.dtype)
    with np.errstate(invalid="ignore"):
        differs = ~((np.isnan(depth) & np.isnan(device_depth)) | (np.abs(device_depth - depth) <= 1e-5 * depth))
    assert differs.mean() < 0.002
    levels = np.abs(rgb.astype(int) - device_rgb).max(axis=2)
    assert (levels <= 3).mean() > 0.98


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_device_gives_the_image_and_depth_of_the_cpu(kind: str, seed: int) -> None:
    world, view = visit(kind, seed)
    assert_same_images(world.scene, view, "cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_image_and_depth_of_the_cpu(kind: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    world, view = visit(kind, 3)
    assert_same_images(world.scene, view, "cuda")


def without(scene: Scene, *, quads: bool = False, solids: bool = False) -> Scene:
    """The scene without its quads, without its solids, or without both; the sun is off, as it needs quads."""
    flat, rounds, tubes = scene.quads, scene.ellipsoids, scene.cylinders
    if quads:
        flat = Quads(flat.vertices[:0], flat.uv[:0], flat.material[:0])
    if solids:
        rounds, tubes = (Solids(part.centre[:0], part.axes[:0], part.material[:0]) for part in (rounds, tubes))
    return replace(scene, quads=flat, ellipsoids=rounds, cylinders=tubes, sun=np.zeros(3))


@pytest.mark.parametrize(("quads", "solids"), [(True, False), (False, True), (True, True)])
def test_scenes_that_lack_shapes_are_rendered(quads: bool, solids: bool) -> None:
    world, view = visit("street", 1)
    scene = without(world.scene, quads=quads, solids=solids)
    assert_same_images(scene, view, "cpu")
    if quads and solids:
        assert render_device(DeviceScene.from_scene(scene, "cpu"), *view)[1].isnan().all()


def random_solids(rng: np.random.Generator, count: int) -> Solids:
    turns = Rotation.random(count, random_state=int(rng.integers(1000))).as_matrix()
    half = rng.uniform(0.1, 1.0, (count, 1, 3))
    half[..., 1] = half[..., 0]
    return Solids(rng.uniform(-5, 5, (count, 3)), turns * half, np.zeros(count, np.int32))


def test_turned_ellipsoids_and_cylinders_all_around_are_met_where_the_cpu_meets_them() -> None:
    rng = np.random.default_rng(5)
    world, _ = visit("room", 1)
    scene = replace(
        without(world.scene, quads=True, solids=True),
        ellipsoids=random_solids(rng, 60),
        cylinders=random_solids(rng, 60),
    )
    grid = RayGrid.from_camera(Camera.from_focal(*SIZE, 40.0, 40.0, 47.5, 31.5))
    hits = cast_device(DeviceScene.from_scene(scene, "cpu"), np.eye(4), grid)
    expected = cast(scene, np.eye(4), grid)
    assert 0.3 < (expected.shape >= 0).mean() < 1
    np.testing.assert_array_equal(hits.shape.numpy(), expected.shape)
    np.testing.assert_allclose(hits.t.numpy(), expected.t, rtol=1e-9)


def sector() -> RayGrid:
    """Unit rays of a spinning LiDAR: z varies over the columns."""
    azimuth, elevation = np.radians(np.linspace(-40, 40, 81)), np.radians(np.linspace(-15, 15, 16))
    return RayGrid(np.sin(azimuth), np.tan(elevation), np.cos(azimuth))


@pytest.mark.parametrize("kind", ["street", "clutter"])
def test_a_lidar_sector_meets_what_the_cpu_meets(kind: str) -> None:
    world, view = visit(kind, 4)
    hits = cast_device(DeviceScene.from_scene(world.scene, "cpu"), view.T_world_cam, sector())
    assert_most_equal(hits.t.numpy(), cast(world.scene, view.T_world_cam, sector()).t)


@pytest.mark.parametrize("turn", [(0, 0, 0), (0, 90, 0), (0, 180, 0), (90, 0, 0), (-90, 30, 0), (20, -100, 50)])
def test_free_rays_in_any_direction_meet_what_a_grid_meets(turn: tuple[float, float, float]) -> None:
    """A grid seen from a turned pose is the same rays in other directions of the view frame."""
    world, view = visit("warehouse", 4)
    T_view_grid = rigid.from_rotation(Rotation.from_euler("xyz", turn, degrees=True).as_matrix(), np.zeros(3))
    grid = sector()
    expected = cast(world.scene, view.T_world_cam @ T_view_grid, grid)
    rays = grid.directions(np.arange(expected.t.size)) @ T_view_grid[:3, :3].T
    hits = cast_free(DeviceScene.from_scene(world.scene, "cpu"), view.T_world_cam, torch.as_tensor(rays))
    assert (hits.shape.numpy() >= 0).mean() > 0.1
    assert_most_equal(hits.t.numpy(), expected.t.ravel())


def assert_most_equal(t: FloatArray, expected: FloatArray, share: float = 0.002, rtol: float = 1e-6) -> None:
    with np.errstate(invalid="ignore"):
        same = (t == expected) | (np.abs(t - expected) <= rtol * expected)
    assert (~same).mean() <= share


def lidar_rays(camera: Camera) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    uv = rng.uniform((0, 0), np.subtract(camera.size, 1), (2000, 2))
    return np.asarray(camera.unproject(uv, np.ones(len(uv))), dtype=np.float64)


def test_scans_probe_a_view_cast_on_the_device() -> None:
    """The range view of `rays` with the device's hits gives the same echoes; free rays meet the same surfaces."""
    world, view = visit("corridor", 4)
    beside = view_beside(world.scene, view.camera, view.T_world_cam, np.array([0.0, -0.2, 0.0]), 2.0)
    renderer = DeviceRenderer("cpu")
    on_device = beside._replace(hits=renderer.cast(world.scene, beside.T_world_view, beside.grid))
    rays = lidar_rays(view.camera)
    (expected, chosen), (echoes, same_chosen) = probe(beside, rays), probe(on_device, rays)
    np.testing.assert_array_equal(chosen, same_chosen)
    assert_most_equal(echoes.z, expected.z)
    scene = DeviceScene.from_scene(world.scene, "cpu")
    free = cast_free(scene, beside.T_world_view, torch.as_tensor(rays[chosen] / rays[chosen, 2:])).t.numpy()
    smooth = expected.near == expected.far
    assert smooth.mean() > 0.7
    assert_most_equal(free[smooth], expected.z[smooth], share=0.1, rtol=1e-3)


def test_the_renderer_gives_what_the_cpu_gives_in_its_types() -> None:
    world, view = visit("room", 2)
    rgb, depth = DeviceRenderer("cpu").render(world.scene, *view)
    expected_rgb, expected_depth = render(world.scene, *view)
    assert (rgb.dtype, rgb.shape) == (expected_rgb.dtype, expected_rgb.shape)
    np.testing.assert_allclose(depth, expected_depth, rtol=1e-5)
    hits = DeviceRenderer("cpu").cast(world.scene, view.T_world_cam, RayGrid.from_camera(view.camera))
    expected = cast(world.scene, view.T_world_cam, RayGrid.from_camera(view.camera))
    assert (hits.t.dtype, hits.shape.dtype) == (expected.t.dtype, expected.shape.dtype)


def test_no_rays_meet_nothing() -> None:
    world, view = visit("room", 1)
    hits = cast_free(
        DeviceScene.from_scene(world.scene, "cpu"), view.T_world_cam, torch.empty((0, 3), dtype=torch.float64)
    )
    assert hits.t.shape == hits.shape.shape == (0,)


def test_a_distorted_camera_is_refused() -> None:
    world, view = visit("room", 1)
    bent = replace(view.camera, D=np.array([0.1, 0, 0, 0, 0]))
    with pytest.raises(SyntheticError, match="distortion"):
        render_device(DeviceScene.from_scene(world.scene, "cpu"), bent, view.T_world_cam)
