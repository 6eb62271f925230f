"""Write rosbag2 bags (mcap or sqlite3) through rosbags, on machines with and without ROS."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from depth_ros.errors import BagError
from depth_ros.frame import DepthMap
from depth_ros.messages.encode import encode_camera, encode_depth, encode_image

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, Qos
    from rosbags.typesys.store import Typestore

STORAGES = ("mcap", "sqlite3")
METADATA = "metadata.yaml"
LATCHED_TOPICS = ("/tf_static", "/robot_description")
DEPTH_TOPIC, DEPTH_INFO_TOPIC = "/camera/depth/image_rect", "/camera/depth/camera_info"
SIGMA_TOPIC, SOURCE_TOPIC = "/camera/depth/sigma", "/camera/depth/source"
_SQLITE_LEFTOVERS = ("-journal", "-shm", "-wal")


@lru_cache(maxsize=1)
def type_store() -> Typestore:
    """Return the rosbags type store of ROS 2 messages; the layouts of ours are the same in every distribution."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_KILTED)


def bag_factory(type_name: str, /, **fields: Any) -> Any:
    """Make a message of the rosbags type store: the MessageFactory that `messages.encode` takes for bags.

    Fields left out are zero or empty; sequences of numbers become the arrays that rosbags wants. Raises BagError on a
    type or a field that does not exist.
    """
    try:
        definition = type_store().get_msgdef(type_name)
    except KeyError:
        raise BagError(f"message type {type_name} is unknown: name one as sensor_msgs/msg/Image") from None
    kinds: dict[str, Any] = dict(definition.fields)
    try:
        given = {name: _as_stored(value, kinds[name]) for name, value in fields.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise BagError(f"message {type_name} cannot be made ({error}): known fields are {', '.join(kinds)}") from None
    left_out = {name: _zero(kind) for name, kind in kinds.items() if name not in given}
    return definition.cls(**given, **left_out)


class BagWriter:
    """Write one rosbag2 folder; a context manager.

    path: the folder to make. storage: `mcap` or `sqlite3`. overwrite: remove the bag that is there, and never anything
    else: a folder with other files in it is refused. keep_cut: keep what was written when an exception ends the writing
    (a recording cannot be made again). Raises BagError when the folder is there already, cannot be made
    or cannot be written.
    """

    def __init__(
        self, path: str | Path, storage: str = "mcap", overwrite: bool = False, *, keep_cut: bool = False
    ) -> None:
        from rosbags.rosbag2 import StoragePlugin, Writer

        self.path, self._keep_cut = Path(path), keep_cut
        if storage not in STORAGES:
            raise BagError(f"storage is '{storage}': give one of {', '.join(STORAGES)}")
        self._make_room(overwrite)
        self._connections: dict[str, Connection] = {}
        self._writer = Writer(self.path, version=9, storage_plugin=StoragePlugin[storage.upper()])

    def __enter__(self) -> BagWriter:
        """Make the folder and its file."""
        with _Guard(self.path):
            self._writer.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Finish the bag; after an exception nothing is left behind, unless what was written is to be kept."""
        try:
            with _Guard(self.path):
                self._writer.close()
        except BagError:
            if error is None:
                raise
        if error is not None and not (self._keep_cut and self._connections):
            shutil.rmtree(self.path, ignore_errors=True)

    def write(self, topic: str, type_name: str, message: Any, stamp_ns: int) -> None:
        """Append a message made by `bag_factory`; stamp_ns: when it was received, ns."""
        self._check_known(topic, type_name)
        with _Guard(self.path):
            raw = type_store().serialize_cdr(message, type_name)
        self.write_raw(topic, type_name, raw, stamp_ns)

    def write_raw(
        self, topic: str, type_name: str, raw: bytes | memoryview, stamp_ns: int, *, msgdef: str = "", rihs01: str = ""
    ) -> None:
        """Append a message that is serialised already (CDR), as a raw subscription or another bag gives it.

        msgdef, rihs01: definition and hash of a type that the rosbags store does not know.
        """
        with _Guard(self.path):
            connection = self._connections.get(topic)
            if connection is None:
                connection = self._connect(topic, type_name, msgdef, rihs01)
            elif connection.msgtype != type_name:
                raise BagError(
                    f"{self.path}: topic {topic} holds {connection.msgtype}, not {type_name}: use two topics"
                )
            self._writer.write(connection, stamp_ns, raw)

    def _connect(self, topic: str, type_name: str, msgdef: str, rihs01: str) -> Connection:
        if not msgdef:
            self._check_known(topic, type_name)
        self._connections[topic] = self._writer.add_connection(
            topic,
            type_name,
            typestore=type_store(),
            msgdef=msgdef or None,
            rihs01=rihs01 or None,
            offered_qos_profiles=[_qos(latched=topic in LATCHED_TOPICS)],
        )
        return self._connections[topic]

    def _check_known(self, topic: str, type_name: str) -> None:
        if type_name not in type_store().fielddefs:
            raise BagError(f"{self.path}: type {type_name} of {topic} is unknown: give its definition, or leave it out")

    def _make_room(self, overwrite: bool) -> None:
        if not self.path.exists():
            return
        if not overwrite:
            raise BagError(f"{self.path}: exists already: give another path, or --overwrite")
        own = _files_of_bag(self.path)
        with _Guard(self.path):
            others = sorted(entry.name for entry in self.path.iterdir() if entry.name not in own or entry.is_dir())
            if others:
                named = ", ".join(others[:3]) + ", ..." * (len(others) > 3)
                raise BagError(
                    f"{self.path}: holds more than a bag ({named}), so it is not overwritten: move that away"
                )
            shutil.rmtree(self.path)


def write_depth(writer: BagWriter, maps: Iterable[DepthMap], encoding: str = "32FC1") -> int:
    """Write depth maps with all that belongs to them: depth/image_rect, camera_info, sigma and source of /camera.

    encoding: of the depth, 32FC1 (m) or 16UC1 (mm); sigma is 32FC1 (m), source mono8 (`Source`). Each is recorded at
    its own stamp. Returns how many were written.
    """
    count = 0
    for depth_map in maps:
        stamp, frame = depth_map.stamp_ns, depth_map.frame_id
        images = {
            DEPTH_TOPIC: encode_depth(bag_factory, stamp, frame, depth_map.depth, encoding),
            SIGMA_TOPIC: encode_depth(bag_factory, stamp, frame, depth_map.sigma),
            SOURCE_TOPIC: encode_image(bag_factory, stamp, frame, depth_map.source, "mono8"),
        }
        info = encode_camera(bag_factory, stamp, frame, depth_map.camera)
        writer.write(DEPTH_INFO_TOPIC, "sensor_msgs/msg/CameraInfo", info, stamp)
        for topic, image in images.items():
            writer.write(topic, "sensor_msgs/msg/Image", image, stamp)
        count += 1
    return count


def _files_of_bag(folder: Path) -> set[str]:
    """Return the names that a bag's metadata.yaml gives its files, itself too; raises BagError where there is none."""
    try:
        content = yaml.safe_load((folder / METADATA).read_text(encoding="utf-8"))
        listed = [Path(name).name for name in content["rosbag2_bagfile_information"]["relative_file_paths"]]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        raise BagError(f"{folder}: is no bag, so it is not overwritten: give another path") from None
    return {METADATA, *listed, *(name + leftover for name in listed for leftover in _SQLITE_LEFTOVERS)}


class _Guard:
    """Turns what the file system and rosbags raise while a bag is written into a BagError of one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, BagError):
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BagError(f"{self._path}: cannot be written ({reason}): check the path, the disk and the message")


def _as_stored(value: Any, kind: Any) -> Any:
    """Return `value` as the rosbags class wants the field: sequences of numbers as ndarrays of the field's dtype."""
    dtype = _array_dtype(kind)
    if dtype is None:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return np.frombuffer(value, dtype=dtype)
    return np.ascontiguousarray(value, dtype=dtype).reshape(-1)


def _zero(kind: Any) -> Any:
    from rosbags.interfaces import Nodetype

    node, detail = kind
    if node == Nodetype.NAME:
        return bag_factory(detail)
    if node == Nodetype.BASE:
        return {"string": "", "wstring": "", "bool": False}.get(detail[0], 0)
    element, length = detail
    dtype = _array_dtype(kind)
    count = length if node == Nodetype.ARRAY else 0
    return [_zero(element) for _ in range(count)] if dtype is None else np.zeros(count, dtype)


def _array_dtype(kind: Any) -> str | None:
    from rosbags.interfaces import Nodetype

    node, detail = kind
    if node not in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return None
    element, name = detail[0]
    if element != Nodetype.BASE or name[0] in ("string", "wstring"):
        return None
    return {"octet": "uint8", "byte": "uint8", "char": "uint8"}.get(name[0], str(name[0]))


def _qos(latched: bool) -> Qos:
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    never = QosTime(9223372036, 854775807)
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 10,
        QosReliability.RELIABLE,
        durability,
        never,
        never,
        QosLiveliness.AUTOMATIC,
        never,
        False,
    )
