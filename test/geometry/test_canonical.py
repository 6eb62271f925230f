from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from depth_ros.errors import GeometryError
from depth_ros.geometry import canonical
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.view import View

SIZE_M, DEPTH_M = 1.5, 6.0
WIDTH, HEIGHT = 1280, 720
FOCALS = (400, 721, 1000, 1385, 2000)


def photograph(focal: float, depth: float = DEPTH_M) -> tuple[View, np.ndarray[Any, Any]]:
    """A bright square of `SIZE_M` metres facing the camera, its edges exact: what share of each pixel it covers."""
    camera = Camera.from_focal(WIDTH, HEIGHT, focal, focal, 611.3, 371.9)
    (left, top), (right, bottom) = camera.project([[-SIZE_M / 2, -SIZE_M / 2, depth], [SIZE_M / 2, SIZE_M / 2, depth]])[
        0
    ]
    columns, rows = np.arange(WIDTH), np.arange(HEIGHT)
    across = np.clip(np.minimum(columns + 0.5, right) - np.maximum(columns - 0.5, left), 0, 1)
    down = np.clip(np.minimum(rows + 0.5, bottom) - np.maximum(rows - 0.5, top), 0, 1)
    return View.of(camera), down[:, None] * across


def seen_size(image: np.ndarray[Any, Any]) -> tuple[float, float]:
    """What a network can know: how many pixels wide and high the square is."""
    return float(image.sum(axis=1).max() / image.max()), float(image.sum(axis=0).max() / image.max())


@pytest.mark.parametrize("focal", FOCALS)
def test_cameras_of_any_focal_length_get_the_same_metres_by_the_label_transform(focal: float) -> None:
    view, image = photograph(focal)
    view = view.crop(100, 0, 1100, 720).fit(1064, 616)
    width, _ = seen_size(view.apply(image))
    answer = np.array([SIZE_M * canonical.CANONICAL_FOCAL / width], np.float32)
    assert canonical.from_canonical(answer, view.fx)[0] == pytest.approx(DEPTH_M, rel=3e-3)


@pytest.mark.parametrize("focal", FOCALS)
def test_cameras_of_any_focal_length_get_the_same_metres_by_the_image_transform(focal: float) -> None:
    view, image = photograph(focal)
    width, _ = seen_size(view.to_focal(canonical.CANONICAL_FOCAL).apply(image))
    assert SIZE_M * canonical.CANONICAL_FOCAL / width == pytest.approx(DEPTH_M, rel=1e-2)


@pytest.mark.parametrize("focal", FOCALS)
def test_cameras_of_any_focal_length_get_the_same_metres_by_canonical_inverse_depth(focal: float) -> None:
    view, image = photograph(focal)
    seen = view.resize(1536, 1536)  # the aspect is not kept: only the width counts
    width, _ = seen_size(seen.apply(image))
    answer = np.array([width / seen.width / SIZE_M], np.float32)
    for of in (view, seen):
        assert canonical.from_canonical_inverse(answer, of.fx, of.width)[0] == pytest.approx(DEPTH_M, rel=3e-3)


def test_without_the_transform_the_same_picture_means_other_metres() -> None:
    """What the canonical camera is for: twice the focal length at twice the depth is the same picture."""
    near, far = photograph(500, 3.0)[1], photograph(1000, 6.0)[1]
    np.testing.assert_allclose(near, far, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transforms_and_their_inverses(dtype: type[np.floating[Any]]) -> None:
    depth: np.ndarray[Any, Any] = np.random.default_rng(0).uniform(0.2, 300, (20, 30)).astype(dtype)
    depth[3, 4] = np.nan
    rtol = 3 * float(np.finfo(dtype).eps)
    there = canonical.to_canonical(depth, 721.5)
    assert there.dtype == dtype
    np.testing.assert_allclose(there, depth * 1000 / 721.5, rtol=rtol)
    np.testing.assert_allclose(canonical.from_canonical(there, 721.5), depth, rtol=rtol)
    there = canonical.to_canonical_inverse(depth, 721.5, 1242)
    assert there.dtype == dtype
    np.testing.assert_allclose(there, 721.5 / 1242 / depth, rtol=rtol)
    np.testing.assert_allclose(canonical.from_canonical_inverse(there, 721.5, 1242), depth, rtol=rtol)


def test_inverse_depth_is_kept_within_its_limits() -> None:
    inverse = np.array([0.0, -1.0, 1e9, np.nan])
    depth = canonical.from_canonical_inverse(inverse, 500.0, 1000)
    np.testing.assert_allclose(depth, [1e4, 1e4, 1e-4, np.nan])
    assert canonical.to_canonical_inverse(np.array([np.inf]), 500.0, 1000)[0] == 0


@pytest.mark.parametrize("fov", [1.0, 60.0, 90.0, 179.0])
def test_field_of_view_and_back(fov: float) -> None:
    focal = canonical.focal_from_fov(fov, 1280)
    edge = Camera.from_focal(1280, 720, focal, focal, 640, 360).unproject([[0, 360], [1280, 360]], [1.0, 1.0])
    angle = np.degrees(np.arccos(edge[0] @ edge[1] / np.prod(np.linalg.norm(edge, axis=1))))
    assert angle == pytest.approx(fov, rel=1e-9)
    assert canonical.fov_from_focal(focal, 1280) == pytest.approx(fov, rel=1e-12)


def test_35mm_equivalents() -> None:
    # Pictures of film's own shape: 36 mm are its width.
    assert canonical.focal_from_35mm(50, 3600, 2400) == pytest.approx(5000)
    assert canonical.focal_from_35mm(50, 2400, 3600) == pytest.approx(5000)
    # 4:3, the diagonal decides: a 26-mm telephone of 4032 x 3024.
    assert canonical.focal_from_35mm(26, 4032, 3024) == pytest.approx(26 * 5040 / 43.2666, rel=1e-5)
    assert canonical.focal_from_35mm(26, 2016, 1512) == pytest.approx(canonical.focal_from_35mm(26, 4032, 3024) / 2)


def test_sensor_width() -> None:
    assert canonical.focal_from_sensor(4.25, 5.76, 4032) == pytest.approx(4.25 / 5.76 * 4032)


def test_what_is_unknown_or_impossible_is_said() -> None:
    depth = np.ones((2, 2), np.float32)
    wrongs: list[Callable[[], object]] = [
        lambda: canonical.to_canonical(depth, 0.0),
        lambda: canonical.from_canonical(depth, float("nan")),
        lambda: canonical.from_canonical_inverse(depth, 500.0, 0),
        lambda: canonical.focal_from_fov(180.0, 100),
        lambda: canonical.focal_from_35mm(0, 100, 100),
        lambda: canonical.focal_from_sensor(4.0, -1.0, 100),
        lambda: canonical.fov_from_focal(float("inf"), 100),
    ]
    for wrong in wrongs:
        with pytest.raises(GeometryError):
            wrong()
