from __future__ import annotations

import numpy as np
import pytest

from depth_ros.evaluation.paired import Ratio, ratio_by_image, ratio_by_tile


def test_a_fixed_ratio_has_no_spread() -> None:
    theirs = np.random.default_rng(0).uniform(100, 5000, 11)
    assert ratio_by_image(0.9 * theirs, theirs) == pytest.approx((0.9, 0.9, 0.9))


def test_interval_is_that_of_the_normal_approximation() -> None:
    rng = np.random.default_rng(1)
    theirs = np.ones(400)
    ours = 0.9 + 0.1 * rng.normal(size=400)
    found = ratio_by_image(ours, theirs)
    half = 1.96 * ours.std() / 20
    assert found.value == pytest.approx(ours.mean())
    assert (found.low, found.high) == pytest.approx((ours.mean() - half, ours.mean() + half), abs=1e-3)


def test_equal_methods_are_within_the_interval_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(100):
        theirs, ours = rng.normal(10, 1, (2, 40))
        found = ratio_by_image(ours, theirs)
        inside += found.low <= 1 <= found.high
    assert inside >= 88


def test_significantly_worse_needs_the_whole_interval() -> None:
    assert Ratio(1.1, 1.01, 1.2).significantly_worse
    assert not Ratio(1.1, 0.99, 1.2).significantly_worse
    assert str(Ratio(1.1, 0.99, 1.2)) == "1.100 [0.990, 1.200]"


@pytest.mark.parametrize("power", [1, 2])
def test_tiles_give_the_metrics_of_whole_cases(power: int) -> None:
    rng = np.random.default_rng(3)
    errors = rng.exponential(1, (2, 3, 16, 50))
    sums, pixels = (errors**power).sum(axis=3), np.full((3, 16), 50.0)
    found = ratio_by_tile(sums[0], sums[1], pixels, power)
    ours, theirs = ((errors**power).mean(axis=(2, 3)) ** (1 / power)).mean(axis=1)
    assert found.value == pytest.approx(ours / theirs)
    assert found.low < found.value < found.high


def test_tiles_without_pixels_do_no_harm() -> None:
    pixels = np.array([[0.0, 0.0, 10.0, 10.0]])
    sums = np.array([[0.0, 0.0, 5.0, 20.0]])
    assert ratio_by_tile(0.5 * sums, sums, pixels, 1) == pytest.approx((0.5, 0.5, 0.5))
