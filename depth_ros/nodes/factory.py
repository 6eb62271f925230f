"""Messages of rclpy, made by the name of their type."""

from __future__ import annotations

import os
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
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise MessageError(f"message type '{type_name}' is not installed: {how_to_install(package)}") from error


def how_to_install(package: str) -> str:
    """Say how a package of ROS is installed: from apt beside a sourced ROS, else as a wheel beside those of rclpy."""
    name, distro = package.replace("_", "-"), os.environ.get("ROS_DISTRO")
    return f"install ros-{distro}-{name}" if distro else f"pip install ros-kilted-{name}"


def make(type_name: str, /, **fields: Any) -> Any:
    """Build one message; a flat uint8 ndarray among `fields` is lent to it, so leave it unchanged until it is sent."""
    message = message_class(type_name)()
    for name, value in fields.items():
        if isinstance(value, np.ndarray) and value.dtype == np.uint8:
            # The public setter copies and, on Humble, checks byte by byte; every distribution serialises any buffer.
            setattr(message, f"_{name}", np.ascontiguousarray(value))
        else:
            setattr(message, name, value.tolist() if isinstance(value, np.ndarray) else value)
    return message
