from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.geometry.camera import Camera
from depth_ros.geometry.cloud import NO_FILTER, CloudFilter, depth_to_points, flying_pixels, hidden_points

CAMERA = Camera.from_focal(20, 10, 15.0, 16.0, 9.2, 4.7)


def test_points_project_back_to_their_pixels() -> None:
    depth = np.random.default_rng(0).uniform(1, 50, (10, 20)).astype(np.float32)
    points = depth_to_points(depth, CAMERA)
    uv, z = CAMERA.project(points.reshape(-1, 3))
    rows, columns = np.indices((10, 20))
    np.testing.assert_allclose(uv, np.column_stack([columns.ravel(), rows.ravel()]), atol=1e-4)
    np.testing.assert_allclose(z, depth.ravel())


def test_unknown_depth_is_nan_in_all_three_coordinates() -> None:
    depth = np.full((10, 20), np.nan, np.float32)
    depth[3, 4], depth[5, 6], depth[7, 8] = 2, np.inf, -np.inf
    points = depth_to_points(depth, CAMERA)
    assert np.isfinite(points).all(-1).sum() == 1
    assert np.isfinite(points[3, 4]).all()
    assert np.isnan(points).any(-1).sum() == np.isnan(points).all(-1).sum() == 199


def test_stride_takes_every_nth_pixel_at_its_own_place() -> None:
    depth = np.random.default_rng(0).uniform(1, 50, (10, 20)).astype(np.float32)
    np.testing.assert_array_equal(depth_to_points(depth, CAMERA, 3), depth_to_points(depth, CAMERA)[::3, ::3])


def test_hidden_points_are_nan_in_all_three_coordinates() -> None:
    hidden = np.zeros((5, 10), np.bool_)
    hidden[2, 3] = True
    points = depth_to_points(np.full((10, 20), 3, np.float32), CAMERA, 2, hidden)
    np.testing.assert_array_equal(np.isnan(points).all(-1), hidden)


def plane(rows: int, columns: int, slope: tuple[float, float], at: float = 0.1) -> NDArray[np.float32]:
    """Return the depth of a plane: its inverse depth is linear in the image."""
    row, column = np.indices((rows, columns))
    return (1 / (at + slope[0] * row + slope[1] * column)).astype(np.float32)


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.02, 0.0), (0.0, 0.02), (0.05, 0.0), (0.01, 0.01), (0.001, 0.03)])
def test_a_plane_has_no_flying_pixels_however_slanted(slope: tuple[float, float]) -> None:
    assert not flying_pixels(plane(40, 40, slope)).any()


def test_the_ground_up_to_the_horizon_has_none() -> None:
    height, focal = 0.3, 600.0
    rows = np.arange(1, 300)[:, None] + np.zeros(100)
    assert not flying_pixels((focal * height / rows).astype(np.float32)).any()


def silhouette(axis: int, near: float = 3.0, far: float = 9.0, width: int = 3) -> NDArray[np.float32]:
    """Return two walls and a ramp of `width` pixels from one to the other, from place 20 on."""
    place = np.clip((np.arange(40) - 19) / (width + 1), 0, 1)
    depth = np.tile(near + (far - near) * place, (30, 1)).astype(np.float32)
    return np.ascontiguousarray(depth.T) if axis == 0 else depth


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("flip", [False, True])
def test_a_ramp_between_two_walls_flies_and_the_walls_do_not(axis: int, flip: bool) -> None:
    depth = silhouette(axis)
    depth = np.flip(depth, axis) if flip else depth
    np.testing.assert_array_equal(flying_pixels(depth), (depth > 3) & (depth < 9))


def test_a_step_without_a_ramp_loses_nothing() -> None:
    assert not flying_pixels(silhouette(1, width=0)).any()


def test_a_ramp_into_the_sky_flies_and_one_into_the_unknown_stays() -> None:
    depth = silhouette(1)
    sky = np.where(depth == 9, np.float32(np.inf), depth)
    np.testing.assert_array_equal(flying_pixels(sky), (depth > 3) & (depth < 9))
    for label in (np.nan, -np.inf):
        assert not flying_pixels(np.where(depth == 9, np.float32(label), depth)).any()


@pytest.mark.parametrize("stride", [2, 3, 7])
def test_the_stride_changes_no_answer(stride: int) -> None:
    rng = np.random.default_rng(0)
    depth = rng.choice([3, 4, 5, 9, np.nan, np.inf, -np.inf], (50, 61)).astype(np.float32)
    depth = np.where(rng.random(depth.shape) < 0.5, silhouette(1, width=9)[:1, :1], depth)
    found = flying_pixels(depth)
    assert found.any()
    np.testing.assert_array_equal(flying_pixels(depth, stride), found[::stride, ::stride])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_images_smaller_than_the_reach(shape: tuple[int, int]) -> None:
    assert not flying_pixels(np.ones(shape, np.float32)).any()


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_every_limit_of_the_filter() -> None:
    depth = np.array([[1, 10, 10, np.nan, np.inf, -np.inf]], np.float32)
    sigma = np.array([[0.5, 0.5, np.nan, np.nan, np.nan, np.nan]], np.float32)
    nothing = np.zeros(depth.shape, np.bool_)

    def hidden(chosen: CloudFilter) -> list[bool]:
        found: list[bool] = hidden_points(depth, sigma, nothing, chosen)[0].tolist()
        return found

    assert not any(hidden(NO_FILTER))
    assert hidden(CloudFilter(max_sigma=0.5)) == [False, False, True, True, True, True]
    assert hidden(CloudFilter(max_sigma=0.4)) == [True] * 6
    assert hidden(CloudFilter(max_sigma_ratio=0.1)) == [True, False, True, True, True, True]


def test_measured_returns_do_not_fly() -> None:
    depth = silhouette(1)
    sigma = np.zeros_like(depth)
    measured = np.zeros(depth.shape, np.bool_)
    measured[4] = True
    hidden = hidden_points(depth, sigma, measured, CloudFilter(flying_pixels=True))
    np.testing.assert_array_equal(hidden, (depth > 3) & (depth < 9) & ~measured)
