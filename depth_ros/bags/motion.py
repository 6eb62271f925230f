"""What moves in a bag: its poses (/tf or odometry) move every scan to its image's time, as the node does live."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from depth_ros.bags.bag_file import BagFile
from depth_ros.bags.topics import ODOMETRY_TYPE, TF_TYPE
from depth_ros.bags.transforms import FloatArray, MovingTransforms, StaticTransforms
from depth_ros.errors import BagError, GeometryError
from depth_ros.frame import PointCloud
from depth_ros.geometry.rings import ring_index
from depth_ros.pairing import Pair

FIXED_FRAME = "odom"
# So long a pair waits for poses that are recorded after its sensors.
PATIENCE_NS = 1_000_000_000
SCAN_NS = 200_000_000
PairT = TypeVar("PairT", bound=Pair[Any, Any])
_log = logging.getLogger("depth_ros")


class Motion:
    """The poses of one bag and what is done by them.

    motion: auto (an odometry topic, else /tf with the frame odom, else none), none, odometry, tf, or tf:FRAME.
    odometry: its topic, where the bag has several. undeskewed: scans that were used as they came because their poses
    are missing; reason: why the first was. has_tf: whether there is a /tf. Raises BagError when what is asked for by
    name is not in the bag.
    """

    def __init__(self, bag: BagFile, motion: str, odometry: str | None, statics: StaticTransforms) -> None:
        kind, _, frame = motion.partition(":")
        if kind not in ("auto", "none", "tf", "odometry") or (frame and kind != "tf"):
            raise BagError(f"motion is '{motion}': give auto, none, odometry, tf or tf:FRAME")
        self.undeskewed, self.reason = 0, ""
        self._path, self._said = bag.path, False
        self._fixed, self._is_auto = frame or FIXED_FRAME, kind == "auto"
        self._transforms = MovingTransforms(statics)
        tf = [topic.name for topic in bag.topics.values() if topic.type_name == TF_TYPE and topic.name.endswith("/tf")]
        self._odometry = _chosen(bag, kind, odometry)
        if kind == "tf" and not tf:
            raise BagError(f"{bag.path}: motion is {motion}, and there is no /tf: record it, or leave motion out")
        self.topics = [*tf, *([self._odometry] if self._odometry is not None else ())]
        self._deskews, self.has_tf = kind != "none" and bool(self.topics), bool(tf)

    @property
    def bad(self) -> int:
        """Poses that were none and are left out."""
        return self._transforms.bad

    def take(self, topic: str, message: Any) -> None:
        """Take a message of one of `topics`."""
        if topic == self._odometry:
            self._transforms.add_odometry(message)
        else:
            self._transforms.add_message(message)

    def extrinsics(self, camera: str, lidar: str, stamp_ns: int) -> FloatArray:
        """Return T_cam_lidar [4,4] between two frames at the image's time; raises BagError naming both."""
        return self._transforms.lookup(camera, lidar, stamp_ns)

    def in_time(self, pairs: Iterable[PairT], waiting: deque[tuple[PairT, int]], now_ns: int) -> Iterator[PairT]:
        """Put `pairs` behind those that wait for their poses, and yield the ones whose poses are here or stay away."""
        waiting.extend((pair, now_ns) for pair in pairs)
        while waiting and (now_ns - waiting[0][1] > PATIENCE_NS or self._reaches(waiting[0][0])):
            yield waiting.popleft()[0]

    def deskewed(self, frame_id: str, points: PointCloud, time_ns: int, target_ns: int) -> PointCloud:
        """Return a scan of `time_ns` as of `target_ns`; as it came, and counted, where poses are missing.

        A cloud without ring numbers gets them here, for they cannot be seen in a deskewed one.
        """
        if not self._deskews or not len(points):
            return points
        try:
            first, last = points.span_ns(time_ns)
            if first == last == target_ns:
                return points
            trajectory = self._transforms.trajectory(self._fixed, frame_id, min(first, target_ns), max(last, target_ns))
            moved = points.deskewed(time_ns, target_ns, trajectory)
        except BagError as error:
            return self._unmoved(points, str(error), is_fault=not self._is_auto)
        except GeometryError as error:
            return self._unmoved(points, str(error), is_fault=True)
        return moved if moved.ring is not None else replace(moved, ring=ring_index(points.xyz))

    def _reaches(self, pair: Pair[Any, Any]) -> bool:
        latest = max(pair.image_time_ns, *(scan.time_ns for scan in pair.scans))
        return not self.topics or self._transforms.reaches(latest + SCAN_NS)

    def _unmoved(self, points: PointCloud, reason: str, *, is_fault: bool) -> PointCloud:
        if is_fault:
            self.undeskewed += 1
            self.reason = self.reason or reason
        elif not self._said:
            self._said = True
            _log.info("%s: scans are used as they were recorded, without deskew: %s", self._path, reason)
        return points


def _chosen(bag: BagFile, kind: str, given: str | None) -> str | None:
    """Return the odometry topic that is to be used, None where another source is."""
    if kind in ("none", "tf"):
        return None
    found = [topic.name for topic in bag.topics.values() if topic.type_name == ODOMETRY_TYPE and topic.total]
    if given is not None or len(found) == 1:
        return given or found[0]
    if kind == "odometry":
        which = (
            f"could be {', '.join(sorted(found))}: name one, as --topic odometry={found[0]}" if found else "is missing"
        )
        raise BagError(f"{bag.path}: the topic of the odometry {which}")
    return None
