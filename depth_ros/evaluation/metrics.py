"""Depth metrics of one frame, one function per metric; a data set's value is the mean over its frames.

Every function takes two float arrays of one shape, metres along z, and scores the places where the reference is
finite and positive; elsewhere both may hold anything. A prediction that is not finite and positive there scores NaN:
fill it first (`evaluation.holdout.answer_everywhere`). Nothing to score gives NaN as well.
Units follow the KITTI depth completion benchmark (Uhrig et al., Sparsity Invariant CNNs, 3DV 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
Metric = Callable[[FloatArray, FloatArray], float]

RANGE_EDGES_M = (0.0, 10.0, 20.0, 40.0, 80.0)


def mae_mm(predicted: FloatArray, reference: FloatArray) -> float:
    """Mean absolute error of depth in millimetres."""
    p, r = _pairs(predicted, reference)
    return _mean(np.abs(p - r)) * 1e3


def rmse_mm(predicted: FloatArray, reference: FloatArray) -> float:
    """Root mean square error of depth in millimetres."""
    p, r = _pairs(predicted, reference)
    return float(np.sqrt(_mean((p - r) ** 2))) * 1e3


def imae_per_km(predicted: FloatArray, reference: FloatArray) -> float:
    """Mean absolute error of inverse depth in 1/km."""
    p, r = _pairs(predicted, reference)
    return _mean(np.abs(1 / p - 1 / r)) * 1e3


def irmse_per_km(predicted: FloatArray, reference: FloatArray) -> float:
    """Root mean square error of inverse depth in 1/km."""
    p, r = _pairs(predicted, reference)
    return float(np.sqrt(_mean((1 / p - 1 / r) ** 2))) * 1e3


def abs_rel(predicted: FloatArray, reference: FloatArray) -> float:
    """Mean absolute error relative to the reference depth; no unit."""
    p, r = _pairs(predicted, reference)
    return _mean(np.abs(p - r) / r)


def silog(predicted: FloatArray, reference: FloatArray) -> float:
    """Scale-invariant log error, 100 times the standard deviation of log depth errors (KITTI's depth prediction)."""
    p, r = _pairs(predicted, reference)
    return 100 * float(np.std(np.log(p) - np.log(r))) if p.size and (p > 0).all() else float("nan")


def delta1(predicted: FloatArray, reference: FloatArray) -> float:
    """Share (0 to 1) of pixels whose depth is within a factor of 1.25 of the reference."""
    p, r = _pairs(predicted, reference)
    return _mean(np.where(np.isfinite(p), np.maximum(p / r, r / p) < 1.25, np.nan))


METRICS: dict[str, Metric] = {
    "mae_mm": mae_mm,
    "rmse_mm": rmse_mm,
    "imae_per_km": imae_per_km,
    "irmse_per_km": irmse_per_km,
    "abs_rel": abs_rel,
    "delta1": delta1,
}


def score(predicted: FloatArray, reference: FloatArray) -> dict[str, float]:
    """Return every metric by name, and `pixels`, the number of pixels that were scored."""
    p, r = _pairs(predicted, reference)
    return {"pixels": float(len(r)), **{name: metric(p, r) for name, metric in METRICS.items()}}


def score_by_range(
    predicted: FloatArray, reference: FloatArray, edges_m: Sequence[float] = RANGE_EDGES_M
) -> dict[str, dict[str, float]]:
    """Return `score` per bin of reference depth, keyed "0-10 m"; a bin is [lower, upper), metres along z."""
    p, r = _pairs(predicted, reference)
    bins = {}
    for lower, upper in pairwise(edges_m):
        inside = (r >= lower) & (r < upper)
        bins[f"{lower:g}-{upper:g} m"] = score(p[inside], r[inside])
    return bins


def sigma_coverage(predicted: FloatArray, sigma: FloatArray, reference: FloatArray, factor: float = 1.0) -> float:
    """Share (0 to 1) of pixels whose error is within `factor` times sigma (metres); 0.68 is right for factor 1.

    Scores the pixels where the reference is positive and sigma is finite; NaN where there is none.
    """
    known = np.isfinite(reference) & (reference > 0) & np.isfinite(sigma)
    return _mean(np.abs(predicted[known] - reference[known]) <= factor * sigma[known])


def mean_over_frames(frames: Sequence[dict[str, float]]) -> dict[str, float]:
    """Average each metric over the frames that have it (NaN is left out); `pixels` becomes the total."""
    names = dict.fromkeys(name for frame in frames for name in frame)
    columns = {name: np.array([frame.get(name, np.nan) for frame in frames], dtype=np.float64) for name in names}
    means = {name: _mean(values[np.isfinite(values)]) for name, values in columns.items()}
    if "pixels" in columns:
        means["pixels"] = float(np.nansum(columns["pixels"]))
    return means


def _pairs(predicted: FloatArray, reference: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = np.isfinite(reference) & (reference > 0)
    p = predicted[known].astype(np.float64)
    return np.where((p > 0) & (p < np.inf), p, np.nan), reference[known].astype(np.float64)


def _mean(values: NDArray[np.floating] | NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else float("nan")
