"""Faults of one sensor among several: what the others give goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image

from depth_ros.messages.encode import encode_image
from depth_ros.nodes.factory import make
from depth_ros.nodes.qos import profile

pytestmark = pytest.mark.live
fault = pytest.mark.fault
CAMERAS = ["front", "rear"]


@pytest.fixture
def robot(make_robot: Callable[..., Any]) -> Any:
    """The front camera's robot; somebody listens to the rear one too."""
    robot = make_robot(camera="front", cameras=CAMERAS)
    robot.node.create_subscription(Image, "rear/depth/image_rect", lambda _message: None, profile("reliable", 5))
    return robot


@fault(
    "image",
    broken="one of two cameras is silent",
    sees="its status in /diagnostics; 'no output' of its own logger",
    recovers="nothing is lost for the other",
)
def test_one_camera_is_silent(robot: Any) -> None:
    robot.until_said("completion_node.rear]: no output (no_publisher)", robot.drive)
    robot.expect_output()
    robot.recovers(within=1)
    robot.expect()


@fault(
    "image",
    broken="one of two cameras sends what cannot be decoded",
    sees="dropped (no_camera_info) or (bad_image) of its own status in /diagnostics",
    recovers="nothing is lost for the other",
)
def test_one_camera_is_broken(robot: Any) -> None:
    rear = robot.node.create_publisher(Image, "rear/image", profile("reliable", 5))
    robot.until(rear.get_subscription_count)
    for _ in range(5):
        message = encode_image(make, robot.stamp, "rear", np.zeros((9, 9, 3), np.uint8), "rgb8")
        message.encoding = "smell8"
        rear.publish(message)
        robot.drive()
    robot.expect_output()
    robot.recovers(within=1)
    robot.expect()
