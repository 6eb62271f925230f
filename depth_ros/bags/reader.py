"""Bags as frames: topics chosen, messages decoded, images paired with scans, extrinsics looked up."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.bag_file import BagFile, Recorded, decode_recorded
from depth_ros.bags.calibration import read_extrinsics
from depth_ros.bags.sample import Sample
from depth_ros.bags.topics import TF_TYPE, Topics, choose_topics
from depth_ros.bags.transforms import StaticTransforms
from depth_ros.config import PairingConfig
from depth_ros.errors import BagError, DepthRosError, MessageError
from depth_ros.frame import Frame
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_camera, decode_cloud, decode_image, is_rectified, stamp_ns
from depth_ros.messages.depth_encoding import decode_depth
from depth_ros.pairing import Pair, Pairer

FloatArray = NDArray[np.float64]
Extrinsics = str | Path | FloatArray
_log = logging.getLogger("depth_ros")


class BagReader:
    """Read frames from one bag; a context manager.

    topics: by role (image, camera_info, points, truth) where their types do not tell. extrinsics: T_cam_lidar [4,4] or
    a calibration file; None = the bag's /tf_static. pairing: as in the node; recorded arrival times drive it.
    counters: what the pairing counted, and `undecodable` messages. faults: why a pair gave no frame, a sentence each.
    Raises BagError.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        topics: Mapping[str, str] | None = None,
        extrinsics: Extrinsics | None = None,
        pairing: PairingConfig | None = None,
    ) -> None:
        self.path = Path(path)
        self.bag = BagFile(self.path)
        self.counters: Counter[str] = Counter()
        self.faults: list[str] = []
        self._given_topics = topics
        self._extrinsics = None if extrinsics is None else _given_extrinsics(extrinsics)
        self._pairing = pairing or PairingConfig()
        self._first_fault = ""

    def __enter__(self) -> BagReader:
        """Open the bag."""
        self.bag.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Close the bag."""
        self.bag.__exit__(kind, error, None)

    def samples(self) -> Iterator[Sample]:
        """Yield every image that has a scan within the slop, with its truth depth where the bag has one.

        Messages that cannot be decoded are counted and reported at the end. Raises BagError when a piece is missing
        without which no frame can be made: image, CameraInfo, K, points, transform.
        """
        topics = choose_topics(self.bag, self._given_topics)
        self._check_complete(topics)
        transforms = read_static_transforms(self.bag)
        truths = _Truths(self.path, topics.truth)
        count = 0
        for pair in self._pairs(topics):
            frame = self._frame(pair, transforms)
            if frame is not None:
                yield Sample(f"{frame.stamp_ns}", frame, truths.at(frame.stamp_ns))
                count += 1
        self._report(topics, count)

    def _check_complete(self, topics: Topics) -> None:
        if topics.image is None:
            raise BagError(f"{self.path}: no colour image topic (Image or CompressedImage): record the camera")
        if topics.camera_info is None:
            raise BagError(f"{self.path}: no CameraInfo for {topics.image}: record the camera_info topic beside it")
        if topics.points is None:
            raise BagError(f"{self.path}: no PointCloud2 topic: record the LiDAR's points")

    def _pairs(self, topics: Topics) -> Iterator[Pair[tuple[Any, Camera], Any]]:
        camera = self._first_camera(topics)
        pairer: Pairer[tuple[Any, Camera], Any] = Pairer(self._pairing)
        for recorded in self.bag.messages([str(topics.image), str(topics.camera_info), str(topics.points)]):
            message = self._decoded(recorded)
            if message is None:
                continue
            stamp, now = stamp_ns(message.header.stamp) or recorded.arrival_ns, recorded.arrival_ns
            if recorded.topic == topics.image:
                yield from pairer.add_image(stamp, (message, camera), now)
            elif recorded.topic == topics.points:
                yield from pairer.add_scan(stamp, message, now)
            else:
                camera = self._camera(message, topics) or camera
        yield from pairer.flush()
        self.counters.update(pairer.counters)

    def _frame(self, pair: Pair[tuple[Any, Camera], Any], transforms: StaticTransforms) -> Frame | None:
        image, camera = pair.image
        image_frame, cloud_frame = image.header.frame_id, pair.scan.header.frame_id
        T_cam_lidar = transforms.lookup(image_frame, cloud_frame) if self._extrinsics is None else self._extrinsics
        try:
            rgb, points = decode_image(image), decode_cloud(pair.scan)
        except MessageError as error:
            self._count_fault(str(error))
            self.faults.append(f"{pair.image_stamp_ns}: {error}")
            return None
        return Frame(
            pair.image_stamp_ns, image_frame, rgb, camera, points, T_cam_lidar, scan_stamp_ns=pair.scan_stamp_ns
        )

    def _first_camera(self, topics: Topics) -> Camera:
        info = self.bag.first(str(topics.camera_info))
        try:
            return _image_camera(info, topics)
        except DepthRosError as error:
            raise BagError(f"{self.path}: {topics.camera_info}: {error}") from None

    def _camera(self, info: Any, topics: Topics) -> Camera | None:
        try:
            return _image_camera(info, topics)
        except DepthRosError as error:
            self._count_fault(f"{topics.camera_info}: {error}")
            return None

    def _decoded(self, recorded: Recorded) -> Any | None:
        try:
            return decode_recorded(recorded)
        except BagError as error:
            self._count_fault(str(error))
            return None

    def _count_fault(self, text: str) -> None:
        self.counters["undecodable"] += 1
        self._first_fault = self._first_fault or text

    def _report(self, topics: Topics, count: int) -> None:
        counted = ", ".join(f"{name} {number}" for name, number in sorted(self.counters.items()))
        if count == 0:
            what = self._first_fault or f"no {topics.points} within {self._pairing.sync_slop} s of {topics.image}"
            raise BagError(f"{self.path}: gives no frame ({what}; {counted}): see `depth_ros bag info`")
        if self._first_fault:
            undecodable = self.counters["undecodable"]
            _log.warning("%s: %d messages cannot be decoded; first: %s", self.path, undecodable, self._first_fault)


class BagSource:
    """A bag as a FrameSource: every iteration opens it anew."""

    def __init__(
        self,
        path: Path,
        *,
        topics: Mapping[str, str] | None = None,
        extrinsics: Extrinsics | None = None,
        pairing: PairingConfig | None = None,
    ) -> None:
        self.path = path
        self.name = path.resolve().stem
        self.faults: list[str] = []
        self._topics, self._extrinsics, self._pairing = topics, extrinsics, pairing

    def samples(self) -> Iterator[Sample]:
        """Yield the samples as `BagReader.samples` does."""
        reader = BagReader(self.path, topics=self._topics, extrinsics=self._extrinsics, pairing=self._pairing)
        self.faults = reader.faults
        with reader:
            yield from reader.samples()


def read_static_transforms(bag: BagFile) -> StaticTransforms:
    """Gather all transforms of a bag's /tf_static (in any namespace)."""
    topics = [t.name for t in bag.topics.values() if t.type_name == TF_TYPE and t.name.endswith("/tf_static")]
    transforms = StaticTransforms()
    for recorded in bag.messages(topics):
        transforms.add_message(decode_recorded(recorded))
    return transforms


class _Truths:
    """The truth topic read alongside: its messages may be recorded before or after their images."""

    def __init__(self, path: Path, topic: str | None) -> None:
        self._path = path
        self._messages = iter(()) if topic is None else self._read(topic)
        self._next: Any = None

    def at(self, stamp: int) -> NDArray[np.float32] | None:
        """Return the truth depth of exactly this stamp; stamps must be asked for in rising order."""
        while self._next is None or stamp_ns(self._next.header.stamp) < stamp:
            self._next = next(self._messages, None)
            if self._next is None:
                return None
        if stamp_ns(self._next.header.stamp) != stamp:
            return None
        try:
            depth = decode_depth(self._next)
        except MessageError as error:
            _log.warning("%s: the truth of stamp %d is left out: %s", self._path, stamp, error)
            return None
        return np.where(np.isfinite(depth), depth, np.float32(np.nan))

    def _read(self, topic: str) -> Iterator[Any]:
        with BagFile(self._path) as bag:
            for recorded in bag.messages([topic]):
                with suppress(BagError):
                    yield decode_recorded(recorded)


def _image_camera(info: Any, topics: Topics) -> Camera:
    camera = decode_camera(info)
    return camera.rectified() if is_rectified(str(topics.image), camera) else camera


def _given_extrinsics(extrinsics: Extrinsics) -> FloatArray:
    if isinstance(extrinsics, (str, Path)):
        return read_extrinsics(extrinsics)
    T = np.asarray(extrinsics, dtype=np.float64)
    if T.shape != (4, 4) or not np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-3):
        raise BagError("extrinsics are no rigid 4x4 matrix: give T_cam_lidar, which maps LiDAR points into the camera")
    return T
