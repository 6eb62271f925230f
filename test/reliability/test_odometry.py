"""Faults of the odometry, by which scans are deskewed: the robot stands still, so every depth is that without it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped

from depth_ros.messages.encode import encode_header
from depth_ros.nodes.factory import make
from depth_ros.nodes.odometry import Odometry
from depth_ros.nodes.qos import profile

pytestmark = pytest.mark.live
fault = pytest.mark.fault
BODY = {
    "pose_source": "odometry",
    "extrinsics_links": ["lidar", "body"],
    "extrinsics.body.parent": "base_link",
    "extrinsics.body.child": "lidar",
}


@pytest.fixture
def odometry_kind(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The type of odometry; where nav_msgs is not installed, the pose in it stands in."""
    if find_spec("nav_msgs") is not None:
        from nav_msgs.msg import Odometry as Message

        return Message
    package = ModuleType("nav_msgs.msg")
    package.Odometry = PoseWithCovarianceStamped  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nav_msgs", ModuleType("nav_msgs"))
    monkeypatch.setitem(sys.modules, "nav_msgs.msg", package)
    add = Odometry.add

    def add_as_body(odometry: Odometry, pose: Any) -> None:
        add(odometry, SimpleNamespace(header=pose.header, child_frame_id="base_link", pose=pose.pose))

    monkeypatch.setattr(Odometry, "add", add_as_body)
    return PoseWithCovarianceStamped


@pytest.fixture
def robot(make_robot: Callable[..., Any], odometry_kind: Any) -> Any:
    """A robot whose node deskews by odometry."""
    robot = make_robot(started=False, **BODY)
    output = robot.node.create_publisher(odometry_kind, "odometry", profile("reliable", 50))

    def send(stamp: int, x: float = 1.0) -> None:
        message = odometry_kind(header=encode_header(make, stamp, "odom"))
        if hasattr(message, "child_frame_id"):
            message.child_frame_id = "base_link"
        message.pose.pose.position.x = x
        output.publish(message)
        robot.spin(0.02)

    def before_frame(stamp: int) -> None:
        send(stamp - 10_000_000)
        send(stamp)

    send_scan = robot.send_scan
    # A scan of the image's own moment would need no pose.
    robot.send_scan = lambda stamp: send_scan(stamp - 1_000_000)
    robot.send_odometry, robot.before_frame = send, before_frame
    robot.subject.start()
    robot.until(output.get_subscription_count)
    robot.spin(0.3)
    robot.prove()
    return robot


@fault(
    "odometry",
    broken="silent for 5 frames",
    sees="worse (undeskewed): by how much it is behind",
    recovers="with the first pose; meanwhile scans are used as they come",
)
def test_silent(robot: Any) -> None:
    before_frame, robot.before_frame = robot.before_frame, lambda _stamp: None
    robot.drive(5)
    robot.expect_output()
    robot.before_frame = before_frame
    robot.recovers()
    robot.expect("used as it came, not deskewed", undeskewed=5)


@fault(
    "odometry",
    broken="NaN poses among the good ones",
    sees="dropped (bad_odometry)",
    recovers="nothing is lost",
)
def test_nan(robot: Any) -> None:
    for _ in range(3):
        robot.send_odometry(robot.stamp + 10, float("nan"))
        robot.drive()
    robot.expect_output()
    robot.recovers()
    robot.expect("is no pose", bad_odometry=3)


@fault(
    "odometry",
    broken="one pose is stamped an hour ahead",
    sees="worse (undeskewed), if a scan comes before the next pose",
    recovers="with the next poses",
)
def test_from_the_future(robot: Any) -> None:
    robot.send_odometry(robot.stamp + 3_600_000_000_000)
    robot.recovers()
    assert set(robot.drops_now()) <= {"undeskewed"}


@fault(
    "odometry",
    broken="time jumps back, as of a bag that starts again",
    sees="nothing, or worse (undeskewed) for the first scan",
    recovers="with the next poses",
)
def test_jumps_back(robot: Any) -> None:
    robot.drive(5)
    robot.expect_output()
    robot.jump(-100_000_000_000)
    robot.recovers()
    assert set(robot.drops_now()) <= {"undeskewed"}
