"""The sensors of a node, each decoded once: a camera's images with their CameraInfo, and a LiDAR's scans."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_ros.errors import MessageError
from depth_ros.frame import PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.distortion import check_distortion
from depth_ros.messages.decode import decode_camera, decode_cloud, decode_image, is_rectified, stamp_ns
from depth_ros.nodes.config import ImageInputConfig, InputConfig
from depth_ros.nodes.drops import Counting, drops_counted
from depth_ros.nodes.evidence import Topic
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.qos import InputSubscription
from depth_ros.pairing import Pair, Stamped

# A first CameraInfo that stock Fast DDS loses behind large messages is repaired at the next heartbeat, 3 s later.
WAITING_IMAGES = 40


class ImageInput(NamedTuple):
    """A decoded image with its camera: rgb uint8 [H,W,3]; arrived_ns and decoded_ns on the steady clock."""

    frame_id: str
    rgb: NDArray[np.uint8]
    camera: Camera
    arrived_ns: int
    decoded_ns: int
    decode_s: float


class ScanInput(NamedTuple):
    """A decoded scan in its own frame."""

    frame_id: str
    points: PointCloud
    decode_s: float


InputPair = Pair[ImageInput, ScanInput]
Scans = tuple[Stamped[ScanInput], ...]
OnImage = Callable[[int, ImageInput], None]
ReadCamera = Callable[[Any], Camera]
OnScan = Callable[[str, int, ScanInput], None]


def topic_of(sensor: str, topic: str) -> str:
    """Return the relative name of a sensor's topic; the sensor without a name has none in front."""
    return f"{sensor}/{topic}" if sensor else topic


class CameraInput:
    """Subscribes to image and camera_info of one camera, and hands every decoded image to `on_image` with its stamp.

    The newest CameraInfo belongs to an image; images that come before the first one wait for it
    (`WAITING_IMAGES` at most). read_camera: how a CameraInfo is read; None: there is none, and the camera of an image
    is not calibrated. Whatever cannot be used is a counted drop of `statistics`, never an exception.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        config: ParameterGroup[ImageInputConfig],
        statistics: Counting,
        on_image: OnImage,
        read_camera: ReadCamera | None = decode_camera,
    ) -> None:
        self._node, self._config, self._statistics, self._on_decoded = node, config, statistics, on_image
        self._read_camera = read_camera
        self._calibration: Camera | None = None
        self._camera: Camera | None = None
        self._waiting: deque[tuple[Any, int]] = deque()
        self._rectification = ""
        value = config.value
        compressed = value.image_transport == "compressed"
        kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
        how = value.input_reliability, value.input_depth
        info_topic = topic_of(name, "camera_info")
        self._info_input = (
            None if read_camera is None else InputSubscription(node, CameraInfo, info_topic, self._on_camera_info, *how)
        )
        self._image_input = InputSubscription(node, kind, topic_of(name, "image"), self._on_image, *how, suffix=suffix)

    def choose_camera(self) -> None:
        """Take the last CameraInfo as `image_is_rectified` says now, and log that when it is new."""
        if self._calibration is None:
            return
        camera, choice = self._calibration, self._config.value.image_is_rectified
        rectified = choice == "true" or (choice == "auto" and is_rectified(self._image_input.topic, camera))
        check_distortion(camera.rectified() if rectified else camera)
        self._camera = camera.rectified() if rectified else camera
        state = "rectified already" if rectified else "not rectified, so it will be"
        said = f"the image is taken as {state} (image_is_rectified: {choice})"
        if said != self._rectification:
            self._rectification = said
            self._node.get_logger().info(said)

    def evidence(self) -> list[Topic]:
        """Return what is known of the topics."""
        return [one.evidence() for one in (self._image_input, self._info_input) if one is not None]

    def close(self) -> None:
        """End the subscriptions; images that still wait for a CameraInfo are counted drops."""
        self._image_input.close()
        if self._info_input is not None:
            self._info_input.close()
        if self._waiting:
            self._drop_without_camera_info(len(self._waiting))
            self._waiting.clear()

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._statistics.receive("camera_infos")
        with drops_counted(self._statistics, "bad_camera_info"):
            assert self._read_camera is not None
            self._calibration = self._read_camera(message)
            self.choose_camera()
        self._take_waiting()

    def _on_image(self, message: Any) -> None:
        self._statistics.receive("images")
        self._waiting.append((message, monotonic_ns()))
        self._take_waiting()
        if len(self._waiting) > WAITING_IMAGES:
            self._waiting.popleft()
            self._drop_without_camera_info(1)

    def _take_waiting(self) -> None:
        while self._waiting and (self._camera is not None or self._info_input is None):
            message, arrived_ns = self._waiting.popleft()
            with drops_counted(self._statistics, "bad_image"):
                stamp = stamp_of(message)
                self._on_decoded(stamp, _decoded_image(message, self._camera, arrived_ns))

    def _drop_without_camera_info(self, count: int) -> None:
        assert self._info_input is not None
        text = f"no usable CameraInfo on {self._info_input.topic} yet: publish one, or remap it"
        self._statistics.drop("no_camera_info", text, count=count)


class LidarInput:
    """Subscribes to points of one LiDAR, and hands every decoded scan to `on_scan` with the LiDAR's name and its stamp.

    Whatever cannot be used is a counted drop of `statistics`, never an exception.
    """

    def __init__(
        self, node: Node, name: str, config: ParameterGroup[InputConfig], statistics: Counting, on_scan: OnScan
    ) -> None:
        self._name, self._config, self._statistics, self._on_decoded = name, config, statistics, on_scan
        how = config.value.input_reliability, config.value.input_depth
        self._input = InputSubscription(node, PointCloud2, topic_of(name, "points"), self._on_points, *how)

    def evidence(self) -> Topic:
        """Return what is known of the topic."""
        return self._input.evidence()

    def close(self) -> None:
        """End the subscription."""
        self._input.close()

    def _on_points(self, message: PointCloud2) -> None:
        self._statistics.receive("scans")
        begun_ns = monotonic_ns()
        with drops_counted(self._statistics, "bad_points"):
            stamp = stamp_of(message)
            points = decode_points(message, self._config.value.point_time_unit, self._config.value.scan_stamp)
            scan = ScanInput(message.header.frame_id, points, (monotonic_ns() - begun_ns) / 1e9)
            self._on_decoded(self._name, stamp, scan)


def stamp_of(message: Any) -> int:
    """Return the stamp of a message, nanoseconds; MessageError when it is zero, as it is when nobody filled it in."""
    stamp = stamp_ns(message.header.stamp)
    if stamp == 0:
        raise MessageError("its stamp is zero: let the driver fill header.stamp")
    return stamp


def decode_picture(message: Any, camera: Camera) -> NDArray[np.uint8]:
    """Return the picture of an image message, uint8 [H,W,3]; MessageError when it is not of its camera's size."""
    rgb = decode_image(message)
    if rgb.shape[:2] != (camera.height, camera.width):
        raise MessageError(
            f"image is {rgb.shape[1]}x{rgb.shape[0]}, its CameraInfo {camera.width}x{camera.height}: "
            "publish the CameraInfo of this image mode"
        )
    return rgb


def decode_points(message: Any, time_unit: str = "auto", scan_stamp: str = "start") -> PointCloud:
    """Return the points of a cloud as `decode_cloud` does; MessageError when there is none."""
    points = decode_cloud(message, time_unit, scan_stamp)
    if not len(points):
        raise MessageError("the cloud has no finite point: check the LiDAR")
    return points


def _decoded_image(message: Any, camera: Camera | None, arrived_ns: int) -> ImageInput:
    begun_ns = monotonic_ns()
    rgb = decode_image(message) if camera is None else decode_picture(message, camera)
    camera = camera or Camera.uncalibrated(rgb.shape[1], rgb.shape[0])
    decoded_ns = monotonic_ns()
    return ImageInput(message.header.frame_id, rgb, camera, arrived_ns, decoded_ns, (decoded_ns - begun_ns) / 1e9)
