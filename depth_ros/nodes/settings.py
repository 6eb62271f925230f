"""All settings of completion_node as its parameters."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from depth_ros.config import CompletionConfig, GuardConfig, PairingConfig
from depth_ros.nodes.config import (
    ExtrinsicsConfig,
    InputConfig,
    LifecycleConfig,
    LinkConfig,
    MotionConfig,
    OutputConfig,
    SensorConfig,
)
from depth_ros.nodes.parameters import ParameterGroup, refuse_unknown


class Settings:
    """Declares every parameter of the node; `groups` are all of them. Raises ConfigError, which names the parameter."""

    def __init__(self, node: Node) -> None:
        self.lifecycle = ParameterGroup(node, LifecycleConfig())
        self.sensors = ParameterGroup(node, SensorConfig())
        self.completion = ParameterGroup(node, CompletionConfig())
        self.guard = ParameterGroup(node, GuardConfig())
        self.pairing = ParameterGroup(node, PairingConfig())
        self.input = ParameterGroup(node, InputConfig())
        self.output = ParameterGroup(node, OutputConfig())
        self.extrinsics = ParameterGroup(node, ExtrinsicsConfig())
        self.motion = ParameterGroup(node, MotionConfig())
        self.links = {
            name: ParameterGroup(node, LinkConfig(), f"extrinsics.{name}.")
            for name in self.extrinsics.value.extrinsics_links
        }
        self.groups: list[ParameterGroup[Any]] = [
            self.lifecycle,
            self.sensors,
            self.completion,
            self.guard,
            self.pairing,
            self.input,
            self.output,
            self.extrinsics,
            self.motion,
            *self.links.values(),
        ]
        refuse_unknown(node)

    @property
    def last_scan_for(self) -> float:
        """How old a scan may be that completes images of a lost LiDAR (s); 0: none does."""
        guard = self.guard.value
        return guard.last_scan_for if guard.lidar_lost == "last_scan" else 0.0

    @property
    def queue_size(self) -> int:
        """How many pairs of a camera wait at most."""
        pairing = self.pairing.value
        return 1 if pairing.queue_policy == "latest" else pairing.queue_size

    @property
    def link_values(self) -> dict[str, LinkConfig]:
        """The transforms that are given as parameters, by name."""
        return {name: group.value for name, group in self.links.items()}
