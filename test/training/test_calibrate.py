from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_ros.errors import TrainingError
from depth_ros.evaluation.cases import Case
from depth_ros.networks.completion import CompletionNet
from depth_ros.training.calibrate import calibrate_sigma, quantile_of_all
from depth_ros.training.validate import Problem, complete, make_problem

K = np.array([60, 60, 31.5, 31.5], np.float32)


def problem(scale: float, seed: int = 0) -> Problem:
    rng = np.random.default_rng(seed)
    prior = np.full((64, 64), 10, np.float32)
    truth = (prior * (1 + scale * rng.standard_normal(prior.shape))).astype(np.float32)
    sparse = np.zeros_like(prior)
    return make_problem(Case("made up", None, sparse, truth, "", ""), sparse, prior, K)


def test_sigma_holds_the_share_that_was_asked_for() -> None:
    network = CompletionNet((8, 8, 8)).eval()
    before = complete(network, problem(0.02), torch.device("cpu"), use_image=False)
    gain, held, holds = calibrate_sigma(network, [problem(0.02), problem(0.02, 1)], 0.7)
    depth, sigma = complete(network, problem(0.02), torch.device("cpu"), use_image=False)
    np.testing.assert_allclose(depth, before[0])
    np.testing.assert_allclose(sigma, gain * before[1], rtol=1e-5)
    inside = np.abs(depth - problem(0.02).case.reference) <= sigma
    assert inside.mean() == pytest.approx(0.7, abs=0.02)
    assert holds == pytest.approx(0.7, abs=0.01)
    assert held == pytest.approx((np.abs(before[0] - problem(0.02).case.reference) <= before[1]).mean(), abs=0.02)


def test_every_group_weighs_the_same() -> None:
    groups = [np.full(1000, 1, np.float32), np.full(10, 3, np.float32)]
    assert quantile_of_all(groups, 0.4) == 1
    assert quantile_of_all(groups, 0.6) == 3


def test_nothing_to_judge_on_is_a_known_error() -> None:
    empty = problem(0.02)
    with pytest.raises(TrainingError, match="no sample has truth"):
        calibrate_sigma(CompletionNet((8, 8, 8)).eval(), [empty._replace(prior=np.zeros_like(empty.prior))])
