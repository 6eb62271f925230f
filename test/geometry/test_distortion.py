from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from depth_ros.errors import GeometryError
from depth_ros.geometry import distortion
from depth_ros.geometry.camera import Camera

LENSES = {
    "plumb_bob": [-0.2, 0.05, 0.001, -0.002, 0.01],
    "rational_polynomial": [0.1, -0.05, 0.001, 0.0005, 0.01, 0.2, -0.02, 0.005],
    "equidistant": [-0.02, 0.01, -0.005, 0.001],
}


def camera(model: str, D: list[float] | None = None) -> Camera:
    K = [[300, 0, 161], [0, 305, 119], [0, 0, 1]]
    return Camera(K, 320, 240, D=LENSES[model] if D is None else D, distortion_model=model)  # type: ignore[arg-type]


def closed_form(model: str, x: float, y: float) -> tuple[float, float]:
    """The published formulas (OpenCV calib3d and fisheye documentation), one point at a time."""
    D, r2 = LENSES[model], x * x + y * y
    if model == "equidistant":
        r = math.sqrt(r2)
        theta = math.atan(r)
        bent = theta * (1 + sum(k * theta ** (2 * n + 2) for n, k in enumerate(D)))
        return x * bent / r, y * bent / r
    k1, k2, p1, p2, k3, *rest = D
    k4, k5, k6 = rest or (0, 0, 0)
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


@pytest.mark.parametrize("model", LENSES)
def test_distort_follows_the_published_formula(model: str) -> None:
    lens = camera(model)
    fx, fy, cx, cy = lens.intrinsics
    for x, y in [(0.1, 0.2), (-0.4, 0.3), (0.5, -0.35)]:
        bx, by = closed_form(model, x, y)
        pixel = distortion.distort(lens, np.array([[3 * x, 3 * y, 3.0]]))
        np.testing.assert_allclose(pixel, [[fx * bx + cx, fy * by + cy]], rtol=1e-9)


@pytest.mark.parametrize("model", LENSES)
def test_rectified_picture_shows_a_point_where_the_pinhole_puts_it(model: str) -> None:
    lens = camera(model)
    points = np.array([[0.1, 0.15, 1.0], [-0.3, -0.2, 1.0], [0.25, -0.1, 1.0]])
    raw = np.zeros((240, 320), np.uint8)
    for u, v in distortion.distort(lens, points):
        cv2.circle(raw, (round(u * 16), round(v * 16)), 3 * 16, 255, -1, cv2.LINE_AA, 4)
    picture = distortion.rectify_image(raw, lens)
    for u, v in lens.rectified().project(points)[0]:
        rows, columns = np.indices(picture.shape)
        near = np.hypot(columns - u, rows - v) < 8
        weight = picture * near
        centre = (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
        np.testing.assert_allclose(centre, (u, v), atol=0.3)


def test_rectified_pictures_are_passed_through_untouched() -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    assert distortion.rectify_image(picture, camera("plumb_bob", [])) is picture


def test_four_coefficients_of_plumb_bob_equal_five_with_a_zero() -> None:
    points = np.array([[0.3, 0.2, 1.0]])
    four, five = camera("plumb_bob", [-0.1, 0.02, 0.001, 0]), camera("plumb_bob", [-0.1, 0.02, 0.001, 0, 0])
    np.testing.assert_array_equal(distortion.distort(four, points), distortion.distort(five, points))


def test_maps_are_made_once_per_calibration() -> None:
    distortion._rectify_maps.cache_clear()
    for _ in range(3):
        distortion.rectify_image(np.zeros((240, 320), np.uint8), camera("plumb_bob"))
    assert distortion._rectify_maps.cache_info().misses == 1


@pytest.mark.parametrize(
    ("model", "D", "word"),
    [
        ("double_sphere", [0.1], "unknown"),
        ("plumb_bob", [0.1, 0.2], "2 coefficients"),
        ("equidistant", [0.1], "1 coeff"),
    ],
)
def test_unusable_lenses_are_refused(model: str, D: list[float], word: str) -> None:
    with pytest.raises(GeometryError, match=word):
        distortion.rectify_image(np.zeros((240, 320), np.uint8), camera(model, D))


def test_picture_of_another_size_is_refused() -> None:
    with pytest.raises(GeometryError, match="image is 10x20, its camera 320x240"):
        distortion.rectify_image(np.zeros((20, 10), np.uint8), camera("plumb_bob"))
