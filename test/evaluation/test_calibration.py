from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_ros.evaluation.calibration import ause, sparsification_area

COUNT = 1000
ERRORS = np.arange(1, COUNT + 1, dtype=np.float64)
ORACLE = (COUNT + 3) / (2 * (COUNT + 1))
"""Mean over k of (k + 1) / 2, the mean of the k smallest, by the mean of all, (COUNT + 1) / 2."""


def shuffled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.random.default_rng(3).permutation(values)


def test_errors_that_grow_evenly_have_a_closed_form() -> None:
    errors = shuffled(ERRORS)
    assert sparsification_area(errors, errors) == pytest.approx(ORACLE)
    assert sparsification_area(errors, np.ones(COUNT)) == pytest.approx(1)
    # The k most certain are the k largest: mean COUNT - (k - 1) / 2, averaged over k, by (COUNT + 1) / 2.
    assert sparsification_area(errors, -errors) == pytest.approx((COUNT - (COUNT - 1) / 4) * 2 / (COUNT + 1))


def test_ties_do_not_depend_on_the_order() -> None:
    uncertainty = np.floor(ERRORS / 100)
    order = np.random.default_rng(0).permutation(COUNT)
    assert sparsification_area(ERRORS, uncertainty) == pytest.approx(
        sparsification_area(ERRORS[order], uncertainty[order])
    )


def test_equals_the_plain_definition() -> None:
    rng = np.random.default_rng(1)
    errors, uncertainty = rng.exponential(1, 300), rng.uniform(0, 1, 300)
    ranked = errors[np.argsort(uncertainty)]
    plain = np.mean([ranked[:kept].mean() for kept in range(1, 301)]) / errors.mean()
    assert sparsification_area(errors, uncertainty) == pytest.approx(plain)


def test_sigma_that_equals_the_error_is_the_oracle() -> None:
    reference = np.full(COUNT, 10.0)
    error = shuffled(ERRORS / COUNT)
    found = ause(reference + error, error, reference)
    assert found.sigma == pytest.approx(0, abs=1e-9)
    assert found.constant == pytest.approx(1 - ORACLE)
    assert found.depth == pytest.approx(0, abs=1e-9)


def test_scale_of_sigma_and_of_the_scene_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    reference, sigma = rng.uniform(1, 50, (20, 30)), rng.uniform(0.1, 2, (20, 30))
    predicted = reference + sigma * rng.normal(size=sigma.shape)
    once = ause(predicted, sigma, reference)
    assert ause(10 * predicted, 3 * sigma, 10 * reference) == pytest.approx(once)
    assert 0 < once.sigma < once.constant


def test_unknown_places_are_left_out() -> None:
    rng = np.random.default_rng(4)
    reference, sigma = rng.uniform(1, 50, 100), rng.uniform(0.1, 2, 100)
    predicted = reference + sigma
    holes = [np.append(array, 5.0) for array in (predicted, sigma, reference)]
    for number, value in ((0, np.nan), (1, np.nan), (2, np.nan), (2, 0.0)):
        with_hole = [array.copy() for array in holes]
        with_hole[number][-1] = value
        assert ause(with_hole[0], with_hole[1], with_hole[2]) == ause(predicted, sigma, reference)


@pytest.mark.parametrize("reference", [np.zeros(5), np.full(5, 3.0)])
def test_nothing_to_rank_is_nan(reference: NDArray[np.float64]) -> None:
    assert np.isnan(ause(np.full(5, 3.0), np.ones(5), reference)).all()
