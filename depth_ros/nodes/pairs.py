"""Live pairing: one camera's images and all scans in, settled pairs out, and everything else counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic_ns

from rclpy.node import Node

from depth_ros.config import PairingConfig
from depth_ros.nodes.counts import Statistics
from depth_ros.nodes.drops import drops_counted
from depth_ros.nodes.inputs import ImageInput, InputPair, ScanInput
from depth_ros.nodes.qos import steady_timer
from depth_ros.pairing import Pairer

POLL_S = 0.01
NOT_DROPS = frozenset({"paired", "time_jump", "scan_unused", "image_unused", "outdated", "alone"})
WHY = {
    "image_without_scan": "no scan has arrived: check the topic points",
    "scan_without_image": "no image has arrived: check the topic image",
    "scan_too_far": "no scan within sync_slop of the image: lost, or the LiDAR is slow: raise it to half a period",
    "image_too_far": "no image within sync_slop of the scan: lost, or the camera is slow: raise it to half a period",
    "image_duplicate": "an image with this stamp is here already",
    "image_out_of_order": "a later image has been settled already",
    "image_queue_full": "more than queue_size images wait for a scan",
    "image_time_jump": "time jumped back (a bag that starts again?): what waited is forgotten",
    "image_taken": "the image nearest to this scan is that of the scan before: the LiDAR is faster than the camera",
    "scan_duplicate": "a scan with this stamp is here already",
    "scan_out_of_order": "a later scan has been settled already",
    "scan_queue_full": "more than queue_size scans wait for an image",
    "scan_time_jump": "time jumped back (a bag that starts again?): what waited is forgotten",
    "lidar_missing": "not every LiDAR had a scan within sync_slop of an image: it is completed from the others",
}


class Pairs:
    """A Pairer on the machine's steady clock, which hands every settled pair to `on_pair`.

    lidars, last_scan_for and image_alone: as of `Pairer`.
    """

    def __init__(
        self,
        node: Node,
        config: PairingConfig,
        lidars: Sequence[str],
        last_scan_for: float,
        statistics: Statistics,
        on_pair: Callable[[InputPair], None],
        image_alone: bool = False,
    ) -> None:
        self._node, self._lidars, self._statistics, self._on_pair = node, lidars, statistics, on_pair
        self._settings = config, last_scan_for, image_alone
        self._start()
        self._timer = steady_timer(node, POLL_S, self._on_timer)

    @property
    def nearest_gap_ns(self) -> int | None:
        """Distance in time to the nearest scan of the last image that found none within the slop."""
        return self._pairer.nearest_gap_ns

    @property
    def paired(self) -> int:
        """Number of pairs so far."""
        return self._pairer.counters["paired"]

    def add_image(self, stamp_ns: int, image: ImageInput) -> None:
        """Take an image."""
        self._settle(self._pairer.add_image(stamp_ns, image, monotonic_ns()))

    def add_scan(self, lidar: str, stamp_ns: int, scan: ScanInput) -> None:
        """Take a scan."""
        self._settle(self._pairer.add_scan(stamp_ns, scan, monotonic_ns(), lidar))

    def configure(self, config: PairingConfig, last_scan_for: float, image_alone: bool = False) -> None:
        """Pair by `config` from now on, if that is new; what waits is settled by what was in force."""
        if (config, last_scan_for, image_alone) != self._settings:
            self._settings = config, last_scan_for, image_alone
            self.flush()
            self._start()

    def flush(self) -> None:
        """Settle everything that waits with what is here."""
        self._settle(self._pairer.flush())

    def close(self) -> None:
        """Forget what waits."""
        self._node.destroy_timer(self._timer)

    def _start(self) -> None:
        config, last_scan_for, image_alone = self._settings
        self._pairer: Pairer[ImageInput, ScanInput] = Pairer(
            config, self._lidars, last_scan_for=last_scan_for, image_alone=image_alone
        )
        self._counted: Counter[str] = Counter()

    def _on_timer(self) -> None:
        with drops_counted(self._statistics, "internal"):
            self._settle(self._pairer.poll(monotonic_ns()))
        if not self._pairer.waits:
            self._timer.cancel()

    def _settle(self, pairs: list[InputPair]) -> None:
        if self._pairer.waits and self._timer.is_canceled():
            self._timer.reset()
        new = self._pairer.counters - self._counted
        self._counted.update(new)
        for reason in sorted(new.keys() - NOT_DROPS):
            self._statistics.drop(reason, WHY.get(reason, reason), count=new[reason])
        for pair in pairs:
            self._on_pair(pair)
