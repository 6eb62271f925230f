"""Quality of service: outputs as configured, inputs as their publishers offer it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, NamedTuple

from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException, NoTypeSupportImportedException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from depth_ros.errors import NodeError

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


class Offer(NamedTuple):
    """What every publisher of a topic can serve; latched: a late subscriber gets the last messages too."""

    reliability: str
    latched: bool


def offered(node: Node, topic: str) -> Offer | None:
    """Return what all publishers on `topic` have in common; None without publishers."""
    offers = [info.qos_profile for info in node.get_publishers_info_by_topic(topic)]
    if not offers:
        return None
    reliable = all(offer.reliability != ReliabilityPolicy.BEST_EFFORT for offer in offers)
    latched = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
    return Offer("reliable" if reliable else "best_effort", latched)


@contextmanager
def refusals_named(topic: str) -> Iterator[None]:
    """Turn what rclpy raises for a topic that it does not take into a NodeError of one line."""
    try:
        yield
    # What its C side refuses is a RuntimeError or a ValueError; rclpy has no public class for it.
    except (NameValidationException, NoTypeSupportImportedException, RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].partition(", at /")[0].rstrip(":")
        raise NodeError(f"'{topic}' cannot be a ROS 2 topic ({reason}): rename it, or leave it out") from error


def steady_timer(node: Node, period_s: float, callback: Callable[[], None]) -> Any:
    """Create a timer that runs on the machine's steady clock, also under simulated time."""
    return node.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))


class InputSubscription:
    """A subscription that waits for its publisher and adopts what it offers.

    reliability: auto (what is offered), reliable or best_effort. What a latched publisher sent before is received too.
    Publishers that come back with another offer are followed. raw: hand the serialised bytes to `callback` instead of
    a message. setting: what the user calls `reliability`. Raises NodeError when `topic` is no name of a topic.
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
        raw: bool = False,
        setting: str = "input_reliability",
    ) -> None:
        self._node, self._kind, self._callback = node, kind, callback
        self._reliability, self._depth, self._raw, self._setting = reliability, depth, raw, setting
        self._subscription: Any = None
        self._silent_since: float | None = None
        with refusals_named(topic):
            self.topic: str = node.resolve_topic_name(topic)
        self.adopted: Offer | None = None
        self._timer = steady_timer(node, POLL_PERIOD_S, self._poll)
        self._poll()

    def close(self) -> None:
        """End the subscription."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _poll(self) -> None:
        offer = offered(self._node, self.topic)
        if offer is None:
            return
        wanted = offer if self._reliability == "auto" else Offer(self._reliability, offer.latched)
        if wanted != self.adopted:
            self._subscribe(wanted)
        self._watch_silence()

    def _subscribe(self, offer: Offer) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._node.create_subscription(
            self._kind,
            self.topic,
            self._receive,
            profile(offer.reliability, self._depth, latched=offer.latched),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._incompatible),
            raw=self._raw,
        )
        self.adopted, self._silent_since = offer, None
        self._node.get_logger().info(f"subscribed to {self.topic} ({offer.reliability}{', latched' * offer.latched})")

    def _receive(self, message: Any) -> None:
        self._silent_since = float("inf")
        self._callback(message)

    def _incompatible(self, _event: Any) -> None:
        self._node.get_logger().warning(
            f"a publisher on {self.topic} offers less than is asked for, so nothing arrives from it: "
            f"set {self._setting} to auto or best_effort"
        )

    def _watch_silence(self) -> None:
        if self.adopted is None or self.adopted.reliability != "best_effort":
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
