"""Two methods on the same pixels: the ratio of their errors, with an interval from the paired bootstrap.

What is drawn again, with replacement, is what is independent: whole images with all their phases and draws, never
single pixels or phases (Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 8). Where a set has too few
images for that, tiles of each image are drawn instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

RESAMPLES, SEED = 10_000, 0
LEVEL_PERCENT = 95.0


class Ratio(NamedTuple):
    """Mean error of the one by that of the other: under 1 the one is better; low to high: the 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def significantly_worse(self) -> bool:
        """Tell whether the whole interval is above 1."""
        return self.low > 1

    def __str__(self) -> str:
        """Return "0.912 [0.880, 0.951]"."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def ratio_by_image(ours: FloatArray, theirs: FloatArray) -> Ratio:
    """Compare the means over images; ours, theirs: float [N], one value per image, the mean over its phases."""
    drawn = np.random.default_rng(SEED).integers(0, len(ours), (RESAMPLES, len(ours)))
    return _ratio(ours.mean() / theirs.mean(), ours[drawn].mean(axis=1) / theirs[drawn].mean(axis=1))


def ratio_by_tile(ours: FloatArray, theirs: FloatArray, pixels: FloatArray, power: int) -> Ratio:
    """Compare the means over cases of (sum of |error|^power / pixels)^(1/power): power 1 is MAE, 2 is RMSE.

    ours, theirs, pixels: float [N,T], sums over the T tiles of N cases, and the number of pixels scored in each. Every
    case must score some. The same tiles are drawn in all cases, so that the draws and phases of one image stay
    together.
    """
    count = pixels.shape[1]
    weight = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(np.float64)
    weight = weight[(weight @ pixels.T > 0).all(axis=1)]

    def mean(sums: FloatArray, weights: FloatArray) -> FloatArray:
        values: FloatArray = ((weights @ sums.T) / (weights @ pixels.T)) ** (1 / power)
        return np.asarray(values.mean(axis=1))

    whole = np.ones((1, count))
    return _ratio(float((mean(ours, whole) / mean(theirs, whole))[0]), mean(ours, weight) / mean(theirs, weight))


def _ratio(value: float, resampled: FloatArray) -> Ratio:
    tail = (100 - LEVEL_PERCENT) / 2
    low, high = np.percentile(resampled, (tail, 100 - tail))
    return Ratio(float(value), float(low), float(high))
