"""Whether sigma knows where the errors are: sparsification of one frame.

Pixels are taken away, the most uncertain first, and the mean absolute error of those that stay is plotted; the area
between that curve and the curve of an oracle, which takes away the largest errors first, is the AUSE (Ilg et al.,
Uncertainty Estimates and Multi-Hypotheses Networks for Optical Flow, ECCV 2018). All errors are divided by the mean
error of all pixels, so that the values have no unit. How large sigma is, `metrics.sigma_coverage` tells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


class Ause(NamedTuple):
    """Areas between a sparsification curve and the oracle's: 0 = as good as the oracle.

    sigma: of the stated sigma. constant: of one sigma for all pixels, which leaves the mean error as it is. depth: of
    a sigma that grows with the predicted depth alone, which needs no model.
    """

    sigma: float
    constant: float
    depth: float


def ause(predicted: FloatArray, sigma: FloatArray, reference: FloatArray) -> Ause:
    """Score how well sigma ranks the absolute errors.

    predicted, sigma, reference: float [H,W] or [N], metres; scores the places where the reference is finite and
    positive and the other two are finite. All NaN where there is none, or where there is no error at all.
    """
    known = np.isfinite(reference) & (reference > 0) & np.isfinite(sigma) & np.isfinite(predicted)
    depth = predicted[known].astype(np.float64)
    error = np.abs(depth - reference[known])
    if not error.any():
        return Ause(np.nan, np.nan, np.nan)
    oracle = sparsification_area(error, error)
    return Ause(*(sparsification_area(error, by) - oracle for by in (sigma[known], np.ones_like(error), depth)))


def sparsification_area(error: FloatArray, uncertainty: FloatArray) -> float:
    """Area under the sparsification curve: the mean error of the k most certain pixels, averaged over all k.

    error, uncertainty: float [N], N > 0, the errors not all zero. In units of the mean error: 1 for an uncertainty
    that says nothing. Pixels of equal uncertainty go together, each with their mean error.
    """
    order = np.argsort(uncertainty, kind="stable")
    ranked, errors = uncertainty[order], error[order].astype(np.float64)
    first = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sizes = np.diff(np.r_[first, len(errors)])
    level = np.repeat(np.add.reduceat(errors, first) / sizes, sizes)
    kept = np.cumsum(level) / np.arange(1, len(level) + 1)
    return float(kept.mean() / errors.mean())
