"""Folders of LiDAR and camera frames (KITTI above all) as bags."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from depth_ros.bags.folders import FolderSource
from depth_ros.bags.sample import Sample
from depth_ros.bags.writer import BagWriter, bag_factory
from depth_ros.errors import BagError
from depth_ros.frame import Frame
from depth_ros.geometry import rigid
from depth_ros.geometry.distortion import rectify_image
from depth_ros.messages.encode import encode_camera, encode_cloud, encode_image, encode_transform

IMAGE_TOPIC, INFO_TOPIC, POINTS_TOPIC, TF_TOPIC = (
    "/camera/image_raw",
    "/camera/camera_info",
    "/lidar/points",
    "/tf_static",
)
CAMERA_FRAME, LIDAR_FRAME = "camera_optical_frame", "lidar"
Watch = Callable[[Iterable[Sample], int], Iterable[Sample]]


class Conversion(NamedTuple):
    """What a conversion did: frames written, camera frames in use, what was assumed or changed (a sentence each)."""

    frames: int
    camera_frames: list[str]
    remarks: list[str]


def kitti_to_bag(
    folder: str | Path, out: str | Path, *, storage: str = "mcap", overwrite: bool = False, watch: Watch | None = None
) -> Conversion:
    """Write a folder of frames into a bag: Image (rgb8), CameraInfo, PointCloud2 and /tf_static.

    Any layout of `folders.find_frames` that has LiDAR points: KITTI raw, KITTI object, the extracts. CameraInfo is
    rectified (D = 0, P from K), and images of a lens with distortion are rectified while they are written; P2's fourth
    column is part of the extrinsics. Where frames differ in calibration, each calibration has its own camera frame.
    watch: wraps the samples, whose number it gets too, for a progress bar. Raises BagError when the folder holds no
    such frames or the bag cannot be written.
    """
    source = FolderSource(Path(folder))
    samples: Iterable[Sample] = source.samples() if watch is None else watch(source.samples(), len(source))
    with BagWriter(out, storage, overwrite) as bag:
        writer = _FrameWriter(bag)
        for sample in samples:
            writer.write(sample)
    return Conversion(writer.frames, writer.camera_frames, [*source.assumptions, *writer.remarks(), *_left_out(source)])


class _FrameWriter:
    """Writes frames one after the other; remembers calibrations, the last scan and the recording's clock."""

    def __init__(self, bag: BagWriter) -> None:
        self._bag = bag
        self._calibrations: list[Frame] = []
        self._last_scan_ns: int | None = None
        self._now_ns = 0
        self.frames = 0

    @property
    def camera_frames(self) -> list[str]:
        """Names of the camera frames so far, one per calibration."""
        return [_camera_frame(number) for number in range(len(self._calibrations))]

    def remarks(self) -> list[str]:
        """Say what is other than in the folder, one sentence each."""
        count = len(self._calibrations)
        texts = [f"{count} calibrations: each has its own camera frame"] * (count > 1)
        is_changed = any(not frame.camera.is_rectified for frame in self._calibrations)
        return texts + ["images of lenses with distortion were rectified"] * is_changed

    def write(self, sample: Sample) -> None:
        """Write one frame; a scan that serves two neighbouring images is written once."""
        frame = sample.frame
        if frame.points is None or frame.T_cam_lidar is None or frame.rgb is None or frame.scan_stamp_ns is None:
            raise BagError(f"frame {sample.name} has no LiDAR points: give a folder of LiDAR and camera frames")
        if not self._calibrations:
            self._now_ns = min(frame.stamp_ns, frame.scan_stamp_ns)
        if frame.scan_stamp_ns <= frame.stamp_ns:
            self._write_scan(frame)
            self._write_image(frame)
        else:
            self._write_image(frame)
            self._write_scan(frame)
        self.frames += 1

    def _write_image(self, frame: Frame) -> None:
        now, stamp, name = self._arrival(frame.stamp_ns), frame.stamp_ns, self._camera_frame_of(frame)
        info = encode_camera(bag_factory, stamp, name, frame.camera.rectified())
        self._bag.write(INFO_TOPIC, "sensor_msgs/msg/CameraInfo", info, now)
        assert frame.rgb is not None
        image = encode_image(bag_factory, stamp, name, rectify_image(frame.rgb, frame.camera), "rgb8")
        self._bag.write(IMAGE_TOPIC, "sensor_msgs/msg/Image", image, now)

    def _write_scan(self, frame: Frame) -> None:
        stamp = frame.scan_stamp_ns
        assert stamp is not None
        assert frame.points is not None
        if stamp == self._last_scan_ns:
            return
        self._last_scan_ns = stamp
        cloud = encode_cloud(bag_factory, stamp, LIDAR_FRAME, frame.points)
        self._bag.write(POINTS_TOPIC, "sensor_msgs/msg/PointCloud2", cloud, self._arrival(stamp))

    def _camera_frame_of(self, frame: Frame) -> str:
        for number, known in enumerate(self._calibrations):
            if _same_calibration(known, frame):
                return _camera_frame(number)
        self._calibrations.append(frame)
        # One latched message must hold the whole tree: a late subscriber gets the last one alone.
        transforms = [_transform(_camera_frame(n), known) for n, known in enumerate(self._calibrations)]
        message = bag_factory("tf2_msgs/msg/TFMessage", transforms=transforms)
        self._bag.write(TF_TOPIC, "tf2_msgs/msg/TFMessage", message, self._now_ns)
        return _camera_frame(len(self._calibrations) - 1)

    def _arrival(self, stamp: int) -> int:
        self._now_ns = max(self._now_ns, stamp)
        return self._now_ns


def _left_out(source: FolderSource) -> list[str]:
    return [f"left out: {fault}" for fault in source.faults]


def _transform(camera_frame: str, frame: Frame) -> object:
    assert frame.T_cam_lidar is not None
    T_lidar_cam = rigid.invert(frame.T_cam_lidar)
    return encode_transform(bag_factory, frame.stamp_ns, LIDAR_FRAME, camera_frame, T_lidar_cam)


def _same_calibration(a: Frame, b: Frame) -> bool:
    assert a.T_cam_lidar is not None
    assert b.T_cam_lidar is not None
    same_camera = a.camera.size == b.camera.size and np.array_equal(a.camera.K, b.camera.K)
    return same_camera and np.array_equal(a.camera.D, b.camera.D) and np.array_equal(a.T_cam_lidar, b.T_cam_lidar)


def _camera_frame(number: int) -> str:
    return CAMERA_FRAME if number == 0 else f"{CAMERA_FRAME}_{number + 1}"
