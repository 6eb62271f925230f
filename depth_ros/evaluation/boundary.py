"""Boundary F1 of Depth Pro (ICLR 2025): are depth's edges where, and only where, the reference's are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

RATIOS = np.linspace(1.05, 1.25, 10)
"""How many times as near as its neighbour a pixel must be; each weighs in proportion to itself."""
_LEAST_DEPTH_M = 1e-6


def boundary_f1(predicted: FloatArray, reference: FloatArray) -> float:
    """Mean F1 (0 to 1) of occluding contours over `RATIOS`, weighted towards the strong ones; no alignment is needed.

    predicted, reference: float [H,W], metres along z or, being the same under any scale, other units. A contour lies
    between two neighbours, in one of four directions, where one is more than the ratio nearer than the other; precision
    and recall are the means of the four directions'. Pairs with a pixel whose reference is not finite and positive
    are not scored (the published code scores them: a hole is a contour there). NaN where the reference has no contour
    at all, or the prediction is not finite and positive where the reference is, as in `evaluation.metrics`.
    """
    known = np.isfinite(reference) & (reference > 0)
    answered = np.isfinite(predicted) & (predicted > 0)
    ours, real = (_log_nearness(depth) for depth in (predicted, reference))
    steps = [_steps(ours, real, known, axis) for axis in (0, 1)]
    if (known & ~answered).any() or not any((np.abs(truth) > np.log(RATIOS[0])).any() for _, truth in steps):
        return float("nan")
    return float(np.average([_f1(steps, float(np.log(ratio))) for ratio in RATIOS], weights=RATIOS))


def _log_nearness(depth: FloatArray) -> NDArray[np.float64]:
    usable = np.where(np.isfinite(depth), depth, 1.0).astype(np.float64)
    nearness: NDArray[np.float64] = -np.log(np.maximum(usable, _LEAST_DEPTH_M))
    return nearness


def _steps(
    ours: NDArray[np.float64], real: NDArray[np.float64], known: NDArray[np.bool_], axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log of the ratio between neighbours along an axis, of prediction and reference, where both have a reference."""
    pairs = known[1:] & known[:-1] if axis == 0 else known[:, 1:] & known[:, :-1]
    return np.diff(ours, axis=axis)[pairs], np.diff(real, axis=axis)[pairs]


def _f1(steps: list[tuple[NDArray[np.float64], NDArray[np.float64]]], threshold: float) -> float:
    precision = recall = 0.0
    for sign in (1, -1):
        for ours, real in steps:
            found, there = sign * ours > threshold, sign * real > threshold
            hits = float((found & there).sum())
            precision += hits / max(found.sum(), 1) / 4
            recall += hits / max(there.sum(), 1) / 4
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
