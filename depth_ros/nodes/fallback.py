"""A pipeline that does not stay broken: an engine that keeps failing is given up, where nobody asked for it by name."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import Any

from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.errors import DepthRosError
from depth_ros.frame import DepthMap, Frame
from depth_ros.pipelines.base import Finish, Pipeline
from depth_ros.pipelines.completion import ClassicalCompletion
from depth_ros.pipelines.factory import make_pipeline

PATIENCE = 5
"""So many failures in a row: a single frame may be to blame itself."""


class Fallback(Pipeline):
    """The pipeline of the settings, and the classical completion once that has failed `PATIENCE` times in a row.

    So it is where model, engine and precision are `auto`: what is asked for by name goes on failing. fault: why the
    model was given up, or empty. Construction raises as `make_pipeline`.
    """

    def __init__(self, config: CompletionConfig, guard: GuardConfig, logger: Any) -> None:
        self._config, self._guard, self._logger = config, guard, logger
        self._model = self._pipeline = make_pipeline(config, guard)
        self._lock, self._running = Lock(), Lock()
        self._failures, self._closed = 0, False
        self.fault = ""

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the pipeline that runs now."""
        return self._pipeline.name

    @property
    def facts(self) -> dict[str, str]:
        """What runs now."""
        return self._pipeline.facts

    @property
    def building(self) -> str:
        """What is being built right now."""
        return self._pipeline.building

    @property
    def warm_size(self) -> tuple[int, int]:
        """Width and height of a made-up frame to warm up with."""
        return self._pipeline.warm_size

    def prepare(self, frame: Frame) -> Finish:
        """Do the first half of what runs now."""
        return partial(self._finish, self._pipeline.prepare(frame))

    def configured(self, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> Fallback:
        """Take other settings, and return this very pipeline, which knows what has failed."""
        with self._lock:
            self._config, self._guard = config, guard
            self._pipeline = self._pipeline.configured(config, guard)
        return self

    def close(self) -> None:
        """Free the engine, also of a model that was given up; an inference that still runs does so at its end."""
        self._closed = True
        self._free()

    def _finish(self, finish: Finish) -> DepthMap:
        try:
            # An engine serves one thread, and one that was given up on may still be in it.
            with self._running:
                depth_map = finish()
        except DepthRosError as error:
            self._count_failure(error)
            raise
        finally:
            if self._closed:
                self._free()
        self._failures = 0
        return depth_map

    def _free(self) -> None:
        if self._running.acquire(blocking=False):
            try:
                self._model.close()
            finally:
                self._running.release()

    def _count_failure(self, error: DepthRosError) -> None:
        self._failures += 1
        config = self._config
        named = (config.model, config.engine, config.precision) != ("auto", "auto", "auto")
        if self._failures < PATIENCE or self.fault or named or self.name == ClassicalCompletion.name:
            return
        self.fault = f"{self.name} was given up for {ClassicalCompletion.name} after {PATIENCE} failures: {error}"
        self._logger.error(f"{self.fault}; `depth_ros doctor` tells what runs here; restart the node to try again")
        with self._lock:
            self._pipeline = ClassicalCompletion(self._config, self._guard)
