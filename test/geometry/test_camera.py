from __future__ import annotations

import numpy as np
import pytest

from depth_ros.errors import GeometryError
from depth_ros.geometry.camera import Camera

RNG = np.random.default_rng(0)


def camera(**changes: object) -> Camera:
    values: dict[str, object] = {"K": [[500, 0, 320], [0, 510, 240], [0, 0, 1]], "width": 640, "height": 480}
    return Camera(**{**values, **changes})  # type: ignore[arg-type]


def test_project_follows_the_pinhole_equation() -> None:
    uv, z = camera().project([[1.0, -0.5, 2.0]])
    np.testing.assert_allclose(uv, [[500 * 0.5 + 320, 510 * -0.25 + 240]])
    np.testing.assert_allclose(z, [2.0])


def test_unproject_inverts_project() -> None:
    points = RNG.uniform([-5, -5, 0.1], [5, 5, 80], (200, 3))
    uv, z = camera().project(points)
    np.testing.assert_allclose(camera().unproject(uv, z), points, atol=1e-9)


def test_points_at_or_behind_the_camera_have_no_pixel() -> None:
    uv, _ = camera().project([[1, 1, 0], [1, 1, -1]])
    assert np.isnan(uv).all()


def test_crop_moves_the_pixels_of_a_point_by_the_offset() -> None:
    points = RNG.uniform([-1, -1, 2], [1, 1, 9], (50, 3))
    before, _ = camera().project(points)
    after, _ = camera().crop(10, 20, 300, 200).project(points)
    np.testing.assert_allclose(after, before - [10, 20])


def test_resize_keeps_the_place_of_pixel_areas() -> None:
    corner = [[-0.5, -0.5], [639.5, 479.5]]  # outer corners of the first and last pixel
    rays = camera().unproject(corner, [1, 1])
    uv, _ = camera().resize(320, 120).project(rays)
    np.testing.assert_allclose(uv, [[-0.5, -0.5], [319.5, 119.5]], atol=1e-9)


def test_binning_puts_a_pixel_at_the_middle_of_those_it_sums() -> None:
    ray = camera().unproject([[0.5, 0.5]], [1])
    uv, _ = camera().binned(2, 2).project(ray)
    np.testing.assert_allclose(uv, [[0, 0]], atol=1e-12)
    assert camera().binned(2, 4).size == (320, 120)


def test_crop_and_resize_carry_the_projection_matrix_along() -> None:
    P = np.array([[450, 0, 300, -45], [0, 450, 230, 0], [0, 0, 1, 0.0]])
    both = camera(P=P).crop(100, 50, 400, 300).resize(200, 150)
    assert both.P is not None
    expected = camera(K=P[:, :3]).crop(100, 50, 400, 300).resize(200, 150).K
    np.testing.assert_allclose(both.P[:, :3], expected)
    np.testing.assert_allclose(both.P[0, 3], -45 / 2)


def test_rectified_camera_takes_p_when_given_else_k() -> None:
    P = np.array([[450, 0, 300, 0], [0, 450, 230, 0], [0, 0, 1, 0.0]])
    np.testing.assert_array_equal(camera(P=P, D=[0.1, 0, 0, 0]).rectified().K, P[:, :3])
    np.testing.assert_array_equal(camera(P=np.zeros((3, 4))).rectified().K, camera().K)
    assert camera(P=P).rectified().is_rectified


@pytest.mark.parametrize(
    ("changes", "rectified"),
    [({}, True), ({"D": [0.0] * 5}, True), ({"D": [0.1, 0, 0, 0, 0]}, False), ({"R": np.diag([1.0, -1, -1])}, False)],
)
def test_is_rectified(changes: dict[str, object], rectified: bool) -> None:
    assert camera(**changes).is_rectified is rectified


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"K": np.zeros((3, 3))}, "no focal length"),
        ({"K": np.full((3, 3), np.nan)}, "NaN"),
        ({"K": [1, 2, 3]}, "3 values"),
        ({"width": 0}, "positive"),
        ({"D": [np.inf]}, "NaN or inf"),
        ({"P": -np.eye(3, 4)}, "P has no focal length"),
    ],
)
def test_impossible_cameras_are_refused(changes: dict[str, object], word: str) -> None:
    with pytest.raises(GeometryError, match=word):
        camera(**changes)


def test_crop_outside_the_image_is_refused() -> None:
    with pytest.raises(GeometryError, match="leaves the 640x480 image"):
        camera().crop(600, 0, 100, 10)
