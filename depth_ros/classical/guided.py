"""Local mean of measurements, guided by the image."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_ros.geometry.spacing import Spacing

FloatImage = NDArray[np.float32]

KERNEL = 0.25
"""Standard deviation of the local window across the scan lines, in gaps: the window sees one line on either side."""
CONTRAST = 0.2
"""Contrast of grey (0 to 1) from which on the image guides; less is taken for texture and noise."""
GREY_SIGMA = 2.0
"""Standard deviation in pixels of the blur that takes the finest texture from the guide."""
ROUGH_WINDOW = 1.9
"""Window of the roughness, in windows of the local mean."""
MOST_GUIDANCE = 1.4
"""Largest factor between the model and the local mean: grey never invents a depth that was not measured near by."""
PRIOR_WEIGHT = 0.1
"""Weight of the interpolated surface against the measurements of a window, in measurements."""
ROUGH_SHARE = 0.1
"""Share of the image that is rough enough to be left to the local mean alone."""
FLAT = 0.01
"""Relative deviation from a plane below which no place is rough."""

_TINY = np.float32(1e-12)


class Grid(NamedTuple):
    """Coarse cells on which local statistics are computed. cell: pixels. sigma: window (x, y) in cells."""

    cell: int
    sigma: tuple[float, float]
    shape: tuple[int, int]


class Fit(NamedTuple):
    """Local model value = mean * (1 + slope * (grey - shade)), float32 [h,w] each; weight: measurements per cell."""

    mean: FloatImage
    slope: FloatImage
    shade: FloatImage
    weight: FloatImage


class Refined(NamedTuple):
    """inverse: float32 [H,W], inverse depth in 1/m. coarse: float32 [h,w], its roughness in cells of `cell` pixels."""

    inverse: FloatImage
    coarse: FloatImage
    cell: int

    @property
    def roughness(self) -> FloatImage:
        """Mean deviation from a smooth surface, relative to the inverse depth, float32 [H,W]."""
        return _enlarge([self.coarse], self.cell, self.inverse.shape)[0]


def refine(
    inverse: FloatImage,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    value: NDArray[np.float64],
    rgb: NDArray[np.uint8] | None,
    spacing: Spacing,
) -> Refined:
    """Replace an interpolated surface, where it is rough, by a local model of the measurements.

    inverse: float32 [H,W], inverse depth in 1/m, interpolated. rows, columns, value: [N], the measured pixels and their
    inverse depth.

    On smooth ground the interpolation is exact; at silhouettes it joins what does not belong together, and there a
    Gaussian-weighted mean of the measurements errs less. With `rgb` (uint8 [H,W,3]) the mean becomes a model linear
    in grey, fitted to the measurements alone (He et al., Guided Image Filtering, PAMI 2013; on a coarse grid as in
    their Fast Guided Filter, 2015). The window scales with the spacing: the model fades where points are dense.
    """
    grid = _make_grid(inverse.shape, spacing)
    grey = None if rgb is None else _smooth_grey(rgb)
    fit = _fit(rows, columns, value, grey, grid)
    roughness = _roughness(inverse, grid)
    share = _rough_share(roughness) * fit.weight / (fit.weight + PRIOR_WEIGHT / _window_area(grid))
    mean, share = _enlarge([fit.mean, share], grid.cell, inverse.shape)
    if grey is not None:
        factor, shade = _enlarge([fit.slope, fit.shade], grid.cell, inverse.shape)
        grey -= shade
        factor *= grey
        factor += 1
        mean *= np.clip(factor, 1 / MOST_GUIDANCE, MOST_GUIDANCE, out=factor)
    mean -= inverse
    mean *= share
    mean += inverse
    return Refined(mean, roughness, grid.cell)


def _enlarge(maps: list[FloatImage], cell: int, shape: tuple[int, ...]) -> list[FloatImage]:
    """Draw coarse maps at `cell` times their size, cut to `shape`."""
    size = (maps[0].shape[1] * cell, maps[0].shape[0] * cell)
    return [np.asarray(cv2.resize(one, size), dtype=np.float32)[: shape[0], : shape[1]] for one in maps]


def _make_grid(shape: tuple[int, int], spacing: Spacing) -> Grid:
    across = KERNEL * spacing.gap
    along = across / spacing.stretch
    cell = max(2, round(min(across, along)))
    return Grid(cell, (along / cell, across / cell), (-(-shape[0] // cell), -(-shape[1] // cell)))


def _smooth_grey(rgb: NDArray[np.uint8]) -> FloatImage:
    """Grey from 0 to 1 without the finest texture, float32 [H,W]."""
    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (0, 0), GREY_SIGMA)
    return np.multiply(grey, np.float32(1 / 255), dtype=np.float32)


def _fit(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    value: NDArray[np.float64],
    grey: FloatImage | None,
    grid: Grid,
) -> Fit:
    """Fit the measurements in a Gaussian window around every cell."""
    shade = np.zeros(len(rows)) if grey is None else grey[rows, columns].astype(np.float64)
    place = (rows // grid.cell) * grid.shape[1] + columns // grid.cell
    moments = [_window_mean(place, moment, grid) for moment in (np.ones(len(rows)), value)]
    if grey is not None:
        moments += [_window_mean(place, moment, grid) for moment in (shade, shade * shade, shade * value)]
    weight = moments[0]
    total: FloatImage = np.asarray(np.maximum(weight, _TINY), dtype=np.float32)
    mean = moments[1] / total
    if grey is None:
        return Fit(mean, np.zeros_like(mean), np.zeros_like(mean), weight)
    mean_grey, square, product = (moment / total for moment in moments[2:])
    variance = np.maximum(square - mean_grey**2, 0) + np.float32(CONTRAST**2)
    slope = (product - mean_grey * mean) / (variance * np.maximum(mean, _TINY))
    return Fit(mean, slope, mean_grey, weight)


def _window_mean(place: NDArray[np.intp], moment: NDArray[np.float64], grid: Grid) -> FloatImage:
    cells = np.bincount(place, weights=moment, minlength=grid.shape[0] * grid.shape[1])
    return _blur(cells.reshape(grid.shape).astype(np.float32), grid.sigma)


def _roughness(inverse: FloatImage, grid: Grid) -> FloatImage:
    """Mean deviation from a smooth surface, relative to the inverse depth; a plane has none."""
    down, right = (cells * grid.cell - pixels for cells, pixels in zip(grid.shape, inverse.shape, strict=True))
    padded = cv2.copyMakeBorder(inverse, 0, down, 0, right, cv2.BORDER_REPLICATE)
    coarse = np.asarray(cv2.resize(padded, grid.shape[::-1], interpolation=cv2.INTER_AREA), dtype=np.float32)
    wide = (grid.sigma[0] * ROUGH_WINDOW, grid.sigma[1] * ROUGH_WINDOW)
    mean = _blur(coarse, wide)
    return _blur(np.abs(coarse - mean) / np.maximum(mean, _TINY), wide)


def _rough_share(roughness: FloatImage) -> FloatImage:
    """Return 0 where the surface is smooth up to 1 where it is among the roughest of the image."""
    limit = max(float(np.quantile(roughness, 1 - ROUGH_SHARE)), FLAT)
    return np.asarray(np.clip(2 * roughness / np.float32(limit) - 1, 0, 1), dtype=np.float32)


def _blur(image: FloatImage, sigma: tuple[float, float]) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigmaX=sigma[0], sigmaY=sigma[1]), dtype=np.float32)


def _window_area(grid: Grid) -> float:
    """Measurements that a window weighs as one: 1 / its peak."""
    return 2 * np.pi * grid.sigma[0] * grid.sigma[1]
