"""monocular_node: a camera image in, dense metric depth out, by a metric model; no LiDAR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from depth_ros.config import as_completion
from depth_ros.frame import Frame
from depth_ros.nodes.base import DepthNode
from depth_ros.nodes.completer import Frames
from depth_ros.nodes.frames import Report, image_frame
from depth_ros.nodes.inputs import InputPair
from depth_ros.nodes.parameters import ParameterGroup
from depth_ros.nodes.running import Running
from depth_ros.nodes.settings import MonocularSettings
from depth_ros.nodes.spin import run_named
from depth_ros.pipelines.base import Stopwatch
from depth_ros.pipelines.factory import make_monocular

EXAMPLE = (
    "example: monocular_node --ros-args -r image:=/camera/image_raw -r camera_info:=/camera/camera_info "
    "-p model:=metric.onnx; every parameter stands in config/monocular.yaml"
)


class ImagesAlone:
    """Frames without a scan."""

    def frame(self, pair: InputPair, watch: Stopwatch, report: Report) -> Frame:  # noqa: ARG002
        """Return the frame of the image."""
        return image_frame(pair)

    def close(self) -> None:
        """Nothing is open."""


class MonocularNode(DepthNode):
    """Depth of images alone."""

    _settings: MonocularSettings

    def __init__(self, **options: Any) -> None:
        super().__init__("monocular_node", MonocularSettings, **options)

    def make_pipeline(self) -> Running:
        """Build the metric model."""
        return Running(make_monocular(self._settings.model.value, len(self._settings.sensors.value.cameras)))

    def make_frames(self) -> Frames:
        """Images need nothing else."""
        return ImagesAlone()

    def _apply(self, changed: Sequence[ParameterGroup[Any]]) -> None:
        if self._pipeline is not None and self._settings.model in changed:
            self._pipeline.configured(as_completion(self._settings.model.value))
        super()._apply(changed)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is stopped; return 0, or 1 when a parameter is wrong."""
    return run_named("monocular_node", MonocularNode, str(__doc__), EXAMPLE, args)


if __name__ == "__main__":
    raise SystemExit(main())
