"""rclpy messages by name, and the fast way of their bytes."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from depth_ros.errors import MessageError
from depth_ros.nodes.factory import make, message_class


def test_bytes_are_lent_and_go_over_the_wire_as_they_are() -> None:
    data = np.arange(6, dtype=np.uint8)
    message = make("sensor_msgs/msg/Image", data=data, width=2)
    assert np.shares_memory(message.data, data)
    received = deserialize_message(serialize_message(message), message_class("sensor_msgs/msg/Image"))
    assert received.data == array("B", range(6))
    assert received.width == 2


def test_bytes_with_gaps_between_them_are_copied_first() -> None:
    message = make("sensor_msgs/msg/Image", data=np.arange(12, dtype=np.uint8)[::2])
    received = deserialize_message(serialize_message(message), message_class("sensor_msgs/msg/Image"))
    assert received.data == array("B", range(0, 12, 2))


def test_other_arrays_become_plain_numbers() -> None:
    message = make("sensor_msgs/msg/CameraInfo", k=np.arange(9.0), d=np.array([0.5]))
    assert list(message.k) == list(range(9))
    assert list(message.d) == [0.5]


@pytest.mark.parametrize("name", ["nowhere_msgs/msg/Nothing", "sensor_msgs/msg/Smell"])
def test_a_type_that_is_not_installed_is_named(name: str) -> None:
    with pytest.raises(MessageError, match=name):
        message_class(name)


@pytest.mark.parametrize("type_name", ["", "/", ".", "..x/msg/A", "sensor_msgs/msg/", "sensor_msgs"])
def test_what_is_no_type_name_is_a_message_error(type_name: str) -> None:
    with pytest.raises(MessageError, match="is not installed"):
        message_class(type_name)
