"""The inputs of a node: subscribe, decode, give each image its camera, pair it with its scan."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_ros.config import PairingConfig
from depth_ros.errors import DepthRosError, MessageError
from depth_ros.frame import PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_camera, decode_cloud, decode_image, is_rectified, stamp_ns
from depth_ros.nodes.config import InputConfig
from depth_ros.nodes.diagnostics import Statistics
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.qos import InputSubscription, steady_timer
from depth_ros.pairing import Pair, Pairer

TOPICS = ("image", "camera_info", "points")
# A first CameraInfo that stock Fast DDS loses behind large messages is repaired at the next heartbeat, 3 s later.
WAITING_IMAGES = 40
POLL_S = 0.01
NOT_DROPS = frozenset({"paired", "time_jump", "scan_unused"})
WHY = {
    "image_without_scan": "no scan has arrived: check the topic points",
    "scan_too_far": "no scan within sync_slop of the image: check that both sensors share a clock, or raise it",
    "image_duplicate": "an image with this stamp is here already",
    "image_out_of_order": "a later image has been settled already",
    "image_queue_full": "more than queue_size images wait for a scan",
    "image_time_jump": "time jumped back (a bag that starts again?): what waited is forgotten",
    "scan_duplicate": "a scan with this stamp is here already",
}


class ImageInput(NamedTuple):
    """A decoded image with its camera: rgb uint8 [H,W,3]; arrived_ns on the steady clock."""

    frame_id: str
    rgb: NDArray[np.uint8]
    camera: Camera
    arrived_ns: int


class ScanInput(NamedTuple):
    """A decoded scan in its own frame."""

    frame_id: str
    points: PointCloud


InputPair = Pair[ImageInput, ScanInput]


class Inputs:
    """Subscribes to image, camera_info and points, and hands every settled pair to `on_pair`.

    The newest CameraInfo belongs to an image; images that come before the first one wait for it
    (`WAITING_IMAGES` at most). Whatever cannot be used is a counted drop of `statistics`, never an exception.
    """

    def __init__(
        self,
        node: Node,
        config: ParameterGroup[InputConfig],
        pairing: PairingConfig,
        statistics: Statistics,
        on_pair: Callable[[InputPair], None],
    ) -> None:
        self._node, self._config, self._statistics, self._on_pair = node, config, statistics, on_pair
        self._calibration: Camera | None = None
        self._camera: Camera | None = None
        self._waiting: deque[tuple[Any, int]] = deque()
        self._rectification = ""
        self._start_pairing(pairing)
        self._timer = steady_timer(node, POLL_S, self._on_timer)
        value = config.value
        compressed = value.image_transport == "compressed"
        image_topic = node.resolve_topic_name("image") + ("/compressed" if compressed else "")
        image_kind = CompressedImage if compressed else Image
        self._subscriptions = [
            InputSubscription(node, kind, topic, callback, value.input_reliability, value.input_depth)
            for kind, topic, callback in (
                (CameraInfo, "camera_info", self._on_camera_info),
                (image_kind, image_topic, self._on_image),
                (PointCloud2, "points", self._on_points),
            )
        ]

    def set_pairing(self, config: PairingConfig) -> None:
        """Pair by `config` from now on; what waits is settled by what was in force."""
        self.flush()
        self._start_pairing(config)

    def flush(self) -> None:
        """Settle every image that waits for a scan with the scans that are here."""
        self._settle(self._pairer.flush())

    def choose_camera(self) -> None:
        """Take the last CameraInfo as `image_is_rectified` says now, and log that when it is new."""
        if self._calibration is None:
            return
        camera, choice = self._calibration, self._config.value.image_is_rectified
        rectified = choice == "true" or (choice == "auto" and is_rectified(self._subscriptions[1].topic, camera))
        self._camera = camera.rectified() if rectified else camera
        state = "rectified already" if rectified else "not rectified, so it will be"
        said = f"the image is taken as {state} (image_is_rectified: {choice})"
        if said != self._rectification:
            self._rectification = said
            self._node.get_logger().info(said)

    def close(self) -> None:
        """End the subscriptions; images that still wait for a CameraInfo are counted drops."""
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions:
            subscription.close()
        if self._waiting:
            self._drop_without_camera_info(len(self._waiting))
            self._waiting.clear()

    def _start_pairing(self, config: PairingConfig) -> None:
        self._pairer: Pairer[ImageInput, ScanInput] = Pairer(config)
        self._counted: Counter[str] = Counter()
        self._wait_ns = round(max(config.max_wait, config.lost_after) * 1e9)
        self._last_image_ns = 0

    def _on_image(self, message: Any) -> None:
        self._statistics.receive("images")
        self._waiting.append((message, monotonic_ns()))
        if self._camera is not None:
            self._take_images(self._camera)
        elif len(self._waiting) > WAITING_IMAGES:
            self._waiting.popleft()
            self._drop_without_camera_info(1)

    def _drop_without_camera_info(self, count: int) -> None:
        text = f"no usable CameraInfo on {self._subscriptions[0].topic} yet: publish one, or remap it"
        self._statistics.drop("no_camera_info", text, count=count)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._statistics.receive("camera_infos")
        try:
            self._calibration = decode_camera(message)
        except DepthRosError as error:
            self._statistics.drop("bad_camera_info", str(error))
            return
        self.choose_camera()
        if self._camera is not None:
            self._take_images(self._camera)

    def _take_images(self, camera: Camera) -> None:
        while self._waiting:
            message, arrived_ns = self._waiting.popleft()
            try:
                image = self._decode_image(message, camera, arrived_ns)
            except DepthRosError as error:
                self._statistics.drop("bad_image", str(error))
                continue
            self._last_image_ns = monotonic_ns()
            self._timer.reset()
            self._settle(self._pairer.add_image(stamp_ns(message.header.stamp), image, self._last_image_ns))

    def _on_points(self, message: PointCloud2) -> None:
        self._statistics.receive("scans")
        try:
            points = decode_cloud(message)
            if not len(points):
                raise MessageError("the cloud has no finite point: check the LiDAR")
        except DepthRosError as error:
            self._statistics.drop("bad_points", str(error))
            return
        scan = ScanInput(message.header.frame_id, points)
        self._settle(self._pairer.add_scan(stamp_ns(message.header.stamp), scan, monotonic_ns()))

    def _decode_image(self, message: Any, camera: Camera, arrived_ns: int) -> ImageInput:
        rgb = decode_image(message)
        if rgb.shape[:2] != (camera.height, camera.width):
            raise MessageError(
                f"image is {rgb.shape[1]}x{rgb.shape[0]}, its CameraInfo {camera.width}x{camera.height}: "
                "publish the CameraInfo of this image mode"
            )
        return ImageInput(message.header.frame_id, rgb, camera, arrived_ns)

    def _on_timer(self) -> None:
        now = monotonic_ns()
        self._settle(self._pairer.poll(now))
        if now - self._last_image_ns > self._wait_ns:
            self._timer.cancel()

    def _settle(self, pairs: list[InputPair]) -> None:
        for reason, count in self._pairer.counters.items():
            new = count - self._counted[reason]
            self._counted[reason] = count
            if new and reason not in NOT_DROPS:
                self._statistics.drop(reason, WHY.get(reason, reason), count=new)
        for pair in pairs:
            self._on_pair(pair)
