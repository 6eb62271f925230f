"""rclpy messages by name, and the fast way of their bytes."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy")

from depth_ros.errors import MessageError
from depth_ros.nodes.factory import make, message_class


def test_bytes_become_an_array_of_bytes() -> None:
    message = make("sensor_msgs/msg/Image", data=np.arange(6, dtype=np.uint8), width=2)
    assert message.data == array("B", range(6))
    assert message.width == 2


def test_the_message_owns_its_bytes() -> None:
    data = np.zeros(3, np.uint8)
    message = make("sensor_msgs/msg/Image", data=data)
    data[:] = 7
    assert list(message.data) == [0, 0, 0]


def test_other_arrays_become_plain_numbers() -> None:
    message = make("sensor_msgs/msg/CameraInfo", k=np.arange(9.0), d=np.array([0.5]))
    assert list(message.k) == list(range(9))
    assert list(message.d) == [0.5]


@pytest.mark.parametrize("name", ["nowhere_msgs/msg/Nothing", "sensor_msgs/msg/Smell"])
def test_a_type_that_is_not_installed_is_named(name: str) -> None:
    with pytest.raises(MessageError, match=name):
        message_class(name)
