from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.evaluation.boundary import boundary_f1

FloatArray = NDArray[Any]


def slow(predicted: FloatArray, reference: FloatArray) -> float:
    """The published steps, pixel by pixel."""
    total = weights = 0.0
    height, width = reference.shape
    for k in range(10):
        t = 1.05 + 0.2 * k / 9
        precision = recall = 0.0
        for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            ours = theirs = both = 0
            for y in range(height):
                for x in range(width):
                    v, u = y + dy, x + dx
                    if not (0 <= v < height and 0 <= u < width):
                        continue
                    if not (reference[y, x] > 0 and reference[v, u] > 0):
                        continue
                    p = (1 / predicted[y, x]) / (1 / predicted[v, u]) > t
                    r = (1 / reference[y, x]) / (1 / reference[v, u]) > t
                    ours, theirs, both = ours + p, theirs + r, both + (p and r)
            precision += both / max(ours, 1) / 4
            recall += both / max(theirs, 1) / 4
        f1 = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
        total, weights = total + t * f1, weights + t
    return total / weights


def blocks(seed: int, size: tuple[int, int] = (14, 19)) -> FloatArray:
    rng = np.random.default_rng(seed)
    depth: FloatArray = rng.uniform(1, 1.3, size)
    depth[4:10, 5:12] *= 0.6
    return depth.astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_against_the_slow_version(seed: int) -> None:
    reference = blocks(seed)
    predicted = reference * (0.9 + 0.2 * np.random.default_rng(seed + 50).random(reference.shape, np.float32))
    reference[np.random.default_rng(seed + 90).random(reference.shape) < 0.1] = np.nan
    assert 0.1 < slow(predicted, reference) < 0.95
    assert boundary_f1(predicted, reference) == pytest.approx(slow(predicted, reference), rel=1e-12)


def test_the_same_edges_at_any_scale_are_perfect() -> None:
    reference = blocks(0)
    assert boundary_f1(reference, reference) == 1
    assert boundary_f1(reference * 7, reference) == 1


def step(column: int, ratio: float = 2.0) -> FloatArray:
    depth = np.full((10, 20), 10.0)
    depth[:, column:] = 10.0 * ratio
    return depth


def test_one_straight_edge_by_hand() -> None:
    # One of four directions has a contour and all of it is found: P = R = 1 / 4, as published.
    assert boundary_f1(step(8), step(8)) == pytest.approx(0.25)
    assert boundary_f1(step(9), step(8)) == 0
    assert boundary_f1(np.full((10, 20), 3.0), step(8)) == 0


def test_a_weak_edge_counts_only_below_its_ratio() -> None:
    ratios = np.linspace(1.05, 1.25, 10)
    expected = 0.25 * ratios[ratios < 1.16].sum() / ratios.sum()
    assert boundary_f1(step(8, 1.16), step(8, 1.16)) == pytest.approx(expected)


def test_blur_costs() -> None:
    reference = step(8)
    blurred = reference.copy()
    for column, share in zip(range(4, 12), np.linspace(0, 1, 8), strict=True):
        blurred[:, column] = 10 + 10 * share
    assert boundary_f1(blurred, reference) < 0.1


def test_what_cannot_be_scored_is_nan() -> None:
    reference = step(8)
    hole = reference.copy()
    hole[3, 3] = np.nan
    assert math.isnan(boundary_f1(hole, reference))
    assert boundary_f1(reference, hole) == pytest.approx(0.25)
    assert math.isnan(boundary_f1(reference, np.full_like(reference, 4.0)))
    assert math.isnan(boundary_f1(reference, np.full_like(reference, np.nan)))
    assert math.isnan(boundary_f1(np.ones((1, 1)), np.ones((1, 1))))
    assert math.isnan(boundary_f1(np.zeros((0, 5)), np.zeros((0, 5))))
    sky = reference.copy()
    sky[:, 12:] = np.inf
    assert boundary_f1(reference, sky) == pytest.approx(0.25)
