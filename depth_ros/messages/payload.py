"""What every message shares: the stamp, the bytes of `data`, and the check that it is the message one thinks it is."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import MessageError


def stamp_ns(stamp: Any) -> int:
    """Return a builtin_interfaces/Time (`sec`, `nanosec`) as integer nanoseconds; MessageError when it is none."""
    require(stamp, "stamp", "sec", "nanosec")
    return whole(stamp, "sec") * 1_000_000_000 + whole(stamp, "nanosec")


def whole(message: Any, name: str) -> int:
    """Return the attribute `name` of a message as an int; MessageError when it is no whole number."""
    value = getattr(message, name)
    try:
        return operator.index(value)
    except TypeError as error:
        raise MessageError(
            f"{name} of a {type(message).__name__} is a {type(value).__name__}: publish a whole number"
        ) from error


def payload(data: Any) -> NDArray[np.uint8]:
    """View a message's `data` as a flat uint8 array; only a list is copied.

    data: bytes, bytearray, memoryview, array.array, ndarray or list of numbers 0..255. The view is read-only where the
    buffer is (bytes). Raises MessageError when it is none of these.
    """
    try:
        if isinstance(data, (list, tuple)):
            return np.frombuffer(bytes(data), np.uint8)
        if isinstance(data, np.ndarray):
            return np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError, OverflowError) as error:
        raise MessageError(f"message data of type {type(data).__name__} holds no bytes: publish uint8[]") from error


def require(message: Any, kind: str, *names: str) -> None:
    """Raise MessageError when `message` lacks one of the attributes of a `kind`."""
    missing = [name for name in names if not hasattr(message, name)]
    if missing:
        raise MessageError(
            f"a {type(message).__name__} without {', '.join(missing)} is no {kind}: check the topic's type"
        )


def brief(error: Exception) -> str:
    """Return the text of another library's error in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
