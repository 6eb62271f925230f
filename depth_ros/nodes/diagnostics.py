"""What a node tells of its statistics on /diagnostics: the worst thing in words, at its level, and every figure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from depth_ros.config import GuardConfig
from depth_ros.nodes.counts import USED, Counts, Statistics
from depth_ros.nodes.evidence import LONGEST_PATIENCE_S
from depth_ros.nodes.health import Finding, Level, worst_first

SILENT_S = 3.0
"""So long without a depth map that somebody waits for is worse than a warning."""
WINDOW_S = 10.0
MANY, FEW = 0.05, 0.02
"""From this share of the frames on within `WINDOW_S` drops are a warning, and below that one no longer."""
LEVELS = {
    Level.OK: DiagnosticStatus.OK,
    Level.WARN: DiagnosticStatus.WARN,
    Level.ERROR: DiagnosticStatus.ERROR,
    Level.STALE: DiagnosticStatus.STALE,
}


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
