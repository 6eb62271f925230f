"""Quality of service: outputs as configured, inputs as their publishers offer it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

POLL_PERIOD_S = 0.2
SILENCE_S = 5.0
BY_NAME = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}


def profile(reliability: str, depth: int, *, latched: bool = False) -> QoSProfile:
    """Return keep-last `depth` with the named reliability; `latched` keeps the last messages for late subscribers."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=BY_NAME[reliability],
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def offered_reliability(node: Node, topic: str) -> str | None:
    """Return what every publisher on `topic` can serve: best_effort if one offers no more; None without publishers."""
    offers = {info.qos_profile.reliability for info in node.get_publishers_info_by_topic(topic)}
    if not offers:
        return None
    return "best_effort" if ReliabilityPolicy.BEST_EFFORT in offers else "reliable"


def steady_timer(node: Node, period_s: float, callback: Callable[[], None]) -> Any:
    """Create a timer that runs on the machine's steady clock, also under simulated time."""
    return node.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))


class InputSubscription:
    """A subscription that waits for its publisher and adopts the reliability that it offers.

    reliability: auto, reliable or best_effort. With auto, a publisher that comes back with another offer is followed.
    raw: hand the serialised bytes to `callback` instead of a message.
    """

    def __init__(
        self,
        node: Node,
        kind: Any,
        topic: str,
        callback: Callable[[Any], None],
        reliability: str,
        depth: int,
        *,
        latched: bool = False,
        raw: bool = False,
    ) -> None:
        self._node, self._kind, self._callback = node, kind, callback
        self._auto, self._depth, self._latched, self._raw = reliability == "auto", depth, latched, raw
        self._subscription: Any = None
        self._silent_since: float | None = None
        self.topic: str = node.resolve_topic_name(topic)
        self.reliability: str | None = None
        if not self._auto:
            self._subscribe(reliability)
        self._timer = steady_timer(node, POLL_PERIOD_S, self._poll)
        self._poll()

    def close(self) -> None:
        """End the subscription."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _poll(self) -> None:
        offer = offered_reliability(self._node, self.topic)
        if self._auto and offer is not None and offer != self.reliability:
            self._subscribe(offer)
        self._watch_silence(offer)

    def _subscribe(self, reliability: str) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._node.create_subscription(
            self._kind,
            self.topic,
            self._receive,
            profile(reliability, self._depth, latched=self._latched),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._incompatible),
            raw=self._raw,
        )
        self.reliability, self._silent_since = reliability, None
        self._node.get_logger().info(f"subscribed to {self.topic} ({reliability})")

    def _receive(self, message: Any) -> None:
        self._silent_since = float("inf")
        self._callback(message)

    def _incompatible(self, _event: Any) -> None:
        self._node.get_logger().warning(
            f"a publisher on {self.topic} offers less than the {self.reliability} that is asked for, "
            "so nothing arrives: set input_reliability to auto or best_effort"
        )

    def _watch_silence(self, offer: str | None) -> None:
        if self.reliability != "best_effort" or offer is None:
            return
        if self._silent_since is None:
            self._silent_since = monotonic()
        elif monotonic() - self._silent_since > SILENCE_S:
            self._silent_since = float("inf")
            self._node.get_logger().warning(
                f"{self.topic} has a publisher, but nothing has arrived in {SILENCE_S:.0f} s: stock Fast DDS loses "
                "best-effort messages over 0.5 MB; publish reliable, or start the publisher with "
                "FASTDDS_DEFAULT_PROFILES_FILE set to depth_ros' fastdds_large.xml"
            )
