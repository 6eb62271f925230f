"""completion_node: a camera image and a LiDAR scan in, dense metric depth out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from depth_ros.errors import ConfigError
from depth_ros.nodes.base import DepthNode
from depth_ros.nodes.completer import Place
from depth_ros.nodes.extrinsics import StaticExtrinsics, make_extrinsics, resolve_source
from depth_ros.nodes.fallback import Fallback
from depth_ros.nodes.links import given_links
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.poses import make_poses
from depth_ros.nodes.running import Running
from depth_ros.nodes.settings import CompletionSettings
from depth_ros.nodes.spin import run_named

EXAMPLE = (
    "example: completion_node --ros-args -r image:=/camera/image_raw -r camera_info:=/camera/camera_info "
    "-r points:=/lidar/points -p extrinsics_file:=extrinsics.yaml; every parameter stands in config/completion.yaml"
)


class CompletionNode(DepthNode):
    """Depth of images and the scans that belong to them."""

    _settings: CompletionSettings
    _place: Place | None

    def __init__(self, **options: Any) -> None:
        super().__init__("completion_node", CompletionSettings, **options)

    def make_pipeline(self) -> Running:
        """Build the completion; ConfigError when it is to go on without LiDAR and cannot."""
        settings = self._settings
        cameras = len(settings.sensors.value.cameras)
        pipeline = Fallback(settings.completion.value, settings.guard.value, self.get_logger(), cameras)
        try:
            self._check_lidar_lost(pipeline)
        except ConfigError:
            pipeline.close()
            raise
        return pipeline

    def make_frames(self) -> Place:
        """Open the extrinsics and the poses."""
        settings = self._settings
        extrinsics = make_extrinsics(self, settings.extrinsics.value, settings.link_values)
        try:
            return Place(extrinsics, make_poses(self, settings.motion.value, extrinsics, self._report_odometry))
        except Exception:
            extrinsics.close()
            raise

    def _report_odometry(self, text: str) -> None:
        if self._sensors is not None:
            self._sensors.drop("bad_odometry", text)

    def _apply(self, changed: Sequence[ParameterGroup[Any]]) -> None:
        settings = self._settings
        if any(group in changed for group in settings.links.values()):
            self._change_extrinsics()
        if self._pipeline is not None and (settings.completion in changed or settings.guard in changed):
            self._check_lidar_lost(self._pipeline)
            self._pipeline.configured(settings.completion.value, settings.guard.value)
        super()._apply(changed)

    def _check_lidar_lost(self, pipeline: Running) -> None:
        if self._settings.image_alone and pipeline.needs_scan:
            raise ConfigError(
                f"lidar_lost is monocular, and {pipeline.name} makes no metres without a scan: give a metric model, "
                "or set lidar_lost to silent or last_scan"
            )

    def _change_extrinsics(self) -> None:
        source = resolve_source(self._settings.extrinsics.value, self._settings.link_values)
        if source != "params":
            raise ConfigError(f"the extrinsics come from {source}: this parameter takes no effect")
        links = given_links(self._settings.link_values)
        if self._place is not None and isinstance(self._place.extrinsics, StaticExtrinsics):
            self._place.extrinsics.replace(links)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is stopped; return 0, or 1 when a parameter is wrong."""
    return run_named("completion_node", CompletionNode, str(__doc__), EXAMPLE, args)


if __name__ == "__main__":
    raise SystemExit(main())
