"""Inputs adopt what their publishers offer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo

from depth_ros.errors import NodeError
from depth_ros.messages.encode import encode_header
from depth_ros.nodes import graph
from depth_ros.nodes.evidence import Evidence, Publisher
from depth_ros.nodes.factory import make
from depth_ros.nodes.graph import candidates
from depth_ros.nodes.outputs import KINDS
from depth_ros.nodes.qos import InputSubscription, Offer, offered, profile
from depth_ros.nodes.silence import diagnose

pytestmark = pytest.mark.live


class Pair:
    """A publishing and a subscribing node on one executor."""

    def __init__(self) -> None:
        self.sender, self.receiver = rclpy.create_node("sender"), rclpy.create_node("receiver")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.sender)
        self.executor.add_node(self.receiver)
        self.got: list[Any] = []

    def publisher(self, reliability: str, *, latched: bool = False) -> Any:
        return self.sender.create_publisher(CameraInfo, "info", profile(reliability, 5, latched=latched))

    def subscribe(self, reliability: str = "auto", **options: Any) -> InputSubscription:
        return InputSubscription(self.receiver, CameraInfo, "info", self.got.append, reliability, 5, **options)

    def spin_until(self, done: Any, turns: int = 400) -> None:
        for _ in range(turns):
            if done():
                return
            self.executor.spin_once(timeout_sec=0.02)
        raise AssertionError("never came")


@pytest.fixture
def pair(ros: None) -> Iterator[Pair]:  # noqa: ARG001 (a fixture used for what it does)
    pair = Pair()
    yield pair
    pair.executor.shutdown()
    pair.sender.destroy_node()
    pair.receiver.destroy_node()


def test_auto_waits_for_the_offer_and_follows_its_change(pair: Pair) -> None:
    subscription = pair.subscribe()
    assert subscription.adopted is None
    first = pair.publisher("best_effort")
    pair.spin_until(lambda: subscription.adopted == Offer("best_effort", latched=False))
    pair.sender.destroy_publisher(first)
    second = pair.publisher("reliable")
    pair.spin_until(
        lambda: subscription.adopted == Offer("reliable", latched=False) and second.get_subscription_count() == 1
    )
    second.publish(CameraInfo(width=7))
    pair.spin_until(lambda: pair.got)
    assert pair.got[0].width == 7
    subscription.close()


def test_of_several_publishers_best_effort_serves_all(pair: Pair) -> None:
    assert offered(pair.receiver, "/info") is None
    pair.publisher("reliable", latched=True)
    pair.spin_until(lambda: offered(pair.receiver, "/info") == Offer("reliable", latched=True))
    pair.publisher("best_effort")
    pair.spin_until(lambda: offered(pair.receiver, "/info") == Offer("best_effort", latched=False))


@pytest.mark.parametrize("reliability", ["auto", "reliable"])
def test_what_a_latched_publisher_sent_before_is_received(pair: Pair, reliability: str) -> None:
    pair.publisher("reliable", latched=True).publish(CameraInfo(width=7))
    subscription = pair.subscribe(reliability)
    pair.spin_until(lambda: pair.got)
    assert pair.got[0].width == 7
    subscription.close()


@pytest.mark.parametrize("name", ["/0cam/image", "/a b", "", "{x}", "/a//b", "/" + 300 * "a"])
def test_a_name_that_is_no_topic_is_one_line(pair: Pair, name: str) -> None:
    with pytest.raises(NodeError, match="cannot be a ROS 2 topic") as caught:
        InputSubscription(pair.receiver, CameraInfo, name, pair.got.append, "auto", 5)
    assert "\n" not in str(caught.value)


def test_raw_gives_the_bytes(pair: Pair) -> None:
    output = pair.publisher("reliable")
    subscription = pair.subscribe(raw=True)
    pair.spin_until(output.get_subscription_count)
    output.publish(CameraInfo(width=7))
    pair.spin_until(lambda: pair.got)
    assert isinstance(pair.got[0], bytes)
    subscription.close()


def test_asking_for_more_than_is_offered_is_known_with_the_remedy(pair: Pair) -> None:
    subscription = pair.subscribe("reliable", setting="--reliability")
    pair.publisher("best_effort")
    pair.spin_until(lambda: subscription.evidence().refused)
    (cause,) = diagnose(Evidence(topics=[subscription.evidence()]))
    assert cause.name == "qos_reliability"
    assert "set --reliability to auto" in cause.text
    assert "/sender offers /info" in cause.text
    subscription.close()


def test_evidence_tells_what_came(pair: Pair) -> None:
    subscription = pair.subscribe()
    before = subscription.evidence()
    assert (before.name, before.type_name, before.publishers) == ("/info", "sensor_msgs/msg/CameraInfo", ())
    assert (before.reliability, before.received, before.age_s, before.stamp_ns) == ("", 0, None, None)
    output = pair.publisher("reliable")
    pair.spin_until(lambda: output.get_subscription_count() == 1)
    for seconds in (7, 8):
        output.publish(make("sensor_msgs/msg/CameraInfo", header=encode_header(make, seconds * 10**9, "camera")))
        pair.spin_until(lambda count=seconds - 6: len(pair.got) == count)
    now = subscription.evidence()
    assert now.publishers == (Publisher("/sender", "sensor_msgs/msg/CameraInfo"),)
    assert (now.reliability, now.received, now.stamp_ns, now.frame_id) == ("reliable", 2, 8 * 10**9, "camera")
    assert now.age_s is not None
    assert now.interval_s > 0
    subscription.close()


def test_topics_of_the_type_are_suggested_while_there_is_no_publisher(pair: Pair) -> None:
    pair.sender.create_publisher(CameraInfo, "/front/info", 1)
    pair.sender.create_publisher(CameraInfo, "/a/other", 1)
    pair.receiver.create_publisher(CameraInfo, "/own", 1)
    subscription = pair.subscribe()
    pair.spin_until(lambda: len(subscription.evidence().candidates) == 2)
    assert subscription.evidence().candidates == ("/front/info", "/a/other")
    subscription.close()


def test_what_the_user_writes_to_choose_another_topic_is_known(pair: Pair) -> None:
    told = pair.subscribe().evidence()
    assert (told.name, told.choice, told.suffix) == ("/info", "-r info:=", "")
    told = InputSubscription(pair.receiver, CameraInfo, "front/i", print, "auto", 5, suffix="/zipped").evidence()
    assert (told.name, told.choice, told.suffix) == ("/front/i/zipped", "-r front/i:=", "/zipped")


def test_topics_named_alike_are_suggested_first_and_depth_last(pair: Pair) -> None:
    topics = ["a/depth/info", "b", "c/info", "depth/camera_info"]
    for topic in topics:
        pair.sender.create_publisher(CameraInfo, topic, 5)
    wanted = "sensor_msgs/msg/CameraInfo"
    pair.spin_until(lambda: pair.receiver.count_publishers("/depth/camera_info"))
    pair.spin_until(lambda: len(candidates(pair.receiver, "/info", wanted)) == 3)
    assert candidates(pair.receiver, "/info", wanted) == ("/c/info", "/b", "/a/depth/info")
    assert all(graph.OUTPUT.search(f"/front/{topic}") for topic in KINDS)
