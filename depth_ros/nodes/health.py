"""What the figures of a node mean: levels as in diagnostic_msgs, each with the reason in words."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from depth_ros.config import GuardConfig
from depth_ros.frame import DepthMap, Residual, Source
from depth_ros.geometry.alignment import Correlation, Shift, best_shift, correlate

WINDOW = 300
"""Samples that a percentile is taken of: half a minute at 10 Hz."""
PERCENTILES = (50, 95, 99)
JUDGED, BAD = 10, 3
"""So many of the last frames must be beyond a bound for a warning or an error: one bad frame is none."""

LOOK_PERIOD_S, LOOKS, LEAST_LOOKS = 1.0, 30, 5
"""How often, and over how many looks, the scan is compared with the picture."""
CLEAR, AGREES = 4.5, 0.5
"""Agreement that chance does not give, and the share of it that a scan in its place has (on real frames over 0.8)."""


class Level(IntEnum):
    """How a node is.

    OK: depth flows, or nobody wants it. WARN: less of it, or worse, than could be. ERROR: what comes out must not be
    used, or nothing does. STALE: nothing comes in, so that the figures are old.
    """

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class Finding(NamedTuple):
    """One thing that is so, in words."""

    level: Level
    text: str


class Window:
    """The last `WINDOW` durations of one stage."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float) -> None:
        """Take one more."""
        self._seconds.append(seconds)

    def values(self, name: str) -> dict[str, str]:
        """Return the percentiles in milliseconds as key-value texts."""
        found = 1e3 * np.percentile(np.array(self._seconds), PERCENTILES) if self._seconds else ()
        return {f"{name}_p{share}_ms": f"{value:.1f}" for share, value in zip(PERCENTILES, found)}  # noqa: B905


class ResidualWatch:
    """The residuals of the last `JUDGED` frames, and whether they are beyond their bounds."""

    def __init__(self) -> None:
        self._frames: deque[Residual | None] = deque(maxlen=JUDGED)

    def add(self, residual: Residual | None) -> None:
        """Take the residual of one more frame, None where it has none."""
        self._frames.append(residual)

    def finding(self, config: GuardConfig) -> Finding | None:
        """Return what is wrong: `BAD` of the last `JUDGED` frames are beyond a bound."""
        medians = sorted((frame.median for frame in self._frames if frame is not None), reverse=True)
        least = medians[BAD - 1] if len(medians) >= BAD else 0.0
        for level, bound in ((Level.ERROR, config.guard_error), (Level.WARN, config.guard_warn)):
            if least > bound:
                return Finding(
                    level,
                    f"the depth is off its own LiDAR points by {100 * float(np.median(medians)):.1f} % (bound "
                    f"{100 * bound:g} %): the scan is noisy, or the model does not suit it; compare another model",
                )
        return None

    def values(self) -> dict[str, str]:
        """Return the medians over the last frames as key-value texts; "none" where no frame has a residual."""
        known = [(100 * one.median, 100 * one.p90, one.count) for one in self._frames if one is not None]
        keys = ("residual_median_percent", "residual_p90_percent", "residual_points")
        if not known:
            return dict.fromkeys(keys, "none")
        median, p90, count = np.median(np.array(known), axis=0)
        return dict(zip(keys, (f"{median:.2f}", f"{p90:.2f}", f"{count:.0f}")))  # noqa: B905


class ShiftWatch:
    """Looks once in `LOOK_PERIOD_S` where the scan lies in the picture, over the last half minute or so.

    What is completed from an outdated scan is not looked at.
    """

    def __init__(self) -> None:
        self._seen: deque[Correlation] = deque(maxlen=LOOKS)
        self._next = 0.0
        self._shift: Shift | None = None

    def look(self, depth_map: DepthMap, now_s: float) -> None:
        """Look at the measured pixels of a depth map, if it is time."""
        if now_s < self._next or depth_map.rgb is None:
            return
        self._next = now_s + LOOK_PERIOD_S
        sparse = np.where(depth_map.source == Source.MEASURED, depth_map.depth, np.float32(0))
        seen = correlate(sparse, depth_map.rgb)
        if self._seen and self._seen[-1].cell != seen.cell:
            self._seen.clear()
        self._seen.append(seen)
        surfaces = np.array([one.surface for one in self._seen])
        self._shift = best_shift(surfaces.sum(axis=0), seen.cell) if len(self._seen) >= LEAST_LOOKS else None

    def finding(self) -> Finding | None:
        """Return what is wrong: the picture's edges agree clearly with a shifted scan, and not with this one."""
        shift = self._clear_shift()
        if shift is None or not (shift.right or shift.down):
            return None
        text = f"the scan would fit the picture better {_direction(shift)}: check the extrinsics and the time offsets"
        return Finding(Level.WARN, text)

    def values(self) -> dict[str, str]:
        """Return the shift as key-value texts: 0 of a scan in its place, "none" where the picture does not tell."""
        shift = self._clear_shift()
        right, down = ("none", "none") if shift is None else (str(shift.right), str(shift.down))
        return {"scan_shift_right_px": right, "scan_shift_down_px": down}

    def _clear_shift(self) -> Shift | None:
        """Return by how much the scan is beside the picture, None where the picture does not tell."""
        shift = self._shift
        if shift is None or shift.best < CLEAR:
            return None
        # The best one of a scan in its place is noise: on real frames up to 18 pixels.
        return shift._replace(right=0, down=0) if shift.here > AGREES * shift.best else shift


def _direction(shift: Shift) -> str:
    parts = ((shift.right, "to the right", "to the left"), (shift.down, "down", "up"))
    return " and ".join(f"{abs(pixels)} px {plus if pixels > 0 else minus}" for pixels, plus, minus in parts if pixels)


def worst_first(findings: list[Finding]) -> list[Finding]:
    """Sort by level, the worst first; among equals, the first stays first."""
    order = (Level.ERROR, Level.STALE, Level.WARN, Level.OK)
    return sorted(findings, key=lambda finding: order.index(finding.level))
