"""Sigma after training: one factor, chosen on held-out synthetic samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from depth_ros.errors import TrainingError
from depth_ros.networks.completion import CompletionNet
from depth_ros.training.validate import IMAGE, Problem, complete

SHARE = 0.70
"""Share of the errors that one sigma is to hold: 68.3 % would be exact, but errors have heavier tails than a Gaussian,
and this leaves fewer of them beyond two sigma."""
Ratios = NDArray[np.float32]
"""Errors over sigma, of one sample."""


class Calibration(NamedTuple):
    """What was done to a sigma.

    gain: the factor. before, after: share of the errors that one sigma held, and holds.
    """

    gain: float
    before: float
    after: float


def calibrate_sigma(network: CompletionNet, problems: Sequence[Problem], share: float = SHARE) -> Calibration:
    """Scale the network's sigma so that it holds `share` of the errors.

    Every problem counts alike. Raises TrainingError when no problem has a pixel to be judged on.
    """
    return calibrate(lambda: [_ratios(network, problem) for problem in problems], network.scale_sigma, share)


def calibrate(look: Callable[[], list[Ratios]], scale: Callable[[float], None], share: float) -> Calibration:
    """Scale a sigma so that it holds `share` of the errors, every sample counting alike.

    look: returns the errors over sigma of every sample, as they are now. scale: multiplies sigma. Raises TrainingError
    when no sample has an error to be judged on, or one of them is no number.
    """
    found = _judged(look())
    if not found:
        raise TrainingError("sigma cannot be calibrated: no sample has truth where the network answers")
    gain = quantile_of_all(found, share)
    if not 0 < gain < np.inf:
        raise TrainingError(f"sigma cannot be calibrated: {share:.0%} of the errors are within {gain} sigma")
    scale(gain)
    return Calibration(gain, _within(found), _within(_judged(look())))


def quantile_of_all(groups: Sequence[Ratios], share: float) -> float:
    """Return the value below which `share` of the numbers lie, every group weighing the same."""
    values = np.concatenate(groups)
    weights = np.concatenate([np.full(len(group), 1 / (len(group) * len(groups))) for group in groups])
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), share)])


def _judged(groups: Sequence[Ratios]) -> list[Ratios]:
    return [group for group in groups if len(group)]


def _within(groups: Sequence[Ratios]) -> float:
    """Share of the errors within one sigma, every group weighing the same."""
    return float(np.mean([(group <= 1).mean() for group in groups]))


def _ratios(network: CompletionNet, problem: Problem) -> Ratios:
    """Errors over sigma, where there are truth and an answer."""
    depth, sigma = complete(network, problem, torch.device("cpu"), use_image=IMAGE in problem.modes)
    reference = problem.case.reference
    known = np.isfinite(reference) & (reference > 0) & np.isfinite(depth)
    error: Ratios = np.abs(depth[known] - reference[known]) / sigma[known]
    return error
