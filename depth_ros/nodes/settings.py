"""All settings of each node as its parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from rclpy.node import Node

from depth_ros.config import CompletionConfig, GuardConfig, MonocularConfig, PairingConfig, QueueConfig
from depth_ros.geometry.camera import Camera
from depth_ros.messages.decode import decode_camera
from depth_ros.nodes.config import (
    CameraConfig,
    ExtrinsicsConfig,
    ImageInputConfig,
    InputConfig,
    LifecycleConfig,
    LinkConfig,
    MonocularInputConfig,
    MotionConfig,
    OutputConfig,
    SensorConfig,
)
from depth_ros.nodes.parameters import ParameterGroup, refuse_unknown

UNGUARDED = GuardConfig(guard_share=0.0, min_points=0, guard_shift=False)


class Settings(ABC):
    """What a node of depth asks of its settings; `groups` are all parameters that it declares.

    lifecycle, sensors, model, input, output: groups that every node has; points: how scans are read, of a node with
    LiDARs. lidars: their names.
    last_scan_for: how old a scan may be that completes images of a lost LiDAR (s); 0: none does. image_alone: whether
    an image without a usable scan is worked on. read_camera: how a CameraInfo is read; None: none is.
    Construction raises ConfigError, which names the parameter.
    """

    lifecycle: ParameterGroup[LifecycleConfig]
    sensors: ParameterGroup[CameraConfig]
    model: ParameterGroup[MonocularConfig]
    input: ParameterGroup[ImageInputConfig]
    points: ParameterGroup[InputConfig]
    output: ParameterGroup[OutputConfig]
    groups: Sequence[ParameterGroup[Any]]
    lidars: Sequence[str] = ()
    last_scan_for: float = 0.0
    image_alone: bool = True
    read_camera: Callable[[Any], Camera] | None = staticmethod(decode_camera)

    @property
    @abstractmethod
    def pairing_config(self) -> PairingConfig:
        """How images and scans are paired, and what waits."""

    @property
    def guard_config(self) -> GuardConfig:
        """How the depth is checked; not at all without a scan."""
        return UNGUARDED

    @property
    def queue_size(self) -> int:
        """How many pairs of a camera wait at most."""
        pairing = self.pairing_config
        return 1 if pairing.queue_policy == "latest" else pairing.queue_size


class CompletionSettings(Settings):
    """The settings of completion_node."""

    def __init__(self, node: Node) -> None:
        self.lifecycle = ParameterGroup(node, LifecycleConfig())
        sensors = ParameterGroup(node, SensorConfig())
        self.completion = ParameterGroup(node, CompletionConfig())
        self.guard = ParameterGroup(node, GuardConfig())
        self.pairing = ParameterGroup(node, PairingConfig())
        self.points = ParameterGroup(node, InputConfig())
        self.output = ParameterGroup(node, OutputConfig())
        self.extrinsics = ParameterGroup(node, ExtrinsicsConfig())
        self.motion = ParameterGroup(node, MotionConfig())
        self.links = {
            name: ParameterGroup(node, LinkConfig(), f"extrinsics.{name}.")
            for name in self.extrinsics.value.extrinsics_links
        }
        self.sensors, self.model, self.input = sensors, self.completion, self.points
        self.lidars = sensors.value.lidars
        self.groups = [
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
    def pairing_config(self) -> PairingConfig:
        """As the parameters say."""
        return self.pairing.value

    @property
    def guard_config(self) -> GuardConfig:
        """As the parameters say."""
        return self.guard.value

    @property
    def last_scan_for(self) -> float:  # type: ignore[override]
        """As the parameters say."""
        guard = self.guard.value
        return guard.last_scan_for if guard.lidar_lost == "last_scan" else 0.0

    @property
    def image_alone(self) -> bool:  # type: ignore[override]
        """As the parameter lidar_lost says."""
        return self.guard.value.lidar_lost == "monocular"

    @property
    def link_values(self) -> dict[str, LinkConfig]:
        """The transforms that are given as parameters, by name."""
        return {name: group.value for name, group in self.links.items()}


class MonocularSettings(Settings):
    """The settings of monocular_node."""

    def __init__(self, node: Node) -> None:
        self.lifecycle = ParameterGroup(node, LifecycleConfig())
        self.sensors = ParameterGroup(node, CameraConfig())
        self.model = ParameterGroup(node, MonocularConfig())
        self.queue = ParameterGroup(node, QueueConfig())
        images = ParameterGroup(node, MonocularInputConfig())
        self.input, self.output = images, ParameterGroup(node, OutputConfig())
        self.groups = [self.lifecycle, self.sensors, self.model, self.queue, self.input, self.output]
        unread = images.value.calibration == "none"
        self.read_camera = None if unread else partial(decode_camera, uncalibrated=True)
        refuse_unknown(node)

    @property
    def pairing_config(self) -> PairingConfig:
        """As the parameters say; there is nothing to pair."""
        return PairingConfig(**asdict(self.queue.value))
