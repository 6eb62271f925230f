"""Faults of sparse depth images: parts that are missing, and values that are plainly wrong."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Rng = np.random.Generator

OUTLIERS = 0.4
"""How often there are outliers."""
OUTLIER_SHARE = 0.05
BLOCKS = 0.15
MOST_BLOCKS = 4
EMPTY_TOP = 0.12
"""How often the upper part of the image is out of the sensor's field of view (beside what its beams leave empty)."""
MOST_TOP = 0.55


def add_outliers(sparse: Float32Array, rng: Rng) -> Float32Array:
    """Set up to OUTLIER_SHARE of the measurements to depths log-uniform around the range of the others."""
    measured = np.flatnonzero(sparse)
    if rng.random() > OUTLIERS or not len(measured):
        return sparse
    struck = measured[rng.random(len(measured)) < rng.uniform(0, OUTLIER_SHARE)]
    low, high = np.quantile(sparse.ravel()[measured], (0.1, 0.9)) * (0.6, 1.3)
    result = sparse.copy()
    result.flat[struck] = np.exp(rng.uniform(np.log(low), np.log(high), len(struck)))
    return result


def hide_parts(sparse: Float32Array, rng: Rng) -> Float32Array:
    """Take away blocks, or the upper part of the image above a slanted line."""
    height, width = sparse.shape
    result = sparse
    if rng.random() < BLOCKS:
        result = result.copy()
        for _ in range(rng.integers(1, MOST_BLOCKS + 1)):
            rows, columns = (int(length * rng.uniform(0.05, 0.4)) for length in (height, width))
            top, left = int(rng.integers(height - rows)), int(rng.integers(width - columns))
            result[top : top + rows, left : left + columns] = 0
    if rng.random() < EMPTY_TOP:
        slope = rng.normal(0, 0.1)
        edge = rng.uniform(0.1, MOST_TOP) * height + slope * (np.arange(width) - width / 2)
        result = np.where(np.arange(height)[:, None] < edge, np.float32(0), result)
    return result


def smooth_noise(shape: tuple[int, int], cell: float, rng: Rng) -> Float32Array:
    """Return a smooth random field [H,W] in 0..1 whose bumps are about `cell` pixels wide."""
    height, width = shape
    coarse = rng.random((max(2, round(height / cell) + 1), max(2, round(width / cell) + 1)), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32).clip(0, 1)
