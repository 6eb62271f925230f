"""Messages of rclpy, made by the name of their type."""

from __future__ import annotations

from array import array
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from depth_ros.errors import MessageError


@lru_cache(maxsize=64)
def message_class(type_name: str) -> Any:
    """Return the class of `type_name` ("sensor_msgs/msg/Image").

    Raises MessageError, naming the package to install, when it does not import.
    """
    package, _, name = type_name.replace("/msg/", "/").partition("/")
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise MessageError(
            f"message type '{type_name}' is not installed: install ros-$ROS_DISTRO-{package.replace('_', '-')}"
        ) from error


def make(type_name: str, /, **fields: Any) -> Any:
    """Build one message; a flat uint8 ndarray among `fields` becomes the array that rclpy takes without a check."""
    message = message_class(type_name)()
    for name, value in fields.items():
        setattr(message, name, _field(value))
    return message


def _field(value: Any) -> Any:
    # Assigning an ndarray to a byte field costs 160 ms per 2.8 MB image, an array of bytes 0.4 ms.
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        # frombytes grows the array in steps, which costs 20 ms of a 22 MB cloud.
        filled = array("B", b"\0") * value.size
        np.frombuffer(filled, np.uint8)[:] = value
        return filled
    return value.tolist() if isinstance(value, np.ndarray) else value
