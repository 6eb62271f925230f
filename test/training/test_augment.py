from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.training.augment import CLEAN, EFFECTS, _fog, degrade

_COARSE = np.random.default_rng(1).integers(0, 256, (12, 20, 3), dtype=np.uint8)
RGB = np.asarray(cv2.resize(_COARSE, (100, 61)), np.uint8)
DEPTH = np.full((61, 100), 20.0, np.float32)


def test_degrade_keeps_form_repeats_itself_and_leaves_its_share_clean() -> None:
    before = RGB.copy()
    clean = 0
    for seed in range(200):
        result = degrade(RGB, DEPTH, np.random.default_rng(seed))
        assert result.shape == RGB.shape
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result, degrade(RGB, DEPTH, np.random.default_rng(seed)))
        clean += np.array_equal(result, RGB)
    np.testing.assert_array_equal(RGB, before)
    assert abs(clean / 200 - CLEAN) < 0.12


@pytest.mark.parametrize("value", [np.nan, 0.0, np.inf])
def test_sky_in_any_form_and_images_without_light_are_safe(value: float) -> None:
    sky = np.full((61, 100), value, np.float32)
    for seed in range(60):
        with np.errstate(all="raise", under="ignore"):
            degrade(np.zeros_like(RGB), sky, np.random.default_rng(seed))


@pytest.mark.parametrize("effect", [effect for effect, _ in EFFECTS])
def test_every_effect_changes_the_image_and_stays_finite(
    effect: Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]],
) -> None:
    light = RGB.astype(np.float32) / np.float32(255)
    result = effect(light.copy(), np.random.default_rng(3))
    assert result.shape == RGB.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert not np.array_equal(result, light)


def test_fog_takes_contrast_as_koschmieder_says() -> None:
    black, white = (np.full((61, 100, 3), value, np.float32) for value in (0, 1))
    near, far = (np.full((61, 100), z, np.float32) for z in (10, 30))

    def contrast(depth: NDArray[np.float32]) -> float:
        low, high = (_fog(light, depth, np.random.default_rng(5)) for light in (black, white))
        return float((high - low).mean())

    assert contrast(far) == pytest.approx(contrast(near) ** 3, rel=1e-4)
