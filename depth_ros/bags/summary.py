"""What is in a bag, what is missing, and whether depth can be completed from it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.bag_file import BagFile, Recorded
from depth_ros.bags.extrinsics import given_extrinsics
from depth_ros.bags.reader import read_static_transforms
from depth_ros.bags.topics import Topics, choose_topics
from depth_ros.bags.writer import type_store
from depth_ros.config import PairingConfig
from depth_ros.errors import BagError, DepthRosError
from depth_ros.messages.decode import decode_camera, decode_cloud, decode_image

_NS = 1e9
T = TypeVar("T")
Watch = Callable[[Iterable[Recorded], int], Iterable[Recorded]]


@dataclass
class TopicSummary:
    """One topic. rate_hz: from the first to the last arrival; largest_gap_s: between two arrivals; None below two."""

    name: str
    type_name: str
    count: int
    rate_hz: float | None
    largest_gap_s: float | None
    detail: str


@dataclass
class BagSummary:
    """A bag in numbers and words.

    problems: why depth cannot be completed from it, with the remedy; none = it can. stamps_apart_s: distance from each
    image to the nearest scan, median and largest.
    """

    path: str
    duration_s: float
    messages: int
    is_cut: bool
    topics: list[TopicSummary]
    roles: dict[str, str | None] = field(default_factory=dict)
    stamps_apart_s: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def can_complete(self) -> bool:
        """True when nothing is missing for a completion."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "can_complete": self.can_complete}


def summarise(
    path: str | Path,
    watch: Watch | None = None,
    *,
    topics: Mapping[str, str] | None = None,
    extrinsics: str | Path | None = None,
) -> BagSummary:
    """Read a whole bag once and say what is there and what is missing.

    watch: wraps the messages, for a progress bar. topics, extrinsics: as `source.open_source` takes them, and judged
    with the bag. Raises BagError when the path is no bag or a topic or the extrinsics cannot be used.
    """
    if topics:
        with BagFile(path) as bag:
            choose_topics(bag, topics)
    if extrinsics is not None:
        given_extrinsics(path, extrinsics, topics)
    with BagFile(path) as bag:
        total = sum(topic.total for topic in bag.topics.values())
        times = _read_times(bag.messages() if watch is None else watch(bag.messages(), total))
        arrivals = [time for entry in times.values() for time in entry.arrivals]
        listed = [_topic_summary(bag, name, times.get(name, _Times())) for name in sorted(bag.topics)]
        duration = (max(arrivals) - min(arrivals)) / _NS if arrivals else 0.0
        summary = BagSummary(str(path), duration, len(arrivals), bag.is_cut, listed)
        _judge(bag, times, summary, topics, need_transform=extrinsics is None)
        return summary


@dataclass
class _Times:
    """Arrivals and header stamps of one topic, ns."""

    arrivals: list[int] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)


def _read_times(messages: Iterable[Recorded]) -> dict[str, _Times]:
    times: dict[str, _Times] = {}
    for recorded in messages:
        entry = times.setdefault(recorded.topic, _Times())
        entry.arrivals.append(recorded.arrival_ns)
        entry.stamps.append(_header_stamp(recorded) or recorded.arrival_ns)
    return times


def _header_stamp(recorded: Recorded) -> int | None:
    """Return the stamp of a message whose first field is a header, read from its first bytes alone."""
    fields = type_store().fielddefs.get(recorded.type_name, ([], []))[1]
    if not fields or fields[0][0] != "header" or len(recorded.raw) < 12:
        return None
    order = "<" if bytes(recorded.raw[1:2]) == b"\x01" else ">"
    seconds, nanoseconds = struct.unpack(f"{order}iI", recorded.raw[4:12])
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def _topic_summary(bag: BagFile, name: str, times: _Times) -> TopicSummary:
    arrivals = np.asarray(times.arrivals, dtype=np.int64)
    gaps = np.diff(arrivals) / _NS
    span = float(gaps.sum())
    return TopicSummary(
        name,
        bag.topics[name].type_name,
        len(arrivals),
        len(gaps) / span if span > 0 else None,
        float(gaps.max()) if len(gaps) else None,
        _detail(bag.first(name)),
    )


def _detail(message: Any) -> str:
    """Return size and encoding of the first message of a topic, as far as its type has them."""
    parts = []
    if getattr(message, "width", 0):
        parts.append(f"{message.width}x{message.height}")
    for name in ("encoding", "format", "distortion_model"):
        parts += [value for value in [getattr(message, name, "")] if value]
    parts += [" ".join(entry.name for entry in getattr(message, "fields", []))]
    if hasattr(message, "header"):
        parts.append(f"frame '{message.header.frame_id}'")
    return ", ".join(part for part in parts if part)


def _judge(
    bag: BagFile,
    times: dict[str, _Times],
    summary: BagSummary,
    given: Mapping[str, str] | None,
    *,
    need_transform: bool,
) -> None:
    try:
        topics = choose_topics(bag, given)
    except BagError as error:
        summary.problems.append(str(error))
        return
    summary.roles = asdict(topics)
    if topics.image is None:
        summary.problems.append("no colour image topic (Image or CompressedImage): record the camera")
    if topics.camera_info is None:
        summary.problems.append("no CameraInfo: record the camera_info topic beside the image")
    if topics.points is None:
        summary.problems.append("no PointCloud2 topic: record the LiDAR's points")
    summary.problems += _message_problems(bag, topics)
    if topics.image is not None and topics.points is not None:
        if need_transform:
            summary.problems += _transform_problems(bag, topics.image, topics.points)
        image, points = times.get(topics.image, _Times()), times.get(topics.points, _Times())
        summary.problems += _stamp_problems(image.stamps, points.stamps, summary)


def _message_problems(bag: BagFile, topics: Topics) -> list[str]:
    """Try the first message of each role."""
    problems: list[str] = []
    image = _try(bag, topics.image, decode_image, problems)
    camera = _try(bag, topics.camera_info, decode_camera, problems)
    _try(bag, topics.points, decode_cloud, problems)
    if image is not None and camera is not None and image.shape[:2] != (camera.height, camera.width):
        problems.append(
            f"{topics.image} is {image.shape[1]}x{image.shape[0]}, "
            f"{topics.camera_info} {camera.width}x{camera.height}: record the CameraInfo of this image mode"
        )
    return problems


def _try(bag: BagFile, topic: str | None, decode: Callable[[Any], T], problems: list[str]) -> T | None:
    if topic is None:
        return None
    try:
        return decode(bag.first(topic))
    except DepthRosError as error:
        problems.append(f"{topic}: {error}")
        return None


def _transform_problems(bag: BagFile, image: str, points: str) -> list[str]:
    frames = [str(message.header.frame_id) for topic in (image, points) if (message := bag.first(topic)) is not None]
    try:
        if len(frames) == 2:
            read_static_transforms(bag).lookup(*frames)
    except BagError as error:
        return [str(error)]
    return []


def _stamp_problems(image_stamps: list[int], scan_stamps: list[int], summary: BagSummary) -> list[str]:
    if not image_stamps or not scan_stamps:
        return ["no image or no scan can be read, though the bag lists them: it is damaged, record again"]
    apart = _nearest(np.asarray(image_stamps, np.int64), np.sort(np.asarray(scan_stamps, np.int64))) / _NS
    summary.stamps_apart_s = {"p50": float(np.median(apart)), "max": float(apart.max())}
    slop = PairingConfig().sync_slop
    if np.median(apart) <= slop:
        return []
    return [f"the nearest scan is {np.median(apart):.3f} s from the image (median; allowed {slop} s): sync the clocks"]


def _nearest(stamps: NDArray[np.int64], sorted_others: NDArray[np.int64]) -> NDArray[np.int64]:
    after = np.clip(np.searchsorted(sorted_others, stamps), 1, max(1, len(sorted_others) - 1))
    before = np.abs(stamps - sorted_others[after - 1])
    later = np.abs(stamps - sorted_others[np.minimum(after, len(sorted_others) - 1)])
    return np.asarray(np.minimum(before, later), dtype=np.int64)
