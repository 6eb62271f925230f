"""LiDAR completion without weights: rectify, project, filter, complete."""

from __future__ import annotations

from functools import partial

from depth_ros.classical.fill import complete
from depth_ros.config import CompletionConfig
from depth_ros.frame import DepthMap, Frame
from depth_ros.pipelines.base import Finish, Measured, Pipeline, measure

NAME = "classical"


class ClassicalCompletion(Pipeline):
    """Dense metric depth from one scan, guided by the image; see `classical.fill.complete`."""

    name = NAME

    def __init__(self, config: CompletionConfig) -> None:
        self._config = config

    def configured(self, config: CompletionConfig) -> ClassicalCompletion:
        """Return this pipeline with other settings."""
        return ClassicalCompletion(config)

    def prepare(self, frame: Frame) -> Finish:
        """Measure `frame`, and return what completes it."""
        return partial(self._finish, measure(frame, self._config))

    def _finish(self, measured: Measured) -> DepthMap:
        with measured.watch.stage("complete"):
            found = complete(measured.sparse, measured.guide, paste_measured=self._config.paste_measured)
        return measured.depth_map(found)
