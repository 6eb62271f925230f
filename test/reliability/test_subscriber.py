"""Faults of those who listen to the depth."""

from __future__ import annotations

from typing import Any

import pytest
import rclpy

from depth_ros.nodes.outputs import KINDS
from depth_ros.nodes.qos import profile

pytestmark = pytest.mark.live
fault = pytest.mark.fault


@fault(
    "subscriber",
    broken="one never reads what it subscribed to, reliable",
    sees="nothing",
    recovers="nothing is lost for the others",
)
def test_never_reads(robot: Any) -> None:
    idle = rclpy.create_node("idle")
    for topic, kind in KINDS.items():
        idle.create_subscription(kind, topic, lambda _message: None, profile("reliable", 1))
    robot.spin(0.5)
    robot.drive(30)
    robot.expect_output()
    robot.recovers(within=1)
    robot.expect()
    idle.destroy_node()


@fault(
    "subscriber",
    broken="subscribers come and go, 10 times",
    sees="nothing within 2 s of the last one",
    recovers="with the first frame that somebody listens to",
    quick=True,
)
def test_come_and_go(robot: Any) -> None:
    for _ in range(10):
        robot.leave()
        robot.drive()
        robot.listen()
        robot.wait_until_connected()
    robot.recovers()
    robot.expect()


@fault(
    "subscriber",
    broken="all go for longer than 2 s",
    sees="'nobody listens to a depth topic any more: unsubscribed'; state 'waiting for a subscriber'",
    recovers="with the first subscriber",
)
def test_all_go(robot: Any) -> None:
    robot.leave()
    robot.expect("nobody listens to a depth topic any more")
    robot.drive(3)
    robot.listen()
    robot.until(lambda: all(publisher.get_subscription_count() for publisher in robot.inputs.values()))
    robot.wait_until_connected()
    robot.recovers()
    robot.expect()


@fault(
    "subscriber",
    broken="one asks for more than is offered (latched)",
    sees="its own middleware's warning",
    recovers="nothing is lost for the others",
)
def test_asks_for_more(robot: Any) -> None:
    for topic, kind in KINDS.items():
        robot.node.create_subscription(kind, topic, lambda _message: None, profile("reliable", 1, latched=True))
    robot.spin(0.5)
    robot.recovers()
    robot.expect()
