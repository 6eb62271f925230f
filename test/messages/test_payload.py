"""The bytes of a message: what is viewed, what is copied, what is refused."""

from __future__ import annotations

import array
import types
from typing import Any

import numpy as np
import pytest

from depth_ros.errors import MessageError
from depth_ros.messages.payload import payload, require

BYTES = bytes(range(12))


@pytest.mark.parametrize(
    "data",
    [BYTES, bytearray(BYTES), memoryview(BYTES), array.array("B", BYTES), np.frombuffer(BYTES, np.uint8)],
    ids=lambda data: type(data).__name__,
)
def test_buffers_are_viewed(data: Any) -> None:
    view = payload(data)
    assert view.dtype == np.uint8
    assert bytes(view) == BYTES
    assert np.shares_memory(view, np.frombuffer(data, np.uint8))


def test_arrays_of_other_types_and_shapes_are_their_bytes() -> None:
    assert bytes(payload(np.frombuffer(BYTES, np.int8).reshape(3, 4))) == BYTES
    assert bytes(payload(np.frombuffer(BYTES, np.float32))) == BYTES
    assert bytes(payload(array.array("H", [258, 3]))) == np.array([258, 3], np.uint16).tobytes()


@pytest.mark.parametrize("data", [b"", [], array.array("B"), np.empty(0, np.uint8)])
def test_nothing_is_no_bytes(data: Any) -> None:
    assert payload(data).shape == (0,)


@pytest.mark.parametrize("data", [None, 5, "text", [256], [-1], ["a"], [1.5], np.array([{}], object)])
def test_what_holds_no_bytes_is_refused(data: Any) -> None:
    with pytest.raises(MessageError, match=r"holds no bytes: publish uint8\[\]"):
        payload(data)


def test_missing_attributes_are_named() -> None:
    require(types.SimpleNamespace(a=1, b=2), "Thing", "a", "b")
    with pytest.raises(MessageError, match="a SimpleNamespace without b, c is no Thing: check the topic's type"):
        require(types.SimpleNamespace(a=1), "Thing", "a", "b", "c")
