"""What one sensor of a pairing gave, in the order of its stamps, on integer nanoseconds."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Any

REMEMBERED_INTERVALS = 10
_NEVER_NS = 1 << 62


@dataclass(eq=False)
class Entry:
    """What a sensor gave once: its stamp with and without the sensor's offset, and when it came (ns).

    used: whether it is part of a pair.
    """

    time_ns: int
    stamp_ns: int
    item: Any
    arrival_ns: int
    used: bool = False

    def __lt__(self, other: Entry) -> bool:
        return self.time_ns < other.time_ns


class SensorQueue:
    """What one sensor gave and is still wanted, in the order of its stamps, and how steadily it comes.

    kind: image or scan. newest_ns: the latest time so far, None before the first. arrival_ns: when the last one came.
    """

    def __init__(self, kind: str, name: str, offset_ns: int) -> None:
        self.kind, self.name, self.offset_ns = kind, name, offset_ns
        self.waiting: list[Entry] = []
        self.newest_ns: int | None = None
        self.arrival_ns = -_NEVER_NS
        self._intervals: deque[int] = deque(maxlen=REMEMBERED_INTERVALS)

    def see(self, entry: Entry) -> None:
        """Note that `entry` came, and how long after the one before."""
        if self.newest_ns is not None and entry.time_ns > self.newest_ns:
            self._intervals.append(entry.time_ns - self.newest_ns)
        self.newest_ns = entry.time_ns if self.newest_ns is None else max(self.newest_ns, entry.time_ns)
        self.arrival_ns = entry.arrival_ns

    def insert(self, entry: Entry) -> bool:
        """Sort `entry` in; False when one of its stamp is here already."""
        if any(waiting.time_ns == entry.time_ns for waiting in self.waiting):
            return False
        insort(self.waiting, entry)
        return True

    def nearest(self, entry: Entry) -> Entry | None:
        """Return the one nearest in time to that of another sensor."""
        return min(self.waiting, key=lambda waiting: abs(waiting.time_ns - entry.time_ns), default=None)

    def before(self, entry: Entry) -> Entry | None:
        """Return the last one before that of another sensor."""
        after = bisect_left(self.waiting, entry)
        return self.waiting[after - 1] if after else None

    def is_final(self, entry: Entry, slop_ns: int, jump_ns: int) -> bool:
        """Tell whether nothing nearer to `entry` can come."""
        after = bisect_left(self.waiting, entry)
        # One far ahead is not the next but a leftover of another time: it settles nothing.
        if after < len(self.waiting) and self.waiting[after].time_ns <= entry.time_ns + jump_ns:
            return True
        last = self.before(entry)
        # Few intervals may all span a lost one, and then a nearer one would come after all.
        if last is None or len(self._intervals) < REMEMBERED_INTERVALS:
            return False
        return entry.time_ns - last.time_ns <= min(slop_ns, min(self._intervals) // 2)
