"""Bags as frames: topics chosen, messages decoded, images paired with scans, extrinsics looked up."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_ros.bags.bag_file import BagFile, Recorded, decode_recorded
from depth_ros.bags.calibration import read_extrinsics
from depth_ros.bags.motion import Motion
from depth_ros.bags.sample import Sample
from depth_ros.bags.topics import TF_TYPE, Topics, choose_topics
from depth_ros.bags.transforms import StaticTransforms
from depth_ros.bags.truths import Truths
from depth_ros.config import PairingConfig
from depth_ros.errors import BagError, DepthRosError, MessageError
from depth_ros.frame import Frame
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_camera, decode_cloud, decode_image, is_rectified, stamp_ns
from depth_ros.pairing import Pair, Pairer

FloatArray = NDArray[np.float64]
Extrinsics = str | Path | FloatArray


class PointTime(NamedTuple):
    """How the time of a bag's points is to be read: see `decode_cloud`."""

    unit: str = "auto"
    scan_stamp: str = "start"


AUTO_TIME = PointTime()
InputPair = Pair[tuple[Any, Camera], Any]
_log = logging.getLogger("depth_ros")


class BagReader:
    """Read frames from one bag; a context manager.

    topics: by role (image, camera_info, points, truth, odometry) where their types do not tell. extrinsics: T_cam_lidar
    [4,4] or a calibration file; None = the bag's /tf_static, and /tf at the image's time. pairing: as in the node;
    recorded arrival times drive it. motion: the poses that deskew the scans, see `motion.Motion`. point_time: the
    LiDAR's times, as the node's `point_time_unit` and `scan_stamp`. counters: what the pairing counted, `undecodable`
    messages, pairs with `no_transform`, and scans left `undeskewed` for want of poses. faults: why a pair gave no
    frame, a sentence each. uncalibrated: whether a K of zeros will do. Raises BagError.
    """

    uncalibrated = False

    def __init__(
        self,
        path: str | Path,
        *,
        topics: Mapping[str, str] | None = None,
        extrinsics: Extrinsics | None = None,
        pairing: PairingConfig | None = None,
        motion: str = "auto",
        point_time: PointTime = AUTO_TIME,
    ) -> None:
        self.path = Path(path)
        self.bag = BagFile(self.path)
        self.counters: Counter[str] = Counter()
        self.faults: list[str] = []
        self._given_topics = topics
        self._extrinsics = None if extrinsics is None else _given_extrinsics(extrinsics)
        self._pairing = pairing or PairingConfig()
        self._motion_name, self._point_time = motion, point_time
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
        truths = Truths(self.path, topics.truth)
        count = 0
        motion = Motion(self.bag, self._motion_name, topics.odometry, read_static_transforms(self.bag))
        for pair in self._pairs(topics, motion):
            frame = self._frame(pair, motion)
            if frame is not None:
                yield Sample(f"{frame.stamp_ns}", frame, truths.at(frame.stamp_ns))
                count += 1
        self._report(count, f"no {topics.points} within {self._pairing.sync_slop} s of {topics.image}")
        self._report_motion(motion)

    def _check_complete(self, topics: Topics) -> None:
        self._check_image(topics)
        if topics.camera_info is None:
            raise BagError(f"{self.path}: no CameraInfo for {topics.image}: record the camera_info topic beside it")
        if topics.points is None:
            raise BagError(f"{self.path}: no PointCloud2 topic: record the LiDAR's points")

    def _check_image(self, topics: Topics) -> None:
        if topics.image is None:
            raise BagError(f"{self.path}: no colour image topic (Image or CompressedImage): record the camera")

    def _pairs(self, topics: Topics, motion: Motion) -> Iterator[InputPair]:
        pairer: Pairer[tuple[Any, Camera], Any] = Pairer(self._pairing)
        waiting: deque[tuple[InputPair, int]] = deque()
        for recorded, pairs in self._settled(topics, motion, pairer):
            yield from motion.in_time(pairs, waiting, recorded.arrival_ns)
        yield from (pair for pair, _ in waiting)
        yield from pairer.flush()
        self.counters.update(pairer.counters)

    def _settled(
        self, topics: Topics, motion: Motion, pairer: Pairer[tuple[Any, Camera], Any]
    ) -> Iterator[tuple[Recorded, list[InputPair]]]:
        """Yield every message that could be read with the pairs that it settles."""
        camera = self._first_camera(topics)
        sensors = [str(topics.image), str(topics.camera_info), str(topics.points)]
        for recorded in self.bag.messages([*sensors, *motion.topics]):
            message, pairs = self._decoded(recorded), []
            if message is None:
                continue
            if recorded.topic in motion.topics:
                motion.take(recorded.topic, message)
            elif recorded.topic == topics.camera_info:
                camera = self._camera(message, topics) or camera
            else:
                stamp, now = stamp_ns(message.header.stamp) or recorded.arrival_ns, recorded.arrival_ns
                is_image = recorded.topic == topics.image
                pairs = (
                    pairer.add_image(stamp, (message, camera), now)
                    if is_image
                    else pairer.add_scan(stamp, message, now)
                )
            yield recorded, pairs

    def _frame(self, pair: InputPair, motion: Motion) -> Frame | None:
        image, camera = pair.image
        image_frame, cloud_frame, T_cam_lidar = image.header.frame_id, pair.scan.header.frame_id, self._extrinsics
        try:
            if T_cam_lidar is None:
                T_cam_lidar = motion.extrinsics(image_frame, cloud_frame, pair.image_time_ns)
            rgb, points = decode_image(image), decode_cloud(pair.scan, *self._point_time)
        except (BagError, MessageError) as error:
            if isinstance(error, BagError) and not motion.has_tf:
                raise
            self._count_fault(str(error), "undecodable" if isinstance(error, MessageError) else "no_transform")
            self.faults.append(f"{pair.image_stamp_ns}: {error}")
            return None
        points = motion.deskewed(cloud_frame, points, pair.scans[0].time_ns, pair.image_time_ns)
        return Frame(
            pair.image_stamp_ns, image_frame, rgb, camera, points, T_cam_lidar, scan_stamp_ns=pair.scan_stamp_ns
        )

    def _first_camera(self, topics: Topics) -> Camera:
        info = self.bag.first(str(topics.camera_info))
        try:
            return self._image_camera(info, topics)
        except DepthRosError as error:
            raise BagError(f"{self.path}: {topics.camera_info}: {error}") from None

    def _camera(self, info: Any, topics: Topics) -> Camera | None:
        try:
            return self._image_camera(info, topics)
        except DepthRosError as error:
            self._count_fault(f"{topics.camera_info}: {error}")
            return None

    def _decoded(self, recorded: Recorded) -> Any | None:
        try:
            return decode_recorded(recorded)
        except BagError as error:
            self._count_fault(str(error))
            return None

    def _count_fault(self, text: str, kind: str = "undecodable") -> None:
        self.counters[kind] += 1
        self._first_fault = self._first_fault or text

    def _image_camera(self, info: Any, topics: Topics) -> Camera:
        camera = decode_camera(info, uncalibrated=self.uncalibrated)
        return camera.rectified() if is_rectified(str(topics.image), camera) else camera

    def _report(self, count: int, nothing: str) -> None:
        """Log what could not be read; BagError when `count`, the frames that could, is 0; nothing: why, if unknown."""
        if count == 0:
            counted = ", ".join(f"{name} {number}" for name, number in sorted(self.counters.items()))
            what = "; ".join(filter(None, (self._first_fault or nothing, counted)))
            raise BagError(f"{self.path}: gives no frame ({what}): see `depth_ros bag info`")
        if self._first_fault:
            bad = self.counters["undecodable"] + self.counters["no_transform"]
            _log.warning("%s: %d messages cannot be used; first: %s", self.path, bad, self._first_fault)

    def _report_motion(self, motion: Motion) -> None:
        if motion.bad:
            _log.warning("%s: %d poses are not finite or no rotations: they are left out", self.path, motion.bad)
        if motion.undeskewed:
            self.counters["undeskewed"] = motion.undeskewed
            _log.warning("%s: %d scans are not deskewed; first: %s", self.path, motion.undeskewed, motion.reason)


def read_static_transforms(bag: BagFile) -> StaticTransforms:
    """Gather all transforms of a bag's /tf_static (in any namespace)."""
    topics = [t.name for t in bag.topics.values() if t.type_name == TF_TYPE and t.name.endswith("/tf_static")]
    transforms = StaticTransforms()
    for recorded in bag.messages(topics):
        transforms.add_message(decode_recorded(recorded))
    return transforms


def _given_extrinsics(extrinsics: Extrinsics) -> FloatArray:
    if isinstance(extrinsics, (str, Path)):
        return read_extrinsics(extrinsics)
    T = np.asarray(extrinsics, dtype=np.float64)
    if T.shape != (4, 4) or not np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-3):
        raise BagError("extrinsics are no rigid 4x4 matrix: give T_cam_lidar, which maps LiDAR points into the camera")
    return T
