"""What a node counts, and how it tells it: throttled log lines and /diagnostics."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from depth_ros.config import GuardConfig
from depth_ros.frame import DepthMap, Residual
from depth_ros.geometry.camera import Camera
from depth_ros.nodes.clocks import NEAR_S, other_time
from depth_ros.nodes.evidence import LONGEST_PATIENCE_S, Drop
from depth_ros.nodes.health import Finding, Level, ResidualWatch, ShiftWatch, Window, worst_first
from depth_ros.nodes.logs import Backoff

STAGES = (
    *("decode", "pair", "deskew", "rectify", "project", "guard", "prior", "infer", "align", "complete"),
    *("assemble", "encode", "publish", "age", "latency"),
)
"""In the order of the work; age: stamp to publication, latency: arrival of the image to publication."""
SILENT_S = 3.0
"""So long without a depth map that somebody waits for is worse than a warning."""
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
WINDOW_S = 10.0
MANY, FEW = 0.05, 0.02
"""From this share of the frames on within `WINDOW_S` drops are a warning, and below that one no longer."""
ODD_AGES = 10
"""So many images of another time are no accident of the start."""
LEVELS = {
    Level.OK: DiagnosticStatus.OK,
    Level.WARN: DiagnosticStatus.WARN,
    Level.ERROR: DiagnosticStatus.ERROR,
    Level.STALE: DiagnosticStatus.STALE,
}


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


class Report:
    """Tells from time to time what the statistics of one camera mean."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._last = self._alive = statistics.counts()
        self._recent: deque[Counts] = deque()
        self._patience_s, self._warns = SILENT_S, False

    def restart(self) -> None:
        """Count silence and drops from now on."""
        self._last = self._alive = self._statistics.counts()
        self._recent.clear()
        self._patience_s, self._warns = SILENT_S, False

    def status(self, name: str, facts: Mapping[str, str], idle: str, guard: GuardConfig) -> DiagnosticStatus:
        """Return what is so since the last call; facts: further values; idle: why nothing is to come out, or empty."""
        idle = idle or self._statistics.idle
        before, self._last = self._last, self._statistics.counts()
        if idle:
            self._recent.clear()
        self._recent.append(self._last if idle else before)
        if idle or self._last.depth_maps > self._alive.depth_maps:
            # A sensor of one message in five seconds is not silent in between.
            self._patience_s = min(max(SILENT_S, 2 * (self._last.at - self._alive.at)), LONGEST_PATIENCE_S)
            self._alive = self._last
        rate = (self._last.depth_maps - before.depth_maps) / max(self._last.at - before.at, 1e-3)
        found = [Finding(Level.OK, idle)] if idle else [*self._findings(guard), _flow(rate)]
        return make_status(name, found, {**facts, "rate_hz": f"{rate:.2f}", **self._statistics.values()})

    def _findings(self, guard: GuardConfig) -> list[Finding]:
        silence, drops = self._silence(), self._drops()
        return [*silence, *self._statistics.findings(guard), *([] if silence else drops)]

    def _drops(self) -> list[Finding]:
        """Return what was dropped in the last `WINDOW_S`, where that is a good share of the frames."""
        now, recent = self._last, self._recent
        while len(recent) > 1 and now.at - recent[1].at >= WINDOW_S:
            recent.popleft()
        faults = now.faults - recent[0].faults
        frames = now.depth_maps - recent[0].depth_maps + sum(faults.values())
        self._warns = sum(faults.values()) > (FEW if self._warns else MANY) * frames
        span = f"in the last {now.at - recent[0].at:.0f} s"
        kinds = {"dropped": faults.keys() - USED, "worse": faults.keys() & USED} if self._warns else {}
        return [
            Finding(Level.WARN, f"{what} {span}: {_reasons(Counter({reason: faults[reason] for reason in reasons}))}")
            for what, reasons in kinds.items()
            if reasons
        ]

    def _silence(self) -> list[Finding]:
        now, alive = self._last, self._alive
        if now.at - alive.at < self._patience_s:
            return []
        text = f"no depth map for {now.at - alive.at:.0f} s"
        if self._statistics.building:
            return [Finding(Level.WARN, f"{text}: {self._statistics.building} is being built")]
        if now.received == alive.received:
            return [Finding(Level.STALE, f"{text}: {self._statistics.cause or 'no message arrives'}")]
        absent = [f"no {topic}" for topic in self._statistics.needed if now.received[topic] == alive.received[topic]]
        reasons = " and ".join(absent) or _reasons(now.faults - alive.faults) or "no completion has ended"
        cause = self._statistics.cause or reasons
        return [Finding(Level.ERROR, f"{text}, but messages arrive: {cause}")]


class DiagnosticPublisher:
    """Publishes the statistics on /diagnostics each time it is told to.

    statistics: by the name of the camera; {"": statistics} where there is only one without a name, whose status is that
    of the node. With named cameras each has one ("<node>: <camera>"), after one of the node that tells the worst of
    them. guard: the settings as they stand.
    """

    def __init__(
        self, node: Node, statistics: Mapping[str, Statistics], guard: Callable[[], GuardConfig] = GuardConfig
    ) -> None:
        self._node, self._guard = node, guard
        self._reports = {camera: Report(one) for camera, one in statistics.items()}
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)

    def restart(self) -> None:
        """Count silence and drops from now on."""
        for report in self._reports.values():
            report.restart()

    def publish(self, facts: Mapping[str, str], idle: str) -> None:
        """Publish the statuses: `facts` (model), why the node is idle ("" if it is not), rate and statistics."""
        name, guard = self._node.get_fully_qualified_name().lstrip("/"), self._guard()
        cameras = {
            camera: report.status(f"{name}: {camera}" if camera else name, facts, idle, guard)
            for camera, report in self._reports.items()
        }
        statuses = list(cameras.values())
        array = DiagnosticArray(status=statuses if "" in cameras else [summarise(name, cameras, facts), *statuses])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)


def make_status(name: str, findings: list[Finding], values: Mapping[str, str]) -> DiagnosticStatus:
    """Return a status whose message says everything that was found, the worst first."""
    found = worst_first(findings)
    status = DiagnosticStatus(level=LEVELS[found[0].level], name=name, hardware_id="")
    status.message = "; ".join(finding.text for finding in found)
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status


def summarise(name: str, cameras: Mapping[str, DiagnosticStatus], facts: Mapping[str, str]) -> DiagnosticStatus:
    """Return the status of a node with several cameras: what is worst among them."""
    of_level = {number: level for level, number in LEVELS.items()}
    told = [Finding(of_level[one.level], f"{camera}: {one.message}") for camera, one in cameras.items()]
    worst = worst_first(told)[0].level
    return make_status(name, [finding for finding in told if finding.level == worst], facts)


def _flow(rate: float) -> Finding:
    return Finding(Level.OK, f"{rate:.1f} depth maps/s")


def _reasons(faults: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in faults.most_common())
