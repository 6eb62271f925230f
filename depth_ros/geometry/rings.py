"""Which beam measured which point, found from the geometry when the driver does not say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_RINGS = 256
_SEAMS = tuple(np.deg2rad((0.0, 180.0, 90.0, 270.0)))
_BIN_DEG = 0.02
_LEAST_SHARE = 0.95


def ring_index(xyz: NDArray[np.float32]) -> NDArray[np.int32] | None:
    """Number the beams of a spinning LiDAR's scan.

    xyz: float32 [N,3], metres, LiDAR frame (z along the axis of rotation), in the driver's order. Returns int32 [N],
    0 = the first beam of a file that is written beam after beam, else 0 = the lowest beam; None when the scan has no
    beams to find (solid-state pattern, random points, a handful of points).

    Files written beam after beam (KITTI) are cut where the azimuth starts anew, because a beam's elevation is not
    constant after the factory's calibration; all others are told apart by clusters of elevation.
    """
    if len(xyz) < 16 or not np.isfinite(xyz).all():
        return None
    azimuth = np.arctan2(xyz[:, 1], xyz[:, 0])
    elevation = np.degrees(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])))
    in_order = _rings_by_order(azimuth, elevation)
    return _rings_by_elevation(elevation) if in_order is None else in_order


def _rings_by_order(azimuth: NDArray[np.float32], elevation: NDArray[np.float32]) -> NDArray[np.int32] | None:
    """Cut the scan where its azimuth jumps back by more than half of its span; of four seams the clearly best one."""
    best, best_spread = None, np.inf
    for seam in _SEAMS:
        turned = np.mod(azimuth - np.float32(seam), np.float32(2 * np.pi))
        step = np.diff(turned) * (1 if np.median(np.diff(turned)) >= 0 else -1)
        ring = np.concatenate([[0], np.cumsum(step < -0.5 * np.ptp(turned))]).astype(np.int32)
        spread = _spread(ring, elevation)
        if 2 <= ring[-1] + 1 <= MAX_RINGS and spread < 0.9 * best_spread:
            best, best_spread = ring, spread
    return best if best_spread < 0.2 * np.std(elevation) else None


def _rings_by_elevation(elevation: NDArray[np.float32]) -> NDArray[np.int32] | None:
    """Cut the histogram of elevations at its empty places; beams must be narrow against their spacing."""
    lowest = float(elevation.min())
    cell = ((elevation - lowest) / _BIN_DEG).astype(np.int64)
    counts = np.bincount(cell)
    # A beam that hits the sensor's own mount strays in elevation: a few points do not join two beams.
    occupied = counts > len(elevation) / (8 * MAX_RINGS * 4)
    start = occupied & ~np.concatenate([[False], occupied[:-1]])
    centres = _centres(np.cumsum(start) * occupied, counts)
    if not 2 <= len(centres) <= MAX_RINGS or counts[occupied].sum() < _LEAST_SHARE * len(elevation):
        return None
    borders = lowest + _BIN_DEG * (0.5 + (centres[1:] + centres[:-1]) / 2)
    ring = np.searchsorted(borders, elevation).astype(np.int32)
    narrow = _spread(ring, elevation) < 0.15 * _BIN_DEG * float(np.median(np.diff(centres)))
    return ring if narrow else None


def _centres(label: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    weight = np.bincount(label, weights=counts)[1:]
    return np.bincount(label, weights=counts * np.arange(len(counts)))[1:] / np.maximum(weight, 1)


def _spread(ring: NDArray[np.int32], elevation: NDArray[np.float32]) -> float:
    """Median over the points of the distance from their ring's median elevation, degrees."""
    order = np.argsort(ring, kind="stable")
    bounds = np.flatnonzero(np.diff(ring[order])) + 1
    medians = np.array([np.median(part) for part in np.split(elevation[order], bounds)])
    number = np.unique(ring, return_inverse=True)[1]
    return float(np.median(np.abs(elevation - medians[number])))
