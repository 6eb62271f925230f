"""Which scan belongs to which image: pure bookkeeping on integer nanoseconds, the same live and offline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from depth_ros.config import PairingConfig
from depth_ros.sensor_queue import Entry, SensorQueue

Image = TypeVar("Image")
Scan = TypeVar("Scan")
Item = TypeVar("Item")

_NS = 1_000_000_000
LEAST_JUMP_NS = _NS // 2


@dataclass(frozen=True)
class Stamped(Generic[Item]):
    """What a sensor gave: its name, its own stamp, the stamp with the sensor's offset, and the thing itself (ns)."""

    sensor: str
    stamp_ns: int
    time_ns: int
    item: Item


@dataclass(frozen=True)
class Pair(Generic[Image, Scan]):
    """An image and the scans that belong to it, at most one of each LiDAR, the nearest in time first; nanoseconds.

    image_stamp_ns, scan_stamp_ns: the sensors' own stamps. image_time_ns: the image's stamp with its offset, when the
    points are to be. outdated: the scans are beyond the slop, the last ones of LiDARs that were lost since.
    """

    image_stamp_ns: int
    image: Image
    image_time_ns: int
    scans: tuple[Stamped[Scan], ...]
    outdated: bool = False

    @property
    def scan(self) -> Scan:
        """The scan nearest in time."""
        return self.scans[0].item

    @property
    def scan_stamp_ns(self) -> int:
        """The stamp of the scan nearest in time."""
        return self.scans[0].stamp_ns


class Pairer(Generic[Image, Scan]):
    """Pair images with the scans nearest to them in time, within the slop.

    Policy `image`: every image is paired with the nearest scan, and a scan may serve several images. Policy `scan`:
    every scan of the first LiDAR is paired with the nearest image and the nearest scans of the other LiDARs; an image
    gives one pair at most, so of two scans that want it the first gets it. Pairs leave in the order of their stamps.
    What leads is settled as soon as nothing nearer can come: a partner with a stamp at or after its own is in, or the
    last partner is nearer than half the shortest of the last ten intervals between partners; or `max_wait` after its
    arrival, when a partner within the slop is here; or `lost_after` its arrival, with none. Of several LiDARs those
    that gave a scan within the last `lost_after` are waited for, `max_wait` at most; a pair carries the scans that are
    here then.
    `now_ns` is any steady clock (live) or the recorded arrival time (offline). A stamp that lies more than half a
    second (or twice the slop) before the newest one of its sensor is a jump back in time, as of a bag that starts
    again: what belongs to the time before is forgotten.

    lidars: names of the LiDARs. last_scan_for: with policy `image`, an image that finds no scan within the slop in
    `max_wait` gets the last scans before it that are no older than this (s); 0: none. image_alone: with policy `image`,
    one that then has none is a pair without scans; with no LiDAR at all every image is, at once.
    counters: how often each thing happened: `paired`, `outdated`, `alone` and `lidar_missing` among the pairs, and one
    name per reason for which an image or scan went unused.
    nearest_gap_ns: distance to the nearest partner of the last one that found none within the slop; None before.
    """

    def __init__(
        self,
        config: PairingConfig,
        lidars: Sequence[str] = ("",),
        *,
        last_scan_for: float = 0.0,
        image_alone: bool = False,
    ) -> None:
        self._slop_ns, self._size = round(config.sync_slop * _NS), config.queue_size
        self._wait_ns = round(config.max_wait * _NS)
        self._lost_ns = max(self._wait_ns, round(config.lost_after * _NS))
        self._last_scan_ns = round(last_scan_for * _NS)
        self._jump_ns = max(LEAST_JUMP_NS, 2 * self._slop_ns)
        offset_ns = round(config.points_offset * _NS)
        self._images = SensorQueue("image", "", round(config.image_offset * _NS))
        self._lidars = {name: SensorQueue("scan", name, offset_ns) for name in lidars}
        by_scan = config.pairing == "scan" and lidars
        self._leader = self._lidars[lidars[0]] if by_scan else self._images
        self._image_alone = image_alone and self._leader is self._images
        self._partners = [sensor for sensor in (self._images, *self._lidars.values()) if sensor is not self._leader]
        self._settled_ns: int | None = None
        self.counters: Counter[str] = Counter()
        self.nearest_gap_ns: int | None = None

    @property
    def waits(self) -> bool:
        """Whether anything waits to be settled."""
        return bool(self._leader.waiting)

    def add_image(self, stamp_ns: int, image: Image, now_ns: int) -> list[Pair[Image, Scan]]:
        """Take an image; return the pairs that are settled now."""
        return self._add(self._images, stamp_ns, image, now_ns)

    def add_scan(self, stamp_ns: int, scan: Scan, now_ns: int, lidar: str | None = None) -> list[Pair[Image, Scan]]:
        """Take a scan of `lidar` (None: the first); return the pairs that are settled now."""
        sensor = next(iter(self._lidars.values())) if lidar is None else self._lidars[lidar]
        return self._add(sensor, stamp_ns, scan, now_ns)

    def poll(self, now_ns: int) -> list[Pair[Image, Scan]]:
        """Return the pairs that are settled at `now_ns`; call it at least every few milliseconds."""
        waiting, count = self._leader.waiting, 0
        while count < len(waiting) and self._is_settled(waiting[count], now_ns):
            count += 1
        return self._settle(count)

    def flush(self) -> list[Pair[Image, Scan]]:
        """Settle everything that waits with what is here: no more will come."""
        return self._settle(len(self._leader.waiting))

    def _add(self, sensor: SensorQueue, stamp_ns: int, item: Any, now_ns: int) -> list[Pair[Image, Scan]]:
        entry = Entry(stamp_ns + sensor.offset_ns, stamp_ns, item, now_ns)
        if sensor.newest_ns is not None and entry.time_ns < sensor.newest_ns - self._jump_ns:
            self._forget(sensor, entry)
        sensor.see(entry)
        if sensor is self._leader:
            self._add_leading(entry)
        elif not sensor.insert(entry):
            self.counters[f"{sensor.kind}_duplicate"] += 1
        settled = self.poll(now_ns)
        if sensor is not self._leader and len(sensor.waiting) > self._size:
            self.counters[f"{sensor.kind}_unused"] += not sensor.waiting.pop(0).used
        return settled

    def _add_leading(self, entry: Entry) -> None:
        kind, waiting = self._leader.kind, self._leader.waiting
        if self._settled_ns is not None and entry.time_ns <= self._settled_ns:
            self.counters[f"{kind}_duplicate" if entry.time_ns == self._settled_ns else f"{kind}_out_of_order"] += 1
        elif not self._leader.insert(entry):
            self.counters[f"{kind}_duplicate"] += 1
        elif len(waiting) > self._size:
            del waiting[0]
            self.counters[f"{kind}_queue_full"] += 1

    def _is_settled(self, entry: Entry, now_ns: int) -> bool:
        final = [sensor.is_final(entry, self._slop_ns, self._jump_ns) for sensor in self._partners]
        if all(final):
            return True
        waited_ns = now_ns - entry.arrival_ns
        if not self._suffices(self._near(entry)):
            waits_less = self._image_alone or self._last_scans(entry)
            return waited_ns >= (self._wait_ns if waits_less else self._lost_ns)
        alive = [now_ns - sensor.arrival_ns <= self._lost_ns for sensor in self._partners]
        held = any(lives and not done for lives, done in zip(alive, final, strict=True))
        return waited_ns >= self._wait_ns or (any(final) and not held)

    def _settle(self, count: int) -> list[Pair[Image, Scan]]:
        ready = [self._leader.waiting.pop(0) for _ in range(count)]
        return [pair for entry in ready if (pair := self._pair(entry)) is not None]

    def _pair(self, entry: Entry) -> Pair[Image, Scan] | None:
        self._settled_ns = entry.time_ns
        near = self._near(entry)
        outdated = not self._suffices(near)
        if outdated:
            near = self._last_scans(entry)
        if not near and not self._image_alone:
            self._count_alone(entry)
            return None
        outdated = outdated and bool(near)
        near[self._leader] = entry
        image = near.pop(self._images)
        if image.used:
            self.counters["image_taken"] += 1
            return None
        self._count_pair(image, near, outdated)
        scans = [Stamped(lidar.name, scan.stamp_ns, scan.time_ns, scan.item) for lidar, scan in near.items()]
        scans.sort(key=lambda scan: abs(scan.time_ns - image.time_ns))
        return Pair(image.stamp_ns, image.item, image.time_ns, tuple(scans), outdated)

    def _near(self, entry: Entry) -> dict[SensorQueue, Entry]:
        """Return the nearest of every partner that has one within the slop."""
        nearest = {sensor: sensor.nearest(entry) for sensor in self._partners}
        return {sensor: n for sensor, n in nearest.items() if n and abs(n.time_ns - entry.time_ns) <= self._slop_ns}

    def _suffices(self, near: Mapping[SensorQueue, Entry]) -> bool:
        return bool(near) if self._leader is self._images else self._images in near

    def _last_scans(self, entry: Entry) -> dict[SensorQueue, Entry]:
        """Return the last scan of every LiDAR before an image, where it is young enough to be used outdated."""
        if not self._last_scan_ns or self._leader is not self._images:
            return {}
        last = {lidar: lidar.before(entry) for lidar in self._lidars.values()}
        return {lidar: b for lidar, b in last.items() if b and entry.time_ns - b.time_ns <= self._last_scan_ns}

    def _count_pair(self, image: Entry, scans: Mapping[SensorQueue, Entry], outdated: bool) -> None:
        for used in (image, *scans.values()):
            used.used = True
        self.counters["paired"] += 1
        if outdated:
            self.counters["outdated"] += 1
        elif self._lidars and not scans:
            self.counters["alone"] += 1
        elif len(scans) < len(self._lidars):
            self.counters["lidar_missing"] += 1

    def _count_alone(self, entry: Entry) -> None:
        needed = list(self._lidars.values()) if self._leader is self._images else [self._images]
        gaps = [abs(n.time_ns - entry.time_ns) for sensor in needed if (n := sensor.nearest(entry))]
        if gaps:
            self.nearest_gap_ns = min(gaps)
            self.counters[f"{needed[0].kind}_too_far"] += 1
        else:
            self.counters[f"{self._leader.kind}_without_{needed[0].kind}"] += 1

    def _forget(self, jumped: SensorQueue, entry: Entry) -> None:
        """Forget what is of the time before: all of the sensor that jumped, and of others unless they jumped first."""
        self.counters["time_jump"] += 1
        for sensor in (self._leader, *self._partners):
            if sensor is jumped or not self._has_jumped(sensor, entry):
                if sensor is self._leader:
                    self.counters[f"{sensor.kind}_time_jump"] += len(sensor.waiting)
                    self._settled_ns = None
                sensor.waiting.clear()
        jumped.newest_ns = None

    def _has_jumped(self, sensor: SensorQueue, entry: Entry) -> bool:
        """Tell whether a sensor is in the time of `entry` already: one that has been silent since is not."""
        if sensor.newest_ns is None or entry.arrival_ns - sensor.arrival_ns > max(self._lost_ns, self._jump_ns):
            return False
        return sensor.newest_ns <= entry.time_ns + self._jump_ns
