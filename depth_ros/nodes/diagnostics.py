"""What a node counts, and how it tells it: throttled log lines and /diagnostics."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from threading import Lock
from time import monotonic
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

LOG_PERIOD_S = 10.0
WINDOW = 100
# Not a fault of any input: work that is left out on purpose.
DELIBERATE = frozenset({"no_subscribers", "superseded"})


class Statistics:
    """Counts of what came in, went out and was dropped, by reason; safe to use from several threads.

    Every drop is counted; of each reason the first is logged, and then one in ten seconds.
    """

    def __init__(self, logger: Any) -> None:
        self._logger, self._lock = logger, Lock()
        self._logged: dict[str, float] = {}
        self._ages: deque[float] = deque(maxlen=WINDOW)
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._timings: dict[str, float] = {}
        self.received: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.depth_maps = 0

    def receive(self, topic: str) -> None:
        """Count a message of an input."""
        with self._lock:
            self.received[topic] += 1

    def drop(self, reason: str, text: str, *, count: int = 1) -> None:
        """Count something that was dropped, and say why."""
        with self._lock:
            self.dropped[reason] += count
            now, total = monotonic(), self.dropped[reason]
            if now - self._logged.get(reason, -LOG_PERIOD_S) < LOG_PERIOD_S:
                return
            self._logged[reason] = now
        # Two lines of code on purpose: rclpy refuses one call that logs at two levels.
        if reason in DELIBERATE:
            self._logger.info(f"dropped ({reason}, {total} so far): {text}")
        else:
            self._logger.warning(f"dropped ({reason}, {total} so far): {text}")

    def publish(self, age_s: float, latency_s: float, timings: Mapping[str, float]) -> None:
        """Count a depth map: stamp to publication, arrival of the image to publication, seconds per stage."""
        with self._lock:
            self.depth_maps += 1
            self._ages.append(age_s)
            self._latencies.append(latency_s)
            self._timings = dict(timings)

    def values(self) -> dict[str, str]:
        """Return everything as the key-value texts of a diagnostic status; times in milliseconds."""
        with self._lock:
            values = {topic: str(count) for topic, count in sorted(self.received.items())}
            values["depth_maps"] = str(self.depth_maps)
            values |= _percentiles("age", self._ages) | _percentiles("latency", self._latencies)
            values |= {f"{stage}_ms": f"{1e3 * seconds:.1f}" for stage, seconds in self._timings.items()}
            return values | {f"dropped.{reason}": str(count) for reason, count in sorted(self.dropped.items())}

    def faults(self) -> int:
        """Return the number of drops that an input is to blame for."""
        with self._lock:
            return sum(count for reason, count in self.dropped.items() if reason not in DELIBERATE)


class DiagnosticPublisher:
    """Publishes the statistics on /diagnostics each time it is told to."""

    def __init__(self, node: Node, statistics: Statistics) -> None:
        self._node, self._statistics = node, statistics
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._last = (monotonic(), 0, 0)

    def publish(self, facts: Mapping[str, str], idle: str) -> None:
        """Publish one status: `facts` (model), why the node is idle ("" if it is not), rate and statistics."""
        now, maps, faults = monotonic(), self._statistics.depth_maps, self._statistics.faults()
        before, maps_before, faults_before = self._last
        self._last = (now, maps, faults)
        rate, dropped = (maps - maps_before) / max(now - before, 1e-3), faults - faults_before
        level = DiagnosticStatus.WARN if dropped else DiagnosticStatus.OK
        message = idle or f"{rate:.1f} depth maps/s" + f", {dropped} dropped" * bool(dropped)
        values = {**facts, "rate_hz": f"{rate:.2f}", **self._statistics.values()}
        name = self._node.get_fully_qualified_name().lstrip("/")
        status = DiagnosticStatus(level=level, name=name, message=message, hardware_id="")
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)


def _percentiles(name: str, seconds: deque[float]) -> dict[str, str]:
    if not seconds:
        return {}
    low, high = 1e3 * np.percentile(list(seconds), (50, 95))
    return {f"{name}_p50_ms": f"{low:.1f}", f"{name}_p95_ms": f"{high:.1f}"}
