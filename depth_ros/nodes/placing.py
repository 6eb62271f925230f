"""What is made of the images that the doctor sees, and nothing completed: pairs drawn into the image, or the image."""

from __future__ import annotations

from statistics import median
from time import monotonic_ns
from typing import NamedTuple

from rclpy.node import Node

from depth_ros.config import CompletionConfig, GuardConfig, PairingConfig
from depth_ros.frame import PointCloud
from depth_ros.geometry.camera import Camera
from depth_ros.geometry.lidar import project_points
from depth_ros.nodes.config import ExtrinsicsConfig
from depth_ros.nodes.drops import drops_counted
from depth_ros.nodes.evidence import Drop
from depth_ros.nodes.extrinsics import Changes, Extrinsics, StaticExtrinsics, make_extrinsics
from depth_ros.nodes.options import InspectOptions
from depth_ros.nodes.tf import TfMissingError
from depth_ros.pairing import Pair, Pairer
from depth_ros.pipelines.guard import require_points


class Tally:
    """Drops by reason, and nothing is logged."""

    def __init__(self) -> None:
        self.drops: dict[str, Drop] = {}

    def receive(self, topic: str) -> None:
        """Count nothing: the subscriptions do."""

    def drop(self, reason: str, text: str, *, count: int = 1) -> None:
        """Count something that was dropped."""
        before = self.drops.get(reason, Drop(0, ""))
        self.drops[reason] = Drop(before.times + count, text)


class Image(NamedTuple):
    """An image that could be decoded, in its rectified camera."""

    frame_id: str
    camera: Camera


class Scan(NamedTuple):
    """A scan in its own frame."""

    frame_id: str
    points: PointCloud


class ImagesAlone:
    """Images as monocular_node takes them: each for itself, so that it is a pair that depth comes of."""

    node = "monocular_node"
    transform = "none is needed without LiDAR"
    gap_ms: float | None = None
    nearest_gap_ns: int | None = None

    def __init__(self) -> None:
        self.pairs = self.placed = 0

    def add_image(self, stamp_ns: int, image: Image) -> None:  # noqa: ARG002
        """Count an image."""
        self.pairs += 1
        self.placed += 1

    def settle(self, *, at_end: bool = False) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


class Placing:
    """Images and scans, paired as completion_node does, the points drawn into the image.

    node: the executable that works so. placed: pairs whose points fell into the image. transform: how that went, in
    words. What cannot be used is a drop of `tally`.
    """

    node = "completion_node"

    def __init__(self, node: Node, options: InspectOptions, pairing: PairingConfig, tally: Tally) -> None:
        self._tally = tally
        self._pairer: Pairer[Image, Scan] = Pairer(pairing)
        self._gaps_ns: list[int] = []
        self.placed, self.transform, self._remedy = 0, "no pair yet, so none was asked for", ""
        self._extrinsics = self._open_extrinsics(node, options.extrinsics)

    @property
    def pairs(self) -> int:
        """Images that found a scan."""
        return len(self._gaps_ns)

    @property
    def gap_ms(self) -> float | None:
        """Median distance in time of the pairs, None without any."""
        return median(self._gaps_ns) / 1e6 if self._gaps_ns else None

    @property
    def nearest_gap_ns(self) -> int | None:
        """Between the last image that found no scan and the nearest scan."""
        return self._pairer.nearest_gap_ns

    def add_image(self, stamp_ns: int, image: Image) -> None:
        """Offer an image to the pairing."""
        self._take(self._pairer.add_image(stamp_ns, image, monotonic_ns()))

    def add_scan(self, stamp_ns: int, scan: Scan) -> None:
        """Offer a scan to the pairing."""
        self._take(self._pairer.add_scan(stamp_ns, scan, monotonic_ns()))

    def settle(self, *, at_end: bool = False) -> None:
        """Settle what has waited long enough, or everything."""
        self._take(self._pairer.flush() if at_end else self._pairer.poll(monotonic_ns()))

    def close(self) -> None:
        """Stop listening for transforms."""
        self._extrinsics.close()

    def _open_extrinsics(self, node: Node, path: str) -> Extrinsics:
        config = ExtrinsicsConfig(extrinsics_source="file" if path else "tf", extrinsics_file=path)
        try:
            return make_extrinsics(node, config, {})
        except TfMissingError:
            self._remedy = "; tf2_ros is not installed: give by --extrinsics FILE what the node has as extrinsics_file"
            return StaticExtrinsics([], Changes(node.get_logger()))

    def _take(self, pairs: list[Pair[Image, Scan]]) -> None:
        for reason, times in self._pairer.counters.items():
            if reason.endswith("_too_far") or "_without_" in reason:
                self._tally.drops[reason] = Drop(times, "")
        for pair in pairs:
            self._gaps_ns.append(abs(pair.image_stamp_ns - pair.scan_stamp_ns))
            with drops_counted(self._tally, "no_transform"):
                self._place(pair)

    def _place(self, pair: Pair[Image, Scan]) -> None:
        image, scan, config = pair.image, pair.scan, CompletionConfig()
        frames = f"from '{scan.frame_id}' to '{image.frame_id}'"
        self.transform = f"none {frames}{self._remedy}"
        T = self._extrinsics.lookup(image.frame_id, scan.frame_id, pair.image_stamp_ns)
        sparse = project_points(scan.points.xyz, T, image.camera, config.min_depth, config.max_depth).depth
        self.transform = f"{frames}: {(sparse > 0).sum()} pixels of the image are measured"
        require_points(sparse, GuardConfig().min_points)
        self.placed += 1
