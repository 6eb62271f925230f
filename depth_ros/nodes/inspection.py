"""The inputs of completion_node from outside: what comes, whether it pairs, and what the node would say about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from time import monotonic, monotonic_ns
from typing import Any, NamedTuple

from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_ros.config import CompletionConfig, GuardConfig, PairingConfig
from depth_ros.errors import DepthRosError
from depth_ros.frame import PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.lidar import project_points
from depth_ros.messages.decode import decode_camera, stamp_ns
from depth_ros.nodes.config import ExtrinsicsConfig
from depth_ros.nodes.evidence import Cause, Drop, Evidence, Topic
from depth_ros.nodes.extrinsics import Changes, Extrinsics, StaticExtrinsics, make_extrinsics
from depth_ros.nodes.graph import clocks, large_lost, other_nodes, publishers
from depth_ros.nodes.inputs import decode_picture, decode_points
from depth_ros.nodes.options import InspectOptions
from depth_ros.nodes.qos import InputSubscription
from depth_ros.nodes.scout import NAME, find_inputs
from depth_ros.nodes.silence import diagnose
from depth_ros.nodes.spin import ros_context
from depth_ros.nodes.tf import TfMissingError
from depth_ros.pairing import Pair, Pairer
from depth_ros.pipelines.guard import require_points

SLICE_S = 0.02
KEEP = 10
OUTPUT = "depth/image_rect"
TOPICS = ("image", "camera_info", "points")


@dataclass(frozen=True)
class Came:
    """What came on one input: how often, and the last message in words (size and encoding, number of points)."""

    topic: Topic
    rate_hz: float
    detail: str


@dataclass(frozen=True)
class Inspection:
    """What was found.

    chosen: in words, where the names of the inputs are from; "": they were all given. pairs: images that found a scan.
    gap_ms: median distance in time of these, None without. placed: pairs whose points fell into the image. transform:
    how that went, in words. makers: who publishes the depth image. listeners: of the depth image. drops: by reason.
    causes: why nothing would come out, as far as it can be told by now. would_output: whether completion_node would
    have published a depth map.
    """

    chosen: str
    inputs: list[Came]
    pairs: int
    gap_ms: float | None
    placed: int
    transform: str
    output: str
    makers: list[str]
    listeners: int
    drops: dict[str, Drop]
    causes: list[Cause]
    would_output: bool


class _Image(NamedTuple):
    frame_id: str
    camera: Camera


class _Scan(NamedTuple):
    frame_id: str
    points: PointCloud


class Inspector(Node):  # type: ignore[misc]
    """Subscribes, decodes and pairs as completion_node does, and draws the points into the image; completes nothing."""

    def __init__(self, options: InspectOptions, chosen: str = "") -> None:
        super().__init__(NAME, start_parameter_services=False)
        self.get_logger().set_level(LoggingSeverity.WARN)
        self._chosen = chosen
        self._pairing = PairingConfig(sync_slop=options.sync_slop)
        self._pairer: Pairer[_Image, _Scan] = Pairer(self._pairing)
        self._camera: Camera | None = None
        self._drops: dict[str, Drop] = {}
        self._gaps_ns: list[int] = []
        self._placed, self._transform, self._remedy = 0, "no pair yet, so none was asked for", ""
        self._first: dict[str, float] = {}
        self._detail: dict[str, str] = {}
        self._extrinsics = self._open_extrinsics(options.extrinsics)
        image_kind = CompressedImage if options.image.endswith("/compressed") else Image
        self._inputs = [
            InputSubscription(self, kind, topic, callback, "auto", KEEP, choice=f"{option} ")
            for kind, topic, callback, option in (
                (CameraInfo, options.camera_info, self._on_camera_info, "--camera-info"),
                (image_kind, options.image, self._on_image, "--image"),
                (PointCloud2, options.points, self._on_points, "--points"),
            )
        ]

    def poll(self) -> None:
        """Settle what has waited long enough."""
        self._settle(self._pairer.poll(monotonic_ns()))

    def follow_clock(self) -> None:
        """Run on simulated time when there is a /clock, as the node would be told to."""
        if self.count_publishers("/clock") and not self.get_parameter("use_sim_time").value:
            self.set_parameters([Parameter("use_sim_time", value=True)])

    def result(self) -> Inspection:
        """Return what has been found so far."""
        self._settle(self._pairer.flush())
        topics = [subscription.evidence() for subscription in self._inputs]
        evidence = Evidence(
            topics=topics,
            paired=len(self._gaps_ns),
            gap_ns=self._pairer.nearest_gap_ns,
            slop_s=self._pairing.sync_slop,
            drops=self._drops,
            clocks=clocks(self),
            large_lost=large_lost(),
            other_nodes=other_nodes(self),
        )
        output = self.resolve_topic_name(OUTPUT)
        return Inspection(
            self._chosen,
            [Came(topic, self._rate_hz(topic), self._detail.get(topic.name, "")) for topic in topics],
            len(self._gaps_ns),
            median(self._gaps_ns) / 1e6 if self._gaps_ns else None,
            self._placed,
            self._transform,
            output,
            [publisher.node for publisher in publishers(self, output)],
            self.count_subscribers(output),
            self._drops,
            [] if self._placed else diagnose(evidence),
            self._placed > 0,
        )

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._inputs:
            subscription.close()
        self._extrinsics.close()

    def _open_extrinsics(self, path: str) -> Extrinsics:
        config = ExtrinsicsConfig(extrinsics_source="file" if path else "tf", extrinsics_file=path)
        try:
            return make_extrinsics(self, config, {})
        except TfMissingError:
            self._remedy = "; tf2_ros is not installed: give by --extrinsics FILE what the node has as extrinsics_file"
            return StaticExtrinsics([], Changes(self.get_logger()))

    def _rate_hz(self, topic: Topic) -> float:
        if topic.received < 2 or topic.age_s is None:
            return 0.0
        return (topic.received - 1) / max(monotonic() - topic.age_s - self._first[topic.name], 1e-6)

    def _note(self, number: int, detail: str) -> None:
        name = self._inputs[number].topic
        self._first.setdefault(name, monotonic())
        self._detail[name] = detail

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._note(0, f"{message.width}x{message.height} {message.distortion_model}")
        with self._drops_kept("bad_camera_info"):
            self._camera = decode_camera(message)

    def _on_image(self, message: Any) -> None:
        compressed = isinstance(message, CompressedImage)
        self._note(1, message.format if compressed else f"{message.width}x{message.height} {message.encoding}")
        if self._camera is None:
            return
        with self._drops_kept("bad_image"):
            decode_picture(message, self._camera)
            image = _Image(message.header.frame_id, self._camera.rectified())
            self._settle(self._pairer.add_image(stamp_ns(message.header.stamp), image, monotonic_ns()))

    def _on_points(self, message: PointCloud2) -> None:
        self._note(2, f"{message.width * message.height} points")
        with self._drops_kept("bad_points"):
            scan = _Scan(message.header.frame_id, decode_points(message))
            self._settle(self._pairer.add_scan(stamp_ns(message.header.stamp), scan, monotonic_ns()))

    def _settle(self, pairs: list[Pair[_Image, _Scan]]) -> None:
        for reason, times in self._pairer.counters.items():
            if reason.endswith("_too_far") or "_without_" in reason:
                self._drops[reason] = Drop(times, "")
        for pair in pairs:
            self._gaps_ns.append(abs(pair.image_stamp_ns - pair.scan_stamp_ns))
            self._place(pair)

    def _place(self, pair: Pair[_Image, _Scan]) -> None:
        image, scan, config = pair.image, pair.scan, CompletionConfig()
        frames = f"from '{scan.frame_id}' to '{image.frame_id}'"
        self._transform = f"none {frames}{self._remedy}"
        with self._drops_kept("no_transform"):
            T = self._extrinsics.lookup(image.frame_id, scan.frame_id, pair.image_stamp_ns)
            sparse = project_points(scan.points.xyz, T, image.camera, config.min_depth, config.max_depth).depth
            self._transform = f"{frames}: {(sparse > 0).sum()} pixels of the image are measured"
            with self._drops_kept("too_sparse"):
                require_points(sparse, GuardConfig().min_points)
                self._placed += 1

    @contextmanager
    def _drops_kept(self, reason: str) -> Iterator[None]:
        try:
            yield
        except DepthRosError as error:
            before = self._drops.get(reason, Drop(0, ""))
            self._drops[reason] = Drop(before.times + 1, str(error))


def inspect(options: InspectOptions, given: Collection[str] = TOPICS) -> Inspection:
    """Look at the inputs for as long as the options say, or until a signal; return what was found.

    given: the options whose topics were named; for the others those are taken that are found here.
    """
    with ros_context([]) as stop:
        free, chosen = set(TOPICS) - set(given), ""
        if free:
            topics, chosen = find_inputs(stop.is_set)
            found: dict[str, Any] = {name: topic for name, topic in topics.items() if name in free}
            options = replace(options, **found)
        inspector, executor = Inspector(options, chosen), SingleThreadedExecutor()
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
