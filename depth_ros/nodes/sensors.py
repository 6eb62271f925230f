"""All cameras and LiDARs of the node: subscribed while somebody listens, every scan decoded once for all cameras."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from rclpy.lifecycle import LifecycleNode

from depth_ros.nodes.channel import Channel, Work
from depth_ros.nodes.counts import Statistics
from depth_ros.nodes.drops import drops_counted
from depth_ros.nodes.evidence import Topic
from depth_ros.nodes.inputs import LidarInput, ScanInput
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.settings import Settings


class Sensors:
    """The channels of the cameras, and the LiDARs that feed them; statistics: by the camera's name.

    What is counted of a LiDAR is counted with every camera. Construction raises NodeError when a topic's name is
    refused.
    """

    def __init__(self, node: LifecycleNode, settings: Settings, statistics: Mapping[str, Statistics]) -> None:
        self._node, self._settings = node, settings
        self._lidars: list[LidarInput] = []
        self.channels: dict[str, Channel] = {}
        try:
            for name in settings.sensors.value.cameras:
                self.channels[name] = Channel(node, name, settings, statistics[name])
        except Exception:
            self.close()
            raise

    @property
    def is_open(self) -> bool:
        """Whether any camera is subscribed."""
        return any(channel.is_open for channel in self.channels.values())

    def follow_demand(self, on_work: Callable[[Work], None]) -> None:
        """Subscribe and unsubscribe every camera as its listeners come and go, and the LiDARs with them."""
        for channel in self.channels.values():
            with drops_counted(channel.statistics, "not_subscribed"):
                channel.follow_demand(on_work)
        if not self.is_open:
            self._unsubscribe_lidars()
        else:
            with drops_counted(self, "not_subscribed"):
                for name in self._settings.lidars[len(self._lidars) :]:
                    self._lidars.append(LidarInput(self._node, name, self._settings.points, self, self._on_scan))

    def configure(self, changed: Collection[ParameterGroup[Any]]) -> None:
        """Let changed settings take effect."""
        for channel in self.channels.values():
            channel.configure(changed)

    def receive(self, topic: str) -> None:
        """Count a message of a LiDAR with every camera that is subscribed."""
        for channel in self.channels.values():
            if channel.is_open:
                channel.statistics.receive(topic)

    def drop(self, reason: str, text: str, *, count: int = 1) -> None:
        """Count a scan that was dropped with every camera that is subscribed."""
        for channel in self.channels.values():
            if channel.is_open:
                channel.statistics.drop(reason, text, count=count)

    def evidence(self, channel: Channel) -> list[Topic]:
        """Return what is known of everything that a camera's output needs, nothing while that is not subscribed."""
        return channel.evidence() + [lidar.evidence() for lidar in self._lidars if channel.is_open]

    def unsubscribe(self) -> None:
        """End all subscriptions; what waits is forgotten."""
        self._unsubscribe_lidars()
        for channel in self.channels.values():
            channel.unsubscribe()

    def close(self) -> None:
        """End all subscriptions and publishers."""
        self._unsubscribe_lidars()
        for channel in self.channels.values():
            channel.close()

    def _on_scan(self, lidar: str, stamp_ns: int, scan: ScanInput) -> None:
        for channel in self.channels.values():
            channel.add_scan(lidar, stamp_ns, scan)

    def _unsubscribe_lidars(self) -> None:
        while self._lidars:
            self._lidars.pop().close()
