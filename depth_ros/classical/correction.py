"""A smooth field that takes a depth prior to the measurements, aware of the prior's own edges.

The field lives in a grid of image and log depth (a bilateral grid, Chen et al. 2007): what lies at another depth is far
away, though it be the next pixel. Points are averaged in it from coarse cells to fine ones, each level drawn towards
the coarser one where its own points are few, so that the field needs no distance between points as a parameter.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
Floats = NDArray[np.float64]

CELL = 8
"""Finest cells, in pixels; of images wider or higher than 160 cells they are wider."""
MOST_CELLS = 160
DEPTH_CELL = 0.1
"""Finest cells along log depth; cells double from level to level along all three."""
MARGIN = 1.0
"""How far the grid reaches beyond the nearest and farthest point, in log depth."""
SHRINK = 0.15
"""Weight of the coarser level against the points of a cell, in points."""
SIGMA_SHRINK = 2.0
"""The same for sigma, which a single point tells little about."""
JUDGE_SHRINK = 0.02
"""The same where points judge one another: a few that agree stand against a prior that is wrong as a whole."""
ROUNDS = 3
SOFT = 0.15
"""Least log-ratio from the global fit on that halves the first weight of a point: whole objects may be so wrong."""
TUKEY = 4.0
"""A point this many standard deviations from what its neighbours say has no weight (Tukey's biweight)."""
LEAST_DEVIATION = 0.005
"""No prior is so exact that less than this, relative, tells an outlier."""
STEP = 2
"""The field is read at one of so many pixels along rows and columns; it is smooth but for edges of the prior."""
NEAR_LEVELS = 1
"""Levels, of the finest but one, whose points vouch for a pixel."""
SIGMA_OF_MEAN = 1.0
"""Sigma over the mean error at left-out points; calibrated on distorted truth, 68 % of the pixels at the least."""


class Points(NamedTuple):
    """Measured pixels rows, columns; level: log of the prior's depth there; ratio: log of measured over prior; [N]."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    level: Floats
    ratio: Floats


class Correction(NamedTuple):
    """What the points say about every pixel, float32 [H,W] each.

    ratio: log of depth over the prior's depth. deviation: its standard deviation. near: 0 to 1, how much of it is of
    points near by and at about the same depth. agree: bool [N], the points that their neighbours do not contradict.
    """

    ratio: FloatImage
    deviation: FloatImage
    near: FloatImage
    agree: NDArray[np.bool_]


class _Grid(NamedTuple):
    """cell: pixels. first: log depth where the grid begins. shape: cells along rows, columns, log depth."""

    cell: int
    first: float
    shape: tuple[int, int, int]

    @property
    def levels(self) -> int:
        return max(2, int(np.ceil(np.log2(max(self.shape[:2])))))


class _Level(NamedTuple):
    """place: int [N], the cell of each point. weight, ratio: float32 [h,w,d], sums over the points around a cell."""

    place: NDArray[np.intp]
    weight: FloatImage
    ratio: FloatImage


def correct(points: Points, level: FloatImage, deviation: float) -> Correction:
    """Spread the log-ratio of the points over the image.

    level: float32 [H,W], log of the prior's depth, finite. deviation: standard deviation of the log-ratio where no
    point is near; there the ratio goes to 0.
    """
    grid = _make_grid(points, level.shape)
    places = _places(points, grid)
    weight = 1 / (1 + (points.ratio / max(3 * deviation, SOFT)) ** 2)
    for _ in range(ROUNDS):
        levels = [_sum(places[k], points.ratio, weight, grid, k) for k in range(1, grid.levels)]
        residual = points.ratio - _left_out(levels, points.ratio, weight, JUDGE_SHRINK)[0]
        spread = max(_deviation(residual), LEAST_DEVIATION)
        weight = _tukey(residual / spread)
    levels = [_sum(place, points.ratio, weight, grid, k) for k, place in enumerate(places)]
    said = _left_out(levels, points.ratio, weight, SHRINK)
    errors = [SIGMA_OF_MEAN * np.abs(points.ratio - one) for one in said]
    (ratio,) = _slice(_average(levels)[None], level, grid, 0)
    sigma, near = _slice(_trust(levels[1:], errors[1:], weight, deviation), level, grid, 1)
    return Correction(ratio, sigma, near, np.asarray(weight > 0))


def _make_grid(points: Points, shape: tuple[int, ...]) -> _Grid:
    cell = max(CELL, -(-max(shape) // MOST_CELLS))
    first = float(points.level.min()) - MARGIN
    depth = int((float(points.level.max()) + MARGIN - first) / DEPTH_CELL) + 1
    return _Grid(cell, first, (-(-shape[0] // cell), -(-shape[1] // cell), depth))


def _shape(grid: _Grid, k: int) -> tuple[int, int, int]:
    rows, columns, depth = (-(-size // 2**k) for size in grid.shape)
    return rows, columns, depth


def _places(points: Points, grid: _Grid) -> list[NDArray[np.intp]]:
    """Return the cell of each point per level, finest first."""
    depth = ((points.level - grid.first) / DEPTH_CELL).astype(np.intp)
    at = points.rows // grid.cell, points.columns // grid.cell, depth
    return [
        np.asarray(np.ravel_multi_index(tuple(one >> k for one in at), _shape(grid, k))) for k in range(grid.levels)
    ]


def _sum(place: NDArray[np.intp], ratio: Floats, weight: Floats, grid: _Grid, k: int) -> _Level:
    shape = _shape(grid, k)
    return _Level(place, _spread(place, weight, shape), _spread(place, weight * ratio, shape))


def _spread(place: NDArray[np.intp], values: Floats, shape: tuple[int, int, int]) -> FloatImage:
    """Sum values in cells and around them; a value counts whole in its own cell."""
    cells = np.bincount(place, weights=values, minlength=int(np.prod(shape))).astype(np.float32)
    kernel = np.exp(-0.5 * np.arange(-3, 4) ** 2).astype(np.float32)
    # Depth as channels: OpenCV blurs any number of them at once.
    wide = cv2.sepFilter2D(cells.reshape(shape), -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    one = np.ones(1, np.float32)
    whole = cv2.sepFilter2D(wide.reshape(-1, shape[2]), -1, kernel, one, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(whole, dtype=np.float32).reshape(shape)


def _left_out(levels: list[_Level], ratio: Floats, weight: Floats, shrink: float) -> list[Floats]:
    """Return what all other points say about each point: [N] per level, finest first."""
    said, found = np.zeros(len(ratio)), []
    for level in reversed(levels):
        others = np.maximum(level.weight.flat[level.place] - weight, 0)
        total = level.ratio.flat[level.place] - weight * ratio
        said = (total + shrink * said) / (others + shrink)
        found.append(said)
    return found[::-1]


def _average(levels: list[_Level]) -> FloatImage:
    """Return the log-ratio in the finest grid, float32 [h,w,d]."""
    ratio = np.zeros_like(levels[-1].weight)
    for level in reversed(levels):
        ratio = _refined(ratio, level.weight.shape)
        ratio *= np.float32(SHRINK)
        ratio += level.ratio
        ratio /= level.weight + np.float32(SHRINK)
    return ratio


def _trust(levels: list[_Level], errors: list[Floats], weight: Floats, deviation: float) -> FloatImage:
    """Return deviation and nearness in the grid of the first of `levels`, float32 [2,h,w,d]."""
    near = np.zeros_like(levels[-1].weight)
    spread = np.full_like(near, deviation)
    for k in reversed(range(len(levels))):
        level, shape = levels[k], levels[k].weight.shape
        error = _spread(level.place, weight * errors[k], shape)
        spread = (error + SIGMA_SHRINK * _refined(spread, shape)) / (level.weight + np.float32(SIGMA_SHRINK))
        near = _refined(near, shape)
        if k < NEAR_LEVELS:
            near = (level.weight + SHRINK * near) / (level.weight + np.float32(SHRINK))
    return np.stack([spread, near])


def _refined(cells: FloatImage, shape: tuple[int, ...]) -> FloatImage:
    """Interpolate cells linearly at twice their number along each axis, cut to `shape`."""
    rows, columns, depth = cells.shape
    if cells.shape != shape:
        deep = cv2.resize(cells.reshape(rows * columns, depth), (2 * depth, rows * columns))
        high = cv2.resize(deep.reshape(rows, columns * 2 * depth), (columns * 2 * depth, 2 * rows))
        cells = np.asarray(high, dtype=np.float32).reshape(2 * rows, columns, 2 * depth)[: shape[0], :, : shape[2]]
        before, after = (
            np.concatenate([cells[:, :1], cells[:, :-1]], 1),
            np.concatenate([cells[:, 1:], cells[:, -1:]], 1),
        )
        fine = np.empty((shape[0], 2 * columns, shape[2]), np.float32)
        np.add(0.75 * cells, 0.25 * before, out=fine[:, 0::2])
        np.add(0.75 * cells, 0.25 * after, out=fine[:, 1::2])
        cells = fine[:, : shape[1]]
    return cells


def _slice(field: FloatImage, level: FloatImage, grid: _Grid, k: int) -> list[FloatImage]:
    """Read maps in the grid of level k, float32 [C,h,w,d], at every pixel and its depth, trilinearly: C times [H,W]."""
    count, rows, columns, depth = field.shape
    step = STEP << k
    place = level[::step, ::step] * np.float32(2.0**-k / DEPTH_CELL)
    place -= np.float32(grid.first * 2.0**-k / DEPTH_CELL + 0.5)
    np.clip(place, 0, depth - 1, out=place)
    lower = np.floor(place)
    place -= lower
    # One slice of depth below the other in a picture, each with what the next one adds.
    picture = np.zeros((depth, rows, columns, 2 * count), np.float32)
    picture[..., :count] = field.transpose(3, 1, 2, 0)
    np.subtract(picture[1:, ..., :count], picture[:-1, ..., :count], out=picture[:-1, ..., count:])
    y, x = (
        _centres(length, (grid.cell << k) / step, cells)
        for length, cells in zip(place.shape, (rows, columns), strict=True)
    )
    lower *= np.float32(rows)
    lower += y[:, None]
    read = cv2.remap(
        picture.reshape(depth * rows, columns, 2 * count), np.tile(x, (len(y), 1)), lower, cv2.INTER_LINEAR
    )
    whole = cv2.resize(read[..., :count] + read[..., count:] * place[..., None], (x.size * step, y.size * step))
    return [np.asarray(one[: level.shape[0], : level.shape[1]], dtype=np.float32) for one in cv2.split(whole)]


def _centres(pixels: int, cell: float, cells: int) -> FloatImage:
    centres = (np.arange(pixels) + 0.5) / cell - 0.5
    return np.asarray(np.clip(centres, 0, cells - 1), dtype=np.float32)


def _tukey(residual: Floats) -> Floats:
    return np.asarray(np.maximum(1 - (residual / TUKEY) ** 2, 0) ** 2)


def _deviation(residual: Floats) -> float:
    return 1.4826 * float(np.median(np.abs(residual)))
