"""How densely and in which pattern a sparse depth image is measured."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_STRETCH = 2.5
"""More than this gains nothing on scan lines, and columns that hold no point make the estimate uncertain."""
LEAST_GAP = 2.0
"""Gap in pixels of an image that is measured nearly everywhere."""


class Spacing(NamedTuple):
    """The pattern of the measurements.

    gap: pixels between neighbouring scan lines (or neighbouring points, in a pattern without lines). stretch: how much
    denser the points lie along rows than along columns, 1/2.5 to 2.5; 1 for a pattern without a direction.
    """

    gap: float
    stretch: float


def measure_spacing(rows: NDArray[np.intp], columns: NDArray[np.intp], distance: NDArray[np.float32]) -> Spacing:
    """Measure the pattern.

    rows, columns: [N], the measured pixels in memory order, at least one. distance: float32 [H,W], pixels to the
    nearest one. Between parallel lines the distance is uniform from 0 to half of the gap, so that its median is a
    quarter of it.
    """
    height, width = distance.shape
    across = np.lexsort((rows, columns))
    along_rows = _median_step(rows, columns, width)
    along_columns = _median_step(columns[across], rows[across], height)
    stretch = float(np.clip(along_columns / along_rows, 1 / MAX_STRETCH, MAX_STRETCH))
    region = distance[rows[0] : rows[-1] + 1 : 2, columns[across[0]] : columns[across[-1]] + 1 : 2]
    return Spacing(max(4 * float(np.median(region)), LEAST_GAP), stretch)


def line_spacing(measured: NDArray[np.bool_]) -> tuple[float, float]:
    """Measure a scan's lines: pixels between points along a line, and between the lines where they are dense.

    measured: bool [H,W]. The second is the lower quartile of the gaps that image columns cross. Both are 0 without at
    least two points beside, and two lines above, one another.
    """
    row, column = np.divmod(np.flatnonzero(measured), measured.shape[1])
    steps = np.diff(column)[np.diff(row) == 0]
    if not steps.size:
        return 0.0, 0.0
    step = float(np.median(steps))
    lines = cv2.dilate(measured.astype(np.uint8), np.ones((1, 2 * round(step) + 1), np.uint8))
    # Every column is like its neighbours, as the lines were made wider than their steps.
    sampled = np.ascontiguousarray(lines[:, :: max(1, round(step))].T)
    place = np.flatnonzero(np.diff(sampled, axis=1) == 1)
    gaps = np.diff(place)[np.diff(place // (measured.shape[0] - 1)) == 0]
    return step, float(np.quantile(gaps, 0.25)) if gaps.size else 0.0


def _median_step(line: NDArray[np.intp], place: NDArray[np.intp], length: int) -> float:
    """Median distance in pixels between neighbouring measurements of one line; its length without such pairs."""
    step = np.diff(place)[np.diff(line) == 0]
    return float(np.median(step)) if step.size else float(length)


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
    to_empty = cv2.distanceTransform(np.where(empty, np.uint8(0), np.uint8(1)), cv2.DIST_L2, 5)
    return np.asarray(to_empty, dtype=np.float32)
