"""One camera of the node, from its input topics to its output topics."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic, monotonic_ns
from typing import Any, NamedTuple

from rclpy.lifecycle import LifecycleNode

from depth_ros.nodes.counts import Statistics
from depth_ros.nodes.evidence import Topic
from depth_ros.nodes.inputs import CameraInput, InputPair, ScanInput
from depth_ros.nodes.outputs import Outputs
from depth_ros.nodes.pairs import Pairs
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.settings import Settings

# Longer than a listener takes to come back, as rviz does when a topic is chosen anew.
UNWATCHED_S = 2.0


class Channel:
    """A camera with its pairing and its outputs; it subscribes while somebody listens to them, and 2 s longer."""

    def __init__(self, node: LifecycleNode, name: str, settings: Settings, statistics: Statistics) -> None:
        self.name, self.statistics = name, statistics
        self._node, self._settings = node, settings
        self.outputs = Outputs(node, name, settings.output)
        self.pairs: Pairs | None = None
        self._input: CameraInput | None = None
        self._wanted_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the camera is subscribed."""
        return self._input is not None

    def follow_demand(self, on_work: Callable[[Work], None]) -> None:
        """Subscribe when somebody listens to an output, and unsubscribe when nobody has for a while."""
        if self.outputs.listeners():
            self._wanted_at = monotonic()
            # A publisher that waits for our subscription thereby knows that our listeners are connected too.
            if not self.is_open:
                self._open(on_work)
        elif self.pairs is not None and monotonic() - self._wanted_at > UNWATCHED_S:
            self.pairs.flush()
            self.unsubscribe()
            which = f" of camera {self.name}" if self.name else ""
            self._node.get_logger().info(
                f"nobody listens to a depth topic{which} any more: unsubscribed until somebody does"
            )

    def add_scan(self, lidar: str, stamp_ns: int, scan: ScanInput) -> None:
        """Offer a scan to the pairing."""
        if self.pairs is not None:
            self.pairs.add_scan(lidar, stamp_ns, scan)

    def configure(self, changed: Collection[ParameterGroup[Any]]) -> None:
        """Let changed settings take effect."""
        settings = self._settings
        if self._input is not None and settings.input in changed:
            self._input.choose_camera()
        if self.pairs is not None:
            self.pairs.configure(settings.pairing_config, settings.last_scan_for, settings.image_alone)

    def evidence(self) -> list[Topic]:
        """Return what is known of the input topics, nothing while they are not subscribed."""
        return [] if self._input is None else self._input.evidence()

    def unsubscribe(self) -> None:
        """End the subscriptions; what waits is forgotten."""
        if self._input is not None:
            self._input.close()
        if self.pairs is not None:
            self.pairs.close()
        self._input = self.pairs = None

    def close(self) -> None:
        """End the subscriptions and the publishers."""
        self.unsubscribe()
        self.outputs.close()

    def _open(self, on_work: Callable[[Work], None]) -> None:
        settings = self._settings

        def on_pair(pair: InputPair) -> None:
            on_work(Work(self, pair, _timings(pair)))

        pairs = Pairs(
            self._node,
            settings.pairing_config,
            settings.lidars,
            settings.last_scan_for,
            self.statistics,
            on_pair,
            settings.image_alone,
        )
        try:
            self._input = CameraInput(
                self._node, self.name, settings.input, self.statistics, pairs.add_image, settings.read_camera
            )
        except Exception:
            pairs.close()
            raise
        self.pairs = pairs


class Work(NamedTuple):
    """A pair of a camera that is to be completed; timings: seconds per stage so far."""

    channel: Channel
    pair: InputPair
    timings: dict[str, float]


def _timings(pair: InputPair) -> dict[str, float]:
    decode_s = pair.image.decode_s + sum(scan.item.decode_s for scan in pair.scans)
    return {"decode": decode_s, "pair": (monotonic_ns() - pair.image.decoded_ns) / 1e9}
