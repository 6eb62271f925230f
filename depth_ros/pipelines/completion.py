"""LiDAR completion without weights: rectify, project, filter, complete."""

from __future__ import annotations

from functools import partial

from depth_ros.classical.fill import complete
from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.frame import DepthMap, Frame
from depth_ros.pipelines.base import Finish, Measured, Pipeline, measure

NAME = "classical"


class ClassicalCompletion(Pipeline):
    """Dense metric depth from one scan, guided by the image; see `classical.fill.complete`."""

    name = NAME

    def __init__(self, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> None:
        self._config, self._guard = config, guard

    def configured(self, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> ClassicalCompletion:
        """Return this pipeline with other settings."""
        return ClassicalCompletion(config, guard)

    def prepare(self, frame: Frame) -> Finish:
        """Measure `frame`, and return what completes it."""
        return partial(self._finish, measure(frame, self._config, self._guard))

    def _finish(self, measured: Measured) -> DepthMap:
        with measured.watch.stage("complete"):
            found = complete(measured.sparse, measured.guide, paste_measured=self._config.paste_measured)
        return measured.depth_map(found)
