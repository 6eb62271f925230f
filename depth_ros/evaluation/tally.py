"""Sums of errors per tile of one scored frame: enough for every mean metric and for the bootstrap over tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.evaluation.calibration import Ause, ause
from depth_ros.evaluation.cases import Case, Estimate
from depth_ros.evaluation.holdout import MAX_REFERENCE_M, answer_everywhere, covered_region

FloatArray = NDArray[np.float64]

TILE_ROWS, TILE_COLUMNS = 4, 8
SUMS = (
    "pixels", "own", "absolute", "square", "inverse_absolute", "inverse_square", "close",
    "sigma_pixels", "in_1_sigma", "in_2_sigma",
)  # fmt: skip


class Tally(NamedTuple):
    """What one method did on one case.

    sums: float64 [TILE_ROWS * TILE_COLUMNS, len(SUMS)], over the pixels scored inside the covered rows: how many;
    to how many the method itself gave a depth; |e| (m), e^2, the same of inverse depth (1/m); how many are within a
    factor of 1.25; how many have a sigma, and have their error within 1 and 2 of it. ause: see `calibration`.
    """

    sums: FloatArray
    ause: Ause
    time_ms: float


def tally(case: Case, found: Estimate) -> Tally:
    """Score a method inside the covered rows as `cases.score_case` does: nearest fill answers where it says nothing."""
    known = np.isfinite(case.reference) & (case.reference > 0) & (case.reference < MAX_REFERENCE_M)
    scored = known & covered_region(case.sparse)
    reference = case.reference[scored].astype(np.float64)
    depth = answer_everywhere(found.depth, case.sparse, scored).depth[scored].astype(np.float64)
    own, sigma = np.isfinite(found.depth[scored]), found.sigma[scored].astype(np.float64)
    error, inverse = np.abs(depth - reference), np.abs(1 / depth - 1 / reference)
    stated = own & np.isfinite(sigma)
    within = [stated & (error <= factor * np.where(stated, sigma, 0)) for factor in (1, 2)]
    close = np.maximum(depth / reference, reference / depth) < 1.25
    columns = [np.ones_like(error), own, error, error**2, inverse, inverse**2, close, stated, *within]
    tile, count = _tiles(case.reference.shape)[scored], TILE_ROWS * TILE_COLUMNS
    sums: FloatArray = np.stack([np.bincount(tile, column, count) for column in columns], axis=1).astype(np.float64)
    return Tally(sums, ause(found.depth[scored], sigma, reference), found.time_ms)


def metrics_of(tallies: Sequence[Tally]) -> dict[str, FloatArray]:
    """Return every metric as an array [N], one value per case, with the names and units of `evaluation.metrics`."""
    sums = np.array([one.sums.sum(axis=0) for one in tallies])
    named = dict(zip(SUMS, sums.T, strict=True))
    with np.errstate(invalid="ignore"):
        mean = {name: values / named["pixels"] for name, values in named.items()}
        within = {f"within_{n}_sigma": named[f"in_{n}_sigma"] / named["sigma_pixels"] for n in (1, 2)}
    areas = np.array([one.ause for one in tallies])
    return {
        "pixels": named["pixels"],
        "rmse_mm": 1e3 * np.sqrt(mean["square"]),
        "mae_mm": 1e3 * mean["absolute"],
        "irmse_per_km": 1e3 * np.sqrt(mean["inverse_square"]),
        "imae_per_km": 1e3 * mean["inverse_absolute"],
        "delta1": mean["close"],
        "answered": mean["own"],
        **within,
        **{f"ause_{name}": column for name, column in zip(Ause._fields, areas.T, strict=True)},
        "time_ms": np.array([one.time_ms for one in tallies]),
    }


def tile_sums(tallies: Sequence[Tally], name: str) -> FloatArray:
    """Return one of SUMS as [N,T], cases by tiles."""
    return np.array([one.sums[:, SUMS.index(name)] for one in tallies])


def _tiles(shape: tuple[int, ...]) -> NDArray[np.intp]:
    rows = np.arange(shape[0]) * TILE_ROWS // shape[0]
    columns = np.arange(shape[1]) * TILE_COLUMNS // shape[1]
    return np.asarray(rows[:, None] * TILE_COLUMNS + columns, dtype=np.intp)
