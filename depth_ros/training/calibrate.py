"""Sigma after training: one factor, chosen on held-out synthetic samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from depth_ros.errors import TrainingError
from depth_ros.networks.completion import CompletionNet
from depth_ros.training.validate import IMAGE, Problem, complete

SHARE = 0.70
"""Share of the errors that one sigma is to hold: 68.3 % would be exact, but errors have heavier tails than a Gaussian,
and this leaves fewer of them beyond two sigma."""


def calibrate_sigma(network: CompletionNet, problems: Sequence[Problem], share: float = SHARE) -> float:
    """Scale the network's sigma so that it holds `share` of the errors, and return the factor.

    Every problem counts alike. Raises TrainingError when no problem has a pixel to be judged on.
    """
    ratios = [found for problem in problems if len(found := _ratios(network, problem))]
    if not ratios:
        raise TrainingError("sigma cannot be calibrated: no sample has truth inside the coverage of its prior")
    gain = quantile_of_all(ratios, share)
    network.scale_sigma(gain)
    return gain


def quantile_of_all(groups: Sequence[NDArray[np.float32]], share: float) -> float:
    """Return the value below which `share` of the numbers lie, every group weighing the same."""
    values = np.concatenate(groups)
    weights = np.concatenate([np.full(len(group), 1 / (len(group) * len(groups))) for group in groups])
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), share)])


def _ratios(network: CompletionNet, problem: Problem) -> NDArray[np.float32]:
    """Errors over sigma, where there are truth and an answer."""
    depth, sigma = complete(network, problem, torch.device("cpu"), use_image=IMAGE in problem.modes)
    reference = problem.case.reference
    known = np.isfinite(reference) & (reference > 0) & np.isfinite(depth)
    error: NDArray[np.float32] = np.abs(depth[known] - reference[known]) / sigma[known]
    return error
