"""Ego-motion: the poses of a moving LiDAR, and its points as if all were measured at one moment (deskew)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from depth_ros.errors import GeometryError
from depth_ros.geometry.rigid import invert

FloatArray = NDArray[np.float64]
StampArray = NDArray[np.int64]
# A pose source of 20 Hz is at most one period behind its sensors.
REACH_NS = 50_000_000
LONGEST_GAP_NS = 500_000_000
LONGEST_SCAN_NS = 10_000_000_000
KEPT_NS, JUMP_NS = 5_000_000_000, 500_000_000
KNOTS, STEPS = 64, 4096


class Trajectory:
    """The poses of one moving frame in a fixed one, T_fixed_moving.

    stamps_ns: int64 [K], K >= 1, rising. poses: float64 [K,4,4], metres. Beyond its ends it goes on as it moved over
    the last stretch, for as long as that stretch: 50 ms, or its whole span when that is shorter (so a lone pose holds
    at its own stamp only). Raises GeometryError on stamps that do not rise and on poses that are not finite.
    """

    def __init__(self, stamps_ns: StampArray, poses: FloatArray) -> None:
        stamps, matrices = np.asarray(stamps_ns, np.int64), np.asarray(poses, np.float64)
        if stamps.ndim != 1 or not len(stamps) or matrices.shape != (len(stamps), 4, 4):
            raise GeometryError(
                f"trajectory of {stamps.shape} stamps and {matrices.shape} poses: give [K] and [K,4,4], one or more"
            )
        if (np.diff(stamps) <= 0).any():
            raise GeometryError("the stamps of a trajectory do not rise: sort its poses and leave out repeated stamps")
        if not np.isfinite(matrices).all():
            raise GeometryError("a pose of a trajectory is not finite: leave it out")
        self.span_ns = int(stamps[0]), int(stamps[-1])
        self._given = self._stamps, self._poses = stamps, matrices
        self._extend(min(REACH_NS, self.span_ns[1] - self.span_ns[0]))

    @classmethod
    def at_rest(cls, first_ns: int, last_ns: int) -> Trajectory:
        """Return the trajectory over a span of what does not move, the fixed frame itself."""
        ends = np.unique(np.array([first_ns, last_ns], np.int64))
        return cls(ends, np.broadcast_to(np.eye(4), (len(ends), 4, 4)))

    def at(self, stamps_ns: StampArray) -> FloatArray:
        """Return the poses [M,4,4] at `stamps_ns` (int64 [M]): linear in position, turning at constant rate (slerp).

        Raises GeometryError for a stamp beyond the reach (see the class) or between two poses over 0.5 s apart.
        """
        asked = np.asarray(stamps_ns, np.int64)
        if not len(asked):
            return np.empty((0, 4, 4))
        self._check(int(asked.min()), int(asked.max()))
        if len(self._stamps) == 1:
            return np.repeat(self._poses, len(asked), axis=0)
        self._check_gaps(asked)
        return _interpolated(self._stamps, self._poses, asked)

    def covers(self, stamps_ns: StampArray) -> NDArray[np.bool_]:
        """Tell for each of `stamps_ns` [M] whether `at` has an answer."""
        inside: NDArray[np.bool_] = (stamps_ns >= self._stamps[0]) & (stamps_ns <= self._stamps[-1])
        if len(self._stamps) == 1:
            return inside
        is_gap = np.diff(self._stamps) > LONGEST_GAP_NS
        return np.asarray(inside & ~is_gap[_before(self._stamps, stamps_ns)], np.bool_)

    @property
    def stamps_ns(self) -> StampArray:
        """The stamps that were given."""
        return self._given[0]

    def of(self, T_moving_other: FloatArray) -> Trajectory:
        """Return the trajectory of a frame that sits on the moving one: T [4,4], p_moving = T p_other."""
        stamps, poses = self._given
        return Trajectory(stamps, poses @ T_moving_other)

    def _extend(self, reach_ns: int) -> None:
        if not reach_ns:
            return
        first, last = self.span_ns
        inner = _interpolated(self._stamps, self._poses, np.array([first + reach_ns, last - reach_ns]))
        start, end = _mirrored(inner[:1], self._poses[:1]), _mirrored(inner[1:], self._poses[-1:])
        self._poses = np.concatenate([start, self._poses, end])
        self._stamps = np.concatenate([[first - reach_ns], self._stamps, [last + reach_ns]])

    def _check(self, first: int, last: int) -> None:
        known_first, known_last = self._stamps[0], self._stamps[-1]
        if first < known_first or last > known_last:
            early, late = max(0, known_first - first) / 1e6, max(0, last - known_last) / 1e6
            raise GeometryError(
                f"poses are missing for {early:.0f} ms before and {late:.0f} ms after those that are known: "
                "check that the pose source keeps up and shares the sensors' clock"
            )

    def _check_gaps(self, asked: StampArray) -> None:
        gap = int(np.diff(self._stamps)[_before(self._stamps, asked)].max())
        if gap > LONGEST_GAP_NS:
            raise GeometryError(
                f"the poses around the scan are {gap / 1e6:.0f} ms apart: the pose source must give one every "
                f"{LONGEST_GAP_NS / 1e6:.0f} ms or more often"
            )


class PoseBuffer:
    """The last 5 s of one frame's poses in another, as they come.

    A stamp that repeats is left out, one that comes late is put in its place, one more than 0.5 s before the newest is
    a jump back in time and starts anew.
    """

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._poses: list[FloatArray] = []

    def __len__(self) -> int:
        """Return the number of poses that are kept."""
        return len(self._stamps)

    @property
    def newest_ns(self) -> int:
        """The last stamp; 0 before the first."""
        return self._stamps[-1] if self._stamps else 0

    def add(self, stamp_ns: int, pose: FloatArray) -> None:
        """Take a finite pose [4,4]."""
        if stamp_ns < self.newest_ns - JUMP_NS:
            self._stamps, self._poses = [], []
        place = bisect_left(self._stamps, stamp_ns)
        if place < len(self._stamps) and self._stamps[place] == stamp_ns:
            return
        self._stamps.insert(place, stamp_ns)
        self._poses.insert(place, pose)
        old = bisect_left(self._stamps, self.newest_ns - KEPT_NS)
        del self._stamps[:old], self._poses[:old]

    def around(self, first_ns: int, last_ns: int) -> Trajectory:
        """Return what is known about a span and what borders on it; raises GeometryError when there is no pose."""
        if not self._stamps:
            raise GeometryError("no pose has come yet: check their publisher")
        start = max(0, bisect_left(self._stamps, first_ns - 2 * REACH_NS) - 1)
        end = bisect_right(self._stamps, last_ns + 2 * REACH_NS) + 1
        start = min(start, len(self._stamps) - 1)
        return Trajectory(np.array(self._stamps[start:end], np.int64), np.stack(self._poses[start:end]))


def deskew(
    xyz: NDArray[np.float32], point_stamps_ns: StampArray | int, target_ns: int, trajectory: Trajectory
) -> NDArray[np.float32]:
    """Return the points as the LiDAR would have measured them at `target_ns`: p' = T(target)^-1 T(t_i) p.

    xyz: float32 [N,3], metres, each in the LiDAR's frame at its own time. point_stamps_ns: int64 [N], or one stamp for
    all. trajectory: of the LiDAR in a fixed frame; its poses are taken at 64 moments of the scan, blended in between,
    and a point moves by the nearest of 4096 steps (over 0.1 s at 10 m/s and 0.5 rad/s less than 1 mm at 100 m).
    Returns float32 [N,3] in the same order.

    Raises GeometryError when the trajectory does not reach a stamp, or the stamps spread over more than 10 s.
    """
    stamps = np.asarray(point_stamps_ns, np.int64)
    if stamps.shape not in ((), (len(xyz),)):
        raise GeometryError(f"{stamps.shape} stamps for {len(xyz)} points: give one for each, or one for all")
    if not len(xyz):
        return xyz
    first, last = int(stamps.min()), int(stamps.max())
    check_scan(first, last)
    knots = np.unique(np.linspace(0, last - first, KNOTS).astype(np.int64))
    poses = trajectory.at(np.append(knots + first, target_ns))
    moves = (invert(poses[-1]) @ poses[:-1])[:, :3].astype(np.float32)
    steps = _refined(moves)
    step = np.rint((stamps - first).astype(np.float32) * np.float32((len(steps) - 1) / max(1, last - first)))
    chosen = steps.take(np.broadcast_to(step.astype(np.intp), len(xyz)), axis=0)
    return np.asarray(np.einsum("nij,nj->ni", chosen[:, :, :3], xyz) + chosen[:, :, 3], np.float32)


def check_scan(first_ns: int, last_ns: int) -> None:
    """Raise GeometryError when these cannot be the times of the first and the last point of one scan."""
    if last_ns - first_ns > LONGEST_SCAN_NS:
        raise GeometryError(
            f"the points of one scan are up to {(last_ns - first_ns) / 1e9:.0f} s apart: correct the cloud's time "
            "field, or set point_time_unit"
        )


def _refined(moves: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blend the motions at the knots [K,3,4] into STEPS of them, evenly spread; a lone one stays alone."""
    if len(moves) == 1:
        return moves
    place = np.linspace(0, len(moves) - 1, STEPS)
    before = np.minimum(place.astype(np.intp), len(moves) - 2)
    share = (place - before).astype(np.float32)[:, None, None]
    return np.asarray(moves[before] + share * (moves[before + 1] - moves[before]), np.float32)


def _interpolated(stamps: StampArray, poses: FloatArray, asked: StampArray) -> FloatArray:
    before = _before(stamps, asked)
    share = (asked - stamps[before]) / (stamps[before + 1] - stamps[before])
    return _between(poses[before], poses[before + 1], share)


def _before(stamps: StampArray, asked: StampArray) -> NDArray[np.intp]:
    """Return the pose [M] that each stamp follows, never the last."""
    return np.clip(np.searchsorted(stamps, asked, side="right") - 1, 0, len(stamps) - 2)


def _between(start: FloatArray, end: FloatArray, share: FloatArray) -> FloatArray:
    """Move from `start` to `end` [M,4,4] by `share` [M]: linear translation, constant turning rate."""
    turn = Rotation.from_matrix(_transposed(start) @ end[:, :3, :3]).as_rotvec()
    poses = np.array(start)
    poses[:, :3, :3] = start[:, :3, :3] @ Rotation.from_rotvec(share[:, None] * turn).as_matrix()
    poses[:, :3, 3] += share[:, None] * (end[:, :3, 3] - start[:, :3, 3])
    return poses


def _mirrored(inner: FloatArray, end: FloatArray) -> FloatArray:
    """Go on beyond `end` [1,4,4] by the motion from `inner` to it."""
    poses = np.array(end)
    poses[:, :3, :3] = end[:, :3, :3] @ _transposed(inner) @ end[:, :3, :3]
    poses[:, :3, 3] = 2 * end[:, :3, 3] - inner[:, :3, 3]
    return poses


def _transposed(poses: FloatArray) -> FloatArray:
    return np.swapaxes(poses[:, :3, :3], 1, 2)
