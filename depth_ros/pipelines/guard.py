"""The scale guard: returns that are held out of the completion, and how far the dense depth is from them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.classical.fill import Completion, return_sigma
from depth_ros.errors import SparseScanError
from depth_ros.frame import DepthMap, Residual, Source

LEAST = 20
"""Fewer returns than this tell nothing about a frame."""


class HeldOut(NamedTuple):
    """Returns that the completion does not see: pixels rows, columns, [N] each; depth: float32 [N], metres along z."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    depth: NDArray[np.float32]


def require_points(sparse: NDArray[np.float32], least: int) -> None:
    """Raise SparseScanError when fewer than `least` pixels of `sparse` (float32 [H,W], 0 = none) are measured."""
    count = np.count_nonzero(sparse > 0) if least else 0
    if count < least:
        raise SparseScanError(
            f"the scan leaves {count} points in the image, fewer than min_points {least}: check whether something "
            "covers the LiDAR, and the extrinsics, min_depth and max_depth; or lower min_points"
        )


def hold_out(sparse: NDArray[np.float32], share: float, seed: int) -> HeldOut | None:
    """Take a share of the returns out of `sparse` (float32 [H,W], metres, 0 = none) in place, and return them.

    One return of every 1 / share, in the order of the pixels, so that they are spread as the returns are; which one of
    them, `seed` says. None, and nothing is taken, where that would be fewer than `LEAST`.
    """
    measured = np.flatnonzero(sparse > 0)
    count = int(len(measured) * share)
    if count < LEAST:
        return None
    # A stretch of the returns for each; the last return of a stretch is left out, so that none is drawn twice.
    place = np.random.default_rng(seed % 2**64).random(count) * (1 - count / len(measured))
    chosen = measured[((np.arange(count) + place) * (len(measured) / count)).astype(np.intp)]
    depth = sparse.flat[chosen]
    sparse.flat[chosen] = 0
    return HeldOut(*np.divmod(chosen, sparse.shape[1]), depth)


def compare(depth: NDArray[np.float32], held_out: HeldOut) -> Residual | None:
    """Return the residual of `depth` (float32 [H,W], metres, not finite = unknown) at the returns that were held out.

    Returns where the depth is unknown do not count; None where fewer than `LEAST` do.
    """
    found = depth[held_out.rows, held_out.columns]
    known = np.isfinite(found)
    if np.count_nonzero(known) < LEAST:
        return None
    measured = held_out.depth[known]
    median, p90 = np.percentile(np.abs(found[known] - measured) / measured, (50, 90))
    return Residual(float(median), float(p90), len(measured))


def put_back(found: Completion, held_out: HeldOut, paste_measured: bool) -> None:
    """Make the pixels of what was held out measured ones in place, with their own returns if `paste_measured`."""
    at = held_out.rows, held_out.columns
    if paste_measured:
        found.depth[at] = held_out.depth
        found.sigma[at] = return_sigma(held_out.depth)
        found.source[at] = Source.MEASURED
    else:
        found.source[at] = np.where(found.source[at] == Source.NONE, Source.NONE, Source.MEASURED)


def outdated(depth_map: DepthMap) -> DepthMap:
    """Return a depth map that was completed from a scan too old for its image, flagged as that."""
    source = np.where(depth_map.source == Source.NONE, Source.NONE, Source.OUTDATED).astype(np.uint8)
    return replace(depth_map, source=source)
