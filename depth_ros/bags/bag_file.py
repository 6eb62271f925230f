"""Raw access to a bag of any kind: rosbag2 (mcap, sqlite3) and ROS 1, through rosbags."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from depth_ros.bags.cut_mcap import CutMcap
from depth_ros.bags.writer import type_store
from depth_ros.errors import BagError

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag1 import Reader as Reader1
    from rosbags.rosbag2 import Reader as Reader2

_log = logging.getLogger("depth_ros")

BAG_SUFFIXES = (".mcap", ".db3", ".bag")


class Topic(NamedTuple):
    """One topic of a bag.

    total: its messages. latched: late subscribers get it too. reliable: False where it was offered best effort.
    """

    name: str
    type_name: str
    total: int
    latched: bool
    reliable: bool


class Recorded(NamedTuple):
    """One recorded message. arrival_ns: when the recorder got it, ns. raw: the message as CDR, ROS 1 bags too."""

    topic: str
    type_name: str
    arrival_ns: int
    raw: bytes | memoryview


class BagFile:
    """An open bag; a context manager.

    topics: by name. is_cut: the file ends too early, and only what comes before is given.
    Raises BagError, in one line, on what is no bag or cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.is_cut = False
        self.topics: dict[str, Topic] = {}
        self._reader: Reader1 | Reader2

    def __enter__(self) -> BagFile:
        """Open the bag and list its topics."""
        self._reader = self._open()
        for connection in self._reader.connections:
            earlier = self.topics.get(connection.topic)
            self.topics[connection.topic] = _topic(connection, 0 if earlier is None else earlier.total)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Close the bag."""
        self._reader.close()

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Recorded]:
        """Yield the messages of `topics` (None = all) in the order of their arrival.

        Where the bag is cut or damaged it ends with a warning. Of ROS 1 bags only known types are given.
        """
        chosen = [entry for entry in self._reader.connections if topics is None or entry.topic in topics]
        if self._is_ros1:
            chosen = [entry for entry in chosen if entry.msgtype in type_store().fielddefs]
        count = 0
        try:
            # Without a connection rosbags would give them all.
            for entry, arrival_ns, raw in self._reader.messages(chosen) if chosen else ():
                cdr = type_store().ros1_to_cdr(raw, entry.msgtype) if self._is_ros1 else raw
                yield Recorded(entry.topic, entry.msgtype, arrival_ns, cdr)
                count += 1
        except Exception as error:  # rosbags raises whatever its storage does: struct, sqlite, zstd, assertions
            if not self.is_cut:
                _log.warning("%s: is damaged after %d messages (%s); they are used", self.path, count, _reason(error))
            self.is_cut = True

    def first(self, topic: str) -> Any | None:
        """Return the first message of a topic that can be read, or None."""
        for recorded in self.messages([topic]):
            with suppress(BagError):
                return decode_recorded(recorded)
        return None

    @property
    def _is_ros1(self) -> bool:
        return self.path.suffix == ".bag" or self._only_file_suffix == ".bag"

    @property
    def _only_file_suffix(self) -> str:
        only = self._only_file()
        return "" if only is None else only.suffix

    def _only_file(self) -> Path | None:
        files = [self.path] if self.path.is_file() else bag_files(self.path)
        return files[0] if len(files) == 1 else None

    def _open(self) -> Reader1 | Reader2:
        if not self.path.exists():
            raise BagError(f"{self.path}: does not exist: give a bag")
        only = self._only_file()
        target = self.path if self.path.is_file() or (self.path / "metadata.yaml").is_file() else only
        if target is None:
            raise BagError(f"{self.path}: holds no metadata.yaml and not one bag file: give a bag, or reindex this one")
        try:
            return _opened(target)
        except Exception as error:  # see messages()
            reason = _reason(error)
        if only is not None and only.suffix == ".mcap":
            try:
                reader = _opened(CutMcap(only))
            except Exception as error:
                raise BagError(f"{self.path}: cannot be read ({reason}; {_reason(error)}): record again") from None
            self.is_cut = True
            _log.warning("%s: ends too early or lacks its index (%s); the whole records are used", self.path, reason)
            return reader
        raise BagError(f"{self.path}: cannot be read ({reason}): reindex the bag, or record again")


def decode_recorded(recorded: Recorded) -> Any:
    """Return the message of a record as a rosbags object of the ROS 2 type; raises BagError when its bytes are not."""
    try:
        return type_store().deserialize_cdr(recorded.raw, recorded.type_name)
    except Exception as error:  # rosbags raises KeyError, struct.error, SerdeError, UnicodeDecodeError, ...
        raise BagError(f"{recorded.topic}: a {recorded.type_name} cannot be read ({_reason(error)})") from None


def _opened(path: Any) -> Reader1 | Reader2:
    from rosbags.rosbag1 import Reader as Reader1
    from rosbags.rosbag2 import Reader as Reader2

    reader = Reader1(path) if path.suffix == ".bag" else Reader2(path)
    reader.open()
    return reader


def _topic(connection: Connection, counted: int) -> Topic:
    from rosbags.interfaces import ConnectionExtRosbag1, QosDurability, QosReliability

    extra, total = connection.ext, counted + connection.msgcount
    if isinstance(extra, ConnectionExtRosbag1):
        return Topic(connection.topic, connection.msgtype, total, bool(extra.latching), True)
    offered = extra.offered_qos_profiles
    latched = any(qos.durability == QosDurability.TRANSIENT_LOCAL for qos in offered)
    reliable = not any(qos.reliability == QosReliability.BEST_EFFORT for qos in offered)
    return Topic(connection.topic, connection.msgtype, total, latched, reliable)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def is_bag(path: Path) -> bool:
    """Tell whether `path` looks like a bag: by its suffix, a metadata.yaml or a lone bag file in the folder."""
    if path.is_file():
        return path.suffix in BAG_SUFFIXES
    return (path / "metadata.yaml").is_file() or bool(bag_files(path))


def bag_files(folder: Path) -> list[Path]:
    """Return the bag files that lie directly in a folder, sorted; raises BagError when it cannot be listed."""
    if not folder.is_dir():
        raise BagError(f"{folder}: is neither a file nor a folder: give a bag or a folder of frames")
    try:
        return sorted(file for file in folder.iterdir() if file.suffix in BAG_SUFFIXES and file.is_file())
    except OSError as error:
        raise BagError(f"{folder}: cannot be listed ({error.strerror}): check its permissions") from None
