from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from depth_ros.errors import GeometryError
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.view import View

CAMERA = Camera.from_focal(641, 363, 500.0, 510.0, 318.7, 177.2)


def travelled() -> View:
    """Every kind of step, twice."""
    return View.of(CAMERA).resize(400, 301).crop(13, 7, 350, 280).pad(5, 0, 9, 3).resize(517, 222).pad(1, 2, 3, 4)


def test_intrinsics_are_those_of_the_camera_that_goes_through_the_same_steps() -> None:
    camera, view = CAMERA.resize(400, 301).crop(13, 7, 350, 280), View.of(CAMERA).resize(400, 301).crop(13, 7, 350, 280)
    assert view.intrinsics == pytest.approx(camera.intrinsics, rel=1e-12)
    assert (view.width, view.height) == camera.size


def test_a_point_in_space_falls_on_the_mapped_pixel() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform([-2, -1, 2], [2, 1, 9], (50, 3))
    pixels, _ = CAMERA.project(points)
    view = travelled()
    through_view, _ = Camera.from_focal(view.width, view.height, *view.intrinsics).project(points)
    np.testing.assert_allclose(view.from_source(pixels), through_view, rtol=1e-10)
    np.testing.assert_allclose(view.to_source(through_view), pixels, rtol=1e-10)


def test_what_is_undone_has_the_very_intrinsics_that_it_had() -> None:
    view = View.of(CAMERA)
    after = travelled()
    while after.before is not None:
        after = after.before
    assert after == view
    assert travelled().source.intrinsics == CAMERA.intrinsics


def test_the_scale_is_the_ratio_of_focal_lengths() -> None:
    view = travelled()
    assert view.scale == pytest.approx((view.fx / CAMERA.intrinsics[0], view.fy / CAMERA.intrinsics[1]), rel=1e-12)
    assert View.of(CAMERA).scale == (1.0, 1.0)


def test_an_unknown_focal_length_stays_unknown_and_the_middle_stays_the_middle() -> None:
    view = View.unknown(640, 480).fit(1064, 616)
    assert view.fx == view.fy == 0
    assert (view.cx, view.cy) == pytest.approx(((1064 - 1) / 2, (616 - 1) / 2), abs=0.51)


def ramp(width: int, height: int) -> np.ndarray[Any, Any]:
    """What is linear in the image is kept by bilinear resizing, exactly, but for half a pixel at the edge."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    values: np.ndarray[Any, Any] = 3 + 0.5 * x - 0.25 * y
    return values


def test_images_go_where_the_pixel_map_says() -> None:
    view = travelled()
    image = view.apply(ramp(641, 363), fill=np.nan)
    assert image.shape == (view.height, view.width)
    y, x = np.nonzero(np.isfinite(image))
    source = view.to_source(np.column_stack([x, y]))
    inside = (source > 3).all(axis=1) & (source < np.array([637, 359])).all(axis=1)
    assert inside.sum() > 50_000
    np.testing.assert_allclose(image[y, x][inside], 3 + source[inside] @ [0.5, -0.25], atol=1e-3)


def test_a_map_comes_back_to_where_it_was() -> None:
    view = View.of(CAMERA).crop(20, 30, 500, 300).fit(1064, 616)
    depth = view.undo(view.apply(ramp(641, 363)))
    assert depth.shape == (363, 641)
    assert np.isnan(depth[:30]).all()
    assert np.isnan(depth[330:]).all()
    assert np.isnan(depth[:, :20]).all()
    assert np.isnan(depth[:, 520:]).all()
    inner = (slice(33, 327), slice(23, 517))
    np.testing.assert_allclose(depth[inner], ramp(641, 363)[inner], atol=1e-3)


def test_pads_and_crops_are_undone_to_the_bit() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (363, 641, 3), dtype=np.uint8)
    view = View.of(CAMERA).pad(3, 4, 5, 6).pad(1, 0, 0, 2)
    padded = view.apply(image, fill=(123.675, 116.28, 103.53))
    assert padded[0, 0].tolist() == [123, 116, 103]
    np.testing.assert_array_equal(view.undo(padded, fill=0), image)
    crop = View.of(CAMERA).crop(10, 20, 100, 50)
    np.testing.assert_array_equal(crop.apply(image), image[20:70, 10:110])
    back = crop.undo(image[20:70, 10:110], fill=7)
    np.testing.assert_array_equal(back[20:70, 10:110], image[20:70, 10:110])
    assert (back[:20] == 7).all()


def test_a_crop_of_padding_alone_is_padding() -> None:
    view = View.of(CAMERA).pad(10, 0, 0, 0).crop(0, 0, 5, 363)
    assert (view.apply(np.ones((363, 641)), fill=-1.0) == -1).all()
    assert np.isnan(view.undo(np.ones((363, 5)))).all()


@pytest.mark.parametrize("size", [(1242, 375), (640, 480), (1064, 616), (3, 1000), (1936, 1216)])
def test_fit_is_the_published_preparation(size: tuple[int, int]) -> None:
    width, height = size
    view = View.unknown(width, height).fit(1064, 616)
    ratio = min(616 / height, 1064 / width)
    inner = (max(int(width * ratio + 1e-6), 1), max(int(height * ratio + 1e-6), 1))
    image = np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)
    x, y = (1064 - inner[0]) // 2, (616 - inner[1]) // 2
    expected = cv2.copyMakeBorder(
        cv2.resize(image, inner), y, 616 - inner[1] - y, x, 1064 - inner[0] - x, cv2.BORDER_CONSTANT, value=(9, 8, 7)
    )
    np.testing.assert_array_equal(view.apply(image, fill=(9, 8, 7)), expected)


def test_to_focal_makes_square_pixels_of_one_focal_length() -> None:
    view = View.of(CAMERA).to_focal(1000.0)
    assert view.fx == pytest.approx(1000, abs=1000 / view.width)
    assert view.fy == pytest.approx(1000, abs=1000 / view.height)


def test_what_cannot_be_is_said_in_one_line() -> None:
    view = View.of(CAMERA)
    wrongs: list[Callable[[], object]] = [
        lambda: view.resize(0, 5),
        lambda: view.crop(-1, 0, 5, 5),
        lambda: view.crop(0, 0, 642, 5),
        lambda: view.crop(0, 0, 0, 5),
        lambda: view.pad(1, 1, -1, 1),
        lambda: View.unknown(5, 5).to_focal(1000.0),
        lambda: view.to_focal(float("nan")),
        lambda: View(5, 5, float("nan"), 1.0, 2.0, 2.0),
        lambda: View(5, 5, -1.0, 1.0, 2.0, 2.0),
        lambda: View(5, 5, 0.0, 1.0, 2.0, 2.0),
        lambda: view.apply(np.zeros((641, 363))),
        lambda: view.undo(np.zeros(363)),
    ]
    for wrong in wrongs:
        with pytest.raises(GeometryError) as error:
            wrong()
        assert "\n" not in str(error.value)
