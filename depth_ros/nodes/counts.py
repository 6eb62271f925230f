"""What a node counts: messages, depth maps, drops by reason, times; and the throttled lines of the log about drops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple

from depth_ros.config import GuardConfig
from depth_ros.frame import DepthMap, Residual
from depth_ros.geometry.camera import Camera
from depth_ros.nodes.clocks import NEAR_S, other_time
from depth_ros.nodes.evidence import Drop
from depth_ros.nodes.health import Finding, Level, ResidualWatch, ShiftWatch, Window
from depth_ros.nodes.logs import Backoff

STAGES = (
    *("decode", "pair", "deskew", "rectify", "project", "guard", "prior", "infer", "align", "complete"),
    *("assemble", "encode", "publish", "age", "latency"),
)
"""In the order of the work; age: stamp to publication, latency: arrival of the image to publication."""
NEEDED = ("images", "scans")
# Not a fault of any input: work that is left out on purpose.
DELIBERATE = frozenset({"no_subscribers", "superseded", "image_taken"})
UNSAID = frozenset({"no_subscribers"})
"""What is counted, and worth no line."""
MISSED = frozenset({"no_camera_info", "image_without_scan", "scan_without_image", "scan_too_far", "image_too_far"})
"""What found no partner; said once depth maps flow again, for while none do, `silence.SilenceWatch` tells the cause."""
USED = frozenset({"lidar_missing", "lidar_without_transform", "undeskewed"})
"""Frames that are not dropped, only worse than they could be."""
FLOWING_S = 5.0
"""Depth maps that are no farther apart than this flow."""
HELD_S = 5.0
"""A degradation of some frames is told for so long after the last one that was seen."""
ODD_AGES = 10
"""So many images of another time are no accident of the start."""


class Counts(NamedTuple):
    """Totals at one time: messages received, depth maps published, drops that an input is to blame for, by reason."""

    at: float
    received: Counter[str]
    depth_maps: int
    faults: Counter[str]


class Statistics:
    """Counts of what came in, went out and was dropped, by reason; safe to use from several threads.

    Every drop is counted; of each reason the first is logged, and then ever fewer (`Backoff`). depth_maps: so many went
    out. idle: why nothing is to come out ("waiting for a subscriber"), or empty. degradation: what is worse than it
    should be, such as "completed from a scan 0.4 s old", or empty. cause: why nothing comes out, where that is known.
    fault: what must be repaired although depth maps go out, or empty. building: what is being built, on which the depth
    maps wait, or empty. needed: of what there is no depth without. topics: names of the inputs, by diagnostic key.
    """

    def __init__(self, logger: Any, needed: Sequence[str] = NEEDED) -> None:
        self._logger, self._lock = logger, Lock()
        self.needed = needed
        self._backoff = Backoff()
        self._lines: Counter[str] = Counter()
        self._missed: set[str] = set()
        self._published_s, self._odd_ages = float("-inf"), 0
        self._degraded_s, self._degraded = float("-inf"), ""
        self._focal = ""
        self._texts: dict[str, str] = {}
        self._windows: dict[str, Window] = {stage: Window() for stage in STAGES}
        self._residuals, self._shift = ResidualWatch(), ShiftWatch()
        self.received: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.depth_maps = 0
        self.idle = ""
        self.degradation = ""
        self.cause = ""
        self.fault = ""
        self.building = ""
        self.topics: dict[str, str] = {}

    def receive(self, topic: str) -> None:
        """Count a message of an input."""
        with self._lock:
            self.received[topic] += 1

    def drop(self, reason: str, text: str, *, count: int = 1) -> None:
        """Count something that was dropped, and say why."""
        with self._lock:
            self.dropped[reason] += count
            self._texts[reason] = text
            if reason in MISSED:
                self._missed.add(reason)
        if reason not in MISSED | UNSAID:
            self._say(reason)

    def drops(self) -> dict[str, Drop]:
        """Return what was dropped so far, by reason, each with its last text."""
        with self._lock:
            return {
                reason: Drop(times, self._texts[reason], self._lines[reason]) for reason, times in self.dropped.items()
            }

    def record(self, stage: str, seconds: float) -> None:
        """Take the duration of one stage of one frame."""
        with self._lock:
            self._windows.setdefault(stage, Window()).add(seconds)

    def publish(
        self, age_s: float, latency_s: float, timings: Mapping[str, float], residual: Residual | None = None
    ) -> None:
        """Count a depth map: stamp to publication, arrival of the image to publication, seconds per stage.

        An age that two clocks make (a bag played without /clock) is left out, and that is said once.
        """
        now, seconds_of = monotonic(), {**timings, "latency": latency_s}
        is_odd = abs(age_s) > NEAR_S
        with self._lock:
            self.depth_maps += 1
            self._residuals.add(residual)
            self._odd_ages += is_odd
            if is_odd:
                self._windows["age"] = Window()
            else:
                seconds_of["age"] = age_s
            for stage, seconds in seconds_of.items():
                self._windows.setdefault(stage, Window()).add(seconds)
            flows, self._published_s = now - self._published_s < FLOWING_S, now
            missed, self._missed = self._missed, set()
        if is_odd and self._odd_ages == ODD_AGES:
            self._logger.info(f"the age of the depth maps cannot be told: the images are {other_time(-age_s)}")
        for reason in sorted(missed) if flows else ():
            self._say(reason)

    def look(self, depth_map: DepthMap, guard: GuardConfig) -> None:
        """Compare the scan with the picture once a second, if wanted: some milliseconds, in one thread at a time."""
        if guard.guard_shift:
            self._shift.look(depth_map, monotonic())
        else:
            self._shift = ShiftWatch()

    def note_camera(self, camera: Camera) -> None:
        """Tell the focal length of the depth map that went out, where a model has found it; the first is logged."""
        before = self._focal
        with self._lock:
            self._focal = "" if camera.calibrated else f"{camera.intrinsics[0]:.1f} px, found by the model"
        if self._focal and not before:
            self._logger.info(
                f"the focal length is not known: the model finds it, now {camera.intrinsics[0]:.1f} px; "
                "it goes out in depth/camera_info, and a calibrated camera gives better metres"
            )

    def counts(self) -> Counts:
        """Return the totals as they stand."""
        with self._lock:
            faults = Counter({reason: count for reason, count in self.dropped.items() if reason not in DELIBERATE})
            return Counts(monotonic(), Counter(self.received), self.depth_maps, faults)

    def values(self) -> dict[str, str]:
        """Return everything as the key-value texts of a diagnostic status, the unit in the key."""
        with self._lock:
            values = self.topics | {topic: str(count) for topic, count in sorted(self.received.items())}
            values |= {"depth_maps": str(self.depth_maps), "degradation": self.degradation or "none"}
            if "scans" in self.needed:
                values |= self._residuals.values() | self._shift.values()
            if self._focal:
                values["focal"] = self._focal
            for stage, window in self._windows.items():
                values |= window.values(stage)
            return values | {f"dropped.{reason}": str(count) for reason, count in sorted(self.dropped.items())}

    def _say(self, reason: str) -> None:
        with self._lock:
            total, text = self.dropped[reason], self._texts[reason]
            if not self._backoff.passes(reason, monotonic(), text):
                return
            self._lines[reason] += 1
        line = f"{'worse' if reason in USED else 'dropped'} ({reason}, {total} so far): {text}"
        # Two lines of code on purpose: rclpy refuses one call that logs at two levels.
        if reason in DELIBERATE:
            self._logger.info(line)
        else:
            self._logger.warning(line)

    def findings(self, guard: GuardConfig) -> list[Finding]:
        """Return what is wrong with the depth maps that go out."""
        with self._lock:
            found = [self._residuals.finding(guard), self._shift.finding()]
        if self.fault:
            found.append(Finding(Level.ERROR, self.fault))
        if self.degradation:
            self._degraded_s, self._degraded = monotonic(), self.degradation
        if monotonic() - self._degraded_s < HELD_S:
            found.append(Finding(Level.WARN, f"degraded: {self._degraded}"))
        return [finding for finding in found if finding is not None]
