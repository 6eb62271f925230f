"""A pipeline that does not stay broken: an engine that keeps failing is given up, where nobody asked for it by name."""

from __future__ import annotations

from typing import Any

from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.errors import DepthRosError
from depth_ros.nodes.running import Running
from depth_ros.pipelines.completion import ClassicalCompletion
from depth_ros.pipelines.factory import make_pipeline

PATIENCE = 5
"""So many failures in a row: a single frame may be to blame itself."""


class Fallback(Running):
    """The pipeline of the settings, and the classical completion once that has failed `PATIENCE` times in a row.

    So it is where model, engine and precision are `auto`: what is asked for by name goes on failing. fault: why the
    model was given up, or empty. Construction raises as `make_pipeline`.
    """

    def __init__(self, config: CompletionConfig, guard: GuardConfig, logger: Any, cameras: int = 1) -> None:
        super().__init__(make_pipeline(config, guard, cameras))
        self._config, self._guard, self._logger = config, guard, logger
        self._failures = 0

    def configured(self, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> Fallback:
        """Take other settings, and return this very pipeline, which knows what has failed."""
        with self._lock:
            self._config, self._guard = config, guard
            self._pipeline = self._pipeline.configured(config, guard)
        return self

    def _succeeded(self) -> None:
        self._failures = 0

    def _failed(self, error: DepthRosError) -> None:
        self._failures += 1
        config = self._config
        named = (config.model, config.engine, config.precision) != ("auto", "auto", "auto")
        if self._failures < PATIENCE or self.fault or named or self.name == ClassicalCompletion.name:
            return
        self.fault = f"{self.name} was given up for {ClassicalCompletion.name} after {PATIENCE} failures: {error}"
        self._logger.error(f"{self.fault}; `depth_ros doctor` tells what runs here; restart the node to try again")
        with self._lock:
            self._pipeline = ClassicalCompletion(self._config, self._guard)
