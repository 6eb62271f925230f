"""The inputs of a node from outside: what comes, whether it pairs, and what the node would say about it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2
from sensor_msgs.msg import Image as ImageMessage

from depth_ros.config import PairingConfig
from depth_ros.errors import NodeError
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_camera, decode_image
from depth_ros.nodes.drops import drops_counted
from depth_ros.nodes.evidence import Cause, Drop, Evidence, Topic
from depth_ros.nodes.graph import clocks, large_lost, other_nodes, publishers
from depth_ros.nodes.inputs import decode_picture, decode_points, stamp_of
from depth_ros.nodes.options import InspectOptions
from depth_ros.nodes.placing import Image, ImagesAlone, Placing, Scan, Tally
from depth_ros.nodes.qos import InputSubscription
from depth_ros.nodes.scout import NAME, Inputs, find_inputs
from depth_ros.nodes.silence import diagnose
from depth_ros.nodes.spin import ros_context

SLICE_S = 0.02
KEEP = 10
TOPICS = ("image", "camera_info", "points")
OF_LIDAR = frozenset({"points", "extrinsics", "sync_slop"})
"""Options that mean nothing without a LiDAR."""
NOWHERE = Inputs({}, "", lidar=True)
"""Nothing was looked for."""


@dataclass(frozen=True)
class Came:
    """What came on one input: how often, and the last message in words (size and encoding, number of points)."""

    topic: Topic
    rate_hz: float
    detail: str


@dataclass(frozen=True)
class Inspection:
    """What was found.

    node: the executable that is meant; monocular_node has no LiDAR. running: the one that was heard, or empty. chosen:
    in words, where the names of the inputs are from; "": they were all given. pairs: images that found a scan, without
    LiDAR images that can be used. gap_ms: median distance in time of these, None without. placed: pairs whose points
    fell into the image. transform: how that went, in words. focal: why the focal length is not known, so that the model
    must find it; or empty. makers: who publishes the depth image. listeners: of the depth image. drops: by reason.
    causes: why nothing would come out, as far as it can be told by now. would_output: whether the node would have
    published a depth map.
    """

    node: str
    running: str
    chosen: str
    inputs: list[Came]
    pairs: int
    gap_ms: float | None
    placed: int
    transform: str
    focal: str
    output: str
    makers: list[str]
    listeners: int
    drops: dict[str, Drop]
    causes: list[Cause]
    would_output: bool


class Inspector(Node):  # type: ignore[misc]
    """Subscribes and decodes as the node does that is meant; with a LiDAR it pairs and draws, see `Placing`.

    options: their empty topics are those that the node does not have.
    """

    def __init__(self, options: InspectOptions, inputs: Inputs = NOWHERE) -> None:
        super().__init__(NAME, start_parameter_services=False)
        self.get_logger().set_level(LoggingSeverity.WARN)
        self._from, self._output = inputs, self.resolve_topic_name(inputs.output)
        self._pairing = PairingConfig(sync_slop=options.sync_slop)
        self._tally = Tally()
        self._placing = Placing(self, options, self._pairing, self._tally) if options.points else None
        self._images = self._placing or ImagesAlone()
        self._camera: Camera | None = None
        self._first: dict[str, float] = {}
        self._detail: dict[str, str] = {}
        image_kind = CompressedImage if options.image.endswith("/compressed") else ImageMessage
        asked: list[tuple[str, Any, str, Callable[[Any], None]]] = [
            ("camera_info", CameraInfo, options.camera_info, self._on_camera_info),
            ("image", image_kind, options.image, self._on_image),
            ("points", PointCloud2, options.points, self._on_points),
        ]
        self._inputs = {
            name: InputSubscription(self, kind, topic, callback, "auto", KEEP, choice=f"--{name.replace('_', '-')} ")
            for name, kind, topic, callback in asked
            if topic
        }

    def poll(self) -> None:
        """Settle what has waited long enough."""
        self._images.settle()

    def follow_clock(self) -> None:
        """Run on simulated time when there is a /clock, as the node would be told to."""
        if self.count_publishers("/clock") and not self.get_parameter("use_sim_time").value:
            self.set_parameters([Parameter("use_sim_time", value=True)])

    def result(self) -> Inspection:
        """Return what has been found so far."""
        images, drops = self._images, self._tally.drops
        images.settle(at_end=True)
        topics = [subscription.evidence() for subscription in self._inputs.values()]
        evidence = Evidence(
            topics=topics,
            paired=images.pairs,
            gap_ns=images.nearest_gap_ns,
            slop_s=self._pairing.sync_slop,
            drops=drops,
            clocks=clocks(self),
            large_lost=large_lost(),
            other_nodes=other_nodes(self),
        )
        return Inspection(
            images.node,
            self._from.running,
            self._from.text,
            [Came(topic, self._rate_hz(topic), self._detail.get(topic.name, "")) for topic in topics],
            images.pairs,
            images.gap_ms,
            images.placed,
            images.transform,
            self._why_no_focal(),
            self._output,
            [publisher.node for publisher in publishers(self, self._output)],
            self.count_subscribers(self._output),
            drops,
            [] if images.placed else diagnose(evidence),
            images.placed > 0,
        )

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._inputs.values():
            subscription.close()
        self._images.close()

    def _why_no_focal(self) -> str:
        if "camera_info" not in self._inputs:
            return "the node reads no CameraInfo (calibration: none)"
        unknown = self._camera is not None and not self._camera.calibrated
        return f"{self._inputs['camera_info'].topic} has a K of zeros" if unknown else ""

    def _rate_hz(self, topic: Topic) -> float:
        if topic.received < 2 or topic.age_s is None:
            return 0.0
        return (topic.received - 1) / max(monotonic() - topic.age_s - self._first[topic.name], 1e-6)

    def _note(self, which: str, detail: str) -> None:
        name = self._inputs[which].topic
        self._first.setdefault(name, monotonic())
        self._detail[name] = detail

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._note("camera_info", f"{message.width}x{message.height} {message.distortion_model}")
        with drops_counted(self._tally, "bad_camera_info"):
            self._camera = decode_camera(message, uncalibrated=self._placing is None)

    def _on_image(self, message: Any) -> None:
        compressed = isinstance(message, CompressedImage)
        self._note("image", message.format if compressed else f"{message.width}x{message.height} {message.encoding}")
        if self._camera is None and "camera_info" in self._inputs:
            return
        with drops_counted(self._tally, "bad_image"):
            stamp = stamp_of(message)
            rgb = decode_image(message) if self._camera is None else decode_picture(message, self._camera)
            camera = self._camera or Camera.uncalibrated(rgb.shape[1], rgb.shape[0])
            self._images.add_image(stamp, Image(message.header.frame_id, camera.rectified()))

    def _on_points(self, message: PointCloud2) -> None:
        self._note("points", f"{message.width * message.height} points")
        with drops_counted(self._tally, "bad_points"):
            assert self._placing is not None
            self._placing.add_scan(stamp_of(message), Scan(message.header.frame_id, decode_points(message)))


def inspect(options: InspectOptions, given: Collection[str] = TOPICS) -> Inspection:
    """Look at the inputs for as long as the options say, or until a signal; return what was found.

    given: the options that were named; where a topic is not among them, the one is taken that is found here. Raises
    NodeError when what is named goes with a LiDAR, and none is to be looked at.
    """
    with ros_context([]) as stop:
        inputs, options = _chosen(options, given, stop.is_set)
        inspector, executor = Inspector(options, inputs), SingleThreadedExecutor()
        executor.add_node(inspector)
        try:
            end = monotonic() + options.seconds
            while not stop.is_set() and monotonic() < end:
                executor.spin_once(timeout_sec=SLICE_S)
                inspector.poll()
                inspector.follow_clock()
            return inspector.result()
        finally:
            executor.shutdown()
            inspector.close()
            inspector.destroy_node()


def _chosen(
    options: InspectOptions, given: Collection[str], is_over: Callable[[], bool]
) -> tuple[Inputs, InspectOptions]:
    """Return where the inputs are from, and the options with the topics that are to be looked at."""
    of_lidar = sorted(OF_LIDAR & set(given))
    if options.input == "none":
        if of_lidar:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in of_lidar)
            raise NodeError(f"--input none looks at no LiDAR, and {names} is about one: leave one of them out")
        options = replace(options, points="")
    free = {topic for topic in TOPICS if topic not in given and getattr(options, topic)}
    if not free:
        return NOWHERE, options
    inputs = find_inputs(is_over, False if options.input == "none" else True if of_lidar else None)
    found: dict[str, Any] = {name: inputs.topics.get(name, "") for name in free if inputs.topics}
    if not inputs.lidar:
        found["points"] = ""
    return inputs, replace(options, **found)
