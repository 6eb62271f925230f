"""How densely and in which pattern a sparse depth image is measured."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_STRETCH = 2.5
"""More than this gains nothing on scan lines, and columns that hold no point make the estimate uncertain."""
LEAST_GAP = 2.0
"""Gap in pixels of an image that is measured nearly everywhere, and of a pattern that nothing is known about."""
MOST_GAP = 0.25
"""Largest gap as a share of the image's shorter side: no pattern that is sparser counts as covering the image."""
FEWEST_POINTS = 10
"""Fewer points show no pattern."""
OPEN_SHARE = 0.8
"""Share of the mesh's edges that joins neighbours; the longest ones may join separate patches."""


class Spacing(NamedTuple):
    """The pattern of the measurements.

    gap: pixels between neighbouring scan lines (or neighbouring points, in a pattern without lines). stretch: how much
    denser the points lie along rows than along columns, 1/2.5 to 2.5; 1 for a pattern without a direction.
    """

    gap: float
    stretch: float


def measure_stretch(rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, ...]) -> float:
    """Measure the direction of the pattern: `Spacing.stretch` of the pixels [N], given in memory order."""
    if not len(rows):
        return 1.0
    across = np.lexsort((rows, columns))
    along_rows = _median_step(rows, columns, shape[1])
    along_columns = _median_step(columns[across], rows[across], shape[0])
    return float(np.clip(along_columns / along_rows, 1 / MAX_STRETCH, MAX_STRETCH))


def measure_gap(
    rows: NDArray[np.intp], columns: NDArray[np.intp], distance: NDArray[np.float32], clearance: NDArray[np.float32]
) -> float:
    """Measure `Spacing.gap`, 2 pixels to a quarter of the image's shorter side.

    rows, columns: [N], the measured pixels in memory order, at least one. distance: float32 [H,W], pixels to the
    nearest one. clearance: [E], `distance` at the middle of every edge of a Delaunay mesh of the measurements.

    Between parallel lines the distance is uniform from 0 to half of the gap, so that its median is a quarter of it. The
    median is taken where the measurements are, over pixels that are no farther from one than neighbours in the mesh are
    from each other: an empty half of the image says nothing about the pattern of the other half.
    """
    height, width = distance.shape
    if len(rows) < FEWEST_POINTS or not len(clearance):
        return LEAST_GAP
    region = distance[rows[0] : rows[-1] + 1 : 2, columns.min() : columns.max() + 1 : 2]
    neighbours = max(2 * float(np.quantile(clearance, OPEN_SHARE)), LEAST_GAP)
    gap = 4 * float(np.median(region[region <= neighbours]))
    return max(min(gap, MOST_GAP * float(min(height, width))), LEAST_GAP)


def line_spacing(place: NDArray[np.intp], shape: tuple[int, ...]) -> tuple[float, float]:
    """Measure a scan's lines: pixels between points along a line, and between the lines where they are dense.

    place: int [N], rising, the measured pixels of an image of `shape` [H,W] by their place in memory. The second is the
    lower quartile of the gaps that image columns cross. Both are 0 without at least two points beside, and two lines
    above, one another.
    """
    rows = place // shape[1]
    steps = np.diff(place)[np.diff(rows) == 0]
    if not steps.size:
        return 0.0, 0.0
    step = _quantile(steps, 0.5)
    # Every column is like its neighbours where a point reaches over one step to either side: one per step will do.
    cell = round(step)
    column, beside = np.divmod(place - rows * shape[1], cell)
    # One empty row before the first line shows where that begins.
    rows -= max(0, int(rows[0]) - 1)
    lines = np.zeros((-(-shape[1] // cell) + 2, int(rows[-1]) + 1), np.bool_)
    lines[column + 1, rows] = lines[column + 2, rows] = True
    lines[column[beside == 0], rows[beside == 0]] = True
    lines = lines[1:-1]
    place = np.flatnonzero(lines[:, 1:] > lines[:, :-1])
    gaps = np.diff(place)[np.diff(place // (lines.shape[1] - 1)) == 0]
    return step, _quantile(gaps, 0.25) if gaps.size else 0.0


def _quantile(lengths: NDArray[np.intp], share: float) -> float:
    """Return what np.quantile does, of lengths in an image, which sort quickly as 16 bits."""
    ordered = np.sort(lengths.astype(np.uint16), kind="stable")
    place = share * (len(ordered) - 1)
    low = int(place)
    below, above = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)])
    return below + (above - below) * (place - low)


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
    to_empty = cv2.distanceTransform((~empty).view(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(to_empty, dtype=np.float32)
