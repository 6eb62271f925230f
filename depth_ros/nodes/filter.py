"""The pairing as a filter of message_filters, for nodes of others: import this module only where that is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import RLock
from time import monotonic_ns
from typing import Any

from message_filters import SimpleFilter
from rclpy.node import Node

from depth_ros.config import PairingConfig
from depth_ros.messages.decode import stamp_ns
from depth_ros.nodes.qos import steady_timer
from depth_ros.pairing import Pair, Pairer

POLL_S = 0.01


class PairFilter(SimpleFilter):  # type: ignore[misc]
    """Signals (image, scan) for every pair that `Pairer` makes of two filters whose messages have a header.

        image = message_filters.Subscriber(node, Image, "image", qos_profile=10)
        scan = message_filters.Subscriber(node, PointCloud2, "points", qos_profile=10)
        PairFilter(node, image, scan).registerCallback(on_pair)  # on_pair(image, scan)

    Unlike message_filters' ApproximateTimeSynchronizer it pairs each image with the scan nearest to it, whatever comes
    later, lets one scan serve several images, waits no longer than `max_wait`, and counts what found no partner.
    Safe under a multi-threaded executor.
    """

    def __init__(
        self, node: Node, image: SimpleFilter, scan: SimpleFilter, config: PairingConfig | None = None
    ) -> None:
        super().__init__()
        self._node, self._lock = node, RLock()
        self._pairer: Pairer[Any, Any] = Pairer(PairingConfig() if config is None else config)
        self._timer = steady_timer(node, POLL_S, self._poll)
        image.registerCallback(self._on_image)
        scan.registerCallback(self._on_scan)

    @property
    def counters(self) -> Mapping[str, int]:
        """How often each thing happened: `paired`, and one name per reason for which a message went unused."""
        return self._pairer.counters

    def flush(self) -> None:
        """Settle everything that waits with what is here, as at the end of a bag."""
        with self._lock:
            self._signal(self._pairer.flush())

    def _on_image(self, message: Any) -> None:
        with self._lock:
            self._signal(self._pairer.add_image(stamp_ns(message.header.stamp), message, monotonic_ns()))
            self._timer.reset()

    def _on_scan(self, message: Any) -> None:
        with self._lock:
            self._signal(self._pairer.add_scan(stamp_ns(message.header.stamp), message, monotonic_ns()))
            self._timer.reset()

    def _poll(self) -> None:
        with self._lock:
            self._signal(self._pairer.poll(monotonic_ns()))
            if not self._pairer.waits:
                self._timer.cancel()

    def _signal(self, pairs: Sequence[Pair[Any, Any]]) -> None:
        for pair in pairs:
            self.signalMessage(pair.image, pair.scan)
