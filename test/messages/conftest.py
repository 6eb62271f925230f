"""The same cases through plain objects, rosbags' types and rclpy's classes, the latter two over the wire."""

from __future__ import annotations

import array
import importlib
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest


class Library(NamedTuple):
    """make: a MessageFactory. send: what a subscriber gets of a message of that kind."""

    make: Callable[..., Any]
    send: Callable[[str, Any], Any]


def plain_library() -> Library:
    def make(_kind: str, /, **fields: Any) -> Any:
        return types.SimpleNamespace(**fields)

    return Library(make, lambda _kind, message: message)


def rosbags_library() -> Library:
    typesys = pytest.importorskip("rosbags.typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)

    def make(kind: str, /, **fields: Any) -> Any:
        return store.types[kind](**fields)

    return Library(make, lambda kind, message: store.deserialize_cdr(store.serialize_cdr(message, kind), kind))


def rclpy_library() -> Library:
    serialization = pytest.importorskip("rclpy.serialization")
    pytest.importorskip("sensor_msgs.msg")

    def make(kind: str, /, **fields: Any) -> Any:
        package, _, name = kind.split("/")
        message = getattr(importlib.import_module(f"{package}.msg"), name)()
        for field, value in fields.items():
            setattr(message, field, ros_value(value))
        return message

    def send(_kind: str, message: Any) -> Any:
        return serialization.deserialize_message(serialization.serialize_message(message), type(message))

    return Library(make, send)


def ros_value(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return array.array("B", value.tobytes()) if value.dtype == np.uint8 else value.tolist()


@pytest.fixture(
    scope="session", params=[plain_library, rosbags_library, rclpy_library], ids=["plain", "rosbags", "rclpy"]
)
def library(request: pytest.FixtureRequest) -> Library:
    made: Library = request.param()
    return made


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    return plain_library().make
