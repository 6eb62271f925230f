"""Does the scan lie where the picture shows it? Depth edges of the scan against edges of the picture.

A completion follows its LiDAR, so returns held out of it say nothing about the extrinsics: they are as misplaced as the
rest. The picture alone can tell. After the idea of matching depth discontinuities with image edges (Levinson and Thrun,
Automatic Online Calibration of Cameras and Lasers, RSS 2013), here by correlation over shifts in the image.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

REACH = 20
"""Shifts of so many cells to each side are compared."""
CELLS = 310
"""Columns that the image is reduced to: a cell of a KITTI image is 4 pixels."""
JUMP = 0.1
"""Step of the logarithm of depth between neighbouring returns that is a depth edge."""
NEIGHBOUR = 4
"""Returns of a row of cells that are farther apart than this are no neighbours, cells."""
BACKGROUND = 31
"""Window of the mean that is taken off the picture's edges, cells: busy regions shall not draw the scan."""


class Correlation(NamedTuple):
    """How well edges agree under shifts of the scan: float64 [2 REACH + 1, 2 REACH + 1], rows and columns of shifts.

    The middle is no shift. edges: the depth edges that were compared. cell: pixels of a shift by one.
    """

    surface: NDArray[np.float64]
    edges: float
    cell: int


class Shift(NamedTuple):
    """The shift of the scan that agrees best with the picture, pixels to the right and down.

    best and here: agreement under it and without it, in standard deviations over all shifts.
    """

    right: int
    down: int
    best: float
    here: float


def correlate(sparse: FloatImage, rgb: NDArray[np.uint8]) -> Correlation:
    """Correlate the depth edges of `sparse` (float32 [H,W], m, 0 = none) with the edges of `rgb` (uint8 [H,W,3])."""
    cell = max(1, round(sparse.shape[1] / CELLS))
    depth_edges = find_depth_edges(sparse, cell)
    image_edges = cv2.copyMakeBorder(
        find_image_edges(rgb, cell), REACH, REACH, REACH, REACH, cv2.BORDER_CONSTANT, value=(0.0,)
    )
    # An edge of the scan that lies to the left of the picture's agrees under a shift to the right.
    surface = cv2.matchTemplate(image_edges, depth_edges, cv2.TM_CCORR)
    return Correlation(surface.astype(np.float64), float(depth_edges.sum()), cell)


def find_depth_edges(sparse: FloatImage, cell: int) -> FloatImage:
    """Mark the near side of every step in depth between neighbouring returns of a row: float32 [cells], 0 to 1."""
    pixels = np.flatnonzero(sparse > 0)
    rows, columns = np.divmod(pixels, sparse.shape[1])
    order = np.argsort(rows // cell * sparse.shape[1] + columns, kind="stable")
    rows, columns, depth = rows[order] // cell, columns[order], sparse.flat[pixels[order]]
    step = np.log(depth[1:] / depth[:-1])
    neighbours = (rows[1:] == rows[:-1]) & (np.diff(columns) <= NEIGHBOUR * cell)
    at = np.flatnonzero(neighbours & (np.abs(step) > JUMP))
    near = np.where(step[at] > 0, at, at + 1)
    edges = np.zeros([-(-length // cell) for length in sparse.shape], np.float32)
    np.add.at(edges, (rows[near], columns[near] // cell), np.minimum(np.abs(step[at]), 1))
    return np.minimum(edges, np.float32(1))


def find_image_edges(rgb: NDArray[np.uint8], cell: int) -> FloatImage:
    """Return the strength of vertical contours over that of their surroundings: float32 [cells]."""
    rows, columns = (-(-length // cell) for length in rgb.shape[:2])
    grey = cv2.cvtColor(cv2.resize(rgb, (columns, rows), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    edges = np.sqrt(np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)))
    return np.asarray(edges - cv2.blur(edges, (BACKGROUND, BACKGROUND)), np.float32)


def best_shift(surface: NDArray[np.float64], cell: int) -> Shift:
    """Read the best shift off a surface of agreement, or off the sum of several; next to no shift is no shift."""
    agreement = (surface - surface.mean()) / max(float(surface.std()), 1e-12)
    row, column = np.unravel_index(int(np.argmax(agreement)), surface.shape)
    here = float(agreement[REACH - 1 : REACH + 2, REACH - 1 : REACH + 2].max())
    return Shift(int(column - REACH) * cell, int(row - REACH) * cell, float(agreement[row, column]), here)
