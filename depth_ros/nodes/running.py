"""A pipeline that runs: one and the same while its settings change, freed when nothing is in it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock

from depth_ros.config import NO_GUARD, CompletionConfig, GuardConfig
from depth_ros.errors import BuildCancelledError, DepthRosError
from depth_ros.frame import DepthMap, Frame
from depth_ros.pipelines.base import Finish, Pipeline
from depth_ros.pipelines.modelled import Outcome, finish_all


class Running(Pipeline):
    """Any pipeline, as a node holds it; fault: what must be repaired although it goes on, or empty."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._model = self._pipeline = pipeline
        self._lock, self._running = Lock(), Lock()
        self._closed = self._cancelled = False
        self.fault = ""

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the pipeline that runs now."""
        return self._pipeline.name

    @property
    def needs_scan(self) -> bool:  # type: ignore[override]
        """Whether what runs now makes no metres without a scan."""
        return self._pipeline.needs_scan

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

    def warmed(self) -> None:
        """Take note that what ran until now was made up."""
        self._pipeline.warmed()

    def at_once(self, waiting: int) -> int:
        """Return how many of so many prepared frames that go together to finish at once."""
        return self._pipeline.at_once(waiting)

    def process(self, frame: Frame) -> DepthMap:
        """Do both halves of what runs now."""
        (outcome,) = self.finish_all([self.prepare(frame)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def build_while(self, goes_on: Callable[[], bool]) -> None:
        """Cancel what is being built once `goes_on` says no, or when it is cancelled or closed."""
        self._model.build_while(lambda: goes_on() and not self._cancelled)

    def cancel(self) -> None:
        """Cancel what is being built, and all that is to be built from now on."""
        self._cancelled = True

    def prepare(self, frame: Frame) -> Finish:
        """Do the first half of what runs now; the second is to be done by `finish_all`."""
        return self._pipeline.prepare(frame)

    def finish_all(self, halves: Sequence[Finish]) -> Iterator[Outcome]:
        """Do the second halves of frames as `modelled.finish_all` does, and take note of what becomes of each."""
        try:
            # An engine serves one thread, and one that was given up on may still be in it.
            with self._running:
                for outcome in finish_all(halves):
                    if isinstance(outcome, DepthRosError) and not isinstance(outcome, BuildCancelledError):
                        self._failed(outcome)
                    elif isinstance(outcome, DepthMap):
                        self._succeeded()
                    yield outcome
        finally:
            if self._closed:
                self._free()

    def configured(self, config: CompletionConfig, guard: GuardConfig = NO_GUARD) -> Running:
        """Take other settings, and return this very pipeline."""
        with self._lock:
            self._pipeline = self._pipeline.configured(config, guard)
        return self

    def close(self) -> None:
        """Free the engine, also of a model that was given up; an inference that still runs does so at its end."""
        self._closed = self._cancelled = True
        self._free()

    def _failed(self, error: DepthRosError) -> None:
        """Take note of a frame that gave no depth."""

    def _succeeded(self) -> None:
        """Take note of a frame that gave depth."""

    def _free(self) -> None:
        if self._running.acquire(blocking=False):
            try:
                self._model.close()
            finally:
                self._running.release()
