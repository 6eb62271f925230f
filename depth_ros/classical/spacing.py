"""How densely and in which pattern a sparse depth image is measured."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_STRETCH = 2.5


class Spacing(NamedTuple):
    """gap: pixels between neighbouring scan lines (or points without lines). stretch: how much denser the points lie
    along rows than along columns, 1/2.5 to 2.5; 1 for a pattern without a direction.
    """

    gap: float
    stretch: float


def measure_spacing(sparse: NDArray[np.float32], distance: NDArray[np.float32]) -> Spacing:
    """Measure the pattern.

    sparse: float32 [H,W], 0 = none, with at least one measurement. distance: float32 [H,W], pixels to the nearest one.
    Between parallel lines the distance is uniform from 0 to half of the gap, so that its median is a quarter of it.
    """
    measured = sparse > 0
    along_rows, along_columns = _median_step(measured), _median_step(measured.T)
    stretch = float(np.clip(along_columns / along_rows, 1 / MAX_STRETCH, MAX_STRETCH))
    rows, columns = np.flatnonzero(measured.any(axis=1)), np.flatnonzero(measured.any(axis=0))
    region = distance[rows[0] : rows[-1] + 1 : 2, columns[0] : columns[-1] + 1 : 2]
    return Spacing(max(4 * float(np.median(region)), 2.0), stretch)


def _median_step(measured: NDArray[np.bool_]) -> float:
    """Median distance in pixels between neighbouring measurements of one row; the row's length without such pairs."""
    row, column = np.nonzero(measured)
    step = np.diff(column)[np.diff(row) == 0]
    return float(np.median(step)) if step.size else float(measured.shape[1])


def distance_to_empty(distance: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Return how far each pixel is from the nearest centre of an empty disc: float32 [H,W], pixels.

    distance: float32 [H,W], pixels to the nearest measurement. A disc of `radius` pixels is empty when it holds no
    measurement. Pixels that are at least `radius` away from all such centres make up the alpha hull of the measurements
    (Edelsbrunner et al. 1983): gaps up to twice the radius are bridged, the sky above the first scan line and wider
    dead zones are not. Without an empty disc the distance is infinite.
    """
    empty = distance > radius
    if not empty.any():
        return np.full(distance.shape, np.inf, np.float32)
    return cv2.distanceTransform(np.where(empty, np.uint8(0), np.uint8(1)), cv2.DIST_L2, 5)
