"""The messages of a bag as they lie there, for the player."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from depth_ros.bags.writer import LATCHED_TOPICS, type_store
from depth_ros.errors import BagError


class RawTopic(NamedTuple):
    """What a bag says of a topic; reliability: reliable or best_effort, as it was recorded."""

    type_name: str
    reliability: str
    latched: bool


class RawMessage(NamedTuple):
    """One serialised message (CDR); time_ns: when it was received."""

    topic: str
    time_ns: int
    cdr: bytes


class RawBag:
    """Reads a rosbag2 folder, a lone .mcap or .db3, or a ROS 1 .bag (its messages turned into CDR); a context manager.

    Raises BagError when the bag is missing, truncated or no bag.
    """

    def __init__(self, path: Path) -> None:
        from rosbags.highlevel import AnyReader

        self.path = path
        with _Reading(path):
            self._reader = AnyReader([path], default_typestore=type_store())
        self.topics: dict[str, RawTopic] = {}

    def __enter__(self) -> RawBag:
        """Open the bag."""
        with _Reading(self.path):
            self._reader.open()
        self.topics = {c.topic: _about(c) for c in self._reader.connections}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Close the bag."""
        self._reader.close()

    def messages(self, topics: Sequence[str]) -> Iterator[RawMessage]:
        """Yield the messages of `topics` in the order in which they were received."""
        connections = [c for c in self._reader.connections if c.topic in topics]
        with _Reading(self.path):
            for connection, time_ns, raw in self._reader.messages(connections):
                yield RawMessage(connection.topic, time_ns, self._as_cdr(raw, connection.msgtype))

    def _as_cdr(self, raw: bytes, type_name: str) -> bytes:
        return raw if self._reader.is2 else bytes(type_store().ros1_to_cdr(raw, type_name))


class _Reading:
    """Turns what rosbags and the file system raise into a BagError of one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, BagError):
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BagError(f"{self._path}: cannot be read as a bag ({reason}): give a whole rosbag2 or ROS 1 bag")


def _about(connection: Any) -> RawTopic:
    from rosbags.interfaces import QosDurability, QosReliability

    profiles = getattr(connection.ext, "offered_qos_profiles", None) or []
    best_effort = any(qos.reliability == QosReliability.BEST_EFFORT for qos in profiles)
    latched = any(qos.durability == QosDurability.TRANSIENT_LOCAL for qos in profiles)
    return RawTopic(
        connection.msgtype,
        "best_effort" if best_effort else "reliable",
        latched or connection.topic in LATCHED_TOPICS,
    )
