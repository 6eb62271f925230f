"""What every message shares: the stamp, the bytes of `data`, and the check that it is the message one thinks it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.errors import MessageError


def stamp_ns(stamp: Any) -> int:
    """Return a builtin_interfaces/Time (`sec`, `nanosec`) as integer nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


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
    except (TypeError, ValueError, BufferError) as error:
        raise MessageError(f"message data of type {type(data).__name__} holds no bytes: publish uint8[]") from error


def require(message: Any, kind: str, *names: str) -> None:
    """Raise MessageError when `message` lacks one of the attributes of a `kind`."""
    missing = [name for name in names if not hasattr(message, name)]
    if missing:
        raise MessageError(
            f"a {type(message).__name__} without {', '.join(missing)} is no {kind}: check the topic's type"
        )
