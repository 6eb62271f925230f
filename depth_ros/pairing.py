"""Which scan belongs to which image: pure bookkeeping on integer nanoseconds, the same live and offline."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from depth_ros.config import PairingConfig

Image = TypeVar("Image")
Scan = TypeVar("Scan")
Item = TypeVar("Item")

_NS = 1_000_000_000
LEAST_JUMP_NS = _NS // 2
REMEMBERED_INTERVALS = 10


@dataclass(frozen=True)
class Pair(Generic[Image, Scan]):
    """An image and the scan nearest to it in time; stamps in nanoseconds."""

    image_stamp_ns: int
    image: Image
    scan_stamp_ns: int
    scan: Scan


@dataclass(eq=False)
class _Waiting(Generic[Item]):
    stamp_ns: int
    item: Item
    arrival_ns: int
    used: bool = False

    def __lt__(self, other: _Waiting[Item]) -> bool:
        return self.stamp_ns < other.stamp_ns


class Pairer(Generic[Image, Scan]):
    """Pair every image with the scan nearest to its stamp within the slop.

    A scan may serve several images; an image gives one pair at most, and pairs leave in the order of their stamps. An
    image is settled as soon as no nearer scan can come: a scan with a stamp at or after its own is in, or the last scan
    is nearer than half the shortest of the last ten intervals between scans; or `max_wait` after its arrival, when a
    scan within the slop is here; or `lost_after` its arrival, with none.
    `now_ns` is any steady clock (live) or the recorded arrival time (offline). A stamp that lies more than half a
    second (or twice the slop) before the newest one of its sensor is a jump back in time, as of a bag that starts
    again: what belongs to the time before is forgotten.

    counters: how often each thing happened: `paired`, and one name per reason for which an image or scan went unused.
    nearest_gap_ns: distance to the nearest scan of the last image that found none within the slop; None before.
    """

    def __init__(self, config: PairingConfig) -> None:
        self._slop_ns = round(config.sync_slop * _NS)
        self._wait_ns = round(config.max_wait * _NS)
        self._lost_ns = max(self._wait_ns, round(config.lost_after * _NS))
        self._jump_ns = max(LEAST_JUMP_NS, 2 * self._slop_ns)
        self._size = config.queue_size
        self._images: list[_Waiting[Image]] = []
        self._scans: list[_Waiting[Scan]] = []
        self._newest: dict[str, int] = {}
        self._intervals: deque[int] = deque(maxlen=REMEMBERED_INTERVALS)
        self._settled_ns: int | None = None
        self.counters: Counter[str] = Counter()
        self.nearest_gap_ns: int | None = None

    def add_image(self, stamp_ns: int, image: Image, now_ns: int) -> list[Pair[Image, Scan]]:
        """Take an image; return the pairs that are settled now."""
        self._watch_time("image", stamp_ns)
        if self._settled_ns is not None and stamp_ns <= self._settled_ns:
            self.counters["image_duplicate" if stamp_ns == self._settled_ns else "image_out_of_order"] += 1
        elif not self._insert(self._images, stamp_ns, image, now_ns):
            self.counters["image_duplicate"] += 1
        elif len(self._images) > self._size:
            del self._images[0]
            self.counters["image_queue_full"] += 1
        return self.poll(now_ns)

    def add_scan(self, stamp_ns: int, scan: Scan, now_ns: int) -> list[Pair[Image, Scan]]:
        """Take a scan; return the pairs that are settled now."""
        before = self._newest.get("scan", stamp_ns)
        self._watch_time("scan", stamp_ns)
        if stamp_ns > before:
            self._intervals.append(stamp_ns - before)
        if not self._insert(self._scans, stamp_ns, scan, now_ns):
            self.counters["scan_duplicate"] += 1
        settled = self.poll(now_ns)
        if len(self._scans) > self._size:
            self.counters["scan_unused"] += not self._scans.pop(0).used
        return settled

    def poll(self, now_ns: int) -> list[Pair[Image, Scan]]:
        """Return the pairs that are settled at `now_ns`; call it at least every few milliseconds."""
        count = 0
        while count < len(self._images) and self._is_settled(self._images[count], now_ns):
            count += 1
        ready, self._images = self._images[:count], self._images[count:]
        return self._settle(ready)

    def flush(self) -> list[Pair[Image, Scan]]:
        """Settle every waiting image with the scans that are here: no more will come."""
        ready, self._images = self._images, []
        return self._settle(ready)

    def _is_settled(self, image: _Waiting[Image], now_ns: int) -> bool:
        waited_ns = now_ns - image.arrival_ns
        after = bisect_left(self._scans, image)
        # A scan far ahead is not the next one but a leftover of another time: it settles nothing.
        if after < len(self._scans) and self._scans[after].stamp_ns <= image.stamp_ns + self._jump_ns:
            return True
        gap = image.stamp_ns - self._scans[after - 1].stamp_ns if after > 0 else self._slop_ns + 1
        if gap > self._slop_ns:
            return waited_ns >= self._lost_ns
        # Few intervals may all span a lost scan, and then a nearer scan would come after all.
        is_steady = len(self._intervals) == REMEMBERED_INTERVALS
        return waited_ns >= self._wait_ns or (is_steady and gap <= min(self._intervals) // 2)

    def _settle(self, images: Iterable[_Waiting[Image]]) -> list[Pair[Image, Scan]]:
        pairs = []
        for image in images:
            self._settled_ns = image.stamp_ns
            scan = min(self._scans, key=lambda scan: abs(scan.stamp_ns - image.stamp_ns), default=None)
            if scan is None:
                self.counters["image_without_scan"] += 1
            elif (gap := abs(scan.stamp_ns - image.stamp_ns)) > self._slop_ns:
                self.counters["scan_too_far"] += 1
                self.nearest_gap_ns = gap
            else:
                scan.used = True
                self.counters["paired"] += 1
                pairs.append(Pair(image.stamp_ns, image.item, scan.stamp_ns, scan.item))
        return pairs

    def _watch_time(self, sensor: str, stamp_ns: int) -> None:
        newest = self._newest.get(sensor, stamp_ns)
        if stamp_ns < newest - self._jump_ns:
            self._forget(sensor, stamp_ns)
            newest = stamp_ns
        self._newest[sensor] = max(newest, stamp_ns)

    def _forget(self, jumped: str, stamp_ns: int) -> None:
        """Forget what is of the time before: all of the sensor that jumped, and of the other unless it jumped first."""
        self.counters["time_jump"] += 1
        before = {sensor for sensor, newest in self._newest.items() if newest > stamp_ns + self._jump_ns}
        if "image" in before | {jumped}:
            self.counters["image_time_jump"] += len(self._images)
            self._images.clear()
            self._settled_ns = None
        if "scan" in before | {jumped}:
            self._scans.clear()

    @staticmethod
    def _insert(queue: list[_Waiting[Item]], stamp_ns: int, item: Item, now_ns: int) -> bool:
        if any(waiting.stamp_ns == stamp_ns for waiting in queue):
            return False
        insort(queue, _Waiting(stamp_ns, item, now_ns))
        return True
