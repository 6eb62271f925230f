"""Quality of service: outputs as configured, inputs as their publishers offer it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, NamedTuple

from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException, NoTypeSupportImportedException, ParameterException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from depth_ros.errors import NodeError
from depth_ros.messages.decode import stamp_ns
from depth_ros.nodes.evidence import Publisher, Topic
from depth_ros.nodes.graph import candidates, publishers, type_name

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

POLL_PERIOD_S = 0.2
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
    return common(publishers(node, topic))


def common(offers: Sequence[Publisher]) -> Offer | None:
    """Return what all of `offers` can serve; None without any."""
    if not offers:
        return None
    reliable = all(offer.reliability == "reliable" for offer in offers)
    return Offer("reliable" if reliable else "best_effort", all(offer.latched for offer in offers))


@contextmanager
def refusals_named(topic: str) -> Iterator[None]:
    """Turn what rclpy raises for a topic that it does not take into a NodeError of one line."""
    try:
        yield
    # What its C side refuses is a RuntimeError or a ValueError; rclpy has no public class for it.
    except (NameValidationException, NoTypeSupportImportedException, RuntimeError, ValueError) as error:
        raise NodeError(f"'{topic}' cannot be a ROS 2 topic ({_reason(error)}): rename it, or leave it out") from error


@contextmanager
def overrides_named(node: Node, topic: str) -> Iterator[None]:
    """Turn what rclpy raises for the parameters qos_overrides.* of a publisher into a NodeError that names them."""
    try:
        yield
    except (ParameterException, RuntimeError, TypeError, ValueError) as error:
        begin = f"qos_overrides.{node.resolve_topic_name(topic)}.publisher."
        given = [name for name in node._parameter_overrides if name.startswith(begin)]
        if not given:
            raise
        raise NodeError(
            f"{' or '.join(given)} is refused ({_reason(error)}): "
            "history is keep_last or keep_all, depth an integer from 1, reliability reliable or best_effort"
        ) from error


def steady_timer(node: Node, period_s: float, callback: Callable[[], None]) -> Any:
    """Create a timer that runs on the machine's steady clock, also under simulated time."""
    return node.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))


class InputSubscription:
    """A subscription that waits for its publisher and adopts what it offers.

    reliability: auto (what is offered), reliable or best_effort. What a latched publisher sent before is received too.
    Publishers that come back with another offer are followed. raw: hand the serialised bytes to `callback` instead of
    a message. setting: what the user calls `reliability`. choice: what the user writes before the name of another topic
    (without `suffix`, which is added to `topic` here) to read that instead; "": a remap of `topic`. Raises NodeError
    when `topic` is no name of a topic.
    It says nothing itself about messages that do not come: `evidence` is for a `SilenceWatch`.
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
        choice: str = "",
        suffix: str = "",
    ) -> None:
        self._node, self._kind, self._callback = node, kind, callback
        self._reliability, self._depth, self._raw, self._setting = reliability, depth, raw, setting
        self._choice, self._suffix = choice or f"-r {topic}:=", suffix
        self._subscription: Any = None
        self._publishers: tuple[Publisher, ...] = ()
        self._received = self._refused = 0
        self._subscribed: float | None = None
        self._arrived: float | None = None
        self._interval_s = 0.0
        self._header: Any = None
        with refusals_named(topic):
            self.topic: str = node.resolve_topic_name(topic) + suffix
        self.adopted: Offer | None = None
        self._timer = steady_timer(node, POLL_PERIOD_S, self._poll)
        self._poll()

    def close(self) -> None:
        """End the subscription."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def evidence(self) -> Topic:
        """Return what is known of this input now; cheap, but for a look at the graph while nobody publishes it."""
        wanted, header = type_name(self._kind), self._header
        now = monotonic()
        return Topic(
            self.topic,
            wanted,
            self._publishers,
            reliability="" if self.adopted is None else self.adopted.reliability,
            latched=self.adopted is not None and self.adopted.latched,
            received=self._received,
            age_s=None if self._arrived is None else now - self._arrived,
            interval_s=self._interval_s,
            stamp_ns=None if header is None else stamp_ns(header.stamp),
            frame_id="" if header is None else header.frame_id,
            refused=self._refused,
            setting=self._setting,
            candidates=() if self._publishers else candidates(self._node, self.topic, wanted),
            waited_s=0.0 if self._subscribed is None else now - self._subscribed,
            choice=self._choice,
            suffix=self._suffix,
        )

    def _poll(self) -> None:
        self._publishers = publishers(self._node, self.topic)
        offer = common(self._publishers)
        if offer is None:
            return
        wanted = offer if self._reliability == "auto" else Offer(self._reliability, offer.latched)
        if wanted != self.adopted:
            self._subscribe(wanted)

    def _subscribe(self, offer: Offer) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._refused = 0
        self._subscription = self._node.create_subscription(
            self._kind,
            self.topic,
            self._receive,
            profile(offer.reliability, self._depth, latched=offer.latched),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._incompatible),
            raw=self._raw,
        )
        self.adopted, self._subscribed = offer, monotonic()
        self._node.get_logger().info(f"subscribed to {self.topic} ({offer.reliability}{', latched' * offer.latched})")

    def _receive(self, message: Any) -> None:
        now = monotonic()
        self._interval_s = 0.0 if self._arrived is None else now - self._arrived
        self._arrived, self._header = now, getattr(message, "header", None)
        self._received += 1
        self._callback(message)

    def _incompatible(self, _event: Any) -> None:
        self._refused += 1


def _reason(error: Exception) -> str:
    """Return the first line of what rclpy says, without the places in its source."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].partition(", at /")[0].rstrip(":")
