from __future__ import annotations

import math

import numpy as np
import pytest

from depth_ros.evaluation import metrics

REFERENCE = np.array([[2.0, 4.0, np.nan, 0.0]])
PREDICTED = np.array([[2.2, 3.0, 5.0, 5.0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mae_mm", 600.0),
        ("rmse_mm", 1e3 * math.sqrt((0.04 + 1) / 2)),
        ("imae_per_km", 1e3 * ((1 / 2 - 1 / 2.2) + (1 / 3 - 1 / 4)) / 2),
        ("irmse_per_km", 1e3 * math.sqrt(((1 / 2 - 1 / 2.2) ** 2 + (1 / 3 - 1 / 4) ** 2) / 2)),
        ("abs_rel", (0.1 + 0.25) / 2),
        ("delta1", 0.5),
    ],
)
def test_metrics_by_hand(name: str, expected: float) -> None:
    assert metrics.METRICS[name](PREDICTED, REFERENCE) == pytest.approx(expected)
    assert metrics.score(PREDICTED, REFERENCE)[name] == pytest.approx(expected)


def test_a_perfect_prediction_has_no_error() -> None:
    values = metrics.score(REFERENCE, REFERENCE)
    assert values == {
        "pixels": 2,
        "mae_mm": 0,
        "rmse_mm": 0,
        "imae_per_km": 0,
        "irmse_per_km": 0,
        "abs_rel": 0,
        "delta1": 1,
    }


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0])
@pytest.mark.parametrize("name", list(metrics.METRICS))
def test_a_gap_in_the_prediction_is_not_forgiven(name: str, bad: float) -> None:
    assert math.isnan(metrics.METRICS[name](np.array([bad, 1.0]), np.array([1.0, 1.0])))


def test_nothing_to_score_is_nan() -> None:
    values = metrics.score(np.ones(3), np.zeros(3))
    assert values["pixels"] == 0
    assert all(math.isnan(values[name]) for name in metrics.METRICS)


def test_range_bins_are_half_open() -> None:
    reference = np.array([5.0, 10.0, 19.0, 79.9, 80.0])
    bins = metrics.score_by_range(reference, reference)
    assert {name: values["pixels"] for name, values in bins.items()} == {
        "0-10 m": 1,
        "10-20 m": 2,
        "20-40 m": 0,
        "40-80 m": 1,
    }


def test_sigma_coverage_of_a_normal_error_is_68_and_95_percent() -> None:
    random = np.random.default_rng(0)
    reference = random.uniform(2, 50, 20000)
    sigma = 0.02 * reference
    predicted = reference + random.normal(size=20000) * sigma
    assert metrics.sigma_coverage(predicted, sigma, reference) == pytest.approx(0.683, abs=0.01)
    assert metrics.sigma_coverage(predicted, sigma, reference, 2.0) == pytest.approx(0.954, abs=0.01)
    assert math.isnan(metrics.sigma_coverage(predicted, np.full(20000, np.nan), reference))


def test_means_leave_out_frames_without_a_value() -> None:
    frames = [{"pixels": 3.0, "mae_mm": 10.0}, {"pixels": 0.0, "mae_mm": math.nan}, {"pixels": 1.0, "mae_mm": 20.0}]
    assert metrics.mean_over_frames(frames) == {"pixels": 4.0, "mae_mm": 15.0}
    assert metrics.mean_over_frames([]) == {}


@pytest.mark.parametrize("name", metrics.METRICS)
def test_a_prediction_that_is_out_of_range_scores_nan(name: str) -> None:
    for label in (np.inf, -np.inf, np.nan):
        assert math.isnan(metrics.METRICS[name](np.array([[label, 3.0]]), np.array([[2.0, 4.0]])))
        assert math.isfinite(metrics.METRICS[name](np.array([[label, 3.0]]), np.array([[np.nan, 4.0]])))
